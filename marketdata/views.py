"""What the subscribers of one view are sent, entry by entry and numbered; it never knows who they are.

A view is an instrument, by price or by order, so many prices deep, with these entry types. All of its
subscribers share it and its numbers: RptSeq counts its entries from 1 without a gap, and a snapshot says
the RptSeq that it stands at, so that the first entry after it is the next one. The numbers begin again
with a view that nobody held for a while, and with the process; a snapshot always comes first.

How a client rebuilds a book: the key of a bid or an offer is its price (by price) or its OrderID (by
order). Delete takes the key away, change gives it a new size, new adds it: by order, behind all others of
its price. Entries are to be applied in their order, and the book is whole at the end of a message. An
order that lost its place is deleted and new. Beyond the depth asked for nothing is said: what comes
into sight is new, what goes out of it is deleted.
"""

from __future__ import annotations

from typing import NamedTuple

from marketdata.depth import BID, CLEARING_PRICE, IMBALANCE, OFFER, STATISTICS, TRADE, VOLUME, Auction, Book, BookSide, Trade

DEPTH_MAX = 1_000  # prices; who wants more asks for the whole book
ENTRY_TYPES = (BID, OFFER, TRADE, *STATISTICS, IMBALANCE, CLEARING_PRICE)

NEW, CHANGE, DELETE = "0", "1", "2"  # MDUpdateAction(279)
INDICATIVE = "I"  # QuoteCondition(276): non-firm
MORE_BUYERS, MORE_SELLERS = "P", "Q"  # TradeCondition(277)


class Entry(NamedTuple):
    """One entry of a snapshot (`action` is NEW) or an increment, in the units of its instrument.

    order_id   by order: whose entry this is; otherwise 0
    orders     by price: how many there are at it; otherwise 0
    position   where the price or the order stands on its side, 1 first; 0 where it is not said
    trade      what traded, for the entry type trade
    condition  of an auction: INDICATIVE, MORE_BUYERS, MORE_SELLERS
    """

    action: str
    kind: str
    price: int
    quantity: int
    order_id: int = 0
    orders: int = 0
    position: int = 0
    trade: Trade | None = None
    condition: str = ""


class ViewKey(NamedTuple):
    """What makes a view. `depth` counts prices, 0 is all of them; `kinds` is in the order of ENTRY_TYPES."""

    instrument: str
    by_order: bool
    depth: int
    kinds: tuple[str, ...]


def view_key(instrument: str, by_order: bool, depth: int, kinds: tuple[str, ...]) -> ViewKey:
    """The key of what is asked for: without bids and offers it says nothing how they are to be shown."""
    if BID in kinds or OFFER in kinds:
        return ViewKey(instrument, by_order, depth, kinds)
    return ViewKey(instrument, False, 0, kinds)


class View:
    """One view of a book. Made between two records, and asked for the changes of each record after. `era` names its numbers."""

    def __init__(self, key: ViewKey, book: Book, era: str = "") -> None:
        self.key = key
        self.era = era
        self.book = book
        self.rpt_seq = 0
        self._sides = [book.bids] * (BID in key.kinds) + [book.offers] * (OFFER in key.kinds)
        self._shown = [side.prices(key.depth) if key.depth else [] for side in self._sides]
        self._statistics = [kind for kind in STATISTICS if kind in key.kinds]
        self._trades = TRADE in key.kinds
        self._auction = [kind for kind in (IMBALANCE, CLEARING_PRICE) if kind in key.kinds]

    def snapshot(self) -> list[Entry]:
        """The view as it stands at `rpt_seq`. Of the trades it shows the last."""
        entries = []
        for side in self._sides:
            prices = side.prices(self.key.depth)
            if self.key.by_order:
                orders = [order for price in prices for order in side.levels[price].orders.values()]
                entries += [
                    Entry(NEW, side.kind, order.price, order.quantity, order.order_id, 0, position)
                    for position, order in enumerate(orders, 1)
                ]
            else:
                levels = side.levels
                entries += [
                    Entry(NEW, side.kind, price, levels[price].quantity, 0, len(levels[price].orders), position)
                    for position, price in enumerate(prices, 1)
                ]
        if self._trades and self.book.last is not None:
            entries.append(_trade_entry(NEW, self.book.last))
        if self._statistics:
            now = self.book.statistics()
            entries += [_statistic(NEW, kind, now[kind]) for kind in self._statistics if kind in now]
        entries += [entry for kind in self._auction if (entry := _auction_entry(NEW, kind, self.book.auction))]
        return entries

    def snapshot_size(self) -> int:
        """At most how many entries snapshot() has, found without making it."""
        size = 1 + len(self._statistics) + len(self._auction)
        for side in self._sides:
            if not self.key.by_order:
                size += min(len(side.levels), self.key.depth or len(side.levels))
            elif self.key.depth:
                size += sum(len(side.levels[price].orders) for price in side.prices(self.key.depth))
            else:
                size += sum(len(level.orders) for level in side.levels.values())
        return size

    def changes(self) -> list[Entry]:
        """What the record just applied changed in this view. Counts the entries into `rpt_seq`: ask once a record."""
        entries: list[Entry] = []
        if self._trades:
            book = self.book
            entries += [_trade_entry(NEW, trade) for trade in book.trades]
            if book.corrected or book.busted:
                entries += [_trade_entry(CHANGE, trade) for trade in book.corrected]
                entries += [_trade_entry(DELETE, trade) for trade in book.busted]
        for number, side in enumerate(self._sides):
            if not side.touched:
                continue
            depth = self.key.depth
            before = after = self._shown[number]
            if depth and not self._is_out_of_sight(side, before):
                after = self._shown[number] = side.prices(depth)
            elif depth:
                continue
            if self.key.by_order:
                entries += _order_changes(side, before, after, depth)
            else:
                entries += _price_changes(side, before, after, depth)
        if self._statistics and self.book.statistics_before is not None:
            entries += self._statistic_changes(self.book.statistics_before)
        if self._auction and self.book.auction_before is not None:
            entries += self._auction_changes(self.book.auction_before[0])
        self.rpt_seq += len(entries)
        return entries

    def _is_out_of_sight(self, side: BookSide, shown: list[int]) -> bool:
        """Whether all that the record touched is worse than the worst price shown, and no place is free."""
        if len(shown) < self.key.depth:
            return False
        worst = shown[-1]
        return all(side.is_beyond(price, worst) for price in side.touched)

    def _statistic_changes(self, before: dict[str, int]) -> list[Entry]:
        entries, now = [], self.book.statistics()
        for kind in self._statistics:
            old, new = before.get(kind), now.get(kind)
            if old == new:
                continue
            if new is None:
                assert old is not None
                entries.append(_statistic(DELETE, kind, old))
            else:
                entries.append(_statistic(NEW if old is None else CHANGE, kind, new))
        return entries

    def _auction_changes(self, before: Auction | None) -> list[Entry]:
        entries = []
        for kind in self._auction:
            old, new = _auction_entry(DELETE, kind, before), _auction_entry(NEW, kind, self.book.auction)
            if new is None:
                if old is not None:
                    entries.append(old)
            elif old is None:
                entries.append(new)
            elif old[2:] != new[2:]:
                entries.append(new._replace(action=CHANGE))
        return entries


