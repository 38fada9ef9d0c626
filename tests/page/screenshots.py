"""Pictures of the trading screen for docs/, made of a lively venue of its own; run as `python -m tests.page.screenshots`.

It takes some four minutes, because a chart wants something to show.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image  # comes with matplotlib

from tests.page.screen import PHONE, Screen, chromium
from tests.venue import ROOT, Client, order, replace, wait_for

DOCS = ROOT / "docs"
SIZE = (1440, 900)
SEED = 4


def configured(directory: Path) -> Path:
    """config/exchange.toml with ports that are free."""
    text = (ROOT / "config" / "exchange.toml").read_text().replace('"dictionaries"', f'"{ROOT}/config/dictionaries"')
    for port in (5001, 5002, 5003, 8080, 9101, 9102, 9103, 9104):
        text = text.replace(f"port = {port}\n", "port = 0\n").replace(f"port = {port} ", "port = 0 ")
    path = directory / "venue.toml"
    path.write_text(text)
    return path


def best(screen: Screen) -> tuple[float, float]:
    """The best bid and offer that the ladder shows."""
    found = []
    for side, place in (("bid", 0), ("offer", -1)):
        level = screen.page.locator(f'.level[data-side="{side}"]:not(.vacant):not([hidden]) .price > span:nth-child(2)').nth(place)
        found.append(float(level.inner_text().replace(",", "")))
    return found[0], found[1]


def trade_by_fix(client: Client, bid: float, offer: float, number: int) -> None:
    """Somebody who tests his client: an order, a change of it, one that trades, one that is refused."""
    client.send("D", order(f"TEST-{number}", "1", 40, f"{bid - 0.40:.2f}"))
    client.send("D", order(f"TAKE-{number}", "1" if number % 2 else "2", 3, f"{offer + 0.30 if number % 2 else bid - 0.30:.2f}"))
    client.send("G", replace(f"TEST-{number}A", f"TEST-{number}", "1", 60, f"{bid - 0.25:.2f}"))
    client.send("D", order(f"ODD-{number}", "1", 10, f"{bid - 0.405:.3f}"))
    client.send("G", replace(f"TEST-{number}B", f"TEST-{number}A", "1", 60, f"{offer + 0.20:.2f}"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=200, help="how long the market trades before the first picture")
    parser.add_argument("--to", type=Path, default=DOCS, help="where the pictures go")
    options = parser.parse_args()
    random.seed(SEED)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        data, config = directory / "data", configured(directory)
        fixserver = [sys.executable, "-m", "fixserver.cli"]
        with (directory / "log").open("wb") as log:
            run = subprocess.Popen([*fixserver, "run", "--config", config, "--data", data], cwd=ROOT, stdout=log, stderr=log)
            bots = None
            try:
                wait_for((data / "marketdata.ports").exists, "the venue is up", 60)
                crowd = ["--makers", "5", "--noise", "12", "--momentum", "3", "--rate", "60", "--quiet"]
                crowd += ["--config", str(config), "--data", str(data)]
                bots = subprocess.Popen([*fixserver, "bots", *crowd], cwd=ROOT, stdout=log, stderr=log)
                time.sleep(options.seconds)
                ports = {part: json.loads((data / f"{part}.ports").read_text()) for part in ("exchange", "marketdata")}
                take(f"http://127.0.0.1:{ports['marketdata']['http']}/", ports["exchange"]["fix"], options.to)
            except BaseException:
                sys.stderr.write((directory / "log").read_text(errors="replace")[-4000:])
                raise
            finally:
                for process in filter(None, (bots, run)):
                    process.send_signal(signal.SIGINT)
                    process.wait(60)
    return 0


def take(base: str, port: int, to: Path) -> None:
    client = Client(port, "TRADER1").logon()
    with chromium() as browser:
        screen = Screen(browser, base, SIZE, "dark").open().sign_in()
        page = screen.page
        page.click("#intervals >> text=1s")
        page.wait_for_timeout(1000)
        bid, offer = best(screen)
        for number in range(1, 9):
            trade_by_fix(client, *best(screen), number)
            page.wait_for_timeout(1200)
        screen.order("buy", "100", f"{bid - 0.15:.2f}")
        screen.order("sell", "25", type="stop", time_in_force="gtc", stop_price=f"{bid - 5:.2f}")
        screen.order("sell", "80", f"{offer + 0.20:.2f}", type="limit", time_in_force="gtc")
        page.wait_for_timeout(400)
        bid, offer = best(screen)
        screen.order("buy", "40", f"{bid:.2f}", type="limit", time_in_force="day")
        page.wait_for_timeout(3_000)
        page.evaluate("document.querySelector('#toasts').replaceChildren()")
        page.screenshot(path=to / "screenshot-desktop.png")
        page.click("#view-traffic")
        page.click(".rows .message[data-bad]:visible >> nth=-1")
        page.wait_for_timeout(500)
        page.evaluate("document.querySelector('#toasts').replaceChildren()")
        page.screenshot(path=to / "screenshot-traffic.png")
        screen.close()

        screen = Screen(browser, base, SIZE, "light").open().sign_in()
        page = screen.page
        page.click("#intervals >> text=1s")
        page.click("#tab-executions")
        page.select_option("#ticket-type", "stop-limit")
        page.wait_for_timeout(1500)
        page.screenshot(path=to / "screenshot-light.png")
        page.click("#tab-orders")
        page.click("#cancel-all")
        page.click("#cancel-all")
        page.wait_for_timeout(500)
        screen.close()

        screen = Screen(browser, base, PHONE, "dark", touches=True)
        screen.page.goto(base)
        screen.page.tap('#bottom-tabs [data-tab="book"]')
        screen.page.wait_for_timeout(3000)
        screen.page.screenshot(path=to / "screenshot-phone.png")
        screen.close()
    client.close()
    for path in sorted(to.glob("screenshot-*.png")):
        with Image.open(path) as picture:
            small = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    sys.exit(main())
