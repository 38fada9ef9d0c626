"""`fixserver bots`: market makers, noise traders and momentum traders that trade over FIX; what each does is in strategies.py.

All bots share one process, one QuickFIX initiator and one clock: every 1/rate seconds the next one may do one thing.
"""

from __future__ import annotations

import argparse
import queue
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from fixserver import config as configuration
from fixserver.addresses import fix_port
from fixserver.client import Client, Happened, Line
from fixserver.config import Config, ConfigError
from fixserver.positions import Fill, Positions, positions_of
from fixserver.strategies import Action, Cancel, Enter, Market, MarketMaker, MomentumTrader, NoiseTrader, Quote, Replace, Strategy
from matching.messages import MONEY_UNIT

SOH = "\x01"
MAKER_TURNS = 3  # turns a maker has for each one of a trader: it keeps many quotes
RATE = 30
RATE_MAX = 2_000
BOTS_MAX = 500
LATE_STEPS_MAX = 20  # turns that are made up for after a pause; the rest is dropped
READY_TO_TRADE = "17"  # SecurityTradingStatus(326)
TOO_LATE, UNKNOWN_ORDER = "0", "1"  # CxlRejReason(102): the order has ended, and no other will end like it
ANSWER_SECONDS = 3.0  # for the answers to what is asked at a Logon, before going on without
LINE_SECONDS = 10.0
REFUSALS_MAX = 3  # Logons refused in a row before anyone was logged on, after which nobody will be
STOP_SECONDS = 2.0

KINDS: dict[str, type[Strategy]] = {"MAKER": MarketMaker, "NOISE": NoiseTrader, "MOMENTUM": MomentumTrader}


class Bot:
    """A participant with a strategy and a session."""

    def __init__(self, name: str, venue: str, strategy: Strategy, positions: Positions) -> None:
        self.name, self.venue, self.strategy, self.positions = name, venue, strategy, positions
        self.logged_on = False
        self.clean = False  # whether what an earlier run left open has been canceled
        self.waits_for = ""  # ClOrdID of a mass cancel
        self.waits_until = 0.0
        self.began = dict(positions.holdings), positions.cash

    @property
    def is_ready(self) -> bool:
        """Whether it knows how its orders stand."""
        return self.logged_on and self.clean and not self.positions.asked


