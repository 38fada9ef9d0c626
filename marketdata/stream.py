"""Who follows which topic of the stream, and what each client is sent next; it knows no socket and reads no file.

What happens is gathered, and `flush` puts it out some fifty times a second: one delta for each topic, encoded and framed once, the
same bytes for all who follow it and keep up. Who does not (see pacing) is sent no deltas until it has read, and then a new
snapshot. Snapshots are made in flush as well, behind the deltas, so that a snapshot and the deltas behind it fit without a gap;
their number is limited, and who has to wait for one is sent no deltas until then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from marketdata import shapes
from marketdata.channels import Channel, Channels, Client, Feed, Follower
from marketdata.pacing import RESUME_BYTES, SNAPSHOT_BYTES_QUEUED_MAX, Pace
from marketdata.stream_messages import (
    Error,
    Hello,
    LoggedIn,
    LoggedOut,
    Login,
    Logout,
    Ping,
    Pong,
    Resumed,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
    decode,
    encode,
)
from marketdata.topics import COMMON_DEPTHS, Refused, understand
from marketdata.viewing import Published, Views
from matching.messages import EventBatch

STREAM_SECONDS = 0.02  # between two flushes
MESSAGE_BYTES_MAX = 64 * 1024
TOPICS_MAX = 1_000  # of one client
TOPIC_LENGTH_MAX = 128
UNCOMMON_BOOKS_MAX = 100  # of all clients: books of a depth that few ask for, each of which costs as much as a common one
SNAPSHOT_LINES_MAX = 20_000  # of one: it is made in one go, at some 2 microseconds each
SNAPSHOT_LINES_PER_SECOND = 100_000  # made for all clients, so that deltas go on beside them
SNAPSHOT_LINES_AT_ONCE = 10_000
PRIVATE_SNAPSHOT_COST = 5_000  # as many entries as asking somebody for one counts for
MISTAKES_AT_ONCE_MAX = 100  # messages and topics of a client that are refused; then it is closed
MISTAKES_PER_SECOND = 1.0
LOOK_SECONDS = 1.0  # how often logins, and what nobody follows, are looked at
PING_ID_LENGTH_MAX = 64

POLICY, TRY_AGAIN_LATER = 1008, 1013  # close codes

# What `answer` is given: the snapshot, or None where there cannot be any.
Answer = Callable[[Any], None]


class Stream:
    """The stream of a venue. `framed` makes a WebSocket frame of a payload."""

    def __init__(
        self,
        feed: Feed,
        views: Views,
        *,
        venue: str,
        era: str,
        clock: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
        framed: Callable[[bytes], bytes] = bytes,
    ) -> None:
        """`clock` is monotonic, in seconds."""
        self.feed = feed
        self.views = views
        self.venue = venue
        self.era = era
        self.authenticate: Callable[[str], tuple[str, str] | None] = lambda token: None
        self.deltas_made = 0
        self.frames_sent = 0  # deltas and snapshots, over all clients
        self.snapshots_made = 0
        self.resumed_total = 0
        self.held_total = 0
        self.cut_total = 0
        self.mistakes_total = 0
        self._clock = clock
        self._now_ns = now_ns
        self._framed = framed
        self._looked = self._served = clock()
        self._lines_left = float(SNAPSHOT_LINES_AT_ONCE)  # of snapshots, that may be made now; below zero for the last one
        self._followers: dict[Client, Follower] = {}
        self._channels = Channels(feed, views, era, clock, framed)
        self._waiting: dict[Follower, None] = {}  # who is due something
        self._private: dict[str, Callable[[str, Answer], None]] = {}

    @property
    def clients(self) -> int:
        return len(self._followers)

    @property
    def topics(self) -> int:
        """How many are kept up."""
        return len(self._channels.by_name)

    def add_private(self, topic: str, snapshot: Callable[[str, Answer], None]) -> None:
        """A topic of which each participant has his own. `snapshot` is called with a participant, and calls `answer` at once or
        later, with data that are no older than what was told before; or with None: there is none to be had now."""
        self._private[topic] = snapshot

    # -------------------------------------------------------------------------------------------- clients

    def connect(self, client: Client) -> None:
        self._followers[client] = Follower(client)
        self._send(client, Hello(self.venue, self.era, shapes.iso_time(self._now_ns())))

    def disconnect(self, client: Client) -> None:
        """The client is gone, or to be forgotten: nothing more is sent to it."""
        follower = self._followers.pop(client, None)
        if follower is not None:
            for channel in list(follower.channels):
                self._channels.leave(channel, follower)
            self._waiting.pop(follower, None)

    def receive(self, client: Client, payload: bytes) -> None:
        """A message of a client, whatever it may be. What is wrong is answered; who is wrong too often is closed."""
        follower = self._followers.get(client)
        if follower is None:
            return
        if len(payload) > MESSAGE_BYTES_MAX:
            self._mistake(follower, "too-large", f"a message is at most {MESSAGE_BYTES_MAX} bytes")
            return
        try:
            message = decode(payload)
        except msgspec.ValidationError as error:
            self._mistake(follower, "malformed", f"{error}; see /docs for what can be said here"[:300])
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._mistake(follower, "malformed", "this is not JSON")
            return
        match message:
            case Subscribe(topics):
                self._subscribe(follower, topics)
            case Unsubscribe(topics):
                for name in topics:
                    if client in self._followers:
                        self._unsubscribe(follower, name)
            case Login(token):
                self._login(follower, token)
            case Logout():
                self._log_out(follower)
                self._send(client, LoggedOut())
            case Ping(ping_id):
                if isinstance(ping_id, str) and len(ping_id) > PING_ID_LENGTH_MAX:
                    self._mistake(follower, "malformed", f"an id is at most {PING_ID_LENGTH_MAX} characters")
                else:
                    self._send(client, Pong(ping_id, shapes.iso_time(self._now_ns())))

    def _send(self, client: Client, message: msgspec.Struct) -> None:
        client.send(self._framed(encode(message)))

    def _mistake(self, follower: Follower, code: str, text: str, topic: str | None = None) -> None:
        """Answer what is wrong; a client that does nothing else is closed."""
        self.mistakes_total += 1
        now = self._clock()
        forgiven = (now - follower.mistakes_at) * MISTAKES_PER_SECOND
        follower.mistakes = max(0.0, follower.mistakes - forgiven) + 1
        follower.mistakes_at = now
        if follower.mistakes > MISTAKES_AT_ONCE_MAX:
            self._close(follower, POLICY, "too many messages were wrong")
            return
        self._send(follower.client, Error(code, text, topic if topic is None else _shown(topic)))

    def _close(self, follower: Follower, code: int, reason: str) -> None:
        self.disconnect(follower.client)
        follower.client.close(code, reason)

    # --------------------------------------------------------------------------------------------- logins

    def _login(self, follower: Follower, token: str) -> None:
        found = self.authenticate(token)
        if found is None:
            self._mistake(follower, "bad-token", "the token is none, or has expired: sign in again by POST /v1/login")
            return
        participant, expires = found
        if participant != follower.participant:
            self._log_out(follower)
        follower.participant, follower.token = participant, token
        self._send(follower.client, LoggedIn(participant, expires))

    def _log_out(self, follower: Follower) -> None:
        follower.participant = follower.token = ""
        for channel in [channel for channel in follower.channels if channel.participant]:
            self._channels.leave(channel, follower)
            self._send(follower.client, Unsubscribed(channel.topic.name))

    def _check_logins(self) -> None:
        """A login ends with its token, whyever that did."""
        for follower in list(self._followers.values()):
            if not follower.token:
                continue
            found = self.authenticate(follower.token)
            if found is None or found[0] != follower.participant:
                self._send(follower.client, Error("login-ended", "the login has ended: sign in again by POST /v1/login"))
                self._log_out(follower)

    # -------------------------------------------------------------------------------------- subscriptions

    def _subscribe(self, follower: Follower, topics: list[str | Resumed]) -> None:
        for asked in topics:
            if follower.client not in self._followers:
                return  # closed for too many mistakes
            name, since = (asked, None) if isinstance(asked, str) else (asked.topic, (asked.era, asked.number))
            channel = self._channel(follower, name)
            if isinstance(channel, Refused):
                self._mistake(follower, channel.code, channel.text, name)
                continue
            if channel not in follower.channels:
                self._channels.enter(channel, follower)
            # Who subscribes to what it follows already is sent a new snapshot.
            channel.live.pop(follower, None)
            follower.asked.pop(channel, None)
            follower.due[channel] = since
            self._waiting[follower] = None

    def _channel(self, follower: Follower, name: str) -> Channel | Refused:
        """The channel of that name, for this follower; made if it was not there."""
        if len(name) > TOPIC_LENGTH_MAX:
            return Refused("unknown-topic", f"a topic is at most {TOPIC_LENGTH_MAX} characters")
        participant, understood = "", None
        if name not in self._private:
            found = understand(name, self.feed.depth)
            if isinstance(found, Refused):
                return found
            understood = found
        elif not (participant := follower.participant):
            return Refused("not-signed-in", 'this topic is one\'s own: say {"op": "login", "token": "..."} first')
        channel = self._channels.by_name.get((name, participant))
        if channel is not None and channel in follower.channels:
            return channel
        if len(follower.channels) >= TOPICS_MAX:
            return Refused("too-many-topics", f"a client follows at most {TOPICS_MAX} topics")
        if channel is None:
            if understood is not None and not understood.is_common and self._channels.uncommon >= UNCOMMON_BOOKS_MAX:
                depths = ", ".join(map(str, COMMON_DEPTHS))
                return Refused("too-many-topics", f"too many books of unusual depth are followed; these can always be: {depths}")
            channel = self._channels.open(name, participant, understood)
        source = channel.topic.source
        if source is not None and source.size() > SNAPSHOT_LINES_MAX:
            self._channels.keep_for_a_while(channel)
            return Refused("too-large", f"this has more than {SNAPSHOT_LINES_MAX} lines now: ask for fewer prices, or by price")
        return channel

    def _unsubscribe(self, follower: Follower, name: str) -> None:
        by_name = self._channels.by_name
        channel = by_name.get((name, "")) or by_name.get((name, follower.participant))
        if channel is None or channel not in follower.channels:
            self._mistake(follower, "not-subscribed", "this topic is not subscribed to", name)
            return
        self._channels.leave(channel, follower)
        self._send(follower.client, Unsubscribed(name))

    # ------------------------------------------------------------------------------------- what happens

    def on_record(self, batch: EventBatch, published: list[Published]) -> None:
        """A record of the log, `batch`, was applied to the feed; `published` is what views.publish() said of it."""
        self._channels.on_record(published)

    def keeps(self, topic: str, participant: str) -> bool:
        """Whether anybody follows this private topic, or did and may come back: what is told of it is sent or kept."""
        return (topic, participant) in self._channels.by_name

    def tell(self, topic: str, participant: str, entries: list[Any]) -> None:
        """Something happened in a private topic: what it is, as JSON is to say it."""
        self._channels.tell(topic, participant, entries)

    # ------------------------------------------------------------------------------------ what is sent

    def flush(self) -> None:
        """Put out what happened since the last time, and serve who is due a snapshot. Not while a record is being applied."""
        now = self._clock()
        self._pace(now)
        channels = self._channels
        if channels.touched:
            touched, channels.touched = channels.touched, {}
            for channel in touched:
                self._put_out(channel, now)
        if self._waiting:
            self._serve(now)
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._check_logins()
            channels.forget()

    def _time(self) -> str:
        return shapes.iso_time(self.feed.depth.time)

    def _put_out(self, channel: Channel, now: float) -> None:
        topic, live = channel.topic, channel.live
        before = topic.number
        frame = topic.put_out(self._time(), now)
        if frame is not None:
            self.deltas_made += 1
            self.frames_sent += len(live)
            for send in live.values():
                send(frame)
        elif topic.number != before:  # too much for a delta
            for follower in live:
                follower.due[channel] = None
                self._waiting[follower] = None
            live.clear()

    def _pace(self, now: float) -> None:
        """Hold back or cut who does not read."""
        for follower in list(self._followers.values()):
            queued_bytes = follower.client.queued_bytes
            if queued_bytes <= RESUME_BYTES and not follower.watched:
                continue
            was_held = follower.pacer.held_since is not None
            pace = follower.pacer.pace(queued_bytes, now)
            follower.watched = queued_bytes > RESUME_BYTES
            if pace is Pace.CUT:
                self.cut_total += 1
                self._close(follower, TRY_AGAIN_LATER, "the stream is not being read")
            elif pace is Pace.HOLD and not was_held:
                self.held_total += 1
                follower.asked.clear()
                for channel in follower.channels:
                    channel.live.pop(follower, None)
                    follower.due[channel] = None
                if follower.due:
                    self._waiting[follower] = None

    def _serve(self, now: float) -> None:
        """Send snapshots, and the deltas that who came back has missed, as far as each client reads, in turn."""
        earned = (now - self._served) * SNAPSHOT_LINES_PER_SECOND
        self._lines_left, self._served = min(self._lines_left + earned, SNAPSHOT_LINES_AT_ONCE), now
        for follower in list(self._waiting):
            if self._lines_left <= 0:
                return
            del self._waiting[follower]
            self._serve_one(follower, now)
            if follower.due and follower.client in self._followers:
                self._waiting[follower] = None  # behind the others

    def _serve_one(self, follower: Follower, now: float) -> None:
        if follower.pacer.held_since is not None:
            return
        for channel, since in list(follower.due.items()):
            queued_bytes = follower.client.queued_bytes
            if queued_bytes > SNAPSHOT_BYTES_QUEUED_MAX or self._lines_left <= 0:
                return
            topic = channel.topic
            if since is not None:
                frames = topic.behind(*since, self._time())
                if frames is not None:
                    if not follower.pacer.may_have(len(frames), now):
                        return
                    self.resumed_total += 1
                    self._go_on(follower, channel, frames, queued_bytes)
                    continue
            if topic.source is None:
                if not follower.pacer.may_have(PRIVATE_SNAPSHOT_COST, now):
                    return
                self._ask(follower, channel)
                continue
            size = topic.source.size()
            if not follower.pacer.may_have(size, now):
                return
            if not topic.has_snapshot:
                self.snapshots_made += 1
                self._lines_left -= size
            self._go_on(follower, channel, [topic.snapshot(self._time())], queued_bytes)

    def _go_on(self, follower: Follower, channel: Channel, frames: list[bytes], queued_bytes: int) -> None:
        """Send what comes before the next delta, and from then on the deltas."""
        client = follower.client
        follower.due.pop(channel, None)
        for frame in frames:
            client.send(frame)
        self.frames_sent += len(frames)
        follower.pacer.snapshot_sent(sum(map(len, frames)), queued_bytes)
        follower.watched = True
        channel.live[follower] = client.send

    def _ask(self, follower: Follower, channel: Channel) -> None:
        """Have somebody make the snapshot of a private topic."""
        question = object()
        del follower.due[channel]
        follower.asked[channel] = question

        def answer(data: Any) -> None:
            if follower.asked.get(channel) is not question:
                return  # gone, held back, or asked anew
            del follower.asked[channel]
            if data is None:
                self._channels.leave(channel, follower)
                text = "this cannot be had at the moment: subscribe again in a while"
                self._send(follower.client, Error("unavailable", text, channel.topic.name))
                return
            self._put_out(channel, self._clock())
            self._channels.touched.pop(channel, None)
            self.snapshots_made += 1
            self._go_on(follower, channel, [channel.topic.snapshot_of(data, self._time())], follower.client.queued_bytes)

        self._private[channel.topic.name](channel.participant, answer)


def _shown(name: str) -> str:
    """A topic's name as an answer may carry it."""
    return name if len(name) <= TOPIC_LENGTH_MAX else name[:TOPIC_LENGTH_MAX] + "…"
