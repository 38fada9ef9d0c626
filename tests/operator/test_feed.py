"""The feed's process, which hears of participants from the event log: added, suspended, with another password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixserver.members import Member, Members, password_hash
from matching.messages import AccessSet, Event, EventBatch, ParticipantDefined
from tests.light import light_venue
from tests.operator.conftest import Operator
from tests.operator.test_participants import quick_hash
from tests.venue import PASSWORD_HASH, TRADER, Client, Ended, Venue, wait_for


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    traders = {f"TRADER{number}": TRADER for number in range(1, 5)}
    with light_venue(tmp_path_factory.mktemp("feed"), participants=traders) as running:
        running.start("marketdata")
        yield running


def feed_client(venue: Venue, name: str, password: str = "demo", version: str = "FIX.4.4") -> Client:
    client = Client(lambda: venue.ports("marketdata")["fix"], name, version, target="FIXSERVER-MD", password=password)
    venue.clients.append(client)
    return client


def answer(client: Client) -> str:
    """What a Logon is answered: "A", the Logout's text, or nothing where there is no such session."""
    client.connect()
    client.next_out = 1
    client.send("A", client.logon_body(reset=True))
    try:
        message = client.receive()
    except Ended:
        return ""
    finally:
        client.close()
    return message.get(58) or message.type


def test_who_is_added_is_let_in(venue: Venue) -> None:
    assert answer(feed_client(venue, "FRESH")) == ""
    with Operator(venue) as operator:
        operator.do("participant add", name="FRESH", password_hash=PASSWORD_HASH)
    for version in ("FIX.4.2", "FIX.4.4", "FIXT.1.1"):
        wait_for(lambda version=version: answer(feed_client(venue, "FRESH", version=version)) == "A", "a Logon")  # type: ignore[misc]
    assert answer(feed_client(venue, "FRESH", "other")) == "Logon refused: wrong name or password"


def test_who_is_suspended_is_logged_out_and_refused_until_restored(venue: Venue) -> None:
    client = feed_client(venue, "TRADER1").logon()
    with Operator(venue) as operator:
        operator.do("participant suspend", name="TRADER1")
        client.expect("5", "58=suspended by the operator")
        client.expect_end()
        assert answer(feed_client(venue, "TRADER1")) == "Logon refused: wrong name or password"
        operator.do("participant restore", name="TRADER1")
    wait_for(lambda: answer(feed_client(venue, "TRADER1")) == "A", "a Logon")


def test_another_password(venue: Venue) -> None:
    assert answer(feed_client(venue, "TRADER2")) == "A"
    with Operator(venue) as operator:
        operator.do("participant password", name="TRADER2", password_hash=quick_hash("other"))
    wait_for(lambda: answer(feed_client(venue, "TRADER2", "other")) == "A", "a Logon")
    assert answer(feed_client(venue, "TRADER2")) == "Logon refused: wrong name or password"


def test_all_of_it_survives_a_kill_and_an_orderly_stop(venue: Venue) -> None:
    with Operator(venue) as operator:
        operator.do("participant add", name="LASTING", password_hash=quick_hash("mine"))
        operator.do("participant suspend", name="TRADER3")
    wait_for(lambda: answer(feed_client(venue, "LASTING", "mine")) == "A", "a Logon")
    for end in (venue.kill, venue.end):
        end("marketdata")
        venue.start("marketdata")
        assert answer(feed_client(venue, "LASTING", "mine")) == "A"
        assert answer(feed_client(venue, "LASTING")) == "Logon refused: wrong name or password"
        assert answer(feed_client(venue, "TRADER3")) == "Logon refused: wrong name or password"
        assert answer(feed_client(venue, "TRADER4")) == "A"
    members = venue.data / "marketdata" / "members.json"
    assert members.stat().st_mode & 0o777 == 0o600


# ---------------------------------------------------------------------------------------- without a process


def defined(seq: int, name: str, password: str, by: str) -> ParticipantDefined:
    return ParticipantDefined(seq, name, password, -1, -1, "none", 0, "0", 0, 0, by)


def batch(*events: Event) -> EventBatch:
    return EventBatch(1, 1, list(events))


@pytest.mark.parametrize(
    ("configured", "member", "expected"),
    [
        ("file", None, "file"),  # an event log without participants
        (None, None, ""),
        ("file", Member("", "normal", True), "file"),
        ("file", Member("log", "normal", True), "log"),
        ("file", Member("log", "killed", True), "log"),
        ("file", Member("log", "suspended", True), ""),
        ("file", Member("log", "normal", False), "log"),  # by an operator, and then in the configuration too
        (None, Member("log", "normal", False), "log"),  # by an operator
        (None, Member("log", "normal", True), ""),  # in the configuration no more
        (None, Member("", "normal", False), ""),
    ],
)
def test_which_password_counts(configured: str | None, member: Member | None, expected: str) -> None:
    assert password_hash(configured, member) == expected


def test_what_the_events_say(tmp_path: Path) -> None:
    members = Members(tmp_path, from_file=True)
    members.apply(batch(defined(1, "ANN", "a", ""), defined(2, "BEN", "b", "operator x")))
    members.apply(batch(AccessSet(3, "ANN", "suspended", 0, "operator x")))
    members.apply(batch(defined(4, "ANN", "c", "operator x")))
    expected = {"ANN": Member("c", "suspended", True), "BEN": Member("b", "normal", False)}
    assert members.by_name == expected
    assert members.changed == ["ANN", "BEN", "ANN", "ANN"]
    assert Members(tmp_path, from_file=True).by_name == expected
    assert Members(tmp_path, from_file=False).by_name == {}


def test_to_read_events_again_changes_nothing(tmp_path: Path) -> None:
    events: list[Event] = [defined(1, "ANN", "a", ""), defined(2, "ANN", "b", "operator x"), AccessSet(3, "ANN", "killed", 0, "")]
    batches = [batch(event) for event in events]
    members = Members(tmp_path, from_file=True)
    for one in batches:
        members.apply(one)
    again = Members(tmp_path, from_file=True)
    for one in batches:
        again.apply(one)
    assert again.by_name == members.by_name == {"ANN": Member("b", "killed", True)}
