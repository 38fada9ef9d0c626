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
    opening: list[Command] = list(OPENING)
    drawn = 0
    while drawn < count:
        commands = opening or [_bounded(generator.draw())]
        # The generator aims at what is open, so that the naive engine is led along; all of a batch are of one time.
        now = generator.now
        for command in commands:
            generator.saw(naive.apply(now, command))
        if opening:
            opening = []
        else:
            every, generator.every = generator.every, 0
            for _ in range(sizes.randrange(commands_max)):
                commands.append(_bounded(generator.draw()))
                generator.saw(naive.apply(now, commands[-1]))
            generator.every = every
            drawn += len(commands)
        events = engine.apply(engine.command_seq + 1, now, commands)
        yield Step(now, commands, EventBatch(engine.command_seq, now, events))


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
