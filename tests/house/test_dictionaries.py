"""The venue's dictionaries: made by the command, loaded by QuickFIX, and taking what the venue sends."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import quickfix as fix

from fixserver import cli, dictionaries

COMMITTED = Path(__file__).parents[2] / "config" / "dictionaries"


def made_of() -> str:
    """The QuickFIX version of which the committed files were made."""
    found = re.search(r"QuickFIX ([0-9.]+)'s", (COMMITTED / "FIX42.xml").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


of_the_same_quickfix = pytest.mark.skipif(
    made_of() != dictionaries.quickfix_version(),
    reason=f"the committed dictionaries are of QuickFIX {made_of()}, installed is {dictionaries.quickfix_version()}",
)


@of_the_same_quickfix
def test_the_command_makes_the_committed_files_byte_for_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["dictionaries", "--output", str(tmp_path)]) == 0
    names = [f"{version}.xml" for version in dictionaries.VERSIONS]
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / name) for name in names]
    assert [(tmp_path / name).read_bytes() == (COMMITTED / name).read_bytes() for name in names] == [True] * 4


@of_the_same_quickfix
def test_check_finds_a_file_that_was_changed_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["dictionaries", "--output", str(tmp_path)])
    assert cli.main(["dictionaries", "--output", str(tmp_path), "--check"]) == 0
    with (tmp_path / "FIX44.xml").open("a") as file:
        file.write("\n")
    (tmp_path / "FIX42.xml").unlink()
    capsys.readouterr()
    assert cli.main(["dictionaries", "--output", str(tmp_path), "--check"]) == 1
    assert [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "differs: run fixserver dictionaries",
        "differs: run fixserver dictionaries",
        "as generated",
        "as generated",
    ]


@of_the_same_quickfix
@pytest.mark.parametrize("version", dictionaries.VERSIONS)
def test_nothing_that_the_stock_dictionary_has_is_lost(version: str) -> None:
    def content(path: Path) -> set[tuple[str, ...]]:
        found = set()

        def walk(element: ElementTree.Element, where: tuple[str, ...]) -> None:
            here = (*where, element.tag, *(f"{key}={value}" for key, value in element.attrib.items()))
            found.add(here)
            for inner in element:
                walk(inner, here)

        walk(ElementTree.parse(path).getroot(), ())
        return found

    stock, venue = content(dictionaries.stock_directory() / f"{version}.xml"), content(COMMITTED / f"{version}.xml")
    assert stock - venue == set()


# --------------------------------------------------------------------------------------------- in QuickFIX


def parsed(version: str, body: str) -> fix.Message:
    """A message that QuickFIX has read and validated; it raises for what the dictionary does not have."""
    begin = {"FIX42": "FIX.4.2", "FIX44": "FIX.4.4", "FIX50SP2": "FIXT.1.1"}[version]
    msg_type, _, fields = body.partition("|")
    fields = f"35={msg_type}|49=FIXSERVER|56=TRADER1|34=2|52=20250101-12:00:00|{fields}".replace("|", "\x01")
    text = f"8={begin}\x019={len(fields)}\x01{fields}"
    text += f"10={sum(text.encode()) % 256:03d}\x01"
    application = fix.DataDictionary(str(COMMITTED / f"{version}.xml"))
    transport = fix.DataDictionary(str(COMMITTED / "FIXT11.xml")) if version == "FIX50SP2" else application
    message = fix.Message()
    message.setString(text, True, transport, application)
    if transport is application:
        application.validate(message)
    return message


ACCEPTED = [
    ("FIX42", "A|98=0|108=30|553=TRADER1|554=demo|8013=D|"),
    ("FIX44", "A|98=0|108=30|553=TRADER1|554=demo|8013=N|"),
    ("FIX42", "D|11=a|21=1|55=AAPL|54=1|60=20250101-12:00:00|38=1|40=2|44=1|18=6 o|7928=me|8000=2|"),
    ("FIX44", "D|11=a|55=AAPL|54=1|60=20250101-12:00:00|38=1|40=2|44=1|7928=me|8000=4|"),
    ("FIX42", "8|37=1|17=1|20=0|150=2|39=2|55=AAPL|54=1|151=0|14=1|6=1|32=1|31=1|851=1|584=q|911=1|912=Y|378=8|7928=me|8000=2|"),
    ("FIX44", "8|37=1|17=1|150=8|39=8|103=16|55=AAPL|54=1|151=0|14=0|6=0|851=2|584=q|911=1|912=Y|378=19|7928=me|8000=1|"),
    ("FIX42", "9|37=NONE|11=b|41=a|39=8|434=1|102=6|"),
    ("FIX44", "9|37=NONE|11=b|41=a|39=8|434=2|102=18|"),
    ("FIX42", "j|372=D|380=8|58=30 a second|"),
    ("FIX42", "D|11=a|21=1|55=AAPL|54=1|60=20250101-12:00:00|38=1|40=K|59=7|"),
    ("FIX44", "8|37=1|17=1|150=L|39=0|55=AAPL|54=1|151=1|14=0|6=0|66=l|"),
    ("FIX42", "8|37=1|17=1|20=0|150=2|39=2|55=AAPL|54=1|151=0|14=1|6=1|117=q|299=e|"),
    ("FIX44", "8|37=1|17=1|150=F|39=2|55=AAPL|54=1|151=0|14=1|6=1|117=q|299=e|"),
    ("FIX42", "E|66=l|394=3|1385=1|68=1|73=1|11=a|67=1|55=AAPL|54=1|38=1|40=2|44=1|7928=me|8000=1|"),
    ("FIX44", "E|66=l|394=3|68=1|73=2|11=a|67=1|55=AAPL|54=1|38=1|40=2|44=1|8000=1|11=b|67=2|55=AAPL|54=1|38=1|1385=2|"),
    ("FIX42", "i|117=q|1=me|296=1|302=s|311=AAPL|304=1|295=1|299=e|55=AAPL|132=1|134=1|"),
    ("FIX42", "x|320=l|559=4|"),
    ("FIX42", "y|320=l|322=r|560=0|393=2|893=Y|146=2|55=AAPL|15=USD|561=1|336=MAIN|55=MSFT|15=USD|561=1|"),
    ("FIX42", "q|11=a|530=1|55=AAPL|60=20250101-12:00:00|"),
    ("FIX42", "r|11=a|37=1|530=7|531=7|533=1|534=1|41=a|535=1|"),
    ("FIX42", "AF|584=q|585=7|"),
    ("FIX42", "W|262=m|55=AAPL|268=1|269=0|278=7|270=1|271=2|37=7|290=1|83=1|"),
    ("FIX42", "X|262=m|268=1|279=2|269=0|278=7|55=AAPL|83=2|"),
    ("FIX44", "W|262=m|55=AAPL|268=2|269=0|278=7|270=1|271=2|37=7|290=1|83=1|269=1|278=8|270=2|271=2|83=1|"),
    ("FIX44", "X|262=m|268=2|279=0|269=0|278=7|55=AAPL|270=1|83=2|279=1|269=B|55=AAPL|271=3|83=3|"),
]


@pytest.mark.parametrize(("version", "body"), ACCEPTED, ids=[f"{version} {body:.2}" for version, body in ACCEPTED])
def test_quickfix_takes_what_the_venue_adds(version: str, body: str) -> None:
    message = parsed(version, body)
    assert message.getHeader().getField(35) == body.partition("|")[0]


def test_quickfix_still_refuses_what_nobody_has() -> None:
    with pytest.raises(fix.IncorrectTagValue):
        parsed("FIX42", "AF|584=q|585=77|")


@pytest.mark.parametrize("version", dictionaries.VERSIONS)
def test_quickfix_loads_every_dictionary(version: str) -> None:
    fix.DataDictionary(str(COMMITTED / f"{version}.xml"))


def test_the_credentials_of_a_fixt_logon_may_come_with_the_venues_field() -> None:
    transport = fix.DataDictionary(str(COMMITTED / "FIXT11.xml"))
    assert transport.isMsgField("A", 8013)
    assert transport.isMsgField("A", 553)
