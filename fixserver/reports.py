"""FIX messages made of what the core says about orders: the bodies of 8, 9, r and j, as raw text. It decides nothing.

A body is what stands between the standard header and the trailer, each field with its SOH. ExecIDs follow from
event numbers, so that a replay of the journal yields the same ones: the event's number, with M or T behind it
where one trade is reported to maker and taker.
"""

from __future__ import annotations

from fixserver.conditions import TAGS, conditions_text
from fixserver.dialects import CORPORATE_ACTION, RESTATED, Dialect
from fixserver.sessions import utc_text
from fixserver.values import Decimals
from matching.instruments import decimal_text
from matching.messages import (
    GTD,
    LIMIT,
    PEGGED,
    STOP_LIMIT,
    CancelReason,
    CancelRejected,
    Conditions,
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
    OrderState,
    Reason,
    RestateReason,
    TradeBusted,
    TradeCorrected,
    Traded,
)

SOH = "\x01"
AVG_PX_DECIMALS = 4  # beyond those of the price
NO_ORDER = "NONE"
NO_SYMBOL = "[N/A]"
PARTIALLY_FILLED, FILLED, CANCELED = "1", "2", "4"  # OrdStatus(39)
UNDISCLOSED = "7"  # Side(54), where a report is about no order in particular
SAID_BY_AN_ORDER = ("11", "1", "55", "54", "38", "40", "44", "59", "126", "432", "18", *TAGS)
# What names a message, for BusinessRejectRefID(379): ClOrdID, MDReqID, MassStatusReqID, and whatever else asks.
REFERENCES = ("11", "262", "584", "790", "131", "117", "320", "324", "335", "568", "710", "909", "923")

CANCEL_TEXTS = {
    CancelReason.MASS_CANCEL: "mass cancel",
    CancelReason.IOC_REMAINDER: "what was left of an immediate-or-cancel order",
    CancelReason.FOK_NOT_FILLABLE: "could not be filled at once as a whole",
    CancelReason.MARKET_REMAINDER: "what was left of a market order",
    CancelReason.SELF_TRADE: "would have traded with an order of the same participant",
    CancelReason.DISCONNECT: "the connection was lost",
    CancelReason.DAY_END: "the trading day ended",
    CancelReason.GTD_END: "the order's time ended",
    CancelReason.LOGOUT: "the session logged out",
    CancelReason.OPENING_END: "what was left of an order at the opening",
    CancelReason.CLOSING_END: "what was left of an order at the close",
    CancelReason.REQUOTED: "another quote took its place",
    CancelReason.QUOTE_CANCEL: "the quote was canceled",
    CancelReason.ONE_CANCELS_OTHER: "another order of its list traded or ended",
    CancelReason.LIST_ENDED: "the first order of its list ended unfilled",
    CancelReason.INSUFFICIENT_FUNDS: "not enough cash or shares when its turn came",
    CancelReason.KILLED: "the participant may not trade any more",
    CancelReason.OPERATOR: "the operator canceled it",
    CancelReason.MIN_QUANTITY: "its minimum quantity could not be filled at once",
    CancelReason.SELF_TRADE_INCOMING: "would have traded with a resting order of the same participant",
    CancelReason.SELF_TRADE_BOTH: "it and an order of the same participant would have traded",
    CancelReason.WOULD_TRADE: "would have traded when its turn came, though it was to rest",
    CancelReason.SELF_TRADE_DECREMENT: "lowered to nothing by an order of the same participant that it would have traded with",
    CancelReason.CORPORATE_ACTION: "the instrument was split, and the order cannot be",
    CancelReason.MARGIN_CALL: "margin call: the account has less than its short positions require",
}
EXPIRED = (CancelReason.DAY_END, CancelReason.GTD_END, CancelReason.OPENING_END, CancelReason.CLOSING_END)
RESTATE_TEXTS = {
    RestateReason.LEFT_OVER: "what was left is a limit order now",
    RestateReason.SELF_TRADE_DECREMENT: "lowered by an order of the same participant that it would have traded with",
}
ACTIVATE_TEXTS = {
    "stop": "its stop price was reached",
    "close": "the closing auction begins",
    "list": "the first order of its list is filled",
}
PARKED_TEXTS = {"stop": "waits for its stop price", "close": "waits for the closing auction", "peg": "waits for a price"}


