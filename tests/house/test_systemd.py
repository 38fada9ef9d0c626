"""The unit files: systemd takes them, they start what there is, and each process may do little."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fixserver import cli

UNITS = Path(__file__).parents[2] / "config" / "systemd"
PROCESSES = ("exchange", "clearing", "marketdata", "history")
# What `systemd-analyze security` counts, of 100: the less, the less a process that was taken over can do.
EXPOSURE_MAX = 25
PROGRAM = "/opt/fixserver/bin/fixserver"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((UNITS / name).read_text())
    return parser


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, for the program where it is here."""
    program = Path(sys.executable).with_name("fixserver")
    for path in UNITS.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace(PROGRAM, str(program)))
    return tmp_path


def test_there_is_one_for_each_process_and_the_target_starts_them_all() -> None:
    assert sorted(path.name for path in UNITS.iterdir()) == sorted(
        ["fixserver.target", *(f"fixserver-{name}.service" for name in PROCESSES)]
    )
    wanted = unit("fixserver.target")["Unit"]["Wants"].split()
    assert wanted == [f"fixserver-{name}.service" for name in PROCESSES]


@pytest.mark.parametrize("name", PROCESSES)
def test_each_starts_a_command_that_there_is(name: str) -> None:
    service = unit(f"fixserver-{name}.service")["Service"]
    program, *arguments = service["ExecStart"].split()
    assert program == PROGRAM
    parsed = cli._parser(name).parse_args(arguments)
    assert (str(parsed.config), str(parsed.data)) == ("/etc/fixserver/venue.toml", f"/var/lib/{service['StateDirectory']}")


@pytest.mark.parametrize("name", PROCESSES)
def test_one_that_cannot_run_as_configured_is_not_started_again(name: str) -> None:
    service = unit(f"fixserver-{name}.service")["Service"]
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", str(cli.EXIT_USAGE))


@needs_systemd
def test_systemd_takes_them(units: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, sorted(units.iterdir()))],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "fixserver" in line]
    assert said == []


@needs_systemd
@pytest.mark.parametrize("name", PROCESSES)
def test_each_may_do_little(units: Path, name: str) -> None:
    asked = ("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", "--no-pager")
    done = subprocess.run(
        ["systemd-analyze", *asked, str(units / f"fixserver-{name}.service")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd does not look at units that are not installed")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
