"""Orders by FIX into the exchange, the book by FIX out of the feed: it is the book that the journal says."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from md_stand import SYMBOLS
from test_md_process import DICTIONARIES, ROOT, WAIT_SECONDS, Client, Feed, engines, rebuilt, wait_for

from fixserver.initiator import Initiator
from fixserver.passwords import hash_password
from marketdata.rebuild import BookBuilder
from matching.sequencer import replay

ORDERS = 3_000
CONFIG = """
[venue]
dictionaries = "{dictionaries}"
[exchange]
port = 0
metrics_port = 0
durability = "os"
orders_per_second = 0
cancels_per_second = 0
[clearing]
metrics_port = 0
[marketdata]
port = 0
metrics_port = 0
[web]
enabled = false
[[instruments]]
symbol = "AAPL"
quantity_max = "1000"
value_max = "1000000"
reference_price = "10"
band = "50"
[[instruments]]
symbol = "BTCUSD"
price_decimals = 1
quantity_decimals = 3
tick = "0.1"
lot = "0.001"
quantity_max = "1000"
value_max = "1000000"
reference_price = "100"
band = "50"
[[participants]]
name = "ALICE"
password = "{password}"
cash = "1000000000"
holdings = {{ AAPL = "1000000", BTCUSD = "1000000" }}
[[participants]]
name = "BOB"
password = "{password}"
cash = "1000000000"
holdings = {{ AAPL = "1000000", BTCUSD = "1000000" }}
"""


class Whole(Feed):
    """A venue with an exchange of its own: nothing of it is the test's."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "data"
        self.data.mkdir()
        self.config = directory / "venue.toml"
        self.config.write_text(CONFIG.format(dictionaries=DICTIONARIES, password=hash_password("demo")))
        self.clients = []
        self.sockets = []
        self.process = None
        command = [sys.executable, "-m", "fixserver.cli", "exchange", "--config", str(self.config), "--data", str(self.data)]
        self.exchange = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        wait_for((self.data / "exchange.ports").exists, "the exchange is up")

    def end_exchange(self) -> int:
        self.exchange.send_signal(signal.SIGTERM)
        return self.exchange.wait(WAIT_SECONDS)


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    whole = Whole(tmp_path)
    yield whole
    for client in whole.clients:
        client.close()
    if whole.process is not None:
        whole.end(signal.SIGKILL)
    if whole.exchange.poll() is None:
        whole.exchange.kill()
        whole.exchange.wait()


def take(client: Client, builders: dict[str, BookBuilder]) -> None:
    for text in client.take():
        builders[text.partition("\x01262=")[2].partition("\x01")[0]].take(text)


def test_orders_in_books_out(whole: Whole) -> None:
    whole.start()
    port = int((whole.data / "exchange.ports").read_text().split('"fix": ')[1].split(",")[0])
    traders = [Initiator("127.0.0.1", port, name, "FIXSERVER", "demo") for name in ("ALICE", "BOB")]
    client = whole.connect("ALICE", "FIXT.1.1")
    builders = {"price": BookBuilder(False), "order": BookBuilder(True)}
    client.subscribe("price", 0, False)
    client.subscribe("order", 0, True)
    draw = random.Random(11)
    for trader in traders:
        trader.log_on()
    number = 0
    while number < ORDERS:
        for trader in traders:
            for _ in range(10):
                number += 1
                symbol, side = draw.choice(SYMBOLS), draw.choice("12")
                ticks = 1_000 + draw.randint(-12, 4) * (1 if side == "1" else -1)
                price = f"{ticks / 100:.2f}" if symbol == "AAPL" else f"{ticks / 10:.1f}"
                quantity = draw.randint(1, 20) if symbol == "AAPL" else f"0.{draw.randint(1, 20):03d}"
                stamp = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
                force = draw.choices("013", (8, 2, 1))[0]
                trader.send(
                    b"D",
                    f"11=o{number}|55={symbol}|54={side}|38={quantity}|40=2|44={price}|59={force}|60={stamp}|".replace(
                        "|", "\x01"
                    ).encode(),
                )
            trader.flush()
            trader.receive()
        take(client, builders)

    def all_taken() -> bool:
        for trader in traders:
            trader.receive()
        return replay(whole.data).command_seq >= ORDERS

    wait_for(all_taken, "every order is in the journal")
    for trader in traders:
        trader.log_out()
    assert whole.end_exchange() == 0
    engine = replay(whole.data)

    def equal() -> bool:
        take(client, builders)
        return all(
            rebuilt(builder, symbol) == engines(engine, symbol, orders, 0)
            for orders, builder in ((False, builders["price"]), (True, builders["order"]))
            for symbol in SYMBOLS
        )

    wait_for(equal, "the client's books are the engine's")
    assert sum(len(book.trades) for book in builders["price"].books.values()) > 200
    assert all(book.snapshots == 1 for builder in builders.values() for book in builder.books.values())
    assert client.application.rejected == []
    assert whole.end() == 0

