"""`fixserver watch`: follows the stream of a venue and prints what Watch makes of it; it signs nobody in.

The stream, not the FIX feed, because it is there for everybody: no name, no password, no session that somebody else may have. The
numbers are the same.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import ssl
import stat
import sys
from pathlib import Path
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from fixserver import config as configuration
from fixserver.addresses import HERE, web_port
from fixserver.config import ConfigError
from fixserver.terminal.watch import Change, UnknownSymbol, Watch

DESCRIPTION = """\
Print the best prices, the trades and the changes of phase of a running venue, one line for each: of the instruments
that are named, or of all. On a terminal they are drawn as a table instead. Needs no name and no password. Ctrl-C ends it."""
EPILOG = """\
examples:
  fixserver watch                       a table of all instruments
  fixserver watch AAPL MSFT --lines     a line for each change
  fixserver watch AAPL --json | jq .    the same for programs
  fixserver watch --url wss://venue.example/v1/stream"""
MESSAGE_BYTES_MAX = 1 << 24
CONNECT_SECONDS = 5.0
PING_SECONDS = 20.0
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 3.0)
DRAW_SECONDS = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("symbols", nargs="*", metavar="SYMBOL", help="instruments (all)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--lines", action="store_true", help="lines, also on a terminal")
    how.add_argument("--json", action="store_true", help="lines of JSON")
    add("--url", metavar="URL", help="the stream of a venue elsewhere: ws://HOST:PORT/v1/stream")
    add("--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)")
    add("--data", type=Path, metavar="DIR", help="the venue's data directory, where its port is 0 in its configuration")


def run(args: argparse.Namespace) -> int:
    """Exit code 0: until told to stop, or the reader has enough; 1: nobody answers, or no such instrument. Raises ConfigError."""
    symbols = [symbol.upper() for symbol in args.symbols]
    url, tls = (args.url, None) if args.url else _of_config(args)
    as_lines = args.json or args.lines or not sys.stdout.isatty()
    out: _Out = _Lines(as_json=args.json) if as_lines else _Table()
    with contextlib.suppress(asyncio.CancelledError):
        return asyncio.run(_Follower(Watch(symbols), url, tls, out).run())
    return 0


def _of_config(args: argparse.Namespace) -> tuple[str, ssl.SSLContext | None]:
    config = configuration.load(args.config, ())
    if not config.web.enabled:
        raise ConfigError(config.file, "web.enabled", "is false: there is no stream to watch")
    address = HERE.get(config.web.address, config.web.address)
    host = f"[{address}]" if ":" in address else address
    tls = None
    if config.web.certificate:
        # The venue's own certificate is known here, whoever signed it; the name in it still has to be the address.
        tls = ssl.create_default_context()
        try:
            tls.load_verify_locations(config.web.certificate)
        except OSError as error:
            raise ConfigError(config.file, "web.certificate", f"{error.strerror or error}".lower()) from None
    return f"{'wss' if tls else 'ws'}://{host}:{web_port(config, args.data)}/v1/stream", tls


class _Out(Protocol):
    """Where it goes."""

    def changed(self, changes: list[Change]) -> None: ...
    def draw(self, watch: Watch, state: str) -> None:
        """Called every DRAW_SECONDS."""


class _Lines:
    """One line for each change."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json

    def changed(self, changes: list[Change]) -> None:
        if changes:
            print("\n".join([change.json if self._json else change.line for change in changes]), flush=True)

    def draw(self, watch: Watch, state: str) -> None:
        pass


class _Table:
    """A table that is drawn over its last state."""

    def __init__(self) -> None:
        self._drawn: list[str] = []

    def changed(self, changes: list[Change]) -> None:
        pass

    def draw(self, watch: Watch, state: str) -> None:
        width, height = shutil.get_terminal_size()
        lines = [*watch.table(width, height - 1), state[:width]] if state else watch.table(width, height - 1)
        if lines == self._drawn:
            return
        up = f"\x1b[{len(self._drawn)}A" if self._drawn else ""
        sys.stdout.write(up + "".join([f"{line}\x1b[K\n" for line in lines]) + "\x1b[J")
        sys.stdout.flush()
        self._drawn = lines


class _Follower:
    """A connection that is made again whenever it falls."""

    def __init__(self, watch: Watch, url: str, tls: ssl.SSLContext | None, out: _Out) -> None:
        self._watch, self._url, self._tls, self._out = watch, url, tls, out
        self._state = "connecting"
        self._was_connected = False

    async def run(self) -> int:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        # Who reads from a pipe and has enough closes it: then there is nobody to write for, even when nothing happens.
        if stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
            loop.add_reader(sys.stdout.fileno(), task.cancel)
        drawing = loop.create_task(self._draw())
        try:
            return await self._follow()
        finally:
            drawing.cancel()

    async def _draw(self) -> None:
        while True:
            self._out.draw(self._watch, self._state)
            await asyncio.sleep(DRAW_SECONDS)

    async def _follow(self) -> int:
        failures = 0
        while True:
            try:
                async with connect(
                    self._url, ssl=self._tls, max_size=MESSAGE_BYTES_MAX, open_timeout=CONNECT_SECONDS, ping_interval=PING_SECONDS,
                    compression=None, proxy=None,
                ) as connection:  # fmt: skip
                    self._state, self._was_connected, failures = "", True, 0
                    await self._read(connection)
                why = "it was closed"
            except UnknownSymbol as error:
                print(f"watch: {error}", file=sys.stderr)
                return 1
            except (WebSocketException, OSError) as error:
                if isinstance(error, BrokenPipeError):
                    raise
                why = str(error) or type(error).__name__
            if not self._was_connected:
                print(f"watch: no stream at {self._url}: {why}: is the venue running?", file=sys.stderr)
                return 1
            if not failures:
                print(f"watch: the connection was lost: {why}; trying again", file=sys.stderr)
            self._state = "the connection was lost: trying again"
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            failures += 1

    async def _read(self, connection: ClientConnection) -> None:
        for request in self._watch.requests():
            await connection.send(request)
        async for text in connection:
            changes, requests = self._watch.take(text)
            self._out.changed(changes)
            for request in requests:
                await connection.send(request)
            if self._watch.trouble:
                print(f"watch: {self._watch.trouble}", file=sys.stderr)
                self._watch.trouble = ""
