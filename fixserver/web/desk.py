"""The web's FIX session at the exchange: sends the requests of people who are signed in, each in his name, and waits for the
answers. It knows no order and no rule; what comes that nobody waits for is left to the event log.

Each connection begins a new session, with numbers from 1: nothing that was asked before is sent again behind the back of who
asked, when the connection is back and the market another.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from fixserver import websecret
from fixserver.addresses import fix_port, host_of
from fixserver.addressing import Addresses
from fixserver.config import Config, ConfigError, Listener
from fixserver.initiator import ConnectionLost, Initiator, Message, SessionRefused, connect_beside

ANSWER_SECONDS = 5.0
WAITING_MAX = 1_000  # requests without an answer
WAITING_OF_ONE_MAX = 100  # of a participant
BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # before the next attempt to connect; the last again and again
HEARTBEAT_SECONDS = 10
TIMER_SECONDS = 1.0
SENT_KEPT_MAX = 1_000  # for a resend within a connection
BEGIN_STRING = "FIXT.1.1"  # FIX 5.0SP2 has the most reasons for a refusal


NEW_ORDER, REPLACE, CANCEL, MASS_CANCEL = "D", "G", "F", "q"
EXECUTION_REPORT, CANCEL_REJECT, MASS_CANCEL_REPORT, BUSINESS_REJECT, REJECT = "8", "9", "r", "j", "3"
# ExecType(150) of the report that answers a request. Other reports with its ClOrdID are of later, or of an older order.
_ANSWERS = {NEW_ORDER: ("0", "8", "I"), REPLACE: ("5",), CANCEL: ("4",), MASS_CANCEL: ()}

Fields = Iterable[tuple[str, str]]  # tag and value

log = logging.getLogger("fixserver.web")


class DeskError(Exception):
    """A request has no answer of the venue's.

    DeskError
    ├── NotConnected   it was not sent
    ├── TooManyWait    it was not sent: too many others wait for answers
    ├── AlreadyAsked   it was not sent: one with its ClOrdID waits for its answer
    └── NoAnswer       it was sent: what became of it, the event log will tell
    """


class NotConnected(DeskError):
    pass


class TooManyWait(DeskError):
    pass


class AlreadyAsked(DeskError):
    pass


class NoAnswer(DeskError):
    pass


class _Request:
    """One that waits for its answer."""

    __slots__ = ("answer", "kind", "number")

    def __init__(self, kind: str, number: int, answer: asyncio.Future[Message]) -> None:
        self.kind = kind
        self.number = number
        self.answer = answer


class OrderDesk:
    """The session WEB of the exchange whose data are in `data`. `start` and `stop` are called in a running event loop.

    Every request is a participant's, who has been asked for his password before: nothing here looks at that. A value that is no
    plain text is a ValueError.
    """

    def __init__(self, config: Config, data: Path) -> None:
        self._config, self._data = config, data
        self._initiator: Initiator | None = None
        self._descriptor = -1
        self._ended: asyncio.Future[str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._requests: dict[tuple[str, str], _Request] = {}  # by participant and ClOrdID
        self._by_number: dict[int, tuple[str, str]] = {}
        self._of: Counter[str] = Counter()
        self._said = ""
        self._prefix = f"W{time.time_ns() // 10**6:x}"  # no process of this desk begins twice in a millisecond
        self._numbers = itertools.count(1)
        self.logons_total = 0
        self.requests_total = 0
        self.unanswered_total = 0

    @property
    def connected(self) -> bool:
        """Whether requests can be sent."""
        return self._initiator is not None and self._initiator.logged_on

    @property
    def waiting(self) -> int:
        return len(self._requests)

    def new_id(self) -> str:
        """A ClOrdID that nobody has used, here or before."""
        return f"{self._prefix}-{next(self._numbers)}"

    # ---------------------------------------------------------------------------------------------- requests

    async def enter(self, participant: str, cl_ord_id: str, fields: Fields) -> Message:
        """NewOrderSingle(D); `fields` are those but ClOrdID and TransactTime. Returns the message that answers it: 8, j or 3.
        Raises DeskError."""
        return await self._ask(NEW_ORDER, participant, cl_ord_id, fields)

    async def replace(self, participant: str, cl_ord_id: str, fields: Fields) -> Message:
        """OrderCancelReplaceRequest(G), answered by 8, 9, j or 3. Raises DeskError."""
        return await self._ask(REPLACE, participant, cl_ord_id, fields)

    async def cancel(self, participant: str, cl_ord_id: str, fields: Fields) -> Message:
        """OrderCancelRequest(F), answered by 8, 9, j or 3. Raises DeskError."""
        return await self._ask(CANCEL, participant, cl_ord_id, fields)

    async def mass_cancel(self, participant: str, cl_ord_id: str, fields: Fields) -> Message:
        """OrderMassCancelRequest(q), answered by r, j or 3. Raises DeskError."""
        return await self._ask(MASS_CANCEL, participant, cl_ord_id, fields)

    async def _ask(self, kind: str, participant: str, cl_ord_id: str, fields: Fields) -> Message:
        initiator, key = self._initiator, (participant, cl_ord_id)
        if initiator is None or not initiator.logged_on:
            raise NotConnected("the exchange cannot be reached now")
        if key in self._requests:
            raise AlreadyAsked(f"a request with ClOrdID {cl_ord_id} waits for its answer")
        if len(self._requests) >= WAITING_MAX or self._of[participant] >= WAITING_OF_ONE_MAX:
            raise TooManyWait("too many requests wait for the exchange's answer")
        now = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())
        # OnBehalfOfCompID comes first: it belongs to the header.
        body = _encoded([("115", participant), ("11", cl_ord_id), *fields, ("60", now)])
        number = initiator.next_out
        request = _Request(kind, number, asyncio.get_running_loop().create_future())
        self._requests[key] = request
        self._by_number[number] = key
        self._of[participant] += 1
        self.requests_total += 1
        try:
            self._guarded(initiator, lambda: initiator.send(kind.encode(), body))
            async with asyncio.timeout(ANSWER_SECONDS):
                return await request.answer
        except TimeoutError:
            self.unanswered_total += 1
            raise NoAnswer(f"the exchange has not answered within {ANSWER_SECONDS:g} s") from None
        finally:
            del self._requests[key]
            self._by_number.pop(number, None)
            self._of[participant] -= 1
            if not self._of[participant]:
                del self._of[participant]

    # -------------------------------------------------------------------------------------------- connection

    def start(self) -> None:
        """Connect, and do so again whenever the connection is lost, until stop()."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        failures = 0
        while True:
            logged_on_before = self.logons_total
            try:
                why = await self._connection()
            except (ConnectionLost, SessionRefused, websecret.SecretMissing, ConfigError, OSError) as error:
                why = str(error)
            if self.logons_total > logged_on_before:
                failures = 0
            self._say(f"order entry: {why}")
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            failures += 1

    def _say(self, what: str) -> None:
        if what != self._said:  # each new trouble once
            self._said = what
            log.info("%s", what)

    async def _connection(self) -> str:
        """One connection from its beginning to its end, of which it says why. Raises what keeps it from beginning."""
        config = self._config
        initiator = Initiator(
            host_of(config.exchange), fix_port(config, self._data, "exchange"), config.web.comp_id, config.venue.name,
            websecret.read(self._data), begin=BEGIN_STRING, heartbeat_seconds=HEARTBEAT_SECONDS, sent_kept_max=SENT_KEPT_MAX,
            tls=_tls_context(config.exchange),
            balancers=Addresses(config.exchange.proxy_from),
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        await connect_beside(initiator)
        ended: asyncio.Future[str] = loop.create_future()
        self._initiator, self._ended, self._descriptor = initiator, ended, initiator.fileno()
        loop.add_reader(self._descriptor, self._readable, initiator)
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=TIMER_SECONDS)
                if not ended.done():
                    self._guarded(initiator, initiator.on_timer)
            return ended.result()
        finally:
            self._end(initiator, "")

    def _readable(self, initiator: Initiator) -> None:
        was_logged_on = initiator.logged_on

        def read() -> None:
            for message in initiator.receive():
                self._take(message)

        self._guarded(initiator, read)
        if initiator.logged_on and not was_logged_on:
            self.logons_total += 1
            self._say("order entry: connected to the exchange")

    def _guarded(self, initiator: Initiator, step: Callable[[], None]) -> None:
        """Do something with the connection; where it fails, that is its end. What is left to be written goes when it can."""
        if initiator is not self._initiator:
            return
        try:
            step()
            initiator.flush()
        except (ConnectionLost, SessionRefused) as error:
            self._end(initiator, str(error))
            return
        loop = asyncio.get_running_loop()
        if initiator.wants_to_write:
            loop.add_writer(self._descriptor, self._guarded, initiator, initiator.flush)
        else:
            loop.remove_writer(self._descriptor)

    def _end(self, initiator: Initiator, why: str) -> None:
        """The connection is over: who waits for an answer gets none."""
        if initiator is not self._initiator:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._descriptor)
        loop.remove_writer(self._descriptor)
        self._initiator = None
        initiator.disconnect()
        for request in self._requests.values():
            if not request.answer.done():
                self.unanswered_total += 1
                request.answer.set_exception(NoAnswer("the connection to the exchange was lost before it answered"))
        self._by_number.clear()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(why)

    def _take(self, message: Message) -> None:
        """Give an answer to who waits for it."""
        msg_type = message["35"]
        if msg_type in (BUSINESS_REJECT, REJECT):
            key = self._by_number.get(int(message.get("45", "0")))
        else:
            key = message.get("128", ""), message.get("11", "")
        request = self._requests.get(key) if key is not None else None
        if request is None or request.answer.done():
            return
        if msg_type == EXECUTION_REPORT and message.get("150") not in _ANSWERS[request.kind]:
            return
        if msg_type not in (EXECUTION_REPORT, CANCEL_REJECT, MASS_CANCEL_REPORT, BUSINESS_REJECT, REJECT):
            return
        request.answer.set_result(message)


def _tls_context(listener: Listener) -> ssl.SSLContext | None:
    """For a port that speaks TLS: it is to have the very certificate that is configured, and is shown that where it asks for one.
    Raises OSError."""
    if not listener.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the certificate is known, whatever name is in it
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(listener.certificate)
    context.load_cert_chain(listener.certificate, listener.private_key or None)
    return context


def _encoded(fields: list[tuple[str, str]]) -> bytes:
    """As the body of a message. Raises ValueError for a value in which there is what could be read as another field."""
    for tag, value in fields:
        if not value or not value.isascii() or not value.isprintable():
            raise ValueError(f"{tag}: is not a text that can be sent")
    return "".join(f"{tag}={value}\x01" for tag, value in fields).encode()
