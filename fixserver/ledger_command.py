"""`fixserver ledger`: looks into the ledger of a venue, which may be running; only `rebuild --replace` writes.

Exit codes: 0 all is well, 1 something is wrong with the ledger, 2 with the arguments or the configuration.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, make_url

from clearing import reconciliation, reports, statements
from clearing.database import is_current, open_database
from clearing.ledger import read_accounts, read_cursor
from clearing.postings import CURRENCY, PARTICIPANT, AccountRow, AssetRow
from clearing.reconciliation import EngineAccount
from fixserver import ledger_reports as reports_as
from fixserver import rebuild_command, reconcile_command
from fixserver.clearing_process import database_url
from fixserver.config import Config, ConfigError, load
from fixserver.database_process import Busy
from fixserver.reconciling import accounts_of
from following.database import DatabaseRefused, DatabaseUnavailable, Refused, trouble_named
from following.eventlog import LogHead
from matching.instruments import decimal_text
from matching.recordlog import LogDamaged, LogMissing

EXIT_WRONG = 1
CURRENCY_DECIMALS_MIN = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ACTIONS = """\
  fixserver ledger check                 sums, cursor, and equality with the engine's accounts
  fixserver ledger reconcile             the same, and the event at which they parted
  fixserver ledger balances              what every account has
  fixserver ledger statement TRADER1     what came and went in one account
  fixserver ledger blotter TRADER1       what was bought and sold
  fixserver ledger positions TRADER1     what is held, and its profit and loss
  fixserver ledger settlement            what was to be settled on a day, what was, and what failed
  fixserver ledger trial-balance         all accounts by asset: each asset sums to zero
  fixserver ledger rebuild               make it anew beside the live one, and compare row by row
