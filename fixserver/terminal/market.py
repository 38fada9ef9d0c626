"""The market as the FIX feed tells of it: the book that is shown, its tape, and the best prices of all; it keeps no connection.

Two subscriptions: the whole top of one book with trades and the day's prices, and the best prices of every instrument. What an
RptSeq(83) shows to be missing is asked for again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from fixserver.terminal.link import Received
from marketdata.rebuild import ENTRY_FIRST, Gap, OpenOrder, PriceLevel, RebuiltBook

SOH = "\x01"
DEPTH = 50  # prices of the book that is shown
TAPE_KEPT = 500
INSTRUMENTS_MAX = 200  # whose best prices are followed
BOOK_TYPES, BEST_TYPES = "01247895BAQ", "0125B"
BID, OFFER, TRADE, OPENING, CLOSING, HIGH, LOW, VWAP, VOLUME = "0", "1", "2", "4", "5", "7", "8", "9", "B"
SIDES = {"1": "buy", "2": "sell"}


class Terms(NamedTuple):
    """What may be traded, and how."""

    symbol: str
    tick: Decimal
    lot: Decimal
    currency: str
    reference: Decimal


class Print(NamedTuple):
    """A trade on the tape. `side` is that of who came second, empty in an auction."""

    number: str
    time: str
    price: Decimal
    quantity: Decimal
    side: str


@dataclass
class Seen:
    """One instrument. `last` is the last trade's price, `phase` as the venue says it, empty while it has not."""

    terms: Terms
    best: RebuiltBook = field(default_factory=lambda: RebuiltBook(False))
    last: Decimal | None = None
    phase: str = ""

    @property
    def bid(self) -> PriceLevel | None:
        return _level(self.best.bids())

    @property
    def offer(self) -> PriceLevel | None:
        return _level(self.best.offers())

    @property
    def change(self) -> Decimal | None:
        """Against the close before, or the reference price where there is none."""
        before = self.best.statistics.get(CLOSING, self.terms.reference)
        return None if self.last is None else self.last - before


