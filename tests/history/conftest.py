"""Histories on both databases."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from following.database import sqlite_url
from marketdata.history.database import open_database
from marketdata.history.writer import History
from tests.postgres import Postgres

_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "market_data.sqlite").render_as_string()
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"history{next(_numbers)}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
def history(url: str) -> Iterator[History]:
    """A loaded history in an empty database."""
    made = History(open_database(url))
    made.load()
    yield made
    made.close()
