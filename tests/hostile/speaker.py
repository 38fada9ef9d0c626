"""A client that says anything, and accounts for each message: answered, ignored with its number healed, or the session ended."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.venue import SOH, Client, Ended, Message, Nothing, Venue, framed, soh, utc

BATCH = 200
ANSWER_SECONDS = 20.0
LATE = ("35=AD|", "35=J|")  # the log has to be read for them: what is asked next may be answered before


@dataclass
class Tally:
    """What became of what was said. `unanswered` must stay empty."""

    said: int = 0
    rejected: int = 0  # by the session layer
    refused: int = 0  # by the application
    taken: int = 0  # an order, or a state of one
    garbled: int = 0
    silent: int = 0  # taken in sequence, without an answer
    ended: int = 0  # sessions
    unanswered: list[str] = field(default_factory=list)


def question(cl_ord_id: str) -> str:
    """The body of an OrderStatusRequest for what is not there. Its answer comes behind the answers to all before it."""
    return f"37=x|11={cl_ord_id}|55=AAPL|54=1|"


def _asks_for_silence(msg_type: str, body: bytes) -> bool:
    """Whether a message is taken without an answer: one about quotes that wants none, and the end of what never began."""
    fields = SOH + body
    return (msg_type in ("i", "Z") and b"\x01301=0\x01" in fields) or (msg_type in ("e", "g") and b"\x01263=2\x01" in fields)


def _is_one_of_several(answer: Message) -> bool:
    """A report to a mass status request, but the last; of an order of a list, which a ListStatus follows."""
    return answer.get(912) == "N" or (answer.type == "8" and 66 in answer.fields)


class Speaker:
    """One participant on one version."""

    def __init__(self, venue: Venue, comp_id: str, begin_string: str) -> None:
        self.client: Client = venue.client(comp_id, begin_string, answers_test_requests=False, skips_heartbeats=False)
        self.begin_string, self.comp_id = begin_string, comp_id
        self.tally = Tally()
        self.answers: list[Message] = []  # of the last batch
        self._count = itertools.count(1)
        self.client.logon(reset=True)

    def name(self) -> str:
        """An identifier that was not used before."""
        return f"{self.comp_id}{next(self._count)}"

    def say_all(self, messages: Iterable[tuple[str, str | bytes]]) -> None:
        """Send (MsgType, body) in batches, all of which must be answered: `ID` in a body becomes an identifier."""
        todo = list(messages)
        for first in range(0, len(todo), BATCH):
            self._batch(todo[first : first + BATCH])

    def _batch(self, messages: list[tuple[str, str | bytes]]) -> None:
        client = self.client
        open_numbers: dict[int, str] = {}
        by_name: dict[str, int] = {}
        data = []
        for msg_type, body in messages:
            name, number = self.name(), client.next_out
            raw = soh(body.replace("ID", name) if isinstance(body, str) else body.replace(b"ID", name.encode()))
            data.append(client.build(msg_type, raw.replace(SOH, b"|")))
            if not _asks_for_silence(msg_type, raw):
                open_numbers[number] = f"35={msg_type}|{raw[:300].replace(SOH, b'|')!r}"
            by_name[name] = number
        client.sent.clear()
        self.tally.said += len(messages)
        self.answers = []
        nameless = 0
        end = f"end{client.next_out}"
        client.send_many([*data, client.build("H", question(end))])
        ended = False
        while not ended or any(said.startswith(LATE) for said in open_numbers.values()):
            answer = client.receive(ANSWER_SECONDS)
            if answer.get(11) == end:
                ended = True
                continue
            assert answer.type != "2", f"{self.begin_string}: garbled: {open_numbers[int(answer[7])]}"
            self.answers.append(answer)
            number = self._meant(answer, by_name)
            if number == 0:  # to a request that said nothing to know it by
                nameless += not _is_one_of_several(answer)
                self._count_answer(answer)
            elif open_numbers.pop(number, None) is not None:
                self._count_answer(answer)
        if len(open_numbers) != nameless:
            self.tally.unanswered += [*open_numbers.values(), f"{nameless} answers to no request"]

    def _meant(self, answer: Message, by_name: dict[str, int]) -> int:
        """The number of the message that an answer is about."""
        if answer.type in ("3", "j"):
            return int(answer.get(45, "0"))
        for tag in (11, 790, 584, 41, 37, 66, 117, 320, 324, 335, 568, 70, 710, 909):
            if answer.get(tag) in by_name:
                return by_name[answer[tag]]
        return 0

    def _count_answer(self, answer: Message) -> None:
        if answer.type == "3":
            self.tally.rejected += 1
        elif answer.type in ("j", "9") or answer.get(39) == "8" or answer.get(531) == "0" or answer.get(297) == "5":
            self.tally.refused += 1
        else:
            self.tally.taken += 1

    def say(self, content: str | bytes, *, raw: bool = False) -> str:
        """Send one message, and see what becomes of it: "answered", "silent" (in sequence), "garbled" or "ended".

        `content` is what stands behind BodyLength, with `N` in 34=N its number, or with `raw` the very bytes.
        """
        client = self.client
        self.tally.said += 1
        number = client.next_out
        data = content if isinstance(content, bytes) else content.encode()
        data = data.replace(b"34=N|", b"34=%d|" % number).replace(b"|", SOH).replace(b"52=NOW", b"52=" + utc().encode())
        client.next_out += 1
        outcome = "silent"
        try:
            client.send_raw(data if raw else framed(self.begin_string, data))
            end = client.send("H", question(f"after{number}"))
            while True:
                answer = client.receive(ANSWER_SECONDS)
                if answer.get(11) == f"after{number}":
                    break
                if answer.type == "2":  # the number is still open
                    outcome = "garbled" if outcome == "silent" else outcome
                    client.send("4", f"43=Y|122={utc()}|123=Y|36={end}|", number=int(answer[7]))
                elif answer.type == "1":
                    client.send("0", f"112={answer[112]}|")
                elif answer.type == "5":
                    outcome = "ended"
                elif answer.type not in ("0", "4") or answer.get(112):
                    outcome = "answered"
        except Ended:
            outcome = "ended"
            self.log_on_again()
        except Nothing:
            raise AssertionError(f"{self.begin_string}: no sign of life after {data[:500]!r}") from None
        if outcome == "ended":
            self.tally.ended += 1
        elif outcome == "garbled":
            self.tally.garbled += 1
        elif outcome == "answered":
            self.tally.rejected += 1
        else:
            self.tally.silent += 1
        return outcome

    def header(self, msg_type: str) -> str:
        """A standard header for say()."""
        return f"35={msg_type}|34=N|49={self.comp_id}|56=FIXSERVER|52=NOW|"

    def log_on_again(self) -> None:
        """With numbers begun again: what became of the last one is not known."""
        self.client.close()
        self.client.logon(reset=True)
