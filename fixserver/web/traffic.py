"""The topic `traffic`: a participant's own FIX messages, at the exchange and at the feed, decoded; it shows nobody those of
another, and no password.

Those of the exchange are read from its socket, over one connection for each participant whom somebody follows. What
comes faster than it is decoded here is missed, and said to be: a page cannot show it, and a feed has other things to do.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from operator import attrgetter
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import msgspec

from fixserver.fixdecode import Decoder, Message, message
from fixserver.traffic import Traffic as Taps
from fixserver.traffic_port import SOCKET_NAME, starred
from marketdata.shapes import iso_time
from marketdata.stream import Stream

TRAFFIC = "traffic"
AT_THE_FEED = " market data"  # behind the name of a session there
KEPT = 200  # messages of a session, for a snapshot
KEPT_BYTES = 131_072  # of them, as raw text
SNAPSHOT_BYTES = 262_144  # of raw text, of all sessions together: some five times as much JSON
SESSIONS_MAX = 16  # of a participant; the first ones
MESSAGES_PER_SECOND = 300  # of a participant
BURST = 300
DECODED_AT_A_TIME = 50  # before others of the event loop have their turn
READ_BYTES = 32_768  # what has not been read waits at the exchange, which then drops what it must
LINE_BYTES_MAX = 1 << 20
WAIT_SECONDS = 0.05  # until one who has had his share may go on
BACKOFF_SECONDS = (0.1, 0.5, 2.0)  # before the next attempt to connect

Answer = Callable[[Any], None]

log = logging.getLogger("fixserver.web")


class Messages(msgspec.Struct, frozen=True):
    """The snapshot: the last of each session, oldest first."""

    messages: list[Message]


class Dropped(msgspec.Struct, frozen=True):
    """An entry in the place of so many messages that came too fast to be shown."""

    dropped: int


class _Line(msgspec.Struct):
    """What the exchange's socket says: a message, or one of the others."""

    time: int = 0
    session: str = ""
    direction: str = ""
    raw: str = ""
    live: bool = False
    dropped: int = 0
    error: str = ""


_decode_line = msgspec.json.Decoder(_Line).decode


class TrafficDesk:
    """Adds the topic to `stream`. `feed` are the taps of the sessions of this process; `tick` is called some fifty times a
    second."""

    def __init__(self, stream: Stream, data: Path, dictionaries: Path, feed: Taps) -> None:
        self.decoder = Decoder(dictionaries)
        self.feed = feed
        self.path = data / SOCKET_NAME
        self.stream = stream
        self._followed: dict[str, _Followed] = {}
        stream.add_private(TRAFFIC, self._snapshot)

    def _snapshot(self, participant: str, answer: Answer) -> None:
        followed = self._followed.get(participant)
        if followed is None:
            followed = self._followed[participant] = _Followed(self, participant)
        followed.ask(answer)

    def tick(self) -> None:
        """Look at the sessions of the feed, and let go of whom nobody follows any more."""
        for participant, followed in list(self._followed.items()):
            if self.stream.keeps(TRAFFIC, participant):
                followed.look_at_feed()
            else:
                del self._followed[participant]
                followed.close()

    async def stop(self) -> None:
        for followed in self._followed.values():
            await followed.stop()
        self._followed.clear()


class _Kept:
    """The last messages of a session."""

    __slots__ = ("bytes", "messages")

    def __init__(self) -> None:
        self.messages: deque[tuple[int, Message]] = deque()  # with the time in ns
        self.bytes = 0

    def add(self, time_ns: int, one: Message) -> None:
        self.messages.append((time_ns, one))
        self.bytes += len(one.raw)
        while len(self.messages) > KEPT or (self.bytes > KEPT_BYTES and len(self.messages) > 1):
            self.bytes -= len(self.messages.popleft()[1].raw)

    def has(self, line: _Line) -> bool:
        """Whether a message has been here already; one that is older than all that are has."""
        if not self.messages or line.time > self.messages[-1][0]:
            return False
        if line.time < self.messages[0][0]:
            return True
        raw = line.raw.replace("\x01", "|")
        return any(time_ns == line.time and one.raw == raw for time_ns, one in self.messages)


