"""`fixserver backup` and `fixserver restore`: the command line of both; it says how they went, and does none of the work.

Exit codes: 0 done, 1 refused (one line on standard error says why), 2 the arguments or the configuration are wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fixserver import backup, restore
from fixserver.config import load
from fixserver.database_process import Busy
from fixserver.manifest import Manifest, Refused
from following.database import DatabaseUnavailable
from following.database import Refused as DatabaseRefused
from matching.recordlog import LogDamaged, LogMissing

EXIT_REFUSED = 1
NICENESS = 10  # trading comes first

BACKUP = """\
Copy a venue while it trades: journal, event log, snapshots, sessions, feed, ledger and history, as they are at one command, which
the backup names. The copy is recovered before it counts: its digest and the ledger's trial balance are written down with a checksum
of every file. A ledger or history in PostgreSQL becomes an SQLite file in the backup, and goes back into either. Not in it: the
configuration, TLS keys, and web.secret, which a venue makes anew.
"""
RESTORE = """\
Put a backup back into an empty directory, and verify it: checksums, then the engine's digest, then the ledger's trial balance and
its equality with the engine's accounts, all as the backup names them. A backup that is damaged or incomplete is refused by name.
"""


def add_backup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="where it keeps what it writes (%(default)s)"
    )
    to = "a directory that is made; or a file, by its end: .tar, .tar.gz"
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help=to)
    parser.add_argument("--with-archive", action="store_true", help="journal segments that were archived, too")
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_restore_arguments(parser: argparse.ArgumentParser) -> None:
    of = "the backup: its directory, or its tar file"
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="DIR", help=of)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the venue is to be: not there yet, or empty")
    parser.add_argument(
        "--config", type=Path, default=None, metavar="FILE",
        help="the venue: it says in which databases ledger and history are kept from now on (SQLite in the data directory)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run_backup(args: argparse.Namespace) -> int:
    config = load(args.config)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.nice(NICENESS)
    try:
        return _guarded(
            args, f"backed up to {args.to}", lambda: backup.take(config, args.data, args.to, archive=args.with_archive, say=_say)
        )
    finally:  # whoever called this in his own process goes on as he was, where he may
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


def run_restore(args: argparse.Namespace) -> int:
    config = load(args.config) if args.config is not None else None
    return _guarded(args, f"restored into {args.data}", lambda: restore.put_back(args.source, args.data, config, _say))


def _guarded(args: argparse.Namespace, what: str, work: Callable[[], Manifest]) -> int:
    started = time.monotonic()
    try:
        manifest = work()
    except (Refused, Busy, DatabaseUnavailable, DatabaseRefused, LogDamaged, LogMissing, OSError) as error:
        _say("")
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    _say("")
    if args.json:
        balances = None if manifest.trial_balance is None else len(manifest.trial_balance)
        shown = {
            "command_seq": manifest.command_seq, "event_seq": manifest.event_seq, "digest": manifest.digest, "balances": balances,
            "files": len(manifest.files), "bytes": sum(file.bytes for file in manifest.files),
        }  # fmt: skip
        print(json.dumps(shown))
        return 0
    size = sum(file.bytes for file in manifest.files)
    seconds = time.monotonic() - started
    print(f"{what}: {len(manifest.files):,} files, {size:,} bytes, in {seconds:.1f} s")
    print(f"state      command {manifest.command_seq} event {manifest.event_seq} digest {manifest.digest}")
    if manifest.trial_balance is None:
        print("ledger     there is none")
    else:
        print(f"ledger     at event {manifest.event_seq}: {len(manifest.trial_balance):,} balances")
    return 0


def _say(text: str) -> None:
    """How far it is, on a terminal, on a line that the next one replaces."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
