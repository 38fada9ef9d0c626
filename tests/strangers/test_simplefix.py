"""A client built on simplefix: another parser and another builder of messages, and a session layer of a few dozen lines."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import simplefix

from tests.venue import TRADER, VERSIONS, Venue, utc

WAIT_SECONDS = 10.0
ADMIN = (b"0", b"1", b"2", b"3", b"4", b"5", b"A")


@dataclass
class SimpleClient:
    """A FIX session as small as one can be that loses nothing."""

    venue: Venue
    comp_id: str
    begin_string: str
    symbol: str = "AAPL"
    next_out: int = 1
    next_in: int = 1
    highest: int = 0  # number seen
    sent: dict[int, simplefix.FixMessage] = field(default_factory=dict)
    reports: list[simplefix.FixMessage] = field(default_factory=list)  # in sequence, each once
    executions: set[bytes] = field(default_factory=set)  # ExecIDs
    _socket: socket.socket | None = None
    _parser: simplefix.FixParser = field(default_factory=simplefix.FixParser)

    def connect(self) -> None:
        self.close()
        self._parser = simplefix.FixParser()
        self._socket = socket.create_connection(("127.0.0.1", self.venue.ports()["fix"]), WAIT_SECONDS)
        logon = self.new("A")
        for tag, value in ((98, 0), (108, 30), (553, self.comp_id), (554, "demo")):
            logon.append_pair(tag, value)
        if self.begin_string == "FIXT.1.1":
            logon.append_pair(1137, 9)
        self.send(logon)
        assert self.read_until(b"A").get(108) == b"30"

    def close(self) -> None:
        """Cut the connection, without a word."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def new(self, msg_type: str, number: int = 0) -> simplefix.FixMessage:
        message = simplefix.FixMessage()
        message.append_pair(8, self.begin_string, header=True)
        message.append_pair(35, msg_type, header=True)
        message.append_pair(49, self.comp_id, header=True)
        message.append_pair(56, "FIXSERVER", header=True)
        message.append_pair(34, number or self.next_out, header=True)
        message.append_utc_timestamp(52, header=True)
        self.next_out += not number
        return message

    def send(self, message: simplefix.FixMessage, *, lost: bool = False) -> None:
        """`lost`: numbered and kept, but it never arrives."""
        if message.get(35) not in ADMIN:
            self.sent[int(message.get(34))] = message
        if not lost and self._socket is not None:
            self._socket.sendall(message.encode())

    def order(self, cl_ord_id: str, side: int, quantity: int, price: str, *, lost: bool = False) -> None:
        message = self.new("D")
        terms = ((11, cl_ord_id), (21, 1), (55, self.symbol), (54, side), (60, utc()), (38, quantity), (40, 2), (44, price))
        for tag, value in terms:
            message.append_pair(tag, value)
        self.send(message, lost=lost)

    def change(self, msg_type: str, cl_ord_id: str, orig: str, side: int, quantity: int = 0, price: str = "") -> None:
        message = self.new(msg_type)
        for tag, value in ((41, orig), (11, cl_ord_id), (55, self.symbol), (54, side), (60, utc())):
            message.append_pair(tag, value)
        if msg_type == "G":
            for tag, value in ((21, 1), (38, quantity), (40, 2), (44, price)):
                message.append_pair(tag, value)
        self.send(message)

    def read_until(self, msg_type: bytes, text: bytes | None = None) -> simplefix.FixMessage:
        """Take what comes, up to and with a message of this type (and this ClOrdID)."""
        while True:
            message = self._next()
            self._take(message)
            if message.get(35) == msg_type and text in (None, message.get(11)):
                return message

    def catch_up(self) -> None:
        """Take what comes until nothing is missing of what was seen."""
        while self.next_in <= self.highest:
            self._take(self._next())

    def _next(self) -> simplefix.FixMessage:
        assert self._socket is not None
        end = time.monotonic() + WAIT_SECONDS
        while (message := self._parser.get_message()) is None:
            self._socket.settimeout(end - time.monotonic())
            data = self._socket.recv(65_536)
            assert data, "the venue closed the connection"
            self._parser.append_buffer(data)
        return message

    def _take(self, message: simplefix.FixMessage) -> None:
        number, msg_type = int(message.get(34)), message.get(35)
        again = message.get(43) == b"Y"
        self.highest = max(self.highest, number)
        if number > self.next_in:
            request = self.new("2")
            request.append_pair(7, self.next_in)
            request.append_pair(16, 0)
            self.send(request)
            if msg_type != b"2":
                return  # it comes again
        elif number < self.next_in:
            assert again, f"a number that was there before: {message}"
            return
        else:
            self.next_in = int(message.get(36)) if msg_type == b"4" else number + 1
        if msg_type == b"1":
            answer = self.new("0")
            answer.append_pair(112, message.get(112))
            self.send(answer)
        elif msg_type == b"2":
            self._send_again(int(message.get(7)))
        elif msg_type not in ADMIN:
            execution = message.get(17) or b""
            if message.get(97) == b"Y" and execution in self.executions:
                return  # the venue was not sure whether it had sent it
            self.executions.add(execution)
            self.reports.append(message)

    def _send_again(self, first: int) -> None:
        last = self.next_out - 1
        while first <= last:
            due = min((number for number in self.sent if number >= first), default=last + 1)
            if due > first:
                gap = self.new("4", first)
                gap.append_pair(43, "Y", header=True)
                gap.append_pair(123, "Y")
                gap.append_pair(36, due)
                self.send(gap)
            if due <= last:
                original = self.sent[due]
                again = self.new(original.get(35).decode(), due)
                again.append_pair(43, "Y", header=True)
                again.append_pair(122, original.get(52), header=True)
                for tag, value in original.pairs:
                    if tag not in (b"8", b"9", b"35", b"49", b"56", b"34", b"52", b"10"):
                        again.append_pair(tag, value)
                kept = self.sent[due]
                self.send(again)
                self.sent[due] = kept
            first = due + 1

    def told(self) -> list[tuple[str, ...]]:
        """What the reports said since the last time: ClOrdID, OrdStatus, CumQty, LeavesQty."""
        said = [tuple((message.get(tag) or b"-").decode() for tag in (11, 39, 14, 151)) for message in self.reports]
        self.reports.clear()
        return said


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    participants = {f"{name}{number}": TRADER for name in ("MAKER", "TAKER") for number in range(3)}
    with Venue(tmp_path_factory.mktemp("simplefix"), participants=participants) as venue:
        yield venue


