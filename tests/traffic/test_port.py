"""The socket by which messages are looked at: what a reader is given, and that no reader costs the exchange more than so much."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixserver import traffic_port
from fixserver.loop import Loop
from fixserver.sessions import SessionTerms
from fixserver.traffic import IN, OUT, SLACK, TRAFFIC_KEPT, Tap, Traffic
from fixserver.traffic_port import BYTES_PER_PERIOD_MAX, NEVER, READERS_MAX, REQUEST_BYTES_MAX, TrafficPort, starred
from fixserver.unixsocket import socket_address
from tests.venue import wait_for

PARTICIPANTS = ("ALICE", "BOB")
LIVE = {"live": True}


def text(number: int, more: str = "") -> bytes:
    return f"8=FIX.4.4\x019=5\x0135=0\x0134={number}\x01{more}10=000\x01".encode()


class House:
    """The port in its loop, and the sessions whose messages it shows."""

    def __init__(self, data: Path) -> None:
        self.loop = Loop()
        self.traffic = Traffic(lambda name: name in PARTICIPANTS)
        self.port = TrafficPort(self.loop, data, self.traffic)
        self.readers: list[Reader] = []
        self.now = 0  # of what comes and goes, in ns

    def tap(self, participant: str = "ALICE", begin_string: str = "FIX.4.4") -> Tap:
        for_others = participant == "WEB"
        return self.traffic.tap(SessionTerms(participant, begin_string, "VENUE", participant, speaks_for_others=for_others))

    def add(self, tap: Tap, *messages: bytes, direction: str = IN) -> None:
        self.now += 1
        tap.add(self.now, direction, list(messages))

    def turn(self) -> bool:
        """Everything that is ready, and one service of the readers, whether it is time or not. Says nothing: False."""
        while self.loop.poll(0.001):
            pass
        if self.port.due is not NEVER:
            self.port.serve(time.perf_counter())
        return False

    def reader(self, request: bytes | None = b'{"participant":"ALICE"}\n') -> Reader:
        reader = Reader(self)
        self.readers.append(reader)
        if request is not None:
            reader.socket.sendall(request)
        self.turn()
        return reader

    def close(self) -> None:
        for reader in self.readers:
            reader.socket.close()
        self.port.close()
        self.loop.close()


class Reader:
    """One who looks."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.socket = socket.socket(socket.AF_UNIX)
        with socket_address(house.port.path) as address:
            self.socket.connect(address)
        self.socket.setblocking(False)
        self._received = b""

    def lines(self) -> list[dict[str, Any]]:
        """What is there after turns enough for all of it."""
        found: list[dict[str, Any]] = []
        quiet = 0
        while quiet < 3:
            self.house.turn()
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                self._received += self.socket.recv(1 << 20)
            *lines, self._received = self._received.split(b"\n")
            found += map(json.loads, lines)
            quiet = 0 if lines else quiet + 1
        return found

    def ended(self) -> bool:
        self.house.turn()
        try:
            return self.socket.recv(1 << 20) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    found = House(tmp_path)
    yield found
    found.close()


def line(time_ns: int, raw: bytes, direction: str = IN, session: str = "ALICE/FIX.4.4") -> dict[str, Any]:
    return {"time": time_ns, "session": session, "direction": direction, "raw": raw.decode()}


# ---------------------------------------------------------------------------------------------- what is given


def test_first_what_was_kept_then_what_happens(house: House) -> None:
    tap = house.tap()
    house.add(tap, text(1), text(2))
    house.add(tap, text(3), direction=OUT)
    reader = house.reader()
    assert reader.lines() == [line(1, text(1)), line(1, text(2)), line(2, text(3), OUT), LIVE]
    house.add(tap, text(4))
    assert reader.lines() == [line(3, text(4))]
    assert reader.lines() == []


def test_all_sessions_of_the_participant_by_time_and_nobody_elses(house: House) -> None:
    old, new, web, other = house.tap(begin_string="FIX.4.2"), house.tap(), house.tap("WEB"), house.tap("BOB")
    for_alice, for_bob = "115=ALICE\x01", "115=BOB\x01"
    house.add(new, text(1))
    house.add(old, text(2))
    house.add(other, text(3, "58=ALICE\x01"))
    house.add(web, text(4, for_alice), text(5, for_bob))
    house.add(old, text(6))
    reader = house.reader()
    names = {"new": "ALICE/FIX.4.4", "old": "ALICE/FIX.4.2", "web": "WEB/FIX.4.4"}
    assert reader.lines() == [
        line(1, text(1), session=names["new"]),
        line(2, text(2), session=names["old"]),
        line(4, text(4, for_alice), session=names["web"]),
        line(5, text(6), session=names["old"]),
        LIVE,
    ]
    house.add(web, text(7, for_alice))
    house.add(new, text(8))
    assert reader.lines() == [line(6, text(7, for_alice), session=names["web"]), line(7, text(8), session=names["new"])]


