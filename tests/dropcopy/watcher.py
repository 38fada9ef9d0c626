"""The other side of a drop copy: a client that says what it has been sent of whom, and checks that it is a report."""

from __future__ import annotations

from collections.abc import Set

from tests.orders.desk import check
from tests.venue import Client, Message, Venue

HEADER = frozenset((8, 9, 34, 35, 43, 49, 50, 52, 56, 57, 97, 115, 116, 122, 128, 129, 142, 143, 10))


def said(message: Message) -> str:
    """All that a message says: its type, and its fields in order, without those of the header."""
    fields = [f"{tag.decode()}={value.decode()}" for tag, value in message.pairs if int(tag) not in HEADER]
    return "|".join([f"35={message.type}", *fields])


def is_report(message: Message) -> bool:
    """Of something that has happened, that is: no answer to a question about an order."""
    if message.type == "8":
        return message[150] != "I" and message.get(20) != "3"
    return message.type == "9"


def reports(messages: list[Message]) -> list[str]:
    """What a trader was told that a drop copy is to have, one a report: two sessions of his may be told the same."""
    return list(dict.fromkeys(said(message) for message in messages if is_report(message)))


class Watcher(Client):
    """A drop copy session, of whose copies those of some participants are looked at."""

    def __init__(self, venue: Venue, name: str, version: str, whose: Set[str], password: str = "demo") -> None:
        super().__init__(lambda: venue.ports()["dropcopy"], name, version, target="FIXSERVER-DC", password=password)
        self._whose = whose
        self._questions = 0

    def messages(self) -> list[Message]:
        """What has come since the last call, of those who are looked at."""
        self._questions += 1
        mark = f"question-{self._questions}"
        self.send("1", f"112={mark}|")
        found = self.drain(lambda message: message.type == "0" and message.get(112) == mark)
        copies = [message for message in found if message.type not in "0145A"]
        for message in copies:
            check(self.begin_string, message)
            assert is_report(message) and message.get(128), message
        return [message for message in copies if message[128] in self._whose]

    def told(self) -> list[str]:
        """messages(), as said()."""
        return [said(message) for message in self.messages()]

    def come_back(self) -> list[Message]:
        """Log on again and ask for what was missed; what has come."""
        first = self.next_in
        self.connect()
        self.logon()
        self.send("2", f"7={first}|16=0|")
        return self.messages()
