"""What an operator does with participants and their accounts while the venue runs."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from fixserver import passwords
from tests.light import light_venue
from tests.operator.conftest import Operator
from tests.venue import PASSWORD_HASH, TRADER, VERSIONS, Client, Ended, Venue, order

BY = f"operator {pwd.getpwuid(os.getuid()).pw_name}"


def events(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What was caused, without numbers."""
    return [{name: value for name, value in event.items() if name != "number"} for event in result["events"]]


def add(operator: Operator, name: str, **terms: Any) -> str:
    operator.do("participant add", name=name, password_hash=PASSWORD_HASH, **terms)
    return name


def refused(client: Client) -> None:
    """That a Logon is refused as one with a wrong password is."""
    client.connect()
    client.next_out = 1
    client.send("A", client.logon_body())
    client.receive().has("35=5|58=Logon refused: wrong name or password") or pytest.fail("not refused")
    client.expect_end()
    client.close()


def quick_hash(password: str) -> str:
    """Made with little work, because a test logs on often."""
    salt = b"0123456789abcdef"
    digest = passwords._scrypt(password, salt, 2, 8, 1, 32)
    return f"scrypt$2$8$1${passwords._base64(salt)}${passwords._base64(digest)}"


# --------------------------------------------------------------------------------------------------- adding


def test_who_is_added_may_trade_at_once_on_every_version(venue: Venue, operator: Operator) -> None:
    assert events(
        operator.do(
            "participant add", name="NEWBIE", password_hash=PASSWORD_HASH, cash="50000.25", holdings={"AAPL": "7", "MSFT": "0"},
            short_max=3, self_trade="decrement", orders_per_second=5, value_max="9000.50", open_orders_max=20,
            cancel_on_disconnect="day", cancel_grace_seconds=0,
        )
    ) == [
        {
            "event": "ParticipantDefined", "participant": "NEWBIE", "password": "(hidden)", "orders_per_second": "5",
            "cancels_per_second": "-1", "cancel_on_disconnect": "day", "cancel_grace_seconds": "0", "value_max": "9000.50",
            "open_orders_max": "20", "by": BY,
        },
        {
            "event": "AccountDefined", "account": "NEWBIE", "participant": "NEWBIE", "short_max": "3", "self_trade": "decrement",
            "by": BY,
        },
        {"event": "BalanceChanged", "account": "NEWBIE", "asset": "USD", "amount": "50000.25", "balance": "50000.25", "by": BY},
        {"event": "BalanceChanged", "account": "NEWBIE", "asset": "AAPL", "amount": "7", "balance": "7", "by": BY},
    ]  # fmt: skip
    for number, version in enumerate(VERSIONS):
        client = venue.client("NEWBIE", version).logon()
        client.send("D", order(f"n{number}", quantity=1, price="60.00"))
        client.expect("8", f"39=0|11=n{number}")
    assert operator.do("participant show", name="NEWBIE") == {
        "name": "NEWBIE", "access": "normal", "sessions": 3, "open_orders": 3, "orders_per_second": 5, "cancels_per_second": 0,
        "value_max": "9000.50", "open_orders_max": 20, "orders_per_day_max": 0, "cancel_on_disconnect": "day",
        "cancel_grace_seconds": 0, "by": BY,
        "accounts": [
            {
                "account": "NEWBIE", "short_max": 3, "self_trade": "decrement", "held": [], "margin_calls": [],
                "balances": [
                    {"asset": "USD", "total": "50000.25", "settled": "50000.25", "unsettled": "0.00", "reserved": "180.00"},
                    {"asset": "AAPL", "total": "7", "settled": "7", "unsettled": "0", "reserved": "0"},
                ],
            }
        ],
    }  # fmt: skip


