"""Who is to trade with which strategy: reads `maker=2,mine.py:Trend=1` and finds classes and participants; it starts nothing."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import NamedTuple

from fixserver.broker import Broker
from fixserver.config import Config, ConfigError
from fixserver.strategies import MarketMaker, MomentumTrader, NoiseTrader, Strategy

BOTS_MAX = 500
OPTION = "--bots"
BUILT_IN: dict[str, type[Strategy]] = {"maker": MarketMaker, "noise": NoiseTrader, "momentum": MomentumTrader}
BOTS_HELP = (
    "strategies, and how many bots follow each: maker, noise, momentum, FILE.py:CLASS or MODULE:CLASS, as in"
    " maker=2,noise=6,mine.py:Trend=1; with mine.py:Trend=1@MOMENTUM it trades as MOMENTUM1, whatever the class says"
)


class Wanted(NamedTuple):
    """So many bots with a strategy, which trade as the participants of that name, with numbers behind it."""

    word: str
    strategy: type[Strategy]
    bots: int
    participants: str


class Seat(NamedTuple):
    """A participant and his strategy. `word` is how it was asked for."""

    name: str
    strategy: type[Strategy]
    word: str


# ------------------------------------------------------------------------------------------------- what is said


def wanted(text: str) -> list[Wanted]:
    """What `--bots` asks for. Raises ConfigError."""
    found = [_wanted(item.strip()) for item in text.split(",") if item.strip()]
    if not any(one.bots for one in found):
        raise ConfigError(OPTION, "", f"{text!r} asks for no bot: try maker=2,noise=6")
    return found


def _wanted(item: str) -> Wanted:
    rest, _, participants = item.partition("@")
    word, has_count, count = rest.partition("=")
    if has_count and not count.isdecimal():
        raise ConfigError(OPTION, item, f"{count!r} is not a number of bots")
    number = int(count) if has_count else 1
    if number > BOTS_MAX:
        raise ConfigError(OPTION, item, f"{number} bots are more than {BOTS_MAX}")
    strategy = BUILT_IN.get(word) or _loaded(word)
    return Wanted(word, strategy, number, participants or strategy.participants)


def _loaded(word: str) -> type[Strategy]:
    """A class that a user wrote. Raises ConfigError."""
    where, _, name = word.rpartition(":")
    if not where or not name:
        raise ConfigError(OPTION, word, f"is no strategy: there are {', '.join(BUILT_IN)}, FILE.py:CLASS and MODULE:CLASS")
    module = _module(where, word)
    found = getattr(module, name, None)
    if found is None:
        known = ", ".join(_strategies(module)) or "none"
        raise ConfigError(OPTION, word, f"{where} has no {name}; the strategies in it are: {known}")
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise ConfigError(OPTION, word, f"{name} is not a class derived from fixserver.strategies.Strategy")
    if not isinstance(found.timer_ms, int) or found.timer_ms < 1:
        raise ConfigError(OPTION, word, f"timer_ms is {found.timer_ms!r}: it is a whole number of milliseconds, from 1 on")
    return found


def _strategies(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        if isinstance(value, type) and issubclass(value, Strategy) and value.__module__ == module.__name__:
            yield name


def _module(where: str, word: str) -> ModuleType:
    try:
        if not where.endswith(".py"):
            if "" not in sys.path and str(Path.cwd()) not in sys.path:
                sys.path.insert(0, str(Path.cwd()))
            return importlib.import_module(where)
        path = Path(where)
        if not path.is_file():
            raise ConfigError(OPTION, word, f"{where} is not there")
        name = f"strategies_of_{path.stem}"
        if (known := sys.modules.get(name)) is not None and known.__file__ == str(path.resolve()):
            return known
        spec = importlib.util.spec_from_file_location(name, path.resolve())
        assert spec is not None and spec.loader is not None, "a file that ends with .py can be loaded"
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module
    except ConfigError:
        raise
    except Exception as error:  # whatever a user's file does when it is imported
        raise ConfigError(OPTION, word, f"cannot be imported: {place_of(error, where)}") from None


# ---------------------------------------------------------------------------------------------------- who it is


def seats(config: Config, wanted: list[Wanted]) -> list[Seat]:
    """A participant of the configuration for each bot. Raises ConfigError where there are too few."""
    known = {participant.name for participant in config.participants}
    found: list[Seat] = []
    taken: dict[str, int] = {}
    for one in wanted:
        if one.participants in known and one.bots == 1 and one.participants not in taken:
            taken[one.participants] = 0  # somebody who stands alone
            found.append(Seat(one.participants, one.strategy, one.word))
            continue
        for _ in range(one.bots):
            taken[one.participants] = number = taken.get(one.participants, 0) + 1
            name = f"{one.participants}{number}"
            if name not in known:
                count = sum(other.bots for other in wanted if other.participants == one.participants)
                what = f"has no {name}, so that there cannot be {count} of them: add participants, or ask for fewer"
                raise ConfigError(config.file, "participants", what)
            found.append(Seat(name, one.strategy, one.word))
    if len(found) > BOTS_MAX:
        raise ConfigError(OPTION, "", f"{len(found)} bots are more than {BOTS_MAX}")
    return found


def strategy_of(seat: Seat, seed: int, broker: Broker) -> Strategy:
    """His strategy, ready to be asked. What is random in it follows from the seed and his name. Raises ConfigError."""
    try:
        strategy = seat.strategy()
    except Exception as error:  # whatever a user's __init__ does
        raise ConfigError(OPTION, seat.word, f"cannot be made: {place_of(error, _file_of(seat))}") from None
    strategy.random = Random(f"{seed}/{seat.name}")
    strategy.broker = broker
    return strategy


# --------------------------------------------------------------------------------------------- what goes wrong


def place_of(error: BaseException, file: str = "") -> str:
    """Where in a user's file an error came from, and what it is: "mine.py:12: ZeroDivisionError: division by zero"."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{Path(error.filename or file).name}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).name == Path(file).name] if file else frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}: {said}" if own else said


def failure(seat: Seat, error: Exception) -> str:
    """The line that says which strategy raised, where and what."""
    return f"{seat.name} ({seat.strategy.__name__}) is stopped: {place_of(error, _file_of(seat))}"


def _file_of(seat: Seat) -> str:
    """Where his strategy is written; empty where that is not known."""
    return getattr(sys.modules.get(seat.strategy.__module__), "__file__", None) or ""
