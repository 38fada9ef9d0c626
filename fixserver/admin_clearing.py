"""Makes commands of what an operator wants of clearing, and tells how trades are settled and who pays what; it runs none itself.

What is given is decimal text, and becomes whole units here. What only the core can refuse is left to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from fixserver import config as configuration
from fixserver.admin import Arguments, Nothing, Page, Refused, page_of
from fixserver.admin_market import Commands, Questions, in_units, shortened
from fixserver.admin_participants import check_reference
from fixserver.config import FEE_DECIMALS
from matching.messages import (
    MONEY_DECIMALS,
    Command,
    HoldDeliveries,
    PayDividend,
    SetFees,
    SetMargin,
    SetSettlement,
    SplitInstrument,
)

if TYPE_CHECKING:
    from matching.sequencer import Sequencer

_RATIO = re.compile(r"([0-9]{1,9}):([0-9]{1,9})", re.ASCII)


class Terms(Arguments, kw_only=True):
    """As in the configuration's [settlement]. What is None stays as it is."""

    cycle_days: int | None = None
    spend_unsettled: bool | None = None
    buy_in_days: int | None = None
    buy_in_premium: str | None = None


class Hold(Arguments, kw_only=True):
    """Of an account, what it is not to deliver: a currency, an instrument, or everything."""

    account: str
    asset: str = ""
    reference: str = ""


class Dividend(Arguments, kw_only=True):
    """`amount` is for each whole unit."""

    symbol: str
    amount: str
    reference: str = ""


class Split(Arguments, kw_only=True):
    """`ratio` is units after : units before, "2:1"."""

    symbol: str
    ratio: str
    reference: str = ""


class Fees(Arguments, kw_only=True):
    """Fractions of the value; `maker` may be below zero."""

    name: str
    symbol: str = ""
    maker: str
    taker: str


class FeesEnd(Arguments, kw_only=True):
    name: str
    symbol: str = ""


class Margin(Arguments, kw_only=True):
    """Fractions of the value. What is None stays as it is; "0" is none."""

    symbol: str
    initial: str | None = None
    maintenance: str | None = None


