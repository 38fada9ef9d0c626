"""A client that has only W and X has the engine's very book, and can prove that it missed nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from md_stand import PARTICIPANTS, SYMBOLS, Flow, Stand, price_of, quantity_of

from marketdata.rebuild import BookBuilder, Gap, OpenOrder, PriceLevel
from matching.messages import BUY, SELL, Traded

VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
DEPTHS = (0, 1, 3, 10)


class Follower:
    """A client that subscribes to both instruments and rebuilds them."""

    kinds = "01245789B"

    def __init__(self, stand: Stand, version: str, depth: int, by_order: bool, update_type: str = "1") -> None:
        self.stand, self.depth, self.by_order, self.update_type = stand, depth, by_order, update_type
        self.client = stand.logon(PARTICIPANTS[0], version)
        self.builder = BookBuilder(by_order)
        self.subscribed = False
        self.answered = 0

    def subscribe(self) -> None:
        self.answered += 1
        self.builder = BookBuilder(self.by_order)
        kinds = "".join(f"269={kind}|" for kind in self.kinds)
        symbols = "".join(f"55={symbol}|" for symbol in SYMBOLS)
        self.stand.desk.on_message(
            self.client,
            f"35=V|262=r{self.answered}|263=1|264={self.depth}|265={self.update_type}|266={'N' if self.by_order else 'Y'}|"
            f"267={len(self.kinds)}|{kinds}146={len(SYMBOLS)}|{symbols}".replace("|", "\x01"),
        )
        self.stand.turn()
        self.subscribed = True

    def unsubscribe(self) -> None:
        self.stand.desk.on_message(self.client, f"35=V|262=r{self.answered}|263=2|264=0|".replace("|", "\x01"))
        self.stand.turn()
        self.subscribed = False

    def take(self) -> None:
        for msg_type, body in self.client.sent:
            assert msg_type in ("W", "X")
            assert self.update_type == "1" or msg_type == "W"
            self.builder.take(body, msg_type)
        self.client.sent.clear()

    def assert_equal(self) -> None:
        """The book here is the engine's, as deep as was asked for."""
        for symbol in SYMBOLS:
            book = self.builder.books[symbol]
            for side, rebuilt in ((BUY, book.bids()), (SELL, book.offers())):
                levels = self.stand.venue.by_price(symbol, side)
                levels = levels[: self.depth] if self.depth else levels
                if not self.by_order:
                    assert [
                        (price_of(level.price, symbol), quantity_of(level.size, symbol), level.orders)
                        for level in rebuilt
                        if isinstance(level, PriceLevel)
                    ] == levels
                    continue
                prices = {price for price, _, _ in levels}
                assert [
                    (int(order.order_id), price_of(order.price, symbol), quantity_of(order.size, symbol))
                    for order in rebuilt
                    if isinstance(order, OpenOrder)
                ] == [order for order in self.stand.venue.by_order(symbol, side) if order[1] in prices]
            expected = self.stand.feed.depth.books[symbol].statistics()
            assert set(book.statistics) == set(expected)
            for kind, value in expected.items():
                scaled = book.statistics[kind].scaleb(4 if kind == "9" else 0)
                assert (quantity_of if kind == "B" else price_of)(scaled, symbol) == value


@pytest.mark.parametrize("by_order", [False, True], ids=["by-price", "by-order"])
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_book_after_every_record(stand: Stand, version: str, depth: int, by_order: bool) -> None:
    follower = Follower(stand, version, depth, by_order)
    follower.subscribe()
    for commands in Flow(stand.venue, depth).batches(400):
        stand.submit(*commands)
        follower.take()
        follower.assert_equal()
    assert follower.builder.messages > 100
    assert all(book.snapshots == 1 for book in follower.builder.books.values()), "only increments after the first snapshot"


