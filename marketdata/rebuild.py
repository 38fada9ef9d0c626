"""The client's side of the feed: books from snapshots (W) and increments (X) alone; it never asks for anything.

    builder = BookBuilder(by_order=False)
    builder.take(text)                       # a whole FIX message, or its body
    builder.books["AAPL"].bids()             # [(price, size, number of orders), ...], best first

One builder for one subscription. RptSeq is checked: what does not follow raises Gap.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

SOH = "\x01"
ENTRY_FIRST = {"W": "269", "X": "279"}


class Gap(Exception):
    """An entry's RptSeq(83) is not the next one: something was missed, and a snapshot is due."""


class PriceLevel(NamedTuple):
    price: Decimal
    size: Decimal
    orders: int


class OpenOrder(NamedTuple):
    price: Decimal
    size: Decimal
    order_id: str


class AuctionEntry(NamedTuple):
    """The clearing price (Q) with its volume, "I" while it is indicative; or the imbalance (A): "P" more buyers, "Q" sellers."""

    price: Decimal
    size: Decimal
    condition: str


class RebuiltBook:
    """One instrument as the feed told it. `rpt_seq` is the last entry taken."""

    def __init__(self, by_order: bool) -> None:
        self.rpt_seq = 0
        self.snapshots = 0
        self.trades: list[tuple[str, Decimal, Decimal]] = []  # MDEntryID, price, size
        self.auction: dict[str, AuctionEntry] = {}
        self.statistics: dict[str, Decimal] = {}
        self._by_order = by_order
        self._sides: dict[str, dict[str | Decimal, tuple[Decimal, Decimal, int]]] = {"0": {}, "1": {}}

    def bids(self) -> list[PriceLevel] | list[OpenOrder]:
        return self._side("0")

    def offers(self) -> list[PriceLevel] | list[OpenOrder]:
        return self._side("1")

    def _side(self, kind: str) -> list[PriceLevel] | list[OpenOrder]:
        # sorted() is stable, so orders of one price stay in the order in which they came
        found = sorted(self._sides[kind].items(), key=lambda item: item[1][0], reverse=False)
        if kind == "0":
            found = sorted(self._sides[kind].items(), key=lambda item: -item[1][0])
        if self._by_order:
            return [OpenOrder(price, size, str(key)) for key, (price, size, _) in found]
        return [PriceLevel(price, size, orders) for _, (price, size, orders) in found]

    def begin(self) -> None:
        """A snapshot comes: forget the book. Trades are history and stay."""
        self.snapshots += 1
        self.statistics.clear()
        self.auction.clear()
        for side in self._sides.values():
            side.clear()

    def take(self, entry: dict[str, str], snapshot: bool) -> None:
        number = int(entry["83"])
        if snapshot:
            self.rpt_seq = number
        elif number != self.rpt_seq + 1:
            raise Gap(f"RptSeq {number} came after {self.rpt_seq}")
        else:
            self.rpt_seq = number
        kind, action = entry["269"], entry.get("279", "0")
        if kind in self._sides:
            self._take_order(self._sides[kind], entry, action)
        elif kind == "2":
            if not snapshot:
                self._take_trade(entry, action)
        elif kind in ("A", "Q"):
            self._take_auction(kind, entry, action)
        elif kind != "J":
            if action == "2":
                del self.statistics[kind]
            else:
                assert (action == "1") == (kind in self.statistics), f"action {action} for {kind}"
                self.statistics[kind] = Decimal(entry["271" if kind == "B" else "270"])

    def _take_trade(self, entry: dict[str, str], action: str) -> None:
        """A trade, or the correction of one, or its end; nothing is done about a trade of before the first snapshot."""
        number = entry["278"]
        if action == "0":
            self.trades.append((number, Decimal(entry["270"]), Decimal(entry["271"])))
            return
        at = next((at for at, trade in enumerate(self.trades) if trade[0] == number), None)
        if at is not None:
            self.trades[at : at + 1] = [] if action == "2" else [(number, Decimal(entry["270"]), Decimal(entry["271"]))]

    def _take_auction(self, kind: str, entry: dict[str, str], action: str) -> None:
        if action == "2":
            del self.auction[kind]
            return
        assert (action == "1") == (kind in self.auction), f"action {action} for {kind}"
        condition = entry.get("276" if kind == "Q" else "277", "")
        self.auction[kind] = AuctionEntry(Decimal(entry["270"]), Decimal(entry["271"]), condition)

    def _take_order(self, side: dict[str | Decimal, tuple[Decimal, Decimal, int]], entry: dict[str, str], action: str) -> None:
        price = Decimal(entry["270"])
        key: str | Decimal = entry["37"] if self._by_order else price
        if action == "2":
            del side[key]
            return
        assert (action == "1") == (key in side), f"action {action} for {key}"
        side[key] = (price, Decimal(entry["271"]), int(entry.get("346", "0")))


class BookBuilder:
    """Every instrument of one subscription. `messages` counts what was taken."""

    def __init__(self, by_order: bool) -> None:
        self.by_order = by_order
        self.books: dict[str, RebuiltBook] = {}
        self.messages = 0

    def take(self, text: str, msg_type: str = "") -> None:
        """Take a message. `msg_type` is for a body without a header. Messages of other types are ignored."""
        fields = [(tag, value) for tag, _, value in (field.partition("=") for field in text.split(SOH) if field)]
        msg_type = msg_type or dict(fields[:3]).get("35", "")
        first = ENTRY_FIRST.get(msg_type)
        if first is None:
            return
        self.messages += 1
        head, entries = _split(fields, first)
        if msg_type == "W":
            book = self.books.setdefault(head["55"], RebuiltBook(self.by_order))
            book.begin()
            for entry in entries:
                book.take(entry, snapshot=True)
        else:
            for entry in entries:
                self.books[entry["55"]].take(entry, snapshot=False)


def _split(fields: list[tuple[str, str]], first: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """What stands before the group, and its entries; as many as NoMDEntries(268) says."""
    head: dict[str, str] = {}
    entries: list[dict[str, str]] = []
    for tag, value in fields:
        if tag == first:
            entries.append({})
        (entries[-1] if entries else head)[tag] = value
    assert int(head["268"]) == len(entries), f"NoMDEntries(268) is {head['268']}, there are {len(entries)}"
    return head, entries
