"""`fixserver doctor`: each fault is made, and is found, with what to do about it; a venue that is well has none."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from fixserver import config, doctor, secrets_command
from fixserver import doctor_machine as machine
from fixserver import doctor_venue as venue
from fixserver.findings import Finding
from fixserver.passwords import DECOY, hash_password
from matching.recordlog import segments
from tests.light import light_dictionaries, light_venue
from tests.postgres import Postgres
from tests.venue import DICTIONARIES, Venue, configuration, free_port, order

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
GIB = 2**30


def states(findings: Iterable[Finding], check: str = "") -> list[tuple[str, str]]:
    """(check, state) of what was found, or of what has that name."""
    return [(finding.check, finding.state) for finding in findings if check in ("", finding.check)]


def the(findings: Iterable[Finding], check: str) -> Finding:
    """The one finding of that name that is not well, or the only one."""
    found = [finding for finding in findings if finding.check == check]
    amiss = [finding for finding in found if finding.state != "ok"] or found
    assert len(amiss) == 1, found
    return amiss[0]


def written(directory: Path, **settings: Any) -> Path:
    path = directory / "venue.toml"
    path.write_text(configuration(**settings))
    return path


def read(directory: Path, **settings: Any) -> config.Config:
    return config.load(written(directory, **settings))


# ------------------------------------------------------------------------------------------------ the command


def test_a_venue_that_was_never_started_is_well(tmp_path: Path) -> None:
    findings = list(doctor.examined(written(tmp_path), tmp_path / "data"))
    assert [finding for finding in findings if finding.state == "wrong"] == []
    assert [check for check, _ in states(findings)] == [
        "python", "packages", "configuration", "disk", "sync", "memory", "clock", "open files",
        "port exchange.port", "port exchange.metrics_port", "port clearing.metrics_port", "port marketdata.port",
        "port marketdata.metrics_port", "port web.port", "port history.metrics_port",
        "dictionaries", "database clearing", "database history", "data",
    ]  # fmt: skip
    assert not (tmp_path / "data").exists(), "it changes nothing"


def test_the_command_prints_a_table_or_json_and_its_exit_code_says_whether_something_is_wrong(tmp_path: Path) -> None:
    stand = Venue(tmp_path)
    well = stand.command("doctor", "--config", str(stand.config), "--data", str(stand.data))
    assert well.returncode == 0, well.stdout
    assert well.stdout.splitlines()[-1].startswith("0 wrong, ")
    (tmp_path / "venue.toml").write_text("[venue]\nnam = 1\n")
    ill = stand.command("doctor", "--config", str(stand.config), "--data", str(stand.data), "--json")
    assert ill.returncode == 1
    found = {one["check"]: one for one in json.loads(ill.stdout)}
    assert found["configuration"] == {
        "check": "configuration",
        "state": "wrong",
        "found": f"{stand.config}: venue.nam: unknown key (is name meant?)",
        "do": "correct it: docs/operating.md and fixserver/config.py say what may stand there",
    }
    assert "port exchange.port" not in found, "what the configuration would say cannot be looked at"


def test_the_table_says_below_what_is_not_well_what_to_do() -> None:
    findings = [Finding("disk", "ok", "room"), Finding("port web.port", "wrong", "taken", "choose another")]
    assert doctor.table(findings).splitlines() == [
        "ok       disk           room",
        "WRONG    port web.port  taken",
        "                          -> choose another",
        "",
        "1 wrong, 0 warnings, 1 well",
    ]


def test_a_file_that_is_missing_is_said_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    file = written(tmp_path, web={"certificate": "no.pem", "private_key": "no.key"})
    findings = list(doctor.examined(file, tmp_path / "data"))
    assert the(findings, "configuration").found == f"{file}: web.certificate: {tmp_path}/no.pem is not there"
    assert the(findings, "certificate web").found.startswith(f"{tmp_path}/no.pem cannot be read by user ")
    assert ("database clearing", "ok") in states(findings)


# ------------------------------------------------------------------------------------------------ the machine


def test_a_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PYTHON_LEAST", (9, 0))
    assert the(machine.python(), "python").state == "wrong"


def test_packages_that_are_missing_or_of_another_version() -> None:
    finding = the(machine.packages(lambda: ["msgspec<0.1", "not-there-at-all>=1", "pytest; extra == 'dev'"]), "packages")
    assert (finding.state, finding.do) == ("wrong", "make clean install; or pip install -r requirements.lock")
    assert "msgspec is 0." in finding.found and "not <0.1; not-there-at-all is not there" in finding.found


def test_without_what_it_needs_itself_it_says_so_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fixserver

    monkeypatch.delattr(fixserver, "doctor_venue")
    monkeypatch.setitem(sys.modules, "fixserver.doctor_venue", None)
    findings = list(doctor.examined(written(tmp_path), tmp_path / "data"))
    assert states(findings) == [("python", "ok"), ("packages", "ok"), ("doctor", "wrong")]


def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert the(machine.disk(tmp_path / "data"), "disk").found == f"{tmp_path}/data is not a directory"


def test_a_disk_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    finding = the(machine.disk(tmp_path / "data"), "disk")
    assert finding.state == "wrong" and f"{tmp_path} cannot be written by user" in finding.found and "chown -R" in finding.do


@pytest.mark.parametrize(("least", "state"), [("FREE_BYTES_LEAST", "wrong"), ("FREE_BYTES_WARNING", "warning")])
def test_a_disk_that_is_full_or_nearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: str, state: str) -> None:
    monkeypatch.setattr(machine, least, 2**80)
    assert states(machine.disk(tmp_path)) == [("disk", state)]


@pytest.mark.parametrize(("durable", "state"), [(True, "wrong"), (False, "warning")])
def test_a_data_directory_in_memory(durable: bool, state: str) -> None:
    shared = Path("/dev/shm")
    if machine.filesystem(shared) != "tmpfs":
        pytest.skip("/dev/shm is not in memory here")
    finding = the(machine.sync_speed(shared, durable), "sync")
    assert (finding.state, finding.found) == (state, "/dev/shm is on tmpfs, of which nothing is left after a loss of power")


@pytest.mark.parametrize(
    ("median_ms", "durable", "state"),
    [(0.2, True, "ok"), (0.001, True, "warning"), (15.0, True, "warning"), (150.0, True, "wrong"), (0.2, False, "warning")],
)
def test_how_long_the_disk_takes(median_ms: float, durable: bool, state: str) -> None:
    assert states(machine.judged_sync(median_ms / 1000, 0.2, durable)) == [("sync", state)]


def test_the_disk_is_measured(tmp_path: Path) -> None:
    median, worst = machine.measured_sync(tmp_path)
    assert 0 < median <= worst
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MEMORY_BYTES_WARNING", 2**60)
    assert states(machine.memory()) == [("memory", "warning")]


def test_a_clock_that_was_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "BUILT_AFTER", time.time() + 1000)
    assert states(machine.clock(0)) == [("clock", "wrong")]


def test_a_clock_that_went_back() -> None:
    findings = list(machine.clock(time.time_ns() + 3600 * 10**9))
    assert findings[0].state == "wrong" and findings[0].found.endswith("it has gone back")


def test_a_clock_that_is_slow_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SLOW_CLOCK_S", 0.0)
    assert states(machine.source_of_time()) == [("clock", "warning")]


@pytest.mark.parametrize(
    ("state", "offset", "found"),
    [(0, 0.0004, "ok"), (0, 3.0, "warning"), (0, -3.0, "warning"), (5, 0.0, "warning"), (-1, 0.0, "ok")],
)
def test_how_good_the_kernel_says_its_clock_is(state: int, offset: float, found: str) -> None:
    assert states(machine.synchronised(state, offset, 0.01)) == [("clock", found)]


def test_too_few_open_files(tmp_path: Path) -> None:
    finding = the(machine.open_files(read(tmp_path), (100, 100)), "open files")
    assert finding.state == "warning" and finding.do.startswith("ulimit -n 2264; LimitNOFILE=2264")


def test_a_port_that_somebody_else_has(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        finding = the(machine.ports(read(tmp_path, exchange={"port": port}), tmp_path, set()), "port exchange.port")
    assert (finding.state, finding.found) == ("wrong", f"127.0.0.1:{port} is in use by another program")
    assert f"ss -ltnp 'sport = :{port}'" in finding.do


def test_an_address_that_is_not_this_machines(tmp_path: Path) -> None:
    findings = machine.ports(read(tmp_path, web={"address": "192.0.2.1", "port": 9}), tmp_path, set())
    assert the(findings, "port web.port").found == "192.0.2.1 is not an address of this machine"


# -------------------------------------------------------------------------------------------------- the venue


def test_a_port_for_other_machines_without_tls(tmp_path: Path) -> None:
    finding = the(
        venue.doors(read(tmp_path, marketdata={"address": "0.0.0.0"}, participants={"A": {"password": DECOY}})), "tls marketdata"
    )
    assert finding.state == "wrong" and "in the clear" in finding.found


def test_the_password_of_the_examples_where_others_may_log_on(tmp_path: Path) -> None:
    theirs = {"A": {"password": hash_password("demo")}, "B": {"password": hash_password("correct horse")}}
    finding = the(venue.doors(read(tmp_path, web={"address": "0.0.0.0"}, participants=theirs)), "passwords")
    assert finding.state == "wrong" and finding.found.startswith("the password of A is that of the examples")
    assert list(venue.doors(read(tmp_path, participants=theirs))) == []


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of certificates that are well, but for others who may read the key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make certificates")
    directory = tmp_path_factory.mktemp("pem") / "secrets"
    secrets_command.make(directory, [])
    return directory


def tls(pem: Path, certificate: str = "venue.pem", key: str = "venue.key", **more: str) -> dict[str, str]:
    return {"certificate": str(pem / certificate), "private_key": str(pem / key), **more}


def test_certificates_that_are_well(tmp_path: Path, pem: Path) -> None:
    (tmp_path / "venue.key").write_bytes((pem / "venue.key").read_bytes())
    (tmp_path / "venue.key").chmod(0o600)
    own = tls(pem) | {"private_key": str(tmp_path / "venue.key")}
    findings = list(venue.certificates(read(tmp_path, exchange=own | {"host": "exchange"}, web=own)))
    assert [(finding.check, finding.state) for finding in findings] == [("certificate exchange", "ok"), ("certificate web", "ok")]
    assert "for localhost, 127.0.0.1, exchange, marketdata, for 82" in findings[0].found


def test_a_key_that_others_may_read(tmp_path: Path, pem: Path) -> None:
    finding = the(venue.certificates(read(tmp_path, exchange=tls(pem))), "certificate exchange")
    assert (finding.state, finding.do) == ("warning", f"chmod 600 {pem}/venue.key")


def test_a_key_of_another_certificate(tmp_path: Path, pem: Path) -> None:
    finding = the(venue.certificates(read(tmp_path, exchange=tls(pem, key="ca.key"))), "certificate exchange")
    assert (finding.state, finding.found) == ("wrong", f"{pem}/ca.key is not the key of {pem}/venue.pem")


def test_a_file_that_is_no_certificate(tmp_path: Path, pem: Path) -> None:
    finding = the(venue.certificates(read(tmp_path, exchange=tls(pem, certificate="bots_password"))), "certificate exchange")
    assert finding.state == "wrong" and "is no certificate or key" in finding.found
    finding = the(venue.certificates(read(tmp_path, exchange=tls(pem, client_ca=str(pem / "venue.key")))), "certificate exchange")
    assert (finding.state, finding.do) == ("wrong", "name a file in PEM form")


@needs_openssl
def test_a_certificate_that_is_about_to_end_or_has_ended(tmp_path: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    for name, days in (("soon", "5"), ("over", "-1")):
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=venue")
        openssl("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-signkey", f"{name}.key", "-out", f"{name}.pem", "-days", days)
    soon, over = (read(tmp_path, web=tls(tmp_path, f"{name}.pem", f"{name}.key")) for name in ("soon", "over"))
    assert the(venue.certificates(soon), "certificate web").do == "have another made, and put it in the place of this one"
    assert the(venue.certificates(over), "certificate web").found.endswith("a client would refuse it: certificate has expired")


def test_a_certificate_without_the_name_that_the_venues_programs_use(tmp_path: Path, pem: Path) -> None:
    findings = [one for one in venue.certificates(read(tmp_path, exchange=tls(pem, host="fix.example.com"))) if one.state != "ok"]
    assert findings[0].found == "fix.example.com, by which the venue's programs reach it, is none of its names"


def test_dictionaries_that_are_not_those_of_the_program(tmp_path: Path) -> None:
    assert states(venue.fix_dictionaries(read(tmp_path))) == [("dictionaries", "ok")]
    own = tmp_path / "dictionaries"
    light_dictionaries(own)
    finding = the(venue.fix_dictionaries(read(tmp_path, venue={"dictionaries": str(own)})), "dictionaries")
    assert (finding.state, finding.do) == ("warning", f"fixserver dictionaries --output {own}")
    assert finding.found.startswith("FIX50SP2.xml in ")
    shutil.copytree(DICTIONARIES, tmp_path / "less")
    (tmp_path / "less" / "FIX44.xml").unlink()
    [finding] = doctor.configuration(written(tmp_path, venue={"dictionaries": str(tmp_path / "less")}))[1]
    assert finding.state == "wrong" and finding.found.endswith("FIX44.xml is not there: `fixserver dictionaries` makes it")


# -------------------------------------------------------------------------------------------------- databases


def test_a_database_that_cannot_be_reached(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "password").write_text("very-secret\n")
    kept = {"database": f"postgresql+psycopg://ledger@127.0.0.1:{port}/none", "database_password_file": "password"}
    findings = list(venue.databases(read(tmp_path, clearing=kept), tmp_path))
    finding = the(findings, "database clearing")
    assert finding.state == "wrong" and "ledger:***@127.0.0.1" in finding.found and "cannot be reached" in finding.found
    assert "very-secret" not in "".join(one.found + one.do for one in findings)


def test_a_postgres_that_does_not_wait_for_its_disk_and_one_database_by_two_names(tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.create("doctor_one")
    twice = {"clearing": {"database": url}, "history": {"database": url + "&application_name=other"}}
    findings = list(venue.databases(read(tmp_path, **twice), tmp_path))
    assert "fsync and full_page_writes off" in the(findings, "database clearing").found
    assert "is the database of clearing too, by another name" in the(findings, "database history").found


def test_tables_of_a_later_and_of_an_earlier_program(tmp_path: Path) -> None:
    with light_venue(tmp_path) as stand:
        stand.start("clearing")
        stand.close()
        config_file = config.load(stand.config)
        assert states(venue.databases(config_file, stand.data)) == [("database clearing", "ok"), ("database history", "ok")]
        for revision, state in (("9999", "wrong"), ("0001", "warning")):
            with sqlite3.connect(stand.data / "ledger.sqlite") as connection:
                connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
            assert the(venue.databases(config_file, stand.data), "database clearing").state == state


# --------------------------------------------------------------------------------------------- data directory


@pytest.fixture
def traded(tmp_path: Path) -> Venue:
    """A venue that has traded, was stopped, and has a snapshot."""
    with light_venue(tmp_path, web={"enabled": True}) as stand:
        client = stand.client("TRADER1").logon()
        for number in range(20):
            client.send("D", order(f"A{number}", quantity=1))
            client.expect("8", "39=0")
        client.logout()
    return stand


def looked(stand: Venue) -> list[Finding]:
    return list(venue.data_directory(stand.data, machine.running(stand.data)))


def test_a_venue_that_runs_has_its_ports_itself(tmp_path: Path) -> None:
    port, metrics_port = free_port(), free_port()
    with light_venue(tmp_path, exchange={"port": port, "metrics_port": metrics_port}) as stand:
        at_work = machine.running(stand.data)
        assert at_work == {"exchange"}
        findings = list(machine.ports(config.load(stand.config), stand.data, at_work))
        assert the(findings, "port exchange.port").found == f"127.0.0.1:{port} is ours: exchange listens there"
        findings = looked(stand)
        assert [one for one in findings if one.state != "ok"] == []
        assert the(findings, "processes").found == "at work: exchange"


def test_a_data_directory_that_is_well(traded: Venue) -> None:
    findings = looked(traded)
    assert [one for one in findings if one.state != "ok"] == []
    assert [check for check, _ in states(findings)] == ["processes", "journal", "events", "snapshots"]
    assert venue.last_time(traded.data) > time.time_ns() - 600 * 10**9


def test_a_journal_that_is_damaged(traded: Venue) -> None:
    _, path = segments(traded.data / "journal")[-1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    finding = the(looked(traded), "journal")
    assert finding.state == "wrong" and str(path) in finding.found and "damaged at offset" in finding.found


def test_a_journal_that_is_gone(traded: Venue) -> None:
    shutil.rmtree(traded.data / "journal")
    findings = [one for one in looked(traded) if one.state == "wrong"]
    assert [one.check for one in findings] == ["journal", "snapshots"]
    assert findings[0].found == f"{traded.data}: there are events, and no journal: its files are missing"
    assert "is ahead of the journal" in findings[1].found


def test_a_snapshot_that_is_damaged(traded: Venue) -> None:
    path = sorted((traded.data / "snapshots").glob("*.snapshot"))[-1]
    path.write_bytes(path.read_bytes()[:-10])
    finding = the(looked(traded), "snapshots")
    assert finding.state == "warning" and "the checksum does not match" in finding.found


def test_a_secret_that_others_may_read(traded: Venue) -> None:
    (traded.data / "web.secret").chmod(0o644)
    finding = the(looked(traded), "owner")
    assert (finding.state, finding.do) == ("wrong", f"chmod 600 {traded.data}/web.secret")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_another_user(traded: Venue) -> None:
    os.chown(traded.data / "lock", 65534, 65534)
    finding = the(looked(traded), "owner")
    assert (finding.state, finding.do) == ("wrong", f"chown -R 0 {traded.data}")
    os.chown(traded.data, 65534, 65534)
    for path in traded.data.rglob("*"):
        os.lchown(path, 65534, 65534)
    assert the(looked(traded), "owner").found == f"{traded.data} belongs to user 65534, and you are 0"


def test_what_a_killed_process_left(tmp_path: Path) -> None:
    with light_venue(tmp_path) as stand:
        stand.end("exchange", signal.SIGKILL)
        (stand.data / "snapshots").mkdir(exist_ok=True)
        (stand.data / "snapshots" / "1.partial").touch()
        finding = the(looked(stand), "leftovers")
    assert finding.state == "warning"
    assert finding.found == "snapshots/1.partial, admin.sock, traffic.sock: of processes that were killed"
