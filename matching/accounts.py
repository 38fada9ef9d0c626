"""What a participant has: cash and holdings, total and reserved, in whole numbers. It decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matching.messages import Access, DefineAccount, DefineParticipant

if TYPE_CHECKING:
    from matching.book import Order


class Position:
    """The holding of one instrument in one account, in quantity units. `total` is negative when short."""

    __slots__ = ("reserved", "total")

    def __init__(self, total: int = 0, reserved: int = 0) -> None:
        self.total = total
        self.reserved = reserved


class Cash:
    """The balance of one currency in one account, in money units."""

    __slots__ = ("reserved", "total")

    def __init__(self, total: int = 0, reserved: int = 0) -> None:
        self.total = total
        self.reserved = reserved


class Participant:
    """Who trades: his terms, his open orders by number in the order of entry, every ClOrdID that he used this
    trading day, his quotes by account and instrument (bid, offer; they may have ended), and by number what has
    ended of his quotes today and had traded. `configured` is what the configuration said of him last.
    `blocked`: no orders are taken of him; `restricted`: that, or their number is limited.
    """

    __slots__ = (
        "access", "blocked", "client_ids", "configured", "name", "open_orders", "quotes", "quotes_ended", "restricted", "terms",
        "value_max",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.open_orders: dict[int, Order] = {}
        self.client_ids: dict[str, Order | None] = {}
        self.quotes: dict[tuple[str, str], tuple[Order | None, Order | None]] = {}
        self.quotes_ended: dict[int, Order] = {}
        self.configured: DefineParticipant | None = None
        self.terms = DefineParticipant(name)
        self.set_access("normal")
        self.set_terms(self.terms)

    def set_terms(self, terms: DefineParticipant) -> None:
        self.terms = terms
        self.value_max = int(terms.value_max)
        self._set_restricted()

    def set_access(self, access: Access) -> None:
        self.access: Access = access
        self.blocked = access != "normal"
        self._set_restricted()

    def _set_restricted(self) -> None:
        self.restricted = bool(self.blocked or self.terms.orders_per_day_max or self.terms.open_orders_max)

    def known_order(self, order_id: int) -> Order | None:
        """An order of his that is open or ended today. Costs a walk over the day's orders when it has ended."""
        order = self.open_orders.get(order_id) or self.quotes_ended.get(order_id)
        if order is None:
            return next((order for order in self.client_ids.values() if order and order.order_id == order_id), None)
        return order


class Account:
    """Cash and holdings of a participant. An order reserves what it may cost before it reaches a book, so
    neither `total` ever falls below what is reserved (less the short limit, for a holding). `configured` is what the
    configuration said of it last. `balances` has cash and position by instrument, once it has been traded."""

    __slots__ = ("balances", "cash", "configured", "name", "participant", "positions", "self_trade_allowed", "short_max", "terms")

    def __init__(self, participant: Participant, terms: DefineAccount) -> None:
        self.name = terms.account
        self.participant = participant
        self.configured: DefineAccount | None = None
        self.cash: dict[str, Cash] = {}
        self.positions: dict[str, Position] = {}
        self.balances: dict[str, tuple[Cash, Position]] = {}
        self.set_terms(terms)

    def set_terms(self, terms: DefineAccount) -> None:
        self.terms = terms
        self.short_max = terms.short_max
        self.self_trade_allowed = terms.self_trade == "allow"

    def cash_in(self, currency: str) -> Cash:
        cash = self.cash.get(currency)
        if cash is None:
            cash = self.cash[currency] = Cash()
        return cash

    def balances_in(self, instrument: str, currency: str) -> tuple[Cash, Position]:
        """What trades of an instrument, which is priced in `currency`, move."""
        both = self.balances[instrument] = self.cash_in(currency), self.position_in(instrument)
        return both

    def position_in(self, instrument: str) -> Position:
        position = self.positions.get(instrument)
        if position is None:
            position = self.positions[instrument] = Position()
        return position
