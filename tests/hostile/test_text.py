"""Hostile text, generated from the dictionaries: whatever a client says is answered, and the venue is whole afterwards.

What is not answered is garbled by the rules of the session layer: ignored, and asked for again.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from tests.hostile.dictionary import Field, MessageType, messages
from tests.hostile.speaker import Speaker
from tests.venue import SOH, TRADER, VERSIONS, Venue, framed, soh, utc

TAKEN = ("D", "G", "F", "H", "q", "AF", "E", "i", "Z", "x", "e", "g")
# The groups of good ones.
GROUPS = {
    "E": "68=2|73=2|11=ID|67=1|55=AAPL|54=1|38=10|40=2|44=90.00|59=0|11=ID-2|67=2|55=AAPL|54=1|38=10|40=2|44=91.00|",
    "i": "296=1|302=S|311=X|304=1|295=1|299=E|55=AAPL|132=90.00|133=110.00|134=1|135=1|",
    "Z": "295=1|55=AAPL|",
}
EVERYTHING = bool(os.environ.get("HOSTILE_EVERYTHING"))  # FIX 5.0SP2 has 25,000 combinations for messages not taken here
MUTATIONS = 20_000 if EVERYTHING else 1_000  # on each version
MANY = 10_000  # characters
HUGE = "99999999999999999999"
NUMBERS = (
    "-5", HUGE, "-" + HUGE, "1e5", "NaN", "inf", "+1", ".5", "5.", "0x1", "", "0", "-0", "00", "1_000", " 1", "1 ", "1,000",
    "1.0.0",
    "100.001", "100.00000000000000000001", "2147483648", "9223372036854775807", "9223372036854775808", "9" * 400, "١٢", "½",
)  # fmt: skip
TEXTS = (
    "", " ", "=", "a=b", "=a", "%s%n", "\\", "'; DROP TABLE", "\x00", "\x7f", "\r\n", "ü", "株", "\U0001f4a5", "e\u0301", "\u202e",
    "x" * MANY,
)  # fmt: skip
# Tags of the fields that the venue reads.
READ = {
    1, 11, 15, 18, 37, 38, 40, 41, 44, 54, 55, 58, 59, 60, 66, 67, 68, 97, 99, 110, 111, 117, 126, 132, 133, 134, 135, 211, 263,
    293, 298, 299, 301, 302, 320, 324, 335, 336, 432, 530, 559, 584, 585, 790, 1094, 1138, 1300, 1385, 2362, 2964, 7928, 8000,
}  # fmt: skip
BYTES = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\xaf", b"caf\xe9")
NEW_ORDER = {version: next(one for one in messages(version) if one.type == "D") for version in VERSIONS}
# Behind a good order: what is a list of fields after all is answered, what is none is garbled.
ANSWERED = (
    "", "58=x|", "58==|", "-58=1|", "0=x|", "00=x|", "058=x|", "65536=x|", "58=\x00|", "35=D|", "34=1|", "49=X|", "52=x|",
    "58=10=000|",
    "354=1|355=a|", "354=1|", "354=0|355=|", "95=3|96=a=b|", "93=1|89=x|", "90=2|91=xx|",
)  # fmt: skip
GARBLED = (
    "58=a|b|", "|", "58|", "=|", "=x|", "x=1|", "+58=1|", "58 =x|", " 58=x|", "5.8=x|", "\x00=x|", "58=x", "8=FIX.4.4|",
    "9=5|", "10=000|",
    "58=x|10=|", f"{HUGE}=x|", "4294967354=x|", "2147483648=x|", "355=a|", "354=2|355=a|", "354=-1|355=a|", "354=3|355=a|b|",
    "354=999999999|355=a|", "354=999999999|58=x|355=a|", "95=3|96=a|b|", "95=999999999|96=a|",
)  # fmt: skip
# Participants whose sessions check little.
UNCHECKED = {
    "NOTHING": {"UseDataDictionary": False},
    "LITTLE": {
        "ValidateFieldsOutOfOrder": False, "ValidateFieldsHaveValues": False, "ValidateUserDefinedFields": False,
        "AllowUnknownMsgFields": True, "ValidateLengthAndChecksum": False, "CheckLatency": False, "CheckCompID": False,
    },
}  # fmt: skip
# Around a good message: passed over.
AROUND = (
    (b"", b""), (b"8=", b""), (b"8=FIX", b""), (b"8=FIX.4.4|", b""), (b"8=FIX.4.4|9=", b""), (b"|", b"|"), (b"10=000|", b""),
    (b"\x00" * 99, b""), (b"8=FIX.4.4|9=10|", b""), (b"8=FIX.4.4|9=0|10=000|", b""), (b"8=FIX.4.4|9=2000|35=0|", b""),
)  # fmt: skip


def with_length(frame: bytes, more: int) -> bytes:
    begin, length, rest = frame.split(SOH, 2)
    return begin + b"\x019=%d\x01" % (int(length[2:]) + more) + rest


# Each makes a message garbled.
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "BodyLength one too short": lambda frame: with_length(frame, -1),
    "BodyLength one too long": lambda frame: with_length(frame, 1),
    "BodyLength much too long": lambda frame: with_length(frame, 30_000),
    "BodyLength negative": lambda frame: with_length(frame, -1000),
    "no BodyLength": lambda frame: frame[: frame.index(SOH) + 1] + frame.split(SOH, 2)[2],
    "no CheckSum": lambda frame: frame[: frame.rindex(b"10=")],
    "CheckSum wrong": lambda frame: frame[:-4] + b"%03d\x01" % ((int(frame[-4:-1]) + 1) % 256),
    "CheckSum of two digits": lambda frame: frame[:-4] + b"99\x01",
    "CheckSum of letters": lambda frame: frame[:-4] + b"abc\x01",
    "no separator at the end": lambda frame: frame[:-1],
    "a separator missing before the end": lambda frame: frame.replace(b"\x0110=", b"10="),
    "cut in the middle": lambda frame: frame[: len(frame) // 2],
    "begins in the middle": lambda frame: frame[len(frame) // 2 :],
    "no BeginString": lambda frame: frame[frame.index(SOH) + 1 :],
    "BeginString in small letters": lambda frame: frame.replace(b"8=FIX", b"8=fix"),
}


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """One venue for all; afterwards its journal is looked at."""
    participants = {f"TEST{number}": TRADER for number in range(40)}
    participants |= {comp_id: TRADER | {"quickfix": settings} for comp_id, settings in UNCHECKED.items()}
    venue = Venue(tmp_path_factory.mktemp("text"), participants=participants)
    with venue:
        yield venue
        assert venue.processes["exchange"].poll() is None, venue.said()
    for what in (["verify"], ["digest"], ["dump"], ["dump", "--events"]):
        result = venue.command("journal", *what, "--data", str(venue.data))
        assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]


def speaker(venue: Venue, place: int, version: str) -> Speaker:
    return Speaker(venue, f"TEST{place * len(VERSIONS) + VERSIONS.index(version)}", version)


def body(message: MessageType, tag: int = 0, value: str = "") -> str:
    """A body that the venue takes, in the fields that a version has for this message; but field `tag` says `value`."""
    good = {
        11: "ID", 41: "ID", 37: "1", 55: "AAPL", 54: "1", 38: "10", 40: "2", 44: "100.00", 21: "1", 59: "0", 530: "7", 584: "ID",
        585: "7", 60: utc(), 66: "ID", 394: "3", 1385: "1", 117: "ID", 298: "1", 320: "ID", 559: "0", 324: "ID", 335: "ID",
        263: "0",
    }  # fmt: skip
    has = {one.tag for one in message.fields}
    fields = {known: text for known, text in good.items() if known in has}
    group = GROUPS.get(message.type, "")
    if tag and f"|{group}".find(f"|{tag}=") >= 0:
        group = re.sub(rf"(?<![0-9]){tag}=[^|]*", lambda _: f"{tag}={value}", group, count=1)
    elif tag:
        fields[tag] = value
    return "".join(f"{tag}={value}|" for tag, value in fields.items()) + group


def read(message: MessageType) -> list[Field]:
    """The fields of a message, and those in its groups that good ones have."""
    group, found = f"|{GROUPS.get(message.type, '')}", list(message.fields)
    nested = [one for one in message.fields if one.group]
    while nested:
        inside = [inner for one in nested for inner in one.group if f"|{inner.tag}=" in group]
        found += inside
        nested = [one for one in inside if one.group]
    return found


def application(version: str) -> list[MessageType]:
    return [message for message in messages(version) if not message.admin]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_message_with_every_field_missing(venue: Venue, version: str) -> None:
    client = speaker(venue, 0, version)
    said = []
    for message in application(version):
        said.append((message.type, message.text(whole=True)))
        said.append((message.type, message.text(whole=False)))
        if message.type in TAKEN or version != "FIXT.1.1" or EVERYTHING:
            said += [(message.type, message.text(one.tag, whole=True)) for one in message.fields]
        said += [(message.type, message.text(one.tag, whole=False)) for one in message.fields if one.required]
    client.say_all(said)
    assert client.tally.unanswered == []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_of_what_the_venue_takes_with_every_absurd_value(venue: Venue, version: str) -> None:
    client = speaker(venue, 1, version)
    said = []
    for message in application(version):
        if message.type in TAKEN:
            for one in read(message):
                if one.type in ("DATA", "XMLDATA"):
                    continue  # without its length it is garbled
                values = ["!", "~wrong~", *NUMBERS, *TEXTS] if one.tag in READ or EVERYTHING else ["!", "-5", "", "ü"]
                said += [(message.type, body(message, one.tag, value)) for value in values if "|" not in value]
    client.say_all(said)
    assert client.tally.unanswered == []


@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_that_is_taken_says_what_was_meant(venue: Venue, version: str) -> None:
    """Of all the ways to write a number, those that are taken are taken for what they say."""
    client = speaker(venue, 2, version)
    for tag, stated in ((38, 38), (44, 44)):
        for value in NUMBERS:
            client.say_all([("D", body(NEW_ORDER[version], tag, value) + f"58={value}|")] if value else [])
            for answer in client.answers:
                if answer.type == "8" and answer[150] == "0":
                    assert re.fullmatch(r"[0-9]+(\.[0-9]*)?|\.[0-9]+", value, re.ASCII), f"{tag}={value} was taken: {answer}"
                    assert Decimal(answer[stated]) == Decimal(value)
    assert client.tally.unanswered == []


@pytest.mark.parametrize("version", VERSIONS)
def test_repeating_groups_that_are_not_as_they_say(venue: Venue, version: str) -> None:
    client = speaker(venue, 3, version)
    said = []
    for message in application(version):
        if message.type in TAKEN:
            base = body(message)
            for one in message.fields:
                if one.group:
                    entry = f"{one.group[0].text()}"
                    for count in ("0", "1", "2", "-1", "999999999", "2147483648", HUGE, "abc", "", "1.5"):
                        said += [(message.type, f"{base}{one.tag}={count}|{entries}") for entries in ("", entry, entry * 3)]
                    inside = one.group[1:2]
                    said += [(message.type, f"{base}{one.tag}=1|{other.text()}{entry}") for other in inside]
                    said += [(message.type, f"{base}{entry}{one.tag}=1|{entry}"), (message.type, f"{base}{one.tag}=1|{entry}" * 2)]
    client.say_all(said)
    assert client.tally.unanswered == []


@pytest.mark.parametrize("version", VERSIONS)
def test_bytes_that_are_not_utf_8(venue: Venue, version: str) -> None:
    client = speaker(venue, 4, version)
    said: list[tuple[str, str | bytes]] = []
    for message in application(version):
        if message.type in TAKEN:
            for one in read(message):
                if one.type in ("STRING", "CHAR", "CURRENCY", "PRICE", "QTY") and (version != "FIXT.1.1" or one.tag in READ):
                    said += [(message.type, body(message, one.tag, "BAD").encode().replace(b"BAD", bad)) for bad in BYTES]
    client.say_all(said)
    assert client.tally.unanswered == []
    assert client.tally.taken == 0
    # Behind a gap, too: what waits is not taken for something else.
    number = client.client.next_out
    client.client.send("D", body(NEW_ORDER[version]).replace("ID", "BAD").encode().replace(b"BAD", b"caf\xe9"), number=number + 1)
    client.client.expect("2", f"7={number}")
    client.client.send("4", f"43=Y|122={utc()}|123=Y|36={number + 1}|", number=number)
    client.client.expect("3", f"45={number + 1}|372=D|373=6")


@pytest.mark.parametrize("version", VERSIONS)
def test_separators_where_none_belong(venue: Venue, version: str) -> None:
    """A message that cannot be cut into fields is ignored, and asked for again; one that can be is answered."""
    client = speaker(venue, 5, version)
    for outcome, list_of in (("answered", ANSWERED), ("garbled", GARBLED)):
        for added in list_of:
            text = client.header("D") + body(NEW_ORDER[version]).replace("ID", client.name()) + added
            assert client.say(text) == outcome, added


@pytest.mark.parametrize("version", VERSIONS)
def test_bytes_around_a_message_are_passed_over(venue: Venue, version: str) -> None:
    client = speaker(venue, 6, version)
    for before, after in AROUND:
        assert client.say(before + a_test_request(client) + after, raw=True) == "answered", before
    assert client.tally.garbled == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_damaged_messages_are_garbled(venue: Venue, version: str) -> None:
    client = speaker(venue, 9, version)
    assert {name: client.say(damage(a_test_request(client)), raw=True) for name, damage in DAMAGES.items()} == dict.fromkeys(
        DAMAGES, "garbled"
    )


def a_test_request(client: Speaker) -> bytes:
    """A good message, the next one."""
    content = client.header("1").replace("NOW", utc()) + "112=x|"
    return framed(client.begin_string, soh(content.replace("34=N", f"34={client.client.next_out}")))


@pytest.mark.parametrize("version", VERSIONS)
def test_administrative_messages_with_every_field_missing_or_absurd(venue: Venue, version: str) -> None:
    client = speaker(venue, 7, version)
    for message in messages(version):
        if message.admin:
            bodies = [message.text(one.tag, whole=whole) for one in message.fields for whole in (True, False)]
            bodies += [
                message.text(one.tag, whole=False) + f"{one.tag}={value}|"
                for one in message.fields[:6]
                for value in ("-5", HUGE, "", "x", "18446744073709551615", "0", "ü")
            ]
            for text in bodies:
                client.say(client.header(message.type) + text)
    assert client.tally.said > 100


@pytest.mark.parametrize("version", VERSIONS)
def test_random_damage(venue: Venue, version: str) -> None:
    """Good messages with bytes changed, taken out, put in, or said twice; length and checksum are put right mostly."""
    say_damaged(speaker(venue, 8, version), MUTATIONS)


@pytest.mark.parametrize("comp_id", UNCHECKED)
@pytest.mark.parametrize("version", VERSIONS)
def test_random_damage_when_quickfix_does_not_check(venue: Venue, version: str, comp_id: str) -> None:
    """A participant's settings may switch off what QuickFIX checks: the venue stands it."""
    say_damaged(Speaker(venue, comp_id, version), MUTATIONS // 4)


def say_damaged(client: Speaker, count: int) -> None:
    seed = int(os.environ.get("HOSTILE_SEED") or random.SystemRandom().randrange(2**32))
    print(f"HOSTILE_SEED={seed}")
    chance, version = random.Random(seed), client.begin_string
    bodies = [(message.type, body(message)) for message in application(version) if message.type in TAKEN]
    bodies += [("V", "262=ID|263=1|264=0|267=1|269=0|146=1|55=AAPL|"), ("1", "112=x|"), ("2", "7=1|16=1|"), ("3", "45=1|58=x|")]
    bodies += [("4", "123=Y|36=5|"), ("A", "98=0|108=30|"), ("5", ""), ("0", "")]
    for index in range(count):
        msg_type, text = chance.choice(bodies)
        number = client.client.next_out
        content = client.header(msg_type).replace("NOW", utc()).replace("34=N", f"34={number}") + text.replace("ID", f"R{index}")
        frame = framed(version, damaged(soh(content), chance))
        if chance.random() < 0.1:
            frame = damaged(frame, chance)
        whole = re.search(rb"\x0110=[0-9]{3}\x01$", frame)
        if whole and msg_type != "4":
            client.say(frame, raw=True)
        else:  # its length may reach over what follows, and then one waits for it
            client.client.send_raw(frame)
        if not whole or msg_type == "4" or b"\x0134=%d\x01" % number not in frame:  # whatever that did to the numbers
            client.log_on_again()


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Some bytes of it replaced by others."""
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at, to = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
        to = min(to, at + chance.choice((1, 1, 3, 20)))
        instead = chance.choice((
            b"", b"\x01", b"=", b"\x01=", b"\x00", b"\xff", b"9" * chance.choice((1, 20, 500)), b"-", b"|", data[at:to] * 2,
            b"\x01%d=%d\x01" % (chance.randrange(2000), chance.randrange(-9, 10**9)), bytes([chance.randrange(256)]),
        ))  # fmt: skip
        data = data[:at] + instead + data[to:]
    return data
