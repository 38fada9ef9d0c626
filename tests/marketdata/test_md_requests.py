"""What a MarketDataRequest is answered with, to the letter: W and X on each version, and each reason of Y."""

from __future__ import annotations

from pathlib import Path

import pytest
from md_stand import Client, Stand

from marketdata import pacing, subscriptions
from marketdata.pacing import BEHIND_SECONDS_MAX, HELD_BYTES, HELD_SECONDS_MAX, HELDS_MAX, RESUME_BYTES, Pace, Pacer
from marketdata.subscriptions import RejectReason
from matching.messages import BUY, SELL, CancelOrder, NewOrder

BOOK = "267=2|269=0|269=1|146=1|55=AAPL|"


def rest(stand: Stand) -> NewOrder:
    """Two bids at one price, one below, and an offer. Returns the first bid (order 10: the commands before it set up)."""
    venue = stand.venue
    first = venue.order("ALICE", BUY, 999, 5)
    stand.submit(first, venue.order("BOB", BUY, 999, 7), venue.order("BOB", BUY, 998, 1), venue.order("BOB", SELL, 1001, 2))
    return first


# ------------------------------------------------------------------------------------------- snapshots


def test_snapshot_by_price(stand: Stand) -> None:
    rest(stand)
    client = stand.logon()
    assert stand.ask(client, f"262=q|263=0|264=0|266=Y|{BOOK}") == [
        (
            "W",
            "262=q|55=AAPL|268=3|"
            "269=0|270=9.99|271=12|346=2|290=1|83=0|"
            "269=0|270=9.98|271=1|346=1|290=2|83=0|"
            "269=1|270=10.01|271=2|346=1|290=1|83=0|",
        )
    ]
    assert client.sent == [] and stand.desk.subscribers == 0


def test_without_aggregated_book_it_is_by_price(stand: Stand) -> None:
    rest(stand)
    client = stand.logon()
    assert stand.ask(client, f"262=q|263=0|264=0|{BOOK}") == stand.ask(client, f"262=q|263=0|264=0|266=Y|{BOOK}")


def test_snapshot_by_order(stand: Stand) -> None:
    first = rest(stand)
    client = stand.logon()
    number = stand.venue.engine.order("ALICE", first.cl_ord_id).order_id  # type: ignore[union-attr]
    assert stand.ask(client, f"262=q|263=0|264=1|266=N|{BOOK}") == [
        (
            "W",
            "262=q|55=AAPL|268=3|"
            f"269=0|278={number}|270=9.99|271=5|37={number}|290=1|83=0|"
            f"269=0|278={number + 1}|270=9.99|271=7|37={number + 1}|290=2|83=0|"
            f"269=1|278={number + 3}|270=10.01|271=2|37={number + 3}|290=1|83=0|",
        )
    ]


def test_depth_counts_prices_also_by_order(stand: Stand) -> None:
    rest(stand)
    client = stand.logon()
    for depth, entries in (("1", 2), ("2", 3), ("0", 3), ("1000", 3)):
        ((_, body),) = stand.ask(client, f"262=q|263=0|264={depth}|266=N|267=1|269=0|146=1|55=AAPL|")
        assert f"|268={entries}|" in body


def test_quantity_and_price_have_the_decimals_of_their_instrument(stand: Stand) -> None:
    stand.submit(stand.venue.order("ALICE", BUY, 999, 12, symbol="BTCUSD"))
    assert stand.ask(stand.logon(), "262=q|263=0|264=0|267=1|269=0|146=1|55=BTCUSD|") == [
        ("W", "262=q|55=BTCUSD|268=1|269=0|270=99.9|271=0.012|346=1|290=1|83=0|")
    ]


@pytest.mark.parametrize(
    ("version", "body"),
    [
        ("FIX.4.2", "262=q|55=AAPL|268=1|269=J|270=0|83=0|"),
        ("FIX.4.4", "262=q|55=AAPL|268=1|269=J|83=0|"),
        ("FIXT.1.1", "262=q|55=AAPL|779=20231114-22:13:20.001000|268=1|269=J|83=0|"),
    ],
)
def test_where_there_is_nothing_the_snapshot_says_so(stand: Stand, version: str, body: str) -> None:
    assert stand.ask(stand.logon(begin_string=version), f"262=q|263=0|264=0|{BOOK}") == [("W", body)]


