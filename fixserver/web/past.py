"""Trades, candles and executions of before, read from the history's database in a few threads; it writes nothing."""

from __future__ import annotations

from pathlib import Path

from fixserver.config import Config


class PastUnavailable(Exception):
    """The history cannot be read now. Says why, for the operator."""


class Past:
    """Reads the history of a venue. `close` ends its threads."""

    def __init__(self, config: Config, data: Path) -> None:
        self._config, self._data = config, data

    def close(self) -> None:
        """End the threads."""

    async def cursor(self) -> int:
        """The last event that is in it. Raises PastUnavailable."""
        raise PastUnavailable("there is no history yet")
