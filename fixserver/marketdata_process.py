"""`fixserver marketdata`: the process of the feed; wires event log, desk, sessions, web, metrics and signals, nothing else.

An asyncio event loop is around everything, in one thread: the loop of the FIX sockets is a guest in it, and the web another.
Exit codes: 0 when told to stop, 1 when a person has to look. What cannot be as configured is a ConfigError.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import signal
import time
from collections.abc import Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvloop
from prometheus_client.registry import Collector

from fixserver.addresses import write_ports
from fixserver.audit import Audit, AuditMetrics
from fixserver.config import MARKET_DATA_SUFFIX, Config, ConfigError, Participant
from fixserver.exchange import SUSPENDED, add_sessions, allowed_addresses, listen, log_out_all
from fixserver.feed_metrics import FeedMetrics
from fixserver.hosting import Hosting
from fixserver.loop import Loop
from fixserver.marketdata_desk import MarketDataDesk
from fixserver.members import Members, password_hash
from fixserver.metrics import Page, registry_of
from fixserver.numberslog import NumbersLog
from fixserver.port import FixPort
from fixserver.scrape import ScrapePort
from fixserver.sessions import Sessions
from fixserver.traffic import Traffic
from marketdata.feed import Feed
from marketdata.viewing import Views
from matching.recordlog import LogDamaged, LogMissing

if TYPE_CHECKING:
    from fixserver.multicast_port import MulticastSide
    from fixserver.web.wiring import WebSide

EXIT_REFUSED = 1
POLL_SECONDS = 0.002  # how long an event may lie in the log before it is seen
POLL_ALONE_SECONDS = 0.02  # while nobody follows anything
RECORDS_PER_TURN_MAX = 64  # then the sockets are looked at again
TICK_SECONDS = 0.1
TRAFFIC_KEPT, TRAFFIC_BYTES_KEPT = 100, 65_536  # of a session, for its owner to look at: there may be many
CATCH_UP_SECONDS_MAX = 10.0  # when told to stop: to read what the exchange has still written
GOODBYE_SECONDS_MAX = 2.0  # for the sessions to answer our Logout

log = logging.getLogger("fixserver.marketdata")


class FeedProcess:
    """Everything that the process consists of. `run` goes on until `stop` is called."""

    def __init__(self, config: Config, data: Path) -> None:
        """Raises ConfigError, LogDamaged, LogMissing, OSError."""
        self.data = data
        self.config = config
        self.stopping = False
        directory = data / "marketdata"
        ran_before = directory.exists()
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise ConfigError("--data", "", f"{data}: another process is the feed of this venue: stop it first") from None
        self.audit = Audit(data, "marketdata", log.warning)
        self.audit.note("start", version=version("fixserver"))
        self.feed = Feed(data)
        log.info("%s", self.feed.origin)
        started = time.monotonic()
        self.members = Members(directory, from_file=self.feed.depth.cursor > 0)
        self.feed.also = self.members.apply
        self.feed.catch_up()
        log.info("at event %d after %.1f s", self.feed.depth.cursor, time.monotonic() - started)
        self.era = str(time.time_ns())  # of the numbers of this process
        self.views = Views(self.feed.depth, self.era)
        self.desk = MarketDataDesk(self.feed, self.views, subscriptions_max=config.marketdata.subscriptions_max)
        self.records_taken = 0  # by the last turn
        self._numbers = NumbersLog(directory / "sessions")
        traffic = Traffic(lambda name: True, TRAFFIC_KEPT, TRAFFIC_BYTES_KEPT) if config.web.enabled else None
        self.sessions = Sessions(self.desk, self._numbers, traffic)
        self._numbers.resending = self.sessions.resending
        self._configured = {participant.name: participant for participant in config.participants}
        self._add_sessions([*config.participants, *self._added(self.members.by_name)])
        for said in self.sessions.restore_numbers(ran_before):
            log.warning("%s", said)
        self.sessions.restored()
        self.loop = Loop()
        passwords = {name: text for name in {**self._configured, **self.members.by_name} if (text := self._password_hash(name))}
        self.members.changed.clear()
        section = config.marketdata
        self.port = listen(
            config, "marketdata.port", section.address, section.port,
            lambda: FixPort(
                self.loop, self.sessions, section, passwords, log.info,
                allow_from=allowed_addresses(config), note=partial(self.audit.note, port="market data"),
            ),
        )  # fmt: skip
        self.web = _web_side(config, data, self.feed, self.views, self.members, self.era, traffic, self.audit)
        self.multicast = multicast_side(config, self.views, self.era)
        collectors: list[Collector] = [
            FeedMetrics(self.feed, self.desk, self.sessions, self.port), AuditMetrics(self.audit)
        ]  # fmt: skip
        for side in (self.web, self.multicast):
            collectors += side.collectors if side is not None else ()
        page = Page(registry_of(*collectors))
        address = config.venue.metrics_address
        self.scrape = listen(
            config, "marketdata.metrics_port", address, section.metrics_port,
            lambda: ScrapePort(self.loop, address, section.metrics_port, page, lambda: None),
        )  # fmt: skip
        self._ticked = 0.0

    def tell_ports(self) -> None:
        """Say that it is up, and where: what connects now is heard in the first turn. Raises OSError."""
        numbers = {"fix": self.port.number, "metrics": self.scrape.number}
        if self.web is not None:
            numbers["http"] = self.web.server.number
        if self.multicast is not None:
            numbers["recovery"] = self.multicast.recovery.number
        write_ports(self.data, "marketdata", numbers)

    def run(self) -> None:
        """Raises LogDamaged and LogMissing, after which it can be closed in order; OSError of the disk and what a callback raised,
        after which it cannot: closing writes, and says of the session log that it is complete."""
        gc.collect()
        gc.freeze()  # the books that are here now need not be looked through again
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except (LogDamaged, LogMissing):
            raise
        except BaseException:
            self.audit.note("stop", why="it failed")
            self.audit.close()
            raise

    async def _serve(self) -> None:
        log.info("market data on %s port %d", self.config.marketdata.address, self.port.number)
        if self.web is not None:
            await self.web.start()
            log.info("page, REST and WebSocket on %s port %d", self.config.web.address, self.web.server.number)
        if self.multicast is not None:
            await self.multicast.start()
            log.info("packets to %s port %d, recovery on port %d", *self.multicast.target, self.multicast.recovery.number)
        hosting = Hosting(self.loop, self.turn)
        if self.web is not None:
            self.web.backend.progress.on_wait = hosting.wake
        try:
            await hosting.until(lambda: self.stopping)
            await self._finish(hosting)
        finally:
            hosting.close()

    def turn(self) -> float:
        """One turn: what came in, what the event log has, what goes out, timers. Returns the seconds until the next is due."""
        sessions, desk, web, multicast = self.sessions, self.desk, self.web, self.multicast
        self.loop.poll(0.0)
        sessions.set_time(time.time_ns())
        desk.take_requests()
        self.records_taken = 0
        for batch in self.feed.records(RECORDS_PER_TURN_MAX):
            self.records_taken += 1
            published = self.views.publish()
            desk.on_record(published)
            if web is not None:
                web.on_record(batch, published)
            if multicast is not None:
                multicast.on_record(batch, published)
        if multicast is not None:
            multicast.send()
        desk.send()
        if web is not None:
            web.send()
        if self.members.changed:
            self._follow_members()
        now = time.monotonic()
        if now - self._ticked >= TICK_SECONDS:
            self._ticked = now
            sessions.set_timers()
            self.port.tick()
            self.scrape.tick()
            desk.on_tick()
            self._checkpoint_if_due()
        sessions.end_turn(0)
        self.port.flush()
        if sessions.failure is not None:
            raise sessions.failure
        if self.records_taken == RECORDS_PER_TURN_MAX:
            return 0.0
        return POLL_SECONDS if len(self.views) or (web is not None and web.wants_soon) else POLL_ALONE_SECONDS

    # --------------------------------------------------------------------------------------------- who may

    def _password_hash(self, name: str) -> str:
        configured = self._configured.get(name)
        return password_hash(configured.password if configured is not None else None, self.members.by_name.get(name))

    def _added(self, names: Iterable[str]) -> list[Participant]:
        """Those of them whom only an operator has named. One who is suspended has sessions all the same, to be refused on."""
        found = ((name, self.members.by_name[name]) for name in names if name not in self._configured)
        return [Participant(name=name, password=member.password) for name, member in found if not member.configured]

    def _add_sessions(self, participants: Iterable[Participant]) -> None:
        named = [_with_feed_name(participant) for participant in participants]
        add_sessions(self.sessions, self.config, named, self.config.venue.market_data_name)

    def _follow_members(self) -> None:
        """Let in, and log out, as the event log says since the last turn."""
        changed, self.members.changed = dict.fromkeys(self.members.changed), []
        self._add_sessions(self._added(changed))
        for name in changed:
            self.port.set_password(name, self._password_hash(name))
            if self.members.by_name[name].access == "suspended":
                log_out_all(self.sessions, name, SUSPENDED)
            if self.web is not None:
                self.web.participant_changed(name)

    def stop(self) -> None:
        """Have run() end in order, after its next turn. May be called from a signal handler."""
        self.stopping = True

    def _checkpoint_if_due(self) -> None:
        if not self.feed.checkpoint_due(idle=self.records_taken == 0):
            return
        try:
            self.feed.save_checkpoint()
        except OSError as error:
            # The feed can do without: a restart takes longer.
            self.feed.postpone_checkpoint()
            log.warning("the checkpoint could not be written: %s", error)

    async def _finish(self, hosting: Hosting) -> None:
        """Read to the end of the log, say good-bye to everybody, leave a checkpoint."""
        await hosting.until(lambda: self.records_taken == 0, CATCH_UP_SECONDS_MAX)
        self.port.stop_listening()
        for session in self.sessions.by_name.values():
            if session.logged_on:
                session.begin_logout("the feed is being stopped")
        if self.web is not None:
            await self.web.stop()
        if self.multicast is not None:
            await self.multicast.stop()
        await hosting.until(lambda: not self.port.connections, GOODBYE_SECONDS_MAX)
        try:
            self.feed.save_checkpoint()
        except OSError as error:
            log.warning("the checkpoint could not be written: %s", error)

    def close(self) -> None:
        if self.web is not None:
            self.web.close()
        if self.multicast is not None:
            self.multicast.close()
        self.port.close()
        self.scrape.close()
        self.sessions.end_turn(0)
        self._numbers.close()
        self.feed.close()
        self.loop.close()
        (self.data / "marketdata.ports").unlink(missing_ok=True)
        self.audit.note("stop")
        self.audit.close()
        os.close(self._lock)


def _web_side(
    config: Config, data: Path, feed: Feed, views: Views, members: Members, era: str, traffic: Traffic | None, audit: Audit
) -> WebSide | None:
    if traffic is None:
        return None
    from fixserver.web.wiring import WebSide  # it brings half a second of imports

    return WebSide(config, data, feed, views, members, era, traffic, audit)


def multicast_side(config: Config, views: Views, era: str) -> MulticastSide | None:
    if not config.multicast.group:
        return None
    from fixserver.multicast_port import MulticastSide

    return MulticastSide(config, views, era)


def _with_feed_name(participant: Participant) -> Participant:
    """With the name that he calls the feed by, where he has one of his own for the venue: that, and the suffix."""
    if not participant.venue_comp_id:
        return participant
    return msgspec.structs.replace(participant, venue_comp_id=participant.venue_comp_id + MARKET_DATA_SUFFIX)


def main(config: Config, data: Path) -> int:
    """Run the feed of the venue in `data` until a signal says stop. Raises ConfigError."""
    try:
        process = FeedProcess(config, data)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        process.tell_ports()
    except (LogDamaged, LogMissing) as error:
        log.error("%s", error)
        return EXIT_REFUSED
    except msgspec.DecodeError as error:
        log.error("%s: holds events of another version: %s", data / "events", error)
        return EXIT_REFUSED
    except OSError as error:
        log.error("cannot start, because storage fails: %s", error)
        return EXIT_REFUSED
    try:
        process.run()
    except (LogDamaged, LogMissing) as error:
        log.error("%s", error)
        process.close()
        return EXIT_REFUSED
    except OSError as error:
        log.critical("stopped, because storage failed: %s", error)
        return EXIT_REFUSED
    process.close()
    return 0
