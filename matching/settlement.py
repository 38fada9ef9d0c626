"""Settlement: its terms, and at the end of a settlement day delivery versus payment, fails and buy-ins. It changes no order."""

from __future__ import annotations

from matching.instruments import PPM
from matching.market import Market
from matching.messages import (
    BoughtIn,
    DeliveriesHeld,
    FailReason,
    HoldDeliveries,
    Reason,
    SetSettlement,
    Settled,
    SettlementFailed,
    SettlementSet,
)
from matching.netting import block_anew, net
from matching.obligations import Obligation

CYCLE_DAYS_MAX = 10
BUY_IN_DAYS_MAX = 1_000
# A settlement day looks at what is due so often, at most: what somebody received lets him deliver in the next pass.
PASSES_MAX = 10


def set_settlement(market: Market, command: SetSettlement) -> None:
    if not 0 <= command.cycle_days <= CYCLE_DAYS_MAX:
        return market.refuse(command, Reason.BAD_DEFINITION, f"the settlement cycle is 0 to {CYCLE_DAYS_MAX} days")
    if not 0 <= command.buy_in_days <= BUY_IN_DAYS_MAX:
        return market.refuse(command, Reason.BAD_DEFINITION, f"a buy-in is after 1 to {BUY_IN_DAYS_MAX} days, or never (0)")
    if not 0 <= command.buy_in_premium_ppm <= PPM:
        return market.refuse(command, Reason.BAD_DEFINITION, "the premium of a buy-in is 0 to 100 %")
    # A trade that is busted or corrected was made under the terms that are in force: they never change between trades of one day.
    at_once = not market.trading_day and not any(instrument.last for instrument in market.instruments.values())
    if at_once:
        market.use_settlement(command)
    market.settlement_waiting = None if at_once else command
    if not command.by:
        market.settlement_configured = command
    _say_set(market, command, at_once)
    return None


def _say_set(market: Market, terms: SetSettlement, in_force: bool) -> None:
    market.events.append(
        SettlementSet(
            market.next_seq(), terms.cycle_days, terms.spend_unsettled, terms.buy_in_days, terms.buy_in_premium_ppm, in_force,
            terms.by,
        )
    )  # fmt: skip


def hold_deliveries(market: Market, command: HoldDeliveries) -> None:
    account, asset = market.accounts.get(command.account), command.asset
    if account is None:
        return market.refuse(command, Reason.UNKNOWN_ACCOUNT, f"unknown account {command.account}")
    currencies = {instrument.currency for instrument in market.instruments.values()}
    if asset and asset not in market.instruments and asset not in currencies:
        return market.refuse(command, Reason.UNKNOWN_INSTRUMENT, f"unknown asset {asset}")
    if command.held:
        account.held.add(asset)
    else:
        account.held.discard(asset)
    market.events.append(
        DeliveriesHeld(market.next_seq(), account.name, asset, command.held, command.by, command.reference)
    )
    return None


def end_settlement_days(market: Market, count: int, trading_day: str) -> None:
    """End settlement days, which are those of `trading_day`; then terms that waited come into force."""
    for _ in range(count):
        net(market, trading_day)
        _settle_due(market)
        # A venue of before there was settlement has ended days that nobody counted: they are counted from the first terms on.
        if market.settlement_said is not None:
            market.settlement_day += 1
    waiting = market.settlement_waiting
    if waiting is not None:
        market.settlement_waiting = None
        market.use_settlement(waiting)
        _say_set(market, waiting, True)
    if count or waiting is not None:
        block_anew(market)


# ------------------------------------------------------------------------------------------ delivery versus payment


class _Moved:
    """What has moved of an obligation on a settlement day: signed as it is, the value as what was paid (below 0) or received."""

    __slots__ = ("money", "quantity", "value")

    def __init__(self) -> None:
        self.quantity = self.value = self.money = 0


