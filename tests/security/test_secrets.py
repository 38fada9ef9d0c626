"""No secret is written anywhere: a venue with marked passwords, through logons, failures, crashes, metrics, dumps and views.

Everything that it wrote and said is looked through afterwards: files of the data directory, logs, metrics, what commands print,
what the web answers, and the FIX traffic that people are shown.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets.sync.client

from fixserver.passwords import hash_password
from tests.light import light_venue
from tests.venue import ROOT, Client, Ended, Nothing, Venue, order, wait_for

RIGHT, WRONG, NEXT, OPERATOR = "marked-right-pw", "marked-wrong-pw", "marked-next-pw", "marked-operator-pw"
DATABASE, SECOND_DATABASE = "marked-database-pw", "marked-history-pw"
UNKNOWN_FIELD, RAW = "marked-new-password", "marked-raw-data"
MARK = b"marked-"


class Everything:
    """What was said and written, by where."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, bytes]] = []

    def add(self, where: str, text: str | bytes) -> None:
        self.texts.append((where, text.encode(errors="surrogateescape") if isinstance(text, str) else text))

    def found(self, mark: bytes = MARK) -> list[str]:
        return [f"{where}: ...{text[max(0, text.find(mark) - 60) :][:140]!r}" for where, text in self.texts if mark in text]


@pytest.fixture
def everything() -> Iterator[Everything]:
    everything = Everything()
    yield everything
    assert everything.found() == []
    encoded = [base64.b64encode(f"TRADER1:{secret}".encode()) for secret in (RIGHT, WRONG)]
    assert [place for mark in encoded for place in everything.found(mark)] == []


def try_to_log_on(venue: Venue, name: str, password: str, more: str = "", **options: Any) -> str:
    client = Client(venue.ports()["fix"], name, password=password, **options).connect()
    try:
        client.send("A", client.logon_body(reset=True) + more)
        return client.receive().type
    except (Ended, Nothing):
        return "cut"
    finally:
        client.close()


