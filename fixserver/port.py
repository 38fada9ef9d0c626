"""A FIX port: listens, cuts what arrives into messages for their sessions, sends what the sessions have. It reads no order.

Everything that a stranger can make grow has a limit here: connections, the bytes of a message, the bytes
that a client has not read, the time until a Logon. Until then everything is cheap, and nothing of this costs a session
anything that is logged on: who may come from where, and how often, is asked when a connection is made (admission.py).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import resource
import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from fixserver import passwords, tls
from fixserver.addressing import Addresses, plain
from fixserver.admission import Admission
from fixserver.frames import Framer, FrameTooLong
from fixserver.loop import READ, WRITE, Loop
from fixserver.metrics import Labelled
from fixserver.proxyheader import BadHeader, Header
from fixserver.sessions import Session, Sessions, header_fields

if TYPE_CHECKING:
    from fixserver.config import Listener
    from fixserver.sessions import Desk

READ_BYTES = 16_384  # of one client in one turn: what others wait for at most
ACCEPTED_PER_TURN_MAX = 16
SEND_BYTES = 262_144  # of what waits, given to a socket at once
VERIFICATIONS_MAX = 64
VERIFICATIONS_PER_PARTICIPANT_MAX = 4  # so that guessing at one keeps nobody else out
ACCEPT_PAUSE_SECONDS = 0.5
CLOSE_SECONDS = 2.0  # for a client to take the last bytes
LISTEN_BACKLOG = 128
STRANGER_SECONDS = 0.5  # after which one who has not logged on makes room for others
HEADER_SECONDS = 2.0  # for a balancer to say for whom it connects
HANDSHAKE_SECONDS = 3.0  # of TLS
HANDSHAKES_PER_TURN_MAX = 8  # steps of them: each costs as much as many orders
LOGON_MARGIN_SECONDS = 0.2  # that a time limit ends early, because time limits are looked at ten times a second
LOGON_BYTES_MAX = 16_384  # until the first message is complete
NAME_LENGTH_MAX = 64  # of what a stranger says he is called, where it is remembered
DESCRIPTORS_KEPT = 64  # for logs, snapshots, metrics, and what the standard library opens


class Connection:
    """One client's socket, with what has been read of it and what is still to be sent."""

    def __init__(self, port: FixPort, sock: socket.socket, address: str) -> None:
        self.port = port
        self.socket = sock
        self.descriptor = sock.fileno()
        self.address = address  # where it is from: of a balancer, until it has said for whom it is
        self.header: Header | None = None  # of a balancer, until it is complete
        self.arrived = False  # whether it has been let in, and counts
        self.received_bytes = 0  # until the first message
        self.framer = Framer(port.listener.frame_bytes_max)
        self.session: Session | None = None
        self.waiting: list[bytes] = []  # messages behind a Logon that is being checked
        self.verifying = False
        self.refusal: Refusal | None = None  # until it is time to say so
        self.beginning = False  # while there is a header or a handshake to wait for
        self.handshaking = False
        self.since = time.monotonic()
        self.deadline = self.since + port.listener.logon_seconds - LOGON_MARGIN_SECONDS
        self.logged_on = False
        self.backlog = bytearray()
        self.closing = False
        self.closed = False
        self._mask = READ

    @property
    def queued_bytes(self) -> int:
        return len(self.backlog)

    @property
    def queued_bytes_max(self) -> int:
        """With more than this unread, the client is cut."""
        return self.port.listener.send_buffer_bytes_max

    def ready(self, mask: int) -> None:
        """The loop's callback."""
        if self.beginning and not self._begin():
            return
        if mask & WRITE:
            self._drain()
        if mask & ~WRITE and not self.closed:
            self._read()

    def _begin(self) -> bool:
        """What comes before FIX: whether that is over."""
        if self.header is not None and not self._read_header():
            return False
        if self.handshaking and not self._shake_hands():
            return False
        self.beginning = False
        return True

    def _read_header(self) -> bool:
        """Not a byte more than belongs to it: what follows is TLS, or FIX."""
        header = self.header
        assert header is not None
        try:
            while True:
                data = self.socket.recv(header.wanted)
                if not data:
                    self.close("")
                    return False
                if header.take(data):
                    break
        except (BlockingIOError, InterruptedError):
            return False
        except BadHeader:
            self.close("proxy")
            return False
        except OSError:
            self.close("")
            return False
        self.header = None
        self.address = header.address or self.address
        return self.port.introduced(self)

    def begin_handshake(self, context: ssl.SSLContext) -> None:
        """Of TLS, on the socket as it is."""
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.beginning = self.handshaking = True

    def _shake_hands(self) -> bool:
        assert isinstance(self.socket, ssl.SSLSocket)
        if self.port.handshakes_left <= 0:
            return False  # the socket stays ready: in the next turn
        self.port.handshakes_left -= 1
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLWantWriteError:
            self._want(READ | WRITE)
            return False
        except OSError:
            self.close("tls")
            return False
        self.handshaking = False
        self._want(READ)
        return True

    def _read(self) -> None:
        while not self.closed:
            try:
                data = self.socket.recv(READ_BYTES)
            except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                data = b""
            if not data:
                self.close("")
                return
            if self.closing:
                return  # we have said good-bye: nothing more is taken
            try:
                frames = self.framer.feed(data)
            except FrameTooLong:
                self.close("frame")
                return
            if frames:
                self._take(frames)
            elif self.session is None and not self.waiting:
                self.received_bytes += len(data)
                if self.received_bytes > LOGON_BYTES_MAX:
                    self.close("frame")
                    return
            # A TLS socket may hold bytes that epoll does not see.
            if not isinstance(self.socket, ssl.SSLSocket) or not self.socket.pending():
                return

    def _take(self, frames: list[bytes]) -> None:
        if self.session is not None:
            self.session.receive(frames)
            self.port.dirty[self.descriptor] = self
        else:
            self.waiting += frames
            if not self.verifying:
                self.port.identify(self)

    def begin_verifying(self) -> None:
        """A password is being checked: nothing more is read until it is known."""
        self.verifying = True
        self._want(0)

    def end_verifying(self) -> None:
        self.verifying = False
        self._want(READ)

    def read_to_end(self) -> None:
        """Take what a client who has hung up has left behind, and close."""
        while not self.closed and _hung_up(self.descriptor):
            self._read()

    def read_on(self) -> None:
        """Take what a TLS socket has decrypted and epoll does not see."""
        if isinstance(self.socket, ssl.SSLSocket) and not self.closed and self.socket.pending():
            self._read()

    def send(self, data: bytes) -> None:
        """Give the socket what it takes now; the rest waits, up to the limit."""
        if self.closed:
            return
        if not self.backlog:
            sent = self._write(data) if data else 0
            if sent < len(data):
                self.backlog += memoryview(data)[sent:]
        else:
            self.backlog += data
        self._settle()

    def _drain(self) -> None:
        """The socket has room."""
        if self.backlog and not self.closed:
            with memoryview(self.backlog) as waiting, waiting[:SEND_BYTES] as part:
                sent = self._write(part)
            del self.backlog[:sent]
            self._settle()

    def _write(self, data: bytes | memoryview) -> int:
        """How many bytes the socket took; when it is broken, the connection is closed."""
        try:
            return self.socket.send(data)
        except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0
        except OSError:
            self.close("")
            return 0

    def _settle(self) -> None:
        """What follows from how much is waiting."""
        if self.closed:
            return
        if self.backlog:
            if len(self.backlog) > self.queued_bytes_max:
                self.close("slow")
            else:
                self._want(READ | WRITE)
        else:
            self._want(READ)
            if self.closing:
                self._finish()

    def _finish(self) -> None:
        """All is sent: close our direction, and wait a moment for the client to close his."""
        try:
            if isinstance(self.socket, ssl.SSLSocket):
                self.close("")
            else:
                self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close("")

    def _want(self, mask: int) -> None:
        if mask != self._mask:
            self._mask = mask
            self.port.loop.modify(self.descriptor, mask)

    def close_after_flush(self) -> None:
        """Close as soon as what is to be sent has gone, or has had its time."""
        if not self.closing:
            self.closing = True
            self.deadline = time.monotonic() + CLOSE_SECONDS
        self.port.dirty[self.descriptor] = self

    def close(self, cause: str) -> None:
        """Close now. A `cause` is counted: what the client did that is not taken."""
        if self.closed:
            return
        self.closed = True
        if cause:
            self.port.cut[cause] = self.port.cut.get(cause, 0) + 1
        self.port.forget(self)
        self.socket.close()
        if self.session is not None:
            session, self.session = self.session, None
            if cause:
                self.port.say(f"{session.name}: connection cut, {CAUSES.get(cause, cause)}")
            if self.logged_on:
                how = CAUSES.get(cause, cause) if cause else "Logout" if session.said_logout else "the connection was lost"
                self.port.note(
                    "logout", participant=session.participant, version=session.begin_string, address=self.address, why=how
                )
            session.detach()


