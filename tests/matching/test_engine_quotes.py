"""Rules of quotes: two sides that take the place of their predecessors, how they are answered, and how they end."""

import pytest

from matching.messages import CancelQuotes, DefineAccount, MassQuote, QuoteEntry
from tests.matching.market import Market


def quoted() -> Market:
    """ann bids 10 at 9.90 and offers 10 at 10.10."""
    market = Market()
    market.quote("ann", market.entry((10, "9.90"), (10, "10.10")))
    return market


def test_a_quote_is_answered_and_its_sides_are_orders_for_the_day():
    market = Market()
    assert market.quote("ann", market.entry((10, "9.90"), (20, "10.10"))) == [
        "ann q1: e1 accepted",
        "ann q1/e1 bid: accepted, buy 10 X at 9.90 DAY",
        "ann q1/e1 offer: accepted, sell 20 X at 10.10 DAY",
    ]
    assert market.book() == (["ann q1/e1 bid 10 at 9.90"], ["ann q1/e1 offer 20 at 10.10"])
    assert (market.cash("ann")[1], market.holding("ann")[1]) == ("99", "20")


def test_a_new_quote_takes_the_place_of_the_one_before_behind_the_others():
    market = quoted()
    market.buy("bob", 5, "9.90", id="b1")
    assert market.quote("ann", market.entry((10, "9.90"), (5, "10.05")), id="q2") == [
        "ann q2: e1 accepted",
        "ann q1/e1 bid: canceled, REQUOTED, 10 left",
        "ann q1/e1 offer: canceled, REQUOTED, 10 left",
        "ann q2/e1 bid: accepted, buy 10 X at 9.90 DAY",
        "ann q2/e1 offer: accepted, sell 5 X at 10.05 DAY",
    ]
    assert market.book() == (["bob b1 5 at 9.90", "ann q2/e1 bid 10 at 9.90"], ["ann q2/e1 offer 5 at 10.05"])


@pytest.mark.parametrize(
    ("sides", "lines", "book"),
    [
        (
            {"bid": (5, "9.95")},
            ["ann q2/e1 bid: accepted, buy 5 X at 9.95 DAY"],
            (["ann q2/e1 bid 5 at 9.95"], []),
        ),
        (
            {"offer": (5, "9.95")},
            ["ann q2/e1 offer: accepted, sell 5 X at 9.95 DAY"],
            ([], ["ann q2/e1 offer 5 at 9.95"]),
        ),
        ({}, [], ([], [])),
    ],
)
def test_a_side_that_is_not_quoted_is_withdrawn(
    sides: dict[str, tuple[int, str]], lines: list[str], book: tuple[list[str], list[str]]
):
    market = quoted()
    assert market.quote("ann", market.entry(**sides), id="q2") == [
        "ann q2: e1 accepted",
        "ann q1/e1 bid: canceled, REQUOTED, 10 left",
        "ann q1/e1 offer: canceled, REQUOTED, 10 left",
        *lines,
    ]
    assert market.book() == book


def test_only_what_is_still_open_is_taken_out():
    market = quoted()
    market.buy("bob", 10, "10.10", id="b1")
    market.sell("bob", 4, "9.90", id="s1")
    assert market.quote("ann", market.entry((10, "9.90"), (10, "10.10")), id="q2")[1:] == [
        "ann q1/e1 bid: canceled, REQUOTED, 6 left",
        "ann q2/e1 bid: accepted, buy 10 X at 9.90 DAY",
        "ann q2/e1 offer: accepted, sell 10 X at 10.10 DAY",
    ]


def test_each_account_and_each_instrument_has_a_quote_of_its_own():
    market = quoted()
    market.do(DefineAccount("ann-2", "ann", 100))
    market.deposit("ann-2", "USD", str(10**15))
    market.quote("ann", market.entry((10, "9.80"), (10, "10.20")), id="q2", account="ann-2")
    market.quote("ann", market.entry((1, "49000.00"), of="COIN"), id="q3")
    assert market.book() == (
        ["ann q1/e1 bid 10 at 9.90", "ann q2/e1 bid 10 at 9.80"],
        ["ann q1/e1 offer 10 at 10.10", "ann q2/e1 offer 10 at 10.20"],
    )
    assert market.book("COIN") == (["ann q3/e1 bid 1 at 49000.00"], [])


