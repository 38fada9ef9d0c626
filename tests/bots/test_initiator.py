"""The plain FIX client numbers, resends, asks for what it missed, and keeps its session over connections."""

from __future__ import annotations

import asyncio
import gc
import select
import socket
import threading
from collections.abc import Iterator

import pytest

from fixserver import initiator
from fixserver.initiator import Clock, ConnectionLost, Initiator, SessionRefused, parse
from tests.venue import framed, free_port, soh

HEADER_AND_TRAILER = ("9", "10", "34", "35", "49", "52", "56", "122")


class Peer:
    """The venue's end, played by the test."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.client = Initiator("127.0.0.1", self.listener.getsockname()[1], "T1", "V", "secret")
        self.socket: socket.socket | None = None

    def accept(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket, _ = self.listener.accept()
        self.socket.settimeout(5)

    def logged_on(self) -> None:
        self.client.connect()
        self.accept()
        self.got(1)
        self.give("A", 1, "98=0|108=30|141=Y", taken=True)

    def give(self, msg_type: str, number: int, fields: str = "", *, taken: bool = False) -> list[str]:
        """Send a message and have the client read it; what it gives its owner, by number."""
        assert self.socket is not None
        self.socket.sendall(framed("FIX.4.4", soh(f"35={msg_type}|34={number}|49=V|56=T1|52=20260101-00:00:00|{fields}")))
        return self.read() if taken else []

    def read(self) -> list[str]:
        """What the client gives its owner of the next bytes that arrive."""
        assert select.select([self.client], [], [], 5)[0], "nothing arrived"
        return [message["34"] for message in self.client.receive()]

    def got(self, count: int) -> list[str]:
        """The next messages that the client sent, short."""
        assert self.socket is not None
        buffer = b""
        while buffer.count(b"\x0110=") < count:
            buffer += self.socket.recv(65_536)
        found = []
        for text in buffer.decode().split("8=FIX.4.4\x01")[1:]:
            fields = dict(pair.split("=", 1) for pair in text.split("\x01")[:-1])
            rest = [f"{tag}={value}" for tag, value in fields.items() if tag not in HEADER_AND_TRAILER]
            found.append(" ".join([fields["35"], fields["34"], *rest]))
        assert len(found) == count
        return found


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.client.disconnect()
    if peer.socket is not None:
        peer.socket.close()
    peer.listener.close()


def test_the_first_logon_resets_the_numbers_and_brings_the_credentials(peer):
    peer.client.connect()
    peer.accept()
    assert peer.got(1) == ["A 1 98=0 108=30 141=Y 553=T1 554=secret"]
    assert not peer.client.logged_on
    peer.give("A", 1, "98=0|108=30|141=Y", taken=True)
    assert peer.client.logged_on


def test_application_messages_come_in_order_and_admin_is_dealt_with(peer):
    peer.logged_on()
    peer.give("8", 2, "11=a")
    peer.give("1", 3, "112=hello")
    peer.give("0", 4)
    peer.give("9", 5, "11=b")
    found: list[str] = []
    while len(found) < 2:
        found += peer.read()
    assert found == ["2", "5"]
    assert peer.got(1) == ["0 2 112=hello"]


def test_a_message_that_arrives_in_pieces_is_one(peer):
    peer.logged_on()
    message = framed("FIX.4.4", soh("35=8|34=2|49=V|56=T1|52=20260101-00:00:00|11=a"))
    for at in range(0, len(message), 7):
        peer.socket.sendall(message[at : at + 7])
        found = peer.read()
    assert found == ["2"]


def test_a_gap_is_asked_for_once_and_what_follows_waits_for_it(peer):
    peer.logged_on()
    assert peer.give("8", 4, taken=True) == []
    assert peer.give("8", 5, taken=True) == []
    assert peer.got(1) == ["2 2 7=2 16=0"]
    assert peer.give("8", 2, "43=Y", taken=True) == ["2"]
    assert peer.give("4", 3, "43=Y|123=Y|36=4", taken=True) == []
    assert peer.give("8", 4, "43=Y", taken=True) == ["4"]
    assert peer.give("8", 4, "43=Y", taken=True) == []
    assert peer.give("8", 5, "43=Y", taken=True) == ["5"]


def test_a_resend_request_is_answered_with_what_was_sent_and_gap_fills_for_the_rest(peer):
    peer.logged_on()
    peer.client.send(b"D", b"11=a\x01")
    peer.client.flush()
    peer.give("1", 2, "112=x", taken=True)
    peer.client.send(b"D", b"11=b\x01")
    peer.client.flush()
    assert peer.got(3) == ["D 2 11=a", "0 3 112=x", "D 4 11=b"]
    peer.give("2", 3, "7=1|16=0", taken=True)
    assert peer.got(4) == ["4 1 43=Y 123=Y 36=2", "D 2 43=Y 11=a", "4 3 43=Y 123=Y 36=4", "D 4 43=Y 11=b"]
    peer.give("2", 4, "7=4|16=4", taken=True)
    assert peer.got(1) == ["D 4 43=Y 11=b"]


def test_a_resend_request_that_is_ahead_is_answered_at_once(peer):
    peer.logged_on()
    peer.client.send(b"D", b"11=a\x01")
    peer.client.flush()
    peer.got(1)
    peer.give("2", 9, "7=2|16=0", taken=True)
    assert peer.got(2) == ["D 2 43=Y 11=a", "2 3 7=2 16=0"]


def test_a_new_connection_goes_on_in_the_same_session(peer):
    peer.logged_on()
    peer.client.send(b"D", b"11=a\x01")
    peer.client.flush()
    peer.got(1)
    peer.socket.close()
    with pytest.raises(ConnectionLost):
        peer.read()
    peer.client.send(b"D", b"11=b\x01")  # has its number, and reaches the venue by its ResendRequest
    peer.client.connect()
    peer.accept()
    assert peer.got(1) == ["A 4 98=0 108=30 553=T1 554=secret"]
    peer.give("A", 5, "98=0|108=30")
    peer.give("2", 6, "7=3|16=0")
    while peer.client.caught_up or peer.client.next_out < 6:
        peer.read()
    assert peer.got(3) == ["2 5 7=2 16=0", "D 3 43=Y 11=b", "4 4 43=Y 123=Y 36=6"]
    assert peer.give("4", 2, "43=Y|123=Y|36=7", taken=True) == []
    assert peer.give("8", 7, taken=True) == ["7"]


def test_a_refused_logon_says_why(peer):
    peer.client.connect()
    peer.accept()
    peer.give("5", 1, "58=no such session or wrong password")
    with pytest.raises(SessionRefused, match="T1: the venue refuses the Logon: no such session or wrong password"):
        peer.read()


def test_a_logout_of_the_venue_is_answered_and_says_why(peer):
    peer.logged_on()
    peer.give("5", 2, "58=the venue closes")
    with pytest.raises(ConnectionLost, match="T1: the venue logs out: the venue closes"):
        peer.read()
    assert peer.got(1) == ["5 2"]


def until_lost(peer: Peer) -> tuple[list[str], str]:
    """What the client gives its owner until the connection is lost, and why it is."""
    found: list[str] = []
    while True:
        try:
            found += [message["34"] for message in peer.client.receive()]
        except ConnectionLost as error:
            return found, str(error)


def test_what_comes_before_the_end_is_not_lost_with_it(peer):
    peer.logged_on()
    peer.give("8", 2)
    assert peer.socket is not None
    for number, kind in ((3, "8"), (4, "5")):
        peer.socket.sendall(framed("FIX.4.4", soh(f"35={kind}|34={number}|49=V|56=T1|52=20260101-00:00:00")))
    assert until_lost(peer) == (["2", "3"], "T1: the venue logs out: it does not say why")


def test_a_number_that_is_too_low_ends_the_session(peer):
    peer.logged_on()
    peer.give("8", 1)
    with pytest.raises(SessionRefused, match="number 1 came where 2 was due"):
        peer.read()


def test_nobody_there_is_said_with_the_address():
    port = free_port()
    with pytest.raises(ConnectionLost, match=f"nothing answers at 127.0.0.1:{port}"):
        Initiator("127.0.0.1", port, "T1", "V").connect()


@pytest.mark.parametrize("somebody_there", [True, False])
def test_who_is_canceled_while_he_connects_leaves_nothing_behind(somebody_there, monkeypatch):
    """No connection, and no word of an attempt that nobody waits for any more."""
    begun, go_on, said = threading.Event(), threading.Event(), []
    connect = Initiator.connect

    def slowly(self):
        begun.set()
        go_on.wait(10)
        connect(self)

    monkeypatch.setattr(Initiator, "connect", slowly)

    async def run(port):
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context))
        client = Initiator("127.0.0.1", port, "T1", "V")
        connecting = asyncio.create_task(initiator.connect_beside(client))
        assert await asyncio.to_thread(begun.wait, 10)
        connecting.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert not client.connected

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(run(listener.getsockname()[1] if somebody_there else free_port()))
    gc.collect()
    assert said == []


def test_a_venue_that_does_not_answer_the_logon_is_given_up(peer):
    with pytest.raises(ConnectionLost, match=r"T1: no answer to the Logon in 0\.05 s"):
        peer.client.log_on(0.05)


def test_silence_ends_the_connection_and_a_heartbeat_is_sent_in_time(peer, monkeypatch):
    peer.logged_on()
    now = [1_000_000.0]
    monkeypatch.setattr(initiator.time, "monotonic", lambda: now[0])
    peer.give("0", 2, taken=True)
    now[0] += 31
    peer.client.on_timer()
    assert peer.got(1) == ["0 2"]
    now[0] += 42
    with pytest.raises(ConnectionLost, match="not a word from the venue for 72 s"):
        peer.client.on_timer()
    assert not peer.client.connected


def test_what_the_socket_does_not_take_is_kept(peer):
    peer.logged_on()
    for number in range(20_000):
        peer.client.send(b"D", b"11=%d\x0158=%s\x01" % (number, b"x" * 200))
    peer.client.flush()
    assert peer.client.wants_to_write
    found = 0
    while found < 20_000:
        peer.client.flush()
        found += peer.socket.recv(1 << 20).count(b"\x0135=D\x01")
    assert not peer.client.wants_to_write


def test_log_out_waits_for_the_answer(peer):
    peer.logged_on()
    peer.give("8", 2, "11=last")
    peer.give("5", 3)
    assert [message["11"] for message in peer.client.log_out()] == ["last"]
    assert peer.got(1) == ["5 2"]
    assert not peer.client.connected


def test_sending_time_has_milliseconds():
    moments = iter([1_000_000_000.0, 1_000_000_000.25, 1_000_000_001.5])
    clock = Clock(lambda: next(moments))
    assert [clock.stamp() for _ in range(3)] == [b"20010909-01:46:40.000", b"20010909-01:46:40.250", b"20010909-01:46:41.500"]


def test_parse_takes_text_apart():
    assert parse(b"8=FIX.4.4\x0135=8\x0158=a=b\xff\x01") == {"8": "FIX.4.4", "35": "8", "58": "a=b�"}
