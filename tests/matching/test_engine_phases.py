"""Rules of phases: which orders are taken in which, what a move does, who moves what."""

import msgspec
import pytest

from matching.messages import AT_THE_CLOSE, AT_THE_OPENING, DAY, FOK, GTC, GTD, IOC, SELL
from tests.matching.market import NOON, SECOND, STOCK, Market

GATHERING = ("pre-open", "opening-auction", "volatility-auction", "closing-auction")
PHASES = ("closed", *GATHERING, "continuous", "closing-price", "halted", "cancel-only")

TAKEN_IN = {
    DAY: (*GATHERING, "continuous", "closing-price"),
    GTC: (*GATHERING, "continuous"),
    GTD: (*GATHERING, "continuous"),
    AT_THE_OPENING: ("pre-open", "opening-auction"),
    IOC: ("continuous", "closing-price"),
    FOK: ("continuous", "closing-price"),
    AT_THE_CLOSE: (*GATHERING, "continuous"),
}


@pytest.mark.parametrize("tif", TAKEN_IN)
@pytest.mark.parametrize("phase", PHASES)
def test_which_time_in_force_is_taken_in_which_phase(phase: str, tif: str):
    market = Market()
    market.phase(phase, "X")
    first = market.buy("ann", 1, "10.00", tif=tif, until=NOON + SECOND)[0]
    if phase in TAKEN_IN[tif]:
        assert first.startswith("ann o1: accepted, ")
    elif phase == "closed":
        assert first == "ann o1: rejected, AFTER_CLOSE: X is closed"
    elif phase == "halted":
        assert first == "ann o1: rejected, NOT_IN_THIS_PHASE: X is halted"
    elif phase == "cancel-only":
        assert first == "ann o1: rejected, NOT_IN_THIS_PHASE: X is open to cancels only"
    else:
        assert first == f"ann o1: rejected, NOT_IN_THIS_PHASE: TimeInForce {tif} is not taken in phase {phase}"


@pytest.mark.parametrize("phase", PHASES)
def test_every_order_can_be_canceled_in_every_phase(phase: str):
    market = Market()
    market.buy("ann", 1, "10.00", id="book")
    market.buy("ann", 1, stop="10.50", id="stop")
    market.buy("ann", 1, "10.00", tif=AT_THE_CLOSE, id="close")
    market.buy("ann", 1, peg="market", id="peg")
    market.phase(phase, "X")
    ended = "canceled, REQUESTED, 1 left asked by"
    for name in ("book", "stop", "close", "peg"):
        if name == "close" and phase in ("closed", "closing-price"):
            continue  # its day is over
        assert market.cancel("ann", name, id=f"c {name}") == [f"ann {name}: {ended} c {name}"]
    assert (market.book(), market.waiting(), market.cash("ann")) == (([], []), [], ("1000000", "0"))


@pytest.mark.parametrize("phase", ["halted", "cancel-only", "closed"])
def test_nothing_is_replaced_while_nothing_is_taken(phase: str):
    market = Market()
    market.buy("ann", 2, "10.00", id="b1")
    market.phase(phase, "X")
    (line,) = market.replace("ann", "b1", 1, "10.00")
    assert line.startswith("ann r1: replace of b1 rejected, status 0, ")
    assert market.book()[0] == ["ann b1 2 at 10.00"]


@pytest.mark.parametrize("phase", ["halted", "cancel-only"])
def test_a_halt_leaves_the_book_as_it_is_and_trading_goes_on_from_there(phase: str):
    market = Market()
    market.buy("ann", 2, "10.00", id="b1")
    market.sell("bob", 2, "10.10", id="s1")
    assert market.phase(phase, "X", by="op") == [f"X: {phase} by op"]
    assert market.book() == (["ann b1 2 at 10.00"], ["bob s1 2 at 10.10"])
    assert market.phase("continuous", "X", by="op") == ["X: continuous by op"]
    assert market.sell("eve", 1, "10.00", id="s2")[1:] == ["eve s2 sells 1 X at 10.00 to ann b1: 0 and 1 left"]


# -------------------------------------------------------------------------------------------- who moves what


def markets() -> Market:
    """A and B in FIRST, C in SECOND."""
    return Market(
        tuple(
            msgspec.structs.replace(STOCK, instrument=symbol, market=name)
            for symbol, name in (("C", "SECOND"), ("B", "FIRST"), ("A", "FIRST"))
        )
    )


def test_a_market_is_moved_with_its_instruments_by_symbol():
    assert markets().phase("pre-open", market="FIRST") == ["market FIRST: pre-open", "A: pre-open", "B: pre-open"]


def test_all_markets_are_moved_by_name():
    assert markets().phase("pre-open") == [
        "market FIRST: pre-open", "A: pre-open", "B: pre-open", "market SECOND: pre-open", "C: pre-open",
    ]  # fmt: skip


def test_an_instrument_is_moved_without_its_market():
    market = markets()
    assert market.phase("pre-open", "A", by="op") == ["A: pre-open by op"]
    assert market.engine.markets == {"FIRST": "continuous", "SECOND": "continuous"}
    market.phase("closed", market="FIRST")
    assert market.engine.markets == {"FIRST": "closed", "SECOND": "continuous"}