class Refusal(NamedTuple):
    """A Logon that has failed, and when to say so. `session` is None where there is none of that name."""

    session: Session | None
    cause: str
    at: float


CAUSES = {
    "frame": "a message longer than is taken",
    "slow": "it does not read what it is sent",
    "logon": "no Logon in time",
    "tls": "the TLS handshake failed",
    "full": "too many connections",
    "per address": "too many connections from its address",
    "address": "it comes from an address that is not taken",
    "limited": "too many attempts from its address or in its name",
    "proxy": "no header of a balancer, or none in time",
    "password": "wrong name or password",
    "certificate": "its certificate is another's",
    "unknown": "no such session",
    "in use": "the session is connected already",
}
_WITHOUT_A_WORD = ("unknown", "in use")


def _unnoted(what: str, **fields: Any) -> None:
    """Where nobody keeps a log of it."""


class FixPort:
    """One listening socket and its connections."""

    def __init__(
        self,
        loop: Loop,
        sessions: Sessions,
        listener: Listener,
        password_hashes: dict[str, str],
        say: Callable[[str], None],
        desk: Desk | None = None,
        *,
        allow_from: Mapping[str, list[str]] | None = None,
        note: Callable[..., None] = _unnoted,
    ) -> None:
        """`password_hashes` is by participant; who has none may not log on. The sessions of `desk` are let in, without one those of
        the desk that is behind most. `allow_from` are the addresses of those who may log on from some alone. `note` is told
        of Logons and logouts. Raises OSError when the address cannot be bound."""
        self.loop = loop
        self.sessions = sessions
        self.desk = sessions.desk if desk is None else desk
        self.listener = listener
        self.say = say
        self.note = note
        self.admission = Admission(listener, listener.logons_per_minute)
        self.logons = Labelled()  # by what became of them
        self.handshakes_left = HANDSHAKES_PER_TURN_MAX
        self._proxies = Addresses(listener.proxy_from)
        self._allowed = {name: Addresses(texts) for name, texts in (allow_from or {}).items() if texts}
        self.connections: dict[int, Connection] = {}
        self.connections_max = connections_possible(listener.connections_max)
        if self.connections_max < listener.connections_max:
            say(f"{self.connections_max} connections are taken, not {listener.connections_max}: the process may open no more files")
        self.dirty: dict[int, Connection] = {}
        self.cut = dict.fromkeys(CAUSES, 0)  # all of them: who looks for a rise cannot see one that begins at 1
        self.read_at = 0.0
        self._password_hashes = password_hashes
        self._known_good: dict[str, bytes] = {}
        self._key = os.urandom(32)
        self._verifier = ThreadPoolExecutor(1, thread_name_prefix="password")
        self._verified: list[tuple[Connection, Session, bytes, str, bool]] = []
        self._verifying: dict[str, int] = {}  # how many, by participant
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        loop.register(self._wake_reader.fileno(), self._woken)
        self._tls = None
        if listener.certificate:
            self._tls = tls.ServerTls(listener.certificate, listener.private_key, listener.client_ca, say=say)
        family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
        self._socket = socket.create_server((listener.address, listener.port), family=family, backlog=LISTEN_BACKLOG)
        self._socket.setblocking(False)
        self._listening = True
        self._listen_again_at = 0.0
        loop.register(self._socket.fileno(), self._accept)

    @property
    def number(self) -> int:
        """The port that was bound."""
        return int(self._socket.getsockname()[1])

    def _accept(self, mask: int) -> None:
        for _ in range(ACCEPTED_PER_TURN_MAX):
            try:
                sock, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # no descriptors left: do not spin on a listener that stays ready
                self.say(f"cannot accept connections: {error.strerror}; trying again in {ACCEPT_PAUSE_SECONDS} s")
                self.loop.unregister(self._socket.fileno())
                self._listening, self._listen_again_at = False, time.monotonic() + ACCEPT_PAUSE_SECONDS
                return
            source = plain(address[0])
            balancer = source in self._proxies
            cause = "" if balancer else self.admission.arrive(source)
            if not cause and len(self.connections) >= self.connections_max and not self._make_room():
                cause = "full"
                if not balancer:
                    self.admission.leave(source)
            if cause:
                self.cut[cause] = self.cut.get(cause, 0) + 1
                sock.close()
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection = Connection(self, sock, source)
            self.connections[connection.descriptor] = connection
            self.loop.register(connection.descriptor, connection.ready)
            if balancer:
                connection.header, connection.beginning = Header(), True
            else:
                self._let_in(connection)

    def introduced(self, connection: Connection) -> bool:
        """A balancer has said for whom it connects: whether it may go on."""
        cause = self.admission.arrive(connection.address)
        if cause:
            connection.close(cause)
            return False
        self._let_in(connection)
        return True

    def _let_in(self, connection: Connection) -> None:
        connection.arrived = True
        if self._tls is not None:
            connection.begin_handshake(self._tls.context)

    def _make_room(self) -> bool:
        """Cut the oldest who has had his time to begin and has not logged on, so that idle strangers keep nobody out. One who waits
        for a refusal has had it."""
        latest = time.monotonic() - STRANGER_SECONDS
        for connection in self.connections.values():
            if connection.session is None and (
                connection.refusal is not None or (not connection.verifying and connection.since <= latest)
            ):
                connection.close("full")
                return True
        return False

    # --------------------------------------------------------------------------------------------- logon

    def set_password(self, participant: str, password_hash: str) -> None:
        """Check his next Logons against another hash; with an empty one he may not log on. Who is logged on stays so."""
        self._known_good.pop(participant, None)
        if password_hash:
            self._password_hashes[participant] = password_hash
        else:
            self._password_hashes.pop(participant, None)

    def identify(self, connection: Connection) -> None:
        """Look at a first message: whose session is it, and does he know the password? The answer comes later, from
        another thread, because a password hash takes its time."""
        frame = connection.waiting[0]
        session = self.sessions.find(frame)
        if session is None or session.desk is not self.desk:
            return self._fail(connection, None, "unknown")
        if _occupied(session):
            return self._fail(connection, session, "in use")
        name = session.participant
        if name in self._allowed and connection.address not in self._allowed[name]:
            return self._fail(connection, session, "address")
        if self.listener.client_names and not self._has_his_certificate(connection, session):
            return self._fail(connection, session, "certificate")
        fields = dict(pair.split("=", 1) for pair in frame.decode(errors="replace").split("\x01") if "=" in pair)
        username, password = fields.get("553", ""), fields.get("554", "")
        mark = hmac.digest(self._key, password.encode(errors="replace"), hashlib.sha256)
        expected = self._password_hashes.get(name, passwords.DECOY)
        if username != name:
            expected = passwords.DECOY
        elif hmac.compare_digest(self._known_good.get(name, b""), mark):
            return self._admit(connection, session)
        if not self.admission.may_try(connection.address, name):
            return self._fail(connection, session, "limited")
        running = self._verifying.get(name, 0)
        if running >= VERIFICATIONS_PER_PARTICIPANT_MAX or sum(self._verifying.values()) >= VERIFICATIONS_MAX:
            self.logons.add("password")
            return connection.close("password")
        self._verifying[name] = running + 1
        connection.begin_verifying()

        def verify() -> None:
            good = passwords.verify(password, expected) and expected is not passwords.DECOY
            self._verified.append((connection, session, mark, expected, good))
            self._wake_writer.send(b"\0")

        self._verifier.submit(verify)
        return None

    def _has_his_certificate(self, connection: Connection, session: Session) -> bool:
        """Whether the client has shown a certificate in his name; a session that speaks for others is a process of the venue, and
        shows the venue's own."""
        if not isinstance(connection.socket, ssl.SSLSocket):
            return False
        if session.speaks_for_others:
            return tls.shows_own(connection.socket, self.listener.certificate)
        return tls.common_name(connection.socket) == session.participant

    def _woken(self, mask: int) -> None:
        self._wake_reader.recv(4096)
        while self._verified:
            connection, session, mark, expected, good = self._verified.pop(0)
            name = session.participant
            self._verifying[name] -= 1
            if not self._verifying[name]:
                del self._verifying[name]
            # Another password, or none, may have been set meanwhile.
            good = good and self._password_hashes.get(name) == expected
            if good:
                self._known_good[name] = mark
            if good and not connection.closed:
                connection.end_verifying()
                if _occupied(session):
                    self._fail(connection, session, "in use")
                else:
                    self._admit(connection, session)
                connection.read_on()
            elif not good:
                self._fail(connection, session, "password")

    def _admit(self, connection: Connection, session: Session) -> None:
        connection.session = session
        session.attach(connection)
        frames, connection.waiting = connection.waiting, []
        self.dirty[connection.descriptor] = connection
        session.receive_logon(frames[0])
        connection.logged_on = session.logged_on
        self.admission.succeeded(connection.address)
        self._count_logon(connection, frames[0], session, "" if session.logged_on else "session")
        session.receive(frames[1:])

    def _fail(self, connection: Connection, session: Session | None, cause: str) -> None:
        """A Logon has failed: count it, and answer when it is time, which the cause does not change."""
        name = self._count_logon(connection, connection.waiting[0], session, cause)
        seconds = self.admission.failed(connection.address, name)
        if connection.closed:
            return
        connection.refusal = Refusal(session, cause, min(time.monotonic() + seconds, connection.deadline))
        if seconds:
            connection.begin_verifying()
        else:
            self._answer_refused(connection)

    def _count_logon(self, connection: Connection, frame: bytes, session: Session | None, cause: str) -> str:
        """Returns in whose name it was."""
        self.logons.add(cause or "accepted")
        header = header_fields(frame.decode(errors="replace"))
        name = session.participant if session is not None else header.get("49", "")[:NAME_LENGTH_MAX]
        why = {"why": CAUSES.get(cause, "refused by the rules of the session")} if cause else {}
        self.note(
            "logon", participant=name, version=header.get("8", "")[:NAME_LENGTH_MAX], address=connection.address,
            outcome="refused" if cause else "accepted", **why,
        )  # fmt: skip
        return name

    def _answer_refused(self, connection: Connection) -> None:
        """Say Logout, not what was wrong. The number is used up, so that a client who counts is not confused. One who named no
        session of ours, or one that is connected, is cut without a word."""
        refusal, connection.refusal = connection.refusal, None
        assert refusal is not None
        session, cause = refusal.session, refusal.cause
        if session is None or cause in _WITHOUT_A_WORD:
            connection.close(cause)
            return
        connection.end_verifying()
        self.cut[cause] = self.cut.get(cause, 0) + 1
        number = header_fields(connection.waiting[0].decode(errors="replace")).get("34", "?")
        self.say(f"{session.name}: Logon {number} from {connection.address} refused, {CAUSES[cause]}")
        connection.send(session.refuse_stranger(connection.waiting[0], "Logon refused: wrong name or password"))
        connection.close_after_flush()
        connection.read_on()

    # --------------------------------------------------------------------------------------------- turns

    def flush(self) -> None:
        """One send for each client who has something to get, whichever port he came by."""
        self.handshakes_left = HANDSHAKES_PER_TURN_MAX
        with_outbox = self.sessions.with_outbox
        for session in with_outbox:
            if session.connection is not None:
                session.connection.send(session.take_outbox())
        with_outbox.clear()
        while self.dirty:
            _, connection = self.dirty.popitem()
            if connection.closing and not connection.closed and not connection.backlog:
                connection.send(b"")

    def tick(self) -> None:
        """Time limits of connections, and the listener after a pause."""
        now = time.monotonic()
        if not self._listening and now >= self._listen_again_at:
            self.loop.register(self._socket.fileno(), self._accept)
            self._listening = True
        if self._tls is not None:
            self._tls.tick(now)
        for connection in list(self.connections.values()):
            if connection.closing:
                if now >= connection.deadline:
                    connection.close("")
            elif connection.session is not None:
                connection.session.tick()
            elif connection.refusal is not None:
                if now >= connection.refusal.at:
                    self._answer_refused(connection)
            elif now >= connection.deadline:
                connection.close("logon")
            elif connection.header is not None and now >= connection.since + HEADER_SECONDS:
                connection.close("proxy")
            elif connection.handshaking and now >= connection.since + HANDSHAKE_SECONDS:
                connection.close("tls")

    def forget(self, connection: Connection) -> None:
        self.loop.unregister(connection.descriptor)
        if connection.arrived:
            self.admission.leave(connection.address)
        self.connections.pop(connection.descriptor, None)
        self.dirty.pop(connection.descriptor, None)

    def stop_listening(self) -> None:
        if self._listening:
            self.loop.unregister(self._socket.fileno())
            self._listening = False
            self._listen_again_at = float("inf")
        self._socket.close()

    def close_strangers(self) -> None:
        """Cut those who have not logged on."""
        for connection in list(self.connections.values()):
            if connection.session is None:
                connection.close("")

    def give_up(self) -> None:
        """Have nothing of this port keep the process from ending."""
        self._verifier.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Cut what is left."""
        for connection in list(self.connections.values()):
            connection.close("")
        self.loop.unregister(self._wake_reader.fileno())
        self._wake_reader.close()
        self._verifier.shutdown(wait=True, cancel_futures=True)
        self._wake_writer.close()


def connections_possible(wanted: int, others: int = 0) -> int:
    """How many of the connections that are wanted the process has descriptors for, beside `others` of other ports; its limit is
    raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = DESCRIPTORS_KEPT + others
    needed = wanted + kept
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - kept))


def _occupied(session: Session) -> bool:
    """Whether somebody is connected to a session. One who has said good-bye makes room, and one who has hung up: his
    client may be back before the loop comes to see the end of the old connection."""
    connection = session.connection
    if connection is not None:
        connection.read_to_end()
        if connection.closing:
            connection.close("")
    return session.connection is not None


def _hung_up(descriptor: int) -> bool:
    """Whether the other side has closed, be there something to read before that or not."""
    ends = select.poll()
    ends.register(descriptor, select.POLLRDHUP)
    return bool(ends.poll(0))

