"""The price at which an auction trades: a function of prices and quantities that knows no order, no book and no phase.

The rule, for a grid of candidate prices, which are the multiples of the tick from the lowest to the
highest limit price of either side; where there is no limit order, the reference price alone:

1. Maximum volume: the price at which the most can trade, the smaller of what is bid at that price or
   better and what is offered at that price or better.
2. Minimum surplus: of those, the price at which the least is left over on the larger side.
3. Market pressure: if at all of those that remain the surplus is on the buy side, the highest of them;
   if at all it is on the sell side, the lowest.
4. Reference: otherwise the one nearest to the reference price; of two that are equally near, the higher.

The four steps in this order are those of the London Stock Exchange (MIT201, Guide to the Trading System),
the Australian Securities Exchange (opening and closing price, principles 1 to 4), the Singapore Exchange
(Practice Note 8.2.1) and Cboe Europe's periodic auctions. The last tie-break is Xetra's: in its Market
Model Equities, examples of price determination in auctions, number 5, the reference of 200 lies midway
between the limits 199 and 201, and the price is 201.

Where others differ, and why it is so here:

* Xetra has only limits as candidates, here as in Sydney and Singapore any tick between them is one. A
  balanced book then opens at the reference price itself, not at the limit nearest to it.
* Euronext lets the reference be the price also where it lies outside all limits, if market orders make
  that possible. Here no auction leaves the range of the limits that somebody named: against a market
  order, the limit order trades at its limit. Xetra's auction does the same.
* Market orders carry a cap, the worst price that is paid for with what they reserve. It takes part in
  demand and supply as a limit would, but it is nobody's opinion of the price: it widens no range.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Ends of the two ladders, in place of a level: below every price, and above every price.
BELOW_ALL = (0, 0)
ABOVE_ALL = (1 << 64, 0)


class Uncrossing(NamedTuple):
    """What an auction does at the end of its call, or would do now.

    `price` is in price units, `volume` the quantity that trades at it. `surplus` is the quantity that is
    left over at that price or better: above zero on the buy side, below zero on the sell side. All three
    are 0 where nothing can trade.
    """

    price: int
    volume: int
    surplus: int


NOTHING = Uncrossing(0, 0, 0)


def uncrossing(
    bids: Iterable[tuple[int, int]],
    offers: Iterable[tuple[int, int]],
    market_bids: Sequence[tuple[int, int]],
    market_offers: Sequence[tuple[int, int]],
    reference: int,
    tick: int,
) -> Uncrossing:
    """The auction price by the four steps above.

    `bids` and `offers` are the levels of the book, (limit price, quantity), best first; their prices are
    multiples of `tick`. `market_bids` and `market_offers` are (cap, quantity) of each market order: it buys
    at no price above, sells at no price below its cap. Quantities are above zero; `reference` is above
    zero and may lie off the grid.

    Takes time in the number of levels that trade, without market orders; with them, in the number of all
    levels. Never in the number of ticks between them.
    """
    if market_bids or market_offers:
        bids, offers = _with_market_orders(list(bids), list(offers), market_bids, market_offers, reference, tick)
    buys = iter(bids)
    sells = iter(offers)

    # Trade the two ladders against each other, best against best. What trades is the maximum volume, and
    # it trades at every price from that of the last sell reached to that of the last buy reached, for
    # demand and supply both cover it there, and one of them no longer does beyond.
    buy, left_to_buy = next(buys, BELOW_ALL)
    sell, left_to_sell = next(sells, ABOVE_ALL)
    volume = lowest = highest = 0
    while buy >= sell:
        assert not buy % tick and not sell % tick, "limits are multiples of the tick"
        lowest, highest = sell, buy
        quantity = min(left_to_buy, left_to_sell)
        volume += quantity
        left_to_buy -= quantity
        left_to_sell -= quantity
        if not left_to_buy:
            buy, left_to_buy = next(buys, BELOW_ALL)
            assert buy < highest, "bids come best first"
        if not left_to_sell:
            sell, left_to_sell = next(sells, ABOVE_ALL)
            assert sell > lowest, "offers come best first"
    if not volume:
        return NOTHING

    # What is left does not cross: `buy` is its best bid, `sell` its best offer. At the prices between the
    # two nothing is left over, so they have the minimum surplus, and no side presses.
    first = max(lowest, buy + tick)
    last = min(highest, sell - tick)
    if first <= last:
        return Uncrossing(_nearest(reference, first, last, tick), volume, 0)

    # No candidate balances. From `buy` down there is a surplus of bids, the smallest at `buy` itself; from
    # `sell` up there is one of offers, the smallest at `sell`. Either may lie beyond the prices that trade
    # the volume, but not both: then there would be a balanced price.
    if sell > highest or (buy >= lowest and left_to_buy < left_to_sell):
        return Uncrossing(buy, volume, left_to_buy)
    if buy < lowest or left_to_sell < left_to_buy:
        return Uncrossing(sell, volume, -left_to_sell)

    # Both sides press with the same surplus, each as far as its next level: the reference decides.
    first = max(lowest, next(buys, BELOW_ALL)[0] + tick)
    last = min(highest, next(sells, ABOVE_ALL)[0] - tick)
    price = _nearest(reference, first, last, tick)
    return Uncrossing(price, volume, left_to_buy if price <= buy else -left_to_sell)


def _nearest(reference: int, first: int, last: int, tick: int) -> int:
    """The multiple of the tick from `first` to `last` that is nearest to the reference; of two, the higher."""
    return min(max((2 * reference + tick) // (2 * tick) * tick, first), last)


def _with_market_orders(
    bids: list[tuple[int, int]],
    offers: list[tuple[int, int]],
    market_bids: Sequence[tuple[int, int]],
    market_offers: Sequence[tuple[int, int]],
    reference: int,
    tick: int,
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The ladders with each market order as a limit at its cap, but no further out than the candidates reach.

    So no price outside the candidates can cross. One whose cap ends before they begin is left at it: it
    crosses nothing.
    """
    limits = [levels[end][0] for levels in (bids, offers) if levels for end in (0, -1)]
    if not limits:
        limits = [_nearest(reference, tick, ABOVE_ALL[0], tick)]
    lowest = min(limits)
    highest = max(limits)

    demand = dict(bids)
    for cap, quantity in market_bids:
        price = min(cap // tick * tick, highest)
        demand[price] = demand.get(price, 0) + quantity
    supply = dict(offers)
    for cap, quantity in market_offers:
        price = max(-(-cap // tick) * tick, lowest)
        supply[price] = supply.get(price, 0) + quantity
    return sorted(demand.items(), reverse=True), sorted(supply.items())
