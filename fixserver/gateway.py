"""The order-entry desk: turns messages into commands, hands them to the core, and reports what it answers. It keeps no book.

One turn: everything read is decoded as it comes in (`on_message`), then submitted as one batch, made durable,
applied, reported (`on_turn`), and shown to those who tail the events once the reports are on their way (`on_sent`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from fixserver.dialects import DIALECTS
from fixserver.reports import OpenOrder, Reports
from fixserver.requests import REQUIRED, Requests, fields_of, routing_of
from fixserver.sessions import utc_text
from fixserver.throttle import STATUS_REPORTS_PER_SECOND_MAX, Throttle
from fixserver.values import InstrumentNumbers, Refused
from matching.messages import (
    AccessSet,
    CancelRejected,
    Command,
    CommandRefused,
    Event,
    ExpireOrders,
    InstrumentDefined,
    MassCancel,
    MassCanceled,
    MassCancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderState,
    ParticipantDefined,
    Reason,
    RollDay,
    Traded,
)

if TYPE_CHECKING:
    from fixserver.config import Config
    from fixserver.metrics import ExchangeMetrics
    from fixserver.sessions import Session, Sessions
    from matching.sequencer import Sequencer

SOH = "\x01"
EXECUTION_REPORT = "8"
ORDER_CANCEL_REJECT = "9"
ORDER_MASS_CANCEL_REPORT = "r"
BUSINESS_MESSAGE_REJECT = "j"
ORDER_ID_LENGTH_MAX = 18
POSS_RESEND = f"97=Y{SOH}"
_CANCEL_POLICIES = {"N": "none", "D": "day", "A": "all"}
UNKNOWN = InstrumentNumbers(0, 0, "")  # how numbers of an instrument are written that there is not

Entry = Command | Callable[[], None]


class Gateway:
    """Order entry for all sessions of the port."""

    def __init__(self, config: Config, core: Sequencer, metrics: ExchangeMetrics, say: Callable[[str], None]) -> None:
        self.core = core
        self.metrics = metrics
        self.say = say
        self.sessions: Sessions | None = None  # set by whoever creates both
        self.reported_event = 0  # reports of events up to this one have been made
        self.turn_commands = 0
        self._day_roll_seconds = config.venue.day_roll_seconds
        self._instruments: dict[str, InstrumentNumbers] = {}
        self._requests = Requests(self._instruments, self._day_roll_seconds)
        self._reports = {begin: Reports(dialect) for begin, dialect in DIALECTS.items()}
        self._orders: dict[int, OpenOrder] = {}
        self._inbox: list[Entry] = []
        self._has_questions = False
        self._batches: list[tuple[int, float]] = []  # of this turn: commands, and how long they took to become durable
        self._exchange = config.exchange
        self.on_participant: Callable[[str], None] = lambda name: None  # somebody is new, or may do something else now
        self._throttles: dict[str, Throttle] = {}
        self._policies: dict[str, str] = {}  # which orders end with their session, by session: "", "day", "all"
        self._marked_sessions: set[str] = set()  # which may have orders that end with the session
        # Sessions that have ended: until when they may come back, and whether they have logged out.
        self._leaving: dict[str, tuple[float, bool]] = {}
        self._status_count = 0
        self._poss_resend = ""
        self._muted = False
        self._times = _Times()
        self._by_type: dict[type, Callable[[Any], None]] = {
            OrderAccepted: self._report_accepted,
            OrderRejected: self._report_rejected,
            Traded: self._report_traded,
            OrderCanceled: self._report_canceled,
            OrderReplaced: self._report_replaced,
            CancelRejected: self._report_cancel_rejected,
            MassCanceled: self._report_mass_canceled,
            MassCancelRejected: self._report_mass_cancel_rejected,
            InstrumentDefined: self._note_instrument,
            ParticipantDefined: self._note_participant,
            AccessSet: self._note_participant,
            CommandRefused: self._note_refused,
        }

    # ---------------------------------------------------------------------------------------------- start

    def restore(self) -> None:
        """Know what the core knows now: instruments, and the open orders that reports will be about."""
        engine = self.core.engine
        self._orders.clear()
        self._marked_sessions.clear()
        for instrument in engine.instruments.values():
            terms = instrument.terms
            self._instruments[terms.instrument] = InstrumentNumbers(terms.price_decimals, terms.quantity_decimals, terms.currency)
        for state in engine.open_orders():
            self._orders[state.order_id] = OpenOrder.of_state(
                state, self._instruments[state.instrument], self._reports_of(state.session).dialect
            )
            if state.cancel_on_disconnect:
                self._marked_sessions.add(state.session)
        self.reported_event = engine.event_seq

    def report_again(self, events: list[Event], after_event: int) -> None:
        """Report events of before a crash that were not reported, those behind `after_event`: marked PossResend."""
        self._muted = True
        self._report([event for event in events if event.seq <= after_event])
        self._muted, self._poss_resend = False, POSS_RESEND
        self._report([event for event in events if event.seq > after_event])
        self._poss_resend = ""

    def open_for_business(self, config: Config) -> None:
        """Bring the core to what the configuration says, as commands: instruments, accounts, first deposits."""
        engine = self.core.engine
        commands: list[Command] = []
        # What the configuration says as it did before is not said again: an operator may have changed it since.
        for instrument in config.instruments:
            terms = instrument.define(config.venue)
            listed = engine.instruments.get(instrument.symbol)
            if listed is None or listed.configured != terms:
                commands.append(terms)
        deposits: list[Command] = []
        for entry in config.participants:
            account, participant = engine.accounts.get(entry.name), engine.participants.get(entry.name)
            if account is None:
                deposits += config.deposits(entry)
            # With his password's hash, so that another one in the configuration is seen, and one by an operator kept.
            may = msgspec.structs.replace(entry.define_participant(), password=entry.password)
            if participant is None or participant.configured != may:
                commands.append(may)
            if account is None or account.configured != entry.define():
                commands.append(entry.define())
        self._inbox += commands + deposits
        self._roll_day_if_due()
        for name in sorted(self._marked_sessions):  # whose connections this process, or its machine, has ended
            self._end_orders_of(name)
        self.on_turn()
        self.on_sent()

    # ----------------------------------------------------------------------------------------- the desk

    def on_logon(self, session: Session) -> None:
        policy = _CANCEL_POLICIES.get(session.logon_fields.get("8013", ""))
        if policy is None:
            policy = self.core.engine.participants[session.participant].terms.cancel_on_disconnect
        self._policies[session.name] = "" if policy == "none" else policy
        self._leaving.pop(session.name, None)
        self.say(f"{session.name}: logged on")

    def on_logout(self, session: Session) -> None:
        self.say(f"{session.name}: logged out")
        self._end_orders_of(session.name, session.said_logout)

    def _end_orders_of(self, session: str, logout: bool = False) -> None:
        """A session has ended: have those of its orders canceled that are to end with it, now or when its grace is over."""
        if not self._policies.get(session) and session not in self._marked_sessions:
            return
        participant = self.core.engine.participants.get(session.rpartition("/")[0])
        grace = participant.terms.cancel_grace_seconds if participant is not None else 0
        if grace:
            self._leaving[session] = time.monotonic() + grace, logout
        else:
            self._cancel_orders_of(session, logout)

    def _cancel_orders_of(self, session: str, logout: bool) -> None:
        participant, policy = session.rpartition("/")[0], self._policies.get(session, "")
        of_session = MassCancel(participant, session, "", only_session=True, disconnect=True, logout=logout)
        if policy:
            self._inbox.append(msgspec.structs.replace(of_session, spare_persistent=policy == "day"))
        if policy != "all" and session in self._marked_sessions:
            self._inbox.append(msgspec.structs.replace(of_session, only_marked=True))
        self._marked_sessions.discard(session)

    def _cancel_after_grace(self) -> None:
        now = time.monotonic()
        for session, (until, logout) in list(self._leaving.items()):
            if until <= now:
                del self._leaving[session]
                self._cancel_orders_of(session, logout)

    def on_message(self, session: Session, text: str) -> None:
        fields = fields_of(text)
        msg_type = fields["35"]
        counts = self.metrics.messages_received
        counts.add(msg_type)
        required = REQUIRED.get(msg_type)
        if required is None:
            self._business_reject(session, fields, "3", f"MsgType {msg_type} is not taken on this port")
            return
        if not fields.keys() >= required:
            tag = min(required - fields.keys(), key=int)
            self._business_reject(session, fields, "5", f"tag {tag} is missing")
            return
        throttle = self._throttles.get(session.participant)
        if throttle is None:
            throttle = self._throttles[session.participant] = self._new_throttle(session.participant)
        refusal = throttle.limits and throttle.refusal(msg_type, time.monotonic())
        if refusal:
            dialect = self._reports[session.begin_string].dialect
            self._business_reject(session, fields, dialect.throttle, refusal)
            if throttle.exhausted:
                assert self.sessions is not None
                self.sessions.to_log_out.append((session, refusal))
            return
        if msg_type in ("D", "G", "F") and ("97" in fields or "43" in fields) and "Y" in (fields.get("97"), fields.get("43")):
            self._ask(lambda: self._take_again(session, fields))
        elif msg_type == "H":
            self._ask(lambda: self._answer_status(session, fields))
        elif msg_type == "AF":
            self._ask(lambda: self._answer_mass_status(session, fields))
        else:
            self._take(session, fields)

    def _take(self, session: Session, fields: dict[str, str]) -> None:
        """Put the command that a message asks for into the next batch, or refuse it."""
        msg_type, participant, policy = fields["35"], session.participant, self._policies.get(session.name, "")
        try:
            if msg_type == "D":
                self._inbox.append(self._requests.new_order(fields, participant, session.name, policy))
            elif msg_type == "F":
                self._inbox.append(self._requests.cancel_order(fields, participant, session.name, self._orig(session, fields)))
            elif msg_type == "G":
                orig = self._orig(session, fields)
                self._inbox.append(self._requests.replace_order(fields, participant, session.name, orig, policy))
            else:
                self._inbox.append(self._requests.mass_cancel(fields, participant, session.name))
        except Refused as refusal:
            why = refusal.with_traceback(None)  # which would hold this frame, and this frame it: a cycle is never collected
            if msg_type == "D":
                self._refuse_order(session, fields, why)
            elif msg_type == "q":
                self._refuse_mass_cancel(session, fields, why)
            else:  # says the order's state, so it waits for what is before it
                self._ask(lambda: self._refuse_cancel(session, fields, why))

    def _orig(self, session: Session, fields: dict[str, str]) -> str:
        """The ClOrdID of the order that is meant: OrigClOrdID, or by OrderID where the version lets it be left out.
        Raises Refused."""
        if "41" in fields:
            return fields["41"]
        order = self._order_by_id(session, fields.get("37", ""))
        if order is None:
            raise Refused(Reason.UNKNOWN_ORDER, _no_order(fields))
        return order.cl_ord_id

    def _order_by_id(self, session: Session, order_id: str) -> OpenOrder | None:
        """An open order of the session's participant."""
        if not (order_id.isdigit() and order_id.isascii() and len(order_id) <= ORDER_ID_LENGTH_MAX):
            return None
        order = self._orders.get(int(order_id))
        return order if order is not None and order.session.startswith(f"{session.participant}/") else None

    def _ask(self, question: Callable[[], None]) -> None:
        """Answer when everything that came before has been applied."""
        self._inbox.append(question)
        self._has_questions = True

    def operate(self, commands: list[Command], then: Callable[[list[Event]], None]) -> None:
        """Run the operator's commands behind everything that came before, and call `then` with what they caused."""

        def run() -> None:
            caused: list[Event] = []
            self._run(commands, caused)
            then(caused)

        self._ask(run)

    def on_turn(self) -> None:
        inbox = self._inbox
        if not inbox:
            return
        self._inbox = []
        if not self._has_questions:
            self._run(inbox)  # type: ignore[arg-type]
            return
        commands: list[Command] = []
        waiting = deque(inbox)
        while waiting:
            entry = waiting.popleft()
            if not callable(entry):
                commands.append(entry)
                continue
            self._run(commands)
            commands = []
            entry()
            # What a message that was sent again has turned into comes before what the session sent after it.
            waiting.extendleft(reversed(self._inbox))
            self._inbox = []
        self._has_questions = False
        self._run(commands)
        if self._inbox:
            self.on_turn()

    def _run(self, commands: list[Command], caused: list[Event] | None = None) -> None:
        """Have commands made durable and applied, and report what they caused; `caused` gathers it for who wants to know."""
        if not commands:
            return
        core = self.core
        core.submit(commands)
        self.turn_commands += len(commands)
        while core.pending:
            count = core.pending
            events = core.receive()
            self._batches.append((count - core.pending, core.sync_seconds))
            self._report(events)
            if caused is not None:
                caused += events

    def on_sent(self) -> None:
        self.core.publish()
        for commands, sync_seconds in self._batches:
            self.metrics.batch_commands.observe(commands)
            self.metrics.sync_seconds.observe(sync_seconds)
        self._batches.clear()

    def on_tick(self) -> None:
        now = time.time_ns()
        expiry = self.core.engine.next_expiry()
        if 0 < expiry <= now:
            self._inbox.append(ExpireOrders())
        if self._leaving:
            self._cancel_after_grace()
        self._roll_day_if_due()

    def _roll_day_if_due(self) -> None:
        day = trading_day(time.time_ns(), self._day_roll_seconds)
        if day > self.core.engine.trading_day:
            self.say(f"trading day {day} begins")
            self._inbox.append(RollDay(day))

    @property
    def busy(self) -> bool:
        """Whether there is something to do without waiting."""
        return bool(self._inbox)

    # -------------------------------------------------------------------------------------------- reports

    def _report(self, events: list[Event]) -> None:
        if not events:
            return
        by_type = self._by_type
        self._times.set(self.core.engine.time)
        for event in events:
            report = by_type.get(type(event))
            if report is not None:
                report(event)
        self.reported_event = events[-1].seq

    def _reports_of(self, session: str) -> Reports:
        return self._reports[session.rpartition("/")[2]]

    def _send(self, session: str, msg_type: str, body: str, routing: str) -> None:
        """To the session that is meant; one that is no longer configured gets nothing."""
        assert self.sessions is not None
        to = self.sessions.by_name.get(session)
        if to is not None and not self._muted:
            to.send(msg_type, body, self._poss_resend + routing if self._poss_resend else routing)

    def _report_accepted(self, event: OrderAccepted) -> None:
        begin = event.session.rpartition("/")[2]
        reports = self._reports[begin]
        order = self._orders[event.order_id] = OpenOrder(event, self._instruments[event.instrument], reports.dialect)
        if event.cancel_on_disconnect:
            self._marked_sessions.add(event.session)
        self.metrics.orders += 1
        self._send(event.session, EXECUTION_REPORT, reports.accepted(event, order, self._times[begin]), event.routing)

    def _report_rejected(self, event: OrderRejected) -> None:
        begin = event.session.rpartition("/")[2]
        reports = self._reports[begin]
        order = OpenOrder(event, self._instruments.get(event.instrument, UNKNOWN), reports.dialect)
        self.metrics.orders += 1
        self.metrics.rejects.add(event.reason.name.lower())
        self._send(event.session, EXECUTION_REPORT, reports.rejected(event, order, self._times[begin]), event.routing)

    def _report_traded(self, event: Traded) -> None:
        self.metrics.trades += 1
        maker, taker = self._orders[event.maker_order_id], self._orders[event.taker_order_id]
        quantity, value = event.quantity, event.price * event.quantity
        taker.leaves, maker.leaves = event.taker_leaves, event.maker_leaves
        for order in (taker, maker):
            order.executed += quantity
            order.value += value
            begin = order.session.rpartition("/")[2]
            body = self._reports[begin].filled(event, order, order is maker, self._times[begin])
            self._send(order.session, EXECUTION_REPORT, body, order.routing)
            if not order.leaves:
                del self._orders[order.order_id]

    def _report_canceled(self, event: OrderCanceled) -> None:
        """To the session that asked, and to the one that the order belongs to."""
        order = self._orders.pop(event.order_id)
        self._send_canceled(event, order, order.session, order.routing if event.session != order.session else event.routing)
        if event.session and event.session != order.session:
            self._send_canceled(event, order, event.session, event.routing)

    def _send_canceled(self, event: OrderCanceled, order: OpenOrder, session: str, routing: str) -> None:
        begin = session.rpartition("/")[2]
        self._send(session, EXECUTION_REPORT, self._reports[begin].canceled(event, order, self._times[begin]), routing)

    def _report_replaced(self, event: OrderReplaced) -> None:
        """To the session that asked, which the order belongs to from now on, and to the one that it belonged to."""
        order = self._orders[event.order_id]
        owner, owner_routing = order.session, order.routing
        order.replace(event, self._reports_of(event.session).dialect)
        if event.cancel_on_disconnect:
            self._marked_sessions.add(event.session)
        self._send_replaced(event, order, event.session, event.routing)
        if owner != event.session:
            self._send_replaced(event, order, owner, owner_routing)
        if not order.leaves:
            del self._orders[event.order_id]

    def _send_replaced(self, event: OrderReplaced, order: OpenOrder, session: str, routing: str) -> None:
        begin = session.rpartition("/")[2]
        self._send(session, EXECUTION_REPORT, self._reports[begin].replaced(event, order, self._times[begin]), routing)

    def _report_cancel_rejected(self, event: CancelRejected) -> None:
        begin = event.session.rpartition("/")[2]
        self.metrics.rejects.add(event.reason.name.lower())
        body = self._reports[begin].cancel_rejected(event, self._times[begin])
        self._send(event.session, ORDER_CANCEL_REJECT, body, event.routing)

    def _report_mass_canceled(self, event: MassCanceled) -> None:
        if event.disconnect or event.by:
            return  # no participant asked
        begin = event.session.rpartition("/")[2]
        body = self._reports[begin].mass_canceled(event, self._times[begin])
        self._send(event.session, ORDER_MASS_CANCEL_REPORT, body, event.routing)

    def _report_mass_cancel_rejected(self, event: MassCancelRejected) -> None:
        begin = event.session.rpartition("/")[2]
        self.metrics.rejects.add(event.reason.name.lower())
        body = self._reports[begin].mass_cancel_rejected(event, self._times[begin])
        self._send(event.session, ORDER_MASS_CANCEL_REPORT, body, event.routing)

    def _note_instrument(self, event: InstrumentDefined) -> None:
        self._instruments[event.instrument] = InstrumentNumbers(event.price_decimals, event.quantity_decimals, event.currency)

    def _note_participant(self, event: ParticipantDefined | AccessSet) -> None:
        self._throttles.pop(event.participant, None)  # the next one has his present limits
        self.on_participant(event.participant)

    def _note_refused(self, event: CommandRefused) -> None:
        self.say(f"{event.command} was refused: {event.text}")

    # ---------------------------------------------------------------------------------- questions, refusals

    def _new_throttle(self, participant: str) -> Throttle:
        terms, exchange = self.core.engine.participants[participant].terms, self._exchange
        return Throttle(
            exchange.orders_per_second if terms.orders_per_second < 0 else terms.orders_per_second,
            exchange.cancels_per_second if terms.cancels_per_second < 0 else terms.cancels_per_second,
        )

    def _now(self, session: Session) -> str:
        return self._reports[session.begin_string].time(time.time_ns())

    def _exec_id(self) -> str:
        """An ExecID for what no event stands behind: unique over restarts, and no number of an event."""
        self._status_count += 1
        return f"S{time.time_ns():x}-{self._status_count}"

    def _business_reject(self, session: Session, fields: dict[str, str], reason: str, text: str) -> None:
        session.send(BUSINESS_MESSAGE_REJECT, Reports.business_reject(fields, reason, text), routing_of(fields))

    def _refuse_order(self, session: Session, fields: dict[str, str], refusal: Refused) -> None:
        self.metrics.orders += 1
        self.metrics.rejects.add(refusal.reason.name.lower())
        reports = self._reports[session.begin_string]
        body = reports.refused(fields, self._exec_id(), self._now(session), refusal.reason, refusal.text)
        session.send(EXECUTION_REPORT, body, routing_of(fields))

    def _refuse_cancel(self, session: Session, fields: dict[str, str], refusal: Refused) -> None:
        self.metrics.rejects.add(refusal.reason.name.lower())
        order = self._order_by_id(session, fields.get("37", "")) if "41" not in fields else None
        state = self.core.engine.order(session.participant, fields.get("41") or (order.cl_ord_id if order else ""))
        if state is None:
            refusal = Refused(Reason.UNKNOWN_ORDER, _no_order(fields))
        body = self._reports[session.begin_string].cancel_refused(
            str(state.order_id) if state else "NONE", fields["11"], fields.get("41", ""), state.status if state else "8",
            "1" if fields["35"] == "F" else "2", refusal.reason, refusal.text, self._now(session),
        )  # fmt: skip
        session.send(ORDER_CANCEL_REJECT, body, routing_of(fields))

    def _refuse_mass_cancel(self, session: Session, fields: dict[str, str], refusal: Refused) -> None:
        self.metrics.rejects.add(refusal.reason.name.lower())
        code = "1" if refusal.reason == Reason.UNKNOWN_INSTRUMENT else "0"
        body = self._reports[session.begin_string].mass_cancel_refused(
            fields, self._exec_id(), code, refusal.text, self._now(session)
        )
        session.send(ORDER_MASS_CANCEL_REPORT, body, routing_of(fields))

    def _take_again(self, session: Session, fields: dict[str, str]) -> None:
        """A message that may have been sent before: one that is known is answered with the order's present state."""
        engine, cl_ord_id = self.core.engine, fields["11"]
        if not engine.knows(session.participant, cl_ord_id):
            self._take(session, fields)
        elif fields["35"] == "D" or engine.order(session.participant, cl_ord_id):
            self._answer_status(session, fields)
        else:
            self._refuse_cancel(session, fields, Refused(Reason.DUPLICATE_CL_ORD_ID, "it was refused when it came first"))

    def _answer_status(self, session: Session, fields: dict[str, str]) -> None:
        """OrderStatusRequest(H)."""
        reports, engine = self._reports[session.begin_string], self.core.engine
        order = self._order_by_id(session, fields.get("37", "")) if "11" not in fields else None
        cl_ord_id = fields.get("11") or (order.cl_ord_id if order else "")
        state = engine.order(session.participant, cl_ord_id)
        request_id = f"790={fields['790']}{SOH}" if "790" in fields else ""
        if state is None and engine.knows(session.participant, cl_ord_id):
            text = f"what had ClOrdID {cl_ord_id[:64]} was refused"
            body = reports.status_unknown(fields, self._exec_id(), self._now(session), text, request_id, None)
        elif state is None:
            text = _no_order({"41": cl_ord_id} if "11" in fields else fields)
            body = reports.status_unknown(fields, self._exec_id(), self._now(session), text, request_id)
        else:
            body = reports.status(state, self._instruments[state.instrument], self._exec_id(), self._now(session), request_id)
        session.send(EXECUTION_REPORT, body, routing_of(fields))

    def _answer_mass_status(self, session: Session, fields: dict[str, str]) -> None:
        """OrderMassStatusRequest(AF): a report an order, numbered as a set."""
        reports, request, scope = self._reports[session.begin_string], fields["584"], fields["585"]
        throttle, engine = self._throttles[session.participant], self.core.engine
        owner = engine.participants.get(session.participant)
        if not throttle.takes_status_reports(len(owner.open_orders) if owner else 0, time.monotonic()):
            text = f"more than {STATUS_REPORTS_PER_SECOND_MAX} orders reported in a second"
            self._business_reject(session, fields, reports.dialect.throttle, text)
            return
        found: list[OrderState] = []
        text, reason, symbol = "no open orders", Reason.UNKNOWN_ORDER, fields.get("55", "")
        if scope not in ("1", "7"):
            text, reason = f"MassStatusReqType {scope} is not taken: 1 and 7 are", Reason.UNSUPPORTED
        elif scope == "1" and symbol not in self._instruments:
            text, reason = f"unknown symbol {symbol[:32]}" if symbol else "Symbol is missing", Reason.UNKNOWN_INSTRUMENT
        else:
            found = [
                state
                for state in engine.open_orders(session.participant)
                if (scope == "7" or state.instrument == symbol)
                and fields.get("54", state.side) == state.side
                and fields.get("1", state.account) == state.account
            ]
        routing, now = routing_of(fields), self._now(session)
        head = f"584={request}{SOH}911={len(found)}{SOH}"
        for index, state in enumerate(found, 1):
            extra = f"{head}912={'Y' if index == len(found) else 'N'}{SOH}"
            body = reports.status(state, self._instruments[state.instrument], self._exec_id(), now, extra)
            session.send(EXECUTION_REPORT, body, routing)
        if not found:
            extra = f"{head}912=Y{SOH}"
            asked = {tag: value for tag, value in fields.items() if tag in ("54", "55")}
            body = reports.status_unknown(asked, self._exec_id(), now, text, extra, reason)
            session.send(EXECUTION_REPORT, body, routing)

    @property
    def open_orders(self) -> int:
        return len(self._orders)


class _Times(dict[str, str]):
    """TransactTime(60) of a batch by BeginString, written when first asked for."""

    def set(self, time_ns: int) -> None:
        self.clear()
        self._time_ns = time_ns

    def __missing__(self, begin_string: str) -> str:
        text = self[begin_string] = utc_text(self._time_ns, DIALECTS[begin_string].time_digits)
        return text


def _no_order(fields: dict[str, str]) -> str:
    """What is said of an order that a message names and that there is not."""
    if fields.get("41"):
        return f"no order with ClOrdID {fields['41'][:64]}"
    if fields.get("37"):
        return f"no open order with OrderID {fields['37'][:64]}"
    return "neither OrigClOrdID nor OrderID says which order is meant"


def trading_day(time_ns: int, day_roll_seconds: int) -> str:
    """The trading day of a moment, YYYYMMDD: from `day_roll_seconds` after midnight UTC on it is the next day's."""
    seconds = time_ns // 1_000_000_000 + (86_400 - day_roll_seconds if day_roll_seconds else 0)
    return time.strftime("%Y%m%d", time.gmtime(seconds))
