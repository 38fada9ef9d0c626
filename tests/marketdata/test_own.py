"""What a participant has at work, against the engine that has it: after every command of every kind, and over checkpoints."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec
import pytest

from marketdata import own
from marketdata.orders import Order
from marketdata.own import EXECUTIONS_KEPT, Execution, OwnOrders
from matching.engine import Engine
from matching.messages import (
    AccountDefined,
    CancelRejected,
    EventBatch,
    OrderAccepted,
    OrderRejected,
    TradeBusted,
    TradeCorrected,
    Traded,
)
from matching.state import order_state
from tests.every_kind import steps


def as_the_engine_has_it(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """The open orders of each participant."""
    return {
        name: [
            (
                state.order_id, state.session, state.cl_ord_id, state.account, state.instrument, state.side, state.order_type,
                state.time_in_force, state.price, state.quantity, state.leaves, state.executed, state.value, state.expire_time,
                state.conditions, state.parked, state.busted, state.entered,
            )
            for state in map(order_state, participant.open_orders.values())
        ]
        for name, participant in engine.market.participants.items()
        if participant.open_orders
    }  # fmt: skip


def as_told(orders: OwnOrders) -> dict[str, list[tuple[object, ...]]]:
    participants = {order.participant for order in orders.orders.values()}
    return {
        name: [
            (
                order.order_id, order.session, order.cl_ord_id, order.account, order.instrument, order.side, order.order_type,
                order.time_in_force, order.price, order.quantity, order.leaves, order.executed, order.value, order.expire_time,
                order.conditions, order.parked, order.busted, order.entered,
            )
            for order in orders.open_orders(name)
        ]
        for name in participants
    }  # fmt: skip


def reserved_by_the_engine(engine: Engine) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, account in engine.market.accounts.items():
        held = {asset: cash.reserved for asset, cash in account.cash.items() if cash.reserved}
        held |= {asset: position.reserved for asset, position in account.positions.items() if position.reserved}
        found[name] = held
    return found


def reserved(orders: OwnOrders, engine: Engine) -> dict[str, dict[str, int]]:
    """The margin by what the engine says that accounts hold."""
    found = {}
    for name in orders.accounts:
        holdings = {asset: position.total for asset, position in engine.accounts[name].positions.items()}
        found[name] = {asset: held for asset, held in orders.reserved(name, holdings).items() if held}
    return found


class NaiveExecutions:
    """Every execution there was, of the whole log, found anew by a walk over all of it."""

    def __init__(self) -> None:
        self.owners: dict[str, str] = {}
        self.orders: dict[int, str] = {}  # whose they are
        self.trades: dict[int, tuple[Traded, int, str]] = {}

    def apply(self, batch: EventBatch) -> None:
        for event in batch.events:
            if isinstance(event, AccountDefined):
                self.owners[event.account] = event.participant
            elif isinstance(event, Traded):
                self.trades[event.seq] = event, batch.time, "traded"
            elif isinstance(event, TradeBusted):
                trade, time, _ = self.trades[event.trade_seq]
                self.trades[event.trade_seq] = trade, time, "busted"
            elif isinstance(event, TradeCorrected):
                trade, time, _ = self.trades[event.trade_seq]
                now = msgspec.structs.replace(
                    trade, price=event.price, quantity=event.quantity, maker_fee=event.maker_fee, taker_fee=event.taker_fee
                )
                self.trades[event.trade_seq] = now, time, "corrected"

    def of(self, participant: str) -> list[tuple[object, ...]]:
        """(number, maker, time, account, price, quantity, fee, order, status), oldest first."""
        found: list[tuple[object, ...]] = []
        for number, (trade, time, status) in self.trades.items():
            for maker, account, fee, order in (
                (True, trade.maker_account, trade.maker_fee, trade.maker_order_id),
                (False, trade.taker_account, trade.taker_fee, trade.taker_order_id),
            ):
                if self.owners[account] == participant:
                    found.append((number, maker, time, account, trade.price, trade.quantity, fee, order, status))
        return found


def outline(one: Execution) -> tuple[object, ...]:
    return one.number, one.maker, one.time, one.account, one.price, one.quantity, one.fee, one.order_id, one.status


@pytest.mark.parametrize("seed", range(4))
def test_open_orders_and_what_they_reserve_are_the_engines_own(seed: int) -> None:
    engine, orders = Engine(), OwnOrders()
    kinds: Counter[str] = Counter()
    for step in steps(engine, seed, 1_500, 4):
        orders.apply(step.batch)
        orders.check()
        assert as_told(orders) == as_the_engine_has_it(engine), f"seed {seed}, command {step.batch.command_seq}"
        assert reserved(orders, engine) == reserved_by_the_engine(engine), f"seed {seed}, command {step.batch.command_seq}"
        kinds.update(order.status for order in orders.orders.values())
        kinds.update("group" for order in orders.orders.values() if orders._groups.get(order.order_id))
    assert min(kinds[kind] for kind in ("new", "partially-filled", "waiting", "group")) > 50, f"seed {seed}: {kinds}"


@pytest.mark.parametrize("seed", range(2))
def test_executions_are_the_last_of_both_sides_of_all_trades(seed: int) -> None:
    orders, naive = OwnOrders(), NaiveExecutions()
    amended = 0
    for count, step in enumerate(steps(Engine(), seed, 4_000, 4)):
        orders.apply(step.batch)
        naive.apply(step.batch)
        amended += sum(one.status != "traded" for _, one in orders.changed_executions)
        if count % 50:
            continue
        for participant in set(naive.owners.values()):
            every, kept = naive.of(participant), [outline(one) for one in orders.executions(participant)]
            assert kept == every[-EXECUTIONS_KEPT:], f"seed {seed}, command {step.batch.command_seq}"
            known_from = orders.executions_known_from(participant)
            assert known_from == (every[-EXECUTIONS_KEPT - 1][0] if len(every) > EXECUTIONS_KEPT else 0)
    assert amended > 20, f"seed {seed}"


@pytest.mark.parametrize("seed", range(2))
def test_what_is_told_to_have_changed_is_enough_to_follow(seed: int) -> None:
    """Who has the snapshot and then takes every change has what a new snapshot says."""
    orders = OwnOrders()
    open_orders: dict[str, dict[int, Order]] = defaultdict(dict)
    executions: dict[str, dict[tuple[int, bool], Execution]] = defaultdict(dict)
    ends: Counter[str] = Counter()
    for step in steps(Engine(), seed, 2_000, 4):
        orders.apply(step.batch)
        for number, order in orders.changed_orders.items():
            assert order.order_id == number
            if order.end:
                ends[order.status] += 1
                open_orders[order.participant].pop(number, None)
            else:
                open_orders[order.participant][number] = order
        for participant, execution in orders.changed_executions:
            executions[participant][execution.number, execution.maker] = execution
        for participant, found in open_orders.items():
            assert list(found.values()) == orders.open_orders(participant), f"seed {seed}, command {step.batch.command_seq}"
        for participant, made in executions.items():
            assert list(made.values())[-EXECUTIONS_KEPT:] == orders.executions(participant)
    assert min(ends[end] for end in ("filled", "canceled", "expired", "rejected")) > 5, f"seed {seed}: {ends}"


@pytest.mark.parametrize("seed", range(2))
def test_a_checkpoint_at_any_moment_goes_on_as_if_nothing_had_been(seed: int) -> None:
    engine, orders = Engine(), OwnOrders()
    restored: OwnOrders | None = None
    for count, step in enumerate(steps(engine, seed, 1_500, 5)):
        orders.apply(step.batch)
        if count % 20 == 0:
            restored = OwnOrders.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(orders.state()), type=own.State))
        elif restored is not None:
            restored.apply(step.batch)
            assert list(restored.changed_orders) == list(orders.changed_orders) or _only_ended(orders, restored)
            assert restored.changed_executions == orders.changed_executions
        if restored is not None:
            restored.check()
            assert restored.state() == orders.state(), f"seed {seed}, record {count}"
            assert reserved(restored, engine) == reserved(orders, engine), f"seed {seed}, record {count}"


def _only_ended(orders: OwnOrders, restored: OwnOrders) -> bool:
    """Of an order that had ended before the checkpoint nothing is known there, also when a trade of it is taken back."""
    more = orders.changed_orders.keys() - restored.changed_orders.keys()
    return restored.changed_orders.keys() <= orders.changed_orders.keys() and all(orders.changed_orders[one].end for one in more)


def test_an_order_that_ended_can_be_asked_for_by_who_owns_it_alone() -> None:
    orders = OwnOrders()
    rejected: OrderRejected | None = None
    refused: CancelRejected | None = None
    accepted: dict[int, OrderAccepted] = {}
    for step in steps(Engine(), 1, 2_000):
        orders.apply(step.batch)
        for event in step.batch.events:
            if isinstance(event, OrderRejected):
                rejected = event
            elif isinstance(event, CancelRejected):
                refused = event
            elif isinstance(event, OrderAccepted):
                accepted[event.order_id] = event
    assert rejected is not None and refused is not None
    found = orders.order(rejected.participant, rejected.order_id)
    assert found is not None and found.status == "rejected" and found.text == rejected.text
    assert orders.order("another", rejected.order_id) is None
    assert orders.refusals[refused.participant, refused.cl_ord_id] == (refused.reason, refused.text)
    for number, event in accepted.items():
        order = orders.order(event.participant, number)
        assert order is not None and (order.status in ("new", "waiting", "partially-filled")) == (number in orders.orders)
