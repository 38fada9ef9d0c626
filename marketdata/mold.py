"""Packets of MoldUDP64: messages in numbered order over a way that loses some; it never knows what a message says.

    Session (10 characters) | Sequence Number (8) | Message Count (2) | Message Count times: Length (2) | message

All numbers are big-endian. The sequence number is that of the first message; the next packet's is that plus the count. A packet
without messages is a heartbeat, and says which number comes next; one whose count is END_OF_SESSION says that none will come.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

PACKET_BYTES_MAX = 1_400  # so that no network on the way has to take it apart
HEARTBEAT = 0
END_OF_SESSION = 0xFFFF
SESSION_CHARACTERS = 10
MESSAGE_BYTES_MAX = 1_000
_HEADER = struct.Struct(">10sQH")
_LENGTH = struct.Struct(">H")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Malformed(Exception):
    """These bytes are no packet, no request and no message; the text says why."""


class Packet(NamedTuple):
    """One packet as it came. Without messages it is a heartbeat, or, with `ends`, the last of its session."""

    session: str
    sequence: int
    messages: list[bytes]
    ends: bool = False

    @property
    def next(self) -> int:
        """The number of the message behind it."""
        return self.sequence + len(self.messages)


def session_name(era_ns: int) -> str:
    """The name of the numbering that began at this time (ns since 1970): its microseconds in base 36. A later one is greater,
    but for once in 116 years, next in 2085."""
    text, left = "", era_ns // 1_000 % 36**SESSION_CHARACTERS
    while left:
        left, digit = divmod(left, 36)
        text = _DIGITS[digit] + text
    return text.rjust(SESSION_CHARACTERS, "0")


def block(message: bytes) -> bytes:
    """A message with its length before it."""
    return _LENGTH.pack(len(message)) + message


def blocks(messages: Iterable[bytes]) -> bytes:
    pack = _LENGTH.pack
    return b"".join([part for message in messages for part in (pack(len(message)), message)])


def packets(session: str, sequence: int, messages: list[bytes]) -> Iterator[bytes]:
    """As few packets as hold these messages, of which the first has this number."""
    name = session.encode()
    pack, lengths = _HEADER.pack, _LENGTH.pack
    parts: list[bytes] = []
    size = _HEADER.size
    for message in messages:
        needed = _LENGTH.size + len(message)
        if size + needed > PACKET_BYTES_MAX:
            count = len(parts) // 2
            yield pack(name, sequence, count) + b"".join(parts)
            sequence += count
            parts, size = [], _HEADER.size
        parts += (lengths(len(message)), message)
        size += needed
    if parts:
        yield pack(name, sequence, len(parts) // 2) + b"".join(parts)


def heartbeat(session: str, sequence: int) -> bytes:
    """Nothing happens; `sequence` is the number of the next message."""
    return _HEADER.pack(session.encode(), sequence, HEARTBEAT)


def end_of_session(session: str, sequence: int) -> bytes:
    """No message comes any more; `sequence` would have been the number of the next."""
    return _HEADER.pack(session.encode(), sequence, END_OF_SESSION)


def parse(data: bytes) -> Packet:
    """Raises Malformed."""
    if len(data) < _HEADER.size:
        raise Malformed(f"a packet of {len(data)} bytes: the header alone has {_HEADER.size}")
    name, sequence, count = _HEADER.unpack_from(data)
    if not name.isascii():
        raise Malformed("a session name that is not ASCII")
    if count == END_OF_SESSION:
        return Packet(name.decode(), sequence, [], True)
    messages, at = [], _HEADER.size
    for number in range(count):
        if at + _LENGTH.size > len(data):
            raise Malformed(f"{count} messages are said, and the packet ends behind {number}")
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        if at + length > len(data):
            raise Malformed(f"message {number + 1} has {length} bytes, and the packet only {len(data) - at} more")
        messages.append(data[at : at + length])
        at += length
    if at != len(data):
        raise Malformed(f"{len(data) - at} bytes behind the last message")
    return Packet(name.decode(), sequence, messages)