def test_a_quote_trades_as_any_order_does():
    market = quoted()
    assert market.sell("bob", 4, "9.90", id="s1")[1:] == ["bob s1 sells 4 X at 9.90 to ann q1/e1 bid: 0 and 6 left"]
    assert market.quote("eve", market.entry((7, "10.10"), (1, "10.20"))) == [
        "eve q1: e1 accepted",
        "eve q1/e1 bid: accepted, buy 7 X at 10.10 DAY",
        "eve q1/e1 bid buys 7 X at 10.10 from ann q1/e1 offer: 0 and 3 left",
        "eve q1/e1 offer: accepted, sell 1 X at 10.20 DAY",
    ]


def test_what_trades_set_off_comes_after_all_entries():
    market = quoted()
    market.buy("bob", 1, "9.00", stop="10.10", id="stop")
    market.buy("bob", 1, peg="primary", id="peg")
    assert market.quote(
        "eve", market.entry((1, "10.10"), id="e1"), market.entry((1, "50000.00"), of="COIN", id="e2")
    ) == [
        "eve q1: e1 accepted; e2 accepted",
        "eve q1/e1 bid: accepted, buy 1 X at 10.10 DAY",
        "eve q1/e1 bid buys 1 X at 10.10 from ann q1/e1 offer: 0 and 9 left",
        "eve q1/e2 bid: accepted, buy 1 COIN at 50000.00 DAY",
        "bob stop: activated by stop, at 9.00",
    ]


def test_two_entries_of_one_instrument_the_later_takes_the_place_of_the_earlier():
    market = Market()
    assert market.quote(
        "ann", market.entry((10, "9.90"), id="e1"), market.entry((10, "9.80"), (10, "10.10"), id="e2")
    ) == [
        "ann q1: e1 accepted; e2 accepted",
        "ann q1/e1 bid: accepted, buy 10 X at 9.90 DAY",
        "ann q1/e1 bid: canceled, REQUOTED, 10 left",
        "ann q1/e2 bid: accepted, buy 10 X at 9.80 DAY",
        "ann q1/e2 offer: accepted, sell 10 X at 10.10 DAY",
    ]


def test_a_quote_does_not_trade_with_what_else_the_participant_has():
    market = Market()
    market.sell("ann", 5, "9.95", id="mine")
    market.sell("bob", 5, "10.00", id="his")
    assert market.quote("ann", market.entry((5, "10.00"), (5, "10.10")))[1:] == [
        "ann q1/e1 bid: accepted, buy 5 X at 10.00 DAY",
        "ann mine: canceled, SELF_TRADE, 5 left",
        "ann q1/e1 bid buys 5 X at 10.00 from bob his: 0 and 0 left",
        "ann q1/e1 offer: accepted, sell 5 X at 10.10 DAY",
    ]


# ------------------------------------------------------------------------------------- refused, entry by entry


def test_an_entry_is_refused_alone_and_changes_nothing():
    market = quoted()
    assert market.quote(
        "ann", market.entry((10, "12.00"), (10, "12.10"), id="e1"), market.entry((1, "50000.00"), of="COIN", id="e2"), id="q2"
    ) == [
        "ann q2: e1 rejected, OUTSIDE_PRICE_BAND: price 12.00 is outside the band 9.00 to 11.00; e2 accepted",
        "ann q2/e2 bid: accepted, buy 1 COIN at 50000.00 DAY",
    ]
    assert market.book() == (["ann q1/e1 bid 10 at 9.90"], ["ann q1/e1 offer 10 at 10.10"])


