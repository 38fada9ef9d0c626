"""A venue and its traders in one process, whose clock jumps from one thing to the next; nothing in it waits, or reads a clock.

The rules are the venue's own: commands go through matching.engine, phases and days by fixserver.timers, market data by
marketdata.depth. Every message of a bot takes its latency, which the seed gives it, to arrive, and every answer and every change of
the market takes the same to be seen. What happens at one moment happens in the order in which it was asked for, so that a run is a
function of configuration, seats, seed and start: the same journal, to the byte.
"""

from __future__ import annotations

import hashlib
import heapq
import sys
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Protocol

import msgspec

from fixserver import roster, scoreboard
from fixserver.broker import Broker, Fill, Quote, Quotes, side_word
from fixserver.config import Config, ConfigError
from fixserver.positions import Order, Positions, positions_of
from fixserver.roster import Seat
from fixserver.schedule import schedules_of
from fixserver.scoreboard import INVENTORY_SECONDS, Standing
from fixserver.strategies import Strategy
from fixserver.throttle import Throttle
from fixserver.timers import Timers
from marketdata.depth import Book, Depth
from matching.engine import Engine
from matching.instruments import decimal_text
from matching.messages import (
    LIMIT,
    BoughtIn,
    CancelOrder,
    CancelRejected,
    Command,
    CommandBatch,
    Event,
    EventBatch,
    MassCancel,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderRestated,
    Reason,
    ReplaceOrder,
    Traded,
)
from matching.sequencer import COMMANDS_PER_BATCH_MAX, Sequencer, VenueLocked

SECOND = 1_000_000_000
LATENCY_US = (100, 1_000)  # one way; each bot has one between these for the whole run
ON_THE_WAY_MAX = 10_000  # messages of one bot that have not arrived: a strategy that sends more has lost its way
SESSION = "SIM"
RUN = "s"  # what the ClOrdIDs begin with
DEFAULT_DAY = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
DEFAULT_HOUR = timedelta(hours=14, minutes=30)
SCHEDULE_DAYS = 14  # in which a market is looked for that opens
OVER = (Reason.TOO_LATE, Reason.UNKNOWN_ORDER)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.msgpack.Encoder().encode


class TooMany(Exception):
    """A strategy has sent more than can be on its way."""


# ---------------------------------------------------------------------------------------------------- the venue


class Core(Protocol):
    """The venue's core as a simulation wants it: matching.sequencer.Sequencer on disk, or InMemory."""

    engine: Engine

    def submit(self, commands: list[Command]) -> None: ...
    def receive(self) -> list[Event]: ...
    def publish(self) -> None: ...
    def close(self) -> None: ...


