"""The multicast feed of a real venue: what is sent, restarts, and what the recovery port does with whoever is hostile."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketdata import mold
from marketdata import multicast_messages as messages
from tests.multicast.listening import Listener, read_block
from tests.venue import WAIT_SECONDS, Client, Venue, order, wait_for

HEARTBEATS_SECONDS_MAX = 5.0


class Stand:
    """A venue that sends to a listener of its own, and a trader."""

    def __init__(self, directory: Path) -> None:
        self.listener = Listener(lambda: self.venue.ports("marketdata")["recovery"])
        group = {"group": "127.0.0.1", "port": self.listener.port}
        self.venue = Venue(directory, multicast=group, web={"enabled": False}, history={"enabled": False})
        self.trader: Client = self.venue.client("TRADER1")
        self.count = 0

    def enter(self, side: str = "1", price: str = "100.00") -> None:
        self.count += 1
        self.trader.send("D", order(f"A{self.count}", side, 10, price))
        self.trader.expect("8", "39=0")

    def bids(self) -> int:
        """How many the listener sees, once his books are whole."""
        self.listener.take()
        with contextlib.suppress(ConnectionError):
            self.listener.recover()
        book = self.listener.receiver.books.get("AAPL")
        return len(book.bids()) if self.listener.receiver.whole and book is not None else -1

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.venue.ports("marketdata")["recovery"]), WAIT_SECONDS)

    def metric(self, name: str) -> float:
        return self.venue.metrics("marketdata").get(f"fixserver_multicast_{name}", 0.0)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    stand = Stand(tmp_path_factory.mktemp("multicast"))
    try:
        with stand.venue:
            stand.venue.start("marketdata")
            stand.trader.logon()
            yield stand
    finally:
        stand.listener.close()


def ask(sock: socket.socket, request: bytes) -> bytes:
    """The first block of the answer."""
    sock.sendall(mold.block(request))
    return read_block(sock)


def test_orders_are_heard(stand: Stand) -> None:
    stand.enter()
    stand.enter("2", "101.00")
    wait_for(lambda: stand.bids() == stand.count - 1, "both orders")
    book = stand.listener.receiver.books["AAPL"]
    assert [row[:2] for row in book.bids()] == [(10_000, 10)]
    assert [row[:2] for row in book.offers()] == [(10_100, 10)]
    assert (book.phase, book.terms.price_decimals, book.terms.market) == ("continuous", 2, "MAIN")


def test_while_nothing_happens_a_heartbeat_says_the_next_number(stand: Stand) -> None:
    wait_for(lambda: stand.bids() >= 0, "the books")
    found = []
    until = time.monotonic() + HEARTBEATS_SECONDS_MAX
    while len(found) < 2 and time.monotonic() < until:
        if stand.listener.wait(0.1):
            found.append((mold.parse(stand.listener.socket.recv(2_000)), time.monotonic()))
    (first, at), (second, later) = found
    assert first == second == mold.Packet(stand.listener.receiver.session, stand.listener.receiver.next, [])
    assert 0.8 < later - at < 2.0


def test_a_restart_begins_a_new_session(stand: Stand) -> None:
    wait_for(lambda: stand.bids() >= 0, "the books")
    receiver = stand.listener.receiver
    for how in (signal.SIGTERM, signal.SIGKILL):
        session, snapshots = receiver.session, receiver.snapshots
        stand.venue.end("marketdata", how)
        stand.listener.take()
        assert receiver.session == session and receiver.ended == (how == signal.SIGTERM)
        before = len(receiver.books["AAPL"].bids())
        stand.enter()
        stand.venue.start("marketdata")
        wait_for(lambda: stand.bids() == before + 1, "the book after the restart")  # noqa: B023
        assert receiver.session > session and not receiver.ended
        assert receiver.snapshots == snapshots + 1


def test_what_cannot_be_had_is_refused_by_name(stand: Stand) -> None:
    wait_for(lambda: stand.bids() >= 0, "the books")
    receiver = stand.listener.receiver
    with stand.connect() as sock:
        answers = [
            messages.decode_answer(ask(sock, request))
            for request in (
                messages.asks_messages("0000000000", 1, 1),
                messages.asks_messages(receiver.session, 0, 1),
                messages.asks_messages(receiver.session, receiver.next, 1),
                messages.asks_messages(receiver.session, 2**64 - 1, 10_000),
                messages.asks_messages(receiver.session, 1, 0),
                messages.asks_messages(receiver.session, 1, 10_001),
                b"",
                b"?",
                b"G\xff" + b"\xff" * 19,
            )
        ]
        last = receiver.next - 1
        form = "a request is S, or G with session (10 characters), sequence number (8 bytes) and count (2 bytes)"
        assert answers == [
            messages.Refusal("S", f"the session is {receiver.session}: take a snapshot"),
            messages.Refusal("O", "message 0 is kept no more, the oldest is 1: take a snapshot"),
            messages.Refusal("N", f"message {receiver.next} has not been sent, the last was {last}"),
            messages.Refusal("N", f"message {2**64 - 1 + 9_999} has not been sent, the last was {last}"),
            messages.Refusal("C", "0 messages: a request is for 1 to 10000"),
            messages.Refusal("C", "10001 messages: a request is for 1 to 10000"),
            *[messages.Refusal("M", form)] * 3,
        ]
        follows = messages.decode_answer(ask(sock, b"S"))
        assert isinstance(follows, messages.Follows) and follows.type == messages.SNAPSHOT_FOLLOWS


def test_requests_may_come_in_pieces_and_together(stand: Stand) -> None:
    stand.enter()
    wait_for(lambda: stand.bids() >= 0 and stand.listener.receiver.next > 1, "a message of this session")
    request = mold.block(messages.asks_messages(stand.listener.receiver.session, 1, 1))
    with stand.connect() as sock:
        for byte in request:
            sock.sendall(bytes([byte]))
        first = read_block(sock), read_block(sock)
        sock.sendall(request * 20)
        assert {(read_block(sock), read_block(sock)) for _ in range(20)} == {first}


@pytest.mark.parametrize(("data", "cause"), [(b"\xff\xff", "too-long"), (mold.block(b"?") * 500, "too-many")])
def test_who_goes_too_far_is_cut(stand: Stand, data: bytes, cause: str) -> None:
    with stand.connect() as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        while read_block(sock):
            pass
    wait_for(lambda: stand.metric(f'recovery_cut_total{{cause="{cause}"}}') == 1, "it is counted")


def test_of_too_many_connections_the_last_are_cut(stand: Stand) -> None:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(stand.connect()) for _ in range(70)]
        wait_for(lambda: stand.metric('recovery_cut_total{cause="full"}') == 6, "six of them are cut")
        assert ask(opened[0], b"S")
    wait_for(lambda: stand.metric("recovery_connections") == 0, "the others are gone")


def test_who_asks_and_does_not_read_is_asked_nothing_more_of(stand: Stand) -> None:
    """His requests stay where they are, and so does our memory; the others are served."""
    wait_for(lambda: stand.bids() >= 0, "the books")
    before = stand.venue.memory("marketdata")
    with stand.connect() as sock:
        sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionError):
            for _ in range(200):
                sock.sendall(mold.block(b"S") * 90)
        stand.enter()
        wait_for(lambda: stand.bids() > 0, "others are served")
    assert stand.venue.memory("marketdata") - before < 20 << 20


def test_noise_hurts_nobody(stand: Stand) -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(50):
        with stand.connect() as sock, contextlib.suppress(ConnectionError):
            sock.sendall(draw.randbytes(draw.randint(1, 300)))
            if draw.random() < 0.5:
                sock.shutdown(socket.SHUT_WR)
    stand.enter()
    count = stand.count
    assert count and wait_for(lambda: stand.bids() > 0, "the feed lives")
