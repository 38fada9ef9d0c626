"""What compose.yaml says, as far as it can be read without bringing it up: what is published, and who has which secret."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.venue import ROOT

FILE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OUR_DATA = "/srv/fixserver/data"


def mounts(service: str) -> dict[str, str]:
    """What is mounted below the data directory: where, and "ro" where it can only be read."""
    parts = [entry.split(":") for entry in SERVICES[service].get("volumes", [])]
    return {part[1].removeprefix(OUR_DATA): (part[2] if len(part) > 2 else "rw") for part in parts if part[1].startswith(OUR_DATA)}


def test_nothing_but_the_fix_ports_the_page_and_grafana_is_published() -> None:
    published = {name: [port.rpartition(":")[2] for port in service.get("ports", [])] for name, service in SERVICES.items()}
    assert {name: ports for name, ports in published.items() if ports} == {
        "exchange": ["5001", "5003"], "marketdata": ["5002", "8080"], "grafana": ["3000"],
    }  # fmt: skip
    assert [name for name in SERVICES if "outside" in SERVICES[name]["networks"]] == ["exchange", "marketdata", "grafana"]
    assert FILE["networks"]["inside"]["internal"]


@pytest.mark.parametrize("name", list(SERVICES))
def test_each_is_bounded_and_may_do_little(name: str) -> None:
    service = SERVICES[name]
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    assert name == "operator" or {*limits} == {"cpus", "memory"}
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == ("no" if name == "operator" else "unless-stopped")
    assert ("profiles" in service) == (name in ("bots", "operator"))


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in ("bots", "operator")])
def test_each_says_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_who_only_reads_cannot_write_and_who_does_not_read_cannot_see() -> None:
    assert {name: mounts(name) for name in ("exchange", "clearing", "marketdata", "history")} == {
        "exchange": {"": "rw", "/journal": "rw", "/events": "rw", "/sessions": "rw", "/snapshots": "rw"},
        "clearing": {"": "rw", "/journal": "ro", "/events": "ro", "/snapshots": "ro"},
        "marketdata": {"": "rw", "/events": "ro"},
        "history": {"": "rw", "/events": "ro"},
    }


def test_each_secret_is_where_it_is_needed_alone() -> None:
    where = {
        secret: [name for name, service in SERVICES.items() if secret in service.get("secrets", [])] for secret in FILE["secrets"]
    }
    assert where == {
        "ca.pem": ["bots"],
        "venue.pem": ["exchange", "marketdata", "operator", "grafana"],
        "venue.key": ["exchange", "marketdata", "operator", "grafana"],
        "postgres_password": ["postgres"],
        "clearing_password": ["clearing", "marketdata", "operator", "postgres"],
        "history_password": ["marketdata", "history", "operator", "postgres"],
        "trader_password.hash": ["exchange", "marketdata", "operator"],
        "bots_password": ["bots"],
        "bots_password.hash": ["exchange", "marketdata", "operator"],
        "grafana_password": ["grafana"],
    }


def test_the_secrets_are_those_that_the_command_makes() -> None:
    from fixserver import secrets_command

    made = {"ca.pem", "venue.pem", "venue.key", *secrets_command.PASSWORDS, *secrets_command.PASSWORDS_WITH_HASH}
    made |= {f"{name}.hash" for name in secrets_command.PASSWORDS_WITH_HASH}
    assert {*FILE["secrets"]} <= made


def test_the_image_is_built_in_stages_and_what_runs_is_not_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    stages = [line.split()[-1] for line in lines if line.startswith("FROM ")]
    assert stages == ["pinned", "quickfix", "installed", "runtime"]
    last = lines[lines.index("FROM ${PYTHON_IMAGE} AS runtime") :]
    assert "USER 10001:10001" in last
    assert not [line for line in last if "apt-get" in line or "pip" in line]
