"""Snapshots: an engine that was written down and read again is the same engine."""

import hashlib
import os
import random
from pathlib import Path

import msgspec
import pytest

from matching.engine import Engine
from matching.messages import DefineAccount, Event
from matching.snapshot import KEEP, SnapshotDamaged, read_snapshot, snapshots, write_snapshot
from matching.state import EngineState
from tests.matching.market import STOCK, Market
from tests.matching.venues import random_commands

encode = msgspec.msgpack.encode


def restored(engine: Engine) -> Engine:
    return Engine.from_state(msgspec.msgpack.decode(encode(engine.state()), type=EngineState))


def test_from_a_snapshot_at_every_hundredth_command_on_all_is_the_same():
    commands = list(random_commands(2_000, seed=5))
    engine, events, states = Engine(), [], []
    for number, (now, command) in enumerate(commands, 1):
        events.append(encode(engine.apply(number, now, [command])))
        if number % 100 == 0:
            states.append((number, encode(engine.state()), engine.digest()))
    for number, state, digest in states:
        other = Engine.from_state(msgspec.msgpack.decode(state, type=EngineState))
        other.check()
        assert other.digest() == digest
        for later, (now, command) in enumerate(commands[number:], number + 1):
            assert encode(other.apply(later, now, [command])) == events[later - 1], f"command {later} after {number}"
        assert other.digest() == engine.digest()


def test_batches_make_no_difference_to_the_state():
    """Only the time is that of the batch."""
    now, commands = 1_700_000_000_000_000_000, [command for _, command in random_commands(1_000, seed=6, time_moves_every=0)]
    digests = set()
    for size in (1, 3, 1_000):
        engine = Engine()
        events: list[Event] = []
        for start in range(0, len(commands), size):
            events += engine.apply(start + 1, now, commands[start : start + size])
        digests.add((engine.digest(), encode(events)))
    assert len(digests) == 1


def test_fills_that_sum_to_more_than_64_bits_are_kept():
    """A sell order at a low price may meet many buyers at a high one; the sum is put there by hand."""
    market = Market((STOCK,))
    market.buy("ann", 5, "10.00", id="b1")
    market.sell("bob", 5, "9.00", id="ended")
    market.sell("bob", 5, "9.00", id="open")
    for name in ("ended", "open"):
        order = market.engine.participants["bob"].client_ids[name]
        assert order is not None
        order.value = 2**70 + len(name)
    again = restored(market.engine)
    for name in ("ended", "open"):
        assert again.order("bob", name) == market.engine.order("bob", name)
    assert again.digest() == market.engine.digest()


def test_a_snapshot_of_before_there_was_settlement_is_read():
    """Its records end where they ended then: of the market, of an instrument, a participant and an account."""
    market = Market()
    market.buy("ann", 5, "10.00", id="b1")
    market.sell("bob", 3, "10.00", id="s1")
    market.roll("20240102")
    old = msgspec.msgpack.decode(encode(market.engine.state()))[:14]
    old[5] = [instrument[:10] for instrument in old[5]]
    old[6] = [participant[:4] for participant in old[6]]
    old[7] = [account[:4] for account in old[7]]
    again = Engine.from_state(msgspec.msgpack.decode(encode(old), type=EngineState))
    again.check()
    assert again.digest() == market.engine.digest()
    assert again.digest() == hashlib.sha256(encode(old)).hexdigest(), "which is what it was"


def test_the_newest_are_kept(tmp_path: Path):
    engine = Engine()
    for number in range(1, 5):
        engine.apply(number, number, [DefineAccount("ann", "ann")])
        write_snapshot(tmp_path, engine)
    assert [number for number, _ in snapshots(tmp_path)] == [3, 4]
    assert KEEP == 2


def test_what_a_crash_left_behind_is_not_taken_for_a_snapshot(tmp_path: Path):
    (tmp_path / f"{7:020d}.partial").write_bytes(b"half a snap")
    assert snapshots(tmp_path) == []
    write_snapshot(tmp_path, Engine())
    assert [path.name for path in tmp_path.iterdir()] == [f"{0:020d}.snapshot"]


def test_a_crash_before_the_rename_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    engine = Engine()
    write_snapshot(tmp_path, engine)
    engine.apply(1, 1, [DefineAccount("ann", "ann")])

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        write_snapshot(tmp_path, engine)
    assert [number for number, _ in snapshots(tmp_path)] == [0]


def test_damage_is_named_wherever_it_is(tmp_path: Path):
    market = Market()
    market.buy("ann", 1, "10.00")
    path = write_snapshot(tmp_path, market.engine)
    whole = path.read_bytes()
    assert Engine.from_state(read_snapshot(path)).digest() == market.engine.digest()
    chance = random.Random(1)
    for position in [*range(20), *(chance.randrange(20, len(whole)) for _ in range(100))]:
        content = bytearray(whole)
        content[position] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        with pytest.raises(SnapshotDamaged, match=str(path)):
            read_snapshot(path)
    for length in (0, 7, 11, 12, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotDamaged, match=str(path)):
            read_snapshot(path)
