"""One venue looked at in four ways: by its engine, the FIX feed, the stream and multicast; says where two of them differ.

A round is random trading of every kind, something that goes wrong, and a look at all of them when nothing moves any more.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import select
from websockets.sync.client import ClientConnection, connect

from clearing import schema
from clearing.database import open_database
from fixserver.clearing_process import database_url
from fixserver.config import load
from marketdata.candles import DAY, DAY_NS, INTERVALS, WIDTHS
from marketdata.depth import AUCTIONS, STATISTICS
from marketdata.multicast_receiver import Receiver
from marketdata.rebuild import BookBuilder
from marketdata.shapes import value_text
from marketdata.streambook import StreamBuilder
from matching.engine import Engine
from matching.instruments import decimal_text
from matching.messages import BUY, SELL, DayRolled, TradeBusted, TradeCorrected, Traded
from matching.sequencer import read_commands, replay
from tests.day.checks import Rows, rebuilt_by, shown_by
from tests.day.mind import Mind
from tests.day.plan import MESSAGES, PAPERS, version_of
from tests.light import light_dictionaries
from tests.multicast.listening import Listener
from tests.operator.conftest import Operator
from tests.venue import WAIT_SECONDS, Client, Nothing, Venue, wait_for

TRADERS = [f"TRADER{number}" for number in range(1, 7)]
FEED_CLIENT = "TRADER7"
REQUESTS_A_BURST = 12
BURSTS = 3  # of each trader in a round
SETTLED_SECONDS_MAX = 20.0  # of real time, for everybody to have heard
RICH = {"cash": "20_000_000", "holdings": {"ACME": "100_000", "BOLT": "100_000", "COIN": "10_000"}}
PAUSES = {"ACME": {"dynamic_band": "3", "pause_seconds": 1}, "BOLT": {"dynamic_band": "4", "pause_seconds": 2}, "COIN": {}}

# What is followed: the name of a view, and what FIX and the stream call it.
VIEWS = {
    "price 0": ("264=0|266=Y|", "01", "book:{}:price:0"),
    "order 0": ("264=0|266=N|", "01", "book:{}:order:0"),
    "price 10": ("264=10|266=Y|", "01", "book:{}:price:10"),
    "order 5": ("264=5|266=N|", "01", "book:{}:order:5"),
    "trades": ("264=0|266=Y|", "2", "trades:{}"),
    "statistics": ("264=0|266=Y|", "45789BAQ", "statistics:{}"),
}
MULTICAST = {"order 0": 0, "trades": 1, "statistics": 2}  # those that have its numbers too
TOPICS = [topic.format(symbol) for _, _, topic in VIEWS.values() for symbol in PAPERS] + [
    f"candles:{symbol}:{interval}" for symbol in PAPERS for interval in INTERVALS
]  # fmt: skip

MISHAPS = ("fix reconnects", "stream goes on", "stream anew", "listener anew", "bust", "correct", "auction", "halt", "nothing")
STREAM_CANDLES_MIN = 400  # its snapshot has more
ENDS = (signal.SIGTERM, signal.SIGKILL)


class Print(NamedTuple):
    """A trade that stands, in units; `number` is that of its event."""

    number: int
    time: int
    price: int
    quantity: int


class FixFollower:
    """A client of the FIX feed, with a builder for each view."""

    def __init__(self, venue: Venue) -> None:
        self._client = Client(lambda: venue.ports("marketdata")["fix"], FEED_CLIENT, "FIXT.1.1", target="FIXSERVER-MD")
        venue.clients.append(self._client)
        self.builders: dict[str, BookBuilder] = {}

    def connect(self) -> None:
        """Anew: subscriptions end with a connection."""
        self._client.close()
        self._client.logon(reset=True)
        symbols = "".join(f"55={symbol}|" for symbol in PAPERS)
        for name, (how, kinds, _) in VIEWS.items():
            self.builders[name] = BookBuilder("order" in name)
            entries = "".join(f"269={kind}|" for kind in kinds)
            self._client.send("V", f"262={name}|263=1|265=1|{how}267={len(kinds)}|{entries}146={len(PAPERS)}|{symbols}")

    def take(self) -> None:
        """What has come."""
        while True:
            try:
                message = self._client.receive(0.002)
            except Nothing:
                return
            if message.type == "1":
                self._client.send("0", f"112={message[112]}|")
            elif message.type in "WX":
                self.builders[message[262]].take(message.raw.decode())
            else:
                assert message.type in "0fh", message


class StreamFollower:
    """A client of the stream, which goes on where it was."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._opened: ClientConnection | None = None
        self._stack = contextlib.ExitStack()  # that closes it
        self.builder = StreamBuilder()

    def connect(self, *, anew: bool = False) -> None:
        self.close()
        if anew:
            self.builder = StreamBuilder()
        known = self.builder.topics
        topics = [known[topic].where if topic in known else topic for topic in TOPICS]
        port = self._venue.ports("marketdata")["http"]
        opening = connect(f"ws://127.0.0.1:{port}/v1/stream", max_size=None, max_queue=None, open_timeout=WAIT_SECONDS)
        self._opened = self._stack.enter_context(opening)
        self._opened.send(json.dumps({"op": "subscribe", "topics": topics}))

    def take(self) -> None:
        assert self._opened is not None
        with contextlib.suppress(TimeoutError):
            while True:
                self.builder.take(self._opened.recv(timeout=0))
        assert not self.builder.others, self.builder.others

    def close(self) -> None:
        self._stack.close()


