"""The venue's configuration, read from one TOML file and checked as a whole; it never starts or changes anything.

What is wrong with a file is a ConfigError, whose text is one line that names the file and the key.
Amounts stand in the file as decimal text, because a TOML float is a binary one; `to_units` makes whole
numbers of them (the units are those of matching.messages), `to_text` goes back.
"""

from __future__ import annotations

import difflib
import errno
import ipaddress
import re
import socket
import tomllib
import typing
import zoneinfo
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec

from fixserver import passwords
from fixserver.addressing import network
from matching.instruments import decimal_text
from matching.messages import (
    INT64_MAX,
    MONEY_DECIMALS,
    MONEY_UNIT,
    Command,
    DefineAccount,
    DefineInstrument,
    DefineParticipant,
    Deposit,
    SelfTrade,
    SetFees,
    SetMargin,
    SetSettlement,
)
from matching.recordlog import SEGMENT_BYTES_MAX

DICTIONARIES = ("FIX42.xml", "FIX44.xml", "FIXT11.xml", "FIX50SP2.xml")
MARKET_DATA_SUFFIX = "-MD"
DROP_COPY_SUFFIX = "-DC"
FEE_DECIMALS = 6
BAND_DECIMALS = 2
PARTICIPANTS_MAX = 10_000
SECRET_BYTES_MAX = 4096
ACCOUNTS_MAX = 100  # of a participant, beside the first
DECIMAL_TEXT_MAX = 40
AS_THE_EXCHANGE = -1
CANCEL_ONLY_SECONDS_MAX = 3600
GRACE_SECONDS_MAX = 86_400
SEGMENT_BYTES_MIN = 65_536
PAUSE_SECONDS_MAX = 86_400
CYCLE_DAYS_MAX = 10
BUY_IN_DAYS_MAX = 1_000
MARGIN_PPM_MAX = 10 * 10**FEE_DECIMALS
FEE_RULES_MAX = 100_000
NANOSECONDS = 10**9
MAIN_MARKET = "MAIN"
THIS_MACHINE = ("127.0.0.1", "::1")
EVERYBODY = "*"  # of whom there are drop copies

# The phases that a time of day can begin. The others are an operator's, or what a price brings about.
ScheduledPhase = Literal["closed", "pre-open", "opening-auction", "continuous", "closing-auction", "closing-price"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = typing.get_args(Weekday)  # as date.weekday() counts

_DECIMAL = re.compile(r"-?[0-9]+(_[0-9]+)*(\.[0-9]+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,31}", re.ASCII)
NAME_IS = "1 to 32 letters, digits, dots, dashes, underscores"
SYMBOL_IS = "1 to 32 letters, digits, dots, dashes, slashes, underscores"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", re.ASCII)
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_AT = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?", re.ASCII)
_DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)
_SETTING = re.compile(r"[A-Za-z][A-Za-z0-9]*", re.ASCII)


class ConfigError(Exception):
    """The venue cannot run as it is configured. The text is one line: file, key, what is wrong."""

    def __init__(self, file: Path | str, key: str, what: str) -> None:
        where = f"{file}: {key}: {what}" if key else f"{file}: {what}"
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in where))


# ------------------------------------------------------------------------------------------ decimal text


def to_units(text: str, decimals: int) -> int:
    """`text` in whole units of 10^-decimals: to_units("189.5", 2) is 18950. ValueError says what is wrong.

    Digits may be grouped by underscores, as in TOML numbers. No exponent, no sign but a minus.
    """
    if len(text) > DECIMAL_TEXT_MAX or not _DECIMAL.fullmatch(text):
        raise ValueError(f'{_quoted(text)} is not a decimal number such as "123.45"')
    whole, _, fraction = text.replace("_", "").partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals:
        what = f"has more than {decimals} decimals" if decimals else "is not a whole number"
        raise ValueError(f"{_quoted(text)} {what}")
    return int(whole + fraction.ljust(decimals, "0"))


def to_text(units: int, decimals: int) -> str:
    """Whole units of 10^-decimals as decimal text, with all its decimals: to_text(18950, 2) is "189.50"."""
    return decimal_text(units, decimals)


# --------------------------------------------------------------------------------------------- the shape


