"""Repeating groups of a message that is still text; it knows which tags begin an entry, and no dictionary."""

from __future__ import annotations

from collections.abc import Iterator

SOH = "\x01"


def pairs_of(text: str) -> Iterator[tuple[str, str]]:
    """Tags and values, in order. No value holds a separator: the sessions do not let such a message through."""
    for pair in text.split(SOH)[:-1]:
        tag, _, value = pair.partition("=")
        yield tag, value


def entries_of(text: str, count_tag: str, first_tag: str, outside: frozenset[str]) -> list[dict[str, str]]:
    """The fields of each entry of a group, of a repeated tag the last. An entry begins with `first_tag`.

    What is in `outside` belongs to the message, wherever it stands. What stands before the group, or before the first entry
    of it, is in none.
    """
    found: list[dict[str, str]] = []
    inside = False
    for tag, value in pairs_of(text):
        if tag == count_tag:
            inside = True
        elif inside and tag == first_tag:
            found.append({tag: value})
        elif found and tag not in outside:
            found[-1][tag] = value
    return found
