"""When a market is in which phase: trading days of real places, the clock's jumps, and what the exchange is told to do."""

from __future__ import annotations

import bisect
import os
import random
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fixserver import config, schedule
from fixserver.config import ScheduleTerms
from fixserver.schedule import AT_ONCE, NEVER, Schedule, Scheduler, schedules_of
from matching.messages import Phase, SetPhase

CONFIG = Path(__file__).parents[2] / "config"
SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def at(text: str) -> int:
    """A moment: "2024-03-11 13:30" or with seconds, UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def shown(changes: list[tuple[int, Phase]]) -> list[str]:
    """Changes as a person reads them, in UTC."""
    return [f"{datetime.fromtimestamp(moment // SECOND, UTC):%Y-%m-%d %H:%M:%S} {phase}" for moment, phase in changes]


def day_of(*times: str) -> list[dict[str, str]]:
    """The phases of a day: day_of("09:30 continuous", "16:00 closed")."""
    return [dict(zip(("at", "phase"), text.split(), strict=True)) for text in times]


def terms_of(zone: str, phases: list[dict[str, str]], **more: Any) -> ScheduleTerms:
    return msgspec.convert({"name": "m", "timezone": zone, "phases": phases, **more}, ScheduleTerms)


def market(zone: str, phases: list[dict[str, str]], **more: Any) -> Schedule:
    return Schedule(terms_of(zone, phases, **more))


ALL_DAYS = list(config.WEEKDAYS)
NEW_YORK_DAY = day_of(
    "08:00 pre-open", "09:25 opening-auction", "09:30 continuous", "15:55 closing-auction", "16:00 closing-price", "16:15 closed"
)
NEW_YORK_HALF = day_of("08:00 pre-open", "09:30 continuous", "12:55 closing-auction", "13:00 closed")
NEW_YORK_HOLIDAYS = [
    "2024-01-01", "2024-01-15", "2024-02-19", "2024-03-29", "2024-05-27", "2024-06-19", "2024-07-04", "2024-09-02", "2024-11-28",
    "2024-12-25",
]  # fmt: skip
NEW_YORK = market(
    "America/New_York",
    NEW_YORK_DAY,
    holidays=NEW_YORK_HOLIDAYS,
    early={"2024-07-03": NEW_YORK_HALF, "2024-11-29": NEW_YORK_HALF, "2024-12-24": NEW_YORK_HALF},
)

# ------------------------------------------------------------------------------------------- one market


def test_a_day_from_pre_open_to_closed() -> None:
    """Winter in New York: five hours behind UTC."""
    assert shown(NEW_YORK.changes(at("2024-01-16 00:00"), at("2024-01-17 00:00"))) == [
        "2024-01-16 13:00:00 pre-open",
        "2024-01-16 14:25:00 opening-auction",
        "2024-01-16 14:30:00 continuous",
        "2024-01-16 20:55:00 closing-auction",
        "2024-01-16 21:00:00 closing-price",
        "2024-01-16 21:15:00 closed",
    ]


def test_a_phase_begins_with_its_first_nanosecond() -> None:
    open_at = at("2024-01-16 14:30")
    assert (NEW_YORK.phase_at(open_at - 1), NEW_YORK.phase_at(open_at)) == ("opening-auction", "continuous")
    assert (NEW_YORK.next_change(open_at - 1), NEW_YORK.next_change(open_at)) == (open_at, at("2024-01-16 20:55"))
    assert NEW_YORK.changes(open_at - 1, open_at) == [(open_at, "continuous")]
    assert NEW_YORK.changes(open_at, open_at + 1) == []


def test_nights_weekends_and_holidays_are_closed() -> None:
    for moment in ("2024-01-17 03:00", "2024-01-20 15:00", "2024-01-21 15:00", "2024-01-15 15:00", "2024-01-16 12:59:59"):
        assert NEW_YORK.phase_at(at(moment)) == "closed"
    # Friday evening; Monday is Martin Luther King's day.
    assert NEW_YORK.next_change(at("2024-01-12 21:15")) == at("2024-01-16 13:00")


def test_a_half_day_has_phases_of_its_own() -> None:
    assert shown(NEW_YORK.changes(at("2024-11-27 21:14"), at("2024-12-02 13:00"))) == [
        "2024-11-27 21:15:00 closed",
        "2024-11-29 13:00:00 pre-open",
        "2024-11-29 14:30:00 continuous",
        "2024-11-29 17:55:00 closing-auction",
        "2024-11-29 18:00:00 closed",
        "2024-12-02 13:00:00 pre-open",
    ]


def test_a_date_of_its_own_may_be_a_day_without_trading_otherwise() -> None:
    """Trading on a Saturday, to test what was changed."""
    rehearsal = day_of("10:00 continuous", "11:00 closed")
    london = market("Europe/London", day_of("08:00 continuous", "16:30 closed"), early={"2024-06-15": rehearsal})
    assert shown(london.changes(at("2024-06-14 15:00"), at("2024-06-17 07:00"))) == [
        "2024-06-14 15:30:00 closed",
        "2024-06-15 09:00:00 continuous",
        "2024-06-15 10:00:00 closed",
        "2024-06-17 07:00:00 continuous",
    ]


LONDON_DAY = day_of(
    "05:05 pre-open", "07:50 opening-auction", "08:00 continuous", "16:30 closing-auction", "16:35 closing-price", "16:40 closed"
)
LONDON_HALF = day_of("07:50 opening-auction", "08:00 continuous", "12:30 closing-auction", "12:35 closed")
LONDON_HOLIDAYS = [
    "2024-01-01", "2024-03-29", "2024-04-01", "2024-05-06", "2024-05-27", "2024-08-26", "2024-12-25", "2024-12-26",
]  # fmt: skip
TOKYO_DAY = day_of("08:00 pre-open", "09:00 continuous", "11:30 pre-open", "12:30 continuous", "15:00 closed")
TOKYO_HOLIDAYS = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-05-03", "2024-05-06", "2024-12-31"]


@pytest.mark.parametrize(
    ("zone", "winter", "summer", "summer_from", "summer_to", "day", "half", "half_days", "holidays"),
    [
        ("America/New_York", -5, -4, "2024-03-10", "2024-11-03", NEW_YORK_DAY, NEW_YORK_HALF,
         ["2024-07-03", "2024-11-29", "2024-12-24"], NEW_YORK_HOLIDAYS),
        ("Europe/London", 0, 1, "2024-03-31", "2024-10-27", LONDON_DAY, LONDON_HALF, ["2024-12-24", "2024-12-31"], LONDON_HOLIDAYS),
        ("Asia/Tokyo", 9, 9, "2024-06-01", "2024-06-02", TOKYO_DAY, [], [], TOKYO_HOLIDAYS),
    ],
)  # fmt: skip
def test_a_year(
    zone: str,
    winter: int,
    summer: int,
    summer_from: str,
    summer_to: str,
    day: list[dict[str, str]],
    half: list[dict[str, str]],
    half_days: list[str],
    holidays: list[str],
) -> None:
    """Every change of 2024, from the hours that the place is from UTC, which the test knows by itself."""
    expected: list[tuple[int, str]] = []
    for number in range(366):
        text = str(date(2024, 1, 1) + timedelta(days=number))
        offset = summer if summer_from <= text < summer_to else winter
        if date.fromisoformat(text).weekday() < 5 and text not in holidays:
            phases = half if text in half_days else day
            expected += [(at(f"{text} {entry['at']}") - offset * HOUR, entry["phase"]) for entry in phases]
    found = market(zone, day, holidays=holidays, early=dict.fromkeys(half_days, half))
    assert found.changes(at("2024-01-01 00:00") - winter * HOUR - 1, at("2025-01-01 00:00") - winter * HOUR) == expected
    for (moment, phase), (following, _) in pairwise(expected):
        assert (found.phase_at(moment), found.phase_at(following - 1)) == (phase, phase)
        assert (found.next_change(moment), found.next_change(following - 1)) == (following, following)


def test_a_market_that_never_trades_again_never_changes() -> None:
    never = market("UTC", day_of("09:00 continuous", "17:00 closed"), days=[])
    assert (never.phase_at(at("2024-05-06 12:00")), never.next_change(at("2024-05-06 12:00"))) == ("closed", NEVER)
    once = market("UTC", day_of("09:00 continuous", "17:00 closed"), days=[], early={"2031-01-01": NEW_YORK_HALF})
    assert once.next_change(at("2024-05-06 12:00")) == at("2031-01-01 08:00")
    assert once.next_change(at("2031-01-01 12:00")) == at("2031-01-01 12:55")
    assert once.next_change(at("2031-01-01 13:00")) == NEVER


def test_the_next_change_is_found_behind_many_holidays() -> None:
    holidays = [str(date(2024, 1, 1) + timedelta(days=number)) for number in range(0, 7 * 200, 7)]
    mondays = market("UTC", day_of("09:00 continuous", "17:00 closed"), days=["mon"], holidays=holidays)
    assert mondays.next_change(at("2024-01-01 00:00")) == at("2024-01-01 09:00") + 200 * 7 * DAY


# ------------------------------------------------------------------------------------- the clock on the wall


def changes_of(zone: str, phases: list[dict[str, str]], first: str, last: str) -> list[str]:
    return shown(market(zone, phases, days=ALL_DAYS).changes(at(first), at(last)))


def test_a_time_that_is_skipped_happens_when_the_clock_jumps() -> None:
    """New York, 2024-03-10: after 01:59:59 (06:59:59 UTC) comes 03:00."""
    day = day_of("01:59 pre-open", "02:30 continuous", "03:00:01 closed")
    assert changes_of("America/New_York", day, "2024-03-10 00:00", "2024-03-11 00:00") == [
        "2024-03-10 06:59:00 pre-open",
        "2024-03-10 07:00:00 continuous",
        "2024-03-10 07:00:01 closed",
    ]


def test_of_two_times_that_are_skipped_the_later_counts() -> None:
    day = day_of("02:10 pre-open", "02:30 opening-auction", "02:50 continuous", "04:00 closed")
    assert changes_of("America/New_York", day, "2024-03-10 00:00", "2024-03-11 06:30") == [
        "2024-03-10 07:00:00 continuous",
        "2024-03-10 08:00:00 closed",
        "2024-03-11 06:10:00 pre-open",
        "2024-03-11 06:30:00 opening-auction",
    ]


def test_a_day_that_is_skipped_whole_has_no_phases() -> None:
    night = market("America/New_York", day_of("02:10 continuous", "02:50 closed"), days=["sun"])
    assert shown(night.changes(at("2024-03-03 07:30"), at("2024-03-17 06:30"))) == [
        "2024-03-03 07:50:00 closed",
        "2024-03-17 06:10:00 continuous",
    ]
    assert night.next_change(at("2024-03-10 06:59")) == at("2024-03-17 06:10")


def test_a_time_that_comes_twice_happens_once() -> None:
    """New York, 2024-11-03: after 01:59:59 (05:59:59 UTC) comes 01:00 again."""
    day = day_of("00:59 pre-open", "01:30 continuous", "02:00 closed")
    assert changes_of("America/New_York", day, "2024-11-03 00:00", "2024-11-04 00:00") == [
        "2024-11-03 04:59:00 pre-open",
        "2024-11-03 05:30:00 continuous",
        "2024-11-03 07:00:00 closed",
    ]


def test_midnight_may_be_skipped() -> None:
    """São Paulo, 2018-11-04: after 23:59:59 of the 3rd (02:59:59 UTC) comes 01:00 of the 4th."""
    day = day_of("00:00 pre-open", "00:45 continuous", "23:00 closed")
    assert changes_of("America/Sao_Paulo", day, "2018-11-04 00:00", "2018-11-05 03:00") == [
        "2018-11-04 02:00:00 closed",
        "2018-11-04 03:00:00 continuous",
        "2018-11-05 01:00:00 closed",
        "2018-11-05 02:00:00 pre-open",
        "2018-11-05 02:45:00 continuous",
    ]


def test_midnight_may_come_twice() -> None:
    """St. John's, 2010-11-07: after 00:00:59 (02:30:59 UTC) comes 23:01 of the 6th again."""
    day = day_of("00:00:30 pre-open", "12:00 continuous", "23:30 closed")
    assert changes_of("America/St_Johns", day, "2010-11-06 14:00", "2010-11-08 03:00") == [
        "2010-11-06 14:30:00 continuous",
        "2010-11-07 02:00:00 closed",
        "2010-11-07 02:30:30 pre-open",
        "2010-11-07 15:30:00 continuous",
        "2010-11-08 03:00:00 closed",
    ]


