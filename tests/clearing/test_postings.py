"""What each event posts. The same rules hold in SQLite and in PostgreSQL."""

from __future__ import annotations

from typing import get_args

import pytest

from clearing.ledger import Ledger
from clearing.postings import PASSED_OVER, Books, LedgerRefused
from following.follower import Cursor, EventsMissing
from matching.messages import (
    INT64_MAX,
    MONEY_UNIT,
    AccountDefined,
    BalanceChanged,
    Event,
    InstrumentDefined,
    OrderAccepted,
    PhaseChanged,
    TradeBusted,
    TradeCorrected,
    Traded,
)
from tests.clearing.venue import named_balances, named_postings, record, rows

# Events 1 to 6: AAPL for USD, price decimals 2; ALICE with 100,000 dollars, BOB with 500 shares.
OPENING: list[Event] = [
    InstrumentDefined(1, "AAPL", "USD", 2, 0, 1, 1, 10**9, INT64_MAX, 18950, 1000, 100, 300),
    AccountDefined(2, "ALICE", "ALICE", 0, "cancel-resting"),
    AccountDefined(3, "BOB", "BOB", 0, "cancel-resting"),
    BalanceChanged(4, "ALICE", "USD", str(100_000 * MONEY_UNIT), str(100_000 * MONEY_UNIT)),
    BalanceChanged(5, "BOB", "AAPL", "500", "500"),
    PhaseChanged(6, "AAPL", "continuous"),
]
CENT = MONEY_UNIT // 100


def trade(seq: int, *, taker_side: str = "1", maker: str = "BOB", taker: str = "ALICE", fees: tuple[int, int] = (0, 0)) -> Traded:
    """10 AAPL at 189.50."""
    return Traded(seq, "AAPL", 18950, 10, 101, 102, taker_side, maker, taker, 0, 0, *fees)  # type: ignore[arg-type]


def test_deposits_come_from_outside(ledger: Ledger) -> None:
    ledger.post([record(OPENING)])
    assert named_postings(ledger) == [
        (4, 7, "@outside", "ALICE", "USD", 100_000 * MONEY_UNIT),
        (5, 7, "@outside", "BOB", "AAPL", 500),
    ]
    assert named_balances(ledger) == {
        ("@outside", "USD"): -100_000 * MONEY_UNIT,
        ("@outside", "AAPL"): -500,
        ("ALICE", "USD"): 100_000 * MONEY_UNIT,
        ("BOB", "AAPL"): 500,
    }


def test_withdrawals_go_outside(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, BalanceChanged(7, "BOB", "AAPL", "-200", "300")])])
    assert named_postings(ledger)[-1] == (7, 8, "BOB", "@outside", "AAPL", 200)
    assert named_balances(ledger)["BOB", "AAPL"] == 300


def test_a_trade_is_novated_to_the_clearing_house(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, trade(7, fees=(20 * CENT, 60 * CENT))])])
    assert named_postings(ledger)[2:] == [
        (7, 1, "ALICE", "@clearing", "USD", 1_895 * MONEY_UNIT),
        (7, 2, "@clearing", "BOB", "USD", 1_895 * MONEY_UNIT),
        (7, 3, "BOB", "@clearing", "AAPL", 10),
        (7, 4, "@clearing", "ALICE", "AAPL", 10),
        (7, 5, "BOB", "@fees", "USD", 20 * CENT),
        (7, 6, "ALICE", "@fees", "USD", 60 * CENT),
    ]
    assert named_balances(ledger) == {
        ("@outside", "USD"): -100_000 * MONEY_UNIT,
        ("@outside", "AAPL"): -500,
        ("@fees", "USD"): 80 * CENT,
        ("ALICE", "USD"): (100_000 - 1_895) * MONEY_UNIT - 60 * CENT,
        ("ALICE", "AAPL"): 10,
        ("BOB", "USD"): 1_895 * MONEY_UNIT - 20 * CENT,
        ("BOB", "AAPL"): 490,
    }
    assert rows(ledger.engine)["transactions"][-1] == (7, 1_000, "trade", 2, 18950, 10, 101, 102)


