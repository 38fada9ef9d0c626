"""Messages beyond a gap that is never filled: kept up to a limit, in number, in bytes, and in time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixserver import sessions
from tests.light import light_venue
from tests.venue import Client, Ended, Message, Venue, order


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with light_venue(tmp_path_factory.mktemp("venue")) as venue:
        yield venue


def last_word(client: Client, messages: list[bytes]) -> Message:
    """The Logout that the venue answers with at last."""
    with contextlib.suppress(Ended):
        client.send_many(messages)
    received: list[Message] = []
    with contextlib.suppress(Ended):
        while True:
            received.append(client.receive())
    assert [message.type for message in received].count("2") == 1, "the gap is asked for once"
    return received[-1]


def test_too_many_messages(venue: Venue) -> None:
    client = venue.client("TRADER1").logon()
    client.next_out += 1
    said = last_word(client, [client.build("D", order(f"A{number}")) for number in range(sessions.AHEAD_MESSAGES_MAX + 500)])
    assert said.type == "5" and said[58].endswith("messages received beyond a gap at 2")


def test_one_good_message_now_and_then_does_not_help(venue: Venue) -> None:
    client = venue.client("TRADER2").logon()
    messages, far = [], 1_000_000
    for _ in range(sessions.AHEAD_MESSAGES_MAX // 50 + 20):
        messages.append(client.build("0"))
        messages += [client.build("D", order(f"A{number}"), number=number) for number in range(far, far + 50)]
        far += 50
    said = last_word(client, messages)
    assert said.type == "5" and "messages received beyond a gap" in said[58]


def test_too_many_bytes(venue: Venue) -> None:
    client = venue.client("TRADER3").logon()
    client.next_out += 1
    before = venue.memory()
    large = "58=" + "x" * 30_000 + "|"
    said = last_word(client, [client.build("D", order(f"A{number}", more=large)) for number in range(400)])
    assert said.type == "5" and said[58].endswith("messages received beyond a gap at 2")
    assert venue.memory() - before < 64 * 2**20


def test_what_is_behind_a_gap_counts_again_when_it_is_filled(venue: Venue) -> None:
    client = venue.client("TRADER4").logon()
    for number in range(3):
        gap = client.next_out
        client.next_out += 1
        client.send_many(client.build("D", order(f"B{number}-{index}")) for index in range(9_000))
        client.expect("2", f"7={gap}|16=0")
        client.send("4", f"123=Y|36={gap + 1}|", number=gap, header="43=Y|")
        client.drain(lambda message, last=f"B{number}-8999": message.get(11) == last)  # type: ignore[misc]
    client.logout()


def test_old_messages_are_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that comes again, and then silence, is not taken for a gap that nobody fills."""
    wrapper = tmp_path / "impatient.py"
    wrapper.write_text(
        "import sys\nfrom fixserver import cli, sessions\nsessions.STALLED_SECONDS_MAX = 1.0\nsys.exit(cli.main(sys.argv[1:]))\n"
    )
    venue = light_venue(tmp_path / "venue")
    venue.program = [str(wrapper)]
    monkeypatch.setenv("PYTHONPATH", ".")
    with venue:
        client = venue.client().logon()
        client.send("D", order("A1"))
        client.expect("8", "11=A1")
        client.send("D", order("A1"), number=2, header="43=Y|122=20200101-00:00:00|")
        client.expect_nothing()
        with pytest.raises(AssertionError, match="nothing came in time"):
            client.receive(2.0)
        client.expect_nothing()
        client.next_out += 1
        client.send("D", order("A2"))
        client.expect("2")
        assert client.expect("5", seconds=3)[58] == "a gap at 5 was not filled in 1 seconds"
