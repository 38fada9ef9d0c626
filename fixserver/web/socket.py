"""A WebSocket of the stream: handshake, frames, pings, the end; it never looks into a message.

The frames that go out were made once for all who get them, and are handed to the transport as they are. What comes in is
read by the protocol of `websockets`, in small pieces and at a limited rate, so that no client can keep the others waiting.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, Protocol, Side
from websockets.server import ServerProtocol

from fixserver.web.errors import ApiError

if TYPE_CHECKING:
    from fixserver.web.server import WebServer

PATH = b"/v1/stream"
MESSAGE_BYTES_MAX = 64 * 1024
MESSAGES_PER_SECOND = 50  # of one client, pings and fragments among them
MESSAGES_AT_ONCE_MAX = 500
SLICE_BYTES = 2_048  # what is parsed before the count is looked at
PING_SECONDS = 20.0
SILENCE_SECONDS_MAX = 60.0
UNREAD_SECONDS_MAX = 45.0  # in which a client takes nothing at all of what waits for it
CLOSE_SECONDS_MAX = 5.0  # for the client to answer our Close
REASON_LENGTH_MAX = 100
SEND_BUFFER_BYTES = 256 * 1024  # of the kernel: what it takes for a client who does not read is not seen here

TRY_AGAIN_LATER, SERVICE_RESTART, POLICY, NOT_UNDERSTOOD = 1013, 1012, 1008, 1003
PING = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """A text frame from a server: final, not masked."""
    size = len(payload)
    if size < 126:
        return b"\x81" + size.to_bytes(1, "big") + payload
    if size < 65_536:
        return b"\x81\x7e" + struct.pack(">H", size) + payload
    return b"\x81\x7f" + struct.pack(">Q", size) + payload


def open_stream(
    web: WebServer, transport: asyncio.Transport, address: str, method: str, target: bytes,
    headers: list[tuple[bytes, bytes]], scheme: str,
) -> StreamSocket | ApiError:  # fmt: skip
    """Answer a request for a WebSocket: the socket that takes the connection over, or why there is none."""
    if target.partition(b"?")[0] != PATH:
        return ApiError(404, "not-found", f"there is no WebSocket here: the stream is at {PATH.decode()}")
    if web.stream is None:
        return ApiError(503, "unavailable", "there is no stream now")
    told = Headers()
    for name, value in headers:
        told[name.decode("latin-1")] = value.decode("latin-1")
    if not _is_allowed(told, web.config.origins, scheme):
        return ApiError(403, "foreign-page", "this page is of another place than the venue, and is not in web.origins")
    response = ServerProtocol().accept(_request(method, target, told))
    if response.status_code != 101:
        return ApiError(response.status_code, "no-handshake", _said(response), _also(response))
    transport.write(response.serialize())
    return StreamSocket(web, transport, address)


def _request(method: str, target: bytes, headers: Headers) -> Request:
    return Request(target.decode("latin-1"), headers, method=method, protocol="HTTP/1.1")


def _said(response: Response) -> str:
    return bytes(response.body).decode().partition("\n")[0]


def _also(response: Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.raw_items() if name.lower() in ("upgrade", "allow")}


def _is_allowed(headers: Headers, origins: list[str], scheme: str) -> bool:
    """Whether the page that asks may: one of ours, or of `origins`. A program that is no browser does not say where it is from."""
    said = headers.get_all("Origin")
    if not said or "*" in origins:
        return True
    hosts = [f"{scheme}://{host}" for host in headers.get_all("Host")]
    return len(said) == 1 and (said[0] in origins or said[0] in hosts)


class StreamSocket(asyncio.Protocol):
    """One client of the stream, once the handshake is over: what Stream knows as a Client."""

    def __init__(self, web: WebServer, transport: asyncio.Transport, address: str) -> None:
        """`address` is where the client is from."""
        assert web.stream is not None
        self._address = address
        self._web = web
        self._stream = web.stream
        self.transport = transport
        self._buffer_bytes_max = web.config.stream_buffer_bytes_max
        self._frames = Protocol(Side.SERVER, state=OPEN, max_size=MESSAGE_BYTES_MAX)
        self._parts: list[bytes] = []  # of a message in several frames
        self._heard = self._pinged = self._counted = web.loop.time()
        self._allowance = float(MESSAGES_AT_ONCE_MAX)
        self._closing: float | None = None  # since when
        self._sent_bytes = self._taken_bytes = 0  # by us; by the kernel, at the last look
        self._taken_at = self._heard  # when that was last more than before

    def begin(self, rest: bytes) -> None:
        """The transport is ours. `rest` is what came with the handshake."""
        self._web.state.connections.add(self)  # type: ignore[arg-type]
        self._web.streams += 1
        if (sock := self.transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.transport.resume_reading()
        self._stream.connect(self)
        if rest:
            self.data_received(rest)

    # ---------------------------------------------------------------------------------- what Stream asks for

    @property
    def queued_bytes(self) -> int:
        """What the client has not read, as far as it is known here: some lies in the kernel's buffer, and in his."""
        return self.transport.get_write_buffer_size()

    def send(self, frame: bytes) -> None:
        """Send a frame as it is. Who has too much unread before it is cut."""
        if self._closing is not None:
            return
        if self.transport.get_write_buffer_size() > self._buffer_bytes_max:
            self._cut("unread")
            return
        self._sent_bytes += len(frame)
        self.transport.write(frame)

    def close(self, code: int, reason: str) -> None:
        """Say good-bye; the connection ends when the client has answered, or did not in time."""
        if self._closing is None:
            self._closing = self._web.loop.time()
            if self._frames.state is OPEN:  # he may just have said good-bye himself
                self._frames.send_close(code, reason[:REASON_LENGTH_MAX])
                self._write()

    def shutdown(self) -> None:
        """The venue ends."""
        self.close(SERVICE_RESTART, "the feed is being stopped")

    # ------------------------------------------------------------------------------------------------- asyncio

    def data_received(self, data: bytes) -> None:
        self._heard = self._web.loop.time()
        for start in range(0, len(data), SLICE_BYTES):
            if self._frames.eof_sent:
                return  # nothing more is understood
            self._frames.receive_data(data[start : start + SLICE_BYTES])
            events = self._frames.events_received()
            if not self._may_send(len(events)):
                self._web.count_cut("rate")
                self._fail(POLICY, f"at most {MESSAGES_PER_SECOND} messages a second")
                return
            for event in events:
                if isinstance(event, Frame):
                    self._take(event)
            self._write()  # behind the answers to what came before: it may be the end

    def eof_received(self) -> None:
        return None  # the transport closes itself

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = self._web.loop.time()
        self._web.state.connections.discard(self)
        self._web.left(self._address)
        self._web.streams -= 1
        self._stream.disconnect(self)

    def pause_writing(self) -> None:
        pass  # Stream looks at queued_bytes

    def resume_writing(self) -> None:
        pass

    def tick(self, now: float) -> None:
        """Ping who is silent; end what has had its time."""
        if self._closing is not None:
            if now - self._closing >= CLOSE_SECONDS_MAX:
                self.transport.abort()
        elif now - self._heard >= SILENCE_SECONDS_MAX:
            self._cut("silent")
        elif not self._takes(now):
            self._web.count_cut("unread")
            self.close(TRY_AGAIN_LATER, "the stream is not being read")
        elif now - max(self._heard, self._pinged) >= PING_SECONDS:
            self._pinged = now
            self.send(PING)

    def _takes(self, now: float) -> bool:
        """Whether the client reads, however slowly; one who has it all reads."""
        queued_bytes = self.transport.get_write_buffer_size()
        if not queued_bytes or self._sent_bytes - queued_bytes > self._taken_bytes:
            self._taken_bytes, self._taken_at = self._sent_bytes - queued_bytes, now
        return now - self._taken_at < UNREAD_SECONDS_MAX

    # ------------------------------------------------------------------------------------------------- frames

    def _may_send(self, count: int) -> bool:
        elapsed, self._counted = self._heard - self._counted, self._heard
        self._allowance = min(self._allowance + elapsed * MESSAGES_PER_SECOND, MESSAGES_AT_ONCE_MAX) - count
        return self._allowance >= 0

    def _take(self, frame: Frame) -> None:
        if self._closing is not None:
            return
        if frame.opcode is Opcode.BINARY:
            self._fail(NOT_UNDERSTOOD, "messages are text")
        elif frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
            if frame.fin and not self._parts:
                self._stream.receive(self, bytes(frame.data))
                return
            self._parts.append(bytes(frame.data))
            if frame.fin:
                payload, self._parts = b"".join(self._parts), []
                self._stream.receive(self, payload)

    def _fail(self, code: int, reason: str) -> None:
        """Say good-bye, and hear nothing more."""
        self._closing = self._web.loop.time()
        self._frames.fail(code, reason)
        self._write()

    def _write(self) -> None:
        for data in self._frames.data_to_send():
            if data:
                self.transport.write(data)
                continue
            # The end: after the client's Close, or after a mistake of his.
            if self._closing is None:
                self._closing = self._heard
                if self._frames.parser_exc is not None:
                    self._web.count_cut("frame")
            if self.transport.can_write_eof():
                self.transport.write_eof()  # a close would be a reset to who is sending still, and take our Close away from him
            else:
                self.transport.close()

    def _cut(self, cause: str) -> None:
        self._closing = self._web.loop.time()
        self._web.count_cut(cause)
        self.transport.abort()