"""


class NoLedger(Exception):
    """There is nothing to look into."""


def add_parser(subparsers: Any) -> None:
    """Add `ledger` and its actions to the command line."""
    parser = subparsers.add_parser(
        "ledger",
        help="look into the ledger: check, balances, reports, reconcile, rebuild",
        description="Look into the ledger of a venue. It may be running, except for `rebuild --replace`.",
        epilog=ACTIONS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions", required=True, dest="action")

    def action(name: str, help_text: str, run: Callable[[argparse.Namespace], int], description: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = actions.add_parser(name, help=help_text, description=description)
        added.add_argument(
            "--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)"
        )
        added.add_argument(
            "--data", type=Path, default=Path("data"), metavar="DIR", help="where it keeps what it writes (%(default)s)"
        )
        added.add_argument("--json", action="store_true", help="print JSON; amounts are decimal text")
        added.set_defaults(run=lambda args: _guarded(run, args))
        return added

    checks = action(
        "check",
        "does the ledger agree with itself and with the engine?",
        _check,
        "Check that every transaction is whole and sums to zero, that no event is posted twice, that balances are the sums of their"
        " postings, that the cursor is within the event log, and that the accounts are those of the engine at the same event,"
        " which is replayed from the journal for this. Exit code 1 when something is not so.",
    )
    checks.add_argument("--without-engine", action="store_true", help="do not replay the journal, which can take its time")
    shows = action("balances", "what every account has", _balances, "Print the balances of all accounts, the venue's own included.")
    shows.add_argument("account", nargs="?", default="", metavar="ACCOUNT", help="of this account alone")
    tells = action(
        "statement",
        "what came and went in one account",
        _statement,
        "Print what came and went in an account, with the balance after each line. The venue's own accounts are @clearing,"
        " @fees and @outside.",
    )
    tells.add_argument("account", metavar="ACCOUNT")
    whole_participant = "NAME is a participant: all his accounts"
    tells.add_argument("--participant", action="store_true", help=whole_participant)
    when = "a date, or a date and a time, in UTC"
    tells.add_argument("--from", dest="begin", type=_moment, metavar="TIME", help=f"not what was before: {when}")
    tells.add_argument("--to", dest="end", type=_moment, metavar="TIME", help=f"not what is at or after: {when}")
    tells.add_argument("--asset", default="", help="of this currency or instrument alone")
    _add_day_and_csv(tells)
    tells = action(
        "blotter",
        "what was bought and sold",
        _blotter,
        "Print the trades of an account, or of all: what was bought and sold, at which price, with its fee. Busts, and what a"
        " correction takes back, are below zero.",
    )
    tells.add_argument("account", nargs="?", default="", metavar="ACCOUNT", help="of this account alone")
    tells.add_argument("--participant", action="store_true", help=whole_participant)
    tells.add_argument("--from", dest="begin", type=_moment, metavar="TIME", help=f"not what was before: {when}")
    tells.add_argument("--to", dest="end", type=_moment, metavar="TIME", help=f"not what is at or after: {when}")
    _add_day_and_csv(tells)
    tells = action(
        "positions",
        "what is held, and its profit and loss",
        _positions,
        "Print what accounts hold of each instrument, delivered or not, with profit and loss by the method of average cost. Fees"
        " and dividends are apart. Shares that were deposited count as bought at the price of then.",
    )
    tells.add_argument("account", nargs="?", default="", metavar="ACCOUNT", help="of this account alone")
    tells.add_argument("--participant", action="store_true", help=whole_participant)
    tells.add_argument("--csv", action="store_true", help="print CSV")
    tells = action(
        "settlement",
        "what was to be settled on a day, what was, and what failed",
        _settlement,
        "Print the settlement report of a trading day, the last that has ended where none is named: what was netted in its evening,"
        " what was settled, what failed and why, what was bought in, and what was open afterwards.",
    )
    tells.add_argument("account", nargs="?", default="", metavar="ACCOUNT", help="of this account alone")
    tells.add_argument("--participant", action="store_true", help=whole_participant)
    _add_day_and_csv(tells)
    tells = action(
        "trial-balance",
        "all accounts by asset: each asset sums to zero",
        _trial_balance,
        "Print what every account of the venue has, the venue's own included, by asset. Exit code 1 where an asset does not sum to"
        " zero.",
    )
    _add_day_and_csv(tells)
    rebuilds = action(
        "rebuild",
        "make the ledger anew beside the live one, and compare",
        _rebuild,
        "Make the ledger anew from the event log's first event, beside the live one, which goes on, and compare both row by row."
        " Exit code 1 when they are not the same. Where there is no ledger yet, the new one is the ledger.",
    )
    rebuilds.add_argument(
        "--replace",
        action="store_true",
        help="empty the live ledger and post everything anew; the clearing process must not be running, trading may go on, and"
        " what is interrupted is finished by the clearing process",
    )
    reconcile_command.add_arguments(
        action(
            "reconcile",
            "compare the ledger with the engine, and say where they parted",
            reconcile_command.run,
            "Compare every account with the engine at the same event, settled and unsettled, check all that `check` does, and"
            " follow each difference back to the event after which they were not the same. The last report is kept in"
            " DIR/reconciliation.json. The clearing process does this by itself ([clearing] reconcile_seconds).",
        )
    )


def _add_day_and_csv(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", type=_trading_day, metavar="DAY", help="of this trading day, with its settlement")
    parser.add_argument("--csv", action="store_true", help="print CSV")


def _guarded(run: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    try:
        return run(args)
    except (NoLedger, rebuild_command.NothingToPost, DatabaseUnavailable, Refused, Busy, LogDamaged, LogMissing) as error:
        print(error, file=sys.stderr)
        return EXIT_WRONG


@contextlib.contextmanager
def _ledger(config: Config, data: Path) -> Iterator[Connection]:
    """One transaction that only reads. Raises NoLedger, DatabaseUnavailable."""
    url = _url(config, data)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise NoLedger(f"{parsed.database}: there is no ledger yet; `fixserver clearing` makes it")
    engine = open_database(url, read_only=True)
    try:
        with trouble_named(engine), engine.connect() as connection, connection.begin():
            if not is_current(connection):
                raise NoLedger(f"{parsed.render_as_string()}: no ledger of this program's version; `fixserver clearing` makes it")
            yield connection
    finally:
        engine.dispose()


def _url(config: Config, data: Path) -> str | URL:
    url = database_url(config, data)
    try:
        open_database(url).dispose()
    except DatabaseRefused as error:
        raise ConfigError(config.file, "clearing.database", str(error)) from None
    return url


# ------------------------------------------------------------------------------------------------- check


def _check(args: argparse.Namespace) -> int:
    config = load(args.config, ("clearing",))
    with _ledger(config, args.data) as connection:
        at = read_cursor(connection).event_seq  # the transaction sees the ledger as of now; log and journal only grow
        head = LogHead(args.data / "events").read()
        engine, refusal = None, ""
        if not args.without_engine and at <= head:
            try:
                engine = engine_accounts(args.data, at)
            except Exception as error:
                if type(error).__name__ not in ("RecoveryRefused", "LogDamaged", "LogMissing"):
                    raise
                refusal = str(error)
        findings = reconciliation.check(connection, head, engine)
    faults = [*findings.faults, *([f"the engine cannot be asked: {refusal}"] if refusal else [])]
    if args.json:
        _print_json(
            {
                "ok": not faults,
                "event_seq": findings.cursor.event_seq,
                "command_seq": findings.cursor.command_seq,
                "event_log_head": head,
                "transactions": findings.transactions,
                "postings": findings.postings,
                "accounts_compared": None if engine is None else len(engine),
                "faults": faults,
            }
        )
        return EXIT_WRONG if faults else 0
    print(
        f"ledger at event {findings.cursor.event_seq:,} of {head:,}: {findings.transactions:,} transactions,"
        f" {findings.postings:,} postings"
    )
    for fault in faults:
        print(f"  WRONG  {fault}")
    if faults:
        return EXIT_WRONG
    compared = "" if engine is None else f", and the {len(engine):,} accounts are those of the engine at this event"
    print(f"ok: every transaction is whole and sums to zero, balances are the sums of their postings{compared}")
    return 0


def engine_accounts(data: Path, event_seq: int) -> dict[str, EngineAccount]:
    """The engine's accounts after an event, replayed from the journal. Raises RecoveryRefused, LogDamaged, LogMissing."""
    from matching.sequencer import replay

    return accounts_of(replay(data, event_seq))


