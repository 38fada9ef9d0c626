"""`fixserver run`: starts the processes of a venue, starts again what dies, and stops them in order; it trades nothing itself.

Started: the exchange; when it takes connections, the ledger and the feed; when those do, `ready` is said, and the history and
the bots come. Stopped: the bots, then the exchange, which logs its sessions out; the ledger, the feed and the history
read to the end of what it wrote, and stop last. A process that dies is started again after a pause, which
doubles while it keeps dying. What ends the run: a process that says by its exit code that it cannot run as
configured, and one that dies over and over before it was ever ready.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from fixserver import passwords
from fixserver.config import Clearing, Config, ConfigError, Exchange, History, Listener, MarketData

PAUSE_MIN_S = 0.5
PAUSE_MAX_S = 30.0
# A process that has run this long begins with the shortest pause again.
STEADY_S = 60.0
# How often a process may die before it was ever ready.
STARTS_MAX = 3
READY_POLL_S = 0.05
STILL_STARTING_S = 10.0
STATUS_S = 1.0
STOP_MAX_S = 20.0
CATCH_UP_MAX_S = 20.0
CONNECT_MAX_S = 0.5
PAGE_BYTES_MAX = 4 * 2**20

EXIT_FAILED = 1
EXIT_CANNOT_RUN = 2
DEMO_PASSWORD = "demo"
NAMES_SHOWN_MAX = 5
# So that neither the ledger nor the bots delay an order on a machine with few cores.
NICE_CONSUMER = 5
NICE_HISTORY = 10
NICE_BOTS = 10
_NICENESS = {"exchange": 0, "clearing": NICE_CONSUMER, "marketdata": NICE_CONSUMER, "history": NICE_HISTORY}

_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_WAITED_FOR = {*_STOP_SIGNALS, signal.SIGCHLD}
_PR_SET_PDEATHSIG = 1

Say = Callable[[str], None]


class Child:
    """One process: how to start it, and whether it does its work. `is_ready` is asked until it says yes."""

    def __init__(self, name: str, command: Sequence[str], is_ready: Callable[[], bool], niceness: int = 0) -> None:
        self.name = name
        self.command = list(command)
        self.niceness = niceness
        self.process: subprocess.Popen[bytes] | None = None
        self.due: float | None = None  # when to start it again
        self._is_ready = is_ready
        self._ready = False
        self._ever_ready = False
        self._starts = 0
        self._started = 0.0
        self._pause = PAUSE_MIN_S

    def start(self, now: float) -> None:
        supervisor = os.getpid()

        def prepare() -> None:
            # The child must not outlive us, also when we are killed; Ctrl-C is for us alone (a session of its own).
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != supervisor:
                os._exit(1)
            os.nice(self.niceness)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITED_FOR)

        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=prepare,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.due, self._ready, self._started = None, False, now
        self._starts += 1

    def is_ready(self) -> bool:
        if not self._ready and self.process is not None:
            self._ready = self._is_ready()
            self._ever_ready = self._ever_ready or self._ready
        return self._ready

    def is_hopeless(self) -> bool:
        """Whether it died as often as it may without ever having been ready."""
        return not self._ever_ready and self._starts >= STARTS_MAX

    def ended(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return None if self.process is None else self.process.poll()

    def start_again(self, now: float) -> float:
        """Have it started after a pause, and say how long that is."""
        if now - self._started >= STEADY_S:
            self._pause = PAUSE_MIN_S
        pause = self._pause
        self._pause = min(self._pause * 2, PAUSE_MAX_S)
        self.process, self.due = None, now + pause
        return pause

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


class _Stop(Exception):
    """Somebody wants us to stop."""


class _CannotRun(Exception):
    """A child ended in a way that no new start would mend, and has said why. `code` is the run's own exit code."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


