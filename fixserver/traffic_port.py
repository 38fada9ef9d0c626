"""The socket by which participants' messages are looked at while they come and go; it never keeps the exchange waiting.

    {"participant": "TRADER1"}
    ->  {"time": 1795237200000000000, "session": "TRADER1/FIX.4.4", "direction": "in", "raw": "8=FIX.4.4..."}
        {"live": true}      what was kept is through; what follows has just happened
        {"dropped": 12}     so many messages are missing here: the reader was too slow
    or  {"error": "..."}    and the end of the connection

A Unix socket that its owner alone may open, one request a connection. A reader who is behind has his messages where they
are kept for all, and nowhere else: what is thrown away there before he has read on is dropped for him, and counted.
Passwords are starred, whatever message they stand in.
"""

from __future__ import annotations

import contextlib
import heapq
import re
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fixserver.loop import READ, WRITE, Listening, Loop
from fixserver.traffic import TRAFFIC_KEPT, Kept, Traffic
from fixserver.unixsocket import listening_socket

SOCKET_NAME = "traffic.sock"
READERS_MAX = 128
REQUEST_BYTES_MAX = 1_024
REQUEST_SECONDS = 5.0  # to say whose messages are wanted
UNREAD_SECONDS = 60.0  # that a reader may take nothing
PERIOD_SECONDS = 0.02  # between two times that readers are served
BYTES_PER_PERIOD_MAX = 32_768  # for all readers: what an order may have to wait for
NEVER = float("inf")
STARS = rb"\1***"
# Password, NewPassword, EncryptedPassword, EncryptedNewPassword, and RawData, which may be one in a Logon. A value goes on to
# the next field: data may hold what looks like an end of it.
_SECRETS = re.compile(rb"(\x01(?:554|925|1402|1404|96)=).*?(?=\x01[0-9]+=|\x01?\Z)", re.DOTALL)
_ENDED = select.EPOLLHUP | select.EPOLLERR


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """What a reader says, once."""

    participant: str


class Line(msgspec.Struct):
    """One message. `time` in nanoseconds since 1970, of the turn in which it came in or went out."""

    time: int
    session: str
    direction: str
    raw: str


_decode = msgspec.json.Decoder(Request).decode
_encode = msgspec.json.Encoder().encode


class _Reader:
    """One connection."""

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.socket = sock
        self.descriptor = sock.fileno()
        self.received = b""
        self.participant = ""  # until he has asked
        self.until: dict[str, int] = {}  # what was there when he asked: the last number, by session
        self.read: dict[str, int] = {}  # what he has been given
        self.live = False
        self.dropped = 0
        self.waiting = b""
        self.cut = False  # when what is waiting has been sent
        self.closed = False
        self.said_all = False  # he will say nothing more
        self.since = now  # when he last took something, or came
        self.mask = READ


