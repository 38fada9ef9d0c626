"""Many WebSocket clients in one process, on plain sockets: python -m tests.benchmarks._subscribers PORT COUNT TOPIC

Only headers of frames are read, and the time that a delta says, once for all who are sent the same bytes: so that it is not the
client that is measured. Says "ready" when everybody has a snapshot. Then, by lines on standard input: "mark NAME" begins a series
of figures, "end" prints them all as JSON, in milliseconds from the event's time to its receipt.

Two ages for each delta and client: `newest`, of the event that the delta says the time of, the last one in it; `oldest`, as of the
event behind the delta before, which is older than any in this one.
"""

from __future__ import annotations

import array
import base64
import calendar
import json
import os
import re
import select
import socket
import sys
import time

REQUEST = (
    b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CONNECT_AT_ONCE = 50
READY_SECONDS_MAX = 60.0
TIME = re.compile(rb'"time":"([^"]*)"')


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame as a client sends it, with a mask of zeros."""
    assert len(payload) < 65_536
    if len(payload) < 126:
        return bytes((0x80 | opcode, 0x80 | len(payload))) + bytes(4) + payload
    return bytes((0x80 | opcode, 0xFE)) + len(payload).to_bytes(2, "big") + bytes(4) + payload


def handshake(port: int, receive_bytes: int = 0) -> socket.socket:
    """A connection on which frames follow. `receive_bytes` is the size of the kernel's buffer."""
    sock = socket.socket()
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(READY_SECONDS_MAX)
    sock.connect(("127.0.0.1", port))
    sock.sendall(REQUEST % base64.b64encode(os.urandom(16)))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)  # no more: the hello comes right behind
        if not byte:
            raise SystemExit(f"no WebSocket: {head!r}")
        head += byte
    if not head.startswith(b"HTTP/1.1 101 "):
        raise SystemExit(f"no WebSocket: {head!r}")
    return sock


class Ages:
    """From the bytes of a message to the time of its event and of the one before."""

    def __init__(self) -> None:
        self._seconds: dict[bytes, int] = {}
        self._payload = b""
        self._newest = self._oldest = 0

    def of(self, payload: bytes) -> tuple[int, int]:
        if payload != self._payload:
            found = TIME.search(payload, 0, 300)
            assert found is not None, payload
            text = found[1]
            self._payload = payload
            self._oldest, self._newest = self._newest, self._ns(text)
        return self._newest, self._oldest

    def _ns(self, text: bytes) -> int:
        seconds = self._seconds.get(text[:19])
        if seconds is None:
            seconds = self._seconds[text[:19]] = calendar.timegm(time.strptime(text[:19].decode(), "%Y-%m-%dT%H:%M:%S"))
        return seconds * 1_000_000_000 + int(text[20:29])


class Series:
    def __init__(self) -> None:
        self.newest, self.oldest = array.array("q"), array.array("q")
        self.began = self.ended = time.monotonic()

    def figures(self) -> dict[str, object]:
        seconds = self.ended - self.began
        return {
            "deltas_per_s_and_client": round(len(self.newest) / seconds / max(1, clients), 1),
            "newest_ms": _percentiles(self.newest),
            "oldest_ms": _percentiles(self.oldest),
        }


def _percentiles(values: array.array[int]) -> dict[str, float]:
    if not values:
        return {}
    ordered = sorted(values)
    ranks = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * rank))] / 1e6, 2) for name, rank in ranks.items()}


def run(port: int, topic: str) -> None:
    poll = select.epoll()
    buffers: dict[int, bytes] = {}
    sockets: dict[int, socket.socket] = {}
    subscribe = masked(1, json.dumps({"op": "subscribe", "topics": [topic]}).encode())
    for _ in range(clients):
        sock = handshake(port)
        sock.sendall(subscribe)
        sock.setblocking(False)
        sockets[sock.fileno()], buffers[sock.fileno()] = sock, b""
        poll.register(sock.fileno(), select.EPOLLIN)
    poll.register(0, select.EPOLLIN)
    waiting = clients  # for their snapshots
    ages = Ages()
    series: dict[str, Series] = {}
    current: Series | None = None
    closed = 0
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == 0:
                for line in os.read(0, 4096).decode().splitlines() or ["end"]:
                    if line == "end":
                        if current is not None:
                            current.ended = time.monotonic()
                        print(json.dumps({"closed": closed} | {name: one.figures() for name, one in series.items()}), flush=True)
                        return
                    if current is not None:
                        current.ended = time.monotonic()
                    current = series[line.removeprefix("mark ")] = Series()
                continue
            try:
                data = sockets[descriptor].recv(262_144)
            except OSError:
                data = b""
            now = time.time_ns()
            if not data:
                closed += 1
                poll.unregister(descriptor)
                continue
            if buffers[descriptor]:
                data = buffers[descriptor] + data
            at, end = 0, len(data)
            while end - at >= 2:
                head, size = at + 2, data[at + 1]
                if size == 126:
                    head, size = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
                elif size == 127:
                    head, size = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
                if head + size > end:
                    break
                if data[at] == 0x89:  # a ping
                    sockets[descriptor].send(masked(0xA, data[head : head + size]))
                elif data.startswith(b'{"type":"delta"', head):
                    newest, oldest = ages.of(data[head : head + size])
                    if current is not None:
                        current.newest.append(now - newest)
                        current.oldest.append(now - oldest)
                elif data.startswith(b'{"type":"snapshot"', head):
                    waiting -= 1
                    if not waiting:
                        print("ready", flush=True)
                elif data.startswith(b'{"type":"error"', head):
                    raise SystemExit(data[head : head + size].decode())
                at = head + size
            buffers[descriptor] = data[at:]


if __name__ == "__main__":
    clients = int(sys.argv[2])
    run(int(sys.argv[1]), sys.argv[3])
