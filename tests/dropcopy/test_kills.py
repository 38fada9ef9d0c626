"""Both sides of a drop copy are killed under load, again and again: what it has at the end is all that the traders were told."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.dropcopy.recorder import next_number, recorded
from tests.dropcopy.watcher import is_report, reports, said
from tests.faults.traders import Trader, wait_settled
from tests.light import light_venue
from tests.orders.desk import operate
from tests.venue import ROOT, VERSIONS, Message, Venue, utc, wait_for

KILLS = 12
LIFE_SECONDS_MAX = 0.6
SNAPSHOT_COMMANDS = 300  # few, so that kills meet snapshots being written
NAMES = {version: f"ALL-{version}" for version in VERSIONS}
ONE = "TRADER2"


class Told(Trader):
    """One who keeps what he was told, in order, and makes mistakes now and then."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.told: list[Message] = []

    def _effect(self, message: Message) -> None:
        self.told.append(message)
        super()._effect(message)

    def _request(self) -> None:
        if self.random.random() < 0.9:
            return super()._request()
        self._count += 1
        cl_ord_id = f"wrong-{self._count}"
        symbol, quantity = self.random.choice((("NOTHING", "10"), ("AAPL", "1.5"), ("AAPL", "0")))
        if self.random.random() < 0.5:
            self.unanswered[cl_ord_id] = "order"
            self._send("D", f"11={cl_ord_id}|21=1|55={symbol}|54=1|60={utc()}|38={quantity}|40=2|44=100.00|")
        else:
            self.unanswered[cl_ord_id] = "cancel"
            self._send("F", f"41=none|11={cl_ord_id}|55={symbol}|54=1|60={utc()}|")
        return None


class Recording:
    """A recorder as a process."""

    def __init__(self, venue: Venue, name: str, version: str) -> None:
        self._venue, self._name = venue, name
        self.file = venue.directory / f"{name}.seen"
        self._command = [
            sys.executable, "-m", "tests.dropcopy.recorder", str(venue.directory), name, version, str(self.file),
        ]  # fmt: skip
        self.process = subprocess.Popen(self._command, cwd=ROOT)

    def is_at_the_end(self) -> None:
        """Wait until nothing is missing of what the venue has sent."""
        sessions = operate(self._venue, "session list", name=self._name, connected=True)["sessions"]
        wait_for(lambda: next_number(self.file) >= sessions[0]["next_out"], f"{self._name} has all")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def kill_and_start(self) -> None:
        self.kill()
        self.process = subprocess.Popen(self._command, cwd=ROOT)


def test_both_sides_are_killed_under_load(tmp_path: Path) -> None:
    """FIXSERVER_SEED repeats a run."""
    seed = int(os.environ.get("FIXSERVER_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"FIXSERVER_SEED={seed}")
    moments = random.Random(seed)
    watching = {name: {"participants": "*", "version": version} for version, name in NAMES.items()}
    watching["ONE"] = {"participants": [ONE], "version": "FIX.4.4"}
    settings: dict[str, Any] = {"exchange": {"snapshot_commands": SNAPSHOT_COMMANDS}, "drop_copies": watching}
    with light_venue(tmp_path, **settings) as venue, contextlib.ExitStack() as ends:
        configured = venue.config.read_text()
        recordings = {name: Recording(venue, name, str(terms["version"])) for name, terms in watching.items()}
        for recording in recordings.values():
            ends.callback(recording.kill)
        traders = [Told(venue, f"TRADER{number}", VERSIONS[number % 3], seed).start() for number in range(1, 7)]
        try:
            for kill in range(KILLS):
                logons = sum(trader.logons for trader in traders)
                wait_for(lambda logons=logons: sum(trader.logons for trader in traders) > logons, "a trader is back")
                time.sleep(moments.uniform(0.0, LIFE_SECONDS_MAX))
                if moments.random() < 0.5:
                    moments.choice(list(recordings.values())).kill_and_start()
                    time.sleep(moments.uniform(0.0, LIFE_SECONDS_MAX))
                venue.kill()
                if moments.random() < 0.5:
                    moments.choice(list(recordings.values())).kill_and_start()
                venue.config.write_text(configured.replace('"os"', '"fsync"') if kill % 2 == 0 else configured)
                venue.start()
            wait_settled(traders, wait_for)
        finally:
            for trader in traders:
                trader.stop()
        told = {trader.comp_id: reports(trader.told) for trader in traders}
        # Each watcher has all when he has the last of everybody.
        for recording in recordings.values():
            recording.is_at_the_end()
        for trader in traders:
            assert trader.complaints == []
            whose = trader.comp_id
            assert copies(recordings[NAMES[trader.begin_string]].file, whose) == told[whose], f"{whose} in his version"
            ids = [executions(text) for text in told[whose]]
            for name in NAMES.values():
                assert [executions(text) for text in copies(recordings[name].file, whose)] == ids, f"{whose} in the eyes of {name}"
        assert copies(recordings["ONE"].file) == copies(recordings[NAMES["FIX.4.4"]].file, ONE)
        count = sum(map(len, told.values()))
        print(f"{count:,} reports, {sum(trader.logons for trader in traders)} logons of traders")
        assert count > 50 * KILLS


def copies(file: Path, whose: str = "") -> list[str]:
    """What a recorder has been sent, or of one participant, each once. Nothing else may have come."""
    application = [message for message in recorded(file) if message.type not in "0A12345"]
    assert all(is_report(message) for message in application)
    return list(dict.fromkeys(said(message) for message in application if whose in ("", message[128])))


def executions(text: str) -> str:
    """What names a report on every version: its ExecID, or the ClOrdID that was refused."""
    fields = dict(pair.split("=", 1) for pair in text.split("|"))
    return fields.get("17") or f"{fields['11']} {fields['434']}"
