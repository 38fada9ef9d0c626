"""Commands made of FIX messages: D, G, F and q, from raw text. What cannot be expressed as a command is a Refused; nothing is sent.

QuickFIX has checked form and required fields by the dictionary. That leaves values: the stock dictionaries let
an order without Symbol through, and numbers of any size.
"""

from __future__ import annotations

import calendar
import time as clock
from collections.abc import Mapping

from fixserver.reports import Decimals
from fixserver.sessions import SOH
from matching.messages import (
    DAY,
    FOK,
    GTC,
    GTD,
    INT64_MAX,
    IOC,
    LIMIT,
    MARKET,
    CancelOrder,
    MassCancel,
    NewOrder,
    OrderType,
    Reason,
    ReplaceOrder,
    Side,
    TimeInForce,
)

CL_ORD_ID_LENGTH_MAX = 64
ACCOUNT_LENGTH_MAX = 64
ROUTING_LENGTH_MAX = 512  # it is kept with the order and goes out with every report of it
NUMBER_LENGTH_MAX = 40
NUMBER_CACHE_MAX = 50_000
# Header fields that come back reversed (FIX 4.4 volume 1, "Standard Message Header"): received tag, sent tag.
REVERSED = {"50": "57", "57": "50", "115": "128", "116": "129", "128": "115", "129": "116", "142": "143", "143": "142"}
_REVERSED = frozenset(REVERSED)
# What an order may ask for that this venue does not do: refusing is honest, ignoring is not.
NOT_TAKEN = {
    "99": "StopPx", "110": "MinQty", "111": "MaxFloor", "152": "CashOrderQty", "168": "EffectiveTime", "210": "MaxShow",
    "211": "PegOffsetValue", "388": "DiscretionInst", "516": "OrderPercent", "847": "TargetStrategy", "1094": "PegPriceType",
    "1100": "TriggerType", "1138": "DisplayQty", "2362": "SelfMatchPreventionID", "2964": "SelfMatchPreventionInstruction",
    "7928": "SelfMatchPreventionID", "8000": "SelfMatchPreventionInstruction",
}  # fmt: skip
_NOT_TAKEN = frozenset(NOT_TAKEN)
CANCEL_ON_CONNECTION_LOSS = "o"
EXEC_INST_TAKEN = frozenset(["1", "5", CANCEL_ON_CONNECTION_LOSS])  # 1 and 5, not held and held, change nothing here
PER_UNIT = "2"  # PriceType(423)
UNITS = "0"  # QtyType(854)
DAY_SECONDS = 86_400

# What is read without asking whether it is there. The dictionary sees to it, unless a session is configured to use none.
REQUIRED = {
    "D": frozenset(("11", "54", "40")), "G": frozenset(("11", "54", "40")), "F": frozenset(("11", "54")), "H": frozenset(),
    "q": frozenset(("11", "530")), "AF": frozenset(("584", "585")),
}  # fmt: skip

_SIDES: dict[str, Side] = {"1": "1", "2": "2"}
_ORDER_TYPES: dict[str, OrderType] = {"1": MARKET, "2": LIMIT}
_TIMES_IN_FORCE: dict[str, TimeInForce] = {"0": DAY, "1": GTC, "3": IOC, "4": FOK, "6": GTD}


class Refused(Exception):
    """A message that no command can be made of, with the reason that the client is told."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason, self.text = reason, text


def fields_of(text: str) -> dict[str, str]:
    """A message's fields by tag, as text. Of a repeated tag the last; none of those read here repeats.

    No value holds a separator: the sessions do not let such a message through.
    """
    return dict([pair.split("=", 1) for pair in text.split(SOH)[:-1]])


def routing_of(fields: Mapping[str, str]) -> str:
    """Routing fields of the answer: those of the message, reversed. Empty for nearly every client."""
    if _REVERSED.isdisjoint(fields):
        return ""
    return "".join(f"{sent}={fields[received]}{SOH}" for received, sent in REVERSED.items() if received in fields)


class Numbers:
    """Decimal text to whole units, remembering recent ones."""

    def __init__(self, decimals: int) -> None:
        self.decimals = decimals
        self._known: dict[str, int | None] = {}

    def units(self, text: str) -> int | None:
        """Whole units, or None for what has more decimals than there are units for. Raises ValueError for no number."""
        try:
            return self._known[text]
        except KeyError:
            pass
        if len(text) > NUMBER_LENGTH_MAX:
            raise ValueError(text)
        digits = text[1:] if text[:1] in ("-", "+") else text
        whole, _, fraction = digits.partition(".")
        if not (whole + fraction).isdigit() or not (whole + fraction).isascii():
            raise ValueError(text)
        fraction = fraction.rstrip("0")
        value: int | None = None
        if len(fraction) <= self.decimals:
            value = int((whole or "0") + fraction.ljust(self.decimals, "0"))
            if text[0] == "-":
                value = -value
        if len(self._known) >= NUMBER_CACHE_MAX:
            self._known.clear()
        self._known[text] = value
        return value


class InstrumentNumbers(Decimals):
    """How an instrument's numbers are read and written."""

    def __init__(self, price_decimals: int, quantity_decimals: int, currency: str) -> None:
        super().__init__(price_decimals, quantity_decimals)
        self.currency = currency
        self.read_price = Numbers(price_decimals).units
        self.read_quantity = Numbers(quantity_decimals).units


