"""The log: what was appended is read, a torn end is cut, damage is refused by name, and a follower sees it all once."""

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from matching import recordlog
from matching.recordlog import HEADER_BYTES, MAGIC, LogDamaged, LogMissing, LogReader, LogWriter, frame, segments, truncate

SMALL = 200  # bytes: a segment of about three records

RECORDS = [(1, 2, b"first record"), (3, 1, b""), (4, 3, b"the third, \x00 with \xff all kinds of bytes"), (7, 1, b"last")]


def write(directory: Path, records: list[tuple[int, int, bytes]] = RECORDS, **more: int) -> Path:
    """Append records, and return the last segment."""
    log = LogWriter(directory, **more)
    for record in records:
        log.append(*record)
    log.close()
    return segments(directory)[-1][1]


def read(directory: Path, number: int = 1) -> list[tuple[int, int, bytes]]:
    reader = LogReader(directory, number)
    try:
        return list(reader.read())
    finally:
        reader.close()


def many(count: int) -> list[tuple[int, int, bytes]]:
    return [(number, 1, b"record %d " % number * 4) for number in range(1, count + 1)]


def test_what_was_appended_is_read_again(tmp_path: Path):
    write(tmp_path)
    assert read(tmp_path) == RECORDS


@pytest.mark.parametrize(("number", "first"), [(1, 0), (3, 1), (4, 2), (7, 3), (8, 4)])
def test_reading_begins_with_any_record(tmp_path: Path, number: int, first: int):
    write(tmp_path)
    assert read(tmp_path, number) == RECORDS[first:]


def test_reading_does_not_begin_inside_a_record(tmp_path: Path):
    write(tmp_path)
    with pytest.raises(LogMissing, match="5 is inside the record of 4 to 6"):
        read(tmp_path, 5)


def test_a_number_that_is_not_written_yet_is_waited_for(tmp_path: Path):
    write(tmp_path)
    reader = LogReader(tmp_path, 10)
    assert list(reader.read()) == []
    log = LogWriter(tmp_path)
    log.append(8, 2, b"before")
    log.append(10, 1, b"asked for")
    assert list(reader.read()) == [(10, 1, b"asked for")]
    reader.close()
    log.close()


def test_an_empty_directory_is_an_empty_log(tmp_path: Path):
    assert read(tmp_path) == []
    assert read(tmp_path / "absent") == []
    log = LogWriter(tmp_path / "new")
    assert (log.next_number, log.cut_bytes) == (1, 0)
    log.close()


def test_numbers_have_no_gap(tmp_path: Path):
    log = LogWriter(tmp_path)
    log.append(1, 2, b"x")
    for first, count in ((2, 1), (4, 1), (3, 0)):
        with pytest.raises(AssertionError):
            log.append(first, count, b"y")
    log.close()


def test_a_writer_goes_on_where_the_last_one_ended(tmp_path: Path):
    write(tmp_path)
    log = LogWriter(tmp_path)
    assert (log.next_number, log.cut_bytes) == (8, 0)
    log.append(8, 1, b"more")
    log.close()
    assert read(tmp_path) == [*RECORDS, (8, 1, b"more")]


# ------------------------------------------------------------------------------------------------- segments


def test_a_full_segment_is_followed_by_another(tmp_path: Path):
    records = many(20)
    write(tmp_path, records, segment_bytes_max=SMALL)
    found = segments(tmp_path)
    assert len(found) > 5
    assert all(path.stat().st_size <= SMALL for _, path in found)
    assert read(tmp_path) == records
    for number in range(1, 22):
        assert read(tmp_path, number) == records[number - 1 :]


def test_a_record_larger_than_a_segment_has_one_of_its_own(tmp_path: Path):
    records = [(1, 1, b"a"), (2, 1, b"b" * 1_000), (3, 1, b"c")]
    write(tmp_path, records, segment_bytes_max=SMALL)
    assert [first for first, _ in segments(tmp_path)] == [1, 2, 3]
    assert read(tmp_path) == records


