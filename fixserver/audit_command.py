"""`fixserver audit`: whether the audit log is whole; it writes nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fixserver import audit
from fixserver.config import ConfigError

TROUBLES_MAX = 20


class _Line(msgspec.Struct):
    at: str
    before: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    said = "is every line what it was when it was written, and is none missing between two others?"
    verify = actions.add_parser(
        "verify", help=said,
        description="Say whether every line is what it was when it was written, and none is missing between two others. Files that"
        " were moved away are given before the present one, oldest first. A file that was cut short behind its last line, or"
        " written anew as a whole, is found by comparing with the digest that is printed: keep that elsewhere.",
    )  # fmt: skip
    verify.add_argument("files", nargs="*", type=Path, metavar="FILE", help="audit.log of --data unless given")
    verify.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the venue's directory (%(default)s)")
    verify.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 1 where something is wrong. Raises ConfigError."""
    count, last, first_at, last_at, found = 0, None, "", "", 0
    for path in args.files or [args.data / audit.FILE]:
        try:
            for number, line in _lines(path):
                count += 1
                trouble, before, at = _looked_at(line)
                if not trouble and before != (last if last is not None else before):
                    trouble = "does not follow the line before it: that was changed, or lines between them were taken out"
                if trouble:
                    found += 1
                    if found <= TROUBLES_MAX:
                        print(f"{path}: line {number}: {trouble}")
                last, first_at, last_at = audit.digest(line), first_at or at, at or last_at
        except OSError as error:
            raise ConfigError("audit", "", f"{path}: {(error.strerror or str(error)).lower()}") from None
    print(f"{count:,} lines, {first_at or '-'} to {last_at or '-'}, last digest {last or '-'}")
    print("whole" if not found else f"not whole: {found:,} lines are wrong")
    return 1 if found else 0


def _looked_at(line: bytes) -> tuple[str, str, str]:
    """What is wrong with a line as such, the digest that it has of the one before, and when it was written."""
    try:
        read = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "is no line of an audit log: half a line of a disk that was full, or a slip of somebody's pen", "", ""
    return "", read.before, read.at


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            yield number, line.rstrip(b"\n")
