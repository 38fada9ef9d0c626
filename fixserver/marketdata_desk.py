"""Answers what is asked on the market-data port, as raw FIX text; it knows sessions by what it may send them, never a socket.

One turn of the market data process has it answer the requests that came in (`take_requests`), shows it each new record of the
event log (`on_record`), and has it send each subscriber one increment for all of them, and tell all who are logged on which phases
changed (`send`). A snapshot that is due, of a new subscription or of one that was held back, is sent as the client reads: until
then its increments are left out.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable
from typing import Protocol

from fixserver import marketdata_statuses
from fixserver.dialects import DIALECTS, Dialect
from fixserver.metrics import Labelled
from fixserver.reports import Reports
from fixserver.requests import routing_of
from fixserver.sessions import utc_text
from marketdata.depth import CLEARING_PRICE, IMBALANCE, STATISTICS, VOLUME, VWAP, VWAP_EXTRA_DECIMALS, Book
from marketdata.feed import Feed
from marketdata.pacing import SNAPSHOT_BYTES_QUEUED_MAX, Pace
from marketdata.subscriptions import SUBSCRIPTIONS_MAX, UNSUBSCRIBE, Refusal, Request, Subscriber, Subscription, Subscriptions
from marketdata.viewing import Published, Views
from marketdata.views import DELETE, Entry, View
from matching.instruments import decimal_text
from matching.messages import MarketPhaseChanged, PhaseChanged

SOH = "\x01"
ENTRIES_PER_MESSAGE_MAX = 5_000  # of an increment; what is more goes on in the next message
PRICE_TEXTS_MAX = 100_000
TAKEN = ("V", "e", "g", "x")  # application messages: MarketDataRequest, and what is asked of phases and instruments

log = logging.getLogger(__name__)


class Session(Protocol):
    """What the desk needs of a FIX session. `send` takes the body: what comes after the standard header."""

    name: str
    begin_string: str

    @property
    def queued_bytes(self) -> int: ...

    def send(self, msg_type: str, body: str, routing: str = "") -> None: ...

    def logout(self, text: str) -> None: ...


class _Client:
    """A session that is logged on, and what it is to be sent.

    increments   by subscription: (number of entries, their text)
    due          the views of which a snapshot is to come; until then no increment of them is sent
    routing      by subscription: header fields that its messages carry, where the request had any
    """

    __slots__ = ("due", "encoding", "increments", "routing", "session", "subscriber")

    def __init__(self, session: Session, encoding: Encoding) -> None:
        self.session = session
        self.encoding = encoding
        self.subscriber = Subscriber()
        self.increments: dict[Subscription, list[tuple[int, str]]] = {}
        self.due: dict[tuple[Subscription, View], None] = {}
        self.routing: weakref.WeakKeyDictionary[Subscription, str] = weakref.WeakKeyDictionary()


class MarketDataDesk:
    """The counter that market data is asked for at."""

    def __init__(
        self,
        feed: Feed,
        views: Views,
        clock: Callable[[], float] = time.monotonic,
        subscriptions_max: int = SUBSCRIPTIONS_MAX,
    ) -> None:
        """`clock` is monotonic, in seconds."""
        self.feed = feed
        self.clock = clock
        self.subscriptions = Subscriptions(views, subscriptions_max)
        self.entries_sent = 0
        self.received = Labelled()  # by MsgType(35)
        self.rejects = Labelled()  # by MDReqRejReason(281)
        self.held_total = 0
        self.cut_total = 0
        self._inbox: list[tuple[Session, str]] = []
        self._phases: list[tuple[int, PhaseChanged | MarketPhaseChanged]] = []  # with their time, to be told at the end of the turn
        self._lists_sent = 0
        self._clients: dict[Session, _Client] = {}
        self._client_of: dict[Subscriber, _Client] = {}
        self._waiting: dict[_Client, None] = {}  # those with something to come, or held back

    @property
    def subscribers(self) -> int:
        """How many sessions follow something."""
        return sum(1 for client in self._clients.values() if client.subscriber.subscriptions)

    @property
    def views_followed(self) -> int:
        """How many instruments they follow, summed over all subscriptions."""
        return sum(client.subscriber.views_held for client in self._clients.values())

    # ------------------------------------------------------------------------------------------ sessions

    def on_logon(self, session: Session) -> None:
        client = self._clients[session] = _Client(session, ENCODINGS[session.begin_string])
        self._client_of[client.subscriber] = client

    def on_logout(self, session: Session) -> None:
        client = self._clients.pop(session, None)
        if client is not None:
            self.subscriptions.drop(client.subscriber)
            del self._client_of[client.subscriber]
            self._waiting.pop(client, None)
            client.due.clear()
            client.increments.clear()

    def on_message(self, session: Session, text: str) -> None:
        self._inbox.append((session, text))

    def on_sent(self) -> None:
        pass

    def on_tick(self) -> None:
        pass

    # ---------------------------------------------------------------------------------------------- turn

    def take_requests(self) -> None:
        """Answer what came in."""
        if self._inbox:
            inbox, self._inbox = self._inbox, []
            for session, text in inbox:
                client = self._clients.get(session)
                if client is not None:  # it may have gone since
                    self._answer(client, text)

    def on_record(self, published: list[Published]) -> None:
        """A record of the event log was applied to the feed: put what it changed with those who follow it; the text is made once
        for each version."""
        depth = self.feed.depth
        if depth.phases:
            self._phases += [(depth.time, event) for event in depth.phases]
        for view, first, entries in published:
            texts: dict[Encoding, str] = {}
            for subscription in self.subscriptions.followers(view):
                client = self._client_of[subscription.subscriber]
                self._waiting[client] = None
                if (subscription, view) in client.due:
                    continue
                if not subscription.incremental:
                    client.due[subscription, view] = None
                    continue
                encoding = client.encoding
                text = texts.get(encoding)
                if text is None:
                    text = texts[encoding] = encoding.increment(view, first, entries)
                client.increments.setdefault(subscription, []).append((len(entries), text))

    def send(self) -> None:
        """Send what follows from requests and records."""
        if self._waiting:
            now = self.clock()
            for client in list(self._waiting):
                self._serve(client, now)
        if self._phases:
            self._tell_phases()

    def _tell_phases(self) -> None:
        """Tell all who are logged on; behind the increments, for what an auction traded comes before what follows it."""
        phases, self._phases = self._phases, []
        depth, messages = self.feed.depth, {}
        for client in list(self._clients.values()):
            dialect = client.encoding.dialect
            version = dialect.begin_string
            if version not in messages:
                messages[version] = [marketdata_statuses.changed(depth, event, at, dialect) for at, event in phases]
            for msg_type, body in messages[version]:
                client.session.send(msg_type, body)

    def _answer(self, client: _Client, text: str) -> None:
        """One application message, whole and as it came."""
        fields, request = _request([field.split("=", 1) for field in text.split(SOH) if "=" in field])
        routing = routing_of(fields)
        msg_type = fields.get("35", "")
        self.received.add(msg_type)
        if msg_type not in TAKEN:
            what = f"MsgType(35) {msg_type} is not taken on this port: {', '.join(TAKEN)} are"
            client.session.send("j", Reports.business_reject(fields, "3", what), routing)
            return
        if msg_type != "V":
            for answer_type, body in self._answer_about_market(client, msg_type, fields):
                client.session.send(answer_type, body, routing)
            return
        if not request.req_id:
            client.session.send("j", Reports.business_reject(fields, "5", "MDReqID(262) is missing"), routing)
            return
        answer = self.subscriptions.request(client.subscriber, request, self.clock())
        if isinstance(answer, Refusal):
            self.rejects.add(answer.reason.name.lower())
            reason = f"281={answer.reason.value}{SOH}" if answer.reason.value else ""
            client.session.send("Y", f"262={request.req_id}{SOH}{reason}58={answer.text}{SOH}", routing)
        elif request.request_type == UNSUBSCRIBE:
            for view in answer.views:
                client.due.pop((answer, view), None)
        else:
            if routing:
                client.routing[answer] = routing
            for view in answer.views:
                client.due[answer, view] = None
            self._waiting[client] = None

    def _answer_about_market(self, client: _Client, msg_type: str, fields: dict[str, str]) -> list[tuple[str, str]]:
        depth, dialect = self.feed.depth, client.encoding.dialect
        if not client.subscriber.pacer.may_have(len(depth.books), self.clock()):
            return [("j", Reports.business_reject(fields, dialect.throttle, "too much was asked for in a second"))]
        if msg_type == "e":
            return marketdata_statuses.security_status(depth, fields, dialect)
        if msg_type == "g":
            return marketdata_statuses.session_status(depth, fields, dialect)
        self._lists_sent += 1
        return marketdata_statuses.security_list(depth, fields, dialect, f"{depth.cursor}-{self._lists_sent}")

    def _serve(self, client: _Client, now: float) -> None:
        """Send a client what there is for it, as far as it keeps up."""
        session, subscriber, due = client.session, client.subscriber, client.due
        pacer = subscriber.pacer
        was_held = pacer.held_since is not None
        queued_bytes = session.queued_bytes
        pace = pacer.pace(queued_bytes, now)
        if pace is Pace.CUT:
            self.cut_total += 1
            log.warning("%s does not read its market data: %d bytes wait; it is logged out", session.name, queued_bytes)
            self.on_logout(session)
            session.logout("market data is not being read")
            return
        if pace is Pace.HOLD:
            self.held_total += not was_held
            for subscription in subscriber.subscriptions.values():
                for view in subscription.views:
                    due[subscription, view] = None
            client.increments.clear()
            return
        for subscription, parts in client.increments.items():
            self._send_increments(client, subscription, parts)
        client.increments.clear()
        while due and queued_bytes <= SNAPSHOT_BYTES_QUEUED_MAX:
            subscription, view = next(iter(due))
            del due[subscription, view]
            size_bytes = self._send_snapshot(client, subscription, view)
            pacer.snapshot_sent(size_bytes, queued_bytes)
            queued_bytes += size_bytes
        if not due:
            del self._waiting[client]

    def _send_snapshot(self, client: _Client, subscription: Subscription, view: View) -> int:
        """Returns how many bytes it has."""
        entries = view.snapshot()
        body = client.encoding.snapshot(subscription.req_id, view, entries, self.feed.depth.time)
        client.session.send("W", body, client.routing.get(subscription, ""))
        self.entries_sent += len(entries)
        return len(body)

    def _send_increments(self, client: _Client, subscription: Subscription, parts: list[tuple[int, str]]) -> None:
        head, routing = f"262={subscription.req_id}{SOH}268=", client.routing.get(subscription, "")
        count = 0
        texts: list[str] = []
        for number, text in parts:
            if texts and count + number > ENTRIES_PER_MESSAGE_MAX:
                client.session.send("X", f"{head}{count}{SOH}{''.join(texts)}", routing)
                count, texts = 0, []
            count += number
            texts.append(text)
            self.entries_sent += number
        client.session.send("X", f"{head}{count}{SOH}{''.join(texts)}", routing)


def _request(fields: list[list[str]]) -> tuple[dict[str, str], Request]:
    """The fields that come once, and what is asked for; repeated fields keep their order."""
    first: dict[str, str] = {}
    kinds, symbols = [], []
    for tag, value in fields:
        if tag == "269":
            kinds.append(value)
        elif tag == "55":
            symbols.append(value)
        first.setdefault(tag, value)
    get = first.get
    request = Request(
        get("262", ""), get("263", ""), get("264", ""), get("265", ""), get("266", ""), tuple(kinds), tuple(symbols),
        get("546", ""), get("286", ""), get("547", ""),
    )  # fmt: skip
    return first, request


# ---------------------------------------------------------------------------------------------- encoding


class Encoding:
    """Entries as the text of one version of FIX. Fields stand in the order of that version's dictionary."""

    def __init__(self, dialect: Dialect, *, trade_ids: bool = False, update_time: bool = False, price_always: bool = False) -> None:
        """
        trade_ids      TradeID(1003) and AggressorSide(2446) exist
        update_time    W wants LastUpdateTime(779)
        price_always   W wants MDEntryPx(270) in each entry; 0 where there is no price
        """
        self.dialect = dialect
        self._trade_ids = trade_ids
        self._update_time = update_time
        self._price_always = price_always
        self._time_digits = dialect.time_digits
        self._price_texts: dict[tuple[int, int], str] = {}

    def snapshot(self, req_id: str, view: View, entries: list[Entry], at: int) -> str:
        """The body of a MarketDataSnapshotFullRefresh; a view in which there is nothing has the one entry J (empty book)."""
        book = view.book
        sequence = f"83={view.rpt_seq}{SOH}"
        if entries:
            texts = [self._entry(book, entry, f"269={entry.kind}{SOH}", True) + sequence for entry in entries]
        else:
            texts = [f"269=J{SOH}270=0{SOH}{sequence}" if self._price_always else f"269=J{SOH}{sequence}"]
        updated = f"779={utc_text(at, self._time_digits)}{SOH}" if self._update_time else ""
        return f"262={req_id}{SOH}55={book.instrument}{SOH}{updated}268={len(texts)}{SOH}{''.join(texts)}"

    def increment(self, view: View, first: int, entries: list[Entry]) -> str:
        """The entries of a MarketDataIncrementalRefresh, numbered from `first`."""
        book = view.book
        symbol = f"55={book.instrument}{SOH}"
        return "".join(
            [
                self._entry(book, entry, f"279={entry.action}{SOH}269={entry.kind}{SOH}", False, symbol) + f"83={number}{SOH}"
                for number, entry in enumerate(entries, first)
            ]
        )

    def _entry(self, book: Book, entry: Entry, head: str, snapshot: bool, symbol: str = "") -> str:
        """One entry without its RptSeq."""
        action, kind, price, quantity, order_id, orders, position, trade, condition = entry
        price_text = self._price_text(price, book.price_decimals + (VWAP_EXTRA_DECIMALS if kind == VWAP else 0))
        if trade is not None:
            return self._trade(book, entry, head, symbol)
        if kind in STATISTICS:
            if kind == VOLUME:
                zero = f"270=0{SOH}" if snapshot and self._price_always else ""
                size = "" if action == DELETE else f"271={decimal_text(quantity, book.quantity_decimals)}{SOH}"
                return f"{head}{symbol}{zero}{size}"
            return f"{head}{symbol}270={price_text}{SOH}"
        if kind in (CLEARING_PRICE, IMBALANCE) and action != DELETE:
            size = f"271={decimal_text(quantity, book.quantity_decimals)}{SOH}"
            said = f"{276 if kind == CLEARING_PRICE else 277}={condition}{SOH}" if condition else ""
            return f"{head}{symbol}270={price_text}{SOH}{size}{said}"
        size = "" if action == DELETE else f"271={decimal_text(quantity, book.quantity_decimals)}{SOH}"
        place = f"290={position}{SOH}" if position else ""
        if order_id:
            return f"{head}278={order_id}{SOH}{symbol}270={price_text}{SOH}{size}37={order_id}{SOH}{place}"
        count = f"346={orders}{SOH}" if orders else ""
        return f"{head}{symbol}270={price_text}{SOH}{size}{count}{place}"

    def _trade(self, book: Book, entry: Entry, head: str, symbol: str) -> str:
        trade = entry.trade
        assert trade is not None
        when = tail = ""
        if trade.time:
            stamp = utc_text(trade.time, self._time_digits)
            when = f"272={stamp[:8]}{SOH}273={stamp[9:]}{SOH}"
        if self._trade_ids:
            tail = f"1003={trade.number}{SOH}"
            if trade.taker_side:
                tail += f"2446={trade.taker_side}{SOH}"
        return (
            f"{head}278={trade.number}{SOH}{symbol}270={self._price_text(entry.price, book.price_decimals)}{SOH}"
            f"271={decimal_text(entry.quantity, book.quantity_decimals)}{SOH}{when}{tail}"
        )

    def _price_text(self, price: int, decimals: int) -> str:
        text = self._price_texts.get((price, decimals))
        if text is None:
            if len(self._price_texts) >= PRICE_TEXTS_MAX:
                self._price_texts.clear()
            text = self._price_texts[price, decimals] = decimal_text(price, decimals)
        return text


ENCODINGS = {
    "FIX.4.2": Encoding(DIALECTS["FIX.4.2"], price_always=True),
    "FIX.4.4": Encoding(DIALECTS["FIX.4.4"]),
    "FIXT.1.1": Encoding(DIALECTS["FIXT.1.1"], trade_ids=True, update_time=True),
}
