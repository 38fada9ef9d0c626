"""What the reports tell: trades, positions with profit and loss, settlement, the trial balance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from clearing.ledger import Ledger, read_accounts
from clearing.postings import PARTICIPANT, AccountRow
from clearing.reports import (
    Position,
    Positions,
    assets_that_do_not_sum_to_zero,
    positions,
    settlement,
    trades,
    trial_balance,
    value_unit,
    with_sides,
)
from clearing.statements import Span, find_account, find_day, read_days, statement
from matching.messages import (
    MONEY_UNIT,
    AccountDefined,
    BalanceChanged,
    BoughtIn,
    DividendCredited,
    DividendPaid,
    Event,
    HoldingSplit,
    InstrumentSplit,
    ReferenceSet,
    Share,
    TradeAllocated,
    Traded,
)
from tests.clearing.test_postings import CENT, OPENING, bust, correction, trade
from tests.clearing.test_settlement import LATER, NETTING, PARTLY, SETTLEMENT
from tests.clearing.venue import record, rows, settling

USD = MONEY_UNIT


def account(ledger: Ledger, name: str) -> AccountRow:
    with ledger.engine.connect() as connection:
        found = find_account(connection, name)
    assert found is not None
    return found


def traded(seq: int, price: int, quantity: int, buyer: str, seller: str) -> Traded:
    return Traded(seq, "AAPL", price, quantity, 1, 2, "1", seller, buyer, 0, 0, 0, 0)


def position(ledger: Ledger, name: str) -> tuple[int | None, ...]:
    """Quantity, cost, realised, fees, dividends, mark, unrealised."""
    whose = account(ledger, name)
    with ledger.engine.connect() as connection:
        found = positions(connection, [whose])
    assert len(found) == 1
    one = found[0]
    return one.quantity, one.cost, one.realised, one.fees, one.dividends, one.mark, one.unrealised


# ------------------------------------------------------------------------------------------------- trades


def told(ledger: Ledger, name: str, first_seq: int = 1) -> list[tuple[object, ...]]:
    whose = account(ledger, name)
    with ledger.engine.connect() as connection:
        found = with_sides(connection, trades(connection, whose, first_seq))
        return [
            (one.event_seq, one.what, one.side, one.quantity, one.price, one.value, one.fee, one.unsettled, one.reverses)
            for one in found
        ]


def test_the_blotter_has_each_side_with_its_own_fee(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, trade(7, fees=(-20 * CENT, 60 * CENT))])])
    assert told(ledger, "ALICE") == [(7, "trade", "buy", 10, 18950, 1_895 * USD, 60 * CENT, False, None)]
    assert told(ledger, "BOB") == [(7, "trade", "sell", 10, 18950, 1_895 * USD, -20 * CENT, False, None)]


def test_what_is_taken_back_is_below_zero_in_the_blotter(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, trade(7, fees=(1, 2)), correction(8, 7, (18950, 10, 1, 2), (18900, 4, 0, -1))])])
    ledger.post([record([bust(9, 7, 18900, 4, (0, -1))])])
    assert told(ledger, "ALICE", 8) == [
        (8, "correction", "buy", -10, 18950, -1_895 * USD, -2, False, 7),
        (8, "correction", "buy", 4, 18900, 756 * USD, -1, False, None),
        (9, "bust", "buy", -4, 18900, -756 * USD, 1, False, 8),
    ]


def test_who_trades_with_himself_has_both_sides_in_the_blotter(ledger: Ledger) -> None:
    ledger.post([record([*OPENING, BalanceChanged(7, "ALICE", "AAPL", "10", "10"), trade(8, maker="ALICE", fees=(1, 2))])])
    assert told(ledger, "ALICE") == [
        (8, "trade", "buy", 10, 18950, 1_895 * USD, 3, False, None),
        (8, "trade", "sell", 10, 18950, 1_895 * USD, 0, False, None),
    ]


@pytest.mark.parametrize("side", ["1", "2"])
def test_an_allocation_is_in_the_blotter_of_both(ledger: Ledger, side: str) -> None:
    name, word = ("ALICE", "buy") if side == "1" else ("BOB", "sell")
    allocated = TradeAllocated(9, name, "S", "a", 8, name, "AAPL", side, 18950, 10, [Share("C1", 3), Share(name, 7)], "")  # type: ignore[arg-type]
    ledger.post([record([*OPENING, AccountDefined(7, "C1", name, 0, "allow"), trade(8), allocated])])
    value = 3 * 18950 * CENT
    assert told(ledger, name, 9) == [(9, "allocation", word, -3, 18950, -value, 0, False, None)]
    assert told(ledger, "C1") == [(9, "allocation", word, 3, 18950, value, 0, False, None)]


# ---------------------------------------------------------------------------------------------- positions


def trading(ledger: Ledger, *events: Event) -> None:
    ledger.post([record([*OPENING, *events])])


def test_what_is_bought_has_the_average_cost_and_what_is_sold_takes_its_part(ledger: Ledger) -> None:
    trading(ledger, traded(7, 10000, 10, "ALICE", "BOB"), traded(8, 20000, 10, "ALICE", "BOB"), traded(9, 18000, 5, "BOB", "ALICE"))
    assert position(ledger, "ALICE") == (15, 2_250 * USD, 150 * USD, 0, 0, 18000, 450 * USD)


def test_what_is_sold_short_gains_when_the_price_falls(ledger: Ledger) -> None:
    trading(ledger, traded(7, 20000, 10, "BOB", "ALICE"), traded(8, 15000, 4, "ALICE", "BOB"))
    assert position(ledger, "ALICE") == (-6, -1_200 * USD, 200 * USD, 0, 0, 15000, 300 * USD)


def test_a_trade_through_zero_closes_and_opens(ledger: Ledger) -> None:
    trading(ledger, traded(7, 10000, 10, "ALICE", "BOB"), traded(8, 12000, 15, "BOB", "ALICE"))
    assert position(ledger, "ALICE") == (-5, -600 * USD, 200 * USD, 0, 0, 12000, 0)


def test_what_is_deposited_counts_as_bought_at_the_price_of_then(ledger: Ledger) -> None:
    """The reference price until there is a trade, the last trade's after it; also when a trade is not in the database yet."""
    trading(ledger, traded(7, 20000, 10, "ALICE", "BOB"), BalanceChanged(8, "ALICE", "AAPL", "2", "12"))
    assert position(ledger, "BOB") == (490, 490 * 18950 * CENT, 105 * USD, 0, 0, 20000, 490 * 1050 * CENT)
    assert position(ledger, "ALICE") == (12, 2_400 * USD, 0, 0, 0, 20000, 0)
    assert [row[3:5] for row in rows(ledger.engine)["transactions"] if row[2] == "deposit"] == [
        (None, None),
        (2, 18950),
        (2, 20000),
    ]


