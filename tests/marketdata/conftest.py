"""A venue with a market data desk, for each test its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from md_stand import Stand


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path)
    yield stand
    stand.close()
