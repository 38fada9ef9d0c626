"""The exchange dies at a chosen point of a turn: a trader and who watches him know the same at the end, each report once."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.dropcopy.watcher import Watcher, is_report, reports, said
from tests.faults.by_hand import back, everything
from tests.faults.test_crash_points import POINTS, SABOTAGE
from tests.light import light_venue
from tests.venue import Client, Ended, Message, order

WATCHED = {"WATCH": {"participants": "*", "version": "FIX.4.4"}}


def until_the_end(client: Client) -> list[Message]:
    """What still comes of a connection whose other side is dead."""
    found: list[Message] = []
    try:
        while True:
            found.append(client.receive())
    except Ended:
        return found


def caught_up(watcher: Watcher) -> list[Message]:
    """All that a drop copy has ever been sent, by a resend."""
    back(watcher)
    last = watcher.expect("A").number - 1
    watcher.send("2", "7=1|16=0|")
    return watcher.drain(lambda message: message.number >= last or (message.type == "4" and int(message[36]) > last))


@pytest.mark.parametrize("point", POINTS)
def test_both_know_the_same(tmp_path: Path, point: str) -> None:
    venue = light_venue(tmp_path, participants={"TRADER1": {"cash": "1_000_000"}}, drop_copies=WATCHED)
    venue.program = [*SABOTAGE, point]
    with venue:
        trader, watcher = venue.client().logon(), Watcher(venue, "WATCH", "FIX.4.4", {"TRADER1"})
        venue.clients.append(watcher)
        watcher.logon()
        trader.send("D", order("FIRST"))
        told, copied = [trader.expect("8", "11=FIRST|39=0")], [watcher.expect("8", "11=FIRST|39=0")]
        # A refusal, which no journal would yield again, may come in the same turn: then the turn is noted before it is sent.
        refused = [trader.build("D", order("WRONG", symbol="NOTHING"))] if point != "before-send" else []
        trader.send_many([*refused, trader.build("D", order("LAST"))])
        told += until_the_end(trader)
        copied += until_the_end(watcher)
        assert venue.processes.pop("exchange").wait(10) == -signal.SIGKILL

        venue.program = ["-m", "fixserver.cli"]
        venue.start()
        back(trader)
        told += everything(trader)
        trader.send("2", "7=1|16=0|")
        told += everything(trader)
        copied += caught_up(watcher)
        expected = reports(told)
        assert list(dict.fromkeys(said(message) for message in copied if is_report(message))) == expected
        assert sum("11=LAST" in text for text in expected) == 1
        assert sum("11=WRONG" in text for text in expected) == len(refused)