def test_his_orders_end_with_his_session_where_that_was_said(venue: Venue, operator: Operator) -> None:
    client = venue.client(add(operator, "LEAVER", cash="1000", cancel_on_disconnect="all")).logon()
    client.send("D", order("l1", quantity=1))
    client.expect("8", "39=0")
    client.logout()
    expected = client.next_in
    client.logon()
    client.send("2", f"7={expected}|16=0|")
    assert client.drain(lambda message: message.type == "8")[-1].has("39=4|11=l1")


def test_his_rates_are_his_own(venue: Venue, operator: Operator) -> None:
    client = venue.client(add(operator, "HASTY", cash="1000", orders_per_second=1)).logon()
    for number in range(4):
        client.send("D", order(f"r{number}", quantity=1, price="60.00"))
    refusals = [message for message in client.drain(lambda message: message.type == "j") if message.type == "j"]
    assert refusals[0][58] == "more than 1 orders a second"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"name": "TRADER1"}, "TRADER1 is there already"),
        ({"name": "a b"}, '"a b" is not a CompID: 1 to 32 letters, digits, dots, dashes, underscores'),
        ({"name": ""}, '"" is not a CompID: 1 to 32 letters, digits, dots, dashes, underscores'),
        ({"name": "FIXSERVER-MD"}, "FIXSERVER-MD is the venue's own name"),
        ({"password_hash": "demo"}, "password_hash: is not a hash as `fixserver admin participant add` makes it"),
        ({"password_hash": None}, "Object missing required field password_hash"),
        ({"cash": "1e3"}, 'cash: "1e3" is not a decimal number such as "123.45"'),
        ({"cash": "-1"}, 'cash: "-1" is below zero'),
        ({"holdings": {"XXX": "1"}}, "holdings.XXX: is not one of the instruments"),
        ({"holdings": {"AAPL": "1.5"}}, 'holdings.AAPL: "1.5" is not a whole number'),
        ({"short_max": -1}, "short_max: -1 is below zero"),
        ({"self_trade": "never"}, "self_trade: Invalid enum value 'never'"),
        ({"orders_per_second": -2}, "orders_per_second: -2 is below zero (0 is no limit)"),
        ({"open_orders_max": -1}, "open_orders_max: -1 is below zero (0 is no limit)"),
        ({"cancel_grace_seconds": 10**9}, "cancel_grace_seconds: 1000000000 is not between 0 and 86400"),
        ({"value_max": "-5"}, 'value_max: "-5" is below zero (0 is no limit)'),
        ({"short_max": 10**30}, "a value is not one that the journal takes"),
    ],
)
def test_participants_that_cannot_be(operator: Operator, arguments: dict[str, Any], why: str) -> None:
    terms = {"name": "NOBODY", "password_hash": PASSWORD_HASH} | arguments
    given = {name: value for name, value in terms.items() if value is not None}
    assert operator.refusal("participant add", **given).startswith(why)
    assert operator.refusal("participant show", name="NOBODY") == "no participant NOBODY"


def test_a_password_that_is_not_his(venue: Venue, operator: Operator) -> None:
    refused(venue.client(add(operator, "SHUT"), password="other"))


# ------------------------------------------------------------------------------------------------ passwords


def test_another_password_counts_at_the_next_logon(venue: Venue, operator: Operator) -> None:
    client = venue.client("TRADER11").logon()
    [defined] = events(operator.do("participant password", name="TRADER11", password_hash=quick_hash("other")))
    assert (defined["event"], defined["password"], defined["by"]) == ("ParticipantDefined", "(hidden)", BY)
    client.expect_nothing()  # who is logged on stays so
    client.logout()
    refused(client)
    client.password = "other"
    client.next_out = client.next_in = 1
    client.logon(reset=True)


def test_a_password_for_nobody(operator: Operator) -> None:
    assert operator.refusal("participant password", name="NOBODY", password_hash=PASSWORD_HASH) == "no participant NOBODY"
    assert operator.refusal("participant password", name="TRADER1", password_hash="x").startswith("password_hash: ")


