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
    AuctionIndicated,
    CancelReason,
    DayRolled,
    Event,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRefreshed,
    OrderRejected,
    OrderRepriced,
    PhaseChanged,
    QuotesCanceled,
    Reason,
    TradeBusted,
    TradeCorrected,
    Traded,
    Uncrossed,
)
from tests.day import checks
from tests.day.plan import BAIT, FIRST_DAY, MARKET, PHASES, SECOND_DAY, WHALE, moment, venue_of
from tests.day.script import Day, bust_and_correct, halt, kill_and_forgive, one_big_order
from tests.day.subscriber import Subscriber
from tests.venue import VERSIONS, wait_for

RATE = int(os.environ.get("DAY_RATE", "900"))  # how much faster than real time
ORDERS_PER_SECOND = int(os.environ.get("DAY_ORDERS", "10"))  # of real time, that each trader sends
TRADING_DAY_AFTER = SECOND_DAY.replace("-", "")
COMMANDS = {
    "NewOrder", "CancelOrder", "ReplaceOrder", "MassCancel", "NewOrderList", "MassQuote", "CancelQuotes", "SetPhase", "RollDay",
    "ExpireOrders", "EndPauses", "PublishIndicative", "SetAccess", "BustTrade", "CorrectTrade",
}  # fmt: skip
CANCELED = {
    CancelReason.REQUESTED, CancelReason.MASS_CANCEL, CancelReason.IOC_REMAINDER, CancelReason.FOK_NOT_FILLABLE,
    CancelReason.MARKET_REMAINDER, CancelReason.DAY_END, CancelReason.GTD_END, CancelReason.DISCONNECT, CancelReason.OPENING_END,
    CancelReason.REQUOTED, CancelReason.QUOTE_CANCEL, CancelReason.ONE_CANCELS_OTHER, CancelReason.LIST_ENDED, CancelReason.KILLED,
}  # fmt: skip
REJECTED = {
    Reason.NOT_IN_THIS_PHASE, Reason.LIMIT_EXCEEDED, Reason.AFTER_CLOSE, Reason.UNSUPPORTED, Reason.UNKNOWN_ACCOUNT,
    Reason.OUTSIDE_PRICE_BAND, Reason.BLOCKED, Reason.INSUFFICIENT_FUNDS,
}  # fmt: skip

ROLL = moment(FIRST_DAY, "16:20")


