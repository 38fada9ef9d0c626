"""What the tests of the ledger are written in: events by hand, random trading by the real engine, and ledgers as plain rows."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine, select

from clearing import schema
from clearing.ledger import Ledger
from clearing.reconciliation import EngineAccount
from following.eventlog import EventLog, Record
from matching.engine import Engine as MatchingEngine
from matching.messages import (
    MONEY_UNIT,
    AllocateTrade,
    BustTrade,
    CancelOrder,
    Command,
    CorrectTrade,
    DefineAccount,
    DefineInstrument,
    Deposit,
    Event,
    EventBatch,
    HoldDeliveries,
    NewOrder,
    PayDividend,
    RollDay,
    SetPhase,
    SetSettlement,
    Share,
    SplitInstrument,
    Traded,
    Withdraw,
)
from matching.recordlog import LogWriter
from matching.sequencer import Sequencer

_encode = msgspec.msgpack.Encoder().encode


def record(events: Sequence[Event], command_seq: int = 0, time: int = 1_000) -> Record:
    """One record of an event log."""
    batch = EventBatch(command_seq or events[-1].seq, time, list(events))
    return Record(events[0].seq, zlib.crc32(_encode(batch)), batch)


def write_log(directory: Path, records: Sequence[Record]) -> None:
    writer = LogWriter(directory)
    for one in records:
        writer.append(one.first, len(one.batch.events), _encode(one.batch))
    writer.close()


def all_records(directory: Path) -> list[Record]:
    log = EventLog(directory, 1)
    records = log.read(10**9)
    log.close()
    return records


def rows(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a ledger, by table, in the order of the primary key."""
    with engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in schema.metadata.sorted_tables
        }


def named_postings(ledger: Ledger) -> list[tuple[int, int, str, str, str, int]]:
    """The postings with names for numbers: (event, leg, from, to, asset, amount). A twin has ` due` behind its name."""
    found = rows(ledger.engine)
    accounts = {row[0]: row[2] + " due" * (row[0] < 0) for row in found["accounts"]}
    assets = {row[0]: row[2] for row in found["assets"]}
    return [
        (seq, leg, accounts[giver], accounts[taker], assets[asset], amount)
        for seq, leg, giver, taker, asset, amount in found["postings"]
    ]


def named_balances(ledger: Ledger) -> dict[tuple[str, str], int]:
    """The balances that are not zero."""
    found = rows(ledger.engine)
    accounts = {row[0]: row[2] + " due" * (row[0] < 0) for row in found["accounts"]}
    assets = {row[0]: row[2] for row in found["assets"]}
    return {(accounts[account], assets[asset]): amount for account, asset, amount, _ in found["balances"] if amount}


def engine_accounts(engine: MatchingEngine) -> dict[str, EngineAccount]:
    return {
        name: EngineAccount(
            {currency: cash.total for currency, cash in account.cash.items()},
            {symbol: position.total for symbol, position in account.positions.items()},
            {currency: cash.unsettled for currency, cash in account.cash.items()},
            {symbol: position.unsettled for symbol, position in account.positions.items()},
        )
        for name, account in engine.accounts.items()
    }


# ---------------------------------------------------------------------------------------- random trading

INSTRUMENTS = {"AAPL": (2, 0), "BTCUSD": (2, 8), "EURJPY": (4, 2)}
ACCOUNTS = ["ALICE", "BOB", "CAROL", "DAVE"]


def definitions(maker_fee_ppm: int = -20, taker_fee_ppm: int = 300) -> list[Command]:
    """Three instruments of different scales, two currencies, four accounts, one of which trades with itself."""
    commands: list[Command] = []
    for name, (price_decimals, quantity_decimals) in INSTRUMENTS.items():
        currency = "JPY" if name == "EURJPY" else "USD"
        commands.append(
            DefineInstrument(
                name, currency, price_decimals, quantity_decimals, 1, 1, 10**12, 2**62, 10_000, 5_000, maker_fee_ppm, taker_fee_ppm
            )
        )
    for name in ACCOUNTS:
        commands.append(DefineAccount(name, name, 5 if name == "BOB" else 0, "allow" if name == "DAVE" else "cancel-resting"))
        commands.append(Deposit(name, "USD", str(10**12 * MONEY_UNIT)))  # beyond 64 bits
        commands.append(Deposit(name, "JPY", str(10**6 * MONEY_UNIT)))
        commands += [Deposit(name, symbol, str(10**10)) for symbol in INSTRUMENTS]
    return commands


