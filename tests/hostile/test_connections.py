"""Hostile connections beside a session that trades: each is cut at its limit and counted, and the trader hardly notices."""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.traders import split
from tests.light import light_venue
from tests.venue import ROOT, TRADERS, Client, Ended, Message, Nothing, Venue, order, soh, wait_for

pytestmark = pytest.mark.alone

P99_MS_MAX = 20.0
MEMORY_BYTES_MAX = 24 * 2**20  # that a scenario may leave behind
CONNECTIONS_MAX = 200
LOGON_SECONDS = 2
FRAME_BYTES_MAX = 65_536
SEND_BUFFER_BYTES_MAX = 2**20
# `demo` with the work that a real password costs, some 50 ms.
DEAR_HASH = "scrypt$16384$8$1$MELyYI13EOoghJdUjEaPow==$bFvvklT5IVKzbGqe4Laagj12KWIPUfokRzqC7bd1ls0="
PARTICIPANTS = {
    **TRADERS,
    "DEAR": {"password": DEAR_HASH, "cash": "1_000_000"},
    "SWEPT": {"cash": "1_000_000_000", "holdings": {"MSFT": "1_000_000"}},
}


class Beat:
    """The session that trades."""

    def __init__(self, venue: Venue, *authority: str) -> None:
        command = [sys.executable, "-m", "tests.hostile.beat", str(venue.ports()["fix"]), "TRADER8", *authority]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def mark(self) -> dict[str, Any]:
        """Round trips since the last mark."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def end(self) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    exchange = {
        "connections_max": CONNECTIONS_MAX, "logon_seconds": LOGON_SECONDS, "frame_bytes_max": FRAME_BYTES_MAX,
        "send_buffer_bytes_max": SEND_BUFFER_BYTES_MAX,
    }  # fmt: skip
    with light_venue(tmp_path_factory.mktemp("venue"), participants=PARTICIPANTS, exchange={**QUICK, **exchange}) as venue:
        yield venue


QUICK = {"port": 0, "metrics_port": 0, "durability": "os", "orders_per_second": 0, "cancels_per_second": 0}


@pytest.fixture(scope="module")
def beat(venue: Venue) -> Iterator[Beat]:
    beat = Beat(venue)
    beat.mark()
    yield beat
    assert beat.end() == 0


@pytest.fixture
def unharmed(venue: Venue, beat: Beat, request: pytest.FixtureRequest) -> Iterator[None]:
    """The trader's pulse is steady, and the memory of the exchange flat, over the test."""
    beat.mark()
    before = venue.memory()
    yield
    pulse = beat.mark()
    grown = venue.memory() - before
    print(f"{request.node.name}: {pulse}, memory {grown / 2**20:+.1f} MiB")
    assert pulse["p99"] < P99_MS_MAX, pulse
    assert grown < MEMORY_BYTES_MAX
    assert venue.processes["exchange"].poll() is None


def cuts(venue: Venue) -> dict[str, int]:
    """Connections that were cut, by cause."""
    head, tail = 'fixserver_connections_refused_total{cause="', '"}'
    # The page is made anew twice a second at most.
    time.sleep(0.6)
    return {name[len(head) : -len(tail)]: int(value) for name, value in venue.metrics().items() if name.startswith(head)}


@contextlib.contextmanager
def counted(venue: Venue, cause: str, least: int) -> Iterator[None]:
    before = cuts(venue).get(cause, 0)
    yield
    assert cuts(venue).get(cause, 0) - before >= least


def connect(venue: Venue) -> socket.socket:
    return socket.create_connection(("127.0.0.1", venue.ports()["fix"]), 10)


@contextlib.contextmanager
def connections(venue: Venue, count: int) -> Iterator[list[socket.socket]]:
    found = [connect(venue) for _ in range(count)]
    try:
        yield found
    finally:
        for sock in found:
            sock.close()


def ended(sock: socket.socket, seconds: float = 0.0) -> bool:
    """Whether the venue has closed a connection."""
    if not select.select([sock], [], [], seconds)[0]:
        return False
    try:
        while data := sock.recv(65_536):
            assert data
        return True
    except ConnectionResetError:
        return True


