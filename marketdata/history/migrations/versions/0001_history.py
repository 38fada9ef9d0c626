"""The history: instruments, accounts, orders, trades, candles, days, cursor.

Revision ID: history_0001
"""

import sqlalchemy as sa
from alembic import op

from following.numbers import Whole

revision = "history_0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "instruments",
        sa.Column("instrument", sa.String, nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("market", sa.String, nullable=False),
        sa.Column("price_decimals", sa.SmallInteger, nullable=False),
        sa.Column("quantity_decimals", sa.SmallInteger, nullable=False),
        sa.Column("tick", sa.BigInteger, nullable=False),
        sa.Column("lot", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("instrument", name="pk_instruments"),
    )
    op.create_table(
        "accounts",
        sa.Column("account", sa.String, nullable=False),
        sa.Column("participant", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("account", name="pk_accounts"),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("event_seq", sa.BigInteger, nullable=False),
        sa.Column("participant", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("instrument", sa.String, nullable=False),
        sa.Column("side", sa.String(1), nullable=False),
        sa.Column("entered", sa.BigInteger, nullable=False),
        sa.Column("session", sa.String, nullable=False),
        sa.Column("cl_ord_id", sa.String, nullable=False),
        sa.Column("order_type", sa.String(1), nullable=False),
        sa.Column("time_in_force", sa.String(1), nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        sa.Column("expire_time", sa.BigInteger, nullable=False),
        sa.Column("exec_inst", sa.String, nullable=False),
        sa.Column("conditions", sa.String),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("parked", sa.String(5), nullable=False),
        sa.Column("leaves", sa.BigInteger, nullable=False),
        sa.Column("executed", sa.BigInteger, nullable=False),
        sa.Column("value", Whole, nullable=False),
        sa.Column("busted", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("reason", sa.String),
        sa.Column("text", sa.String),
        sa.PrimaryKeyConstraint("order_id", name="pk_orders"),
    )
    op.create_index("ix_orders_participant", "orders", ["participant", "event_seq"])
    is_open = sa.text("ended IS NULL")
    op.create_index("ix_orders_open", "orders", ["order_id"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_table(
        "trades",
        sa.Column("event_seq", NUMBER, autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("instrument", sa.String, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        sa.Column("taker_side", sa.String(1), nullable=False),
        sa.Column("auction", sa.Boolean, nullable=False),
        sa.Column("maker_order_id", sa.BigInteger, nullable=False),
        sa.Column("taker_order_id", sa.BigInteger, nullable=False),
        sa.Column("maker_account", sa.String, nullable=False),
        sa.Column("taker_account", sa.String, nullable=False),
        sa.Column("maker_cl_ord_id", sa.String, nullable=False),
        sa.Column("taker_cl_ord_id", sa.String, nullable=False),
        sa.Column("maker_fee", sa.BigInteger, nullable=False),
        sa.Column("taker_fee", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(9), nullable=False),
        sa.Column("amended", sa.BigInteger),
        sa.Column("amended_by", sa.String),
        sa.Column("traded_price", sa.BigInteger),
        sa.Column("traded_quantity", sa.BigInteger),
        sa.Column("traded_maker_fee", sa.BigInteger),
        sa.Column("traded_taker_fee", sa.BigInteger),
        sa.PrimaryKeyConstraint("event_seq", name="pk_trades"),
    )
    op.create_index("ix_trades_instrument", "trades", ["instrument", "time", "event_seq"])
    op.create_index("ix_trades_maker_account", "trades", ["maker_account", "time", "event_seq"])
    op.create_index("ix_trades_taker_account", "trades", ["taker_account", "time", "event_seq"])
    op.create_table(
        "candles",
        sa.Column("instrument", sa.String, nullable=False),
        sa.Column("interval", sa.String(2), nullable=False),
        sa.Column("begin", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("open", sa.BigInteger, nullable=False),
        sa.Column("high", sa.BigInteger, nullable=False),
        sa.Column("low", sa.BigInteger, nullable=False),
        sa.Column("close", sa.BigInteger, nullable=False),
        sa.Column("volume", Whole, nullable=False),
        sa.Column("value", Whole, nullable=False),
        sa.Column("trades", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("instrument", "interval", "begin", name="pk_candles"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "days",
        sa.Column("begin", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("first_event", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("begin", name="pk_days"),
    )
    op.create_table(
        "cursor",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("event_seq", sa.BigInteger, nullable=False),
        sa.Column("command_seq", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("record_first", sa.BigInteger, nullable=False),
        sa.Column("record_crc", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cursor"),
        sa.CheckConstraint("id = 1", name=op.f("ck_cursor_one_row")),
    )
