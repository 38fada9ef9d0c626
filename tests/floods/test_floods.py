"""Floods against a port with TLS and the limits that it has by itself: cut within five seconds, while a session trades as before.

Who floods comes from 127.0.0.2 and beyond; who trades from 127.0.0.1, for which the limits by address do not hold. Each test prints
the round trips of the one who trades.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from fixserver import certificates_command
from tests.hostile.test_connections import Beat, cuts, ended
from tests.light import light_venue
from tests.venue import Venue, soh

pytestmark = pytest.mark.alone

CUT_SECONDS_MAX = 5.0
P99_MS_MAX = 50.0
PER_ADDRESS = 50  # what a port takes of one address by itself
FLOOD_SECONDS = 4.0
CLIENT_HELLO = bytes.fromhex("1603010200010001fc0303")  # the beginning of one


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    certificates_command.make(directory, [], [])
    return directory


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Venue]:
    exchange = {
        "durability": "os", "port": 0, "metrics_port": 0, "orders_per_second": 0, "cancels_per_second": 0,
        "certificate": str(authority / "server.pem"), "private_key": str(authority / "server.key"),
    }  # fmt: skip
    with light_venue(tmp_path_factory.mktemp("venue"), exchange=exchange) as venue:
        yield venue


@pytest.fixture(scope="module")
def beat(venue: Venue, authority: Path) -> Iterator[Beat]:
    beat = Beat(venue, str(authority / "ca.pem"))
    beat.mark()
    yield beat
    assert beat.end() == 0


@pytest.fixture(autouse=True)
def unharmed(venue: Venue, beat: Beat, request: pytest.FixtureRequest) -> Iterator[None]:
    """Who trades hardly notices, and what was opened is closed."""
    beat.mark()
    before = cuts(venue)
    yield
    pulse = beat.mark()
    after = {cause: count - before.get(cause, 0) for cause, count in cuts(venue).items() if count != before.get(cause, 0)}
    print(f"{request.node.name}: {pulse}, cut {after}")
    assert pulse["p99"] < P99_MS_MAX, pulse
    assert venue.metrics()["fixserver_connections"] == 1


def connect(venue: Venue, source: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", venue.ports()["fix"]), 10, source_address=(source, 0))


@contextlib.contextmanager
def connected(venue: Venue, sources: Iterable[str]) -> Iterator[dict[socket.socket, float]]:
    """A connection from each of these addresses, with the time at which it was begun."""
    begun: dict[socket.socket, float] = {}
    try:
        for source in sources:
            since = time.monotonic()
            begun[connect(venue, source)] = since
        yield begun
    finally:
        for sock in begun:
            sock.close()


def cut_in_time(begun: dict[socket.socket, float]) -> None:
    """Each of them is cut five seconds after it was begun at the latest."""
    left = dict(begun)
    while left:
        for sock in [sock for sock in left if ended(sock)]:
            del left[sock]
        late = sum(time.monotonic() - since >= CUT_SECONDS_MAX for since in left.values())
        assert not late, f"{late} of {len(begun)} connections are not cut"
        time.sleep(0.02)


def send_to_all(socks: list[socket.socket], data: Callable[[int], bytes]) -> None:
    for number, sock in enumerate(socks):
        with contextlib.suppress(OSError):
            sock.send(data(number))


def stranger() -> ssl.SSLContext:
    """Who does not care whom he speaks to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_five_hundred_idle_connections(venue: Venue) -> None:
    """Of one address all but fifty at once, those in time."""
    with connected(venue, ["127.0.0.2"] * 500) as idle:
        cut_in_time(idle)


def test_five_hundred_idle_connections_of_many_addresses(venue: Venue) -> None:
    """Who has had half a second makes room for others; one who logs on meanwhile is let in."""
    with connected(venue, (f"127.0.1.{number % 100 + 1}" for number in range(500))) as idle:
        cut_in_time(idle)


