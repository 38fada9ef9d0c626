"""Recorded order flow as a strategy: it enters, changes and cancels what the recording says, when it says so, and thinks nothing.

What the recording's own venue did to an order is asked of this one, as in `fixserver replay`: an order that was partly filled
there is replaced down to what it had left, unless as much is done here; one that ended is canceled if it is open; an execution of
a LOBSTER recording is brought about by an order of the other side, IOC. The recording is looked at ten times a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from fixserver.broker import OpenOrder
from fixserver.recordings import Recording, Step, read
from fixserver.strategies import Strategy
from matching.messages import BUY

MICROSECOND_NS = 1_000


class Recorded(Strategy):
    """One that has a recording and an instrument; `replaying` makes it. `unsaid` counts the orders that cannot be said here: off
    the tick, or no whole lot."""

    participants = "REPLAY"
    timer_ms = 100
    recording: ClassVar[Recording]
    symbol: ClassVar[str]

    def on_start(self) -> None:
        self.unsaid = 0
        self._began = self.broker.now
        self._steps: Iterator[Step] = read(self.recording)
        self._next = next(self._steps, None)
        self._first_ns = self._next.time_ns if self._next is not None else 0
        self._open: dict[str, OpenOrder] = {}  # by the recording's name
        self._remains: dict[str, Decimal] = {}  # what they have left there
        self._late: dict[str, None] = {}  # those that could not be changed when the recording did
        self._unit = Decimal(1).scaleb(-self.recording.quantity_decimals)

    def on_timer(self, now: datetime) -> None:
        late, self._late = self._late, {}
        for name in late:
            if name in self._open:
                self._bring_down(name)
        passed = now - self._began
        elapsed_ns = (passed.days * 86_400 + passed.seconds) * 1_000_000_000 + passed.microseconds * MICROSECOND_NS
        while self._next is not None and self._next.time_ns - self._first_ns <= elapsed_ns:
            self._take(self._next)
            self._next = next(self._steps, None)

    def _take(self, step: Step) -> None:
        quantity = step.quantity * self._unit
        if step.action == "enter":
            self._enter(step, quantity)
        elif step.order in self._open:
            if step.action == "execute":
                self._execute(self._open[step.order], quantity)
                self._remains[step.order] -= quantity
                if self._remains[step.order] <= 0:
                    del self._open[step.order], self._remains[step.order]
                return
            left = {"remains": quantity, "reduce": self._remains[step.order] - quantity, "cancel": Decimal(0)}
            self._remains[step.order] = max(left.get(step.action, self._remains[step.order]), Decimal(0))
            self._bring_down(step.order)

    def _enter(self, step: Step, quantity: Decimal) -> None:
        enter = self.broker.buy if step.side == BUY else self.broker.sell
        try:
            self._open[step.order] = enter(self.symbol, quantity, step.price, "gtc")
        except ValueError:
            self.unsaid += 1
        else:
            self._remains[step.order] = quantity

    def _execute(self, order: OpenOrder, quantity: Decimal) -> None:
        """Take what was taken there, where it is still here."""
        amount = min(quantity, order.leaves)
        if order.is_settled and amount > 0:
            other = self.broker.sell if order.side == "buy" else self.broker.buy
            other(self.symbol, amount, order.price, "ioc")

    def _bring_down(self, name: str) -> None:
        """See to it that an order has no more left than the recording says: now, or when the venue has answered."""
        order, left = self._open[name], self._remains[name]
        if order.leaves > left and self.broker.is_open(order):
            if not order.is_settled:
                self._late[name] = None
                return
            if left:
                self.broker.replace(order, quantity=order.executed + left)
            else:
                self.broker.cancel(order)
        if not left:
            del self._open[name], self._remains[name]


def replaying(recording: Recording, symbol: str) -> type[Recorded]:
    """The strategy of a recording, in this instrument."""
    name = symbol

    class Replay(Recorded):
        symbol = name

    Replay.recording = recording
    return Replay
