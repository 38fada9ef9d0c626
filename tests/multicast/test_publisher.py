"""What is published by multicast, over random trading of every kind: whoever listens has the engine's books, whatever gets lost."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from marketdata import mold
from marketdata.depth import BID, OFFER, Depth
from marketdata.mold import block
from marketdata.multicast import Publisher
from marketdata.multicast_receiver import Receiver
from marketdata.viewing import Views
from marketdata.views import view_key
from matching.engine import Engine
from tests.every_kind import steps

SESSION = "0000000001"


class Stand:
    """An engine that is given commands of every kind, and the publisher behind it."""

    def __init__(self, seed: int, *, kept_max: int = 200_000) -> None:
        self.engine = Engine()
        self.depth = Depth()
        self.views = Views(self.depth, "era")
        self.now = 0.0
        self.publisher = Publisher(self.views, SESSION, clock=lambda: self.now, kept_max=kept_max)
        self._steps = steps(self.engine, seed, 10**9, 3)

    def run(self, count: int, say: Callable[[list[bytes]], None], records_a_turn: int = 1) -> None:
        """So many records, and `say` what packets they make."""
        for number, step in zip(range(count), (step for step in self._steps if step.batch.events), strict=False):
            self.depth.apply(step.batch)
            self.publisher.on_record(step.batch, self.views.publish())
            if number % records_a_turn == 0:
                say(self.publisher.packets())
        say(self.publisher.packets())

    def differs(self, receiver: Receiver) -> list[str]:
        """Which books the receiver has otherwise than the feed has."""
        assert receiver.whole and receiver.event == self.depth.cursor
        assert receiver.books.keys() == self.depth.books.keys()
        assert receiver.markets == self.depth.markets and receiver.trading_day == self.depth.trading_day
        wrong = []
        for symbol, book in self.depth.books.items():
            held = self.views.find(view_key(symbol, True, 0, (BID, OFFER)))
            theirs = receiver.books[symbol]
            sides = book.bids, book.offers
            lines = [[(order.price, order.quantity, order.order_id) for order in side.orders()] for side in sides]
            same = lines == [theirs.bids(), theirs.offers()] and (book.phase, book.until) == (theirs.phase, theirs.until)
            if not same or theirs.rpt_seq[0] != held.rpt_seq or theirs.terms.tick != book.terms.tick:
                wrong.append(symbol)
        return wrong


def recover(receiver: Receiver, publisher: Publisher) -> None:
    """Ask until nothing is missing."""
    for _ in range(100):
        request = receiver.request()
        if request is None:
            return
        answer, at = publisher.answer(request), 0
        while at < len(answer):
            end = at + 2 + int.from_bytes(answer[at : at + 2], "big")
            receiver.take_answer(answer[at + 2 : end])
            at = end
        assert not receiver.asking
    raise AssertionError("it never ends")


@pytest.mark.parametrize("seed", range(3))
def test_who_hears_everything_has_every_book(seed: int) -> None:
    stand, receiver = Stand(seed), Receiver()

    def say(packets: list[bytes]) -> None:
        for packet in packets:
            assert len(packet) <= mold.PACKET_BYTES_MAX
            receiver.take_packet(packet)
            recover(receiver, stand.publisher)
        assert not stand.differs(receiver)

    recover(receiver, stand.publisher)
    stand.run(2_000, say)
    assert (receiver.snapshots, receiver.gaps) == (1, 0)


@pytest.mark.parametrize("seed", range(10, 14))
def test_packets_get_lost_come_twice_and_out_of_order(seed: int) -> None:
    stand, receiver, draw = Stand(seed), Receiver(), random.Random(seed)
    late: list[bytes] = []

    def say(packets: list[bytes]) -> None:
        for packet in packets:
            fate = draw.random()
            if fate < 0.2:
                continue
            if fate < 0.4:
                late.append(packet)
                continue
            receiver.take_packet(packet)
            if fate < 0.6:
                receiver.take_packet(packet)
            while late and draw.random() < 0.5:
                receiver.take_packet(late.pop(draw.randrange(len(late))))
            if draw.random() < 0.3:
                recover(receiver, stand.publisher)

    stand.run(3_000, say, records_a_turn=5)
    stand.now += 5
    for packet in stand.publisher.packets():
        receiver.take_packet(packet)
    recover(receiver, stand.publisher)
    assert stand.differs(receiver) == []
    assert receiver.gaps > 10 and receiver.snapshots == 1 and not receiver.refusals


def test_a_listener_who_comes_late_takes_a_snapshot_and_what_came_since() -> None:
    stand, receiver = Stand(5), Receiver()
    heard: list[bytes] = []
    stand.run(1_000, heard.extend)
    stand.publisher.snapshot()
    stand.run(20, heard.extend)
    receiver.take_packet(heard[-1])
    recover(receiver, stand.publisher)
    assert stand.differs(receiver) == []


def test_a_gap_that_is_kept_no_more_is_refused_and_a_snapshot_taken() -> None:
    stand, receiver = Stand(6, kept_max=50), Receiver()
    recover(receiver, stand.publisher)
    last: list[bytes] = []

    def say(packets: list[bytes]) -> None:
        last[:] = packets or last

    stand.run(1_000, say)
    receiver.take_packet(last[-1])
    recover(receiver, stand.publisher)
    assert [one.code for one in receiver.refusals] == ["O"]
    assert receiver.snapshots == 2
    assert stand.differs(receiver) == []


def test_a_small_buffer_is_enough() -> None:
    stand, receiver = Stand(7), Receiver(buffered_max=10)
    stand.run(500, lambda packets: [receiver.take_packet(packet) for packet in packets] and None)
    recover(receiver, stand.publisher)
    assert stand.differs(receiver) == []


def test_packets_that_somebody_else_made_up_do_not_keep_a_listener_from_the_books() -> None:
    stand, receiver = Stand(8), Receiver()

    def say(packets: list[bytes]) -> None:
        for packet in packets:
            receiver.take_packet(packet)
            recover(receiver, stand.publisher)

    stand.run(100, say)
    for packet in (mold.heartbeat(SESSION, 2**63), *mold.packets(SESSION, 2**62, [b"?"]), mold.heartbeat("ZZZZZZZZZZ", 5)):
        receiver.take_packet(packet)
        recover(receiver, stand.publisher)
        stand.run(20, say)
        assert stand.differs(receiver) == []
    assert [one.code for one in receiver.refusals] == ["N", "N"]


def test_blocks_are_what_they_say() -> None:
    assert block(b"abc") == b"\0\x03abc"
