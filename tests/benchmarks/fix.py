"""Orders a second and round trips over FIX, all of the path, beside two echoes: python -m tests.benchmarks.fix

Prints one JSON object. The load generator and the echoes are those of ../shared/tools: echo_acceptor.py is QuickFIX's own
acceptor with its file store, echo_sockets.py the ceiling of QuickFIX's sessions on sockets of one's own; neither has a
journal or a book. Venue and echoes run one after the other within each round, and each ratio is of one round.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.venue import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOOLS = ROOT.parent / "shared" / "tools"
SCENARIOS = ("rest", "cross", "cancel")
ROUNDS = 3
ECHO_SECONDS_MAX = 120  # after which an echo ends by itself
START_SECONDS_MAX = 30.0
SYNCS = 500


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--orders", type=int, default=40_000)
    parser.add_argument("--trips", type=int, default=3_000)
    parser.add_argument("--tools", type=Path, default=TOOLS, help="where fixload.py and the echoes are (%(default)s)")
    args = parser.parse_args()
    if not (args.tools / "fixload.py").is_file():
        print(json.dumps({"benchmark": "fix", "skipped": f"{args.tools} is not there"}))
        return 0
    rounds = [measure(args) for _ in range(args.rounds)]
    print(json.dumps({"benchmark": "fix", **summary(rounds)}, indent=2))
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """One round: orders a second by who and scenario, round trips (p50, microseconds) by who."""
    orders: dict[str, int] = {}
    trips: dict[str, float] = {}
    # On the disk of the tree: /tmp may be in memory, where syncing costs nothing.
    with tempfile.TemporaryDirectory(dir=HERE, prefix="venue-") as name:
        directory = Path(name)

        def load(who: str, port: int, sender: str, scenario: str) -> None:
            found = fixload(args, port, sender, scenario)
            orders[f"{who} {scenario}"] = found["orders_per_s"]
            if scenario == "rest":
                trips[who] = found["round_trip_us"]["p50"]

        syncs = sync_us(directory)
        with echo(args.tools / "echo_acceptor.py", directory / "echo", file_store=True) as port:
            load("echo_acceptor", port, "TRADER1", "rest")
        with venue(directory / "fsync", "fsync") as port:
            for scenario in SCENARIOS:
                load("fsync", port, "BENCH1", scenario)
        with echo(args.tools / "echo_sockets.py") as port:
            load("echo_sockets", port, "TRADER1", "rest")
        with venue(directory / "os", "os") as port:
            for scenario in SCENARIOS:
                load("os", port, "BENCH1", scenario)
    return {"orders_per_s": orders, "p50_us": trips, "fdatasync_us": syncs}


def fixload(args: argparse.Namespace, port: int, sender: str, scenario: str) -> dict[str, Any]:
    command = [
        sys.executable, str(args.tools / "fixload.py"), "--port", str(port), "--sender", sender, "--scenario", scenario,
        "--trips", str(args.trips), "--orders", str(args.orders),
    ]  # fmt: skip
    if sender.startswith("BENCH"):
        command += ["--password", "demo"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=ECHO_SECONDS_MAX)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def echo(script: Path, directory: Path | None = None, *, file_store: bool = False) -> Iterator[int]:
    port = free_port()
    arguments = [str(directory)] if directory else []
    command = [sys.executable, str(script), *arguments, str(port), str(ECHO_SECONDS_MAX), "file" if file_store else "null"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def venue(directory: Path, durability: str) -> Iterator[int]:
    """config/bench.toml on ports that are free."""
    directory.mkdir()
    text = (ROOT / "config" / "bench.toml").read_text()
    text = re.sub(r"(?m)^((?:metrics_)?port) = \d+", r"\1 = 0", text)
    text = re.sub(r'(?m)^durability = "\w+"', f'durability = "{durability}"', text)
    text = re.sub(r'(?m)^dictionaries = "(\w+)"', rf'dictionaries = "{ROOT / "config"}/\1"', text)
    config, data = directory / "bench.toml", directory / "data"
    config.write_text(text)
    command = [sys.executable, "-m", "fixserver.cli", "exchange", "--config", str(config), "--data", str(data)]
    process = subprocess.Popen([*command, "--log-level", "warning"], cwd=ROOT)
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (data / "exchange.ports").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the exchange did not start")
            time.sleep(0.02)
        port: int = json.loads((data / "exchange.ports").read_text())["fix"]
        yield port
        process.send_signal(signal.SIGTERM)
        if process.wait(START_SECONDS_MAX):
            raise SystemExit("the exchange did not end well")
    finally:
        process.kill()
        process.wait()


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit("an echo did not start")


def sync_us(directory: Path) -> float:
    """The median cost of an fdatasync after an append, where the venue keeps its data."""
    samples = []
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        for _ in range(SYNCS):
            os.write(file.fileno(), bytes(250))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            samples.append(time.perf_counter() - started)
    return round(statistics.median(samples) * 1e6, 1)


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds, and the ratios that the venue is held to."""

    def median(values: list[float], digits: int = 2) -> float:
        return round(statistics.median(values), digits)

    def orders_ratio(durability: str, scenario: str, echo_name: str) -> float:
        key = f"{durability} {scenario}"
        return median([one["orders_per_s"][key] / one["orders_per_s"][f"{echo_name} rest"] for one in rounds])

    def trips_of(who: str) -> list[float]:
        return [one["p50_us"][who] for one in rounds]

    allowed = [1.7 * one["p50_us"]["echo_sockets"] + 2 * one["fdatasync_us"] for one in rounds]
    return {
        "rounds": len(rounds),
        "orders_per_s": {key: median([one["orders_per_s"][key] for one in rounds], 0) for key in rounds[0]["orders_per_s"]},
        "round_trip_p50_us": {who: median(trips_of(who), 1) for who in rounds[0]["p50_us"]},
        "fdatasync_us": median([one["fdatasync_us"] for one in rounds], 1),
        "orders, fsync, to echo_acceptor (at least 1.0)": {
            scenario: orders_ratio("fsync", scenario, "echo_acceptor") for scenario in SCENARIOS
        },
        "orders, fsync, to echo_sockets": {scenario: orders_ratio("fsync", scenario, "echo_sockets") for scenario in SCENARIOS},
        "orders, os, to echo_sockets": {scenario: orders_ratio("os", scenario, "echo_sockets") for scenario in SCENARIOS},
        "round trip, os, to echo_sockets (at most 1.7)": median(
            [ours / theirs for ours, theirs in zip(trips_of("os"), trips_of("echo_sockets"), strict=True)]
        ),
        "round trip, fsync, to 1.7 echo_sockets and two fdatasyncs (at most 1.0)": median(
            [ours / most for ours, most in zip(trips_of("fsync"), allowed, strict=True)]
        ),
    }


if __name__ == "__main__":
    sys.exit(main())
