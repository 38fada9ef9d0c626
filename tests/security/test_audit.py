"""The audit log: what is in it, that it is whole, and what happens where it cannot be written."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixserver import audit
from fixserver.audit import REFUSED_PER_SECOND_MAX, WAITING_MAX, Audit, configuration
from fixserver.cli import main
from tests.light import light_venue
from tests.venue import Client, Ended, Venue, wait_for


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def told(path: Path, *, of: str = "") -> list[dict[str, Any]]:
    """The lines without time and digest; `of` one process."""
    return [
        {key: value for key, value in line.items() if key not in ("at", "before", "process")}
        for line in lines(path)
        if of in ("", line["process"])
    ]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Audit]:
    said: list[str] = []
    log = Audit(tmp_path, "test", said.append)
    yield log
    log.close()


def whole(*arguments: object) -> bool:
    return main(["audit", "verify", *map(str, arguments)]) == 0


# ------------------------------------------------------------------------------------------------ the file


def test_lines_are_chained_and_nobody_else_may_read_them(tmp_path: Path, log: Audit) -> None:
    for number in range(3):
        log.note("logon", participant=f"T{number}", outcome="accepted", why="")
    log.close()
    raw = (tmp_path / "audit.log").read_bytes().splitlines()
    assert [json.loads(line)["before"] for line in raw] == ["", audit.digest(raw[0]), audit.digest(raw[1])]
    assert told(tmp_path / "audit.log") == [{"what": "logon", "participant": f"T{n}", "outcome": "accepted"} for n in range(3)]
    assert (tmp_path / "audit.log").stat().st_mode & 0o777 == 0o600
    assert whole("--data", tmp_path)


@pytest.mark.parametrize("harm", ["changed", "taken out", "put in", "half"])
def test_what_is_changed_later_is_found(tmp_path: Path, log: Audit, harm: str, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        log.note("logon", participant=f"T{number}", outcome="accepted")
    log.close()
    path = tmp_path / "audit.log"
    raw = path.read_bytes().splitlines(keepends=True)
    if harm == "changed":
        raw[1] = raw[1].replace(b"T1", b"T9")
    elif harm == "taken out":
        del raw[1]
    elif harm == "put in":
        raw.insert(2, raw[2].replace(b"T2", b"T7"))
    else:
        raw[1] = raw[1][:20] + b"\n"
    path.write_bytes(b"".join(raw))
    assert not whole(path)
    assert f"{path}: line " in capsys.readouterr().out


def test_two_processes_write_one_chain(tmp_path: Path, log: Audit) -> None:
    other = Audit(tmp_path, "other", print)
    for number in range(200):
        (log, other)[number % 2].note("logon", participant=str(number))
        if number % 20 == 0:
            wait_for(lambda: not log.waiting and not other.waiting, "they are written")
    log.close()
    other.close()
    assert sorted(int(line["participant"]) for line in told(tmp_path / "audit.log")) == list(range(200))
    assert whole("--data", tmp_path)


def test_a_file_that_is_moved_away_is_followed_by_another(tmp_path: Path, log: Audit) -> None:
    other = Audit(tmp_path, "other", print)
    path, old = tmp_path / "audit.log", tmp_path / "audit.log.1"
    log.note("logon", participant="A")
    wait_for(lambda: lines(path), "the first is written")
    path.rename(old)
    other.note("logon", participant="B")
    wait_for(lambda: lines(path), "the second is written")
    log.note("logon", participant="C")
    wait_for(lambda: len(lines(path)) == 2, "the third is written")
    other.close()
    assert [line["participant"] for line in lines(old) + lines(path)] == ["A", "B", "C"]
    assert whole(old, path) and whole(path)
    old.write_bytes(old.read_bytes().replace(b'"A"', b'"X"'))
    assert not whole(old, path)


def test_half_a_line_of_a_crash_stays_alone(tmp_path: Path, log: Audit) -> None:
    log.note("logon", participant="A")
    log.close()
    path = tmp_path / "audit.log"
    with path.open("ab") as file:
        file.write(b'{"at":"2026')
    after = Audit(tmp_path, "after", print)
    after.note("logon", participant="B")
    after.close()
    raw = path.read_bytes().splitlines()
    assert [json.loads(raw[0])["participant"], raw[1], json.loads(raw[2])["participant"]] == ["A", b'{"at":"2026', "B"]
    assert json.loads(raw[2])["before"] == audit.digest(raw[1])


def test_where_it_cannot_be_written_lines_wait_and_what_finds_no_room_is_counted(tmp_path: Path) -> None:
    said: list[str] = []
    log = Audit(tmp_path, "test", said.append)
    log.note("logon", participant="before")
    wait_for(lambda: log.lines == 1, "it is written")
    path = tmp_path / "audit.log"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.stat().st_size
    # As where the disk is full: the kernel takes part of a line, and then nothing.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))
    try:
        log.note("logon", participant="first that waits")
        wait_for(lambda: said, "it is said")
        assert path.stat().st_size == size
        for number in range(WAITING_MAX + 5):
            log.note("logon", participant=str(number))
        assert (log.waiting, log.lost) == (WAITING_MAX, 6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    wait_for(lambda: not log.waiting, "all is written")
    log.close()
    found = told(path)
    assert [line.get("participant") for line in found[:3]] == ["before", "first that waits", "0"]
    assert found[-1] == {"what": "lost", "count": 6, "why": "the audit log could not be written"}
    assert len(said) == 2 and "cannot be written" in said[0] and "again" in said[1]
    assert whole(path)


def test_of_many_that_are_refused_few_have_a_line(tmp_path: Path, log: Audit) -> None:
    for number in range(1_000):
        log.note("logon", participant=str(number), outcome="refused")
    log.note("operator", operator="alice", action="halt", outcome="refused")
    log.close()
    found = told(tmp_path / "audit.log")
    refused = [line for line in found if line["what"] == "logon"]
    assert REFUSED_PER_SECOND_MAX <= len(refused) <= 3 * REFUSED_PER_SECOND_MAX
    assert sum(line["count"] for line in found if line["what"] == "refused") == 1_000 - len(refused)
    assert {"what": "operator", "operator": "alice", "action": "halt", "outcome": "refused"} in found


def test_what_strangers_say_is_held_to_a_line(tmp_path: Path, log: Audit) -> None:
    log.note("logon", participant="A\n{}\udc80" + "x" * 10_000, outcome="refused")
    log.close()
    [line] = told(tmp_path / "audit.log")
    assert line["participant"].startswith("A\n{}?xxx") and len(line["participant"]) == audit.VALUE_LENGTH_MAX


def test_the_configuration_is_told_by_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    file.write_text('[exchange]\nport = 1\n[[participants]]\nname = "ALICE"\npassword = "hash-one"\n')
    first = configuration(file, tmp_path)
    assert (first["first"], first["changed"]) == (True, [])
    assert configuration(file, tmp_path) == {**first, "first": False}
    file.write_text('[exchange]\nport = 2\n[[participants]]\nname = "ALICE"\npassword = "hash-two"\ncash = "5"\n')
    second = configuration(file, tmp_path)
    assert second["changed"] == ["exchange.port", "participants.ALICE.cash", "participants.ALICE.password"]
    assert second["configuration"] != first["configuration"]
    kept = tmp_path / "audit.keys"
    assert "hash" not in kept.read_text() and kept.stat().st_mode & 0o777 == 0o600


# ------------------------------------------------------------------------------------------------ a venue


def test_a_venue_tells_who_came_and_what_was_done(tmp_path: Path) -> None:
    with light_venue(tmp_path, history={"enabled": False}, clearing={"metrics_port": 0}) as venue:
        path = venue.data / "audit.log"
        venue.start("marketdata")
        client = venue.client("TRADER1").logon()
        client.logout()
        wrong = Client(venue.ports()["fix"], "TRADER2", password="guess").connect()
        wrong.send("A", wrong.logon_body())
        assert wrong.receive().type == "5"
        wrong.close()
        stranger = Client(venue.ports()["fix"], "NOBODY").connect()
        stranger.send("A", stranger.logon_body())
        with pytest.raises(Ended):
            stranger.receive()
        stranger.close()
        for arguments in (("halt", "AAPL"), ("halt", "NONE"), ("status",)):
            venue.command("admin", *arguments, "--data", str(venue.data))
        web = f"http://127.0.0.1:{venue.ports('marketdata')['http']}/v1"
        token = httpx.post(f"{web}/login", json={"name": "TRADER1", "password": "demo"}).json()["token"]
        httpx.post(f"{web}/login", json={"name": "TRADER1", "password": "guess"})
        httpx.post(f"{web}/logout", headers={"authorization": f"Bearer {token}"})
        fix = {"port": "order entry", "version": "FIX.4.4", "address": "127.0.0.1"}
        expected: list[dict[str, Any]] = [
            {"what": "logon", "participant": "TRADER1", "outcome": "accepted", **fix},
            {"what": "logout", "participant": "TRADER1", "why": "Logout", **fix},
            {"what": "logon", "participant": "TRADER2", "outcome": "refused", "why": "wrong name or password", **fix},
            {"what": "logon", "participant": "NOBODY", "outcome": "refused", "why": "no such session", **fix},
        ]
        whose = {"operator": _user(), "what": "operator"}
        expected += [
            {"action": "halt", "arguments": "{'symbol': 'AAPL'}", "outcome": "done", **whose},
            {"action": "halt", "arguments": "{'symbol': 'NONE'}", "outcome": "refused", "why": "unknown symbol NONE", **whose},
        ]
        wait_for(lambda: sum(line["what"] == "operator" for line in lines(path)) == 2, "all is written")
        # The session of the web logs on whenever it does.
        of_exchange = [line for line in told(path, of="exchange") if line.get("participant") != "WEB"]
        assert of_exchange[0]["what"] == "start" and len(of_exchange[0]["configuration"]) == 64
        assert of_exchange[1:] == expected
        wait_for(lambda: sum(line["what"] == "sign-out" for line in lines(path)) == 1, "the sign-out is written")
        sign_in = {"what": "sign-in", "participant": "TRADER1", "address": "127.0.0.1", "port": "web"}
        assert told(path, of="marketdata")[1:] == [
            {**sign_in, "outcome": "accepted"},
            {**sign_in, "outcome": "refused", "why": "wrong name or password"},
            {"what": "sign-out", "participant": "TRADER1", "port": "web"},
        ]
    assert {line["process"] for line in lines(path) if line["what"] == "stop"} == {"exchange", "marketdata"}
    assert whole("--data", venue.data)


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def test_a_venue_that_cannot_begin_its_log_does_not_start(tmp_path: Path) -> None:
    venue = Venue(tmp_path)
    (venue.data / "audit.log").mkdir()
    with pytest.raises(AssertionError, match=r"audit\.log"):
        venue.start()
    venue.processes.clear()
