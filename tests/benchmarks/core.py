"""The core alone, and its recovery: python -m tests.benchmarks.core

Prints one JSON object. The mix is 60 % new orders that rest, 30 % cancels of a random resting order and 10 %
orders that cross and trade with three resting ones, so that as many orders rest at the end as at the
beginning. Accounts, the journal (on a file, without sync), the events and their log are included; the batch
is that of a busy turn of the gateway. Each part runs in a process of its own, with the garbage collector as
the exchange has it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matching.messages import (
    BUY,
    GTC,
    IOC,
    LIMIT,
    SELL,
    CancelOrder,
    Command,
    DefineAccount,
    DefineInstrument,
    Deposit,
    NewOrder,
)
from matching.sequencer import Sequencer
from matching.snapshot import snapshots

ROOT = Path(__file__).resolve().parents[2]
FEW, MANY = 10_000, 1_000_000  # resting orders
MEASURED = 300_000  # commands
ROUNDS = 3  # of which the median counts
REPLAYED = 1_000_000
BATCH = 100
DRAWN_AT_ONCE = 10_000  # commands whose cancels are aimed at what rested when they were drawn
TRADERS = [f"BENCH{number}" for number in range(1, 5)]
TAKER = "BENCH5"  # has nothing resting, so that every crossing order trades with three others
MIDDLE = 100_000  # price units
LEVELS = 1_000  # to either side
OPENING: list[Command] = [
    DefineInstrument("AAPL", "USD", 2, 0, 1, 1, 10**9, 2**63 - 1, MIDDLE, 9_000, 100, 300),
    *(DefineAccount(trader, trader) for trader in [*TRADERS, TAKER]),
    *(Deposit(trader, asset, "1" + "0" * 28) for trader in [*TRADERS, TAKER] for asset in ("USD", "AAPL")),
]


class Flow:
    """Draws the commands. Knows what rests by looking at the engine between two drawings."""

    def __init__(self, sequencer: Sequencer, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.sequencer = sequencer
        self.resting: list[tuple[str, str, str]] = []  # participant, ClOrdID, side
        self.count = 0

    def new(self) -> NewOrder:
        chance = self.random
        self.count += 1
        name, trader, side = f"order{self.count}", TRADERS[self.count % len(TRADERS)], chance.choice((BUY, SELL))
        away = chance.randrange(1, LEVELS)
        self.resting.append((trader, name, side))
        price = MIDDLE - away if side == BUY else MIDDLE + away
        return NewOrder(trader, trader, name, trader, "AAPL", side, LIMIT, GTC, price, 100)

    def cancel(self) -> Command:
        chance, participants = self.random, self.sequencer.engine.participants
        while self.resting:
            index = chance.randrange(len(self.resting))
            self.resting[index], self.resting[-1] = self.resting[-1], self.resting[index]
            trader, name, side = self.resting.pop()
            order = participants[trader].client_ids.get(name)
            if order is None or not order.ended:  # None: drawn, and not entered yet
                self.count += 1
                return CancelOrder(trader, trader, f"cancel{self.count}", name, "AAPL", side)
        return self.new()

    def cross(self) -> NewOrder:
        self.count += 1
        side = self.random.choice((BUY, SELL))
        price = MIDDLE + LEVELS if side == BUY else MIDDLE - LEVELS
        return NewOrder(TAKER, TAKER, f"order{self.count}", TAKER, "AAPL", side, LIMIT, IOC, price, 300)

    def draw(self, count: int) -> list[Command]:
        drawn: list[Command] = []
        for _ in range(count):
            kind = self.random.random()
            drawn.append(self.new() if kind < 0.6 else self.cancel() if kind < 0.9 else self.cross())
        return drawn

    def drawings(self, count: int) -> Iterator[list[Command]]:
        for start in range(0, count, DRAWN_AT_ONCE):
            yield self.draw(min(DRAWN_AT_ONCE, count - start))


def run(sequencer: Sequencer, commands: list[Command]) -> float:
    """Seconds from the first to the last command."""
    started = time.perf_counter()
    for start in range(0, len(commands), BATCH):
        sequencer.submit(commands[start : start + BATCH])
        sequencer.receive()
        sequencer.publish()
    return time.perf_counter() - started


def resting_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def opened(data: Path) -> Sequencer:
    sequencer = Sequencer(data, "os")
    for _ in sequencer.recover():
        pass
    return sequencer


def stocked(data: Path, resting: int) -> tuple[Sequencer, Flow]:
    """A venue with resting orders, and the collector as the exchange has it once it runs."""
    gc.disable()
    sequencer = opened(data)
    run(sequencer, OPENING)
    flow = Flow(sequencer)
    for start in range(0, resting, DRAWN_AT_ONCE):
        run(sequencer, [flow.new() for _ in range(min(DRAWN_AT_ONCE, resting - start))])
    gc.collect()
    gc.freeze()
    return sequencer, flow


def measure_speed(data: Path, resting: int) -> dict[str, Any]:
    """Commands a second with so many orders resting, and what one of them takes of memory."""
    gc.disable()
    before = resting_bytes()
    sequencer, flow = stocked(data, resting)
    taken = resting_bytes() - before
    listed = sys.getsizeof(flow.resting) + sum(sys.getsizeof(entry) for entry in flow.resting)  # the benchmark's own
    rates = []
    for _ in range(ROUNDS):
        seconds = sum(run(sequencer, commands) for commands in flow.drawings(MEASURED))
        rates.append(MEASURED / seconds)
    engine = sequencer.engine
    engine.check()
    rest = sum(len(participant.open_orders) for participant in engine.participants.values())
    sequencer.close()
    return {
        "resting_before": resting,
        "resting_after": rest,
        "commands_per_second": round(sorted(rates)[ROUNDS // 2]),
        "events_per_command": round(engine.event_seq / engine.command_seq, 2),
        "bytes_per_resting_order": round((taken - listed) / resting),
    }


def measure_replay(data: Path) -> dict[str, Any]:
    """Seconds from a journal of a million commands to a venue that is ready, events compared with the event log."""
    gc.disable()
    sequencer, flow = stocked(data, FEW)
    for commands in flow.drawings(REPLAYED - sequencer.engine.command_seq):
        run(sequencer, commands)
    sequencer.close()
    del sequencer, flow
    return {"commands": REPLAYED} | fresh("recover", data)


def measure_snapshot(data: Path) -> dict[str, Any]:
    """Seconds to write a snapshot of a million resting orders, and from it to a venue that is ready."""
    sequencer, _ = stocked(data, MANY)
    started = time.perf_counter()
    sequencer.snapshot()
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    sequencer.begin_snapshot()
    paused = time.perf_counter() - started
    sequencer.close()
    size = snapshots(data / "snapshots")[-1][1].stat().st_size
    return {
        "orders": MANY,
        "megabytes": round(size / 1e6),
        "write_s": round(seconds, 2),
        "begin_pause_ms": round(paused * 1e3, 1),
    } | fresh("recover", data)


def measure_recover(data: Path) -> dict[str, Any]:
    started = time.perf_counter()
    sequencer = opened(data)
    seconds = time.perf_counter() - started
    rest = sum(len(participant.open_orders) for participant in sequencer.engine.participants.values())
    sequencer.close()
    return {"recover_s": round(seconds, 2), "open_orders": rest}


def fresh(part: str, data: Path) -> dict[str, Any]:
    """A part in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.core", part, "--data", str(data)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


PARTS = {
    "few": lambda data: measure_speed(data, FEW),
    "many": lambda data: measure_speed(data, MANY),
    "replay": measure_replay,
    "snapshot": measure_snapshot,
    "recover": measure_recover,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=list(PARTS), help="one part alone")
    parser.add_argument("--data", type=Path, help="a directory of its own (a temporary one)")
    chosen = parser.parse_args()
    if chosen.part:
        data = chosen.data or Path(tempfile.mkdtemp(prefix="core-"))
        print(json.dumps(PARTS[chosen.part](data)))
        if not chosen.data:
            shutil.rmtree(data)
        return
    result: dict[str, Any] = {}
    for part in ("few", "many", "replay", "snapshot"):
        with tempfile.TemporaryDirectory(prefix="core-") as data:
            result[part] = fresh(part, Path(data))
    rates = [result[part]["commands_per_second"] for part in ("few", "many")]
    result["slower_with_many"] = round(rates[0] / rates[1], 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
