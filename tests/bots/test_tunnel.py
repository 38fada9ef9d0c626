"""Bots at a venue that speaks TLS, which QuickFIX does not: they trade through a tunnel, and with nobody but that venue."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixserver import config as configuration
from fixserver import secrets_command
from fixserver.terminal import trade_command
from fixserver.terminal.app import TradeApp
from fixserver.trust import trusting
from fixserver.tunnel import Tunnel
from tests.light import light_venue
from tests.venue import WAIT_SECONDS, Venue

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")

PARTICIPANTS = {"MAKER1": {"cash": "10_000_000", "holdings": {"AAPL": "100_000", "MSFT": "100_000"}}, "NOISE1": {"cash": "10_000"}}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates") / "secrets"
    secrets_command.make(directory, [])
    return directory


@pytest.fixture
def venue(tmp_path: Path, secrets: Path) -> Iterator[Venue]:
    tls = {"certificate": str(secrets / "venue.pem"), "private_key": str(secrets / "venue.key")}
    with light_venue(tmp_path, participants=PARTICIPANTS, exchange=tls, marketdata=tls, web={"enabled": False}) as venue:
        venue.start("marketdata")
        yield venue


def test_bots_trade_through_tls_with_a_password_from_a_file(venue: Venue, secrets: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("demo\n")
    done = venue.command(
        "bots", "--config", str(venue.config), "--data", str(venue.data), "--makers", "1", "--noise", "1", "--momentum", "0",
        "--rate", "200", "--seconds", "6", "--json", "--host", "localhost", "--ca", str(secrets / "ca.pem"),
        "--password-file", str(tmp_path / "password"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [bot["name"] for bot in json.loads(done.stdout)["bots"]] != []
    assert venue.metrics()["fixserver_orders_total"] > 10
    assert venue.metrics()["fixserver_trades_total"] > 0


def test_the_terminal_and_a_replay_connect_through_tls(venue: Venue, secrets: Path, tmp_path: Path) -> None:
    recording = tmp_path / "AAPL_2012-06-21_34200000_57600000_message_1.csv"
    recording.write_text("34200.1,1,1,100,1000000,1\n34200.3,2,1,20,1000000,1\n")
    at = ("--config", str(venue.config), "--data", str(venue.data), "--host", "localhost", "--ca", str(secrets / "ca.pem"))
    done = venue.command(
        "replay", str(recording), *at, "--participants", "MAKER1,MAKER1", "--instrument", "AAPL", "--json", "--quiet"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accepted"] == 1
    parser = argparse.ArgumentParser()
    trade_command.add_arguments(parser)
    args = parser.parse_args(["--as", "NOISE1", *at])

    async def both_are_on() -> None:
        app = TradeApp(trade_command.place(args, configuration.load(args.config, ()), "demo"))
        async with app.run_test() as pilot:
            end = time.monotonic() + WAIT_SECONDS
            while not (app.exchange.is_on and app.feed.is_on):
                assert time.monotonic() < end, (app.exchange.state, app.feed.state)
                await pilot.pause(0.01)
            await app.leave("")

    asyncio.run(both_are_on())


def test_a_venue_of_another_authority_gets_nothing(secrets: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secrets_command.make(tmp_path / "others", [])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "others/venue.pem", tmp_path / "others/venue.key")
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock = listener.accept()[0]
            try:
                got.append(server.wrap_socket(sock, server_side=True).recv(100))
            except OSError:
                got.append(b"")
            sock.close()

        thread = threading.Thread(target=serve)
        thread.start()
        tunnel = Tunnel(trusting(str(secrets / "ca.pem")))
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", tunnel.to("127.0.0.1", port)), 10) as client:
            client.sendall(b"554=secret")
            client.settimeout(10)
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(100) == b""
        tunnel.close()
        thread.join()
    assert got == [b""]
    assert f"tunnel: no TLS with 127.0.0.1:{port}: " in capfd.readouterr().err


def test_what_is_said_last_arrives(secrets: Path) -> None:
    """A Logout is followed by the end of the connection: it is not to be lost with it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(secrets / "venue.pem", secrets / "venue.key")
    said = b"x" * 1_000_000 + b"the end"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with server.wrap_socket(listener.accept()[0], server_side=True) as sock:
                sock.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        tunnel = Tunnel(trusting(str(secrets / "ca.pem")))
        got = b""
        with socket.create_connection(("127.0.0.1", tunnel.to("127.0.0.1", listener.getsockname()[1])), 10) as client:
            while part := client.recv(65_536):
                got += part
        tunnel.close()
        thread.join()
    assert got == said


def test_who_is_not_let_in_is_told_why(venue: Venue, tmp_path: Path) -> None:
    missing = tmp_path / "no.pem"
    done = venue.command("bots", "--config", str(venue.config), "--data", str(venue.data), "--ca", str(missing), "--makers", "1",
                         "--noise", "0", "--momentum", "0")  # fmt: skip
    assert (done.returncode, done.stderr) == (2, f"--ca: {missing}: No such file or directory\n")
