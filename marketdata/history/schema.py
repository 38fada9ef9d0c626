"""The tables of the history; the migrations create them, nothing else does.

Numbers are whole: prices in price units, quantities in quantity units, both of the instrument; fees in money units; a value is a
sum of price times quantity; times are ns since 1970-01-01 UTC. What is said in codes is as FIX says it: side, order_type,
time_in_force, exec_inst.

    instruments   what is traded
    accounts      whose they are
    orders        one row an order, refused ones too, as it stands or ended
    trades        one row a trade, under its event's number, as it stands; what it was before a correction beside it
    candles       of the trades that stand, the present ones too; `begin` of a day is midnight UTC of its date
    days          trading days: the first event of each
    cursor        one row: the last event that is written, in the same database transaction as what it says
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, SmallInteger, String, Table, text

from following.follower import cursor_table
from following.numbers import Whole

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# In SQLite a key of this type is the row's own number, and costs no index.
Number = BigInteger().with_variant(Integer, "sqlite")

instruments = Table(
    "instruments",
    metadata,
    Column("instrument", String, primary_key=True),
    Column("currency", String, nullable=False),
    Column("market", String, nullable=False),
    Column("price_decimals", SmallInteger, nullable=False),
    Column("quantity_decimals", SmallInteger, nullable=False),
    Column("tick", BigInteger, nullable=False),
    Column("lot", BigInteger, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("account", String, primary_key=True),
    Column("participant", String, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("order_id", Number, primary_key=True, autoincrement=False),
    Column("event_seq", BigInteger, nullable=False),  # of its acceptance or refusal
    Column("participant", String, nullable=False),
    Column("account", String, nullable=False),
    Column("instrument", String, nullable=False),
    Column("side", String(1), nullable=False),
    Column("entered", BigInteger, nullable=False),
    # What may change after:
    Column("session", String, nullable=False),
    Column("cl_ord_id", String, nullable=False),
    Column("order_type", String(1), nullable=False),
    Column("time_in_force", String(1), nullable=False),
    Column("price", BigInteger, nullable=False),  # 0: without a limit
    Column("quantity", BigInteger, nullable=False),
    Column("expire_time", BigInteger, nullable=False),  # 0: not good till a date
    Column("exec_inst", String, nullable=False),
    Column("conditions", String),  # JSON: what few orders say, and only what this one says
    Column("status", String(16), nullable=False),
    Column("parked", String(5), nullable=False),  # why it is open but in no book
    Column("leaves", BigInteger, nullable=False),
    Column("executed", BigInteger, nullable=False),
    Column("value", Whole, nullable=False),
    Column("busted", BigInteger, nullable=False),
    Column("ended", BigInteger),
    Column("reason", String),
    Column("text", String),
)
Index("ix_orders_participant", orders.c.participant, orders.c.event_seq)
# What a writer that begins reads: the others are many.
is_open = text("ended IS NULL")
Index("ix_orders_open", orders.c.order_id, sqlite_where=is_open, postgresql_where=is_open)

trades = Table(
    "trades",
    metadata,
    Column("event_seq", Number, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("instrument", String, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("taker_side", String(1), nullable=False),
    Column("auction", Boolean, nullable=False),
    Column("maker_order_id", BigInteger, nullable=False),
    Column("taker_order_id", BigInteger, nullable=False),
    Column("maker_account", String, nullable=False),
    Column("taker_account", String, nullable=False),
    Column("maker_cl_ord_id", String, nullable=False),  # as it was then
    Column("taker_cl_ord_id", String, nullable=False),
    Column("maker_fee", BigInteger, nullable=False),
    Column("taker_fee", BigInteger, nullable=False),
    Column("status", String(9), nullable=False),  # traded, corrected, busted
    # Of one that was corrected or busted: when, by whom, and, where it was ever corrected, what was traded first.
    Column("amended", BigInteger),
    Column("amended_by", String),
    Column("traded_price", BigInteger),
    Column("traded_quantity", BigInteger),
    Column("traded_maker_fee", BigInteger),
    Column("traded_taker_fee", BigInteger),
)
# Time never goes back from one event to the next, so these are in the order of the events too.
Index("ix_trades_instrument", trades.c.instrument, trades.c.time, trades.c.event_seq)
Index("ix_trades_maker_account", trades.c.maker_account, trades.c.time, trades.c.event_seq)
Index("ix_trades_taker_account", trades.c.taker_account, trades.c.time, trades.c.event_seq)

candles = Table(
    "candles",
    metadata,
    Column("instrument", String, primary_key=True),
    Column("interval", String(2), primary_key=True),  # 1s, 1m, 5m, 1h, 1d
    Column("begin", BigInteger, primary_key=True, autoincrement=False),
    Column("open", BigInteger, nullable=False),
    Column("high", BigInteger, nullable=False),
    Column("low", BigInteger, nullable=False),
    Column("close", BigInteger, nullable=False),
    Column("volume", Whole, nullable=False),
    Column("value", Whole, nullable=False),
    Column("trades", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

days = Table(
    "days",
    metadata,
    Column("begin", BigInteger, primary_key=True, autoincrement=False),  # midnight UTC of its date
    Column("first_event", BigInteger, nullable=False),
)

cursor = cursor_table(metadata)
