"""When a session hears of time: the same, whether the venue is idle or busy with others."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.venue import VERSIONS, Client, Ended, Venue, order

HEARTBEAT = 2
# QuickFIX counts whole seconds of the clock, and the loop looks ten times a second.
TEST_REQUEST = (1.2 * HEARTBEAT - 1.0, 1.2 * HEARTBEAT + 1.2)
THE_END = (2.4 * HEARTBEAT - 1.0, 2.4 * HEARTBEAT + 1.2)


def test_a_silent_client_is_asked_and_then_cut(tmp_path: Path) -> None:
    """TestRequest after 1.2 times HeartBtInt, the end after 2.4 times; a client that sends heartbeats is left alone."""
    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(_look, tmp_path / str(rate), rate) for rate in (0, 20, 2000)]:
            future.result()


def _look(directory: Path, orders_per_second: int) -> None:
    with Venue(directory) as venue:
        stopping = threading.Event()
        busy = threading.Thread(target=_trade, args=(venue.client("TRADER8").logon(), orders_per_second, stopping))
        busy.start()
        asked: list[float] = []
        ended: list[float] = []
        try:
            silent = [venue.client(f"TRADER{number}", version).logon(HEARTBEAT) for number, version in enumerate(VERSIONS, 1)]
            faithful = venue.client("TRADER7").logon(HEARTBEAT)
            started = time.monotonic()
            threads = [threading.Thread(target=_listen, args=(client, started, asked, ended)) for client in silent]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                faithful.send("0")
                threads[0].join(HEARTBEAT / 4)
            faithful.send("1", "112=still here|")
            faithful.drain(lambda message: message.get(112) == "still here")
        finally:
            stopping.set()
            busy.join()
    assert len(asked) == len(ended) == len(VERSIONS)
    assert all(TEST_REQUEST[0] <= seconds <= TEST_REQUEST[1] for seconds in asked), asked
    assert all(THE_END[0] <= seconds <= THE_END[1] for seconds in ended), ended


def _listen(client: Client, started: float, asked: list[float], ended: list[float]) -> None:
    with contextlib.suppress(Ended):
        while True:
            if client.receive().type == "1":
                asked.append(time.monotonic() - started)
    ended.append(time.monotonic() - started)


def _trade(client: Client, orders_per_second: int, stopping: threading.Event) -> None:
    number = 0
    while not stopping.wait(0.05):
        for _ in range(orders_per_second // 20):
            number += 1
            client.send("D", order(f"O{number}", "1", 1, "90.00"))
        while number and client.receive().get(11) != f"O{number}":
            pass