def test_fees_dividends_and_splits(ledger: Ledger) -> None:
    trading(
        ledger,
        trade(7, fees=(0, 60 * CENT)),
        DividendPaid(8, "AAPL", str(CENT), 1),
        DividendCredited(9, "ALICE", "AAPL", 10, str(10 * CENT)),
        InstrumentSplit(10, "AAPL", 1, 3, 2, 0, 0),
        HoldingSplit(11, "ALICE", "AAPL", -7, 0, str(189 * USD)),
        ReferenceSet(12, "AAPL", 56850, 1, 99999, ""),
    )
    assert position(ledger, "ALICE") == (3, 1_895 * USD, 189 * USD, 60 * CENT, 10 * CENT, 56850, (3 * 56850 - 189500) * CENT)


def test_a_buy_in_closes_what_was_sold_and_not_delivered(ledger: Ledger) -> None:
    """Six at 189.50 that are worth 190.00, with 57 dollars for it: bought back at 199.00 by who did not deliver."""
    value = 6 * 18950 * CENT
    buy_in = BoughtIn(20, 13, "BOB", 12, "ALICE", "AAPL", 6, 19000, str(value), str(57 * USD), "securities")
    ledger.post([record(events) for events in (OPENING, LATER, NETTING, [*PARTLY, buy_in])])
    assert position(ledger, "ALICE")[:4] == (4, 4 * 18950 * CENT, 57 * USD, 60 * CENT)
    quantity, cost, realised, *_ = position(ledger, "BOB")
    assert (quantity, cost, realised) == (496, 490 * 18950 * CENT + value + 57 * USD, 0)


