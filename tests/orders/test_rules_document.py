"""The rules of engagement are true: their examples happen as they stand there, their codes are the program's.

    python -m tests.orders.test_rules_document

records the examples anew: `?` behind `<` becomes what the venue says.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import get_args

from fixserver.conditions import EXEC_INST_TAKEN
from fixserver.dialects import FIX42, FIX44, FIX50SP2, SESSION_PART, SESSION_STATUS
from fixserver.reports import CANCEL_TEXTS, EXPIRED
from fixserver.requests import REQUIRED
from fixserver.statuses import INSTRUMENTS_PER_MESSAGE_MAX
from matching.messages import LIST_ORDERS_MAX, QUOTE_ENTRIES_MAX, OrderType, Phase, Reason, TimeInForce
from tests.venue import ROOT, Client, Venue, framed, soh, utc

DOCUMENT = ROOT / "docs" / "rules-of-engagement.md"
CHANGES = ("9", "10", "17", "19", "37", "52", "60", "122", "322", "880")  # from time to time, and from venue to venue
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
    "post-only, and it would trade": Reason.WOULD_TRADE,
    "may not trade (stopped by the operator)": Reason.BLOCKED,
    "margin call, and the order would not close a position": Reason.MARGIN_CALL,
}
QUOTE_REJ = {
    "unknown symbol": Reason.UNKNOWN_INSTRUMENT,
    "not in this phase, or halted": Reason.NOT_IN_THIS_PHASE,
    "above a limit": Reason.LIMIT_EXCEEDED,
    "after the close": Reason.AFTER_CLOSE,
    "two entries of one name": Reason.DUPLICATE_CL_ORD_ID,
    "the bid is not below the offer; not taken": Reason.UNSUPPORTED,
    "outside the price band": Reason.OUTSIDE_PRICE_BAND,
    "off the tick": Reason.OFF_TICK,
    "unknown account": Reason.UNKNOWN_ACCOUNT,
    "may not trade": Reason.BLOCKED,
    "not enough cash or shares": Reason.INSUFFICIENT_FUNDS,
    "quantity": Reason.INVALID_QUANTITY,
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
    sent: Counter[str] = Counter()
    happened = []
    with venue:
        for who, direction, message in examples(text):
            if direction == ">":
                if who not in clients:
                    clients[who] = venue.client(who).connect()
                begin, content = re.fullmatch(r"8=([^|]+)\|9=\d+\|(.*\|)10=\d+\|", message).groups()  # type: ignore[union-attr]
                sent[who] += 1
                content = re.sub(r"(?<=\|)34=\d+", f"34={sent[who]}", content)
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


    assert rows("QuoteRejectReason(300), QuoteEntryRejectReason(368)") == {
        what: tuple(dialect.quote_rej_reason(reason) for dialect in versions) for what, reason in QUOTE_REJ.items()
    }


def ends() -> dict[str, tuple[str, ...]]:
    """How orders end unasked, by the Text that says it: OrdStatus, ExecRestatementReason on 4.4 and 5.0SP2."""
    return {
        text: ("C" if reason in EXPIRED else "4", FIX44.restatement.get(reason, ""), FIX50SP2.restatement.get(reason, ""))
        for reason, text in sorted(CANCEL_TEXTS.items())
    }


def test_the_ends_of_orders_are_the_programs() -> None:
    assert rows("Text(58)") == ends()


def test_the_phases_are_the_programs() -> None:
    versions = (FIX42, FIX44, FIX50SP2)
    assert rows("phase | SecurityTradingStatus(326) on 4.2") == {
        phase: (*(dialect.trading_status[phase] for dialect in versions), SESSION_STATUS[phase], SESSION_PART[phase])
        for phase in get_args(Phase)
    }


def test_what_is_taken_is_what_the_program_takes() -> None:
    text, fields = DOCUMENT.read_text(), rows("field")
    taken = [name.replace(",", "").split() for name in rows("from the client") if "any other" not in name]
    assert {word for words in taken for word in words if len(word) < 3} == set(REQUIRED)
    assert set(re.findall(r"\b[0-9A-Z]\b(?= [a-z])", fields["OrdType(40)"][0])) == set(get_args(OrderType))
    assert set(re.findall(r"\b[0-9]\b(?= [a-z])", fields["TimeInForce(59)"][0])) == set(get_args(TimeInForce))
    assert set(re.findall(r"`(.)`", fields["ExecInst(18)"][0])) == EXEC_INST_TAKEN
    for limit, what in (
        (f"two to {'ten' if LIST_ORDERS_MAX == 10 else LIST_ORDERS_MAX} orders", "a list"),
        (f"up to {QUOTE_ENTRIES_MAX} instruments", "a MassQuote"),
        (f"{INSTRUMENTS_PER_MESSAGE_MAX} instruments a message", "a SecurityList"),
    ):
        assert limit in text, what


def record() -> None:
    """Write what happens into the document, and the table of how orders end."""
    text = DOCUMENT.read_text()
    head, _, rest = text.partition("\n| Text(58) |")
    lines_of_table, behind = rest.split("\n\n", 1)
    table = lines_of_table.splitlines()[:2] + [f"| {' | '.join((said, *cells))} |" for said, cells in ends().items()]
    text = head + "\n| Text(58) |" + "\n".join(table) + "\n\n" + behind
    with tempfile.TemporaryDirectory() as directory:
        lines = iter(f"{who} {direction} {message}" for who, direction, message in play(Path(directory), text))

    def recorded(block: re.Match[str]) -> str:
        return "```fix\n" + "".join(f"{next(lines)}\n" for _ in examples(block[0])) + "```"

    new = re.sub(r"```fix\n.*?```", recorded, text, flags=re.DOTALL)
    DOCUMENT.write_text(new)


if __name__ == "__main__":
    sys.exit(record())
