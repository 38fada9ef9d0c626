"""What --bots says is found, or refused with one line that says what is wrong and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixserver import cli, roster
from fixserver import config as configuration
from fixserver.config import ConfigError
from fixserver.simulation import Simulation
from fixserver.strategies import MarketMaker, NoiseTrader

ROOT = Path(__file__).parents[2]
CONFIG = configuration.load(ROOT / "config/exchange.toml")

FILE = """
from fixserver.strategies import Strategy

class Idle(Strategy):
    pass

class Momentous(Strategy):
    participants = "MOMENTUM"

class Hasty(Strategy):
    timer_ms = 0.5

class Needy(Strategy):
    def __init__(self, size):
        self.size = size

NOT_A_CLASS = 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def names(text: str) -> list[str]:
    return [seat.name for seat in roster.seats(CONFIG, roster.wanted(text))]


def test_the_built_in_strategies_have_participants_of_their_names():
    assert [(one.strategy, one.bots) for one in roster.wanted("maker=2, noise")] == [(MarketMaker, 2), (NoiseTrader, 1)]
    assert names("maker=2,noise,momentum=1") == ["MAKER1", "MAKER2", "NOISE1", "MOMENTUM1"]


def test_a_class_of_a_file_trades_as_trader_as_whom_it_says_or_as_whom_the_command_says(file: Path):
    assert names(f"{file}:Idle=2") == ["TRADER1", "TRADER2"]
    assert names(f"momentum=1,{file}:Momentous=1") == ["MOMENTUM1", "MOMENTUM2"]
    assert names(f"{file}:Momentous=1@NOISE,noise=1") == ["NOISE1", "NOISE2"]
    assert names(f"{file}:Idle@TRADER5") == ["TRADER5"]


def test_a_class_of_a_module_is_found():
    assert names("fixserver.strategies:NoiseTrader=1@TRADER") == ["TRADER1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "--bots: '' asks for no bot: try maker=2,noise=6"),
        ("maker=0", "--bots: 'maker=0' asks for no bot: try maker=2,noise=6"),
        ("maker=x", "--bots: maker=x: 'x' is not a number of bots"),
        ("maker=-1", "--bots: maker=-1: '-1' is not a number of bots"),
        ("maker=501", "--bots: maker=501: 501 bots are more than 500"),
        ("taker", "--bots: taker: is no strategy: there are maker, noise, momentum, FILE.py:CLASS and MODULE:CLASS"),
        ("nowhere.py:Mine", "--bots: nowhere.py:Mine: nowhere.py is not there"),
        ("no.such.module:Mine", "--bots: no.such.module:Mine: cannot be imported: ModuleNotFoundError: No module named 'no'"),
        ("{file}:Mine", "--bots: {file}:Mine: {file} has no Mine; the strategies in it are: Idle, Momentous, Hasty, Needy"),
        ("{file}:NOT_A_CLASS", "--bots: {file}:NOT_A_CLASS: NOT_A_CLASS is not a class derived from fixserver.strategies.Strategy"),
        ("{file}:Hasty", "--bots: {file}:Hasty: timer_ms is 0.5: it is a whole number of milliseconds, from 1 on"),
        ("{file}:Idle=9", "{config}: participants: has no TRADER9, so that there cannot be 9 of them: {do}"),
        ("noise=1@NOBODY", "{config}: participants: has no NOBODY1, so that there cannot be 1 of them: {do}"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_clear_line(file: Path, text: str, says: str):
    with pytest.raises(ConfigError) as error:
        roster.seats(CONFIG, roster.wanted(text.format(file=file)))
    said = str(error.value)
    if "cannot be imported" in says:
        assert said.startswith(says.partition("cannot")[0]) and said.endswith("ModuleNotFoundError: No module named 'no'")
    else:
        assert said == says.format(file=file, config=CONFIG.file, do="add participants, or ask for fewer")


def test_a_strategy_that_cannot_be_made_is_named(file: Path):
    (seat,) = roster.seats(CONFIG, roster.wanted(f"{file}:Needy"))
    with pytest.raises(ConfigError) as error:
        Simulation(CONFIG, [seat], 1, 0)
    missing = "Needy.__init__() missing 1 required positional argument: 'size'"
    assert str(error.value) == f"--bots: {file}:Needy: cannot be made: TypeError: {missing}"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("import os\n\nnumber = 1 / 0\n", "broken.py:3: ZeroDivisionError: division by zero"),
        ("class Mine(:\n", "broken.py:1: SyntaxError: invalid syntax"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_line(tmp_path: Path, content: str, says: str):
    path = tmp_path / "broken.py"
    path.write_text(content)
    with pytest.raises(ConfigError) as error:
        roster.wanted(f"{path}:Mine")
    assert str(error.value) == f"--bots: {path}:Mine: cannot be imported: {says}"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--minutes", "0"], "0 is not a whole number from 1 to 527040"),
        (["--start", "monday"], "monday is not a moment such as 2026-01-05T14:30:00Z"),
        (["--start", "2026-01-05T14:30:00"], "2026-01-05T14:30:00 needs a time zone"),
        (["--seed", "x"], "invalid int value: 'x'"),
    ],
)
def test_a_bad_argument_of_simulate_is_exit_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        cli.main(["simulate", *arguments])
    assert end.value.code == 2 and says in capsys.readouterr().err


def test_a_bad_list_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]):
    config = ["--config", str(ROOT / "config/exchange.toml")]
    for command in ("simulate", "bots"):
        assert cli.main([command, *config, "--bots", "taker=1"]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1) and err.startswith("--bots: taker: is no strategy")
