"""`fixserver admin`: asks the exchange for something over the operator's socket, and prints the answer; it decides nothing.

Exit codes: 0 done, 1 refused (standard error says why), 2 the arguments are wrong or no exchange is there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fixserver.admin import SOCKET_NAME
from fixserver.unixsocket import socket_address

EXIT_REFUSED = 1
EXIT_USAGE = 2
ANSWER_SECONDS = 120.0
ANSWER_BYTES_MAX = 64 * 2**20

_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)

DESCRIPTION = """\
Tell a running exchange what to do, over the socket in its data directory, which its owner alone may open.
What is done is in the journal with the name of the Unix user who asked for it."""
EXAMPLES = """\
examples:
  fixserver admin status
  fixserver admin halt AAPL
  fixserver admin resume AAPL --auction
  fixserver admin participant add ALICE --cash 1000000 --holding AAPL=500
  fixserver admin kill ALICE
  fixserver admin cancel order --participant ALICE
  fixserver admin bust 880
  fixserver admin split AAPL 2:1 --reference "board 2026-04"
  fixserver admin session list --connected
  fixserver admin session set-sequence TRADER1 4.4 --in 120 --out 500
  fixserver admin --data /var/lib/fixserver snapshot
"""


class Refused(Exception):
    """The exchange does not do it. Says why."""


class Wrong(Exception):
    """The arguments are not what the action takes."""


class Unreachable(Exception):
    """There is no exchange to ask. Says what to do."""


class AdminClient:
    """One connection to the operator's socket of a venue."""

    def __init__(self, data: Path) -> None:
        """Raises Unreachable."""
        path = data / SOCKET_NAME
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_SECONDS)
        try:
            with socket_address(path) as address:
                self._socket.connect(address)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            self._socket.close()
            raise Unreachable(f"{path}: no exchange is running there: start it, or name its directory with --data") from None
        except BlockingIOError:
            self._socket.close()
            raise Unreachable(f"{path}: the exchange does not take the connection: it is busy, or stands still") from None
        except OSError as error:
            self._socket.close()
            raise Unreachable(f"{path}: {(error.strerror or str(error)).lower()}: be the user that the exchange runs as") from None
        self._file = self._socket.makefile("rb")

    def ask(self, action: str, arguments: dict[str, Any]) -> Any:
        """The result. Raises Refused, Unreachable."""
        try:
            self._socket.sendall(json.dumps({"action": action, "arguments": arguments}).encode() + b"\n")
            line = self._file.readline(ANSWER_BYTES_MAX)
        except OSError as error:
            raise Unreachable(f"no answer, and whether it was done is not known: {error or type(error).__name__}") from None
        if not line.endswith(b"\n"):
            raise Unreachable("the exchange ended before it answered; whether it was done is in the journal")
        answer = json.loads(line)
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer["result"]

    def close(self) -> None:
        self._file.close()
        self._socket.close()


# ---------------------------------------------------------------------------------------------- arguments

Ask = Callable[[argparse.Namespace], tuple[str, dict[str, Any]]]
Show = Callable[[Any], Iterable[str]]
Group = Callable[[str, str], Any]  # name, help
Action = Callable[..., argparse.ArgumentParser]  # where, name, help, ask, show, description


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the exchange's directory (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    actions = parser.add_subparsers(metavar="ACTION", title="actions", required=True)
    formatter = parser.formatter_class

    def group(name: str, help_text: str) -> Any:
        added = actions.add_parser(name, help=help_text, description=help_text.capitalize() + ".", formatter_class=formatter)
        return added.add_subparsers(metavar="ACTION", title="actions", required=True)

    def action(where: Any, name: str, help_text: str, ask: Ask, show: Show, description: str = "") -> argparse.ArgumentParser:
        description = description or help_text[:1].upper() + help_text[1:] + "."
        added: argparse.ArgumentParser = where.add_parser(name, help=help_text, description=description, formatter_class=formatter)
        added.add_argument("--data", type=Path, default=argparse.SUPPRESS, metavar="DIR", help=argparse.SUPPRESS)
        added.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the answer as JSON")
        added.set_defaults(ask=ask, show=show)
        return added

    _add_market_actions(actions, group, action)
    _add_participant_actions(actions, group, action)
    _add_clearing_actions(actions, group, action)
    _add_session_actions(group, action)
    action(
        actions, "snapshot", "write a snapshot now",
        lambda args: ("snapshot", {}),
        lambda result: [f"the snapshot at command {result['command']:,} is written, {result['bytes']:,} bytes"],
        "Write a snapshot of the venue, from which the next start is quicker, and wait until it is there. Trading goes on.",
    )  # fmt: skip
    action(actions, "status", "what the exchange is and does", lambda args: ("status", {}), _lines)


