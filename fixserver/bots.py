"""`fixserver bots`: strategies that trade over FIX on a venue that runs; what each does is in strategies.py, or in a user's file.

All bots share one process, one QuickFIX initiator and one clock. Those that are paced take turns: every 1/rate seconds the next
one may do one thing. The others are asked when something happens, and by timers of their own.
"""

from __future__ import annotations

import argparse
import json
import queue
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from fixserver import config as configuration
from fixserver import roster, scoreboard, trust
from fixserver.addresses import fix_port, host_of
from fixserver.broker import Broker, Fill, Quote, Quotes, side_word
from fixserver.client import Client, Happened, Line
from fixserver.config import Config, ConfigError
from fixserver.positions import Filled, Order, Positions, positions_of
from fixserver.roster import Seat, Wanted
from fixserver.scoreboard import INVENTORY_SECONDS, Standing
from fixserver.strategies import MarketMaker, Paced, Strategy
from fixserver.trust import client_tls
from fixserver.tunnel import Tunnel

SOH = "\x01"
MAKER_TURNS = 3  # turns a maker has for each one of a trader: it keeps many quotes
RATE = 30
RATE_MAX = 2_000
LATE_STEPS_MAX = 20  # turns that are made up for after a pause; the rest is dropped
READY_TO_TRADE = "17"  # SecurityTradingStatus(326)
TOO_LATE, UNKNOWN_ORDER = "0", "1"  # CxlRejReason(102): the order has ended, and no other will end like it
ANSWER_SECONDS = 3.0  # for the answers to what is asked at a Logon, before going on without
LINE_SECONDS = 10.0
REFUSALS_MAX = 3  # Logons refused in a row before anyone was logged on, after which nobody will be
STOP_SECONDS = 2.0

class Bot:
    """A participant with a strategy and a session."""

    def __init__(self, seat: Seat, venue: str, positions: Positions) -> None:
        self.seat, self.name, self.venue, self.positions = seat, seat.name, venue, positions
        self.standing = Standing(seat.name, seat.strategy.__name__, positions)
        self.strategy: Strategy  # set by whoever gives it a broker
        self.logged_on = False
        self.clean = False  # whether what an earlier run left open has been canceled
        self.waits_for = ""  # ClOrdID of a mass cancel
        self.waits_until = 0.0
        self.started = False
        self.next_timer = 0.0
        self.sees_books = seat.strategy.on_book is not Strategy.on_book

    @property
    def failed(self) -> bool:
        """Whether its strategy raised: it does nothing any more."""
        return bool(self.standing.failed)

    @property
    def is_ready(self) -> bool:
        """Whether it knows how its orders stand."""
        return self.logged_on and self.clean and not self.positions.asked and not self.failed


class FixDesk:
    """The way of one bot's orders to the venue."""

    def __init__(self, bot: Bot, send: Callable[[Bot, str, str], None]) -> None:
        self._bot, self._send = bot, send

    def enter(self, order: Order) -> None:
        self._send(self._bot, "D", self._bot.positions.entry(order))

    def replace(self, order: Order, price: int, quantity: int) -> None:
        self._send(self._bot, "G", self._bot.positions.replace(order, price, quantity))

    def cancel(self, order: Order) -> None:
        self._send(self._bot, "F", self._bot.positions.cancel(order))


