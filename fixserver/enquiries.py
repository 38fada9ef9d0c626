"""Answers questions: about orders (H, AF), about instruments and markets (x, e, g). It changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from fixserver import statuses
from fixserver.reporter import (
    EXECUTION_REPORT,
    SECURITY_STATUS,
    TRADING_SESSION_STATUS,
    Reporter,
)
from fixserver.reports import OpenOrder, Reports
from fixserver.requests import routing_of
from fixserver.throttle import STATUS_REPORTS_PER_SECOND_MAX, Throttle
from matching.messages import OrderState, Reason

if TYPE_CHECKING:
    from fixserver.dropcopy import DropCopies
    from fixserver.onbehalf import Speaker
    from matching.sequencer import Sequencer

SOH = "\x01"
BUSINESS_MESSAGE_REJECT = "j"
SECURITY_LIST = "y"
ORDER_ID_LENGTH_MAX = 18
ONE_SYMBOL, ALL_SYMBOLS = "0", "4"  # SecurityListRequestType(559)
UNSUBSCRIBE = "2"  # SubscriptionRequestType(263)
UNKNOWN_ID = "1"  # BusinessRejectReason(380)


class Enquiries:
    """What clients may ask, as the core stands when it is their turn."""

    def __init__(self, core: Sequencer, reporter: Reporter) -> None:
        self._core = core
        self._reporter = reporter
        self._count = 0

    def now(self, session: Speaker) -> str:
        """TransactTime(60) of what no event stands behind."""
        return self.reports_of(session).time(self._core.clock())

    def today(self) -> str:
        """The date, where no trading day has begun."""
        return time.strftime("%Y%m%d", time.gmtime(self._core.clock() // 10**9))

    def exec_id(self) -> str:
        """An ExecID for what no event stands behind: unique over restarts, and no number of an event."""
        self._count += 1
        return f"S{time.time_ns():x}-{self._count}"

    @property
    def by_version(self) -> dict[str, Reports]:
        return self._reporter.by_version

    @property
    def copies(self) -> DropCopies | None:
        """Who is sent copies of reports."""
        return self._reporter.copies

    def reports_of(self, session: Speaker) -> Reports:
        return self._reporter.by_version[session.begin_string]

    def order_by_id(self, session: Speaker, order_id: str) -> OpenOrder | None:
        """An open order of the participant who asks, whichever session it came by."""
        if not (order_id.isdigit() and order_id.isascii() and len(order_id) <= ORDER_ID_LENGTH_MAX):
            return None
        order = self._reporter.orders.get(int(order_id))
        return order if order is not None and order.participant == session.participant else None

    # ---------------------------------------------------------------------------------------------- orders

    def order_status(self, session: Speaker, fields: dict[str, str]) -> None:
        """OrderStatusRequest(H)."""
        reports, engine = self.reports_of(session), self._core.engine
        order = self.order_by_id(session, fields.get("37", "")) if "11" not in fields else None
        cl_ord_id = fields.get("11") or (order.cl_ord_id if order else "")
        state = engine.order(session.participant, cl_ord_id)
        request_id = f"790={fields['790']}{SOH}" if "790" in fields else ""
        if state is None and engine.knows(session.participant, cl_ord_id):
            text = f"what had ClOrdID {cl_ord_id[:64]} was refused"
            body = reports.status_unknown(fields, self.exec_id(), self.now(session), text, request_id, None)
        elif state is None:
            text = no_order({"41": cl_ord_id} if "11" in fields else fields)
            body = reports.status_unknown(fields, self.exec_id(), self.now(session), text, request_id)
        else:
            body = self._status(reports, state, self.now(session), request_id)
        session.send(EXECUTION_REPORT, body, routing_of(fields))

    def mass_status(self, session: Speaker, fields: dict[str, str], throttle: Throttle) -> None:
        """OrderMassStatusRequest(AF): a report an order, numbered as a set."""
        reports, request, scope = self.reports_of(session), fields["584"], fields["585"]
        engine = self._core.engine
        owner = engine.participants.get(session.participant)
        if not throttle.takes_status_reports(len(owner.open_orders) if owner else 0, time.monotonic()):
            text = f"more than {STATUS_REPORTS_PER_SECOND_MAX} orders reported in a second"
            body = Reports.business_reject(fields, reports.dialect.throttle, text)
            session.send(BUSINESS_MESSAGE_REJECT, body, routing_of(fields))
            return
        found: list[OrderState] = []
        text, reason, symbol = "no open orders", Reason.UNKNOWN_ORDER, fields.get("55", "")
        if scope not in ("1", "7"):
            text, reason = f"MassStatusReqType {scope} is not taken: 1 and 7 are", Reason.UNSUPPORTED
        elif scope == "1" and symbol not in self._reporter.instruments:
            text, reason = f"unknown symbol {symbol[:32]}" if symbol else "Symbol is missing", Reason.UNKNOWN_INSTRUMENT
        else:
            found = [
                state
                for state in engine.open_orders(session.participant)
                if (scope == "7" or state.instrument == symbol)
                and fields.get("54", state.side) == state.side
                and fields.get("1", state.account) == state.account
            ]
        routing, now = routing_of(fields), self.now(session)
        head = f"584={request}{SOH}911={len(found)}{SOH}"
        for index, state in enumerate(found, 1):
            extra = f"{head}912={'Y' if index == len(found) else 'N'}{SOH}"
            session.send(EXECUTION_REPORT, self._status(reports, state, now, extra), routing)
        if not found:
            extra = f"{head}912=Y{SOH}"
            asked = {tag: value for tag, value in fields.items() if tag in ("54", "55")}
            body = reports.status_unknown(asked, self.exec_id(), now, text, extra, reason)
            session.send(EXECUTION_REPORT, body, routing)

    def _status(self, reports: Reports, state: OrderState, now: str, extra: str) -> str:
        return reports.status(state, self._reporter.instruments[state.instrument], self.exec_id(), now, extra)

    # ------------------------------------------------------------------------------------------ the market

    def security_status(self, session: Speaker, fields: dict[str, str]) -> None:
        """SecurityStatusRequest(e). Changes are told to all, so that there is nothing to subscribe to, and nothing to end."""
        if fields["263"] == UNSUBSCRIBE:
            return
        dialect, symbol, now = self.reports_of(session).dialect, fields.get("55", ""), self.now(session)
        instrument = self._core.engine.instruments.get(symbol)
        if instrument is None:
            body = statuses.security_unknown(dialect, symbol, fields["324"], now)
        else:
            last = self._reporter.instruments[symbol].price(instrument.last) if instrument.last else ""
            body = statuses.security_status(
                dialect, symbol, instrument.market, instrument.phase, last, now, request=fields["324"],
                more=statuses.until_text(instrument.until),
            )  # fmt: skip
        session.send(SECURITY_STATUS, body, routing_of(fields))

    def session_status(self, session: Speaker, fields: dict[str, str]) -> None:
        """TradingSessionStatusRequest(g): of the market that it names, or of each."""
        if fields["263"] == UNSUBSCRIBE:
            return
        dialect, routing, request = self.reports_of(session).dialect, routing_of(fields), fields["335"]
        markets, wanted = self._core.engine.markets, statuses.market_of(dialect, fields)
        if wanted and wanted not in markets:
            text = f"unknown market {wanted[:32]}"
            if dialect.session_refused:
                body = statuses.session_refused(dialect, wanted, request, text)
                session.send(TRADING_SESSION_STATUS, body, routing)
            else:
                session.send(BUSINESS_MESSAGE_REJECT, Reports.business_reject(fields, UNKNOWN_ID, text), routing)
            return
        for market, phase in markets.items():
            if wanted in ("", market):
                body = statuses.session_status(dialect, market, phase, request=request)
                session.send(TRADING_SESSION_STATUS, body, routing)

    def security_list(self, session: Speaker, fields: dict[str, str]) -> None:
        """SecurityListRequest(x): one instrument, or all; those of a market where one is named."""
        dialect, routing, request = self.reports_of(session).dialect, routing_of(fields), fields["320"]
        scope, symbol, market = fields["559"], fields.get("55", ""), statuses.market_of(dialect, fields)
        response = self.exec_id()
        if scope not in (ONE_SYMBOL, ALL_SYMBOLS):
            session.send(SECURITY_LIST, statuses.security_list_refused(request, response, statuses.NOT_TAKEN), routing)
            return
        found = [
            (instrument.terms, self._reporter.instruments[name], instrument.low, instrument.high)
            for name, instrument in sorted(self._core.engine.instruments.items())
            if (scope == ALL_SYMBOLS or name == symbol) and market in ("", instrument.market)
        ]
        if not found:
            session.send(SECURITY_LIST, statuses.security_list_refused(request, response, statuses.NONE_FOUND), routing)
        for body in statuses.security_lists(dialect, request, response, found):
            session.send(SECURITY_LIST, body, routing)


Answer = Callable[["Speaker", dict[str, str]], None]


def no_order(fields: dict[str, str]) -> str:
    """What is said of an order that a message names and that there is not."""
    if fields.get("41"):
        return f"no order with ClOrdID {fields['41'][:64]}"
    if fields.get("37"):
        return f"no open order with OrderID {fields['37'][:64]}"
    return "neither OrigClOrdID nor OrderID says which order is meant"