@pytest.mark.parametrize("version", VERSIONS)
def test_trade_cancel_replace_and_resend(venue: Venue, version: str) -> None:
    number = VERSIONS.index(version)
    maker, taker = (SimpleClient(venue, f"{name}{number}", version) for name in ("MAKER", "TAKER"))
    with contextlib.closing(maker), contextlib.closing(taker):
        trade(venue, maker, taker)


def trade(venue: Venue, maker: SimpleClient, taker: SimpleClient) -> None:
    maker.connect()
    taker.connect()

    maker.order("M1", 1, 10, "100.00")
    maker.read_until(b"8", b"M1")
    taker.order("T1", 2, 4, "100.00")
    taker.read_until(b"8", b"T1")
    taker.read_until(b"8", b"T1")
    maker.read_until(b"8", b"M1")
    maker.change("G", "M2", "M1", 1, 8, "99.00")
    maker.read_until(b"8", b"M2")
    maker.change("F", "M3", "M2", 1)
    maker.read_until(b"8", b"M3")
    maker.change("F", "M4", "M2", 1)
    maker.read_until(b"9", b"M4")
    assert taker.told() == [("T1", "0", "0", "4"), ("T1", "2", "4", "0")]
    assert maker.told() == [
        ("M1", "0", "0", "10"), ("M1", "1", "4", "6"), ("M2", "1", "4", "4"), ("M3", "4", "4", "0"), ("M4", "4", "-", "-"),
    ]  # fmt: skip

    # Two orders that never arrive: the venue asks for them with the next message, and does them in order.
    taker.order("T2", 1, 1, "50.00", lost=True)
    taker.order("T3", 1, 2, "50.00", lost=True)
    taker.order("T4", 1, 3, "50.00")
    taker.read_until(b"8", b"T4")
    assert taker.told() == [("T2", "0", "0", "1"), ("T3", "0", "0", "2"), ("T4", "0", "0", "3")]

    # The connection is lost; what happens meanwhile is asked for, and comes once.
    maker.order("M5", 1, 6, "101.00")
    maker.read_until(b"8", b"M5")
    maker.close()
    for name in ("T5", "T6", "T7"):
        taker.order(name, 2, 2, "101.00")
        taker.read_until(b"8", name.encode())
        taker.read_until(b"8", name.encode())
    maker.connect()
    maker.catch_up()
    assert maker.told() == [("M5", "0", "0", "6"), ("M5", "1", "2", "4"), ("M5", "1", "4", "2"), ("M5", "2", "6", "0")]

    # The same after a crash of the venue.
    maker.order("M6", 1, 6, "101.00")
    maker.read_until(b"8", b"M6")
    venue.kill()
    venue.start()
    taker.connect()
    taker.order("T8", 2, 6, "101.00")
    taker.read_until(b"8", b"T8")
    taker.read_until(b"8", b"T8")
    maker.connect()
    maker.catch_up()
    assert maker.told() == [("M6", "0", "0", "6"), ("M6", "2", "6", "0")]
