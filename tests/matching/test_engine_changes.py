"""Rules of change: cancel, replace, mass cancel. Never silence, whatever became of the order."""

import msgspec
import pytest

from matching.messages import BUY, FOK, GTC, GTD, IOC, MARKET, SELL, CancelOrder, MassCancel, ReplaceOrder
from tests.matching.market import NOON, SECOND, STOCK, Market


def test_a_cancel_takes_what_is_left_out_of_the_book():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.sell("bob", 40, "10.00", id="s1")
    assert market.cancel("ann", "b1") == ["ann b1: canceled, REQUESTED, 60 left asked by c1"]
    assert (market.book(), market.cash("ann")) == (([], []), ("999600", "0"))


@pytest.mark.parametrize("victim", ["oldest", "middle", "newest"])
def test_a_cancel_leaves_the_others_in_their_order(victim: str):
    market = Market()
    names = ["oldest", "middle", "newest"]
    for name in names:
        market.sell("bob", 10, "10.00", id=name)
    market.cancel("bob", victim, SELL)
    names.remove(victim)
    assert market.book() == ([], [f"bob {name} 10 at 10.00" for name in names])


def test_a_cancel_of_what_is_not_open_is_refused():
    market = Market()
    market.buy("ann", 10, "10.00", id="filled")
    market.sell("bob", 10, "10.00", id="s1")
    market.buy("ann", 10, "10.00", id="canceled")
    market.cancel("ann", "canceled", id="c0")
    market.buy("ann", 10, "10.00", id="expired", tif=GTD, until=NOON + 1)
    market.now += 1
    market.expire()
    market.buy("ann", 10, "99.00", id="refused")
    assert market.cancel("ann", "filled", id="c1") == [
        "ann c1: cancel of filled rejected, status 2, TOO_LATE: the order is filled already"
    ]
    assert market.cancel("ann", "canceled", id="c2") == [
        "ann c2: cancel of canceled rejected, status 4, TOO_LATE: the order is canceled already"
    ]
    assert market.cancel("ann", "expired", id="c3") == [
        "ann c3: cancel of expired rejected, status C, TOO_LATE: the order is expired already"
    ]
    assert market.cancel("ann", "refused", id="c4") == [
        "ann c4: cancel of refused rejected, status 8, UNKNOWN_ORDER: no order with ClOrdID refused"
    ]
    assert market.cancel("ann", "nothing", id="c5") == [
        "ann c5: cancel of nothing rejected, status 8, UNKNOWN_ORDER: no order with ClOrdID nothing"
    ]
    assert market.cancel("joe", "filled", id="c6") == [
        "joe c6: cancel of filled rejected, status 8, UNKNOWN_ORDER: unknown participant joe"
    ]


def test_nobody_cancels_the_order_of_another():
    market = Market()
    market.buy("ann", 10, "10.00", id="b1")
    assert market.cancel("bob", "b1") == [
        "bob c1: cancel of b1 rejected, status 8, UNKNOWN_ORDER: no order with ClOrdID b1"
    ]


def test_symbol_and_side_of_a_cancel_must_be_those_of_the_order():
    market = Market()
    market.buy("ann", 10, "10.00", id="b1")
    assert market.cancel("ann", "b1", SELL, id="c1") == [
        "ann c1: cancel of b1 rejected, status 0, ORDER_MISMATCH: the order is for X, side 1"
    ]
    assert market.cancel("ann", "b1", BUY, id="c2", of="COIN") == [
        "ann c2: cancel of b1 rejected, status 0, ORDER_MISMATCH: the order is for X, side 1"
    ]
    assert market.book() == (["ann b1 10 at 10.00"], [])


def test_a_cancel_needs_a_cl_ord_id_of_its_own():
    market = Market()
    market.buy("ann", 10, "10.00", id="b1")
    assert market.cancel("ann", "b1", id="b1") == [
        "ann b1: cancel of b1 rejected, status 0, DUPLICATE_CL_ORD_ID: ClOrdID was used before on this trading day"
    ]


def test_a_cancel_that_comes_after_the_fill_is_too_late_and_one_before_is_not():
    """The sequence decides, also within one batch."""
    for cancel_first in (True, False):
        market = Market()
        market.buy("ann", 10, "10.00", id="b1")
        cancel = CancelOrder("ann", "ann", "c1", "b1", "X", BUY)
        sell = market.order("bob", SELL, 10, "10.00", id="s1")
        number = market.engine.command_seq
        market.names[number + (2 if cancel_first else 1)] = "bob s1"
        events = market.engine.apply(number + 1, NOON, [cancel, sell] if cancel_first else [sell, cancel])
        assert [market.line(event) for event in events] == (
            ["ann b1: canceled, REQUESTED, 10 left asked by c1", "bob s1: accepted, sell 10 X at 10.00 DAY"]
            if cancel_first
            else [
                "bob s1: accepted, sell 10 X at 10.00 DAY",
                "bob s1 sells 10 X at 10.00 to ann b1: 0 and 0 left",
                "ann c1: cancel of b1 rejected, status 2, TOO_LATE: the order is filled already",
            ]
        )


