"""Nobody who trades notices a drop copy: one who does not read is cut, and has what he missed by a resend."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from tests.dropcopy.watcher import Watcher, is_report, reports, said
from tests.light import light_venue
from tests.venue import Ended, Message, Venue, cancel, order, wait_for

BUFFER_BYTES = 65_536
WATCHED = {"WATCH": {"participants": "*", "version": "FIX.4.4"}}


def watcher_of(venue: Venue) -> Watcher:
    client = Watcher(venue, "WATCH", "FIX.4.4", {"TRADER1"})
    venue.clients.append(client)
    return client


def all_messages(client: Watcher) -> list[Message]:
    """Everything that the session has ever been sent, in order."""
    client.connect()
    client.send("A", client.logon_body())
    last = client.expect("A").number - 1
    client.send("2", "7=1|16=0|")
    found = client.drain(lambda message: message.number >= last or (message.type == "4" and int(message[36]) > last))
    return [message for message in found if message.type in "89"]


def test_one_who_does_not_read_is_cut_and_heals(tmp_path: Path) -> None:
    with light_venue(tmp_path, dropcopy={"send_buffer_bytes_max": BUFFER_BYTES}, drop_copies=WATCHED) as venue:
        trader, slow = venue.client().logon(), watcher_of(venue).logon()
        told: list[Message] = []
        count = 0
        while not venue.metrics().get('fixserver_connections_refused_total{cause="slow"}'):
            for _ in range(500):
                count += 1
                trader.send_many([trader.build("D", order(f"A{count}")), trader.build("F", cancel(f"C{count}", f"A{count}"))])
            told += trader.drain(lambda message: message.get(11) == f"C{count}")  # noqa: B023
        assert trader.socket is not None, "he traded all the while"
        assert "WATCH/FIX.4.4: connection cut, it does not read what it is sent" in venue.said()
        slow.close()
        again = all_messages(slow)
        assert [said(message) for message in again] == reports(told)


def test_what_is_told_while_nobody_watches_is_kept_over_restarts(tmp_path: Path) -> None:
    with light_venue(tmp_path, drop_copies=WATCHED) as venue:
        trader = venue.client().logon()
        told = []
        for number, how in enumerate((signal.SIGTERM, signal.SIGKILL)):
            trader.send("D", order(f"A{number}"))
            told.append(trader.expect("8", f"11=A{number}|150=0"))
            trader.send("D", order(f"B{number}", symbol="NOTHING"))
            told.append(trader.expect("8", f"11=B{number}|150=8"))
            trader.send("1", "112=noted|")
            trader.expect("0", "112=noted")
            trader.close()
            venue.restart(how=how)
            trader.logon()
        again = all_messages(watcher_of(venue))
        assert [said(message) for message in again] == reports(told)


def test_who_is_watched_from_now_on_is_not_told_of_before(tmp_path: Path) -> None:
    with light_venue(tmp_path) as venue:
        trader = venue.client().logon()
        trader.send("D", order("BEFORE"))
        trader.expect("8", "11=BEFORE|39=0")
        trader.close()
        assert "dropcopy" not in venue.ports(), "without drop copies there is no port for them"
        venue.end()
        with venue.config.open("a") as config:
            password = venue.config.read_text().split('password = "')[1].split('"')[0]
            config.write(f'[[drop_copies]]\nname = "WATCH"\npassword = "{password}"\nparticipants = ["TRADER1"]\n')
        venue.start()
        trader.logon()
        trader.send("F", cancel("NOW", "BEFORE"))
        trader.expect("8", "11=NOW|39=4")
        assert [message[11] for message in all_messages(watcher_of(venue)) if is_report(message)] == ["NOW"]


def test_a_stop_says_good_bye(tmp_path: Path) -> None:
    with light_venue(tmp_path, drop_copies=WATCHED) as venue:
        client = watcher_of(venue).logon()
        venue.processes["exchange"].send_signal(signal.SIGTERM)
        client.expect("5", "58=the exchange closes")
        client.send("5")
        with contextlib.suppress(Ended):
            client.receive()
        wait_for(lambda: venue.processes["exchange"].poll() is not None, "the exchange has ended")
        assert venue.processes.pop("exchange").wait() == 0
