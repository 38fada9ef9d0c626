"""Rules of lists: orders of which one cancels, or triggers, the others; what they reserve; how they are refused."""

import msgspec
import pytest

from matching.messages import BUY, FOK, GTC, GTD, IOC, SELL, DefineAccount, DefineParticipant, NewOrder, NewOrderList
from tests.matching.market import NOON, SECOND, Market


def bracketed(**more: object) -> Market:
    """ann sells 10 at 10.50, or, when it falls to 9.50, at the market."""
    market = Market(**more)  # type: ignore[arg-type]
    market.one_cancels_the_other(
        "ann", market.order("ann", SELL, 10, "10.50", id="profit"), market.order("ann", SELL, 10, stop="9.50", id="loss")
    )
    return market


def triggered(second: str = "10.50", **more: object) -> Market:
    """ann buys 10 at 10.00, and then sells them."""
    market = Market()
    market.one_triggers_the_other(
        "ann",
        market.order("ann", BUY, 10, "10.00", id="first"),
        market.order("ann", SELL, 10, second, id="second", **more),  # type: ignore[arg-type]
    )
    return market


# -------------------------------------------------------------------------------------- one cancels the other


def test_the_orders_of_a_list_are_accepted_together():
    market = Market()
    assert market.one_cancels_the_other(
        "ann", market.order("ann", SELL, 10, "10.50", id="profit"), market.order("ann", SELL, 10, stop="9.50", id="loss")
    ) == [
        "ann list l1: accepted, one cancels the other, 2 orders",
        "ann profit: accepted, sell 10 X at 10.50 DAY",
        "ann loss: accepted, sell 10 X stop 9.50 DAY, waits (stop)",
    ]
    assert (market.book(), market.waiting()) == (([], ["ann profit 10 at 10.50"]), ["ann loss 10 (stop)"])


def test_when_one_trades_the_others_end_just_before():
    market = bracketed()
    assert market.buy("bob", 4, "10.50", id="b1")[1:] == [
        "ann loss: canceled, ONE_CANCELS_OTHER, 10 left",
        "bob b1 buys 4 X at 10.50 from ann profit: 0 and 6 left",
    ]
    assert market.buy("bob", 6, "10.50", id="b2")[1:] == ["bob b2 buys 6 X at 10.50 from ann profit: 0 and 0 left"]


def test_a_stop_cancels_the_others_when_it_trades_not_when_it_is_elected():
    market = bracketed()
    assert market.trade_at("9.50") == [
        "ann loss: activated by stop, at market",
        "ann loss: canceled, MARKET_REMAINDER, 10 left",
        "ann profit: canceled, ONE_CANCELS_OTHER, 10 left",
    ], "there was nobody to trade with: it ended, and so they end just after"
    market = bracketed()
    market.buy("bob", 10, "9.40", id="b1")
    assert market.trade_at("9.50") == [
        "ann loss: activated by stop, at market",
        "ann profit: canceled, ONE_CANCELS_OTHER, 10 left",
        "ann loss sells 10 X at 9.40 to bob b1: 0 and 0 left",
    ]


def test_when_one_is_canceled_the_others_end_just_after():
    assert bracketed().cancel("ann", "loss", SELL) == [
        "ann loss: canceled, REQUESTED, 10 left asked by c1",
        "ann profit: canceled, ONE_CANCELS_OTHER, 10 left",
    ]


def test_of_three_the_others_end_in_the_order_of_entry():
    market = Market()
    orders = [market.order("ann", BUY, 1, price, id=price) for price in ("9.10", "9.20", "9.30")]
    market.one_cancels_the_other("ann", *orders)
    assert market.cancel("ann", "9.20") == [
        "ann 9.20: canceled, REQUESTED, 1 left asked by c1",
        "ann 9.10: canceled, ONE_CANCELS_OTHER, 1 left",
        "ann 9.30: canceled, ONE_CANCELS_OTHER, 1 left",
    ]


def test_each_goes_to_work_in_turn_if_it_is_still_open():
    market = Market()
    market.sell("bob", 5, "10.00", id="s1")
    assert market.one_cancels_the_other(
        "ann", market.order("ann", BUY, 10, "10.00", id="first"), market.order("ann", BUY, 10, "9.90", id="second")
    ) == [
        "ann list l1: accepted, one cancels the other, 2 orders",
        "ann first: accepted, buy 10 X at 10.00 DAY",
        "ann second: accepted, buy 10 X at 9.90 DAY",
        "ann second: canceled, ONE_CANCELS_OTHER, 10 left",
        "ann first buys 5 X at 10.00 from bob s1: 5 and 0 left",
    ]


