"""The order desk against an exchange that says what the test wants: answers find who asked, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fixserver import websecret
from fixserver.config import load
from fixserver.frames import Framer
from fixserver.initiator import Message, parse
from fixserver.web import desk
from fixserver.web.desk import AlreadyAsked, NoAnswer, NotConnected, OrderDesk, TooManyWait
from tests.venue import configuration, framed, soh, utc

SECONDS = 5.0


class FakeExchange:
    """Takes connections, answers Logons, and keeps what else it is sent."""

    def __init__(self) -> None:
        self.logons: list[Message] = []
        self.received: asyncio.Queue[Message] = asyncio.Queue()
        self._writer: asyncio.StreamWriter | None = None
        self._number = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer, self._number, framer = writer, 0, Framer(1 << 16)
        while data := await reader.read(65_536):
            for frame in framer.feed(data):
                message = parse(frame)
                if message["35"] == "A":
                    self.logons.append(message)
                    self.send("A", "98=0|108=10|141=Y|")
                elif message["35"] not in "015":
                    self.received.put_nowait(message)
        writer.close()

    def send(self, msg_type: str, body: str, participant: str = "") -> None:
        assert self._writer is not None
        self._number += 1
        to = f"128={participant}|" if participant else ""
        head = f"35={msg_type}|34={self._number}|49=FIXSERVER|56=WEB|52={utc()}|{to}"
        self._writer.write(framed("FIXT.1.1", soh(head + body)))

    def cut(self) -> None:
        assert self._writer is not None
        self._writer.transport.abort()

    async def next(self) -> Message:
        async with asyncio.timeout(SECONDS):
            return await self.received.get()


async def wait_until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def connected(directory: Path) -> AsyncIterator[tuple[OrderDesk, FakeExchange]]:
    (directory / "venue.toml").write_text(configuration())
    exchange = FakeExchange()
    server = await asyncio.start_server(exchange.serve, "127.0.0.1", 0)
    (directory / "exchange.ports").write_text(json.dumps({"fix": server.sockets[0].getsockname()[1]}))
    websecret.ensure(directory)
    entry = OrderDesk(load(directory / "venue.toml"), directory)
    entry.start()
    try:
        await wait_until(lambda: entry.connected)
        yield entry, exchange
    finally:
        await entry.stop()
        server.close()
        await server.wait_closed()


def test_a_request_is_in_the_name_of_who_asks_and_signed_by_the_secret(tmp_path: Path) -> None:
    async def run() -> None:
        async with connected(tmp_path) as (entry, exchange):
            [logon] = exchange.logons
            assert (logon["49"], logon["56"], logon["553"], logon["554"], logon["141"]) == (
                "WEB", "FIXSERVER", "WEB", websecret.read(tmp_path), "Y",
            )  # fmt: skip
            asked = asyncio.create_task(entry.enter("TRADER1", "A1", [("55", "AAPL"), ("38", "10")]))
            request = await exchange.next()
            assert {tag: request[tag] for tag in ("35", "115", "11", "55", "38")} == {
                "35": "D", "115": "TRADER1", "11": "A1", "55": "AAPL", "38": "10",
            }  # fmt: skip
            exchange.send("8", "37=1|11=A1|17=5|150=0|39=0|", "TRADER1")
            assert (await asked)["17"] == "5"
            assert entry.waiting == 0

    asyncio.run(run())


def test_each_answer_goes_to_who_asked(tmp_path: Path) -> None:
    async def run() -> None:
        async with connected(tmp_path) as (entry, exchange):
            ann = asyncio.create_task(entry.enter("ANN", "A1", []))
            bob = asyncio.create_task(entry.enter("BOB", "A1", []))
            change = asyncio.create_task(entry.replace("ANN", "A2", [("41", "A0")]))
            cancel = asyncio.create_task(entry.cancel("ANN", "A3", [("41", "A0")]))
            everything = asyncio.create_task(entry.mass_cancel("ANN", "A4", [("530", "7")]))
            numbers = {(one["115"], one["11"]): one["34"] for one in [await exchange.next() for _ in range(5)]}
            exchange.send("8", "37=1|11=A1|17=5|150=F|39=1|", "ANN")  # of an order that had this name before
            exchange.send("8", "37=9|11=A2|17=6|150=4|39=4|", "ANN")
            exchange.send("8", "37=9|11=A9|17=7|150=0|39=0|", "ANN")  # of nobody who waits
            exchange.send("h", "336=1|340=2|")
            exchange.send("8", "37=2|11=A1|17=8|150=0|39=0|", "BOB")
            exchange.send("8", "37=3|11=A1|17=9|150=8|39=8|", "ANN")
            exchange.send("9", "37=9|11=A2|41=A0|39=0|434=2|102=99|", "ANN")
            exchange.send("r", "37=4|11=A4|530=7|531=7|533=3|", "ANN")
            exchange.send("3", f"45={numbers['ANN', 'A3']}|58=no|")
            answers = await asyncio.gather(ann, bob, change, cancel, everything)
            assert [(one["35"], one.get("17")) for one in answers] == [
                ("8", "9"), ("8", "8"), ("9", None), ("3", None), ("r", None),
            ]  # fmt: skip
            late = asyncio.create_task(entry.enter("ANN", "A5", []))
            number = (await exchange.next())["34"]
            exchange.send("j", f"45={number}|372=D|379=A5|380=8|58=too fast|", "ANN")
            assert (await late)["58"] == "too fast"

    asyncio.run(run())


def test_what_cannot_be_sent_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "WAITING_MAX", 3)
    monkeypatch.setattr(desk, "WAITING_OF_ONE_MAX", 2)

    async def run() -> None:
        async with connected(tmp_path) as (entry, exchange):
            for value in ("A\x01" + "38=1", "A\n", "é", "", "\0"):
                with pytest.raises(ValueError, match="55: is not a text"):
                    await entry.enter("ANN", "A0", [("55", value)])
            first = asyncio.create_task(entry.enter("ANN", "A1", []))
            await exchange.next()
            with pytest.raises(AlreadyAsked):
                await entry.cancel("ANN", "A1", [])
            second = asyncio.create_task(entry.enter("ANN", "A2", []))
            await exchange.next()
            with pytest.raises(TooManyWait):
                await entry.enter("ANN", "A3", [])
            third = asyncio.create_task(entry.enter("BOB", "A1", []))
            await exchange.next()
            with pytest.raises(TooManyWait):
                await entry.enter("CAT", "A1", [])
            assert exchange.received.empty()
            first.cancel()  # whoever asked has gone
            await asyncio.wait([first])
            assert entry.waiting == 2
            second.cancel()
            third.cancel()
            await asyncio.wait([second, third])

    asyncio.run(run())


def test_after_a_loss_there_is_a_new_session_and_nothing_comes_again(tmp_path: Path) -> None:
    async def run() -> None:
        async with connected(tmp_path) as (entry, exchange):
            asked = asyncio.create_task(entry.enter("ANN", "A1", []))
            await exchange.next()
            exchange.cut()
            with pytest.raises(NoAnswer, match="lost"):
                await asked
            assert not entry.connected
            with pytest.raises(NotConnected):
                await entry.enter("ANN", "A2", [])
            (tmp_path / websecret.FILE).unlink()
            secret = websecret.ensure(tmp_path)  # the exchange has another one now
            await wait_until(lambda: entry.connected)
            assert [(one["34"], one["141"]) for one in exchange.logons] == [("1", "Y")] * 2 and exchange.logons[1]["554"] == secret
            exchange.send("2", "7=1|16=0|")  # has all of this session again, of which there is nothing
            again = asyncio.create_task(entry.enter("ANN", "A3", []))
            found = [await exchange.next(), await exchange.next()]
            assert sorted((one["35"], one.get("11")) for one in found) == [("4", None), ("D", "A3")]
            again.cancel()
            await asyncio.wait([again])

    asyncio.run(run())


def test_who_gets_no_answer_is_told_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "ANSWER_SECONDS", 0.05)

    async def run() -> None:
        async with connected(tmp_path) as (entry, exchange):
            with pytest.raises(NoAnswer, match=r"within 0\.05 s"):
                await entry.enter("ANN", "A1", [])
            exchange.send("8", "37=1|11=A1|17=5|150=0|39=0|", "ANN")  # too late, for nobody
            assert entry.waiting == 0 and entry.connected and entry.unanswered_total == 1

    asyncio.run(run())


def test_names_are_never_made_twice(tmp_path: Path) -> None:
    (tmp_path / "venue.toml").write_text(configuration())
    config = load(tmp_path / "venue.toml")
    one = OrderDesk(config, tmp_path)
    time.sleep(0.002)  # a process that comes after another comes later than this
    other = OrderDesk(config, tmp_path)
    names = [entry.new_id() for entry in (one, other) for _ in range(100)]
    assert len(set(names)) == 200 and max(map(len, names)) <= 20
