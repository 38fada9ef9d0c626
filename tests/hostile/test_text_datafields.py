"""Data fields whose length is not what they say never reach QuickFIX, which would read memory that is not its own."""

from __future__ import annotations

import pytest

from fixserver.datafields import DATA_FIELDS, LENGTH_FIELDS, lengths_true
from tests.hostile.dictionary import Field, messages
from tests.venue import VERSIONS, framed, order, soh


def frame(fields: str) -> bytes:
    return framed("FIX.4.4", soh("35=D|34=2|" + order("A1") + fields))


@pytest.mark.parametrize(
    ("fields", "true"),
    [
        ("", True),
        ("354=3|355=abc|", True),
        ("354=0|355=|", True),
        ("354=3|355=a=b|58=x|", True),
        ("354=03|355=abc|", True),
        ("93=1|89=x|", True),
        ("354=3|355=abc|348=1|349=x|", True),
        ("354=2|355=abc|", False),
        ("354=4|355=abc|", False),
        ("354=4|355=abc|58=x|", False),
        ("354=999999999|355=abc|", False),
        ("354=99999999999999999999|355=abc|", False),
        ("354=-1|355=abc|", False),
        ("354=|355=abc|", False),
        ("355=abc|", False),
        ("354=999999999|58=x|355=abc|", False),
        ("354=5|355=ab\x01c=|", False),
        ("354=3|355=abc|348=9|349=x|", False),
        ("88=1|89=x|", False),
    ],
)
def test_a_data_field_is_as_long_as_the_field_before_it_says(fields: str, true: bool) -> None:
    assert lengths_true(frame(fields)) is true


def test_every_data_field_of_the_dictionaries_is_known() -> None:
    found: set[int] = set()

    def look(fields: list[Field]) -> None:
        for one in fields:
            if one.type in ("DATA", "XMLDATA"):
                found.add(one.tag)
            look(one.group)

    for version in VERSIONS:
        for message in messages(version):
            look(message.fields)
    assert found <= set(DATA_FIELDS)
    assert all(lengths_true(frame(f"{LENGTH_FIELDS.get(tag, tag - 1)}=1|{tag}=x|")) for tag in DATA_FIELDS)
    assert not any(lengths_true(frame(f"{LENGTH_FIELDS.get(tag, tag - 1)}=9|{tag}=x|")) for tag in DATA_FIELDS)
    assert all(lengths_true(frame(f"{tag}=x|")) for tag in range(1, 45_000) if tag not in DATA_FIELDS)
