"""FIX messages as people read them, whatever is in them."""

from __future__ import annotations

import random

import pytest

from fixserver.fixdecode import UNKNOWN, Decoder
from tests.venue import DICTIONARIES, VERSIONS

DECODER = Decoder(DICTIONARIES)


def soh(text: str) -> str:
    return text.replace("|", "\x01")


@pytest.mark.parametrize("version", VERSIONS)
def test_names_and_meanings_are_those_of_the_version(version: str) -> None:
    raw = f"8={version}|9=99|35=D|34=2|49=T|56=V|52=20261121-05:00:00|11=A1|55=AAPL|54=2|38=10|40=2|44=100.00|59=3|10=001|"
    decoded = DECODER.decode(soh(raw))
    assert decoded[:4] == ("D", "NewOrderSingle", ["A1"], None)
    assert decoded.fields == [
        (8, "BeginString", version, None), (9, "BodyLength", "99", None), (35, "MsgType", "D", "NewOrderSingle"),
        (34, "MsgSeqNum", "2", None), (49, "SenderCompID", "T", None), (56, "TargetCompID", "V", None),
        (52, "SendingTime", "20261121-05:00:00", None), (11, "ClOrdID", "A1", None), (55, "Symbol", "AAPL", None),
        (54, "Side", "2", "sell"), (38, "OrderQty", "10", None), (40, "OrdType", "2", "limit"), (44, "Price", "100.00", None),
        (59, "TimeInForce", "3", decoded.fields[13][3]), (10, "CheckSum", "001", None),
    ]  # fmt: skip
    assert "immediate or cancel" in str(decoded.fields[13][3])


@pytest.mark.parametrize(
    ("raw", "cl_ord_ids", "order_id"),
    [
        ("35=8|37=44|11=A1|39=0|", ["A1"], "44"),
        ("35=8|37=44|41=A1|11=A2|39=5|", ["A2", "A1"], "44"),
        ("35=F|41=A1|11=A2|", ["A2", "A1"], None),
        ("35=9|37=NONE|11=A2|41=A1|", ["A2", "A1"], None),
        ("35=E|66=L|73=2|11=B1|67=1|11=B2|67=2|", ["B1", "B2"], None),
        ("35=j|45=3|372=D|379=A1|380=3|", ["A1"], None),
        ("35=j|45=3|372=V|379=R1|380=3|", [], None),
        ("35=8|11=|41=|37=|", [], None),
        ("35=8|11=A1|41=A1|", ["A1"], None),
        ("35=0|", [], None),
    ],
)
def test_what_names_an_order_is_found(raw: str, cl_ord_ids: list[str], order_id: str | None) -> None:
    decoded = DECODER.decode(soh("8=FIX.4.4|9=1|" + raw))
    assert (decoded.cl_ord_ids, decoded.order_id) == (cl_ord_ids, order_id)


def test_groups_are_flat_and_in_order() -> None:
    decoded = DECODER.decode(soh("8=FIX.4.4|35=V|262=R|267=2|269=0|269=1|146=2|55=AAPL|55=MSFT|"))
    assert [(field[0], field[2], field[3]) for field in decoded.fields[2:]] == [
        (262, "R", None), (267, "2", None), (269, "0", "bid"), (269, "1", "offer"), (146, "2", None), (55, "AAPL", None),
        (55, "MSFT", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "due"),
    [
        ("18=6 o", (18, "ExecInst", "6 o", "participate do not initiate, cancel on connection loss")),
        ("18=6 @", (18, "ExecInst", "6 @", "participate do not initiate, ?")),
        ("18=@", (18, "ExecInst", "@", None)),
        ("54=@", (54, "Side", "@", None)),
        ("54=", (54, "Side", "", None)),
        ("60001=x", (60001, UNKNOWN, "x", None)),
        ("58=a=b", (58, "Text", "a=b", None)),
        ("58=ä€", (58, "Text", "ä€", None)),
        ("355=a|b", (355, "EncodedText", "a\x01b", None)),
        ("58=a|0=1", (58, "Text", "a\x010=1", None)),
        ("58=a|x=1", (58, "Text", "a\x01x=1", None)),
    ],
)
def test_any_value_is_shown(field: str, due: tuple[int, str, str, str | None]) -> None:
    decoded = DECODER.decode(soh(f"8=FIX.4.4|35=D|{field}|10=001|"))
    assert decoded.fields[2] == due and decoded.fields[3] == (10, "CheckSum", "001", None)


def test_of_an_unknown_version_the_latest_is_taken() -> None:
    decoded = DECODER.decode(soh("8=FIX.9.9|35=D|54=1|"))
    assert (decoded.name, decoded.fields[2]) == ("NewOrderSingle", (54, "Side", "1", "buy"))


@pytest.mark.parametrize("raw", ["", "|", "||||", "garbage", "=", "8", "8=", "=8=", "8=FIX.4.4|=||=x|", "\0" * 100])
def test_what_is_no_message_has_no_name(raw: str) -> None:
    assert DECODER.decode(soh(raw)).name == UNKNOWN


def test_whatever_comes_is_decoded() -> None:
    seed = 7
    print(f"seed {seed}")
    random_one = random.Random(seed)
    valid = soh("8=FIX.4.4|9=99|35=8|37=1|11=A|41=B|18=6 o|54=1|372=D|379=x|10=001|")
    for _ in range(2_000):
        raw = list(valid)
        for _ in range(random_one.randint(1, 8)):
            raw[random_one.randrange(len(raw))] = random_one.choice("\x01=|0189xä \0")
        decoded = DECODER.decode("".join(raw))
        kept = "\x01".join(f"{field[0]}={field[2]}" for field in decoded.fields)
        assert kept in "".join(raw), f"seed {seed}: {raw}"


def test_the_field_count_is_bounded() -> None:
    assert len(DECODER.decode("8=FIX.4.4\x01" + "58=x\x01" * 5_000).fields) == 2_000
