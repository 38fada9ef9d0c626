"""What must hold of a venue's files and of what its clients were told, whatever happened in between; it changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from matching.messages import (
    BalanceChanged,
    Event,
    EventBatch,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    Traded,
)
from matching.recordlog import LogReader
from matching.sequencer import replay
from tests.faults.traders import Trader

_decode = msgspec.msgpack.Decoder(EventBatch).decode


def events_of(data: Path) -> list[Event]:
    """The whole event log; that its numbers have no gap is asserted."""
    found: list[Event] = []
    reader = LogReader(data / "events")
    for first, count, payload in reader.read():
        batch = _decode(payload)
        assert [event.seq for event in batch.events] == list(range(first, first + count))
        found += batch.events
    reader.close()
    assert [event.seq for event in found] == list(range(1, len(found) + 1))
    return found


def reports_due(events: Iterable[Event]) -> dict[str, list[tuple[str, str]]]:
    """The (ExecID, OrderID) of every ExecutionReport that the events make due, by session, in order."""
    due: dict[str, list[tuple[str, str]]] = {}
    owner: dict[int, str] = {}

    def tell(session: str, exec_id: str, order_id: int) -> None:
        due.setdefault(session, []).append((exec_id, str(order_id)))

    for event in events:
        if isinstance(event, OrderAccepted):
            owner[event.order_id] = event.session
            tell(event.session, str(event.seq), event.order_id)
        elif isinstance(event, OrderRejected):
            tell(event.session, str(event.seq), event.order_id)
        elif isinstance(event, Traded):
            tell(owner[event.taker_order_id], f"{event.seq}T", event.taker_order_id)
            tell(owner[event.maker_order_id], f"{event.seq}M", event.maker_order_id)
        elif isinstance(event, OrderReplaced):
            owner[event.order_id] = event.session
            tell(event.session, str(event.seq), event.order_id)
        elif isinstance(event, OrderCanceled):
            tell(event.session or owner[event.order_id], str(event.seq), event.order_id)
    return due


def check_orders(events: Iterable[Event]) -> None:
    """One ClOrdID of one participant opens one order; every order's quantities add up."""
    opened: Counter[tuple[str, str]] = Counter()
    quantity: dict[int, int] = {}
    leaves: dict[int, int] = {}
    executed: Counter[int] = Counter()
    for event in events:
        if isinstance(event, OrderAccepted):
            opened[event.participant, event.cl_ord_id] += 1
            quantity[event.order_id] = leaves[event.order_id] = event.quantity
        elif isinstance(event, OrderReplaced):
            quantity[event.order_id], leaves[event.order_id] = event.quantity, event.leaves
            assert executed[event.order_id] + event.leaves == event.quantity, event
        elif isinstance(event, OrderCanceled):
            assert leaves.pop(event.order_id) == event.quantity, event
        elif isinstance(event, Traded):
            for order_id, left in ((event.maker_order_id, event.maker_leaves), (event.taker_order_id, event.taker_leaves)):
                executed[order_id] += event.quantity
                leaves[order_id] -= event.quantity
                assert leaves[order_id] == left >= 0, event
                assert executed[order_id] + left == quantity[order_id], event
    twice = [key for key, times in opened.items() if times > 1]
    assert not twice, f"one ClOrdID opened two orders: {twice}"


def check_traders(traders: Iterable[Trader], data: Path) -> None:
    """Every trader knows what the venue knows of him, each report once in effect, and nothing that he asked is forgotten."""
    events = events_of(data)
    check_orders(events)
    due = reports_due(events)
    for trader in traders:
        assert trader.complaints == []
        told, wanted = set(trader.reports), due.get(trader.name, [])
        assert len(wanted) == len(set(wanted))
        assert told - set(wanted) == set(), f"{trader.name} was told of what is not in the journal"
        assert set(wanted) - told == set(), f"{trader.name} was not told"
        assert not trader.unanswered, f"{trader.name}: without an answer: {trader.unanswered}"
    issued: Counter[str] = Counter()
    for event in events:
        if isinstance(event, BalanceChanged):
            issued[event.asset] += int(event.amount)
    engine = replay(data)
    engine.check()
    found: Counter[str] = Counter()
    for account in engine.accounts.values():
        for asset, balance in (*account.cash.items(), *account.positions.items()):
            found[asset] += balance.total
    assert found == issued, "cash and shares are conserved"
