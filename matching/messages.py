"""Commands, which ask the core for something, and events, which say what it did.

The same types are the records of the journal (commands) and of the event log (events), so a field is
never reordered or removed: new ones go to the end, with a default. Every record is a MessagePack array
that begins with its tag.

Units
    price       whole number of 10^-price_decimals of the instrument's currency
    quantity    whole number of 10^-quantity_decimals of the instrument
    money       whole number of 10^-MONEY_DECIMALS of a currency. Amounts and balances are carried as
                text, because a balance may pass 64 bits; the value of one order may not
                (Instrument.value_max holds that).
    time        nanoseconds since 1970-01-01 UTC

Sides, order types and times in force are FIX's own characters, so that they go in and out unchanged.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

import msgspec

MONEY_DECIMALS = 10
MONEY_UNIT = 10**MONEY_DECIMALS
INT64_MAX = 2**63 - 1

Side = Literal["1", "2"]
BUY: Side = "1"
SELL: Side = "2"

OrderType = Literal["1", "2", "3", "4", "K", "P"]
MARKET: OrderType = "1"
LIMIT: OrderType = "2"
STOP: OrderType = "3"
STOP_LIMIT: OrderType = "4"
MARKET_TO_LIMIT: OrderType = "K"
PEGGED: OrderType = "P"

TimeInForce = Literal["0", "1", "2", "3", "4", "6", "7"]
DAY: TimeInForce = "0"
GTC: TimeInForce = "1"
AT_THE_OPENING: TimeInForce = "2"
IOC: TimeInForce = "3"
FOK: TimeInForce = "4"
GTD: TimeInForce = "6"
AT_THE_CLOSE: TimeInForce = "7"

Phase = Literal[
    "closed", "pre-open", "opening-auction", "continuous", "volatility-auction", "closing-auction", "closing-price", "halted",
    "cancel-only",
]  # fmt: skip
SelfTrade = Literal["cancel-resting", "cancel-incoming", "cancel-both", "decrement", "allow"]
Peg = Literal["", "primary", "midpoint", "market"]
Contingency = Literal["1", "2"]  # ContingencyType(1385)
ONE_CANCELS_THE_OTHER: Contingency = "1"
ONE_TRIGGERS_THE_OTHER: Contingency = "2"
Access = Literal["normal", "killed", "suspended"]
Parked = Literal["", "stop", "close", "peg", "list"]

# A command that enters several orders numbers the first as itself, the next ORDERS_APART higher, and so on.
ORDERS_APART = 10**15
LIST_ORDERS_MAX = 10
QUOTE_ENTRIES_MAX = 100
# An iceberg comes up at most so many times: each time is a trade and an event, and one command may cause them all.
ICEBERG_SLICES_MAX = 1_000
PEGGED_ORDERS_MAX = 1_000  # at work in one instrument: each change of the best prices may price them all anew


class Reason(IntEnum):
    """Why the core refused something. Where FIX 5.0SP2 has a code in OrdRejReason(103), the value is that code."""

    UNKNOWN_INSTRUMENT = 1
    NOT_IN_THIS_PHASE = 2
    LIMIT_EXCEEDED = 3
    AFTER_CLOSE = 4
    UNKNOWN_ORDER = 5
    DUPLICATE_CL_ORD_ID = 6
    UNSUPPORTED = 11
    INVALID_QUANTITY = 13
    UNKNOWN_ACCOUNT = 15
    OUTSIDE_PRICE_BAND = 16
    OFF_TICK = 18
    INSUFFICIENT_FUNDS = 25
    TOO_LATE = 100
    ORDER_MISMATCH = 101
    INVALID_AMOUNT = 102
    BAD_DEFINITION = 103
    WOULD_TRADE = 104
    BLOCKED = 105
    UNKNOWN_TRADE = 106
    MARGIN_CALL = 107
    UNSETTLED = 108


class CancelReason(IntEnum):
    """Why an order ended before it was filled."""

    REQUESTED = 1
    MASS_CANCEL = 2
    IOC_REMAINDER = 3
    FOK_NOT_FILLABLE = 4
    MARKET_REMAINDER = 5
    SELF_TRADE = 6
    DISCONNECT = 7
    DAY_END = 8
    GTD_END = 9
    LOGOUT = 10
    OPENING_END = 11
    CLOSING_END = 12
    REQUOTED = 13
    QUOTE_CANCEL = 14
    ONE_CANCELS_OTHER = 15
    LIST_ENDED = 16
    INSUFFICIENT_FUNDS = 17
    KILLED = 18
    OPERATOR = 19
    MIN_QUANTITY = 20
    SELF_TRADE_INCOMING = 21
    SELF_TRADE_BOTH = 22
    SELF_TRADE_DECREMENT = 23
    WOULD_TRADE = 24
    CORPORATE_ACTION = 25
    MARGIN_CALL = 26


class RestateReason(IntEnum):
    """Why the terms of an order changed unasked."""

    LEFT_OVER = 1  # what a market order with left over as limit could not fill has become a limit order
    SELF_TRADE_DECREMENT = 2


class FailReason(IntEnum):
    """Why an obligation that was due was not settled, or not wholly."""

    NO_SECURITIES = 1
    NO_CASH = 2
    HELD = 3
    COUNTERPARTY = 4  # who was to deliver to it, or to pay for it, did not


class _Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    pass


class Conditions(_Record, frozen=True):
    """What few orders say. An order that says none of it has None in its place.

    `stop_price` of a stop or stop limit order; `display_quantity` of an iceberg; `min_quantity` is what must
    trade at once; `peg_offset` (price units, signed) is added to the price that `peg` names. Orders of one
    participant with the same `self_match_id` do not trade, whatever the account says, those with different
    ones may; `self_match_instruction` is SelfMatchPreventionInstruction(2964) of the order when it comes
    in: 1 cancel the incoming, 2 the resting, 3 both, 4 decrement; empty: what the account says.
    `quote_id` and `quote_entry_id` mark a side of a quote, `list_id` and `contingency` an order of a list, for
    good: they stay what they are when the others of the list have ended.
    """

    stop_price: int = 0
    display_quantity: int = 0
    min_quantity: int = 0
    post_only: bool = False
    peg: Peg = ""
    peg_offset: int = 0
    self_match_id: str = ""
    self_match_instruction: Literal["", "1", "2", "3", "4"] = ""
    quote_id: str = ""
    quote_entry_id: str = ""
    list_id: str = ""
    contingency: Literal["", "1", "2"] = ""


class OrderState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One order as it stands: an answer to a query, a line of a snapshot, a part of what is said of a bust.

    `value` is the sum of price times quantity over its fills. `status` is FIX OrdStatus(39). `limit` is the
    price that its funds are reserved for, `shown` what is displayed of an iceberg, `parked` why it is open but
    in no book, `busted` what was executed and taken back, `peg_price` where a pegged order stands in the book.
    """

    order_id: int
    participant: str
    session: str
    cl_ord_id: str
    account: str
    instrument: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    leaves: int
    executed: int
    value: int
    expire_time: int
    routing: str
    status: str
    entered: int
    exec_inst: str = ""
    cancel_on_disconnect: bool = False
    conditions: Conditions | None = None
    limit: int = 0
    shown: int = 0
    parked: Parked = ""
    busted: int = 0
    peg_price: int = 0


