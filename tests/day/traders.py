"""The sessions of the day: each a client that comes back after every loss of its connection, with a Mind that says what to send.

What a client must never see is in `complaints`, in words; what it was told of the phases, in order, in `told`.
"""

from __future__ import annotations

from collections import deque

from fixserver.dialects import DIALECTS
from tests.day.mind import Mind
from tests.faults.traders import Trader, said
from tests.venue import Message, Venue

# By which field the answer to a request is known, where that is not ClOrdID.
ANSWERED_BY = {"N": 66, "b": 117, "f": 324, "h": 335, "y": 320}


class DayTrader(Trader):
    """One session. `wants` holds what the script of the day has him send: type, body, and by what its answer is known."""

    def __init__(self, venue: Venue, mind: Mind, *, orders_per_second: int, draws: bool = True) -> None:
        super().__init__(venue, mind.name, mind.begin_string, mind.seed, orders_per_second=orders_per_second)
        self.mind = mind
        self.wants: deque[tuple[str, str, str]] = deque()
        self.told: list[list[tuple[str, str, str]]] = [[]]  # of each connection: message type, market or symbol, phase
        self._told_by = 1  # the number of that connection
        self.heard: list[Message] = []  # everything that is not of the session layer
        self.answers: dict[str, Message] = {}  # to what was sent, by what it is known by: the first
        self._draws = draws
        self._seen: set[int] = set()  # MsgSeqNums

    def settled(self) -> bool:
        return not self.wants and super().settled()

    def _request(self) -> None:
        if self.wants:
            msg_type, body, name = self.wants.popleft()
        elif self._draws:
            msg_type, body, name = self.mind.request()
        else:
            return
        self.unanswered[name] = msg_type
        self._send(msg_type, body)

    def _effect(self, message: Message) -> None:
        if message.type in "01245A":
            super()._effect(message)
            return
        if message.number in self._seen:  # sent again, because it was asked for again
            return
        self._seen.add(message.number)
        if message.type in ("3", "j"):
            self.complaints.append(f"{self.name}: refused: {message!r}")
            return
        if message.type == "8":
            self.heard.append(message)
            self._report(message)
            return
        self.mind.take(message)
        self.heard.append(message)
        told = phase_told(message, self.begin_string)
        if told and message.get(97) != "Y":
            if message.get(43) != "Y" and self._told_by != self.logons:  # what is sent again is of the connection before
                self.told.append([])
                self._told_by = self.logons
            self.told[-1].append(told)
        self._answered(message)

    def _answered(self, message: Message) -> None:
        for name in answered_by(message):
            self.unanswered.pop(name, None)
            self.answers.setdefault(name, message)

    def _report(self, message: Message) -> None:
        if is_no_execution(message):
            self._answered(message)
            return
        key = message[17], message[37]
        before = self.reports.get(key)
        if before is None:
            self.reports[key] = message
            self.mind.take(message)
            self._answered(message)
            return
        self.again += 1
        if "Y" not in (message.get(43), message.get(97)):
            self.complaints.append(f"{self.name}: came twice, without PossDup or PossResend: {message!r}")
        if said(message) != said(before):
            self.complaints.append(f"{self.name}: one ExecID says two things: {before!r} and {message!r}")


def phase_told(message: Message, begin_string: str) -> tuple[str, str, str] | None:
    """The change of a phase that everybody is told, unasked: message type, market or symbol, phase."""
    if message.type not in "fh" or message.get(325) != "Y":
        return None
    if message.type == "h":
        return "h", message.get(1300) or message[336], message[58]
    statuses = {code: phase for phase, code in DIALECTS[begin_string].trading_status.items()}
    return "f", message[55], statuses[message[326]]


def is_no_execution(report: Message) -> bool:
    """Whether a report is of no event: the answer to a question, or a refusal before the core."""
    return report[17].startswith("S")


def answered_by(message: Message) -> list[str]:
    """By what the requests are known that this answers."""
    if message.type == "8" and 584 in message.fields:
        return [message[584]]
    if message.type == "8" and is_no_execution(message):
        return [message.get(11), f"status of {message[37]}"]
    return [message.get(ANSWERED_BY.get(message.type, 11))]
