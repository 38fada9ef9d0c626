"""What a test of order entry needs: clients who write down what they are told. It judges only what is true of every message.

A message is written as sorted fields with `|` between them, without the header and trailer that every message has.
What a test cannot know is replaced: OrderIDs by #1, #2 ... in the order in which they were first seen, ExecIDs and
times by `*`. Names of the test's own participants become A and B, those of its instruments X and Y.

Every message that comes in is checked against the venue's dictionary by QuickFIX, and against the stock one, which
knows all but what LATER lists.
"""

from __future__ import annotations

import json
import re
import select
import socket
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import quickfix as fix

from fixserver.dictionaries import stock_directory
from tests.venue import DICTIONARIES, Client, Message, Venue, utc

BUY, SELL = "1", "2"
HEADER = (8, 9, 34, 49, 52, 56, 10)
SECOND = r"\d{8}-\d\d:\d\d:\d\d"
TIME = {"FIX.4.2": SECOND + r"\.\d{3}", "FIX.4.4": SECOND + r"\.\d{3}", "FIXT.1.1": SECOND + r"\.\d{6}"}
STATUS = {"new": "0", "partially filled": "1", "filled": "2", "canceled": "4", "rejected": "8", "expired": "C"}
# What a venue of later versions says to clients of earlier ones: they need the venue's dictionary to read it. A message by its
# type, a field by its tag, a value by both.
LATER = {
    "FIX.4.2": ("35=r", "35=y", "584", "911", "912", "117", "299", "7928", "8000", "40=K", "59=7", "18=o"),
    "FIX.4.4": ("150=L", "117", "299", "7928", "8000", "18=o"),
    "FIXT.1.1": ("117", "299", "2964=4"),
}
# Messages that acknowledge quotes have QuoteID and QuoteEntryID on every version.
QUOTED = ("b",)
GROUPS = ("N", "b", "y", "AE", "AP", "BA")  # messages whose fields may come more than once
FILES = {"FIX.4.2": ("FIX42.xml",), "FIX.4.4": ("FIX44.xml",), "FIXT.1.1": ("FIXT11.xml", "FIX50SP2.xml")}


# ------------------------------------------------------------------------------------------- one form


def in_order(fields: str) -> str:
    """Fields sorted by tag, MsgType first."""
    pairs = [pair.partition("=") for pair in fields.split("|") if pair]
    return "|".join(f"{tag}={value}" for tag, _, value in sorted(pairs, key=lambda pair: (pair[0] != "35", int(pair[0]))))


# --------------------------------------------------------------------------------------- by the version


@dataclass(frozen=True)
class Words:
    """How one version says what happened: ExecType(150) and OrdStatus(39), and what goes with them."""

    version: str

    @property
    def old(self) -> bool:
        return self.version == "FIX.4.2"

    @property
    def latest(self) -> bool:
        return self.version == "FIXT.1.1"

    def pick(self, on_4_2: str, on_4_4: str, on_5_0: str) -> str:
        return {"FIX.4.2": on_4_2, "FIX.4.4": on_4_4, "FIXT.1.1": on_5_0}[self.version]

    def event(self, what: str) -> str:
        """The fields that say what happened."""
        trans = "20=0|" if self.old else ""
        if what.startswith("status "):
            status = STATUS[what[7:]]
            return f"20=3|150={status}|39={status}|" if self.old else f"150=I|39={status}|"
        if what in ("partial fill", "fill"):
            status = "1" if what == "partial fill" else "2"
            return f"{trans}150={status if self.old else 'F'}|39={status}|{'880=*|' if self.latest else ''}"
        exec_type, status = {
            "new": "00", "canceled": "44", "expired": "CC", "rejected": "88",
            "replaced": "55" if self.old else "50", "replaced, partially filled": "51", "replaced, filled": "52",
            "activated": "L0", "restated": "D0", "restated, partially filled": "D1",
        }[what]  # fmt: skip
        return f"{trans}150={exec_type}|39={status}|"


# ------------------------------------------------------------------------------------------ dictionaries


@cache
def dictionaries(version: str, directory: Path) -> tuple[Any, ...]:
    """The dictionaries of a version: one, or that of the sessions and that of the application."""
    return tuple(fix.DataDictionary(str(directory / name)) for name in FILES[version])


def check_by_dictionary(version: str, raw: bytes, directory: Path) -> None:
    """QuickFIX on the client's side takes this message. AssertionError when it does not."""
    text = raw.decode()
    found = dictionaries(version, directory)
    try:
        if len(found) == 1:
            found[0].validate(fix.Message(text, found[0], True))
        else:
            message = fix.Message()
            message.setString(text, True, *found)
            fix.DataDictionary.validate(message, *found)
    except fix.FIXException as error:
        raise AssertionError(f"{type(error).__name__} {error} by {directory}: {text.replace(chr(1), '|')}") from None