class Traded(_Record, frozen=True, tag=3):
    """Two orders met: in continuous trading a resting (maker) and an incoming (taker) one, at the maker's price.

    In an auction (`auction`) the maker is the one that was entered first, and both pay the taker's fee. In
    closing price trading the price is the closing price. Fees in money units.
    """

    seq: int
    instrument: str
    price: int
    quantity: int
    maker_order_id: int
    taker_order_id: int
    taker_side: Side
    maker_account: str
    taker_account: str
    maker_leaves: int
    taker_leaves: int
    maker_fee: int
    taker_fee: int
    auction: bool = False


# ---------------------------------------------------------------------------------------------- commands


class NewOrder(_Record, frozen=True, tag=1):
    """Enter an order. `price` is 0 for an order without a limit; `expire_time` is 0 unless time_in_force is GTD.

    `session` names the FIX session that reports go to; `routing` is text that the gateway wants back
    with every report of this order. The core keeps both and looks at neither, except that a mass
    cancel can be confined to a session, and to the orders of it that say `cancel_on_disconnect`.
    `exec_inst` is ExecInst(18) as the order said it; what the venue does for it has a field of its own.
    """

    participant: str
    session: str
    cl_ord_id: str
    account: str
    instrument: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    expire_time: int = 0
    routing: str = ""
    exec_inst: str = ""
    cancel_on_disconnect: bool = False
    conditions: Conditions | None = None


class CancelOrder(_Record, frozen=True, tag=2):
    """Cancel the open order that `orig_cl_ord_id` of the same participant names."""

    participant: str
    session: str
    cl_ord_id: str
    orig_cl_ord_id: str
    instrument: str
    side: Side
    routing: str = ""


class ReplaceOrder(_Record, frozen=True, tag=3):
    """Change price, total quantity, order type, time in force, conditions of an open order. `quantity` is the
    new OrderQty, what has been executed included. What is not said is no longer so."""

    participant: str
    session: str
    cl_ord_id: str
    orig_cl_ord_id: str
    instrument: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    expire_time: int = 0
    routing: str = ""
    exec_inst: str = ""
    cancel_on_disconnect: bool = False
    conditions: Conditions | None = None


