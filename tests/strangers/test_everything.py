"""A QuickFIX initiator with the venue's dictionary and all its validation on hears all there is to hear, and rejects nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import quickfix as fix

from tests.orders.desk import operate
from tests.strangers.test_quickfix import Initiator
from tests.venue import DICTIONARIES, VERSIONS, Client, Message, Venue, utc

SYMBOLS = dict(zip(VERSIONS, ("AAPL", "MSFT", "GOOG"), strict=True))
# What each version hears at least: MsgType, or ExecType of an ExecutionReport.
HEARD = {
    "FIX.4.2": "8 9 N b f h j r y 150=0 150=1 150=2 150=4 150=5 150=8 150=D 20=1 20=2 20=3",
    "FIX.4.4": "8 9 N b f h j r y 150=0 150=F 150=4 150=5 150=8 150=D 150=G 150=H 150=I 150=L",
    "FIXT.1.1": "8 9 N b f h j r y 150=0 150=F 150=4 150=5 150=8 150=D 150=G 150=H 150=I 150=L",
}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    trader = {"cash": "1_000_000_000", "holdings": dict.fromkeys(SYMBOLS.values(), "100_000")}
    participants = {f"TRADER{number}": trader for number in range(1, 7)}
    instruments = {symbol: {"band": "50"} for symbol in SYMBOLS.values()}
    with Venue(tmp_path_factory.mktemp("everything"), participants=participants, instruments=instruments) as running:
        yield running


class Day:
    """What one version's client does and hears; the other trades with him, on a plain socket."""

    def __init__(self, venue: Venue, version: str, client: Initiator, other: Client) -> None:
        self.venue, self.version, self.client, self.other = venue, version, client, other
        self.symbol = SYMBOLS[version]
        self.heard: list[Message] = []
        files = ("FIXT11.xml", "FIX50SP2.xml") if version == "FIXT.1.1" else (f"{version.replace('.', '')}.xml",)
        self._dictionaries = [fix.DataDictionary(str(DICTIONARIES / name)) for name in files]
        self._questions = self._orders = 0

    def send(self, msg_type: str, body: str) -> None:
        """A message of the client's, with its groups in their places, and everything that comes until it is answered."""
        text = f"8={self.version}|9=0|35={msg_type}|{body}10=000|".replace("|", "\x01")
        message = fix.Message()
        message.setString(text, False, *self._dictionaries)
        assert fix.Session.sendToTarget(message, self.client.session_id)
        self.listen()

    def order(self, cl_ord_id: str, side: str, quantity: int, fields: str) -> None:
        self.send("D", f"11={cl_ord_id}|21=1|55={self.symbol}|54={side}|60={utc()}|38={quantity}|{fields}")

    def trade(self, side: str, quantity: int, price: str) -> None:
        """The other's order, which has done all that it does."""
        self._orders += 1
        body = f"11=B{self._orders}|21=1|55={self.symbol}|54={side}|60={utc()}|38={quantity}|40=2|44={price}|"
        self.other.send("D", body)
        self.other.drain(lambda message: message.type == "8")
        self.listen()

    def operate(self, action: str, **arguments: str) -> None:
        operate(self.venue, action, **arguments)
        self.listen()

    def listen(self) -> None:
        """Take what has come, up to the answer to a question."""
        self._questions += 1
        mark = f"question-{self._questions}"
        order_id = "37=x|" if self.version != "FIX.4.2" else ""
        text = f"8={self.version}|35=H|{order_id}11={mark}|55={self.symbol}|54=1|".replace("|", "\x01")
        assert fix.Session.sendToTarget(fix.Message(text, False), self.client.session_id)
        while True:
            message = self.client.application.got.get(timeout=10)
            self.heard.append(message)
            if message.get(11) == mark:
                return


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_that_the_venue_says_is_rejected(venue: Venue, version: str, tmp_path: Path) -> None:
    number = VERSIONS.index(version) * 2 + 1
    client = Initiator(venue.ports()["fix"], f"TRADER{number}", version, tmp_path, DICTIONARIES)
    other = venue.client(f"TRADER{number + 1}", version).logon()
    day = Day(venue, version, client, other)
    try:
        everything(day)
    finally:
        client.stop()
        other.close()
    assert [str(message) for message in client.application.rejected] == []
    types = Counter(message.type for message in day.heard)
    types.update(f"{tag}={message.get(tag)}" for message in day.heard if message.type == "8" for tag in (150, 20))
    assert [what for what in HEARD[version].split() if not types[what]] == []


