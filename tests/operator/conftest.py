"""One venue for a module of tests, and an operator who speaks to its socket directly."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.light import light_venue
from tests.venue import TRADER, Venue

# Each test has participants and sessions of its own.
PARTICIPANTS = {f"TRADER{number}": TRADER for number in range(1, 31)}
INSTRUMENTS: dict[str, dict[str, Any]] = {"AAPL": {}, "MSFT": {}}


class Operator:
    """One connection to the operator's socket of a venue."""

    def __init__(self, venue: Venue) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(str(venue.data / "admin.sock"))
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Operator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> bytes:
        """The next line of an answer; empty where the exchange has closed the connection."""
        try:
            return self._file.readline()
        except ConnectionResetError:
            return b""

    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.line())
        return found

    def ask(self, action: str, **arguments: Any) -> dict[str, Any]:
        """The answer as it is."""
        self.send(json.dumps({"action": action, "arguments": arguments}).encode() + b"\n")
        return self.answer()

    def do(self, action: str, **arguments: Any) -> Any:
        """The result of what must be done."""
        answer = self.ask(action, **arguments)
        assert answer["ok"], answer["error"]
        return answer["result"]

    def refusal(self, action: str, **arguments: Any) -> str:
        """Why it is not done, which it must not be."""
        answer = self.ask(action, **arguments)
        assert not answer["ok"], answer
        text: str = answer["error"]
        return text

    def close(self) -> None:
        self._file.close()
        self.socket.close()


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with light_venue(tmp_path_factory.mktemp("operator"), participants=PARTICIPANTS, instruments=INSTRUMENTS) as running:
        yield running


@pytest.fixture
def operator(venue: Venue) -> Iterator[Operator]:
    with Operator(venue) as connected:
        yield connected
