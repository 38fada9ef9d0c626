"""The auction price once more, slowly, by the sentences of the rule at every tick; it shares only the result with matching.auction.

    python -m tests.matching.naive_auction --books 1000000 --seed 7

compares the two over random books. Every run is a function of its seed and number of books.
"""

from __future__ import annotations

import argparse
import random
import time
from typing import NamedTuple

from matching.auction import Uncrossing, uncrossing

Levels = list[tuple[int, int]]


class Auction(NamedTuple):
    """What the auction price is a function of."""

    bids: Levels
    offers: Levels
    market_bids: Levels
    market_offers: Levels
    reference: int
    tick: int


def candidates(auction: Auction) -> list[int]:
    """Every multiple of the tick from the lowest to the highest limit; without limits, the one nearest to the reference."""
    limits = [price for price, _ in auction.bids + auction.offers]
    if limits:
        return [price for price in range(min(limits), max(limits) + 1) if price % auction.tick == 0]
    ticks = range(auction.tick, auction.reference + 2 * auction.tick, auction.tick)
    return [min(ticks, key=lambda price: (abs(price - auction.reference), -price))]


def at(auction: Auction, price: int) -> tuple[int, int]:
    """The volume that trades at a price, and the surplus that is left there."""
    demand = sum(quantity for limit, quantity in auction.bids + auction.market_bids if limit >= price)
    supply = sum(quantity for limit, quantity in auction.offers + auction.market_offers if limit <= price)
    return min(demand, supply), demand - supply


def naive_uncrossing(auction: Auction) -> tuple[Uncrossing, str]:
    """The auction price, and which sentence of the rule decided it."""
    volumes = {}
    surpluses = {}
    for price in candidates(auction):
        volumes[price], surpluses[price] = at(auction, price)

    most = max(volumes.values())
    if most == 0:
        return Uncrossing(0, 0, 0), "nothing trades"
    remaining = [price for price in volumes if volumes[price] == most]
    if len(remaining) == 1:
        decided = "volume"
    else:
        least = min(abs(surpluses[price]) for price in remaining)
        remaining = [price for price in remaining if abs(surpluses[price]) == least]
        if len(remaining) == 1:
            decided = "surplus"
        elif all(surpluses[price] > 0 for price in remaining):
            remaining, decided = [max(remaining)], "buy pressure"
        elif all(surpluses[price] < 0 for price in remaining):
            remaining, decided = [min(remaining)], "sell pressure"
        else:
            decided = "reference, balanced" if least == 0 else "reference, pressure on both sides"
            distance = min(abs(price - auction.reference) for price in remaining)
            remaining = [price for price in remaining if abs(price - auction.reference) == distance]
            if len(remaining) > 1:
                remaining, decided = [max(remaining)], "higher of two"
    [price] = remaining
    return Uncrossing(price, volumes[price], surpluses[price]), decided


DECISIONS = (
    "nothing trades", "volume", "surplus", "buy pressure", "sell pressure", "reference, balanced",
    "reference, pressure on both sides", "higher of two",
)  # fmt: skip


def random_auction(draw: random.Random, levels_max: int, prices_max: int, quantity_max: int) -> Auction:
    """A book of up to `levels_max` levels a side on a grid of up to `prices_max` prices: the smaller, the more ties.

    A third of them have the same quantity everywhere, a third have two quantities.
    """
    tick = draw.choice((1, 2, 5, 10))
    quantity_max = draw.choice((1, 2, quantity_max))
    lowest = draw.randint(1, 6)
    grid = range(lowest * tick, (lowest + draw.randint(1, prices_max)) * tick, tick)
    below, above = max(grid[0] - 3 * tick, 1), grid[-1] + 3 * tick

    def levels(side_max: int) -> Levels:
        prices = draw.sample(grid, draw.randint(0, min(side_max, len(grid))))
        return [(price, draw.randint(1, quantity_max)) for price in sorted(prices)]

    def market_orders(widest: int) -> Levels:
        """Half of the books have none; a third of the rest have the caps of a band that has moved since they came."""
        kind = draw.randrange(6)
        if kind < 3:
            return []
        caps = [widest if kind < 5 else draw.randint(below, above) for _ in range(draw.randint(1, 3))]
        return [(cap, draw.randint(1, 2 * quantity_max)) for cap in caps]

    sides = draw.randrange(20)
    anywhere = draw.randint(below, above)
    between_ticks = draw.choice(grid) + tick // 2
    return Auction(
        levels(levels_max)[::-1] if sides else [],
        levels(levels_max) if sides != 1 else [],
        market_orders(above),
        market_orders(below),
        draw.choice((anywhere, between_ticks)),
        tick,
    )


def compare(books: int, seed: int, levels_max: int = 4, prices_max: int = 8, quantity_max: int = 4) -> dict[str, int]:
    """Compare the two over random books; how many of them were decided by what."""
    draw = random.Random(seed)
    decisions = dict.fromkeys(DECISIONS, 0)
    for number in range(books):
        auction = random_auction(draw, levels_max, prices_max, quantity_max)
        expected, decided = naive_uncrossing(auction)
        found = uncrossing(*auction)
        if found != expected:
            raise AssertionError(
                f"book {number} of seed {seed}: {auction} uncrosses at {found}, but {decided} says {expected}. Again with: "
                f"python -m tests.matching.naive_auction --books {number + 1} --seed {seed}"
                f" --levels {levels_max} --prices {prices_max} --quantity {quantity_max}"
            )
        decisions[decided] += 1
    return decisions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--books", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--levels", type=int, default=4, help="of a side, at most")
    parser.add_argument("--prices", type=int, default=8, help="of the grid, at most")
    parser.add_argument("--quantity", type=int, default=4, help="of a level, at most")
    arguments = parser.parse_args()
    started = time.perf_counter()
    decisions = compare(arguments.books, arguments.seed, arguments.levels, arguments.prices, arguments.quantity)
    print(f"{arguments.books} books of seed {arguments.seed} agree in {time.perf_counter() - started:.1f} s: {decisions}")


if __name__ == "__main__":
    main()
