"""What a participant may see of his own messages: all that went over the wire, of every kind, and no password."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixserver import websecret
from tests.light import light_venue
from tests.venue import TRADER, WAIT_SECONDS, Client, Message, Venue, utc


class Watcher:
    """One who looks at a participant's messages."""

    def __init__(self, venue: Venue, participant: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect(str(venue.data / "traffic.sock"))
        self.socket.sendall(json.dumps({"participant": participant}).encode() + b"\n")
        self._lines = self.socket.makefile("rb")
        self.seen: list[tuple[str, str, bytes]] = []

    def line(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._lines.readline())
        return found

    def until(self, fields: str) -> list[tuple[str, str, str]]:
        """Session, direction and MsgType of all messages up to the one with these fields."""
        found: list[tuple[str, str, bytes]] = []
        while not (found and Message(found[-1][2]).has(fields)):
            line = self.line()
            if "raw" in line:
                found.append((line["session"], line["direction"], line["raw"].encode()))
        self.seen += found
        return [(session.partition("/")[0], direction, Message(raw).type) for session, direction, raw in found]

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    traders = {f"TRADER{number}": TRADER for number in range(1, 13)}
    with light_venue(tmp_path_factory.mktemp("traffic"), participants=traders) as running:
        yield running


@pytest.fixture
def watch(venue: Venue) -> Iterator[Callable[[str], Watcher]]:
    """Opens a watcher, closed with the test."""
    watchers: list[Watcher] = []

    def opened(participant: str) -> Watcher:
        watchers.append(Watcher(venue, participant))
        return watchers[-1]

    yield opened
    for watcher in watchers:
        watcher.close()


def order(cl_ord_id: str, side: str = "1", price: str = "100.00") -> str:
    return f"11={cl_ord_id}|55=AAPL|54={side}|60={utc()}|38=10|40=2|44={price}|"


def web_of(venue: Venue) -> Client:
    return venue.client("WEB", password=websecret.read(venue.data)).logon(reset=True)


def test_what_came_in_and_what_went_out_byte_by_byte(venue: Venue, watch: Callable[[str], Watcher]) -> None:
    client = venue.client("TRADER1").connect()
    logon = client.build("A", client.logon_body())
    client.send_raw(logon)
    answer = client.expect("A")
    sent = client.build("D", order("A1"))
    client.send_raw(sent)
    report = client.expect("8")
    watcher = watch("TRADER1")
    name = "TRADER1"
    assert watcher.until("35=8") == [(name, "in", "A"), (name, "out", "A"), (name, "in", "D"), (name, "out", "8")]
    assert [raw for _, _, raw in watcher.seen] == [logon.replace(b"554=demo", b"554=***"), answer.raw, sent, report.raw]
    assert {session for session, _, _ in watcher.seen} == {"TRADER1/FIX.4.4"}
    assert watcher.line() == {"live": True}
    client.send("0")
    client.send("1", "112=hello|")
    assert watcher.until("112=hello|35=0") == [(name, "in", "0"), (name, "in", "1"), (name, "out", "0")]


def test_what_the_session_layer_refuses_is_there_too(venue: Venue, watch: Callable[[str], Watcher]) -> None:
    """A message that is not valid, one with a wrong checksum, and those that are sent again."""
    client = venue.client("TRADER2").logon()
    watcher = watch("TRADER2")
    watcher.until("35=A|49=FIXSERVER")
    client.send("D", order("A1") + "999=x|")
    client.expect("3")
    good = client.build("D", order("A2"), number=client.next_out)
    client.send_raw(good[:-4] + (b"000\x01" if good[-4:-1] != b"000" else b"001\x01"))
    client.send("D", order("A3"))
    client.expect("8", "11=A3")
    client.send("2", "7=2|16=0|")
    client.expect("3", "43=Y")
    client.expect("8", "43=Y")
    assert [kind for _, *kind in watcher.until("35=8|43=Y")] == [
        ["in", "D"], ["out", "3"], ["in", "D"], ["in", "D"], ["out", "8"], ["in", "2"], ["out", "3"], ["out", "8"],
    ]  # fmt: skip


def test_who_does_not_know_the_password_is_seen_trying(venue: Venue, watch: Callable[[str], Watcher]) -> None:
    """Though not what he tried."""
    stranger = venue.client("TRADER3", password="guess").connect()
    stranger.send("A", stranger.logon_body())
    stranger.expect("5")
    watcher = watch("TRADER3")
    assert watcher.until("35=5") == [("TRADER3", "in", "A"), ("TRADER3", "out", "5")]
    assert Message(watcher.seen[0][2])[554] == "***"
    assert b"guess" not in b"".join(raw for _, _, raw in watcher.seen)


def test_the_webs_messages_are_shown_to_whom_they_concern(venue: Venue, watch: Callable[[str], Watcher]) -> None:
    web, client = web_of(venue), venue.client("TRADER4").logon()
    four, five = watch("TRADER4"), watch("TRADER5")
    four.until("35=A|49=FIXSERVER")
    assert five.line() == {"live": True}
    web.send("D", order("A1", price="50.00"), header="115=TRADER4|")
    web.expect("8", "128=TRADER4")
    assert four.until("35=8") == [("WEB", "in", "D"), ("WEB", "out", "8")]
    web.send("D", order("B1", price="51.00"), header="115=TRADER5|")
    web.expect("8", "128=TRADER5")
    assert five.until("35=8") == [("WEB", "in", "D"), ("WEB", "out", "8")]
    client.send("F", f"11=A2|41=A1|55=AAPL|54=1|60={utc()}|38=10|")
    client.expect("8", "39=4")
    found = four.until("35=8|39=4") + four.until("35=8|39=4")
    assert found[0] == ("TRADER4", "in", "F")
    assert sorted(found[1:]) == [("TRADER4", "out", "8"), ("WEB", "out", "8")]
    secret = websecret.read(venue.data).encode()
    assert not [raw for watcher in (four, five) for _, _, raw in watcher.seen if secret in raw]


def test_many_watchers_of_a_busy_session(venue: Venue, watch: Callable[[str], Watcher]) -> None:
    """All see the same; trading goes on, though one of them reads nothing."""
    client = venue.client("TRADER6").logon()
    watch("TRADER6")
    watchers = [watch("TRADER6") for _ in range(20)]
    for number in range(100):
        client.send("D", order(f"A{number}", price="10.00"))
        client.expect("8", f"11=A{number}|39=*")
    found = []
    for watcher in watchers:
        watcher.until("35=8|11=A99")
        found.append([raw for _, _, raw in watcher.seen])
    assert found == [found[0]] * 20
    assert [Message(raw).type for raw in found[0]] == ["A", "A"] + ["D", "8"] * 100


def test_after_a_restart_it_begins_anew(tmp_path: Path) -> None:
    """Also after a crash, which leaves the socket behind. Without a web there is none."""
    with light_venue(tmp_path) as venue:
        client = venue.client("TRADER1").logon()
        client.send("D", order("A1"))
        client.expect("8")
        venue.kill()
        assert (venue.data / "traffic.sock").exists()
        venue.start()
        watcher = Watcher(venue, "TRADER1")
        assert watcher.line() == {"live": True}
        watcher.close()
        venue.end()
        assert not (venue.data / "traffic.sock").exists()
        venue.config.write_text(venue.config.read_text().replace("[web]", "[web]\nenabled = false"))
        venue.start()
        assert not (venue.data / "traffic.sock").exists()
