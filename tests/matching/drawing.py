"""Random commands of all kinds and in all phases, most of them sensible. It draws them and applies none.

Every stream is a function of its seed and of the naive engine that it looks at to aim at open orders.
"""

from __future__ import annotations

import random
from collections import deque
from typing import get_args

import msgspec

from matching.messages import (
    AT_THE_CLOSE,
    AT_THE_OPENING,
    BUY,
    DAY,
    FOK,
    GTC,
    GTD,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    MONEY_UNIT,
    ONE_CANCELS_THE_OTHER,
    ONE_TRIGGERS_THE_OTHER,
    ORDERS_APART,
    PEGGED,
    SELL,
    STOP,
    STOP_LIMIT,
    AllocateTrade,
    BustTrade,
    CancelOrder,
    CancelQuotes,
    Command,
    Conditions,
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
    OrderType,
    PayDividend,
    Peg,
    Phase,
    PublishIndicative,
    QuoteEntry,
    ReplaceOrder,
    RollDay,
    SelfTrade,
    SetAccess,
    SetFees,
    SetMargin,
    SetPhase,
    SetReference,
    SetSettlement,
    Share,
    Side,
    SplitInstrument,
    TimeInForce,
    Traded,
    Withdraw,
)
from tests.matching.naive import NaiveEngine
from tests.matching.naive_market import AUCTIONS, NOTHING_SAID, Order, Paper, within

SECOND = 1_000_000_000
OPEN_ORDERS_MAX = 60

INSTRUMENTS = [
    DefineInstrument("PLAIN", "USD", 2, 0, 1, 1, 500, 30_000 * MONEY_UNIT, 10_000, 200),
    DefineInstrument(
        "FEES", "USD", 2, 0, 5, 10, 500, 30_000 * MONEY_UNIT, 10_000, 300, 1_000, 2_500, dynamic_band_bps=40, pause_ns=SECOND
    ),
    DefineInstrument(
        "REBATE", "EUR", 2, 8, 500, 1, 10**12, 10**18, 5_000_000, 150, -333, 777, 12, 2 * SECOND, market="COINS"
    ),
]  # fmt: skip
LATE = DefineInstrument("LATE", "USD", 2, 0, 1, 1, 500, 30_000 * MONEY_UNIT, 9_000, 500, market="LATE", phase="pre-open", by="op")
ACCOUNTS = [
    DefineAccount("ann", "ann"),
    DefineAccount("ann-2", "ann", 50, "cancel-both"),
    DefineAccount("bob", "bob", 1_000, "decrement"),
    DefineAccount("eve", "eve", 0, "allow"),
]
OPENING: list[Command] = [
    *INSTRUMENTS,
    *ACCOUNTS,
    *(Deposit(account.account, currency, str(100_000 * MONEY_UNIT)) for account in ACCOUNTS for currency in ("USD", "EUR")),
    *(Deposit(account.account, symbol, "800") for account in ACCOUNTS for symbol in ("PLAIN", "FEES")),
    *(Deposit(account.account, "REBATE", "800000000") for account in ACCOUNTS),
]
# The one has to spend what is not there yet, the other to sell what he has not.
POOR = (("eve", "EUR"), ("eve", "USD"), ("bob", "PLAIN"), ("bob", "FEES"), ("bob", "USD"))
PHASES: tuple[Phase, ...] = get_args(Phase)
SELF_TRADES: tuple[SelfTrade, ...] = get_args(SelfTrade)
PEGS: tuple[Peg, ...] = ("primary", "midpoint", "market")
SIDES: tuple[Side, ...] = (BUY, SELL)
ORDER_TYPES: tuple[OrderType, ...] = (LIMIT, MARKET, STOP, STOP_LIMIT, MARKET_TO_LIMIT, PEGGED)
TIMES_IN_FORCE: tuple[TimeInForce, ...] = (DAY, GTC, GTD, IOC, FOK, AT_THE_OPENING, AT_THE_CLOSE)
LASTING: tuple[TimeInForce, ...] = (DAY, GTC, GTD)


class Terms(msgspec.Struct):
    """What a new order and a replace say of an order's terms."""

    order_type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    expire_time: int
    conditions: Conditions | None


