"""Positions and settlement of a participant as REST tells them, from a ledger that settles later."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from clearing import reports, statements
from clearing.database import open_database
from clearing.ledger import Ledger
from fixserver.config import load
from fixserver.web import clearing
from fixserver.web import ledger as web_ledger
from fixserver.web.ledger import LedgerBehind, LedgerReader
from following.database import sqlite_url
from tests.clearing.test_postings import OPENING, trade
from tests.clearing.test_settlement import LATER, NETTING, PARTLY
from tests.clearing.venue import record

CONFIG = Path(__file__).parents[2] / "config" / "exchange.toml"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    ledger = Ledger(open_database(sqlite_url(tmp_path / "ledger.sqlite")))
    ledger.load()
    ledger.post([record(events) for events in (OPENING, LATER, NETTING, PARTLY)])
    ledger.close()
    return tmp_path


def test_positions_are_read_on_and_what_is_too_much_for_one_answer_goes_on_with_the_next(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_ledger, "POSITION_EVENTS_MAX", 1)
    reader = LedgerReader(load(CONFIG), data)

    async def story() -> None:
        with pytest.raises(LedgerBehind):  # the deposit, and then the trade
            await reader.positions("BOB")
        found = await reader.positions("BOB")
        assert (found.event_seq, [one.quantity for one in found.positions]) == (19, [490])
        ledger = Ledger(open_database(sqlite_url(data / "ledger.sqlite")))
        ledger.load()
        ledger.post([record([trade(20)])])
        ledger.close()
        later = await reader.positions("BOB")
        assert (later.event_seq, [one.quantity for one in later.positions]) == (20, [480])
        assert [one.quantity for one in found.positions] == [490], "what was answered stays as it was"
        assert await reader.positions("NOBODY") == (20, [])

    try:
        asyncio.run(story())
    finally:
        reader.close()


def test_obligations_and_outcomes_as_json(data: Path) -> None:
    with open_database(sqlite_url(data / "ledger.sqlite"), read_only=True).connect() as connection, connection.begin():
        bob, span = statements.find_account(connection, "BOB"), statements.find_day(connection, "20260105")
        assert bob is not None and span is not None
        found = reports.settlement(connection, "20260105", span, [bob])
    (left,) = found.open
    assert msgspec.to_builtins(clearing._obligation(left)) == {
        "number": 13, "symbol": "AAPL", "trading_day": "20260102", "due": 2, "price": "189.50", "multiple": 1, "quantity": "-10",
        "money": "-0.20", "quantity_left": "-6", "money_left": "-0.20", "failed_days": 1, "reason": "no securities",
    }  # fmt: skip
    assert [msgspec.to_builtins(clearing._outcome(one)) for one in found.outcomes] == [
        {
            "event_number": 16, "number": 13, "what": "settled", "symbol": "AAPL", "quantity": "-4", "value": "758.00",
            "money": "0.00", "quantity_left": "-6", "money_left": "-0.20", "reason": None, "price": None, "at_fault": None,
        },
        {
            "event_number": 19, "number": 13, "what": "failed", "symbol": "AAPL", "quantity": "0", "value": "0.00", "money": "0.00",
            "quantity_left": "-6", "money_left": "-0.20", "reason": "no securities", "price": None, "at_fault": None,
        },
    ]  # fmt: skip