@pytest.mark.parametrize("seed", range(3))
def test_late_joiners_and_leavers_of_every_kind_under_load(tmp_path: Path, seed: int) -> None:
    """Followers of every version, depth and kind come, go, fall behind and catch up while the market moves in large
    batches; each has the right book whenever it is not behind."""
    stand = Stand(tmp_path)
    draw = random.Random(seed)
    followers = [
        Follower(stand, version, depth, by_order, update_type)
        for version in VERSIONS
        for depth in DEPTHS
        for by_order in (False, True)
        for update_type in ("0", "1")
    ]
    held = 0
    for commands in Flow(stand.venue, seed).batches(250, commands_max=60):
        stand.submit(*commands)
        for follower in followers:
            if not follower.subscribed:
                follower.client.sent.clear()
                if draw.random() < 0.05:
                    follower.subscribe()
            elif draw.random() < 0.01:
                follower.unsubscribe()
            elif draw.random() < 0.01:
                follower.client.queued_bytes = 10**9
                held += 1
            elif follower.client.queued_bytes and draw.random() < 0.3:
                follower.client.queued_bytes = 0
        stand.clock.now += 0.01
        stand.turn()
        for follower in followers:
            if follower.subscribed and not follower.client.queued_bytes:
                follower.take()
                follower.assert_equal()
    assert held > 50 and stand.desk.held_total > 10 and stand.desk.cut_total == 0
    stand.close()


def test_trades_come_each_once_and_in_order(stand: Stand) -> None:
    follower = Follower(stand, "FIXT.1.1", 1, False)
    follower.subscribe()
    expected = []
    for commands in Flow(stand.venue, 7).batches(500):
        events = stand.venue.submit(commands).events
        stand.turn()
        expected += [(event.instrument, event.seq, event.price, event.quantity) for event in events if isinstance(event, Traded)]
    follower.take()
    for symbol in SYMBOLS:
        assert [
            (symbol, int(number), price_of(price, symbol), quantity_of(size, symbol))
            for number, price, size in follower.builder.books[symbol].trades
        ] == [trade for trade in expected if trade[0] == symbol]
    assert len(expected) > 100


def test_a_lost_increment_is_noticed(stand: Stand) -> None:
    follower = Follower(stand, "FIX.4.4", 0, False)
    follower.subscribe()
    follower.take()
    venue = stand.venue
    stand.submit(venue.order("ALICE", BUY, 999, 1))
    follower.client.sent.clear()
    stand.submit(venue.order("ALICE", BUY, 998, 1))
    with pytest.raises(Gap, match="RptSeq 2 came after 0"):
        follower.take()


def test_views_and_numbers_are_shared_by_those_who_ask_for_the_same(stand: Stand) -> None:
    venue = stand.venue
    first, second = stand.logon("ALICE"), stand.logon("BOB")
    ask = "263=1|264=0|265=1|266=Y|267=2|269=0|269=1|146=1|55=AAPL|"
    stand.ask(first, f"262=a|{ask}")
    stand.submit(venue.order("ALICE", BUY, 999, 1))
    stand.submit(venue.order("ALICE", BUY, 998, 1))
    assert "|83=2|" in stand.ask(second, f"262=b|{ask.replace('269=0|269=1', '269=1|269=0')}")[0][1]
    assert len(stand.views) == 1
    first.take()
    stand.submit(venue.order("ALICE", SELL, 1001, 4))
    entry = "268=1|279=0|269=1|55=AAPL|270=10.01|271=4|346=1|290=1|83=3|"
    assert first.take() == [("X", f"262=a|{entry}")]
    assert second.take() == [("X", f"262=b|{entry}")]
    for client in (first, second):
        stand.desk.on_logout(client)
    assert stand.desk.subscriptions.followed == {}


def test_a_crowd_gets_the_same_text_without_making_it_again(stand: Stand) -> None:
    clients = [stand.logon(f"T{number}") for number in range(50)]
    for client in clients:
        stand.ask(client, "262=x|263=1|264=0|265=1|266=N|267=1|269=0|146=1|55=AAPL|")
    stand.submit(stand.venue.order("ALICE", BUY, 999, 1))
    sent = [client.take() for client in clients]
    assert sent == [sent[0]] * 50 and len(sent[0]) == 1
    assert stand.desk.entries_sent == 50


