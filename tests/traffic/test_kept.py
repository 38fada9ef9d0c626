"""What is kept of a session's messages: the last ones, within limits of number and size, whatever the batches they came in."""

from __future__ import annotations

import random

from fixserver.sessions import SessionTerms
from fixserver.traffic import IN, OUT, SLACK, TRAFFIC_KEPT, TRAFFIC_KEPT_BYTES, Kept, Traffic

SEEDS = range(5)


def numbered(kept: Kept, read: int = 0, until: int = 10**9) -> list[tuple[int, bytes]]:
    """The messages that are there behind a number, with theirs."""
    return [
        (first + place, message)
        for first, _, _, messages in kept.behind(read, until)
        for place, message in enumerate(messages)
    ]


def test_messages_come_back_in_order_and_as_they_were() -> None:
    kept = Kept("A/FIX.4.4")
    kept.add(5, IN, [b"one", b"two"])
    kept.add(6, OUT, [b"three"])
    kept.add(6, IN, [b"four"])
    assert list(kept.behind(0, 9)) == [(1, 5, IN, [b"one", b"two"]), (3, 6, OUT, [b"three"]), (4, 6, IN, [b"four"])]
    assert list(kept.behind(1, 3)) == [(2, 5, IN, [b"two"]), (3, 6, OUT, [b"three"])]
    assert list(kept.behind(4, 9)) == []


def test_of_many_the_last_are_kept() -> None:
    kept = Kept("A/FIX.4.4")
    for number in range(1, 2 * TRAFFIC_KEPT + 1):
        kept.add(number, OUT, [b"%d" % number])
        kept.check()
    found = numbered(kept)
    assert found == [(number, b"%d" % number) for number in range(kept.gone + 1, 2 * TRAFFIC_KEPT + 1)]
    assert TRAFFIC_KEPT <= len(found) <= TRAFFIC_KEPT + SLACK


def test_of_one_great_batch_the_last_are_kept() -> None:
    """As of an answer to a mass status request."""
    kept = Kept("A/FIX.4.4")
    kept.add(1, OUT, [b"%d" % number for number in range(1, 5001)])
    kept.check()
    assert numbered(kept)[-TRAFFIC_KEPT:] == [(number, b"%d" % number) for number in range(5001 - TRAFFIC_KEPT, 5001)]


def test_what_is_kept_has_a_size() -> None:
    kept = Kept("A/FIX.4.4")
    for _ in range(10):
        kept.add(1, IN, [b"x" * (TRAFFIC_KEPT_BYTES // 3)])
        kept.check()
    assert [number for number, _ in numbered(kept)] == [8, 9, 10]
    kept.add(1, IN, [b"x" * (TRAFFIC_KEPT_BYTES + 1)])
    kept.check()
    assert (numbered(kept), kept.gone, kept.count) == ([], 11, 11)


def test_random_batches_as_a_list_would_keep_them() -> None:
    for seed in SEEDS:
        draw = random.Random(seed)
        kept, model = Kept("A/FIX.4.4"), []
        for turn in range(300):
            batch = [bytes(draw.choice((1, 10, 100, 20_000))) for _ in range(draw.choice((1, 1, 2, 30, 700)))]
            model += batch
            kept.add(turn, draw.choice((IN, OUT)), batch)
            kept.check()
            read = draw.randrange(len(model) + 1)
            until = draw.randrange(read, len(model) + 1)
            expected = [(number, model[number - 1]) for number in range(max(read, kept.gone) + 1, until + 1)]
            assert kept.gone <= max(0, len(model) - TRAFFIC_KEPT) or sum(map(len, model[kept.gone - 1 :])) > TRAFFIC_KEPT_BYTES
            assert numbered(kept, read, until) == expected, f"seed {seed}, turn {turn}"


def message(fields: str) -> bytes:
    return f"8=FIX.4.4|9=100|{fields}|10=000|".replace("|", "\x01").encode()


def test_what_a_session_carries_for_others_is_kept_with_each() -> None:
    """By OnBehalfOfCompID of what comes in and by DeliverToCompID of what goes out; what names nobody known is with nobody."""
    traffic = Traffic(lambda name: name in ("ALICE", "BOB"))
    traffic.tap(SessionTerms("ALICE", "FIX.4.4", "VENUE", "ALICE")).add(1, IN, [message("35=D|115=BOB")])
    tap = traffic.tap(SessionTerms("WEB", "FIX.4.4", "VENUE", "WEB", speaks_for_others=True))
    to_alice, to_bob = message("35=D|115=ALICE"), message("35=D|49=WEB|115=BOB|58=115=ALICE")
    tap.add(2, IN, [to_alice, to_bob, message("35=0"), message("35=D|115=NOBODY"), b"8=FIX.4.4\x019=1\x01115=ALICE"])
    back = message("35=8|128=BOB")
    tap.add(3, OUT, [back, message("35=8|115=ALICE"), message(f"35=8|128={'A' * 5000}")])

    def of(name: str) -> dict[str, list[bytes]]:
        return {kept.session: [text for _, text in numbered(kept)] for kept in traffic.of(name)}

    assert of("ALICE") == {"ALICE/FIX.4.4": [message("35=D|115=BOB")], "WEB/FIX.4.4": [to_alice]}
    assert of("BOB") == {"WEB/FIX.4.4": [to_bob, back]}
    assert of("NOBODY") == of("WEB") == {}