# ---------------------------------------------------------------------------------- balances and statements


def _balances(args: argparse.Namespace) -> int:
    config = load(args.config, ("clearing",))
    with _ledger(config, args.data) as connection:
        if args.account and statements.find_account(connection, args.account) is None:
            raise NoLedger(f"the ledger has no account {args.account}; `fixserver ledger balances` shows all")
        cursor = read_cursor(connection)
        balances = statements.read_balances(connection, args.account)
    if args.json:
        accounts: dict[tuple[str, str], dict[str, Any]] = {}
        for balance in balances:
            entry = accounts.setdefault(
                (balance.account.kind, balance.account.name),
                {"account": balance.account.name, "kind": balance.account.kind, "balances": {}},
            )
            entry["balances"][balance.asset.name] = decimal_text(balance.amount, balance.asset.decimals)
            if balance.unsettled:
                entry.setdefault("unsettled", {})[balance.asset.name] = decimal_text(balance.unsettled, balance.asset.decimals)
        _print_json({"event_seq": cursor.event_seq, "accounts": list(accounts.values())})
        return 0
    assets = sorted({balance.asset for balance in balances}, key=lambda asset: asset.id)
    names = list(dict.fromkeys(balance.account for balance in balances))
    amounts = {(balance.account, balance.asset): shown(balance.amount, balance.asset) for balance in balances}
    rows = []
    unsettled = {(one.account, one.asset): shown(one.unsettled, one.asset) for one in balances if one.unsettled}
    for name in names:
        rows.append([name.name, *(amounts.get((name, asset), "") for asset in assets)])
        if any((name, asset) in unsettled for asset in assets):
            rows.append(["  of that unsettled", *(unsettled.get((name, asset), "") for asset in assets)])
    _print_table(["account", *(asset.name for asset in assets)], rows, left=1)
    print(f"at event {cursor.event_seq:,}")
    return 0


def _statement(args: argparse.Namespace) -> int:
    config = load(args.config, ("clearing",))
    with _ledger(config, args.data) as connection:
        span = _span(connection, args.day)
        accounts = _accounts(connection, args.account, args.participant)
        found = [
            statements.statement(
                connection, account, args.begin, args.end, args.asset, first_seq=span.first_seq, end_seq=span.end_seq
            )
            for account in accounts
        ]
        if args.csv:
            reports_as.print_csv(reports_as.statement_table(one) for one in found)
        elif args.json:
            shown = [_statement_json(one) for one in found]
            _print_json(shown if args.participant else shown[0])
        else:
            for place, one in enumerate(found):
                if args.participant:
                    print(f"{'' if place == 0 else chr(10)}{one.account.name}")
                _print_statement(one)
    return 0