def test_where_the_taker_sells_the_maker_is_the_buyer(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, trade(7, taker_side="2", maker="ALICE", taker="BOB", fees=(1, 2))])])
    assert named_postings(ledger)[2:] == [
        (7, 1, "ALICE", "@clearing", "USD", 1_895 * MONEY_UNIT),
        (7, 2, "@clearing", "BOB", "USD", 1_895 * MONEY_UNIT),
        (7, 3, "BOB", "@clearing", "AAPL", 10),
        (7, 4, "@clearing", "ALICE", "AAPL", 10),
        (7, 5, "ALICE", "@fees", "USD", 1),
        (7, 6, "BOB", "@fees", "USD", 2),
    ]


def test_a_rebate_is_paid_out_of_the_fees(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, trade(7, fees=(-20 * CENT, 60 * CENT))])])
    assert named_postings(ledger)[-2:] == [
        (7, 5, "@fees", "BOB", "USD", 20 * CENT),
        (7, 6, "ALICE", "@fees", "USD", 60 * CENT),
    ]
    assert named_balances(ledger)["@fees", "USD"] == 40 * CENT


def test_a_trade_of_an_account_with_itself_changes_nothing_but_fees(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, BalanceChanged(7, "ALICE", "AAPL", "10", "10"), trade(8, maker="ALICE", fees=(1, 2))])])
    assert [posting[1:4] for posting in named_postings(ledger)[3:]] == [
        (1, "ALICE", "@clearing"),
        (2, "@clearing", "ALICE"),
        (3, "ALICE", "@clearing"),
        (4, "@clearing", "ALICE"),
        (5, "ALICE", "@fees"),
        (6, "ALICE", "@fees"),
    ]
    assert named_balances(ledger)["ALICE", "USD"] == 100_000 * MONEY_UNIT - 3
    assert named_balances(ledger)["ALICE", "AAPL"] == 10


def test_events_about_orders_move_the_cursor_alone(ledger: Ledger) -> None:
    ledger.post([record(OPENING, command_seq=6, time=50)])
    before = rows(ledger.engine)
    order = OrderAccepted(7, 7, "ALICE", "S", "C1", "ALICE", "AAPL", "1", "2", "0", 18950, 10, 0, "")
    one = record([order], command_seq=9, time=60)
    posted = ledger.post([one])
    assert (posted.events, posted.trades, posted.postings) == (1, 0, 0)
    after = rows(ledger.engine)
    assert after.pop("cursor") == [(1, 7, 9, 60, 7, one.crc)]
    before.pop("cursor")
    assert after == before


def test_what_is_posted_is_there_after_a_restart(ledger: Ledger, url: str) -> None:
    one = record(OPENING, command_seq=6, time=50)
    ledger.post([one])
    stored = rows(ledger.engine)
    again = Ledger(ledger.engine)
    assert again.load() == Cursor(6, 6, 50, 1, one.crc)
    assert again.books.balances == ledger.books.balances
    assert again.books.accounts == ledger.books.accounts
    again.post([record([trade(7)])])
    again.close()
    assert len(rows(ledger.engine)["postings"]) == len(stored["postings"]) + 4


# ------------------------------------------------------------------------------- delivered twice, or not at all


def test_a_batch_delivered_twice_is_ignored(ledger: Ledger) -> None:
    opening, traded = record(OPENING), record([trade(7)])
    ledger.post([opening, traded])
    before = rows(ledger.engine)
    assert ledger.post([opening]).events == 0
    assert ledger.post([opening, traded]).events == 0
    ledger.load()
    assert ledger.post([traded]).events == 0
    assert rows(ledger.engine) == before
    ledger.post([opening, traded, record([trade(8)])])
    assert ledger.cursor.event_seq == 8


def test_a_gap_is_refused_by_name(ledger: Ledger) -> None:
    ledger.post([record(OPENING)])
    before = rows(ledger.engine)
    with pytest.raises(EventsMissing, match=r"^event 7 is due in the ledger, and it was given events 8 to 9$"):
        ledger.post([record([trade(8), trade(9)])])
    ledger.load()
    with pytest.raises(EventsMissing, match="event 8 is due"):
        ledger.post([record([trade(7)]), record([trade(9)])])
    ledger.load()
    with pytest.raises(EventsMissing, match="event 7 is due in the ledger, and it was given events 6 to 7"):
        ledger.post([record([OPENING[5], trade(7)])])
    assert rows(ledger.engine) == before


