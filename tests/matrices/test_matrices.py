"""The order state change matrices of FIX 4.4 volume 4, appendix D, on every version: the texts are in scenarios/.

All that were chosen are played on one venue, which then ends the trading day for those that go on into the next one; each
test says how one of them went.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.light import light_venue
from tests.matrices.catalogue import MATRICES, NOT_APPLICABLE, README, name_of, scenarios, table
from tests.matrices.notation import Scenario
from tests.matrices.player import Operator, Player, Post
from tests.venue import INSTRUMENT, VERSIONS, Venue

SCENARIOS = scenarios()
CASES = [
    pytest.param(scenario, version, id=f"{name_of(scenario)}-{version}") for scenario in SCENARIOS for version in scenario.versions
]
CASH = "1_000_000_000"
SHARES = "1_000_000"
DAY_SECONDS = 86_400
DAY_ROLL = ('day_roll = "23:59"', 'day_roll = "00:01"')  # when the trading day ends: late, and when it is to have ended, early

Case = tuple[int, str]


class Midnight(AssertionError):
    """The day would end by itself, and not when a scenario says."""


Outcomes = dict[Case, AssertionError | None]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """What became of every case that was chosen."""
    chosen: list[tuple[Scenario, str]] = [
        (cast(Scenario, item.callspec.params["scenario"]), str(item.callspec.params["version"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test_matrix
    ]
    symbols = [f"M{number}" for number in range(len(chosen))]
    wealth: dict[str, Any] = {"cash": CASH, "holdings": dict.fromkeys(symbols, SHARES)}
    venue = light_venue(
        tmp_path_factory.mktemp("matrices"),
        instruments=dict.fromkeys(symbols, INSTRUMENT),
        participants={"CLIENT": {**wealth, "self_trade": "decrement"}, "MARKET": {**wealth, "self_trade": "allow"}},
    )
    venue.config.write_text(re.sub('day_roll = "[0-9:]+"', DAY_ROLL[0], venue.config.read_text()))
    with venue:
        yield _played(venue, chosen, symbols)


def _played(venue: Venue, chosen: list[tuple[Scenario, str]], symbols: list[str]) -> Outcomes:
    posts = {(name, version): Post(venue.client(name, version).logon()) for name in ("CLIENT", "MARKET") for version in VERSIONS}
    operator = Operator(venue)
    players: dict[Case, Player] = {
        (id(scenario), version): Player(scenario, version, posts["CLIENT", version], posts["MARKET", version], symbol, operator)
        for (scenario, version), symbol in zip(chosen, symbols, strict=True)
    }
    found: Outcomes = {}
    _play(players, 0, found)
    if any(len(scenario.acts) > 1 for scenario, _ in chosen):
        if not 60 <= time.time() % DAY_SECONDS < DAY_SECONDS - 180:
            return found | {case: Midnight() for case, player in players.items() if len(player.scenario.acts) > 1}
        _end_the_day(venue)
        for post in posts.values():
            post.come_back()
        _play(players, 1, found)
    return found


def _play(players: dict[Case, Player], act: int, outcomes: Outcomes) -> None:
    for case, player in players.items():
        if len(player.scenario.acts) > act and outcomes.setdefault(case, None) is None:
            try:
                player.play(act)
            except AssertionError as error:
                outcomes[case] = error


def _end_the_day(venue: Venue) -> None:
    """Start again with a trading day that has ended already."""
    text = venue.config.read_text()
    assert DAY_ROLL[0] in text
    venue.end()
    venue.config.write_text(text.replace(*DAY_ROLL))
    venue.start()


@pytest.mark.parametrize(("scenario", "version"), CASES)
def test_matrix(scenario: Scenario, version: str, outcomes: Outcomes) -> None:
    error = outcomes[id(scenario), version]
    if isinstance(error, Midnight):
        pytest.skip("it is midnight UTC")
    if error is not None:
        raise error


def test_every_matrix_is_played_or_does_not_apply() -> None:
    """Neither both nor none."""
    played = {scenario.reference for scenario in SCENARIOS}
    assert [reference for reference in MATRICES if (reference in played) == (reference in NOT_APPLICABLE)] == []
    assert played | NOT_APPLICABLE.keys() == MATRICES.keys()


def test_the_readme_says_what_becomes_of_each() -> None:
    assert README.read_text().endswith(table(SCENARIOS)), "run python -m tests.matrices.catalogue"
