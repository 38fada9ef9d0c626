"""TLS by configuration: a certificate makes the port speak nothing else, and a client CA makes clients show theirs."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.light import light_venue
from tests.venue import Client, Venue, order, wait_for

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, and server.pem and client.pem which it signed, each with its key."""
    directory = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test CA", "-days", "2")
    (directory / "extensions").write_text("subjectAltName=DNS:localhost\n")
    for name in ("server", "client"):
        openssl("req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-out", f"{name}.pem", "-extfile", "extensions",
        )  # fmt: skip
    return directory


def tls_settings(certificates: Path, **more: str | int) -> dict[str, str | int]:
    return {"certificate": str(certificates / "server.pem"), "private_key": str(certificates / "server.key"), **more}


def connect(client: Client, venue: Venue, certificates: Path, own: bool = False) -> Client:
    """Connect with TLS, with a certificate of one's own where `own`."""
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if own:
        context.load_cert_chain(certificates / "client.pem", certificates / "client.key")
    plain = socket.create_connection(("127.0.0.1", venue.ports()["fix"]), 10)
    client.socket = context.wrap_socket(plain, server_hostname="localhost")
    return client


def test_orders_over_tls(tmp_path: Path, certificates: Path) -> None:
    with Venue(tmp_path, exchange=tls_settings(certificates)) as venue:
        client = connect(venue.client("TRADER1"), venue, certificates).logon()
        # More than one TLS record at once: what the socket has decrypted and epoll cannot see is read as well.
        client.send_many(client.build("D", order(f"A{number}")) for number in range(300))
        for number in range(300):
            client.expect("8", f"11=A{number}|39=0")
        client.logout()


def test_a_client_without_tls_is_cut(tmp_path: Path, certificates: Path) -> None:
    with Venue(tmp_path, exchange=tls_settings(certificates)) as venue:
        client = venue.client("TRADER1").connect()
        client.send("A", client.logon_body())
        client.socket.settimeout(10)  # type: ignore[union-attr]
        answer = b""
        try:
            while part := client.socket.recv(4096):  # type: ignore[union-attr]
                answer += part
        except ConnectionResetError:
            pass
        assert b"35=" not in answer
        wait_for(lambda: venue.metrics().get('fixserver_connections_refused_total{cause="tls"}') == 1, "the handshake is counted")


def test_who_connects_and_says_nothing_is_cut_in_time(tmp_path: Path, certificates: Path) -> None:
    with Venue(tmp_path, exchange=tls_settings(certificates, logon_seconds=1)) as venue:
        sock = socket.create_connection(("127.0.0.1", venue.ports()["fix"]), 10)
        assert sock.recv(1) == b""
        sock.close()


def test_with_a_client_ca_a_client_needs_a_certificate(tmp_path: Path, certificates: Path) -> None:
    with Venue(tmp_path, exchange=tls_settings(certificates, client_ca=str(certificates / "ca.pem"))) as venue:
        stranger = venue.client("TRADER1")
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            connect(stranger, venue, certificates).logon()
        stranger.close()
        stranger.next_out = 1
        known = connect(venue.client("TRADER1"), venue, certificates, own=True).logon()
        known.send("D", order("A1"))
        known.expect("8", "11=A1|39=0")
        known.logout()


@pytest.mark.parametrize("shown", [False, True])
def test_the_web_enters_orders_over_tls(tmp_path: Path, certificates: Path, shown: bool) -> None:
    """Its session has the exchange's own certificate, and shows that where one is asked for."""
    more = {"client_ca": str(certificates / "ca.pem")} if shown else {}
    settings = {"exchange": tls_settings(certificates, **more), "history": {"enabled": False}}
    with light_venue(tmp_path, **settings) as venue:
        venue.start("marketdata")
        wait_for(lambda: venue.metrics("marketdata")["fixserver_order_entry_connected"] == 1, "the web's session is logged on")
        port = venue.ports("marketdata")["http"]
        order_in = {"symbol": "AAPL", "side": "buy", "quantity": "1", "price": "90.00"}
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/orders", json=order_in, auth=("TRADER1", "demo"))
        assert answer.status_code == 201 and answer.json()["status"] == "new", answer.text
