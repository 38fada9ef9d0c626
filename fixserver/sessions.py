"""FIX sessions: QuickFIX numbers, validates and answers for them; this module feeds it and takes what it wants to send.

QuickFIX's acceptor is created, which creates the sessions, and never started: it owns no socket and no file.
It remembers numbers, not messages. What goes out is kept in the session log, and a ResendRequest is answered
from there. Application messages are not sent through QuickFIX but numbered by it and written as raw text, which
is several times cheaper. Nothing here knows what an order is.
"""

from __future__ import annotations

import calendar
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import quickfix as fix

from fixserver.datafields import lengths_true
from fixserver.frames import checksum
from fixserver.sessionlog import SessionEntry, SessionLog
from fixserver.traffic import IN, OUT, Traffic

if TYPE_CHECKING:
    from fixserver.port import Connection

SOH = "\x01"
SKIP_AHEAD = 1_000_000  # more than a session can have sent since its log was last synced
SENT_UNNOTED_MAX = 10_000  # messages of a session that may leave before they are noted in the session log
LOST_EPOCH = 1_577_836_800  # 2020-01-01: numbers of sessions whose log is lost count from there
RESENT_BYTES_PER_TURN_MAX = 24_576  # to one session, and one message
RESEND_QUEUED_PART = 4  # a resend waits while this part of what a client may leave unread is waiting
HELD_ADMIN_MAX = 1_000  # messages that QuickFIX made during one resend
RESEND_REQUESTS_MAX = 30  # in RESEND_WINDOW_SECONDS
RESEND_WINDOW_SECONDS = 60.0
STALLED_SECONDS_MAX = 30.0  # QuickFIX asks for a gap once, even if that leads to nothing
AHEAD_MESSAGES_MAX = 20_000  # received beyond a gap that is not filled: QuickFIX keeps them
AHEAD_BYTES_MAX = 8 * 2**20
SESSION_REJECT = "3"
_PASSWORDS = ("554", "925")
BUSINESS_MESSAGE_REJECT = "j"
CLOCK_SECONDS_MAX = 120  # QuickFIX's MaxLatency
REJECT_OTHER_FORMAT = 6  # SessionRejectReason(373): incorrect data format for value
SEQUENCE_NUMBER_MAX = 10**15
UNREADABLE = "\N{REPLACEMENT CHARACTER}"  # stands in a message for what was not UTF-8

VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
_TRAILERS = [b"10=%03d\x01" % value for value in range(256)]


class SettingRefused(Exception):
    """QuickFIX does not take a session setting. `participant` is whose."""

    def __init__(self, participant: str, what: str) -> None:
        super().__init__(what)
        self.participant = participant


@dataclass(frozen=True)
class SessionTerms:
    """One session to be: who (CompIDs), which version, and QuickFIX settings on top of the venue's."""

    participant: str
    begin_string: str
    venue_comp_id: str
    comp_id: str
    quickfix: dict[str, str] = field(default_factory=dict)
    speaks_for_others: bool = False  # whoever it is has asked people who they are, and says for whom each message is

    @property
    def name(self) -> str:
        return f"{self.participant}/{self.begin_string}"


class Desk(Protocol):
    """What sits behind the sessions of a port."""

    def on_logon(self, session: Session) -> None:
        """A session is logged on; `session.logon_fields` is what its Logon said."""

    def on_logout(self, session: Session) -> None:
        """A session that was logged on has ended, in whatever way."""

    def on_message(self, session: Session, text: str) -> None:
        """An application message, valid by the dictionary, in sequence. Only noted: work is done later in the turn."""

    def on_sent(self) -> None:
        """What the turn caused has been given to the sockets."""

    def on_tick(self) -> None:
        """About ten times a second."""


