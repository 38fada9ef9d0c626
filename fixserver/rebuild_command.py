"""`fixserver ledger rebuild`: makes the ledger anew from the event log, beside the live one, and compares both row by row.

It touches the live one only where it is told to put the new one in its place, or where there is none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sqlalchemy import URL, make_url

from clearing import comparison
from clearing.database import is_current, open_database
from clearing.ledger import Ledger, read_cursor
from fixserver.clearing_process import only_writer
from following.database import sqlite_url, trouble_named
from following.eventlog import EventLog, LogHead
from following.follower import EVENTS_PER_COMMIT_MAX

EXIT_WRONG = 1
SHOWN_MAX = 20  # rows that differ


class NothingToPost(Exception):
    """There is no event log."""


def run(args: argparse.Namespace, url: str | URL) -> int:
    """Raises NothingToPost, and what reading the log and the database raises."""
    head = LogHead(args.data / "events").read()
    if not head:
        raise NothingToPost(f"{args.data / 'events'}: there is no event to post; is {args.data} the venue's data directory?")
    if args.replace or not _is_there(url):
        return _replace(args, url, head)
    return _compare(args, url)


def _is_there(url: str | URL) -> bool:
    """Whether there is a live ledger in which something is posted."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        return False
    engine = open_database(url, read_only=True)
    try:
        with trouble_named(engine), engine.connect() as connection, connection.begin():
            return is_current(connection) and read_cursor(connection).event_seq > 0
    finally:
        engine.dispose()


def _replace(args: argparse.Namespace, url: str | URL, head: int) -> int:
    with only_writer(args.data):
        engine = open_database(url)
        started = time.monotonic()
        ledger = Ledger(engine)
        try:
            ledger.empty()
            trades, postings = _post(ledger, args.data / "events", head)
        finally:
            ledger.close()
            engine.dispose()
    at = ledger.cursor.event_seq
    if args.json:
        print(json.dumps({"event_seq": at, "trades": trades, "postings": postings}, indent=2))
    else:
        seconds = time.monotonic() - started
        print(f"rebuilt up to event {at:,}: {trades:,} trades, {postings:,} postings, in {seconds:.1f} s")
    return 0


def _compare(args: argparse.Namespace, url: str | URL) -> int:
    started = time.monotonic()
    live = open_database(url, read_only=True)
    with contextlib.ExitStack() as stack:
        stack.callback(live.dispose)
        connection = stack.enter_context(live.connect())
        stack.enter_context(trouble_named(live))
        stack.enter_context(connection.begin())  # of the live ledger as it is now: it goes on
        at = read_cursor(connection).event_seq
        directory = stack.enter_context(tempfile.TemporaryDirectory(dir=args.data, prefix="rebuild-"))
        beside = open_database(sqlite_url(Path(directory) / "ledger.sqlite"))
        stack.callback(beside.dispose)
        ledger = Ledger(beside)
        stack.callback(ledger.close)
        ledger.load()
        _post(ledger, args.data / "events", at, up_to=at)
        anew = stack.enter_context(beside.connect())
        found = comparison.compare(connection, anew)
        shown = list(islice(found, SHOWN_MAX))
        more = sum(1 for _ in found)
        rows = comparison.rows(anew)
    if args.json:
        said = {"ok": not shown, "event_seq": at, "rows": rows, "differences": [str(one) for one in shown], "more": more}
        print(json.dumps(said, indent=2))
    else:
        for one in shown:
            print(f"  DIFFERS  {one}")
        if more:
            print(f"  ... and {more:,} rows more")
        if shown:
            print(f"made anew up to event {at:,}: it is not the ledger. With --replace the new one takes its place")
        else:
            print(f"made anew up to event {at:,}: {rows:,} rows, each the same ({time.monotonic() - started:.1f} s)")
    return EXIT_WRONG if shown else 0


def _post(ledger: Ledger, events: Path, head: int, up_to: int = 0) -> tuple[int, int]:
    """Post the event log, up to an event where one is given; how many trades and postings that was."""
    trades = postings = 0
    log = EventLog(events, 1)
    with contextlib.closing(log), _progress() as say:
        while records := log.read(EVENTS_PER_COMMIT_MAX):
            due = [record for record in records if not up_to or record.last <= up_to]
            posted = ledger.post(due)
            trades, postings = trades + posted.trades, postings + posted.postings
            at = posted.cursor.event_seq
            say(f"event {at:,} of {max(head, at):,} ({100 * at // max(head, at)} %)")
            if len(due) < len(records) or at == up_to:
                break
    return trades, postings


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    progress = Progress()
    try:
        yield progress
    finally:
        progress.end()


class Progress:
    """One line on standard error that is written over, or a line a second where that is no terminal."""

    def __init__(self) -> None:
        self._over = sys.stderr.isatty()
        self._due = 0.0

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + (0.1 if self._over else 1.0)
            print(f"\r{text:<60}" if self._over else text, end="" if self._over else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._over and self._due:
            print(file=sys.stderr)
