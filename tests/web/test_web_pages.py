"""Pages of memory and of a database that follows behind: nothing twice, nothing missing, and 503 where something would be."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from fixserver.web import pages
from fixserver.web.errors import ApiError
from fixserver.web.past import Found, PastUnavailable
from marketdata import tape as tape_module
from marketdata.candles import SECOND, Candle, Candles
from marketdata.own import Execution
from marketdata.tape import Print, Tape
from matching.messages import EventBatch, TradeBusted, TradeCorrected, Traded
from tests.web.asking import run


def traded(seq: int, price: int = 100, instrument: str = "A", *, auction: bool = False) -> Traded:
    return Traded(seq, instrument, price, 10, 1, 2, "2", "ALICE", "BOB", 0, 0, 0, 0, auction)


def busted(seq: int, trade: int) -> TradeBusted:
    return TradeBusted(seq, trade, "A", 100, 10, "2", "ALICE", "BOB", 0, 0, None, None, "op")


def corrected(seq: int, trade: int, price: int) -> TradeCorrected:
    return TradeCorrected(seq, trade, "A", price, 5, "2", "ALICE", "BOB", 3, 4, 100, 10, 0, 0, None, None, "op")


def at(time: int, *events: Any) -> EventBatch:
    return EventBatch(1, time, list(events))


# ---------------------------------------------------------------------------------------------------- the tape


def test_the_tape_has_what_traded_behind_its_beginning() -> None:
    tape = Tape(10, 12)
    tape.apply(at(1, traded(11), traded(12)))
    tape.apply(at(2, traded(13), traded(14, 101, "B"), traded(15, 102, auction=True)))
    assert list(tape.newest("A")) == [Print(15, 2, "A", 102, 10, ""), Print(13, 2, "A", 100, 10, "2")]
    assert [one.number for one in tape.newest("A", 15)] == [13]
    assert list(tape.newest("C")) == [] and tape.known_from("A") == tape.known_from("C") == 10


def test_the_tape_forgets_the_oldest_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_module, "TRADES_KEPT_MAX", 3)
    tape = Tape(0, 0)
    tape.apply(at(1, traded(1), traded(2, instrument="B"), traded(3), traded(4), traded(5, instrument="B")))
    assert [one.number for one in tape.newest("A")] == [4, 3] and tape.known_from("A") == 1
    assert [one.number for one in tape.newest("B")] == [5] and tape.known_from("B") == 2


def test_the_tape_knows_what_became_of_a_trade_whether_it_has_it_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_module, "AMENDED_KEPT_MAX", 2)
    tape = Tape(10, 10)
    tape.apply(at(1, traded(11), traded(12), corrected(13, 11, 90), busted(14, 7)))
    assert [(one.number, one.price, one.quantity, one.status, one.amended) for one in tape.newest("A")] == [
        (12, 100, 10, "traded", 0), (11, 90, 5, "corrected", 13),
    ]  # fmt: skip
    tape.apply(at(2, busted(15, 11)))
    assert [(one.number, one.status, one.amended) for one in tape.newest("A")] == [(12, "traded", 0), (11, "busted", 15)]
    found = tape.amended(7)
    assert found is not None and (found.number, found.status) == (14, "busted")
    tape.apply(at(3, busted(16, 8)))
    assert tape.amended(7) is None, "there is no end of what could be kept"


# ------------------------------------------------------------------------------------------------------- pages


@dataclass
class Database:
    """A history that stands at an event, or is gone."""

    event_seq: int
    prints: list[Print] = field(default_factory=list)
    executed: list[Execution] = field(default_factory=list)
    kept: list[Candle] = field(default_factory=list)
    gone: bool = False
    asked: int = 0
    time: int = 0

    def _found(self, rows: list[Any], limit: int) -> Found[Any]:
        self.asked += 1
        if self.gone:
            raise PastUnavailable("history-unavailable", "gone")
        assert limit > 0
        return Found(rows[:limit], len(rows) > limit, self.event_seq, self.time)

    async def trades(self, symbol: str, begin: int | None, end: int | None, before: int, limit: int) -> Found[Print]:
        rows = [one for one in self.prints if one.number < before and one.number <= self.event_seq]
        rows = [one for one in rows if (begin is None or one.time >= begin) and (end is None or one.time < end)]
        return self._found(sorted(rows, reverse=True), limit)

    async def executions(
        self, accounts: list[str], symbol: str, begin: int | None, end: int | None, before: int, limit: int
    ) -> Found[Execution]:
        rows = [one for one in self.executed if pages.place(one) < before and one.number <= self.event_seq]
        return self._found(sorted(rows, key=pages.place, reverse=True), limit)

    async def candles(
        self, symbol: str, interval: str, begin: int, end: int | None, limit: int, newest: bool
    ) -> Found[Candle]:
        rows = [one for one in self.kept if one.begin >= begin and (end is None or one.begin < end)]
        return self._found(rows[-limit:] if newest else rows, limit)


def numbered(numbers: range) -> list[Print]:
    return [Print(number, number, "A", 100, 10, "2") for number in numbers]


def walked(backend: Any, limit: int, begin: int | None = None, end: int | None = None) -> list[int]:
    """The numbers of all pages."""
    found: list[int] = []
    cursor = None
    while True:
        page = run(pages.trades(backend, "A", begin, end, cursor, limit))
        assert len(page.rows) <= limit
        found += [one.number for one in page.rows]
        if page.next is None:
            return found
        cursor = int(page.next)


def backend_of(tape: Tape, database: Database, **more: Any) -> Any:
    return SimpleNamespace(tape=tape, past=database, feed=SimpleNamespace(depth=SimpleNamespace(cursor=tape.cursor), **more))


def tape_of(begin: int, numbers: range) -> Tape:
    tape = Tape(begin, begin)
    for number in numbers:
        tape.apply(at(number, traded(number)))
    return tape


@pytest.mark.parametrize("limit", [1, 2, 3, 9, 10, 11, 1_000])
@pytest.mark.parametrize("database_at", [10, 15, 20])
def test_trades_of_memory_and_database_are_there_once(limit: int, database_at: int) -> None:
    backend = backend_of(tape_of(10, range(11, 21)), Database(database_at, numbered(range(1, 21))))
    assert walked(backend, limit) == list(range(20, 0, -1))
    assert walked(backend, limit, begin=5, end=16) == list(range(15, 4, -1))


def test_the_database_is_not_asked_for_what_memory_has() -> None:
    database = Database(20, numbered(range(1, 21)))
    backend = backend_of(tape_of(10, range(11, 21)), database)
    assert [one.number for one in run(pages.trades(backend, "A", None, None, None, 9)).rows] == list(range(20, 11, -1))
    assert [one.number for one in run(pages.trades(backend, "A", 15, None, None, 100)).rows] == [20, 19, 18, 17, 16, 15]
    assert database.asked == 0
    assert walked(backend_of(tape_of(0, range(1, 5)), database), 2) == [4, 3, 2, 1] and database.asked == 0


@pytest.mark.parametrize("database", [Database(9, numbered(range(1, 21))), Database(20, gone=True)])
def test_a_page_with_a_hole_is_none(database: Database) -> None:
    backend = backend_of(tape_of(10, range(11, 14)), database)
    page = run(pages.trades(backend, "A", None, None, None, 100))
    assert ([one.number for one in page.rows], page.next) == ([13, 12, 11], "11"), "what there is, and that there is more"
    with pytest.raises(ApiError) as refused:
        run(pages.trades(backend, "A", None, None, 11, 100))
    assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "1"})


def test_what_became_of_an_older_trade_is_known_before_the_database_has_it() -> None:
    tape = Tape(10, 10)
    tape.apply(at(1, corrected(11, 3, 90), busted(12, 4)))
    rows = run(pages.trades(backend_of(tape, Database(10, numbered(range(3, 5)))), "A", None, None, None, 10)).rows
    assert [(one.number, one.price, one.quantity, one.status) for one in rows] == [(4, 100, 10, "busted"), (3, 90, 5, "corrected")]
    later = [Print(3, 3, "A", 80, 4, "2", "corrected", 13)]
    rows = run(pages.trades(backend_of(tape, Database(13, later)), "A", None, None, None, 10)).rows
    assert [(one.price, one.quantity) for one in rows] == [(80, 4)], "the database is ahead of the feed"


def execution(number: int, maker: bool) -> Execution:
    return Execution(number, maker, number, "ALICE", "A", "1", 100, 10, 0, 1, "X", "maker" if maker else "taker")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("known_from", [0, 2, 3])
def test_both_sides_of_a_trade_with_oneself_are_there_once(limit: int, known_from: int) -> None:
    everything = [execution(number, maker) for number in (1, 2, 3, 4) for maker in (True, False)]
    # Memory may have one side of the trade that it has forgotten the other of.
    kept = [one for one in everything if pages.place(one) > 2 * known_from]
    own = SimpleNamespace(executions=lambda _: kept, executions_known_from=lambda _: known_from)
    backend = backend_of(Tape(0, 0), Database(4, executed=everything), own=own)
    found: list[Execution] = []
    cursor = None
    while True:
        page = run(pages.executions(backend, "ALICE", "ALICE", "", None, None, cursor, limit))
        found += page.rows
        if page.next is None:
            break
        cursor = int(page.next)
    assert found == everything[::-1]


def candles_of(seconds: range) -> Candles:
    made = Candles()
    for number, second in enumerate(seconds, 1):
        made.apply(at(second * SECOND, traded(number)))
    return made


def seconds_of(rows: Any) -> list[int]:
    return [one.begin // SECOND for one in rows]


@pytest.mark.parametrize("limit", [1, 4, 5, 6, 1_000])
def test_candles_of_memory_and_database_are_there_once(limit: int) -> None:
    older = [Candle(second * SECOND, 1, 1, 1, 1, 1, 1, 1) for second in range(10, 16)]
    backend = backend_of(Tape(0, 0), Database(6, kept=older, time=20 * SECOND), candles=candles_of(range(13, 19)))

    def page(**said: Any) -> pages.Page[Candle]:
        given = {"begin": None, "end": None, "after": None} | said
        return run(pages.candles(backend, "A", "1s", given["begin"], given["end"], given["after"], limit))

    assert seconds_of(page().rows) == list(range(10, 19))[-limit:] and page().next is None
    found, cursor = [], None
    while True:
        one = page(begin=11 * SECOND, end=18 * SECOND, after=cursor)
        found += one.rows
        if one.next is None:
            break
        cursor = int(one.next)
    assert seconds_of(found) == list(range(11, 18))
    assert [one.trades for one in found if one.begin >= 13 * SECOND] == [1] * 5
    assert all(one.open == 100 for one in found if one.begin >= 13 * SECOND), "memory knows better than the database"


def test_candles_that_memory_has_need_no_database() -> None:
    database = Database(0, gone=True)
    backend = backend_of(Tape(0, 0), database, candles=candles_of(range(13, 19)))
    page = run(pages.candles(backend, "A", "1s", 14 * SECOND, None, None, 100))
    assert seconds_of(page.rows) == [14, 15, 16, 17, 18] and database.asked == 0
    page = run(pages.candles(backend, "A", "1s", None, None, None, 100))
    assert seconds_of(page.rows) == [13, 14, 15, 16, 17, 18], "nothing was forgotten, so that is all"


def test_candles_that_memory_has_forgotten_are_the_databases_or_nobodys() -> None:
    candles = candles_of(range(1, 1_202))
    backend = backend_of(Tape(0, 2_000), Database(1, gone=True), candles=candles)
    for database in (Database(1, gone=True), Database(1, time=5 * SECOND)):
        backend.past = database
        with pytest.raises(ApiError) as refused:
            run(pages.candles(backend, "A", "1s", 0, None, None, 100))
        assert refused.value.status == 503