class Session:
    """One FIX session, connected or not."""

    def __init__(self, terms: SessionTerms, sessions: Sessions, desk: Desk, quickfix_id: Any, quickfix_session: Any) -> None:
        self.terms = terms
        self.desk = desk
        self.name = terms.name
        self.participant = terms.participant
        self.begin_string = terms.begin_string
        self.speaks_for_others = terms.speaks_for_others
        self.sessions = sessions
        self.connection: Connection | None = None
        self.logged_on = False
        self.said_logout = False  # since the connection began
        self.logon_fields: dict[str, str] = {}
        self.heard_at = 0  # when (ns) something last came in
        self.trusts_next_logon = False  # its log was lost: the client knows what number comes next
        self._tap = sessions.traffic.tap(terms) if sessions.traffic is not None else None
        self._id = quickfix_id  # QuickFIX needs the object to live
        self._quickfix = quickfix_session
        self._comp_ids = f"{SOH}49={terms.venue_comp_id}{SOH}56={terms.comp_id}{SOH}52="
        self._begin = f"8={terms.begin_string}{SOH}9="
        self._outbox: list[bytes] = []
        self._logged: list[tuple[int, bytes]] = []
        self._numbers_logged = (1, 1)
        self._resend: deque[tuple[int, int, bool]] = deque()  # (first, last, whether sent before), in order
        self._held_from = 0
        self._held_admin: dict[int, bytes] = {}  # what is not in the session log of what is held
        self._resend_times: deque[float] = deque(maxlen=RESEND_REQUESTS_MAX)
        self._ahead = self._ahead_bytes = 0  # messages beyond a gap, of which the highest number is
        self._ahead_last = 0
        self._stalled_at = 0.0  # since when the gap at
        self._stalled_expected = 0  # has not become smaller
        self._expected = 0
        self._open_number = 0  # what QuickFIX counted although it came behind a gap

    # ------------------------------------------------------------------------------------------- sending

    @property
    def queued_bytes(self) -> int:
        """What the client has not read so far."""
        return self.connection.queued_bytes if self.connection else 0

    @property
    def reads(self) -> bool:
        """Whether more may be queued for the client without harm."""
        connection = self.connection
        return connection is None or connection.queued_bytes <= connection.queued_bytes_max // RESEND_QUEUED_PART

    def send(self, msg_type: str, body: str, routing: str = "") -> None:
        """Number and send an application message; while nobody is connected, number and keep it.

        `routing` is header fields and `body` the rest, each field with its SOH.
        """
        quickfix_session = self._quickfix
        number = quickfix_session.getExpectedSenderNum()
        quickfix_session.setNextSenderMsgSeqNum(number + 1)
        content = f"35={msg_type}{SOH}34={number}{self._comp_ids}{self.sessions.now_text}{SOH}{routing}{body}"
        message = finished(self._begin, content)
        if not self._logged:
            self.sessions.touched.append(self)
        self._logged.append((number, message))
        counts = self.sessions.messages_sent
        counts[msg_type] = counts.get(msg_type, 0) + 1
        if self._resend:
            self._held_from = self._held_from or number
        elif self.connection is not None and not self.connection.closing:  # after Logout, nothing: it waits for the next Logon
            if not self._outbox:
                self.sessions.with_outbox.append(self)
            self._outbox.append(message)

    def refusal(self, text: str) -> bytes:
        """A numbered Logout for one who is not let in; he never becomes the session's connection."""
        number = self._quickfix.getExpectedSenderNum()
        self._quickfix.setNextSenderMsgSeqNum(number + 1)
        self.sessions.touched.append(self)
        self.sessions.admin_sent = True
        return finished(self._begin, f"35=5{SOH}34={number}{self._comp_ids}{self.sessions.now_text}{SOH}58={text}{SOH}")

    def refuse_stranger(self, logon: bytes, text: str) -> bytes:
        """refusal() of one who has not proved who he is: the session's owner may want to see that he tried."""
        answer = self.refusal(text)
        if self._tap is not None:
            self._tap.add(self.sessions.time_ns, IN, [logon])
            self._tap.add(self.sessions.time_ns, OUT, [answer])
        return answer

    def reject(self, text: str, reason: int, explanation: str, tag: int = 0) -> None:
        """Refuse a message as the session layer does, Reject(3). `reason` is SessionRejectReason(373)."""
        fields = header_fields(text)
        tag_text = f"371={tag}{SOH}" if tag else ""
        self.send(
            SESSION_REJECT,
            f"45={fields.get('34', '0')}{SOH}{tag_text}372={fields.get('35', '')}{SOH}373={reason}{SOH}58={explanation}{SOH}",
        )

    def send_admin(self, text: str, msg_type: str) -> None:
        """Take a message that QuickFIX has made."""
        self.sessions.admin_sent = True
        counts = self.sessions.messages_sent
        counts[msg_type] = counts.get(msg_type, 0) + 1
        if self not in self.sessions.touched:
            self.sessions.touched.append(self)
        if msg_type == "5":
            self.said_logout = True
        message = text.encode(errors="replace")
        if msg_type in (SESSION_REJECT, BUSINESS_MESSAGE_REJECT):  # says something that a client may want again
            self._logged.append((int(field_of(text, "34") or 0), message))
        if self._resend and msg_type != "5":
            number = int(field_of(text, "34") or 0)
            self._held_from = self._held_from or number
            if msg_type not in (SESSION_REJECT, BUSINESS_MESSAGE_REJECT):
                self._held_admin[number] = message  # a ResendRequest that became a gap fill would never be answered
                if len(self._held_admin) == HELD_ADMIN_MAX:
                    self.sessions.to_log_out.append((self, f"{HELD_ADMIN_MAX} messages asked for during a resend"))
        elif self.connection is not None:
            if not self._outbox:
                self.sessions.with_outbox.append(self)
            self._outbox.append(message)

    def take_outbox(self) -> bytes:
        """Everything that is to go to the socket now."""
        outbox = self._outbox
        if not outbox:
            return b""
        self._outbox = []
        if self._tap is not None:
            self._tap.add(self.sessions.time_ns, OUT, outbox)
        return b"".join(outbox) if len(outbox) > 1 else outbox[0]

    def logout(self, text: str) -> None:
        """Send Logout and end the session."""
        self.sessions.active = self
        self._quickfix.logout(text)
        self._quickfix.next(self.sessions.now)
        if self.connection is not None:
            self.connection.close_after_flush()

    def begin_logout(self, text: str) -> None:
        """Send Logout and wait for the answer, as in an orderly stop."""
        self.sessions.active = self
        self._quickfix.logout(text)
        self._quickfix.next(self.sessions.now)

    # ----------------------------------------------------------------------------------------- receiving

    def attach(self, connection: Connection) -> None:
        """A client who has proved who he is speaks on this connection from now on."""
        assert self.connection is None, "one connection a session"
        self.connection = connection
        self.said_logout = False
        self._ahead = self._ahead_bytes = self._ahead_last = 0
        self._expected = self._quickfix.getExpectedTargetNum()
        self.end_resend()
        self._resend_times.clear()
        self._quickfix.logon()  # lifts an earlier logout()

    def receive_logon(self, frame: bytes) -> None:
        """The first message. When QuickFIX refuses it, what it answered is in the outbox, and the connection closes."""
        text = frame.decode(errors="replace")
        fields = self.logon_fields = dict(pair.split("=", 1) for pair in text.split(SOH)[:-1] if "=" in pair)
        for tag in _PASSWORDS:  # which have been looked at: nobody needs them any more
            fields.pop(tag, None)
        number = fields.get("34", "")
        if self.trusts_next_logon and re.fullmatch("[1-9][0-9]{0,8}", number) and fields.get("141") != "Y":
            self._quickfix.setNextTargetMsgSeqNum(int(number))
        self.trusts_next_logon = False
        self.receive([frame])
        if not self.logged_on and not self._outbox:  # QuickFIX refuses most of them without a word
            self.sessions.with_outbox.append(self)
            self._outbox.append(self.refusal(f"Logon refused: {_logon_problem(fields, self.begin_string)}"))

    def receive(self, frames: list[bytes]) -> None:
        """Messages, in the order in which they came."""
        sessions = self.sessions
        sessions.active = self
        self.heard_at = sessions.time_ns
        if frames and self._tap is not None:
            self._tap.add(sessions.time_ns, IN, frames)
        now, take, connection = sessions.now, self._quickfix.next, self.connection
        assert connection is not None
        count = 0
        for frame in frames:
            if connection.closing:
                break  # after a Logout nothing more is taken
            count += 1
            try:
                text = frame.decode()
            except UnicodeDecodeError:
                text = readable(frame)
            sessions.heard = False
            try:
                if lengths_true(frame):
                    take(text, now)
                else:
                    raise fix.InvalidMessage
            except Exception:  # QuickFIX's own: with checks switched off it raises more than InvalidMessage
                sessions.garbled += 1  # as the specification asks: ignored, and its number stays open
            else:
                if not sessions.heard and self.logged_on and not 0 < _number_of(text) <= SEQUENCE_NUMBER_MAX:
                    self.logout("MsgSeqNum is missing, or not a number")
            if self._open_number:
                if self._quickfix.getExpectedTargetNum() == self._open_number + 1:
                    self._quickfix.setNextTargetMsgSeqNum(self._open_number)
                self._open_number = 0
            if sessions.failure is not None:
                raise sessions.failure
        expected = self._quickfix.getExpectedTargetNum()
        if self._ahead_last or expected != self._expected + count:
            self._look_ahead(frames[:count], expected)
        self._expected = expected
        if not connection.closing and not self._quickfix.isLoggedOn():
            connection.close_after_flush()
        sessions.touched.append(self)

    def _look_ahead(self, frames: list[bytes], expected: int) -> None:
        """Count what came beyond a gap: QuickFIX keeps it until the gap is filled, without a limit."""
        for frame in frames:
            number = _number_of(frame.decode(errors="replace"))
            if number > expected:
                if not self._ahead_last:
                    self._stalled_at = time.monotonic()
                self._ahead_last = max(self._ahead_last, number)
                self._ahead += 1
                self._ahead_bytes += len(frame)
        if expected > self._ahead_last:
            self._ahead = self._ahead_bytes = self._ahead_last = 0
        elif self._ahead > AHEAD_MESSAGES_MAX or self._ahead_bytes > AHEAD_BYTES_MAX:
            self.logout(f"{self._ahead} messages received beyond a gap at {expected}")

    def tick(self) -> None:
        """Heartbeats, TestRequests, time limits."""
        self.sessions.active = self
        if self._ahead_last:
            if self._stalled_expected != self._expected:
                self._stalled_expected, self._stalled_at = self._expected, time.monotonic()
            elif time.monotonic() - self._stalled_at > STALLED_SECONDS_MAX:
                self.logout(f"a gap at {self._expected} was not filled in {STALLED_SECONDS_MAX:g} seconds")
                return
        self._quickfix.next(self.sessions.now)

    def detach(self) -> None:
        """The connection is gone."""
        self.connection = None
        self._outbox.clear()
        self.end_resend()
        self.sessions.active = self
        self._quickfix.disconnect()

    def leave_open(self, number: int) -> None:
        """Expect `number` after the present message, whatever QuickFIX makes of that: it counts Reject and Logout even
        when they come behind a gap, and what was in the gap would never be asked for."""
        self._open_number = number

    # ------------------------------------------------------------------------------------------ resending

    def note_resend_request(self) -> None:
        """A ResendRequest came in; too many of them are a client in a loop."""
        times, now = self._resend_times, time.monotonic()
        if len(times) == RESEND_REQUESTS_MAX and now - times[0] < RESEND_WINDOW_SECONDS:
            self.sessions.to_log_out.append((self, f"more than {RESEND_REQUESTS_MAX} ResendRequests in a minute"))
            times.clear()
        times.append(now)

    def begin_resend(self, first: int, last: int) -> None:
        """Send again what is in the session log, and gap fills for the rest. New messages wait until that is through."""
        if not self._resend:
            self._held_from = 0
        if self._held_from:
            last = min(last, self._held_from - 1)  # what is held comes anyway
        if first <= last:
            # One who asks again for what is still on its way is not sent both.
            while self._resend and self._resend[-1][2] and first <= self._resend[-1][0] and self._resend[-1][1] <= last:
                self._resend.pop()
            self._resend.append((first, last, True))
            self.sessions.resending[self.name] = self

    def end_resend(self) -> None:
        """Nothing is to be sent again any more: the connection is gone, or the numbers begin again."""
        self._resend.clear()
        self._held_from = 0
        self._held_admin.clear()

    def continue_resend(self, messages: Callable[[str, int, int], Iterable[tuple[int, bytes]]]) -> bool:
        """Put the next messages into the outbox, RESENT_BYTES_PER_TURN_MAX of them. True when there are more."""
        room = RESENT_BYTES_PER_TURN_MAX
        if not self._outbox:
            self.sessions.with_outbox.append(self)
        while self._resend and room > 0 and self.connection is not None:
            first, last, sent_before = self._resend.popleft()
            due = first
            held = [] if sent_before else sorted(entry for entry in self._held_admin.items() if first <= entry[0] <= last)
            for number, message in merge(messages(self.name, first, last), held):
                if room <= 0:
                    break
                if number > due:
                    self._outbox.append(self._gap_fill(due, number))
                self._outbox.append(self.sessions.again(self, message) if sent_before else message)
                due = number + 1
                room -= len(message)
            else:
                if due <= last:
                    self._outbox.append(self._gap_fill(due, last + 1))
                due = last + 1
            if due <= last:
                self._resend.appendleft((due, last, sent_before))
            elif not self._resend and self._held_from:
                self._resend.append((self._held_from, self._quickfix.getExpectedSenderNum() - 1, False))
                self._held_from = 0
            elif not self._resend:
                self._held_admin.clear()
        return bool(self._resend)

    def _gap_fill(self, number: int, new_number: int) -> bytes:
        now = self.sessions.now_text
        content = (
            f"35=4{SOH}34={number}{SOH}43=Y{self._comp_ids}{now}{SOH}122={now}{SOH}123=Y{SOH}36={new_number}{SOH}"
        )
        return finished(self._begin, content)

    # -------------------------------------------------------------------------------------------- numbers

    @property
    def numbers(self) -> tuple[int, int]:
        """The numbers that come next: (received, sent)."""
        return self._quickfix.getExpectedTargetNum(), self._quickfix.getExpectedSenderNum()

    def set_numbers(self, next_target: int, next_sender: int) -> None:
        """As the session log has them."""
        self._quickfix.setNextTargetMsgSeqNum(max(next_target, 1))
        self._quickfix.setNextSenderMsgSeqNum(next_sender)
        self._numbers_logged = next_target, next_sender

    def renumber(self, next_target: int, next_sender: int) -> None:
        """Other numbers come next, by the operator's word; nobody is logged on. Noted at the end of the turn. What was sent
        before cannot be asked for any more where the numbers go back."""
        assert self.connection is None or self.connection.closing, "numbers do not change under a client's feet"
        self.end_resend()
        self.trusts_next_logon = False
        if next_sender < self._quickfix.getExpectedSenderNum():
            self._logged.clear()
        self._quickfix.setNextTargetMsgSeqNum(next_target)
        self._quickfix.setNextSenderMsgSeqNum(next_sender)
        self._expected = next_target
        self.sessions.touched.append(self)

    @property
    def unnoted(self) -> int:
        """How many messages of this turn are not in the session log yet."""
        return len(self._logged)

    def skip(self, count: int) -> None:
        """Leave out numbers that may have served already. Noted at the end of the turn."""
        self._quickfix.setNextSenderMsgSeqNum(self._quickfix.getExpectedSenderNum() + count)
        self.sessions.touched.append(self)

    def log_entry(self) -> SessionEntry | None:
        """What the session log is to know of this turn; None when nothing changed."""
        target, sender = self.numbers
        numbers = (0 if self.trusts_next_logon else target), sender
        if numbers == self._numbers_logged and not self._logged:
            return None
        restarted = numbers[1] < self._numbers_logged[1] or (bool(self._logged) and self._logged[0][0] < self._numbers_logged[1])
        messages, self._logged = self._logged, []
        if restarted:  # what was sent before the numbers began again cannot be asked for any more
            messages = [entry for index, entry in enumerate(messages) if all(entry[0] <= later[0] for later in messages[index:])]
        self._numbers_logged = numbers
        return SessionEntry(self.name, *numbers, messages, restarted)


