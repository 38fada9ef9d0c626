"""`fixserver ledger`, as a person uses it: what it prints, and its exit codes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text

from clearing.database import open_database
from clearing.ledger import Ledger
from fixserver import cli
from fixserver.clearing_process import only_writer
from following.database import sqlite_url
from matching.messages import (
    MONEY_UNIT,
    BustTrade,
    Command,
    CorrectTrade,
    DefineAccount,
    DefineInstrument,
    Deposit,
    NewOrder,
    Traded,
    Withdraw,
)
from matching.sequencer import Sequencer
from tests.clearing.venue import all_records, rows
from tests.postgres import Postgres

CONFIG = Path(__file__).parents[2] / "config" / "exchange.toml"
NINE = 1_767_258_000_000_000_000  # 2026-01-01 09:00 UTC


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A venue: at nine ALICE and BOB get what they begin with, at ten ALICE buys 10 AAPL of BOB, at eleven she withdraws."""
    batches: list[list[Command]] = [
        [
            DefineInstrument("AAPL", "USD", 2, 0, 1, 1, 10**6, 10**18, 18950, 5000, 100, 300),
            DefineAccount("ALICE", "ALICE"),
            DefineAccount("BOB", "BOB"),
            Deposit("ALICE", "USD", str(100_000 * MONEY_UNIT)),
            Deposit("BOB", "AAPL", "500"),
        ],
        [
            NewOrder("BOB", "S", "1", "BOB", "AAPL", "2", "2", "0", 18950, 10),
            NewOrder("ALICE", "S", "1", "ALICE", "AAPL", "1", "2", "0", 19000, 10),
        ],
        [Withdraw("ALICE", "USD", str(98_000 * MONEY_UNIT))],
    ]
    times = iter([NINE + hour * 3_600 * 10**9 for hour in range(3)])
    directory = tmp_path / "data"
    sequencer = Sequencer(directory, "os", lambda: next(times))
    for _ in sequencer.recover():
        pass
    for commands in batches:
        sequencer.submit(commands)
        sequencer.receive()
        sequencer.publish()
    sequencer.close()
    return directory


def post(data: Path, url: str | URL = "") -> None:
    ledger = Ledger(open_database(url or sqlite_url(data / "ledger.sqlite")))
    ledger.load()
    ledger.post(all_records(data / "events"))
    ledger.close()


