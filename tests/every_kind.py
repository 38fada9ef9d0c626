"""Random trading of every kind and in every phase, as the engine sees it: for tests of what is made of events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from matching.engine import Engine
from matching.messages import Command, EventBatch
from tests.matching.drawing import OPENING, Generator
from tests.matching.naive import NaiveEngine


class Step(NamedTuple):
    """Commands that were applied as one batch, and what they caused."""

    time: int
    commands: list[Command]
    batch: EventBatch


def steps(engine: Engine, seed: int, count: int, commands_max: int = 1) -> Iterator[Step]:
    """Apply `count` commands to `engine`, up to `commands_max` at a time, and yield after each batch."""
    naive = NaiveEngine()
    generator = Generator(seed, naive)
    sizes = random.Random(seed)
    waiting: Iterator[Command] = iter(OPENING)
    drawn = -len(OPENING)
    while drawn < count:
        now = generator.now  # of all commands of the batch
        commands: list[Command] = []
        for _ in range(sizes.randint(1, commands_max)):
            command = next(waiting, None) or generator.draw()
            # The generator aims at what is open, and the naive engine says what that is.
            generator.saw(naive.apply(now, command))
            commands.append(command)
        drawn += len(commands)
        first = engine.command_seq + 1
        yield Step(now, commands, EventBatch(first + len(commands) - 1, now, engine.apply(first, now, commands)))
