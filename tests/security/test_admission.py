"""Who may connect and try: lists of addresses, limits by address and name, delays, and what is remembered of it."""

from __future__ import annotations

import pytest

from fixserver.addressing import Addresses, network, plain
from fixserver.admission import DELAY_SECONDS_MAX, FAILURES_SECONDS, Admission
from fixserver.config import Exchange
from fixserver.rates import ADDRESSES_MAX

FRIEND, STRANGER, OTHER = "127.0.0.1", "192.0.2.1", "192.0.2.2"


class Door:
    """An Admission with a clock that stands still unless it is told to go."""

    def __init__(self, *, logons_per_minute: int = 0, **terms: object) -> None:
        self.now = 1_000.0
        section = Exchange(**terms)  # type: ignore[arg-type]
        self.admission = Admission(section, logons_per_minute, lambda: self.now)


def test_addresses_by_list() -> None:
    listed = Addresses(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])
    assert [address in listed for address in ("10.255.0.1", "11.0.0.1", "192.0.2.7", "192.0.2.8", "2001:db8::1", "", "x")] == [
        True, False, True, False, True, False, False,
    ]  # fmt: skip
    assert not Addresses([])
    written = {"::ffff:10.0.0.1": "10.0.0.1", "fe80::1%eth0": "fe80::1", "10.0.0.1": "10.0.0.1", "?": "?"}
    assert {text: plain(text) for text in written} == written
    for wrong in ("10.0.0.1/8", "10.0.0.0/33", "example.com", ""):
        with pytest.raises(ValueError):
            network(wrong)


def test_only_who_is_listed_may_come() -> None:
    door = Door(allow_from=["192.0.2.0/31"])
    assert [door.admission.arrive(address) for address in (STRANGER, OTHER, FRIEND)] == ["", "address", "address"]


def test_connections_of_an_address() -> None:
    door = Door(connections_per_address=2)
    arrive = door.admission.arrive
    assert [arrive(STRANGER), arrive(STRANGER), arrive(STRANGER), arrive(OTHER)] == ["", "", "per address", ""]
    door.admission.leave(STRANGER)
    assert [arrive(STRANGER), arrive(STRANGER)] == ["", "per address"]
    assert [arrive(FRIEND) for _ in range(5)] == [""] * 5
    # A household has a whole network of IPv6.
    assert [arrive(f"2001:db8::{number}") for number in range(3)] == ["", "", "per address"]


def test_attempts_of_an_address_come_back_with_time() -> None:
    door = Door(connections_per_address=0, logons_per_minute=3)
    found = [door.admission.arrive(STRANGER) for _ in range(4)]
    assert found == ["", "", "", "limited"]
    assert door.admission.arrive(OTHER) == ""
    door.now += 20
    assert [door.admission.arrive(STRANGER), door.admission.arrive(STRANGER)] == ["", "limited"]


def test_passwords_tried_in_a_name_from_wherever() -> None:
    door = Door(logons_per_minute=3)
    addresses = [f"192.0.2.{number}" for number in range(5)]
    assert [door.admission.may_try(address, "ALICE") for address in addresses] == [True] * 3 + [False] * 2
    assert door.admission.may_try(STRANGER, "BOB")
    assert door.admission.may_try(FRIEND, "ALICE")


def test_the_delay_grows_with_failures_and_is_forgotten() -> None:
    door = Door()
    failed = door.admission.failed
    assert [failed(STRANGER, f"N{number}") for number in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert [failed(f"192.0.2.{number + 2}", "ALICE") for number in range(3)] == [0.25, 0.5, 1.0]
    assert failed(STRANGER, "ALICE") == DELAY_SECONDS_MAX
    assert failed(FRIEND, "ALICE") == 0.0
    door.admission.succeeded(STRANGER)
    assert failed(STRANGER, "N") == 0.25
    door.now += FAILURES_SECONDS + 1
    assert failed("192.0.2.2", "ALICE") == 0.25


def test_what_is_remembered_has_a_limit() -> None:
    door = Door(logons_per_minute=60)
    for number in range(3 * ADDRESSES_MAX):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        assert door.admission.arrive(address) == ""
        door.admission.may_try(address, f"N{number}")
        door.admission.failed(address, f"N{number}")
        door.admission.leave(address)
    assert len(door.admission) <= 4 * ADDRESSES_MAX
    # Who was heard of last is still known.
    assert door.admission.failed(address, "N") == 0.5