class MassCancel(_Record, frozen=True, tag=4):
    """Cancel a participant's open orders: of one instrument, or of all when `instrument` is empty.

    `only_session`: just the orders whose reports go to `session`. `spare_persistent`: leave GTC and
    GTD orders. `only_marked`: just those that say `cancel_on_disconnect`. `disconnect`: the cause is the
    end of the session, so nobody asked and nobody is answered; `logout`: it ended in order. `by`: the
    operator asked, and no participant is answered.
    """

    participant: str
    session: str
    cl_ord_id: str
    instrument: str = ""
    only_session: bool = False
    spare_persistent: bool = False
    disconnect: bool = False
    routing: str = ""
    only_marked: bool = False
    logout: bool = False
    by: str = ""


class Deposit(_Record, frozen=True, tag=5):
    """Credit an account. `asset` is a currency (`amount` in money units) or an instrument (in its quantity units)."""

    account: str
    asset: str
    amount: str
    by: str = ""
    reference: str = ""


class Withdraw(_Record, frozen=True, tag=6):
    """Debit an account by what is available in it, or be refused."""

    account: str
    asset: str
    amount: str
    by: str = ""
    reference: str = ""


class DefineInstrument(_Record, frozen=True, tag=7):
    """Add an instrument, or change one (not its decimals or currency).

    `tick` is in price units, `lot` and `quantity_max` in quantity units, `value_max` in money units.
    `band_bps` is the width of the static price band to either side of the reference price, in
    hundredths of a percent; `reference_price` is where the band starts, until an auction, or a day, ends
    with a trade. `dynamic_band_bps` is that of the dynamic band, around the last trade (0: there is none):
    what would trade beyond it begins a volatility auction of `pause_ns` nanoseconds. Fees are in millionths
    of a trade's value, rounded down to the money unit. `market` is the group that schedules move
    together; `phase` is what a new instrument begins with. `by` is empty for what the configuration says.
    """

    instrument: str
    currency: str
    price_decimals: int
    quantity_decimals: int
    tick: int
    lot: int
    quantity_max: int
    value_max: int
    reference_price: int
    band_bps: int
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    dynamic_band_bps: int = 0
    pause_ns: int = 300_000_000_000
    market: str = "MAIN"
    phase: Phase = "continuous"
    by: str = ""


class DefineAccount(_Record, frozen=True, tag=8):
    """Add an account of a participant, or change it. `short_max` is how far below zero each instrument's
    holding may be sold, in whole units of the instrument. `self_trade` is what becomes of two orders of
    the participant that would trade with each other, unless they say otherwise."""

    account: str
    participant: str
    short_max: int = 0
    self_trade: SelfTrade = "cancel-resting"
    by: str = ""


class SetPhase(_Record, frozen=True, tag=9):
    """Move an instrument to a phase; with no instrument, every one of a market; with neither, every one.

    `by` is empty for the schedule, which moves markets and passes over instruments that are halted.
    """

    instrument: str
    phase: Phase
    market: str = ""
    by: str = ""


class ExpireOrders(_Record, frozen=True, tag=10):
    """End the GTD orders whose expire_time is not after the command's time."""


class RollDay(_Record, frozen=True, tag=11):
    """End the trading day: DAY orders expire, closed orders and their ClOrdIDs are forgotten, the last
    trade becomes the reference price. `trading_day` names the day that begins, as YYYYMMDD. `settlement_days`
    is how many days of settlement end with it: each nets what was traded, and settles what is due."""

    trading_day: str
    settlement_days: int = 1


class NewOrderList(_Record, frozen=True, tag=12):
    """Enter orders that depend on each other, all or none: NewOrderList(E).

    With ONE_CANCELS_THE_OTHER the first fill of any ends the others; with ONE_TRIGGERS_THE_OTHER the complete
    fill of the first order activates the others. Each order says the list's participant and session, and
    `list_id` in its conditions.
    """

    participant: str
    session: str
    list_id: str
    contingency: Contingency
    orders: list[NewOrder]
    routing: str = ""


class QuoteEntry(_Record, frozen=True):
    """A two-sided quote for an instrument. A quantity of 0 withdraws that side; its price is then 0."""

    entry_id: str
    instrument: str
    bid_price: int
    bid_quantity: int
    offer_price: int
    offer_quantity: int


