"""What `ledger check` finds: nothing in a ledger that is right, and whatever is changed in it by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from clearing import schema
from clearing.ledger import Ledger
from clearing.money import exact_sums
from clearing.reconciliation import FAULTS_OF_A_KIND_MAX, EngineAccount, check
from matching.messages import MONEY_UNIT, BalanceChanged
from tests.clearing.test_postings import OPENING, bust, correction, trade
from tests.clearing.venue import all_records, engine_accounts, record, rows, trade_randomly

ENGINE = {
    "ALICE": EngineAccount({"USD": (100_000 - 2 * 1_895) * MONEY_UNIT - 5}, {"AAPL": 20}),
    "BOB": EngineAccount({"USD": 2 * 1_895 * MONEY_UNIT}, {"AAPL": 480}),
}


@pytest.fixture
def traded(ledger: Ledger) -> Ledger:
    """The opening deposits, events 4 and 5, and trades 7 and 8, the second with a taker's fee."""
    ledger.post([record([*OPENING, trade(7), trade(8, fees=(0, 5))])])
    return ledger


def faults(ledger: Ledger, head: int = 8, engine: dict[str, EngineAccount] | None = None) -> list[str]:
    with ledger.engine.connect() as connection:
        return check(connection, head, engine).faults


def change(ledger: Ledger, *statements: str) -> None:
    with ledger.engine.connect() as connection, connection.begin():
        for statement in statements:
            connection.execute(text(statement))


def test_a_right_ledger_has_no_faults(traded: Ledger) -> None:
    assert faults(traded, 8, ENGINE) == []
    with traded.engine.connect() as connection:
        assert check(connection, 8)[1:] == (4, 11, [])


def test_an_empty_ledger_has_no_faults(ledger: Ledger) -> None:
    assert faults(ledger, 0, {}) == []


def test_the_engine_may_know_balances_of_zero(traded: Ledger) -> None:
    engine = {**ENGINE, "BOB": EngineAccount({**ENGINE["BOB"].cash, "JPY": 0}, {"AAPL": 480, "MSFT": 0})}
    assert faults(traded, 8, engine) == []


def test_an_engine_that_has_something_else(traded: Ledger) -> None:
    engine = {
        "ALICE": EngineAccount({"USD": 1}, {"AAPL": 20}),
        "BOB": EngineAccount(ENGINE["BOB"].cash, {}),
        "EVE": EngineAccount({}, {}),
    }
    assert faults(traded, 8, engine) == [
        "ALICE USD: the ledger has 962099999999995, and the engine 1, at event 8",
        "BOB AAPL: the ledger has 480, and the engine 0, at event 8",
        "account EVE is known to the engine alone",
    ]


def test_a_cursor_beyond_the_event_log(traded: Ledger) -> None:
    assert faults(traded, 7) == ["the cursor is at event 8, and the event log ends with event 7"]


def test_a_cursor_behind_the_postings(traded: Ledger) -> None:
    change(traded, "UPDATE cursor SET event_seq = 7")
    assert faults(traded) == ["event 8 is posted, and the cursor is at event 7"]


def test_a_balance_that_is_not_the_sum_of_its_postings(traded: Ledger) -> None:
    change(traded, "UPDATE balances SET amount = 481 WHERE account = 5 AND asset = 2")
    assert faults(traded, 8, ENGINE) == [
        "BOB AAPL: the balance is 481, and the postings sum to 480",
        "AAPL: the balances of all accounts sum to 1, and not to zero",
        "BOB AAPL: the ledger has 481, and the engine 480, at event 8",
    ]


def test_a_posting_that_is_gone(traded: Ledger) -> None:
    change(traded, "DELETE FROM postings WHERE event_seq = 7 AND leg = 4")
    assert faults(traded) == [
        "event 7: a trade is not made of the 3 postings that it has",
        "@clearing AAPL: the balance is 0, and the postings sum to 10",
        "ALICE AAPL: the balance is 20, and the postings sum to 10",
    ]