@pytest.mark.parametrize(
    ("version", "time", "tail", "updated", "no_price"),
    [
        ("FIX.4.2", "22:13:20.002", "", "", "270=0|"),
        ("FIX.4.4", "22:13:20.002", "", "", ""),
        ("FIXT.1.1", "22:13:20.002000", "1003={trade}|2446=1|", "779=20231114-22:13:20.002000|", ""),
    ],
)
def test_trades_and_statistics(stand: Stand, version: str, time: str, tail: str, updated: str, no_price: str) -> None:
    client = stand.logon(begin_string=version)
    kinds = "267=7|269=2|269=4|269=5|269=7|269=8|269=9|269=B|146=1|55=AAPL|"
    stand.ask(client, f"262=s|263=1|264=0|265=1|{kinds}")
    stand.submit(stand.venue.order("ALICE", SELL, 1000, 3), stand.venue.order("BOB", BUY, 1002, 3))
    trade = stand.feed.depth.books["AAPL"].last.number  # type: ignore[union-attr]
    tail = tail.format(trade=trade)
    assert client.take() == [
        (
            "X",
            "262=s|268=6|"
            f"279=0|269=2|278={trade}|55=AAPL|270=10.00|271=3|272=20231114|273={time}|{tail}83=1|"
            "279=0|269=4|55=AAPL|270=10.00|83=2|"
            "279=0|269=7|55=AAPL|270=10.00|83=3|"
            "279=0|269=8|55=AAPL|270=10.00|83=4|"
            "279=0|269=9|55=AAPL|270=10.000000|83=5|"
            "279=0|269=B|55=AAPL|271=3|83=6|",
        )
    ]
    assert stand.ask(client, f"262=q|263=0|264=0|{kinds}") == [
        (
            "W",
            f"262=q|55=AAPL|{updated}268=6|"
            f"269=2|278={trade}|270=10.00|271=3|272=20231114|273={time}|{tail}83=6|"
            "269=4|270=10.00|83=6|269=7|270=10.00|83=6|269=8|270=10.00|83=6|269=9|270=10.000000|83=6|"
            f"269=B|{no_price}271=3|83=6|",
        )
    ]


# ------------------------------------------------------------------------------------------ increments


def test_increments_by_price(stand: Stand) -> None:
    first = rest(stand)
    client = stand.logon()
    stand.ask(client, f"262=s|263=1|264=0|265=1|266=Y|{BOOK}")
    stand.submit(stand.venue.order("BOB", BUY, 997, 4))
    stand.submit(stand.venue.cancel(first))
    stand.submit(stand.venue.order("ALICE", SELL, 998, 9))  # takes 7 at 9.99, 1 at 9.98, and rests
    assert client.take() == [
        ("X", "262=s|268=1|279=0|269=0|55=AAPL|270=9.97|271=4|346=1|290=3|83=1|"),
        ("X", "262=s|268=1|279=1|269=0|55=AAPL|270=9.99|271=7|346=1|290=1|83=2|"),
        (
            "X",
            "262=s|268=3|279=2|269=0|55=AAPL|270=9.99|83=3|279=2|269=0|55=AAPL|270=9.98|83=4|"
            "279=0|269=1|55=AAPL|270=9.98|271=1|346=1|290=1|83=5|",
        ),
    ]


def test_increments_by_order(stand: Stand) -> None:
    venue = stand.venue
    first = venue.order("ALICE", BUY, 999, 5)
    second = venue.order("BOB", BUY, 999, 7)
    client = stand.logon()
    stand.ask(client, f"262=s|263=1|264=0|265=1|266=N|{BOOK}")
    stand.submit(first, second)
    one = venue.engine.order("ALICE", first.cl_ord_id).order_id  # type: ignore[union-attr]
    two = one + 1
    smaller = venue.replace(first, 999, 3)
    stand.submit(smaller)
    larger = venue.replace(NewOrder(*_as_new(smaller)), 999, 8)
    stand.submit(larger)
    stand.submit(venue.cancel(second))
    assert client.take() == [
        (
            "X",
            f"262=s|268=2|279=0|269=0|278={one}|55=AAPL|270=9.99|271=5|37={one}|83=1|"
            f"279=0|269=0|278={two}|55=AAPL|270=9.99|271=7|37={two}|83=2|",
        ),
        ("X", f"262=s|268=1|279=1|269=0|278={one}|55=AAPL|270=9.99|271=3|37={one}|83=3|"),
        (
            "X",  # more than it was: it goes to the back of its price
            f"262=s|268=2|279=2|269=0|278={one}|55=AAPL|270=9.99|37={one}|83=4|"
            f"279=0|269=0|278={one}|55=AAPL|270=9.99|271=8|37={one}|83=5|",
        ),
        ("X", f"262=s|268=1|279=2|269=0|278={two}|55=AAPL|270=9.99|37={two}|83=6|"),
    ]


