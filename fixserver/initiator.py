"""A FIX initiator on a plain socket, for programs that send fast; it never looks at what an application message says.

It numbers what it sends, keeps it, and resends it when asked; it asks for what it missed, answers test requests,
and can be connected again after the venue went away, in the same session with the same numbers. One owner calls
it from one thread, when the socket is ready and now and then for the timers.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable

from fixserver.addressing import Addresses, plain
from fixserver.frames import Framer, FrameTooLong, checksum
from fixserver.proxyheader import LOCAL

Message = dict[str, str]

FRAME_BYTES_MAX = 1 << 20
READ_BYTES = 1 << 18
CONNECT_SECONDS = 5.0
LOGON_SECONDS = 10.0
SILENCE_FACTOR = 2.4  # heartbeat intervals without a word from the venue, after which the connection is dead
SENT_KEPT_MAX = 1_000_000  # application messages kept for a resend; older ones are gap-filled

_ADMIN = frozenset("012345A")


class ConnectionLost(Exception):
    """The venue is not there (any more). Connect again, or give up."""


class SessionRefused(Exception):
    """The venue answered the Logon with a Logout, or the numbers cannot be brought together: trying again does not help."""


def parse(frame: bytes) -> Message:
    """The fields of a message by tag; of a tag that comes more than once (a group) the last one."""
    return dict([pair.partition("=")[::2] for pair in frame.decode("utf-8", "replace").split("\x01")[:-1]])


class Clock:
    """SendingTime as bytes; the text of the second is made once a second."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now, self._second, self._text = now, -1, b""

    def stamp(self) -> bytes:
        now = self._now()
        second = int(now)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y%m%d-%H:%M:%S.", time.gmtime(second)).encode()
        return self._text + b"%03d" % int((now - second) * 1000)


