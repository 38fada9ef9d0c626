"""A limit on messages per second for one participant, higher for cancels; it only counts, and the caller refuses."""

from __future__ import annotations

REFUSED_SECONDS_MAX = 5  # in a row with refusals, and the session is logged out
STATUS_REPORTS_PER_SECOND_MAX = 10_000  # in answer to mass status requests, of any participant
CANCELS = ("F", "q", "Z")


class Throttle:
    """Counts by whole seconds: at most `cancels_per_second` of F, q and Z, and `orders_per_second` of everything else.
    0 is no limit."""

    __slots__ = (
        "_cancels", "_orders", "_refused_seconds", "_refused_this_second", "_second", "_status_reports", "_status_second",
        "cancels_per_second", "limits", "orders_per_second",
    )  # fmt: skip

    def __init__(self, orders_per_second: int, cancels_per_second: int) -> None:
        self.limits = orders_per_second > 0 or cancels_per_second > 0
        self.orders_per_second = orders_per_second
        self.cancels_per_second = cancels_per_second
        self._second = 0
        self._orders = 0
        self._cancels = 0
        self._refused_this_second = False
        self._refused_seconds = 0
        self._status_second = 0
        self._status_reports = 0

    def takes_status_reports(self, count: int, now: float) -> bool:
        """Whether a request may be answered at `now` that looks at `count` orders. One a second may, whatever its count."""
        second = int(now)
        if second != self._status_second:
            self._status_second, self._status_reports = second, 0
        elif self._status_reports + count > STATUS_REPORTS_PER_SECOND_MAX:
            return False
        self._status_reports += count
        return True

    def refusal(self, msg_type: str, now: float) -> str:
        """Why a message at `now` (seconds) is one too many; empty when it is not."""
        second = int(now)
        if second != self._second:
            in_a_row = self._refused_this_second and second == self._second + 1
            self._refused_seconds = self._refused_seconds + 1 if in_a_row else 0
            self._refused_this_second = False
            self._second, self._orders, self._cancels = second, 0, 0
        if msg_type in CANCELS:
            self._cancels += 1
            if not 0 < self.cancels_per_second < self._cancels:
                return ""
            self._refused_this_second = True
            return f"more than {self.cancels_per_second} cancels a second"
        self._orders += 1
        if not 0 < self.orders_per_second < self._orders:
            return ""
        self._refused_this_second = True
        return f"more than {self.orders_per_second} orders a second"

    @property
    def exhausted(self) -> bool:
        """Whether this has gone on for so long that the session is to end."""
        return self._refused_seconds >= REFUSED_SECONDS_MAX
