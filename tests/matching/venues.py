"""Venues on disk for tests: a sequencer whose clock is a number, fed with the random commands of `compare`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from matching.messages import Command, Event
from matching.sequencer import Durability, Sequencer
from tests.matching.drawing import OPENING, Generator
from tests.matching.naive import NaiveEngine

# The commands of a batch have one time. They are drawn for the market as it then is, so it moves where batches of 7, 10 and 20 end.
TIME_MOVES_EVERY = 140


class Clock:
    """Time that moves when told to."""

    def __init__(self, now: int = 1_700_000_000_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def random_commands(count: int, seed: int = 1, time_moves_every: int = TIME_MOVES_EVERY) -> Iterator[tuple[int, Command]]:
    """Commands of all kinds with the time of each, the same for the same seed. With 0, time stands still."""
    naive = NaiveEngine()
    generator = Generator(seed, naive)
    now = generator.now
    for number in range(count):
        if time_moves_every and number % time_moves_every == 0:
            now = generator.now
        command = OPENING[number] if number < len(OPENING) else generator.draw()
        generator.saw(naive.apply(now, command))
        yield now, command


def opened(data: Path, clock: Clock | None = None, durability: Durability = "os") -> Sequencer:
    """A recovered venue; one whose recovery fails is closed again."""
    sequencer = Sequencer(data, durability, clock or Clock())
    try:
        for _ in sequencer.recover():
            pass
    except BaseException:
        sequencer.close()
        raise
    return sequencer


def feed(sequencer: Sequencer, clock: Clock, commands: list[tuple[int, Command]], batch: int = 7) -> list[list[Event]]:
    """Submit commands, `batch` at a time, and publish; what each batch caused."""
    caused = []
    for start in range(0, len(commands), batch):
        part = commands[start : start + batch]
        clock.now = part[-1][0]
        sequencer.submit([command for _, command in part])
        caused.append(sequencer.receive())
        sequencer.publish()
    return caused


def written(data: Path, count: int = 200, *, batch: int = 7, seed: int = 1) -> tuple[str, list[list[Event]]]:
    """Write a venue of `count` commands; its digest, and the events of each batch."""
    clock = Clock()
    sequencer = opened(data, clock)
    caused = feed(sequencer, clock, list(random_commands(count, seed)), batch)
    digest = sequencer.engine.digest()
    sequencer.close()
    return digest, caused
