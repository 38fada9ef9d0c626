"""The whole state of the market as one record, for snapshots and digests, and back. It changes no market."""

from __future__ import annotations

import heapq
from typing import cast

import msgspec

from matching.accounts import Account, Participant
from matching.book import CANCELED, EXPIRED, FILLED, OPEN, BookSide, Order, OrderGroup, entry_order
from matching.entry import holders
from matching.instruments import Instrument
from matching.margin import compute_margins
from matching.market import Amendment, Market, need, reserve
from matching.messages import (
    BUY,
    GTD,
    INT64_MAX,
    ONE_CANCELS_THE_OTHER,
    PEGGED,
    Access,
    Contingency,
    DefineAccount,
    DefineInstrument,
    DefineParticipant,
    OrderState,
    Phase,
    SetFees,
    SetMargin,
    SetSettlement,
    Side,
)
from matching.netting import block_anew
from matching.obligations import Obligation, Unnetted
from matching.trading import rest


class UnnettedState(msgspec.Struct, frozen=True, array_like=True):
    """What an account has traded of an instrument and is not netted, in a snapshot: matching.obligations.Unnetted, as text."""

    account: str
    quantity: str
    money: str
    bought: str
    sold_for: str


class ObligationState(msgspec.Struct, frozen=True, array_like=True):
    """What is left of an obligation, in a snapshot and as an answer: matching.obligations.Obligation. Of the venue's fees the
    account is empty; `money` is text."""

    number: int
    netting: int
    account: str
    instrument: str
    quantity: int
    price: int
    money: str
    multiple: int
    due: int
    days: int


class InstrumentState(msgspec.Struct, frozen=True, array_like=True):
    """An instrument in a snapshot. Its orders are told in the order of their priority."""

    terms: DefineInstrument
    phase: Phase
    reference_price: int
    last: int
    until: int
    closing_price: int
    indicated: tuple[int, int, int]
    marks: tuple[int, int] | None
    configured: DefineInstrument | None
    traded: bool = False
    unnetted: list[UnnettedState] = []
    split_seq: int = 0
    initial_ppm: int = 0
    maintenance_ppm: int = 0
    margin_configured: SetMargin | None = None


class AccountState(msgspec.Struct, frozen=True, array_like=True):
    """An account in a snapshot. `cash` and `holdings` are (asset, total as text), sorted. What is unsettled follows from
    what is not netted and from obligations, what is blocked and the margin from all of it."""

    terms: DefineAccount
    cash: list[tuple[str, str]]
    holdings: list[tuple[str, str]]
    configured: DefineAccount | None
    held: list[str] = []
    called: list[str] = []


class ParticipantState(msgspec.Struct, frozen=True, array_like=True):
    """A participant in a snapshot. `client_ids` are (ClOrdID, order number or 0), `fees` (instrument, maker's, taker's), sorted."""

    terms: DefineParticipant
    access: Access
    configured: DefineParticipant | None
    client_ids: list[tuple[str, int]]
    fees: list[tuple[str, int, int]] = []


# So many fields these records had before there was settlement, and what stands in those that came since where they say nothing.
_FIELDS_BEFORE = {InstrumentState: 10, AccountState: 4, ParticipantState: 4}
_NOTHING: tuple[object, ...] = (None, 0, [])


class EngineState(msgspec.Struct, frozen=True, array_like=True):
    """All that the engine knows after the command `command_seq`. What is reserved follows from the open orders.

    `groups` are the orders of each list that depend on each other still. `large_values` are the
    OrderState.value of orders whose fills sum to more than 64 bits hold: each fill is bounded by the value
    limit of the buying order, but not how many buyers one great sell order meets.
    """

    command_seq: int
    event_seq: int
    time: int
    trading_day: str
    day_began: int
    instruments: list[InstrumentState]
    participants: list[ParticipantState]
    accounts: list[AccountState]
    open_orders: list[OrderState]
    ended_orders: list[OrderState]
    groups: list[tuple[Contingency, list[int]]]
    markets: list[tuple[str, Phase]]
    amended: list[tuple[int, Amendment]]
    large_values: list[tuple[int, str]] = []
    settlement: SetSettlement | None = None
    settlement_waiting: SetSettlement | None = None
    settlement_configured: SetSettlement | None = None
    settlement_day: int = 0
    buy_ins: int = 0
    obligations: list[ObligationState] = []
    allocated: list[tuple[int, Side]] = []
    fees_configured: list[SetFees] = []


