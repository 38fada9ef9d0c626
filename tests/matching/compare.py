"""Random commands to the engine and to the naive one: the same events, and the invariants after each command.

    python -m tests.matching.compare --commands 1000000 --seed 7

Every run is a function of its seed and number of commands.
"""

from __future__ import annotations

import argparse
import random
import time

import msgspec

from matching.engine import Engine, EngineState
from matching.messages import (
    BUY,
    MONEY_UNIT,
    SELL,
    BalanceChanged,
    CancelOrder,
    Command,
    DefineAccount,
    DefineInstrument,
    Deposit,
    Event,
    ExpireOrders,
    MassCancel,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderReplaced,
    ReplaceOrder,
    RollDay,
    SetPhase,
    Traded,
    Withdraw,
)
from tests.matching.naive import NaiveEngine

SECOND = 1_000_000_000
CHECK_EVERY = 50
RESTORE_EVERY = 2_000
OPEN_ORDERS_MAX = 120

INSTRUMENTS = [
    DefineInstrument("PLAIN", "USD", 2, 0, 1, 1, 500, 30_000 * MONEY_UNIT, 10_000, 200),
    DefineInstrument("FEES", "USD", 2, 0, 5, 10, 500, 30_000 * MONEY_UNIT, 10_000, 300, 1_000, 2_500),
    DefineInstrument("REBATE", "EUR", 2, 8, 1, 1, 10**12, 10**18, 5_000_000, 100, -333, 777),
]
ACCOUNTS = [
    DefineAccount("ann", "ann"),
    DefineAccount("ann-2", "ann", 50),
    DefineAccount("bob", "bob", 1_000),
    DefineAccount("eve", "eve", 0, "allow"),
]
OPENING = [
    *INSTRUMENTS,
    *ACCOUNTS,
    *(Deposit(account.account, currency, str(100_000 * MONEY_UNIT)) for account in ACCOUNTS for currency in ("USD", "EUR")),
    *(Deposit(account.account, symbol, "800") for account in ACCOUNTS for symbol in ("PLAIN", "FEES")),
    *(Deposit(account.account, "REBATE", "800000000") for account in ACCOUNTS),
]


