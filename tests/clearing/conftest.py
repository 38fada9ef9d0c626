"""Ledgers on both databases, and venues whose events they post."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearing.database import open_database
from clearing.ledger import Ledger
from following.database import sqlite_url
from tests.postgres import Postgres

_numbers = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "ledger.sqlite").render_as_string()
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"ledger{next(_numbers)}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    """A loaded ledger in an empty database."""
    made = Ledger(open_database(url))
    made.load()
    yield made
    made.close()