def test_an_amount_that_was_changed(traded: Ledger) -> None:
    change(traded, "UPDATE postings SET amount = 11 WHERE event_seq = 7 AND leg IN (3, 4)")
    assert faults(traded) == [
        "event 7: a trade of 10 at 18950 moves 11 for 18950000000000",
        "ALICE AAPL: the balance is 20, and the postings sum to 21",
        "BOB AAPL: the balance is 480, and the postings sum to 479",
    ]
    change(traded, "UPDATE postings SET amount = 10 WHERE event_seq = 7 AND leg = 3")
    assert faults(traded)[0] == "event 7: the clearing house takes in by posting 3 what it does not give out by posting 4"


def test_a_posting_with_the_wrong_account(traded: Ledger) -> None:
    change(traded, "UPDATE postings SET from_account = 4 WHERE event_seq = 5")
    assert faults(traded)[0] == "event 5: posting 7 is not with the account of the venue that it should be with"


def test_a_posting_of_nobody(traded: Ledger) -> None:
    change(traded, "UPDATE postings SET to_account = 99 WHERE event_seq = 5")
    assert faults(traded) == [
        "event 5: posting 7 belongs to an account that is not there",
        "BOB AAPL: the balance is 480, and the postings sum to -20",
        "99 AAPL: the balance is 0, and the postings sum to 500",
    ]


def test_a_transaction_that_is_gone_or_of_no_kind(traded: Ledger) -> None:
    change(traded, "DELETE FROM transactions WHERE event_seq = 7", "UPDATE transactions SET kind = 'gift' WHERE event_seq = 5")
    assert faults(traded) == [
        "event 5: there is no kind of transaction called gift",
        *[f"event 7: posting {leg} belongs to a transaction that is not there" for leg in (1, 2, 3, 4)],
    ]


def test_many_faults_are_counted(ledger: Ledger) -> None:
    deposits = [BalanceChanged(seq, "BOB", "AAPL", "1", str(494 + seq)) for seq in range(7, 57)]
    ledger.post([record([*OPENING, *deposits])])
    change(ledger, "UPDATE transactions SET kind = 'withdrawal' WHERE event_seq > 6")
    found = faults(ledger, 56)
    assert len(found) == FAULTS_OF_A_KIND_MAX + 1
    assert found[-1] == "... and 40 more of this kind"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO transactions (event_seq, time, kind) VALUES (7, 1, 'trade')",
        "INSERT INTO postings VALUES (7, 1, 4, 1, 1, 1)",
        "UPDATE postings SET amount = 0 WHERE event_seq = 7",
        "UPDATE postings SET amount = -5 WHERE event_seq = 7",
        "UPDATE postings SET to_account = from_account WHERE event_seq = 7",
        "INSERT INTO cursor VALUES (2, 0, 0, 0, 0, 0)",
        "INSERT INTO accounts VALUES (9, 'participant', 'BOB', 'BOB')",
        "INSERT INTO balances VALUES (99, 1, 0, 0)",
    ],
)
def test_what_the_tables_themselves_refuse(traded: Ledger, statement: str) -> None:
    """An event twice, a leg twice, an amount of nothing or less, a posting from an account to itself, a second cursor."""
    before = rows(traded.engine)
    with pytest.raises(Exception, match=r"(?i)constraint"):
        change(traded, statement)
    assert rows(traded.engine) == before


def test_sums_are_exact_where_they_pass_64_bits(ledger: Ledger) -> None:
    amounts = [2**63 - 1] * 5 + [10**25, 1, 10**9, 10**9 - 1, 2**63]
    total = 500
    events = list(OPENING)
    for seq, amount in enumerate(amounts, 7):
        total += amount
        events.append(BalanceChanged(seq, "BOB", "AAPL", str(amount), str(total)))
    ledger.post([record(events)])
    postings = schema.postings
    with ledger.engine.connect() as connection:
        assert exact_sums(connection, postings, [postings.c.asset, postings.c.to_account]) == {
            (1, 4): 100_000 * MONEY_UNIT,
            (2, 5): total,
        }
    assert faults(ledger, 6 + len(amounts)) == []


