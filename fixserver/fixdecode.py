"""FIX messages as people read them: names of fields and what their values mean, by the venue's dictionaries. It checks nothing:
whatever comes or goes over the wire has fields, right or wrong.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import msgspec

SOH = "\x01"
FIELDS_MAX = 2_000  # of a message; the raw text has all
UNKNOWN = "?"

# By BeginString(8): which dictionaries have its fields, the later before the earlier. FIXT.1.1 carries FIX 5.0SP2 here.
_DICTIONARIES = {"FIX.4.2": ("FIX42",), "FIX.4.4": ("FIX44",), "FIXT.1.1": ("FIXT11", "FIX50SP2")}
_LATEST = "FIXT.1.1"
_SEVERAL = frozenset(("MULTIPLEVALUESTRING", "MULTIPLECHARVALUE", "MULTIPLESTRINGVALUE"))  # values apart by blanks
_TAG = re.compile("[1-9][0-9]{0,8}")  # of a field's beginning: what is not is a part of the value before
_NO_ORDER = "NONE"
_CL_ORD_ID, _ORIG_CL_ORD_ID = "11", "41"
_REJECT_REF_ID, _REF_MSG_TYPE, _BY_CL_ORD_ID = "379", "372", frozenset("DFGHq")
_BEGIN_STRING, _MSG_TYPE, _ORDER_ID = "8", "35", "37"

Field = tuple[int, str, str, str | None]  # tag, name, value, meaning


class _Entry(NamedTuple):
    name: str
    several: bool
    values: dict[str, str]


class Decoded(NamedTuple):
    """A message: `type` is MsgType(35) and `name` what that is called. `cl_ord_ids` are those that it names orders by, a ClOrdID
    before the one in whose place it comes. `fields` in the order in which they stand, groups too."""

    type: str
    name: str
    cl_ord_ids: list[str]
    order_id: str | None
    fields: list[Field]


class _Dictionary:
    """The fields and messages of a version."""

    def __init__(self, files: list[Path]) -> None:
        self.fields: dict[str, _Entry] = {}
        self.messages: dict[str, str] = {}
        for file in files:
            root = ElementTree.parse(file).getroot()
            for message in root.iterfind("messages/message"):
                self.messages[message.attrib["msgtype"]] = message.attrib["name"]
            for field in root.iterfind("fields/field"):
                tag = field.attrib["number"]
                values = {value.attrib["enum"]: words(value.attrib["description"]) for value in field if tag != _BEGIN_STRING}
                if values or tag not in self.fields:
                    self.fields[tag] = _Entry(field.attrib["name"], field.attrib["type"] in _SEVERAL, values)

    def meaning(self, tag: str, entry: _Entry, value: str) -> str | None:
        if tag == _MSG_TYPE:
            return self.messages.get(value)
        if not entry.values:
            return None
        if entry.several:
            found = [entry.values.get(one, UNKNOWN) for one in value.split(" ")]
            return ", ".join(found) if any(one != UNKNOWN for one in found) else None
        return entry.values.get(value)


class Decoder:
    """Decodes by the dictionaries in `directory`, which are read when the first message of their version comes.

    That takes half a second, so `load` may be called in a thread before.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read = cache(self._read_dictionary)

    def load(self) -> None:
        """Read them all. Raises OSError, ElementTree.ParseError."""
        for begin_string in _DICTIONARIES:
            self._read(begin_string)

    def _read_dictionary(self, begin_string: str) -> _Dictionary:
        return _Dictionary([self._directory / f"{name}.xml" for name in _DICTIONARIES[begin_string]])

    def decode(self, raw: str) -> Decoded:
        """`raw` has SOH between fields. What is no message at all has no fields."""
        pairs = _pairs(raw)
        begin_string = pairs[0][1] if pairs else ""
        dictionary = self._read(begin_string if begin_string in _DICTIONARIES else _LATEST)
        known = dictionary.fields
        msg_type, order_id, ref_id, ref_type = "", None, "", ""
        cl_ord_ids: list[str] = []
        of_before: list[str] = []
        fields: list[Field] = []
        for tag, value in pairs:
            entry = known.get(tag)
            if entry is None:
                fields.append((int(tag), UNKNOWN, value, None))
            else:
                meaning = dictionary.meaning(tag, entry, value) if entry.values or tag == _MSG_TYPE else None
                fields.append((int(tag), entry.name, value, meaning))
            if tag == _CL_ORD_ID:
                cl_ord_ids.append(value)
            elif tag == _ORIG_CL_ORD_ID:
                of_before.append(value)
            elif tag == _MSG_TYPE:
                msg_type = msg_type or value
            elif tag == _ORDER_ID and value != _NO_ORDER:
                order_id = order_id or value
            elif tag == _REJECT_REF_ID:
                ref_id = value
            elif tag == _REF_MSG_TYPE:
                ref_type = value
        if msg_type == "j" and ref_id and ref_type in _BY_CL_ORD_ID:
            cl_ord_ids.append(ref_id)
        named = [name for name in dict.fromkeys((*cl_ord_ids, *of_before)) if name]
        return Decoded(msg_type, dictionary.messages.get(msg_type, UNKNOWN), named, order_id or None, fields)


def _pairs(raw: str) -> list[tuple[str, str]]:
    """Tag and value of each field. A separator within a data field is a part of its value."""
    pairs: list[tuple[str, str]] = []
    for part in raw.removesuffix(SOH).split(SOH):
        tag, equals, value = part.partition("=")
        if equals and _TAG.fullmatch(tag):
            if len(pairs) == FIELDS_MAX:
                break
            pairs.append((tag, value))
        elif pairs:
            pairs[-1] = (pairs[-1][0], pairs[-1][1] + SOH + part)
    return pairs


@cache
def words(description: str) -> str:
    """What a dictionary says of a value, as people write: words("PARTIALLY_FILLED") is "partially filled"."""
    return description.replace("_", " ").lower()


class Message(msgspec.Struct, frozen=True):
    """A message of one of a participant's sessions. `raw` has | between fields; a field is [tag, name, value, meaning], with null
    for a value that speaks for itself."""

    time: str
    session: str
    direction: str
    type: str
    name: str
    cl_ord_ids: list[str]
    order_id: str | None
    raw: str
    fields: list[Field]


def message(time: str, session: str, direction: str, raw: str, decoded: Decoded) -> Message:
    return Message(
        time, session, direction, decoded.type, decoded.name, decoded.cl_ord_ids, decoded.order_id, raw.replace(SOH, "|"),
        decoded.fields,
    )  # fmt: skip
