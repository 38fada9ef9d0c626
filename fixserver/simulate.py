"""`fixserver simulate`: reads the arguments, runs a simulation and prints what came of it; it trades nothing itself."""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fixserver import config as configuration
from fixserver import recordings, roster, scoreboard
from fixserver.config import Config, ConfigError
from fixserver.recorded import replaying
from fixserver.recordings import RecordingError
from fixserver.replay import DEFAULT_SYMBOL
from fixserver.roster import Wanted
from fixserver.simulation import SECOND, Simulation, default_start, moment_of, nanoseconds

DEFAULT_BOTS = "maker=2,noise=6,momentum=2"
MINUTES = 390  # of a day of trading in New York
MINUTES_MAX = 60 * 24 * 366
PROGRESS_SECONDS = 2.0  # of real time between two lines
# Objects that are made before Python looks for cycles among them. What a simulation keeps, it keeps to its end: looking at it again
# and again costs a fifth of the time.
YOUNG_MAX = 200_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run strategies against each other in the venue's own matching engine, without a venue and without waiting for the clock,"
        " and print who won. The same seed does the same again. docs/simulator.md says how to write a strategy of your own."
    )
    parser.epilog = """examples:
  fixserver simulate                                ten bots, one day of trading
  fixserver simulate --bots maker=2,noise=5,mine.py:Trend=1 --minutes 60 --seed 7
  fixserver simulate --config config/trading-day.toml --minutes 415 --data day
                                                    with auctions; `journal dump`, `plot` and `ledger rebuild` read day
  fixserver simulate --json > result.json"""
    add = parser.add_argument
    add("--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)")
    add("--bots", default=DEFAULT_BOTS, metavar="LIST", help=f"{roster.BOTS_HELP} (%(default)s)")
    add("--minutes", type=_minutes, default=MINUTES, metavar="N", help="how long the venue is open (%(default)s)")
    add("--seed", type=int, default=1, help="of all that is random (%(default)s)")
    add("--replay", type=Path, metavar="FILE", help="with recorded order flow besides, as REPLAY1: what `fixserver replay` takes")
    add("--instrument", metavar="SYMBOL", help=f"what the recording trades (as the file's name says, else {DEFAULT_SYMBOL})")
    add("--start", type=_moment, metavar="TIME", help="when it begins, such as 2026-01-05T14:30:00Z (then, or when trading does)")
    add("--data", type=Path, metavar="DIR", help="keep journal and events here, as an exchange does; it has to be empty")
    add("--json", action="store_true", help="the result as JSON, and nothing else on standard output")
    add("--quiet", action="store_true", help="no progress on standard error")


def _minutes(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MINUTES_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to {MINUTES_MAX}")
    return int(text)


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a moment such as 2026-01-05T14:30:00Z") from None
    if moment.tzinfo is None or moment.year < 1971:
        raise argparse.ArgumentTypeError(f"{text} needs a time zone, as in 2026-01-05T14:30:00Z, and a year after 1970")
    return nanoseconds(moment.astimezone(UTC))


def run(args: argparse.Namespace) -> int:
    """Exit code 0: it ran to its end; 1: a strategy failed, or the disk did. Raises ConfigError."""
    gc.set_threshold(YOUNG_MAX, 10, 1_000)
    config = configuration.load(args.config, ())
    seats = roster.seats(config, roster.wanted(args.bots) + _replay(config, args))
    start = args.start if args.start is not None else default_start(config)
    try:
        simulation = Simulation(config, seats, args.seed, start, args.data)
    except OSError as error:
        raise ConfigError("--data", "", f"{args.data}: {(error.strerror or str(error)).lower()}") from None
    began = time.monotonic()
    try:
        simulation.run(start + args.minutes * 60 * SECOND, _progress(simulation, args.minutes, args.quiet))
        simulation.close()
    except OSError as error:
        print(f"simulate: storage failed: {error}", file=sys.stderr)
        return 1
    took = time.monotonic() - began
    if not args.quiet:
        print(f"simulate: {_line(simulation, args.minutes, took)}", file=sys.stderr)
    if args.json:
        print(json.dumps(simulation.result(), indent=2), flush=True)
    else:
        print(scoreboard.table(simulation.standings, simulation.prices()), flush=True)
    return 1 if any(standing.failed for standing in simulation.standings) else 0


def _replay(config: Config, args: argparse.Namespace) -> list[Wanted]:
    """Who replays a recording, if there is one. Raises ConfigError."""
    if args.replay is None:
        return []
    try:
        recording = recordings.examine(args.replay)
    except RecordingError as error:
        raise ConfigError("--replay", "", str(error)) from None
    symbol = args.instrument or recording.symbol or DEFAULT_SYMBOL
    known = [instrument.symbol for instrument in config.instruments]
    if symbol not in known:
        raise ConfigError(config.file, "instruments", f"has no {symbol}: --instrument takes one of {', '.join(known)}")
    strategy = replaying(recording, symbol)
    return [Wanted("replay", strategy, 1, strategy.participants)]


def _progress(simulation: Simulation, minutes: int, quiet: bool) -> Callable[[int], None]:
    began = time.monotonic()
    next_line = began + PROGRESS_SECONDS

    def progress(now_ns: int) -> None:
        nonlocal next_line
        now = time.monotonic()
        if not quiet and now >= next_line:
            next_line = now + PROGRESS_SECONDS
            print(f"simulate: {_line(simulation, minutes, now - began)}", file=sys.stderr, flush=True)

    return progress


def _line(simulation: Simulation, minutes: int, took: float) -> str:
    simulated = (simulation.now - simulation.start_ns) / SECOND
    return (
        f"{moment_of(simulation.now):%Y-%m-%d %H:%M:%S}, {min(int(simulated / 60), minutes):,} of {minutes:,} minutes"
        f" in {took:.1f} s, {simulated / max(took, 1e-6):,.0f} times as fast as real time,"
        f" {simulation.core.engine.command_seq:,} commands, {simulation.trades:,} trades"
    )
