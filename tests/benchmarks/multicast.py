"""What multicast costs beside FIX and the stream: python -m tests.benchmarks.multicast

Prints one JSON object. One busy book is followed by many WebSocket clients, with multicast off and on, in turns; with it on, a
listener on this machine notes how old an event is when its end-of-record has come. On a machine that does other things too,
compare the processor's share and not the times.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from fixserver.supervisor import NICE_CONSUMER
from marketdata import mold
from marketdata import multicast_messages as messages
from tests.benchmarks.fanout import HERE, TOPIC, Processor, role
from tests.venue import Venue

RECEIVE_BUFFER_BYTES = 4 << 20
WARM_SECONDS = 2.0


class Ear(threading.Thread):
    """Notes how old events are, in milliseconds, and how many messages are missing."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.1)
        self.ages_ms: list[float] = []
        self.packets = self.missing = 0
        self.stopping = False

    def run(self) -> None:
        expected = 0
        while not self.stopping:
            try:
                packet = mold.parse(self.socket.recv(65_536))
            except TimeoutError:
                continue
            now = time.time_ns()
            self.packets += 1
            if expected:
                self.missing += packet.sequence - expected
            expected = packet.next
            for message in packet.messages:
                if message[:1] == messages.END_OF_RECORD:
                    said = messages.decode(message)
                    assert isinstance(said, messages.EndOfRecordMessage)
                    self.ages_ms.append((now - said.time) / 1e6)

    def end(self) -> dict[str, Any]:
        self.stopping = True
        self.join()
        self.socket.close()
        ages = sorted(self.ages_ms)
        found: dict[str, Any] = {"packets": self.packets, "messages_missing": self.missing, "records": len(ages)}
        if ages:
            found |= {"p50_ms": round(ages[len(ages) // 2], 2), "p99_ms": round(ages[len(ages) * 99 // 100], 2)}
        return found


def measure(args: argparse.Namespace, *, on: bool) -> dict[str, Any]:
    ear = Ear()
    group = {"group": "127.0.0.1", "port": ear.socket.getsockname()[1]} if on else {}
    with (
        tempfile.TemporaryDirectory(dir=HERE, prefix="venue-") as name,
        Venue(Path(name), exchange={"durability": "os"}, multicast=group) as venue,
    ):
        venue.start("marketdata")
        feed = venue.processes["marketdata"].pid
        os.setpriority(os.PRIO_PROCESS, feed, NICE_CONSUMER)
        fix, http = venue.ports()["fix"], venue.ports("marketdata")["http"]
        with role("_updates", fix, args.rate) as updates, role("_subscribers", http, args.clients, TOPIC) as clients:
            ear.start()
            time.sleep(WARM_SECONDS)
            ear.ages_ms.clear()
            processor = Processor(marketdata=feed)
            clients.tell("mark all read")
            time.sleep(args.seconds)
            used = processor.look()
            found = {"multicast": on, "marketdata_percent": used["marketdata"], **clients.end(), "updates": updates.end()}
    heard = ear.end()
    return {**found, "heard": heard} if on else found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--rate", type=float, default=500, help="updates of the book a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    series = [measure(args, on=on) for _ in range(args.rounds) for on in (False, True)]
    shares = {
        name: statistics.median(one["marketdata_percent"] for one in series if one["multicast"] == on)
        for name, on in (("off", False), ("on", True))
    }
    print(json.dumps({"benchmark": "multicast", "marketdata_percent": shares, "series": series}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
