"""The auction price: worked examples of exchanges, the rule sentence by sentence, and random books against the naive auction."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from matching.auction import Uncrossing, uncrossing
from tests.matching import naive_auction
from tests.matching.naive_auction import Auction, at, candidates, compare, naive_uncrossing, random_auction

Levels = list[tuple[int, int]]

# Caps of market orders that no limit of these tests reaches: the examples of exchanges have none.
HIGH = 1_000_000
LOW = 1

NOTHING = Uncrossing(0, 0, 0)


class Example(NamedTuple):
    """A published example. Where the rule of this venue gives another price than the document, `there` is the document's."""

    source: str
    bids: Levels
    offers: Levels
    market_bids: int
    market_offers: int
    reference: int
    price: int
    volume: int
    surplus: int
    there: int | None = None


# The figures of Xetra and Euronext are as open projects have transcribed the documents into their tests (tinyEXCH in
# 2014, EuronextClone in 2012). Where a document names no reference price, there is one here that pulls the other way.

# Deutsche Börse, Xetra Market Model Equities, price determination in auctions, examples 1 to 7. Prices in euro; here
# with a tick of one euro. Candidates there are the limits only, here every tick between them, which makes the
# difference in examples 4 and 5: there is a price between the limits at which the book balances.
XETRA_4 = ([(199, 100)], [(202, 100)], 100, 100)
XETRA_5 = ([(202, 300), (201, 200)], [(198, 200), (199, 300)], 0, 0)
XETRA = [
    Example("1: one limit of highest volume", [(202, 200), (201, 200), (200, 300)],
            [(197, 400), (198, 200), (200, 100)], 0, 0, 202, 200, 700, 0),
    Example("2: several limits, surplus on the bid", [(202, 400), (201, 200)], [(198, 200), (199, 300)], 0, 0, 199, 201, 500, 100),
    Example("3: several limits, surplus on the ask", [(202, 300), (201, 200)], [(198, 200), (199, 400)], 0, 0, 201, 199, 500, -100),
    Example("4: surplus on both sides, reference 199", *XETRA_4, 199, 200, 100, 0, there=199),
    Example("4: surplus on both sides, reference 200", *XETRA_4, 200, 200, 100, 0, there=199),
    Example("5: no surplus, reference 200", *XETRA_5, 200, 200, 500, 0, there=201),
    Example("5: no surplus, reference 202", *XETRA_5, 202, 201, 500, 0),
    Example("5: no surplus, reference 198", *XETRA_5, 198, 199, 500, 0),
    Example("6: only market orders, reference 250", [], [], 900, 800, 250, 250, 800, 100),
    Example("7: nothing executable", [(200, 80), (199, 80)], [(201, 80)], 0, 0, 200, 0, 0, 0),
]  # fmt: skip

# Euronext, "Pure Market Order", call phase, examples 1 to 5. Prices in cents, reference 10.00. The
# market-to-limit orders of examples 1 and 2 enter a call as market orders do. In example 3, the price is the
# reference although it is no limit's: the seller at 9.98 gets 10.00 from the market order. Here the price stays
# within the limits in the book.
EURONEXT_1 = ([(1010, 90), (990, 10)], [(1008, 100), (1015, 60)])
EURONEXT = [
    Example("1: before the market order", *EURONEXT_1, 50, 40, 1000, 1008, 140, 0),
    Example("1: market order totally filled", *EURONEXT_1, 50 + 20, 40, 1000, 1010, 140, 20),
    Example("2: only market orders, sell surplus", [], [], 40, 45, 1000, 1000, 40, -5),
    Example("2: only market orders, buy surplus", [], [], 40 + 20, 45, 1000, 1000, 45, 15),
    Example("3: reference above the best limit", [], [(998, 40)], 40, 0, 1000, 998, 40, 0, there=1000),
    Example("4: best limit, below the reference", [], [(998, 41)], 40, 0, 1000, 998, 40, -1),
    Example("5: best limit, above the reference", [], [(1002, 40)], 40, 0, 1000, 1002, 40, 0),
]  # fmt: skip

# Australian Stock Exchange, the call auction of 18 March 2002 (principles 1 to 4), its worked example as it is given
# in the trading engine course of the University of New South Wales, appendix to session 3: volume is highest from
# 6.10 to 6.39, the surplus lowest from 6.35 to 6.39, between two limits, and it is on the buy side.
SYDNEY = [
    Example("principle 3: buy pressure", [(640, 500), (639, 1000), (634, 1000), (633, 500)],
            [(610, 1000), (640, 500), (641, 520), (642, 550), (643, 519)], 0, 0, 625, 639, 1000, 500),
]  # fmt: skip

