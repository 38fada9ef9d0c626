"""The session log of a feed: the numbers alone; it keeps no message that has been sent.

Market data is never sent a second time. A ResendRequest is answered by a gap fill, and the client asks for a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from fixserver.sessionlog import SessionEntry, SessionLog

NUMBERS_SEGMENT_BYTES_MAX = 4 * 2**20
NUMBERS_SEGMENTS_MAX = 2


class NumbersLog(SessionLog):
    """What is sent while a resend is being answered has to wait for it, and is kept until then."""

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