# ------------------------------------------------------------------------------------------------- replace


def test_a_lower_quantity_keeps_the_place():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.buy("bob", 100, "10.00", id="b2")
    assert market.replace("ann", "b1", 50, "10.00") == [
        "ann b1: replaced, r1 for b1, 50 at 10.00 DAY, 50 left, in its place"
    ]
    assert market.book() == (["ann b1 50 at 10.00", "bob b2 100 at 10.00"], [])


def test_the_same_values_keep_the_place():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.buy("bob", 100, "10.00", id="b2")
    assert market.replace("ann", "b1", 100, "10.00") == [
        "ann b1: replaced, r1 for b1, 100 at 10.00 DAY, 100 left, in its place"
    ]
    assert market.book() == (["ann b1 100 at 10.00", "bob b2 100 at 10.00"], [])


def test_another_time_in_force_keeps_the_place():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.buy("bob", 100, "10.00", id="b2")
    assert market.replace("ann", "b1", 100, "10.00", tif=GTC)[0].endswith("in its place")
    assert market.roll("20240102") == ["day 20240102, 1 orders", "bob b2: canceled, DAY_END, 100 left"]


@pytest.mark.parametrize(("quantity", "price"), [(101, "10.00"), (100, "9.99"), (50, "10.01")])
def test_a_higher_quantity_or_another_price_goes_to_the_back(quantity: int, price: str):
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.buy("bob", 100, price, id="b2")
    assert market.replace("ann", "b1", quantity, price) == [
        f"ann b1: replaced, r1 for b1, {quantity} at {price} DAY, {quantity} left, requeued"
    ]
    assert market.book() == ([f"bob b2 100 at {price}", f"ann b1 {quantity} at {price}"], [])


def test_the_new_quantity_includes_what_was_executed():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.sell("bob", 40, "10.00", id="s1")
    assert market.replace("ann", "b1", 70, "10.00") == [
        "ann b1: replaced, r1 for b1, 70 at 10.00 DAY, 30 left, in its place"
    ]
    assert market.cash("ann") == ("999600", "300")


@pytest.mark.parametrize("quantity", [1, 39, 40])
def test_a_replace_to_what_was_executed_or_less_ends_the_order_as_it_stands(quantity: int):
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.sell("bob", 40, "10.00", id="s1")
    assert market.replace("ann", "b1", quantity, "10.00") == [
        "ann b1: replaced, r1 for b1, 40 at 10.00 DAY, 0 left, in its place"
    ]
    order = market.engine.order("ann", "r1")
    assert order is not None
    assert (order.status, order.quantity, order.executed, order.leaves) == ("2", 40, 40, 0)
    assert (market.book(), market.cash("ann")) == (([], []), ("999600", "0"))


def test_a_replace_that_crosses_trades():
    market = Market()
    market.sell("bob", 30, "10.05", id="s1")
    market.buy("ann", 100, "10.00", id="b1")
    assert market.replace("ann", "b1", 100, "10.05") == [
        "ann b1: replaced, r1 for b1, 100 at 10.05 DAY, 100 left, requeued",
        "ann b1 buys 30 X at 10.05 from bob s1: 70 and 0 left",
    ]
    assert market.book() == (["ann b1 70 at 10.05"], [])


@pytest.mark.parametrize(("tif", "reason"), [(IOC, "IOC_REMAINDER"), (FOK, "FOK_NOT_FILLABLE")])
def test_a_replace_to_what_does_not_rest_ends_the_order(tif: str, reason: str):
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    assert market.replace("ann", "b1", 100, "10.00", tif=tif)[1:] == [f"ann b1: canceled, {reason}, 100 left"]
    assert market.book() == ([], [])


def test_a_limit_order_becomes_a_market_order():
    market = Market()
    market.sell("bob", 30, "10.05", id="s1")
    market.buy("ann", 100, "10.00", id="b1")
    assert market.replace("ann", "b1", 100) == [
        "ann b1: replaced, r1 for b1, 100 at market DAY, 100 left, requeued",
        "ann b1 buys 30 X at 10.05 from bob s1: 70 and 0 left",
        "ann b1: canceled, MARKET_REMAINDER, 70 left",
    ]
    assert market.cash("ann") == ("999698.5", "0")


