"""FIX messages made of what the core says: the bodies of 8, 9, r and j, as raw text. It decides nothing.

A body is what stands between the standard header and the trailer, each field with its SOH. ExecIDs follow from
event numbers, so that a replay of the journal yields the same ones: the event's number, with M or T behind it
where one trade is reported to maker and taker.
"""

from __future__ import annotations

from fixserver.dialects import Dialect
from fixserver.sessions import utc_text
from matching.instruments import decimal_text
from matching.messages import (
    GTD,
    LIMIT,
    CancelReason,
    CancelRejected,
    MassCanceled,
    MassCancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrderState,
    Reason,
    Traded,
)

SOH = "\x01"
AVG_PX_DECIMALS = 4  # beyond those of the price
NO_ORDER = "NONE"
NO_SYMBOL = "[N/A]"
UNDISCLOSED = "7"  # Side(54), where a report is about no order in particular
SAID_BY_AN_ORDER = ("11", "1", "55", "54", "38", "40", "44", "59", "126", "432", "18")
# What names a message, for BusinessRejectRefID(379): ClOrdID, MDReqID, MassStatusReqID, and whatever else asks.
REFERENCES = ("11", "262", "584", "790", "131", "117", "320", "324", "335", "568", "710", "909", "923")

CANCEL_TEXTS = {
    CancelReason.MASS_CANCEL: "mass cancel",
    CancelReason.IOC_REMAINDER: "what was left of an immediate-or-cancel order",
    CancelReason.FOK_NOT_FILLABLE: "could not be filled at once as a whole",
    CancelReason.MARKET_REMAINDER: "what was left of a market order",
    CancelReason.SELF_TRADE: "would have traded with an order of the same participant",
    CancelReason.DISCONNECT: "the connection was lost",
    CancelReason.LOGOUT: "the session logged out",
    CancelReason.DAY_END: "the trading day ended",
    CancelReason.GTD_END: "the order's time ended",
}
EXPIRED = (CancelReason.DAY_END, CancelReason.GTD_END)


class Decimals:
    """How an instrument's numbers are written, with the texts of recent ones: most prices come again."""

    CACHE_MAX = 50_000

    def __init__(self, price_decimals: int, quantity_decimals: int) -> None:
        self.price_decimals = price_decimals
        self.quantity_decimals = quantity_decimals
        self._prices: dict[int, str] = {}

    def price(self, units: int) -> str:
        text = self._prices.get(units)
        if text is None:
            if len(self._prices) >= self.CACHE_MAX:
                self._prices.clear()
            text = self._prices[units] = decimal_text(units, self.price_decimals)
        return text

    def quantity(self, units: int) -> str:
        return decimal_text(units, self.quantity_decimals) if self.quantity_decimals and units else str(units)


class OpenOrder:
    """What the gateway keeps of an open order to report on it. `stated` is what the order said, as fields.

    `leaves` and `executed` in quantity units; `value` is price times quantity over its fills.
    """

    __slots__ = ("cl_ord_id", "decimals", "executed", "leaves", "order_id", "price", "routing", "session", "stated", "value")

    def __init__(
        self, state: OrderAccepted | OrderRejected | OrderState, decimals: Decimals, dialect: Dialect
    ) -> None:
        self.order_id = state.order_id
        self.session = state.session
        self.routing = state.routing
        self.decimals = decimals
        self.cl_ord_id = state.cl_ord_id
        self.price = state.price
        self.leaves = state.quantity
        self.executed = 0
        self.value = 0
        self.stated = (
            f"1={state.account}{SOH}55={state.instrument}{SOH}54={state.side}{SOH}"
            + terms_text(state, decimals, dialect)
        )

    @classmethod
    def of_state(cls, state: OrderState, decimals: Decimals, dialect: Dialect) -> OpenOrder:
        order = cls(state, decimals, dialect)
        order.leaves, order.executed, order.value = state.leaves, state.executed, state.value
        return order

    def restate(self, event: OrderReplaced, dialect: Dialect) -> None:
        """Take the terms of a replace."""
        kept = self.stated[: self.stated.index(f"{SOH}38=") + 1]
        self.stated = kept + terms_text(event, self.decimals, dialect)
        self.cl_ord_id, self.session, self.routing = event.cl_ord_id, event.session, event.routing
        self.price, self.leaves = event.price, event.leaves

    @property
    def avg_px(self) -> str:
        """AvgPx(6), exact to AVG_PX_DECIMALS more than the price has, halves up."""
        executed = self.executed
        if not executed:
            return "0"
        if self.value == self.price * executed:
            return self.decimals.price(self.price)
        scaled = (self.value * 10**AVG_PX_DECIMALS * 2 + executed) // (2 * executed)
        return decimal_text(scaled, self.decimals.price_decimals + AVG_PX_DECIMALS)