class Requests:
    """Makes commands, for a participant and a session. `instruments` is kept up to date by its owner."""

    def __init__(self, instruments: Mapping[str, InstrumentNumbers], day_roll_seconds: int) -> None:
        """`day_roll_seconds`: when a trading day ends, in seconds after midnight UTC."""
        self._instruments = instruments
        self._day_roll_seconds = day_roll_seconds

    def new_order(self, fields: dict[str, str], participant: str, session: str, policy: str = "") -> NewOrder:
        """NewOrderSingle(D). Raises Refused. `policy`: which orders are canceled when their session ends, "day" or "all"."""
        terms = self._terms(fields)
        account = fields.get("1", participant)
        if len(account) > ACCOUNT_LENGTH_MAX:
            raise Refused(Reason.UNKNOWN_ACCOUNT, f"unknown account {account[:ACCOUNT_LENGTH_MAX]}")
        exec_inst, marked = ("", False) if "18" not in fields and not policy else _instructions(fields, terms[2], policy)
        return NewOrder(
            participant, session, fields["11"], account, fields["55"], terms[0], terms[1], terms[2], terms[3], terms[4], terms[5],
            _bounded_routing(fields), exec_inst, marked,
        )  # fmt: skip

    def replace_order(
        self, fields: dict[str, str], participant: str, session: str, orig_cl_ord_id: str, policy: str = ""
    ) -> ReplaceOrder:
        """OrderCancelReplaceRequest(G). Raises Refused."""
        _check_ids(orig_cl_ord_id)
        terms = self._terms(fields)
        exec_inst, marked = ("", False) if "18" not in fields and not policy else _instructions(fields, terms[2], policy)
        return ReplaceOrder(
            participant, session, fields["11"], orig_cl_ord_id, fields["55"], terms[0], terms[1], terms[2], terms[3], terms[4],
            terms[5], _bounded_routing(fields), exec_inst, marked,
        )  # fmt: skip

    def cancel_order(self, fields: dict[str, str], participant: str, session: str, orig_cl_ord_id: str) -> CancelOrder:
        """OrderCancelRequest(F). Raises Refused."""
        _check_ids(fields["11"], orig_cl_ord_id)
        symbol, side = fields.get("55", ""), _SIDES.get(fields["54"])
        if symbol not in self._instruments:
            raise _unknown_symbol(fields)
        if side is None:
            raise Refused(Reason.UNSUPPORTED, f"Side {fields['54']} is not taken")
        return CancelOrder(participant, session, fields["11"], orig_cl_ord_id, symbol, side, _bounded_routing(fields))

    def mass_cancel(self, fields: dict[str, str], participant: str, session: str) -> MassCancel:
        """OrderMassCancelRequest(q). Raises Refused."""
        _check_ids(fields["11"])
        scope, symbol = fields["530"], fields.get("55", "")
        if scope not in ("1", "7"):
            raise Refused(Reason.UNSUPPORTED, f"MassCancelRequestType {scope} is not taken: 1 and 7 are")
        if scope == "1" and not symbol:
            raise Refused(Reason.UNKNOWN_INSTRUMENT, "Symbol is needed to cancel the orders of one")
        if "54" in fields:
            raise Refused(Reason.UNSUPPORTED, "a mass cancel by side is not taken")
        if scope == "1" and symbol not in self._instruments:
            raise _unknown_symbol(fields)
        return MassCancel(participant, session, fields["11"], symbol if scope == "1" else "", routing=_bounded_routing(fields))

    def _terms(self, fields: dict[str, str]) -> tuple[Side, OrderType, TimeInForce, int, int, int]:
        """Side, type, time in force, price, quantity, expiry."""
        _check_ids(fields["11"])
        numbers = self._instruments.get(fields.get("55", ""))
        if numbers is None:
            raise _unknown_symbol(fields)
        side = _SIDES.get(fields["54"])
        if side is None:
            raise Refused(Reason.UNSUPPORTED, f"Side {fields['54']} is not taken")
        order_type = _ORDER_TYPES.get(fields["40"])
        if order_type is None:
            raise Refused(Reason.UNSUPPORTED, f"OrdType {fields['40']} is not taken")
        time_in_force = _TIMES_IN_FORCE.get(fields.get("59", DAY))
        if time_in_force is None:
            raise Refused(Reason.UNSUPPORTED, f"TimeInForce {fields['59']} is not taken")
        if not _NOT_TAKEN.isdisjoint(fields):
            raise Refused(Reason.UNSUPPORTED, f"{next(name for tag, name in NOT_TAKEN.items() if tag in fields)} is not taken")
        if "18" in fields and not EXEC_INST_TAKEN.issuperset(fields["18"].split(" ")):
            raise Refused(Reason.UNSUPPORTED, f"ExecInst {fields['18'][:32]} is not taken")
        if fields.get("423", PER_UNIT) != PER_UNIT:
            raise Refused(Reason.UNSUPPORTED, f"PriceType {fields['423'][:8]} is not taken: prices are per unit")
        if fields.get("854", UNITS) != UNITS:
            raise Refused(Reason.UNSUPPORTED, f"QtyType {fields['854'][:8]} is not taken: quantities are in units")
        if "15" in fields and fields["15"] != numbers.currency:
            raise Refused(Reason.UNSUPPORTED, f"Currency {fields['15'][:8]} is not that of the instrument, {numbers.currency}")
        quantity = self._quantity(fields, numbers)
        price = self._price(fields, numbers) if order_type == LIMIT else 0
        expire_time = self._expiry(fields) if time_in_force == GTD else 0
        return side, order_type, time_in_force, price, quantity, expire_time

    def _quantity(self, fields: dict[str, str], numbers: InstrumentNumbers) -> int:
        text = fields.get("38")
        if text is None:
            raise Refused(Reason.INVALID_QUANTITY, "OrderQty is missing")
        try:
            quantity = numbers.read_quantity(text)
        except ValueError:
            raise Refused(Reason.INVALID_QUANTITY, "OrderQty is not a number that is taken") from None
        if quantity is None:
            raise Refused(Reason.INVALID_QUANTITY, f"OrderQty {text} has more than {numbers.quantity_decimals} decimals")
        if quantity > INT64_MAX:
            raise Refused(Reason.LIMIT_EXCEEDED, "OrderQty is above every limit")
        if quantity <= 0:
            raise Refused(Reason.INVALID_QUANTITY, "OrderQty is not above zero")
        return quantity

    def _price(self, fields: dict[str, str], numbers: InstrumentNumbers) -> int:
        text = fields.get("44")
        if text is None:
            raise Refused(Reason.UNSUPPORTED, "Price is missing on a limit order")
        try:
            price = numbers.read_price(text)
        except ValueError:
            raise Refused(Reason.OUTSIDE_PRICE_BAND, "Price is not a number that is taken") from None
        if price is None:
            raise Refused(Reason.OFF_TICK, f"Price {text} has more than {numbers.price_decimals} decimals")
        if not -INT64_MAX <= price <= INT64_MAX:
            raise Refused(Reason.OUTSIDE_PRICE_BAND, "Price is outside every band")
        return price

    def _expiry(self, fields: dict[str, str]) -> int:
        """When a GTD order ends: at ExpireTime, or at the end of the trading day ExpireDate."""
        try:
            if "126" in fields:
                return utc_time(fields["126"])
            if "432" in fields:
                return utc_time(f"{fields['432']}-00:00:00") + (self._day_roll_seconds or DAY_SECONDS) * 1_000_000_000
        except ValueError:
            raise Refused(Reason.UNSUPPORTED, "ExpireTime or ExpireDate is not a time") from None
        raise Refused(Reason.UNSUPPORTED, "a GTD order needs ExpireTime or ExpireDate")


