"""What somebody knows of cash, holdings and obligations who sees the events alone. It asserts the invariants, and predicts nothing.

Settled and unsettled are kept apart; the venue's fees are the account "". What came from outside is `brought`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from matching.messages import (
    BUY,
    MONEY_DECIMALS,
    SELL,
    BalanceChanged,
    BoughtIn,
    DividendCredited,
    Event,
    FailReason,
    HoldingSplit,
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

Balances = dict[tuple[str, str], int]
VENUE = ""


@dataclass
class Owed:
    """What is left of an obligation, as the events tell it. `set` is the first of those that were netted with it."""

    account: str
    instrument: str
    quantity: int
    money: int
    price: int
    due: int
    set: int
    multiple: int = 1
    days: int = 0


@dataclass
class ClearingWatcher:
    settled: Balances = field(default_factory=dict)
    unsettled: Balances = field(default_factory=dict)
    brought: dict[str, int] = field(default_factory=dict)
    obligations: dict[int, Owed] = field(default_factory=dict)
    dealt: bool = False  # something is unsettled that no obligation says
    cycle_days: int = 0
    terms: dict[str, tuple[str, int]] = field(default_factory=dict)  # currency, and money units of a quantity unit at price 1
    netted: dict[str, int] = field(default_factory=dict)  # the first obligation of each instrument in this command
    given: Balances = field(default_factory=dict)  # what was delivered and paid in this settlement, less what was received

    def see(self, events: list[Event]) -> None:
        """What one command caused."""
        for event in events:
            self.see_one(event)
        self.end_settlement()
        self.netted = {}
        assets = {asset for balances in (self.settled, self.unsettled) for _, asset in balances}
        for asset in assets:
            assert self.sum_of(self.unsettled, asset) == 0, f"{asset}: the clearing house is not flat"
            assert self.sum_of(self.settled, asset) == self.brought.get(asset, 0), f"{asset} is not conserved"
        if not self.dealt:
            self.check_obligations()
        sums: dict[int, tuple[int, int]] = {}
        for one in self.obligations.values():
            quantity, money = sums.get(one.set, (0, 0))
            sums[one.set] = quantity + one.quantity, money + one.money
        assert set(sums.values()) <= {(0, 0)}, "who delivers and who receives are not even"

    def sum_of(self, balances: Balances, asset: str) -> int:
        return sum(amount for (_, other), amount in balances.items() if other == asset)

    def total(self, account: str, asset: str) -> int:
        return self.settled.get((account, asset), 0) + self.unsettled.get((account, asset), 0)

    def check_obligations(self) -> None:
        """Where all is netted, obligations are all that is unsettled."""
        found: Balances = {}
        for one in self.obligations.values():
            currency, unit = self.terms[one.instrument]
            self.add(found, one.account, one.instrument, one.quantity)
            self.add(found, one.account, currency, one.money - one.quantity // one.multiple * one.price * unit)
        for key in found.keys() | self.unsettled.keys():
            assert found.get(key, 0) == self.unsettled.get(key, 0), f"{key}: what is unsettled is another than the obligations"

    @staticmethod
    def add(balances: Balances, account: str, asset: str, amount: int) -> None:
        balances[account, asset] = balances.get((account, asset), 0) + amount

    def bring(self, account: str, asset: str, amount: int) -> None:
        """From outside, settled."""
        self.add(self.settled, account, asset, amount)
        self.brought[asset] = self.brought.get(asset, 0) + amount

    def see_one(self, event: Event) -> None:
        if not isinstance(event, Settled):
            self.end_settlement()
        match event:
            case InstrumentDefined():
                unit = 10 ** (MONEY_DECIMALS - event.price_decimals - event.quantity_decimals)
                self.terms[event.instrument] = event.currency, unit
            case SettlementSet():
                if event.in_force:
                    self.cycle_days = event.cycle_days
            case BalanceChanged():
                self.bring(event.account, event.asset, int(event.amount))
                assert self.total(event.account, event.asset) == int(event.balance)
            case Traded():
                self.trade(event, event.price, event.quantity, event.maker_fee, event.taker_fee, 1)
            case TradeBusted():
                self.trade(event, event.price, event.quantity, event.maker_fee, event.taker_fee, -1)
            case TradeCorrected():
                self.trade(event, event.old_price, event.old_quantity, event.old_maker_fee, event.old_taker_fee, -1)
                self.trade(event, event.price, event.quantity, event.maker_fee, event.taker_fee, 1)
            case TradeAllocated():
                assert sum(share.quantity for share in event.shares) == event.quantity
                for share in event.shares:
                    self.side(event.instrument, event.account, event.side, event.price, -share.quantity, 0)
                    self.side(event.instrument, share.account, event.side, event.price, share.quantity, 0)
            case ObligationNetted():
                self.dealt = False
                money = int(event.money)
                assert event.quantity or money, "an obligation of nothing"
                first = self.netted.setdefault(event.instrument, event.seq)
                owed = Owed(event.account, event.instrument, event.quantity, money, event.price, event.due, first)
                self.obligations[event.seq] = owed
            case Settled():
                self.settle(event)
            case SettlementFailed():
                self.failed(event)
            case BoughtIn():
                self.bought_in(event)
            case DividendCredited():
                currency, _ = self.terms[event.instrument]
                assert event.quantity == self.total(event.account, event.instrument)
                self.bring(event.account, currency, int(event.amount))
            case InstrumentSplit():
                assert event.numerator != event.denominator
            case HoldingSplit():
                self.add(self.unsettled, event.account, event.instrument, event.unsettled_change)
                self.bring(event.account, event.instrument, event.settled_change)
                self.bring(event.account, self.terms[event.instrument][0], int(event.cash))
                assert int(event.cash) >= 0
            case ObligationSplit():
                one = self.obligations[event.obligation]
                assert event.quantity * one.multiple == one.quantity * event.multiple, "it is worth what it was"
                one.quantity, one.multiple = event.quantity, event.multiple

    def trade(
        self, event: Traded | TradeBusted | TradeCorrected, price: int, quantity: int, maker_fee: int, taker_fee: int, sign: int
    ) -> None:
        maker_side: Side = SELL if event.taker_side == BUY else BUY
        self.side(event.instrument, event.maker_account, maker_side, price, sign * quantity, sign * maker_fee)
        self.side(event.instrument, event.taker_account, event.taker_side, price, sign * quantity, sign * taker_fee)

    def side(self, instrument: str, account: str, side: Side, price: int, quantity: int, fee: int) -> None:
        currency, unit = self.terms[instrument]
        balances = self.unsettled if self.cycle_days else self.settled
        self.dealt = self.dealt or bool(self.cycle_days)
        sign = 1 if side == BUY else -1
        self.add(balances, account, instrument, sign * quantity)
        self.add(balances, account, currency, -sign * price * quantity * unit - fee)
        self.add(balances, VENUE, currency, fee)

    # -------------------------------------------------------------------------------------------------- settlement

    def move(self, account: str, asset: str, amount: int) -> None:
        """From unsettled to settled; below 0 it is given."""
        self.add(self.settled, account, asset, amount)
        self.add(self.unsettled, account, asset, -amount)
        self.add(self.given, account, asset, -amount)

    def settle(self, event: Settled) -> None:
        one = self.obligations[event.obligation]
        assert (event.account, event.instrument) == (one.account, one.instrument)
        currency, unit = self.terms[one.instrument]
        quantity, value, money = event.quantity, int(event.value), int(event.money)
        assert quantity or money, "nothing was settled"
        for left, moved in ((one.quantity, quantity), (one.money, money)):
            assert 0 <= moved <= left or left <= moved <= 0, "no more is settled than is owed, and not the other way round"
        assert quantity % one.multiple == 0 and value == -quantity // one.multiple * one.price * unit, "delivery versus payment"
        one.quantity -= quantity
        one.money -= money
        assert (event.quantity_left, int(event.money_left)) == (one.quantity, one.money)
        self.move(one.account, one.instrument, quantity)
        self.move(one.account, currency, value + money)
        if not one.quantity and not one.money:
            del self.obligations[event.obligation]

    def end_settlement(self) -> None:
        """Nobody but the venue gave what he had not; and whatever was given was received."""
        for (account, asset), amount in self.given.items():
            if amount > 0 and account != VENUE:
                assert self.settled[account, asset] >= 0, f"{account} gave {asset} that it had not"
        for asset in {asset for _, asset in self.given}:
            assert self.sum_of(self.given, asset) == 0, f"{asset}: somebody received what nobody gave"
        self.given = {}

    def failed(self, event: SettlementFailed) -> None:
        one = self.obligations[event.obligation]
        assert (event.account, event.quantity, int(event.money)) == (one.account, one.quantity, one.money)
        assert event.days == one.days + 1
        one.days = event.days
        pays = one.quantity > 0 or one.money < 0
        asset = self.terms[one.instrument][0] if pays else one.instrument
        if event.reason == FailReason.NO_SECURITIES:
            assert one.quantity < 0 and self.settled.get((one.account, asset), 0) < -one.quantity
        if event.reason == FailReason.NO_CASH:
            assert pays

    def bought_in(self, event: BoughtIn) -> None:
        giver, taker = self.obligations[event.obligation], self.obligations[event.receiving_obligation]
        currency, unit = self.terms[event.instrument]
        value, money = int(event.value), int(event.money)
        assert value * giver.multiple == event.quantity * giver.price * unit, "what is over was to be paid for at its price"
        assert giver.set == taker.set and giver.quantity <= -event.quantity < 0 < event.quantity <= taker.quantity
        giver.quantity += event.quantity
        taker.quantity -= event.quantity
        for account, sign in ((event.account, 1), (event.receiving_account, -1)):
            self.add(self.unsettled, account, event.instrument, sign * event.quantity)
            self.add(self.unsettled, account, currency, -sign * value)
            self.add(self.settled, account, currency, -sign * money)
        payer = event.account if money > 0 else event.receiving_account
        assert not money or self.settled.get((payer, currency), 0) >= 0, f"{payer} paid what it had not"
        for number, one in ((event.obligation, giver), (event.receiving_obligation, taker)):
            if not one.quantity and not one.money:
                del self.obligations[number]