def test_half_an_hour_may_be_skipped() -> None:
    """Lord Howe Island, 2024-10-06: after 01:59:59 (15:29:59 UTC) comes 02:30."""
    day = day_of("02:15 continuous", "02:30 closing-auction", "02:45 closed")
    assert changes_of("Australia/Lord_Howe", day, "2024-10-05 00:00", "2024-10-06 00:00") == [
        "2024-10-05 15:30:00 closing-auction",
        "2024-10-05 15:45:00 closed",
    ]


def test_a_date_may_be_skipped() -> None:
    """Samoa crossed the date line: after 2011-12-29 23:59:59 (2011-12-30 09:59:59 UTC) came the 31st."""
    day = day_of("00:00 pre-open", "09:00 continuous", "17:00 closed")
    assert changes_of("Pacific/Apia", day, "2011-12-30 00:00", "2011-12-31 12:00") == [
        "2011-12-30 03:00:00 closed",
        "2011-12-30 10:00:00 pre-open",
        "2011-12-30 19:00:00 continuous",
        "2011-12-31 03:00:00 closed",
        "2011-12-31 10:00:00 pre-open",
    ]
    on_fridays = market("Pacific/Apia", day, days=["fri"])  # the 30th was to be one
    assert on_fridays.next_change(at("2011-12-29 00:00")) == at("2012-01-05 10:00")


