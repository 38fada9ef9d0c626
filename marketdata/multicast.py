"""What is sent by multicast, message by message and numbered, and what is kept of it for who missed some; it opens no socket.

The books are those of the views that FIX and the stream show (by order, whole), with their numbers. After each record of the
event log come the messages of what it changed, and an end-of-record, at which every book is whole. A snapshot is the same
messages for all that is there, and says the number of the message that comes after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from marketdata import mold
from marketdata import multicast_messages as messages
from marketdata.depth import BID, CLEARING_PRICE, IMBALANCE, OFFER, STATISTICS, TRADE, Book
from marketdata.viewing import Published, Views
from marketdata.views import View, ViewKey, view_key
from matching.messages import EventBatch, PhaseChanged

RETRANSMIT_MESSAGES_MAX = 200_000  # kept for who missed some: about 20 MB
GAP_MESSAGES_MAX = 10_000  # of one request
SNAPSHOT_SECONDS = 1.0  # a snapshot serves everybody for so long: what came since is asked for as missed
SNAPSHOT_SHARE = 20  # and for so many times as long as it took to make: nothing else happens meanwhile
HEARTBEAT_SECONDS = 1.0

BOOK, TRADES, DAY = 0, 1, 2  # the three views of an instrument
KINDS: tuple[tuple[str, ...], ...] = ((BID, OFFER), (TRADE,), (*STATISTICS, IMBALANCE, CLEARING_PRICE))


class Refused(Exception):
    """What was asked for cannot be had; `code` is for the program, the text for the person."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Publisher:
    """One session: numbers from 1, as long as the process. `next` is the number of the next message."""

    def __init__(
        self, views: Views, session: str, *, clock: Callable[[], float] = time.monotonic, kept_max: int = RETRANSMIT_MESSAGES_MAX
    ) -> None:
        """`clock` is monotonic, in seconds."""
        self.session = session
        self.next = 1
        self.snapshots_made = 0
        self._views = views
        self._depth = views.depth
        self._clock = clock
        self._kept_max = kept_max
        self._kept: list[bytes] = []  # message n is at (n - 1) % kept_max
        self._pending: list[bytes] = []  # in no packet yet
        self._numbers: dict[str, int] = {}
        self._of_instrument: dict[str, tuple[View, View, View]] = {}
        self._held: dict[ViewKey, tuple[int, int]] = {}  # the instrument's number, and which of its views
        self._terms: dict[str, object] = {}
        self._trading_day = self._depth.trading_day
        self._markets = set(self._depth.markets)
        self._sent_at = clock()
        self._snapshot: tuple[float, int, bytes] | None = None  # good until, next message, bytes
        for symbol in self._depth.books:
            self._follow(symbol)

    # ------------------------------------------------------------------------------------------- what is sent

    def on_record(self, batch: EventBatch, published: list[Published]) -> None:
        """After each record of the event log, and Views.publish()."""
        depth, said = self._depth, self._pending
        before = len(said)
        for symbol, book in depth.changed.items():
            if symbol not in self._numbers:
                self._follow(symbol)
                said += self._instrument(symbol, book)
            elif self._terms[symbol] is not book.terms:
                self._terms[symbol] = book.terms
                said.append(messages.instrument(self._numbers[symbol], book))
        if len(depth.markets) != len(self._markets):  # an instrument's terms may name one that nobody has heard of
            for market in [market for market in depth.markets if market not in self._markets]:
                self._markets.add(market)
                said.append(messages.market_phase(market, depth.markets[market]))
        if depth.trading_day != self._trading_day:
            self._trading_day = depth.trading_day
            said.append(messages.trading_day(depth.trading_day))
        held = self._held
        for view, first, entries in published:
            found = held.get(view.key)
            if found is None:
                continue
            number, which = found
            if which == BOOK:
                said += [messages.order(number, rpt_seq, entry) for rpt_seq, entry in enumerate(entries, first)]
            elif which == DAY:
                said += [messages.statistic(number, rpt_seq, entry) for rpt_seq, entry in enumerate(entries, first)]
            else:
                for rpt_seq, entry in enumerate(entries, first):
                    assert entry.trade is not None
                    said.append(messages.trade(number, rpt_seq, entry.action, entry.trade))
        for event in depth.phases:
            if isinstance(event, PhaseChanged):
                said.append(messages.phase(self._numbers[event.instrument], event.phase, event.until))
            else:
                said.append(messages.market_phase(event.market, event.phase))
        said.append(messages.end_of_record(depth.cursor, batch.time))
        self._keep(said[before:])

    def packets(self) -> list[bytes]:
        """What is to be sent at the end of a turn: all that happened, or a heartbeat where nothing has for a while."""
        now = self._clock()
        if self._pending:
            found = list(mold.packets(self.session, self.next - len(self._pending), self._pending))
            self._pending = []
        elif now - self._sent_at >= HEARTBEAT_SECONDS:
            found = [mold.heartbeat(self.session, self.next)]
        else:
            return []
        self._sent_at = now
        return found

    def end(self) -> bytes:
        """The packet that ends the session."""
        return mold.end_of_session(self.session, self.next)

    def close(self) -> None:
        for key in self._held:
            self._views.release(key)
        self._held.clear()

    # ------------------------------------------------------------------------------------------- what is asked for

    def answer(self, request: bytes) -> bytes:
        """What answers a request: an answer's first block, and the messages' behind it."""
        try:
            asked = messages.decode_request(request)
            if isinstance(asked, messages.SnapshotRequest):
                return self.snapshot()
            return self.messages(asked)
        except mold.Malformed as error:
            return mold.block(messages.refusal(messages.MALFORMED, str(error)))
        except Refused as refused:
            return mold.block(messages.refusal(refused.code, str(refused)))

    def messages(self, asked: messages.MessagesRequest) -> bytes:
        """Raises Refused."""
        first, count = asked.sequence, asked.message_count
        if asked.session != self.session:
            raise Refused(messages.OTHER_SESSION, f"the session is {self.session}: take a snapshot")
        if not 1 <= count <= GAP_MESSAGES_MAX:
            raise Refused(messages.TOO_MANY, f"{count} messages: a request is for 1 to {GAP_MESSAGES_MAX}")
        if first < self.oldest:
            raise Refused(messages.TOO_OLD, f"message {first} is kept no more, the oldest is {self.oldest}: take a snapshot")
        if first + count > self.next:
            raise Refused(messages.NOT_YET, f"message {first + count - 1} has not been sent, the last was {self.next - 1}")
        kept, size = self._kept, self._kept_max
        found = [kept[(number - 1) % size] for number in range(first, first + count)]
        return mold.block(messages.follows(messages.MESSAGES_FOLLOW, self.session, first, count)) + mold.blocks(found)

    @property
    def oldest(self) -> int:
        """The number of the oldest message that is kept."""
        return self.next - len(self._kept)

    def snapshot(self) -> bytes:
        """Everything, as it stood a moment ago; what came since is still kept."""
        now = self._clock()
        if self._snapshot is not None:
            good_until, sequence, data = self._snapshot
            # Half of what is kept: so that it is still there when the snapshot has been read.
            if now < good_until and self.next - sequence <= self._kept_max // 2:
                return data
        depth = self._depth
        found = [messages.trading_day(depth.trading_day)] if depth.trading_day else []
        found += [messages.market_phase(market, phase) for market, phase in depth.markets.items()]
        for symbol, book in depth.books.items():
            found += self._instrument(symbol, book)
        found.append(messages.end_of_record(depth.cursor, depth.time))
        head = messages.follows(messages.SNAPSHOT_FOLLOWS, self.session, self.next, len(found))
        data = mold.block(head) + mold.blocks(found)
        made = self._clock()
        self._snapshot = made + max(SNAPSHOT_SECONDS, SNAPSHOT_SHARE * (made - now)), self.next, data
        self.snapshots_made += 1
        return data

    # ------------------------------------------------------------------------------------------------- inside

    def _follow(self, symbol: str) -> None:
        """Give an instrument its number, and hold its views."""
        number = self._numbers[symbol] = len(self._numbers) + 1
        self._terms[symbol] = self._depth.books[symbol].terms
        found = []
        for which, kinds in enumerate(KINDS):
            key = view_key(symbol, True, 0, kinds)
            found.append(self._views.hold(key))
            self._held[key] = number, which
        self._of_instrument[symbol] = found[BOOK], found[TRADES], found[DAY]

    def _instrument(self, symbol: str, book: Book) -> list[bytes]:
        """All there is of an instrument, uncounted, and the numbers that it stands at."""
        number = self._numbers[symbol]
        orders, trades, day = self._of_instrument[symbol]
        found = [messages.instrument(number, book), messages.phase(number, book.phase, book.until)]
        for side in (book.bids, book.offers):
            found += messages.resting_orders(number, side)
        for entry in trades.snapshot():
            assert entry.trade is not None
            found.append(messages.trade(number, 0, entry.action, entry.trade))
        found += [messages.statistic(number, 0, entry) for entry in day.snapshot()]
        found.append(messages.numbers(number, orders.rpt_seq, trades.rpt_seq, day.rpt_seq))
        return found

    def _keep(self, said: list[bytes]) -> None:
        kept, size = self._kept, self._kept_max
        for message in said:
            if len(kept) < size:
                kept.append(message)
            else:
                kept[(self.next - 1) % size] = message
            self.next += 1
