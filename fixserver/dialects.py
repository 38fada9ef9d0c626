"""What differs between the FIX versions that the venue speaks: codes, and fields that one has and another lacks.

Where a version has no code for a reason, the nearest one of its own stands, and Text(58) says the rest:
a client with the stock dictionary of his version is not sent a value that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

from matching.messages import CancelReason, Reason

OTHER = "99"


@dataclass(frozen=True)
class Dialect:
    """One FIX version. The code tables have what differs from `ord_rej_other` and `cxl_rej_other`."""

    begin_string: str
    time_digits: int  # of the second's fraction in TransactTime(60)
    exec_trans_type: bool  # FIX 4.2: ExecTransType(20), and ExecType 1 and 2 for fills
    trade_match_id: bool
    last_liquidity: bool  # LastLiquidityInd(851)
    mass_report_id: bool
    ord_rej: dict[Reason, str]
    ord_rej_other: str
    cxl_rej: dict[Reason, str]
    cxl_rej_other: str
    restatement: dict[CancelReason, str]
    throttle: str  # BusinessRejectReason(380) for a session above its rate

    def ord_rej_reason(self, reason: Reason | None) -> str:
        """OrdRejReason(103); with no reason, the one for others."""
        return self.ord_rej.get(reason, self.ord_rej_other) if reason is not None else self.ord_rej_other

    def cxl_rej_reason(self, reason: Reason) -> str:
        """CxlRejReason(102)."""
        return self.cxl_rej.get(reason, self.cxl_rej_other)


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

FIX42 = Dialect(
    begin_string="FIX.4.2",
    time_digits=3,
    exec_trans_type=True,
    trade_match_id=False,
    last_liquidity=False,
    mass_report_id=False,
    ord_rej={reason: str(reason.value) for reason in _UP_TO_4_2},
    ord_rej_other="0",
    cxl_rej={Reason.TOO_LATE: "0", Reason.UNKNOWN_ORDER: "1"},
    cxl_rej_other="2",
    restatement={},
    throttle="0",
)
FIX44 = Dialect(
    begin_string="FIX.4.4",
    time_digits=3,
    exec_trans_type=False,
    trade_match_id=False,
    last_liquidity=True,
    mass_report_id=False,
    ord_rej={reason: str(reason.value) for reason in _UP_TO_4_4},
    ord_rej_other=OTHER,
    cxl_rej={Reason.TOO_LATE: "0", Reason.UNKNOWN_ORDER: "1", Reason.DUPLICATE_CL_ORD_ID: "6"},
    cxl_rej_other=OTHER,
    restatement={CancelReason.SELF_TRADE: "8", CancelReason.DISCONNECT: "8", CancelReason.LOGOUT: "8"},
    throttle="0",
)
FIX50SP2 = Dialect(
    begin_string="FIXT.1.1",
    time_digits=6,
    exec_trans_type=False,
    trade_match_id=True,
    last_liquidity=True,
    mass_report_id=True,
    ord_rej={reason: str(reason.value) for reason in _UP_TO_5_0},
    ord_rej_other=OTHER,
    cxl_rej={
        Reason.TOO_LATE: "0",
        Reason.UNKNOWN_ORDER: "1",
        Reason.DUPLICATE_CL_ORD_ID: "6",
        Reason.OUTSIDE_PRICE_BAND: "8",
        Reason.OFF_TICK: "18",
    },
    cxl_rej_other=OTHER,
    restatement={CancelReason.SELF_TRADE: "19", CancelReason.DISCONNECT: "12", CancelReason.LOGOUT: "13"},
    throttle="8",
)

DIALECTS = {dialect.begin_string: dialect for dialect in (FIX42, FIX44, FIX50SP2)}
