"""Who is let in by name, password and token, and until when."""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from fixserver import passwords
from fixserver.config import load
from fixserver.members import Members
from fixserver.web import auth
from fixserver.web.auth import TOKENS_MAX, SignedIn, SignIn
from fixserver.web.errors import ApiError
from matching.messages import AccessSet, EventBatch, ParticipantDefined
from tests.venue import PASSWORD_HASH, configuration
from tests.web.asking import run

MINUTE = 60 * 1_000_000_000
OTHER_HASH = passwords.hash_password("another", b"0123456789abcdef")
HERE, THERE = "192.0.2.1", "192.0.2.2"


class Door:
    """A SignIn, its clocks, and the members of the venue."""

    def __init__(self, directory: Path, **web: Any) -> None:
        (directory / "venue.toml").write_text(configuration(web={"token_minutes": 10, **web}))
        self.members = Members(directory, from_file=False)
        self.now = 1_000 * MINUTE
        self.verified: list[str] = []
        config = load(directory / "venue.toml")
        self.sign_in = SignIn(config, self.members, clock=lambda: self.now, monotonic=lambda: self.now / 1e9)
        self._events = 0

    def happens(self, *events: Callable[[int], Any]) -> None:
        """The feed takes a record of these events."""
        made = []
        for event in events:
            self._events += 1
            made.append(event(self._events))
        self.members.apply(EventBatch(1, 0, made))
        changed, self.members.changed = self.members.changed, []
        for name in changed:
            self.sign_in.end(name)

    async def login(self, name: str = "TRADER1", password: str = "demo", address: str = HERE) -> str:
        token, _ = await self.sign_in.login(name, password, address)
        return token

    async def refused(self, asked: Coroutine[Any, Any, Any]) -> tuple[int, str, str]:
        with pytest.raises(ApiError) as refused:
            await asked
        return refused.value.status, refused.value.code, refused.value.message


@pytest.fixture
def door(tmp_path: Path) -> Any:
    made = Door(tmp_path)
    yield made
    made.sign_in.close()


def access(name: str, what: Any) -> Callable[[int], AccessSet]:
    return lambda seq: AccessSet(seq, name, what, 0, "op")


def defined(name: str, password: str, by: str = "op") -> Callable[[int], ParticipantDefined]:
    return lambda seq: ParticipantDefined(seq, name, password, -1, -1, "none", 0, "0", 0, 0, by)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_a_token_stands_for_who_signed_in_until_its_time(door: Door) -> None:
    async def story() -> None:
        token, found = await door.sign_in.login("TRADER1", "demo", HERE)
        assert found == SignedIn("TRADER1", door.now + 10 * MINUTE)
        assert len(token) == 43 and door.sign_in.by_token(token) == found
        assert await door.sign_in.identify(f"bearer  {token}", HERE) == "TRADER1"
        door.now += 10 * MINUTE - 1
        assert door.sign_in.by_token(token) == found
        door.now += 1
        assert door.sign_in.by_token(token) is None
        assert (await door.refused(door.sign_in.identify(f"Bearer {token}", HERE)))[:2] == (401, "not-signed-in")

    run(story())


def test_no_token_is_kept(door: Door) -> None:
    token = run(door.login())
    assert token not in repr(vars(door.sign_in)) and token.encode() not in b"".join(door.sign_in._tokens)


def test_signing_out_ends_one_token_and_says_so_once(door: Door) -> None:
    async def story() -> None:
        told: list[str] = []
        door.sign_in.on_end.append(told.append)
        one, other = await door.login(), await door.login()
        door.sign_in.logout(one)
        door.sign_in.logout(one)
        assert door.sign_in.by_token(one) is None and door.sign_in.by_token(other) is not None
        assert told == ["TRADER1"]

    run(story())


def test_a_participant_has_so_many_tokens_and_the_oldest_goes(door: Door) -> None:
    async def story() -> None:
        tokens = [await door.login() for _ in range(TOKENS_MAX + 1)]
        other = await door.login("TRADER2")
        assert [door.sign_in.by_token(token) is not None for token in tokens] == [False] + [True] * TOKENS_MAX
        assert door.sign_in.by_token(other) is not None

    run(story())


def test_tokens_that_have_expired_make_room(door: Door) -> None:
    async def story() -> None:
        for _ in range(5):
            await door.login()
        door.now += 11 * MINUTE
        await door.login()
        assert len(door.sign_in._tokens) == 1

    run(story())