def seconds_until_ended(socks: list[socket.socket], limit: float) -> float:
    started = time.monotonic()
    left = list(socks)
    while left:
        left = [sock for sock in left if not ended(sock)]
        assert time.monotonic() - started < limit, f"{len(left)} connections are not cut"
        time.sleep(0.02)
    return time.monotonic() - started


def pour(sock: socket.socket, data: bytes, limit: float = 5.0) -> int:
    """Send `data` again and again until the venue cuts; how many bytes it took to that."""
    sock.settimeout(limit)
    sent = 0
    try:
        while sent < 64 * 2**20:
            sent += sock.send(data)
    except (BrokenPipeError, ConnectionResetError):
        return sent
    raise AssertionError("endless bytes were taken")


def usable(venue: Venue, comp_id: str = "TRADER1") -> None:
    """That somebody can log on at once, and trade."""
    client = venue.client(comp_id).logon(reset=True)
    client.send("H", "11=NONE|55=AAPL|54=1|")
    client.expect("8", "39=8")
    client.logout()


# -------------------------------------------------------------------------------------------- before a Logon


@pytest.mark.usefixtures("unharmed")
def test_five_hundred_idle_connections(venue: Venue) -> None:
    with counted(venue, "full", 500 - CONNECTIONS_MAX), counted(venue, "logon", CONNECTIONS_MAX // 2):  # noqa: SIM117
        with connections(venue, 500) as idle:
            time.sleep(0.7)
            usable(venue)  # a stranger makes room for one who knows what he wants
            seconds_until_ended(idle, LOGON_SECONDS + 1)
    assert venue.metrics()["fixserver_connections"] <= 3


@pytest.mark.usefixtures("unharmed")
def test_fifty_that_drip_a_byte_a_second(venue: Venue) -> None:
    logon = venue.client("TRADER2").build("A", "98=0|108=30|")
    with counted(venue, "logon", 50), connections(venue, 50) as dripping:
        started = time.monotonic()
        for at in range(LOGON_SECONDS + 1):
            for sock in dripping:
                with contextlib.suppress(OSError):
                    sock.send(logon[at : at + 1])
            usable(venue)
            time.sleep(max(0.0, started + at + 1 - time.monotonic()))
        assert seconds_until_ended(dripping, 1) < 1


GARBAGE = {
    "zeros": bytes(8192),
    "text": b"GET / HTTP/1.1\r\nHost: fix\r\n\r\n" * 300,
    "nearly FIX": b"8=FOX.4.4\x019=5\x0135=A\x0110=000\x01" * 300,
    "heads": b"8=FIX.4.4\x01" * 800,
    "long tag": b"8=FIX.4.4\x019=60000\x0135=" + b"A" * 50_000,
    "a length without end": b"8=FIX.4.4\x019=" + b"1" * 8192,
    "2,000,000,000": b"8=FIX.4.4\x019=2000000000\x0135=A\x01" + b"x" * 8192,
}


@pytest.mark.usefixtures("unharmed")
def test_garbage_instead_of_a_logon(venue: Venue) -> None:
    before = cuts(venue)
    for name, data in GARBAGE.items():
        with connections(venue, 1) as (sock,):
            taken = pour(sock, data)
            assert taken < 8 * 2**20, f"{name}: {taken} bytes"  # what stands in socket buffers included
    after = cuts(venue)
    assert sum(after.values()) - sum(before.values()) == len(GARBAGE)
    assert after.get("frame", 0) - before.get("frame", 0) >= 5


@pytest.mark.usefixtures("unharmed")
def test_more_connections_than_descriptors(venue: Venue) -> None:
    """The limit falls below what is open, while the metrics are asked for too; no spinning, and all is well when it is over."""
    process = venue.processes["exchange"]
    open_now = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
    before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    with connections(venue, 1), connections(venue, 60):
        wait_for(lambda: venue.metrics()["fixserver_connections"] >= 60, "connections are counted")
    wait_for(lambda: len(list(Path(f"/proc/{process.pid}/fd").iterdir())) == open_now, "they are gone")
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (open_now + 20, before[1]))
    try:
        with connections(venue, 100), socket.create_connection(("127.0.0.1", venue.ports()["metrics"])):
            cpu, started = cpu_seconds(process.pid), time.monotonic()
            time.sleep(1.5)
            assert cpu_seconds(process.pid) - cpu < 0.6 * (time.monotonic() - started)
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
    usable(venue)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.usefixtures("unharmed")
