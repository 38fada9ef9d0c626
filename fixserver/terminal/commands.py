"""The grammar of the terminal's command line: text in, a command out; it knows no session, no order and no market.

    parse("buy 100 AAPL 189.50 ioc")   # Enter(side="buy", quantity=Decimal("100"), symbol="AAPL", price=Decimal("189.50"), ...)

What cannot be understood is a CommandError that says which word is wrong and what may stand there. HELP says the same for people.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

LINE_CHARACTERS_MAX = 400
Side = Literal["buy", "sell"]
TimeInForce = Literal["day", "gtc", "ioc", "fok", "gtd", "opening", "closing"]
Peg = Literal["primary", "mid", "market"]
Deed = Literal["raw", "theme", "help", "quit"]

HELP = """\
[b]Orders[/b]  Words may stand in any order behind the quantity and symbol.
  buy 100 AAPL 189.50 ioc       day gtc ioc fok opening closing
  buy 9 189.50                  of the instrument that is shown
  sell 5 MSFT mkt               at the market; mtl: the rest is a limit
  buy 9 AAPL 189.50 until 2026-12-24T15:00           good till then, UTC
  buy 100 AAPL 189.50 post      only if it does not trade at once
  sell 100 AAPL stop 180        a stop; with a price too: a stop limit
  buy 900 AAPL 189.50 show 100  an iceberg; min 50 ioc: so much at once
  buy 100 AAPL peg mid          or primary, market; peg primary -0.02
  replace A12 50 @ 189.40       50 in all, fills included; also @ 189.40
  cancel A12 · cancel all · cancel all AAPL · status · status A12
[b]Looking[/b]
  book MSFT · orders executions positions market log (F2 to F6)
  raw: the log as FIX, and back · theme (F7) · help (F1) · quit
[b]Keys[/b]
  Tab completes, Up and Down recall, Esc goes to the command line.
  Shift+Tab to the rows: Enter and Del write a replace or a cancel.
