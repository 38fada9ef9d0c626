"""The auction price once more, slow and straight from the four sentences; it shares nothing with matching.auction but the result's name.

    python -m tests.matching.naive_auction --books 1000000 --seed 7

compares the two over random books. Every run is a function of its seed and number of books.
"""

from __future__ import annotations

import argparse
import random
import time
from fractions import Fraction
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


def naive_uncrossing(auction: Auction) -> Uncrossing:
    book = {price: at(auction, price) for price in candidates(auction)}
    most = max(volume for volume, _ in book.values())
    if most == 0:
        return Uncrossing(0, 0, 0)
    book = {price: (volume, surplus) for price, (volume, surplus) in book.items() if volume == most}
    least = min(abs(surplus) for _, surplus in book.values())
    book = {price: (volume, surplus) for price, (volume, surplus) in book.items() if abs(surplus) == least}
    if all(surplus > 0 for _, surplus in book.values()):
        price = max(book)
    elif all(surplus < 0 for _, surplus in book.values()):
        price = min(book)
    else:
        price = min(book, key=lambda price: (abs(price - auction.reference), -price))
    return Uncrossing(price, *book[price])


def random_auction(draw: random.Random, levels_max: int, prices_max: int, quantity_max: int) -> Auction:
    """A book of up to `levels_max` levels a side on a grid of up to `prices_max` prices: the smaller, the more ties."""
    tick = draw.choice((1, 1, 1, 2, 5, 10))
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
    return Auction(
        levels(levels_max)[::-1] if sides else [],
        levels(levels_max) if sides != 1 else [],
        market_orders(above),
        market_orders(below),
        draw.randint(below, above),
        tick,
    )


def midway(auction: Auction) -> bool:
    """Whether the reference is as near to one tick as to the next."""
    return Fraction(auction.reference, auction.tick) % 1 == Fraction(1, 2)


def compare(books: int, seed: int, levels_max: int = 4, prices_max: int = 8, quantity_max: int = 4) -> dict[str, int]:
    """Compare the two over random books; how many of them had what."""
    draw = random.Random(seed)
    seen = dict.fromkeys(("trade", "balanced", "buy surplus", "sell surplus", "reference midway", "no limits"), 0)
    for number in range(books):
        auction = random_auction(draw, levels_max, prices_max, quantity_max)
        expected = naive_uncrossing(auction)
        found = uncrossing(*auction)
        if found != expected:
            raise AssertionError(
                f"book {number} of seed {seed}: {auction} uncrosses at {found}, the naive auction says {expected}. Again with: "
                f"python -m tests.matching.naive_auction --books {number + 1} --seed {seed}"
                f" --levels {levels_max} --prices {prices_max} --quantity {quantity_max}"
            )
        if expected.volume:
            seen["trade"] += 1
            side = "balanced" if expected.surplus == 0 else "buy surplus" if expected.surplus > 0 else "sell surplus"
            seen[side] += 1
            seen["reference midway"] += midway(auction)
            seen["no limits"] += not auction.bids and not auction.offers
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--books", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--levels", type=int, default=4, help="of a side, at most")
    parser.add_argument("--prices", type=int, default=8, help="of the grid, at most")
    parser.add_argument("--quantity", type=int, default=4, help="of a level, at most")
    arguments = parser.parse_args()
    started = time.perf_counter()
    seen = compare(arguments.books, arguments.seed, arguments.levels, arguments.prices, arguments.quantity)
    print(f"{arguments.books} books of seed {arguments.seed} agree in {time.perf_counter() - started:.1f} s: {seen}")


if __name__ == "__main__":
    main()
