"""The command line with one fault built in, for tests: `python -m tests.faults.sabotage FAULT exchange ...`.

Most faults wait for an order whose ClOrdID is LAST.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import quickfix as fix

from fixserver import cli, sessionlog
from fixserver.gateway import Gateway
from fixserver.port import FixPort
from fixserver.sessions import Session, Sessions
from matching.engine import Engine
from matching.recordlog import LogWriter
from matching.sequencer import Sequencer

LAST = "LAST"


class Sabotage(Exception):
    """What a callback raises here."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: type, method: str, act: Callable[..., None]) -> None:
    """Have `act` called with a method's arguments before it."""
    real = getattr(owner, method)

    def sabotaged(*arguments: Any, **named: Any) -> Any:
        act(*arguments)
        return real(*arguments, **named)

    setattr(owner, method, sabotaged)


def instead(owner: type, method: str) -> None:
    def sabotaged(*_: Any) -> None:
        raise Sabotage(method)

    setattr(owner, method, sabotaged)


def is_last(commands: Any) -> bool:
    return any(getattr(command, "cl_ord_id", "") == LAST for command in commands)


def last_is_noted(sessions: Sessions, *_: Any) -> bool:
    return any(b"\x0111=LAST\x01" in message for session in sessions.touched for _, message in session._logged)


def full_disk(writer: LogWriter, _first: int, _count: int, payload: bytes) -> None:
    if writer.directory.name == "journal" and LAST.encode() in payload:
        os.write(writer._descriptor, payload[: len(payload) // 2])  # as far as the disk went
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(writer.directory))


def broken_disk(writer: LogWriter) -> None:
    if writer.directory.name == "journal" and last_appended:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(writer.directory))


last_appended: list[bool] = []


def send_through_quickfix(_gateway: Gateway, session: Session, _text: str) -> None:
    session.sessions.active = None  # which no callback can do without
    fix.Session.sendToTarget(fix.Message("8=FIX.4.4\x0135=B\x01148=news\x01", False), session._id)


FAULTS: dict[str, Callable[[], None]] = {
    # crash points, in the order of a turn
    "before-journal": lambda: before(Sequencer, "receive", lambda core: is_last(core._pending) and die()),
    "before-apply": lambda: before(Engine, "apply", lambda _engine, _seq, _time, commands: is_last(commands) and die()),
    "before-send": lambda: before(FixPort, "flush", lambda port: last_is_noted(port.sessions) and die()),
    "before-session-log": lambda: before(Sessions, "end_turn", lambda sessions, _: last_is_noted(sessions) and die()),
    "before-event-log": lambda: before(
        Sequencer, "publish", lambda core: any(is_last(batch.events) for _, batch in core._unpublished) and die()
    ),
    # the disk
    "full-disk": lambda: before(LogWriter, "append", full_disk),
    "broken-disk": lambda: (
        before(LogWriter, "append", lambda _w, _f, _c, payload: last_appended.append(True) if LAST.encode() in payload else None),
        before(LogWriter, "sync", broken_disk),
    )[0],
    "other-boot": lambda: setattr(sessionlog, "_BOOT_ID", Path("/proc/sys/kernel/random/uuid")),  # another one at each start
    # the seven callbacks
    "onCreate": lambda: instead(Sessions, "onCreate"),
    "onLogon": lambda: instead(Gateway, "on_logon"),
    "onLogout": lambda: instead(Gateway, "on_logout"),
    "toAdmin": lambda: instead(Session, "send_admin"),
    "toApp": lambda: before(Gateway, "on_message", send_through_quickfix),
    "fromAdmin": lambda: instead(Session, "note_resend_request"),
    "fromApp": lambda: instead(Gateway, "on_message"),
}


if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.exit(cli.main(sys.argv[2:]))
