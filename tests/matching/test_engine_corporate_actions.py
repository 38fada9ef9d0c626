"""Rules of corporate actions: dividends, and splits with all that they change."""

from typing import Any

import pytest

from matching.messages import BUY, GTC, DefineAccount, PayDividend
from tests.matching.market import STOCK, Market, money


def trade(market: Market, seller: str, buyer: str, quantity: int, price: str) -> None:
    number = len(market.trades)
    market.sell(seller, quantity, price, id=f"s{number}")
    market.buy(buyer, quantity, price, id=f"b{number}")
    assert len(market.trades) == number + 1


# ------------------------------------------------------------------------------------------------------ dividends


def test_a_dividend_is_paid_for_what_everybody_has_by_name():
    market = Market()
    trade(market, "bob", "ann", 10, "10.00")
    assert market.dividend("0.25", by="op", reference="spring") == [
        "X: dividend of 0.25, 3 accounts by op for spring",
        "ann: dividend of 2502.5 on 10010 X",
        "bob: dividend of 2497.5 on 9990 X",
        "eve: dividend of 2500 on 10000 X",
    ]
    assert market.cash("ann") == ("1002402.5", "0")


def test_who_has_bought_has_the_dividend_before_it_is_delivered():
    market = Market(traders=("ann", "bob"))
    market.settle_after(2)
    trade(market, "bob", "ann", 10, "10.00")
    market.dividend("1.00")
    assert market.settled("ann") == ("10000", "1010010")
    assert market.unsettled("ann") == ("10", "-100")


def test_a_dividend_is_for_whole_units_and_rounded_down():
    market = Market(traders=("ann",))
    market.deposit("ann", "COIN", "3")
    assert market.do(PayDividend("COIN", "33333333")) == [
        "COIN: dividend of 0.0033333333, 1 accounts",
        "ann: dividend of 33.333333 on 10000.00000003 COIN",
    ]


def test_who_is_short_pays_the_dividend_or_nobody_gets_one():
    market = Market(traders=("ann",))
    market.do(DefineAccount("bob", "bob", short_max=100))
    market.deposit("bob", "USD", money("10"))
    trade(market, "bob", "ann", 10, "10.00")
    market.buy("bob", 1, "10.00", id="reserves")
    assert market.dividend("10.01") == [
        "PayDividend refused, INSUFFICIENT_FUNDS: bob is short and has to pay 100.10 USD, of which 100.00 are available"
    ]
    assert market.dividend("10") == [
        "X: dividend of 10, 2 accounts",
        "ann: dividend of 100100 on 10010 X",
        "bob: dividend of -100 on -10 X",
    ]


@pytest.mark.parametrize("amount", ["", "0", "-1", "1.5", "1" * 31, "x"])
def test_a_dividend_is_an_amount(amount: str):
    assert Market().do(PayDividend("X", amount)) == [
        f"PayDividend refused, INVALID_AMOUNT: amount {amount!r} is not a whole number above zero"
    ]


def test_an_instrument_that_is_not_there_pays_nothing_and_is_not_split():
    assert Market().dividend("1", "Z") == ["PayDividend refused, UNKNOWN_INSTRUMENT: unknown symbol Z"]
    assert Market().split(2, 1, "Z") == ["SplitInstrument refused, UNKNOWN_INSTRUMENT: unknown symbol Z"]


# --------------------------------------------------------------------------------------------------------- splits


def closed(market: Market) -> Market:
    market.phase("closed", "X")
    return market


def test_a_split_multiplies_holdings_and_divides_prices():
    market = Market(traders=("ann", "bob"))
    trade(market, "bob", "ann", 10, "10.50")
    assert closed(market).split(2, 1, by="op", reference="two for one") == [
        "X: split 2 for 1, 2 accounts, 0 obligations, 0 orders by op for two for one",
        "ann: X split, settled +10010, unsettled +0, cash 0",
        "bob: X split, settled +9990, unsettled +0, cash 0",
        "X: reference 5.00, band 4.50 to 5.50 by op",
    ]
    assert market.holding("ann") == ("20020", "0")
    assert market.engine.instruments["X"].last == 525
    market.roll("20240102")
    assert market.engine.instruments["X"].reference_price == 525, "there was a trade since the reference price was set"


