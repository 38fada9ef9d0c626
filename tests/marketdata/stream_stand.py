"""For the tests of the stream: a venue with a desk for FIX and a stream beside it, and clients that keep what they are sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from md_stand import Clock, Stand, Venue

from fixserver.marketdata_desk import MarketDataDesk
from marketdata.feed import Feed
from marketdata.stream import Stream
from marketdata.streambook import StreamBuilder
from marketdata.viewing import Views
from matching.messages import Command, Traded

NOW = "2026-11-21T04:07:43.123456789Z"
NOW_NS = 1_795_234_063_123_456_789


class StreamClient:
    """A connection as the stream sees it. `queued_bytes` is what a test says has not been read."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.queued_bytes = 0
        self.frames: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.builder = StreamBuilder()

    def send(self, frame: bytes) -> None:
        assert self.closed is None, "nothing is sent behind a close"
        self.frames.append(frame)

    def close(self, code: int, reason: str) -> None:
        self.closed = code, reason

    def say(self, op: str, **fields: Any) -> None:
        self.stream.receive(self, json.dumps({"op": op, **fields}).encode())

    def take(self) -> list[dict[str, Any]]:
        """What was sent since the last time."""
        frames, self.frames = self.frames, []
        return [json.loads(frame) for frame in frames]

    def follow(self) -> list[dict[str, Any]]:
        """The same, put into `builder`: each delta has to fit behind what came before it."""
        frames, self.frames = self.frames, []
        return [self.builder.take(frame) for frame in frames]


class StreamStand(Stand):
    """A venue, a desk and a stream on the same views. Nothing is put out before `flush`."""

    def __init__(self, data: Path) -> None:
        self.venue = Venue(data)
        self.feed = Feed(data)
        self.clock = Clock()
        self.views = Views(self.feed.depth, "7", self.clock)
        self.desk = MarketDataDesk(self.feed, self.views, self.clock)
        self.stream = Stream(self.feed, self.views, venue="VENUE", era="7", clock=self.clock, now_ns=lambda: NOW_NS)
        self.turn()

    def turn(self) -> None:
        self.desk.take_requests()
        for batch in self.feed.records(0):
            published = self.views.publish()
            self.desk.on_record(published)
            self.stream.on_record(batch, published)
        self.desk.send()

    def connect(self, *topics: Any) -> StreamClient:
        """A client that has been greeted, and has asked for these."""
        client = StreamClient(self.stream)
        self.stream.connect(client)
        client.take()
        if topics:
            client.say("subscribe", topics=list(topics))
        return client

    def flush(self) -> None:
        self.turn()
        self.stream.flush()

    def put(self, *commands: Command) -> list[Traded]:
        """Have the venue do something, and put out what came of it. Returns the trades."""
        batch = self.venue.submit(list(commands))
        self.flush()
        return [event for event in batch.events if isinstance(event, Traded)]
