"""Password hashes, and the configuration entry that is made with one."""

from __future__ import annotations

import io
import tomllib

import pytest

from fixserver import cli, participant_command, passwords


def test_a_hash_is_that_of_its_password_alone() -> None:
    text = passwords.hash_password("demo")
    assert passwords.is_hash(text)
    assert [passwords.verify(word, text) for word in ("demo", "Demo", "demo ", "", "d\x00emo", "\udcff")] == [True, *[False] * 5]


def test_two_hashes_of_one_password_differ() -> None:
    assert passwords.hash_password("demo") != passwords.hash_password("demo")


def test_a_hash_says_what_it_was_made_with() -> None:
    text = passwords.hash_password("demo", salt=bytes(16))
    assert text == "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==$4LuG7pAVGEC8F9DZqwYZvVxMZl+wFzbOoKTAKw7OIZk="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demo",
        "scrypt$16384$8$1$AAAA$AAAA",
        "scrypt$16383$8$1$AAAAAAAAAAAAAAAAAAAAAA==$4LuG7pAVGEC8F9DZqwYZvVxMZl+wFzbOoKTAKw7OIZk=",
        "scrypt$524288$8$1$AAAAAAAAAAAAAAAAAAAAAA==$4LuG7pAVGEC8F9DZqwYZvVxMZl+wFzbOoKTAKw7OIZk=",
        "scrypt$16384$0$1$AAAAAAAAAAAAAAAAAAAAAA==$4LuG7pAVGEC8F9DZqwYZvVxMZl+wFzbOoKTAKw7OIZk=",
        "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA$4LuG7pAVGEC8F9DZqwYZvVxMZl+wFzbOoKTAKw7OIZk=",
        "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==$4LuG7pAVGEC8F9DZqwYZvVxMZl+wFzbOoKTAKw7OIZk=\n",
    ],
)
def test_what_is_no_hash_matches_nothing(text: str) -> None:
    assert not passwords.is_hash(text)
    assert not passwords.verify("demo", text)


def test_the_decoy_is_a_hash_that_no_password_has() -> None:
    assert passwords.is_hash(passwords.DECOY)
    assert not passwords.verify("", passwords.DECOY)


# ------------------------------------------------------------------------------------------- participant add


def test_an_entry_is_made_of_a_password_that_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    assert cli.main(["participant", "add", "ALICE", "--cash", "1_000"]) == 0
    out, err = capsys.readouterr()
    (entry,) = tomllib.loads(out)["participants"]
    assert (entry["name"], entry["cash"], err) == ("ALICE", "1_000", "")
    assert passwords.verify("correct horse", entry["password"])


def test_a_password_is_made_up_and_said_apart_from_the_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["participant", "add", "ALICE", "--generate"]) == 0
    out, err = capsys.readouterr()
    said, _, password = err.rstrip("\n").rpartition(" ")
    assert (said, len(password)) == ("password of ALICE:", participant_command.GENERATED_CHARACTERS)
    assert password not in out
    assert passwords.verify(password, tomllib.loads(out)["participants"][0]["password"])


@pytest.mark.parametrize(
    ("arguments", "typed", "line"),
    [
        (["A B"], "x\n", 'participant add: NAME: "A B" is not 1 to 32 letters, digits, dots, dashes, underscores'),
        (["ALICE", "--cash", "much"], "x\n", 'participant add: --cash: "much" is not a decimal number such as "123.45"'),
        (["ALICE"], "\n", "participant add: an empty password cannot be sent over FIX: nothing was made"),
        (["ALICE"], "a\x01b\n", "participant add: a password of control characters cannot be sent over FIX: nothing was made"),
    ],
)
def test_an_entry_that_cannot_be_is_one_line(
    arguments: list[str], typed: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert cli.main(["participant", "add", *arguments]) == 2
    assert capsys.readouterr() == ("", line + "\n")
