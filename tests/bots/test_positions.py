"""A participant's view of his orders, cash and holdings follows the reports, whichever of them come, come twice or are missed."""

import pytest

from fixserver.positions import Positions, Terms
from matching.messages import MONEY_UNIT
from tests.bots.naive_venue import Venue

SHARE = Terms("AAPL", 2, 0, 1, 1, 1_000_000, 19_000, 9_500, 28_500)
COIN = Terms("BTCUSD", 2, 8, 1, 1, 10**12, 23_600, 2_360, 44_840)


def positions(cash: int = 10_000, **holdings: int) -> Positions:
    return Positions("NOISE1", {"AAPL": SHARE, "BTCUSD": COIN}, cash * MONEY_UNIT, dict(holdings))


class Trading:
    """A view and the venue that answers it."""

    def __init__(self, **holdings: int) -> None:
        self.venue, self.mine = Venue(), positions(**holdings)

    def enter(self, side: str, price: int, quantity: int, symbol: str = "AAPL") -> str:
        self.venue.take(0, "D", self.mine.enter("", symbol, side, price, quantity, "0", 0))
        return next(reversed(self.mine.orders))

    def other(self, side: str, price: str, quantity: str, symbol: str = "AAPL") -> None:
        body = f"11=x{len(self.venue.received)}\x0155={symbol}\x0154={side}\x0138={quantity}\x0144={price}\x0159=0\x01"
        self.venue.take(1, "D", body)

    def arrive(self, lost: int = 0) -> list:
        reports = [message for owner, message in self.venue.take_answers() if owner == 0][lost:]
        fills = [self.mine.take(message) for message in reports]
        self.mine._check()
        return [(f.side, f.price, f.quantity) for f in fills if f]


def test_an_order_is_reserved_from_the_moment_it_is_sent():
    mine = positions(AAPL=5)
    mine.enter("", "AAPL", "1", 19_000, 10, "0", 0)
    mine.enter("", "AAPL", "2", 20_000, 3, "0", 0)
    assert mine.available_cash() == (10_000 - 1_900) * MONEY_UNIT
    assert mine.available("AAPL") == 2


def test_fills_move_cash_and_holdings():
    t = Trading()
    t.other("2", "190.00", "4")
    t.enter("1", 19_000, 10)
    assert t.arrive() == [("1", 19_000, 4)]
    assert (t.mine.cash, t.mine.holdings) == ((10_000 - 760) * MONEY_UNIT, {"AAPL": 4})
    t.other("2", "190.00", "6")
    assert t.arrive() == [("1", 19_000, 6)]
    assert (t.mine.cash, t.mine.holdings, t.mine.orders) == ((10_000 - 1_900) * MONEY_UNIT, {"AAPL": 10}, {})


def test_a_coin_with_eight_decimals_is_exact():
    t = Trading()
    t.other("2", "236.47", "1.00000001", "BTCUSD")
    t.enter("1", 23_647, 100_000_001, "BTCUSD")
    t.arrive()
    assert t.mine.cash == 10_000 * MONEY_UNIT - 23_647 * 100_000_001
    assert t.mine.holdings == {"BTCUSD": 100_000_001}


def test_fees_are_taken_by_role():
    t = Trading()
    t.mine.maker_fee_ppm, t.mine.taker_fee_ppm = 100, 1_000
    t.other("2", "100.00", "1")
    t.enter("1", 10_000, 2)
    t.other("2", "100.00", "1")
    t.arrive()
    assert t.mine.cash == 10_000 * MONEY_UNIT - 200 * MONEY_UNIT - MONEY_UNIT // 10 - MONEY_UNIT // 100


def test_a_report_that_comes_again_changes_nothing():
    t = Trading()
    t.other("2", "190.00", "4")
    t.enter("1", 19_000, 10)
    reports = [message for owner, message in t.venue.take_answers() if owner == 0]
    for message in reports + reports:
        t.mine.take({**message, "97": "Y"})
    assert (t.mine.cash, t.mine.holdings, t.mine.tally.fills) == ((10_000 - 760) * MONEY_UNIT, {"AAPL": 4}, 1)


def test_missed_fills_are_made_up_for_by_the_next_report():
    t = Trading()
    t.enter("1", 19_000, 10)
    t.arrive()
    t.other("2", "180.00", "3")
    t.other("2", "190.00", "3")
    t.other("2", "189.00", "1")
    assert t.arrive(lost=2) == [("1", 19_000, 7)]
    assert (t.mine.cash, t.mine.holdings) == ((10_000 - 7 * 190) * MONEY_UNIT, {"AAPL": 7})


