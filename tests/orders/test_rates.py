"""Limits on messages per second: what is above them is refused by name, and who goes on is logged out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from fixserver.throttle import REFUSED_SECONDS_MAX, STATUS_REPORTS_PER_SECOND_MAX, Throttle
from tests.orders.conftest import SPECIAL, open_desk
from tests.orders.desk import BUY, Desk, in_order
from tests.venue import VERSIONS, Venue, wait_for

BUY_1 = "54=1|38=1|40=2|44=100.00|59=0"


def a_second_begins() -> None:
    """The venue counts by whole seconds of the machine's clock."""
    this = int(time.monotonic())
    wait_for(lambda: int(time.monotonic()) > this, "a second begins", 2)


def test_orders_above_the_rate_are_refused_and_cancels_are_not(special_desk: Callable[[str], Desk]) -> None:
    desk = special_desk("five a second")
    a_second_begins()
    for number in range(1, 8):
        desk.a.enter(f"A{number}", BUY, 1, "100.00")
    for number in range(1, 6):
        desk.a.cancel(f"C{number}", f"A{number}")
    refused, answers = [], []
    while len(refused) + len(answers) < 12:
        message = desk.a.receive()
        (refused if message.type == "j" else answers).append(desk.written(message))
    first = desk.a.next_out - 12
    code = desk.words.pick("0", "0", "8")
    assert refused == [
        in_order(f"35=j|45={first + 5}|372=D|379=A6|380={code}|58=more than 5 orders a second"),
        in_order(f"35=j|45={first + 6}|372=D|379=A7|380={code}|58=more than 5 orders a second"),
    ]
    assert answers == [desk.report("new", f"#{number}", f"A{number}", BUY_1, "1/0@0") for number in range(1, 6)] + [
        desk.report("canceled", f"#{number}", f"C{number} of A{number}", BUY_1, "0/0@0") for number in range(1, 6)
    ]
    a_second_begins()
    desk.a.enter("A6", BUY, 1, "100.00")
    assert desk.a.told_one() == desk.report("new", "#6", "A6", BUY_1, "1/0@0"), "what was refused has used up nothing"


def test_cancels_have_a_rate_too(special_desk: Callable[[str], Desk]) -> None:
    desk = special_desk("five a second")
    a_second_begins()
    for number in range(1, 12):
        desk.a.cancel(f"X{number}", "NOBODY")
    answers = [desk.a.receive() for _ in range(11)]
    assert sorted(message.type for message in answers) == ["9"] * 10 + ["j"]
    (refused,) = [message for message in answers if message.type == "j"]
    assert refused.differs("379=X11|372=F|58=more than 10 cancels a second") == []


def test_lists_and_quotes_count_as_orders_and_quote_cancels_as_cancels(special_desk: Callable[[str], Desk]) -> None:
    desk = special_desk("five a second")
    a_second_begins()
    legs = "".join(f"11=L{n}|67={n}|55=NOSUCH|54=2|38=5|40=2|44=111.00|" for n in (1, 2))
    underlying = "311=X|" if desk.words.old else ""
    for number in range(3):
        desk.a.send("i", f"117=Q{number}|296=1|302=S|{underlying}304=1|295=1|299=E|55=NOSUCH|132=99|134=1|")
        desk.a.send("E", f"66=LIST{number}|394=3|1385=1|68=2|73=2|{legs}")
        desk.a.send("Z", f"117=Z{number}|298=1|295=1|55=NOSUCH|")
    answers = [desk.a.receive() for _ in range(3 + 2 * 3 + 3 + 1)]
    assert sorted(message.type for message in answers) == ["8"] * 4 + ["N"] * 2 + ["b"] * 6 + ["j"]
    (refused,) = [message for message in answers if message.type == "j"]
    assert refused.differs("379=LIST2|372=E|58=more than 5 orders a second") == []


@pytest.fixture
def fast_desks(venue: Venue) -> Iterator[list[Desk]]:
    yield [open_desk(venue, SPECIAL["too fast"][0] + number, version) for number, version in enumerate(VERSIONS)]
    for client in venue.clients:
        client.close()
    venue.clients.clear()


def test_who_goes_on_above_his_rate_is_logged_out(fast_desks: list[Desk]) -> None:
    """After five seconds with refusals in a row; all versions at once, because it takes its time."""
    started = time.monotonic()
    ended: dict[str, str] = {}

    def send_and_look() -> bool:
        for desk in fast_desks:
            version = desk.words.version
            if version not in ended:
                desk.a.send_many(desk.a.build("AF", "584=Q|585=7|") for _ in range(4))
                time.sleep(0.05)
                while desk.a.readable():
                    message = desk.a.receive()
                    if message.type == "5":
                        ended[version] = message[58]
                        break
        return len(ended) == len(fast_desks)

    wait_for(send_and_look, "all have been logged out", 15)
    assert ended == dict.fromkeys(VERSIONS, "more than 2 orders a second")
    assert REFUSED_SECONDS_MAX - 1 < time.monotonic() - started < REFUSED_SECONDS_MAX + 3
    for desk in fast_desks:
        desk.a.close()
    a_second_begins()
    for desk in fast_desks:
        desk.a.logon()
        desk.a.enter("BACK", BUY, 1, "100.00")
        assert desk.a.told_one() == desk.report("new", "#1", "BACK", BUY_1, "1/0@0"), "he may come back"


# --------------------------------------------------------------------------------------------- by the clock


def test_the_count_begins_again_with_every_second() -> None:
    throttle = Throttle(2, 3)
    asked = [("D", 10.0), ("G", 10.5), ("H", 10.9), ("F", 10.9), ("q", 10.9), ("F", 10.9), ("F", 10.99), ("AF", 11.0)]
    assert [throttle.refusal(msg_type, now) for msg_type, now in asked] == [
        "", "", "more than 2 orders a second", "", "", "", "more than 3 cancels a second", "",
    ]  # fmt: skip


def test_no_limit_is_none() -> None:
    throttle = Throttle(0, 0)
    assert {throttle.refusal(msg_type, 10.0) for msg_type in ("D", "F") * 1000} == {""}


def test_it_is_exhausted_after_seconds_with_refusals_in_a_row() -> None:
    throttle = Throttle(1, 1)
    ended = []
    for second in range(20):
        if second == 4:
            continue  # a second of peace, and the count begins again
        for _ in range(2):
            throttle.refusal("D", float(second))
        ended.append((second, throttle.exhausted))
    assert next(second for second, exhausted in ended if exhausted) == 5 + REFUSED_SECONDS_MAX


def test_mass_status_requests_are_counted_by_the_orders_they_look_at() -> None:
    """One a second is answered in any case."""
    throttle = Throttle(0, 0)
    many = STATUS_REPORTS_PER_SECOND_MAX
    asked = [(many * 2, 10.0), (1, 10.1), (many, 11.0), (0, 11.1), (1, 11.2), (5, 12.0), (many - 5, 12.1), (1, 12.2)]
    assert [throttle.takes_status_reports(count, now) for count, now in asked] == [
        True, False, True, True, False, True, True, False,
    ]  # fmt: skip
