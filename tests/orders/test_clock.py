"""The venue's clock: real, or one that starts elsewhere and runs faster; sessions live in real time all the same."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixserver import clock
from fixserver.sessions import utc_text
from fixserver.values import utc_time
from tests.orders.conftest import open_desk, places
from tests.orders.desk import BUY
from tests.venue import Venue, wait_for

NOVEMBER = int(datetime(2026, 11, 20, 8, tzinfo=UTC).timestamp()) * clock.NANOSECONDS


def test_what_nobody_changes_is_real_time() -> None:
    assert clock.of_options("", 1) is time.time_ns


def test_a_clock_starts_where_it_is_told_to_and_runs_as_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed = [5]
    monkeypatch.setattr(time, "monotonic_ns", lambda: elapsed[0])
    made = clock.of_options("2026-11-20T08:00:00Z", 60)
    assert made() == NOVEMBER
    elapsed[0] += 2 * clock.NANOSECONDS
    assert made() == NOVEMBER + 120 * clock.NANOSECONDS
    assert clock.of_options("2026-11-20T09:00:00+01:00", 1)() == NOVEMBER


@pytest.mark.parametrize(
    ("start", "rate", "said"),
    [
        ("", 0, "a clock rate is a whole number from 1 to 100,000, not 0"),
        ("noon", 1, "a clock starts at a moment such as 2026-11-20T08:00:00Z, not at 'noon'"),
        ("2026-11-20T08:00:00", 1, "2026-11-20T08:00:00 has no time zone: a clock starts at a moment such as 2026-11-20T08:00:00Z"),
        ("1969-12-31T23:00:00Z", 1, "1969-12-31T23:00:00Z is before 1970"),
    ],
)
def test_what_is_no_clock(start: str, rate: int, said: str) -> None:
    with pytest.raises(clock.ClockRefused) as refused:
        clock.of_options(start, rate)
    assert str(refused.value) == said


def test_a_venue_lives_by_it_and_its_sessions_do_not(tmp_path: Path) -> None:
    """TransactTime is the venue's, SendingTime is real; a GTD order ends when the fast clock says so."""
    instruments, participants = places(range(1))
    venue = Venue(tmp_path, instruments=instruments, participants=participants)
    venue.start("exchange", "--clock-start", "2026-11-20T08:00:00Z", "--clock-rate", "600")
    try:
        desk = open_desk(venue, 0, "FIX.4.4")
        desk.a.enter("A1", BUY, 10, "100.00")
        (new,) = desk.a.messages()
        assert new[60] > "20261120-08:"
        assert utc_time(new[52]) == pytest.approx(time.time_ns(), abs=60 * clock.NANOSECONDS)
        end = utc_text(utc_time(new[60]) + 600 * clock.NANOSECONDS, 3)
        desk.a.enter("A2", BUY, 10, "100.00", f"59=6|126={end}|")
        assert desk.a.receive()[39] == "0"
        expired = desk.a.receive()
        assert (expired[39], expired[60] >= end, expired[58]) == ("C", True, "the order's time ended")
    finally:
        venue.close()


def test_an_exchange_refuses_a_clock_that_is_none(tmp_path: Path) -> None:
    venue = Venue(tmp_path)
    venue.launch("exchange", "--clock-rate", "0")
    process = venue.processes.pop("exchange")
    assert wait_for(lambda: process.poll() is not None and process.returncode, "it ends") == 2
    assert venue.said() == "fixserver exchange: a clock rate is a whole number from 1 to 100,000, not 0\n"
