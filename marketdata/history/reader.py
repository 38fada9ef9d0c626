"""Questions to the history's database, answered in pages; it writes nothing.

Each is one short transaction of its own, and may be asked in any thread. A page is found by where the one before it ended, so the
hundredth costs what the first does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import URL, Connection, Row, Select, make_url, select

from following.database import DatabaseRefused, DatabaseUnavailable, trouble_named
from following.follower import Cursor, read_cursor
from marketdata.candles import INTERVALS, Candle
from marketdata.history import schema
from marketdata.history.database import is_current, open_database
from marketdata.history.rows import TradeRow
from marketdata.history.writer import conditions_of
from matching.messages import BUY, SELL, Conditions

ROWS_MAX = 1_000  # of a page
CONNECTIONS_MAX = 4
Found = TypeVar("Found")


class HistoryUnavailable(Exception):
    """The history cannot be read now: nobody has written one yet, or its database cannot be reached. Says which."""


class Execution(NamedTuple):
    """One side of a trade, as the trade stands. `number` is the trade's event; with `liquidity` it names the execution, and
    `page` is its place among all of them. `fee` is in money units, below zero where it is a rebate."""

    number: int
    time: int
    account: str
    instrument: str
    side: str
    price: int
    quantity: int
    fee: int
    order_id: int
    cl_ord_id: str
    liquidity: str  # maker, taker, auction
    status: str  # traded, corrected, busted
    page: int


class OrderRow(NamedTuple):
    """An order as it stands or ended; the fields are those of the table. `ended` is 0 while it is open."""

    order_id: int
    event_seq: int
    participant: str
    account: str
    instrument: str
    side: str
    entered: int
    session: str
    cl_ord_id: str
    order_type: str
    time_in_force: str
    price: int
    quantity: int
    expire_time: int
    exec_inst: str
    conditions: Conditions | None
    status: str
    parked: str
    leaves: int
    executed: int
    value: int
    busted: int
    ended: int
    reason: str
    text: str


class Page(NamedTuple, Generic[Found]):
    """Rows, and what `page` is to be for those that follow: None at the end. The history then stood at `cursor`."""

    rows: list[Found]
    next: int | None
    cursor: Cursor


class Reader:
    """The history at `url`. Every method raises HistoryUnavailable; `limit` is at most ROWS_MAX. `begin` is the first moment (ns),
    `end` the first no more.
    """

    def __init__(self, url: str | URL) -> None:
        """Raises DatabaseRefused for a URL that is none; connects to nothing yet."""
        self._url = make_url(url)
        self._engine = open_database(url, read_only=True, connections_max=CONNECTIONS_MAX)
        self._is_current = False

    def cursor(self) -> Cursor:
        """The last event that is written."""
        with self._reading() as connection:
            return _cursor(connection)

    def trades(
        self, instrument: str, begin: int | None = None, end: int | None = None, limit: int = 100, page: int | None = None
    ) -> Page[TradeRow]:
        """Trades of an instrument, newest first, those included that were busted. `page` is the number of the trade that they are
        older than."""
        trades = schema.trades.c
        query = select(*(trades[name] for name in TradeRow._fields)).where(trades.instrument == instrument)
        with self._reading() as connection:
            query = _before(connection, _within(query, begin, end), page)
            found = [TradeRow(*row) for row in connection.execute(query.limit(_one_more(limit)))]
            return Page(found[:limit], found[limit - 1].event_seq if len(found) > limit else None, _cursor(connection))

    def candles(
        self,
        instrument: str,
        interval: str,
        begin: int = 0,
        end: int | None = None,
        limit: int = 500,
        newest: bool = False,
    ) -> Page[Candle]:
        """Candles that begin in that time, oldest first: the first ones, or, `newest`, the last, behind which nothing follows. The
        next page is what `begin` is to be for it."""
        assert interval in INTERVALS
        candles = schema.candles.c
        query = select(*(candles[name] for name in Candle._fields))
        query = query.where(candles.instrument == instrument, candles.interval == interval, candles.begin >= begin)
        if end is not None:
            query = query.where(candles.begin < end)
        with self._reading() as connection:
            if newest:
                last = connection.execute(query.order_by(candles.begin.desc()).limit(_one_more(limit) - 1))
                return Page([Candle(*row) for row in reversed(last.all())], None, _cursor(connection))
            found = [Candle(*row) for row in connection.execute(query.order_by(candles.begin).limit(_one_more(limit)))]
            return Page(found[:limit], found[limit].begin if len(found) > limit else None, _cursor(connection))

    def executions(
        self,
        accounts: Sequence[str],
        instrument: str = "",
        begin: int | None = None,
        end: int | None = None,
        limit: int = 100,
        page: int | None = None,
    ) -> Page[Execution]:
        """What accounts traded, newest first, of one instrument where it is named. Who trades with himself has two of one trade."""
        found: list[Execution] = []
        with self._reading() as connection:
            for account in accounts:
                for taker in (False, True):
                    query = _within(_executions(account, instrument, taker), begin, end)
                    # The other half of the trade that the page before ended with may be left.
                    query = _before(connection, query, None if page is None else page // 2 + 1)
                    rows = connection.execute(query.limit(_one_more(limit) + 1))
                    found += [execution for row in rows if (execution := _execution(row, taker)) and _is_on(execution, page)]
            found.sort(key=lambda execution: -execution.page)
            return Page(found[:limit], found[limit - 1].page if len(found) > limit else None, _cursor(connection))

    def orders(
        self, participant: str, account: str = "", limit: int = 100, page: int | None = None
    ) -> Page[OrderRow]:
        """Orders of a participant, those that have ended and were refused too, newest first; of one account where it is named."""
        orders = schema.orders.c
        query = select(*(orders[name] for name in OrderRow._fields)).where(orders.participant == participant)
        if account:
            query = query.where(orders.account == account)
        if page is not None:
            query = query.where(orders.event_seq < page)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(orders.event_seq.desc()).limit(_one_more(limit)))
            found = [_order(row) for row in rows]
            return Page(found[:limit], found[limit - 1].event_seq if len(found) > limit else None, _cursor(connection))

    def order(self, order_id: int) -> OrderRow | None:
        """An order by its number."""
        orders = schema.orders.c
        query = select(*(orders[name] for name in OrderRow._fields)).where(orders.order_id == order_id)
        with self._reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _order(row)

    def accounts_of(self, participant: str) -> list[str]:
        accounts = schema.accounts.c
        with self._reading() as connection:
            query = select(accounts.account).where(accounts.participant == participant).order_by(accounts.account)
            return list(connection.execute(query).scalars())

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One transaction, on tables that are known to be what we take them for."""
        if self._url.get_backend_name() == "sqlite" and not Path(self._url.database or "").is_file():
            self._is_current = False
            raise HistoryUnavailable("there is no history yet; `fixserver history` makes it")
        try:
            with trouble_named(self._engine), self._engine.connect() as connection, connection.begin():
                if not self._is_current:
                    if not is_current(connection):
                        raise HistoryUnavailable("there is no history of this program's version yet; `fixserver history` makes it")
                    self._is_current = True
                yield connection
        except (DatabaseUnavailable, DatabaseRefused) as error:
            self._is_current = False
            raise HistoryUnavailable(f"the history cannot be read: {error}") from error


