"""Certificates: the command that makes them, the venue that takes others while it runs, and clients who are known by theirs."""

from __future__ import annotations

import shutil
import socket
import ssl
from pathlib import Path

import pytest

from fixserver import certificates_command
from fixserver.certificates import CannotMake
from fixserver.cli import main
from tests.light import light_venue
from tests.venue import Client, Ended, Venue, order, wait_for

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    certificates_command.make(directory, ["fix.example.com"], ["TRADER1", "TRADER2"])
    return directory


def connect(client: Client, venue: Venue, authority: Path, own: str = "", **versions: ssl.TLSVersion) -> Client:
    """By TLS, with the certificate of `own`."""
    context = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    for key, version in versions.items():
        setattr(context, key, version)
    if own:
        context.load_cert_chain(authority / f"{own}.pem", authority / f"{own}.key")
    plain = socket.create_connection(("127.0.0.1", venue.ports()["fix"]), 10)
    client.socket = context.wrap_socket(plain, server_hostname="localhost")
    return client


def section(authority: Path, **more: object) -> dict[str, object]:
    return {
        "port": 0, "metrics_port": 0, "durability": "os",
        "certificate": str(authority / "server.pem"), "private_key": str(authority / "server.key"), **more,
    }  # fmt: skip


# -------------------------------------------------------------------------------------------- the command


def test_what_is_made_and_who_may_read_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "tls"
    command = ["certificates", str(place), "--name", "fix.example.com", "--client", "ALICE"]
    assert main(command) == 0
    assert sorted((path.name, oct(path.stat().st_mode & 0o777)) for path in place.iterdir() if path.suffix == ".key") == [
        (name, "0o600") for name in ("ca.key", "client-ALICE.key", "server.key")
    ]
    assert place.stat().st_mode & 0o777 == 0o700
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    assert main(command) == 0
    assert "everything was there already" in capsys.readouterr().out
    assert main([*command, "--client", "BOB", "--renew"]) == 0
    changed = {path.name for path in place.iterdir() if before.get(path.name) != path.read_bytes()}
    assert changed == {f"{stem}.{kind}" for stem in ("server", "client-ALICE", "client-BOB") for kind in ("key", "pem")}


@pytest.mark.parametrize("arguments", [["--client", "no/name"], ["--name", "a,b"], ["--name", "x\ny"], ["--days", "0"]])
def test_what_is_no_name(tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certificates", str(tmp_path / "tls"), *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_without_openssl_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(CannotMake, match="apt install openssl"):
        certificates_command.make(tmp_path, [], [])


# ---------------------------------------------------------------------------------------------- the venue


def test_versions_of_tls(tmp_path: Path, authority: Path) -> None:
    with light_venue(tmp_path, exchange=section(authority)) as venue:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = connect(venue.client(), venue, authority, minimum_version=version, maximum_version=version)
            assert client.socket is not None
            client.logon(reset=True).logout()
        with pytest.warns(DeprecationWarning, match="TLSv1"), pytest.raises((ssl.SSLError, ConnectionError)):
            connect(venue.client(), venue, authority, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)


def test_certificates_are_renewed_while_the_venue_runs(tmp_path: Path, authority: Path) -> None:
    """New connections get the new one; who is connected stays; while only half is written, or nonsense, the old one is used."""
    place = tmp_path / "tls"
    shutil.copytree(authority, place)
    with light_venue(tmp_path, exchange=section(place)) as venue:

        def shown() -> bytes | None:
            client = connect(venue.client("TRADER2"), venue, place)
            assert isinstance(client.socket, ssl.SSLSocket)
            found = client.socket.getpeercert(binary_form=True)
            client.close()
            return found

        there = connect(venue.client("TRADER1"), venue, place).logon()
        old = shown()
        (place / "server.key").replace(place / "old.key")
        (place / "server.key").write_text("nonsense\n")
        wait_for(lambda: "cannot be taken" in venue.said(), "it is said")
        assert shown() == old
        (place / "old.key").replace(place / "server.key")
        assert main(["certificates", str(place), "--renew"]) == 0
        wait_for(lambda: "new connections get it" in venue.said(), "it is said")
        wait_for(lambda: shown() != old, "the new one is shown")
        there.send("D", order("A1"))
        there.expect("8", "11=A1|39=0")
        there.logout()


def test_a_client_is_who_his_certificate_says(tmp_path: Path, authority: Path) -> None:
    edge = section(authority, client_ca=str(authority / "ca.pem"), client_names=True)
    with light_venue(tmp_path, exchange=edge, history={"enabled": False}) as venue:
        connect(venue.client("TRADER1"), venue, authority, "client-TRADER1").logon().logout()
        other = connect(venue.client("TRADER1"), venue, authority, "client-TRADER2")
        other.send("A", other.logon_body(reset=True), number=1)
        answer = other.receive()
        assert (answer.type, answer[58]) == ("5", "Logon refused: wrong name or password")
        other.close()
        nobody = venue.client("TRADER1")
        with pytest.raises((ssl.SSLError, ConnectionError, Ended)):
            connect(nobody, venue, authority).logon(reset=True)
        assert venue.metrics()['fixserver_logons_total{outcome="certificate"}'] == 1
        # The web's session shows the venue's own certificate.
        venue.start("marketdata")
        wait_for(lambda: venue.metrics("marketdata")["fixserver_order_entry_connected"] == 1, "the web's session is logged on")


def test_nobody_is_the_web_by_a_certificate_of_another(tmp_path: Path, authority: Path) -> None:
    """Not even with its password, which is in a file of the venue."""
    edge = section(authority, client_ca=str(authority / "ca.pem"), client_names=True)
    with light_venue(tmp_path, exchange=edge) as venue:
        secret = (venue.data / "web.secret").read_text().strip()
        web = connect(venue.client("WEB", password=secret), venue, authority, "client-TRADER1")
        web.send("A", web.logon_body())
        assert web.receive().type == "5"


def test_names_of_certificates_start_from_the_configuration(tmp_path: Path, authority: Path) -> None:
    shutil.copytree(authority, tmp_path / "tls")
    exchange = {**section(authority), "certificate": "tls/server.pem", "private_key": "tls/server.key"}
    with light_venue(tmp_path, exchange=exchange) as venue:
        assert Path.cwd() != tmp_path
        connect(venue.client("TRADER1"), venue, authority).logon().logout()