def test_no_secret_gets_out(tmp_path: Path, everything: Everything) -> None:
    participants: dict[str, dict[str, Any]] = {
        name: {"password": hash_password(RIGHT), "cash": "1_000_000"} for name in ("TRADER1", "TRADER2")
    }
    # Databases that are not there: what is said about them is about a URL with a password.
    urls = [f"postgresql+psycopg://venue:{secret}@127.0.0.1:1/none" for secret in (DATABASE, SECOND_DATABASE)]
    sections: dict[str, Any] = {
        "clearing": {"metrics_port": 0, "database": urls[0]}, "history": {"metrics_port": 0, "database": urls[1]},
    }  # fmt: skip
    with light_venue(tmp_path, participants=participants, **sections) as venue:
        for name in ("marketdata", "clearing", "history"):
            venue.start(name, *(["--log-level", "debug"]))
        secret = (venue.data / "web.secret").read_text().strip()

        client = venue.client("TRADER1", password=RIGHT).logon()
        client.send("D", order("A1", price="90.00"))
        client.expect("8", "39=0")
        # A second Logon within the session, a Logon that is garbled, passwords where none belong.
        client.send("A", client.logon_body(reset=True), number=1)
        assert client.receive().type == "A"
        client.next_out = client.next_in = 2
        client.send("D", order("A2") + f"554={RIGHT}|")
        assert client.receive().type in ("3", "8", "j")
        for options in ({"target": "NOBODY"}, {"begin_string": "FIX.4.2"}, {"begin_string": "FIXT.1.1"}):
            try_to_log_on(venue, "TRADER1", RIGHT, f"925={NEXT}|95={len(RAW)}|96={RAW}|", **options)
        for name in ("TRADER2", "NOBODY", "TRADER1", "WEB"):
            try_to_log_on(venue, name, WRONG)
        for data in (f"8=FIX.4.4|9=99|35=A|554={RIGHT}|", f"554={RIGHT}|8=FIX.4.4|9=5|35=A|10=000|"):
            stranger = Client(venue.ports()["fix"], "TRADER2").connect()
            stranger.send_raw(data.replace("|", "\x01").encode())
            stranger.close()

        web = f"http://127.0.0.1:{venue.ports('marketdata')['http']}/v1"
        login = httpx.post(f"{web}/login", json={"name": "TRADER1", "password": RIGHT})
        token = login.json()["token"]
        bearer = {"authorization": f"Bearer {token}"}
        answers = [
            httpx.post(f"{web}/login", json={"name": "TRADER1", "password": WRONG}),
            httpx.post(f"{web}/login", json={"name": "TRADER1", "password": WRONG, "more": 1}),
            httpx.post(f"{web}/login", json={"name": "TRADER1", "password": [WRONG]}),
            httpx.post(f"{web}/login", content=f'{{"password": "{WRONG}"', headers={"content-type": "application/json"}),
            httpx.get(f"{web}/balance", auth=("TRADER1", WRONG)),
            httpx.get(f"{web}/balance", auth=("TRADER1", RIGHT)),
            httpx.get(f"{web}/balance", headers=bearer),
            httpx.get(f"{web}/statement", headers=bearer),
            httpx.get(f"{web}/health"),
            httpx.get(f"{web}/balance", headers={"authorization": f"Bearer {WRONG}"}),
            httpx.get(f"{web}/balance", headers={"authorization": f"Nonsense {WRONG}"}),
        ]
        for answer in answers:
            everything.add(f"answer to {answer.request.method} {answer.request.url}", answer.text + repr(answer.headers))
        # What people see of their own FIX messages: the Logon is among them.
        with websockets.sync.client.connect(web.replace("http", "ws") + "/stream") as stream:
            stream.send(json.dumps({"op": "login", "token": token}))
            stream.send(json.dumps({"op": "subscribe", "topics": ["traffic"]}))
            shown = b""
            until = time.monotonic() + 15
            while (b"553=" not in shown and b'"553"' not in shown and b"Username" not in shown) and time.monotonic() < until:
                try:
                    part = stream.recv(timeout=1)
                    shown += part.encode() if isinstance(part, str) else part
                except TimeoutError:
                    continue
            everything.add("the stream", shown)

        operator = ["admin", "--data", str(venue.data)]
        done = subprocess.run(
            [sys.executable, "-m", "fixserver.cli", *operator, "participant", "add", "CAROL", "--password-stdin", "--cash", "5"],
            cwd=ROOT, input=OPERATOR + "\n", capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        everything.add("participant add", done.stdout + done.stderr)
        _ask_raw(venue, {"action": "participant add", "arguments": {"name": "DAVE", "password": OPERATOR}}, everything)
        _ask_raw(venue, {"action": "participant password", "arguments": {"name": "CAROL", "password_hash": OPERATOR}}, everything)
        assert try_to_log_on(venue, "CAROL", OPERATOR) == "A"
        for arguments in (
            [*operator, "participant", "show", "TRADER1"], [*operator, "session", "list"], [*operator, "status"],
            ["ledger", "balances", "--config", str(venue.config), "--data", str(venue.data)],
            ["ledger", "check", "--config", str(venue.config), "--data", str(venue.data)],
            ["doctor", "--config", str(venue.config), "--data", str(venue.data)],
        ):  # fmt: skip
            ran = venue.command(*arguments)
            everything.add(" ".join(arguments[:3]), ran.stdout + ran.stderr)
        for name in ("exchange", "marketdata", "clearing", "history"):
            everything.add(f"metrics of {name}", "\n".join(venue.metrics(name)))
        wait_for(lambda: "WEB" in venue.said(), "the web's session has been there")

        client.close()
        venue.kill()
        venue.end("marketdata", signal.SIGKILL)
        venue.start()
        venue.start("marketdata")
        everything.add("metrics after a crash", "\n".join(venue.metrics()))
        assert try_to_log_on(venue, "TRADER1", RIGHT) == "A"
        for name in ("exchange", "marketdata", "clearing", "history"):
            venue.end(name)
    for arguments in (
        ["journal", "dump", "--data", str(venue.data)], ["journal", "verify", "--data", str(venue.data)],
        ["audit", "verify", "--data", str(venue.data)],
    ):  # fmt: skip
        ran = venue.command(*arguments)
        everything.add(" ".join(arguments[:2]), ran.stdout + ran.stderr)
    for path in sorted(venue.data.rglob("*")):
        if path.is_file() and not path.is_symlink():
            everything.add(str(path.relative_to(venue.data)), path.read_bytes())
    for path in sorted(tmp_path.glob("*.log")):
        everything.add(path.name, path.read_bytes())
    _see_that_it_looks(everything)
    own = [where for where, text in everything.texts if secret.encode() in text]
    assert own == ["web.secret"]
    assert [where for where, text in everything.texts if token.encode() in text] == []


def _ask_raw(venue: Venue, request: dict[str, Any], everything: Everything) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        place = os.getcwd()
        os.chdir(venue.data)  # the path of a socket may be only so long
        try:
            sock.connect("admin.sock")
        finally:
            os.chdir(place)
        sock.sendall(json.dumps(request).encode() + b"\n")
        everything.add(f"operator: {request['action']}", sock.makefile("rb").readline())


def _see_that_it_looks(everything: Everything) -> None:
    """That what is looked through is what should be: the names are in it, where the passwords are not."""
    named = {where for where, text in everything.texts if b"TRADER1" in text}
    assert {"audit.log", "exchange.log", "journal dump", "the stream"} <= named
    assert any(where.startswith("sessions/") for where in named)
