"""For tests: a listener of the multicast feed on real sockets, to whom packets may get lost, doubled, late; it judges nothing."""

from __future__ import annotations

import contextlib
import random
import select
import socket
from collections.abc import Callable

from marketdata.multicast_receiver import Receiver

RECEIVE_BUFFER_BYTES = 4 << 20
WAIT_SECONDS = 20.0


def read_block(sock: socket.socket) -> bytes:
    """The next block of an answer, without its length; b"" where the connection has ended."""
    head = read_exactly(sock, 2)
    return read_exactly(sock, int.from_bytes(head, "big")) if head else b""


def read_exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        with contextlib.suppress(ConnectionResetError):
            part = sock.recv(size - len(data))
            if part:
                data += part
                continue
        return b""
    return data


class Listener:
    """Takes what has come, and asks for what is missing, whenever it is told to. `loss` is the share of packets that are lost,
    that come twice, and that come late."""

    def __init__(self, recovery_port: Callable[[], int], seed: int = 0) -> None:
        self.receiver = Receiver()
        self.loss = 0.0
        self.packets = 0
        self._recovery_port = recovery_port
        self.draw = random.Random(seed)
        self._late: list[bytes] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def take(self) -> None:
        """All the packets that are there."""
        while True:
            try:
                data = self.socket.recv(65_536)
            except BlockingIOError:
                return
            self.packets += 1
            fate = self.draw.random()
            if fate < self.loss:
                continue
            if fate < 2 * self.loss:
                self._late.append(data)
                continue
            self.receiver.take_packet(data)
            if fate < 3 * self.loss:
                self.receiver.take_packet(data)
            while self._late and self.draw.random() < 0.5:
                self.receiver.take_packet(self._late.pop(self.draw.randrange(len(self._late))))

    def recover(self) -> None:
        """Ask for what is missing, until nothing is. OSError where nobody answers."""
        if self.receiver.session and self.receiver.whole:
            return
        with socket.create_connection(("127.0.0.1", self._recovery_port()), WAIT_SECONDS) as sock:
            while (request := self.receiver.request()) is not None:
                sock.sendall(len(request).to_bytes(2, "big") + request)
                while self.receiver.asking:
                    block = read_block(sock)
                    if not block:
                        self.receiver.answer_lost()
                        return
                    self.receiver.take_answer(block)

    def wait(self, seconds: float) -> bool:
        """Whether something has come in time."""
        return bool(select.select([self.socket], [], [], seconds)[0])

    def close(self) -> None:
        self.socket.close()
