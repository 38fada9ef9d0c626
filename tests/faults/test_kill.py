"""kill -9 of the exchange under load, again and again: what was acknowledged stays, nothing happens twice, everybody is told."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from tests.faults.checks import check_traders
from tests.faults.traders import Trader, wait_settled
from tests.light import light_venue
from tests.venue import VERSIONS, wait_for

KILLS = 20
LIFE_SECONDS_MAX = 0.5  # under load, between two kills
SNAPSHOT_COMMANDS = 300  # few, so that kills meet snapshots being written


def test_killed_twenty_times_under_load(tmp_path: Path) -> None:
    """Both durabilities in turn; FIXSERVER_SEED repeats a run."""
    seed = int(os.environ.get("FIXSERVER_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"FIXSERVER_SEED={seed}")
    moments = random.Random(seed)
    with light_venue(tmp_path, exchange={"snapshot_commands": SNAPSHOT_COMMANDS}) as venue:
        settings = venue.config.read_text()
        venue.start("clearing")  # follows the log through every kill
        traders = [Trader(venue, f"TRADER{number}", VERSIONS[number % 3], seed).start() for number in range(1, 5)]
        try:
            for kill in range(KILLS):
                logons = sum(trader.logons for trader in traders)
                wait_for(lambda logons=logons: sum(trader.logons for trader in traders) > logons, "a trader is back")
                time.sleep(moments.uniform(0.0, LIFE_SECONDS_MAX))
                venue.kill()
                venue.config.write_text(settings.replace('"os"', '"fsync"') if kill % 2 == 0 else settings)
                venue.start()
            wait_settled(traders, wait_for)
        finally:
            for trader in traders:
                trader.stop()
        asked = sum(trader.next_out for trader in traders)
        told = sum(len(trader.reports) for trader in traders)
        print(f"{asked:,} messages sent, {told:,} reports, {sum(trader.again for trader in traders):,} of them again")
        assert venue.end() == 0
        check_traders(traders, venue.data)
        verified = venue.command("journal", "verify", "--data", str(venue.data))
        assert verified.returncode == 0, verified.stdout + verified.stderr
        wait_for(lambda: venue.metrics("clearing").get("fixserver_ledger_lag_events") == 0, "the ledger is at the head")
        checked = venue.command("ledger", "check", "--config", str(venue.config), "--data", str(venue.data))
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert told > 10 * KILLS
