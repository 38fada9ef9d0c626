"""For whom a message is: its session's participant, or one whom a session that speaks for others names. It submits nothing.

A session that speaks for others belongs to a process that has asked people who they are. Each of its messages names a
participant in OnBehalfOfCompID(115), who then is the one who acts; what goes back names him in DeliverToCompID(128), as
routing fields come back reversed.
"""

from __future__ import annotations

from typing import Protocol

from fixserver.sessions import Session

ON_BEHALF_OF, DELIVER_TO = "115", "128"


class Speaker(Protocol):
    """Who a message is from, and where what there is to say to it goes."""

    @property
    def name(self) -> str:
        """The session that reports go to."""

    @property
    def participant(self) -> str:
        """Who acts."""

    @property
    def begin_string(self) -> str: ...

    @property
    def reads(self) -> bool:
        """Whether more may be queued for him without harm."""

    def send(self, msg_type: str, body: str, routing: str = "") -> None: ...


class OnBehalf:
    """A participant who speaks by the session of another."""

    __slots__ = ("_session", "begin_string", "name", "participant")

    def __init__(self, session: Session, participant: str) -> None:
        self._session = session
        self.name = session.name
        self.begin_string = session.begin_string
        self.participant = participant

    @property
    def reads(self) -> bool:
        return self._session.reads

    def send(self, msg_type: str, body: str, routing: str = "") -> None:
        self._session.send(msg_type, body, routing)
