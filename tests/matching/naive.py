"""A second engine, slow and plain, written from docs/market-rules.md: it predicts every event, and shares no code with the first.

It takes the commands and says what is answered; what is refused is in naive_rules.py, what then happens in the market
is in naive_market.py. Whether the texts of refusals are the same is not its concern: they are left empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from matching.messages import (
    AT_THE_CLOSE,
    BUY,
    DAY,
    FOK,
    GTC,
    GTD,
    INT64_MAX,
    IOC,
    LIMIT,
    PEGGED,
    SELL,
    STOP,
    STOP_LIMIT,
    AccessSet,
    AccountDefined,
    AllocateTrade,
    AllocationRejected,
    AuctionIndicated,
    BalanceChanged,
    BustTrade,
    CancelOrder,
    CancelQuotes,
    CancelReason,
    CancelRejected,
    Command,
    CommandRefused,
    Conditions,
    CorrectTrade,
    DayRolled,
    DefineAccount,
    DefineInstrument,
    DefineParticipant,
    DeliveriesHeld,
    Deposit,
    EndPauses,
    Event,
    ExpireOrders,
    FeesSet,
    HoldDeliveries,
    IndicativePublished,
    InstrumentDefined,
    ListAccepted,
    ListRejected,
    MarginSet,
    MarketPhaseChanged,
    MassCancel,
    MassCanceled,
    MassCancelRejected,
    MassQuote,
    NewOrder,
    NewOrderList,
    OperatorCancel,
    OperatorNote,
    OperatorNoted,
    OrderAccepted,
    OrderRejected,
    OrderReplaced,
    OrdersExpired,
    OrderState,
    ParticipantDefined,
    PausesEnded,
    PayDividend,
    PublishIndicative,
    QuoteEntry,
    QuoteResult,
    QuotesAnswered,
    QuotesCanceled,
    Reason,
    ReferenceSet,
    ReplaceOrder,
    RollDay,
    SetAccess,
    SetFees,
    SetMargin,
    SetPhase,
    SetReference,
    SetSettlement,
    SettlementSet,
    Side,
    SplitInstrument,
    TradeAllocated,
    TradeBusted,
    TradeCorrected,
    Traded,
    Withdraw,
)
from tests.matching.naive_actions import pay_dividend, split_instrument
from tests.matching.naive_margin import call, carries, in_currency, margins_now, opening
from tests.matching.naive_market import (
    AUCTIONS,
    CANCELED,
    EXPIRED,
    FILLED,
    NOTHING_SAID,
    NUMBERS_A_COMMAND,
    NaiveMarket,
    Order,
    OrderList,
    Paper,
)
from tests.matching.naive_rules import LASTING, Refused, check_terms, fits, unless, whole_number


@dataclass
class Sale:
    """A trade as it is now."""

    price: int
    quantity: int
    maker_fee: int
    taker_fee: int
    busted: bool = False


@dataclass
class NaiveEngine:
    """Predicts what Engine.apply returns, a command at a time."""

    market: NaiveMarket = field(default_factory=NaiveMarket)
    day: str = ""
    day_began: int = 0  # the last event of the day before
    participants: dict[str, DefineParticipant] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    phases: dict[str, str] = field(default_factory=dict)  # of markets that were moved
    names: dict[tuple[str, str], int] = field(default_factory=dict)  # (participant, ClOrdID) to order number, or 0
    sales: dict[int, Sale] = field(default_factory=dict)  # trades of this day that were busted or corrected
    allocated: list[tuple[int, str]] = field(default_factory=list)  # trade and side, of this day

    def apply(self, now: int, command: Command) -> list[Event]:
        market = self.market
        market.now = now
        market.number += 1
        market.out = []
        match command:
            case NewOrder():
                self.new_order(command)
            case CancelOrder():
                self.cancel(command)
            case ReplaceOrder():
                self.replace(command)
            case MassCancel():
                self.mass_cancel(command)
            case NewOrderList():
                self.new_list(command)
            case MassQuote():
                self.quote(command)
            case CancelQuotes():
                self.cancel_quotes(command)
            case ExpireOrders():
                self.expire()
            case EndPauses():
                self.end_pauses()
            case PublishIndicative():
                self.publish_indicative()
            case OperatorNote():
                market.say(OperatorNoted, command.text, command.by)
            case AllocateTrade():
                self.allocate(command)
            case _:
                try:
                    self.operate(command)
                except Refused as refused:
                    market.say(CommandRefused, type(command).__name__, refused.args[0], "")
        market.finish()
        call(market)
        return market.out

    def operate(self, command: Command) -> None:
        """Commands that are answered by CommandRefused where they are refused."""
        match command:
            case Deposit():
                self.transfer(command, 1)
            case Withdraw():
                self.transfer(command, -1)
            case DefineInstrument():
                self.define_instrument(command)
            case DefineAccount():
                self.define_account(command)
            case DefineParticipant():
                self.define_participant(command)
            case SetPhase():
                self.set_phase(command)
            case RollDay():
                self.roll(command)
            case SetAccess():
                self.set_access(command)
            case SetReference():
                self.set_reference(command)
            case OperatorCancel():
                self.operator_cancel(command)
            case BustTrade():
                self.bust(command)
            case CorrectTrade():
                self.correct(command)
            case SetSettlement():
                self.set_settlement(command)
            case HoldDeliveries():
                self.hold_deliveries(command)
            case PayDividend():
                pay_dividend(self.market, command)
            case SplitInstrument():
                split_instrument(self.market, command)
            case SetFees():
                self.set_fees(command)
            case SetMargin():
                self.set_margin(command)
            case _:
                raise AssertionError(command)

    # ----------------------------------------------------------------------------------- what a generator looks at

    @property
    def orders(self) -> list[Order]:
        return self.market.orders

    @property
    def papers(self) -> dict[str, Paper]:
        return self.market.papers

    def find(self, participant: str, cl_ord_id: str) -> Order | None:
        return self.order(self.names.get((participant, cl_ord_id), 0))

    def order(self, number: int) -> Order | None:
        """An order that is open, or has ended today."""
        return next((order for order in self.orders if order.number == number), self.market.ended.get(number))

    # --------------------------------------------------------------------------------------------- rules

    def use_name(self, participant: str, cl_ord_id: str) -> None:
        unless((participant, cl_ord_id) not in self.names, Reason.DUPLICATE_CL_ORD_ID)
        self.names[participant, cl_ord_id] = 0

    def unless_blocked(self, participant: str) -> None:
        unless(self.access.get(participant, "normal") == "normal", Reason.BLOCKED)

    def limits_of_a_day(self, participant: str, more_open: int) -> None:
        terms = self.participants[participant]
        used = sum(name[0] == participant for name in self.names) if terms.orders_per_day_max else 0
        still_open = sum(order.participant == participant for order in self.orders) + more_open
        unless(not 0 < terms.orders_per_day_max < used, Reason.LIMIT_EXCEEDED)
        unless(not 0 < terms.open_orders_max <= still_open, Reason.LIMIT_EXCEEDED)

    def check_terms(self, command: NewOrder | ReplaceOrder, old: Order | None = None) -> int:
        return check_terms(self.market, self.participants[command.participant], command, old)

    def unless_called(self, order: Order, instead_of: list[Order] | None = None) -> None:
        """While an account is called, nothing that opens is taken; `order` as it would be."""
        market = self.market
        currency = self.papers[order.instrument].terms.currency
        if (order.account, currency) in market.clearing.called:
            others = [other for other in in_currency(market, order.account, currency) if other not in (instead_of or [])]
            unless(order not in opening(market, [*(other for other in others if other is not order), order]), Reason.MARGIN_CALL)

    def would_trade(self, command: NewOrder | ReplaceOrder) -> bool:
        return self.market.would_trade(command.instrument, command.side, command.price, command.conditions or NOTHING_SAID)

    def affordable(self, orders: list[Order], instead_of: list[Order] | None = None) -> bool:
        """Whether the accounts can carry orders that are not open yet, where others have none left."""
        market = self.market
        margins = {order.account: margins_now(market, order.account) for order in orders}
        before = [order.leaves for order in instead_of or []]
        for order in instead_of or []:
            order.leaves = 0
        self.orders.extend(orders)
        at_work = [order for order in orders if order.parked != "list"]
        rich = all(market.available(order.account, market.asset_of(order)) >= 0 for order in at_work)
        rich = rich and all(carries(market, account, margin) for account, margin in margins.items())
        for order in orders:
            self.orders.remove(order)
        for order, leaves in zip(instead_of or [], before, strict=True):
            order.leaves = leaves
        return rich

    # --------------------------------------------------------------------------------------------- new orders

    def rules_for_all(self, command: NewOrder) -> None:
        account = self.market.accounts.get(command.account)
        unless(account is not None and account.participant == command.participant, Reason.UNKNOWN_ACCOUNT)
        unless(command.instrument in self.papers, Reason.UNKNOWN_INSTRUMENT)

    def made(self, command: NewOrder, number: int, limit: int) -> Order:
        """The order of a command, not open yet."""
        return Order(
            number, command.participant, command.session, command.cl_ord_id, command.account, command.instrument, command.side,
            command.order_type, command.time_in_force, command.price, command.quantity, command.expire_time, command.routing,
            command.exec_inst, command.cancel_on_disconnect, command.conditions, limit, self.market.now, command.quantity,
        )  # fmt: skip

    def accept(self, order: Order) -> None:
        """Say that an order was taken; it is open from now on."""
        if order.cl_ord_id:
            self.names[order.participant, order.cl_ord_id] = order.number
        order.parked = order.parked or self.market.waits_for(order)
        self.orders.append(order)
        self.market.say(
            OrderAccepted, order.number, order.participant, order.session, order.cl_ord_id, order.account, order.instrument,
            order.side, order.order_type, order.time_in_force, order.price, order.quantity, order.expire_time, order.routing,
            order.exec_inst, order.marked, order.said, order.parked,
        )  # fmt: skip

    def reject(self, command: NewOrder, number: int, reason: Reason) -> None:
        self.market.say(
            OrderRejected, number, command.participant, command.session, command.cl_ord_id, command.account, command.instrument,
            command.side, command.order_type, command.time_in_force, command.price, command.quantity, command.expire_time,
            command.routing, reason, "", command.exec_inst, command.conditions,
        )  # fmt: skip

    def new_order(self, command: NewOrder) -> None:
        try:
            unless(command.participant in self.participants, Reason.UNKNOWN_ACCOUNT)
            self.use_name(command.participant, command.cl_ord_id)
            self.unless_blocked(command.participant)
            self.rules_for_all(command)
            self.limits_of_a_day(command.participant, 0)
            limit = self.check_terms(command)
            order = self.made(command, self.market.number, limit)
            self.unless_called(order)
            unless(not self.would_trade(command), Reason.WOULD_TRADE)
            unless(self.affordable([order]), Reason.INSUFFICIENT_FUNDS)
        except Refused as refused:
            return self.reject(command, self.market.number, refused.args[0])
        self.accept(order)
        return self.market.go_to_work(order)

    def new_list(self, command: NewOrderList) -> None:
        said = (command.participant, command.session, command.list_id, command.contingency, len(command.orders))
        numbers = [self.market.number + k * NUMBERS_A_COMMAND for k in range(len(command.orders))]
        alternatives = command.contingency == "1"
        group = OrderList(command.contingency)
        try:
            unless(command.participant in self.participants, Reason.UNKNOWN_ACCOUNT)
            unless(2 <= len(command.orders) <= 10, Reason.UNSUPPORTED)
            unless(all(order.participant == command.participant for order in command.orders), Reason.UNSUPPORTED)
            fresh = [(command.participant, order.cl_ord_id) not in self.names for order in command.orders]
            self.names |= {
                (command.participant, order.cl_ord_id): 0 for order, unused in zip(command.orders, fresh, strict=True) if unused
            }
            twice = len({order.cl_ord_id for order in command.orders}) < len(command.orders)
            unless(all(fresh) and not twice, Reason.DUPLICATE_CL_ORD_ID)
            self.unless_blocked(command.participant)
            for k, single in enumerate(command.orders):
                self.rules_for_all(single)
                first = command.orders[0]
                same = (single.account, single.instrument) == (first.account, first.instrument)
                unless(same or not alternatives, Reason.UNSUPPORTED)
                unless(single.time_in_force in LASTING, Reason.UNSUPPORTED)
                self.limits_of_a_day(command.participant, k)
                limit = self.check_terms(single)
                waits = k > 0 and not alternatives
                order = self.made(single, numbers[k], limit)
                order.list = group
                self.unless_called(order)
                unless(waits or not self.would_trade(single), Reason.WOULD_TRADE)
                order.parked = "list" if waits else ""
                group.orders.append(order)
            unless(self.affordable(group.orders), Reason.INSUFFICIENT_FUNDS)
        except Refused as refused:
            self.market.say(ListRejected, *said, refused.args[0], "", command.routing)
            for number, single in zip(numbers, command.orders, strict=True):
                self.reject(single, number, refused.args[0])
            return
        self.market.say(ListAccepted, *said, command.routing)
        orders = list(group.orders)
        for order in orders:
            self.accept(order)
        for order in orders:
            if not order.status and order.parked != "list":
                self.market.go_to_work(order)

    # ------------------------------------------------------------------------------------------- changes

    def addressed(self, command: CancelOrder | ReplaceOrder) -> Order:
        unless(command.participant in self.participants, Reason.UNKNOWN_ORDER)
        self.use_name(command.participant, command.cl_ord_id)
        order = self.find(command.participant, command.orig_cl_ord_id)
        if order is None:
            raise Refused(Reason.UNKNOWN_ORDER)
        unless(not order.status, Reason.TOO_LATE)
        unless((order.instrument, order.side) == (command.instrument, command.side), Reason.ORDER_MISMATCH)
        return order

    def reject_change(self, command: CancelOrder | ReplaceOrder, reason: Reason) -> None:
        order = self.find(command.participant, command.orig_cl_ord_id)
        self.market.say(
            CancelRejected, order.number if order else 0, command.participant, command.session, command.cl_ord_id,
            command.orig_cl_ord_id, "1" if isinstance(command, CancelOrder) else "2", order.state().status if order else "8",
            reason, "", command.routing,
        )  # fmt: skip

    def cancel(self, command: CancelOrder) -> None:
        try:
            order = self.addressed(command)
        except Refused as refused:
            return self.reject_change(command, refused.args[0])
        self.names[command.participant, command.cl_ord_id] = order.number
        return self.market.over(order, CANCELED, CancelReason.REQUESTED, command)

    def replace(self, command: ReplaceOrder) -> None:
        market = self.market
        try:
            order = self.addressed(command)
            self.unless_blocked(command.participant)
            waits = order.parked == "list"
            unless(not waits or command.time_in_force in LASTING, Reason.UNSUPPORTED)
            limit = self.check_terms(command, order)
            kept = waits or self.keeps_place(order, command)
            conditions = command.conditions or NOTHING_SAID
            quantity = max(command.quantity, order.executed + order.busted)
            leaves = quantity - order.executed - order.busted
            asset = market.asset_of(order)
            held_before = market.held_by_orders(order.account, asset)
            before = order.limit, order.leaves
            margins = margins_now(market, order.account)
            try:
                order.leaves = leaves
                self.unless_called(order)
                unless(kept or not self.would_trade(command), Reason.WOULD_TRADE)
                order.limit = limit
                held = market.held_by_orders(order.account, asset)
                if not waits and not (order.side == SELL and held <= held_before):
                    rich = market.available(order.account, asset) >= 0
                    unless(rich and carries(market, order.account, margins), Reason.INSUFFICIENT_FUNDS)
            except Refused:
                order.limit, order.leaves = before
                raise
        except Refused as refused:
            return self.reject_change(command, refused.args[0])

        former = order.cl_ord_id
        marked = order.conditions
        conditions = msgspec.structs.replace(
            conditions, list_id=marked.list_id, contingency=marked.contingency, quote_id=marked.quote_id,
            quote_entry_id=marked.quote_entry_id,
        )  # fmt: skip
        had_display = order.conditions.display_quantity
        self.names[command.participant, command.cl_ord_id] = order.number
        order.cl_ord_id, order.session, order.routing = command.cl_ord_id, command.session, command.routing
        order.order_type, order.time_in_force, order.expire_time = command.order_type, command.time_in_force, command.expire_time
        order.price, order.quantity, order.exec_inst = command.price, quantity, command.exec_inst
        order.marked, order.said = command.cancel_on_disconnect, None if conditions == NOTHING_SAID else conditions
        if kept:
            shown = order.shown if had_display else order.leaves
            order.shown = min(shown, conditions.display_quantity, order.leaves)
        elif leaves:
            order.parked = market.waits_for(order)
        market.say(
            OrderReplaced, order.number, order.instrument, command.session, command.cl_ord_id, former, command.order_type,
            command.time_in_force, command.price, quantity, leaves, command.expire_time, command.routing, not kept,
            command.exec_inst, command.cancel_on_disconnect, order.said, order.parked if leaves else "",
        )  # fmt: skip
        if not leaves:
            market.forget(order, FILLED)
            return market.end_dependents(order)
        if not kept:
            return market.go_to_work(order)
        if order.order_type == PEGGED and not waits:
            self.papers[order.instrument].marks = None
        return None

    def keeps_place(self, order: Order, command: ReplaceOrder) -> bool:
        def alike(conditions: Conditions) -> Conditions:
            if order.order_type not in (STOP, STOP_LIMIT):
                conditions = msgspec.structs.replace(conditions, stop_price=0)
            return msgspec.structs.replace(
                conditions,
                display_quantity=0,
                self_match_id="",
                self_match_instruction="",
                list_id="",
                contingency="",
                quote_id="",
                quote_entry_id="",
            )

        return (
            command.order_type == order.order_type
            and command.price == order.price
            and alike(command.conditions or NOTHING_SAID) == alike(order.conditions)
            and command.quantity <= order.quantity
            and command.time_in_force not in (IOC, FOK)
            and (command.time_in_force == AT_THE_CLOSE) == (order.time_in_force == AT_THE_CLOSE)
        )

    def cancel_all(self, orders: list[Order], reason: CancelReason, status: str = CANCELED) -> None:
        """Those of the orders that have not ended with one before."""
        for order in orders:
            if not order.status:
                self.market.over(order, status, reason)

    def mass_cancel(self, command: MassCancel) -> None:
        try:
            unless(command.participant in self.participants, Reason.UNKNOWN_ACCOUNT)
            if command.cl_ord_id:
                self.use_name(command.participant, command.cl_ord_id)
            unless(not command.instrument or command.instrument in self.papers, Reason.UNKNOWN_INSTRUMENT)
        except Refused as refused:
            return self.market.say(
                MassCancelRejected, command.participant, command.session, command.cl_ord_id, command.instrument, refused.args[0],
                "", command.routing,
            )  # fmt: skip
        due = [order for order in self.orders if order.participant == command.participant]
        if command.instrument:
            due = [order for order in due if order.instrument == command.instrument]
        if command.only_session:
            due = [order for order in due if order.session == command.session]
        if command.spare_persistent:
            due = [order for order in due if order.time_in_force not in (GTC, GTD)]
        if command.only_marked:
            due = [order for order in due if order.marked]
        self.market.say(
            MassCanceled, command.participant, command.session, command.cl_ord_id, command.instrument, len(due),
            command.disconnect, command.routing, command.by,
        )  # fmt: skip
        reason = CancelReason.MASS_CANCEL
        if command.disconnect:
            reason = CancelReason.LOGOUT if command.logout else CancelReason.DISCONNECT
        return self.cancel_all(due, CancelReason.OPERATOR if command.by else reason)

    # --------------------------------------------------------------------------------------------- quotes

    def quote(self, command: MassQuote) -> None:
        market = self.market
        market.seq += 1
        answer = market.seq
        results: list[QuoteResult] = []
        whole = 0
        try:
            account = market.accounts.get(command.account)
            unless(command.participant in self.participants, Reason.UNKNOWN_ACCOUNT)
            unless(account is not None and account.participant == command.participant, Reason.UNKNOWN_ACCOUNT)
            self.unless_blocked(command.participant)
            unless(1 <= len(command.entries) <= 100, Reason.UNSUPPORTED)
            entered = 0
            for entry in command.entries:
                try:
                    entered = self.quote_entry(command, entry, entered)
                    results.append(QuoteResult(entry.entry_id, entry.instrument))
                except Refused as refused:
                    results.append(QuoteResult(entry.entry_id, entry.instrument, refused.args[0]))
        except Refused as refused:
            whole = refused.args[0]
        said = (command.participant, command.session, command.quote_id, results, whole, "", command.response_level, command.routing)
        market.out.insert(0, QuotesAnswered(answer, *said))

    def quote_entry(self, command: MassQuote, entry: QuoteEntry, entered: int) -> int:
        """Take a quote; `entered` orders of this command came before it. How many there are then. Raises Refused."""
        unless(entry.instrument in self.papers, Reason.UNKNOWN_INSTRUMENT)
        paper = self.papers[entry.instrument]
        sides = [(BUY, entry.bid_price, entry.bid_quantity), (SELL, entry.offer_price, entry.offer_quantity)]
        unless(all(quantity > 0 or quantity == price == 0 for _, price, quantity in sides), Reason.INVALID_QUANTITY)
        if entry.bid_quantity and entry.offer_quantity:
            unless(entry.bid_price < entry.offer_price, Reason.UNSUPPORTED)
        unless(paper.phase != "closed", Reason.AFTER_CLOSE)
        unless(paper.phase not in ("halted", "cancel-only", "closing-price"), Reason.NOT_IN_THIS_PHASE)
        orders: list[Order] = []
        for side, price, quantity in sides:
            if quantity:
                marks = Conditions(quote_id=command.quote_id, quote_entry_id=entry.entry_id)
                single = NewOrder(
                    command.participant, command.session, "", command.account, entry.instrument, side, LIMIT, DAY, price,
                    quantity, 0, command.routing, "", command.cancel_on_disconnect, marks,
                )  # fmt: skip
                limit = self.check_terms(single)
                orders.append(self.made(single, self.market.number + (entered + len(orders)) * NUMBERS_A_COMMAND, limit))
                orders[-1].quote = True
        former = [
            order
            for side in (BUY, SELL)
            for order in self.orders
            if order.quote and (order.account, order.instrument, order.side) == (command.account, entry.instrument, side)
        ]
        for order in orders:
            self.unless_called(order, former)
        unless(self.affordable(orders, former), Reason.INSUFFICIENT_FUNDS)
        self.cancel_all(former, CancelReason.REQUOTED)
        for order in orders:
            self.accept(order)
            self.market.go_to_work(order)
        return entered + len(orders)

    def cancel_quotes(self, command: CancelQuotes) -> None:
        due: list[Order] = []
        reason = 0
        if command.participant not in self.participants:
            reason = Reason.UNKNOWN_ACCOUNT
        elif command.instrument and command.instrument not in self.papers:
            reason = Reason.UNKNOWN_INSTRUMENT
        else:
            due = [order for order in self.orders if order.quote and order.participant == command.participant]
            due = [order for order in due if order.instrument == command.instrument or not command.instrument]
        self.market.say(
            QuotesCanceled, command.participant, command.session, command.quote_id, command.instrument, len(due), reason, "",
            command.response_level, command.routing,
        )  # fmt: skip
        self.cancel_all(due, CancelReason.QUOTE_CANCEL)

    # ----------------------------------------------------------------------------------------- time and phases

    def expire(self) -> None:
        due = [order for order in self.orders if order.time_in_force == GTD and order.expire_time <= self.market.now]
        self.market.say(OrdersExpired, len(due))
        self.cancel_all(sorted(due, key=lambda order: (order.expire_time, order.entry)), CancelReason.GTD_END, EXPIRED)

    def roll(self, command: RollDay) -> None:
        unless(len(command.trading_day) == 8 and command.trading_day > self.day, Reason.BAD_DEFINITION)
        unless(0 <= command.settlement_days <= 10, Reason.BAD_DEFINITION)
        ended, self.day = self.day, command.trading_day
        self.day_began = self.market.seq
        self.sales = {}
        self.allocated = []
        due = [order for order in self.orders if order.time_in_force not in (GTC, GTD)]
        self.market.say(DayRolled, command.trading_day, len(due))
        self.cancel_all(due, CancelReason.DAY_END, EXPIRED)
        still_open = {order.number for order in self.orders}
        self.names = {name: number for name, number in self.names.items() if number in still_open}
        self.market.ended = {}
        for paper in self.papers.values():
            if paper.traded:
                paper.put_reference(paper.last)
        clearing = self.market.clearing
        for _ in range(command.settlement_days):
            clearing.net(self.market, ended)
            clearing.settle(self.market)
            clearing.buy_in(self.market)
            clearing.days += clearing.said
        if clearing.waiting is not None:
            terms, clearing.waiting = clearing.waiting, None
            self.put_settlement(terms)

    def set_phase(self, command: SetPhase) -> None:
        market = self.market
        if command.instrument:
            unless(command.instrument in self.papers, Reason.UNKNOWN_INSTRUMENT)
            return market.move_instrument(command.instrument, command.phase, command.by)
        known = {paper.terms.market for paper in self.papers.values()}
        markets = sorted(name for name in known if command.market in ("", name))
        unless(markets != [], Reason.UNKNOWN_INSTRUMENT)
        for name in markets:
            self.phases[name] = command.phase
            market.say(MarketPhaseChanged, name, command.phase, command.by)
            for symbol, paper in sorted(self.papers.items()):
                if paper.terms.market == name and (command.by or paper.phase != "halted"):
                    market.move_instrument(symbol, command.phase, command.by)
        return None

    def end_pauses(self) -> None:
        due = [
            symbol
            for symbol, paper in sorted(self.papers.items())
            if paper.phase == "volatility-auction" and paper.until <= self.market.now
        ]
        self.market.say(PausesEnded, len(due))
        for symbol in due:
            self.market.move_instrument(symbol, "continuous", "")

    def publish_indicative(self) -> None:
        gathering = [(symbol, paper) for symbol, paper in sorted(self.papers.items()) if paper.phase in AUCTIONS]
        news = [(symbol, paper, self.market.auction(paper)) for symbol, paper in gathering]
        news = [(symbol, paper, found) for symbol, paper, found in news if found != paper.indicated]
        self.market.say(IndicativePublished, len(news))
        for symbol, paper, found in news:
            paper.indicated = found
            self.market.say(AuctionIndicated, symbol, *found)

    # ----------------------------------------------------------------------------------- money and definitions

    def transfer(self, command: Deposit | Withdraw, sign: int) -> None:
        market = self.market
        currencies = {paper.terms.currency for paper in self.papers.values()}
        unless(command.account in market.accounts, Reason.UNKNOWN_ACCOUNT)
        unless(whole_number(command.amount) and int(command.amount) > 0, Reason.INVALID_AMOUNT)
        unless(command.asset in self.papers or command.asset in currencies, Reason.UNKNOWN_INSTRUMENT)
        amount = sign * int(command.amount)
        free = market.total(command.account, command.asset) - market.reserved(command.account, command.asset)
        if market.clearing.terms.spend_unsettled:
            free -= market.clearing.receivable(command.account, command.asset)
        free = min(free, market.clearing.settled(market, command.account, command.asset))
        unless(amount > 0 or -amount <= free, Reason.INSUFFICIENT_FUNDS)
        market.move(command.account, command.asset, amount)
        balance = market.total(command.account, command.asset)
        market.say(BalanceChanged, command.account, command.asset, str(amount), str(balance), command.by, command.reference)

    def define_instrument(self, command: DefineInstrument) -> None:
        """Of definitions that make no sense by themselves, only what is drawn is expected here; the others are in the rule book."""
        known = self.papers.get(command.instrument)
        unless(0 <= command.dynamic_band_bps <= 1_000_000 and command.pause_ns > 0 and command.market != "", Reason.BAD_DEFINITION)
        unless(fits(command.reference_price, command.band_bps), Reason.BAD_DEFINITION)
        if known is None:
            phase = self.phases.get(command.market, command.phase)
            self.papers[command.instrument] = Paper(command, command.reference_price, phase)
        else:
            now = known.terms

            def fixed(terms: DefineInstrument) -> tuple[object, ...]:
                return terms.currency, terms.price_decimals, terms.quantity_decimals, terms.market

            def fixed_while_open(terms: DefineInstrument) -> tuple[object, ...]:
                return terms.tick, terms.lot, terms.maker_fee_ppm, terms.taker_fee_ppm

            unless(fixed(now) == fixed(command), Reason.BAD_DEFINITION)
            still_open = any(order.instrument == command.instrument for order in self.orders)
            unless(not still_open or fixed_while_open(now) == fixed_while_open(command), Reason.BAD_DEFINITION)
            if command.reference_price != now.reference_price:
                known.put_reference(command.reference_price)
            known.terms = command
        command = msgspec.structs.replace(command, phase=self.papers[command.instrument].phase)
        self.market.say(InstrumentDefined, *msgspec.structs.astuple(command))

    def define_account(self, command: DefineAccount) -> None:
        known = self.market.accounts.get(command.account)
        unless(command.short_max >= 0, Reason.BAD_DEFINITION)
        unless(known is None or known.participant == command.participant, Reason.BAD_DEFINITION)
        self.market.accounts[command.account] = command
        self.participants.setdefault(command.participant, DefineParticipant(command.participant))
        self.market.say(AccountDefined, *msgspec.structs.astuple(command))

    def define_participant(self, command: DefineParticipant) -> None:
        unless(command.participant != "", Reason.BAD_DEFINITION)
        unless(min(command.open_orders_max, command.orders_per_day_max, command.cancel_grace_seconds) >= 0, Reason.BAD_DEFINITION)
        unless(min(command.orders_per_second, command.cancels_per_second) >= -1, Reason.BAD_DEFINITION)
        unless(whole_number(command.value_max), Reason.BAD_DEFINITION)
        self.participants[command.participant] = command
        self.market.say(ParticipantDefined, *msgspec.structs.astuple(command))

    # -------------------------------------------------------------------------------------------- the operator

    def set_access(self, command: SetAccess) -> None:
        unless(command.participant in self.participants, Reason.UNKNOWN_ACCOUNT)
        self.access[command.participant] = command.access
        due = [order for order in self.orders if order.participant == command.participant and command.access != "normal"]
        self.market.say(AccessSet, command.participant, command.access, len(due), command.by)
        self.cancel_all(due, CancelReason.KILLED)

    def set_reference(self, command: SetReference) -> None:
        unless(command.instrument in self.papers, Reason.UNKNOWN_INSTRUMENT)
        paper = self.papers[command.instrument]
        unless(command.price > 0 and fits(command.price, paper.terms.band_bps), Reason.BAD_DEFINITION)
        unless(command.price % paper.terms.tick == 0, Reason.OFF_TICK)
        paper.put_reference(command.price)
        self.market.say(ReferenceSet, command.instrument, command.price, *paper.band, command.by)

    def operator_cancel(self, command: OperatorCancel) -> None:
        order = next((order for order in self.orders if order.number == command.order_id), None)
        if order is None:
            raise Refused(Reason.UNKNOWN_ORDER)
        self.market.over(order, CANCELED, CancelReason.OPERATOR)

    def sale(self, trade: Traded) -> Sale:
        """A trade that may be taken back, as it is now. Raises Refused."""
        unless(self.day_began < trade.seq <= self.market.seq, Reason.UNKNOWN_TRADE)
        unless({trade.maker_account, trade.taker_account} <= set(self.market.accounts), Reason.UNKNOWN_TRADE)
        unless(trade.instrument in self.papers, Reason.UNKNOWN_TRADE)
        sale = self.sales.get(trade.seq, Sale(trade.price, trade.quantity, trade.maker_fee, trade.taker_fee))
        unless(not sale.busted and not any(seq == trade.seq for seq, _ in self.allocated), Reason.TOO_LATE)
        unless(self.papers[trade.instrument].split < trade.seq, Reason.TOO_LATE)
        return sale

    def settle_or_refuse(self, paper: Paper, moves: list[tuple[str, Side, int, int, int]]) -> None:
        """Make moves of (account, side, value, quantity, fee), or none where one would have less available than he may."""
        market = self.market
        assets = [(account, asset) for account, *_ in moves for asset in (paper.terms.currency, paper.terms.instrument)]
        available = [market.available(*asset) for asset in assets]
        totals, dealt = dict(market.totals), list(market.clearing.dealt)
        for move in moves:
            market.settle(paper, *move)
        if any(market.available(*asset) < min(before, 0) for asset, before in zip(assets, available, strict=True)):
            market.totals, market.clearing.dealt = totals, dealt
            raise Refused(Reason.INSUFFICIENT_FUNDS)

    def put_in_place(self, trade: Traded, old: Sale, new: Sale) -> tuple[OrderState | None, OrderState | None]:
        """Take a trade back and put another in its place; the orders after it, the maker's first. Raises Refused."""
        paper = self.papers[trade.instrument]
        sides: list[tuple[str, Side, int, int]] = [
            (trade.maker_account, SELL if trade.taker_side == BUY else BUY, old.maker_fee, new.maker_fee),
            (trade.taker_account, trade.taker_side, old.taker_fee, new.taker_fee),
        ]
        moves: list[tuple[str, Side, int, int, int]] = []
        for account, side, old_fee, new_fee in sides:
            moves.append((account, side, -paper.money(old.price, old.quantity), -old.quantity, -old_fee))
            moves.append((account, side, paper.money(new.price, new.quantity), new.quantity, new_fee))
        self.settle_or_refuse(paper, moves)
        self.sales[trade.seq] = new
        for number in (trade.maker_order_id, trade.taker_order_id):
            order = self.order(number)
            if order is not None:
                order.executed -= old.quantity - new.quantity
                order.busted += old.quantity - new.quantity
                order.value += new.price * new.quantity - old.price * old.quantity
        maker, taker = self.order(trade.maker_order_id), self.order(trade.taker_order_id)
        return maker.state() if maker else None, taker.state() if taker else None

    def bust(self, command: BustTrade) -> None:
        trade = command.trade
        old = self.sale(trade)
        orders = self.put_in_place(trade, old, Sale(0, 0, 0, 0, busted=True))
        self.market.say(
            TradeBusted, trade.seq, trade.instrument, old.price, old.quantity, trade.taker_side, trade.maker_account,
            trade.taker_account, old.maker_fee, old.taker_fee, *orders, command.by,
        )  # fmt: skip

    def correct(self, command: CorrectTrade) -> None:
        trade = command.trade
        old = self.sale(trade)
        unless(command.price > 0 and 1 <= command.quantity <= old.quantity, Reason.BAD_DEFINITION)
        unless((command.price, command.quantity) != (old.price, old.quantity), Reason.BAD_DEFINITION)
        paper = self.papers[trade.instrument]
        value = paper.money(command.price, command.quantity)
        unless(value <= INT64_MAX, Reason.BAD_DEFINITION)
        taker_fee = self.market.fee(trade.taker_account, trade.instrument, value, as_maker=False)
        maker_fee = self.market.fee(trade.maker_account, trade.instrument, value, as_maker=not trade.auction)
        orders = self.put_in_place(trade, old, Sale(command.price, command.quantity, maker_fee, taker_fee))
        self.market.say(
            TradeCorrected, trade.seq, trade.instrument, command.price, command.quantity, trade.taker_side, trade.maker_account,
            trade.taker_account, maker_fee, taker_fee, old.price, old.quantity, old.maker_fee, old.taker_fee, *orders, command.by,
        )  # fmt: skip

    # ---------------------------------------------------------------------------------------------------- clearing

    def set_settlement(self, command: SetSettlement) -> None:
        unless(0 <= command.cycle_days <= 10 and 0 <= command.buy_in_days <= 1_000, Reason.BAD_DEFINITION)
        unless(0 <= command.buy_in_premium_ppm <= 10**6, Reason.BAD_DEFINITION)
        if not self.day and not any(paper.last for paper in self.papers.values()):
            return self.put_settlement(command)
        self.market.clearing.waiting = command
        return self.say_settlement(command, in_force=False)

    def put_settlement(self, terms: SetSettlement) -> None:
        self.market.clearing.terms, self.market.clearing.said = terms, True
        self.say_settlement(terms, in_force=True)

    def say_settlement(self, terms: SetSettlement, *, in_force: bool) -> None:
        self.market.say(
            SettlementSet, terms.cycle_days, terms.spend_unsettled, terms.buy_in_days, terms.buy_in_premium_ppm, in_force, terms.by
        )

    def hold_deliveries(self, command: HoldDeliveries) -> None:
        currencies = {paper.terms.currency for paper in self.papers.values()}
        unless(command.account in self.market.accounts, Reason.UNKNOWN_ACCOUNT)
        unless(command.asset in ("", *self.papers, *currencies), Reason.UNKNOWN_INSTRUMENT)
        held = self.market.clearing.held
        held.discard((command.account, command.asset))
        if command.held:
            held.add((command.account, command.asset))
        self.market.say(DeliveriesHeld, command.account, command.asset, command.held, command.by, command.reference)

    def set_fees(self, command: SetFees) -> None:
        maker, taker = command.maker_fee_ppm, command.taker_fee_ppm
        unless(command.participant in self.participants, Reason.UNKNOWN_ACCOUNT)
        unless(command.instrument in ("", *self.papers), Reason.UNKNOWN_INSTRUMENT)
        unless((maker is None) == (taker is None), Reason.BAD_DEFINITION)
        if maker is not None and taker is not None:
            unless(abs(maker) < 10**6 and 0 <= taker < 10**6 and maker + taker >= 0, Reason.BAD_DEFINITION)
        theirs = [order for order in self.orders if order.participant == command.participant]
        unless(all(command.instrument not in ("", order.instrument) for order in theirs), Reason.BAD_DEFINITION)
        rules = self.market.clearing.fees
        rules.pop((command.participant, command.instrument), None)
        if maker is not None and taker is not None:
            rules[command.participant, command.instrument] = maker, taker
        self.market.say(FeesSet, command.participant, command.instrument, maker, taker, command.by)

    def set_margin(self, command: SetMargin) -> None:
        unless(command.instrument in self.papers, Reason.UNKNOWN_INSTRUMENT)
        unless(0 <= command.maintenance_ppm <= command.initial_ppm <= 10**7, Reason.BAD_DEFINITION)
        self.market.clearing.rates[command.instrument] = command.initial_ppm, command.maintenance_ppm
        self.market.say(MarginSet, command.instrument, command.initial_ppm, command.maintenance_ppm, command.by)

    def allocate(self, command: AllocateTrade) -> None:
        market, trade, side, shares = self.market, command.trade, command.side, command.shares
        account = trade.taker_account if side == trade.taker_side else trade.maker_account
        try:
            unless(command.participant in self.participants, Reason.UNKNOWN_ACCOUNT)
            for name in (account, *(share.account for share in shares)):
                known = market.accounts.get(name)
                unless(known is not None and known.participant == command.participant, Reason.UNKNOWN_ACCOUNT)
            unless(self.day_began < trade.seq <= market.seq, Reason.UNKNOWN_TRADE)
            unless({trade.maker_account, trade.taker_account} <= set(market.accounts), Reason.UNKNOWN_TRADE)
            unless(trade.instrument in self.papers, Reason.UNKNOWN_TRADE)
            paper = self.papers[trade.instrument]
            unless((trade.seq, side) not in self.allocated and trade.seq not in self.sales, Reason.TOO_LATE)
            unless(paper.split < trade.seq, Reason.TOO_LATE)
            unless(1 <= len(shares) <= 100, Reason.INVALID_QUANTITY)
            unless(len({share.account for share in shares}) == len(shares), Reason.INVALID_QUANTITY)
            unless(all(share.quantity >= 1 for share in shares), Reason.INVALID_QUANTITY)
            unless(sum(share.quantity for share in shares) == trade.quantity, Reason.INVALID_QUANTITY)
            moves: list[tuple[str, Side, int, int, int]] = []
            for share in shares:
                if share.account != account:
                    value = paper.money(trade.price, share.quantity)
                    moves += [(account, side, -value, -share.quantity, 0), (share.account, side, value, share.quantity, 0)]
            self.settle_or_refuse(paper, moves)
        except Refused as refused:
            return market.say(
                AllocationRejected, command.participant, command.session, command.alloc_id, refused.args[0], "", command.routing
            )
        self.allocated.append((trade.seq, side))
        return market.say(
            TradeAllocated, command.participant, command.session, command.alloc_id, trade.seq, account, trade.instrument, side,
            trade.price, trade.quantity, shares, command.routing,
        )  # fmt: skip
