"""Scenarios of the session layer as text, and what plays them against a venue; it knows no rule, the texts have them all.

A file holds scenarios. A line that begins with `==` opens one: its name, then what it shows. Then one step a line:

    connect                     open a connection
    > 0|112=hello               send a message: MsgType, then fields
    < 0|112=hello               the next message has these fields and no other
    <~ 8|11=A1|39=0             the next message has these fields, and maybe more
    >> 8={8}|9={9}|35=0|10={10} send these very bytes; {9} and {10} are worked out
    end                         the venue has closed the connection, and sent nothing before
    cut                         close the connection without a word, and let the venue see it
    quiet                       nothing more comes: a TestRequest's answer is the next message
    silence 0.5                 nothing comes for so many seconds
    over 0                      messages of this MsgType are passed over from now on
    restart | kill              the venue stops in order and starts again | dies and starts again
    second ...                  the step is done by a second client with the same CompIDs

What is sent has a whole header: MsgSeqNum counts up by itself, unless the step says 34, which does not count. Header
fields that a step says replace the usual ones, `tag=-` leaves one out, and `52=now+5` is a time. What is received must have
the next MsgSeqNum, unless the step says another; its CompIDs, BeginString, and SendingTime are always checked. A value `*` is
any value. A step that begins with versions in brackets, `[FIX.4.2 FIX.4.4]`, is for these alone. `#` begins a comment line.

Words in braces: {8} BeginString, {me} the client's CompID, {logon} the fields of a Logon ({logon 1}: with HeartBtInt 1),
{appl} what FIXT adds to its answer, {order ID} and {cancel ID ORIG} bodies of such requests, {now} a time.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.venue import SOH, Ended, Message, Nothing, Venue, cancel, checksum, framed, order, soh, utc, wait_for

STEP_SECONDS = 10.0
CLOCK_SECONDS = 20.0  # that SendingTime may be off
VENUE_COMP_ID = "FIXSERVER"
USUAL = ("8", "9", "35", "49", "56", "52", "10")  # checked by themselves in what is received
RESTARTS = ("restart", "kill")


@dataclass
class Step:
    line: int
    versions: tuple[str, ...]
    words: str
    second: bool = False


@dataclass
class Scenario:
    """`acts` are the steps between restarts of the venue; `restarts` says how it is restarted after each but the last."""

    name: str
    shows: str
    file: Path
    acts: list[list[Step]] = field(default_factory=lambda: [[]])
    restarts: list[str] = field(default_factory=list)

    @property
    def waits(self) -> bool:
        """Whether time has to pass in it."""
        return any("silence" in step.words or "{logon 1}" in step.words for act in self.acts for step in act)


def scenarios_of(path: Path) -> list[Scenario]:
    """The scenarios of a file. ValueError names the line that is none."""
    found: list[Scenario] = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = text.strip()
        if not words or words.startswith("#"):
            continue
        if words.startswith("=="):
            name, _, shows = words[2:].strip().partition(" ")
            found.append(Scenario(name, shows.strip(), path))
            continue
        if not found:
            raise ValueError(f"{path}:{number}: a step before the first `==`")
        if words in RESTARTS:
            found[-1].restarts.append(words)
            found[-1].acts.append([])
            continue
        versions: tuple[str, ...] = ()
        if words.startswith("["):
            inside, _, words = words[1:].partition("]")
            versions, words = tuple(inside.split()), words.strip()
        second = words.startswith("second ")
        step = Step(number, versions, words.removeprefix("second ").strip(), second)
        if step.words.split(" ")[0] not in Player.VERBS:
            raise ValueError(f"{path}:{number}: no such step: {words}")
        found[-1].acts[-1].append(step)
    return found


class Player:
    """Plays a scenario, one act at a time, as one participant on one version."""

    VERBS = (">", ">>", "<", "<~", "connect", "end", "cut", "quiet", "silence", "over")

    def __init__(self, scenario: Scenario, venue: Venue, comp_id: str, begin_string: str) -> None:
        self.scenario, self.venue, self.begin_string, self.comp_id = scenario, venue, begin_string, comp_id
        self.clients = [
            venue.client(comp_id, begin_string, answers_test_requests=False, skips_heartbeats=False) for _ in ("first", "second")
        ]
        self.client = self.clients[0]
        self.over: set[str] = set()
        self.number = 0
        self.played: list[str] = []

    def _is_off(self) -> bool:
        """Whether the venue has seen the end of every connection that was logged on."""
        name, said = f"{self.comp_id}/{self.begin_string}", self.venue.said()
        return said.count(f"{name}: logged on") == said.count(f"{name}: logged out")

    def play(self, act: int) -> None:
        """AssertionError says the step, and everything that went over the wire before."""
        for step in self.scenario.acts[act]:
            if step.versions and self.begin_string not in step.versions:
                continue
            self.client = self.clients[1] if step.second else self.clients[0]
            verb, _, rest = step.words.partition(" ")
            try:
                self._step(verb, rest.strip())
            except (AssertionError, Ended) as error:
                where = f"{self.scenario.file.name}:{step.line}: {step.words}"
                before = "\n  ".join(self.played)
                raise AssertionError(f"{where}\n  {error or repr(error)}\non {self.begin_string}, after\n  {before}") from None

    def end(self) -> None:
        for client in self.clients:
            client.close()

    def _step(self, verb: str, rest: str) -> None:
        client = self.client
        match verb:
            case "connect":
                client.connect()
            case "cut":
                client.close()
                wait_for(self._is_off, f"the end of {self.comp_id}'s connection")
            case ">":
                self._send(self._message(self._put_in(rest)))
            case ">>":
                self._send(self._bytes(self._put_in(rest)))
            case "<" | "<~":
                self._expect(self._put_in(rest), whole=verb == "<")
            case "over":
                self.over.add(rest)
            case "end":
                try:
                    message = self._receive(STEP_SECONDS)
                except Ended:
                    client.close()
                    return
                raise AssertionError(f"got {message}")
            case "quiet":
                self._step(">", f"1|112=quiet-{client.next_out}")
                self._step("<", f"0|112=quiet-{client.next_out - 1}")
            case "silence":
                try:
                    message = self._receive(float(rest))
                except Nothing:
                    return
                except Ended:
                    raise AssertionError("the connection was closed") from None
                raise AssertionError(f"got {message}")

    # ------------------------------------------------------------------------------------------- sending

    def _put_in(self, text: str) -> str:
        """The words in braces."""

        def word(match: re.Match[str]) -> str:
            name, *arguments = match[1].split()
            match name:
                case "8":
                    return self.begin_string
                case "me":
                    return self.comp_id
                case "now":
                    return utc()
                case "logon":
                    return self.client.logon_body(int(arguments[0]) if arguments else 30)[:-1]
                case "appl":
                    return "1137=9" if self.begin_string == "FIXT.1.1" else ""
                case "order":
                    return order(arguments[0])[:-1]
                case "cancel":
                    return cancel(*arguments)[:-1]
            return match[0]

        return re.sub(r"\{([^{}]+)\}", word, text)

    def _message(self, text: str) -> bytes:
        msg_type, _, rest = text.partition("|")
        fields = [part.partition("=")[::2] for part in rest.split("|") if part]
        client = self.client
        header = {"35": msg_type, "34": "", "49": self.comp_id, "56": VENUE_COMP_ID, "52": utc()}
        begin_string = self.begin_string
        body = []
        for tag, value in fields:
            if tag == "8":
                begin_string = value
            elif tag in header and header[tag] != "-" and tag not in body:
                header[tag] = utc(float(value[3:] or 0)) if value.startswith("now") else value
            else:
                body.append(f"{tag}={utc(float(value[3:] or 0)) if value.startswith('now') else value}")
        if not header["34"]:
            header["34"], client.next_out = str(client.next_out), client.next_out + 1
        content = [f"{tag}={value}" for tag, value in header.items() if value != "-"] + body
        return framed(begin_string, soh("|".join(content)))

    def _bytes(self, text: str) -> bytes:
        """The very bytes of a step; {34} counts as the header of `>` does."""
        if "{34}" in text:
            text, self.client.next_out = text.replace("{34}", str(self.client.next_out)), self.client.next_out + 1
        text = text.replace("{52}", utc())
        data = text.encode().replace(b"|", SOH)
        if b"{9}" in data:
            start = data.index(SOH, data.index(b"{9}")) + 1
            data = data.replace(b"{9}", b"%d" % (data.index(b"\x0110=") + 1 - start))
        return data.replace(b"{10}", checksum(data[: data.index(b"10={10}")])) if b"10={10}" in data else data

    def _send(self, data: bytes) -> None:
        self.played.append("> " + data.replace(SOH, b"|").decode(errors="replace"))
        self.client.send_raw(data)

    # ----------------------------------------------------------------------------------------- receiving

    def _receive(self, seconds: float) -> Message:
        """The next message that is not passed over; `self.number` is the number that it should have."""
        end = time.monotonic() + seconds
        while True:
            self.number = self.client.next_in
            message = self.client.receive(end - time.monotonic())
            self.played.append(f"< {message}")
            if message.type not in self.over:
                return message

    def _expect(self, text: str, *, whole: bool) -> None:
        msg_type, _, rest = text.partition("|")
        wanted = [(tag, value) for tag, _, value in (part.partition("=") for part in rest.split("|") if part)]
        try:
            message = self._receive(STEP_SECONDS)
        except Ended:
            raise AssertionError("the connection was closed") from None
        assert message.type == msg_type, f"got {message}"
        self._check_header(message, dict(wanted), self.number)
        got = [(tag.decode(), value.decode()) for tag, value in message.pairs]
        problems = []
        for tag, value in wanted:
            same = [pair for pair in got if pair[0] == tag]
            if value == "-":
                if same:
                    problems.append(f"{tag}={same[0][1]} is there")
            elif not same:
                problems.append(f"{tag}={value} is missing")
            elif value not in ("*", same[0][1]):
                problems.append(f"{tag}={same[0][1]} instead of {value}")
            if same:
                got.remove(same[0])
        if whole:
            problems += [f"{tag}={value} is there" for tag, value in got if tag not in USUAL and tag != "34"]
        assert not problems, f"{'; '.join(problems)}\n  got {message}"

    def _check_header(self, message: Message, wanted: dict[str, str], number: int) -> None:
        assert message[8] == wanted.get("8", self.begin_string), message
        assert (message[49], message[56]) == (VENUE_COMP_ID, wanted.get("56", self.comp_id)), message
        stamp = time.mktime(time.strptime(message[52][:17], "%Y%m%d-%H:%M:%S")) - time.timezone
        assert abs(stamp - time.time()) < CLOCK_SECONDS, f"SendingTime {message[52]}"
        if "34" not in wanted:
            assert message.number == number, f"MsgSeqNum {message.number} instead of {number}: {message}"
