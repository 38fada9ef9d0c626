"""Counts requests by route and status, for the metrics page; it never looks into one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from fixserver.metrics import LATENCY_BOUNDS_S, Buckets

if TYPE_CHECKING:
    from fixserver.web.auth import SignIn

SECONDS_BOUNDS = LATENCY_BOUNDS_S[4:]
NO_ROUTE = "none"  # of the path of a request that no route takes: paths are not labels, there is no end of them


class RequestCounters(Collector):
    """What Prometheus is told of the requests."""

    def __init__(self, sign_in: SignIn) -> None:
        self._sign_in = sign_in
        self.answered: dict[tuple[str, str, int], int] = {}  # method, route, status; all of them are ours, so there are few
        self.seconds = Buckets(SECONDS_BOUNDS)

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        key = method, route, status
        self.answered[key] = self.answered.get(key, 0) + 1
        self.seconds.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        answered = CounterMetricFamily(
            "fixserver_web_requests", "Requests answered.", labels=["method", "route", "status"]
        )
        for (method, route, status), count in self.answered.items():
            answered.add_metric([method, route, str(status)], count)
        yield answered
        yield HistogramMetricFamily(
            "fixserver_web_request_seconds", "From the head of a request to the end of its answer.",
            buckets=self.seconds.cumulative(), sum_value=self.seconds.total,
        )  # fmt: skip
        logins = CounterMetricFamily("fixserver_web_logins", "Passwords checked, and attempts refused.", labels=["outcome"])
        for outcome, count in self._sign_in.logins.items():
            logins.add_metric([outcome], count)
        yield logins