def test_a_replace_keeps_what_was_executed_and_changes_the_name():
    t = Trading()
    reference = t.enter("1", 19_000, 10)
    t.other("2", "190.00", "4")
    t.arrive()
    order = t.mine.orders[reference]
    t.venue.take(0, "G", t.mine.replace(order, 18_900, 9))
    assert not order.is_settled
    t.arrive()
    assert [(o.reference, o.price, o.quantity, o.leaves) for o in t.mine.orders.values()] == [("b-2", 18_900, 9, 5)]
    assert order.is_settled


def test_a_cancel_ends_the_order_and_frees_what_it_held():
    t = Trading()
    order = t.mine.orders[t.enter("1", 19_000, 10)]
    t.arrive()
    t.venue.take(0, "F", t.mine.cancel(order))
    t.arrive()
    assert (t.mine.orders, t.mine.available_cash()) == ({}, 10_000 * MONEY_UNIT)


def test_a_cancel_that_came_too_late_ends_the_order_too():
    t = Trading()
    order = t.mine.orders[t.enter("1", 19_000, 10)]
    t.arrive()
    t.other("2", "190.00", "10")
    t.venue.take(0, "F", t.mine.cancel(order))
    t.arrive()
    assert (t.mine.orders, t.mine.holdings, t.mine.tally.cancel_rejects) == ({}, {"AAPL": 10}, 0)


def test_a_rejected_order_is_gone_and_the_venue_is_believed_about_the_cash():
    t = Trading()
    t.venue.refuse["D"] = {"35": "8", "150": "8", "39": "8", "103": "25", "58": "not enough cash"}
    t.enter("1", 19_000, 50)
    t.arrive()
    assert (t.mine.orders, t.mine.tally.rejects, t.mine.tally.last_reject) == ({}, 1, "not enough cash")
    assert t.mine.cash == 9_500 * MONEY_UNIT - 1


def test_the_venue_is_believed_about_the_shares():
    t = Trading(AAPL=50)
    t.venue.refuse["D"] = {"35": "8", "150": "8", "39": "8", "103": "25"}
    t.enter("2", 19_000, 30)
    t.arrive()
    assert t.mine.available("AAPL") == 29


def test_a_throttled_order_is_gone():
    t = Trading()
    t.venue.refuse["D"] = {"35": "j", "380": "8", "379": "b-1", "58": "at most 100 a second"}
    t.enter("1", 19_000, 1)
    t.arrive()
    assert (t.mine.orders, t.mine.tally.rejects) == ({}, 1)


# ------------------------------------------------------------------------------------- after a lost connection


def asked(t: Trading) -> None:
    """Nothing of what was answered so far arrives; the view asks."""
    t.venue.answers.clear()
    for body in t.mine.questions():
        t.venue.take(0, "H", body)
    assert t.mine.asked
    t.arrive()
    assert not t.mine.asked


def test_an_order_that_never_arrived_is_dropped():
    t = Trading()
    t.mine.enter("", "AAPL", "1", 19_000, 10, "0", 0)
    asked(t)
    assert (t.mine.orders, t.mine.available_cash()) == ({}, 10_000 * MONEY_UNIT)


def test_an_order_whose_reports_were_lost_is_known_again():
    t = Trading()
    reference = t.enter("1", 19_000, 10)
    t.other("2", "180.00", "4")
    asked(t)
    order = t.mine.orders[reference]
    assert (order.acknowledged, order.leaves, t.mine.holdings) == (True, 6, {"AAPL": 4})


def test_an_order_that_was_filled_meanwhile_is_booked_and_over():
    t = Trading()
    t.enter("1", 19_000, 10)
    t.arrive()
    t.other("2", "190.00", "10")
    asked(t)
    assert (t.mine.orders, t.mine.holdings, t.mine.cash) == ({}, {"AAPL": 10}, 8_100 * MONEY_UNIT)


@pytest.mark.parametrize("arrived", [True, False])
def test_a_replace_that_was_on_its_way_is_found_out_about(arrived):
    t = Trading()
    order = t.mine.orders[t.enter("1", 19_000, 10)]
    t.arrive()
    body = t.mine.replace(order, 18_900, 8)
    if arrived:
        t.venue.take(0, "G", body)
    asked(t)
    expected = ("b-2", 18_900, 8, "") if arrived else ("b-1", 19_000, 10, "")
    assert [(o.reference, o.price, o.quantity, o.pending) for o in t.mine.orders.values()] == [expected]


@pytest.mark.parametrize("arrived", [True, False])
def test_a_cancel_that_was_on_its_way_is_found_out_about(arrived):
    t = Trading()
    order = t.mine.orders[t.enter("1", 19_000, 10)]
    t.arrive()
    body = t.mine.cancel(order)
    if arrived:
        t.venue.take(0, "F", body)
    asked(t)
    assert [(o.reference, o.pending) for o in t.mine.orders.values()] == ([] if arrived else [("b-1", "")])


# ------------------------------------------------------------------------------------ what the venue takes back


