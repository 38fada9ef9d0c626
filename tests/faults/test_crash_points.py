"""The exchange dies at a chosen point of a turn: the client has the report exactly once in effect, with one ExecID."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.faults.by_hand import back, everything
from tests.faults.checks import check_orders, events_of
from tests.light import light_venue
from tests.venue import START_SECONDS, Client, Ended, Message, order, wait_for

SABOTAGE = ["-m", "tests.faults.sabotage"]


# crash point: is the order in the journal, did the client see its report before
POINTS = {
    "before-journal": (False, False),
    "before-apply": (True, False),
    "before-send": (True, False),
    "before-session-log": (True, True),
    "before-event-log": (True, True),
}


@pytest.mark.parametrize("point", POINTS)
def test_the_report_comes_once_in_effect(tmp_path: Path, point: str) -> None:
    journaled, seen = POINTS[point]
    venue = light_venue(tmp_path, participants={"TRADER1": {"cash": "1_000_000"}})
    venue.program = [*SABOTAGE, point]
    with venue:
        client = venue.client().logon()
        client.send("D", order("FIRST"))
        client.expect("8", "11=FIRST|39=0|97=-")
        client.send("D", order("LAST"))
        received: list[Message] = []
        try:
            while True:
                received.append(client.receive())
        except Ended:
            pass
        assert [message.get(11) for message in received] == (["LAST"] if seen else [])
        assert venue.processes.pop("exchange").wait(10) == -signal.SIGKILL

        venue.program = ["-m", "fixserver.cli"]
        venue.start()
        back(client)
        again = [message for message in everything(client) if message.get(11) == "LAST" and message[150] != "I"]
        reports = received + again
        assert {(message[17], message[37], message[39]) for message in reports} == {(reports[0][17], reports[0][37], "0")}
        for message in again:
            # A new report, or a second one that says so.
            assert not journaled or "Y" in (message.get(43), message.get(97))
        client.close()
        assert venue.end() == 0
        events = events_of(venue.data)
        check_orders(events)
        assert [event.cl_ord_id for event in events if hasattr(event, "cl_ord_id")] == ["FIRST", "LAST"]
        verified = venue.command("journal", "verify", "--data", str(venue.data))
        assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize("callback", ["onCreate", "onLogon", "onLogout", "toAdmin", "toApp", "fromAdmin", "fromApp"])
def test_a_callback_that_raises_ends_the_process_within_a_second(tmp_path: Path, callback: str) -> None:
    venue = light_venue(tmp_path, participants={"TRADER1": {"cash": "1_000_000"}})
    venue.program = [*SABOTAGE, callback]
    venue.launch()
    process, ports = venue.processes["exchange"], venue.data / "exchange.ports"
    wait_for(lambda: process.poll() is not None or ports.exists(), "the exchange is up, or has ended", START_SECONDS)
    if callback != "onCreate":
        client = venue.client().connect()
        client.send("A", client.logon_body())
        if callback not in ("onLogon", "toAdmin"):
            client.expect("A")
            if callback == "onLogout":
                client.send("5")
            elif callback == "fromAdmin":
                client.send("2", "7=1|16=0|")
            else:
                client.send("D", order("A1"))
    started = time.monotonic()
    try:
        code = process.wait(10)
    finally:
        process.kill()
    seconds = time.monotonic() - started
    venue.processes.clear()
    venue.close()
    assert code > 0
    assert seconds < 1, f"{callback}: {seconds:.2f} s"
    assert ("AssertionError" if callback == "toApp" else "Sabotage") in venue.said()


def test_a_callback_that_raises_ends_the_feed_too(tmp_path: Path) -> None:
    """The audit log says so. What its sessions have sent was noted before, so that they go on."""
    with light_venue(tmp_path) as venue:
        venue.program = [*SABOTAGE, "fromAdmin"]
        venue.start("marketdata")
        client = Client(lambda: venue.ports("marketdata")["fix"], target="FIXSERVER-MD")
        venue.clients.append(client.logon())
        client.send("2", "7=1|16=0|")
        assert venue.processes.pop("marketdata").wait(10) > 0
        assert "Sabotage" in venue.said("marketdata")
        told = [json.loads(line) for line in (venue.data / "audit.log").read_text().splitlines()]
        assert [line.get("why") for line in told if (line["process"], line["what"]) == ("marketdata", "stop")] == ["it failed"]
        venue.program = ["-m", "fixserver.cli"]
        venue.start("marketdata")
        client.close()
        client.logon()


@pytest.mark.parametrize(("fault", "text"), [("full-disk", "No space left on device"), ("broken-disk", "Input/output error")])
def test_a_journal_that_cannot_be_written_stops_the_exchange(tmp_path: Path, fault: str, text: str) -> None:
    venue = light_venue(tmp_path, participants={"TRADER1": {"cash": "1_000_000"}}, exchange={"durability": "fsync"})
    venue.program = [*SABOTAGE, fault]
    with venue:
        client = venue.client().logon()
        client.send("D", order("FIRST"))
        client.expect("8", "11=FIRST|39=0")
        client.send("D", order("LAST"))
        client.expect_end()
        assert venue.processes.pop("exchange").wait(10) == 1
        last_line = venue.said().splitlines()[-1]
        assert "stopped, because storage failed: [Errno" in last_line and f"{text}: " in last_line and "/journal" in last_line

        venue.program = ["-m", "fixserver.cli"]
        venue.start()
        client.close()
        back(client)
        # A record whose sync failed is there or not: either way one order, and one report in effect.
        reports = [message for message in everything(client) if message.get(11) == "LAST" and message[150] != "I"]
        assert len({(message[17], message[37]) for message in reports}) == 1
        client.close()
        assert venue.end() == 0
        orders = [event.cl_ord_id for event in events_of(venue.data) if hasattr(event, "cl_ord_id")]
        assert orders == ["FIRST", "LAST"]
