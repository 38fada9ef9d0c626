"""Clients that trade without a pause through every loss of their connection, and note what a client must never see.

Each keeps its numbers and what it sent, as the session-layer specification asks: it fills the venue's gaps from its
store with PossDupFlag, asks for its own, and connects again by itself. What breaks a promise of the venue goes into
`complaints`, in words.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
import time
from collections.abc import Callable

from tests.venue import Message, Venue, framed, soh, utc

IN_FLIGHT_MAX = 40  # orders without an answer
KEPT_OPEN_MAX = 60
CONNECT_PAUSE_SECONDS = 0.02
LOGON_SECONDS = 10.0
ADMIN = "0A12345"
BURST = 10


class Trader:
    """One FIX session with a thread of its own. Read its lists when stop() has returned."""

    def __init__(self, venue: Venue, comp_id: str, begin_string: str, seed: int, *, orders_per_second: int = 400) -> None:
        self.venue = venue
        self.comp_id, self.begin_string = comp_id, begin_string
        self.orders_per_second = orders_per_second
        self.random = random.Random(f"{seed}-{comp_id}-{begin_string}")
        self.next_out, self.next_in = 1, 1
        self.sent: dict[int, tuple[str, str, str]] = {}  # application messages: type, body, SendingTime
        self.reports: dict[tuple[str, str], Message] = {}  # in effect, by ExecID and OrderID, in the order of arrival
        self.again = 0  # reports that came a second time
        self.complaints: list[str] = []
        self.unanswered: dict[str, str] = {}  # ClOrdID of each request, and what it was
        self.open: list[tuple[str, str, str]] = []  # (ClOrdID, side, symbol) of orders that may be open
        self.logons = 0
        self.refusals: list[str] = []  # Texts of Logouts
        self.paused = threading.Event()
        self._stopping = threading.Event()
        self._count = 0
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._asked_to = 0  # the gap up to this number is asked for
        self._ahead: dict[int, Message] = {}
        self._credit = 0.0
        self._thread = threading.Thread(target=self._run, name=comp_id, daemon=True)
        self.failure: BaseException | None = None

    @property
    def name(self) -> str:
        """As the venue names the session."""
        return f"{self.comp_id}/{self.begin_string}"

    def start(self) -> Trader:
        self._thread.start()
        return self

    def settled(self) -> bool:
        """Nothing asked that is not answered, nothing received beyond a gap."""
        return self.failure is not None or (self._socket is not None and not self.unanswered and not self._ahead)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    # ------------------------------------------------------------------------------------------ connection

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if self._connect():
                    self._session()
                self._disconnect()
                self._stopping.wait(CONNECT_PAUSE_SECONDS)
        except BaseException as error:
            self.failure = error
        finally:
            self._disconnect()

    def _connect(self) -> bool:
        try:
            self._socket = socket.create_connection(("127.0.0.1", self.venue.ports()[self.port]), 5)
        except (OSError, ValueError, KeyError):
            return False
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer, self._asked_to = b"", 0
        self._ahead.clear()
        version = "1137=9|" if self.begin_string == "FIXT.1.1" else ""
        self._send("A", f"98=0|108=30|553={self.comp_id}|554={self.venue_password}|{version}")
        return True

    venue_password = "demo"
    port, target = "fix", "FIXSERVER"

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _session(self) -> None:
        """Until the connection ends."""
        logged_on, deadline = False, time.monotonic() + LOGON_SECONDS
        last = time.monotonic()
        while not self._stopping.is_set():
            messages = self._receive(0.005)
            if messages is None:
                return
            for message in messages:
                if message.type == "A":
                    logged_on = True
                    self.logons += 1
                self._take(message)
                if message.type == "5":
                    self.refusals.append(message.get(58))
                    return
            now = time.monotonic()
            if not logged_on and now > deadline:
                return
            if logged_on and not self.paused.is_set():
                self._credit = min(self._credit + (now - last) * self.orders_per_second, BURST)
                try:
                    while self._credit >= 1 and len(self.unanswered) < IN_FLIGHT_MAX:
                        self._credit -= 1
                        self._request()
                except OSError:
                    return
            last = now

    def _receive(self, seconds: float) -> list[Message] | None:
        """What has come; None at the end of the connection."""
        assert self._socket is not None
        if not select.select([self._socket], [], [], seconds)[0]:
            return []
        try:
            data = self._socket.recv(1 << 18)
        except OSError:
            return None
        if not data:
            return None
        *whole, self._buffer = split(self._buffer + data)
        return [Message(raw) for raw in whole]

    def _send(self, msg_type: str, body: str) -> None:
        number, self.next_out = self.next_out, self.next_out + 1
        stamp = utc()
        if msg_type not in ADMIN:
            self.sent[number] = msg_type, body, stamp
        self._write(msg_type, number, body, stamp)

    def _write(self, msg_type: str, number: int, body: str, stamp: str, header: str = "") -> None:
        assert self._socket is not None
        head = f"35={msg_type}|34={number}|49={self.comp_id}|56={self.target}|{header}52={stamp}|"
        with contextlib.suppress(OSError):  # it counts as sent: the venue asks for it, or has it
            self._socket.sendall(framed(self.begin_string, soh(head) + soh(body)))

    # ------------------------------------------------------------------------------------------- receiving

    def _take(self, message: Message) -> None:
        number = message.number
        if message.type == "4" and message.get(123) != "Y":
            self.next_in = int(message[36])
        elif message.type == "2" and number >= self.next_in:
            self._resend(int(message[7]), int(message[16]))  # also beyond a gap: the venue waits for it
            self._in_order(message)
        elif number > self.next_in:
            self._ahead[number] = message
            if self._asked_to < self.next_in:
                self._asked_to = number - 1
                self._send("2", f"7={self.next_in}|16=0|")
        elif number < self.next_in:
            if message.get(43) != "Y":
                self.complaints.append(f"{self.name}: {self.next_in} is due, and {message!r} has no PossDupFlag")
            self._effect(message)
        else:
            self._in_order(message)

    def _in_order(self, message: Message) -> None:
        if message.number > self.next_in:
            self._ahead[message.number] = message
            if self._asked_to < self.next_in:
                self._asked_to = message.number - 1
                self._send("2", f"7={self.next_in}|16=0|")
            return
        self._effect(message)
        self.next_in = int(message[36]) if message.type == "4" else self.next_in + 1
        while self._ahead and min(self._ahead) <= self.next_in:
            number = min(self._ahead)
            message = self._ahead.pop(number)
            if number == self.next_in:
                self._effect(message)
                self.next_in = int(message[36]) if message.type == "4" else number + 1

    def _resend(self, first: int, last: int) -> None:
        """Answer a ResendRequest: what was asked of the venue again, with PossDupFlag; gap fills for the rest."""
        last = self.next_out - 1 if last == 0 else min(last, self.next_out - 1)
        due = first
        for number in sorted(number for number in self.sent if first <= number <= last):
            self._fill(due, number)
            msg_type, body, stamp = self.sent[number]
            self._write(msg_type, number, body, utc(), f"43=Y|122={stamp}|")
            due = number + 1
        self._fill(due, last + 1)

    def _fill(self, number: int, new_number: int) -> None:
        if number < new_number:
            self._write("4", number, f"123=Y|36={new_number}|", utc(), f"43=Y|122={utc()}|")

    def _effect(self, message: Message) -> None:
        """What a message means to one who trades."""
        if message.type == "1":
            self._send("0", f"112={message[112]}|")
        elif message.type in ("3", "j"):
            self.complaints.append(f"{self.name}: refused: {message!r}")
        elif message.type == "8":
            self._report(message)
        elif message.type in "9r":
            self.unanswered.pop(message[11], None)

    def _report(self, message: Message) -> None:
        if message[150] == "I" or message[17].startswith("S"):  # an answer to what came twice: says, and does, nothing new
            self.unanswered.pop(message[11], None)
            return
        key = message[17], message[37]
        before = self.reports.get(key)
        if before is None:
            self.reports[key] = message
            self.unanswered.pop(message[11], None)
            return
        self.again += 1
        if "Y" not in (message.get(43), message.get(97)):
            self.complaints.append(f"{self.name}: came twice, without PossDup or PossResend: {message!r}")
        if said(message) != said(before):
            self.complaints.append(f"{self.name}: one ExecID says two things: {before!r} and {message!r}")

    # -------------------------------------------------------------------------------------------- trading

    def _request(self) -> None:
        """An order near the market, the cancel of one, or a replace."""
        choose = self.random
        self._count += 1
        cl_ord_id = f"{self.begin_string[-3:]}-{self._count}"
        stamp = utc()
        if len(self.open) > KEPT_OPEN_MAX or (self.open and choose.random() < 0.25):
            orig, side, symbol = self.open.pop(choose.randrange(len(self.open)))
            self.unanswered[cl_ord_id] = "cancel"
            if choose.random() < 0.3:
                self.open.append((cl_ord_id, side, symbol))
                price, quantity = self._terms()
                self._send("G", f"41={orig}|11={cl_ord_id}|21=1|55={symbol}|54={side}|60={stamp}|38={quantity}|40=2|44={price}|")
            else:
                self._send("F", f"41={orig}|11={cl_ord_id}|55={symbol}|54={side}|60={stamp}|")
            return
        side, symbol = choose.choice("12"), choose.choice(("AAPL", "MSFT"))
        price, quantity = self._terms()
        self.unanswered[cl_ord_id] = "order"
        tif = choose.choice(("0", "1", "1", "3"))
        if tif != "3":
            self.open.append((cl_ord_id, side, symbol))
        self._send("D", f"11={cl_ord_id}|21=1|55={symbol}|54={side}|60={stamp}|38={quantity}|40=2|44={price}|59={tif}|")

    def _terms(self) -> tuple[str, int]:
        return f"{100 + self.random.randint(-20, 20) / 10:.2f}", self.random.randint(1, 50)


def said(message: Message) -> list[tuple[bytes, ...]]:
    """What a report says, without what belongs to the sending of it."""
    sending = {b"8", b"9", b"10", b"34", b"43", b"52", b"97", b"122"}
    return [pair for pair in message.pairs if pair[0] not in sending]


def split(data: bytes) -> list[bytes]:
    """Whole messages, then what is left. Trusts the venue."""
    found, at = [], 0
    while True:
        body = data.find(b"\x0135=", at)
        if body < 0:
            break
        length = int(data[data.index(b"\x019=", at) + 3 : body])
        end = body + 1 + length + 7
        if end > len(data):
            break
        found.append(data[at:end])
        at = end
    return [*found, data[at:]]


def wait_settled(traders: list[Trader], wait_for: Callable[..., object], seconds: float = 20.0) -> None:
    """Pause them, and wait until everything that was asked is answered."""
    for trader in traders:
        trader.paused.set()
    try:
        wait_for(lambda: all(trader.settled() for trader in traders), "every request is answered", seconds)
    except AssertionError:
        lines = [
            f"{one.name}: {one.next_out}/{one.next_in}, open {one.unanswered}, {len(one._ahead)} ahead, {one.refusals[-1:]}"
            for one in traders
        ]
        raise AssertionError("not every request was answered\n" + "\n".join(lines)) from None
