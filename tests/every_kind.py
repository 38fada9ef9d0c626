"""Random trading of every kind and in every phase, as the engine sees it: for tests of what is made of events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from matching.engine import Engine
from matching.messages import Command, Conditions, EventBatch, NewOrder, NewOrderList, ReplaceOrder
from tests.matching.drawing import OPENING, Generator
from tests.matching.naive import NaiveEngine

SLICES_MAX = 30  # of an iceberg: a coin has 10^8 parts, and each slice is an event


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
            command = next(waiting, None) or _bounded(generator.draw())
            # The generator aims at what is open, and the naive engine says what that is.
            generator.saw(naive.apply(now, command))
            commands.append(command)
        drawn += len(commands)
        first = engine.command_seq + 1
        yield Step(now, commands, EventBatch(first + len(commands) - 1, now, engine.apply(first, now, commands)))


def _bounded(command: Command) -> Command:
    """The command, without icebergs of more than SLICES_MAX slices."""
    if isinstance(command, NewOrderList):
        orders = [msgspec.structs.replace(order, conditions=_bounded_slices(order)) for order in command.orders]
        return msgspec.structs.replace(command, orders=orders)
    if isinstance(command, NewOrder | ReplaceOrder):
        return msgspec.structs.replace(command, conditions=_bounded_slices(command))
    return command


def _bounded_slices(order: NewOrder | ReplaceOrder) -> Conditions | None:
    said = order.conditions
    if said is None or not 0 < said.display_quantity * SLICES_MAX < order.quantity:
        return said
    return msgspec.structs.replace(said, display_quantity=order.quantity // SLICES_MAX)
