"""What the tests of the history are written in: its tables as plain rows, and the same rows by the slowest means there are."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Engine, select

from following.eventlog import Record
from marketdata.candles import INTERVALS
from marketdata.history import schema
from matching.messages import (
    AccountDefined,
    Event,
    EventBatch,
    InstrumentDefined,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrderSplit,
    TradeBusted,
    TradeCorrected,
    Traded,
)
from tests.history.naive import NaiveMarket

_encode = msgspec.msgpack.Encoder().encode
EXPIRED = {8, 9, 11, 12}


def record(events: Sequence[Event], command_seq: int = 0, time: int = 1_000) -> Record:
    """One record of an event log."""
    batch = EventBatch(command_seq or events[-1].seq, time, list(events))
    return Record(events[0].seq, zlib.crc32(_encode(batch)), batch)


def rows(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a history, by table, in the order of the primary key."""
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in schema.metadata.sorted_tables
        }


def named_rows(engine: Engine, table: str) -> list[dict[str, Any]]:
    """The rows of a table, each with what is not empty in it."""
    names = schema.metadata.tables[table].columns.keys()
    return [
        {name: value for name, value in zip(names, row, strict=True) if value not in (None, "", 0, False)}
        for row in rows(engine)[table]
    ]


class NaiveHistory:
    """The tables as dicts by column, updated event by event; nothing is shared with what it is compared to."""

    def __init__(self) -> None:
        self.market = NaiveMarket()
        self.instruments: dict[str, tuple[Any, ...]] = {}
        self.accounts: dict[str, str] = {}
        self.orders: dict[int, dict[str, Any]] = {}
        self.trades: dict[int, dict[str, Any]] = {}
        self.days: dict[int, int] = {}

    def apply(self, batch: EventBatch) -> None:
        before = self.market.day
        for event in batch.events:
            self.market.apply(EventBatch(0, batch.time, [event]))
            if self.market.day != before and self.market.day is not None:
                self.days[self.market.day] = event.seq
                before = self.market.day
            self._take(event, batch.time)

    def _take(self, event: Event, time: int) -> None:
        if isinstance(event, InstrumentDefined):
            self.instruments[event.instrument] = (
                event.instrument, event.currency, event.market, event.price_decimals, event.quantity_decimals, event.tick,
                event.lot,
            )  # fmt: skip
        elif isinstance(event, AccountDefined):
            self.accounts[event.account] = event.participant
        elif isinstance(event, OrderAccepted | OrderRejected):
            order = {column: getattr(event, column, None) for column in schema.orders.columns.keys()}  # noqa: SIM118
            order |= {
                "event_seq": event.seq,
                "entered": time,
                "conditions": said(event.conditions),
                "parked": "",
                "leaves": 0,
                "executed": 0,
                "value": 0,
                "busted": 0,
                "is": "",
            }
            if isinstance(event, OrderRejected):
                reason = event.reason.name.lower().replace("_", "-")
                order |= {"ended": time, "reason": reason, "text": event.text, "is": "rejected"}
            else:
                order |= {"parked": event.parked, "leaves": event.quantity}
            self.orders[event.order_id] = order
        elif isinstance(event, OrderReplaced):
            order = self.orders[event.order_id]
            for name in (
                "session", "cl_ord_id", "order_type", "time_in_force", "price", "quantity", "leaves", "expire_time", "exec_inst",
                "parked",
            ):  # fmt: skip
                order[name] = getattr(event, name)
            order["conditions"] = said(event.conditions)
            if not event.leaves:
                order |= {"is": "filled", "ended": time}
        elif isinstance(event, OrderCanceled):
            reason = event.reason.name.lower().replace("_", "-")
            is_ = "expired" if event.reason in EXPIRED else "canceled"
            self.orders[event.order_id] |= {"leaves": 0, "parked": "", "reason": reason, "ended": time, "is": is_}
        elif isinstance(event, OrderActivated):
            for name in ("order_type", "price", "parked"):
                self.orders[event.order_id][name] = getattr(event, name)
        elif isinstance(event, OrderRepriced):
            self.orders[event.order_id]["parked"] = "" if event.price else "peg"
        elif isinstance(event, OrderRestated):
            for name in ("order_type", "price", "quantity", "leaves"):
                self.orders[event.order_id][name] = getattr(event, name)
            if event.reason == 1:
                self.orders[event.order_id]["parked"] = ""
        elif isinstance(event, OrderSplit):
            for name in ("price", "quantity", "leaves", "executed", "busted"):
                self.orders[event.order_id][name] = getattr(event, name)
            self.orders[event.order_id]["conditions"] = said(event.conditions)
        elif isinstance(event, Traded):
            maker, taker = self.orders[event.maker_order_id], self.orders[event.taker_order_id]
            trade = {column: getattr(event, column, None) for column in schema.trades.columns.keys()}  # noqa: SIM118
            self.trades[event.seq] = trade | {
                "event_seq": event.seq,
                "time": time,
                "status": "traded",
                "maker_cl_ord_id": maker["cl_ord_id"],
                "taker_cl_ord_id": taker["cl_ord_id"],
            }
            for order, leaves in ((maker, event.maker_leaves), (taker, event.taker_leaves)):
                order["executed"] += event.quantity
                order["value"] += event.price * event.quantity
                order["leaves"] = leaves
                if not leaves:
                    order |= {"is": "filled", "ended": time}
        elif isinstance(event, TradeBusted | TradeCorrected):
            self._amend(event, time)

    def _amend(self, event: TradeBusted | TradeCorrected, time: int) -> None:
        trade = self.trades[event.trade_seq]
        price, quantity = (event.price, event.quantity) if isinstance(event, TradeCorrected) else (0, 0)
        for order_id in (trade["maker_order_id"], trade["taker_order_id"]):
            order = self.orders[order_id]
            order["executed"] -= trade["quantity"] - quantity
            order["busted"] += trade["quantity"] - quantity
            order["value"] += price * quantity - trade["price"] * trade["quantity"]
        trade |= {"amended": time, "amended_by": event.by}
        if isinstance(event, TradeBusted):
            trade["status"] = "busted"
            return
        trade["status"] = "corrected"
        for name in ("price", "quantity", "maker_fee", "taker_fee"):
            if trade[f"traded_{name}"] is None:
                trade[f"traded_{name}"] = trade[name]
            trade[name] = getattr(event, name)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """As rows() of the database says them, but for the cursor."""
        orders = []
        for order in self.orders.values():
            status = order["is"] or ("waiting" if order["parked"] else "partially-filled" if order["executed"] else "new")
            if status == "filled" and order["busted"]:
                status = "canceled"
            orders.append(tuple((order | {"status": status})[name] for name in schema.orders.columns.keys()))  # noqa: SIM118
        symbols = sorted({trade.instrument for trade in self.market.trades})
        return {
            "instruments": sorted(self.instruments.values()),
            "accounts": sorted(self.accounts.items()),
            "orders": sorted(orders, key=lambda row: row[0]),
            "trades": [tuple(trade.values()) for _, trade in sorted(self.trades.items())],
            "candles": sorted(
                (symbol, interval, *candle)
                for symbol in symbols
                for interval in INTERVALS
                for candle in self.market.candles(symbol, interval)
            ),
            "days": sorted(self.days.items()),
        }


def said(conditions: Any) -> str | None:
    if conditions is None:
        return None
    plain = type(conditions)()
    names = [name for name in conditions.__struct_fields__ if getattr(conditions, name) != getattr(plain, name)]
    return msgspec.json.encode({name: getattr(conditions, name) for name in names}).decode()
