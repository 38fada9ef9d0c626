"""Questions to the history: pages that follow each other without a gap, time ranges, and what is said of a history that is not
there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import text

from following.database import DatabaseRefused, sqlite_url
from marketdata.candles import DAY_NS, INTERVALS
from marketdata.history.database import open_database
from marketdata.history.reader import Execution, HistoryUnavailable, OrderRow, Page, Reader
from marketdata.history.rows import TradeRow
from marketdata.history.writer import History
from matching.engine import Engine
from matching.messages import AccountDefined, Conditions, OrderAccepted, OrderRejected, Reason, TradeBusted, Traded
from tests.every_kind import steps
from tests.history.tables import NaiveHistory, record
from tests.postgres import Postgres

Row = TypeVar("Row")
NOON = 20_000 * DAY_NS + DAY_NS // 2
SECOND = 10**9


def order(seq: int, name: str, side: Any, price: int, quantity: int, conditions: Conditions | None = None) -> OrderAccepted:
    said = name.upper(), f"{name.upper()}/FIX.4.4", f"C{seq}", name, "AAPL"
    return OrderAccepted(seq, seq, *said, side, "2", "1", price, quantity, 0, "", conditions=conditions)


def trade(seq: int, maker: int, taker: int, quantity: int, leaves: int, accounts: tuple[str, str] = ("ann", "bob")) -> Traded:
    return Traded(seq, "AAPL", 100, quantity, maker, taker, "1", *accounts, leaves, 0, 3, -4)


@pytest.fixture
def reader(history: History, url: str) -> Iterator[Reader]:
    made = Reader(url)
    yield made
    made.close()


def all_pages(ask: Callable[[int | None], Page[Row]]) -> list[Row]:
    page = ask(None)
    found = page.rows
    while page.next is not None:
        page = ask(page.next)
        assert page.rows, "no page is empty, but the only one"
        found += page.rows
    return found


def test_the_last_event_is_the_cursor(history: History, reader: Reader) -> None:
    assert reader.cursor().event_seq == 0
    history.post([record([AccountDefined(1, "ann", "ANN", 0, "allow"), AccountDefined(2, "ann-2", "ANN", 0, "allow")])])
    assert reader.cursor() == history.cursor
    assert reader.accounts_of("ANN") == ["ann", "ann-2"]
    assert reader.accounts_of("BOB") == []


def test_a_trade_is_two_executions_and_who_trades_with_himself_has_both(history: History, reader: Reader) -> None:
    history.post(
        [
            record([order(1, "ann", "2", 100, 9), order(2, "bob", "1", 100, 4)], time=NOON),
            record([trade(3, 1, 2, 4, 5)], time=NOON + SECOND),
            record([order(4, "ann", "1", 100, 5), trade(5, 1, 4, 5, 0, ("ann", "ann"))], time=NOON + 2 * SECOND),
            record([TradeBusted(6, 3, "AAPL", 100, 4, "1", "ann", "bob", 3, -4, None, None, "op")], time=NOON + 3 * SECOND),
        ]
    )
    first = (3, NOON + SECOND, "ann", "AAPL", "2", 100, 4, 3, 1, "C1", "maker", "busted", 6)
    second = (5, NOON + 2 * SECOND, "ann", "AAPL", "2", 100, 5, 3, 1, "C1", "maker", "traded", 10)
    third = (5, NOON + 2 * SECOND, "ann", "AAPL", "1", 100, 5, -4, 4, "C4", "taker", "traded", 11)
    assert reader.executions(["ann"])[:2] == ([Execution(*third), Execution(*second), Execution(*first)], None)
    assert reader.executions(["ann"], limit=1)[:2] == ([Execution(*third)], 11)
    assert reader.executions(["ann"], limit=1, page=11)[:2] == ([Execution(*second)], 10)
    assert reader.executions(["ann"], limit=1, page=10)[:2] == ([Execution(*first)], None)
    bobs = Execution(3, NOON + SECOND, "bob", "AAPL", "1", 100, 4, -4, 2, "C2", "taker", "busted", 7)
    assert reader.executions(["bob"])[:2] == ([bobs], None)
    assert reader.executions(["bob"], "MSFT")[:2] == ([], None)
    assert reader.executions(["bob"], begin=NOON + 2 * SECOND)[:2] == ([], None)
    assert reader.executions([])[:2] == ([], None)


def test_an_order_is_there_as_it_stands_also_one_that_was_refused(history: History, reader: Reader) -> None:
    said: Any = "BOB", "BOB/FIX.4.4", "C2", "bob", "AAPL", "1", "2", "0", 100, 4, 0, "", Reason.OFF_TICK, "not on the tick"
    history.post([record([order(1, "ann", "2", 100, 9, Conditions(display_quantity=3)), OrderRejected(2, 2, *said)], time=NOON)])
    ann = (1, 1, "ANN", "ann", "AAPL", "2", NOON, "ANN/FIX.4.4", "C1", "2", "1", 100, 9, 0, "", Conditions(display_quantity=3))
    bob = (2, 2, "BOB", "bob", "AAPL", "1", NOON, "BOB/FIX.4.4", "C2", "2", "0", 100, 4, 0, "", None)
    first = OrderRow(*ann, "new", "", 9, 0, 0, 0, 0, "", "")
    second = OrderRow(*bob, "rejected", "", 0, 0, 0, 0, NOON, "off-tick", "not on the tick")
    assert reader.order(1) == first
    assert reader.order(3) is None
    assert reader.orders("ANN")[:2] == ([first], None)
    assert reader.orders("BOB", "bob")[:2] == ([second], None)
    assert reader.orders("BOB", "bob-2")[:2] == ([], None)


def test_pages_follow_each_other_without_a_gap(history: History, reader: Reader) -> None:
    """Of random trading, against the rows of a model: whole, in time ranges, and in pages of any size."""
    naive = NaiveHistory()
    records = []
    for step in steps(Engine(), 5, 2_000, 12):
        naive.apply(step.batch)
        records.append(record(step.batch.events, step.batch.command_seq, step.time))
    history.post(records)
    due = naive.rows()
    trades = [TradeRow(*row) for row in due["trades"]]
    times = sorted({row.time for row in trades})
    ranges = [(None, None), (times[len(times) // 3], None), (None, times[len(times) // 2]), (times[3], times[len(times) // 2])]
    for symbol in ("PLAIN", "FEES", "REBATE"):
        for begin, end in ranges:
            right = [
                row
                for row in reversed(trades)
                if row.instrument == symbol and (begin is None or row.time >= begin) and (end is None or row.time < end)
            ]
            for limit in (7, 1_000):
                found = all_pages(lambda page: reader.trades(symbol, begin, end, limit, page))  # noqa: B023
                assert found == right
        for interval in INTERVALS:
            right_candles = naive.market.candles(symbol, interval)
            begin = right_candles[2].begin if len(right_candles) > 2 else 0
            later = [candle for candle in right_candles if candle.begin >= begin]
            assert all_pages(lambda page: reader.candles(symbol, interval, page or begin, None, 3)) == later  # noqa: B023
            assert reader.candles(symbol, interval, limit=3, newest=True) == (right_candles[-3:], None, history.cursor)
            earlier = [candle for candle in right_candles if candle.begin < begin]
            assert reader.candles(symbol, interval, end=begin, limit=1, newest=True).rows == earlier[-1:]
    for participant in ("ann", "bob"):
        accounts = reader.accounts_of(participant)
        mine = [
            (row.event_seq, account, liquidity)
            for row in reversed(trades)
            for account, liquidity in ((row.taker_account, "taker"), (row.maker_account, "maker"))
            if account in accounts
        ]
        for limit in (1, 5, 1_000):
            executions = all_pages(lambda page: reader.executions(accounts, limit=limit, page=page))  # noqa: B023
            assert [
                (row.number, row.account, row.liquidity if row.liquidity != "auction" else ("maker", "taker")[row.page % 2])
                for row in executions
            ] == mine
        orders = all_pages(lambda page: reader.orders(participant, limit=11, page=page))  # noqa: B023
        names = due["orders"]
        assert [row.order_id for row in orders] == [
            row[0] for row in sorted(names, key=lambda row: -row[1]) if row[2] == participant
        ]


def test_before_there_is_a_history_its_reader_says_so(url: str) -> None:
    reader = Reader(url)
    with pytest.raises(HistoryUnavailable, match=r"there is no history.* yet; `fixserver history` makes it"):
        reader.cursor()
    writer = History(open_database(url))
    writer.load()
    writer.close()
    assert reader.cursor().event_seq == 0
    reader.close()


def test_the_reader_of_a_file_makes_none(tmp_path: Path) -> None:
    reader = Reader(sqlite_url(tmp_path / "market_data.sqlite"))
    with pytest.raises(HistoryUnavailable):
        reader.trades("AAPL")
    assert list(tmp_path.iterdir()) == []


def test_the_tables_of_a_later_program_are_not_read(history: History, reader: Reader) -> None:
    with history.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = 'history_9999'"))
    with pytest.raises(HistoryUnavailable, match="no history of this program's version"):
        reader.trades("AAPL")


def test_a_server_that_is_gone_and_comes_back(postgres: Postgres) -> None:
    url = postgres.create("history_reader")
    writer = History(open_database(url))
    writer.load()
    writer.close()
    reader = Reader(url)
    try:
        assert reader.cursor().event_seq == 0
        postgres.stop()
        with pytest.raises(HistoryUnavailable, match="the history cannot be read"):
            reader.cursor()
        postgres.start()
        assert reader.cursor().event_seq == 0
    finally:
        if postgres.process is None:
            postgres.start()
        reader.close()
        postgres.drop("history_reader")


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(DatabaseRefused, match=r"a history is kept in sqlite:///FILE or postgresql\+psycopg://"):
        Reader("mysql://localhost/history")
