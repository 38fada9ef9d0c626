"""Token buckets, addresses and Accept headers."""

from __future__ import annotations

import pytest

from fixserver.rates import Buckets, address_key, retry_after
from fixserver.web.edge import accepts_json


def test_a_bucket_is_full_at_first_and_fills_at_its_rate() -> None:
    buckets = Buckets(rate=2, burst=3)
    assert [buckets.take("a", 10.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take("a", 10.25) == 0.25
    assert [buckets.take("a", 10.5), buckets.take("a", 10.5)] == [0, 0.5]


def test_a_bucket_holds_no_more_than_its_burst() -> None:
    buckets = Buckets(rate=2, burst=3)
    assert [buckets.take("a", 0.0), *(buckets.take("a", 1_000.0) for _ in range(4))] == [0, 0, 0, 0, 0.5]


def test_each_key_has_its_own() -> None:
    buckets = Buckets(rate=1, burst=1)
    assert [buckets.take("a", 0.0), buckets.take("b", 0.0), buckets.take("a", 0.0)] == [0, 0, 1]


def test_to_look_takes_nothing() -> None:
    buckets = Buckets(rate=1, burst=1)
    assert [buckets.wait("a", 0.0), buckets.wait("a", 0.0), buckets.take("a", 0.0), buckets.wait("a", 0.0)] == [0, 0, 0, 1]


def test_a_rate_of_none_is_no_limit_and_costs_nothing() -> None:
    buckets = Buckets(rate=0, burst=0)
    assert [buckets.take("a", 0.0) for _ in range(100)] == [0] * 100 and len(buckets) == 0


def test_the_address_heard_of_longest_ago_is_forgotten() -> None:
    buckets = Buckets(rate=1, burst=1, keys_max=2)
    assert [buckets.take(key, 0.0) for key in "abacb"] == [0, 0, 1, 0, 0], "b was forgotten for c"
    assert len(buckets) == 2


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", ""),
        ("a-pipe", "a-pipe"),
    ],
)
def test_an_address_counts_as_itself_or_as_its_network(host: str, key: str) -> None:
    assert address_key(host) == key


def test_retry_after_is_in_whole_seconds_and_never_at_once() -> None:
    assert [retry_after(seconds) for seconds in (0.001, 1.0, 1.2)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        (b"", True),
        (b"*/*", True),
        (b"application/json", True),
        (b"APPLICATION/JSON; charset=utf-8", True),
        (b"text/html, application/*;q=0.1", True),
        (b"text/html,application/xhtml+xml,*/*;q=0.8", True),
        (b"text/html", False),
        (b"application/json;q=0", False),
        (b"application/json;q=0.0, */*", False),
        (b"*/*;q=0, application/json", True),
        (b"application/jsonp", False),
        (b";;;,,", False),
    ],
)
def test_who_wants_json(accept: bytes, taken: bool) -> None:
    assert accepts_json(accept) is taken
