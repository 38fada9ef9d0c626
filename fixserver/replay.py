"""`fixserver replay`: sends recorded order flow through FIX sessions and sums up what became of it; it never floods the venue.

What the recording's own venue did to an order is asked of this venue: an order that was entered is entered; one
that was partly filled there is replaced down to what it had left, unless this venue's matching has already done
as much; one that ended there is canceled, if it is still open here. An execution of a LOBSTER recording is brought
about by an order of the other side, IOC, of another participant.
"""

from __future__ import annotations

import argparse
import json
import re
import select
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fixserver import config as configuration
from fixserver import recordings, trust
from fixserver.addresses import fix_port, host_of
from fixserver.initiator import Clock, ConnectionLost, Initiator, Message, SessionRefused
from fixserver.recordings import RecordingError, Step

WINDOW = 512  # messages in flight, unless --window says otherwise
WINDOW_MAX = 100_000
BURST = 64  # steps between two looks at the sockets
RECONNECT_SECONDS = 60.0
RECONNECT_PAUSE_SECONDS = 0.5
ANSWER_SECONDS = 30.0  # without any answer to a message in flight, the run ends
RATE_SHARE = 9, 10  # of a participant's rate that is used
DEFAULT_PARTICIPANTS = "REPLAY1,REPLAY2"
DEFAULT_SYMBOL = "BTCUSD"

_NUMBERS = re.compile(r"\d[\d.,_]*")

Send = Callable[[int, bytes, bytes], int]


class Order:
    """One order of the recording, as it stands at this venue. Quantities in units of the replay."""

    __slots__ = (
        "closing",
        "executed",
        "is_open",
        "owner",
        "price",
        "quantity",
        "reference",
        "remains",
        "side",
        "unanswered",
        "wanted",
    )

    def __init__(self, owner: int, reference: str, side: str, price: str, quantity: int) -> None:
        self.owner, self.reference, self.side, self.price = owner, reference, side, price
        self.quantity, self.executed = quantity, 0
        self.remains = quantity  # what the recording says is left
        self.wanted: int | None = None  # what it has yet to be brought down to, when the answers due have come
        self.unanswered = 0
        self.is_open = True
        self.closing = False  # a cancel is on its way

    @property
    def leaves(self) -> int:
        return self.quantity - self.executed if self.is_open else 0


@dataclass
class Counts:
    """What was read, sent and answered. Every step of the recording is in exactly one of `sent_*`, `already_done`,
    `superseded`, `unknown_order` and `skipped`."""

    steps: Counter[str] = field(default_factory=Counter)
    sent_orders: int = 0
    sent_replaces: int = 0
    sent_cancels: int = 0
    sent_aggressive: int = 0
    already_done: int = 0
    superseded: int = 0
    unknown_order: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    replaced: int = 0
    canceled: int = 0
    canceled_unasked: int = 0
    cancel_rejected: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    taken: int = 0
    taken_quantity: int = 0
    made: int = 0
    made_quantity: int = 0
    resent: int = 0
    reconnects: int = 0

    @property
    def read(self) -> int:
        return sum(self.steps.values())

    @property
    def sent(self) -> int:
        return self.sent_orders + self.sent_replaces + self.sent_cancels + self.sent_aggressive

    @property
    def accounted(self) -> int:
        """Equals `read` when nothing is waiting any more."""
        return self.sent + self.already_done + self.superseded + self.unknown_order + sum(self.skipped.values())