def _cursor(connection: Connection) -> Cursor:
    cursor = read_cursor(connection, schema.cursor)
    if cursor is None:
        raise HistoryUnavailable("the history has no cursor: its writer has not begun")
    return cursor


def _one_more(limit: int) -> int:
    """How many rows tell whether there are more than `limit`."""
    assert 0 < limit <= ROWS_MAX
    return limit + 1


def _within(query: Select[Any], begin: int | None, end: int | None) -> Select[Any]:
    time = schema.trades.c.time
    if begin is not None:
        query = query.where(time >= begin)
    return query if end is None else query.where(time < end)


def _before(connection: Connection, query: Select[Any], event_seq: int | None) -> Select[Any]:
    """Trades before one, newest first. The indexes are by time, which never goes back from one event to the next."""
    trades = schema.trades.c
    if event_seq is not None:
        earlier = select(trades.time).where(trades.event_seq < event_seq).order_by(trades.event_seq.desc()).limit(1)
        time = connection.execute(earlier).scalar()
        query = query.where(trades.event_seq < event_seq, trades.time <= (time or 0))
    return query.order_by(trades.time.desc(), trades.event_seq.desc())


def _executions(account: str, instrument: str, taker: bool) -> Select[Any]:
    trades = schema.trades.c
    mine = "taker" if taker else "maker"
    query = select(
        trades.event_seq,
        trades.time,
        trades[f"{mine}_account"].label("account"),
        trades.instrument,
        trades.taker_side,
        trades.price,
        trades.quantity,
        trades[f"{mine}_fee"].label("fee"),
        trades[f"{mine}_order_id"].label("order_id"),
        trades[f"{mine}_cl_ord_id"].label("cl_ord_id"),
        trades.auction,
        trades.status,
    ).where(trades[f"{mine}_account"] == account)
    return query.where(trades.instrument == instrument) if instrument else query


def _execution(row: Row[Any], taker: bool) -> Execution:
    side = row.taker_side if taker else SELL if row.taker_side == BUY else BUY
    liquidity = "auction" if row.auction else "taker" if taker else "maker"
    return Execution(
        row.event_seq, row.time, row.account, row.instrument, side, row.price, row.quantity, row.fee, row.order_id, row.cl_ord_id,
        liquidity, row.status, 2 * row.event_seq + taker,
    )  # fmt: skip


def _is_on(execution: Execution, page: int | None) -> bool:
    return page is None or execution.page < page


def _order(row: Row[Any]) -> OrderRow:
    order = OrderRow._make(row)
    return order._replace(
        conditions=conditions_of(row.conditions), ended=row.ended or 0, reason=row.reason or "", text=row.text or ""
    )
