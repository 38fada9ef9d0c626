"""Moments as people and programs write them, and nanoseconds since 1970; it never asks for the time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from fixserver.web.errors import bad_request

NANOSECONDS = 1_000_000_000
MOMENT_MAX = 2**63 - 1
TEXT_CHARACTERS_MAX = 64

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,12}))?)?(?:([Zz])|([+\- ])(\d\d):?(\d\d))?)?", re.ASCII
)


def moment(name: str, text: str | None) -> int | None:
    """The parameter `name` as nanoseconds; None where it is not there. UTC where it says no offset.

    What is before 1970 is 1970, what is beyond what the venue can count its end. Raises ApiError: 400.
    """
    if text is None:
        return None
    match = _MOMENT.fullmatch(text[: TEXT_CHARACTERS_MAX + 1])
    try:
        if match is None:
            raise ValueError
        date, minute, second, fraction, _, sign, hours, minutes = match.groups()
        day = datetime.fromisoformat(date).replace(tzinfo=UTC)
        found = (day - _EPOCH) // timedelta(seconds=1)
        if minute is not None:
            found += _within(minute[:2], 23) * 3600 + _within(minute[3:], 59) * 60 + _within(second or "0", 60)
        if sign is not None:
            # A plus that was not escaped in the query is a space here.
            offset = _within(hours, 23) * 3600 + _within(minutes, 59) * 60
            found -= -offset if sign == "-" else offset
        nanoseconds = int((fraction or "").ljust(9, "0")[:9])
    except ValueError:
        raise bad_request("not-a-time", f"{name}: a moment is written 2026-11-21T04:07:43.5Z or 2026-11-21, not {text}") from None
    return min(max(found * NANOSECONDS + nanoseconds, 0), MOMENT_MAX)


def _within(digits: str, most: int) -> int:
    found = int(digits)
    if found > most:
        raise ValueError
    return found
