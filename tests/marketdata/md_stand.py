"""For the tests of market data: the real engine with its event log, seeded commands, sessions that keep what they are sent."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from fixserver.marketdata_desk import MarketDataDesk
from marketdata.feed import Feed
from marketdata.viewing import Views
from matching.book import BookSide
from matching.engine import Engine
from matching.messages import (
    BUY,
    DAY,
    FOK,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    MONEY_UNIT,
    SELL,
    CancelOrder,
    Command,
    DefineAccount,
    DefineInstrument,
    Deposit,
    EventBatch,
    ExpireOrders,
    MassCancel,
    NewOrder,
    ReplaceOrder,
    RollDay,
)
from matching.recordlog import LogWriter

SYMBOLS = ("AAPL", "BTCUSD")
DECIMALS = {"AAPL": (2, 0), "BTCUSD": (1, 3)}
PARTICIPANTS = ("ALICE", "BOB", "CAROL")
REFERENCE = 1_000
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND

Rows = list[tuple[int, int, int]]


def setup() -> list[Command]:
    commands: list[Command] = []
    for symbol in SYMBOLS:
        price_decimals, quantity_decimals = DECIMALS[symbol]
        commands.append(
            DefineInstrument(symbol, "USD", price_decimals, quantity_decimals, 1, 1, 10**9, 10**8 * MONEY_UNIT, REFERENCE, 5_000)
        )
    for name in PARTICIPANTS:
        # ALICE may trade with herself, so that both ways through a self-match are taken
        commands.append(DefineAccount(name, name, 0, "allow" if name == "ALICE" else "cancel-resting"))
        commands.append(Deposit(name, "USD", str(10**15 * MONEY_UNIT)))
        commands += [Deposit(name, symbol, str(10**15)) for symbol in SYMBOLS]
    return commands


class Venue:
    """The engine, and its event log in `data` as the exchange process writes it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.engine = Engine()
        self.time = START
        self._log = LogWriter(data / "events")
        self._ids = 0
        self.submit(setup())

    def submit(self, commands: list[Command]) -> EventBatch:
        """Apply commands as one batch, and write its record."""
        first_event = self.engine.event_seq + 1
        self.time += 1_000_000
        events = self.engine.apply(self.engine.command_seq + 1, self.time, commands)
        batch = EventBatch(self.engine.command_seq, self.time, events)
        self._log.append(first_event, len(events), msgspec.msgpack.encode(batch))
        return batch

    def order(
        self,
        participant: str,
        side: str,
        price: int,
        quantity: int,
        *,
        symbol: str = "AAPL",
        order_type: str = LIMIT,
        time_in_force: str = DAY,
        expire_time: int = 0,
    ) -> NewOrder:
        self._ids += 1
        return NewOrder(
            participant, participant, f"c{self._ids}", participant, symbol, side, order_type,  # type: ignore[arg-type]
            time_in_force, price, quantity, expire_time,  # type: ignore[arg-type]
        )  # fmt: skip

    def cancel(self, order: NewOrder) -> CancelOrder:
        self._ids += 1
        return CancelOrder(
            order.participant, order.session, f"c{self._ids}", order.cl_ord_id, order.instrument, order.side
        )

    def replace(self, order: NewOrder, price: int, quantity: int, *, time_in_force: str = DAY) -> ReplaceOrder:
        self._ids += 1
        return ReplaceOrder(
            order.participant, order.session, f"c{self._ids}", order.cl_ord_id, order.instrument, order.side, LIMIT,
            time_in_force, price, quantity,
        )  # type: ignore[arg-type]  # fmt: skip

    def close(self) -> None:
        self._log.close()

    def by_order(self, symbol: str, side: str) -> Rows:
        return by_order(self.engine, symbol, side)

    def by_price(self, symbol: str, side: str) -> Rows:
        return by_price(self.engine, symbol, side)


def by_order(engine: Engine, symbol: str, side: str) -> Rows:
    """The engine's own book: (order number, price, quantity), the one that trades first first."""
    return [(order.order_id, order.price, order.leaves) for level in _side(engine, symbol, side) for order in level]


def by_price(engine: Engine, symbol: str, side: str) -> Rows:
    """The engine's own book: (price, quantity, orders), best first."""
    found = []
    for level in _side(engine, symbol, side):
        orders = list(level)
        found.append((level.price, sum(order.leaves for order in orders), len(orders)))
    return found


def _side(engine: Engine, symbol: str, side: str) -> BookSide:
    instrument = engine.instruments[symbol]
    return instrument.bids if side == BUY else instrument.offers


