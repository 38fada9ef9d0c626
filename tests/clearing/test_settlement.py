"""What settlement, corporate actions and allocations post. The same rules hold in SQLite and in PostgreSQL."""

from __future__ import annotations

import pytest

from clearing.ledger import Ledger
from clearing.postings import LedgerRefused
from matching.messages import (
    MONEY_UNIT,
    AccountDefined,
    BalanceChanged,
    BoughtIn,
    DayRolled,
    DividendCredited,
    DividendPaid,
    Event,
    FailReason,
    HoldingSplit,
    InstrumentSplit,
    MarginCalled,
    MarginCallEnded,
    ObligationNetted,
    ObligationSplit,
    ReferenceSet,
    Settled,
    SettlementFailed,
    SettlementSet,
    Share,
    TradeAllocated,
)
from tests.clearing.test_postings import CENT, OPENING, bust, correction, trade
from tests.clearing.venue import named_balances, named_postings, record, rows

USD = MONEY_UNIT
VALUE = 1_895 * USD  # of 10 AAPL at 189.50

# Events 7 to 9: trades are settled a day later from now on, on 2 January, and ALICE buys 10 AAPL of BOB.
LATER: list[Event] = [
    SettlementSet(7, 1, True, 2, 50_000, True, "operator eve"),
    DayRolled(8, "20260102", 0),
    trade(9, fees=(20 * CENT, 60 * CENT)),
]

# Events 10 to 13, in the evening: what each is to deliver, to receive and to pay.
NETTING: list[Event] = [
    DayRolled(10, "20260105", 0),
    ObligationNetted(11, "", "AAPL", 0, 18950, str(80 * CENT), "20260102", 2),
    ObligationNetted(12, "ALICE", "AAPL", 10, 18950, str(-60 * CENT), "20260102", 2),
    ObligationNetted(13, "BOB", "AAPL", -10, 18950, str(-20 * CENT), "20260102", 2),
]


def settled(seq: int, obligation: int, account: str, quantity: int, money: int, left: tuple[int, int] = (0, 0)) -> Settled:
    """So many of an obligation at 189.50."""
    value = -quantity * 18950 * CENT
    return Settled(seq, obligation, account, "AAPL", quantity, str(value), str(money), left[0], str(left[1]))


# Events 14 to 17, in the evening after: everything is delivered and paid.
SETTLEMENT: list[Event] = [
    DayRolled(14, "20260106", 0),
    settled(15, 11, "", 0, 80 * CENT),
    settled(16, 12, "ALICE", 10, -60 * CENT),
    settled(17, 13, "BOB", -10, -20 * CENT),
]


def test_a_trade_that_is_settled_later_moves_between_the_twins(ledger: Ledger) -> None:
    ledger.post([record(OPENING), record(LATER)])
    assert named_postings(ledger)[2:] == [
        (9, 1, "ALICE due", "@clearing due", "USD", VALUE),
        (9, 2, "@clearing due", "BOB due", "USD", VALUE),
        (9, 3, "BOB due", "@clearing due", "AAPL", 10),
        (9, 4, "@clearing due", "ALICE due", "AAPL", 10),
        (9, 5, "BOB due", "@fees due", "USD", 20 * CENT),
        (9, 6, "ALICE due", "@fees due", "USD", 60 * CENT),
    ]
    assert named_balances(ledger) == {
        ("@outside", "USD"): -100_000 * USD,
        ("@outside", "AAPL"): -500,
        ("@fees due", "USD"): 80 * CENT,
        ("ALICE", "USD"): 100_000 * USD,
        ("ALICE due", "USD"): -VALUE - 60 * CENT,
        ("ALICE due", "AAPL"): 10,
        ("BOB", "AAPL"): 500,
        ("BOB due", "USD"): VALUE - 20 * CENT,
        ("BOB due", "AAPL"): -10,
    }