class Sessions(fix.Application):  # type: ignore[misc]
    """All sessions of a process, and the callbacks that QuickFIX makes for them.

    An exception in a callback must not travel through QuickFIX: it is kept in `failure`, and ends the
    process from the loop.
    """

    def __init__(self, desk: Desk, log: SessionLog | None, traffic: Traffic | None = None) -> None:
        """Without a `log`, messages that were sent are forgotten, and resends are gap fills. `traffic` keeps what goes over the
        wire for those who want to look at it."""
        super().__init__()
        self.desk = desk
        self.log = log
        self.traffic = traffic
        self.active: Session | None = None
        self.heard = False  # whether the present message came to a callback
        self.failure: BaseException | None = None
        self.by_name: dict[str, Session] = {}
        self.by_comp_ids: dict[tuple[str, str, str], Session] = {}
        self.touched: list[Session] = []  # in this turn: something received or sent
        self.with_outbox: list[Session] = []
        self.resending: dict[str, Session] = {}
        self.to_log_out: list[tuple[Session, str]] = []
        self.garbled = 0
        self.messages_received: dict[str, int] = {}
        self.messages_sent: dict[str, int] = {}
        self.admin_sent = False  # in this turn
        self._skipped_ahead = False
        # While a start finds out what was sent before it: what numbers skip of sessions that are found, and of all.
        self._skip_found = self._skip_all = 0
        self._restores = False
        self._acceptors: list[Any] = []  # hold the sessions
        self._dictionaries: dict[tuple[str, ...], Any] = {}  # by version and settings
        self.now: Any = None
        self.now_text = ""
        self.time_ns = 0
        self.set_time(time.time_ns())
        self.set_timers()

    def set_time(self, time_ns: int) -> None:
        """The time of this turn, for SendingTime."""
        self.time_ns = time_ns
        self.now_text = utc_text(time_ns, 3)

    def set_timers(self) -> None:
        """The time by which QuickFIX judges heartbeats and SendingTimes; a tick's precision does for both."""
        self.now = fix.UtcTimeStamp()

    # ------------------------------------------------------------------------------------------ creating

    def add(self, terms: Iterable[SessionTerms], dictionaries: Path, desk: Desk | None = None) -> None:
        """Create sessions; may be called again while others are in use. Raises SettingRefused. `desk` is what sits behind them,
        where that is another than behind the rest."""
        added = list(terms)
        settings = fix.SessionSettings()
        identities = []
        reading: set[tuple[str, ...]] = set()  # that read a dictionary of their own in this call
        for one in added:
            identity = fix.SessionID(one.begin_string, one.venue_comp_id, one.comp_id)
            chosen = _settings(one, dictionaries)
            shared = _dictionary_key(one)
            if shared in reading or shared in self._dictionaries:
                chosen["UseDataDictionary"] = "N"
            reading.add(shared)
            try:
                settings.set(identity, _fix_dictionary(chosen))
            except (fix.ConfigError, fix.FieldConvertError) as error:
                raise SettingRefused(one.participant, str(error)) from None
            identities.append(identity)
        stores = fix.NullStoreFactory()
        # QuickFIX's sessions give it their stores back when they go, and Python, when it ends, may destroy it before them.
        stores.thisown = False
        try:
            self._acceptors.append(fix.SocketAcceptor(self, stores, settings))
        except (fix.ConfigError, fix.RuntimeError) as error:
            raise SettingRefused(added[0].participant if len(added) == 1 else "", str(error)) from None
        for one, identity in zip(added, identities, strict=True):
            quickfix_session = fix.Session.lookupSession(identity)
            # QuickFIX copies the dictionary for each session, 50 MB and 0.1 s for FIX 5.0SP2's: have them share one.
            shared = _dictionary_key(one)
            if shared in self._dictionaries:
                quickfix_session.setDataDictionaryProvider(self._dictionaries[shared])
            else:
                self._dictionaries[shared] = quickfix_session.getDataDictionaryProvider()
            session = Session(one, self, self.desk if desk is None else desk, identity, quickfix_session)
            self.by_name[session.name] = session
            self.by_comp_ids[one.begin_string, one.comp_id, one.venue_comp_id] = session
            if self._restores:
                self._restore(session)

    def restore_numbers(self, anything_happened: bool, *, events: int = 0, behind: bool = False) -> list[str]:
        """Set every session's numbers as the session log has them. Returns what there is to say of it.

        Where the log's end may be missing although clients saw what it held, or it is `behind` what is known to
        have been sent, the sender numbers skip ahead: the client asks for the gap, and gets what there is. Where
        there is no log at all although the venue has traded, a client's next Logon says which number he is at,
        and ours is one that cannot have been reached: one message a second since 2020, and two for each of `events`.
        """
        assert self.log is not None
        found = self.log.recovered
        lost = found.lost and anything_happened
        if lost:
            self._skipped_ahead = True
            self._skip_all = int(time.time()) - LOST_EPOCH + 2 * events
        self._restores = True
        for session in self.by_name.values():
            self._restore(session)
        said = list(found.warnings)
        if lost:
            said.append("the session log is missing: sequence numbers go on from the clients' next Logons")
        elif anything_happened and (found.tail_missing or behind):
            said.append(self.skip_ahead(SKIP_AHEAD))
        return said

    def _restore(self, session: Session) -> None:
        assert self.log is not None
        target, sender = self.log.recovered.numbers.get(session.name, (1, 1))
        session.trusts_next_logon = bool(self._skip_all) or not target
        session.set_numbers(target, sender)
        if self._skip_all:
            session.skip(self._skip_all)
        if self._skip_found:
            self._skip(session)

    def restored(self) -> None:
        """The start is over: sessions that are added from now on are new, or go on as the session log has them."""
        self._skip_found = self._skip_all = 0

    def skip_ahead(self, count: int) -> str:
        """Let the sender numbers skip what may have been sent without being logged. Once; returns what there is to say."""
        if self._skipped_ahead:
            return ""
        self._skipped_ahead = True
        self._skip_found = count
        for session in self.by_name.values():
            self._skip(session)
        return f"messages may have been sent that the session log does not know: sequence numbers skip ahead by {count:,}"

    def _skip(self, session: Session) -> None:
        assert self.log is not None
        if session.numbers[1] > 1 or self.log.recovered.tail_missing:
            session.skip(self._skip_found)

    def may_send_unnoted(self) -> bool:
        """Whether what this turn sends may leave before it is noted: few reports, which the journal yields again."""
        return not (self.admin_sent or self.resending or self.to_log_out) and all(
            session.unnoted <= SENT_UNNOTED_MAX for session in self.touched
        )

    # --------------------------------------------------------------------------------------------- turns

    def end_turn(self, reported_event: int) -> None:
        """Note what this turn sent and received in the session log; then resends may go on."""
        while self.to_log_out:
            session, text = self.to_log_out.pop()
            session.logout(text)
        if self.touched:
            if self.log is not None:
                entries = [entry for session in dict.fromkeys(self.touched) if (entry := session.log_entry()) is not None]
                if entries or reported_event != self.log.reported_event:
                    self.log.write(reported_event, entries)
            else:
                for session in self.touched:
                    session.log_entry()
            self.touched.clear()
        elif self.log is not None and reported_event != self.log.reported_event:
            self.log.write(reported_event, [])
        self.admin_sent = False
        for session in self._resendable():
            if not session.continue_resend(self.log.messages if self.log is not None else _no_messages):
                del self.resending[session.name]

    def _resendable(self) -> list[Session]:
        return [session for session in self.resending.values() if session.reads]

    @property
    def busy(self) -> bool:
        """Whether there is something to send without waiting."""
        return bool(self.resending) and bool(self._resendable())

    def again(self, session: Session, message: bytes) -> bytes:
        """A message as it is sent a second time: PossDupFlag, OrigSendingTime, and the present time."""
        text = message.decode()
        body_at = text.index(f"{SOH}35=") + 1
        content = text[body_at : text.rindex(f"{SOH}10=") + 1]
        sent_at = field_of(content, "52") or ""
        content = content.replace(f"{SOH}52={sent_at}{SOH}", f"{SOH}43=Y{SOH}52={self.now_text}{SOH}122={sent_at}{SOH}", 1)
        return finished(session._begin, content)

    def find(self, frame: bytes) -> Session | None:
        """The session that a first message asks for; None when it is no Logon, or not for us."""
        fields = header_fields(frame.decode(errors="replace"))
        if fields.get("35") != "A":
            return None
        return self.by_comp_ids.get((fields.get("8", ""), fields.get("49", ""), fields.get("56", "")))

    # ----------------------------------------------------------------------------------------- callbacks

    def onCreate(self, session_id: Any) -> None:
        pass

    def onLogon(self, session_id: Any) -> None:
        try:
            session = self.active
            assert session is not None
            session.end_resend()  # a client may log on again within a session, to begin the numbers again
            session.logged_on = True
            session.desk.on_logon(session)
        except BaseException as error:
            self.failure = self.failure or error

    def onLogout(self, session_id: Any) -> None:
        try:
            session = self.active
            assert session is not None
            if session.connection is not None:
                session.connection.close_after_flush()
            if session.logged_on:
                session.logged_on = False
                session.desk.on_logout(session)
        except BaseException as error:
            self.failure = self.failure or error

    def toAdmin(self, message: Any, session_id: Any) -> None:
        try:
            self.heard = True
            session = self.active
            assert session is not None
            text = message.toString()
            msg_type = field_of(text, "35") or ""
            if msg_type == "4" and f"{SOH}123=Y{SOH}" in text:
                session.begin_resend(int(field_of(text, "34") or 0), int(field_of(text, "36") or 0) - 1)
            else:
                session.send_admin(text, msg_type)
        except BaseException as error:
            self.failure = self.failure or error

    def toApp(self, message: Any, session_id: Any) -> None:
        """The one application message that QuickFIX makes itself: BusinessMessageReject, where a CompID is missing."""
        try:
            self.heard = True
            session = self.active
            assert session is not None
            text = message.toString()
            refused, counted = _number_of(text, "45"), session.numbers[0] - 1
            if refused != counted:
                session.leave_open(counted)
            content = text[text.index(f"{SOH}35=") + 1 : text.rindex(f"{SOH}10=") + 1]
            content = content.replace(f"{SOH}1137=9{SOH}", SOH)  # which is no field of this message
            session.send_admin(finished(f"8={session.begin_string}{SOH}9=", content).decode(), BUSINESS_MESSAGE_REJECT)
        except BaseException as error:
            self.failure = self.failure or error

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        try:
            self.heard = True
            session = self.active
            assert session is not None
            text = message.toString()
            msg_type = field_of(text, "35") or ""
            self.messages_received[msg_type] = self.messages_received.get(msg_type, 0) + 1
            number, expected = _number_of(text), session.numbers[0]
            if msg_type in ("3", "5") and number != expected:
                session.leave_open(expected)
            elif msg_type == "2":
                session.note_resend_request()
                if not _number_of(text, "7"):
                    raise fix.IncorrectTagValue(7)
            elif msg_type == "4":
                new_number = _number_of(text, "36")
                if new_number > SEQUENCE_NUMBER_MAX or (f"{SOH}123=Y{SOH}" in text and new_number <= expected == number):
                    raise fix.IncorrectTagValue(36)
            elif msg_type == "A" and f"{SOH}108=-" in text:
                raise fix.RejectLogon("HeartBtInt is below zero")
        except (fix.IncorrectTagValue, fix.RejectLogon):
            raise  # QuickFIX makes the answer
        except BaseException as error:
            self.failure = self.failure or error

    def fromApp(self, message: Any, session_id: Any) -> None:
        try:
            self.heard = True
            session = self.active
            assert session is not None
            text = message.toString()
            if UNREADABLE in text:
                session.reject(text, REJECT_OTHER_FORMAT, "the message holds text that is not UTF-8")
            else:
                session.desk.on_message(session, text)
        except BaseException as error:
            self.failure = self.failure or error