def naive_changes(terms: ScheduleTerms, first: int, minutes: int) -> list[tuple[int, Phase]]:
    """What a man sees who looks at the clock on the wall once a minute, and never lets it take him back."""
    zone = zoneinfo.ZoneInfo(terms.timezone)
    latest = datetime.min
    phase: Phase = "closed"
    found: list[tuple[int, Phase]] = []
    for minute in range(minutes):
        moment = first + minute * 60 * SECOND
        latest = max(latest, datetime.fromtimestamp(moment // SECOND, zone).replace(tzinfo=None))
        text, clock = f"{latest:%Y-%m-%d}", f"{latest:%H:%M}"
        seen: Phase = "closed"
        if text in terms.early or (config.WEEKDAYS[latest.weekday()] in terms.days and text not in terms.holidays):
            for entry in terms.early.get(text, terms.phases):
                if entry.at <= clock:
                    seen = entry.phase
        if seen != phase:
            phase = seen
            found.append((moment, phase))
    return found


# Around each of these dates the clock jumps: by an hour, half of one, two, a day; at midnight and elsewhere.
JUMPS = [
    ("America/New_York", "2024-03-10"), ("America/New_York", "2024-11-03"), ("Europe/London", "2023-03-26"),
    ("Europe/London", "2023-10-29"), ("Australia/Lord_Howe", "2023-04-01"), ("Australia/Lord_Howe", "2023-09-30"),
    ("America/Sao_Paulo", "2018-11-04"), ("America/Sao_Paulo", "2018-02-18"), ("America/St_Johns", "2010-03-14"),
    ("America/St_Johns", "2010-11-07"), ("Pacific/Apia", "2011-12-30"), ("Antarctica/Troll", "2022-03-27"),
    ("Africa/Casablanca", "2022-05-08"), ("Asia/Pyongyang", "2018-05-04"), ("America/Caracas", "2016-05-01"),
]  # fmt: skip
PHASES = ["pre-open", "opening-auction", "continuous", "closing-auction", "closing-price", "closed"]


def random_day(rng: random.Random) -> list[dict[str, str]]:
    """Times that are often near midnight and in the small hours, where clocks jump."""
    phases = ["closed"]
    for _ in range(rng.randrange(1, 11)):
        phases.append(rng.choice([phase for phase in PHASES if phase != phases[-1]]))
    phases = [*phases[1:], "closed"] if phases[-1] != "closed" else [*phases[1:-1], "continuous", "closed"]
    minutes: set[int] = set()
    while len(minutes) < len(phases):
        minutes.add(rng.choice((rng.randrange(1440), rng.randrange(240), rng.randrange(1380, 1440), 0)))
    times = zip(sorted(minutes), phases, strict=True)
    return day_of(*(f"{minute // 60:02}:{minute % 60:02} {phase}" for minute, phase in times))


@pytest.mark.parametrize(("zone", "jump"), JUMPS)
def test_it_agrees_with_a_man_who_looks_at_the_clock(zone: str, jump: str) -> None:
    seed = int(os.environ.get("SCHEDULE_SEED", random.SystemRandom().randrange(2**32)))
    print(f"again: SCHEDULE_SEED={seed} pytest '{__file__}' -k '{zone} and {jump}'")
    rng = random.Random(f"{seed} {zone} {jump}")
    first = at(jump) - 7 * DAY
    dates = [str(date.fromisoformat(jump) + timedelta(days=number)) for number in range(-5, 6)]
    holidays = rng.sample(dates, rng.randrange(3))
    early = {text: random_day(rng) for text in rng.sample(dates, 3) if text not in holidays}
    days = rng.sample(ALL_DAYS, rng.randrange(3, 8))
    terms = terms_of(zone, random_day(rng), days=days, holidays=holidays, early=early)
    found = Schedule(terms)
    # The first day and a half of the man's are left out: he does not know what came before.
    seen = [change for change in naive_changes(terms, first - 2 * DAY, 16 * 1440) if change[0] > first]
    assert shown(found.changes(first, first + 14 * DAY - 60 * SECOND)) == shown(seen)


def test_phase_next_change_and_changes_agree() -> None:
    seed = int(os.environ.get("SCHEDULE_SEED", random.SystemRandom().randrange(2**32)))
    print(f"again: SCHEDULE_SEED={seed} pytest '{__file__}' -k agree")
    rng = random.Random(seed)
    first, last = at("2024-01-01 00:00"), at("2025-01-01 00:00")
    for _ in range(10):
        zone = rng.choice(["America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe", "America/Santiago"])
        dates = [str(date(2024, 1, 1) + timedelta(days=rng.randrange(366))) for _ in range(30)]
        early = {text: random_day(rng) for text in dates[20:] if text not in dates[:20]}
        found = market(zone, random_day(rng), days=rng.sample(ALL_DAYS, rng.randrange(1, 8)), holidays=dates[:20], early=early)
        changes = found.changes(first - 30 * DAY, last + 30 * DAY)
        assert all(before[1] != after[1] for before, after in pairwise(changes))
        moments = [moment for moment, _ in changes]
        within = [moment for moment in moments if first <= moment < last]
        for _ in range(1000):
            moment = rng.choice((rng.randrange(first, last), rng.choice(within) + rng.randrange(-1, 2)))
            index = bisect.bisect_right(moments, moment)
            assert (found.phase_at(moment), found.next_change(moment)) == (changes[index - 1][1], moments[index])
            until = moment + rng.randrange(3 * DAY)
            assert found.changes(moment, until) == changes[index : bisect.bisect_right(moments, until)]


# ------------------------------------------------------------------------------------- what the core is told

TOKYO = market("Asia/Tokyo", TOKYO_DAY, holidays=TOKYO_HOLIDAYS)


def test_at_the_start_a_market_goes_to_where_it_has_to_be() -> None:
    scheduler = Scheduler({"us": NEW_YORK}, {})
    assert scheduler.next_due() == AT_ONCE
    assert scheduler.due(at("2024-01-16 15:00")) == []  # it is, and has to be, continuous
    scheduler = Scheduler({"us": NEW_YORK}, {"us": "continuous"})
    assert scheduler.due(at("2024-01-16 22:00")) == [SetPhase("", "closed", "us")]
    assert scheduler.next_due() == at("2024-01-17 13:00")


def test_at_the_start_markets_come_by_name() -> None:
    scheduler = Scheduler({"us": NEW_YORK, "jp": TOKYO, "jp2": TOKYO}, {"us": "closed", "jp2": "pre-open"})
    assert scheduler.due(at("2024-01-16 14:26")) == [
        SetPhase("", "closed", "jp"),
        SetPhase("", "closed", "jp2"),
        SetPhase("", "opening-auction", "us"),
    ]


@pytest.mark.parametrize("phase", ["halted", "cancel-only"])
def test_at_the_start_what_is_stopped_stays_so_until_it_is_resumed_or_changes(phase: Phase) -> None:
    scheduler = Scheduler({"us": NEW_YORK}, {"us": phase})
    assert scheduler.due(at("2024-01-16 15:00")) == []
    assert scheduler.next_due() == at("2024-01-16 20:55")
    assert scheduler.due(at("2024-01-16 20:55")) == [SetPhase("", "closing-auction", "us")]


def test_each_change_is_told_once_when_it_is_due() -> None:
    scheduler = Scheduler({"us": NEW_YORK}, {"us": "closed"})
    told = []
    for minute in range(24 * 60):
        now = at("2024-01-16 00:00") + minute * 60 * SECOND
        told += [(now, command) for command in scheduler.due(now)]
        assert scheduler.due(now) == []
        assert scheduler.next_due() > now
    assert told == [
        (moment, SetPhase("", phase, "us")) for moment, phase in NEW_YORK.changes(at("2024-01-16 00:00"), at("2024-01-17 00:00"))
    ]


def test_nothing_is_due_before_next_due() -> None:
    scheduler = Scheduler({"us": NEW_YORK}, {"us": "closed"})
    scheduler.due(at("2024-01-16 00:00"))
    due = scheduler.next_due()
    assert due == at("2024-01-16 13:00")
    assert scheduler.due(due - 1) == []
    assert scheduler.due(due) == [SetPhase("", "pre-open", "us")]


def test_markets_change_in_the_order_of_time() -> None:
    first = market("UTC", day_of("10:00 continuous", "18:00 closed"))
    second = market("UTC", day_of("09:59:59 continuous", "18:00 closed"))
    scheduler = Scheduler({"a": first, "z": second, "b": first}, {"a": "closed", "b": "closed", "z": "closed"})
    assert scheduler.due(at("2024-01-16 08:00")) == []
    assert [command.market for command in scheduler.due(at("2024-01-16 10:00:01"))] == ["z", "a", "b"]
    assert [command.market for command in scheduler.due(at("2024-01-16 18:00"))] == ["a", "b", "z"]


def test_of_what_was_missed_only_the_last_is_told() -> None:
    scheduler = Scheduler({"us": NEW_YORK}, {"us": "closed"})
    assert scheduler.due(at("2024-01-16 14:30")) == [SetPhase("", "continuous", "us")]
    # The machine slept: there is no closing auction any more.
    assert scheduler.due(at("2024-01-16 23:00")) == [SetPhase("", "closed", "us")]
    # It slept for a day, and finds itself in the phase that it left: an operator's doing in between is undone.
    assert scheduler.due(at("2024-01-17 23:00")) == [SetPhase("", "closed", "us")]
    assert scheduler.due(at("2024-01-17 23:00")) == []


def test_a_clock_that_is_put_back_moves_nothing_back() -> None:
    scheduler = Scheduler({"us": NEW_YORK}, {"us": "closed"})
    scheduler.due(at("2024-01-16 14:30"))
    assert scheduler.due(at("2024-01-16 14:29")) == []
    assert scheduler.due(at("2024-01-16 14:30")) == []
    assert scheduler.next_due() == at("2024-01-16 20:55")


def test_without_schedules_nothing_is_ever_due() -> None:
    scheduler = Scheduler({}, {"MAIN": "closed"})
    assert (scheduler.next_due(), scheduler.due(at("2024-01-16 14:30"))) == (NEVER, [])


def test_a_market_without_days_is_closed_once() -> None:
    scheduler = Scheduler({"m": market("UTC", day_of("09:00 continuous", "17:00 closed"), days=[])}, {})
    assert scheduler.due(at("2024-01-16 14:30")) == [SetPhase("", "closed", "m")]
    assert (scheduler.next_due(), scheduler.due(at("2034-01-16 14:30"))) == (NEVER, [])


# ----------------------------------------------------------------------------------------- files, time zones


@pytest.fixture
def no_time_zones_on_the_machine() -> Iterator[None]:
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()


@pytest.mark.usefixtures("no_time_zones_on_the_machine")
def test_a_machine_without_time_zones_has_those_of_the_package() -> None:
    assert zoneinfo.TZPATH == ()
    found = market("Europe/London", day_of("08:00 continuous", "16:30 closed"))
    assert shown(found.changes(at("2024-07-01 00:00"), at("2024-07-02 00:00"))) == [
        "2024-07-01 07:00:00 continuous",
        "2024-07-01 15:30:00 closed",
    ]


def test_the_days_of_the_week_are_counted_as_python_counts_them() -> None:
    assert config.WEEKDAYS[date(2024, 1, 1).weekday()] == "mon"
    assert config.WEEKDAYS[date(2024, 1, 7).weekday()] == "sun"


def test_the_example_of_a_trading_day() -> None:
    venue = config.load(CONFIG / "trading-day.toml")
    other = config.load(CONFIG / "exchange.toml")
    assert {p.name: p.cash for p in venue.participants} == {p.name: p.cash for p in other.participants}
    assert {i.symbol: i.market for i in venue.instruments} == {"AAPL": "us-equities", "MSFT": "us-equities", "BTCUSD": "MAIN"}
    schedules = schedules_of(venue)
    assert list(schedules) == ["us-equities"]
    assert shown(schedules["us-equities"].changes(at("2026-11-26 00:00"), at("2026-11-28 00:00"))) == [
        "2026-11-27 13:00:00 pre-open",
        "2026-11-27 14:25:00 opening-auction",
        "2026-11-27 14:30:00 continuous",
        "2026-11-27 17:55:00 closing-auction",
        "2026-11-27 18:00:00 closing-price",
        "2026-11-27 18:15:00 closed",
    ]
    # The venue's day ends when no market is in the middle of its own.
    for month in range(1, 13):
        roll = at(f"2026-{month:02}-10 00:00") + venue.venue.day_roll_seconds * SECOND
        assert schedules["us-equities"].phase_at(roll) == "closed"


def test_a_phase_that_a_schedule_sets_is_none_of_those_that_stop_a_market() -> None:
    assert not set(schedule.STOPPED) & set(PHASES)
