"""The depth is the engine's book: by order with its queue, and by price, after every record of the event log."""

from __future__ import annotations

from pathlib import Path

import pytest
from md_stand import REFERENCE, START, SYMBOLS, Flow, Stand, Venue

from marketdata import checkpoint
from marketdata.depth import Depth
from marketdata.feed import Feed
from matching.messages import BUY, DAY, FOK, GTC, IOC, MARKET, SELL, RollDay


def by_order(depth: Depth, symbol: str, side: str) -> list[tuple[int, int, int]]:
    return [(order.order_id, order.price, order.quantity) for order in depth.books[symbol].side(side).orders()]  # type: ignore[arg-type]


def by_price(depth: Depth, symbol: str, side: str) -> list[tuple[int, int, int]]:
    book_side = depth.books[symbol].side(side)  # type: ignore[arg-type]
    return [(price, book_side.levels[price].quantity, len(book_side.levels[price].orders)) for price in book_side.prices()]


def assert_equal(depth: Depth, venue: Venue) -> None:
    depth.check()
    for symbol in SYMBOLS:
        for side in (BUY, SELL):
            assert by_order(depth, symbol, side) == venue.by_order(symbol, side)
            assert by_price(depth, symbol, side) == venue.by_price(symbol, side)


@pytest.mark.parametrize("seed", range(4))
def test_random_commands_give_the_engines_book(tmp_path: Path, seed: int) -> None:
    venue = Venue(tmp_path)
    feed = Feed(tmp_path)
    feed.catch_up()
    trades = 0
    for commands in Flow(venue, seed).batches(2_000):
        venue.submit(commands)
        for _ in feed.records(0):
            trades += sum(len(book.trades) for book in feed.depth.changed.values())
            assert_equal(feed.depth, venue)
    assert feed.depth.cursor == venue.engine.event_seq
    assert trades > 100 and feed.depth.orders, f"seed {seed} tests little"
    feed.close()
    venue.close()


def test_an_order_that_cannot_rest_is_never_in_the_book(stand: Stand) -> None:
    venue, depth = stand.venue, stand.feed.depth
    stand.submit(venue.order("ALICE", SELL, 1001, 5))
    stand.submit(venue.order("BOB", BUY, 1002, 9, time_in_force=IOC))
    assert by_order(depth, "AAPL", BUY) == by_order(depth, "AAPL", SELL) == []
    stand.submit(venue.order("BOB", BUY, 1002, 9, time_in_force=FOK))
    stand.submit(venue.order("BOB", BUY, 0, 9, order_type=MARKET))
    assert by_order(depth, "AAPL", BUY) == []
    assert depth.orders == {}


def test_statistics_of_a_day_and_the_next(stand: Stand) -> None:
    venue, book = stand.venue, stand.feed.depth.books["AAPL"]
    assert book.statistics() == {}
    for price, quantity in ((1000, 3), (1010, 1), (990, 2)):
        stand.submit(venue.order("ALICE", SELL, price, quantity), venue.order("BOB", BUY, price, quantity))
    # 3 at 10.00, 1 at 10.10, 2 at 9.90: on average 59.90 / 6 = 9.983333...
    assert book.statistics() == {"4": 1000, "7": 1010, "8": 990, "9": 9_983_333, "B": 6}
    stand.submit(RollDay("20240102"))
    assert book.statistics() == {"5": 990}
    stand.submit(RollDay("20240103"))  # a day without a trade keeps the closing price
    assert book.statistics() == {"5": 990}
    stand.submit(venue.order("ALICE", SELL, 1005, 1), venue.order("BOB", BUY, 1005, 1))
    assert book.statistics() == {"4": 1005, "5": 990, "7": 1005, "8": 1005, "9": 10_050_000, "B": 1}


def test_day_orders_leave_the_book_when_the_day_rolls(stand: Stand) -> None:
    venue = stand.venue
    stand.submit(venue.order("ALICE", BUY, 999, 1, time_in_force=DAY), venue.order("ALICE", BUY, 999, 2, time_in_force=GTC))
    stand.submit(RollDay("20240102"))
    assert by_price(stand.feed.depth, "AAPL", BUY) == [(999, 2, 1)]


# ---------------------------------------------------------------------------------------- checkpoint


def run(venue: Venue, seed: int, count: int) -> None:
    for commands in Flow(venue, seed).batches(count):
        venue.submit(commands)


def test_a_restart_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    venue = Venue(tmp_path)
    run(venue, 1, 200)
    feed = Feed(tmp_path)
    feed.catch_up()
    feed.save_checkpoint()
    feed.close()
    at = feed.depth.cursor
    run(venue, 2, 200)
    again = Feed(tmp_path)
    assert again.depth.cursor == at
    assert f"goes on at event {at + 1}" in again.origin
    again.catch_up()
    assert_equal(again.depth, venue)
    fresh = Depth()
    whole = Feed(tmp_path / "other")
    whole.close()
    (tmp_path / "marketdata" / checkpoint.FILE).unlink()
    whole = Feed(tmp_path)
    assert whole.depth.cursor == 0
    whole.catch_up()
    assert checkpoint.encode_depth(whole.depth) == checkpoint.encode_depth(again.depth)
    assert checkpoint.encode_depth(fresh) != checkpoint.encode_depth(again.depth)
    assert whole.candles.state() == again.candles.state()
    assert whole.own.state() == again.own.state()
    whole.close()
    again.close()
    venue.close()


def test_a_damaged_checkpoint_is_ignored(tmp_path: Path) -> None:
    venue = Venue(tmp_path)
    run(venue, 1, 20)
    feed = Feed(tmp_path)
    feed.catch_up()
    feed.save_checkpoint()
    feed.close()
    path = tmp_path / "marketdata" / checkpoint.FILE
    whole = path.read_bytes()
    step = max(1, len(whole) // 50)
    for cut in range(0, len(whole), step):
        path.write_bytes(whole[:cut])
        kept, origin = checkpoint.load(path.parent, tmp_path / "events")
        assert kept.depth.cursor == 0 and "begins at event 1" in origin
        flipped = bytearray(whole)
        flipped[cut] ^= 0x10
        path.write_bytes(flipped)
        kept, origin = checkpoint.load(path.parent, tmp_path / "events")
        assert kept.depth.cursor == 0 and "begins at event 1" in origin
    venue.close()


def test_a_checkpoint_of_another_past_is_ignored(tmp_path: Path) -> None:
    venue = Venue(tmp_path / "one")
    run(venue, 1, 50)
    feed = Feed(tmp_path / "one")
    feed.catch_up()
    feed.save_checkpoint()
    feed.close()
    venue.close()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "marketdata").rename(tmp_path / "two" / "marketdata")
    # an event log that ends before the checkpoint, and one that goes another way
    other = Venue(tmp_path / "two")
    feed = Feed(tmp_path / "two")
    assert feed.depth.cursor == 0 and "another record" in feed.origin
    feed.close()
    run(other, 2, 60)
    feed = Feed(tmp_path / "two")
    assert feed.depth.cursor == 0 and "another record" in feed.origin
    feed.catch_up()
    assert_equal(feed.depth, other)
    feed.close()
    other.close()


def test_the_feed_starts_before_the_venue_does(tmp_path: Path) -> None:
    feed = Feed(tmp_path)
    assert list(feed.records(0)) == []
    venue = Venue(tmp_path)
    venue.submit([venue.order("ALICE", BUY, REFERENCE, 1)])
    feed.catch_up()
    assert_equal(feed.depth, venue)
    assert feed.depth.time > START
    feed.close()
    venue.close()