def _price_changes(side: BookSide, before: list[int], after: list[int], depth: int) -> list[Entry]:
    """Deletions, then changes, then what is new, in the order of price. Positions are those after the record."""
    kind, levels, touched = side.kind, side.levels, side.touched
    deleted, changed, new = [], [], []
    if depth == 0:
        for price, (old_quantity, old_orders) in touched.items():
            level = levels.get(price)
            if level is None:
                if old_orders:
                    deleted.append(Entry(DELETE, kind, price, old_quantity))
                continue
            orders = len(level.orders)
            if not old_orders:
                new.append(Entry(NEW, kind, price, level.quantity, 0, orders, side.position(price)))
            elif old_quantity != level.quantity or old_orders != orders:
                changed.append(Entry(CHANGE, kind, price, level.quantity, 0, orders, side.position(price)))
        return deleted + changed + new
    was = frozenset(before)
    if before is not after and before != after:
        still = frozenset(after)
        for price in before:
            if price not in still:
                quantity = touched[price][0] if price in touched else levels[price].quantity
                deleted.append(Entry(DELETE, kind, price, quantity))
    for position, price in enumerate(after, 1):
        level = levels[price]
        orders = len(level.orders)
        if price not in was:
            new.append(Entry(NEW, kind, price, level.quantity, 0, orders, position))
        elif price in touched and touched[price] != (level.quantity, orders):
            changed.append(Entry(CHANGE, kind, price, level.quantity, 0, orders, position))
    return deleted + changed + new


def _order_changes(side: BookSide, before: list[int], after: list[int], depth: int) -> list[Entry]:
    """Deletions, then changes, then what is new, those of one price in the order of their queue."""
    kind, levels, queued = side.kind, side.levels, side.queued
    was, still = frozenset(before), frozenset(after)
    deleted, changed, new = [], [], []
    for order_id, old in side.before.items():
        if old is None or (depth and old.price not in was):
            continue  # it was not shown
        level = levels.get(old.price)
        order = level.orders.get(order_id) if level is not None else None
        if order is None or order_id in queued:
            deleted.append(Entry(DELETE, kind, old.price, old.quantity, order_id))
        elif depth and old.price not in still:
            continue  # below, with the rest of its price
        elif order.quantity != old.quantity:
            changed.append(Entry(CHANGE, kind, order.price, order.quantity, order_id))
    if before is not after and before != after:
        for price in before:
            if price not in still and price in levels:
                deleted += [
                    Entry(DELETE, kind, price, order.quantity, order.order_id)
                    for order in levels[price].orders.values()
                    if order.order_id not in queued
                ]
        for price in after:
            if price not in was:
                new += [Entry(NEW, kind, price, order.quantity, order.order_id) for order in levels[price].orders.values()]
    new += [
        Entry(NEW, kind, order.price, order.quantity, order_id)
        for order_id, order in queued.items()
        if not depth or (order.price in was and order.price in still)
    ]
    return deleted + changed + new


def _trade_entry(action: str, trade: Trade) -> Entry:
    return Entry(action, TRADE, trade.price, trade.quantity, trade=trade)


def _auction_entry(action: str, kind: str, auction: Auction | None) -> Entry | None:
    """The clearing price with its volume, or the imbalance at it; None where there is none."""
    if auction is None:
        return None
    price, volume, surplus, final = auction
    if kind == CLEARING_PRICE:
        return Entry(action, kind, price, volume, condition="" if final else INDICATIVE)
    if not surplus:
        return None
    return Entry(action, kind, price, abs(surplus), condition=MORE_BUYERS if surplus > 0 else MORE_SELLERS)


def _statistic(action: str, kind: str, value: int) -> Entry:
    return Entry(action, kind, 0, value) if kind == VOLUME else Entry(action, kind, value, 0)