def test_where_maker_and_taker_have_such_lists_the_maker_s_others_end_first():
    market = bracketed()
    market.one_cancels_the_other(
        "bob", market.order("bob", BUY, 10, "10.50", id="now"), market.order("bob", BUY, 10, "9.00", id="later")
    )
    assert [market.line(event) for event in market.raw][3:] == [
        "ann loss: canceled, ONE_CANCELS_OTHER, 10 left",
        "bob later: canceled, ONE_CANCELS_OTHER, 10 left",
        "bob now buys 10 X at 10.50 from ann profit: 0 and 0 left",
    ]


def test_an_order_that_would_trade_with_another_of_its_list_ends_before_it_does():
    """Who may trade with himself may not do so within one list: the one that rests is about to trade, so the other ends."""
    market = Market()
    market.do(DefineAccount("ann", "ann", 0, "allow"))
    assert market.one_cancels_the_other(
        "ann", market.order("ann", SELL, 10, "10.00", id="sell"), market.order("ann", BUY, 10, "10.00", id="buy")
    )[3:] == ["ann buy: canceled, ONE_CANCELS_OTHER, 10 left"]
    assert market.book() == ([], ["ann sell 10 at 10.00"])


def test_a_decrement_counts_as_a_trade():
    market = bracketed()
    assert market.buy("ann", 4, "10.50", id="b1", prevent="4")[1:] == [
        "ann loss: canceled, ONE_CANCELS_OTHER, 10 left",
        "ann b1: canceled, SELF_TRADE_DECREMENT, 4 left",
        "ann profit: restated, SELF_TRADE_DECREMENT, 6 at 10.50, 6 left",
    ]


def test_any_other_prevention_is_an_end():
    market = bracketed()
    assert market.buy("ann", 4, "10.50", id="b1")[1:] == [
        "ann profit: canceled, SELF_TRADE, 10 left",
        "ann loss: canceled, ONE_CANCELS_OTHER, 10 left",
    ]


def test_a_mass_cancel_counts_those_it_chose_and_passes_over_who_has_ended():
    assert bracketed().mass_cancel("ann") == [
        "ann m1: mass cancel of all, 2 orders",
        "ann profit: canceled, MASS_CANCEL, 10 left",
        "ann loss: canceled, ONE_CANCELS_OTHER, 10 left",
    ]


def test_when_one_expires_the_others_end_with_it():
    market = Market()
    market.one_cancels_the_other(
        "ann",
        market.order("ann", SELL, 10, "10.50", id="profit", tif=GTC),
        market.order("ann", SELL, 10, stop="9.50", id="loss", tif=GTD, until=NOON + SECOND),
    )
    market.now += SECOND
    assert market.expire() == [
        "expiry, 1 orders",
        "ann loss: canceled, GTD_END, 10 left",
        "ann profit: canceled, ONE_CANCELS_OTHER, 10 left",
    ]


def test_a_list_for_longer_outlasts_the_day():
    market = Market()
    market.one_cancels_the_other(
        "ann",
        market.order("ann", SELL, 10, "10.50", id="profit", tif=GTC),
        market.order("ann", SELL, 10, stop="9.50", id="loss", tif=GTC),
    )
    assert market.roll("20240102") == ["day 20240102, 0 orders"]
    assert market.cancel("ann", "profit", SELL)[1:] == ["ann loss: canceled, ONE_CANCELS_OTHER, 10 left"]


def test_orders_that_expire_together_are_named_in_the_order_of_entry_those_of_a_list_as_it_had_them():
    market = Market()
    market.buy("bob", 1, "9.00", id="earlier", tif=GTD, until=NOON + SECOND)
    market.one_triggers_the_other(
        "ann",
        market.order("ann", BUY, 1, "9.00", id="first", tif=GTC),
        market.order("ann", BUY, 1, "9.00", id="second", tif=GTD, until=NOON + SECOND),
        market.order("ann", BUY, 1, "9.00", id="third", tif=GTD, until=NOON + SECOND),
    )
    market.buy("bob", 1, "9.00", id="later", tif=GTD, until=NOON + SECOND)
    market.now += SECOND
    assert market.expire() == [
        "expiry, 4 orders",
        "bob earlier: canceled, GTD_END, 1 left",
        "ann second: canceled, GTD_END, 1 left",
        "ann third: canceled, GTD_END, 1 left",
        "bob later: canceled, GTD_END, 1 left",
    ]


def test_a_decrement_of_two_that_are_in_lists_ends_the_others_of_both():
    market = bracketed()
    market.one_cancels_the_other(
        "ann",
        market.order("ann", BUY, 4, "10.50", id="buy", prevent="4"),
        market.order("ann", BUY, 4, "9.00", id="later"),
        id="l2",
    )
    assert [market.line(event) for event in market.raw][3:] == [
        "ann loss: canceled, ONE_CANCELS_OTHER, 10 left",
        "ann later: canceled, ONE_CANCELS_OTHER, 4 left",
        "ann buy: canceled, SELF_TRADE_DECREMENT, 4 left",
        "ann profit: restated, SELF_TRADE_DECREMENT, 6 at 10.50, 6 left",
    ]


