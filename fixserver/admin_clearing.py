"""Makes commands of what an operator wants of clearing, and tells how trades are settled and who pays what; it runs none itself.

What is given is decimal text, and becomes whole units here. What only the core can refuse is left to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from fixserver import config as configuration
from fixserver.admin import Arguments, Page, Refused, page_of
from fixserver.admin_market import Commands, Questions, in_units, shortened
from fixserver.admin_participants import checked_reference
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


class Nothing(Arguments):
    pass


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
        return [msgspec.structs.replace(self._core.engine.settlement_to_be, by=by, **given)]