"""

TIMES_IN_FORCE: dict[str, TimeInForce] = {
    "day": "day", "gtc": "gtc", "ioc": "ioc", "fok": "fok", "opening": "opening", "closing": "closing",
}  # fmt: skip
SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
DEEDS: dict[str, Deed] = {"raw": "raw", "theme": "theme", "help": "help", "quit": "quit"}
PEGS: dict[str, Peg] = {"primary": "primary", "mid": "mid", "midpoint": "mid", "market": "market"}
PANES = ("orders", "executions", "positions", "market", "log")
MARKET_WORDS = ("mkt", "market")
OPTIONS = ("mkt", "mtl", "stop", "show", "min", "peg", "post", "until", *TIMES_IN_FORCE)
VERBS = (*SIDES, "cancel", "replace", "book", "status", *PANES, *DEEDS)
SHORT = {"b": "buy", "s": "sell", "c": "cancel", "r": "replace", "q": "quit", "exit": "quit", "?": "help", "h": "help"}

_NUMBER = re.compile(r"[0-9][0-9_,]*(\.[0-9]+)?|\.[0-9]+")
_OFFSET = re.compile(r"[+-]?([0-9]+(\.[0-9]+)?|\.[0-9]+)")
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]{0,31}")
_UNTIL = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)Z?)?")
NUMBER_CHARACTERS_MAX = 24


class CommandError(Exception):
    """A line that is no command. `word` is the one that is wrong, empty where one is missing."""

    def __init__(self, text: str, word: str = "") -> None:
        super().__init__(text)
        self.word = word


@dataclass(frozen=True)
class Enter:
    """A new order. `symbol` is empty for the instrument that is shown; no `price` is no limit."""

    side: Side
    quantity: Decimal
    symbol: str = ""
    price: Decimal | None = None
    time_in_force: TimeInForce = "day"
    until: str = ""  # ExpireTime(126), or ExpireDate(432) where it has no time
    stop: Decimal | None = None
    show: Decimal | None = None
    minimum: Decimal | None = None
    peg: Peg | None = None
    peg_offset: Decimal | None = None
    post_only: bool = False
    market_to_limit: bool = False


@dataclass(frozen=True)
class Cancel:
    order: str


@dataclass(frozen=True)
class CancelAll:
    """Every open order, or those of an instrument."""

    symbol: str = ""


@dataclass(frozen=True)
class Replace:
    """Other terms for an order; None is as it was. `quantity` is the whole, what was filled included."""

    order: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    stop: Decimal | None = None
    show: Decimal | None = None


@dataclass(frozen=True)
class Book:
    symbol: str


@dataclass(frozen=True)
class Status:
    """How an order stands, or every open one."""

    order: str = ""


@dataclass(frozen=True)
class Show:
    pane: str


@dataclass(frozen=True)
class Do:
    """What concerns the terminal alone."""

    what: Deed


Command = Enter | Cancel | CancelAll | Replace | Book | Status | Show | Do


def parse(line: str) -> Command:
    """What a line asks for. Raises CommandError."""
    if len(line) > LINE_CHARACTERS_MAX:
        raise CommandError(f"a command has at most {LINE_CHARACTERS_MAX} characters")
    if not line.isprintable():
        raise CommandError("a command has no control characters")
    words = line.split()
    if not words:
        raise CommandError("nothing was typed: try help")
    verb = SHORT.get(words[0].lower(), words[0].lower())
    rest = _Words(words[1:])
    if verb in SIDES:
        return _enter(SIDES[verb], rest)
    if verb == "cancel":
        return _cancel(rest)
    if verb == "replace":
        return _replace(rest)
    if verb == "book":
        symbol = rest.symbol("book", "book MSFT")
        rest.end("book")
        return Book(symbol)
    if verb == "status":
        order = rest.next() if rest else ""
        rest.end("status")
        return Status(order)
    if verb in PANES:
        rest.end(verb)
        return Show(verb)
    if verb in DEEDS:
        rest.end(verb)
        return Do(DEEDS[verb])
    raise CommandError(f"there is no command {_cut(words[0])}{_meant(verb, VERBS)}: try help", words[0])


class _Words:
    """What is left of a line."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)

    def __bool__(self) -> bool:
        return bool(self._words)

    @property
    def peek(self) -> str:
        return self._words[0] if self._words else ""

    def next(self) -> str:
        return self._words.pop(0)

    def end(self, of: str) -> None:
        if self._words:
            raise CommandError(f"{of} takes no {_cut(self.peek)}", self.peek)

    def number(self, what: str, example: str) -> Decimal:
        """The next word as a number above zero."""
        if not self._words:
            raise CommandError(f"{what} is missing: {example}")
        word = self.next()
        return _number(word.removeprefix("@"), what, example, word)

    def symbol(self, of: str, example: str) -> str:
        if not self._words:
            raise CommandError(f"{of} which instrument? {example}")
        word = self.next()
        if not _SYMBOL.fullmatch(word):
            raise CommandError(f"{_cut(word)} is no symbol", word)
        return word.upper()


