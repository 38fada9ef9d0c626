"""What an operator does with the sessions of a participant: list, logout, reset, set-sequence."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.conftest import Operator
from tests.venue import VERSIONS, Venue, order, wait_for

NAMES = {"FIX.4.2": "4.2", "FIX.4.4": "4.4", "FIXT.1.1": "5.0SP2"}


def session(operator: Operator, name: str, version: str = "4.4") -> dict[str, Any]:
    [row] = [row for row in operator.do("session list", name=name)["sessions"] if row["version"] == version]
    return dict(row)


def test_a_session_that_nobody_used(operator: Operator) -> None:
    assert operator.do("session list", name="TRADER30") == {
        "sessions": [
            {
                "name": "TRADER30", "version": version, "logged_on": False, "next_in": 1, "next_out": 1, "last_seen": "",
                "address": "", "queued_bytes": 0, "in_per_second": 0, "out_per_second": 0,
            }
            for version in ("4.2", "4.4", "5.0SP2")
        ],
        "after": "",
    }  # fmt: skip


def test_a_session_that_is_in_use(venue: Venue, operator: Operator) -> None:
    client = venue.client("TRADER1").logon()
    client.send("D", order("a"))
    client.expect("8", "39=0")
    row = session(operator, "TRADER1")
    assert row.pop("last_seen").endswith("Z")
    assert row | {"in_per_second": 0, "out_per_second": 0} == {
        "name": "TRADER1", "version": "4.4", "logged_on": True, "next_in": 3, "next_out": 3, "address": "127.0.0.1",
        "queued_bytes": 0, "in_per_second": 0, "out_per_second": 0,
    }  # fmt: skip
    connected = operator.do("session list", name="TRADER1", connected=True)["sessions"]
    assert [row["version"] for row in connected] == ["4.4"]


def test_the_rate_is_that_of_the_last_seconds(venue: Venue, operator: Operator) -> None:
    client = venue.client("TRADER2").logon()

    def counted() -> bool:
        client.send("1", "112=x|")
        client.expect("0", "112=x")
        row = session(operator, "TRADER2")
        return bool(row["in_per_second"] > 0 and row["out_per_second"] > 0)

    wait_for(counted, "a rate")
    wait_for(lambda: session(operator, "TRADER2")["in_per_second"] == 0, "silence")


@pytest.mark.parametrize("begin_string", VERSIONS)
def test_logout(venue: Venue, operator: Operator, begin_string: str) -> None:
    client = venue.client("TRADER3", begin_string).logon()
    done = operator.do("session logout", name="TRADER3", version=NAMES[begin_string], text="come back later")
    assert done == {"logged_out": [f"TRADER3/{begin_string}"]}
    client.expect("5", "58=come back later")
    client.expect_end()
    client.close()
    client.logon().logout()  # he may


def test_logout_of_all_sessions_of_a_participant(venue: Venue, operator: Operator) -> None:
    clients = [venue.client("TRADER4", begin_string).logon() for begin_string in VERSIONS]
    assert operator.do("session logout", name="TRADER4") == {"logged_out": [f"TRADER4/{version}" for version in VERSIONS]}
    for client in clients:
        client.expect("5", "58=logged out by the operator")


def test_logout_of_who_is_not_there_is_refused(operator: Operator) -> None:
    assert operator.refusal("session logout", name="TRADER5", version="4.2") == "TRADER5/FIX.4.2: not connected"
    assert operator.refusal("session logout", name="NOBODY") == "no participant or drop copy NOBODY"
    assert operator.refusal("session logout", name="TRADER5", version="5") == "no version '5': there are 4.2, 4.4, 5.0SP2"
    assert operator.refusal("session logout", name="TRADER5", text="\x01") == "a text is 1 to 200 printable characters"


def test_reset_of_who_is_not_connected(venue: Venue, operator: Operator) -> None:
    client = venue.client("TRADER6").logon()
    client.send("D", order("b"))
    client.expect("8", "39=0")
    client.logout()
    assert operator.do("session reset", name="TRADER6", version="4.4") == {"reset": ["TRADER6/FIX.4.4"]}
    client.next_in = client.next_out = 1
    client.logon()
    assert (client.next_in, client.next_out) == (2, 2)


def test_reset_logs_out_who_is_connected(venue: Venue, operator: Operator) -> None:
    client = venue.client("TRADER7").logon()
    client.send("D", order("c"))
    client.expect("8", "39=0")
    assert operator.do("session reset", name="TRADER7", version="FIX.4.4") == {"reset": ["TRADER7/FIX.4.4"]}
    client.expect("5", "34=3|58=sequence numbers are set by the operator: log on again")
    client.expect_end()
    client.close()
    client.next_in = client.next_out = 1
    client.logon()
    assert (client.next_in, client.next_out) == (2, 2)
    client.send("2", "7=1|16=0|")
    client.expect("4", "34=1|36=2|43=Y")  # what was sent before the reset is not sent again


def test_numbers_that_are_set_are_those_that_come_next(venue: Venue, operator: Operator) -> None:
    client = venue.client("TRADER8").logon()
    client.logout()
    assert operator.do("session set-sequence", name="TRADER8", version="4.4", next_in=50, next_out=70) == {
        "session": "TRADER8/FIX.4.4", "next_in": 50, "next_out": 70,
    }  # fmt: skip
    client.next_out, client.next_in = 50, 70
    client.logon()
    assert (client.next_in, client.next_out) == (71, 51)
    client.send("2", "7=60|16=0|")
    client.expect("4", "34=60|36=71")


def test_one_direction_alone(operator: Operator) -> None:
    operator.do("session set-sequence", name="TRADER9", version="4.4", next_in=5)
    assert operator.do("session set-sequence", name="TRADER9", version="4.4", next_out=9) == {
        "session": "TRADER9/FIX.4.4", "next_in": 5, "next_out": 9,
    }  # fmt: skip


def test_what_is_no_number_is_refused(operator: Operator) -> None:
    def refusal(**arguments: Any) -> str:
        return operator.refusal("session set-sequence", name="TRADER9", version="4.4", **arguments)

    assert refusal() == "nothing to set: say --in, --out or both"
    assert operator.refusal("session set-sequence", name="TRADER9", version="") == "no version '': there are 4.2, 4.4, 5.0SP2"
    assert refusal(next_in=0) == "next_in: Expected int >= 1"
    assert refusal(next_out=-3) == "next_out: Expected int >= 1"
    assert refusal(next_out=10**15 + 1) == "next_out: Expected int <= 1000000000000000"
    assert refusal(next_out=10**400) == "next_out: Expected int <= 1000000000000000"
    assert refusal(next_in="7") == "next_in: Expected int | null, got str"


def test_numbers_survive_a_kill(venue: Venue) -> None:
    """They are noted before the operator is told."""
    client = venue.client("TRADER10").logon()
    client.send("D", order("d"))
    client.expect("8", "39=0")
    with Operator(venue) as operator:
        operator.do("session set-sequence", name="TRADER10", version="4.4", next_in=7, next_out=3)
        operator.do("session set-sequence", name="TRADER11", version="4.2", next_in=40, next_out=30)
    venue.kill()
    venue.start()
    with Operator(venue) as operator:
        assert [session(operator, "TRADER10")[key] for key in ("next_in", "next_out")] == [7, 3]
        assert [session(operator, "TRADER11", "4.2")[key] for key in ("next_in", "next_out")] == [40, 30]
