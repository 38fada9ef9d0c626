"""What `fixserver doctor` looks at of the machine: Python, disk, clock, open files, ports; it leaves nothing behind."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import importlib
import json
import os
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from fixserver.config import Config
from fixserver.findings import Finding, ok, warning, wrong

PYTHON_LEAST = (3, 11)
FREE_BYTES_LEAST, FREE_BYTES_WARNING = 2**30, 10 * 2**30
MEMORY_BYTES_WARNING = 512 * 2**20
SYNCS = 40
SYNC_BYTES = 4096
SYNC_SECONDS_TRIED_MAX = 5.0
# The journal is synced once a batch, and an order waits for that: half of the time it takes bounds what a client sees.
SYNC_SECONDS_WARNING, SYNC_SECONDS_WRONG = 0.010, 0.100
SYNC_SECONDS_BELIEVED = 0.000_015  # no disk is quicker, not even one with a battery
IN_MEMORY = ("tmpfs", "ramfs", "overlay")  # an overlay goes with its container
CLOCK_ERROR_WARNING_S = 1.0
DESCRIPTORS_KEPT = 64  # as in port.py, which cannot be imported where quickfix cannot
BUILT_AFTER = 1_735_689_600  # 2025-01-01: a clock before this was never set
SLOW_CLOCK_S = 0.000_002
LOCKS = {"exchange": "lock", "clearing": "ledger.lock", "history": "history.lock", "marketdata": "marketdata/lock"}

_TIME_ERROR = 5
_STA_NANO = 0x2000


# --------------------------------------------------------------------------------------------------- Python


def python() -> Iterator[Finding]:
    version = sys.version.split()[0]
    if sys.version_info < PYTHON_LEAST:
        yield wrong("python", f"it is {version}", "use Python 3.11 or later: PYTHON=/path/to/python3.11 make install")
    else:
        yield ok("python", f"{version} at {sys.executable}")
    yield from packages(lambda: metadata.requires("fixserver") or [])


def packages(required: Callable[[], list[str]]) -> Iterator[Finding]:
    """Whether what the project asks for is there."""
    try:
        wanted = [Requirement(text) for text in required()]
    except metadata.PackageNotFoundError:
        yield wrong("packages", "fixserver itself is not installed here", "make install, and use .venv/bin/fixserver")
        return
    there, amiss = 0, []
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            amiss.append(f"{requirement.name} is not there")
        else:
            there += 1
            if not requirement.specifier.contains(version, prereleases=True):
                amiss.append(f"{requirement.name} is {version}, not {requirement.specifier}")
    try:
        importlib.import_module("quickfix")
    except ImportError as error:
        amiss.append(f"quickfix cannot be loaded: {error}")
    if amiss:
        yield wrong("packages", "; ".join(amiss), "make clean install; or pip install -r requirements.lock")
    else:
        yield ok("packages", f"{there} that are needed, in versions that will do")


# ----------------------------------------------------------------------------------------------------- disk


def disk(data: Path) -> Iterator[Finding]:
    """Whether the data directory can be written, and how much goes in."""
    place = data
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        yield wrong("disk", f"{place} is not a directory", "name another with --data, or move this file away")
        return
    if not os.access(place, os.W_OK | os.X_OK):
        owner = place.stat()
        yield wrong(
            "disk",
            f"{place} cannot be written by user {os.geteuid()}: it belongs to {owner.st_uid}:{owner.st_gid}",
            f"run as its owner, or: chown -R {os.geteuid()}:{os.getegid()} {place}",
        )
        return
    about = os.statvfs(place)
    free, share = about.f_bavail * about.f_frsize, about.f_bavail / max(about.f_blocks, 1)
    found = f"{free / 2**30:.1f} GiB free at {place} ({share:.0%})"
    if free < FREE_BYTES_LEAST:
        yield wrong("disk", found, "make room: the exchange stops when its journal cannot be written")
    elif free < FREE_BYTES_WARNING:
        yield warning("disk", found, "make room soon, or archive old segments of the journal")
    else:
        yield ok("disk", found)
    if about.f_files and about.f_favail < 1000:
        yield wrong("disk", f"{about.f_favail} more files fit on the disk of {place}", "remove files that are not needed")


def sync_speed(data: Path, durable: bool) -> Iterator[Finding]:
    """How long a batch of the journal takes to be on the disk. `durable`: whether the venue waits for that."""
    place = data
    while not place.exists() and place != place.parent:
        place = place.parent
    if (kind := filesystem(place)) in IN_MEMORY:
        what = f"{place} is on {kind}, of which nothing is left after a loss of power"
        do = "put the data directory on a disk (in a container: on a volume)"
        yield wrong("sync", what, do) if durable else warning("sync", what, do)
        return
    try:
        median, worst = measured_sync(place)
    except OSError as error:
        yield wrong(
            "sync", f"{place}: a file cannot be written and synced: {error.strerror or error}", "see what is said of the disk"
        )
        return
    yield from judged_sync(median, worst, durable)


def measured_sync(place: Path) -> tuple[float, float]:
    """Median and worst of some writes of 4 KiB with fdatasync, in seconds. Raises OSError."""
    took = []
    begun = time.monotonic()
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(SYNCS):
            os.write(file.fileno(), bytes(SYNC_BYTES))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - start)
            if time.monotonic() - begun > SYNC_SECONDS_TRIED_MAX:
                break
    return statistics.median(took), max(took)


def judged_sync(median: float, worst: float, durable: bool) -> Iterator[Finding]:
    found = f"a write is on the disk in {median * 1000:.2f} ms (median), {worst * 1000:.2f} ms (worst of {SYNCS})"
    if not durable:
        yield warning(
            "sync", f'{found}, which is not waited for: exchange.durability is "os"', 'set it to "fsync" where power may fail'
        )
    elif median < SYNC_SECONDS_BELIEVED:
        yield warning(
            "sync", f"{found}: quicker than any disk", "see whether a cache that forgets is in between (nobarrier, eatmydata)"
        )
    elif median >= SYNC_SECONDS_WRONG:
        yield wrong("sync", f"{found}: every batch of orders waits that long", "use a disk with a power-loss-protected cache")
    elif median >= SYNC_SECONDS_WARNING:
        yield warning(
            "sync", f"{found}: every batch of orders waits that long", "use a quicker disk where clients should not notice"
        )
    else:
        yield ok("sync", found)


def filesystem(place: Path) -> str:
    """The kind of file system that `place` is on; empty where that is not known."""
    try:
        device = os.stat(place).st_dev
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            before, _, behind = line.partition(" - ")
            if before.split()[2] == f"{os.major(device)}:{os.minor(device)}":
                return behind.split()[0]
    except (OSError, IndexError):
        pass
    return ""


def memory() -> Iterator[Finding]:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return
    found = f"{available / 2**30:.1f} GiB available"
    if available < MEMORY_BYTES_WARNING:
        yield warning("memory", found, "stop what is not needed: what is out of memory is killed, and recovers from its journal")
    else:
        yield ok("memory", found)


# ---------------------------------------------------------------------------------------------------- clock


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("constant", ctypes.c_long), ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long), ("time", ctypes.c_long * 2), ("tick", ctypes.c_long), ("rest", ctypes.c_byte * 128),
    )  # fmt: skip


def clock(last_time: int) -> Iterator[Finding]:
    """`last_time` is when the venue last did something, in nanoseconds since 1970; 0 for one that never did."""
    now = time.time()
    if now < BUILT_AFTER:
        yield wrong("clock", f"it says {_utc(now)}", "set it: sudo timedatectl set-ntp true, or run chrony")
        return
    if last_time / 1e9 > now + CLOCK_ERROR_WARNING_S:
        yield wrong(
            "clock",
            f"it says {_utc(now)}, but the journal ends at {_utc(last_time / 1e9)}: it has gone back",
            "set it: the venue's own time stands still until the clock has caught up",
        )
    if not time.get_clock_info("monotonic").monotonic:
        yield wrong("clock", "this machine has no clock that only goes forward", "use another machine: timers rely on it")
    yield from source_of_time()
    yield from synchronised(*kernel_clock())


def source_of_time() -> Iterator[Finding]:
    begun = time.perf_counter()
    for _ in range(1000):
        time.time_ns()
    each = (time.perf_counter() - begun) / 1000
    try:
        name = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource").read_text().strip()
    except OSError:
        name = "unknown"
    if each > SLOW_CLOCK_S:
        yield warning(
            "clock", f"it takes {each * 1e6:.1f} µs to read (clock source {name})", "use tsc or kvm-clock, where there is one"
        )


def kernel_clock() -> tuple[int, float, float]:
    """What the kernel says of its own clock: state (-1: it says nothing), offset and largest error in seconds."""
    timex = _Timex()
    try:
        state = int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)))
    except (OSError, AttributeError):
        return -1, 0.0, 0.0
    unit = 1e9 if timex.status & _STA_NANO else 1e6
    return state, timex.offset / unit, timex.maxerror / 1e6


def synchronised(state: int, offset: float, error_max: float) -> Iterator[Finding]:
    now = _utc(time.time())
    if state < 0:
        yield ok("clock", f"{now}; the kernel does not say how good it is")
    elif state == _TIME_ERROR:
        yield warning(
            "clock",
            f"{now}, not synchronised with any other",
            "run chrony or systemd-timesyncd: clients compare SendingTime with theirs",
        )
    elif abs(offset) > CLOCK_ERROR_WARNING_S:
        yield warning("clock", f"{now}, {offset:+.3f} s off", "see why: chronyc tracking")
    else:
        yield ok("clock", f"{now}, synchronised, {offset * 1000:+.3f} ms off, at most {error_max * 1000:.0f} ms")


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


# ------------------------------------------------------------------------------------------- files and ports


def open_files(config: Config, limits: tuple[int, int] | None = None) -> Iterator[Finding]:
    """Whether each process may open as many files as it may take connections. `limits` are soft and hard."""
    _, hard = limits if limits is not None else resource.getrlimit(resource.RLIMIT_NOFILE)
    web = config.web.connections_max if config.web.enabled else 0
    watchers = config.dropcopy.connections_max if config.drop_copies else 0
    needed = {
        "the exchange": config.exchange.connections_max + watchers + DESCRIPTORS_KEPT,
        "the feed": config.marketdata.connections_max + web + DESCRIPTORS_KEPT,
    }
    process, most = max(needed.items(), key=lambda entry: entry[1])
    shown = "any number" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    if hard != resource.RLIM_INFINITY and hard < most:
        yield warning(
            "open files",
            f"a process may open {shown}; {process} needs {most:,} for the connections it may take, and takes fewer",
            f"ulimit -n {most}; LimitNOFILE={most} in a systemd unit; or a lower connections_max",
        )
    else:
        yield ok("open files", f"a process may open {shown}; {process} needs {most:,}")


def running(data: Path) -> set[str]:
    """The processes of the venue that are at work: who holds his lock."""
    found = set()
    for process, name in LOCKS.items():
        try:
            descriptor = os.open(data / name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            found.add(process)
        finally:
            os.close(descriptor)
    return found


def ports(config: Config, data: Path, at_work: set[str]) -> Iterator[Finding]:
    """Whether each port can be had, or is the venue's own already."""
    owners = {port: process for process in sorted(at_work) for port in _written(data, process)}
    for key, address, port in config._ports():
        check, where, section = f"port {key}", f"{address}:{port}", key.partition(".")[0]
        if port == 0:
            yield ok(check, "any that is free")
            continue
        error = _cannot_bind(address, port)
        if error is None:
            if port in owners:
                yield ok(check, f"{where} is free here: {owners[port]} listens elsewhere")
            elif section in at_work:
                yield warning(
                    check, f"{where} is free, though {section} runs: it began with another port", f"start {section} again"
                )
            else:
                yield ok(check, f"{where} is free")
        elif error.errno == errno.EADDRINUSE and port in owners:
            yield ok(check, f"{where} is ours: {owners[port]} listens there")
        elif error.errno == errno.EADDRINUSE:
            do = f"stop it (ss -ltnp 'sport = :{port}' shows which), or choose another port"
            yield wrong(check, f"{where} is in use by another program", do)
        elif error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            yield wrong(check, f"{address} is not an address of this machine", "name one that is (ip address shows them)")
        elif error.errno == errno.EACCES:
            yield wrong(check, f"{where} is for root alone", "choose a port above 1023")
        else:
            yield wrong(check, f"cannot listen on {where}: {error.strerror or error}", "choose another")


def _cannot_bind(address: str, port: int) -> OSError | None:
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            probe.listen(1)
    except OSError as error:
        return error
    return None


def _written(data: Path, process: str) -> set[int]:
    """The ports that a process wrote down as its own."""
    try:
        return {int(port) for port in json.loads((data / f"{process}.ports").read_bytes()).values()}
    except (OSError, ValueError, AttributeError, TypeError):
        return set()