class Special:
    """What few orders have said, and what stands in their reports for it: `text` are fields of the version of the session."""

    __slots__ = ("conditions", "dialect", "exec_inst", "text")

    def __init__(self, exec_inst: str, conditions: Conditions | None, decimals: Decimals, dialect: Dialect) -> None:
        self.exec_inst = exec_inst
        self.conditions = conditions
        self.dialect = dialect
        self.text = self.text_in(decimals, dialect)

    def text_in(self, decimals: Decimals, dialect: Dialect) -> str:
        """As another version says it."""
        return conditions_text(self.exec_inst, self.conditions, decimals, dialect)


class OpenOrder:
    """What the gateway keeps of an open order to report on it.

    `ids` is how its reports begin, `stated` what the order said, as fields, which ends with the text of `special` where there is
    that. `leaves` and `executed` in quantity units; `value` is price times quantity over its fills. `complete` is its OrdStatus
    when nothing is left: not that of a filled order where a trade was taken back.
    """

    __slots__ = (
        "cl_ord_id", "complete", "decimals", "executed", "ids", "leaves", "order_id", "participant", "price", "routing", "session",
        "special", "stated", "value",
    )  # fmt: skip

    def __init__(self, state: OrderAccepted | OrderRejected | OrderState, decimals: Decimals, dialect: Dialect) -> None:
        order_id, cl_ord_id = state.order_id, state.cl_ord_id
        self.order_id = order_id
        self.participant = state.participant
        self.session = state.session
        self.routing = state.routing
        self.decimals = decimals
        self.cl_ord_id = cl_ord_id
        self.price = state.price
        self.leaves = state.quantity
        self.executed = 0
        self.value = 0
        self.complete = FILLED
        self.ids = f"37={order_id}{SOH}11={cl_ord_id}{SOH}" if cl_ord_id else f"37={order_id}{SOH}"
        self.special: Special | None = None
        self.stated = f"1={state.account}{SOH}55={state.instrument}{SOH}54={state.side}{SOH}{terms_text(state, decimals)}"
        if state.conditions is not None or state.exec_inst:
            self._add_special(state.exec_inst, state.conditions, dialect)

    @classmethod
    def of_state(cls, state: OrderState, decimals: Decimals, dialect: Dialect) -> OpenOrder:
        order = cls(state, decimals, dialect)
        order.stand_as(state)
        return order

    def stand_as(self, state: OrderState) -> None:
        """Have been filled as far as `state` says."""
        self.leaves, self.executed, self.value = state.leaves, state.executed, state.value
        self.complete = CANCELED if state.busted else FILLED

    @property
    def is_quote(self) -> bool:
        """Whether this is a side of a quote, which has no ClOrdID."""
        return not self.cl_ord_id

    def stated_in(self, dialect: Dialect) -> str:
        """`stated`, as a version says it, be it that of the session or another."""
        special = self.special
        if special is None or special.dialect is dialect:
            return self.stated
        return self._plain(special) + special.text_in(self.decimals, dialect)

    def _add_special(self, exec_inst: str, conditions: Conditions | None, dialect: Dialect) -> None:
        self.special = Special(exec_inst, conditions, self.decimals, dialect)
        self.stated += self.special.text

    def _plain(self, special: Special) -> str:
        return self.stated[: len(self.stated) - len(special.text)]

    def replace(self, event: OrderReplaced, dialect: Dialect) -> None:
        """Take the terms of a replace."""
        self.stated = self.stated[: self.stated.index(f"{SOH}38=") + 1] + terms_text(event, self.decimals)
        self.cl_ord_id, self.session, self.routing = event.cl_ord_id, event.session, event.routing
        self.ids = f"37={self.order_id}{SOH}11={event.cl_ord_id}{SOH}"
        self.price, self.leaves = event.price, event.leaves
        self.special = None
        if event.conditions is not None or event.exec_inst:
            self._add_special(event.exec_inst, event.conditions, dialect)

    def restate(self, order_type: str, price: int, quantity: int | None = None) -> None:
        """Take another type and price, and another quantity, unasked."""
        head, _, rest = self.stated.partition(f"{SOH}38=")
        said_quantity, _, rest = rest.partition(SOH)
        quantity_text = said_quantity if quantity is None else self.decimals.quantity(quantity)
        behind = rest[rest.index("59=") :]
        self.price = price
        self.stated = (
            f"{head}{SOH}38={quantity_text}{SOH}40={order_type}{SOH}{price_text(order_type, price, self.decimals)}{behind}"
        )

    def split(self, event: OrderSplit, dialect: Dialect) -> None:
        """Have other quantities and prices after a split; what its fills came to is what it was."""
        special = self.special
        if special is not None:
            self.stated = self._plain(special)
        order_type = self.stated[self.stated.index(f"{SOH}40=") + 4]
        self.restate(order_type, event.price, event.quantity)
        self.leaves, self.executed = event.leaves, event.executed
        self.complete = CANCELED if event.busted else FILLED
        if special is not None:
            self._add_special(special.exec_inst, event.conditions, dialect)

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