def test_a_decrement_within_one_list_ends_the_incoming_before():
    market = Market()
    assert market.one_cancels_the_other(
        "ann", market.order("ann", SELL, 10, "10.00", id="sell"), market.order("ann", BUY, 10, "10.00", id="buy", prevent="4")
    )[3:] == ["ann buy: canceled, ONE_CANCELS_OTHER, 10 left"]


def test_an_elected_stop_that_would_be_decremented_by_an_order_of_its_own_list_ends():
    market = Market()
    market.one_cancels_the_other(
        "ann",
        market.order("ann", BUY, 5, stop="10.00", id="stop", prevent="4"),
        market.order("ann", SELL, 5, "10.50", id="sell"),
    )
    assert market.trade_at("10.00") == [
        "ann stop: activated by stop, at market",
        "ann stop: canceled, ONE_CANCELS_OTHER, 5 left",
    ]
    assert market.book() == ([], ["ann sell 5 at 10.50"])


def test_two_pegs_of_a_list_are_priced_in_turn_while_they_are_open():
    market = Market()
    market.sell("bob", 5, "10.10", id="s1")
    assert market.one_cancels_the_other(
        "ann", market.order("ann", BUY, 5, peg="market", id="p1"), market.order("ann", BUY, 5, peg="market", id="p2")
    )[3:] == [
        "ann p1: repriced to 10.10",
        "ann p2: canceled, ONE_CANCELS_OTHER, 5 left",
        "ann p1 buys 5 X at 10.10 from bob s1: 0 and 0 left",
    ]


def test_market_orders_of_a_list_that_an_auction_leaves_over_end_together():
    market = Market()
    market.phase("opening-auction", "X")
    market.one_cancels_the_other("ann", market.order("ann", BUY, 5, id="b1"), market.order("ann", BUY, 6, id="b2"))
    assert market.phase("continuous", "X") == [
        "X: opening-auction ends, nothing trades",
        "ann b1: canceled, MARKET_REMAINDER, 5 left",
        "ann b2: canceled, ONE_CANCELS_OTHER, 6 left",
        "X: continuous",
    ]


def test_an_auction_in_which_a_list_meets_itself_has_no_price():
    """One ends the other just before they would trade, and nobody is left who does."""
    market = Market()
    market.phase("opening-auction", "X")
    market.one_cancels_the_other("ann", market.order("ann", BUY, 5, "10.50", id="b"), market.order("ann", SELL, 5, "10.50", id="s"))
    assert market.phase("closing-price", "X") == [
        "X: opening-auction ends, 5 at 10.50",
        "ann s: canceled, ONE_CANCELS_OTHER, 5 left",
        "X: closing-price",
    ]
    instrument = market.engine.instruments["X"]
    assert (instrument.last, instrument.reference_price, instrument.closing_price) == (0, 1_000, 1_000)


# ---------------------------------------------------------------------- what a list reserves of which one trades


def test_the_list_reserves_for_its_largest_order_cash_and_shares_apart():
    market = Market()
    market.one_cancels_the_other(
        "ann",
        market.order("ann", BUY, 10, "9.00", id="small buy"),
        market.order("ann", SELL, 5, "11.00", id="small sell"),
        market.order("ann", BUY, 20, "9.10", id="large buy"),
        market.order("ann", SELL, 8, "11.00", id="large sell"),
    )
    assert (market.cash("ann")[1], market.holding("ann")[1]) == ("182", "8")
    market.cancel("ann", "small buy")
    assert (market.cash("ann")[1], market.holding("ann")[1]) == ("0", "0")


def test_who_trades_reserves_for_himself_alone():
    market = Market()
    market.one_cancels_the_other(
        "ann", market.order("ann", BUY, 10, "9.50", id="small"), market.order("ann", BUY, 20, "9.00", id="large")
    )
    assert market.cash("ann") == ("1000000", "180")
    market.sell("bob", 4, "9.50", id="s1")
    assert market.cash("ann") == ("999962", "57")


def test_what_covers_the_largest_is_enough_and_less_is_not():
    market = Market(holdings="10", cash="100")
    assert market.one_cancels_the_other(
        "ann", market.order("ann", SELL, 10, "10.50", id="s1"), market.order("ann", SELL, 10, "10.60", id="s2"), id="ok"
    )[0] == "ann list ok: accepted, one cancels the other, 2 orders"
    too_much = "INSUFFICIENT_FUNDS: 101.00 USD needed, 100.00 available in ann"
    assert market.one_cancels_the_other(
        "ann", market.order("ann", BUY, 10, "9.00", id="b1"), market.order("ann", BUY, 10, "10.10", id="b2"), id="dear"
    ) == [f"ann list dear: rejected, {too_much}", f"ann b1: rejected, {too_much}", f"ann b2: rejected, {too_much}"]
    assert (market.cash("ann"), market.holding("ann")) == (("100", "0"), ("10", "10"))


