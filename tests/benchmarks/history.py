"""How many orders a second go from an event log into the history: python -m tests.benchmarks.history [sqlite] [postgresql]

Prints one JSON object. The log is that of the ledger's benchmark, two orders accepted for each trade, and another of orders that
rest for a while and are then canceled: rows that are written twice.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from sqlalchemy import URL

from following.database import sqlite_url
from following.eventlog import EventLog
from following.follower import EVENTS_PER_COMMIT_MAX
from marketdata.history.database import open_database
from marketdata.history.writer import History
from matching.messages import CancelReason, EventBatch, InstrumentDefined, OrderAccepted, OrderCanceled
from matching.recordlog import LogWriter
from tests.benchmarks import ledger
from tests.postgres import Postgres

RESTING = 50_000  # orders between one and its cancel
EVENTS_PER_RECORD = 60


def write_resting(directory: Path, orders: int) -> None:
    """Orders that are all canceled, so much later that another transaction does it."""
    encode = msgspec.msgpack.Encoder().encode
    writer = LogWriter(directory)
    batch: list[object] = [InstrumentDefined(1, "AAPL", "USD", 2, 0, 1, 1, 10**9, 2**62, 18950, 1000, 100, 300)]
    seq = 1
    for number in range(orders + RESTING):
        if number < orders:
            seq += 1
            said = "BENCH1", "FIX.4.4:BENCH1", f"A{number}", "BENCH1", "AAPL", "1", "2", "0", 18950, 100, 0, ""
            batch.append(OrderAccepted(seq, number + 1, *said))  # type: ignore[arg-type]
        if number >= RESTING:
            seq += 1
            batch.append(OrderCanceled(seq, number + 1 - RESTING, "AAPL", 100, CancelReason.REQUESTED))
        if len(batch) >= EVENTS_PER_RECORD:
            writer.append(seq - len(batch) + 1, len(batch), encode(EventBatch(seq, seq * 1_000_000, batch)))  # type: ignore[arg-type]
            batch = []
    if batch:
        writer.append(seq - len(batch) + 1, len(batch), encode(EventBatch(seq, seq * 1_000_000, batch)))  # type: ignore[arg-type]
    writer.close()


def measure(url: str | URL, events: Path) -> dict[str, float]:
    history = History(open_database(url))
    history.load()
    log = EventLog(events, 1)
    counted = orders = trades = 0
    slowest = 0.0
    started, used = time.perf_counter(), time.process_time()
    while records := log.read(EVENTS_PER_COMMIT_MAX):
        began = time.perf_counter()
        posted = history.post(records)
        slowest = max(slowest, time.perf_counter() - began)
        counted, orders, trades = counted + posted.events, orders + posted.orders, trades + posted.trades
    seconds, used = time.perf_counter() - started, time.process_time() - used
    log.close()
    history.close()
    return {
        "events": counted,
        "orders": orders,
        "trades": trades,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used, 2),
        "orders_per_second": round(orders / seconds),
        "events_per_second": round(counted / seconds),
        "slowest_transaction_ms": round(slowest * 1_000),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("databases", nargs="*", metavar="sqlite|postgresql")
    parser.add_argument("--trades", type=int, default=100_000)
    arguments = parser.parse_args()
    databases = arguments.databases or ["sqlite", "postgresql"]
    result: dict[str, object] = {"benchmark": "history", "machine": platform.platform(), "python": platform.python_version()}
    with tempfile.TemporaryDirectory() as directory:
        trading, resting = Path(directory) / "trading", Path(directory) / "resting"
        ledger.write_log(trading, arguments.trades)
        write_resting(resting, arguments.trades)
        logs = {"trading": trading, "resting": resting}
        if "sqlite" in databases:
            result["sqlite"] = {name: measure(sqlite_url(Path(directory) / f"{name}.sqlite"), log) for name, log in logs.items()}
        if "postgresql" in databases:
            server = Postgres(durable=True)
            try:
                result["postgresql"] = {name: measure(server.create(name), log) for name, log in logs.items()}
            finally:
                server.close()
    result["memory_mib_max"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    json.dump(result, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
