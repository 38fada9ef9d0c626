"""install.sh: what it says when something is missing, and that it shows how far it is; nothing is installed here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def fake_python(directory: Path, *lacks: str) -> Path:
    """An interpreter that says yes to install.sh's questions, but for those named. It makes a pip that fails if that is named."""
    answers = {question: int(question in lacks) for question in ("version_info", "ensurepip", "Python.h", "pip")}
    return program(
        directory / "python",
        f"""
        case "$*" in
            *version_info*) exit {answers["version_info"]} ;;
            *ensurepip*) exit {answers["ensurepip"]} ;;
            *Python.h*) exit {answers["Python.h"]} ;;
            --version) echo 'Python 3.9.2' ;;
            '-m venv '*)
                mkdir -p "$3/bin"
                printf '#!/bin/sh\\necho "pip $*"\\nexit {answers["pip"]}\\n' >"$3/bin/pip"
                chmod +x "$3/bin/pip" ;;
        esac""",
    )


def install(directory: Path, python: Path | str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(ROOT / "install.sh"), str(directory / "venv")],
        cwd=ROOT,
        env={**os.environ, "PYTHON": str(python), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("lacks", "line"),
    [
        (
            "version_info",
            "install: Python 3.9.2 is too old: Python 3.11 or later is needed (PYTHON=/path/to/python3.11 make install)",
        ),
        ("ensurepip", "install: Python cannot make virtual environments. On Debian: sudo apt install python3-venv"),
    ],
)
def test_a_python_that_will_not_do_is_named_before_anything_is_made(tmp_path: Path, lacks: str, line: str) -> None:
    done = install(tmp_path, fake_python(tmp_path, lacks))
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", line)
    assert not (tmp_path / "venv").exists()


def test_no_python_is_named(tmp_path: Path) -> None:
    done = install(tmp_path, "python-of-nobody")
    line = "install: there is no python-of-nobody. On Debian: sudo apt install python3 python3-venv python3-dev"
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", line)


def test_it_says_first_that_it_takes_minutes_and_last_how_long_it_took(tmp_path: Path) -> None:
    done = install(tmp_path, fake_python(tmp_path))
    first, *_, last = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert first.endswith("QuickFIX comes as C++ source: compiling it takes four to five minutes, once.")
    assert last.startswith("Installed in 0:0")
    assert [line.rpartition("off ")[2] for line in (tmp_path / "venv" / "install.log").read_text().splitlines()] == [
        "-r requirements.lock",
        "--no-deps --editable .",
    ]


def test_what_the_compiler_lacks_is_said_when_it_fails(tmp_path: Path) -> None:
    done = install(tmp_path, fake_python(tmp_path, "pip", "Python.h"), CXX="compiler-of-nobody")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "install: QuickFIX could not be compiled. On Debian: sudo apt install g++ python3-dev"


def test_another_failure_says_where_the_whole_story_is(tmp_path: Path) -> None:
    done = install(tmp_path, fake_python(tmp_path, "pip"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith("pip install")
    assert done.stderr.splitlines()[-1] == f"install: it failed; all of the output is in {tmp_path}/venv/install.log"
