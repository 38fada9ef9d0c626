"""`fixserver journal`: looks into what the exchange of a venue wrote; of its actions only `forget` changes anything.

Exit codes: 0 all is well, 1 something is wrong with the files, 2 with the arguments.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from fixserver.sessionlog import last_reported_event
from matching.engine import Engine
from matching.instruments import decimal_text
from matching.logarchive import ArchiveAway, archive_of, archived_segments
from matching.messages import (
    MONEY_DECIMALS,
    CancelReason,
    Command,
    CommandBatch,
    DefineInstrument,
    Event,
    EventBatch,
    FailReason,
    InstrumentDefined,
    Reason,
    RestateReason,
    Traded,
)
from matching.recordlog import LogDamaged, LogMissing, LogNewer, LogReader, Record, segments, truncate
from matching.sequencer import in_present_form, says_the_same
from matching.snapshot import SnapshotDamaged, read_snapshot, snapshots

EXIT_WRONG = 1
PROGRESS_SECONDS = 1.0
ARCHIVE = "from the first command on, the archived segments too"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ACTIONS = """\
  fixserver journal verify               is everything there, and does it add up?
  fixserver journal dump --from 100      every command from the hundredth, a line each
  fixserver journal dump --events        every event
  fixserver journal digest               the state of the venue, in 64 digits
  fixserver journal archive --to DIR     put old segments away, compressed
  fixserver journal forget               let go of events whose commands are lost