class Market:
    """Asks by `send(type, body)`; time and connection are somebody else's."""

    def __init__(self, send: Callable[[str, str], bool], shown: str = "") -> None:
        self.instruments: dict[str, Seen] = {}
        self.shown = shown
        self.book = RebuiltBook(False)
        self.tape: deque[Print] = deque(maxlen=TAPE_KEPT)
        self.trouble = ""  # what the feed refused
        self.gaps = 0
        self._send = send
        self._requests = 0
        self._book_id = self._best_id = ""

    @property
    def symbols(self) -> list[str]:
        return list(self.instruments)

    @property
    def seen(self) -> Seen | None:
        return self.instruments.get(self.shown)

    def on_logon(self) -> None:
        """Subscriptions ended with the connection: ask for everything."""
        self._book_id = self._best_id = ""
        self._send("x", f"320=L{self._next()}{SOH}559=4{SOH}")

    def on_lost(self) -> None:
        """What is not kept up any more is not shown."""
        self.book = RebuiltBook(False)
        for seen in self.instruments.values():
            seen.best = RebuiltBook(False)

    def show(self, symbol: str) -> None:
        """Show the book of another instrument."""
        if symbol != self.shown or not self._book_id:
            self.shown = symbol
            self.tape.clear()
            self._ask_for_book()

    # ------------------------------------------------------------------------------------------------ what comes

    def take(self, message: Received) -> None:
        msg_type = message["35"]
        if msg_type in ENTRY_FIRST:
            self._take_data(message, msg_type)
        elif msg_type == "y":
            self._take_list(message)
        elif msg_type == "f":
            seen = self.instruments.get(message.get("55", ""))
            if seen is not None:
                seen.phase = message.get("58", "")
        elif msg_type in ("Y", "j", "3"):
            self.trouble = message.get("58", "")

    def _take_list(self, message: Received) -> None:
        for entry in groups(message.text, "55"):
            terms = Terms(
                entry["55"], Decimal(entry.get("1208", "0")), Decimal(entry.get("561", "0")), entry.get("15", ""),
                Decimal(entry.get("1150", "0")),
            )  # fmt: skip
            known = self.instruments.get(terms.symbol)
            if known is not None:
                known.terms = terms
            else:
                self.instruments[terms.symbol] = Seen(terms)
        if message.get("893") != "Y" or not self.instruments:
            return
        followed = self.symbols[:INSTRUMENTS_MAX]
        self._best_id = self._subscribe("B", 1, BEST_TYPES, followed)
        for symbol in followed:
            self._send("e", f"324=S{symbol}{SOH}55={symbol}{SOH}263=0{SOH}")
        if self.shown not in self.instruments:
            if self.shown:
                self.trouble = f"{self.shown} is not traded here"
            self.shown = followed[0]
        self._ask_for_book()

    def _ask_for_book(self) -> None:
        if self._book_id:
            self._send("V", f"262={self._book_id}{SOH}263=2{SOH}264={DEPTH}{SOH}267=1{SOH}269=0{SOH}146=1{SOH}55={self.shown}{SOH}")
        self.book = RebuiltBook(False)
        self._book_id = self._subscribe("D", DEPTH, BOOK_TYPES, [self.shown])

    def _subscribe(self, letter: str, depth: int, types: str, symbols: list[str]) -> str:
        name = f"{letter}{self._next()}"
        kinds = "".join([f"269={kind}{SOH}" for kind in types])
        instruments = "".join([f"55={symbol}{SOH}" for symbol in symbols])
        self._send(
            "V",
            f"262={name}{SOH}263=1{SOH}264={depth}{SOH}265=1{SOH}266=Y{SOH}267={len(types)}{SOH}{kinds}"
            f"146={len(symbols)}{SOH}{instruments}",
        )
        return name

    def _next(self) -> int:
        self._requests += 1
        return self._requests

    def _take_data(self, message: Received, msg_type: str) -> None:
        request = message.get("262", "")
        if request not in (self._book_id, self._best_id):
            return  # of a subscription that has ended
        is_book, snapshot, symbol = request == self._book_id, msg_type == "W", ""
        if snapshot:
            symbol = message["55"]
            book = self._book_of(is_book, symbol)
            if book is not None:
                book.begin()
        try:
            for entry in groups(message.text, ENTRY_FIRST[msg_type]):
                symbol = entry.get("55", symbol)
                book = self._book_of(is_book, symbol)
                if book is None:
                    continue
                book.take(entry, snapshot)
                del book.trades[:-TAPE_KEPT]
                if entry["269"] == TRADE:
                    self._take_trade(symbol, entry, is_book, snapshot)
        except (Gap, AssertionError, KeyError):
            self.gaps += 1
            if is_book:
                self._ask_for_book()
            else:
                self._send("V", f"262={self._best_id}{SOH}263=2{SOH}264=1{SOH}267=1{SOH}269=0{SOH}146=1{SOH}55={symbol}{SOH}")
                self._best_id = self._subscribe("B", 1, BEST_TYPES, self.symbols[:INSTRUMENTS_MAX])

    def _book_of(self, is_book: bool, symbol: str) -> RebuiltBook | None:
        if is_book:
            return self.book if symbol == self.shown else None
        seen = self.instruments.get(symbol)
        return None if seen is None else seen.best

    def _take_trade(self, symbol: str, entry: dict[str, str], is_book: bool, snapshot: bool) -> None:
        action, number = entry.get("279", "0"), entry.get("278", "")
        if not is_book:
            if action == "0":
                self.instruments[symbol].last = Decimal(entry["270"])
            return
        if action == "2":
            self.tape = deque((one for one in self.tape if one.number != number), TAPE_KEPT)
            return
        when = entry.get("273", "")[:8]
        one = Print(number, when, Decimal(entry["270"]), Decimal(entry["271"]), SIDES.get(entry.get("2446", ""), ""))
        at = next((at for at, old in enumerate(self.tape) if old.number == number), None)
        if at is not None:
            self.tape[at] = one._replace(time=one.time or self.tape[at].time, side=one.side or self.tape[at].side)
        elif action == "0":
            self.tape.append(one)


def _level(levels: list[PriceLevel] | list[OpenOrder]) -> PriceLevel | None:
    return next(iter(by_price(levels)), None)


def by_price(levels: list[PriceLevel] | list[OpenOrder]) -> list[PriceLevel]:
    """The lines of a book that is by price."""
    return [level for level in levels if isinstance(level, PriceLevel)]


def groups(text: str, first_tag: str) -> list[dict[str, str]]:
    """The entries of the repeating group that a message ends with, each of which begins with `first_tag`."""
    entries: list[dict[str, str]] = []
    for pair in text.split(SOH)[:-2]:  # without CheckSum
        tag, _, value = pair.partition("=")
        if tag == first_tag:
            entries.append({})
        if entries:
            entries[-1][tag] = value
    return entries
