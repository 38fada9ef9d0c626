"""One book, four ways: engine, FIX feed, stream and multicast say the same of a venue under load, and so do ledger and candles.

FIXSERVER_ROUNDS=100 has it be so a hundred times, each with a seed of its own; FIXSERVER_SEED says which is the first.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from marketdata.depth import BID
from tests.multicast.ways import PAPERS, VIEWS, Ways

ROUNDS = int(os.environ.get("FIXSERVER_ROUNDS", "6"))
SEED = int(os.environ.get("FIXSERVER_SEED", "1"))


def test_one_book_four_ways(tmp_path: Path) -> None:
    with Ways(tmp_path, SEED) as ways:
        for number in range(1, ROUNDS + 1):
            began, seed = time.monotonic(), SEED + number - 1
            ways.begin(seed)
            ways.trade()
            did = ways.disturb(number)
            ways.trade(1)
            what = f"round {number}, seed {seed}, {did}"
            ways.settle(what)
            ways.check_candles(what)
            print(f"{what}: equal at event {ways.engine.event_seq}, {time.monotonic() - began:.1f} s", flush=True)
        ways.check_recovery()
        print(f"{dict(ways.did)}\nlines compared: {dict(ways.compared)}")
        assert min(ways.compared.values()) >= ROUNDS
        ways.settle("behind the recovery")  # to look for which the engine may have been followed further than the others
        _any_difference_is_seen(ways)


def _any_difference_is_seen(ways: Ways) -> None:
    """What has been equal all the time would have been told, had it not been."""
    symbol = next(symbol for symbol in PAPERS if ways.listener.receiver.books[symbol].bids())
    book = ways.listener.receiver.books[symbol]
    orders = book._orders[BID]
    price, quantity, number = book.bids()[0]
    orders[number] = price, quantity + 1, number
    assert "multicast has" in ways.differs()
    orders[number] = price, quantity, number
    assert ways.differs() == ""
    for name in ("price 0", "order 0", "price 10", "order 5"):
        followed = ways.stream.builder.topics[VIEWS[name][2].format(symbol)]
        lines = followed.data["bids"]
        key, line = next(iter(lines.items()))
        lines[key] = (line[0], "1" + line[1], line[2])
        assert "stream has" in ways.differs()
        lines[key] = line
        followed.number += 1
        assert "the numbers are" in ways.differs()
        followed.number -= 1
        side = ways.fix.builders[name].books[symbol]._sides[BID]
        fix_key, fix_line = next(iter(side.items()))
        side[fix_key] = (fix_line[0], fix_line[1] * 2, fix_line[2])
        assert "fix has" in ways.differs()
        side[fix_key] = fix_line
    assert ways.differs() == ""
