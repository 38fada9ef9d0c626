"""The command line: what it knows, its exit codes, and that asking for help costs nothing."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fixserver import cli

ROOT = Path(__file__).parents[2]
COMMANDS = list(cli._COMMANDS)


def fixserver(*arguments: str, timeout: float = 20) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "fixserver.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, check=False)
    return done.returncode, done.stdout, done.stderr


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert end.value.code == 0
    listed = out.partition("commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: fixserver {command}")


def test_help_imports_nothing_that_is_slow() -> None:
    program = (
        "import sys; from fixserver import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'quickfix', 'sqlalchemy', 'msgspec', 'prometheus_client'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_command_is_help_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert capsys.readouterr().out.startswith("usage: fixserver COMMAND")


def test_a_command_that_there_is_not_is_exit_2() -> None:
    code, out, err = fixserver("auction")
    assert (code, out) == (2, "")
    assert "invalid choice: 'auction'" in err


def test_version_says_what_it_runs_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version"]) == 0
    assert capsys.readouterr().out.startswith("fixserver 0.")


@pytest.mark.parametrize("command", ["run", "exchange", "clearing", "marketdata"])
def test_a_configuration_that_is_not_there_is_one_line_and_exit_2(command: str, tmp_path: Path) -> None:
    code, out, err = fixserver(command, "--config", "nowhere.toml", "--data", str(tmp_path))
    assert (code, out, err) == (2, "", "nowhere.toml: no such file or directory\n")


def test_a_data_directory_that_cannot_be_is_one_line_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, out, err = fixserver("exchange", "--data", str(tmp_path / "file"))
    assert (code, out, err) == (2, "", f"--data: {tmp_path}/file: file exists\n")


@pytest.mark.parametrize(
    ("command", "key"),
    [("run", "exchange.port"), ("exchange", "exchange.port"), ("marketdata", "marketdata.port"), ("marketdata", "web.port")],
)
def test_a_port_in_use_is_one_line_and_exit_2(command: str, key: str, tmp_path: Path) -> None:
    section, _, name = key.partition(".")
    other = "metrics_port = 0\n"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = (ROOT / "config" / "bench.toml").read_text().replace('"dictionaries"', f'"{ROOT}/config/dictionaries"')
        for default in (5001, 5002, 8080):
            text = text.replace(f"\nport = {default}\n", "\nport = 0\n")
        for default in (9101, 9102, 9103, 9104):
            text = text.replace(f"metrics_port = {default}\n", other)
        head, table, tail = text.partition(f"[{section}]\n")
        path = tmp_path / "venue.toml"
        path.write_text(head + table + tail.replace(f"{name} = 0", f"{name} = {port}", 1))
        code, out, err = fixserver(command, "--config", str(path), "--data", str(tmp_path / "data"))
        assert (code, out) == (2, "")
        assert err == f"{path}: {key}: 127.0.0.1:{port} is in use: stop what listens there, or choose another port\n"


def test_a_reader_that_has_enough_ends_the_command_quietly() -> None:
    program = "import sys; from fixserver import cli; sys.exit(cli.main(['dictionaries', '--check']))"
    reader, writer = socket.socketpair()
    reader.close()
    with writer:
        command = [sys.executable, "-u", "-c", program]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=20, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