class Bots:
    """The bots and the market as they see it. Time is an argument; messages leave by `client`."""

    def __init__(self, config: Config, names: list[str], seed: int, run: str, client: Any) -> None:
        self.client = client
        self.bots = {name: _bot(config, name, seed, run) for name in names}
        self.market: Market = {instrument.symbol: Quote() for instrument in config.instruments}
        self.feed_is_on = False
        self.sent: Counter[str] = Counter()
        self._feed = config.venue.market_data_name
        self._decimals = {instrument.symbol: instrument.price_decimals for instrument in config.instruments}
        turns = [bot for bot in self.bots.values() for _ in range(MAKER_TURNS if isinstance(bot.strategy, MarketMaker) else 1)]
        Random(seed).shuffle(turns)
        self._turns, self._at = turns, 0

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
        if changing is not None and message.get("434") == "2" and message.get("102") not in (TOO_LATE, UNKNOWN_ORDER):
            bot.strategy.refused(changing.terms.symbol, changing.side)
        rejects = bot.positions.tally.rejects
        fill = bot.positions.take(message)
        if bot.positions.tally.rejects > rejects and "55" in message:
            bot.strategy.refused(message["55"], message.get("54", ""))
        if fill is not None:
            self._filled(fill)

    def _filled(self, fill: Fill) -> None:
        """Where there is no feed, the bots' own fills are all that is known of the market."""
        if not self.feed_is_on:
            self.market[fill.terms.symbol].traded(fill.price)

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
                quote.bid = quote.ask = 0
        elif happened.kind == "message":
            self._take_market_data(happened.text)

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
            self.market[symbol].bid = self.market[symbol].ask = 0
        for entry in groups(pairs, "269" if refresh else "279"):
            symbol = entry.get("55", symbol)
            if symbol in self.market:
                self._take_entry(symbol, entry, refresh)

    def _take_status(self, message: dict[str, str]) -> None:
        """SecurityStatus(f): an instrument that is not in continuous trading is let alone. (A market, h, is its instruments.)"""
        quote = self.market.get(message.get("55", ""))
        if quote is not None and "326" in message:
            quote.trading = message["326"] == READY_TO_TRADE

    def _take_entry(self, symbol: str, entry: dict[str, str], refresh: bool) -> None:
        quote, kind = self.market[symbol], entry.get("269", "")
        price = configuration.to_units(entry["270"], self._decimals[symbol]) if "270" in entry else 0
        gone = entry.get("279") == "2"
        if kind == "2":
            if price and not refresh and entry["279"] == "0":
                quote.traded(price)
            elif price and refresh:
                quote.last = price
        elif kind in "01":
            side = "bid" if kind == "0" else "ask"
            if not gone:
                setattr(quote, side, price)
            elif getattr(quote, side) == price or not price:
                setattr(quote, side, 0)

    # ---------------------------------------------------------------------------------------------- what is done

    def step(self, now: float) -> bool:
        """Let the next bot do one thing. Says whether it did."""
        bot = self._turns[self._at]
        self._at = (self._at + 1) % len(self._turns)
        if not bot.logged_on:
            return False
        if not bot.is_ready:
            if now < bot.waits_until:
                return False
            if not bot.clean:  # the venue knows no mass cancel, or is slow: go on with what there is
                bot.clean, bot.waits_for = True, ""
            else:
                self._ask(bot, now)
                return False
        action = bot.strategy.decide(bot.positions, self.market)
        if action is not None:
            self._do(bot, action)
        return action is not None

    def _do(self, bot: Bot, action: Action) -> None:
        positions = bot.positions
        if isinstance(action, Enter):
            terms = (action.label, action.symbol, action.side, action.price, action.quantity, action.time_in_force)
            self._send(bot, "D", positions.enter(*terms, bot.strategy.turn))
        elif isinstance(action, Replace):
            self._send(bot, "G", positions.replace(action.order, action.price, action.quantity))
        elif isinstance(action, Cancel):
            self._send(bot, "F", positions.cancel(action.order))

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

    def scoreboard(self) -> str:
        """Who did what, and what it came to, at the last prices. Profit counts from what a bot began this run with."""
        prices = {symbol: quote.guess(terms) for symbol, quote in self.market.items() for terms in [self._terms(symbol)]}
        rows = []
        for bot in self.bots.values():
            positions, tally = bot.positions, bot.positions.tally
            holdings, cash = bot.began
            begun = cash + sum(positions.terms[symbol].value(prices[symbol], n) for symbol, n in holdings.items())
            worth = positions.worth(prices)
            numbers = (tally.orders, tally.replaces, tally.cancels, tally.fills, tally.rejects)
            rows.append(
                [bot.name, *(f"{n:,}" for n in numbers), dollars(tally.traded), dollars(positions.cash), dollars(worth - begun)]
            )
        head = ["", "orders", "replaces", "cancels", "fills", "rejects", "traded", "cash", "profit"]
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        return "\n".join(_aligned(row, widths) for row in [head, *rows])

    def _terms(self, symbol: str) -> Any:
        return next(iter(self.bots.values())).positions.terms[symbol]


def _bot(config: Config, name: str, seed: int, run: str) -> Bot:
    strategy = KINDS[name.rstrip("0123456789")](f"{seed}/{name}")
    return Bot(name, venue_of(config, name), strategy, positions_of(config, name, run))


def venue_of(config: Config, name: str) -> str:
    """The CompID that the venue has for this participant."""
    return config.participant(name).venue_comp_id or config.venue.name


def _aligned(row: list[str], widths: list[int]) -> str:
    """The first cell to the left, the others to the right."""
    return "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))])