def test_a_writer_goes_on_in_the_last_segment(tmp_path: Path):
    records = many(20)
    for record in records:
        write(tmp_path, [record], segment_bytes_max=SMALL)
    assert read(tmp_path) == records


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_a_missing_segment_is_named(tmp_path: Path, missing: int):
    write(tmp_path, many(20), segment_bytes_max=SMALL)
    found = segments(tmp_path)
    found[missing][1].unlink()
    with pytest.raises(LogMissing, match="begins at number" if missing == 0 else f"{found[missing][0]:020d}.log"):
        read(tmp_path)
    assert read(tmp_path, found[4][0]) == many(20)[found[4][0] - 1 :]


def test_a_segment_that_was_born_and_nothing_more_is_used(tmp_path: Path):
    write(tmp_path, many(3))
    for content in (b"", MAGIC[:5], MAGIC):
        (tmp_path / f"{4:020d}.log").write_bytes(content)
        assert read(tmp_path) == many(3)
        log = LogWriter(tmp_path)
        assert (log.next_number, log.segment) == (4, 4)
        log.append(4, 1, b"four")
        log.close()
        assert read(tmp_path) == [*many(3), (4, 1, b"four")]


# ------------------------------------------------------------------------------------------ a torn last record


def test_a_record_torn_at_any_byte_is_cut(tmp_path: Path):
    whole = write(tmp_path).read_bytes()
    start = len(whole) - len(frame(*RECORDS[-1]))
    for length in range(start, len(whole)):
        path = write(tmp_path / str(length))
        os.truncate(path, length)
        reader = LogReader(path.parent)
        assert list(reader.read()) == RECORDS[:-1]
        assert reader.torn_bytes == length - start
        reader.close()
        log = LogWriter(path.parent)
        assert (log.next_number, log.cut_bytes) == (7, length - start)
        log.append(7, 1, b"again")
        log.close()
        assert read(path.parent) == [*RECORDS[:-1], (7, 1, b"again")]


def test_a_record_torn_at_any_byte_and_filled_with_zeros_is_cut(tmp_path: Path):
    """A file system may have made the file longer before it wrote what belongs there."""
    whole = write(tmp_path).read_bytes()
    start = len(whole) - len(frame(*RECORDS[-1]))
    for length in range(start, len(whole)):
        for zeros in {1, len(whole) - length, 4_096}:
            content = whole[:length] + bytes(zeros)
            if content == whole:
                continue
            path = write(tmp_path / f"{length}-{zeros}")
            path.write_bytes(content)
            assert read(path.parent) == RECORDS[:-1]
            log = LogWriter(path.parent)
            assert (log.next_number, log.cut_bytes) == (7, length + zeros - start)
            log.close()
            assert path.read_bytes() == whole[:start]


def test_a_torn_end_behind_a_full_segment_is_cut(tmp_path: Path):
    records = many(20)
    path = write(tmp_path, records, segment_bytes_max=SMALL)
    os.truncate(path, path.stat().st_size - 1)
    log = LogWriter(tmp_path, segment_bytes_max=SMALL)
    assert log.next_number == 20
    log.append(20, 1, b"again")
    log.close()
    assert read(tmp_path) == [*records[:-1], (20, 1, b"again")]


# -------------------------------------------------------------------------------------------------- damage


def test_any_bit_that_flips_in_the_middle_is_named(tmp_path: Path):
    path = write(tmp_path)
    whole = path.read_bytes()
    offset = len(MAGIC) + len(frame(*RECORDS[0])) + len(frame(*RECORDS[1]))
    for position in range(offset, offset + len(frame(*RECORDS[2]))):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            for attempt in (read, LogWriter):
                with pytest.raises(LogDamaged) as caught:
                    attempt(tmp_path)
                assert (caught.value.path, caught.value.offset, caught.value.due) == (path, offset, 4)
                assert f"{path}: damaged at offset {offset}, where number 4 is due" in str(caught.value)