class _Followed:
    """A participant of whom somebody follows the traffic."""

    def __init__(self, desk: TrafficDesk, participant: str) -> None:
        self._desk, self._participant = desk, participant
        self._kept: dict[str, _Kept] = {}
        self._asked: list[Answer] = []
        self._ready = False  # what was kept has been read
        self._read: dict[str, int] = {}  # of the feed's sessions
        self._allowed, self._refilled = float(BURST), time.monotonic()
        self._said = ""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def ask(self, answer: Answer) -> None:
        if self._ready:
            answer(self._messages())
        else:
            self._asked.append(answer)

    def close(self) -> None:
        self._task.cancel()

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def _messages(self) -> Messages:
        kept = [[one for _, one in session.messages] for session in self._kept.values()]
        found: deque[Message] = deque()
        room = SNAPSHOT_BYTES
        for one in heapq.merge(*map(reversed, kept), key=attrgetter("time"), reverse=True):
            room -= len(one.raw)
            if room < 0:
                break
            found.appendleft(one)
        return Messages(list(found))

    def _is_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self.look_at_feed()
            asked, self._asked = self._asked, []
            for answer in asked:
                answer(self._messages())

    # ------------------------------------------------------------------------------------------------ messages

    def _may(self) -> bool:
        """Whether another message may be decoded now."""
        now = time.monotonic()
        self._allowed = min(self._allowed + (now - self._refilled) * MESSAGES_PER_SECOND, BURST)
        self._refilled = now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

    def _take(self, time_ns: int, session: str, direction: str, raw: str) -> Message | None:
        """Keep a message, decoded; None where there is no room for its session."""
        kept = self._kept.get(session)
        if kept is None:
            if len(self._kept) >= SESSIONS_MAX:
                return None
            kept = self._kept[session] = _Kept()
        one = message(iso_time(time_ns), session, direction, raw, self._desk.decoder.decode(raw))
        kept.add(time_ns, one)
        return one

    def _tell(self, entries: list[Any]) -> None:
        self._desk.stream.tell(TRAFFIC, self._participant, entries)

    def look_at_feed(self) -> None:
        """What his sessions of the feed have said and heard since."""
        if not self._ready:
            return
        entries: list[Any] = []
        for one in self._desk.feed.of(self._participant):
            read = self._read.get(one.session, 0)
            if read == one.count:
                continue
            session = one.session + AT_THE_FEED
            if read < one.gone:
                if read or session in self._kept:
                    entries.append(Dropped(one.gone - read))
                read = one.gone
            for first, time_ns, direction, raws in one.behind(read, one.count):
                for number, raw in enumerate(raws, first):
                    if not self._may():
                        break
                    taken = self._take(time_ns, session, direction, starred(raw).decode(errors="replace"))
                    read = number
                    if taken is not None:
                        entries.append(taken)
                else:
                    continue
                break
            self._read[one.session] = read
        if entries:
            self._tell(entries)

    # ------------------------------------------------------------------------------------------------ the exchange

    async def _run(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(None, self._desk.decoder.load)
        except (OSError, ParseError) as error:
            log.error("traffic: the dictionaries cannot be read: %s", error)
            for answer in self._asked:
                answer(None)
            return
        failures = 0
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._desk.path), limit=READ_BYTES)
            except OSError:
                pass  # the exchange is not there
            else:
                failures = 0
                try:
                    writer.write(msgspec.json.encode({"participant": self._participant}) + b"\n")
                    await self._read_exchange(_lines(reader))
                except (OSError, ValueError, msgspec.DecodeError) as error:
                    if str(error) != self._said:  # each new trouble once
                        self._said = str(error)
                        log.info("traffic of %s: %s", self._participant, error)
                finally:
                    writer.close()
            self._is_ready()
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            failures += 1

    async def _read_exchange(self, lines: AsyncIterator[_Line]) -> None:
        """One connection, until it ends. Raises OSError, ValueError, DecodeError."""
        await self._take_kept(lines)
        self._is_ready()
        async for said in lines:
            if said.dropped:
                self._tell([Dropped(said.dropped)])
            if said.raw:
                while not self._may():
                    await asyncio.sleep(WAIT_SECONDS)  # what has no room at the exchange meanwhile is dropped there
                taken = self._take(said.time, said.session, said.direction, said.raw)
                if taken is not None:
                    self._tell([taken])

    async def _take_kept(self, lines: AsyncIterator[_Line]) -> None:
        """What the exchange has kept. Of that, after another connection, what is new; and no more than is kept here."""
        found: dict[str, deque[_Line]] = {}
        async for said in lines:
            if said.live:
                break
            if said.raw and (said.session in found or len(found) < SESSIONS_MAX):
                found.setdefault(said.session, deque(maxlen=KEPT)).append(said)
        for count, said in enumerate(heapq.merge(*found.values(), key=attrgetter("time"))):
            if count % DECODED_AT_A_TIME == 0:
                await asyncio.sleep(0)
            kept = self._kept.get(said.session)
            if kept is not None and kept.has(said):
                continue
            taken = self._take(said.time, said.session, said.direction, said.raw)
            if taken is not None and self._ready:
                self._tell([taken])


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[_Line]:
    """What the exchange says, without lines that are too long. Raises OSError, ValueError where it refuses, DecodeError."""
    rest, count = b"", 0
    while data := await reader.read(READ_BYTES):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            count += 1
            if count % DECODED_AT_A_TIME == 0:
                await asyncio.sleep(0)
            if len(line) > LINE_BYTES_MAX:
                yield _Line(dropped=1)
                continue
            said = _decode_line(line)
            if said.error:
                raise ValueError(said.error)
            yield said
        if len(rest) > LINE_BYTES_MAX:
            rest = rest[: LINE_BYTES_MAX + 1]  # and what follows of it is thrown away, when it has come
