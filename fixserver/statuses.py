"""The state of the market in FIX: SecurityStatus (f), TradingSessionStatus (h), SecurityList (y), as raw text. It decides nothing.

A market is a trading session. Where the version numbers the kinds of day in TradingSessionID(336), the market is named by
MarketSegmentID(1300); where it does not, TradingSessionID is the market's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fixserver.dialects import SESSION_PART, SESSION_STATUS, Dialect
from fixserver.sessions import utc_text
from fixserver.values import Decimals
from matching.messages import DefineInstrument, InstrumentDefined, Phase

SOH = "\x01"
DAY_SESSION = "1"  # TradingSessionID(336) of FIX 5.0SP2
UNKNOWN_INSTRUMENT = "20"  # SecurityTradingStatus(326)
REQUEST_REFUSED, UNKNOWN_SESSION = "6", "1"  # TradSesStatus(340), TradSesStatusRejReason(567)
ELECTRONIC = "1"  # TradSesMethod(338)
UNASKED = f"325=Y{SOH}"
INSTRUMENTS_PER_MESSAGE_MAX = 200  # of a SecurityList; what is more goes on in the next message
VALID, NOT_TAKEN, NONE_FOUND = "0", "1", "2"  # SecurityRequestResult(560)


def market_of(dialect: Dialect, fields: dict[str, str]) -> str:
    """The market that a request names; empty for none."""
    return fields.get("1300" if dialect.market_segment else "336", "")


def _session(dialect: Dialect, market: str, phase: Phase | None) -> str:
    market_text = f"1300={market}{SOH}336={DAY_SESSION}{SOH}" if dialect.market_segment else f"336={market}{SOH}"
    part = f"625={SESSION_PART[phase]}{SOH}" if phase and dialect.session_parts else ""
    return market_text + part


def until_text(until: int) -> str:
    """When a phase ends by itself, where it does."""
    return f" until {utc_text(until, 3)}" if until else ""


def security_status(
    dialect: Dialect, symbol: str, market: str, phase: Phase, last: str, time: str, *, request: str = "", more: str = ""
) -> str:
    """SecurityStatus(f): the phase of an instrument; unasked without a `request`. `last` is the last trade's price."""
    text = f"58={phase}{more}{SOH}" if dialect.status_text else ""
    return (
        (f"324={request}{SOH}" if request else "")
        + f"55={symbol}{SOH}{_session(dialect, market, phase)}"
        + ("" if request else UNASKED)
        + f"326={dialect.trading_status[phase]}{SOH}"
        + (f"31={last}{SOH}" if last else "")
        + f"60={time}{SOH}{text}"
    )


def security_unknown(dialect: Dialect, symbol: str, request: str, time: str) -> str:
    """SecurityStatus(f) of an instrument that there is not."""
    text = f"58=unknown symbol {symbol[:32]}{SOH}" if dialect.status_text else ""
    return f"324={request}{SOH}55={symbol}{SOH}326={UNKNOWN_INSTRUMENT}{SOH}60={time}{SOH}{text}"


def session_status(dialect: Dialect, market: str, phase: Phase, *, request: str = "") -> str:
    """TradingSessionStatus(h): the phase of a market; unasked without a `request`."""
    return (
        (f"335={request}{SOH}" if request else "")
        + f"{_session(dialect, market, phase)}338={ELECTRONIC}{SOH}"
        + ("" if request else UNASKED)
        + f"340={SESSION_STATUS[phase]}{SOH}58={phase}{SOH}"
    )


def session_refused(dialect: Dialect, market: str, request: str, text: str) -> str:
    """TradingSessionStatus(h) of a market that there is not, where the version can say so."""
    return f"335={request}{SOH}{_session(dialect, market, None)}340={REQUEST_REFUSED}{SOH}567={UNKNOWN_SESSION}{SOH}58={text}{SOH}"


def security_lists(
    dialect: Dialect,
    request: str,
    response: str,
    instruments: Sequence[tuple[DefineInstrument | InstrumentDefined, Decimals, int, int]],
) -> Iterable[str]:
    """SecurityList(y), as many messages as it takes. With each instrument its band: the lowest and the highest price."""
    total = len(instruments)
    for first in range(0, total, INSTRUMENTS_PER_MESSAGE_MAX):
        part = instruments[first : first + INSTRUMENTS_PER_MESSAGE_MAX]
        last = "Y" if first + len(part) == total else "N"
        yield (
            f"320={request}{SOH}322={response}{SOH}560={VALID}{SOH}393={total}{SOH}893={last}{SOH}146={len(part)}{SOH}"
            + "".join(_instrument(dialect, *instrument) for instrument in part)
        )


def security_list_refused(request: str, response: str, result: str) -> str:
    """SecurityList(y) without an instrument."""
    return f"320={request}{SOH}322={response}{SOH}560={result}{SOH}"


def _instrument(dialect: Dialect, terms: DefineInstrument | InstrumentDefined, decimals: Decimals, low: int, high: int) -> str:
    lot, tick = decimals.quantity(terms.lot), decimals.price(terms.tick)
    head = f"55={terms.instrument}{SOH}"
    if not dialect.security_rules:
        band = f"{decimals.price(low)} to {decimals.price(high)}"
        return (
            f"{head}15={terms.currency}{SOH}561={lot}{SOH}562={lot}{SOH}336={terms.market}{SOH}"
            f"58=tick {tick}, at most {decimals.quantity(terms.quantity_max)} an order, prices from {band}{SOH}"
        )
    reference = decimals.price(terms.reference_price)
    return (
        f"{head}1205=1{SOH}1206=0{SOH}1208={tick}{SOH}1306=0{SOH}1148={decimals.price(low)}{SOH}1149={decimals.price(high)}{SOH}"
        f"1150={reference}{SOH}562={lot}{SOH}1140={decimals.quantity(terms.quantity_max)}{SOH}561={lot}{SOH}"
        f"15={terms.currency}{SOH}58=market {terms.market}{SOH}"
    )