def check(version: str, message: Message) -> None:
    """What is true of every application message that the venue sends."""
    check_by_dictionary(version, message.raw, DICTIONARIES)
    if not _is_later(version, message):
        check_by_dictionary(version, message.raw, stock_directory())
    assert b"=\x01" not in message.raw, f"an empty field: {message}"
    if 60 in message.fields:
        assert re.fullmatch(TIME[version], message[60]), message
    tags = [tag for tag, _ in message.pairs]
    assert message.type in GROUPS or len(set(tags)) == len(tags), f"a field twice: {message}"
    if message.type == "8":
        assert int(message[37]) > 0 if message[37] != "NONE" else message[39] == "8", message
        lacks_a_bust = message[150] == "F" and message[39] == "4"
        if message[150] in ("0", "5", "1", "F") and message.get(20, "0") == "0" and not lacks_a_bust:
            assert _number(message[151]) + _number(message[14]) == _number(message[38]), f"leaves and executed: {message}"
        if message[39] in ("2", "4", "8", "C"):
            assert message[151] == "0", f"an order that is over has nothing left: {message}"


def _is_later(version: str, message: Message) -> bool:
    if message.type in QUOTED:
        return False
    said = {pair for tag, value in message.fields.items() for pair in (str(tag), f"{tag}={value}")}
    said |= {f"18={instruction}" for instruction in message.get(18).split(" ")}
    return not said.isdisjoint(LATER[version])


def _number(text: str) -> int:
    return round(float(text) * 100_000_000)


# --------------------------------------------------------------------------------------------- the desk


def operate(venue: Venue, action: str, **arguments: Any) -> Any:
    """Have the operator do something; returns the answer's result. AssertionError where it is refused."""
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rwb") as lines:
        connection.connect(str(venue.data / "admin.sock"))
        lines.write(json.dumps({"action": action, "arguments": arguments}).encode() + b"\n")
        lines.flush()
        answer = json.loads(lines.readline())
    assert answer["ok"], f"{action} {arguments}: {answer}"
    return answer.get("result")


@dataclass
class Desk:
    """One test's corner of a venue: participants A and B, instruments X and Y, all its own; one version of FIX."""

    words: Words
    names: dict[str, str]  # what stands for what: {"A17": "A", "X17": "X"}
    a: Trader
    b: Trader
    x: str
    y: str
    venue: Venue
    order_ids: dict[str, str] = field(default_factory=dict)
    exec_ids: dict[str, str] = field(default_factory=dict)

    def written(self, message: Message) -> str:
        """A message in the one form."""
        pairs = []
        for pair in message.pairs:
            tag, value = int(pair[0]), pair[1].decode()
            if tag in HEADER:
                continue
            if tag == 37 and message.type == "r":
                value = "*"
            elif tag == 37 and value != "NONE":
                value = self.order_ids.setdefault(value, f"#{len(self.order_ids) + 1}")
            elif tag == 17:
                if message.type == "8":
                    self._note_exec_id(value, message)
                value = "*"
            elif tag in (19, 60, 75, 122, 322, 571, 572, 715, 721, 880, 908, 1369):
                value = "*"
            elif tag in (1, 55, 58, 79, 448):
                for name, short in self.names.items():
                    value = re.sub(rf"\b{name}\b", short, value)
            pairs.append(f"{tag}={value}")
        return in_order("|".join(pairs))

    def _note_exec_id(self, value: str, message: Message) -> None:
        """An ExecID is of one report, though that report may come again."""
        what = self.exec_ids.setdefault(f"{value} to {message[56]}", message.get(11) + message[150] + message[14])
        assert what == message.get(11) + message[150] + message[14], f"ExecID {value} twice: {message}"

    def operate(self, action: str, **arguments: Any) -> Any:
        """What the operator does, of X where an instrument is needed and none is named."""
        if action in ("phase", "halt", "resume") and "symbol" not in arguments:
            arguments["symbol"] = self.x
        return operate(self.venue, action, **arguments)

    # What a test expects, as text in the one form.

    def report(self, what: str, order_id: str, cl_ord_id: str, terms: str, state: str, more: str = "", *, of: str = "A") -> str:
        """An ExecutionReport. `what` is in Words.event; `cl_ord_id` may be "C1 of A1", with the OrigClOrdID.

        `state` is "leaves/executed@average".
        """
        new, _, orig = cl_ord_id.partition(" of ")
        leaves, executed, average = re.fullmatch(r"(.+)/(.+)@(.+)", state).groups()  # type: ignore[union-attr]
        if f"{'|' + terms}".find("|55=") < 0:
            terms += "|55=X"
        account = f"1={of}|" if of else ""
        if self.words.version == "FIX.4.2":  # which has no LastLiquidityInd
            more = re.sub(r"851=[12]\|", "", more)
        return in_order(
            f"35=8|37={order_id}|11={new}|{f'41={orig}|' if orig else ''}17=*|{self.words.event(what)}{account}{terms}"
            f"|151={leaves}|14={executed}|6={average}|60=*|{more}"
        )

    def cancel_reject(self, order_id: str, cl_ord_id: str, status: str, response_to: str, reason: str, text: str) -> str:
        """An OrderCancelReject; `cl_ord_id` is "C1 of A1"."""
        new, _, orig = cl_ord_id.partition(" of ")
        return in_order(f"35=9|37={order_id}|11={new}|41={orig}|39={status}|434={response_to}|102={reason}|60=*|58={text}")

    def mass_report(self, cl_ord_id: str, scope: str, response: str, more: str) -> str:
        report_id = "1369=*|" if self.words.latest else ""
        return in_order(f"35=r|37=*|{report_id}11={cl_ord_id}|530={scope}|531={response}|60=*|{more}")