# ------------------------------------------------------------------------------- suspended, killed, limited


def test_who_is_suspended_is_out_until_he_is_restored(venue: Venue, operator: Operator) -> None:
    clients = [venue.client("TRADER12", version).logon() for version in VERSIONS]
    clients[0].send("D", order("s1"))
    clients[0].expect("8", "39=0")
    assert events(operator.do("participant suspend", name="TRADER12"))[0] == {
        "event": "AccessSet", "participant": "TRADER12", "access": "suspended", "affected": "1", "by": BY,
    }  # fmt: skip
    clients[0].expect("8", "39=4|11=s1")
    for client in clients:
        client.expect("5", "58=suspended by the operator")
        client.expect_end()
        client.close()
        refused(client)
    assert operator.refusal("participant suspend", name="TRADER12") == "TRADER12 is suspended"
    assert operator.refusal("kill", name="TRADER12") == "TRADER12 is suspended"
    operator.do("participant restore", name="TRADER12")
    assert operator.refusal("participant restore", name="TRADER12") == "TRADER12 is not suspended"
    client = venue.client("TRADER12").logon(reset=True)
    client.send("D", order("s2"))
    client.expect("8", "39=0|11=s2")


def test_who_is_killed_may_cancel_and_not_trade(venue: Venue, operator: Operator) -> None:
    client = venue.client("TRADER13").logon()
    client.send("D", order("k1"))
    client.expect("8", "39=0")
    killed = events(operator.do("kill", name="TRADER13"))
    assert [event["event"] for event in killed] == ["AccessSet", "OrderCanceled"]
    assert killed[1]["reason"] == "KILLED"
    client.expect("8", "39=4|11=k1")
    client.send("D", order("k2"))
    client.expect("8", "39=8|11=k2")
    client.logout()
    client.logon()
    assert operator.refusal("kill", name="TRADER13") == "TRADER13 is killed"
    assert operator.refusal("participant restore", name="TRADER13") == "TRADER13 is killed"
    operator.do("unkill", name="TRADER13")
    assert operator.refusal("unkill", name="TRADER13") == "TRADER13 is not killed"
    client.send("D", order("k3"))
    client.expect("8", "39=0|11=k3")


def test_limits_count_at_once(venue: Venue, operator: Operator) -> None:
    client = venue.client("TRADER14").logon()
    client.send("D", order("m1"))
    client.expect("8", "39=0")
    operator.do("participant limits", name="TRADER14", value_max="500")
    client.send("D", order("m2"))
    client.expect("8", "39=8|103=3|11=m2")
    operator.do("participant limits", name="TRADER14", value_max="0", open_orders_max=1)
    client.send("D", order("m3"))
    client.expect("8", "39=8|103=3|11=m3")
    operator.do("participant limits", name="TRADER14", open_orders_max=0, orders_per_second=1)
    for number in range(4):
        client.send("D", order(f"m4{number}"))
    assert client.drain(lambda message: message.type == "j")[-1][58] == "more than 1 orders a second"
    operator.do("participant limits", name="TRADER14", orders_per_second=-1)
    row = operator.do("participant show", name="TRADER14")
    assert [row[name] for name in ("orders_per_second", "value_max", "open_orders_max", "by")] == [0, "0", 0, BY]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "nothing to set: say which limit"),
        ({"name": "NOBODY", "open_orders_max": 1}, "no participant NOBODY"),
        ({"value_max": "x"}, 'value_max: "x" is not a decimal number such as "123.45"'),
        ({"open_orders_max": -1}, "open_orders_max: -1 is below zero (0 is no limit)"),
        ({"orders_per_second": -5}, "orders_per_second: -5 is below zero (0 is no limit)"),
        ({"cancel_on_disconnect": "some"}, "cancel_on_disconnect: Invalid enum value 'some'"),
    ],
)
def test_limits_that_cannot_be(operator: Operator, arguments: dict[str, Any], why: str) -> None:
    assert operator.refusal("participant limits", **{"name": "TRADER14"} | arguments) == why


