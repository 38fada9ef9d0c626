"""How many trades a second go from an event log into the ledger: python -m tests.benchmarks.ledger [sqlite] [postgresql]

Prints one JSON object. The log holds what a busy venue writes: two orders accepted for each trade, fees on both sides, and
the accounts of config/bench.toml. Both databases sync to disk as in production.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from sqlalchemy import URL

from clearing.database import open_database
from clearing.ledger import Ledger
from following.database import sqlite_url
from following.eventlog import EventLog
from following.follower import EVENTS_PER_COMMIT_MAX
from matching.messages import (
    AccountDefined,
    BalanceChanged,
    EventBatch,
    InstrumentDefined,
    OrderAccepted,
    Traded,
)
from matching.recordlog import LogWriter
from tests.postgres import Postgres

INSTRUMENTS = ["AAPL", "MSFT", "GOOG", "AMZN", "TSLA"]
ACCOUNTS = ["BENCH1", "BENCH2", "BENCH3", "BENCH4"]
CASH = 10**22
SHARES = 10**12
COMMANDS_PER_BATCH = 40


def write_log(directory: Path, trades: int) -> None:
    encode = msgspec.msgpack.Encoder().encode
    writer = LogWriter(directory)
    seq = 0
    batch: list[object] = []
    for name in INSTRUMENTS:
        seq += 1
        batch.append(InstrumentDefined(seq, name, "USD", 2, 0, 1, 1, 10**9, 2**62, 18950, 1000, 100, 300))
    for account in ACCOUNTS:
        seq += 1
        batch.append(AccountDefined(seq, account, account, 0, "cancel-resting"))
        for asset, amount in (("USD", CASH), *((name, SHARES) for name in INSTRUMENTS)):
            seq += 1
            batch.append(BalanceChanged(seq, account, asset, str(amount), str(amount)))
    command = seq
    writer.append(1, seq, encode(EventBatch(command, 1, batch)))  # type: ignore[arg-type]
    batch = []
    for number in range(trades):
        name = INSTRUMENTS[number % 5]
        maker, taker = ACCOUNTS[number % 4], ACCOUNTS[(number + 1 + number // 4 % 3) % 4]
        price, quantity = 18950 + number % 7, 100 + number % 13
        value = price * quantity * 10**8
        for side, account in (("2", maker), ("1", taker)):
            seq += 1
            command += 1
            batch.append(
                OrderAccepted(
                    seq,
                    command,
                    account,
                    f"FIX.4.4:{account}",
                    f"A{command}",
                    account,
                    name,
                    side,
                    "2",
                    "0",
                    price,
                    quantity,
                    0,
                    "",
                )
            )  # type: ignore[arg-type]
        seq += 1
        fees = value * 100 // 10**6, value * 300 // 10**6
        batch.append(Traded(seq, name, price, quantity, command - 1, command, "1", maker, taker, 0, 0, *fees))
        if len(batch) >= COMMANDS_PER_BATCH // 2 * 3 or number == trades - 1:
            writer.append(seq - len(batch) + 1, len(batch), encode(EventBatch(command, command, batch)))  # type: ignore[arg-type]
            batch = []
    writer.close()


def measure(url: str | URL, events: Path) -> dict[str, float]:
    ledger = Ledger(open_database(url))
    ledger.load()
    log = EventLog(events, 1)
    trades = postings = commits = 0
    started = time.perf_counter()
    while records := log.read(EVENTS_PER_COMMIT_MAX):
        posted = ledger.post(records)
        trades, postings, commits = trades + posted.trades, postings + posted.postings, commits + 1
    seconds = time.perf_counter() - started
    log.close()
    ledger.close()
    return {
        "trades": trades,
        "postings": postings,
        "commits": commits,
        "seconds": round(seconds, 2),
        "trades_per_second": round(trades / seconds),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("databases", nargs="*", metavar="sqlite|postgresql")
    parser.add_argument("--trades", type=int, default=100_000)
    arguments = parser.parse_args()
    databases = arguments.databases or ["sqlite", "postgresql"]
    result: dict[str, object] = {"benchmark": "ledger", "machine": platform.platform(), "python": platform.python_version()}
    with tempfile.TemporaryDirectory() as directory:
        events = Path(directory) / "events"
        write_log(events, arguments.trades)
        if "sqlite" in databases:
            result["sqlite"] = measure(sqlite_url(Path(directory) / "ledger.sqlite"), events)
        if "postgresql" in databases:
            server = Postgres(durable=True)
            try:
                result["postgresql"] = measure(server.create("ledger"), events)
            finally:
                server.close()
    json.dump(result, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