def test_what_is_lost_of_a_fraction_is_paid_at_the_price_of_before():
    market = Market(traders=("ann",), holdings="10")
    market.do(DefineAccount("bob", "bob", short_max=10), DefineAccount("eve", "eve"))
    market.deposit("bob", "USD", money("100"))
    trade(market, "bob", "ann", 1, "10.00")
    assert closed(market).split(2, 4) == [
        "X: split 2 for 4, 2 accounts, 0 obligations, 0 orders",
        "ann: X split, settled -6, unsettled +0, cash 5",
        "bob: X split, settled +0, unsettled +0, cash 5",
        "X: reference 20.00, band 18.00 to 22.00",
    ]
    assert market.holding("bob") == ("-1", "0")


def test_a_split_of_what_is_unsettled_keeps_what_is_to_be_paid():
    market = Market()
    market.settle_after(2)
    trade(market, "bob", "ann", 10, "10.01")
    market.roll("20240102")
    trade(market, "bob", "eve", 5, "10.00")
    assert closed(market).split(3, 2) == [
        "SplitInstrument refused, UNSETTLED: X is unsettled: only a split that leaves no fractions is possible"
    ]
    assert market.split(3, 1) == [
        "X: split 3 for 1, 3 accounts, 2 obligations, 0 orders",
        "ann: X split, settled +20000, unsettled +20, cash 0",
        "bob: X split, settled +20000, unsettled -30, cash 0",
        "eve: X split, settled +20000, unsettled +10, cash 0",
        "ann: owed 30 X in multiples of 3",
        "bob: owed -30 X in multiples of 3",
        "X: reference 3.34, band 3.01 to 3.67",
    ]
    assert market.roll("20240103") == [
        "day 20240103, 0 orders",
        "bob: netted -15 X at 3.33 and 0.05 of 20240102, due 3",
        "eve: netted 15 X at 3.33 and -0.05 of 20240102, due 3",
    ]
    assert market.roll("20240104", 2)[1:] == [
        "ann: settled 30 X for -100.1 and 0",
        "bob: settled -30 X for 100.1 and 0",
        "bob: settled -15 X for 49.95 and 0.05",
        "eve: settled 15 X for -49.95 and -0.05",
    ]


def test_after_a_split_an_obligation_is_settled_and_bought_in_in_multiples():
    market = Market((STOCK,), traders=("ann",))
    market.do(DefineAccount("bob", "bob", short_max=100))
    market.deposit("bob", "USD", money("100"))
    market.settle_after(1, buy_in_days=1)
    trade(market, "bob", "ann", 10, "10.00")
    market.roll("20240102")
    closed(market).split(3, 1)
    market.deposit("bob", "X", "8")
    assert market.roll("20240103")[1:] == [
        "ann: settled 6 X for -20 and 0, 24 and 0 left",
        "bob: settled -6 X for 20 and 0, -24 and 0 left",
        "ann: failed 24 X and 0, day 1, COUNTERPARTY",
        "bob: failed -24 X and 0, day 1, NO_SECURITIES",
        "ann buys 24 X in from bob at 3.33: -0.08 for 80, fault securities",
    ]


