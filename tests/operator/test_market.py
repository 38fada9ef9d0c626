"""What an operator does with the market: phases, bands, instruments, orders, trades."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest

from tests.operator.conftest import Operator
from tests.venue import Client, Venue, order, wait_for

BY = f"operator {pwd.getpwuid(os.getuid()).pw_name}"


def events(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What was caused, without numbers."""
    assert result["more"] == 0
    return [{name: value for name, value in event.items() if name != "number"} for event in result["events"]]


def add(operator: Operator, symbol: str, **terms: Any) -> str:
    """An instrument of the test's own."""
    base = {"quantity_max": "1000", "value_max": "1000000", "reference_price": "100", "band": "50"}
    operator.do("instrument add", symbol=symbol, **base | terms)
    return symbol


def shown(operator: Operator, symbol: str, *names: str) -> list[Any]:
    found = operator.do("instrument show", symbol=symbol)
    return [found[name] for name in names]


# ------------------------------------------------------------------------------------------------- phases


def test_a_halted_instrument_takes_cancels_and_nothing_else(venue: Venue, operator: Operator) -> None:
    symbol = add(operator, "HALT1")
    client = venue.client("TRADER1").logon()
    client.send("D", order("h1", symbol=symbol))
    client.expect("8", "39=0")
    assert events(operator.do("halt", symbol=symbol)) == [
        {"event": "PhaseChanged", "instrument": symbol, "phase": "halted", "by": BY}
    ]
    client.send("D", order("h2", symbol=symbol))
    rejected = client.drain(lambda message: message.type == "8")[-1]
    assert rejected.has("39=8|11=h2|103=2")
    client.send("F", f"41=h1|11=h3|55={symbol}|54=1|60=20260101-00:00:00|")
    assert client.drain(lambda message: message.type == "8")[-1].has("39=4|11=h3")
    assert events(operator.do("resume", symbol=symbol)) == [
        {"event": "PhaseChanged", "instrument": symbol, "phase": "continuous", "by": BY}
    ]
    client.send("D", order("h4", symbol=symbol))
    assert client.drain(lambda message: message.type == "8")[-1].has("39=0|11=h4")


def test_resume_through_an_auction(operator: Operator) -> None:
    symbol = add(operator, "HALT2", pause_seconds=1)
    operator.do("halt", symbol=symbol)
    [changed] = events(operator.do("resume", symbol=symbol, auction=True))
    assert changed.pop("until").endswith("Z")
    assert changed == {"event": "PhaseChanged", "instrument": symbol, "phase": "volatility-auction", "by": BY}
    wait_for(lambda: shown(operator, symbol, "phase") == ["continuous"], "the end of the auction")


def test_what_is_not_halted_is_not_resumed(operator: Operator) -> None:
    symbol = add(operator, "HALT3")
    assert operator.refusal("resume", symbol=symbol) == "HALT3 is not halted: it is in continuous"
    assert operator.refusal("resume", market="MAIN") == "nothing there is halted"


def test_a_market_is_halted_and_resumed(operator: Operator) -> None:
    first, second = add(operator, "MKT1", market="LAB"), add(operator, "MKT2", market="LAB")
    other = add(operator, "MKT3")
    assert events(operator.do("halt", market="LAB")) == [
        {"event": "MarketPhaseChanged", "market": "LAB", "phase": "halted", "by": BY},
        {"event": "PhaseChanged", "instrument": first, "phase": "halted", "by": BY},
        {"event": "PhaseChanged", "instrument": second, "phase": "halted", "by": BY},
    ]
    assert shown(operator, other, "phase") == ["continuous"]
    late = add(operator, "MKT4", market="LAB")
    assert shown(operator, late, "phase") == ["halted"]
    operator.do("resume", symbol=first)
    operator.do("phase", symbol=first, phase="pre-open")
    assert events(operator.do("resume", market="LAB")) == [
        {"event": "MarketPhaseChanged", "market": "LAB", "phase": "continuous", "by": BY},
        {"event": "PhaseChanged", "instrument": first, "phase": "continuous", "by": BY},
        {"event": "PhaseChanged", "instrument": second, "phase": "continuous", "by": BY},
        {"event": "PhaseChanged", "instrument": late, "phase": "continuous", "by": BY},
    ]
    assert [shown(operator, symbol, "phase") for symbol in (first, second, late)] == [["continuous"]] * 3


