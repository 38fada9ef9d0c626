"""The venue of compose.yaml, brought up with podman-compose on free ports of this machine, for tests; it judges nothing.

An image is built once a run, and QuickFIX in it compiled only when its version is another: that takes some minutes, so that it
happens where FIXSERVER_COMPOSE=1 says that it may, as in .ci/run. Where there is no podman, or no image to begin with, nothing is.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixserver import secrets_command
from fixserver.passwords import hash_password
from tests.venue import ROOT, Client, free_port, wait_for

ASKED_FOR = "FIXSERVER_COMPOSE"
IMAGE = "localhost/fixserver:test"
PYTHON_IMAGE = "docker.io/library/python:3.11-slim-bookworm"
POSTGRES_IMAGE = "docker.io/library/postgres:17"
PROMETHEUS_IMAGE = "docker.io/prom/prometheus:v3.0.0"
SERVICES = ("exchange", "clearing", "marketdata", "history", "postgres", "prometheus")
CONNECTIONS_MAX = 24  # the bots' 14 and the page's have room beside the traders of the tests
WATCHERS_PASSWORD = "sees everything"
BUILD_SECONDS_MAX = 2400
UP_SECONDS_MAX = 240
HEALTHY_SECONDS_MAX = 120.0
RESTART_SECONDS_MAX = 60.0


def skip_where_it_cannot_be() -> None:
    """Skip, and say why."""
    if os.environ.get(ASKED_FOR) != "1":
        pytest.skip(f"builds an image: only where {ASKED_FOR}=1 asks for it")
    for program in ("podman", "podman-compose", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}. On Debian: sudo apt install {program}")
    if podman("info", check=False).returncode:
        pytest.skip(f"podman does not run here: {podman('info', check=False).stderr.strip()[-300:]}")
    for image in (PYTHON_IMAGE, POSTGRES_IMAGE, PROMETHEUS_IMAGE):
        if podman("image", "exists", image, check=False).returncode and podman("pull", image, check=False, seconds=300).returncode:
            pytest.skip(f"the image {image} is not here and cannot be had")
    tried = podman("run", "--rm", "--network", "none", PYTHON_IMAGE, "true", check=False)
    if tried.returncode:
        pytest.skip(f"podman runs no container here: {tried.stderr.strip()[-300:]}")


def podman(*arguments: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(["podman"], 124, "", f"podman {arguments[0]}: no answer within {seconds:g} s")
    assert done.returncode == 0 or not check, f"podman {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done


def build() -> None:
    """Layers that have not changed are those of an earlier build."""
    podman("build", "--network", "host", "-t", IMAGE, str(ROOT), seconds=BUILD_SECONDS_MAX)


class Containers:
    """A project of podman-compose with volumes of its own. `directory` holds its copy of compose.yaml, config/ and secrets/."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.project = f"fixserver-test-{os.getpid()}"
        self.order_entry, self.market_data, self.web, self.drop_copy = (free_port() for _ in range(4))
        self.secrets = directory / "secrets"
        self.clients: list[Client] = []
        shutil.copytree(ROOT / "config", directory / "config")
        # The image is there already, and who builds it again here would find no Dockerfile.
        (directory / "compose.yaml").write_text((ROOT / "compose.yaml").read_text().replace("  build: .\n", ""))
        venue = directory / "config" / "compose.toml"
        whole = venue.read_text()
        assert "connections_max = 200" in whole
        secrets_command.make(self.secrets, [])
        watcher = f'\n[[drop_copies]]\nname = "WATCHER"\nparticipants = "*"\npassword = "{hash_password(WATCHERS_PASSWORD)}"\n'
        venue.write_text(whole.replace("connections_max = 200", f"connections_max = {CONNECTIONS_MAX}") + watcher)
        (directory / "backups").mkdir()
        (directory / "backups").chmod(0o777)  # the user in the container is another

    def compose(self, *arguments: str, seconds: float = UP_SECONDS_MAX, check: bool = True) -> str:
        """Run podman-compose; what it printed. It does not tell by its exit code whether all went well."""
        settings = {
            "FIXSERVER_IMAGE": IMAGE,
            "FIXSERVER_ADDRESS": "127.0.0.1",
            "FIXSERVER_ORDER_ENTRY_PORT": str(self.order_entry),
            "FIXSERVER_MARKET_DATA_PORT": str(self.market_data),
            "FIXSERVER_WEB_PORT": str(self.web),
            "FIXSERVER_DROP_COPY_PORT": str(self.drop_copy),
            "FIXSERVER_BACKUPS": str(self.directory / "backups"),
        }
        done = subprocess.run(
            ["podman-compose", "-p", self.project, *arguments],
            cwd=self.directory,
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout[-6000:]
        return done.stdout

    def up(self) -> None:
        self.compose("up", "-d", *SERVICES)
        self.wait_until_healthy()

    def down(self, *arguments: str) -> None:
        """Stop the containers and remove them; the volumes stay unless told otherwise."""
        for client in self.clients:
            client.close()
        self.compose("down", *arguments)

    def name(self, service: str) -> str:
        return f"{self.project}_{service}_1"

    def inspect(self, service: str, what: str) -> str:
        return podman("inspect", "--format", "{{" + what + "}}", self.name(service)).stdout.strip()

    def exec(self, service: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return podman("exec", self.name(service), *command, check=check)

    def operator(self, *command: str) -> str:
        """`fixserver ...` in a container that has everything; what it printed."""
        return self.compose("run", "--rm", "--no-deps", "-T", "operator", *command)

    def is_healthy(self, service: str) -> bool:
        """Asks now: where there is no systemd, podman does not ask by itself."""
        return podman("healthcheck", "run", self.name(service), check=False).returncode == 0

    def wait_until_healthy(self, *services: str) -> None:
        for service in services or SERVICES:
            try:
                wait_for(lambda service=service: self.is_healthy(service), f"{service} is healthy", HEALTHY_SECONDS_MAX)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{podman('logs', self.name(service), check=False).stderr[-3000:]}") from None

    def kill(self, *services: str) -> None:
        """Kill the processes of containers, as a fault would, and wait until they were started again."""
        before = {service: self.inspect(service, ".State.Pid") for service in services}
        for number in before.values():
            os.kill(int(number), signal.SIGKILL)

        def are_others() -> bool:
            said = {service: (self.inspect(service, ".State.Running"), self.inspect(service, ".State.Pid")) for service in services}
            return all(running == "true" and number not in (before[name], "0") for name, (running, number) in said.items())

        wait_for(are_others, f"{', '.join(services)}: started again", RESTART_SECONDS_MAX)

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.secrets / "ca.pem"))

    def client(self, comp_id: str, **options: Any) -> Client:
        """A FIX client, not connected, with the password that was made for him."""
        password = (self.secrets / "trader_password").read_text().strip()
        client = Client(self.order_entry, comp_id, password=options.pop("password", password), **options)
        self.clients.append(client)
        return client

    def connect(self, client: Client, port: int = 0) -> Client:
        """Connect with TLS, by the authority that `fixserver secrets` has made; to order entry unless a port is given."""
        client.close()
        client._buffer = b""
        plain = socket.create_connection(("127.0.0.1", port or self.order_entry), 10)
        client.socket = self.tls().wrap_socket(plain, server_hostname="localhost")
        return client

    def get(self, path: str) -> Any:
        """The answer of the page's REST, over TLS."""
        return httpx.get(f"https://localhost:{self.web}{path}", verify=self.tls(), timeout=10).json()


def until(condition: Callable[[], bool], what: str, seconds: float = HEALTHY_SECONDS_MAX) -> None:
    """Wait for something that others see, and that cannot be asked for while they are away."""

    def asked() -> bool:
        try:
            return condition()
        except (OSError, httpx.HTTPError, AssertionError, ValueError, LookupError):
            time.sleep(0.2)
            return False

    wait_for(asked, what, seconds)
