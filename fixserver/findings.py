"""What `fixserver doctor` finds: what was looked at, how it is, what is there, and what to do about it."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "warning", "wrong"]


class Finding(msgspec.Struct, frozen=True):
    """`warning`: the venue runs, and somebody should know. `wrong`: it does not start, or what it promises does not hold.
    `do` is empty where there is nothing to do."""

    check: str
    state: State
    found: str
    do: str = ""


def ok(check: str, found: str) -> Finding:
    return Finding(check, "ok", found)


def warning(check: str, found: str, do: str) -> Finding:
    return Finding(check, "warning", found, do)


def wrong(check: str, found: str, do: str) -> Finding:
    return Finding(check, "wrong", found, do)