class Generator:
    """Draws commands, `now` being the time of the last."""

    def __init__(self, seed: int, naive: NaiveEngine) -> None:
        self.random = random.Random(seed)
        self.naive = naive
        self.now = 1_700_000_000 * SECOND
        self.names = 0
        self.day = 0
        self.trades: deque[Traded] = deque(maxlen=40)

    def saw(self, events: list[Event]) -> None:
        """Trades, so that they can be taken back."""
        self.trades.extend(event for event in events if isinstance(event, Traded))

    def draw(self) -> Command:
        chance = self.random
        self.now += chance.choice((0, 1, SECOND // 20))
        if len(self.naive.orders) > OPEN_ORDERS_MAX and chance.random() < 0.5:
            return self.cancel()
        urgent = self.urgent()
        if urgent is not None:
            return urgent
        kind = chance.random()
        if kind < 0.57:
            return self.order()
        if kind < 0.65:
            return self.cancel()
        if kind < 0.79:
            return self.replace()
        if kind < 0.83:
            return self.order_list()
        if kind < 0.87:
            return self.quote()
        if kind < 0.90:
            return self.of_clearing()
        return self.rare()

    def urgent(self) -> Command | None:
        """What brings the market back to continuous trading, most times: it is an exception that one is out of it for long."""
        chance = self.random
        phases = {symbol: paper.phase for symbol, paper in self.naive.papers.items()}
        if "volatility-auction" in phases.values() and chance.random() < 0.04:
            self.pass_time([paper.until for paper in self.naive.papers.values()])
            return EndPauses()
        if any(phase in AUCTIONS for phase in phases.values()) and chance.random() < 0.05:
            return PublishIndicative()
        still = [symbol for symbol, phase in phases.items() if phase in ("closed", "halted", "cancel-only")]
        if still and chance.random() < 0.05:
            return self.split(chance.choice(still))
        away = [symbol for symbol, phase in phases.items() if phase != "continuous"]
        if away and chance.random() < (0.02 if phases[away[0]] in AUCTIONS else 0.04):
            return self.phase(chance.choice(away), 0.6)
        blocked = [name for name, access in self.naive.access.items() if access != "normal"]
        if blocked and chance.random() < 0.1:
            # Who was killed has no order open, so his fees may change.
            return self.fees(blocked[0]) if chance.random() < 0.3 else SetAccess(blocked[0], "normal", "op")
        limited = [name for name, terms in self.naive.participants.items() if terms.orders_per_day_max]
        if limited and chance.random() < 0.02:
            return DefineParticipant(chance.choice(limited), by="op")
        if chance.random() < 0.005:
            return self.phase(chance.choice(tuple(phases)), 0.02)
        return None

    def pass_time(self, moments: list[int]) -> None:
        """Go on to the very moment at which something is due, or the one before, now and then."""
        soon = [moment for moment in moments if self.now < moment < self.now + SECOND // 2]
        if soon and self.random.random() < 0.5:
            self.now = min(soon) - self.random.randrange(2)

    def phase(self, symbol: str, continuous: float) -> SetPhase:
        chance = self.random
        phase: Phase = "continuous" if chance.random() < continuous else chance.choice(PHASES)
        if self.naive.papers[symbol].phase == "closing-auction" and chance.random() < 0.4:
            phase = "closing-price"
        by = chance.choice(("", "op"))
        kind = chance.random()
        if kind < 0.6:
            return SetPhase(symbol, phase, by=by)
        if kind < 0.98:
            return SetPhase("", phase, self.naive.papers[symbol].terms.market if kind < 0.8 else "", by)
        return SetPhase("NONE", phase) if kind < 0.99 else SetPhase("", phase, "NOWHERE", by)

    # ---------------------------------------------------------------------------------------------- parts of commands

    def name(self) -> str:
        """A ClOrdID, now and then one that may have been used."""
        self.names += 1
        if self.random.random() < 0.985:
            return f"n{self.names}"
        return f"n{self.random.randrange(max(0, self.names - 200), self.names)}"

    def participant(self) -> str:
        return self.random.choice(("ann", "bob", "eve")) if self.random.random() < 0.995 else "joe"

    def account(self, participant: str) -> str:
        chance = self.random
        if participant == "ann" and chance.random() < 0.4:
            return "ann-2"
        return "bob" if chance.random() < 0.005 else participant

    def symbol(self) -> str:
        kind = self.random.random()
        if kind < 0.995:
            return self.random.choice(("PLAIN", "PLAIN", "FEES", "FEES", "REBATE"))
        return "LATE" if kind < 0.998 else "NONE"

    def paper(self, symbol: str) -> Paper:
        """The instrument; for one that is not there, some other."""
        return self.naive.papers.get(symbol, self.naive.papers["PLAIN"])

    def middle(self, paper: Paper) -> int:
        """The last trade's price, where the band has not been put somewhere else since."""
        low, high = paper.band
        return paper.around if low <= paper.around <= high else paper.reference

    def price(self, paper: Paper, side: Side, aggression: int = 2) -> int:
        """Near the last trade: some ticks better, or more ticks worse."""
        tick = paper.terms.tick
        away = int(self.random.expovariate(0.12)) - aggression
        middle = self.middle(paper)
        if paper.phase == "closing-price" and self.random.random() < 0.8:
            middle, away = paper.closing, -self.random.randrange(-1, 5)
        return (middle + (-away if side == BUY else away) * tick) // tick * tick

    def quantity(self, paper: Paper) -> int:
        chance = self.random
        if paper.terms.instrument == "REBATE":
            return chance.choice((1, 10**8, chance.randrange(1, 10**8)))
        return paper.terms.lot * chance.randrange(1, 30 if paper.terms.lot == 1 else 15)

    def time_in_force(self, order_type: OrderType, phase: str) -> TimeInForce:
        """One that goes with the type and the phase, most times."""
        chance = self.random
        if chance.random() < 0.03:
            return chance.choice(TIMES_IN_FORCE)
        if order_type == MARKET_TO_LIMIT or phase == "closing-price":
            return chance.choice((DAY, DAY, IOC, FOK)) if order_type in (MARKET, LIMIT) else DAY
        if order_type in (STOP, STOP_LIMIT, PEGGED):
            return chance.choices(LASTING, (3, 2, 1))[0]
        lasting = (DAY,) if order_type == MARKET else (DAY, DAY, DAY, GTC, GTC, GTD)
        if phase == "continuous":
            return chance.choice((*lasting, *lasting, IOC, IOC, FOK, AT_THE_CLOSE))
        if phase in ("pre-open", "opening-auction"):
            return chance.choice((*lasting, AT_THE_OPENING, AT_THE_CLOSE))
        return chance.choice((*lasting, AT_THE_CLOSE))

    def slice(self, quantity: int, lot: int) -> int:
        """Of an iceberg: no less than a tenth is displayed, most times."""
        return max(quantity // self.random.randrange(2, 10) // lot * lot, lot)

    def conditions(self, paper: Paper, side: Side, order_type: OrderType, time_in_force: TimeInForce, quantity: int) -> Conditions:
        chance = self.random
        lot, tick = paper.terms.lot, paper.terms.tick
        said: dict[str, object] = {}
        if order_type in (STOP, STOP_LIMIT):
            # Stops lie on the other side of the market: a buy above it.
            said["stop_price"] = self.price(paper, SELL if side == BUY else BUY, 1)
        if order_type == PEGGED:
            said["peg"] = chance.choice(PEGS)
            said["peg_offset"] = chance.choice((0, 0, 0, 1, -1, 2, -3, -8)) * tick * (1 if side == BUY else -1)
            if chance.random() < 0.1:  # up to the edge of the band
                edge = paper.band[0 if side == BUY else 1]
                said["peg_offset"] = edge - self.naive.market.marks(paper.terms.instrument)[chance.randrange(2)]
        if paper.phase != "closing-price" or chance.random() < 0.05:
            if order_type in (LIMIT, STOP_LIMIT) and time_in_force in LASTING and chance.random() < 0.2:
                said["display_quantity"] = self.slice(quantity, lot)
            if time_in_force == IOC and chance.random() < 0.4:
                said["min_quantity"] = min(lot * chance.randrange(1, 15), quantity)
            if order_type == LIMIT and time_in_force in LASTING and chance.random() < 0.08:
                said["post_only"] = True
        if chance.random() < 0.25:
            said["self_match_id"] = chance.choice(("", "x", "x", "y"))
            said["self_match_instruction"] = chance.choice(("", "1", "2", "3", "4", "4"))
        odd = chance.random()
        if odd < 0.02:
            wrong: list[dict[str, object]] = [
                {"stop_price": paper.around}, {"stop_price": 0}, {"stop_price": paper.around + 1},
                {"stop_price": 2 * paper.around}, {"peg": "market"}, {"peg": ""}, {"peg_offset": tick}, {"peg_offset": 1},
                {"display_quantity": max(lot, quantity // chance.randrange(2, 2_000))}, {"display_quantity": -lot},
                {"display_quantity": quantity + lot},
                {"display_quantity": max(quantity - 1, 1)}, {"min_quantity": quantity + 1}, {"min_quantity": -1},
                {"min_quantity": 1}, {"post_only": True},
            ]  # fmt: skip
            said |= chance.choice(wrong)
        return Conditions(**said)  # type: ignore[arg-type]

    def terms(self, symbol: str, side: Side, order_type: OrderType | None = None) -> Terms:
        chance = self.random
        paper = self.paper(symbol)
        if order_type is None:
            weights = (88, 9, 1, 1, 1, 1) if paper.phase == "closing-price" else (66, 8, 7, 7, 5, 8)
            order_type = chance.choices(ORDER_TYPES, weights)[0]
        time_in_force = self.time_in_force(order_type, paper.phase)
        price, quantity = self.price(paper, side), self.quantity(paper)
        if order_type in (MARKET, STOP, MARKET_TO_LIMIT) or (order_type == PEGGED and chance.random() < 0.5):
            price = 0
        odd = chance.random()
        if odd < 0.005:
            price += 1
        elif odd < 0.01:
            quantity += 1
        elif odd < 0.015:
            price = price * chance.randrange(0, 3)
        elif odd < 0.02:
            quantity *= chance.choice((0, -1, 10, 100))
        conditions = self.conditions(paper, side, order_type, time_in_force, quantity)
        if (time_in_force == FOK or conditions.min_quantity) and chance.random() < 0.5:
            there = self.there(paper, side, price) + chance.choice((-1, 0, 0, 0, 1)) * paper.terms.lot
            quantity = max(there, paper.terms.lot)
            conditions = msgspec.structs.replace(conditions, min_quantity=quantity if conditions.min_quantity else 0)
        expire_time = self.now + chance.randrange(-2, 80) * SECOND // 10 if time_in_force == GTD else 0
        said = None if conditions == NOTHING_SAID else conditions
        return Terms(order_type, time_in_force, price, quantity, expire_time, said)

    def there(self, paper: Paper, side: Side, price: int) -> int:
        """What rests on the other side up to a price (0: any), less what is of one owner, now and then."""
        without = self.random.choice(("", "", "ann", "bob", "eve"))
        return sum(
            order.leaves
            for order in self.naive.market.book(paper.terms.instrument)
            if order.side != side and order.participant != without and (price == 0 or within(side, order.at, price))
        )

    def marks(self) -> tuple[str, bool]:
        """ExecInst, and whether the order is canceled when its session ends."""
        return ("o", True) if self.random.random() < 0.2 else ("", False)

    def entered(self, participant: str, account: str, session: str, symbol: str, side: Side, terms: Terms) -> NewOrder:
        return NewOrder(
            participant, session, self.name(), account, symbol, side, terms.order_type, terms.time_in_force, terms.price,
            terms.quantity, terms.expire_time, f"r{self.names}", *self.marks(), terms.conditions,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ of participants

    def order(self) -> NewOrder:
        participant, symbol, side = self.participant(), self.symbol(), self.random.choice(SIDES)
        if participant in ("bob", "eve") and self.random.random() < 0.3:
            side = SELL if participant == "bob" else BUY
        session = f"{participant}/{self.random.choice('45')}"
        return self.entered(participant, self.account(participant), session, symbol, side, self.terms(symbol, side))

    def aim(self) -> tuple[str, str, str, Side]:
        """Participant, ClOrdID, instrument and side of an open order, most times."""
        chance = self.random
        named = [order for order in self.naive.orders if order.cl_ord_id]
        if named and chance.random() < 0.92:
            order = chance.choice(named)
            names = [order.cl_ord_id]
            if chance.random() < 0.02:
                names = [name for (_, name), number in self.naive.names.items() if number == order.number]
            side = order.side if chance.random() < 0.99 else BUY
            return order.participant, chance.choice(names), order.instrument, side
        name = f"n{chance.randrange(max(0, self.names - 300), self.names + 1)}"
        return self.participant(), name, self.symbol(), chance.choice(SIDES)

    def cancel(self) -> Command:
        if self.random.random() < 0.02:
            return self.mass_cancel()
        participant, name, symbol, side = self.aim()
        return CancelOrder(participant, f"{participant}/4", self.name(), name, symbol, side, "c")

    def replace(self) -> ReplaceOrder:
        participant, name, symbol, side = self.aim()
        old = self.naive.find(participant, name)
        terms = self.terms(symbol, side, old.order_type if old is not None and self.random.random() < 0.7 else None)
        if old is not None and self.random.random() < 0.6:
            terms = self.amended(old, terms)
        return ReplaceOrder(
            participant, f"{participant}/5", self.name(), name, symbol, side, terms.order_type, terms.time_in_force, terms.price,
            terms.quantity, terms.expire_time, "x", *self.marks(), terms.conditions,
        )  # fmt: skip

    def amended(self, old: Order, terms: Terms) -> Terms:
        """Much of what the order said already, some of it changed."""
        chance = self.random
        lot = self.paper(old.instrument).terms.lot
        conditions = old.conditions
        if old.order_type in (MARKET, LIMIT):  # an elected stop has its stop price behind it
            conditions = msgspec.structs.replace(conditions, stop_price=0)
        if conditions.display_quantity and chance.random() < 0.4:
            conditions = msgspec.structs.replace(conditions, display_quantity=chance.choice((0, self.slice(old.quantity, lot))))
        if chance.random() < 0.1:
            conditions = msgspec.structs.replace(conditions, self_match_id=chance.choice(("", "x", "y")))
        conditions = msgspec.structs.replace(conditions, list_id="", contingency="", quote_id="", quote_entry_id="")
        quantity = old.quantity
        if chance.random() < 0.6:
            quantity = max(old.quantity + chance.choice((-10, -5, -3, 0, 3, 10)) * lot, lot)
        if chance.random() < 0.05:
            quantity = max(old.executed, lot)
        if old.executed and chance.random() < 0.1:
            return Terms(MARKET_TO_LIMIT, DAY, 0, quantity, 0, None)
        return Terms(
            old.order_type,
            old.time_in_force if chance.random() < 0.9 else terms.time_in_force,
            old.price if chance.random() < 0.8 or not old.price else terms.price,
            quantity,
            old.expire_time if chance.random() < 0.7 else terms.expire_time,
            None if conditions == NOTHING_SAID else conditions,
        )

    def order_list(self) -> NewOrderList:
        chance = self.random
        participant, symbol, side = self.participant(), self.symbol(), chance.choice(SIDES)
        account, session = self.account(participant), f"{participant}/4"
        contingency = chance.choice((ONE_CANCELS_THE_OTHER, ONE_TRIGGERS_THE_OTHER))
        count = chance.choice((2, 2, 2, 3, 4)) if chance.random() < 0.98 else chance.choice((0, 1, 11))
        list_id = f"l{self.names}"
        orders = []
        for k in range(count):
            if k and contingency == ONE_TRIGGERS_THE_OTHER and chance.random() < 0.3:
                symbol = self.symbol()
            if (k and chance.random() < 0.4) or chance.random() < 0.03:
                side = SELL if side == BUY else BUY
            if chance.random() < 0.01:
                account, symbol = self.account(participant), self.symbol()
            types: tuple[OrderType, ...] = (LIMIT, LIMIT, LIMIT, MARKET, STOP, STOP, STOP_LIMIT, PEGGED, MARKET_TO_LIMIT)
            order_type: OrderType = chance.choice(types) if k else chance.choice((LIMIT, LIMIT, LIMIT, STOP_LIMIT, PEGGED))
            if self.paper(symbol).phase == "closing-price":
                order_type = LIMIT
            terms = self.terms(symbol, side, order_type)
            if terms.time_in_force not in LASTING and chance.random() < 0.9:
                conditions = msgspec.structs.replace(terms.conditions or NOTHING_SAID, min_quantity=0)
                terms = msgspec.structs.replace(terms, time_in_force=DAY, conditions=conditions)
            if contingency == ONE_TRIGGERS_THE_OTHER and order_type == LIMIT:
                # The first is likely to be filled; what follows may not take part in it.
                if not k:
                    better = chance.randrange(0, 10) * self.paper(symbol).terms.tick
                    terms.price += better if side == BUY else -better
                elif chance.random() < 0.3:
                    terms.conditions = msgspec.structs.replace(terms.conditions or NOTHING_SAID, post_only=True)
            terms.conditions = msgspec.structs.replace(terms.conditions or NOTHING_SAID, list_id=list_id, contingency=contingency)
            owner = "bob" if chance.random() < 0.005 else participant
            orders.append(self.entered(owner, account, session, symbol, side, terms))
        return NewOrderList(participant, session, list_id, contingency, orders, f"r{list_id}")

    def quote(self) -> Command:
        chance = self.random
        participant = self.participant()
        self.names += 1
        if chance.random() < 0.15:
            return CancelQuotes(participant, f"{participant}/4", f"q{self.names}", chance.choice(("", self.symbol())), "", "q")
        entries = [self.quote_entry(f"e{k}") for k in range(chance.choice((1, 1, 2, 3)))]
        if chance.random() < 0.01:
            entries = entries[:1] * chance.choice((0, 101))
        return MassQuote(
            participant, f"{participant}/4", f"q{self.names}", self.account(participant), entries, "1", f"q{self.names}",
            chance.random() < 0.3,
        )  # fmt: skip

    def quote_entry(self, entry_id: str) -> QuoteEntry:
        chance = self.random
        symbol = self.symbol()
        paper = self.paper(symbol)
        tick = paper.terms.tick
        middle = self.middle(paper) // tick + chance.randrange(-3, 4)
        bid, offer = ((middle + sign * chance.randrange(1, 6)) * tick for sign in (-1, 1))
        bids, offers = self.quantity(paper), self.quantity(paper)
        odd = chance.random()
        if odd < 0.06:
            bid = bids = 0
        elif odd < 0.12:
            offer = offers = 0
        elif odd < 0.14:
            bid = bids = offer = offers = 0
        elif odd < 0.15:
            bid = offer
        elif odd < 0.16:
            bids = chance.choice((-1, 0))
        elif odd < 0.17:
            offer += chance.choice((1, 10**6))
        elif odd < 0.18:
            bids *= 100
        return QuoteEntry(entry_id, symbol, bid, bids, offer, offers)

    # ------------------------------------------------------------------------------------------ of time and operators

    def rare(self) -> Command:
        chance = self.random
        kind = chance.random()
        if kind < 0.27:
            self.pass_time([order.expire_time for order in self.naive.orders])
            return ExpireOrders()
        if kind < 0.50:
            return self.transfer()
        if kind < 0.58:
            return self.correction()
        if kind < 0.61:
            self.day += chance.choice((0, 1, 1, 1, 1, 1))
            settlement_days = chance.choice((0, 1, 1, 1, 2)) if chance.random() < 0.98 else chance.choice((-1, 11))
            return RollDay(f"{20240101 + self.day:08d}", settlement_days)
        if kind < 0.63:
            return self.define_instrument()
        if kind < 0.69:
            return self.define_account()
        if kind < 0.75:
            return self.define_participant()
        if kind < 0.77:
            return SetAccess(self.participant() if chance.random() < 0.9 else "joe", chance.choice(("killed", "suspended")), "op")
        if kind < 0.80:
            paper = self.paper(self.symbol())
            ticks = chance.randrange(-10, 11) if chance.random() < 0.8 else chance.randrange(-300, 300)
            price = self.middle(paper) + ticks * paper.terms.tick
            odd = chance.random()
            symbol = paper.terms.instrument if odd < 0.95 else "NONE"
            return SetReference(symbol, price if odd < 0.85 else chance.choice((0, -5, price + 1, 2**63 - 1)), "op")
        if kind < 0.85:
            orders = self.naive.orders
            number = chance.choice(orders).number if orders and chance.random() < 0.9 else chance.randrange(ORDERS_APART)
            return OperatorCancel(number, "op")
        if kind < 0.87:
            return OperatorNote(f"note {self.names}", "op")
        if kind < 0.90:
            return chance.choice((EndPauses(), PublishIndicative()))
        if kind < 0.94:
            return self.mass_cancel()
        return self.order()

    def mass_cancel(self) -> MassCancel:
        chance = self.random
        participant = self.participant()
        by = chance.choice(("", "", "op"))
        return MassCancel(
            participant, f"{participant}/{chance.choice('45')}", chance.choice(("", self.name())),
            chance.choice(("", self.symbol())), chance.random() < 0.6, chance.random() < 0.6, not by and chance.random() < 0.5,
            "m", chance.random() < 0.3, chance.random() < 0.5, by,
        )  # fmt: skip

    def transfer(self) -> Deposit | Withdraw:
        chance = self.random
        account = chance.choice(ACCOUNTS).account
        asset = chance.choice(("USD", "USD", "EUR", "PLAIN", "FEES", "REBATE"))
        if chance.random() < 0.4:
            account, asset = chance.choice(POOR)
        by, reference = chance.choice((("", ""), ("op", "wire")))
        usual = {"USD": 10**15, "EUR": 10**15, "REBATE": 8 * 10**8}.get(asset, 800)
        if (account, asset) in POOR:
            usual //= 50
        odd = chance.random()
        if odd < 0.05:
            asset, account = chance.choice((("GBP", account), (asset, "none")))
        elif odd < 0.10:
            return Deposit(account, asset, chance.choice(("0", "x", "", str(10**31))), by, reference)
        elif odd < 0.15:
            return Withdraw(account, asset, str(10 * usual), by, reference)
        # Who has little gets more, who has much gives much.
        market = self.naive.market
        free = usual
        if odd > 0.05:
            there = market.clearing.settled(market, account, asset) - market.clearing.receivable(account, asset)
            free = min(market.total(account, asset) - market.reserved(account, asset), there)
        if free < usual // 2:
            return Deposit(account, asset, str(chance.randrange(1, usual)), by, reference)
        if free > 2 * usual or chance.random() < 0.15:
            return Withdraw(account, asset, str(free - chance.randrange(0, max(usual // 4, 1))), by, reference)
        return Withdraw(account, asset, str(chance.randrange(1, max(usual // 10, 2))), by, reference)

    def correction(self) -> Command:
        chance = self.random
        if not self.trades:
            return ExpireOrders()
        trade = chance.choice(self.trades if chance.random() < 0.2 else list(self.trades)[-5:])
        odd = chance.random()
        if odd < 0.04:
            trade = msgspec.structs.replace(
                trade, **chance.choice(({"seq": 0}, {"seq": 10**9}, {"maker_account": "none"}, {"instrument": "NONE"}))
            )
        if chance.random() < 0.4:
            return BustTrade(trade, "op")
        price, quantity = trade.price + chance.randrange(-20, 20), trade.quantity - chance.choice((0, 0, 1))
        if odd > 0.95:
            price, quantity = chance.choice(
                ((0, quantity), (price, 0), (price, 2 * trade.quantity), (10**18, quantity), (trade.price, trade.quantity))
            )
        return CorrectTrade(trade, price, quantity, "op")

    def define_instrument(self) -> DefineInstrument:
        chance = self.random
        if chance.random() < 0.1:
            return LATE
        terms = chance.choice(INSTRUMENTS)
        now = self.naive.papers[terms.instrument].terms
        if chance.random() < 0.4:
            return terms  # as it was in the beginning
        changes: list[dict[str, object]] = [
            {}, {"lot": 1}, {"tick": now.tick * 2}, {"taker_fee_ppm": 3_000}, {"band_bps": 250}, {"quantity_max": 10**11},
            {"price_decimals": 1}, {"dynamic_band_bps": chance.choice((0, 30, 80))}, {"pause_ns": SECOND // 2}, {"pause_ns": 0},
            {"dynamic_band_bps": -1}, {"market": "ELSEWHERE"}, {"market": ""}, {"phase": "halted"}, {"reference_price": 2**63 - 1},
            {"reference_price": terms.reference_price + chance.randrange(-20, 20) * terms.tick},
        ]  # fmt: skip
        return msgspec.structs.replace(now, by=chance.choice(("", "op")), **chance.choice(changes))

    def define_account(self) -> DefineAccount:
        chance = self.random
        known = chance.choice(ACCOUNTS)
        owner = known.participant if chance.random() < 0.95 else "bob"
        return DefineAccount(known.account, owner, chance.choice((-1, 0, 50, 1_000, 1_000)), chance.choice(SELF_TRADES), "op")

    def define_participant(self) -> DefineParticipant:
        """Half of them take all limits away."""
        chance = self.random
        name = chance.choice(("ann", "bob", "eve"))
        if chance.random() < 0.5:
            return DefineParticipant(name, by="op")
        used = sum(participant == name for participant, _ in self.naive.names)
        terms = DefineParticipant(
            name, "", 10, 20, "day", 5, str(chance.randrange(1_000, 60_000) * MONEY_UNIT), chance.randrange(5, 30),
            used + chance.randrange(0, 100), "op",
        )  # fmt: skip
        if chance.random() < 0.2:
            wrong: list[dict[str, object]] = [
                {"participant": ""}, {"open_orders_max": -1}, {"orders_per_day_max": -1}, {"value_max": "-1"},
            ]  # fmt: skip
            return msgspec.structs.replace(terms, **chance.choice(wrong))
        return terms

    # ------------------------------------------------------------------------------------------------- of clearing

    def of_clearing(self) -> Command:
        chance = self.random
        kind = chance.random()
        if kind < 0.15:
            return self.settlement()
        if kind < 0.35:
            return self.hold()
        if kind < 0.45:
            symbol = chance.choice(("PLAIN", "FEES", "REBATE")) if chance.random() < 0.95 else "NONE"
            amount: int | str = chance.randrange(1, 2 * MONEY_UNIT)
            if chance.random() < 0.1:
                amount = chance.choice((30 * MONEY_UNIT, 0, "x", "-5", "1" * 31))
            return PayDividend(symbol, str(amount), "op", f"coupon {self.names}")
        if kind < 0.50:
            return self.split(self.symbol())
        if kind < 0.55:
            return self.fees(self.participant())
        if kind < 0.70:
            return self.margin()
        return self.allocation()

    def settlement(self) -> SetSettlement:
        chance = self.random
        if chance.random() < 0.05:
            return chance.choice(
                (SetSettlement(11), SetSettlement(-1), SetSettlement(2, True, 1_001), SetSettlement(2, True, 1, -1))
            )
        return SetSettlement(
            chance.choice((0, 1, 1, 2, 2, 3)), chance.random() < 0.5, chance.choice((0, 1, 1, 2, 3)),
            chance.choice((0, 333_333, 10**6)), chance.choice(("", "op")),
        )  # fmt: skip

    def hold(self) -> HoldDeliveries:
        """Who is held is let go again, in the end."""
        chance = self.random
        held = sorted(self.naive.market.clearing.held)
        if held and chance.random() < 0.5:
            account, asset = chance.choice(held)
            return HoldDeliveries(account, asset, False, "op", "it came")
        account = chance.choice(ACCOUNTS).account if chance.random() < 0.97 else "none"
        asset = chance.choice(("", "USD", "EUR", "PLAIN", "FEES", "REBATE")) if chance.random() < 0.97 else "GBP"
        if chance.random() < 0.3:
            account, asset = "eve", chance.choice(("PLAIN", "FEES", "REBATE"))
        return HoldDeliveries(account, asset, chance.random() < 0.9, "op", "the custodian")

    def split(self, symbol: str) -> Command:
        """Prices stay where they were, in the long run."""
        chance = self.random
        paper = self.paper(symbol)
        if chance.random() < 0.05:
            far = (1_000, 1) if paper.reference < 1_000 * paper.terms.tick else (1, 0)
            return SplitInstrument(symbol, *chance.choice(((0, 1), far, (2, 2), (1_001, 1), (1, 1_001))), "op")
        numerator, denominator = chance.choice(((2, 1), (2, 1), (3, 1), (4, 2), (3, 2)))
        first = next((terms for terms in INSTRUMENTS if terms.instrument == symbol), LATE)
        if paper.reference * 10 < first.reference_price * chance.choice((6, 10, 15)):
            if chance.random() > 0.15 and self.naive.market.clearing.in_settlement(symbol):
                return self.rare()  # it would be refused
            numerator, denominator = denominator, numerator
        return SplitInstrument(symbol, numerator, denominator, "op", f"split {self.names}")

    def fees(self, participant: str) -> SetFees:
        chance = self.random
        symbol = chance.choice(("", "PLAIN", "FEES", "REBATE"))
        odd = chance.random()
        if odd < 0.1:
            maker, taker = chance.choice(((None, 5), (5, None), (-10, 5), (10**6, 5), (0, -1)))
            return SetFees(participant, symbol, maker, taker, "op")
        if odd < 0.13:
            return SetFees(participant, "NONE", 0, 0, "op")
        if odd < 0.4:
            return SetFees(participant, symbol, by="op")
        rebate = chance.choice((0, 0, 900))
        return SetFees(participant, symbol, -rebate or chance.choice((0, 3_000)), rebate + chance.choice((0, 10, 2_000)), "op")

    def margin(self) -> SetMargin:
        """Rates are far above those of a real venue, so that there are calls; most times there are none."""
        chance = self.random
        short = sorted(asset for (_, asset), total in self.naive.market.totals.items() if total < 0 and asset in self.naive.papers)
        symbol = chance.choice(short or ("PLAIN", "FEES", "REBATE")) if chance.random() < 0.96 else "NONE"
        odd = chance.random()
        if odd < 0.04:
            return SetMargin(symbol, *chance.choice(((-1, -1), (100, 101), (10**7 + 1, 0))), "op")
        if odd < 0.3:
            return SetMargin(symbol, 0, 0, "op")
        initial = chance.choice((100_000, 500_000, 10**6, 10**6, 3 * 10**6, 10**7))
        return SetMargin(symbol, initial, chance.choice((0, initial // 2, initial, initial)), "op")

    def allocation(self) -> AllocateTrade | ExpireOrders:
        """Ann has two accounts; most trades are looked through for hers."""
        chance = self.random
        hers = [trade for trade in self.trades if {"ann", "ann-2"} & {trade.maker_account, trade.taker_account}]
        if not hers:
            return ExpireOrders()
        trade = chance.choice(hers if chance.random() < 0.2 else hers[-5:])
        opposite: Side = SELL if trade.taker_side == BUY else BUY
        side = trade.taker_side if trade.taker_account.startswith("ann") else opposite
        odd = chance.random()
        if odd < 0.04:
            trade = msgspec.structs.replace(
                trade, **chance.choice(({"seq": 0}, {"seq": 10**9}, {"maker_account": "none"}, {"instrument": "NONE"}))
            )
        if odd > 0.97:
            side = SELL if side == BUY else BUY
        part = chance.randrange(trade.quantity + 1)
        parts = [("ann", part), ("ann-2", trade.quantity - part)]
        shares = [Share(*one) for one in parts if one[1] or chance.random() < 0.1]
        wrong = chance.random()
        if wrong < 0.08:
            shares = chance.choice(([], shares[:1], shares * 2, [Share("ann", 0)], shares * 51, [Share("bob", trade.quantity)]))
        participant = self.participant() if chance.random() < 0.05 else "ann"
        return AllocateTrade(participant, f"{participant}/4", f"a{self.names}", trade, side, shares, "a")
