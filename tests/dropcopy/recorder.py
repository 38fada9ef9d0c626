"""A process that watches a drop copy and writes down what it is sent, so that it can be killed and go on from its file.

`python -m tests.dropcopy.recorder DIRECTORY-OF-THE-VENUE NAME VERSION FILE`. A line of the file is a message as it came, in order,
or the number of one that is about to be sent. What came in is noted before it counts: a kill loses nothing that was taken.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.faults.traders import Trader
from tests.venue import SOH, Message

SENT = b"sent "


class _Venue:
    """What a Trader asks of a venue."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def ports(self) -> dict[str, int]:
        numbers: dict[str, int] = json.loads((self._directory / "data" / "exchange.ports").read_text())
        return numbers


class Recorder(Trader):
    """One that never trades."""

    port, target = "dropcopy", "FIXSERVER-DC"

    def __init__(self, directory: Path, name: str, version: str, file: Path) -> None:
        venue: Any = _Venue(directory)
        super().__init__(venue, name, version, 0)
        self.paused.set()
        self.next_in = next_number(file)
        lines = file.read_bytes().split(b"\n") if file.exists() else []
        for line in lines[:-1]:  # the last is what a kill has cut
            if line.startswith(SENT):
                self.next_out = int(line[len(SENT) :]) + 1
        self._file = file.open("ab", buffering=0)
        if lines and lines[-1]:
            self._file.write(b"\n")

    def _send(self, msg_type: str, body: str) -> None:
        self._file.write(SENT + str(self.next_out).encode() + b"\n")
        super()._send(msg_type, body)

    def _effect(self, message: Message) -> None:
        self._file.write(message.raw + b"\n")
        super()._effect(message)

    def run(self) -> None:
        """Until somebody kills it."""
        self._run()
        if self.failure is not None:
            raise self.failure


def next_number(file: Path) -> int:
    """The number of the next message that a recorder waits for."""
    following = 1
    for message in recorded(file):
        if message.number >= following:
            following = int(message[36]) if message.type == "4" else message.number + 1
    return following


def recorded(file: Path) -> list[Message]:
    """The messages that a recorder has taken, in order."""
    lines = file.read_bytes().split(b"\n") if file.exists() else []
    return [Message(line) for line in lines if line.startswith(b"8=") and line.endswith(SOH)]


if __name__ == "__main__":
    Recorder(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])).run()
