"""The book alone: random entries and removals, checked after each, against a sorted list."""

import random
from typing import Any

import pytest

from matching.book import BookSide, Order
from matching.instruments import decimal_text
from matching.messages import BUY, DAY, LIMIT, SELL, Side


def resting(price: int) -> Order:
    """What a book looks at of an order; the rest is nobody's."""
    nobody: Any = None
    return Order(
        0, nobody, "", "", nobody, nobody, nobody, nobody, BUY, LIMIT, DAY, price, 1, 0, "", 0, "", False, price, 0, None, leaves=1
    )


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