class _Section(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Venue(_Section, kw_only=True):
    """The venue as a whole. `day_roll` is a time of day in UTC; fees are fractions of a trade's value."""

    name: str = "FIXSERVER"
    currency: str = "USD"
    day_roll: str = "22:00"
    maker_fee: str = "0"
    taker_fee: str = "0"
    dictionaries: str = "dictionaries"
    metrics_address: str = "127.0.0.1"

    @property
    def market_data_name(self) -> str:
        """The CompID of the market-data port."""
        return self.name + MARKET_DATA_SUFFIX

    @property
    def drop_copy_name(self) -> str:
        """The CompID of the drop-copy port."""
        return self.name + DROP_COPY_SUFFIX

    @property
    def day_roll_seconds(self) -> int:
        """When the trading day ends, in seconds after midnight UTC."""
        return int(self.day_roll[:2]) * 3600 + int(self.day_roll[3:]) * 60

    @property
    def maker_fee_ppm(self) -> int:
        return to_units(self.maker_fee, FEE_DECIMALS)

    @property
    def taker_fee_ppm(self) -> int:
        return to_units(self.taker_fee, FEE_DECIMALS)


class Listener(_Section, kw_only=True):
    """A FIX port and what its connections may cost. TLS is on when `certificate` names a file, and then
    a client must bring a certificate of its own when `client_ca` names one too; with `client_names`, one whose
    common name is his SenderCompID. `host` is the name that the venue's other processes know the machine or container by;
    empty: they are on this machine.

    Addresses are listed as "10.1.2.3" or "10.0.0.0/8". From `allow_from` alone connections are taken; empty: from
    anywhere. `connections_per_address` and `logons_per_minute` (of an address, where each connection counts as one, and of
    a name) are not for `unlimited`; 0 is no limit. From `proxy_from` come balancers, which say by the PROXY protocol for
    whom they connect."""

    address: str = "127.0.0.1"
    host: str = ""
    port: int
    connections_max: int = 200
    connections_per_address: int = 50
    logons_per_minute: int = 60
    allow_from: list[str] = []
    unlimited: list[str] = msgspec.field(default_factory=lambda: list(THIS_MACHINE))
    proxy_from: list[str] = []
    frame_bytes_max: int = 65_536
    send_buffer_bytes_max: int = 8 * 2**20
    logon_seconds: int = 5
    certificate: str = ""
    private_key: str = ""
    client_ca: str = ""
    client_names: bool = False


class Exchange(Listener, kw_only=True):
    """Order entry. `durability` "fsync" survives a loss of power, "os" only a crash of the process. Journal and event log
    go on in a new file after `segment_bytes_max` bytes: whole files are what can be archived.
    The rates and numbers of orders are a participant's, unless he has his own; 0 is no limit. For
    `cancel_only_seconds` after a restart only cancels are taken; 0: orders are taken at once."""

    port: int = 5001
    metrics_port: int = 9101
    durability: Literal["fsync", "os"] = "fsync"
    snapshot_commands: int = 1_000_000
    segment_bytes_max: int = SEGMENT_BYTES_MAX
    orders_per_second: int = 1_000
    cancels_per_second: int = 2_000
    open_orders_max: int = 0
    orders_per_day_max: int = 0
    cancel_only_seconds: int = 0


class DropCopyPort(Listener, kw_only=True):
    """Where drop copies are taken; it is opened where there are any."""

    port: int = 5003
    connections_max: int = 20


class Clearing(_Section, kw_only=True):
    """The ledger. An empty `database` is an SQLite file in the data directory. The password of a PostgreSQL user may stand
    in a file of its own, whose one line it is. Every `reconcile_seconds` it is compared with the engine (0: never)."""

    database: str = ""
    database_password_file: str = ""
    metrics_port: int = 9102
    reconcile_seconds: int = 30


class MarketData(Listener, kw_only=True):
    """The feed. `subscriptions_max` is by session."""

    port: int = 5002
    metrics_port: int = 9103
    subscriptions_max: int = 1_000


class Web(_Section, kw_only=True):
    """REST, WebSocket and the page. `comp_id` is the FIX session by which the orders of people who are signed in
    come in, each with his name in OnBehalfOfCompID(115). `origins` are pages of elsewhere that may ask ("*": any).
    `requests_per_second` and `logins_per_minute` are those of one address; 0 is no limit. TLS, and addresses by list, as in
    [exchange]."""

    enabled: bool = True
    address: str = "127.0.0.1"
    port: int = 8080
    comp_id: str = "WEB"
    connections_max: int = 2_000
    connections_per_address: int = 200
    allow_from: list[str] = []
    unlimited: list[str] = msgspec.field(default_factory=lambda: list(THIS_MACHINE))
    proxy_from: list[str] = []
    request_bytes_max: int = 65_536
    stream_buffer_bytes_max: int = 4 * 2**20
    requests_per_second: int = 200
    logins_per_minute: int = 30
    token_minutes: int = 480
    origins: list[str] = []
    certificate: str = ""
    private_key: str = ""


class History(_Section, kw_only=True):
    """Orders, trades and candles in a database; as for [clearing]."""

    enabled: bool = True
    database: str = ""
    database_password_file: str = ""
    metrics_port: int = 9104


class Multicast(_Section, kw_only=True):
    """Market data by UDP, in MoldUDP64 packets: to `group`, a multicast address or any other; empty: none is sent.
    `interface` is the address of the network it goes out on. Missed packets and snapshots are asked for by TCP at
    `address`:`recovery_port`."""

    group: str = ""
    port: int = 5010
    interface: str = "127.0.0.1"
    hops: int = 1
    address: str = "127.0.0.1"
    recovery_port: int = 5011


class Settlement(_Section, kw_only=True):
    """How trades are settled: `cycle_days` settlement days after they were made, 0: at once. `days` of the week that are not
    `holidays` are settlement days, by the date of the trading day. What the other terms mean is in docs/clearing-rules.md.
    `buy_in_premium` is a fraction of the value."""

    cycle_days: int = 0
    spend_unsettled: bool = True
    buy_in_days: int = 0
    buy_in_premium: str = "0"
    days: list[Weekday] = msgspec.field(default_factory=lambda: list(WEEKDAYS))
    holidays: list[str] = []

    def define(self) -> SetSettlement:
        """The command that makes the engine know it."""
        return SetSettlement(
            cycle_days=self.cycle_days,
            spend_unsettled=self.spend_unsettled,
            buy_in_days=self.buy_in_days,
            buy_in_premium_ppm=to_units(self.buy_in_premium, FEE_DECIMALS),
        )


class PhaseTime(_Section, kw_only=True):
    """At this local time of day, HH:MM or HH:MM:SS, the market enters the phase."""

    at: str
    phase: ScheduledPhase

    @property
    def seconds(self) -> int:
        """`at` in seconds after midnight, by the clock on the wall."""
        hour, minute, second = [int(part) for part in f"{self.at}:00".split(":")[:3]]
        return hour * 3600 + minute * 60 + second


class ScheduleTerms(_Section, kw_only=True):
    """The trading day of a market, which has the schedule's name. What the terms mean is in fixserver/schedule.py.

    On `days` of the week that are not `holidays` the market goes through `phases`. A date in `early` has phases of
    its own, whatever day of the week it is.
    """

    name: str
    timezone: str
    days: list[Weekday] = msgspec.field(default_factory=lambda: list(WEEKDAYS[:5]))
    holidays: list[str] = []
    early: dict[str, list[PhaseTime]] = {}
    phases: list[PhaseTime]


class Instrument(_Section, kw_only=True):
    """What is traded. The properties give whole units, as DefineInstrument wants them. `dynamic_band` is a percentage
    around the last trade, beyond which a volatility auction of `pause_seconds` begins; "0" is none. Margins are fractions
    of the value of what is short; "0" is none."""

    symbol: str
    price_decimals: int = 2
    quantity_decimals: int = 0
    tick: str = "0.01"
    lot: str = "1"
    quantity_max: str
    value_max: str
    reference_price: str
    band: str = "10"
    market: str = MAIN_MARKET
    dynamic_band: str = "0"
    pause_seconds: int = 300
    initial_margin: str = "0"
    maintenance_margin: str = "0"

    @property
    def tick_units(self) -> int:
        return to_units(self.tick, self.price_decimals)

    @property
    def lot_units(self) -> int:
        return to_units(self.lot, self.quantity_decimals)

    @property
    def quantity_max_units(self) -> int:
        return to_units(self.quantity_max, self.quantity_decimals)

    @property
    def value_max_units(self) -> int:
        return to_units(self.value_max, MONEY_DECIMALS)

    @property
    def reference_price_units(self) -> int:
        return to_units(self.reference_price, self.price_decimals)

    @property
    def band_bps(self) -> int:
        return to_units(self.band, BAND_DECIMALS)

    @property
    def dynamic_band_bps(self) -> int:
        return to_units(self.dynamic_band, BAND_DECIMALS)

    def define(self, venue: Venue) -> DefineInstrument:
        """The command that makes the engine know it."""
        return DefineInstrument(
            instrument=self.symbol,
            currency=venue.currency,
            price_decimals=self.price_decimals,
            quantity_decimals=self.quantity_decimals,
            tick=self.tick_units,
            lot=self.lot_units,
            quantity_max=self.quantity_max_units,
            value_max=self.value_max_units,
            reference_price=self.reference_price_units,
            band_bps=self.band_bps,
            maker_fee_ppm=venue.maker_fee_ppm,
            taker_fee_ppm=venue.taker_fee_ppm,
            dynamic_band_bps=self.dynamic_band_bps,
            pause_ns=self.pause_seconds * NANOSECONDS,
            market=self.market,
        )

    def define_margin(self) -> SetMargin:
        """The command that makes the engine know its margin."""
        return SetMargin(
            instrument=self.symbol,
            initial_ppm=to_units(self.initial_margin, FEE_DECIMALS),
            maintenance_ppm=to_units(self.maintenance_margin, FEE_DECIMALS),
        )


class Fees(_Section, kw_only=True):
    """Fees of a participant that are not the instrument's, as fractions of the value; `maker` may be below zero, a rebate.
    Without `instrument` they are for all those for which he has no others. The name of an entry with a count
    stands for all its participants; load() gives a rule for each."""

    participant: str
    instrument: str = ""
    maker: str
    taker: str

    def define(self) -> SetFees:
        """The command that makes the engine know them."""
        return SetFees(
            participant=self.participant,
            instrument=self.instrument,
            maker_fee_ppm=to_units(self.maker, FEE_DECIMALS),
            taker_fee_ppm=to_units(self.taker, FEE_DECIMALS),
        )


class Participant(_Section, kw_only=True):
    """Who trades, with an account of the same name, and those of `accounts` beside it, over which he may split what he has
    traded and which begin with nothing. `cash` and `holdings` are what the first begins with.
    `cancel_on_disconnect` are the orders that end with their session, `cancel_grace_seconds` later.

    In a file, `count = 8` with the name TRADER stands for TRADER1 to TRADER8; load() gives the eight,
    each with count 0. It also puts the rates and numbers of [exchange] in where the entry has none of its own.
    `value_max` bounds one order of his, besides the instrument's own; "0" is no limit. The hash of his password may stand in
    a file of its own, `password_file`, whose one line it is. From `allow_from` alone he may log on and sign in; empty: from
    anywhere.
    """

    name: str
    password: str = ""
    password_file: str = ""
    count: int = 0
    cash: str = "0"
    holdings: dict[str, str] = {}
    accounts: list[str] = []
    short_max: int = 0
    self_trade: SelfTrade = "cancel-resting"
    orders_per_second: int = AS_THE_EXCHANGE
    cancels_per_second: int = AS_THE_EXCHANGE
    value_max: str = "0"
    open_orders_max: int = AS_THE_EXCHANGE
    orders_per_day_max: int = AS_THE_EXCHANGE
    cancel_on_disconnect: Literal["none", "day", "all"] = "none"
    cancel_grace_seconds: int = 0
    venue_comp_id: str = ""
    allow_from: list[str] = []
    quickfix: dict[str, str | int | bool] = {}

    def define(self) -> DefineAccount:
        """The command that makes the engine know the account."""
        return DefineAccount(account=self.name, participant=self.name, short_max=self.short_max, self_trade=self.self_trade)

    def define_accounts(self) -> list[DefineAccount]:
        """Those beside the first, on the same terms."""
        return [msgspec.structs.replace(self.define(), account=name) for name in self.accounts]

    def define_participant(self) -> DefineParticipant:
        """The command that makes the engine know him, and what he may do; without his password's hash."""
        return DefineParticipant(
            participant=self.name,
            orders_per_second=self.orders_per_second,
            cancels_per_second=self.cancels_per_second,
            cancel_on_disconnect=self.cancel_on_disconnect,
            cancel_grace_seconds=self.cancel_grace_seconds,
            value_max=str(to_units(self.value_max, MONEY_DECIMALS)),
            open_orders_max=self.open_orders_max,
            orders_per_day_max=self.orders_per_day_max,
        )


class DropCopy(_Section, kw_only=True):
    """Who is sent every report of some participants, "*" is all: one session, of one version (BeginString). What is sent is
    kept for him from the moment that his entry is here. `password_file` and `allow_from` as a participant's."""

    name: str
    password: str = ""
    password_file: str = ""
    allow_from: list[str] = []
    participants: list[str] | str
    version: Literal["FIX.4.2", "FIX.4.4", "FIXT.1.1"] = "FIX.4.4"
    venue_comp_id: str = ""
    quickfix: dict[str, str | int | bool] = {}

    def watches(self, participant: str) -> bool:
        return self.participants == EVERYBODY or participant in self.participants


class _File(_Section, kw_only=True):
    venue: Venue = msgspec.field(default_factory=Venue)
    exchange: Exchange = msgspec.field(default_factory=Exchange)
    dropcopy: DropCopyPort = msgspec.field(default_factory=DropCopyPort)
    clearing: Clearing = msgspec.field(default_factory=Clearing)
    settlement: Settlement = msgspec.field(default_factory=Settlement)
    marketdata: MarketData = msgspec.field(default_factory=MarketData)
    web: Web = msgspec.field(default_factory=Web)
    history: History = msgspec.field(default_factory=History)
    multicast: Multicast = msgspec.field(default_factory=Multicast)
    schedules: list[ScheduleTerms] = []
    instruments: list[Instrument] = []
    participants: list[Participant] = []
    fees: list[Fees] = []
    drop_copies: list[DropCopy] = []


class Config(_File, kw_only=True):
    """A whole and checked configuration. `file` is where it came from, `path` the directory of that file,
    which relative names in it start from."""

    file: Path
    path: Path

    @property
    def dictionaries(self) -> Path:
        """The directory of the FIX dictionaries."""
        return self.path / self.venue.dictionaries

    def instrument(self, symbol: str) -> Instrument:
        """Raises KeyError."""
        for instrument in self.instruments:
            if instrument.symbol == symbol:
                return instrument
        raise KeyError(symbol)

    def participant(self, name: str) -> Participant:
        """Raises KeyError."""
        for participant in self.participants:
            if participant.name == name:
                return participant
        raise KeyError(name)

    def database_password(self, kept: Clearing | History) -> str:
        """What its `database_password_file` holds; empty where there is none. Raises ConfigError."""
        if not kept.database_password_file:
            return ""
        text, fault = line_of(self.path / kept.database_password_file)
        if fault:
            section = "clearing" if kept is self.clearing else "history"
            raise ConfigError(self.file, f"{section}.database_password_file", fault)
        return text

    def deposits(self, participant: Participant) -> list[Command]:
        """What the participant's account begins with, as commands."""
        decimals = {instrument.symbol: instrument.quantity_decimals for instrument in self.instruments}
        cash = to_units(participant.cash, MONEY_DECIMALS)
        found: list[Command] = [Deposit(participant.name, self.venue.currency, str(cash))] if cash else []
        for symbol, text in participant.holdings.items():
            quantity = to_units(text, decimals[symbol])
            if quantity:
                found.append(Deposit(participant.name, symbol, str(quantity)))
        return found

    def clearing_commands(
        self, margins: dict[str, SetMargin], fees: dict[tuple[str, str], SetFees], settlement: SetSettlement | None
    ) -> list[Command]:
        """What is to be said of settlement, margins and fees where these were said before: by instrument, and by participant and
        instrument. What was never said is as the core has it; a rule that is not there any more ends."""
        commands: list[Command] = []
        if self.settlement.define() != (settlement or Settlement().define()):
            commands.append(self.settlement.define())
        for instrument in self.instruments:
            margin = instrument.define_margin()
            if margin != margins.get(instrument.symbol, SetMargin(instrument.symbol, 0, 0)):
                commands.append(margin)
        rules = {(rule.participant, rule.instrument): rule.define() for rule in self.fees}
        commands += [SetFees(*whose) for whose in sorted(fees.keys() - rules.keys())]
        return commands + [rule for whose, rule in rules.items() if fees.get(whose) != rule]

    def cannot_listen(self, key: str, address: str, port: int, error: OSError) -> ConfigError:
        """The one line for a port that could not be bound. `key` is the one it stands under, "exchange.port"."""
        if error.errno == errno.EADDRINUSE:
            what = f"{address}:{port} is in use: stop what listens there, or choose another port"
        else:
            what = f"cannot listen on {address}:{port}: {error.strerror or error}"
        return ConfigError(self.file, key, what)

    def check_ports(self, *sections: str) -> None:
        """Raise the ConfigError of the first port of these sections that cannot be bound now."""
        for key, address, port in self._ports():
            if port and key.partition(".")[0] in sections:
                try:
                    family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
                    with socket.socket(family, socket.SOCK_STREAM) as probe:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        probe.bind((address, port))
                        probe.listen(1)
                except OSError as error:
                    raise self.cannot_listen(key, address, port, error) from None

    def _ports(self) -> list[tuple[str, str, int]]:
        metrics = self.venue.metrics_address
        ports = [
            ("exchange.port", self.exchange.address, self.exchange.port),
            ("exchange.metrics_port", metrics, self.exchange.metrics_port),
            ("clearing.metrics_port", metrics, self.clearing.metrics_port),
            ("marketdata.port", self.marketdata.address, self.marketdata.port),
            ("marketdata.metrics_port", metrics, self.marketdata.metrics_port),
        ]
        if self.drop_copies:
            ports.append(("dropcopy.port", self.dropcopy.address, self.dropcopy.port))
        if self.web.enabled:
            ports.append(("web.port", self.web.address, self.web.port))
        if self.history.enabled:
            ports.append(("history.metrics_port", metrics, self.history.metrics_port))
        if self.multicast.group:
            ports.append(("multicast.recovery_port", self.multicast.address, self.multicast.recovery_port))
        return ports


# ----------------------------------------------------------------------------------------------- loading


def load(path: Path, sections: Collection[str] | None = None) -> Config:
    """Read and check a configuration file, or raise ConfigError.

    The file may name others: certificates and passwords. Those of `sections` have to be there (None: all of them), so that a
    process that has no use for a key need not be able to read it.
    """
    path = Path(path)
    try:
        data = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(path, "", (error.strerror or str(error)).lower()) from None
    except UnicodeDecodeError as error:
        raise ConfigError(path, "", f"byte {error.start} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, "", f"not TOML: {error}") from None
    return from_data(data, path, sections)


def from_data(data: dict[str, Any], path: Path, sections: Collection[str] | None = None) -> Config:
    """The same for what has been read already; `path` is the file that errors name."""
    try:
        read = msgspec.convert(data, _File)
    except msgspec.ValidationError as error:
        raise ConfigError(path, *_translated(str(error))) from None
    config = Config(
        venue=read.venue,
        exchange=read.exchange,
        dropcopy=read.dropcopy,
        clearing=read.clearing,
        settlement=read.settlement,
        marketdata=read.marketdata,
        web=read.web,
        history=read.history,
        multicast=read.multicast,
        schedules=read.schedules,
        instruments=read.instruments,
        participants=read.participants,
        fees=read.fees,
        drop_copies=read.drop_copies,
        file=path,
        path=path.parent,
    )
    for key, what in _faults(config, sections):
        raise ConfigError(path, key, what)
    config.fees = _expanded_fees(config)
    config.participants = _expanded(config, sections)
    reads = _reads(sections, "dropcopy")
    config.drop_copies = [msgspec.structs.replace(one, password=_password_of(config, one, reads)) for one in config.drop_copies]
    for section in (getattr(config, name) for name in config.__struct_fields__):
        for key in _FILES:
            if isinstance(section, Listener | Web) and (name := getattr(section, key, None)):
                setattr(section, key, str(config.path / name))
    return config


def _translated(text: str) -> tuple[str, str]:
    """msgspec's account of a misfit as (key, what)."""
    what, _, where = text.partition(" - at `")
    key = where.rstrip("`").removeprefix("$").removeprefix(".")
    field = re.search(r"field `(.*)`", what)
    if what.startswith("Object contains unknown field") and field:
        key = f"{key}.{field[1]}".lstrip(".")
        close = difflib.get_close_matches(field[1], _fields_of(key), 1)
        return key, "unknown key" + (f" (is {close[0]} meant?)" if close else "")
    if what.startswith("Object missing required field") and field:
        return f"{key}.{field[1]}".lstrip("."), "is missing"
    if what.startswith("Invalid enum value"):
        value = what.removeprefix("Invalid enum value ").strip("'")
        return key.replace("[...]", ""), f"{_quoted(value)} is none of {', '.join(_choices_of(key))}"
    what = what.replace("`", "").replace("Expected str, got", "expected text in quotes, got")
    return key.replace("[...]", ""), what[:1].lower() + what[1:]


def _fields_of(key: str) -> list[str]:
    """The keys that there are beside `key`."""
    return list(_type_of(key.rpartition(".")[0]).__struct_fields__)


def _choices_of(key: str) -> list[str]:
    """The words that the value of `key` can be."""
    return list(typing.get_args(_type_of(key)))


def _type_of(key: str) -> Any:
    """What stands under `key`, "instruments[0]" or "schedules[0].early[...][0].phase": a section, or the type of a value.

    Of a list it is what the list is of.
    """
    found: Any = _File
    for part in re.sub(r"\[[^]]*\]", "", key).split("."):
        if part:
            found = typing.get_type_hints(found)[part]
            while typing.get_origin(found) in (list, dict):
                found = typing.get_args(found)[-1]
    return found


# ------------------------------------------------------------------------------------------ what may be

_FILES = ("certificate", "private_key", "client_ca")

# What [exchange] limits for everybody, and each participant for himself.
_LIMITS = ("orders_per_second", "cancels_per_second", "open_orders_max", "orders_per_day_max")
# Who checks passwords of participants.
_DOORS = ("exchange", "marketdata")


def _reads(sections: Collection[str] | None, *names: str) -> bool:
    """Whether who loads the configuration is one of these."""
    return sections is None or any(name in sections for name in names)


def _faults(config: Config, sections: Collection[str] | None) -> Iterator[tuple[str, str]]:
    """Everything that the shape alone does not rule out, as (key, what), in the order of the file."""
    yield from _venue_faults(config)
    yield from _listener_faults(config, "exchange", config.exchange, sections)
    if not 0 <= config.exchange.cancel_only_seconds <= CANCEL_ONLY_SECONDS_MAX:
        yield "exchange.cancel_only_seconds", f"{config.exchange.cancel_only_seconds} is not from 0 to {CANCEL_ONLY_SECONDS_MAX}"
    if config.exchange.snapshot_commands < 1:
        yield "exchange.snapshot_commands", f"{config.exchange.snapshot_commands} is not above zero"
    if not SEGMENT_BYTES_MIN <= config.exchange.segment_bytes_max <= SEGMENT_BYTES_MAX:
        what = f"{config.exchange.segment_bytes_max} is not from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX}"
        yield "exchange.segment_bytes_max", what
    for key in _LIMITS:
        if (most := getattr(config.exchange, key)) < 0:
            yield f"exchange.{key}", f"{most} is below zero (0 is no limit)"
    yield from _database_faults(config, "clearing", config.clearing, sections)
    if config.clearing.reconcile_seconds < 0:
        yield "clearing.reconcile_seconds", f"{config.clearing.reconcile_seconds} is below zero (0 is never)"
    yield from _settlement_faults(config.settlement)
    yield from _listener_faults(config, "marketdata", config.marketdata, sections)
    if config.marketdata.subscriptions_max < 1:
        yield "marketdata.subscriptions_max", f"{config.marketdata.subscriptions_max} is not above zero"
    yield from _web_faults(config, sections)
    yield from _database_faults(config, "history", config.history, sections)
    if config.history.database and config.history.database == config.clearing.database:
        yield "history.database", "is that of the ledger, which has tables of the same names: name another"
    yield from _multicast_faults(config.multicast)
    yield from _port_faults(config)
    yield from _schedule_faults(config)
    yield from _instrument_faults(config)
    yield from _participant_faults(config, sections)
    yield from _fee_faults(config)
    yield from _listener_faults(config, "dropcopy", config.dropcopy, sections)
    yield from _drop_copy_faults(config, sections)


def _venue_faults(config: Config) -> Iterator[tuple[str, str]]:
    venue = config.venue
    if not is_name(venue.name):
        yield "venue.name", f"{_quoted(venue.name)} is not a CompID: {NAME_IS}"
    if not re.fullmatch("[A-Z]{3,8}", venue.currency, re.ASCII):
        yield "venue.currency", f'{_quoted(venue.currency)} is not a currency such as "USD"'
    if not _TIME.fullmatch(venue.day_roll):
        yield "venue.day_roll", f'{_quoted(venue.day_roll)} is not a time of day such as "22:00"'
    for key in ("maker_fee", "taker_fee"):
        text = getattr(venue, key)
        units, fault = _units(text, FEE_DECIMALS)
        if fault:
            yield f"venue.{key}", fault
        elif not 0 <= units < 10**FEE_DECIMALS:
            yield f"venue.{key}", f"{_quoted(text)} is not a fraction of the value: from 0 to below 1"
    if not _is_host(venue.metrics_address):
        yield "venue.metrics_address", f"{_quoted(venue.metrics_address)} is not an address to listen on"
    missing = [name for name in DICTIONARIES if not (config.dictionaries / name).is_file()]
    if missing:
        yield "venue.dictionaries", f"{config.dictionaries / missing[0]} is not there: `fixserver dictionaries` makes it"


def _listener_faults(
    config: Config, section: str, listener: Listener, sections: Collection[str] | None
) -> Iterator[tuple[str, str]]:
    if not _is_host(listener.address):
        yield f"{section}.address", f"{_quoted(listener.address)} is not an address to listen on"
    if listener.host and not _is_host(listener.host):
        yield f"{section}.host", f"{_quoted(listener.host)} is not the name or address of a machine"
    limits = {
        "connections_max": 1, "connections_per_address": 0, "logons_per_minute": 0, "frame_bytes_max": 1024,
        "send_buffer_bytes_max": 65_536, "logon_seconds": 1,
    }  # fmt: skip
    for key, least in limits.items():
        if (value := getattr(listener, key)) < least:
            yield f"{section}.{key}", f"{value} is below the least there can be, {least}"
    yield from _address_faults(section, listener, ("allow_from", "unlimited", "proxy_from"))
    yield from _tls_faults(config, section, listener, _FILES, sections)
    if listener.client_names and not listener.client_ca:
        yield f"{section}.client_ca", "is missing, and client_names is of no use without"


def _address_faults(at: str, section: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What is wrong with lists of addresses."""
    for key in keys:
        for number, text in enumerate(getattr(section, key)):
            try:
                network(text)
            except ValueError as error:
                said = str(error)
                why = "has bits set beyond its length" if "host bits" in said else "is neither an address nor a network"
                yield f"{at}.{key}[{number}]", f'{_quoted(text)} {why}: such as "10.1.2.3" or "10.0.0.0/8"'


def _tls_faults(
    config: Config, section: str, listener: Listener | Web, names: tuple[str, ...], sections: Collection[str] | None
) -> Iterator[tuple[str, str]]:
    for key in names:
        name = getattr(listener, key)
        if name and _reads(sections, section) and not (config.path / name).is_file():
            yield f"{section}.{key}", f"{config.path / name} is not there"
    if listener.certificate and not listener.private_key:
        yield f"{section}.private_key", "is missing: a certificate needs its key"
    for key in names[1:]:
        if getattr(listener, key) and not listener.certificate:
            yield f"{section}.certificate", f"is missing, and {key} is of no use without"


def _database_faults(
    config: Config, section: str, kept: Clearing | History, sections: Collection[str] | None
) -> Iterator[tuple[str, str]]:
    if kept.database and not kept.database.startswith(("sqlite:///", "postgresql+psycopg://")):
        yield f"{section}.database", "not a URL that begins with postgresql+psycopg:// or sqlite:/// (empty: a file in --data)"
    if kept.database_password_file:
        key = f"{section}.database_password_file"
        if not kept.database.startswith("postgresql"):
            yield key, f"is of no use: {section}.database is not PostgreSQL"
        if _reads(sections, section):
            _, fault = line_of(config.path / kept.database_password_file)
            if fault:
                yield key, fault


def _settlement_faults(settlement: Settlement) -> Iterator[tuple[str, str]]:
    yield from ((f"settlement.{key}", what) for key, what in settlement_faults(settlement))
    yield from _calendar_faults("settlement", settlement)
    if not settlement.days:
        yield "settlement.days", "there is none: nothing would ever be settled"


def settlement_faults(settlement: Settlement) -> Iterator[tuple[str, str]]:
    """What is wrong with how trades are settled, but for its days, as (key, what)."""
    for key, most in (("cycle_days", CYCLE_DAYS_MAX), ("buy_in_days", BUY_IN_DAYS_MAX)):
        if not 0 <= (days := getattr(settlement, key)) <= most:
            yield key, f"{days} is not from 0 to {most}"
    premium, fault = _units(settlement.buy_in_premium, FEE_DECIMALS)
    if fault or not 0 <= premium <= 10**FEE_DECIMALS:
        yield "buy_in_premium", fault or f"{_quoted(settlement.buy_in_premium)} is not a fraction of the value: from 0 to 1"


def _calendar_faults(at: str, terms: ScheduleTerms | Settlement) -> Iterator[tuple[str, str]]:
    for index, day in enumerate(terms.days):
        if day in terms.days[:index]:
            yield f"{at}.days[{index}]", f"{_quoted(day)} stands there twice"
    for index, text in enumerate(terms.holidays):
        if fault := _date_fault(text):
            yield f"{at}.holidays[{index}]", fault
        if text in terms.holidays[:index]:
            yield f"{at}.holidays[{index}]", f"{_quoted(text)} stands there twice"


def _web_faults(config: Config, sections: Collection[str] | None) -> Iterator[tuple[str, str]]:
    web = config.web
    if not _is_host(web.address):
        yield "web.address", f"{_quoted(web.address)} is not an address to listen on"
    if not is_name(web.comp_id):
        yield "web.comp_id", f"{_quoted(web.comp_id)} is not a CompID: {NAME_IS}"
    limits = {
        "connections_max": 1, "connections_per_address": 0, "request_bytes_max": 1024, "stream_buffer_bytes_max": 65_536,
        "requests_per_second": 0, "logins_per_minute": 0, "token_minutes": 1,
    }  # fmt: skip
    for key, least in limits.items():
        if (value := getattr(web, key)) < least:
            yield f"web.{key}", f"{value} is below the least there can be, {least}"
    for number, origin in enumerate(web.origins):
        if origin != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", origin, re.ASCII):
            yield f"web.origins[{number}]", f'{_quoted(origin)} is not an origin such as "https://example.com"'
    yield from _address_faults("web", web, ("allow_from", "unlimited", "proxy_from"))
    yield from _tls_faults(config, "web", web, ("certificate", "private_key"), sections)


def _multicast_faults(multicast: Multicast) -> Iterator[tuple[str, str]]:
    for key in ("group", "interface", "address"):
        text = getattr(multicast, key)
        try:
            if text or key != "group":
                ipaddress.ip_address(text)
        except ValueError:
            yield f"multicast.{key}", f"{_quoted(text)} is not an IP address"
    for key in ("group", "interface"):
        if ":" in getattr(multicast, key):
            yield f"multicast.{key}", f"{_quoted(getattr(multicast, key))} is an IPv6 address: packets go out by IPv4 only"
    if multicast.group and not 1 <= multicast.port <= 65_535:
        yield "multicast.port", f"{multicast.port} is not a port: 1 to 65535"
    if not 0 <= multicast.hops <= 255:
        yield "multicast.hops", f"{multicast.hops} is not between 0 and 255"


def _port_faults(config: Config) -> Iterator[tuple[str, str]]:
    taken: dict[int, str] = {}
    for key, _, port in config._ports():
        if not 0 <= port <= 65_535:
            yield key, f"{port} is not a port: 1 to 65535 (0: any that is free)"
        elif port and port in taken:
            yield key, f"{port} is the port of {taken[port]} too"
        taken[port] = key


def _schedule_faults(config: Config) -> Iterator[tuple[str, str]]:
    names: dict[str, int] = {}
    for number, terms in enumerate(config.schedules):
        at = f"schedules[{number}]"
        if not is_name(terms.name):
            yield f"{at}.name", f"{_quoted(terms.name)} is not the name of a market: {NAME_IS}"
        if terms.name in names:
            yield f"{at}.name", f"{_quoted(terms.name)} is the name of schedules[{names[terms.name]}] too"
        names[terms.name] = number
        if fault := _zone_fault(terms.timezone):
            yield f"{at}.timezone", fault
        yield from _calendar_faults(at, terms)
        yield from ((f"{at}.phases{key}", what) for key, what in _day_faults(terms.phases))
        for text, phases in terms.early.items():
            if fault := _date_fault(text):
                yield f"{at}.early.{text}", fault
            if text in terms.holidays:
                yield f"{at}.early.{text}", "is one of the holidays too"
            yield from ((f"{at}.early.{text}{key}", what) for key, what in _day_faults(phases))


def _day_faults(phases: list[PhaseTime]) -> Iterator[tuple[str, str]]:
    """What is wrong with the phases of one day; the keys begin behind that of the list."""
    if not phases:
        yield "", "there is none: a day without trading is one of the holidays"
    before: PhaseTime | None = None
    for number, entry in enumerate(phases):
        if not _AT.fullmatch(entry.at):
            yield f"[{number}].at", f'{_quoted(entry.at)} is not a time of day such as "09:30" or "09:30:00"'
        if before is not None and entry.seconds <= before.seconds:
            yield f"[{number}].at", f"{_quoted(entry.at)} is not after {_quoted(before.at)}, which stands before it"
        if before is None and entry.phase == "closed":
            yield f"[{number}].phase", '"closed" is what each day begins with'
        if before is not None and entry.phase == before.phase:
            yield f"[{number}].phase", f"{_quoted(entry.phase)} is the phase before it too"
        before = entry
    if before is not None and before.phase != "closed":
        yield f"[{len(phases) - 1}].phase", f'{_quoted(before.phase)} is not "closed", with which each day ends'


def _zone_fault(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # A name with a path in it is a ValueError, a directory such as "America" an OSError.
        close = difflib.get_close_matches(name, sorted(zoneinfo.available_timezones()), 1, cutoff=0.8)
        meant = f" (is {close[0]} meant?)" if close else ""
        return f'{_quoted(name)} is not a time zone such as "America/New_York"{meant}'
    return ""


def _date_fault(text: str) -> str:
    try:
        # fromisoformat() alone would take a week or no dashes, too.
        date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except ValueError:
        return f'{_quoted(text)} is not a date such as "2026-12-25"'
    return ""


def _instrument_faults(config: Config) -> Iterator[tuple[str, str]]:
    if not config.instruments:
        yield "instruments", "there is none: a venue trades at least one"
    markets = [MAIN_MARKET, *(terms.name for terms in config.schedules)]
    symbols: dict[str, int] = {}
    for number, instrument in enumerate(config.instruments):
        at = f"instruments[{number}]"
        symbol = instrument.symbol
        if not _SYMBOL.fullmatch(symbol):
            yield f"{at}.symbol", f"{_quoted(symbol)} is not a symbol: {SYMBOL_IS}"
        if symbol in symbols:
            yield f"{at}.symbol", f"{_quoted(symbol)} is the symbol of instruments[{symbols[symbol]}] too"
        if symbol == config.venue.currency:
            yield f"{at}.symbol", f"{_quoted(symbol)} is the venue's currency"
        symbols[symbol] = number
        if instrument.market not in markets:
            close = difflib.get_close_matches(instrument.market, markets, 1)
            meant = f" (is {close[0]} meant?)" if close else ""
            yield f"{at}.market", f"{_quoted(instrument.market)} is not the name of one of the schedules{meant}"
        yield from ((f"{at}.{key}", what) for key, what in term_faults(instrument))


def term_faults(instrument: Instrument) -> Iterator[tuple[str, str]]:
    """What is wrong with the terms of an instrument as such, as (key, what)."""
    for key in ("price_decimals", "quantity_decimals"):
        if (decimals := getattr(instrument, key)) < 0:
            yield key, f"{decimals} is below zero"
            return
    if instrument.price_decimals + instrument.quantity_decimals > MONEY_DECIMALS:
        yield "quantity_decimals", (
            f"{instrument.quantity_decimals} and {instrument.price_decimals} price decimals are more than the"
            f" {MONEY_DECIMALS} decimals of money, in which a value has to be exact"
        )
        return
    scales = {
        "tick": instrument.price_decimals,
        "lot": instrument.quantity_decimals,
        "quantity_max": instrument.quantity_decimals,
        "value_max": MONEY_DECIMALS,
        "reference_price": instrument.price_decimals,
        "band": BAND_DECIMALS,
        "dynamic_band": BAND_DECIMALS,
    }
    units: dict[str, int] = {}
    for key, decimals in scales.items():
        text = getattr(instrument, key)
        units[key], fault = _units(text, decimals)
        if fault:
            yield key, fault
        elif units[key] < 0 and key == "dynamic_band":
            yield key, f"{_quoted(text)} is below zero (0 is none)"
        elif units[key] <= 0 and key != "dynamic_band":
            yield key, f"{_quoted(text)} is not above zero"
        elif units[key] > INT64_MAX // 2 and key != "value_max":
            yield key, f"{_quoted(text)} is more than can be counted"
    # From here on each is known to be a number, and above zero where it has to be: the first fault ends the reading.
    if units["reference_price"] % units["tick"]:
        yield "reference_price", f"{_quoted(instrument.reference_price)} is not a multiple of the tick {_quoted(instrument.tick)}"
    if units["quantity_max"] % units["lot"]:
        yield "quantity_max", f"{_quoted(instrument.quantity_max)} is not a multiple of the lot {_quoted(instrument.lot)}"
    for key in ("band", "dynamic_band"):
        if units[key] >= 100 * 10**BAND_DECIMALS:
            yield key, f"{_quoted(getattr(instrument, key))} is not a percentage below 100"
    if not 1 <= instrument.pause_seconds <= PAUSE_SECONDS_MAX:
        yield "pause_seconds", f"{instrument.pause_seconds} is not between 1 and {PAUSE_SECONDS_MAX}"
    if units["value_max"] > INT64_MAX:
        # A trade's value travels as a 64-bit number of money units.
        most = INT64_MAX // MONEY_UNIT
        yield "value_max", f"{_quoted(instrument.value_max)} is above {most}, the most that one order can be worth"
    yield from margin_faults(instrument.initial_margin, instrument.maintenance_margin)


def margin_faults(initial: str, maintenance: str) -> Iterator[tuple[str, str]]:
    """What is wrong with margins, as (key, what)."""
    units: dict[str, int] = {}
    for key, text in (("initial_margin", initial), ("maintenance_margin", maintenance)):
        units[key], fault = _units(text, FEE_DECIMALS)
        if fault or not 0 <= units[key] <= MARGIN_PPM_MAX:
            yield key, fault or f"{_quoted(text)} is not a fraction of the value: from 0 to {MARGIN_PPM_MAX // 10**FEE_DECIMALS}"
    if units["maintenance_margin"] > units["initial_margin"]:
        yield "maintenance_margin", f"{_quoted(maintenance)} is above the initial margin {_quoted(initial)}"


def _participant_faults(config: Config, sections: Collection[str] | None) -> Iterator[tuple[str, str]]:
    names: dict[str, int] = {}
    decimals = {instrument.symbol: instrument.quantity_decimals for instrument in config.instruments}
    for number, participant in enumerate(config.participants):
        at = f"participants[{number}]"
        if not 0 <= participant.count <= PARTICIPANTS_MAX:
            yield f"{at}.count", f"{participant.count} is not between 0 and {PARTICIPANTS_MAX}"
        for name in _names(participant):
            if not is_name(name):
                yield f"{at}.name", f"{_quoted(name)} is not a CompID: {NAME_IS}"
            if name in names:
                yield f"{at}.name", f"{_quoted(name)} is a name of participants[{names[name]}] too"
            if name in (config.venue.name, config.venue.market_data_name, config.venue.drop_copy_name):
                yield f"{at}.name", f"{_quoted(name)} is the venue's own"
            if name == config.web.comp_id and config.web.enabled:
                yield f"{at}.name", f"{_quoted(name)} is that of web.comp_id too"
            names[name] = number
        yield from _password_faults(config, at, participant, _reads(sections, *_DOORS))
        yield from _address_faults(at, participant, ("allow_from",))
        yield from ((f"{at}.{key}", what) for key, what in account_faults(participant, decimals))
    if len(names) > PARTICIPANTS_MAX:
        yield "participants", f"{len(names)} are more than {PARTICIPANTS_MAX}"
    yield from _further_account_faults(config, names)


def _password_faults(config: Config, at: str, entry: Participant | DropCopy, reads: bool) -> Iterator[tuple[str, str]]:
    if entry.password_file:
        if entry.password:
            yield f"{at}.password", "stands there beside a password_file: one of the two is enough"
        if reads:
            text, fault = line_of(config.path / entry.password_file)
            if fault or not passwords.is_hash(text):
                yield f"{at}.password_file", fault or "does not hold a hash made by `fixserver participant add`"
    elif not entry.password:
        yield f"{at}.password", "is missing"
    elif not passwords.is_hash(entry.password):
        yield f"{at}.password", "is not a hash made by `fixserver participant add`"


def _further_account_faults(config: Config, names: dict[str, int]) -> Iterator[tuple[str, str]]:
    """`names` are those of the participants, whose first accounts have them too."""
    taken = dict(names)
    for number, participant in enumerate(config.participants):
        at = f"participants[{number}].accounts"
        if participant.accounts and participant.count:
            yield at, "are of one participant: not with count"
        if len(participant.accounts) > ACCOUNTS_MAX:
            yield at, f"{len(participant.accounts)} are more than {ACCOUNTS_MAX}"
        for index, name in enumerate(participant.accounts):
            if not is_name(name):
                yield f"{at}[{index}]", f"{_quoted(name)} is not a name: {NAME_IS}"
            if name in taken:
                yield f"{at}[{index}]", f"{_quoted(name)} is an account of participants[{taken[name]}] already"
            taken[name] = number


def _fee_faults(config: Config) -> Iterator[tuple[str, str]]:
    whose = _named(config)
    symbols = [instrument.symbol for instrument in config.instruments]
    rules: dict[tuple[str, str], int] = {}
    for number, fees in enumerate(config.fees):
        at = f"fees[{number}]"
        if fees.participant not in whose:
            close = difflib.get_close_matches(fees.participant, sorted(whose), 1)
            meant = f" (is {close[0]} meant?)" if close else ""
            yield f"{at}.participant", f"{_quoted(fees.participant)} is not one of the participants{meant}"
        if fees.instrument and fees.instrument not in symbols:
            yield f"{at}.instrument", f"{_quoted(fees.instrument)} is not one of the instruments"
        yield from ((f"{at}.{key}", what) for key, what in fee_faults(fees.maker, fees.taker))
        for name in whose[fees.participant]:
            if (name, fees.instrument) in rules:
                what = f"{_quoted(name)} has fees by fees[{rules[name, fees.instrument]}] too, for the same"
                yield f"{at}.participant", what
            rules[name, fees.instrument] = number
    if len(rules) > FEE_RULES_MAX:
        yield "fees", f"{len(rules)} rules are more than {FEE_RULES_MAX}"


def fee_faults(maker: str, taker: str) -> Iterator[tuple[str, str]]:
    """What is wrong with fees of a participant, as (key, what)."""
    units: dict[str, int] = {}
    for key, text, least in (("maker", maker, 1 - 10**FEE_DECIMALS), ("taker", taker, 0)):
        units[key], fault = _units(text, FEE_DECIMALS)
        if fault or not least <= units[key] < 10**FEE_DECIMALS:
            below = "from 0" if not least else "from above -1"
            yield key, fault or f"{_quoted(text)} is not a fraction of the value: {below} to below 1"
    if units["maker"] + units["taker"] < 0:
        yield "maker", f"{_quoted(maker)} is a rebate above the taker's fee {_quoted(taker)}"


def _drop_copy_faults(config: Config, sections: Collection[str] | None) -> Iterator[tuple[str, str]]:
    taken = {name: "a participant" for participant in config.participants for name in _names(participant)}
    taken |= dict.fromkeys((config.venue.name, config.venue.market_data_name, config.venue.drop_copy_name), "the venue")
    participants = {name for name in taken if taken[name] == "a participant"}
    if config.web.enabled:
        taken[config.web.comp_id] = "the web"
    for number, terms in enumerate(config.drop_copies):
        at = f"drop_copies[{number}]"
        if not is_name(terms.name):
            yield f"{at}.name", f"{_quoted(terms.name)} is not a CompID: {NAME_IS}"
        if terms.name in taken:
            yield f"{at}.name", f"{_quoted(terms.name)} is the name of {taken[terms.name]} too"
        taken[terms.name] = at
        yield from _password_faults(config, at, terms, _reads(sections, "dropcopy"))
        yield from _address_faults(at, terms, ("allow_from",))
        chosen = [] if terms.participants == EVERYBODY else terms.participants
        if isinstance(chosen, str) or not terms.participants:
            yield f"{at}.participants", 'is neither a list of participants nor "*", which is all of them'
            continue
        for index, name in enumerate(chosen):
            if name not in participants:
                close = difflib.get_close_matches(name, sorted(participants), 1)
                meant = f" (is {close[0]} meant?)" if close else ""
                yield f"{at}.participants[{index}]", f"{_quoted(name)} is not one of the participants{meant}"
        yield from ((f"{at}.{key}", what) for key, what in _session_faults(terms))


def _session_faults(terms: Participant | DropCopy) -> Iterator[tuple[str, str]]:
    if terms.venue_comp_id and not is_name(terms.venue_comp_id):
        yield "venue_comp_id", f"{_quoted(terms.venue_comp_id)} is not a CompID: {NAME_IS}"
    for setting, value in terms.quickfix.items():
        if not _SETTING.fullmatch(setting):
            yield f"quickfix.{setting}", "is not the name of a QuickFIX setting"
        elif isinstance(value, str) and not value.isprintable():
            yield f"quickfix.{setting}", f"{_quoted(value)} is not printable text"


def account_faults(participant: Participant, decimals: dict[str, int]) -> Iterator[tuple[str, str]]:
    """What is wrong with what a participant has and may do, as (key, what). `decimals` are the instruments' of a quantity."""
    cash, fault = _units(participant.cash, MONEY_DECIMALS)
    if fault or cash < 0:
        yield "cash", fault or f"{_quoted(participant.cash)} is below zero"
    for symbol, text in participant.holdings.items():
        if symbol not in decimals:
            yield f"holdings.{symbol}", "is not one of the instruments"
        else:
            quantity, fault = _units(text, decimals[symbol])
            if fault or quantity < 0:
                yield f"holdings.{symbol}", fault or f"{_quoted(text)} is below zero"
    if participant.short_max < 0:
        yield "short_max", f"{participant.short_max} is below zero"
    if not 0 <= participant.cancel_grace_seconds <= GRACE_SECONDS_MAX:
        yield "cancel_grace_seconds", f"{participant.cancel_grace_seconds} is not between 0 and {GRACE_SECONDS_MAX}"
    for key in _LIMITS:
        if (most := getattr(participant, key)) < AS_THE_EXCHANGE:
            yield key, f"{most} is below zero (0 is no limit)"
    value_max, fault = _units(participant.value_max, MONEY_DECIMALS)
    if fault or value_max < 0:
        yield "value_max", fault or f"{_quoted(participant.value_max)} is below zero (0 is no limit)"
    yield from _session_faults(participant)


def _password_of(config: Config, entry: Participant | DropCopy, reads: bool) -> str:
    if not entry.password_file:
        return entry.password
    return line_of(config.path / entry.password_file)[0] if reads else passwords.DECOY


def _expanded(config: Config, sections: Collection[str] | None) -> list[Participant]:
    """One Participant a name, with the limits of [exchange] where it has none of its own, and the password's hash that its
    file holds. Nobody knows the password of the hash that stands for a file that is not read."""

    return [
        msgspec.structs.replace(
            participant,
            name=name,
            count=0,
            password=_password_of(config, participant, _reads(sections, *_DOORS)),
            **{key: _own(getattr(participant, key), getattr(config.exchange, key)) for key in _LIMITS},
        )
        for participant in config.participants
        for name in _names(participant)
    ]


def _expanded_fees(config: Config) -> list[Fees]:
    """One rule a name."""
    whose = _named(config)
    return [msgspec.structs.replace(fees, participant=name) for fees in config.fees for name in whose[fees.participant]]


def _named(config: Config) -> dict[str, list[str]]:
    """The participants whom a name in [[fees]] means: those of an entry with a count, or the one who has it."""
    found = {entry.name: _names(entry) for entry in config.participants if entry.count}
    return found | {name: [name] for entry in config.participants for name in _names(entry)}


def is_name(text: str) -> bool:
    """Whether `text` may be a participant's name, which is his SenderCompID."""
    return bool(_NAME.fullmatch(text))


def is_symbol(text: str) -> bool:
    """Whether `text` may be an instrument's symbol."""
    return bool(_SYMBOL.fullmatch(text))


def _own(limit: int, default: int) -> int:
    return default if limit == AS_THE_EXCHANGE else limit


def _names(participant: Participant) -> list[str]:
    if participant.count == 0:
        return [participant.name]
    return [f"{participant.name}{number}" for number in range(1, min(participant.count, PARTICIPANTS_MAX) + 1)]


def _units(text: str, decimals: int) -> tuple[int, str]:
    """The number, or what is wrong with the text."""
    try:
        return to_units(text, decimals), ""
    except ValueError as error:
        return 0, str(error)


def line_of(path: Path) -> tuple[str, str]:
    """The one line that a file with a secret holds, or what is wrong with it, which does not tell the line."""
    try:
        lines = path.read_bytes()[:SECRET_BYTES_MAX].decode().splitlines()
    except OSError as error:
        return "", f"{path}: {(error.strerror or str(error)).lower()}"
    except UnicodeDecodeError:
        return "", f"{path} is not UTF-8 text"
    if len(lines) != 1 or not lines[0]:
        return "", f"{path} has to hold one line, and holds {len(lines)}" if len(lines) != 1 else f"{path} holds an empty line"
    return lines[0], ""


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        # Digits and dots alone are an address with a slip in it, not a name.
        return bool(_HOST.fullmatch(text)) and not re.fullmatch(r"[0-9.]+", text)
    return True


def _quoted(text: str) -> str:
    shown = text if len(text) <= DECIMAL_TEXT_MAX else text[:DECIMAL_TEXT_MAX] + "..."
    return f'"{shown}"'
