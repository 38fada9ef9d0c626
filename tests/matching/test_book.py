"""The book alone: random entries and removals, checked after each, against a sorted list."""

import random

import pytest

from matching.book import OPEN, BookSide, Order
from matching.instruments import decimal_text
from matching.messages import BUY, SELL, Side


def resting(price: int) -> Order:
    """What a book looks at of an order, and nothing else."""
    order: Order = object.__new__(Order)
    order.price, order.leaves, order.ended = price, 1, OPEN
    order.level = order.older = order.newer = None
    return order


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("prices", [1, 7, 400])
def test_a_side_is_ordered_by_price_then_age(side: Side, prices: int):
    chance = random.Random(prices)
    book = BookSide(side)
    expected: list[tuple[int, int, Order]] = []  # rank of the price, age, order
    for age in range(1_500):
        if expected and chance.random() < 0.45:
            book.remove(expected.pop(chance.randrange(len(expected)))[2])
        else:
            price = 1_000 + chance.randrange(prices)
            order = resting(price)
            book.add(order, price)
            expected.append((-price if side == BUY else price, age, order))
            expected.sort(key=lambda entry: entry[:2])
        book.check()
        assert [order for level in book for order in level] == [order for _, _, order in expected]
        assert (book.best.price if book.best else None) == (expected[0][2].price if expected else None)


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(18950, 2, "189.50"), (0, 2, "0.00"), (5, 2, "0.05"), (-5, 2, "-0.05"), (-18950, 2, "-189.50"), (7, 0, "7")],
)
def test_units_as_a_person_writes_them(units: int, decimals: int, text: str):
    assert decimal_text(units, decimals) == text