class Replay:
    """Turns steps into messages and follows the answers. `send(owner, msg_type, body)` gives the message's number."""

    def __init__(
        self,
        send: Send,
        participants: list[str],
        symbol: str,
        decimals: int,
        scale: int = 1,
        run: str = "r",
        time_in_force: str = "1",
    ) -> None:
        """`decimals` are those of the replay's quantities; the recording's are multiplied by `scale` to get there."""
        self.counts = Counts()
        self.waiting: dict[str, tuple[Order, bytes, int]] = {}  # by ClOrdID: what has not been answered
        self._send, self._decimals, self._scale = send, decimals, scale
        self._participants, self._run = len(participants), run
        self._accounts = [name.encode() for name in participants]
        self._symbol, self._time_in_force = symbol.encode(), time_in_force.encode()
        self._orders: dict[str, Order] = {}  # by the recording's id
        self._named: dict[str, Order] = {}  # by every ClOrdID
        self._deferred: list[Order] = []
        self._executions: set[str] = set()
        self._number = self._entered = 0
        self._clock = Clock()

    @property
    def is_settled(self) -> bool:
        return not self.waiting and not self._deferred

    # ------------------------------------------------------------------------------------------- the recording

    def take(self, step: Step) -> bool:
        """Do what the step asks. False: not yet, the answer to an earlier message decides about it; offer it again."""
        action, counts = step.action, self.counts
        if action == "enter":
            owner = self._entered % self._participants
            order = self._enter(step.side, step.price, step.quantity * self._scale, owner, self._time_in_force)
            self._orders[step.order] = order
            self._entered += 1
            counts.sent_orders += 1
        elif action == "skip":
            counts.skipped[step.note] += 1
        else:
            found = self._orders.get(step.order)
            if found is None:
                counts.unknown_order += 1
            elif action == "cancel":
                self._bring_down(found, 0)
            elif action == "remains":
                self._bring_down(found, step.quantity * self._scale)
            elif action == "reduce":
                self._bring_down(found, max(0, found.remains - step.quantity * self._scale))
            else:
                if found.unanswered and not found.closing:
                    return False
                self._execute(found, step.quantity * self._scale)
        counts.steps[action] += 1
        return True

    def _bring_down(self, order: Order, remains: int) -> None:
        order.remains = remains
        if not order.is_open or order.closing:
            self.counts.already_done += 1
        elif order.wanted is not None:
            self.counts.superseded += 1
            order.wanted = min(order.wanted, remains)
        elif order.unanswered and not (remains == 0 and order.unanswered == 1 and order.reference in self.waiting):
            # What has been filled is not known before the answer is here. (A cancel need not know, and may follow its
            # order at once: the ClOrdID that it names is sure. That of a replace is not.)
            order.wanted = remains
            self._deferred.append(order)
        else:
            self._bring_down_now(order, remains)

    def _bring_down_now(self, order: Order, remains: int) -> None:
        if order.leaves <= remains:
            self.counts.already_done += 1
        elif remains:
            quantity = order.executed + remains
            self.counts.sent_replaces += 1
            self._change(order, b"G", quantity, b"21=1\x0140=2\x0144=%s\x0159=%s\x01" % (order.price.encode(), self._time_in_force))
        else:
            order.closing = True
            self.counts.sent_cancels += 1
            self._change(order, b"F", order.quantity, b"")

    def _execute(self, order: Order, quantity: int) -> None:
        order.remains = max(0, order.remains - quantity)
        if not order.is_open or order.closing:
            self.counts.already_done += 1
            return
        owner = (order.owner + 1) % self._participants
        self._enter("2" if order.side == "1" else "1", order.price, quantity, owner, b"3")
        self.counts.sent_aggressive += 1

    def settle(self) -> None:
        """Do what has waited for answers that are here now."""
        if not self._deferred:
            return
        waiting = []
        for order in self._deferred:
            assert order.wanted is not None, "an order is deferred because something is wanted of it"
            if order.unanswered:
                waiting.append(order)
                continue
            remains, order.wanted = order.wanted, None
            self._bring_down_now(order, remains)
        self._deferred = waiting

    # ------------------------------------------------------------------------------------------------ messages

    def _enter(self, side: str, price: str, quantity: int, owner: int, time_in_force: bytes) -> Order:
        reference = self._reference()
        order = Order(owner, reference, side, price, quantity)
        body = b"11=%s\x011=%s\x0121=1\x0155=%s\x0154=%s\x0160=%s\x0138=%s\x0140=2\x0144=%s\x0159=%s\x01" % (
            reference.encode(), self._accounts[owner], self._symbol, side.encode(), self._clock.stamp(), self._text(quantity),
            price.encode(), time_in_force)
        self._put(order, reference, b"D", body)
        return order

    def _change(self, order: Order, msg_type: bytes, quantity: int, terms: bytes) -> None:
        reference = self._reference()
        body = b"11=%s\x0141=%s\x011=%s\x0155=%s\x0154=%s\x0160=%s\x0138=%s\x01%s" % (
            reference.encode(), order.reference.encode(), self._accounts[order.owner], self._symbol, order.side.encode(),
            self._clock.stamp(), self._text(quantity), terms)
        self._put(order, reference, msg_type, body)

    def _put(self, order: Order, reference: str, msg_type: bytes, body: bytes) -> None:
        order.unanswered += 1
        self._named[reference] = order
        self.waiting[reference] = order, msg_type, self._send(order.owner, msg_type, body)

    def _reference(self) -> str:
        self._number += 1
        return f"{self._run}-{self._number}"

    def _text(self, quantity: int) -> bytes:
        return configuration.to_text(quantity, self._decimals).encode()

    def _units(self, text: str) -> int:
        return configuration.to_units(text, self._decimals)

    # ------------------------------------------------------------------------------------------------- answers

    def answer(self, owner: int, message: Message) -> None:
        """Take in an application message, or a session reject, that came to participant `owner`."""
        msg_type = message["35"]
        if message.get("97") == "Y" or message.get("43") == "Y":
            self.counts.resent += 1
        if msg_type == "8":
            self._report(message)
        elif msg_type == "9":
            self._cancel_rejected(message)
        elif msg_type in ("j", "3"):
            self._refused(owner, message)

    def _report(self, message: Message) -> None:
        reference, exec_type = message.get("11", ""), message["150"]
        order = self._named.get(reference)
        if order is None:
            return
        answered = self._answered(reference)
        if exec_type in "F12":
            self._filled(order, message)
        elif exec_type == "0":
            self.counts.accepted += answered
        elif exec_type == "8":
            order.is_open = False
            if answered:
                self.counts.rejected[reason(message, "103")] += 1
        elif exec_type == "5":
            order.reference, order.quantity, order.executed = reference, self._units(message["38"]), self._units(message["14"])
            order.is_open = self._units(message["151"]) > 0
            self.counts.replaced += answered
        elif exec_type in "4C3":
            if answered:
                self.counts.canceled += 1
            elif order.is_open:
                self.counts.canceled_unasked += 1
            order.is_open = False

    def _filled(self, order: Order, message: Message) -> None:
        if message["17"] in self._executions:
            return
        self._executions.add(message["17"])
        order.executed = max(order.executed, self._units(message["14"]))
        if self._units(message["151"]) == 0:
            order.is_open = False
        quantity = self._units(message["32"])
        if message.get("851") == "1":
            self.counts.made += 1
            self.counts.made_quantity += quantity
        else:
            self.counts.taken += 1
            self.counts.taken_quantity += quantity

    def _cancel_rejected(self, message: Message) -> None:
        reference = message.get("11", "")
        order = self._named.get(reference)
        if order is None or not self._answered(reference):
            return
        self.counts.cancel_rejected[reason(message, "102")] += 1
        order.closing = False
        if message.get("102") in ("0", "1") or message.get("39") in ("2", "4", "8", "C"):
            order.is_open = False

    def _refused(self, owner: int, message: Message) -> None:
        """A message was not even looked at by the venue's book: throttled, or malformed in its eyes."""
        reference = message.get("379", "")
        if reference not in self.waiting:
            number = int(message.get("45", "0"))
            reference = next((r for r, (order, _, sent) in self.waiting.items() if sent == number and order.owner == owner), "")
            if not reference:
                return
        order, msg_type, _ = self.waiting[reference]
        self._answered(reference)
        self.counts.refused[reason(message, "380" if message["35"] == "j" else "373")] += 1
        order.closing = False
        if msg_type == b"D":
            order.is_open = False

    def _answered(self, reference: str) -> int:
        waiting = self.waiting.pop(reference, None)
        if waiting is None:
            return 0
        waiting[0].unanswered -= 1
        return 1


