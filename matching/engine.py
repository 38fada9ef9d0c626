"""The engine: applies one command after the other to the market, and says what happened as events.

A pure function of the commands it was given: it reads no clock, draws no number, writes nothing. The rules
are those of docs/market-rules.md; each kind of command has its function in a module of its own.

What the world asks for wrongly is answered by an event and changes nothing. What only a wrong program can
cause is asserted, and stops the process: after that no balance could be trusted.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from matching.accounts import Account, Cash, Participant, Position
from matching.aftermath import follow_up
from matching.allocation import allocate_trade
from matching.book import entry_order
from matching.busts import bust_trade, correct_trade
from matching.corporate import pay_dividend, split_instrument
from matching.definitions import (
    define_account,
    define_instrument,
    define_participant,
    deposit,
    operator_cancel,
    operator_note,
    set_access,
    set_fees,
    set_reference,
    withdraw,
)
from matching.entry import cancel_order, expire_orders, mass_cancel, new_order, replace_order, roll_day
from matching.instruments import Instrument
from matching.lists import new_order_list
from matching.margin import equity_of, margin_of, set_margin
from matching.market import Market
from matching.messages import (
    BUY,
    AllocateTrade,
    BustTrade,
    CancelOrder,
    CancelQuotes,
    Command,
    CorrectTrade,
    DefineAccount,
    DefineInstrument,
    DefineParticipant,
    Deposit,
    EndPauses,
    Event,
    ExpireOrders,
    HoldDeliveries,
    MassCancel,
    MassQuote,
    NewOrder,
    NewOrderList,
    OperatorCancel,
    OperatorNote,
    OrderState,
    PayDividend,
    Phase,
    PublishIndicative,
    ReplaceOrder,
    RollDay,
    SetAccess,
    SetFees,
    SetMargin,
    SetPhase,
    SetReference,
    SetSettlement,
    SplitInstrument,
    Withdraw,
)
from matching.netting import fees_of, receivables
from matching.phases import end_pauses, indicative_due, publish_indicative, set_phase
from matching.quotes import cancel_quotes, mass_quote
from matching.settlement import hold_deliveries, set_settlement
from matching.state import EngineState, ObligationState, digested, market_of, obligation_state, order_state, state_of

_BY_TYPE: dict[type, Callable[[Market, Any], None]] = {
    NewOrder: new_order,
    CancelOrder: cancel_order,
    ReplaceOrder: replace_order,
    MassCancel: mass_cancel,
    Deposit: deposit,
    Withdraw: withdraw,
    DefineInstrument: define_instrument,
    DefineAccount: define_account,
    SetPhase: set_phase,
    ExpireOrders: expire_orders,
    RollDay: roll_day,
    NewOrderList: new_order_list,
    MassQuote: mass_quote,
    CancelQuotes: cancel_quotes,
    DefineParticipant: define_participant,
    SetAccess: set_access,
    SetReference: set_reference,
    OperatorCancel: operator_cancel,
    BustTrade: bust_trade,
    CorrectTrade: correct_trade,
    EndPauses: end_pauses,
    PublishIndicative: publish_indicative,
    OperatorNote: operator_note,
    SetSettlement: set_settlement,
    HoldDeliveries: hold_deliveries,
    SetFees: set_fees,
    SetMargin: set_margin,
    PayDividend: pay_dividend,
    SplitInstrument: split_instrument,
    AllocateTrade: allocate_trade,
}


class Engine:
    """A market, and the two verbs for it: apply commands, and answer questions, which change nothing."""

    def __init__(self, market: Market | None = None) -> None:
        self.market = market or Market()

    def apply(self, first_seq: int, time: int, commands: list[Command]) -> list[Event]:
        """Apply commands numbered from `first_seq`, all at `time` (ns), and return what they caused, in order."""
        market = self.market
        assert first_seq == market.command_seq + 1, "commands are numbered without a gap"
        assert time >= market.time, "time does not run backwards"
        market.time = time
        events: list[Event] = []
        market.events = events
        by_type, elected, pegged, margined = _BY_TYPE, market.elected, market.pegged, market.margined
        for seq, command in enumerate(commands, first_seq):
            market.command_seq = seq
            by_type[type(command)](market, command)
            if elected or pegged or margined:
                follow_up(market)
        return events

    # ------------------------------------------------------------------------------------------------ questions

    @property
    def command_seq(self) -> int:
        return self.market.command_seq

    @property
    def event_seq(self) -> int:
        return self.market.event_seq

    @property
    def time(self) -> int:
        return self.market.time

    @property
    def trading_day(self) -> str:
        return self.market.trading_day

    @property
    def instruments(self) -> dict[str, Instrument]:
        return self.market.instruments

    @property
    def participants(self) -> dict[str, Participant]:
        return self.market.participants

    @property
    def accounts(self) -> dict[str, Account]:
        return self.market.accounts

    @property
    def settlement(self) -> SetSettlement:
        """The terms by which trades are settled now."""
        return self.market.settlement

    @property
    def settlement_waiting(self) -> SetSettlement | None:
        """The terms of the next trading day; None when they stay."""
        return self.market.settlement_waiting

    @property
    def settlement_configured(self) -> SetSettlement | None:
        """What the configuration said last of settlement."""
        return self.market.settlement_configured

    @property
    def settlement_day(self) -> int:
        """How many settlement days have ended."""
        return self.market.settlement_day

    @property
    def fees_configured(self) -> dict[tuple[str, str], SetFees]:
        """The fees of participants that the configuration said last, by participant and instrument ("" is all)."""
        return self.market.fees_configured

    @property
    def markets(self) -> dict[str, Phase]:
        """The phase of each market as a whole; one that was never moved is continuous."""
        names = {instrument.market for instrument in self.market.instruments.values()} | self.market.markets.keys()
        return {name: self.market.markets.get(name, "continuous") for name in sorted(names)}

    def order(self, participant: str, cl_ord_id: str) -> OrderState | None:
        """The order that a participant's ClOrdID names, open or ended today; None when there is none."""
        owner = self.market.participants.get(participant)
        order = owner.client_ids.get(cl_ord_id) if owner else None
        return order_state(order) if order else None

    def knows(self, participant: str, cl_ord_id: str) -> bool:
        """Whether a participant has used this ClOrdID today, be it for an order that was refused."""
        owner = self.market.participants.get(participant)
        return owner is not None and cl_ord_id in owner.client_ids

    def open_orders(self, participant: str | None = None) -> Iterator[OrderState]:
        """The open orders of a participant, or of all, each participant's in the order of their entry."""
        known = self.market.participants
        owners = known.values() if participant is None else filter(None, [known.get(participant)])
        for owner in owners:
            for order in owner.open_orders.values():
                yield order_state(order)

    def unsettled(self, account: str, asset: str) -> int:
        """What of an account's total of an asset is to be received (above 0) or delivered (below 0); 0 of what is not known."""
        balance = self._balance(account, asset)
        return balance.unsettled if balance else 0

    def settled(self, account: str, asset: str) -> int:
        """What of an account's total of an asset is there."""
        balance = self._balance(account, asset)
        return balance.total - balance.unsettled if balance else 0

    def _balance(self, account: str, asset: str) -> Cash | Position | None:
        owner = self.market.accounts.get(account)
        return (owner.positions.get(asset) or owner.cash.get(asset)) if owner else None

    def equity(self, account: str, currency: str) -> int:
        """What an account has in a currency at the marks of now, in money units; 0 of one that is not known."""
        owner = self.market.accounts.get(account)
        return equity_of(self.market, owner, currency) if owner else 0

    def fees_unsettled(self, currency: str) -> int:
        """What the venue is to receive of the fees of trades (below 0: to pay, as rebates), in money units."""
        traded = sum(
            fees_of(instrument) for instrument in self.market.instruments.values() if instrument.currency == currency
        )
        obligations = self.market.obligations.values()
        return traded + sum(
            obligation.money for obligation in obligations if not obligation.name and obligation.instrument.currency == currency
        )

    def obligations(self, account: str | None = None) -> Iterator[ObligationState]:
        """What is left of the obligations of an account (empty: of the venue's fees), or of all, in the order of their numbers."""
        for obligation in self.market.obligations.values():
            if account is None or obligation.name == account:
                yield obligation_state(obligation)

    def next_expiry(self) -> int:
        """When (ns) the next GTD order may have to end; 0 when there is none."""
        expiries = self.market.expiries
        while expiries and expiries[0][2].ended:
            heapq.heappop(expiries)
        return expiries[0][0] if expiries else 0

    def next_pause_end(self) -> int:
        """When (ns) the next volatility auction ends; 0 when there is none."""
        ends = [instrument.until for instrument in self.market.instruments.values() if instrument.phase == "volatility-auction"]
        return min(ends, default=0)

    def indicative_due(self) -> bool:
        """Whether an auction would now yield something else than what was last said of it."""
        return indicative_due(self.market)

    # --------------------------------------------------------------------------------------------------- state

    def state(self) -> EngineState:
        """Everything, in an order that depends on nothing but the commands."""
        return state_of(self.market)

    @classmethod
    def from_state(cls, state: EngineState) -> Engine:
        """The engine that said `state`."""
        return cls(market_of(state))

    def digest(self) -> str:
        """SHA-256 of the whole state, as hexadecimal digits. Costs a walk over all orders."""
        return hashlib.sha256(msgspec.msgpack.encode(digested(self.state()))).hexdigest()

    def check(self) -> None:
        """Assert what holds between any two commands."""
        market = self.market
        assert not market.elected, "what was elected has gone to work"
        reserved_cash: dict[tuple[str, str], int] = {}
        reserved_holdings: dict[tuple[str, str], int] = {}
        for instrument in market.instruments.values():
            instrument.book.check()
            instrument.buy_stops.check()
            instrument.sell_stops.check()
            assert instrument.phase != "continuous" or not instrument.book.crossed, "the book is crossed"
        for participant in market.participants.values():
            orders = list(participant.open_orders.values())
            assert orders == sorted(orders, key=entry_order)
            for order_id, order in participant.open_orders.items():
                assert order.order_id == order_id and order.participant is participant and not order.ended
                in_book = order.level is not None and order.parked != "stop"
                assert in_book != bool(order.parked), "an order is in the book, waits for something, or has ended"
                assert order.leaves > 0 and order.executed + order.leaves + order.busted == order.quantity
                assert 0 <= order.shown <= order.leaves
                assert order.is_quote or participant.client_ids[order.cl_ord_id] is order
                symbol = order.instrument.symbol
                if order.side == BUY:
                    key = (order.account.name, order.instrument.currency)
                    reserved_cash[key] = reserved_cash.get(key, 0) + order.reserved
                else:
                    key = (order.account.name, symbol)
                    reserved_holdings[key] = reserved_holdings.get(key, 0) + order.reserved
        for name, account in market.accounts.items():
            for currency, cash in account.cash.items():
                by_orders = reserved_cash.get((name, currency), 0)
                assert cash.reserved == by_orders + cash.blocked + cash.margin, f"{name} {currency}"
                assert cash.total >= by_orders or market.buy_ins, f"{name} {currency} is overdrawn"
            for symbol, position in account.positions.items():
                by_orders = reserved_holdings.get((name, symbol), 0)
                assert position.reserved == by_orders + position.blocked, f"{name} {symbol}"
                assert (position.maker_fee_ppm, position.taker_fee_ppm) == account.fees_in(symbol), f"{name} {symbol}"
        self._check_settlement()
        self._check_margins()

    def _check_margins(self) -> None:
        """Assert that margins are those of the present marks."""
        market = self.market
        assert all(instrument.initial_ppm or instrument.maintenance_ppm for instrument in market.margined.values())
        assert market.called == {name: account for name, account in market.accounts.items() if account.called}
        for instrument in market.margined.values():
            positions = {name: account.positions.get(instrument.symbol) for name, account in market.accounts.items()}
            assert instrument.short.keys() == {name for name, position in positions.items() if position and position.total < 0}
        for name, account in market.accounts.items():
            for currency, cash in account.cash.items():
                margin = sum(
                    margin_of(market.instruments[symbol], position.total - position.reserved)
                    for symbol, position in account.positions.items()
                    if market.instruments[symbol].currency == currency
                )
                assert cash.margin == margin, f"{name} {currency}"

    def _check_settlement(self) -> None:
        """Assert that what is unsettled is what is owed, that it sums to zero, and what of it is blocked."""
        market = self.market
        unsettled: dict[int, int] = {}
        blocked: dict[int, int] = {}
        sums: dict[int, tuple[int, int]] = {}
        for balance, amount in receivables(market):
            assert amount >= 0
            blocked[id(balance)] = blocked.get(id(balance), 0) + amount
        for instrument in market.instruments.values():
            assert sum(unnetted.quantity for unnetted in instrument.unnetted.values()) == 0, instrument.symbol
            for name, unnetted in instrument.unnetted.items():
                account = market.accounts[name]
                cash, position = account.cash_in(instrument.currency), account.position_in(instrument.symbol)
                unsettled[id(cash)] = unsettled.get(id(cash), 0) + unnetted.money
                unsettled[id(position)] = unsettled.get(id(position), 0) + unnetted.quantity
        assert list(market.obligations) == sorted(market.obligations)
        for number, obligation in market.obligations.items():
            assert obligation.number == number and not obligation.over and not obligation.quantity % obligation.multiple
            quantity, money = sums.get(obligation.netting, (0, 0))
            sums[obligation.netting] = quantity + obligation.quantity, money + obligation.money
            if obligation.account is None:
                assert not obligation.quantity, "the venue's fees are money"
            else:
                cash, position = obligation.balances()
                unsettled[id(cash)] = unsettled.get(id(cash), 0) + obligation.cash
                unsettled[id(position)] = unsettled.get(id(position), 0) + obligation.quantity
        for netting, both in sums.items():
            assert both == (0, 0), f"the obligations of netting {netting} do not sum to zero"
        for name, account in market.accounts.items():
            for asset, balance in account.all_balances():
                assert balance.unsettled == unsettled.get(id(balance), 0), f"{name} {asset}"
                assert balance.blocked == (0 if market.spend_unsettled else blocked.get(id(balance), 0)), f"{name} {asset}"
