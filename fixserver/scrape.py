"""The port where Prometheus asks: one page by HTTP, served from a process's own loop. It never waits for a reader."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from fixserver.loop import Listening, Loop
from fixserver.metrics import REQUEST_BYTES_MAX, Page

CLIENTS_MAX = 16
CLIENT_SECONDS_MAX = 2.0


class _Client:
    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.request = b""
        self.deadline = time.monotonic() + CLIENT_SECONDS_MAX


class ScrapePort:
    """Listens, and answers with `page`, one response a connection; `before_page` sets what is set rather than counted."""

    def __init__(self, loop: Loop, address: str, port: int, page: Page, before_page: Callable[[], None]) -> None:
        """Raises OSError when the address cannot be bound."""
        self._loop = loop
        self._page = page
        self._before_page = before_page
        self._clients: dict[int, _Client] = {}
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.create_server((address, port), family=family, backlog=CLIENTS_MAX)
        listener.setblocking(False)
        self._listening = Listening(loop, listener, self._arrived)

    @property
    def number(self) -> int:
        """The port that was bound."""
        return int(self._listening.socket.getsockname()[1])

    def _arrived(self, sock: socket.socket) -> None:
        if len(self._clients) >= CLIENTS_MAX:
            sock.close()
            return
        client = self._clients[sock.fileno()] = _Client(sock)
        self._loop.register(sock.fileno(), lambda mask: self._read(client))

    def _read(self, client: _Client) -> None:
        try:
            data = client.socket.recv(REQUEST_BYTES_MAX)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        client.request += data
        if b"\r\n\r\n" in client.request:
            now = time.monotonic()
            if self._page.is_due(now):
                self._before_page()
            with contextlib.suppress(OSError):
                client.socket.send(self._page.answer(client.request, now))  # a page is far below a socket's buffer
        elif data and len(client.request) < REQUEST_BYTES_MAX:
            return
        self._close(client)

    def _close(self, client: _Client) -> None:
        descriptor = client.socket.fileno()
        self._loop.unregister(descriptor)
        del self._clients[descriptor]
        client.socket.close()

    def tick(self) -> None:
        """Close what has had its time, and listen again after a pause."""
        now = time.monotonic()
        self._listening.tick()
        for client in [client for client in self._clients.values() if now >= client.deadline]:
            self._close(client)

    def close(self) -> None:
        for client in list(self._clients.values()):
            self._close(client)
        self._listening.close()
