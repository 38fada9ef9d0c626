"""The state of the market, and the numbering of what happens to it. It knows no rule."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from matching.accounts import Account, Participant
from matching.book import Order
from matching.instruments import Instrument
from matching.messages import BUY, Command, CommandRefused, Event, Phase, Reason, SetFees, SetSettlement, Side
from matching.obligations import Obligation

Refusal = tuple[Reason, str]


class Amendment(NamedTuple):
    """What a trade is after a correction; of a quantity of 0 when it was busted."""

    price: int
    quantity: int
    maker_fee: int
    taker_fee: int


class Market:
    """Everything there is after `command_seq` commands, which caused `event_seq` events.

    `events` are those of the batch that is being applied. `elected` are the orders that wait, within one
    command, to go to work: stops that a trade has elected, orders of a list whose first was filled. `pegged` are the
    instruments that have pegged orders. `markets` has the phase of each market that was ever moved as a
    whole. `amended` has the trades of this trading day that were corrected or busted, `allocated` the sides of
    trades that were allocated; those up to event `day_began` are of days before.

    `settlement` are the terms in force (`settles_later` and `spend_unsettled` are what a trade asks for), `settlement_said` the
    same, or None before the first, `settlement_waiting` those of the next trading day. `settlement_day` counts the settlement
    days that have ended, `buy_ins` the deliveries that were bought in. `obligations` are what is netted and not settled, by number.
    `margined` are the instruments for which margins have to be computed, which was done of what happened up to event
    `margins_seq`; `called` are the accounts with a margin call, by name, and `calls_due` says that calls have to be looked at
    whatever happens next. What is `configured` the configuration said last, fees by participant and instrument.
    """

    __slots__ = (
        "accounts", "allocated", "amended", "buy_ins", "called", "calls_due", "command_seq", "day_began", "elected", "event_seq",
        "events", "expiries", "fees_configured", "instruments", "margined", "margins_seq", "markets", "obligations", "participants",
        "pegged", "settlement", "settlement_configured", "settlement_day", "settlement_said", "settlement_waiting", "settles_later",
        "spend_unsettled", "time", "trading_day",
    )  # fmt: skip

    def __init__(self) -> None:
        self.command_seq = 0
        self.event_seq = 0
        self.time = 0
        self.trading_day = ""
        self.day_began = 0
        self.instruments: dict[str, Instrument] = {}
        self.participants: dict[str, Participant] = {}
        self.accounts: dict[str, Account] = {}
        self.markets: dict[str, Phase] = {}
        self.expiries: list[tuple[int, int, Order]] = []  # a heap: when, order number, order
        self.pegged: dict[str, Instrument] = {}
        self.elected: deque[Order] = deque()
        self.amended: dict[int, Amendment] = {}
        self.allocated: set[tuple[int, Side]] = set()
        self.obligations: dict[int, Obligation] = {}
        self.settlement_day = 0
        self.buy_ins = 0
        self.settlement_waiting: SetSettlement | None = None
        self.settlement_configured: SetSettlement | None = None
        self.fees_configured: dict[tuple[str, str], SetFees] = {}
        self.margined: dict[str, Instrument] = {}
        self.margins_seq = 0
        self.called: dict[str, Account] = {}
        self.calls_due = True
        self.use_settlement(None)
        self.events: list[Event] = []

    def use_settlement(self, said: SetSettlement | None) -> None:
        """Have trades settled by these terms from now on; at once, where nothing has been said of it."""
        self.settlement_said = said
        self.settlement = terms = said or SetSettlement(0)
        self.settles_later = terms.cycle_days > 0
        self.spend_unsettled = terms.spend_unsettled

    def next_seq(self) -> int:
        """The number of the event that is about to be said."""
        self.event_seq += 1
        return self.event_seq

    def refuse(self, command: Command, reason: Reason, text: str) -> None:
        """Say that a command that is not about an order was refused."""
        self.events.append(CommandRefused(self.next_seq(), type(command).__name__, reason, text))


def sellable(order_account: Account, instrument: Instrument) -> int:
    """What of an instrument an account can still offer: what is there and not reserved, and what may be sold short."""
    position = order_account.position_in(instrument.symbol)
    short: int = order_account.short_max * 10**instrument.terms.quantity_decimals
    return position.total - position.reserved + short


def need(order: Order) -> int:
    """What an order has to reserve: money units for a buy, quantity units for a sell."""
    if order.side == BUY:
        return order.instrument.cost(order.limit, order.leaves, order.position.fee_ppm_max)
    return order.leaves


def reserve(order: Order, amount: int) -> None:
    """Have an order hold back `amount`, whatever it holds back now."""
    if order.side == BUY:
        order.cash.reserved += amount - order.reserved
    else:
        order.position.reserved += amount - order.reserved
    order.reserved = amount
