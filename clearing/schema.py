"""The tables of the ledger; the migrations create them, nothing else does.

A posting moves an amount of one asset from one account to another. What one account loses the other gains,
so every transaction sums to zero in each asset: there is no row that could say otherwise.

    accounts      who can own something: the participants' accounts, and the venue's own; and the twin of each, for what it
                  is to receive or to deliver (its number is below 0)
    assets        what can be owned: currencies, in money units, and instruments, in their quantity units
    transactions  one for each event that moves something, under that event's number: so none is there twice
    remarks       of transactions of which there is something to say: what they take back, who entered them, and why
    postings      what a transaction moves; `leg` says which part of it this is (see clearing.postings)
    balances      what follows from the postings: kept with them in the same database transaction
    cursor        one row: the last event that is posted, in the same database transaction too

Settlement is kept beside: what is owed moves nothing until it is settled.

    terms         how trades are settled, from which event on
    days          the trading days
    marks         the price that each instrument is valued at
    obligations   what each account was to deliver or receive after netting, and what is left of it
    outcomes      what became of obligations: each settlement, failure, buy-in and split of one
    allocations   transactions that split one side of a trade, and which trade that was
    margin_calls  those that began, and those that ended
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    Column("kind", String(16), nullable=False),  # participant, clearing, fees, outside; of a twin the same with -due
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
    # trade, deposit, withdrawal, bust, correction, settlement, buy-in, dividend, split, allocation
    Column("kind", String(16), nullable=False),
    # Of a trade, and so on; of a bust what it takes back, of a correction what is so now. A deposit or withdrawal of an instrument
    # has the price at which it was valued; the quantity of a dividend is what it was paid for, that of a split what it added
    # (None where it does not fit).
    Column("instrument", Integer),
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

terms = Table(
    "terms",
    metadata,
    Column("event_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("cycle_days", Integer, nullable=False),
    Column("spend_unsettled", Boolean, nullable=False),
    Column("buy_in_days", Integer, nullable=False),
    Column("buy_in_premium_ppm", Integer, nullable=False),
    Column("in_force", Boolean, nullable=False),  # otherwise: from the next trading day on
    Column("entered_by", String, nullable=False),
)

days = Table(
    "days",
    metadata,
    Column("event_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("trading_day", String(8), nullable=False, unique=True),  # YYYYMMDD
    Column("time", BigInteger, nullable=False),
    Column("first_seq", BigInteger, nullable=False),  # the first event after the settlement of the day before
)

marks = Table(
    "marks",
    metadata,
    Column("instrument", Integer, ForeignKey("assets.id"), primary_key=True, autoincrement=False),
    Column("last", BigInteger),
    Column("reference", BigInteger),
    Column("tick", BigInteger, nullable=False),
    Column("event_seq", BigInteger, nullable=False),
)

obligations = Table(
    "obligations",
    metadata,
    Column("event_seq", BigInteger, primary_key=True, autoincrement=False),  # its number
    Column("time", BigInteger, nullable=False),
    Column("account", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("instrument", Integer, ForeignKey("assets.id"), nullable=False),
    Column("trading_day", String(8), nullable=False),
    Column("due", Integer, nullable=False),  # counted in settlement days
    Column("quantity", Money, nullable=False),  # as it was netted: to be received, or delivered (below 0)
    Column("price", BigInteger, nullable=False),
    Column("money", Money, nullable=False),  # to be received, or paid (below 0), beside the delivery
    Column("multiple", BigInteger, nullable=False),  # how many units the price is of, after splits
    Column("quantity_left", Money, nullable=False),
    Column("money_left", Money, nullable=False),
    Column("days", Integer, nullable=False),  # on how many it failed
    Column("reason", SmallInteger),  # matching.messages.FailReason, of the last of them
    Column("changed_seq", BigInteger, nullable=False),
)
Index("ix_obligations_account", obligations.c.account, obligations.c.event_seq)
Index("ix_obligations_trading_day", obligations.c.trading_day)

outcomes = Table(
    "outcomes",
    metadata,
    Column("event_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("obligation", BigInteger, ForeignKey("obligations.event_seq"), primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("trading_day", String(8), nullable=False),  # the one that ended with it; of a split the one in which it was
    Column("kind", String(16), nullable=False),  # settled, failed, bought in, split
    Column("quantity", Money, nullable=False),
    Column("value", Money, nullable=False),
    Column("money", Money, nullable=False),
    Column("quantity_left", Money, nullable=False),
    Column("money_left", Money, nullable=False),
    Column("days", Integer, nullable=False),
    Column("reason", SmallInteger),
    Column("price", BigInteger),  # of a buy-in
    Column("other_obligation", BigInteger),  # of a buy-in
    Column("at_fault", Boolean, nullable=False),  # of a buy-in
)
Index("ix_outcomes_trading_day", outcomes.c.trading_day)
Index("ix_outcomes_obligation", outcomes.c.obligation)

allocations = Table(
    "allocations",
    metadata,
    Column("event_seq", BigInteger, ForeignKey("transactions.event_seq"), primary_key=True, autoincrement=False),
    Column("trade", BigInteger, ForeignKey("transactions.event_seq"), nullable=False),
    Column("side", String(1), nullable=False),
    Column("alloc_id", String, nullable=False),
    UniqueConstraint("trade", "side"),
)

margin_calls = Table(
    "margin_calls",
    metadata,
    Column("event_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),  # called, ended
    Column("account", Integer, ForeignKey("accounts.id"), nullable=False),
    Column("currency", Integer, ForeignKey("assets.id"), nullable=False),
    Column("equity", Money, nullable=False),
    Column("required", Money, nullable=False),
)
Index("ix_margin_calls_account", margin_calls.c.account, margin_calls.c.event_seq)

cursor = cursor_table(metadata)
