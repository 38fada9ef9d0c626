"""What holds for the source tree as a whole: who may import whom, and what a file may not say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("matching", "clearing", "marketdata", "fixserver")

# What a package may import besides itself and the standard library.
ALLOWED = {
    "matching": {"sortedcontainers", "msgspec"},
    "clearing": {"matching.messages", "matching.recordlog", "msgspec", "sqlalchemy", "alembic", "psycopg"},
    "marketdata": {"matching.messages", "matching.recordlog", "msgspec", "sortedcontainers"},
    "fixserver": {"matching", "clearing", "marketdata", "msgspec", "quickfix", "prometheus_client", "sqlalchemy"},
}
# The core is a function of its commands: nothing in it may know the time, chance, the network or other threads.
NOT_IN_THE_ENGINE = {
    "asyncio", "datetime", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select", "selectors",
    "socket", "subprocess", "threading", "time", "uuid",
}  # fmt: skip
ENGINE = ("messages", "book", "engine", "accounts")


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Each module that a file imports, wherever in it, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                continue  # within the package
            module = node.module or ""
            # `from matching import messages` imports matching.messages.
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}" if (ROOT / module.replace(".", "/")).is_dir() else module


def is_allowed(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in allowed)


def strangers(path: Path, package: str) -> list[str]:
    allowed = {package, *ALLOWED[package], *sys.stdlib_module_names}
    return [f"{path.relative_to(ROOT)}:{line}: {module}" for line, module in imports(path) if not is_allowed(module, allowed)]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_what_it_may(package: str) -> None:
    assert sources(package)
    assert [found for path in sources(package) for found in strangers(path, package)] == []


@pytest.mark.parametrize("module", ENGINE)
def test_the_engine_knows_no_clock_no_chance_and_no_world(module: str) -> None:
    path = ROOT / "matching" / f"{module}.py"
    assert [f"{path.name}:{line}: {name}" for line, name in imports(path) if name.partition(".")[0] in NOT_IN_THE_ENGINE] == []


def test_the_engine_has_no_float() -> None:
    found = []
    for module in ENGINE:
        for node in ast.walk(ast.parse((ROOT / "matching" / f"{module}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                found.append(f"{module}.py:{node.lineno}: a float")
            if isinstance(node, ast.Name) and node.id == "float":
                found.append(f"{module}.py:{node.lineno}: the type float")
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                found.append(f"{module}.py:{node.lineno}: a true division")
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_is(package: str) -> None:
    silent = []
    for path in sources(package):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if tree.body and not ast.get_docstring(tree):
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_the_rules_find_what_breaks_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clearing").mkdir()
    (tmp_path / "matching").mkdir()
    path = tmp_path / "clearing" / "x.py"
    path.write_text(
        "import os, quickfix\nfrom matching import engine, messages\nfrom matching.engine import Engine\n"
        "from marketdata.depth import Depth\ndef f():\n    import fixserver.config\n"
    )
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    assert strangers(path, "clearing") == [
        "clearing/x.py:1: quickfix",
        "clearing/x.py:2: matching.engine",
        "clearing/x.py:3: matching.engine",
        "clearing/x.py:4: marketdata.depth",
        "clearing/x.py:6: fixserver.config",
    ]


# ------------------------------------------------------------------------------------------ what files say


def tracked() -> list[Path]:
    """The files under version control, or, in a copy without it, those that would be."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    kept = ("matching", "clearing", "marketdata", "fixserver", "config", "tests")
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
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.!+-]+", line)] == []
    pinned = {re.sub("[-_.]+", "-", line.partition("==")[0]).lower() for line in lines}
    names = {re.sub("[-_.]+", "-", re.split(r"[<>=\[ ]", text)[0]).lower() for text in wanted}
    assert names - pinned == set()


def test_exactly_four_packages_are_installed() -> None:
    import tomllib

    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    assert sorted(found["include"]) == sorted(f"{package}*" for package in PACKAGES)
