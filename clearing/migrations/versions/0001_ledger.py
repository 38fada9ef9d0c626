"""The ledger: accounts, assets, transactions, postings, balances, cursor.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

from clearing.money import Money

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("participant", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("kind", "name", name="uq_accounts_kind"),
    )
    op.create_table(
        "assets",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("decimals", sa.SmallInteger, nullable=False),
        sa.Column("price_decimals", sa.SmallInteger),
        sa.Column("currency", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_assets"),
        sa.ForeignKeyConstraint(["currency"], ["assets.id"], name="fk_assets_currency"),
        sa.UniqueConstraint("kind", "name", name="uq_assets_kind"),
    )
    op.create_table(
        "transactions",
        sa.Column("event_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("instrument", sa.Integer),
        sa.Column("price", sa.BigInteger),
        sa.Column("quantity", sa.BigInteger),
        sa.Column("maker_order_id", sa.BigInteger),
        sa.Column("taker_order_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("event_seq", name="pk_transactions"),
    )
    op.create_table(
        "postings",
        sa.Column("event_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("leg", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("from_account", sa.Integer, nullable=False),
        sa.Column("to_account", sa.Integer, nullable=False),
        sa.Column("asset", sa.Integer, nullable=False),
        sa.Column("amount", Money, nullable=False),
        sa.PrimaryKeyConstraint("event_seq", "leg", name="pk_postings"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_postings_amount")),
        sa.CheckConstraint("from_account <> to_account", name=op.f("ck_postings_accounts")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_postings_from_account", "postings", ["from_account", "asset", "event_seq"])
    op.create_index("ix_postings_to_account", "postings", ["to_account", "asset", "event_seq"])
    op.create_table(
        "balances",
        sa.Column("account", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("asset", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("amount", Money, nullable=False),
        sa.Column("event_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account", "asset", name="pk_balances"),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_balances_account"),
        sa.ForeignKeyConstraint(["asset"], ["assets.id"], name="fk_balances_asset"),
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
