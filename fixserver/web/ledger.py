"""The ledger as a participant may see it: balances and statements, read in a few threads; it writes nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, Engine

from clearing import statements
from clearing.database import is_current, open_database
from clearing.ledger import read_cursor
from clearing.postings import PARTICIPANT
from clearing.reports import Position
from clearing.reports import Positions as RunningPositions
from clearing.statements import Balance
from fixserver.clearing_process import database_url
from fixserver.config import Config
from fixserver.web.threads import Threads, TooManyWait
from following.database import DatabaseUnavailable, Refused, trouble_named

THREADS = 2
POSITIONS_KEPT_MAX = 1_000  # accounts; the one that was asked for longest ago is read anew
POSITION_EVENTS_MAX = 20_000  # of one account, for one answer
POLL_SECONDS = 0.02

Answer = TypeVar("Answer")


class LedgerUnavailable(Exception):
    """The ledger cannot be read now. Says why, for the operator."""


class Balances(NamedTuple):
    """What an account has after event `event_seq`, by the order of the ledger's assets."""

    event_seq: int
    balances: list[Balance]


class LedgerBehind(Exception):
    """There was more to read than one answer may take; it goes on where it got to when it is asked again."""


class Positions(NamedTuple):
    """What an account holds after event `event_seq`."""

    event_seq: int
    positions: list[Position]


class LedgerReader:
    """Reads the ledger of a venue. `close` ends its threads."""

    def __init__(self, config: Config, data: Path) -> None:
        self._config, self._data = config, data
        self._engine: Engine | None = None
        self._current = False
        self._threads = Threads(THREADS, "web-ledger")
        self._positions: OrderedDict[str, RunningPositions] = OrderedDict()  # those asked for last at the end
        self._positions_lock = threading.Lock()

    def close(self) -> None:
        self._threads.close()
        if self._engine is not None:
            self._engine.dispose()

    async def cursor(self) -> int:
        """The last event that is posted. Raises LedgerUnavailable."""
        return await self._ask(lambda connection: read_cursor(connection).event_seq)

    async def balances(self, account: str, event_seq: int = 0, seconds: float = 0.0) -> Balances:
        """What a participant's account has: after event `event_seq` where the ledger gets there within `seconds`, and
        otherwise where it is then. Raises LedgerUnavailable."""

        def read(connection: Connection) -> Balances:
            seq = read_cursor(connection).event_seq
            found = statements.read_balances(connection, account)
            return Balances(seq, [balance for balance in found if balance.account.kind == PARTICIPANT])

        until = time.monotonic() + seconds
        while True:
            found = await self._ask(read)
            if found.event_seq >= event_seq or time.monotonic() > until:
                return found
            await asyncio.sleep(POLL_SECONDS)

    async def positions(self, account: str) -> Positions:
        """What a participant's account holds. What was read for it is kept, so that the next answer reads what came since. Raises
        LedgerUnavailable, and LedgerBehind where that is more than POSITION_EVENTS_MAX events of this account."""

        def read(connection: Connection) -> Positions:
            found = statements.find_account(connection, account)
            if found is None or found.kind != PARTICIPANT:
                return Positions(read_cursor(connection).event_seq, [])
            with self._positions_lock:
                running = self._positions.setdefault(account, RunningPositions(found))
                self._positions.move_to_end(account)
                if len(self._positions) > POSITIONS_KEPT_MAX:
                    self._positions.popitem(last=False)
                try:
                    if not running.read(connection, POSITION_EVENTS_MAX):
                        raise LedgerBehind
                except LedgerBehind:
                    raise
                except BaseException:  # half of an event may be in it
                    del self._positions[account]
                    raise
                return Positions(running.event_seq, [dataclasses.replace(one) for one in running.positions()])

        return await self._ask(read)

    async def ask(self, read: Callable[[Connection], Answer]) -> Answer:
        """What `read` finds in one transaction that sees one state of the ledger. Raises LedgerUnavailable."""
        return await self._ask(read)

    async def _ask(self, read: Callable[[Connection], Answer]) -> Answer:
        try:
            return await self._threads.ask(lambda: self._read(read))
        except TooManyWait as error:
            raise LedgerUnavailable(str(error)) from None

    def _read(self, read: Callable[[Connection], Answer]) -> Answer:
        # In one of the threads.
        try:
            engine = self._engine
            if engine is None:
                url = database_url(self._config, self._data)
                engine = self._engine = open_database(url, read_only=True)
            database = engine.url.database
            if engine.dialect.name == "sqlite" and not Path(database or "").is_file():
                raise LedgerUnavailable("there is no ledger yet")
            with trouble_named(engine), engine.connect() as connection, connection.begin():
                if not self._current:
                    if not is_current(connection):
                        raise LedgerUnavailable("there is no ledger of this program's version yet")
                    self._current = True
                return read(connection)
        except (DatabaseUnavailable, Refused) as error:
            self._current = False
            raise LedgerUnavailable(str(error)) from error
