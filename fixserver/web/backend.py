"""What the handlers of REST work with; whoever runs the web makes one and fills in what he has. It does nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litestar.di import NamedDependency

from fixserver.config import Config
from fixserver.members import Members
from fixserver.web.auth import SignIn
from fixserver.web.counters import RequestCounters
from fixserver.web.desk import OrderDesk
from fixserver.web.health import HealthCheck
from fixserver.web.ledger import LedgerReader
from fixserver.web.past import Past
from fixserver.web.progress import Progress
from marketdata.feed import Feed
from marketdata.tape import Tape
from marketdata.viewing import Views


@dataclass
class Backend:
    """`era` is that of the process. What is None is not there, and what needs it is answered with 503.

    `tape` is to be given every record that the feed takes, `progress` be told of it, and `sign_in.end` be called with the name
    of every participant of whom Members say that something changed.
    """

    config: Config
    data: Path
    feed: Feed
    members: Members
    era: str
    views: Views
    stream: Any = None
    desk: OrderDesk | None = None
    note: Callable[..., None] | None = None  # told who signs in and out
    traffic: Any = None
    sign_in: SignIn = field(init=False)
    counters: RequestCounters = field(init=False)
    tape: Tape = field(init=False)
    ledger: LedgerReader = field(init=False)
    past: Past = field(init=False)
    health: HealthCheck = field(init=False)
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.sign_in = SignIn(self.config, self.members, note=self.note)
        self.counters = RequestCounters(self.sign_in)
        depth = self.feed.depth
        # Without a history there is nobody to ask for what was before; where nothing has traded, that is nothing.
        untraded = not self.config.history.enabled and all(book.last is None for book in depth.books.values())
        self.tape = Tape(0 if untraded else depth.cursor, depth.cursor)
        self.ledger = LedgerReader(self.config, self.data)
        self.past = Past(self.config, self.data)
        self.health = HealthCheck()
        self.progress = Progress(depth.cursor)

    def close(self) -> None:
        """End the threads."""
        self.sign_in.close()
        self.ledger.close()
        self.past.close()


Asked = NamedDependency[Backend]  # what a handler asks for as `backend`