class Bots:
    """The bots and the market as they see it. Time is an argument; messages leave by `client`."""

    def __init__(self, config: Config, seats: list[Seat], seed: int, run: str, client: Any) -> None:
        self.client = client
        self.market: Quotes = {instrument.symbol: Quote() for instrument in config.instruments}
        self.bots: dict[str, Bot] = {}
        for seat in seats:
            bot = self.bots[seat.name] = Bot(seat, venue_of(config, seat.name), positions_of(config, seat.name, run))
            broker = Broker(bot.positions, self.market, FixDesk(bot, self._send), lambda: datetime.now(UTC))
            bot.strategy = roster.strategy_of(seat, seed, broker)
        self.feed_is_on = False
        self.sent: Counter[str] = Counter()
        self._feed = config.venue.market_data_name
        self._decimals = {instrument.symbol: instrument.price_decimals for instrument in config.instruments}
        self._quantity_decimals = {instrument.symbol: instrument.quantity_decimals for instrument in config.instruments}
        paced = [bot for bot in self.bots.values() if isinstance(bot.strategy, Paced)]
        turns = [bot for bot in paced for _ in range(MAKER_TURNS if isinstance(bot.strategy, MarketMaker) else 1)]
        Random(seed).shuffle(turns)
        self._turns, self._at = turns, 0
        self._timed = [bot for bot in self.bots.values() if not isinstance(bot.strategy, Paced)]
        self._changed: dict[str, None] = {}  # instruments that a message of the feed was about

    # ---------------------------------------------------------------------------------------------- what comes

    def take(self, happened: Happened, now: float) -> None:
        if happened.target == self._feed:
            self._take_from_feed(happened)
            return
        bot = self.bots[happened.sender]
        if happened.kind == "logon":
            bot.logged_on = True
            if not self.feed_is_on:  # what was missed is not known: try, and be refused
                for quote in self.market.values():
                    quote.trading = True
            self._ask(bot, now)
        elif happened.kind == "logout":
            bot.logged_on = False
        elif happened.kind == "message":
            self._take_message(bot, happened.text)

    def _ask(self, bot: Bot, now: float) -> None:
        """The first time, get rid of what an earlier run left open; then ask how the orders stand."""
        bot.waits_until = now + ANSWER_SECONDS
        if not bot.clean:
            bot.waits_for, body = bot.positions.cancel_all()
            self._send(bot, "q", body)
            return
        for body in bot.positions.questions():
            self._send(bot, "H", body)

    def _take_message(self, bot: Bot, text: str) -> None:
        message = fields(text)
        msg_type = message["35"]
        if bot.waits_for and bot.waits_for in (message.get("11"), message.get("379")) and msg_type in "rj":
            bot.clean, bot.waits_for = True, ""
            return
        if msg_type == "3":
            bot.positions.tally.rejects += 1
            bot.positions.tally.last_reject = message.get("58", "")
            print(f"bots: {bot.name}: the venue rejects message {message.get('45')}: {message.get('58')}", file=sys.stderr)
            return
        if msg_type == "f":
            self._take_status(message)
            return
        changing = bot.positions.changing(message.get("11", "")) if msg_type == "9" else None
        rejects = bot.positions.tally.rejects
        fill = bot.positions.take(message)
        if changing is not None and message.get("434") == "2" and message.get("102") not in (TOO_LATE, UNKNOWN_ORDER):
            self._refused(bot, changing.terms.symbol, changing.side, message.get("58", ""))
        if bot.positions.tally.rejects > rejects and "55" in message:
            self._refused(bot, message["55"], message.get("54", ""), bot.positions.tally.last_reject)
        if fill is not None:
            self._filled(bot, fill)

    def _refused(self, bot: Bot, symbol: str, side: str, text: str) -> None:
        self._tell(bot, lambda: bot.strategy.on_reject(symbol, side_word(side), text))

    def _filled(self, bot: Bot, fill: Filled) -> None:
        """Where there is no feed, the bots' own fills are all that is known of the market."""
        if not self.feed_is_on:
            self.market[fill.terms.symbol].traded(fill.price)
        self._tell(bot, lambda: bot.strategy.on_fill(Fill(fill)))

    def _tell(self, bot: Bot, callback: Callable[[], None]) -> None:
        """Call a strategy that trades. One that raises is stopped, and what it has open is canceled; the others go on."""
        if not bot.started or bot.failed:
            return
        try:
            callback()
        except Exception as error:  # whatever a user's strategy does
            bot.standing.failed = roster.failure(bot.seat, error)
            print(f"bots: {bot.standing.failed}", file=sys.stderr, flush=True)
            if bot.logged_on:
                bot.clean = False
                self._ask(bot, 0.0)

    # -------------------------------------------------------------------------------------------------- the feed

    def _take_from_feed(self, happened: Happened) -> None:
        if happened.kind == "logon":
            self.feed_is_on = True
            self.client.send(happened.sender, self._feed, "V", market_data_request(list(self.market)))
            for symbol in self.market:
                self.client.send(happened.sender, self._feed, "e", f"324={symbol}{SOH}55={symbol}{SOH}263=1{SOH}")
        elif happened.kind == "logout":
            self.feed_is_on = False
            for quote in self.market.values():
                quote.bid = quote.ask = quote.bid_quantity = quote.ask_quantity = 0
        elif happened.kind == "message":
            self._take_market_data(happened.text)
        self._tell_of_books()

    def _tell_of_books(self) -> None:
        """Tell those who want to know which instruments the last message was about."""
        changed, self._changed = self._changed, {}
        for bot in self.bots.values():
            if bot.sees_books and bot.is_ready:
                for symbol in changed:
                    self._tell(bot, lambda bot=bot, symbol=symbol: bot.strategy.on_book(bot.strategy.market, symbol))  # type: ignore[misc]

    def _take_market_data(self, text: str) -> None:
        symbol = ""
        pairs = [pair.partition("=")[::2] for pair in text.split(SOH)[:-1]]
        head = dict(pairs)
        if head["35"] in ("f", "h"):
            self._take_status(head)
            return
        if head["35"] not in ("W", "X"):
            print(f"bots: the feed answers {head['35']}: {head.get('58', '')}", file=sys.stderr)
            return
        refresh = head["35"] == "W"
        if refresh:
            symbol = head["55"]
            quote = self.market[symbol]
            quote.bid = quote.ask = quote.bid_quantity = quote.ask_quantity = 0
            self._changed[symbol] = None
        for entry in groups(pairs, "269" if refresh else "279"):
            symbol = entry.get("55", symbol)
            if symbol in self.market:
                self._take_entry(symbol, entry, refresh)

    def _take_status(self, message: dict[str, str]) -> None:
        """SecurityStatus(f): an instrument that is not in continuous trading is let alone. (A market, h, is its instruments.)"""
        quote = self.market.get(message.get("55", ""))
        if quote is not None and "326" in message:
            quote.trading = message["326"] == READY_TO_TRADE
            self._changed[message["55"]] = None

    def _take_entry(self, symbol: str, entry: dict[str, str], refresh: bool) -> None:
        quote, kind = self.market[symbol], entry.get("269", "")
        price = configuration.to_units(entry["270"], self._decimals[symbol]) if "270" in entry else 0
        gone = entry.get("279") == "2"
        self._changed[symbol] = None
        if kind == "2":
            if price and not refresh and entry["279"] == "0":
                quote.traded(price)
            elif price and refresh:
                quote.last = price
        elif kind in "01":
            size = configuration.to_units(entry["271"], self._quantity_decimals[symbol]) if "271" in entry and not gone else 0
            if kind == "0" and (not gone or quote.bid == price or not price):
                quote.bid, quote.bid_quantity = 0 if gone else price, size
            elif kind == "1" and (not gone or quote.ask == price or not price):
                quote.ask, quote.ask_quantity = 0 if gone else price, size

    # ---------------------------------------------------------------------------------------------- what is done

    def step(self, now: float) -> bool:
        """Let the next bot whose turn it is do one thing. Says whether it did."""
        if not self._turns:
            return False
        bot = self._turns[self._at]
        self._at = (self._at + 1) % len(self._turns)
        if not self._can_act(bot, now):
            return False
        strategy = bot.strategy
        assert isinstance(strategy, Paced)
        strategy.acted = False
        self._tell(bot, lambda: strategy.on_timer(datetime.now(UTC)))
        return strategy.acted

    def run_timers(self, now: float) -> None:
        """Call the timers that are due, of the bots that do not take turns."""
        for bot in self._timed:
            if now >= bot.next_timer and self._can_act(bot, now):
                bot.next_timer = now + bot.strategy.timer_ms / 1000
                self._tell(bot, lambda bot=bot: bot.strategy.on_timer(datetime.now(UTC)))  # type: ignore[misc]

    def next_timer(self) -> float:
        """When the next of them is due; infinity where there is none."""
        return min((bot.next_timer for bot in self._timed if bot.is_ready), default=float("inf"))

    def _can_act(self, bot: Bot, now: float) -> bool:
        """Whether a bot knows how it stands; where it waits for that in vain, ask again."""
        if not bot.logged_on or bot.failed:
            return False
        if not bot.is_ready:
            if now < bot.waits_until:
                return False
            if not bot.clean:  # the venue knows no mass cancel, or is slow: go on with what there is
                bot.clean, bot.waits_for = True, ""
            else:
                self._ask(bot, now)
                return False
        if not bot.started:
            bot.started = True
            self._tell(bot, bot.strategy.on_start)
        return not bot.failed

    def _send(self, bot: Bot, msg_type: str, body: str) -> None:
        """A message that does not get through is asked for after the next Logon, like one that got lost on its way."""
        if self.client.send(bot.name, bot.venue, msg_type, body):
            self.sent[msg_type] += 1

    def leave(self, now: float) -> None:
        """Cancel everything of everyone who is logged on."""
        for bot in self.bots.values():
            if bot.logged_on:
                bot.clean = False
                self._ask(bot, now)

    @property
    def has_left(self) -> bool:
        return all(bot.clean for bot in self.bots.values() if bot.logged_on)

    # ----------------------------------------------------------------------------------------------------- said

    def line(self) -> str:
        """One line of what goes on."""
        on = sum(bot.logged_on for bot in self.bots.values())
        tallies = [bot.positions.tally for bot in self.bots.values()]
        parts = [
            f"{on} of {len(self.bots)} bots on",
            "feed on" if self.feed_is_on else "no feed",
            f"{self.sent['D'] + self.sent['G'] + self.sent['F']:,} messages sent",
            f"{sum(t.fills for t in tallies):,} fills",
            f"{sum(t.rejects for t in tallies):,} rejects",
            f"{sum(len(bot.positions.orders) for bot in self.bots.values()):,} orders open",
        ]
        return "bots: " + ", ".join(parts)

    def prices(self) -> dict[str, int]:
        """The last price of each instrument, or what it may be worth where none is known."""
        terms = next(iter(self.bots.values())).positions.terms
        return {symbol: quote.last or quote.guess(terms[symbol]) for symbol, quote in self.market.items()}

    def look(self) -> None:
        """Take note of the bots' inventories."""
        prices = self.prices()
        for bot in self.bots.values():
            bot.standing.look(prices)

    def standings(self) -> list[Standing]:
        return [bot.standing for bot in self.bots.values()]

    def scoreboard(self) -> str:
        """Who did what, and what it came to, at the last prices. Profit counts from what a bot began this run with."""
        return scoreboard.table(self.standings(), self.prices())


