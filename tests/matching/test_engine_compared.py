"""The engine against the naive one, over random commands of all kinds and in all phases.

`python -m tests.matching.compare --commands 1000000 --seed N` runs more of them.
"""

from typing import get_args

import pytest

from matching import messages
from matching.messages import CancelReason, FailReason, Parked, Phase, Reason, RestateReason
from tests.matching.compare import compare

COMMANDS = 20_000
SEEDS = (1, 2, 3, 4, 5)


@pytest.fixture(scope="module")
def seen() -> set[tuple[str, object]]:
    """What occurred in all runs of this module."""
    return set()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_naive_engine_predicts_every_event(seed: int, seen: set[tuple[str, object]]):
    kinds = compare(COMMANDS, seed, seen=seen)
    assert kinds["Traded"] > COMMANDS // 20, "the commands drawn are worth comparing"
    seen.add(("seed", seed))


def test_the_commands_drawn_cause_everything_that_there_is(seen: set[tuple[str, object]]):
    """Every kind of event, every reason, every phase, and all that an order may be parked for."""
    for seed in SEEDS:
        if ("seed", seed) not in seen:  # run alone
            compare(COMMANDS, seed, seen=seen)
    everything: set[tuple[str, object]] = {("event", kind.__name__) for kind in get_args(messages.Event)}
    for reasons in (Reason, CancelReason, RestateReason, FailReason):
        everything |= {(reasons.__name__, int(reason)) for reason in reasons}
    everything |= {("phase", phase) for phase in get_args(Phase)}
    everything |= {("parked", parked) for parked in get_args(Parked) if parked}
    everything |= {("cause", cause) for cause in ("stop", "close", "list")}
    everything |= {("fault", fault) for fault in ("securities", "cash")}
    assert everything - seen == set()
