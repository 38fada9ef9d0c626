"""The messages that a FIX dictionary describes, and values for their fields: what generated tests are made of."""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

from tests.venue import DICTIONARIES, utc

FILES = {"FIX.4.2": ("FIX42.xml", "FIX42.xml"), "FIX.4.4": ("FIX44.xml", "FIX44.xml"), "FIXT.1.1": ("FIXT11.xml", "FIX50SP2.xml")}
IDENTIFIERS = (11, 37, 41, 66, 70, 117, 320, 324, 335, 568, 584, 710, 790, 909)
_GOOD = {
    "PRICE": "100", "QTY": "10", "AMT": "1", "PERCENTAGE": "1", "PRICEOFFSET": "1", "FLOAT": "1", "INT": "1",
    "LENGTH": "1",
    "SEQNUM": "1", "TAGNUM": "1", "CHAR": "X", "BOOLEAN": "Y", "CURRENCY": "USD", "COUNTRY": "US", "EXCHANGE": "X",
    "LANGUAGE": "en",
    "DATA": "x", "XMLDATA": "x", "MONTHYEAR": "202601", "MONTH-YEAR": "202601", "DAYOFMONTH": "1", "DAY-OF-MONTH": "1",
    "UTCDATE": "20260101", "UTCDATEONLY": "20260101", "LOCALMKTDATE": "20260101", "DATE": "20260101", "UTCTIMEONLY": "10:00:00",
    "TZTIMEONLY": "10:00Z", "TZTIMESTAMP": "20260101-10:00:00Z", "LOCALMKTTIME": "10:00:00", "TIME": "20260101-10:00:00",
}  # fmt: skip


@dataclass
class Field:
    tag: int
    name: str
    type: str
    values: list[str]
    required: bool = False
    group: list[Field] = field(default_factory=list)  # of an entry, when it is a NumInGroup

    @property
    def good(self) -> str:
        """A value that the dictionary allows."""
        if self.values:
            return self.values[0]
        if self.type == "UTCTIMESTAMP":
            return utc()
        return _GOOD.get(self.type, "TEXT")

    def text(self, value: str | None = None) -> str:
        """The field with one entry, if it is a group."""
        if self.group:
            inside = [one.text() for index, one in enumerate(self.group) if index == 0 or one.required]
            return f"{self.tag}={value or '1'}|{''.join(inside)}"
        return f"{self.tag}={self.good if value is None else value}|"


@dataclass
class MessageType:
    type: str
    name: str
    admin: bool
    fields: list[Field]

    def text(self, without: int = 0, *, whole: bool) -> str:
        """The body with its required fields, or all; data fields stay out, because their length belongs to them.
        Where the venue knows an identifier, it is `ID`."""
        return "".join(
            one.text("ID" if one.tag in IDENTIFIERS else None)
            for one in self.fields
            if one.tag != without and (one.required or whole) and one.type not in ("DATA", "XMLDATA", "LENGTH")
        )


@functools.cache
def messages(begin_string: str) -> list[MessageType]:
    """Every message of a version as the venue speaks it."""
    found: dict[str, MessageType] = {}
    for file in dict.fromkeys(FILES[begin_string]):
        root = ElementTree.parse(DICTIONARIES / file).getroot()
        known = {
            str(one.get("name")): (int(str(one.get("number"))), str(one.get("type")), [str(value.get("enum")) for value in one])
            for one in root.iterfind("fields/field")
        }
        components = {str(one.get("name")): one for one in root.iterfind("components/component")}

        def fields_of(
            element: ElementTree.Element,
            known: dict[str, tuple[int, str, list[str]]],
            components: dict[str, ElementTree.Element],
            *,
            needed: bool = True,
            depth: int = 0,
        ) -> list[Field]:
            fields: list[Field] = []
            for one in element:
                name, required = str(one.get("name")), one.get("required") == "Y" and needed
                if one.tag == "component":
                    fields += fields_of(components[name], known, components, needed=required, depth=depth + 1)
                else:
                    tag, kind, values = known[name]
                    group = fields_of(one, known, components, depth=depth + 1) if one.tag == "group" and depth < 6 else []
                    fields.append(Field(tag, name, kind, values, required, group))
            return fields

        for message in root.iterfind("messages/message"):
            kind = str(message.get("msgtype"))
            fields = fields_of(message, known, components)
            found.setdefault(kind, MessageType(kind, str(message.get("name")), message.get("msgcat") == "admin", fields))
    return list(found.values())
