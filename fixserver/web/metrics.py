"""What the web's port, the stream and the order desk tell Prometheus; requests are counted by fixserver/web/counters.py."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fixserver.web.desk import OrderDesk
from fixserver.web.server import WebServer
from marketdata.stream import Stream


class WebMetrics(Collector):
    def __init__(self, server: WebServer, stream: Stream, desk: OrderDesk) -> None:
        self._server, self._stream, self._desk = server, stream, desk

    def collect(self) -> Iterator[Metric]:
        server, stream, desk = self._server, self._stream, self._desk
        yield GaugeMetricFamily(
            "fixserver_order_entry_connected", "1 while orders can be sent to the exchange.", int(desk.connected)
        )
        yield GaugeMetricFamily("fixserver_order_entry_waiting", "Requests that wait for the exchange's answer.", desk.waiting)
        for name, documentation, value in (
            ("logons", "Sessions with the exchange that began.", desk.logons_total),
            ("requests", "Requests sent to the exchange.", desk.requests_total),
            ("unanswered", "Requests that the exchange did not answer in time.", desk.unanswered_total),
        ):
            yield CounterMetricFamily(f"fixserver_order_entry_{name}", documentation, value)
        yield GaugeMetricFamily("fixserver_web_connections", "Connections that are open.", server.connections)
        yield GaugeMetricFamily("fixserver_web_streams", "Those of them that are WebSockets.", server.streams)
        yield GaugeMetricFamily("fixserver_web_unread_bytes", "What clients have not read yet.", server.unread_bytes())
        cut = CounterMetricFamily("fixserver_web_connections_cut", "Connections ended by us.", labels=["cause"])
        for cause, count in server.cut.items():
            cut.add_metric([cause], count)
        yield cut
        yield GaugeMetricFamily("fixserver_stream_topics", "Topics that are kept up.", stream.topics)
        for name, documentation, value in (
            ("deltas", "Deltas made, each for all who follow its topic.", stream.deltas_made),
            ("snapshots", "Snapshots made.", stream.snapshots_made),
            ("frames", "Deltas and snapshots sent, over all clients.", stream.frames_sent),
            ("resumed", "Topics that went on where a client was before.", stream.resumed_total),
            ("held", "How often a client that did not read was held back.", stream.held_total),
            ("cut", "Clients closed because they did not read.", stream.cut_total),
            ("mistakes", "Messages and topics of clients that were refused.", stream.mistakes_total),
        ):
            yield CounterMetricFamily(f"fixserver_stream_{name}", documentation, value)
