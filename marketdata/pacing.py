"""How much of a feed a client is sent, by what it has not read and what it has asked for; it sends nothing itself.

A client that does not read what it was sent is conflated: from HELD_BYTES on, or after BEHIND_SECONDS_MAX above RESUME_BYTES, it is
sent nothing, and when it has read down to RESUME_BYTES, all that it follows begins again with a snapshot. If that takes longer than
HELD_SECONDS_MAX, or happens more often than HELDS_MAX times in HELDS_SECONDS, it is cut. A snapshot may be larger than HELD_BYTES:
it is allowed for.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

SNAPSHOT_ENTRIES_MAX = 50_000  # that one request may cause: a snapshot cannot be sent in parts
SNAPSHOT_ENTRIES_PER_SECOND = 50_000  # of one client, so that asking again and again cannot stop the others
SNAPSHOT_BYTES_QUEUED_MAX = 1024 * 1024  # with more than this unread, a client's next snapshot waits
HELD_BYTES = 512 * 1024
RESUME_BYTES = 64 * 1024
BEHIND_SECONDS_MAX = 60.0
HELD_SECONDS_MAX = 30.0
HELDS_MAX = 20
HELDS_SECONDS = 60.0


class Pace(Enum):
    """What to do with a client this turn: send, send nothing (all that it follows is then due a snapshot), or end it."""

    SEND = 1
    HOLD = 2
    CUT = 3


class Pacer:
    """How one client keeps up. Times are of a monotonic clock, in seconds."""

    __slots__ = ("_allowed_bytes", "_asked_at", "_asked_entries", "_behind_since", "_helds", "held_since")

    def __init__(self) -> None:
        self.held_since: float | None = None
        self._asked_entries = 0.0  # for snapshots, less what time has forgiven
        self._asked_at = 0.0
        self._helds: deque[float] = deque(maxlen=HELDS_MAX)
        self._allowed_bytes = HELD_BYTES
        self._behind_since: float | None = None

    def may_have(self, entries: int, now: float) -> bool:
        """Whether a snapshot of so many entries is within what the client may ask for now; counts it if so."""
        due = max(0.0, self._asked_entries - (now - self._asked_at) * SNAPSHOT_ENTRIES_PER_SECOND)
        if due >= SNAPSHOT_ENTRIES_PER_SECOND:
            return False
        self._asked_entries, self._asked_at = due + entries, now
        return True

    def snapshot_sent(self, size_bytes: int, queued_bytes: int) -> None:
        """A snapshot of this size was queued on top of `queued_bytes`: let it be read before judging."""
        self._allowed_bytes = max(self._allowed_bytes, queued_bytes + size_bytes + HELD_BYTES)

    def pace(self, queued_bytes: int, now: float) -> Pace:
        """Judge by what the client has not read yet, each time before something is sent."""
        if queued_bytes <= RESUME_BYTES:
            self._allowed_bytes = HELD_BYTES
            self.held_since = self._behind_since = None
            return Pace.SEND
        if self.held_since is None:
            if self._behind_since is None:
                self._behind_since = now
            if queued_bytes <= self._allowed_bytes and now - self._behind_since <= BEHIND_SECONDS_MAX:
                return Pace.SEND
            self.held_since = now
            if len(self._helds) == HELDS_MAX and now - self._helds[0] < HELDS_SECONDS:
                return Pace.CUT
            self._helds.append(now)
        return Pace.CUT if now - self.held_since > HELD_SECONDS_MAX else Pace.HOLD
