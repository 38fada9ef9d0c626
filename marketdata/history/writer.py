"""Writes what events do into the history's database, each event once, whatever happens in between; it reads no log by itself.

Rows and cursor are one database transaction. After any failure nothing that is in memory counts: `load` reads where the tables
stand, the open orders and the present candles, and the events after that are written (again). A restart reads no log, and not the
trades of the day: a candle of which a trade is busted is made anew from the table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, Row, Table, bindparam, delete, insert, select, text, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from following.database import DatabaseGone, trouble_named
from following.eventlog import Record
from following.follower import Cursor, begin_cursor, confirm_cursor, cursor_behind, due_records, move_cursor, read_cursor
from following.numbers import for_sqlite
from marketdata.candles import DAY, INTERVALS, WIDTHS, Candle, begin_of
from marketdata.history import schema
from marketdata.history.database import NAME, migrate
from marketdata.history.rows import ANEW, BUSTED, Amendment, CandleKey, Changes, RowMissing, Rows, TradeRow, amended
from marketdata.orders import CANCELED, FILLED, Order
from matching.messages import Conditions, OrderAccepted, TradeBusted

ROWS_AT_A_TIME = 10_000
# What may change of an order after it was entered; in the table these columns stand behind the others.
CHANGING = tuple(column.name for column in schema.orders.columns)[schema.orders.columns.keys().index("entered") + 1 :]
_PLAIN = Conditions()


class Posted(NamedTuple):
    """What one call of post() did. `seconds` is how long the commit took."""

    cursor: Cursor
    events: int
    orders: int  # new ones
    trades: int
    rows: int  # of orders, trades and candles, that are new or changed
    seconds: float


class History:
    """The one writer of a history. Not for two threads."""

    name = NAME
    anew = ANEW

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.cursor = Cursor()
        self.rows = Rows()
        self._connection: Connection | None = None
        sqlite_is_it = engine.dialect.name == "sqlite"
        self._whole: Callable[[int], int | str] = for_sqlite if sqlite_is_it else int
        self._insert = _insert_many if sqlite_is_it else _insert_by_copy
        self._update_orders = _update_one_by_one if sqlite_is_it else _update_by_copy

    def load(self) -> Cursor:
        """Connect, bring the tables up to date, and read where they stand. Raises DatabaseGone, Refused."""
        self.close()
        with trouble_named(self.engine):
            connection = self._connection = self.engine.connect()
            with connection.begin():
                migrate(connection)
                cursor = read_cursor(connection, schema.cursor)
                if cursor is None:
                    begin_cursor(connection, schema.cursor)
                self.cursor = cursor or Cursor()
                self.rows = _rows_of(connection)
                if self.engine.dialect.name == "postgresql":
                    connection.execute(text(_CHANGED_ORDERS))
        return self.cursor

    def post(self, records: list[Record]) -> Posted:
        """Write the events of `records` in one database transaction. What is written already is ignored.

        Raises EventsMissing where they do not go on where the history ends, RowMissing, DatabaseRefused, DatabaseGone,
        DatabaseConflict. After any of them: load() first.
        """
        if self._connection is None:
            raise DatabaseGone("not connected")
        try:
            return self._post(self._connection, records)
        except BaseException:
            self.close()
            raise

    def _post(self, connection: Connection, records: list[Record]) -> Posted:
        before = cursor = self.cursor
        for record in due_records(records, before, self.name):
            self.rows.apply(record.batch)
            cursor = cursor_behind(record)
        if cursor == before:
            return Posted(before, 0, 0, 0, 0, 0.0)
        changes = self.rows.take_changes()
        with trouble_named(self.engine):
            transaction = connection.begin()
            with transaction:
                move_cursor(connection, schema.cursor, before, cursor, self.name)
                written = self._write(connection, changes)
                started = time.perf_counter()
                self._commit(transaction)
                seconds = time.perf_counter() - started
        self.cursor = cursor
        events = cursor.event_seq - before.event_seq
        return Posted(cursor, events, len(changes.new_orders), len(changes.trades), written, seconds)

    def _commit(self, transaction: Any) -> None:
        transaction.commit()

    def _write(self, connection: Connection, changes: Changes) -> int:
        self._upsert(connection, schema.days, [{"begin": begin, "first_event": seq} for begin, seq in changes.days.items()])
        accounts = [{"account": name, "participant": participant} for name, participant in changes.accounts.items()]
        self._upsert(connection, schema.accounts, accounts)
        columns = schema.instruments.columns.keys()
        instruments = [{name: getattr(terms, name) for name in columns} for terms in changes.instruments.values()]
        self._upsert(connection, schema.instruments, instruments)
        amended_trades, stale = self._amend(connection, changes) if changes.amendments else ({}, set())
        whole = self._whole
        new, changed = changes.new_orders, changes.changed_orders
        if new:
            self._insert(connection, schema.orders, [(*_fixed(order), *_changing(order, whole)) for order in new.values()])
        if changed:
            rows = [(*_changing(order, whole), order_id) for order_id, order in sorted(changed.items())]
            self._update_orders(connection, rows)
        if changes.trades:
            self._insert(connection, schema.trades, list(changes.trades.values()))
        if amended_trades:
            _update_trades(connection, amended_trades)
        for key in sorted(stale):
            changes.candles[key] = self._remade(connection, key)
        self._write_candles(connection, changes.candles)
        return len(new) + len(changed) + len(changes.trades) + len(amended_trades) + len(changes.candles)

    # ------------------------------------------------------------------------------------- busts and corrections

    def _amend(self, connection: Connection, changes: Changes) -> tuple[dict[int, TradeRow], set[CandleKey]]:
        """Have trades and their orders be as amendments say. What is returned are trades of before as they are now, and the
        candles that are made anew."""
        of_before: dict[int, TradeRow] = {}
        stale: set[CandleKey] = set()
        for amendment in changes.amendments:
            seq = amendment.event.trade_seq
            old = changes.trades.get(seq) or of_before.get(seq) or _read_trade(connection, amendment)
            new = amended(old, amendment)
            (changes.trades if seq in changes.trades else of_before)[seq] = new
            quantity = 0 if isinstance(amendment.event, TradeBusted) else new.quantity
            for order_id in (old.maker_order_id, old.taker_order_id):
                order = changes.new_orders.get(order_id) or changes.changed_orders.get(order_id) or self.rows.orders.get(order_id)
                if order is None:
                    order = _order_of(connection.execute(select(schema.orders).where(schema.orders.c.order_id == order_id)).one())
                order.amend(old.price, old.quantity, new.price, quantity)
                if order_id not in changes.new_orders:
                    changes.changed_orders[order_id] = order
            stale.update((old.instrument, name, begin_of(name, old.time, amendment.day)) for name in INTERVALS)
        return of_before, stale

    def _remade(self, connection: Connection, key: CandleKey) -> Candle:
        """A candle made from the trades that stand. It is the present one of its instrument where that begins there."""
        instrument, interval, begin = key
        trades = schema.trades.c
        query = select(trades.price, trades.quantity).where(trades.instrument == instrument, trades.status != BUSTED)
        if interval == DAY:
            days = schema.days.c
            first = connection.execute(select(days.first_event).where(days.begin == begin)).scalar_one()
            later = select(days.first_event).where(days.begin > begin).order_by(days.begin).limit(1)
            end = connection.execute(later).scalar()
            query = query.where(trades.event_seq >= first)
            if end is not None:
                query = query.where(trades.event_seq < end)
        else:
            query = query.where(trades.time >= begin, trades.time < begin + WIDTHS[interval])
        candle = _candle(begin, connection.execute(query.order_by(trades.event_seq).execution_options(yield_per=ROWS_AT_A_TIME)))
        present = self.rows.candles.get((instrument, interval))
        if present is not None and present.begin == begin:
            if candle.trades:
                self.rows.candles[instrument, interval] = candle
            else:
                del self.rows.candles[instrument, interval]
        return candle

    # --------------------------------------------------------------------------------------------------- tables

    def _write_candles(self, connection: Connection, candles: dict[CandleKey, Candle]) -> None:
        gone = [key for key, candle in candles.items() if not candle.trades]
        if gone:
            table = schema.candles
            connection.execute(delete(table).where(tuple_(*table.primary_key).in_(gone)))
        rows = [
            {"instrument": instrument, "interval": interval, **candle._asdict()}
            for (instrument, interval, _), candle in candles.items()
            if candle.trades
        ]
        self._upsert(connection, schema.candles, rows)

    def _upsert(self, connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
        """Put rows into a table, in the place of those with their key."""
        if rows:
            dialect: Any = sqlite if self.engine.dialect.name == "sqlite" else postgresql
            new = dialect.insert(table)
            keys = list(table.primary_key)
            others = {column.name: new.excluded[column.name] for column in table.columns if column not in keys}
            connection.execute(new.on_conflict_do_update(index_elements=keys, set_=others), rows)

    def confirm(self) -> None:
        """See that the database is there, and stands where this one left it. Raises as post() does; then load() first."""
        if self._connection is None:
            raise DatabaseGone("not connected")
        try:
            with trouble_named(self.engine):
                confirm_cursor(self._connection, schema.cursor, self.cursor, self.name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection; what was not committed is undone."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


# ------------------------------------------------------------------------------------------------ rows as they are


def _fixed(order: Order) -> tuple[object, ...]:
    return (
        order.order_id, order.event_seq, order.participant, order.account, order.instrument, order.side, order.entered,
    )  # fmt: skip


def _changing(order: Order, whole: Callable[[int], int | str]) -> tuple[object, ...]:
    """The columns CHANGING of an order."""
    conditions = order.conditions
    return (
        _plain(order.session), _plain(order.cl_ord_id), order.order_type, order.time_in_force, order.price, order.quantity,
        order.expire_time, _plain(order.exec_inst), None if conditions is None else conditions_text(conditions), order.status,
        order.parked, order.leaves, order.executed, whole(order.value), order.busted, order.ended or None, order.reason or None,
        _plain(order.text) or None,
    )  # fmt: skip


def _plain(said: str) -> str:
    """Without the one character that PostgreSQL does not take."""
    return said.replace("\0", "\ufffd") if "\0" in said else said


def conditions_text(conditions: Conditions) -> str:
    said = {
        name: getattr(conditions, name)
        for name in Conditions.__struct_fields__
        if getattr(conditions, name) != getattr(_PLAIN, name)
    }
    return msgspec.json.encode(said).decode()


def conditions_of(said: str | None) -> Conditions | None:
    return None if said is None else Conditions(**msgspec.json.decode(said))


def _order_of(row: Row[Any]) -> Order:
    """An order as its row has it."""
    accepted = OrderAccepted(
        row.event_seq, row.order_id, row.participant, row.session, row.cl_ord_id, row.account, row.instrument, row.side,
        row.order_type, row.time_in_force, row.price, row.quantity, row.expire_time, "", row.exec_inst, False,
        conditions_of(row.conditions), row.parked,
    )  # fmt: skip
    order = Order(accepted, row.entered)
    order.leaves, order.executed, order.value, order.busted = row.leaves, row.executed, row.value, row.busted
    order.ended, order.reason, order.text = row.ended or 0, row.reason or "", row.text or ""
    if row.ended is not None:
        # One that was filled, and of which something was busted, is canceled for no reason of its own.
        order.end = FILLED if row.status == CANCELED and row.reason is None else row.status
    return order


def _rows_of(connection: Connection) -> Rows:
    """What goes on: open orders, the last candles, the present day."""
    rows = Rows()
    found = connection.execute(select(schema.orders).where(schema.is_open).order_by(schema.orders.c.event_seq))
    rows.orders = {row.order_id: _order_of(row) for row in found}
    candles, days = schema.candles, schema.days
    columns = [candles.c[name] for name in Candle._fields]
    for instrument in connection.execute(select(schema.instruments.c.instrument)).scalars():
        for interval in INTERVALS:
            of_it = select(*columns).where(candles.c.instrument == instrument, candles.c.interval == interval)
            last = connection.execute(of_it.order_by(candles.c.begin.desc()).limit(1)).first()
            if last is not None:
                rows.candles[instrument, interval] = Candle(*last)
    day = connection.execute(select(days.c.begin).order_by(days.c.begin.desc()).limit(1)).scalar()
    rows.day = -1 if day is None else day
    return rows


def _read_trade(connection: Connection, amendment: Amendment) -> TradeRow:
    event = amendment.event
    columns = [schema.trades.c[name] for name in TradeRow._fields]
    row = connection.execute(select(*columns).where(schema.trades.c.event_seq == event.trade_seq)).first()
    if row is None:
        raise RowMissing(f"event {event.seq} is about trade {event.trade_seq}, which the history does not have. {ANEW}")
    return TradeRow(*row)


def _candle(begin: int, trades: Any) -> Candle:
    """A candle of (price, quantity), oldest first."""
    volume = value = count = first = last = high = low = 0
    for price, quantity in trades:
        if not count:
            first = high = low = price
        high, low, last = max(high, price), min(low, price), price
        volume += quantity
        value += price * quantity
        count += 1
    return Candle(begin, first, high, low, last, volume, value, count)


# --------------------------------------------------------------------------------------------------- many rows


def _insert_many(connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Plain tuples to the driver: to bind each value by its column's type would take longer than to store it."""
    connection.exec_driver_sql(str(insert(table).compile(dialect=connection.dialect)), rows)


