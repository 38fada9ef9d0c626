"""Settlement: the twins of accounts, how trades are settled, obligations and what became of them, trading days, marks,
allocations, margin calls.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

from clearing.money import Money

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("INSERT INTO accounts SELECT -id, kind || '-due', name, participant FROM accounts WHERE kind <> 'outside'")
    op.create_table(
        "terms",
        sa.Column("event_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("cycle_days", sa.Integer, nullable=False),
        sa.Column("spend_unsettled", sa.Boolean, nullable=False),
        sa.Column("buy_in_days", sa.Integer, nullable=False),
        sa.Column("buy_in_premium_ppm", sa.Integer, nullable=False),
        sa.Column("in_force", sa.Boolean, nullable=False),
        sa.Column("entered_by", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("event_seq", name="pk_terms"),
    )
    op.create_table(
        "days",
        sa.Column("event_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("trading_day", sa.String(8), nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("first_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("event_seq", name="pk_days"),
        sa.UniqueConstraint("trading_day", name="uq_days_trading_day"),
    )
    op.create_table(
        "marks",
        sa.Column("instrument", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger),
        sa.Column("reference", sa.BigInteger),
        sa.Column("tick", sa.BigInteger, nullable=False),
        sa.Column("event_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("instrument", name="pk_marks"),
        sa.ForeignKeyConstraint(["instrument"], ["assets.id"], name="fk_marks_instrument"),
    )
    op.create_table(
        "obligations",
        sa.Column("event_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("account", sa.Integer, nullable=False),
        sa.Column("instrument", sa.Integer, nullable=False),
        sa.Column("trading_day", sa.String(8), nullable=False),
        sa.Column("due", sa.Integer, nullable=False),
        sa.Column("quantity", Money, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("money", Money, nullable=False),
        sa.Column("multiple", sa.BigInteger, nullable=False),
        sa.Column("quantity_left", Money, nullable=False),
        sa.Column("money_left", Money, nullable=False),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("reason", sa.SmallInteger),
        sa.Column("changed_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("event_seq", name="pk_obligations"),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_obligations_account"),
        sa.ForeignKeyConstraint(["instrument"], ["assets.id"], name="fk_obligations_instrument"),
    )
    op.create_index("ix_obligations_account", "obligations", ["account", "event_seq"])
    op.create_index("ix_obligations_trading_day", "obligations", ["trading_day"])
    op.create_table(
        "outcomes",
        sa.Column("event_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("obligation", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("trading_day", sa.String(8), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("quantity", Money, nullable=False),
        sa.Column("value", Money, nullable=False),
        sa.Column("money", Money, nullable=False),
        sa.Column("quantity_left", Money, nullable=False),
        sa.Column("money_left", Money, nullable=False),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("reason", sa.SmallInteger),
        sa.Column("price", sa.BigInteger),
        sa.Column("other_obligation", sa.BigInteger),
        sa.Column("at_fault", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("event_seq", "obligation", name="pk_outcomes"),
        sa.ForeignKeyConstraint(["obligation"], ["obligations.event_seq"], name="fk_outcomes_obligation"),
    )
    op.create_index("ix_outcomes_trading_day", "outcomes", ["trading_day"])
    op.create_index("ix_outcomes_obligation", "outcomes", ["obligation"])
    op.create_table(
        "allocations",
        sa.Column("event_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("trade", sa.BigInteger, nullable=False),
        sa.Column("side", sa.String(1), nullable=False),
        sa.Column("alloc_id", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("event_seq", name="pk_allocations"),
        sa.UniqueConstraint("trade", "side", name="uq_allocations_trade"),
        sa.ForeignKeyConstraint(["event_seq"], ["transactions.event_seq"], name="fk_allocations_event_seq"),
        sa.ForeignKeyConstraint(["trade"], ["transactions.event_seq"], name="fk_allocations_trade"),
    )
    op.create_table(
        "margin_calls",
        sa.Column("event_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("account", sa.Integer, nullable=False),
        sa.Column("currency", sa.Integer, nullable=False),
        sa.Column("equity", Money, nullable=False),
        sa.Column("required", Money, nullable=False),
        sa.PrimaryKeyConstraint("event_seq", name="pk_margin_calls"),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_margin_calls_account"),
        sa.ForeignKeyConstraint(["currency"], ["assets.id"], name="fk_margin_calls_currency"),
    )
    op.create_index("ix_margin_calls_account", "margin_calls", ["account", "event_seq"])