def test_a_check_of_a_venue_whose_engine_went_on(ledger: Ledger, tmp_path: Path) -> None:
    """The engine at another event than the ledger's has other balances: that is why it is replayed to the cursor."""
    engine = trade_randomly(tmp_path / "venue", 5, 300)
    records = all_records(tmp_path / "venue" / "events")
    ledger.post(records[:-1])
    assert faults(ledger, engine.event_seq) == []
    assert faults(ledger, engine.event_seq, engine_accounts(engine)) != []


# ----------------------------------------------------------------------------------------- busts and corrections


@pytest.fixture
def amended(ledger: Ledger) -> Ledger:
    """Trades 7 and 8; 9 corrects 7, 10 takes it back as it is then."""
    ledger.post(
        [
            record([*OPENING, trade(7, fees=(0, 5)), trade(8)]),
            record([correction(9, 7, (18950, 10, 0, 5), (18900, 4, 0, 1)), bust(10, 7, 18900, 4, (0, 1))]),
        ]
    )
    return ledger


def test_a_ledger_with_busts_and_corrections_has_no_faults(amended: Ledger) -> None:
    engine = {
        "ALICE": EngineAccount({"USD": (100_000 - 1_895) * MONEY_UNIT}, {"AAPL": 10}),
        "BOB": EngineAccount({"USD": 1_895 * MONEY_UNIT}, {"AAPL": 490}),
    }
    assert faults(amended, 10, engine) == []


def test_a_bust_that_takes_back_something_else(amended: Ledger) -> None:
    change(amended, "UPDATE postings SET amount = 3 WHERE event_seq = 10 AND leg IN (13, 14)")
    assert faults(amended, 10)[:2] == [
        "event 10: takes event 9 back, but not its posting 3 as it is",
        "event 10: takes event 9 back, but not its posting 4 as it is",
    ]
    change(
        amended,
        "UPDATE postings SET amount = 4 WHERE event_seq = 10 AND leg IN (13, 14)",
        "DELETE FROM postings WHERE event_seq = 9 AND leg = 6",
    )
    assert faults(amended, 10)[0] == "event 10: posting 16 takes back what event 9 has not posted"


def test_a_bust_of_nothing(amended: Ledger) -> None:
    change(amended, "DELETE FROM remarks WHERE event_seq = 10")
    assert faults(amended, 10) == ["event 10: a bust does not name the trade, or the correction of one, that it takes back"]
    change(amended, "INSERT INTO remarks VALUES (10, 5, '', '')")
    assert faults(amended, 10)[0] == "event 10: a bust does not name the trade, or the correction of one, that it takes back"


def test_a_correction_without_what_takes_its_place(amended: Ledger) -> None:
    change(amended, "DELETE FROM postings WHERE event_seq = 9 AND leg = 1")
    assert faults(amended, 10)[0] == "event 9: a correction is not made of the 9 postings that it has"


def test_a_reversal_on_the_wrong_side_of_the_clearing_house(amended: Ledger) -> None:
    change(amended, "UPDATE postings SET from_account = 4, to_account = 1 WHERE event_seq = 10 AND leg = 11")
    assert faults(amended, 10)[0] == "event 10: posting 11 is not with the account of the venue that it should be with"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO remarks VALUES (8, 9, '', '')",
        "INSERT INTO remarks VALUES (99, 8, '', '')",
        "INSERT INTO remarks VALUES (8, 99, '', '')",
        "INSERT INTO remarks VALUES (10, 8, '', '')",
    ],
)
def test_what_the_table_of_remarks_refuses(amended: Ledger, statement: str) -> None:
    """A transaction taken back twice, a remark on nothing, the reversal of nothing, a second remark."""
    with pytest.raises(Exception, match=r"(?i)constraint"):
        change(amended, statement)
