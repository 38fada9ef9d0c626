"""Drop copy: hands every report of a participant to the sessions of those who watch him, too. It takes no order.

A report is an ExecutionReport of something that has happened, or an OrderCancelReject. It is copied where it is made, be it the
core's or of an order that was refused before the core, so that there is one text, one ExecID and one order of them.
Copies wait until what traders are told has left, and are noted with it, in the same record of the session log: after a
crash both are there, or both are made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fixserver.onbehalf import DELIVER_TO
from fixserver.reports import Reports
from fixserver.requests import fields_of
from fixserver.sessions import SENT_UNNOTED_MAX, SOH

if TYPE_CHECKING:
    from fixserver.config import DropCopy
    from fixserver.sessions import Session, Sessions

BUSINESS_MESSAGE_REJECT = "j"
MESSAGE_NOT_TAKEN = "3"  # BusinessRejectReason(380)
REFUSED_MAX = 100  # messages of one connection: then it is ended
REFUSAL = "nothing is taken on a drop copy session: orders and questions go to the order-entry port"

InVersion = Callable[[str], str]  # BeginString to the body of a report as that version has it, empty where it has none


class DropCopies:
    """All drop copies of a venue, and the desk behind their sessions."""

    def __init__(self, terms: Iterable[DropCopy], say: Callable[[str], None]) -> None:
        self._terms = list(terms)
        self._say = say
        self.sessions: Sessions | None = None  # set by whoever creates them
        self._watching: dict[str, dict[str, list[Session]]] = {}  # by participant and BeginString
        self._waiting: list[tuple[Session, str, str, str]] = []  # session, MsgType, body, header fields
        self._refused: dict[str, int] = {}  # messages of the present connection, by session
        self.copied = 0

    # ------------------------------------------------------------------------------------------- copies

    def add(self, participant: str, begin_string: str, msg_type: str, body: str, said_in: InVersion, header: str = "") -> None:
        """Copy a report about an order of `participant`, which was said as `body` in one version, for those who watch him."""
        assert self.sessions is not None
        watching = self._watching.get(participant)
        if watching is None:
            watching = self._watching[participant] = self._who_watches(participant, self.sessions)
        header += f"{DELIVER_TO}={participant}{SOH}"
        for version, sessions in watching.items():
            said = body if version == begin_string else said_in(version)
            if said:
                self._waiting += [(session, msg_type, said, header) for session in sessions]

    def must_be_noted(self) -> None:
        """A report has been copied that no journal would yield again: it is not to be sent before it is in the session log."""
        assert self.sessions is not None
        self.sessions.admin_sent = True

    def _who_watches(self, participant: str, sessions: Sessions) -> dict[str, list[Session]]:
        found: dict[str, list[Session]] = {}
        for terms in self._terms:
            if terms.watches(participant):
                session = sessions.by_name[f"{terms.name}/{terms.version}"]
                found.setdefault(session.begin_string, []).append(session)
        return found

    @property
    def few(self) -> bool:
        """Whether what waits may leave before it is noted, as far as their number goes."""
        count = len(self._waiting)
        return not count or all(count + session.unnoted <= SENT_UNNOTED_MAX for session in {entry[0] for entry in self._waiting})

    def hand_over(self) -> bool:
        """Give what waits to the sessions, which number it. False when there was nothing."""
        waiting = self._waiting
        if not waiting:
            return False
        self._waiting = []
        for session, msg_type, body, header in waiting:
            session.send(msg_type, body, header)
        self.copied += len(waiting)
        return True

    # --------------------------------------------------------------------------------------------- the desk

    def on_logon(self, session: Session) -> None:
        self._refused[session.name] = 0
        self._say(f"{session.name}: logged on, drop copy")

    def on_logout(self, session: Session) -> None:
        self._say(f"{session.name}: logged out")

    def on_message(self, session: Session, text: str) -> None:
        """There is nothing that may be asked for here."""
        assert self.sessions is not None
        session.send(BUSINESS_MESSAGE_REJECT, Reports.business_reject(fields_of(text), MESSAGE_NOT_TAKEN, REFUSAL))
        self._refused[session.name] += 1
        if self._refused[session.name] == REFUSED_MAX:
            self.sessions.to_log_out.append((session, f"{REFUSED_MAX} messages were refused: {REFUSAL}"))

    def on_sent(self) -> None:
        pass

    def on_tick(self) -> None:
        pass
