"""Rules of entry: what an order must be to be taken. What is refused changes nothing but that its ClOrdID is used."""

import msgspec
import pytest

from matching.messages import FOK, GTC, GTD, IOC, SELL, DefineAccount, DefineParticipant
from tests.matching.market import NOON, SECOND, STOCK, Market

COARSE = msgspec.structs.replace(STOCK, instrument="Y", tick=5, lot=10, quantity_max=1_000, value_max=9_000 * 10**10)


def coarse() -> Market:
    return Market((STOCK, COARSE))


def test_participant_account_and_instrument_must_be_known():
    market = Market()
    market.do(DefineAccount("bob-2", "bob"))
    assert market.buy("joe", 1, "10.00") == ["joe o1: rejected, UNKNOWN_ACCOUNT: unknown participant joe"]
    assert market.buy("ann", 1, "10.00", id="o2", account="ann-2") == [
        "ann o2: rejected, UNKNOWN_ACCOUNT: unknown account ann-2"
    ]
    assert market.buy("ann", 1, "10.00", id="o3", account="bob-2") == [
        "ann o3: rejected, UNKNOWN_ACCOUNT: unknown account bob-2"
    ]
    assert market.buy("ann", 1, "10.00", id="o4", of="Z") == ["ann o4: rejected, UNKNOWN_INSTRUMENT: unknown symbol Z"]
    assert market.book() == ([], [])


@pytest.mark.parametrize("quantity", ["0", "-10", "5", "15"])
def test_the_quantity_is_a_positive_multiple_of_the_lot(quantity: str):
    assert coarse().buy("ann", quantity, "10.00", of="Y") == [
        f"ann o1: rejected, INVALID_QUANTITY: quantity {quantity} is not a positive multiple of the lot 10"
    ]


@pytest.mark.parametrize("price", ["10.01", "10.04", "9.99"])
def test_the_price_is_a_multiple_of_the_tick(price: str):
    assert coarse().buy("ann", 10, price, of="Y") == [
        f"ann o1: rejected, OFF_TICK: price {price} is not a multiple of the tick 0.05"
    ]


@pytest.mark.parametrize(
    ("price", "taken"),
    [("8.95", False), ("9.00", True), ("11.00", True), ("11.05", False), ("0.00", False), ("-10.00", False)],
)
def test_the_price_is_within_the_band(price: str, taken: bool):
    expected = (
        f"ann o1: accepted, sell 10 Y at {price} DAY"
        if taken
        else (f"ann o1: rejected, OUTSIDE_PRICE_BAND: price {price} is outside the band 9.00 to 11.00")
    )
    assert coarse().sell("ann", 10, price, of="Y") == [expected]


@pytest.mark.parametrize(
    ("reference", "band_bps", "tick", "low", "high"),
    [
        (1_000, 1_000, 1, 900, 1_100),
        (999, 1_000, 1, 900, 1_098),  # 899.1 to 1098.9: the last whole ticks inside
        (1_000, 1_000, 7, 903, 1_099),
        (1_000, 1, 1, 1_000, 1_000),
        (10, 100_000, 1, 1, 110),  # never below one tick
        (3, 1_000, 10, 10, 0),  # no price at all
    ],
)  # fmt: skip
def test_the_edges_of_the_band_are_ticks(reference: int, band_bps: int, tick: int, low: int, high: int):
    market = Market((msgspec.structs.replace(STOCK, reference_price=reference, band_bps=band_bps, tick=tick),))
    instrument = market.engine.instruments["X"]
    assert (instrument.low, instrument.high) == (low, high)


def test_quantity_and_value_have_limits():
    market = coarse()
    assert market.sell("ann", 1_010, "9.00", of="Y") == [
        "ann o1: rejected, LIMIT_EXCEEDED: quantity 1010 is above the limit 1000"
    ]
    assert market.sell("ann", 1_000, "9.00", id="o2", of="Y") == ["ann o2: accepted, sell 1000 Y at 9.00 DAY"]
    assert market.sell("ann", 1_000, "9.05", id="o3", of="Y") == [
        "ann o3: rejected, LIMIT_EXCEEDED: value 9050.00 is above the limit 9000.00"
    ]


def test_a_market_order_counts_at_the_edge_of_the_band():
    market = coarse()
    assert market.buy("ann", 820, of="Y") == [
        "ann o1: rejected, LIMIT_EXCEEDED: value 9020.00 is above the limit 9000.00"
    ]
    assert market.sell("ann", 1_000, id="o2", of="Y")[0] == "ann o2: accepted, sell 1000 Y at market DAY"


@pytest.mark.parametrize("tif", [GTC, GTD])
def test_a_market_order_does_not_wait(tif: str):
    assert Market().buy("ann", 1, tif=tif, until=NOON + SECOND) == [
        "ann o1: rejected, UNSUPPORTED: a market order cannot be GTC or GTD"
    ]


