"""What must hold of the day afterwards: of journal, traders, ledger and feed; it changes nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from clearing.database import open_database
from clearing.ledger import read_accounts
from clearing.statements import read_balances, statement
from fixserver.clearing_process import database_url
from fixserver.config import load
from marketdata.rebuild import BookBuilder, PriceLevel
from matching.accounts import Account
from matching.book import BEFORE_ALL_PRICES
from matching.engine import Engine
from matching.messages import BUY, DAY, SELL, Command, DayRolled, Event, EventBatch, OrderAccepted, OrderState, Side
from matching.recordlog import LogReader
from matching.sequencer import read_commands, replay
from tests.day.dues import Due, Dues
from tests.day.stock import StockTraders
from tests.day.traders import DayTrader
from tests.matching.compare import without_text
from tests.matching.naive import NaiveEngine
from tests.matching.watcher import Watcher
from tests.orders.desk import check_by_dictionary
from tests.venue import DICTIONARIES, Message, Venue

Phase = tuple[str, str, str]  # message type, market or symbol, phase

_encode = msgspec.msgpack.Encoder().encode


@dataclass
class Replayed:
    """The day as its journal tells it."""

    engine: Engine
    dues: Dues
    commands: Counter[str]  # by kind
    events: list[Event]


# ------------------------------------------------------------------------------------------------- journal


def replayed(venue: Venue) -> Replayed:
    """Apply the journal one command at a time, and assert after each what holds between any two.

    The engine's own check; the events of the second, slow engine; what a watcher of the events can know; that the events are,
    byte for byte, those of the event log. In the end, that it is where the last snapshot and the rest of the journal lead.
    """
    engine, naive, watcher, dues = Engine(), NaiveEngine(), Watcher(), Dues()
    kinds: Counter[str] = Counter()
    caused: list[Event] = []
    day = _Day()
    logged = LogReader(venue.data / "events")
    records = logged.read()
    for batch in read_commands(venue.data):
        events: list[Event] = []
        for number, command in enumerate(batch.commands, batch.first_seq):
            kinds[type(command).__name__] += 1
            try:
                told = engine.apply(number, batch.time, [command])
                _after_each(engine, naive, watcher, day, batch.time, command, told)
                for event in told:
                    dues.see(event)
            except AssertionError as error:
                raise AssertionError(f"command {number} of {venue.data}, {command}: {error}") from error
            events += told
        _, count, payload = next(records)
        assert count == len(events) and payload == _encode(EventBatch(engine.command_seq, batch.time, events)), (
            f"the event log has other events than the commands up to {engine.command_seq} cause"
        )
        caused += events
    assert next(records, None) is None, "the event log has more events than the journal causes"
    logged.close()
    assert [event.seq for event in caused] == list(range(1, len(caused) + 1))
    assert replay(venue.data).digest() == engine.digest(), "a recovery from the last snapshot leads elsewhere"
    return Replayed(engine, dues, kinds, caused)


class _Day:
    """What holds within a trading day: who used which ClOrdID, and what ends with it."""

    def __init__(self) -> None:
        self.opened: set[tuple[str, str]] = set()


def _after_each(
    engine: Engine, naive: NaiveEngine, watcher: Watcher, day: _Day, time: int, command: Command, told: list[Event]
) -> None:
    engine.check()
    predicted = naive.apply(time, command)
    found = [without_text(event) for event in told]
    assert found == predicted, _first_difference(found, predicted)
    watcher.see(told)
    for symbol, instrument in engine.instruments.items():
        assert instrument.phase != "continuous" or not watcher.crossed(symbol), f"{symbol} is crossed"
    _as_told(engine, watcher)
    for event in told:
        if isinstance(event, OrderAccepted) and event.cl_ord_id:
            key = event.participant, event.cl_ord_id
            assert key not in day.opened, f"{key} opened two orders in a day"
            day.opened.add(key)
        elif isinstance(event, DayRolled):
            day.opened = {(order.participant, order.cl_ord_id) for order in engine.open_orders()}
            left = [order for order in engine.open_orders() if order.time_in_force in (DAY, "2", "7")]
            assert not left, f"orders of the day outlast it: {left}"


def _first_difference(found: list[Event], predicted: list[Event]) -> str:
    for one, other in zip(found, predicted, strict=False):
        if one != other:
            return f"event {one.seq} is {one}, and the second engine says {other}"
    return f"{len(found)} events, and the second engine says {len(predicted)}"


def _has(account: Account) -> dict[str, int]:
    """What an account has, by asset."""
    cash = {asset: balance.total for asset, balance in account.cash.items()}
    return cash | {asset: balance.total for asset, balance in account.positions.items()}


def _as_told(engine: Engine, watcher: Watcher) -> None:
    """Each account has what the events say that it has; of these the watcher has seen that nothing is lost."""
    for name, account in engine.accounts.items():
        for asset, total in _has(account).items():
            assert total == watcher.clearing.total(name, asset), f"{name} {asset}"


# ------------------------------------------------------------------------------------------------- traders


def check_traders(traders: Iterable[DayTrader], day: Replayed, heard: int) -> None:
    """Each was told what the events make due: all of it, nothing else, with these numbers; and each ended knowing his orders.

    What is due for events behind `heard` may be told at his next logon.
    """
    for trader in traders:
        assert trader.complaints == [], trader.complaints
        assert not trader.unanswered, f"{trader.name}: without an answer: {trader.unanswered}"
        due = day.dues.reports.get(trader.name, {})
        unheard = [key for key in due if key not in trader.reports and event_of(key) <= heard]
        assert not unheard, f"{trader.name} was not told {unheard[:5]}, {len(unheard)} in all"
        unfounded = [message for key, message in trader.reports.items() if key not in due]
        assert not unfounded, f"{trader.name} was told what is not in the journal: {unfounded[:5]}"
        exec_ids = Counter(exec_id for exec_id, _ in trader.reports)
        assert set(exec_ids.values()) <= {1}, f"{trader.name}: an ExecID of two reports"
        for key, message in trader.reports.items():
            assert _said(message) == due[key], f"{trader.name}: {message} does not say {due[key]}"
        for message in trader.heard:
            check_by_dictionary(trader.begin_string, message.raw, DICTIONARIES)
        last = {key[1]: key for key in sorted(due, key=event_of)}  # by OrderID
        for order in day.engine.open_orders(trader.comp_id):
            told = last.get(str(order.order_id))
            if told is None:
                assert order.conditions is not None and order.conditions.quote_id, f"nobody was told of {order}"
            elif event_of(told) <= heard:
                _stands_as_told(day.engine, order, trader.reports[told])


def event_of(key: tuple[str, str]) -> int:
    """The number of the event that an ExecID is made of."""
    return int(key[0].rstrip("MT"))


def _stands_as_told(engine: Engine, order: OrderState, report: Message) -> None:
    decimals = engine.instruments[order.instrument].terms.quantity_decimals
    stands = Decimal(order.leaves).scaleb(-decimals), Decimal(order.executed).scaleb(-decimals)
    assert (Decimal(report[151]), Decimal(report[14])) == stands, f"{report} is not {order}"
    assert report[39] in (order.status, "5" if order.status == "0" else order.status), f"{report} is not {order}"


def check_stock(stock: StockTraders, day: Replayed) -> None:
    """What they heard is so. They miss what was said while they were away, and QuickFIX has refused nothing."""
    assert stock.complaints == [], stock.complaints
    for name, reports in stock.reports.items():
        due = day.dues.reports[f"{name}/FIX.4.4"]
        for key, message in reports.items():
            assert key in due and _said(message) == due[key], f"{name}: {message} does not say {due.get(key)}"
        assert len(reports) > len(due) // 2, f"{name} has heard {len(reports)} of {len(due)} reports"


def _said(message: Message) -> Due:
    status = message[39]
    last = (Decimal(message[32]), Decimal(message[31])) if 31 in message.fields else None
    return Due(status, Decimal(message[151]), Decimal(message[14]), Decimal(message[6]), last)


def check_phases(told: dict[str, list[list[Phase]]], day: Replayed, wanted: Iterable[Phase]) -> None:
    """While somebody was logged on he was told of every change, in order; in all his connections together, of each of `wanted`."""
    phases = day.dues.phases
    for name, runs in told.items():
        at = 0
        for run in runs:
            found = next((start for start in range(at, len(phases)) if phases[start : start + len(run)] == run), None)
            assert found is not None, f"{name} was told {run}, which is no part of {phases[at:]}"
            at = found + len(run)
        missing = set(wanted) - {phase for run in runs for phase in run}
        assert not missing, f"{name} was not told of {missing}"


# -------------------------------------------------------------------------------------------------- ledger


def check_ledger(venue: Venue, engine: Engine, roll_ns: int) -> None:
    """`fixserver ledger check` finds nothing wrong; every account's statements of both days add up; all together are zero."""
    checked = venue.command("ledger", "check", "--json", "--config", str(venue.config), "--data", str(venue.data))
    found: dict[str, Any] = json.loads(checked.stdout)
    assert checked.returncode == 0 and found["ok"] and found["faults"] == [], found
    assert found["event_seq"] == found["event_log_head"] == engine.event_seq, found
    assert found["accounts_compared"] == len(engine.accounts)
    database = open_database(database_url(load(venue.config), venue.data), read_only=True)
    try:
        with database.connect() as connection, connection.begin():
            closing: Counter[str] = Counter()
            for account in read_accounts(connection):
                first = statement(connection, account, end=roll_ns)
                assert first.opening == [], f"{account.name} had something before the first day"
                running: Counter[str] = Counter()
                for line in first.lines:
                    running[line.asset.name] += line.change
                    assert running[line.asset.name] == line.balance, f"{account.name}: {line}"
                second = statement(connection, account, begin=roll_ns)
                opening = {asset.name: amount for asset, amount in second.opening}
                kept = {asset: amount for asset, amount in running.items() if amount}
                assert opening == kept, f"{account.name}: the second day begins otherwise than the first ends"
                for line in second.lines:
                    running[line.asset.name] += line.change
                    assert running[line.asset.name] == line.balance, f"{account.name}: {line}"
                owner = engine.accounts.get(account.name)
                if owner is not None:
                    assert +running == +Counter(_has(owner)), f"{account.name} has other than the engine says"
                balances = {one.asset.name: one.amount for one in read_balances(connection, account.name) if one.amount}
                assert {asset: amount for asset, amount in running.items() if amount} == balances, account.name
                for asset, amount in running.items():
                    closing[asset] += amount
            assert not any(closing.values()), f"all accounts together have {closing}"
    finally:
        database.dispose()


