"""docs/operating.md: its examples are commands that there are, and every command has one."""

from __future__ import annotations

import argparse
import re
import shlex
from typing import Any

import pytest

from fixserver import admin, admin_command, cli
from tests.operator.conftest import Operator
from tests.venue import ROOT

DOCUMENT = (ROOT / "docs" / "operating.md").read_text()
EXAMPLES = re.findall(r"`(fixserver admin [^`]+)`", DOCUMENT)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What a command line would ask an exchange."""
    found: list[tuple[str, dict[str, Any]]] = []

    class Listens:
        def __init__(self, data: object) -> None:
            pass

        def ask(self, action: str, arguments: dict[str, Any]) -> Any:
            found.append((action, arguments))
            raise admin_command.Refused("nobody is there")

        def close(self) -> None:
            pass

    monkeypatch.setattr(admin_command, "AdminClient", Listens)
    monkeypatch.setattr(admin_command, "_password_hash", lambda args: "hash")
    return found


def test_every_example_is_a_command_and_every_action_has_one(
    asked: list[tuple[str, dict[str, Any]]], operator: Operator, capsys: pytest.CaptureFixture[str]
) -> None:
    for example in EXAMPLES:
        assert cli.main(shlex.split(example)[1:]) == 1, f"{example}: {capsys.readouterr().err}"
    actions = operator.refusal("none").partition(": there are ")[2].split(", ")
    assert sorted({action for action, _ in asked}) == actions
    spoken = {action for action in actions if not any(example.startswith(f"fixserver admin {action}") for example in EXAMPLES)}
    assert spoken == set()


def test_the_limits_are_those_of_the_program() -> None:
    assert f"At most {admin.CONNECTIONS_MAX}\nconnections are taken" in DOCUMENT
    assert f"lines up to {admin.REQUEST_BYTES_MAX:,} bytes" in DOCUMENT
    assert (admin.IDLE_SECONDS, admin.UNREAD_SECONDS) == (300, 10)


def test_every_action_explains_itself() -> None:
    parser = argparse.ArgumentParser()
    admin_command.add_arguments(parser)
    for action in parser._subparsers._group_actions[0].choices.values():  # type: ignore[union-attr]
        assert action.description and action.description[0].isupper() and action.description.endswith(".")