def _as_new(replace: object) -> tuple[object, ...]:
    """The order that a replace leaves behind, as far as a next replace has to know it."""
    return (
        replace.participant, replace.session, replace.cl_ord_id, replace.participant, replace.instrument, replace.side,  # type: ignore[attr-defined]
        replace.order_type, replace.time_in_force, replace.price, replace.quantity,  # type: ignore[attr-defined]
    )  # fmt: skip


def test_a_price_comes_into_sight_when_a_better_one_goes(stand: Stand) -> None:
    first = rest(stand)
    client = stand.logon()
    stand.ask(client, "262=s|263=1|264=1|265=1|267=1|269=0|146=1|55=AAPL|")
    stand.submit(stand.venue.order("BOB", BUY, 997, 4))
    assert client.take() == [], "what is out of sight is not said"
    cancels = [stand.venue.cancel(first), CancelOrder("BOB", "BOB", "x1", "c2", "AAPL", BUY)]
    stand.submit(*cancels)
    assert client.take() == [
        ("X", "262=s|268=2|279=2|269=0|55=AAPL|270=9.99|83=1|279=0|269=0|55=AAPL|270=9.98|271=1|346=1|290=1|83=2|")
    ]


def test_full_refresh_sends_snapshots_when_something_changed(stand: Stand) -> None:
    client = stand.logon()
    ((_, empty),) = stand.ask(client, "262=s|263=1|264=1|265=0|267=1|269=0|146=1|55=AAPL|")
    assert "269=J" in empty
    stand.submit(stand.venue.order("ALICE", BUY, 999, 5))
    stand.submit(stand.venue.order("ALICE", BUY, 990, 5))
    stand.submit(stand.venue.order("ALICE", SELL, 1005, 5))
    assert client.take() == [("W", "262=s|55=AAPL|268=1|269=0|270=9.99|271=5|346=1|290=1|83=1|")]


def test_many_instruments_in_one_request_and_one_increment_for_them(stand: Stand) -> None:
    client = stand.logon()
    answers = stand.ask(client, "262=s|263=1|264=0|265=1|267=1|269=0|146=3|55=AAPL|55=BTCUSD|55=AAPL|")
    assert [(msg_type, body.split("|")[1]) for msg_type, body in answers] == [("W", "55=AAPL"), ("W", "55=BTCUSD")]
    stand.submit(stand.venue.order("ALICE", BUY, 999, 5), stand.venue.order("ALICE", BUY, 999, 5, symbol="BTCUSD"))
    assert client.take() == [
        (
            "X",
            "262=s|268=2|279=0|269=0|55=AAPL|270=9.99|271=5|346=1|290=1|83=1|"
            "279=0|269=0|55=BTCUSD|270=99.9|271=0.005|346=1|290=1|83=1|",
        )
    ]


