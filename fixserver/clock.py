"""The venue's clock: the time of commands and of schedules. Sessions, logs and timeouts live in real time, and do not ask it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], int]  # nanoseconds since 1970-01-01 UTC

RATE_MAX = 100_000
NANOSECONDS = 1_000_000_000

real: Clock = time.time_ns


class ClockRefused(ValueError):
    """What was said of a clock is none. Says what, and what is taken."""


def accelerated(start_ns: int, rate: int) -> Clock:
    """A clock that shows `start_ns` now, and from then on runs `rate` times as fast as real time. It never goes back."""
    began = time.monotonic_ns()
    return lambda: start_ns + (time.monotonic_ns() - began) * rate


def of_options(start: str, rate: int) -> Clock:
    """The clock of --clock-start and --clock-rate: real time where nothing was said. Raises ClockRefused."""
    if not 1 <= rate <= RATE_MAX:
        raise ClockRefused(f"a clock rate is a whole number from 1 to {RATE_MAX:,}, not {rate}")
    if not start:
        return real if rate == 1 else accelerated(time.time_ns(), rate)
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        raise ClockRefused(f"a clock starts at a moment such as 2026-11-20T08:00:00Z, not at {start!r}") from None
    if moment.tzinfo is None:
        raise ClockRefused(f"{start} has no time zone: a clock starts at a moment such as 2026-11-20T08:00:00Z")
    if moment.year < 1970:
        raise ClockRefused(f"{start} is before 1970")
    return accelerated(int(moment.astimezone(UTC).timestamp()) * NANOSECONDS, rate)