def test_shares_must_be_there_for_the_largest_sell():
    market = Market(holdings="10")
    too_much = "INSUFFICIENT_FUNDS: 11 X needed, 10 available in ann"
    assert market.one_cancels_the_other(
        "ann", market.order("ann", SELL, 10, "10.00", id="s1"), market.order("ann", SELL, 11, stop="9.00", id="s2")
    ) == [f"ann list l1: rejected, {too_much}", f"ann s1: rejected, {too_much}", f"ann s2: rejected, {too_much}"]


def test_a_replace_is_affordable_when_the_largest_after_it_is():
    market = Market(cash="100")
    market.one_cancels_the_other(
        "ann", market.order("ann", BUY, 10, "9.00", id="b1"), market.order("ann", BUY, 10, "9.10", id="b2")
    )
    assert market.replace("ann", "b1", 10, "10.00", id="r1") == [
        "ann b1: replaced, r1 for b1, 10 at 10.00 DAY, 10 left, requeued"
    ]
    assert market.cash("ann") == ("100", "100")
    assert market.replace("ann", "b2", 10, "10.10", id="r2") == [
        "ann r2: replace of b2 rejected, status 0, INSUFFICIENT_FUNDS: 101.00 USD needed, 100.00 available in ann"
    ]
    assert market.replace("ann", "b1", 10, "9.00", id="r3")[0].endswith("requeued")
    assert market.cash("ann") == ("100", "91")


def test_a_replace_within_a_list_keeps_the_list():
    market = bracketed()
    assert market.replace("ann", "profit", 10, "10.40", side=SELL) == [
        "ann profit: replaced, r1 for profit, 10 at 10.40 DAY, 10 left, requeued"
    ]
    assert market.buy("bob", 1, "10.40", id="b1")[1:] == [
        "ann loss: canceled, ONE_CANCELS_OTHER, 10 left",
        "bob b1 buys 1 X at 10.40 from ann profit: 0 and 9 left",
    ]


def test_what_marks_an_order_as_of_a_list_stays_with_it_whatever_a_replace_says():
    market = bracketed()
    market.replace("ann", "profit", 9, "10.50", side=SELL)
    order = market.engine.order("ann", "r1")
    assert order is not None and order.conditions is not None and order.conditions.list_id == "l1"


def test_a_list_survives_a_short_limit_that_was_lowered_under_it():
    """What was taken stays; only what is new needs more than there is. (Each command is applied by a restored engine, too.)"""
    market = Market(holdings="0")
    market.do(DefineAccount("ann", "ann", 10))
    market.one_cancels_the_other(
        "ann", market.order("ann", SELL, 10, "10.50", id="profit"), market.order("ann", SELL, 10, stop="9.50", id="loss")
    )
    market.do(DefineAccount("ann", "ann", 0))
    assert market.replace("ann", "profit", 5, "10.40", id="r1", side=SELL)[0].endswith("5 left, requeued")
    assert "INSUFFICIENT_FUNDS" in market.replace("ann", "loss", 11, stop="9.50", id="r2", side=SELL)[0]
    assert market.buy("bob", 5, "10.40", id="b1")[1:] == [
        "ann loss: canceled, ONE_CANCELS_OTHER, 10 left",
        "bob b1 buys 5 X at 10.40 from ann profit: 0 and 0 left",
    ]
    assert market.holding("ann") == ("-5", "0")


@pytest.mark.parametrize(("tif", "more"), [(FOK, {}), (IOC, {"least": 11})])
def test_all_or_nothing_counts_of_a_list_only_the_order_that_it_meets_first(tif: str, more: dict[str, int]):
    market = Market()
    market.one_cancels_the_other(
        "bob", market.order("bob", SELL, 10, "10.00", id="s1"), market.order("bob", SELL, 10, "10.01", id="s2")
    )
    quantity = 11 if tif == FOK else 20
    lines = market.do(market.order("ann", BUY, quantity, "10.01", tif=tif, id="b1", **more))  # type: ignore[arg-type]
    assert lines[1:] == [f"ann b1: canceled, {'FOK_NOT_FILLABLE' if tif == FOK else 'MIN_QUANTITY'}, {quantity} left"]
    assert market.buy("ann", 10, "10.01", tif=FOK, id="b2")[1:] == [
        "bob s2: canceled, ONE_CANCELS_OTHER, 10 left",
        "ann b2 buys 10 X at 10.00 from bob s1: 0 and 0 left",
    ]


# ------------------------------------------------------------------------------------- one triggers the other


def test_the_others_wait_for_the_fill_of_the_first_and_reserve_nothing():
    market = Market(holdings="0")
    assert market.one_triggers_the_other(
        "ann", market.order("ann", BUY, 10, "10.00", id="first"), market.order("ann", SELL, 10, "10.50", id="second")
    ) == [
        "ann list l1: accepted, one triggers the other, 2 orders",
        "ann first: accepted, buy 10 X at 10.00 DAY",
        "ann second: accepted, sell 10 X at 10.50 DAY, waits (list)",
    ]
    assert (market.book(), market.holding("ann")) == ((["ann first 10 at 10.00"], []), ("0", "0"))


