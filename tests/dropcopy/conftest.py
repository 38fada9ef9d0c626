"""One exchange with a drop copy of everybody on each version, and one of A0 alone; each test has a desk of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.dropcopy.watcher import Watcher
from tests.orders.conftest import open_desk, places
from tests.orders.desk import Desk, Trader
from tests.venue import VERSIONS, Venue

DESKS_MAX = 200
OF_ALL = {version: f"ALL-{version}" for version in VERSIONS}
DROP_COPIES = {name: {"participants": "*", "version": version} for version, name in OF_ALL.items()}
DROP_COPIES["ONE"] = {"participants": ["A0"], "version": "FIX.4.4"}


@pytest.fixture(scope="package")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    instruments, participants = places(range(DESKS_MAX))
    # The rest of what watchers are sent while a test is at work is that of others, and in their way.
    settings = {"instruments": instruments, "participants": participants, "drop_copies": DROP_COPIES}
    with Venue(tmp_path_factory.mktemp("dropcopy"), **settings) as running:
        yield running


@pytest.fixture(scope="package")
def desk_numbers() -> Iterator[int]:
    return iter(count(2))  # A0 and A1 are those of a test that names them


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_version(venue: Venue, desk_numbers: Iterator[int]) -> Iterator[Callable[[str], Desk]]:
    """Opens a desk whose traders speak a version."""
    yield lambda version: open_desk(venue, next(desk_numbers), version)
    for client in venue.clients:
        client.close()
    venue.clients.clear()


@pytest.fixture
def desk(open_version: Callable[[str], Desk], version: str) -> Desk:
    return open_version(version)


@pytest.fixture
def watch(venue: Venue) -> Callable[..., Watcher]:
    """Logs on a drop copy, by the name of its session; its numbers begin anew."""

    def of(name: str, version: str, *traders: Trader) -> Watcher:
        watcher = Watcher(venue, name, version, {trader.comp_id for trader in traders})
        venue.clients.append(watcher)
        watcher.logon(reset=True)
        return watcher

    return of
