"""Rules of time and of definition: expiry, the day roll, phases, instruments and accounts."""

import msgspec
import pytest

from matching.messages import BUY, GTC, GTD, SELL, DefineAccount
from tests.matching.market import COIN, NOON, SECOND, STOCK, Market


def test_a_gtd_order_ends_at_its_time():
    market = Market()
    market.buy("ann", 1, "10.00", id="later", tif=GTD, until=NOON + 2 * SECOND)
    market.buy("ann", 1, "10.00", id="sooner", tif=GTD, until=NOON + SECOND)
    assert market.engine.next_expiry() == NOON + SECOND
    market.now = NOON + SECOND - 1
    assert market.expire() == ["expiry, 0 orders"]
    market.now = NOON + SECOND
    assert market.expire() == ["expiry, 1 orders", "ann sooner: canceled, GTD_END, 1 left"]
    assert market.engine.next_expiry() == NOON + 2 * SECOND
    market.now = NOON + 3 * SECOND
    assert market.expire() == ["expiry, 1 orders", "ann later: canceled, GTD_END, 1 left"]
    assert market.engine.next_expiry() == 0


def test_orders_that_end_together_end_by_time_then_in_the_order_of_entry():
    market = Market()
    market.buy("ann", 1, "10.00", id="second", tif=GTD, until=NOON + 2)
    market.buy("bob", 1, "10.00", id="third", tif=GTD, until=NOON + 2)
    market.buy("ann", 1, "10.00", id="first", tif=GTD, until=NOON + 1)
    market.now += SECOND
    assert market.expire() == [
        "expiry, 3 orders",
        "ann first: canceled, GTD_END, 1 left",
        "ann second: canceled, GTD_END, 1 left",
        "bob third: canceled, GTD_END, 1 left",
    ]


@pytest.mark.parametrize(("quantity", "price"), [(1, "10.00"), (2, "10.00"), (1, "10.01")])
def test_a_replace_moves_the_expiry(quantity: int, price: str):
    market = Market()
    market.buy("ann", 1, "10.00", id="b1", tif=GTD, until=NOON + SECOND)
    market.replace("ann", "b1", quantity, price, tif=GTD, until=NOON + 2 * SECOND)
    market.now = NOON + SECOND
    assert market.expire() == ["expiry, 0 orders"]
    market.now = NOON + 2 * SECOND
    assert market.expire() == ["expiry, 1 orders", f"ann b1: canceled, GTD_END, {quantity} left"]


def test_an_expiry_moved_there_and_back_ends_the_order_once():
    market = Market()
    market.buy("ann", 1, "10.00", id="b1", tif=GTD, until=NOON + SECOND)
    market.replace("ann", "b1", 1, "10.00", id="r1", tif=GTD, until=NOON + 2 * SECOND)
    market.replace("ann", "b1", 2, "10.00", id="r2", tif=GTD, until=NOON + SECOND)
    market.now = NOON + SECOND
    assert market.expire() == ["expiry, 1 orders", "ann b1: canceled, GTD_END, 2 left"]
    market.now = NOON + 2 * SECOND
    assert market.expire() == ["expiry, 0 orders"]


def test_an_order_that_is_gtd_no_more_does_not_expire():
    market = Market()
    market.buy("ann", 1, "10.00", id="b1", tif=GTD, until=NOON + SECOND)
    market.replace("ann", "b1", 1, "10.00", tif=GTC)
    market.now = NOON + SECOND
    assert market.expire() == ["expiry, 0 orders"]
    assert market.book() == (["ann b1 1 at 10.00"], [])


def test_orders_that_ended_before_their_expiry_are_forgotten_with_the_day():
    market = Market()
    for number in range(10):
        market.buy("ann", 1, "10.00", id=f"b{number}", tif=GTD, until=NOON + SECOND)
        market.cancel("ann", f"b{number}", id=f"c{number}")
    assert market.engine.next_expiry() == 0
    market.buy("ann", 1, "10.00", id="early", tif=GTD, until=NOON + SECOND)
    market.buy("ann", 1, "10.00", id="late", tif=GTD, until=NOON + 2 * SECOND)
    market.cancel("ann", "late", id="cancel late")
    market.roll("20240102")
    assert [entry[1] for entry in market.engine.market.expiries] == [market.engine.order("ann", "early").order_id]


# -------------------------------------------------------------------------------------------------- day roll


