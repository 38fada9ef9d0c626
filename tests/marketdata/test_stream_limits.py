"""Clients of the stream that are slow, greedy, confused or hostile, and those who sign in: what becomes of each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stream_stand import NOW, StreamClient, StreamStand

from marketdata import pacing, stream
from marketdata.pacing import BEHIND_SECONDS_MAX, HELD_BYTES, HELD_SECONDS_MAX, HELDS_MAX, RESUME_BYTES, SNAPSHOT_BYTES_QUEUED_MAX
from marketdata.stream import MESSAGE_BYTES_MAX, MISTAKES_AT_ONCE_MAX, TOPICS_MAX
from matching.messages import BUY

BOOK = "book:AAPL:price:2"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[StreamStand]:
    stand = StreamStand(tmp_path)
    yield stand
    stand.close()


def brief(client: StreamClient) -> list[str]:
    """What was sent, in a few characters: "snapshot 3", "delta 4-5", an error's code."""
    found = []
    for message in client.take():
        match message["type"]:
            case "snapshot":
                found.append(f"snapshot {message['number']}")
            case "delta":
                found.append(f"delta {message['first']}-{message['number']}")
            case "error":
                found.append(message["code"])
            case other:
                found.append(other)
    return found


def bid(stand: StreamStand) -> None:
    stand.put(stand.venue.order("ALICE", BUY, 999, 1))


# --------------------------------------------------------------------------------------------------- slow


def test_who_does_not_read_is_conflated_and_begins_again_with_a_snapshot(stand: StreamStand) -> None:
    slow, quick = stand.connect(BOOK), stand.connect(BOOK)
    stand.flush()
    slow.queued_bytes = 2 * HELD_BYTES  # more than what the snapshot itself was allowed for
    for _ in range(3):
        bid(stand)
    assert brief(slow) == ["snapshot 0"]
    assert brief(quick) == ["snapshot 0", "delta 1-1", "delta 2-2", "delta 3-3"]
    slow.queued_bytes = RESUME_BYTES + 1
    bid(stand)
    assert brief(slow) == []
    slow.queued_bytes = RESUME_BYTES
    bid(stand)
    bid(stand)
    assert brief(slow) == ["snapshot 5", "delta 6-6"]
    assert (stand.stream.held_total, stand.stream.cut_total) == (1, 0)


def test_who_does_not_read_for_long_is_closed(stand: StreamStand) -> None:
    slow, quick = stand.connect(BOOK), stand.connect(BOOK)
    stand.flush()
    slow.queued_bytes = 2 * HELD_BYTES
    stand.flush()
    stand.clock.now += HELD_SECONDS_MAX
    stand.flush()
    assert slow.closed is None
    stand.clock.now += 0.1
    bid(stand)
    assert slow.closed == (1013, "the stream is not being read")
    assert brief(slow) == ["snapshot 0"] and brief(quick) == ["snapshot 0", "delta 1-1"]
    assert stand.stream.clients == 1
    slow.say("ping")
    stand.stream.disconnect(slow)  # nothing more comes of it


def test_who_falls_behind_again_and_again_is_closed(stand: StreamStand) -> None:
    slow = stand.connect(BOOK)
    for _ in range(HELDS_MAX + 1):
        assert slow.closed is None
        stand.clock.now += 1
        slow.queued_bytes = 0
        stand.flush()
        slow.queued_bytes = 2 * HELD_BYTES
        stand.flush()
    assert slow.closed == (1013, "the stream is not being read")


def test_who_asks_again_and_again_and_reads_nothing_is_closed(stand: StreamStand) -> None:
    client = stand.connect(BOOK)
    stand.flush()
    client.queued_bytes = 2 * HELD_BYTES - 1  # all of it allowed for, because it was snapshots
    stand.stream._followers[client].pacer.snapshot_sent(client.queued_bytes, 0)
    seconds = 0
    while client.closed is None:
        client.say("subscribe", topics=[BOOK])
        stand.clock.now += 1
        seconds += 1
        stand.flush()
    assert client.closed == (1013, "the stream is not being read")
    assert seconds == BEHIND_SECONDS_MAX + HELD_SECONDS_MAX + 3


