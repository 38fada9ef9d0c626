"""The venue's FIX dictionaries: QuickFIX's stock ones plus what ADDED, VALUES and MESSAGES list; it never takes anything out.

A field or value that a version lacks is defined as the stock dictionary of a later version has it; what
no version has is as VENUE_FIELDS says. The files under config/dictionaries/ are made by this, not by hand:

    fixserver dictionaries --output config/dictionaries
"""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

VERSIONS = ("FIX42", "FIX44", "FIXT11", "FIX50SP2")
# Where a definition is looked for that a version lacks, the nearest first.
LATER = ("FIX44", "FIX50SP2")


class Added(NamedTuple):
    """Optional fields in a message or component; `place` may go on to a group in it."""

    version: str
    place: str
    fields: tuple[str, ...]
    why: str


class Values(NamedTuple):
    """Values that a field may have besides those of its version."""

    version: str
    field: str
    values: tuple[str, ...]
    why: str


class VenueField(NamedTuple):
    """A field of the venue's own."""

    number: int
    type: str
    values: dict[str, str]
    why: str


VENUE_FIELDS = {
    "CancelOrdersOnDisconnect": VenueField(
        8013,
        "CHAR",
        {"N": "NONE", "D": "DAY_ORDERS", "A": "ALL_ORDERS"},
        "in Logon: which orders to cancel when the session ends, instead of what is configured for the participant",
    ),
    "SelfMatchPreventionID": VenueField(
        7928, "STRING", {}, "before FIX 5.0SP2, which has it as 2362: orders of one participant with the same ID do not trade"
    ),
    "SelfMatchPreventionInstruction": VenueField(
        8000,
        "INT",
        {"1": "CANCEL_AGGRESSIVE", "2": "CANCEL_PASSIVE", "3": "CANCEL_BOTH", "4": "DECREMENT_AND_CANCEL"},
        "before FIX 5.0SP2, which has it as 2964: what becomes of two orders that are not to trade",
    ),
}

_SELF_MATCH = ("SelfMatchPreventionID", "SelfMatchPreventionInstruction")

_NO_GAP = "a client can prove that it missed nothing"

ADDED = (
    Added("FIX42", "Logon", ("Username", "Password"), "credentials, as later versions have them"),
    Added("FIX42", "Logon", ("CancelOrdersOnDisconnect",), "cancel on disconnect is a choice of the session"),
    Added("FIX44", "Logon", ("CancelOrdersOnDisconnect",), "cancel on disconnect is a choice of the session"),
    Added("FIXT11", "Logon", ("CancelOrdersOnDisconnect",), "cancel on disconnect is a choice of the session"),
    Added("FIX42", "NewOrderSingle", _SELF_MATCH, "self-trade prevention by order"),
    Added("FIX44", "NewOrderSingle", _SELF_MATCH, "self-trade prevention by order"),
    Added("FIX42", "OrderCancelReplaceRequest", _SELF_MATCH, "self-trade prevention by order"),
    Added("FIX44", "OrderCancelReplaceRequest", _SELF_MATCH, "self-trade prevention by order"),
    Added("FIX42", "ExecutionReport", _SELF_MATCH, "what the order said comes back"),
    Added("FIX44", "ExecutionReport", _SELF_MATCH, "what the order said comes back"),
    Added("FIX50SP2", "ListOrdGrp/NoOrders", _SELF_MATCH, "self-trade prevention by order of a list"),
    Added("FIX44", "ListOrdGrp/NoOrders", _SELF_MATCH, "self-trade prevention by order of a list"),
    Added("FIX42", "NewOrderList/NoOrders", _SELF_MATCH, "self-trade prevention by order of a list"),
    Added("FIX42", "NewOrderList", ("ContingencyType",), "orders that depend on each other, as FIX 5.0SP2 says it"),
    Added("FIX44", "NewOrderList", ("ContingencyType",), "orders that depend on each other, as FIX 5.0SP2 says it"),
    Added("FIX42", "MassQuote", ("Account",), "whose quotes these are, as later versions say it"),
    Added("FIX42", "ExecutionReport", ("QuoteID", "QuoteEntryID"), "which quote was filled"),
    Added("FIX44", "ExecutionReport", ("QuoteID", "QuoteEntryID"), "which quote was filled"),
    Added("FIX50SP2", "ExecutionReport", ("QuoteID", "QuoteEntryID"), "which quote was filled"),
    Added("FIX42", "ExecutionReport", ("LastLiquidityInd",), "maker or taker, as later versions say it"),
    Added("FIX42", "ExecutionReport", ("MassStatusReqID", "TotNumReports", "LastRptRequested"), "answers to AF"),
    Added("FIX42", "MarketDataSnapshotFullRefresh/NoMDEntries", ("MDEntryID", "RptSeq"), _NO_GAP),
    Added("FIX42", "MarketDataIncrementalRefresh/NoMDEntries", ("RptSeq",), _NO_GAP),
    Added("FIX44", "MDFullGrp/NoMDEntries", ("MDEntryID", "RptSeq"), _NO_GAP),
    Added("FIX44", "MDIncGrp/NoMDEntries", ("RptSeq",), _NO_GAP),
)

