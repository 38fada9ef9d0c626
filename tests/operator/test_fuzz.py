"""Whatever operators ask for, the exchange goes on: random arguments for every action, some right, most not."""

from __future__ import annotations

import json
import random
import types
import typing
from pathlib import Path
from typing import Any

import msgspec

from fixserver.admin_desk import AdminDesk
from fixserver.config import load
from tests.operator.conftest import Operator
from tests.venue import PASSWORD_HASH, ROOT, Venue, order

REQUESTS = 3_000
WORDS = (
    "AAPL MSFT F1 F2 TRADER1 TRADER2 FUZZ USD MAIN 4.4 1 0 -1 0.5 1e9 100 100.01 99999999999999999999 0.0000000001 880M 17 30"
    " halted continuous closing-auction volatility-auction closed day cancel-both"
)
TEXTS = (*WORDS.split(), "", "9" * 400, "x\u0000y", "\u20ac", PASSWORD_HASH)
PLAUSIBLE: dict[str, tuple[Any, ...]] = {
    "symbol": ("AAPL", *(f"F{number}" for number in range(1, 20))), "participant": ("TRADER1",),
    "name": ("TRADER1", "TRADER2", *(f"FUZZ{number}" for number in range(20))),
    "account": ("TRADER1", "TRADER2"), "asset": ("USD", "AAPL"), "amount": ("1", "5"), "price": ("99.00", "101.00"),
    "reference": ("95.00", "100.00"), "static": ("20", "50"), "dynamic": ("0", "5"), "version": ("4.2", "4.4", "5.0SP2"),
    "password_hash": (PASSWORD_HASH,), "quantity_max": ("1000",), "value_max": ("1000000",), "reference_price": ("100",),
    "tick": ("0.01",), "lot": ("1",), "band": ("50",), "next_in": (5,), "next_out": (7,), "phase": ("continuous", "pre-open"),
    "quantity": ("3", "1"), "text": ("hello",), "cash": ("10",), "price_decimals": (2,), "quantity_decimals": (0,),
    "market": ("MAIN",), "maker_fee": ("0",), "taker_fee": ("0",), "dynamic_band": ("0",), "place": (None,),
    "ratio": ("2:1", "1:2"), "cycle_days": (0, 1), "buy_in_days": (0, 2), "buy_in_premium": ("0.01",), "maker": ("0", "-0.0001"),
    "taker": ("0.0002",), "initial": ("0.5",), "maintenance": ("0.25", "0"),
}  # fmt: skip
NUMBERS = (0, 1, 2, 7, 17, 30, -1, 10**9, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30)


def value(chance: random.Random, kind: Any, plausible: tuple[Any, ...] = ()) -> Any:
    """Something that may well be meant, or something of this type, or, now and then, not even that."""
    if plausible and chance.random() < 0.7:
        return chance.choice(plausible)
    if chance.random() < 0.03:
        return chance.choice([None, True, 1.5, [], {}, "text", 7, [1, 2]])
    options = [one for one in typing.get_args(kind) if one is not type(None)] if isinstance(kind, types.UnionType) else []
    if options:
        return value(chance, chance.choice(options))
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return value(chance, typing.get_args(kind)[0])
    if origin is typing.Literal:
        return chance.choice(typing.get_args(kind))
    if origin is tuple:
        return [chance.choice(NUMBERS), chance.choice(NUMBERS)]
    if origin is dict:
        return {chance.choice(TEXTS): chance.choice(TEXTS) for _ in range(chance.randrange(3))}
    return {bool: chance.random() < 0.5, int: chance.choice(NUMBERS)}.get(kind, chance.choice(TEXTS))


def actions(desk: AdminDesk) -> dict[str, type[msgspec.Struct]]:
    tables = (desk._commands, desk._questions, desk._others)
    return {name: entry[0] for table in tables for name, entry in table.items()}


def known_actions() -> dict[str, type[msgspec.Struct]]:
    """The actions of a desk that has no exchange, which it does not need to name them."""
    config = load(ROOT / "config" / "exchange.toml")
    nothing: Any = None
    return actions(AdminDesk(config, Path("nowhere"), nothing, nothing, nothing, nothing, nothing, nothing))


def test_random_arguments(venue: Venue, operator: Operator) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    known = known_actions()
    del known["snapshot"]  # takes its time, and no arguments
    base = {"quantity_max": "1000", "value_max": "1000000", "reference_price": "100"}
    for symbol in ("F1", "F2"):
        operator.do("instrument add", symbol=symbol, **base)
    clients = [venue.client(name).logon() for name in ("TRADER1", "TRADER2")]
    orders: list[int] = []
    trades: list[str] = []
    for number in range(20):
        for client, side in zip(clients, "12", strict=True):
            client.send("D", order(f"f{number}{side}", side))
            client.expect("8", "39=0")
        trades.append(clients[0].expect("8", "39=2")[17])
        clients[1].expect("8", "39=2")
        clients[0].send("D", order(f"g{number}", price="60.00"))
        orders.append(int(clients[0].expect("8", "39=0")[37]))
    plausible = PLAUSIBLE | {"trade": tuple(trades), "order": tuple(orders)}
    outcomes: dict[str, set[bool]] = {}

    def ask(action: str) -> None:
        hints = typing.get_type_hints(known[action], include_extras=True)
        wanted = base.keys() | {field.name for field in msgspec.structs.fields(known[action]) if field.required}
        chosen = [name for name in hints if chance.random() < (0.97 if name in wanted else 0.3)]
        arguments = {name: value(chance, hints[name], plausible.get(name, ())) for name in chosen}
        answer = operator.ask(action, **arguments)
        assert answer["ok"] or answer["error"], (action, arguments)
        assert "this request failed" not in answer.get("error", ""), (action, arguments, answer)
        outcomes.setdefault(action, set()).add(answer["ok"])

    # What chance may use up before it asks right: sessions that are logged out or cut, trades busted, orders canceled.
    operator.do("session logout", name="TRADER2")
    operator.do("bust", trade=trades[0])
    operator.do("correct", trade=trades[1], price="101.00")
    operator.do("cancel order", order=orders[0])
    outcomes |= {action: {True} for action in ("session logout", "bust", "correct", "cancel order")}
    for _ in range(REQUESTS):
        ask(chance.choice(list(known)))
    for action in known:  # chance may have had each of them refused so far
        for _ in range(REQUESTS):
            if True in outcomes.get(action, ()):
                break
            ask(action)
    assert len(json.dumps(operator.do("status"))) > 0
    assert outcomes.keys() == known.keys()
    assert [action for action, found in outcomes.items() if found == {False}] == [], "a test that is refused alone shows little"
    verified = venue.command("journal", "verify", "--data", str(venue.data))
    assert verified.returncode == 0, verified.stderr
