"""Archiving under a venue that trades: nobody who is at work misses what goes."""

import json
from pathlib import Path

from matching.recordlog import segments
from tests.faults.traders import Trader
from tests.light import light_venue
from tests.venue import Venue, wait_for

SEED = 6


def head(venue: Venue) -> int:
    return int(venue.metrics()["fixserver_event_head"])


def test_a_venue_trades_on_while_its_segments_go(tmp_path: Path):
    sections = {"exchange": {"segment_bytes_max": 65_536}, "web": {"enabled": False}, "history": {"enabled": False}}
    where = ("--config", str(tmp_path / "venue.toml"), "--data", str(tmp_path / "data"))
    with light_venue(tmp_path, **sections) as venue:
        venue.start("clearing")
        traders = [Trader(venue, f"TRADER{number}", "FIX.4.4", SEED).start() for number in (1, 2)]
        for name in ("journal", "events"):
            wait_for(lambda name=name: len(segments(venue.data / name)) > 2, f"the {name} has segments to put away", 120)
        for _ in range(2):
            assert venue.command("admin", *where[2:], "snapshot").returncode == 0
        behind = head(venue)
        wait_for(lambda: head(venue) > behind + 1_200, "what may be reported again is behind the snapshots", 120)
        wait_for(lambda: venue.metrics("clearing")["fixserver_ledger_event_seq"] > behind, "the ledger is, too")
        done = venue.command("journal", "archive", *where, "--to", str(tmp_path / "archive"))
        assert done.returncode == 0, done.stderr
        assert "archived" in done.stdout, done.stdout
        for name in ("journal", "events"):
            assert segments(venue.data / name)[0][0] > 1
        before = head(venue)
        wait_for(lambda: head(venue) > before + 200, "the venue trades on", 60)
        for name in ("clearing", "exchange"):
            venue.restart(name)
        wait_for(lambda: head(venue) > before + 400, "and after a restart", 60)
        for trader in traders:
            trader.stop()
            assert trader.complaints == []
        wait_for(lambda: not venue.metrics("clearing")["fixserver_ledger_lag_events"], "the ledger goes on")
        checked = json.loads(venue.command("ledger", "check", *where, "--json").stdout)
        assert checked["faults"] == []
    verified = venue.command("journal", "verify", "--archive", *where[2:])
    assert verified.returncode == 0, verified.stderr
    assert venue.command("ledger", "rebuild", *where).returncode == 0
    assert json.loads(venue.command("ledger", "check", *where, "--json").stdout)["ok"]
