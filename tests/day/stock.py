"""Traders of the day who use QuickFIX as anybody would: its initiator, the venue's dictionary, new numbers at each Logon.

What they are told while they are away they never hear. What they do hear must be so.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from fixserver.client import Client, Happened, Line
from tests.day.mind import Habits, Mind
from tests.day.traders import answered_by, is_no_execution
from tests.venue import SOH, Message, Venue

LOOK_SECONDS = 0.02
TARGET = "FIXSERVER"


class StockTraders:
    """All of them, behind one initiator and one thread. `begin` when the venue is up, `end` when it has gone."""

    def __init__(self, venue: Venue, names: Sequence[str], seed: int, dictionary: Path, *, orders_per_second: int) -> None:
        self.minds = {name: Mind(name, "FIX.4.4", seed, Habits()) for name in names}
        self.reports: dict[str, dict[tuple[str, str], Message]] = {name: {} for name in names}
        self.complaints: list[str] = []
        self.paused = threading.Event()
        self._venue, self._dictionary = venue, dictionary
        self._pause_seconds = 1 / (orders_per_second * len(names))
        self._unanswered: dict[str, set[str]] = {name: set() for name in names}
        self._logged_on: set[str] = set()
        self._stopping = threading.Event()
        self._client: Client | None = None
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Connect, log on and trade."""
        port = self._venue.ports()["fix"]
        self._client = Client([Line(name, TARGET, "127.0.0.1", port) for name in self.minds], "demo", self._dictionary)
        self._stopping.clear()
        self._client.start()
        self._thread = threading.Thread(target=self._run, args=(self._client,), name="stock", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Be gone. What is not answered by now will not be."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._client is not None:
            self._client.stop()
        self._client = self._thread = None
        self._logged_on.clear()
        for waiting in self._unanswered.values():
            waiting.clear()

    def settled(self) -> bool:
        return self._client is None or (len(self._logged_on) == len(self.minds) and not any(self._unanswered.values()))

    def __repr__(self) -> str:
        return f"{sorted(self._logged_on)} are logged on, and wait for {self._unanswered}"

    def _run(self, client: Client) -> None:
        due, turn = time.monotonic(), 0
        names = list(self.minds)
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Empty):
                self._take(client.happened.get(timeout=LOOK_SECONDS))
            now = time.monotonic()
            if now < due or self.paused.is_set():
                continue
            due, turn = max(due + self._pause_seconds, now - 1), turn + 1
            name = names[turn % len(names)]
            if name in self._logged_on:
                msg_type, body, answer = self.minds[name].request()
                self._unanswered[name].add(answer)
                client.send(name, TARGET, msg_type, body.replace("|", SOH.decode()))

    def _take(self, happened: Happened) -> None:
        name = happened.sender
        if happened.kind == "logon":
            self._logged_on.add(name)
        elif happened.kind == "logout":
            self._logged_on.discard(name)
            self._unanswered[name].clear()
        elif happened.kind == "message":
            message = Message(happened.text.encode())
            if message.type in ("3", "j"):
                self.complaints.append(f"{name}: refused: {message!r}")
            elif message.type == "8" and not is_no_execution(message):
                self.reports[name].setdefault((message[17], message[37]), message)
            self.minds[name].take(message)
            self._unanswered[name].difference_update(answered_by(message))
