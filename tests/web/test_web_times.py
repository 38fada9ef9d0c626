"""Moments in a query."""

from __future__ import annotations

import pytest

from fixserver.web.errors import ApiError
from fixserver.web.times import MOMENT_MAX, moment

HOUR = 3_600_000_000_000


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1970-01-01", 0),
        ("1970-01-02", 24 * HOUR),
        ("1970-01-01T01:00", HOUR),
        ("1970-01-01T01:00Z", HOUR),
        ("1970-01-01t01:00:00z", HOUR),
        ("1970-01-01 01:00:00", HOUR),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456_789),
        ("1970-01-01T00:00:00.1234567899Z", 123_456_789),
        ("1970-01-01T02:00:00+01:00", HOUR),
        ("1970-01-01T02:00:00 01:00", HOUR),
        ("1970-01-01T00:30:00-0030", HOUR),
        ("2026-11-21T04:07:43.123456789Z", 1_795_234_063_123_456_789),
        ("1969-12-31T23:59:59Z", 0),
        ("0001-01-01T00:00:00Z", 0),
        ("9999-12-31T23:59:59Z", MOMENT_MAX),
    ],
)
def test_a_moment(text: str, found: int) -> None:
    assert moment("from", text) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "1", "20261121", "2026-13-01", "2026-02-30", "2026-11-21T", "2026-11-21T24:00", "2026-11-21T04:60",
        "2026-11-21T4:07",
        "2026-11-21T04:07:43.Z", "2026-11-21T04:07:43,5Z", "2026-11-21T04:07:43+25:00", "2026-11-21Z", "２０２６-11-21",
        "-2026-11-21",
        "2026-11-21T04:07:43Z ", "2026-11-21T04:07:43Z" + " " * 100, "0000-01-01", "1e9", "null", "\x00",
    ],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        moment("from", text)
    assert (refused.value.status, refused.value.code) == (400, "not-a-time")
    assert refused.value.message.startswith("from: a moment is written 2026-11-21T04:07:43.5Z or 2026-11-21, not")


def test_one_that_is_not_there() -> None:
    assert moment("to", None) is None
