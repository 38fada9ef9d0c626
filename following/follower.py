"""Follows the event log and has somebody write it into a database, in large transactions; it outlives the database.

While the database is away nothing is lost and nobody waits: the events stay in their log, and the cursor, which
the database itself keeps, says from where to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sqlalchemy import BigInteger, CheckConstraint, Column, Connection, Integer, MetaData, Table, insert, select, update

from following.database import DatabaseConflict, DatabaseGone, Refused
from following.eventlog import EventLog, LogHead, Record, record_crc

EVENTS_PER_COMMIT_MAX = 20_000  # or the events of one record, where those are more
POLL_SECONDS = 0.02  # between two looks at a log that had nothing new
GATHER_SECONDS = 0.1  # after a commit that emptied the log: few large commits leave the disk to the exchange
RECONNECT_SECONDS = 1.0
CONFIRM_SECONDS = 5.0  # without anything to write: is the database still there?
CONFLICTS_MAX = 10  # in a row
CONFLICT_SECONDS = 0.1

Pause = Callable[[float], bool]  # waits for at most so many seconds; True when it is time to end


class AnotherLog(Refused):
    """The tables were written from other events than these."""


class EventsMissing(Refused):
    """The events given do not go on where the tables end."""


class CursorMoved(Refused):
    """Somebody else writes to these tables."""


class Cursor(NamedTuple):
    """Where tables stand: their last event, the last command that this event may have come from, the time of that
    batch (ns), and the record of the event log that holds it (all 0 in empty ones)."""

    event_seq: int = 0
    command_seq: int = 0
    time: int = 0
    record_first: int = 0
    record_crc: int = 0


class Written(Protocol):
    """What one call of post() did."""

    @property
    def cursor(self) -> Cursor: ...
    @property
    def events(self) -> int: ...


class Writer(Protocol):
    """Who writes events into a database, each once, whatever happens in between: rows and cursor in one transaction.

    `name` is what is written, for people: "ledger"; `anew` how they have it written anew from another log.
    """

    name: str
    anew: str
    cursor: Cursor

    def load(self) -> Cursor:
        """Connect, bring the tables up to date, and read where they stand. Raises DatabaseGone, Refused."""

    def post(self, records: list[Record]) -> Written:
        """Write the events of `records` in one database transaction; those that are there are ignored. Raises DatabaseGone,
        DatabaseConflict, Refused; after any of them: load() first."""

    def confirm(self) -> None:
        """See that the database is there, and stands where this one left it. Raises as post() does."""

    def close(self) -> None:
        """Let go of the connection; what was not committed is undone."""


class Watch:
    """Is told what a Follower does. Nothing, until somebody overrides it."""

    def committed(self, posted: Any) -> None:
        """A transaction was committed, and this is what post() said of it."""

    def database_gone(self, why: str) -> None:
        """The database cannot be reached. Said once until it is back."""

    def database_back(self, event_seq: int, command_seq: int) -> None:
        """The database is there (again), and the tables stand at `event_seq`."""

    def log_behind(self, event_seq: int, head: int) -> None:
        """The log ends before the cursor, as after a loss of power until the exchange has recovered. Said once."""


class Follower:
    """Has `writer` post the event log in `directory` until `pause` says to end."""

    def __init__(
        self, writer: Writer, directory: Path, pause: Pause, watch: Watch | None = None, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self.writer = writer
        self.directory = directory
        self.pause = pause
        self.watch = watch or Watch()
        self.poll_seconds = poll_seconds
        self.head = LogHead(directory)
        self._connected: bool | None = None  # None: never tried
        self._conflicts = 0

    def run(self) -> None:
        """Raises Refused, LogDamaged, LogMissing when a person has to look."""
        try:
            while True:
                try:
                    if self._follow():
                        return
                except DatabaseGone as error:
                    if self._connected is not False:
                        self._connected = False
                        self.watch.database_gone(str(error))
                    if self.pause(RECONNECT_SECONDS):
                        return
                except DatabaseConflict as error:
                    self._conflicts += 1
                    if self._conflicts > CONFLICTS_MAX:
                        text = f"the database refused a transaction {self._conflicts} times in a row: {error}"
                        raise Refused(text) from error
                    if self.pause(CONFLICT_SECONDS):
                        return
        finally:
            self.writer.close()

    def _follow(self) -> bool:
        """Post what comes. True when it is time to end."""
        writer = self.writer
        cursor = writer.load()
        if self._connected is not True:
            self._connected = True
            self.watch.database_back(cursor.event_seq, cursor.command_seq)
        if not self._log_is_ours():
            return True
        log = EventLog(self.directory, writer.cursor.event_seq + 1)
        idle_seconds = 0.0
        try:
            while True:
                records = log.read(EVENTS_PER_COMMIT_MAX)
                posted = writer.post(records)
                if not posted.events:
                    if self.pause(self.poll_seconds):
                        return True
                    idle_seconds += self.poll_seconds
                    if idle_seconds >= CONFIRM_SECONDS:
                        idle_seconds = 0.0
                        writer.confirm()
                    continue
                idle_seconds = 0.0
                self._conflicts = 0
                self.watch.committed(posted)
                if self.pause(0 if posted.cursor.event_seq < self.head.read() else GATHER_SECONDS):
                    return True
        finally:
            log.close()

    def _log_is_ours(self) -> bool:
        """Wait until the log holds the record at which the tables stand. False when it is time to end."""
        name, cursor = self.writer.name, self.writer.cursor
        said = False
        while cursor.event_seq:
            crc = record_crc(self.directory, cursor.record_first)
            if crc == cursor.record_crc:
                break
            if crc is not None:
                raise AnotherLog(
                    f"event {cursor.record_first} of {self.directory} is not what the {name} posted under this number: the {name} "
                    f"belongs to another venue, or the venue lost events and went on. {self.writer.anew}"
                )
            if not said:
                said = True
                self.watch.log_behind(cursor.event_seq, self.head.read())
            if self.pause(RECONNECT_SECONDS):
                return False
        return True


# ----------------------------------------------------------------------------------------- what writers share


def cursor_table(metadata: MetaData) -> Table:
    """One row: the last event that is posted, in the same database transaction as what it says."""
    return Table(
        "cursor",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("event_seq", BigInteger, nullable=False),
        Column("command_seq", BigInteger, nullable=False),
        Column("time", BigInteger, nullable=False),
        # The event log's last record that is posted: by it we know whether a log is the one we followed.
        Column("record_first", BigInteger, nullable=False),
        Column("record_crc", BigInteger, nullable=False),
        CheckConstraint("id = 1", name="one_row"),
    )


def read_cursor(connection: Connection, table: Table) -> Cursor | None:
    """None where there is no row yet."""
    row = connection.execute(select(*(table.c[name] for name in Cursor._fields))).first()
    return Cursor(*row) if row is not None else None


def begin_cursor(connection: Connection, table: Table) -> None:
    """Stand before the first event."""
    connection.execute(insert(table), [{"id": 1, **Cursor()._asdict()}])


def move_cursor(connection: Connection, table: Table, before: Cursor, after: Cursor, name: str) -> None:
    """Raises CursorMoved where it is not at `before`."""
    moved = connection.execute(update(table).where(table.c.event_seq == before.event_seq).values(**after._asdict()))
    if moved.rowcount != 1:
        raise _moved(before, name)


def confirm_cursor(connection: Connection, table: Table, cursor: Cursor, name: str) -> None:
    """Raises CursorMoved where it is somewhere else."""
    with connection.begin():
        if read_cursor(connection, table) != cursor:
            raise _moved(cursor, name)


def _moved(cursor: Cursor, name: str) -> CursorMoved:
    return CursorMoved(f"the {name} no longer stands at event {cursor.event_seq}: another process posts to it. Stop one of the two")


def due_records(records: list[Record], cursor: Cursor, name: str) -> Iterator[Record]:
    """Those that come behind `cursor`. Raises EventsMissing where they do not go on there."""
    due = cursor.event_seq + 1
    for record in records:
        if record.last < due:
            continue
        if record.first != due:
            raise EventsMissing(f"event {due} is due in the {name}, and it was given events {record.first} to {record.last}")
        yield record
        due = record.last + 1


def cursor_behind(record: Record) -> Cursor:
    """Where tables stand when all of `record` is in them."""
    return Cursor(record.last, record.batch.command_seq, record.batch.time, record.first, record.crc)
