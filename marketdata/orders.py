"""One order as the events tell of it, from its acceptance to its end and what is busted after; it finds none by itself."""

from __future__ import annotations

from matching.messages import (
    CancelReason,
    Conditions,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrderSplit,
    OrderType,
    Parked,
    RestateReason,
    Side,
    TimeInForce,
)

NEW, WAITING, PARTIALLY_FILLED = "new", "waiting", "partially-filled"
FILLED, CANCELED, EXPIRED, REJECTED = "filled", "canceled", "expired", "rejected"
ENDS_BY_TIME = frozenset((CancelReason.DAY_END, CancelReason.GTD_END, CancelReason.OPENING_END, CancelReason.CLOSING_END))


class Order:
    """`value` is the sum of price times quantity over its fills, `busted` what was executed and taken back, `parked` why it is
    open but in no book. `event_seq` is the event that told of it first, `entered` its time (ns), `ended` that of its end, 0 while
    it is open, and `end` how it did. `reason` says why it ended unfilled or was refused, in words with hyphens, `text` what was
    said of a refusal.
    """

    __slots__ = (
        "account", "busted", "cl_ord_id", "conditions", "end", "ended", "entered", "event_seq", "exec_inst", "executed",
        "expire_time", "instrument", "leaves", "order_id", "order_type", "parked", "participant", "price", "quantity", "reason",
        "session", "side", "text", "time_in_force", "value",
    )  # fmt: skip

    def __init__(self, event: OrderAccepted | OrderRejected, time: int) -> None:
        self.event_seq = event.seq
        self.order_id = event.order_id
        self.participant = event.participant
        self.account = event.account
        self.session = event.session
        self.cl_ord_id = event.cl_ord_id
        self.instrument = event.instrument
        self.side: Side = event.side
        self.order_type: OrderType = event.order_type
        self.time_in_force: TimeInForce = event.time_in_force
        self.price = event.price
        self.quantity = event.quantity
        self.expire_time = event.expire_time
        self.exec_inst = event.exec_inst
        self.conditions: Conditions | None = event.conditions
        self.entered = time
        self.executed = self.value = self.busted = 0
        self.text = self.reason = ""
        self.parked: Parked = ""
        if isinstance(event, OrderRejected):
            self.leaves = 0
            self.ended, self.end = time, REJECTED
            self.reason, self.text = words(event.reason.name), event.text
        else:
            self.leaves = event.quantity
            self.parked = event.parked
            self.ended, self.end = 0, ""

    @property
    def status(self) -> str:
        """As docs/web-api.md names it. A filled order of which something was busted is not filled any more."""
        if self.end:
            return CANCELED if self.end == FILLED and self.busted else self.end
        if self.parked:
            return WAITING
        return PARTIALLY_FILLED if self.executed else NEW

    def fill(self, price: int, quantity: int, leaves: int, time: int) -> None:
        self.executed += quantity
        self.value += price * quantity
        self.leaves = leaves
        if not leaves:
            self.ended, self.end = time, FILLED

    def cancel(self, event: OrderCanceled, time: int) -> None:
        self.leaves = 0
        self.parked = ""
        self.ended, self.end = time, EXPIRED if event.reason in ENDS_BY_TIME else CANCELED
        self.reason = words(event.reason.name)

    def replace(self, event: OrderReplaced, time: int) -> None:
        self.session, self.cl_ord_id = event.session, event.cl_ord_id
        self.order_type, self.time_in_force, self.expire_time = event.order_type, event.time_in_force, event.expire_time
        self.price, self.quantity, self.leaves = event.price, event.quantity, event.leaves
        self.exec_inst, self.conditions, self.parked = event.exec_inst, event.conditions, event.parked
        if not event.leaves:
            self.ended, self.end = time, FILLED

    def activate(self, event: OrderActivated) -> None:
        self.order_type, self.price, self.parked = event.order_type, event.price, event.parked

    def reprice(self, event: OrderRepriced) -> None:
        self.parked = "" if event.price else "peg"

    def restate(self, event: OrderRestated) -> None:
        self.order_type, self.price, self.quantity, self.leaves = event.order_type, event.price, event.quantity, event.leaves
        if event.reason == RestateReason.LEFT_OVER:
            self.parked = ""

    def split(self, event: OrderSplit) -> None:
        """Other quantities and prices; what its fills came to is what it was."""
        self.price, self.quantity, self.leaves = event.price, event.quantity, event.leaves
        self.executed, self.busted, self.conditions = event.executed, event.busted, event.conditions

    def amend(self, old_price: int, old_quantity: int, price: int, quantity: int) -> None:
        """A trade of it was at another price or of a lower quantity; of none where it was busted."""
        self.executed += quantity - old_quantity
        self.busted += old_quantity - quantity
        self.value += price * quantity - old_price * old_quantity


def words(name: str) -> str:
    """The name of a reason as people read it: words("IOC_REMAINDER") is "ioc-remainder"."""
    return name.lower().replace("_", "-")
