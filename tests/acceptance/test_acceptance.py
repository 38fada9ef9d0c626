"""The session-level test cases of the FIX specification (FIX 4.4 volume 2), on every version: the texts are in scenarios/.

They wait more than they work, so that all that were chosen are played at once, and each test then says how one of them went.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from tests.acceptance.scenario import Player, Scenario, scenarios_of
from tests.venue import TRADER, VERSIONS, Venue

AT_ONCE = 24
FILES = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
SCENARIOS = [scenario for file in FILES for scenario in scenarios_of(file)]
CASES = [
    pytest.param(scenario, version, id=f"{scenario.file.stem}-{scenario.name}-{version}")
    for scenario in SCENARIOS
    for version in VERSIONS
]
NUMBERS = {id(scenario): number for number, scenario in enumerate(SCENARIOS)}

Outcomes = dict[tuple[int, str], AssertionError | None]


def comp_id(scenario: Scenario, version: str) -> str:
    """Every case is a participant of its own."""
    return f"P{NUMBERS[id(scenario)]}V{VERSIONS.index(version)}"


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """What became of every case that was chosen."""
    chosen: list[tuple[Scenario, str]] = [
        (cast(Scenario, item.callspec.params["scenario"]), str(item.callspec.params["version"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test_scenario
    ]
    participants = {comp_id(scenario, version): TRADER for scenario, version in chosen}
    with Venue(tmp_path_factory.mktemp("acceptance"), participants=participants) as venue:
        found: Outcomes = {}
        players: dict[tuple[int, str], Player] = {
            (id(scenario), version): Player(scenario, venue, comp_id(scenario, version), version) for scenario, version in chosen
        }
        for how, act in [("", 0), *((how, act) for act, how in enumerate(_restarts(chosen), 1))]:
            if how:
                getattr(venue, how)()
                if how == "kill":
                    venue.start()
            _play(players, act, found)
        yield found
        assert all(process.poll() is None for process in venue.processes.values())


def _restarts(chosen: list[tuple[Scenario, str]]) -> list[str]:
    """How the venue is restarted, in order: the same for all, because there is one venue."""
    longest = max((scenario.restarts for scenario, _ in chosen), key=len, default=[])
    for scenario, _ in chosen:
        assert scenario.restarts == longest[: len(scenario.restarts)], f"{scenario.file.name}: {scenario.name} restarts otherwise"
    return longest


def _play(players: dict[tuple[int, str], Player], act: int, outcomes: Outcomes) -> None:
    def play(case: tuple[int, str], player: Player) -> None:
        try:
            player.play(act)
        except AssertionError as error:
            outcomes[case] = error
        if len(player.scenario.acts) == act + 1 or outcomes[case] is not None:
            player.end()

    due = [
        (case, player)
        for case, player in players.items()
        if len(player.scenario.acts) > act and outcomes.setdefault(case, None) is None
    ]
    due.sort(key=lambda entry: not entry[1].scenario.waits)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in [pool.submit(play, *entry) for entry in due]:
            future.result()


@pytest.mark.parametrize(("scenario", "version"), CASES)
def test_scenario(scenario: Scenario, version: str, outcomes: Outcomes) -> None:
    error = outcomes[id(scenario), version]
    assert error is None, f"{scenario.name}: {scenario.shows}\n{error}"
