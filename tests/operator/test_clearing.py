"""What an operator does with clearing: settlement, holds, dividends, splits, fees, margins; and what restarts keep of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.light import light_venue
from tests.operator.conftest import Operator
from tests.operator.test_command import Console
from tests.operator.test_market import BY, add, events, shown
from tests.venue import PASSWORD_HASH, TRADER, Client, Venue, order

CASH = str(10**6)


@pytest.fixture
def console(venue: Venue, capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(venue, capsys)


def participant(operator: Operator, name: str, **terms: Any) -> str:
    """One of the test's own, with a million."""
    operator.do("participant add", name=name, password_hash=PASSWORD_HASH, **{"cash": CASH} | terms)
    return name


def balances(operator: Operator, name: str) -> dict[str, tuple[str, str, str]]:
    """Settled, unsettled and reserved, by asset."""
    [account] = operator.do("participant show", name=name)["accounts"]
    return {line["asset"]: (line["settled"], line["unsettled"], line["reserved"]) for line in account["balances"]}


def entered(client: Client, *orders: str) -> list[str]:
    """Enter orders, and be told of each: OrderIDs."""
    found = []
    for one in orders:
        client.send("D", one)
        found.append(client.drain(lambda message: message.type == "8")[-1][37])
    return found


# --------------------------------------------------------------------------------------------- settlement


def test_terms_of_settlement_wait_for_the_next_day(operator: Operator) -> None:
    assert operator.refusal("settlement set") == "nothing to set: say what"
    assert operator.refusal("settlement set", cycle_days=11) == "cycle_days: 11 is not from 0 to 10"
    assert operator.refusal("settlement set", buy_in_premium="2") == (
        'buy_in_premium: "2" is not a fraction of the value: from 0 to 1'
    )
    at_once = {"cycle_days": 0, "spend_unsettled": True, "buy_in_days": 0, "buy_in_premium": "0", "by": "configuration"}
    nothing = {"next_day": {}, "settlement_days": 0, "obligations": 0, "failing": 0, "held": {}, "margin_calls": {}}
    assert operator.do("settlement show") == at_once | nothing
    said = {"cycle_days": "2", "spend_unsettled": "yes", "buy_in_days": "0", "buy_in_premium_ppm": "0", "in_force": "no", "by": BY}
    assert events(operator.do("settlement set", cycle_days=2)) == [{"event": "SettlementSet", **said}]
    # What is not said stays as it was said last, and not as it is.
    assert events(operator.do("settlement set", spend_unsettled=False, buy_in_premium="0.05")) == [
        {"event": "SettlementSet", **said, "spend_unsettled": "no", "buy_in_premium_ppm": "50000"}
    ]
    waiting = {"cycle_days": 2, "spend_unsettled": False, "buy_in_days": 0, "buy_in_premium": "0.05", "by": BY}
    assert operator.do("settlement show") == at_once | nothing | {"next_day": waiting}


def test_deliveries_are_held_and_released(operator: Operator) -> None:
    name = participant(operator, "HOLDER")
    held = {"event": "DeliveriesHeld", "account": name, "asset": "AAPL", "held": "yes", "by": BY, "reference": "custodian"}
    assert events(operator.do("hold", account=name, asset="AAPL", reference="custodian")) == [held]
    operator.do("hold", account=name)
    assert operator.do("settlement show")["held"] == {name: ["", "AAPL"]}
    assert operator.do("participant show", name=name)["accounts"][0]["held"] == ["everything", "AAPL"]
    assert operator.refusal("hold", account=name) == "everything of HOLDER is held already"
    operator.do("release", account=name)
    assert events(operator.do("release", account=name, asset="AAPL")) == [
        {"event": "DeliveriesHeld", "account": name, "asset": "AAPL", "held": "no", "by": BY}
    ]
    assert operator.refusal("release", account=name, asset="AAPL") == "AAPL of HOLDER is not held"
    assert operator.refusal("hold", account="NOBODY") == "unknown account NOBODY"
    assert operator.refusal("hold", account=name, asset="GOLD") == "unknown asset GOLD"
    assert operator.refusal("hold", account=name, reference="x" * 65) == "a reference is at most 64 printable characters"


# -------------------------------------------------------------------------------------- corporate actions


