"""The console command `fixserver`: reads the arguments and calls what they name; it does none of the work.

Exit codes: 0 done, 1 something was found wrong, 2 the arguments or the configuration are wrong (one line
on standard error says where), 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fixserver.config import Config

EXIT_USAGE = 2
_OWN_PACKAGES = ("fixserver", "matching", "following", "clearing", "marketdata")
EXIT_INTERRUPTED = 130

DESCRIPTION = "A FIX exchange: order entry, matching, clearing and market data."
EXAMPLES = """\
examples:
  fixserver run --bots              the example venue, with somebody to trade with
  fixserver run --config venue.toml --data /var/lib/fixserver
                                    a venue of one's own
  fixserver participant add ALICE   the entry that lets ALICE log on, for the configuration
  fixserver admin halt AAPL         no more trading in AAPL, until `admin resume AAPL`
  fixserver ledger check            does the ledger agree with itself and with the engine?
  fixserver backup --to monday      a copy of a venue while it trades
  fixserver journal dump | less     every command that was accepted, one line each
  fixserver simulate --bots maker=2,noise=5,mine.py:Trend=1
                                    a strategy of one's own in a simulated market
  fixserver replay orders.csv.xz --speed max
                                    recorded order flow, through FIX

`fixserver COMMAND --help` says more about each.
"""

Subparsers = Any  # argparse keeps the type of its subparsers to itself


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(_command_in(arguments))
    args = parser.parse_args(arguments)
    if getattr(args, "run", None) is None:
        parser.print_help()
        return EXIT_USAGE
    from fixserver.config import ConfigError

    try:
        return int(args.run(args) or 0)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has enough. What is still buffered must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _command_in(arguments: Sequence[str]) -> str:
    return next((argument for argument in arguments if not argument.startswith("-")), "")


def _parser(command: str) -> argparse.ArgumentParser:
    """The parser of the whole command line. Only the module behind `command` is imported, which keeps
    `fixserver --help` quick."""
    listing = "".join(f"  {name:<14}{help_text}\n" for name, (help_text, _) in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="fixserver",
        usage="fixserver COMMAND ...",
        description=DESCRIPTION,
        epilog=f"commands:\n{listing}\n{EXAMPLES}",
        formatter_class=_Plain,
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", help=argparse.SUPPRESS, prog="fixserver")
    for name, (help_text, add) in _COMMANDS.items():
        if name == command:
            add(subparsers, help_text)
        else:
            subparsers.add_parser(name)
    return parser


class _Plain(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=110)


def _add(subparsers: Subparsers, name: str, help_text: str, run: Callable[[argparse.Namespace], int], **more: str) -> Any:
    description = more.pop("description", help_text[:1].upper() + help_text[1:] + ".")
    parser = subparsers.add_parser(name, help=help_text, description=description, formatter_class=_Plain, **more)
    parser.set_defaults(run=run)
    return parser


# --------------------------------------------------------------------------------------- a venue's processes


def _add_venue_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)"
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data"), metavar="DIR", help="where it keeps what it writes (%(default)s)"
    )


def _add_process_arguments(parser: argparse.ArgumentParser, log_level: str = "info") -> None:
    _add_venue_arguments(parser)
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--log-level", choices=levels, default=log_level, help="what to log (%(default)s)")


def _prepare(args: argparse.Namespace, name: str, *sections: str) -> Config:
    """The configuration, with the log set up and the ports known to be free."""
    from fixserver.config import ConfigError, load

    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        # What libraries say of their own debugging is what goes over the wire: passwords and tokens are in it.
        level="INFO" if args.log_level == "debug" else args.log_level.upper(),
        format=f"%(asctime)s.%(msecs)03dZ {name} %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        stream=sys.stderr,
    )
    for package in _OWN_PACKAGES:
        logging.getLogger(package).setLevel(args.log_level.upper())
    config = load(args.config, sections)
    try:
        args.data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("--data", "", f"{args.data}: {(error.strerror or str(error)).lower()}") from None
    config.check_ports(*sections)
    return config


def _add_run(subparsers: Subparsers, help_text: str) -> None:
    def run(args: argparse.Namespace) -> int:
        config = _prepare(args, "run", "exchange", "dropcopy", "clearing", "marketdata", "history")
        from fixserver import supervisor

        return supervisor.run(config, args.data, bots=args.bots, log_level=args.log_level)

    parser = _add(
        subparsers,
        "run",
        help_text,
        run,
        description="Start the exchange, the ledger, the feed and the history of a venue, keep them running, and stop them in order"
        " on Ctrl-C. Prints a line that begins with `ready` when all ports take connections, and then a line a second.",
    )
    _add_process_arguments(parser, log_level="warning")
    parser.add_argument("--bots", action="store_true", help="with market makers and traders to trade with")


def _add_exchange(subparsers: Subparsers, help_text: str) -> None:
    def run(args: argparse.Namespace) -> int:
        config = _prepare(args, "exchange", "exchange", "dropcopy")
        from fixserver import clock, exchange

        try:
            venue_clock = clock.of_options(args.clock_start, args.clock_rate)
        except clock.ClockRefused as error:
            print(f"fixserver exchange: {error}", file=sys.stderr)
            return EXIT_USAGE
        return exchange.main(config, args.data, venue_clock)

    parser = _add(subparsers, "exchange", help_text, run)
    _add_process_arguments(parser)
    # For tests and rehearsals of a trading day: not what a venue that is one runs with, so that the help is silent of it.
    parser.add_argument("--clock-start", default="", metavar="TIME", help=argparse.SUPPRESS)
    parser.add_argument("--clock-rate", type=int, default=1, metavar="N", help=argparse.SUPPRESS)


def _add_clearing(subparsers: Subparsers, help_text: str) -> None:
    def run(args: argparse.Namespace) -> int:
        config = _prepare(args, "clearing", "clearing")
        from fixserver import clearing_process

        return clearing_process.main(config, args.data)

    _add_process_arguments(_add(subparsers, "clearing", help_text, run))


def _add_history(subparsers: Subparsers, help_text: str) -> None:
    def run(args: argparse.Namespace) -> int:
        config = _prepare(args, "history", "history")
        from fixserver import history_process

        return history_process.main(config, args.data)

    _add_process_arguments(_add(subparsers, "history", help_text, run))


def _add_marketdata(subparsers: Subparsers, help_text: str) -> None:
    def run(args: argparse.Namespace) -> int:
        config = _prepare(args, "marketdata", "marketdata", "web")
        from fixserver import marketdata_process

        return marketdata_process.main(config, args.data)

    _add_process_arguments(_add(subparsers, "marketdata", help_text, run))


# --------------------------------------------------------------------------------------------------- clients


def _add_bots(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import bots

    bots.add_arguments(_add(subparsers, "bots", help_text, bots.run))


def _add_simulate(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import simulate

    simulate.add_arguments(_add(subparsers, "simulate", help_text, simulate.run))


def _add_replay(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import replay

    replay.add_arguments(_add(subparsers, "replay", help_text, replay.run))


def _add_trade(subparsers: Subparsers, help_text: str) -> None:
    from fixserver.terminal import trade_command

    said = {"description": trade_command.DESCRIPTION, "epilog": trade_command.EPILOG}
    trade_command.add_arguments(_add(subparsers, "trade", help_text, trade_command.run, **said))


def _add_watch(subparsers: Subparsers, help_text: str) -> None:
    from fixserver.terminal import watch_command

    said = {"description": watch_command.DESCRIPTION, "epilog": watch_command.EPILOG}
    watch_command.add_arguments(_add(subparsers, "watch", help_text, watch_command.run, **said))


# --------------------------------------------------------------------------------------------------- offline


def _add_ledger(subparsers: Subparsers, _: str) -> None:
    from fixserver import ledger_command

    ledger_command.add_parser(subparsers)


def _add_journal(subparsers: Subparsers, _: str) -> None:
    from fixserver import journal_command

    journal_command.add_parser(subparsers)


def _add_backup(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import backup_command

    parser = _add(subparsers, "backup", help_text, backup_command.run_backup, description=backup_command.BACKUP)
    backup_command.add_backup_arguments(parser)


def _add_restore(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import backup_command

    parser = _add(subparsers, "restore", help_text, backup_command.run_restore, description=backup_command.RESTORE)
    backup_command.add_restore_arguments(parser)


def _add_plot(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import plot_command

    plot_command.add_parser(subparsers, help_text)


def _add_participant(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import participant_command

    participant_command.add_arguments(_add(subparsers, "participant", help_text, participant_command.run))


def _add_admin(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import admin_command

    said = {"description": admin_command.DESCRIPTION, "epilog": admin_command.EXAMPLES}
    admin_command.add_arguments(_add(subparsers, "admin", help_text, admin_command.run, **said))


def _add_doctor(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import doctor

    doctor.add_arguments(_add(subparsers, "doctor", help_text, doctor.run))


def _add_audit(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import audit_command

    audit_command.add_arguments(_add(subparsers, "audit", help_text, audit_command.run))


def _add_certificates(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import certificates_command

    certificates_command.add_arguments(_add(subparsers, "certificates", help_text, certificates_command.run))


def _add_secrets(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import secrets_command

    secrets_command.add_arguments(_add(subparsers, "secrets", help_text, secrets_command.run))


def _add_dictionaries(subparsers: Subparsers, help_text: str) -> None:
    from fixserver import dictionaries

    dictionaries.add_arguments(_add(subparsers, "dictionaries", help_text, dictionaries.run))


def _add_dashboards(subparsers: Subparsers, help_text: str) -> None:
    def run(args: argparse.Namespace) -> int:
        from fixserver import dashboards

        for path in dashboards.write(args.to):
            print(path)
        return 0

    parser = _add(subparsers, "dashboards", help_text, run)
    parser.add_argument(
        "--to", type=Path, default=Path("config/grafana/dashboards"), metavar="DIR", help="where they go (%(default)s)"
    )


def _add_version(subparsers: Subparsers, help_text: str) -> None:
    def run(_: argparse.Namespace) -> int:
        from importlib.metadata import version

        print(f"fixserver {version('fixserver')} (QuickFIX {version('quickfix')}, Python {sys.version.split()[0]})")
        return 0

    _add(subparsers, "version", help_text, run)


_COMMANDS: dict[str, tuple[str, Callable[[Subparsers, str], None]]] = {
    "run": ("the whole venue on this machine", _add_run),
    "exchange": ("order entry and matching alone", _add_exchange),
    "clearing": ("the ledger alone", _add_clearing),
    "history": ("orders, trades and candles into their database", _add_history),
    "marketdata": ("the market-data feed alone", _add_marketdata),
    "bots": ("market makers and traders that trade over FIX", _add_bots),
    "simulate": ("strategies against each other, in no time and without a venue", _add_simulate),
    "trade": ("trade in the terminal: ladder, orders, a command line", _add_trade),
    "watch": ("print the best prices and trades of a running venue", _add_watch),
    "replay": ("send recorded order flow over FIX", _add_replay),
    "admin": ("tell a running exchange what to do: halt, cancel, bust, sessions, participants", _add_admin),
    "ledger": ("look into the ledger: check, balances, statement, rebuild", _add_ledger),
    "journal": ("look into what the exchange wrote: verify, dump, digest", _add_journal),
    "backup": ("copy a venue while it trades, as it is at one command", _add_backup),
    "restore": ("put a backup into an empty directory, and verify it", _add_restore),
    "plot": ("draw the book, the trades or the latency of a venue: PNG or SVG", _add_plot),
    "participant": ("make an entry of the configuration for somebody who trades", _add_participant),
    "doctor": ("look at all that a venue needs, and say what is wrong and what to do", _add_doctor),
    "audit": ("look into the log of logons and operators: verify", _add_audit),
    "certificates": ("make a private authority, and certificates of a venue and its clients", _add_certificates),
    "secrets": ("make certificates and passwords for a venue in containers", _add_secrets),
    "dictionaries": ("make the venue's FIX dictionaries", _add_dictionaries),
    "dashboards": ("make the dashboards for Grafana", _add_dashboards),
    "version": ("say which version this is", _add_version),
}


if __name__ == "__main__":
    sys.exit(main())