def test_a_record_whose_events_are_misnumbered_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerRefused, match="event 2 is due in the event log, and event 3 stands there"):
        ledger.post([record([OPENING[0], OPENING[2]])])


def test_an_unknown_account_or_asset_is_refused(ledger: Ledger) -> None:
    ledger.post([record(OPENING)])
    with pytest.raises(LedgerRefused, match="event 7, a trade of AAPL between BOB and EVE, names an instrument or an account"):
        ledger.post([record([trade(7, taker="EVE")])])
    ledger.load()
    with pytest.raises(LedgerRefused, match="event 7 changes the CHF of ALICE"):
        ledger.post([record([BalanceChanged(7, "ALICE", "CHF", "1", "1")])])


def test_a_balance_that_is_not_the_engines_is_refused(ledger: Ledger) -> None:
    ledger.post([record(OPENING)])
    with pytest.raises(LedgerRefused, match="event 7: the engine has 502 AAPL in BOB, the ledger 501"):
        ledger.post([record([BalanceChanged(7, "BOB", "AAPL", "1", "502")])])
    assert ledger.load().event_seq == 6


def test_nothing_of_a_refused_call_remains(ledger: Ledger) -> None:
    ledger.post([record(OPENING)])
    before = rows(ledger.engine)
    with pytest.raises(EventsMissing):
        ledger.post([record([trade(7)]), record([trade(99)])])
    ledger.load()
    assert rows(ledger.engine) == before
    ledger.post([record([trade(7)])])
    assert named_balances(ledger)["BOB", "AAPL"] == 490


# -------------------------------------------------------------------------------------------- what can be named


def test_a_participant_may_be_called_like_an_account_of_the_venue(ledger: Ledger) -> None:
    ledger.post([record([OPENING[0], AccountDefined(2, "@fees", "X", 0, "allow"), BalanceChanged(3, "@fees", "USD", "5", "5")])])
    assert [row[1:3] for row in rows(ledger.engine)["accounts"]] == [
        ("participant-due", "@fees"),
        ("fees-due", "@fees"),
        ("clearing-due", "@clearing"),
        ("clearing", "@clearing"),
        ("fees", "@fees"),
        ("outside", "@outside"),
        ("participant", "@fees"),
    ]
    assert [row[2:4] for row in rows(ledger.engine)["postings"]] == [(3, 4)]


def test_names_are_kept_as_they_are(ledger: Ledger) -> None:
    name = 'O\'Brien\t\\N "ü" 株' * 20
    ledger.post([record([OPENING[0], AccountDefined(2, name, name, 0, "allow"), BalanceChanged(3, name, "AAPL", "5", "5")])])
    assert named_balances(ledger)[name, "AAPL"] == 5


def test_a_definition_said_again_changes_nothing(ledger: Ledger) -> None:
    ledger.post([record(OPENING)])
    before = rows(ledger.engine)
    again = [
        InstrumentDefined(7, "AAPL", "USD", 2, 0, 5, 1, 10**6, INT64_MAX, 20000, 500, 0, 0),
        AccountDefined(8, "ALICE", "ALICE", 100, "allow"),
    ]
    ledger.post([record(again)])
    after = rows(ledger.engine)
    assert [after[table] for table in ("accounts", "assets", "balances")] == [
        before[table] for table in ("accounts", "assets", "balances")
    ]


# ------------------------------------------------------------------------------------------------ how much