class Flow:
    """Random commands: mostly limit orders near the middle, cancels and replaces of what is open, and now and then
    everything else that changes a book."""

    def __init__(self, venue: Venue, seed: int) -> None:
        self.venue = venue
        self.random = random.Random(seed)
        self.day = 20_240_101
        self.recent: list[NewOrder | ReplaceOrder] = []

    def batches(self, count: int, commands_max: int = 8) -> Iterator[list[Command]]:
        for _ in range(count):
            yield [self.command() for _ in range(self.random.randint(1, commands_max))]

    def command(self) -> Command:
        pick = self.random.random()
        if pick < 0.55 or len(self.recent) < 10:
            return self._new()
        at = self.random.randrange(len(self.recent))
        order = self.recent[at]
        if pick < 0.72:
            self.recent.pop(at)
            return self.venue.cancel(order)  # type: ignore[arg-type]
        if pick < 0.985:
            price = order.price + self.random.choice((0, 0, 0, -1, 1, 3, -3))
            quantity = max(1, order.quantity + self.random.choice((-3, -1, 0, 1, 4)))
            force = self.random.choice((DAY, DAY, DAY, GTC, IOC, FOK))
            replace = self.venue.replace(order, price, quantity, time_in_force=force)  # type: ignore[arg-type]
            self.recent[at] = replace
            return replace
        if pick < 0.992:
            return MassCancel(self.random.choice(PARTICIPANTS), "", "", self.random.choice(("", *SYMBOLS)))
        if pick < 0.997:
            return ExpireOrders()
        self.day += 1
        return RollDay(str(self.day))

    def _new(self) -> NewOrder:
        draw = self.random
        side = draw.choice((BUY, SELL))
        away = draw.randint(-3, 12)
        price = REFERENCE - away if side == BUY else REFERENCE + away
        force = draw.choices((DAY, GTC, GTD, IOC, FOK), (60, 20, 5, 10, 5))[0]
        order_type = MARKET if draw.random() < 0.05 and force not in (GTC, GTD) else LIMIT
        order = self.venue.order(
            draw.choice(PARTICIPANTS),
            side,
            price if order_type == LIMIT else 0,
            draw.randint(1, 20),
            symbol=draw.choice(SYMBOLS),
            order_type=order_type,
            time_in_force=force,
            expire_time=self.venue.time + draw.randint(1, 300) * 1_000_000 if force == GTD else 0,
        )
        self.recent.append(order)
        if len(self.recent) > 400:
            self.recent.pop(0)
        return order


class Client:
    """A session as the desk sees it. `queued_bytes` is what a test says has not been read."""

    def __init__(self, name: str = "ALICE", begin_string: str = "FIX.4.4") -> None:
        self.name = name
        self.begin_string = begin_string
        self.queued_bytes = 0
        self.sent: list[tuple[str, str]] = []
        self.logged_out = ""

    def send(self, msg_type: str, body: str, routing: str = "") -> None:
        self.sent.append((msg_type, routing + body))

    def logout(self, text: str) -> None:
        self.logged_out = text

    def take(self) -> list[tuple[str, str]]:
        """What was sent since the last time, readable: SOH as |."""
        sent, self.sent = self.sent, []
        return [(msg_type, body.replace("\x01", "|")) for msg_type, body in sent]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Stand:
    """A venue with a desk that follows it."""

    def __init__(self, data: Path, **options: int) -> None:
        self.venue = Venue(data)
        self.feed = Feed(data)
        self.clock = Clock()
        self.views = Views(self.feed.depth, "7", self.clock)
        self.desk = MarketDataDesk(self.feed, self.views, self.clock, **options)
        self.turn()

    def turn(self) -> None:
        """Answer, read what is there, and send what follows."""
        self.desk.take_requests()
        for _ in self.feed.records(0):
            self.desk.on_record(self.views.publish())
        self.desk.send()

    def submit(self, *commands: Command) -> None:
        self.venue.submit(list(commands))
        self.turn()

    def logon(self, name: str = "ALICE", begin_string: str = "FIX.4.4") -> Client:
        client = Client(name, begin_string)
        self.desk.on_logon(client)
        return client

    def ask(self, client: Client, fields: str) -> list[tuple[str, str]]:
        """Send fields (| for SOH) as a MarketDataRequest, and return what was answered at once."""
        self.desk.on_message(client, f"8={client.begin_string}|9=0|35=V|34=2|{fields}|10=000|".replace("|", "\x01"))
        self.turn()
        return client.take()

    def close(self) -> None:
        self.feed.close()
        self.venue.close()


def price_of(text: Decimal, symbol: str) -> int:
    return int(text.scaleb(DECIMALS[symbol][0]))


def quantity_of(text: Decimal, symbol: str) -> int:
    return int(text.scaleb(DECIMALS[symbol][1]))
