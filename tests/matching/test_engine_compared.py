"""The engine against the naive one, over random commands of all kinds.

`python -m tests.matching.compare --commands 1000000 --seed N` runs more of them.
"""

import pytest

from matching import messages
from matching.messages import CancelReason, Reason
from tests.matching.compare import compare

COMMANDS = 20_000


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_naive_engine_predicts_every_event(seed: int):
    kinds = compare(COMMANDS, seed)
    assert kinds["Traded"] > 1_000, "the commands drawn are worth comparing"


def test_the_commands_drawn_cause_every_kind_of_event_and_refusal():
    seen: set[object] = set()
    kinds: set[str] = set()
    for seed in (1, 2):
        kinds.update(compare(COMMANDS, seed, seen=seen))
    every_kind = {kind.__name__ for kind in messages.Event.__args__}
    assert every_kind - kinds == set()
    assert set(CancelReason) - seen == set()
    assert set(Reason) - seen == set()