def test_open_orders_are_split_in_the_order_of_entry_and_keep_their_time():
    market = Market((STOCK,), traders=("ann", "bob"))
    market.sell("bob", 4, "10.01", id="s1", tif=GTC)
    market.buy("ann", 10, "9.99", id="b1", tif=GTC)
    market.buy("ann", 10, "9.98", id="b2", tif=GTC)
    market.buy("bob", 2, "9.99", id="b3", tif=GTC)
    market.sell("bob", 4, "9.99", id="s2")
    market.buy("ann", 10, stop="10.61", id="stop", tif=GTC)
    market.buy("ann", 10, "9.97", id="iceberg", shown=4, tif=GTC)
    market.phase("halted", "X")
    assert market.split(2, 1) == [
        "X: split 2 for 1, 2 accounts, 0 obligations, 6 orders",
        "ann: X split, settled +10004, unsettled +0, cash 0",
        "bob: X split, settled +9996, unsettled +0, cash 0",
        "bob s1: split, 8 at 5.01, 0 executed, 8 left",
        "ann b1: split, 20 at 4.99, 8 executed, 12 left",
        "ann b2: split, 20 at 4.99, 0 executed, 20 left",
        "bob b3: split, 4 at 4.99, 0 executed, 4 left",
        "ann stop: split, 20 at 0.00, 0 executed, 20 left, stop 5.30",
        "ann iceberg: split, 20 at 4.98, 0 executed, 20 left, showing 8",
        "X: reference 5.00, band 4.50 to 5.50",
    ]
    assert market.book() == (
        ["ann b1 12 at 4.99", "bob b3 4 at 4.99", "ann b2 20 at 4.99", "ann iceberg 20 (8 shown) at 4.98"], ["bob s1 8 at 5.01"],
    )  # fmt: skip
    assert market.waiting() == ["ann stop 20 (stop)"]
    assert market.holding("bob") == ("19992", "8")
    market.phase("continuous", "X")
    assert market.sell("bob", 16, "4.99", id="s3") == [
        "bob s3: accepted, sell 16 X at 4.99 DAY",
        "bob s3 sells 12 X at 4.99 to ann b1: 4 and 0 left",
        "bob b3: canceled, SELF_TRADE, 4 left",
        "bob s3 sells 4 X at 4.99 to ann b2: 0 and 16 left",
    ]


@pytest.mark.parametrize(
    "order",
    [
        {"quantity": 3},
        {"quantity": 8, "shown": 3},
        {"quantity": 6, "price": "9.50", "peg": "primary"},
    ],
)
def test_an_order_that_does_not_come_out_whole_is_canceled(order: dict[str, Any]):
    market = Market((STOCK,), traders=("ann",))
    market.buy("ann", **({"price": "9.00", "tif": GTC, "id": "b1"} | order))
    assert closed(market).split(1, 2)[2:] == [
        f"ann b1: canceled, CORPORATE_ACTION, {order['quantity']} left",
        "X: reference 20.00, band 18.00 to 22.00",
    ]
    assert market.cash("ann") == ("1000000", "0")


def test_quotes_and_orders_of_lists_are_canceled():
    market = Market((STOCK,), traders=("ann", "bob"))
    market.quote("bob", market.entry((2, "9.50"), (2, "10.50")))
    market.one_cancels_the_other("ann", market.order("ann", BUY, 2, "9.00", id="l1"), market.order("ann", BUY, 2, "9.10", id="l2"))
    assert closed(market).split(2, 1)[3:] == [
        "bob q1/e1 bid: canceled, CORPORATE_ACTION, 2 left",
        "bob q1/e1 offer: canceled, CORPORATE_ACTION, 2 left",
        "ann l1: canceled, CORPORATE_ACTION, 2 left",
        "ann l2: canceled, ONE_CANCELS_OTHER, 2 left",
        "X: reference 5.00, band 4.50 to 5.50",
    ]


def test_leaves_are_multiples_of_the_lot_after_a_split():
    market = Market((Market.terms(lot=10),), traders=("ann",))
    market.buy("ann", 30, "10.00", id="b1", tif=GTC)
    market.buy("ann", 20, "10.00", id="b2", tif=GTC)
    assert closed(market).split(1, 2)[2:] == [
        "ann b1: canceled, CORPORATE_ACTION, 30 left",
        "ann b2: split, 10 at 20.00, 0 executed, 10 left",
        "X: reference 20.00, band 18.00 to 22.00",
    ]


