"""PostgreSQL is stopped under load and started again: trading does not notice, and the ledger is exact when it has caught up."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.faults.checks import check_traders
from tests.faults.traders import Trader, wait_settled
from tests.light import light_venue
from tests.postgres import Postgres
from tests.venue import VERSIONS, wait_for

OUTAGE_SECONDS = float(os.environ.get("FIXSERVER_OUTAGE_SECONDS", "3"))
LEDGER_LAG = "fixserver_ledger_lag_events"


def test_a_database_that_is_gone_for_a_while(postgres: Postgres, tmp_path: Path) -> None:
    """FIXSERVER_OUTAGE_SECONDS=60 makes it the minute that a database may need to come back."""
    url = postgres.create("database_gone")
    traders: list[Trader] = []
    with light_venue(tmp_path, clearing={"metrics_port": 0, "database": url}) as venue:
        try:
            venue.start("clearing")
            traders = [Trader(venue, f"TRADER{number}", VERSIONS[number % 3], number).start() for number in range(1, 4)]

            def reports() -> int:
                return sum(len(trader.reports) for trader in traders)

            wait_for(lambda: reports() > 500 and venue.metrics("clearing")[LEDGER_LAG] < 500, "the ledger follows the trading")
            per_second = measured(reports, 1.0)
            postgres.stop(crash=True)
            without = measured(reports, OUTAGE_SECONDS)
            print(f"{per_second:,.0f} reports/s with the database, {without:,.0f} without")
            assert without > per_second / 2
            assert venue.metrics("clearing")["fixserver_ledger_database_up"] == 0
            assert venue.metrics("clearing")[LEDGER_LAG] > 0
            postgres.start()
            wait_for(lambda: venue.metrics("clearing")["fixserver_ledger_database_up"] == 1, "the database is back")
            wait_settled(traders, wait_for)
        finally:
            for trader in traders:
                trader.stop()
            if postgres.process is None:
                postgres.start()
        assert [trader.logons for trader in traders] == [1, 1, 1]
        assert venue.end() == 0
        wait_for(lambda: venue.metrics("clearing")[LEDGER_LAG] == 0, "the ledger has caught up", 20 + OUTAGE_SECONDS)
        check_traders(traders, venue.data)
        checked = venue.command("ledger", "check", "--config", str(venue.config), "--data", str(venue.data))
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert venue.end("clearing") == 0
    postgres.drop("database_gone")


def measured(count: object, seconds: float) -> float:
    """How much `count` rises a second."""
    assert callable(count)
    before, started = count(), time.monotonic()
    time.sleep(seconds)
    return float((count() - before) / (time.monotonic() - started))
