"""The last trades of the venue, as the events tell them: what a database that follows behind does not have yet. It is no archive.

Of every instrument all trades behind `known_from(instrument)` are here, those of today that were busted or corrected as they
are now. What became of a trade that is not here any more is kept beside them, as far as there is room.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Literal, NamedTuple

from matching.messages import EventBatch, TradeBusted, TradeCorrected, Traded

TRADES_KEPT_MAX = 50_000  # of all instruments together; the oldest goes
AMENDED_KEPT_MAX = 10_000

Status = Literal["traded", "corrected", "busted"]


class Print(NamedTuple):
    """A trade as it is now: `number` is that of its event, `time` in ns, `taker_side` who came second, empty in an auction.
    `amended` is the event that busted or corrected it last, 0 where none did."""

    number: int
    time: int
    instrument: str
    price: int
    quantity: int
    taker_side: str
    status: Status = "traded"
    amended: int = 0


class Amended(NamedTuple):
    """What became of a trade, at which event. Fees in money units."""

    number: int
    price: int
    quantity: int
    maker_fee: int
    taker_fee: int
    status: Status


class Tape:
    """The trades behind event `begin`. Records are taken from behind event `cursor` on."""

    def __init__(self, begin: int, cursor: int) -> None:
        assert begin <= cursor
        self.begin = begin
        self.cursor = cursor
        self._prints: dict[int, Print] = {}
        self._of: dict[str, deque[int]] = {}  # the numbers of an instrument, oldest first
        self._order: deque[int] = deque()
        self._forgotten: dict[str, int] = {}
        self._amended: dict[int, Amended] = {}

    def apply(self, batch: EventBatch) -> None:
        """Take the next record. One that is known already changes nothing."""
        for event in batch.events:
            if event.seq <= self.cursor:
                continue
            self.cursor = event.seq
            kind = type(event)
            if kind is Traded:
                assert isinstance(event, Traded)
                self._add(event, batch.time)
            elif isinstance(event, TradeBusted):
                self._amend(event, "busted")
            elif isinstance(event, TradeCorrected):
                self._amend(event, "corrected")

    def known_from(self, instrument: str) -> int:
        """Of which number on the tape is whole: what is at or before it may be missing."""
        return self._forgotten.get(instrument, self.begin)

    def newest(self, instrument: str, before: int | None = None) -> Iterator[Print]:
        """The trades of an instrument whose number is below `before`, newest first."""
        for number in reversed(self._of.get(instrument, ())):
            if before is None or number < before:
                yield self._prints[number]

    def amended(self, number: int) -> Amended | None:
        """What became of a trade since `begin`; None where nothing did, or it is not known any more."""
        return self._amended.get(number)

    def _add(self, event: Traded, time: int) -> None:
        side = "" if event.auction else event.taker_side
        self._prints[event.seq] = Print(event.seq, time, event.instrument, event.price, event.quantity, side)
        self._of.setdefault(event.instrument, deque()).append(event.seq)
        self._order.append(event.seq)
        if len(self._order) > TRADES_KEPT_MAX:
            oldest = self._order.popleft()
            instrument = self._prints.pop(oldest).instrument
            self._of[instrument].popleft()
            self._forgotten[instrument] = oldest

    def _amend(self, event: TradeBusted | TradeCorrected, status: Status) -> None:
        number, price, quantity = event.trade_seq, event.price, event.quantity
        known = self._prints.get(number)
        if known is not None:
            self._prints[number] = known._replace(price=price, quantity=quantity, status=status, amended=event.seq)
        # Of one that is known here as well: its executions may be known only to the database.
        self._amended.pop(number, None)
        self._amended[number] = Amended(event.seq, price, quantity, event.maker_fee, event.taker_fee, status)
        if len(self._amended) > AMENDED_KEPT_MAX:
            del self._amended[next(iter(self._amended))]
