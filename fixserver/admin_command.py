"""`fixserver admin`: asks the exchange for something over the operator's socket, and prints the answer; it decides nothing.

Exit codes: 0 done, 1 refused (standard error says why), 2 the arguments are wrong or no exchange is there.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fixserver.admin import SOCKET_NAME, socket_address

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
  fixserver admin session list --connected
  fixserver admin session set-sequence TRADER1 4.4 --in 120 --out 500
  fixserver admin --data /var/lib/fixserver snapshot
"""


class Refused(Exception):
    """The exchange does not do it. Says why."""


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

    action(
        actions, "snapshot", "write a snapshot now",
        lambda args: ("snapshot", {}),
        lambda result: [f"the snapshot at command {result['command']:,} is written, {result['bytes']:,} bytes"],
        "Write a snapshot of the venue, from which the next start is quicker, and wait until it is there. Trading goes on.",
    )  # fmt: skip
    action(actions, "status", "what the exchange is and does", lambda args: ("status", {}), _status_lines)


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


def _status_lines(result: dict[str, Any]) -> Iterator[str]:
    for name, value in result.items():
        if isinstance(value, dict):
            shown = ", ".join(f"{key} {_grouped(one)}" for key, one in value.items()) or "-"
        else:
            shown = _grouped(value)
        yield f"{name.replace('_', ' '):<18}{shown}"


def _grouped(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value) or "-"
