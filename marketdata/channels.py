"""Which topics of the stream are kept up, what is pending in each, and who follows it; it sends nothing.

A topic that nobody follows any more is kept for a while, so that who lost his connection may go on where he was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from marketdata import shapes
from marketdata.candles import Candles
from marketdata.depth import Depth
from marketdata.pacing import Pacer
from marketdata.topics import (
    BookSource,
    CandlesSource,
    Name,
    Source,
    StatisticsSource,
    StatusSource,
    Topic,
    TradesSource,
)
from marketdata.viewing import Published, Views
from marketdata.views import ViewKey
from matching.messages import MarketPhaseChanged

TOPICS_KEPT_MAX = 1_000  # that nobody follows; of more, the one that was left first is dropped
TOPIC_KEPT_SECONDS = 60.0


class Client(Protocol):
    """A connected client. `send` takes a frame as `framed` made it, and calls nothing here; nor does `close`."""

    @property
    def queued_bytes(self) -> int: ...

    def send(self, frame: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...


class Feed(Protocol):
    """What is read after each record."""

    @property
    def depth(self) -> Depth: ...

    @property
    def candles(self) -> Candles: ...


class Channel:
    """A topic and who follows it: `live` are those who are sent its deltas, the others wait for a snapshot first."""

    __slots__ = ("followers", "live", "name", "participant", "topic")

    def __init__(self, topic: Topic, participant: str, name: Name | None) -> None:
        self.topic = topic
        self.participant = participant  # empty: it is for everybody
        self.name = name  # None: private
        self.followers: dict[Follower, None] = {}
        self.live: dict[Follower, Callable[[bytes], None]] = {}


class Follower:
    """A client and what it follows.

    due     the channels of which it is to be sent a snapshot, or from where on it wants to go on (era and number)
    asked   the private ones of which a snapshot was asked for; the object marks the question
    """

    __slots__ = ("asked", "channels", "client", "due", "mistakes", "mistakes_at", "pacer", "participant", "token", "watched")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.pacer = Pacer()
        self.channels: dict[Channel, None] = {}
        self.due: dict[Channel, tuple[str, int] | None] = {}
        self.asked: dict[Channel, object] = {}
        self.participant = ""
        self.token = ""
        self.mistakes = 0.0  # less what time has forgiven
        self.mistakes_at = 0.0
        self.watched = False  # whether the pacer remembers something


class Channels:
    """All channels. `touched` are those in which something is pending."""

    def __init__(
        self, feed: Feed, views: Views, era: str, clock: Callable[[], float], framed: Callable[[bytes], bytes]
    ) -> None:
        self.feed = feed
        self.views = views
        self.era = era
        self.by_name: dict[tuple[str, str], Channel] = {}  # by name and participant
        self.touched: dict[Channel, None] = {}
        self.uncommon = 0  # how many are books of a depth that few ask for
        self._clock = clock
        self._framed = framed
        self._made = 0
        self._left: dict[Channel, float] = {}  # what nobody follows, and since when, the first first
        self._by_view: dict[ViewKey, Channel] = {}
        self._statistics: dict[str, Channel] = {}
        self._candles: dict[tuple[str, str], Channel] = {}
        self._status: Channel | None = None
        self._books_known = len(feed.depth.books)
        self._day_known = feed.depth.trading_day

    # -------------------------------------------------------------------------------------------- lives

    def open(self, name: str, participant: str, understood: Name | None) -> Channel:
        """A new channel, from now on; `understood` is what its name means, None if it is private."""
        self._made += 1
        era, number = f"{self.era}-{self._made}", 0
        source: Source | None = None
        view = None
        if understood is not None:
            if understood.key is not None:
                view = self.views.hold(understood.key)
                era, number = view.era, view.rpt_seq
            source = self._source(understood)
        channel = Channel(Topic(name, era, number, source, self._framed), participant, understood)
        self.by_name[name, participant] = channel
        if understood is None:
            return channel
        symbol = understood.symbol
        if view is not None:
            self._by_view[view.key] = channel
        if understood.kind == "statistics":
            self._statistics[symbol] = channel
        elif understood.kind == "candles":
            self._candles[symbol, understood.interval] = channel
        elif understood.kind == "status":
            self._status = channel
        self.uncommon += not understood.is_common
        return channel

    def _source(self, name: Name) -> Source:
        depth = self.feed.depth
        if name.kind == "status":
            return StatusSource(depth)
        book = depth.books[name.symbol]
        if name.kind == "candles":
            return CandlesSource(book, name.interval, self.feed.candles)
        if name.kind == "statistics":
            return StatisticsSource(book)
        assert name.key is not None
        view = self.views.find(name.key)
        return BookSource(view) if name.kind == "book" else TradesSource(view)

    def _drop(self, channel: Channel) -> None:
        """Nobody has followed it for long."""
        name = channel.name
        del self.by_name[channel.topic.name, channel.participant]
        self.touched.pop(channel, None)
        if name is None:
            return
        if name.key is not None:
            self.views.release(name.key)
            del self._by_view[name.key]
        if name.kind == "statistics":
            del self._statistics[name.symbol]
        elif name.kind == "candles":
            del self._candles[name.symbol, name.interval]
        elif name.kind == "status":
            self._status = None
        self.uncommon -= not name.is_common

    def enter(self, channel: Channel, follower: Follower) -> None:
        """Somebody follows it; he is not live yet."""
        follower.channels[channel] = channel.followers[follower] = None
        self._left.pop(channel, None)

    def leave(self, channel: Channel, follower: Follower) -> None:
        """Somebody does not follow it any more."""
        del follower.channels[channel], channel.followers[follower]
        channel.live.pop(follower, None)
        follower.due.pop(channel, None)
        follower.asked.pop(channel, None)
        self.keep_for_a_while(channel)

    def keep_for_a_while(self, channel: Channel) -> None:
        """Drop it in time, if nobody follows it."""
        if not channel.followers and channel not in self._left:
            self._left[channel] = self._clock()
            self.forget()

    def forget(self) -> None:
        """Drop what nobody has followed for long, or what is too much of it."""
        since = self._clock() - TOPIC_KEPT_SECONDS
        while self._left:
            channel, left = next(iter(self._left.items()))
            if left > since and len(self._left) <= TOPICS_KEPT_MAX:
                return
            del self._left[channel]
            self._drop(channel)

    # ------------------------------------------------------------------------------------- what happens

    def on_record(self, published: list[Published]) -> None:
        """A record of the log was applied to the feed; `published` is what views.publish() said of it."""
        touched = self.touched
        for view, _, entries in published:
            channel = self._by_view.get(view.key)
            if channel is not None:
                channel.topic.pending += entries
                touched[channel] = None
        feed = self.feed
        depth = feed.depth
        if self._statistics:
            for symbol in depth.changed:
                channel = self._statistics.get(symbol)
                if channel is not None:
                    touched[channel] = None
        if self._candles:
            for change in feed.candles.changed:
                channel = self._candles.get((change.instrument, change.interval))
                if channel is not None:
                    channel.topic.pending.append(change.candle)
                    touched[channel] = None
        if depth.phases or len(depth.books) != self._books_known or depth.trading_day != self._day_known:
            self._on_status(depth)

    def _on_status(self, depth: Depth) -> None:
        said: list[Any] = []
        if depth.trading_day != self._day_known:
            said.append({"trading_day": depth.trading_day})
        if len(depth.books) != self._books_known:
            new = list(depth.books.values())[self._books_known :]
            markets = dict.fromkeys(book.terms.market for book in new if book.terms.market)
            said += [shapes.MarketPhase(market, depth.markets[market]) for market in markets]
            said += [shapes.instrument_phase(book) for book in new]
        for event in depth.phases:
            if isinstance(event, MarketPhaseChanged):
                said.append(shapes.MarketPhase(event.market, event.phase))
            else:
                until = shapes.iso_time(event.until) if event.until else None
                said.append(shapes.InstrumentPhase(event.instrument, event.phase, until))
        self._day_known, self._books_known = depth.trading_day, len(depth.books)
        if self._status is not None:
            self._status.topic.pending += said
            self.touched[self._status] = None

    def tell(self, topic: str, participant: str, entries: list[Any]) -> None:
        """Something happened in a private topic."""
        channel = self.by_name.get((topic, participant))
        if channel is not None and entries:
            channel.topic.pending += entries
            self.touched[channel] = None
