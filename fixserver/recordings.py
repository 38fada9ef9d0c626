"""Recorded order flow, read from files of two formats as one kind of steps; it never knows a venue.

bitstamp   `id,timestamp,exchange.timestamp,price,volume,action,direction`, as published with the R package
           obAnalytics: timestamp in milliseconds, volume in 10^-8 of the coin (with a decimal point: in coins), the
           volume that remains; action created, changed (partly filled), deleted (filled or canceled).
lobster    message files of lobsterdata.com: seconds after midnight, type, order, size, price in 10^-4, direction (1 buy,
           -1 sell); type 1 submission, 2 partial cancellation, 3 deletion, 4 execution of a visible order,
           5 of a hidden one, 6 cross trade, 7 halt.
"""

from __future__ import annotations

import io
import lzma
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TextIO

BITSTAMP = "bitstamp"
LOBSTER = "lobster"
FORMATS = (BITSTAMP, LOBSTER)
BITSTAMP_DECIMALS = 8
LOBSTER_PRICE_DECIMALS = 4

Action = Literal["enter", "remains", "reduce", "cancel", "execute", "skip"]

_LOBSTER_NAME = re.compile(r"([A-Za-z0-9.]+)_\d{4}-\d{2}-\d{2}_.*message")
_LOBSTER_LINE = re.compile(r"\d+(\.\d+)?,[1-7],-?\d+,\d+,-?\d+,-?1")
_DIGITS = re.compile(r"\d+", re.ASCII)
_DECIMAL = re.compile(r"\d+(\.\d+)?", re.ASCII)


class RecordingError(Exception):
    """The file cannot be read as what it is said to be. Names the file, the line, and what is wrong."""


class Step(NamedTuple):
    """One event of a recording.

    `time_ns` counts from any fixed moment. `quantity` is in units of 10^-decimals of the recording: what was entered
    (enter), is left (remains), was taken away (reduce), was executed (execute). `side` is that of the order.
    `note` says what a step that is skipped was.
    """

    time_ns: int
    action: Action
    order: str
    side: str
    price: str
    quantity: int
    note: str = ""


class Recording(NamedTuple):
    """A file and what is known about it before its steps are read."""

    path: Path
    format: str
    steps: int
    symbol: str  # "" where the file does not tell
    quantity_decimals: int


def open_text(path: Path) -> TextIO:
    """The file as text, unpacked where its name ends in .xz. Raises RecordingError."""
    try:
        if path.suffix == ".xz":
            return io.TextIOWrapper(lzma.open(path), encoding="ascii", errors="replace")
        return path.open(encoding="ascii", errors="replace")
    except OSError as error:
        raise RecordingError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def examine(path: Path, format_name: str = "", limit: int = 0) -> Recording:
    """Find out format, symbol and length, going through the file once. Raises RecordingError."""
    with open_text(path) as lines:
        try:
            first = lines.readline().strip()
            found = format_name or _guess(path, first)
            count = sum(1 for line in lines if line.strip()) + (not _is_header(first))
        except (lzma.LZMAError, EOFError, OSError) as error:
            raise RecordingError(f"{path}: {error}") from None
    named = _LOBSTER_NAME.match(path.name)
    symbol = named[1] if named and found == LOBSTER else ""
    decimals = BITSTAMP_DECIMALS if found == BITSTAMP else 0
    return Recording(path, found, min(count, limit) if limit else count, symbol, decimals)


def repeated(recording: Recording, times: int) -> Iterator[Step]:
    """The steps of a recording several times over, one pass behind the other, each with orders of its own."""
    began = ended = 0
    for number in range(times):
        for step in read(recording):
            if number:
                yield step._replace(time_ns=step.time_ns + number * (ended - began), order=f"{number}.{step.order}")
            else:
                began, ended = began or step.time_ns, step.time_ns
                yield step


def read(recording: Recording) -> Iterator[Step]:
    """The steps of a recording, in the order of the file. Raises RecordingError at the line that is not understood."""
    parse = {BITSTAMP: bitstamp_steps, LOBSTER: lobster_steps}[recording.format]
    with open_text(recording.path) as lines:
        for number, step in enumerate(parse(lines, str(recording.path)), 1):
            yield step
            if number == recording.steps:
                return


def _is_header(line: str) -> bool:
    return line.startswith("id,")


def _guess(path: Path, first: str) -> str:
    if first.startswith("id,timestamp,exchange.timestamp,price,volume,action,direction"):
        return BITSTAMP
    if _LOBSTER_LINE.fullmatch(first):
        return LOBSTER
    raise RecordingError(f"{path}: line 1: looks like neither {' nor '.join(FORMATS)}: say which with --format")


def bitstamp_steps(lines: Iterable[str], name: str = "bitstamp") -> Iterator[Step]:
    for number, line in enumerate(lines, 1):
        if not (line := line.strip()) or (number == 1 and _is_header(line)):
            continue
        fields = line.split(",")
        if len(fields) != 7:
            raise RecordingError(f"{name}: line {number}: {len(fields)} columns where 7 are due")
        order, stamp, _, price, volume, action, direction = fields
        side = {"bid": "1", "ask": "2"}.get(direction)
        step: Action | None = _BITSTAMP_ACTIONS.get(action)
        if side is None or step is None:
            raise RecordingError(f"{name}: line {number}: {action},{direction} is not an action and a direction")
        if not (_DIGITS.fullmatch(stamp) and _DECIMAL.fullmatch(price) and _DECIMAL.fullmatch(volume)):
            raise RecordingError(f"{name}: line {number}: {stamp},{price},{volume} is not a time, a price and a volume")
        yield Step(int(stamp) * 1_000_000, step, order, side, price, _coins(volume))


_BITSTAMP_ACTIONS: dict[str, Action] = {"created": "enter", "changed": "remains", "deleted": "cancel"}


def _coins(volume: str) -> int:
    whole, point, fraction = volume.partition(".")
    if not point:
        return int(whole)
    return int(whole + fraction[:BITSTAMP_DECIMALS].ljust(BITSTAMP_DECIMALS, "0"))


_LOBSTER_ACTIONS: dict[str, tuple[Action, str]] = {
    "1": ("enter", ""),
    "2": ("reduce", ""),
    "3": ("cancel", ""),
    "4": ("execute", ""),
    "5": ("skip", "hidden execution"),
    "6": ("skip", "cross trade"),
    "7": ("skip", "halt"),
}


def lobster_steps(lines: Iterable[str], name: str = "lobster") -> Iterator[Step]:
    for number, line in enumerate(lines, 1):
        if not (line := line.strip()):
            continue
        fields = line.split(",")
        if len(fields) < 6 or not _LOBSTER_LINE.fullmatch(",".join(fields[:6])):
            raise RecordingError(f"{name}: line {number}: {line[:60]!r} is not time, type, order, size, price, direction")
        stamp, kind, order, size, price, direction = fields[:6]
        seconds, _, fraction = stamp.partition(".")
        action, note = _LOBSTER_ACTIONS[kind]
        time_ns = int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
        yield Step(time_ns, action, order, "1" if direction == "1" else "2", _lobster_price(price), int(size), note)


def _lobster_price(price: str) -> str:
    if not price.isdigit():  # a halt says -1, 0 or 1 here
        return price
    digits = price.rjust(LOBSTER_PRICE_DECIMALS + 1, "0")
    fraction = digits[-LOBSTER_PRICE_DECIMALS:].rstrip("0")
    whole = digits[:-LOBSTER_PRICE_DECIMALS]
    return f"{whole}.{fraction}" if fraction else whole