def test_a_market_is_resumed_through_an_auction(operator: Operator) -> None:
    first, second = add(operator, "MKT5", market="LAB2"), add(operator, "MKT6", market="LAB2")
    operator.do("halt", market="LAB2")
    changed = events(operator.do("resume", market="LAB2", auction=True))
    assert [(event["event"], event.get("instrument"), event["phase"]) for event in changed] == [
        ("MarketPhaseChanged", None, "continuous"),
        ("PhaseChanged", first, "volatility-auction"),
        ("PhaseChanged", second, "volatility-auction"),
    ]
    assert shown(operator, add(operator, "MKT7", market="LAB2"), "phase") == ["continuous"]


def test_all_are_halted_and_resumed(operator: Operator) -> None:
    operator.do("halt", all=True)
    assert set(operator.do("status")["phases"]) == {"halted"}
    operator.do("resume", all=True)
    assert set(operator.do("status")["phases"]) == {"continuous"}


def test_any_phase(operator: Operator) -> None:
    symbol = add(operator, "PHASE1")
    for phase in (
        "closed", "pre-open", "opening-auction", "continuous", "closing-auction", "closing-price", "halted", "cancel-only",
    ):  # fmt: skip
        assert events(operator.do("phase", symbol=symbol, phase=phase))[-1]["phase"] == phase
        assert shown(operator, symbol, "phase") == [phase]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "say one of: a symbol, a market, all"),
        ({"symbol": "AAPL", "all": True}, "say one of: a symbol, a market, all"),
        ({"symbol": "XXX"}, "unknown symbol XXX"),
        ({"market": "XXX"}, "no instrument is of market XXX"),
        ({"symbol": 7}, "symbol: Expected str, got int"),
        ({"sym": "AAPL"}, "Object contains unknown field sym"),
    ],
)
def test_a_target_is_one_that_there_is(operator: Operator, arguments: dict[str, Any], why: str) -> None:
    assert operator.refusal("halt", **arguments) == why
    assert operator.refusal("resume", **arguments) == why


def test_a_phase_that_there_is_not(operator: Operator) -> None:
    assert operator.refusal("phase", symbol="AAPL", phase="lunch") == "phase: Invalid enum value 'lunch'"
    assert operator.refusal("phase", symbol="AAPL") == "Object missing required field phase"


# -------------------------------------------------------------------------------------- bands, instruments


def test_bands(operator: Operator) -> None:
    symbol = add(operator, "BAND1")
    [defined] = events(operator.do("band", symbol=symbol, static="10", dynamic="2.5"))
    assert (defined["event"], defined["band_bps"], defined["dynamic_band_bps"], defined["by"]) == (
        "InstrumentDefined", "1000", "250", BY,
    )  # fmt: skip
    assert shown(operator, symbol, "low", "high", "band", "dynamic_band") == ["90.00", "110.00", "10", "2.5"]
    assert events(operator.do("band", symbol=symbol, reference="200.00")) == [
        {"event": "ReferenceSet", "instrument": symbol, "price": "200.00", "low": "180.00", "high": "220.00", "by": BY}
    ]
    assert shown(operator, symbol, "reference", "low", "high") == ["200.00", "180.00", "220.00"]
    operator.do("band", symbol=symbol, dynamic="0")
    assert shown(operator, symbol, "band", "dynamic_band", "reference") == ["10", "0", "200.00"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "nothing to set: say --static, --dynamic, --reference, or several"),
        ({"static": "0"}, 'band: "0" is not above zero'),
        ({"static": "100"}, 'band: "100" is not a percentage below 100'),
        ({"dynamic": "-1"}, 'dynamic_band: "-1" is below zero (0 is none)'),
        ({"static": "1.234"}, 'band: "1.234" has more than 2 decimals'),
        ({"reference": "1e3"}, 'reference: "1e3" is not a decimal number such as "123.45"'),
        ({"reference": "0"}, "a reference price is above zero"),
        ({"reference": "100.005"}, 'reference: "100.005" has more than 2 decimals'),
        ({"reference": "9" * 30}, "a value is not one that the journal takes"),
        ({"static": 5}, "static: Expected str | null, got int"),
    ],
)
def test_bands_that_cannot_be(operator: Operator, arguments: dict[str, Any], why: str) -> None:
    assert operator.refusal("band", symbol="AAPL", **arguments).startswith(why)


