"""The header by which a balancer says for whom it connects: the PROXY protocol, version 2; it reads no socket and believes nobody.

Who may send one is the port's affair. Version 1, which is text without a length, is refused. What follows the addresses (TLVs) is
passed over.
"""

from __future__ import annotations

import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
HEAD_BYTES = 16
REST_BYTES_MAX = 1_024  # addresses and what follows them: balancers send some hundred at most
_VERSION, _LOCAL, _PROXY = 0x20, 0, 1
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESSES = {_TCP4: 12, _TCP6: 36}  # bytes: two addresses, two ports

LOCAL = SIGNATURE + bytes((_VERSION | _LOCAL, 0)) + b"\0\0"  # from a program that speaks for itself


class BadHeader(Exception):
    """What came is no such header."""


class Header:
    """What has come of one so far. `wanted` bytes are still to be read, no more: what follows is not ours."""

    def __init__(self) -> None:
        self._data = b""
        self.wanted = HEAD_BYTES

    def take(self, data: bytes) -> bool:
        """Whether it is complete with these bytes, at most `wanted`. Raises BadHeader as soon as it cannot become one."""
        assert len(data) <= self.wanted, "more than was wanted"
        self._data += data
        self.wanted -= len(data)
        if self._data[: len(SIGNATURE)] != SIGNATURE[: len(self._data)]:
            raise BadHeader("no header of the PROXY protocol, version 2")
        if len(self._data) == HEAD_BYTES and self.wanted == 0:
            self._look_at_head()
        return self.wanted == 0

    def _look_at_head(self) -> None:
        command, family, length = struct.unpack("!BBH", self._data[len(SIGNATURE) :])
        if command not in (_VERSION | _LOCAL, _VERSION | _PROXY):
            raise BadHeader(f"version and command {command:#x}")
        if length > REST_BYTES_MAX:
            raise BadHeader(f"{length} bytes of addresses; {REST_BYTES_MAX} are taken")
        if command & 0x0F == _PROXY and (family not in _ADDRESSES or length < _ADDRESSES[family]):
            raise BadHeader(f"family {family:#x} with {length} bytes: only TCP is taken")
        self.wanted = length

    @property
    def address(self) -> str:
        """For whom the balancer connects, once it is complete; empty where it is for itself."""
        assert self.wanted == 0 and len(self._data) >= HEAD_BYTES, "not complete"
        if self._data[len(SIGNATURE)] & 0x0F == _LOCAL:
            return ""
        size = 4 if self._data[len(SIGNATURE) + 1] == _TCP4 else 16
        return str(ipaddress.ip_address(self._data[HEAD_BYTES : HEAD_BYTES + size]))


def header(source: str, target: str, ports: tuple[int, int]) -> bytes:
    """As a balancer would say it."""
    from_address, to_address = ipaddress.ip_address(source), ipaddress.ip_address(target)
    family = _TCP4 if from_address.version == 4 else _TCP6
    rest = from_address.packed + to_address.packed + struct.pack("!HH", *ports)
    return SIGNATURE + bytes((_VERSION | _PROXY, family)) + struct.pack("!H", len(rest)) + rest