def _settle_due(market: Market) -> None:
    due = [obligation for obligation in market.obligations.values() if obligation.due <= market.settlement_day]
    sets: dict[int, list[Obligation]] = {}
    for obligation in due:
        sets.setdefault(obligation.netting, []).append(obligation)
    moved: dict[int, _Moved] = {}
    for _ in range(PASSES_MAX):
        has_moved = False
        for members in sets.values():
            has_moved = _pay(members, moved) | _deliver(members, moved) | has_moved
        if not has_moved:
            break
    for obligation in due:
        part = moved.get(obligation.number)
        if part is not None:
            market.events.append(
                Settled(
                    market.next_seq(), obligation.number, obligation.name, obligation.instrument.symbol, part.quantity,
                    str(part.value), str(part.money), obligation.quantity, str(obligation.money),
                )
            )  # fmt: skip
    reasons = _fail(market, [obligation for obligation in due if not obligation.over])
    buy_in_days = market.settlement.buy_in_days
    if buy_in_days:
        for members in sets.values():
            _buy_in(market, [member for member in members if member.quantity and member.days >= buy_in_days], reasons)
    for obligation in due:
        if obligation.over:
            del market.obligations[obligation.number]


def _settled_cash(obligation: Obligation) -> int:
    """What an account can pay: its settled cash, where that is above 0 and not held."""
    account, currency = obligation.account, obligation.instrument.currency
    if account is None or account.is_held(currency):
        return 0
    cash = account.cash_in(currency)
    return max(cash.total - cash.unsettled, 0)


def _settled_holding(obligation: Obligation) -> int:
    """What an account can deliver: its settled holding, where that is above 0 and not held."""
    account, symbol = obligation.account, obligation.instrument.symbol
    if account is None or account.is_held(symbol):
        return 0
    position = account.position_in(symbol)
    return max(position.total - position.unsettled, 0)


def _settle(obligation: Obligation, moved: dict[int, _Moved], quantity: int, value: int, money: int) -> None:
    """Settle a part of an obligation, signed as it is: its account's totals stay, and less of them is unsettled."""
    part = moved.get(obligation.number)
    if part is None:
        part = moved[obligation.number] = _Moved()
    part.quantity += quantity
    part.value += value
    part.money += money
    obligation.quantity -= quantity
    obligation.money -= money
    if obligation.account is not None:
        cash, position = obligation.balances()
        position.unsettled -= quantity
        cash.unsettled -= value + money


def _pay(members: list[Obligation], moved: dict[int, _Moved]) -> bool:
    """Have who owes money pay what he can, and who is owed it receive that; whether anything moved."""
    paid = 0
    for obligation in members:
        if obligation.money < 0:
            owed = -obligation.money
            amount = owed if obligation.account is None else min(owed, _settled_cash(obligation))
            if amount:
                _settle(obligation, moved, 0, 0, -amount)
                paid += amount
    has_moved = paid > 0
    for obligation in members:
        if not paid:
            break
        if obligation.money > 0:
            amount = min(obligation.money, paid)
            _settle(obligation, moved, 0, 0, amount)
            paid -= amount
    assert not paid, "who netted together is owed what the others owe"
    return has_moved