class InMemory:
    """The verbs of a Sequencer without its files."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.engine = Engine()
        self._clock = clock
        self._pending: list[Command] = []

    def submit(self, commands: list[Command]) -> None:
        self._pending += commands

    def receive(self) -> list[Event]:
        commands, self._pending = self._pending, []
        return self.engine.apply(self.engine.command_seq + 1, self._clock(), commands)

    def publish(self) -> None:
        pass

    def close(self) -> None:
        pass


def core_on_disk(data: Path, clock: Callable[[], int]) -> Core:
    """A venue of its own in an empty directory. Raises ConfigError, OSError."""
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise ConfigError("--data", "", f"{data} is not an empty directory: a simulation begins a venue of its own")
    try:
        core = Sequencer(data, "os", clock)
    except VenueLocked as error:
        raise ConfigError("--data", "", str(error)) from None
    for _ in core.recover():
        pass
    return core


def opening(config: Config) -> list[Command]:
    """What the venue begins with, in the words in which the exchange says it."""
    commands: list[Command] = [instrument.define(config.venue) for instrument in config.instruments]
    deposits: list[Command] = []
    for entry in config.participants:
        commands += [msgspec.structs.replace(entry.define_participant(), password=entry.password), entry.define()]
        deposits += config.deposits(entry)
    return commands + deposits + config.clearing_commands({}, {}, None)


def default_start(config: Config) -> int:
    """Half past two in the afternoon, UTC, of a Monday. Where markets have schedules: when the first of them, from that day on,
    begins the phase before its continuous trading."""
    from_ns = nanoseconds(DEFAULT_DAY)
    found = []
    for schedule in schedules_of(config).values():
        changes = schedule.changes(from_ns, from_ns + SCHEDULE_DAYS * 86_400 * SECOND)
        for at, (moment, phase) in enumerate(changes):
            if phase == "continuous":
                before, its_phase = changes[at - 1] if at else (moment, phase)
                found.append(moment if its_phase == "closed" else before)
                break
    return min(found, default=nanoseconds(DEFAULT_DAY + DEFAULT_HOUR))


def nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def moment_of(time_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_ns // 1_000)


# ---------------------------------------------------------------------------------------------------- a trader


class Trader:
    """A bot in the simulation: what it has, what it sees, and when.

    `feed` are the changes of the market that it has not seen yet, with the moments at which they happened; `numbers` its open
    orders by the venue's numbers.
    """

    def __init__(self, seat: Seat, positions: Positions, quotes: Quotes, latency_ns: int, throttle: Throttle) -> None:
        self.seat, self.positions, self.quotes = seat, positions, quotes
        self.latency_ns = latency_ns
        self.throttle = throttle
        self.standing = Standing(seat.name, seat.strategy.__name__, positions)
        self.strategy: Strategy  # set by whoever gives it a broker
        self.sees_books = seat.strategy.on_book is not Strategy.on_book
        self.timer_ns = seat.strategy.timer_ms * 1_000_000
        self.feed: deque[Change] = deque()
        self.numbers: dict[int, Order] = {}
        self.on_the_way = 0

    @property
    def failed(self) -> bool:
        return bool(self.standing.failed)

    def see(self, until_ns: int) -> None:
        """Take in what happened in the market until then."""
        feed, quotes = self.feed, self.quotes
        while feed and feed[0][0] <= until_ns:
            _, symbol, bid, bid_quantity, ask, ask_quantity, trading, prices = feed.popleft()
            quote = quotes[symbol]
            quote.bid, quote.bid_quantity, quote.ask, quote.ask_quantity = bid, bid_quantity, ask, ask_quantity
            quote.trading = trading
            for price in prices:
                quote.traded(price)


# (moment, symbol, bid, its quantity, ask, its quantity, in continuous trading, prices of new trades)
Change = tuple[int, str, int, int, int, int, bool, tuple[int, ...]]


class SimulatedDesk:
    """The way of one trader's orders into the simulation."""

    def __init__(self, trader: Trader, send: Callable[[Trader, Command], None]) -> None:
        self._trader, self._send = trader, send

    def enter(self, order: Order) -> None:
        positions = self._trader.positions
        if self._trader.on_the_way >= ON_THE_WAY_MAX:
            positions.drop(order)
            positions.tally.orders -= 1
        self._assert_way()
        name, said = self._trader.seat.name, (order.order_type, order.time_in_force)
        price = order.price if order.order_type == LIMIT else 0
        symbol = order.terms.symbol
        command = NewOrder(name, SESSION, order.reference, name, symbol, order.side, *said, price, order.quantity)
        self._send(self._trader, command)

    def replace(self, order: Order, price: int, quantity: int) -> None:
        self._assert_way()
        self._trader.positions.change(order)
        said = (order.side, order.order_type, order.time_in_force)
        limit = price if order.order_type == LIMIT else 0
        symbol = order.terms.symbol
        command = ReplaceOrder(self._trader.seat.name, SESSION, order.pending, order.reference, symbol, *said, limit, quantity)
        self._send(self._trader, command)

    def cancel(self, order: Order) -> None:
        self._assert_way()
        self._trader.positions.withdraw(order)
        symbol = order.terms.symbol
        self._send(self._trader, CancelOrder(self._trader.seat.name, SESSION, order.pending, order.reference, symbol, order.side))

    def _assert_way(self) -> None:
        if self._trader.on_the_way >= ON_THE_WAY_MAX:
            raise TooMany(f"{ON_THE_WAY_MAX:,} messages are on their way to the venue, and this is one more")


