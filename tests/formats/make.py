"""Makes the data directories of the present format that every later version has to read: run once for each version, never again.

    python -m tests.formats.make

writes what is kept of the version in matching/formats.py beside this file:

    1.0-records.json   what the records look like
    1.0-venue.tar.xz   a data directory of real processes, traded on over FIX: journal, event log, snapshot, sessions, ledger,
                       history, feed; 1.0-venue.json says what a reader must find in it
    1.0-kinds.tar.xz   another, of commands of every kind straight to the core: every record that the logs can hold
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from msgspec import inspect
from sqlalchemy import create_engine, text

from fixserver import sessionlog
from matching import formats
from matching.engine import Engine
from matching.messages import Command, CommandBatch, Event, EventBatch, MassCancel
from matching.sequencer import Sequencer, read_commands, replay
from matching.state import EngineState
from tests.every_kind import steps
from tests.light import light_venue
from tests.matching.venues import Clock
from tests.venue import cancel, order, wait_for

HERE = Path(__file__).parent
KINDS_SEED, KINDS_COUNT = 23, 6_000
LEFT_OUT = {"lock", "ledger.lock", "history.lock", "web.secret", "admin.sock", "traffic.sock"}
TRIAL_BALANCE = """
    SELECT accounts.kind, accounts.name, assets.name, CAST(balances.amount AS TEXT) FROM balances
    JOIN accounts ON accounts.id = balances.account JOIN assets ON assets.id = balances.asset
    WHERE balances.amount <> 0 ORDER BY 1, 2, 3
