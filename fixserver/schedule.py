"""Which phase a market's schedule puts it in at a moment, and when it changes next; it reads no clock and moves no market itself.

Moments are nanoseconds since 1970-01-01 UTC. The times of a schedule are those of a clock on the wall at its
place. Each happens at the first moment at which that clock shows it or a later time: one that daylight saving
skips happens when the clock jumps, one that it repeats happens the first time.

A day begins closed and ends closed, so that no day depends on the one before.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from zoneinfo import ZoneInfo

from fixserver.config import NANOSECONDS, WEEKDAYS, Config, PhaseTime, ScheduleTerms
from matching.messages import Phase, SetPhase

CLOSED: Phase = "closed"
NEVER = 0
AT_ONCE = 1

# What only an operator, or the exchange after a crash, puts a market in: a restart does not take it out again.
STOPPED: tuple[Phase, ...] = ("halted", "cancel-only")

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Schedule:
    """The trading days of one market."""

    def __init__(self, terms: ScheduleTerms) -> None:
        """`terms` have been checked, as all of a Config are."""
        self._zone = ZoneInfo(terms.timezone)
        self._weekdays = {WEEKDAYS.index(day) for day in terms.days}
        self._holidays = {date.fromisoformat(text) for text in terms.holidays}
        self._phases = _times(terms.phases)
        self._early = {date.fromisoformat(text): _times(phases) for text, phases in terms.early.items()}
        self._early_dates = sorted(self._early)

    def phase_at(self, time_ns: int) -> Phase:
        """The phase of the market at a moment. One that begins at that moment has begun."""
        today = self._date(time_ns)
        phase = CLOSED
        for moment, entered in self._changes(_dates(today - _DAY, today + 2 * _DAY)):
            if moment > time_ns:
                break
            phase = entered
        return phase

    def next_change(self, time_ns: int) -> int:
        """The first moment after this one at which the phase changes, NEVER when there is none."""
        today = self._date(time_ns)
        # The next day of trading is at most a week away, and one more for each date that has no trading. Far dates
        # with phases of their own may come after a time without any.
        near = today + timedelta(weeks=len(self._holidays) + 3)
        far = (day for day in self._early_dates if day >= near)
        for moment, _ in self._changes(chain(_dates(today - _DAY, near), far)):
            if moment > time_ns:
                return moment
        return NEVER

    def changes(self, from_ns: int, to_ns: int) -> list[tuple[int, Phase]]:
        """Each change after `from_ns` and until `to_ns`, that moment included, with the phase that begins."""
        days = _dates(self._date(from_ns) - _DAY, self._date(to_ns) + 2 * _DAY)
        return [change for change in self._changes(days) if from_ns < change[0] <= to_ns]

    def _changes(self, days: Iterable[date]) -> Iterator[tuple[int, Phase]]:
        """What changes on these days, which are in order. Before the first of them the market is closed."""
        phase, last, entered = CLOSED, 0, CLOSED
        for moment, following in self._moments(days):
            # Of several times that the clock's jump makes one moment, the last one counts.
            if moment > last and entered != phase:
                phase = entered
                yield last, phase
            last, entered = moment, following
        if entered != phase:
            yield last, entered

    def _moments(self, days: Iterable[date]) -> Iterator[tuple[int, Phase]]:
        """The times of these days as moments, which never go back."""
        for day in days:
            midnight = datetime(day.year, day.month, day.day)
            for seconds, phase in self._phases_of(day):
                yield self._moment(midnight + timedelta(seconds=seconds)), phase

    def _phases_of(self, day: date) -> list[tuple[int, Phase]]:
        """(seconds after midnight by the clock on the wall, phase) of one day."""
        if day in self._early:
            return self._early[day]
        if day.weekday() not in self._weekdays or day in self._holidays:
            return []
        return self._phases

    def _moment(self, wall: datetime) -> int:
        """When the clock on the wall first shows `wall` or later."""
        seconds = (wall.replace(tzinfo=self._zone) - _EPOCH) // _SECOND
        if self._wall(seconds) != wall:
            # The clock jumps over it. Counted from before the jump it is a moment behind the jump, and the other way round.
            between = range((wall.replace(tzinfo=self._zone, fold=1) - _EPOCH) // _SECOND, seconds)
            seconds = between.start + bisect.bisect_left(between, wall, key=self._wall)
        return seconds * NANOSECONDS

    def _wall(self, seconds: int) -> datetime:
        """What the clock on the wall shows, this many seconds after 1970 began in UTC."""
        return (_EPOCH + timedelta(seconds=seconds)).astimezone(self._zone).replace(tzinfo=None)

    def _date(self, time_ns: int) -> date:
        return self._wall(time_ns // NANOSECONDS).date()


class Scheduler:
    """What has to be told to the core so that its markets keep to their schedules.

    Between two calls a market may have changed several times, because the process, or its machine, was not running:
    then it goes to where it has to be now, and what it missed stays missed. A clock that is put back moves nothing back.
    """

    def __init__(self, schedules: Mapping[str, Schedule], phases: Mapping[str, Phase]) -> None:
        """`phases` are those that the core's markets are in; one that it does not name was never moved: continuous."""
        self._schedules = schedules
        self._phases = {market: phases.get(market, "continuous") for market in schedules}
        self._next: dict[str, int] = {}

    def due(self, now_ns: int) -> list[SetPhase]:
        """The commands for what was due until now: at most one a market, in the order of time, then of names.

        The first call brings markets to their schedule that are somewhere else, but for those that are stopped.
        """
        found: list[tuple[int, str, Phase]] = []
        for market, schedule in self._schedules.items():
            if market not in self._next:
                phase = schedule.phase_at(now_ns)
                if phase != self._phases[market] and self._phases[market] not in STOPPED:
                    found.append((NEVER, market, phase))
            elif NEVER < self._next[market] <= now_ns:
                moment, phase = schedule.changes(self._next[market] - 1, now_ns)[-1]
                found.append((moment, market, phase))
            else:
                continue
            self._next[market] = schedule.next_change(now_ns)
        return [SetPhase(instrument="", phase=phase, market=market) for _, market, phase in sorted(found)]

    def next_due(self) -> int:
        """When due() has something to do: AT_ONCE before its first call, NEVER where no schedule has a change to come."""
        if len(self._next) < len(self._schedules):
            return AT_ONCE
        return min((moment for moment in self._next.values() if moment != NEVER), default=NEVER)


def schedules_of(config: Config) -> dict[str, Schedule]:
    """The schedules by market. A market without one is where the operator puts it, and continuous before that."""
    return {terms.name: Schedule(terms) for terms in config.schedules}


def _times(phases: list[PhaseTime]) -> list[tuple[int, Phase]]:
    return [(entry.seconds, entry.phase) for entry in phases]


def _dates(first: date, end: date) -> Iterator[date]:
    """Each date from `first` to before `end`."""
    return (first + timedelta(days=number) for number in range((end - first).days))
