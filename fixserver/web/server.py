"""The web's port: listens, counts and limits connections, and ends them in order; what is asked there it does not know.

REST is an ASGI application, run by uvicorn's protocol in the event loop that is there already. uvicorn's own server would
take the signals, and stop by itself. Sockets are accepted here, and not by asyncio, because where one is from is to be known
before TLS begins: by its address, or from a balancer's header (proxyheader.py).
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import uvicorn
from uvicorn.server import ServerState

from fixserver.addressing import Addresses, plain
from fixserver.admission import Admission
from fixserver.config import Web
from fixserver.metrics import Labelled
from fixserver.port import connections_possible
from fixserver.proxyheader import BadHeader, Header
from fixserver.tls import ServerTls
from fixserver.web.connection import HttpConnection
from fixserver.web.socket import StreamSocket

BACKLOG = 512
IDLE_SECONDS = 15  # of a connection that has been answered
HEADER_SECONDS_MAX = 2.0  # for a balancer to say for whom it connects
HANDSHAKE_SECONDS_MAX = 3.0  # of TLS
ACCEPTED_PER_TURN_MAX = 16
ACCEPT_PAUSE_SECONDS = 0.5  # where no descriptors are left
REFUSED_MAX = 64  # connections more than are taken, at once, to be told so
TICK_SECONDS = 1.0
STOP_SECONDS_MAX = 2.0  # for answers on their way, and for clients of the stream to say good-bye

log = logging.getLogger("fixserver.web")

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
        self._tls = None
        if config.certificate:
            self._tls = ServerTls(config.certificate, config.private_key, alpn=["http/1.1"], say=log.info)
        self._admission = Admission(config, 0)
        self._proxies = Addresses(config.proxy_from)
        self._arriving: set[asyncio.Task[None]] = set()  # before HTTP: header and handshake
        family = socket.AF_INET6 if ":" in config.address else socket.AF_INET
        self._socket = socket.create_server((config.address, config.port), family=family, backlog=BACKLOG)
        self._socket.setblocking(False)
        self._listening = False
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

    def left(self, address: str) -> None:
        """A connection has ended that was let in."""
        self._admission.leave(address)

    def count_cut(self, cause: str) -> None:
        self.cut.add(cause)

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._tick()
        self._listen()

    def _listen(self) -> None:
        self.loop.add_reader(self._socket.fileno(), self._accept)
        self._listening = True

    def _listen_on(self) -> None:
        if self._listening:
            self._listen()

    def _accept(self) -> None:
        for _ in range(ACCEPTED_PER_TURN_MAX):
            try:
                sock, name = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptors left: do not spin on a listener that stays ready
                log.warning("cannot accept connections: %s; trying again in %s s", error.strerror, ACCEPT_PAUSE_SECONDS)
                self.loop.remove_reader(self._socket.fileno())
                self.loop.call_later(ACCEPT_PAUSE_SECONDS, self._listen_on)
                return
            address = plain(name[0])
            balancer = address in self._proxies
            cause = "" if balancer else self._admission.arrive(address)
            if not cause and len(self.state.connections) + len(self._arriving) >= self._connections_max + REFUSED_MAX:
                cause = "full"
                if not balancer:
                    self._admission.leave(address)
            if cause:
                self.count_cut(cause)
                sock.close()
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self.loop.create_task(self._begin(sock, (address, name[1]), balancer))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _begin(self, sock: socket.socket, client: tuple[str, int], balancer: bool) -> None:
        """Everything before HTTP. Who was let in leaves when his connection is lost, or here where it never began."""
        let_in = "" if balancer else client[0]
        connection: HttpConnection | None = None
        context = self._tls.context if self._tls else None
        try:
            if balancer:
                client = await asyncio.wait_for(self._introduced(sock, client), HEADER_SECONDS_MAX)
                if cause := self._admission.arrive(client[0]):
                    self.count_cut(cause)
                    return
                let_in = client[0]
            made = connection = HttpConnection(self, client)
            limit = HANDSHAKE_SECONDS_MAX if context else None
            await self.loop.connect_accepted_socket(lambda: made, sock, ssl=context, ssl_handshake_timeout=limit)
        except (BadHeader, TimeoutError):
            self.count_cut("tls" if let_in else "proxy")
        except OSError:
            if let_in and context is not None:
                self.count_cut("tls")
        finally:
            if connection is None or not connection.begun:
                sock.close()
                if let_in:
                    self._admission.leave(let_in)

    async def _introduced(self, sock: socket.socket, client: tuple[str, int]) -> tuple[str, int]:
        """For whom a balancer connects. Not a byte more is read than belongs to that. Raises BadHeader, OSError."""
        header = Header()
        while True:
            data = await self.loop.sock_recv(sock, header.wanted)
            if not data:
                raise ConnectionResetError
            if header.take(data):
                return header.address or client[0], client[1]

    def _tick(self) -> None:
        self.state.default_headers = [(b"date", email.utils.formatdate(time.time(), usegmt=True).encode())]
        now = self.loop.time()
        if self._tls is not None:
            self._tls.tick(time.monotonic())
        for connection in list(self.state.connections):
            assert isinstance(connection, HttpConnection | StreamSocket)
            connection.tick(now)
        self._timer = self.loop.call_later(TICK_SECONDS, self._tick)

    async def stop(self) -> None:
        """Take nobody any more, let answers end, say good-bye to the clients of the stream; cut who takes too long."""
        if not self._listening:
            return
        self.loop.remove_reader(self._socket.fileno())
        self._listening = False
        self._socket.close()
        for task in list(self._arriving):
            task.cancel()
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