def test_netting_moves_nothing_and_is_kept(ledger: Ledger) -> None:
    ledger.post([record(OPENING), record(LATER)])
    before = named_balances(ledger)
    ledger.post([record(NETTING, time=2_000)])
    found = rows(ledger.engine)
    assert named_balances(ledger) == before
    assert found["obligations"] == [
        (11, 2_000, 2, 2, "20260102", 2, 0, 18950, 80 * CENT, 1, 0, 80 * CENT, 0, None, 11),
        (12, 2_000, 4, 2, "20260102", 2, 10, 18950, -60 * CENT, 1, 10, -60 * CENT, 0, None, 12),
        (13, 2_000, 5, 2, "20260102", 2, -10, 18950, -20 * CENT, 1, -10, -20 * CENT, 0, None, 13),
    ]
    assert found["terms"] == [(7, 1_000, 1, True, 2, 50_000, True, "operator eve")]
    assert found["days"] == [(8, "20260102", 1_000, 8), (10, "20260105", 2_000, 14)]


def test_what_is_settled_goes_through_the_clearing_house_and_is_due_no_more(ledger: Ledger) -> None:
    ledger.post([record(OPENING), record(LATER), record(NETTING), record(SETTLEMENT, time=3_000)])
    assert named_postings(ledger)[8:] == [
        (15, 23, "@clearing", "@fees", "USD", 80 * CENT),
        (15, 33, "@fees due", "@clearing due", "USD", 80 * CENT),
        (16, 21, "@clearing", "ALICE", "AAPL", 10),
        (16, 22, "ALICE", "@clearing", "USD", VALUE),
        (16, 23, "ALICE", "@clearing", "USD", 60 * CENT),
        (16, 31, "ALICE due", "@clearing due", "AAPL", 10),
        (16, 32, "@clearing due", "ALICE due", "USD", VALUE),
        (16, 33, "@clearing due", "ALICE due", "USD", 60 * CENT),
        (17, 21, "BOB", "@clearing", "AAPL", 10),
        (17, 22, "@clearing", "BOB", "USD", VALUE),
        (17, 23, "BOB", "@clearing", "USD", 20 * CENT),
        (17, 31, "@clearing due", "BOB due", "AAPL", 10),
        (17, 32, "BOB due", "@clearing due", "USD", VALUE),
        (17, 33, "@clearing due", "BOB due", "USD", 20 * CENT),
    ]
    assert named_balances(ledger) == {
        ("@outside", "USD"): -100_000 * USD,
        ("@outside", "AAPL"): -500,
        ("@fees", "USD"): 80 * CENT,
        ("ALICE", "USD"): 100_000 * USD - VALUE - 60 * CENT,
        ("ALICE", "AAPL"): 10,
        ("BOB", "USD"): VALUE - 20 * CENT,
        ("BOB", "AAPL"): 490,
    }
    found = rows(ledger.engine)
    assert [row[:1] + row[10:] for row in found["obligations"]] == [
        (11, 0, 0, 0, None, 15),
        (12, 0, 0, 0, None, 16),
        (13, 0, 0, 0, None, 17),
    ]
    assert found["outcomes"] == [
        (15, 11, 3_000, "20260105", "settled", 0, 0, 80 * CENT, 0, 0, 0, None, None, None, False),
        (16, 12, 3_000, "20260105", "settled", 10, -VALUE, -60 * CENT, 0, 0, 0, None, None, None, False),
        (17, 13, 3_000, "20260105", "settled", -10, VALUE, -20 * CENT, 0, 0, 0, None, None, None, False),
    ]
    assert found["transactions"][-3:] == [
        (15, 3_000, "settlement", 2, 18950, 0, None, None),
        (16, 3_000, "settlement", 2, 18950, 10, None, None),
        (17, 3_000, "settlement", 2, 18950, 10, None, None),
    ]
    assert ledger.books.obligations == {}


PARTLY: list[Event] = [
    DayRolled(14, "20260106", 0),
    settled(15, 12, "ALICE", 4, 0, (6, -60 * CENT)),
    settled(16, 13, "BOB", -4, 0, (-6, -20 * CENT)),
    SettlementFailed(17, 11, "", "AAPL", 0, str(80 * CENT), 1, FailReason.COUNTERPARTY),
    SettlementFailed(18, 12, "ALICE", "AAPL", 6, str(-60 * CENT), 1, FailReason.COUNTERPARTY),
    SettlementFailed(19, 13, "BOB", "AAPL", -6, str(-20 * CENT), 1, FailReason.NO_SECURITIES),
]


