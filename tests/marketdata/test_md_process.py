"""The feed as a process: real FIX sessions of QuickFIX on every version, restarts, a client that does not read, metrics."""

from __future__ import annotations

import json
import queue
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import quickfix as fix
from md_stand import SYMBOLS, Flow, Rows, Venue, by_order, by_price, price_of, quantity_of

from fixserver.passwords import hash_password
from fixserver.sessions import finished
from marketdata.rebuild import BookBuilder, OpenOrder, PriceLevel
from matching.engine import Engine
from matching.messages import BUY, SELL, BustTrade, CorrectTrade, PublishIndicative, SetPhase, Traded

ROOT = Path(__file__).resolve().parents[2]
DICTIONARIES = ROOT / "config" / "dictionaries"
VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
WAIT_SECONDS = 20.0
VENUE_NAME = "FIXSERVER-MD"


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError(f"not within {WAIT_SECONDS:g} s: {what}")


class Feed:
    """The market data process of a venue whose event log the test writes."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.data.mkdir()
        self.config = directory / "venue.toml"
        password = hash_password("demo")
        self.config.write_text(
            f'[venue]\ndictionaries = "{DICTIONARIES}"\n[exchange]\nport = 0\nmetrics_port = 0\n[clearing]\nmetrics_port = 0\n'
            "[marketdata]\nport = 0\nmetrics_port = 0\n[web]\nenabled = false\n"
            + "".join(
                f'[[instruments]]\nsymbol = "{symbol}"\nquantity_max = "1000"\nvalue_max = "1000000"\nreference_price = "10"\n'
                for symbol in SYMBOLS
            )
            + "".join(f'[[participants]]\nname = "{name}"\npassword = "{password}"\n' for name in ("ALICE", "BOB"))
        )
        self.venue = Venue(self.data)
        self.clients: list[Client] = []
        self.sockets: list[socket.socket] = []
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.data / "marketdata.ports").unlink(missing_ok=True)
        command = [sys.executable, "-m", "fixserver.cli", "marketdata", "--config", str(self.config), "--data", str(self.data)]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
        wait_for(lambda: (self.data / "marketdata.ports").exists() or self.process.poll() is not None, "the feed is up")  # type: ignore[union-attr]
        assert self.process.poll() is None, self.process.stderr.read().decode()  # type: ignore[union-attr]

    def connect(self, name: str, version: str) -> Client:
        client = Client(self, name, version)
        self.clients.append(client)
        client.wait_for_logon(1)
        return client

    def open_socket(self) -> socket.socket:
        self.sockets.append(socket.socket())
        return self.sockets[-1]

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(WAIT_SECONDS)
        assert self.process.stderr is not None
        self.said = self.process.stderr.read().decode()
        self.process.stderr.close()
        self.process = None
        return code

    @property
    def ports(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.data / "marketdata.ports").read_text())
        return found

    def metric(self, name: str) -> float:
        return metrics(self.ports["metrics"]).get(f"fixserver_marketdata_{name}", -1.0)

    def wait_until_read(self) -> None:
        wait_for(lambda: self.metric("event_head") == self.venue.engine.event_seq, "the feed is at the head")

    def run_flow(self, seed: int, count: int) -> None:
        for commands in Flow(self.venue, seed).batches(count):
            self.venue.submit(commands)


def metrics(port: int) -> dict[str, float]:
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")}


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    feed = Feed(tmp_path)
    yield feed
    for one in [*feed.clients, *feed.sockets]:
        one.close()
    if feed.process is not None:
        feed.end(signal.SIGKILL)
    feed.venue.close()


class Application(fix.Application):  # type: ignore[misc]
    """Keeps the messages that come, and counts what this side had to reject."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.messages: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.logons = 0
        self.logged_on = False
        self.rejected: list[str] = []
        self.resets = 0

    def onCreate(self, session: Any) -> None: ...

    def onLogon(self, session: Any) -> None:
        self.logons += 1
        self.logged_on = True

    def onLogout(self, session: Any) -> None:
        self.logged_on = False

    def toAdmin(self, message: Any, session: Any) -> None:
        msg_type = message.getHeader().getField(35)
        if msg_type == "A":
            message.setField(553, self.name)
            message.setField(554, "demo")
        elif msg_type in "3j":
            self.rejected.append(message.toString())

    def fromAdmin(self, message: Any, session: Any) -> None:
        if message.getHeader().getField(35) == "4" and not message.isSetField(123):
            self.resets += 1

    def toApp(self, message: Any, session: Any) -> None:
        if message.getHeader().getField(35) == "j":
            self.rejected.append(message.toString())

    def fromApp(self, message: Any, session: Any) -> None:
        self.messages.put(message.toString())