def test_a_part_of_the_first_triggers_nothing_all_of_it_does():
    market = triggered()
    market.sell("bob", 9, "10.00", id="s1")
    assert market.waiting() == ["ann second 10 (list)"]
    assert market.sell("bob", 1, "10.00", id="s2")[1:] == [
        "bob s2 sells 1 X at 10.00 to ann first: 0 and 0 left",
        "ann second: activated by list, at 10.50",
    ]
    assert market.book() == ([], ["ann second 10 at 10.50"])
    assert market.holding("ann") == ("10010", "10")


def test_the_others_go_to_work_in_their_order_after_the_order_that_filled_the_first():
    market = Market()
    market.one_triggers_the_other(
        "ann",
        market.order("ann", BUY, 5, "10.00", id="first"),
        market.order("ann", SELL, 5, "10.00", id="second"),
        market.order("ann", SELL, 5, "10.01", id="third"),
    )
    market.buy("eve", 7, "9.99", id="b1")
    assert market.sell("bob", 10, "9.99", id="s1")[1:] == [
        "bob s1 sells 5 X at 10.00 to ann first: 5 and 0 left",
        "bob s1 sells 5 X at 9.99 to eve b1: 0 and 2 left",
        "ann second: activated by list, at 10.00",
        "ann third: activated by list, at 10.01",
    ]


def test_a_triggered_order_trades_as_incoming():
    market = triggered("10.00")
    market.buy("eve", 4, "9.95", id="b1")
    market.buy("bob", 4, "10.00", id="b2")
    assert market.sell("eve", 10, "10.00", id="s1")[1:] == [
        "eve s1 sells 10 X at 10.00 to ann first: 0 and 0 left",
        "ann second: activated by list, at 10.00",
        "ann second sells 4 X at 10.00 to bob b2: 6 and 0 left",
    ]


def test_what_the_trades_of_an_order_elect_and_trigger_queues_in_their_sequence():
    """Of one trade: the stops that it elects, then the others of the maker's list."""
    market = triggered()
    market.sell("eve", 1, "11.00", stop="10.00", id="stop")
    market.sell("eve", 1, "11.00", stop="9.99", id="later stop")
    market.buy("eve", 1, "9.99", id="b1")
    assert market.sell("bob", 11, "9.99", id="s1")[3:] == [
        "eve stop: activated by stop, at 11.00",
        "ann second: activated by list, at 10.50",
        "eve later stop: activated by stop, at 11.00",
    ]


def test_a_first_order_that_is_filled_at_once_triggers_at_once():
    market = Market()
    market.sell("bob", 10, "10.00", id="s1")
    assert market.one_triggers_the_other(
        "ann", market.order("ann", BUY, 10, "10.00", id="first"), market.order("ann", SELL, 10, "10.50", id="second")
    )[3:] == [
        "ann first buys 10 X at 10.00 from bob s1: 0 and 0 left",
        "ann second: activated by list, at 10.50",
    ]


@pytest.mark.parametrize(
    ("what", "waits", "line"),
    [
        ({"stop": "9.50", "second": "9.40"}, "ann second 10 (stop)", "ann second: activated by list, as it is, waits (stop)"),
        ({"stop": "9.50", "second": ""}, "ann second 10 (stop)", "ann second: activated by list, as it is, waits (stop)"),
        ({"peg": "primary", "second": ""}, "ann second 10 (peg)", "ann second: activated by list, as it is, waits (peg)"),
    ],
)
def test_a_triggered_order_may_wait_for_something_else(what: dict[str, str], waits: str, line: str):
    market = triggered(**what)  # type: ignore[arg-type]
    assert market.sell("bob", 10, "10.00", id="s1")[2:] == [line]
    assert market.waiting() == [waits]


def test_a_triggered_stop_that_the_last_trade_has_reached_goes_on_at_once():
    market = triggered("", stop="10.00")
    market.buy("eve", 10, "9.90", id="b1")
    assert market.sell("bob", 10, "10.00", id="s1")[2:] == [
        "ann second: activated by list, as it is, waits (stop)",
        "ann second: activated by stop, at market",
        "ann second sells 10 X at 9.90 to eve b1: 0 and 0 left",
    ]


def test_a_triggered_order_that_cannot_be_paid_for_ends():
    market = Market(cash="100")
    market.one_triggers_the_other(
        "ann",
        market.order("ann", BUY, 10, "10.00", id="first"),
        market.order("ann", BUY, 1, "9.00", id="dear"),
        market.order("ann", SELL, 10, "10.50", id="second"),
    )
    assert market.sell("bob", 10, "10.00", id="s1")[2:] == [
        "ann dear: canceled, INSUFFICIENT_FUNDS, 1 left",
        "ann second: activated by list, at 10.50",
    ]


