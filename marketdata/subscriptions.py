"""Who follows which view by FIX, and what is refused; it never writes a message."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from marketdata.pacing import SNAPSHOT_ENTRIES_MAX, SNAPSHOT_ENTRIES_PER_SECOND, Pacer
from marketdata.viewing import Views
from marketdata.views import DEPTH_MAX, ENTRY_TYPES, View, ViewKey, view_key

SUBSCRIPTIONS_MAX = 1_000  # instruments over all requests of one subscriber, unless configured
MD_REQ_ID_LENGTH_MAX = 256

# SubscriptionRequestType(263)
SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE = "0", "1", "2"


class RejectReason(Enum):
    """MDReqRejReason(281). NONE: FIX has no code for it, the text has to do."""

    UNKNOWN_SYMBOL = "0"
    DUPLICATE_REQUEST = "1"
    BANDWIDTH = "2"
    REQUEST_TYPE = "4"
    DEPTH = "5"
    UPDATE_TYPE = "6"
    AGGREGATED_BOOK = "7"
    ENTRY_TYPE = "8"
    SCOPE = "A"
    OPEN_CLOSE = "B"
    IMPLICIT_DELETE = "C"
    NONE = ""


class Refusal(NamedTuple):
    reason: RejectReason
    text: str


class Request(NamedTuple):
    """A MarketDataRequest in the characters that it came with; what was not there is empty."""

    req_id: str
    request_type: str
    depth: str
    update_type: str
    aggregated: str
    entry_types: tuple[str, ...]
    symbols: tuple[str, ...]
    scope: str = ""
    open_close: str = ""
    implicit_delete: str = ""


class Subscription:
    """One accepted request. `incremental`: entries as they come; otherwise a snapshot whenever there are any."""

    __slots__ = ("__weakref__", "incremental", "req_id", "subscriber", "views")

    def __init__(self, subscriber: Subscriber, req_id: str, incremental: bool, views: list[View]) -> None:
        self.subscriber = subscriber
        self.req_id = req_id
        self.incremental = incremental
        self.views = views


class Subscriber:
    """One connected client: its subscriptions by MDReqID, and how it keeps up."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.views_held = 0
        self.pacer = Pacer()


