"""Trades, candles and executions of before, read from the history's database in a few threads; it writes nothing."""

from __future__ import annotations

import logging
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from fixserver.config import Config
from fixserver.history_process import database_url
from fixserver.web.threads import Threads, TooManyWait
from marketdata.candles import Candle
from marketdata.history.reader import Execution as ExecutionRow
from marketdata.history.reader import HistoryUnavailable, Page, Reader
from marketdata.history.rows import TradeRow
from marketdata.own import Execution, Liquidity
from marketdata.tape import Print, Status
from matching.messages import Side

THREADS = 2

_STATUSES: dict[str, Status] = {name: name for name in typing.get_args(Status)}
_SIDES: dict[str, Side] = {name: name for name in typing.get_args(Side)}
_LIQUIDITIES: dict[str, Liquidity] = {name: name for name in typing.get_args(Liquidity)}

Row = TypeVar("Row")
Answer = TypeVar("Answer")

log = logging.getLogger("fixserver.web")


class PastUnavailable(Exception):
    """The history cannot be read now: `code` and `said` are for whoever asks."""

    def __init__(self, code: str, said: str) -> None:
        super().__init__(said)
        self.code, self.said = code, said


class Found(NamedTuple, Generic[Row]):
    """Rows, of a database that has all up to event `event_seq`, which was at `time` (ns). `more`: there are more of them."""

    rows: list[Row]
    more: bool
    event_seq: int
    time: int


class Past:
    """Reads the history of a venue; every method raises PastUnavailable. `close` ends its threads."""

    def __init__(self, config: Config, data: Path) -> None:
        """Raises DatabaseRefused."""
        self._reader = Reader(database_url(config, data)) if config.history.enabled else None
        self._threads = Threads(THREADS, "web-history")
        self._told = ""

    def close(self) -> None:
        self._threads.close()
        if self._reader is not None:
            self._reader.close()

    async def cursor(self) -> int:
        """The last event that is in it."""
        return (await self._ask(lambda reader: reader.cursor())).event_seq

    async def trades(self, symbol: str, begin: int | None, end: int | None, before: int, limit: int) -> Found[Print]:
        """Trades within [begin, end) numbered below `before`, newest first."""
        return _found(await self._ask(lambda reader: reader.trades(symbol, begin, end, limit, before)), _print)

    async def candles(
        self, symbol: str, interval: str, begin: int, end: int | None, limit: int, newest: bool
    ) -> Found[Candle]:
        """Candles that begin within [begin, end), oldest first: the first ones, or, `newest`, the last."""
        page = await self._ask(lambda reader: reader.candles(symbol, interval, begin, end, limit, newest))
        return _found(page, lambda row: row)

    async def executions(
        self, accounts: list[str], symbol: str, begin: int | None, end: int | None, before: int, limit: int
    ) -> Found[Execution]:
        """What the accounts traded within [begin, end), of which the place among all is below `before`, newest first."""
        page = await self._ask(lambda reader: reader.executions(accounts, symbol, begin, end, limit, before))
        return _found(page, _execution)

    async def _ask(self, question: Callable[[Reader], Answer]) -> Answer:
        reader = self._reader
        if reader is None:
            raise PastUnavailable("no-history", "this venue keeps no history: only what happened lately is known")
        try:
            return await self._threads.ask(lambda: question(reader))
        except TooManyWait:
            raise PastUnavailable("busy", "too many questions wait for the history: try again") from None
        except HistoryUnavailable as error:
            if str(error) != self._told:  # each new trouble once
                self._told = str(error)
                log.warning("%s", error)
            raise PastUnavailable("history-unavailable", "the history cannot be read now: try again") from error


def _found(page: Page[Answer], made: Callable[[Answer], Row]) -> Found[Row]:
    rows = [made(row) for row in page.rows]
    return Found(rows, page.next is not None, page.cursor.event_seq, page.cursor.time)


def _print(row: TradeRow) -> Print:
    side = "" if row.auction else row.taker_side
    return Print(row.event_seq, row.time, row.instrument, row.price, row.quantity, side, _STATUSES[row.status], row.amended or 0)


def _execution(row: ExecutionRow) -> Execution:
    side, liquidity, status = _SIDES[row.side], _LIQUIDITIES[row.liquidity], _STATUSES[row.status]
    return Execution(
        row.number, row.page % 2 == 0, row.time, row.account, row.instrument, side, row.price, row.quantity, row.fee, row.order_id,
        row.cl_ord_id, liquidity, status,
    )  # fmt: skip