def test_a_storm_of_wrong_passwords(venue: Venue) -> None:
    """Each costs the venue a hash, off the thread that trades; beyond what it can hash, they are refused at once."""
    wrong = soh("98=0|108=30|553=DEAR|554=guess|")
    with counted(venue, "password", 150), contextlib.ExitStack() as stack:
        guessing = []
        for _ in range(150):
            sock = connect(venue)
            stack.enter_context(sock)
            sock.sendall(venue.client("DEAR").build("A", wrong))
            guessing.append(sock)
        usable(venue, "TRADER3")
        seconds_until_ended(guessing, 15)
    usable(venue, "DEAR")


@pytest.mark.usefixtures("unharmed")
def test_strangers_and_doubles(venue: Venue) -> None:
    """Unknown names, no Logon at all, and a second connection of a session whose first is alive."""
    first = venue.client("TRADER1").logon(reset=True)
    with counted(venue, "unknown", 40), counted(venue, "in use", 20):
        for _ in range(20):
            for sender, msg_type in (("NOBODY", "A"), ("TRADER2", "D"), ("TRADER1", "A")):
                stranger = Client(venue.ports()["fix"], sender).connect()
                stranger.send(msg_type, stranger.logon_body())
                with pytest.raises(Ended):
                    stranger.receive()
                stranger.close()
    first.send("D", order(f"S{time.time_ns()}"))
    first.expect("8", "39=0")
    first.logout()


@pytest.mark.usefixtures("unharmed")
def test_a_storm_of_logons_and_logouts(venue: Venue) -> None:
    client = venue.client("TRADER4").logon(reset=True)
    client.logout()
    for _ in range(200):
        client.logon().logout()
    assert client.next_in == client.next_out


@pytest.mark.usefixtures("unharmed")
def test_the_metrics_are_hammered(venue: Venue) -> None:
    """By many who ask, some who never do, and one who does not stop talking; none of them costs the trader anything."""
    address = ("127.0.0.1", venue.ports()["metrics"])
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address)) for _ in range(10)]
        with socket.create_connection(address) as talker:
            pour(talker, b"GET /metrics HTTP/1.1\r\nCookie: " + b"x" * 4096)
        for _ in range(300):
            assert venue.metrics()["fixserver_sessions"] >= 1
        seconds_until_ended(silent, 3)


# --------------------------------------------------------------------------------------------- after a Logon


@pytest.mark.usefixtures("unharmed")
def test_garbage_after_a_logon(venue: Venue) -> None:
    client = venue.client("TRADER1").logon(reset=True)
    for data in GARBAGE.values():
        if b"\x019=" not in data:
            client.send_raw(data)  # below the limit it is skipped
            client.send("1", "112=there|")
            client.expect("0", "112=there")
    with counted(venue, "frame", len(GARBAGE) - 1):
        for name, data in GARBAGE.items():
            if name == "long tag":
                continue
            client.logon(reset=True)
            assert client.socket is not None
            pour(client.socket, data)
            client.close()
    wait_for(lambda: reconnects(client), "the session is free")


def reconnects(client: Client) -> bool:
    client.connect()
    client.next_out = client.next_in = 1
    client.send("A", client.logon_body(reset=True))
    try:
        answer = client.receive()
    except Ended:
        return False
    assert answer.type == "A"
    client.logout()
    return True


@pytest.mark.usefixtures("unharmed")
def test_half_a_message_is_no_sign_of_life(venue: Venue) -> None:
    client = venue.client("TRADER1", answers_test_requests=False).logon(1, reset=True)
    message = client.build("D", order("HALF"))
    started = time.monotonic()
    types = []
    try:
        while True:
            with contextlib.suppress(Nothing):
                client.send_raw(message[:1])
                message = message[1:] or b"x"
                types.append(client.receive(0.2).type)
    except Ended:
        pass
    assert "1" in types
    assert 2 < time.monotonic() - started < 5


