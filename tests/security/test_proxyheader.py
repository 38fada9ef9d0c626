"""The header of a balancer: which bytes are one, and for whom it is."""

from __future__ import annotations

import random

import pytest

from fixserver.proxyheader import LOCAL, REST_BYTES_MAX, SIGNATURE, BadHeader, Header, header


def read(data: bytes, at_once: int = 1_000) -> tuple[str, bytes]:
    """For whom, and what was left over; reads as a port does, never more than is wanted."""
    reading = Header()
    while data:
        part = data[: min(reading.wanted, at_once)]
        data = data[len(part) :]
        if reading.take(part):
            return reading.address, data
    raise AssertionError("not complete")


@pytest.mark.parametrize("at_once", [1, 2, 16, 1_000])
@pytest.mark.parametrize("source", ["192.0.2.1", "2001:db8::1"])
def test_for_whom(source: str, at_once: int) -> None:
    target = "192.0.2.9" if "." in source else "2001:db8::9"
    assert read(header(source, target, (1234, 5001)) + b"8=FIX", at_once) == (source, b"8=FIX")


def test_for_itself() -> None:
    assert read(LOCAL + b"8=FIX") == ("", b"8=FIX")


def test_what_follows_the_addresses_is_passed_over() -> None:
    made = header("192.0.2.1", "192.0.2.9", (1, 2))
    longer = made[:14] + (12 + 30).to_bytes(2, "big") + made[16:] + bytes(30)
    assert read(longer + b"8=FIX") == ("192.0.2.1", b"8=FIX")


GOOD = header("192.0.2.1", "192.0.2.9", (1, 2))
BAD = {
    "version 1": b"PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n",
    "FIX": b"8=FIX.4.4\x019=5\x01",
    "TLS": b"\x16\x03\x01\x02\x00" * 4,
    "another version": GOOD[:12] + b"\x31" + GOOD[13:],
    "another command": GOOD[:12] + b"\x22" + GOOD[13:],
    "UDP": GOOD[:13] + b"\x12" + GOOD[14:],
    "a Unix socket": GOOD[:13] + b"\x31" + GOOD[14:],
    "no family": GOOD[:13] + b"\x00" + GOOD[14:],
    "too short for its addresses": GOOD[:14] + b"\0\x0b" + GOOD[16:],
    "IPv6 in the space of IPv4": GOOD[:13] + b"\x21" + GOOD[14:],
    "longer than is taken": GOOD[:14] + (REST_BYTES_MAX + 1).to_bytes(2, "big") + GOOD[16:],
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_none(what: str) -> None:
    with pytest.raises(BadHeader):
        read(BAD[what])


def test_bytes_at_random_are_one_or_none_and_nothing_else() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(5_000):
        data = bytearray(GOOD + bytes(64))
        for _ in range(draw.randrange(4)):
            data[draw.randrange(len(SIGNATURE) + 8)] = draw.randrange(256)
        reading, rest = Header(), bytes(data)
        try:
            while not reading.take(rest[: min(reading.wanted, draw.randint(1, 20))]):
                rest = bytes(draw.randbytes(2_000))
            assert reading.address == "" or reading.address.count(".") == 3 or ":" in reading.address
        except BadHeader:
            pass