def _add_session_actions(group: Group, action: Action) -> None:
    sessions = group("session", "the FIX sessions of order entry: list, logout, reset, set-sequence")
    one = action(
        sessions, "list", "numbers, last seen, queue and rate of each session",
        lambda args: ("session list", {"name": args.name, "connected": args.connected}), _sessions_table,
    )  # fmt: skip
    one.add_argument("name", nargs="?", default="", metavar="NAME", help="of this participant alone")
    one.add_argument("--connected", action="store_true", help="those that are connected alone")
    one = action(
        sessions, "logout", "log sessions of a participant out",
        lambda args: ("session logout", _given(name=args.name, version=args.version, text=args.text)),
        lambda result: (f"{name}: logged out" for name in result["logged_out"]),
        "Send Logout to the sessions of a participant, and close their connections. They may log on again.",
    )  # fmt: skip
    _session_arguments(one)
    one.add_argument("--text", help="what the Logout says")
    one = action(
        sessions, "reset", "have sequence numbers begin again at 1, both ways",
        lambda args: ("session reset", _given(name=args.name, version=args.version)),
        lambda result: (f"{name}: the next number is 1 in both directions" for name in result["reset"]),
        "Have the sequence numbers of a participant's sessions begin again at 1 in both directions. Who is connected is logged out"
        " first. What was sent before can then not be asked for any more.",
    )  # fmt: skip
    _session_arguments(one)
    one = action(
        sessions, "set-sequence", "say which sequence numbers come next",
        lambda args: (
            "session set-sequence",
            _given(name=args.name, version=args.version, next_in=args.next_in, next_out=args.next_out),
        ),
        lambda result: [f"{result['session']}: {result['next_in']} comes next from the client, {result['next_out']} to him"],
        "Say which sequence numbers come next. Who is connected is logged out first.",
    )  # fmt: skip
    one.add_argument("name", metavar="NAME")
    one.add_argument("version", metavar="VERSION", help="4.2, 4.4 or 5.0SP2")
    one.add_argument("--in", dest="next_in", type=int, metavar="N", help="the number expected from the client")
    one.add_argument("--out", dest="next_out", type=int, metavar="N", help="the number of the next message to him")