def test_who_is_not_there_is_not_moved():
    market = markets()
    assert market.phase("closed", "Z") == ["SetPhase refused, UNKNOWN_INSTRUMENT: unknown symbol Z"]
    assert market.phase("closed", market="THIRD") == ["SetPhase refused, UNKNOWN_INSTRUMENT: no instrument in market THIRD"]


def test_the_schedule_passes_over_what_is_halted_and_the_operator_does_not():
    market = markets()
    market.phase("halted", "A", by="op")
    assert market.phase("closing-auction", market="FIRST") == ["market FIRST: closing-auction", "B: closing-auction"]
    assert market.phase("pre-open", market="FIRST", by="op") == [
        "market FIRST: pre-open by op",
        "A: pre-open by op",
        "B: pre-open by op",
    ]


def test_the_schedule_ends_a_volatility_auction_with_its_market():
    market = markets()
    market.phase("volatility-auction", "A")
    assert market.phase("closing-auction", market="FIRST") == [
        "market FIRST: closing-auction",
        "A: closing-auction",
        "B: closing-auction",
    ]
    assert market.engine.next_pause_end() == 0


def test_a_new_instrument_is_in_the_phase_of_its_market():
    market = markets()
    market.phase("pre-open", market="FIRST")
    market.do(*(msgspec.structs.replace(STOCK, instrument=name, market=of, phase="halted")
                for name, of in (("D", "FIRST"), ("E", "SECOND"))))  # fmt: skip
    phases = {symbol: instrument.phase for symbol, instrument in market.engine.instruments.items()}
    assert (phases["D"], phases["E"]) == ("pre-open", "halted"), "SECOND was never moved: E begins as it says"


def test_what_one_instrument_sets_off_comes_before_the_next_is_moved():
    market = markets()
    for symbol in ("A", "B"):
        market.trade_at("10.00", of=symbol)
        market.phase("opening-auction", symbol)
        market.buy("ann", 1, "9.50", stop="10.00", of=symbol, id=f"stop {symbol}")
        market.buy("ann", 1, peg="primary", of=symbol, id=f"peg {symbol}")
    assert market.phase("continuous", market="FIRST") == [
        "market FIRST: continuous",
        "A: opening-auction ends, nothing trades",
        "A: continuous",
        "ann stop A: activated by stop, at 9.50",
        "ann peg A: repriced to 9.50",
        "B: opening-auction ends, nothing trades",
        "B: continuous",
        "ann stop B: activated by stop, at 9.50",
        "ann peg B: repriced to 9.50",
    ]


# ------------------------------------------------------------------------------------- closing price trading


def after_the_close(last: str = "10.00") -> Market:
    """bob bids 5 at 9.90 and 5 at 10.00, and offers 5 at 10.10; the closing price is 10.00."""
    market = Market()
    market.trade_at(last)
    market.buy("bob", 5, "9.90", id="low")
    market.buy("bob", 5, "10.00", id="bid")
    market.sell("bob", 5, "10.10", id="offer")
    assert market.phase("closing-price", "X") == ["X: closing-price"]
    return market


def test_the_closing_price_is_that_of_the_auction_or_the_last_trade_or_the_reference():
    for prepare, price in (("auction", 1_020), ("trade", 1_010), ("", 1_000)):
        market = Market()
        if prepare:
            market.trade_at("10.10")
        market.phase("closing-auction", "X")
        if prepare == "auction":
            market.buy("ann", 1, "10.20", id="b1")
            market.sell("bob", 1, "10.20", id="s1")
        market.phase("closing-price", "X")
        assert market.engine.instruments["X"].closing_price == price


def test_all_trade_at_the_closing_price_with_who_would_pay_it():
    market = after_the_close()
    assert market.sell("ann", 8, "9.50", id="s1") == [
        "ann s1: accepted, sell 8 X at 9.50 DAY",
        "ann s1 sells 5 X at 10.00 to bob bid: 3 and 0 left",
    ]
    assert market.book() == (["bob low 5 at 9.90"], ["ann s1 3 at 9.50", "bob offer 5 at 10.10"])
    assert market.buy("eve", 1, "11.00", id="b1")[1:] == ["eve b1 buys 1 X at 10.00 from ann s1: 0 and 2 left"]


def test_a_better_priced_order_comes_first_and_trades_at_the_closing_price_too():
    market = Market()
    market.trade_at("10.00")
    market.phase("closing-price", "X")
    market.buy("ann", 1, "10.00", id="b1")
    market.buy("bob", 1, "10.50", id="b2")
    assert market.sell("eve", 2, "10.00", id="s1")[1:] == [
        "eve s1 sells 1 X at 10.00 to bob b2: 1 and 0 left",
        "eve s1 sells 1 X at 10.00 to ann b1: 0 and 0 left",
    ]
    assert market.cash("bob")[1] == "0"


