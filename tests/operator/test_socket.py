"""The operator's socket: who may open it, and that nothing that comes in over it harms the venue."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import random
import select
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixserver import admin
from fixserver.admin import AdminPort, Answer, Refused, Request
from fixserver.loop import Loop
from fixserver.unixsocket import socket_address
from tests.operator.conftest import Operator
from tests.venue import Venue, order, wait_for

NOT_A_REQUEST = 'not a request as {"action": "status", "arguments": {}} on a line of its own: '


def test_its_owner_alone_may_open_it(venue: Venue) -> None:
    about = (venue.data / "admin.sock").stat()
    assert stat.S_ISSOCK(about.st_mode)
    assert stat.S_IMODE(about.st_mode) == 0o600
    assert about.st_uid == os.getuid()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"hello", NOT_A_REQUEST + "JSON is malformed: invalid character (byte 0)"),
        (b"{", NOT_A_REQUEST + "Input data was truncated"),
        (b"\xff\xfe{}", NOT_A_REQUEST + "JSON is malformed: invalid character (byte 0)"),
        (b'{"action": "\xff"}', NOT_A_REQUEST),
        (b'{"action": "\\ud800"}', NOT_A_REQUEST),
        (b'{"action": "status", "arguments": {"x": ' + b"[" * 60_000, NOT_A_REQUEST),
        (b"[]", "Expected object, got array"),
        (b"{}", "Object missing required field action"),
        (b'{"action": 7}', "action: Expected str, got int"),
        (b'{"action": "status", "arguments": []}', "arguments: Expected object, got array"),
        (b'{"action": "status", "more": 1}', "Object contains unknown field more"),
        (b'{"action": "status", "arguments": {"name": "x"}}', "Object contains unknown field name"),
        (b'{"action": "dance"}', "no action 'dance': there are "),
    ],
)
def test_what_is_no_request_is_refused(operator: Operator, line: bytes, error: str) -> None:
    operator.send(line + b"\n")
    answer = operator.answer()
    assert answer["ok"] is False
    assert answer["error"].startswith(error)
    assert operator.do("status")["venue"] == "FIXSERVER"  # the connection goes on


def test_empty_lines_are_passed_over(operator: Operator) -> None:
    operator.send(b'\n  \n{"action": "status"}\n')
    assert operator.answer()["ok"]


def test_requests_at_once_are_answered_in_their_order(operator: Operator) -> None:
    names = [f"NOBODY{number}" for number in range(500)]
    asked = [{"action": "session list", "arguments": {"name": name}} for name in names]
    operator.send(b"".join(json.dumps(one).encode() + b"\n" for one in asked))
    assert [operator.answer()["error"] for _ in names] == [f"no participant or drop copy {name}" for name in names]


def test_a_request_may_come_byte_by_byte_and_be_answered_after_the_last(operator: Operator) -> None:
    for byte in b'{"action": "status"}\n':
        operator.send(bytes([byte]))
    assert operator.answer()["ok"]


def test_who_has_said_all_that_he_will_is_answered(operator: Operator) -> None:
    operator.send(b'{"action": "status"}\n{"action": "snapshot"}\n')
    operator.socket.shutdown(socket.SHUT_WR)
    assert operator.answer()["result"]["venue"] == "FIXSERVER"
    assert operator.answer()["ok"]
    assert operator.line() == b""


def test_a_line_that_does_not_end_is_cut(operator: Operator) -> None:
    operator.send(b"x" * (admin.REQUEST_BYTES_MAX + admin.READ_BYTES))
    assert operator.answer()["error"] == f"a request is a line of at most {admin.REQUEST_BYTES_MAX} bytes"
    assert operator.line() == b""


def test_a_line_that_is_too_long_is_cut(operator: Operator) -> None:
    operator.send(b"x" * (admin.REQUEST_BYTES_MAX + 1) + b'\n{"action": "status"}\n')
    assert operator.answer()["error"] == f"a request is a line of at most {admin.REQUEST_BYTES_MAX} bytes"
    assert operator.line() == b""


def test_no_more_connections_than_there_may_be(venue: Venue) -> None:
    operators = [Operator(venue) for _ in range(admin.CONNECTIONS_MAX)]
    for one in operators:
        one.do("status")
    with Operator(venue) as late:
        assert late.answer()["error"] == f"{admin.CONNECTIONS_MAX} operators are connected: no more are taken"
        assert late.line() == b""
    for one in operators:
        one.close()
    wait_for(lambda: _is_answered(venue), "room")


def _is_answered(venue: Venue) -> bool:
    with Operator(venue) as operator:
        return bool(operator.ask("status")["ok"])


def test_random_bytes_harm_nothing(venue: Venue) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    whole = b'{"action": "session set-sequence", "arguments": {"name": "TRADER29", "version": "4.2", "next_in": 7}}\n'
    for _ in range(200):
        with Operator(venue) as operator:
            damaged = bytearray(whole * chance.randrange(1, 5))
            for _ in range(chance.randrange(1, 20)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            operator.send(bytes(damaged[: chance.randrange(1, len(damaged) + 1)]))
            if chance.random() < 0.5:
                operator.send(b"\n")
                operator.line()
    with Operator(venue) as operator:
        assert operator.do("status")["venue"] == "FIXSERVER"


def test_who_goes_away_while_he_is_answered_harms_nothing(venue: Venue) -> None:
    for _ in range(50):
        with Operator(venue) as gone:
            gone.send(b'{"action": "status"}\n' * 100)
    client = venue.client("TRADER28").logon()
    client.send("D", order("while"))
    client.expect("8", "39=0")
    with Operator(venue) as operator:
        assert operator.do("status")["open_orders"] >= 1


# --------------------------------------------------------------------------------- the port without a venue


class Repeats:
    """A desk that says what it was asked, and keeps what it is told to keep."""

    def __init__(self) -> None:
        self.kept: list[Answer] = []
        self.operators: list[str] = []

    def act(self, request: Request, operator: str, answer: Answer) -> None:
        self.operators.append(operator)
        if request.action == "keep":
            self.kept.append(answer)
        elif request.action == "refuse":
            raise Refused("no")
        elif request.action == "fail":
            raise RuntimeError("a slip")
        else:
            answer.done(request.arguments.get("say", "") * request.arguments.get("times", 1))


class Stand:
    """A loop with an operator's port, turned by hand."""

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.loop = Loop()
        self.desk = Repeats()
        self.path = data / "admin.sock"
        self.port = AdminPort(self.loop, data, self.desk)

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_address(self.path) as address:
            sock.connect(address)
        sock.settimeout(5)
        self.turn()
        return sock

    def turn(self) -> None:
        while self.loop.poll(0.01) or self.port.dirty:
            self.port.flush()

    def ask(self, sock: socket.socket, action: str, **arguments: Any) -> None:
        sock.sendall(json.dumps({"action": action, "arguments": arguments}).encode() + b"\n")
        self.turn()

    def ended(self, sock: socket.socket) -> bool:
        """Whether the port has closed a connection on which nothing else waits."""
        return bool(select.select([sock], [], [], 0)[0]) and sock.recv(1) == b""

    def close(self) -> None:
        self.port.close()
        self.loop.close()


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    standing = Stand(tmp_path / "data")
    yield standing
    standing.close()


