"""What time causes at the venue, as commands: days, expiries, phases, pauses, indications. It submits none, and reads no clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from fixserver.config import WEEKDAYS
from fixserver.schedule import Schedule, Scheduler, schedules_of
from matching.messages import Command, EndPauses, ExpireOrders, Phase, PublishIndicative, RollDay, SetPhase

if TYPE_CHECKING:
    from fixserver.config import Config, Settlement
    from matching.engine import Engine

SECOND = 1_000_000_000
INDICATIVE_NS = SECOND  # between two looks at what the auctions would yield
SETTLEMENT_DAYS_MAX = 10  # that one RollDay ends; of a venue that was down for longer, the others are not counted
BY_RECOVERY = "recovery"  # who moves what is open to cancels only after a start
NOT_MOVED: tuple[Phase, ...] = ("closed", "halted", "cancel-only")


class Timers:
    """Asked again and again, it says which commands are due. All times in ns since 1970, of the venue's clock."""

    def __init__(self, engine: Callable[[], Engine], config: Config, say: Callable[[str], None]) -> None:
        """`engine` gives the present one: a recovery makes another."""
        self._engine = engine
        self._day_roll_seconds = config.venue.day_roll_seconds
        self._settlement = config.settlement
        self._schedules: dict[str, Schedule] = schedules_of(config)
        self._cancel_only_ns = config.exchange.cancel_only_seconds * SECOND
        self._say = say
        self._scheduler: Scheduler | None = None  # before the first day begins, and while only cancels are taken
        self._resume_at = 0
        self._next_indicative = 0

    def begin(self, now: int, recovered: bool) -> list[Command]:
        """What is due at the start. `recovered`: the venue has been open before."""
        commands = self._day_begun(now)
        if recovered and self._cancel_only_ns:
            self._resume_at = now + self._cancel_only_ns
            self._say(f"for {self._cancel_only_ns // SECOND} s, only cancels are taken")
            for symbol, instrument in sorted(self._engine().instruments.items()):
                if instrument.phase not in NOT_MOVED:
                    commands.append(SetPhase(symbol, "cancel-only", by=BY_RECOVERY))
            return commands
        return commands + self._scheduled(now)

    def due(self, now: int) -> list[Command]:
        """What is due now, in the order in which it is to happen."""
        engine = self._engine()
        commands: list[Command] = []
        if 0 < engine.next_expiry() <= now:
            commands.append(ExpireOrders())
        commands += self._day_begun(now)
        if self._resume_at:
            if now < self._resume_at:
                return commands
            commands += self._resumed(now)
        commands += self._scheduled(now)
        if 0 < engine.next_pause_end() <= now:
            commands.append(EndPauses())
        if now >= self._next_indicative:
            self._next_indicative = now + INDICATIVE_NS
            if engine.indicative_due():
                commands.append(PublishIndicative())
        return commands

    def _day_begun(self, now: int) -> list[Command]:
        day, ended = trading_day(now, self._day_roll_seconds), self._engine().trading_day
        if day <= ended:
            return []
        self._say(f"trading day {day} begins")
        return [RollDay(day, settlement_days(self._settlement, ended, day))]

    def _scheduled(self, now: int) -> list[Command]:
        if not self._schedules:
            return []
        if self._scheduler is None:
            self._scheduler = Scheduler(self._schedules, self._engine().markets)
        if now < self._scheduler.next_due():
            return []
        return list(self._scheduler.due(now))

    def _resumed(self, now: int) -> list[Command]:
        """The end of taking only cancels: every instrument goes to where its market is by now. A halt stays."""
        self._resume_at = 0
        engine = self._engine()
        phases = engine.markets | {name: schedule.phase_at(now) for name, schedule in self._schedules.items()}
        self._say("orders are taken again")
        return [
            SetPhase(symbol, phases[instrument.market], by=BY_RECOVERY)
            for symbol, instrument in sorted(engine.instruments.items())
            if instrument.phase == "cancel-only"
        ]


def trading_day(time_ns: int, day_roll_seconds: int) -> str:
    """The trading day of a moment, YYYYMMDD: from `day_roll_seconds` after midnight UTC on it is the next day's."""
    seconds = time_ns // SECOND + (86_400 - day_roll_seconds if day_roll_seconds else 0)
    return time.strftime("%Y%m%d", time.gmtime(seconds))


def settlement_days(settlement: Settlement, ended: str, begun: str) -> int:
    """How many settlement days end where the trading day `ended` ends and `begun` begins (YYYYMMDD): of that day and those
    between, SETTLEMENT_DAYS_MAX at most. None where no day has been before."""
    if not ended:
        return 0
    day, count = date.fromisoformat(ended), 0
    while day < date.fromisoformat(begun) and count < SETTLEMENT_DAYS_MAX:
        count += WEEKDAYS[day.weekday()] in settlement.days and day.isoformat() not in settlement.holidays
        day += timedelta(days=1)
    return count