class Initiator:
    """One FIX session as its client sees it.

    `logged_on` says whether application messages flow. `send` may be called at any time: what is sent while
    the connection is down has its number, and reaches the venue by the ResendRequest that follows the next Logon.
    """

    def __init__(
        self,
        address: str,
        port: int,
        sender: str,
        target: str,
        password: str = "",
        *,
        begin: str = "FIX.4.4",
        heartbeat_seconds: int = 30,
        sent_kept_max: int = SENT_KEPT_MAX,
        reads: Callable[[bytes], Message] = parse,
        tls: ssl.SSLContext | None = None,
        balancers: Addresses | None = None,
    ) -> None:
        """`reads` makes of the bytes of a message what the owner is given; it has the fields that parse() has. `tls` is for a port
        that speaks nothing else, `balancers` for one that takes whoever comes from these addresses for a balancer."""
        self.address, self.port, self.sender, self.target = address, port, sender, target
        self.logged_on = False
        self.caught_up = True  # False between a gap and its end
        self.next_out, self.next_in = 1, 1
        self._password, self._begin, self._heartbeat = password, begin.encode(), heartbeat_seconds
        self._header = b"\x0149=%s\x0156=%s\x0152=" % (sender.encode(), target.encode())
        self._clock, self._reads = Clock(), reads
        self._socket: socket.socket | None = None
        self._framer = Framer(FRAME_BYTES_MAX)
        self._outgoing: list[bytes] = []
        self._sent: dict[int, tuple[bytes, bytes, bytes]] = {}  # by number: type, body, SendingTime
        self._sent_kept_max = sent_kept_max
        self._tls = tls
        self._balancers = balancers or Addresses([])
        self._last_out = self._last_in = 0.0
        self._fresh = True
        self._leaving = False
        self._failure: ConnectionLost | SessionRefused | None = None

    # -------------------------------------------------------------------------------------------- connection

    def fileno(self) -> int:
        assert self._socket is not None, "only a connected session has a socket to wait for"
        return self._socket.fileno()

    @property
    def connected(self) -> bool:
        return self._socket is not None

    @property
    def wants_to_write(self) -> bool:
        return bool(self._outgoing)

    def connect(self) -> None:
        """Connect and send the Logon: with ResetSeqNumFlag the first time, then in the same session. Raises ConnectionLost."""
        self.disconnect()
        self._failure = None
        try:
            sock = socket.create_connection((self.address, self.port), CONNECT_SECONDS)
        except OSError as error:
            raise ConnectionLost(f"nothing answers at {self.address}:{self.port} ({error.strerror or error})") from None
        if plain(sock.getsockname()[0]) in self._balancers:
            sock.sendall(LOCAL)
        if self._tls is not None:
            try:
                sock = self._tls.wrap_socket(sock, server_hostname=self.address if self._tls.check_hostname else None)
            except OSError as error:
                sock.close()
                raise ConnectionLost(f"no TLS with {self.address}:{self.port} ({error.strerror or error})") from None
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        self._socket = sock
        self._framer, self._outgoing = Framer(FRAME_BYTES_MAX), []
        if self._fresh:
            assert not self._sent, "the first Logon sets the numbers to 1: nothing may have been sent before it"
            self.next_out = self.next_in = 1
        self._last_in = time.monotonic()
        body = b"98=0\x01108=%d\x01" % self._heartbeat
        if self._fresh:
            body += b"141=Y\x01"
        if self._begin == b"FIXT.1.1":
            body += b"1137=9\x01"
        if self._password:
            body += b"553=%s\x01554=%s\x01" % (self.sender.encode(), self._password.encode())
        self._put(b"A", body)
        self.flush()

    def log_on(self, seconds: float = LOGON_SECONDS) -> list[Message]:
        """Connect and wait for the venue's Logon. Returns application messages that came right behind it."""
        self.connect()
        end = time.monotonic() + seconds
        messages: list[Message] = []
        assert self._socket is not None
        while not self.logged_on:
            self._socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                messages += self.receive()
            finally:
                if self._socket is not None:
                    self._socket.setblocking(False)
            if not self.logged_on and time.monotonic() >= end:
                self.disconnect()
                raise ConnectionLost(f"{self.sender}: no answer to the Logon in {seconds:g} s")
        return messages

    def disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self.logged_on, self._leaving = None, False, False

    def log_out(self, seconds: float = 2.0) -> list[Message]:
        """Say goodbye, wait for the answer a little, close. Returns the application messages that came before the end."""
        messages: list[Message] = []
        if self._socket is None:
            return messages
        self._put(b"5", b"")
        self._leaving = True
        end = time.monotonic() + seconds
        try:
            self._socket.settimeout(seconds)
            self._socket.sendall(b"".join(self._outgoing))
            self._outgoing.clear()
            while time.monotonic() < end:
                messages += self.receive()
        except (ConnectionLost, SessionRefused, OSError):
            pass
        self.disconnect()
        return messages

    # ----------------------------------------------------------------------------------------------- sending

    def send(self, msg_type: bytes, body: bytes) -> None:
        """Number, keep and queue an application message. `body` is what follows the header; flush() sends what is queued."""
        number, stamp = self.next_out, self._clock.stamp()
        self._sent[number] = (msg_type, body, stamp)
        if len(self._sent) > self._sent_kept_max:
            del self._sent[next(iter(self._sent))]
        self.next_out = number + 1
        if self._socket is not None:
            self._outgoing.append(self._encode(number, msg_type, body, stamp))

    def flush(self) -> None:
        """Give the socket what it takes. Raises ConnectionLost."""
        if self._socket is None or not self._outgoing:
            return
        data = b"".join(self._outgoing)
        try:
            written = self._socket.send(data)
        except (BlockingIOError, TimeoutError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            written = 0
        except OSError as error:
            self.disconnect()
            raise ConnectionLost(f"{self.sender}: {error.strerror or error}") from None
        self._outgoing = [data[written:]] if written < len(data) else []
        self._last_out = time.monotonic()

    def _put(self, msg_type: bytes, body: bytes) -> None:
        """Queue an administrative message, which is never resent."""
        self._outgoing.append(self._encode(self.next_out, msg_type, body, self._clock.stamp()))
        self.next_out += 1

    def _encode(self, number: int, msg_type: bytes, body: bytes, stamp: bytes) -> bytes:
        body = b"35=%s\x0134=%d%s%s\x01%s" % (msg_type, number, self._header, stamp, body)
        message = b"8=%s\x019=%d\x01%s" % (self._begin, len(body), body)
        return b"%s10=%03d\x01" % (message, checksum(message))

    def _resend(self, first: int, last: int) -> None:
        """Answer a ResendRequest: application messages again with PossDup, one gap fill for each run of others."""
        last = self.next_out - 1 if last == 0 else min(last, self.next_out - 1)
        stamp = self._clock.stamp()
        number = first
        while number <= last:
            kept = self._sent.get(number)
            if kept is not None:
                msg_type, body, sent = kept
                self._outgoing.append(self._encode(number, msg_type, b"43=Y\x01122=%s\x01%s" % (sent, body), stamp))
                number += 1
                continue
            end = number + 1
            while end <= last and end not in self._sent:
                end += 1
            body = b"43=Y\x01122=%s\x01123=Y\x0136=%d\x01" % (stamp, end)
            self._outgoing.append(self._encode(number, b"4", body, stamp))
            number = end

    # --------------------------------------------------------------------------------------------- receiving

    def receive(self) -> list[Message]:
        """Read once, deal with what is the session's business, return the application messages in their order.

        Raises ConnectionLost or SessionRefused; the session is disconnected then. Where there were messages before
        the end, they are returned, and the next call raises.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._socket is None:
            return []
        try:
            data = self._socket.recv(READ_BYTES)
            while isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():  # which no poll would tell of
                data += self._socket.recv(READ_BYTES)
        except (BlockingIOError, TimeoutError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return []
        except OSError as error:
            self.disconnect()
            raise ConnectionLost(f"{self.sender}: {error.strerror or error}") from None
        if not data:
            before_logon = not self.logged_on
            self.disconnect()
            what = "without an answer to the Logon" if before_logon else "by the venue"
            raise ConnectionLost(f"{self.sender}: the connection was closed {what}")
        self._last_in = time.monotonic()
        messages: list[Message] = []
        try:
            for frame in self._framer.feed(data):
                message = self._reads(frame)
                if self._due(message):
                    messages.append(message)
            if self._outgoing:
                self.flush()
        except FrameTooLong as error:
            self.disconnect()
            self._failure = ConnectionLost(f"{self.sender}: the venue sends {error}")
        except (ConnectionLost, SessionRefused) as error:
            self._failure = error
        if self._failure is not None and not messages:
            return self.receive()
        return messages

    def _due(self, message: Message) -> bool:
        """Do what the session layer asks; say whether this is an application message whose turn it is."""
        msg_type, number = message.get("35", ""), int(message.get("34", "0"))
        if msg_type == "A":
            self._logged_on(message, number)
            return False
        if msg_type == "5" and not self.logged_on:
            self.disconnect()
            raise SessionRefused(f"{self.sender}: the venue refuses the Logon: {message.get('58', 'it does not say why')}")
        if msg_type == "4" and message.get("123") != "Y":  # a reset, not a gap fill: its own number does not count
            self.next_in = int(message["36"])
            return False
        if number > self.next_in:
            if msg_type == "2":  # answered at once, so that two gaps do not wait for each other
                self._resend(int(message["7"]), int(message["16"]))
            if msg_type == "5":
                self._closed_by_venue(message)
            self._ask_again()
            return False
        if number < self.next_in:
            if message.get("43") != "Y":
                self.disconnect()
                raise SessionRefused(f"{self.sender}: number {number} came where {self.next_in} was due")
            return False
        self.next_in = int(message["36"]) if msg_type == "4" else number + 1
        self.caught_up = True
        if msg_type not in _ADMIN or msg_type == "3":
            return True
        if msg_type == "1":
            self._put(b"0", b"112=%s\x01" % message.get("112", "").encode())
        elif msg_type == "2":
            self._resend(int(message["7"]), int(message["16"]))
        elif msg_type == "5":
            self._closed_by_venue(message)
        return False

    def _logged_on(self, message: Message, number: int) -> None:
        if message.get("141") == "Y":
            self.next_in = 1
        self.logged_on, self._fresh = True, False
        if number == self.next_in:
            self.next_in = number + 1
            self.caught_up = True
        elif number > self.next_in:
            self.caught_up = True
            self._ask_again()
        else:
            self.disconnect()
            raise SessionRefused(f"{self.sender}: the venue begins at {number}, {self.next_in} was due")

    def _ask_again(self) -> None:
        if self.caught_up:
            self._put(b"2", b"7=%d\x0116=0\x01" % self.next_in)
        self.caught_up = False

    def _closed_by_venue(self, message: Message) -> None:
        if not self._leaving:
            self._put(b"5", b"")
        try:
            self.flush()
        finally:
            self.disconnect()
        raise ConnectionLost(f"{self.sender}: the venue logs out: {message.get('58', 'it does not say why')}")

    def on_timer(self) -> None:
        """Heartbeats out, and the end of a connection that has fallen silent. Call it about once a second."""
        if self._socket is None:
            return
        now = time.monotonic()
        limit = self._heartbeat * SILENCE_FACTOR if self.logged_on else LOGON_SECONDS
        if now - self._last_in > limit:
            self.disconnect()
            raise ConnectionLost(f"{self.sender}: not a word from the venue for {limit:g} s")
        if self.logged_on and now - self._last_out >= self._heartbeat:
            self._put(b"0", b"")
            self.flush()


async def connect_beside(initiator: Initiator) -> None:
    """Connect in a thread, because it may wait for a machine that does not answer. Raises ConnectionLost.

    Who is canceled meanwhile leaves no connection behind, and how the attempt ended is of no account to him.
    """
    connecting = asyncio.get_running_loop().run_in_executor(None, initiator.connect)
    try:
        await asyncio.shield(connecting)
    except asyncio.CancelledError:
        await asyncio.wait([connecting])
        connecting.exception()  # else asyncio would report that nobody has asked
        initiator.disconnect()
        raise
