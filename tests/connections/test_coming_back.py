"""Who cuts his connection and comes back at once is let in: his old connection does not stand in his way."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.light import light_venue
from tests.venue import order

TIMES = 50


def test_a_client_who_is_cut_comes_back_at_once(tmp_path: Path) -> None:
    with light_venue(tmp_path) as venue:
        client = venue.client("TRADER1").logon()
        exchange = venue.processes["exchange"]
        for number in range(TIMES):
            # The exchange comes to see all of it at once.
            os.kill(exchange.pid, signal.SIGSTOP)
            client.send("D", order(f"A{number}"))
            client.close()
            client.connect()
            client.next_out = client.next_in = 1
            client.send("A", client.logon_body(reset=True))
            os.kill(exchange.pid, signal.SIGCONT)
            client.expect("A", "34=1")
        client.logout()
        # What was sent before the cut was taken all the same.
        client.logon(reset=True)
        client.send("AF", "584=all|585=7|")
        assert client.receive()[911] == str(TIMES)