VALUES = (
    Values("FIX42", "OrdRejReason", ("11", "13", "15", "16", "18", "25", "99"), "readers may meet them in logs of later versions"),
    Values("FIX44", "OrdRejReason", ("16", "18", "25"), "price band, tick, not enough cash or shares"),
    Values("FIX42", "CxlRejReason", ("6", "8", "18", "99"), "duplicate ClOrdID, band, tick, other"),
    Values("FIX44", "CxlRejReason", ("8", "18"), "band, tick"),
    Values("FIX42", "BusinessRejectReason", ("8",), "throttle"),
    Values("FIX44", "BusinessRejectReason", ("8",), "throttle"),
    Values("FIX42", "ExecRestatementReason", ("6", "8", "12", "13", "17", "18", "19", "20"), "why an order was canceled unasked"),
    Values("FIX44", "ExecRestatementReason", ("12", "13", "17", "18", "19", "20"), "why an order was canceled unasked"),
    Values("FIX42", "OrdType", ("K",), "market with left over as limit"),
    Values("FIX42", "TimeInForce", ("7",), "at the close"),
    Values("FIX44", "ExecType", ("L",), "a parked order, such as a stop, goes to work"),
    Values("FIX50SP2", "SelfMatchPreventionInstruction", ("4",), "decrement and cancel"),
    Values("FIX42", "ExecInst", ("o",), "cancel on connection loss"),
    Values("FIX44", "ExecInst", ("o",), "cancel on connection loss"),
    Values("FIX44", "PosAmtType", ("SETL",), "cash that is still to be received, or paid"),
    Values("FIX42", "MDEntryType", ("A", "B", "J", "Q"), "imbalance, traded volume, empty book, auction clearing price"),
    Values("FIX44", "MDEntryType", ("J", "Q"), "empty book: what a snapshot says where there is nothing; auction clearing price"),
    Values("FIX42", "TradeCondition", ("P", "Q"), "the imbalance of an auction: more buyers, more sellers"),
)

