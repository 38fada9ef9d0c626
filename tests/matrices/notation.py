"""Order state change matrices as text, and what their words are in each version of FIX; it plays nothing.

A file holds scenarios. A line that begins with `==` opens one: the matrix's number in FIX 4.4 volume 4, appendix D, and which of
its ways this is, where it has several (`== B.1.a: the request is rejected`). A line that begins with `!` says what the venue does
otherwise than the matrix, and why; one with `only` names the versions that can say it (`only 4.4 5.0SP2`). `#` begins a comment
line. Then one row a line, with the matrix's own time before it:

    1 > New Order(X)     |          |                  | 10000 |       |       |      | Price=100.00
    2 < Execution(X)     | New      | New              | 10000 |     0 | 10000 |    0 |
    3 : market sells 2000
    3 < Execution(X)     | Trade    | Partially Filled | 10000 |  2000 |  8000 | 2000 |

`>` is a message that the venue receives: a type, its ClOrdID and OrigClOrdID, and OrderQty. An order buys, for a day, with the
limit 100.00, unless the last column says otherwise.
`<` is the next message that the venue sends: ExecType, OrdStatus, OrderQty, CumQty, LeavesQty, LastQty, and in the last column
whatever else the matrix names. Each is checked. A cell left empty is a field that the message must not have; LastQty 0 is one that
it has not, or has as 0. Letters in ExecID and ExecRefID are the matrix's own names for the reports.
`:` is what happens at the venue: see ACTIONS. `day ends` parts a scenario into acts.

A value that differs by version is written `4.2/4.4/5.0SP2`; `-` says that the field is not there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.venue import VERSIONS

REQUESTS = {"New Order": "D", "Cancel Request": "F", "Replace Request": "G", "Status Request": "H"}
ANSWERS = {"Execution": "8", "Cancel Reject": "9"}
NAMES = dict(zip(("4.2", "4.4", "5.0SP2"), VERSIONS, strict=True))
ACTIONS = (
    r"market (?P<deed>sells|buys|offers|bids) (?P<quantity>\d+)(?: at (?P<price>[\d.]+))?",  # sells, buys: at once, and wholly
    r"operator (?P<deed>halts|resumes)",
    r"operator (?P<deed>sets) (?P<name>[a-z-]+)",  # the phase
    r"operator (?P<deed>splits) (?P<ratio>\d+:\d+)",
    r"operator (?P<deed>cancels) (?P<name>\w)",  # the order that has this ClOrdID
    r"(?P<refused>refused: )?operator (?P<deed>busts) (?P<name>\w)",  # the trade that was reported with this ExecID
    r"(?P<refused>refused: )?operator (?P<deed>corrects) (?P<name>\w) to (?P<quantity>\d+) at (?P<price>[\d.]+)",
    r"day (?P<deed>ends)",
)
TAGS = {
    "AvgPx": 6, "CxlRejReason": 102, "ExecID": 17, "ExecInst": 18, "ExecRefID": 19, "ExecRestatementReason": 378,
    "ExpireTime": 126, "LastPx": 31, "OrdRejReason": 103, "OrdType": 40, "OrderID": 37, "PossResend": 97, "Price": 44, "Side": 54,
    "StopPx": 99, "Text": 58, "TimeInForce": 59, "WorkingIndicator": 636, "CashOrderQty": 152, "MinQty": 110,
}  # fmt: skip
COLUMNS = {"OrderQty": 38, "CumQty": 14, "LeavesQty": 151, "LastQty": 32}
ORD_STATUS = {
    "New": "0", "Partially Filled": "1", "Filled": "2", "Canceled": "4", "Replaced": "5", "Rejected": "8", "Expired": "C",
}  # fmt: skip
EXEC_TYPE = {
    "New": "0", "Canceled": "4", "Replace": "5", "Rejected": "8", "Expired": "C", "Restated": "D", "Trade": "F",
    "Trade Correct": "G", "Trade Cancel": "H", "Order Status": "I", "Triggered": "L",
}  # fmt: skip
# FIX 4.2 says with ExecTransType what later versions say with ExecType.
EXEC_TRANS_TYPE = {"Trade Cancel": "1", "Trade Correct": "2", "Order Status": "3"}


class Malformed(Exception):
    """A scenario that cannot be read; names file and line."""


@dataclass(frozen=True)
class Row:
    """One line of a table. `fields` of a message that is sent: the values by tag, None for one that must not be there."""

    line: int
    time: str
    text: str
    kind: str  # > < or :
    message: str = ""  # of REQUESTS or ANSWERS
    cl_ord_id: str = ""
    orig_cl_ord_id: str = ""
    exec_type: str = ""
    ord_status: str = ""
    quantities: tuple[str, ...] = ()  # as COLUMNS
    also: tuple[tuple[str, str], ...] = ()
    action: tuple[tuple[str, str], ...] = ()

    def named(self, version: str) -> dict[str, str]:
        """What the last column names, as this version has it; "-" for a field that is not to be there."""
        return {name: by_version(value, version) for name, value in self.also}

    def expected(self, version: str) -> dict[int, str]:
        """The fields that the message must have, by tag; "-" for those that it must not have, and for LastQty 0.

        ClOrdIDs, ExecIDs and OrderIDs are not among them: their values are the player's.
        """
        found = {39: ORD_STATUS[self.ord_status]}
        if self.message == "Cancel Reject":
            found |= dict.fromkeys(COLUMNS.values(), "-")
        else:
            found |= {tag: value or "-" for tag, value in zip(COLUMNS.values(), self.quantities, strict=True)}
            if found[32] == "0":
                found[32] = "-"
            found |= self._exec_type(version)
        return found | {TAGS[name]: value for name, value in self.named(version).items() if name not in PLAYERS_OWN}

    def _exec_type(self, version: str) -> dict[int, str]:
        status = ORD_STATUS[self.ord_status]
        if version != "FIX.4.2":
            return {150: EXEC_TYPE[self.exec_type], 20: "-"}
        found = {20: EXEC_TRANS_TYPE.get(self.exec_type, "0")}
        if self.exec_type == "Order Status":
            return found | {150: status}
        if self.exec_type in ("Trade", "Trade Cancel", "Trade Correct"):
            return found | {150: "2" if self.ord_status == "Filled" else "1"}
        if self.exec_type == "Replace" and self.ord_status == "New":
            return found | {150: "5", 39: "5"}  # which later versions have as New
        return found | {150: EXEC_TYPE[self.exec_type]}


PLAYERS_OWN = ("ExecID", "ExecRefID", "OrderID")


@dataclass
class Scenario:
    """One way through one matrix. `acts` are its rows, parted by the ends of trading days."""

    reference: str
    way: str
    file: Path
    line: int
    versions: tuple[str, ...] = VERSIONS
    differences: list[str] = field(default_factory=list)
    acts: list[list[Row]] = field(default_factory=lambda: [[]])


def by_version(value: str, version: str) -> str:
    """One of three, or the value itself."""
    parts = value.split("/")
    return parts[VERSIONS.index(version)] if len(parts) == len(VERSIONS) else value


def scenarios_of(file: Path) -> list[Scenario]:
    """The scenarios of a file, in its order. Raises Malformed."""
    found: list[Scenario] = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        try:
            if words.startswith("=="):
                match = re.fullmatch(r"== (\w\.\d\.\w)(?:: (.+))?", words)
                assert match, "a scenario is opened by `== A.1.a` or `== A.1.a: which way`"
                found.append(Scenario(match[1], match[2] or "", file, number))
            elif words.startswith("only "):
                found[-1].versions = tuple(NAMES[name] for name in words.split()[1:])
            elif words.startswith("!"):
                found[-1].differences.append(words[1:].strip())
            else:
                row = _row(number, words)
                if row.action and dict(row.action)["deed"] == "ends":
                    found[-1].acts.append([])
                else:
                    found[-1].acts[-1].append(row)
        except (AssertionError, IndexError, KeyError, ValueError) as error:
            raise Malformed(f"{file.name}:{number}: {error!r}: {words}") from None
    return found


def _row(number: int, words: str) -> Row:
    match = re.fullmatch(r"(\d+(?:,\d+)?) ([><:]) (.+)", words)
    assert match, "a row is a time, one of > < :, and what happens"
    time, kind, rest = match.groups()
    if kind == ":":
        deed = next((found for pattern in ACTIONS if (found := re.fullmatch(pattern, rest))), None)
        assert deed, "no such action"
        return Row(number, time, words, kind, action=tuple((key, value) for key, value in deed.groupdict().items() if value))
    message, exec_type, ord_status, *quantities, also = (cell.strip() for cell in rest.split("|"))
    assert len(quantities) == len(COLUMNS), "a row has eight columns"
    parts = re.fullmatch(r"([A-Z][A-Za-z ]+?) ?\((\w)(?:,(\w))?\)", message)
    assert parts and parts[1] in (REQUESTS if kind == ">" else ANSWERS), "no such message"
    if kind == "<":
        assert ord_status in ORD_STATUS, "no such OrdStatus"
        assert exec_type in EXEC_TYPE or (parts[1] == "Cancel Reject" and not exec_type), "no such ExecType"
    named = tuple((name, value) for name, _, value in (item.partition("=") for item in also.split("; ") if item))
    assert all(name in TAGS for name, _ in named), "no such field"
    return Row(number, time, words, kind, parts[1], parts[2], parts[3] or "", exec_type, ord_status, tuple(quantities), named)