"""

_encode = msgspec.msgpack.Encoder().encode
_commands_of = msgspec.msgpack.Decoder(CommandBatch).decode
_events_of = msgspec.msgpack.Decoder(EventBatch).decode


class FilesWrong(Exception):
    """The files of a venue are not there, or contradict each other. Says which, and what to do."""


def add_parser(subparsers: Any) -> None:
    """Add `journal` and its actions to the command line."""
    parser = subparsers.add_parser(
        "journal",
        help="look into what the exchange wrote: verify, dump, digest",
        description="Look into the journal of commands, the event log and the snapshots of a venue. It may be running, except for"
        " `forget`.",
        epilog=ACTIONS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions", required=True, dest="action")

    def action(name: str, help_text: str, run: Callable[[argparse.Namespace], int], description: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = actions.add_parser(name, help=help_text, description=description)
        added.add_argument(
            "--data", type=Path, default=Path("data"), metavar="DIR", help="where the venue keeps what it writes (%(default)s)"
        )
        added.set_defaults(run=lambda args: _guarded(run, args))
        return added

    action(
        "verify",
        "is everything there, and does it add up?",
        _verify,
        "Read the whole journal, replay it, and compare what it causes with the event log, byte for byte, and with the snapshots."
        " Exit code 1, and a line that names file and offset, when something is not so.",
    ).add_argument("--archive", action="store_true", help=ARCHIVE)
    dump = action(
        "dump",
        "print commands or events, one a line",
        _dump,
        "Print what the journal holds, a line for each command: its number, the time (UTC) at which it became part of the journal,"
        " and its fields, empty ones left out. Prices, quantities and amounts are decimals.",
    )
    dump.add_argument("--archive", action="store_true", help=ARCHIVE)
    dump.add_argument("--events", action="store_true", help="the event log instead")
    dump.add_argument("--from", dest="begin", type=_number, default=1, metavar="N", help="begin with this number")
    dump.add_argument("--to", dest="end", type=_number, default=0, metavar="N", help="end with this number")
    dump.add_argument(
        "--json", action="store_true", help="a JSON object a line, whose numbers are in whole units, as they are stored"
    )
    digest = action(
        "digest",
        "print a digest of the state",
        _digest,
        "Print the number of the last command and event and the SHA-256 of the state that they lead to. Two venues with the same"
        " journal have the same digest.",
    )
    digest.add_argument("--archive", action="store_true", help=ARCHIVE)
    digest.add_argument("--at-command", type=_number, default=0, metavar="N", help="as it was after this command")
    archive = action(
        "archive",
        "put old segments away, compressed",
        _archive,
        "Compress segments of the journal and of the event log that nobody needs to go on, read them back, and only then remove"
        " them: those before the older of two snapshots, which ledger, history and feed have read past. The venue may be running."
        " What is put away is found by itself by whoever reads from the beginning, such as `ledger rebuild`.",
    )
    archive.add_argument(
        "--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)"
    )
    archive.add_argument("--to", type=Path, required=True, metavar="DIR", help="where to: the same each time, on any disk")
    archive.add_argument(
        "--keep-days", type=_days, default=0, metavar="N", help="leave what was written to within so many days (%(default)s)"
    )
    forget = action(
        "forget",
        "let go of events whose commands are lost",
        _forget,
        "Cut the event log where it stops being what the journal says, and remove snapshots that are ahead of the journal; the next"
        " start of the exchange writes the events of the journal again. For a venue whose journal was lost in part, and whose"
        " exchange refuses to start for that reason. What was reported to participants of the lost commands is void then, and"
        " whoever took events beyond the cut must begin anew (fixserver ledger rebuild --replace).",
    )
    forget.add_argument("--yes", action="store_true", help="do not ask")


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _guarded(run: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    try:
        return run(args)
    except (FilesWrong, LogDamaged, LogMissing, SnapshotDamaged) as error:
        _progress("")
        print(error, file=sys.stderr)
        return EXIT_WRONG


# ---------------------------------------------------------------------------------------------------- reading


class _Venue:
    """The files of a venue, read from the first command that is there."""

    def __init__(self, data: Path, archive: bool = False) -> None:
        """With `archive`, from the first command there was. Raises FilesWrong, SnapshotDamaged, LogMissing."""
        self.data = data
        found = segments(data / "journal") if (data / "journal").is_dir() else []
        if not found:
            raise FilesWrong(f"{data / 'journal'}: there is no journal. Is {data} the data directory of a venue?")
        self.engine = Engine()
        if found[0][0] > 1 and not archive:
            # The beginning was put away: the first snapshot behind the gap takes its place.
            usable = [path for number, path in snapshots(data / "snapshots") if number >= found[0][0] - 1]
            if not usable:
                raise LogMissing(
                    f"{data / 'journal'}: begins with command {found[0][0]}, and no snapshot stands for those before"
                    f"{_archived_text(data / 'journal')}"
                )
            self.engine = Engine.from_state(_state(usable[0]))
        self.journal = LogReader(data / "journal", self.engine.command_seq + 1)
        self.events = LogReader(data / "events", self.engine.event_seq + 1)
        self._written = self.events.read()

    def close(self) -> None:
        self.journal.close()
        self.events.close()

    def batches(self) -> Iterator[CommandBatch]:
        """The batches that are not applied yet, each before it is applied. Raises LogDamaged, LogMissing."""
        shown = time.monotonic()
        for first, count, payload in self.journal.read():
            batch = _decoded(_commands_of, payload, self.data / "journal", first)
            if (batch.first_seq, len(batch.commands)) != (first, count):
                raise FilesWrong(f"{self.data / 'journal'}: the record of command {first} holds other numbers than it says")
            yield batch
            if time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                _progress(f"command {first + count - 1:,}")


    def applied(self, batch: CommandBatch) -> Record:
        """Apply a batch, and return the record of the event log that it causes."""
        engine = self.engine
        first_event = engine.event_seq + 1
        events = engine.apply(batch.first_seq, batch.time, batch.commands)
        return first_event, len(events), _encode(EventBatch(engine.command_seq, batch.time, events))

    def written(self) -> Record | None:
        """The next record of the event log; None at its end, where more may come. Raises LogDamaged, LogMissing."""
        record = next(self._written, None)
        if record is None:
            self._written = self.events.read()
            record = next(self._written, None)
        return record


def _is_due(record: Record, due: tuple[int, int, bytes]) -> bool:
    """Whether a record of the event log is one of which the digest of the payload is known."""
    first, count, payload = record
    return any((first, count, sha256(form(payload)).digest()) == due for form in (bytes, in_present_form))


def _decoded(decode: Callable[[bytes], Any], payload: bytes, path: Path, first: int) -> Any:
    try:
        return decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FilesWrong(
            f"{path}: the record of number {first} is whole, but none that this version of fixserver knows ({error}): a newer"
            " version wrote it. Use that; nothing is damaged"
        ) from None


def _state(path: Path) -> Any:
    try:
        return read_snapshot(path)
    except msgspec.DecodeError as error:
        raise SnapshotDamaged(f"{path}: cannot be read: {error}. Was another version at work?") from None


def _progress(text: str) -> None:
    """Say how far we are, on a terminal, on a line that the next one replaces."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# ----------------------------------------------------------------------------------------------------- verify


