"""The exchange's counters, and the page that Prometheus reads."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fixserver import metrics
from fixserver.metrics import Buckets, ExchangeMetrics, Labelled, Page, Turn, registry_of


def samples(page: bytes) -> dict[str, float]:
    """Every sample of the venue's own on a page, by its name and labels."""
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
        if sample.name.startswith("fixserver_")
    }


def test_every_counter_is_on_the_page() -> None:
    counters = ExchangeMetrics()
    counters.sessions, counters.connections, counters.resting_orders = 2, 3, 7
    counters.journal_head, counters.event_head = 11, 13
    counters.orders += 5
    counters.trades += 4
    counters.connections_refused.add("limit")
    counters.logons.add("accepted", 6)
    counters.messages_received.add("D", 5)
    counters.messages_sent.add("8", 9)
    counters.rejects.add("18")
    counters.batch_commands.observe(3)
    counters.sync_seconds.observe(0.0001)
    counters.turns.append(Turn(5, 0.00001, 0.000005, 0.000008, 0.000006, 0.000001, 0.00003))
    counters.count_turns()
    counters.connections_max, counters.unread_bytes = 17, 19
    counters.instruments["halted"] = 2
    counters.snapshots, counters.snapshots_failed = 21, 22
    counters.disk_bytes, counters.disk_free_bytes = 23, 24
    page = samples(Page(registry_of(counters)).render(0.0))
    found = {name: value for name, value in page.items() if value and "_info" not in name}
    inner = {name: value for name, value in found.items() if "_bucket" not in name}
    assert inner == {
        "fixserver_sessions": 2,
        "fixserver_connections": 3,
        "fixserver_connections_refused_total cause=limit": 1,
        "fixserver_logons_total outcome=accepted": 6,
        "fixserver_messages_received_total type=D": 5,
        "fixserver_messages_sent_total type=8": 9,
        "fixserver_orders_total": 5,
        "fixserver_rejects_total reason=18": 1,
        "fixserver_trades_total": 4,
        "fixserver_resting_orders": 7,
        "fixserver_batch_commands_count": 1,
        "fixserver_batch_commands_sum": 3,
        "fixserver_journal_sync_seconds_count": 1,
        "fixserver_journal_sync_seconds_sum": 0.0001,
        "fixserver_order_latency_seconds_count": 5,
        "fixserver_order_latency_seconds_sum": pytest.approx(0.00015),
        **{f"fixserver_stage_seconds_count stage={stage}": 5 for stage in ("read", "journal", "apply", "report", "send")},
        "fixserver_stage_seconds_sum stage=read": pytest.approx(0.00005),
        "fixserver_stage_seconds_sum stage=journal": pytest.approx(0.000025),
        "fixserver_stage_seconds_sum stage=apply": pytest.approx(0.00004),
        "fixserver_stage_seconds_sum stage=report": pytest.approx(0.00003),
        "fixserver_stage_seconds_sum stage=send": pytest.approx(0.000005),
        "fixserver_journal_head": 11,
        "fixserver_event_head": 13,
        "fixserver_connections_max": 17,
        "fixserver_unread_bytes": 19,
        "fixserver_instruments phase=halted": 2,
        "fixserver_snapshots_total": 21,
        "fixserver_snapshots_failed_total": 22,
        "fixserver_disk_bytes": 23,
        "fixserver_disk_free_bytes": 24,
    }
    assert found["fixserver_order_latency_seconds_bucket le=5e-05"] == 5
    assert "fixserver_order_latency_seconds_bucket le=2e-05" not in found


def test_the_latency_histogram_reaches_from_ten_microseconds_to_a_second() -> None:
    assert (metrics.LATENCY_BOUNDS_S[0], metrics.LATENCY_BOUNDS_S[-1]) == (0.00001, 1.0)


def test_buckets_count_values_up_to_their_bound() -> None:
    buckets = Buckets((1, 2, 5))
    for value in (0, 1, 1.5, 2, 6):
        buckets.observe(value)
    buckets.observe(5, times=3)
    assert buckets.cumulative() == [("1", 2), ("2", 4), ("5", 7), ("+Inf", 8)]
    assert buckets.total == 25.5


def test_labels_have_a_limit() -> None:
    counts = Labelled()
    for number in range(metrics.LABELS_MAX + 50):
        counts.add(str(number))
    counts.add("0")
    assert (len(counts), counts["0"], counts[metrics.OTHER]) == (metrics.LABELS_MAX + 1, 2, 50)


def test_the_page_is_made_twice_a_second_at_most() -> None:
    counters = ExchangeMetrics()
    page = Page(registry_of(counters))
    seen = []
    for now in (0.0, 0.25, 0.499, 0.5):
        counters.orders += 1
        seen.append(samples(page.render(now))["fixserver_orders_total"])
    assert seen == [1, 1, 1, 4]


@pytest.mark.parametrize(
    ("request_line", "status", "has_body"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 OK", True),
        (b"GET /metrics?name=x HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK", True),
        (b"HEAD / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK", False),
        (b"GET /orders HTTP/1.1\r\n\r\n", b"HTTP/1.1 404 Not Found", True),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405 Method Not Allowed", True),
        (b"8=FIX.4.4\x019=5\x01", b"HTTP/1.1 405 Method Not Allowed", True),
        (b"", b"HTTP/1.1 405 Method Not Allowed", True),
    ],
)
def test_a_request_has_one_whole_answer(request_line: bytes, status: bytes, has_body: bool) -> None:
    head, _, body = Page(registry_of(ExchangeMetrics())).answer(request_line, 0.0).partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")
    assert first == status
    length = int(dict(field.split(b": ") for field in fields)[b"Content-Length"])
    assert len(body) == (length if has_body else 0)
    assert b"Connection: close" in fields
