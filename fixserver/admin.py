"""The operator's socket: takes a line of JSON, hands it to the desk, and sends the answer's line; it decides nothing.

    {"action": "session list", "arguments": {"name": "TRADER1"}}   ->   {"ok": true, "result": {...}}
                                                                   or   {"ok": false, "error": "..."}

It is a Unix socket that its owner alone may open, and part of the loop that trades: whatever comes in, nothing is
raised, nothing is waited for, and everything has a limit. The answers of a connection come in the order of its
requests, one at a time. Who asks is the Unix user at the other end, as the system knows him.
"""

from __future__ import annotations

import contextlib
import logging
import pwd
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fixserver.loop import READ, WRITE, Listening, Loop
from fixserver.unixsocket import listening_socket

log = logging.getLogger(__name__)

SOCKET_NAME = "admin.sock"
REQUEST_BYTES_MAX = 65_536
READ_BYTES = 16_384
LISTED_MAX = 500  # rows of one answer: the rest is asked for by `after`
CONNECTIONS_MAX = 16
IDLE_SECONDS = 300.0  # between an answer and the next request
UNREAD_SECONDS = 10.0  # that an answer may lie unread; there is one at a time, of which the desk bounds the size
ENDED = select.EPOLLHUP | select.EPOLLERR

_CREDENTIALS = struct.Struct("3i")  # SO_PEERCRED: process, user, group
_encode = msgspec.json.Encoder().encode


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One line from an operator."""

    action: str
    arguments: dict[str, Any] = {}


_decode = msgspec.json.Decoder(Request).decode


class Refused(Exception):
    """What was asked for is not done. Says why, to a person."""


class Arguments(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What an action may be told."""


class Nothing(Arguments, kw_only=True):
    pass


class Page(Arguments, kw_only=True):
    """Of a list: what is behind `after`, at most LISTED_MAX."""

    after: str = ""


def page_of(names: Iterable[str], after: str) -> tuple[list[str], str]:
    """The next names in order, and the last of them when there are more."""
    rest = sorted(name for name in names if name > after)
    return rest[:LISTED_MAX], rest[LISTED_MAX - 1] if len(rest) > LISTED_MAX else ""


class Answer:
    """What becomes of one request: exactly one of the two is called, now or in a later turn."""

    def __init__(self, give: Callable[[bytes], None]) -> None:
        self._give = give
        self.given = False

    def done(self, result: Any) -> None:
        self._send({"ok": True, "result": result})

    def refused(self, why: str) -> None:
        self._send({"ok": False, "error": why})

    def _send(self, answer: dict[str, Any]) -> None:
        assert not self.given, "a request is answered once"
        self.given = True
        self._give(_encode(answer) + b"\n")


class Desk(Protocol):
    """Who does what operators ask for."""

    def act(self, request: Request, operator: str, answer: Answer) -> None:
        """Answer, or see to it that it is answered. Raises Refused, msgspec.ValidationError."""


class _Operator:
    """One connection."""

    def __init__(self, sock: socket.socket, name: str, now: float) -> None:
        self.socket = sock
        self.descriptor = sock.fileno()
        self.name = name
        self.received = b""
        self.waiting = b""  # the rest of an answer
        self.asking = False  # until the answer is there
        self.ended = False  # he has said all that he will
        self.cut = False  # when what is waiting has been sent
        self.closed = False
        self.mask = READ
        self.since = now  # the last byte that came or went