class ClearingActions:
    """By action: what it may be told, and the commands or the answer that this makes."""

    def __init__(self, core: Sequencer) -> None:
        self._core = core
        self.commands: Commands = {
            "settlement set": (Terms, self._set),
            "hold": (Hold, lambda asked, by: self._hold(asked, True, by)),
            "release": (Hold, lambda asked, by: self._hold(asked, False, by)),
            "dividend": (Dividend, self._dividend),
            "split": (Split, self._split),
            "fees set": (Fees, self._set_fees),
            "fees end": (FeesEnd, self._end_fees),
            "margin": (Margin, self._set_margin),
        }
        self.questions: Questions = {
            "settlement show": (Nothing, self._show),
            "fees list": (Page, self._list_fees),
        }

    # ---------------------------------------------------------------------------------------- settlement

    def _set(self, asked: Terms, by: str) -> list[Command]:
        given = {name: value for name in asked.__struct_fields__ if (value := getattr(asked, name)) is not None}
        if not given:
            raise Refused("nothing to set: say what")
        for key, what in configuration.settlement_faults(configuration.Settlement(**given)):
            raise Refused(f"{key}: {what}")
        if asked.buy_in_premium is not None:
            given["buy_in_premium_ppm"] = in_units(given.pop("buy_in_premium"), FEE_DECIMALS, "buy_in_premium")
        # What waits for the next day is what stays.
        engine = self._core.engine
        return [msgspec.structs.replace(engine.settlement_waiting or engine.settlement, by=by, **given)]

    def _show(self, asked: Nothing) -> dict[str, Any]:
        engine = self._core.engine
        waiting = engine.settlement_waiting
        obligations = list(engine.obligations())
        return _terms(engine.settlement) | {
            "next_day": _terms(waiting) if waiting is not None else {},
            "settlement_days": engine.settlement_day,
            "obligations": len(obligations),
            "failing": sum(1 for obligation in obligations if obligation.days),
            "held": {name: sorted(account.held) for name, account in sorted(engine.accounts.items()) if account.held},
            "margin_calls": {name: sorted(account.called) for name, account in sorted(engine.accounts.items()) if account.called},
        }

    def _hold(self, asked: Hold, held: bool, by: str) -> list[Command]:
        check_reference(asked.reference)
        account = self._core.engine.accounts.get(asked.account)
        if account is not None and held == (asked.asset in account.held):
            what = asked.asset or "everything"
            raise Refused(f"{what} of {asked.account} is held already" if held else f"{what} of {asked.account} is not held")
        return [HoldDeliveries(asked.account, asked.asset, held, by, asked.reference)]

    # -------------------------------------------------------------------------------- corporate actions

    def _dividend(self, asked: Dividend, by: str) -> list[Command]:
        check_reference(asked.reference)
        amount = in_units(asked.amount, MONEY_DECIMALS, "amount")
        if amount <= 0:
            raise Refused(f'amount: "{asked.amount[:40]}" is not above zero')
        return [PayDividend(asked.symbol, str(amount), by, asked.reference)]

    def _split(self, asked: Split, by: str) -> list[Command]:
        check_reference(asked.reference)
        ratio = _RATIO.fullmatch(asked.ratio)
        if ratio is None:
            raise Refused(f'ratio: "{asked.ratio[:40]}" is not units after and units before, such as "2:1"')
        return [SplitInstrument(asked.symbol, int(ratio[1]), int(ratio[2]), by, asked.reference)]

    # ---------------------------------------------------------------------------------- fees and margin

    def _set_fees(self, asked: Fees, by: str) -> list[Command]:
        for key, what in configuration.fee_faults(asked.maker, asked.taker):
            raise Refused(f"{key}: {what}")
        maker, taker = (in_units(getattr(asked, key), FEE_DECIMALS, key) for key in ("maker", "taker"))
        return [SetFees(asked.name, asked.symbol, maker, taker, by)]

    def _end_fees(self, asked: FeesEnd, by: str) -> list[Command]:
        participant = self._core.engine.participants.get(asked.name)
        if participant is not None and asked.symbol not in participant.fees:
            raise Refused(f"{asked.name} has no fees of his own" + (f" in {asked.symbol[:40]}" if asked.symbol else " for all"))
        return [SetFees(asked.name, asked.symbol, by=by)]

    def _list_fees(self, asked: Page) -> dict[str, Any]:
        participants = self._core.engine.participants
        names, following = page_of((name for name, one in participants.items() if one.fees), asked.after)
        rows = [
            {
                "name": name,
                "symbol": symbol,
                "maker": shortened(maker, FEE_DECIMALS),
                "taker": shortened(taker, FEE_DECIMALS),
                "by": self._by(name, symbol, maker, taker),
            }
            for name in names
            for symbol, (maker, taker) in sorted(participants[name].fees.items())
        ]
        return {"fees": rows, "after": following}

    def _by(self, name: str, symbol: str, maker: int, taker: int) -> Literal["configuration", "operator"]:
        said = self._core.engine.fees_configured.get((name, symbol))
        is_said = said is not None and (said.maker_fee_ppm, said.taker_fee_ppm) == (maker, taker)
        return "configuration" if is_said else "operator"

    def _set_margin(self, asked: Margin, by: str) -> list[Command]:
        if asked.initial is None and asked.maintenance is None:
            raise Refused("nothing to set: say --initial, --maintenance, or both")
        instrument = self._core.engine.instruments.get(asked.symbol)
        if instrument is None:
            raise Refused(f"unknown symbol {asked.symbol[:40]}")
        initial = shortened(instrument.initial_ppm, FEE_DECIMALS) if asked.initial is None else asked.initial
        maintenance = shortened(instrument.maintenance_ppm, FEE_DECIMALS) if asked.maintenance is None else asked.maintenance
        for key, what in configuration.margin_faults(initial, maintenance):
            raise Refused(f"{key}: {what}")
        initial_ppm, maintenance_ppm = (in_units(text, FEE_DECIMALS, "margin") for text in (initial, maintenance))
        return [SetMargin(asked.symbol, initial_ppm, maintenance_ppm, by)]


def _terms(terms: SetSettlement) -> dict[str, Any]:
    return {
        "cycle_days": terms.cycle_days,
        "spend_unsettled": terms.spend_unsettled,
        "buy_in_days": terms.buy_in_days,
        "buy_in_premium": shortened(terms.buy_in_premium_ppm, FEE_DECIMALS),
        "by": terms.by or "configuration",
    }