def everything(day: Day) -> None:
    """A day on which everything happens."""
    symbol, latest, old = day.symbol, day.version == "FIXT.1.1", day.version == "FIX.4.2"
    match_id, instruction = ("2362", "2964") if latest else ("7928", "8000")
    peg = "1094=5|" if latest else "18=R|"
    day.send("x", "320=Q1|559=4|")
    day.send("g", "335=Q2|263=0|")
    day.send("e", f"324=Q3|55={symbol}|263=0|")
    day.send("V", f"262=M|263=0|264=0|267=1|269=0|146=1|55={symbol}|")
    for phase in ("pre-open", "opening-auction"):
        day.operate("phase", symbol=symbol, phase=phase)
    day.order("O1", "1", 10, "40=2|44=101.00|59=2|")
    day.trade("2", 4, "100.00")
    day.operate("phase", symbol=symbol, phase="continuous")
    trade = next(message[17].rstrip("MT") for message in day.heard if message.type == "8" and message.get(32) == "4")
    day.operate("correct", trade=trade, price="99.00")
    day.operate("bust", trade=trade)
    day.order("S1", "1", 5, "40=3|99=102.00|")
    day.order("S2", "2", 5, "40=4|44=90.00|99=91.00|")
    day.order("P1", "1", 5, f"40=P|{peg}211=0.05|")
    day.order("I1", "2", 10, f"40=2|44=102.00|{'1138' if latest else '111'}=2|")
    day.trade("1", 5, "102.00")
    day.trade("1", 1, "98.00")
    day.order("K1", "2", 4, "40=K|")
    day.order("X1", "1", 5, "40=2|44=97.00|18=6|")
    day.order("X2", "2", 5, "40=2|44=97.00|59=3|110=5|")
    for one in "1234":
        day.order(f"R{one}", "2", 10, f"40=2|44=101.00|{match_id}=ME|")
        day.order(f"T{one}", "1", 6, f"40=2|44=101.00|{match_id}=ME|{instruction}={one}|")
        day.send("q", f"11=M{one}|530=7|60={utc()}|")
    legs = [f"11=L{place}|67={place}|55={symbol}|54=2|60={utc()}|38=5|40=2|44=105.00|" for place in range(1, 7)]
    day.send("E", f"66=OCO|394=3|1385=1|68=2|73=2|{legs[0]}{legs[1]}")
    day.send("E", f"66=OTO|394=3|1385=2|68=2|73=2|{legs[2]}{legs[3]}".replace("67=3", "67=1").replace("67=4", "67=2"))
    day.send("E", f"66=BAD|394=3|1385=3|68=2|73=2|{legs[4]}{legs[5]}")
    day.trade("1", 10, "105.00")
    entries = f"299=E1|55={symbol}|132=95.00|133=96.00|134=5|135=5|299=E2|55=NOSUCH|132=1|134=1|"
    underlying = "311=X|" if old else ""
    for quote_id in ("Q1", "Q2"):
        day.send("i", f"117={quote_id}|301=2|296=1|302=S|{underlying}304=2|295=2|{entries}")
    day.trade("1", 2, "96.00")
    day.send("Z", f"117=Q3|298=1|295=1|55={symbol}|")
    day.send("Z", f"117=Q4|298=4|295=1|55={symbol}|")
    day.order("G1", "1", 5, "40=2|44=80.00|59=1|")
    day.send("G", f"41=G1|11=G2|21=1|55={symbol}|54=1|60={utc()}|38=6|40=2|44=81.00|59=1|")
    day.send("G", f"41=G2|11=G3|21=1|55={symbol}|54=1|60={utc()}|38=6|40=2|44=8100.00|59=1|")
    day.send("F", f"41=nothing|11=G4|55={symbol}|54=1|60={utc()}|38=6|")
    day.send("AF", "584=A1|585=7|")
    for phase in ("closing-auction", "closing-price", "closed", "cancel-only", "volatility-auction"):
        day.operate("phase", symbol=symbol, phase=phase)
    day.order("Z1", "1", 5, "40=2|44=100.00|59=3|")
    day.operate("halt", symbol=symbol)
    day.operate("resume", symbol=symbol)
    day.operate("phase", market="MAIN", phase="closed")
    day.order("Z2", "1", 5, "40=2|44=100.00|")
    day.operate("phase", market="MAIN", phase="continuous")
    day.operate("kill", name=day.other.comp_id)
    day.operate("kill", name=day.client.session_id.getSenderCompID().getString())
    day.order("Z3", "1", 5, "40=2|44=100.00|")