def _no_messages(session: str, first: int, last: int) -> list[tuple[int, bytes]]:
    return []


def _dictionary_key(terms: SessionTerms) -> tuple[str, ...]:
    """Sessions of the same key read messages by the same dictionary: some settings are kept in it."""
    return terms.begin_string, *(f"{key}={value}" for key, value in sorted(terms.quickfix.items()))


def _settings(terms: SessionTerms, dictionaries: Path) -> dict[str, str]:
    chosen = {
        "ConnectionType": "acceptor",
        "SocketAcceptPort": "1",  # wanted by QuickFIX, never opened
        "NonStopSession": "Y",
        "UseDataDictionary": "Y",
        "SendRedundantResendRequests": "N",
    }
    if terms.begin_string == "FIXT.1.1":
        chosen["DefaultApplVerID"] = "FIX.5.0SP2"
        chosen["TransportDataDictionary"] = str(dictionaries / "FIXT11.xml")
        chosen["AppDataDictionary"] = str(dictionaries / "FIX50SP2.xml")
    else:
        chosen["DataDictionary"] = str(dictionaries / f"{terms.begin_string.replace('.', '')}.xml")
    return chosen | terms.quickfix


def _fix_dictionary(chosen: dict[str, str]) -> Any:
    settings = fix.Dictionary()
    for key, value in chosen.items():
        settings.setString(key, value)
    return settings