def _verify(args: argparse.Namespace) -> int:
    venue = _Venue(args.data, args.archive)
    try:
        for line in (*_archive_lines(args.data, args.archive), *_verified(venue)):
            _progress("")
            print(line)
    finally:
        venue.close()
    return 0


def _verified(venue: _Venue) -> Iterator[str]:
    """What there is to say of a venue in order. Raises FilesWrong, LogDamaged, LogMissing, SnapshotDamaged where it is not."""
    data, engine = venue.data, venue.engine
    begun_at, begun_events = engine.command_seq, engine.event_seq
    on_disk = dict(snapshots(data / "snapshots"))
    agreed: list[str] = []
    records = event_records = 0
    first_time = 0
    event_head = engine.event_seq
    caused: deque[tuple[int, int, bytes]] = deque()  # what the journal says, and the event log has not said yet
    ahead: Record | None = None  # what the event log has said, and the journal not yet
    while True:
        before = engine.command_seq
        for batch in venue.batches():
            first, count, payload = venue.applied(batch)
            records += 1
            first_time = first_time or batch.time
            caused.append((first, count, sha256(payload).digest()))
            while caused and (record := ahead or venue.written()) is not None:
                ahead = None
                if not _is_due(record, caused.popleft()):
                    raise FilesWrong(
                        f"{data / 'events'}: event {record[0]} is not what the journal says up to command {engine.command_seq}."
                        " Keep the files; `fixserver journal forget` lets the exchange write the events again"
                    )
                event_records += 1
                event_head = record[0] + record[1] - 1
            path = on_disk.pop(engine.command_seq, None)
            if path is not None:
                if _encode(_state(path)) != _encode(engine.state()):
                    raise FilesWrong(
                        f"{path}: is not the state after command {engine.command_seq}. Remove it: the journal has everything"
                    )
                agreed.append(f"snapshot   after command {engine.command_seq:,}: as replayed")
        if ahead is not None and engine.command_seq == before:
            raise FilesWrong(
                f"{data / 'events'}: goes on behind event {event_head}, where the journal ends: commands are missing from the"
                " journal. Put its files back from a copy, or, to go on without them, use `fixserver journal forget`"
            )
        # The event log of a running venue may have gone on since the journal was read: then the journal has, too.
        ahead = venue.written() if not caused else None
        if ahead is None:
            break
    for number, path in sorted(on_disk.items()):
        if number > engine.command_seq:
            raise FilesWrong(
                f"{path}: is ahead of the journal, which ends with command {engine.command_seq}: commands are missing from it."
                " Put its files back from a copy, or, to go on without them, use `fixserver journal forget`"
            )
        if number > begun_at:
            raise FilesWrong(f"{path}: was taken inside a batch, which no exchange does. Remove it: the journal has everything")
    span = f", {_moment(first_time)} to {_moment(engine.time)}" if records else ""
    yield f"journal    {engine.command_seq - begun_at:,} commands in {_many(records, 'record')}{span}"
    yield f"event log  {event_head - begun_events:,} events in {_many(event_records, 'record')}"
    if begun_at:
        yield f"           from the snapshot after command {begun_at:,} on: the journal begins there"
    yield from agreed
    for reader, name in ((venue.journal, "journal"), (venue.events, "event log")):
        if reader.torn_bytes:
            yield f"note       the {name} ends with {reader.torn_bytes:,} bytes of an incomplete record; the next start cuts them"
    if event_head < engine.event_seq:
        yield (
            f"note       the event log ends before event {engine.event_seq:,}: a running exchange is about to write the rest,"
            " or else the next start does"
        )
    yield f"state      {_head(engine)}"


def _head(engine: Engine) -> str:
    return f"command {engine.command_seq} event {engine.event_seq} digest {engine.digest()}"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


# ----------------------------------------------------------------------------------------------------- digest


def _digest(args: argparse.Namespace) -> int:
    venue = _Venue(args.data, args.archive)
    engine, at = venue.engine, args.at_command
    try:
        if at and at < engine.command_seq:
            raise FilesWrong(
                f"{args.data / 'journal'}: does not reach back to command {at}{_archived_text(args.data / 'journal')}"
            )
        for batch in venue.batches():
            if at and batch.first_seq > at:
                break
            last = min(at or batch.first_seq + len(batch.commands), batch.first_seq + len(batch.commands) - 1)
            engine.apply(batch.first_seq, batch.time, batch.commands[: last - batch.first_seq + 1])
        if at and engine.command_seq != at:
            raise FilesWrong(f"{args.data / 'journal'}: ends with command {engine.command_seq}, before {at}")
    finally:
        venue.close()
    _progress("")
    print(_head(engine))
    return 0