def venue_of(config: Config, name: str) -> str:
    """The CompID that the venue has for this participant."""
    return config.participant(name).venue_comp_id or config.venue.name


def fields(text: str) -> dict[str, str]:
    """The fields of a message by tag; of one that comes more than once the last."""
    return dict([pair.partition("=")[::2] for pair in text.split(SOH)[:-1]])


def groups(pairs: list[Any], first_tag: str) -> list[dict[str, str]]:
    """The entries of a repeating group, each of which begins with `first_tag`."""
    entries: list[dict[str, str]] = []
    for tag, value in pairs:
        if tag == first_tag:
            entries.append({})
        if entries:
            entries[-1][tag] = value
    return entries


def market_data_request(symbols: list[str]) -> str:
    """The body of a MarketDataRequest: best prices and trades of these instruments, and what changes."""
    types = "".join(f"269={kind}{SOH}" for kind in "012")
    instruments = "".join(f"55={symbol}{SOH}" for symbol in symbols)
    return f"262=bots{SOH}263=1{SOH}264=1{SOH}265=1{SOH}266=Y{SOH}267=3{SOH}{types}146={len(symbols)}{SOH}{instruments}"


# ---------------------------------------------------------------------------------------------------- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Trade on a running venue as MAKER1, NOISE1, MOMENTUM1 and so on, as many of each as wanted, or with strategies of your"
        " own. The bots connect again by themselves when the venue was away. On Ctrl-C they cancel their orders, and a"
        " scoreboard is printed. docs/simulator.md says how to write a strategy; `fixserver simulate` runs it without a venue."
    )
    parser.epilog = """examples:
  fixserver bots                                    two makers, six noise traders, two momentum traders
  fixserver bots --makers 5 --noise 20 --momentum 5 --rate 300
  fixserver bots --bots maker=1,mine.py:Trend=1     a strategy of your own, and a maker to trade with
  fixserver bots --seed 7 --seconds 60 --json"""
    add = parser.add_argument
    add("--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)")
    add("--data", type=Path, metavar="DIR", help="the venue's data directory, where a port is 0 in its configuration")
    add("--host", help="where the venue is (the address in the configuration)")
    add("--bots", metavar="LIST", help=f"instead of the next three: {roster.BOTS_HELP}")
    add("--makers", type=_count, default=2, metavar="N", help="market makers (%(default)s)")
    add("--noise", type=_count, default=6, metavar="N", help="noise traders (%(default)s)")
    add("--momentum", type=_count, default=2, metavar="N", help="momentum traders (%(default)s)")
    add("--seed", type=int, default=1, help="of all that is random (%(default)s)")
    add("--rate", type=_rate, default=RATE, metavar="N", help="turns a second, of all bots that take turns (%(default)s)")
    add("--seconds", type=_seconds, default=0.0, metavar="N", help="stop after so many seconds (never)")
    add("--password", default="demo", help="of all bots (%(default)s)")
    add("--password-file", type=Path, metavar="FILE", help="instead: its one line is the password")
    trust.add_argument(parser)
    add("--json", action="store_true", help="the scoreboard as JSON, and nothing else on standard output")
    add("--quiet", action="store_true", help="only the scoreboard")


