"""What the stream tells a participant of his own: the topics `orders` and `balances`; it tells nobody of anybody else's, and
nothing at all of who does not follow.

Balances are the ledger's. After something of a participant's has changed they are read once the ledger has posted it, and told
whole; what changes meanwhile waits for the next reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import msgspec

from fixserver.web import account
from fixserver.web.backend import Backend
from fixserver.web.ledger import LedgerUnavailable
from marketdata import own_shapes
from marketdata.stream import Stream

ORDERS, BALANCES = "orders", "balances"
ORDERS_SHOWN_MAX = 2_000  # in a snapshot, the last ones: it is made in one go
SNAPSHOT_SECONDS = 0.2  # between two snapshots of the orders of a participant, at least
BALANCES_SECONDS = 0.25  # between two of a participant, at least
LEDGER_SECONDS = 2.0  # for the ledger to have posted what has changed; then it is told as it is, and again later
AGAIN_SECONDS = 1.0  # until a ledger that cannot be read is asked again
ATTEMPTS_MAX = 30  # then who asked for a snapshot is told that there is none

Answer = Callable[[Any], None]


class Orders(msgspec.Struct, frozen=True):
    """The snapshot of `orders`."""

    orders: list[own_shapes.Order]
    executions: list[own_shapes.Execution]


class OrderEntry(msgspec.Struct, frozen=True):
    """An order is new, or another. Its status says whether it has ended."""

    order: own_shapes.Order


class ExecutionEntry(msgspec.Struct, frozen=True):
    """Something has traded, or was taken back or corrected."""

    execution: own_shapes.Execution


class Balances(msgspec.Struct, frozen=True):
    """What the account with the participant's name has after an event."""

    event_number: int
    balances: list[account.Balance]
    holdings: list[account.Holding]


class Private:
    """Adds the topics to `stream`. `on_record` is called after each record that the feed has taken."""

    def __init__(self, stream: Stream, backend: Backend) -> None:
        self._stream, self._backend = stream, backend
        self._own = backend.feed.own
        self._readings: dict[str, _Reading] = {}
        self._asked: dict[str, list[Answer]] = {}  # for the snapshot of orders that is due
        self._made: dict[str, float] = {}  # when the last one was
        stream.add_private(ORDERS, self._orders)
        stream.add_private(BALANCES, self._balances)

    def on_record(self) -> None:
        own, stream = self._own, self._stream
        if not (own.changed_orders or own.changed_executions or own.changed_balances):
            return
        told: dict[str, list[Any]] = {}
        changed = dict.fromkeys(own.changed_balances)
        terms = own.terms
        for participant, execution in own.changed_executions:
            changed[participant] = None
            if stream.keeps(ORDERS, participant):
                shown = own_shapes.execution(terms[execution.instrument].defined, execution)
                told.setdefault(participant, []).append(ExecutionEntry(shown))
        for order in own.changed_orders.values():
            participant = order.participant
            changed[participant] = None
            if stream.keeps(ORDERS, participant) and order.instrument in terms:  # one that was refused may be in none
                told.setdefault(participant, []).append(OrderEntry(own_shapes.order(own, order)))
        for participant, entries in told.items():
            stream.tell(ORDERS, participant, entries)
        for participant in changed:
            reading = self._readings.get(participant)
            if reading is not None:
                if stream.keeps(BALANCES, participant):
                    reading.again()
                else:
                    del self._readings[participant]
                    reading.close()

    def _orders(self, participant: str, answer: Answer) -> None:
        asked = self._asked.get(participant)
        if asked is not None:
            asked.append(answer)
            return
        self._asked[participant] = [answer]
        wait_seconds = self._made.get(participant, 0.0) + SNAPSHOT_SECONDS - time.monotonic()
        if wait_seconds <= 0:
            self._answer_orders(participant)
        else:
            asyncio.get_running_loop().call_later(wait_seconds, self._answer_orders, participant)

    def _answer_orders(self, participant: str) -> None:
        """One snapshot for all who wait for it."""
        self._made[participant] = time.monotonic()
        own = self._own
        shown = [own_shapes.order(own, order) for order in own.open_orders(participant)[-ORDERS_SHOWN_MAX:]]
        executions = [own_shapes.execution(own.terms[one.instrument].defined, one) for one in own.executions(participant)]
        data = Orders(shown, executions)
        for answer in self._asked.pop(participant):
            answer(data)

    def _balances(self, participant: str, answer: Answer) -> None:
        reading = self._readings.get(participant)
        if reading is None:
            reading = self._readings[participant] = _Reading(self._backend, self._stream, participant)
        reading.ask(answer)

    async def stop(self) -> None:
        for reading in self._readings.values():
            await reading.stop()


class _Reading:
    """Reads the balances of a participant, one time after the other, as long as somebody wants to know them."""

    def __init__(self, backend: Backend, stream: Stream, participant: str) -> None:
        self._backend, self._stream, self._participant = backend, stream, participant
        self._asked: list[Answer] = []
        self._changed = False
        self._due = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def ask(self, answer: Answer) -> None:
        """For a snapshot."""
        self._asked.append(answer)
        self._due.set()

    def again(self) -> None:
        """Something has changed."""
        self._changed = True
        self._due.set()

    def close(self) -> None:
        self._task.cancel()

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._due.wait()
            self._due.clear()
            asked, self._asked = self._asked, []
            changed, self._changed = self._changed, False
            event_seq = self._backend.feed.depth.cursor
            try:
                found = await self._backend.ledger.balances(self._participant, event_seq, LEDGER_SECONDS)
            except LedgerUnavailable:
                failures += 1
                if failures >= ATTEMPTS_MAX:
                    failures = 0
                    for answer in asked:
                        answer(None)
                    asked = []
                self._asked, self._changed = asked + self._asked, True
                self._due.set()
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            failures = 0
            shown = Balances(
                found.event_seq,
                account.balances_of(self._backend, self._participant, found).balances,
                account.holdings_of(self._backend, self._participant, found).holdings,
            )
            if changed:
                self._stream.tell(BALANCES, self._participant, [shown])
            for answer in asked:
                answer(shown)
            if found.event_seq < event_seq:  # the ledger is behind: what it has is told, and the rest when it is there
                self.again()
            await asyncio.sleep(BALANCES_SECONDS)