def test_a_day(tmp_path: Path) -> None:
    seed = int(os.environ.get("DAY_SEED") or random.randrange(2**32))
    print(f"DAY_SEED={seed} DAY_RATE={RATE} DAY_ORDERS={ORDERS_PER_SECOND}")
    venue = venue_of(tmp_path)
    with Day(venue, seed, rate=RATE, orders_per_second=ORDERS_PER_SECOND) as day:
        # It opens early each time: whoever is to be told of the next phase has some seconds of real time to log on, also on a busy
        # machine.
        day.open(FIRST_DAY, "06:00")
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
        patient = day.order(BAIT, "ACME", "2", 10, day.last("ACME") * 112 // 100, GTC)  # which no afternoon comes to
        day.answer(BAIT, patient)
        day.lull()

        day.lose_power()  # at noon, with everybody trading
        venue.kill("clearing")
        day.open(FIRST_DAY, "13:30")
        venue.launch("clearing")
        day.phase("ACME", "closed")
        day.until(FIRST_DAY, "16:25")
        day.quiet()
        day.close()

        day.open(SECOND_DAY, "06:30")
        day.go_on()
        day.phase("ACME", "pre-open")
        day.order(WHALE, "ACME", "1", 50_000, day.last("ACME") * 119 // 100)  # as far as the band goes
        day.phase("ACME", "continuous")
        wait_for(lambda: day.fills(BAIT, patient), "the order of the day before has traded at the opening")
        day.lull()
        heard = day.quiet()
        day.close()
        day.stop_traders()

        told = checks.replayed(venue)
        head = told.engine.event_seq
        wait_for(lambda: venue.metrics("clearing")["fixserver_ledger_event_seq"] == head, "the ledger has everything")
        wait_for(lambda: not subscriber.differs(told.engine), "the feed has told of everything")
        subscriber.stop()
        traders = list(day.traders.values())
        checks.check_traders(traders, told, heard)
        checks.check_stock(day.stock, told)
        checks.check_phases({trader.name: trader.told for trader in traders}, told, _phases_to_be_told(list(PHASES.values())[1:]))
        checks.check_phases({"the subscriber": [subscriber.told]}, told, _phases_to_be_told(list(PHASES.values())))
        checks.check_ledger(venue, told.engine, ROLL)
        _everything_happened(told, patient)
        minds = [*(trader.mind for trader in traders), *day.stock.minds.values()]
        drawn = sum((mind.kinds for mind in minds), Counter[str]())
        print(f"{told.engine.command_seq:,} commands, {len(told.events):,} events, {sum(drawn.values()):,} requests: {dict(drawn)}")


def _phases_to_be_told(by_schedule: list[str]) -> list[tuple[str, str, str]]:
    """The traders may come too late for the first of a day; the subscriber is there all night."""
    return [
        *(("h", MARKET, phase) for phase in by_schedule),
        *(("f", symbol, phase) for symbol in ("ACME", "BOLT") for phase in (*by_schedule, "volatility-auction")),
        ("f", "BOLT", "halted"),
    ]


def _everything_happened(told: checks.Replayed, patient: str) -> None:
    """A day on which nothing was tried shows nothing: what each seed brings about, many times over."""
    events = told.events
    assert told.commands.keys() >= COMMANDS
    opened = {event.order_id: event for event in events if isinstance(event, OrderAccepted)}
    assert {(order.order_type, order.time_in_force) for order in opened.values()} >= {
        *(("1", when) for when in "027"), *(("2", when) for when in "0123467"), *((kind, when) for kind in "34" for when in "01"),
        ("K", "0"), ("P", "0"),
    }  # fmt: skip
    special = [order.conditions for order in opened.values() if order.conditions is not None]
    assert {one.peg for one in special if one.peg} == {"primary", "midpoint", "market"}
    for name in ("stop_price", "display_quantity", "min_quantity", "post_only", "self_match_id", "quote_id", "list_id"):
        versions = {order.session.rpartition("/")[2] for order in opened.values() if getattr(order.conditions, name, None)}
        assert versions == set(VERSIONS), f"{name} was said on {versions} alone"
    assert {event.cause for event in events if isinstance(event, OrderActivated)} == {"stop", "close", "list"}
    assert {event.reason for event in events if isinstance(event, OrderCanceled)} >= CANCELED
    assert {event.reason for event in events if isinstance(event, OrderRejected)} >= REJECTED
    uncrossed = {event.phase for event in events if isinstance(event, Uncrossed) and event.volume}
    assert uncrossed == {"opening-auction", "volatility-auction", "closing-auction"}
    assert _phases_of_trades(events) >= {"continuous", "closing-price"}
    kinds = Counter(type(event) for event in events)
    rare = OrderRefreshed, OrderRepriced, QuotesCanceled, AuctionIndicated, TradeBusted, TradeCorrected
    assert all(kinds[kind] for kind in rare), kinds
    roll = next(event.seq for event in events if isinstance(event, DayRolled) and event.trading_day == TRADING_DAY_AFTER)
    early = {event.order_id for event in events[:roll] if isinstance(event, OrderAccepted) and event.time_in_force == GTC}
    late = [event for event in events[roll:] if isinstance(event, Traded) and {event.maker_order_id, event.taker_order_id} & early]
    names = {opened[order_id].cl_ord_id for event in late for order_id in (event.maker_order_id, event.taker_order_id)}
    assert patient in names, "an order that is good till canceled trades on the next day"


def _phases_of_trades(events: Iterable[Event]) -> set[str]:
    """The phases in which orders traded as they came."""
    phases: dict[str, str] = {}
    found = set()
    for event in events:
        if isinstance(event, PhaseChanged):
            phases[event.instrument] = event.phase
        elif isinstance(event, Traded) and not event.auction:
            found.add(phases.get(event.instrument, "continuous"))
    return found
