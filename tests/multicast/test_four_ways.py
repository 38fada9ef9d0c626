"""One book, four ways: engine, FIX feed, stream and multicast say the same of a venue under load, and so do ledger and candles.

FIXSERVER_ROUNDS=100 has it be so a hundred times, FIXSERVER_SEED says which.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.multicast.ways import Ways

ROUNDS = int(os.environ.get("FIXSERVER_ROUNDS", "8"))
SEED = int(os.environ.get("FIXSERVER_SEED", "1"))


def test_one_book_four_ways(tmp_path: Path) -> None:
    print(f"FIXSERVER_SEED={SEED} FIXSERVER_ROUNDS={ROUNDS}")
    with Ways(tmp_path, SEED) as ways:
        for number in range(1, ROUNDS + 1):
            began = time.monotonic()
            ways.trade()
            did = ways.disturb(number)
            ways.trade(1)
            what = f"round {number}, {did}, seed {SEED}"
            ways.settle(what)
            ways.check_candles(what)
            print(f"{number}: {did}; equal at event {ways.engine.event_seq} after {time.monotonic() - began:.1f} s", flush=True)
        ways.check_recovery()
        print(f"{dict(ways.did)}\nlines compared: {dict(ways.compared)}")
