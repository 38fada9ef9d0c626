"""Order entry while the exchange is gone, hangs, or comes back: what was not sent is said so, what was is never sent again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fixserver.web import desk
from tests.light import light_venue
from tests.venue import Venue, wait_for
from tests.web.asking import refusal
from tests.web_orders.conftest import Person, wait_for_order_entry

ORDER: dict[str, Any] = {"symbol": "AAPL", "side": "buy", "quantity": "1", "price": "90.00"}
NOTHING_SENT = (503, "no-exchange", "the exchange cannot be reached now: nothing was sent")


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with light_venue(tmp_path_factory.mktemp("outages"), history={"enabled": False}) as venue:
        venue.start("marketdata")
        yield venue


@pytest.fixture
def trader(venue: Venue, names: Iterator[str]) -> Iterator[Person]:
    """Somebody who has no orders yet, at a venue that is up."""
    wait_for_order_entry(venue)
    person = Person(venue, next(names))
    assert person.orders() == []
    yield person
    person.http.close()


def test_while_the_exchange_is_gone_nothing_is_sent_and_then_all_goes_on(venue: Venue, trader: Person) -> None:
    before = trader.enter(**ORDER, cl_ord_id="before")
    venue.kill()
    wait_for(lambda: trader.post(**ORDER).status_code == 503, "the loss is noticed")
    for answer in (
        trader.post(**ORDER), trader.patch(before["order_id"], price="91.00"), trader.delete(before["order_id"]),
        trader.http.delete("/orders"),
    ):  # fmt: skip
        assert refusal(answer) == NOTHING_SENT
        assert answer.headers["retry-after"] == "1"
    assert trader.orders() == [before]  # what the feed knows is still there to be seen
    venue.start()
    wait_for_order_entry(venue)
    after = trader.enter(**ORDER)
    assert trader.orders() == [before, after]
    assert trader.change(before, price="89.00")["price"] == "89.00"
    assert trader.http.delete("/orders").json() == {"canceled": 2}


def test_what_was_on_its_way_when_the_exchange_died_is_never_sent_again(venue: Venue, trader: Person) -> None:
    process = venue.processes["exchange"]
    os.kill(process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(trader.post, **ORDER, cl_ord_id="lost")
        wait_for(lambda: venue.metrics("marketdata")["fixserver_order_entry_waiting"] == 1, "it has been sent")
        venue.kill()
        assert refusal(answer.result()) == (
            504, "no-answer",
            "the connection to the exchange was lost before it answered: it may have been taken, see the open orders",
        )  # fmt: skip
    venue.start()
    wait_for_order_entry(venue)
    found = trader.enter(**ORDER, cl_ord_id="lost")  # a name that the exchange has not seen
    assert trader.orders() == [found]


def test_an_exchange_that_does_not_answer_may_have_taken_it(venue: Venue, trader: Person) -> None:
    os.kill(venue.processes["exchange"].pid, signal.SIGSTOP)
    try:
        answer = trader.post(**ORDER, cl_ord_id="late")
    finally:
        os.kill(venue.processes["exchange"].pid, signal.SIGCONT)
    said = f"the exchange has not answered within {desk.ANSWER_SECONDS:g} s: it may have been taken, see the open orders"
    assert refusal(answer) == (504, "no-answer", said)
    # It was.
    found = wait_for(trader.orders, "the order is there")
    assert [one["cl_ord_id"] for one in found] == ["late"]
    assert trader.enter(**ORDER)["status"] == "new"


def test_a_feed_that_starts_before_the_exchange_waits_for_it(venue: Venue) -> None:
    venue.end("marketdata")
    venue.end("exchange")
    venue.start("marketdata")
    trader = Person(venue, "TRADER8")
    try:
        assert refusal(trader.http.delete("/orders")) == NOTHING_SENT
        venue.start()
        wait_for_order_entry(venue)
        assert trader.enter(**ORDER)["status"] == "new"
    finally:
        trader.http.close()