def test_a_dividend_is_paid_to_who_has_the_instrument(operator: Operator) -> None:
    symbol = add(operator, "DIVI")
    first, second = (participant(operator, name, holdings={symbol: quantity}) for name, quantity in (("DIV1", "7"), ("DIV2", "30")))
    assert events(operator.do("dividend", symbol=symbol, amount="0.25", reference="Q4")) == [
        {"event": "DividendPaid", "instrument": symbol, "amount": "0.25", "affected": "2", "by": BY, "reference": "Q4"},
        {"event": "DividendCredited", "account": first, "instrument": symbol, "quantity": "7", "amount": "1.75"},
        {"event": "DividendCredited", "account": second, "instrument": symbol, "quantity": "30", "amount": "7.50"},
    ]
    assert balances(operator, second)["USD"] == ("1000007.50", "0.00", "0.00")
    assert operator.refusal("dividend", symbol=symbol, amount="0") == 'amount: "0" is not above zero'
    assert operator.refusal("dividend", symbol=symbol, amount="much") == 'amount: "much" is not a decimal number such as "123.45"'
    assert operator.refusal("dividend", symbol="XXX", amount="1") == "unknown symbol XXX"


def test_an_instrument_is_split_while_it_is_halted(venue: Venue, operator: Operator) -> None:
    """Holdings, orders, prices: what was 7 at 90 is 14 at 45."""
    symbol = add(operator, "SPLIT")
    name = participant(operator, "SPLITTER", holdings={symbol: "7"})
    client = venue.client(name).logon()
    [sell, stop] = entered(client, order("s1", "2", 5, "110.00", symbol=symbol), order("s2", "1", 3, "90.00", symbol=symbol))
    assert operator.refusal("split", symbol=symbol, ratio="2:1") == (
        "SPLIT is in phase continuous: it is split while closed, halted or cancel-only"
    )
    operator.do("halt", symbol=symbol)
    client.drain(lambda message: message.type == "f")
    assert events(operator.do("split", symbol=symbol, ratio="2:1", reference="board 7")) == [
        {
            "event": "InstrumentSplit", "instrument": symbol, "numerator": "2", "denominator": "1", "accounts": "1",
            "obligations": "0", "orders": "2", "by": BY, "reference": "board 7",
        },
        {
            "event": "HoldingSplit", "account": name, "instrument": symbol, "settled_change": "7", "unsettled_change": "0",
            "cash": "0.00",
        },
        {
            "event": "OrderSplit", "order_id": sell, "instrument": symbol, "price": "55.00", "quantity": "10", "leaves": "10",
            "executed": "0",
        },
        {
            "event": "OrderSplit", "order_id": stop, "instrument": symbol, "price": "45.00", "quantity": "6", "leaves": "6",
            "executed": "0",
        },
        {"event": "ReferenceSet", "instrument": symbol, "price": "50.00", "low": "25.00", "high": "75.00", "by": BY},
    ]  # fmt: skip
    told = [client.expect("8", "150=D"), client.expect("8", "150=D")]
    assert [one.has(f"37={sell}|39=0|378=0|38=10|44=55.00|151=10|14=0") for one in told] == [True, False]
    assert told[1].has(f"37={stop}|378=0|38=6|44=45.00|151=6|58=the instrument was split")
    assert balances(operator, name)[symbol] == ("14", "0", "10")
    assert shown(operator, symbol, "bid", "offer", "reference") == ["45.00", "55.00", "50.00"]
    for ratio in ("2", "2:1:1", "0.5:1", "two:one"):
        assert operator.refusal("split", symbol=symbol, ratio=ratio) == (
            f'ratio: "{ratio}" is not units after and units before, such as "2:1"'
        )
    assert operator.refusal("split", symbol="XXX", ratio="2:1") == "unknown symbol XXX"


# ----------------------------------------------------------------------------------------- fees and margin