class Ways:
    """A venue that trades, and who looks at it."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.draw = random.Random(seed)
        self.listener = Listener(lambda: self.venue.ports("marketdata")["recovery"], seed)
        dictionaries = light_dictionaries(directory / "dictionaries", MESSAGES)
        instruments = {
            paper.symbol: {
                "price_decimals": paper.price_decimals, "quantity_decimals": paper.quantity_decimals,
                "tick": decimal_text(paper.tick, paper.price_decimals), "lot": decimal_text(paper.lot, paper.quantity_decimals),
                "reference_price": decimal_text(paper.reference, paper.price_decimals), "quantity_max": "100_000",
                "value_max": "10_000_000", "band": "20", **PAUSES[paper.symbol],
            }
            for paper in PAPERS.values()
        }  # fmt: skip
        self.venue = Venue(
            directory, venue={"dictionaries": str(dictionaries), "maker_fee": "0.0001", "taker_fee": "0.0003"},
            exchange={"snapshot_commands": 2_000}, multicast={"group": "127.0.0.1", "port": self.listener.port},
            instruments=instruments, participants=dict.fromkeys([*TRADERS, FEED_CLIENT], RICH),
        )  # fmt: skip
        self.minds = {name: Mind(name, version_of(name), seed) for name in TRADERS}
        for mind in self.minds.values():
            mind.phases = dict.fromkeys(PAPERS, "continuous")
        self.traders = {name: self.venue.client(name, version_of(name)) for name in TRADERS}
        self.fix, self.stream = FixFollower(self.venue), StreamFollower(self.venue)
        self.engine = Engine()  # by the journal, event for event
        self.trades: dict[str, dict[int, Print]] = {symbol: {} for symbol in PAPERS}
        self.days: list[tuple[int, int]] = []  # from this event on, the trading day of this midnight (ns)
        self.compared: Counter[str] = Counter()
        self.did: Counter[str] = Counter()

    def __enter__(self) -> Ways:
        try:
            for name in ("exchange", "clearing", "history", "marketdata"):
                self.venue.launch(name)
            for name in ("exchange", "clearing", "history", "marketdata"):
                wait_for((self.venue.data / f"{name}.ports").exists, f"the {name} process is up", 2 * WAIT_SECONDS)
            for trader in self.traders.values():
                trader.logon(reset=True)
            wait_for(self._caught_up, "the feed knows the instruments")
            self.fix.connect()
            self.stream.connect()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self.stream.close()
        self.listener.close()
        self.venue.__exit__(kind, error, trace)

    # ------------------------------------------------------------------------------------------------- trading

    def begin(self, seed: int) -> None:
        """What is drawn from here on, and what of it is lost, follows from this seed and from what the venue has come to."""
        self.draw.seed(seed)
        self.listener.draw.seed(seed)
        for name, mind in self.minds.items():
            mind.random.seed(f"{seed}-{name}")

    def trade(self, bursts: int = BURSTS, *, looking: bool = True) -> None:
        """Requests of every kind, of all traders, a burst of each in turn; what they are told is taken to heart."""
        for _ in range(bursts):
            for name, trader in self.traders.items():
                messages = [trader.build(*self.minds[name].request()[:2]) for _ in range(REQUESTS_A_BURST)]
                trader.send_many(messages)
                if looking:
                    self.look()
            for name in self.traders:
                self._answered(name)

    def _answered(self, name: str) -> None:
        """Take what a trader is told, until the exchange has answered all that he sent."""
        trader, mind = self.traders[name], self.minds[name]
        asked = f"done-{trader.next_out}"
        trader.send("1", f"112={asked}|")
        while True:
            message = trader.receive()
            if message.type == "1":
                trader.send("0", f"112={message[112]}|")
            elif message.type == "0":
                if message.get(112) == asked:
                    return
            else:
                assert message.type not in "35j", message
                mind.take(message)

    def disturb(self, number: int) -> str:
        """What goes wrong in this round; says what it was."""
        kind = "feed restarts" if number % 10 == 4 else "exchange restarts" if number % 25 == 12 else self.draw.choice(MISHAPS)
        self.listener.loss = self.draw.choice((0.0, 0.05, 0.3))
        self.did[kind] += 1
        match kind:
            case "fix reconnects":
                self.fix.connect()
            case "stream goes on" | "stream anew":
                self.stream.connect(anew=kind == "stream anew")
            case "listener anew":
                self.listener.receiver = Receiver()
            case "bust" | "correct":
                self._take_back(kind)
            case "auction":
                self._auction()
            case "halt":
                symbol = self.draw.choice(list(PAPERS))
                with Operator(self.venue) as operator:
                    operator.do("halt", symbol=symbol)
                    self.trade(1)
                    operator.do("resume", symbol=symbol)
            case "feed restarts":
                self.venue.end("marketdata", self.draw.choice(ENDS))
                self.trade(1, looking=False)
                self.venue.start("marketdata")
                self.fix.connect()
                self.stream.connect()
            case "exchange restarts":
                self.venue.restart("exchange", self.draw.choice(ENDS))
                for trader in self.traders.values():
                    trader.close()
                    trader.logon(reset=True)
        return f"{kind}, {self.listener.loss:.0%} of packets lost"

    def _take_back(self, kind: str) -> None:
        self.follow()
        standing = [one for trades in self.trades.values() for one in trades.values()]
        if not standing:
            return
        one = self.draw.choice(standing[-50:])
        with Operator(self.venue) as operator:
            if kind == "bust":
                operator.ask("bust", trade=str(one.number))
            else:
                symbol = next(symbol for symbol, trades in self.trades.items() if one.number in trades)
                paper = PAPERS[symbol]
                price = decimal_text(one.price + self.draw.choice((-1, 1)) * paper.tick, paper.price_decimals)
                operator.ask("correct", trade=str(one.number), price=price)

    def _auction(self) -> None:
        """Orders gather, and trade at one price."""
        symbol = self.draw.choice(list(PAPERS))
        with Operator(self.venue) as operator:
            operator.do("phase", symbol=symbol, phase=self.draw.choice(sorted(AUCTIONS - {"volatility-auction"})))
            self.trade(1)
            if self.draw.random() < 0.5:
                self.settle("in the auction")
            operator.do("phase", symbol=symbol, phase="continuous")

    # ------------------------------------------------------------------------------------------------- looking

    def look(self) -> None:
        """Everybody takes what has come."""
        self.fix.take()
        self.stream.take()
        self.listener.take()

    def follow(self) -> None:
        """Bring the engine to the journal's end."""
        engine = self.engine
        for batch in read_commands(self.venue.data, engine.command_seq + 1):
            for event in engine.apply(batch.first_seq, batch.time, batch.commands):
                if not self.days:
                    self.days.append((0, batch.time // DAY_NS * DAY_NS))
                if isinstance(event, Traded):
                    one = Print(event.seq, batch.time, event.price, event.quantity)
                    self.trades[event.instrument][event.seq] = one
                elif isinstance(event, DayRolled):
                    midnight = datetime.strptime(event.trading_day, "%Y%m%d").replace(tzinfo=UTC)
                    self.days.append((event.seq, max(int(midnight.timestamp()) * 10**9, self.days[-1][1])))
                elif isinstance(event, TradeBusted):
                    del self.trades[event.instrument][event.trade_seq]
                elif isinstance(event, TradeCorrected):
                    trades = self.trades[event.instrument]
                    trades[event.trade_seq] = trades[event.trade_seq]._replace(price=event.price, quantity=event.quantity)

    def _caught_up(self) -> bool:
        self.follow()
        return len(self.engine.instruments) == len(PAPERS) and self.get("/v1/status")["event_number"] == self.engine.event_seq

    def settle(self, what: str) -> None:
        """Have everybody hear of everything; AssertionError with what differs where that does not make them equal."""
        differs = ""

        def equal() -> bool:
            nonlocal differs
            self.look()
            with contextlib.suppress(ConnectionError):
                self.listener.recover()
            self.follow()
            differs = self.differs()
            return not differs

        try:
            wait_for(equal, "all are equal", SETTLED_SECONDS_MAX)
        except AssertionError:
            raise AssertionError(f"{what}: {differs}") from None

    def differs(self) -> str:
        """The first thing that two of them say differently; empty where there is none."""
        receiver, engine = self.listener.receiver, self.engine
        if not receiver.whole or receiver.event != engine.event_seq:
            return f"multicast is at event {receiver.event}, the engine at {engine.event_seq}"
        for symbol in PAPERS:
            for name in VIEWS:
                numbers = self._numbers(symbol, name)
                if len(set(numbers.values())) != 1:
                    return f"{symbol}, {name}: the numbers are {numbers}"
            for side in (BUY, SELL):
                for name, expected in self._shown(symbol, side).items():
                    found = self._seen(symbol, side, name)
                    for way, rows in found.items():
                        if rows != expected:
                            return f"{symbol} {side} {name}: {way} has {rows}, the engine {expected}"
                        self.compared[f"{way} {name}"] += len(rows)
            if found := self._trades_differ(symbol) or self._statistics_differ(symbol):
                return f"{symbol}: {found}"
            phase = engine.instruments[symbol].phase
            told = {receiver.books[symbol].phase, self.stream.builder.topics[f"statistics:{symbol}"].data["phase"]}
            if told != {phase}:
                return f"{symbol} is {phase}, and said to be {told}"
        return ""

    def _shown(self, symbol: str, side: Any) -> dict[str, Rows]:
        """What the engine's book displays, view by view."""
        by_price, by_order = shown_by(self.engine, symbol, side, False), shown_by(self.engine, symbol, side, True)
        best = {row[0] for row in by_price[:5]}
        return {
            "price 0": by_price, "order 0": by_order, "price 10": by_price[:10],
            "order 5": [row for row in by_order if row[0] in best],
        }  # fmt: skip

    def _seen(self, symbol: str, side: Any, name: str) -> dict[str, Rows]:
        """The same, as each client rebuilt it."""
        paper = PAPERS[symbol]
        topic = self.stream.builder.topics[VIEWS[name][2].format(symbol)]
        streamed = [
            (units(price, paper.price_decimals), units(quantity, paper.quantity_decimals), other)
            for price, quantity, other in (topic.bids() if side == BUY else topic.offers())
        ]
        found = {"fix": rebuilt_by(self.fix.builders[name], self.engine, symbol, side), "stream": streamed}
        if name.endswith(" 0"):
            book = self.listener.receiver.books[symbol]
            orders = book.bids() if side == BUY else book.offers()
            if name == "order 0":
                found["multicast"] = [(price, quantity, str(order)) for price, quantity, order in orders]
            else:
                levels: dict[int, tuple[int, int, int]] = {}
                for price, quantity, _ in orders:
                    _, total, count = levels.get(price, (price, 0, 0))
                    levels[price] = price, total + quantity, count + 1
                found["multicast"] = list(levels.values())
        return found

    def _numbers(self, symbol: str, name: str) -> dict[str, int]:
        book = self.fix.builders[name].books.get(symbol)
        topic = self.stream.builder.topics.get(VIEWS[name][2].format(symbol))
        found = {"fix": book.rpt_seq if book else -1, "stream": topic.number if topic else -2}
        if name in MULTICAST:
            found["multicast"] = self.listener.receiver.books[symbol].rpt_seq[MULTICAST[name]]
        return found

    def _trades_differ(self, symbol: str) -> str:
        """Each has the last trades that stand; since when he listens, or as many as the stream keeps."""
        paper, standing = PAPERS[symbol], list(self.trades[symbol].values())
        by_stream = [
            (int(one["id"]), units(one["price"], paper.price_decimals), units(one["quantity"], paper.quantity_decimals))
            for one in self.stream.builder.topics[f"trades:{symbol}"].data.values()
        ]
        by_fix = [
            (int(number), units(price, paper.price_decimals), units(size, paper.quantity_decimals))
            for number, price, size in self.fix.builders["trades"].books[symbol].trades
        ]
        by_multicast = [(one.trade, one.price, one.quantity) for one in self.listener.receiver.books[symbol].trades]
        for way, trades in (("fix", by_fix), ("stream", by_stream), ("multicast", by_multicast)):
            expected = [(one.number, one.price, one.quantity) for one in standing if trades and one.number >= trades[0][0]]
            if trades != expected:
                return f"{way} has the trades {trades[-5:]}, the engine {expected[-5:]}"
            self.compared[f"{way} trades"] += len(trades)
        return ""

    def _statistics_differ(self, symbol: str) -> str:
        """Volume, high and low are those of the engine's trades of the day; FIX and multicast say the same of all of them."""
        paper = PAPERS[symbol]
        book = self.fix.builders["statistics"].books[symbol]
        by_multicast = self.listener.receiver.books[symbol].statistics
        by_fix: dict[str, tuple[int, int, str]] = {}
        for kind, value in book.statistics.items():
            if kind == "B":
                by_fix[kind] = 0, units(value, paper.quantity_decimals), ""
            else:
                by_fix[kind] = units(value, paper.price_decimals + (4 if kind == "9" else 0)), 0, ""
        for kind, entry in book.auction.items():
            by_fix[kind] = units(entry.price, paper.price_decimals), units(entry.size, paper.quantity_decimals), entry.condition
        if by_fix != by_multicast:
            return f"fix says {by_fix}, multicast {by_multicast}"
        since = self.days[-1][0]
        today = [one for one in self.trades[symbol].values() if one.number > since]
        volume = sum(one.quantity for one in today)
        said = by_multicast.get(STATISTICS[-1], (0, 0, ""))[1]
        streamed = self.stream.builder.topics[f"statistics:{symbol}"].data
        if not volume == said == units(streamed["volume"], paper.quantity_decimals):
            return f"{volume} was traded, and the statistics say {said} and {streamed['volume']}"
        for name, kind, expected in (("high", "7", max), ("low", "8", min)):
            value = expected((one.price for one in today), default=None)
            told = streamed[name] and units(streamed[name], paper.price_decimals)
            if value != told or (value or 0) != by_multicast.get(kind, (0, 0, ""))[0]:
                return f"the {name} is {value}, and said to be {told} and {by_multicast.get(kind)}"
        return ""

    # ------------------------------------------------------------------------------------------------- candles

    def check_candles(self, what: str) -> None:
        """Those of REST and of the stream are those of the trades that the ledger has posted; AssertionError with what differs."""
        differs = ""

        def equal() -> bool:
            nonlocal differs
            self.look()
            self.follow()
            differs = self._candles_differ()
            return not differs

        try:
            wait_for(equal, "the candles are equal", SETTLED_SECONDS_MAX)
        except AssertionError:
            raise AssertionError(f"{what}: {differs}") from None

    def _candles_differ(self) -> str:
        head, ledger = self._ledger()
        if head != self.engine.event_seq:
            return f"the ledger is at event {head}, the engine at {self.engine.event_seq}"
        assert ledger == self.trades, "the ledger has other trades than the engine"
        for symbol in PAPERS:
            for interval in INTERVALS:
                expected = self._candles(symbol, interval, list(ledger[symbol].values()))
                data = self.stream.builder.topics[f"candles:{symbol}:{interval}"].data
                streamed = [data[time] for time in sorted(data)]
                for way, found, due in (
                    ("REST", list(self._all_candles(symbol, interval)), expected),
                    ("the stream", streamed, expected[len(expected) - len(streamed) :]),
                ):
                    if found != due:
                        return f"candles of {symbol}, {interval}: {way} has {_first(found, due)}"
                if len(streamed) < min(len(expected), STREAM_CANDLES_MIN):
                    return f"candles of {symbol}, {interval}: the stream has the last {len(streamed)} of {len(expected)}"
                self.compared[f"candles {interval}"] += len(expected)
        return ""

    def _candles(self, symbol: str, interval: str, trades: list[Print]) -> list[dict[str, Any]]:
        paper = PAPERS[symbol]
        candles: dict[int, list[Print]] = {}
        for one in trades:
            begin = self._day_of(one.number) if interval == DAY else one.time // WIDTHS[interval] * WIDTHS[interval]
            candles.setdefault(begin, []).append(one)
        return [
            {
                "time": datetime.fromtimestamp(begin // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000000Z"),
                "open": decimal_text(some[0].price, paper.price_decimals),
                "high": decimal_text(max(one.price for one in some), paper.price_decimals),
                "low": decimal_text(min(one.price for one in some), paper.price_decimals),
                "close": decimal_text(some[-1].price, paper.price_decimals),
                "volume": decimal_text(sum(one.quantity for one in some), paper.quantity_decimals),
                "value": value_text(sum(one.price * one.quantity for one in some), paper.price_decimals + paper.quantity_decimals),
                "trades": len(some),
            }
            for begin, some in sorted(candles.items())
        ]

    def _day_of(self, number: int) -> int:
        return next(begin for first, begin in reversed(self.days) if number >= first)

    def _all_candles(self, symbol: str, interval: str) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            asked = {"symbol": symbol, "interval": interval, "from": "2020-01-01T00:00:00Z", "limit": 1000}
            page = self.get("/v1/candles", **asked, **({"cursor": cursor} if cursor else {}))
            yield from page["candles"]
            cursor = page["next"]
            if cursor is None:
                return

    def _ledger(self) -> tuple[int, dict[str, dict[int, Print]]]:
        """The event that it stands at, and what stands of the trades that it has posted, by the number of the trade."""
        database = open_database(database_url(load(self.venue.config), self.venue.data), read_only=True)
        try:
            with database.connect() as connection, connection.begin():
                head = int(connection.execute(select(schema.cursor.c.event_seq)).scalar_one())
                names = {row.id: row.name for row in connection.execute(select(schema.assets))}
                reverses = {row.event_seq: row.reverses for row in connection.execute(select(schema.remarks)) if row.reverses}
                rows = connection.execute(select(schema.transactions).order_by(schema.transactions.c.event_seq)).all()
        finally:
            database.dispose()
        found: dict[str, dict[int, Print]] = {symbol: {} for symbol in PAPERS}
        for row in rows:
            if row.kind == "trade":
                found[names[row.instrument]][row.event_seq] = Print(row.event_seq, row.time, row.price, row.quantity)
                continue
            if row.kind not in ("bust", "correction"):
                continue
            trade = reverses[row.event_seq]
            while trade in reverses:
                trade = reverses[trade]
            trades = found[names[row.instrument]]
            if row.kind == "bust":
                del trades[trade]
            else:
                trades[trade] = trades[trade]._replace(price=row.price, quantity=row.quantity)
        return head, found

    def get(self, path: str, **parameters: Any) -> Any:
        """What REST answers."""
        url = f"http://127.0.0.1:{self.venue.ports('marketdata')['http']}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=WAIT_SECONDS) as answer:
            return json.load(answer)

    def check_recovery(self) -> None:
        """The engine that was followed is the one that a recovery leads to."""

        def at_the_same_command() -> Engine | None:
            self.follow()
            recovered = replay(self.venue.data)
            # The venue's timers go on: one may have put a command between both.
            return recovered if recovered.command_seq == self.engine.command_seq else None

        recovered: Engine = wait_for(at_the_same_command, "a moment without a command")
        assert recovered.digest() == self.engine.digest()


def units(text: str | Decimal, decimals: int) -> int:
    scaled = Decimal(text).scaleb(decimals)
    assert scaled == int(scaled), text
    return int(scaled)


def _first(found: list[Any], expected: list[Any]) -> str:
    """Where two lists differ first, from their ends."""
    for one, other in zip(reversed(found), reversed(expected), strict=False):
        if one != other:
            return f"{one}, where {other} is due"
    return f"{len(found)}, where {len(expected)} are due"
