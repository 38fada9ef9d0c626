"""Which order state change matrices there are, in appendix-d.txt, and which do not apply to this venue, and why.

python -m tests.matrices.catalogue      writes the table in README.md
"""

from __future__ import annotations

from pathlib import Path

from tests.matrices.notation import Scenario, scenarios_of

HERE = Path(__file__).parent
README = HERE / "README.md"
TABLE = "| matrix | | here |\n|---|---|---|\n"

MATRICES = dict(
    line.split(" ", 1) for line in (HERE / "appendix-d.txt").read_text().splitlines() if line and not line.startswith("#")
)
NOT_APPLICABLE = {
    "D.2.b": "Requests are processed one after the other, each to its end: none is pending while another is looked at. See D.2.a.",
    "D.2.d": "No order is ever pending replace, so that a second request is not too early. See D.2.a.",
    "E.1.a": "Orders come by FIX alone; nobody answers the telephone.",
    "E.1.c": "Nobody at the venue changes the terms of a client's order: the operator can cancel it (E.1.b).",
    "F.1.c": "As E.1.a.",
    "L.1.a": "The venue guarantees no execution before it happens.",
}


def scenarios() -> list[Scenario]:
    """All of them, in the order of the appendix."""
    found = [scenario for file in sorted((HERE / "scenarios").glob("*.txt")) for scenario in scenarios_of(file)]
    order = list(MATRICES)
    return sorted(found, key=lambda scenario: order.index(scenario.reference))


def name_of(scenario: Scenario) -> str:
    """Number, title, and which way: as a test is called."""
    return f"{scenario.reference} {MATRICES[scenario.reference]}" + (f" ({scenario.way})" if scenario.way else "")


def table(played: list[Scenario]) -> str:
    """What becomes of each matrix, as the README has it."""
    lines = []
    for reference, title in MATRICES.items():
        ways = [scenario for scenario in played if scenario.reference == reference]
        differences = list(dict.fromkeys(text for scenario in ways for text in scenario.differences))
        if not ways:
            what = f"does not apply. {NOT_APPLICABLE[reference]}"
        elif differences:
            what = f"played, but: {' '.join(differences)}"
        else:
            what = "played"
        lines.append(f"| {reference} | {title} | {what} |\n")
    return TABLE + "".join(lines)


if __name__ == "__main__":
    head, _, _ = README.read_text().partition(TABLE)
    README.write_text(head + table(scenarios()))