class MassQuote(_Record, frozen=True, tag=13):
    """Quote instruments; each entry takes the place of the account's quote there. `response_level` is
    QuoteResponseLevel(301), for the gateway."""

    participant: str
    session: str
    quote_id: str
    account: str
    entries: list[QuoteEntry]
    response_level: str = ""
    routing: str = ""
    cancel_on_disconnect: bool = False


class CancelQuotes(_Record, frozen=True, tag=14):
    """Withdraw a participant's quotes: of one instrument, or all when `instrument` is empty."""

    participant: str
    session: str
    quote_id: str
    instrument: str = ""
    response_level: str = ""
    routing: str = ""


class DefineParticipant(_Record, frozen=True, tag=15):
    """Add a participant, or change his terms.

    `password` is a salted hash, of which the core does nothing but keep it. Rates are messages a second, -1
    for those of the exchange's configuration, 0 for no limit. `value_max` (money units, as text) bounds one
    order, `open_orders_max` those open at once, `orders_per_day_max` the ClOrdIDs of a trading day; 0 is no limit.
    """

    participant: str
    password: str = ""
    orders_per_second: int = -1
    cancels_per_second: int = -1
    cancel_on_disconnect: Literal["none", "day", "all"] = "none"
    cancel_grace_seconds: int = 0
    value_max: str = "0"
    open_orders_max: int = 0
    orders_per_day_max: int = 0
    by: str = ""


class SetAccess(_Record, frozen=True, tag=16):
    """Let a participant trade ("normal"), or cancel his orders and take none ("killed"), or keep him from logging
    on as well ("suspended")."""

    participant: str
    access: Access
    by: str = ""


class SetReference(_Record, frozen=True, tag=17):
    """Put the static band around another price."""

    instrument: str
    price: int
    by: str = ""


class OperatorCancel(_Record, frozen=True, tag=18):
    """Cancel any open order."""

    order_id: int
    by: str = ""


class BustTrade(_Record, frozen=True, tag=19):
    """Take a trade of this trading day back. `trade` is the event as the event log has it."""

    trade: Traded
    by: str = ""


class CorrectTrade(_Record, frozen=True, tag=20):
    """Give a trade of this trading day another price, or a lower quantity."""

    trade: Traded
    price: int
    quantity: int
    by: str = ""


class EndPauses(_Record, frozen=True, tag=21):
    """End the volatility auctions whose time is not after the command's."""


class PublishIndicative(_Record, frozen=True, tag=22):
    """Say what the auctions that gather orders would yield now, where that has changed."""


class OperatorNote(_Record, frozen=True, tag=23):
    """Keep on record what an operator did that the core has no part in."""

    text: str
    by: str = ""


class SetSettlement(_Record, frozen=True, tag=24):
    """Say how trades are settled, from the next trading day on: `cycle_days` settlement days after they were made (0: at
    once). `spend_unsettled`: what has been bought may be sold, and what was sold for may be spent, before it is there.
    A delivery that has failed on `buy_in_days` days is bought in (0: never); who is at fault pays a premium, in
    millionths of its value."""

    cycle_days: int
    spend_unsettled: bool = True
    buy_in_days: int = 0
    buy_in_premium_ppm: int = 0
    by: str = ""


class HoldDeliveries(_Record, frozen=True, tag=25):
    """Keep an account from delivering an asset (a currency or an instrument; empty: everything), or let it again."""

    account: str
    asset: str
    held: bool
    by: str = ""
    reference: str = ""


class PayDividend(_Record, frozen=True, tag=26):
    """Pay `amount` (money units, as text) for each whole unit of an instrument, to everybody who has it now."""

    instrument: str
    amount: str
    by: str = ""
    reference: str = ""


class SplitInstrument(_Record, frozen=True, tag=27):
    """Make `numerator` units of each `denominator` of an instrument: 2 for 1 doubles every holding and halves every price."""

    instrument: str
    numerator: int
    denominator: int
    by: str = ""
    reference: str = ""


class SetFees(_Record, frozen=True, tag=28):
    """Give a participant fees of his own, in millionths, in an instrument or in all (empty). Without fees: the rule ends."""

    participant: str
    instrument: str = ""
    maker_fee_ppm: int | None = None
    taker_fee_ppm: int | None = None
    by: str = ""


class SetMargin(_Record, frozen=True, tag=29):
    """What must be there for what is sold short of an instrument, in millionths of its value: when it is sold (`initial_ppm`)
    and after (`maintenance_ppm`). 0 is none."""

    instrument: str
    initial_ppm: int
    maintenance_ppm: int
    by: str = ""


class Share(_Record, frozen=True):
    """What an account gets of a trade."""

    account: str
    quantity: int


