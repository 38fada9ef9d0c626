"""The operator's desk: makes commands of what operators ask for, and answers with what they caused; it changes no market itself.

What changes the market is a command, run by the gateway behind everything that came before it, and is in the journal
with the name of who asked. What only looks is answered at once, as of the present moment. Prices, quantities and
amounts are decimal text in both directions.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from fixserver.admin import Answer, Arguments, Nothing, Page, Refused, Request, page_of
from fixserver.admin_clearing import ClearingActions
from fixserver.admin_market import MarketActions
from fixserver.admin_participants import ParticipantActions
from fixserver.journal_command import readable
from fixserver.sessions import SEQUENCE_NUMBER_MAX, VERSIONS, Session, utc_text
from matching.messages import Command, CommandRefused, Event, OperatorNote
from matching.snapshot import snapshots

if TYPE_CHECKING:
    from fixserver.config import Config
    from fixserver.gateway import Gateway
    from fixserver.port import FixPort
    from fixserver.sessions import Sessions
    from matching.sequencer import Sequencer

EVENTS_TOLD_MAX = 1_000  # of what commands caused: the rest is counted
STEPS_MAX = 16
LOGGED_MAX = 500  # characters of what was asked for
RATE_SECONDS = 1.0  # between two looks at the numbers of who is connected
# What people call a session's version, and FIX calls it in the first field.
VERSION_NAMES = {name.removeprefix("FIX."): name for name in VERSIONS if name != "FIXT.1.1"} | {"5.0SP2": "FIXT.1.1"}

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Command]).decode


# ------------------------------------------------------------------------------- what actions may be told

SequenceNumber = Annotated[int, msgspec.Meta(ge=1, le=SEQUENCE_NUMBER_MAX)]


class SessionPage(Page, kw_only=True):
    name: str = ""
    connected: bool = False


class SessionChoice(Arguments, kw_only=True):
    """The sessions of a participant: of one version, or all."""

    name: str
    version: str = ""


class SessionLogout(SessionChoice, kw_only=True):
    text: str = "logged out by the operator"


class SessionNumbers(Arguments, kw_only=True):
    """The numbers that come next: from the client, and to him."""

    name: str
    version: str
    next_in: SequenceNumber | None = None
    next_out: SequenceNumber | None = None


class AdminDesk:
    """What operators may do with one exchange."""

    def __init__(
        self,
        config: Config,
        data: Path,
        core: Sequencer,
        gateway: Gateway,
        sessions: Sessions,
        ports: list[FixPort],
        begin_snapshot: Callable[[], None],
        say: Callable[[str], None],
        note: Callable[..., None] = lambda what, **fields: None,
    ) -> None:
        """`begin_snapshot` has one written; snapshot_ended() is called when it is there. `note` is told what was asked for that
        is more than a question, and what became of it."""
        self._config = config
        self._data = data
        self._core = core
        self._gateway = gateway
        self._sessions = sessions
        self._begin_snapshot = begin_snapshot
        self._say = say
        self._tell = note
        self._ports = ports
        self._snapshot_answers: list[Answer] = []
        self._started = time.time_ns()
        self._numbers_at = self._numbers_before_at = time.monotonic()
        self._numbers: dict[str, tuple[int, int]] = {}  # of who was connected at the last look, and the one before
        self._numbers_before: dict[str, tuple[int, int]] = {}
        market = MarketActions(config, data, core)
        participants = ParticipantActions(config, core, sessions)
        # What makes commands, what only looks, and what is neither.
        clearing = ClearingActions(core)
        self._commands = market.commands | participants.commands | clearing.commands
        self._questions = market.questions | participants.questions | clearing.questions
        self._questions["session list"] = SessionPage, self._list_sessions
        self._questions["status"] = Nothing, self._status
        self._others: dict[str, tuple[type[Arguments], Callable[[Any, str, Answer], None]]] = {
            "session logout": (SessionLogout, self._log_out),
            "session reset": (SessionChoice, self._reset_sessions),
            "session set-sequence": (SessionNumbers, self._set_numbers),
            "snapshot": (Nothing, self._snapshot),
        }

    def act(self, request: Request, operator: str, answer: Answer) -> None:
        """Raises Refused, msgspec.ValidationError."""
        by = f"operator {operator}"
        if request.action in self._questions:
            expected, tell = self._questions[request.action]
            answer.done(tell(msgspec.convert(request.arguments, expected)))
            return
        arguments = f"{_without_secrets(request.arguments)!r:.{LOGGED_MAX}}"
        self._say(f"{by}: {request.action[:LOGGED_MAX]} {arguments}")

        def note(outcome: str, why: str = "") -> None:
            self._tell("operator", operator=operator, action=request.action, arguments=arguments, outcome=outcome, why=why)

        try:
            self._do(request, by, _Noted(answer, note))
        except (Refused, msgspec.ValidationError) as error:
            note("refused", str(error))
            raise

    def _do(self, request: Request, by: str, answer: Answer) -> None:
        """Raises Refused, msgspec.ValidationError."""
        if request.action in self._commands:
            expected, make = self._commands[request.action]
            asked = msgspec.convert(request.arguments, expected)
            self._run(lambda: make(asked, by), answer)
        elif request.action in self._others:
            expected, do = self._others[request.action]
            do(msgspec.convert(request.arguments, expected), by, answer)
        else:
            known = sorted([*self._commands, *self._questions, *self._others])
            raise Refused(f"no action {request.action[:40]!r}: there are {', '.join(known)}")

    def tick(self, now: float) -> None:
        """Look at the numbers of who is connected, from which the rates are. `now` by time.monotonic()."""
        if now - self._numbers_at < RATE_SECONDS:
            return
        self._numbers_before, self._numbers_before_at = self._numbers, self._numbers_at
        connected = [one.session for port in self._ports for one in port.connections.values() if one.session is not None]
        self._numbers, self._numbers_at = {session.name: session.numbers for session in connected}, now

    # ------------------------------------------------------------------------------------------ sessions

    def _list_sessions(self, asked: SessionPage) -> dict[str, Any]:
        if asked.name:
            self._sessions_of(asked.name)
        names = (
            name
            for name, session in self._sessions.by_name.items()
            if (not asked.name or session.participant == asked.name) and (not asked.connected or session.connection is not None)
        )
        page, following = page_of(names, asked.after)
        elapsed = max(time.monotonic() - self._numbers_before_at, 0.001)
        rows = [self._session_row(self._sessions.by_name[name], elapsed) for name in page]
        return {"sessions": rows, "after": following}

    def _session_row(self, session: Session, elapsed: float) -> dict[str, Any]:
        next_in, next_out = session.numbers
        in_before, out_before = self._numbers_before.get(session.name, (next_in, next_out))
        connection = session.connection
        return {
            "name": session.participant,
            "version": _version_name(session.begin_string),
            "logged_on": session.logged_on,
            "next_in": next_in,
            "next_out": next_out,
            "last_seen": moment(session.heard_at),
            "address": connection.address if connection else "",
            "queued_bytes": session.queued_bytes,
            "in_per_second": max(0, round((next_in - in_before) / elapsed)),
            "out_per_second": max(0, round((next_out - out_before) / elapsed)),
        }

    def _sessions_of(self, name: str, version: str = "") -> list[Session]:
        """Raises Refused."""
        begin_string = _begin_string(version) if version else ""
        found = [
            session
            for one in VERSIONS
            if (session := self._sessions.by_name.get(f"{name}/{one}")) is not None and begin_string in ("", one)
        ]
        if not found:
            raise Refused(f"no participant or drop copy {name[:40]}")
        return found

    def _log_out(self, asked: SessionLogout, operator: str, answer: Answer) -> None:
        chosen = self._sessions_of(asked.name, asked.version)
        text = _sentence(asked.text)
        if not any(session.connection is not None for session in chosen):
            raise Refused(f"{' and '.join(session.name for session in chosen)}: not connected")

        def run() -> dict[str, Any]:
            ended = [session for session in chosen if session.connection is not None]
            for session in ended:
                session.logout(text)
            return {"logged_out": [session.name for session in ended]}

        self._note(f"logout of {_names(chosen)}: {text}", run, operator, answer)

    def _reset_sessions(self, asked: SessionChoice, operator: str, answer: Answer) -> None:
        chosen = self._sessions_of(asked.name, asked.version)

        def run() -> dict[str, Any]:
            for session in chosen:
                _renumber(session, 1, 1)
            return {"reset": [session.name for session in chosen]}

        self._note(f"reset of {_names(chosen)}", run, operator, answer)

    def _set_numbers(self, asked: SessionNumbers, operator: str, answer: Answer) -> None:
        [session] = self._sessions_of(asked.name, _begin_string(asked.version))
        if asked.next_in is None and asked.next_out is None:
            raise Refused("nothing to set: say --in, --out or both")

        def run() -> dict[str, Any]:
            known_in, known_out = session.numbers
            _renumber(session, asked.next_in or known_in, asked.next_out or known_out)
            next_in, next_out = session.numbers
            return {"session": session.name, "next_in": next_in, "next_out": next_out}

        wanted = {"in": asked.next_in, "out": asked.next_out}
        said = ", ".join(f"{what} {number}" for what, number in wanted.items() if number is not None)
        self._note(f"numbers of {session.name}: {said}", run, operator, answer)

    # ------------------------------------------------------------------------------------ the venue itself

    def _snapshot(self, asked: Nothing, operator: str, answer: Answer) -> None:
        if self._snapshot_answers or self._core.writes_snapshot:
            raise Refused("a snapshot is being written already")
        self._snapshot_answers.append(answer)
        self._gateway.operate([OperatorNote("snapshot", by=operator)], lambda _: self._begin_snapshot())

    def snapshot_ended(self, succeeded: bool) -> None:
        answers, self._snapshot_answers = self._snapshot_answers, []
        for answer in answers:
            if succeeded:
                answer.done(self._last_snapshot())
            else:
                answer.refused("the snapshot could not be written, see the log of the exchange; the journal has everything")

    def _last_snapshot(self) -> dict[str, Any]:
        found = snapshots(self._data / "snapshots")
        if not found:
            return {"command": 0, "time": "", "bytes": 0}
        command, path = found[-1]
        about = path.stat()
        return {"command": command, "time": moment(about.st_mtime_ns), "bytes": about.st_size}

    def _status(self, asked: Nothing) -> dict[str, Any]:
        engine = self._core.engine
        phases: dict[str, int] = {}
        for instrument in engine.instruments.values():
            phases[instrument.phase] = phases.get(instrument.phase, 0) + 1
        return {
            "venue": self._config.venue.name,
            "version": version("fixserver"),
            "process": os.getpid(),
            "started": moment(self._started),
            "uptime_seconds": (time.time_ns() - self._started) // 1_000_000_000,
            "trading_day": engine.trading_day,
            "commands": engine.command_seq,
            "events": engine.event_seq,
            "last_command": moment(engine.time),
            "open_orders": self._gateway.open_orders,
            "instruments": len(engine.instruments),
            "phases": dict(sorted(phases.items())),
            "markets": engine.markets,
            "participants": len(engine.participants),
            "sessions": sum(1 for session in self._sessions.by_name.values() if session.logged_on),
            "connections": sum(len(port.connections) for port in self._ports),
            "durability": self._core.durability,
            "snapshot": self._last_snapshot(),
            "journal_bytes": _size(self._data / "journal"),
            "events_bytes": _size(self._data / "events"),
            "session_log_bytes": _size(self._data / "sessions"),
        }

    # -------------------------------------------------------------------------------------------- commands

    def _note(self, text: str, run: Callable[[], dict[str, Any]], operator: str, answer: Answer) -> None:
        """Journal who does something that the core has no part in, and do it then."""

        def then(events: list[Event]) -> None:
            # What the operator did to a session must be in the session log before he is told.
            self._sessions.admin_sent = True
            answer.done(run())

        self._gateway.operate([OperatorNote(text, by=operator)], then)

    def _run(self, make: Callable[[], list[Command]], answer: Answer) -> None:
        """Make commands when everything before them has been applied, and run them. The answer is what they caused, or
        why the first of them that was refused was."""

        def begin(_: list[Event]) -> None:
            try:
                commands = make()
                _check_journal_takes(commands)
            except Refused as refusal:
                answer.refused(str(refusal))
            else:
                self._go_on(commands, [], answer)

        self._gateway.operate([], begin)

    def _go_on(self, commands: list[Command], caused: list[Event], answer: Answer) -> None:
        # Few commands are steps, of which none is done behind one that was refused; many do not depend on each other.
        count = len(commands) if len(commands) > STEPS_MAX else 1

        def then(events: list[Event]) -> None:
            caused.extend(events)
            refusals = [event.text for event in events if isinstance(event, CommandRefused)]
            if refusals:
                answer.refused(refusals[0])
            elif commands[count:]:
                self._go_on(commands[count:], caused, answer)
            else:
                answer.done(self._told(caused))

        self._gateway.operate(commands[:count], then)

    def _told(self, events: list[Event]) -> dict[str, Any]:
        instruments = self._core.engine.instruments
        shown = events[:EVENTS_TOLD_MAX]
        symbols = {getattr(event, "instrument", "") or getattr(event, "asset", "") for event in shown}
        decimals = {
            symbol: (instruments[symbol].terms.price_decimals, instruments[symbol].terms.quantity_decimals)
            for symbol in symbols
            if symbol in instruments
        }
        told = [{"event": type(event).__name__, "number": event.seq, **readable(event, decimals)} for event in shown]
        return {"events": told, "more": len(events) - len(shown)}


def _check_journal_takes(commands: list[Command]) -> None:
    """The sequencer stops the process at a command that could not be read again. Raises Refused before it comes to that."""
    try:
        _decode(_encode(commands))
    except (msgspec.DecodeError, OverflowError, UnicodeError) as error:
        raise Refused(f"a value is not one that the journal takes: {error}") from None


def _without_secrets(arguments: dict[str, Any]) -> dict[str, Any]:
    """What may be shown. Also of an argument that there is none of: somebody may have meant it."""
    return {name: value for name, value in arguments.items() if "password" not in name.lower() and "secret" not in name.lower()}


class _Noted(Answer):
    """An answer of which is told what it was."""

    def __init__(self, answer: Answer, note: Callable[[str, str], None]) -> None:
        super().__init__(lambda _: None)
        self._answer, self._note = answer, note

    def done(self, result: Any) -> None:
        self.given = True
        self._note("done", "")
        self._answer.done(result)

    def refused(self, why: str) -> None:
        self.given = True
        self._note("refused", why)
        self._answer.refused(why)


def _renumber(session: Session, next_in: int, next_out: int) -> None:
    if session.connection is not None:
        session.logout("sequence numbers are set by the operator: log on again")
    session.renumber(next_in, next_out)


def _begin_string(text: str) -> str:
    """The version that a person means: "4.4", "FIX.4.4"; "5.0SP2", "FIXT.1.1". Raises Refused."""
    plain = text.upper().removeprefix("FIX.")
    found = VERSION_NAMES.get(plain) or (plain if plain in VERSIONS else "")
    if not found:
        raise Refused(f"no version {text[:20]!r}: there are {', '.join(VERSION_NAMES)}")
    return found


def _version_name(begin_string: str) -> str:
    return next(name for name, begin in VERSION_NAMES.items() if begin == begin_string)


def _names(sessions: Iterable[Session]) -> str:
    return ", ".join(session.name for session in sessions)


def _sentence(text: str) -> str:
    """What goes out in a field of a message. Raises Refused."""
    if not text.isprintable() or not 0 < len(text) <= 200:
        raise Refused("a text is 1 to 200 printable characters")
    return text


def moment(time_ns: int) -> str:
    """A time for a person and a program; empty for 0."""
    if not time_ns:
        return ""
    text = utc_text(time_ns, 6)
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[9:]}Z"


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.glob("*.log"))
