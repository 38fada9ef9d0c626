"""A fill split over the accounts of a participant (J): done as a whole, or refused (P), and nothing of others is told."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.orders.desk import BUY, SELL, Desk, in_order
from tests.orders.test_holdings import told_until


@pytest.fixture
def desk(special_desk: Callable[..., Desk]) -> Desk:
    """A has further accounts, A-P, A-Q, and A-R, which never has anything."""
    return special_desk("accounts")


def fill(desk: Desk, quantity: int = 10, price: str = "100.00") -> str:
    """A buys; the ExecID of his fill."""
    number = time.time_ns()
    desk.b.enter(f"B{number}", SELL, quantity, price)
    desk.b.told()
    desk.a.enter(f"A{number}", BUY, quantity, price)
    return next(message[17] for message in desk.a.messages() if message.get(32))


def allocate(desk: Desk, execution: str, *shares: tuple[str, str], name: str = "J1", more: str = "", **said: str) -> None:
    """A's AllocationInstruction."""
    told = {"71": "0", "54": BUY, "55": desk.x, "53": "10", "6": "100.00"} | {key[1:]: value for key, value in said.items()}
    kind = "" if desk.words.old else "626=1|857=0|"
    group = "".join(f"79={account}|80={quantity}|" for account, quantity in shares)
    body = "".join(f"{tag}={value}|" for tag, value in told.items())
    fill_of = f"124=1|32={told['53']}|17={execution}|" if execution else ""
    desk.a.send("J", f"70={name}|{kind}{body}75=20260101|{fill_of}78={len(shares)}|{group}{more}")


def ack(text: str, code: str = "", name: str = "J1") -> str:
    status = f"87=1|88={code}|" if code else "87=0|"
    return in_order(f"35=P|70={name}|75=*|60=*|{status}58={text}|")


def has(desk: Desk, account: str) -> int:
    """The quantity of X in an account."""
    rows = desk.operate("participant show", name=desk.a.comp_id)["accounts"]
    holdings = {row["asset"]: row["total"] for one in rows if one["account"] == account for row in one["balances"]}
    return int(holdings.get(desk.x, "0"))


def acks(desk: Desk) -> list[str]:
    """What is told of an allocation, when the fill has been looked up."""
    return told_until(desk.a, "35=P")


def accounts(desk: Desk) -> tuple[str, str, str]:
    name = desk.a.comp_id
    return name, f"{name}-P", f"{name}-Q"


def fund(desk: Desk) -> None:
    for account in accounts(desk)[1:]:
        desk.operate("deposit", account=account, asset="USD", amount="100000")


def test_a_fill_is_split(desk: Desk) -> None:
    own, p, q = accounts(desk)
    fund(desk)
    execution = fill(desk)
    before = {account: has(desk, account) for account in (own, p, q)}
    allocate(desk, execution, (p, "4"), (q, "5"), (own, "1"))
    assert acks(desk) == [ack(f"execution {execution[:-1]} is allocated")]
    moved = {account: has(desk, account) - before[account] for account in (own, p, q)}
    assert moved == {own: -9, p: 4, q: 5}
    allocate(desk, execution, (p, "10"), name="J2")
    code = "7"
    assert acks(desk) == [ack(f"this side of trade {execution[:-1]} was allocated already", code, "J2")]


@pytest.mark.parametrize(
    ("shares", "code", "old_code", "text"),
    [
        ((("-P", "4"), ("-Q", "5")), "8", "7", "shares are above zero, and come to the quantity of the trade"),
        ((("-P", "5"), ("-P", "5")), "8", "7", "an account has one share"),
        ((("-P", "0"), ("-Q", "10")), "8", "7", "AllocQty is not above zero"),
        ((("-P", "1.5"), ("-Q", "8.5")), "8", "7", "AllocQty 1.5 has more than 0 decimals"),
        ((("-Z", "10"),), "0", "0", "unknown account A-Z"),
    ],
)
def test_shares_that_do_not_fit(desk: Desk, shares: tuple[tuple[str, str], ...], code: str, old_code: str, text: str) -> None:
    fund(desk)
    execution = fill(desk)
    own = desk.a.comp_id
    allocate(desk, execution, *((own + suffix, quantity) for suffix, quantity in shares))
    assert acks(desk) == [ack(text, old_code if desk.words.old else code)]


def test_somebody_elses_account_and_execution_are_as_if_they_were_not_there(desk: Desk) -> None:
    fund(desk)
    execution = fill(desk)
    allocate(desk, execution, (desk.b.comp_id, "10"))
    assert acks(desk) == [ack("unknown account B", "0")]
    others = execution[:-1] + ("M" if execution.endswith("T") else "T")
    code = "7" if desk.words.old else "10"
    for wrong in (others, "999999999T", "1T", "nothing", "T", "9" * 40 + "T"):
        allocate(desk, wrong, (accounts(desk)[1], "10"))
        assert acks(desk) == [ack(f"no execution of yours {wrong[:64]} of this trading day", code)], wrong


@pytest.mark.parametrize(
    ("said", "code", "old_code", "text"),
    [
        ({"_54": SELL}, "11", "7", "execution * has another Side or Symbol"),
        ({"_53": "11"}, "1", "1", "execution * has another quantity, 10"),
        ({"_6": "99.00"}, "2", "2", "execution * has another price, 100.00"),
        ({"_71": "2"}, "7", "7", "AllocTransType 2 is not taken: what was allocated stays so"),
    ],
)
def test_what_does_not_fit_the_execution(desk: Desk, said: dict[str, str], code: str, old_code: str, text: str) -> None:
    execution = fill(desk)
    allocate(desk, execution, (accounts(desk)[1], "10"), **said)
    assert acks(desk) == [ack(text.replace("*", execution), old_code if desk.words.old else code)]


def test_one_fill_at_a_time(desk: Desk) -> None:
    allocate(desk, "", (accounts(desk)[1], "10"))
    text = "one fill is allocated at a time: NoExecs(124) is 1, with its ExecID(17)"
    assert acks(desk) == [ack(text, "7" if desk.words.old else "10")]


def test_an_account_must_be_able_to_pay(desk: Desk) -> None:
    execution = fill(desk)
    allocate(desk, execution, (f"{desk.a.comp_id}-R", "10"))
    (told,) = acks(desk)
    assert "87=1|88=7" in told and "needed" in told