class AllocateTrade(_Record, frozen=True, tag=30):
    """Split one side of a trade of this trading day over accounts of its participant: AllocationInstruction(J)."""

    participant: str
    session: str
    alloc_id: str
    trade: Traded
    side: Side
    shares: list[Share]
    routing: str = ""


Command = (
    NewOrder
    | CancelOrder
    | ReplaceOrder
    | MassCancel
    | Deposit
    | Withdraw
    | DefineInstrument
    | DefineAccount
    | SetPhase
    | ExpireOrders
    | RollDay
    | NewOrderList
    | MassQuote
    | CancelQuotes
    | DefineParticipant
    | SetAccess
    | SetReference
    | OperatorCancel
    | BustTrade
    | CorrectTrade
    | EndPauses
    | PublishIndicative
    | OperatorNote
    | SetSettlement
    | HoldDeliveries
    | PayDividend
    | SplitInstrument
    | SetFees
    | SetMargin
    | AllocateTrade
)


# ------------------------------------------------------------------------------------------------ events
#
# `seq` numbers events from 1 without a gap. An order's `order_id` is the sequence number of the command
# that entered it, the k-th order of a command (from 0) k times ORDERS_APART more.


class OrderAccepted(_Record, frozen=True, tag=1):
    """The order was taken. Fills follow as Traded; what does not rest is canceled by OrderCanceled. Where
    `parked`, it is in no book until OrderActivated or OrderRepriced says so."""

    seq: int
    order_id: int
    participant: str
    session: str
    cl_ord_id: str
    account: str
    instrument: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    expire_time: int
    routing: str
    exec_inst: str = ""
    cancel_on_disconnect: bool = False
    conditions: Conditions | None = None
    parked: Parked = ""


class OrderRejected(_Record, frozen=True, tag=2):
    """The order was refused; it never was in a book. `order_id` is its number all the same."""

    seq: int
    order_id: int
    participant: str
    session: str
    cl_ord_id: str
    account: str
    instrument: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    expire_time: int
    routing: str
    reason: Reason
    text: str
    exec_inst: str = ""
    conditions: Conditions | None = None


class OrderCanceled(_Record, frozen=True, tag=4):
    """The order is over; `quantity` was still open. `session`, `cl_ord_id` and `routing` are those of the
    request, and empty when nobody asked."""

    seq: int
    order_id: int
    instrument: str
    quantity: int
    reason: CancelReason
    session: str = ""
    cl_ord_id: str = ""
    routing: str = ""


class OrderReplaced(_Record, frozen=True, tag=5):
    """The order has new terms, the number it had, and the ClOrdID of the request. Where `requeued`, it
    lost its place in the book; where `parked`, it is in none."""

    seq: int
    order_id: int
    instrument: str
    session: str
    cl_ord_id: str
    orig_cl_ord_id: str
    order_type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    leaves: int
    expire_time: int
    routing: str
    requeued: bool
    exec_inst: str = ""
    cancel_on_disconnect: bool = False
    conditions: Conditions | None = None
    parked: Parked = ""


class CancelRejected(_Record, frozen=True, tag=6):
    """A cancel or replace was refused. `order_id` is 0 for an order that is not known; `status` is the
    FIX OrdStatus of the order, "8" where there is none. `response_to` is CxlRejResponseTo(434)."""

    seq: int
    order_id: int
    participant: str
    session: str
    cl_ord_id: str
    orig_cl_ord_id: str
    response_to: Literal["1", "2"]
    status: str
    reason: Reason
    text: str
    routing: str


class MassCanceled(_Record, frozen=True, tag=7):
    """Answer to a mass cancel; the OrderCanceled of `affected` orders follow."""

    seq: int
    participant: str
    session: str
    cl_ord_id: str
    instrument: str
    affected: int
    disconnect: bool
    routing: str
    by: str = ""


class MassCancelRejected(_Record, frozen=True, tag=8):
    """A mass cancel was refused; nothing was canceled."""

    seq: int
    participant: str
    session: str
    cl_ord_id: str
    instrument: str
    reason: Reason
    text: str
    routing: str


class BalanceChanged(_Record, frozen=True, tag=9):
    """A deposit (`amount` above zero) or a withdrawal (below); `balance` is the account's new total."""

    seq: int
    account: str
    asset: str
    amount: str
    balance: str
    by: str = ""
    reference: str = ""


class InstrumentDefined(_Record, frozen=True, tag=10):
    """The terms of an instrument, as DefineInstrument has them, from now on; `phase` is the one that it is in."""

    seq: int
    instrument: str
    currency: str
    price_decimals: int
    quantity_decimals: int
    tick: int
    lot: int
    quantity_max: int
    value_max: int
    reference_price: int
    band_bps: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    dynamic_band_bps: int = 0
    pause_ns: int = 0
    market: str = ""
    phase: Phase = "continuous"
    by: str = ""