def _deliver(members: list[Obligation], moved: dict[int, _Moved]) -> bool:
    """Have who can deliver do so to who can pay, at the price of the set; whether anything moved."""
    deliverers: list[tuple[Obligation, int]] = []
    takers: list[tuple[Obligation, int]] = []
    used: dict[str, int] = {}  # what an account has counts once, also where it has several obligations
    for obligation in members:
        quantity, multiple, name = obligation.quantity, obligation.multiple, obligation.name
        if quantity < 0:
            able = min(-quantity, (_settled_holding(obligation) - used.get(name, 0)) // multiple * multiple)
            used[name] = used.get(name, 0) + able
            deliverers.append((obligation, able))
        elif quantity > 0:
            able = min(quantity, (_settled_cash(obligation) - used.get(name, 0)) // obligation.value(multiple) * multiple)
            used[name] = used.get(name, 0) + obligation.value(able)
            takers.append((obligation, able))
    delivered = min(sum(able for _, able in deliverers), sum(able for _, able in takers))
    for side, sign in ((deliverers, -1), (takers, 1)):
        left = delivered
        for obligation, able in side:
            quantity = min(able, left)
            if quantity:
                _settle(obligation, moved, sign * quantity, -sign * obligation.value(quantity), 0)
                left -= quantity
    return delivered > 0


# ------------------------------------------------------------------------------------------------ fails and buy-ins


def _fail(market: Market, left: list[Obligation]) -> dict[int, FailReason]:
    """Say of what was due and is not settled why it is not; the reasons by number."""
    reasons = {}
    for obligation in left:
        obligation.days += 1
        reason = reasons[obligation.number] = _reason(obligation)
        market.events.append(
            SettlementFailed(
                market.next_seq(), obligation.number, obligation.name, obligation.instrument.symbol, obligation.quantity,
                str(obligation.money), obligation.days, reason,
            )
        )  # fmt: skip
    return reasons


def _reason(obligation: Obligation) -> FailReason:
    account, instrument, quantity, money = obligation.account, obligation.instrument, obligation.quantity, obligation.money
    if account is None:
        return FailReason.COUNTERPARTY
    if money < 0 or quantity > 0:
        if account.is_held(instrument.currency):
            return FailReason.HELD
        to_pay = -money if money < 0 else obligation.value(quantity)
        return FailReason.NO_CASH if _settled_cash(obligation) < to_pay else FailReason.COUNTERPARTY
    if quantity < 0:
        if account.is_held(instrument.symbol):
            return FailReason.HELD
        return FailReason.NO_SECURITIES if _settled_holding(obligation) < -quantity else FailReason.COUNTERPARTY
    return FailReason.COUNTERPARTY


def _buy_in(market: Market, failed: list[Obligation], reasons: dict[int, FailReason]) -> None:
    """Pair who was to deliver with who was to receive, and end what both have left for the money that it is worth now."""
    deliverers = [obligation for obligation in failed if obligation.quantity < 0]
    receivers = [obligation for obligation in failed if obligation.quantity > 0]
    while deliverers and receivers:
        deliverer, receiver = deliverers[0], receivers[0]
        instrument = deliverer.instrument
        quantity = min(-deliverer.quantity, receiver.quantity)
        price = instrument.last or instrument.reference_price
        worth, value = quantity * price * instrument.value_unit, deliverer.value(quantity)
        premium = worth * market.settlement.buy_in_premium_ppm // PPM
        by_cash = reasons[deliverer.number] == FailReason.COUNTERPARTY != reasons[receiver.number]
        money = worth - value - premium if by_cash else worth - value + premium
        payer = deliverer if money > 0 else receiver
        if _settled_cash(payer) < abs(money):
            (deliverers if payer is deliverer else receivers).pop(0)
            continue
        _call_off(deliverer, quantity, value, -money)
        _call_off(receiver, -quantity, -value, money)
        market.events.append(
            BoughtIn(
                market.next_seq(), deliverer.number, deliverer.name, receiver.number, receiver.name, instrument.symbol, quantity,
                price, str(value), str(money), "cash" if by_cash else "securities",
            )
        )  # fmt: skip
        market.buy_ins += 1
        if not deliverer.quantity:
            deliverers.pop(0)
        if not receiver.quantity:
            receivers.pop(0)


def _call_off(obligation: Obligation, quantity: int, value: int, money: int) -> None:
    """End a part of an obligation without a delivery: what the trades have put into the account's totals is taken back (`quantity`
    is what it gets back, `value` what it does not receive), and `money` moves at once."""
    cash, position = obligation.balances()
    obligation.quantity += quantity
    position.total += quantity
    position.unsettled += quantity
    cash.total += money - value
    cash.unsettled -= value
