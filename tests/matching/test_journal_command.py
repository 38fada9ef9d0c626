"""`fixserver journal`: what it says of a venue that is whole, torn, damaged, or short of commands."""

import json
import os
from pathlib import Path

import pytest

from fixserver.cli import main
from matching.recordlog import LogReader, LogWriter, segments, truncate
from matching.snapshot import snapshots
from tests.matching.drawing import OPENING
from tests.matching.venues import Clock, feed, opened, random_commands, written


def journal(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    """Exit code, lines, and what went to standard error."""
    code = main(["journal", *arguments])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err


def last_record(directory: Path) -> tuple[int, int]:
    """Number and count."""
    reader = LogReader(directory)
    first, count, _ = list(reader.read())[-1]
    reader.close()
    return first, count


def test_a_whole_venue_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    clock, commands = Clock(), list(random_commands(140))
    sequencer = opened(tmp_path, clock)
    feed(sequencer, clock, commands[:70])
    sequencer.snapshot()
    feed(sequencer, clock, commands[70:])
    events, digest = sequencer.engine.event_seq, sequencer.engine.digest()
    expected = [
        "journal    140 commands in 20 records, 2023-11-14T22:13:20.000000Z to 2023-11-14T22:13:22.350000Z",
        f"event log  {events} events in 20 records",
        "snapshot   after command 70: as replayed",
        f"state      command 140 event {events} digest {digest}",
    ]
    code, lines, _ = journal(capsys, "verify", "--data", str(tmp_path))
    assert (code, lines[0][:36], lines[1:]) == (0, expected[0][:36], expected[1:])
    sequencer.close()
    assert journal(capsys, "verify", "--data", str(tmp_path))[1][1:] == expected[1:], "and after it was closed"


def test_what_the_next_start_mends_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    written(tmp_path, 140)
    for name in ("journal", "events"):
        path = segments(tmp_path / name)[0][1]
        os.truncate(path, path.stat().st_size - 3)
    truncate(tmp_path / "events", last_record(tmp_path / "events")[0])
    code, lines, _ = journal(capsys, "verify", "--data", str(tmp_path))
    assert code == 0
    notes = [line for line in lines if line.startswith("note")]
    assert len(notes) == 2
    assert notes[0].startswith("note       the journal ends with ")
    assert notes[1].startswith("note       the event log ends before event ")


@pytest.mark.parametrize("name", ["journal", "events"])
def test_damage_is_one_line_that_names_file_offset_and_number(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str):
    written(tmp_path, 140)
    path = segments(tmp_path / name)[0][1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, lines, error = journal(capsys, "verify", "--data", str(tmp_path))
    assert (code, lines) == (1, [])
    assert error.startswith(f"{path}: damaged at offset ")
    assert ", where number " in error and error.count("\n") == 1


def test_a_snapshot_that_is_not_the_state_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    clock, commands = Clock(), list(random_commands(140))
    sequencer = opened(tmp_path, clock)
    feed(sequencer, clock, commands[:70])
    older = sequencer.snapshot()
    feed(sequencer, clock, commands[70:])
    newer = sequencer.snapshot()
    sequencer.close()
    newer.write_bytes(older.read_bytes())
    code, _, error = journal(capsys, "verify", "--data", str(tmp_path))
    assert code == 1
    assert error == f"{newer}: is not the state after command 140. Remove it: the journal has everything\n"
    newer.write_bytes(b"nothing")
    code, _, error = journal(capsys, "verify", "--data", str(tmp_path))
    assert (code, error) == (1, f"{newer}: not a snapshot of this version: begins with b'nothing'\n")


def test_no_venue_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for action in ("verify", "dump", "digest", "forget"):
        code, _, error = journal(capsys, action, "--data", str(tmp_path))
        assert code == 1
        assert error.startswith(f"{tmp_path / 'journal'}: there is no")
    assert list(tmp_path.iterdir()) == [], "looking changes nothing"


# --------------------------------------------------------------------------------------------------- digest


def test_the_digest_is_that_of_the_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    digest, caused = written(tmp_path, 140)
    events = sum(len(events) for events in caused)
    assert journal(capsys, "digest", "--data", str(tmp_path)) == (0, [f"command 140 event {events} digest {digest}"], "")


def test_the_digest_at_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    written(tmp_path / "whole", 140, batch=1)
    for number in (1, 69, 70, 71, 139):
        digest, caused = written(tmp_path / str(number), number, batch=1)
        events = sum(len(events) for events in caused)
        code, lines, _ = journal(capsys, "digest", "--data", str(tmp_path / "whole"), "--at-command", str(number))
        assert (code, lines) == (0, [f"command {number} event {events} digest {digest}"])
    code, _, error = journal(capsys, "digest", "--data", str(tmp_path / "whole"), "--at-command", "141")
    assert (code, error) == (1, f"{tmp_path / 'whole' / 'journal'}: ends with command 140, before 141\n")


# ----------------------------------------------------------------------------------------------------- dump


def test_commands_are_readable(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    written(tmp_path, 60, batch=10)
    _, lines, _ = journal(capsys, "dump", "--data", str(tmp_path))
    assert [int(line.split()[0]) for line in lines] == list(range(1, 61))
    assert lines[2].strip() == (
        "3 2023-11-14T22:13:20.000000Z DefineInstrument instrument=REBATE currency=EUR price_decimals=2 quantity_decimals=8 "
        "tick=5.00 lot=0.00000001 quantity_max=10000.00000000 value_max=100000000.00 reference_price=50000.00 band_bps=150 "
        "maker_fee_ppm=-333 taker_fee_ppm=777 dynamic_band_bps=12 pause_ns=2000000000 market=COINS phase=continuous"
    )
    assert lines[4].strip() == (
        "5 2023-11-14T22:13:20.000000Z DefineAccount account=ann-2 participant=ann short_max=50 self_trade=cancel-both"
    )
    deposit = next(line for line in lines if "Deposit" in line and "asset=USD" in line)
    assert deposit.split(" Deposit ")[1] == "account=ann asset=USD amount=100000.00"
    assert any(" NewOrder " in line and " side=buy order_type=limit time_in_force=day price=" in line for line in lines)


def test_a_range_of_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    written(tmp_path, 140)
    _, lines, _ = journal(capsys, "dump", "--data", str(tmp_path))
    code, some, _ = journal(capsys, "dump", "--data", str(tmp_path), "--from", "50", "--to", "60")
    assert (code, some) == (0, lines[49:60])


def test_events_are_readable(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    _, caused = written(tmp_path, 140)
    code, lines, _ = journal(capsys, "dump", "--events", "--data", str(tmp_path))
    assert code == 0
    assert [int(line.split()[0]) for line in lines] == list(range(1, sum(len(events) for events in caused) + 1))
    assert [line.split()[2] for line in lines] == [type(event).__name__ for events in caused for event in events]
    assert all("maker_leaves=" in line and "taker_side=" in line for line in lines if " Traded " in line)


def test_json_has_what_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    written(tmp_path, 60)
    _, lines, _ = journal(capsys, "dump", "--json", "--data", str(tmp_path))
    objects = [json.loads(line) for line in lines]
    assert [entry["number"] for entry in objects] == list(range(1, 61))
    first = OPENING[0]
    assert objects[0] == {
        "number": 1,
        "time": 1_700_000_000_000_000_000,
        "kind": "DefineInstrument",
        **{name: getattr(first, name) for name in first.__struct_fields__},
    }


def test_what_a_client_wrote_cannot_break_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from matching.messages import CancelOrder

    sequencer = opened(tmp_path)
    sequencer.submit([CancelOrder("ann", "s", 'a\n2 "b"=\x1b[31m', "plain", "X", "1")])
    sequencer.receive()
    sequencer.close()
    _, lines, _ = journal(capsys, "dump", "--data", str(tmp_path))
    assert len(lines) == 1
    assert lines[0].endswith(r'cl_ord_id="a\n2 \"b\"=\u001b[31m" orig_cl_ord_id=plain instrument=X side=buy')


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], number: str):
    with pytest.raises(SystemExit) as caught:
        main(["journal", "dump", "--data", str(tmp_path), f"--from={number}"])
    assert caught.value.code == 2
    assert "is not a whole number from 1" in capsys.readouterr().err


# --------------------------------------------------------------------------------------------------- forget


def shortened(data: Path) -> str:
    """A venue whose journal lost its last batch, and a snapshot of that; its digest without it."""
    clock, commands = Clock(), list(random_commands(140))
    sequencer = opened(data, clock)
    feed(sequencer, clock, commands[:-7])
    digest = sequencer.engine.digest()
    feed(sequencer, clock, commands[-7:])
    sequencer.snapshot()
    sequencer.close()
    truncate(data / "journal", 134)
    return digest


def test_forget_leads_out_of_a_lost_end_of_the_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    digest = shortened(tmp_path)
    code, _, error = journal(capsys, "verify", "--data", str(tmp_path))
    assert code == 1
    assert "goes on behind event" in error and "fixserver journal forget" in error
    code, _, _ = journal(capsys, "forget", "--data", str(tmp_path))
    assert code == 1, "nobody was there to be asked"
    assert snapshots(tmp_path / "snapshots") != []
    code, lines, _ = journal(capsys, "forget", "--yes", "--data", str(tmp_path))
    assert code == 0
    assert lines[0].startswith("the journal ends with command 133, event ")
    assert lines[-1].endswith("rebuild the ledger: fixserver ledger rebuild --replace")
    assert snapshots(tmp_path / "snapshots") == []
    assert journal(capsys, "verify", "--data", str(tmp_path))[0] == 0
    sequencer = opened(tmp_path)
    assert sequencer.engine.digest() == digest
    sequencer.close()
    assert journal(capsys, "forget", "--data", str(tmp_path))[:2] == (
        0, ["there is nothing to forget: the event log is what the journal says"],
    )  # fmt: skip


def test_forget_lets_damaged_or_other_events_be_written_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    digest, _ = written(tmp_path, 140)
    path = segments(tmp_path / "events")[0][1]
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    path.write_bytes(damaged)
    assert journal(capsys, "forget", "--yes", "--data", str(tmp_path))[0] == 0
    sequencer = opened(tmp_path)
    assert sequencer.engine.digest() == digest
    sequencer.close()
    assert path.read_bytes() == whole

    first, count = last_record(tmp_path / "events")
    truncate(tmp_path / "events", first)
    log = LogWriter(tmp_path / "events")
    log.append(first, count, b"something else")
    log.close()
    assert journal(capsys, "verify", "--data", str(tmp_path))[0] == 1
    assert journal(capsys, "forget", "--yes", "--data", str(tmp_path))[0] == 0
    opened(tmp_path).close()
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b"another format altogether", None])
def test_forget_lets_a_log_of_events_be_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None):
    digest, _ = written(tmp_path, 140)
    path = segments(tmp_path / "events")[0][1]
    whole = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert journal(capsys, "forget", "--yes", "--data", str(tmp_path))[0] == 0
    sequencer = opened(tmp_path)
    assert sequencer.engine.digest() == digest
    sequencer.close()
    assert path.read_bytes() == whole


def test_forget_leaves_a_running_exchange_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sequencer = opened(tmp_path)
    code, _, error = journal(capsys, "forget", "--yes", "--data", str(tmp_path))
    assert (code, error) == (1, f"{tmp_path}: the exchange is running. Stop it first\n")
    sequencer.close()