# BNB Beacon Chain, documentation, "Match Steps and Examples". Example 5.2 differs: there, market pressure ends at
# five percent from the reference, and prices further away are taken from the other end. Here the price band bounds
# the auction, and not its third step.
BEACON_6 = ([(100, 25), (97, 25)], [(95, 25), (98, 25)], 0, 0)
BEACON = [
    Example("1: largest execution", [(100, 150), (98, 150)], [(97, 50), (98, 250)], 0, 0, 98, 98, 300, 0),
    Example("2: largest execution, not balanced", [(100, 150), (99, 50), (97, 300)], [(96, 100), (97, 200)],
            0, 0, 98, 97, 300, 200),
    Example("3: least surplus", [(102, 300), (100, 100), (99, 200), (98, 300)], [(96, 1000), (97, 250), (98, 250)],
            0, 0, 98, 96, 900, -100),
    Example("4: least surplus, further up", [(102, 30), (101, 10), (99, 50), (96, 15)], [(95, 50), (97, 50), (98, 10)],
            0, 0, 98, 97, 90, -10),
    Example("5.1: lowest of a sell surplus", [(102, 10), (97, 10)], [(95, 50)], 0, 0, 80, 95, 20, -30),
    Example("5.2: sell surplus, far below the reference", [(99, 10), (94, 10)], [(92, 50)], 0, 0, 100, 92, 20, -30, there=94),
    Example("6.1: both sides, reference 99", *BEACON_6, 99, 99, 25, -25),
    Example("6.2: both sides, reference 97", *BEACON_6, 97, 97, 25, 25),
]  # fmt: skip