@pytest.mark.parametrize("action", ["kill", "unkill", "participant suspend", "participant restore"])
def test_nobody_is_neither_killed_nor_suspended(operator: Operator, action: str) -> None:
    assert operator.refusal(action, name="NOBODY") == "no participant NOBODY"


def test_the_list_comes_in_pages(operator: Operator, venue: Venue) -> None:
    first = operator.do("participant list")
    assert first["after"] == ""
    names = [row["name"] for row in first["participants"]]
    assert names == sorted(names) and "TRADER30" in names
    rest = operator.do("participant list", after="TRADER30")["participants"]
    assert [row["name"] for row in rest] == [name for name in names if name > "TRADER30"]


# ------------------------------------------------------------------------------------------------- accounts


def test_deposit_and_withdrawal(operator: Operator) -> None:
    assert events(operator.do("deposit", account="TRADER15", asset="USD", amount="0.5", reference="wire 77")) == [
        {
            "event": "BalanceChanged", "account": "TRADER15", "asset": "USD", "amount": "0.50", "balance": "1000000000.50",
            "by": BY, "reference": "wire 77",
        }
    ]  # fmt: skip
    assert events(operator.do("withdraw", account="TRADER15", asset="AAPL", amount="1_000")) == [
        {
            "event": "BalanceChanged", "account": "TRADER15", "asset": "AAPL", "amount": "-1000", "balance": "999000", "by": BY,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"amount": "0"}, 'amount: "0" is not above zero'),
        ({"amount": "-5"}, 'amount: "-5" is not above zero'),
        ({"amount": "1.12345678901"}, 'amount: "1.12345678901" has more than 10 decimals'),
        ({"amount": "much"}, 'amount: "much" is not a decimal number such as "123.45"'),
        ({"asset": "AAPL", "amount": "1.5"}, 'amount: "1.5" is not a whole number'),
        ({"amount": "9" * 40}, "amount '"),
        ({"asset": "EUR"}, "unknown asset EUR"),
        ({"account": "NOBODY"}, "unknown account NOBODY"),
        ({"reference": "\\x07" * 3 + "x" * 70}, "a reference is at most 64 printable characters"),
        ({"reference": "\a"}, "a reference is at most 64 printable characters"),
        ({"amount": 5}, "amount: Expected str, got int"),
    ],
)
def test_transfers_that_cannot_be(operator: Operator, arguments: dict[str, Any], why: str) -> None:
    transfer = {"account": "TRADER15", "asset": "USD", "amount": "1"} | arguments
    for action in ("deposit", "withdraw"):
        assert operator.refusal(action, **transfer).startswith(why)


def test_no_more_is_withdrawn_than_is_there(venue: Venue, operator: Operator) -> None:
    add(operator, "SAVER", cash="1000")
    client = venue.client("SAVER").logon()
    client.send("D", order("w1", quantity=4))
    client.expect("8", "39=0")
    refusal = operator.refusal("withdraw", account="SAVER", asset="USD", amount="600.01")
    assert refusal == "600.00 USD are available in SAVER"
    operator.do("withdraw", account="SAVER", asset="USD", amount="600")


# ------------------------------------------------------------------------------ restarts, the configuration