def amended(exec_type: str, execution: str, **more: str) -> dict[str, str]:
    names = {"11": "b-1", "17": f"{execution}X", "19": execution}
    return {"35": "8", "150": exec_type, "39": "1", **names, "14": "0", "6": "0", **more}


def filled(side: str, *, quantity: int = 10) -> tuple[Trading, str]:
    """An order of 10 at 190.00, of which `quantity` is filled; and the ExecID of that."""
    t = Trading(AAPL=20)
    t.mine.maker_fee_ppm = t.mine.taker_fee_ppm = 1_000
    t.other("2" if side == "1" else "1", "190.00", str(quantity))
    t.enter(side, 19_000, 10)
    t.arrive()
    return t, next(iter(t.mine._fills))


@pytest.mark.parametrize("side", ["1", "2"])
def test_a_fill_that_is_taken_back_leaves_nothing_behind(side):
    t, execution = filled(side)
    fee = 19 * MONEY_UNIT // 10
    assert t.mine.cash == (10_000 + (1_900 if side == "2" else -1_900)) * MONEY_UNIT - fee
    assert t.mine.take(amended("H", execution)) is None
    assert (t.mine.cash, t.mine.holdings) == (10_000 * MONEY_UNIT, {"AAPL": 20})
    t.mine.take(amended("H", execution))  # it comes again
    t.mine.take(amended("H", "unknown"))
    assert (t.mine.cash, t.mine.holdings) == (10_000 * MONEY_UNIT, {"AAPL": 20})


def test_what_is_taken_back_does_not_become_open_again():
    t, execution = filled("1", quantity=4)
    (order,) = t.mine.orders.values()
    t.mine.take(amended("H", execution))
    t.mine._check()
    assert (order.executed, order.busted, order.leaves) == (0, 4, 6)
    assert t.mine.available_cash() == (10_000 - 6 * 190) * MONEY_UNIT


def test_a_correction_takes_the_place_of_the_fill():
    t, execution = filled("1")
    for _ in range(2):  # it comes twice
        t.mine.take(amended("G", execution, **{"31": "180.00", "32": "5"}))
        assert (t.mine.cash, t.mine.holdings) == (10_000 * MONEY_UNIT - 9_009 * MONEY_UNIT // 10, {"AAPL": 25})
    t.mine.take(amended("H", execution))
    assert (t.mine.cash, t.mine.holdings) == (10_000 * MONEY_UNIT, {"AAPL": 20})


def test_an_order_that_was_made_smaller_unasked_is_smaller():
    t = Trading()
    t.enter("1", 19_000, 10)
    t.arrive()
    (order,) = t.mine.orders.values()
    body = t.mine.replace(order, 18_900, 12)
    report = {"35": "8", "150": "D", "39": "0", "11": order.reference, "17": "9", "38": "7", "44": "190.00", "14": "0", "6": "0"}
    t.mine.take({**report, "151": "7"})
    assert (order.quantity, order.leaves, order.pending != "") == (7, 7, True), "the change that is asked for is still to come"
    assert "38=12" in body


def test_a_split_changes_an_order_and_is_no_fill():
    """What was executed counts other units now; what it came to, and the cash, are what they were."""
    t = Trading()
    t.other("2", "190.00", "4")
    reference = t.enter("1", 19_000, 10)
    t.arrive()
    said = {"35": "8", "11": reference, "150": "D", "39": "1", "378": "0", "38": "20", "44": "95.00"}
    said |= {"14": "8", "151": "12", "6": "95"}
    assert t.mine.take(said) is None
    [order] = t.mine.orders.values()
    assert (order.price, order.quantity, order.executed, order.leaves, order.value) == (9_500, 20, 8, 12, 76_000)
    assert t.mine.cash == (10_000 - 760) * MONEY_UNIT


def test_who_has_fees_of_his_own_pays_those():
    t = Trading()
    t.mine.taker_fee_ppm = 1_000
    t.mine.fees = {"": (0, 500), "BTCUSD": (0, 0)}
    t.other("2", "100.00", "1")
    t.enter("1", 10_000, 1)
    t.other("2", "100.00", "1", "BTCUSD")
    t.enter("1", 10_000, 10**8, "BTCUSD")
    t.arrive()
    assert t.mine.cash == 9_800 * MONEY_UNIT - MONEY_UNIT // 20


def test_of_an_order_that_is_asked_about_what_was_taken_back_is_not_open():
    t = Trading()
    t.enter("1", 19_000, 10)
    t.arrive()
    (order,) = t.mine.orders.values()
    t.mine.questions()
    report = {"35": "8", "150": "I", "39": "1", "11": order.reference, "17": "S1", "38": "10", "14": "2", "151": "5", "6": "190.00"}
    t.mine.take(report)
    assert (order.executed, order.busted, order.leaves) == (2, 3, 5)
