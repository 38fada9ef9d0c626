"""A wire between a client and a venue that a test can cut, and mend; it knows nothing of FIX."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from types import TracebackType


class Wire:
    """Forwards connections to `port()` while it is whole. As a context, it ends with it."""

    def __init__(self, port: Callable[[], int]) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._whole = True
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)
        self._thread.start()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping = True
        self._wake_writer.send(b"x")
        self._thread.join()
        for sock in (self._listener, self._wake_reader, self._wake_writer):
            sock.close()

    def cut(self) -> None:
        """Both ends lose their connection, and a new one is closed at once."""
        self._whole = False
        self._wake_writer.send(b"x")

    def mend(self) -> None:
        self._whole = True

    def _run(self) -> None:
        while not self._stopping:
            ready, _, _ = select.select([self._listener, self._wake_reader, *self._pairs], [], [])
            if self._wake_reader in ready:
                self._wake_reader.recv(1)
            if not self._whole:
                self._close_all()
            for sock in ready:
                if sock is self._listener:
                    self._accept()
                elif sock in self._pairs:
                    self._forward(sock)
        self._close_all()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            if not self._whole:
                raise ConnectionError
            venue = socket.create_connection(("127.0.0.1", self._target()), 5)
        except OSError:
            client.close()
            return
        for sock in (client, venue):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pairs |= {client: venue, venue: client}

    def _forward(self, sock: socket.socket) -> None:
        other = self._pairs[sock]
        try:
            data = sock.recv(65_536)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for end in (sock, other):
            del self._pairs[end]
            end.close()

    def _close_all(self) -> None:
        for sock in list(self._pairs):
            with contextlib.suppress(OSError):
                sock.close()
        self._pairs.clear()
