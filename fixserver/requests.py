"""Commands made of FIX messages: D, G, F and q, from raw text. What cannot be expressed as a command is a Refused; nothing is sent.

QuickFIX has checked form and required fields by the dictionary. That leaves values: the stock dictionaries let
an order without Symbol through, and numbers of any size.
"""

from __future__ import annotations

from collections.abc import Mapping

from fixserver.conditions import CANCEL_ON_CONNECTION_LOSS, SPECIAL, conditions_of
from fixserver.sessions import SOH
from fixserver.values import ID_LENGTH_MAX, InstrumentNumbers, Refused, checked_id, price_of, quantity_of, utc_time
from matching.messages import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    DAY,
    FOK,
    GTC,
    GTD,
    INT64_MAX,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    PEGGED,
    STOP,
    STOP_LIMIT,
    CancelOrder,
    Conditions,
    MassCancel,
    NewOrder,
    OrderType,
    Reason,
    ReplaceOrder,
    Side,
    TimeInForce,
)

ROUTING_LENGTH_MAX = 512  # it is kept with the order and goes out with every report of it
# Header fields that come back reversed (FIX 4.4 volume 1, "Standard Message Header"): received tag, sent tag.
REVERSED = {"50": "57", "57": "50", "115": "128", "116": "129", "128": "115", "129": "116", "142": "143", "143": "142"}
_REVERSED = frozenset(REVERSED)
PER_UNIT = "2"  # PriceType(423)
UNITS = "0"  # QtyType(854)
DAY_SECONDS = 86_400

# What is read without asking whether it is there. The dictionary sees to it, unless a session is configured to use none.
REQUIRED = {
    "D": frozenset(("11", "54", "40")), "G": frozenset(("11", "54", "40")), "F": frozenset(("11", "54")), "H": frozenset(),
    "q": frozenset(("11", "530")), "AF": frozenset(("584", "585")), "E": frozenset(("66", "73")), "i": frozenset(("117",)),
    "Z": frozenset(("298",)), "x": frozenset(("320", "559")), "e": frozenset(("324", "263")), "g": frozenset(("335", "263")),
    "AN": frozenset(("710", "724")), "BB": frozenset(("909",)),
    "AD": frozenset(("568", "569")), "J": frozenset(("70", "71", "54")),
}  # fmt: skip

_SIDES: dict[str, Side] = {"1": "1", "2": "2"}
_ORDER_TYPES: dict[str, OrderType] = {
    "1": MARKET, "2": LIMIT, "3": STOP, "4": STOP_LIMIT, "K": MARKET_TO_LIMIT, "P": PEGGED,
}  # fmt: skip
_TIMES_IN_FORCE: dict[str, TimeInForce] = {
    "0": DAY, "1": GTC, "2": AT_THE_OPENING, "3": IOC, "4": FOK, "6": GTD, "7": AT_THE_CLOSE,
}  # fmt: skip
_PRICED = (LIMIT, STOP_LIMIT, PEGGED)


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