def test_what_fails_is_kept_with_its_reason_and_its_days(ledger: Ledger) -> None:
    """Also when the ledger was loaded anew between any two batches."""
    for events in (OPENING, LATER, NETTING, PARTLY):
        ledger.post([record(events)])
        ledger.load()
    found = rows(ledger.engine)
    assert [row[:1] + row[10:] for row in found["obligations"]] == [
        (11, 0, 80 * CENT, 1, 4, 17),
        (12, 6, -60 * CENT, 1, 4, 18),
        (13, -6, -20 * CENT, 1, 1, 19),
    ]
    assert [(row[0], row[1], *row[3:6], *row[8:12]) for row in found["outcomes"]] == [
        (15, 12, "20260105", "settled", 4, 6, -60 * CENT, 0, None),
        (16, 13, "20260105", "settled", -4, -6, -20 * CENT, 0, None),
        (17, 11, "20260105", "failed", 0, 0, 80 * CENT, 1, 4),
        (18, 12, "20260105", "failed", 0, 6, -60 * CENT, 1, 4),
        (19, 13, "20260105", "failed", 0, -6, -20 * CENT, 1, 1),
    ]
    balances = named_balances(ledger)
    assert (balances["BOB due", "AAPL"], balances["ALICE due", "AAPL"], balances["ALICE", "AAPL"]) == (-6, 6, 4)


@pytest.mark.parametrize("money", [57 * USD, -57 * USD])
def test_a_buy_in_is_over_for_both_and_moves_the_money_alone(ledger: Ledger, money: int) -> None:
    """Six that were not delivered at 189.50."""
    value = 6 * 18950 * CENT
    buy_in = BoughtIn(20, 13, "BOB", 12, "ALICE", "AAPL", 6, 19000, str(value), str(money), "securities")
    ledger.post([record(events) for events in (OPENING, LATER, NETTING)] + [record([*PARTLY, buy_in])])
    payer, payee = ("BOB", "ALICE") if money > 0 else ("ALICE", "BOB")
    assert named_postings(ledger)[-6:] == [
        (20, 41, payer, "@clearing", "USD", 57 * USD),
        (20, 42, "@clearing", payee, "USD", 57 * USD),
        (20, 43, "ALICE due", "@clearing due", "AAPL", 6),
        (20, 44, "@clearing due", "BOB due", "AAPL", 6),
        (20, 45, "BOB due", "@clearing due", "USD", value),
        (20, 46, "@clearing due", "ALICE due", "USD", value),
    ]
    balances = named_balances(ledger)
    assert {key: amount for key, amount in balances.items() if "due" in key[0]} == {
        ("@fees due", "USD"): 80 * CENT,
        ("ALICE due", "USD"): -60 * CENT,
        ("BOB due", "USD"): -20 * CENT,
    }
    assert balances["BOB", "AAPL"] == 496
    assert rows(ledger.engine)["outcomes"][-2:] == [
        (20, 12, 1_000, "20260105", "bought in", 6, -value, money, 0, -60 * CENT, 1, None, 19000, 13, False),
        (20, 13, 1_000, "20260105", "bought in", -6, value, -money, 0, -20 * CENT, 1, None, 19000, 12, True),
    ]
    assert rows(ledger.engine)["transactions"][-1] == (20, 1_000, "buy-in", 2, 19000, 6, None, None)


def test_busts_and_corrections_are_in_the_bucket_of_their_trade(ledger: Ledger) -> None:
    """A trade that was settled at once stays so, whatever is in force when it is taken back; and after a restart too."""
    at_once = [*OPENING, trade(7), SettlementSet(8, 2, True, 0, 0, True), trade(9), SettlementSet(10, 0, True, 0, 0, False)]
    ledger.post([record(at_once)])
    ledger.load()
    ledger.post([record([bust(11, 7), correction(12, 9, (18950, 10, 0, 0), (18900, 4, 0, 1)), bust(13, 9, 18900, 4, (0, 1))])])
    legs = {(seq, leg): (giver, taker) for seq, leg, giver, taker, _, _ in named_postings(ledger)}
    assert legs[7, 1] == ("ALICE", "@clearing")
    assert legs[11, 11] == ("@clearing", "ALICE")
    assert legs[9, 1] == ("ALICE due", "@clearing due")
    assert (legs[12, 11], legs[12, 1]) == (("@clearing due", "ALICE due"), ("ALICE due", "@clearing due"))
    assert legs[12, 6] == ("ALICE due", "@fees due")
    assert legs[13, 11] == ("@clearing due", "ALICE due")
    assert named_balances(ledger) == {
        ("@outside", "USD"): -100_000 * USD,
        ("@outside", "AAPL"): -500,
        ("ALICE", "USD"): 100_000 * USD,
        ("BOB", "AAPL"): 500,
    }


