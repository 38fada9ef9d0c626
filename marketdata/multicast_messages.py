"""What the multicast feed says, in bytes and back; docs/multicast.md has it as tables. It keeps nothing.

Numbers are unsigned and big-endian; text is a length byte and that many bytes of ASCII; the first byte of a message is its type.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, get_args

from marketdata.depth import BID, Book, BookSide, Trade
from marketdata.mold import SESSION_CHARACTERS, Malformed
from marketdata.views import CHANGE, DELETE, NEW, Entry
from matching.messages import BUY, Phase

INSTRUMENT, PHASE, MARKET_PHASE, TRADING_DAY = b"R", b"P", b"M", b"D"
ADDED, CHANGED, DELETED = b"A", b"C", b"X"  # an order in the book
TRADED, CORRECTED, BUSTED = b"T", b"K", b"B"
STATISTIC, NUMBERS, END_OF_RECORD = b"S", b"N", b"E"

ORDER_TYPES = {NEW: ADDED, CHANGE: CHANGED, DELETE: DELETED}
TRADE_TYPES = {NEW: TRADED, CHANGE: CORRECTED, DELETE: BUSTED}
PHASES: tuple[Phase, ...] = get_args(Phase)  # a phase's code is its place here, which is never changed

# By TCP: requests, and what answers begin with.
ASKS_SNAPSHOT, ASKS_MESSAGES = b"S", b"G"
SNAPSHOT_FOLLOWS, MESSAGES_FOLLOW, REFUSED = b"1", b"2", b"3"
MALFORMED, OTHER_SESSION, TOO_OLD, NOT_YET, TOO_MANY = "M", "S", "O", "N", "C"

_INSTRUMENT = struct.Struct(">cIBBQQ")
_PHASE = struct.Struct(">cIBQ")
_ORDER = struct.Struct(">cIQQcQQ")
_TRADE = struct.Struct(">cIQQQcQQ")
_STATISTIC = struct.Struct(">cIQccc16s16s")
_NUMBERS = struct.Struct(">cIQQQ")
_END = struct.Struct(">cQQ")
_ASKS_MESSAGES = struct.Struct(">c10sQH")
_FOLLOWS = struct.Struct(">c10sQI")
_NONE = b" "


class InstrumentMessage(NamedTuple):
    """R: from now on `number` means `symbol`, with these terms."""

    number: int
    price_decimals: int
    quantity_decimals: int
    tick: int
    lot: int
    symbol: str
    currency: str
    market: str


class PhaseMessage(NamedTuple):
    """P: the phase of an instrument; `until` (ns) is when a volatility auction ends, otherwise 0."""

    instrument: int
    phase: str
    until: int


class MarketPhaseMessage(NamedTuple):
    """M: the phase of a market."""

    market: str
    phase: str


class TradingDayMessage(NamedTuple):
    """D: the trading day, as the venue names it."""

    day: str


class OrderMessage(NamedTuple):
    """A, C, X: an order came into the book, has another quantity, or left. `rpt_seq` is 0 in a snapshot."""

    type: bytes
    instrument: int
    rpt_seq: int
    order: int
    side: str  # BID or OFFER
    price: int
    quantity: int


class TradeMessage(NamedTuple):
    """T, K, B: a trade, its correction, or that it never was. `aggressor` is "buy", "sell", or None in an auction."""

    type: bytes
    instrument: int
    rpt_seq: int
    trade: int
    time: int
    aggressor: str | None
    price: int
    quantity: int


class StatisticMessage(NamedTuple):
    """S: one of the day's statistics, or of an auction, by MDEntryType(269)."""

    instrument: int
    rpt_seq: int
    action: str
    kind: str
    condition: str
    price: int
    quantity: int


class NumbersMessage(NamedTuple):
    """N: the end of an instrument's snapshot; its numbers go on behind these."""

    instrument: int
    book: int
    trades: int
    statistics: int


