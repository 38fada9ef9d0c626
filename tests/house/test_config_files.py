"""Files that a configuration names: secrets in a line of their own, and who has to be able to read what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixserver import clearing_process, config, history_process, passwords
from fixserver.addresses import host_of
from fixserver.config import ConfigError
from tests.house.test_config import CONFIG, VENUE

HASH = passwords.hash_password("correct horse", b"0123456789abcdef")
POSTGRES = "postgresql+psycopg://clearing@db/clearing_data"


def venue_at(path: Path, **sections: Any) -> dict[str, Any]:
    return VENUE | {"venue": {"dictionaries": str(CONFIG / "dictionaries")}, "fees": [], "drop_copies": []} | sections


def load(path: Path, data: dict[str, Any], sections: tuple[str, ...] | None = None) -> config.Config:
    return config.from_data(data, path / "venue.toml", sections)


def refusal(path: Path, data: dict[str, Any], sections: tuple[str, ...] | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        load(path, data, sections)
    return str(error.value).replace(f"{path}/", "")


def test_the_password_of_a_database_comes_from_its_file_and_is_in_no_text(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("p@ss/word:1\n")
    kept = {"database": POSTGRES, "database_password_file": "secret"}
    venue = load(tmp_path, venue_at(tmp_path, clearing=kept))
    url = clearing_process.database_url(venue, tmp_path)
    assert not isinstance(url, str) and url.password == "p@ss/word:1"
    assert str(url) == "postgresql+psycopg://clearing:***@db/clearing_data"
    history = load(tmp_path, venue_at(tmp_path, history=kept))
    assert history_process.database_url(history, tmp_path) == url


@pytest.mark.parametrize(
    ("content", "kept", "line"),
    [
        (None, POSTGRES, "clearing.database_password_file: secret: no such file or directory"),
        ("", POSTGRES, "clearing.database_password_file: secret has to hold one line, and holds 0"),
        ("\n", POSTGRES, "clearing.database_password_file: secret holds an empty line"),
        ("one\ntwo\n", POSTGRES, "clearing.database_password_file: secret has to hold one line, and holds 2"),
        ("one\n", "", "clearing.database_password_file: is of no use: clearing.database is not PostgreSQL"),
    ],
)
def test_what_is_wrong_with_the_file_of_a_password_is_said_without_it(
    tmp_path: Path, content: str | None, kept: str, line: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_text(content)
    section = {"database": kept, "database_password_file": "secret"}
    assert refusal(tmp_path, venue_at(tmp_path, clearing=section)) == f"venue.toml: {line}"


def test_the_hash_of_a_participants_password_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "alice.hash").write_text(HASH + "\n")
    entry = {"name": "ALICE", "count": 2, "password_file": "alice.hash"}
    venue = load(tmp_path, venue_at(tmp_path, participants=[entry]))
    assert [(one.name, one.password) for one in venue.participants] == [("ALICE1", HASH), ("ALICE2", HASH)]


@pytest.mark.parametrize(
    ("content", "more", "line"),
    [
        (None, {}, "participants[0].password_file: alice.hash: no such file or directory"),
        ("secret", {}, "participants[0].password_file: does not hold a hash made by `fixserver participant add`"),
        (HASH, {"password": HASH}, "participants[0].password: stands there beside a password_file: one of the two is enough"),
        (None, {"password_file": ""}, "participants[0].password: is missing"),
    ],
)
def test_what_is_wrong_with_the_file_of_a_hash_is_said(
    tmp_path: Path, content: str | None, more: dict[str, str], line: str
) -> None:
    if content is not None:
        (tmp_path / "alice.hash").write_text(content)
    entry = {"name": "ALICE", "password_file": "alice.hash", **more}
    assert refusal(tmp_path, venue_at(tmp_path, participants=[entry])) == f"venue.toml: {line}"


def test_a_process_need_not_be_able_to_read_what_it_has_no_use_for(tmp_path: Path) -> None:
    data = venue_at(
        tmp_path,
        exchange={"certificate": "venue.pem", "private_key": "venue.key"},
        clearing={"database": POSTGRES, "database_password_file": "secret"},
        participants=[{"name": "ALICE", "password_file": "alice.hash"}],
    )
    assert refusal(tmp_path, data) == "venue.toml: exchange.certificate: venue.pem is not there"
    assert refusal(tmp_path, data, ("exchange",)) == "venue.toml: exchange.certificate: venue.pem is not there"
    assert refusal(tmp_path, data, ("clearing",)) == (
        "venue.toml: clearing.database_password_file: secret: no such file or directory"
    )
    assert refusal(tmp_path, data, ("marketdata",)) == (
        "venue.toml: participants[0].password_file: alice.hash: no such file or directory"
    )
    bystander = load(tmp_path, data, ("history",))
    assert not passwords.verify("", bystander.participants[0].password)
    with pytest.raises(ConfigError, match="no such file or directory"):
        clearing_process.database_url(bystander, tmp_path)


def test_names_of_files_start_from_the_configuration(tmp_path: Path) -> None:
    for name in ("venue.pem", "venue.key"):
        (tmp_path / name).touch()
    venue = load(tmp_path, venue_at(tmp_path, web={"certificate": "venue.pem", "private_key": "venue.key"}))
    assert (venue.web.certificate, venue.web.private_key) == (f"{tmp_path}/venue.pem", f"{tmp_path}/venue.key")


@pytest.mark.parametrize(
    ("section", "host"),
    [
        ({}, "127.0.0.1"),
        ({"address": "0.0.0.0"}, "127.0.0.1"),
        ({"address": "10.1.2.3"}, "10.1.2.3"),
        ({"address": "0.0.0.0", "host": "exchange"}, "exchange"),
    ],
)
def test_where_a_process_is_reached(tmp_path: Path, section: dict[str, str], host: str) -> None:
    assert host_of(load(tmp_path, venue_at(tmp_path, exchange=section)).exchange) == host


def test_a_host_is_a_name_or_an_address(tmp_path: Path) -> None:
    assert refusal(tmp_path, venue_at(tmp_path, exchange={"host": "10.1.2"})) == (
        'venue.toml: exchange.host: "10.1.2" is not the name or address of a machine'
    )


def test_the_configuration_for_containers_is_whole_without_its_secrets() -> None:
    venue = config.load(CONFIG / "compose.toml", ())
    assert [i.symbol for i in venue.instruments] == ["AAPL", "MSFT", "GOOG", "AMZN", "TSLA", "BTCUSD"]
    assert venue.exchange.durability == "fsync"
    assert all(section.certificate for section in (venue.exchange, venue.marketdata, venue.web))
    assert "demo" not in (CONFIG / "compose.toml").read_text()