# ----------------------------------------------------------------------------------------------- raw text


def finished(begin: str, content: str) -> bytes:
    """A whole message: BeginString and BodyLength before, CheckSum behind. `begin` ends with `9=`."""
    if content.isascii():
        data = f"{begin}{len(content)}{SOH}{content}".encode()
    else:
        body = content.encode()
        data = f"{begin}{len(body)}{SOH}".encode() + body
    return data + _TRAILERS[checksum(data)]


def field_of(text: str, tag: str) -> str | None:
    """The value of the first field `tag`, behind at least one other field."""
    at = text.find(f"{SOH}{tag}=")
    if at < 0:
        return None
    start = at + len(tag) + 2
    return text[start : text.find(SOH, start)]


def header_fields(text: str) -> dict[str, str]:
    """The fields of a message's beginning, the first of each tag, as far as it can be read as such."""
    fields: dict[str, str] = {}
    for pair in text.split(SOH, 20)[:20]:
        tag, _, value = pair.partition("=")
        fields.setdefault(tag, value)
    return fields


def _number_of(text: str, tag: str = "34") -> int:
    """The value of a field that is a whole number above zero; 0 when it is not there, or no such number."""
    value = field_of(text, tag) or ""
    return int(value) if re.fullmatch("[0-9]{1,20}", value) else 0