class Run:
    """Runs the command line on one venue."""

    def __init__(self, config: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config, self.data, self.capsys = config, data, capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of `fixserver ledger ...`."""
        code = cli.main(["ledger", *arguments, "--config", str(self.config), "--data", str(self.data)])
        out, error = self.capsys.readouterr()
        return code, out, error

    def json(self, *arguments: str) -> Any:
        code, out, error = self(*arguments, "--json")
        assert (code, error) == (0, "")
        return json.loads(out)


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(CONFIG, data, capsys)


def test_check_of_a_ledger_that_is_right(run: Run, data: Path) -> None:
    post(data)
    assert run("check") == (
        0,
        "ledger at event 9 of 9: 4 transactions, 9 postings\n"
        "ok: every transaction is whole and sums to zero, balances are the sums of their postings,"
        " and the 2 accounts are those of the engine at this event\n",
        "",
    )
    assert run.json("check") == {
        "ok": True,
        "event_seq": 9,
        "command_seq": 8,
        "event_log_head": 9,
        "transactions": 4,
        "postings": 9,
        "accounts_compared": 2,
        "faults": [],
    }


def test_check_compares_with_the_engine_at_the_ledgers_own_event(run: Run, data: Path) -> None:
    """The ledger is behind the exchange, as it may be at any moment."""
    ledger = Ledger(open_database(sqlite_url(data / "ledger.sqlite")))
    ledger.load()
    ledger.post(all_records(data / "events")[:2])
    ledger.close()
    code, out, _ = run("check")
    assert (code, out.splitlines()[0]) == (0, "ledger at event 8 of 9: 3 transactions, 8 postings")


def test_check_of_a_ledger_that_is_wrong(run: Run, data: Path) -> None:
    post(data)
    engine = open_database(sqlite_url(data / "ledger.sqlite"))
    with engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE balances SET amount = amount + 1 WHERE account = 5 AND asset = 2"))
    code, out, error = run("check")
    assert (code, error) == (1, "")
    assert out.splitlines() == [
        "ledger at event 9 of 9: 4 transactions, 9 postings",
        "  WRONG  BOB AAPL: the balance is 491, and the postings sum to 490",
        "  WRONG  AAPL: the balances of all accounts sum to 1, and not to zero",
        "  WRONG  BOB AAPL: the ledger has 491, and the engine 490, at event 9",
    ]
    code, out, _ = run("check", "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)


def test_check_where_the_engine_cannot_be_asked(run: Run, data: Path) -> None:
    post(data)
    shutil.rmtree(data / "journal")
    code, out, _ = run("check")
    assert code == 1
    assert "WRONG  the engine cannot be asked: " in out
    assert run("check", "--without-engine")[0] == 0


def test_check_where_the_event_log_ends_before_the_ledger(run: Run, data: Path) -> None:
    post(data)
    shutil.rmtree(data / "events")
    code, out, _ = run("check")
    assert code == 1
    assert "WRONG  the cursor is at event 9, and the event log ends with event 0" in out


def test_balances(run: Run, data: Path) -> None:
    post(data)
    assert run("balances") == (
        0,
        "account           USD  AAPL\n"
        "@clearing        0.00     0\n"
        "@fees           0.758     0\n"
        "@outside    -2,000.00  -500\n"
        "ALICE        104.4315    10\n"
        "BOB        1,894.8105   490\n"
        "at event 9\n",
        "",
    )
    assert run.json("balances", "ALICE") == {
        "event_seq": 9,
        "accounts": [{"account": "ALICE", "kind": "participant", "balances": {"USD": "104.4315000000", "AAPL": "10"}}],
    }


def test_statement(run: Run, data: Path) -> None:
    post(data)
    assert run("statement", "ALICE") == (
        0,
        "time (UTC)                   event  what                             asset       change      balance\n"
        "2026-01-01T09:00:00.000000Z  4      deposit                          USD    +100,000.00   100,000.00\n"
        "2026-01-01T10:00:00.000000Z  8      buy 10 AAPL at 189.50            USD      -1,895.00    98,105.00\n"
        "2026-01-01T10:00:00.000000Z  8      buy 10 AAPL at 189.50            AAPL           +10           10\n"
        "2026-01-01T10:00:00.000000Z  8      taker fee for 10 AAPL at 189.50  USD        -0.5685  98,104.4315\n"
        "2026-01-01T11:00:00.000000Z  9      withdrawal                       USD     -98,000.00     104.4315\n"
        "                                    closing balance                  USD                    104.4315\n"
        "                                    closing balance                  AAPL                         10\n",
        "",
    )


def test_statement_as_json(run: Run, data: Path) -> None:
    post(data)
    assert run.json("statement", "ALICE", "--from", "2026-01-01T10:00", "--to", "2026-01-01T11:00", "--asset", "AAPL") == {
        "account": "ALICE",
        "opening": {},
        "lines": [
            {
                "event_seq": 8,
                "time": "2026-01-01T10:00:00.000000Z",
                "what": "buy",
                "asset": "AAPL",
                "change": "10",
                "balance": "10",
                "instrument": "AAPL",
                "quantity": "10",
                "price": "189.50",
            }
        ],
        "opening_unsettled": {},
        "closing": {"AAPL": "10"},
        "closing_unsettled": {},
    }
    assert run.json("statement", "ALICE", "--to", "2026-01-01")["lines"] == []
    assert run.json("statement", "ALICE", "--from", "2026-01-02")["opening"] == {"USD": "104.4315000000", "AAPL": "10"}


@pytest.fixture
def amended(data: Path) -> Path:
    """At noon the operator corrects the trade to 4 at 189.00, at one he takes it back, at two he deposits what a letter says."""
    times = iter([NINE + hour * 3_600 * 10**9 for hour in range(3, 7)])
    sequencer = Sequencer(data, "os", lambda: next(times))
    for _ in sequencer.recover():
        pass
    (trade,) = (event for one in all_records(data / "events") for event in one.batch.events if isinstance(event, Traded))
    for command in (
        Deposit("ALICE", "USD", str(98_000 * MONEY_UNIT)),
        CorrectTrade(trade, 18900, 4, "operator eve"),
        BustTrade(trade, "operator eve"),
        Deposit("BOB", "AAPL", "1", "operator eve", "letter of 1 January"),
    ):
        sequencer.submit([command])
        sequencer.receive()
        sequencer.publish()
    sequencer.close()
    return data


def test_a_statement_with_a_correction_a_bust_and_a_reference(run: Run, amended: Path) -> None:
    post(amended)
    code, out, _ = run("statement", "BOB", "--from", "2026-01-01T12:01")
    assert code == 0
    assert [re.split(r" {2,}", line.strip())[1:] for line in out.splitlines()[3:]] == [
        ["11", "event 8 taken back: sell 10 AAPL at 189.50 by operator eve", "USD", "-1,895.00", "-0.1895"],
        ["11", "event 8 taken back: sell 10 AAPL at 189.50 by operator eve", "AAPL", "+10", "500"],
        ["11", "event 8 taken back: maker fee for 10 AAPL at 189.50 by operator eve", "USD", "+0.1895", "0.00"],
        ["11", "sell 4 AAPL at 189.00 by operator eve", "USD", "+756.00", "756.00"],
        ["11", "sell 4 AAPL at 189.00 by operator eve", "AAPL", "-4", "496"],
        ["11", "maker fee for 4 AAPL at 189.00 by operator eve", "USD", "-0.0756", "755.9244"],
        ["12", "event 11 taken back: sell 4 AAPL at 189.00 by operator eve", "USD", "-756.00", "-0.0756"],
        ["12", "event 11 taken back: sell 4 AAPL at 189.00 by operator eve", "AAPL", "+4", "500"],
        ["12", "event 11 taken back: maker fee for 4 AAPL at 189.00 by operator eve", "USD", "+0.0756", "0.00"],
        ["13", "deposit by operator eve (letter of 1 January)", "AAPL", "+1", "501"],
        ["AAPL", "501"],
    ]
    assert run("check")[0] == 0


def test_busts_and_references_as_json(run: Run, amended: Path) -> None:
    post(amended)
    lines = run.json("statement", "BOB", "--from", "2026-01-01T14:00", "--asset", "AAPL")["lines"]
    assert lines == [
        {
            "event_seq": 12,
            "time": "2026-01-01T14:00:00.000000Z",
            "what": "sell",
            "asset": "AAPL",
            "change": "4",
            "balance": "500",
            "instrument": "AAPL",
            "quantity": "4",
            "price": "189.00",
            "takes_back": 11,
            "by": "operator eve",
        },
        {
            "event_seq": 13,
            "time": "2026-01-01T15:00:00.000000Z",
            "what": "deposit",
            "asset": "AAPL",
            "change": "1",
            "balance": "501",
            "by": "operator eve",
            "reference": "letter of 1 January",
        },
    ]


def test_rebuild_beside_the_live_ledger_compares_row_by_row(run: Run, data: Path) -> None:
    post(data)
    url = sqlite_url(data / "ledger.sqlite")
    code, out, _ = run("rebuild")
    assert code == 0
    assert re.fullmatch(r"made anew up to event 9: \d+ rows, each the same \(\d+\.\d s\)\n", out)
    with open_database(url).connect() as connection, connection.begin():
        connection.execute(text("UPDATE postings SET amount = 499 WHERE event_seq = 5"))
    before = rows(open_database(url))
    with only_writer(data):  # as while the clearing process runs
        code, out, _ = run("rebuild")
    assert (code, out) == (
        1,
        "  DIFFERS  postings event_seq 5, leg 7: amount is 499, and 500 is due\n"
        "made anew up to event 9: it is not the ledger. With --replace the new one takes its place\n",
    )
    assert rows(open_database(url)) == before, "the live one is as it was"
    assert [path.name for path in data.iterdir() if path.name.startswith("rebuild")] == []


def test_rebuild_makes_a_ledger_where_there_is_none(run: Run, data: Path) -> None:
    code, out, _ = run("rebuild")
    assert (code, out.partition(", in ")[0]) == (0, "rebuilt up to event 9: 1 trades, 9 postings")
    assert run("check")[0] == 0


def test_rebuild_in_its_place_makes_the_same_ledger(run: Run, data: Path) -> None:
    post(data)
    url = sqlite_url(data / "ledger.sqlite")
    live = rows(open_database(url))
    with open_database(url).connect() as connection, connection.begin():
        connection.execute(text("UPDATE postings SET amount = 499 WHERE event_seq = 5"))
    code, out, error = run("rebuild", "--replace")
    assert (code, error) == (0, "event 9 of 9 (100 %)\n")
    assert out.startswith("rebuilt up to event 9: 1 trades, 9 postings, in ")
    assert rows(open_database(url)) == live
    assert run("check")[0] == 0


def test_rebuild_waits_for_nobody(run: Run, data: Path) -> None:
    post(data)
    with only_writer(data):
        code, out, error = run("rebuild", "--replace")
    assert (code, out) == (1, "")
    whose = "another process writes this ledger, `fixserver clearing` or `ledger rebuild --replace`: stop it"
    assert error == f"{data}/ledger.lock: {whose}\n"


def test_what_there_is_to_say_where_there_is_no_ledger(run: Run, data: Path) -> None:
    for action in ("check", "balances"):
        code, _, error = run(action)
        assert (code, error) == (1, f"{data}/ledger.sqlite: there is no ledger yet; `fixserver clearing` makes it\n")
    assert not (data / "ledger.sqlite").exists()
    shutil.rmtree(data / "events")
    code, _, error = run("rebuild")
    assert (code, error) == (1, f"{data}/events: there is no event to post; is {data} the venue's data directory?\n")


def test_an_account_that_is_not_there(run: Run, data: Path) -> None:
    post(data)
    for arguments in (("balances", "EVE"), ("statement", "EVE")):
        code, out, error = run(*arguments)
        assert (code, out, error) == (1, "", "the ledger has no account EVE; `fixserver ledger balances` shows all\n")


def test_a_time_that_is_none(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("statement", "ALICE", "--from", "yesterday")
    assert ended.value.code == 2
    assert "'yesterday' is not a time such as 2026-01-31 or 2026-01-31T14:30" in capsys.readouterr().err


@pytest.fixture
def on_postgres(postgres: Postgres, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    shutil.copytree(CONFIG.parent, tmp_path / "config")
    config = tmp_path / "config" / "exchange.toml"
    config.write_text(config.read_text().replace('database = ""', f'database = "{postgres.url("command")}"', 1))
    yield Run(config, data, capsys)
    postgres.execute('DROP DATABASE IF EXISTS "command" WITH (FORCE)')


def test_all_of_it_on_postgresql(on_postgres: Run, postgres: Postgres, data: Path) -> None:
    code, _, error = on_postgres("check")
    assert code == 1
    assert 'database "command" does not exist' in error
    postgres.create("command")
    code, _, error = on_postgres("check")
    assert code == 1
    assert "no ledger of this program's version; `fixserver clearing` makes it" in error
    assert on_postgres("rebuild")[0] == 0
    assert on_postgres("check")[1].splitlines()[0] == "ledger at event 9 of 9: 4 transactions, 9 postings"
    assert on_postgres.json("balances", "BOB")["accounts"][0]["balances"] == {"USD": "1894.8105000000", "AAPL": "490"}
    assert len(on_postgres.json("statement", "ALICE")["lines"]) == 5


def test_a_database_that_cannot_be_one(on_postgres: Run) -> None:
    on_postgres.config.write_text(
        on_postgres.config.read_text().replace("postgresql+psycopg://postgres@/", "postgresql+psycopg://postgres@host:port/")
    )
    code, _, error = on_postgres("check")
    assert code == 2
    assert "clearing.database" in error
    assert len(error.splitlines()) == 1