@pytest.mark.parametrize("seed", [6, 7])
def test_profit_and_loss_is_what_came_and_went_and_what_is_there(ledger: Ledger, seed: int) -> None:
    """Over days of everything: realised less cost is the cash that instruments moved, and quantities are the balances."""
    records = [one for _, one in settling(seed, 10, 50)]
    with_restarts: dict[str, Positions] = {}
    for start in range(0, len(records), 100):
        ledger.post(records[start : start + 100])
        with ledger.engine.connect() as connection:
            for row in read_accounts(connection):
                if row.kind == PARTICIPANT:
                    running = with_restarts.setdefault(row.name, Positions(row))
                    while not running.read(connection, events_max=30):
                        pass
    priced = rows(ledger.engine)
    with ledger.engine.connect() as connection:
        for row in read_accounts(connection):
            if row.kind != PARTICIPANT:
                continue
            found = positions(connection, [row])
            assert found == with_restarts[row.name].positions()
            held: dict[str, int] = {}
            cash: dict[str, int] = {}
            for line in statement(connection, row).lines:
                held[line.asset.name] = held.get(line.asset.name, 0) + line.change
                if line.instrument is not None and line.asset.kind == "currency":
                    cash[line.instrument.name] = cash.get(line.instrument.name, 0) + line.change
            for one in found:
                assert one.quantity == held[one.instrument.name]
                moved = one.realised - one.cost - one.fees + one.dividends
                assert moved == cash.get(one.instrument.name, 0) - deposited(priced, row, one)


def deposited(found: dict[str, list[tuple[Any, ...]]], owner: AccountRow, of: Position) -> int:
    """What deposits less withdrawals of an instrument were worth."""
    prices = {row[0]: row[4] for row in found["transactions"] if row[2] in ("deposit", "withdrawal") and row[3] == of.instrument.id}
    total = 0
    for seq, _, giver, taker, _, amount in found["postings"]:
        if seq in prices and owner.id in (giver, taker):
            total += (amount if taker == owner.id else -amount) * prices[seq] * value_unit(of.instrument)
    return total


# --------------------------------------------------------------------------------------------- settlement


def report(ledger: Ledger, day: str, names: Sequence[str] = ()) -> tuple[list[object], list[object], list[object]]:
    of_these = [account(ledger, name) for name in names] if names else None
    with ledger.engine.connect() as connection:
        span = find_day(connection, day)
        assert span is not None
        found = settlement(connection, day, span, of_these)
    left = [(one.account.name, one.obligation) for one in found.open]
    return (
        [(one.obligation.event_seq, one.account.name, one.obligation.quantity, one.obligation.money) for one in found.netted],
        [(one.outcome.event_seq, one.account.name, one.outcome.kind, one.outcome.quantity, one.reason) for one in found.outcomes],
        [(one.event_seq, name, one.quantity_left, one.money_left, one.days) for name, one in left],
    )