def test_a_participant_has_fees_of_his_own(venue: Venue, operator: Operator) -> None:
    symbol = add(operator, "FEES", maker_fee="0", taker_fee="0.001")
    cheap, dear = participant(operator, "CHEAP", holdings={symbol: "10"}), participant(operator, "DEAR")
    assert events(operator.do("fees set", name=cheap, symbol=symbol, maker="-0.0005", taker="0.0006")) == [
        {
            "event": "FeesSet", "participant": cheap, "instrument": symbol, "maker_fee_ppm": "-500", "taker_fee_ppm": "600",
            "by": BY,
        }
    ]  # fmt: skip
    operator.do("fees set", name=cheap, maker="0", taker="0")
    assert [row for row in operator.do("fees list")["fees"] if row["name"] == cheap] == [
        {"name": cheap, "symbol": "", "maker": "0", "taker": "0", "by": "operator"},
        {"name": cheap, "symbol": symbol, "maker": "-0.0005", "taker": "0.0006", "by": "operator"},
    ]
    seller, buyer = venue.client(cheap).logon(), venue.client(dear).logon()
    entered(seller, order("c1", "2", 10, "100.00", symbol=symbol))
    refusal = operator.refusal("fees set", name=cheap, symbol=symbol, maker="0", taker="0")
    assert "open" in refusal and "order" in refusal
    entered(buyer, order("d1", "1", 10, "100.00", symbol=symbol))
    # A rebate of 0.50 of a thousand, and everybody's fee of one.
    assert balances(operator, cheap)["USD"][0] == "1001000.50"
    assert balances(operator, dear)["USD"][0] == "998999.00"
    assert events(operator.do("fees end", name=cheap, symbol=symbol)) == [
        {"event": "FeesSet", "participant": cheap, "instrument": symbol, "by": BY}
    ]
    assert operator.refusal("fees end", name=cheap, symbol=symbol) == f"CHEAP has no fees of his own in {symbol}"
    operator.do("fees end", name=cheap)
    assert operator.refusal("fees end", name=cheap) == "CHEAP has no fees of his own for all"
    assert operator.refusal("fees set", name="NOBODY", maker="0", taker="0") == "unknown participant NOBODY"
    assert operator.refusal("fees set", name=dear, maker="0", taker="1") == (
        'taker: "1" is not a fraction of the value: from 0 to below 1'
    )


def test_who_sells_short_needs_the_margin(venue: Venue, operator: Operator) -> None:
    symbol = add(operator, "MARGIN")
    assert events(operator.do("margin", symbol=symbol, initial="0.5", maintenance="0.25")) == [
        {"event": "MarginSet", "instrument": symbol, "initial_ppm": "500000", "maintenance_ppm": "250000", "by": BY}
    ]
    name = participant(operator, "BEAR", cash="1000", short_max=100)
    bear, bull = venue.client(name).logon(), venue.client(participant(operator, "BULL")).logon()
    bear.send("D", order("b1", "2", 21, "100.00", symbol=symbol))
    assert bear.drain(lambda message: message.type == "8")[-1].has("39=8|103=99")  # 1,050 for 2,100
    entered(bear, order("b2", "2", 20, "100.00", symbol=symbol))
    assert balances(operator, name)["USD"] == ("1000.00", "0.00", "1000.00")
    entered(bull, order("u1", "1", 20, "100.00", symbol=symbol))
    bear.expect("8", "39=2")
    assert balances(operator, name) == {"USD": ("3000.00", "0.00", "1000.00"), symbol: ("-20", "0", "0")}
    operator.do("margin", symbol=symbol, maintenance="0.5")
    assert shown(operator, symbol, "initial_margin", "maintenance_margin") == ["0.5", "0.5"]
    assert events(operator.do("margin", symbol=symbol, initial="0.6", maintenance="0.6"))[1:] == [
        {"event": "MarginCalled", "account": name, "currency": "USD", "equity": "1000.00", "required": "1200.00"}
    ]
    assert operator.do("settlement show")["margin_calls"] == {name: ["USD"]}
    bear.send("D", order("b3", "2", 1, "100.00", symbol=symbol))
    assert bear.drain(lambda message: message.type == "8")[-1].has("39=8|103=99")
    entered(bear, order("b4", "1", 1, "99.00", symbol=symbol))  # which closes
    [_, ended] = events(operator.do("deposit", account=name, asset="USD", amount="500"))
    assert ended == {"event": "MarginCallEnded", "account": name, "currency": "USD", "equity": "1500.00", "required": "1200.00"}
    operator.do("margin", symbol=symbol, initial="0", maintenance="0")
    assert operator.refusal("margin", symbol=symbol) == "nothing to set: say --initial, --maintenance, or both"
    assert operator.refusal("margin", symbol=symbol, maintenance="0.1") == (
        'maintenance_margin: "0.1" is above the initial margin "0"'
    )
    assert operator.refusal("margin", symbol="XXX", initial="0.1") == "unknown symbol XXX"


# ------------------------------------------------------------------------------------- on the command line


def test_what_people_are_shown(operator: Operator, console: Console) -> None:
    participant(operator, "VIEWER")
    console.done("hold", "VIEWER", "--reference", "a lock")
    lines = dict(line.split(None, 2)[::2] for line in console.done("settlement", "show") if line.startswith(("cycle", "spend")))
    assert lines == {"cycle": "0", "spend": "yes"}
    assert next(line for line in console.done("settlement", "show") if line.startswith("held")).endswith("VIEWER everything")
    assert "account VIEWER: short limit 0, self-trade cancel-resting, delivers nothing of everything" in console.done(
        "participant", "show", "VIEWER"
    )
    console.done("release", "VIEWER")
    console.done("fees", "set", "VIEWER", "--symbol", "AAPL", "--maker", "-0.0001", "--taker", "0.0001")
    heads, *rows = console.done("fees", "list")
    assert heads.split() == ["NAME", "SYMBOL", "MAKER", "TAKER", "BY"]
    assert ["VIEWER", "AAPL", "-0.0001", "0.0001", "operator"] in [row.split() for row in rows]
    console.done("fees", "end", "VIEWER", "--symbol", "AAPL")


