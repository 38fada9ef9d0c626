"""A balancer in front, on the FIX port and the web's: whom it names counts, and only a balancer is believed."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixserver import certificates_command
from fixserver.proxyheader import LOCAL, header
from tests.hostile.test_connections import cuts
from tests.light import light_venue
from tests.venue import Venue, wait_for

BALANCER, CLIENT, OTHER = "127.0.0.9", "192.0.2.1", "192.0.2.2"
PER_ADDRESS = 3


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    certificates_command.make(directory, [], [])
    return directory


@pytest.fixture(scope="module", params=["plain", "tls"])
def venue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Venue]:
    edge: dict[str, Any] = {"proxy_from": [f"{BALANCER}/32"], "connections_per_address": PER_ADDRESS}
    if request.param == "tls":
        edge |= {"certificate": str(authority / "server.pem"), "private_key": str(authority / "server.key")}
    exchange = {"port": 0, "metrics_port": 0, "durability": "os", **edge}
    participants: dict[str, dict[str, Any]] = {"ALICE": {}, "BOB": {"allow_from": [OTHER]}}
    sections: dict[str, Any] = {"exchange": exchange, "web": {"port": 0, "logins_per_minute": 0, **edge}}
    with light_venue(tmp_path_factory.mktemp("venue"), participants=participants, history={"enabled": False}, **sections) as venue:
        venue.start("marketdata")
        yield venue


class Balanced:
    """Connections as a balancer makes them."""

    def __init__(self, venue: Venue, authority: Path) -> None:
        self.venue = venue
        with_tls = "certificate = " in venue.config.read_text()
        self.context = ssl.create_default_context(cafile=str(authority / "ca.pem")) if with_tls else None

    def port(self, what: str) -> int:
        return self.venue.ports("marketdata")["http"] if what == "web" else self.venue.ports()["fix"]

    def raw(self, what: str, said: bytes, source: str = BALANCER) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port(what)), 10, source_address=(source, 0))
        sock.sendall(said)
        return sock

    def open(self, what: str, said: bytes, source: str = BALANCER) -> socket.socket:
        sock = self.raw(what, said, source)
        try:
            sock.getpeername()  # where it has been cut already, wrap_socket leaves its socket open
            return self.context.wrap_socket(sock, server_hostname="localhost") if self.context else sock
        except OSError:
            sock.close()
            raise

    def logon(self, name: str, said: bytes, source: str = BALANCER) -> str:
        """The type of the answer to a Logon, or "cut"."""
        client = self.venue.client(name)
        try:
            client.socket = self.open("fix", said, source)
            client.send("A", client.logon_body(reset=True))
            answer = client.receive().type
            if answer == "A":
                client.logout()
        except Exception:
            return "cut"
        finally:
            client.close()
        return answer

    def ask(self, said: bytes, source: str = BALANCER, path: str = "/v1/instruments", who: str = "") -> str:
        """The status of an answer of the web, or "cut"."""
        try:
            with self.open("web", said, source) as sock:
                sock.settimeout(10)
                credentials = base64.b64encode(f"{who}:demo".encode()).decode()
                authorization = f"Authorization: Basic {credentials}\r\n" if who else ""
                sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n".encode())
                return sock.recv(4096).decode().partition(" ")[2][:3] or "cut"
        except OSError:
            return "cut"


@pytest.fixture
def balanced(venue: Venue, authority: Path) -> Balanced:
    return Balanced(venue, authority)


def named(address: str) -> bytes:
    return header(address, "192.0.2.9", (40_000, 5001))


def test_a_balancer_is_believed(balanced: Balanced) -> None:
    assert balanced.logon("ALICE", named(CLIENT)) == "A"
    assert balanced.ask(named(CLIENT)) == "200"
    log = balanced.venue.data / "audit.log"
    wait_for(lambda: f'"address":"{CLIENT}"' in log.read_text(), "it is in the audit log")


def test_nobody_else_is(balanced: Balanced) -> None:
    """What another sends as a header is garbage before a Logon, and no HTTP; without it he is who he is."""
    assert balanced.logon("ALICE", named(CLIENT), "127.0.0.1") == ("cut" if balanced.context else "A")  # skipped, as garbage is
    assert balanced.ask(named(CLIENT), "127.0.0.1") in ("cut", "400")
    assert balanced.logon("ALICE", b"", "127.0.0.1") == "A"
    assert balanced.ask(b"", "127.0.0.1") == "200"
    log = (balanced.venue.data / "audit.log").read_text()
    assert log.count(f'"address":"{CLIENT}"') <= 4


def test_a_balancer_for_itself(balanced: Balanced) -> None:
    assert balanced.logon("ALICE", LOCAL) == "A"
    assert balanced.ask(LOCAL) == "200"


@pytest.mark.parametrize("said", [b"", b"8=FIX.4.4\x019=5\x01", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", named(CLIENT)[:20]])
@pytest.mark.parametrize("what", ["fix", "web"])
def test_a_header_that_is_garbled_or_slow_or_none(balanced: Balanced, what: str, said: bytes) -> None:
    started = time.monotonic()
    with balanced.raw(what, said) as sock, contextlib.suppress(ConnectionResetError):
        assert sock.recv(4096) == b""
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("what", ["fix", "web"])
def test_limits_count_whom_it_names(balanced: Balanced, what: str) -> None:
    before = cuts(balanced.venue).get("per address", 0)
    with contextlib.ExitStack() as stack:
        for _ in range(PER_ADDRESS):
            stack.enter_context(balanced.open(what, named(CLIENT)))
        refused = stack.enter_context(balanced.raw(what, named(CLIENT)))
        refused.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert refused.recv(4096) == b""
        assert balanced.logon("ALICE", named(OTHER)) == "A"
        assert balanced.ask(named(OTHER)) == "200"
    if what == "fix":
        assert cuts(balanced.venue)["per address"] == before + 1

    def free() -> bool:
        return (balanced.logon("ALICE", named(CLIENT)) == "A") if what == "fix" else (balanced.ask(named(CLIENT)) == "200")

    wait_for(free, "who has left makes room")


def test_the_venues_own_session_introduces_itself(tmp_path: Path) -> None:
    """Also where the venue's own machine is a balancer's."""
    edge: dict[str, Any] = {"port": 0, "metrics_port": 0, "proxy_from": ["127.0.0.1"]}
    with light_venue(tmp_path, exchange=edge, history={"enabled": False}) as venue:
        venue.start("marketdata")
        wait_for(lambda: venue.metrics("marketdata")["fixserver_order_entry_connected"] == 1, "the web's session is logged on")


def test_addresses_of_a_participant_are_those_that_it_names(balanced: Balanced) -> None:
    assert [balanced.logon("BOB", named(address)) for address in (CLIENT, OTHER)] == ["5", "A"]
    # Who is let in hears that there is no ledger here.
    assert [balanced.ask(named(address), path="/v1/balance", who="BOB") for address in (CLIENT, OTHER)] == ["401", "503"]