def test_a_post_only_order_is_asked_whether_it_would_trade_when_its_turn_comes():
    market = Market()
    market.sell("bob", 10, "10.20", id="s1")
    market.one_triggers_the_other(
        "ann",
        market.order("ann", SELL, 10, "10.20", id="first"),
        market.order("ann", BUY, 1, "10.20", id="second", post_only=True),
        market.order("ann", BUY, 1, "10.19", id="third", post_only=True),
    )
    assert market.waiting() == ["ann second 1 (list)", "ann third 1 (list)"], "it would trade now, but it waits"
    market.sell("eve", 1, "10.20", id="s2")
    assert market.buy("bob", 20, "10.20", id="b1", prevent="2")[1:] == [
        "bob s1: canceled, SELF_TRADE, 10 left",
        "bob b1 buys 10 X at 10.20 from ann first: 10 and 0 left",
        "bob b1 buys 1 X at 10.20 from eve s2: 9 and 0 left",
        "ann second: activated by list, at 10.20",
        "ann third: activated by list, at 10.19",
    ], "the offers are gone"
    market = Market()
    market.one_triggers_the_other(
        "ann",
        market.order("ann", SELL, 10, "10.20", id="first"),
        market.order("ann", BUY, 1, "10.20", id="second", post_only=True),
    )
    market.sell("eve", 1, "10.20", id="s2")
    assert market.buy("bob", 10, "10.20", id="b1")[2:] == ["ann second: canceled, WOULD_TRADE, 1 left"]


def test_where_the_firsts_of_two_lists_trade_with_each_other_the_maker_s_others_come_first():
    market = triggered()
    market.one_triggers_the_other(
        "bob", market.order("bob", SELL, 10, "10.00", id="first"), market.order("bob", BUY, 10, "9.50", id="second")
    )
    assert [market.line(event) for event in market.raw][3:] == [
        "bob first sells 10 X at 10.00 to ann first: 0 and 0 left",
        "ann second: activated by list, at 10.50",
        "bob second: activated by list, at 9.50",
    ]


def test_what_a_list_sets_to_work_at_the_closing_price_and_cannot_trade_there_ends_or_rests():
    """Its limit was taken when it was entered, the closing price came later."""
    market = Market()
    market.one_triggers_the_other(
        "ann",
        market.order("ann", BUY, 1, "11.00", id="first"),
        market.order("ann", BUY, 2, id="market"),
        market.order("ann", BUY, 3, id="left over", to_limit=True),
        market.order("ann", BUY, 4, "10.90", id="limit"),
    )
    market.reference("12.00")
    market.replace("ann", "first", 1, "11.01", id="r1")
    market.phase("closing-auction", "X")
    market.sell("eve", 1, "11.01", id="s1")
    assert market.phase("closing-price", "X") == [
        "X: closing-auction ends, 1 at 11.01",
        "eve s1 sells 1 X at 11.01 to ann first: 0 and 0 left",
        "X: closing-price",
        "ann market: activated by list, at market",
        "ann market: canceled, MARKET_REMAINDER, 2 left",
        "ann left over: activated by list, as it is",
        "ann left over: canceled, MARKET_REMAINDER, 3 left",
        "ann limit: activated by list, at 10.90",
    ]
    assert market.sell("eve", 9, "10.80", id="s2")[1:] == [], "10.90 does not admit 11.01"


@pytest.mark.parametrize("how", ["canceled", "self-trade", "replaced", "killed", "day"])
def test_when_the_first_ends_otherwise_the_others_end_just_after(how: str):
    market = triggered()
    market.sell("bob", 4, "10.00", id="s1")
    others = "ann second: canceled, LIST_ENDED, 10 left"
    if how == "canceled":
        assert market.cancel("ann", "first") == ["ann first: canceled, REQUESTED, 6 left asked by c1", others]
    elif how == "self-trade":
        assert market.sell("ann", 1, "10.00", id="s2")[1:] == ["ann first: canceled, SELF_TRADE, 6 left", others]
    elif how == "replaced":
        assert market.replace("ann", "first", 4, "10.00") == [
            "ann first: replaced, r1 for first, 4 at 10.00 DAY, 0 left, in its place",
            others,
        ]
    elif how == "killed":
        assert market.access("ann", "killed")[1:] == ["ann first: canceled, KILLED, 6 left", others]
    else:
        assert market.roll("20240102")[1:] == ["ann first: canceled, DAY_END, 6 left", others]


def test_an_order_that_waits_ends_alone():
    market = Market()
    market.one_triggers_the_other(
        "ann",
        market.order("ann", BUY, 10, "10.00", id="first"),
        market.order("ann", SELL, 10, "10.50", id="second"),
        market.order("ann", SELL, 10, "10.60", id="third"),
    )
    assert market.cancel("ann", "second", SELL) == ["ann second: canceled, REQUESTED, 10 left asked by c1"]
    assert market.sell("bob", 10, "10.00", id="s1")[2:] == ["ann third: activated by list, at 10.60"]


