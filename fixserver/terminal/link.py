"""One FIX session of the terminal, in the loop of asyncio: connected again whenever it falls, until stopped. It reads no message.

Nothing that was sent is ever sent a second time: an order that got lost with a connection must not reach the market when the
connection is back and the market another. What became of it is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Literal, NamedTuple

from fixserver.initiator import ConnectionLost, Initiator, Message, SessionRefused, connect_beside, parse

BEGIN_STRING = "FIXT.1.1"  # FIX 5.0SP2 says most about an order, and is what a client under test uses least
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 3.0)  # before the next attempt; the last again and again
HEARTBEAT_SECONDS = 10
TIMER_SECONDS = 1.0

State = Literal["connecting", "on", "lost", "refused"]


class Place(NamedTuple):
    """Where a venue is, and who logs on. The ports are asked for at each connection: a venue may come back with others."""

    participant: str
    password: str
    exchange_host: str
    exchange_port: Callable[[], int]
    exchange_name: str
    feed_host: str
    feed_port: Callable[[], int]
    feed_name: str
    symbol: str = ""
    tls: ssl.SSLContext | None = None


class Received(Message):
    """The fields of a message by tag, and its whole `text`, which has the groups as well."""

    text: str


def read(frame: bytes) -> Received:
    message = Received(parse(frame))
    message.text = frame.decode("utf-8", "replace")
    return message


class Link:
    """A session of `sender` at `target`. `on_state` is told of each change, with the reason; `on_message` of each message in its
    order; both in the loop. A venue that refuses the first Logon ends it: `state` is "refused" then, and there it stays."""

    def __init__(
        self, host: str, port: Callable[[], int], sender: str, target: str, password: str, *,
        on_state: Callable[[State, str], None], on_message: Callable[[Received], None], tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self._tls = tls
        self._host, self._port, self._names, self._password = host, port, (sender, target), password
        self._on_state, self._on_message = on_state, on_message
        self._initiator: Initiator | None = None  # the session, whether connected or not
        self._descriptor = -1
        self._ended: asyncio.Future[str] | None = None
        self._task: asyncio.Task[None] | None = None
        self.state: State = "connecting"
        self.logons = 0

    @property
    def is_on(self) -> bool:
        return self.state == "on"

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Log out of what is logged on, without waiting for long."""
        task, self._task = self._task, None
        initiator = self._initiator
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if initiator is not None and initiator.connected:
            await asyncio.get_running_loop().run_in_executor(None, initiator.log_out, 1.0)

    def send(self, msg_type: str, body: str) -> bool:
        """Send a message; `body` is what follows the header. False where the session is not there to take it."""
        initiator = self._initiator
        if initiator is None or not initiator.logged_on:
            return False
        initiator.send(msg_type.encode(), body.encode())
        self._guarded(initiator.flush)
        return self.is_on

    # ----------------------------------------------------------------------------------------------- connection

    async def _run(self) -> None:
        failures = 0
        while True:
            logons = self.logons
            try:
                why = await self._connection()
            except ConnectionLost as error:
                why = str(error)
            except SessionRefused as error:
                why = str(error)
                self._initiator = None  # its numbers are of no use any more: the next begins at 1
                if not self.logons:
                    self._set("refused", why)
                    return
            failures = 0 if self.logons > logons else failures + 1
            self._set("lost", why)
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])

    def _set(self, state: State, why: str = "") -> None:
        self.state = state
        self._on_state(state, why)

    async def _connection(self) -> str:
        """One connection from its beginning to its end, of which it says why. Raises ConnectionLost, SessionRefused."""
        try:
            port = self._port()
        except Exception as error:  # a file of the venue that is not there while it starts
            raise ConnectionLost(str(error)) from None
        initiator = self._initiator
        if initiator is None:
            initiator = self._initiator = Initiator(
                self._host, port, *self._names, self._password, begin=BEGIN_STRING, heartbeat_seconds=HEARTBEAT_SECONDS,
                sent_kept_max=0, reads=read, tls=self._tls,
            )  # fmt: skip
        initiator.port = port
        loop = asyncio.get_running_loop()
        await connect_beside(initiator)
        self._ended, self._descriptor = loop.create_future(), initiator.fileno()
        loop.add_reader(self._descriptor, self._guarded, self._receive)
        try:
            while not self._ended.done():
                await asyncio.wait([self._ended], timeout=TIMER_SECONDS)
                if not self._ended.done():
                    self._guarded(initiator.on_timer)
            return self._ended.result()
        finally:
            self._forget()

    def _receive(self) -> None:
        initiator = self._initiator
        assert initiator is not None
        messages = initiator.receive()
        if initiator.logged_on and self.state != "on":
            self.logons += 1
            self._set("on")
        for message in messages:
            assert isinstance(message, Received)
            self._on_message(message)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do something with the connection; where it fails, that is its end. What is left to be written goes when it can."""
        initiator, ended = self._initiator, self._ended
        if initiator is None or ended is None or ended.done():
            return
        try:
            step()
            initiator.flush()
        except SessionRefused as error:
            ended.set_exception(error)
        except ConnectionLost as error:
            ended.set_result(str(error))
        if ended.done():
            self._forget()
            return
        loop = asyncio.get_running_loop()
        if initiator.wants_to_write:
            loop.add_writer(self._descriptor, self._guarded, initiator.flush)
        else:
            loop.remove_writer(self._descriptor)

    def _forget(self) -> None:
        """The descriptor is not ours any more."""
        if self._descriptor >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._descriptor)
            loop.remove_writer(self._descriptor)
            self._descriptor = -1
