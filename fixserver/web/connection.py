"""An HTTP connection with limits: what a client sends, and how long it takes, has an end. It answers no request itself.

uvicorn parses requests and runs the application. What it leaves without a limit has one here: a head that goes on and on,
requests that drip, answers that nobody reads, more requests at once than are answered. An Upgrade to a WebSocket hands the
connection to fixserver/web/socket.py.
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from fixserver.web.errors import ApiError
from fixserver.web.socket import open_stream

if TYPE_CHECKING:
    import asyncio

    from fixserver.web.server import WebServer

HEAD_BYTES_MAX = 16_384  # request line and headers
PIPELINED_MAX = 16  # requests that wait for the answer to an earlier one
REQUEST_SECONDS_MAX = 10.0  # from its first byte, or the connection's beginning, to its last
ANSWER_SECONDS_MAX = 60.0  # for a client to take what was sent
CLOSE_SECONDS_MAX = 5.0  # the same, once there will be nothing more


class HttpConnection(HttpToolsProtocol):
    """uvicorn's protocol. `tick` is to be called once in a while; connections are closed there that have had their time."""

    def __init__(self, web: WebServer, client: tuple[str, int]) -> None:
        """`client` is where it is from, which behind a balancer is not the other end of the socket."""
        super().__init__(web.uvicorn, web.state, {}, web.loop)
        self.web = web
        self.begun = False
        self._from = client
        self.ended = False  # nothing more is read
        self._refusal: ApiError | None = None  # why the parser was stopped
        self._answered: RequestResponseCycle | None = None  # the request that is at work
        self._in_head = True
        self._head_bytes = 0
        self._began: float | None = None  # when the request began that is being received
        self._unread_since: float | None = None
        self._refused_at: float | None = None  # when it was said that nothing more is read

    # ------------------------------------------------------------------------------------------- connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.begun = True
        self.client = self._from
        self._began = self.loop.time()
        if self.web.is_full():
            self.web.count_cut("full")
            self.refuse(ApiError(503, "full", "there are as many connections as the venue takes: try again later"), at_once=True)

    def data_received(self, data: bytes) -> None:
        if self.ended:
            return
        if self._began is None:
            self._began = self.loop.time()
        self._head_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self.web.count_cut("request")
            self.refuse(self._refusal or ApiError(400, "no-http", "that is no HTTP request"))
            return
        if self._in_head and self._head_bytes > HEAD_BYTES_MAX:
            self.web.count_cut("request")
            self.refuse(_head_too_long())

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn tells the last request that came in; the one that is being answered may be an earlier one.
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
        self.pipeline.clear()
        self.web.left(self._from[0])
        super().connection_lost(exc)

    def refuse(self, error: ApiError, *, at_once: bool = False) -> None:
        """Say why, as the answer to what is being received, and close.

        Not `at_once`: who is sending still would have the answer taken away by the reset that a close causes then. So what
        he sends is thrown away until he has read it and closes, or the time is over.
        """
        self.ended = True
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()  # in the middle of another answer nothing can be said
            return
        body = error.body()
        lines = [
            f"HTTP/1.1 {error.status} {http.HTTPStatus(error.status).phrase}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            "connection: close",
            *(f"{name}: {value}" for name, value in error.headers.items()),
        ]
        self.transport.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        if at_once or not self.transport.can_write_eof():  # TLS has no half of a connection
            self.transport.close()
        else:
            self.transport.write_eof()
            self.flow.resume_reading()
            self._refused_at = self.loop.time()

    def tick(self, now: float) -> None:
        """End the connection where its client has had the time that there is."""
        if self.transport.get_write_buffer_size() or self.transport.is_closing():
            if self._unread_since is None:
                self._unread_since = now
            if now - self._unread_since >= (CLOSE_SECONDS_MAX if self.transport.is_closing() else ANSWER_SECONDS_MAX):
                self.web.count_cut("unread")
                self.transport.abort()
            return
        self._unread_since = None
        if self._refused_at is not None:
            if now - self._refused_at >= CLOSE_SECONDS_MAX:
                self.transport.abort()
        elif self._began is not None and now - self._began >= REQUEST_SECONDS_MAX:
            if self.flow.read_paused:
                self._began = now  # it is we who let it wait
            else:
                self.web.count_cut("slow")
                self.refuse(ApiError(408, "too-slow", f"a request is to arrive within {REQUEST_SECONDS_MAX:g} seconds"))

    # ----------------------------------------------------------------------------------- what the parser says

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if len(self.pipeline) >= PIPELINED_MAX:
            self._stop_parser(ApiError(429, "too-many-requests", f"at most {PIPELINED_MAX} requests wait for their answers"))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_BYTES_MAX:
            self._stop_parser(_head_too_long())
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._head_bytes = 0
        self._began = None

    def _stop_parser(self, why: ApiError) -> None:
        self._refusal = why
        raise ValueError(why.code)  # out of a callback of the parser: the only way to stop it

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _should_upgrade_to_ws(self) -> bool:
        return True

    # -------------------------------------------------------------------------------------------- WebSocket

    def _upgrade(self, rest: bytes) -> None:
        """`rest` is what came behind the request."""
        if not self._should_upgrade():
            # Answered as the plain request that it is too; what comes behind it cannot be understood.
            self.ended = True
            self.cycle.keep_alive = False
            return
        if self.pipeline or (self.cycle is not None and not self.cycle.response_complete):
            self.refuse(ApiError(400, "bad-request", "an Upgrade is to wait for the answer to the request before it"))
            return
        scheme = "https" if self.scheme == "https" else "http"
        opened = open_stream(self.web, self.transport, self._from[0], self.scope["method"], self.url, self.headers, scheme)
        if isinstance(opened, ApiError):
            self.web.count_cut("handshake")
            self.refuse(opened)
            return
        self.ended = True
        self.connections.discard(self)
        self.transport.set_protocol(opened)
        opened.begin(rest)


def _head_too_long() -> ApiError:
    return ApiError(431, "head-too-long", f"request line and headers are at most {HEAD_BYTES_MAX:,} bytes")
