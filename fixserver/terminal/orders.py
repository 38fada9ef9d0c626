"""A participant's orders as FIX reports tell of them, and the messages that ask for changes; it sends nothing and judges nothing.

An order has a handle, A1, A2 and so on, which stays over replaces: people type it. Its ClOrdID changes with each request, and is
of this run. What other sessions of the participant enter is found by a mass status, and has a handle too.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from fixserver.initiator import Message
from fixserver.terminal.commands import CommandError, Enter, Replace, TimeInForce

EXECUTIONS_KEPT = 500
ENDED_KEPT = 500  # orders that are over, for what may still be said of them
QUESTIONS_MAX = 100  # orders asked for one by one after a mass status did not name them
SOH = "\x01"

LIMIT, MARKET, STOP, STOP_LIMIT, MARKET_TO_LIMIT, PEGGED = "2", "1", "3", "4", "K", "P"
SIDES = {"1": "buy", "2": "sell"}
STATUSES = {
    "0": "new", "1": "partly filled", "2": "filled", "3": "done", "4": "canceled", "5": "replaced", "8": "rejected", "A": "pending",
    "C": "expired", "6": "canceling", "E": "replacing",
}  # fmt: skip
OVER = frozenset("2348C")  # OrdStatus(39) of an order that has ended
FORCES: dict[TimeInForce, str] = {"day": "0", "gtc": "1", "opening": "2", "ioc": "3", "fok": "4", "gtd": "6", "closing": "7"}
FORCE_WORDS = {code: word for word, code in FORCES.items()}
PEGS = {"primary": "5", "mid": "2", "market": "4"}  # PegPriceType(1094)
PEG_WORDS = {code: word for word, code in PEGS.items()}
LIQUIDITY = {"1": "maker", "2": "taker", "4": "auction"}
# What a replace says again, because what it does not say is no longer so. Prices only where the type has them.
_RESTATED = ("1", "59", "126", "18", "1094", "211", "1138", "110", "2362", "2964")

Tone = Literal["good", "bad", "fill", "note"]


class Said(NamedTuple):
    """What a message says, in words."""

    tone: Tone
    text: str


@dataclass
class Order:
    """One order as far as is known. `fields` are those of its last report, or of the request while there is none."""

    handle: str
    cl_ord_id: str
    symbol: str
    side: str
    quantity: Decimal
    fields: dict[str, str]
    order_id: str = ""
    executed: Decimal = Decimal(0)
    leaves: Decimal = Decimal(0)
    average: Decimal = Decimal(0)
    status: str = "sent"
    pending: str = ""  # "cancel" or "replace" that is not answered
    names: set[str] = field(default_factory=set)  # ClOrdIDs under which it is known here

    @property
    def terms(self) -> str:
        """Type, price, and what else it says: "@ 189.50 gtc post"."""
        get, order_type = self.fields.get, self.fields.get("40", LIMIT)
        words: list[str] = []
        if order_type == PEGGED:
            words.append(f"peg {PEG_WORDS.get(get('1094', ''), '?')}")
            if "211" in self.fields:
                offset = self.fields["211"]
                words.append(offset if offset.startswith("-") else f"+{offset}")
        if order_type == MARKET_TO_LIMIT:
            words.append("mtl")
        elif order_type in (MARKET, STOP):
            words.append("mkt")
        elif "44" in self.fields:
            words.append(f"@ {self.fields['44']}")
        if order_type in (STOP, STOP_LIMIT):
            words.append(f"stop {get('99', '?')}")
        force = FORCE_WORDS.get(get("59", "0"), "day")
        if force == "gtd":
            words.append(f"until {_until(get('126', get('432', '')))}")
        elif force != "day":
            words.append(force)
        if "6" in get("18", "").split():
            words.append("post")
        for tag, word in (("1138", "show"), ("110", "min")):
            if tag in self.fields:
                words.append(f"{word} {self.fields[tag]}")
        return " ".join(words)

    @property
    def text(self) -> str:
        return f"{self.side} {self.quantity} {self.symbol} {self.terms}"

    @property
    def price(self) -> Decimal | None:
        """Where it stands in the book."""
        text = self.fields.get("839") or self.fields.get("44", "")
        return Decimal(text) if text and self.fields.get("40") in (LIMIT, PEGGED, MARKET_TO_LIMIT) else None


class Execution(NamedTuple):
    exec_id: str
    time: str
    handle: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    liquidity: str
    status: str  # "" or "busted", "corrected"


@dataclass
class Position:
    """What the executions of one instrument that were seen come to; `value` is what was paid for it, less what it brought."""

    net: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)


class Orders:
    """Open orders by handle, the last executions, and what they come to."""

    def __init__(self, participant: str, run: str) -> None:
        self.participant = participant
        self.open: dict[str, Order] = {}
        self.executions: deque[Execution] = deque(maxlen=EXECUTIONS_KEPT)
        self.positions: dict[str, Position] = {}
        self.asking = ""  # MassStatusReqID that is not answered to its end
        self._run = run
        self._requests = 0
        self._handles = 0
        self._by_name: dict[str, Order] = {}  # ClOrdID
        self._by_id: dict[str, Order] = {}  # OrderID
        self._changes: dict[str, tuple[Order, str]] = {}  # by ClOrdID of the request: the order, and what was asked
        self._over: deque[Order] = deque()
        self._asked_for: set[str] = set()  # handles that the mass status has named
        self._told: dict[str, None] = {}  # ExecIDs

    # ------------------------------------------------------------------------------------------------ requests

    def find(self, named: str) -> Order:
        """An open order by its handle, ClOrdID or OrderID. Raises CommandError."""
        order = self.open.get(named.upper()) or self._by_name.get(named) or self._by_id.get(named)
        if order is None or order.handle not in self.open:
            over = order or next((one for one in self._over if one.handle == named.upper()), None)
            if over is not None:
                raise CommandError(f"{over.handle} is not open: {over.status}", named)
            known = ", ".join(list(self.open)[-5:])
            raise CommandError(f"there is no open order {named[:24]}" + (f": open are {known}" if known else ""), named)
        return order

    def enter(self, asked: Enter, symbol: str) -> tuple[Order, str]:
        """An order that is on its way from now on, and the body of its NewOrderSingle(D)."""
        name = self._new_name()
        fields = {"1": self.participant, "59": FORCES[asked.time_in_force], "40": _type_of(asked)}
        optional = (
            ("44", _text(asked.price)), ("99", _text(asked.stop)), ("1138", _text(asked.show)), ("110", _text(asked.minimum)),
            ("18", "6" if asked.post_only else ""), ("1094", PEGS[asked.peg] if asked.peg else ""),
            ("211", _text(asked.peg_offset)), ("432" if len(asked.until) == 8 else "126", asked.until),
        )  # fmt: skip
        fields |= {tag: value for tag, value in optional if value}
        order = self._new(name, symbol, asked.side, asked.quantity, fields)
        said = ("60", _now()), ("38", _text(asked.quantity)), *fields.items()
        return order, _body(("11", name), ("21", "1"), *self._instrument(order), *said)

    def cancel(self, order: Order) -> str:
        """The body of an OrderCancelRequest(F)."""
        return _body(("11", self._change(order, "cancel")), *self._old(order), ("60", _now()))

    def replace(self, order: Order, asked: Replace) -> str:
        """The body of an OrderCancelReplaceRequest(G): the order as it is to be. Raises CommandError."""
        order_type = order.fields.get("40", LIMIT)
        said = {tag: order.fields[tag] for tag in _RESTATED if tag in order.fields}
        for tag, types, new, what in (
            ("44", (LIMIT, STOP_LIMIT, PEGGED), asked.price, "limit price"),
            ("99", (STOP, STOP_LIMIT), asked.stop, "stop price"),
        ):
            if new is not None and order_type not in types:
                raise CommandError(f"{order.handle} has no {what}: {order.text}")
            if new is not None:
                said[tag] = _text(new)
            elif order_type in types and tag in order.fields:
                said[tag] = order.fields[tag]
        if asked.show is not None:
            said["1138"] = _text(asked.show)
        quantity = order.quantity if asked.quantity is None else asked.quantity
        name = self._change(order, "replace")
        return _body(
            ("11", name), *self._old(order), ("21", "1"), ("60", _now()), ("38", _text(quantity)), ("40", order_type), *said.items()
        )  # fmt: skip

    def cancel_all(self, symbol: str) -> str:
        """The body of an OrderMassCancelRequest(q)."""
        which = (("530", "1"), ("55", symbol)) if symbol else (("530", "7"),)
        return _body(("11", self._new_name()), *which, ("60", _now()))

    def ask_all(self) -> str:
        """The body of an OrderMassStatusRequest(AF); its answers tell which orders are open, and so which are not any more."""
        self._requests += 1
        self.asking = f"{self._run}-M{self._requests}"
        self._asked_for.clear()
        return _body(("584", self.asking), ("585", "7"))

    def ask(self, order: Order) -> str:
        """The body of an OrderStatusRequest(H)."""
        return _body(("11", order.cl_ord_id), *self._instrument(order), ("790", order.handle))

    def unnamed(self) -> list[Order]:
        """Orders that were open and that the mass status that has just ended did not name: what became of them is to be asked."""
        return [order for order in self.open.values() if order.handle not in self._asked_for][:QUESTIONS_MAX]

    def not_sent(self, order: Order) -> None:
        """A new order did not leave, so there is none."""
        self._end(order, "not sent")

    def connection_lost(self) -> None:
        """Requests on their way may be lost: nothing is pending any more, the orders are asked for when the session is back."""
        self._changes.clear()
        self.asking = ""
        for order in self.open.values():
            order.pending = ""

    def _new_name(self) -> str:
        self._requests += 1
        return f"{self._run}-{self._requests}"

    def _new(self, name: str, symbol: str, side: str, quantity: Decimal, fields: dict[str, str]) -> Order:
        self._handles += 1
        order = Order(f"A{self._handles}", name, symbol, side, quantity, fields, leaves=quantity)
        self.open[order.handle] = order
        self._name(order, name)
        return order

    def _name(self, order: Order, name: str) -> None:
        if name:
            order.cl_ord_id = name
            order.names.add(name)
            self._by_name[name] = order

    def _change(self, order: Order, what: str) -> str:
        name = self._new_name()
        self._changes[name] = order, what
        order.pending = what
        return name

    def _instrument(self, order: Order) -> tuple[tuple[str, str], ...]:
        return ("55", order.symbol), ("54", "1" if order.side == "buy" else "2")

    def _old(self, order: Order) -> list[tuple[str, str]]:
        known = [("41", order.cl_ord_id)] if order.cl_ord_id else []
        return [*known, *([("37", order.order_id)] if order.order_id else []), *self._instrument(order)]

    # ------------------------------------------------------------------------------------------------ what comes

    def take(self, message: Message) -> Said | None:
        """Take in a message of the order-entry session; says what is news in it."""
        msg_type = message["35"]
        if msg_type == "8":
            return self._report(message)
        if msg_type == "9":
            return self._change_refused(message.get("11", ""), message.get("58", ""), message)
        if msg_type == "r":
            if "532" in message:
                return Said("bad", f"cancel all refused: {message.get('58', '')}")
            count = message.get("533", "0")
            return Said("note", f"cancel all: {count} order{'' if count == '1' else 's'}")
        if msg_type in ("j", "3"):
            return self._refused(message)
        if msg_type == "f" and "58" in message and "55" in message:
            return Said("note", f"{message['55']} is in phase {message['58']}")
        return None

    def _report(self, message: Message) -> Said | None:
        of_mass_status = bool(self.asking) and message.get("584") == self.asking
        if of_mass_status and message.get("911") == "0":
            self.asking = ""
            return None
        exec_type, status = message["150"], message.get("39", "")
        order = self._order_of(message)
        if exec_type == "I" and status == "8":  # a status of what the venue does not know
            if order is not None:
                self._end(order, "unknown to the venue")
                return Said("bad", f"{order.handle} did not reach the venue: {message.get('58', '')}")
            return Said("bad", message.get("58", "no such order"))
        if order is None:
            if status in OVER and exec_type != "F":
                return Said("bad", f"rejected: {message['58']}") if exec_type == "8" else None
            order = self._new(
                message.get("11", ""), message["55"], SIDES.get(message["54"], message["54"]), Decimal(message["38"]), dict(message)
            )
        if of_mass_status:
            self._asked_for.add(order.handle)
        before, was_open = order.status, order.handle in self.open
        said: Said | None = None
        if exec_type in ("H", "G"):
            said = self._amended(order, message)
        elif exec_type == "F":
            said = self._filled(order, message)
        self._learn(order, message)
        request = self._changes.pop(message.get("11", ""), None)
        if request is not None:
            order.pending = ""
        if status in OVER or order.status == "rejected":
            self._end(order, order.status)
        if of_mass_status and message.get("912") == "Y":
            self.asking = ""
        if said is not None or of_mass_status or exec_type in ("F", "H", "G"):
            return said
        if exec_type == "I" and (was_open and before == order.status and not message.get("790")):
            return None
        return _words(order, exec_type, message.get("58", ""))

    def _order_of(self, message: Message) -> Order | None:
        order_id, name, old = message.get("37", ""), message.get("11", ""), message.get("41", "")
        found = self._by_id.get(order_id) or self._by_name.get(name) or self._by_name.get(old)
        if found is None and name in self._changes:
            found = self._changes[name][0]
        return found

    def _learn(self, order: Order, message: Message) -> None:
        if message.get("37", "NONE") != "NONE" and not order.order_id:
            order.order_id = message["37"]
            self._by_id[order.order_id] = order
        exec_type = message["150"]
        # The answer to a cancel has the ClOrdID of the cancel, which is not the name of an order.
        if exec_type != "4" and message.get("11") and message["150"] != "8":
            self._name(order, message["11"])
        order.fields = dict(message)
        order.quantity = Decimal(message.get("38") or order.quantity)
        order.executed = Decimal(message.get("14") or 0)
        order.leaves = Decimal(message.get("151") or 0)
        order.average = Decimal(message.get("6") or 0)
        order.status = STATUSES.get(message.get("39", ""), message.get("39", "?"))
        if order.status == "new" and order.fields.get("40") in (STOP, STOP_LIMIT):
            order.status = "waiting"

    def _filled(self, order: Order, message: Message) -> Said | None:
        exec_id = message["17"]
        if exec_id in self._told:
            return None
        self._told[exec_id] = None
        if len(self._told) > 2 * EXECUTIONS_KEPT:
            del self._told[next(iter(self._told))]
        quantity, price = Decimal(message["32"]), Decimal(message["31"])
        liquidity = LIQUIDITY.get(message.get("851", ""), "")
        what = order.handle, order.symbol, order.side, quantity, price, liquidity, ""
        self.executions.append(Execution(exec_id, _clock(message), *what))
        self._book(order.symbol, order.side, quantity, price)
        leaves = Decimal(message.get("151") or 0)
        left = f", {leaves} left" if leaves else ""
        did = "bought" if order.side == "buy" else "sold"
        return Said("fill", f"{order.handle} {did} {quantity} {order.symbol} @ {message['31']}{left}")

    def _book(self, symbol: str, side: str, quantity: Decimal, price: Decimal, sign: int = 1) -> None:
        position = self.positions.setdefault(symbol, Position())
        signed = quantity * sign
        if side == "buy":
            position.net += signed
            position.value += signed * price
            position.bought += signed
        else:
            position.net -= signed
            position.value -= signed * price
            position.sold += signed

    def _amended(self, order: Order, message: Message) -> Said:
        """A trade was taken back (H) or corrected (G). One that was not seen changes no position."""
        old_id, corrected = message.get("19", ""), message["150"] == "G"
        for at, one in enumerate(self.executions):
            if one.exec_id == old_id and one.status != "busted":
                self._book(one.symbol, one.side, one.quantity, one.price, -1)
                if corrected:
                    one = one._replace(quantity=Decimal(message["32"]), price=Decimal(message["31"]), status="corrected")
                    self._book(one.symbol, one.side, one.quantity, one.price)
                self.executions[at] = one if corrected else one._replace(status="busted")
        now = f"corrected to {message.get('32')} @ {message.get('31')}" if corrected else "taken back"
        return Said("bad", f"a trade of {order.handle} was {now}")

    def _change_refused(self, name: str, text: str, message: Message) -> Said:
        order, what = self._changes.pop(name, (None, "change"))
        order = order or self._by_name.get(message.get("41", ""))
        if order is None:
            return Said("bad", f"{what} refused: {text}")
        order.pending = ""
        if message.get("39", "") in OVER and message.get("102") == "0":
            self._end(order, STATUSES.get(message["39"], "over"))
        return Said("bad", f"{what} {order.handle} refused: {text}")

    def _refused(self, message: Message) -> Said:
        """A message that was not taken at all: BusinessMessageReject(j), Reject(3)."""
        name, text = message.get("379", ""), message.get("58", "the venue does not say why")
        if name in self._changes:
            return self._change_refused(name, text, message)
        order = self._by_name.get(name)
        if order is not None and order.status == "sent":
            self._end(order, "refused")
            return Said("bad", f"{order.handle} refused: {text}")
        return Said("bad", f"refused: {text}")

    def _end(self, order: Order, status: str) -> None:
        order.status, order.pending = status, ""
        if self.open.pop(order.handle, None) is None:
            return
        self._over.append(order)
        if len(self._over) > ENDED_KEPT:
            old = self._over.popleft()
            self._by_id.pop(old.order_id, None)
            for name in old.names:
                self._by_name.pop(name, None)


def _words(order: Order, exec_type: str, text: str) -> Said | None:
    because = f": {text}" if text else ""
    if exec_type == "8":
        return Said("bad", f"{order.handle} rejected{because}")
    if exec_type in ("4", "C"):
        done = f", {order.executed} of {order.quantity} done" if order.executed else ""
        return Said("note" if not text else "bad", f"{order.handle} {order.status}{because}{done}")
    if exec_type == "5":
        return Said("good", f"{order.handle} is now {order.text}")
    if exec_type == "D":
        return Said("note", f"{order.handle} restated: {order.text}{because}")
    if exec_type == "L":
        return Said("note", f"{order.handle} goes to work{because}")
    left = f", {order.executed} done" if order.executed else ""
    return Said("good", f"{order.handle} {order.text}: {order.status}{left}")


def _type_of(asked: Enter) -> str:
    if asked.peg is not None:
        return PEGGED
    if asked.market_to_limit:
        return MARKET_TO_LIMIT
    if asked.stop is not None:
        return STOP if asked.price is None else STOP_LIMIT
    return MARKET if asked.price is None else LIMIT


def _text(number: Decimal | None) -> str:
    return "" if number is None else format(number, "f")


def _now() -> str:
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())


def _until(text: str) -> str:
    """An ExpireTime or ExpireDate as it is typed."""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" + (f"T{text[9:17]}" if len(text) > 8 else "")


def _clock(message: Message) -> str:
    """The time of day of what a report is about."""
    return message.get("60", "")[9:21]


def _body(*pairs: tuple[str, str]) -> str:
    return "".join([f"{tag}={value}{SOH}" for tag, value in pairs])


def open_at(orders: Iterable[Order], symbol: str) -> dict[tuple[str, Decimal], Decimal]:
    """What is open of one's own at each price of an instrument, by side."""
    found: dict[tuple[str, Decimal], Decimal] = {}
    for order in orders:
        price = order.price
        if order.symbol == symbol and price is not None and order.status != "sent":
            key = order.side, price
            found[key] = found.get(key, Decimal(0)) + order.leaves
    return found
