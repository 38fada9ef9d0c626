"""Lists of orders: NewOrderList (E) made a command, and ListStatus (N) written. It knows no rule of the market."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from fixserver.conditions import NONE
from fixserver.dialects import Dialect
from fixserver.groups import entries_of
from fixserver.requests import REVERSED, Requests, bounded_routing
from fixserver.values import Refused, checked_id
from matching.messages import LIST_ORDERS_MAX, Contingency, NewOrder, NewOrderList, Reason

SOH = "\x01"
# Fields of a NewOrderList that belong to none of its orders, though they may stand behind them.
OF_THE_LIST = frozenset([
    "10", "66", "68", "69", "352", "353", "390", "391", "394", "414", "415", "433", "480", "481", "513", "765", "766", "767", "893",
    "1116", "1385", "1685",
])  # fmt: skip
REQUIRED_OF_AN_ORDER = {"11": "ClOrdID", "54": "Side", "40": "OrdType"}
IMMEDIATE = "1"  # ListExecInstType(433)
ACKNOWLEDGED = "1"  # ListStatusType(429)
EXECUTING, REJECTED = "3", "7"  # ListOrderStatus(431)

_CONTINGENCIES: dict[str, Contingency] = {"1": "1", "2": "2"}


def orders_of(text: str, fields: dict[str, str]) -> list[dict[str, str]]:
    """The fields of each order of a NewOrderList, with those of the list's header that its reports return."""
    header = {tag: fields[tag] for tag in REVERSED if tag in fields}
    return [order | header for order in entries_of(text, "73", "11", OF_THE_LIST)]


def new_list(
    requests: Requests, fields: dict[str, str], orders: list[dict[str, str]], participant: str, session: str, policy: str
) -> NewOrderList:
    """NewOrderList(E). Raises Refused, which is about the list as a whole."""
    list_id = checked_id(fields["66"], "ListID")
    contingency = _CONTINGENCIES.get(fields.get("1385", ""))
    if contingency is None:
        said = f"ContingencyType {fields['1385'][:8]} is not taken" if "1385" in fields else "ContingencyType is missing"
        raise Refused(Reason.UNSUPPORTED, f"{said}: 1 and 2 are")
    if fields.get("433", IMMEDIATE) != IMMEDIATE:
        raise Refused(Reason.UNSUPPORTED, f"ListExecInstType {fields['433'][:8]} is not taken")
    if len(orders) > LIST_ORDERS_MAX:
        raise Refused(Reason.UNSUPPORTED, f"a list has at most {LIST_ORDERS_MAX} orders")
    if fields.get("68", "") != str(len(orders)) or fields.get("893", "Y") != "Y":
        raise Refused(Reason.UNSUPPORTED, f"a list comes in one message: it has {len(orders)} orders, TotNoOrders says otherwise")
    made = []
    for place, order in enumerate(orders, 1):
        try:
            made.append(_order(requests, order, place, list_id, contingency, participant, session, policy))
        except Refused as refusal:
            raise Refused(refusal.reason, f"order {place}: {refusal.text}") from None
    return NewOrderList(participant, session, list_id, contingency, made, bounded_routing(fields))


def _order(
    requests: Requests, fields: dict[str, str], place: int, list_id: str, contingency: Contingency, participant: str, session: str,
    policy: str,
) -> NewOrder:  # fmt: skip
    for tag, name in REQUIRED_OF_AN_ORDER.items():
        if tag not in fields:
            raise Refused(Reason.UNSUPPORTED, f"{name} is missing")
    if fields.get("67", "") != str(place):
        raise Refused(Reason.UNSUPPORTED, f"ListSeqNo is not its place in the list, {place}")
    order = requests.new_order(fields, participant, session, policy)
    conditions = msgspec.structs.replace(order.conditions or NONE, list_id=list_id, contingency=contingency)
    return msgspec.structs.replace(order, conditions=conditions)


@dataclass(frozen=True)
class Standing:
    """How an order of a list stands, as text."""

    cl_ord_id: str
    status: str
    leaves: str
    reject_reason: str = ""
    text: str = ""


def list_status(
    dialect: Dialect, list_id: str, contingency: str, orders: list[Standing], time: str, refusal: Refused | None = None
) -> str:
    """ListStatus(N): the list was taken, or refused."""
    contingent = f"1385={contingency}{SOH}" if contingency and dialect.contingency else ""
    reason = dialect.list_rej_reason(refusal.reason) if refusal else ""
    said = (f"1386={reason}{SOH}" if reason else "") + (f"444={refusal.text}{SOH}" if refusal else "")
    group = "".join(
        f"11={order.cl_ord_id}{SOH}14=0{SOH}39={order.status}{SOH}151={order.leaves}{SOH}84=0{SOH}6=0{SOH}"
        + (f"103={order.reject_reason}{SOH}" if order.reject_reason else "")
        + (f"58={order.text}{SOH}" if order.text else "")
        for order in orders
    )
    return (
        f"66={list_id}{SOH}429={ACKNOWLEDGED}{SOH}82=1{SOH}431={REJECTED if refusal else EXECUTING}{SOH}{contingent}83=1{SOH}{said}"
        f"60={time}{SOH}68={len(orders)}{SOH}73={len(orders)}{SOH}{group}"
    )
