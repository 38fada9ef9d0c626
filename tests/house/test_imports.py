"""Who may import whom, and what the core may not know of: the rules of ARCHITECTURE.md, held by walking the sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("matching", "following", "clearing", "marketdata", "fixserver")

# What serves the web; uvloop is the loop of the process that does.
WEB = {"litestar", "uvicorn", "httptools", "websockets", "uvloop"}
# What a package may import besides itself and the standard library.
ALLOWED = {
    "matching": {"sortedcontainers", "msgspec"},
    "following": {"matching.formats", "matching.messages", "matching.recordlog", "msgspec", "sqlalchemy", "alembic"},
    "clearing": {"following", "matching.messages", "matching.recordlog", "msgspec", "sqlalchemy", "alembic", "psycopg"},
    "marketdata": {
        "following", "matching.messages", "matching.recordlog", "matching.instruments", "msgspec", "sortedcontainers", "sqlalchemy",
        "alembic",
    },
    "fixserver": {
        "matching", "following", "clearing", "marketdata", "msgspec", "quickfix", "prometheus_client", "sqlalchemy", "matplotlib",
        "textual", "packaging", *WEB,
    },
}  # fmt: skip
# The engine is a function of its commands: nothing in it may know the time, chance, files, the network or other threads.
NOT_IN_THE_ENGINE = {
    "asyncio", "datetime", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select", "selectors",
    "socket", "subprocess", "threading", "time", "uuid",
}  # fmt: skip
# What writes and reads files, and stamps commands: the rest of the core is the engine.
STORAGE = {"recordlog", "logarchive", "snapshot", "sequencer"}
ENGINE = sorted(path.stem for path in (ROOT / "matching").glob("*.py") if path.stem not in STORAGE)


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


def test_quickfix_is_met_in_few_places() -> None:
    found = [path.name for path in sources("fixserver") if any(module == "quickfix" for _, module in imports(path))]
    assert set(found) <= {"sessions.py", "client.py"}


def test_what_draws_the_terminal_is_met_in_its_folder() -> None:
    found = [path for path in sources("fixserver") if any(is_allowed(module, {"textual"}) for _, module in imports(path))]
    assert found
    assert [path.name for path in found if path.parent != ROOT / "fixserver" / "terminal"] == []


def test_what_serves_the_web_is_met_in_its_folder() -> None:
    found = [path for path in sources("fixserver") if any(is_allowed(module, WEB) for _, module in imports(path))]
    elsewhere = [path.name for path in found if (ROOT / "fixserver" / "web") not in path.parents]
    assert elsewhere == ["marketdata_process.py", "watch_command.py"]


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
