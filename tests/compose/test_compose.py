"""The venue in containers: clients trade through TLS, others are cut, and what is killed comes back with all that it had."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import time
from collections.abc import Iterator

import pytest

from tests.compose.containers import (
    CONNECTIONS_MAX,
    SERVICES,
    WATCHERS_PASSWORD,
    Containers,
    build,
    podman,
    skip_where_it_cannot_be,
    until,
)
from tests.venue import Client, cancel, order

LOGON_SECONDS = 5  # as in config/compose.toml
HEARTBEAT_SECONDS = 3600  # of who stays: he sends nothing while a test waits for something else


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    skip_where_it_cannot_be()
    build()
    containers = Containers(tmp_path_factory.mktemp("compose"))
    try:
        containers.up()
        yield containers
    finally:
        containers.down("-v")


@pytest.fixture(scope="module")
def trader(venue: Containers) -> Client:
    """TRADER1, who stays for as long as the venue does: with the same numbers, whatever happens to it."""
    return venue.connect(venue.client("TRADER1")).logon(HEARTBEAT_SECONDS, reset=True)


@pytest.fixture(scope="module")
def other(venue: Containers) -> Client:
    return venue.connect(venue.client("TRADER2")).logon(HEARTBEAT_SECONDS, reset=True)


def again(venue: Containers, client: Client) -> None:
    """Come back after the exchange was away, and take what was missed."""

    def logged_on() -> bool:
        venue.connect(client)
        client.send("A", client.logon_body(HEARTBEAT_SECONDS))
        answer = client.receive()
        assert answer.type == "A", answer
        if answer.number >= client.next_in:
            # The numbers skipped ahead: what is missing is asked for, and comes as a gap fill.
            client.send("2", f"7={client.next_in - 1}|16=0|")
        client.next_in = max(client.next_in, answer.number + 1)
        return True

    until(logged_on, f"{client.comp_id} is logged on again")


def bought(trader: Client, other: Client, number: str) -> None:
    """A trade of one share at a price that nobody else has."""
    other.send("D", order(f"S{number}", "2", 1, "190.00"))
    other.drain(lambda message: message.type == "8" and message.get(11) == f"S{number}" and message.get(150) == "0")
    trader.send("D", order(f"B{number}", "1", 1, "190.00"))
    trader.drain(lambda message: message.type == "8" and message.get(11) == f"B{number}" and message.get(150) == "F")


# --------------------------------------------------------------------------------------------- as it comes up


def test_everything_is_well_and_nothing_else_is_published(venue: Containers) -> None:
    published = {service: venue.inspect(service, "json .NetworkSettings.Ports") for service in SERVICES}
    ports = {service: sorted(re.findall(r'"HostPort":"(\d+)"', text)) for service, text in published.items()}
    assert {service: found for service, found in ports.items() if found} == {
        "exchange": sorted([str(venue.order_entry), str(venue.drop_copy)]),
        "marketdata": sorted([str(venue.market_data), str(venue.web)]),
    }
    until(lambda: venue.get("/v1/health")["status"] == "ok", "all parts are well")


def test_what_runs_is_not_root_and_has_nothing_to_build_with_or_to_write_to(venue: Containers) -> None:
    for service in ("exchange", "clearing", "marketdata", "history"):
        assert venue.exec(service, "id", "-u").stdout.strip() == "10001"
        assert venue.exec(service, "touch", "/srv/fixserver/config/x", check=False).returncode != 0
        assert venue.exec(service, "sh", "-c", "command -v g++ || test -e /opt/fixserver/bin/pip", check=False).returncode != 0
        assert int(venue.inspect(service, ".HostConfig.Memory")) > 0
    assert "Read-only" in venue.exec("clearing", "touch", "data/events/x", check=False).stderr
    assert venue.exec("marketdata", "ls", "data/journal").stdout == "", "the feed has no use for the journal, and does not see it"


def test_the_doctor_finds_nothing_wrong(venue: Containers) -> None:
    said = venue.operator("doctor")
    assert re.search(r"^0 wrong, ", said, re.MULTILINE), said


# --------------------------------------------------------------------------------------------------- clients


def test_a_client_trades_through_tls(venue: Containers, trader: Client, other: Client) -> None:
    bought(trader, other, "first")
    until(lambda: venue.get("/v1/trades?symbol=AAPL")["trades"][0]["price"] == "190.00", "the page shows the trade")


def test_a_drop_copy_comes_through_tls(venue: Containers, trader: Client, other: Client) -> None:
    watcher = venue.client("WATCHER", password=WATCHERS_PASSWORD, target="FIXSERVER-DC")
    venue.connect(watcher, venue.drop_copy).logon()
    bought(trader, other, "watched")
    watcher.drain(lambda message: message.type == "8" and message.get(11) == "Bwatched" and message.get(150) == "F")
    watcher.logout()


def refused(sock: socket.socket, seconds: float) -> bytes:
    """What comes until the venue closes the connection, which it does within the time."""
    sock.settimeout(seconds)
    said = b""
    try:
        while part := sock.recv(4096):
            said += part
    except (ConnectionResetError, ssl.SSLError):
        pass
    return said


def test_who_speaks_no_tls_is_cut(venue: Containers) -> None:
    with socket.create_connection(("127.0.0.1", venue.order_entry), 10) as sock:
        client = venue.client("TRADER2")
        sock.sendall(client.build("A", client.logon_body()))
        assert b"35=" not in refused(sock, LOGON_SECONDS + 3)


@pytest.mark.parametrize("handshake", [True, False])
def test_who_does_not_log_on_is_cut_in_time(venue: Containers, handshake: bool) -> None:
    began = time.monotonic()
    sock = (
        venue.connect(venue.client("TRADER2")).socket
        if handshake
        else socket.create_connection(("127.0.0.1", venue.order_entry), 10)
    )
    assert sock is not None
    assert refused(sock, LOGON_SECONDS + 3) == b""
    assert time.monotonic() - began < LOGON_SECONDS + 3
    sock.close()


def test_a_wrong_password_is_refused(venue: Containers) -> None:
    client = venue.connect(venue.client("MAKER1", password="wrong"))
    client.send("A", client.logon_body(HEARTBEAT_SECONDS))
    answer = client.receive()
    assert answer.type == "5" and "password" in answer.get(58)
    client.expect_end()


def test_beyond_the_limit_of_connections_nobody_is_let_in(venue: Containers, trader: Client) -> None:
    strangers: list[Client] = []
    # TRADER1, TRADER2 and the web's session have three; who comes beyond the limit is closed before TLS begins.
    with contextlib.suppress(OSError):
        while len(strangers) < CONNECTIONS_MAX:
            strangers.append(venue.connect(venue.client("TRADER2")))
    assert len(strangers) < CONNECTIONS_MAX - 1
    trader.expect_nothing()  # who was there is served as before
    for stranger in strangers:
        stranger.close()


# ------------------------------------------------------------------------------------------- what is killed


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_killed_comes_back_and_nothing_is_lost(venue: Containers, trader: Client, other: Client, service: str) -> None:
    bought(trader, other, f"before-{service}")
    trader.send("D", order(f"rests-{service}", "1", 1, "100.00"))
    trader.drain(lambda message: message.type == "8" and message.get(11) == f"rests-{service}" and message.get(150) == "0")
    venue.kill(service)
    if service == "exchange":
        again(venue, trader)
        again(venue, other)
    bought(trader, other, f"after-{service}")
    trader.send("F", cancel(f"gone-{service}", f"rests-{service}"))
    trader.drain(lambda message: message.type == "8" and message.get(11) == f"gone-{service}" and message.get(150) == "4")
    venue.wait_until_healthy()
    until(lambda: venue.get("/v1/health")["status"] == "ok", "all parts are well")


def test_all_that_is_killed_at_once_comes_back(venue: Containers, trader: Client, other: Client) -> None:
    """As when the machine goes down: in whatever order they are up again, they find each other."""
    bought(trader, other, "before-all")
    venue.kill(*SERVICES)
    again(venue, trader)
    again(venue, other)
    bought(trader, other, "after-all")
    venue.wait_until_healthy()
    until(lambda: venue.get("/v1/health")["status"] == "ok", "all parts are well")


def test_each_trade_happened_once_and_the_ledger_agrees_with_the_engine(venue: Containers) -> None:
    rounds = 2 + 2 * len(SERVICES) + 2
    until(lambda: len(venue.get("/v1/trades?symbol=AAPL&limit=500")["trades"]) == rounds, f"there are {rounds} trades")
    said = venue.operator("ledger", "check")
    assert "ok: every transaction is whole and sums to zero" in said, said


def test_prometheus_reaches_every_process(venue: Containers) -> None:
    program = (
        "import urllib.request as u; print(u.urlopen('http://prometheus:9090/api/v1/query?query=up', timeout=5).read().decode())"
    )

    def figures() -> dict[str, str]:
        found = json.loads(venue.exec("clearing", "python3", "-c", program).stdout)["data"]["result"]
        return {one["metric"]["instance"]: one["value"][1] for one in found}

    expected = dict.fromkeys(("exchange:9101", "clearing:9102", "marketdata:9103", "history:9104"), "1")
    until(lambda: figures() == expected, "Prometheus has figures of each")


def test_stopped_and_started_again_it_has_its_state(venue: Containers, trader: Client, other: Client) -> None:
    trader.send("D", order("stays", "1", 1, "100.00"))
    trader.drain(lambda message: message.type == "8" and message.get(11) == "stays" and message.get(150) == "0")
    before = venue.operator("journal", "digest")
    digest = re.search(r"[0-9a-f]{64}", before)
    assert digest is not None, before
    venue.down()
    assert podman("ps", "-a", "--filter", f"name={venue.project}", "--format", "{{.Names}}").stdout == ""
    venue.up()
    again(venue, trader)
    again(venue, other)
    trader.send("F", cancel("stays no more", "stays"))
    trader.drain(lambda message: message.type == "8" and message.get(11) == "stays no more" and message.get(150) == "4")
    bought(trader, other, "last")
    said = venue.operator("ledger", "check")
    assert "ok: every transaction is whole and sums to zero" in said, said


def test_the_bots_trade_through_tls_in_a_container_of_their_own(venue: Containers) -> None:
    before = len(venue.get("/v1/trades?symbol=MSFT&limit=500")["trades"])
    venue.compose("up", "-d", "bots")
    until(lambda: len(venue.get("/v1/trades?symbol=MSFT&limit=500")["trades"]) > before, "the bots have traded")
    until(lambda: "14 of 14 bots on" in podman("logs", venue.name("bots")).stdout, "all of them are logged on")
    venue.compose("stop", "bots")
    until(lambda: venue.get("/v1/health")["status"] == "ok", "all parts are well")
    said = venue.operator("ledger", "check")
    assert "ok: every transaction is whole and sums to zero" in said, said


def test_restored_to_an_empty_machine_it_is_what_it_was(venue: Containers, trader: Client, other: Client) -> None:
    """By the commands of docs/deploying.md: a backup while it trades, everything lost, and the backup put back."""
    trader.send("D", order("kept", "1", 1, "100.00"))
    trader.drain(lambda message: message.type == "8" and message.get(11) == "kept" and message.get(150) == "0")
    taken = venue.operator("backup", "--to", "backups/one.tar")
    digest = re.search(r"[0-9a-f]{64}", taken)
    assert digest is not None, taken
    venue.down("-v")
    venue.compose("up", "-d", "postgres")
    venue.wait_until_healthy("postgres")
    place = ("--data", "backups/one", "--config", "config/exchange.toml")
    restored = venue.operator("restore", "--from", "backups/one.tar", *place)
    assert digest[0] in restored, restored
    venue.compose("run", "--rm", "--no-deps", "-T", "--entrypoint", "cp", "operator", "-a", "backups/one/.", "data/")
    venue.up()
    again = venue.connect(venue.client("TRADER1")).logon(reset=True)
    again.send("F", cancel("kept no more", "kept"))
    again.drain(lambda message: message.type == "8" and message.get(11) == "kept no more" and message.get(150) == "4")
    bought(again, venue.connect(venue.client("TRADER2")).logon(reset=True), "restored")
    until(lambda: venue.get("/v1/health")["status"] == "ok", "all parts are well")
    said = venue.operator("ledger", "check")
    assert "ok: every transaction is whole and sums to zero" in said, said