def test_the_day_roll_ends_day_orders_in_the_order_of_their_entry():
    market = Market()
    market.sell("bob", 1, "11.00", id="s1")
    market.buy("ann", 1, "10.00", id="b1")
    market.buy("ann", 1, "10.00", id="b2", tif=GTC)
    market.buy("ann", 1, "50000.00", id="b3", of="COIN")
    market.buy("ann", 1, "10.00", id="b4", tif=GTD, until=NOON + SECOND)
    assert market.roll("20240102") == [
        "day 20240102, 3 orders",
        "bob s1: canceled, DAY_END, 1 left",
        "ann b1: canceled, DAY_END, 1 left",
        "ann b3: canceled, DAY_END, 1 left",
    ]
    assert market.book() == (["ann b2 1 at 10.00", "ann b4 1 at 10.00"], [])
    assert market.engine.trading_day == "20240102"


def test_the_last_trade_becomes_the_reference_of_the_next_day():
    market = Market()
    market.sell("bob", 2, "10.50", id="s1")
    market.buy("ann", 1, "10.50", id="b1")
    assert market.engine.instruments["X"].reference_price == 1_000, "not before the day ends"
    market.roll("20240102")
    instrument = market.engine.instruments["X"]
    assert (instrument.reference_price, instrument.low, instrument.high) == (1_050, 945, 1_155)
    market.roll("20240103")
    assert market.engine.instruments["X"].reference_price == 1_050
    assert market.engine.instruments["COIN"].reference_price == 5_000_000, "no trade, no change"


def test_orders_outside_the_new_band_stay_and_trade():
    market = Market()
    market.sell("bob", 1, "11.00", id="far", tif=GTC)
    market.buy("ann", 1, "9.00", id="b", tif=GTC)
    market.sell("eve", 1, "9.00", id="s")
    market.roll("20240102")  # the band is 8.10 to 9.90
    assert market.book() == ([], ["bob far 1 at 11.00"])
    assert "OUTSIDE_PRICE_BAND" in market.buy("ann", 1, "11.00", id="b1")[0]
    assert market.cancel("bob", "far", SELL) == ["bob far: canceled, REQUESTED, 1 left asked by c1"]


@pytest.mark.parametrize("day", ["20240102", "20240101", "19991231"])
def test_a_day_is_later_than_the_one_before(day: str):
    market = Market()
    market.roll("20240102")
    market.buy("ann", 1, "10.00", id="b1")
    assert market.roll(day) == ["RollDay refused, BAD_DEFINITION: the trading day is 20240102 already"]
    assert market.book() == (["ann b1 1 at 10.00"], [])


@pytest.mark.parametrize("day", ["", "2024-01-02", "tomorrow", "202401020", "٢٠٢٤٠١٠٢"])
def test_a_day_is_eight_digits(day: str):
    assert Market().roll(day) == [f"RollDay refused, BAD_DEFINITION: {day!r} is not a day as YYYYMMDD"]


# ---------------------------------------------------------------------------------------------------- phases


def test_a_phase_is_set_for_one_instrument_or_for_all():
    market = Market()
    assert market.phase("halted", "X") == ["X: halted"]
    assert market.phase("closed", by="op") == ["market MAIN: closed by op", "COIN: closed by op", "X: closed by op"]
    assert market.phase("continuous") == ["market MAIN: continuous", "COIN: continuous", "X: continuous"]
    assert market.phase("halted", "Z") == ["SetPhase refused, UNKNOWN_INSTRUMENT: unknown symbol Z"]


def test_without_an_instrument_there_is_no_phase():
    assert Market((), cash="0", holdings="0").phase("continuous") == [
        "SetPhase refused, UNKNOWN_INSTRUMENT: there is no instrument"
    ]


# ----------------------------------------------------------------------------------------------- definitions


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"instrument": ""}, "symbol, currency and market must be named"),
        ({"currency": ""}, "symbol, currency and market must be named"),
        ({"instrument": "USD"}, "an instrument is not named as a currency is"),
        ({"currency": "COIN"}, "a currency is not named as an instrument is"),
        ({"price_decimals": -1}, "price and quantity decimals are together more than 10"),
        ({"quantity_decimals": -1}, "price and quantity decimals are together more than 10"),
        ({"quantity_decimals": 9}, "price and quantity decimals are together more than 10"),
        ({"tick": 0}, "tick, lot, limits and reference price are above zero"),
        ({"lot": 0}, "tick, lot, limits and reference price are above zero"),
        ({"quantity_max": 0}, "tick, lot, limits and reference price are above zero"),
        ({"value_max": 0}, "tick, lot, limits and reference price are above zero"),
        ({"reference_price": 0}, "tick, lot, limits and reference price are above zero"),
        ({"value_max": 2**63}, "a limit is beyond 64 bits"),
        ({"quantity_max": 2**63}, "a limit is beyond 64 bits"),
        ({"band_bps": 0}, "the band is between 0.01 % and 10,000 %"),
        ({"band_bps": 1_000_001}, "the band is between 0.01 % and 10,000 %"),
        ({"taker_fee_ppm": -1}, "a fee is below 100 %, and a maker's rebate not above the taker's fee"),
        ({"taker_fee_ppm": 1_000_000}, "a fee is below 100 %, and a maker's rebate not above the taker's fee"),
        ({"maker_fee_ppm": 1_000_000}, "a fee is below 100 %, and a maker's rebate not above the taker's fee"),
        (
            {"maker_fee_ppm": -2, "taker_fee_ppm": 1},
            "a fee is below 100 %, and a maker's rebate not above the taker's fee",
        ),
    ],
)
def test_an_instrument_must_make_sense(change: dict[str, object], wrong: str):
    terms = msgspec.structs.replace(STOCK, **({"instrument": "Y"} | change))
    assert Market().do(terms) == [f"DefineInstrument refused, BAD_DEFINITION: {terms.instrument}: {wrong}"]


