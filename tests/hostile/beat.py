"""A trader with a steady pulse, in a process of its own: an order, its report, its cancel, its report; it measures and prints.

`python -m tests.hostile.beat PORT COMP_ID [AUTHORITY]`; with the certificate of an authority, by TLS. Each line on standard
input is answered by one JSON line: how many round trips there were since the last, and their p50, p99 and longest in
milliseconds. It ends with its standard input.
"""

from __future__ import annotations

import json
import select
import ssl
import sys
import time

from tests.venue import Client, cancel, order

PAUSE_SECONDS = 0.002


def main(port: str, comp_id: str, authority: str = "") -> None:
    client = Client(int(port), comp_id).connect()
    if authority:
        assert client.socket is not None
        client.socket = ssl.create_default_context(cafile=authority).wrap_socket(client.socket, server_hostname="localhost")
    client.logon(5)
    samples: list[float] = []
    count = 0

    def timed(msg_type: str, body: str, answer: str) -> None:
        started = time.perf_counter()
        client.send(msg_type, body)
        client.expect("8", answer)
        samples.append((time.perf_counter() - started) * 1000)

    while True:
        count += 1
        timed("D", order(f"B{count}", "1", 1, "60.00"), f"11=B{count}|39=0")
        timed("F", cancel(f"C{count}", f"B{count}"), f"11=C{count}|39=4")
        if select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            if not sys.stdin.readline():
                break
            samples.sort()
            quantiles = {f"p{percent}": round(samples[len(samples) * percent // 100], 2) for percent in (50, 99)}
            print(json.dumps({"trips": len(samples), **quantiles, "max": round(samples[-1], 2)}), flush=True)
            samples = []
    client.logout()


if __name__ == "__main__":
    main(*sys.argv[1:])
