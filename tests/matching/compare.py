"""Random commands to the engine and to the naive one: the same events, and the invariants after each command.

    python -m tests.matching.compare --commands 1000000 --seed 7

Every run is a function of its seed and number of commands.
"""

from __future__ import annotations

import argparse
import time
from enum import IntEnum
from itertools import zip_longest
from unittest import mock

import msgspec

from matching.engine import Engine
from matching.messages import BUY, GTD, SELL, Event, QuotesAnswered, Reason
from matching.state import EngineState
from tests.matching.drawing import OPENING, Generator
from tests.matching.naive import NaiveEngine
from tests.matching.naive_market import AUCTIONS, NaiveMarket
from tests.matching.watcher import Watcher

CHECK_EVERY = 50
RESTORE_EVERY = 2_000
PEGGED_ORDERS_MAX = (2, 3, 5)  # of an instrument, one for each seed in turn: few, so that there are as many

__all__ = ["OPENING", "Generator", "compare"]


def check_state(engine: Engine, naive: NaiveEngine, watcher: Watcher) -> None:
    """Compare what the three know."""
    engine.check()
    check_balances(engine, naive, watcher)
    check_obligations(naive, watcher)
    check_orders(engine, naive)
    check_questions(engine, naive)
    for symbol, instrument in engine.instruments.items():
        paper = naive.papers[symbol]
        assert (instrument.phase, instrument.last, (instrument.low, instrument.high)) == (paper.phase, paper.last, paper.band)
        for side, levels in ((BUY, instrument.bids), (SELL, instrument.offers)):
            depth = [order.order_id for level in levels for order in level]
            assert depth == watcher.depth(symbol, side), f"{symbol}: the events tell another book"


def check_balances(engine: Engine, naive: NaiveEngine, watcher: Watcher) -> None:
    market = naive.market
    assets = {*naive.papers, "USD", "EUR"}
    for name in market.accounts:
        account = engine.accounts[name]
        for asset in assets:
            balance = account.positions.get(asset) or account.cash.get(asset)
            have = (balance.total, balance.reserved, balance.unsettled) if balance else (0, 0, 0)
            unsettled = market.clearing.unsettled(name, asset)
            assert have == (market.total(name, asset), market.reserved(name, asset), unsettled), f"{name} {asset}"
            told = watcher.clearing.total(name, asset), watcher.clearing.unsettled.get((name, asset), 0)
            assert told == (have[0], unsettled), f"{name} {asset}: the events tell {told}"


def check_obligations(naive: NaiveEngine, watcher: Watcher) -> None:
    told = {
        number: (one.account, one.instrument, one.quantity, one.money, one.multiple, one.due, one.days)
        for number, one in watcher.clearing.obligations.items()
    }
    assert told == {
        one.number: (one.account, one.paper.terms.instrument, one.quantity, one.money, one.multiple, one.due, one.days)
        for one in naive.market.clearing.obligations
    }


def check_orders(engine: Engine, naive: NaiveEngine) -> None:
    """Every order that is open or has ended today, as a whole."""
    expected = sorted((order.state() for order in naive.orders), key=lambda state: state.order_id)
    found = sorted(engine.open_orders(), key=lambda state: state.order_id)
    for one, other in zip(found, expected, strict=True):
        assert one == other, f"an order is {one}, not {other}"
        assert one.executed + one.leaves + one.busted == one.quantity
    for participant, name in naive.names:
        order = naive.find(participant, name)
        assert engine.knows(participant, name)
        assert engine.order(participant, name) == (order.state() if order else None), f"order {name} of {participant}"


def check_questions(engine: Engine, naive: NaiveEngine) -> None:
    """What the engine says to those who make commands of time."""
    moved = {name: phase for name, phase in engine.markets.items() if phase != "continuous"}
    assert moved == {name: phase for name, phase in naive.phases.items() if phase != "continuous"}
    expiries = [order.expire_time for order in naive.orders if order.time_in_force == GTD]
    assert not expiries or 0 < engine.next_expiry() <= min(expiries), "an order would outlive its time"
    pauses = [paper.until for paper in naive.papers.values() if paper.phase == "volatility-auction"]
    assert engine.next_pause_end() == min(pauses, default=0)
    auctions = [paper for paper in naive.papers.values() if paper.phase in AUCTIONS]
    assert engine.indicative_due() == any(naive.market.auction(paper) != paper.indicated for paper in auctions)


