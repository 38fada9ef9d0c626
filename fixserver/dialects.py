"""What differs between the FIX versions that the venue speaks: codes, and fields that one has and another lacks.

Where a version has no code for a reason, the nearest one of its own stands, and Text(58) says the rest:
a client with the stock dictionary of his version is not sent a value that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

from matching.messages import CancelReason, Phase, Reason, RestateReason

OTHER = "99"


@dataclass(frozen=True)
class Dialect:
    """One FIX version. The tables of codes have what differs from the one for others: `ord_rej_other` and the like."""

    begin_string: str
    time_digits: int  # of the second's fraction in TransactTime(60)
    exec_trans_type: bool  # FIX 4.2: ExecTransType(20), and ExecType 1 and 2 for fills
    trade_match_id: bool
    last_liquidity: bool  # LastLiquidityInd(851)
    auction_liquidity: str  # the same of a trade in an auction, where neither side is the maker
    mass_report_id: bool
    ord_rej: dict[Reason, str]
    ord_rej_other: str
    cxl_rej: dict[Reason, str]
    cxl_rej_other: str
    restatement: dict[CancelReason, str]  # ExecRestatementReason(378) of an order that ended unasked
    repriced: str  # ExecRestatementReason(378) of a pegged order that has another price
    throttle: str  # BusinessRejectReason(380) for a session above its rate
    activated: bool  # ExecType(150) L
    pegged_price: bool  # PeggedPrice(839)
    peg_price_type: bool  # PegPriceType(1094), and not just ExecInst(18)
    display_quantity: str  # the tag of what is shown of an iceberg
    self_match_id: str  # the tags of self-match prevention
    self_match_instruction: str
    contingency: bool  # ContingencyType(1385) in ExecutionReport and ListStatus
    quote_rej: dict[Reason, str]
    quote_rej_other: str
    list_rej: dict[Reason, str]  # ListRejectReason(1386); empty where the version has none
    trading_status: dict[Phase, str]  # SecurityTradingStatus(326)
    session_parts: bool  # TradingSessionSubID(625)
    market_segment: bool  # MarketSegmentID(1300) names the market, and TradingSessionID(336) the kind of day
    session_refused: bool  # TradSesStatus(340) has a value for a request that is refused
    status_text: bool  # SecurityStatus has Text(58)
    security_rules: bool  # SecurityList has the rules of trading, as fields of their own

    def ord_rej_reason(self, reason: Reason | None) -> str:
        """OrdRejReason(103); with no reason, the one for others."""
        return self.ord_rej.get(reason, self.ord_rej_other) if reason is not None else self.ord_rej_other

    def cxl_rej_reason(self, reason: Reason) -> str:
        """CxlRejReason(102)."""
        return self.cxl_rej.get(reason, self.cxl_rej_other)

    def quote_rej_reason(self, reason: Reason) -> str:
        """QuoteRejectReason(300), QuoteEntryRejectReason(368)."""
        return self.quote_rej.get(reason, self.quote_rej_other)

    def list_rej_reason(self, reason: Reason) -> str:
        """ListRejectReason(1386), or nothing."""
        return self.list_rej.get(reason, OTHER) if self.list_rej else ""


CORPORATE_ACTION = "0"  # ExecRestatementReason(378): GT corporate action
# The same: repricing, partial decline of the quantity.
RESTATED = {RestateReason.LEFT_OVER: "3", RestateReason.SELF_TRADE_DECREMENT: "5"}
# TradSesStatus(340): halted, open, closed, pre-open, pre-close.
SESSION_STATUS: dict[Phase, str] = {
    "closed": "3", "pre-open": "4", "opening-auction": "4", "continuous": "2", "volatility-auction": "2", "closing-auction": "5",
    "closing-price": "2", "halted": "1", "cancel-only": "1",
}  # fmt: skip
# TradingSessionSubID(625) as FIX 5.0SP2 numbers the parts of a day.
SESSION_PART: dict[Phase, str] = {
    "closed": "7", "pre-open": "1", "opening-auction": "2", "continuous": "3", "volatility-auction": "9", "closing-auction": "4",
    "closing-price": "5", "halted": "7", "cancel-only": "7",
}  # fmt: skip


_UP_TO_4_2 = (
    Reason.UNKNOWN_INSTRUMENT,
    Reason.NOT_IN_THIS_PHASE,
    Reason.LIMIT_EXCEEDED,
    Reason.AFTER_CLOSE,
    Reason.UNKNOWN_ORDER,
    Reason.DUPLICATE_CL_ORD_ID,
)
_UP_TO_4_4 = (*_UP_TO_4_2, Reason.UNSUPPORTED, Reason.INVALID_QUANTITY, Reason.UNKNOWN_ACCOUNT)
_UP_TO_5_0 = (*_UP_TO_4_4, Reason.OUTSIDE_PRICE_BAND, Reason.OFF_TICK, Reason.INSUFFICIENT_FUNDS)

_BY_EXCHANGE = "8"  # ExecRestatementReason(378): market (exchange) option
_ON_QUOTES = {
    Reason.UNKNOWN_INSTRUMENT: "1",
    Reason.NOT_IN_THIS_PHASE: "2",
    Reason.LIMIT_EXCEEDED: "3",
    Reason.AFTER_CLOSE: "4",
    Reason.UNKNOWN_ORDER: "5",
    Reason.DUPLICATE_CL_ORD_ID: "6",
    Reason.UNSUPPORTED: "7",
    Reason.OUTSIDE_PRICE_BAND: "8",
    Reason.OFF_TICK: "8",
    Reason.UNKNOWN_ACCOUNT: "9",
    Reason.BLOCKED: "9",
}

_TRADING_STATUS: dict[Phase, str] = {
    "closed": "18", "pre-open": "21", "opening-auction": "22", "continuous": "17", "volatility-auction": "5",
    "closing-auction": "15", "closing-price": "16", "halted": "2", "cancel-only": "1",
}  # fmt: skip

FIX42 = Dialect(
    begin_string="FIX.4.2",
    time_digits=3,
    exec_trans_type=True,
    trade_match_id=False,
    last_liquidity=False,
    auction_liquidity="",
    mass_report_id=False,
    ord_rej={reason: str(reason.value) for reason in _UP_TO_4_2},
    ord_rej_other="0",
    cxl_rej={Reason.TOO_LATE: "0", Reason.UNKNOWN_ORDER: "1"},
    cxl_rej_other="2",
    restatement={},
    repriced="3",
    throttle="0",
    activated=False,
    pegged_price=False,
    peg_price_type=False,
    display_quantity="111",
    self_match_id="7928",
    self_match_instruction="8000",
    contingency=False,
    quote_rej=_ON_QUOTES | {Reason.INSUFFICIENT_FUNDS: "9", Reason.MARGIN_CALL: "9", Reason.UNSETTLED: "9"},
    quote_rej_other="8",
    list_rej={},
    trading_status=_TRADING_STATUS
    | {"pre-open": "14", "opening-auction": "5", "volatility-auction": "6"},
    session_parts=False,
    market_segment=False,
    session_refused=False,
    status_text=False,
    security_rules=False,
)
FIX44 = Dialect(
    begin_string="FIX.4.4",
    time_digits=3,
    exec_trans_type=False,
    trade_match_id=False,
    last_liquidity=True,
    auction_liquidity="",
    mass_report_id=False,
    ord_rej={reason: str(reason.value) for reason in _UP_TO_4_4},
    ord_rej_other=OTHER,
    cxl_rej={Reason.TOO_LATE: "0", Reason.UNKNOWN_ORDER: "1", Reason.DUPLICATE_CL_ORD_ID: "6"},
    cxl_rej_other=OTHER,
    restatement={
        CancelReason.SELF_TRADE: _BY_EXCHANGE,
        CancelReason.SELF_TRADE_INCOMING: _BY_EXCHANGE,
        CancelReason.SELF_TRADE_BOTH: _BY_EXCHANGE,
        CancelReason.SELF_TRADE_DECREMENT: _BY_EXCHANGE,
        CancelReason.DISCONNECT: _BY_EXCHANGE,
        CancelReason.LOGOUT: _BY_EXCHANGE,
        CancelReason.KILLED: _BY_EXCHANGE,
        CancelReason.OPERATOR: _BY_EXCHANGE,
        CancelReason.ONE_CANCELS_OTHER: OTHER,
        CancelReason.LIST_ENDED: OTHER,
        CancelReason.INSUFFICIENT_FUNDS: OTHER,
        CancelReason.WOULD_TRADE: OTHER,
        CancelReason.CORPORATE_ACTION: CORPORATE_ACTION,
        CancelReason.MARGIN_CALL: _BY_EXCHANGE,
    },
    repriced="3",
    throttle="0",
    activated=True,
    pegged_price=True,
    peg_price_type=False,
    display_quantity="111",
    self_match_id="7928",
    self_match_instruction="8000",
    contingency=False,
    quote_rej=_ON_QUOTES,
    quote_rej_other=OTHER,
    list_rej={},
    trading_status=_TRADING_STATUS,
    session_parts=True,
    market_segment=False,
    session_refused=True,
    status_text=True,
    security_rules=False,
)
FIX50SP2 = Dialect(
    begin_string="FIXT.1.1",
    time_digits=6,
    exec_trans_type=False,
    trade_match_id=True,
    last_liquidity=True,
    auction_liquidity="4",
    mass_report_id=True,
    ord_rej={reason: str(reason.value) for reason in _UP_TO_5_0}
    | {reason: str(Reason.INSUFFICIENT_FUNDS.value) for reason in (Reason.MARGIN_CALL, Reason.UNSETTLED)},
    ord_rej_other=OTHER,
    cxl_rej={
        Reason.TOO_LATE: "0",
        Reason.UNKNOWN_ORDER: "1",
        Reason.DUPLICATE_CL_ORD_ID: "6",
        Reason.OUTSIDE_PRICE_BAND: "8",
        Reason.OFF_TICK: "18",
    },
    cxl_rej_other=OTHER,
    restatement={
        CancelReason.SELF_TRADE: "19",
        CancelReason.SELF_TRADE_INCOMING: "18",
        CancelReason.SELF_TRADE_BOTH: "20",
        CancelReason.SELF_TRADE_DECREMENT: "17",
        CancelReason.DISCONNECT: "12",
        CancelReason.LOGOUT: "13",
        CancelReason.KILLED: _BY_EXCHANGE,
        CancelReason.OPERATOR: _BY_EXCHANGE,
        CancelReason.ONE_CANCELS_OTHER: OTHER,
        CancelReason.LIST_ENDED: OTHER,
        CancelReason.INSUFFICIENT_FUNDS: OTHER,
        CancelReason.WOULD_TRADE: OTHER,
        CancelReason.CORPORATE_ACTION: CORPORATE_ACTION,
        CancelReason.MARGIN_CALL: _BY_EXCHANGE,
    },
    repriced="11",
    throttle="8",
    activated=True,
    pegged_price=True,
    peg_price_type=True,
    display_quantity="1138",
    self_match_id="2362",
    self_match_instruction="2964",
    contingency=True,
    quote_rej=_ON_QUOTES
    | {Reason.OUTSIDE_PRICE_BAND: "10", Reason.INSUFFICIENT_FUNDS: "17", Reason.MARGIN_CALL: "17", Reason.UNSETTLED: "17"},
    quote_rej_other=OTHER,
    list_rej={
        Reason.NOT_IN_THIS_PHASE: "2",
        Reason.AFTER_CLOSE: "4",
        Reason.DUPLICATE_CL_ORD_ID: "6",
        Reason.UNSUPPORTED: "11",
    },
    trading_status=_TRADING_STATUS | {"closing-price": "26"},
    session_parts=True,
    market_segment=True,
    session_refused=True,
    status_text=True,
    security_rules=True,
)

DIALECTS = {dialect.begin_string: dialect for dialect in (FIX42, FIX44, FIX50SP2)}