_STATE_FIELDS_BEFORE = 14


def digested(state: EngineState) -> list[object]:
    """What a digest is made of: the state without fields at the end of its records that came later and say nothing. So a state that
    makes no use of what came later has the digest that it always had."""
    fields: list[object] = list(msgspec.structs.astuple(state))
    for index, records in ((5, state.instruments), (6, state.participants), (7, state.accounts)):
        fields[index] = [_shortened(list(msgspec.structs.astuple(record)), _FIELDS_BEFORE[type(record)]) for record in records]
    return _shortened(fields, _STATE_FIELDS_BEFORE)


def _shortened(fields: list[object], least: int) -> list[object]:
    while len(fields) > least and fields[-1] in _NOTHING:
        fields.pop()
    return fields


def order_state(order: Order) -> OrderState:
    """What there is to know about an order."""
    level = order.level if order.parked != "stop" else None  # the level of a stop is in no book
    return OrderState(
        order.order_id, order.participant.name, order.session, order.cl_ord_id, order.account.name, order.instrument.symbol,
        order.side, order.order_type, order.time_in_force, order.price, order.quantity, order.leaves, order.executed, order.value,
        order.expire_time, order.routing, order.status, order.entered, order.exec_inst, order.cancel_on_disconnect,
        order.conditions, order.limit, order.shown if level is not None else 0, order.parked, order.busted,
        level.price if level is not None and order.order_type == PEGGED else 0,
    )  # fmt: skip


def obligation_state(obligation: Obligation) -> ObligationState:
    """What there is to know about an obligation."""
    return ObligationState(
        obligation.number, obligation.netting, obligation.name, obligation.instrument.symbol, obligation.quantity, obligation.price,
        str(obligation.money), obligation.multiple, obligation.due, obligation.days,
    )  # fmt: skip


# ----------------------------------------------------------------------------------------------------- to a record


def state_of(market: Market) -> EngineState:
    """Everything, in an order that depends on nothing but the commands."""
    open_orders = [order_state(order) for order in _in_priority(market)]
    participants = []
    ended: dict[int, Order] = {}
    for _, participant in sorted(market.participants.items()):
        used = []
        for cl_ord_id, order in participant.client_ids.items():
            used.append((cl_ord_id, order.order_id if order else 0))
            if order and order.ended:
                ended[order.order_id] = order
        ended.update(participant.quotes_ended)
        participants.append(
            ParticipantState(
                participant.terms, participant.access, participant.configured, sorted(used),
                [(symbol, *fees) for symbol, fees in sorted(participant.fees.items())],
            )
        )  # fmt: skip
    ended_orders = [order_state(order) for _, order in sorted(ended.items())]
    large_values: list[tuple[int, str]] = []
    for lines in (open_orders, ended_orders):
        for index, line in enumerate(lines):
            if line.value > INT64_MAX:
                large_values.append((line.order_id, str(line.value)))
                lines[index] = msgspec.structs.replace(line, value=0)
    return EngineState(
        market.command_seq,
        market.event_seq,
        market.time,
        market.trading_day,
        market.day_began,
        [
            InstrumentState(
                instrument.terms, instrument.phase, instrument.reference_price, instrument.last, instrument.until,
                instrument.closing_price, instrument.indicated, instrument.marks, instrument.configured, instrument.traded,
                [
                    UnnettedState(
                        name, str(unnetted.quantity), str(unnetted.money), str(unnetted.bought), str(unnetted.sold_for)
                    )
                    for name, unnetted in sorted(instrument.unnetted.items())
                ],
                instrument.split_seq, instrument.initial_ppm, instrument.maintenance_ppm, instrument.margin_configured,
            )
            for _, instrument in sorted(market.instruments.items())
        ],
        participants,
        [
            AccountState(
                account.terms,
                [(asset, str(cash.total)) for asset, cash in sorted(account.cash.items()) if cash.total],
                [(asset, str(position.total)) for asset, position in sorted(account.positions.items()) if position.total],
                account.configured,
                sorted(account.held),
                sorted(account.called),
            )
            for _, account in sorted(market.accounts.items())
        ],
        open_orders,
        ended_orders,
        _groups(market),
        sorted(market.markets.items()),
        sorted(market.amended.items()),
        large_values,
        market.settlement_said,
        market.settlement_waiting,
        market.settlement_configured,
        market.settlement_day,
        market.buy_ins,
        [obligation_state(obligation) for obligation in market.obligations.values()],
        sorted(market.allocated),
        [terms for _, terms in sorted(market.fees_configured.items())],
    )  # fmt: skip


