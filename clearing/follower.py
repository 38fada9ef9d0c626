"""Follows the event log and has the ledger post it, in large transactions; it outlives its database.

While the database is away nothing is lost and nobody waits: the events stay in their log, and the cursor, which
the database itself keeps, says from where to go on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clearing.database import DatabaseConflict, DatabaseGone
from clearing.eventlog import EventLog, LogHead, record_crc
from clearing.ledger import Ledger, Posted
from clearing.postings import LedgerRefused

EVENTS_PER_COMMIT_MAX = 20_000  # or the events of one record, where those are more
POLL_SECONDS = 0.02  # between two looks at a log that had nothing new
GATHER_SECONDS = 0.1  # after a commit that emptied the log: few large commits leave the disk to the exchange
RECONNECT_SECONDS = 1.0
CONFLICTS_MAX = 10  # in a row
CONFLICT_SECONDS = 0.1

Pause = Callable[[float], bool]  # waits for at most so many seconds; True when it is time to end


class AnotherLog(LedgerRefused):
    """The ledger was posted from other events than these."""


class Watch:
    """Is told what a Follower does. Nothing, until somebody overrides it."""

    def committed(self, posted: Posted) -> None:
        """A transaction was committed."""

    def database_gone(self, why: str) -> None:
        """The database cannot be reached. Said once until it is back."""

    def database_back(self, event_seq: int, command_seq: int) -> None:
        """The database is there (again), and the ledger stands at `event_seq`."""

    def log_behind(self, event_seq: int, head: int) -> None:
        """The log ends before the ledger's cursor, as after a loss of power until the exchange has recovered. Said once."""


class Follower:
    """Posts the event log in `directory` until `pause` says to end."""

    def __init__(self, ledger: Ledger, directory: Path, pause: Pause, watch: Watch | None = None) -> None:
        self.ledger = ledger
        self.directory = directory
        self.pause = pause
        self.watch = watch or Watch()
        self.head = LogHead(directory)
        self._connected: bool | None = None  # None: never tried
        self._conflicts = 0

    def run(self) -> None:
        """Raises LedgerRefused, LogDamaged, LogMissing when a person has to look."""
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
                        raise LedgerRefused(text) from error
                    if self.pause(CONFLICT_SECONDS):
                        return
        finally:
            self.ledger.close()

    def _follow(self) -> bool:
        """Post what comes. True when it is time to end."""
        ledger = self.ledger
        cursor = ledger.load()
        if self._connected is not True:
            self._connected = True
            self.watch.database_back(cursor.event_seq, cursor.command_seq)
        if not self._log_is_ours():
            return True
        log = EventLog(self.directory, ledger.cursor.event_seq + 1)
        try:
            while True:
                records = log.read(EVENTS_PER_COMMIT_MAX)
                posted = ledger.post(records)
                if not posted.events:
                    if self.pause(POLL_SECONDS):
                        return True
                    continue
                self._conflicts = 0
                self.watch.committed(posted)
                if self.pause(0 if posted.cursor.event_seq < self.head.read() else GATHER_SECONDS):
                    return True
        finally:
            log.close()

    def _log_is_ours(self) -> bool:
        """Wait until the log holds the record at which the ledger stands. False when it is time to end."""
        cursor = self.ledger.cursor
        said = False
        while cursor.event_seq:
            crc = record_crc(self.directory, cursor.record_first)
            if crc == cursor.record_crc:
                break
            if crc is not None:
                raise AnotherLog(
                    f"event {cursor.record_first} of {self.directory} is not what the ledger posted under this number: the ledger "
                    "belongs to another venue, or the venue lost events and went on. `fixserver ledger rebuild` posts this log anew"
                )
            if not said:
                said = True
                self.watch.log_behind(cursor.event_seq, self.head.read())
            if self.pause(RECONNECT_SECONDS):
                return False
        return True
