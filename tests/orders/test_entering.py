"""Entering orders (D): what is reported, field by field, on every version."""

from __future__ import annotations

from tests.orders.desk import BUY, SELL, Desk

BUY_10 = "54=1|38=10|40=2|44=100.00|59=0"
SELL_10 = "54=2|38=10|40=2|44=100.00|59=0"


def test_an_order_that_meets_nobody_rests(desk: Desk) -> None:
    desk.a.enter("A1", BUY, 10, "100.00")
    assert desk.a.told() == [desk.report("new", "#1", "A1", BUY_10, "10/0@0")]