def test_why_an_entry_is_refused():
    market = Market()
    sides = "INVALID_QUANTITY: a side of a quote has a quantity above zero and a price, or neither"
    for entry, reason in (
        (QuoteEntry("e", "Z", 1, 1, 2, 1), "UNKNOWN_INSTRUMENT: unknown symbol Z"),
        (QuoteEntry("e", "X", 990, -1, 1_010, 1), sides),
        (QuoteEntry("e", "X", 990, 1, 1_010, -1), sides),
        (QuoteEntry("e", "X", 990, 0, 1_010, 1), sides),
        (QuoteEntry("e", "X", 990, 1, 1_010, 0), sides),
        (QuoteEntry("e", "X", 1_000, 1, 1_000, 1), "UNSUPPORTED: the bid of a quote is below its offer"),
        (QuoteEntry("e", "X", 1_001, 1, 1_000, 1), "UNSUPPORTED: the bid of a quote is below its offer"),
        (QuoteEntry("e", "X", 0, 1, 0, 0), "OUTSIDE_PRICE_BAND: price 0.00 is outside the band 9.00 to 11.00"),
        (QuoteEntry("e", "X", 990, 1, 1_101, 1), "OUTSIDE_PRICE_BAND: price 11.01 is outside the band 9.00 to 11.00"),
        (
            QuoteEntry("e", "X", 990, 1_000_001, 0, 0),
            "LIMIT_EXCEEDED: quantity 1000001 is above the limit 1000000",
        ),
        (
            QuoteEntry("e", "X", 1_000, 100_001, 1_100, 1),
            "INSUFFICIENT_FUNDS: 1000010.00 USD needed, 1000000.00 available in ann",
        ),
        (QuoteEntry("e", "X", 1_000, 1, 1_100, 10_001), "INSUFFICIENT_FUNDS: 10001 X needed, 10000 available in ann"),
    ):
        assert market.quote("ann", entry) == [f"ann q1: e rejected, {reason}"]


def test_a_quote_that_takes_the_place_of_another_counts_on_what_that_one_reserves():
    market = Market(cash="100", holdings="10")
    market.quote("ann", market.entry((10, "10.00"), (10, "11.00")))
    assert market.quote("ann", market.entry((10, "9.99"), (10, "10.99")), id="q2")[0] == "ann q2: e1 accepted"
    assert market.quote("ann", market.entry((10, "10.01"), (10, "11.00")), id="q3") == [
        "ann q3: e1 rejected, INSUFFICIENT_FUNDS: 100.10 USD needed, 0.10 available in ann"
    ]
    assert market.book() == (["ann q2/e1 bid 10 at 9.99"], ["ann q2/e1 offer 10 at 10.99"])


@pytest.mark.parametrize(
    ("phase", "refused"),
    [
        ("closed", "AFTER_CLOSE: X is closed"),
        ("halted", "NOT_IN_THIS_PHASE: X is halted"),
        ("cancel-only", "NOT_IN_THIS_PHASE: X is open to cancels only"),
        ("closing-price", "NOT_IN_THIS_PHASE: quotes are not taken in closing price trading"),
    ],
)
def test_where_quotes_are_not_taken_they_are_not_withdrawn_by_quotes_either(phase: str, refused: str):
    market = quoted()
    market.phase(phase, "X")
    assert market.quote("ann", market.entry((10, "9.90"), (10, "10.10")), id="q2") == [f"ann q2: e1 rejected, {refused}"]
    assert market.quote("ann", market.entry(), id="q3") == [f"ann q3: e1 rejected, {refused}"]
    assert market.cancel_quotes("ann") == [
        "ann qc1: quote cancel of all, 2 sides",
        "ann q1/e1 bid: canceled, QUOTE_CANCEL, 10 left",
        "ann q1/e1 offer: canceled, QUOTE_CANCEL, 10 left",
    ]


@pytest.mark.parametrize("phase", ["pre-open", "opening-auction", "volatility-auction", "closing-auction"])
def test_quotes_gather_for_an_auction_and_may_be_crossed(phase: str):
    market = Market()
    market.phase(phase, "X")
    market.quote("ann", market.entry((10, "10.00"), (10, "10.10")))
    market.quote("bob", market.entry((10, "9.90"), (10, "10.00")))
    assert market.phase("continuous", "X")[1] == (
        "bob q1/e1 offer sells 10 X at 10.00 to ann q1/e1 bid: 0 and 0 left"
    )


# ------------------------------------------------------------------------------------------ refused as a whole


def test_why_a_mass_quote_is_refused_as_a_whole():
    market = quoted()
    entry = market.entry((1, "9.00"))
    for trader, account, entries, reason in (
        ("joe", "joe", [entry], "UNKNOWN_ACCOUNT: unknown account joe of joe"),
        ("ann", "bob", [entry], "UNKNOWN_ACCOUNT: unknown account bob of ann"),
        ("ann", "ann", [], "UNSUPPORTED: a mass quote has 1 to 100 entries"),
        ("ann", "ann", [entry] * 101, "UNSUPPORTED: a mass quote has 1 to 100 entries"),
    ):
        assert market.do(MassQuote(trader, trader, "q2", account, entries)) == [f"{trader} q2: rejected, {reason}"]
    assert len(market.do(MassQuote("ann", "ann", "q3", "ann", [entry] * 100))[0].split(";")) == 100
    market.access("ann", "killed")
    assert market.quote("ann", entry) == ["ann q1: rejected, BLOCKED: ann is killed: no orders are taken"]


