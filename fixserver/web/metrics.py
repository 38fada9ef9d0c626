"""What the web's port tells Prometheus of its connections; requests are counted by fixserver/web/counters.py."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fixserver.web.server import WebServer


class WebMetrics(Collector):
    def __init__(self, server: WebServer) -> None:
        self._server = server

    def collect(self) -> Iterator[Metric]:
        server = self._server
        yield GaugeMetricFamily("fixserver_web_connections", "Connections that are open.", server.connections)
        yield GaugeMetricFamily("fixserver_web_streams", "Those of them that are WebSockets.", server.streams)
        yield GaugeMetricFamily("fixserver_web_unread_bytes", "What clients have not read yet.", server.unread_bytes())
        cut = CounterMetricFamily("fixserver_web_connections_cut", "Connections ended by us.", labels=["cause"])
        for cause, count in server.cut.items():
            cut.add_metric([cause], count)
        yield cut
