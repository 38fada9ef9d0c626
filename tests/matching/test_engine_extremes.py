"""Rules of very large numbers: whatever is entered, every event and every snapshot can be written, and no sum goes wrong."""

import msgspec
import pytest

from matching.messages import BUY, INT64_MAX, SELL, CorrectTrade, DefineInstrument, NewOrder, SetReference
from tests.matching.market import STOCK, Market

# All limits at their greatest, and a band that reaches down to the smallest price.
WIDE = DefineInstrument(
    "X", "USD", price_decimals=2, quantity_decimals=8, tick=1, lot=1, quantity_max=INT64_MAX, value_max=INT64_MAX,
    reference_price=1_000, band_bps=9_999,
)  # fmt: skip
GREATEST_REFERENCE = (INT64_MAX + 1) * 10_000 // 11_000  # the band of X is ten percent


def rich() -> Market:
    """ann, bob and eve have 10^30 less one of everything."""
    market = Market((WIDE,), cash="0", holdings="0")
    for trader in ("ann", "bob", "eve"):
        for asset in ("USD", "X"):
            market.deposit(trader, asset, "9" * 30)
    return market


def test_one_order_may_be_worth_more_than_64_bits_and_its_trades_be_busted():
    """A sell at the lowest price counts little, and meets many buyers at a high one."""
    market = rich()
    for number in range(60):
        market.buy("ann" if number % 2 else "eve", "90000000", "10.00", id=f"b{number}")
    market.sell("bob", 60 * 90_000_000, "0.01", id="s1")
    order = market.engine.order("bob", "s1")
    assert order is not None and order.value == 60 * 9 * 10**15 * 1_000 > 2**64
    assert market.bust(market.trades[-1])[0].endswith("busted")
    (event,) = market.raw
    assert event.maker.value == 0 and event.taker.value == INT64_MAX  # type: ignore[union-attr]
    assert market.engine.order("bob", "s1").value == 59 * 9 * 10**15 * 1_000  # type: ignore[union-attr]


def test_an_auction_may_have_more_to_buy_than_64_bits():
    market = rich()
    market.phase("opening-auction", "X")
    for number in range(30):
        market.buy("ann", "9000000000", "0.01", id=f"b{number}")
    market.sell("bob", 1, "0.01", id="s1")
    most = "92233720368.54775807"
    assert market.publish_indicative() == ["indicative, 1 changed", f"X: indicative, 1 at 0.01, {most} more to buy"]
    assert market.publish_indicative() == ["indicative, 0 changed"]
    assert market.phase("continuous", "X")[:2] == [
        f"X: opening-auction ends, 1 at 0.01, {most} more to buy",
        "bob s1 sells 1 X at 0.01 to ann b0: 0 and 8999999999 left",
    ]


def test_an_auction_may_trade_more_than_64_bits():
    market = rich()
    market.phase("opening-auction", "X")
    for number in range(30):
        market.buy("ann", "9000000000", "0.01", id=f"b{number}")
        market.sell("bob", "9000000000", "0.01", id=f"s{number}")
    lines = market.phase("closed", "X")
    assert lines[0] == "X: opening-auction ends, 92233720368.54775807 at 0.01"
    assert len(lines) == 1 + 30 + 1
    assert market.book() == ([], [])


@pytest.mark.parametrize("quantity", [INT64_MAX, 2**64 - 1, -(2**63)])
@pytest.mark.parametrize("price", [INT64_MAX, 2**64 - 1, -(2**63), 0, 1])
@pytest.mark.parametrize("side", [BUY, SELL])
def test_the_greatest_numbers_of_a_record_are_refused_like_any_others(side: str, price: int, quantity: int):
    market = rich()
    taken = price == 1 and quantity == INT64_MAX
    order = NewOrder("ann", "ann", "o1", "ann", "X", side, "2", "0", price, quantity)  # type: ignore[arg-type]
    assert ("accepted" if taken else "rejected") in market.do(order)[0]


@pytest.mark.parametrize("price", [INT64_MAX, 2**64 - 1, GREATEST_REFERENCE + 1])
def test_a_reference_whose_band_goes_beyond_64_bits_is_refused(price: int):
    market = Market()
    assert market.do(SetReference("X", price)) == [
        "SetReference refused, BAD_DEFINITION: the band around this reference price goes beyond 64 bits"
    ]
    assert market.do(msgspec.structs.replace(STOCK, instrument="Y", reference_price=price)) == [
        "DefineInstrument refused, BAD_DEFINITION: Y: the band around the reference price goes beyond 64 bits"
    ]


def test_the_greatest_reference_is_taken():
    market = Market()
    assert market.do(SetReference("X", GREATEST_REFERENCE)) == [
        "X: reference 83848836698679780.07, band 75463953028811802.07 to 92233720368547758.07"
    ]
    market.buy("ann", 1, id="b1")
    assert market.phase("closing-price", "X") == ["X: closing-price"]


def test_a_correction_beyond_64_bits_is_refused_whoever_could_pay_for_it():
    market = rich()
    market.sell("bob", "0.00000002", "10.00", id="s1")
    market.buy("ann", "0.00000002", "10.00", id="b1")
    (trade,) = market.trades
    assert market.do(CorrectTrade(trade, INT64_MAX // 2 + 1, 2)) == [
        "CorrectTrade refused, BAD_DEFINITION: the trade would be worth more than 64 bits hold"
    ]
    assert market.do(CorrectTrade(trade, INT64_MAX // 2, 2))[0].endswith(f"at {INT64_MAX // 200}.03")
