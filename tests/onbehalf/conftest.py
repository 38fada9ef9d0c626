"""One exchange whose web speaks for participants, for all tests of this folder that do not stop it; each test has its own two."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from fixserver import websecret
from tests.orders.conftest import open_desk, places
from tests.orders.desk import Desk, Trader
from tests.venue import VERSIONS, Message, Venue

DESKS_MAX = 120
# Desks whose participants have terms of their own: one for each version, from this number on.
SPECIAL: dict[str, tuple[int, dict[str, Any]]] = {
    "all orders end": (1000, {"cancel_on_disconnect": "all"}),
    "with patience": (1010, {"cancel_grace_seconds": 3600}),
    "two a second": (1020, {"orders_per_second": 2}),
}


class Web(Trader):
    """The web's session: what it sends is for `whose`. In what it is told, DeliverToCompID has the participant's short name."""

    whose = ""

    def send(self, msg_type: str, body: str | bytes = "", **options: Any) -> int:
        if msg_type not in "0A12345":
            options["header"] = options.get("header", "") + f"115={self.whose}|"
        return super().send(msg_type, body, **options)

    def send_for_nobody(self, msg_type: str, body: str, header: str = "") -> None:
        """Without a participant's name, unless `header` has one."""
        super().send(msg_type, body, header=header)

    def messages(self) -> list[Message]:
        """As of any trader, but for what all sessions are told of the market."""
        return [message for message in super().messages() if message.type not in "fh"]

    def told(self) -> list[str]:
        return [self._short(text) for text in super().told()]

    def come_back(self, fields: str = "") -> list[str]:
        return [self._short(text) for text in super().come_back(fields)]

    def _short(self, text: str) -> str:
        return re.sub(r"\|128=([^|]+)", lambda found: f"|128={self.desk.names.get(found[1], found[1])}", text)


def open_web(venue: Venue, desk: Desk, version: str) -> Web:
    """The web's session, logged on, which speaks for A."""
    web = Web(lambda: venue.ports()["fix"], "WEB", version, password=websecret.read(venue.data))
    venue.clients.append(web)
    web.desk = desk
    web.whose = desk.a.comp_id
    web.logon(reset=True)
    return web


@pytest.fixture(scope="package")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    instruments, participants = places(range(DESKS_MAX))
    for first, terms in SPECIAL.values():
        more = places(range(first, first + len(VERSIONS)), **terms)
        instruments |= more[0]
        participants |= more[1]
    with Venue(tmp_path_factory.mktemp("onbehalf"), instruments=instruments, participants=participants) as running:
        yield running


@pytest.fixture(scope="package")
def desk_numbers() -> Iterator[int]:
    return count()


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def desk(venue: Venue, desk_numbers: Iterator[int], version: str) -> Iterator[Desk]:
    yield open_desk(venue, next(desk_numbers), version)
    _close(venue)


@pytest.fixture
def special_desk(venue: Venue, version: str) -> Iterator[Callable[[str], Desk]]:
    """Opens the desk of a name in SPECIAL."""
    yield lambda name: open_desk(venue, SPECIAL[name][0] + VERSIONS.index(version), version, reset=True)
    _close(venue)


@pytest.fixture
def web_of(venue: Venue, version: str) -> Callable[[Desk], Web]:
    """Opens the web's session for a desk."""
    return lambda desk: open_web(venue, desk, version)


@pytest.fixture
def web(desk: Desk, web_of: Callable[[Desk], Web]) -> Web:
    return web_of(desk)


def _close(venue: Venue) -> None:
    for client in venue.clients:
        client.close()
    venue.clients.clear()
