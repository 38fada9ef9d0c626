"""What REST and the stream say of an account whose trades are settled later: by the ledger, and by what the feed has reserved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from clearing.database import open_database
from clearing.ledger import Ledger
from fixserver.config import load
from fixserver.web.account import balances_of, holdings_of
from fixserver.web.ledger import LedgerReader
from following.database import sqlite_url
from marketdata.depth import Depth
from marketdata.own import OwnOrders
from matching.engine import Engine
from matching.messages import (
    BUY,
    DAY,
    LIMIT,
    MONEY_UNIT,
    SELL,
    Command,
    DefineAccount,
    DefineInstrument,
    Deposit,
    EventBatch,
    NewOrder,
    RollDay,
    SetMargin,
    SetSettlement,
    Side,
)
from tests.clearing.venue import record
from tests.venue import configuration


class Stand:
    """An engine, and a ledger and a feed that follow it."""

    def __init__(self, directory: Path) -> None:
        self.engine = Engine()
        self.ledger = Ledger(open_database(sqlite_url(directory / "ledger.sqlite").render_as_string()))
        self.ledger.load()
        self.feed = SimpleNamespace(own=OwnOrders(), depth=Depth())
        file = directory / "venue.toml"
        file.write_text(configuration())
        self.reader = LedgerReader(load(file), directory)

    def do(self, *commands: Command) -> None:
        events = self.engine.apply(self.engine.command_seq + 1, self.engine.command_seq + 1_000, list(commands))
        self.ledger.post([record(events, self.engine.command_seq)])
        batch = EventBatch(self.engine.command_seq, 1_000, events)
        self.feed.own.apply(batch)
        self.feed.depth.apply(batch)

    def order(self, who: str, side: Side, quantity: int, price: int) -> None:
        name = f"o{self.engine.command_seq}"
        self.do(NewOrder(who, f"{who}/FIX.4.4", name, who, "AAPL", side, LIMIT, DAY, price, quantity))

    def said(self, who: str) -> dict[str, tuple[str, ...]]:
        """Total, settled, unsettled, reserved, available, by asset."""
        backend: Any = SimpleNamespace(feed=self.feed)
        found = asyncio.run(self.reader.balances(who))
        rows = [*balances_of(backend, who, found).balances, *holdings_of(backend, who, found).holdings]
        return {row["asset" if "asset" in row else "symbol"]: tuple(row.values())[1:6] for row in map(msgspec.to_builtins, rows)}


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(tmp_path)
    made.do(
        DefineInstrument("AAPL", "USD", 2, 0, 1, 1, 10**6, 10**17, 10_000, 5_000),
        *(DefineAccount(name, name, 100) for name in ("ann", "ben")),
        SetSettlement(1, False),
        *(Deposit(name, "USD", str(10_000 * MONEY_UNIT)) for name in ("ann", "ben")),
        Deposit("ann", "AAPL", "10"),
        RollDay("20261120", 0),
    )
    yield made
    made.reader.close()
    made.ledger.close()


def test_what_is_bought_is_unsettled_until_it_is_there(stand: Stand) -> None:
    """And may not be sold before, nor what was sold for be spent: it is reserved."""
    stand.order("ann", SELL, 10, 10_000)
    stand.order("ben", BUY, 10, 10_000)
    assert stand.said("ann") == {
        "USD": ("11000.00", "10000.00", "1000.00", "1000.00", "10000.00"), "AAPL": ("0", "10", "-10", "0", "0"),
    }  # fmt: skip
    bought = {"USD": ("9000.00", "10000.00", "-1000.00", "0.00", "9000.00"), "AAPL": ("10", "0", "10", "10", "0")}
    assert stand.said("ben") == bought
    stand.do(RollDay("20261121", 1))  # it is netted, and due a day later
    assert stand.said("ben") == bought
    stand.do(RollDay("20261122", 1))
    assert stand.said("ben") == {"USD": ("9000.00", "9000.00", "0.00", "0.00", "9000.00"), "AAPL": ("10", "10", "0", "0", "10")}


def test_the_margin_of_what_is_short_is_reserved(stand: Stand) -> None:
    stand.do(SetMargin("AAPL", 500_000, 0))
    stand.order("ann", SELL, 30, 10_000)
    assert stand.said("ann")["USD"] == ("10000.00", "10000.00", "0.00", "1000.00", "9000.00"), "20 short at 100, half of it"
    stand.order("ben", BUY, 30, 10_000)
    assert stand.said("ann") == {
        "USD": ("13000.00", "10000.00", "3000.00", "4000.00", "9000.00"), "AAPL": ("-20", "10", "-30", "0", "-20"),
    }  # fmt: skip
