"""The web's port: listens, counts and limits connections, and ends them in order; what is asked there it does not know.

REST is an ASGI application, run by uvicorn's protocol in the event loop that is there already. uvicorn's own server would
take the signals, and stop by itself.
"""

from __future__ import annotations

import asyncio
import email.utils
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import uvicorn
from uvicorn.server import ServerState

from fixserver.config import Web
from fixserver.metrics import Labelled
from fixserver.port import connections_possible
from fixserver.web.connection import HttpConnection
from fixserver.web.socket import StreamSocket

BACKLOG = 512
IDLE_SECONDS = 15  # of a connection that has been answered
HANDSHAKE_SECONDS_MAX = 10.0  # of TLS
TICK_SECONDS = 1.0
STOP_SECONDS_MAX = 2.0  # for answers on their way, and for clients of the stream to say good-bye

Application = Callable[[Any, Any, Any], Awaitable[None]]  # ASGI 3


class Stream(Protocol):
    """What a StreamSocket needs of the stream."""

    def connect(self, client: Any) -> None: ...

    def receive(self, client: Any, payload: bytes) -> None: ...

    def disconnect(self, client: Any) -> None: ...


class WebServer:
    """The port is bound at once, and served from start() to stop()."""

    def __init__(self, config: Web, app: Application, stream: Stream | None, *, others: int) -> None:
        """`others` are the connections that the process is to have descriptors for beside these.

        Raises OSError where the address cannot be bound or a certificate not be read.
        """
        self.config = config
        self.stream = stream
        self.state = ServerState()
        self.streams = 0  # how many of the connections are WebSockets
        self.cut = Labelled()  # connections that we ended, by cause
        self.loop: asyncio.AbstractEventLoop = None  # type: ignore[assignment]
        self.uvicorn = uvicorn.Config(
            app, http=HttpConnection, ws="none", interface="asgi3", lifespan="off", log_config=None, log_level="error",
            access_log=False, proxy_headers=False, server_header=False, timeout_keep_alive=IDLE_SECONDS,
        )  # fmt: skip
        self.uvicorn.load()
        self._connections_max = connections_possible(config.connections_max, others)
        self._tls = _tls_context(config)
        family = socket.AF_INET6 if ":" in config.address else socket.AF_INET
        self._socket = socket.create_server((config.address, config.port), family=family, backlog=BACKLOG)
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def number(self) -> int:
        """The port that was bound."""
        return int(self._socket.getsockname()[1])

    @property
    def connections(self) -> int:
        return len(self.state.connections)

    def unread_bytes(self) -> int:
        """What is still to be sent, over all connections."""
        return sum(connection.transport.get_write_buffer_size() for connection in self.state.connections)

    def is_full(self) -> bool:
        """Whether the connection that has just been made is one too many."""
        return len(self.state.connections) > self._connections_max

    def count_cut(self, cause: str) -> None:
        self.cut.add(cause)

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._tick()
        self._server = await self.loop.create_server(
            lambda: HttpConnection(self), sock=self._socket, backlog=BACKLOG, ssl=self._tls,
            ssl_handshake_timeout=HANDSHAKE_SECONDS_MAX if self._tls else None,
        )  # fmt: skip

    def _tick(self) -> None:
        self.state.default_headers = [(b"date", email.utils.formatdate(time.time(), usegmt=True).encode())]
        now = self.loop.time()
        for connection in list(self.state.connections):
            assert isinstance(connection, HttpConnection | StreamSocket)
            connection.tick(now)
        self._timer = self.loop.call_later(TICK_SECONDS, self._tick)

    async def stop(self) -> None:
        """Take nobody any more, let answers end, say good-bye to the clients of the stream; cut who takes too long."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self.state.connections):
            connection.shutdown()
        until = self.loop.time() + STOP_SECONDS_MAX
        while self.state.connections and self.loop.time() < until:
            await asyncio.sleep(0.01)
        for connection in list(self.state.connections):
            self.count_cut("stop")
            connection.transport.abort()
        await asyncio.sleep(0)  # so that they have heard of it
        for task in list(self.state.tasks):
            task.cancel()
        if self.state.tasks:
            await asyncio.wait(self.state.tasks, timeout=STOP_SECONDS_MAX)
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


def _tls_context(config: Web) -> ssl.SSLContext | None:
    if not config.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(config.certificate, config.private_key or None)
    return context
