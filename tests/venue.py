"""A venue of real processes for tests, and a raw FIX client whose every number and byte is the test's; it judges nothing.

Fields are written with `|` for SOH. A client keeps its numbers over its connections, as a real one would.

    with Venue(tmp_path) as venue:
        client = venue.client("TRADER1", "FIX.4.4").logon()
        client.send("D", order("A1", "1", 10, "100.00"))
        client.expect("8", "39=0")
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DICTIONARIES = ROOT / "config" / "dictionaries"
VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
WAIT_SECONDS = 20.0
START_SECONDS = 60.0  # QuickFIX reads its dictionaries for some seconds, and longer where others read too
SOH = b"\x01"
# `demo`; made with little work, because a test logs on often.
PASSWORD_HASH = "scrypt$2$8$1$MDEyMzQ1Njc4OWFiY2RlZg==$AuMcxQgRFHdYh6Wtyp4w7rjK3eAMTnKXPSzeLdLqyjQ="
INSTRUMENT = {"quantity_max": "1_000_000", "value_max": "900_000_000", "reference_price": "100.00", "band": "50"}
TRADER = {"cash": "1_000_000_000", "holdings": {"AAPL": "1_000_000", "MSFT": "1_000_000"}}
TRADERS = {f"TRADER{number}": TRADER for number in range(1, 9)}
_ports_to_try = iter(random.SystemRandom().sample(range(20_000, 30_000), 10_000))


def wait_for(condition: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """What `condition` says when it is true. AssertionError when it is not in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def free_port() -> int:
    """One that is free, and stays so: it is below those that the system gives to whoever leaves the choice to it. No port
    is given twice."""
    for port in _ports_to_try:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def configuration(
    *,
    instruments: dict[str, dict[str, Any]] | None = None,
    participants: dict[str, dict[str, Any]] | None = None,
    fees: Sequence[dict[str, str]] = (),
    drop_copies: dict[str, dict[str, Any]] | None = None,
    **sections: dict[str, Any],
) -> str:
    """A venue's TOML with free ports, two instruments and TRADER1 to TRADER8, unless told otherwise."""
    defaults: dict[str, dict[str, Any]] = {
        # The day ends twelve hours away: ClOrdIDs may be used again then, and DAY orders are gone.
        "venue": {"dictionaries": str(DICTIONARIES), "day_roll": f"{(time.gmtime().tm_hour + 12) % 24:02}:00"},
        "exchange": {"port": 0, "metrics_port": 0, "durability": "os", "orders_per_second": 0, "cancels_per_second": 0},
        "dropcopy": {"port": 0},
        "clearing": {"metrics_port": 0},
        "settlement": {},
        "marketdata": {"port": 0, "metrics_port": 0},
        "web": {"port": 0, "requests_per_second": 0, "logins_per_minute": 0},
        "history": {"metrics_port": 0},
        "multicast": {"recovery_port": 0},
    }
    lines: list[str] = []
    for name, values in defaults.items():
        said = values | sections.pop(name, {})
        if said:  # a section that says nothing is left to who adds to the text
            lines += [f"[{name}]", *_toml(said)]
    assert not sections, f"no such section: {list(sections)}"
    for symbol, terms in (instruments or {"AAPL": {}, "MSFT": {}}).items():
        lines += ["[[instruments]]", *_toml({"symbol": symbol, **INSTRUMENT, **terms})]
    for name, terms in (participants or TRADERS).items():
        lines += ["[[participants]]", *_toml({"name": name, "password": PASSWORD_HASH, **terms})]
    for rule in fees:
        lines += ["[[fees]]", *_toml(rule)]
    for name, terms in (drop_copies or {}).items():
        lines += ["[[drop_copies]]", *_toml({"name": name, "password": PASSWORD_HASH, **terms})]
    return "\n".join(lines) + "\n"


def _toml(values: dict[str, Any]) -> list[str]:
    return [f"{key} = {_toml_value(value)}" for key, value in values.items()]


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(_toml(value)) + " }"
    return json.dumps(value)