def _in_priority(market: Market) -> list[Order]:
    """The open orders: those of each book, its stops, then whatever waits for something else, in the order of entry."""
    orders: list[Order] = []
    for _, instrument in sorted(market.instruments.items()):
        for side in (instrument.bids, instrument.offers, instrument.buy_stops, instrument.sell_stops):
            for level in side:
                orders += level
    waiting = [
        order
        for participant in market.participants.values()
        for order in participant.open_orders.values()
        if order.level is None
    ]
    return orders + sorted(waiting, key=entry_order)


def _groups(market: Market) -> list[tuple[Contingency, list[int]]]:
    found: dict[int, OrderGroup] = {}
    for participant in market.participants.values():
        for order in participant.open_orders.values():
            if order.group is not None:
                found.setdefault(order.group.orders[0].order_id, order.group)
    return [
        (group.contingency, [order.order_id for order in group.orders if not order.ended]) for _, group in sorted(found.items())
    ]


# --------------------------------------------------------------------------------------------------- from a record


def market_of(state: EngineState) -> Market:
    """The market that `state` was made of."""
    market = Market()
    market.command_seq, market.event_seq, market.time = state.command_seq, state.event_seq, state.time
    market.trading_day, market.day_began = state.trading_day, state.day_began
    market.markets = dict(state.markets)
    market.amended = dict(state.amended)
    for entry in state.instruments:
        instrument = market.instruments[entry.terms.instrument] = Instrument(entry.terms)
        instrument.phase, instrument.last = entry.phase, entry.last
        instrument.until, instrument.closing_price = entry.until, entry.closing_price
        instrument.indicated, instrument.marks = entry.indicated, entry.marks
        instrument.configured = entry.configured
        instrument.set_reference(entry.reference_price)
        instrument.traded = entry.traded
        instrument.split_seq, instrument.margin_configured = entry.split_seq, entry.margin_configured
        instrument.initial_ppm, instrument.maintenance_ppm = entry.initial_ppm, entry.maintenance_ppm
        if entry.initial_ppm or entry.maintenance_ppm:
            market.margined[instrument.symbol] = instrument
    for person in state.participants:
        participant = market.participants[person.terms.participant] = Participant(person.terms.participant)
        participant.set_terms(person.terms)
        participant.set_access(person.access)
        participant.configured = person.configured
        participant.fees = {symbol: (maker, taker) for symbol, maker, taker in person.fees}
    for saved in state.accounts:
        account = Account(market.participants[saved.terms.participant], saved.terms, market.instruments)
        market.accounts[account.name] = account
        account.configured = saved.configured
        account.held, account.called = set(saved.held), set(saved.called)
        if account.called:
            market.called[account.name] = account
        for asset, total in saved.cash:
            account.cash_in(asset).total = int(total)
        for asset, total in saved.holdings:
            account.position_in(asset).total = int(total)
    _restore_settlement(market, state)
    _restore_orders(market, state)
    compute_margins(market, market.margined.values())
    market.margins_seq = market.event_seq
    return market