def dollars(money: int) -> str:
    """Money units as whole currency, rounded towards zero."""
    return f"{abs(money) // MONEY_UNIT * (1 if money >= 0 else -1):,}"


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
        "Trade on a running venue as MAKER1, NOISE1, MOMENTUM1 and so on, as many of each as wanted. The bots connect again"
        " by themselves when the venue was away. On Ctrl-C they cancel their orders, and a scoreboard is printed."
    )
    parser.epilog = """examples:
  fixserver bots                                    two makers, six noise traders, two momentum traders
  fixserver bots --makers 5 --noise 20 --momentum 5 --rate 300
  fixserver bots --seed 7 --seconds 60"""
    add = parser.add_argument
    add("--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)")
    add("--data", type=Path, metavar="DIR", help="the venue's data directory, where a port is 0 in its configuration")
    add("--host", help="where the venue is (the address in the configuration)")
    add("--makers", type=_count, default=2, metavar="N", help="market makers (%(default)s)")
    add("--noise", type=_count, default=6, metavar="N", help="noise traders (%(default)s)")
    add("--momentum", type=_count, default=2, metavar="N", help="momentum traders (%(default)s)")
    add("--seed", type=int, default=1, help="of all that is random (%(default)s)")
    add("--rate", type=_rate, default=RATE, metavar="N", help="messages a second, of all bots together (%(default)s)")
    add("--seconds", type=_seconds, default=0.0, metavar="N", help="stop after so many seconds (never)")
    add("--password", default="demo", help="of all bots (%(default)s)")
    add("--quiet", action="store_true", help="only the scoreboard")


def _count(text: str) -> int:
    if not text.isdigit() or int(text) > BOTS_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number up to {BOTS_MAX}")
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


def chosen(config: Config, wanted: dict[str, int]) -> list[str]:
    """The names of so many bots of each kind. Raises ConfigError where there are fewer participants."""
    known = {participant.name for participant in config.participants}
    names = []
    for kind, count in wanted.items():
        there = [f"{kind}{number}" for number in range(1, count + 1) if f"{kind}{number}" in known]
        if len(there) < count:
            missing = next(f"{kind}{number}" for number in range(1, count + 1) if f"{kind}{number}" not in known)
            what = f"has no {missing}, so that there cannot be {count} of them: add participants, or ask for fewer"
            raise ConfigError(config.file, "participants", what)
        names += there
    if not names:
        raise ConfigError(config.file, "participants", "no bot was asked for: --makers, --noise and --momentum are all 0")
    return names


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
    """Exit code 0: they traded until told to stop; 1: the venue refuses them. Raises ConfigError."""
    config = configuration.load(args.config)
    names = chosen(config, {"MAKER": args.makers, "NOISE": args.noise, "MOMENTUM": args.momentum})
    port, feed_port = fix_port(config, args.data, "exchange"), fix_port(config, args.data, "marketdata")
    lines = [Line(name, venue_of(config, name), args.host or config.exchange.address, port) for name in names]
    lines.append(Line(names[0], config.venue.market_data_name, args.host or config.marketdata.address, feed_port))
    client = Client(lines, args.password, dictionary_of(config))
    bots = Bots(config, names, args.seed, f"b{time.time_ns() // 1_000_000:x}", client)
    stopped = _Stopped()
    if not args.quiet:
        print(f"bots: {len(names)} bots trade at {lines[0].host}:{port}, {args.rate} messages a second together", flush=True)
    client.start()
    try:
        problem = trade(bots, client, args.rate, args.seconds, stopped, args.quiet)
        leave(bots, client)
    finally:
        client.stop()
        stopped.restore()
    if problem:
        print(f"bots: {problem}", file=sys.stderr)
        return 1
    print(bots.scoreboard(), flush=True)
    return 0


def trade(bots: Bots, client: Client, rate: int, seconds: float, stopped: _Stopped, quiet: bool) -> str:
    """Until the time is over, a signal came, or (the text says why) the venue lets nobody in."""
    started = now = time.monotonic()
    due, next_line, refusals, anyone = started, started + LINE_SECONDS, 0, False
    while not stopped.asked and not (seconds and now >= started + seconds):
        try:
            happened = client.happened.get(timeout=max(0.0, min(due - now, 0.2)))
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


