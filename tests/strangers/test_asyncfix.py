"""A client built on asyncfix, with its own journal in SQLite: it speaks FIX 4.4 only."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

from asyncfix import FIXMessage, FMsg, FTag
from asyncfix.connection import ConnectionState
from asyncfix.connection_client import AsyncFIXClient
from asyncfix.journaler import Journaler
from asyncfix.protocol import FIXProtocol44

from tests.venue import TRADER, Venue, utc

WAIT_SECONDS = 10.0
# It puts PossDupFlag behind the body when it sends again; a participant's session can be told to bear that.
PARTICIPANTS = {"ASYNC1": TRADER | {"quickfix": {"ValidateFieldsOutOfOrder": False}}, "ASYNC2": TRADER}


class AsyncClient(AsyncFIXClient):  # type: ignore[misc]
    """Notes the reports that it is given."""

    def __init__(self, venue: Venue, comp_id: str, journal: Path) -> None:
        self.reports: list[tuple[str, str, str]] = []
        self.executions: set[str] = set()
        self.journaler = Journaler(str(journal))
        log = logging.getLogger(f"asyncfix.{comp_id}")
        super().__init__(FIXProtocol44(), comp_id, "FIXSERVER", self.journaler, "127.0.0.1", venue.ports()["fix"], 30, log)

    async def on_connect(self) -> None:
        logon = {FTag.EncryptMethod: 0, FTag.HeartBtInt: 30, FTag.Username: self._session.sender_comp_id, FTag.Password: "demo"}
        await self.send_msg(FIXMessage(FMsg.LOGON, logon))

    async def on_disconnect(self) -> None:
        pass

    async def on_logon(self, is_healthy: bool) -> None:
        pass

    async def on_logout(self, msg: FIXMessage) -> None:
        pass

    async def on_state_change(self, connection_state: ConnectionState) -> None:
        pass

    async def should_replay(self, historical_replay_msg: FIXMessage) -> bool:
        return True

    async def on_message(self, msg: FIXMessage) -> None:
        if msg.get(FTag.PossResend, "N") == "Y" and msg[FTag.ExecID] in self.executions:
            return  # the venue was not sure whether it had sent it
        self.executions.add(msg.get(FTag.ExecID, ""))
        self.reports.append((msg[FTag.ClOrdID], msg[FTag.OrdStatus], msg.get(FTag.CumQty, "-")))

    async def order(self, cl_ord_id: str, side: int, quantity: int, price: str) -> None:
        await self.send_msg(FIXMessage(FMsg.NEWORDERSINGLE, self._terms(cl_ord_id, side) | self._price(quantity, price)))

    async def replace(self, cl_ord_id: str, orig: str, side: int, quantity: int, price: str) -> None:
        terms = {FTag.OrigClOrdID: orig} | self._terms(cl_ord_id, side) | self._price(quantity, price)
        await self.send_msg(FIXMessage(FMsg.ORDERCANCELREPLACEREQUEST, terms))

    async def cancel(self, cl_ord_id: str, orig: str, side: int) -> None:
        await self.send_msg(FIXMessage(FMsg.ORDERCANCELREQUEST, {FTag.OrigClOrdID: orig} | self._terms(cl_ord_id, side)))

    @staticmethod
    def _terms(cl_ord_id: str, side: int) -> dict[FTag, object]:
        return {FTag.ClOrdID: cl_ord_id, FTag.Symbol: "AAPL", FTag.Side: side, FTag.TransactTime: utc()}

    @staticmethod
    def _price(quantity: int, price: str) -> dict[FTag, object]:
        return {FTag.OrderQty: quantity, FTag.OrdType: 2, FTag.Price: price}

    async def told(self, count: int) -> list[tuple[str, str, str]]:
        """That many reports: ClOrdID, OrdStatus, CumQty."""
        await wait_until(lambda: len(self.reports) >= count)
        found, self.reports = self.reports[:count], self.reports[count:]
        return found

    async def start(self) -> None:
        await self.connect()
        await wait_until(lambda: self.connection_state == ConnectionState.ACTIVE)

    async def die(self) -> None:
        """As a process that is killed: the journal is all that is left."""
        tasks = [task for task in (self._aio_task_socket_read, self._aio_task_heartbeat) if task]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._socket_writer:
            self._socket_writer.close()
            with contextlib.suppress(ConnectionError):
                await self._socket_writer.wait_closed()
        self.journaler.conn.close()


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


def test_trade_cancel_replace_die_and_come_back(tmp_path: Path) -> None:
    with Venue(tmp_path, participants=PARTICIPANTS) as venue:
        asyncio.run(_trade(venue, tmp_path / "async1.db", tmp_path / "async2.db"))


async def _trade(venue: Venue, mine: Path, his: Path) -> None:
    me, other = AsyncClient(venue, "ASYNC1", mine), AsyncClient(venue, "ASYNC2", his)
    await me.start()
    await other.start()

    await me.order("A1", 1, 10, "100.00")
    assert await me.told(1) == [("A1", "0", "0")]
    await other.order("B1", 2, 4, "99.00")
    assert await other.told(2) == [("B1", "0", "0"), ("B1", "2", "4")]
    assert await me.told(1) == [("A1", "1", "4")]
    await me.replace("A2", "A1", 1, 8, "101.00")
    await me.cancel("A3", "A2", 1)
    await me.cancel("A4", "A2", 1)
    assert await me.told(3) == [("A2", "1", "4"), ("A3", "4", "4"), ("A4", "4", "-")]

    # It dies, and comes back with its journal: what happened meanwhile comes, once.
    await me.order("A5", 1, 10, "100.00")
    assert await me.told(1) == [("A5", "0", "0")]
    await me.die()
    for number in range(5):
        await other.order(f"B{number + 2}", 2, 2, "100.00")
    assert len(await other.told(10)) == 10
    me = AsyncClient(venue, "ASYNC1", mine)
    await me.start()
    assert await me.told(5) == [("A5", "1", "2"), ("A5", "1", "4"), ("A5", "1", "6"), ("A5", "1", "8"), ("A5", "2", "10")]

    # An order that is in its journal but never arrived: the venue asks for it.
    writer, me._socket_writer = me._socket_writer, _Lost()
    await me.order("A6", 1, 3, "90.00")
    me._socket_writer = writer
    await me.order("A7", 1, 4, "90.00")
    assert await me.told(2) == [("A6", "0", "0"), ("A7", "0", "0")]

    # The venue is killed, and starts again.
    await me.die()
    await other.die()
    venue.kill()
    venue.start()
    me, other = AsyncClient(venue, "ASYNC1", mine), AsyncClient(venue, "ASYNC2", his)
    await other.start()
    await me.start()
    await me.cancel("A8", "A7", 1)
    await other.order("B9", 2, 3, "90.00")
    assert await me.told(2) == [("A8", "4", "0"), ("A6", "2", "3")]
    assert await other.told(2) == [("B9", "0", "0"), ("B9", "2", "3")]
    assert (me.reports, other.reports) == ([], [])
    await me.die()
    await other.die()


class _Lost:
    """A writer whose bytes go nowhere."""

    def write(self, data: bytes) -> None:
        pass

    async def drain(self) -> None:
        pass
