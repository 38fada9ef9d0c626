"""A FIX port: listens, cuts what arrives into messages for their sessions, sends what the sessions have. It reads no order.

Everything that a stranger can make grow has a limit here: connections, the bytes of a message, the bytes
that a client has not read, the time until a Logon.
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from fixserver import passwords
from fixserver.frames import Framer, FrameTooLong
from fixserver.loop import READ, WRITE, Loop
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
DESCRIPTORS_KEPT = 64  # for logs, snapshots, metrics, and what the standard library opens


class Connection:
    """One client's socket, with what has been read of it and what is still to be sent."""

    def __init__(self, port: FixPort, sock: socket.socket, address: str) -> None:
        self.port = port
        self.socket = sock
        self.descriptor = sock.fileno()
        self.address = address
        self.framer = Framer(port.listener.frame_bytes_max)
        self.session: Session | None = None
        self.waiting: list[bytes] = []  # messages behind a Logon that is being checked
        self.verifying = False
        self.handshaking = isinstance(sock, ssl.SSLSocket)
        self.deadline = time.monotonic() + port.listener.logon_seconds
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
        if self.handshaking and not self._shake_hands():
            return
        if mask & WRITE:
            self._drain()
        if mask & ~WRITE and not self.closed:
            self._read()

    def _shake_hands(self) -> bool:
        assert isinstance(self.socket, ssl.SSLSocket)
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
            session.detach()


CAUSES = {
    "frame": "a message longer than is taken",
    "slow": "it does not read what it is sent",
    "logon": "no Logon in time",
    "tls": "the TLS handshake failed",
    "full": "too many connections",
    "password": "wrong name or password",
    "unknown": "no such session",
    "in use": "the session is connected already",
}


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
    ) -> None:
        """`password_hashes` is by participant; who has none may not log on. The sessions of `desk` are let in, without one those of
        the desk that is behind most. Raises OSError when the address cannot be bound."""
        self.loop = loop
        self.sessions = sessions
        self.desk = sessions.desk if desk is None else desk
        self.listener = listener
        self.say = say
        self.connections: dict[int, Connection] = {}
        self.connections_max = connections_possible(listener.connections_max)
        if self.connections_max < listener.connections_max:
            say(f"{self.connections_max} connections are taken, not {listener.connections_max}: the process may open no more files")
        self.dirty: dict[int, Connection] = {}
        self.cut: dict[str, int] = {}
        self.read_at = 0.0
        self._password_hashes = password_hashes
        self._known_good: dict[str, bytes] = {}
        self._key = os.urandom(32)
        self._verifier = ThreadPoolExecutor(1, thread_name_prefix="password")
        self._verified: list[tuple[Connection, Session, str, bytes, str, bool]] = []
        self._verifying: dict[str, int] = {}  # how many, by participant
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        loop.register(self._wake_reader.fileno(), self._woken)
        self._tls = _tls_context(listener)
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
            if len(self.connections) >= self.connections_max and not self._make_room():
                self.cut["full"] = self.cut.get("full", 0) + 1
                sock.close()
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            connection = Connection(self, sock, address[0])
            self.connections[connection.descriptor] = connection
            self.loop.register(connection.descriptor, connection.ready)

    def _make_room(self) -> bool:
        """Cut the oldest who has had his time to begin and has not logged on, so that idle strangers keep nobody out."""
        latest = time.monotonic() + self.listener.logon_seconds - STRANGER_SECONDS
        for connection in self.connections.values():
            if connection.session is None and not connection.verifying and connection.deadline <= latest:
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
            return connection.close("unknown")
        if _occupied(session):
            return connection.close("in use")
        fields = dict(pair.split("=", 1) for pair in frame.decode(errors="replace").split("\x01") if "=" in pair)
        username, password = fields.get("553", ""), fields.get("554", "")
        mark = hmac.digest(self._key, password.encode(errors="replace"), hashlib.sha256)
        expected = self._password_hashes.get(session.participant, passwords.DECOY)
        if username != session.participant:
            expected = passwords.DECOY
        elif hmac.compare_digest(self._known_good.get(session.participant, b""), mark):
            return self._admit(connection, session)
        running = self._verifying.get(session.participant, 0)
        if running >= VERIFICATIONS_PER_PARTICIPANT_MAX or sum(self._verifying.values()) >= VERIFICATIONS_MAX:
            return connection.close("password")
        self._verifying[session.participant] = running + 1
        connection.begin_verifying()

        def verify() -> None:
            good = passwords.verify(password, expected) and expected is not passwords.DECOY
            self._verified.append((connection, session, username, mark, expected, good))
            self._wake_writer.send(b"\0")

        self._verifier.submit(verify)
        return None

    def _woken(self, mask: int) -> None:
        self._wake_reader.recv(4096)
        while self._verified:
            connection, session, username, mark, expected, good = self._verified.pop(0)
            self._verifying[session.participant] -= 1
            if not self._verifying[session.participant]:
                del self._verifying[session.participant]
            # Another password, or none, may have been set meanwhile.
            good = good and self._password_hashes.get(session.participant) == expected
            if good:
                self._known_good[username] = mark
            if connection.closed:
                continue
            connection.end_verifying()
            if _occupied(session):
                connection.close("in use")
            elif good:
                self._admit(connection, session)
            else:
                self._refuse(connection, session)
            connection.read_on()

    def _admit(self, connection: Connection, session: Session) -> None:
        connection.session = session
        session.attach(connection)
        frames, connection.waiting = connection.waiting, []
        self.dirty[connection.descriptor] = connection
        session.receive_logon(frames[0])
        session.receive(frames[1:])

    def _refuse(self, connection: Connection, session: Session) -> None:
        """Say Logout, not what was wrong. The number is used up, so that a client who counts is not confused."""
        self.cut["password"] = self.cut.get("password", 0) + 1
        number = header_fields(connection.waiting[0].decode(errors="replace")).get("34", "?")
        self.say(f"{session.name}: Logon {number} from {connection.address} refused, {CAUSES['password']}")
        connection.send(session.refuse_stranger(connection.waiting[0], "Logon refused: wrong name or password"))
        connection.close_after_flush()

    # --------------------------------------------------------------------------------------------- turns

    def flush(self) -> None:
        """One send for each client who has something to get, whichever port he came by."""
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
        for connection in list(self.connections.values()):
            if connection.closing:
                if now >= connection.deadline:
                    connection.close("")
            elif connection.session is None and now >= connection.deadline:
                connection.close("logon")
            elif connection.session is not None:
                connection.session.tick()

    def forget(self, connection: Connection) -> None:
        self.loop.unregister(connection.descriptor)
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


def _tls_context(listener: Listener) -> ssl.SSLContext | None:
    if not listener.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(listener.certificate, listener.private_key or None)
    if listener.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(listener.client_ca)
    return context
