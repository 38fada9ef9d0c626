"""A Prometheus of our own that looks at a venue by the project's own files; its rules wait less, and nothing else is changed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.venue import ROOT, Venue, free_port, wait_for

CONFIG = ROOT / "config"
PROCESSES = ("exchange", "clearing", "marketdata", "history")
START_SECONDS_MAX = 60.0

needs_prometheus = pytest.mark.skipif(
    not shutil.which("prometheus") or not shutil.which("promtool"), reason="no Prometheus here (Debian: apt install prometheus)"
)


class Prometheus:
    """Asks the processes of `venue`, as config/prometheus.yml says, every second; a context."""

    def __init__(self, venue: Venue, directory: Path) -> None:
        self.venue = venue
        self.directory = directory
        directory.mkdir()
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self) -> None:
        """Put the venue's ports in place of the services; they are others after a restart."""
        text = (CONFIG / "prometheus.yml").read_text()
        for name in PROCESSES:
            text, found = re.subn(rf'"{name}:[0-9]+"', f'"127.0.0.1:{self.venue.ports(name)["metrics"]}"', text)
            assert found == 1, name
        text = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval): [0-9]s", r"\1: 1s", text)
        (self.directory / "prometheus.yml").write_text(text)
        rules = re.sub(r"for: [0-9]+[sm]", "for: 2s", (CONFIG / "alerts.yml").read_text())
        rules = re.sub(r"(time\(\) - \w+) > 600", r"\1 > 10", rules)
        (self.directory / "alerts.yml").write_text(rules)

    def __enter__(self) -> Prometheus:
        self.configure()
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={self.directory}/prometheus.yml", f"--storage.tsdb.path={self.directory}/data",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-lifecycle"],
                cwd=self.directory, stdout=log, stderr=log,
            )  # fmt: skip
        wait_for(self._is_ready, "Prometheus is ready", START_SECONDS_MAX)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(30)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def reload(self) -> None:
        self.configure()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/-/reload", method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        return said["data"]

    def ask(self, query: str) -> list[Any]:
        """What a query of PromQL finds now; raises where Prometheus does not take it."""
        found: list[Any] = self._get("query", query=query)["result"]
        return found

    def firing(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"}

    def rules(self) -> dict[str, Any]:
        """The alert rules by name, with what is wrong with them."""
        return {rule["name"]: rule for group in self._get("rules", type="alert")["groups"] for rule in group["rules"]}

    def wait_firing(self, alert: str, seconds: float = 45.0) -> None:
        wait_for(lambda: alert in self.firing(), f"{alert} fires", seconds)

    def wait_quiet(self, alert: str, seconds: float = 60.0) -> None:
        wait_for(lambda: alert not in self.firing(), f"{alert} has ended", seconds)
