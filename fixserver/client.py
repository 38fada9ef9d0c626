"""QuickFIX initiators for programs of ours that trade: sessions with credentials, and a queue of what happened; it decides nothing.

QuickFIX calls the application in threads of its own. Each callback puts what it is told into a queue and returns; one
thread, the owner's, takes from the queue and sends.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import traceback
from pathlib import Path
from typing import Any, Literal, NamedTuple

import quickfix as fix

RECONNECT_SECONDS = 1
HEARTBEAT_SECONDS = 10
LOGON_SECONDS = 10
BEGIN_STRING = "FIX.4.4"
SOH = "\x01"

Kind = Literal["logon", "logout", "refused", "message"]


class Line(NamedTuple):
    """A session to have: who speaks to whom, where."""

    sender: str
    target: str
    host: str
    port: int


class Happened(NamedTuple):
    """What a callback was told. `text` is the message, or the reason that the venue gave in its Logout."""

    sender: str
    target: str
    kind: Kind
    text: str


class _Application(fix.Application):  # type: ignore[misc]
    """The seven callbacks. Nothing leaves them but a line on standard error."""

    def __init__(self, password: str, happened: queue.SimpleQueue[Happened]) -> None:
        super().__init__()
        self._password, self._happened = password, happened

    def _put(self, session: Any, kind: Kind, text: str = "") -> None:
        self._happened.put(Happened(session.getSenderCompID().getString(), session.getTargetCompID().getString(), kind, text))

    def onCreate(self, session: Any) -> None:
        pass

    def onLogon(self, session: Any) -> None:
        with _guarded("onLogon"):
            self._put(session, "logon")

    def onLogout(self, session: Any) -> None:
        with _guarded("onLogout"):
            self._put(session, "logout")

    def toAdmin(self, message: Any, session: Any) -> None:
        with _guarded("toAdmin"):
            if message.getHeader().getField(35) == "A" and self._password:
                message.setField(553, session.getSenderCompID().getString())
                message.setField(554, self._password)

    def fromAdmin(self, message: Any, session: Any) -> None:
        with _guarded("fromAdmin"):
            msg_type = message.getHeader().getField(35)
            if msg_type == "5":
                self._put(session, "refused", message.getField(58) if message.isSetField(58) else "")
            elif msg_type == "3":
                self._put(session, "message", message.toString())

    def toApp(self, message: Any, session: Any) -> None:
        pass

    def fromApp(self, message: Any, session: Any) -> None:
        with _guarded("fromApp"):
            self._put(session, "message", message.toString())


class _guarded(contextlib.AbstractContextManager["_guarded"]):
    """An exception that left a callback would end the session's thread without a word (quickfix traps)."""

    def __init__(self, callback: str) -> None:
        self._callback = callback

    def __exit__(self, *error: Any) -> bool:
        if error[0] is not None:
            print(f"client: {self._callback} failed: {traceback.format_exc()}", file=sys.stderr, flush=True)
        return True


class Client:
    """Sessions of one or more participants, connected again by themselves whenever they fall.

    Each Logon resets the numbers: who uses this asks the venue for the state of his orders after it (positions.py does),
    which also holds where either side has lost its numbers.
    """

    def __init__(self, lines: list[Line], password: str, dictionary: Path) -> None:
        self.happened: queue.SimpleQueue[Happened] = queue.SimpleQueue()
        self._application = _Application(password, self.happened)
        self._dictionary = fix.DataDictionary(str(dictionary))
        self._settings = fix.SessionSettings()
        self._sessions: dict[tuple[str, str], Any] = {}
        default = {
            "ConnectionType": "initiator",
            "StartTime": "00:00:00",
            "EndTime": "00:00:00",
            "HeartBtInt": str(HEARTBEAT_SECONDS),
            "ReconnectInterval": str(RECONNECT_SECONDS),
            "LogonTimeout": str(LOGON_SECONDS),
            "ResetOnLogon": "Y",
            "UseDataDictionary": "Y",
            "DataDictionary": str(dictionary),
            "AllowUnknownMsgFields": "Y",
            "ValidateUserDefinedFields": "N",
            "SocketNodelay": "Y",
        }
        for line in lines:
            session_id = fix.SessionID(BEGIN_STRING, line.sender, line.target)
            values = fix.Dictionary()
            for key, value in {**default, "SocketConnectHost": line.host, "SocketConnectPort": str(line.port)}.items():
                values.setString(key, value)
            self._settings.set(session_id, values)
            self._sessions[line.sender, line.target] = session_id
        self._stores = fix.MemoryStoreFactory()
        self._stores.thisown = False  # as in Sessions.add: what ends last may need it
        self._initiator = fix.ThreadedSocketInitiator(self._application, self._stores, self._settings)

    def start(self) -> None:
        self._initiator.start()

    def stop(self) -> None:
        """Log out of what is logged on, and end the threads. Returns when they have ended."""
        self._initiator.stop()

    def send(self, sender: str, target: str, msg_type: str, body: str) -> bool:
        """Send a message; `body` is what follows the header. False where the session is not there to take it."""
        # Read by the dictionary, or the fields of repeating groups are sorted in among the others. Without the last field
        # the last group loses its end; length and checksum are made when it is sent.
        text = f"8={BEGIN_STRING}{SOH}9=0{SOH}35={msg_type}{SOH}{body}10=000{SOH}"
        message = fix.Message(text, self._dictionary, False)
        return bool(fix.Session.sendToTarget(message, self._sessions[sender, target]))
