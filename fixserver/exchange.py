"""The exchange process: puts core, sessions, port and gateway together and turns the loop. It decides nothing itself."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from fixserver import passwords, websecret
from fixserver.addresses import write_ports
from fixserver.admin import AdminPort
from fixserver.admin_desk import AdminDesk
from fixserver.audit import Audit, AuditMetrics, configuration
from fixserver.clock import Clock, real
from fixserver.config import Config, ConfigError, Participant
from fixserver.dropcopy import DropCopies
from fixserver.gateway import Gateway
from fixserver.loop import Loop
from fixserver.members import Member, password_hash
from fixserver.metrics import ExchangeMetrics, Page, Turn, registry_of
from fixserver.port import FixPort
from fixserver.scrape import ScrapePort
from fixserver.sessionlog import REPORTS_AGAIN_MAX, SessionLog
from fixserver.sessions import SENT_UNNOTED_MAX, VERSIONS, Sessions, SessionTerms, SettingRefused, utc_text
from fixserver.traffic import Traffic
from fixserver.traffic_port import TrafficPort
from matching.recordlog import LogDamaged, LogMissing
from matching.sequencer import RecoveryRefused, Sequencer, VenueLocked

log = logging.getLogger(__name__)

Opened = TypeVar("Opened")

TICK_SECONDS = 0.1
NOTE_SECONDS = 0.002  # that reports and events wait at most to be written down, so that quick turns share a write
NOTHING_TO_NOTE = float("inf")
AWAKE_SECONDS = 0.00005  # after a command: who trades in a closed loop has his next one here within that
LOGOUT_SECONDS = 2.0  # that clients have to answer Logout in an orderly stop
SESSION_LOG_SYNC_SECONDS = 1.0
EXIT_FAILED = 1
SUSPENDED = "suspended by the operator"


def main(config: Config, data: Path, clock: Clock = real) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. `clock` is what the venue's time goes by. Raises ConfigError."""
    if clock is not real:
        log.warning("the venue's time is not the real one: it is %s", utc_text(clock(), 3))
    try:
        exchange = Exchange(config, data, clock)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: exchange.stop())
        exchange.tell_ports()
    except (VenueLocked, RecoveryRefused, LogDamaged, LogMissing) as error:
        log.error("%s", error)
        return EXIT_FAILED
    except OSError as error:
        log.error("cannot start, because storage fails: %s", error)
        return EXIT_FAILED
    try:
        exchange.run()
    except OSError as error:
        # The journal or the session log cannot be written: what was not reported is settled by the next start.
        log.critical("stopped, because storage failed: %s", error)
        return EXIT_FAILED
    return 0


