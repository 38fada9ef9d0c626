"""What `ledger check` finds in a ledger with settlement: nothing in one that is right, and whatever is changed in it by hand."""

from __future__ import annotations

import pytest

from clearing.ledger import Ledger
from clearing.reconciliation import Difference, EngineAccount, differences
from matching.messages import MONEY_UNIT, AccountDefined, BoughtIn, Event, Share, TradeAllocated
from tests.clearing.test_postings import CENT, OPENING, trade
from tests.clearing.test_reconciliation import change, faults
from tests.clearing.test_settlement import LATER, NETTING, PARTLY
from tests.clearing.venue import record

USD = MONEY_UNIT
VALUE = 6 * 18950 * CENT  # of what failed
# Events 20 to 23: two of the six that failed are bought in, and a trade of the next day is allocated.
REST: list[Event] = [
    BoughtIn(20, 13, "BOB", 12, "ALICE", "AAPL", 2, 19000, str(2 * 18950 * CENT), str(20 * USD), "securities"),
    AccountDefined(21, "C1", "ALICE", 0, "allow"),
    trade(22),
    TradeAllocated(23, "ALICE", "S", "alloc-1", 22, "ALICE", "AAPL", "1", 18950, 10, [Share("C1", 3), Share("ALICE", 7)], ""),
]
ENGINE = {
    "ALICE": EngineAccount(
        {"USD": 100_000 * USD + 20 * USD - (4 + 4 + 7) * 18950 * CENT - 60 * CENT},
        {"AAPL": 4 + 4 + 7},
        {"USD": -(4 + 7) * 18950 * CENT - 60 * CENT},
        {"AAPL": 4 + 7},
    ),
    "BOB": EngineAccount(
        {"USD": -20 * USD + (4 + 4 + 10) * 18950 * CENT - 20 * CENT},
        {"AAPL": 500 - 4 - 4 - 10},
        {"USD": (4 + 10) * 18950 * CENT - 20 * CENT},
        {"AAPL": -4 - 10},
    ),
    "C1": EngineAccount({"USD": -3 * 18950 * CENT}, {"AAPL": 3}, {"USD": -3 * 18950 * CENT}, {"AAPL": 3}),
}


@pytest.fixture
def settled(ledger: Ledger) -> Ledger:
    ledger.post([record(events) for events in (OPENING, LATER, NETTING, [*PARTLY, REST[0]], REST[1:])])
    return ledger


def test_a_right_ledger_with_settlement_has_no_faults(settled: Ledger) -> None:
    assert faults(settled, 23, ENGINE) == []


def test_settled_and_unsettled_are_compared_apart(settled: Ledger) -> None:
    """A total that is right hides nothing."""
    engine = {**ENGINE, "C1": EngineAccount({"USD": -3 * 18950 * CENT}, {"AAPL": 3}, {"USD": -3 * 18950 * CENT}, {"AAPL": 2})}
    assert faults(settled, 23, engine) == [
        "C1 AAPL: the ledger has 0, and the engine 1, at event 23",
        "C1 AAPL: the ledger has 3 unsettled, and the engine 2 unsettled, at event 23",
    ]
    with settled.engine.connect() as connection:
        assert differences(connection, engine) == [Difference("C1", "AAPL", False, 0, 1), Difference("C1", "AAPL", True, 3, 2)]


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (
            ["UPDATE postings SET from_account = -from_account WHERE event_seq = 22 AND leg = 1"],
            ["event 22: posting 1 moves between what is settled and what is not"],
        ),
        (
            ["UPDATE postings SET from_account = -from_account, to_account = -to_account WHERE event_seq = 22"],
            ["event 22: a trade that is settled later moves what is there"],
        ),
        (
            ["DELETE FROM postings WHERE event_seq = 15 AND leg = 31"],
            ["event 15: posting 21 has no counterpart: what it settles is still due"],
        ),
        (
            ["DELETE FROM postings WHERE event_seq = 15 AND leg = 21"],
            ["event 15: posting 31 has no counterpart: what is due no more was not settled"],
        ),
        (
            ["UPDATE postings SET amount = 5 WHERE event_seq = 15 AND leg IN (21, 31)"],
            ["event 15: 4 of an obligation was settled, and posting 21 moves 5"],
        ),
        (
            ["UPDATE postings SET amount = 3 WHERE event_seq = 20 AND leg = 44"],
            ["event 20: the clearing house takes in or gives out by posting 43 alone"],
        ),
        (
            ["UPDATE postings SET to_account = 4 WHERE event_seq = 20 AND leg = 41"],
            ["event 20: posting 41 is not with the account of the venue that it should be with"],
        ),
        (
            ["UPDATE postings SET amount = 4 WHERE event_seq = 23 AND leg = 102"],
            [f"event 23: posting 102 allocates 4 at 18950 for {3 * 18950 * CENT}"],
        ),
        (
            ["DELETE FROM outcomes WHERE event_seq = 20"],
            [
                "event 20: a buy-in of no obligation",
                f"obligation 12: 4 and {-60 * CENT} are left, and what was settled of it leaves 6 and {-60 * CENT}",
                f"obligation 13: -4 and {-20 * CENT} are left, and what was settled of it leaves -6 and {-20 * CENT}",
            ],
        ),
        (
            ["UPDATE obligations SET quantity_left = 3 WHERE event_seq = 12"],
            [
                f"obligation 12: 3 and {-60 * CENT} are left, and what was settled of it leaves 4 and {-60 * CENT}",
                "the obligations in AAPL of 20260102 sum to 0 and 0, and what is left of them to -1 and 0, and not to zero",
                f"ALICE (unsettled) USD: the balance is {-11 * 18950 * CENT - 60 * CENT}, and obligations and what is not netted "
                f"yet come to {-10 * 18950 * CENT - 60 * CENT}",
                "ALICE (unsettled) AAPL: the balance is 11, and obligations and what is not netted yet come to 10",
            ],
        ),
        (
            ["UPDATE outcomes SET quantity = 3 WHERE event_seq = 15"],
            [
                "event 15: 3 of an obligation was settled, and posting 21 moves 4",
                f"event 15 leaves 6 and {-60 * CENT} of obligation 12, and what was settled of it leaves 7 and {-60 * CENT}",
            ],
        ),
        (
            ["UPDATE balances SET amount = 12 WHERE account = -4 AND asset = 2"],
            [
                "ALICE (unsettled) AAPL: the balance is 12, and the postings sum to 11",
                "AAPL: the unsettled balances of all accounts sum to 1, and not to zero",
                "ALICE (unsettled) AAPL: the balance is 12, and obligations and what is not netted yet come to 11",
                "ALICE AAPL: the ledger has 12 unsettled, and the engine 11 unsettled, at event 23",
            ],
        ),
        (
            ["UPDATE balances SET amount = 1 WHERE account = 1 AND asset = 2"],
            [
                "@clearing AAPL: the balance is 1, and the postings sum to 0",
                "AAPL: the balances of all accounts sum to 1, and not to zero",
                "@clearing AAPL: the clearing house is not flat, it has 1",
            ],
        ),
        (["UPDATE transactions SET instrument = 9 WHERE event_seq = 4"], ["event 4: its instrument is not there"]),
        (["DELETE FROM allocations", "DELETE FROM postings WHERE event_seq = 16"],
         ["event 16: a settlement is not made of the 0 postings that it has"]),
    ],
)  # fmt: skip
def test_what_is_changed_by_hand_is_found(settled: Ledger, statements: list[str], found: list[str]) -> None:
    change(settled, *statements)
    assert faults(settled, 23, ENGINE)[: len(found)] == found