def _check_ids(cl_ord_id: str, orig_cl_ord_id: str = "") -> None:
    if not 0 < len(cl_ord_id) <= CL_ORD_ID_LENGTH_MAX:
        what = f"has more than {CL_ORD_ID_LENGTH_MAX} characters" if cl_ord_id else "is empty"
        raise Refused(Reason.UNSUPPORTED, f"ClOrdID {what}")
    if len(orig_cl_ord_id) > CL_ORD_ID_LENGTH_MAX:
        raise Refused(Reason.UNKNOWN_ORDER, f"no order with ClOrdID {orig_cl_ord_id[:CL_ORD_ID_LENGTH_MAX]}")


def _unknown_symbol(fields: dict[str, str]) -> Refused:
    return Refused(Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {fields['55'][:32]}" if fields.get("55") else "Symbol is missing")


def _instructions(fields: dict[str, str], time_in_force: str, policy: str) -> tuple[str, bool]:
    """ExecInst as it was said, and whether the order is canceled when its session ends: because it says so itself, or
    because its session does."""
    exec_inst = fields.get("18", "")
    marked = policy == "all" or (policy == "day" and time_in_force not in (GTC, GTD))
    return exec_inst, marked or CANCEL_ON_CONNECTION_LOSS in exec_inst.split(" ")


def _bounded_routing(fields: dict[str, str]) -> str:
    routing = routing_of(fields)
    if len(routing) > ROUTING_LENGTH_MAX:
        raise Refused(Reason.UNSUPPORTED, f"routing fields have more than {ROUTING_LENGTH_MAX} characters")
    return routing


def utc_time(text: str) -> int:
    """A FIX UTCTimestamp as nanoseconds since 1970. Raises ValueError."""
    second, _, fraction = text.partition(".")
    if fraction and not (fraction.isdigit() and fraction.isascii() and len(fraction) <= 9):
        raise ValueError(text)
    seconds = calendar.timegm(clock.strptime(second, "%Y%m%d-%H:%M:%S"))
    nanoseconds = seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)
    if not 0 <= nanoseconds <= INT64_MAX:
        raise ValueError(text)
    return nanoseconds