def test_a_session_that_comes_up_later_is_shown(house: House) -> None:
    reader = house.reader()
    assert reader.lines() == [LIVE]
    house.add(house.tap("WEB"), text(1, "115=ALICE\x01"))
    assert reader.lines() == [line(1, text(1, "115=ALICE\x01"), session="WEB/FIX.4.4")]


def test_of_what_was_kept_the_last_so_many(house: House) -> None:
    """Even where some more are still there."""
    tap = house.tap()
    for number in range(1, TRAFFIC_KEPT + SLACK):
        house.add(tap, text(number))
    lines = house.reader().lines()
    assert [entry["time"] for entry in lines[:-1]] == list(range(SLACK, TRAFFIC_KEPT + SLACK))
    assert lines[-1] == LIVE


def test_passwords_are_starred(house: House) -> None:
    """In whatever message, and those of NewPassword and of raw data too; what is not readable as text is marked."""
    secrets = "553=ALICE\x01554=se=cret\x01925=next\x0195=8\x0196=raw\x01pass\x011402=abc\x011404=def\x01"
    house.add(house.tap(), text(1, secrets), b"8=FIX.4.4\x019=9\x0135=A\x01554=cut off", b"8=FIX.4.4\x0158=\xff\x01")
    first, second, third, _ = house.reader().lines()
    shown = "553=ALICE\x01554=***\x01925=***\x0195=8\x0196=***\x011402=***\x011404=***\x01"
    assert first["raw"] == text(1, shown).decode()
    assert second["raw"] == "8=FIX.4.4\x019=9\x0135=A\x01554=***"
    assert third["raw"] == "8=FIX.4.4\x0158=\N{REPLACEMENT CHARACTER}\x01"


def test_what_is_no_password_stays() -> None:
    plain = text(1, "11=554\x0158=554=x\x015540=y\x01")
    assert starred(plain) == plain


# ---------------------------------------------------------------------------------------------- slow readers


def test_who_is_too_slow_is_told_how_much_he_missed(house: House) -> None:
    """Nothing is kept for him: he goes on with the oldest that is there."""
    tap = house.tap()
    reader = house.reader()
    assert reader.lines() == [LIVE]
    given = 50 * TRAFFIC_KEPT
    for number in range(1, given + 1):
        house.add(tap, text(number, f"58={'x' * 200}\x01"))
        if number % 100 == 0:
            house.turn()
    found = reader.lines()
    assert found[-1]["time"] == given
    times = [entry["time"] for entry in found if "time" in entry]
    missing = [entry["dropped"] for entry in found if "dropped" in entry]
    assert times == sorted(set(times))
    assert sum(missing) > 0
    assert sum(missing) + len(times) == given
    place = next(place for place, entry in enumerate(found) if "dropped" in entry)
    assert found[place + 1]["time"] == found[place - 1]["time"] + found[place]["dropped"] + 1


def test_one_turn_gives_so_much_to_all_together(house: House) -> None:
    """However many readers there are and however much there is; each has his turn."""
    tap = house.tap()
    for number in range(1, TRAFFIC_KEPT + 1):
        house.add(tap, text(number, f"58={'x' * 200}\x01"))
    readers = [house.reader(b"") for _ in range(20)]
    for reader in readers:
        reader.socket.sendall(b'{"participant":"ALICE"}\n')
    while house.loop.poll(0.001):
        pass
    most = 0
    pending = dict.fromkeys(readers, b"")
    for _ in range(2000):
        house.port.serve(0.0)
        given = 0
        for reader in readers:
            with contextlib.suppress(BlockingIOError):
                data = reader.socket.recv(1 << 20)
                given += len(data)
                pending[reader] += data
        most = max(most, given)
        while house.loop.poll(0):
            pass
        if all(data.endswith(b'{"live":true}\n') for data in pending.values()):
            break
    assert 0 < most <= BYTES_PER_PERIOD_MAX + 1000
    assert [data.count(b"\n") for data in pending.values()] == [TRAFFIC_KEPT + 1] * 20


