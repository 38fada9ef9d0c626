"""Makes commands of what an operator wants of participants and their accounts, and tells how they stand; it runs none itself.

Passwords come as hashes: whoever asks has made them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from fixserver import passwords
from fixserver.admin import Arguments, Page, Refused, page_of
from fixserver.admin_market import Commands, Questions
from fixserver.config import NAME_IS, PARTICIPANTS_MAX, Config, account_faults, is_name, to_units
from fixserver.config import Participant as Terms
from fixserver.sessions import VERSIONS
from matching.accounts import Cash, Participant, Position
from matching.instruments import money_text
from matching.messages import (
    MONEY_DECIMALS,
    Access,
    Command,
    DefineParticipant,
    Deposit,
    SelfTrade,
    SetAccess,
    Withdraw,
)

if TYPE_CHECKING:
    from fixserver.sessions import Sessions
    from matching.sequencer import Sequencer

REFERENCE_LENGTH_MAX = 64


class Limits(Arguments, kw_only=True):
    """What is None stays as it is. Rates are messages a second, -1 the exchange's; 0 is no limit."""

    name: str
    orders_per_second: int | None = None
    cancels_per_second: int | None = None
    value_max: str | None = None
    open_orders_max: int | None = None
    orders_per_day_max: int | None = None
    cancel_on_disconnect: Literal["none", "day", "all"] | None = None
    cancel_grace_seconds: int | None = None


class NewParticipant(Limits, kw_only=True):
    """As in the configuration's [[participants]]."""

    password_hash: str
    cash: str = "0"
    holdings: dict[str, str] = msgspec.field(default_factory=dict)
    short_max: int = 0
    self_trade: SelfTrade = "cancel-resting"


class Name(Arguments, kw_only=True):
    name: str


class Password(Name, kw_only=True):
    password_hash: str


class Transfer(Arguments, kw_only=True):
    """`amount` of a currency or of an instrument, above zero. `reference` is the operator's word for it."""

    account: str
    asset: str
    amount: str
    reference: str = ""