def _restore_settlement(market: Market, state: EngineState) -> None:
    market.use_settlement(state.settlement)
    market.settlement_waiting, market.settlement_configured = state.settlement_waiting, state.settlement_configured
    market.settlement_day, market.buy_ins = state.settlement_day, state.buy_ins
    market.allocated = set(state.allocated)
    market.fees_configured = {(terms.participant, terms.instrument): terms for terms in state.fees_configured}
    for entry in state.instruments:
        instrument = market.instruments[entry.terms.instrument]
        for saved in entry.unnetted:
            unnetted = Unnetted(int(saved.quantity), int(saved.money), int(saved.bought), int(saved.sold_for))
            instrument.unnetted[saved.account] = unnetted
            account = market.accounts[saved.account]
            account.position_in(instrument.symbol).unsettled += unnetted.quantity
            account.cash_in(instrument.currency).unsettled += unnetted.money
    for line in state.obligations:
        owner = market.accounts[line.account] if line.account else None
        instrument = market.instruments[line.instrument]
        obligation = market.obligations[line.number] = Obligation(
            line.number, line.netting, owner, instrument, line.quantity, line.price, int(line.money), line.due
        )
        obligation.multiple, obligation.days = line.multiple, line.days
        if owner is not None:
            cash, position = obligation.balances()
            cash.unsettled += obligation.cash
            position.unsettled += obligation.quantity
    block_anew(market)


def _restore_orders(market: Market, state: EngineState) -> None:
    orders: dict[int, Order] = {0: cast(Order, None)}
    for line in state.open_orders:
        order = orders[line.order_id] = _restored(market, line)
        _put_back(market, order, line.peg_price)
        if order.time_in_force == GTD:
            market.expiries.append((order.expire_time, order.order_id, order))
    heapq.heapify(market.expiries)
    opened = [orders[line.order_id] for line in state.open_orders]
    for order in sorted(opened, key=entry_order):
        order.participant.open_orders[order.order_id] = order
        if order.is_quote:
            key = order.account.name, order.instrument.symbol
            bid, offer = order.participant.quotes.get(key, (None, None))
            order.participant.quotes[key] = (order, offer) if order.side == BUY else (bid, order)
    for line in state.ended_orders:
        order = orders[line.order_id] = _restored(market, line)
        if order.is_quote:
            order.participant.quotes_ended[order.order_id] = order
    for order_id, value in state.large_values:
        orders[order_id].value = int(value)
    for person in state.participants:
        client_ids = {cl_ord_id: orders[order_id] for cl_ord_id, order_id in person.client_ids}
        market.participants[person.terms.participant].client_ids = cast(dict[str, Order | None], client_ids)
    for contingency, numbers in state.groups:
        group = OrderGroup(contingency, [orders[number] for number in numbers])
        for order in group.orders:
            order.group = group
    for order in opened:
        if order.parked != "list" and (order.group is None or order.group.contingency != ONE_CANCELS_THE_OTHER):
            reserve(order, need(order))
    for contingency, numbers in state.groups:
        if contingency == ONE_CANCELS_THE_OTHER:
            one = orders[numbers[0]].group
            assert one is not None, "the orders of a list know it"
            for holder in holders(one):
                reserve(holder, need(holder))


def _restored(market: Market, line: OrderState) -> Order:
    account, instrument = market.accounts[line.account], market.instruments[line.instrument]
    order = Order(
        line.order_id, market.participants[line.participant], line.session, line.cl_ord_id, account,
        account.cash_in(instrument.currency), account.position_in(instrument.symbol), instrument, line.side, line.order_type,
        line.time_in_force, line.price, line.quantity, line.expire_time, line.routing, line.entered, line.exec_inst,
        line.cancel_on_disconnect, line.limit, 0, line.conditions, line.leaves,
    )  # fmt: skip
    order.executed, order.value = line.executed, line.value
    order.shown, order.parked, order.busted = line.shown, line.parked, line.busted
    order.ended = line.status if line.status in (FILLED, CANCELED, EXPIRED) else OPEN
    return order


def _put_back(market: Market, order: Order, peg_price: int) -> None:
    """Put an open order where it was: behind those that were told before it."""
    instrument, parked = order.instrument, order.parked
    if order.order_type == PEGGED and parked != "list":
        instrument.pegged[order.order_id] = order
        market.pegged[instrument.symbol] = instrument
    side: BookSide
    if parked == "stop":
        assert order.conditions is not None, "a stop says its price"
        side = instrument.buy_stops if order.side == BUY else instrument.sell_stops
        side.add(order, order.conditions.stop_price)
    elif parked == "close":
        instrument.at_close[order.order_id] = order
    elif peg_price:
        (instrument.bids if order.side == BUY else instrument.offers).add(order, peg_price)
    elif not parked:
        rest(order)