def _statement_json(found: statements.Statement) -> dict[str, Any]:
    def amounts(pairs: list[tuple[AssetRow, int]]) -> dict[str, str]:
        return {asset.name: decimal_text(amount, asset.decimals) for asset, amount in pairs}

    opening, unsettled = amounts(found.opening), amounts(found.opening_unsettled)
    lines = [_line_json(line) for line in found.lines]
    return {
        "account": found.account.name,
        "opening": opening,
        "opening_unsettled": unsettled,
        "lines": lines,
        "closing": amounts(found.closing()),
        "closing_unsettled": amounts(found.closing(unsettled=True)),
    }


def _print_statement(found: statements.Statement) -> None:
    rows: list[list[str]] = []

    def balances(what: str, settled: list[tuple[AssetRow, int]], unsettled: list[tuple[AssetRow, int]]) -> None:
        rows.extend(["", "", f"{what} balance", asset.name, "", shown(amount, asset)] for asset, amount in settled)
        rows.extend(["", "", f"{what} balance, unsettled", asset.name, "", shown(amount, asset)] for asset, amount in unsettled)

    balances("opening", found.opening, found.opening_unsettled)
    rows += [_line_text(line) for line in found.lines]
    balances("closing", found.closing(), found.closing(unsettled=True))
    _print_table(["time (UTC)", "event", "what", "asset", "change", "balance"], rows, left=4)


def _line_json(line: statements.Line) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "event_seq": line.event_seq,
        "time": _time_text(line.time),
        "what": line.what,
        "asset": line.asset.name,
        "change": decimal_text(line.change, line.asset.decimals),
        "balance": decimal_text(line.balance, line.asset.decimals),
    }
    if line.unsettled:
        entry["unsettled"] = True
    if line.instrument is not None:
        entry["instrument"] = line.instrument.name
        if line.quantity is not None:
            entry["quantity"] = decimal_text(line.quantity, line.instrument.decimals)
        if line.price is not None:
            entry["price"] = decimal_text(line.price, line.instrument.price_decimals or 0)
    if line.reverses is not None:
        entry["takes_back"] = line.reverses
    if line.entered_by:
        entry["by"] = line.entered_by
    if line.reference:
        entry["reference"] = line.reference
    return entry


def _line_text(line: statements.Line) -> list[str]:
    what = line.what
    if line.instrument is not None:
        quantity = "" if line.quantity is None else f" {decimal_text(line.quantity, line.instrument.decimals)}"
        price = "" if line.price is None else f" at {decimal_text(line.price, line.instrument.price_decimals or 0)}"
        beside = " for" if "fee" in what or "rebate" in what or what in ("dividend", "fraction", "settlement money") else ""
        what = f"{what}{beside}{quantity} {line.instrument.name}{price}"
    if line.unsettled:
        what = f"unsettled: {what}"
    if line.reverses is not None:
        what = f"event {line.reverses} taken back: {what}"
    what += f" by {line.entered_by}" if line.entered_by else ""
    what += f" ({line.reference})" if line.reference else ""
    change = shown(line.change, line.asset)
    sign = "" if line.change < 0 else "+"
    return [_time_text(line.time), str(line.event_seq), what, line.asset.name, sign + change, shown(line.balance, line.asset)]


def _span(connection: Connection, day: str | None) -> statements.Span:
    """The events of a trading day, or all. Raises NoLedger."""
    if not day:
        return statements.Span(1, None)
    span = statements.find_day(connection, day)
    if span is None:
        known = statements.read_days(connection, 5)
        last = f"the last ones are {', '.join(known)}" if known else "none has begun yet"
        raise NoLedger(f"the ledger knows no trading day {day}; {last}")
    return span


def _accounts(connection: Connection, name: str, participant: bool) -> list[AccountRow]:
    """One account, those of a participant, or (without a name) all those of participants. Raises NoLedger."""
    if participant:
        found = reports.accounts_of(connection, name)
        if not found:
            raise NoLedger(f"the ledger has no account of a participant {name or 'without a name'}")
        return found
    if not name:
        return [row for row in read_accounts(connection) if row.kind == PARTICIPANT]
    account = statements.find_account(connection, name)
    if account is None:
        raise NoLedger(f"the ledger has no account {name}; `fixserver ledger balances` shows all")
    return [account]


# ----------------------------------------------------------------------------------------------- reports