class ParticipantActions:
    """By action: what it may be told, and the commands or the answer that this makes."""

    def __init__(self, config: Config, core: Sequencer, sessions: Sessions) -> None:
        self._config = config
        self._configured = {participant.name for participant in config.participants}
        self._core = core
        self._sessions = sessions
        self.commands: Commands = {
            "participant add": (NewParticipant, self._add),
            "participant limits": (Limits, self._limits),
            "participant password": (Password, self._password),
            "participant suspend": (Name, lambda asked, by: self._access(asked, by, "suspended", ("normal", "killed"))),
            "participant restore": (Name, lambda asked, by: self._access(asked, by, "normal", ("suspended",))),
            "kill": (Name, lambda asked, by: self._access(asked, by, "killed", ("normal",))),
            "unkill": (Name, lambda asked, by: self._access(asked, by, "normal", ("killed",))),
            "deposit": (Transfer, self._deposit),
            "withdraw": (Transfer, self._withdraw),
        }
        self.questions: Questions = {
            "participant list": (Page, self._list),
            "participant show": (Name, self._show),
        }

    def _known(self, name: str) -> Participant:
        """Raises Refused."""
        participant = self._core.engine.participants.get(name)
        if participant is None:
            raise Refused(f"no participant {name[:40]}")
        return participant

    def _add(self, asked: NewParticipant, by: str) -> list[Command]:
        engine, venue = self._core.engine, self._config.venue
        if not is_name(asked.name):
            raise Refused(f'"{asked.name[:40]}" is not a CompID: {NAME_IS}')
        if asked.name in engine.participants or asked.name in engine.accounts:
            raise Refused(f"{asked.name} is there already")
        if asked.name in (venue.name, venue.market_data_name):
            raise Refused(f"{asked.name} is the venue's own name")
        if asked.name == self._config.web.comp_id:
            raise Refused(f"{asked.name} is the name of the web's session (web.comp_id)")
        if len(engine.participants) >= PARTICIPANTS_MAX:
            raise Refused(f"there are {PARTICIPANTS_MAX} participants: no more are taken")
        exchange = self._config.exchange
        given = {"open_orders_max": exchange.open_orders_max, "orders_per_day_max": exchange.orders_per_day_max} | _given(asked)
        terms = Terms(
            password=_hash(asked.password_hash), cash=asked.cash, holdings=asked.holdings, short_max=asked.short_max,
            self_trade=asked.self_trade, **given,
        )  # fmt: skip
        decimals = {symbol: instrument.terms.quantity_decimals for symbol, instrument in engine.instruments.items()}
        _check(terms, decimals)
        participant = msgspec.structs.replace(terms.define_participant(), password=terms.password, by=by)
        account = msgspec.structs.replace(terms.define(), by=by)
        amounts = {venue.currency: to_units(asked.cash, MONEY_DECIMALS)}
        amounts |= {symbol: to_units(text, decimals[symbol]) for symbol, text in asked.holdings.items()}
        return [participant, account, *(Deposit(asked.name, asset, str(amount), by) for asset, amount in amounts.items() if amount)]

    def _limits(self, asked: Limits, by: str) -> list[Command]:
        terms = self._known(asked.name).terms
        given = _given(asked)
        if len(given) == 1:
            raise Refused("nothing to set: say which limit")
        _check(Terms(password=passwords.DECOY, **{"open_orders_max": 0, "orders_per_day_max": 0} | given), {})
        if asked.value_max is not None:
            given["value_max"] = str(to_units(asked.value_max, MONEY_DECIMALS))
        return [msgspec.structs.replace(terms, by=by, **{name: value for name, value in given.items() if name != "name"})]

    def _password(self, asked: Password, by: str) -> list[Command]:
        terms: DefineParticipant = self._known(asked.name).terms
        return [msgspec.structs.replace(terms, password=_hash(asked.password_hash), by=by)]

    def _access(self, asked: Name, by: str, access: Access, before: tuple[Access, ...]) -> list[Command]:
        now = self._known(asked.name).access
        if now not in before:
            wanted = f"not {before[0]}" if access == "normal" else access
            raise Refused(f"{asked.name} is {now}" if now != "normal" else f"{asked.name} is {wanted}")
        return [SetAccess(asked.name, access, by)]

    def _deposit(self, asked: Transfer, by: str) -> list[Command]:
        return [Deposit(asked.account, asked.asset, self._amount(asked), by, asked.reference)]

    def _withdraw(self, asked: Transfer, by: str) -> list[Command]:
        return [Withdraw(asked.account, asked.asset, self._amount(asked), by, asked.reference)]

    def _amount(self, asked: Transfer) -> str:
        """In whole units, as text. Raises Refused."""
        instrument = self._core.engine.instruments.get(asked.asset)
        check_reference(asked.reference)
        try:
            amount = to_units(asked.amount, instrument.terms.quantity_decimals if instrument else MONEY_DECIMALS)
        except ValueError as error:
            raise Refused(f"amount: {error}") from None
        if amount <= 0:
            raise Refused(f'amount: "{asked.amount[:40]}" is not above zero')
        return str(amount)

    def _list(self, asked: Page) -> dict[str, Any]:
        participants = self._core.engine.participants
        names, following = page_of(participants, asked.after)
        return {"participants": [self._row(participants[name]) for name in names], "after": following}

    def _row(self, participant: Participant) -> dict[str, Any]:
        terms = participant.terms
        removed = participant.configured is not None and participant.name not in self._configured  # from the configuration
        sessions = (self._sessions.by_name.get(f"{participant.name}/{version}") for version in VERSIONS)
        return {
            "name": participant.name,
            "access": "removed" if removed else participant.access,
            "sessions": sum(1 for session in sessions if session is not None and session.logged_on),
            "open_orders": len(participant.open_orders),
            "orders_per_second": self._rate("orders_per_second", terms),
            "cancels_per_second": self._rate("cancels_per_second", terms),
            "value_max": money_text(participant.value_max) if participant.value_max else "0",
            "open_orders_max": terms.open_orders_max,
            "orders_per_day_max": terms.orders_per_day_max,
            "cancel_on_disconnect": terms.cancel_on_disconnect,
            "cancel_grace_seconds": terms.cancel_grace_seconds,
            "by": terms.by or "configuration",
        }

    def _rate(self, name: str, terms: DefineParticipant) -> int:
        own: int = getattr(terms, name)
        default: int = getattr(self._config.exchange, name)
        return default if own < 0 else own

    def _show(self, asked: Name) -> dict[str, Any]:
        participant, engine = self._known(asked.name), self._core.engine
        accounts = []
        for name, account in sorted(engine.accounts.items()):
            if account.participant is not participant:
                continue
            balances = [_balance(currency, cash, money_text) for currency, cash in sorted(account.cash.items())]
            balances += [
                _balance(symbol, position, engine.instruments[symbol].quantity_text)
                for symbol, position in sorted(account.positions.items())
            ]
            terms = account.terms
            accounts.append(
                {
                    "account": name,
                    "short_max": terms.short_max,
                    "self_trade": terms.self_trade,
                    "held": [asset or "everything" for asset in sorted(account.held)],
                    "margin_calls": sorted(account.called),
                    "balances": balances,
                }
            )
        return self._row(participant) | {"accounts": accounts}


def _balance(asset: str, balance: Cash | Position, text: Callable[[int], str]) -> dict[str, str]:
    """What of an asset is there, is to come (above 0) or to go, and is held back."""
    return {
        "asset": asset,
        "total": text(balance.total),
        "settled": text(balance.total - balance.unsettled),
        "unsettled": text(balance.unsettled),
        "reserved": text(balance.reserved),
    }


def check_reference(text: str) -> None:
    """Raises Refused."""
    if len(text) > REFERENCE_LENGTH_MAX or not text.isprintable():
        raise Refused(f"a reference is at most {REFERENCE_LENGTH_MAX} printable characters")


def _check(terms: Terms, decimals: dict[str, int]) -> None:
    """Raises Refused."""
    for key, what in account_faults(terms, decimals):
        raise Refused(f"{key}: {what}")
    for key in ("open_orders_max", "orders_per_day_max"):  # a configuration's -1, as the exchange has it, is for who reads that
        if (most := getattr(terms, key)) < 0:
            raise Refused(f"{key}: {most} is below zero (0 is no limit)")


def _hash(text: str) -> str:
    """Raises Refused."""
    if not passwords.is_hash(text):
        raise Refused("password_hash: is not a hash as `fixserver admin participant add` makes it")
    return text


def _given(asked: Limits) -> dict[str, Any]:
    return {name: value for name in Limits.__struct_fields__ if (value := getattr(asked, name)) is not None}
