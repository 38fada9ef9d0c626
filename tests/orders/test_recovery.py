"""A crash between the entry of orders of every kind and what becomes of them: reports behind it say what those before it said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orders.conftest import open_desk, places
from tests.orders.desk import BUY, SELL, Desk
from tests.venue import VERSIONS, Venue, utc


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    instruments, participants = places(range(len(VERSIONS)))
    directory = tmp_path_factory.mktemp("recovery")
    with Venue(directory, instruments=instruments, participants=participants, exchange={"cancel_only_seconds": 2}) as running:
        yield running


def enter_everything(desk: Desk) -> None:
    """One order of each kind that rests or waits."""
    latest = desk.words.latest
    fields = {
        "STOP": (BUY, "40=4|44=106.00|99=105.00|59=1|"),
        "ICEBERG": (BUY, f"40=2|44=90.00|{'1138' if latest else '111'}=2|59=1|"),
        "PEG": (BUY, f"40=P|{'1094=5|' if latest else '18=R|'}211=-0.05|"),
        "CLOSE": (SELL, "40=2|44=120.00|59=7|"),
        "MATCH": (SELL, f"40=2|44=121.00|{'2362' if latest else '7928'}=ME|{'2964' if latest else '8000'}=3|18=6|"),
    }
    for cl_ord_id, (side, terms) in fields.items():
        desk.a.send("D", f"11={cl_ord_id}|21=1|55={desk.x}|54={side}|60={utc()}|38=10|{terms}")
    legs = "".join(f"11=LEG{n}|67={n}|55={desk.x}|54=2|60={utc()}|38=5|40=2|44=11{n}.00|" for n in (1, 2))
    desk.a.send("E", f"66=L1|394=3|1385=1|68=2|73=2|{legs}")
    quote = f"299=E1|55={desk.y}|132=99.00|133=101.00|134=3|135=3|"
    desk.a.send("i", f"117=Q1|296=1|302=S|{'311=X|' if desk.words.old else ''}304=1|295=1|{quote}")


def states(desk: Desk) -> list[str]:
    """How each open order stands, as its reports say."""
    desk.a.ask_all("all")
    return desk.a.told()


def test_orders_of_every_kind_survive_a_crash(crashing: Venue) -> None:
    venue = crashing
    desks = [open_desk(venue, number, version) for number, version in enumerate(VERSIONS)]
    before = []
    for desk in desks:
        enter_everything(desk)
        desk.a.messages()
        before.append(states(desk))
        assert len(before[-1]) == 9
        desk.a.close()
        desk.b.close()
    venue.kill()
    venue.start()
    for desk, said in zip(desks, before, strict=True):
        # What was told in a turn that was not noted comes again, as the rules say.
        desk.a.come_back()
        assert states(desk) == said
        desk.b.connect()
        desk.b.logon()
    first, *_ = desks
    # For two seconds only cancels are taken: then everybody is told that trading goes on.
    first.a.enter("EARLY", BUY, 1, "80.00")
    first.a.cancel("EARLY-C", "ICEBERG")
    early = [(message.get(11), message.get(150), message.get(103)) for message in first.a.messages()]
    assert early == [("EARLY", "8", "2"), ("EARLY-C", "4", "")]
    for desk in desks:
        opened = desk.a.drain(lambda message: message.type == "f" and message[55] == desk.y)  # noqa: B023
        assert [message[326] for message in opened if message.type == "f"][-1] == "17"
        desk.a.messages(), desk.b.messages()
        desk.b.enter("B1", BUY, 2, "111.00")
        filled = desk.b.messages()
        assert [message[39] for message in filled] == ["0", "2"]
        leg1 = [message for message in desk.a.messages() if message.get(11) in ("LEG1", "LEG2")]
        assert [(message[11], message[39], message[66], message.get(1385)) for message in leg1] == [
            ("LEG2", "4", "L1", "1" if desk.words.latest else ""),
            ("LEG1", "1", "L1", "1" if desk.words.latest else ""),
        ]
        desk.b.enter("B2", SELL, 2, "99.00", symbol=desk.y)
        desk.b.messages()
        (side,) = (message for message in desk.a.messages() if message.get(117))
        assert (side[117], side[299], side[39], side.get(11)) == ("Q1", "E1", "1", "")


def test_the_end_of_a_stop_is_told_as_before_the_crash(tmp_path: Path) -> None:
    """It is elected behind the crash: the report says what the order said, and what has become of it."""
    instruments, participants = places(range(1))
    with Venue(tmp_path, instruments=instruments, participants=participants) as venue:
        desk = open_desk(venue, 0, "FIX.4.4")
        enter_everything(desk)
        desk.a.messages()
        desk.a.close()
        desk.b.close()
        venue.kill()
        venue.start()
        desk.a.come_back()
        desk.b.connect()
        desk.b.logon()
        desk.a.mass_cancel("M1", f"530=1|55={desk.y}|")
        desk.a.cancel("C1", "LEG1", SELL)
        desk.a.messages()
        desk.b.enter("B1", SELL, 5, "105.00")
        desk.b.messages()
        desk.a.enter("A1", BUY, 1, "105.00")
        told = [message for message in desk.a.messages() if message.get(11) == "STOP"]
        assert [(message[150], message[39], message[40], message[99], message[59]) for message in told] == [
            ("L", "0", "2", "105.00", "1"),
            ("F", "1", "2", "105.00", "1"),
        ]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_whose_list_is_over_says_what_it_said_before_the_crash(tmp_path: Path, version: str) -> None:
    """A fill of one ends the other: it is alone from then on, and of its list for good, be it open, filled or taken back."""
    instruments, participants = places(range(1))
    with Venue(tmp_path, instruments=instruments, participants=participants) as venue:
        desk = open_desk(venue, 0, version)
        legs = "".join(f"11=LEG{n}|67={n}|55={desk.x}|54=2|60={utc()}|38=5|40=2|44=11{n}.00|" for n in (1, 2))
        desk.a.send("E", f"66=L1|394=3|1385=1|68=2|73=2|{legs}")
        desk.a.messages()
        desk.b.enter("B1", BUY, 2, "111.00")
        desk.b.messages()
        desk.a.messages()
        (alone,) = before = states(desk)
        assert "66=L1" in alone
        assert ("1385=1" in alone) == desk.words.latest
        desk.a.close()
        desk.b.close()
        venue.kill()
        venue.start()
        desk.a.come_back()
        assert states(desk) == before
        desk.b.connect()
        desk.b.logon()
        desk.b.enter("B2", BUY, 3, "111.00")
        desk.b.messages()
        filled = next(message for message in desk.a.messages() if message[39] == "2")
        desk.operate("bust", trade=filled[17].rstrip("M"))
        (busted,) = desk.a.messages()
        assert [(told[66], told.get(1385)) for told in (filled, busted)] == [("L1", "1" if desk.words.latest else "")] * 2
