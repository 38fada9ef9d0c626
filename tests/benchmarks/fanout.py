"""One busy book to many WebSocket clients, and order entry beside it: python -m tests.benchmarks fanout

Prints one JSON object. Exchange, feed, the clients (in one process), who changes the book, and who enters orders are processes of
their own. Order entry is measured with the clients connected and without, in turns within the same minutes: the round trip from a
new order to its report, one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fixserver.supervisor import NICE_CONSUMER
from tests.benchmarks._subscribers import handshake, masked
from tests.venue import ROOT, SOH, Venue, cancel, order

HERE = Path(__file__).parent
TOPIC = "book:AAPL:price:10"
P99_MS_MAX = 100.0
RATIO_MAX = 1.5
START_SECONDS_MAX = 60.0
GREEDY_TOPIC = "book:AAPL:order:0"
GREEDY_SECONDS_MAX = 75.0
TICKS = os.sysconf("SC_CLK_TCK")


class Role:
    """Another process of the benchmark: told by lines, and says "ready" and, in the end, JSON."""

    def __init__(self, module: str, *arguments: object) -> None:
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._out.readline() != "ready\n":
            raise SystemExit(f"{module} did not start")

    @property
    def _out(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """End it, and what it has found."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        found: dict[str, Any] = json.loads(self._out.readline())
        self.process.wait()
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def role(module: str, *arguments: object) -> Iterator[Role]:
    one = Role(module, *arguments)
    try:
        yield one
    finally:
        one.kill()


class Processor:
    """How much of one core each process takes, from one look to the next."""

    def __init__(self, **processes: int) -> None:
        self._processes = processes
        self._before = self._now()

    def _now(self) -> tuple[float, dict[str, int]]:
        ticks = {}
        for name, number in self._processes.items():
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
            ticks[name] = int(fields[11]) + int(fields[12])
        return time.monotonic(), ticks

    def look(self) -> dict[str, int]:
        """Percent of a core since the last look."""
        (before, old), self._before = self._before, self._now()
        now, new = self._before
        return {name: round((new[name] - old[name]) / TICKS / (now - before) * 100) for name in new}