def test_a_limit_has_to_admit_the_closing_price():
    market = after_the_close()
    assert market.buy("ann", 1, "9.99", id="b1") == [
        "ann b1: rejected, OUTSIDE_PRICE_BAND: limit 9.99 does not admit the closing price 10.00"
    ]
    assert market.sell("ann", 1, "10.01", id="s1") == [
        "ann s1: rejected, OUTSIDE_PRICE_BAND: limit 10.01 does not admit the closing price 10.00"
    ]


def test_market_and_immediate_orders_trade_what_they_can():
    market = after_the_close()
    assert market.sell("ann", 2, id="s1")[1:] == ["ann s1 sells 2 X at 10.00 to bob bid: 0 and 3 left"]
    assert market.sell("ann", 9, "9.00", tif=FOK, id="s2")[1:] == ["ann s2: canceled, FOK_NOT_FILLABLE, 9 left"]
    assert market.sell("ann", 9, "9.00", tif=IOC, id="s3")[1:] == [
        "ann s3 sells 3 X at 10.00 to bob bid: 6 and 0 left",
        "ann s3: canceled, IOC_REMAINDER, 6 left",
    ]
    assert market.sell("ann", 1, id="s4")[1:] == ["ann s4: canceled, MARKET_REMAINDER, 1 left"]


def test_self_trade_is_prevented_at_the_closing_price_too():
    market = after_the_close()
    assert market.sell("bob", 9, "10.00", id="s1", match="desk 1", prevent="1") == [
        "bob s1: accepted, sell 9 X at 10.00 DAY",
        "bob s1: canceled, SELF_TRADE_INCOMING, 9 left",
    ]


@pytest.mark.parametrize(
    "more",
    [{"stop": "10.00"}, {"peg": "primary"}, {"shown": 1}, {"post_only": True}, {"tif": IOC, "least": 1},
     {"price": "", "to_limit": True}],
)  # fmt: skip
def test_at_the_closing_price_orders_are_plain(more: dict[str, object]):
    assert after_the_close().buy("ann", 10, **{"price": "10.00"} | more) == [
        "ann o1: rejected, NOT_IN_THIS_PHASE: only plain market and limit orders are taken in closing price trading"
    ]


def test_icebergs_and_all_that_rests_from_before_trade_at_the_closing_price():
    market = Market()
    market.trade_at("10.00")
    market.buy("bob", 10, "10.00", shown=3, tif=GTC, id="ice")
    market.phase("closing-price", "X")
    assert market.sell("ann", 4, "10.00", id="s1")[1:] == [
        "ann s1 sells 3 X at 10.00 to bob ice: 1 and 7 left",
        "bob ice: shows 3 anew",
        "ann s1 sells 1 X at 10.00 to bob ice: 0 and 6 left",
    ]
    assert "NOT_IN_THIS_PHASE" in market.replace("bob", "ice", 9, "10.00", shown=3, tif=GTC)[0]
    assert market.replace("bob", "ice", 9, "10.00", id="r2") == [
        "bob ice: replaced, r2 for ice, 9 at 10.00 DAY, 5 left, in its place"
    ]


def test_market_orders_that_gathered_do_not_outlast_the_auction_into_closing_price_trading():
    market = Market()
    market.phase("closing-auction", "X")
    market.buy("ann", 5, id="b1")
    market.sell("bob", 2, "10.00", id="s1")
    assert market.phase("closing-price", "X") == [
        "X: closing-auction ends, 2 at 10.00, 3 more to buy",
        "bob s1 sells 2 X at 10.00 to ann b1: 0 and 3 left",
        "ann b1: canceled, MARKET_REMAINDER, 3 left",
        "X: closing-price",
    ]


def test_closing_price_trading_ends_with_the_next_phase():
    market = after_the_close()
    market.sell("ann", 9, "9.50", id="s1")
    assert market.phase("closed", "X") == ["X: closed"]
    assert market.roll("20240102")[0] == "day 20240102, 3 orders"
    assert market.cancel("ann", "s1", SELL)[0].startswith("ann c1: cancel of s1 rejected")


def test_a_market_order_whose_limit_does_not_admit_the_closing_price_is_refused():
    """The operator has moved the band away from where the market closed."""
    market = Market()
    market.trade_at("10.00")
    market.reference("8.00")
    market.phase("closing-price", "X")
    assert market.buy("ann", 1) == [
        "ann o1: rejected, OUTSIDE_PRICE_BAND: limit 8.80 does not admit the closing price 10.00"
    ]
    assert market.sell("bob", 1, id="s1") == [
        "bob s1: accepted, sell 1 X at market DAY",
        "bob s1: canceled, MARKET_REMAINDER, 1 left",
    ]


@pytest.mark.parametrize(
    ("reference", "tick", "closing"), [(1_000, 4, 1_000), (1_000, 3, 999), (990, 20, 1_000), (1_000, 15, 1_005), (10, 2_500, 2_500)]
)
def test_the_closing_price_is_on_a_tick_the_nearest_and_of_two_the_higher(reference: int, tick: int, closing: int):
    """The reference need not be on one."""
    market = Market((Market.terms(tick=tick, reference_price=reference),))
    market.phase("closing-price", "X")
    assert market.engine.instruments["X"].closing_price == closing