def test_who_asks_is_the_user_at_the_other_end(stand: Stand) -> None:
    with stand.connect() as sock:
        stand.ask(sock, "say", say="x")
        assert stand.desk.operators == [pwd.getpwuid(os.getuid()).pw_name]


def test_a_user_without_a_name_is_his_number(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(user: int) -> None:
        raise KeyError(user)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with stand.connect() as sock:
        stand.ask(sock, "say")
        assert stand.desk.operators == [f"user {os.getuid()}"]


def test_a_request_waits_for_the_answer_before_it(stand: Stand) -> None:
    with stand.connect() as sock:
        stand.ask(sock, "keep")
        stand.ask(sock, "say", say="second")
        assert not select.select([sock], [], [], 0)[0]
        stand.desk.kept[0].done("first")
        stand.turn()
        assert sock.recv(1000) == b'{"ok":true,"result":"first"}\n{"ok":true,"result":"second"}\n'


def test_an_answer_for_who_has_gone_is_let_go(stand: Stand) -> None:
    with stand.connect() as sock:
        stand.ask(sock, "keep")
    stand.turn()
    stand.desk.kept[0].done("nobody hears it")
    stand.turn()


def test_a_slip_in_the_desk_is_an_answer(stand: Stand) -> None:
    with stand.connect() as sock:
        stand.ask(sock, "refuse")
        stand.ask(sock, "fail")
        assert sock.recv(1000) == (
            b'{"ok":false,"error":"no"}\n'
            b'{"ok":false,"error":"this request failed, see the log of the exchange: RuntimeError(\'a slip\')"}\n'
        )


def test_who_does_not_read_is_cut(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "UNREAD_SECONDS", 0.05)
    with stand.connect() as sock, stand.connect() as other:
        stand.ask(sock, "say", say="x", times=10_000_000)
        stand.ask(sock, "say", say="never reached")
        time.sleep(0.06)
        stand.port.tick()
        stand.ask(other, "say", say="y")
        assert other.recv(1000) == b'{"ok":true,"result":"y"}\n'
        received = 0
        with contextlib.suppress(ConnectionResetError):  # cut with a request unread
            while data := sock.recv(1 << 20):
                received += len(data)
        assert 0 < received < 10_000_000


def test_who_reads_slowly_gets_it_all(stand: Stand) -> None:
    with stand.connect() as sock:
        stand.ask(sock, "say", say="x", times=3_000_000)
        received = b""
        while not received.endswith(b"\n"):
            received += sock.recv(100_000)
            stand.turn()
        assert received == b'{"ok":true,"result":"' + b"x" * 3_000_000 + b'"}\n'


def test_who_asks_nothing_is_cut_but_not_while_he_waits(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "IDLE_SECONDS", 0.05)
    with stand.connect() as idle, stand.connect() as waiting:
        stand.ask(waiting, "keep")
        time.sleep(0.06)
        stand.port.tick()
        assert stand.ended(idle)
        stand.desk.kept[0].done("late")
        stand.turn()
        assert waiting.recv(100) == b'{"ok":true,"result":"late"}\n'


def test_the_socket_of_a_process_that_was_killed_is_replaced(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(tmp_path / "admin.sock"))
    left.close()
    stand = Stand(tmp_path)
    with stand.connect() as sock:
        stand.ask(sock, "say", say="here")
        assert sock.recv(100) == b'{"ok":true,"result":"here"}\n'
    stand.close()
    assert not (tmp_path / "admin.sock").exists()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "admin.sock").write_text("mine")
    loop = Loop()
    with pytest.raises(OSError, match=r"is in the place of the operator's socket: move it away: '.*/admin.sock'"):
        AdminPort(loop, tmp_path, Repeats())
    loop.close()
    assert (tmp_path / "admin.sock").read_text() == "mine"


def test_a_path_may_be_longer_than_an_address(tmp_path: Path) -> None:
    stand = Stand(tmp_path / ("long" * 30) / "data")
    with stand.connect() as sock:
        stand.ask(sock, "say", say="here")
        assert sock.recv(100) == b'{"ok":true,"result":"here"}\n'
    assert stat.S_IMODE(stand.path.stat().st_mode) == 0o600
    stand.close()