def test_terms_that_wait_change_nothing_until_they_are_in_force(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, SettlementSet(7, 2, True, 0, 0, False)])])
    ledger.load()
    ledger.post([record([trade(8), SettlementSet(9, 2, True, 0, 0, True)])])
    ledger.load()
    ledger.post([record([trade(10), SettlementSet(11, 0, True, 0, 0, True), trade(12)])])
    givers = {seq: giver for seq, leg, giver, _, _, _ in named_postings(ledger) if leg == 1}
    assert givers == {8: "ALICE", 10: "ALICE due", 12: "ALICE"}


def test_a_transfer_is_compared_with_the_total(ledger: Ledger) -> None:
    """What the engine says is there after a deposit is what the account owns, delivered or not."""
    ledger.post([record(OPENING), record(LATER), record([BalanceChanged(10, "BOB", "AAPL", "1", "491")])])
    assert named_balances(ledger)["BOB", "AAPL"] == 501


# ------------------------------------------------------------------------------------- corporate actions, allocations


def test_a_dividend_comes_from_outside(ledger: Ledger) -> None:
    ledger.post(
        [
            record(OPENING),
            record(
                [
                    DividendPaid(7, "AAPL", str(24 * CENT), 3, "operator eve", "first quarter"),
                    DividendCredited(8, "ALICE", "AAPL", -10, str(-240 * CENT)),
                    DividendCredited(9, "BOB", "AAPL", 500, str(120 * USD)),
                ]
            ),
        ]
    )
    assert named_postings(ledger)[2:] == [
        (8, 51, "ALICE", "@outside", "USD", 240 * CENT),
        (9, 51, "@outside", "BOB", "USD", 120 * USD),
    ]
    found = rows(ledger.engine)
    assert found["transactions"][2:] == [
        (8, 1_000, "dividend", 2, None, -10, None, None),
        (9, 1_000, "dividend", 2, None, 500, None, None),
    ]
    assert found["remarks"] == [(8, None, "operator eve", "first quarter"), (9, None, "operator eve", "first quarter")]


def test_a_split_adds_to_both_balances_and_to_obligations(ledger: Ledger) -> None:
    split: list[Event] = [
        InstrumentSplit(14, "AAPL", 2, 1, 2, 2, 0, "operator eve", "two for one"),
        HoldingSplit(15, "ALICE", "AAPL", 0, 10, "0"),
        HoldingSplit(16, "BOB", "AAPL", 500, -10, "0"),
        ObligationSplit(17, 12, "ALICE", "AAPL", 20, 2),
        ObligationSplit(18, 13, "BOB", "AAPL", -20, 2),
        ReferenceSet(19, "AAPL", 9475, 8528, 10422, "operator eve"),
    ]
    ledger.post([record(events) for events in (OPENING, LATER, NETTING, split)])
    assert named_postings(ledger)[8:] == [
        (15, 53, "@clearing due", "ALICE due", "AAPL", 10),
        (16, 52, "@outside", "BOB", "AAPL", 500),
        (16, 53, "BOB due", "@clearing due", "AAPL", 10),
    ]
    found = rows(ledger.engine)
    assert [(row[0], row[9], row[10]) for row in found["obligations"]] == [(11, 1, 0), (12, 2, 20), (13, 2, -20)]
    assert [(row[0], row[1], row[4], row[8]) for row in found["outcomes"]] == [(17, 12, "split", 20), (18, 13, "split", -20)]
    assert found["marks"] == [(2, 9475, 9475, 1, 19)]
    assert found["remarks"][-1] == (16, None, "operator eve", "two for one")


def test_the_fraction_of_a_split_is_paid_from_outside(ledger: Ledger) -> None:
    reverse = [InstrumentSplit(7, "AAPL", 1, 3, 1, 0, 0), HoldingSplit(8, "BOB", "AAPL", -334, 0, str(12_633 * CENT))]
    ledger.post([record([*OPENING, *reverse, ReferenceSet(9, "AAPL", 56850, 51165, 62535, "")])])
    assert named_postings(ledger)[2:] == [
        (8, 52, "BOB", "@outside", "AAPL", 334),
        (8, 54, "@outside", "BOB", "USD", 12_633 * CENT),
    ]
    assert rows(ledger.engine)["marks"] == [(2, None, 56850, 1, 9)]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("side", ["1", "2"])
