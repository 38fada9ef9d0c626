"""What clients are told of messages that no command can be made of. It decides nothing: the reason has been found before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fixserver import lists, quotes
from fixserver.enquiries import BUSINESS_MESSAGE_REJECT, Enquiries, no_order
from fixserver.lists import Standing
from fixserver.reporter import (
    EXECUTION_REPORT,
    LIST_STATUS,
    MASS_QUOTE_ACKNOWLEDGEMENT,
    ORDER_CANCEL_REJECT,
    ORDER_MASS_CANCEL_REPORT,
)
from fixserver.reports import NO_ORDER, Reports
from fixserver.requests import routing_of
from fixserver.values import Refused
from matching.messages import Reason

if TYPE_CHECKING:
    from fixserver.metrics import ExchangeMetrics
    from fixserver.onbehalf import Speaker
    from matching.sequencer import Sequencer


class Refusals:
    """One answer for each kind of message."""

    def __init__(self, core: Sequencer, enquiries: Enquiries, metrics: ExchangeMetrics) -> None:
        self._core = core
        self._enquiries = enquiries
        self._metrics = metrics

    def business(self, session: Speaker, fields: dict[str, str], reason: str, text: str) -> None:
        """BusinessMessageReject(j)."""
        session.send(BUSINESS_MESSAGE_REJECT, Reports.business_reject(fields, reason, text), routing_of(fields))

    def order(self, session: Speaker, fields: dict[str, str], refusal: Refused, list_id: str = "") -> None:
        self._metrics.orders += 1
        self._count(refusal)
        exec_id, now = self._enquiries.exec_id(), self._core.clock()

        def said_by(reports: Reports) -> str:
            return reports.refused(fields, exec_id, reports.time(now), refusal.reason, refusal.text, list_id)

        self._report(session, fields, EXECUTION_REPORT, said_by)

    def order_list(self, session: Speaker, fields: dict[str, str], orders: list[dict[str, str]], refusal: Refused) -> None:
        """An ExecutionReport for each order, and behind them the ListStatus, as where the core refuses."""
        list_id = fields["66"]
        for order in orders:
            self.order(session, order, refusal, list_id)
        enquiries = self._enquiries
        dialect = enquiries.reports_of(session).dialect
        code = dialect.ord_rej_reason(refusal.reason)
        standing = [Standing(order["11"], "8", "0", code, refusal.text) for order in orders]
        body = lists.list_status(dialect, list_id, fields.get("1385", ""), standing, enquiries.now(session), refusal)
        session.send(LIST_STATUS, body, routing_of(fields))

    def quote(self, session: Speaker, fields: dict[str, str], refusal: Refused) -> None:
        """A MassQuote or a QuoteCancel. Whoever wants to hear nothing of his quotes hears nothing of this."""
        self._count(refusal)
        level = fields.get("301", "")
        if level != quotes.NOTHING:
            dialect = self._enquiries.reports_of(session).dialect
            body = quotes.refused_as_a_whole(dialect, fields.get("117", ""), level, refusal)
            session.send(MASS_QUOTE_ACKNOWLEDGEMENT, body, routing_of(fields))

    def cancel(self, session: Speaker, fields: dict[str, str], refusal: Refused) -> None:
        """A cancel or a replace; says how the order stands."""
        self._count(refusal)
        enquiries = self._enquiries
        order = enquiries.order_by_id(session, fields.get("37", "")) if "41" not in fields else None
        state = self._core.engine.order(session.participant, fields.get("41") or (order.cl_ord_id if order else ""))
        if state is None:
            refusal = Refused(Reason.UNKNOWN_ORDER, no_order(fields))
        why, now = refusal, self._core.clock()

        def said_by(reports: Reports) -> str:
            return reports.cancel_refused(
                str(state.order_id) if state else NO_ORDER, fields["11"], fields.get("41", ""), state.status if state else "8",
                "1" if fields["35"] == "F" else "2", why.reason, why.text, reports.time(now),
            )  # fmt: skip

        self._report(session, fields, ORDER_CANCEL_REJECT, said_by)

    def mass_cancel(self, session: Speaker, fields: dict[str, str], refusal: Refused) -> None:
        self._count(refusal)
        enquiries = self._enquiries
        code = "1" if refusal.reason == Reason.UNKNOWN_INSTRUMENT else "0"
        body = enquiries.reports_of(session).mass_cancel_refused(
            fields, enquiries.exec_id(), code, refusal.text, enquiries.now(session)
        )
        session.send(ORDER_MASS_CANCEL_REPORT, body, routing_of(fields))

    def _report(self, session: Speaker, fields: dict[str, str], msg_type: str, said_by: Callable[[Reports], str]) -> None:
        """Send what is a report of an order, and copy it for those who watch the participant."""
        enquiries = self._enquiries
        body = said_by(enquiries.reports_of(session))
        session.send(msg_type, body, routing_of(fields))
        copies = enquiries.copies
        if copies is not None:
            by_version = enquiries.by_version
            copies.add(session.participant, session.begin_string, msg_type, body, lambda version: said_by(by_version[version]))
            copies.must_be_noted()

    def _count(self, refusal: Refused) -> None:
        self._metrics.rejects.add(refusal.reason.name.lower())