def _count(text: str) -> int:
    if not text.isdigit() or int(text) > roster.BOTS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number up to {roster.BOTS_MAX}")
    return int(text)


def _rate(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= RATE_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to {RATE_MAX}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a number above zero")
    return seconds


def chosen(config: Config, makers: int, noise: int, momentum: int) -> list[Seat]:
    """The participants of so many bots of each kind. Raises ConfigError where there are fewer."""
    counts = {"maker": makers, "noise": noise, "momentum": momentum}
    if not any(counts.values()):
        raise ConfigError(config.file, "participants", "no bot was asked for: --makers, --noise and --momentum are all 0")
    kinds = [(word, roster.BUILT_IN[word], count) for word, count in counts.items()]
    return roster.seats(config, [Wanted(word, strategy, count, strategy.participants) for word, strategy, count in kinds])


def password_of(args: argparse.Namespace) -> str:
    """Raises ConfigError."""
    if args.password_file is None:
        return str(args.password)
    password, fault = configuration.line_of(args.password_file)
    if fault:
        raise ConfigError("bots", "--password-file", fault)
    return password


def dictionary_of(config: Config) -> Path:
    """The venue's dictionary for FIX 4.4, or the one that QuickFIX brings."""
    own = config.dictionaries / "FIX44.xml"
    return own if own.exists() else Path(sys.prefix) / "share/quickfix/FIX44.xml"


class _Stopped:
    """Whether a signal asked for the end."""

    def __init__(self) -> None:
        self.asked = False
        self._before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}

    def _on_signal(self, number: int, frame: object) -> None:
        self.asked = True

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def run(args: argparse.Namespace) -> int:
    """Exit code 0: they traded until told to stop; 1: the venue refuses them, or a strategy failed. Raises ConfigError."""
    config = configuration.load(args.config, ())
    asked = args.bots
    seats = roster.seats(config, roster.wanted(asked)) if asked else chosen(config, args.makers, args.noise, args.momentum)
    names = [seat.name for seat in seats]
    quiet = args.quiet or args.json
    port, feed_port = fix_port(config, args.data, "exchange"), fix_port(config, args.data, "marketdata")
    lines = [Line(name, venue_of(config, name), args.host or host_of(config.exchange), port) for name in names]
    lines.append(Line(names[0], config.venue.market_data_name, args.host or host_of(config.marketdata), feed_port))
    password = password_of(args)
    tls = client_tls(config, args.ca)
    tunnel = Tunnel(tls) if tls is not None else None
    if tunnel is not None:
        lines = [line._replace(host="127.0.0.1", port=tunnel.to(line.host, line.port)) for line in lines]
    client = Client(lines, password, dictionary_of(config))
    bots = Bots(config, seats, args.seed, f"b{time.time_ns() // 1_000_000:x}", client)
    stopped = _Stopped()
    if not quiet:
        where = f"{args.host or host_of(config.exchange)}:{port}"
        print(f"bots: {len(names)} bots trade at {where}, {args.rate} turns a second together", flush=True)
    client.start()
    try:
        problem = trade(bots, client, args.rate, args.seconds, stopped, quiet)
        leave(bots, client)
    finally:
        client.stop()
        if tunnel is not None:
            tunnel.close()
        # QuickFIX has to go while Python still stands: bots and their brokers know each other, and would keep it to the very end.
        bots.client = None
        stopped.restore()
    if problem:
        print(f"bots: {problem}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"seed": args.seed, "bots": scoreboard.rows(bots.standings(), bots.prices())}, indent=2), flush=True)
    else:
        print(bots.scoreboard(), flush=True)
    return 1 if any(bot.failed for bot in bots.bots.values()) else 0


def trade(bots: Bots, client: Client, rate: int, seconds: float, stopped: _Stopped, quiet: bool) -> str:
    """Until the time is over, a signal came, or (the text says why) the venue lets nobody in."""
    started = now = time.monotonic()
    due, next_line, next_look, refusals, anyone = started, started + LINE_SECONDS, started, 0, False
    while not stopped.asked and not (seconds and now >= started + seconds):
        try:
            happened = client.happened.get(timeout=max(0.0, min(min(due, bots.next_timer()) - now, 0.2)))
        except queue.Empty:
            happened = None
        now = time.monotonic()
        if happened is not None:
            bots.take(happened, now)
            anyone = anyone or (happened.kind == "logon" and happened.target != bots._feed)
            if happened.kind == "refused" and not anyone and happened.target != bots._feed:
                refusals += 1
                if refusals >= REFUSALS_MAX:
                    return f"the venue refuses {happened.sender}: {happened.text or 'it does not say why'}"
        if now >= due:
            bots.step(now)
            due = max(due + 1 / rate, now - LATE_STEPS_MAX / rate)
        bots.run_timers(now)
        if now >= next_look:
            bots.look()
            next_look = now + INVENTORY_SECONDS
        if not quiet and now >= next_line:
            print(bots.line(), flush=True)
            next_line = now + LINE_SECONDS
    return ""


def leave(bots: Bots, client: Client) -> None:
    """Cancel what is open, and wait a little for the answers."""
    now = time.monotonic()
    end = now + STOP_SECONDS
    bots.leave(now)
    while not bots.has_left and now < end:
        try:
            bots.take(client.happened.get(timeout=end - now), now)
        except queue.Empty:
            return
        now = time.monotonic()


