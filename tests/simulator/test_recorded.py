"""Recorded order flow in a simulation: what the recording's venue did is brought about here, at its times."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from fixserver import cli, recordings
from fixserver import config as configuration
from fixserver.pictured import batches
from fixserver.recorded import Recorded, replaying
from fixserver.roster import Seat, seats, wanted
from fixserver.simulation import SECOND, Simulation, default_start
from matching.messages import OrderAccepted

ROOT = Path(__file__).parents[2]
CONFIG = configuration.load(ROOT / "config/exchange.toml")
RECORDING = ROOT.parent / "shared/data/bitstamp-2015-05-01-orders.csv.xz"

LOBSTER = """34200.1,1,1,100,1000000,1
34200.2,1,2,50,1010000,-1
34200.3,2,1,20,1000000,1
34200.8,4,1,30,1000000,1
34200.9,5,0,10,1005000,1
34201.0,3,2,50,1010000,-1
34201.1,1,3,10,9000000,-1
34201.2,3,99,10,1000000,1
34201.3,3,3,10,9000000,-1
"""


def replayed(path: Path, symbol: str, minutes: int = 1, bots: str = "") -> Simulation:
    others = seats(CONFIG, wanted(bots)) if bots else []
    start = default_start(CONFIG)
    simulation = Simulation(CONFIG, [Seat("REPLAY1", replaying(recordings.examine(path), symbol), "replay"), *others], 1, start)
    simulation.run(start + minutes * 60 * SECOND)
    return simulation


def test_a_lobster_recording_is_brought_about(tmp_path: Path):
    path = tmp_path / "orders.csv"
    path.write_text(LOBSTER)
    simulation = replayed(path, "AAPL")
    tally = simulation.traders["REPLAY1"].positions.tally
    assert [(order.price, order.leaves, order.executed) for order in simulation.core.engine.open_orders()] == [(10_000, 50, 30)]
    # Two orders are taken and one is outside the band; the execution is one more. What ended by itself is not canceled.
    assert (tally.orders, tally.replaces, tally.cancels, tally.rejects, simulation.trades) == (4, 1, 1, 1, 1)


BITSTAMP = """id,timestamp,exchange.timestamp,price,volume,action,direction
1,1000,1000,236.50,100000000,created,bid
2,1000,1000,236.505,100000000,created,bid
3,2000,2000,237.00,50000000,created,ask
1,2000,2000,236.50,40000000,changed,bid
1,2000,2000,236.50,30000000,changed,bid
3,31000,31000,237.00,50000000,deleted,ask
9,31000,31000,237.00,50000000,deleted,ask
"""


def test_a_bitstamp_recording_is_sent_at_its_times(tmp_path: Path):
    path = tmp_path / "orders.csv"
    path.write_text(BITSTAMP)
    simulation = replayed(path, "BTCUSD")
    (strategy,) = [trader.strategy for trader in simulation.traders.values()]
    assert isinstance(strategy, Recorded) and strategy.unsaid == 1, "236.505 is off the tick"
    assert [(order.price, order.leaves) for order in simulation.core.engine.open_orders()] == [(23_650, 30_000_000)]
    tally = simulation.traders["REPLAY1"].positions.tally
    assert (tally.orders, tally.replaces, tally.cancels) == (2, 2, 1), "a change waits for the answer to the one before"


def test_orders_are_entered_when_the_recording_says(tmp_path: Path):
    path = tmp_path / "orders.csv"
    path.write_text(BITSTAMP)
    recording, start = recordings.examine(path), default_start(CONFIG)
    simulation = Simulation(CONFIG, [Seat("REPLAY1", replaying(recording, "BTCUSD"), "replay")], 1, start, tmp_path / "data")
    simulation.run(start + 60 * SECOND)
    simulation.close()
    told = [(batch.time - start, event) for batch in batches(tmp_path / "data") for event in batch.events]
    entered = [passed / SECOND for passed, event in told if isinstance(event, OrderAccepted)]
    assert entered == [pytest.approx(0, abs=0.11), pytest.approx(1, abs=0.11)]


def test_the_command_trades_with_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    if not RECORDING.exists():
        pytest.skip(f"{RECORDING} is not there")
    arguments = ["--config", str(ROOT / "config/exchange.toml"), "--bots", "noise=3", "--minutes", "20", "--json", "--quiet"]
    said = []
    for _ in range(2):
        assert cli.main(["simulate", *arguments, "--replay", str(RECORDING)]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    told = json.loads(said[0])
    rows = {row["name"]: row for row in told["bots"]}
    assert rows["REPLAY1"]["orders"] > 1_000 and rows["REPLAY1"]["trades"] > 100
    assert sum(Decimal(row["profit"]) for row in told["bots"]) == 0


def test_what_cannot_be_replayed_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = ROOT / "config/exchange.toml"
    path = tmp_path / "orders.csv"
    path.write_text(LOBSTER)
    for more, says in (
        (["--replay", "nowhere.csv"], "--replay: nowhere.csv: no such file or directory\n"),
        (["--replay", str(path), "--instrument", "XYZ"], f"{config}: instruments: has no XYZ: --instrument takes one of AAPL"),
    ):
        assert cli.main(["simulate", "--config", str(config), *more]) == 2
        assert capsys.readouterr().err.startswith(says)