def test_an_order_that_waits_is_replaced_where_it_waits_and_reserves_nothing():
    market = triggered()
    assert market.replace("ann", "second", 20_000, "10.60", side=SELL, id="r1") == [
        "ann second: replaced, r1 for second, 20000 at 10.60 DAY, 20000 left, in its place, waits (list)"
    ], "more than there is: that is asked when its turn comes"
    assert market.replace("ann", "second", 10, side=SELL, stop="9.50", id="r2") == [
        "ann second: replaced, r2 for r1, 10 stop 9.50 DAY, 10 left, in its place, waits (list)"
    ]
    assert market.holding("ann") == ("10000", "0")
    assert market.sell("bob", 10, "10.00", id="s1")[2:] == ["ann second: activated by list, as it is, waits (stop)"]


def test_an_order_that_waits_is_not_replaced_by_one_that_cannot():
    market = triggered()
    for name, tif in (("r1", IOC), ("r2", FOK), ("r3", "2"), ("r4", "7")):
        assert market.replace("ann", "second", 10, "10.50", side=SELL, id=name, tif=tif) == [
            f"ann {name}: replace of second rejected, status 0, UNSUPPORTED: the orders of a list are DAY, GTC or GTD"
        ]
    market.buy("bob", 1, "10.20", id="b1")
    assert market.replace("ann", "second", 10, "10.20", side=SELL, id="r5", post_only=True)[0].endswith("waits (list)")


def test_a_first_order_that_is_replaced_stays_the_first():
    market = triggered()
    market.replace("ann", "first", 5, "9.90")
    assert market.sell("bob", 5, "9.90", id="s1")[2:] == ["ann second: activated by list, at 10.50"]


def test_the_others_may_be_of_other_accounts_and_instruments():
    market = Market()
    market.do(DefineAccount("ann-2", "ann"))
    market.deposit("ann-2", "COIN", "100000000")
    market.one_triggers_the_other(
        "ann",
        market.order("ann", BUY, 10, "10.00", id="first"),
        market.order("ann", SELL, "0.5", "50000.00", of="COIN", account="ann-2", id="second"),
    )
    market.sell("bob", 10, "10.00", id="s1")
    assert market.book("COIN") == ([], ["ann second 0.5 at 50000.00"])


# -------------------------------------------------------------------------------------------------- refusals


def refused(market: Market, *orders: NewOrder, contingency: str = "1") -> list[str]:
    verb = market.one_cancels_the_other if contingency == "1" else market.one_triggers_the_other
    return verb("ann", *orders)


def test_the_first_order_that_is_refused_refuses_the_list_and_all_its_cl_ord_ids_are_used():
    market = Market()
    off = market.order("ann", BUY, 1, "12.00", id="b2")
    assert refused(market, market.order("ann", BUY, 1, "10.00", id="b1"), off) == [
        "ann list l1: rejected, OUTSIDE_PRICE_BAND: price 12.00 is outside the band 9.00 to 11.00",
        "ann b1: rejected, OUTSIDE_PRICE_BAND: price 12.00 is outside the band 9.00 to 11.00",
        "ann b2: rejected, OUTSIDE_PRICE_BAND: price 12.00 is outside the band 9.00 to 11.00",
    ]
    assert market.book() == ([], [])
    assert market.engine.knows("ann", "b1") and market.engine.knows("ann", "b2")


def test_a_list_has_two_to_ten_orders():
    market = Market()
    orders = [market.order("ann", BUY, 1, "9.00", id=f"b{number}") for number in range(11)]
    for count in (0, 1, 11):
        lines = refused(market, *orders[:count])
        assert lines[0] == "ann list l1: rejected, UNSUPPORTED: a list has 2 to 10 orders"
        assert len(lines) == count + 1
    assert refused(market, *orders[:10])[0] == "ann list l1: accepted, one cancels the other, 10 orders"


def test_a_list_is_one_participant_s():
    market = Market()
    orders = [market.order("ann", BUY, 1, "9.00", id="b1"), market.order("bob", BUY, 1, "9.00", id="b2")]
    assert refused(market, *orders)[0] == (
        "ann list l1: rejected, UNSUPPORTED: the orders of a list are one participant's"
    )
    assert market.do(NewOrderList("joe", "joe", "l1", "1", [msgspec.structs.replace(orders[0], participant="joe")] * 2))[0] == (
        "joe list l1: rejected, UNKNOWN_ACCOUNT: unknown participant joe"
    )


