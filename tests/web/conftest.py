"""A venue of all its processes for a module of tests, and who asks it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.light import light_venue
from tests.operator.conftest import Operator
from tests.venue import TRADER, Client, Venue, order, wait_for

PARTICIPANTS = {f"TRADER{number}": TRADER for number in range(1, 13)}
INSTRUMENTS: dict[str, dict[str, Any]] = {symbol: {} for symbol in ("AAPL", "MSFT", "BTC/USD", "PAGED", "BUSTED", "IDLE")}
HOLDINGS = {"AAPL": "1_000_000", "MSFT": "1_000_000", "PAGED": "1_000_000", "BUSTED": "1_000_000", '"BTC/USD"': "1_000"}


class Asking:
    """Somebody who asks a venue over HTTP, and two traders who let something happen there."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.http = httpx.Client()
        self.connect()
        self._orders = 0
        self._sessions: dict[str, Client] = {}

    def connect(self) -> None:
        """To the port that the feed has now."""
        self.http.close()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.venue.ports('marketdata')['http']}", timeout=20)

    def close(self) -> None:
        self.http.close()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get("/v1/" + path, **options)

    def json(self, path: str, **options: Any) -> Any:
        """The answer to what must work."""
        answer = self.get(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sign_in(self, name: str, password: str = "demo") -> dict[str, str]:
        """The headers of one who has signed in."""
        answer = self.http.post("/v1/login", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        return {"authorization": f"Bearer {answer.json()['token']}"}

    def session(self, name: str) -> Client:
        found = self._sessions.get(name)
        if found is None:
            found = self._sessions[name] = self.venue.client(name).logon()
        return found

    def enter(self, name: str, side: str, quantity: int, price: str, symbol: str = "AAPL", more: str = "") -> str:
        """Enter an order by FIX, and see it taken; returns its OrderID."""
        self._orders += 1
        cl_ord_id = f"O{self._orders}"
        client = self.session(name)
        client.send("D", order(cl_ord_id, side, quantity, price, symbol, more))
        return client.drain(lambda message: message.get(11) == cl_ord_id)[-1][37]

    def trade(self, buyer: str, seller: str, quantity: int = 10, price: str = "100.00", symbol: str = "AAPL") -> str:
        """One trade; returns its event. The buyer makes."""
        self.enter(buyer, "1", quantity, price, symbol)
        self.enter(seller, "2", quantity, price, symbol)
        filled = self.session(seller).drain(lambda message: message.get(150) == "F")[-1]
        return filled[17].rstrip("MT")

    def wait_for_event(self, number: str | int) -> None:
        """Until the feed has it."""
        wait_for(lambda: self.json("status")["event_number"] >= int(number), f"event {number} in the feed")


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    participants = {name: {**terms, "holdings": HOLDINGS} for name, terms in PARTICIPANTS.items()}
    with light_venue(tmp_path_factory.mktemp("web"), instruments=INSTRUMENTS, participants=participants) as venue:
        venue.start_together("clearing", "history", "marketdata")
        yield venue


@pytest.fixture(scope="module")
def asking(venue: Venue) -> Iterator[Asking]:
    made = Asking(venue)
    yield made
    made.close()


@pytest.fixture(scope="module")
def operator(venue: Venue) -> Iterator[Operator]:
    with Operator(venue) as found:
        yield found
