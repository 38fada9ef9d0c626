"""Packets and messages of the multicast feed as bytes, as docs/multicast.md has them."""

from __future__ import annotations

import pytest

from marketdata import mold
from marketdata import multicast_messages as messages
from marketdata.depth import BID, OFFER, VOLUME, VWAP, Trade
from marketdata.mold import Malformed, Packet
from marketdata.views import CHANGE, DELETE, NEW, Entry

SESSION = "HOCXG8MZW8"
HEAD = b"HOCXG8MZW8" + b"\0\0\0\0\0\0\x01\x02"


def number(value: int, size: int = 8) -> bytes:
    return value.to_bytes(size, "big")


def test_a_packet_is_session_number_count_and_messages() -> None:
    [packet] = mold.packets(SESSION, 258, [b"abc", b"", b"Z"])
    assert packet == HEAD + b"\0\x03" + b"\0\x03abc" + b"\0\0" + b"\0\x01Z"
    assert mold.parse(packet) == Packet(SESSION, 258, [b"abc", b"", b"Z"])
    assert mold.parse(packet).next == 261


def test_a_heartbeat_and_the_end_have_the_next_number() -> None:
    assert mold.heartbeat(SESSION, 258) == HEAD + b"\0\0"
    assert mold.end_of_session(SESSION, 258) == HEAD + b"\xff\xff"
    assert mold.parse(mold.heartbeat(SESSION, 258)) == Packet(SESSION, 258, [])
    assert mold.parse(mold.end_of_session(SESSION, 258)) == Packet(SESSION, 258, [], True)


def test_no_packet_is_longer_than_a_network_takes() -> None:
    said = [bytes([65 + number % 26]) * (number % 60) for number in range(500)]
    found = list(mold.packets(SESSION, 1, said))
    assert max(len(packet) for packet in found) <= mold.PACKET_BYTES_MAX
    assert min(len(packet) for packet in found[:-1]) > mold.PACKET_BYTES_MAX - 62
    parsed = [mold.parse(packet) for packet in found]
    assert [message for packet in parsed for message in packet.messages] == said
    assert [packet.sequence for packet in parsed[1:]] == [packet.next for packet in parsed[:-1]]


def test_the_longest_message_fits_a_packet_of_its_own() -> None:
    assert [len(packet) for packet in mold.packets(SESSION, 1, [b"x" * 1_378, b"y"])] == [1_400, 23]


def test_sessions_are_in_the_order_of_time() -> None:
    assert mold.session_name(1_795_238_487_123_456_789) == mold.session_name(1_795_238_487_123_456_000)
    names = [mold.session_name(seconds * 10**9) for seconds in (0, 1, 1_795_238_487, 1_795_238_488, 3_600_000_000)]
    assert names == sorted(set(names)) and {len(name) for name in names} == {10}
    assert names[:2] == ["0000000000", "000000LFLS"]


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"", "a packet of 0 bytes: the header alone has 20"),
        (HEAD, "a packet of 18 bytes: the header alone has 20"),
        (b"\xff" * 20, "a session name that is not ASCII"),
        (HEAD + b"\0\x01", "1 messages are said, and the packet ends behind 0"),
        (HEAD + b"\0\x02\0\x01A\0", "2 messages are said, and the packet ends behind 1"),
        (HEAD + b"\0\x01\0\x05abcd", "message 1 has 5 bytes, and the packet only 4 more"),
        (HEAD + b"\0\x01\0\x01ABC", "2 bytes behind the last message"),
    ],
)
def test_what_is_no_packet_is_refused(packet: bytes, why: str) -> None:
    with pytest.raises(Malformed) as refused:
        mold.parse(packet)
    assert str(refused.value) == why


def test_an_order() -> None:
    said = messages.order(7, 300, Entry(NEW, BID, 18_950, 100, 417))
    assert said == b"A" + number(7, 4) + number(300) + number(417) + b"B" + number(18_950) + number(100)
    assert messages.decode(said) == messages.OrderMessage(b"A", 7, 300, 417, BID, 18_950, 100)
    assert messages.order(7, 301, Entry(CHANGE, OFFER, 18_950, 50, 418))[:1] == b"C"
    assert messages.order(7, 302, Entry(DELETE, OFFER, 18_950, 50, 418))[:1] == b"X"


def test_a_trade() -> None:
    said = messages.trade(1, 2, NEW, Trade(3, 4, 5, "1", 6))
    assert said == b"T" + number(1, 4) + number(2) + number(3) + number(6) + b"B" + number(4) + number(5)
    assert messages.decode(said) == messages.TradeMessage(b"T", 1, 2, 3, 6, "buy", 4, 5)
    corrected, busted = (messages.decode(messages.trade(1, 2, *one)) for one in (
        (CHANGE, Trade(3, 4, 5, "2", 6)), (DELETE, Trade(3, 4, 5, "", 0)),
    ))  # fmt: skip
    assert corrected == messages.TradeMessage(b"K", 1, 2, 3, 6, "sell", 4, 5)
    assert busted == messages.TradeMessage(b"B", 1, 2, 3, 0, None, 4, 5)


def test_a_statistic_may_pass_64_bits() -> None:
    said = messages.statistic(1, 2, Entry(CHANGE, VOLUME, 0, 2**64))
    assert said == b"S\0\0\0\x01" + b"\0\0\0\0\0\0\0\x02" + b"1B " + b"\0" * 16 + b"\0\0\0\0\0\0\0\x01" + b"\0" * 8
    assert messages.decode(said) == messages.StatisticMessage(1, 2, CHANGE, VOLUME, "", 0, 2**64)
    assert messages.decode(messages.statistic(1, 2, Entry(NEW, VWAP, 5, 0))) == messages.StatisticMessage(1, 2, NEW, VWAP, "", 5, 0)


def test_the_others() -> None:
    assert messages.phase(9, "halted", 0) == b"P\0\0\0\x09\x07" + b"\0" * 8
    assert messages.market_phase("MAIN", "continuous") == b"M\x03\x04MAIN"
    assert messages.trading_day("20261121") == b"D\x0820261121"
    assert messages.numbers(1, 2, 3, 4) == b"N" + number(1, 4) + number(2) + number(3) + number(4)
    assert messages.end_of_record(1, 2) == b"E" + number(1) + number(2)
    assert messages.asks_messages(SESSION, 258, 3) == b"G" + HEAD + b"\0\x03"
    assert messages.follows(b"1", SESSION, 258, 3) == b"1" + HEAD + b"\0\0\0\x03"


@pytest.mark.parametrize(
    "message", [b"", b"?", b"A", b"A" * 37, b"P\0\0\0\x01\x09" + b"\0" * 8, b"D\x09short", b"M\x01\x01\xff", b"M\x09\0", b"R"]
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    with pytest.raises(Malformed):
        messages.decode(message)


@pytest.mark.parametrize("request_", [b"", b"s", b"SS", b"G", b"G" * 30, b"G\xff" + b"x" * 19])
def test_what_is_no_request_is_refused(request_: bytes) -> None:
    with pytest.raises(Malformed):
        messages.decode_request(request_)