# ------------------------------------------------------------------------------------------------ the simulation


class Simulation:
    """Everything that happens, by moments. `run` once, then ask for what came of it."""

    def __init__(self, config: Config, seats: list[Seat], seed: int, start_ns: int, data: Path | None = None) -> None:
        """`data` is where the venue keeps its files; without, it has none. Raises ConfigError, OSError."""
        self.config, self.seed, self.start_ns = config, seed, start_ns
        self.now = start_ns
        self.core: Core = core_on_disk(data, self.clock) if data is not None else InMemory(self.clock)
        self.depth = Depth()
        self.trades = 0
        self._journal = hashlib.sha256()
        self._timers = Timers(lambda: self.core.engine, config, lambda said: None)
        self._due: list[tuple[int, int, Callable[[Any], None], Any]] = []  # moment, number, what, of whom
        self._number = 0
        self._until_ns = start_ns
        self._ended = False  # from _until_ns on: what is on its way arrives, and nobody acts
        self._progress: Callable[[int], None] = lambda now: None
        self._owners: dict[int, Trader] = {}  # by the number of an open order
        self.traders = {seat.name: self._trader(seat) for seat in seats}
        self._seers = [trader for trader in self.traders.values() if trader.sees_books]

    def clock(self) -> int:
        return self.now

    def _trader(self, seat: Seat) -> Trader:
        config = self.config
        positions = positions_of(config, seat.name, RUN)
        quotes: Quotes = {symbol: Quote() for symbol in positions.terms}
        latency_us = Random(f"{self.seed}/latency/{seat.name}").randint(*LATENCY_US)
        entry, exchange = config.participant(seat.name), config.exchange
        orders, cancels = entry.orders_per_second, entry.cancels_per_second
        throttle = Throttle(
            exchange.orders_per_second if orders < 0 else orders, exchange.cancels_per_second if cancels < 0 else cancels
        )
        trader = Trader(seat, positions, quotes, latency_us * 1_000, throttle)
        broker = Broker(positions, quotes, SimulatedDesk(trader, self._send), lambda: moment_of(self.now))
        trader.strategy = roster.strategy_of(seat, self.seed, broker)
        return trader

    # --------------------------------------------------------------------------------------------- the course

    def run(self, until_ns: int, progress: Callable[[int], None] | None = None) -> None:
        """Trade until that moment; then what is on its way arrives, and nobody does anything any more. `progress` is told the
        simulated time, each second of it. Raises OSError where the venue's files cannot be written."""
        self._until_ns = until_ns
        if progress is not None:
            self._progress = progress
        self._apply(opening(self.config))
        self._apply(self._timers.begin(self.now, recovered=False))
        for trader in self.traders.values():
            trader.see(self.now)
        for trader in self.traders.values():
            self._call(trader, trader.strategy.on_start)
            offset = Random(f"{self.seed}/timer/{trader.seat.name}").randrange(trader.timer_ns)
            self._at(self.now + offset, self._on_timer, trader)
        self._at((self.now // SECOND + 1) * SECOND, self._on_second, None)
        due, pop = self._due, heapq.heappop
        while due and due[0][0] <= until_ns:
            self.now, _, happens, subject = pop(due)
            happens(subject)
        self._ended = True
        while due:
            moment, _, happens, subject = pop(due)
            if happens not in (self._on_timer, self._on_second):
                self.now = moment
                happens(subject)
        self.core.publish()
        self._check()

    def close(self) -> None:
        """Leave the venue's files whole. Raises OSError."""
        self.core.close()

    def _at(self, moment: int, happens: Callable[[Any], None], subject: Any) -> None:
        self._number += 1
        heapq.heappush(self._due, (moment, self._number, happens, subject))

    def _on_second(self, _: None) -> None:
        commands = self._timers.due(self.now)
        if commands:
            self._apply(commands)
        if self.now // SECOND % INVENTORY_SECONDS == 0:
            prices = self.prices()
            for trader in self.traders.values():
                trader.standing.look(prices)
        self._progress(self.now)
        self._at(self.now + SECOND, self._on_second, None)

    def _on_timer(self, trader: Trader) -> None:
        if trader.failed:
            return
        self._at(self.now + trader.timer_ns, self._on_timer, trader)
        trader.see(self.now - trader.latency_ns)
        self._call(trader, trader.strategy.on_timer, moment_of(self.now))

    def _on_change(self, subject: tuple[Trader, str]) -> None:
        """A change of the market is seen by one who wants to know at once."""
        trader, symbol = subject
        if self._ended or trader.failed:
            return
        trader.see(self.now - trader.latency_ns)
        self._call(trader, trader.strategy.on_book, trader.strategy.market, symbol)

    def _call(self, trader: Trader, callback: Callable[..., None], *arguments: Any) -> None:
        """Ask a strategy. One that raises is stopped, and what it has open is canceled; the others go on."""
        try:
            callback(*arguments)
        except Exception as error:  # whatever a user's strategy does
            trader.standing.failed = roster.failure(trader.seat, error)
            print(f"simulate: {moment_of(self.now):%H:%M:%S.%f}: {trader.standing.failed}", file=sys.stderr, flush=True)
            self._send(trader, MassCancel(trader.seat.name, SESSION, f"{RUN}-end"))

    # --------------------------------------------------------------------------------------------- the venue

    def _send(self, trader: Trader, command: Command) -> None:
        trader.on_the_way += 1
        self._at(self.now + trader.latency_ns, self._arrived, (trader, command))

    def _arrived(self, subject: tuple[Trader, Command]) -> None:
        trader, command = subject
        trader.on_the_way -= 1
        throttle = trader.throttle
        if throttle.limits:
            kind = "F" if isinstance(command, CancelOrder | MassCancel) else "D"
            refusal = throttle.refusal(kind, self.now // SECOND)
            if refusal and not isinstance(command, MassCancel):
                self._at(self.now + trader.latency_ns, self._refused, (trader, command, refusal))
                return
        self._apply([command])

    def _apply(self, commands: list[Command]) -> None:
        """Have commands applied now, and what they caused told to everybody whom it concerns."""
        core, engine = self.core, self.core.engine
        for at in range(0, len(commands), COMMANDS_PER_BATCH_MAX):
            batch = commands[at : at + COMMANDS_PER_BATCH_MAX]
            self._journal.update(_encode(CommandBatch(engine.command_seq + 1, self.now, batch)))
            core.submit(batch)
            events = core.receive()
            core.publish()
            self.depth.apply(EventBatch(engine.command_seq, self.now, events))
            self._report(events)
            for book in self.depth.changed.values():
                self._publish(book)

    def _report(self, events: list[Event]) -> None:
        """Send each trader what is his."""
        told: dict[Trader, list[Event]] = {}
        owners = self._owners
        for event in events:
            kind = type(event)
            if kind is Traded:
                self.trades += 1
                for order_id, leaves in (
                    (event.maker_order_id, event.maker_leaves),  # type: ignore[union-attr]
                    (event.taker_order_id, event.taker_leaves),  # type: ignore[union-attr]
                ):
                    owner = owners.get(order_id) if leaves else owners.pop(order_id, None)
                    if owner is not None:
                        heard = told.setdefault(owner, [])
                        if not heard or heard[-1] is not event:  # who trades with himself hears it once
                            heard.append(event)
                continue
            if kind is BoughtIn:
                for name in (event.account, event.receiving_account):  # type: ignore[union-attr]
                    if name in self.traders:
                        told.setdefault(self.traders[name], []).append(event)
                continue
            if kind is OrderAccepted:
                owner = self.traders.get(event.participant)  # type: ignore[union-attr]
                if owner is not None:
                    owners[event.order_id] = owner  # type: ignore[union-attr]
            elif kind is OrderCanceled:
                owner = owners.pop(event.order_id, None)  # type: ignore[union-attr]
            elif kind is OrderReplaced or kind is OrderRestated:
                owner = owners.get(event.order_id)  # type: ignore[union-attr]
            elif kind is OrderRejected or kind is CancelRejected:
                owner = self.traders.get(event.participant)  # type: ignore[union-attr]
            else:
                continue
            if owner is not None:
                told.setdefault(owner, []).append(event)
        for trader, heard in told.items():
            self._at(self.now + trader.latency_ns, self._told, (trader, heard))

    def _publish(self, book: Book) -> None:
        """Send everybody what an instrument looks like now."""
        bids, offers = book.bids, book.offers
        bid, offer = bids.prices(1), offers.prices(1)
        change: Change = (
            self.now, book.instrument,
            bid[0] if bid else 0, bids.levels[bid[0]].quantity if bid else 0,
            offer[0] if offer else 0, offers.levels[offer[0]].quantity if offer else 0,
            book.phase == "continuous", tuple([trade.price for trade in book.trades]),
        )  # fmt: skip
        for trader in self.traders.values():
            if not trader.standing.failed:
                trader.feed.append(change)
        for trader in self._seers:
            self._at(self.now + trader.latency_ns, self._on_change, (trader, book.instrument))

    # --------------------------------------------------------------------------------------------- the answers

    def _refused(self, subject: tuple[Trader, Command, str]) -> None:
        """A message was one too many in its second: what it asked for was not done."""
        trader, command, text = subject
        positions = trader.positions
        assert isinstance(command, NewOrder | ReplaceOrder | CancelOrder)
        if isinstance(command, NewOrder):
            order = positions.orders.get(command.cl_ord_id)
            if order is not None:
                positions.rejected(order, text, funds=False)
        else:
            positions.change_rejected(command.cl_ord_id, over=False)
        self._reject(trader, command.instrument, command.side, text)

    def _reject(self, trader: Trader, symbol: str, side: str, text: str) -> None:
        if not (self._ended or trader.failed):
            trader.see(self.now - trader.latency_ns)
            self._call(trader, trader.strategy.on_reject, symbol, side_word(side), text)

    def _told(self, subject: tuple[Trader, list[Event]]) -> None:
        """The venue's reports have reached a trader."""
        trader, events = subject
        positions, numbers = trader.positions, trader.numbers
        for event in events:
            if isinstance(event, Traded):
                self._filled(trader, event)
            elif isinstance(event, OrderAccepted):
                order = positions.orders[event.cl_ord_id]
                order.acknowledged = True
                numbers[event.order_id] = order
            elif isinstance(event, OrderCanceled):
                positions.drop(numbers.pop(event.order_id))
            elif isinstance(event, OrderReplaced):
                order = numbers[event.order_id]
                positions.replaced(order, event.cl_ord_id, event.price or order.price, event.quantity)
                if not event.leaves:
                    positions.drop(numbers.pop(event.order_id))
            elif isinstance(event, OrderRestated):
                numbers[event.order_id].quantity = event.quantity
            elif isinstance(event, OrderRejected):
                positions.rejected(positions.orders[event.cl_ord_id], event.text, funds=False)  # cash and holdings are known
                self._reject(trader, event.instrument, event.side, event.text)
            elif isinstance(event, CancelRejected):
                self._change_rejected(trader, event)
            elif isinstance(event, BoughtIn):
                sign = 1 if event.account == trader.seat.name else -1  # the delivery is over: what was sold is there again
                positions.holdings[event.instrument] = positions.holdings.get(event.instrument, 0) + sign * event.quantity
                positions.cash -= sign * (int(event.value) + int(event.money))

    def _change_rejected(self, trader: Trader, event: CancelRejected) -> None:
        positions = trader.positions
        order = positions.changing(event.cl_ord_id)
        # Where it is over, the report of its end was there before: nothing is on its way behind this.
        positions.change_rejected(event.cl_ord_id, over=False)
        if order is not None and event.response_to == "2" and event.reason not in OVER:
            self._reject(trader, order.terms.symbol, order.side, event.text)

    def _filled(self, trader: Trader, event: Traded) -> None:
        positions, numbers = trader.positions, trader.numbers
        for order_id, is_maker in ((event.maker_order_id, True), (event.taker_order_id, False)):
            order = numbers.get(order_id)
            if order is None:
                continue
            execution = f"{event.seq}{'M' if is_maker else 'T'}"
            value = event.price * event.quantity
            filled = positions.filled(order, execution, value, event.quantity, maker=is_maker and not event.auction)
            if not order.leaves:
                positions.drop(numbers.pop(order_id))
            if not (self._ended or trader.failed):
                trader.see(self.now - trader.latency_ns)
                self._call(trader, trader.strategy.on_fill, Fill(filled))

    # ------------------------------------------------------------------------------------------ what came of it

    def _check(self) -> None:
        """Assert that what every trader believes is what the venue has."""
        engine = self.core.engine
        currency = self.config.venue.currency
        for name, trader in self.traders.items():
            account, positions = engine.accounts[name], trader.positions
            assert positions.cash == account.cash_in(currency).total, f"{name} believes in other cash than there is"
            for symbol, held in positions.holdings.items():
                assert held == account.position_in(symbol).total, f"{name} believes in other {symbol} than there is"
            open_orders = {order.cl_ord_id: order.leaves for order in engine.open_orders(name)}
            assert open_orders == {reference: order.leaves for reference, order in positions.orders.items()}, name

    def prices(self) -> dict[str, int]:
        """The last price of each instrument, or the reference price where it never traded."""
        return {symbol: book.last.price if book.last is not None else book.reference for symbol, book in self.depth.books.items()}

    @property
    def standings(self) -> list[Standing]:
        return [trader.standing for trader in self.traders.values()]

    @property
    def journal_digest(self) -> str:
        """SHA-256 of all commands with their numbers and times, in the batches in which they were applied."""
        return self._journal.hexdigest()

    def result(self) -> dict[str, Any]:
        """What came of it, for programs: the same for the same seed, to the byte."""
        engine, prices = self.core.engine, self.prices()
        return {
            "venue": self.config.venue.name,
            "seed": self.seed,
            "start": _text(self.start_ns),
            "end": _text(self._until_ns),
            "commands": engine.command_seq,
            "events": engine.event_seq,
            "trades": self.trades,
            "journal": self.journal_digest,
            "state": engine.digest(),
            "instruments": [self._instrument(book, prices[symbol]) for symbol, book in self.depth.books.items()],
            "bots": scoreboard.rows(self.standings, prices),
        }

    def _instrument(self, book: Book, last: int) -> dict[str, Any]:
        def price(units: int) -> str | None:
            return decimal_text(units, book.price_decimals) if units else None

        return {
            "symbol": book.instrument,
            "phase": book.phase,
            "open": price(book.opening),
            "high": price(book.high),
            "low": price(book.low),
            "last": price(last),
            "volume": decimal_text(book.volume, book.quantity_decimals),
            "trades": book.prints,
        }


def _text(time_ns: int) -> str:
    return f"{moment_of(time_ns):%Y-%m-%dT%H:%M:%SZ}"
