"""The order-entry desk: turns messages into commands, hands them to the core, and reports what it answers. It keeps no book.

One turn: everything read is decoded as it comes in (`on_message`), then submitted as one batch, made durable,
applied, reported (`on_turn`), and shown to those who tail the events once the reports are on their way (`on_sent`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from fixserver import lists, quotes
from fixserver.allocations import Allocations
from fixserver.capture import Captures
from fixserver.enquiries import Enquiries, no_order
from fixserver.holdings import Holdings
from fixserver.logscan import LogScans
from fixserver.onbehalf import ON_BEHALF_OF, OnBehalf, Speaker
from fixserver.refusals import Refusals
from fixserver.reporter import Reporter
from fixserver.requests import REQUIRED, Requests, fields_of
from fixserver.throttle import Throttle
from fixserver.timers import Timers
from fixserver.values import Refused
from matching.messages import AccessSet, Command, Event, MassCancel, ParticipantDefined, Reason

if TYPE_CHECKING:
    from fixserver.config import Config
    from fixserver.metrics import ExchangeMetrics
    from fixserver.sessions import Session, Sessions
    from matching.sequencer import Sequencer

OTHER, UNKNOWN_ID, MESSAGE_NOT_TAKEN, FIELD_MISSING = "0", "1", "3", "5"  # BusinessRejectReason(380)
_CANCEL_POLICIES = {"N": "none", "D": "day", "A": "all"}
_ORDERS_AND_CHANGES = ("D", "G", "F")
_SENT_AGAIN = frozenset(("43", "97"))  # PossDupFlag, PossResend

Entry = Command | Callable[[], None]


class Gateway:
    """Order entry for all sessions of the port."""

    def __init__(self, config: Config, core: Sequencer, metrics: ExchangeMetrics, say: Callable[[str], None]) -> None:
        self.core = core
        self.metrics = metrics
        self.say = say
        # Of a turn: its commands, when their work began and ended (perf_counter), and how long two of its stages took.
        self.turn_commands = 0
        self.turn_began = self.turn_ended = 0.0
        self.turn_journal_seconds = self.turn_apply_seconds = 0.0
        self.reporter = Reporter(core, metrics, say)
        self.reporter.on_participant = self._participant_changed
        self._enquiries = Enquiries(core, self.reporter)
        self._refusals = Refusals(core, self._enquiries, metrics)
        self._holdings = Holdings(core, self._enquiries, self.reporter.instruments)
        self._scans = LogScans(core.data / "events", core)
        self._captures = Captures(core, self._enquiries, self._scans, self.reporter.instruments)
        self.reporter.on_trade = self._captures.on_trade
        submit = self._inbox_append
        self._allocations = Allocations(core, self._enquiries, self._scans, self.reporter.instruments, submit)
        self.reporter.allocation_answer = self._allocations.answer
        self._requests = Requests(self.reporter.instruments, config.venue.day_roll_seconds)
        self._timers = Timers(lambda: core.engine, config, say)
        self._inbox: list[Entry] = []
        self._has_questions = False
        self._batches: list[tuple[int, float]] = []  # of this turn: commands, and how long they took to become durable
        self._exchange = config.exchange
        self.on_participant: Callable[[str], None] = lambda name: None  # somebody is new, or may do something else now
        self.may_log_on: Callable[[str], bool] = lambda name: True  # who may not is not spoken for either
        self._throttles: dict[str, Throttle] = {}
        self._policies: dict[str, str] = {}  # which orders end with their session, by session: "", "day", "all"
        # Sessions that have ended and whose orders end with them: until when they may come back, and whether they have logged out.
        self._leaving: dict[tuple[str, str], tuple[float, bool]] = {}

    @property
    def sessions(self) -> Sessions | None:
        return self.reporter.sessions

    @sessions.setter
    def sessions(self, sessions: Sessions) -> None:
        """Set by whoever creates both."""
        self.reporter.sessions = sessions

    @property
    def reported_event(self) -> int:
        """Reports of events up to this one have been made."""
        return self.reporter.reported_event

    @property
    def open_orders(self) -> int:
        return len(self.reporter.orders)

    # ---------------------------------------------------------------------------------------------- start

    def restore(self) -> None:
        """Know what the core knows now."""
        self.reporter.restore()

    def report_again(self, events: list[Event], after_event: int) -> None:
        """Report events of before a crash that were not reported, those behind `after_event`: marked PossResend."""
        self.reporter.report_again(events, after_event)

    def open_for_business(self, config: Config) -> None:
        """Bring the core to what the configuration says, as commands: instruments, accounts, first deposits."""
        engine = self.core.engine
        recovered = engine.command_seq > 0
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
            for further in entry.define_accounts():
                known = engine.accounts.get(further.account)
                if known is None or known.configured != further:
                    commands.append(further)
        self._inbox += commands + deposits
        self.on_turn()
        margins = {symbol: one.margin_configured for symbol, one in engine.instruments.items() if one.margin_configured is not None}
        self._inbox += config.clearing_commands(margins, engine.fees_configured, engine.settlement_configured)
        self.on_turn()
        self._inbox += self._timers.begin(self.core.clock(), recovered)
        for name in sorted(self.reporter.marked):  # whose connections this process, or its machine, has ended
            self._end_orders_of(name)
        self.on_turn()
        self.on_sent()

    # ----------------------------------------------------------------------------------------- the desk

    def on_logon(self, session: Session) -> None:
        policy = _CANCEL_POLICIES.get(session.logon_fields.get("8013", ""))
        if session.speaks_for_others:
            policy = "none"  # the end of a process that serves many is no word of theirs
        elif policy is None:
            policy = self.core.engine.participants[session.participant].terms.cancel_on_disconnect
        self._policies[session.name] = "" if policy == "none" else policy
        for leaving in [leaving for leaving in self._leaving if leaving[0] == session.name]:
            del self._leaving[leaving]
        self.reporter.present[session.name] = session
        self.say(f"{session.name}: logged on")

    def on_logout(self, session: Session) -> None:
        self.reporter.present.pop(session.name, None)
        self._holdings.on_logout(session.name)
        self._captures.on_logout(session.name)
        self.say(f"{session.name}: logged out")
        self._end_orders_of(session.name, session.said_logout)

    def _end_orders_of(self, session: str, logout: bool = False) -> None:
        """A session has ended: have those of its orders canceled that are to end with it, now or when its grace is over."""
        whose = set(self.reporter.marked.get(session, ()))
        if self._policies.get(session):
            whose.add(session.rpartition("/")[0])
        for name in sorted(whose):
            participant = self.core.engine.participants.get(name)
            grace = participant.terms.cancel_grace_seconds if participant is not None else 0
            if grace:
                self._leaving[session, name] = time.monotonic() + grace, logout
            else:
                self._cancel_orders_of(session, name, logout)

    def _cancel_orders_of(self, session: str, participant: str, logout: bool) -> None:
        policy, marked = self._policies.get(session, ""), self.reporter.marked.get(session, set())
        of_session = MassCancel(participant, session, "", only_session=True, disconnect=True, logout=logout)
        if policy:
            self._inbox.append(msgspec.structs.replace(of_session, spare_persistent=policy == "day"))
        if policy != "all" and participant in marked:
            self._inbox.append(msgspec.structs.replace(of_session, only_marked=True))
        marked.discard(participant)

    def _cancel_after_grace(self) -> None:
        now = time.monotonic()
        for (session, participant), (until, logout) in list(self._leaving.items()):
            if until <= now:
                del self._leaving[session, participant]
                self._cancel_orders_of(session, participant, logout)

    def on_message(self, session: Session, text: str) -> None:
        fields = fields_of(text)
        msg_type = fields["35"]
        counts = self.metrics.messages_received
        counts.add(msg_type)
        speaker: Speaker = session
        if session.speaks_for_others:
            spoken_for = self._spoken_for(session, fields)
            if spoken_for is None:
                return
            speaker = spoken_for
        required = REQUIRED.get(msg_type)
        if required is None:
            self._refusals.business(speaker, fields, MESSAGE_NOT_TAKEN, f"MsgType {msg_type} is not taken on this port")
            return
        if not fields.keys() >= required:
            tag = min(required - fields.keys(), key=int)
            self._refusals.business(speaker, fields, FIELD_MISSING, f"tag {tag} is missing")
            return
        throttle = self._throttles.get(speaker.participant)
        if throttle is None:
            throttle = self._throttles[speaker.participant] = self._new_throttle(speaker.participant)
        refusal = throttle.limits and throttle.refusal(msg_type, time.monotonic())
        if refusal:
            self._refusals.business(speaker, fields, self._enquiries.reports_of(speaker).dialect.throttle, refusal)
            if throttle.exhausted and speaker is session:  # the end of one that speaks for others would be that of many
                assert self.sessions is not None
                self.sessions.to_log_out.append((session, refusal))
            return
        if msg_type in _ORDERS_AND_CHANGES:
            if _SENT_AGAIN.isdisjoint(fields) or "Y" not in (fields.get("97"), fields.get("43")):
                self._take(speaker, fields)
            else:
                self._ask(lambda: self._take_again(speaker, fields))
        elif msg_type == "q":
            self._take(speaker, fields)
        elif msg_type == "E":
            self._take_list(speaker, fields, text)
        elif msg_type == "i":
            self._take_quotes(speaker, fields, text)
        elif msg_type == "Z":
            self._take_quote_cancel(speaker, fields, text)
        elif msg_type == "AD":
            self._ask(lambda: self._captures.request(speaker, fields, text))
        elif msg_type == "J":
            self._ask(lambda: self._allocations.instruct(speaker, fields, text))
        else:
            self._take_question(speaker, fields, throttle)

    def _spoken_for(self, session: Session, fields: dict[str, str]) -> OnBehalf | None:
        """The participant for whom a message is; None when it was refused, because it names nobody who may act."""
        name = fields.get(ON_BEHALF_OF, "")
        if not name:
            why, text = FIELD_MISSING, "OnBehalfOfCompID(115) is missing: it says for whom a message of this session is"
        elif name not in self.core.engine.participants:
            why, text = UNKNOWN_ID, f"OnBehalfOfCompID(115): there is no participant {name[:40]}"
        elif not self.may_log_on(name):
            why, text = OTHER, f"OnBehalfOfCompID(115): participant {name} may not log on: suspended, or removed"
        else:
            return OnBehalf(session, name)
        self._refusals.business(session, fields, why, text)
        return None

    def _take(self, session: Speaker, fields: dict[str, str]) -> None:
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
                self._refusals.order(session, fields, why)
            elif msg_type == "q":
                self._refusals.mass_cancel(session, fields, why)
            else:  # says the order's state, so it waits for what is before it
                self._ask(lambda: self._refusals.cancel(session, fields, why))

    def _take_again(self, session: Speaker, fields: dict[str, str]) -> None:
        """A message that may have been sent before: one that is known is answered with the order's present state."""
        engine, cl_ord_id = self.core.engine, fields["11"]
        if not engine.knows(session.participant, cl_ord_id):
            self._take(session, fields)
        elif fields["35"] == "D" or engine.order(session.participant, cl_ord_id):
            self._enquiries.order_status(session, fields)
        else:
            self._refusals.cancel(session, fields, Refused(Reason.DUPLICATE_CL_ORD_ID, "it was refused when it came first"))

    def _take_list(self, session: Speaker, fields: dict[str, str], text: str) -> None:
        """NewOrderList(E). One that may have been sent before, and is known, is answered with the state of its orders."""
        orders = lists.orders_of(text, fields)
        policy = self._policies.get(session.name, "")

        def take() -> None:
            try:
                made = lists.new_list(self._requests, fields, orders, session.participant, session.name, policy)
            except Refused as refusal:
                self._refusals.order_list(session, fields, orders, refusal.with_traceback(None))
            else:
                self._inbox.append(made)

        def take_again() -> None:
            if any(self.core.engine.knows(session.participant, order["11"]) for order in orders):
                for order in orders:
                    self._enquiries.order_status(session, order)
            else:
                take()

        if _sent_again(fields):
            self._ask(take_again)
        else:
            take()

    def _take_quotes(self, session: Speaker, fields: dict[str, str], text: str) -> None:
        """MassQuote(i). One that may be old is not taken: the market has moved, and what it offered may be sold."""
        try:
            if _sent_again(fields):
                raise Refused(Reason.UNSUPPORTED, "a quote that may have been sent before is not taken: quote anew")
            policy, instruments = self._policies.get(session.name, ""), self.reporter.instruments
            self._inbox.append(quotes.mass_quote(text, fields, session.participant, session.name, policy, instruments))
        except Refused as refusal:
            self._refusals.quote(session, fields, refusal.with_traceback(None))

    def _take_quote_cancel(self, session: Speaker, fields: dict[str, str], text: str) -> None:
        """QuoteCancel(Z)."""
        try:
            self._inbox += quotes.cancel_quotes(text, fields, session.participant, session.name, self.reporter.instruments)
        except Refused as refusal:
            self._refusals.quote(session, fields, refusal.with_traceback(None))

    def _take_question(self, session: Speaker, fields: dict[str, str], throttle: Throttle) -> None:
        """Have it answered when everything that came before has been applied."""
        enquiries, msg_type = self._enquiries, fields["35"]
        if msg_type == "H":
            self._ask(lambda: enquiries.order_status(session, fields))
        elif msg_type == "AF":
            self._ask(lambda: enquiries.mass_status(session, fields, throttle))
        elif msg_type == "x":
            self._ask(lambda: enquiries.security_list(session, fields))
        elif msg_type == "e":
            self._ask(lambda: enquiries.security_status(session, fields))
        elif msg_type == "AN":
            self._ask(lambda: self._holdings.positions(session, fields, throttle))
        elif msg_type == "BB":
            self._ask(lambda: self._holdings.collateral(session, fields, throttle))
        else:
            self._ask(lambda: enquiries.session_status(session, fields))

    def _orig(self, session: Speaker, fields: dict[str, str]) -> str:
        """The ClOrdID of the order that is meant: OrigClOrdID, or by OrderID where the version lets it be left out.
        Raises Refused."""
        if "41" in fields:
            return fields["41"]
        order = self._enquiries.order_by_id(session, fields.get("37", ""))
        if order is None:
            raise Refused(Reason.UNKNOWN_ORDER, no_order(fields))
        return order.cl_ord_id

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

    def _inbox_append(self, command: Command) -> None:
        self._inbox.append(command)

    def on_turn(self) -> None:
        self._scans.step()
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
        began = time.perf_counter()
        if not self.turn_commands:
            self.turn_began = began
            self.turn_journal_seconds = self.turn_apply_seconds = 0.0
        core.submit(commands)
        self.turn_commands += len(commands)
        while core.pending:
            count = core.pending
            events = core.receive()
            self.turn_journal_seconds += core.sync_seconds
            self.turn_apply_seconds += time.perf_counter() - began - core.sync_seconds
            self._batches.append((count - core.pending, core.sync_seconds))
            self.reporter.report(events)
            if caused is not None:
                caused += events
            began = time.perf_counter()
        self.turn_ended = began

    def on_sent(self) -> None:
        self.core.publish()
        for commands, sync_seconds in self._batches:
            self.metrics.batch_commands.observe(commands)
            self.metrics.sync_seconds.observe(sync_seconds)
        self._batches.clear()

    def on_tick(self) -> None:
        self._inbox += self._timers.due(self.core.clock())
        self._holdings.on_tick()
        if self._leaving:
            self._cancel_after_grace()

    @property
    def busy(self) -> bool:
        """Whether there is something to do without waiting."""
        return bool(self._inbox) or self._scans.busy

    # ------------------------------------------------------------------------------------------ participants

    def _participant_changed(self, event: ParticipantDefined | AccessSet) -> None:
        self._throttles.pop(event.participant, None)  # the next one has his present limits
        self.on_participant(event.participant)

    def _new_throttle(self, participant: str) -> Throttle:
        terms, exchange = self.core.engine.participants[participant].terms, self._exchange
        return Throttle(
            exchange.orders_per_second if terms.orders_per_second < 0 else terms.orders_per_second,
            exchange.cancels_per_second if terms.cancels_per_second < 0 else terms.cancels_per_second,
        )


def _sent_again(fields: dict[str, str]) -> bool:
    """Whether a message says that it may have been sent before."""
    return "Y" in (fields.get("97"), fields.get("43"))
