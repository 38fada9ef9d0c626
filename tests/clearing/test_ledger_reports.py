"""Reports of `fixserver ledger`, as a person and a program read them: table, CSV and JSON of a venue that settles a day later."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from matching.messages import (
    MONEY_UNIT,
    Command,
    DefineAccount,
    DefineInstrument,
    Deposit,
    HoldDeliveries,
    NewOrder,
    RollDay,
    SetSettlement,
)
from matching.sequencer import Sequencer
from tests.clearing.test_ledger_command import CONFIG, NINE, Run, post


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """On 2 January ALICE buys 10 AAPL of BOB, who does not deliver on the 5th: a custodian holds it."""
    batches: list[list[Command]] = [
        [
            DefineInstrument("AAPL", "USD", 2, 0, 1, 1, 10**6, 10**18, 18950, 5000, 100, 300),
            DefineAccount("ALICE", "ALICE"),
            DefineAccount("BOB", "BOB"),
            Deposit("ALICE", "USD", str(100_000 * MONEY_UNIT)),
            Deposit("BOB", "AAPL", "500", "eve", "=1+1"),
            Deposit("BOB", "USD", str(5 * MONEY_UNIT)),
            SetSettlement(1),
            RollDay("20260102"),
        ],
        [
            NewOrder("BOB", "S", "1", "BOB", "AAPL", "2", "2", "0", 18950, 10),
            NewOrder("ALICE", "S", "1", "ALICE", "AAPL", "1", "2", "0", 19000, 10),
        ],
        [RollDay("20260105"), HoldDeliveries("BOB", "AAPL", True, "eve")],
        [RollDay("20260106")],
    ]
    times = iter([NINE + hour * 3_600 * 10**9 for hour in range(4)])
    sequencer = Sequencer(tmp_path / "data", "os", lambda: next(times))
    for _ in sequencer.recover():
        pass
    for commands in batches:
        sequencer.submit(commands)
        sequencer.receive()
        sequencer.publish()
    sequencer.close()
    post(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(CONFIG, data, capsys)


def as_csv(run: Run, *arguments: str) -> list[dict[str, str]]:
    code, out, error = run(*arguments, "--csv")
    assert (code, error) == (0, "")
    return list(csv.DictReader(io.StringIO(out)))


def table(run: Run, *arguments: str) -> list[list[str]]:
    """The words of each line."""
    code, out, error = run(*arguments)
    assert (code, error) == (0, "")
    return [line.split() for line in out.splitlines()]


def test_the_ledger_of_such_a_venue_is_right(run: Run) -> None:
    assert run("check")[0] == 0


def test_balances_say_what_is_unsettled(run: Run) -> None:
    assert table(run, "balances", "BOB")[1:3] == [["BOB", "1,899.8105", "490"], ["of", "that", "unsettled", "1,895.00", "-10"]]
    (bob,) = run.json("balances", "BOB")["accounts"]
    assert bob["unsettled"] == {"USD": "1895.0000000000", "AAPL": "-10"}


def test_the_blotter(run: Run) -> None:
    assert table(run, "blotter", "ALICE") == [
        ["time", "event", "account", "what", "side", "instrument", "settles", "quantity", "price", "value", "fee", "takes", "back"],
        ["2026-01-01T10:00:00.000000Z", "11", "ALICE", "trade", "buy", "AAPL", "later", "10", "189.50", "1,895.00", "0.5685"],
        ["at", "event", "22"],
    ]
    both = run.json("blotter", "--day", "20260102")["trades"]
    assert [(row["account"], row["side"], row["fee"]) for row in both] == [("ALICE", "buy", "0.5685"), ("BOB", "sell", "0.1895")]
    assert as_csv(run, "blotter", "--day", "2026-01-05") == []
    assert [row["value"] for row in as_csv(run, "blotter", "BOB", "--participant")] == ["1895.00"]


def test_positions(run: Run) -> None:
    assert run.json("positions", "ALICE")["positions"] == [
        {
            "account": "ALICE",
            "instrument": "AAPL",
            "quantity": "10",
            "average_price": "189.50",
            "cost": "1895.00",
            "mark": "189.50",
            "value": "1895.00",
            "unrealised": "0.00",
            "realised": "0.00",
            "fees": "0.5685",
            "dividends": "0.00",
        }
    ]
    assert [(row["account"], row["quantity"]) for row in as_csv(run, "positions")] == [("ALICE", "10"), ("BOB", "490")]
    assert table(run, "positions", "BOB")[1][:5] == ["BOB", "AAPL", "490", "189.50", "92,855.00"]


def test_the_settlement_report(run: Run) -> None:
    """Without a day that of the last that has ended."""
    found = run.json("settlement")
    assert found["trading_day"] == "20260105"
    assert [(row["account"], row["quantity_left"], row["money_left"], row["reason"]) for row in found["failed"]] == [
        ("ALICE", "10", "0.00", "counterparty"),
        ("BOB", "-10", "0.00", "held"),
    ]
    assert (found["netted"], found["bought_in"]) == ([], [])
    assert [(row["account"], row["quantity"], row["money"]) for row in found["settled"]] == [
        ("@fees", "0", "0.758"),
        ("ALICE", "0", "-0.5685"),
        ("BOB", "0", "-0.1895"),
    ]
    left = [(row["account"], row["quantity_left"], row["days"]) for row in found["open"]]
    assert left == [("ALICE", "10", "1"), ("BOB", "-10", "1")]
    assert [row["part"] for row in as_csv(run, "settlement", "--day", "20260102")] == ["netted"] * 3 + ["open"] * 3
    lines = table(run, "settlement", "BOB", "--day", "20260102")
    assert lines[:3] == [["trading", "day", "20260102"], [], ["netted:", "1"]]
    assert lines[4][:6] == ["netted", "15", "BOB", "AAPL", "20260102", "2"]


def test_the_trial_balance(run: Run) -> None:
    assert [row for row in table(run, "trial-balance") if row[1:4] == ["sum", "of", "all"]] == [
        ["USD", "sum", "of", "all", "0.00", "0.00", "0.00"],
        ["AAPL", "sum", "of", "all", "0", "0", "0"],
    ]
    before, now = as_csv(run, "trial-balance", "--day", "20260102"), run.json("trial-balance")["balances"]
    fees = [(row["settled"], row["unsettled"]) for row in [*before, *now] if (row["asset"], row["account"]) == ("USD", "@fees")]
    assert fees == [("0.00", "0.758"), ("0.758", "0.00")]


def test_a_statement_of_a_day_and_of_a_participant(run: Run) -> None:
    lines = [" ".join(words) for words in table(run, "statement", "BOB", "--participant", "--day", "20260105", "--asset", "USD")]
    assert lines == [
        "BOB",
        "time (UTC) event what asset change balance",
        "opening balance USD 5.00",
        "opening balance, unsettled USD 1,894.8105",
        "2026-01-01T12:00:00.000000Z 20 settlement money for AAPL USD -0.1895 4.8105",
        "2026-01-01T12:00:00.000000Z 20 unsettled: settlement money for AAPL USD +0.1895 1,895.00",
        "closing balance USD 4.8105",
        "closing balance, unsettled USD 1,895.00",
    ]


def test_what_a_person_wrote_is_no_formula_in_a_spreadsheet(run: Run) -> None:
    (deposit,) = (row for row in as_csv(run, "statement", "BOB") if row["asset"] == "AAPL" and row["what"] == "deposit")
    assert (deposit["reference"], deposit["by"], deposit["change"]) == ("'=1+1", "eve", "500")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ("blotter", "--day", "20260103"),
            "the ledger knows no trading day 20260103; the last ones are 20260102, 20260105, 20260106",
        ),
        (("positions", "EVE"), "the ledger has no account EVE; `fixserver ledger balances` shows all"),
        (("statement", "EVE", "--participant"), "the ledger has no account of a participant EVE"),
    ],
)
def test_what_is_not_there_is_said(run: Run, arguments: tuple[str, ...], why: str) -> None:
    assert run(*arguments) == (1, "", f"{why}\n")


def test_a_day_is_eight_digits(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("settlement", "--day", "today")
    assert "'today' is not a trading day such as 20260131 or 2026-01-31" in capsys.readouterr().err
