"""A second engine, slow and plain, written from the rules: it predicts every event, and shares no code with the first.

It keeps one list of orders in the order of their entry and looks through all of it for everything: the best
price, what is reserved, what is due. Whether the texts of refusals are the same is not its concern: they are left empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor

from matching.messages import (
    AccountDefined,
    BalanceChanged,
    CancelOrder,
    CancelReason,
    CancelRejected,
    Command,
    CommandRefused,
    DayRolled,
    DefineAccount,
    DefineInstrument,
    Deposit,
    Event,
    ExpireOrders,
    InstrumentDefined,
    MassCancel,
    MassCanceled,
    MassCancelRejected,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
    OrdersExpired,
    PhaseChanged,
    Reason,
    ReplaceOrder,
    RollDay,
    SetPhase,
    Traded,
    Withdraw,
)

BUY, SELL = "1", "2"
MARKET, LIMIT = "1", "2"
DAY, GTC, IOC, FOK, GTD = "0", "1", "3", "4", "6"


@dataclass(eq=False)
class Resting:
    """An order, from its entry on. `priority` orders those of one price; `status` is "" while it is open."""

    number: int
    participant: str
    account: str
    instrument: str
    side: str
    cl_ord_id: str
    session: str
    order_type: str
    time_in_force: str
    price: int
    quantity: int
    expire_time: int
    limit: int
    priority: int
    marked: bool
    executed: int = 0
    status: str = ""
    in_book: bool = False

    @property
    def leaves(self) -> int:
        return self.quantity - self.executed


@dataclass
class Paper:
    """An instrument."""

    terms: DefineInstrument
    reference: int
    phase: str = "continuous"
    last: int = 0

    @property
    def low(self) -> int:
        edge = Fraction(self.reference) * (10_000 - self.terms.band_bps) / 10_000
        return max(ceil(edge / self.terms.tick) * self.terms.tick, self.terms.tick)

    @property
    def high(self) -> int:
        edge = Fraction(self.reference) * (10_000 + self.terms.band_bps) / 10_000
        return floor(edge / self.terms.tick) * self.terms.tick

    def money(self, price: int, quantity: int) -> int:
        """Price times quantity, in units of 10^-10."""
        return price * quantity * 10**10 // 10 ** (self.terms.price_decimals + self.terms.quantity_decimals)

    def fee(self, value: int, ppm: int) -> int:
        return floor(Fraction(value * ppm, 10**6))

    def cost(self, price: int, quantity: int) -> int:
        """What a buy holds back: the value, and the higher of the two fees."""
        value = self.money(price, quantity)
        return value + self.fee(value, max(0, self.terms.maker_fee_ppm, self.terms.taker_fee_ppm))


class Refused(Exception):
    """A rule was broken; the argument is the Reason."""


@dataclass
class NaiveEngine:
    """Predicts what Engine.apply returns, a command at a time."""

    now: int = 0
    number: int = 0  # of the command
    seq: int = 0  # of the last event
    day: str = ""
    papers: dict[str, Paper] = field(default_factory=dict)
    accounts: dict[str, DefineAccount] = field(default_factory=dict)
    totals: dict[tuple[str, str], int] = field(default_factory=dict)  # (account, asset)
    orders: list[Resting] = field(default_factory=list)  # open ones, oldest first
    ended: dict[int, Resting] = field(default_factory=dict)  # those of this day
    names: dict[tuple[str, str], int] = field(default_factory=dict)  # (participant, ClOrdID) to order number, or 0
    priority: int = 0
    out: list[Event] = field(default_factory=list)

    def apply(self, now: int, command: Command) -> list[Event]:
        self.now = now
        self.number += 1
        self.out = []
        if isinstance(command, NewOrder):
            self.new_order(command)
        elif isinstance(command, CancelOrder):
            self.cancel(command)
        elif isinstance(command, ReplaceOrder):
            self.replace(command)
        elif isinstance(command, MassCancel):
            self.mass_cancel(command)
        elif isinstance(command, Deposit):
            self.transfer(command, 1)
        elif isinstance(command, Withdraw):
            self.transfer(command, -1)
        elif isinstance(command, DefineInstrument):
            self.define_instrument(command)
        elif isinstance(command, DefineAccount):
            self.define_account(command)
        elif isinstance(command, SetPhase):
            self.set_phase(command)
        elif isinstance(command, ExpireOrders):
            self.expire()
        elif isinstance(command, RollDay):
            self.roll(command)
        return self.out

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def participants(self) -> set[str]:
        return {account.participant for account in self.accounts.values()}

    # -------------------------------------------------------------------------------------------- funds

    def total(self, account: str, asset: str) -> int:
        return self.totals.get((account, asset), 0)

    def move(self, account: str, asset: str, amount: int) -> None:
        self.totals[account, asset] = self.total(account, asset) + amount

    def reserved(self, account: str, asset: str, without: Resting | None = None) -> int:
        """What the open orders of an account hold back of a currency or an instrument."""
        held = 0
        for order in self.orders:
            if order is without or order.account != account:
                continue
            paper = self.papers[order.instrument]
            if order.side == BUY and asset == paper.terms.currency:
                held += paper.cost(order.limit, order.leaves)
            if order.side == SELL and asset == order.instrument:
                held += order.leaves
        return held

    def can_afford(self, order: Resting, leaves: int, limit: int) -> bool:
        """Whether the account can carry `order` with these terms, whatever it holds back now."""
        paper = self.papers[order.instrument]
        if order.side == BUY:
            asset = paper.terms.currency
            return paper.cost(limit, leaves) <= self.total(order.account, asset) - self.reserved(order.account, asset, order)
        short = self.accounts[order.account].short_max * 10**paper.terms.quantity_decimals
        free = self.total(order.account, order.instrument) - self.reserved(order.account, order.instrument, order) + short
        # Who is beyond a short limit that was lowered may still make an order smaller.
        return leaves <= free or (order in self.orders and leaves <= order.leaves)

    # --------------------------------------------------------------------------------------------- rules

    def entry_rules(self, command: NewOrder | ReplaceOrder, side: str) -> int:
        """The price up to which the order may trade. Raises Refused."""
        paper = self.papers[command.instrument]
        terms = paper.terms
        if paper.phase == "closed":
            raise Refused(Reason.AFTER_CLOSE)
        if paper.phase == "halted":
            raise Refused(Reason.NOT_IN_THIS_PHASE)
        if command.quantity < 1 or command.quantity % terms.lot != 0:
            raise Refused(Reason.INVALID_QUANTITY)
        limit = command.price
        if command.order_type == LIMIT:
            if command.price % terms.tick != 0:
                raise Refused(Reason.OFF_TICK)
            if command.price < paper.low or command.price > paper.high:
                raise Refused(Reason.OUTSIDE_PRICE_BAND)
        else:
            limit = {BUY: paper.high, SELL: paper.low}[side]
            if command.time_in_force in (GTC, GTD):
                raise Refused(Reason.UNSUPPORTED)
        if command.time_in_force == GTD and command.expire_time <= self.now:
            raise Refused(Reason.UNSUPPORTED)
        if command.quantity > terms.quantity_max or paper.money(limit, command.quantity) > terms.value_max:
            raise Refused(Reason.LIMIT_EXCEEDED)
        return limit

    def use_name(self, participant: str, cl_ord_id: str) -> None:
        if (participant, cl_ord_id) in self.names:
            raise Refused(Reason.DUPLICATE_CL_ORD_ID)
        self.names[participant, cl_ord_id] = 0

    def new_order(self, command: NewOrder) -> None:
        try:
            if command.participant not in self.participants():
                raise Refused(Reason.UNKNOWN_ACCOUNT)
            self.use_name(command.participant, command.cl_ord_id)
            if command.account not in self.accounts or self.accounts[command.account].participant != command.participant:
                raise Refused(Reason.UNKNOWN_ACCOUNT)
            if command.instrument not in self.papers:
                raise Refused(Reason.UNKNOWN_INSTRUMENT)
            limit = self.entry_rules(command, command.side)
            order = Resting(
                self.number, command.participant, command.account, command.instrument, command.side, command.cl_ord_id,
                command.session, command.order_type, command.time_in_force, command.price, command.quantity, command.expire_time,
                limit, 0, command.cancel_on_disconnect,
            )  # fmt: skip
            if not self.can_afford(order, order.quantity, limit):
                raise Refused(Reason.INSUFFICIENT_FUNDS)
        except Refused as refused:
            self.out.append(
                OrderRejected(
                    self.next_seq(), self.number, command.participant, command.session, command.cl_ord_id, command.account,
                    command.instrument, command.side, command.order_type, command.time_in_force, command.price, command.quantity,
                    command.expire_time, command.routing, refused.args[0], "", command.exec_inst,
                )
            )  # fmt: skip
            return
        self.names[command.participant, command.cl_ord_id] = order.number
        self.orders.append(order)
        self.out.append(
            OrderAccepted(
                self.next_seq(), order.number, command.participant, command.session, command.cl_ord_id, command.account,
                command.instrument, command.side, command.order_type, command.time_in_force, command.price, command.quantity,
                command.expire_time, command.routing, command.exec_inst, command.cancel_on_disconnect,
            )
        )  # fmt: skip
        self.trade(order)

    # ------------------------------------------------------------------------------------------- trading

    def opposite(self, order: Resting) -> list[Resting]:
        """What the order can meet, in the order in which it meets it."""
        met = [
            other
            for other in self.orders
            if other.in_book
            and other.instrument == order.instrument
            and other.side != order.side
            and (other.price <= order.limit if order.side == BUY else other.price >= order.limit)
        ]
        return sorted(met, key=lambda other: (other.price if order.side == BUY else -other.price, other.priority))

    def trade(self, order: Resting) -> None:
        order.in_book = False
        paper = self.papers[order.instrument]
        may_meet_himself = self.accounts[order.account].self_trade == "allow"
        if order.time_in_force == FOK:
            others = [other for other in self.opposite(order) if may_meet_himself or other.participant != order.participant]
            if sum(other.leaves for other in others) < order.leaves:
                return self.over(order, "4", CancelReason.FOK_NOT_FILLABLE)
        for other in self.opposite(order):
            if order.leaves == 0:
                break
            if other.participant == order.participant and not may_meet_himself:
                self.over(other, "4", CancelReason.SELF_TRADE)
                continue
            quantity = min(order.leaves, other.leaves)
            value = paper.money(other.price, quantity)
            maker_fee = paper.fee(value, paper.terms.maker_fee_ppm)
            taker_fee = paper.fee(value, paper.terms.taker_fee_ppm)
            for side, fee in ((order, taker_fee), (other, maker_fee)):
                sign = 1 if side.side == BUY else -1
                self.move(side.account, paper.terms.currency, -sign * value - fee)
                self.move(side.account, side.instrument, sign * quantity)
                side.executed += quantity
            self.out.append(
                Traded(
                    self.next_seq(), order.instrument, other.price, quantity, other.number, order.number, order.side,
                    other.account, order.account, other.leaves, order.leaves, maker_fee, taker_fee,
                )
            )  # fmt: skip
            paper.last = other.price
            for side in (other, order):
                if side.leaves == 0:
                    self.forget(side, "2")
        if order.leaves == 0:
            return None
        if order.order_type == MARKET:
            return self.over(order, "4", CancelReason.MARKET_REMAINDER)
        if order.time_in_force == IOC:
            return self.over(order, "4", CancelReason.IOC_REMAINDER)
        order.in_book = True
        self.priority += 1
        order.priority = self.priority
        return None

    def forget(self, order: Resting, status: str) -> None:
        order.status = status
        self.orders.remove(order)
        self.ended[order.number] = order

    def over(self, order: Resting, status: str, reason: CancelReason, request: CancelOrder | None = None) -> None:
        self.forget(order, status)
        asked = (request.session, request.cl_ord_id, request.routing) if request else ("", "", "")
        self.out.append(OrderCanceled(self.next_seq(), order.number, order.instrument, order.leaves, reason, *asked))

    # ------------------------------------------------------------------------------------------- changes

    def find(self, participant: str, cl_ord_id: str) -> Resting | None:
        number = self.names.get((participant, cl_ord_id), 0)
        return next((order for order in self.orders if order.number == number), self.ended.get(number))

    def addressed(self, command: CancelOrder | ReplaceOrder) -> Resting:
        if command.participant not in self.participants():
            raise Refused(Reason.UNKNOWN_ORDER)
        self.use_name(command.participant, command.cl_ord_id)
        order = self.find(command.participant, command.orig_cl_ord_id)
        if order is None:
            raise Refused(Reason.UNKNOWN_ORDER)
        if order.status:
            raise Refused(Reason.TOO_LATE)
        if (order.instrument, order.side) != (command.instrument, command.side):
            raise Refused(Reason.ORDER_MISMATCH)
        return order

    def reject_change(self, command: CancelOrder | ReplaceOrder, reason: Reason) -> None:
        order = self.find(command.participant, command.orig_cl_ord_id)
        status = "8" if order is None else order.status or ("1" if order.executed else "0")
        self.out.append(
            CancelRejected(
                self.next_seq(), order.number if order else 0, command.participant, command.session, command.cl_ord_id,
                command.orig_cl_ord_id, "1" if isinstance(command, CancelOrder) else "2", status, reason, "", command.routing,
            )
        )  # fmt: skip

    def cancel(self, command: CancelOrder) -> None:
        try:
            order = self.addressed(command)
        except Refused as refused:
            return self.reject_change(command, refused.args[0])
        self.names[command.participant, command.cl_ord_id] = order.number
        self.over(order, "4", CancelReason.REQUESTED, command)
        return None

    def replace(self, command: ReplaceOrder) -> None:
        try:
            order = self.addressed(command)
            limit = self.entry_rules(command, order.side)
            quantity = max(command.quantity, order.executed)
            if not self.can_afford(order, quantity - order.executed, limit):
                raise Refused(Reason.INSUFFICIENT_FUNDS)
        except Refused as refused:
            return self.reject_change(command, refused.args[0])
        loses_place = (
            command.price != order.price
            or quantity > order.quantity
            or command.order_type != order.order_type
            or command.time_in_force in (IOC, FOK)
        )
        former = order.cl_ord_id
        self.names[command.participant, command.cl_ord_id] = order.number
        order.cl_ord_id, order.session = command.cl_ord_id, command.session
        order.order_type, order.time_in_force, order.expire_time = command.order_type, command.time_in_force, command.expire_time
        order.price, order.quantity, order.limit, order.marked = command.price, quantity, limit, command.cancel_on_disconnect
        self.out.append(
            OrderReplaced(
                self.next_seq(), order.number, order.instrument, command.session, command.cl_ord_id, former, command.order_type,
                command.time_in_force, command.price, quantity, order.leaves, command.expire_time, command.routing, loses_place,
                command.exec_inst, command.cancel_on_disconnect,
            )
        )  # fmt: skip
        if order.leaves == 0:
            self.forget(order, "2")
        elif loses_place:
            self.trade(order)
        return None

    def mass_cancel(self, command: MassCancel) -> None:
        try:
            if command.participant not in self.participants():
                raise Refused(Reason.UNKNOWN_ACCOUNT)
            if command.cl_ord_id:
                self.use_name(command.participant, command.cl_ord_id)
            if command.instrument and command.instrument not in self.papers:
                raise Refused(Reason.UNKNOWN_INSTRUMENT)
        except Refused as refused:
            self.out.append(
                MassCancelRejected(
                    self.next_seq(), command.participant, command.session, command.cl_ord_id, command.instrument, refused.args[0],
                    "", command.routing,
                )
            )  # fmt: skip
            return
        due = [order for order in self.orders if order.participant == command.participant]
        if command.instrument:
            due = [order for order in due if order.instrument == command.instrument]
        if command.only_session:
            due = [order for order in due if order.session == command.session]
        if command.spare_persistent:
            due = [order for order in due if order.time_in_force == DAY]
        if command.only_marked:
            due = [order for order in due if order.marked]
        self.out.append(
            MassCanceled(
                self.next_seq(), command.participant, command.session, command.cl_ord_id, command.instrument, len(due),
                command.disconnect, command.routing,
            )
        )  # fmt: skip
        for order in due:
            ended = CancelReason.LOGOUT if command.logout else CancelReason.DISCONNECT
            self.over(order, "4", ended if command.disconnect else CancelReason.MASS_CANCEL)

    # --------------------------------------------------------------------------- time, phases, definitions

    def expire(self) -> None:
        due = [order for order in self.orders if order.time_in_force == GTD and order.expire_time <= self.now]
        self.out.append(OrdersExpired(self.next_seq(), len(due)))
        for order in sorted(due, key=lambda order: (order.expire_time, order.number)):
            self.over(order, "C", CancelReason.GTD_END)

    def roll(self, command: RollDay) -> None:
        if len(command.trading_day) != 8 or command.trading_day <= self.day:
            return self.refuse(command, Reason.BAD_DEFINITION)
        self.day = command.trading_day
        due = [order for order in self.orders if order.time_in_force == DAY]
        self.out.append(DayRolled(self.next_seq(), command.trading_day, len(due)))
        for order in due:
            self.over(order, "C", CancelReason.DAY_END)
        still_open = {order.number for order in self.orders}
        self.names = {name: number for name, number in self.names.items() if number in still_open}
        self.ended = {}
        for paper in self.papers.values():
            paper.reference = paper.last or paper.reference
        return None

    def set_phase(self, command: SetPhase) -> None:
        chosen = [command.instrument] if command.instrument else sorted(self.papers)
        if not chosen or chosen[0] not in self.papers:
            return self.refuse(command, Reason.UNKNOWN_INSTRUMENT)
        for symbol in chosen:
            self.papers[symbol].phase = command.phase
            self.out.append(PhaseChanged(self.next_seq(), symbol, command.phase))
        return None

    def transfer(self, command: Deposit | Withdraw, sign: int) -> None:
        if command.account not in self.accounts:
            return self.refuse(command, Reason.UNKNOWN_ACCOUNT)
        if not command.amount.isdigit() or int(command.amount) == 0 or len(command.amount) > 30:
            return self.refuse(command, Reason.INVALID_AMOUNT)
        if command.asset not in self.papers and command.asset not in {paper.terms.currency for paper in self.papers.values()}:
            return self.refuse(command, Reason.UNKNOWN_INSTRUMENT)
        amount = sign * int(command.amount)
        if -amount > 0 and -amount > self.total(command.account, command.asset) - self.reserved(command.account, command.asset):
            return self.refuse(command, Reason.INSUFFICIENT_FUNDS)
        self.move(command.account, command.asset, amount)
        balance = self.total(command.account, command.asset)
        self.out.append(BalanceChanged(self.next_seq(), command.account, command.asset, str(amount), str(balance)))
        return None

    def define_instrument(self, command: DefineInstrument) -> None:
        """Only definitions that make sense by themselves are expected here; those that do not are in the rule book."""
        known = self.papers.get(command.instrument)
        if known is None:
            self.papers[command.instrument] = Paper(command, command.reference_price)
        else:
            now, then = known.terms, command
            if now.currency != then.currency:
                return self.refuse(command, Reason.BAD_DEFINITION)
            if (now.price_decimals, now.quantity_decimals) != (then.price_decimals, then.quantity_decimals):
                return self.refuse(command, Reason.BAD_DEFINITION)
            if any(order.instrument == command.instrument for order in self.orders) and (
                now.tick != then.tick
                or now.lot != then.lot
                or (now.maker_fee_ppm, now.taker_fee_ppm) != (then.maker_fee_ppm, then.taker_fee_ppm)
            ):
                return self.refuse(command, Reason.BAD_DEFINITION)
            if then.reference_price != now.reference_price:
                known.reference = then.reference_price
            known.terms = then
        self.out.append(
            InstrumentDefined(
                self.next_seq(), command.instrument, command.currency, command.price_decimals, command.quantity_decimals,
                command.tick, command.lot, command.quantity_max, command.value_max, command.reference_price, command.band_bps,
                command.maker_fee_ppm, command.taker_fee_ppm,
            )
        )  # fmt: skip
        return None

    def define_account(self, command: DefineAccount) -> None:
        known = self.accounts.get(command.account)
        if command.short_max < 0 or (known and known.participant != command.participant):
            return self.refuse(command, Reason.BAD_DEFINITION)
        self.accounts[command.account] = command
        self.out.append(
            AccountDefined(self.next_seq(), command.account, command.participant, command.short_max, command.self_trade)
        )
        return None

    def refuse(self, command: Command, reason: Reason) -> None:
        self.out.append(CommandRefused(self.next_seq(), type(command).__name__, reason, ""))
