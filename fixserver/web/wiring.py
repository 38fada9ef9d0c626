"""The web side of the feed's process: creates backend, application, stream and port, and passes on what a turn has for them.

It decides nothing. The process has none of it where `web.enabled` is false, and does not even import it.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from prometheus_client.registry import Collector

from fixserver.audit import Audit
from fixserver.config import Config
from fixserver.exchange import listen
from fixserver.members import Members
from fixserver.traffic import Traffic
from fixserver.web.app import create_app
from fixserver.web.backend import Backend
from fixserver.web.desk import OrderDesk
from fixserver.web.metrics import WebMetrics
from fixserver.web.private import Private
from fixserver.web.server import WebServer
from fixserver.web.socket import text_frame
from fixserver.web.traffic import TrafficDesk
from marketdata.feed import Feed
from marketdata.shapes import iso_time
from marketdata.stream import STREAM_SECONDS, Stream
from marketdata.viewing import Published, Views
from matching.messages import EventBatch


class WebSide:
    """What the process of the feed knows of the web. Its methods are called within a turn, but for start() and stop()."""

    def __init__(
        self, config: Config, data: Path, feed: Feed, views: Views, members: Members, era: str, traffic: Traffic,
        audit: Audit,
    ) -> None:  # fmt: skip
        """The feed has caught up; `traffic` is that of its sessions. Raises ConfigError."""
        self.stream = Stream(feed, views, venue=config.venue.name, era=era, framed=text_frame)
        self.stream.authenticate = self._authenticate
        self.desk = OrderDesk(config, data)
        self.backend = Backend(
            config=config, data=data, feed=feed, members=members, era=era, views=views, stream=self.stream, desk=self.desk,
            note=partial(audit.note, port="web"),
        )  # fmt: skip
        self.private = Private(self.stream, self.backend)
        self.traffic = TrafficDesk(self.stream, data, config.dictionaries, traffic)
        section = config.web
        app = create_app(self.backend)
        self.server = listen(
            config, "web.port", section.address, section.port,
            lambda: WebServer(section, app, self.stream, others=config.marketdata.connections_max),
        )  # fmt: skip
        self._flushed = 0.0

    @property
    def collectors(self) -> list[Collector]:
        """What they tell Prometheus."""
        return [self.backend.counters, WebMetrics(self.server, self.stream, self.desk)]

    @property
    def wants_soon(self) -> bool:
        """Whether somebody follows the stream, or waits for an event."""
        return self.server.streams > 0 or self.backend.progress.waited_for

    def on_record(self, batch: EventBatch, published: list[Published]) -> None:
        """After each record of the event log, once the feed has taken it."""
        self.backend.tape.apply(batch)
        self.stream.on_record(batch, published)
        self.private.on_record()
        self.backend.progress.reached(self.backend.feed.depth.cursor)

    def send(self) -> None:
        """At the end of a turn: what was gathered for long enough."""
        now = time.monotonic()
        if now - self._flushed >= STREAM_SECONDS:
            self._flushed = now
            self.traffic.tick()
            self.stream.flush()

    def participant_changed(self, name: str) -> None:
        """His password, or whether he may trade: he has to sign in anew."""
        self.backend.sign_in.end(name)

    def _authenticate(self, token: str) -> tuple[str, str] | None:
        found = self.backend.sign_in.by_token(token)
        return found and (found.participant, iso_time(found.expires))

    async def start(self) -> None:
        self.desk.start()
        await self.server.start()

    async def stop(self) -> None:
        """Send what is left, and end the connections in order."""
        self._flushed = 0.0
        self.send()
        await self.server.stop()
        await self.traffic.stop()
        await self.private.stop()
        await self.desk.stop()

    def close(self) -> None:
        self.server.close()
        self.backend.close()