# ------------------------------------------------------------------------------------------------------- dump


def _dump(args: argparse.Namespace) -> int:
    directory = args.data / ("events" if args.events else "journal")
    if not directory.is_dir() or not segments(directory):
        raise FilesWrong(f"{directory}: there is nothing. Is {args.data} the data directory of a venue?")
    terms = Terms()
    first_there = 1 if args.archive else segments(directory)[0][0]
    if first_there > 1:  # what was defined before is in the snapshots
        for _, path in snapshots(args.data / "snapshots"):
            for saved in _state(path).instruments:
                terms.learn(saved.terms)
    reader = LogReader(directory, first_there)
    write = sys.stdout.write
    try:
        for first, _, payload in reader.read():
            batch = _decoded(_events_of if args.events else _commands_of, payload, directory, first)
            for number, entry in enumerate(batch.events if args.events else batch.commands, first):
                terms.learn(entry)
                if number < args.begin:
                    continue
                if args.end and number > args.end:
                    return 0
                line = json_line if args.json else text_line
                write(line(number, batch.time, entry, terms) + "\n")
    finally:
        reader.close()
    return 0


class Terms:
    """The decimals of instruments, as far as they have been defined."""

    def __init__(self) -> None:
        self._engine = Engine()  # decides which definitions count
        self.decimals: dict[str, tuple[int, int]] = {}

    def learn(self, entry: Command | Event) -> None:
        if isinstance(entry, InstrumentDefined):
            self.decimals[entry.instrument] = (entry.price_decimals, entry.quantity_decimals)
        elif isinstance(entry, DefineInstrument):
            self._engine.apply(self._engine.command_seq + 1, 0, [entry])
            known = self._engine.instruments.get(entry.instrument)
            if known is not None:
                self.decimals[entry.instrument] = (known.terms.price_decimals, known.terms.quantity_decimals)


PRICES = {
    "price", "tick", "reference_price", "low", "high", "old_price", "stop_price", "peg_offset", "bid_price", "offer_price", "limit",
    "peg_price",
}  # fmt: skip
QUANTITIES = {
    "quantity", "leaves", "maker_leaves", "taker_leaves", "lot", "quantity_max", "volume", "surplus", "shown", "old_quantity",
    "display_quantity", "min_quantity", "bid_quantity", "offer_quantity", "executed", "busted",
    "quantity_left", "settled_change", "unsettled_change",
}  # fmt: skip
AMOUNTS = {
    "value_max", "maker_fee", "taker_fee", "old_maker_fee", "old_taker_fee", "money", "money_left", "cash", "equity", "required",
}  # fmt: skip
EMPTY_WHEN_ZERO = {
    "expire_time", "until", "maker_fee", "taker_fee", "old_maker_fee", "old_taker_fee", "stop_price", "peg_offset",
    "display_quantity", "min_quantity", "open_orders_max", "orders_per_day_max", "reason", "shown", "busted", "peg_price",
}  # fmt: skip
MOMENTS = {"expire_time", "until", "entered"}
BALANCES = {"amount", "balance"}  # text, of the asset that the entry names; of a dividend, of money
SAID_EITHER_WAY = {"held", "spend_unsettled", "in_force"}  # of what is yes or no
UNPRICED = {"1", "3", "K", "P"}  # order types whose price of 0 says that there is none
WORDS = {
    "side": {"1": "buy", "2": "sell"},
    "taker_side": {"1": "buy", "2": "sell"},
    "order_type": {"1": "market", "2": "limit", "3": "stop", "4": "stop-limit", "K": "market-to-limit", "P": "pegged"},
    "time_in_force": {"0": "day", "1": "gtc", "2": "opening", "3": "ioc", "4": "fok", "6": "gtd", "7": "close"},
    "response_to": {"1": "cancel", "2": "replace"},
    "contingency": {"1": "one-cancels-other", "2": "one-triggers-other"},
    "self_match_instruction": {"1": "cancel-incoming", "2": "cancel-resting", "3": "cancel-both", "4": "decrement"},
}
REASONS = (Reason, CancelReason, RestateReason, FailReason)


