"""`fixserver secrets`: what it makes, who may read it, and that it never makes anything again."""

from __future__ import annotations

import shutil
import ssl
import stat
from pathlib import Path

import pytest

from fixserver import cli, passwords, secrets_command

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")

FILES = {
    "ca.pem", "ca.key", "venue.pem", "venue.key", "postgres_password", "clearing_password", "history_password", "grafana_password",
    "trader_password", "trader_password.hash", "bots_password", "bots_password.hash",
}  # fmt: skip


def test_it_makes_what_compose_yaml_wants_and_prints_none_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "secrets"
    assert cli.main(["secrets", str(directory), "--name", "fix.example.com"]) == 0
    said = capsys.readouterr()
    assert {path.name for path in directory.iterdir()} == FILES
    made = {path.name: path.read_text().strip() for path in directory.iterdir()}
    assert not [name for name, text in made.items() if text in said.out + said.err]
    for name in ("trader_password", "bots_password"):
        assert passwords.verify(made[name], made[f"{name}.hash"])
    plain = [made[name] for name in FILES if name.endswith("password")]
    assert len({*plain}) == len(plain) and min(map(len, plain)) >= 20


def test_only_the_owner_gets_into_the_directory_and_the_authoritys_key_is_his_alone(tmp_path: Path) -> None:
    secrets_command.make(tmp_path / "secrets", [])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()}
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert modes == {name: 0o400 if name == "ca.key" else 0o444 for name in FILES}


def test_what_is_there_stays_and_what_is_missing_is_made(tmp_path: Path) -> None:
    secrets_command.make(tmp_path, [])
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert secrets_command.make(tmp_path, []) == []
    for name in ("venue.pem", "bots_password.hash", "grafana_password"):
        (tmp_path / name).unlink()
    made = secrets_command.make(tmp_path, ["other.example.com"])
    assert sorted(made) == ["bots_password", "bots_password.hash", "grafana_password", "venue.key", "venue.pem"]
    after = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {name for name in FILES if before[name] == after[name]} == FILES - {*made}, "the authority is that of before"


def test_clients_with_the_authority_take_the_certificate_for_its_names(tmp_path: Path) -> None:
    secrets_command.make(tmp_path, ["fix.example.com"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "venue.pem", tmp_path / "venue.key")
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    for name in ("fix.example.com", "localhost", "127.0.0.1", "exchange", "marketdata"):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(to_client, to_server, server_hostname=name)
        theirs = server.wrap_bio(to_server, to_client, server_side=True)
        for _ in range(3):
            for side in (ours, theirs):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        assert ours.version() is not None, name


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert cli.main(["secrets", str(tmp_path / "file" / "secrets")]) == 2
    assert capsys.readouterr().err == f"secrets: {tmp_path}/file/secrets: not a directory\n"
