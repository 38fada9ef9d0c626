"""What an account is told: every movement, with the balance after it."""

from __future__ import annotations

import pytest

from clearing.ledger import Ledger
from clearing.statements import find_account, read_balances, statement
from matching.messages import MONEY_UNIT, AccountDefined, BalanceChanged
from tests.clearing.test_postings import CENT, OPENING, bust, correction, trade
from tests.clearing.venue import record

USD = MONEY_UNIT


@pytest.fixture
def traded(ledger: Ledger) -> Ledger:
    """Deposits at time 100, trades at 200 and 300 (ALICE buys, then sells), a withdrawal at 400."""
    ledger.post(
        [
            record(OPENING, time=100),
            record([trade(7, fees=(20 * CENT, 60 * CENT))], time=200),
            record([trade(8, taker_side="2", maker="BOB", taker="ALICE", fees=(-1, 2))], time=300),
            record([BalanceChanged(9, "ALICE", "USD", str(-USD), str(99_999 * USD - 60 * CENT - 2))], time=400),
        ]
    )
    return ledger


def lines(
    ledger: Ledger, name: str, *, begin: int | None = None, end: int | None = None, asset: str = ""
) -> list[tuple[object, ...]]:
    """The opening balances, then the lines."""
    with ledger.engine.connect() as connection:
        account = find_account(connection, name)
        assert account is not None
        found = statement(connection, account, begin, end, asset)
        opening: list[tuple[object, ...]] = [(asset.name, amount) for asset, amount in found.opening]
        return opening + [(line.event_seq, line.what, line.asset.name, line.change, line.balance) for line in found.lines]


def test_a_statement_from_the_beginning(traded: Ledger) -> None:
    assert lines(traded, "ALICE") == [
        (4, "deposit", "USD", 100_000 * USD, 100_000 * USD),
        (7, "buy", "USD", -1_895 * USD, 98_105 * USD),
        (7, "buy", "AAPL", 10, 10),
        (7, "taker fee", "USD", -60 * CENT, 98_105 * USD - 60 * CENT),
        (8, "sell", "USD", 1_895 * USD, 100_000 * USD - 60 * CENT),
        (8, "sell", "AAPL", -10, 0),
        (8, "taker fee", "USD", -2, 100_000 * USD - 60 * CENT - 2),
        (9, "withdrawal", "USD", -USD, 99_999 * USD - 60 * CENT - 2),
    ]


def test_a_statement_of_a_span_of_time_opens_with_what_was_there(traded: Ledger) -> None:
    assert lines(traded, "BOB", begin=300, end=400) == [
        ("USD", 1_895 * USD - 20 * CENT),
        ("AAPL", 490),
        (8, "buy", "USD", -1_895 * USD, -20 * CENT),
        (8, "buy", "AAPL", 10, 500),
        (8, "maker rebate", "USD", 1, -20 * CENT + 1),
    ]
    assert lines(traded, "BOB", begin=401) == [("USD", -20 * CENT + 1), ("AAPL", 500)]
    assert lines(traded, "BOB", end=100) == []


def test_a_statement_of_one_asset(traded: Ledger) -> None:
    assert lines(traded, "BOB", asset="AAPL") == [
        (5, "deposit", "AAPL", 500, 500),
        (7, "sell", "AAPL", -10, 490),
        (8, "buy", "AAPL", 10, 500),
    ]


def test_the_venues_own_accounts_have_statements(traded: Ledger) -> None:
    assert lines(traded, "@clearing", end=300) == [
        (7, "novation", "USD", 1_895 * USD, 1_895 * USD),
        (7, "novation", "USD", -1_895 * USD, 0),
        (7, "novation", "AAPL", 10, 10),
        (7, "novation", "AAPL", -10, 0),
    ]
    assert lines(traded, "@fees") == [
        (7, "maker fee", "USD", 20 * CENT, 20 * CENT),
        (7, "taker fee", "USD", 60 * CENT, 80 * CENT),
        (8, "maker rebate", "USD", -1, 80 * CENT - 1),
        (8, "taker fee", "USD", 2, 80 * CENT + 1),
    ]
    assert lines(traded, "@outside", asset="USD") == [
        (4, "deposit", "USD", -100_000 * USD, -100_000 * USD),
        (9, "withdrawal", "USD", USD, -99_999 * USD),
    ]


def test_who_trades_with_himself_sees_both_sides(ledger: Ledger) -> None:
    shares = BalanceChanged(7, "ALICE", "AAPL", "10", "10")
    ledger.post([record([*OPENING, shares, trade(8, maker="ALICE")])])
    assert lines(ledger, "ALICE")[-4:] == [
        (8, "buy", "USD", -1_895 * USD, 98_105 * USD),
        (8, "sell", "USD", 1_895 * USD, 100_000 * USD),
        (8, "sell", "AAPL", -10, 0),
        (8, "buy", "AAPL", 10, 10),
    ]