class Requests:
    """Makes commands, for a participant and a session. `instruments` is kept up to date by its owner."""

    def __init__(self, instruments: Mapping[str, InstrumentNumbers], day_roll_seconds: int) -> None:
        """`day_roll_seconds`: when a trading day ends, in seconds after midnight UTC."""
        self._instruments = instruments
        self._day_roll_seconds = day_roll_seconds

    def new_order(self, fields: dict[str, str], participant: str, session: str, policy: str = "") -> NewOrder:
        """NewOrderSingle(D). Raises Refused. `policy`: which orders are canceled when their session ends, "day" or "all"."""
        side, order_type, time_in_force, price, quantity, expire_time, conditions = self._terms(fields)
        exec_inst, marked = ("", False) if "18" not in fields and not policy else _instructions(fields, time_in_force, policy)
        return NewOrder(
            participant, session, fields["11"], account_of(fields, participant), fields["55"], side, order_type, time_in_force,
            price, quantity, expire_time, bounded_routing(fields), exec_inst, marked, conditions,
        )  # fmt: skip

    def replace_order(
        self, fields: dict[str, str], participant: str, session: str, orig_cl_ord_id: str, policy: str = ""
    ) -> ReplaceOrder:
        """OrderCancelReplaceRequest(G). Raises Refused."""
        _check_ids(orig_cl_ord_id)
        side, order_type, time_in_force, price, quantity, expire_time, conditions = self._terms(fields)
        exec_inst, marked = ("", False) if "18" not in fields and not policy else _instructions(fields, time_in_force, policy)
        return ReplaceOrder(
            participant, session, fields["11"], orig_cl_ord_id, fields["55"], side, order_type, time_in_force, price, quantity,
            expire_time, bounded_routing(fields), exec_inst, marked, conditions,
        )  # fmt: skip

    def cancel_order(self, fields: dict[str, str], participant: str, session: str, orig_cl_ord_id: str) -> CancelOrder:
        """OrderCancelRequest(F). Raises Refused."""
        _check_ids(fields["11"], orig_cl_ord_id)
        symbol, side = fields.get("55", ""), _SIDES.get(fields["54"])
        if symbol not in self._instruments:
            raise unknown_symbol(fields)
        if side is None:
            raise Refused(Reason.UNSUPPORTED, f"Side {fields['54']} is not taken")
        return CancelOrder(participant, session, fields["11"], orig_cl_ord_id, symbol, side, bounded_routing(fields))

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
            raise unknown_symbol(fields)
        return MassCancel(participant, session, fields["11"], symbol if scope == "1" else "", routing=bounded_routing(fields))

    def _terms(self, fields: dict[str, str]) -> tuple[Side, OrderType, TimeInForce, int, int, int, Conditions | None]:
        """Side, type, time in force, price, quantity, expiry, conditions."""
        _check_ids(fields["11"])
        numbers = self._instruments.get(fields.get("55", ""))
        if numbers is None:
            raise unknown_symbol(fields)
        side = _SIDES.get(fields["54"])
        if side is None:
            raise Refused(Reason.UNSUPPORTED, f"Side {fields['54']} is not taken")
        order_type = _ORDER_TYPES.get(fields["40"])
        if order_type is None:
            raise Refused(Reason.UNSUPPORTED, f"OrdType {fields['40']} is not taken")
        time_in_force = _TIMES_IN_FORCE.get(fields.get("59", DAY))
        if time_in_force is None:
            raise Refused(Reason.UNSUPPORTED, f"TimeInForce {fields['59']} is not taken")
        conditions = None if SPECIAL.isdisjoint(fields) else conditions_of(fields, numbers)
        if fields.get("423", PER_UNIT) != PER_UNIT:
            raise Refused(Reason.UNSUPPORTED, f"PriceType {fields['423'][:8]} is not taken: prices are per unit")
        if fields.get("854", UNITS) != UNITS:
            raise Refused(Reason.UNSUPPORTED, f"QtyType {fields['854'][:8]} is not taken: quantities are in units")
        if "15" in fields and fields["15"] != numbers.currency:
            raise Refused(Reason.UNSUPPORTED, f"Currency {fields['15'][:8]} is not that of the instrument, {numbers.currency}")
        if "38" not in fields:
            raise Refused(Reason.INVALID_QUANTITY, "OrderQty is missing")
        quantity = quantity_of(fields["38"], "OrderQty", numbers, least=1)
        price = _price(fields, order_type, numbers) if order_type in _PRICED else 0
        expire_time = self._expiry(fields) if time_in_force == GTD else 0
        return side, order_type, time_in_force, price, quantity, expire_time, conditions

    def _expiry(self, fields: dict[str, str]) -> int:
        """When a GTD order ends: at ExpireTime, or at the end of the trading day ExpireDate."""
        try:
            if "126" in fields:
                return utc_time(fields["126"])
            if "432" in fields:
                return end_of_day(fields["432"], self._day_roll_seconds)
        except ValueError:
            raise Refused(Reason.UNSUPPORTED, "ExpireTime or ExpireDate is not a time") from None
        raise Refused(Reason.UNSUPPORTED, "a GTD order needs ExpireTime or ExpireDate")


def end_of_day(day: str, day_roll_seconds: int) -> int:
    """When a trading day, YYYYMMDD, ends, as nanoseconds since 1970. Raises ValueError."""
    end = utc_time(f"{day}-00:00:00") + (day_roll_seconds or DAY_SECONDS) * 1_000_000_000
    if end > INT64_MAX:
        raise ValueError(day)
    return end


def _check_ids(cl_ord_id: str, orig_cl_ord_id: str = "") -> None:
    checked_id(cl_ord_id, "ClOrdID")
    if len(orig_cl_ord_id) > ID_LENGTH_MAX:
        raise Refused(Reason.UNKNOWN_ORDER, f"no order with ClOrdID {orig_cl_ord_id[:ID_LENGTH_MAX]}")


def _price(fields: dict[str, str], order_type: OrderType, numbers: InstrumentNumbers) -> int:
    text = fields.get("44")
    if text is not None:
        return price_of(text, "Price", numbers)
    if order_type == PEGGED:  # which then has no limit
        return 0
    raise Refused(Reason.UNSUPPORTED, "Price is missing on a limit order")


def account_of(fields: dict[str, str], participant: str) -> str:
    """Account(1), which is the participant's own where it is left out. Raises Refused."""
    account = fields.get("1", participant)
    if len(account) > ID_LENGTH_MAX:
        raise Refused(Reason.UNKNOWN_ACCOUNT, f"unknown account {account[:ID_LENGTH_MAX]}")
    return account


def unknown_symbol(fields: dict[str, str]) -> Refused:
    """What is said of a Symbol that there is not, or that is missing."""
    return Refused(Reason.UNKNOWN_INSTRUMENT, f"unknown symbol {fields['55'][:32]}" if fields.get("55") else "Symbol is missing")


def _instructions(fields: dict[str, str], time_in_force: str, policy: str) -> tuple[str, bool]:
    """ExecInst as it was said, and whether the order is canceled when its session ends: because it says so itself, or
    because its session does."""
    exec_inst = fields.get("18", "")
    marked = policy == "all" or (policy == "day" and time_in_force not in (GTC, GTD))
    return exec_inst, marked or CANCEL_ON_CONNECTION_LOSS in exec_inst.split(" ")


def bounded_routing(fields: dict[str, str]) -> str:
    """routing_of(), or Refused for more than is kept with an order."""
    routing = routing_of(fields)
    if len(routing) > ROUTING_LENGTH_MAX:
        raise Refused(Reason.UNSUPPORTED, f"routing fields have more than {ROUTING_LENGTH_MAX} characters")
    return routing
