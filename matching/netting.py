"""What is not settled at once is counted, blocked where it may not be spent, and netted. It delivers nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from matching.accounts import Account, Cash, Position
from matching.instruments import Instrument
from matching.market import Market
from matching.messages import INT64_MAX, ObligationNetted
from matching.obligations import Obligation, Unnetted


class Change(NamedTuple):
    """What a trade, or what becomes of it, changes in an account: `cash` and `quantity` of its totals; `bought`, and `sold_for`
    less fees, of what it is to receive where the trade is not settled at once."""

    cash: int
    quantity: int
    bought: int
    sold_for: int

    def plus(self, other: Change) -> Change:
        return Change(
            self.cash + other.cash, self.quantity + other.quantity, self.bought + other.bought, self.sold_for + other.sold_for
        )


NO_CHANGE = Change(0, 0, 0, 0)


def owe(
    market: Market, instrument: Instrument, account: Account, quantity: int, money: int, bought: int, sold_for: int
) -> None:
    """Have what has changed in an account's totals be settled later: count it as unsettled, and block what may not be spent."""
    symbol = instrument.symbol
    cash, position = account.balances.get(symbol) or account.balances_in(symbol, instrument.currency)
    cash.unsettled += money
    position.unsettled += quantity
    unnetted = instrument.unnetted.get(account.name)
    if unnetted is None:
        unnetted = instrument.unnetted[account.name] = Unnetted()
    to_receive = max(unnetted.sold_for, 0)
    unnetted.quantity += quantity
    unnetted.money += money
    unnetted.bought += bought
    unnetted.sold_for += sold_for
    if not market.spend_unsettled:
        _block(position, bought)
        _block(cash, max(unnetted.sold_for, 0) - to_receive)


def _block(balance: Cash | Position, amount: int) -> None:
    balance.blocked += amount
    balance.reserved += amount


def move(market: Market, instrument: Instrument, account: Account, change: Change) -> None:
    """Change what an account has after the trade, by what has become of it."""
    account.cash_in(instrument.currency).total += change.cash
    account.position_in(instrument.symbol).total += change.quantity
    if market.settles_later:
        owe(market, instrument, account, change.quantity, change.cash, change.bought, change.sold_for)


def lacking(market: Market, instrument: Instrument, account: Account, change: Change) -> str:
    """The asset of which `change` would take more than an account has available, of a holding with its short limit; else empty."""
    cash, position = account.cash_in(instrument.currency), account.position_in(instrument.symbol)
    short = account.short_max * 10**instrument.terms.quantity_decimals
    cash_change, quantity_change = change.cash, change.quantity
    if market.settles_later and not market.spend_unsettled:
        unnetted = instrument.unnetted.get(account.name) or Unnetted()
        cash_change -= max(unnetted.sold_for + change.sold_for, 0) - max(unnetted.sold_for, 0)
        quantity_change -= change.bought
    if cash_change < 0 and cash.total - cash.reserved + cash_change < 0:
        return instrument.currency
    if quantity_change < 0 and position.total - position.reserved + short + quantity_change < 0:
        return instrument.symbol
    return ""


# ------------------------------------------------------------------------------------------------ what is to be received


def receivables(market: Market) -> Iterator[tuple[Cash | Position, int]]:
    """All that accounts are to receive, with the balance that it is for; one may come several times."""
    for instrument in market.instruments.values():
        for name, unnetted in instrument.unnetted.items():
            account = market.accounts[name]
            yield account.position_in(instrument.symbol), unnetted.bought
            yield account.cash_in(instrument.currency), max(unnetted.sold_for, 0)
    for obligation in market.obligations.values():
        if obligation.account is not None:
            cash, position = obligation.balances()
            yield position, max(obligation.quantity, 0)
            yield cash, max(obligation.cash, 0)


def to_receive(market: Market, balance: Cash | Position) -> int:
    """What is to be received into a balance. Costs a walk over all that is not settled."""
    return sum(amount for other, amount in receivables(market) if other is balance)


def block_anew(market: Market) -> None:
    """Block what may not be spent by the terms in force, and nothing else."""
    for account in market.accounts.values():
        for _, balance in account.all_balances():
            _block(balance, -balance.blocked)
    if not market.spend_unsettled:
        for balance, amount in receivables(market):
            _block(balance, amount)


# -------------------------------------------------------------------------------------------------------------- netting


def net(market: Market, trading_day: str) -> None:
    """Make obligations of all that was traded since the last netting and is not settled, one for each account and instrument."""
    due = market.settlement_day + market.settlement.cycle_days
    for _, instrument in sorted(market.instruments.items()):
        if not instrument.unnetted:
            continue
        price = instrument.last
        lines: list[tuple[Account | None, int, int]] = [(None, 0, fees_of(instrument))]
        for name, unnetted in sorted(instrument.unnetted.items()):
            account, quantity = market.accounts[name], unnetted.quantity
            money = unnetted.money + quantity * price * instrument.value_unit
            # What no record can hold is several obligations, the money with the first.
            while abs(quantity) > INT64_MAX:
                part = INT64_MAX if quantity > 0 else -INT64_MAX
                lines.append((account, part, money))
                quantity, money = quantity - part, 0
            lines.append((account, quantity, money))
        instrument.unnetted = {}
        netting = 0
        for owner, quantity, money in lines:
            if not quantity and not money:
                continue
            number = market.next_seq()
            netting = netting or number
            obligation = Obligation(number, netting, owner, instrument, quantity, price, money, due)
            market.obligations[number] = obligation
            market.events.append(
                ObligationNetted(number, obligation.name, instrument.symbol, quantity, price, str(money), trading_day, due)
            )


def fees_of(instrument: Instrument) -> int:
    """What the venue is to receive of the trades that are not netted, in money units: what accounts pay more than they receive."""
    return -sum(unnetted.money for unnetted in instrument.unnetted.values())