def test_what_stands_before_the_damage_is_read(tmp_path: Path):
    path = write(tmp_path)
    content = bytearray(path.read_bytes())
    content[-len(frame(*RECORDS[3])) - 1] ^= 1
    path.write_bytes(content)
    reader = LogReader(tmp_path)
    records = reader.read()
    assert [next(records), next(records)] == RECORDS[:2]
    with pytest.raises(LogDamaged, match="the checksum does not match"):
        next(records)
    reader.close()


def test_damage_at_the_end_of_a_full_segment_is_not_a_torn_end(tmp_path: Path):
    write(tmp_path, many(20), segment_bytes_max=SMALL)
    path = segments(tmp_path)[1][1]
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:-1] + b"\xff", whole + b"\0", whole + b"more than there was"):
        path.write_bytes(content)
        with pytest.raises(LogDamaged):
            read(tmp_path)
    path.write_bytes(whole)
    assert read(tmp_path) == many(20)


@pytest.mark.parametrize("content", [b"FIXSLOG0" + frame(1, 1, b"x"), b"something else", b"\0" * 64])
def test_another_format_is_refused(tmp_path: Path, content: bytes):
    tmp_path.joinpath(f"{1:020d}.log").write_bytes(content)
    for attempt in (read, LogWriter):
        with pytest.raises(LogDamaged, match="not a log of this version"):
            attempt(tmp_path)


def test_a_record_of_another_number_is_refused(tmp_path: Path):
    (tmp_path / f"{1:020d}.log").write_bytes(MAGIC + frame(1, 1, b"one") + frame(3, 1, b"three"))
    with pytest.raises(LogDamaged, match="where number 2 is due: a record of number 3"):
        read(tmp_path)


# ---------------------------------------------------------------------------------------------- the follower


def test_a_follower_gets_what_is_appended_between_two_reads(tmp_path: Path):
    log = LogWriter(tmp_path, segment_bytes_max=SMALL)
    reader = LogReader(tmp_path)
    assert list(reader.read()) == []
    for record in many(20):
        log.append(*record)
        assert list(reader.read()) == [record]
        assert list(reader.read()) == []
    reader.close()
    log.close()


def test_a_follower_may_take_a_few_at_a_time(tmp_path: Path):
    write(tmp_path, many(20), segment_bytes_max=SMALL)
    reader = LogReader(tmp_path)
    got = []
    while some := list(reader.read(3)):
        assert len(some) <= 3
        got += some
    assert got == many(20)
    reader.close()


def test_a_follower_waits_for_the_rest_of_a_record(tmp_path: Path):
    path = write(tmp_path, many(1))
    reader = LogReader(tmp_path)
    assert list(reader.read()) == many(1)
    record = frame(*many(2)[1])
    for byte in record[:-1]:
        with open(path, "ab") as file:
            file.write(bytes([byte]))
        assert list(reader.read()) == []
    with open(path, "ab") as file:
        file.write(record[-1:])
    assert list(reader.read()) == many(2)[1:]
    reader.close()


def test_a_follower_goes_on_after_a_torn_record_was_cut_and_written_anew(tmp_path: Path):
    path = write(tmp_path, many(2))
    with open(path, "ab") as file:
        file.write(frame(3, 1, b"x" * 50)[:40])
    reader = LogReader(tmp_path)
    records = reader.read()
    got = [next(records)]  # what is torn is in its buffer now
    log = LogWriter(tmp_path)
    log.append(3, 1, b"three")
    log.append(4, 1, b"four" * 20)
    got += list(records)
    got += list(reader.read())
    assert got == [*many(2), (3, 1, b"three"), (4, 1, b"four" * 20)]
    reader.close()
    log.close()


def test_a_follower_reads_along_with_a_writer_at_work(tmp_path: Path):
    """Records of all sizes, so that the reader meets half of one now and then, over many segments."""
    records = [(number, 1, bytes([number % 256]) * (number * 7919 % 60_000)) for number in range(1, 600)]
    got: list[tuple[int, int, bytes]] = []
    trouble: list[BaseException] = []
    deadline = time.monotonic() + 30

    def follow() -> None:
        reader = LogReader(tmp_path)
        try:
            while len(got) < len(records) and time.monotonic() < deadline:
                got.extend(reader.read(5))
        except BaseException as error:
            trouble.append(error)
        finally:
            reader.close()

    follower = threading.Thread(target=follow)
    follower.start()
    log = LogWriter(tmp_path, segment_bytes_max=500_000)
    for record in records:
        log.append(*record)
    log.close()
    follower.join()
    assert trouble == []
    assert got == records