# ------------------------------------------------------------------------------ restarts, the configuration

FEES = [{"participant": "ANN", "maker": "0", "taker": "0.0001"}, {"participant": "BEN", "maker": "0", "taker": "0.0002"}]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Venue]:
    traders: dict[str, dict[str, Any]] = {"ANN": TRADER, "BEN": TRADER, "CAT": TRADER}
    instruments: dict[str, dict[str, Any]] = {"AAPL": {"initial_margin": "0.5"}, "MSFT": {}}
    with light_venue(
        tmp_path, participants=traders, instruments=instruments, settlement={"cycle_days": 1}, fees=FEES, web={"enabled": False}
    ) as venue:
        yield venue


def fees_of(operator: Operator) -> list[tuple[str, str, str]]:
    return [(row["name"], row["taker"], row["by"]) for row in operator.do("fees list")["fees"]]


def test_the_configuration_says_once_how_trades_are_settled(small: Venue) -> None:
    """In force from the first moment, and what an operator changed stays."""
    with Operator(small) as operator:
        assert operator.do("settlement show")["cycle_days"] == 1
        assert fees_of(operator) == [("ANN", "0.0001", "configuration"), ("BEN", "0.0002", "configuration")]
        operator.do("settlement set", cycle_days=3)
        operator.do("margin", symbol="AAPL", initial="0.7")
        operator.do("margin", symbol="MSFT", initial="0.3")
        operator.do("fees set", name="BEN", maker="0", taker="0.0003")
        operator.do("fees set", name="CAT", maker="0", taker="0.0004")
        commands = operator.do("status")["commands"]
    small.kill()
    small.start()
    with Operator(small) as operator:
        assert operator.do("status")["commands"] == commands
        assert operator.do("settlement show")["next_day"]["cycle_days"] == 3
        assert fees_of(operator) == [
            ("ANN", "0.0001", "configuration"), ("BEN", "0.0003", "operator"), ("CAT", "0.0004", "operator"),
        ]  # fmt: skip
        assert shown(operator, "AAPL", "initial_margin") == ["0.7"] and shown(operator, "MSFT", "initial_margin") == ["0.3"]


def test_what_the_configuration_says_differently_counts(small: Venue) -> None:
    """And what it does not say any more is the default again, or ends."""
    with Operator(small) as operator:
        operator.do("fees set", name="CAT", maker="0", taker="0.0004")
        commands = operator.do("status")["commands"]
    text = small.config.read_text()
    for said, says in (
        ("cycle_days = 1", ""), ('initial_margin = "0.5"', 'initial_margin = "0.6"'), ('taker = "0.0002"', 'taker = "0.0005"'),
        ('[[fees]]\nparticipant = "ANN"\nmaker = "0"\ntaker = "0.0001"\n', ""),
    ):  # fmt: skip
        assert text.count(said) == 1, said
        text = text.replace(said, says)
    small.config.write_text(text)
    small.restart()
    with Operator(small) as operator:
        assert operator.do("status")["commands"] == commands + 4
        assert operator.do("settlement show")["next_day"]["cycle_days"] == 0
        assert fees_of(operator) == [("BEN", "0.0005", "configuration"), ("CAT", "0.0004", "operator")]
        assert shown(operator, "AAPL", "initial_margin") == ["0.6"]
        commands = operator.do("status")["commands"]
    small.restart()
    with Operator(small) as operator:
        assert operator.do("status")["commands"] == commands


def test_fees_that_cannot_change_yet_are_tried_again(small: Venue) -> None:
    ann = small.client("ANN").logon()
    entered(ann, order("a1", "1", 1, "60.00"))
    small.config.write_text(small.config.read_text().replace('taker = "0.0001"', 'taker = "0.0006"'))
    small.restart()
    assert "SetFees was refused: " in small.said()
    with Operator(small) as operator:
        assert fees_of(operator)[0] == ("ANN", "0.0001", "configuration")
        operator.do("cancel order", participant="ANN")
    small.restart()
    with Operator(small) as operator:
        assert fees_of(operator)[0] == ("ANN", "0.0006", "configuration")
