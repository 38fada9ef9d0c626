"""A stock QuickFIX initiator with stock dictionaries, and all its validation on: nothing that the venue sends may offend it."""

from __future__ import annotations

import contextlib
import queue
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import quickfix as fix

from tests.strangers.wire import Wire
from tests.venue import VERSIONS, Client, Message, Venue, cancel, order, replace, utc, wait_for

ANSWER_SECONDS = 10
SYMBOLS = dict(zip(VERSIONS, ("AAPL", "MSFT", "GOOG"), strict=True))  # each version has a market of its own
STOCK = Path(sys.prefix) / "share" / "quickfix"


class Application(fix.Application):  # type: ignore[misc]
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.got: queue.SimpleQueue[Message] = queue.SimpleQueue()  # reports; each ExecID once where PossResend says so
        self.executions: set[str] = set()
        self.admin: list[Message] = []
        self.rejected: list[Message] = []  # what this end refuses
        self.logons = 0
        self.logouts = 0

    def onCreate(self, session_id: Any) -> None:
        pass

    def onLogon(self, session_id: Any) -> None:
        self.logons += 1

    def onLogout(self, session_id: Any) -> None:
        self.logouts += 1

    def toAdmin(self, message: Any, session_id: Any) -> None:
        if message.getHeader().getField(35) == "A":
            message.setField(553, session_id.getSenderCompID().getString())
            message.setField(554, "demo")
        elif message.getHeader().getField(35) == "3":
            self.rejected.append(_message(message))

    def toApp(self, message: Any, session_id: Any) -> None:
        pass

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        self.admin.append(_message(message))

    def fromApp(self, message: Any, session_id: Any) -> None:
        report = _message(message)
        if report.get(97) != "Y" or report.get(17) not in self.executions:
            self.got.put(report)
        self.executions.add(report.get(17))


def _message(message: Any) -> Message:
    return Message(message.toString().encode())


class Initiator:
    """One session, started, with stock dictionaries or others."""

    def __init__(
        self, port: int, comp_id: str, begin_string: str, store: Path, dictionaries: Path = STOCK, target: str = "FIXSERVER"
    ) -> None:
        self.begin_string = begin_string
        self.application = Application()
        values = {
            "ConnectionType": "initiator", "StartTime": "00:00:00", "EndTime": "00:00:00", "HeartBtInt": "30",
            "ReconnectInterval": "1", "SocketConnectHost": "127.0.0.1", "SocketConnectPort": str(port), "UseDataDictionary": "Y",
            "FileStorePath": str(store),
        }  # fmt: skip
        if begin_string == "FIXT.1.1":
            values |= {
                "DefaultApplVerID": "FIX.5.0SP2", "TransportDataDictionary": str(dictionaries / "FIXT11.xml"),
                "AppDataDictionary": str(dictionaries / "FIX50SP2.xml"),
            }  # fmt: skip
        else:
            values["DataDictionary"] = str(dictionaries / f"{begin_string.replace('.', '')}.xml")
        self.session_id = fix.SessionID(begin_string, comp_id, target)
        settings, dictionary = fix.SessionSettings(), fix.Dictionary()
        for key, value in values.items():
            dictionary.setString(key, value)
        settings.set(self.session_id, dictionary)
        self._settings, self._stores = settings, fix.FileStoreFactory(settings)
        self._initiator = fix.SocketInitiator(self.application, self._stores, settings)
        self._initiator.start()
        self.wait_for_logon(1)

    def wait_for_logon(self, count: int) -> None:
        wait_for(lambda: self.application.logons == count and self._logged_on(), f"logon {count}")

    def wait_for_logout(self, count: int) -> None:
        wait_for(lambda: self.application.logouts >= count, f"logout {count}")

    def _logged_on(self) -> bool:
        return bool(fix.Session.lookupSession(self.session_id).isLoggedOn())

    def send(self, msg_type: str, body: str) -> None:
        text = f"8={self.begin_string}|35={msg_type}|" + body
        assert fix.Session.sendToTarget(fix.Message(text.replace("|", "\x01"), False), self.session_id)

    def expect(self, msg_type: str, fields: str, *, over_status: bool = False) -> Message:
        """The next application message, which must be so. `over_status`: answers about an order's state are passed over."""
        try:
            message = self.application.got.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            said = f"{self.application.rejected} {self.application.admin[-3:]}"
            raise AssertionError(f"expected 35={msg_type}|{fields}, got nothing; rejects and the like: {said}") from None
        if over_status and "I" in (message.get(150), message.get(20).replace("3", "I")):
            return self.expect(msg_type, fields, over_status=True)
        assert message.type == msg_type and message.has(fields), f"expected 35={msg_type}|{fields}, got {message}"
        return message

    def stop(self) -> None:
        self._initiator.stop()


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    trader = {"cash": "1_000_000", "holdings": dict.fromkeys(SYMBOLS.values(), "1000")}
    participants = {f"TRADER{number}": trader for number in range(1, 10)}
    instruments: dict[str, dict[str, Any]] = {symbol: {} for symbol in SYMBOLS.values()}
    with Venue(tmp_path_factory.mktemp("quickfix"), participants=participants, instruments=instruments) as venue:
        yield venue


