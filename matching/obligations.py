"""What accounts and the clearing house owe each other: trades that are not netted yet, and obligations. It settles nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matching.accounts import Account, Cash, Position
    from matching.instruments import Instrument


class Unnetted:
    """What an account has traded of an instrument since the last netting and is not settled: `quantity` received less
    delivered (quantity units), `money` received less paid, fees included (money units). `bought`, and `sold_for` less the fees
    on that, are of one side alone: what there is to receive."""

    __slots__ = ("bought", "money", "quantity", "sold_for")

    def __init__(self, quantity: int = 0, money: int = 0, bought: int = 0, sold_for: int = 0) -> None:
        self.quantity = quantity
        self.money = money
        self.bought = bought
        self.sold_for = sold_for


class Obligation:
    """What is left of what an account is to deliver (below 0) or to receive of an instrument at a price, and of the `money` that
    it is to pay (below 0) or to receive beside it. Of the venue's fees the account is None.

    `price` is that of `multiple` units; `quantity` is a whole number of multiples. Those that were netted together have one
    `netting`, the number of the first of them. `due` counts settlement days, `days` those on which it failed.
    """

    __slots__ = ("account", "days", "due", "instrument", "money", "multiple", "netting", "number", "price", "quantity")

    def __init__(
        self,
        number: int,
        netting: int,
        account: Account | None,
        instrument: Instrument,
        quantity: int,
        price: int,
        money: int,
        due: int,
    ) -> None:
        self.number = number
        self.netting = netting
        self.account = account
        self.instrument = instrument
        self.quantity = quantity
        self.price = price
        self.money = money
        self.due = due
        self.multiple = 1
        self.days = 0

    @property
    def name(self) -> str:
        """The account as events have it: empty for the venue's fees."""
        return self.account.name if self.account is not None else ""

    def balances(self) -> tuple[Cash, Position]:
        """What settling it moves; not of the venue's fees."""
        assert self.account is not None, "the venue has no balances here"
        return self.account.cash_in(self.instrument.currency), self.account.position_in(self.instrument.symbol)

    def value(self, quantity: int) -> int:
        """What a quantity of it costs, in money units."""
        return quantity // self.multiple * self.price * self.instrument.value_unit

    @property
    def cash(self) -> int:
        """The money that it comes to in all: to receive, or to pay (below 0)."""
        return self.money - self.value(self.quantity)

    @property
    def over(self) -> bool:
        return not self.quantity and not self.money