class AccountDefined(_Record, frozen=True, tag=11):
    """The terms of an account, as DefineAccount has them, from now on."""

    seq: int
    account: str
    participant: str
    short_max: int
    self_trade: SelfTrade
    by: str = ""


class PhaseChanged(_Record, frozen=True, tag=12):
    """An instrument entered a phase: a volatility auction until `until` (ns), others until further notice (0).
    `by` is the operator who moved it; empty for the schedule, the dynamic band, the end of a pause."""

    seq: int
    instrument: str
    phase: Phase
    until: int = 0
    by: str = ""


class OrdersExpired(_Record, frozen=True, tag=13):
    """`affected` GTD orders reached their end; their OrderCanceled follow."""

    seq: int
    affected: int


class DayRolled(_Record, frozen=True, tag=14):
    """A trading day begins; the OrderCanceled of `affected` DAY orders follow."""

    seq: int
    trading_day: str
    affected: int


class CommandRefused(_Record, frozen=True, tag=15):
    """A command that is not about an order (deposit, definition, phase) was refused and changed nothing."""

    seq: int
    command: str
    reason: Reason
    text: str


class ListAccepted(_Record, frozen=True, tag=16):
    """A list was taken; the OrderAccepted of its `count` orders follow."""

    seq: int
    participant: str
    session: str
    list_id: str
    contingency: Contingency
    count: int
    routing: str


class ListRejected(_Record, frozen=True, tag=17):
    """A list was refused as a whole; an OrderRejected for each of its orders follows."""

    seq: int
    participant: str
    session: str
    list_id: str
    contingency: Contingency
    count: int
    reason: Reason
    text: str
    routing: str


class OrderActivated(_Record, frozen=True, tag=18):
    """A parked order goes to work, as an incoming order of this type: a stop that the last trade has elected ("stop"),
    an order at the close when its auction begins ("close"), an order of a list when the first is filled ("list").
    Where `parked`, it now waits for something else."""

    seq: int
    order_id: int
    instrument: str
    cause: Parked
    order_type: OrderType
    price: int
    parked: Parked = ""


class OrderRepriced(_Record, frozen=True, tag=19):
    """A pegged order has another price, and goes to the end of it; with price 0 it has left the book and waits."""

    seq: int
    order_id: int
    instrument: str
    price: int


class OrderRestated(_Record, frozen=True, tag=20):
    """The terms of an order changed unasked. LEFT_OVER: it rests from now on, as a limit order, behind others.
    SELF_TRADE_DECREMENT: it became smaller and keeps its place."""

    seq: int
    order_id: int
    instrument: str
    reason: RestateReason
    order_type: OrderType
    price: int
    quantity: int
    leaves: int


class OrderRefreshed(_Record, frozen=True, tag=21):
    """What was shown of an iceberg is filled: `shown` more is displayed, behind the others of its price."""

    seq: int
    order_id: int
    instrument: str
    shown: int


class QuoteResult(_Record, frozen=True):
    """What became of an entry of a MassQuote; `reason` is 0 where it was taken."""

    entry_id: str
    instrument: str
    reason: int = 0
    text: str = ""


class QuotesAnswered(_Record, frozen=True, tag=22):
    """Answer to a MassQuote; what its entries caused follows. `reason` above 0: it was refused as a whole."""

    seq: int
    participant: str
    session: str
    quote_id: str
    results: list[QuoteResult]
    reason: int
    text: str
    response_level: str
    routing: str


class QuotesCanceled(_Record, frozen=True, tag=23):
    """Answer to a CancelQuotes; the OrderCanceled of `affected` sides follow. `reason` above 0: it was refused."""

    seq: int
    participant: str
    session: str
    quote_id: str
    instrument: str
    affected: int
    reason: int
    text: str
    response_level: str
    routing: str


class ParticipantDefined(_Record, frozen=True, tag=24):
    """The terms of a participant, as DefineParticipant has them, from now on."""

    seq: int
    participant: str
    password: str
    orders_per_second: int
    cancels_per_second: int
    cancel_on_disconnect: Literal["none", "day", "all"]
    cancel_grace_seconds: int
    value_max: str
    open_orders_max: int
    orders_per_day_max: int
    by: str


class AccessSet(_Record, frozen=True, tag=25):
    """What a participant may do from now on; the OrderCanceled of `affected` orders follow."""

    seq: int
    participant: str
    access: Access
    affected: int
    by: str


class ReferenceSet(_Record, frozen=True, tag=26):
    """The static band was put around another price: prices from `low` to `high` are taken."""

    seq: int
    instrument: str
    price: int
    low: int
    high: int
    by: str