@dataclass
class Day:
    """A version's client, its counterparty, and the market they have to themselves."""

    version: str
    client: Initiator
    other: Client
    wire: Wire
    symbol: str

    @property
    def partial(self) -> str:
        return "150=1|39=1" if self.version == "FIX.4.2" else "150=F|39=1"

    @property
    def filled(self) -> str:
        return "150=2|39=2" if self.version == "FIX.4.2" else "150=F|39=2"

    def trade(self) -> None:
        """Orders, fills, a replace, refusals, status, cancels."""
        client, symbol, version = self.client, self.symbol, self.version
        client.send("D", order("A1", "1", 10, "100.00", symbol))
        client.expect("8", "11=A1|150=0|39=0|151=10|14=0")
        self.other.send("D", order("S1", "2", 4, "99.00", symbol))
        client.expect("8", f"11=A1|{self.partial}|32=4|31=100.00|151=6|14=4|6=100.00")
        client.send("G", replace("A2", "A1", "1", 12, "101.00", symbol))
        client.expect("8", "11=A2|41=A1|150=5|38=12|44=101.00|151=8|14=4")
        client.send("G", replace("A3", "nothing", "1", 12, "101.00", symbol))
        client.expect("9", "11=A3|41=nothing|434=2|102=1|58=*")
        client.send("F", cancel("A4", "unknown", "1", symbol))
        client.expect("9", "11=A4|434=1|102=1|39=8")
        client.send("D", order("A1", "1", 10, "100.00", symbol))
        client.expect("8", "11=A1|150=8|39=8|103=6|58=*")
        client.send("D", order("A5", "1", 10, "100.001", symbol))
        client.expect("8", "11=A5|150=8|39=8|103=*|58=*")
        client.send("D", order("A6", "1", 10, "1000.00", symbol))
        client.expect("8", "11=A6|150=8|39=8|103=*|58=*")
        client.send("D", order("A7", "2", 100_000_000, "100.00", symbol))
        client.expect("8", "11=A7|150=8|39=8|103=3|58=*")
        client.send("D", order("A8", "1", 10, "100.00", "NONE"))
        client.expect("8", "11=A8|150=8|39=8|103=1|58=*")
        client.send("D", order("A9", "1", 5, "100.00", symbol, "59=3|"))
        client.expect("8", "11=A9|150=0|39=0")
        client.expect("8", "11=A9|150=4|39=4|151=0|58=*")
        client.send("D", order("A10", "2", 5, "101.00", symbol))  # its own bid is canceled
        client.expect("8", "11=A10|150=0|39=0")
        client.expect("8", "11=A2|150=4|39=4|151=0|14=4")
        client.send("H", f"37=x|11=A10|55={symbol}|54=2|")
        client.expect("8", f"11=A10|39=0|150={'0' if version == 'FIX.4.2' else 'I'}|151=5")
        client.send("H", f"37=x|11=nothing|55={symbol}|54=2|")
        client.expect("8", "11=nothing|39=8|103=5")
        client.send("D", order("A11", "1", 10, "99.00", symbol))
        client.expect("8", "11=A11|39=0")
        if version == "FIX.4.2":  # its stock dictionary has no q, r and AF
            client.send("F", cancel("A12", "A10", "2", symbol))
            client.expect("8", "11=A12|41=A10|150=4|39=4")
            client.send("F", cancel("A13", "A11", "1", symbol))
            client.expect("8", "11=A13|41=A11|150=4|39=4")
        else:
            client.send("AF", "584=all|585=7|")
            client.expect("8", "11=A10|150=I|584=all|912=N")
            client.expect("8", "11=A11|150=I|584=all|912=Y")
            client.send("q", f"11=A12|530=7|60={utc()}|")
            client.expect("r", "11=A12|530=7|531=7|533=2")
            client.expect("8", "11=A10|150=4|39=4")
            client.expect("8", "11=A11|150=4|39=4")
        client.send("B", "148=x|33=1|58=y|")
        client.expect("j", "372=B|380=3")


