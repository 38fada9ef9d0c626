"""What a participant has: cash and holdings, total and reserved, in whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matching.messages import SelfTrade

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
    """Who trades: his open orders by number, and every ClOrdID that he used this trading day."""

    __slots__ = ("client_ids", "name", "open_orders")

    def __init__(self, name: str) -> None:
        self.name = name
        self.open_orders: dict[int, Order] = {}
        self.client_ids: dict[str, Order | None] = {}


class Account:
    """Cash and holdings of a participant. An order reserves what it may cost before it reaches a book, so
    neither `total` ever falls below what is reserved (less the short limit, for a holding)."""

    __slots__ = ("cash", "name", "participant", "positions", "self_trade", "self_trade_allowed", "short_max")

    def __init__(self, name: str, participant: Participant, short_max: int = 0, self_trade: SelfTrade = "cancel-resting") -> None:
        self.name = name
        self.participant = participant
        self.short_max = short_max
        self.self_trade: SelfTrade = self_trade
        self.self_trade_allowed = self_trade == "allow"
        self.cash: dict[str, Cash] = {}
        self.positions: dict[str, Position] = {}

    def cash_in(self, currency: str) -> Cash:
        cash = self.cash.get(currency)
        if cash is None:
            cash = self.cash[currency] = Cash()
        return cash

    def position_in(self, instrument: str) -> Position:
        position = self.positions.get(instrument)
        if position is None:
            position = self.positions[instrument] = Position()
        return position
