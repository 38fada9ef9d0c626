"""Random trading of every kind, random clients of the stream: what each of them has been told is the market as it is."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from md_stand import Clock
from stream_stand import NOW_NS, StreamClient

from fixserver.marketdata_desk import ENCODINGS
from marketdata import channels, shapes, stream, topics
from marketdata.candles import Candles
from marketdata.depth import Depth
from marketdata.pacing import HELD_BYTES
from marketdata.rebuild import BookBuilder
from marketdata.stream import Stream
from marketdata.streambook import Followed, StreamBuilder
from marketdata.subscriptions import Request, Subscriber, Subscription, Subscriptions
from marketdata.viewing import Published, Views
from matching.engine import Engine
from tests.every_kind import steps

COMMANDS = 2_500
CLIENTS = 8
TAIL = 50  # trades that are compared


def topics_of(symbol: str) -> list[str]:
    books = [f"book:{symbol}:{by}:{depth}" for by in ("price", "order") for depth in (0, 1, 3)]
    return [*books, f"trades:{symbol}", f"statistics:{symbol}", f"candles:{symbol}:1s", f"candles:{symbol}:1d"]


def as_json(data: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(data))


class Market:
    """What the stream reads, and clients are compared with."""

    def __init__(self) -> None:
        self.depth = Depth()
        self.candles = Candles()

    def check(self, topic: Followed) -> None:
        depth = self.depth
        kind, _, rest = topic.topic.partition(":")
        if kind == "status":
            assert topic.data == {
                "trading_day": depth.trading_day,
                "markets": depth.markets,
                "instruments": {name: (book.phase, shapes.instrument_phase(book).until) for name, book in depth.books.items()},
            }
            return
        book = depth.books[rest.split(":")[0]]
        if kind == "book":
            _, by, levels = rest.split(":")
            lines = shapes.order_lines if by == "order" else shapes.price_lines
            assert topic.bids() == lines(book, book.bids, int(levels))  # type: ignore[operator]
            assert topic.offers() == lines(book, book.offers, int(levels))  # type: ignore[operator]
        elif kind == "trades":
            recent = as_json([shapes.trade(book, trade) for trade in book.recent])[-TAIL:]
            assert list(topic.data.values())[-len(recent) :] == recent or not recent
        elif kind == "statistics":
            assert topic.data == as_json(shapes.statistics(book))
        else:
            candles = self.candles.last(book.instrument, rest.split(":")[1], 500)
            here = [topic.data[time] for time in sorted(topic.data)]
            assert here == as_json([shapes.candle(one, book.price_decimals, book.quantity_decimals) for one in candles])


class Fix:
    """A FIX session that follows the book that the stream calls `topic`."""

    def __init__(self, views: Views, topic: str) -> None:
        _, symbol, by, depth = topic.split(":")
        self.topic = topic
        self.symbol = symbol
        self.builder = BookBuilder(by == "order")
        self.subscriptions = Subscriptions(views)
        asked = Request("q", "1", depth, "1", "N" if by == "order" else "Y", ("0", "1"), (symbol,))
        answer = self.subscriptions.request(Subscriber(), asked, 0.0)
        assert isinstance(answer, Subscription)
        self.view = answer.views[0]
        self.builder.take(ENCODINGS["FIX.4.4"].snapshot("q", self.view, self.view.snapshot(), 0), "W")

    def take(self, published: list[Published]) -> None:
        for view, first, entries in published:
            if view is self.view:
                text = ENCODINGS["FIX.4.4"].increment(view, first, entries)
                self.builder.take(f"262=q\x01268={len(entries)}\x01{text}", "X")

    @property
    def rpt_seq(self) -> int:
        return self.builder.books[self.symbol].rpt_seq


class Crowd:
    """Clients that come, go, come back, subscribe, and do not always read."""

    def __init__(self, market: Market, draw: random.Random, clock: Clock) -> None:
        self.market = market
        self.draw = draw
        self.clock = clock
        self.views = Views(market.depth, "7", clock)
        self.stream = Stream(market, self.views, venue="VENUE", era="7", clock=clock, now_ns=lambda: NOW_NS)
        self.clients: list[StreamClient] = []
        self.checked: Counter[str] = Counter()

    def connect(self, builder: StreamBuilder | None = None) -> None:
        client = StreamClient(self.stream)
        self.clients.append(client)
        self.stream.connect(client)
        if builder is not None:
            client.builder = builder
            client.say("subscribe", topics=[topic.where for topic in builder.topics.values()])

    def act(self) -> None:
        draw, symbols = self.draw, list(self.market.depth.books)
        if len(self.clients) < CLIENTS:
            self.connect()
        client = draw.choice(self.clients)
        pick = draw.random()
        if pick < 0.4 and symbols:
            wanted = [draw.choice([*topics_of(draw.choice(symbols)), "status"]) for _ in range(draw.randint(1, 4))]
            client.say("subscribe", topics=wanted)
        elif pick < 0.5:
            client.follow()
            if client.builder.topics:
                client.say("unsubscribe", topics=[draw.choice(list(client.builder.topics))])
        elif pick < 0.6:
            client.follow()
            self.clients.remove(client)
            self.stream.disconnect(client)
            # Topics that he was not told of before he went are not asked for again.
            self.connect(client.builder if draw.random() < 0.8 else None)
        elif pick < 0.8:
            client.queued_bytes = draw.choice((0, 0, 0, HELD_BYTES // 2, 4 * HELD_BYTES))

    def check(self) -> None:
        """All that is not waiting for a snapshot is as it is."""
        for client in list(self.clients):
            client.follow()
            if client.closed is not None:
                self.clients.remove(client)
                continue
            follower = self.stream._followers[client]
            waiting = {channel.topic.name for channel in (*follower.due, *follower.asked)}
            for name, topic in client.builder.topics.items():
                if name not in waiting:
                    self.market.check(topic)
                    self.checked[topic.kind] += 1


@pytest.mark.parametrize("seed", range(3))
def test_what_clients_have_is_the_market(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "RESUME_ENTRIES", 60)
    monkeypatch.setattr(topics, "DELTA_ENTRIES_MAX", 40)
    monkeypatch.setattr(stream, "SNAPSHOT_LINES_PER_SECOND", 30_000)
    monkeypatch.setattr(channels, "TOPIC_KEPT_SECONDS", 2.0)
    draw, market, clock = random.Random(seed), Market(), Clock()
    crowd = Crowd(market, draw, clock)
    fix: list[Fix] = []
    compared = 0
    for step in steps(Engine(), seed, COMMANDS, 3):
        known = set(market.depth.books)
        market.depth.apply(step.batch)
        market.candles.apply(step.batch)
        published = crowd.views.publish()
        crowd.stream.on_record(step.batch, published)
        for one in fix:
            one.take(published)
        for symbol in market.depth.books.keys() - known:
            fix += [Fix(crowd.views, name) for name in topics_of(symbol) if name.startswith("book:")]
        if draw.random() < 0.3:
            crowd.act()
        clock.now += 0.01
        if draw.random() < 0.3:
            crowd.stream.flush()
            crowd.check()
            numbers = {one.topic: one.rpt_seq for one in fix}
            for (name, _), channel in crowd.stream._channels.by_name.items():
                if name in numbers:
                    assert channel.topic.number == numbers[name]
                    compared += 1
    for client in crowd.clients:
        client.queued_bytes = 0
    for _ in range(50):
        clock.now += 1
        crowd.stream.flush()
    crowd.check()
    assert all(not crowd.stream._followers[client].due for client in crowd.clients)
    made = crowd.stream
    print(f"seed {seed}: {crowd.checked}, {compared} numbers, {made.held_total} held, {made.resumed_total} resumed")
    assert min(crowd.checked[kind] for kind in ("book", "trades", "statistics", "candles", "status")) > 100
    assert made.held_total > 5 and made.resumed_total > 5 and compared > 500


def test_the_comparison_sees_a_difference() -> None:
    """What this file compares with is not blind."""
    market = Market()
    for step in steps(Engine(), 1, 300):
        market.depth.apply(step.batch)
        market.candles.apply(step.batch)
    stream = Stream(market, Views(market.depth), venue="V", era="7", clock=Clock())
    client = StreamClient(stream)
    stream.connect(client)
    symbol = next(name for name, book in market.depth.books.items() if book.recent and book.bids.levels)
    client.say("subscribe", topics=[*topics_of(symbol), "status"])
    stream.flush()
    client.follow()
    damaged = 0
    for topic in client.builder.topics.values():
        market.check(topic)
        text = json.dumps(topic.data)
        if any(digit in text for digit in "123456789"):
            for value in topic.data.values():
                if isinstance(value, dict) and value:
                    value.popitem()
                    break
            else:
                topic.data.pop(next(iter(topic.data)))
            with pytest.raises(AssertionError):
                market.check(topic)
            damaged += 1
    assert damaged > 8
