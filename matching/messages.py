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

OrderType = Literal["1", "2"]
MARKET: OrderType = "1"
LIMIT: OrderType = "2"

TimeInForce = Literal["0", "1", "3", "4", "6"]
DAY: TimeInForce = "0"
GTC: TimeInForce = "1"
IOC: TimeInForce = "3"
FOK: TimeInForce = "4"
GTD: TimeInForce = "6"

Phase = Literal["open", "halted", "closed"]
SelfTrade = Literal["cancel-resting", "allow"]


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


class _Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    pass


# ---------------------------------------------------------------------------------------------- commands


class NewOrder(_Record, frozen=True, tag=1):
    """Enter an order. `price` is 0 for a market order; `expire_time` is 0 unless time_in_force is GTD.

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
    """Change price, total quantity, order type, time in force of an open order. `quantity` is the new
    OrderQty, what has been executed included."""

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


class MassCancel(_Record, frozen=True, tag=4):
    """Cancel a participant's open orders: of one instrument, or of all when `instrument` is empty.

    `only_session`: just the orders whose reports go to `session`. `spare_persistent`: leave GTC and
    GTD orders. `only_marked`: just those that say `cancel_on_disconnect`. `disconnect`: the cause is the
    end of the session, so nobody asked and nobody is answered; `logout`: it ended in order.
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


class Deposit(_Record, frozen=True, tag=5):
    """Credit an account. `asset` is a currency (`amount` in money units) or an instrument (in its quantity units)."""

    account: str
    asset: str
    amount: str


class Withdraw(_Record, frozen=True, tag=6):
    """Debit an account by what is available in it, or be refused."""

    account: str
    asset: str
    amount: str


class DefineInstrument(_Record, frozen=True, tag=7):
    """Add an instrument, or change one (not its decimals or currency).

    `tick` is in price units, `lot` and `quantity_max` in quantity units, `value_max` in money units.
    `band_bps` is the width of the static price band to either side of the reference price, in
    hundredths of a percent; `reference_price` is where the band starts, until a day ends with a trade.
    Fees are in millionths of a trade's value, rounded down to the money unit.
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


class DefineAccount(_Record, frozen=True, tag=8):
    """Add an account of a participant, or change it. `short_max` is how far below zero each instrument's
    holding may be sold, in whole units of the instrument."""

    account: str
    participant: str
    short_max: int = 0
    self_trade: SelfTrade = "cancel-resting"


class SetPhase(_Record, frozen=True, tag=9):
    """Open, halt or close an instrument, or every one when `instrument` is empty."""

    instrument: str
    phase: Phase


class ExpireOrders(_Record, frozen=True, tag=10):
    """End the GTD orders whose expire_time is not after the command's time."""


class RollDay(_Record, frozen=True, tag=11):
    """End the trading day: DAY orders expire, closed orders and their ClOrdIDs are forgotten, the last
    trade becomes the reference price. `trading_day` names the day that begins, as YYYYMMDD."""

    trading_day: str


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
)


# ------------------------------------------------------------------------------------------------ events
#
# `seq` numbers events from 1 without a gap. An order's `order_id` is the sequence number of the command
# that entered it.


class OrderAccepted(_Record, frozen=True, tag=1):
    """The order was taken. Fills follow as Traded; what does not rest is canceled by OrderCanceled."""

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


class Traded(_Record, frozen=True, tag=3):
    """A resting (maker) and an incoming (taker) order met, at the maker's price. Fees in money units."""

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
    lost its place in the book."""

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


class InstrumentDefined(_Record, frozen=True, tag=10):
    """The terms of an instrument, as DefineInstrument has them, from now on."""

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


class AccountDefined(_Record, frozen=True, tag=11):
    """The terms of an account, as DefineAccount has them, from now on."""

    seq: int
    account: str
    participant: str
    short_max: int
    self_trade: SelfTrade


class PhaseChanged(_Record, frozen=True, tag=12):
    """An instrument entered a phase."""

    seq: int
    instrument: str
    phase: Phase


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


class OrderState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One order as it stands: an answer to a query, and a line of a snapshot.

    `value` is the sum of price times quantity over its fills. `status` is FIX OrdStatus(39).
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
