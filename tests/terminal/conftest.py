"""One venue with a feed for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.venue import Venue


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """Exchange and feed; TRADER2 to TRADER8 are the test's."""
    with Venue(tmp_path_factory.mktemp("venue"), clearing={"metrics_port": 0}) as one:
        one.start("marketdata")
        yield one
