"""Trades, candles and executions of before, read from the history's database in a few threads; it writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from fixserver.config import Config
from marketdata.candles import Candle
from marketdata.tape import Print

Row = TypeVar("Row")


class PastUnavailable(Exception):
    """The history cannot be read now: `code` and `said` are for whoever asks, the text is for the operator."""

    def __init__(self, code: str, said: str, why: str = "") -> None:
        super().__init__(why or said)
        self.code, self.said = code, said


class Found(NamedTuple, Generic[Row]):
    """Rows, of a database that has all up to event `event_seq`, which was at `time` (ns)."""

    rows: list[Row]
    event_seq: int
    time: int


class Past:
    """Reads the history of a venue. `close` ends its threads."""

    def __init__(self, config: Config, data: Path) -> None:
        self._config, self._data = config, data

    def close(self) -> None:
        """End the threads."""

    async def cursor(self) -> int:
        """The last event that is in it. Raises PastUnavailable."""
        raise PastUnavailable("no-history", "there is no history yet")

    async def trades(self, symbol: str, begin: int | None, end: int | None, before: int, limit: int) -> Found[Print]:
        """Trades within [begin, end) numbered below `before`, newest first. Raises PastUnavailable."""
        raise PastUnavailable("no-history", "there is no history yet")

    async def candles(
        self, symbol: str, interval: str, begin: int, end: int | None, limit: int, newest: bool
    ) -> Found[Candle]:
        """Candles that begin within [begin, end), oldest first: the first so many, or, `newest`, the last. Raises PastUnavailable."""
        raise PastUnavailable("no-history", "there is no history yet")