class EndOfRecordMessage(NamedTuple):
    """E: every book is whole, as it stands after `event`."""

    event: int
    time: int


Message = (
    InstrumentMessage | PhaseMessage | MarketPhaseMessage | TradingDayMessage | OrderMessage | TradeMessage | StatisticMessage
    | NumbersMessage | EndOfRecordMessage
)  # fmt: skip


class MessagesRequest(NamedTuple):
    """G: `message_count` messages from number `sequence` on."""

    session: str
    sequence: int
    message_count: int


class SnapshotRequest(NamedTuple):
    """S."""


class Follows(NamedTuple):
    """1, 2: so many messages follow. Of a snapshot, `sequence` is the first message that is to be taken after it."""

    type: bytes
    session: str
    sequence: int
    message_count: int


class Refusal(NamedTuple):
    """3: `code` is one of MALFORMED, OTHER_SESSION, TOO_OLD, NOT_YET, TOO_MANY; `text` says it for a person."""

    code: str
    text: str


# ------------------------------------------------------------------------------------------------- encoding


def instrument(number: int, book: Book) -> bytes:
    terms = book.terms
    head = _INSTRUMENT.pack(INSTRUMENT, number, terms.price_decimals, terms.quantity_decimals, terms.tick, terms.lot)
    return head + _text(terms.instrument) + _text(terms.currency) + _text(terms.market)


def phase(number: int, name: Phase, until: int) -> bytes:
    return _PHASE.pack(PHASE, number, PHASES.index(name), until)


def market_phase(market: str, name: Phase) -> bytes:
    return MARKET_PHASE + bytes([PHASES.index(name)]) + _text(market)


def trading_day(day: str) -> bytes:
    return TRADING_DAY + _text(day)


def order(number: int, rpt_seq: int, entry: Entry) -> bytes:
    side = b"B" if entry.kind == BID else b"S"
    return _ORDER.pack(ORDER_TYPES[entry.action], number, rpt_seq, entry.order_id, side, entry.price, entry.quantity)


def resting_orders(number: int, side: BookSide) -> list[bytes]:
    """All orders of a side, uncounted, as messages that add them; the one that trades first first."""
    pack, letter = _ORDER.pack, b"B" if side.kind == BID else b"S"
    return [pack(ADDED, number, 0, order.order_id, letter, order.price, order.quantity) for order in side.orders()]


def trade(number: int, rpt_seq: int, action: str, one: Trade) -> bytes:
    aggressor = _NONE if not one.taker_side else b"B" if one.taker_side == BUY else b"S"
    return _TRADE.pack(TRADE_TYPES[action], number, rpt_seq, one.number, one.time, aggressor, one.price, one.quantity)


def statistic(number: int, rpt_seq: int, entry: Entry) -> bytes:
    condition = entry.condition.encode() or _NONE
    price, quantity = entry.price.to_bytes(16, "big"), entry.quantity.to_bytes(16, "big")
    return _STATISTIC.pack(STATISTIC, number, rpt_seq, entry.action.encode(), entry.kind.encode(), condition, price, quantity)


def numbers(number: int, book: int, trades: int, statistics: int) -> bytes:
    return _NUMBERS.pack(NUMBERS, number, book, trades, statistics)


def end_of_record(event: int, time: int) -> bytes:
    return _END.pack(END_OF_RECORD, event, time)


def asks_messages(session: str, sequence: int, count: int) -> bytes:
    return _ASKS_MESSAGES.pack(ASKS_MESSAGES, session.encode(), sequence, count)


def follows(kind: bytes, session: str, sequence: int, count: int) -> bytes:
    return _FOLLOWS.pack(kind, session.encode(), sequence, count)


def refusal(code: str, text: str) -> bytes:
    return REFUSED + code.encode() + text.encode()


def _text(text: str) -> bytes:
    data = text.encode("ascii")
    return bytes([len(data)]) + data