class Trips:
    """Somebody who enters orders in another instrument, one after the other, and cancels them."""

    def __init__(self, venue: Venue) -> None:
        self._client = venue.client("TRADER2").logon()
        assert self._client.socket is not None
        self._client.socket.setblocking(True)
        self._made = 0

    def measure(self, count: int) -> tuple[float, float]:
        """p50 and p99, in microseconds."""
        samples = []
        for _ in range(count):
            self._made += 1
            name = f"T{self._made}"
            samples.append(self._trip("D", order(name, price="60.00", symbol="MSFT")))
            self._trip("F", cancel(f"X{name}", name, symbol="MSFT"))
        samples.sort()
        return samples[len(samples) // 2] / 1e3, samples[len(samples) * 99 // 100] / 1e3

    def _trip(self, msg_type: str, body: str) -> int:
        client = self._client
        assert client.socket is not None
        client.sent.clear()
        message = client.build(msg_type, body)
        marker = b"35=8" + SOH
        began = time.perf_counter_ns()
        client.socket.sendall(message)
        while marker not in (data := client.socket.recv(65_536)):
            if not data:
                raise SystemExit("the exchange has closed the connection")
        return time.perf_counter_ns() - began


def fan_out(venue: Venue, args: argparse.Namespace) -> dict[str, Any]:
    """Ages of updates at all clients, without and with one that asks for more and more and never reads."""
    port = venue.ports("marketdata")["http"]
    with role("_updates", venue.ports()["fix"], args.rate) as updates, role("_subscribers", port, args.clients, TOPIC) as clients:
        processor = Processor(
            exchange=venue.processes["exchange"].pid, marketdata=venue.processes["marketdata"].pid,
            updates=updates.process.pid, clients=clients.process.pid,
        )  # fmt: skip
        time.sleep(2)
        memory = [venue.memory("marketdata")]
        processor.look()
        clients.tell("mark all read")
        time.sleep(args.seconds)
        used = processor.look()
        memory.append(venue.memory("marketdata"))
        clients.tell("mark one never reads")
        held = never_reads(port, args.seconds, lambda: memory.append(venue.memory("marketdata")))
        memory.append(venue.memory("marketdata"))
        clients.tell("mark all read, again")  # what else the machine was doing is in all three
        time.sleep(args.seconds)
        found = clients.end()
        return {
            "clients": args.clients,
            **found,
            "updates": updates.end(),
            "processor_percent": used,
            "one that never reads": held,
            "memory_mib": {"before": memory[0] >> 20, "max": max(memory) >> 20, "after": memory[-1] >> 20},
            "cut": {name: count for name, count in venue.metrics("marketdata").items() if "_cut_total" in name and count},
        }


def never_reads(port: int, seconds: float, look: Any) -> dict[str, Any]:
    """Subscribe again and again to a large snapshot, and read nothing until the venue has had enough."""
    sock = handshake(port, receive_bytes=4_096)
    sock.setblocking(False)
    ask = masked(1, json.dumps({"op": "subscribe", "topics": [GREEDY_TOPIC, TOPIC]}).encode())
    began, asked, ended = time.monotonic(), 0, False
    while time.monotonic() - began < max(seconds, GREEDY_SECONDS_MAX) and not ended:
        try:
            if sock.send(ask) == len(ask):
                asked += 1
        except BlockingIOError:
            pass
        except OSError:
            ended = True
        time.sleep(0.05)
        look()
    elapsed = time.monotonic() - began
    sock.close()
    while time.monotonic() - began < seconds:
        time.sleep(0.1)
    return {"ended_by_the_venue": ended, "after_s": round(elapsed, 1), "asked": asked}


def order_entry(venue: Venue, args: argparse.Namespace) -> dict[str, Any]:
    """Round trips: quiet, with the book being changed, and with all clients connected as well; in turns."""
    port = venue.ports("marketdata")["http"]
    found: dict[str, list[tuple[float, float]]] = {"quiet": [], "updates": [], "updates and clients": []}
    trips = Trips(venue)
    trips.measure(args.trips)
    for _ in range(args.rounds):
        found["quiet"].append(trips.measure(args.trips))
        with role("_updates", venue.ports()["fix"], args.rate) as updates:
            found["updates"].append(trips.measure(args.trips))
            with role("_subscribers", port, args.clients, TOPIC) as clients:
                time.sleep(1)
                found["updates and clients"].append(trips.measure(args.trips))
                clients.end()
            updates.end()
    beside = found["updates and clients"]
    return {
        "p50_us": {name: round(statistics.median(p50 for p50, _ in values), 1) for name, values in found.items()},
        "p99_us": {name: round(statistics.median(p99 for _, p99 in values), 1) for name, values in found.items()},
        **{
            f"p50, ratio to {name}": round(statistics.median(a / b for (a, _), (b, _) in zip(beside, found[name], strict=True)), 2)
            for name in ("quiet", "updates")
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--rate", type=float, default=500, help="updates of the book a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trips", type=int, default=10_000)
    parser.add_argument("--only", choices=("fan-out", "order-entry"))
    args = parser.parse_args()
    found: dict[str, Any] = {"benchmark": "fanout"}
    with tempfile.TemporaryDirectory(dir=HERE, prefix="venue-") as name, Venue(Path(name), exchange={"durability": "os"}) as venue:
        venue.start("marketdata")
        os.setpriority(os.PRIO_PROCESS, venue.processes["marketdata"].pid, NICE_CONSUMER)
        if args.only != "order-entry":
            found["fan-out"] = fan_out(venue, args)
        if args.only != "fan-out":
            found["order entry beside it"] = order_entry(venue, args)
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