def terms_text(
    state: OrderAccepted | OrderRejected | OrderState | OrderReplaced, decimals: Decimals, dialect: Dialect
) -> str:
    """What a replace may change of an order: quantity, type, price, time in force."""
    price = f"44={decimals.price(state.price)}{SOH}" if state.order_type == LIMIT else ""
    expiry = f"126={utc_text(state.expire_time, 3)}{SOH}" if state.time_in_force == GTD else ""
    exec_inst = f"18={state.exec_inst}{SOH}" if state.exec_inst else ""
    return (
        f"38={decimals.quantity(state.quantity)}{SOH}40={state.order_type}{SOH}{price}59={state.time_in_force}{SOH}{expiry}"
        f"{exec_inst}"
    )


class Reports:
    """The reports of one FIX version."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._trans = f"20=0{SOH}" if dialect.exec_trans_type else ""

    def time(self, time_ns: int) -> str:
        """TransactTime(60), as precise as the version allows."""
        return utc_text(time_ns, self.dialect.time_digits)

    def accepted(self, event: OrderAccepted, order: OpenOrder, time: str) -> str:
        return (
            f"37={order.order_id}{SOH}11={order.cl_ord_id}{SOH}17={event.seq}{SOH}{self._trans}150=0{SOH}39=0{SOH}{order.stated}"
            f"151={order.decimals.quantity(order.leaves)}{SOH}14=0{SOH}6=0{SOH}60={time}{SOH}"
        )

    def rejected(self, event: OrderRejected, order: OpenOrder, time: str) -> str:
        code = self.dialect.ord_rej_reason(event.reason)
        return (
            f"37={order.order_id}{SOH}11={order.cl_ord_id}{SOH}17={event.seq}{SOH}{self._trans}150=8{SOH}39=8{SOH}103={code}{SOH}"
            f"{order.stated}151=0{SOH}14=0{SOH}6=0{SOH}60={time}{SOH}58={event.text}{SOH}"
        )

    def filled(self, event: Traded, order: OpenOrder, maker: bool, time: str) -> str:
        """A fill; `order` is as it stands after it."""
        decimals = order.decimals
        leaves = order.leaves
        status = "1" if leaves else "2"
        exec_type = status if self.dialect.exec_trans_type else "F"
        liquidity = f"851={'1' if maker else '2'}{SOH}" if self.dialect.last_liquidity else ""
        match_id = f"880={event.seq}{SOH}" if self.dialect.trade_match_id else ""
        return (
            f"37={order.order_id}{SOH}11={order.cl_ord_id}{SOH}17={event.seq}{'M' if maker else 'T'}{SOH}{self._trans}"
            f"150={exec_type}{SOH}39={status}{SOH}{order.stated}32={decimals.quantity(event.quantity)}{SOH}"
            f"31={decimals.price(event.price)}{SOH}151={decimals.quantity(leaves)}{SOH}14={decimals.quantity(order.executed)}{SOH}"
            f"6={order.avg_px}{SOH}60={time}{SOH}{liquidity}{match_id}"
        )

    def canceled(self, event: OrderCanceled, order: OpenOrder, time: str) -> str:
        ids = f"11={event.cl_ord_id}{SOH}41={order.cl_ord_id}{SOH}" if event.cl_ord_id else f"11={order.cl_ord_id}{SOH}"
        status = "C" if event.reason in EXPIRED else "4"
        restatement = self.dialect.restatement.get(event.reason)
        text = CANCEL_TEXTS.get(event.reason)
        return (
            f"37={order.order_id}{SOH}{ids}17={event.seq}{SOH}{self._trans}150={status}{SOH}39={status}{SOH}{order.stated}"
            f"151=0{SOH}14={order.decimals.quantity(order.executed)}{SOH}6={order.avg_px}{SOH}60={time}{SOH}"
            + (f"378={restatement}{SOH}" if restatement else "")
            + (f"58={text}{SOH}" if text else "")
        )

    def replaced(self, event: OrderReplaced, order: OpenOrder, time: str) -> str:
        """`order` is as it stands after the replace."""
        status = "2" if not order.leaves else "1" if order.executed else "0"
        if self.dialect.exec_trans_type and order.leaves:
            status = "1" if order.executed else "5"
        return (
            f"37={order.order_id}{SOH}11={event.cl_ord_id}{SOH}41={event.orig_cl_ord_id}{SOH}17={event.seq}{SOH}{self._trans}"
            f"150=5{SOH}39={status}{SOH}{order.stated}151={order.decimals.quantity(order.leaves)}{SOH}"
            f"14={order.decimals.quantity(order.executed)}{SOH}6={order.avg_px}{SOH}60={time}{SOH}"
        )

    def status(self, state: OrderState, decimals: Decimals, exec_id: str, time: str, extra: str = "") -> str:
        """The present state of an order, as an answer to a question."""
        order = OpenOrder.of_state(state, decimals, self.dialect)
        trans, exec_type = (f"20=3{SOH}", state.status) if self.dialect.exec_trans_type else ("", "I")
        return (
            f"37={order.order_id}{SOH}11={order.cl_ord_id}{SOH}17={exec_id}{SOH}{trans}150={exec_type}{SOH}39={state.status}{SOH}"
            f"{order.stated}151={decimals.quantity(order.leaves)}{SOH}14={decimals.quantity(order.executed)}{SOH}"
            f"6={order.avg_px}{SOH}60={time}{SOH}{extra}"
        )

    def status_unknown(
        self, fields: dict[str, str], exec_id: str, time: str, text: str, extra: str = "",
        reason: Reason | None = Reason.UNKNOWN_ORDER,
    ) -> str:  # fmt: skip
        """The answer to a question about an order that is not there; with no reason, about one that was refused."""
        trans, exec_type = (f"20=3{SOH}", "8") if self.dialect.exec_trans_type else ("", "I")
        cl_ord_id = f"11={fields['11']}{SOH}" if "11" in fields else ""
        code = self.dialect.ord_rej_reason(reason)
        return (
            f"37={fields.get('37', NO_ORDER)}{SOH}{cl_ord_id}17={exec_id}{SOH}{trans}150={exec_type}{SOH}39=8{SOH}103={code}{SOH}"
            f"55={fields.get('55', NO_SYMBOL)}{SOH}54={fields.get('54', UNDISCLOSED)}{SOH}151=0{SOH}14=0{SOH}6=0{SOH}60={time}{SOH}"
            f"58={text}{SOH}{extra}"
        )

    def refused(self, fields: dict[str, str], exec_id: str, time: str, reason: Reason, text: str) -> str:
        """A NewOrderSingle that says what the core has no number for: refused before it."""
        said = "".join(f"{tag}={fields[tag]}{SOH}" for tag in SAID_BY_AN_ORDER if tag in fields)
        symbol = "" if "55" in fields else f"55={NO_SYMBOL}{SOH}"
        return (
            f"37={NO_ORDER}{SOH}17={exec_id}{SOH}{self._trans}150=8{SOH}39=8{SOH}103={self.dialect.ord_rej_reason(reason)}{SOH}"
            f"{said}{symbol}151=0{SOH}14=0{SOH}6=0{SOH}60={time}{SOH}58={text}{SOH}"
        )

    def cancel_rejected(self, event: CancelRejected, time: str) -> str:
        return self.cancel_refused(
            str(event.order_id or NO_ORDER), event.cl_ord_id, event.orig_cl_ord_id, event.status, event.response_to, event.reason,
            event.text, time,
        )  # fmt: skip

    def cancel_refused(
        self, order_id: str, cl_ord_id: str, orig_cl_ord_id: str, status: str, response_to: str, reason: Reason, text: str,
        time: str,
    ) -> str:  # fmt: skip
        orig = f"41={orig_cl_ord_id}{SOH}" if orig_cl_ord_id else ""
        return (
            f"37={order_id}{SOH}11={cl_ord_id}{SOH}{orig}39={status}{SOH}434={response_to}{SOH}"
            f"102={self.dialect.cxl_rej_reason(reason)}{SOH}60={time}{SOH}58={text}{SOH}"
        )

    def mass_canceled(self, event: MassCanceled, time: str) -> str:
        scope = "1" if event.instrument else "7"
        return self._mass_report(event.seq, event.cl_ord_id, scope, scope, event.instrument, time, f"533={event.affected}{SOH}")

    def mass_cancel_rejected(self, event: MassCancelRejected, time: str) -> str:
        code = "1" if event.reason == Reason.UNKNOWN_INSTRUMENT else "99"
        scope = "1" if event.instrument else "7"
        return self._mass_report(
            event.seq, event.cl_ord_id, scope, "0", event.instrument, time, f"532={code}{SOH}58={event.text}{SOH}"
        )

    def mass_cancel_refused(self, fields: dict[str, str], report_id: str, code: str, text: str, time: str) -> str:
        return self._mass_report(
            report_id, fields.get("11", ""), fields.get("530", "7"), "0", fields.get("55", ""), time,
            f"532={code}{SOH}58={text}{SOH}",
        )  # fmt: skip

    def _mass_report(
        self, report_id: int | str, cl_ord_id: str, scope: str, response: str, instrument: str, time: str, rest: str
    ) -> str:
        report = f"1369={report_id}{SOH}" if self.dialect.mass_report_id else ""
        symbol = f"55={instrument}{SOH}" if instrument else ""
        return (
            f"37={report_id}{SOH}{report}11={cl_ord_id}{SOH}530={scope}{SOH}531={response}{SOH}{symbol}60={time}{SOH}{rest}"
        )

    @staticmethod
    def business_reject(fields: dict[str, str], reason: str, text: str) -> str:
        ref_id = next((f"379={fields[tag]}{SOH}" for tag in REFERENCES if tag in fields), "")
        return f"45={fields.get('34', '0')}{SOH}372={fields.get('35', '')}{SOH}{ref_id}380={reason}{SOH}58={text}{SOH}"