@pytest.mark.parametrize("change", [{"currency": "EUR"}, {"price_decimals": 3}, {"quantity_decimals": 1}, {"market": "OTHER"}])
def test_currency_decimals_and_market_never_change(change: dict[str, object]):
    assert Market().do(msgspec.structs.replace(STOCK, **change)) == [
        "DefineInstrument refused, BAD_DEFINITION: X: currency, decimals and market of an instrument do not change"
    ]


@pytest.mark.parametrize("change", [{"tick": 5}, {"lot": 5}, {"maker_fee_ppm": 1}, {"taker_fee_ppm": 1}])
def test_tick_lot_and_fees_change_while_no_order_rests(change: dict[str, object]):
    market = Market()
    market.buy("ann", 1, "10.00", id="b1")
    terms = msgspec.structs.replace(STOCK, **change)
    assert market.do(terms) == [
        "DefineInstrument refused, BAD_DEFINITION: X: tick, lot and fees do not change while orders are open"
    ]
    market.cancel("ann", "b1")
    assert market.do(terms) == ["X: defined"]


def test_band_and_limits_change_at_any_time_and_hold_from_then_on():
    market = Market()
    market.buy("ann", 1, "9.00", id="b1")
    assert market.do(msgspec.structs.replace(STOCK, band_bps=500, quantity_max=5)) == ["X: defined"]
    assert "OUTSIDE_PRICE_BAND" in market.buy("ann", 1, "9.49", id="b2")[0]
    assert "LIMIT_EXCEEDED" in market.buy("ann", 6, "9.50", id="b3")[0]
    assert market.book() == (["ann b1 1 at 9.00"], [])


def test_the_reference_price_moves_only_when_the_definition_names_another():
    market = Market()
    market.sell("bob", 1, "10.50", id="s1")
    market.buy("ann", 1, "10.50", id="b1")
    market.roll("20240102")
    market.do(msgspec.structs.replace(STOCK, lot=2))
    assert market.engine.instruments["X"].reference_price == 1_050
    market.do(msgspec.structs.replace(STOCK, reference_price=2_000))
    assert market.engine.instruments["X"].reference_price == 2_000


def test_an_account_keeps_its_participant():
    market = Market()
    assert market.do(DefineAccount("ann", "bob")) == [
        "DefineAccount refused, BAD_DEFINITION: account ann belongs to ann"
    ]
    assert market.do(DefineAccount("ann", "ann", 5, "allow")) == ["account ann of ann: short 5, self-trade allow"]
    assert market.do(DefineAccount("ann-2", "ann")) == ["account ann-2 of ann: short 0, self-trade cancel-resting"]


@pytest.mark.parametrize("terms", [DefineAccount("", "joe"), DefineAccount("joe", ""), DefineAccount("joe", "joe", -1)])
def test_an_account_must_make_sense(terms: DefineAccount):
    assert Market().do(terms) == [
        "DefineAccount refused, BAD_DEFINITION: an account has a name, a participant and a short limit from 0"
    ]


def test_time_does_not_run_backwards():
    market = Market()
    with pytest.raises(AssertionError, match="backwards"):
        market.engine.apply(market.engine.command_seq + 1, NOON - 1, [market.order("ann", BUY, 1, "10.00")])


def test_commands_are_numbered_without_a_gap():
    market = Market()
    with pytest.raises(AssertionError, match="gap"):
        market.engine.apply(market.engine.command_seq + 2, NOON, [market.order("ann", BUY, 1, "10.00")])


def test_a_second_instrument_may_have_another_currency():
    market = Market()
    assert market.do(msgspec.structs.replace(COIN, instrument="COINEUR", currency="EUR")) == ["COINEUR: defined"]
    market.deposit("ann", "EUR", "1" + "0" * 15)
    market.buy("ann", "1", "50000.00", id="b1", of="COINEUR")
    assert market.cash("ann") == ("1000000", "0")
    assert market.engine.accounts["ann"].cash_in("EUR").reserved == 50_000 * 10**10
