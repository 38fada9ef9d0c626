"""What is blocked of accounts, as docs/clearing-rules.md has it: bought or sold for, and not there yet; it knows nobody's balance.

All of it is a function of the event log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from matching.messages import (
    BUY,
    MONEY_DECIMALS,
    BoughtIn,
    Event,
    InstrumentDefined,
    InstrumentSplit,
    ObligationNetted,
    ObligationSplit,
    Settled,
    SettlementFailed,
    SettlementSet,
    Side,
    TradeAllocated,
    TradeBusted,
    TradeCorrected,
    Traded,
)


class Obligation:
    """What is left of one: to receive is above 0. `price` is that of `multiple` units."""

    __slots__ = ("account", "instrument", "money", "multiple", "price", "quantity")

    def __init__(self, account: str, instrument: str, quantity: int, price: int, money: int, multiple: int = 1) -> None:
        self.account = account
        self.instrument = instrument
        self.quantity = quantity
        self.price = price
        self.money = money
        self.multiple = multiple


class Received:
    """What an account has bought of an instrument since the last netting (quantity units), and sold for less the fees (money
    units): nothing of it is there."""

    __slots__ = ("bought", "sold_for")

    def __init__(self, bought: int = 0, sold_for: int = 0) -> None:
        self.bought = bought
        self.sold_for = sold_for


class Blocked:
    """Of all accounts."""

    def __init__(self) -> None:
        self._units: dict[str, int] = {}  # the money in one price unit times one quantity unit, by instrument
        self._currencies: dict[str, str] = {}
        self._later = False  # trades are settled later than at once
        self._spends = True  # and what comes from them may be spent before
        self._received: dict[str, dict[str, Received]] = {}  # by instrument, then account
        self._obligations: dict[int, Obligation] = {}
        self._of: dict[str, dict[int, Obligation]] = {}
        self.takes: dict[type[Event], Callable[[Any], None]] = {
            InstrumentDefined: self.define,
            SettlementSet: self._set,
            Traded: self._traded,
            TradeBusted: self._busted,
            TradeCorrected: self._corrected,
            TradeAllocated: self._allocated,
            ObligationNetted: self._netted,
            Settled: self._settled,
            SettlementFailed: self._failed,
            BoughtIn: self._bought_in,
            InstrumentSplit: self._split,
            ObligationSplit: self._obligation_split,
        }

    def of(self, account: str) -> dict[str, int]:
        """By asset: of a currency in money units, of an instrument in its quantity units."""
        found: dict[str, int] = {}
        if self._spends:
            return found
        for instrument, of in self._received.items():
            received = of.get(account)
            if received is not None:
                currency = self._currencies[instrument]
                found[instrument] = found.get(instrument, 0) + received.bought
                found[currency] = found.get(currency, 0) + max(received.sold_for, 0)
        for obligation in self._of.get(account, {}).values():
            instrument, quantity = obligation.instrument, obligation.quantity
            currency = self._currencies[instrument]
            cash = obligation.money - quantity // obligation.multiple * obligation.price * self._units[instrument]
            if quantity > 0:
                found[instrument] = found.get(instrument, 0) + quantity
            if cash > 0:
                found[currency] = found.get(currency, 0) + cash
        return found

    def define(self, event: InstrumentDefined) -> None:
        """Know an instrument; one that a checkpoint had is told of again."""
        self._units[event.instrument] = 10 ** (MONEY_DECIMALS - event.price_decimals - event.quantity_decimals)
        self._currencies[event.instrument] = event.currency

    def _set(self, event: SettlementSet) -> None:
        if event.in_force:
            self._later, self._spends = event.cycle_days > 0, event.spend_unsettled

    # --------------------------------------------------------------------------------------------------- trades

    def _traded(self, event: Traded) -> None:
        if self._later:
            self._both(event, 1, event.price, event.quantity, event.maker_fee, event.taker_fee)

    def _busted(self, event: TradeBusted) -> None:
        if self._later:
            self._both(event, -1, event.price, event.quantity, event.maker_fee, event.taker_fee)

    def _corrected(self, event: TradeCorrected) -> None:
        if self._later:
            self._both(event, -1, event.old_price, event.old_quantity, event.old_maker_fee, event.old_taker_fee)
            self._both(event, 1, event.price, event.quantity, event.maker_fee, event.taker_fee)

    def _both(
        self, event: Traded | TradeBusted | TradeCorrected, sign: int, price: int, quantity: int, maker_fee: int, taker_fee: int
    ) -> None:
        buyer, seller, fee = event.taker_account, event.maker_account, maker_fee
        if event.taker_side != BUY:
            buyer, seller, fee = seller, buyer, taker_fee
        value = price * quantity * self._units[event.instrument]
        self._receives(event.instrument, buyer).bought += sign * quantity
        self._receives(event.instrument, seller).sold_for += sign * (value - fee)

    def _allocated(self, event: TradeAllocated) -> None:
        if not self._later:
            return
        for share in event.shares:
            for account, quantity in ((event.account, -share.quantity), (share.account, share.quantity)):
                self._allocate(event.instrument, account, event.side, event.price, quantity)

    def _allocate(self, instrument: str, account: str, side: Side, price: int, quantity: int) -> None:
        if side == BUY:
            self._receives(instrument, account).bought += quantity
        else:
            self._receives(instrument, account).sold_for += price * quantity * self._units[instrument]

    def _receives(self, instrument: str, account: str) -> Received:
        of = self._received.setdefault(instrument, {})
        received = of.get(account)
        if received is None:
            received = of[account] = Received()
        return received

    # ---------------------------------------------------------------------------------------------- obligations

    def _netted(self, event: ObligationNetted) -> None:
        # All that was traded, in every instrument, is in obligations now, or came to nothing. (Where all of it did, and
        # nothing is due, no event says that it was netted: then it is blocked here until the next netting that one tells of.)
        self._received.clear()
        if event.account:
            self._put(event.seq, Obligation(event.account, event.instrument, event.quantity, event.price, int(event.money)))

    def _put(self, number: int, obligation: Obligation) -> None:
        self._obligations[number] = obligation
        self._of.setdefault(obligation.account, {})[number] = obligation

    def _failed(self, event: SettlementFailed) -> None:
        self._received.clear()

    def _settled(self, event: Settled) -> None:
        self._received.clear()  # what is due is settled behind the netting
        if event.account:
            self._left(event.obligation, event.quantity_left, int(event.money_left))

    def _bought_in(self, event: BoughtIn) -> None:
        for number, change in ((event.obligation, event.quantity), (event.receiving_obligation, -event.quantity)):
            obligation = self._obligations[number]
            self._left(number, obligation.quantity + change, obligation.money)

    def _left(self, number: int, quantity: int, money: int) -> None:
        obligation = self._obligations[number]
        obligation.quantity, obligation.money = quantity, money
        if not quantity and not money:
            del self._obligations[number]
            of = self._of[obligation.account]
            del of[number]
            if not of:
                del self._of[obligation.account]

    def _split(self, event: InstrumentSplit) -> None:
        for received in self._received.get(event.instrument, {}).values():
            received.bought = received.bought * event.numerator // event.denominator

    def _obligation_split(self, event: ObligationSplit) -> None:
        if event.account:
            obligation = self._obligations[event.obligation]
            obligation.quantity, obligation.multiple = event.quantity, event.multiple

    # ----------------------------------------------------------------------------------------------------- file

    def state(self) -> State:
        """All that goes on, to be encoded by msgspec and restored."""
        return State(
            self._later,
            self._spends,
            [
                (instrument, account, received.bought, str(received.sold_for))
                for instrument, of in sorted(self._received.items())
                for account, received in sorted(of.items())
            ],
            [
                (number, one.account, one.instrument, one.quantity, one.price, str(one.money), one.multiple)
                for number, one in sorted(self._obligations.items())
            ],
        )

    def restore(self, state: State) -> None:
        """Be as it was when `state` was made."""
        self._later, self._spends = state.later, state.spends
        for instrument, account, bought, sold_for in state.received:
            self._received.setdefault(instrument, {})[account] = Received(bought, int(sold_for))
        for number, account, instrument, quantity, price, money, multiple in state.obligations:
            self._put(number, Obligation(account, instrument, quantity, price, int(money), multiple))


class State(msgspec.Struct, array_like=True, frozen=True):
    """Blocked in a checkpoint. Money as text: it may pass 64 bits."""

    later: bool = False
    spends: bool = True
    received: list[tuple[str, str, int, str]] = []
    obligations: list[tuple[int, str, str, int, int, str, int]] = []
