"""`make bench`: runs the benchmarks of this directory one by one, and keeps their results with the machine they are of.

    python -m tests.benchmarks            all
    python -m tests.benchmarks ledger     one, the other results stay

A benchmark is a module that prints one JSON object. Results go to tests/benchmarks/results.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
SYNCS = 200


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    processor = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "fdatasync_us_p50": fdatasync_us(),
    }


def fdatasync_us() -> float:
    """What it costs here to make 200 bytes durable: the floor of every round trip with durability "fsync"."""
    samples = []
    with tempfile.NamedTemporaryFile(dir=HERE) as file:
        for _ in range(SYNCS):
            os.write(file.fileno(), bytes(200))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            samples.append(time.perf_counter() - started)
    return round(statistics.median(samples) * 1e6, 1)


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def measure(name: str) -> dict[str, Any]:
    """What a benchmark prints. Raises CalledProcessError, ValueError."""
    command = [sys.executable, "-m", f"tests.benchmarks.{name}"]
    done = subprocess.run(command, cwd=HERE.parents[1], stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout)
    if not isinstance(result, dict):
        raise ValueError("not an object")
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Run benchmarks and keep their results.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which (all: {', '.join(names())})")
    args = parser.parse_args()
    unknown = set(args.names) - set(names())
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    failed = []
    for name in args.names or names():
        print(f"{name} ...", flush=True)
        started = time.monotonic()
        try:
            result = measure(name)
        except (subprocess.CalledProcessError, ValueError) as error:
            print(f"{name} failed: {error}", file=sys.stderr)
            failed.append(name)
            continue
        kept[name] = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "machine": machine(), "result": result}
        RESULTS.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
        print(f"{json.dumps(result, indent=2)}\n{name} took {time.monotonic() - started:.0f} s\n", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