class TrafficPort:
    """Listens on DIR/traffic.sock. Readers are served by serve(), which the loop calls when it is `due`."""

    def __init__(self, loop: Loop, data: Path, traffic: Traffic) -> None:
        """Replaces the socket of a process that was killed: `data` is this process's own by its lock. Raises OSError."""
        self.path = data / SOCKET_NAME
        self.due = NEVER  # by time.perf_counter(); without readers there is nothing to do
        self._loop = loop
        self._traffic = traffic
        self._readers: dict[int, _Reader] = {}
        self._listening = Listening(loop, listening_socket(self.path, "the traffic's"), self._arrived)

    # ------------------------------------------------------------------------------------------- arriving

    def _arrived(self, sock: socket.socket) -> None:
        if len(self._readers) >= READERS_MAX:
            with contextlib.suppress(OSError):
                sock.send(_encode({"error": f"{READERS_MAX} readers are connected: no more are taken"}) + b"\n")
            sock.close()
            return
        reader = _Reader(sock, time.monotonic())
        self._readers[reader.descriptor] = reader
        self._loop.register(reader.descriptor, lambda mask: self._ready(reader, mask))

    def _ready(self, reader: _Reader, mask: int) -> None:
        if mask & WRITE:
            self._send(reader)
        if mask & READ and not reader.closed:
            self._hear(reader)
        elif mask & _ENDED:
            self._close(reader)

    def _hear(self, reader: _Reader) -> None:
        try:
            data = reader.socket.recv(REQUEST_BYTES_MAX + 1)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._close(reader)
            return
        reader.said_all = not data
        if reader.participant:
            if data:
                self._refuse(reader, "one request a connection is taken")
            self._want(reader)
            return
        reader.received += data
        line, newline, rest = reader.received.partition(b"\n")
        if len(line) > REQUEST_BYTES_MAX:
            self._refuse(reader, f"a request is a line of at most {REQUEST_BYTES_MAX} bytes")
        elif newline:
            if rest:
                self._refuse(reader, "one request a connection is taken")
            else:
                self._begin(reader, line)
        elif not data:
            self._close(reader)

    def _begin(self, reader: _Reader, line: bytes) -> None:
        try:
            name = _decode(line).participant
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self._refuse(reader, 'not a request as {"participant": "TRADER1"} on a line of its own')
            return
        if not self._traffic.is_known(name):
            self._refuse(reader, f"no participant {name[:40]}")
            return
        reader.participant = name
        reader.until = {kept.session: kept.count for kept in self._traffic.of(name)}
        reader.read = {kept.session: max(kept.gone, kept.count - TRAFFIC_KEPT) for kept in self._traffic.of(name)}
        self.due = min(self.due, time.perf_counter())

    def _refuse(self, reader: _Reader, why: str) -> None:
        reader.cut = True
        reader.waiting += _encode({"error": why}) + b"\n"
        self._send(reader)

    # ------------------------------------------------------------------------------------------- serving

    def serve(self, now: float) -> None:
        """Give readers what has come and gone since, a bounded part of it at a time. `now` by time.perf_counter()."""
        room = BYTES_PER_PERIOD_MAX
        for reader in list(self._readers.values()):
            if room <= 0:
                break
            if reader.participant and not (reader.waiting or reader.cut):
                given = self._give(reader, room)
                if given:
                    # Behind the others, who are first the next time.
                    self._readers[reader.descriptor] = self._readers.pop(reader.descriptor)
                    room -= given
                    self._send(reader)
        self.due = now + PERIOD_SECONDS if self._readers else NEVER

    def _give(self, reader: _Reader, room: int) -> int:
        """Put the next messages into a reader's buffer; returns how many bytes that was."""
        lines = []
        for time_ns, session, number, direction, message in self._next(reader):
            lines.append(_encode(Line(time_ns, session, direction, starred(message).decode(errors="replace"))))
            reader.read[session] = number
            room -= len(lines[-1])
            if room <= 0:
                break
        else:
            if not reader.live:
                reader.live = True
                lines.append(b'{"live":true}')
        if reader.dropped:
            lines.insert(0, b'{"dropped":%d}' % reader.dropped)
            reader.dropped = 0
        if lines:
            reader.waiting = b"\n".join(lines) + b"\n"
        return len(reader.waiting)

    def _next(self, reader: _Reader) -> Iterator[tuple[int, str, int, str, bytes]]:
        """Time, session, number, direction and text of what he has not read, by time; first what was there when he asked."""
        sources = []
        for kept in self._traffic.of(reader.participant):
            read = reader.read.get(kept.session, 0)
            until = kept.count if reader.live else reader.until.get(kept.session, 0)
            if read < kept.gone:
                reader.dropped += kept.gone - read
                reader.read[kept.session] = read = kept.gone
            if read < until:
                sources.append(_messages(kept, read, until))
        return heapq.merge(*sources, key=lambda entry: entry[0]) if len(sources) > 1 else iter(sources[0] if sources else ())

    def _send(self, reader: _Reader) -> None:
        if reader.closed:
            return
        try:
            sent = reader.socket.send(reader.waiting) if reader.waiting else 0
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._close(reader)
            return
        if sent:
            reader.since = time.monotonic()
            reader.waiting = reader.waiting[sent:]
        if reader.cut and not reader.waiting:
            self._close(reader)
        else:
            self._want(reader)

    def _want(self, reader: _Reader) -> None:
        if reader.closed:
            return
        mask = (WRITE if reader.waiting else 0) | (0 if reader.said_all or reader.cut else READ)
        if mask != reader.mask:
            reader.mask = mask
            self._loop.modify(reader.descriptor, mask)

    # --------------------------------------------------------------------------------------------- the end

    def tick(self) -> None:
        """Cut who has had his time, and listen again after a pause."""
        now = time.monotonic()
        self._listening.tick()
        for reader in list(self._readers.values()):
            if reader.waiting or not reader.participant:
                if now - reader.since > (UNREAD_SECONDS if reader.participant else REQUEST_SECONDS):
                    self._close(reader)
            else:
                reader.since = now

    def _close(self, reader: _Reader) -> None:
        if reader.closed:
            return
        reader.closed = True
        self._loop.unregister(reader.descriptor)
        del self._readers[reader.descriptor]
        reader.socket.close()

    def close(self) -> None:
        """End all connections, and take the socket out of the directory."""
        for reader in list(self._readers.values()):
            self._close(reader)
        self._listening.close()
        self.path.unlink(missing_ok=True)


def starred(message: bytes) -> bytes:
    """Without the passwords in it. Its BodyLength and CheckSum stay those that it had."""
    return _SECRETS.sub(STARS, message)


def _messages(kept: Kept, read: int, until: int) -> Iterator[tuple[int, str, int, str, bytes]]:
    for first, time_ns, direction, messages in kept.behind(read, until):
        for place, message in enumerate(messages):
            yield time_ns, kept.session, first + place, direction, message
