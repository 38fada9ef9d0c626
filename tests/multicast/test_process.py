"""The multicast feed of a real venue: books by UDP and TCP, restarts, and what the recovery port does with whoever is hostile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.multicast.listening import Listener
from tests.venue import Venue, order, wait_for


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener(lambda: venue_of[listener].ports("marketdata")["recovery"])
    yield listener
    listener.close()


venue_of: dict[Listener, Venue] = {}


@pytest.fixture
def venue(tmp_path: Path, listener: Listener) -> Iterator[Venue]:
    with Venue(tmp_path, multicast={"group": "127.0.0.1", "port": listener.port}, web={"enabled": False}) as venue:
        venue_of[listener] = venue
        venue.start("marketdata")
        yield venue


def test_a_book_by_udp(venue: Venue, listener: Listener) -> None:
    client = venue.client("TRADER1").logon()
    client.send("D", order("A1", "1", 10, "100.00"))
    client.expect("8", "39=0")
    client.send("D", order("A2", "2", 5, "101.00"))
    client.expect("8", "39=0")

    def there() -> bool:
        listener.take()
        listener.recover()
        book = listener.receiver.books.get("AAPL")
        return listener.receiver.whole and book is not None and book.bids() and book.offers()

    wait_for(there, "both orders")
    book = listener.receiver.books["AAPL"]
    assert [row[:2] for row in book.bids()] == [(10_000, 10)]
    assert [row[:2] for row in book.offers()] == [(10_100, 5)]
