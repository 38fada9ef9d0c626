"""`fixserver ledger reconcile`: compares the ledger with the engine, once or again and again, and keeps the last report.

The clearing process runs it beside itself, as a process of its own: to follow the journal must not delay the ledger.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from clearing.database import is_current, open_database
from fixserver.clearing_process import database_url
from fixserver.config import load
from fixserver.reconciliation_beside import REPORT
from fixserver.reconciling import Look, Reconciler
from following.database import DatabaseUnavailable, Refused, trouble_named
from matching.recordlog import LogDamaged, LogMissing
from matching.sequencer import RecoveryRefused

EXIT_WRONG = 1
_SIGNALS = {signal.SIGTERM, signal.SIGINT}
# What may be over by the next look.
_PASSING = (DatabaseUnavailable, Refused, LogDamaged, LogMissing, RecoveryRefused, OSError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--every", type=float, default=0.0, metavar="SECONDS", help="again and again, a line of JSON each time")


def run(args: argparse.Namespace) -> int:
    config = load(args.config, ("clearing",))
    database = open_database(database_url(config, args.data), read_only=True)
    reconciler = Reconciler(database, args.data)
    try:
        if args.every > 0:
            return _again_and_again(reconciler, args.data, args.every, lambda: _is_there(database))
        if not _is_there(database):
            print("there is no ledger of this program's version; `fixserver clearing` makes it", file=sys.stderr)
            return EXIT_WRONG
        look = reconciler.look(whole=True)
        keep(args.data, look)
        if args.json:
            print(json.dumps(look.report(), indent=2))
        else:
            _print(look)
        return 0 if look.ok else EXIT_WRONG
    finally:
        database.dispose()


def _is_there(database: Engine) -> bool:
    with trouble_named(database), database.connect() as connection:
        return is_current(connection)


def _print(look: Look) -> None:
    for line in look.lines():
        print(f"  WRONG  {line}")
    if look.ok:
        print(
            f"ok at event {look.event_seq:,}: {look.accounts:,} accounts are those of the engine, settled and unsettled; every"
            f" transaction is whole; the clearing house is flat ({look.seconds:.1f} s)"
        )


def _again_and_again(reconciler: Reconciler, data: Path, seconds: float, is_there: Callable[[], bool]) -> int:
    """One line of JSON for each look, until SIGTERM, from when there is a ledger on; a look that could not be made is a line
    with `failed`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    begun = False
    while True:
        said: dict[str, Any]
        try:
            begun = begun or is_there()
            if not begun:
                if signal.sigtimedwait(_SIGNALS, seconds) is not None:
                    return 0
                continue
            look = reconciler.look()
            keep(data, look)
            said = look.report()
        except _PASSING as error:
            said = {"failed": " ".join(str(error).split())}
        print(json.dumps(said), flush=True)
        if signal.sigtimedwait(_SIGNALS, seconds) is not None:
            return 0


def keep(data: Path, look: Look) -> None:
    """The last report, whole, where people and backups find it: DIR/reconciliation.json."""
    path = data / REPORT
    unfinished = path.with_suffix(".json.new")
    unfinished.write_text(json.dumps(look.report(), indent=2) + "\n")
    os.replace(unfinished, path)