class Trader(Client):
    """A client of a desk, who can say what he was told since he last did."""

    desk: Desk
    _questions = 0

    def enter(
        self, cl_ord_id: str, side: str, quantity: int | str, price: str = "", more: str = "", *, symbol: str = "", header: str = ""
    ) -> None:
        """NewOrderSingle: limit, or market without a price."""
        terms = f"40=2|44={price}|" if price else "40=1|"
        self.send(
            "D", f"11={cl_ord_id}|21=1|55={symbol or self.desk.x}|54={side}|60={utc()}|38={quantity}|{terms}{more}", header=header
        )

    def cancel(self, cl_ord_id: str, orig: str, side: str = BUY, *, symbol: str = "", more: str = "", header: str = "") -> None:
        """OrderCancelRequest."""
        orig_field = f"41={orig}|" if orig else ""
        self.send("F", f"{orig_field}11={cl_ord_id}|55={symbol or self.desk.x}|54={side}|60={utc()}|{more}", header=header)

    def replace(
        self, cl_ord_id: str, orig: str, side: str, quantity: int | str, price: str = "", more: str = "", *, symbol: str = "",
        header: str = "",
    ) -> None:  # fmt: skip
        """OrderCancelReplaceRequest."""
        terms = f"40=2|44={price}|" if price else "40=1|"
        orig_field = f"41={orig}|" if orig else ""
        self.send(
            "G", f"{orig_field}11={cl_ord_id}|21=1|55={symbol or self.desk.x}|54={side}|60={utc()}|38={quantity}|{terms}{more}",
            header=header,
        )  # fmt: skip

    def ask(self, cl_ord_id: str, side: str = BUY, more: str = "", *, symbol: str = "") -> None:
        """OrderStatusRequest."""
        self.send("H", f"11={cl_ord_id}|55={symbol or self.desk.x}|54={side}|{more}")

    def mass_cancel(self, cl_ord_id: str, more: str = "530=7|") -> None:
        """OrderMassCancelRequest."""
        self.send("q", f"11={cl_ord_id}|60={utc()}|{more}")

    def ask_all(self, request: str, more: str = "585=7|") -> None:
        """OrderMassStatusRequest."""
        self.send("AF", f"584={request}|{more}")

    def messages(self) -> list[Message]:
        """Everything that came since the last call, up to the answer to a question that is asked now."""
        self._questions += 1
        mark, number = f"question-{self._questions}-{self.begin_string}", self.next_out
        self.ask(mark)
        found: list[Message] = []
        while True:
            message = self.receive()
            if message.type == "2":  # what was sent just before a crash may not have been noted
                self.send("4", f"43=Y|122={utc()}|123=Y|36={number}|", number=int(message[7]))
                continue
            if message.type not in "01345A":
                check(self.begin_string, message)
            if message.get(11) == mark:
                return found
            if message.type not in "01":
                found.append(message)

    def told(self) -> list[str]:
        """messages(), each in the one form."""
        return [self.desk.written(message) for message in self.messages()]

    def told_one(self) -> str:
        """The one message that came."""
        (message,) = self.told()
        return message

    def come_back(self, fields: str = "") -> list[str]:
        """Log on again, ask for what was missed, and say what came."""
        first = self.next_in
        self.connect()
        self.logon(fields=fields)
        self.send("2", f"7={first}|16=0|")
        return [self.desk.written(message) for message in self.messages() if message.type not in "45A"]

    def readable(self) -> bool:
        """Whether something has come."""
        assert self.socket is not None
        return bool(self._buffer or select.select([self.socket], [], [], 0)[0])


__all__ = ["BUY", "SELL", "Desk", "Trader", "Words", "check", "in_order"]
