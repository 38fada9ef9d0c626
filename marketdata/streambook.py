"""The client's side of the stream: books, trades, candles and the rest from snapshots and deltas alone; it never sends anything.

    stream = StreamBuilder()
    stream.take(text)                               # a message of the WebSocket
    stream.topics["book:AAPL:price:10"].bids()      # [(price, quantity, orders), ...], best first

Each delta has to begin with the number behind the last one: what does not follow raises Gap. `where` is what a subscription after
a new connection goes on from.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

TRADES_KEPT = 1_000
CANDLES_KEPT = 1_000
ENDED = frozenset(("filled", "canceled", "rejected", "expired"))


class Gap(Exception):
    """A delta does not begin where the last message of its topic ended: something was missed, and a snapshot is due."""


class Followed:
    """A topic as it was told. `data` is that of the snapshot, kept up by the deltas; `messages` counts both.

    Of a book, `data` holds the lines (price, quantity, orders or order) of each side by price or by order number; trades are
    there by id, candles by time, open orders by order_id.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.kind = topic.partition(":")[0]
        self.era = ""
        self.number = 0
        self.time = ""
        self.snapshots = 0
        self.messages = 0
        self.data: Any = None
        self._key = 2 if self.kind == "book" and topic.rsplit(":", 2)[1] == "order" else 0

    @property
    def where(self) -> dict[str, Any]:
        """What to subscribe to, to go on from here."""
        return {"topic": self.topic, "era": self.era, "number": self.number}

    def bids(self) -> list[tuple[Any, ...]]:
        """The lines of the buy side, best first; by order, those of one price in the order in which they trade."""
        return sorted(self.data["bids"].values(), key=lambda line: -Decimal(line[0]))

    def offers(self) -> list[tuple[Any, ...]]:
        return sorted(self.data["offers"].values(), key=lambda line: Decimal(line[0]))

    def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            self.era = message["era"]
            self.data = self._begin(message["data"])
            self.snapshots += 1
        else:
            first = message["first"]
            if first != self.number + 1:
                raise Gap(f"{self.topic}: a delta begins with {first} and came after {self.number}")
            for entry in message["data"]:
                self._change(entry)
        self.number, self.time = message["number"], message["time"]
        self.messages += 1

    def _begin(self, data: Any) -> Any:
        key = self._key
        if self.kind == "book":
            return {side: {line[key]: tuple(line) for line in data[side]} for side in ("bids", "offers")}
        if self.kind == "trades":
            return {trade["id"]: trade for trade in data["trades"]}
        if self.kind == "candles":
            return {candle["time"]: candle for candle in data["candles"]}
        if self.kind == "status":
            return {
                "trading_day": data["trading_day"],
                "markets": {one["market"]: one["phase"] for one in data["markets"]},
                "instruments": {one["symbol"]: (one["phase"], one["until"]) for one in data["instruments"]},
            }
        if self.kind == "orders":
            return {"orders": {order["order_id"]: order for order in data["orders"]}, "executions": list(data["executions"])}
        return data

    def _change(self, entry: Any) -> None:
        data = self.data
        if self.kind == "book":
            action, side, *line = entry
            lines = data["bids" if side == "bid" else "offers"]
            key = line[self._key]
            if action == "delete":
                del lines[key]
            else:
                assert (action == "change") == (key in lines), f"{action} of {key} in {self.topic}"
                lines[key] = tuple(line)
        elif self.kind == "trades":
            action, trade = entry
            if action == "delete":
                data.pop(trade["id"], None)
            elif action == "new" or trade["id"] in data:
                data[trade["id"]] = trade
                if len(data) > TRADES_KEPT:
                    del data[next(iter(data))]
        elif self.kind == "candles":
            if entry["trades"]:
                data[entry["time"]] = entry
                if len(data) > CANDLES_KEPT:
                    del data[min(data)]
            else:
                data.pop(entry["time"], None)
        elif self.kind == "statistics":
            data.update(entry)
        elif self.kind == "status":
            if "market" in entry:
                data["markets"][entry["market"]] = entry["phase"]
            elif "symbol" in entry:
                data["instruments"][entry["symbol"]] = entry["phase"], entry["until"]
            else:
                data["trading_day"] = entry["trading_day"]
        elif self.kind == "orders" and "order" in entry:
            order = entry["order"]
            data["orders"][order["order_id"]] = order
            if order["status"] in ENDED:
                del data["orders"][order["order_id"]]
        elif self.kind == "orders":
            data["executions"].append(entry["execution"])
        elif self.kind == "traffic":
            data["messages"].append(entry)
        else:
            self.data = entry


class StreamBuilder:
    """Every topic of one connection, and `others`: what was said besides, but hello and pong."""

    def __init__(self) -> None:
        self.topics: dict[str, Followed] = {}
        self.others: list[dict[str, Any]] = []
        self.hello: dict[str, Any] | None = None

    def take(self, text: str | bytes) -> dict[str, Any]:
        """Take a message, and return it as an object. Raises Gap."""
        message: dict[str, Any] = msgspec.json.decode(text)
        kind = message["type"]
        if kind in ("snapshot", "delta"):
            name = message["topic"]
            topic = self.topics.get(name)
            if topic is None:
                topic = self.topics[name] = Followed(name)
            topic.take(message)
        elif kind == "unsubscribed":
            self.topics.pop(message["topic"], None)
            self.others.append(message)
        elif kind == "hello":
            self.hello = message
        elif kind != "pong":
            self.others.append(message)
        return message
