"""What a participant has: cash and holdings, total and reserved, in whole numbers. It decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from matching.messages import Access, DefineAccount, DefineParticipant

if TYPE_CHECKING:
    from matching.book import Order
    from matching.instruments import Instrument


class Position:
    """The holding of one instrument in one account, in quantity units. `total` is negative when short.

    `unsettled` is what of `total` is to be received (above 0) or delivered (below 0); `blocked` is what of `reserved` is
    held back because it has not been received; `margin` (money units) is what is reserved of the cash for what is short. The
    fees are those of the account's participant in this instrument; `fee_ppm_max` is what an order may be charged at the worst,
    which is what a buy reserves.
    """

    __slots__ = ("blocked", "fee_ppm_max", "maker_fee_ppm", "margin", "reserved", "taker_fee_ppm", "total", "unsettled")

    def __init__(self, maker_fee_ppm: int, taker_fee_ppm: int) -> None:
        self.total = 0
        self.reserved = 0
        self.unsettled = 0
        self.blocked = 0
        self.margin = 0
        self.set_fees(maker_fee_ppm, taker_fee_ppm)

    def set_fees(self, maker_fee_ppm: int, taker_fee_ppm: int) -> None:
        self.maker_fee_ppm = maker_fee_ppm
        self.taker_fee_ppm = taker_fee_ppm
        self.fee_ppm_max = max(maker_fee_ppm, taker_fee_ppm, 0)


class Cash:
    """The balance of one currency in one account, in money units. `unsettled` and `blocked` are as in Position; `margin` is what
    of `reserved` is held back for short positions."""

    __slots__ = ("blocked", "margin", "reserved", "total", "unsettled")

    def __init__(self) -> None:
        self.total = 0
        self.reserved = 0
        self.unsettled = 0
        self.blocked = 0
        self.margin = 0


class Participant:
    """Who trades: his terms, his open orders by number in the order of entry, every ClOrdID that he used this
    trading day, his quotes by account and instrument (bid, offer; they may have ended), and by number what has
    ended of his quotes today and had traded. `configured` is what the configuration said of him last.
    `blocked`: no orders are taken of him; `restricted`: that, or their number is limited. `fees` are his own, maker's and
    taker's in millionths, by instrument, under "" in those that are not named.
    """

    __slots__ = (
        "access", "blocked", "client_ids", "configured", "fees", "name", "open_orders", "quotes", "quotes_ended", "restricted",
        "terms", "value_max",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.open_orders: dict[int, Order] = {}
        self.client_ids: dict[str, Order | None] = {}
        self.quotes: dict[tuple[str, str], tuple[Order | None, Order | None]] = {}
        self.quotes_ended: dict[int, Order] = {}
        self.configured: DefineParticipant | None = None
        self.fees: dict[str, tuple[int, int]] = {}
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
    neither `total` ever falls below what orders reserve (less the short limit, for a holding) but by a buy-in. `configured` is what
    the configuration said of it last. `balances` has cash and position by instrument, once it has been traded. `held` are the
    assets that it does not deliver, "" is all; `called` the currencies in which it has a margin call. `instruments` are those
    of the market."""

    __slots__ = (
        "balances", "called", "cash", "configured", "held", "instruments", "name", "participant", "positions", "self_trade_allowed",
        "short_max", "terms",
    )  # fmt: skip

    def __init__(self, participant: Participant, terms: DefineAccount, instruments: dict[str, Instrument]) -> None:
        self.name = terms.account
        self.participant = participant
        self.instruments = instruments
        self.held: set[str] = set()
        self.called: set[str] = set()
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
            position = self.positions[instrument] = Position(*self.fees_in(instrument))
        return position

    def all_balances(self) -> Iterator[tuple[str, Cash | Position]]:
        """Its cash and its holdings, each with the name of the asset."""
        yield from self.cash.items()
        yield from self.positions.items()

    def fees_in(self, instrument: str) -> tuple[int, int]:
        """What its trades in an instrument pay as maker and as taker, in millionths: its participant's rate, or everybody's."""
        own = self.participant.fees
        terms = self.instruments[instrument].terms
        return own.get(instrument) or own.get("") or (terms.maker_fee_ppm, terms.taker_fee_ppm)

    def apply_fees(self, instrument: str) -> None:
        """Have its trades in an instrument pay what is said now."""
        position = self.positions.get(instrument)
        if position is not None:
            position.set_fees(*self.fees_in(instrument))

    def is_held(self, asset: str) -> bool:
        """Whether it delivers nothing of an asset."""
        return asset in self.held or "" in self.held