# ------------------------------------------------------------------------------------------------- decoding


def decode(data: bytes) -> Message:
    """Raises Malformed."""
    try:
        return _decode(data)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise Malformed(f"a message {data[:1]!r} of {len(data)} bytes: {error}") from None


def decode_request(data: bytes) -> SnapshotRequest | MessagesRequest:
    """Raises Malformed."""
    if data == ASKS_SNAPSHOT:
        return SnapshotRequest()
    if data[:1] != ASKS_MESSAGES or len(data) != _ASKS_MESSAGES.size or not data[1 : 1 + SESSION_CHARACTERS].isascii():
        raise Malformed("a request is S, or G with session (10 characters), sequence number (8 bytes) and count (2 bytes)")
    _, session, sequence, count = _ASKS_MESSAGES.unpack(data)
    return MessagesRequest(session.decode(), sequence, count)


def decode_answer(data: bytes) -> Follows | Refusal:
    """Raises Malformed."""
    try:
        if data[:1] == REFUSED:
            return Refusal(data[1:2].decode(), data[2:].decode())
        kind, session, sequence, count = _FOLLOWS.unpack(data)
        if kind in (SNAPSHOT_FOLLOWS, MESSAGES_FOLLOW):
            return Follows(kind, session.decode(), sequence, count)
    except (struct.error, UnicodeDecodeError):
        pass
    raise Malformed(f"an answer begins with 1, 2 or 3, not with {data[:30]!r}")


def _decode(data: bytes) -> Message:
    kind = data[:1]
    if kind in (ADDED, CHANGED, DELETED):
        _, number, rpt_seq, order_id, side, price, quantity = _ORDER.unpack(data)
        return OrderMessage(kind, number, rpt_seq, order_id, "0" if side == b"B" else "1", price, quantity)
    if kind == END_OF_RECORD:
        _, event, time = _END.unpack(data)
        return EndOfRecordMessage(event, time)
    if kind in (TRADED, CORRECTED, BUSTED):
        _, number, rpt_seq, trade_id, time, aggressor, price, quantity = _TRADE.unpack(data)
        side = {b"B": "buy", b"S": "sell"}.get(aggressor)
        return TradeMessage(kind, number, rpt_seq, trade_id, time, side, price, quantity)
    if kind == STATISTIC:
        _, number, rpt_seq, action, name, condition, wide_price, wide_quantity = _STATISTIC.unpack(data)
        return StatisticMessage(
            number, rpt_seq, action.decode(), name.decode(), condition.decode().strip(),
            int.from_bytes(wide_price, "big"), int.from_bytes(wide_quantity, "big"),
        )  # fmt: skip
    if kind == NUMBERS:
        _, number, book, trades, statistics = _NUMBERS.unpack(data)
        return NumbersMessage(number, book, trades, statistics)
    if kind == PHASE:
        _, number, code, until = _PHASE.unpack(data)
        return PhaseMessage(number, PHASES[code], until)
    if kind == INSTRUMENT:
        _, number, price_decimals, quantity_decimals, tick, lot = _INSTRUMENT.unpack_from(data)
        symbol, currency, market = _texts(data, _INSTRUMENT.size, 3)
        return InstrumentMessage(number, price_decimals, quantity_decimals, tick, lot, symbol, currency, market)
    if kind == MARKET_PHASE:
        (market,) = _texts(data, 2, 1)
        return MarketPhaseMessage(market, PHASES[data[1]])
    if kind == TRADING_DAY:
        (day,) = _texts(data, 1, 1)
        return TradingDayMessage(day)
    raise Malformed(f"no message is of the type {kind!r}")


def _texts(data: bytes, at: int, count: int) -> list[str]:
    found = []
    for _ in range(count):
        end = at + 1 + data[at]
        if end > len(data):
            raise IndexError("a text goes on behind the end")
        found.append(data[at + 1 : end].decode("ascii"))
        at = end
    return found
