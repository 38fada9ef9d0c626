"""What the exchange counts, and the page that Prometheus reads; counting is plain integers and never takes a lock.

The loop that trades adds to the attributes of one ExchangeMetrics. Only when somebody asks, and twice a
second at most, is text made of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import NamedTuple, get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from matching.messages import Phase

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PAGE_AGE_MAX_S = 0.5
REQUEST_BYTES_MAX = 8192  # of a request for the page: whoever serves it closes beyond
# Labels come in part from what clients send: beyond this many, the rest is counted as OTHER.
LABELS_MAX = 128
OTHER = "other"

LATENCY_BOUNDS_S = (
    0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
)  # fmt: skip
SYNC_BOUNDS_S = LATENCY_BOUNDS_S[2:]
BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
# Where a command is, from its bytes to its report: decoded, made durable, applied, its reports made, and given to sockets.
STAGES = ("read", "journal", "apply", "report", "send")


class Buckets:
    """A histogram: how many values were at most each bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Iterable[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total: float = 0
        assert list(self.bounds) == sorted(set(self.bounds)), "bounds rise"

    def observe(self, value: float, times: int = 1) -> None:
        """Count `value`, as often as it occurred."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def cumulative(self) -> list[tuple[str, float]]:
        """(bound, values up to it) as Prometheus has them, "+Inf" last."""
        found, running = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            found.append((bound, float(running)))
        return found


class Labelled(dict[str, int]):
    """Counts by label, of which there are at most LABELS_MAX and OTHER."""

    def add(self, label: str, times: int = 1) -> None:
        if label in self:
            self[label] += times
        elif len(self) < LABELS_MAX:
            self[label] = times
        else:
            self[OTHER] = self.get(OTHER, 0) + times


class Turn(NamedTuple):
    """A turn of the loop that had commands: how many, and how long each stage took, in seconds."""

    commands: int
    read: float
    journal: float
    apply: float
    report: float
    send: float
    all: float  # from the bytes to the sockets


class ExchangeMetrics(Collector):
    """The exchange's counters. Attributes are added to as things happen; heads, sessions, connections, what is not read
    and not free, and orders and instruments as they stand, are set, at the latest before collect(). `turns` waits for
    count_turns(), which is called several times a second: the loop has better things to do behind each command."""

    def __init__(self) -> None:
        self.sessions = 0
        self.connections = 0
        self.connections_refused = Labelled()
        self.logons = Labelled()
        self.messages_received = Labelled()
        self.messages_sent = Labelled()
        self.orders = 0
        self.rejects = Labelled()
        self.trades = 0
        self.reports_copied = 0
        self.resting_orders = 0
        self.journal_head = 0
        self.event_head = 0
        self.batch_commands = Buckets(BATCH_BOUNDS)
        self.sync_seconds = Buckets(SYNC_BOUNDS_S)
        self.order_latency_seconds = Buckets(LATENCY_BOUNDS_S)
        self.stage_seconds = {stage: Buckets(LATENCY_BOUNDS_S) for stage in STAGES}
        self.turns: list[Turn] = []
        self.connections_max = 0
        self.unread_bytes = 0
        self.instruments: dict[str, int] = {}  # by phase
        self.snapshots = 0
        self.snapshots_failed = 0
        self.disk_bytes = 0
        self.disk_free_bytes = 0

    def count_turns(self) -> None:
        turns, self.turns = self.turns, []
        stages = tuple(self.stage_seconds.values())
        for commands, *seconds, whole in turns:
            self.order_latency_seconds.observe(whole, commands)
            for stage, taken in zip(stages, seconds, strict=True):
                stage.observe(taken, commands)

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("fixserver", "Which version this is.", value={"version": version("fixserver")})
        yield GaugeMetricFamily("fixserver_sessions", "FIX sessions that are logged on.", self.sessions)
        yield GaugeMetricFamily("fixserver_connections", "Connections that are open, logged on or not.", self.connections)
        yield _labelled("fixserver_connections_refused", "Connections closed on arrival.", "cause", self.connections_refused)
        yield _labelled("fixserver_logons", "Logons, by what became of them.", "outcome", self.logons)
        yield _labelled("fixserver_messages_received", "FIX messages taken in, by MsgType(35).", "type", self.messages_received)
        yield _labelled("fixserver_messages_sent", "FIX messages sent, by MsgType(35).", "type", self.messages_sent)
        yield CounterMetricFamily("fixserver_orders", "Orders entered, refused ones included.", self.orders)
        yield _labelled("fixserver_rejects", "Orders, cancels and replaces that were refused.", "reason", self.rejects)
        yield CounterMetricFamily("fixserver_trades", "Trades.", self.trades)
        yield CounterMetricFamily("fixserver_reports_copied", "Reports sent to drop copies.", self.reports_copied)
        yield GaugeMetricFamily("fixserver_resting_orders", "Orders in the books.", self.resting_orders)
        yield _histogram("fixserver_batch_commands", "Commands made durable together.", self.batch_commands)
        yield _histogram("fixserver_journal_sync_seconds", "How long the disk took to make a batch durable.", self.sync_seconds)
        yield _histogram(
            "fixserver_order_latency_seconds", "From the bytes of a command to its report.", self.order_latency_seconds
        )
        stages = HistogramMetricFamily("fixserver_stage_seconds", "How long the parts of that took, in turn.", labels=["stage"])
        for stage, buckets in self.stage_seconds.items():
            stages.add_metric([stage], buckets=buckets.cumulative(), sum_value=buckets.total)
        yield stages
        yield GaugeMetricFamily("fixserver_journal_head", "Number of the last command.", self.journal_head)
        yield GaugeMetricFamily("fixserver_event_head", "Number of the last event.", self.event_head)
        yield GaugeMetricFamily("fixserver_connections_max", "Connections that are taken at once.", self.connections_max)
        yield GaugeMetricFamily("fixserver_unread_bytes", "What clients have not read yet, together.", self.unread_bytes)
        instruments = GaugeMetricFamily("fixserver_instruments", "Instruments by the phase that they are in.", labels=["phase"])
        for phase in get_args(Phase):
            instruments.add_metric([phase], self.instruments.get(phase, 0))
        yield instruments
        yield CounterMetricFamily("fixserver_snapshots", "Snapshots written since the start.", self.snapshots)
        yield CounterMetricFamily("fixserver_snapshots_failed", "Snapshots that could not be written.", self.snapshots_failed)
        yield GaugeMetricFamily("fixserver_disk_bytes", "Size of the file system of the data directory.", self.disk_bytes)
        yield GaugeMetricFamily("fixserver_disk_free_bytes", "What is free of it.", self.disk_free_bytes)


def _labelled(name: str, documentation: str, label: str, counts: Labelled) -> CounterMetricFamily:
    family = CounterMetricFamily(name, documentation, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _histogram(name: str, documentation: str, buckets: Buckets) -> HistogramMetricFamily:
    return HistogramMetricFamily(name, documentation, buckets=buckets.cumulative(), sum_value=buckets.total)


# -------------------------------------------------------------------------------------------------- the page


def registry_of(*collectors: Collector) -> CollectorRegistry:
    """A registry of these, and of the process's own memory, CPU and descriptors."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    ProcessCollector(registry=registry)
    return registry


class Page:
    """The text of a registry, made anew every PAGE_AGE_MAX_S at most, so that asking often costs nothing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._text = b""
        self._made = float("-inf")

    def is_due(self, now: float) -> bool:
        """Whether render() at `now` would make the text anew: what is set, not counted, is due before."""
        return now - self._made >= PAGE_AGE_MAX_S

    def render(self, now: float) -> bytes:
        """The text as it is at `now`, a monotonic clock's seconds."""
        if self.is_due(now):
            self._text, self._made = generate_latest(self._registry), now
        return self._text

    def answer(self, request: bytes, now: float) -> bytes:
        """The whole HTTP response to a request whose head is `request`. The connection is to be closed after it."""
        line = request[: request.find(b"\r\n")] if b"\r\n" in request else request
        method, _, rest = line.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", b"GET /metrics\n", b"GET")
        if path not in (b"/metrics", b"/"):
            return _response("404 Not Found", b"it is /metrics\n", method)
        return _response("200 OK", self.render(now), method)


def _response(status: str, body: bytes, method: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + (b"" if method == b"HEAD" else body)