@pytest.mark.parametrize("amount", [1, 2**63 - 1, 2**63, 2**63 + 1, 10**22 + 7, 10**30 - 1, 10**37 + 3])
def test_amounts_are_exact_at_the_edges_of_64_bits_and_beyond(ledger: Ledger, amount: int) -> None:
    there, back = str(amount), str(-amount)
    events = [BalanceChanged(7, "ALICE", "AAPL", there, there), BalanceChanged(8, "ALICE", "AAPL", back, "0")]
    ledger.post([record([*OPENING, events[0]])])
    assert named_postings(ledger)[-1] == (7, 7, "@outside", "ALICE", "AAPL", amount)
    assert named_balances(ledger)["ALICE", "AAPL"] == amount
    assert named_balances(ledger)["@outside", "AAPL"] == -500 - amount
    ledger.load()
    assert ledger.books.balances[4, 2] == amount
    ledger.post([record([events[1]])])
    assert ("ALICE", "AAPL") not in named_balances(ledger)


def test_the_largest_trade_there_can_be(ledger: Ledger) -> None:
    """Price and quantity of 63 bits each: more than any limit lets through, and still exact."""
    events: list[Event] = [
        InstrumentDefined(1, "X", "USD", 0, 0, 1, 1, INT64_MAX, INT64_MAX, 1, 1000, 0, 0),
        AccountDefined(2, "A", "A", 0, "allow"),
        AccountDefined(3, "B", "B", 0, "allow"),
        Traded(4, "X", INT64_MAX // 10**10, INT64_MAX, INT64_MAX, INT64_MAX, "1", "A", "B", 0, 0, 7, INT64_MAX),
    ]
    ledger.post([record(events, command_seq=INT64_MAX, time=INT64_MAX)])
    value = INT64_MAX // 10**10 * INT64_MAX * MONEY_UNIT
    assert named_balances(ledger) == {
        ("A", "USD"): value - 7,
        ("A", "X"): -INT64_MAX,
        ("B", "USD"): -value - INT64_MAX,
        ("B", "X"): INT64_MAX,
        ("@fees", "USD"): 7 + INT64_MAX,
    }


# ----------------------------------------------------------------------------------------- busts and corrections


def bust(seq: int, trade_seq: int, price: int = 18950, quantity: int = 10, fees: tuple[int, int] = (0, 0)) -> TradeBusted:
    """The trade `trade(trade_seq)`, which ALICE bought of BOB, never was."""
    return TradeBusted(seq, trade_seq, "AAPL", price, quantity, "1", "BOB", "ALICE", *fees, None, None, "operator eve")


def correction(seq: int, trade_seq: int, old: tuple[int, int, int, int], new: tuple[int, int, int, int]) -> TradeCorrected:
    """`old` and `new` are price, quantity, maker's fee, taker's fee."""
    price, quantity, *fees = new
    return TradeCorrected(
        seq, trade_seq, "AAPL", price, quantity, "1", "BOB", "ALICE", *fees, *old, None, None, "operator eve"
    )


def test_a_bust_takes_each_leg_back_and_changes_nothing_that_was_posted(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, trade(7, fees=(-20 * CENT, 60 * CENT))])])
    before, postings = named_balances(ledger), named_postings(ledger)
    ledger.post([record([bust(8, 7, fees=(-20 * CENT, 60 * CENT))])])
    assert named_postings(ledger) == [
        *postings,
        (8, 11, "@clearing", "ALICE", "USD", 1_895 * MONEY_UNIT),
        (8, 12, "BOB", "@clearing", "USD", 1_895 * MONEY_UNIT),
        (8, 13, "@clearing", "BOB", "AAPL", 10),
        (8, 14, "ALICE", "@clearing", "AAPL", 10),
        (8, 15, "BOB", "@fees", "USD", 20 * CENT),
        (8, 16, "@fees", "ALICE", "USD", 60 * CENT),
    ]
    assert before["ALICE", "AAPL"] == 10
    assert named_balances(ledger) == {
        ("@outside", "USD"): -100_000 * MONEY_UNIT,
        ("@outside", "AAPL"): -500,
        ("ALICE", "USD"): 100_000 * MONEY_UNIT,
        ("BOB", "AAPL"): 500,
    }
    assert rows(ledger.engine)["transactions"][-1] == (8, 1_000, "bust", 2, 18950, 10, None, None)
    assert rows(ledger.engine)["remarks"] == [(8, 7, "operator eve", "")]