# Messages that a version lacks. The instrument's fields are those by which the venue knows one.
MESSAGES = {
    "FIX42": """
        <messages>
          <message name='OrderMassCancelRequest' msgtype='q' msgcat='app'>
            <field name='ClOrdID' required='Y' />
            <field name='MassCancelRequestType' required='Y' />
            <field name='TradingSessionID' required='N' />
            <field name='Symbol' required='N' />
            <field name='SymbolSfx' required='N' />
            <field name='SecurityID' required='N' />
            <field name='IDSource' required='N' />
            <field name='SecurityType' required='N' />
            <field name='SecurityExchange' required='N' />
            <field name='Side' required='N' />
            <field name='TransactTime' required='Y' />
            <field name='Text' required='N' />
          </message>
          <message name='OrderMassCancelReport' msgtype='r' msgcat='app'>
            <field name='ClOrdID' required='N' />
            <field name='OrderID' required='Y' />
            <field name='MassCancelRequestType' required='Y' />
            <field name='MassCancelResponse' required='Y' />
            <field name='MassCancelRejectReason' required='N' />
            <field name='TotalAffectedOrders' required='N' />
            <group name='NoAffectedOrders' required='N'>
              <field name='OrigClOrdID' required='N' />
              <field name='AffectedOrderID' required='N' />
            </group>
            <field name='TradingSessionID' required='N' />
            <field name='Symbol' required='N' />
            <field name='SymbolSfx' required='N' />
            <field name='SecurityID' required='N' />
            <field name='IDSource' required='N' />
            <field name='SecurityType' required='N' />
            <field name='SecurityExchange' required='N' />
            <field name='Side' required='N' />
            <field name='TransactTime' required='N' />
            <field name='Text' required='N' />
          </message>
          <message name='OrderMassStatusRequest' msgtype='AF' msgcat='app'>
            <field name='MassStatusReqID' required='Y' />
            <field name='MassStatusReqType' required='Y' />
            <field name='Account' required='N' />
            <field name='TradingSessionID' required='N' />
            <field name='Symbol' required='N' />
            <field name='SymbolSfx' required='N' />
            <field name='SecurityID' required='N' />
            <field name='IDSource' required='N' />
            <field name='SecurityType' required='N' />
            <field name='SecurityExchange' required='N' />
            <field name='Side' required='N' />
          </message>
          <message name='SecurityListRequest' msgtype='x' msgcat='app'>
            <field name='SecurityReqID' required='Y' />
            <field name='SecurityListRequestType' required='Y' />
            <field name='Symbol' required='N' />
            <field name='SymbolSfx' required='N' />
            <field name='SecurityID' required='N' />
            <field name='IDSource' required='N' />
            <field name='SecurityType' required='N' />
            <field name='SecurityExchange' required='N' />
            <field name='Currency' required='N' />
            <field name='Text' required='N' />
            <field name='TradingSessionID' required='N' />
            <field name='SubscriptionRequestType' required='N' />
          </message>
          <message name='SecurityList' msgtype='y' msgcat='app'>
            <field name='SecurityReqID' required='Y' />
            <field name='SecurityResponseID' required='Y' />
            <field name='SecurityRequestResult' required='Y' />
            <field name='TotalNumSecurities' required='N' />
            <field name='LastFragment' required='N' />
            <group name='NoRelatedSym' required='N'>
              <field name='Symbol' required='N' />
              <field name='SymbolSfx' required='N' />
              <field name='SecurityID' required='N' />
              <field name='IDSource' required='N' />
              <field name='SecurityType' required='N' />
              <field name='SecurityExchange' required='N' />
              <field name='SecurityDesc' required='N' />
              <field name='Currency' required='N' />
              <field name='RoundLot' required='N' />
              <field name='MinTradeVol' required='N' />
              <field name='TradingSessionID' required='N' />
              <field name='Text' required='N' />
            </group>
            <field name='Text' required='N' />
          </message>
        </messages>
    """,
}


def stock_directory() -> Path:
    """Where the installed quickfix keeps the dictionaries it brings."""
    return Path(sys.prefix) / "share" / "quickfix"


def quickfix_version() -> str:
    return metadata.version("quickfix")


def generate() -> dict[str, str]:
    """The text of each venue dictionary by file name. FileNotFoundError where a stock one is missing."""
    stock = {version: ElementTree.parse(stock_directory() / f"{version}.xml").getroot() for version in VERSIONS}
    later = {version: _definitions(stock[version]) for version in LATER}
    return {f"{version}.xml": _extended(version, stock[version], later) for version in VERSIONS}