def text_line(number: int, moment: int, entry: Command | Event, terms: Terms) -> str:
    """`17 2024-01-02T10:00:00.000000Z NewOrder participant=ann ... side=buy price=10.05 quantity=100`."""
    fields = [f"{name}={_quoted(text)}" for name, text in readable(entry, terms.decimals).items()]
    return " ".join([f"{number:>9}", _moment(moment), type(entry).__name__, *fields])


def readable(entry: msgspec.Struct, decimals: Mapping[str, tuple[int, int]], within: str = "") -> dict[str, str]:
    """The fields of a command or event, as far as they say something, as a person reads them.

    `decimals` are (of a price, of a quantity) by instrument; `within` is that of the whole, for a part that names none. A
    password's hash is not shown.
    """
    values = {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "seq"}
    conditions = values.pop("conditions", None)
    if conditions is not None:
        values |= {name: getattr(conditions, name) for name in conditions.__struct_fields__}
    symbol = values.get("instrument") or values.get("asset") or within
    trade = values.get("trade")
    if isinstance(trade, Traded):
        symbol, values["trade"] = trade.instrument, trade.seq
    known = symbol in decimals
    price_decimals, quantity_decimals = decimals.get(symbol, (0, 0))
    fields = {}
    for name, value in values.items():
        if value is None or value == "" or (not value and name in EMPTY_WHEN_ZERO):
            continue
        if value is False and name not in SAID_EITHER_WAY:
            continue
        if name == "price" and not value and values.get("order_type") in UNPRICED:
            continue
        if name == "password":
            shown = "(hidden)"
        elif isinstance(value, list):
            shown = "; ".join(_nested(one, decimals, symbol) for one in value)
        elif isinstance(value, msgspec.Struct):
            shown = _nested(value, decimals, symbol)
        elif name in PRICES and known:
            shown = decimal_text(value, price_decimals)
        elif name in QUANTITIES and known:
            shown = decimal_text(value, quantity_decimals)
        elif name in AMOUNTS:
            shown = _trimmed(decimal_text(int(value), MONEY_DECIMALS))
        elif name in BALANCES and value.removeprefix("-").isdigit():
            of_asset = known and "asset" in values
            shown = _trimmed(decimal_text(int(value), quantity_decimals if of_asset else MONEY_DECIMALS))
        elif name in MOMENTS:
            shown = _moment(value)
        elif name == "value" and isinstance(value, str):
            shown = _trimmed(decimal_text(int(value), MONEY_DECIMALS))
        elif name == "value" and known:  # price times quantity, in the units of both
            shown = _trimmed(decimal_text(value, price_decimals + quantity_decimals))
        elif isinstance(value, REASONS):
            shown = value.name
        elif name == "reason":
            shown = Reason(value).name
        elif name in WORDS:
            shown = WORDS[name].get(value, str(value))
        else:
            shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        fields[name] = shown
    return fields


def _nested(value: Any, decimals: Mapping[str, tuple[int, int]], within: str) -> str:
    """A part of an entry: an order of a list, an entry of a quote, an order as it stands, a share of a trade."""
    if not isinstance(value, msgspec.Struct):
        return str(value)
    return " ".join(f"{name}={_quoted(text)}" for name, text in readable(value, decimals, within).items())


def json_line(number: int, moment: int, entry: Command | Event, terms: Terms) -> str:
    """As it is stored: whole units, and time in nanoseconds."""
    values = {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "seq"}
    if values.get("password"):
        values["password"] = "(hidden)"
    line = {"number": number, "time": moment, "kind": type(entry).__name__, **msgspec.to_builtins(values)}
    return json.dumps(line, ensure_ascii=False)


def _moment(nanoseconds: int) -> str:
    try:
        moment = _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return f"{nanoseconds}ns"
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _trimmed(text: str) -> str:
    """Without the zeros behind the second decimal."""
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}" if decimals else whole


def _quoted(text: str) -> str:
    plain = text.isprintable() and not any(character in ' "=\\' for character in text)
    return text if plain else json.dumps(text)


# ---------------------------------------------------------------------------------------------------- archive


