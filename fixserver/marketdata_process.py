"""`fixserver marketdata`: the process of the feed; wires event log, desk, sessions, metrics and signals, and does nothing else.

Exit codes: 0 when told to stop, 1 when a person has to look. What cannot be as configured is a ConfigError.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fixserver.config import MARKET_DATA_SUFFIX, Config, ConfigError, Participant
from fixserver.exchange import SUSPENDED, add_sessions, listen, log_out_all, write_ports
from fixserver.loop import Loop
from fixserver.marketdata_desk import RECORDS_PER_TURN_MAX, MarketDataDesk
from fixserver.members import Members, password_hash
from fixserver.metrics import Page, registry_of
from fixserver.port import FixPort
from fixserver.scrape import ScrapePort
from fixserver.sessionlog import SessionEntry, SessionLog
from fixserver.sessions import Sessions
from marketdata.feed import Feed
from matching.recordlog import LogDamaged, LogMissing

EXIT_REFUSED = 1
POLL_SECONDS = 0.002  # how long an event may lie in the log before it is seen
POLL_ALONE_SECONDS = 0.02  # while nobody follows anything
TICK_SECONDS = 0.1
CATCH_UP_SECONDS_MAX = 10.0  # when told to stop: to read what the exchange has still written
GOODBYE_SECONDS_MAX = 2.0  # for the sessions to answer our Logout
NUMBERS_SEGMENT_BYTES_MAX = 4 * 2**20
NUMBERS_SEGMENTS_MAX = 2

log = logging.getLogger("fixserver.marketdata")


class NumbersLog(SessionLog):
    """The session log of a feed: the numbers alone, because market data is never sent a second time. A ResendRequest
    is answered by a gap fill, and the client asks for a snapshot.

    What is sent while a resend is being answered has to wait for it, and is kept until then.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, segment_bytes_max=NUMBERS_SEGMENT_BYTES_MAX, segments_max=NUMBERS_SEGMENTS_MAX)
        self.resending: Mapping[str, object] = {}  # the sessions of which this is so; Sessions keeps it
        self._waiting: dict[str, list[tuple[int, bytes]]] = {}

    def write(self, reported_event: int, entries: list[SessionEntry]) -> None:
        for name in [name for name in self._waiting if name not in self.resending]:
            del self._waiting[name]
        for entry in entries:
            if entry.session in self.resending:
                self._waiting.setdefault(entry.session, []).extend(entry.messages)
        bare = [SessionEntry(entry.session, entry.next_target, entry.next_sender, [], entry.restarted) for entry in entries]
        super().write(reported_event, bare)

    def messages(self, session: str, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        return (entry for entry in self._waiting.get(session, ()) if first <= entry[0] <= last)


class FeedMetrics(Collector):
    """What Prometheus is told, read from where it is counted."""

    def __init__(self, feed: Feed, desk: MarketDataDesk, sessions: Sessions, port: FixPort) -> None:
        self._feed, self._desk, self._sessions, self._port = feed, desk, sessions, port

    def collect(self) -> Iterator[Metric]:
        desk, sessions, depth = self._desk, self._sessions, self._feed.depth

        def gauge(name: str, documentation: str, value: float) -> Metric:
            return GaugeMetricFamily(f"fixserver_marketdata_{name}", documentation, value)

        def counter(name: str, documentation: str, value: float) -> Metric:
            return CounterMetricFamily(f"fixserver_marketdata_{name}", documentation, value)

        def labelled(name: str, documentation: str, label: str, counts: Iterable[tuple[str, int]]) -> Metric:
            family = CounterMetricFamily(f"fixserver_marketdata_{name}", documentation, labels=[label])
            for value, count in counts:
                family.add_metric([value], count)
            return family

        yield gauge("sessions", "FIX sessions that are logged on.", sum(one.logged_on for one in sessions.by_name.values()))
        yield gauge("connections", "Connections that are open, logged on or not.", len(self._port.connections))
        yield gauge("subscribers", "Sessions that follow something.", desk.subscribers)
        yield gauge("subscriptions", "Instruments followed, over all sessions.", desk.views_followed)
        yield gauge("views", "Different views of an instrument that are kept up.", len(desk.subscriptions.views))
        yield gauge("event_head", "Number of the last event that was taken from the event log.", depth.cursor)
        yield gauge("event_time_seconds", "When that event happened, in seconds since 1970.", depth.time / 1e9)
        yield gauge("resting_orders", "Orders in the books.", len(depth.orders))
        yield counter("entries_sent", "Market data entries sent, over all sessions.", desk.entries_sent)
        yield counter("held", "How often a session that did not read was held back.", desk.held_total)
        yield counter("cut", "Sessions ended because they did not read.", desk.cut_total)
        yield labelled("requests_rejected", "MarketDataRequests that were refused.", "reason", desk.rejects.items())
        yield labelled("messages_sent", "FIX messages sent, by MsgType(35).", "type", sessions.messages_sent.items())
        received = [*sessions.messages_received.items(), *desk.received.items()]
        yield labelled("messages_received", "FIX messages taken in, by MsgType(35).", "type", received)
        yield labelled("connections_cut", "Connections ended by us.", "cause", self._port.cut.items())


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
        self.feed = Feed(data)
        log.info("%s", self.feed.origin)
        started = time.monotonic()
        self.members = Members(directory, from_file=self.feed.depth.cursor > 0)
        self.feed.also = self.members.apply
        self.feed.catch_up()
        log.info("at event %d after %.1f s", self.feed.depth.cursor, time.monotonic() - started)
        self.desk = MarketDataDesk(self.feed, subscriptions_max=config.marketdata.subscriptions_max)
        self._numbers = NumbersLog(directory / "sessions")
        self.sessions = Sessions(self.desk, self._numbers)
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
            lambda: FixPort(self.loop, self.sessions, section, passwords, log.info),
        )  # fmt: skip
        page = Page(registry_of(FeedMetrics(self.feed, self.desk, self.sessions, self.port)))
        address = config.venue.metrics_address
        self.scrape = listen(
            config, "marketdata.metrics_port", address, section.metrics_port,
            lambda: ScrapePort(self.loop, address, section.metrics_port, page, lambda: None),
        )  # fmt: skip
        self._ticked = 0.0
        write_ports(data / "marketdata.ports", {"fix": self.port.number, "metrics": self.scrape.number})

    def run(self) -> None:
        """Raises LogDamaged, LogMissing, OSError."""
        gc.collect()
        gc.freeze()  # the books that are here now need not be looked through again
        log.info("market data on %s port %d", self.config.marketdata.address, self.port.number)
        while not self.stopping:
            self.turn()
        self._finish()

    def turn(self) -> None:
        """One turn of the loop: what came in, what the event log has, what goes out, timers."""
        sessions, desk = self.sessions, self.desk
        if desk.records_taken == RECORDS_PER_TURN_MAX:
            wait_seconds = 0.0
        else:
            wait_seconds = POLL_SECONDS if desk.subscriptions.views else POLL_ALONE_SECONDS
        self.loop.poll(wait_seconds)
        sessions.set_time(time.time_ns())
        desk.on_turn()
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

    def stop(self) -> None:
        """Have run() end in order. May be called from a signal handler."""
        self.stopping = True

    def _checkpoint_if_due(self) -> None:
        if not self.feed.checkpoint_due(idle=self.desk.records_taken == 0):
            return
        try:
            self.feed.save_checkpoint()
        except OSError as error:
            # The feed can do without: a restart takes longer.
            self.feed.postpone_checkpoint()
            log.warning("the checkpoint could not be written: %s", error)

    def _finish(self) -> None:
        """Read to the end of the log, say good-bye to the sessions, leave a checkpoint."""
        until = time.monotonic() + CATCH_UP_SECONDS_MAX
        self.turn()
        while self.desk.records_taken and time.monotonic() < until:
            self.turn()
        self.port.stop_listening()
        for session in self.sessions.by_name.values():
            if session.logged_on:
                session.begin_logout("the feed is being stopped")
        until = time.monotonic() + GOODBYE_SECONDS_MAX
        while self.port.connections and time.monotonic() < until:
            self.turn()
        try:
            self.feed.save_checkpoint()
        except OSError as error:
            log.warning("the checkpoint could not be written: %s", error)

    def close(self) -> None:
        self.port.close()
        self.scrape.close()
        self.sessions.end_turn(0)
        self._numbers.close()
        self.feed.close()
        self.loop.close()
        (self.data / "marketdata.ports").unlink(missing_ok=True)
        os.close(self._lock)


def _with_feed_name(participant: Participant) -> Participant:
    """With the name that he calls the feed by, where he has one of his own for the venue: that, and the suffix."""
    if not participant.venue_comp_id:
        return participant
    return msgspec.structs.replace(participant, venue_comp_id=participant.venue_comp_id + MARKET_DATA_SUFFIX)


def main(config: Config, data: Path) -> int:
    """Run the feed of the venue in `data` until a signal says stop. Raises ConfigError."""
    try:
        process = FeedProcess(config, data)
    except (LogDamaged, LogMissing) as error:
        log.error("%s", error)
        return EXIT_REFUSED
    except msgspec.DecodeError as error:
        log.error("%s: holds events of another version: %s", data / "events", error)
        return EXIT_REFUSED
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        process.run()
    except (LogDamaged, LogMissing) as error:
        log.error("%s", error)
        return EXIT_REFUSED
    finally:
        process.close()
    return 0
