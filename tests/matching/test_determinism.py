"""The engine is a function of its journal: whatever the hash seed, the time of day or the batch, the same bytes."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

from matching import messages
from tests.matching.venues import Clock, opened, written

ROOT = Path(__file__).resolve().parents[2]
HASH_SEEDS = range(20)

COMMANDS, BATCH = 2_000, 20  # of a stream that has every kind of command
SNAPSHOT_EVERY = 100

# One engine replays it all, the other goes on from a snapshot at every hundredth command.
REPLAY = f"""
import hashlib, sys
from pathlib import Path
import msgspec
from matching.engine import Engine
from matching.sequencer import read_commands
from matching.state import EngineState

encode = msgspec.msgpack.encode
engine, restored, digests, events = Engine(), Engine(), hashlib.sha256(), hashlib.sha256()
kinds = set()
for batch in read_commands(Path(sys.argv[1])):
    caused = encode(engine.apply(batch.first_seq, batch.time, batch.commands))
    assert caused == encode(restored.apply(batch.first_seq, batch.time, batch.commands))
    if engine.command_seq % {SNAPSHOT_EVERY} == 0:
        restored = Engine.from_state(msgspec.msgpack.decode(encode(restored.state()), type=EngineState))
    digest = engine.digest()
    assert digest == restored.digest()
    events.update(caused)
    digests.update(digest.encode())
    kinds.update(type(command) for command in batch.commands)
print(engine.command_seq, len(kinds), engine.event_seq, digests.hexdigest(), events.hexdigest(), hash("x") % 2**32)
"""


def test_the_same_under_every_hash_seed_and_from_every_snapshot(tmp_path: Path):
    """The digest at every batch and all event bytes, in twenty processes."""
    written(tmp_path, COMMANDS, batch=BATCH)
    answers = set()
    hashes = set()
    for start in range(0, len(HASH_SEEDS), 2):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", REPLAY, str(tmp_path)],
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=os.environ | {"PYTHONHASHSEED": str(seed)},
            )
            for seed in HASH_SEEDS[start : start + 2]
        ]
        for process in processes:
            answer, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            *same, seed_hash = answer.split()
            answers.add(tuple(same))
            hashes.add(seed_hash)
    assert len(hashes) > 10, "the seeds did make a difference to Python"
    assert len(answers) == 1
    assert next(iter(answers))[:2] == (str(COMMANDS), str(len(get_args(messages.Command)))), "all commands, of every kind"


def test_the_wall_clock_makes_no_difference_to_a_replay(tmp_path: Path):
    digest, _ = written(tmp_path, 300)
    for now in (0, 2**62):
        sequencer = opened(tmp_path, Clock(now))
        assert sequencer.engine.digest() == digest
        sequencer.close()


def test_the_same_commands_make_the_same_files(tmp_path: Path):
    written(tmp_path / "one", 300)
    written(tmp_path / "two", 300)
    for name in ("journal", "events"):
        one, two = (
            [(path.name, path.read_bytes()) for path in sorted((tmp_path / venue / name).iterdir())] for venue in ("one", "two")
        )
        assert one == two


def test_the_core_asks_neither_clock_nor_chance_nor_files():
    """What the engine imports, by reading it: pure modules, and the core's own, but those that keep it on disk."""
    allowed = {"__future__", "typing", "collections", "enum", "msgspec", "sortedcontainers", "hashlib", "heapq", "matching"}
    on_disk = {"formats", "logarchive", "recordlog", "sequencer", "snapshot"}
    core = [path for path in sorted((ROOT / "matching").glob("*.py")) if path.stem not in on_disk]
    assert len(core) > 10
    for path in core:
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            for module in modules:
                assert module.split(".")[0] in allowed and module.split(".")[-1] not in on_disk, f"{path.name}: {module}"
            if isinstance(node, ast.Constant):
                assert not isinstance(node.value, float), f"{path.name}: no float"
            assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)), f"{path.name}: / makes a float"
