"""How a stream of bytes is cut into messages: rules by example, and the same cuts however the bytes arrive."""

from __future__ import annotations

import random

import pytest

from fixserver.frames import Framer, FrameTooLong, checksum
from tests.venue import framed

A = framed("FIX.4.4", b"35=0\x0134=1\x01")
B = framed("FIXT.1.1", b"35=1\x0134=2\x01112=b\x01")
LIMIT = 1_000


def cut(data: bytes) -> list[bytes]:
    return Framer(LIMIT).feed(data)


def spoiled(message: bytes, old: bytes, new: bytes) -> bytes:
    assert message.count(old) == 1
    return message.replace(old, new)


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (b"", []),
        (A, [A]),
        (A + B + A, [A, B, A]),
        (A[:-1], []),
        (A[:5], []),
        (A + B[:-3], [A]),
        # What is before or between messages is passed over.
        (b"HELLO" + A + b"\r\n" + B, [A, B]),
        (b"8=" + A, [A]),
        (b"8=FIX.4.4\x01" + A, [A]),
        (b"8=FIX.4.4\x019=" + A, [A]),
        (b"8=FIX.4.4\x019=5\x01" + A, [A]),
        (b"9=5\x018=FIX.4.4\x01" + A, [A]),
        # A BodyLength that is not true loses its own message, and no other.
        (spoiled(A, b"9=10\x01", b"9=11\x01") + B, [B]),
        (spoiled(A, b"9=10\x01", b"9=9\x01") + B, [B]),
        (spoiled(A, b"9=10\x01", b"9=30\x01") + B, [B]),
        (spoiled(A, b"9=10\x01", b"9=900\x01") + B, [B]),
        (spoiled(A, b"9=10\x01", b"9=x\x01") + B, [B]),
        (spoiled(A, b"9=10\x01", b"9=\x01") + B, [B]),
        (spoiled(A, b"9=10\x01", b"9=-1\x01") + B, [B]),
        (spoiled(A, b"9=10\x01", b"9=1e1\x01") + B, [B]),
        (spoiled(A, b"9=10\x01", b"9=99999999999999999999\x01") + B, [B]),
        (spoiled(A, b"9=10\x01", b"9=0000000010\x01") + B, [spoiled(A, b"9=10\x01", b"9=0000000010\x01"), B]),
        (spoiled(A, b"9=10\x01", b"") + B, [B]),
        # So does a trailer that is none; whether the sum is right is not looked at here.
        (A[:-2] + B, [B]),
        (spoiled(A, A[-4:], b"abc\x01") + B, [B]),
        (spoiled(A, A[-4:], b"000\x01") + B, [spoiled(A, A[-4:], b"000\x01"), B]),
        # Text that looks like a beginning is text.
        (framed("FIX.4.4", b"35=0\x0158=8=FIX.4.4\x01"), [framed("FIX.4.4", b"35=0\x0158=8=FIX.4.4\x01")]),
        (framed("FIX.4.4", b"35=0\x0158=x10=000\x01"), [framed("FIX.4.4", b"35=0\x0158=x10=000\x01")]),
    ],
)
def test_messages_are_cut_out(data: bytes, messages: list[bytes]) -> None:
    assert cut(data) == messages


@pytest.mark.parametrize(
    "data",
    [
        b"8=FIX.4.4\x019=2000000000\x01",
        b"8=FIX.4.4\x019=1000\x01",
        b"x" * (LIMIT + 1),
        b"8=FIX.4.4\x019=x\x01" * 100,
        b"\x00" * 600 + b"8=FIX.9" + b"\x00" * 600,
    ],
)
def test_what_is_longer_than_a_message_may_be_is_refused(data: bytes) -> None:
    with pytest.raises(FrameTooLong):
        cut(data)


def test_the_limit_is_for_what_is_no_message_in_a_row() -> None:
    framer = Framer(LIMIT)
    for _ in range(100):
        assert framer.feed(b"x" * 900 + A) == [A]


def test_nothing_is_kept_beyond_the_limit() -> None:
    framer = Framer(LIMIT)
    for _ in range(LIMIT):
        framer.feed(b"8")
    with pytest.raises(FrameTooLong):
        framer.feed(b"8" * 10)


@pytest.mark.parametrize("seed", range(20))
def test_the_cuts_do_not_depend_on_how_the_bytes_arrive(seed: int) -> None:
    chance = random.Random(seed)
    pieces, good = [], []
    for number in range(200):
        message = framed("FIX.4.4", b"35=0\x0134=%d\x01" % number + b"58=" + b"y" * chance.randrange(1, 60) + b"\x01")
        kind = chance.randrange(8)
        if kind == 0:
            pieces.append(bytes(chance.randrange(256) for _ in range(chance.randrange(30))).replace(b"8", b"7"))
        elif kind == 1:
            pieces.append(message[: chance.randrange(len(message))])
        elif kind == 2:
            pieces.append(message[chance.randrange(12, len(message)) :])
        else:
            pieces.append(message)
            good.append(message)
    stream = b"".join(pieces)
    at_once = Framer(LIMIT).feed(stream)
    framer, found = Framer(LIMIT), []
    while stream:
        size = chance.choice((1, 2, 3, 10, 100, 1000))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert found == at_once
    # What is lost is what a cut message's length happens to reach to the very end of.
    assert [message for message in found if message in good] == [message for message in good if message in found]
    assert len(found) >= len(good) - 2


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 258, 1000, 65_536])
def test_the_checksum_is_the_sum_of_the_bytes(size: int) -> None:
    for data in (bytes(range(256)) * (size // 256 + 1), b"\xff" * size, b"\x00" * size):
        assert checksum(data[:size]) == sum(data[:size]) % 256
