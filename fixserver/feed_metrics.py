"""What the process of the feed tells Prometheus, read from where it is counted; it counts nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fixserver.marketdata_desk import MarketDataDesk
from fixserver.port import FixPort
from fixserver.sessions import Sessions
from marketdata.feed import Feed


class FeedMetrics(Collector):
    def __init__(self, feed: Feed, desk: MarketDataDesk, sessions: Sessions, port: FixPort) -> None:
        self._feed, self._desk, self._sessions, self._port = feed, desk, sessions, port

    def collect(self) -> Iterator[Metric]:
        desk, sessions, depth = self._desk, self._sessions, self._feed.depth

        def gauge(name: str, documentation: str, value: float) -> Metric:
            return GaugeMetricFamily(f"fixserver_marketdata_{name}", documentation, value)

        def counter(name: str, documentation: str, value: float) -> Metric:
            return CounterMetricFamily(f"fixserver_marketdata_{name}", documentation, value)

        def labelled(name: str, documentation: str, label: str, counts: Iterable[tuple[str, int]]) -> Metric:
            family = CounterMetricFamily(f"fixserver_marketdata_{name}", documentation, labels=[label])
            for value, count in counts:
                family.add_metric([value], count)
            return family

        yield gauge("sessions", "FIX sessions that are logged on.", sum(one.logged_on for one in sessions.by_name.values()))
        yield gauge("connections", "Connections that are open, logged on or not.", len(self._port.connections))
        yield gauge("subscribers", "Sessions that follow something.", desk.subscribers)
        yield gauge("subscriptions", "Instruments followed, over all sessions.", desk.views_followed)
        yield gauge("views", "Different views of an instrument that are kept up.", len(desk.subscriptions.views))
        yield gauge("event_head", "Number of the last event that was taken from the event log.", depth.cursor)
        yield gauge("event_time_seconds", "When that event happened, in seconds since 1970.", depth.time / 1e9)
        yield gauge("resting_orders", "Orders in the books.", len(depth.orders))
        yield counter("entries_sent", "Market data entries sent, over all sessions.", desk.entries_sent)
        yield counter("held", "How often a session that did not read was held back.", desk.held_total)
        yield counter("cut", "Sessions ended because they did not read.", desk.cut_total)
        yield labelled("requests_rejected", "MarketDataRequests that were refused.", "reason", desk.rejects.items())
        yield labelled("messages_sent", "FIX messages sent, by MsgType(35).", "type", sessions.messages_sent.items())
        received = [*sessions.messages_received.items(), *desk.received.items()]
        yield labelled("messages_received", "FIX messages taken in, by MsgType(35).", "type", received)
        yield labelled("connections_cut", "Connections ended by us.", "cause", self._port.cut.items())
        yield labelled("logons", "Logons, by what became of them.", "outcome", self._port.logons.items())
