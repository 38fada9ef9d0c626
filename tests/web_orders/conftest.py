"""A venue for a module of tests, and people who trade there by REST, with the stream beside it."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from marketdata.streambook import Followed, StreamBuilder
from tests.light import light_venue
from tests.venue import TRADER, WAIT_SECONDS, Venue, wait_for

# Each test has participants of its own.
PARTICIPANTS: dict[str, dict[str, Any]] = {f"TRADER{number}": TRADER for number in range(1, 41)}
PARTICIPANTS["HURRIED"] = TRADER | {"orders_per_second": 1}
PARTICIPANTS["POOR"] = {"cash": "100"}
SYMBOLS = [f"S{number}" for number in range(1, 31)]


class Person:
    """A participant who has signed in, as REST sees him."""

    def __init__(self, venue: Venue, name: str) -> None:
        self.name = name
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{venue.ports('marketdata')['http']}/v1", timeout=WAIT_SECONDS)
        self.token = self.http.post("/login", json={"name": name, "password": "demo"}).json()["token"]
        self.http.headers["authorization"] = f"Bearer {self.token}"

    def post(self, **order: Any) -> httpx.Response:
        return self.http.post("/orders", json=order)

    def enter(self, **order: Any) -> dict[str, Any]:
        """An order that must be taken."""
        answer = self.post(**order)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def change(self, order: dict[str, Any], **changes: Any) -> dict[str, Any]:
        answer = self.patch(order["order_id"], **changes)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def patch(self, order_id: str, **changes: Any) -> httpx.Response:
        return self.http.patch(f"/orders/{order_id}", json=changes)

    def delete(self, order_id: str) -> httpx.Response:
        return self.http.delete(f"/orders/{order_id}")

    def orders(self) -> list[dict[str, Any]]:
        answer = self.http.get("/orders")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["orders"]
        return found


class Tab:
    """A page that is open: its stream."""

    def __init__(self, venue: Venue, person: Person, *topics: str | dict[str, Any]) -> None:
        self.builder = StreamBuilder()
        port = venue.ports("marketdata")["http"]
        self.socket: ClientConnection = connect(f"ws://127.0.0.1:{port}/v1/stream", legacy=True).__enter__()
        self.send(op="login", token=person.token)
        self.send(op="subscribe", topics=list(topics))

    def __enter__(self) -> Tab:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Take messages until something is so; returns that."""
        end = time.monotonic() + WAIT_SECONDS
        while True:
            found = condition()
            if found:
                return found
            self.builder.take(self.socket.recv(timeout=max(end - time.monotonic(), 0.001)))
            assert time.monotonic() < end, what

    def topic(self, name: str) -> Followed:
        """A topic, once it has been told."""
        self.until(lambda: name in self.builder.topics or self.builder.others[1:], f"a snapshot of {name}")
        return self.builder.topics[name]


def wait_for_order_entry(venue: Venue) -> None:
    """Until the web's session is logged on at the exchange."""
    port = venue.ports("marketdata")["http"]

    def there() -> bool:
        parts = httpx.get(f"http://127.0.0.1:{port}/v1/health").json()["parts"]
        return bool(parts["order_entry"]["status"] == "ok")

    wait_for(there, "the web's session is logged on")


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    instruments: dict[str, dict[str, Any]] = {symbol: {} for symbol in SYMBOLS}
    participants = {
        name: {**terms, "holdings": dict.fromkeys(SYMBOLS, "1_000_000")} if terms is not PARTICIPANTS["POOR"] else terms
        for name, terms in PARTICIPANTS.items()
    }
    directory = tmp_path_factory.mktemp("web_orders")
    with light_venue(directory, instruments=instruments, participants=participants, history={"enabled": False}) as venue:
        venue.start_together("clearing", "marketdata")
        wait_for_order_entry(venue)
        yield venue


@pytest.fixture(scope="module")
def names() -> Iterator[str]:
    return iter([name for name in PARTICIPANTS if name.startswith("TRADER")])


@pytest.fixture
def person(venue: Venue, names: Iterator[str]) -> Iterator[Callable[[], Person]]:
    """Makes somebody who has not traded in any other test."""
    made: list[Person] = []

    def make(name: str = "") -> Person:
        made.append(Person(venue, name or next(names)))
        return made[-1]

    yield make
    for one in made:
        one.http.close()


@pytest.fixture(scope="module")
def symbols() -> Iterator[str]:
    return itertools.chain(SYMBOLS)


@pytest.fixture
def symbol(symbols: Iterator[str]) -> str:
    """An instrument in which no other test trades."""
    return next(symbols)