class Generator:
    """Draws commands of all kinds, most of them sensible. It looks at the naive engine to aim at open orders."""

    def __init__(self, seed: int, naive: NaiveEngine) -> None:
        self.random = random.Random(seed)
        self.naive = naive
        self.now = 1_700_000_000 * SECOND
        self.count = 0
        self.day = 0

    def draw(self) -> Command:
        chance = self.random
        self.now += chance.choice((0, 1, SECOND // 20))
        if len(self.naive.orders) > OPEN_ORDERS_MAX and chance.random() < 0.5:
            return self.cancel()
        kind = chance.random()
        if kind < 0.62:
            return self.order()
        if kind < 0.75:
            return self.cancel()
        if kind < 0.92:
            return self.replace()
        return self.rare()

    def name(self) -> str:
        """A ClOrdID, now and then one that may have been used."""
        self.count += 1
        if self.random.random() < 0.98:
            return f"n{self.count}"
        return f"n{self.random.randrange(max(0, self.count - 200), self.count)}"

    def participant(self) -> str:
        return self.random.choice(("ann", "bob", "eve", "eve", "bob", "ann")) if self.random.random() < 0.995 else "joe"

    def symbol(self) -> str:
        return self.random.choice(("PLAIN", "PLAIN", "FEES", "REBATE")) if self.random.random() < 0.995 else "NONE"

    def terms(self, symbol: str, side: str) -> tuple[str, str, int, int, int]:
        """Order type, time in force, price, quantity, expire time."""
        chance = self.random
        order_type = "1" if chance.random() < 0.07 else "2"
        time_in_force = chance.choices("01346", (8, 4, 1, 1, 2))[0]
        paper = self.naive.papers.get(symbol)
        tick, lot, middle = (paper.terms.tick, paper.terms.lot, paper.last or paper.reference) if paper else (1, 1, 10_000)
        away = int(chance.expovariate(0.12)) - 2
        price = (middle + (-away if side == BUY else away) * tick) // tick * tick
        quantity = lot * chance.randrange(1, 30) if symbol != "REBATE" else chance.choice((1, 10**8, chance.randrange(1, 10**8)))
        odd = chance.random()
        if odd < 0.01:
            price += 1
        elif odd < 0.02:
            quantity += 1
        elif odd < 0.03:
            price = price * chance.randrange(0, 3)
        elif odd < 0.04:
            quantity *= chance.choice((0, -1, 10, 100))
        expire_time = self.now + chance.randrange(-2, 40) * SECOND // 10 if time_in_force == "6" else 0
        return order_type, time_in_force, 0 if order_type == "1" else price, quantity, expire_time

    def order(self) -> NewOrder:
        participant, symbol, side = self.participant(), self.symbol(), self.random.choice((BUY, SELL))
        account = participant
        if participant == "ann" and self.random.random() < 0.4:
            account = "ann-2"
        elif self.random.random() < 0.005:
            account = "bob"
        session = f"{participant}/{self.random.choice('45')}"
        return NewOrder(
            participant, session, self.name(), account, symbol, side, *self.terms(symbol, side), f"r{self.count}", *self.marks()
        )

    def marks(self) -> tuple[str, bool]:
        """ExecInst, and whether the order is canceled when its session ends."""
        return ("o", True) if self.random.random() < 0.2 else ("", False)

    def aim(self) -> tuple[str, str, str, str]:
        """Participant, ClOrdID, instrument and side of an open order, most times."""
        chance = self.random
        if self.naive.orders and chance.random() < 0.9:
            order = chance.choice(self.naive.orders)
            names = [order.cl_ord_id]
            if chance.random() < 0.02:
                names = [name for (_, name), number in self.naive.names.items() if number == order.number]
            side = order.side if chance.random() < 0.99 else BUY
            return order.participant, chance.choice(names), order.instrument, side
        name = f"n{chance.randrange(max(0, self.count - 300), self.count + 1)}"
        return self.participant(), name, self.symbol(), chance.choice((BUY, SELL))

    def cancel(self) -> CancelOrder:
        participant, name, symbol, side = self.aim()
        return CancelOrder(participant, f"{participant}/4", self.name(), name, symbol, side, "c")

    def replace(self) -> ReplaceOrder:
        participant, name, symbol, side = self.aim()
        order_type, time_in_force, price, quantity, expire_time = self.terms(symbol, side)
        old = self.naive.find(participant, name)
        if old is not None and self.random.random() < 0.5:
            price = old.price
            if self.random.random() < 0.7:
                order_type = old.order_type
                time_in_force, expire_time = old.time_in_force, old.expire_time
            if self.random.random() < 0.5:
                quantity = max(old.quantity + self.random.choice((-20, -10, 0, 0, 10)), 10)
        return ReplaceOrder(
            participant, f"{participant}/5", self.name(), name, symbol, side, order_type, time_in_force, price, quantity,
            expire_time, "x", *self.marks(),
        )  # fmt: skip

    def rare(self) -> Command:
        chance = self.random
        kind = chance.random()
        if kind < 0.03:
            participant = self.participant()
            return MassCancel(
                participant, f"{participant}/{chance.choice('45')}", chance.choice(("", self.name())),
                chance.choice(("", self.symbol())), chance.random() < 0.6, chance.random() < 0.6, chance.random() < 0.5, "m",
                chance.random() < 0.3, chance.random() < 0.5,
            )  # fmt: skip
        if kind < 0.45:
            account = chance.choice(ACCOUNTS).account if chance.random() < 0.95 else "none"
            asset = chance.choice(("USD", "EUR", "PLAIN", "FEES", "REBATE", "GBP"))
            amount = {"USD": 10**13, "EUR": 10**13, "REBATE": 10**8}.get(asset, 50)
            text = str(chance.randrange(amount) if chance.random() < 0.95 else chance.choice((0, "x", 10**17)))
            return Deposit(account, asset, text) if chance.random() < 0.5 else Withdraw(account, asset, text)
        if kind < 0.75:
            return ExpireOrders()
        if kind < 0.90:
            # Closed and halted is an exception: whatever is drawn, trading goes on soon.
            phase = "continuous" if chance.random() < 0.94 else chance.choice(("halted", "closed"))
            return SetPhase(chance.choice(("", self.symbol())), phase)
        if kind < 0.93:
            self.day += chance.choice((0, 1, 1, 1))
            return RollDay(f"{20240101 + self.day:08d}")
        if kind < 0.97:
            terms = chance.choice(INSTRUMENTS)
            changes: list[dict[str, int]] = [
                {}, {"lot": 1}, {"tick": 1}, {"taker_fee_ppm": 3_000}, {"band_bps": 250}, {"quantity_max": 10**11},
                {"price_decimals": 1},
                {"reference_price": terms.reference_price + chance.randrange(-50, 50) * terms.tick},
            ]  # fmt: skip
            return msgspec.structs.replace(terms, **chance.choice(changes))
        known = chance.choice(ACCOUNTS)
        self_trade = chance.choice(("cancel-resting", "allow"))
        return DefineAccount(known.account, known.participant, chance.choice((0, 50, 1_000)), self_trade)


class Watcher:
    """What somebody knows who sees the events alone: open orders, books, balances. Asserts the invariants on the way."""

    def __init__(self) -> None:
        self.seq = 0
        self.orders: dict[int, list] = {}  # number: [accepted or replaced event, leaves, executed, quantity, limit]
        self.books: dict[tuple[str, str], list[int]] = {}  # numbers, in the order of their entry into the book
        self.brought: dict[str, int] = {}  # asset: what was deposited less what was withdrawn
        self.fees: dict[str, int] = {}

    def see(self, events: list[Event], currencies: dict[str, str]) -> None:
        assert events, "every command causes at least one event"
        incoming = 0
        for event in events:
            self.seq += 1
            assert event.seq == self.seq, "events are numbered without a gap"
            if isinstance(event, OrderAccepted):
                assert event.order_id not in self.orders
                incoming = event.order_id
                self.orders[incoming] = [event, event.quantity, 0, event.quantity, event.price]
                self.enter(event.instrument, event.side, incoming)
            elif isinstance(event, Traded):
                self.trade(event, currencies[event.instrument])
            elif isinstance(event, OrderCanceled):
                first, leaves, executed, quantity, _ = self.orders.pop(event.order_id)
                assert event.quantity == leaves, "what is canceled is what was left"
                assert executed + event.quantity == quantity, "executed and canceled are the quantity"
                self.books[first.instrument, first.side].remove(event.order_id)
            elif isinstance(event, OrderReplaced):
                order = self.orders[event.order_id]
                first = order[0]
                assert order[2] + event.leaves == event.quantity
                order[1], order[3], order[4] = event.leaves, event.quantity, event.price
                order[0] = msgspec.structs.replace(first, order_type=event.order_type, price=event.price)
                if event.requeued or not event.leaves:
                    self.books[first.instrument, first.side].remove(event.order_id)
                if event.requeued and event.leaves:
                    self.enter(first.instrument, first.side, event.order_id)
                if not event.leaves:
                    del self.orders[event.order_id]
            elif isinstance(event, BalanceChanged):
                self.brought[event.asset] = self.brought.get(event.asset, 0) + int(event.amount)

    def enter(self, instrument: str, side: str, number: int) -> None:
        self.books.setdefault((instrument, side), []).append(number)

    def trade(self, event: Traded, currency: str) -> None:
        maker, taker = self.orders[event.maker_order_id], self.orders[event.taker_order_id]
        assert maker[0].side != taker[0].side == event.taker_side
        for order, leaves in ((maker, event.maker_leaves), (taker, event.taker_leaves)):
            order[1] -= event.quantity
            order[2] += event.quantity
            assert order[1] == leaves >= 0 < event.quantity and order[1] + order[2] == order[3]
            first, limit = order[0], order[4]
            if first.order_type == "2":
                assert event.price <= limit if first.side == BUY else event.price >= limit, "outside the limit"
        assert event.price == maker[4], "the resting order's price"
        book = self.books[event.instrument, maker[0].side]
        sign = -1 if maker[0].side == BUY else 1
        best = min(book, key=lambda number: (self.orders[number][4] * sign, book.index(number)))
        assert best == event.maker_order_id, "an older or better order was passed over"
        self.fees[currency] = self.fees.get(currency, 0) + event.maker_fee + event.taker_fee
        for number, order in ((event.maker_order_id, maker), (event.taker_order_id, taker)):
            if not order[1]:
                self.books[event.instrument, order[0].side].remove(number)
                del self.orders[number]

    def depth(self, instrument: str, side: str) -> list[tuple[int, int, int]]:
        """(price, order, leaves), best first, oldest first."""
        book = self.books.get((instrument, side), [])
        sign = -1 if side == BUY else 1
        lines = [(self.orders[number][4], number, self.orders[number][1]) for number in book]
        return sorted(lines, key=lambda line: line[0] * sign)


def check_state(engine: Engine, naive: NaiveEngine, watcher: Watcher) -> None:
    """Compare what the three know."""
    engine.check()
    assets = {*naive.papers, "USD", "EUR"}
    for account in naive.accounts:
        known = engine.accounts[account]
        for asset in assets:
            balance = known.positions.get(asset) or known.cash.get(asset)
            have = (balance.total, balance.reserved) if balance else (0, 0)
            assert have == (naive.total(account, asset), naive.reserved(account, asset)), f"{account} {asset}"
    for asset in assets:
        total = sum(naive.total(account, asset) for account in naive.accounts)
        assert total + watcher.fees.get(asset, 0) == watcher.brought.get(asset, 0), f"{asset} is not conserved"
    for symbol, instrument in engine.instruments.items():
        for side, levels in ((BUY, instrument.bids), (SELL, instrument.offers)):
            depth = [(order.price, order.order_id, order.leaves) for level in levels for order in level]
            assert depth == watcher.depth(symbol, side), f"{symbol}: the events tell another book"


def without_text(event: Event) -> Event:
    return msgspec.structs.replace(event, text="") if hasattr(event, "text") else event


def compare(count: int, seed: int, *, seen: set[object] | None = None, report_every: int = 0) -> dict[str, int]:
    """Run `count` commands. Raises AssertionError naming the command; returns how many events of each kind
    there were, and adds the reasons of refusals and cancels to `seen`."""
    engine, naive, watcher = Engine(), NaiveEngine(), Watcher()
    generator = Generator(seed, naive)
    currencies = {terms.instrument: terms.currency for terms in INSTRUMENTS}
    kinds: dict[str, int] = {}
    started = time.monotonic()
    for number in range(1, count + 1):
        command = OPENING[number - 1] if number <= len(OPENING) else generator.draw()
        try:
            events = engine.apply(number, generator.now, [command])
            expected = naive.apply(generator.now, command)
            assert [without_text(event) for event in events] == expected
            assert all(event.text for event in events if hasattr(event, "text")), "a refusal says why"
            watcher.see(events, currencies)
            for instrument in engine.instruments.values():
                bid, offer = instrument.bids.best, instrument.offers.best
                assert bid is None or offer is None or bid.price < offer.price, "crossed"
            if number % CHECK_EVERY == 0 or number == count:
                check_state(engine, naive, watcher)
            if number % RESTORE_EVERY == 0:
                digest = engine.digest()
                engine = Engine.from_state(msgspec.msgpack.decode(msgspec.msgpack.encode(engine.state()), type=EngineState))
                assert engine.digest() == digest, "a snapshot is not what it was made of"
        except AssertionError as error:
            raise AssertionError(
                f"command {number}, {command}: {error}\n"
                f"to run this again: python -m tests.matching.compare --commands {number} --seed {seed}"
            ) from error
        for event in events:
            kind = type(event).__name__
            kinds[kind] = kinds.get(kind, 0) + 1
            if seen is not None and hasattr(event, "reason"):
                seen.add(event.reason)
        if report_every and number % report_every == 0:
            print(f"{number:,} commands, {watcher.seq:,} events, {time.monotonic() - started:.0f} s", flush=True)
    return kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    kinds = compare(chosen.commands, chosen.seed, report_every=100_000)
    for kind, number in sorted(kinds.items()):
        print(f"{kind:20} {number:>10,}")
    print(f"equal over {chosen.commands:,} commands, seed {chosen.seed}")


if __name__ == "__main__":
    main()