def test_an_instrument_is_added_and_traded_at_once(venue: Venue, operator: Operator) -> None:
    assert events(
        operator.do(
            "instrument add", symbol="NEW1", price_decimals=3, quantity_decimals=2, tick="0.005", lot="0.10", quantity_max="50",
            value_max="10000", reference_price="5", band="20", dynamic_band="3", pause_seconds=60, market="FRESH",
            maker_fee="-0.0001", taker_fee="0.0002",
        )
    ) == [
        {
            "event": "InstrumentDefined", "instrument": "NEW1", "currency": "USD", "price_decimals": "3",
            "quantity_decimals": "2", "tick": "0.005", "lot": "0.10", "quantity_max": "50.00", "value_max": "10000.00",
            "reference_price": "5.000", "band_bps": "2000", "maker_fee_ppm": "-100", "taker_fee_ppm": "200",
            "dynamic_band_bps": "300", "pause_ns": "60000000000", "market": "FRESH", "phase": "continuous", "by": BY,
        }
    ]  # fmt: skip
    assert operator.do("instrument show", symbol="NEW1") == {
        "symbol": "NEW1", "market": "FRESH", "phase": "continuous", "last": "", "bid": "", "offer": "", "reference": "5.000",
        "low": "4.000", "high": "6.000", "currency": "USD", "price_decimals": 3, "quantity_decimals": 2, "tick": "0.005",
        "lot": "0.10", "quantity_max": "50.00", "value_max": "10000.00", "reference_price": "5.000", "band": "20",
        "dynamic_band": "3", "pause_seconds": 60, "maker_fee": "-0.0001", "taker_fee": "0.0002",
        "initial_margin": "0", "maintenance_margin": "0", "by": BY,
    }  # fmt: skip
    client = venue.client("TRADER2").logon()
    client.send("D", order("n1", quantity="1.10", price="5.005", symbol="NEW1"))
    client.expect("8", "39=0|44=5.005|38=1.10")
    [row] = [row for row in operator.do("instrument list")["instruments"] if row["symbol"] == "NEW1"]
    assert (row["bid"], row["offer"], row["last"]) == ("5.005", "", "")


def test_an_instrument_may_begin_in_another_phase(operator: Operator) -> None:
    symbol = add(operator, "NEW2", phase="pre-open")
    assert shown(operator, symbol, "phase") == ["pre-open"]


def test_terms_change_alone(operator: Operator) -> None:
    symbol = add(operator, "NEW3")
    before = operator.do("instrument show", symbol=symbol)
    operator.do("instrument change", symbol=symbol, quantity_max="10", taker_fee="0.001")
    assert operator.do("instrument show", symbol=symbol) == before | {"quantity_max": "10", "taker_fee": "0.001"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"symbol": "AAPL"}, "AAPL is there already: instrument change changes it"),
        ({"symbol": "A B"}, '"A B" is not a symbol: 1 to 32 letters, digits, dots, dashes, slashes, underscores'),
        ({"symbol": "USD"}, "USD is the venue's currency"),
        ({"quantity_max": None}, "--quantity-max is missing"),
        ({"tick": "0.03"}, 'reference_price: "100" is not a multiple of the tick "0.03"'),
        ({"lot": "0"}, 'lot: "0" is not above zero'),
        ({"price_decimals": -1}, "price_decimals: -1 is below zero"),
        ({"price_decimals": 6, "quantity_decimals": 5}, "quantity_decimals: 5 and 6 price decimals are more than the 10"),
        ({"value_max": "1000000000"}, 'value_max: "1000000000" is above 922337203, the most that one order can be worth'),
        ({"market": "a b"}, 'market: "a b" is not the name of one'),
        ({"maker_fee": "-0.9"}, "OTHER: a fee is below 100 %, and a maker's rebate not above the taker's fee"),
        ({"taker_fee": "x"}, 'taker_fee: "x" is not a decimal number such as "123.45"'),
        ({"phase": "lunch"}, "phase: Invalid enum value 'lunch'"),
    ],
)
def test_instruments_that_cannot_be(operator: Operator, arguments: dict[str, Any], why: str) -> None:
    terms = {"symbol": "OTHER", "quantity_max": "1000", "value_max": "1000000", "reference_price": "100"} | arguments
    given = {name: value for name, value in terms.items() if value is not None}
    assert operator.refusal("instrument add", **given).startswith(why)
    assert operator.refusal("instrument show", symbol="OTHER") == "unknown symbol OTHER"