class Client:
    """A QuickFIX initiator that validates what it gets by the venue's dictionary."""

    def __init__(self, feed: Feed, name: str, version: str) -> None:
        self.name, self.version = name, version
        self.application = Application(name)
        self.id = fix.SessionID(version, name, VENUE_NAME)
        settings = fix.SessionSettings()
        chosen = fix.Dictionary()
        values = {
            "ConnectionType": "initiator",
            "SocketConnectHost": "127.0.0.1",
            "SocketConnectPort": str(feed.ports["fix"]),
            "StartTime": "00:00:00",
            "EndTime": "00:00:00",
            "HeartBtInt": "30",
            "ReconnectInterval": "1",
            "UseDataDictionary": "Y",
        }
        names = ["FIXT11", "FIX50SP2"] if version == "FIXT.1.1" else [version.replace(".", "")]
        self._dictionaries = [fix.DataDictionary(str(DICTIONARIES / f"{name}.xml")) for name in names]
        if version == "FIXT.1.1":
            values |= {
                "DefaultApplVerID": "FIX.5.0SP2",
                "TransportDataDictionary": str(DICTIONARIES / "FIXT11.xml"),
                "AppDataDictionary": str(DICTIONARIES / "FIX50SP2.xml"),
            }
        else:
            values["DataDictionary"] = str(DICTIONARIES / f"{version.replace('.', '')}.xml")
        for key, value in values.items():
            chosen.setString(key, value)
        settings.set(self.id, chosen)
        self._store = fix.MemoryStoreFactory()
        self._initiator = fix.SocketInitiator(self.application, self._store, settings)
        self._initiator.start()

    def wait_for_logon(self, times: int) -> None:
        wait_for(lambda: self.application.logons >= times and self.application.logged_on, f"{self.name} is logged on")

    def close(self) -> None:
        self._initiator.stop()

    def send(self, fields: str) -> None:
        text = f"8={self.version}|{fields}10=000|".replace("|", "\x01")
        # With the dictionaries, because without them QuickFIX sorts a message's fields, and groups fall apart; with a
        # trailer, because the last entry of a group that ends the text is lost.
        assert fix.Session.sendToTarget(fix.Message(text, *self._dictionaries, False), self.id)

    def subscribe(self, req_id: str, depth: int, orders: bool) -> None:
        kinds = "0124578" + "9B"
        self.send(
            f"35=V|262={req_id}|263=1|264={depth}|265=1|266={'N' if orders else 'Y'}|267={len(kinds)}|"
            + "".join(f"269={kind}|" for kind in kinds)
            + f"146={len(SYMBOLS)}|"
            + "".join(f"55={symbol}|" for symbol in SYMBOLS)
        )

    def take(self) -> list[str]:
        found = []
        while not self.application.messages.empty():
            found.append(self.application.messages.get())
        return found


class Followed:
    """The books of several subscriptions of one session."""

    def __init__(self, client: Client, orders: dict[str, bool]) -> None:
        self.client = client
        self.builders = {req_id: BookBuilder(by_order) for req_id, by_order in orders.items()}

    def take(self) -> None:
        for text in self.client.take():
            req_id = text.partition("\x01262=")[2].partition("\x01")[0]
            self.builders[req_id].take(text)

    @property
    def messages(self) -> int:
        return sum(builder.messages for builder in self.builders.values())

    def at(self, symbol: str, req_id: str) -> int:
        self.take()
        book = self.builders[req_id].books.get(symbol)
        return book.rpt_seq if book else -1


def engines(engine: Engine, symbol: str, orders: bool, depth: int) -> list[Rows]:
    """Bids and offers of the engine as a client sees them that asked for so many prices."""
    found = []
    for side in (BUY, SELL):
        levels = by_price(engine, symbol, side)
        levels = levels[:depth] if depth else levels
        prices = {price for price, _, _ in levels}
        found.append([order for order in by_order(engine, symbol, side) if order[1] in prices] if orders else levels)
    return found


def rebuilt(builder: BookBuilder, symbol: str) -> list[Rows]:
    book = builder.books.get(symbol)
    if book is None:
        return []
    found: list[Rows] = []
    for side in (book.bids(), book.offers()):
        rows = []
        for row in side:
            if isinstance(row, OpenOrder):
                rows.append((int(row.order_id), price_of(row.price, symbol), quantity_of(row.size, symbol)))
            else:
                assert isinstance(row, PriceLevel)
                rows.append((price_of(row.price, symbol), quantity_of(row.size, symbol), row.orders))
        found.append(rows)
    return found


