"""What the second engine knows of clearing: what is unsettled, held, blocked, and how it is netted, settled, bought in.

It keeps two lists, of what was dealt since the last netting and of obligations, and adds all of them up for every
question. The rules are those of docs/clearing-rules.md, whose words the comments use. Quantities that no record can hold, which
that page divides or caps, are not expected here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from matching.messages import (
    BoughtIn,
    FailReason,
    ObligationNetted,
    SetSettlement,
    Settled,
    SettlementFailed,
)

if TYPE_CHECKING:
    from tests.matching.naive_market import NaiveMarket, Paper

PASSES_MAX = 10
VENUE = ""  # the account of the fees


@dataclass
class Dealt:
    """What one trade, or what takes one back, put into an account and is not settled at once; what is received is above 0."""

    account: str
    instrument: str
    currency: str
    quantity: int
    cash: int
    fee: int
    bought: int
    sold_for: int


@dataclass(eq=False)
class Obligation:
    """What is left of an obligation. Those with the same `set` were netted together."""

    number: int
    set: int
    account: str
    paper: Paper
    quantity: int
    price: int
    money: int
    due: int
    multiple: int = 1
    days: int = 0
    reason: FailReason | None = None

    @property
    def worth(self) -> int:
        """What is paid for the quantity, in money: above 0 where it is received."""
        return self.paper.money(self.price, self.quantity // self.multiple)

    @property
    def over(self) -> bool:
        return self.quantity == self.money == 0


@dataclass
class Moved:
    """What moved of an obligation in all passes."""

    quantity: int = 0
    value: int = 0
    money: int = 0


@dataclass
class NaiveClearing:
    terms: SetSettlement = field(default_factory=lambda: SetSettlement(0))
    waiting: SetSettlement | None = None
    said: bool = False  # whether terms are in force that SetSettlement has said
    days: int = 0  # settlement days that have ended since
    dealt: list[Dealt] = field(default_factory=list)
    obligations: list[Obligation] = field(default_factory=list)
    held: set[tuple[str, str]] = field(default_factory=set)
    fees: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # (participant, instrument or "")
    rates: dict[str, tuple[int, int]] = field(default_factory=dict)  # of an instrument: initial and maintenance margin
    margins: dict[tuple[str, str], int] = field(default_factory=dict)  # (account, currency), at the end of the last command
    called: set[tuple[str, str]] = field(default_factory=set)

    # ------------------------------------------------------------------------------------- what an account has

    def unsettled(self, account: str, asset: str) -> int:
        """What an account is to receive of an asset, less what it is to deliver."""
        found = 0
        for dealt in self.dealt:
            if dealt.account == account:
                found += dealt.quantity if asset == dealt.instrument else dealt.cash if asset == dealt.currency else 0
        for one in self.obligations:
            if one.account == account:
                terms = one.paper.terms
                found += one.quantity if asset == terms.instrument else 0
                found += one.money - one.worth if asset == terms.currency else 0
        return found

    def receivable(self, account: str, asset: str) -> int:
        """What would be blocked."""
        mine = [dealt for dealt in self.dealt if dealt.account == account]
        found = sum(dealt.bought for dealt in mine if dealt.instrument == asset)
        for symbol in {dealt.instrument for dealt in mine if dealt.currency == asset}:
            found += max(sum(dealt.sold_for for dealt in mine if dealt.instrument == symbol), 0)
        for one in self.obligations:
            if one.account == account:
                terms = one.paper.terms
                found += max(one.quantity, 0) if asset == terms.instrument else 0
                found += max(one.money - one.worth, 0) if asset == terms.currency else 0
        return found

    def blocked(self, account: str, asset: str) -> int:
        return 0 if self.terms.spend_unsettled else self.receivable(account, asset)

    def is_held(self, account: str, asset: str) -> bool:
        return (account, asset) in self.held or (account, "") in self.held

    def in_settlement(self, symbol: str) -> bool:
        """Whether anything of an instrument is unsettled, be it to and fro."""
        return any(dealt.instrument == symbol for dealt in self.dealt) or any(
            one.paper.terms.instrument == symbol and one.quantity for one in self.obligations
        )

    # --------------------------------------------------------------------------------------------- netting

    def net(self, market: NaiveMarket, trading_day: str) -> None:
        """All that was dealt since the last netting becomes obligations."""
        for symbol in sorted({dealt.instrument for dealt in self.dealt}):
            dealt = [one for one in self.dealt if one.instrument == symbol]
            paper = market.papers[symbol]
            price, due = paper.last, self.days + self.terms.cycle_days
            first = market.seq + 1
            nets = [(VENUE, 0, sum(one.fee for one in dealt))]
            for account in sorted({one.account for one in dealt}):
                quantity = sum(one.quantity for one in dealt if one.account == account)
                cash = sum(one.cash for one in dealt if one.account == account)
                nets.append((account, quantity, cash + paper.money(price, quantity)))
            for account, quantity, money in nets:
                if quantity or money:
                    market.say(ObligationNetted, account, symbol, quantity, price, str(money), trading_day, due)
                    self.obligations.append(Obligation(market.seq, first, account, paper, quantity, price, money, due))
        self.dealt = []

    # -------------------------------------------------------------------------------------- settlement of what is due

    def due(self) -> list[list[Obligation]]:
        """The obligations that are due, set by set."""
        due = [one for one in self.obligations if one.due <= self.days]
        return [[one for one in due if one.set == number] for number in sorted({one.set for one in due})]

    def settled(self, market: NaiveMarket, account: str, asset: str) -> int:
        return market.total(account, asset) - self.unsettled(account, asset)

    def deliverable(self, market: NaiveMarket, account: str, asset: str) -> int:
        """What an account can pay or deliver."""
        return 0 if self.is_held(account, asset) else max(self.settled(market, account, asset), 0)

    def settle(self, market: NaiveMarket) -> None:
        sets = self.due()
        moved = {one.number: Moved() for members in sets for one in members}
        for _ in range(PASSES_MAX):
            before = [(one.quantity, one.money) for members in sets for one in members]
            for members in sets:
                self.pay(market, members, moved)
                self.deliver(market, members, moved)
            if before == [(one.quantity, one.money) for members in sets for one in members]:
                break
        every = [one for members in sets for one in members]
        for one in every:
            what = moved[one.number]
            if what != Moved():
                market.say(
                    Settled, one.number, one.account, one.paper.terms.instrument, what.quantity, str(what.value),
                    str(what.money), one.quantity, str(one.money),
                )  # fmt: skip
        self.forget()
        for one in every:
            if not one.over:
                one.days += 1
                one.reason = self.why(market, one)
                market.say(
                    SettlementFailed, one.number, one.account, one.paper.terms.instrument, one.quantity, str(one.money),
                    one.days, one.reason,
                )  # fmt: skip

    def pay(self, market: NaiveMarket, members: list[Obligation], moved: dict[int, Moved]) -> None:
        paid = 0
        for one in members:
            if one.money < 0:
                amount = -one.money
                if one.account != VENUE:
                    amount = min(amount, self.deliverable(market, one.account, one.paper.terms.currency))
                one.money += amount
                moved[one.number].money -= amount
                paid += amount
        for one in members:
            if one.money > 0:
                amount = min(one.money, paid)
                one.money -= amount
                moved[one.number].money += amount
                paid -= amount
        assert paid == 0, "what is paid is owed"

    def deliver(self, market: NaiveMarket, members: list[Obligation], moved: dict[int, Moved]) -> None:
        givers: list[tuple[Obligation, int]] = []
        takers: list[tuple[Obligation, int]] = []
        for one in members:
            terms = one.paper.terms
            if one.quantity < 0:
                can = min(-one.quantity, self.deliverable(market, one.account, terms.instrument))
                givers.append((one, can // one.multiple * one.multiple))
            if one.quantity > 0:
                cash = self.deliverable(market, one.account, terms.currency)
                takers.append((one, min(one.quantity, cash // one.paper.money(one.price, 1) * one.multiple)))
        quantity = min(sum(can for _, can in givers), sum(can for _, can in takers))
        for side, sign in ((givers, -1), (takers, 1)):
            left = quantity
            for one, can in side:
                part = min(can, left)
                value = one.paper.money(one.price, part // one.multiple)
                one.quantity -= sign * part
                moved[one.number].quantity += sign * part
                moved[one.number].value -= sign * value
                left -= part

    def forget(self) -> None:
        """An obligation of which nothing is left is over."""
        self.obligations = [one for one in self.obligations if not one.over]

    def why(self, market: NaiveMarket, one: Obligation) -> FailReason:
        """Why there is something left of an obligation that is due."""
        terms = one.paper.terms
        if one.money < 0 or one.quantity > 0:
            if self.is_held(one.account, terms.currency):
                return FailReason.HELD
            needed = -one.money if one.money < 0 else one.worth
            if self.settled(market, one.account, terms.currency) < needed:
                return FailReason.NO_CASH
        elif one.quantity < 0:
            if self.is_held(one.account, terms.instrument):
                return FailReason.HELD
            if self.settled(market, one.account, terms.instrument) < -one.quantity:
                return FailReason.NO_SECURITIES
        return FailReason.COUNTERPARTY

    # -------------------------------------------------------------------------------------------------- buy-ins

    def buy_in(self, market: NaiveMarket) -> None:
        if not self.terms.buy_in_days:
            return
        for members in self.due():
            late = [one for one in members if one.days >= self.terms.buy_in_days]
            givers = [one for one in late if one.quantity < 0]
            takers = [one for one in late if one.quantity > 0]
            while givers and takers:
                passed_over = self.pair(market, givers[0], takers[0])
                givers = [one for one in givers if one.quantity and one is not passed_over]
                takers = [one for one in takers if one.quantity and one is not passed_over]
        self.forget()

    def pair(self, market: NaiveMarket, giver: Obligation, taker: Obligation) -> Obligation | None:
        """Buy in what both have left, or say who cannot pay for it."""
        paper, quantity = giver.paper, min(-giver.quantity, taker.quantity)
        currency, symbol = paper.terms.currency, paper.terms.instrument
        price = paper.around
        value = paper.money(giver.price, quantity // giver.multiple)
        worth = paper.money(price, quantity)
        premium = worth * self.terms.buy_in_premium_ppm // 10**6
        cash = giver.reason == FailReason.COUNTERPARTY != taker.reason
        money = worth - value + (-premium if cash else premium)
        payer = giver if money > 0 else taker
        if money and abs(money) > self.deliverable(market, payer.account, currency):
            return payer
        market.say(
            BoughtIn, giver.number, giver.account, taker.number, taker.account, symbol, quantity, price, str(value), str(money),
            "cash" if cash else "securities",
        )  # fmt: skip
        giver.quantity += quantity
        taker.quantity -= quantity
        for account, sign in ((giver.account, 1), (taker.account, -1)):
            market.move(account, symbol, sign * quantity)
            market.move(account, currency, -sign * (value + money))
        return None
