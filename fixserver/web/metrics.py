"""What the web's port and the stream tell Prometheus; requests are counted by fixserver/web/counters.py."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fixserver.web.server import WebServer
from marketdata.stream import Stream


class WebMetrics(Collector):
    def __init__(self, server: WebServer, stream: Stream) -> None:
        self._server, self._stream = server, stream

    def collect(self) -> Iterator[Metric]:
        server, stream = self._server, self._stream
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
