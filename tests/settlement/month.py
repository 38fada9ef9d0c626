"""A month of a venue on which everything happens, in its journal and its event log; what its engine has at the end of each day.

Every month is a function of its seed and its terms of settlement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from clearing.reconciliation import EngineAccount
from following.eventlog import EventLog, Record
from matching.messages import (
    MONEY_UNIT,
    Command,
    Deposit,
    HoldDeliveries,
    MassCancel,
    PayDividend,
    Phase,
    RollDay,
    SetFees,
    SetMargin,
    SetPhase,
    SetSettlement,
    SettlementFailed,
    SplitInstrument,
)
from matching.sequencer import Sequencer
from tests.clearing.venue import engine_accounts
from tests.matching.drawing import OPENING, SECOND, Generator
from tests.matching.naive import NaiveEngine
from tests.matching.watcher_clearing import ClearingWatcher

FIRST_DAY, DAYS = date(2024, 1, 1), 30
HOLIDAYS = (FIRST_DAY,)
SETTLEMENT_DAYS = 22
CLEARING_DAYS_MAX = 12
BATCH = 12
# What a day is made of: so many commands in each phase.
SESSION: tuple[tuple[Phase, int], ...] = (
    ("pre-open", 12), ("opening-auction", 12), ("continuous", 130), ("closing-auction", 12), ("closing-price", 6), ("closed", 2),
)  # fmt: skip


class Day(NamedTuple):
    """A trading day that has ended: its part of the event log, what the engine has then, and what the events tell (`told`: account,
    settled and unsettled by asset, without zeros; "" are the fees) and say to have come from outside (`brought`)."""

    name: str
    settlement_days: int
    records: list[Record]
    event_seq: int
    accounts: dict[str, EngineAccount]
    told: list[tuple[str, dict[str, int], dict[str, int]]]
    brought: dict[str, int]


def settles(day: date) -> bool:
    """Whether the calendar of the venue has settlement on a day; it trades on all of them."""
    return day.weekday() < 5 and day not in HOLIDAYS


class Month:
    """`days` are the trading days. `kinds` counts events and reasons of failure, `watcher` knows what the events alone tell."""

    def __init__(self, data: Path, seed: int, terms: SetSettlement) -> None:
        self.days: list[Day] = []
        self.kinds: Counter[str] = Counter()
        self.watcher = ClearingWatcher()
        self._naive = NaiveEngine()
        self._drawn = Generator(seed, self._naive)
        self._sequencer = Sequencer(data, "os", lambda: self._now)
        self._now = self._drawn.now
        self._log = EventLog(data / "events", 1)
        try:
            for _ in self._sequencer.recover():
                pass
            self._run(terms)
        finally:
            self._log.close()
            self._sequencer.close()

    def _run(self, terms: SetSettlement) -> None:
        self._submit([*OPENING, terms])
        for number in range(1, DAYS + 1):
            day = FIRST_DAY + timedelta(days=number - 1)
            self._roll(day, f"before {day:%Y%m%d}")
            self._session(number)
        self._roll(day + timedelta(days=1), f"{day:%Y%m%d}")
        assert sum(one.settlement_days for one in self.days) == SETTLEMENT_DAYS
        self._clear(day)

    def _roll(self, day: date, name: str) -> None:
        """End the trading day, and with it a day of settlement where one begins."""
        settlement_days = int(settles(day))
        self._submit([RollDay(f"{day:%Y%m%d}", settlement_days)])
        self._close(name, settlement_days)

    def _session(self, number: int) -> None:
        """One trading day, without its end."""
        chance = self._drawn.random
        for phase, count in SESSION:
            self._submit([SetPhase("", phase, by="op")])
            for start in range(0, count, BATCH):
                self._draw(min(BATCH, count - start))
        symbol = chance.choice(("PLAIN", "FEES", "REBATE"))
        if number % 7 == 3:
            self._submit([PayDividend(symbol, str(chance.randrange(1, MONEY_UNIT)), "op", "dividend of the month")])
        if number % 6 == 4:
            self._submit([SplitInstrument(symbol, *chance.choice(((2, 1), (3, 1), (1, 2), (2, 3))), "op", "split of the month")])
        if number % 4 == 1:
            self._submit([HoldDeliveries("eve", chance.choice(("", symbol)), True, "op", "no instructions")])
        if number % 4 == 3:
            self._submit(
                [HoldDeliveries(account, asset, False, "op") for account, asset in sorted(self._naive.market.clearing.held)]
            )
        if number % 8 == 2:
            rebate = chance.choice((0, 200))
            self._submit([MassCancel("bob", "", "", by="op"), SetFees("bob", "", -rebate, 400, "op")])
        if number % 10 == 5:
            self._submit([SetMargin("PLAIN", 500_000, 500_000, "op")])

    def _draw(self, count: int) -> None:
        """Random commands, but those that would end the day or change the terms of settlement."""
        commands = []
        self._now = self._drawn.now
        while len(commands) < count:
            command = self._drawn.draw()
            if not isinstance(command, (RollDay, SetSettlement)):
                commands.append(command)
                self._drawn.saw(self._naive.apply(self._now, command))
        self._send(commands)

    def _submit(self, some: Iterable[Command]) -> None:
        commands = list(some)
        self._drawn.now += SECOND
        self._now = self._drawn.now
        for command in commands:
            self._drawn.saw(self._naive.apply(self._now, command))
        self._send(commands)

    def _send(self, commands: list[Command]) -> None:
        if not commands:
            return
        self._sequencer.submit(commands)
        events = self._sequencer.receive()
        self._sequencer.publish()
        self.watcher.see(events)
        for event in events:
            self.kinds[type(event).__name__] += 1
            if isinstance(event, SettlementFailed):
                self.kinds[event.reason.name] += 1

    def _close(self, name: str, settlement_days: int) -> None:
        engine = self._sequencer.engine
        records = self._log.read(10**9)
        assert records[-1].last == engine.event_seq, "the event log is behind"
        told = [
            (
                account,
                {asset: amount for (name, asset), amount in self.watcher.settled.items() if name == account and amount},
                {asset: amount for (name, asset), amount in self.watcher.unsettled.items() if name == account and amount},
            )
            for account in ("", *engine.accounts)
        ]
        accounts, brought = engine_accounts(engine), dict(self.watcher.brought)
        self.days.append(Day(name, settlement_days, records, engine.event_seq, accounts, told, brought))

    def _clear(self, day: date) -> None:
        """The days after the month, on which nobody trades: what is held is let go, and who owes is given what he owes."""
        market = self._naive.market
        participants = sorted({account.participant for account in market.accounts.values()})
        self._submit([SetPhase("", "closed", by="op")])
        self._submit([MassCancel(name, "", "", by="op") for name in participants])
        self._submit([HoldDeliveries(account, asset, False, "op") for account, asset in sorted(market.clearing.held)])
        for number in range(2, 2 + CLEARING_DAYS_MAX):
            self._submit(self._deposits_due())
            self._roll(day + timedelta(days=number), f"cleared {number}")
            if not market.clearing.obligations:
                return
        raise AssertionError(f"after {CLEARING_DAYS_MAX} days there are still {market.clearing.obligations}")

    def _deposits_due(self) -> list[Command]:
        """What every account lacks of what it is to pay and to deliver."""
        market, owed = self._naive.market, Counter[tuple[str, str]]()
        for one in market.clearing.obligations:
            if one.account:
                owed[one.account, one.paper.terms.currency] += max(-one.money, 0) + max(one.worth, 0)
                owed[one.account, one.paper.terms.instrument] += max(-one.quantity, 0)
        missing = {key: amount - market.clearing.settled(market, *key) for key, amount in owed.items()}
        return [Deposit(*key, str(amount)) for key, amount in sorted(missing.items()) if amount > 0 and owed[key]]
