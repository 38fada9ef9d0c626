"""A naive venue in one process, for tests of what sends orders: price-time matching, FIX fields in and out.

It keeps its answers until the test wants them, and can be told to refuse. No accounts, no sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from fixserver.initiator import Message


def fields(body: str) -> Message:
    return dict(pair.split("=", 1) for pair in body.split("\x01")[:-1])


@dataclass
class Entered:
    owner: int
    instrument: str
    cl_ord_id: str
    side: str
    price: Decimal
    quantity: Decimal
    executed: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    arrival: int = 0
    status: str = "0"

    @property
    def leaves(self) -> Decimal:
        return self.quantity - self.executed


class Venue:
    """`send` is what a Replay wants; `answers` are (owner, message) in the order in which they would arrive."""

    def __init__(self) -> None:
        self.received: list[str] = []  # every message, short: "0 D r-1 buy 2 at 10"
        self.answers: list[tuple[int, Message]] = []
        self.refuse: dict[str, Message] = {}  # by MsgType: what the next message of this type is answered with
        self.orders: list[Entered] = []  # that rest
        self.known: dict[tuple[int, str], Entered] = {}  # by owner and every ClOrdID
        self._number = 0
        self._execution = 0

    def send(self, owner: int, msg_type: bytes, body: bytes) -> int:
        self.take(owner, msg_type.decode(), body.decode())
        return self._number

    def take(self, owner: int, msg_type: str, body: str) -> None:
        self._number += 1
        message = fields(body)
        self.received.append(_short(owner, msg_type, message))
        refusal = self.refuse.pop(msg_type, None)
        if refusal is not None:
            told = {tag: message[tag] for tag in ("11", "55", "54") if tag in message}
            self._answer(owner, {**told, **refusal, "45": str(self._number)})
        elif msg_type == "D":
            self._enter(owner, message)
        elif msg_type == "H":
            self._tell(owner, message)
        elif msg_type == "q":
            mine = [order for order in self.orders if order.owner == owner]
            self._answer(owner, {"35": "r", "11": message["11"], "531": "7"})
            for order in mine:
                self._cancel(order, message["11"])
        else:
            self._change(owner, msg_type, message)

    def take_answers(self) -> list[tuple[int, Message]]:
        answers, self.answers = self.answers, []
        return answers

    def _answer(self, owner: int, message: Message) -> None:
        self.answers.append((owner, message))

    def _report(self, order: Entered, exec_type: str, more: Message | None = None) -> None:
        self._execution += 1
        if exec_type not in "I":
            order.status = "4" if exec_type == "4" else "2" if not order.leaves else "1" if order.executed else "0"
        leaves = Decimal(0) if order.status in "24" else order.leaves
        average = order.value / order.executed if order.executed else Decimal(0)
        self._answer(
            order.owner,
            {
                "35": "8", "37": str(order.arrival), "11": order.cl_ord_id, "17": str(self._execution), "150": exec_type,
                "39": order.status, "55": order.instrument, "54": order.side, "38": f"{order.quantity:f}", "44": f"{order.price:f}",
                "14": f"{order.executed:f}", "151": f"{leaves:f}", "6": f"{average:.6f}", **(more or {}),
            },
        )  # fmt: skip

    def _enter(self, owner: int, message: Message) -> None:
        price, quantity = Decimal(message["44"]), Decimal(message["38"])
        order = Entered(owner, message["55"], message["11"], message["54"], price, quantity, arrival=self._number)
        self.known[owner, order.cl_ord_id] = order
        self._report(order, "0")
        self._match(order)
        if order.leaves and message["59"] == "3":
            self._report(order, "4")
        elif order.leaves:
            self.orders.append(order)

    def _match(self, order: Entered) -> None:
        sign = 1 if order.side == "1" else -1
        across = [o for o in self.orders if o.side != order.side and o.instrument == order.instrument]
        for resting in sorted(across, key=lambda o: (sign * o.price, o.arrival)):
            if not order.leaves or sign * (order.price - resting.price) < 0:
                return
            quantity = min(order.leaves, resting.leaves)
            for one in (resting, order):
                one.executed += quantity
                one.value += quantity * resting.price
            fill = {"31": f"{resting.price:f}", "32": f"{quantity:f}"}
            self._report(resting, "F", fill | {"851": "1"})
            self._report(order, "F", fill | {"851": "2"})
            if not resting.leaves:
                self.orders.remove(resting)

    def _change(self, owner: int, msg_type: str, message: Message) -> None:
        order = next((o for o in self.orders if (o.owner, o.cl_ord_id) == (owner, message["41"])), None)
        if order is None:
            self._answer(owner, {"35": "9", "11": message["11"], "41": message["41"], "39": "8", "102": "1", "58": "unknown order"})
            return
        self.known[owner, message["11"]] = order
        if msg_type == "F":
            self._cancel(order, message["11"])
            return
        requeued = Decimal(message["44"]) != order.price or Decimal(message["38"]) > order.quantity
        order.cl_ord_id, order.price = message["11"], Decimal(message["44"])
        order.quantity = max(Decimal(message["38"]), order.executed)
        order.arrival = self._number if requeued else order.arrival
        self._report(order, "5", {"41": message["41"]})
        self.orders.remove(order)
        self._match(order)
        if order.leaves:
            self.orders.append(order)

    def _cancel(self, order: Entered, cl_ord_id: str) -> None:
        self.orders.remove(order)
        self._report(order, "4", {"11": cl_ord_id, "41": order.cl_ord_id})

    def _tell(self, owner: int, message: Message) -> None:
        asked = {"790": message["790"]} if "790" in message else {}
        order = self.known.get((owner, message["11"]))
        if order is None:
            self._answer(owner, {"35": "8", "11": message["11"], "17": "s", "150": "I", "39": "8", "103": "5", **asked})
        else:
            self._report(order, "I", asked)


def _short(owner: int, msg_type: str, message: Message) -> str:
    text = f"{owner} {msg_type} {message['11']}"
    if "41" in message:
        text += f" of {message['41']}"
    if msg_type in "DG":
        side = "buy" if message["54"] == "1" else "sell"
        text += f" {side} {Decimal(message['38']).normalize():f} at {message['44']}" + (" ioc" if message["59"] == "3" else "")
    return text