EXAMPLES = [
    pytest.param(example, id=f"{document} {example.source}")
    for document, examples in (("Xetra", XETRA), ("Euronext", EURONEXT), ("ASX", SYDNEY), ("BNB Beacon Chain", BEACON))
    for example in examples
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_published_example(example: Example):
    market_bids = [(HIGH, example.market_bids)] if example.market_bids else []
    market_offers = [(LOW, example.market_offers)] if example.market_offers else []
    found = uncrossing(example.bids, example.offers, market_bids, market_offers, example.reference, 1)
    assert found == Uncrossing(example.price, example.volume, example.surplus)
    assert example.there != example.price, "an example that agrees names one price"


# The rule, sentence by sentence.


def cross(bids: Levels, offers: Levels, reference: int, tick: int = 1) -> Uncrossing:
    return uncrossing(bids, offers, [], [], reference, tick)


def test_first_the_most_volume_wherever_the_reference_is():
    for reference in (1, 100, 103, 1_000):
        assert cross([(103, 10), (101, 30)], [(99, 25), (102, 5)], reference) == Uncrossing(101, 25, 15)


def test_then_the_least_surplus():
    # 25 trade at any price from 100 to 102: with 15 bids over at 100 and 101, with 5 offers over at 102.
    assert cross([(102, 25), (101, 15)], [(100, 25), (102, 5)], 100) == Uncrossing(102, 25, -5)


def test_then_the_highest_where_bids_press_and_the_lowest_where_offers_press():
    assert cross([(105, 30)], [(101, 20)], 101) == Uncrossing(105, 20, 10)
    assert cross([(105, 20)], [(101, 30)], 105) == Uncrossing(101, 20, -10)


@pytest.mark.parametrize(("reference", "price"), [(1, 101), (101, 101), (103, 103), (105, 105), (900, 105)])
def test_then_the_reference_where_the_book_balances(reference: int, price: int):
    assert cross([(105, 20)], [(101, 20)], reference) == Uncrossing(price, 20, 0)


@pytest.mark.parametrize(
    ("reference", "price", "surplus"), [(90, 98, 5), (99, 99, 5), (100, 100, -5), (102, 102, -5), (110, 103, -5)]
)
def test_then_the_reference_where_both_sides_press_alike(reference: int, price: int, surplus: int):
    # 10 trade from 95 to 105. The 5 left to buy at 99 press from 98 up, those left to sell at 100 down from 103.
    bids = [(105, 10), (99, 5), (97, 1)]
    offers = [(95, 10), (100, 5), (104, 1)]
    assert cross(bids, offers, reference) == Uncrossing(price, 10, surplus)


@pytest.mark.parametrize(("reference", "price"), [(204, 200), (205, 210), (206, 210), (214, 210), (215, 220), (1, 200), (999, 220)])
def test_a_reference_off_the_grid_stands_for_the_nearest_tick_and_midway_for_the_higher(reference: int, price: int):
    assert cross([(220, 7)], [(200, 7)], reference, tick=10) == Uncrossing(price, 7, 0)


@pytest.mark.parametrize(
    ("bids", "offers"), [([], []), ([(100, 5)], []), ([], [(100, 5)]), ([(99, 5)], [(100, 5)]), ([(1, 5)], [(HIGH, 5)])]
)
def test_nothing_trades_where_nothing_crosses(bids: Levels, offers: Levels):
    assert cross(bids, offers, 100) == NOTHING


def test_a_bid_and_an_offer_of_one_price_trade_there():
    assert cross([(100, 5)], [(100, 8)], 90) == Uncrossing(100, 5, -3)


# Market orders.


def test_market_orders_alone_trade_at_the_reference():
    assert uncrossing([], [], [(120, 5)], [(80, 3)], 100, 1) == Uncrossing(100, 3, 2)
    assert uncrossing([], [], [(120, 5)], [(80, 3)], 103, 5) == Uncrossing(105, 3, 2)
    assert uncrossing([], [], [(120, 5)], [(1, 3)], 1, 5) == Uncrossing(5, 3, 2), "no price is lower than one tick"


@pytest.mark.parametrize(("buy_cap", "sell_cap"), [(99, 80), (120, 101), (99, 101)])
def test_market_orders_alone_do_not_trade_beyond_their_caps(buy_cap: int, sell_cap: int):
    assert uncrossing([], [], [(buy_cap, 5)], [(sell_cap, 3)], 100, 1) == NOTHING


def test_market_orders_of_one_side_alone_do_not_trade():
    assert uncrossing([], [], [(120, 5), (120, 2)], [], 100, 1) == NOTHING
    assert uncrossing([(100, 5)], [], [(120, 5)], [], 100, 1) == NOTHING


def test_a_market_order_trades_at_the_limits_it_meets():
    assert uncrossing([], [(100, 5), (104, 5)], [(120, 10)], [], 100, 1) == Uncrossing(104, 10, 0)
    assert uncrossing([(100, 5), (96, 5)], [], [], [(80, 10)], 100, 1) == Uncrossing(96, 10, 0)


def test_a_market_order_pays_no_more_than_its_cap():
    assert uncrossing([], [(100, 5), (104, 5)], [(103, 10)], [], 100, 1) == Uncrossing(103, 5, 5)
    assert uncrossing([(100, 5), (96, 5)], [], [], [(97, 10)], 100, 1) == Uncrossing(97, 5, -5)
    assert uncrossing([], [(100, 5), (104, 5)], [(99, 10)], [], 100, 1) == NOTHING


def test_a_cap_between_two_ticks_ends_at_the_tick_before_it():
    assert uncrossing([], [(100, 5), (140, 5)], [(129, 10)], [], 100, 10) == Uncrossing(120, 5, 5)
    assert uncrossing([(140, 5), (100, 5)], [], [], [(111, 10)], 100, 10) == Uncrossing(120, 5, -5)


def test_a_cap_is_no_candidate_beyond_the_limits():
    # Both market orders would trade at 110; the only price that a limit names is 100.
    assert uncrossing([(100, 1)], [], [(120, 5)], [(110, 5)], 110, 1) == NOTHING
    assert uncrossing([(100, 1)], [], [(120, 5)], [(80, 5)], 110, 1) == Uncrossing(100, 5, 1)


def test_the_order_of_market_orders_does_not_move_the_price():
    market_bids = [(103, 4), (101, 9), (120, 2)]
    market_offers = [(99, 3), (102, 6), (80, 1)]
    found = {
        uncrossing([(102, 3)], [(98, 2), (104, 5)], list(some), list(others), 100, 1)
        for some in itertools.permutations(market_bids)
        for others in itertools.permutations(market_offers)
    }
    assert found == {naive_uncrossing(Auction([(102, 3)], [(98, 2), (104, 5)], market_bids, market_offers, 100, 1))[0]}


# What it takes.


def test_the_distance_between_the_levels_costs_nothing():
    far = 10**18
    assert cross([(far, 5)], [(1, 5)], 10**9) == Uncrossing(10**9, 5, 0)
    assert uncrossing([(far, 5)], [(1, 5)], [(far, 1)], [(1, 1)], 10**9, 1) == Uncrossing(10**9, 6, 0)


def test_levels_that_do_not_trade_are_not_read():
    read: list[int] = []

    def levels(prices: range) -> Iterator[tuple[int, int]]:
        for price in prices:
            read.append(price)
            yield price, 10

    assert cross(levels(range(102, 0, -1)), levels(range(100, 1_000)), 100) == Uncrossing(101, 20, 0)
    assert sorted(read) == [100, 100, 101, 101, 102, 102]


@pytest.mark.parametrize(
    ("bids", "offers", "wrong"),
    [
        ([(100, 1), (101, 1)], [(90, 5)], "bids come best first"),
        ([(100, 5)], [(90, 1), (90, 1)], "offers come best first"),
        ([(103, 5)], [(90, 5)], "limits are multiples of the tick"),
    ],
)
def test_a_book_that_is_none_stops_the_program(bids: Levels, offers: Levels, wrong: str):
    with pytest.raises(AssertionError, match=wrong):
        cross(bids, offers, 100, tick=10 if "tick" in wrong else 1)


# Random books.


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_naive_auction_agrees_on_small_books_with_many_ties(seed: int):
    decisions = compare(25_000, seed)
    assert min(decisions.values()) >= 100, f"each sentence decides often enough: {decisions}"


def test_the_naive_auction_agrees_on_large_books():
    decisions = compare(300, 5, levels_max=150, prices_max=300, quantity_max=100)
    assert sum(decisions.values()) - decisions["nothing trades"] > 200


def random_auctions(seed: int, count: int) -> Iterator[Auction]:
    """Books of two sizes; the seed is in the name of the test that fails."""
    draw = random.Random(seed)
    for _ in range(count):
        yield random_auction(draw, 4, 8, 4)
        yield random_auction(draw, 12, 30, 20)


@pytest.mark.parametrize("seed", [11, 12])
def test_nowhere_does_more_trade_and_what_is_told_is_true(seed: int):
    for auction in random_auctions(seed, 2_000):
        found = uncrossing(*auction)
        volumes = [at(auction, price)[0] for price in candidates(auction)]
        assert found.volume == max(volumes), auction
        if found.volume:
            assert found.price in candidates(auction), auction
            assert (found.volume, found.surplus) == at(auction, found.price), auction


@pytest.mark.parametrize("seed", [13, 14])
def test_the_two_sides_are_treated_alike(seed: int):
    """Mirrored at a price, with bids as offers, an auction gives the mirrored price: only the last tie-break prefers a side."""
    for auction in random_auctions(seed, 2_000):
        if not (auction.bids or auction.offers) or naive_uncrossing(auction)[1] == "higher of two":
            continue
        price, volume, surplus = uncrossing(*auction)
        sides = (auction.bids, auction.offers, auction.market_bids, auction.market_offers)
        mirror = 1_000 * auction.tick
        offers, bids, market_offers, market_bids = ([(mirror - price, quantity) for price, quantity in side] for side in sides)
        mirrored = uncrossing(bids, offers, market_bids, market_offers, mirror - auction.reference, auction.tick)
        assert mirrored == (Uncrossing(mirror - price, volume, -surplus) if volume else NOTHING), auction


@pytest.mark.parametrize("seed", [15, 16])
def test_the_unit_of_price_and_of_quantity_do_not_matter(seed: int):
    for auction in random_auctions(seed, 2_000):
        price, volume, surplus = uncrossing(*auction)
        sides = (auction.bids, auction.offers, auction.market_bids, auction.market_offers)
        bids, offers, market_bids, market_offers = ([(7 * price, 100 * quantity) for price, quantity in side] for side in sides)
        scaled = uncrossing(bids, offers, market_bids, market_offers, 7 * auction.reference, 7 * auction.tick)
        assert scaled == Uncrossing(7 * price, 100 * volume, 100 * surplus), auction


@pytest.mark.parametrize("seed", [17, 18])
def test_a_market_order_at_the_end_of_the_limits_is_a_limit_order_there(seed: int):
    for auction in random_auctions(seed, 2_000):
        limits = [price for price, _ in auction.bids + auction.offers]
        if not limits:
            continue
        market_bids = [(max(limits), 3)]
        market_offers = [(min(limits), 2)]
        bids = sorted({**dict(auction.bids), max(limits): dict(auction.bids).get(max(limits), 0) + 3}.items(), reverse=True)
        offers = sorted({**dict(auction.offers), min(limits): dict(auction.offers).get(min(limits), 0) + 2}.items())
        with_market_orders = uncrossing(auction.bids, auction.offers, market_bids, market_offers, auction.reference, auction.tick)
        assert with_market_orders == cross(bids, offers, auction.reference, auction.tick), auction


def test_a_book_that_differs_is_told_with_the_command_that_runs_it_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(naive_auction, "uncrossing", lambda *auction: NOTHING)
    with pytest.raises(AssertionError, match=r"naive_auction --books \d+ --seed 3 --levels 4 --prices 8 --quantity 4$"):
        compare(100, 3)