def _blotter(args: argparse.Namespace) -> int:
    config = load(args.config, ("clearing",))
    with _ledger(config, args.data) as connection:
        span = _span(connection, args.day)
        rows = [
            trade
            for account in _accounts(connection, args.account, args.participant)
            for trade in reports.with_sides(
                connection, reports.trades(connection, account, span.first_seq, span.end_seq, args.begin, args.end)
            )
        ]
        rows.sort(key=lambda trade: trade.event_seq)
        seq = read_cursor(connection).event_seq
    return _print_report(args, seq, "trades", reports_as.blotter_table(rows))


def _positions(args: argparse.Namespace) -> int:
    config = load(args.config, ("clearing",))
    with _ledger(config, args.data) as connection:
        rows = reports.positions(connection, _accounts(connection, args.account, args.participant))
        seq = read_cursor(connection).event_seq
    return _print_report(args, seq, "positions", reports_as.positions_table(rows))


def _settlement(args: argparse.Namespace) -> int:
    config = load(args.config, ("clearing",))
    with _ledger(config, args.data) as connection:
        named = args.account or args.participant
        accounts = _accounts(connection, args.account, args.participant) if named else None
        days = statements.read_days(connection, 2)
        if not days:
            raise NoLedger("no trading day has begun yet: nothing was netted or settled")
        day = args.day or days[0]  # the last that has ended, or the first
        found = reports.settlement(connection, day, _span(connection, day), accounts)
        seq = read_cursor(connection).event_seq
    tables = reports_as.settlement_tables(found)
    if args.csv:
        reports_as.print_csv(tables.values())
    elif args.json:
        parts = {part.replace(" ", "_"): reports_as.as_json(table) for part, table in tables.items()}
        _print_json({"trading_day": day, "event_seq": seq, **parts})
    else:
        print(f"trading day {day}")
        for part, table in tables.items():
            print(f"\n{part}: {len(table.rows) or 'none'}")
            if table.rows:
                reports_as.print_table(reports_as.without_empty_columns(table))
        print(f"\nat event {seq:,}")
    return 0


def _trial_balance(args: argparse.Namespace) -> int:
    config = load(args.config, ("clearing",))
    with _ledger(config, args.data) as connection:
        span = _span(connection, args.day)
        balances = reports.trial_balance(connection, span.end_seq)
        seq = read_cursor(connection).event_seq if span.end_seq is None else span.end_seq - 1
    _print_report(args, seq, "balances", reports_as.trial_balance_table(balances))
    wrong = reports.assets_that_do_not_sum_to_zero(balances)
    for asset in wrong:
        print(f"{asset.name} does not sum to zero: `fixserver ledger check` tells more", file=sys.stderr)
    return EXIT_WRONG if wrong else 0


def _print_report(args: argparse.Namespace, event_seq: int, name: str, table: reports_as.Table) -> int:
    if args.csv:
        reports_as.print_csv([table])
    elif args.json:
        _print_json({"event_seq": event_seq, name: reports_as.as_json(table)})
    else:
        reports_as.print_table(table)
        print(f"at event {event_seq:,}")
    return 0


# ----------------------------------------------------------------------------------------------- rebuild


def _rebuild(args: argparse.Namespace) -> int:
    return rebuild_command.run(args, _url(load(args.config, ("clearing",)), args.data))


# ---------------------------------------------------------------------------------------------- how it looks


def shown(units: int, asset: AssetRow) -> str:
    """An amount as a person reads it: thousands grouped, a currency's decimals cut after the second where they are zeros."""
    whole, point, fraction = decimal_text(abs(units), asset.decimals).partition(".")
    if asset.kind == CURRENCY:
        fraction = fraction.rstrip("0").ljust(CURRENCY_DECIMALS_MIN, "0")
    return f"{'-' if units < 0 else ''}{int(whole):,}{point}{fraction}"


def _time_text(time_ns: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> int:
    """A time on the command line as ns since 1970."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-01-31 or 2026-01-31T14:30") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _trading_day(text: str) -> str:
    """A trading day on the command line as YYYYMMDD."""
    day = text.replace("-", "")
    if not (len(day) == 8 and day.isascii() and day.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a trading day such as 20260131 or 2026-01-31")
    return day


def _print_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int) -> None:
    """The first `left` columns stand to the left, the others, numbers, to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2)
    print()