# --------------------------------------------------------------------------------------------------- their end


def test_a_quote_cancel_takes_the_quotes_of_all_accounts_in_the_order_of_entry_and_no_orders():
    market = quoted()
    market.do(DefineAccount("ann-2", "ann", 100))
    market.quote("ann", market.entry((1, "9.00"), id="e1", of="X"), id="q2", account="ann")
    market.buy("ann", 1, "9.50", id="b1")
    market.quote("ann", market.entry(None, (1, "51000.00"), of="COIN"), id="q3")
    assert market.cancel_quotes("ann", "X") == [
        "ann qc1: quote cancel of X, 1 sides",
        "ann q2/e1 bid: canceled, QUOTE_CANCEL, 1 left",
    ]
    assert market.cancel_quotes("ann", id="qc2") == [
        "ann qc2: quote cancel of all, 1 sides",
        "ann q3/e1 offer: canceled, QUOTE_CANCEL, 1 left",
    ]
    assert market.cancel_quotes("ann", id="qc3") == ["ann qc3: quote cancel of all, 0 sides"]
    assert market.book() == (["ann b1 1 at 9.50"], [])


def test_why_a_quote_cancel_is_refused():
    market = quoted()
    assert market.do(CancelQuotes("joe", "joe", "qc")) == [
        "joe qc: quote cancel rejected, UNKNOWN_ACCOUNT: unknown participant joe"
    ]
    assert market.cancel_quotes("ann", "Z") == ["ann qc1: quote cancel rejected, UNKNOWN_INSTRUMENT: unknown symbol Z"]


def test_who_may_not_trade_any_more_has_no_quotes_left():
    market = quoted()
    assert market.access("ann", "killed", by="op") == [
        "participant ann: killed, 2 orders by op",
        "ann q1/e1 bid: canceled, KILLED, 10 left",
        "ann q1/e1 offer: canceled, KILLED, 10 left",
    ]
    assert market.cancel_quotes("ann") == ["ann qc1: quote cancel of all, 0 sides"]


def test_quotes_end_with_the_day():
    assert quoted().roll("20240102") == [
        "day 20240102, 2 orders",
        "ann q1/e1 bid: canceled, DAY_END, 10 left",
        "ann q1/e1 offer: canceled, DAY_END, 10 left",
    ]


def test_a_mass_cancel_takes_quotes_too_and_a_disconnect_those_that_say_so():
    assert quoted().mass_cancel("ann") == [
        "ann m1: mass cancel of all, 2 orders",
        "ann q1/e1 bid: canceled, MASS_CANCEL, 10 left",
        "ann q1/e1 offer: canceled, MASS_CANCEL, 10 left",
    ]
    market = Market()
    market.quote("ann", market.entry((10, "9.90")), marked=True)
    market.buy("ann", 1, "9.00", id="b1")
    assert market.mass_cancel("ann", id="", only_session=True, only_marked=True, disconnect=True) == [
        "disconnected of all, 1 orders",
        "ann q1/e1 bid: canceled, DISCONNECT, 10 left",
    ]


def test_a_side_has_no_cl_ord_id_that_could_be_canceled_or_replaced_by_order():
    market = quoted()
    assert market.cancel("ann", "") == ["ann c1: cancel of  rejected, status 8, UNKNOWN_ORDER: no order with ClOrdID "]
    assert market.replace("ann", "", 1, "9.00") == [
        "ann r1: replace of  rejected, status 8, UNKNOWN_ORDER: no order with ClOrdID "
    ]


def test_the_operator_may_cancel_a_side():
    assert quoted().operator_cancel("ann q1/e1 bid") == ["ann q1/e1 bid: canceled, OPERATOR, 10 left"]


def test_a_halt_leaves_quotes_and_they_trade_again_after_it():
    market = quoted()
    market.phase("halted", "X")
    market.phase("continuous", "X")
    assert market.buy("bob", 1, "10.10", id="b1")[1:] == ["bob b1 buys 1 X at 10.10 from ann q1/e1 offer: 0 and 9 left"]