# ------------------------------------------------------------------------------------------------- truncation


@pytest.mark.parametrize("number", range(1, 22))
def test_truncation_takes_everything_from_a_number_on(tmp_path: Path, number: int):
    write(tmp_path, many(20), segment_bytes_max=SMALL)
    before = sum(path.stat().st_size for _, path in segments(tmp_path))
    cut = truncate(tmp_path, number)
    assert read(tmp_path) == many(20)[: number - 1]
    assert cut == before - sum(path.stat().st_size for _, path in segments(tmp_path))
    log = LogWriter(tmp_path)
    assert (log.next_number, log.cut_bytes) == (number, 0)
    log.close()


def test_truncation_takes_records_whole(tmp_path: Path):
    write(tmp_path)
    truncate(tmp_path, 5)
    assert read(tmp_path) == RECORDS[:2]


def test_truncation_takes_damage_away(tmp_path: Path):
    path = write(tmp_path)
    content = bytearray(path.read_bytes())
    content[-len(frame(*RECORDS[3])) - 1] ^= 1
    path.write_bytes(content)
    truncate(tmp_path, 4)
    assert read(tmp_path) == RECORDS[:2]


# ------------------------------------------------------------------------------------------- a disk that fails


@pytest.mark.parametrize(("call", "number"), [("write", errno.ENOSPC), ("write", errno.EIO), ("fdatasync", errno.EIO)])
def test_after_a_failure_nothing_more_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int):
    log = LogWriter(tmp_path)
    log.append(1, 1, b"one")

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(recordlog.os, call, fail)

    def durable() -> None:
        log.append(2, 1, b"two")
        log.sync()

    with pytest.raises(OSError, match=os.strerror(number)):
        durable()
    monkeypatch.undo()
    head = log.next_number
    with pytest.raises(OSError, match="an earlier write or sync of this log failed"):
        log.append(head, 1, b"three")
    with pytest.raises(OSError, match="an earlier write or sync of this log failed"):
        log.sync()
    log.close()
    assert [record[0] for record in read(tmp_path)] == list(range(1, head)), "what was written before is whole"


def test_a_disk_that_is_full_in_the_middle_of_a_record_leaves_a_torn_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = LogWriter(tmp_path)
    log.append(1, 1, b"one")
    real, calls = os.write, []

    def half(descriptor: int, content: bytes) -> int:
        calls.append(len(content))
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, content[: len(content) // 2])

    monkeypatch.setattr(recordlog.os, "write", half)
    with pytest.raises(OSError, match="No space"):
        log.append(2, 1, b"two")
    monkeypatch.undo()
    log.close()
    log = LogWriter(tmp_path)
    assert log.next_number == 2
    assert log.cut_bytes == len(frame(2, 1, b"two")) // 2
    log.close()


def test_a_write_that_takes_a_part_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = LogWriter(tmp_path)
    real = os.write
    monkeypatch.setattr(recordlog.os, "write", lambda descriptor, content: real(descriptor, content[:3]))
    log.append(1, 1, b"one")
    monkeypatch.undo()
    log.close()
    assert read(tmp_path) == [(1, 1, b"one")]


def test_a_record_is_found_where_it_was_put(tmp_path: Path):
    log = LogWriter(tmp_path, segment_bytes_max=SMALL)
    places = [(log.append(*record), log.segment) for record in many(10)]
    log.close()
    assert [recordlog.read_at(tmp_path, segment, offset) for offset, segment in places] == [payload for _, _, payload in many(10)]
    with pytest.raises(LogDamaged, match="no whole record"):
        recordlog.read_at(tmp_path, places[0][1], places[0][0] + HEADER_BYTES)