"""


def main() -> None:
    version = formats.VERSION
    (HERE / f"{version}-records.json").write_text(json.dumps(records(), indent=1) + "\n")
    with tempfile.TemporaryDirectory() as scratch:
        pack(f"{version}-venue", *venue(Path(scratch) / "venue"))
        pack(f"{version}-kinds", *kinds(Path(scratch) / "kinds"))


def venue(directory: Path) -> tuple[Path, dict[str, Any]]:
    """A morning of a small venue."""
    directory.mkdir()
    data = directory / "data"
    with light_venue(directory, instruments={"AAPL": {}}, participants={"TRADER1": SMALL, "TRADER2": SMALL}) as running:
        for name in ("clearing", "marketdata", "history"):
            running.start(name)
        one, other = running.client("TRADER1", "FIX.4.4").logon(), running.client("TRADER2", "FIX.4.2").logon()
        for number in range(20):
            one.send("D", order(f"S{number}", "2", 10, f"100.{number:02}"))
            one.expect("8", "39=0")
        one.send("F", cancel("C1", "S19", "2"))
        one.expect("8", "39=4")
        snapshot = running.command("admin", "--data", str(data), "snapshot")
        assert snapshot.returncode == 0, snapshot.stderr
        for number in range(10):
            other.send("D", order(f"B{number}", "1", 10, "100.30"))
            other.expect("8", "39=0")
            other.expect("8", "39=2")
            one.expect("8", "39=2")
        head = running.metrics()["fixserver_event_head"]
        for name, metric in (("clearing", "fixserver_ledger_event_seq"), ("history", "fixserver_history_event_seq")):
            wait_for(lambda name=name, metric=metric: running.metrics(name)[metric] >= head, f"{name} has all")
        for name in ("marketdata", "history", "clearing"):
            assert running.end(name) == 0
        # The exchange is killed, so that its session log ends as one does that was not closed.
        running.kill()
        for client in running.clients:
            client.close()
        running.clients.clear()
    engine = create_engine(f"sqlite:///{data / 'ledger.sqlite'}")
    with engine.connect() as connection:
        trial_balance = [list(row) for row in connection.execute(text(TRIAL_BALANCE))]
        cursor = connection.execute(text("SELECT event_seq FROM cursor")).scalar_one()
        connection.execute(text("PRAGMA journal_mode = DELETE"))
    engine.dispose()
    core = replay(data)
    return data, {
        **stands(core),
        "ledger": {"event_seq": cursor, "trial_balance": trial_balance},
        "sessions": {"TRADER1/FIX.4.4": [one.next_out, one.next_in], "TRADER2/FIX.4.2": [other.next_out, other.next_in]},
    }


SMALL = {"cash": "1_000_000", "holdings": {"AAPL": "10_000"}}


def kinds(data: Path) -> tuple[Path, dict[str, Any]]:
    """Every kind of command and event, with a snapshot in the middle and none at the end."""
    clock = Clock()
    sequencer = Sequencer(data, "os", clock)
    for _ in sequencer.recover():
        pass
    told: set[str] = set()
    for number, step in enumerate(steps(Engine(), KINDS_SEED, KINDS_COUNT, 9)):
        clock.now = step.time
        sequencer.submit(step.commands)
        told |= {type(entry).__name__ for entry in (*step.commands, *sequencer.receive())}
        sequencer.publish()
        if number == 200:
            sequencer.snapshot()
    sequencer.submit([MassCancel("STRANGER", "STRANGER/FIX.4.4", "M1")])  # what the random ones never do
    told |= {type(event).__name__ for event in sequencer.receive()}
    found = stands(sequencer.engine)
    sequencer.close()
    missing = {kind.__name__ for union in (Command, Event) for kind in union.__args__} - told
    assert not missing, f"another seed, or more commands, for {sorted(missing)}"
    assert sum(len(batch.commands) for batch in read_commands(data)) == found["command_seq"]
    return data, {**found, "kinds": sorted(told)}


def records() -> dict[str, Any]:
    """What stands in the logs and snapshots: of each record its tag and its fields, in their order."""
    found: dict[str, Any] = {}

    def describe(kind: Any) -> None:
        if isinstance(kind, inspect.StructType | inspect.NamedTupleType):
            if kind.cls.__name__ in found:
                return
            fields = [[field.name, _type_text(field.type), not field.required] for field in kind.fields]
            found[kind.cls.__name__] = {"tag": getattr(kind, "tag", None), "fields": fields}
            for field in kind.fields:
                describe(field.type)
        for part in _parts(kind):
            describe(part)

    for top in (CommandBatch, EventBatch, EngineState, sessionlog.Turn):
        describe(inspect.type_info(top))
    return dict(sorted(found.items()))


def _parts(kind: Any) -> tuple[Any, ...]:
    """What a list, a tuple or a union is of."""
    parts = [getattr(kind, name) for name in ("item_type", "key_type", "value_type") if hasattr(kind, name)]
    return (*parts, *getattr(kind, "types", ()), *getattr(kind, "item_types", ()))


def _type_text(kind: Any) -> str:
    name = type(kind).__name__.removesuffix("Type").lower()
    if isinstance(kind, inspect.StructType | inspect.NamedTupleType):
        return kind.cls.__name__
    if isinstance(kind, inspect.LiteralType):
        return "one of " + " ".join(sorted(repr(value) for value in kind.values))
    if isinstance(kind, inspect.EnumType):
        return "one of " + " ".join(sorted(str(member.value) for member in kind.cls))
    inner = [_type_text(part) for part in _parts(kind)]
    return f"{name}[{', '.join(sorted(inner) if name == 'union' else inner)}]" if inner else name


def stands(engine: Engine) -> dict[str, Any]:
    """What the engine knows: by its digest, which later versions have another way of making, and in words that they share."""
    return {
        "command_seq": engine.command_seq,
        "event_seq": engine.event_seq,
        "digest": engine.digest(),
        "totals": [
            [name, asset, str(total)]
            for name, account in sorted(engine.accounts.items())
            for totals in (account.cash, account.positions)
            for asset, held in sorted(totals.items())
            if (total := held.total)
        ],
        "open_orders": sorted(
            [order_id, order.leaves, order.price]
            for participant in engine.participants.values()
            for order_id, order in participant.open_orders.items()
        ),
    }


def pack(name: str, data: Path, expected: dict[str, Any]) -> None:
    with tarfile.open(HERE / f"{name}.tar.xz", "w:xz", preset=9) as archive:
        for path in sorted(data.rglob("*")):
            if path.is_file() and path.name not in LEFT_OUT and path.suffix != ".ports":
                entry = archive.gettarinfo(path, str(path.relative_to(data)))
                entry.uid = entry.gid = entry.mtime = 0
                entry.uname = entry.gname = ""
                with path.open("rb") as file:
                    archive.addfile(entry, file)
    (HERE / f"{name}.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