def test_a_cl_ord_id_used_before_or_twice_refuses_the_list_and_uses_the_others():
    market = Market()
    market.buy("ann", 1, "9.00", id="used")
    used, new = market.order("ann", BUY, 1, "9.00", id="used"), market.order("ann", BUY, 1, "9.00", id="new")
    duplicate = "DUPLICATE_CL_ORD_ID: ClOrdID was used before on this trading day"
    assert refused(market, used, new) == [
        f"ann list l1: rejected, {duplicate}",
        f"ann used: rejected, {duplicate}",
        f"ann new: rejected, {duplicate}",
    ]
    assert market.engine.knows("ann", "new")
    assert market.status("ann", "used") == "new, 0 of 1 executed, 1 left"
    twice = market.order("ann", BUY, 1, "9.00", id="twice")
    assert refused(market, twice, twice)[0] == f"ann list l1: rejected, {duplicate}"


def test_which_orders_may_be_in_a_list():
    market = Market()
    one = market.order("ann", BUY, 1, "9.00", id="1")
    market.do(DefineAccount("ann-2", "ann"))
    apart, hasty = "orders that cancel each other have one account and one symbol", "the orders of a list are DAY, GTC or GTD"
    apart, hasty = f"UNSUPPORTED: {apart}", f"UNSUPPORTED: {hasty}"
    cases = [
        (market.order("ann", BUY, 1, "50000.00", of="COIN", id="a"), "1", apart),
        (market.order("ann", BUY, 1, "9.00", account="ann-2", id="b"), "1", apart),
        (market.order("ann", BUY, 1, "9.00", tif=IOC, id="c"), "1", hasty),
        (market.order("ann", BUY, 1, "9.00", tif="7", id="d"), "2", hasty),
        (market.order("ann", BUY, 1, "9.00", account="bob", id="e"), "2", "UNKNOWN_ACCOUNT: unknown account bob"),
        (market.order("ann", BUY, 1, "9.00", of="Z", id="f"), "2", "UNKNOWN_INSTRUMENT: unknown symbol Z"),
        (market.order("ann", BUY, 0, "9.00", id="g"), "2", "INVALID_QUANTITY: quantity 0 is not a positive multiple of the lot 1"),
    ]  # fmt: skip
    for number, (order, contingency, reason) in enumerate(cases):
        first = msgspec.structs.replace(one, cl_ord_id=f"first {number}")
        assert refused(market, first, order, contingency=contingency)[0] == f"ann list l1: rejected, {reason}"


def test_a_list_is_refused_in_a_phase_that_does_not_take_its_orders():
    market = Market()
    market.phase("halted", "X")
    orders = [market.order("ann", BUY, 1, "9.00", id="b1"), market.order("ann", BUY, 1, "9.00", id="b2")]
    assert refused(market, *orders)[0] == "ann list l1: rejected, NOT_IN_THIS_PHASE: X is halted"


def test_post_only_orders_that_would_trade_refuse_the_list():
    market = Market()
    market.sell("bob", 1, "10.00", id="s1")
    orders = [market.order("ann", BUY, 1, "9.00", id="b1"), market.order("ann", BUY, 1, "10.00", id="b2", post_only=True)]
    assert refused(market, *orders)[0] == "ann list l1: rejected, WOULD_TRADE: it would trade at 10.00 instead of resting"


def test_the_first_of_a_list_that_triggers_must_be_paid_for_alone():
    market = Market(cash="100", holdings="0")
    first, second = market.order("ann", BUY, 10, "10.00", id="1"), market.order("ann", SELL, 99, "10.00", id="2")
    assert refused(market, first, second, contingency="2")[0] == "ann list l1: accepted, one triggers the other, 2 orders"
    third, fourth = market.order("ann", BUY, 1, "10.00", id="3"), market.order("ann", SELL, 1, "10.00", id="4")
    assert refused(market, third, fourth, contingency="2")[0] == (
        "ann list l1: rejected, INSUFFICIENT_FUNDS: 10.00 USD needed, 0.00 available in ann"
    )


def test_the_limits_of_a_participant_count_the_orders_of_the_list():
    market = Market()
    market.do(DefineParticipant("ann", open_orders_max=3))
    market.buy("ann", 1, "9.00", id="b0")
    orders = [market.order("ann", BUY, 1, "9.00", id=f"b{number}") for number in range(1, 6)]
    assert refused(market, *orders[:3])[0] == "ann list l1: rejected, LIMIT_EXCEEDED: 3 orders are open, which is the limit"
    assert refused(market, *orders[3:5])[0] == "ann list l1: accepted, one cancels the other, 2 orders"
    market.do(DefineParticipant("ann", orders_per_day_max=7))
    more = [market.order("ann", BUY, 1, "9.00", id=f"c{number}") for number in range(2)]
    assert refused(market, *more)[0] == "ann list l1: rejected, LIMIT_EXCEEDED: more than 7 ClOrdIDs on one trading day"


def test_who_is_killed_enters_no_list():
    market = Market()
    market.access("ann", "killed")
    orders = [market.order("ann", BUY, 1, "9.00", id="b1"), market.order("ann", BUY, 1, "9.00", id="b2")]
    assert refused(market, *orders)[0] == "ann list l1: rejected, BLOCKED: ann is killed: no orders are taken"
