"""The health check of a container: a process answers, and its figures are what they should be."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from fixserver import alive


@pytest.fixture
def port() -> Iterator[int]:
    registry = CollectorRegistry()
    Gauge("fixserver_ledger_database_up", "", registry=registry).set(1)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ([], ""),
        (["fixserver_ledger_database_up=1"], ""),
        (["fixserver_ledger_database_up=0"], "fixserver_ledger_database_up is 1, not 0\n"),
        (["fixserver_history_database_up=1"], "fixserver_history_database_up is not told\n"),
    ],
)
def test_a_process_that_answers(port: int, capsys: pytest.CaptureFixture[str], figures: list[str], said: str) -> None:
    assert alive.main([str(port), *figures]) == (1 if said else 0)
    assert capsys.readouterr().out == said


def test_a_process_that_is_not_there_or_does_not_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive, "SECONDS_MAX", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as stuck:
        number = stuck.getsockname()[1]
        assert alive.main([str(number)]) == 1
        assert capsys.readouterr().out == f"nothing answers at port {number}: timed out\n"
    assert alive.main([str(number)]) == 1
    assert "refused" in capsys.readouterr().out


def test_it_imports_nothing_that_is_slow() -> None:
    program = "import sys, fixserver.alive; print(sorted({'msgspec', 'sqlalchemy', 'quickfix', 'asyncio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "[]\n"