def _insert_by_copy(connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    _copy(connection, table.name, table.columns.keys(), rows)


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    names = ", ".join(f'"{name}"' for name in columns)
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


_SET = ", ".join(f'"{name}" = {{}}' for name in CHANGING)
_UPDATE_ONE = f"UPDATE orders SET {_SET.format(*['?'] * len(CHANGING))} WHERE order_id = ?"
_NAMES = ", ".join(f'"{name}"' for name in (*CHANGING, "order_id"))
_CHANGED_ORDERS = f"CREATE TEMPORARY TABLE changed_orders ON COMMIT DELETE ROWS AS SELECT {_NAMES} FROM orders WITH NO DATA"
_CHANGED = [f'changed_orders."{name}"' for name in CHANGING]
_UPDATE_ALL = f"UPDATE orders SET {_SET.format(*_CHANGED)} FROM changed_orders WHERE orders.order_id = changed_orders.order_id"


def _update_one_by_one(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    connection.exec_driver_sql(_UPDATE_ONE, rows)


def _update_by_copy(connection: Connection, rows: Sequence[tuple[object, ...]]) -> None:
    _copy(connection, "changed_orders", (*CHANGING, "order_id"), rows)
    connection.exec_driver_sql(_UPDATE_ALL)


def _update_trades(connection: Connection, trades: dict[int, TradeRow]) -> None:
    names = [name for name in TradeRow._fields if name != "event_seq"]
    statement = update(schema.trades).where(schema.trades.c.event_seq == bindparam("of_seq"))
    rows = [{"of_seq": seq, **{name: getattr(row, name) for name in names}} for seq, row in sorted(trades.items())]
    connection.execute(statement.values({name: bindparam(name) for name in names}), rows)
