"""What a venue owes its clients, worked out from its events alone: each report with its numbers, each phase. It sends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from fixserver.reporter import TOLD_BY_ACKNOWLEDGEMENT
from fixserver.reports import AVG_PX_DECIMALS, EXPIRED
from matching.messages import (
    Event,
    InstrumentDefined,
    MarketPhaseChanged,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrderState,
    PhaseChanged,
    TradeBusted,
    TradeCorrected,
    Traded,
)

OLD = "FIX.4.2"


@dataclass
class Known:
    """An order as the events tell it."""

    order_id: int
    session: str
    instrument: str
    quantity: int
    leaves: int
    quote: bool
    executed: int = 0
    value: int = 0
    busted: int = 0

    @property
    def standing(self) -> str:
        """OrdStatus of one that is open or filled."""
        return "2" if not self.leaves else "1" if self.executed else "0"

    def check(self) -> None:
        assert self.leaves >= 0 <= self.executed, self
        assert self.executed + self.busted + self.leaves == self.quantity, f"the quantities do not add up: {self}"


@dataclass(frozen=True)
class Due:
    """An ExecutionReport as far as it can be foretold: OrdStatus, LeavesQty, CumQty, AvgPx, and of a fill LastQty and LastPx."""

    status: str
    leaves: Decimal = Decimal(0)
    executed: Decimal = Decimal(0)
    average: Decimal = Decimal(0)
    last: tuple[Decimal, Decimal] | None = None


class Dues:
    """`reports` by session, in the order in which they are due, by (ExecID, OrderID). `phases` are the changes that everybody is
    told: message type, market or symbol, phase."""

    def __init__(self) -> None:
        self.reports: dict[str, dict[tuple[str, str], Due]] = {}
        self.phases: list[tuple[str, str, str]] = []
        self.orders: dict[int, Known] = {}  # all that there ever were
        self._decimals: dict[str, tuple[int, int]] = {}

    def see(self, event: Event) -> None:
        match event:
            case InstrumentDefined():
                self._decimals[event.instrument] = event.price_decimals, event.quantity_decimals
            case OrderAccepted():
                quote = event.conditions is not None and event.conditions.quote_id != ""
                assert event.order_id not in self.orders, event
                order = Known(event.order_id, event.session, event.instrument, event.quantity, event.quantity, quote)
                self.orders[event.order_id] = order
                if not quote:
                    self._tell(order, f"{event.seq}", "0")
            case OrderRejected():
                due = self.reports.setdefault(event.session, {})
                due[str(event.seq), str(event.order_id)] = Due("8")
            case Traded():
                self._traded(event)
            case OrderCanceled():
                self._canceled(event)
            case OrderReplaced():
                self._replaced(event)
            case OrderActivated():
                order = self.orders[event.order_id]
                if not order.session.endswith(OLD):
                    self._tell(order, f"{event.seq}", order.standing)
            case OrderRepriced():
                order = self.orders[event.order_id]
                self._tell(order, f"{event.seq}", order.standing)
            case OrderRestated():
                order = self.orders[event.order_id]
                order.quantity, order.leaves = event.quantity, event.leaves
                order.check()
                self._tell(order, f"{event.seq}", order.standing)
            case TradeBusted():
                for letter, state in (("T", event.taker), ("M", event.maker)):
                    self._taken_back(event.seq, letter, state, event.quantity, event.price * event.quantity, None)
            case TradeCorrected():
                value = event.old_price * event.old_quantity - event.price * event.quantity
                last = event.quantity, event.price
                for letter, state in (("T", event.taker), ("M", event.maker)):
                    self._taken_back(event.seq, letter, state, event.old_quantity - event.quantity, value, last)
            case PhaseChanged():
                self.phases.append(("f", event.instrument, event.phase))
            case MarketPhaseChanged():
                self.phases.append(("h", event.market, event.phase))

    def _traded(self, event: Traded) -> None:
        for letter, order_id, leaves in (
            ("T", event.taker_order_id, event.taker_leaves), ("M", event.maker_order_id, event.maker_leaves),
        ):  # fmt: skip
            order = self.orders[order_id]
            order.leaves -= event.quantity
            order.executed += event.quantity
            order.value += event.price * event.quantity
            assert order.leaves == leaves, event
            order.check()
            self._tell(order, f"{event.seq}{letter}", order.standing, (event.quantity, event.price))

    def _canceled(self, event: OrderCanceled) -> None:
        order = self.orders[event.order_id]
        assert order.leaves == event.quantity, f"what is canceled is what was left: {event}"
        order.quantity, order.leaves = order.quantity - order.leaves, 0  # from here on: what was not canceled
        if order.quote and event.reason in TOLD_BY_ACKNOWLEDGEMENT:
            return
        status = "C" if event.reason in EXPIRED else "4"
        self._tell(order, f"{event.seq}", status)
        if event.session not in ("", order.session):
            self._tell(order, f"{event.seq}", status, to=event.session)

    def _replaced(self, event: OrderReplaced) -> None:
        order = self.orders[event.order_id]
        owner, order.session = order.session, event.session
        order.quantity, order.leaves = event.quantity, event.leaves
        order.check()
        for session in dict.fromkeys((event.session, owner)):
            status = order.standing
            if session.endswith(OLD) and status == "0":
                status = "5"
            self._tell(order, f"{event.seq}", status, to=session)

    def _taken_back(
        self, seq: int, letter: str, state: OrderState | None, quantity: int, value: int, last: tuple[int, int] | None
    ) -> None:
        if state is None:
            return
        order = self.orders[state.order_id]
        order.executed -= quantity
        order.value -= value
        order.busted += quantity
        order.check()
        assert (order.executed, order.value, order.leaves) == (state.executed, state.value, state.leaves), state
        self._tell(order, f"{seq}{letter}", state.status, last)

    def _tell(self, order: Known, exec_id: str, status: str, last: tuple[int, int] | None = None, to: str = "") -> None:
        price_decimals, quantity_decimals = self._decimals[order.instrument]
        leaves, executed = (Decimal(units).scaleb(-quantity_decimals) for units in (order.leaves, order.executed))
        average = Decimal(0)
        if order.executed:
            scale = Decimal(1).scaleb(-price_decimals - AVG_PX_DECIMALS)
            average = (Decimal(order.value).scaleb(-price_decimals) / order.executed).quantize(scale, ROUND_HALF_UP)
        fill = (Decimal(last[0]).scaleb(-quantity_decimals), Decimal(last[1]).scaleb(-price_decimals)) if last else None
        due = self.reports.setdefault(to or order.session, {})
        assert (exec_id, str(order.order_id)) not in due, f"ExecID {exec_id} twice"
        due[exec_id, str(order.order_id)] = Due(status, leaves, executed, average, fill)