def terms_text(state: OrderAccepted | OrderRejected | OrderState | OrderReplaced, decimals: Decimals) -> str:
    """What a replace may change of an order: quantity, type, price, time in force."""
    order_type = state.order_type
    price = f"44={decimals.price(state.price)}{SOH}" if order_type == LIMIT else price_text(order_type, state.price, decimals)
    expiry = f"126={utc_text(state.expire_time, 3)}{SOH}" if state.time_in_force == GTD else ""
    return f"38={decimals.quantity(state.quantity)}{SOH}40={order_type}{SOH}{price}59={state.time_in_force}{SOH}{expiry}"


def price_text(order_type: str, price: int, decimals: Decimals) -> str:
    """Price(44) of an order that has one."""
    if order_type in (LIMIT, STOP_LIMIT) or (order_type == PEGGED and price):
        return f"44={decimals.price(price)}{SOH}"
    return ""


def exec_id(seq: int, maker: bool) -> str:
    """ExecID(17) of one side of a trade, or of what became of it."""
    return f"{seq}{'M' if maker else 'T'}"


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
            f"{order.ids}17={event.seq}{SOH}{self._trans}150=0{SOH}39=0{SOH}{order.stated_in(self.dialect)}"
            f"151={order.decimals.quantity(order.leaves)}{SOH}14=0{SOH}6=0{SOH}60={time}{SOH}"
        )

    def rejected(self, event: OrderRejected, order: OpenOrder, time: str) -> str:
        code = self.dialect.ord_rej_reason(event.reason)
        return (
            f"{order.ids}17={event.seq}{SOH}{self._trans}150=8{SOH}39=8{SOH}103={code}{SOH}"
            f"{order.stated_in(self.dialect)}151=0{SOH}14=0{SOH}6=0{SOH}60={time}{SOH}58={event.text}{SOH}"
        )

    def filled(self, event: Traded, order: OpenOrder, maker: bool, time: str) -> str:
        """A fill; `order` is as it stands after it."""
        decimals = order.decimals
        leaves = order.leaves
        status = PARTIALLY_FILLED if leaves else order.complete
        exec_type = "F"
        if self.dialect.exec_trans_type:
            exec_type = PARTIALLY_FILLED if leaves else FILLED
        liquidity = ""
        if self.dialect.last_liquidity:
            indicator = self.dialect.auction_liquidity if event.auction else "1" if maker else "2"
            liquidity = f"851={indicator}{SOH}" if indicator else ""
        match_id = f"880={event.seq}{SOH}" if self.dialect.trade_match_id else ""
        return (
            f"{order.ids}17={event.seq}{'M' if maker else 'T'}{SOH}{self._trans}150={exec_type}{SOH}39={status}{SOH}"
            f"{order.stated_in(self.dialect)}32={decimals.quantity(event.quantity)}{SOH}31={decimals.price(event.price)}{SOH}"
            f"151={decimals.quantity(leaves)}{SOH}14={decimals.quantity(order.executed)}{SOH}6={order.avg_px}{SOH}60={time}{SOH}"
            f"{liquidity}{match_id}"
        )

    def canceled(self, event: OrderCanceled, order: OpenOrder, time: str) -> str:
        ids = f"37={order.order_id}{SOH}11={event.cl_ord_id}{SOH}41={order.cl_ord_id}{SOH}" if event.cl_ord_id else order.ids
        status = "C" if event.reason in EXPIRED else "4"
        restatement = self.dialect.restatement.get(event.reason)
        text = CANCEL_TEXTS.get(event.reason)
        return (
            f"{ids}17={event.seq}{SOH}{self._trans}150={status}{SOH}39={status}{SOH}{order.stated_in(self.dialect)}"
            f"151=0{SOH}14={order.decimals.quantity(order.executed)}{SOH}6={order.avg_px}{SOH}60={time}{SOH}"
            + (f"378={restatement}{SOH}" if restatement else "")
            + (f"58={text}{SOH}" if text else "")
        )

    def replaced(self, event: OrderReplaced, order: OpenOrder, time: str) -> str:
        """`order` is as it stands after the replace."""
        status = order.complete if not order.leaves else "1" if order.executed else "0"
        if self.dialect.exec_trans_type and order.leaves:
            status = "1" if order.executed else "5"
        return (
            f"37={order.order_id}{SOH}11={event.cl_ord_id}{SOH}41={event.orig_cl_ord_id}{SOH}17={event.seq}{SOH}{self._trans}"
            f"150=5{SOH}39={status}{SOH}{order.stated_in(self.dialect)}{self._standing(order, time)}"
        )

    def activated(self, event: OrderActivated, order: OpenOrder, time: str) -> str:
        """A parked order goes to work; `order` says so already. Empty where the version has no report for that."""
        if not self.dialect.activated:
            return ""
        text = "; ".join(filter(None, (ACTIVATE_TEXTS.get(event.cause), PARKED_TEXTS.get(event.parked))))
        return self._unasked(event.seq, "L", order, time) + f"58={text}{SOH}"

    def restated(self, event: OrderRestated, order: OpenOrder, time: str) -> str:
        why = f"378={RESTATED[event.reason]}{SOH}58={RESTATE_TEXTS[event.reason]}{SOH}"
        return self._unasked(event.seq, "D", order, time) + why

    def split(self, event: OrderSplit, order: OpenOrder, time: str) -> str:
        """`order` is as it stands after the split."""
        return f"{self._unasked(event.seq, 'D', order, time)}378={CORPORATE_ACTION}{SOH}58=the instrument was split{SOH}"

    def repriced(self, event: OrderRepriced, order: OpenOrder, time: str) -> str:
        """Of a pegged order; where the version has no field for its price, Text says it."""
        price = order.decimals.price(event.price)
        pegged = f"839={price}{SOH}" if event.price and self.dialect.pegged_price else ""
        text = f"its price is {price} now" if event.price else "it has no price now, and waits for one"
        return f"{self._unasked(event.seq, 'D', order, time)}378={self.dialect.repriced}{SOH}{pegged}58={text}{SOH}"

    def busted(self, event: TradeBusted, order: OpenOrder, status: str, maker: bool, time: str) -> str:
        """A fill never was; `order` is as it stands without it."""
        head = self._of_trade(event, order, status, maker, "1", "H")
        return f"{head}{self._standing(order, time)}58=the trade was taken back{SOH}"

    def corrected(self, event: TradeCorrected, order: OpenOrder, status: str, maker: bool, time: str) -> str:
        """A fill was another than was said; `order` is as it stands with it as it is now."""
        decimals = order.decimals
        return (
            f"{self._of_trade(event, order, status, maker, '2', 'G')}32={decimals.quantity(event.quantity)}{SOH}"
            f"31={decimals.price(event.price)}{SOH}{self._standing(order, time)}58=the trade was corrected{SOH}"
        )

    def _of_trade(
        self, event: TradeBusted | TradeCorrected, order: OpenOrder, status: str, maker: bool, trans_type: str, exec_type: str
    ) -> str:
        trans = ""
        if self.dialect.exec_trans_type:  # says with it what becomes of a fill, and with ExecType that it is one
            trans, exec_type = f"20={trans_type}{SOH}", "2" if status == "2" else "1"
        match_id = f"880={event.trade_seq}{SOH}" if self.dialect.trade_match_id else ""
        return (
            f"{order.ids}17={exec_id(event.seq, maker)}{SOH}{trans}19={exec_id(event.trade_seq, maker)}{SOH}150={exec_type}{SOH}"
            f"39={status}{SOH}{order.stated_in(self.dialect)}{match_id}"
        )

    def _unasked(self, seq: int, exec_type: str, order: OpenOrder, time: str) -> str:
        status = "1" if order.executed else "0"
        return (
            f"{order.ids}17={seq}{SOH}{self._trans}150={exec_type}{SOH}39={status}{SOH}{order.stated_in(self.dialect)}"
            f"{self._standing(order, time)}"
        )

    @staticmethod
    def _standing(order: OpenOrder, time: str) -> str:
        """What is open and what is filled, and when this came to be."""
        decimals = order.decimals
        leaves, executed = decimals.quantity(order.leaves), decimals.quantity(order.executed)
        return f"151={leaves}{SOH}14={executed}{SOH}6={order.avg_px}{SOH}60={time}{SOH}"

    def status(self, state: OrderState, decimals: Decimals, exec_id: str, time: str, extra: str = "") -> str:
        """The present state of an order, as an answer to a question."""
        order = OpenOrder.of_state(state, decimals, self.dialect)
        trans, exec_type = (f"20=3{SOH}", state.status) if self.dialect.exec_trans_type else ("", "I")
        return (
            f"{order.ids}17={exec_id}{SOH}{trans}150={exec_type}{SOH}39={state.status}{SOH}{order.stated_in(self.dialect)}"
            f"{self._standing(order, time)}{extra}"
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

    def refused(
        self, fields: dict[str, str], exec_id: str, time: str, reason: Reason, text: str, list_id: str = ""
    ) -> str:
        """An order that says what the core has no number for: refused before it."""
        said = "".join(f"{tag}={fields[tag]}{SOH}" for tag in SAID_BY_AN_ORDER if tag in fields)
        symbol = "" if "55" in fields else f"55={NO_SYMBOL}{SOH}"
        side = "" if "54" in fields else f"54={UNDISCLOSED}{SOH}"
        of_list = f"66={list_id}{SOH}" if list_id else ""
        return (
            f"37={NO_ORDER}{SOH}17={exec_id}{SOH}{self._trans}150=8{SOH}39=8{SOH}103={self.dialect.ord_rej_reason(reason)}{SOH}"
            f"{said}{symbol}{side}{of_list}151=0{SOH}14=0{SOH}6=0{SOH}60={time}{SOH}58={text}{SOH}"
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
        tags = ("66",) if fields.get("35") == "E" else REFERENCES  # a list has the ClOrdIDs of others in it
        ref_id = next((f"379={fields[tag]}{SOH}" for tag in tags if tag in fields), "")
        return f"45={fields.get('34', '0')}{SOH}372={fields.get('35', '')}{SOH}{ref_id}380={reason}{SOH}58={text}{SOH}"