def _archive(args: argparse.Namespace) -> int:
    # What reads ledger and history is imported for this alone: the exchange imports this module.
    from fixserver.archive import limits, put_away
    from fixserver.config import load
    from fixserver.database_process import Busy
    from fixserver.manifest import Refused
    from following.database import Refused as DatabaseRefused

    config = load(args.config)
    try:
        done = put_away(config, args.data, args.to, keep_days=args.keep_days, say=_progress)
    except (Refused, Busy, DatabaseRefused, OSError) as error:
        raise FilesWrong(str(error)) from None
    _progress("")
    for put in done:
        print(f"{put.path} archived: {put.bytes:,} bytes, compressed {put.compressed:,}")
    if not done:
        print("nothing can be archived yet")
    for name in ("journal", "events"):
        limit = min(limits(config, args.data, name), key=lambda limit: limit.needed)
        print(f"{name:<10} begins with number {segments(args.data / name)[0][0]:,}; {limit.who} from {limit.needed:,} on")
    return 0


def _archived_text(directory: Path) -> str:
    where = archive_of(directory)
    return f". They were archived to {where}: --archive reads them too" if where is not None else ""


def _archive_lines(data: Path, archive: bool) -> Iterator[str]:
    """What was archived of the logs. Raises LogMissing."""
    for name in ("journal", "events"):
        where = archive_of(data / name)
        if where is None:
            continue
        if not archive:
            yield f"archive    what was before in {name} is in {where}, and is not looked at without --archive"
            continue
        try:
            begins = segments(data / name)[0][0]
            found = [path for first, path in archived_segments(data / name) if first < begins]
        except ArchiveAway as error:
            raise LogMissing(f"{data / name}: {error}") from None
        yield f"archive    {_many(len(found), 'segment')} of {name} in {where}"


# ----------------------------------------------------------------------------------------------------- forget


def _forget(args: argparse.Namespace) -> int:
    venue = _Venue(args.data)
    lock = os.open(args.data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FilesWrong(f"{args.data}: the exchange is running. Stop it first") from None
        cut_from, why = _first_difference(venue)
        ahead = [path for number, path in snapshots(args.data / "snapshots") if number > venue.engine.command_seq]
        sessions = args.data / "sessions"
        reported = last_reported_event(sessions)
        void = _free_name(args.data / "sessions.void") if reported > venue.engine.event_seq else None
        _progress("")
        if not why and not ahead and void is None:
            print("there is nothing to forget: the event log is what the journal says")
            return 0
        print(f"the journal ends with command {venue.engine.command_seq}, event {venue.engine.event_seq}")
        if why:
            print(f"{why}\nthe event log is cut so that it ends with event {cut_from - 1}")
        for path in ahead:
            print(f"{path} is ahead of the journal and is removed")
        if void is not None:
            print(
                f"{sessions}: reports up to event {reported} were sent. It is put aside as {void.name}: sequence numbers go on from"
                " the clients' next Logons"
            )
        if not args.yes and not _confirmed():
            print("nothing was changed", file=sys.stderr)
            return EXIT_WRONG
        for path in ahead:
            path.unlink()
        if void is not None:
            sessions.rename(void)
        if why:
            cut = truncate(args.data / "events", cut_from)
            print(
                f"{cut:,} bytes were cut. Before the venue is started again, rebuild the ledger: fixserver ledger rebuild --replace"
            )
        return 0
    finally:
        os.close(lock)
        venue.close()


def _first_difference(venue: _Venue) -> tuple[int, str]:
    """The first event at which the event log is not what the journal says, and in which way; 0 and nothing where it is.

    Leaves the engine at the end of the journal."""
    engine, directory = venue.engine, venue.data / "events"
    cut_from, why = 0, ""

    def written() -> Record | None:
        nonlocal cut_from, why
        if why:
            return None
        try:
            return venue.written()
        except LogNewer:
            raise
        except LogDamaged as error:
            cut_from, why = error.due, str(error)
        except LogMissing as error:
            cut_from, why = venue.events.next_number, str(error)
        return None

    for batch in venue.batches():
        expected = venue.applied(batch)
        record = written()
        if record is not None and not says_the_same(record, expected):
            cut_from, why = expected[0], f"{directory}: event {expected[0]} is not what the journal says"
    record = written()
    if record is not None:
        cut_from, why = record[0], f"{directory}: goes on behind event {engine.event_seq}, where the journal ends"
    return cut_from, why


def _free_name(path: Path) -> Path:
    """`path`, or with the first number behind it that is not taken."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        print("nobody is there to be asked; --yes does it", file=sys.stderr)
        return False
    return input("type yes to go on: ").strip() == "yes"