def test_fifty_that_drip_through_tls(venue: Venue) -> None:
    logon = venue.client("TRADER2").build("A", "98=0|108=30|")
    context = stranger()
    with contextlib.ExitStack() as dripping:
        since: dict[socket.socket, float] = {}
        for _ in range(PER_ADDRESS):
            began = time.monotonic()
            sock = dripping.enter_context(context.wrap_socket(connect(venue, "127.0.0.3")))
            sock.setblocking(False)
            since[sock] = began
        at = 0
        while since:
            send_to_all(list(since), lambda _: logon[at % len(logon) :][:1])  # noqa: B023
            at += 1
            time.sleep(0.1)
            for sock in [sock for sock in since if _tls_ended(sock)]:
                del since[sock]
            assert all(time.monotonic() - began < CUT_SECONDS_MAX for began in since.values()), f"{len(since)} drip on"


def _tls_ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(4096) == b""
    except (ssl.SSLWantReadError, BlockingIOError):
        return False
    except OSError:
        return True


def test_handshakes_that_are_begun_and_not_ended(venue: Venue) -> None:
    """Two hundred, from four addresses: half of them say the beginning of a ClientHello, half nothing at all."""
    with connected(venue, (f"127.0.0.{number % 4 + 4}" for number in range(4 * PER_ADDRESS - 10))) as begun:
        send_to_all(list(begun), lambda number: CLIENT_HELLO[: number % 2 * len(CLIENT_HELLO)])
        cut_in_time(begun)


def test_a_flood_of_logons_from_one_address(venue: Venue) -> None:
    """As many as one process can begin. Sixty a minute are looked at; each connection is over within five seconds."""
    wrong = venue.client("TRADER1").build("A", soh("98=0|108=30|141=Y|553=TRADER1|554=guess|"), number=1)
    context = stranger()
    begun = 0
    longest = 0.0
    selector = selectors.DefaultSelector()
    open_since: dict[socket.socket, float] = {}
    until = time.monotonic() + FLOOD_SECONDS

    def over(sock: socket.socket) -> None:
        nonlocal longest
        selector.unregister(sock)
        longest = max(longest, time.monotonic() - open_since.pop(sock))
        sock.close()

    while time.monotonic() < until or open_since:
        if time.monotonic() < until and len(open_since) < 200:
            begun += 1
            since = time.monotonic()
            sock = connect(venue, "127.0.0.20")
            try:
                sock.getpeername()  # where it has been cut already, wrap_socket leaves its socket open
                sock = context.wrap_socket(sock)
                sock.send(wrong)
            except OSError:
                sock.close()
                longest = max(longest, time.monotonic() - since)
                continue
            sock.setblocking(False)
            open_since[sock] = since
            selector.register(sock, selectors.EVENT_READ)
        for key, _ in selector.select(0 if time.monotonic() < until else 0.1):
            assert isinstance(key.fileobj, socket.socket)
            if _tls_ended(key.fileobj):
                over(key.fileobj)
        assert all(time.monotonic() - since < CUT_SECONDS_MAX for since in open_since.values())
    print(f"{begun} connections in {FLOOD_SECONDS:g} s, the longest {longest:.1f} s")
    assert begun > 100
    outcomes = {name: value for name, value in venue.metrics().items() if name.startswith("fixserver_logons_total")}
    assert outcomes['fixserver_logons_total{outcome="password"}'] <= 61


def test_a_flood_of_connections_that_end_at_once(venue: Venue) -> None:
    until, begun = time.monotonic() + FLOOD_SECONDS, 0
    while time.monotonic() < until:
        connect(venue, "127.0.0.21").close()
        begun += 1
    print(f"{begun} connections in {FLOOD_SECONDS:g} s")
    assert begun > 100


def test_who_logs_on_during_all_of_it_is_let_in(venue: Venue, authority: Path) -> None:
    """Also from an address of which others flood, while it has attempts left."""
    context = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    with connected(venue, (f"127.0.2.{number % 100 + 1}" for number in range(300))) as idle:
        time.sleep(0.6)
        client = venue.client("TRADER3")
        client.socket = context.wrap_socket(connect(venue, "127.0.2.200"), server_hostname="localhost")
        client.logon(reset=True).logout()
        cut_in_time(idle)