class Supervisor:
    """Runs `stages` one after the other, says `ready()`, runs `guests`, and says `status()` once a second. A guest may
    fail as often as it will: it is started again and again.

    `last` are the children that stop when the others have, and once `caught_up()` says so.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Child]],
        guests: Sequence[Child],
        last: Sequence[Child],
        *,
        ready: Callable[[], str],
        status: Callable[[], str],
        caught_up: Callable[[], bool],
        say: Say,
    ) -> None:
        self.stages, self.guests, self.last = stages, guests, last
        self.ready, self.status, self.caught_up, self.say = ready, status, caught_up, say
        self.children: list[Child] = []  # those that are to run, in the order they were started

    def run(self) -> int:
        """Until a signal says stop; the exit code. No child is left behind, however this ends."""
        with _signals_blocked():
            try:
                self._start()
                self._serve()
            except _Stop:
                return self._stop()
            except _CannotRun as why:
                self._stop()
                return why.code
            finally:
                self._kill()
        raise AssertionError("only a signal or a failure ends the run")

    def _start(self) -> None:
        for stage in self.stages:
            self._begin(stage)
            began = time.monotonic()
            while not all(child.is_ready() for child in stage):
                self._watch(time.monotonic() + READY_POLL_S)
                if time.monotonic() - began >= STILL_STARTING_S:
                    began = time.monotonic()
                    self.say(f"still starting: {', '.join(child.name for child in stage if not child.is_ready())}")
        self.say(self.ready())
        self._begin(self.guests)

    def _serve(self) -> None:
        due = time.monotonic() + STATUS_S
        while True:
            self._watch(due)
            self.say(self.status())
            due = max(due + STATUS_S, time.monotonic())

    def _begin(self, children: Sequence[Child]) -> None:
        for child in children:
            child.start(time.monotonic())
            self.children.append(child)

    def _watch(self, until: float) -> None:
        """Until then, start again what dies. Raises _Stop and _CannotRun."""
        while True:
            for child in self.children:
                code = child.ended()
                if code is not None:
                    if code == EXIT_CANNOT_RUN:
                        raise _CannotRun(EXIT_CANNOT_RUN)
                    if child not in self.guests and child.is_hopeless():
                        self.say(f"{child.name} {_ending(code)}, {STARTS_MAX} times now and never ready: giving up")
                        raise _CannotRun(EXIT_FAILED)
                    pause = child.start_again(time.monotonic())
                    self.say(f"{child.name} {_ending(code)}: starting it again in {pause:g} s")
                elif child.due is not None and child.due <= time.monotonic():
                    child.start(time.monotonic())
            wake = min([until, *(child.due for child in self.children if child.due is not None)])
            timeout = wake - time.monotonic()
            if timeout <= 0 and wake == until:
                return
            self._wait(max(timeout, 0))

    def _wait(self, timeout: float) -> None:
        received = signal.sigtimedwait(_WAITED_FOR, timeout)
        if received is not None and received.si_signo in _STOP_SIGNALS:
            raise _Stop

    def _stop(self) -> int:
        """Stop in order; 0 if every child did so by itself. A second signal while waiting kills."""
        self.say("stopping")
        orderly = True
        try:
            guests = [child for child in self.guests if child not in self.last]
            first = [child for child in self.children if child not in guests and child not in self.last]
            for children in (guests, first, self.last):
                running = [child for child in children if child in self.children and child.ended() is None and child.process]
                if children is self.last and running and orderly:
                    self._wait_until(self.caught_up, CATCH_UP_MAX_S)
                for child in running:
                    child.signal(signal.SIGTERM)
                self._wait_until(partial(_have_ended, running), STOP_MAX_S)
                for child in running:
                    if child.ended() is None:
                        self.say(f"{child.name} did not stop within {STOP_MAX_S:g} s: killed")
                        child.signal(signal.SIGKILL)
                        orderly = False
                    elif child.ended() == -signal.SIGTERM and not child.is_ready():
                        pass  # it was still starting, and had nothing to put in order
                    elif child.ended() != 0:
                        self.say(f"{child.name} {_ending(child.ended() or 0)} while stopping")
                        orderly = False
        except _Stop:
            self.say("killed, because asked twice")
            return 1
        self.say("stopped")
        return 0 if orderly else 1

    def _wait_until(self, condition: Callable[[], bool], limit: float) -> None:
        deadline = time.monotonic() + limit
        while not condition() and (left := deadline - time.monotonic()) > 0:
            self._wait(min(left, READY_POLL_S))

    def _kill(self) -> None:
        for child in self.children:
            child.signal(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()


def _have_ended(children: Sequence[Child]) -> bool:
    return all(child.ended() is not None for child in children)


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Signals are waited for, never handled in between: nothing is interrupted, and none is missed."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
    try:
        yield
    finally:
        while signal.sigtimedwait(_WAITED_FOR, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


# ------------------------------------------------------------------------------------------------ the venue


class Endpoint:
    """Where a process listens: the ports of the configuration, or those it wrote into its file where that has 0."""

    def __init__(
        self, data: Path, name: str, fix: tuple[str, int] | None, metrics: tuple[str, int], web: tuple[str, int] | None = None
    ) -> None:
        self._file = data / f"{name}.ports"
        self._fix = fix
        self._metrics = metrics
        self._web = web

    def forget(self) -> None:
        """What another run wrote does not hold any more."""
        self._file.unlink(missing_ok=True)

    def fix(self) -> tuple[str, int] | None:
        """None for a process without such a port, and while it is not known."""
        return self._fix and self._known(self._fix, "fix")

    def web(self) -> tuple[str, int] | None:
        """As fix()."""
        return self._web and self._known(self._web, "http")

    def metrics(self) -> tuple[str, int] | None:
        return self._known(self._metrics, "metrics")

    def drop_copy(self, address: tuple[str, int]) -> tuple[str, int] | None:
        """As fix(). `address` is the configured one."""
        return self._known(address, "dropcopy")

    def is_ready(self) -> bool:
        """Whether the process takes connections. One whose port cannot be known is taken to."""
        if self._fix is None:
            metrics = self.metrics()
            return metrics is None or _takes_connections(metrics)
        return all(address is not None and _takes_connections(address) for address in (self.fix(), self.metrics()))

    def _known(self, address: tuple[str, int], key: str) -> tuple[str, int] | None:
        host, port = address
        if port == 0:
            try:
                port = int(json.loads(self._file.read_text())[key])
            except (OSError, ValueError, KeyError, TypeError):
                return None
        # What listens everywhere is reached here.
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port


def _takes_connections(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, CONNECT_MAX_S):
            return True
    except OSError:
        return False


class Figures:
    """What the processes say of themselves, once a second, as one line."""

    def __init__(self, exchange: Endpoint, clearing: Endpoint, marketdata: Endpoint, history: Endpoint | None = None) -> None:
        """`history` is None where none is written."""
        self._exchange, self._clearing, self._marketdata, self._history = exchange, clearing, marketdata, history
        self._before: dict[str, float] = {}
        self._at = time.monotonic()

    def line(self) -> str:
        now, exchange = time.monotonic(), sample(self._exchange)
        clearing, marketdata = sample(self._clearing), sample(self._marketdata)
        elapsed, before = now - self._at, self._before
        self._at, self._before = now, exchange
        if not exchange:
            parts = ["the exchange does not answer"]
        else:
            parts = [
                f"{name} {_whole(max(0.0, exchange.get(key, 0) - before.get(key, 0)) / elapsed) if before else '-'}/s"
                for name, key in (("orders", "fixserver_orders_total"), ("trades", "fixserver_trades_total"))
            ]
            parts += [
                f"{name} {_whole(exchange.get(key, 0))}"
                for name, key in (("sessions", "fixserver_sessions"), ("resting", "fixserver_resting_orders"))
            ]
        lag = clearing.get("fixserver_ledger_lag_events")
        parts.append("the ledger does not answer" if lag is None else f"ledger {_whole(lag)} behind")
        if self._history is not None:
            lag = sample(self._history).get("fixserver_history_lag_events")
            if lag is None:
                parts.append("the history does not answer")
            elif lag:
                parts.append(f"history {_whole(lag)} behind")
        subscriptions = marketdata.get("fixserver_marketdata_subscriptions")
        if subscriptions is not None:
            parts.append(f"subscriptions {_whole(subscriptions)}")
        return f"{time.strftime('%H:%M:%S', time.gmtime())}  {'   '.join(parts)}"

    def caught_up(self) -> bool:
        """Whether ledger and history have read all events. One that does not say is not waited for."""
        if sample(self._clearing).get("fixserver_ledger_lag_events", 0):
            return False
        return self._history is None or not sample(self._history).get("fixserver_history_lag_events", 0)


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def sample(endpoint: Endpoint) -> dict[str, float]:
    """The metrics of a process by name, summed over their labels; empty where it does not answer."""
    address = endpoint.metrics()
    if address is None:
        return {}
    connection = http.client.HTTPConnection(*address, timeout=CONNECT_MAX_S)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read(PAGE_BYTES_MAX).decode()
    except (OSError, http.client.HTTPException, UnicodeDecodeError):
        return {}
    finally:
        connection.close()
    found: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name and not line.startswith("#"):
            with contextlib.suppress(ValueError):
                name = name.partition("{")[0]
                found[name] = found.get(name, 0.0) + float(value)
    return found


def run(config: Config, data: Path, *, bots: bool, log_level: str = "warning") -> int:
    """Run the venue in `data` until a signal says stop; the exit code."""
    with _only_run_of(data):
        listeners = {"exchange": config.exchange, "marketdata": config.marketdata}
        sections: dict[str, Exchange | Clearing | MarketData | History] = {
            "exchange": config.exchange,
            "clearing": config.clearing,
            "marketdata": config.marketdata,
        }
        if config.history.enabled:
            sections["history"] = config.history
        webs = {"marketdata": (config.web.address, config.web.port)} if config.web.enabled else {}
        endpoints = {
            name: Endpoint(
                data, name, _address(listeners.get(name)), (config.venue.metrics_address, section.metrics_port), webs.get(name)
            )
            for name, section in sections.items()
        }
        for endpoint in endpoints.values():
            endpoint.forget()
        program = [sys.executable, "-P", "-m", "fixserver.cli"]
        venue = ["--config", str(config.file), "--data", str(data)]
        children = {
            name: Child(
                name,
                [*program, name, *venue, "--log-level", log_level],
                endpoint.is_ready,
                niceness=_NICENESS[name],
            )
            for name, endpoint in endpoints.items()
        }
        consumers = [children["clearing"], children["marketdata"]]
        # A history that cannot be written keeps nobody from trading.
        history = [children["history"]] if config.history.enabled else []
        robots = [Child("bots", [*program, "bots", *venue, "--quiet"], lambda: True, niceness=NICE_BOTS)] if bots else []
        figures = Figures(endpoints["exchange"], endpoints["clearing"], endpoints["marketdata"], endpoints.get("history"))
        return Supervisor(
            [[children["exchange"]], consumers],
            [*history, *robots],
            [*consumers, *history],
            ready=lambda: ready_text(
                config,
                endpoints["exchange"].fix(),
                endpoints["marketdata"].fix(),
                endpoints["marketdata"].web(),
                endpoints["exchange"].drop_copy((config.dropcopy.address, config.dropcopy.port)),
            ),
            status=figures.line,
            caught_up=figures.caught_up,
            say=_say,
        ).run()


def ready_text(
    config: Config,
    order_entry: tuple[str, int] | None,
    market_data: tuple[str, int] | None,
    web: tuple[str, int] | None = None,
    drop_copy: tuple[str, int] | None = None,
) -> str:
    """Where to connect, as whom, and with which password, where that is the one of the examples."""
    lines = [
        f"ready: FIX order entry on {_shown(order_entry)}, market data on {_shown(market_data)}"
        " (FIX.4.2, FIX.4.4, FIXT.1.1 with FIX.5.0SP2)"
    ]
    if web is not None:
        host = f"[{web[0]}]" if ":" in web[0] else web[0]
        lines.append(f"  page and REST on {'https' if config.web.certificate else 'http'}://{host}:{web[1]}")
    if config.drop_copies:
        watchers = ", ".join(one.name for one in config.drop_copies[:NAMES_SHOWN_MAX])
        more = ", ..." if len(config.drop_copies) > NAMES_SHOWN_MAX else ""
        lines.append(f"  drop copy on {_shown(drop_copy)} for {watchers}{more}, TargetCompID {config.venue.drop_copy_name}")
    names = demo_names(config)
    if names:
        who = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        lines.append(f"  log on as {who}, password {DEMO_PASSWORD} (Username(553) is the SenderCompID)")
    lines.append(f"  TargetCompID {config.venue.name} for orders, {config.venue.market_data_name} for market data")
    lines.append(f"  instruments {', '.join(instrument.symbol for instrument in config.instruments)}; Ctrl-C stops")
    return "\n".join(lines)


def demo_names(config: Config) -> list[str]:
    """The participants of the first entry, if its password is the one of the examples."""
    if not config.participants or not passwords.verify(DEMO_PASSWORD, config.participants[0].password):
        return []
    return [participant.name for participant in config.participants if participant.password == config.participants[0].password]


def _address(listener: Listener | None) -> tuple[str, int] | None:
    return None if listener is None else (listener.address, listener.port)


def _shown(address: tuple[str, int] | None) -> str:
    return "an unknown port" if address is None else f"{address[0]}:{address[1]}"


def _say(text: str) -> None:
    # Our reader may be gone; that must not keep the venue from stopping in order.
    with contextlib.suppress(OSError):
        print(text, flush=True)


@contextlib.contextmanager
def _only_run_of(data: Path) -> Iterator[None]:
    data.mkdir(parents=True, exist_ok=True)
    with (data / "run.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError("--data", "", f"{data}: another `fixserver run` keeps its venue there") from None
        yield