def test_changes_that_cannot_be(venue: Venue, operator: Operator) -> None:
    symbol = add(operator, "NEW4")
    assert operator.refusal("instrument change", symbol=symbol) == "nothing to change: say what"
    assert operator.refusal("instrument change", symbol="XXX", lot="1") == "unknown symbol XXX"
    assert operator.refusal("instrument change", symbol=symbol, market="OTHER").startswith("NEW4: ")
    client = venue.client("TRADER3").logon()
    client.send("D", order("n4", symbol=symbol))
    client.expect("8", "39=0")
    assert operator.refusal("instrument change", symbol=symbol, tick="0.05").startswith("NEW4: tick, lot and fees")


# ------------------------------------------------------------------------------------------ orders, trades


def test_an_order_is_canceled_by_its_number(venue: Venue, operator: Operator) -> None:
    symbol = add(operator, "CXL1")
    client = venue.client("TRADER4").logon()
    client.send("D", order("c1", symbol=symbol))
    number = int(client.expect("8", "39=0")[37])
    [canceled] = events(operator.do("cancel order", order=number))
    assert canceled == {
        "event": "OrderCanceled", "order_id": str(number), "instrument": symbol, "quantity": "10", "reason": "OPERATOR"
    }  # fmt: skip
    client.expect("8", f"37={number}|39=4|150=4|11=c1|151=0")
    assert operator.refusal("cancel order", order=number) == f"no open order has the number {number}"


def test_the_orders_of_a_participant_are_canceled(venue: Venue, operator: Operator) -> None:
    one, other = add(operator, "CXL2"), add(operator, "CXL3")
    client = venue.client("TRADER5").logon()
    for name, symbol in (("a", one), ("b", other), ("c", one), ("d", other)):
        client.send("D", order(name, symbol=symbol))
        client.expect("8", "39=0")
    canceled = events(operator.do("cancel order", participant="TRADER5", symbol=one))
    assert [event["event"] for event in canceled] == ["MassCanceled", "OrderCanceled", "OrderCanceled"]
    assert (canceled[0]["affected"], canceled[0]["by"]) == ("2", BY)
    for name in ("a", "c"):
        client.expect("8", f"39=4|11={name}")
    assert len(events(operator.do("cancel order", participant="TRADER5"))) == 3
    for name in ("b", "d"):
        client.expect("8", f"39=4|11={name}")
    client.expect_nothing()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "say one of: an OrderID, a participant"),
        ({"order": 7, "participant": "TRADER5"}, "say one of: an OrderID, a participant"),
        ({"order": 10**17}, "no open order has the number 100000000000000000"),
        ({"order": 10**30}, "a value is not one that the journal takes"),
        ({"order": -1}, "no open order has the number -1"),
        ({"participant": "NOBODY"}, "no participant NOBODY"),
        ({"participant": "TRADER5", "symbol": "XXX"}, "unknown symbol XXX"),
    ],
)
def test_cancels_of_what_there_is_not(operator: Operator, arguments: dict[str, Any], why: str) -> None:
    assert operator.refusal("cancel order", **arguments).startswith(why)


