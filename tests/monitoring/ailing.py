"""The command line with faults that can be turned on and off while it runs, by a file of their name in FIXSERVER_AILMENTS:
`python -m tests.monitoring.ailing exchange ...`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fixserver import cli, exchange
from fixserver.clock import Clock
from fixserver.config import Config
from marketdata.feed import Feed
from matching.messages import EventBatch

AILMENTS = Path(os.environ["FIXSERVER_AILMENTS"])
SYNC_SECONDS = 0.2
DAY_NS = 86_400 * 10**9
FILES_SHARE = 0.85  # of those that may be open

held: list[int] = []


def has(ailment: str) -> bool:
    return (AILMENTS / ailment).exists()


def slow_disk() -> None:
    real = os.fdatasync

    def fdatasync(descriptor: Any) -> None:
        if has("slow-disk"):
            time.sleep(SYNC_SECONDS)
        real(descriptor)

    os.fdatasync = fdatasync


def full_disk() -> None:
    real = os.statvfs

    def statvfs(path: Any) -> os.statvfs_result:
        found = real(path)
        if not has("full-disk"):
            return found
        values = list(found)
        values[3] = values[4] = found.f_blocks // 20  # f_bfree, f_bavail
        return os.statvfs_result(values)

    os.statvfs = statvfs


def deaf_feed() -> None:
    real = Feed.records

    def records(self: Feed, records_max: int) -> Iterator[EventBatch]:
        return iter(()) if has("deaf-feed") else real(self, records_max)

    Feed.records = records  # type: ignore[method-assign]


def open_files() -> None:
    real = exchange.Exchange._tick

    def tick(self: exchange.Exchange, now: float) -> None:
        if has("open-files") and not held:
            descriptor, most = os.open(os.devnull, os.O_RDONLY), os.sysconf("SC_OPEN_MAX")
            held.append(descriptor)
            held.extend(os.dup(descriptor) for _ in range(int(most * FILES_SHARE)))
        elif not has("open-files") and held:
            for descriptor in held:
                os.close(descriptor)
            held.clear()
        real(self, now)

    exchange.Exchange._tick = tick  # type: ignore[method-assign]


def days_later() -> None:
    """The venue's clock is as many days ahead as the file says."""
    real = exchange.main

    def clock() -> int:
        ahead = AILMENTS / "days-later"
        return time.time_ns() + (int(ahead.read_text()) * DAY_NS if ahead.exists() else 0)

    def main(config: Config, data: Path, _: Clock) -> int:
        return real(config, data, clock)

    exchange.main = main  # type: ignore[assignment]


if __name__ == "__main__":
    for ail in (slow_disk, full_disk, deaf_feed, open_files, days_later):
        ail()
    sys.exit(cli.main(sys.argv[1:]))