def reason(message: Message, tag: str) -> str:
    """Why the venue refused, so that alike things count together: the code, and the text with its numbers blotted out."""
    text = _NUMBERS.sub("#", message.get("58", ""))
    return " ".join(part for part in (f"{tag}={message[tag]}" if tag in message else "", text) if part) or "no reason given"


# ------------------------------------------------------------------------------------------------------ running


class Progress:
    """Where the run is: a bar that is redrawn on a terminal, else a line now and then. Writes to standard error."""

    BAR_COLUMNS = 30
    TERMINAL_SECONDS, LINE_SECONDS = 0.2, 5.0

    def __init__(self, total: int, quiet: bool) -> None:
        self._total, self._quiet = total, quiet
        self._terminal = sys.stderr.isatty()
        self._started = time.monotonic()
        self._next = self._started + (0 if self._terminal else self.LINE_SECONDS)

    def show(self, counts: Counts, *, now: bool = False) -> None:
        moment = time.monotonic()
        if self._quiet or (moment < self._next and not now):
            return
        self._next = moment + (self.TERMINAL_SECONDS if self._terminal else self.LINE_SECONDS)
        read, total = counts.read, max(self._total, 1)
        seconds = max(moment - self._started, 0.001)
        line = f"{100 * read // total:3d} %  {read:,} of {total:,} events  {round(read / seconds):,}/s  {counts.taken:,} trades"
        if self._terminal:
            done = self.BAR_COLUMNS * read // total
            print(f"\r[{'#' * done}{'.' * (self.BAR_COLUMNS - done)}] {line}  ", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def end(self, counts: Counts) -> None:
        self.show(counts, now=True)
        if self._terminal and not self._quiet:
            print(file=sys.stderr)

    def say(self, what: str) -> None:
        print(("\r\033[K" if self._terminal else "") + what, file=sys.stderr, flush=True)


class Unanswered(Exception):
    """The venue is there, but what was sent to it has not been answered for ANSWER_SECONDS."""


class Runner:
    """Feeds the steps to a Replay over its sessions, at the recording's pace or as fast as the window allows."""

    def __init__(
        self,
        sessions: list[Initiator],
        replay: Replay,
        progress: Progress,
        *,
        window: int = WINDOW,
        speed: float = 0.0,
        rate: int = 0,
    ) -> None:
        """`speed` 0 is without a pause; `rate` is the most messages a second, 0 for no limit."""
        self.sessions, self.replay, self.progress = sessions, replay, progress
        self._window, self._speed, self._rate = window, speed, rate
        self._next_timers = 0.0

    def log_on(self) -> None:
        for owner, session in enumerate(self.sessions):
            if not session.logged_on:
                for message in session.log_on():
                    self.replay.answer(owner, message)

    def log_out(self) -> None:
        """Leave; fills of orders that rest, which nobody has waited for, come before the venue's Logout."""
        for owner, session in enumerate(self.sessions):
            for message in session.log_out():
                self.replay.answer(owner, message)

    def run(self, steps: Iterator[Step]) -> None:
        """Until everything is read and answered. Raises ConnectionLost, SessionRefused, Unanswered, RecordingError."""
        replay, window = self.replay, self._window
        step = next(steps, None)
        started = heard = time.monotonic()
        first_ns = step.time_ns if step else 0
        while step is not None or not replay.is_settled:
            wait = 1.0
            for _ in range(BURST):
                if step is None or len(replay.waiting) >= window:
                    break
                wait = self._pause(started, step.time_ns - first_ns)
                if wait > 0 or not replay.take(step):
                    wait = wait or 1.0
                    break
                step = next(steps, None)
                wait = 0.0
            if not replay.waiting:
                heard = time.monotonic()
            try:
                if self._exchange(wait):
                    heard = time.monotonic()
            except ConnectionLost as error:
                self._reconnect(error)
                heard = time.monotonic()
            replay.settle()
            if time.monotonic() - heard > ANSWER_SECONDS:
                raise Unanswered(f"{len(replay.waiting)} messages have not been answered for {ANSWER_SECONDS:g} s")
            self.progress.show(replay.counts)

    def _pause(self, started: float, after_ns: int) -> float:
        """Seconds until the next step may go, 0 for now."""
        elapsed = time.monotonic() - started
        wait = 0.0
        if self._speed:
            wait = after_ns / 1e9 / self._speed - elapsed
        if self._rate:
            wait = max(wait, self.replay.counts.sent / self._rate - elapsed)
        return max(wait, 0.0)

    def _exchange(self, wait: float) -> bool:
        """Send what is queued, wait for answers at most `wait` seconds, take them in. Says whether there were any."""
        sessions = self.sessions
        for session in sessions:
            if not session.connected:
                raise ConnectionLost(f"{session.sender}: not connected")
            session.flush()
        writing = [session for session in sessions if session.wants_to_write]
        readable, _, _ = select.select(sessions, writing, [], min(wait, 1.0))
        heard = False
        for owner, session in enumerate(sessions):
            if session in readable:
                for message in session.receive():
                    self.replay.answer(owner, message)
                heard = True
        if time.monotonic() >= self._next_timers:
            self._next_timers = time.monotonic() + 1.0
            for session in sessions:
                session.on_timer()
        return heard

    def _reconnect(self, error: ConnectionLost) -> None:
        """Connect again until it works or RECONNECT_SECONDS are over; the sessions bring back what was missed."""
        self.progress.say(f"{error}; connecting again")
        end = time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                self.log_on()
                break
            except ConnectionLost:
                if time.monotonic() > end:
                    raise
                time.sleep(RECONNECT_PAUSE_SECONDS)
        self.replay.counts.reconnects += 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Send recorded order flow to a running venue through FIX sessions, and sum up what became of it."
    parser.epilog = """examples:
  fixserver replay orders.csv.xz                             at full speed, as REPLAY1 and REPLAY2
  fixserver replay orders.csv.xz --speed 10                  ten times as fast as it was recorded
  fixserver replay orders.csv.xz --times 5                   five passes, for load
  fixserver replay AAPL_2012-06-21_34200000_37800000_message_10.csv --limit 10000 --json

The orders go round the participants. With one participant they arrive in the very order of the recording;
with several, one may overtake another of a different participant while both are in flight."""
    add = parser.add_argument
    add("file", metavar="FILE", type=Path, help="recorded orders: bitstamp or LOBSTER messages, plain or .xz")
    add("--format", choices=recordings.FORMATS, help="what FILE is (guessed from its first line)")
    add("--times", type=_positive, default=1, metavar="N", help="how often, one pass behind the other (1)")
    add("--speed", type=_speed, default=0.0, metavar="1|10|max", help="times the speed of the recording (max)")
    add("--config", type=Path, default=Path("config/exchange.toml"), metavar="FILE", help="the venue (%(default)s)")
    add("--data", type=Path, metavar="DIR", help="the venue's data directory, where a port is 0 in its configuration")
    add("--host", help="where the venue is (the address in the configuration)")
    add("--port", type=int, help="its order-entry port (the one in the configuration)")
    add("--instrument", metavar="SYMBOL", help=f"what to trade (as the file's name says, else {DEFAULT_SYMBOL})")
    add("--participants", default=DEFAULT_PARTICIPANTS, metavar="A,B", help="who sends the orders (%(default)s)")
    add("--password", default="demo", help="of all participants (%(default)s)")
    trust.add_argument(parser)
    add("--limit", type=_positive, default=0, metavar="N", help="stop after N events of the file")
    add("--window", type=_window, default=WINDOW, metavar="N", help="messages in flight at most (%(default)s)")
    add("--time-in-force", choices=("day", "gtc"), default="gtc", help="of the orders (%(default)s)")
    add("--json", action="store_true", help="the sum as one JSON object on standard output")
    add("--quiet", action="store_true", help="no progress")


def _speed(text: str) -> float:
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is neither a number above zero nor max")
    return speed


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above zero")
    return int(text)


def _window(text: str) -> int:
    if _positive(text) > WINDOW_MAX:
        raise argparse.ArgumentTypeError(f"{text} is more than {WINDOW_MAX}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Exit code 0: all was sent and answered; 1: the venue was not there, or went away; 2: cannot be done. Raises ConfigError."""
    config = configuration.load(args.config, ())
    try:
        recording = recordings.examine(args.file, args.format or "", args.limit)
        instrument, participants = _checked(config, args, recording)
        host, port = args.host or host_of(config.exchange), args.port or fix_port(config, args.data, "exchange")
    except RecordingError as error:
        print(error, file=sys.stderr)
        return 2
    names = [participant.name for participant in participants]
    tls = trust.client_tls(config, args.ca)
    sessions = [Initiator(host, port, p.name, p.venue_comp_id or config.venue.name, args.password, tls=tls) for p in participants]
    decimals = max(recording.quantity_decimals, instrument.quantity_decimals)

    def send(owner: int, msg_type: bytes, body: bytes) -> int:
        session = sessions[owner]
        session.send(msg_type, body)
        return session.next_out - 1

    replay = Replay(
        send,
        names,
        instrument.symbol,
        decimals,
        10 ** (decimals - recording.quantity_decimals),
        f"r{time.time_ns() // 1_000_000:x}",
        "0" if args.time_in_force == "day" else "1",
    )
    rates = [p.orders_per_second * RATE_SHARE[0] // RATE_SHARE[1] for p in participants if p.orders_per_second > 0]
    progress = Progress(recording.steps * args.times, args.quiet)
    runner = Runner(sessions, replay, progress, window=args.window, speed=args.speed, rate=max(1, min(rates)) if rates else 0)
    started, problem = time.monotonic(), ""
    try:
        runner.log_on()
        started = time.monotonic()
        runner.run(recordings.repeated(recording, args.times))
    except (ConnectionLost, SessionRefused, Unanswered, RecordingError) as error:
        problem = str(error)
    except KeyboardInterrupt:
        problem = "stopped by hand"
    seconds = time.monotonic() - started
    if replay.counts.read:
        progress.end(replay.counts)
    runner.log_out()
    result = summary(replay.counts, decimals, seconds)
    if problem:
        result["problem"] = problem
    if args.json:
        print(json.dumps(result))
    elif replay.counts.read:
        print(readable(result, recording, instrument.symbol, names))
    if problem:
        print(f"fixserver replay: {problem}", file=sys.stderr)
    return 1 if problem else 0


def _checked(
    config: configuration.Config, args: argparse.Namespace, recording: recordings.Recording
) -> tuple[configuration.Instrument, list[configuration.Participant]]:
    symbol = args.instrument or recording.symbol or DEFAULT_SYMBOL
    try:
        instrument = config.instrument(symbol)
    except KeyError:
        known = ", ".join(i.symbol for i in config.instruments)
        raise configuration.ConfigError(config.file, "instruments", f"has no {symbol}: --instrument takes one of {known}") from None
    participants = []
    for name in dict.fromkeys(args.participants.split(",")):
        try:
            participants.append(config.participant(name))
        except KeyError:
            raise configuration.ConfigError(config.file, "participants", f"has no {name}, whom --participants names") from None
    return instrument, participants


# ---------------------------------------------------------------------------------------------------- summing up


def summary(counts: Counts, decimals: int, seconds: float) -> dict[str, Any]:
    """The counts as they go into JSON; quantities as decimal text."""

    def sorted_by_count(counter: Counter[str]) -> dict[str, int]:
        return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))

    return {
        "events": counts.read,
        "events_by_action": sorted_by_count(counts.steps),
        "seconds": round(seconds, 3),
        "events_per_second": round(counts.read / seconds) if seconds > 0 else 0,
        "sent": counts.sent,
        "sent_orders": counts.sent_orders,
        "sent_aggressive_orders": counts.sent_aggressive,
        "sent_replaces": counts.sent_replaces,
        "sent_cancels": counts.sent_cancels,
        "not_sent_already_done": counts.already_done,
        "not_sent_superseded": counts.superseded,
        "not_sent_unknown_order": counts.unknown_order,
        "not_sent_skipped": sorted_by_count(counts.skipped),
        "unaccounted": counts.read - counts.accounted,
        "accepted": counts.accepted,
        "rejected": sum(counts.rejected.values()),
        "rejected_by_reason": sorted_by_count(counts.rejected),
        "replaced": counts.replaced,
        "canceled": counts.canceled,
        "canceled_unasked": counts.canceled_unasked,
        "cancels_and_replaces_rejected": sorted_by_count(counts.cancel_rejected),
        "messages_refused": sorted_by_count(counts.refused),
        "trades_taken": counts.taken,
        "traded_quantity_taken": configuration.to_text(counts.taken_quantity, decimals),
        "trades_made": counts.made,
        "traded_quantity_made": configuration.to_text(counts.made_quantity, decimals),
        "messages_resent": counts.resent,
        "reconnects": counts.reconnects,
    }


def readable(result: dict[str, Any], recording: recordings.Recording, symbol: str, names: list[str]) -> str:
    """The summary for a person."""

    def reasons(counts: dict[str, int]) -> list[str]:
        return [f"    {count:>9,}  {what}" for what, count in counts.items()]

    skipped = sum(result["not_sent_skipped"].values())
    aggressive = result["sent_aggressive_orders"]
    lines = [
        f"{recording.path.name} ({recording.format}) as {', '.join(names)} in {symbol}",
        f"read      {result['events']:>9,}  events in {result['seconds']:.1f} s, {result['events_per_second']:,} a second",
        f"sent      {result['sent']:>9,}  {result['sent_orders']:,} orders, {result['sent_replaces']:,} replaces,"
        f" {result['sent_cancels']:,} cancels" + (f", {aggressive:,} aggressive orders" if aggressive else ""),
        f"not sent  {result['events'] - result['sent']:>9,}  {result['not_sent_already_done']:,} already done by this venue's"
        f" matching, {result['not_sent_unknown_order']:,} of orders from before the recording,"
        f" {result['not_sent_superseded']:,} overtaken" + (f", {skipped:,} not for a book" if skipped else ""),
        f"accepted  {result['accepted']:>9,}",
        f"rejected  {result['rejected']:>9,}",
        *reasons(result["rejected_by_reason"]),
        f"replaced  {result['replaced']:>9,}",
        f"canceled  {result['canceled']:>9,}  and {result['canceled_unasked']:,} by the venue unasked",
    ]
    late = result["cancels_and_replaces_rejected"]
    if late:
        lines += [f"too late  {sum(late.values()):>9,}  cancels and replaces rejected", *reasons(late)]
    if result["messages_refused"]:
        lines += [f"refused   {sum(result['messages_refused'].values()):>9,}  messages", *reasons(result["messages_refused"])]
    lines.append(
        f"traded    {result['trades_taken']:>9,}  times as the incoming side ({result['traded_quantity_taken']}),"
        f" {result['trades_made']:,} as the resting one ({result['traded_quantity_made']})"
    )
    if result["reconnects"]:
        lines.append(f"lost      {result['reconnects']:>9,}  connections, {result['messages_resent']:,} messages came again")
    return "\n".join(lines)