class Subscriptions:
    """All subscriptions of a feed. `followed` has those of each view."""

    def __init__(self, views: Views, subscriptions_max: int = SUBSCRIPTIONS_MAX) -> None:
        self.views = views
        self.subscriptions_max = subscriptions_max
        self.followed: dict[ViewKey, list[Subscription]] = {}

    def request(self, subscriber: Subscriber, request: Request, now: float) -> Refusal | Subscription:
        """Answer a request: a Refusal; or the subscription, of which the client is due a snapshot of each view. It is
        not kept when only a snapshot was asked for; one that has just ended is due nothing. `now` is a monotonic
        clock in seconds."""
        req_id, request_type = request.req_id, request.request_type
        if request_type == UNSUBSCRIBE:
            if req_id not in subscriber.subscriptions:
                return Refusal(RejectReason.NONE, f"MDReqID(262) {_shown(req_id)} is no subscription of this session")
            return self.unsubscribe(subscriber, req_id)
        refusal = self._refusal(subscriber, request)
        if refusal is not None:
            return refusal
        asked = frozenset(request.entry_types)
        kinds = tuple(kind for kind in ENTRY_TYPES if kind in asked)
        by_order, levels = request.aggregated == "N", int(request.depth)
        keys = [view_key(symbol, by_order, levels, kinds) for symbol in dict.fromkeys(request.symbols)]
        keep = request_type == SUBSCRIBE
        if subscriber.views_held * keep + len(keys) > self.subscriptions_max:
            return Refusal(
                RejectReason.BANDWIDTH,
                f"{subscriber.views_held} instruments are subscribed to and {len(keys)} were asked for; "
                f"the most is {self.subscriptions_max}",
            )
        views = [self.views.find(key) for key in keys]
        size = sum(view.snapshot_size() for view in views)
        if size > SNAPSHOT_ENTRIES_MAX:
            return Refusal(
                RejectReason.BANDWIDTH,
                f"the snapshots asked for have {size} entries, and {SNAPSHOT_ENTRIES_MAX} is the most; "
                "ask for fewer prices, fewer instruments, or by price",
            )
        if not subscriber.pacer.may_have(size, now):
            return Refusal(
                RejectReason.BANDWIDTH,
                f"more than {SNAPSHOT_ENTRIES_PER_SECOND} entries of snapshots a second were asked for; ask again in a second",
            )
        if keep:
            views = [self.views.hold(key) for key in keys]
        subscription = Subscription(subscriber, req_id, request.update_type == "1", views)
        if keep:
            subscriber.subscriptions[req_id] = subscription
            subscriber.views_held += len(views)
            for key in keys:
                self.followed.setdefault(key, []).append(subscription)
        return subscription

    def unsubscribe(self, subscriber: Subscriber, req_id: str) -> Subscription:
        """End a subscription, and return what it was."""
        subscription = subscriber.subscriptions.pop(req_id)
        subscriber.views_held -= len(subscription.views)
        for view in subscription.views:
            followers = self.followed[view.key]
            followers.remove(subscription)
            if not followers:
                del self.followed[view.key]
            self.views.release(view.key)
        return subscription

    def drop(self, subscriber: Subscriber) -> None:
        """The client is gone: end all that it subscribed to."""
        for req_id in list(subscriber.subscriptions):
            self.unsubscribe(subscriber, req_id)

    def followers(self, view: View) -> list[Subscription]:
        """Who is to be told of what a view publishes."""
        return self.followed.get(view.key, [])

    def _refusal(self, subscriber: Subscriber, request: Request) -> Refusal | None:
        if request.request_type not in (SNAPSHOT, SUBSCRIBE):
            return Refusal(
                RejectReason.REQUEST_TYPE,
                f"SubscriptionRequestType(263) is {_shown(request.request_type)}; 0 is a snapshot, 1 subscribes, 2 unsubscribes",
            )
        if len(request.req_id) > MD_REQ_ID_LENGTH_MAX:
            return Refusal(RejectReason.NONE, f"MDReqID(262) is longer than {MD_REQ_ID_LENGTH_MAX} characters")
        if request.req_id in subscriber.subscriptions:
            return Refusal(RejectReason.DUPLICATE_REQUEST, f"MDReqID(262) {_shown(request.req_id)} is a subscription already")
        if not _is_depth(request.depth):
            return Refusal(
                RejectReason.DEPTH,
                f"MarketDepth(264) is {_shown(request.depth)}; 0 is the whole book, 1 its top, and the most is {DEPTH_MAX} prices",
            )
        if request.update_type not in ("0", "1") and (request.request_type == SUBSCRIBE or request.update_type):
            return Refusal(
                RejectReason.UPDATE_TYPE,
                f"MDUpdateType(265) is {_shown(request.update_type)}; 0 is full refresh, 1 is incremental, "
                "and a subscription says which",
            )
        if request.aggregated not in ("Y", "N", ""):
            return Refusal(
                RejectReason.AGGREGATED_BOOK, f"AggregatedBook(266) is {_shown(request.aggregated)}; Y is by price, N is by order"
            )
        if not request.entry_types:
            return Refusal(RejectReason.ENTRY_TYPE, "no MDEntryType(269) is asked for")
        for kind in request.entry_types:
            if kind not in ENTRY_TYPES:
                return Refusal(
                    RejectReason.ENTRY_TYPE, f"MDEntryType(269) {_shown(kind)} is not offered; these are: {' '.join(ENTRY_TYPES)}"
                )
        if not request.symbols:
            return Refusal(RejectReason.UNKNOWN_SYMBOL, "no Symbol(55) is asked for")
        for symbol in request.symbols:
            if symbol not in self.views.depth.books:
                return Refusal(RejectReason.UNKNOWN_SYMBOL, f"Symbol(55) {_shown(symbol)} is not traded here")
        if request.scope:
            return Refusal(RejectReason.SCOPE, "Scope(546) is not offered: there is one market")
        if request.open_close not in ("", "0"):
            return Refusal(RejectReason.OPEN_CLOSE, "OpenCloseSettlFlag(286) is offered only as 0, the day's prices")
        if request.implicit_delete not in ("", "N"):
            return Refusal(RejectReason.IMPLICIT_DELETE, "MDImplicitDelete(547) is not offered: every deletion is sent")
        return None


def _is_depth(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= DEPTH_MAX


def _shown(text: str) -> str:
    """Text of a client as an answer may carry it: short, and visibly empty when it is."""
    return repr(text if len(text) <= 32 else text[:32] + "...")