def test_a_day_of_trading(venue: Venue, tmp_path: Path) -> None:
    """On every version at once: trading, the wire cut and mended, the venue restarted, the venue killed."""
    with contextlib.ExitStack() as stack:
        days = []
        for number, version in enumerate(VERSIONS, 1):
            wire = stack.enter_context(Wire(lambda: venue.ports()["fix"]))
            client = Initiator(wire.port, f"TRADER{number}", version, tmp_path)
            stack.callback(client.stop)
            days.append(Day(version, client, venue.client(f"TRADER{number + 3}").logon(), wire, SYMBOLS[version]))
        for day in days:
            day.trade()

        # Fills while the client is away come by resend, each once, in order.
        for day in days:
            day.client.send("D", order("B1", "1", 10, "100.00", day.symbol))
            day.client.expect("8", "11=B1|150=0")
            day.wire.cut()
        for day in days:
            day.client.wait_for_logout(1)
            for number in range(3):
                day.other.send("D", order(f"S2{number}", "2", 2, "100.00", day.symbol))
                day.other.expect("8", "150=0")
                day.other.expect("8", "150=F|39=2")
            day.wire.mend()
        for day in days:
            day.client.wait_for_logon(2)
            for done in (2, 4, 6):
                day.client.expect("8", f"43=Y|122=*|11=B1|{day.partial}|32=2|151={10 - done}|14={done}")

        # An orderly restart: the numbers go on.
        venue.restart()
        for day in days:
            day.client.wait_for_logon(3)
            day.client.send("D", order("C1", "1", 10, "100.00", day.symbol))
            day.client.expect("8", "11=C1|150=0|39=0")

        # A crash: what the venue did not note of the last moment it asks for, or says again.
        venue.kill()
        venue.start()
        for day in days:
            day.client.wait_for_logon(4)
            day.other.close()
            day.other.logon()
            day.other.send("D", order("S3", "2", 14, "100.00", day.symbol))
            day.client.expect("8", f"11=B1|{day.filled}|32=4|151=0|14=10", over_status=True)
            day.client.expect("8", f"11=C1|{day.filled}|32=10|151=0|14=10", over_status=True)
            assert day.client.application.got.empty()
            assert day.client.application.rejected == []
            assert [message for message in day.client.application.admin if message.type == "3"] == []


def test_what_the_client_sent_while_the_wire_was_cut_arrives_once(venue: Venue, tmp_path: Path) -> None:
    """QuickFIX numbers and keeps orders while it is not connected: the venue asks for them."""
    with contextlib.ExitStack() as stack:
        clients = []
        for number, version in enumerate(VERSIONS, 7):
            wire = stack.enter_context(Wire(lambda: venue.ports()["fix"]))
            client = Initiator(wire.port, f"TRADER{number}", version, tmp_path)
            stack.callback(client.stop)
            clients.append((wire, client))
            wire.cut()
        for wire, client in clients:
            client.wait_for_logout(1)
            for number in range(3):
                client.send("D", order(f"D{number}", "1", 10, "90.00"))
            wire.mend()
        for _, client in clients:
            client.wait_for_logon(2)
            for number in range(3):
                client.expect("8", f"11=D{number}|150=0|39=0")
            assert client.application.got.empty()
            assert client.application.rejected == []