def test_the_settlement_report_of_each_day(ledger: Ledger) -> None:
    """The report of a day stays as it was when more is settled later."""
    ledger.post([record(events) for events in (OPENING, LATER, NETTING, PARTLY)])
    netted = [(11, "@fees", 0, 80 * CENT), (12, "ALICE", 10, -60 * CENT), (13, "BOB", -10, -20 * CENT)]
    open_then = [(11, "@fees", 0, 80 * CENT, 0), (12, "ALICE", 10, -60 * CENT, 0), (13, "BOB", -10, -20 * CENT, 0)]
    assert report(ledger, "20260102") == (netted, [], open_then)
    assert report(ledger, "20260105") == (
        [],
        [
            (15, "ALICE", "settled", 4, ""),
            (16, "BOB", "settled", -4, ""),
            (17, "@fees", "failed", 0, "counterparty"),
            (18, "ALICE", "failed", 0, "counterparty"),
            (19, "BOB", "failed", 0, "no securities"),
        ],
        [(11, "@fees", 0, 80 * CENT, 1), (12, "ALICE", 6, -60 * CENT, 1), (13, "BOB", -6, -20 * CENT, 1)],
    )
    assert report(ledger, "20260105", ["BOB"]) == (
        [],
        [(16, "BOB", "settled", -4, ""), (19, "BOB", "failed", 0, "no securities")],
        [(13, "BOB", -6, -20 * CENT, 1)],
    )


def test_what_is_settled_is_not_open_any_more_but_was(ledger: Ledger) -> None:
    ledger.post([record(events) for events in (OPENING, LATER, NETTING, SETTLEMENT)])
    assert [row[0] for row in report(ledger, "20260102")[2]] == [11, 12, 13]  # type: ignore[index]
    assert report(ledger, "20260105")[2] == []


def test_a_day_has_the_settlement_of_its_evening(ledger: Ledger) -> None:
    ledger.post([record(events) for events in (OPENING, LATER, NETTING, SETTLEMENT)])
    bob = account(ledger, "BOB")
    with ledger.engine.connect() as connection:
        assert read_days(connection, 2) == ["20260105", "20260106"]
        assert find_day(connection, "20260102") == Span(8, 14)
        assert find_day(connection, "20260105") == Span(14, 18)
        assert find_day(connection, "20260106") == Span(18, None)
        assert find_day(connection, "20260107") is None
        found = statement(connection, bob, first_seq=14, end_seq=18)
        lines = [(line.event_seq, line.what, line.unsettled, line.asset.name, line.change) for line in found.lines]
    value = 1_895 * USD
    assert lines == [
        (17, "delivery", False, "AAPL", -10),
        (17, "payment", False, "USD", value),
        (17, "settlement money", False, "USD", -20 * CENT),
        (17, "delivery", True, "AAPL", 10),
        (17, "payment", True, "USD", -value),
        (17, "settlement money", True, "USD", 20 * CENT),
    ]
    assert ([amount for _, amount in found.opening], [amount for _, amount in found.opening_unsettled]) == (
        [500],
        [value - 20 * CENT, -10],
    )
    assert ([amount for _, amount in found.closing()], found.closing(unsettled=True)) == ([value - 20 * CENT, 490], [])


# ------------------------------------------------------------------------------------------ trial balance


def test_the_trial_balance_sums_to_zero_now_and_then(ledger: Ledger) -> None:
    ledger.post([record(events) for events in (OPENING, LATER, NETTING, SETTLEMENT)])
    with ledger.engine.connect() as connection:
        now, before = trial_balance(connection), trial_balance(connection, 14)
    assert assets_that_do_not_sum_to_zero(now) == assets_that_do_not_sum_to_zero(before) == []
    assert [(one.asset.name, one.account.name, one.settled, one.unsettled) for one in before if one.settled or one.unsettled] == [
        ("USD", "@fees", 0, 80 * CENT),
        ("USD", "@outside", -100_000 * USD, 0),
        ("USD", "ALICE", 100_000 * USD, -1_895 * USD - 60 * CENT),
        ("USD", "BOB", 0, 1_895 * USD - 20 * CENT),
        ("AAPL", "@outside", -500, 0),
        ("AAPL", "ALICE", 0, 10),
        ("AAPL", "BOB", 500, -10),
    ]
    with ledger.engine.connect() as connection:
        same = trial_balance(connection, ledger.cursor.event_seq + 1)
    assert [one for one in same if one.amount] == [one for one in now if one.amount]
