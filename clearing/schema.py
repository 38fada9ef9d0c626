"""The tables of the ledger; the migrations create them, nothing else does.

A posting moves an amount of one asset from one account to another. What one account loses the other gains,
so every transaction sums to zero in each asset: there is no row that could say otherwise.

    accounts      who can own something: the participants' accounts, and the venue's own
    assets        what can be owned: currencies, in money units, and instruments, in their quantity units
    transactions  one for each event that moves something, under that event's number: so none is there twice
    remarks       of transactions of which there is something to say: what they take back, who entered them, and why
    postings      what a transaction moves; `leg` says which part of it this is (see clearing.postings)
    balances      what follows from the postings: kept with them in the same database transaction
    cursor        one row: the last event that is posted, in the same database transaction too
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

from clearing.money import Money
from following.follower import cursor_table

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),  # participant, clearing, fees, outside
    Column("name", String, nullable=False),
    Column("participant", String, nullable=False),
    UniqueConstraint("kind", "name"),
)

assets = Table(
    "assets",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),  # currency, instrument
    Column("name", String, nullable=False),
    Column("decimals", SmallInteger, nullable=False),
    Column("price_decimals", SmallInteger),  # of an instrument
    Column("currency", Integer, ForeignKey("assets.id")),  # of an instrument
    UniqueConstraint("kind", "name"),
)

transactions = Table(
    "transactions",
    metadata,
    Column("event_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),  # ns since 1970-01-01 UTC
    Column("kind", String(16), nullable=False),  # trade, deposit, withdrawal, bust, correction
    Column("instrument", Integer),  # of a trade, and so on; of a bust what it takes back, of a correction what is so now
    Column("price", BigInteger),
    Column("quantity", BigInteger),
    Column("maker_order_id", BigInteger),
    Column("taker_order_id", BigInteger),
)

remarks = Table(
    "remarks",
    metadata,
    Column("event_seq", BigInteger, ForeignKey("transactions.event_seq"), primary_key=True, autoincrement=False),
    Column("reverses", BigInteger, ForeignKey("transactions.event_seq"), unique=True),  # a transaction is taken back once
    Column("entered_by", String, nullable=False),  # the operator; empty where nobody did
    Column("reference", String, nullable=False),
)

postings = Table(
    "postings",
    metadata,
    Column("event_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("leg", SmallInteger, primary_key=True, autoincrement=False),
    Column("from_account", Integer, nullable=False),
    Column("to_account", Integer, nullable=False),
    Column("asset", Integer, nullable=False),
    Column("amount", Money, nullable=False),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("from_account <> to_account", name="accounts"),
    # No foreign keys here: on PostgreSQL they more than double the time of a load. `fixserver ledger check` looks for them.
    sqlite_with_rowid=False,
)
Index("ix_postings_from_account", postings.c.from_account, postings.c.asset, postings.c.event_seq)
Index("ix_postings_to_account", postings.c.to_account, postings.c.asset, postings.c.event_seq)

balances = Table(
    "balances",
    metadata,
    Column("account", Integer, ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
    Column("asset", Integer, ForeignKey("assets.id"), primary_key=True, autoincrement=False),
    Column("amount", Money, nullable=False),
    Column("event_seq", BigInteger, nullable=False),  # the last that changed it
)

cursor = cursor_table(metadata)
