"""`fixserver admin`: what it prints, its exit codes, and that the journal says who asked."""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixserver import cli
from tests.operator.conftest import Operator
from tests.venue import PASSWORD_HASH, ROOT, Venue, order

BY = f"operator {pwd.getpwuid(os.getuid()).pw_name}"


class Console:
    """The command line in this process, which is quicker."""

    def __init__(self, venue: Venue, capsys: pytest.CaptureFixture[str]) -> None:
        self.venue = venue
        self.capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(["admin", "--data", str(self.venue.data), *arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def done(self, *arguments: str) -> list[str]:
        code, out, err = self(*arguments)
        assert (code, err) == (0, "")
        return out.splitlines()

    def refused(self, *arguments: str) -> str:
        code, out, err = self(*arguments)
        assert (code, out) == (1, "")
        return err.rstrip("\n")

    def wrong(self, *arguments: str) -> str:
        code, out, err = self(*arguments)
        assert (code, out) == (2, "")
        return err.splitlines()[-1]


@pytest.fixture
def console(venue: Venue, capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(venue, capsys)


def without_number(lines: list[str]) -> list[str]:
    assert all(line.split()[0].isdigit() for line in lines)
    return [line.split(maxsplit=1)[1] for line in lines]


# ---------------------------------------------------------------------------------------- as a process


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fixserver.cli", "admin", *arguments],
        cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_it_is_a_command_of_its_own(venue: Venue) -> None:
    done = run("--data", str(venue.data), "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].split() == ["venue", "FIXSERVER"]
    refused = run("--data", str(venue.data), "halt", "XXX")
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", "unknown symbol XXX\n")


def test_a_password_is_read_and_its_hash_sent(venue: Venue) -> None:
    added = run("participant", "add", "READER", "--password-stdin", "--json", "--data", str(venue.data), stdin="secret\n")
    assert (added.returncode, added.stderr) == (0, "")
    assert [event["event"] for event in json.loads(added.stdout)["events"]] == ["ParticipantDefined", "AccountDefined"]
    venue.client("READER", password="secret").logon()
    changed = run("participant", "password", "READER", "--password-stdin", "--data", str(venue.data), stdin="other\n")
    assert changed.returncode == 0
    venue.client("READER", "FIX.4.2", password="other").logon()
    empty = run("participant", "password", "READER", "--password-stdin", "--data", str(venue.data), stdin="\n")
    assert (empty.returncode, empty.stdout) == (2, "")
    assert "an empty password cannot be sent over FIX" in empty.stderr


def test_where_no_exchange_runs(tmp_path: Path) -> None:
    done = run("--data", str(tmp_path), "status")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{tmp_path}/admin.sock: no exchange is running there: start it, or name its directory with --data\n"


# ------------------------------------------------------------------------------------ what people are shown


def test_sessions(venue: Venue, console: Console) -> None:
    venue.client("TRADER1").logon()
    heads, first, second, third = console.done("session", "list", "TRADER1")
    assert heads.split() == ["NAME", "VERSION", "STATE", "IN", "OUT", "LAST", "SEEN", "FROM", "QUEUED", "IN/S", "OUT/S"]
    assert first.split() == ["TRADER1", "4.2", "-", "1", "1", "-", "-", "0", "0", "0"]
    assert second.split()[:6] == ["TRADER1", "4.4", "logged", "on", "2", "2"]
    assert second.split()[7:9] == ["127.0.0.1", "0"]
    assert third.split() == ["TRADER1", "5.0SP2", "-", "1", "1", "-", "-", "0", "0", "0"]
    assert console.done("session", "logout", "TRADER1", "--text", "bye") == ["TRADER1/FIX.4.4: logged out"]
    assert console.refused("session", "logout", "TRADER1", "--version", "4.2") == "TRADER1/FIX.4.2: not connected"
    assert console.done("session", "reset", "TRADER1", "--version", "4.4") == [
        "TRADER1/FIX.4.4: the next number is 1 in both directions"
    ]
    assert console.done("session", "set-sequence", "TRADER1", "4.4", "--in", "7", "--out", "9") == [
        "TRADER1/FIX.4.4: 7 comes next from the client, 9 to him"
    ]


def test_status(venue: Venue, console: Console, operator: Operator) -> None:
    shown = dict(line.split(maxsplit=1) for line in console.done("status") if not line.startswith(("open", "last", "trading")))
    assert shown["durability"] == "os"
    assert shown["phases"] == "continuous 2"
    assert shown["markets"] == "MAIN continuous"
    assert shown["snapshot"] == "command 0, time -, bytes 0"
    assert int(shown["journal"].split()[1].replace(",", "")) > 0
    [line] = console.done("snapshot")
    command = operator.do("status")["snapshot"]["command"]
    assert line.startswith(f"the snapshot at command {command} is written, ")
    assert (venue.data / "snapshots" / f"{command:020d}.snapshot").exists()


def test_the_market(venue: Venue, console: Console) -> None:
    assert without_number(console.done("halt", "AAPL")) == [f'PhaseChanged instrument=AAPL phase=halted by="{BY}"']
    assert without_number(console.done("resume", "AAPL")) == [f'PhaseChanged instrument=AAPL phase=continuous by="{BY}"']
    assert len(console.done("phase", "--all", "pre-open")) == 3
    assert len(console.done("phase", "--market", "MAIN", "continuous")) == 3
    assert without_number(console.done("band", "AAPL", "--reference", "101.00")) == [
        f'ReferenceSet instrument=AAPL price=101.00 low=50.50 high=151.50 by="{BY}"'
    ]
    [added] = console.done(
        "instrument", "add", "LATE", "--quantity-max", "100", "--value-max", "10000", "--reference-price", "10", "--tick", "0.05"
    )
    assert " InstrumentDefined instrument=LATE currency=USD " in added
    console.done("instrument", "change", "LATE", "--lot", "10")
    heads, *rows = console.done("instrument", "list")
    assert heads.split() == ["SYMBOL", "MARKET", "PHASE", "LAST", "BID", "OFFER", "REFERENCE", "LOW", "HIGH"]
    assert [row.split() for row in rows if row.startswith("LATE")] == [
        ["LATE", "MAIN", "continuous", "-", "-", "-", "10.00", "9.00", "11.00"]
    ]
    assert ["lot", "10"] in [line.split() for line in console.done("instrument", "show", "LATE")]


def test_orders_and_trades(venue: Venue, console: Console) -> None:
    buyer, seller = venue.client("TRADER2").logon(), venue.client("TRADER3").logon()
    buyer.send("D", order("o1"))
    number = buyer.expect("8", "39=0")[37]
    [line] = without_number(console.done("cancel", "order", number))
    assert line == f"OrderCanceled order_id={number} instrument=AAPL quantity=10 reason=OPERATOR"
    buyer.expect("8", "39=4")
    assert console.refused("cancel", "order", number) == f"no open order has the number {number}"
    buyer.send("D", order("o2"))
    buyer.expect("8", "39=0")
    seller.send("D", order("o3", "2"))
    trade = buyer.expect("8", "39=2")[17]
    [corrected] = without_number(console.done("correct", trade, "--price", "99.00"))
    assert corrected.startswith(f"TradeCorrected trade_seq={trade[:-1]} instrument=AAPL price=99.00 quantity=10 ")
    [busted] = without_number(console.done("bust", trade[:-1]))
    assert busted.startswith(f"TradeBusted trade_seq={trade[:-1]} instrument=AAPL price=99.00 quantity=10 ")
    assert console.refused("bust", trade) == f"trade {trade[:-1]} was busted already"
    assert console.refused("bust", "12x") == '"12x" is neither the number nor an ExecID of a trade'
    assert console.done("cancel", "order", "--participant", "TRADER2", "--symbol", "AAPL")[0].split()[1] == "MassCanceled"


def test_participants(venue: Venue, console: Console) -> None:
    added = console.done(
        "participant", "add", "CONSUL", "--password-hash", PASSWORD_HASH, "--cash", "100.50", "--holding", "AAPL=5",
        "--holding", "MSFT=6", "--orders-per-second", "9", "--value-max", "1000",
    )  # fmt: skip
    assert [line.split()[1] for line in added] == ["ParticipantDefined", "AccountDefined", *["BalanceChanged"] * 3]
    console.done("participant", "limits", "CONSUL", "--open-orders-max", "3")
    console.done("deposit", "CONSUL", "USD", "0.25", "--reference", "a gift")
    console.done("withdraw", "CONSUL", "MSFT", "1")
    heads, *rows = console.done("participant", "list")
    assert heads.split()[:4] == ["NAME", "ACCESS", "SESSIONS", "OPEN"]
    [row] = [row.split() for row in rows if row.startswith("CONSUL")]
    assert row[:9] == ["CONSUL", "normal", "0", "0", "9", "0", "1000.00", "3", "0"]
    shown = console.done("participant", "show", "CONSUL")
    assert shown[-4:] == [
        "ASSET   TOTAL  SETTLED  UNSETTLED  RESERVED", "USD    100.75   100.75       0.00      0.00",
        "AAPL        5        5          0         0", "MSFT        5        5          0         0",
    ]  # fmt: skip
    assert without_number(console.done("kill", "CONSUL")) == [
        f'AccessSet participant=CONSUL access=killed affected=0 by="{BY}"'
    ]
    console.done("unkill", "CONSUL")
    console.done("participant", "suspend", "CONSUL")
    assert console.refused("kill", "CONSUL") == "CONSUL is suspended"
    console.done("participant", "restore", "CONSUL")


def test_json_is_the_answer_wherever_it_is_said(console: Console, operator: Operator) -> None:
    for arguments in (["--json", "participant", "show", "TRADER4"], ["participant", "show", "TRADER4", "--json"]):
        [line] = console.done(*arguments)
        assert json.loads(line) == operator.do("participant show", name="TRADER4")
    listed = json.loads(console.done("session", "list", "--json")[0])
    assert listed.keys() == {"sessions"}
    assert len(listed["sessions"]) == len(operator.do("session list")["sessions"])
    [event] = json.loads(console.done("--json", "deposit", "TRADER4", "USD", "1")[0])["events"]
    assert event.pop("number") > 0
    assert event == {
        "event": "BalanceChanged", "account": "TRADER4", "asset": "USD", "amount": "1.00", "balance": "1000000001.00", "by": BY,
    }  # fmt: skip


def test_long_lists_come_whole(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    from fixserver import admin_command

    def listed() -> list[tuple[str, str]]:
        rows = json.loads(console.done("session", "list", "--json")[0])["sessions"]
        return [(row["name"], row["version"]) for row in rows]

    whole = listed()
    pages: list[dict[str, Any]] = []

    class InPages(admin_command.AdminClient):
        """As if an answer held three rows."""

        def ask(self, action: str, arguments: dict[str, Any]) -> Any:
            result = super().ask(action, arguments)
            rows = result["sessions"]
            key = f"{rows[2]['name']}/{'FIXT.1.1' if rows[2]['version'] == '5.0SP2' else 'FIX.' + rows[2]['version']}"
            more = len(rows) > 3
            pages.append(arguments)
            return {"sessions": rows[:3], "after": key if more else ""}

    monkeypatch.setattr(admin_command, "AdminClient", InPages)
    assert listed() == whole
    assert len(pages) == len(whole) // 3


# ------------------------------------------------------------------------------------------- what is wrong


def test_arguments_that_are_wrong(console: Console, tmp_path: Path) -> None:
    assert console.wrong("halt") == "fixserver admin: say a SYMBOL, --market MARKET or --all"
    assert console.wrong("halt", "AAPL", "MSFT") == "fixserver admin: unexpected: MSFT"
    assert console.wrong("phase") == "fixserver admin: PHASE is missing"
    assert console.wrong("participant", "add", "X", "--holding", "AAPL") == (
        "fixserver admin: --holding AAPL: is not SYMBOL=QUANTITY, or the symbol stands there twice"
    )
    assert "invalid choice: 'dance'" in console.wrong("dance")
    assert "required: --price" in console.wrong("correct", "12")
    nobody = console.wrong("status", "--data", str(tmp_path / "none"))
    assert nobody.startswith(f"{tmp_path}/none/admin.sock: no exchange is running")


def test_a_socket_that_is_somebody_elses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", denied)
    assert cli.main(["admin", "--data", str(tmp_path), "status"]) == 2
    assert capsys.readouterr().err == f"{tmp_path}/admin.sock: permission denied: be the user that the exchange runs as\n"


# -------------------------------------------------------------------------------------- who did it, and how often


def journal(venue: Venue) -> list[str]:
    return venue.command("journal", "dump", "--data", str(venue.data)).stdout.splitlines()


def test_the_journal_says_who_did_what(venue: Venue, console: Console) -> None:
    before = len(journal(venue))
    buyer, seller = venue.client("TRADER5").logon(), venue.client("TRADER6").logon()
    buyer.send("D", order("w1"))
    buyer.expect("8", "39=0")
    seller.send("D", order("w2", "2"))
    trade = buyer.expect("8", "39=2")[17]
    for arguments in (
        "halt AAPL", "resume AAPL", "phase MSFT continuous", "band AAPL --static 40 --reference 100.00",
        "instrument add WHO --quantity-max 10 --value-max 100 --reference-price 1", "instrument change WHO --lot 2",
        f"participant add WHOM --password-hash {PASSWORD_HASH} --cash 1", "participant limits WHOM --open-orders-max 1",
        f"participant password WHOM --password-hash {PASSWORD_HASH}", "participant suspend WHOM", "participant restore WHOM",
        "kill WHOM", "unkill WHOM", "deposit WHOM USD 1 --reference gift", "withdraw WHOM USD 1", f"correct {trade} --price 99.00",
        f"bust {trade}", "cancel order --participant WHOM", "session reset WHOM", "session set-sequence WHOM 4.2 --in 5",
        "session logout TRADER5 --version 4.4", "snapshot",
    ):  # fmt: skip
        console.done(*arguments.split())
    lines = [line.split(maxsplit=2)[2] for line in journal(venue)[before + 2 :]]
    assert [line.split()[0] for line in lines] == [
        "SetPhase", "SetPhase", "SetPhase", "DefineInstrument", "SetReference", "DefineInstrument", "DefineInstrument",
        "DefineParticipant", "DefineAccount", "Deposit", "DefineParticipant", "DefineParticipant", "SetAccess", "SetAccess",
        "SetAccess", "SetAccess", "Deposit", "Withdraw", "CorrectTrade", "BustTrade", "MassCancel", *["OperatorNote"] * 4,
    ]  # fmt: skip
    assert [line for line in lines if f'by="{BY}"' not in line] == []
    assert lines[-4:] == [
        f'OperatorNote text="reset of WHOM/FIX.4.2, WHOM/FIX.4.4, WHOM/FIXT.1.1" by="{BY}"',
        f'OperatorNote text="numbers of WHOM/FIX.4.2: in 5" by="{BY}"',
        f'OperatorNote text="logout of TRADER5/FIX.4.4: logged out by the operator" by="{BY}"',
        f'OperatorNote text=snapshot by="{BY}"',
    ]
    assert "scrypt" not in "\n".join(lines)


def test_a_thousand_commands(venue: Venue) -> None:
    with Operator(venue) as operator:
        asked = [{"action": "deposit", "arguments": {"account": "TRADER20", "asset": "USD", "amount": "1"}}] * 1000
        operator.send(b"".join(json.dumps(one).encode() + b"\n" for one in asked))
        balances = [operator.answer()["result"]["events"][0]["balance"] for _ in asked]
    assert balances == [f"{1_000_000_000 + number}.00" for number in range(1, 1001)]


def test_what_was_answered_is_there_after_a_kill(venue: Venue) -> None:
    """Killed while an operator goes on asking: everything that he was told is so."""
    for _ in range(3):
        with Operator(venue) as operator:
            [account] = operator.do("participant show", name="TRADER21")["accounts"]
            before = int(account["balances"][0]["total"].partition(".")[0])
            deposit = {"action": "deposit", "arguments": {"account": "TRADER21", "asset": "USD", "amount": "1"}}
            operator.send((json.dumps(deposit).encode() + b"\n") * 600)
            answered = 0
            while answered < 100:
                assert operator.answer()["ok"]
                answered += 1
            venue.kill()
            while line := operator.line():
                answered += line.endswith(b"\n")
        venue.start()
        with Operator(venue) as operator:
            [account] = operator.do("participant show", name="TRADER21")["accounts"]
            after = int(account["balances"][0]["total"].partition(".")[0])
        assert before + answered <= after <= before + 600
