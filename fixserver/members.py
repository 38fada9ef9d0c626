"""Who may log on with which password: what the event log says, beside the configuration; it checks no password itself.

Participants are those of the configuration, and those whom an operator has added while the venue ran. One whom the
configuration has named once and names no longer is none.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from matching.messages import Access, AccessSet, EventBatch, ParticipantDefined

FILE = "members.json"


class Member(msgspec.Struct):
    """A participant as the events have him. `configured`: the configuration has named him."""

    password: str = ""
    access: Access = "normal"
    configured: bool = False


def password_hash(configured_hash: str | None, member: Member | None) -> str:
    """What a password is checked against; empty for one who may not log on. `configured_hash` is None for one whom the
    configuration does not name."""
    if member is None:
        return configured_hash or ""
    if member.access == "suspended" or (configured_hash is None and member.configured):
        return ""
    return member.password or configured_hash or ""


class Members:
    """The participants of the events up to some point, kept in a file of a process that does not read the log from its
    beginning. To read an event twice changes nothing, so the file may be ahead of where the process goes on, not behind."""

    def __init__(self, directory: Path, *, from_file: bool) -> None:
        """Without `from_file` the log is read from its beginning, and what is in the file is of another past."""
        self._path = directory / FILE
        self.by_name: dict[str, Member] = {}
        self.changed: list[str] = []  # since somebody last looked
        if from_file and self._path.exists():
            self.by_name = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Member])

    def apply(self, batch: EventBatch) -> None:
        """Take the next record of the event log, and keep what it says. Raises OSError."""
        count = len(self.changed)
        for event in batch.events:
            if isinstance(event, ParticipantDefined):
                member = self.by_name.setdefault(event.participant, Member())
                member.password = event.password
                member.configured = member.configured or not event.by
                self.changed.append(event.participant)
            elif isinstance(event, AccessSet):
                self.by_name.setdefault(event.participant, Member()).access = event.access
                self.changed.append(event.participant)
        if len(self.changed) > count:
            self._save()

    def _save(self) -> None:
        # It holds hashes of passwords: nobody else reads it.
        partial = self._path.with_suffix(".partial")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(self.by_name))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