def test_a_replace_may_name_any_cl_ord_id_of_the_chain():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.replace("ann", "b1", 90, "10.00", id="r1")
    assert market.replace("ann", "b1", 80, "10.00", id="r2") == [
        "ann b1: replaced, r2 for r1, 80 at 10.00 DAY, 80 left, in its place"
    ]
    assert market.cancel("ann", "r1") == ["ann b1: canceled, REQUESTED, 80 left asked by c1"]


def test_the_rules_of_entry_hold_for_a_replace():
    market = Market((msgspec.structs.replace(STOCK, tick=5, lot=10, quantity_max=1_000, value_max=9_000 * 10**10),))
    market.buy("ann", 100, "10.00", id="b1")
    refusals = [
        *market.replace("ann", "b1", 15, "10.00", id="r1"),
        *market.replace("ann", "b1", 0, "10.00", id="r2"),
        *market.replace("ann", "b1", 10, "10.01", id="r3"),
        *market.replace("ann", "b1", 10, "11.05", id="r4"),
        *market.replace("ann", "b1", 1_010, "9.00", id="r5"),
        *market.replace("ann", "b1", 900, "11.00", id="r6"),
        *market.replace("ann", "b1", 100, id="r7", tif=GTC),
        *market.replace("ann", "b1", 100, "10.00", id="r8", tif=GTD, until=NOON),
        *market.do(ReplaceOrder("ann", "ann", "r9", "b1", "X", BUY, "4", "0", 1_000, 100)),
    ]
    assert refusals == [
        "ann r1: replace of b1 rejected, status 0, INVALID_QUANTITY: quantity 15 is not a positive multiple of the lot 10",
        "ann r2: replace of b1 rejected, status 0, INVALID_QUANTITY: quantity 0 is not a positive multiple of the lot 10",
        "ann r3: replace of b1 rejected, status 0, OFF_TICK: price 10.01 is not a multiple of the tick 0.05",
        "ann r4: replace of b1 rejected, status 0, OUTSIDE_PRICE_BAND: price 11.05 is outside the band 9.00 to 11.00",
        "ann r5: replace of b1 rejected, status 0, LIMIT_EXCEEDED: quantity 1010 is above the limit 1000",
        "ann r6: replace of b1 rejected, status 0, LIMIT_EXCEEDED: value 9900.00 is above the limit 9000.00",
        "ann r7: replace of b1 rejected, status 0, UNSUPPORTED: a market order cannot be GTC or GTD",
        "ann r8: replace of b1 rejected, status 0, UNSUPPORTED: the expiry of this GTD order is not in the future",
        "ann r9: replace of b1 rejected, status 0, UNSUPPORTED: StopPx belongs to a stop or stop limit order, which needs one",
    ]
    assert market.book() == (["ann b1 100 at 10.00"], [])


def test_a_replace_is_refused_as_a_cancel_is():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    market.sell("bob", 40, "10.00", id="s1")
    assert market.replace("ann", "nothing", 10, "10.00", id="r1") == [
        "ann r1: replace of nothing rejected, status 8, UNKNOWN_ORDER: no order with ClOrdID nothing"
    ]
    assert market.replace("ann", "b1", 10, "10.00", id="b1") == [
        "ann b1: replace of b1 rejected, status 1, DUPLICATE_CL_ORD_ID: ClOrdID was used before on this trading day"
    ]
    assert market.replace("ann", "b1", 10, "10.00", id="r2", side=SELL) == [
        "ann r2: replace of b1 rejected, status 1, ORDER_MISMATCH: the order is for X, side 1"
    ]
    assert market.replace("bob", "s1", 10, "10.00", id="r3", side=SELL) == [
        "bob r3: replace of s1 rejected, status 2, TOO_LATE: the order is filled already"
    ]


def test_a_replace_must_be_paid_for():
    market = Market(cash="1000", holdings="100")
    market.buy("ann", 100, "10.00", id="b1")
    assert market.replace("ann", "b1", 101, "10.00", id="r1") == [
        "ann r1: replace of b1 rejected, status 0, INSUFFICIENT_FUNDS: 10.00 USD needed, 0.00 available in ann"
    ]
    assert market.replace("ann", "b1", 111, "9.00", id="r2")[0].endswith("111 left, requeued")
    assert market.cash("ann") == ("1000", "999")
    market.sell("bob", 100, "11.00", id="s1")
    assert market.replace("bob", "s1", 101, "11.00", id="r1", side=SELL) == [
        "bob r1: replace of s1 rejected, status 0, INSUFFICIENT_FUNDS: 1 X needed, 0 available in bob"
    ]
    assert market.replace("bob", "s1", 30, "11.00", id="r2", side=SELL)[0].endswith("30 left, in its place")
    assert market.holding("bob") == ("100", "30")


def test_a_replace_takes_over_session_and_routing():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1", session="one", routing="a")
    market.replace("ann", "b1", 50, "10.00", session="two", routing="b")
    order = market.engine.order("ann", "b1")
    assert order is not None
    assert (order.cl_ord_id, order.session, order.routing) == ("r1", "two", "b")


