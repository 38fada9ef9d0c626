"""The client's side of the multicast feed: whole books from packets that get lost, come twice or out of order; it opens no socket.

    receiver = Receiver()
    receiver.take_packet(data)              # each UDP packet
    request = receiver.request()            # what is to be asked for by TCP now, None: nothing
    receiver.take_answer(block)             # each block of the answer, until receiver.asking is False
    receiver.books["AAPL"].bids()           # [(price, quantity, order), ...] in units, best first; while receiver.whole

What comes while something is missing is kept, up to BUFFERED_MESSAGES_MAX; what is beyond that is asked for as missed.
"""

from __future__ import annotations

from collections import deque

from marketdata import mold
from marketdata import multicast_messages as messages
from marketdata.depth import BID, OFFER
from marketdata.mold import Malformed
from marketdata.multicast import GAP_MESSAGES_MAX
from marketdata.views import CHANGE, DELETE

BUFFERED_MESSAGES_MAX = 100_000
SESSIONS_REMEMBERED = 16  # that have ended: a packet of them may still come
TRADES_KEPT = 10_000
REFUSALS_KEPT = 100


class Gap(Exception):
    """A number of an instrument is not the next one, though no message is missing: the feed is wrong."""


class ReceivedBook:
    """One instrument as the feed told it. `rpt_seq` is that of orders, trades and statistics."""

    def __init__(self, terms: messages.InstrumentMessage) -> None:
        self.terms = terms
        self.phase, self.until = "", 0
        self.rpt_seq = [0, 0, 0]
        self.trades: deque[messages.TradeMessage] = deque(maxlen=TRADES_KEPT)  # that stand, from that of the snapshot on
        self.statistics: dict[str, tuple[int, int, str]] = {}
        self._orders: dict[str, dict[int, tuple[int, int, int]]] = {BID: {}, OFFER: {}}

    def bids(self) -> list[tuple[int, int, int]]:
        """Price, quantity and number of each order, those of one price in the order in which they trade."""
        return sorted(self._orders[BID].values(), key=lambda order: -order[0])  # sorted() keeps the order of equals

    def offers(self) -> list[tuple[int, int, int]]:
        return sorted(self._orders[OFFER].values(), key=lambda order: order[0])

    def take_order(self, said: messages.OrderMessage) -> None:
        self._count(0, said.rpt_seq)
        orders = self._orders[said.side]
        if said.type == messages.DELETED:
            del orders[said.order]
            return
        if (said.type == messages.CHANGED) != (said.order in orders):
            raise Gap(f"{said.type!r} of order {said.order} of {self.terms.symbol}")
        orders[said.order] = said.price, said.quantity, said.order

    def take_trade(self, said: messages.TradeMessage) -> None:
        self._count(1, said.rpt_seq)
        if said.type == messages.TRADED:
            self.trades.append(said)
            return
        for at, known in enumerate(self.trades):
            if known.trade == said.trade:
                if said.type == messages.CORRECTED:
                    self.trades[at] = said
                else:
                    del self.trades[at]
                return

    def take_statistic(self, said: messages.StatisticMessage) -> None:
        self._count(2, said.rpt_seq)
        if said.action == DELETE:
            del self.statistics[said.kind]
            return
        if (said.action == CHANGE) != (said.kind in self.statistics):
            raise Gap(f"{said.action} of statistic {said.kind} of {self.terms.symbol}")
        self.statistics[said.kind] = said.price, said.quantity, said.condition

    def _count(self, which: int, rpt_seq: int) -> None:
        if not rpt_seq:
            return  # of a snapshot
        if rpt_seq != self.rpt_seq[which] + 1:
            raise Gap(f"{self.terms.symbol}: {rpt_seq} came after {self.rpt_seq[which]}")
        self.rpt_seq[which] = rpt_seq


