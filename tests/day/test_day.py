"""A trading day by schedule: an accelerated clock, twenty sessions, three processes; the power fails at noon; and the next morning.

To run one again:  DAY_SEED=7 pytest tests/day. A longer and busier one:  DAY_RATE=150 DAY_ORDERS=40 pytest tests/day
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from matching.messages import (
    GTC,
    Event,
    OrderCanceled,
)
from tests.day import checks
from tests.day.plan import BAIT, FIRST_DAY, MARKET, PHASES, SECOND_DAY, WHALE, moment, venue_of
from tests.day.script import Day, bust_and_correct, halt, kill_and_forgive, one_big_order
from tests.day.subscriber import Subscriber
from tests.venue import wait_for

RATE = int(os.environ.get("DAY_RATE", "900"))  # how much faster than real time
ORDERS_PER_SECOND = int(os.environ.get("DAY_ORDERS", "10"))  # of real time, that each trader sends
ROLL = moment(FIRST_DAY, "17:00")


def test_a_day(tmp_path: Path) -> None:
    seed = int(os.environ.get("DAY_SEED") or random.randrange(2**32))
    print(f"DAY_SEED={seed} DAY_RATE={RATE} DAY_ORDERS={ORDERS_PER_SECOND}")
    venue = venue_of(tmp_path)
    with Day(venue, seed, rate=RATE, orders_per_second=ORDERS_PER_SECOND) as day:
        day.open(FIRST_DAY, "07:00")
        day.up()
        day.start_traders()
        venue.launch("clearing")
        venue.start("marketdata")
        subscriber = Subscriber(venue, BAIT)
        subscriber.start()
        day.phase("ACME", "continuous")

        day.lull()
        halt(day)
        trades = one_big_order(day)
        bust_and_correct(day, trades)
        kill_and_forgive(day)
        patient = day.order(BAIT, "ACME", "2", 10, day.last("ACME") * 108 // 100, GTC)
        day.answer(BAIT, patient)
        day.lull()

        venue.kill()  # at noon, with everybody trading
        day.open(FIRST_DAY, "14:30")
        day.up()
        day.phase("ACME", "closed")
        day.until(FIRST_DAY, "17:05")
        day.quiet()
        assert venue.end() == 0

        day.open(SECOND_DAY, "08:00")
        day.up()
        day.go_on()
        day.order(WHALE, "ACME", "1", 50_000, day.last("ACME") * 115 // 100)
        day.phase("ACME", "continuous")
        wait_for(lambda: day.fills(BAIT, patient), "the order of the day before has traded at the opening")
        day.lull()
        head = day.quiet()
        venue.kill()
        day.stop_traders()

        told = checks.replayed(venue)
        assert told.engine.event_seq == head
        wait_for(lambda: venue.metrics("clearing")["fixserver_ledger_event_seq"] == head, "the ledger has everything")
        wait_for(lambda: not subscriber.differs(told.engine), "the feed has told of everything")
        subscriber.stop()
        traders = list(day.traders.values())
        checks.check_traders(traders, told)
        checks.check_phases(traders, told, _phases_to_be_told())
        checks.check_ledger(venue, told.engine, ROLL)
        _everything_happened(told.events, patient)
        drawn = sum((trader.mind.kinds for trader in traders), Counter[str]())
        print(f"{told.engine.command_seq:,} commands, {len(told.events):,} events, {sum(drawn.values()):,} requests: {dict(drawn)}")


def _phases_to_be_told() -> list[tuple[str, str, str]]:
    by_schedule = list(PHASES.values())
    return [
        *(("h", MARKET, phase) for phase in by_schedule),
        *(("f", symbol, phase) for symbol in ("ACME", "BOLT") for phase in (*by_schedule, "volatility-auction")),
        ("f", "BOLT", "halted"),
    ]


def _everything_happened(events: Iterable[Event], patient: str) -> None:
    """A day on which nothing was tried shows nothing."""
    kinds = Counter(type(event).__name__ for event in events)
    canceled = Counter(event.reason for event in events if isinstance(event, OrderCanceled))
    print(dict(kinds), dict(canceled))