def _number(text: str, what: str, example: str, word: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise CommandError(f"{_cut(word)} is no number, {what} is one: {example}", word)
    if len(text) > NUMBER_CHARACTERS_MAX:
        raise CommandError(f"{what} has more than {NUMBER_CHARACTERS_MAX} digits", word)
    number = Decimal(text.replace(",", "").replace("_", ""))
    if not number:
        raise CommandError(f"{what} is above zero", word)
    return number


def _is_number(word: str) -> bool:
    return bool(_NUMBER.fullmatch(word.removeprefix("@"))) and word != ""


# ---------------------------------------------------------------------------------------------------- new orders


def _enter(side: Side, words: _Words) -> Enter:
    example = f"{side} 100 AAPL 189.50"
    said = _Said(words.number("the quantity", example))
    while words:
        _word_of_order(words, said, example)
    return said.order(side)


class _Said:
    """What a line has said of a new order so far."""

    def __init__(self, quantity: Decimal) -> None:
        self.quantity = quantity
        self.symbol = ""
        self.numbers: dict[str, Decimal] = {}  # price, stop, show, min
        self.time_in_force: TimeInForce | None = None
        self.until = ""
        self.kind = ""  # mkt, mtl, or peg
        self.peg: Peg | None = None
        self.peg_offset: Decimal | None = None
        self.post_only = False

    def once(self, what: str, number: Decimal, word: str) -> None:
        if what in self.numbers:
            raise CommandError(f"{what} stands there twice", word)
        self.numbers[what] = number

    def kind_is(self, kind: str, word: str) -> None:
        if self.kind:
            raise CommandError(f"an order is {self.kind} or {kind}, not both", word)
        self.kind = kind

    def force_is(self, time_in_force: TimeInForce, word: str) -> None:
        if self.time_in_force is not None:
            raise CommandError(f"an order is {_force_word(self.time_in_force)} or {_force_word(time_in_force)}, not both", word)
        self.time_in_force = time_in_force

    def order(self, side: Side) -> Enter:
        """The order, where what was said goes together; what the venue's rules are is the venue's to say."""
        price, stop = self.numbers.get("price"), self.numbers.get("stop")
        if self.kind in ("mkt", "mtl") and price is not None:
            raise CommandError(f"an order has a price or is {self.kind}, not both")
        if self.kind in ("mtl", "peg") and stop is not None:
            raise CommandError(f"an order that is {self.kind} has no stop price")
        if price is None and stop is None and not self.kind:
            raise CommandError(f"the price is missing: {side} {self.quantity} {self.symbol or 'AAPL'} 189.50, or mkt")
        return Enter(
            side, self.quantity, self.symbol, price, self.time_in_force or "day", self.until, stop, self.numbers.get("show"),
            self.numbers.get("min"), self.peg, self.peg_offset, self.post_only, self.kind == "mtl",
        )  # fmt: skip


def _word_of_order(words: _Words, said: _Said, example: str) -> None:
    word = words.next()
    low = word.lower()
    if low == "@":
        said.once("price", words.number("the price", example), word)
    elif _is_number(word):
        said.once("price", _number(word.removeprefix("@"), "the price", example, word), word)
    elif low in MARKET_WORDS:
        said.kind_is("mkt", word)
    elif low == "mtl":
        said.kind_is("mtl", word)
    elif low in ("stop", "show", "min"):
        what = {"stop": "the stop price", "show": "what is shown", "min": "the least quantity"}[low]
        said.once(low, words.number(what, f"{low} 100"), word)
    elif low == "post":
        said.post_only = True
    elif low == "peg":
        _peg(words, said, word)
    elif low == "until":
        said.force_is("gtd", word)
        said.until = _until(words)
    elif low in TIMES_IN_FORCE:
        said.force_is(TIMES_IN_FORCE[low], word)
    elif not said.symbol and _SYMBOL.fullmatch(word) and not _is_near(low, OPTIONS):
        said.symbol = word.upper()
    else:
        raise CommandError(f"an order takes no {_cut(word)}{_meant(low, OPTIONS)}", word)


def _peg(words: _Words, said: _Said, word: str) -> None:
    said.kind_is("peg", word)
    to = words.peek.lower()
    if to not in PEGS:
        raise CommandError(f"peg to what? {', '.join(('primary', 'mid', 'market'))}", words.peek)
    words.next()
    said.peg = PEGS[to]
    # An offset has a sign, or it would be a price.
    if words.peek[:1] in ("+", "-"):
        offset = words.next()
        if not _OFFSET.fullmatch(offset) or len(offset) > NUMBER_CHARACTERS_MAX:
            raise CommandError(f"{_cut(offset)} is no offset: peg {to} -0.02", offset)
        said.peg_offset = Decimal(offset)


def _until(words: _Words) -> str:
    example = "until 2026-12-24, or until 2026-12-24T15:00 (UTC)"
    if not words:
        raise CommandError(f"until when? {example}")
    word = words.next()
    found = _UNTIL.fullmatch(word.upper())
    if found is None:
        raise CommandError(f"{_cut(word)} is no time: {example}", word)
    date = found[1].replace("-", "")
    if found[2] is None:
        return date
    return f"{date}-{found[2] if found[2].count(':') == 2 else found[2] + ':00'}"


def _force_word(time_in_force: TimeInForce) -> str:
    return "until" if time_in_force == "gtd" else time_in_force


# ------------------------------------------------------------------------------------------------ open orders


def _cancel(words: _Words) -> Cancel | CancelAll:
    if not words:
        raise CommandError("cancel which order? cancel A12, cancel all, cancel all AAPL")
    word = words.next()
    if word.lower() != "all":
        words.end("cancel A12")
        return Cancel(word)
    symbol = words.symbol("cancel all of", "cancel all AAPL") if words else ""
    words.end("cancel all")
    return CancelAll(symbol)


def _replace(words: _Words) -> Replace:
    example = "replace A12 50 @ 189.40"
    if not words:
        raise CommandError(f"replace which order? {example}")
    order = words.next()
    numbers: dict[str, Decimal] = {}
    plain = ["quantity", "price"]  # what a number without a word means, in turn
    while words:
        word = words.next()
        low = word.lower()
        if low == "@":
            what, number = "price", words.number("the price", example)
        elif low.startswith("@"):
            what, number = "price", _number(low[1:], "the price", example, word)
        elif low in ("stop", "show"):
            what, number = low, words.number(f"what stands behind {low}", f"{low} 100")
        elif _is_number(word) and plain:
            what = plain.pop(0)
            number = _number(word, f"the {what}", example, word)
        else:
            raise CommandError(f"replace takes no {_cut(word)}: {example}", word)
        if what in numbers:
            raise CommandError(f"the {what} stands there twice", word)
        numbers[what] = number
    if not numbers:
        raise CommandError(f"replace it by what? {example}")
    return Replace(order, numbers.get("quantity"), numbers.get("price"), numbers.get("stop"), numbers.get("show"))


# ------------------------------------------------------------------------------------------------- completion


def complete(line: str, symbols: Iterable[str], orders: Iterable[str]) -> list[str]:
    """How the word that a line ends with may go on: whole lines, the likeliest first."""
    before, _, word = line.rpartition(" ")
    head = before.split()
    low = word.lower()
    if not head:
        return [verb for verb in VERBS if verb.startswith(low) and low]
    verb = SHORT.get(head[0].lower(), head[0].lower())
    found: list[str] = []
    if verb in ("buy", "sell") and len(head) >= 2:
        last = head[-1].lower()
        if last == "peg":
            found = ["primary", "mid", "market"]
        elif last not in ("stop", "show", "min", "until", "@"):
            found = [*(symbols if len(head) == 2 else ()), *OPTIONS]
    elif verb == "book" and len(head) == 1:
        found = list(symbols)
    elif verb == "cancel" and len(head) == 1:
        found = [*orders, "all"]
    elif verb == "cancel" and [one.lower() for one in head[1:]] == ["all"]:
        found = list(symbols)
    elif verb in ("replace", "status") and len(head) == 1:
        found = list(orders)
    return [f"{before} {one}" for one in found if low and one.lower().startswith(low)]


def _is_near(word: str, known: Iterable[str]) -> bool:
    """Whether a word in small letters looks like a mistyped option. Only long ones: short ones look like symbols."""
    return len(word) > 5 and bool(difflib.get_close_matches(word, list(known), 1, 0.8))


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def _cut(word: str) -> str:
    return word if len(word) <= 24 else word[:24] + "…"
