"""The rules of engagement are true: their examples happen as they stand there, their codes are the program's.

    python -m tests.orders.test_rules_document

records the examples anew: `?` behind `<` becomes what the venue says.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from fixserver.dialects import FIX42, FIX44, FIX50SP2
from matching.messages import Reason
from tests.venue import ROOT, Client, Venue, framed, soh, utc

DOCUMENT = ROOT / "docs" / "rules-of-engagement.md"
CHANGES = ("9", "10", "17", "37", "52", "60", "122", "880")  # from time to time, and from venue to venue
ORD_REJ = {
    "unknown symbol": Reason.UNKNOWN_INSTRUMENT,
    "not in this phase, or halted": Reason.NOT_IN_THIS_PHASE,
    "above the quantity or value limit": Reason.LIMIT_EXCEEDED,
    "after the close": Reason.AFTER_CLOSE,
    "unknown order (status)": Reason.UNKNOWN_ORDER,
    "ClOrdID used before": Reason.DUPLICATE_CL_ORD_ID,
    "type, time in force or instruction not taken": Reason.UNSUPPORTED,
    "quantity not above zero, or no multiple of the lot": Reason.INVALID_QUANTITY,
    "unknown account": Reason.UNKNOWN_ACCOUNT,
    "outside the price band": Reason.OUTSIDE_PRICE_BAND,
    "off the tick": Reason.OFF_TICK,
    "not enough cash or shares": Reason.INSUFFICIENT_FUNDS,
}
CXL_REJ = {
    "too late: filled, canceled or expired": Reason.TOO_LATE,
    "unknown order": Reason.UNKNOWN_ORDER,
    "ClOrdID used before": Reason.DUPLICATE_CL_ORD_ID,
    "outside the price band": Reason.OUTSIDE_PRICE_BAND,
    "off the tick": Reason.OFF_TICK,
    "anything else": Reason.ORDER_MISMATCH,
}


def examples(text: str) -> list[tuple[str, str, str]]:
    """Who, in which direction, what; in the order of the document."""
    return re.findall(r"^(\w+) ([<>]) (.*)$", "\n".join(re.findall(r"```fix\n(.*?)```", text, re.DOTALL)), re.MULTILINE)


def play(directory: Path, text: str) -> list[tuple[str, str, str]]:
    """What happens when the examples are sent to a venue with config/exchange.toml: the same list with what really went by."""
    venue = Venue(directory)
    config = (ROOT / "config" / "exchange.toml").read_text()
    config = re.sub(r"^(port|metrics_port) = \d+", r"\1 = 0", config, flags=re.MULTILINE)
    config = config.replace('dictionaries = "dictionaries"', f'dictionaries = "{ROOT / "config" / "dictionaries"}"')
    venue.config.write_text(config.replace('durability = "fsync"', 'durability = "os"'))
    clients: dict[str, Client] = {}
    happened = []
    with venue:
        for who, direction, message in examples(text):
            if direction == ">":
                if who not in clients:
                    clients[who] = venue.client(who).connect()
                begin, content = re.fullmatch(r"8=([^|]+)\|9=\d+\|(.*\|)10=\d+\|", message).groups()  # type: ignore[union-attr]
                raw = framed(begin, soh(re.sub(r"(?<=\|)(52|60)=[^|]*", rf"\1={utc()}", content)))
                clients[who].send_raw(raw)
            else:
                raw = clients[who].receive().raw
            happened.append((who, direction, raw.decode().replace("\x01", "|")))
    return happened


def masked(message: str) -> str:
    return re.sub(rf"(?<=\|)({'|'.join(CHANGES)})=[^|]*", r"\1=*", message)


def test_the_examples_happen_as_they_are_written(tmp_path: Path) -> None:
    text = DOCUMENT.read_text()
    written = [(who, direction, masked(message)) for who, direction, message in examples(text)]
    assert [(who, direction, masked(message)) for who, direction, message in play(tmp_path, text)] == written
    assert len(written) > 20


def test_the_examples_have_their_true_length_and_checksum() -> None:
    for _, _, message in examples(DOCUMENT.read_text()):
        begin, content = re.fullmatch(r"8=([^|]+)\|9=\d+\|(.*\|)10=\d+\|", message).groups()  # type: ignore[union-attr]
        assert framed(begin, soh(content)).decode().replace("\x01", "|") == message


def rows(heading: str) -> dict[str, tuple[str, ...]]:
    """The table whose first column is headed so: by its first column the others."""
    _, _, rest = DOCUMENT.read_text().partition(f"\n| {heading} |")
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    return {cells[0]: tuple(cells[1:]) for line in lines if (cells := [cell.strip() for cell in line.strip("|").split("|")])}


def test_the_codes_are_the_programs() -> None:
    versions = (FIX42, FIX44, FIX50SP2)
    assert rows("OrdRejReason(103)") == {
        what: tuple(dialect.ord_rej_reason(reason) for dialect in versions) for what, reason in ORD_REJ.items()
    }
    assert rows("CxlRejReason(102)") == {
        what: tuple(dialect.cxl_rej_reason(reason) for dialect in versions) for what, reason in CXL_REJ.items()
    }


def record() -> None:
    """Write what happens into the document."""
    text = DOCUMENT.read_text()
    with tempfile.TemporaryDirectory() as directory:
        lines = iter(f"{who} {direction} {message}" for who, direction, message in play(Path(directory), text))

    def recorded(block: re.Match[str]) -> str:
        return "```fix\n" + "".join(f"{next(lines)}\n" for _ in examples(block[0])) + "```"

    new = re.sub(r"```fix\n.*?```", recorded, text, flags=re.DOTALL)
    DOCUMENT.write_text(new)


if __name__ == "__main__":
    sys.exit(record())