def _add_market_actions(actions: Any, group: Group, action: Action) -> None:
    def target(parser: argparse.ArgumentParser, *more: str) -> None:
        metavar = " ".join(["SYMBOL", *more])
        parser.add_argument("words", nargs="*", metavar=metavar, help="an instrument, unless --market or --all")
        parser.add_argument("--market", metavar="MARKET", help="all instruments of a market")
        parser.add_argument("--all", action="store_true", default=None, help="all instruments")

    one = action(
        actions, "halt", "stop trading; orders stay, and can be canceled",
        lambda args: ("halt", _target(args)), event_lines,
        "Halt an instrument, a market or all. Orders stay and can be canceled, new ones are refused. The schedule does not end"
        " a halt: resume does.",
    )  # fmt: skip
    target(one)
    one = action(
        actions, "resume", "end a halt",
        lambda args: ("resume", _target(args) | _given(auction=args.auction)), event_lines,
        "Resume what is halted: it goes to the phase that its schedule has now, without a schedule to continuous trading.",
    )  # fmt: skip
    target(one)
    one.add_argument("--auction", action="store_true", default=None, help="through a volatility auction")
    one = action(
        actions, "phase", "move to a phase",
        lambda args: ("phase", _target(args, "phase")), event_lines,
        "Move an instrument, a market or all to a phase: closed, pre-open, opening-auction, continuous, volatility-auction,"
        " closing-auction, closing-price, halted, cancel-only. The schedule goes on from there.",
    )  # fmt: skip
    target(one, "PHASE")
    one = action(
        actions, "band", "set the price bands of an instrument",
        lambda args: ("band", _given(symbol=args.symbol, static=args.static, dynamic=args.dynamic, reference=args.reference)),
        event_lines,
    )  # fmt: skip
    one.add_argument("symbol", metavar="SYMBOL")
    one.add_argument("--static", metavar="PERCENT", help="to either side of the reference price: what is taken at all")
    one.add_argument("--dynamic", metavar="PERCENT", help="to either side of the last trade: beyond is an auction; 0 is none")
    one.add_argument("--reference", metavar="PRICE", help="where the static band is")

    instruments = group("instrument", "instruments: add, change, list, show")
    one = action(instruments, "add", "add an instrument", lambda args: ("instrument add", _terms(args, "phase")), event_lines)
    _instrument_arguments(one)
    one.add_argument("--phase", metavar="PHASE", help="that it begins with; that of its market unless given")
    one = action(
        instruments, "change", "change the terms of an instrument",
        lambda args: ("instrument change", _terms(args)), event_lines,
        "Change the terms of an instrument; what is not given stays. Currency, decimals and market do not change, and tick,"
        " lot and fees only while no orders rest.",
    )  # fmt: skip
    _instrument_arguments(one)
    action(instruments, "list", "how each instrument stands", lambda args: ("instrument list", {}), _instruments_table)
    one = action(
        instruments, "show", "how an instrument stands, and its terms",
        lambda args: ("instrument show", {"symbol": args.symbol}), _lines,
    )  # fmt: skip
    one.add_argument("symbol", metavar="SYMBOL")

    one = action(
        group("cancel", "cancel orders"), "order", "cancel an order, or those of a participant",
        lambda args: ("cancel order", _given(order=args.order, participant=args.participant, symbol=args.symbol)), event_lines,
        "Cancel an open order by its OrderID, or all those of a participant. The participant is told by the order's report.",
    )  # fmt: skip
    one.add_argument("order", nargs="?", type=int, metavar="ORDERID")
    one.add_argument("--participant", metavar="NAME", help="all his orders")
    one.add_argument("--symbol", metavar="SYMBOL", help="of his orders those of this instrument")

    bust = "the number of the trade, or an ExecID of it: 880, 880M, 880T"
    one = action(
        actions, "bust", "take a trade of today back",
        lambda args: ("bust", _with_place(args, {"trade": args.trade})), event_lines,
        "Take a trade of this trading day back: cash, holdings and fees return, both sides and the feed are told. The quantity"
        " does not return to the book.",
    )  # fmt: skip
    one.add_argument("trade", metavar="TRADE", help=bust)
    one = action(
        actions, "correct", "give a trade of today another price, or a lower quantity",
        lambda args: ("correct", _with_place(args, _given(trade=args.trade, price=args.price, quantity=args.quantity))),
        event_lines,
    )  # fmt: skip
    one.add_argument("trade", metavar="TRADE", help=bust)
    one.add_argument("--price", required=True, metavar="PRICE")
    one.add_argument("--quantity", metavar="QUANTITY", help="that of the trade unless given")


def _instrument_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("symbol", metavar="SYMBOL")
    for name, metavar, help_text in (
        ("tick", "PRICE", "the step of its prices (0.01)"),
        ("lot", "QUANTITY", "the step of its quantities (1)"),
        ("quantity-max", "QUANTITY", "of one order"),
        ("value-max", "AMOUNT", "of one order"),
        ("reference-price", "PRICE", "where the static band begins"),
        ("band", "PERCENT", "the static band (10)"),
        ("dynamic-band", "PERCENT", "the dynamic band (0: none)"),
        ("market", "MARKET", "the market that it is scheduled with (MAIN)"),
        ("maker-fee", "FRACTION", "of the value, of who was in the book (the venue's)"),
        ("taker-fee", "FRACTION", "of the value, of who came (the venue's)"),
    ):
        parser.add_argument(f"--{name}", metavar=metavar, help=help_text)
    for name, help_text in (
        ("price-decimals", "of its prices (2)"),
        ("quantity-decimals", "of its quantities (0)"),
        ("pause-seconds", "that a volatility auction lasts (300)"),
    ):
        parser.add_argument(f"--{name}", type=int, metavar="N", help=help_text)


def _terms(args: argparse.Namespace, *more: str) -> dict[str, Any]:
    names = (
        "symbol", "tick", "lot", "quantity_max", "value_max", "reference_price", "band", "dynamic_band", "market", "maker_fee",
        "taker_fee", "price_decimals", "quantity_decimals", "pause_seconds", *more,
    )  # fmt: skip
    return _given(**{name: getattr(args, name) for name in names})


