"""The example of docs/simulator.md, as it stands there: simulated, and over FIX on a venue that runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.light import light_venue

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "simulator.md"
INSTRUMENTS: dict[str, dict[str, Any]] = {"AAPL": {}}
PARTICIPANTS = {
    "MAKER1": {"cash": "10_000_000", "holdings": {"AAPL": "100_000"}}, "NOISE1": {"cash": "10_000"}, "NOISE2": {"cash": "10_000"},
    "NOISE3": {"cash": "10_000"}, "TRADER1": {"cash": "10_000"},
}  # fmt: skip


def example() -> str:
    return DOCUMENT.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(example())
    return path


def fixserver(*arguments: str, cwd: Path) -> dict[str, Any]:
    """The row of the example in the scoreboard of a command."""
    command = [sys.executable, "-m", "fixserver.cli", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, check=False, env={"PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    row: dict[str, Any] = next(row for row in json.loads(done.stdout)["bots"] if row["strategy"] == "Scalper")
    return row


def test_it_has_at_most_thirty_lines():
    assert len(example().splitlines()) <= 30


def test_it_trades_in_a_simulation(mine: Path):
    asked = ("--bots", "maker=2,noise=5,mine.py:Scalper=1", "--minutes", "5", "--quiet")
    row = fixserver("simulate", "--config", str(ROOT / "config/exchange.toml"), *asked, cwd=mine.parent)
    assert row["name"] == "TRADER1" and row["trades"] > 20 and row["cancels"] > 0 and row["failed"] is None


def test_it_trades_on_a_venue_that_runs(mine: Path):
    with light_venue(mine.parent / "venue", instruments=INSTRUMENTS, participants=PARTICIPANTS, web={"enabled": False}) as venue:
        venue.start("marketdata")
        row = fixserver(
            "bots", "--config", str(venue.config), "--data", str(venue.data), "--bots", "maker=1,noise=3,mine.py:Scalper=1",
            "--rate", "300", "--seconds", "6", cwd=mine.parent,
        )  # fmt: skip
    assert row["name"] == "TRADER1" and row["trades"] > 0 and row["failed"] is None