def test_balances_of_all_and_of_one(traded: Ledger) -> None:
    with traded.engine.connect() as connection:
        everyone = [(balance.account.name, balance.asset.name, balance.amount) for balance in read_balances(connection)]
        alice = [(balance.asset.name, balance.amount) for balance in read_balances(connection, "ALICE")]
    assert everyone == [
        ("@clearing", "USD", 0),
        ("@clearing", "AAPL", 0),
        ("@fees", "USD", 80 * CENT + 1),
        ("@fees", "AAPL", 0),
        ("@outside", "USD", -99_999 * USD),
        ("@outside", "AAPL", -500),
        ("ALICE", "USD", 99_999 * USD - 60 * CENT - 2),
        ("ALICE", "AAPL", 0),
        ("BOB", "USD", -20 * CENT + 1),
        ("BOB", "AAPL", 500),
    ]
    assert alice == [("USD", 99_999 * USD - 60 * CENT - 2), ("AAPL", 0)]


def test_a_participant_comes_before_the_venue(ledger: Ledger) -> None:
    ledger.post([record([OPENING[0], AccountDefined(2, "@fees", "X", 0, "allow")])])
    with ledger.engine.connect() as connection:
        assert find_account(connection, "@fees") == (4, "participant", "@fees", "X")
        assert find_account(connection, "@outside") == (3, "outside", "@outside", "")
        assert find_account(connection, "NOBODY") is None


# ----------------------------------------------------------------------------------------- busts and corrections


@pytest.fixture
def amended(ledger: Ledger) -> Ledger:
    """ALICE's purchase 7 is corrected to 4 at 189.00, and then taken back; a deposit has a reference."""
    ledger.post(
        [
            record([*OPENING, trade(7, fees=(0, 5))], time=100),
            record([correction(8, 7, (18950, 10, 0, 5), (18900, 4, 0, 1))], time=200),
            record([bust(9, 7, 18900, 4, (0, 1))], time=300),
            record([BalanceChanged(10, "ALICE", "AAPL", "1", "1", "operator eve", "a gift")], time=400),
        ]
    )
    return ledger


def amendments(ledger: Ledger, name: str, *, begin: int | None = None, asset: str = "") -> list[tuple[object, ...]]:
    """(event, what it takes back, what, quantity, price, asset, change, balance)."""
    with ledger.engine.connect() as connection:
        account = find_account(connection, name)
        assert account is not None
        return [
            (line.event_seq, line.reverses, line.what, line.quantity, line.price, line.asset.name, line.change, line.balance)
            for line in statement(connection, account, begin, None, asset).lines
        ]


def test_a_correction_shows_what_was_and_then_what_is(amended: Ledger) -> None:
    assert amendments(amended, "ALICE", begin=200)[:6] == [
        (8, 7, "buy", 10, 18950, "USD", 1_895 * USD, 100_000 * USD - 5),
        (8, 7, "buy", 10, 18950, "AAPL", -10, 0),
        (8, 7, "taker fee", 10, 18950, "USD", 5, 100_000 * USD),
        (8, None, "buy", 4, 18900, "USD", -756 * USD, 99_244 * USD),
        (8, None, "buy", 4, 18900, "AAPL", 4, 4),
        (8, None, "taker fee", 4, 18900, "USD", -1, 99_244 * USD - 1),
    ]


def test_a_bust_shows_what_it_takes_back(amended: Ledger) -> None:
    assert amendments(amended, "BOB", begin=300) == [
        (9, 8, "sell", 4, 18900, "USD", -756 * USD, 0),
        (9, 8, "sell", 4, 18900, "AAPL", 4, 500),
    ]
    assert amendments(amended, "@fees", begin=200) == [
        (8, 7, "taker fee", 10, 18950, "USD", -5, 0),
        (8, None, "taker fee", 4, 18900, "USD", 1, 1),
        (9, 8, "taker fee", 4, 18900, "USD", -1, 0),
    ]
    assert amendments(amended, "@clearing", begin=300, asset="AAPL") == [
        (9, 8, "novation", 4, 18900, "AAPL", -4, -4),
        (9, 8, "novation", 4, 18900, "AAPL", 4, 0),
    ]


def test_who_did_it_and_why(amended: Ledger) -> None:
    with amended.engine.connect() as connection:
        account = find_account(connection, "ALICE")
        assert account is not None
        said = [(line.event_seq, line.entered_by, line.reference) for line in statement(connection, account, asset="AAPL").lines]
    assert said == [
        (7, "", ""),
        (8, "operator eve", ""),
        (8, "operator eve", ""),
        (9, "operator eve", ""),
        (10, "operator eve", "a gift"),
    ]


def test_a_page_of_a_statement_opens_with_what_the_page_before_ended_with(traded: Ledger) -> None:
    with traded.engine.connect() as connection:
        account = find_account(connection, "ALICE")
        assert account is not None
        page = statement(connection, account, first_seq=8, lines_max=2)
        assert [(asset.name, amount) for asset, amount in page.opening] == [("USD", 98_105 * USD - 60 * CENT), ("AAPL", 10)]
        assert [(line.event_seq, line.asset.name, line.balance) for line in page.lines] == [
            (8, "USD", 100_000 * USD - 60 * CENT),
            (8, "AAPL", 0),
        ]
        later = statement(connection, account, begin=400, first_seq=8)
        assert [line.event_seq for line in later.lines] == [9]