def test_a_large_change_is_sent_in_several_messages(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixserver.marketdata_desk.ENTRIES_PER_MESSAGE_MAX", 3)
    client = stand.logon()
    stand.ask(client, "262=s|263=1|264=0|265=1|267=1|269=0|146=1|55=AAPL|")
    for price in range(991, 999):
        stand.venue.submit([stand.venue.order("ALICE", BUY, price, 5)])
    stand.turn()
    assert [body.split("|")[1] for _, body in client.take()] == ["268=3", "268=3", "268=2"]


# ------------------------------------------------------------------------------------------ refusals


GOOD = {"262": "q", "263": "1", "264": "0", "265": "1", "266": "Y"}
DEPTHS = "0 is the whole book, 1 its top, and the most is 1000 prices"
GROUPS = "267=2|269=0|269=1|146=1|55=AAPL|"


def request(groups: str = GROUPS, **changed: str | None) -> str:
    fields = {**GOOD, **{tag[1:]: value for tag, value in changed.items()}}
    return "".join(f"{tag}={value}|" for tag, value in fields.items() if value is not None) + groups


@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        (request("267=1|269=0|146=2|55=AAPL|55=NONE|"), "0", "Symbol(55) 'NONE' is not traded here"),
        (request("267=1|269=0|146=0|"), "0", "no Symbol(55) is asked for"),
        (request(_263="3"), "4", "SubscriptionRequestType(263) is '3'; 0 is a snapshot, 1 subscribes, 2 unsubscribes"),
        (request(_263=None), "4", "SubscriptionRequestType(263) is ''; 0 is a snapshot, 1 subscribes, 2 unsubscribes"),
        (request(_264="-1"), "5", "MarketDepth(264) is '-1'; " + DEPTHS),
        (request(_264="1001"), "5", "MarketDepth(264) is '1001'; " + DEPTHS),
        (request(_264="9" * 50), "5", f"MarketDepth(264) is '{'9' * 32}...'; {DEPTHS}"),
        (request(_264=None), "5", "MarketDepth(264) is ''; " + DEPTHS),
        (request(_265="2"), "6", "MDUpdateType(265) is '2'; 0 is full refresh, 1 is incremental, and a subscription says which"),
        (request(_265=None), "6", "MDUpdateType(265) is ''; 0 is full refresh, 1 is incremental, and a subscription says which"),
        (request(_266="X"), "7", "AggregatedBook(266) is 'X'; Y is by price, N is by order"),
        (request("267=2|269=0|269=3|146=1|55=AAPL|"), "8", "MDEntryType(269) '3' is not offered; these are: 0 1 2 4 5 7 8 9 B A Q"),
        (request("267=0|146=1|55=AAPL|"), "8", "no MDEntryType(269) is asked for"),
        (request(_546="1"), "A", "Scope(546) is not offered: there is one market"),
        (request(_286="1"), "B", "OpenCloseSettlFlag(286) is offered only as 0, the day's prices"),
        (request(_547="Y"), "C", "MDImplicitDelete(547) is not offered: every deletion is sent"),
    ],
)
def test_each_refusal(stand: Stand, fields: str, reason: str, text: str) -> None:
    client = stand.logon()
    assert stand.ask(client, fields) == [("Y", f"262=q|281={reason}|58={text}|")]
    assert stand.desk.rejects == {RejectReason(reason).name.lower(): 1} and stand.desk.subscriptions.followed == {}


def test_a_request_id_is_used_by_one_subscription_at_a_time(stand: Stand) -> None:
    client, other = stand.logon("ALICE"), stand.logon("BOB")
    assert stand.ask(client, request())[0][0] == "W"
    duplicate = [("Y", "262=q|281=1|58=MDReqID(262) 'q' is a subscription already|")]
    assert stand.ask(client, request()) == duplicate
    assert stand.ask(client, request(_263="0")) == duplicate
    assert stand.ask(other, request())[0][0] == "W"
    assert stand.ask(client, "262=q|263=2|264=0|") == []
    assert stand.ask(client, request())[0][0] == "W"


def test_unsubscribe_ends_the_increments_and_nothing_else(stand: Stand) -> None:
    client = stand.logon()
    stand.ask(client, request())
    stand.ask(client, request(_262="r"))
    stand.ask(client, request(_263="2"))
    stand.submit(stand.venue.order("ALICE", BUY, 999, 5))
    assert [body.split("|")[0] for _, body in client.take()] == ["262=r"]
    assert stand.ask(client, "262=q|263=2|264=0|") == [("Y", "262=q|58=MDReqID(262) 'q' is no subscription of this session|")]


def test_routing_fields_come_back_reversed(stand: Stand) -> None:
    client = stand.logon()
    assert stand.ask(client, request("50=DESK1|57=FEED|" + GROUPS)) == [("W", "57=DESK1|50=FEED|262=q|55=AAPL|268=1|269=J|83=0|")]
    stand.submit(stand.venue.order("ALICE", BUY, 999, 5))
    assert client.take() == [("X", "57=DESK1|50=FEED|262=q|268=1|279=0|269=0|55=AAPL|270=9.99|271=5|346=1|290=1|83=1|")]
    ((msg_type, body),) = stand.ask(client, request("50=DESK1|" + GROUPS))
    assert msg_type == "Y" and body.startswith("57=DESK1|262=q|281=1|")