@pytest.mark.parametrize("until", [0, NOON - 1, NOON])
def test_a_gtd_order_ends_in_the_future(until: int):
    assert Market().buy("ann", 1, "10.00", tif=GTD, until=until) == [
        "ann o1: rejected, UNSUPPORTED: the expiry of this GTD order is not in the future"
    ]


@pytest.mark.parametrize(
    ("phase", "refusal"),
    [("halted", "NOT_IN_THIS_PHASE: X is halted"), ("closed", "AFTER_CLOSE: X is closed")],
)
def test_orders_are_taken_in_the_open_phase_alone_and_canceled_in_all(phase: str, refusal: str):
    market = Market()
    market.buy("ann", 1, "10.00")
    market.phase(phase, "X")
    assert market.buy("ann", 1, "10.00", id="o2") == [f"ann o2: rejected, {refusal}"]
    assert market.replace("ann", "o1", 1, "9.00") == [f"ann r1: replace of o1 rejected, status 0, {refusal}"]
    assert market.cancel("ann", "o1") == ["ann o1: canceled, REQUESTED, 1 left asked by c1"]
    assert market.sell("bob", 1, "50000.00", of="COIN") == ["bob o1: accepted, sell 1 COIN at 50000.00 DAY"]


def test_cash_must_be_there_for_a_buy():
    market = Market(cash="100")
    assert market.buy("ann", 10, "10.00") == ["ann o1: accepted, buy 10 X at 10.00 DAY"]
    assert market.buy("ann", 1, "9.00", id="o2") == [
        "ann o2: rejected, INSUFFICIENT_FUNDS: 9.00 USD needed, 0.00 available in ann"
    ]
    assert market.buy("bob", 10, id="o1") == [
        "bob o1: rejected, INSUFFICIENT_FUNDS: 110.00 USD needed, 100.00 available in bob"
    ]


def test_shares_must_be_there_for_a_sell():
    market = Market(holdings="10")
    assert market.sell("ann", 10, "10.00") == ["ann o1: accepted, sell 10 X at 10.00 DAY"]
    assert market.sell("ann", 1, "10.00", id="o2") == [
        "ann o2: rejected, INSUFFICIENT_FUNDS: 1 X needed, 0 available in ann"
    ]


@pytest.mark.parametrize("tif", [IOC, FOK])
def test_what_trades_at_once_must_be_paid_for_too(tif: str):
    market = Market(cash="99.99")
    assert market.buy("ann", 10, "10.00", tif=tif) == [
        "ann o1: rejected, INSUFFICIENT_FUNDS: 100.00 USD needed, 99.99 available in ann"
    ]


def test_rules_are_looked_at_in_this_order():
    """Each order mends what the one before it was refused for, and nothing else."""
    terms = msgspec.structs.replace(COARSE, instrument="X", value_max=8_000 * 10**10)
    market = Market((terms,), traders=("ann", "eve"), cash="10", holdings="0")
    market.do(DefineParticipant("ann", value_max=str(10**10), orders_per_day_max=5, open_orders_max=1))
    market.do(DefineAccount("ann-2", "ann"))
    market.phase("halted", "X")
    market.access("ann", "killed")
    said: dict[str, object] = {
        "trader": "joe", "account": "eve", "of": "Z", "tif": GTD, "quantity": 2_001, "price": "13.01", "shown": 2_002,
        "peg": "primary", "offset": "0.01",
    }  # fmt: skip
    seen = []

    def mend(**change: object) -> None:
        said.update(change)
        wanted = dict(said)
        lines = market.buy(wanted.pop("trader"), wanted.pop("quantity"), wanted.pop("price"), **wanted)  # type: ignore[arg-type]
        seen.append(lines[0].split(": ", 1)[1].removeprefix("rejected, "))

    for number in range(5):
        market.cancel("ann", "nothing", id=f"c{number}")
    mend(id="c0")
    mend(trader="ann")
    mend(id="o1")
    market.access("ann", "normal")
    mend(id="o2")
    mend(id="o3", account="ann-2")
    mend(id="o4", of="X")
    market.do(DefineParticipant("ann", value_max=str(10**10), open_orders_max=1))
    market.do(market.order("eve", "2", 0, "10.00", id="s0"))
    mend(id="o5")
    market.phase("pre-open", "X")
    mend(id="o6")
    mend(id="o7", peg="", offset="")
    mend(id="o8", quantity=2_000)
    mend(id="o9", shown=2_000)
    mend(id="o10", price="13.00")
    mend(id="o11", price="11.00", until=market.now)
    mend(id="o12", until=market.now + 1)
    mend(id="o13", quantity=1_000, shown=10)
    mend(id="o14", quantity=100)
    market.do(DefineParticipant("ann"))
    mend(id="o15")
    market.deposit("ann-2", "USD", "1" + "0" * 20)
    mend(id="o16")
    assert seen == [
        "UNKNOWN_ACCOUNT: unknown participant joe",
        "DUPLICATE_CL_ORD_ID: ClOrdID was used before on this trading day",
        "BLOCKED: ann is killed: no orders are taken",
        "UNKNOWN_ACCOUNT: unknown account eve",
        "UNKNOWN_INSTRUMENT: unknown symbol Z",
        "LIMIT_EXCEEDED: more than 5 ClOrdIDs on one trading day",
        "NOT_IN_THIS_PHASE: X is halted",
        "UNSUPPORTED: a display quantity belongs to a limit or stop limit order that is DAY, GTC or GTD",
        "INVALID_QUANTITY: quantity 2001 is not a positive multiple of the lot 10",
        "INVALID_QUANTITY: display quantity 2002 is not a multiple of the lot up to the order's quantity",
        "OFF_TICK: price 13.01 is not a multiple of the tick 0.05",
        "OUTSIDE_PRICE_BAND: price 13.00 is outside the band 9.00 to 11.00",
        "UNSUPPORTED: the expiry of this GTD order is not in the future",
        "LIMIT_EXCEEDED: quantity 2000 is above the limit 1000",
        "LIMIT_EXCEEDED: value 11000.00 is above the limit 8000.00",
        "LIMIT_EXCEEDED: value 1100.00 is above the participant's limit 1.00",
        "INSUFFICIENT_FUNDS: 1100.00 USD needed, 0.00 available in ann-2",
        "accepted, buy 100 X at 11.00 showing 10 GTD",
    ]