def _target(args: argparse.Namespace, last: str = "") -> dict[str, Any]:
    """SYMBOL or one of the options, and a word behind where there has to be one. Raises Wrong."""
    words = list(args.words)
    found: dict[str, Any] = _given(market=args.market, all=args.all)
    if last:
        if not words:
            raise Wrong(f"{last.upper()} is missing")
        found[last] = words.pop()
    if words and not found.keys() & {"market", "all"}:
        found["symbol"] = words.pop(0)
    if words:
        raise Wrong(f"unexpected: {' '.join(words)}")
    if not found.keys() & {"symbol", "market", "all"}:
        raise Wrong("say a SYMBOL, --market MARKET or --all")
    return found


def _with_place(args: argparse.Namespace, arguments: dict[str, Any]) -> dict[str, Any]:
    """Say where in the event log the trade is: to look for it is work for this process, not for the one that trades."""
    from fixserver import tradelookup
    from matching.recordlog import LogDamaged, LogMissing

    number = re.search("[0-9]{1,18}", args.trade)
    place = None
    if number is not None:
        with contextlib.suppress(LogDamaged, LogMissing, OSError):
            place = tradelookup.locate(args.data / "events", int(number[0]))
    return {**arguments, "place": place} if place is not None else arguments


def _add_participant_actions(actions: Any, group: Group, action: Action) -> None:
    def named(where: Any, name: str, help_text: str, asked: str, description: str = "") -> argparse.ArgumentParser:
        added = action(where, name, help_text, lambda args: (asked, {"name": args.name}), event_lines, description)
        added.add_argument("name", metavar="NAME")
        return added

    participants = group("participant", "participants: add, suspend, restore, password, limits, list, show")
    one = action(
        participants, "add", "let somebody new trade, at once", _new_participant, event_lines,
        "Add a participant with an account of the same name; he may log on at once, to order entry and to the feed. His password"
        " is asked for; what is kept is a hash.",
    )  # fmt: skip
    one.add_argument("name", metavar="NAME", help="his SenderCompID")
    _password_arguments(one)
    one.add_argument("--cash", metavar="AMOUNT", help="what the account begins with")
    one.add_argument("--holding", action="append", metavar="SYM=QTY", help="what else it begins with; may be given several times")
    one.add_argument("--short-max", type=int, metavar="N", help="what he may sell short of each instrument (0)")
    one.add_argument("--self-trade", metavar="HOW", help="cancel-resting (default), cancel-incoming, cancel-both, decrement, allow")
    _limit_arguments(one)
    named(
        participants, "suspend", "log a participant out, cancel his orders, and keep him out", "participant suspend",
        "Cancel the orders of a participant, log him out, here and on the feed, and refuse his Logons until restore.",
    )  # fmt: skip
    named(participants, "restore", "end the suspension of a participant", "participant restore")
    one = action(
        participants, "password", "give a participant another password",
        lambda args: ("participant password", {"name": args.name, "password_hash": _password_hash(args)}), event_lines,
        "Give a participant another password, for his next Logon. It holds until it is changed again here, or in the"
        " configuration.",
    )  # fmt: skip
    one.add_argument("name", metavar="NAME")
    _password_arguments(one)
    one = action(
        participants, "limits", "change what a participant may do",
        lambda args: ("participant limits", {"name": args.name} | _limits(args)), event_lines,
        "Change limits of a participant; what is not given stays. 0 is no limit, for a rate -1 the exchange's.",
    )  # fmt: skip
    one.add_argument("name", metavar="NAME")
    _limit_arguments(one)
    action(
        participants, "list", "who may trade, and what he may",
        lambda args: ("participant list", {}), _participants_table,
    )  # fmt: skip
    one = action(
        participants, "show", "a participant, with his accounts",
        lambda args: ("participant show", {"name": args.name}), _participant_lines,
    )  # fmt: skip
    one.add_argument("name", metavar="NAME")

    named(
        actions, "kill", "cancel a participant's orders, and take none from him", "kill",
        "The kill switch: cancel the orders of a participant, and refuse new ones until unkill. He may cancel.",
    )  # fmt: skip
    named(actions, "unkill", "let a participant who was killed trade again", "unkill")
    for name, help_text in (("deposit", "credit an account"), ("withdraw", "debit an account, by what is available in it")):
        one = action(
            actions, name, help_text,
            lambda args, name=name: (
                name, _given(account=args.account, asset=args.asset, amount=args.amount, reference=args.reference),
            ),
            event_lines,
        )  # fmt: skip
        one.add_argument("account", metavar="ACCOUNT")
        one.add_argument("asset", metavar="ASSET", help="a currency or an instrument")
        one.add_argument("amount", metavar="AMOUNT")
        one.add_argument("--reference", metavar="TEXT", help="what it is for")


