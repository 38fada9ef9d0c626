"""The socket that packets go out by: where they come from and how far they may go; nothing here leaves the machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixserver.config import ConfigError, Multicast, load
from fixserver.marketdata_process import multicast_side
from fixserver.multicast_port import Sender
from marketdata.depth import Depth
from marketdata.viewing import Views
from tests.venue import configuration


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The sockets that were opened; those of a multicast group send nothing."""
    opened: list[Any] = []

    class Watched(socket.socket):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.told: list[tuple[bytes, Any]] = []
            opened.append(self)

        def sendto(self, data: bytes, target: Any) -> int:  # type: ignore[override]
            self.told.append((data, target))
            return len(data)

    monkeypatch.setattr("fixserver.multicast_port.socket.socket", Watched)
    yield opened
    for one in opened:
        one.close()


def test_a_group_is_reached_by_the_interface_that_is_named_and_no_further_than_that(made: list[Any]) -> None:
    sender = Sender(Multicast(group="239.255.10.1", port=5010, interface="127.0.0.1", hops=3))
    [opened] = made
    assert opened.getsockname()[0] == "127.0.0.1"
    assert socket.inet_ntoa(opened.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, 4)) == "127.0.0.1"
    assert opened.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 3
    assert opened.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP) == 1
    assert not opened.getblocking()
    sender.send(b"x")
    assert opened.told == [(b"x", ("239.255.10.1", 5010))]
    sender.close()


def test_one_machine_may_be_the_group(made: list[Any]) -> None:
    sender = Sender(Multicast(group="127.0.0.1", port=5010))
    sender.send(b"x")
    assert made[0].told == [(b"x", ("127.0.0.1", 5010))]
    assert (sender.sent, sender.sent_bytes, dict(sender.lost)) == (1, 1, {})
    sender.close()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BlockingIOError(11, "Resource temporarily unavailable"), "Resource temporarily unavailable"),
        (OSError(105, "No buffer space available"), "No buffer space available"),
        (OSError(101, "Network is unreachable"), "Network is unreachable"),
    ],
)
def test_what_cannot_be_sent_is_counted(
    made: list[Any], monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str
) -> None:
    sender = Sender(Multicast(group="127.0.0.1", port=5010))

    def fail(data: bytes, target: Any) -> int:
        raise error

    monkeypatch.setattr(made[0], "sendto", fail)
    sender.send(b"x")
    sender.send(b"y")
    assert (sender.sent, sender.sent_bytes, dict(sender.lost)) == (0, 0, {reason: 2})
    sender.close()


def test_nothing_is_opened_where_no_group_is_named(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(configuration())
    assert multicast_side(load(file), Views(Depth()), "1") is None


@pytest.mark.parametrize("key", ["group", "interface"])
def test_packets_go_by_ipv4(tmp_path: Path, key: str) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(configuration(multicast={"group": "127.0.0.1", key: "::1"}))
    with pytest.raises(ConfigError, match=f'multicast.{key}.*"::1" is an IPv6 address: packets go out by IPv4 only'):
        load(file)


def test_an_interface_that_there_is_not_is_said_at_the_start() -> None:
    with pytest.raises(OSError):
        Sender(Multicast(group="127.0.0.1", port=5010, interface="192.0.2.1"))
