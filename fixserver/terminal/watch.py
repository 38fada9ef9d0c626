"""What `fixserver watch` shows: best prices, trades and phases, from the messages of the stream; it keeps no connection.

A change is printed as a line for people, or as JSON for programs; or all instruments are drawn as a table.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from marketdata.streambook import Followed, Gap, StreamBuilder

SYMBOLS_MAX = 300  # three topics each, of the thousand that a client may follow
TOPICS_PER_MESSAGE = 200
TRADES_SHOWN = 8
STATUS = "status"

Price = tuple[str, str]  # price and quantity, as the venue writes them


class Change(NamedTuple):
    """One thing that happened. `kind` is "quote", "trade" or "phase"; of a trade `what` is new, change or delete."""

    kind: str
    time: str
    symbol: str
    bid: Price | None = None
    offer: Price | None = None
    trade: dict[str, Any] | None = None
    what: str = ""
    phase: str = ""

    @property
    def line(self) -> str:
        """In words: `04:07:43.123 AAPL 189.49 x 300 | 189.50 x 100`."""
        head = f"{self.time[11:23]} {self.symbol} "
        if self.kind == "quote":
            return f"{head}{_quoted(self.bid)} | {_quoted(self.offer)}"
        if self.trade is not None:
            side = f" {self.trade['aggressor']}" if self.trade["aggressor"] else " auction"
            what = {"new": "traded", "change": "corrected to", "delete": "busted"}[self.what]
            return f"{head}{what} {self.trade['quantity']} @ {self.trade['price']}{side}"
        return f"{head}is {self.phase}"

    @property
    def json(self) -> str:
        """As one JSON object."""
        said: dict[str, Any] = {"type": self.kind, "time": self.time, "symbol": self.symbol}
        if self.kind == "quote":
            said |= {"bid": self.bid, "offer": self.offer}
        elif self.trade is not None:
            said |= {"action": self.what, **{key: self.trade[key] for key in ("id", "price", "quantity", "aggressor")}}
        else:
            said["phase"] = self.phase
        return msgspec.json.encode(said).decode()


def _quoted(price: Price | None) -> str:
    return f"{price[0]} x {price[1]}" if price is not None else "-"


class UnknownSymbol(Exception):
    """Somebody wants to watch what is not traded."""


class Watch:
    """The instruments that are watched; all that there are, where none is named."""

    def __init__(self, symbols: Iterable[str] = ()) -> None:
        self.wanted = list(dict.fromkeys(symbols))
        self.symbols: list[str] = []  # once the venue has said what there is
        self.trouble = ""  # what the venue last answered with an error
        self._stream = StreamBuilder()
        self._quotes: dict[str, tuple[Price | None, Price | None]] = {}
        self._phases: dict[str, str] = {}
        self._last: deque[Change] = deque(maxlen=TRADES_SHOWN)

    def requests(self) -> list[str]:
        """What to send when a connection begins: go on where the last one ended, or ask what there is."""
        followed: list[Any] = [topic.where for topic in self._stream.topics.values()]
        return _subscriptions(followed or [STATUS])

    def take(self, text: str | bytes) -> tuple[list[Change], list[str]]:
        """Take a message of the stream. Returns what happened, and what to send. Raises UnknownSymbol."""
        name, before = _topic_of(text), set[str]()
        topic = self._stream.topics.get(name)
        if topic is not None and topic.kind == "trades":
            before = set(topic.data)
        try:
            message = self._stream.take(text)
        except Gap:
            return [], _subscriptions([name])  # to subscribe again is to ask for a snapshot
        if message["type"] == "error":
            self.trouble = message["message"]
        if message["type"] not in ("snapshot", "delta"):
            return [], []
        first = topic is None
        topic = self._stream.topics[name]
        if topic.kind == STATUS:
            return self._take_status(topic, first)
        symbol = name.split(":")[1]
        if topic.kind == "trades":
            return self._trades(topic, symbol, message, None if first else before), []
        if topic.kind == "book":
            return self._quote(topic, symbol), []
        return [], []

    def _take_status(self, topic: Followed, first: bool) -> tuple[list[Change], list[str]]:
        phases = {symbol: phase for symbol, (phase, _) in topic.data["instruments"].items()}
        changes = []
        if not first:
            changes = [
                Change("phase", topic.time, symbol, phase=phases[symbol])
                for symbol in self.symbols
                if symbol in phases and phases[symbol] != self._phases.get(symbol)
            ]
        self._phases = phases
        if self.symbols:
            return changes, []
        for symbol in self.wanted:
            if symbol not in phases:
                raise UnknownSymbol(f"{symbol} is not traded here: {', '.join(list(phases)[:8])}{', …' if len(phases) > 8 else ''}")
        self.symbols = (self.wanted or list(phases))[:SYMBOLS_MAX]
        topics = [f"{kind}:{symbol}{more}" for symbol in self.symbols for kind, more in _TOPICS]
        return changes, _subscriptions(topics)

    def _quote(self, topic: Followed, symbol: str) -> list[Change]:
        quote = _best(topic.bids()), _best(topic.offers())
        if self._quotes.get(symbol) == quote:
            return []
        self._quotes[symbol] = quote
        return [Change("quote", topic.time, symbol, *quote)]

    def _trades(self, topic: Followed, symbol: str, message: dict[str, Any], known: set[str] | None) -> list[Change]:
        """Trades of a delta; of a snapshot those that happened while the connection was away."""
        if message["type"] == "delta":
            entries = [(what, trade) for what, trade in message["data"]]
        else:
            entries = [("new", trade) for trade in topic.data.values() if known is not None and trade["id"] not in known]
        changes = [Change("trade", trade["time"], symbol, trade=trade, what=what) for what, trade in entries]
        self._last.extend(changes)
        return changes

    # ------------------------------------------------------------------------------------------------ the table

    def table(self, width: int, height: int) -> list[str]:
        """All instruments and the last trades, as lines that fit."""
        rows = [("symbol", "bid", "", "offer", "", "last", "change", "volume", "phase")]
        shown = self.symbols[: max(1, height - 3)]
        for symbol in shown:
            bid, offer = self._quotes.get(symbol, (None, None))
            day = self._stream.topics.get(f"statistics:{symbol}")
            said = day.data if day is not None else {}
            rows.append(
                (
                    symbol, bid[1] if bid else "", bid[0] if bid else "-", offer[0] if offer else "-", offer[1] if offer else "",
                    said.get("last") or "-", _signed(said.get("change")), said.get("volume") or "", self._phases.get(symbol, ""),
                )
            )  # fmt: skip
        rows[0] = ("symbol", "", "bid", "offer", "", *rows[0][5:])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        left = (0, 3, 4, 8)  # columns of words, and of what stands behind the offer, begin at the left
        lines = []
        for row in rows:
            cells = zip(range(len(row)), row, widths, strict=True)
            lines.append("  ".join([cell.ljust(size) if at in left else cell.rjust(size) for at, cell, size in cells]))
        if len(self.symbols) > len(shown):
            lines.append(f"and {len(self.symbols) - len(shown)} more, for which the window has no room")
        room = height - len(lines) - 2
        if room > 0 and self._last:
            lines += ["", *[change.line for change in list(reversed(self._last))[:room]]]
        return [line[:width].rstrip() for line in lines]


_TOPICS = (("book", ":price:1"), ("trades", ""), ("statistics", ""))


def _topic_of(text: str | bytes) -> str:
    return msgspec.json.decode(text, type=_Named).topic


class _Named(msgspec.Struct):
    topic: str = ""


def _subscriptions(topics: list[Any]) -> list[str]:
    return [
        msgspec.json.encode({"op": "subscribe", "topics": topics[at : at + TOPICS_PER_MESSAGE]}).decode()
        for at in range(0, len(topics), TOPICS_PER_MESSAGE)
    ]


def _best(lines: list[tuple[Any, ...]]) -> Price | None:
    return (lines[0][0], lines[0][1]) if lines else None


def _signed(change: str | None) -> str:
    return "" if change is None else f"{Decimal(change):+f}"
