"""A simulation is a function of its seed, keeps cash and shares, and what it says of the bots is what the engine has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fixserver import config as configuration
from fixserver import roster, scoreboard
from fixserver.broker import Fill, Market
from fixserver.config import ConfigError
from fixserver.roster import Seat
from fixserver.simulation import ON_THE_WAY_MAX, SECOND, Simulation, default_start, moment_of
from fixserver.strategies import MarketMaker, Strategy
from matching.messages import NewOrder
from matching.sequencer import read_commands, replay

ROOT = Path(__file__).parents[2]
CONFIG = configuration.load(ROOT / "config/exchange.toml")
DAY_CONFIG = configuration.load(ROOT / "config/trading-day.toml")
BOTS = "maker=2,noise=3,momentum=1"


def simulated(
    bots: str | list[Seat] = BOTS, minutes: int = 3, seed: int = 7, config: configuration.Config = CONFIG, data: Path | None = None
) -> Simulation:
    seats = roster.seats(config, roster.wanted(bots)) if isinstance(bots, str) else bots
    start = default_start(config)
    simulation = Simulation(config, seats, seed, start, data)
    simulation.run(start + minutes * 60 * SECOND)
    simulation.close()
    return simulation


def seated(*strategies: type[Strategy], makers: int = 1) -> list[Seat]:
    """These strategies as TRADER1 and so on, and makers for them to trade with."""
    traders = [Seat(f"TRADER{number}", strategy, strategy.__name__) for number, strategy in enumerate(strategies, 1)]
    return [*traders, *(Seat(f"MAKER{number}", MarketMaker, "maker") for number in range(1, makers + 1))]


# ------------------------------------------------------------------------------------------------- it repeats


def test_the_same_seed_does_the_same_and_another_does_not():
    first, again, other = (simulated(seed=seed) for seed in (7, 7, 8))
    assert json.dumps(first.result()) == json.dumps(again.result())
    assert first.journal_digest != other.journal_digest
    assert first.trades > 100 and other.trades > 100


def test_neither_the_hash_seed_nor_the_process_matters(tmp_path: Path):
    """Nor whether there is a journal on disk."""
    said = []
    for hash_seed, more in (("1", []), ("2", ["--data", str(tmp_path / "data")])):
        command = [sys.executable, "-m", "fixserver.cli", "simulate", "--minutes", "2", "--bots", BOTS, "--json", "--quiet", *more]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, timeout=60, check=True
        )
        assert done.stderr == b""
        said.append(done.stdout)
    assert said[0] == said[1]


def test_each_bot_has_a_latency_of_its_own_that_the_seed_gives_it():
    found = [[trader.latency_ns for trader in simulated(minutes=1, seed=seed).traders.values()] for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert len(set(found[0])) > 3


# --------------------------------------------------------------------------------------------- what it adds up to


def test_cash_and_shares_are_conserved_and_the_books_hold_together():
    simulation = simulated(minutes=5)
    engine = simulation.core.engine
    engine.check()
    simulation.depth.check()
    deposits = {name: CONFIG.participant(name) for name in simulation.traders}
    begun = sum(Decimal(entry.cash) for entry in deposits.values())
    rows = scoreboard.rows(simulation.standings, simulation.prices())
    assert sum(Decimal(row["balance"]) for row in rows) == begun
    for symbol in simulation.prices():
        had = sum(Decimal(entry.holdings.get(symbol, "0")) for entry in deposits.values())
        assert sum(Decimal(row["holdings"].get(symbol, "0")) for row in rows) == had
    assert sum(Decimal(row["profit"]) for row in rows) == 0


def test_the_scoreboard_says_what_the_engine_has():
    simulation = simulated(minutes=5)
    engine, currency = simulation.core.engine, CONFIG.venue.currency
    for row in scoreboard.rows(simulation.standings, simulation.prices()):
        account = engine.accounts[row["name"]]
        assert row["balance"] == scoreboard.money(account.cash_in(currency).total)
        for symbol, text in row["holdings"].items():
            assert configuration.to_units(text, CONFIG.instrument(symbol).quantity_decimals) == account.position_in(symbol).total
    assert sum(row["trades"] for row in simulation.result()["bots"]) == 2 * simulation.trades


def test_fees_are_what_the_bots_lose_together(tmp_path: Path):
    text = (ROOT / "config/exchange.toml").read_text()
    text = text.replace('dictionaries = "dictionaries"', f'dictionaries = "{ROOT / "config/dictionaries"}"')
    path = tmp_path / "venue.toml"
    path.write_text(text.replace('maker_fee = "0"', 'maker_fee = "0.0001"').replace('taker_fee = "0"', 'taker_fee = "0.0002"'))
    simulation = simulated(config=configuration.load(path))
    rows = scoreboard.rows(simulation.standings, simulation.prices())
    fees = sum(Decimal(row["fees"]) for row in rows)
    assert fees > 0 and sum(Decimal(row["profit"]) for row in rows) == -fees


def test_trades_are_settled_by_the_configuration_and_everybody_pays_his_own_fees(tmp_path: Path):
    """Over the end of a trading day. What each bot believes is compared with the engine when it ends."""
    text = (ROOT / "config/exchange.toml").read_text()
    text = text.replace('dictionaries = "dictionaries"', f'dictionaries = "{ROOT / "config/dictionaries"}"')
    text = text.replace("cycle_days = 0", "cycle_days = 1").replace('day_roll = "22:00"', 'day_roll = "14:32"')
    text += '[[fees]]\nparticipant = "MAKER"\nmaker = "-0.0001"\ntaker = "0.0002"\n'
    path = tmp_path / "venue.toml"
    path.write_text(text)
    simulation = simulated(config=configuration.load(path))
    engine = simulation.core.engine
    engine.check()
    assert (engine.settlement.cycle_days, engine.settlement_day) == (1, 1)
    assert len({obligation.account for obligation in engine.obligations()}) > 3, "what was traded before 14:32 is due a day later"
    rows = {row["name"]: row for row in scoreboard.rows(simulation.standings, simulation.prices())}
    assert Decimal(rows["MAKER1"]["fees"]) < 0 == Decimal(rows["NOISE1"]["fees"])


def test_the_most_profit_stands_first_in_table_and_json():
    simulation = simulated()
    rows = scoreboard.rows(simulation.standings, simulation.prices())
    assert [row["name"] for row in rows] == [row["name"] for row in sorted(rows, key=lambda row: -Decimal(row["profit"]))]
    table = scoreboard.table(simulation.standings, simulation.prices()).splitlines()
    assert [line.split()[0] for line in table[1:]] == [row["name"] for row in rows]


def test_nobody_is_refused_anything_and_traders_stay_within_their_means():
    for row in scoreboard.rows(simulated(minutes=5).standings, simulated(minutes=1).prices()):
        assert (row["rejects"], row["failed"]) == (0, None)
        assert Decimal(row["balance"]) >= 0


def test_the_files_are_those_of_a_venue(tmp_path: Path):
    simulation = simulated(data=tmp_path / "data")
    engine = replay(tmp_path / "data")
    assert engine.digest() == simulation.result()["state"] == simulated().result()["state"]
    times = [batch.time for batch in read_commands(tmp_path / "data")]
    assert times == sorted(times) and times[0] == default_start(CONFIG)


# ---------------------------------------------------------------------------------------------------- time


def test_a_day_has_its_phases_and_its_auctions():
    class AtTheBell(Strategy):
        """Buys at the opening from one who sells at the opening, and looks at the phases."""

        seen: list[tuple[str, bool]] = []  # noqa: RUF012

        def on_start(self) -> None:
            self.broker.buy("AAPL", 10, "190.00", "at-the-opening")
            self.broker.sell("MSFT", 10, "414.00", "at-the-opening")

        def on_book(self, market: Market, symbol: str) -> None:
            if symbol == "AAPL":
                self.seen.append((f"{self.broker.now:%H:%M:%S}", market[symbol].trading))

    class Other(Strategy):
        def on_start(self) -> None:
            self.broker.sell("AAPL", 10, "189.00", "at-the-opening")
            self.broker.buy("MSFT", 10, "415.00", "at-the-opening")

    simulation = simulated(seated(AtTheBell, Other, makers=0), 405, config=DAY_CONFIG)
    assert f"{moment_of(simulation.start_ns):%H:%M}" == "14:25"
    traded = {row["symbol"]: row["trades"] for row in simulation.result()["instruments"]}
    assert traded == {"AAPL": 1, "MSFT": 1, "BTCUSD": 0}
    seen = AtTheBell.seen
    changes = [(time, trading) for at, (time, trading) in enumerate(seen) if not at or seen[at - 1][1] != trading]
    assert changes == [("14:25:00", False), ("14:30:00", True), ("20:55:00", False)]
    assert {phase["phase"] for phase in simulation.result()["instruments"]} == {"closing-price", "continuous"}


def test_a_day_ends_and_its_orders_with_it():
    class Patient(Strategy):
        open_at: list[tuple[str, int]] = []  # noqa: RUF012

        def on_start(self) -> None:
            self.broker.buy("AAPL", 1, "100.00")
            self.broker.buy("AAPL", 2, "100.00", "gtc")

        def on_timer(self, now: Any) -> None:
            orders = [int(order.quantity) for order in self.broker.orders()]
            if not self.open_at or self.open_at[-1][1] != sum(orders):
                self.open_at.append((f"{now:%d %H:%M}", sum(orders)))

    simulation = simulated(seated(Patient, makers=0), 60 * 24)
    assert Patient.open_at == [("05 14:30", 3), ("05 22:00", 2)]
    assert simulation.core.engine.trading_day == "20260106"


def test_what_is_sent_arrives_later_and_what_happens_is_seen_later():
    class Clocked(Strategy):
        log: list[tuple[str, int]] = []  # noqa: RUF012

        def note(self, what: str) -> None:
            self.log.append((what, (self.broker.now - moment_of(default_start(CONFIG))).microseconds))

        def on_start(self) -> None:
            self.broker.buy("AAPL", 1, "100.00")
            self.note("sent")

        def on_book(self, market: Market, symbol: str) -> None:
            if symbol == "AAPL" and market[symbol].bid == Decimal("100.00"):
                self.note("seen")

    simulation = simulated(seated(Clocked, makers=0), minutes=1)
    latency = simulation.traders["TRADER1"].latency_ns // 1_000
    assert Clocked.log == [("sent", 0), ("seen", 2 * latency)]


def test_timers_come_at_their_pace():
    class Ticking(Strategy):
        timer_ms = 250
        times: list[float] = []  # noqa: RUF012

        def on_timer(self, now: Any) -> None:
            self.times.append(now.timestamp())

    simulated(seated(Ticking, makers=0), minutes=1)
    assert len(Ticking.times) == 240
    assert {round(after - before, 6) for before, after in zip(Ticking.times, Ticking.times[1:], strict=False)} == {0.25}


# ----------------------------------------------------------------------------------------------- strategies


def test_a_strategy_trades_by_every_verb_of_its_broker():
    class Busy(Strategy):
        fills: list[str] = []  # noqa: RUF012

        def on_timer(self, now: Any) -> None:
            """One after the other: enter, replace, cancel."""
            ticker, broker = self.market["AAPL"], self.broker
            if ticker.bid is None or ticker.ask is None:
                return
            orders = broker.orders("AAPL")
            if not orders:
                broker.buy("AAPL", 5, ticker.on_tick(ticker.bid - 1))
                broker.buy("AAPL", "2", ticker.ask, "ioc")
                broker.sell("AAPL", Decimal(3))
                assert broker.available("AAPL") == broker.position("AAPL") - 3
            elif orders[0].quantity == 5:
                assert broker.replace(orders[0], quantity=7)
                assert not broker.replace(orders[0], quantity=8), "its last change is not answered"
            else:
                assert broker.cancel_all() == 1

        def on_fill(self, fill: Fill) -> None:
            self.fills.append(f"{fill.side} {fill.quantity} {fill.symbol}")

    simulation = simulated(seated(Busy), minutes=1)
    tally = simulation.traders["TRADER1"].positions.tally
    assert simulation.standings[0].failed == ""
    assert (tally.orders, tally.orders_traded, tally.fills, tally.replaces, tally.cancels, tally.rejects) == (60, 40, 40, 20, 20, 0)
    assert {"buy 2 AAPL", "sell 3 AAPL"} <= set(Busy.fills)


def test_a_refusal_is_told_with_its_text():
    class Poor(Strategy):
        said: list[tuple[str, str, str]] = []  # noqa: RUF012

        def on_start(self) -> None:
            self.broker.buy("AAPL", 100_000, "190.00")
            self.broker.sell("AAPL", 1, "1000.00")

        def on_reject(self, symbol: str, side: str, text: str) -> None:
            self.said.append((symbol, side, text.split()[0]))

    simulation = simulated(seated(Poor, makers=0), minutes=1)
    assert [(symbol, side) for symbol, side, _ in Poor.said] == [("AAPL", "buy"), ("AAPL", "sell")]
    assert simulation.traders["TRADER1"].positions.tally.rejects == 2
    assert simulation.traders["TRADER1"].positions.orders == {}


def test_the_rate_of_a_participant_is_held():
    class Eager(Strategy):
        said: list[str] = []  # noqa: RUF012

        def on_start(self) -> None:
            for _ in range(1_010):
                self.broker.buy("AAPL", 1, "100.00")

        def on_reject(self, symbol: str, side: str, text: str) -> None:
            self.said.append(text)

    simulation = simulated(seated(Eager, makers=0), minutes=1)
    assert Eager.said == ["more than 1000 orders a second"] * 10
    assert len(list(simulation.core.engine.open_orders("TRADER1"))) == 1_000


def test_a_strategy_that_raises_is_named_and_stops_only_itself(capsys: pytest.CaptureFixture[str]):
    class Faulty(Strategy):
        turns = 0

        def on_start(self) -> None:
            self.broker.buy("AAPL", 1, "100.00")

        def on_timer(self, now: Any) -> None:
            self.turns += 1
            if self.turns == 3:
                raise ZeroDivisionError("division by zero")

    class Float(Strategy):
        def on_start(self) -> None:
            self.broker.buy("AAPL", 1, 189.5)  # type: ignore[arg-type]

    simulation = simulated(seated(Faulty, Float, makers=2))
    failed = {standing.name: standing.failed for standing in simulation.standings if standing.failed}
    assert set(failed) == {"TRADER1", "TRADER2"}
    assert failed["TRADER1"].startswith("TRADER1 (Faulty) is stopped: test_simulation.py:")
    assert failed["TRADER1"].endswith(": ZeroDivisionError: division by zero")
    assert "(Float) is stopped: test_simulation.py:" in failed["TRADER2"] and "189.5, a float" in failed["TRADER2"]
    assert capsys.readouterr().err.count("is stopped") == 2
    assert list(simulation.core.engine.open_orders("TRADER1")) == [], "what it had open is canceled"
    assert simulation.traders["MAKER1"].positions.tally.orders > 20, "the others go on"
    assert scoreboard.table(simulation.standings, simulation.prices()).count("is stopped") == 2


def test_a_strategy_that_sends_without_end_is_stopped():
    class Endless(Strategy):
        def on_start(self) -> None:
            while True:
                self.broker.buy("AAPL", 1, "100.00")

    simulation = simulated(seated(Endless, makers=0), minutes=1)
    (standing,) = simulation.standings
    assert "TooMany: 10,000 messages are on their way" in standing.failed
    assert simulation.traders["TRADER1"].positions.tally.orders == ON_THE_WAY_MAX


@pytest.mark.parametrize(
    ("price", "quantity", "says"),
    [
        ("189.505", 1, "has more than 2 decimals"),
        ("-1", 1, "no multiple of AAPL's tick of 0.01"),
        ("189.50", "0.5", "has more than 0 decimals"),
        ("189.50", 0, "no multiple of AAPL's lot of 1"),
        ("cheap", 1, "'cheap', which is not a number"),
        ("NaN", 1, "'NaN', which is not a number"),
        ("Infinity", 1, "'Infinity', which is not a number"),
    ],
)
def test_what_cannot_be_an_order_is_said_at_once(price: str, quantity: Any, says: str):
    simulation = Simulation(CONFIG, seated(Strategy, makers=0), 1, default_start(CONFIG))
    with pytest.raises(ValueError, match=says):
        simulation.traders["TRADER1"].strategy.broker.buy("AAPL", quantity, price)
    with pytest.raises(ValueError, match="'XYZ' is not traded here"):
        simulation.traders["TRADER1"].strategy.broker.sell("XYZ", 1)
    with pytest.raises(ValueError, match="the time in force is 'soon', which is none of day, gtc"):
        simulation.traders["TRADER1"].strategy.broker.sell("AAPL", 1, "1.00", "soon")


def test_a_directory_that_holds_something_is_refused(tmp_path: Path):
    (tmp_path / "note").touch()
    with pytest.raises(ConfigError, match=f"--data: {tmp_path} is not an empty directory"):
        Simulation(CONFIG, seated(Strategy, makers=0), 1, default_start(CONFIG), tmp_path)


def test_every_command_of_a_bot_is_in_the_journal(tmp_path: Path):
    simulation = simulated(data=tmp_path / "data", minutes=1)
    entered = [c for batch in read_commands(tmp_path / "data") for c in batch.commands if isinstance(c, NewOrder)]
    assert len(entered) == sum(trader.positions.tally.orders for trader in simulation.traders.values())