class TradeBusted(_Record, frozen=True, tag=27):
    """The trade of event `trade_seq` never was: cash, holdings and fees went back. The quantity does not return to
    the book. `maker` and `taker` are the orders after it, None for one that is not known any more."""

    seq: int
    trade_seq: int
    instrument: str
    price: int
    quantity: int
    taker_side: Side
    maker_account: str
    taker_account: str
    maker_fee: int
    taker_fee: int
    maker: OrderState | None
    taker: OrderState | None
    by: str


class TradeCorrected(_Record, frozen=True, tag=28):
    """The trade of event `trade_seq` was at another price, or of a lower quantity; the `old_` values held until now."""

    seq: int
    trade_seq: int
    instrument: str
    price: int
    quantity: int
    taker_side: Side
    maker_account: str
    taker_account: str
    maker_fee: int
    taker_fee: int
    old_price: int
    old_quantity: int
    old_maker_fee: int
    old_taker_fee: int
    maker: OrderState | None
    taker: OrderState | None
    by: str


class MarketPhaseChanged(_Record, frozen=True, tag=29):
    """A market as a whole was moved; the PhaseChanged of its instruments follow."""

    seq: int
    market: str
    phase: Phase
    by: str = ""


class Uncrossed(_Record, frozen=True, tag=30):
    """An auction ended: `volume` trades at `price`, as the Traded that follow; both are 0 where nothing does.
    `surplus` is what stays on the buy side (above 0) or the sell side (below 0) at that price. `phase` is the one that ends."""

    seq: int
    instrument: str
    phase: Phase
    price: int
    volume: int
    surplus: int


class AuctionIndicated(_Record, frozen=True, tag=31):
    """What an auction would yield if it ended now; as in Uncrossed."""

    seq: int
    instrument: str
    price: int
    volume: int
    surplus: int


class PausesEnded(_Record, frozen=True, tag=32):
    """`affected` volatility auctions reached their end; what they yield follows."""

    seq: int
    affected: int


class IndicativePublished(_Record, frozen=True, tag=33):
    """`affected` auctions have another indicative price, volume or surplus; their AuctionIndicated follow."""

    seq: int
    affected: int


class OperatorNoted(_Record, frozen=True, tag=34):
    """What an operator did."""

    seq: int
    text: str
    by: str


class SettlementSet(_Record, frozen=True, tag=35):
    """How trades are settled: from now on where `in_force`, otherwise from the next trading day on."""

    seq: int
    cycle_days: int
    spend_unsettled: bool
    buy_in_days: int
    buy_in_premium_ppm: int
    in_force: bool
    by: str = ""


class DeliveriesHeld(_Record, frozen=True, tag=36):
    """An account delivers an asset no more, or again; an empty asset is everything."""

    seq: int
    account: str
    asset: str
    held: bool
    by: str = ""
    reference: str = ""


class ObligationNetted(_Record, frozen=True, tag=37):
    """What an account is to deliver (below 0) or to receive of an instrument at `price`, and the money that it is to pay (below
    0) or to receive beside it, of all its trades in it since the last netting. `seq` is the number of the
    obligation. The account "" is the venue's fees. `due` counts settlement days."""

    seq: int
    account: str
    instrument: str
    quantity: int
    price: int
    money: str
    trading_day: str
    due: int


class Settled(_Record, frozen=True, tag=38):
    """What was delivered (below 0) or received of an obligation: `quantity` against `value`, and `money`, signed alike.
    `value` is below 0 where it was paid. `quantity_left` and `money_left` are still open."""

    seq: int
    obligation: int
    account: str
    instrument: str
    quantity: int
    value: str
    money: str
    quantity_left: int
    money_left: str


class SettlementFailed(_Record, frozen=True, tag=39):
    """What is left of an obligation that was due, on how many settlement days by now, and why."""

    seq: int
    obligation: int
    account: str
    instrument: str
    quantity: int
    money: str
    days: int
    reason: FailReason


class BoughtIn(_Record, frozen=True, tag=40):
    """A delivery of `quantity` that failed is over, for who was to deliver (`account`) and who was to receive: it is worth
    `price` now. `value` is what was to be paid for it and will not be, `money` what the receiver gets from the
    deliverer instead (below 0: the other way round), the premium included. `fault`: what was missing."""

    seq: int
    obligation: int
    account: str
    receiving_obligation: int
    receiving_account: str
    instrument: str
    quantity: int
    price: int
    value: str
    money: str
    fault: Literal["securities", "cash"]


