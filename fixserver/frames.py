"""Cuts a stream of bytes into FIX messages, as the session-layer specification asks; it never looks at what they say.

A message begins with `8=FIX`, says its length in BodyLength(9), and ends with `10=nnn` where the length says.
What does not is garbled: it is skipped, up to the next `8=FIX`, and the sequence numbers bring it back.
"""

from __future__ import annotations

import re
import zlib

_BEGIN = b"8=FIX"
_NEXT_BEGIN = re.compile(rb"(?<=\x0110=[0-9]{3}\x01)8=FIX")
_TRAILER_BYTES = 7  # "10=nnn" and its SOH
_BEGIN_STRING_BYTES_MAX = 16
_LENGTH_DIGITS_MAX = 10
_UNFINISHED, _GARBLED = 0, -1


class FrameTooLong(Exception):
    """A client sent a longer message, or more bytes that are no message, than one may."""


class Framer:
    """The bytes of one connection that are not yet a message; at most `frame_bytes_max` of them."""

    __slots__ = ("_buffer", "_skipped", "frame_bytes_max")

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max = frame_bytes_max
        self._buffer = b""
        self._skipped = 0  # bytes in a row that belonged to no message

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete now, each with its SOHs. Raises FrameTooLong.

        The checksum is not looked at: the session engine does that.
        """
        buffer = self._buffer + data if self._buffer else data
        messages: list[bytes] = []
        at, size = 0, len(buffer)
        while at < size:
            end = self._end(buffer, at)
            if end > 0:
                messages.append(buffer[at:end])
                at = end
                self._skipped = 0
            elif end == _UNFINISHED:
                break
            else:
                at = self._skip(buffer, at)
        self._buffer = buffer[at:]
        return messages

    def _end(self, buffer: bytes, at: int) -> int:
        """Where the message at `at` ends; _UNFINISHED when more bytes may complete it, _GARBLED when none can."""
        length_at = buffer.find(b"\x019=", at, at + _BEGIN_STRING_BYTES_MAX)
        if length_at < 0:
            rest = buffer[at : at + _BEGIN_STRING_BYTES_MAX]
            begin_string, soh, after = rest.partition(b"\x01")
            whole = begin_string.startswith(_BEGIN) if soh else _BEGIN.startswith(begin_string[: len(_BEGIN)])
            return _UNFINISHED if whole and len(rest) < _BEGIN_STRING_BYTES_MAX and b"9=".startswith(after) else _GARBLED
        if not buffer.startswith(_BEGIN, at):
            return _GARBLED
        digits_at = length_at + 3
        body_at = buffer.find(b"\x01", digits_at, digits_at + _LENGTH_DIGITS_MAX + 1) + 1
        if not body_at:
            digits = buffer[digits_at : digits_at + _LENGTH_DIGITS_MAX + 1]
            return _UNFINISHED if len(digits) <= _LENGTH_DIGITS_MAX and (digits.isdigit() or not digits) else _GARBLED
        digits = buffer[digits_at : body_at - 1]
        if not digits.isdigit():
            return _GARBLED
        end = body_at + int(digits) + _TRAILER_BYTES
        if end - at > self.frame_bytes_max:
            raise FrameTooLong(f"a message of {end - at} bytes; {self.frame_bytes_max} are taken")
        if end > len(buffer):
            # A length that reaches over the end of its own message would swallow those that follow.
            return _GARBLED if _NEXT_BEGIN.search(buffer, at + 1) else _UNFINISHED
        if buffer[end - 8 : end - 4] == b"\x0110=" and buffer[end - 1] == 1 and buffer[end - 4 : end - 1].isdigit():
            return end
        return _GARBLED

    def _skip(self, buffer: bytes, at: int) -> int:
        """Where the next message may begin, behind the garbled one at `at`."""
        found = buffer.find(_BEGIN, at + 1)
        if found < 0:
            # Keep what may be the head of `8=FIX`.
            found = len(buffer)
            for keep in range(len(_BEGIN) - 1, 0, -1):
                if found - keep > at and buffer.endswith(_BEGIN[:keep]):
                    found -= keep
                    break
        self._skipped += found - at
        if self._skipped > self.frame_bytes_max:
            raise FrameTooLong(f"{self._skipped} bytes that are no message")
        return found


def checksum(data: bytes) -> int:
    """CheckSum(10) of a message up to and without its CheckSum field: the sum of its bytes modulo 256."""
    if len(data) <= 256:  # Adler-32's low half is that sum, as long as it stays below 65,521
        return zlib.adler32(data, 0) & 255
    total = 0
    for at in range(0, len(data), 256):
        total += zlib.adler32(data[at : at + 256], 0) & 0xFFFF
    return total & 255
