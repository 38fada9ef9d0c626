"""Recorded order flow is read as steps; a line that is not understood is named."""

import lzma
from pathlib import Path

import pytest

from fixserver import recordings
from fixserver.recordings import RecordingError, Step

BITSTAMP = """id,timestamp,exchange.timestamp,price,volume,action,direction
7,1430438404518,1430438404000,236.47,200000000,created,bid
7,1430438404635,1430438404000,236.47,178855669,changed,bid
8,1430438404637,1430438340000,236.5,1.5,created,ask
7,1430438405647,1430438337000,236.47,0,deleted,bid
"""
LOBSTER = """34200.004241176,1,16113575,18,5853300,1
34200.025551909,2,16113575,8,5853300,1
34200.201743126,4,16113575,5,5853300,1
34200.3,5,0,100,5853250,-1
34200.5,3,16113575,5,5853300,1
34201,7,0,0,-1,-1
"""


def write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_bytes(lzma.compress(text.encode()) if name.endswith(".xz") else text.encode())
    return path


def test_a_bitstamp_file_is_entered_remains_and_canceled(tmp_path):
    recording = recordings.examine(write(tmp_path, "orders.csv", BITSTAMP))
    assert (recording.format, recording.steps, recording.symbol, recording.quantity_decimals) == ("bitstamp", 4, "", 8)
    assert list(recordings.read(recording)) == [
        Step(1430438404518000000, "enter", "7", "1", "236.47", 200000000),
        Step(1430438404635000000, "remains", "7", "1", "236.47", 178855669),
        Step(1430438404637000000, "enter", "8", "2", "236.5", 150000000),
        Step(1430438405647000000, "cancel", "7", "1", "236.47", 0),
    ]


def test_a_packed_file_reads_like_a_plain_one(tmp_path):
    packed = recordings.examine(write(tmp_path, "orders.csv.xz", BITSTAMP))
    plain = recordings.examine(write(tmp_path, "orders.csv", BITSTAMP))
    assert list(recordings.read(packed)) == list(recordings.read(plain))


def test_a_lobster_file_has_its_symbol_in_its_name_and_prices_in_ten_thousandths(tmp_path):
    recording = recordings.examine(write(tmp_path, "AAPL_2012-06-21_34200000_57600000_message_1.csv", LOBSTER))
    assert (recording.format, recording.steps, recording.symbol, recording.quantity_decimals) == ("lobster", 6, "AAPL", 0)
    assert list(recordings.read(recording)) == [
        Step(34200004241176, "enter", "16113575", "1", "585.33", 18),
        Step(34200025551909, "reduce", "16113575", "1", "585.33", 8),
        Step(34200201743126, "execute", "16113575", "1", "585.33", 5),
        Step(34200300000000, "skip", "0", "2", "585.325", 100, "hidden execution"),
        Step(34200500000000, "cancel", "16113575", "1", "585.33", 5),
        Step(34201000000000, "skip", "0", "2", "-1", 0, "halt"),
    ]


def test_a_limit_ends_the_reading(tmp_path):
    recording = recordings.examine(write(tmp_path, "orders.csv", BITSTAMP), limit=2)
    assert recording.steps == 2
    assert [step.action for step in recordings.read(recording)] == ["enter", "remains"]


@pytest.mark.parametrize(
    ("name", "text", "format_name", "says"),
    [
        ("a.csv", "time;price\n", "", "line 1: looks like neither bitstamp nor lobster: say which with --format"),
        ("a.csv", "", "", "line 1: looks like neither bitstamp nor lobster: say which with --format"),
        ("a.csv", BITSTAMP + "9,1,1,2,3,created\n", "", "line 6: 6 columns where 7 are due"),
        ("a.csv", BITSTAMP + "9,1,1,2,3,vanished,bid\n", "", "line 6: vanished,bid is not an action and a direction"),
        ("a.csv", BITSTAMP + "9,1,1,2,-3,created,bid\n", "", "line 6: 1,2,-3 is not a time, a price and a volume"),
        ("a.csv", LOBSTER + "oops\n", "", "line 7: 'oops' is not time, type, order, size, price, direction"),
        ("a.csv", LOBSTER, "bitstamp", "line 1: 6 columns where 7 are due"),
        ("a.csv.xz", None, "", "Input format not supported by decoder"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path, name, text, format_name, says):
    path = tmp_path / name
    path.write_text(text if text is not None else "no xz\n")
    with pytest.raises(RecordingError) as error:
        list(recordings.read(recordings.examine(path, format_name)))
    assert str(error.value) == f"{path}: {says}"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"missing\.csv: no such file or directory"):
        recordings.examine(tmp_path / "missing.csv")


def test_a_recording_several_times_over_has_orders_of_its_own_in_each_pass(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(
        "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
        "7,1000,1000,236.50,100000000,created,bid\n"
        "7,1250,1000,236.50,100000000,deleted,bid\n"
    )
    recording = recordings.examine(file)
    once = list(recordings.read(recording))
    thrice = list(recordings.repeated(recording, 3))
    assert thrice[:2] == once
    assert [step.order for step in thrice] == ["7", "7", "1.7", "1.7", "2.7", "2.7"]
    assert [step.time_ns - once[0].time_ns for step in thrice] == [
        0, 250_000_000, 250_000_000, 500_000_000, 500_000_000, 750_000_000,
    ]  # fmt: skip
