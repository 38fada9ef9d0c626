"""One exchange for all tests of this folder that do not stop it; each test has participants and instruments of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

import pytest

from tests.orders.desk import Desk, Trader, Words, operate
from tests.venue import VERSIONS, Venue

DESKS_MAX = 450
# Desks whose participants have terms of their own: one for each version, from this number on.
SPECIAL = {
    "all orders end": (1000, {"cancel_on_disconnect": "all"}),
    "day orders end": (1010, {"cancel_on_disconnect": "day"}),
    "with grace": (1020, {"cancel_on_disconnect": "all", "cancel_grace_seconds": 1}),
    "with patience": (1030, {"cancel_on_disconnect": "all", "cancel_grace_seconds": 3600}),
    "five a second": (1040, {"orders_per_second": 5, "cancels_per_second": 10}),
    "too fast": (1050, {"orders_per_second": 2, "cancels_per_second": 10}),
    "self-trading": (1060, {"self_trade": "allow"}),
    "short": (1070, {"short_max": 100}),
    "no dictionary": (1090, {"quickfix": {"UseDataDictionary": False}}),
    "volatile": (1100, {}),
    "accounts": (1120, {"accounts": True}),
    "own venue": (1080, {"venue_comp_id": "MYBROKER"}),
}
CASH = "1_000_000"
SHARES = "10_000"


def places(numbers: Iterable[int], **of_each: Any) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The instruments and the participants of so many desks."""
    instruments: dict[str, dict[str, Any]] = {}
    participants: dict[str, dict[str, Any]] = {}
    for number in numbers:
        for symbol in ("X", "Y"):
            instruments[f"{symbol}{number}"] = {"quantity_max": "5_000", "value_max": "400_000"}
        for name in ("A", "B"):
            holdings = {f"X{number}": SHARES, f"Y{number}": SHARES}
            participants[f"{name}{number}"] = {"cash": CASH, "holdings": holdings, **of_each}
            if "accounts" in of_each:
                participants[f"{name}{number}"]["accounts"] = [f"{name}{number}-{letter}" for letter in "PQR"]
    return instruments, participants


def open_desk(venue: Venue, number: int, version: str, *, target: str = "FIXSERVER", reset: bool = False) -> Desk:
    """A desk of the venue with both clients logged on. `reset`: they may have been before."""
    names = {f"{name}{number}": name for name in "ABXY"}
    traders = []
    for name in ("A", "B"):
        trader = Trader(lambda: venue.ports()["fix"], f"{name}{number}", version, target=target)
        venue.clients.append(trader)
        traders.append(trader)
    desk = Desk(Words(version), names, traders[0], traders[1], f"X{number}", f"Y{number}", venue)
    for trader in traders:
        trader.desk = desk
        trader.logon(reset=reset)
    return desk


def another(venue: Venue, trader: Trader, version: str) -> Trader:
    """A further session of the same participant, logged on."""
    other = Trader(lambda: venue.ports()["fix"], trader.comp_id, version)
    venue.clients.append(other)
    other.desk = trader.desk
    other.logon()
    return other


@pytest.fixture(scope="package")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    instruments, participants = places(range(DESKS_MAX))
    for first, terms in SPECIAL.values():
        more = places(range(first, first + len(VERSIONS)), **terms)
        instruments |= more[0]
        participants |= more[1]
    instruments["COIN"] = {
        "quantity_decimals": 8, "lot": "0.00000001", "quantity_max": "1_000", "value_max": "900_000", "reference_price": "60_000",
    }  # fmt: skip
    instruments["TICK"] = {"tick": "0.05", "quantity_max": "5_000", "value_max": "400_000"}
    instruments["NOBODYS"] = {}
    for terms in participants.values():
        terms["holdings"]["COIN"] = "1"
    with Venue(
        tmp_path_factory.mktemp("orders"), instruments=instruments, participants=participants, venue={"day_roll": "22:00"}
    ) as running:
        # Of a market without a schedule, which the configuration does not take.
        terms = {"reference_price": "100.00", "quantity_max": "100", "value_max": "9000"}
        operate(running, "instrument add", symbol="ASIDE", market="SIDE", **terms)
        yield running


@pytest.fixture(scope="package")
def desk_numbers() -> Iterator[int]:
    return count()


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def special_desk(venue: Venue, version: str) -> Iterator[Callable[..., Desk]]:
    """Opens the desk of a name in SPECIAL."""
    yield lambda name, **options: open_desk(venue, SPECIAL[name][0] + VERSIONS.index(version), version, reset=True, **options)
    for client in venue.clients:
        client.close()
    venue.clients.clear()


@pytest.fixture
def desk(venue: Venue, desk_numbers: Iterator[int], version: str) -> Iterator[Desk]:
    found = open_desk(venue, next(desk_numbers), version)
    yield found
    for client in venue.clients:
        client.close()
    venue.clients.clear()


@pytest.fixture(scope="module")
def standing_desks(venue: Venue, desk_numbers: Iterator[int]) -> Iterator[Callable[[str], Desk]]:
    """A desk for each version that stays while a module's tests come and go: for what leaves nothing behind but a used ClOrdID."""
    opened: dict[str, Desk] = {}

    def desk_of(version: str) -> Desk:
        if version not in opened:
            others, venue.clients = venue.clients, []  # these are not the test's, which closes its own
            opened[version] = open_desk(venue, next(desk_numbers), version)
            venue.clients = others
        return opened[version]

    yield desk_of
    for desk in opened.values():
        desk.a.close()
        desk.b.close()


@pytest.fixture
def standing_desk(standing_desks: Callable[[str], Desk], version: str) -> Desk:
    found = standing_desks(version)
    found.order_ids.clear()
    return found


@pytest.fixture
def session_of(venue: Venue) -> Callable[[Trader, str], Trader]:
    """A further session of a participant, on another version."""
    return lambda trader, version: another(venue, trader, version)