def test_what_was_changed_while_the_venue_ran_is_there_after_a_kill(venue: Venue) -> None:
    with Operator(venue) as operator:
        add(operator, "STAYER", cash="5000")
        operator.do("participant limits", name="TRADER16", open_orders_max=3)
        operator.do("participant password", name="TRADER17", password_hash=quick_hash("new"))
        operator.do("participant suspend", name="TRADER18")
        operator.do("kill", name="TRADER19")
        operator.do("instrument change", symbol="MSFT", quantity_max="77")
        commands = operator.do("status")["commands"]
    client = venue.client("STAYER").logon()
    client.send("D", order("y1"))
    client.expect("8", "39=0")
    client.expect_nothing()  # a heartbeat leaves when all before it is noted
    venue.kill()
    venue.start()
    client.close()
    client.logon()
    client.send("D", order("y2"))
    assert client.drain(lambda message: message.type == "8")[-1].has("39=0|11=y2")
    with Operator(venue) as operator:
        assert operator.do("participant show", name="TRADER16")["open_orders_max"] == 3
        assert operator.do("participant show", name="TRADER19")["access"] == "killed"
        assert operator.do("instrument show", symbol="MSFT")["quantity_max"] == "77"
    since = venue.command("journal", "dump", "--data", str(venue.data), "--from", str(commands + 1)).stdout.splitlines()
    # Nothing that the configuration says as it did before.
    assert {line.split()[2] for line in since} <= {"NewOrder", "MassCancel"}
    refused(venue.client("TRADER17"))
    venue.client("TRADER17", password="new").logon(reset=True)
    refused(venue.client("TRADER18"))


def test_his_numbers_go_on_where_the_session_log_is_lost(venue: Venue, operator: Operator) -> None:
    client = venue.client(add(operator, "FINDER")).logon()
    client.logout()
    venue.end()
    (venue.data / "sessions").rename(venue.data / "sessions.lost")
    venue.start()
    client.connect()
    client.send("A", client.logon_body())
    logon = client.receive()
    assert logon.type == "A" and logon.number > 100_000_000
    with Operator(venue) as again:  # who is new now begins at 1
        assert venue.client(add(again, "LATER")).logon().next_in == 2


def test_what_the_configuration_says_differently_counts(tmp_path: Path) -> None:
    traders: dict[str, dict[str, Any]] = {"ANN": TRADER, "BEN": TRADER}
    with light_venue(tmp_path, participants=traders) as venue:
        with Operator(venue) as operator:
            operator.do("instrument change", symbol="AAPL", quantity_max="5")
            operator.do("instrument change", symbol="MSFT", quantity_max="5")
            operator.do("participant password", name="ANN", password_hash=quick_hash("by hand"))
            operator.do("participant limits", name="BEN", open_orders_max=5)
            add(operator, "CAT")
            commands = operator.do("status")["commands"]
        text = venue.config.read_text()
        msft = text.index('symbol = "MSFT"')
        ann, ben = text.index('name = "ANN"'), text.index('name = "BEN"')
        assert msft < ann < ben
        venue.config.write_text(
            text[:msft] + text[msft:ann].replace('band = "50"', 'band = "40"')
            + text[ann:ben].replace(PASSWORD_HASH, quick_hash("by file"))
            + text[ben:]
        )  # fmt: skip
        venue.restart()
        with Operator(venue) as operator:
            # MSFT and ANN: entries that say something else count as a whole.
            assert operator.do("status")["commands"] == commands + 2
            assert operator.do("instrument show", symbol="AAPL")["quantity_max"] == "5"
            assert operator.do("instrument show", symbol="MSFT")["quantity_max"] == "1000000"
            assert operator.do("participant show", name="BEN")["open_orders_max"] == 5
        refused(venue.client("ANN", password="by hand"))
        venue.client("ANN", password="by file").logon(reset=True)
        venue.client("CAT").logon()

        # Who is not in the configuration any more may not log on; whom it never named may.
        venue.config.write_text(venue.config.read_text()[: venue.config.read_text().index('[[participants]]\nname = "BEN"')])
        venue.restart()
        stranger = venue.client("BEN").connect()
        stranger.send("A", stranger.logon_body())
        with pytest.raises(Ended):
            stranger.receive()
        venue.client("CAT", "FIX.4.2").logon()
        with Operator(venue) as operator:
            listed = {row["name"]: row["access"] for row in operator.do("participant list")["participants"]}
        assert listed == {"ANN": "normal", "BEN": "removed", "CAT": "normal"}