def test_one_who_reads_nothing_holds_nothing_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are served as before; after a while he is cut."""
    tap = house.tap()
    asleep, awake = house.reader(), house.reader()
    seen = 0
    for number in range(1, 5_001):
        house.add(tap, text(number, f"58={'x' * 200}\x01"))
        if number % 100 == 0:
            found = [entry for entry in awake.lines() if entry != LIVE]
            assert "dropped" not in [key for entry in found for key in entry]
            seen += len(found)
    assert seen == 5_000
    monkeypatch.setattr(traffic_port, "UNREAD_SECONDS", 0.0)
    house.port.tick()
    assert awake.lines() == []
    wait_for(asleep.ended, "the sleeper is cut")
    assert not awake.ended()


def test_without_readers_there_is_nothing_to_do(house: House) -> None:
    assert house.port.due is NEVER
    reader = house.reader()
    assert house.port.due is not NEVER
    reader.socket.close()
    house.turn()
    house.turn()
    assert house.port.due is NEVER


# -------------------------------------------------------------------------------------------- bad manners


@pytest.mark.parametrize(
    "request_line",
    [
        b"\n", b"{}\n", b"[]\n", b"null\n", b'"ALICE"\n', b'{"participant": 5}\n', b'{"participant": "ALICE", "all": true}\n',
        b"GET / HTTP/1.1\n", b"\xff\xfe\n", b"[" * 1000 + b"\n", b'{"participant": "ALICE\n',
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(house: House, request_line: bytes) -> None:
    reader = house.reader(request_line)
    assert reader.lines() == [{"error": 'not a request as {"participant": "TRADER1"} on a line of its own'}]
    assert reader.ended()


@pytest.mark.parametrize("name", ["", "CAROL", "alice", "WEB", "A" * 900])
def test_nobodys_messages_are_not_shown(house: House, name: str) -> None:
    reader = house.reader(json.dumps({"participant": name}).encode() + b"\n")
    assert reader.lines() == [{"error": f"no participant {name[:40]}"}]
    assert reader.ended()


def test_a_long_line_is_refused(house: House) -> None:
    for data in (b"x" * (REQUEST_BYTES_MAX + 1), b"x" * (REQUEST_BYTES_MAX + 1) + b"\n"):
        reader = house.reader(data)
        assert reader.lines() == [{"error": f"a request is a line of at most {REQUEST_BYTES_MAX} bytes"}]


def test_one_request_a_connection(house: House) -> None:
    one = b'{"participant":"ALICE"}\n'
    reader = house.reader(one + one)
    assert reader.lines() == [{"error": "one request a connection is taken"}]
    reader = house.reader()
    assert reader.lines() == [LIVE]
    reader.socket.sendall(one)
    assert reader.lines() == [{"error": "one request a connection is taken"}]
    assert reader.ended()


def test_a_request_may_come_in_pieces_and_its_writer_say_no_more(house: House) -> None:
    reader = house.reader(b'{"parti')
    reader.socket.sendall(b'cipant":"ALICE"}')
    assert reader.lines() == []
    reader.socket.sendall(b"\n")
    assert reader.lines() == [LIVE]
    reader.socket.shutdown(socket.SHUT_WR)
    house.add(house.tap(), text(1))
    assert reader.lines() == [line(1, text(1))]


def test_who_asks_for_nothing_is_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    silent, hung_up = house.reader(None), house.reader(b"")
    hung_up.socket.shutdown(socket.SHUT_WR)
    assert hung_up.ended()
    monkeypatch.setattr(traffic_port, "REQUEST_SECONDS", 0.0)
    house.port.tick()
    assert silent.ended()


def test_so_many_readers_and_no_more(house: House) -> None:
    readers = [house.reader() for _ in range(READERS_MAX)]
    late = house.reader(None)
    assert late.lines() == [{"error": f"{READERS_MAX} readers are connected: no more are taken"}]
    readers[0].socket.close()
    house.turn()
    assert house.reader().lines() == [LIVE]


def test_the_socket_is_its_owners_alone(house: House) -> None:
    assert stat.S_IMODE(house.port.path.stat().st_mode) == 0o600
    path = house.port.path
    house.port.close()
    assert not path.exists()


def test_a_reader_who_is_killed_leaves_nothing_behind(house: House) -> None:
    """In the middle of what he was being given."""
    tap = house.tap()
    for number in range(1, TRAFFIC_KEPT + 1):
        house.add(tap, text(number, f"58={'x' * 1000}\x01"))
    program = "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
    program += "s.sendall(b'{\"participant\":\"ALICE\"}\\n'); s.recv(1000); print('reading', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program, str(house.port.path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = process.stdout
        os.set_blocking(said.fileno(), False)
        wait_for(lambda: house.turn() or said.read(), "he reads")
        process.send_signal(signal.SIGKILL)
        process.wait()
    house.add(tap, text(1))
    wait_for(lambda: house.turn() or house.port.due is NEVER, "he is gone")
    assert house.reader().lines()[-1] == LIVE