SUBSCRIPTIONS = {"full-price": (0, False), "full-order": (0, True), "top": (1, False), "five-order": (5, True)}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_rebuilds_the_engines_book(feed: Feed, version: str) -> None:
    feed.run_flow(1, 200)
    feed.start()
    client = feed.connect("ALICE", version)
    followed = Followed(client, {req_id: orders for req_id, (_, orders) in SUBSCRIPTIONS.items()})
    flow = Flow(feed.venue, 2)
    for number, commands in enumerate(flow.batches(1_500)):
        if number in (0, 200, 400, 600):  # late joiners, under load
            req_id, (depth, orders) = list(SUBSCRIPTIONS.items())[number // 200]
            client.subscribe(req_id, depth, orders)
        feed.venue.submit(commands)
        if number % 50 == 49:  # so that it is followed while it happens

            def more(before: int = followed.messages) -> bool:
                followed.take()
                return followed.messages > before

            wait_for(more, "an increment")

    def equal() -> bool:
        followed.take()
        return all(
            rebuilt(followed.builders[req_id], symbol) == engines(feed.venue.engine, symbol, orders, depth)
            for req_id, (depth, orders) in SUBSCRIPTIONS.items()
            for symbol in SYMBOLS
        )

    wait_for(equal, "every book is the engine's")
    for builder in followed.builders.values():
        assert [book.snapshots for book in builder.books.values()] == [1, 1]
        assert builder.messages > 10
    assert client.application.rejected == [], "the venue's dictionary holds for what the venue sends"
    assert feed.end() == 0
    assert (feed.data / "marketdata" / "checkpoint").exists()
    assert not (feed.data / "marketdata.ports").exists()


def test_refusals_over_a_session(feed: Feed) -> None:
    feed.start()
    client = feed.connect("ALICE", "FIX.4.4")
    client.send("35=V|262=a|263=1|264=0|265=1|267=1|269=0|146=1|55=NONE|")
    client.send("35=V|262=b|263=1|264=-2|265=1|267=1|269=0|146=1|55=AAPL|")
    client.send("35=D|11=x|55=AAPL|54=1|38=1|40=2|44=1|60=20240101-00:00:00|")
    received: list[str] = []

    def three() -> bool:
        received.extend(client.take())
        return len(received) == 3

    wait_for(three, "three answers")
    answers = [dict(field.split("=", 1) for field in text.split("\x01")[:-1]) for text in received]
    assert [[answer.get(tag) for tag in ("35", "262", "281", "372", "380", "58")] for answer in answers] == [
        ["Y", "a", "0", None, None, "Symbol(55) 'NONE' is not traded here"],
        ["Y", "b", "5", None, None, "MarketDepth(264) is '-2'; 0 is the whole book, 1 its top, and the most is 1000 prices"],
        ["j", None, None, "D", "3", "MsgType(35) D is not taken on this port: V, e, g, x are"],
    ]
    assert feed.end() == 0


def test_phases_auctions_and_busts_are_understood_on_every_version(feed: Feed) -> None:
    """QuickFIX validates each message by the venue's dictionary, and rejects none."""
    feed.start()
    venue = feed.venue
    clients = [feed.connect(name, version) for name, version in zip(("ALICE", "BOB", "ALICE"), VERSIONS, strict=True)]
    got: dict[str, list[str]] = {client.version: [] for client in clients}
    kinds = "0124578" + "9BAQ"
    for client in clients:
        groups = f"267={len(kinds)}|" + "".join(f"269={kind}|" for kind in kinds) + "146=1|55=AAPL|"
        client.send(f"35=V|262=a|263=1|264=0|265=1|266=Y|{groups}")
        client.send("35=e|324=e|55=AAPL|263=0|")
        client.send("35=e|324=e|55=NONE|263=0|")
        client.send("35=g|335=g|263=0|")
        client.send("35=g|335=g|263=0|" + ("1300=MOON|" if client.version == "FIXT.1.1" else "336=MOON|"))
        client.send("35=x|320=x|559=4|")
        client.send("35=x|320=x|559=0|55=NONE|")

    def types(client: Client) -> Counter[str]:
        got[client.version] += client.take()
        return Counter(text.partition("\x0135=")[2].partition("\x01")[0] for text in got[client.version])

    def answered() -> bool:
        # Before FIX 4.4 there is no way to say that a market is unknown but a BusinessMessageReject.
        old, new = Counter(W=1, f=2, y=2, h=1, j=1), Counter(W=1, f=2, y=2, h=2)
        return all(types(client) == (old if client.version == "FIX.4.2" else new) for client in clients)

    wait_for(answered, "every question is answered")
    traded: list[Traded] = []
    for command in (
        *(SetPhase("", phase, "MAIN") for phase in ("closed", "pre-open", "opening-auction")),
        venue.order("ALICE", SELL, 1000, 5),
        venue.order("BOB", BUY, 1002, 8),
        PublishIndicative(),
        *(SetPhase("AAPL", phase) for phase in ("continuous", "volatility-auction", "closing-auction")),
        PublishIndicative(),
        *(SetPhase("AAPL", phase) for phase in ("closing-price", "halted", "cancel-only")),
    ):
        traded += [event for event in venue.submit([command]).events if isinstance(event, Traded)]
    (trade,) = traded
    venue.submit([CorrectTrade(trade, trade.price - 1, 4, "operator eve")])
    venue.submit([BustTrade(trade, "operator eve")])

    def told() -> bool:
        return all(
            types(client)["h"] == 5 - (client.version == "FIX.4.2")
            and types(client)["f"] == 2 + 6 + 6
            and any(f"\x01279=2\x01269=2\x01278={trade.seq}\x01" in text for text in got[client.version])
            for client in clients
        )

    wait_for(told, "all is told")
    for client in clients:
        assert client.application.rejected == []
        text = "".join(got[client.version])
        for said in ("\x01269=A\x01", "\x01269=Q\x01", "\x01276=I\x01", "\x01277=P\x01", f"\x01278={trade.seq}\x01"):
            assert said in text, f"{client.version}: {said!r}"
    assert feed.end() == 0


def test_after_a_crash_numbers_go_on_and_the_client_asks_again(feed: Feed) -> None:
    feed.run_flow(3, 50)
    feed.start()
    client = feed.connect("ALICE", "FIXT.1.1")
    followed = Followed(client, {"one": True, "two": True})
    client.subscribe("one", 0, True)
    wait_for(lambda: followed.at("BTCUSD", "one") >= 0, "the snapshots")
    feed.run_flow(4, 50)
    feed.wait_until_read()
    port = feed.ports["fix"]
    feed.end(signal.SIGKILL)
    feed.config.write_text(feed.config.read_text().replace("[marketdata]\nport = 0", f"[marketdata]\nport = {port}"))
    feed.run_flow(5, 50)
    feed.start()
    client.wait_for_logon(2)
    client.subscribe("two", 0, True)
    feed.run_flow(6, 50)

    def equal() -> bool:
        followed.take()
        return all(rebuilt(followed.builders["two"], symbol) == engines(feed.venue.engine, symbol, True, 0) for symbol in SYMBOLS)

    wait_for(equal, "the books after the restart")
    assert client.application.resets == 0 and client.application.rejected == []
    assert feed.end() == 0


def test_an_orderly_stop_reads_to_the_end_and_logs_out(feed: Feed) -> None:
    feed.start()
    client = feed.connect("ALICE", "FIX.4.4")
    followed = Followed(client, {"one": False})
    client.subscribe("one", 0, False)
    wait_for(lambda: followed.at("AAPL", "one") >= 0, "the snapshots")
    feed.run_flow(7, 500)
    assert feed.end() == 0
    wait_for(lambda: not client.application.logged_on, "the Logout")
    followed.take()
    for symbol in SYMBOLS:
        assert rebuilt(followed.builders["one"], symbol) == engines(feed.venue.engine, symbol, False, 0)
    feed.start()
    assert feed.metric("event_head") == feed.venue.engine.event_seq
    feed.end()
    assert f"goes on at event {feed.venue.engine.event_seq + 1}" in feed.said


def test_a_client_that_does_not_read_slows_nobody(feed: Feed) -> None:
    feed.start()
    quick = feed.connect("ALICE", "FIX.4.4")
    followed = Followed(quick, {"one": True})
    quick.subscribe("one", 0, True)
    slow = feed.open_socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", feed.ports["fix"]))
    slow.settimeout(WAIT_SECONDS)
    slow.sendall(_message(1, "A", "98=0|108=30|141=Y|553=BOB|554=demo|"))
    assert b"\x0135=A\x01" in slow.recv(4096)
    for number in range(20):  # twenty times the same, so that it is more than the machine's buffers hold
        slow.sendall(_message(2 + number, "V", f"262=s{number}|263=1|264=0|265=1|266=N|267=2|269=0|269=1|146=2|55=AAPL|55=BTCUSD|"))
    wait_for(lambda: feed.metric("subscriptions") == 42, "both are subscribed")

    def held() -> bool:
        feed.run_flow(int(feed.venue.engine.command_seq), 50)
        return feed.metric("held_total") == 1

    wait_for(held, "the slow one is held back")

    def equal() -> bool:
        followed.take()
        return all(rebuilt(followed.builders["one"], symbol) == engines(feed.venue.engine, symbol, True, 0) for symbol in SYMBOLS)

    feed.wait_until_read()
    wait_for(equal, "the quick one has the book")
    assert [book.snapshots for book in followed.builders["one"].books.values()] == [1, 1]

    # Then it reads, and each of its subscriptions begins again with a snapshot.
    builders = {f"s{number}": BookBuilder(True) for number in range(20)}
    pending = b""

    def whole() -> bool:
        expected = {symbol: engines(feed.venue.engine, symbol, True, 0) for symbol in SYMBOLS}
        return all(rebuilt(builder, symbol) == expected[symbol] for builder in builders.values() for symbol in SYMBOLS)

    while not whole():
        pending += slow.recv(1 << 20)
        *messages, pending = pending.split(b"8=FIX.4.4\x01")
        if pending.endswith(b"\x01") and b"\x0110=" in pending[-8:]:
            messages.append(pending)
            pending = b""
        for message in messages:
            text = message.decode()
            if "\x01262=" in text:
                builders[text.partition("\x01262=")[2].partition("\x01")[0]].take(text)
    assert {book.snapshots for builder in builders.values() for book in builder.books.values()} == {2}
    assert feed.end() == 0


def _message(number: int, msg_type: str, body: str) -> bytes:
    now = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
    content = f"35={msg_type}|34={number}|49=BOB|56={VENUE_NAME}|52={now}|{body}".replace("|", "\x01")
    return finished("8=FIX.4.4\x019=", content)


def test_metrics(feed: Feed) -> None:
    feed.run_flow(8, 20)
    feed.start()
    client = feed.connect("ALICE", "FIX.4.4")
    followed = Followed(client, {"one": False})
    client.subscribe("one", 0, False)
    wait_for(lambda: followed.at("BTCUSD", "one") >= 0, "the snapshots")
    client.send("35=V|262=b|263=1|264=0|265=1|267=1|269=0|146=1|55=NONE|")
    wait_for(lambda: client.take(), "the refusal")
    wait_for(lambda: feed.metric('messages_sent_total{type="Y"}') == 1, "a page with it")
    found = metrics(feed.ports["metrics"])
    shown = {name.removeprefix("fixserver_marketdata_"): value for name, value in found.items() if name.startswith("fixserver_")}
    resting = sum(len(by_order(feed.venue.engine, symbol, side)) for symbol in SYMBOLS for side in (BUY, SELL))
    expected = {
        "sessions": 1,
        "connections": 1,
        "subscribers": 1,
        "subscriptions": 2,
        "views": 2,
        "event_head": feed.venue.engine.event_seq,
        "event_time_seconds": feed.venue.time / 1e9,
        "resting_orders": resting,
        "held_total": 0,
        "cut_total": 0,
        'requests_rejected_total{reason="unknown_symbol"}': 1,
        'messages_sent_total{type="W"}': 2,
        'messages_sent_total{type="Y"}': 1,
        'messages_sent_total{type="A"}': 1,
        'messages_received_total{type="A"}': 1,
        'messages_received_total{type="V"}': 2,
    }
    assert {name: shown.get(name) for name in expected} == expected
    assert shown["entries_sent_total"] > 2
    assert feed.end() == 0


def test_one_feed_a_venue(feed: Feed) -> None:
    feed.start()
    command = [sys.executable, "-m", "fixserver.cli", "marketdata", "--config", str(feed.config), "--data", str(feed.data)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=WAIT_SECONDS, check=False)
    assert second.returncode == 2
    assert b"another process is the feed of this venue" in second.stderr
    assert feed.end() == 0


def test_damage_in_the_event_log_is_named(feed: Feed) -> None:
    feed.run_flow(9, 50)
    feed.venue.close()
    (path,) = (feed.data / "events").glob("*.log")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)
    command = [sys.executable, "-m", "fixserver.cli", "marketdata", "--config", str(feed.config), "--data", str(feed.data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=WAIT_SECONDS, check=False)
    assert done.returncode == 1
    assert str(path).encode() in done.stderr and b"damaged at offset" in done.stderr
    feed.venue = Venue(feed.data.parent / "other")


