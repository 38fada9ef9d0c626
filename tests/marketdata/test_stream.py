"""The stream, message by message: what a client says, and every message that it is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stream_stand import NOW, StreamClient, StreamStand

from marketdata import topics
from marketdata.channels import TOPIC_KEPT_SECONDS
from marketdata.stream import Stream
from marketdata.topics import RESUME_SECONDS
from matching.messages import BUY, SELL, BustTrade, CorrectTrade, RollDay, SetPhase

BOOK, TRADES = "book:AAPL:price:2", "trades:AAPL"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[StreamStand]:
    stand = StreamStand(tmp_path)
    yield stand
    stand.close()


def at(stand: StreamStand) -> str:
    """The time of the last record."""
    return f"2023-11-14T22:13:20.{(stand.venue.time % 10**9):09d}Z"


def told(client: StreamClient) -> list[tuple[Any, ...]]:
    """Snapshots as (topic, number, data), deltas as (topic, first, number, data), and what else there was as it is."""
    found: list[tuple[Any, ...]] = []
    for message in client.take():
        if message["type"] == "snapshot":
            found.append((message["topic"], message["number"], message["data"]))
        elif message["type"] == "delta":
            found.append((message["topic"], message["first"], message["number"], message["data"]))
        else:
            found.append((message,))
    return found


# -------------------------------------------------------------------------------------------------- books


def test_a_client_is_greeted(stand: StreamStand) -> None:
    client = StreamClient(stand.stream)
    stand.stream.connect(client)
    assert client.take() == [{"type": "hello", "venue": "VENUE", "era": "7", "time": NOW}]


def test_a_snapshot_and_the_deltas_behind_it(stand: StreamStand) -> None:
    venue = stand.venue
    stand.put(venue.order("ALICE", BUY, 999, 5))
    client = stand.connect(BOOK)
    assert client.take() == [], "with the next flush"
    stand.flush()
    assert client.take() == [
        {
            "type": "snapshot", "topic": BOOK, "era": "7-1", "number": 0, "time": at(stand),
            "data": {"bids": [["9.99", "5", 1]], "offers": []},
        }
    ]  # fmt: skip
    bid = venue.order("ALICE", BUY, 999, 3)
    stand.put(bid)
    assert client.take() == [
        {
            "type": "delta", "topic": BOOK, "first": 1, "number": 1, "time": at(stand),
            "data": [["change", "bid", "9.99", "8", 2]],
        }
    ]  # fmt: skip
    stand.put(venue.order("ALICE", SELL, 1001, 2), venue.order("BOB", SELL, 1001, 2), venue.cancel(bid))
    assert told(client) == [(BOOK, 2, 3, [["change", "bid", "9.99", "5", 1], ["new", "offer", "10.01", "4", 2]])]
    stand.put(venue.order("ALICE", BUY, 1000, 1), venue.order("ALICE", BUY, 998, 1))
    assert told(client) == [(BOOK, 4, 4, [["new", "bid", "10.00", "1", 1]])], "9.98 is beyond the two prices asked for"
    stand.put(venue.order("BOB", SELL, 1000, 1))
    assert told(client) == [(BOOK, 5, 6, [["delete", "bid", "10.00", "0", 0], ["new", "bid", "9.98", "1", 1]])]
    stand.flush()
    assert client.take() == [], "nothing happened, nothing is said"


def test_a_book_by_order(stand: StreamStand) -> None:
    venue, name = stand.venue, "book:BTCUSD:order:0"
    stand.put(venue.order("ALICE", BUY, 999, 5, symbol="BTCUSD"))
    client = stand.connect(name)
    stand.flush()
    assert told(client) == [(name, 0, {"bids": [["99.9", "0.005", "15"]], "offers": []})]
    stand.put(venue.order("BOB", BUY, 999, 7, symbol="BTCUSD"), venue.order("CAROL", SELL, 999, 6, symbol="BTCUSD"))
    assert told(client) == [
        (name, 1, 2, [["delete", "bid", "99.9", "0.000", "15"], ["new", "bid", "99.9", "0.006", "16"]])
    ]


def test_all_that_happened_between_two_flushes_is_one_delta(stand: StreamStand) -> None:
    client = stand.connect(BOOK)
    stand.flush()
    client.take()
    for quantity in (1, 2, 3):
        stand.venue.submit([stand.venue.order("ALICE", BUY, 999, quantity)])
        stand.turn()
    stand.stream.flush()
    assert told(client) == [
        (BOOK, 1, 3, [["new", "bid", "9.99", "1", 1], ["change", "bid", "9.99", "3", 2], ["change", "bid", "9.99", "6", 3]])
    ]


def test_it_is_encoded_once_for_all(stand: StreamStand) -> None:
    clients = [stand.connect(BOOK) for _ in range(3)]
    stand.flush()
    stand.put(stand.venue.order("ALICE", BUY, 999, 1))
    first = clients[0].frames
    assert len(first) == 2
    for client in clients[1:]:
        assert [frame is mine for frame, mine in zip(client.frames, first, strict=True)] == [True, True]


def test_who_comes_in_between_has_a_snapshot_that_fits(stand: StreamStand) -> None:
    """What was gathered for a delta is put out before the snapshot, so that the next delta follows on it."""
    first = stand.connect(BOOK)
    stand.flush()
    stand.venue.submit([stand.venue.order("ALICE", BUY, 999, 1)])
    stand.turn()
    second = stand.connect(BOOK)
    stand.stream.flush()
    stand.put(stand.venue.order("ALICE", BUY, 998, 1))
    assert told(first)[1:] == [(BOOK, 1, 1, [["new", "bid", "9.99", "1", 1]]), (BOOK, 2, 2, [["new", "bid", "9.98", "1", 1]])]
    assert told(second) == [
        (BOOK, 1, {"bids": [["9.99", "1", 1]], "offers": []}),
        (BOOK, 2, 2, [["new", "bid", "9.98", "1", 1]]),
    ]


def test_numbers_are_the_rptseq_of_the_fix_feed(stand: StreamStand) -> None:
    """Bids and offers of a depth are one view, whoever follows it."""
    fix = stand.logon()
    stand.ask(fix, "262=a|263=1|264=2|265=1|266=Y|267=2|269=0|269=1|146=1|55=AAPL|")
    stand.put(stand.venue.order("ALICE", BUY, 999, 1))
    client = stand.connect(BOOK)
    stand.flush()
    stand.put(stand.venue.order("ALICE", BUY, 998, 1))
    assert [body.rsplit("83=", 1)[1] for _, body in fix.take()] == ["1|", "2|"]
    assert told(client) == [
        (BOOK, 1, {"bids": [["9.99", "1", 1]], "offers": []}),
        (BOOK, 2, 2, [["new", "bid", "9.98", "1", 1]]),
    ]


def test_trades_and_statistics_have_them_too_however_the_fix_feed_was_asked(stand: StreamStand) -> None:
    fix = stand.logon()
    stand.ask(fix, "262=a|263=1|264=1|265=1|266=N|267=1|269=2|146=1|55=AAPL|")
    kinds = "".join(f"269={kind}|" for kind in "QAB98754")
    stand.ask(fix, f"262=b|263=1|264=5|265=1|266=Y|267=8|{kinds}146=1|55=AAPL|")
    stand.put(stand.venue.order("ALICE", BUY, 1000, 5), stand.venue.order("BOB", SELL, 1000, 1))
    client = stand.connect(TRADES, "statistics:AAPL")
    stand.put(stand.venue.order("BOB", SELL, 1000, 1))
    assert [(body[:6], body.rsplit("83=", 1)[1]) for _, body in fix.take()] == [
        ("262=a|", "1|"), ("262=b|", "5|"), ("262=a|", "2|"), ("262=b|", "6|")
    ]  # fmt: skip
    assert [message[:2] for message in told(client)] == [(TRADES, 2), ("statistics:AAPL", 6)]


def test_unsubscribe(stand: StreamStand) -> None:
    client = stand.connect(BOOK, TRADES)
    stand.flush()
    client.take()
    client.say("unsubscribe", topics=[BOOK, BOOK])
    stand.put(stand.venue.order("ALICE", BUY, 999, 1))
    assert told(client) == [
        ({"type": "unsubscribed", "topic": BOOK},),
        ({"type": "error", "code": "not-subscribed", "message": "this topic is not subscribed to", "topic": BOOK},),
    ]


def test_who_subscribes_again_has_a_new_snapshot(stand: StreamStand) -> None:
    client = stand.connect(BOOK)
    stand.flush()
    stand.put(stand.venue.order("ALICE", BUY, 999, 1))
    client.say("subscribe", topics=[BOOK])
    stand.put(stand.venue.order("ALICE", BUY, 998, 1))
    stand.put(stand.venue.order("ALICE", BUY, 1000, 1))
    assert [(number, len(rest)) for _, number, *rest in told(client)] == [(0, 1), (1, 2), (2, 1), (3, 2)]


# ------------------------------------------------------------------------------------------- other topics


def trade(number: int, price: str, quantity: str, status: str = "traded", aggressor: str = "sell", ms: int = 2) -> dict[str, str]:
    time = f"2023-11-14T22:13:20.{ms:03d}000000Z"
    return {
        "id": str(number), "time": time, "symbol": "AAPL", "price": price, "quantity": quantity, "aggressor": aggressor,
        "status": status,
    }  # fmt: skip


def test_trades_their_correction_and_their_end(stand: StreamStand) -> None:
    venue = stand.venue
    (first,) = stand.put(venue.order("ALICE", BUY, 1000, 5), venue.order("BOB", SELL, 1000, 2))
    client = stand.connect(TRADES)
    stand.flush()
    assert told(client) == [(TRADES, 0, {"trades": [trade(first.seq, "10.00", "2")]})]
    (second,) = stand.put(venue.order("BOB", SELL, 999, 1), CorrectTrade(first, 1001, 2, "operator eve"))
    corrected = trade(first.seq, "10.01", "2", "corrected")
    assert told(client) == [(TRADES, 1, 2, [["new", trade(second.seq, "10.00", "1", ms=3)], ["change", corrected]])]
    stand.put(BustTrade(second, "operator eve"))
    assert told(client) == [(TRADES, 3, 3, [["delete", trade(second.seq, "10.00", "1", "busted", ms=3)]])]
    other = stand.connect(TRADES)
    stand.flush()
    assert told(other) == [(TRADES, 3, {"trades": [corrected]})]


NO_STATISTICS = {
    "symbol": "AAPL", "phase": "continuous", "until": None, "open": None, "high": None, "low": None, "last": None, "close": "10.00",
    "change": None, "change_percent": None, "vwap": None, "volume": "0", "trades": 0, "auction": None,
}  # fmt: skip


def test_statistics_say_what_is_different(stand: StreamStand) -> None:
    venue, name = stand.venue, "statistics:AAPL"
    client = stand.connect(name)
    stand.flush()
    assert told(client) == [(name, 0, NO_STATISTICS)]
    stand.put(venue.order("ALICE", BUY, 1010, 5))
    assert told(client) == [], "a book is none of its business"
    stand.put(venue.order("BOB", SELL, 1010, 2))
    day = {"open": "10.10", "high": "10.10", "low": "10.10", "last": "10.10", "vwap": "10.100000", "volume": "2", "trades": 1}
    assert told(client) == [(name, 1, 5, [{**day, "change": "0.10", "change_percent": "1.00"}])]
    stand.put(venue.order("BOB", SELL, 1010, 1))
    assert told(client) == [(name, 6, 6, [{"volume": "3", "trades": 2}])]


def test_statistics_have_phases_though_those_have_no_number(stand: StreamStand) -> None:
    name = "statistics:AAPL"
    client = stand.connect(name)
    stand.flush()
    client.take()
    stand.put(SetPhase("AAPL", "halted"))
    assert told(client) == [(name, 1, 0, [{"phase": "halted"}])]
    stand.put(SetPhase("AAPL", "continuous"))
    assert told(client) == [(name, 1, 0, [{"phase": "continuous"}])]
    stand.put(stand.venue.order("ALICE", BUY, 1000, 5), stand.venue.order("BOB", SELL, 1000, 5))
    assert [message[1] for message in told(client)] == [1]


def test_statistics_over_the_end_of_a_day(stand: StreamStand) -> None:
    venue, name = stand.venue, "statistics:AAPL"
    stand.put(venue.order("ALICE", BUY, 1010, 5), venue.order("BOB", SELL, 1010, 2))
    client = stand.connect(name)
    stand.flush()
    client.take()
    stand.put(RollDay("20240102"))
    ((_, _, _, (changed,)),) = told(client)
    assert changed == {
        "open": None, "high": None, "low": None, "close": "10.10", "change": "0.00", "change_percent": "0.00", "vwap": None,
        "volume": "0", "trades": 0,
    }  # fmt: skip


def test_candles(stand: StreamStand) -> None:
    venue, name = stand.venue, "candles:AAPL:1m"
    trades = stand.put(venue.order("ALICE", BUY, 1000, 5), venue.order("BOB", SELL, 1000, 2))
    client = stand.connect(name)
    stand.flush()
    candle = {
        "time": "2023-11-14T22:13:00.000000000Z", "open": "10.00", "high": "10.00", "low": "10.00", "close": "10.00", "volume": "2",
        "value": "20.00", "trades": 1,
    }  # fmt: skip
    assert told(client) == [(name, 0, {"candles": [candle]})]
    trades += stand.put(venue.order("BOB", SELL, 999, 1))
    candle |= {"volume": "3", "value": "30.00", "trades": 2}
    assert told(client) == [(name, 1, 1, [candle])]
    stand.put(*[BustTrade(one, "operator eve") for one in trades])
    gone = {**candle, **dict.fromkeys(("open", "high", "low", "close", "value"), "0.00"), "volume": "0", "trades": 0}
    assert told(client) == [(name, 2, 2, [gone])], "no trades: it is gone"


def test_status(stand: StreamStand) -> None:
    client = stand.connect("status")
    stand.flush()
    assert told(client) == [
        (
            "status",
            0,
            {
                "trading_day": "",
                "markets": [{"market": "MAIN", "phase": "continuous"}],
                "instruments": [{"symbol": name, "phase": "continuous", "until": None} for name in ("AAPL", "BTCUSD")],
            },
        )
    ]
    stand.put(SetPhase("AAPL", "halted"), RollDay("20240102"))
    assert told(client) == [("status", 1, 2, [{"trading_day": "20240102"}, {"symbol": "AAPL", "phase": "halted", "until": None}])]
    stand.put(SetPhase("", "pre-open", "MAIN"))
    assert told(client) == [
        (
            "status",
            3,
            4,
            [{"market": "MAIN", "phase": "pre-open"}, {"symbol": "BTCUSD", "phase": "pre-open", "until": None}],
        )
    ]


# -------------------------------------------------------------------------------------------- coming back


def bids(stand: StreamStand, count: int) -> None:
    """So many deltas of one entry each."""
    for _ in range(count):
        stand.put(stand.venue.order("ALICE", BUY, 999, 1))


def come_back(stand: StreamStand, era: str, number: int) -> list[tuple[Any, ...]]:
    client = stand.connect({"topic": BOOK, "era": era, "number": number})
    stand.flush()
    found = told(client)
    stand.stream.disconnect(client)
    return found


def test_who_comes_back_goes_on_where_he_was(stand: StreamStand) -> None:
    client = stand.connect(BOOK)
    stand.flush()
    bids(stand, 2)
    stand.stream.disconnect(client)
    assert told(client)[-1][2] == 2
    bids(stand, 2)
    again = stand.connect({"topic": BOOK, "era": "7-1", "number": 2})
    bids(stand, 1)
    assert told(again) == [
        (BOOK, number, number, [["change", "bid", "9.99", str(number), number]]) for number in (3, 4, 5)
    ]
    assert stand.stream.resumed_total == 1


def test_who_missed_nothing_is_told_so(stand: StreamStand) -> None:
    stand.connect(BOOK)
    bids(stand, 2)
    assert come_back(stand, "7-1", 2) == [(BOOK, 3, 2, [])]


@pytest.mark.parametrize(("era", "number"), [("7-2", 2), ("", 2), ("7-1", 3), ("7-1", -1), ("7-1", 10**30)])
def test_who_says_what_cannot_be_has_a_snapshot(stand: StreamStand, era: str, number: int) -> None:
    stand.connect(BOOK)
    bids(stand, 2)
    assert come_back(stand, era, number) == [(BOOK, 2, {"bids": [["9.99", "2", 2]], "offers": []})]


def test_the_middle_of_a_delta_is_no_place_to_go_on_from(stand: StreamStand) -> None:
    stand.connect(BOOK)
    stand.flush()
    stand.put(stand.venue.order("ALICE", BUY, 999, 1), stand.venue.order("ALICE", BUY, 998, 1))
    assert len(come_back(stand, "7-1", 1)[0]) == 3, "a snapshot"
    assert len(come_back(stand, "7-1", 0)[0]) == 4, "a delta"


def test_deltas_are_kept_for_a_while(stand: StreamStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "RESUME_ENTRIES", 3)
    stand.connect(BOOK)
    stand.flush()
    bids(stand, 5)
    assert [message[1] for message in come_back(stand, "7-1", 2)] == [3, 4, 5]
    assert come_back(stand, "7-1", 1) == [(BOOK, 5, {"bids": [["9.99", "5", 5]], "offers": []})]
    stand.clock.now += RESUME_SECONDS + 1
    bids(stand, 1)
    assert [message[1] for message in come_back(stand, "7-1", 5)] == [6]
    assert [message[1] for message in come_back(stand, "7-1", 4)] == [6], "a snapshot"


def test_numbers_end_a_while_after_the_last_who_followed(stand: StreamStand) -> None:
    client = stand.connect(BOOK)
    stand.flush()
    stand.stream.disconnect(client)
    stand.clock.now += TOPIC_KEPT_SECONDS - 1
    bids(stand, 1)
    assert come_back(stand, "7-1", 0) == [(BOOK, 1, 1, [["new", "bid", "9.99", "1", 1]])]
    stand.clock.now += TOPIC_KEPT_SECONDS
    stand.flush()
    assert stand.stream.topics == 0 and len(stand.views) == 1, "FIX might still want the view"
    stand.clock.now += TOPIC_KEPT_SECONDS
    bids(stand, 1)
    assert len(stand.views) == 0
    client = stand.connect({"topic": BOOK, "era": "7-1", "number": 1})
    stand.flush()
    (message,) = client.take()
    assert (message["type"], message["era"], message["number"]) == ("snapshot", "7-2", 0)


def test_a_change_that_is_too_large_is_told_by_a_snapshot(stand: StreamStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "DELTA_ENTRIES_MAX", 3)
    name = "book:AAPL:order:0"
    client = stand.connect(name)
    stand.flush()
    stand.put(*[stand.venue.order("ALICE", BUY, 999, 1) for _ in range(3)])
    assert [(number, len(rest)) for _, number, *rest in told(client)] == [(0, 1), (1, 2)]
    stand.put(*[stand.venue.order("ALICE", BUY, 998, 1) for _ in range(4)])
    ((_, number, data),) = told(client)
    assert number == 7 and len(data["bids"]) == 7
    stand.put(stand.venue.order("ALICE", BUY, 998, 1))
    assert [message[1:3] for message in told(client)] == [(8, 8)]


def test_the_stream_counts(stand: StreamStand) -> None:
    stream: Stream = stand.stream
    clients = [stand.connect(BOOK, "status") for _ in range(3)]
    stand.flush()
    bids(stand, 2)
    assert (stream.clients, stream.topics) == (3, 2)
    assert (stream.snapshots_made, stream.deltas_made, stream.frames_sent) == (2, 2, 3 * 2 + 3 * 2)
    for client in clients:
        stream.disconnect(client)
        stream.disconnect(client)
    assert (stream.clients, stream.topics) == (0, 2)
    stand.put(RollDay("20240102"))
    assert [len(client.frames) for client in clients] == [4, 4, 4]