def test_an_allocation_moves_shares_as_the_trade_would_have(ledger: Ledger, side: str, later: bool) -> None:
    account = "ALICE" if side == "1" else "BOB"
    shares = [Share("C1", 3), Share(account, 5), Share("C2", 2)]
    allocated = TradeAllocated(10, account, "S", "alloc-1", 9, account, "AAPL", side, 18950, 10, shares, "")  # type: ignore[arg-type]
    opening = [*OPENING, AccountDefined(7, "C1", account, 0, "allow"), AccountDefined(8, "C2", account, 0, "allow"), trade(9)]
    if later:
        opening[5] = SettlementSet(6, 2, True, 0, 0, True)
    ledger.post([record(opening), record([allocated])])
    due = " due" if later else ""
    expected = [
        (10, 101, "C1" + due, account + due, "USD", 3 * 18950 * CENT),
        (10, 102, account + due, "C1" + due, "AAPL", 3),
        (10, 105, "C2" + due, account + due, "USD", 2 * 18950 * CENT),
        (10, 106, account + due, "C2" + due, "AAPL", 2),
    ]
    if side == "2":
        expected = [(seq, leg, taker, giver, asset, amount) for seq, leg, giver, taker, asset, amount in expected]
    assert named_postings(ledger)[-4:] == expected
    found = rows(ledger.engine)
    assert found["allocations"] == [(10, 9, side, "alloc-1")]
    assert found["transactions"][-1] == (10, 1_000, "allocation", 2, 18950, 10, None, None)
    assert found["remarks"] == [(10, None, account, "alloc-1")]


def test_margin_calls_are_kept(ledger: Ledger) -> None:
    called, ended = MarginCalled(7, "BOB", "USD", str(5 * USD), str(7 * USD)), MarginCallEnded(8, "BOB", "USD", str(9 * USD), "0")
    ledger.post([record([*OPENING, called], time=50), record([ended], time=60)])
    assert rows(ledger.engine)["margin_calls"] == [
        (7, 50, "called", 5, 1, 5 * USD, 7 * USD),
        (8, 60, "ended", 5, 1, 9 * USD, 0),
    ]


# --------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([settled(14, 12, "ALICE", 10, -60 * CENT)], "events 14 to 14 leave the clearing house with -10 AAPL, settled"),
        ([settled(14, 12, "ALICE", 9, -60 * CENT)], "event 14 leaves 0 and 0 of obligation 12, and the ledger has 1 and 0 left"),
        ([settled(14, 99, "ALICE", 10, 0)], "event 14 is about obligation 99 in AAPL, and no such one is open"),
        (
            [SettlementFailed(14, 12, "ALICE", "AAPL", 9, "0", 1, FailReason.HELD)],
            f"event 14 says that 9 and 0 of obligation 12 are left, and the ledger has 10 and {-60 * CENT}",
        ),
        (
            [BoughtIn(14, 13, "BOB", 12, "ALICE", "AAPL", 11, 19000, "1", "1", "cash")],
            "event 14 buys in 11, and -10 and 10 are left of obligations 13 and 12",
        ),
        (
            [BoughtIn(14, 12, "BOB", 13, "ALICE", "AAPL", 1, 19000, "1", "1", "cash")],
            "event 14: obligations 12 and 13 are of other accounts",
        ),
        ([DividendCredited(14, "EVE", "AAPL", 1, "1")], "event 14 is about EVE, an account that no event before it defines"),
        ([DividendCredited(14, "BOB", "IBM", 1, "1")], "event 14 is about IBM, an instrument that no event before it defines"),
        ([MarginCalled(14, "BOB", "CHF", "1", "2")], "event 14 is about the CHF of BOB, which no event before it defines"),
    ],
)
def test_what_does_not_go_on_where_the_ledger_stands_is_refused(ledger: Ledger, events: list[Event], why: str) -> None:
    ledger.post([record(OPENING), record(LATER), record(NETTING)])
    before = rows(ledger.engine)
    with pytest.raises(LedgerRefused, match=f"^{why}"):
        ledger.post([record(events)])
    ledger.load()
    assert rows(ledger.engine) == before
