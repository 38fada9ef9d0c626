"""Tells FIX sessions what the core did: events in, messages out, and the open orders that they are about. It submits nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from fixserver import lists, quotes, statuses
from fixserver.dialects import DIALECTS, Dialect
from fixserver.lists import Standing
from fixserver.reports import OpenOrder, Reports
from fixserver.sessions import utc_text
from fixserver.values import InstrumentNumbers, Refused
from matching.messages import (
    AccessSet,
    AllocationRejected,
    CancelReason,
    CancelRejected,
    CommandRefused,
    Event,
    InstrumentDefined,
    ListAccepted,
    ListRejected,
    MarketPhaseChanged,
    MassCanceled,
    MassCancelRejected,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderRepriced,
    OrderRestated,
    OrderSplit,
    ParticipantDefined,
    PhaseChanged,
    QuotesAnswered,
    QuotesCanceled,
    Reason,
    TradeAllocated,
    TradeBusted,
    TradeCorrected,
    Traded,
)

if TYPE_CHECKING:
    from fixserver.dropcopy import DropCopies
    from fixserver.metrics import ExchangeMetrics
    from fixserver.sessions import Session, Sessions
    from matching.sequencer import Sequencer

SOH = "\x01"
EXECUTION_REPORT = "8"
ORDER_CANCEL_REJECT = "9"
ORDER_MASS_CANCEL_REPORT = "r"
LIST_STATUS = "N"
MASS_QUOTE_ACKNOWLEDGEMENT = "b"
ALLOCATION_INSTRUCTION_ACK = "P"
SECURITY_STATUS = "f"
TRADING_SESSION_STATUS = "h"
POSS_RESEND = f"97=Y{SOH}"
UNKNOWN = InstrumentNumbers(0, 0, "")  # how numbers of an instrument are written that there is not
# Ends of quotes that the acknowledgement has told of.
TOLD_BY_ACKNOWLEDGEMENT = (CancelReason.REQUOTED, CancelReason.QUOTE_CANCEL)


class Reporter:
    """What the sessions of the order-entry port are told.

    `instruments` are how numbers are read and written, by symbol; `orders` those that are open, by number. `present` are the
    sessions that are logged on, `marked` who may have orders that end with a session, by its name.
    """

    def __init__(self, core: Sequencer, metrics: ExchangeMetrics, say: Callable[[str], None]) -> None:
        self._core = core
        self._metrics = metrics
        self._say = say
        self.sessions: Sessions | None = None  # set by whoever creates both
        self.copies: DropCopies | None = None  # likewise, where somebody is sent copies of reports
        self.on_trade: Callable[[Traded | TradeBusted | TradeCorrected], None] = lambda event: None
        self.allocation_answer: Callable[[TradeAllocated | AllocationRejected, str, str], str] = lambda event, begin, time: ""
        self.on_participant: Callable[[ParticipantDefined | AccessSet], None] = lambda event: None
        self.by_version = {begin: Reports(dialect) for begin, dialect in DIALECTS.items()}
        self.instruments: dict[str, InstrumentNumbers] = {}
        self.orders: dict[int, OpenOrder] = {}
        self.present: dict[str, Session] = {}
        self.marked: dict[str, set[str]] = {}
        self.reported_event = 0  # reports of events up to this one have been made
        self._list: _List | None = None  # whose orders are being reported
        self._poss_resend = ""
        self._muted = False
        self._times = _Times()
        self._by_type: dict[type, Callable[[Any], None]] = {
            OrderAccepted: self._accepted,
            OrderRejected: self._rejected,
            Traded: self._traded,
            OrderCanceled: self._canceled,
            OrderReplaced: self._replaced,
            CancelRejected: self._cancel_rejected,
            MassCanceled: self._mass_canceled,
            MassCancelRejected: self._mass_cancel_rejected,
            InstrumentDefined: self._instrument_defined,
            CommandRefused: self._command_refused,
            OrderActivated: self._activated,
            OrderRestated: self._restated,
            OrderRepriced: self._repriced,
            OrderSplit: self._split,
            ListAccepted: self._list_begun,
            ListRejected: self._list_begun,
            QuotesAnswered: self._quotes_answered,
            QuotesCanceled: self._quotes_canceled,
            TradeBusted: self._busted,
            TradeAllocated: self._allocation_answered,
            AllocationRejected: self._allocation_answered,
            TradeCorrected: self._corrected,
            PhaseChanged: self._phase_changed,
            MarketPhaseChanged: self._market_phase_changed,
            ParticipantDefined: self._participant_defined,
            AccessSet: self._access_set,
        }

    # ---------------------------------------------------------------------------------------------- start

    def restore(self) -> None:
        """Know what the core knows now: instruments, and the open orders that reports will be about."""
        engine = self._core.engine
        self.orders.clear()
        self.marked.clear()
        for instrument in engine.instruments.values():
            terms = instrument.terms
            self.instruments[terms.instrument] = InstrumentNumbers(terms.price_decimals, terms.quantity_decimals, terms.currency)
        for state in engine.open_orders():
            dialect = self.reports_of(state.session).dialect
            self.orders[state.order_id] = OpenOrder.of_state(state, self.instruments[state.instrument], dialect)
            if state.cancel_on_disconnect:
                self._mark(state.session, state.participant)
        self.reported_event = engine.event_seq

    def report_again(self, events: list[Event], after_event: int) -> None:
        """Report events of before a crash that were not reported, those behind `after_event`: marked PossResend."""
        self._muted = True
        self.report([event for event in events if event.seq <= after_event])
        self._muted, self._poss_resend = False, POSS_RESEND
        self.report([event for event in events if event.seq > after_event])
        self._poss_resend = ""

    # -------------------------------------------------------------------------------------------- reports

    def report(self, events: list[Event]) -> None:
        if not events:
            return
        by_type = self._by_type
        self._times.set(self._core.engine.time)
        for event in events:
            report = by_type.get(type(event))
            if report is not None:
                report(event)
        self.reported_event = events[-1].seq

    def reports_of(self, session: str) -> Reports:
        return self.by_version[session.rpartition("/")[2]]

    def _send(self, session: str, msg_type: str, body: str, routing: str) -> None:
        """To the session that is meant; one that is no longer configured gets nothing."""
        assert self.sessions is not None
        to = self.sessions.by_name.get(session)
        if to is not None and not self._muted:
            to.send(msg_type, body, self._poss_resend + routing if self._poss_resend else routing)

    def _copy(self, participant: str, begin: str, msg_type: str, body: str, said_by: Callable[[Reports, str], str]) -> None:
        """A report for those who watch the participant. `said_by` makes its body for another version, by its Reports and time."""
        if self.copies is not None and not self._muted:
            self.copies.add(
                participant, begin, msg_type, body, lambda version: said_by(self.by_version[version], self._times[version]),
                self._poss_resend,
            )  # fmt: skip

    def _tell_all(self, msg_type: str, body_of: Callable[[Dialect, str], str]) -> None:
        """To every session that is logged on: what concerns the market is nobody's in particular."""
        bodies: dict[str, str] = {}
        for session in self.present.values():
            begin = session.begin_string
            if begin not in bodies:
                bodies[begin] = body_of(DIALECTS[begin], self._times[begin])
            session.send(msg_type, bodies[begin])

    def _mark(self, session: str, participant: str) -> None:
        """An order of his ends with a session."""
        self.marked.setdefault(session, set()).add(participant)

    def _accepted(self, event: OrderAccepted) -> None:
        begin = event.session.rpartition("/")[2]
        reports = self.by_version[begin]
        order = self.orders[event.order_id] = OpenOrder(event, self.instruments[event.instrument], reports.dialect)
        if event.cancel_on_disconnect:
            self._mark(event.session, event.participant)
        self._metrics.orders += 1
        if not order.is_quote:
            body = reports.accepted(event, order, self._times[begin])
            self._send(event.session, EXECUTION_REPORT, body, event.routing)
            if self.copies is not None:
                self._copy(order.participant, begin, EXECUTION_REPORT, body, lambda by, time: by.accepted(event, order, time))
        if self._list is not None:
            self._list_goes_on(Standing(order.cl_ord_id, "0", order.decimals.quantity(order.leaves)))

    def _rejected(self, event: OrderRejected) -> None:
        begin = event.session.rpartition("/")[2]
        reports = self.by_version[begin]
        order = OpenOrder(event, self.instruments.get(event.instrument, UNKNOWN), reports.dialect)
        self._metrics.orders += 1
        self._metrics.rejects.add(event.reason.name.lower())
        body = reports.rejected(event, order, self._times[begin])
        self._send(event.session, EXECUTION_REPORT, body, event.routing)
        self._copy(order.participant, begin, EXECUTION_REPORT, body, lambda by, time: by.rejected(event, order, time))
        if self._list is not None:
            self._list_goes_on(Standing(order.cl_ord_id, "8", "0", reports.dialect.ord_rej_reason(event.reason), event.text))

    def _traded(self, event: Traded) -> None:
        self._metrics.trades += 1
        maker, taker = self.orders[event.maker_order_id], self.orders[event.taker_order_id]
        quantity, value = event.quantity, event.price * event.quantity
        taker.leaves, maker.leaves = event.taker_leaves, event.maker_leaves
        for order in (taker, maker):
            order.executed += quantity
            order.value += value
            begin = order.session.rpartition("/")[2]
            body = self.by_version[begin].filled(event, order, order is maker, self._times[begin])
            self._send(order.session, EXECUTION_REPORT, body, order.routing)
            if self.copies is not None:
                self._copy_fill(event, order, order is maker, begin, body)
            if not order.leaves:
                del self.orders[order.order_id]
        self.on_trade(event)

    def _canceled(self, event: OrderCanceled) -> None:
        """To the session that asked, and to the one that the order belongs to."""
        order = self.orders.pop(event.order_id)
        if order.is_quote and event.reason in TOLD_BY_ACKNOWLEDGEMENT:
            return
        body = self._send_canceled(event, order, order.session, order.routing if event.session != order.session else event.routing)
        if self.copies is not None:  # one, however many sessions of his are told
            begin = order.session.rpartition("/")[2]
            self._copy(order.participant, begin, EXECUTION_REPORT, body, lambda by, time: by.canceled(event, order, time))
        if event.session and event.session != order.session:
            self._send_canceled(event, order, event.session, event.routing)

    def _copy_fill(self, event: Traded, order: OpenOrder, maker: bool, begin: str, body: str) -> None:
        self._copy(order.participant, begin, EXECUTION_REPORT, body, lambda by, time: by.filled(event, order, maker, time))

    def _send_canceled(self, event: OrderCanceled, order: OpenOrder, session: str, routing: str) -> str:
        begin = session.rpartition("/")[2]
        body = self.by_version[begin].canceled(event, order, self._times[begin])
        self._send(session, EXECUTION_REPORT, body, routing)
        return body

    def _replaced(self, event: OrderReplaced) -> None:
        """To the session that asked, which the order belongs to from now on, and to the one that it belonged to."""
        order = self.orders[event.order_id]
        owner, owner_routing = order.session, order.routing
        order.replace(event, self.reports_of(event.session).dialect)
        if event.cancel_on_disconnect:
            self._mark(event.session, order.participant)
        body = self._send_replaced(event, order, event.session, event.routing)
        if self.copies is not None:
            begin = event.session.rpartition("/")[2]
            self._copy(order.participant, begin, EXECUTION_REPORT, body, lambda by, time: by.replaced(event, order, time))
        if owner != event.session:
            self._send_replaced(event, order, owner, owner_routing)
        if not order.leaves:
            del self.orders[event.order_id]

    def _send_replaced(self, event: OrderReplaced, order: OpenOrder, session: str, routing: str) -> str:
        begin = session.rpartition("/")[2]
        body = self.by_version[begin].replaced(event, order, self._times[begin])
        self._send(session, EXECUTION_REPORT, body, routing)
        return body

    def _cancel_rejected(self, event: CancelRejected) -> None:
        begin = event.session.rpartition("/")[2]
        self._metrics.rejects.add(event.reason.name.lower())
        body = self.by_version[begin].cancel_rejected(event, self._times[begin])
        self._send(event.session, ORDER_CANCEL_REJECT, body, event.routing)
        self._copy(event.participant, begin, ORDER_CANCEL_REJECT, body, lambda by, time: by.cancel_rejected(event, time))

    def _mass_canceled(self, event: MassCanceled) -> None:
        if event.disconnect or event.by:  # which no client has asked for
            return
        begin = event.session.rpartition("/")[2]
        body = self.by_version[begin].mass_canceled(event, self._times[begin])
        self._send(event.session, ORDER_MASS_CANCEL_REPORT, body, event.routing)

    def _mass_cancel_rejected(self, event: MassCancelRejected) -> None:
        if not event.session:  # it was the operator's
            return
        begin = event.session.rpartition("/")[2]
        self._metrics.rejects.add(event.reason.name.lower())
        body = self.by_version[begin].mass_cancel_rejected(event, self._times[begin])
        self._send(event.session, ORDER_MASS_CANCEL_REPORT, body, event.routing)

    # ------------------------------------------------------------------------------ what happens to few orders

    def _activated(self, event: OrderActivated) -> None:
        order = self.orders[event.order_id]
        order.restate(event.order_type, event.price)
        begin = order.session.rpartition("/")[2]
        body = self.by_version[begin].activated(event, order, self._times[begin])
        if body:
            self._send(order.session, EXECUTION_REPORT, body, order.routing)
        self._copy(order.participant, begin, EXECUTION_REPORT, body, lambda by, time: by.activated(event, order, time))

    def _restated(self, event: OrderRestated) -> None:
        order = self.orders[event.order_id]
        order.restate(event.order_type, event.price, event.quantity)
        order.leaves = event.leaves
        begin = order.session.rpartition("/")[2]
        body = self.by_version[begin].restated(event, order, self._times[begin])
        self._send(order.session, EXECUTION_REPORT, body, order.routing)
        self._copy(order.participant, begin, EXECUTION_REPORT, body, lambda by, time: by.restated(event, order, time))

    def _repriced(self, event: OrderRepriced) -> None:
        order = self.orders[event.order_id]
        begin = order.session.rpartition("/")[2]
        body = self.by_version[begin].repriced(event, order, self._times[begin])
        self._send(order.session, EXECUTION_REPORT, body, order.routing)
        self._copy(order.participant, begin, EXECUTION_REPORT, body, lambda by, time: by.repriced(event, order, time))

    def _split(self, event: OrderSplit) -> None:
        order = self.orders[event.order_id]
        begin = order.session.rpartition("/")[2]
        reports = self.by_version[begin]
        order.split(event, reports.dialect)
        body = reports.split(event, order, self._times[begin])
        self._send(order.session, EXECUTION_REPORT, body, order.routing)
        self._copy(order.participant, begin, EXECUTION_REPORT, body, lambda by, time: by.split(event, order, time))

    def _busted(self, event: TradeBusted) -> None:
        for order, status, maker in self._orders_of_trade(event):
            self._report_trade(order, partial(_busted, event, order, status, maker))
        self.on_trade(event)

    def _corrected(self, event: TradeCorrected) -> None:
        for order, status, maker in self._orders_of_trade(event):
            self._report_trade(order, partial(_corrected, event, order, status, maker))
        self.on_trade(event)

    def _allocation_answered(self, event: TradeAllocated | AllocationRejected) -> None:
        begin = event.session.rpartition("/")[2]
        body = self.allocation_answer(event, begin, self._times[begin])
        self._send(event.session, ALLOCATION_INSTRUCTION_ACK, body, event.routing)

    def _report_trade(self, order: OpenOrder, said_by: Callable[[Reports, str], str]) -> None:
        begin = order.session.rpartition("/")[2]
        body = said_by(self.by_version[begin], self._times[begin])
        self._send(order.session, EXECUTION_REPORT, body, order.routing)
        self._copy(order.participant, begin, EXECUTION_REPORT, body, said_by)

    def _orders_of_trade(self, event: TradeBusted | TradeCorrected) -> list[tuple[OpenOrder, str, bool]]:
        """The orders of a trade that are known, as they stand now, with their OrdStatus; True for the maker's."""
        found = []
        for state, maker in ((event.taker, False), (event.maker, True)):
            if state is None:
                continue
            order = self.orders.get(state.order_id)
            if order is None:  # it has ended
                dialect = self.reports_of(state.session).dialect
                order = OpenOrder.of_state(state, self.instruments[state.instrument], dialect)
            else:
                order.stand_as(state)
            found.append((order, state.status, maker))
        return found

    # ---------------------------------------------------------------------------------------- lists and quotes

    def _list_begun(self, event: ListAccepted | ListRejected) -> None:
        """The reports of its orders follow, and behind them goes the ListStatus."""
        self._list = _List(event)
        self._list_goes_on()

    def _list_goes_on(self, order: Standing | None = None) -> None:
        current = self._list
        assert current is not None
        if order is not None:
            current.orders.append(order)
        event = current.event
        if len(current.orders) < event.count:
            return
        self._list = None
        refusal = Refused(event.reason, event.text) if isinstance(event, ListRejected) else None
        begin = event.session.rpartition("/")[2]
        body = lists.list_status(DIALECTS[begin], event.list_id, event.contingency, current.orders, self._times[begin], refusal)
        self._send(event.session, LIST_STATUS, body, event.routing)

    def _quotes_answered(self, event: QuotesAnswered) -> None:
        for reason in (event.reason, *(result.reason for result in event.results)):
            if reason:
                self._metrics.rejects.add(Reason(reason).name.lower())
        body = quotes.answered(self.reports_of(event.session).dialect, event)
        if body:
            self._send(event.session, MASS_QUOTE_ACKNOWLEDGEMENT, body, event.routing)

    def _quotes_canceled(self, event: QuotesCanceled) -> None:
        body = quotes.canceled(self.reports_of(event.session).dialect, event)
        if body:
            self._send(event.session, MASS_QUOTE_ACKNOWLEDGEMENT, body, event.routing)

    # --------------------------------------------------------------------------------------------- the market

    def _phase_changed(self, event: PhaseChanged) -> None:
        instrument = self._core.engine.instruments[event.instrument]
        last = self.instruments[event.instrument].price(instrument.last) if instrument.last else ""
        until = statuses.until_text(event.until)
        self._tell_all(
            SECURITY_STATUS,
            lambda dialect, time: statuses.security_status(
                dialect, event.instrument, instrument.market, event.phase, last, time, more=until
            ),
        )

    def _market_phase_changed(self, event: MarketPhaseChanged) -> None:
        self._say(f"market {event.market} is {event.phase}" + (f", by {event.by}" if event.by else ""))
        self._tell_all(TRADING_SESSION_STATUS, lambda dialect, time: statuses.session_status(dialect, event.market, event.phase))

    def _instrument_defined(self, event: InstrumentDefined) -> None:
        self.instruments[event.instrument] = InstrumentNumbers(event.price_decimals, event.quantity_decimals, event.currency)

    def _participant_defined(self, event: ParticipantDefined) -> None:
        self.on_participant(event)

    def _access_set(self, event: AccessSet) -> None:
        by = f" by {event.by}" if event.by else ""
        self._say(f"participant {event.participant} is {event.access}{by}; orders canceled: {event.affected}")
        self.on_participant(event)

    def _command_refused(self, event: CommandRefused) -> None:
        self._say(f"{event.command} was refused: {event.text}")


def _busted(event: TradeBusted, order: OpenOrder, status: str, maker: bool, by: Reports, time: str) -> str:
    return by.busted(event, order, status, maker, time)


def _corrected(event: TradeCorrected, order: OpenOrder, status: str, maker: bool, by: Reports, time: str) -> str:
    return by.corrected(event, order, status, maker, time)


class _List:
    """A list whose orders are being reported, one after the other."""

    __slots__ = ("event", "orders")

    def __init__(self, event: ListAccepted | ListRejected) -> None:
        self.event = event
        self.orders: list[Standing] = []


class _Times(dict[str, str]):
    """TransactTime(60) of a batch by BeginString, written when first asked for."""

    def set(self, time_ns: int) -> None:
        self.clear()
        self._time_ns = time_ns

    def __missing__(self, begin_string: str) -> str:
        text = self[begin_string] = utc_text(self._time_ns, DIALECTS[begin_string].time_digits)
        return text