@pytest.mark.usefixtures("unharmed")
def test_a_storm_of_rejects(venue: Venue) -> None:
    """Ten thousand orders that no dictionary knows, and ten thousand that no book takes."""
    client = venue.client("TRADER5").logon(reset=True)
    for _ in range(20):
        bad = [client.build("D", f"11=R{client.next_out}|21=1|55=AAPL|54=Z|60=now|38=1|40=2|44=1|") for _ in range(500)]
        worse = [client.build("D", order(f"R{client.next_out}", quantity=-1)) for _ in range(500)]
        client.send_many(bad + worse)
        for _ in range(1000):
            assert client.receive().type in "38"
    client.logout()


@pytest.mark.usefixtures("unharmed")
def test_a_storm_of_resend_requests(venue: Venue) -> None:
    """Six times over, so that the trader beside has more than a hundred round trips to be measured by."""
    for _ in range(6):
        resend_storm(venue)


def resend_storm(venue: Venue) -> None:
    client = venue.client("TRADER6").logon(reset=True)
    client.send_many(client.build("H", f"11=N{number}|55=AAPL|54=1|") for number in range(2000))
    client.drain(lambda message: message.get(11) == "N1999")
    sent = 0
    with contextlib.suppress(Ended):
        for _ in range(1000):
            client.send("2", "7=1|16=0|")
            sent += 1
    received = []
    with contextlib.suppress(Ended):
        while True:
            received.append(client.receive())
    assert any(message.type == "5" and "ResendRequests" in message.get(58) for message in received)
    assert len(received) < 31 * 2100
    client.close()
    wait_for(lambda: reconnects(client), "he may come back")


def stream(client: Client) -> Iterator[bytes]:
    """Messages as they come, raw: quicker than receive()."""
    assert client.socket is not None
    client.socket.settimeout(20)
    rest = b""
    while True:
        data = client.socket.recv(1 << 18)
        if not data:
            raise Ended
        *messages, rest = split(rest + data)
        yield from messages


def test_one_that_never_reads_while_a_hundred_thousand_reports_are_due(venue: Venue, beat: Beat) -> None:
    count, window = 100_000, 500
    swept = venue.client("SWEPT")
    swept.socket = socket.socket()
    swept.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    swept.socket.connect(("127.0.0.1", venue.ports()["fix"]))
    swept.logon(300, reset=True, fields="8013=D|")  # DAY orders end with the connection
    swept.send("D", order("RESTING", "2", count, "99.00", "MSFT", "59=1|"))
    swept.expect("8", "39=0")
    swept.send("D", order("OF THE DAY", "2", 1, "140.00", "MSFT"))
    swept.expect("8", "39=0")
    taker = venue.client("TRADER7").logon(reset=True)
    answers = stream(taker)
    beat.mark()
    before = venue.memory()
    with counted(venue, "slow", 1):
        for at in range(0, count, window):
            taker.send_many(taker.build("D", order(f"T{number}", "1", 1, "99.00", "MSFT")) for number in range(at, at + window))
            fills = 0
            while fills < window:
                fills += b"\x01150=F\x01" in next(answers)
            taker.sent.clear()
    pulse, grown = beat.mark(), venue.memory() - before
    print(f"never reads: {pulse}, memory {grown / 2**20:+.1f} MiB")
    assert pulse["p99"] < P99_MS_MAX, pulse
    # What the day knows of each order stays until its end: a ClOrdID may not be used again.
    assert grown < MEMORY_BYTES_MAX + count * 1024

    # He comes back and reads: every report, in order, beside the trader.
    expected = swept.next_in
    swept.connect()
    swept.logon(300)
    beat.mark()
    swept.send("2", f"7={expected}|16=0|")
    reports = (message for message in stream(swept) if b"\x0135=8\x01" in message)
    found = [Message(next(reports)) for _ in range(count + 1)]
    pulse = beat.mark()
    executed = [message for message in found if message[150] == "F"]
    assert [(message[11], message[39]) for message in found if message[150] != "F"] == [("OF THE DAY", "4")]
    assert [int(message[14]) for message in executed] == list(range(1, count + 1))
    assert {message.get(43) for message in executed} == {"Y"}
    print(f"a resend of a hundred thousand: {pulse}")
    assert pulse["p99"] < P99_MS_MAX, pulse
