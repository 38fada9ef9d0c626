"""What each kind of event does to the rows, on both databases: orders, trades, candles, days, names."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from following.database import DatabaseRefused
from following.follower import Cursor, EventsMissing
from marketdata.candles import DAY_NS
from marketdata.history import schema
from marketdata.history.database import is_current
from marketdata.history.rows import RowMissing, Rows
from marketdata.history.writer import History
from matching.messages import (
    AccountDefined,
    CancelReason,
    Conditions,
    DayRolled,
    Event,
    InstrumentDefined,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrdersExpired,
    Reason,
    RestateReason,
    TradeBusted,
    TradeCorrected,
    Traded,
)
from tests.history.tables import named_rows, record, rows

MIDNIGHT = 20_000 * DAY_NS  # of 2024-10-04
NOON = MIDNIGHT + DAY_NS // 2
SECOND = 10**9
AAPL = InstrumentDefined(1, "AAPL", "USD", 2, 0, 1, 1, 10**6, 2**62, 100, 5_000, market="MAIN", maker_fee_ppm=0, taker_fee_ppm=0)
OPENING: list[Event] = [AAPL, AccountDefined(2, "ann", "ANN", 0, "allow"), AccountDefined(3, "bob", "BOB", 0, "allow")]
# What is the same of every order here: of the first the sell, of the second the buy.
ANN: dict[str, Any] = {"order_id": 10, "event_seq": 4, "participant": "ANN", "account": "ann", "instrument": "AAPL", "side": "2"}
BOB: dict[str, Any] = {"order_id": 11, "event_seq": 5, "participant": "BOB", "account": "bob", "instrument": "AAPL", "side": "1"}
TERMS: dict[str, Any] = {"entered": NOON, "session": "S", "order_type": "2", "time_in_force": "1", "price": 100}


def order(seq: int, of: dict[str, Any], quantity: int, **more: Any) -> OrderAccepted:
    said: dict[str, Any] = {"order_type": "2", "time_in_force": "1", "price": 100, "expire_time": 0, "routing": ""} | more
    who = of["order_id"], of["participant"], "S", f"C{of['order_id']}", of["account"], "AAPL", of["side"]
    return OrderAccepted(seq, *who, quantity=quantity, **said)


def trade(seq: int, quantity: int, maker_leaves: int, taker_leaves: int, price: int = 100, **more: Any) -> Traded:
    return Traded(seq, "AAPL", price, quantity, 10, 11, "1", "ann", "bob", maker_leaves, taker_leaves, 7, -3, **more)


def posted(history: History, *events: Event) -> None:
    """Post what every venue begins with, then each event as a record of its own: one second after the other, from noon on."""
    history.post([record(OPENING, time=NOON)])
    for number, event in enumerate(events):
        history.post([record([event], time=NOON + number * SECOND)])


def orders(history: History) -> list[dict[str, Any]]:
    return named_rows(history.engine, "orders")


def test_the_migrations_make_the_tables_that_the_program_knows(history: History) -> None:
    with history.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        assert is_current(connection)
        indexes = {index["name"] for table in schema.metadata.tables for index in inspect(connection).get_indexes(table)}
    assert {index.name for table in schema.metadata.sorted_tables for index in table.indexes} == indexes


def test_a_history_of_a_later_program_is_refused(history: History) -> None:
    with history.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = 'history_9999'"))
    with pytest.raises(DatabaseRefused, match=r"the history's tables are of a later program \(revision history_9999\)"):
        history.load()


def test_names_and_days(history: History) -> None:
    posted(history, InstrumentDefined(**{**as_dict(AAPL), "seq": 4, "tick": 5}), DayRolled(5, "20241007", 0))
    found = rows(history.engine)
    assert found["instruments"] == [("AAPL", "USD", "MAIN", 2, 0, 5, 1)]
    assert found["accounts"] == [("ann", "ANN"), ("bob", "BOB")]
    assert found["days"] == [(MIDNIGHT, 1), (MIDNIGHT + 3 * DAY_NS, 5)]


def as_dict(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_an_order_that_rests_is_filled_in_parts(history: History) -> None:
    posted(history, order(4, ANN, 9), order(5, BOB, 4), trade(6, 4, 5, 0))
    ann = ANN | TERMS | {"cl_ord_id": "C10", "quantity": 9, "status": "partially-filled", "leaves": 5, "executed": 4, "value": 400}
    bob = BOB | TERMS | {"cl_ord_id": "C11", "quantity": 4, "status": "filled", "executed": 4, "value": 400}
    assert orders(history) == [ann, bob | {"entered": NOON + SECOND, "ended": NOON + 2 * SECOND}]
    assert named_rows(history.engine, "trades") == [
        {
            "event_seq": 6, "time": NOON + 2 * SECOND, "instrument": "AAPL", "price": 100, "quantity": 4, "taker_side": "1",
            "maker_order_id": 10, "taker_order_id": 11, "maker_account": "ann", "taker_account": "bob", "maker_cl_ord_id": "C10",
            "taker_cl_ord_id": "C11", "maker_fee": 7, "taker_fee": -3, "status": "traded",
        }
    ]  # fmt: skip
    said = 100, 100, 100, 100, 4, 400, 1
    assert rows(history.engine)["candles"] == [
        ("AAPL", "1d", MIDNIGHT, *said),
        ("AAPL", "1h", NOON, *said),
        ("AAPL", "1m", NOON, *said),
        ("AAPL", "1s", NOON + 2 * SECOND, *said),
        ("AAPL", "5m", NOON, *said),
    ]


def test_an_order_that_is_refused_is_there_with_the_reason(history: History) -> None:
    said: Any = 10, "ANN", "S", "C10", "ann", "AAPL", "2", "2", "1", 100, 9, 0, "", Reason.OFF_TICK, "100 is off the tick"
    posted(history, OrderRejected(4, *said))
    due = {"cl_ord_id": "C10", "quantity": 9, "status": "rejected", "reason": "off-tick", "text": "100 is off the tick"}
    assert orders(history) == [ANN | TERMS | due | {"ended": NOON}]


def test_an_order_that_ends_says_why(history: History) -> None:
    """For every reason that there is: the order of each is numbered as the reason is."""
    reasons = list(CancelReason)
    entered = [order(4 + at, ANN | {"order_id": reason.value}, 9) for at, reason in enumerate(reasons)]
    first = 4 + len(reasons)
    ended = [OrderCanceled(first + at, reason.value, "AAPL", 9, reason, "S", "C99") for at, reason in enumerate(reasons)]
    history.post([record([*OPENING, *entered], time=NOON), record(ended, time=NOON + SECOND)])
    by_time = {"DAY_END", "GTD_END", "OPENING_END", "CLOSING_END"}
    assert orders(history) == [
        ANN
        | TERMS
        | {
            "order_id": reason.value,
            "event_seq": 4 + at,
            "cl_ord_id": f"C{reason.value}",
            "quantity": 9,
            "status": "expired" if reason.name in by_time else "canceled",
            "reason": reason.name.lower().replace("_", "-"),
            "ended": NOON + SECOND,
        }
        for at, reason in enumerate(reasons)
    ]


def replaced(seq: int, quantity: int, leaves: int, **more: Any) -> OrderReplaced:
    return OrderReplaced(seq, 10, "AAPL", "S2", "C20", "C10", "2", "6", 101, quantity, leaves, NOON, "", True, **more)


def test_a_replaced_order_has_other_terms_and_the_number_it_had(history: History) -> None:
    posted(history, order(4, ANN, 9, exec_inst="G"), replaced(5, 12, 12, conditions=Conditions(display_quantity=3, post_only=True)))
    due = {
        "session": "S2", "cl_ord_id": "C20", "time_in_force": "6", "price": 101, "quantity": 12, "expire_time": NOON,
        "conditions": '{"display_quantity":3,"post_only":true}', "status": "new", "leaves": 12,
    }  # fmt: skip
    assert orders(history) == [ANN | TERMS | due]


def test_an_order_replaced_by_what_is_executed_is_filled(history: History) -> None:
    posted(history, order(4, ANN, 9), order(5, BOB, 4), trade(6, 4, 5, 0), replaced(7, 4, 0))
    due = {
        "session": "S2", "cl_ord_id": "C20", "time_in_force": "6", "price": 101, "quantity": 4, "expire_time": NOON,
        "status": "filled", "executed": 4, "value": 400, "ended": NOON + 3 * SECOND,
    }  # fmt: skip
    assert orders(history)[0] == ANN | TERMS | due
    assert named_rows(history.engine, "trades")[0]["maker_cl_ord_id"] == "C10", "as it was then"


def test_an_order_in_no_book_is_waiting(history: History) -> None:
    stop = Conditions(stop_price=110)
    posted(history, order(4, ANN, 9, order_type="4", conditions=stop, parked="stop"))
    due = TERMS | {"cl_ord_id": "C10", "quantity": 9, "leaves": 9, "conditions": '{"stop_price":110}'}
    assert orders(history) == [ANN | due | {"order_type": "4", "status": "waiting", "parked": "stop"}]
    history.post([record([OrderActivated(5, 10, "AAPL", "stop", "2", 100)], time=NOON)])
    assert orders(history) == [ANN | due | {"status": "new"}]


def test_a_pegged_order_waits_for_a_price(history: History) -> None:
    posted(history, order(4, ANN, 9, order_type="P", conditions=Conditions(peg="primary"), parked="peg"))
    assert [(row["status"], row.get("parked")) for row in orders(history)] == [("waiting", "peg")]
    history.post([record([OrderRepriced(5, 10, "AAPL", 99)], time=NOON)])
    assert [(row["status"], row.get("parked")) for row in orders(history)] == [("new", None)]
    history.post([record([OrderRepriced(6, 10, "AAPL", 0)], time=NOON)])
    assert [(row["status"], row.get("parked")) for row in orders(history)] == [("waiting", "peg")]


def test_restated_terms_are_the_terms(history: History) -> None:
    posted(
        history,
        order(4, ANN, 9, order_type="K", price=0),
        OrderRestated(5, 10, "AAPL", RestateReason.LEFT_OVER, "2", 100, 9, 9),
        OrderRestated(6, 10, "AAPL", RestateReason.SELF_TRADE_DECREMENT, "2", 100, 7, 7),
    )
    assert orders(history) == [ANN | TERMS | {"cl_ord_id": "C10", "quantity": 7, "status": "new", "leaves": 7}]


def bust(seq: int, of: int, quantity: int, price: int = 100) -> TradeBusted:
    return TradeBusted(seq, of, "AAPL", price, quantity, "1", "ann", "bob", 7, -3, None, None, "op")


def test_a_busted_trade_is_marked_and_in_no_candle_and_its_orders_lack_it(history: History) -> None:
    posted(history, order(4, ANN, 9), order(5, BOB, 4), trade(6, 4, 5, 0), bust(7, 6, 4))
    ann = {"cl_ord_id": "C10", "quantity": 9, "status": "new", "leaves": 5, "busted": 4}
    bob = {"cl_ord_id": "C11", "quantity": 4, "status": "canceled", "busted": 4}
    assert orders(history) == [
        ANN | TERMS | ann,
        BOB | TERMS | bob | {"entered": NOON + SECOND, "ended": NOON + 2 * SECOND},
    ]
    (found,) = named_rows(history.engine, "trades")
    said = {name: found.get(name) for name in ("status", "price", "quantity", "amended", "amended_by", "traded_price")}
    assert said == {
        "status": "busted", "price": 100, "quantity": 4, "amended": NOON + 3 * SECOND, "amended_by": "op", "traded_price": None,
    }  # fmt: skip
    assert rows(history.engine)["candles"] == []


def test_a_corrected_trade_says_what_it_was(history: History) -> None:
    corrected = TradeCorrected(7, 6, "AAPL", 90, 3, "1", "ann", "bob", 5, -2, 100, 4, 7, -3, None, None, "op")
    again = TradeCorrected(8, 6, "AAPL", 80, 2, "1", "ann", "bob", 4, -1, 90, 3, 5, -2, None, None, "op2")
    posted(history, order(4, ANN, 9), order(5, BOB, 4), trade(6, 4, 5, 0), corrected, again)
    (found,) = named_rows(history.engine, "trades")
    names = "status", "price", "quantity", "maker_fee", "taker_fee", "amended", "amended_by"
    assert [found[name] for name in names] == ["corrected", 80, 2, 4, -1, NOON + 4 * SECOND, "op2"]
    first = "traded_price", "traded_quantity", "traded_maker_fee", "traded_taker_fee"
    assert [found[name] for name in first] == [100, 4, 7, -3]
    assert [(row["executed"], row["busted"], row["value"]) for row in orders(history)] == [(2, 2, 160), (2, 2, 160)]
    assert {row[2:] for row in rows(history.engine)["candles"] if row[1] == "1h"} == {(NOON, 80, 80, 80, 80, 2, 160, 1)}


def test_a_bust_after_a_restart_finds_orders_and_candles_again(history: History) -> None:
    """The orders have ended, and nothing of them is in memory: the tables have it."""
    posted(history, order(4, ANN, 9), order(5, BOB, 9), trade(6, 4, 5, 5), trade(7, 5, 0, 0, price=110))
    history.load()
    history.post([record([bust(8, 7, 5, price=110)], time=NOON + 4 * SECOND)])
    assert [(row["status"], row["executed"], row["busted"], row["value"]) for row in orders(history)] == [
        ("canceled", 4, 5, 400),
        ("canceled", 4, 5, 400),
    ]
    assert [row[3:] for row in rows(history.engine)["candles"] if row[1] == "1d"] == [(100, 100, 100, 100, 4, 400, 1)]


def test_what_is_entered_traded_and_busted_in_one_record_is_one_row_each(history: History) -> None:
    history.post([record([*OPENING, order(4, ANN, 9), order(5, BOB, 4), trade(6, 4, 5, 0), bust(7, 6, 4)], time=NOON)])
    assert [(row["status"], row.get("busted")) for row in orders(history)] == [("new", 4), ("canceled", 4)]
    assert [row["status"] for row in named_rows(history.engine, "trades")] == ["busted"]
    assert rows(history.engine)["candles"] == []


def test_numbers_beyond_64_bits_are_exact(history: History) -> None:
    posted(history, order(4, ANN, 2**41), order(5, BOB, 2**41), trade(6, 2**40, 2**40, 2**40, price=2**40))
    history.load()
    history.post([record([trade(7, 2**40, 0, 0, price=2**40)], time=NOON)])
    assert [row["value"] for row in orders(history)] == [2**81, 2**81]
    assert [row[7:9] for row in rows(history.engine)["candles"] if row[1] == "1d"] == [(2**41, 2**81)]


def test_text_of_clients_is_kept_as_it_is(history: History) -> None:
    """But for the one character that PostgreSQL does not take."""
    names = ["a\tb", "a\nb", "back\\slash", "\\N", "it's", "ünïcödé", "nul\0l"]
    events: list[Event] = [*OPENING]
    for number, name in enumerate(names):
        who: Any = (100 + number, "ANN", "S", name, "ann", "AAPL", "2", "2", "1", 100, 9, 0, "")
        said = OrderAccepted(4 + number, *who)
        events.append(msgspec.structs.replace(said, conditions=Conditions(list_id=name)))
    history.post([record(events, time=NOON)])
    history.load()
    assert [order.cl_ord_id for order in history.rows.orders.values()] == [*names[:-1], "nul\ufffdl"]
    assert [order.conditions for order in history.rows.orders.values()] == [Conditions(list_id=name) for name in names]


def test_the_cursor_says_where_the_tables_stand_and_what_is_there_is_not_written_again(history: History) -> None:
    one = record(OPENING, command_seq=9, time=NOON)
    assert history.post([one]).events == 3
    assert history.post([one]).events == 0
    assert history.load() == Cursor(3, 9, NOON, 1, one.crc)
    with pytest.raises(EventsMissing, match="event 4 is due in the history, and it was given events 5 to 5"):
        history.post([record([OrdersExpired(5, 0)])])


def test_events_about_what_is_not_there_are_refused_by_name(history: History) -> None:
    posted(history)
    before = rows(history.engine)
    with pytest.raises(RowMissing, match="event 4 is about order 10, which is not open in the history"):
        history.post([record([OrderCanceled(4, 10, "AAPL", 9, CancelReason.REQUESTED)])])
    history.load()
    with pytest.raises(RowMissing, match="event 4 is about trade 2, which the history does not have"):
        history.post([record([bust(4, 2, 4)])])
    assert rows(history.engine) == before


# Events that change no row: what they say is of the market, of money, or an answer to somebody.
PASSED_OVER = {
    "CancelRejected", "MassCanceled", "MassCancelRejected", "BalanceChanged", "PhaseChanged", "OrdersExpired", "CommandRefused",
    "ListAccepted", "ListRejected", "OrderRefreshed", "QuotesAnswered", "QuotesCanceled", "ParticipantDefined", "AccessSet",
    "ReferenceSet", "MarketPhaseChanged", "Uncrossed", "AuctionIndicated", "PausesEnded", "IndicativePublished", "OperatorNoted",
    "SettlementSet", "DeliveriesHeld", "ObligationNetted", "Settled", "SettlementFailed", "BoughtIn", "DividendPaid",
    "DividendCredited", "InstrumentSplit", "HoldingSplit", "ObligationSplit", "FeesSet", "MarginSet", "MarginCalled",
    "MarginCallEnded", "TradeAllocated", "AllocationRejected",
}  # fmt: skip


def test_every_kind_of_event_is_taken_or_passed_over_knowingly() -> None:
    taken = {kind.__name__ for kind in Rows().takes} | {"Traded", "DayRolled"}
    assert taken & PASSED_OVER == set()
    assert taken | PASSED_OVER == {kind.__name__ for kind in get_args(Event)}