def test_post_only_is_asked_after_the_terms_and_before_the_funds():
    market = Market(cash="0")
    market.sell("bob", 1, "10.00", id="s1")
    assert "LIMIT_EXCEEDED" in market.buy("ann", 1_000_001, "10.00", id="b1", post_only=True)[0]
    assert "WOULD_TRADE" in market.buy("ann", 1, "10.00", id="b2", post_only=True)[0]
    assert "INSUFFICIENT_FUNDS" in market.buy("ann", 1, "9.99", id="b3", post_only=True)[0]


def test_what_was_refused_holds_nothing_back():
    market = Market(cash="100", holdings="10")
    market.buy("ann", 11, "10.00", id="b1")
    market.sell("ann", 11, "10.00", id="s1")
    assert (market.cash("ann"), market.holding("ann"), market.book()) == (("100", "0"), ("10", "0"), ([], []))


# ------------------------------------------------------------------------------------------------ ClOrdIDs


def test_a_cl_ord_id_is_used_once_a_day():
    market = Market()
    market.buy("ann", 1, "10.00")
    assert market.buy("ann", 1, "10.00") == [
        "ann o1: rejected, DUPLICATE_CL_ORD_ID: ClOrdID was used before on this trading day"
    ]
    assert market.book() == (["ann o1 1 at 10.00"], [])


def test_a_cl_ord_id_belongs_to_its_participant():
    market = Market()
    market.buy("ann", 1, "10.00")
    assert market.buy("bob", 1, "10.00") == ["bob o1: accepted, buy 1 X at 10.00 DAY"]


def test_a_cl_ord_id_stays_used_whatever_became_of_the_order():
    market = Market()
    market.buy("ann", 1, "10.00", id="filled")
    market.sell("bob", 1, "10.00", id="s1")
    market.buy("ann", 1, "10.00", id="canceled")
    market.cancel("ann", "canceled", id="cancel")
    market.cancel("ann", "nothing", id="failed cancel")
    market.buy("ann", 1, "99.00", id="refused")
    market.buy("ann", 1, "10.00", id="replaced")
    market.replace("ann", "replaced", 1, "9.99", id="replacement")
    market.replace("ann", "nothing", 1, "9.99", id="failed replace")
    market.mass_cancel("ann", id="mass cancel")
    used = [
        "filled",
        "canceled",
        "cancel",
        "failed cancel",
        "refused",
        "replaced",
        "replacement",
        "failed replace",
        "mass cancel",
    ]
    for name in used:
        assert market.engine.knows("ann", name)
        assert "DUPLICATE_CL_ORD_ID" in market.buy("ann", 1, "10.00", id=name)[0]
        assert "DUPLICATE_CL_ORD_ID" in market.cancel("ann", "replacement", id=name)[0]
        assert "DUPLICATE_CL_ORD_ID" in market.mass_cancel("ann", id=name)[0]


def test_the_next_day_a_cl_ord_id_is_free_but_for_the_open_orders():
    market = Market()
    market.buy("ann", 1, "10.00", id="day")
    market.buy("ann", 1, "10.00", id="gtc", tif=GTC)
    market.buy("ann", 1, "10.00", id="replaced", tif=GTC)
    market.replace("ann", "replaced", 2, "10.00", id="replacement", tif=GTC)
    market.cancel("ann", "nothing", SELL, id="failed")
    market.roll("20240102")
    known = {name: market.engine.knows("ann", name) for name in ("day", "gtc", "replaced", "replacement", "failed")}
    assert known == {"day": False, "gtc": True, "replaced": True, "replacement": True, "failed": False}
    assert market.buy("ann", 1, "10.00", id="day") == ["ann day: accepted, buy 1 X at 10.00 DAY"]
    assert "DUPLICATE_CL_ORD_ID" in market.buy("ann", 1, "10.00", id="gtc")[0]
