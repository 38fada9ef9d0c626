"""What holds for the files of the project as a whole: what none of them says, and that the lists in them agree."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("matching", "following", "clearing", "marketdata", "fixserver")


def tracked() -> list[Path]:
    """The files under version control, or, in a copy without it, those that would be."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    kept = (*PACKAGES, "config", "tests")
    return [path for folder in kept for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


# Only what holds wherever the project is: no path of somebody's machine, no index to install from.
NOT_SAID = {
    "somebody's home": re.compile(r"(?<![\w.])/(?:home|Users|root|work)/\w"),
    "an index to install from": re.compile(r"--(?:extra-)?index-url|--find-links|--trusted-host"),
    "a private key": re.compile("-----BEGIN " + "(?:RSA |EC |)PRIVATE KEY"),
    "a conflict that was not resolved": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}


@pytest.mark.parametrize("what", NOT_SAID)
def test_no_file_says(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for path, text in texts()
        if path != Path(__file__)
        for match in NOT_SAID[what].finditer(text)
    ]
    assert found == []


def test_the_lock_pins_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.!+-]+", line)] == []
    pinned = {re.sub("[-_.]+", "-", line.partition("==")[0]).lower() for line in lines}
    names = {re.sub("[-_.]+", "-", re.split(r"[<>=\[ ]", text)[0]).lower() for text in wanted}
    assert names - pinned == set()


def test_exactly_five_packages_are_installed() -> None:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    assert sorted(found["include"]) == sorted(f"{package}*" for package in PACKAGES)