def test_what_was_asked_for_while_held_back_comes_when_it_has_read(stand: StreamStand) -> None:
    slow = stand.connect(BOOK)
    stand.flush()
    slow.queued_bytes = 2 * HELD_BYTES
    bid(stand)
    slow.say("subscribe", topics=["trades:AAPL"])
    slow.say("unsubscribe", topics=[BOOK])
    stand.flush()
    assert brief(slow) == ["snapshot 0", "unsubscribed"]
    slow.queued_bytes = 0
    stand.flush()
    assert brief(slow) == ["snapshot 0"]


def test_snapshots_come_as_they_are_read(stand: StreamStand) -> None:
    client = stand.connect(BOOK, "trades:AAPL")
    client.queued_bytes = SNAPSHOT_BYTES_QUEUED_MAX + 1
    client.stream._followers[client].pacer.snapshot_sent(SNAPSHOT_BYTES_QUEUED_MAX, 0)
    stand.flush()
    assert brief(client) == []
    client.queued_bytes = SNAPSHOT_BYTES_QUEUED_MAX
    bid(stand)
    assert brief(client) == ["snapshot 1", "snapshot 0"]


# ------------------------------------------------------------------------------------------------- greedy


def test_snapshots_are_made_a_few_at_a_time_and_for_everybody_in_turn(stand: StreamStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SNAPSHOT_LINES_PER_SECOND", 300)
    stand.stream._lines_left = 150
    greedy = stand.connect("trades:AAPL", "trades:BTCUSD", "candles:AAPL:1s", "candles:AAPL:1m")  # 100 lines at most, and 500
    modest = stand.connect("trades:AAPL", BOOK)
    sent = []
    for _ in range(6):
        bid(stand)
        sent.append((brief(greedy), brief(modest)))
        stand.clock.now += 0.5
    assert sent == [
        (["snapshot 0", "snapshot 0"], []),  # 150 - 200
        (["snapshot 0"], ["snapshot 0", "snapshot 2"]),  # + 150 - 3 - 500; trades:AAPL was made already
        ([], ["delta 3-3"]),
        ([], ["delta 4-4"]),
        (["snapshot 0"], ["delta 5-5"]),  # + 3 * 150
        ([], ["delta 6-6"]),
    ]


def test_a_client_has_so_many_lines_of_snapshots_a_second(stand: StreamStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "SNAPSHOT_ENTRIES_PER_SECOND", 150)
    client = stand.connect()
    sent = []
    for _ in range(4):
        client.say("subscribe", topics=["trades:AAPL"])
        stand.flush()
        sent.append(brief(client))
    assert sent == [["snapshot 0"], ["snapshot 0"], [], []]
    stand.clock.now += 1
    stand.flush()
    assert brief(client) == ["snapshot 0"]


def test_a_snapshot_that_is_too_large_is_refused(stand: StreamStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SNAPSHOT_LINES_MAX", 10)
    stand.put(*[stand.venue.order("ALICE", BUY, 999, 1) for _ in range(10)])
    client = stand.connect("book:AAPL:order:0", "book:AAPL:price:0")
    stand.flush()
    assert [(message["type"], message["topic"]) for message in client.take()] == [
        ("error", "book:AAPL:order:0"), ("snapshot", "book:AAPL:price:0")
    ]  # fmt: skip
    assert stand.stream.topics == 2
    stand.clock.now += 100
    stand.flush()
    assert stand.stream.topics == 1, "what was refused is not kept up"


def test_a_client_follows_so_many_topics(stand: StreamStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "TOPICS_MAX", 2)
    client = stand.connect(BOOK, "status", "trades:AAPL", BOOK)
    stand.flush()
    assert brief(client) == ["too-many-topics", "snapshot 0", "snapshot 0"]
    client.say("unsubscribe", topics=["status"])
    client.say("subscribe", topics=["trades:AAPL"])
    stand.flush()
    assert brief(client) == ["unsubscribed", "snapshot 0"]


def test_books_of_unusual_depth_are_few(stand: StreamStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "UNCOMMON_BOOKS_MAX", 2)
    greedy = stand.connect(*[f"book:AAPL:price:{depth}" for depth in (2, 3, 4)])
    assert greedy.take() == [
        {
            "type": "error", "code": "too-many-topics", "topic": "book:AAPL:price:4",
            "message": "too many books of unusual depth are followed; these can always be: 0, 1, 5, 10, 20, 50, 100, 1000",
        }
    ]  # fmt: skip
    modest = stand.connect("book:AAPL:price:3", "book:AAPL:price:10", "book:AAPL:order:7")
    stand.flush()
    assert brief(modest) == ["too-many-topics", "snapshot 0", "snapshot 0"]
    stand.stream.disconnect(greedy)
    stand.clock.now += 100
    stand.flush()
    modest.say("subscribe", topics=["book:AAPL:order:7"])
    stand.flush()
    assert brief(modest) == ["snapshot 0"]


# ------------------------------------------------------------------------------------ confused and hostile


@pytest.mark.parametrize(
    ("topic", "code", "text"),
    [
        ("", "unknown-topic", "there are book:SYMBOL:price:DEPTH"),
        ("news", "unknown-topic", "there are book:SYMBOL:price:DEPTH"),
        ("book:AAPL", "unknown-topic", "there are book:SYMBOL:price:DEPTH"),
        ("book:AAPL:10", "unknown-topic", "there are book:SYMBOL:price:DEPTH"),
        ("book:AAPL:size:10", "unknown-topic", "a book is by price or by order"),
        ("book:AAPL:price:", "bad-depth", "a book's depth is a number of prices"),
        ("book:AAPL:price:-1", "bad-depth", "a book's depth is a number of prices"),
        ("book:AAPL:price:010", "bad-depth", "a book's depth is a number of prices"),
        ("book:AAPL:price:١", "bad-depth", "a book's depth is a number of prices"),
        ("book:AAPL:price:1e3", "bad-depth", "a book's depth is a number of prices"),
        ("book:AAPL:price:1001", "bad-depth", "a book's depth is at most 1000 prices"),
        ("book:XYZ:price:10", "unknown-symbol", "this is not traded here"),
        ("trades:", "unknown-topic", "there are book:SYMBOL:price:DEPTH"),
        ("trades:aapl", "unknown-symbol", "this is not traded here"),
        ("candles:AAPL:2m", "unknown-topic", "candles are of 1s, 1m, 5m, 1h, 1d"),
        ("candles:XYZ:1m", "unknown-symbol", "this is not traded here"),
        ("statistics:AAPL:1", "unknown-symbol", "this is not traded here"),
        ("status:AAPL", "unknown-topic", "there are book:SYMBOL:price:DEPTH"),
        ("orders", "not-signed-in", "this topic is one's own"),
    ],
)
def test_a_topic_that_is_none(stand: StreamStand, topic: str, code: str, text: str) -> None:
    stand.stream.add_private("orders", lambda participant, answer: answer({}))
    client = stand.connect(topic)
    ((message),) = client.take()
    assert (message["type"], message["code"], message["topic"]) == ("error", code, topic)
    assert message["message"].startswith(text)
    assert stand.stream.topics == 0 and len(stand.views) == 0


MALFORMED = [
    (b"", "this is not JSON"),
    (b"\xff\xfe", "this is not JSON"),
    (b'{"op": "ping", "id": "\\ud800"}', "this is not JSON"),
    (b'{"op": "ping"', "this is not JSON"),
    (b"null", "Expected `object`, got `null`"),
    (b"[" * 60_000, "Expected `object`, got `array`"),
    (b'{"op": "ping", "id": ' + b"[" * 60_000, "Expected `int | str | null`, got `array` - at `$.id`"),
    (b'{"op": "ping", "id": 1' + b"0" * 5_000 + b"}", "Integer value out of range - at `$.id`"),
    (b'{"op": "ping", "id": 1.5}', "Expected `int | str | null`, got `float` - at `$.id`"),
    (b"{}", "Object missing required field `op`"),
    (b'{"op": "order"}', "Invalid value 'order' - at `$.op`"),
    (b'{"op": "subscribe"}', "Object missing required field `topics`"),
    (b'{"op": "subscribe", "topics": "status"}', "Expected `array`, got `str` - at `$.topics`"),
    (b'{"op": "subscribe", "topics": [["status"]]}', "Expected `str | object`, got `array` - at `$.topics[0]`"),
    (b'{"op": "subscribe", "topics": [{"topic": "status"}]}', "Object missing required field `era` - at `$.topics[0]`"),
    (b'{"op": "unsubscribe", "topic": "status"}', "Object contains unknown field `topic`"),
    (b'{"op": "login", "token": null}', "Expected `str`, got `null` - at `$.token`"),
    (b'{"op": "ping", "id": "' + b"x" * 65 + b'"}', "an id is at most 64 characters"),
]


@pytest.mark.parametrize(("payload", "text"), MALFORMED)
def test_what_is_no_message(stand: StreamStand, payload: bytes, text: str) -> None:
    client = stand.connect()
    stand.stream.receive(client, payload)
    ((message),) = client.take()
    assert (message["type"], message["code"]) == ("error", "malformed")
    assert message["message"].startswith(text)
    client.say("ping", id="still here")
    assert client.take() == [{"type": "pong", "id": "still here", "time": NOW}]


def test_a_message_that_is_too_large(stand: StreamStand) -> None:
    client = stand.connect()
    stand.stream.receive(client, b" " * MESSAGE_BYTES_MAX + b"{}")
    assert client.take() == [{"type": "error", "code": "too-large", "message": "a message is at most 65536 bytes"}]


def test_a_long_name_is_not_said_back(stand: StreamStand) -> None:
    client = stand.connect("x" * 50_000)
    ((message),) = client.take()
    assert message["code"] == "unknown-topic" and len(json.dumps(message)) < 300


def test_who_is_wrong_too_often_is_closed(stand: StreamStand) -> None:
    client = stand.connect()
    client.say("subscribe", topics=[f"topic {number}" for number in range(TOPICS_MAX)])
    assert brief(client) == ["unknown-topic"] * MISTAKES_AT_ONCE_MAX
    assert client.closed == (1008, "too many messages were wrong")
    assert stand.stream.clients == 0
    client = stand.connect()
    client.say("unsubscribe", topics=["status"] * 1_000)
    assert client.closed == (1008, "too many messages were wrong")


def test_mistakes_are_forgiven_in_time(stand: StreamStand) -> None:
    client = stand.connect()
    for _ in range(3 * MISTAKES_AT_ONCE_MAX):
        client.say("subscribe", topics=["nothing"])
        stand.clock.now += 1.0
    assert client.closed is None


def test_no_payload_is_an_exception(stand: StreamStand) -> None:
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    draw = random.Random(seed)
    stand.stream.add_private("orders", lambda participant, answer: answer({"orders": [], "executions": []}))
    stand.stream.authenticate = lambda token: ("ALICE", NOW) if token == "T" else None
    sensible = [
        b'{"op":"subscribe","topics":["book:AAPL:price:10",{"topic":"orders","era":"7-1","number":3}]}',
        b'{"op":"unsubscribe","topics":["book:AAPL:price:10","orders"]}',
        b'{"op":"login","token":"T"}',
        b'{"op":"logout"}',
        b'{"op":"ping","id":12345678901234567890}',
    ]
    client = stand.connect()
    for count in range(20_000):
        payload = bytearray(draw.choice(sensible))
        for _ in range(draw.choice((0, 0, 1, 1, 2, 5))):
            place = draw.randrange(len(payload))
            payload[place : place + draw.choice((0, 1, 1, 9))] = draw.choice(
                (bytes((draw.randrange(256),)), b'"', b"[", b"{}", b"\\u0000", b"null", b"-1e9", b"\xed\xa0\x80", b"9" * 30)
            )
        stand.stream.receive(client, bytes(payload))
        if count % 100 == 0:
            stand.clock.now += 1_000
            bid(stand)
        if client.closed is not None:
            client = stand.connect()
    client.follow()


# --------------------------------------------------------------------------------------------- signing in


class Desk:
    """Whoever serves the private topic "orders": answers when a test says so."""

    def __init__(self, stand: StreamStand) -> None:
        self.tokens = {"A": ("ALICE", NOW), "B": ("BOB", NOW)}
        self.asked: list[tuple[str, Callable[[Any], None]]] = []
        stand.stream.authenticate = self.tokens.get
        stand.stream.add_private("orders", lambda participant, answer: self.asked.append((participant, answer)))

    def answer(self, data: Any) -> str:
        participant, answer = self.asked.pop(0)
        answer(data)
        return participant


def signed_in(stand: StreamStand, token: str, *topics: Any) -> StreamClient:
    client = stand.connect()
    client.say("login", token=token)
    if topics:
        client.say("subscribe", topics=list(topics))
    stand.flush()
    return client


def test_a_private_topic_is_his_alone(stand: StreamStand) -> None:
    desk = Desk(stand)
    alice, bob = signed_in(stand, "A", "orders"), signed_in(stand, "B", "orders")
    assert alice.take() == [{"type": "login", "participant": "ALICE", "expires": NOW}]
    assert [desk.answer({"orders": [1]}), desk.answer({"orders": [2]})] == ["ALICE", "BOB"]
    stand.stream.tell("orders", "ALICE", [{"order": 3}, {"order": 4}])
    stand.stream.tell("orders", "CAROL", [{"order": 5}])
    stand.flush()
    assert [message["data"] for message in alice.take()] == [{"orders": [1]}, [{"order": 3}, {"order": 4}]]
    assert brief(bob) == ["login", "snapshot 0"]


def test_whoever_tells_knows_whether_anybody_would_hear_it(stand: StreamStand) -> None:
    desk = Desk(stand)
    assert not stand.stream.keeps("orders", "ALICE")
    client = signed_in(stand, "A", "orders")
    desk.answer("none")
    stand.stream.disconnect(client)
    assert stand.stream.keeps("orders", "ALICE"), "she may come back"
    assert not stand.stream.keeps("orders", "BOB")
    stand.clock.now += 100
    stand.flush()
    assert not stand.stream.keeps("orders", "ALICE")


def test_what_is_told_while_a_snapshot_is_made_is_in_it(stand: StreamStand) -> None:
    """A snapshot stands at the number of what was told before it, which those who have theirs already are sent."""
    desk = Desk(stand)
    first = signed_in(stand, "A", "orders")
    desk.answer("none")
    second = signed_in(stand, "A", "orders")
    stand.stream.tell("orders", "ALICE", [1])
    stand.flush()
    stand.stream.tell("orders", "ALICE", [2])
    desk.answer("one, two")
    stand.stream.tell("orders", "ALICE", [3])
    stand.flush()
    assert brief(first) == ["login", "snapshot 0", "delta 1-1", "delta 2-2", "delta 3-3"]
    assert brief(second) == ["login", "snapshot 2", "delta 3-3"]


def test_who_comes_back_to_a_private_topic_goes_on_if_it_is_his(stand: StreamStand) -> None:
    desk = Desk(stand)
    alice = signed_in(stand, "A", "orders")
    desk.answer("none")
    where = {"topic": "orders", "era": alice.take()[-1]["era"], "number": 0}
    stand.stream.disconnect(alice)
    stand.stream.tell("orders", "ALICE", [1, 2])
    alice, bob = signed_in(stand, "A", where), signed_in(stand, "B", where)
    assert brief(alice) == ["login", "delta 1-2"]
    assert brief(bob) == ["login"] and desk.answer("none") == "BOB"
    assert brief(bob) == ["snapshot 0"]


def test_a_snapshot_that_cannot_be_had(stand: StreamStand) -> None:
    desk = Desk(stand)
    client = signed_in(stand, "A", "orders")
    desk.answer(None)
    assert client.take()[1:] == [
        {
            "type": "error", "code": "unavailable", "topic": "orders",
            "message": "this cannot be had at the moment: subscribe again in a while",
        }
    ]  # fmt: skip
    stand.stream.tell("orders", "ALICE", [1])
    stand.flush()
    assert client.take() == []


def test_an_answer_that_nobody_waits_for_any_more(stand: StreamStand) -> None:
    desk = Desk(stand)
    gone, out, held = (signed_in(stand, "A", "orders") for _ in range(3))
    stand.stream.disconnect(gone)
    out.say("unsubscribe", topics=["orders"])
    held.queued_bytes = 2 * HELD_BYTES
    stand.flush()
    for _ in range(3):
        desk.answer("late")
    held.queued_bytes = 0
    stand.flush()
    desk.answer("in time")
    assert [brief(client) for client in (gone, out, held)] == [["login"], ["login", "unsubscribed"], ["login", "snapshot 0"]]


def test_logout_ends_what_is_private(stand: StreamStand) -> None:
    desk = Desk(stand)
    client = signed_in(stand, "A", "orders", "status")
    desk.answer("none")
    client.take()
    client.say("logout")
    stand.stream.tell("orders", "ALICE", [1])
    client.say("subscribe", topics=["orders"])
    stand.flush()
    assert brief(client) == ["unsubscribed", "logout", "not-signed-in"]


def test_a_login_ends_with_its_token(stand: StreamStand) -> None:
    desk = Desk(stand)
    client, other = signed_in(stand, "A", "orders"), signed_in(stand, "B")
    desk.answer("none")
    client.take()
    del desk.tokens["A"]
    stand.clock.now += 1
    stand.flush()
    stand.stream.tell("orders", "ALICE", [1])
    stand.flush()
    assert client.take() == [
        {"type": "error", "code": "login-ended", "message": "the login has ended: sign in again by POST /v1/login"},
        {"type": "unsubscribed", "topic": "orders"},
    ]
    assert brief(other) == ["login"] and client.closed is None


def test_a_wrong_token(stand: StreamStand) -> None:
    Desk(stand)
    client = signed_in(stand, "A")
    client.take()
    client.say("login", token="guess")
    assert client.take() == [
        {
            "type": "error", "code": "bad-token",
            "message": "the token is none, or has expired: sign in again by POST /v1/login",
        }
    ]  # fmt: skip
    client.say("subscribe", topics=["orders"])
    assert client.take() == [], "the login of before holds"
    for _ in range(MISTAKES_AT_ONCE_MAX):
        client.say("login", token="guess")
    assert client.closed == (1008, "too many messages were wrong")


def test_who_signs_in_as_another_loses_what_was_the_first_ones(stand: StreamStand) -> None:
    desk = Desk(stand)
    client = signed_in(stand, "A", "orders")
    desk.answer("none")
    client.say("login", token="A")
    client.say("login", token="B")
    assert brief(client) == ["login", "snapshot 0", "login", "unsubscribed", "login"]
    stand.stream.tell("orders", "ALICE", [1])
    stand.flush()
    assert client.take() == []