class DividendPaid(_Record, frozen=True, tag=41):
    """A dividend of `amount` for each whole unit; the DividendCredited of `affected` accounts follow."""

    seq: int
    instrument: str
    amount: str
    affected: int
    by: str = ""
    reference: str = ""


class DividendCredited(_Record, frozen=True, tag=42):
    """What an account got of a dividend for what it had (below 0: it was short, and paid)."""

    seq: int
    account: str
    instrument: str
    quantity: int
    amount: str


class InstrumentSplit(_Record, frozen=True, tag=43):
    """An instrument is split; the HoldingSplit of `accounts`, the ObligationSplit of `obligations` and what becomes of
    `orders` follow, then its reference price."""

    seq: int
    instrument: str
    numerator: int
    denominator: int
    accounts: int
    obligations: int
    orders: int
    by: str = ""
    reference: str = ""


class HoldingSplit(_Record, frozen=True, tag=44):
    """What a split changes in an account's holding, settled and unsettled, and the cash for the fraction that is lost."""

    seq: int
    account: str
    instrument: str
    settled_change: int
    unsettled_change: int
    cash: str


class ObligationSplit(_Record, frozen=True, tag=45):
    """An obligation after a split: its price is that of `multiple` units now, and it is settled in multiples of them."""

    seq: int
    obligation: int
    account: str
    instrument: str
    quantity: int
    multiple: int


class OrderSplit(_Record, frozen=True, tag=46):
    """An open order after a split. What its fills came to is what it was."""

    seq: int
    order_id: int
    instrument: str
    price: int
    quantity: int
    leaves: int
    executed: int
    busted: int
    conditions: Conditions | None = None


class FeesSet(_Record, frozen=True, tag=47):
    """The fees of a participant, as SetFees has them, from now on."""

    seq: int
    participant: str
    instrument: str
    maker_fee_ppm: int | None
    taker_fee_ppm: int | None
    by: str = ""


class MarginSet(_Record, frozen=True, tag=48):
    """The margin of an instrument, as SetMargin has it, from now on."""

    seq: int
    instrument: str
    initial_ppm: int
    maintenance_ppm: int
    by: str = ""


class MarginCalled(_Record, frozen=True, tag=49):
    """What an account has in a currency is less than its short positions there require; the OrderCanceled of its opening
    orders follow."""

    seq: int
    account: str
    currency: str
    equity: str
    required: str


class MarginCallEnded(_Record, frozen=True, tag=50):
    """An account that was called has enough again."""

    seq: int
    account: str
    currency: str
    equity: str
    required: str


class TradeAllocated(_Record, frozen=True, tag=51):
    """One side of trade `trade_seq` was split: each of `shares` has its quantity from `account`, at the trade's price."""

    seq: int
    participant: str
    session: str
    alloc_id: str
    trade_seq: int
    account: str
    instrument: str
    side: Side
    price: int
    quantity: int
    shares: list[Share]
    routing: str


class AllocationRejected(_Record, frozen=True, tag=52):
    """An allocation was refused and changed nothing."""

    seq: int
    participant: str
    session: str
    alloc_id: str
    reason: Reason
    text: str
    routing: str


Event = (
    OrderAccepted
    | OrderRejected
    | Traded
    | OrderCanceled
    | OrderReplaced
    | CancelRejected
    | MassCanceled
    | MassCancelRejected
    | BalanceChanged
    | InstrumentDefined
    | AccountDefined
    | PhaseChanged
    | OrdersExpired
    | DayRolled
    | CommandRefused
    | ListAccepted
    | ListRejected
    | OrderActivated
    | OrderRepriced
    | OrderRestated
    | OrderRefreshed
    | QuotesAnswered
    | QuotesCanceled
    | ParticipantDefined
    | AccessSet
    | ReferenceSet
    | TradeBusted
    | TradeCorrected
    | MarketPhaseChanged
    | Uncrossed
    | AuctionIndicated
    | PausesEnded
    | IndicativePublished
    | OperatorNoted
    | SettlementSet
    | DeliveriesHeld
    | ObligationNetted
    | Settled
    | SettlementFailed
    | BoughtIn
    | DividendPaid
    | DividendCredited
    | InstrumentSplit
    | HoldingSplit
    | ObligationSplit
    | OrderSplit
    | FeesSet
    | MarginSet
    | MarginCalled
    | MarginCallEnded
    | TradeAllocated
    | AllocationRejected
)


# ----------------------------------------------------------------------------------------------- batches


class CommandBatch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record of the journal: commands numbered from `first_seq`, made durable together at `time`."""

    first_seq: int
    time: int
    commands: list[Command]


class EventBatch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record of the event log: what the commands of one CommandBatch caused. `command_seq` is the last of them."""

    command_seq: int
    time: int
    events: list[Event]