def _extended(version: str, root: ElementTree.Element, later: dict[str, dict[str, ElementTree.Element]]) -> str:
    fields = root.find("fields")
    messages = root.find("messages")
    assert fields is not None, "a dictionary without fields is none"
    assert messages is not None, "a dictionary without messages is none"
    places = {place.get("name"): place for tag in ("messages", "components") for place in root.find(tag) or ()}
    known = {field.get("name"): field for field in fields}
    for message in ElementTree.fromstring(MESSAGES.get(version, "<messages/>")):
        assert message.get("name") not in places, f"{version} has {message.get('name')} already"
        messages.append(message)
        _allow(known["MsgType"], str(message.get("msgtype")), later)
        for element in message.iter():
            if element.tag in ("field", "group"):
                _define(fields, str(element.get("name")), later)
    for added in ADDED:
        if added.version == version:
            place, *groups = added.place.split("/")
            element = places[place]
            for group in groups:
                element = next(inner for inner in element if inner.tag == "group" and inner.get("name") == group)
            for name in added.fields:
                assert all(inner.get("name") != name for inner in element), f"{version}: {added.place} has {name} already"
                ElementTree.SubElement(element, "field", name=name, required="N")
                _define(fields, name, later)
    for values in VALUES:
        if values.version == version:
            for value in values.values:
                _allow(known[values.field], value, later)
    ElementTree.indent(root, " ")
    origin = f"QuickFIX {quickfix_version()}'s {version}.xml"
    made = f"Made by `fixserver dictionaries` of {origin}. fixserver/dictionaries.py lists what is added."
    return f"<!-- {made} -->\n{ElementTree.tostring(root, encoding='unicode')}\n"


def _definitions(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {str(field.get("name")): field for field in root.find("fields") or ()}


def _define(fields: ElementTree.Element, name: str, later: dict[str, dict[str, ElementTree.Element]]) -> None:
    """Have `name` among the fields."""
    if any(field.get("name") == name for field in fields):
        return
    if name in VENUE_FIELDS:
        own = VENUE_FIELDS[name]
        field = ElementTree.SubElement(fields, "field", number=str(own.number), name=name, type=own.type)
        for value, description in own.values.items():
            ElementTree.SubElement(field, "value", enum=value, description=description)
        return
    fields.append(next(later[version][name] for version in LATER if name in later[version]))


def _allow(field: ElementTree.Element, value: str, later: dict[str, dict[str, ElementTree.Element]]) -> None:
    """Have `value` among the values of the field."""
    name = str(field.get("name"))
    assert all(known.get("enum") != value for known in field), f"{name} has {value} already"
    for version in LATER:
        for known in later[version].get(name, ()):
            if known.get("enum") == value:
                ElementTree.SubElement(field, "value", enum=value, description=str(known.get("description")))
                return
    assert name in VENUE_FIELDS and value in VENUE_FIELDS[name].values, f"no later version, and not the venue, has {name}={value}"
    ElementTree.SubElement(field, "value", enum=value, description=VENUE_FIELDS[name].values[value])


# ------------------------------------------------------------------------------------------ command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = Path("config/dictionaries")
    parser.add_argument("--output", type=Path, default=default, metavar="DIR", help="where they go (%(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing: exit 1 where a file is not what would be written")


def run(args: argparse.Namespace) -> int:
    try:
        generated = generate()
    except FileNotFoundError as error:
        print(f"{error.filename}: not there: quickfix is not installed as a package brings it", file=sys.stderr)
        return 2
    stale = 0
    for name, text in generated.items():
        path = args.output / name
        if args.check:
            same = path.is_file() and path.read_text(encoding="utf-8") == text
            stale += not same
            print(f"{path}: {'as generated' if same else 'differs: run fixserver dictionaries'}")
        else:
            args.output.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path)
    return 1 if stale else 0