def test_a_correction_takes_the_old_back_and_posts_the_new(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, trade(7, fees=(1, 2)), correction(8, 7, (18950, 10, 1, 2), (18900, 4, 0, -1))])])
    assert named_postings(ledger)[-11:] == [
        (8, 1, "ALICE", "@clearing", "USD", 756 * MONEY_UNIT),
        (8, 2, "@clearing", "BOB", "USD", 756 * MONEY_UNIT),
        (8, 3, "BOB", "@clearing", "AAPL", 4),
        (8, 4, "@clearing", "ALICE", "AAPL", 4),
        (8, 6, "@fees", "ALICE", "USD", 1),
        (8, 11, "@clearing", "ALICE", "USD", 1_895 * MONEY_UNIT),
        (8, 12, "BOB", "@clearing", "USD", 1_895 * MONEY_UNIT),
        (8, 13, "@clearing", "BOB", "AAPL", 10),
        (8, 14, "ALICE", "@clearing", "AAPL", 10),
        (8, 15, "@fees", "BOB", "USD", 1),
        (8, 16, "@fees", "ALICE", "USD", 2),
    ]
    assert named_balances(ledger) == {
        ("@outside", "USD"): -100_000 * MONEY_UNIT,
        ("@outside", "AAPL"): -500,
        ("@fees", "USD"): -1,
        ("ALICE", "USD"): (100_000 - 756) * MONEY_UNIT + 1,
        ("ALICE", "AAPL"): 4,
        ("BOB", "USD"): 756 * MONEY_UNIT,
        ("BOB", "AAPL"): 496,
    }
    assert rows(ledger.engine)["transactions"][-1] == (8, 1_000, "correction", 2, 18900, 4, None, None)


def test_what_follows_a_correction_takes_the_correction_back(ledger: Ledger) -> None:
    """Also when the ledger was loaded anew in between."""
    ledger.post([record([*OPENING, trade(7), trade(8), correction(9, 7, (18950, 10, 0, 0), (18950, 9, 0, 0))])])
    ledger.load()
    ledger.post([record([correction(10, 7, (18950, 9, 0, 0), (18950, 8, 0, 0))])])
    ledger.load()
    ledger.post([record([bust(11, 7, quantity=8), bust(12, 8)])])
    assert rows(ledger.engine)["remarks"] == [
        (9, 7, "operator eve", ""),
        (10, 9, "operator eve", ""),
        (11, 10, "operator eve", ""),
        (12, 8, "operator eve", ""),
    ]
    assert named_balances(ledger)["BOB", "AAPL"] == 500


def test_who_entered_a_transfer_and_why_is_kept(ledger: Ledger) -> None:
    reference = "None\tof\\your \n'business'"  # nothing that a person may write means something to the database
    amount = str(MONEY_UNIT)
    ledger.post(
        [
            record(OPENING),
            record([BalanceChanged(7, "BOB", "USD", amount, amount, "operator eve", reference)]),
            record([BalanceChanged(8, "BOB", "AAPL", "-1", "499", "", "a reference alone")]),
        ]
    )
    assert rows(ledger.engine)["remarks"] == [(7, None, "operator eve", reference), (8, None, "", "a reference alone")]


def test_every_kind_of_event_is_posted_or_passed_over_knowingly() -> None:
    assert {kind.__name__ for kind in PASSED_OVER} == {
        "OrderAccepted", "OrderRejected", "OrderCanceled", "OrderReplaced", "CancelRejected", "MassCanceled", "MassCancelRejected",
        "PhaseChanged", "OrdersExpired", "CommandRefused", "ListAccepted", "ListRejected", "OrderActivated",
        "OrderRepriced", "OrderRestated", "OrderRefreshed", "QuotesAnswered", "QuotesCanceled", "ParticipantDefined", "AccessSet",
        "MarketPhaseChanged", "Uncrossed", "AuctionIndicated", "PausesEnded", "IndicativePublished", "OperatorNoted",
        "DeliveriesHeld", "OrderSplit", "FeesSet", "MarginSet", "AllocationRejected",
    }  # fmt: skip
    assert set(Books().posts) == set(get_args(Event)) - PASSED_OVER