def without_text(event: Event) -> Event:
    """What says why something was refused is for a person, and not predicted; but it must be there."""
    if isinstance(event, QuotesAnswered):
        assert all(bool(result.reason) == bool(result.text) for result in event.results), "a refusal says why"
        event = msgspec.structs.replace(event, results=[msgspec.structs.replace(result, text="") for result in event.results])
    if hasattr(event, "text") and hasattr(event, "reason"):
        assert bool(event.text) == bool(event.reason), "a refusal says why"
        return msgspec.structs.replace(event, text="")
    return event


def first_difference(found: list[Event], expected: list[Event]) -> str:
    one, other = next(pair for pair in zip_longest(found, expected) if pair[0] != pair[1])
    return f"{one}, predicted was {other}"


def named(event: Event) -> set[tuple[str, object]]:
    """What occurred in an event, of all that a run should have had once."""
    names: set[tuple[str, object]] = {("event", type(event).__name__)}
    reason = getattr(event, "reason", 0)
    if reason:
        kind = type(reason) if isinstance(reason, IntEnum) else Reason
        names.add((kind.__name__, int(reason)))
    if isinstance(event, QuotesAnswered):
        names.update(("Reason", result.reason) for result in event.results)
    for field in ("phase", "parked", "cause", "fault"):
        if getattr(event, field, ""):
            names.add((field, getattr(event, field)))
    return names


def compare(count: int, seed: int, *, seen: set[tuple[str, object]] | None = None, report_every: int = 0) -> dict[str, int]:
    """Run `count` commands. Raises AssertionError naming the command; returns how many events of each kind
    there were, and adds what occurred to `seen`."""
    pegged_max = PEGGED_ORDERS_MAX[seed % len(PEGGED_ORDERS_MAX)]
    with mock.patch("matching.rules.PEGGED_ORDERS_MAX", pegged_max):
        return compared(NaiveEngine(NaiveMarket(pegged_max=pegged_max)), count, seed, seen, report_every)


def compared(naive: NaiveEngine, count: int, seed: int, seen: set[tuple[str, object]] | None, report_every: int) -> dict[str, int]:
    engine, watcher = Engine(), Watcher()
    generator = Generator(seed, naive)
    kinds: dict[str, int] = {}
    started = time.monotonic()
    for number in range(1, count + 1):
        command = OPENING[number - 1] if number <= len(OPENING) else generator.draw()
        try:
            events = engine.apply(number, generator.now, [command])
            expected = naive.apply(generator.now, command)
            found = [without_text(event) for event in events]
            assert found == expected, f"the first event that differs is {first_difference(found, expected)}"
            watcher.see(events)
            for symbol, instrument in engine.instruments.items():
                assert instrument.phase != "continuous" or not watcher.crossed(symbol), f"{symbol} is crossed"
            if number % CHECK_EVERY == 0 or number == count:
                check_state(engine, naive, watcher)
            if number % RESTORE_EVERY == 0:
                digest = engine.digest()
                engine = Engine.from_state(msgspec.msgpack.decode(msgspec.msgpack.encode(engine.state()), type=EngineState))
                assert engine.digest() == digest, "a snapshot is not what it was made of"
        except AssertionError as error:
            raise AssertionError(
                f"command {number}, {command}: {error}\n"
                f"to run this again: python -m tests.matching.compare --commands {number} --seed {seed}"
            ) from error
        generator.saw(events)
        for event in events:
            kind = type(event).__name__
            kinds[kind] = kinds.get(kind, 0) + 1
            if seen is not None:
                seen.update(named(event))
        if report_every and number % report_every == 0:
            print(f"{number:,} commands, {watcher.seq:,} events, {time.monotonic() - started:.0f} s", flush=True)
    return kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    kinds = compare(chosen.commands, chosen.seed, report_every=100_000)
    for kind, number in sorted(kinds.items()):
        print(f"{kind:20} {number:>10,}")
    print(f"equal over {chosen.commands:,} commands, seed {chosen.seed}")


if __name__ == "__main__":
    main()
