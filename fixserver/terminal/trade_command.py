"""`fixserver trade`: finds the venue, asks for the password and opens the terminal; it does none of what happens there."""

from __future__ import annotations

import argparse
import getpass
import os
import re
import sys
from pathlib import Path
from typing import Literal

from fixserver import config as configuration
from fixserver import trust
from fixserver.addresses import fix_port, host_of
from fixserver.config import Config, ConfigError
from fixserver.terminal.link import Place

DESCRIPTION = """\
Trade on a running venue in the terminal: the book as a ladder, the tape, your orders, and a command line.
It is a FIX client like any other (FIXT.1.1 with FIX.5.0SP2, with numbers that begin at 1 each time it starts):
nothing else may be logged on as the same participant with that version."""
EPILOG = """\
examples:
  fixserver trade --as TRADER1                    the venue of config/exchange.toml, on this machine
  fixserver trade --as TRADER1 --symbol MSFT --host 10.0.0.5 --port 5001 --market-data-port 5002
  FIXSERVER_PASSWORD=demo fixserver trade --as TRADER1

The password is asked for, unless it is in a file (--password-file) or in the environment variable FIXSERVER_PASSWORD.
In the terminal, F1 says what may be typed: buy 100 AAPL 189.50 ioc, cancel A1, replace A1 50 @ 189.40, quit."""
PASSWORD_VARIABLE = "FIXSERVER_PASSWORD"
PASSWORD_BYTES_MAX = 1_024
NAME = re.compile(r"[!-~]{1,64}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--as", dest="participant", required=True, metavar="NAME", help="the participant to trade as")
    add("--symbol", default="", metavar="SYMBOL", help="the instrument to begin with (the venue's first)")
    add("--host", help="where the venue is (the address in the configuration)")
    add("--port", type=_port, metavar="N", help="its order-entry port (that of the configuration)")
    add("--market-data-port", type=_port, metavar="N", help="its market-data port (that of the configuration)")
    add("--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)")
    add("--data", type=Path, metavar="DIR", help="the venue's data directory, where a port is 0 in its configuration")
    add("--password-file", type=Path, metavar="FILE", help="a file whose first line is the password")
    trust.add_argument(parser)
    add("--light", action="store_true", help="dark text on a light ground (theme changes it)")


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65_536:
        raise argparse.ArgumentTypeError(f"{text} is no port: 1 to 65535")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Exit code 0: until quit; 1: the venue lets nobody in, or there is no terminal. Raises ConfigError."""
    if not NAME.fullmatch(args.participant):
        raise ConfigError("--as", "", f"{args.participant!r} is no name of a participant")
    from fixserver.terminal.app import LIGHT, TradeApp

    config = _config(args)
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        print("trade: needs a terminal; `fixserver watch` prints the market, bots and REST trade without one", file=sys.stderr)
        return 1
    try:
        secret = password(args.participant, args.password_file)
    except EOFError:
        print("trade: no password", file=sys.stderr)
        return 1
    app = TradeApp(place(args, config, secret))
    if args.light:
        app.theme = LIGHT
    why = app.run()
    if why:
        print(f"trade: {why}", file=sys.stderr)
        return 1
    if app.orders.open:
        count = len(app.orders.open)
        print(f"trade: {count} order{' stays' if count == 1 else 's stay'} open")
    return 0


def _config(args: argparse.Namespace) -> Config | None:
    """None where the arguments say all that there is to know of the venue, and there is no configuration."""
    if args.host and args.port and args.market_data_port and not args.config.exists():
        return None
    return configuration.load(args.config, ())


def place(args: argparse.Namespace, config: Config | None, secret: str) -> Place:
    """Where to connect. Ports are looked up when they are needed: a venue that comes back may have others. Raises ConfigError."""
    if config is None:
        exchange, feed, venue, feed_name = args.host, args.host, "FIXSERVER", "FIXSERVER-MD"
        exchange_port, feed_port = args.port, args.market_data_port
    else:
        exchange = args.host or host_of(config.exchange)
        feed = args.host or host_of(config.marketdata)
        known = {one.name: one for one in config.participants}.get(args.participant)
        venue = (known.venue_comp_id if known is not None else "") or config.venue.name
        feed_name = config.venue.market_data_name
        exchange_port = args.port or fix_port(config, args.data, "exchange")
        feed_port = args.market_data_port or fix_port(config, args.data, "marketdata")

    def port_of(process: Literal["exchange", "marketdata"], said: int | None, first: int) -> int:
        return said or first if config is None else said or fix_port(config, args.data, process)

    return Place(
        args.participant, secret, exchange, lambda: port_of("exchange", args.port, exchange_port), venue,
        feed, lambda: port_of("marketdata", args.market_data_port, feed_port), feed_name, args.symbol.upper(),
        trust.client_tls(config, args.ca),
    )  # fmt: skip


def password(participant: str, file: Path | None) -> str:
    """From the file, the environment, or the keyboard without an echo; never from an argument, which others can see."""
    if file is not None:
        try:
            with file.open("rb") as stream:
                text = stream.read(PASSWORD_BYTES_MAX).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("--password-file", "", f"{file}: {getattr(error, 'strerror', None) or error}") from None
        return text.splitlines()[0] if text else ""
    found = os.environ.get(PASSWORD_VARIABLE)
    return getpass.getpass(f"Password of {participant}: ") if found is None else found
