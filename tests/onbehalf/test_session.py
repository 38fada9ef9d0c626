"""The web's session itself: its password, and what it is told when the exchange was gone in between."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from fixserver import websecret
from tests.light import light_venue
from tests.onbehalf.conftest import open_web
from tests.orders.conftest import open_desk, places
from tests.orders.desk import BUY, operate
from tests.venue import PASSWORD_HASH, TRADER


def place_of(number: int) -> dict[str, dict[str, dict[str, object]]]:
    instruments, participants = places([number])
    return {"instruments": instruments, "participants": participants}


def test_over_a_crash_his_orders_stay_his(tmp_path: Path) -> None:
    """Reports of orders of before say for whom they are: unasked ones, fills, and those that nobody was there for."""
    with light_venue(tmp_path, **place_of(0)) as venue:
        desk = open_desk(venue, 0, "FIX.4.4")
        web = open_web(venue, desk, "FIX.4.4")
        web.enter("A1", BUY, 10, "100.00")
        web.enter("A2", BUY, 10, "99.00", "18=o|")
        web.whose = desk.b.comp_id
        web.enter("B1", BUY, 10, "98.00")
        assert len(web.told()) == 3
        venue.kill()
        venue.start()
        web.whose = desk.a.comp_id
        assert [text for text in web.come_back() if "43=Y" not in text] == []
        desk.operate("cancel order", participant=desk.a.comp_id)
        desk.operate("cancel order", participant=desk.b.comp_id)
        web.enter("A1", BUY, 10, "100.00", header="97=Y|")
        assert [(message[11], message[39], message[128]) for message in web.messages()] == [
            ("A1", "4", desk.a.comp_id), ("B1", "4", desk.b.comp_id), ("A1", "4", desk.a.comp_id),
        ]  # fmt: skip
        first = web.next_in
        web.send("2", "7=1|16=0|")
        ended = [message for message in web.messages() if message.get(11) == "A2" and message.number < first]
        assert [(message[39], message[128]) for message in ended] == [("0", desk.a.comp_id), ("4", desk.a.comp_id)]


def test_its_password_is_the_exchanges_secret(tmp_path: Path) -> None:
    """Random, for the owner of the data alone, the same after a restart, and in no other file."""
    with light_venue(tmp_path, **place_of(0)) as venue:
        path = venue.data / "web.secret"
        secret = websecret.read(venue.data)
        assert re.fullmatch("[A-Za-z0-9_-]{43}", secret)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        web = open_web(venue, open_desk(venue, 0, "FIX.4.4"), "FIX.4.4")
        web.enter("A1", BUY, 10, "100.00")
        web.told()
        path.chmod(0o644)
        venue.restart()
        assert websecret.read(venue.data) == secret
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        holders = [file for file in tmp_path.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
        assert holders == [path]
        for password in ("demo", "", secret[:-1], secret + "x"):
            stranger = venue.client("WEB", password=password)
            stranger.connect().send("A", "98=0|108=30|141=Y|553=WEB|" + (f"554={password}|" if password else ""))
            stranger.expect("5", "58=Logon refused: wrong name or password")
        someone = venue.client(password=secret)
        someone.connect().send("A", f"98=0|108=30|553=WEB|554={secret}|")
        someone.expect_end()


def test_without_a_web_there_is_no_such_session(tmp_path: Path) -> None:
    with light_venue(tmp_path, web={"enabled": False}, **place_of(0)) as venue:
        assert not (venue.data / "web.secret").exists()
        client = venue.client("WEB").connect()
        client.send("A", "98=0|108=30|553=WEB|554=demo|")
        client.expect_end()


def test_its_name_is_nobody_elses(tmp_path: Path) -> None:
    """Neither an operator nor a past in which there was no web gives it to a participant."""
    settings = {"participants": {"WEB": TRADER, "TRADER1": TRADER}}
    with light_venue(tmp_path, web={"enabled": False}, **settings) as venue:
        operate(venue, "participant add", name="OFFICE", password_hash=PASSWORD_HASH)
        venue.end()
        venue.config.write_text(venue.config.read_text().replace("enabled = false", 'enabled = true\ncomp_id = "OFFICE"'))
        with pytest.raises(AssertionError, match=r'web\.comp_id: "OFFICE" is a participant: give the web another name'):
            venue.start()
        venue.processes.clear()
        venue.config.write_text(venue.config.read_text().replace('"OFFICE"', '"PAGE"'))
        venue.start()
        with pytest.raises(AssertionError, match=r"PAGE is the name of the web's session \(web\.comp_id\)"):
            operate(venue, "participant add", name="PAGE", password_hash=PASSWORD_HASH)


def test_a_secret_that_is_none_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "web.secret").write_text("")
    with pytest.raises(websecret.SecretMissing, match="holds no password"):
        websecret.read(tmp_path)
    made = websecret.ensure(tmp_path)
    assert websecret.read(tmp_path) == websecret.ensure(tmp_path) == made
    (tmp_path / "web.secret").unlink()
    with pytest.raises(websecret.SecretMissing, match=r"the exchange makes it when it starts with web\.enabled"):
        websecret.read(tmp_path)