class Venue:
    """A configuration, a data directory, and the processes that run on them. As a context, they end with it."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        """`settings` as for configuration()."""
        self.directory = directory
        self.data = directory / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        self.config = directory / "venue.toml"
        self.config.write_text(configuration(**settings))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.clients: list[Client] = []
        self.program = ["-m", "fixserver.cli"]  # or one that wraps it

    def __enter__(self) -> Venue:
        try:
            self.start()
        except BaseException as error:  # which __exit__ is not called for
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
            return
        sys.stderr.write(self.said())
        with contextlib.suppress(Exception):
            self.close()

    def start(self, name: str = "exchange", *arguments: str) -> None:
        """Start a process and wait until its ports take connections. AssertionError with what it said when it ends instead."""
        self.launch(name, *arguments)
        self._until_up(name)

    def start_together(self, *names: str) -> None:
        """Start processes side by side, and wait until all of them are up."""
        for name in names:
            self.launch(name)
        for name in names:
            self._until_up(name)

    def _until_up(self, name: str) -> None:
        process, ports = self.processes[name], self.data / f"{name}.ports"
        wait_for(lambda: process.poll() is not None or ports.exists(), f"the {name} process is up", START_SECONDS)
        assert process.poll() is None, self.said(name)

    def launch(self, name: str = "exchange", *arguments: str) -> None:
        """Start a process and do not wait."""
        (self.data / f"{name}.ports").unlink(missing_ok=True)
        with (self.directory / f"{name}.log").open("ab") as said:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *self.program, name, "--config", str(self.config), "--data", str(self.data), *arguments],
                cwd=ROOT, stdout=said, stderr=said,
            )  # fmt: skip

    def said(self, name: str = "exchange") -> str:
        """What a process wrote, over all its starts."""
        log = self.directory / f"{name}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def end(self, name: str = "exchange", how: int = signal.SIGTERM) -> int:
        """End a process; returns its exit code (negative: the signal)."""
        process = self.processes.pop(name)
        process.send_signal(how)
        return process.wait(WAIT_SECONDS)

    def kill(self, name: str = "exchange") -> None:
        """End a process as a loss of it would."""
        self.end(name, signal.SIGKILL)

    def restart(self, name: str = "exchange", how: int = signal.SIGTERM) -> None:
        self.end(name, how)
        self.start(name)

    def close(self) -> None:
        """End everything. AssertionError where a process had ended by itself, or does not end well."""
        for client in self.clients:
            client.close()
        codes = {}
        for name in list(self.processes):
            process = self.processes[name]
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for name in list(self.processes):
            process = self.processes.pop(name)
            try:
                codes[name] = process.wait(WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        assert not any(codes.values()), f"exit codes {codes}\n" + "".join(self.said(name) for name in codes)

    def ports(self, name: str = "exchange") -> dict[str, int]:
        numbers: dict[str, int] = json.loads((self.data / f"{name}.ports").read_text())
        return numbers

    def client(self, comp_id: str = "TRADER1", begin_string: str = "FIX.4.4", *, port: str = "fix", **options: Any) -> Client:
        """A client of this venue, not connected; closed with it."""
        client = Client(lambda: self.ports()[port], comp_id, begin_string, **options)
        self.clients.append(client)
        return client

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `fixserver ...` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "fixserver.cli", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )

    def metrics(self, name: str = "exchange") -> dict[str, float]:
        """What the process tells Prometheus: a sample's name with its labels, and its value."""
        with socket.create_connection(("127.0.0.1", self.ports(name)["metrics"]), WAIT_SECONDS) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            data = b""
            while part := sock.recv(65_536):
                data += part
        found = {}
        for line in data.partition(b"\r\n\r\n")[2].decode().splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.rpartition(" ")
                found[key] = float(value)
        return found

    def memory(self, name: str = "exchange") -> int:
        """Resident bytes of a process."""
        pages = Path(f"/proc/{self.processes[name].pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Ended(Exception):
    """The venue closed the connection."""


class Nothing(AssertionError):
    """Nothing came in time."""


class Message:
    """One message as it came: `raw`, and its fields in order."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.pairs = [tuple(field.split(b"=", 1)) for field in raw.split(SOH)[:-1]]
        self.fields = {int(pair[0]): pair[1].decode() for pair in reversed(self.pairs)}  # of a repeated tag the first

    @property
    def type(self) -> str:
        return self.fields[35]

    @property
    def number(self) -> int:
        return int(self.fields[34])

    def __getitem__(self, tag: int) -> str:
        return self.fields[tag]

    def get(self, tag: int, default: str = "") -> str:
        return self.fields.get(tag, default)

    def has(self, fields: str) -> bool:
        """Whether it has every one of `fields` ("39=0|11=*"; `*` is any value, `tag=-` is not there)."""
        return not self.differs(fields)

    def differs(self, fields: str) -> list[str]:
        """Those of `fields` that it does not have."""
        wrong = []
        for field in filter(None, fields.split("|")):
            tag, _, value = field.partition("=")
            found = self.fields.get(int(tag))
            if not (found is None if value == "-" else found is not None and value in ("*", found)):
                wrong.append(field)
        return wrong

    def __repr__(self) -> str:
        return self.raw.replace(SOH, b"|").decode(errors="replace")


def checksum(data: bytes) -> bytes:
    return b"%03d" % (sum(data) % 256)


def framed(begin_string: str, content: bytes) -> bytes:
    """BeginString and BodyLength before, CheckSum behind."""
    message = b"8=%s\x019=%d\x01%s" % (begin_string.encode(), len(content), content)
    return message + b"10=%s\x01" % checksum(message)


def soh(fields: str | bytes) -> bytes:
    """Fields with `|` as bytes with SOH, ending with one."""
    data = (fields if isinstance(fields, bytes) else fields.encode()).replace(b"|", SOH)
    return data if not data or data.endswith(SOH) else data + SOH


def utc(offset_seconds: float = 0.0) -> str:
    """SendingTime, now or that much later."""
    now = time.time() + offset_seconds
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}"


_LENGTH = re.compile(rb"8=[^\x01]*\x019=(\d+)\x01")


class Client:
    """A FIX client on a plain socket. It numbers what it sends and answers nothing by itself, unless told to.

    `next_out` is the number of its next message, `next_in` the one it expects. `answers_test_requests` has it
    answer TestRequests while it waits for something else.
    """

    def __init__(
        self, port: int | Callable[[], int], comp_id: str = "TRADER1", begin_string: str = "FIX.4.4", *,
        target: str = "FIXSERVER", password: str = "demo", answers_test_requests: bool = True, skips_heartbeats: bool = True,
    ) -> None:  # fmt: skip
        self._port = port
        self.comp_id, self.begin_string, self.target, self.password = comp_id, begin_string, target, password
        self.answers_test_requests, self.skips_heartbeats = answers_test_requests, skips_heartbeats
        self.next_out, self.next_in = 1, 1
        self.sent: dict[int, tuple[str, bytes, str]] = {}  # application messages: type, body, SendingTime
        self.socket: socket.socket | None = None
        self._buffer = b""

    # ---------------------------------------------------------------------------------------- connection

    def connect(self) -> Client:
        self.close()
        port = self._port() if callable(self._port) else self._port
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        return self

    def close(self) -> None:
        """Cut the connection, without a word."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def logon(self, heartbeat: int = 30, *, reset: bool = False, fields: str = "") -> Client:
        """Connect where that is not done, send Logon, and have it answered."""
        if self.socket is None:
            self.connect()
        if reset:
            self.next_out = self.next_in = 1
        self.send("A", self.logon_body(heartbeat, reset=reset) + fields)
        answer = self.receive()
        assert answer.type == "A", answer
        return self

    def logon_body(self, heartbeat: int = 30, *, reset: bool = False) -> str:
        """The fields of a Logon behind the header."""
        body = f"98=0|108={heartbeat}|"
        if reset:
            body += "141=Y|"
        body += f"553={self.comp_id}|554={self.password}|"
        return body + "1137=9|" if self.begin_string == "FIXT.1.1" else body

    def logout(self) -> None:
        """Say good-bye, see it answered and the connection closed."""
        self.send("5")
        while self.receive().type != "5":
            pass
        self.expect_end()
        self.close()

    # ------------------------------------------------------------------------------------------- sending

    def build(
        self, msg_type: str, body: str | bytes = "", *, number: int | None = None, header: str = "", sending_time: str | None = None
    ) -> bytes:
        """A whole message; `number` is next_out unless given, which does not move then. `header` is further header fields."""
        if number is None:
            number, self.next_out = self.next_out, self.next_out + 1
        stamp = utc() if sending_time is None else sending_time
        head = f"35={msg_type}|34={number}|49={self.comp_id}|56={self.target}|52={stamp}|{header}"
        if msg_type not in "0A12345" and number not in self.sent:
            self.sent[number] = msg_type, soh(body), stamp
        return framed(self.begin_string, soh(head) + soh(body))

    def send(self, msg_type: str, body: str | bytes = "", **options: Any) -> int:
        """Build and send; returns its number."""
        message = self.build(msg_type, body, **options)
        self.send_raw(message)
        return int(message.split(b"\x0134=", 1)[1].split(SOH, 1)[0])

    def send_raw(self, data: bytes) -> None:
        assert self.socket is not None, "not connected"
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Ended from None

    def send_many(self, messages: Iterable[bytes]) -> None:
        self.send_raw(b"".join(messages))

    # ----------------------------------------------------------------------------------------- receiving

    def receive(self, seconds: float = WAIT_SECONDS) -> Message:
        """The next message of any kind. Raises Nothing, Ended."""
        end = time.monotonic() + seconds
        while True:
            message = self._take()
            if message is not None:
                if message.number == self.next_in:
                    self.next_in += 1
                if message.type == "4" and message.get(34) and int(message[36]) > self.next_in and message.number <= self.next_in:
                    self.next_in = int(message[36])
                return message
            self._read(end - time.monotonic())

    def _take(self) -> Message | None:
        match = _LENGTH.match(self._buffer)
        if match is None:
            assert len(self._buffer) < 64 or self._buffer.startswith(b"8="), f"no message: {self._buffer[:200]!r}"
            return None
        end = match.end() + int(match[1]) + 7
        if len(self._buffer) < end:
            return None
        raw, self._buffer = self._buffer[:end], self._buffer[end:]
        assert raw[-7:-4] == b"10=" and raw[-4:-1] == checksum(raw[:-7]), f"a bad trailer: {raw!r}"
        return Message(raw)

    def _read(self, seconds: float) -> None:
        assert self.socket is not None, "not connected"
        if seconds <= 0 or not select.select([self.socket], [], [], seconds)[0]:
            raise Nothing("nothing came in time")
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Ended
        self._buffer += data

    def expect(self, msg_type: str, fields: str = "", seconds: float = WAIT_SECONDS) -> Message:
        """The next message, which must be of this type and have these fields ("39=0|11=A1"; `*` any value, `-` not there).

        Heartbeats and TestRequests are passed over, and the latter answered, unless the client is told otherwise
        or they are what is expected.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                message = self.receive(end - time.monotonic())
            except (Nothing, Ended) as error:
                raise AssertionError(f"expected 35={msg_type}|{fields}: {error!r}") from None
            if message.type == "1" and msg_type != "1" and self.answers_test_requests:
                self.send("0", f"112={message[112]}|")
                continue
            if message.type == "0" and msg_type != "0" and self.skips_heartbeats:
                continue
            assert message.type == msg_type and message.has(fields), (
                f"expected 35={msg_type}|{fields}\n     got {message}\n  differs in {message.differs(fields)}"
            )
            return message

    def expect_nothing(self) -> None:
        """That nothing more comes: asks by a TestRequest, whose answer is the next message."""
        identity = f"quiet-{self.next_out}"
        self.send("1", f"112={identity}|")
        self.expect("0", f"112={identity}")

    def expect_end(self, seconds: float = WAIT_SECONDS) -> None:
        """That the venue closes the connection, and sends nothing before."""
        try:
            message = self.receive(seconds)
        except Ended:
            return
        raise AssertionError(f"expected the end of the connection, got {message}")

    def drain(self, until: Callable[[Message], bool], seconds: float = WAIT_SECONDS) -> list[Message]:
        """All messages up to the one that `until` is true of."""
        end, found = time.monotonic() + seconds, []
        while True:
            found.append(self.receive(end - time.monotonic()))
            if found[-1].type == "1" and self.answers_test_requests:
                self.send("0", f"112={found[-1][112]}|")
            if until(found[-1]):
                return found


def order(
    cl_ord_id: str, side: str = "1", quantity: int | str = 10, price: str = "100.00", symbol: str = "AAPL", more: str = ""
) -> str:
    """The body of a NewOrderSingle, a limit order; it is good on every version."""
    return f"11={cl_ord_id}|21=1|55={symbol}|54={side}|60={utc()}|38={quantity}|40=2|44={price}|{more}"


def cancel(cl_ord_id: str, orig_cl_ord_id: str, side: str = "1", symbol: str = "AAPL", more: str = "") -> str:
    """The body of an OrderCancelRequest."""
    return f"41={orig_cl_ord_id}|11={cl_ord_id}|55={symbol}|54={side}|60={utc()}|{more}"


def replace(
    cl_ord_id: str,
    orig_cl_ord_id: str,
    side: str = "1",
    quantity: int | str = 10,
    price: str = "100.00",
    symbol: str = "AAPL",
    more: str = "",
) -> str:
    """The body of an OrderCancelReplaceRequest."""
    return f"41={orig_cl_ord_id}|11={cl_ord_id}|21=1|55={symbol}|54={side}|60={utc()}|38={quantity}|40=2|44={price}|{more}"