class Exchange:
    """One venue, trading."""

    def __init__(self, config: Config, data: Path, clock: Clock = real) -> None:
        """Recovers the venue and opens its ports. Raises VenueLocked, RecoveryRefused, LogDamaged, LogMissing, ConfigError."""
        self.config = config
        self.data = data
        self.metrics = ExchangeMetrics()
        self.core = Sequencer(data, config.exchange.durability, clock, config.exchange.segment_bytes_max)
        self.session_log = SessionLog(data / "sessions")
        self.audit = Audit(data, "exchange", log.warning)
        self.audit.note("start", version=version("fixserver"), **configuration(config.file, data))
        self.gateway = Gateway(config, self.core, self.metrics, log.info)
        traffic = Traffic(lambda name: name in self.core.engine.participants) if config.web.enabled else None
        self.sessions = Sessions(self.gateway, self.session_log, traffic)
        self.gateway.sessions = self.sessions
        self.copies = DropCopies(config.drop_copies, log.info)
        self.copies.sessions = self.sessions
        if config.drop_copies:
            self.gateway.reporter.copies = self.copies
            add_drop_copies(self.sessions, config, self.copies)
        self.gateway.on_participant = self._on_participant
        self.gateway.may_log_on = lambda name: bool(self._password_hash(name))
        self._configured = {participant.name: participant for participant in config.participants}
        add_sessions(self.sessions, config, config.participants, config.venue.name)
        if config.web.enabled:
            web = Participant(name=config.web.comp_id, password="")
            add_sessions(self.sessions, config, [web], config.venue.name, speaks_for_others=True)
        self._port: FixPort | None = None
        self._recover()
        self.loop = Loop()
        hashes = {name: text for name in self.core.engine.participants if (text := self._password_hash(name))}
        if config.web.enabled:
            hashes[config.web.comp_id] = self._web_password_hash()
        self.port = self._port = listen(
            config, "exchange.port", config.exchange.address, config.exchange.port,
            lambda: FixPort(
                self.loop, self.sessions, config.exchange, hashes, log.info,
                allow_from=allowed_addresses(config), note=partial(self.audit.note, port="order entry"),
            ),
        )  # fmt: skip
        self.ports = [self.port]
        if config.drop_copies:
            section = config.dropcopy
            of_watchers = {one.name: one.password for one in config.drop_copies}
            port = listen(
                config, "dropcopy.port", section.address, section.port,
                lambda: FixPort(
                    self.loop, self.sessions, section, of_watchers, log.info, self.copies,
                    allow_from={one.name: one.allow_from for one in config.drop_copies if one.allow_from},
                    note=partial(self.audit.note, port="drop copy"),
                ),
            )  # fmt: skip
            self.ports.append(port)
        address = config.venue.metrics_address
        page = Page(registry_of(self.metrics, AuditMetrics(self.audit)))
        self.scrape = listen(
            config, "exchange.metrics_port", address, config.exchange.metrics_port,
            lambda: ScrapePort(self.loop, address, config.exchange.metrics_port, page, self._set_metrics),
        )  # fmt: skip
        self.admin_desk = AdminDesk(
            config, data, self.core, self.gateway, self.sessions, self.ports, self._want_snapshot, log.info, self.audit.note
        )
        self.admin = AdminPort(self.loop, data, self.admin_desk)
        self.traffic_port = TrafficPort(self.loop, data, traffic) if traffic is not None else None
        self._stopping = False
        # By time.perf_counter():
        self._next_tick = 0.0
        self._next_log_sync = 0.0
        self._note_at = NOTHING_TO_NOTE
        self._awake_seconds = 0.0
        self._snapshot_at = self.core.engine.command_seq + config.exchange.snapshot_commands

    def _recover(self) -> None:
        started = time.monotonic()
        found, head = self.session_log.recovered, self.core.event_head
        after = max(0, head - REPORTS_AGAIN_MAX) if found.lost else found.reported_event
        again = 0
        for events in self.core.recover(after):
            if events:
                # What was not noted as reported may have been sent all the same: a number must not serve twice.
                if not again and (said := self.sessions.skip_ahead(SENT_UNNOTED_MAX)):
                    log.warning("%s", said)
                self.gateway.report_again(events, after)
                self.copies.hand_over()
                again += len(events)
            else:
                self.gateway.restore()
                self._add_sessions(self.core.engine.participants)
                # Events are published when their reports are noted: a session log behind them is an old copy.
                for said in self.sessions.restore_numbers(head > 0, events=head, behind=found.reported_event < head):
                    log.warning("%s", said)
        for said in self.core.warnings:
            log.warning("%s", said)
        engine = self.core.engine
        if found.reported_event > engine.event_seq:
            raise RecoveryRefused(
                f"{self.session_log.directory}: events up to {found.reported_event} were reported to clients, but the journal ends"
                f" with event {engine.event_seq}: acknowledged commands are missing from the journal. Put its files back from a"
                f" copy, or, to go on without them, run: fixserver journal forget --data {self.data}"
            )
        self.sessions.end_turn(self.gateway.reported_event)
        if engine.command_seq:
            log.info(
                "recovered %s commands and %s events in %.1f s, %s orders are open%s",
                f"{engine.command_seq:,}", f"{engine.event_seq:,}", time.monotonic() - started, f"{self.gateway.open_orders:,}",
                f"; the reports of {again:,} events go out again" if again else "",
            )  # fmt: skip
        self.sessions.restored()
        self.gateway.open_for_business(self.config)
        self.sessions.end_turn(self.gateway.reported_event)

    # ------------------------------------------------------------------------------------------------ who may

    def _password_hash(self, name: str) -> str:
        """Of a participant; empty for one who may not log on."""
        configured = self._configured.get(name)
        participant = self.core.engine.participants.get(name)
        member = None
        if participant is not None:
            member = Member(participant.terms.password, participant.access, participant.configured is not None)
        return password_hash(configured.password if configured is not None else None, member)

    def _web_password_hash(self) -> str:
        """Of the session that speaks for others. Raises ConfigError, and OSError where its password cannot be kept."""
        name = self.config.web.comp_id
        if name in self.core.engine.participants:  # as which an operator added him before
            raise ConfigError(self.config.file, "web.comp_id", f'"{name}" is a participant: give the web another name')
        return passwords.hash_password(websecret.ensure(self.data))

    def _add_sessions(self, names: Iterable[str]) -> None:
        """Create the sessions of those of them whom only an operator has named, where there are none."""
        known = self.core.engine.participants
        added = [
            Participant(name=name, password=known[name].terms.password)
            for name in names
            if name not in self._configured and known[name].configured is None and known[name].terms.password
        ]
        add_sessions(self.sessions, self.config, added, self.config.venue.name)

    def _on_participant(self, name: str) -> None:
        """Somebody is new, or may do something else from now on."""
        self._add_sessions([name])
        if self._port is not None:  # it is not while the venue recovers
            self._port.set_password(name, self._password_hash(name))
        if self.core.engine.participants[name].access == "suspended":
            log_out_all(self.sessions, name, SUSPENDED)

    # ----------------------------------------------------------------------------------------------- turns

    def tell_ports(self) -> None:
        """Say that it is up, and where. Raises OSError."""
        numbers = {"fix": self.port.number, "metrics": self.scrape.number}
        if self.config.drop_copies:
            numbers["dropcopy"] = self.ports[-1].number
        write_ports(self.data, "exchange", numbers)

    def run(self) -> None:
        """Turn the loop until stop(), then stop in order. Raises what a callback raised, and OSError of the disk."""
        # What is here now stays: the collector need not look at a million orders again. Nothing on the hot path
        # makes cycles, so that counting references is enough until a quiet moment.
        gc.collect()
        gc.freeze()
        gc.disable()
        for what, port in zip(("order entry", "drop copy"), self.ports, strict=False):
            log.info("%s on %s port %d", what, port.listener.address, port.number)
        try:
            while not self._stopping:
                self.turn()
            self._end()
        except BaseException:
            for port in self.ports:
                port.give_up()
            self.audit.note("stop", why="it failed")
            self.audit.close()
            raise

    def stop(self) -> None:
        """Let run() end; may be called from a signal handler."""
        self._stopping = True

    def turn(self) -> None:
        """Everything that is ready: read, submit, report, send, and once in a while what time asks for."""
        gateway, sessions = self.gateway, self.sessions
        due = 0.0 if gateway.busy or sessions.busy or self.admin.dirty else min(self._next_tick, self._note_at)
        traffic = self.traffic_port
        if traffic is not None:
            due = min(due, traffic.due)
        self.loop.poll(max(due - time.perf_counter(), 0.0), self._awake_seconds)
        now = self.loop.ready_at
        sessions.set_time(time.time_ns())
        if now >= self._next_tick:
            self._next_tick = now + TICK_SECONDS
            self._tick(now)
        gateway.on_turn()
        copies = self.copies
        if sessions.may_send_unnoted() and copies.few and (gateway.turn_commands or not sessions.touched):
            # Reports may leave before they are noted: after a crash between the two they are made again from the
            # journal, and the numbers skip ahead. Of a turn without a command nothing would tell.
            self._flush()
            if copies.hand_over():  # when those who trade have theirs
                self._flush()
            if gateway.turn_commands and self._note_at == NOTHING_TO_NOTE:
                self._note_at = now + NOTE_SECONDS
        else:
            self._note()
            self._flush()
        self._awake_seconds = 0.0
        if gateway.turn_commands:
            began, journal, apply, ended = (
                gateway.turn_began, gateway.turn_journal_seconds, gateway.turn_apply_seconds, gateway.turn_ended
            )  # fmt: skip
            sent = time.perf_counter()
            self.metrics.turns.append(
                Turn(
                    gateway.turn_commands, began - now, journal, apply, ended - began - journal - apply, sent - ended, sent - now
                )
            )
            gateway.turn_commands = 0
            self._awake_seconds = AWAKE_SECONDS
        if now >= self._note_at:
            self._note()
        if self.core.engine.command_seq >= self._snapshot_at:
            self._snapshot_at = self.core.engine.command_seq + self.config.exchange.snapshot_commands
            self._note()
            self.session_log.sync()
            self.core.begin_snapshot()
        if self.admin.dirty:
            self.admin.flush()  # behind the note of what was done
        if traffic is not None and now >= traffic.due:
            traffic.serve(now)
        if sessions.failure is not None:
            raise sessions.failure

    def _flush(self) -> None:
        for port in self.ports:
            port.flush()

    def _note(self) -> None:
        """Write down what has been sent and received, then show the events to those who tail them.

        Only behind gateway.on_turn(): a message whose number is noted, and whose command is not in the journal, would
        be lost by a crash, because the client is never asked for it again. A report and its copies are noted together.
        """
        self.copies.hand_over()
        self.sessions.end_turn(self.gateway.reported_event)
        self.gateway.on_sent()
        self._note_at = NOTHING_TO_NOTE

    def _tick(self, now: float) -> None:
        self.sessions.set_timers()
        self.gateway.on_tick()
        self.metrics.count_turns()
        for port in self.ports:
            port.tick()
        self.scrape.tick()
        self.admin.tick()
        if self.traffic_port is not None:
            self.traffic_port.tick()
        self.admin_desk.tick(time.monotonic())
        if now >= self._next_log_sync:
            self._next_log_sync = now + SESSION_LOG_SYNC_SECONDS
            self.session_log.sync()
        succeeded = self.core.snapshot_ended()
        if succeeded is False:
            self.metrics.snapshots_failed += 1
            log.warning("the snapshot failed; the journal has everything, recovery takes longer")
        elif succeeded:
            self.metrics.snapshots += 1
        if succeeded is not None:
            self.admin_desk.snapshot_ended(succeeded)

    def _want_snapshot(self) -> None:
        """Have one begun at the end of this turn; one that is being written already serves as well."""
        self._snapshot_at = 0

    def _end(self) -> None:
        """Log everybody out, see what still comes in through, and leave the files whole."""
        log.info("stopping: sessions are logged out")
        for port in self.ports:
            port.stop_listening()
            port.close_strangers()
        for session in list(self.sessions.by_name.values()):
            if session.connection is not None:
                session.begin_logout("the exchange closes")
        deadline = time.monotonic() + LOGOUT_SECONDS
        while any(port.connections for port in self.ports) and time.monotonic() < deadline:
            self.turn()
        for port in self.ports:
            port.close()
        self.turn()
        self._note()
        self.scrape.close()
        self.admin.close()
        if self.traffic_port is not None:
            self.traffic_port.close()
        self.session_log.sync()
        self.core.snapshot()
        self.core.close()
        self.session_log.close()
        self.audit.note("stop")
        self.audit.close()
        log.info("stopped after command %s and event %s", f"{self.core.engine.command_seq:,}", f"{self.core.engine.event_seq:,}")

    def _set_metrics(self) -> None:
        metrics, engine = self.metrics, self.core.engine
        metrics.sessions = sum(1 for session in self.sessions.by_name.values() if session.logged_on)
        metrics.connections = sum(len(port.connections) for port in self.ports)
        for cause in {cause for port in self.ports for cause in port.cut}:
            metrics.connections_refused[cause] = sum(port.cut.get(cause, 0) for port in self.ports)
        for outcome in {outcome for port in self.ports for outcome in port.logons}:
            metrics.logons[outcome] = sum(port.logons.get(outcome, 0) for port in self.ports)
        metrics.reports_copied = self.copies.copied
        metrics.messages_sent.update(self.sessions.messages_sent)
        metrics.messages_received.update(self.sessions.messages_received)
        metrics.resting_orders = self.gateway.open_orders
        metrics.journal_head = engine.command_seq
        metrics.event_head = engine.event_seq
        metrics.count_turns()
        metrics.connections_max = sum(port.connections_max for port in self.ports)
        metrics.unread_bytes = sum(len(one.backlog) for port in self.ports for one in port.connections.values())
        metrics.instruments = Counter(instrument.phase for instrument in engine.instruments.values())
        disk = os.statvfs(self.data)
        metrics.disk_bytes, metrics.disk_free_bytes = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize


# ------------------------------------------------------------------------------------- shared with the feed


def add_sessions(
    sessions: Sessions, config: Config, participants: Iterable[Participant], venue_comp_id: str, *, speaks_for_others: bool = False
) -> None:
    """Create the sessions of participants on every version, where there are none. Raises ConfigError for a setting that is
    not taken."""
    # In one go: QuickFIX reads a dictionary once for all sessions that are added together, and FIX 5.0SP2's takes it a second.
    terms = [
        SessionTerms(
            participant.name,
            version,
            participant.venue_comp_id or venue_comp_id,
            participant.name,
            {key: _setting(value) for key, value in participant.quickfix.items()},
            speaks_for_others,
        )
        for participant in participants
        for version in VERSIONS
        if f"{participant.name}/{version}" not in sessions.by_name
    ]
    if not terms:
        return
    try:
        sessions.add(terms, config.dictionaries)
    except SettingRefused as error:
        key = f"participants.{error.participant}.quickfix" if error.participant else "participants"
        raise ConfigError(config.file, key, str(error)) from None


def allowed_addresses(config: Config) -> dict[str, list[str]]:
    """Of those participants who may come from some addresses alone."""
    return {participant.name: participant.allow_from for participant in config.participants if participant.allow_from}


def add_drop_copies(sessions: Sessions, config: Config, copies: DropCopies) -> None:
    """Create the sessions of drop copies. Raises ConfigError for a setting that is not taken."""
    terms = [
        SessionTerms(
            one.name,
            one.version,
            one.venue_comp_id or config.venue.drop_copy_name,
            one.name,
            {key: _setting(value) for key, value in one.quickfix.items()},
        )
        for one in config.drop_copies
    ]
    try:
        sessions.add(terms, config.dictionaries, copies)
    except SettingRefused as error:
        raise ConfigError(config.file, f"drop_copies.{error.participant}.quickfix".replace("..", "."), str(error)) from None


def log_out_all(sessions: Sessions, participant: str, text: str) -> None:
    """Have a participant's sessions logged out at the end of the turn."""
    found = (sessions.by_name.get(f"{participant}/{version}") for version in VERSIONS)
    sessions.to_log_out += [(session, text) for session in found if session is not None and session.connection is not None]


def _setting(value: str | int | bool) -> str:
    """As QuickFIX writes it."""
    if isinstance(value, bool):
        return "Y" if value else "N"
    return str(value)


def listen(config: Config, key: str, address: str, port: int, create: Callable[[], Opened]) -> Opened:
    """Open a port, or raise the ConfigError that names its key."""
    try:
        return create()
    except OSError as error:
        raise config.cannot_listen(key, address, port, error) from None
