"""FIX and web in one process and one thread: `fixserver marketdata` from its start to its end."""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.venue import Client, Venue, order

BURDENED_SECONDS = 2.0
ROUND_TRIP_SECONDS_MAX = 0.25  # of many, the one in ten that takes longest; the machine may be busy


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with Venue(tmp_path_factory.mktemp("web")) as venue:
        venue.start("marketdata")
        yield venue


@contextlib.contextmanager
def stream(venue: Venue, **options: Any) -> Iterator[ClientConnection]:
    scheme = "wss" if "ssl" in options else "ws"
    with connect(f"{scheme}://127.0.0.1:{venue.ports('marketdata')['http']}/v1/stream", **options) as opened:
        assert json.loads(opened.recv())["type"] == "hello"
        yield opened


def subscribed(opened: ClientConnection, topic: str) -> dict[str, Any]:
    """Its snapshot."""
    opened.send(json.dumps({"op": "subscribe", "topics": [topic]}))
    found: dict[str, Any] = json.loads(opened.recv(timeout=10))
    assert (found["type"], found["topic"]) == ("snapshot", topic)
    return found


def feed_client(venue: Venue, comp_id: str) -> Client:
    """On the FIX port of the feed."""
    client = Client(lambda: venue.ports("marketdata")["fix"], comp_id, target="FIXSERVER-MD")
    venue.clients.append(client)
    return client.logon()


def test_an_order_is_seen_by_fix_rest_and_stream(venue: Venue) -> None:
    trader, feed = venue.client("TRADER1").logon(), feed_client(venue, "TRADER1")
    feed.send("V", "262=R|263=1|264=10|265=1|267=2|269=0|269=1|146=1|55=AAPL|")
    feed.expect("W", "55=AAPL")
    with stream(venue) as opened:
        before = subscribed(opened, "book:AAPL:price:10")
        trader.send("D", order("A1", "1", 10, "99.50"))
        trader.expect("8", "39=0")
        delta = json.loads(opened.recv(timeout=10))
        assert (delta["type"], delta["first"], delta["data"]) == ("delta", before["number"] + 1, [["new", "bid", "99.50", "10", 1]])
        assert feed.expect("X", "269=0|270=99.50|271=10")[83] == str(delta["number"])
        with urllib.request.urlopen(f"http://127.0.0.1:{venue.ports('marketdata')['http']}/v1/book?symbol=AAPL") as answer:
            assert json.load(answer)["bids"] == [["99.50", "10", 1]]


def test_fix_is_served_while_the_web_is_asked_for_more_than_it_can_do(venue: Venue) -> None:
    feed = feed_client(venue, "TRADER2")
    port = venue.ports("marketdata")["http"]
    stop = threading.Event()
    answers = []

    def ask() -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        while not stop.is_set():
            connection.request("GET", "/v1/statistics")
            answer = connection.getresponse()
            answer.read()
            answers.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    trips = []
    until = time.monotonic() + BURDENED_SECONDS
    while time.monotonic() < until:
        began = time.monotonic()
        feed.expect_nothing()
        trips.append(time.monotonic() - began)
    stop.set()
    for thread in threads:
        thread.join()
    trips.sort()
    assert set(answers) == {200}
    assert len(trips) >= 10
    assert trips[len(trips) * 9 // 10] < ROUND_TRIP_SECONDS_MAX


def test_the_web_is_served_while_fix_clients_ask_for_more_than_it_can_do(venue: Venue) -> None:
    feed = feed_client(venue, "TRADER3")
    stop = threading.Event()
    asked = 0

    def ask() -> None:
        nonlocal asked
        while not stop.is_set():
            feed.send_many([feed.build("1", f"112={number}|") for number in range(50)])
            for _ in range(50):
                feed.expect("0", "112=*")
            asked += 50

    thread = threading.Thread(target=ask)
    thread.start()
    trips = []
    until = time.monotonic() + BURDENED_SECONDS
    with stream(venue) as opened:
        while time.monotonic() < until:
            began = time.monotonic()
            opened.send('{"op": "ping", "id": 1}')
            assert json.loads(opened.recv(timeout=10))["type"] == "pong"
            trips.append(time.monotonic() - began)
            stop.wait(0.02)  # more often than a client may say something would be too often
    stop.set()
    thread.join()
    trips.sort()
    assert asked >= 50
    assert trips[len(trips) * 9 // 10] < ROUND_TRIP_SECONDS_MAX


def test_connections_are_counted_for_prometheus(venue: Venue) -> None:
    with stream(venue) as opened:
        subscribed(opened, "trades:MSFT")
        found = venue.metrics("marketdata")
        assert found["fixserver_web_streams"] == 1
        assert found["fixserver_web_connections"] >= 1
        assert found["fixserver_stream_topics"] >= 1
        assert found["fixserver_stream_snapshots_total"] >= 1


def test_when_the_process_stops_everybody_is_told(tmp_path: Path) -> None:
    with Venue(tmp_path) as venue:
        venue.start("marketdata")
        feed, trader = feed_client(venue, "TRADER1"), venue.client("TRADER1").logon()
        with stream(venue) as opened:
            subscribed(opened, "book:AAPL:price:10")
            trader.send("D", order("A1", "1", 10, "99.50"))
            trader.expect("8", "39=0")
            assert json.loads(opened.recv(timeout=10))["data"] == [["new", "bid", "99.50", "10", 1]]
            assert venue.end("marketdata") == 0
            feed.expect("5")
            with pytest.raises(ConnectionClosed) as closed:
                opened.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert not (venue.data / "marketdata.ports").exists()


def test_a_venue_may_be_without_a_web(tmp_path: Path) -> None:
    with Venue(tmp_path, web={"enabled": False}) as venue:
        venue.start("marketdata")
        assert sorted(venue.ports("marketdata")) == ["fix", "metrics"]
        feed_client(venue, "TRADER1").expect_nothing()
        imported = (Path("/proc") / str(venue.processes["marketdata"].pid) / "maps").read_text()
        assert "httptools" not in imported


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_with_a_certificate_it_is_https_and_wss(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem",
         "-out", "certificate.pem", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
    files = {"certificate": str(tmp_path / "certificate.pem"), "private_key": str(tmp_path / "key.pem")}
    with Venue(tmp_path, web=files) as venue:
        venue.start("marketdata")
        port = venue.ports("marketdata")["http"]
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/v1/status", context=context) as answer:
            assert json.load(answer)["venue"] == "FIXSERVER"
        with stream(venue, ssl=context) as opened:
            subscribed(opened, "status")
        plain = HTTPConnection("127.0.0.1", port, timeout=10)
        plain.request("GET", "/v1/status")
        with pytest.raises(ConnectionError):
            plain.getresponse()
        plain.close()