def _logon_problem(fields: dict[str, str], begin_string: str) -> str:
    """What is wrong with a Logon that QuickFIX does not take, as far as one can see."""
    for tag, name in (("34", "MsgSeqNum"), ("52", "SendingTime"), ("98", "EncryptMethod"), ("108", "HeartBtInt")):
        if not fields.get(tag):
            return f"{name} is missing"
    if begin_string == "FIXT.1.1" and not fields.get("1137"):
        return "DefaultApplVerID is missing"
    if _number_of(f"{SOH}34={fields['34']}{SOH}") == 0:
        return "MsgSeqNum is not a number above zero"
    try:
        stamp = calendar.timegm(time.strptime(fields["52"].partition(".")[0], "%Y%m%d-%H:%M:%S"))
    except ValueError:
        return "SendingTime is not a time"
    if abs(stamp - time.time()) > CLOCK_SECONDS_MAX:
        return f"SendingTime {fields['52'][:30]} is too far from the time here, {utc_text(time.time_ns(), 3)}"
    return "a field of it is not valid, or the session is closed at this time"


def readable(frame: bytes) -> str:
    """A message that is not UTF-8 with UNREADABLE in place of what is not, its length and checksum put right."""
    text = frame.decode(errors="replace")
    content, found, trailer = frame.rpartition(b"\x0110=")
    body_at = text.find(f"{SOH}35=") + 1
    if not found or not body_at or trailer != _TRAILERS[checksum(content + b"\x01")][3:]:
        return text  # garbled anyway: the session engine will say so
    begin = text[:body_at].rpartition(f"{SOH}9=")[0]
    return finished(f"{begin}{SOH}9=", text[body_at : text.rindex(f"{SOH}10=") + 1]).decode()


_second_cached = (-1, "")
_MILLISECONDS = [f".{value:03d}" for value in range(1000)]


def utc_text(time_ns: int, digits: int) -> str:
    """A FIX UTCTimestamp with `digits` (3 or 6) digits of the second's fraction."""
    global _second_cached
    second, rest = divmod(time_ns, 1_000_000_000)
    if _second_cached[0] != second:
        _second_cached = second, time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(second))
    if digits == 3:
        return _second_cached[1] + _MILLISECONDS[rest // 1_000_000]
    return f"{_second_cached[1]}.{rest // 10 ** (9 - digits):0{digits}d}"