class Receiver:
    """Everything that one listener knows.

    `session` is whose messages are taken, `next` the number of the next of them, `end` the number behind the last that is known to
    have been sent. `event` is the number of the last event in the books. `snapshots`, `gaps` count what was asked for and came.
    """

    def __init__(self, buffered_max: int = BUFFERED_MESSAGES_MAX) -> None:
        self.session = ""
        self.next = self.end = 0
        self.event = self.time = 0
        self.ended = False  # the session, by the venue's word
        self.asking = False
        self.snapshots = self.gaps = 0
        self.refusals: deque[messages.Refusal] = deque(maxlen=REFUSALS_KEPT)
        self.trading_day = ""
        self.markets: dict[str, str] = {}
        self.books: dict[str, ReceivedBook] = {}
        self._by_number: dict[int, ReceivedBook] = {}
        self._synchronized = False  # to `session`, by a snapshot of it
        self._within_record = False
        self._buffered: dict[int, bytes] = {}
        self._buffered_max = buffered_max
        self._left: deque[str] = deque(maxlen=SESSIONS_REMEMBERED)
        self._follows: messages.Follows | None = None
        self._due = 0  # messages of the answer that are still to come

    @property
    def whole(self) -> bool:
        """Whether the books are those at `event`, and nothing is known to be missing."""
        return self._synchronized and not self._within_record and not self._due and self.next == self.end

    # ------------------------------------------------------------------------------------------------- packets

    def take_packet(self, data: bytes) -> None:
        """Raises Malformed, Gap."""
        packet = mold.parse(data)
        if packet.session != self.session:
            if packet.session in self._left:
                return
            self._left.append(self.session)
            self._begin(packet.session)
        self.end = max(self.end, packet.next)
        self.ended = self.ended or packet.ends
        if not self._synchronized or self._due or packet.sequence > self.next:
            for number, message in enumerate(packet.messages, packet.sequence):
                if number >= self.next and len(self._buffered) < self._buffered_max:
                    self._buffered[number] = message
            return
        for number, message in enumerate(packet.messages, packet.sequence):
            if number == self.next:
                self._take(message)
                self.next += 1
        self._take_buffered()

    def _begin(self, session: str) -> None:
        """Another session: its numbers begin anew, and what is known of it is nothing."""
        self.session = session
        self.next = self.end = 0
        self.ended = self._synchronized = self._within_record = False
        self._buffered.clear()

    def _take_buffered(self) -> None:
        while self._buffered and self.next in self._buffered:
            self._take(self._buffered.pop(self.next))
            self.next += 1
        if self.next >= self.end:
            self._buffered.clear()

    # ------------------------------------------------------------------------------------------------- recovery

    def request(self) -> bytes | None:
        """What is to be asked for now; None where nothing is missing, or an answer is still awaited."""
        if self.asking:
            return None
        if not self._synchronized:
            self.asking = True
            return messages.ASKS_SNAPSHOT
        if self.next >= self.end:
            return None
        self.asking = True
        until = min((number for number in self._buffered if number > self.next), default=self.end)
        return messages.asks_messages(self.session, self.next, min(until - self.next, GAP_MESSAGES_MAX))

    def take_answer(self, block: bytes) -> None:
        """The next block of an answer, without its length. Raises Malformed, Gap."""
        if self._follows is None:
            answer = messages.decode_answer(block)
            if isinstance(answer, messages.Refusal):
                self._refused(answer)
                return
            self._follows, self._due = answer, answer.message_count
            if answer.type == messages.SNAPSHOT_FOLLOWS:
                self._begin_snapshot(answer)
        else:
            self._due -= 1
            follows = self._follows
            number = follows.sequence + follows.message_count - 1 - self._due
            if follows.type == messages.SNAPSHOT_FOLLOWS:
                self._take(block)
            elif follows.session == self.session and number == self.next:
                self._take(block)
                self.next += 1
        if not self._due:
            self._end_answer()

    def _refused(self, answer: messages.Refusal) -> None:
        self.asking = False
        self.refusals.append(answer)
        if answer.code == messages.NOT_YET:
            # A packet said that there is more than there is, and so it was not the venue's.
            self.end = self.next
            self._buffered.clear()
        else:
            self._synchronized = False  # whatever the reason was, a snapshot helps

    def answer_lost(self) -> None:
        """The connection ended before the answer did."""
        if self._follows is not None and self._follows.type == messages.SNAPSHOT_FOLLOWS:
            self._synchronized = False
        self._follows, self._due, self.asking = None, 0, False

    def _begin_snapshot(self, answer: messages.Follows) -> None:
        if answer.session != self.session:
            # Whoever answers by TCP is the venue, whatever a packet said.
            if answer.session in self._left:
                self._left.remove(answer.session)
            self._begin(answer.session)
        self._synchronized = False
        self.books, self._by_number, self.markets = {}, {}, {}

    def _end_answer(self) -> None:
        assert self._follows is not None
        follows, self._follows, self.asking = self._follows, None, False
        if follows.session != self.session:
            return  # another one began meanwhile
        if follows.type == messages.SNAPSHOT_FOLLOWS:
            self.snapshots += 1
            self._synchronized = True
            self.next = follows.sequence
            self.end = max(self.end, self.next)
        else:
            self.gaps += 1
        for number in [number for number in self._buffered if number < self.next]:
            del self._buffered[number]
        self._take_buffered()

    # ------------------------------------------------------------------------------------------------- messages

    def _take(self, data: bytes) -> None:
        said = messages.decode(data)
        self._within_record = not isinstance(said, messages.EndOfRecordMessage)
        if isinstance(said, messages.OrderMessage):
            self._by_number[said.instrument].take_order(said)
        elif isinstance(said, messages.EndOfRecordMessage):
            self.event, self.time = said.event, said.time
        elif isinstance(said, messages.TradeMessage):
            self._by_number[said.instrument].take_trade(said)
        elif isinstance(said, messages.StatisticMessage):
            self._by_number[said.instrument].take_statistic(said)
        elif isinstance(said, messages.PhaseMessage):
            book = self._by_number[said.instrument]
            book.phase, book.until = said.phase, said.until
        elif isinstance(said, messages.NumbersMessage):
            self._by_number[said.instrument].rpt_seq = [said.book, said.trades, said.statistics]
        elif isinstance(said, messages.InstrumentMessage):
            known = self._by_number.get(said.number)
            if known is None:
                self._by_number[said.number] = self.books[said.symbol] = ReceivedBook(said)
            else:
                known.terms = said
        elif isinstance(said, messages.MarketPhaseMessage):
            self.markets[said.market] = said.phase
        else:
            self.trading_day = said.day


__all__ = ["Gap", "Malformed", "ReceivedBook", "Receiver"]
