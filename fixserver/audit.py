"""The audit log: who logged on or was refused, what operators did, with which configuration the venue began; it decides nothing.

A file of JSON lines in the data directory, audit.log, that is only ever appended to, by each process of the venue that has
something to say. Every line holds the digest of the line before it, so that one that is changed or taken out later is found
(`fixserver audit verify`). A password never gets here.

Lines are handed to a thread, which writes them: the thread that trades waits for no disk, and for no other process. Where they
cannot be written they wait, up to WAITING_MAX, and the venue goes on; what finds no room is counted and the count written when it
can. Of refused attempts so many a second have a line, and the rest is counted in one, because whoever likes can make them.
A loss of power may cost the last second.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import hmac
import os
import secrets
import threading
import time
import tomllib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

FILE = "audit.log"
KEYS_FILE = "audit.keys"  # of the configuration at the last start, each with a keyed digest of its value
WAITING_MAX = 1_000
VALUE_LENGTH_MAX = 500
LINE_BYTES_MAX = 262_144
REFUSED_PER_SECOND_MAX = 20  # attempts of strangers that have a line of their own
CHANGED_MAX = 100  # keys of the configuration that are named
AGAIN_SECONDS = 1.0  # until the next attempt, where it could not be written
SYNC_SECONDS = 1.0
CLOSE_SECONDS = 2.0  # for the last lines, when the process ends
REOPENED_MAX = 3  # times in a row that somebody moved the file away

_encode = msgspec.json.Encoder().encode


class Audit:
    """One process's part in it. note() is for any thread."""

    def __init__(self, data: Path, process: str, say: Callable[[str], None]) -> None:
        """Raises OSError where the log cannot be opened: a venue does not begin without."""
        self.path = data / FILE
        self.lines = self.lost = 0
        self._process = process
        self._say = say
        self._waiting: deque[dict[str, Any]] = deque()
        self._lost_untold = 0
        self._refused_second, self._refused, self._refused_untold = 0, 0, 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ending = False
        self._failing = ""
        self._unsynced_since: float | None = None
        self._carried = ""  # the digest of the last line of a file that was moved away
        self._known = (-1, "")  # size of the file after our last line, and that line's digest
        self._descriptor = self._open()
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def note(self, what: str, **fields: Any) -> None:
        """Have a line written. Costs some microseconds, waits for nothing and never raises. An empty value is left out."""
        now = time.time_ns()
        with self._lock:
            if fields.get("outcome") == "refused" and "operator" not in fields and not self._has_room_for_refused(now):
                return
            if len(self._waiting) >= WAITING_MAX:
                self.lost += 1
                self._lost_untold += 1
                return
            self._waiting.append(self._line(now, what, fields))
        self._wake.set()

    def _has_room_for_refused(self, now: int) -> bool:
        second = now // 10**9
        if second != self._refused_second:
            self._refused_second, self._refused = second, 0
        self._refused += 1
        if self._refused <= REFUSED_PER_SECOND_MAX:
            return True
        self._refused_untold += 1
        return False

    def _line(self, now: int, what: str, fields: dict[str, Any]) -> dict[str, Any]:
        second, rest = divmod(now, 10**9)
        at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{rest // 1000:06d}Z"
        return {"at": at, "process": self._process, "what": what, **{key: _plain(value) for key, value in fields.items() if value}}

    def close(self) -> None:
        """Write what waits, as far as it can be written within CLOSE_SECONDS. May be called again."""
        if self._ending:
            return
        self._ending = True
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)
        if not self._thread.is_alive():
            os.close(self._descriptor)

    # ------------------------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        while True:
            ending = self._ending
            if not ending:
                self._wake.wait(AGAIN_SECONDS if self._has_something_left() else None)
            self._wake.clear()
            try:
                self._write_what_waits()
                self._sync(at_once=ending)
            except OSError as error:
                self._fail(error)
                if not ending:
                    self._wake.clear()
                    time.sleep(AGAIN_SECONDS)
                    self._wake.set()
            if ending:
                return

    def _has_something_left(self) -> bool:
        untold = self._lost_untold or self._refused_untold or self._unsynced_since is not None
        return bool(untold or self._waiting)

    def _write_what_waits(self) -> None:
        with self._lock:
            lines = list(self._waiting)
            lost = self._lost_untold
            refused = self._refused_untold if time.time_ns() // 10**9 != self._refused_second or self._ending else 0
            if refused:
                lines.append(self._line(time.time_ns(), "refused", {"count": refused, "why": "more in a second than have a line"}))
            if lost:
                lines.append(self._line(time.time_ns(), "lost", {"count": lost, "why": "the audit log could not be written"}))
            taken = len(self._waiting)
        if not lines:
            return
        self._append(lines)
        with self._lock:
            for _ in range(taken):
                self._waiting.popleft()
            self._lost_untold -= lost
            self._refused_untold -= refused
            self.lines += len(lines)
        if self._failing:
            self._failing = ""
            self._say(f"{self.path}: can be written again")

    def _fail(self, error: OSError) -> None:
        why = error.strerror or str(error)
        if why != self._failing:
            self._failing = why
            self._say(f"{self.path}: cannot be written: {why}. Lines wait, up to {WAITING_MAX}; the venue goes on")

    def _append(self, lines: list[dict[str, Any]]) -> None:
        """Write lines behind the last one, whoever wrote that. Raises OSError: then none of them is there."""
        with self._locked() as descriptor:
            size = os.fstat(descriptor).st_size
            before, torn = self._last(descriptor, size)
            data = b"\n" if torn else b""
            for line in lines:
                text = _encode({**line, "before": before})
                before = digest(text)
                data += text + b"\n"
            written = os.write(descriptor, data)
            if written < len(data):
                with contextlib.suppress(OSError):  # where that is not allowed, half a line stays, and is no line
                    os.ftruncate(descriptor, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._known = size + written, before
            if self._unsynced_since is None:
                self._unsynced_since = time.monotonic()

    def _last(self, descriptor: int, size: int) -> tuple[str, bool]:
        """The digest of the last line, and whether it was left without an end."""
        if size == 0:
            return self._carried, False
        if size == self._known[0]:
            return self._known[1], False
        tail = os.pread(descriptor, LINE_BYTES_MAX, max(0, size - LINE_BYTES_MAX))
        torn = not tail.endswith(b"\n")
        return digest(tail.rstrip(b"\n").rpartition(b"\n")[2]), torn

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, ours alone for the moment, and not one that somebody has moved away to keep it. Raises OSError."""
        for _ in range(REOPENED_MAX):
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                if self._is_in_place():
                    yield self._descriptor
                    return
                size = os.fstat(self._descriptor).st_size
                self._carried = self._last(self._descriptor, size)[0]
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            moved, self._descriptor = self._descriptor, self._open()
            os.close(moved)
            self._known = (-1, "")
        raise OSError(errno.EAGAIN, "it is moved away again and again")

    def _is_in_place(self) -> bool:
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        own = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _sync(self, *, at_once: bool) -> None:
        since = self._unsynced_since
        if since is not None and (at_once or time.monotonic() - since >= SYNC_SECONDS):
            os.fdatasync(self._descriptor)
            self._unsynced_since = None


class AuditMetrics(Collector):
    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily("fixserver_audit_lines", "Lines of the audit log that this process wrote.", self._audit.lines)
        yield CounterMetricFamily("fixserver_audit_lost", "Lines that found no room while it could not write.", self._audit.lost)
        yield GaugeMetricFamily("fixserver_audit_waiting", "Lines that are to be written.", self._audit.waiting)


def digest(line: bytes) -> str:
    """Of a line without its end."""
    return hashlib.sha256(line).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, int | bool):
        return value
    if isinstance(value, list):
        return [_plain(one) for one in value[:CHANGED_MAX]]
    return str(value)[:VALUE_LENGTH_MAX].encode(errors="replace").decode()


# --------------------------------------------------------------------------------------------- configuration


def configuration(file: Path, data: Path) -> dict[str, Any]:
    """The digest of a configuration file, and which of its keys say something else than at the last start. Raises OSError.

    What is kept of a value is a digest with a key of its own, so that what is kept tells no value.
    """
    content = file.read_bytes()
    kept = data / KEYS_FILE
    try:
        before = msgspec.json.decode(kept.read_bytes(), type=dict[str, str])
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        before = {}
    key = before.pop("", "") or secrets.token_hex(16)
    now = {
        name: hmac.new(key.encode(), repr(value).encode(errors="replace"), hashlib.sha256).hexdigest()[:32]
        for name, value in _flat(tomllib.loads(content.decode()))
    }
    changed = [] if not before else sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    partial = kept.with_suffix(".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as opened:
        opened.write(msgspec.json.encode({"": key, **now}))
        opened.flush()
        os.fsync(opened.fileno())
    partial.replace(kept)
    more = {"more_changed": len(changed) - CHANGED_MAX} if len(changed) > CHANGED_MAX else {}
    return {"configuration": hashlib.sha256(content).hexdigest(), "first": not before, "changed": changed, **more}


def _flat(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its key: "exchange.port", "participants.ALICE.cash"."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{at}.{name}".lstrip("."))
    elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        for number, one in enumerate(value):
            yield from _flat(one, f"{at}.{one.get('name') or one.get('symbol') or number}")
    else:
        yield at, value
