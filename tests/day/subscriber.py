"""A subscriber of the feed for the whole day, who keeps every book that he is told of; he never asks a second time."""

from __future__ import annotations

import threading

from marketdata.rebuild import BookBuilder
from matching.engine import Engine
from tests.day.checks import feed_differs
from tests.day.plan import PAPERS
from tests.day.traders import phase_told
from tests.venue import Client, Nothing, Venue

ENTRY_TYPES = "01245789ABQ"
LOOK_SECONDS = 0.05


class Subscriber:
    """By price and by order, the whole book of each paper. Read `builders` when stop() has returned, or under `lock`."""

    def __init__(self, venue: Venue, name: str) -> None:
        self.client = Client(lambda: venue.ports("marketdata")["fix"], name, "FIXT.1.1", target="FIXSERVER-MD")
        venue.clients.append(self.client)
        self.builders = {"price": BookBuilder(False), "order": BookBuilder(True)}
        self.told: list[tuple[str, str, str]] = []  # of phases, as the traders are
        self.lock = threading.Lock()
        self.failure: BaseException | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)

    def start(self) -> None:
        self.client.logon()
        kinds = "".join(f"269={kind}|" for kind in ENTRY_TYPES)
        symbols = "".join(f"55={symbol}|" for symbol in PAPERS)
        for name, builder in self.builders.items():
            aggregated = "N" if builder.by_order else "Y"
            self.client.send(
                "V",
                f"262={name}|263=1|264=0|265=1|266={aggregated}|267={len(ENTRY_TYPES)}|{kinds}146={len(PAPERS)}|{symbols}",
            )
        self._thread.start()

    def stop(self) -> None:
        """Raises what went wrong, such as a gap."""
        self._stopping.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    message = self.client.receive(LOOK_SECONDS)
                except Nothing:
                    continue
                if message.type == "1":
                    self.client.send("0", f"112={message[112]}|")
                elif message.type in "WX":
                    with self.lock:
                        self.builders[message[262]].take(message.raw.decode())
                elif told := phase_told(message, self.client.begin_string):
                    self.told.append(told)
                else:
                    assert message.type == "0", message
        except BaseException as error:
            self.failure = error

    def differs(self, engine: Engine) -> str:
        """Where a book is not the engine's; empty where all are. Raises what went wrong."""
        if self.failure is not None:
            raise self.failure
        with self.lock:
            return feed_differs(self.builders.values(), engine)