def test_a_replaced_order_does_not_trade_with_its_former_self():
    market = Market()
    market.buy("ann", 100, "10.00", id="b1")
    assert market.replace("ann", "b1", 100, "11.00", tif=FOK)[1:] == ["ann b1: canceled, FOK_NOT_FILLABLE, 100 left"]


def test_a_market_order_is_priced_at_the_edge_of_the_band_when_replaced():
    market = Market(cash="1000")
    market.buy("ann", 100, "10.00", id="b1")
    assert market.do(ReplaceOrder("ann", "ann", "r1", "b1", "X", BUY, MARKET, "0", 0, 100)) == [
        "ann r1: replace of b1 rejected, status 0, INSUFFICIENT_FUNDS: 100.00 USD needed, 0.00 available in ann"
    ]


# --------------------------------------------------------------------------------------------- mass cancel


def stocked() -> Market:
    market = Market()
    market.buy("ann", 1, "9.00", id="day")
    market.buy("ann", 1, "9.01", id="gtc", tif=GTC, session="other")
    market.sell("ann", 1, "11.00", id="gtd", tif=GTD, until=NOON + SECOND)
    market.buy("ann", 1, "50000.00", id="coin", of="COIN", session="other")
    market.buy("bob", 1, "9.00", id="his")
    return market


def test_a_mass_cancel_takes_all_orders_of_a_participant_in_the_order_of_their_entry():
    assert stocked().mass_cancel("ann") == [
        "ann m1: mass cancel of all, 4 orders",
        "ann day: canceled, MASS_CANCEL, 1 left",
        "ann gtc: canceled, MASS_CANCEL, 1 left",
        "ann gtd: canceled, MASS_CANCEL, 1 left",
        "ann coin: canceled, MASS_CANCEL, 1 left",
    ]


def test_a_mass_cancel_takes_those_of_one_instrument():
    market = stocked()
    assert market.mass_cancel("ann", "COIN") == [
        "ann m1: mass cancel of COIN, 1 orders",
        "ann coin: canceled, MASS_CANCEL, 1 left",
    ]
    assert market.book() == (["ann gtc 1 at 9.01", "ann day 1 at 9.00", "bob his 1 at 9.00"], ["ann gtd 1 at 11.00"])


def test_a_mass_cancel_takes_those_of_one_session():
    assert stocked().mass_cancel("ann", session="other", only_session=True) == [
        "ann m1: mass cancel of all, 2 orders",
        "ann gtc: canceled, MASS_CANCEL, 1 left",
        "ann coin: canceled, MASS_CANCEL, 1 left",
    ]


def test_a_disconnect_may_spare_what_outlives_the_day():
    assert stocked().mass_cancel(
        "ann", id="", session="other", only_session=True, spare_persistent=True, disconnect=True
    ) == [
        "disconnected of all, 1 orders",
        "ann coin: canceled, DISCONNECT, 1 left",
    ]


def test_a_disconnect_may_take_the_orders_that_asked_for_it_alone():
    market = Market()
    market.buy("ann", 1, "9.00", id="plain")
    market.buy("ann", 1, "9.00", id="marked", marked=True)
    market.buy("ann", 1, "9.00", id="marked no more", marked=True)
    market.replace("ann", "marked no more", 1, "9.00")
    assert market.mass_cancel("ann", id="", only_session=True, only_marked=True, disconnect=True) == [
        "disconnected of all, 1 orders",
        "ann marked: canceled, DISCONNECT, 1 left",
    ]


def test_a_mass_cancel_of_nothing_is_answered():
    market = Market()
    assert market.mass_cancel("ann") == ["ann m1: mass cancel of all, 0 orders"]


def test_a_mass_cancel_may_be_refused():
    market = stocked()
    assert market.mass_cancel("joe") == ["joe m1: mass cancel rejected, UNKNOWN_ACCOUNT: unknown participant joe"]
    assert market.mass_cancel("ann", "Z") == ["ann m1: mass cancel rejected, UNKNOWN_INSTRUMENT: unknown symbol Z"]
    assert market.mass_cancel("ann", "Z") == [
        "ann m1: mass cancel rejected, DUPLICATE_CL_ORD_ID: ClOrdID was used before on this trading day"
    ]
    assert market.do(MassCancel("ann", "ann", "", "Z")) == [
        "ann : mass cancel rejected, UNKNOWN_INSTRUMENT: unknown symbol Z"
    ]


def test_a_mass_canceled_order_gives_back_what_it_held():
    market = stocked()
    market.mass_cancel("ann")
    assert (market.cash("ann"), market.holding("ann")) == (("1000000", "0"), ("10000", "0"))
