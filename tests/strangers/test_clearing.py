"""A QuickFIX initiator with the venue's dictionaries takes what it is told of accounts, trades, allocations, and drop copies."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import quickfix as fix

from tests.strangers.test_quickfix import Initiator
from tests.venue import DICTIONARIES, VERSIONS, Venue, order, utc

PARTICIPANTS: dict[str, dict[str, Any]] = {
    "ANN": {"cash": "1_000_000", "holdings": {"AAPL": "1000"}, "accounts": ["ANN-1", "ANN-2"]},
    "BOB": {"cash": "1_000_000", "holdings": {"AAPL": "1000"}},
}


def allocate(client: Initiator, execution: str, *shares: tuple[str, str]) -> None:
    """AllocationInstruction, its groups as QuickFIX makes them."""
    kind = "" if client.begin_string == "FIX.4.2" else "626=1|857=0|"
    text = f"8={client.begin_string}|35=J|70=J|71=0|{kind}54=1|55=AAPL|53=10|6=100.00|75=20260101|"
    message = fix.Message(text.replace("|", "\x01"), False)
    message.addGroup(group(124, (32, "10"), (17, execution)))
    for account, quantity in shares:
        message.addGroup(group(78, (79, account), (80, quantity)))
    assert fix.Session.sendToTarget(message, client.session_id)


def ask_for_positions(client: Initiator) -> None:
    """RequestForPositions of ANN."""
    text = f"8={client.begin_string}|35=AN|710=P|724=0|1=ANN|581=1|715=20260101|60={utc()}|"
    message = fix.Message(text.replace("|", "\x01"), False)
    message.addGroup(group(453, (448, "ANN"), (447, "D"), (452, "1")))
    assert fix.Session.sendToTarget(message, client.session_id)


def group(count_tag: int, *fields: tuple[int, str]) -> Any:
    """An entry of a repeating group."""
    entry = fix.Group(count_tag, fields[0][0])
    for tag, value in fields:
        entry.setField(tag, value)
    return entry


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_cleared(tmp_path: Path, version: str) -> None:
    copies = {"WATCH": {"participants": ["ANN"], "version": version}}
    settlement = {"cycle_days": 2}
    with (
        Venue(tmp_path, participants=PARTICIPANTS, drop_copies=copies, settlement=settlement) as venue,
        contextlib.ExitStack() as ends,
    ):
        other = venue.client("BOB", version).logon()
        ann = Initiator(venue.ports()["fix"], "ANN", version, tmp_path / "ann", DICTIONARIES)
        ends.callback(ann.stop)
        watch = Initiator(venue.ports()["dropcopy"], "WATCH", version, tmp_path / "watch", DICTIONARIES, "FIXSERVER-DC")
        ends.callback(watch.stop)
        other.send("D", order("S1", "2", 10, "100.00"))
        other.expect("8", "150=0")
        ann.send("D", order("A1", "1", 10, "100.00"))
        new, fill = ann.expect("8", "150=0"), ann.expect("8", "39=2|32=10")
        watch.expect("8", f"17={new[17]}|128=ANN")
        watch.expect("8", f"17={fill[17]}|128=ANN")
        watch.send("H", "37=x|11=A1|55=AAPL|54=1|")
        watch.expect("j", "372=H|380=3")
        if version != "FIX.4.2":  # which has none of these
            ask_for_positions(ann)
            ann.expect("AO", "710=P|727=2|728=0|729=0")
            ann.expect("AP", "710=P|15=USD|753=3|707=CASH|708=999000.00")
            ann.expect("AP", "710=P|55=AAPL|702=2|703=TOT|704=1010")
            ann.send("BB", "909=C|")
            ann.expect("BG", "909=C|945=0|946=0|911=2")
            ann.expect("BA", "909=C|15=USD|901=999000.00|922=1000000.00|912=N")
            ann.expect("BA", "909=C|55=AAPL|53=1010|912=Y")
            ann.send("AD", "568=T|569=0|263=1|")
            ann.expect("AQ", "568=T|750=0")
            ann.expect("AE", f"568=T|571={fill[17]}|487=0|150=F|552=1|54=1|1=ANN|32=10|31=100.00")
            ann.expect("AQ", "568=T|750=1|748=1")
        allocate(ann, fill[17], ("ANN", "4"), ("ANN-1", "6"))
        ann.expect("P", "70=J|87=1|88=7|58=*")  # the account cannot pay for them
        for client in (ann, watch):
            assert client.application.got.empty()
            assert client.application.rejected == []
            assert [message for message in client.application.admin if message.type == "3"] == []
