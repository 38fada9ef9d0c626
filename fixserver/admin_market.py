"""Makes commands of what an operator wants of the market, and tells how its instruments stand; it runs no command itself.

What is given is decimal text, and becomes whole units here. What only the core can refuse is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fixserver import config as configuration
from fixserver import tradelookup
from fixserver.admin import Arguments, Page, Refused, page_of
from fixserver.config import BAND_DECIMALS, FEE_DECIMALS, NANOSECONDS, Config, to_text, to_units
from fixserver.schedule import STOPPED, schedules_of
from matching.instruments import Instrument, money_text
from matching.messages import (
    BustTrade,
    Command,
    CorrectTrade,
    DefineInstrument,
    MassCancel,
    OperatorCancel,
    Phase,
    SetPhase,
    SetReference,
    Traded,
)
from matching.recordlog import LogDamaged, LogMissing

if TYPE_CHECKING:
    from matching.sequencer import Sequencer

SEARCHED_BYTES_MAX = 4 * 2**20  # of the event log, that the exchange reads itself to find a trade
_TRADE = re.compile(r"[MT]?([0-9]{1,18})[MT]?", re.ASCII)

Commands = dict[str, tuple[type[Arguments], Callable[[Any, str], list[Command]]]]
Questions = dict[str, tuple[type[Arguments], Callable[[Any], Any]]]


class Target(Arguments, kw_only=True):
    """An instrument, or those of a market, or all: one of the three."""

    symbol: str = ""
    market: str = ""
    all: bool = False


class Resume(Target, kw_only=True):
    auction: bool = False


class ToPhase(Target, kw_only=True):
    phase: Phase


class Band(Arguments, kw_only=True):
    """Widths in percent, to either side; `dynamic` "0" is none."""

    symbol: str
    static: str | None = None
    dynamic: str | None = None
    reference: str | None = None


class Terms(Arguments, kw_only=True):
    """As in the configuration's [[instruments]], and its fees, which are the venue's unless given. What is None is left
    as it is, or as the configuration has it by default."""

    symbol: str
    price_decimals: int | None = None
    quantity_decimals: int | None = None
    tick: str | None = None
    lot: str | None = None
    quantity_max: str | None = None
    value_max: str | None = None
    reference_price: str | None = None
    band: str | None = None
    dynamic_band: str | None = None
    pause_seconds: int | None = None
    market: str | None = None
    maker_fee: str | None = None
    taker_fee: str | None = None


class NewTerms(Terms, kw_only=True):
    phase: Phase | None = None


class Symbol(Arguments, kw_only=True):
    symbol: str


class Cancel(Arguments, kw_only=True):
    """One order by its OrderID, or those of a participant, of one instrument or all."""

    order: int = 0
    participant: str = ""
    symbol: str = ""


class Bust(Arguments, kw_only=True):
    """A trade by its number, or by an ExecID of it. `place` is where its record is in the event log, if that is known."""

    trade: str
    place: tuple[int, int] | None = None


class Correct(Bust, kw_only=True):
    price: str
    quantity: str | None = None


class MarketActions:
    """By action: what it may be told, and the commands or the answer that this makes."""

    def __init__(self, config: Config, data: Path, core: Sequencer) -> None:
        self._config = config
        self._events = data / "events"
        self._core = core
        self._schedules = schedules_of(config)
        self.commands: Commands = {
            "halt": (Target, self._halt),
            "resume": (Resume, self._resume),
            "phase": (ToPhase, self._set_phase),
            "band": (Band, self._set_band),
            "instrument add": (NewTerms, self._add_instrument),
            "instrument change": (Terms, self._change_instrument),
            "cancel order": (Cancel, self._cancel),
            "bust": (Bust, self._bust),
            "correct": (Correct, self._correct),
        }
        self.questions: Questions = {
            "instrument list": (Page, self._list),
            "instrument show": (Symbol, self._show),
        }

    # -------------------------------------------------------------------------------------------- phases

    def _halt(self, asked: Target, by: str) -> list[Command]:
        self._chosen(asked)
        return [SetPhase(asked.symbol, "halted", asked.market, by)]

    def _set_phase(self, asked: ToPhase, by: str) -> list[Command]:
        self._chosen(asked)
        return [SetPhase(asked.symbol, asked.phase, asked.market, by)]

    def _resume(self, asked: Resume, by: str) -> list[Command]:
        """What is stopped goes where the schedule has it now, or through a volatility auction to continuous trading."""
        engine = self._core.engine
        stopped = sorted((one for one in self._chosen(asked) if one.phase in STOPPED), key=lambda one: one.symbol)
        if not stopped and asked.symbol:
            raise Refused(f"{asked.symbol} is not halted: it is in {engine.instruments[asked.symbol].phase}")
        if not stopped:
            raise Refused("nothing there is halted")
        # A market that was halted as a whole is scheduled again.
        markets = [] if asked.symbol else sorted({one.market for one in stopped if engine.markets.get(one.market) in STOPPED})
        if not asked.auction:
            commands: list[Command] = [SetPhase("", self._scheduled(market), market, by) for market in markets]
            alone = [instrument for instrument in stopped if instrument.market not in markets]
            return commands + [SetPhase(one.symbol, self._scheduled(one.market), by=by) for one in alone]
        for instrument in stopped:
            if (phase := self._scheduled(instrument.market)) != "continuous":
                raise Refused(f"{instrument.symbol} is in {phase} by its schedule now: resume it without an auction")
        # As the schedule moves it, which passes over what is halted.
        commands = [SetPhase("", "continuous", market) for market in markets]
        return commands + [SetPhase(one.symbol, "volatility-auction", by=by) for one in stopped]

    def _scheduled(self, market: str) -> Phase:
        schedule = self._schedules.get(market)
        return schedule.phase_at(self._core.clock()) if schedule else "continuous"

    def _chosen(self, asked: Target) -> list[Instrument]:
        """Raises Refused."""
        engine = self._core.engine
        if sum((bool(asked.symbol), bool(asked.market), asked.all)) != 1:
            raise Refused("say one of: a symbol, a market, all")
        if asked.symbol:
            return [self._instrument(asked.symbol)]
        found = [one for one in engine.instruments.values() if asked.all or one.market == asked.market]
        if not found:
            raise Refused(f"no instrument is of market {asked.market[:40]}" if asked.market else "there is no instrument")
        return found

    def _instrument(self, symbol: str) -> Instrument:
        """Raises Refused."""
        instrument = self._core.engine.instruments.get(symbol)
        if instrument is None:
            raise Refused(f"unknown symbol {symbol[:40]}")
        return instrument

    # ---------------------------------------------------------------------------------------------- terms

    def _set_band(self, asked: Band, by: str) -> list[Command]:
        instrument = self._instrument(asked.symbol)
        if asked.static is None and asked.dynamic is None and asked.reference is None:
            raise Refused("nothing to set: say --static, --dynamic, --reference, or several")
        commands: list[Command] = []
        if asked.static is not None or asked.dynamic is not None:
            commands += self._change_instrument(Terms(symbol=asked.symbol, band=asked.static, dynamic_band=asked.dynamic), by)
        if asked.reference is not None:
            commands.append(SetReference(asked.symbol, in_units(asked.reference, instrument.terms.price_decimals, "reference"), by))
        return commands

    def _add_instrument(self, asked: NewTerms, by: str) -> list[Command]:
        engine = self._core.engine
        if asked.symbol in engine.instruments:
            raise Refused(f"{asked.symbol} is there already: instrument change changes it")
        if not configuration.is_symbol(asked.symbol):
            raise Refused(f'"{asked.symbol[:40]}" is not a symbol: {configuration.SYMBOL_IS}')
        if asked.symbol == self._config.venue.currency:
            raise Refused(f"{asked.symbol} is the venue's currency")
        terms = self._checked(_given(asked, "symbol", "phase", "maker_fee", "taker_fee"), asked)
        phase = engine.markets.get(terms.market, "continuous")  # that of its market, as the core has it
        commands: list[Command] = [msgspec.structs.replace(terms, phase=phase, by=by)]
        if asked.phase not in (None, phase):
            commands.append(SetPhase(asked.symbol, asked.phase, by=by))
        return commands

    def _change_instrument(self, asked: Terms, by: str) -> list[Command]:
        old = self._instrument(asked.symbol).terms
        given = _given(asked, "symbol", "maker_fee", "taker_fee")
        if not given and asked.maker_fee is None and asked.taker_fee is None:
            raise Refused("nothing to change: say what")
        new = self._checked(_as_configured(old) | given, asked)
        fees = {
            name: getattr(old, name)
            for name, fee in (("maker_fee_ppm", asked.maker_fee), ("taker_fee_ppm", asked.taker_fee))
            if fee is None
        }
        return [msgspec.structs.replace(new, phase=old.phase, by=by, **fees)]

    def _checked(self, values: dict[str, Any], asked: Terms) -> DefineInstrument:
        """The terms as a command. Raises Refused where they cannot be."""
        missing = [name for name in ("quantity_max", "value_max", "reference_price") if name not in values]
        if missing:
            raise Refused(f"--{missing[0].replace('_', '-')} is missing")
        terms = configuration.Instrument(symbol=asked.symbol, **values)
        for key, what in configuration.term_faults(terms):
            raise Refused(f"{key}: {what}")
        if not configuration.is_name(terms.market):
            raise Refused(f'market: "{terms.market[:40]}" is not the name of one')
        command = terms.define(self._config.venue)
        for name, fee in (("maker_fee", asked.maker_fee), ("taker_fee", asked.taker_fee)):
            if fee is not None:
                command = msgspec.structs.replace(command, **{f"{name}_ppm": in_units(fee, FEE_DECIMALS, name)})
        return command

    def _list(self, asked: Page) -> dict[str, Any]:
        instruments = self._core.engine.instruments
        names, following = page_of(instruments, asked.after)
        return {"instruments": [_state(instruments[name]) for name in names], "after": following}

    def _show(self, asked: Symbol) -> dict[str, Any]:
        instrument = self._instrument(asked.symbol)
        terms = instrument.terms
        return _state(instrument) | {
            "currency": terms.currency,
            **_as_configured(terms),
            "maker_fee": shortened(terms.maker_fee_ppm, FEE_DECIMALS),
            "taker_fee": shortened(terms.taker_fee_ppm, FEE_DECIMALS),
            "initial_margin": shortened(instrument.initial_ppm, FEE_DECIMALS),
            "maintenance_margin": shortened(instrument.maintenance_ppm, FEE_DECIMALS),
            "by": terms.by or "configuration",
        }

    # ----------------------------------------------------------------------------------- orders and trades

    def _cancel(self, asked: Cancel, by: str) -> list[Command]:
        if bool(asked.order) == bool(asked.participant):
            raise Refused("say one of: an OrderID, a participant")
        if asked.order:
            return [OperatorCancel(asked.order, by)]
        if asked.participant not in self._core.engine.participants:
            raise Refused(f"no participant {asked.participant[:40]}")
        if asked.symbol:
            self._instrument(asked.symbol)
        return [MassCancel(asked.participant, "", "", asked.symbol, by=by)]

    def _bust(self, asked: Bust, by: str) -> list[Command]:
        return [BustTrade(self._trade(asked), by)]

    def _correct(self, asked: Correct, by: str) -> list[Command]:
        trade = self._trade(asked)
        terms = self._instrument(trade.instrument).terms
        quantity = trade.quantity
        if asked.quantity is not None:
            quantity = in_units(asked.quantity, terms.quantity_decimals, "quantity")
        return [CorrectTrade(trade, in_units(asked.price, terms.price_decimals, "price"), quantity, by)]

    def _trade(self, asked: Bust) -> Traded:
        """The trade as the event log has it. Raises Refused."""
        matched = _TRADE.fullmatch(asked.trade)
        if matched is None:
            raise Refused(f'"{asked.trade[:40]}" is neither the number nor an ExecID of a trade')
        number = int(matched[1])
        if self._core.event_head < number <= self._core.engine.event_seq:
            self._core.publish()
        found: Traded | None = None
        try:
            place = asked.place or self._locate(number)
            if place is not None:
                found = tradelookup.trade_at(self._events, place, number)
        except (LogDamaged, LogMissing, msgspec.DecodeError, OSError, OverflowError, ValueError) as error:
            if asked.place is None:
                raise Refused(f"the event log cannot be read: {error}") from None
            # Nothing is wrong with the log: there is no record at such a place.
        if found is None:
            raise Refused(f"event {number} is not a trade")
        return found

    def _locate(self, number: int) -> tuple[int, int] | None:
        """Raises Refused where that would hold up trading."""
        if tradelookup.bytes_to_read(self._events, number) > SEARCHED_BYTES_MAX:
            raise Refused("the exchange does not search a log of this size: say `place`, as `fixserver admin bust` does")
        return tradelookup.locate(self._events, number)


def _state(instrument: Instrument) -> dict[str, Any]:
    """An instrument as it stands now."""
    price = instrument.price_text
    bid, offer = instrument.bids.best, instrument.offers.best
    return {
        "symbol": instrument.symbol,
        "market": instrument.market,
        "phase": instrument.phase,
        "last": price(instrument.last) if instrument.last else "",
        "bid": price(bid.price) if bid else "",
        "offer": price(offer.price) if offer else "",
        "reference": price(instrument.reference_price),
        "low": price(instrument.low),
        "high": price(instrument.high),
    }


def _as_configured(terms: DefineInstrument) -> dict[str, Any]:
    """Terms as the configuration would say them, but symbol and fees."""
    return {
        "price_decimals": terms.price_decimals,
        "quantity_decimals": terms.quantity_decimals,
        "tick": to_text(terms.tick, terms.price_decimals),
        "lot": to_text(terms.lot, terms.quantity_decimals),
        "quantity_max": to_text(terms.quantity_max, terms.quantity_decimals),
        "value_max": money_text(terms.value_max),
        "reference_price": to_text(terms.reference_price, terms.price_decimals),
        "band": shortened(terms.band_bps, BAND_DECIMALS),
        "dynamic_band": shortened(terms.dynamic_band_bps, BAND_DECIMALS),
        "pause_seconds": terms.pause_ns // NANOSECONDS,
        "market": terms.market,
    }


def shortened(units: int, decimals: int) -> str:
    """As short as it may be: 1000 hundredths are "10"."""
    text = to_text(units, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _given(asked: Terms, *but: str) -> dict[str, Any]:
    return {name: value for name in asked.__struct_fields__ if name not in but and (value := getattr(asked, name)) is not None}


def in_units(text: str, decimals: int, what: str) -> int:
    """What is given, as a whole number. Raises Refused."""
    try:
        return to_units(text, decimals)
    except ValueError as error:
        raise Refused(f"{what}: {error}") from None
