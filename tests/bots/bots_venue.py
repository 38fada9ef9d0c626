"""A naive venue in one process, for tests of what sends orders: price-time matching of one instrument, FIX fields in and out.

It answers at once, or keeps its answers until the test wants them, and can be told to refuse. No accounts, no sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fixserver.initiator import Message


def fields(body: bytes) -> Message:
    return dict(pair.split("=", 1) for pair in body.decode().split("\x01")[:-1])


@dataclass
class Resting:
    owner: int
    cl_ord_id: str
    side: str
    price: Decimal
    quantity: Decimal
    executed: Decimal
    arrival: int

    @property
    def leaves(self) -> Decimal:
        return self.quantity - self.executed


class Venue:
    """`send` is what a Replay wants; `answers` are (owner, message) in the order in which they would arrive."""

    def __init__(self) -> None:
        self.received: list[str] = []  # every message, short: "0 D 11 buy 2 at 10"
        self.answers: list[tuple[int, Message]] = []
        self.refuse: dict[str, Message] = {}  # by MsgType: what the next message of this type is answered with
        self.orders: list[Resting] = []
        self._number = 0
        self._execution = 0

    def send(self, owner: int, msg_type: bytes, body: bytes) -> int:
        self._number += 1
        message = fields(body)
        text = f"{owner} {msg_type.decode()} {message['11']}"
        if "41" in message:
            text += f" of {message['41']}"
        if msg_type != b"F":
            side = "buy" if message["54"] == "1" else "sell"
            text += f" {side} {Decimal(message['38']).normalize():f} at {message['44']}" + (" ioc" if message["59"] == "3" else "")
        self.received.append(text)
        refusal = self.refuse.pop(msg_type.decode(), None)
        if refusal is not None:
            self._answer(owner, {"11": message["11"], **refusal, "45": str(self._number)})
        elif msg_type == b"D":
            self._enter(owner, message)
        else:
            self._change(owner, msg_type, message)
        return self._number

    def _answer(self, owner: int, message: Message) -> None:
        self.answers.append((owner, message))

    def _report(self, order: Resting, exec_type: str, **more: str) -> None:
        self._execution += 1
        ended = exec_type in "48"
        leaves = Decimal(0) if ended else order.leaves
        self._answer(
            order.owner,
            {
                "35": "8", "11": order.cl_ord_id, "17": str(self._execution), "150": exec_type, "38": f"{order.quantity:f}",
                "14": f"{order.executed:f}", "151": f"{leaves:f}", **{tag.lstrip("t"): value for tag, value in more.items()},
            },
        )  # fmt: skip

    def _enter(self, owner: int, message: Message) -> None:
        order = Resting(
            owner, message["11"], message["54"], Decimal(message["44"]), Decimal(message["38"]), Decimal(0), self._number
        )
        self._report(order, "0")
        self._match(order)
        if order.leaves and message["59"] == "3":
            self._report(order, "4")
        elif order.leaves:
            self.orders.append(order)

    def _match(self, order: Resting) -> None:
        sign = 1 if order.side == "1" else -1
        across = sorted((o for o in self.orders if o.side != order.side), key=lambda o: (sign * o.price, o.arrival))
        for resting in across:
            if not order.leaves or sign * (order.price - resting.price) < 0:
                return
            quantity = min(order.leaves, resting.leaves)
            order.executed += quantity
            resting.executed += quantity
            price = str(resting.price)
            self._report(resting, "F", t31=price, t32=f"{quantity:f}", t851="1")
            self._report(order, "F", t31=price, t32=f"{quantity:f}", t851="2")
            if not resting.leaves:
                self.orders.remove(resting)

    def _change(self, owner: int, msg_type: bytes, message: Message) -> None:
        order = next((o for o in self.orders if (o.owner, o.cl_ord_id) == (owner, message["41"])), None)
        if order is None:
            self._answer(owner, {"35": "9", "11": message["11"], "41": message["41"], "39": "8", "102": "1", "58": "unknown order"})
            return
        order.cl_ord_id = message["11"]
        if msg_type == b"F":
            self.orders.remove(order)
            self._report(order, "4")
            return
        order.quantity = max(Decimal(message["38"]), order.executed)
        self._report(order, "5")
        if not order.leaves:
            self.orders.remove(order)
