"""Changes one book so many times a second, evenly, as a FIX client: python -m tests.benchmarks._updates PORT RATE [SEED]

Limit orders come and go on both sides of a book some twenty prices deep, and never trade. Says "ready" when it has begun, and
prints as JSON how many it sent and how late it was, when standard input ends.
"""

from __future__ import annotations

import json
import os
import random
import select
import sys
import time

from tests.venue import Client, cancel, order

RESTING_MAX = 200
PRICES = 20


def run(port: int, rate: float, seed: int) -> None:
    chance = random.Random(seed)
    client = Client(port, "TRADER1").logon(reset=True)
    prefix = f"{os.getpid()}-"  # another run of the same day is not to use its names
    assert client.socket is not None
    client.socket.setblocking(False)
    resting: list[tuple[str, str]] = []
    sent, late_ns_max = 0, 0
    began = time.monotonic_ns()
    print("ready", flush=True)
    while True:
        due = began + int(sent * 1e9 / rate)
        while (wait_ns := due - time.monotonic_ns()) > 0:
            ready = select.select([client.socket, sys.stdin], [], [], wait_ns / 1e9)[0]
            if sys.stdin in ready:
                seconds = (time.monotonic_ns() - began) / 1e9
                print(json.dumps({"sent_per_s": round(sent / seconds, 1), "late_ms_max": round(late_ns_max / 1e6, 1)}), flush=True)
                return
            if client.socket in ready and not client.socket.recv(1 << 20):
                raise SystemExit("the exchange has closed the connection")
        late_ns_max = max(late_ns_max, -wait_ns)
        sent += 1
        client.sent.clear()
        if len(resting) >= RESTING_MAX or (resting and chance.random() < 0.4):
            name, side = resting.pop(chance.randrange(len(resting)))
            message = client.build("F", cancel(f"{prefix}C{sent}", name, side))
        else:
            side = chance.choice("12")
            step = chance.randrange(1, PRICES + 1)
            price = 10_000 - step if side == "1" else 10_000 + step
            name = f"{prefix}N{sent}"
            resting.append((name, side))
            message = client.build("D", order(name, side, chance.randrange(1, 500), f"{price / 100:.2f}"))
        client.socket.setblocking(True)
        client.send_raw(message)
        client.socket.setblocking(False)


if __name__ == "__main__":
    run(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