def test_snapshots_go_out_as_they_are_read(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixserver.marketdata_desk.SNAPSHOT_BYTES_QUEUED_MAX", 100)
    rest(stand)
    client = stand.logon()
    stand.desk.on_message(client, f"35=V|{request('267=1|269=0|146=2|55=AAPL|55=BTCUSD|')}".replace("|", "\x01"))
    client.queued_bytes = 50
    stand.turn()
    assert [body.split("|")[1] for _, body in client.take()] == ["55=AAPL"]
    client.queued_bytes = 150
    stand.submit(stand.venue.order("ALICE", BUY, 996, 5), stand.venue.order("ALICE", BUY, 996, 5, symbol="BTCUSD"))
    assert client.take() == [("X", "262=q|268=1|279=0|269=0|55=AAPL|270=9.96|271=5|346=1|290=3|83=1|")]
    client.queued_bytes = 0
    stand.turn()
    assert client.take() == [("W", "262=q|55=BTCUSD|268=1|269=0|270=99.6|271=0.005|346=1|290=1|83=1|")]


def test_what_ends_with_the_session(stand: Stand) -> None:
    client = stand.logon()
    stand.ask(client, request())
    stand.desk.on_logout(client)
    stand.submit(stand.venue.order("ALICE", BUY, 999, 5))
    assert client.take() == [] and stand.desk.subscribers == 0
    stand.desk.on_logon(client)
    assert stand.ask(client, request())[0][0] == "W"


def test_too_many_subscriptions(tmp_path: Path) -> None:
    stand = Stand(tmp_path, subscriptions_max=3)
    client = stand.logon()
    two = "267=1|269=0|146=2|55=AAPL|55=BTCUSD|"
    assert len(stand.ask(client, request(two))) == 2
    assert stand.ask(client, request(two, _262="r")) == [
        ("Y", "262=r|281=2|58=2 instruments are subscribed to and 2 were asked for; the most is 3|")
    ]
    stand.ask(client, request(_263="2"))
    assert len(stand.ask(client, request(two, _262="r"))) == 2
    stand.close()


def test_snapshots_that_are_too_large_or_too_many(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "SNAPSHOT_ENTRIES_MAX", 10)
    for module in (subscriptions, pacing):
        monkeypatch.setattr(module, "SNAPSHOT_ENTRIES_PER_SECOND", 10)
    client = stand.logon()
    stand.submit(*[stand.venue.order("ALICE", BUY, 999, 1) for _ in range(10)])
    assert stand.ask(client, request(_266="N")) == [
        (
            "Y",
            "262=q|281=2|58=the snapshots asked for have 11 entries, and 10 is the most; ask for fewer prices, fewer instruments, "
            "or by price|",
        )
    ]
    asked = [stand.ask(client, request(_263="0"))[0] for _ in range(7)]
    assert [msg_type for msg_type, _ in asked] == ["W"] * 5 + ["Y"] * 2
    assert asked[-1][1] == "262=q|281=2|58=more than 10 entries of snapshots a second were asked for; ask again in a second|"
    stand.clock.now += 1
    assert stand.ask(client, request(_263="0"))[0][0] == "W"


def test_what_is_no_market_data_request(stand: Stand) -> None:
    client = stand.logon()
    stand.desk.on_message(client, "35=D|34=7|11=x|".replace("|", "\x01"))
    stand.desk.on_message(client, "35=V|34=8|263=1|".replace("|", "\x01"))
    stand.turn()
    assert client.take() == [
        ("j", "45=7|372=D|379=x|380=3|58=MsgType(35) D is not taken on this port: V, e, g, x are|"),
        ("j", "45=8|372=V|380=5|58=MDReqID(262) is missing|"),
    ]
    stand.desk.on_message(Client("STRANGER"), "35=V|34=8|262=q|263=1|".replace("|", "\x01"))
    stand.turn()  # not logged on: nothing happens


# --------------------------------------------------------------------------------- slow subscribers


def test_a_slow_subscriber_is_conflated_and_begins_again_with_a_snapshot(stand: Stand) -> None:
    slow, quick = stand.logon("ALICE"), stand.logon("BOB")
    for client in (slow, quick):
        stand.ask(client, request())
    slow.queued_bytes = 2 * HELD_BYTES  # more than what the snapshot itself was allowed for
    for price in (997, 998, 999):
        stand.submit(stand.venue.order("ALICE", BUY, price, 5))
    assert slow.take() == [] and len(quick.take()) == 3
    assert stand.ask(slow, request(_262="r", _263="0")) == [], "snapshots come when it has read"
    slow.queued_bytes = RESUME_BYTES
    stand.turn()
    levels = "269=0|270=9.99|271=5|346=1|290=1|83=3|269=0|270=9.98|271=5|346=1|290=2|83=3|269=0|270=9.97|271=5|346=1|290=3|83=3|"
    assert slow.take() == [("W", f"262=q|55=AAPL|268=3|{levels}"), ("W", f"262=r|55=AAPL|268=3|{levels}")]
    stand.submit(stand.venue.order("ALICE", BUY, 996, 5))
    assert slow.take() == [("X", "262=q|268=1|279=0|269=0|55=AAPL|270=9.96|271=5|346=1|290=4|83=4|")]
    assert stand.desk.held_total == 1


def test_a_subscriber_that_does_not_read_is_cut(stand: Stand) -> None:
    slow, quick = stand.logon("ALICE"), stand.logon("BOB")
    for client in (slow, quick):
        stand.ask(client, request())
    slow.queued_bytes = 10 * HELD_BYTES
    stand.submit(stand.venue.order("ALICE", BUY, 999, 5))
    stand.clock.now += HELD_SECONDS_MAX
    stand.turn()
    assert slow.logged_out == ""
    stand.clock.now += 0.1
    stand.turn()
    assert slow.logged_out == "market data is not being read"
    assert stand.desk.subscribers == 1 and stand.desk.cut_total == 1
    stand.submit(stand.venue.order("ALICE", BUY, 998, 5))
    assert slow.take() == [] and len(quick.take()) == 2


def test_a_snapshot_larger_than_the_limit_is_no_reason_to_hold_back() -> None:
    pacer = Pacer()
    pacer.snapshot_sent(10 * HELD_BYTES, 1_000)
    assert pacer.pace(10 * HELD_BYTES + 1_000, 0.0) is Pace.SEND
    assert pacer.pace(RESUME_BYTES, 1.0) is Pace.SEND
    assert pacer.pace(2 * HELD_BYTES, 2.0) is Pace.HOLD


def test_who_never_reads_all_is_held_back_too() -> None:
    """However little it is: otherwise who asks for snapshots and reads nothing would stay for ever."""
    pacer = Pacer()
    pacer.snapshot_sent(10 * HELD_BYTES, 0)
    assert pacer.pace(RESUME_BYTES + 1, 0.0) is Pace.SEND
    assert pacer.pace(RESUME_BYTES + 1, BEHIND_SECONDS_MAX) is Pace.SEND
    assert pacer.pace(RESUME_BYTES + 1, BEHIND_SECONDS_MAX + 1) is Pace.HOLD
    assert pacer.pace(RESUME_BYTES, BEHIND_SECONDS_MAX + 2) is Pace.SEND
    assert pacer.pace(RESUME_BYTES + 1, BEHIND_SECONDS_MAX + 3) is Pace.SEND
    assert pacer.pace(RESUME_BYTES + 1, 2 * BEHIND_SECONDS_MAX + 4) is Pace.HOLD
    assert pacer.pace(RESUME_BYTES + 1, 2 * BEHIND_SECONDS_MAX + 5 + HELD_SECONDS_MAX) is Pace.CUT


def test_who_falls_behind_again_and_again_is_cut() -> None:
    pacer = Pacer()
    now = 0.0
    for _ in range(HELDS_MAX):
        now += 1
        assert pacer.pace(HELD_BYTES + 1, now) is Pace.HOLD
        assert pacer.pace(0, now) is Pace.SEND
    assert pacer.pace(HELD_BYTES + 1, now + 1) is Pace.CUT