def trade(venue: Venue, operator: Operator, symbol: str, buyer: str, seller: str) -> tuple[Client, Client, str]:
    """Ten at 100.00: who bought, who sold, and the ExecID of the buyer, who was in the book."""
    buying, selling = venue.client(buyer).logon(), venue.client(seller).logon()
    buying.send("D", order("t1", symbol=symbol))
    buying.expect("8", "39=0")
    selling.send("D", order("t2", "2", symbol=symbol))
    selling.expect("8", "39=0")
    selling.expect("8", "39=2")
    return buying, selling, buying.expect("8", "39=2")[17]


def balances(operator: Operator, name: str) -> dict[str, str]:
    [account] = operator.do("participant show", name=name)["accounts"]
    return {line["asset"]: line["total"] for line in account["balances"] if line["total"].strip("0.")}


def test_a_trade_is_busted_once(venue: Venue, operator: Operator) -> None:
    symbol = add(operator, "BUST1")
    operator.do("deposit", account="TRADER7", asset=symbol, amount="100")
    before = [balances(operator, name) for name in ("TRADER6", "TRADER7")]
    _, _, exec_id = trade(venue, operator, symbol, "TRADER6", "TRADER7")
    assert exec_id.endswith("M")
    assert balances(operator, "TRADER7")[symbol] == "90"
    [busted] = events(operator.do("bust", trade=exec_id))
    assert (busted["event"], busted["trade_seq"], busted["price"], busted["quantity"], busted["by"]) == (
        "TradeBusted", exec_id[:-1], "100.00", "10", BY,
    )  # fmt: skip
    assert [balances(operator, name) for name in ("TRADER6", "TRADER7")] == before
    number = exec_id[:-1]
    assert operator.refusal("bust", trade=number) == f"trade {number} was busted already"


def test_a_trade_is_corrected(venue: Venue, operator: Operator) -> None:
    symbol = add(operator, "BUST2")
    operator.do("deposit", account="TRADER9", asset=symbol, amount="100")
    before = [balances(operator, name) for name in ("TRADER8", "TRADER9")]
    _, _, exec_id = trade(venue, operator, symbol, "TRADER8", "TRADER9")
    number = exec_id[:-1]
    [corrected] = events(operator.do("correct", trade=f"{number}T", price="90.50", quantity="4"))
    assert {name: corrected[name] for name in ("event", "trade_seq", "price", "quantity", "old_price", "old_quantity", "by")} == {
        "event": "TradeCorrected", "trade_seq": number, "price": "90.50", "quantity": "4", "old_price": "100.00",
        "old_quantity": "10", "by": BY,
    }  # fmt: skip
    assert balances(operator, "TRADER8")[symbol] == "4"
    assert balances(operator, "TRADER9")[symbol] == "96"
    impossible = "a correction has a price above zero, and a quantity up to that of the trade"
    assert operator.refusal("correct", trade=number, price="90.50", quantity="5") == impossible
    assert operator.refusal("correct", trade=number, price="0") == impossible
    assert operator.refusal("correct", trade=number, price="1.001") == 'price: "1.001" has more than 2 decimals'
    operator.do("bust", trade=number)
    assert [balances(operator, name) for name in ("TRADER8", "TRADER9")] == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"trade": "1"}, "event 1 is not a trade"),
        ({"trade": "999999999"}, "event 999999999 is not a trade"),
        ({"trade": "0"}, "event 0 is not a trade"),
        ({"trade": "S12"}, '"S12" is neither the number nor an ExecID of a trade'),
        ({"trade": "1", "place": [1, 5]}, "event 1 is not a trade"),
        ({"trade": "1", "place": [-1, 5]}, "event 1 is not a trade"),
        ({"trade": "1", "place": [1, 10**30]}, "event 1 is not a trade"),
        ({"trade": "1", "place": [1, -8]}, "event 1 is not a trade"),
        ({"trade": 1}, "trade: Expected str, got int"),
    ],
)
def test_what_is_no_trade(operator: Operator, arguments: dict[str, Any], why: str) -> None:
    assert operator.refusal("bust", **arguments).startswith(why)
