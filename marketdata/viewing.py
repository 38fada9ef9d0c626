"""Which views are held, so that whoever asks for the same has the same numbers; it never knows what for.

A view that nobody holds any more is kept up for VIEW_KEPT_SECONDS: who comes back in between finds its numbers go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from marketdata.depth import Depth
from marketdata.views import Entry, View, ViewKey

VIEW_KEPT_SECONDS = 60.0
VIEWS_KEPT_MAX = 1_000  # that nobody holds; of more, the one that was let go first is dropped


class Published(NamedTuple):
    """What a record changed in a view: its entries, of which the first is numbered `first`."""

    view: View
    first: int
    entries: list[Entry]


class Views:
    """The views of a depth. `era` names the numbers of this process; those of a view are named by it and a count."""

    def __init__(self, depth: Depth, era: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is monotonic, in seconds."""
        self.depth = depth
        self.era = era
        self.clock = clock
        self._made = 0
        self._views: dict[ViewKey, View] = {}
        self._holders: dict[ViewKey, int] = {}
        self._let_go: dict[ViewKey, float] = {}  # when, the oldest first
        self._of_instrument: dict[str, list[View]] = {}

    def __len__(self) -> int:
        """How many are kept up."""
        return len(self._views)

    def find(self, key: ViewKey) -> View:
        """The view as it is now, for one look: its numbers are those of others, if anybody holds it."""
        return self._views.get(key) or View(key, self.depth.books[key.instrument])

    def hold(self, key: ViewKey) -> View:
        """The view, published from the next record on until it is released as often as it was held. KeyError: not traded here."""
        view = self._views.get(key)
        if view is None:
            book = self.depth.books[key.instrument]
            self._made += 1
            view = self._views[key] = View(key, book, f"{self.era}-{self._made}")
            self._of_instrument.setdefault(key.instrument, []).append(view)
        self._let_go.pop(key, None)
        self._holders[key] = self._holders.get(key, 0) + 1
        return view

    def release(self, key: ViewKey) -> None:
        self._holders[key] -= 1
        if not self._holders[key]:
            del self._holders[key]
            self._let_go[key] = self.clock()
            self._forget()

    def publish(self) -> list[Published]:
        """What the record just applied changed. To be asked once after each Depth.apply, by one, who tells all others."""
        if self._let_go:
            self._forget()
        found = []
        for instrument in self.depth.changed:
            for view in self._of_instrument.get(instrument, ()):
                first = view.rpt_seq + 1
                entries = view.changes()
                if entries:
                    found.append(Published(view, first, entries))
        return found

    def _forget(self) -> None:
        """Drop what nobody has held for long, or what is too much of it."""
        since = self.clock() - VIEW_KEPT_SECONDS
        while self._let_go:
            key, let_go = next(iter(self._let_go.items()))
            if let_go > since and len(self._let_go) <= VIEWS_KEPT_MAX:
                return
            del self._let_go[key]
            of_instrument = self._of_instrument[key.instrument]
            of_instrument.remove(self._views.pop(key))
            if not of_instrument:
                del self._of_instrument[key.instrument]