def test_an_order_that_would_cost_more_than_there_is_is_canceled():
    """A price below one tick becomes one tick: the same order is worth more."""
    market = Market((Market.terms(tick=100, reference_price=1_000, band_bps=9_900),), traders=("ann",), cash="150")
    market.buy("ann", 50, "1.00", id="b1", tif=GTC)
    market.buy("ann", 100, "1.00", id="b2", tif=GTC)
    assert closed(market).split(2, 1)[2:] == [
        "ann b1: canceled, CORPORATE_ACTION, 50 left",
        "ann b2: canceled, CORPORATE_ACTION, 100 left",
        "X: reference 5.00, band 1.00 to 9.00",
    ]


def test_what_was_sold_short_to_the_limit_cannot_be_doubled():
    market = Market((STOCK,), traders=("ann",))
    market.do(DefineAccount("bob", "bob", short_max=10))
    market.sell("bob", 10, "10.00", id="s1", tif=GTC)
    assert closed(market).split(2, 1)[2:] == [
        "bob s1: canceled, CORPORATE_ACTION, 10 left",
        "X: reference 5.00, band 4.50 to 5.50",
    ]


@pytest.mark.parametrize("ratio", [(0, 1), (1, 0), (1, 1), (7, 7), (1_001, 1), (1, 1_001), (-2, 1)])
def test_a_split_is_of_two_numbers(ratio: tuple[int, int]):
    assert closed(Market()).split(*ratio) == [
        "SplitInstrument refused, BAD_DEFINITION: a split makes 1 to 1000 units of each 1 to 1000, and not as many as there were"
    ]


@pytest.mark.parametrize("phase", ["pre-open", "continuous", "closing-auction", "closing-price"])
def test_nothing_is_split_while_it_trades(phase: str):
    market = Market()
    market.phase(phase, "X")
    assert market.split(2, 1) == [
        f"SplitInstrument refused, NOT_IN_THIS_PHASE: X is in phase {phase}: it is split while closed, halted or cancel-only"
    ]


def test_a_split_has_limits():
    market = closed(Market((Market.terms(reference_price=999),), traders=("ann",), holdings="0"))
    assert market.split(1_000, 1) == ["SplitInstrument refused, BAD_DEFINITION: the reference price would be below one tick"]
    market.deposit("ann", "X", str(2**62))
    assert market.split(2, 1) == ["SplitInstrument refused, BAD_DEFINITION: a holding of X is or would be beyond 64 bits"]
    market.reference("70000000000000000")
    assert market.split(1, 2) == [
        "SplitInstrument refused, BAD_DEFINITION: the band around the reference price would go beyond 64 bits"
    ]


def test_trades_of_before_a_split_are_not_busted_corrected_or_allocated():
    market = Market()
    trade(market, "bob", "ann", 10, "10.00")
    old = market.trades[0]
    closed(market).split(2, 1)
    late = f"TOO_LATE: X was split after trade {old.seq}"
    assert market.bust(old) == [f"BustTrade refused, {late}"]
    assert market.correct(old, 5, "10.00") == [f"CorrectTrade refused, {late}"]
    assert market.allocate("ann", old, BUY, ("ann", 10)) == [f"ann a1: rejected, {late}"]


def test_indications_and_the_closing_price_are_forgotten():
    market = Market()
    market.phase("opening-auction", "X")
    market.buy("ann", 2, "10.50", id="b1", tif=GTC)
    market.sell("bob", 2, "10.00", id="s1", tif=GTC)
    market.publish_indicative()
    market.phase("halted", "X")
    market.split(2, 1)
    instrument = market.engine.instruments["X"]
    assert (instrument.closing_price, instrument.indicated, instrument.marks) == (0, (0, 0, 0), None)
    assert market.phase("continuous", "X") == [
        "X: halted ends, 4 at 5.00",
        "bob s1 sells 4 X at 5.00 to ann b1: 0 and 0 left",
        "X: continuous",
    ]