def trading(seed: int, count: int) -> list[Command]:
    """`count` random commands, most of which trade."""
    chance = random.Random(seed)
    commands: list[Command] = []
    for number in range(count):
        account = chance.choice(ACCOUNTS)
        symbol = chance.choice(list(INSTRUMENTS))
        side = chance.choice(["1", "2"])
        kind = chance.random()
        if kind < 0.85:
            order_type, time_in_force = ("1", "3") if chance.random() < 0.1 else ("2", chance.choice(["0", "1", "3", "4"]))
            price = 0 if order_type == "1" else chance.randint(9_900, 10_100)
            quantity = chance.randint(1, 1_000)
            commands.append(
                NewOrder(account, f"S:{account}", f"C{number}", account, symbol, side, order_type, time_in_force, price, quantity)  # type: ignore[arg-type]
            )
        elif kind < 0.95:
            commands.append(
                CancelOrder(account, f"S:{account}", f"C{number}", f"C{chance.randint(0, number)}", symbol, side)  # type: ignore[arg-type]
            )
        else:
            asset = chance.choice(["USD", "JPY", *INSTRUMENTS])
            amount = str(chance.randint(1, 10**22 if asset == "USD" and chance.random() < 0.3 else 10**6))
            commands.append((Deposit if chance.random() < 0.5 else Withdraw)(account, asset, amount))
    return commands


def trade_randomly(data: Path, seed: int, count: int, batch: int = 20) -> MatchingEngine:
    """Journal and event log of a venue with `count` random commands behind it, and its engine."""
    clock = iter(range(1_700_000_000_000_000_000, 2**62, 1_000_000))
    sequencer = Sequencer(data, "os", lambda: next(clock))
    for _ in sequencer.recover():
        pass
    commands = definitions() + trading(seed, count)
    for start in range(0, len(commands), batch):
        sequencer.submit(commands[start : start + batch])
        sequencer.receive()
        sequencer.publish()
    sequencer.close()
    return sequencer.engine


# -------------------------------------------------------------------------------------------- days of settlement


def settling(seed: int, days: int, a_day: int) -> Iterator[tuple[MatchingEngine, Record]]:
    """Trading days of the real engine with later settlement, a record for each few commands: fails, buy-ins, dividends, splits,
    busts, corrections, allocations, and now and then other terms. Each step yields the engine after it."""
    chance = random.Random(seed)
    engine = MatchingEngine()
    traded: list[Traded] = []
    first, time = 1, 1_700_000_000_000_000_000

    def apply(commands: list[Command]) -> Record:
        nonlocal first, time
        time += 1_000_000
        events = engine.apply(engine.command_seq + 1, time, commands)
        traded.extend(event for event in events if isinstance(event, Traded))
        made = Record(first, 0, EventBatch(engine.command_seq, time, events))
        first += len(events)
        return made

    yield engine, apply([*definitions(), *[DefineAccount(name, "ALICE", 50, "allow") for name in ("A1", "A2")]])
    yield engine, apply([SetSettlement(1, True, 2, 50_000), RollDay("20260101")])
    for day in range(2, days + 2):
        for command in trading(seed * 1_000 + day, a_day):
            if isinstance(command, NewOrder | CancelOrder):  # their names are forgotten in the evening, and some orders are not
                command = msgspec.structs.replace(command, cl_ord_id=f"{day}-{command.cl_ord_id}")
            yield engine, apply([command])
            if traded and chance.random() < 0.05:
                yield engine, apply([_amendment(chance, traded[-1])])
        evening: list[Command] = []
        if chance.random() < 0.3:
            symbol, ratio = chance.choice(list(INSTRUMENTS)), chance.choice([(2, 1), (3, 1), (1, 2), (3, 2)])
            evening += [SetPhase(symbol, "halted"), SplitInstrument(symbol, *ratio), SetPhase(symbol, "continuous")]
        if chance.random() < 0.5:
            evening.append(PayDividend(chance.choice(list(INSTRUMENTS)), str(chance.randint(1, MONEY_UNIT)), "eve", "a dividend"))
        for _ in range(3):
            asset = chance.choice(["USD", "JPY", "", *INSTRUMENTS])
            evening.append(HoldDeliveries(chance.choice(ACCOUNTS), asset, chance.random() < 0.5, "eve", "a custodian"))
        if chance.random() < 0.3:
            evening.append(SetSettlement(chance.choice([0, 1, 2]), chance.random() < 0.7, chance.choice([0, 1, 2]), 50_000))
        traded.clear()
        yield engine, apply([*evening, RollDay(f"202601{day:02}", chance.choice([0, 1, 1, 1, 2]))])


def _amendment(chance: random.Random, trade: Traded) -> Command:
    """A bust, a correction or an allocation of a trade."""
    kind = chance.random()
    if kind < 0.3:
        return BustTrade(trade)
    if kind < 0.6:
        return CorrectTrade(trade, trade.price + chance.randint(-5, 5), chance.randint(1, trade.quantity))
    side = "1" if (trade.taker_side == "1") == (trade.taker_account == "ALICE") else "2"
    parts = chance.randint(0, trade.quantity)
    shares = [Share(name, quantity) for name, quantity in (("A1", parts), ("ALICE", trade.quantity - parts)) if quantity]
    return AllocateTrade("ALICE", "S", f"A{trade.seq}", trade, side, shares)  # type: ignore[arg-type]