def test_a_wrong_name_and_a_wrong_password_are_told_the_same_after_the_same_work(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    real = passwords.verify
    monkeypatch.setattr(passwords, "verify", lambda password, text: (checked.append(text), real(password, text))[1])

    async def story() -> None:
        wrong = await door.refused(door.login("TRADER1", "nonsense"))
        assert wrong == (401, "not-signed-in", "wrong name or password")
        assert await door.refused(door.login("NOBODY", "demo")) == wrong
        assert await door.refused(door.login("", "")) == wrong
        assert await door.refused(door.login("TRADER1\x00", "demo")) == wrong

    run(story())
    assert checked == [PASSWORD_HASH, *[passwords.DECOY] * 3]


def test_one_who_is_suspended_is_told_so_where_he_knows_his_password(door: Door) -> None:
    async def story() -> None:
        token, other = await door.login(), await door.login("TRADER2")
        told: list[str] = []
        door.sign_in.on_end.append(told.append)
        door.happens(access("TRADER1", "suspended"))
        assert told == ["TRADER1"]
        assert door.sign_in.by_token(token) is None and door.sign_in.by_token(other) is not None
        assert await door.refused(door.login()) == (403, "suspended", "TRADER1 is suspended: ask the venue")
        assert (await door.refused(door.login(password="nonsense")))[:2] == (401, "not-signed-in")
        assert (await door.refused(door.sign_in.identify(basic("TRADER1", "demo"), HERE)))[0] == 403
        door.happens(access("TRADER1", "normal"))
        assert door.sign_in.by_token(token) is None, "what ended has ended"
        assert door.sign_in.by_token(await door.login()) is not None

    run(story())


def test_one_whose_orders_are_blocked_may_look(door: Door) -> None:
    async def story() -> None:
        token = await door.login()
        door.happens(access("TRADER1", "killed"))
        assert door.sign_in.by_token(token) is not None

    run(story())


def test_another_password_ends_tokens_and_what_was_known_of_the_old_one(door: Door) -> None:
    async def story() -> None:
        token = await door.login()
        assert await door.sign_in.identify(basic("TRADER1", "demo"), HERE) == "TRADER1"
        door.happens(defined("TRADER1", OTHER_HASH))
        assert door.sign_in.by_token(token) is None
        assert (await door.refused(door.sign_in.identify(basic("TRADER1", "demo"), HERE)))[0] == 401
        assert await door.sign_in.identify(basic("TRADER1", "another"), HERE) == "TRADER1"

    run(story())


def test_terms_that_leave_the_password_as_it_is_end_nothing(door: Door) -> None:
    async def story() -> None:
        door.happens(defined("TRADER1", OTHER_HASH))
        token = await door.login(password="another")
        door.happens(defined("TRADER1", OTHER_HASH))
        assert door.sign_in.by_token(token) is not None

    run(story())


def test_whom_an_operator_has_added_may_sign_in(door: Door) -> None:
    async def story() -> None:
        assert (await door.refused(door.login("NEW", "another")))[0] == 401
        door.happens(defined("NEW", OTHER_HASH))
        assert door.sign_in.by_token(await door.login("NEW", "another")) is not None

    run(story())


def test_name_and_password_are_checked_once_a_minute(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    real = passwords.verify
    monkeypatch.setattr(passwords, "verify", lambda password, text: (checked.append(password), real(password, text))[1])

    async def story() -> None:
        for _ in range(5):
            assert await door.sign_in.identify(basic("TRADER1", "demo"), HERE) == "TRADER1"
        assert (await door.refused(door.sign_in.identify(basic("TRADER1", "demo "), HERE)))[0] == 401
        assert (await door.refused(door.sign_in.identify(basic("TRADER2", "demo "), HERE)))[0] == 401
        door.now += 61 * 1_000_000_000
        assert await door.sign_in.identify(basic("TRADER1", "demo"), HERE) == "TRADER1"

    run(story())
    assert checked == ["demo", "demo ", "demo ", "demo"]
    assert not any("demo" in repr(mark) for mark in door.sign_in._verified)


def test_passwords_known_have_a_limit(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "VERIFIED_MAX", 2)

    async def story() -> None:
        for number in range(1, 5):
            await door.sign_in.identify(basic(f"TRADER{number}", "demo"), HERE)
        assert [known.participant for known in door.sign_in._verified.values()] == ["TRADER3", "TRADER4"]

    run(story())


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Bearer", "Bearer ", "Bearer x", "Bearer " + "x" * 100_000, "Basic", "Basic !", "Basic ====", "Digest x",
        "TRADER1:demo",
        "Basic " + base64.b64encode(b"TRADER1").decode(), "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Basic " + base64.b64encode(b"TRADER1:" + b"x" * 1_000).decode(), "Basic " + "QQ" * 100_000,
        "bearer \u00e9", "Bearer \udc80",
    ],
)  # fmt: skip
def test_what_says_nothing_of_who_is_asking(door: Door, header: str | None) -> None:
    assert run(door.refused(door.sign_in.identify(header, HERE)))[:2] == (401, "not-signed-in")


def test_an_address_tries_so_often_a_minute(tmp_path: Path) -> None:
    door = Door(tmp_path, logins_per_minute=3)

    async def story() -> None:
        for number in range(1, 4):
            await door.login(f"TRADER{number}")
        limited = await door.refused(door.login("TRADER4"))
        assert limited == (429, "too-many-attempts", "too many attempts to sign in: wait a little")
        await door.login("TRADER4", address=THERE)
        door.now += 20 * 1_000_000_000
        await door.login("TRADER5")

    run(story())
    door.sign_in.close()


def test_a_name_is_tried_wrongly_so_often_a_minute_from_wherever(tmp_path: Path) -> None:
    door = Door(tmp_path, logins_per_minute=3)

    async def story() -> None:
        for name in ("TRADER1", "NOBODY"):
            for number in range(3):
                assert (await door.refused(door.login(name, "wrong", f"198.51.100.{number + len(name) * 10}")))[0] == 401
            assert (await door.refused(door.login(name, "demo", f"203.0.113.{len(name)}")))[0] == 429
        door.now += 20 * 1_000_000_000
        await door.login("TRADER1", address="203.0.113.99")

    run(story())
    door.sign_in.close()


def test_who_is_known_already_is_not_held_up_by_others_who_try_his_name(tmp_path: Path) -> None:
    door = Door(tmp_path, logins_per_minute=3)

    async def story() -> None:
        token = await door.login()
        await door.sign_in.identify(basic("TRADER1", "demo"), HERE)
        for number in range(4):
            await door.refused(door.login("TRADER1", "wrong", f"198.51.100.{number}"))
        assert await door.sign_in.identify(basic("TRADER1", "demo"), HERE) == "TRADER1"
        assert await door.sign_in.identify(f"Bearer {token}", HERE) == "TRADER1"

    run(story())
    door.sign_in.close()


def test_so_many_wait_for_their_password_and_no_more(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "WAITING_MAX", 0)
    assert run(door.refused(door.login()))[:2] == (429, "too-many-attempts")