# ---------------------------------------------------------------------------------------------------- feed


Rows = list[tuple[Any, ...]]


def shown_by(engine: Engine, symbol: str, side: Side, by_order: bool) -> Rows:
    """What the engine's book displays: (price, size, orders), or (price, size, OrderID), best first."""
    instrument = engine.instruments[symbol]
    rows: Rows = []
    for level in instrument.bids if side == BUY else instrument.offers:
        if level.price == BEFORE_ALL_PRICES[side]:
            continue
        sizes = [(order.shown or order.leaves, str(order.order_id)) for order in level]
        if by_order:
            rows += [(level.price, size, order_id) for size, order_id in sizes]
        else:
            rows.append((level.price, sum(size for size, _ in sizes), len(sizes)))
    return rows


def rebuilt_by(builder: BookBuilder, engine: Engine, symbol: str, side: Side) -> Rows:
    """The same, as a subscriber rebuilt it."""
    book = builder.books[symbol]
    terms = engine.instruments[symbol].terms
    rows: Rows = []
    for row in book.bids() if side == BUY else book.offers():
        price, size = int(row.price.scaleb(terms.price_decimals)), int(row.size.scaleb(terms.quantity_decimals))
        rows.append((price, size, row.orders if isinstance(row, PriceLevel) else row.order_id))
    return rows


def feed_differs(builders: Iterable[BookBuilder], engine: Engine) -> str:
    """Where a subscriber's book is not the engine's; empty where all are."""
    for builder in builders:
        for symbol in engine.instruments:
            for side in (BUY, SELL):
                expected, found = shown_by(engine, symbol, side, builder.by_order), rebuilt_by(builder, engine, symbol, side)
                if expected != found:
                    return f"{symbol} {side} by {'order' if builder.by_order else 'price'}: {found}, and the engine has {expected}"
    return ""
