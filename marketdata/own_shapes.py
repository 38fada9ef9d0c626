"""A participant's orders and executions as the JSON of REST and of the stream says them; it decides nothing about who is told.

Texts are those of marketdata/shapes.py. What an order does not say is null.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from marketdata import orders, own
from marketdata.own import ExecutionStatus, Liquidity, OwnOrders
from marketdata.shapes import iso_time
from matching.instruments import decimal_text, money_text
from matching.messages import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    DAY,
    FOK,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PEGGED,
    STOP,
    STOP_LIMIT,
    CancelReason,
    Conditions,
    InstrumentDefined,
    OrderType,
    TimeInForce,
)
from matching.messages import Side as SideCode

AVERAGE_EXTRA_DECIMALS = 4  # beyond those of the price, as in AvgPx(6)

Side = Literal["buy", "sell"]
Type = Literal["market", "limit", "stop", "stop-limit", "market-to-limit", "pegged"]
Validity = Literal["day", "gtc", "ioc", "fok", "gtd", "at-the-opening", "at-the-close"]
PegTo = Literal["primary", "midpoint", "market"]
Status = Literal["new", "partially-filled", "filled", "canceled", "replaced", "rejected", "expired", "waiting"]

SIDES: dict[SideCode, Side] = {"1": "buy", "2": "sell"}
TYPES: dict[OrderType, Type] = {
    MARKET: "market", LIMIT: "limit", STOP: "stop", STOP_LIMIT: "stop-limit", MARKET_TO_LIMIT: "market-to-limit", PEGGED: "pegged",
}  # fmt: skip
VALIDITIES: dict[TimeInForce, Validity] = {
    DAY: "day", GTC: "gtc", IOC: "ioc", FOK: "fok", GTD: "gtd", AT_THE_OPENING: "at-the-opening", AT_THE_CLOSE: "at-the-close",
}  # fmt: skip
_STATUSES: dict[str, Status] = {
    "new": "new", "partially-filled": "partially-filled", "filled": "filled", "canceled": "canceled", "rejected": "rejected",
    "expired": "expired", "waiting": "waiting",
}  # fmt: skip
_ASKED_FOR = frozenset(("", *(orders.words(reason.name) for reason in (CancelReason.REQUESTED, CancelReason.MASS_CANCEL))))
_NONE = Conditions()


class Order(msgspec.Struct, frozen=True):
    """An order as it stands. `leaves` is what is open of it, `executed` what has traded; `reason` says why it was refused, or
    ended unfilled where its owner has not asked for that.
    `session` is the FIX session that entered or replaced it last. The `cl_ord_id` of a side of a quote is empty."""

    order_id: str
    cl_ord_id: str
    account: str
    session: str
    symbol: str
    side: Side
    type: Type
    time_in_force: Validity
    quantity: str
    price: str | None
    stop_price: str | None
    display_quantity: str | None
    min_quantity: str | None
    post_only: bool
    peg: PegTo | None
    peg_offset: str | None
    expire_time: str | None
    status: Status
    executed: str
    leaves: str
    average_price: str | None
    entered: str
    reason: str | None


class Execution(msgspec.Struct, frozen=True):
    """One side of a trade. `id` is ExecID(17) of its report: the number of the trade, and M for who was there first, T for who
    came second. `fee` is below zero where the venue pays."""

    id: str
    time: str
    symbol: str
    side: Side
    price: str
    quantity: str
    fee: str
    account: str
    order_id: str
    cl_ord_id: str
    liquidity: Liquidity
    status: ExecutionStatus


def order(own_orders: OwnOrders, one: orders.Order) -> Order:
    terms = own_orders.terms[one.instrument].defined
    said = one.conditions or _NONE
    price_decimals, quantity_decimals = terms.price_decimals, terms.quantity_decimals
    return Order(
        order_id=str(one.order_id),
        cl_ord_id=one.cl_ord_id,
        account=one.account,
        session=one.session,
        symbol=one.instrument,
        side=SIDES[one.side],
        type=TYPES[one.order_type],
        time_in_force=VALIDITIES[one.time_in_force],
        quantity=decimal_text(one.quantity, quantity_decimals),
        price=_said(one.price, price_decimals),
        stop_price=_said(said.stop_price, price_decimals),
        display_quantity=_said(said.display_quantity, quantity_decimals),
        min_quantity=_said(said.min_quantity, quantity_decimals),
        post_only=said.post_only,
        peg=said.peg or None,
        peg_offset=_said(said.peg_offset, price_decimals),
        expire_time=iso_time(one.expire_time) if one.expire_time else None,
        status=_STATUSES[one.status],
        executed=decimal_text(one.executed, quantity_decimals),
        leaves=decimal_text(one.leaves, quantity_decimals),
        average_price=_average(one, price_decimals),
        entered=iso_time(one.entered),
        reason=one.reason if one.reason not in _ASKED_FOR else None,
    )


def execution(terms: InstrumentDefined, one: own.Execution) -> Execution:
    """`terms` are those of the instrument."""
    return Execution(
        id=f"{one.number}{'M' if one.maker else 'T'}",
        time=iso_time(one.time),
        symbol=one.instrument,
        side=SIDES[one.side],
        price=decimal_text(one.price, terms.price_decimals),
        quantity=decimal_text(one.quantity, terms.quantity_decimals),
        fee=money_text(one.fee),
        account=one.account,
        order_id=str(one.order_id),
        cl_ord_id=one.cl_ord_id,
        liquidity=one.liquidity,
        status=one.status,
    )


def _said(units: int, decimals: int) -> str | None:
    return decimal_text(units, decimals) if units else None


def _average(one: orders.Order, price_decimals: int) -> str | None:
    """Exact to AVERAGE_EXTRA_DECIMALS more than the price has, halves up; as short as the price where it is one."""
    if not one.executed:
        return None
    if one.value % one.executed == 0:
        return decimal_text(one.value // one.executed, price_decimals)
    scaled = (2 * one.value * 10**AVERAGE_EXTRA_DECIMALS + one.executed) // (2 * one.executed)
    return decimal_text(scaled, price_decimals + AVERAGE_EXTRA_DECIMALS)