def _add_clearing_actions(actions: Any, group: Group, action: Action) -> None:
    def referred(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--reference", metavar="TEXT", help="what it is for")

    settlement = group("settlement", "how trades are settled: set, show")
    one = action(
        settlement, "set", "settle trades otherwise, from the next trading day on",
        lambda args: ("settlement set", _settlement(args)), event_lines,
        "Have trades settled otherwise, from the next trading day on; what is not given stays.",
    )  # fmt: skip
    one.add_argument("--cycle-days", type=int, metavar="N", help="settlement days after the trade; 0: at once")
    one.add_argument("--spend-unsettled", choices=("yes", "no"), help="whether what is not there yet may be sold and spent")
    one.add_argument("--buy-in-days", type=int, metavar="N", help="failed days after which a delivery is bought in; 0: never")
    one.add_argument("--buy-in-premium", metavar="FRACTION", help="of the value, that who was at fault pays")
    action(
        settlement, "show", "how trades are settled, and what is open",
        lambda args: ("settlement show", {}), _settlement_lines,
    )  # fmt: skip
    for name, help_text, description in (
        (
            "hold", "keep an account from delivering",
            "Keep an account from delivering an asset, or everything: what is due of it fails. It trades on.",
        ),
        ("release", "let an account deliver again", "Let an account deliver an asset, or everything, again."),
    ):  # fmt: skip
        one = action(
            actions, name, help_text,
            lambda args, name=name: (name, _given(account=args.account, asset=args.asset, reference=args.reference)), event_lines,
            description,
        )  # fmt: skip
        one.add_argument("account", metavar="ACCOUNT")
        one.add_argument("asset", nargs="?", metavar="ASSET", help="a currency or an instrument; everything unless given")
        referred(one)
    one = action(
        actions, "dividend", "pay a dividend to everybody who has an instrument",
        lambda args: ("dividend", _given(symbol=args.symbol, amount=args.amount, reference=args.reference)), event_lines,
        "Pay an amount for each unit of an instrument to every account that has it now, delivered or not. Who is short pays it.",
    )  # fmt: skip
    one.add_argument("symbol", metavar="SYMBOL")
    one.add_argument("amount", metavar="AMOUNT", help="for each unit")
    referred(one)
    one = action(
        actions, "split", "split an instrument, or put units of it together",
        lambda args: ("split", _given(symbol=args.symbol, ratio=args.ratio, reference=args.reference)), event_lines,
        "Make N units of each M of an instrument that is closed, halted or cancel-only: holdings, obligations, open orders and"
        " prices are adjusted. Orders that cannot be are canceled.",
    )  # fmt: skip
    one.add_argument("symbol", metavar="SYMBOL")
    one.add_argument("ratio", metavar="N:M", help="2:1 doubles every holding and halves every price, 1:10 puts ten together")
    referred(one)

    fees = group("fees", "fees of a participant: set, end, list")
    one = action(
        fees, "set", "give a participant fees of his own",
        lambda args: ("fees set", _given(name=args.name, symbol=args.symbol, maker=args.maker, taker=args.taker)), event_lines,
        "Give a participant fees of his own, in an instrument or in all, as fractions of the value. He may have no open orders in"
        " what they are for.",
    )  # fmt: skip
    one.add_argument("name", metavar="NAME")
    one.add_argument("--symbol", metavar="SYMBOL", help="in this instrument alone")
    one.add_argument("--maker", required=True, metavar="FRACTION", help="of who was in the book; below 0: a rebate")
    one.add_argument("--taker", required=True, metavar="FRACTION", help="of who came")
    one = action(
        fees, "end", "have a participant pay what everybody does",
        lambda args: ("fees end", _given(name=args.name, symbol=args.symbol)), event_lines,
        "Take a participant's own fees away, those in an instrument or those for all.",
    )  # fmt: skip
    one.add_argument("name", metavar="NAME")
    one.add_argument("--symbol", metavar="SYMBOL", help="those in this instrument")
    action(fees, "list", "who has fees of his own", lambda args: ("fees list", {}), _fees_table)
    one = action(
        actions, "margin", "set the margin of an instrument",
        lambda args: ("margin", _given(symbol=args.symbol, initial=args.initial, maintenance=args.maintenance)), event_lines,
        "Say how much cash must be there for what is sold short of an instrument, as a fraction of its value: when it is sold, and"
        " after. What is not given stays; 0 is none.",
    )  # fmt: skip
    one.add_argument("symbol", metavar="SYMBOL")
    one.add_argument("--initial", metavar="FRACTION", help="when it is sold")
    one.add_argument("--maintenance", metavar="FRACTION", help="after: below it is a margin call")


def _settlement(args: argparse.Namespace) -> dict[str, Any]:
    spend = None if args.spend_unsettled is None else args.spend_unsettled == "yes"
    return _given(
        cycle_days=args.cycle_days, spend_unsettled=spend, buy_in_days=args.buy_in_days, buy_in_premium=args.buy_in_premium
    )


def _limit_arguments(parser: argparse.ArgumentParser) -> None:
    for name, help_text in (
        ("orders-per-second", "orders and replaces a second"),
        ("cancels-per-second", "cancels a second"),
        ("open-orders-max", "orders open at once"),
        ("orders-per-day-max", "orders, replaces and cancels of a trading day"),
        ("cancel-grace-seconds", "from a disconnect to the cancels that follow from it"),
    ):
        parser.add_argument(f"--{name}", type=int, metavar="N", help=help_text)
    parser.add_argument("--value-max", metavar="AMOUNT", help="of one order")
    parser.add_argument("--cancel-on-disconnect", metavar="WHICH", help="none, day or all orders")


def _limits(args: argparse.Namespace) -> dict[str, Any]:
    names = (
        "orders_per_second", "cancels_per_second", "open_orders_max", "orders_per_day_max", "cancel_grace_seconds", "value_max",
        "cancel_on_disconnect",
    )  # fmt: skip
    return _given(**{name: getattr(args, name) for name in names})


def _new_participant(args: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    holdings = {}
    for text in args.holding or ():
        symbol, is_one, quantity = text.partition("=")
        if not is_one or symbol in holdings:
            raise Wrong(f"--holding {text}: is not SYMBOL=QUANTITY, or the symbol stands there twice")
        holdings[symbol] = quantity
    given = _given(
        name=args.name, cash=args.cash, holdings=holdings or None, short_max=args.short_max, self_trade=args.self_trade
    )
    return "participant add", given | _limits(args) | {"password_hash": _password_hash(args)}


def _password_arguments(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--password-stdin", action="store_true", help="read the password from the first line of standard input")
    how.add_argument("--password-hash", metavar="HASH", help="as `fixserver participant add` makes it")


def _password_hash(args: argparse.Namespace) -> str:
    """Raises ConfigError."""
    from fixserver import passwords
    from fixserver.participant_command import asked_for

    if args.password_hash:
        return str(args.password_hash)
    return passwords.hash_password(asked_for(from_terminal=not args.password_stdin))


def _session_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the participant")
    parser.add_argument("--version", metavar="VERSION", help="4.2, 4.4 or 5.0SP2; all three unless given")


def _given(**arguments: Any) -> dict[str, Any]:
    """Without what was not said."""
    return {name: value for name, value in arguments.items() if value is not None}


# --------------------------------------------------------------------------------------------- the command


def run(args: argparse.Namespace) -> int:
    try:
        action, arguments = args.ask(args)
        client = AdminClient(args.data)
        try:
            result = _whole(client, action, arguments)
        finally:
            client.close()
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return EXIT_REFUSED
    except Wrong as problem:
        print(f"fixserver admin: {problem}", file=sys.stderr)
        return EXIT_USAGE
    except Unreachable as problem:
        print(problem, file=sys.stderr)
        return EXIT_USAGE
    if args.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        for line in args.show(result):
            print(line)
    return 0


def _whole(client: AdminClient, action: str, arguments: dict[str, Any]) -> Any:
    """The result, with all pages of a list."""
    result = client.ask(action, arguments)
    while isinstance(result, dict) and result.get("after"):
        following = client.ask(action, {**arguments, "after": result["after"]})
        for key, value in following.items():
            result[key] = result[key] + value if isinstance(value, list) else value
    if isinstance(result, dict):
        result.pop("after", None)
    return result


# --------------------------------------------------------------------------------------------- for people


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Columns as wide as they need to be; numbers to the right."""
    lines = [[str(value) for value in row] for row in rows]
    columns = [[line[index] for line in lines] for index in range(len(heads))]
    right = [bool(column) and all(_DECIMAL.fullmatch(cell) for cell in column) for column in columns]
    widths = [max(map(len, (head, *column))) for head, column in zip(heads, columns, strict=True)]
    for line in [list(heads), *lines]:
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in zip(line, widths, right, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _sessions_table(result: dict[str, Any]) -> Iterator[str]:
    heads = ("NAME", "VERSION", "STATE", "IN", "OUT", "LAST SEEN", "FROM", "QUEUED", "IN/S", "OUT/S")
    return table(
        heads,
        (
            (
                row["name"], row["version"], "logged on" if row["logged_on"] else "connected" if row["address"] else "-",
                row["next_in"], row["next_out"], row["last_seen"] or "-", row["address"] or "-", row["queued_bytes"],
                row["in_per_second"], row["out_per_second"],
            )
            for row in result["sessions"]
        ),
    )  # fmt: skip


def event_lines(result: dict[str, Any]) -> Iterator[str]:
    """What commands caused: `880 PhaseChanged instrument=AAPL phase=halted by=...`."""
    for event in result["events"]:
        fields = (f"{name}={_quoted(value)}" for name, value in event.items() if name not in ("event", "number"))
        yield " ".join([f"{event['number']:>9}", event["event"], *fields])
    if result["more"]:
        yield f"and {result['more']:,} more"


def _quoted(text: str) -> str:
    return text if text.isprintable() and not any(character in ' "=\\' for character in text) else json.dumps(text)


def _instruments_table(result: dict[str, Any]) -> Iterator[str]:
    names = ("symbol", "market", "phase", "last", "bid", "offer", "reference", "low", "high")
    return table([name.upper() for name in names], ([row[name] or "-" for name in names] for row in result["instruments"]))


def _participants_table(result: dict[str, Any]) -> Iterator[str]:
    columns = {
        "name": "NAME", "access": "ACCESS", "sessions": "SESSIONS", "open_orders": "OPEN", "orders_per_second": "ORDERS/S",
        "cancels_per_second": "CANCELS/S", "value_max": "VALUE MAX", "open_orders_max": "OPEN MAX", "orders_per_day_max": "DAY MAX",
        "by": "BY",
    }  # fmt: skip
    return table(list(columns.values()), ([row[name] for name in columns] for row in result["participants"]))


def _participant_lines(result: dict[str, Any]) -> Iterator[str]:
    yield from _lines({name: value for name, value in result.items() if name != "accounts"})
    for account in result["accounts"]:
        yield ""
        said = f"account {account['account']}: short limit {account['short_max']}, self-trade {account['self_trade']}"
        for name, words in (("held", "delivers nothing of"), ("margin_calls", "margin call in")):
            said += f", {words} {', '.join(account[name])}" if account[name] else ""
        yield said
        names = ("asset", "total", "settled", "unsettled", "reserved")
        yield from table([name.upper() for name in names], ([line[name] for name in names] for line in account["balances"]))


def _settlement_lines(result: dict[str, Any]) -> Iterator[str]:
    shown = dict(result)
    for name in ("held", "margin_calls"):
        whose = (f"{account} {', '.join(one or 'everything' for one in assets)}" for account, assets in shown[name].items())
        shown[name] = "; ".join(whose)
    return _lines(shown)


def _fees_table(result: dict[str, Any]) -> Iterator[str]:
    names = ("name", "symbol", "maker", "taker", "by")
    return table([name.upper() for name in names], ([row[name] or "all" for name in names] for row in result["fees"]))


def _lines(result: dict[str, Any]) -> Iterator[str]:
    """A name and a value each."""
    width = max(map(len, result)) + 2
    for name, value in result.items():
        if isinstance(value, dict):
            shown = ", ".join(f"{key} {_grouped(one)}" for key, one in value.items()) or "-"
        else:
            shown = _grouped(value)
        yield f"{name.replace('_', ' '):<{width}}{shown}"


def _grouped(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value) or "-"