class AdminPort:
    """Listens on DIR/admin.sock for the one desk. Answers leave with flush(), at the end of a turn of the loop."""

    def __init__(self, loop: Loop, data: Path, desk: Desk) -> None:
        """Replaces the socket of a process that was killed: `data` is this process's own by its lock. Raises OSError."""
        self.path = data / SOCKET_NAME
        self.dirty: list[_Operator] = []
        self._loop = loop
        self._desk = desk
        self._operators: dict[int, _Operator] = {}
        self._names: dict[int, str] = {}
        self._listening = Listening(loop, listening_socket(self.path, "the operator's"), self._arrived)

    # ------------------------------------------------------------------------------------------- arriving

    def _arrived(self, sock: socket.socket) -> None:
        if len(self._operators) >= CONNECTIONS_MAX:
            with contextlib.suppress(OSError):
                sock.send(_encode({"ok": False, "error": f"{CONNECTIONS_MAX} operators are connected: no more are taken"}) + b"\n")
            sock.close()
            return
        operator = _Operator(sock, self._name_of(sock), time.monotonic())
        self._operators[operator.descriptor] = operator
        self._loop.register(operator.descriptor, lambda mask: self._ready(operator, mask))

    def _name_of(self, sock: socket.socket) -> str:
        _, user, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        name = self._names.get(user)
        if name is None:
            try:
                name = pwd.getpwuid(user).pw_name
            except KeyError:
                name = f"user {user}"
            self._names[user] = name
        return name

    def _ready(self, operator: _Operator, mask: int) -> None:
        if mask & WRITE:
            self._send(operator)
        if mask & READ and not operator.closed:
            self._read(operator)
        elif mask & ENDED:
            self._close(operator)  # nobody is there to be answered

    def _read(self, operator: _Operator) -> None:
        try:
            data = operator.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(operator)
            return
        operator.since = time.monotonic()
        operator.received += data
        if not data:
            operator.ended = True
        self._go_on(operator)

    def _go_on(self, operator: _Operator) -> None:
        """Take the next request, when the last one has been answered and the answer read."""
        while not (operator.asking or operator.waiting or operator.closed):
            line, newline, rest = operator.received.partition(b"\n")
            if len(line) > REQUEST_BYTES_MAX:
                operator.cut = operator.asking = True
                self._answer(operator).refused(f"a request is a line of at most {REQUEST_BYTES_MAX} bytes")
                break
            if not newline:
                if operator.ended:
                    self._close(operator)
                break
            operator.received = rest
            if line.strip():
                self._take(operator, line)
        self._want(operator)

    def _take(self, operator: _Operator, line: bytes) -> None:
        operator.asking = True
        answer = self._answer(operator)
        try:
            self._desk.act(_decode(line), operator.name, answer)
        except Refused as refusal:
            answer.refused(str(refusal))
        except msgspec.ValidationError as error:
            answer.refused(_plain(str(error)))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            answer.refused(f'not a request as {{"action": "status", "arguments": {{}}}} on a line of its own: {error}')
        except Exception as error:
            # A slip in the desk, before anything reached the journal: an operator's question does not stop the venue.
            log.exception("the request of operator %s failed: %r", operator.name, line[:200])
            if not answer.given:
                answer.refused(f"this request failed, see the log of the exchange: {error!r}")

    def _answer(self, operator: _Operator) -> Answer:
        def give(text: bytes) -> None:
            operator.asking = False
            if not operator.closed:
                operator.waiting = text
                self.dirty.append(operator)

        return Answer(give)

    # ------------------------------------------------------------------------------------------- answering

    def flush(self) -> None:
        """Send what has been answered in this turn, and let the connections go on."""
        dirty, self.dirty = self.dirty, []
        for operator in dirty:
            operator.since = time.monotonic()
            self._send(operator)

    def _send(self, operator: _Operator) -> None:
        if operator.closed:
            return
        try:
            sent = operator.socket.send(operator.waiting) if operator.waiting else 0
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._close(operator)
            return
        if sent:
            operator.since = time.monotonic()
            operator.waiting = operator.waiting[sent:]
        if operator.waiting:
            self._want(operator)
        elif operator.cut:
            self._close(operator)
        else:
            self._go_on(operator)

    def _want(self, operator: _Operator) -> None:
        if operator.closed:
            return
        busy = operator.asking or operator.waiting or operator.ended
        mask = WRITE if operator.waiting else 0 if busy else READ
        if mask != operator.mask:
            operator.mask = mask
            self._loop.modify(operator.descriptor, mask)

    # --------------------------------------------------------------------------------------------- the end

    def tick(self) -> None:
        """Cut who has had his time, and listen again after a pause."""
        now = time.monotonic()
        self._listening.tick()
        for operator in list(self._operators.values()):
            if not operator.asking and now - operator.since > (UNREAD_SECONDS if operator.waiting else IDLE_SECONDS):
                self._close(operator)

    def _close(self, operator: _Operator) -> None:
        if operator.closed:
            return
        operator.closed = True
        self._loop.unregister(operator.descriptor)
        del self._operators[operator.descriptor]
        operator.socket.close()

    def close(self) -> None:
        """End all connections, and take the socket out of the directory."""
        self.flush()
        for operator in list(self._operators.values()):
            self._close(operator)
        self._listening.close()
        self.path.unlink(missing_ok=True)


def _plain(text: str) -> str:
    """msgspec's account of a misfit, in a line for a person."""
    what, _, where = text.replace("`", "").partition(" - at ")
    key = where.removeprefix("$.arguments.").removeprefix("$.").removeprefix("$")
    return f"{key}: {what}" if key else what
