"""The sockets of the multicast feed: packets out by UDP, and by TCP what somebody missed; what they say it does not know.

A packet that cannot be sent is lost, as it may be on any network, and counted. On the recovery port a connection asks one
thing at a time, and the next is read when the answer has been taken.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Iterator
from typing import cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fixserver.config import Config, Multicast
from fixserver.exchange import listen
from fixserver.metrics import Labelled
from marketdata import mold
from marketdata.multicast import Publisher
from marketdata.viewing import Published, Views
from matching.messages import EventBatch

SEND_BUFFER_BYTES = 1 << 20
PACKETS_PER_TURN_MAX = 2_000  # then the sockets are looked at again; the others are sent by the next turn
ENDS_SENT = 3  # of the packet that ends a session, because one may be lost

CONNECTIONS_MAX = 64
BACKLOG = 64
REQUEST_BYTES_MAX = 64  # of a request with its length, and of what a connection may have sent beyond it
REQUESTS_PER_SECOND_MAX = 100
IDLE_SECONDS_MAX = 60.0
ANSWER_SECONDS_MAX = 30.0  # for a client to take a whole answer
TICK_SECONDS = 1.0
_LENGTH_BYTES = 2


class Sender:
    """A socket that sends to one address. Its source is `interface`: what cannot be reached from there is not."""

    def __init__(self, config: Multicast) -> None:
        """Raises OSError."""
        self.sent = self.sent_bytes = 0
        self.lost = Labelled()  # packets that could not be sent, by the system's word for why
        self._target = config.group, config.port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            self._socket.bind((config.interface, 0))
            if ipaddress.ip_address(config.group).is_multicast:
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(config.interface))
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, config.hops)
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            else:
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, max(config.hops, 1))
        except OSError:
            self._socket.close()
            raise

    def send(self, packet: bytes) -> None:
        """Never raises: UDP promises nothing, and who listens can ask for what is missing."""
        try:
            self._socket.sendto(packet, self._target)
        except OSError as error:
            self.lost.add(error.strerror or "unknown")
            return
        self.sent += 1
        self.sent_bytes += len(packet)

    def close(self) -> None:
        self._socket.close()


class RecoveryPort:
    """Bound at once, served from start() to stop()."""

    def __init__(self, address: str, port: int, publisher: Publisher) -> None:
        """Raises OSError when the address cannot be bound."""
        self.publisher = publisher
        self.requests = 0
        self.cut = Labelled()  # connections that we ended, by cause
        self.connections: set[_Connection] = set()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.create_server((address, port), family=family, backlog=BACKLOG)
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def number(self) -> int:
        """The port that was bound."""
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), sock=self._socket, backlog=BACKLOG)
        self._tick(loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for connection in list(self.connections):
            connection.tick(now)
        self._timer = loop.call_later(TICK_SECONDS, self._tick, loop)

    async def stop(self) -> None:
        """Whoever is still reading is cut: he has nothing to go on with."""
        if self._server is None:
            return
        self._server.close()
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self.connections):
            connection.cut("stop")
        await asyncio.sleep(0)  # so that they have heard of it

    def close(self) -> None:
        self._socket.close()


class _Connection(asyncio.Protocol):
    def __init__(self, port: RecoveryPort) -> None:
        self._port = port
        self._transport: asyncio.Transport = None  # type: ignore[assignment]
        self._data = b""
        self._answering = False
        self._since = time.monotonic()  # the last request was answered, or is being answered
        self._second, self._requests = 0, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has no such base
        self._transport.set_write_buffer_limits(high=0)  # so that we hear when everything has been taken
        self._port.connections.add(self)
        if len(self._port.connections) > CONNECTIONS_MAX:
            self.cut("full")

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._data += data
        self._serve()

    def pause_writing(self) -> None:
        self._answering = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._answering = False
        self._since = time.monotonic()
        self._transport.resume_reading()
        self._serve()

    def _serve(self) -> None:
        """Answer what has been asked, one after the other."""
        while not self._answering and not self._transport.is_closing() and len(self._data) >= _LENGTH_BYTES:
            length = int.from_bytes(self._data[:_LENGTH_BYTES], "big")
            if length > REQUEST_BYTES_MAX:
                self.cut("too-long")
                return
            end = _LENGTH_BYTES + length
            if len(self._data) < end:
                return
            request, self._data = self._data[_LENGTH_BYTES:end], self._data[end:]
            now = time.monotonic()
            if int(now) != self._second:
                self._second, self._requests = int(now), 0
            self._requests += 1
            if self._requests > REQUESTS_PER_SECOND_MAX:
                self.cut("too-many")
                return
            self._since = now
            self._port.requests += 1
            self._transport.write(self._port.publisher.answer(request))

    def tick(self, now: float) -> None:
        if self._answering and now - self._since > ANSWER_SECONDS_MAX:
            self.cut("slow")
        elif not self._answering and now - self._since > IDLE_SECONDS_MAX:
            self.cut("idle")

    def cut(self, cause: str) -> None:
        self._port.cut.add(cause)
        self._transport.abort()


class MulticastSide:
    """What the process of the feed knows of it. Its methods are called within a turn, but for start() and stop()."""

    def __init__(self, config: Config, views: Views, era: str) -> None:
        """The feed has caught up. Raises ConfigError."""
        section = config.multicast
        self.publisher = Publisher(views, mold.session_name(int(era)))
        self.sender = listen(config, "multicast.interface", section.interface, 0, lambda: Sender(section))
        self.recovery = listen(
            config, "multicast.recovery_port", section.address, section.recovery_port,
            lambda: RecoveryPort(section.address, section.recovery_port, self.publisher),
        )  # fmt: skip
        self.target = section.group, section.port
        self._waiting: list[bytes] = []
        self._ended = False

    @property
    def collectors(self) -> list[Collector]:
        """What it tells Prometheus."""
        return [MulticastMetrics(self)]

    def on_record(self, batch: EventBatch, published: list[Published]) -> None:
        """After each record of the event log, once the feed has taken it."""
        self.publisher.on_record(batch, published)

    def send(self) -> None:
        """At the end of a turn."""
        if self._ended:
            return
        packets = self._waiting + self.publisher.packets()
        self._waiting = packets[PACKETS_PER_TURN_MAX:]
        for packet in packets[:PACKETS_PER_TURN_MAX]:
            self.sender.send(packet)

    async def start(self) -> None:
        await self.recovery.start()

    async def stop(self) -> None:
        """Send what is left, and say that nothing follows."""
        for packet in [*self._waiting, *self.publisher.packets(), *[self.publisher.end()] * ENDS_SENT]:
            self.sender.send(packet)
        self._ended = True
        await self.recovery.stop()

    def close(self) -> None:
        self.recovery.close()
        self.sender.close()


class MulticastMetrics(Collector):
    def __init__(self, side: MulticastSide) -> None:
        self._side = side

    def collect(self) -> Iterator[Metric]:
        sender, recovery, publisher = self._side.sender, self._side.recovery, self._side.publisher
        yield GaugeMetricFamily("fixserver_multicast_recovery_connections", "Connections that are open.", len(recovery.connections))
        for name, documentation, value in (
            ("messages", "Messages of the session so far.", publisher.next - 1),
            ("packets", "Packets sent.", sender.sent),
            ("bytes", "Bytes of them.", sender.sent_bytes),
            ("recovery_requests", "Requests for what was missed, and for snapshots.", recovery.requests),
            ("snapshots", "Snapshots made, each for all who ask within a second.", publisher.snapshots_made),
        ):
            yield CounterMetricFamily(f"fixserver_multicast_{name}", documentation, value)
        for name, documentation, label, counts in (
            ("packets_lost", "Packets that could not be sent.", "reason", sender.lost),
            ("recovery_cut", "Connections ended by us.", "cause", recovery.cut),
        ):
            family = CounterMetricFamily(f"fixserver_multicast_{name}", documentation, labels=[label])
            for text, count in counts.items():
                family.add_metric([text], count)
            yield family
