"""What a venue's configuration may say, and the one line for each thing that it may not."""

from __future__ import annotations

import copy
import socket
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fixserver import config, passwords
from fixserver.config import ConfigError, to_text, to_units
from matching.messages import (
    DefineAccount,
    DefineInstrument,
    DefineParticipant,
    Deposit,
    SetFees,
    SetMargin,
    SetSettlement,
)

CONFIG = Path(__file__).parents[2] / "config"
HASH = passwords.DECOY
REMOVED = object()

VENUE: dict[str, Any] = {
    "venue": {"dictionaries": str(CONFIG / "dictionaries")},
    "instruments": [
        {"symbol": "AAPL", "quantity_max": "1000", "value_max": "1_000_000", "reference_price": "189.50"},
        {
            "symbol": "BTCUSD",
            "quantity_decimals": 8,
            "lot": "0.00000001",
            "quantity_max": "10",
            "value_max": "1000",
            "reference_price": "236",
            "band": "12.5",
        },
        {
            "symbol": "VOD",
            "quantity_max": "1000",
            "value_max": "1_000_000",
            "reference_price": "70",
            "market": "london",
            "dynamic_band": "2.5",
            "pause_seconds": 120,
        },
    ],
    "schedules": [
        {
            "name": "london",
            "timezone": "Europe/London",
            "holidays": ["2026-12-25", "2026-12-28"],
            "phases": [
                {"at": "07:50", "phase": "opening-auction"},
                {"at": "08:00", "phase": "continuous"},
                {"at": "16:30", "phase": "closed"},
            ],
            "early": {"2026-12-24": [{"at": "08:00:30", "phase": "continuous"}, {"at": "12:30", "phase": "closed"}]},
        }
    ],
    "participants": [
        {"name": "TRADER", "count": 2, "password": HASH, "cash": "0.5", "holdings": {"AAPL": "7", "BTCUSD": "0.25"}},
        {
            "name": "ALICE",
            "password": HASH,
            "orders_per_second": 0,
            "short_max": 5,
            "self_trade": "decrement",
            "value_max": "2500.50",
            "open_orders_max": 0,
            "orders_per_day_max": 70,
        },
    ],
    "fees": [
        {"participant": "ALICE", "maker": "-0.0001", "taker": "0.0003"},
        {"participant": "ALICE", "instrument": "VOD", "maker": "0", "taker": "0"},
        {"participant": "TRADER", "instrument": "AAPL", "maker": "0", "taker": "0.00025"},
    ],
    "drop_copies": [
        {"name": "RISK", "password": HASH, "participants": "*"},
        {"name": "AUDIT", "password": HASH, "participants": ["ALICE", "TRADER2"], "version": "FIXT.1.1"},
    ],
}


def changed(key: str, value: object) -> dict[str, Any]:
    """VENUE with one key changed: "instruments.0.tick"."""
    data = copy.deepcopy(VENUE)
    *path, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    at: Any = data
    for part in path:
        at = at.setdefault(part, {}) if isinstance(at, dict) else at[part]
    if value is REMOVED:
        del at[last]
    else:
        at[last] = value
    return data


def refusal(data: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as error:
        config.from_data(data, Path("venue.toml"))
    return str(error.value)


# -------------------------------------------------------------------------------------------- what may be


@pytest.mark.parametrize("name", ["exchange.toml", "bench.toml"])
def test_the_examples_are_whole(name: str) -> None:
    venue = config.load(CONFIG / name)
    assert [i.symbol for i in venue.instruments] == ["AAPL", "MSFT", "GOOG", "AMZN", "TSLA", "BTCUSD"]
    assert {venue.exchange.address, venue.marketdata.address, venue.venue.metrics_address} == {"127.0.0.1"}
    drop_copy = [5003] if venue.drop_copies else []
    assert [port for _, _, port in venue._ports()] == [5001, 9101, 9102, 5002, 9103, *drop_copy, 8080, 9104]
    hashes = {entry.password for entry in (*venue.participants, *venue.drop_copies)}
    assert all(passwords.verify("demo", text) for text in hashes)


def test_the_example_venue_has_people_and_somebody_to_trade_with() -> None:
    names = [participant.name for participant in config.load(CONFIG / "exchange.toml").participants]
    assert names == [
        f"{name}{number}"
        for name, count in (("TRADER", 8), ("MAKER", 5), ("NOISE", 20), ("MOMENTUM", 5), ("REPLAY", 4))
        for number in range(1, count + 1)
    ]


def test_every_key_has_a_default_but_what_only_the_venue_can_know() -> None:
    venue = config.from_data(VENUE, Path("some/venue.toml"))
    assert (venue.path, venue.file) == (Path("some"), Path("some/venue.toml"))
    assert (venue.venue.name, venue.venue.market_data_name, venue.venue.day_roll_seconds) == ("FIXSERVER", "FIXSERVER-MD", 79_200)
    assert (venue.exchange.durability, venue.exchange.port, venue.marketdata.port) == ("fsync", 5001, 5002)
    assert venue.exchange.cancel_only_seconds == 0
    assert venue.settlement.define() == SetSettlement(cycle_days=0, spend_unsettled=True, buy_in_days=0, buy_in_premium_ppm=0)
    assert (venue.settlement.days, venue.settlement.holidays) == (["mon", "tue", "wed", "thu", "fri", "sat", "sun"], [])
    aapl = venue.instrument("AAPL")
    assert (aapl.market, aapl.dynamic_band_bps, aapl.pause_seconds) == ("MAIN", 0, 300)
    assert venue.schedules[0].days == ["mon", "tue", "wed", "thu", "fri"]
    alone = {"venue": VENUE["venue"], "instruments": VENUE["instruments"][:1]}
    assert config.from_data(alone, Path("venue.toml")).schedules == []


def test_a_count_stands_for_that_many_participants() -> None:
    venue = config.from_data(VENUE, Path("venue.toml"))
    assert [(p.name, p.count, p.orders_per_second, p.cancels_per_second) for p in venue.participants] == [
        ("TRADER1", 0, 1000, 2000),
        ("TRADER2", 0, 1000, 2000),
        ("ALICE", 0, 0, 2000),
    ]
    assert venue.participant("TRADER2").cash == "0.5"


def test_who_has_no_limits_of_his_own_has_those_of_the_exchange() -> None:
    data = changed("exchange", {"orders_per_second": 5, "cancels_per_second": 6, "open_orders_max": 7, "orders_per_day_max": 8})
    assert [
        (p.name, p.orders_per_second, p.cancels_per_second, p.open_orders_max, p.orders_per_day_max)
        for p in config.from_data(data, Path("venue.toml")).participants
    ] == [("TRADER1", 5, 6, 7, 8), ("TRADER2", 5, 6, 7, 8), ("ALICE", 0, 6, 0, 70)]


def test_a_participant_that_is_not_there_is_a_key_error() -> None:
    venue = config.from_data(VENUE, Path("venue.toml"))
    with pytest.raises(KeyError):
        venue.participant("TRADER")


def test_what_is_configured_becomes_commands_in_whole_units() -> None:
    venue = config.from_data(changed("venue.taker_fee", "0.0002"), Path("venue.toml"))
    assert venue.instrument("BTCUSD").define(venue.venue) == DefineInstrument(
        instrument="BTCUSD",
        currency="USD",
        price_decimals=2,
        quantity_decimals=8,
        tick=1,
        lot=1,
        quantity_max=1_000_000_000,
        value_max=1000 * 10**10,
        reference_price=23_600,
        band_bps=1250,
        maker_fee_ppm=0,
        taker_fee_ppm=200,
    )
    assert venue.instrument("VOD").define(venue.venue) == DefineInstrument(
        instrument="VOD",
        currency="USD",
        price_decimals=2,
        quantity_decimals=0,
        tick=1,
        lot=1,
        quantity_max=1000,
        value_max=1_000_000 * 10**10,
        reference_price=7000,
        band_bps=1000,
        maker_fee_ppm=0,
        taker_fee_ppm=200,
        dynamic_band_bps=250,
        pause_ns=120 * 10**9,
        market="london",
    )
    assert venue.participant("ALICE").define() == DefineAccount("ALICE", "ALICE", 5, "decrement")
    assert venue.participant("ALICE").define_participant() == DefineParticipant(
        participant="ALICE",
        orders_per_second=0,
        cancels_per_second=2000,
        value_max="25005000000000",
        open_orders_max=0,
        orders_per_day_max=70,
    )
    assert venue.deposits(venue.participant("TRADER1")) == [
        Deposit("TRADER1", "USD", "5000000000"),
        Deposit("TRADER1", "AAPL", "7"),
        Deposit("TRADER1", "BTCUSD", "25000000"),
    ]
    assert venue.deposits(venue.participant("ALICE")) == []


def test_how_trades_are_settled_becomes_commands_too() -> None:
    data = changed("settlement", {"cycle_days": 2, "spend_unsettled": False, "buy_in_days": 4, "buy_in_premium": "0.05"})
    data["instruments"][0] |= {"initial_margin": "0.5", "maintenance_margin": "0.25"}
    venue = config.from_data(data, Path("venue.toml"))
    assert venue.settlement.define() == SetSettlement(2, False, 4, 50_000)
    assert [instrument.define_margin() for instrument in venue.instruments] == [
        SetMargin("AAPL", 500_000, 250_000),
        SetMargin("BTCUSD", 0, 0),
        SetMargin("VOD", 0, 0),
    ]
    assert [fees.define() for fees in venue.fees] == [
        SetFees("ALICE", "", -100, 300),
        SetFees("ALICE", "VOD", 0, 0),
        SetFees("TRADER1", "AAPL", 0, 250),
        SetFees("TRADER2", "AAPL", 0, 250),
    ]


def test_the_trading_day_settles_by_its_markets_calendar() -> None:
    venue = config.load(CONFIG / "trading-day.toml")
    assert (venue.settlement.cycle_days, venue.settlement.spend_unsettled) == (2, True)
    assert venue.settlement.days == venue.schedules[0].days
    assert venue.settlement.holidays == venue.schedules[0].holidays


def test_drop_copies_watch_all_or_some() -> None:
    risk, audit = config.from_data(VENUE, Path("venue.toml")).drop_copies
    assert [risk.watches(name) for name in ("TRADER1", "TRADER2", "ADDED LATER")] == [True, True, True]
    assert [audit.watches(name) for name in ("TRADER1", "TRADER2", "ADDED LATER")] == [False, True, False]


# --------------------------------------------------------------------------------------- what may not be

COMP_ID = "1 to 32 letters, digits, dots, dashes, underscores"
NOBODY = 'is neither a list of participants nor "*", which is all of them'
SYMBOL = "1 to 32 letters, digits, dots, dashes, slashes, underscores"

# What is changed, to what, and the line without the name of the file.
ONE_LINE = [
    # the shape
    ("exchnge", {}, "exchnge: unknown key (is exchange meant?)"),
    ("file", "x", "file: unknown key"),
    ("exchange.prt", 1, "exchange.prt: unknown key (is port meant?)"),
    ("instruments.0.tik", "1", "instruments[0].tik: unknown key (is tick meant?)"),
    (
        "participants.1.cancel_on_disconect",
        "day",
        "participants[1].cancel_on_disconect: unknown key (is cancel_on_disconnect meant?)",
    ),
    ("exchange.port", "5001", "exchange.port: expected int, got str"),
    ("instruments.1.tick", 0.01, "instruments[1].tick: expected text in quotes, got float"),
    ("exchange.durability", "disk", 'exchange.durability: "disk" is none of fsync, os'),
    ("instruments.0.symbol", REMOVED, "instruments[0].symbol: is missing"),
    ("participants.0.password", REMOVED, "participants[0].password: is missing"),
    # the venue
    ("venue.name", "", f'venue.name: "" is not a CompID: {COMP_ID}'),
    ("venue.name", "A\x01B", f'venue.name: "A\\x01B" is not a CompID: {COMP_ID}'),
    ("venue.currency", "usd", 'venue.currency: "usd" is not a currency such as "USD"'),
    ("venue.day_roll", "24:00", 'venue.day_roll: "24:00" is not a time of day such as "22:00"'),
    ("venue.maker_fee", "1", 'venue.maker_fee: "1" is not a fraction of the value: from 0 to below 1'),
    ("venue.taker_fee", "-0.1", 'venue.taker_fee: "-0.1" is not a fraction of the value: from 0 to below 1'),
    ("venue.taker_fee", "0.0000001", 'venue.taker_fee: "0.0000001" has more than 6 decimals'),
    ("venue.dictionaries", "no", "venue.dictionaries: no/FIX42.xml is not there: `fixserver dictionaries` makes it"),
    ("venue.metrics_address", "1.2.3", 'venue.metrics_address: "1.2.3" is not an address to listen on'),
    # ports and limits
    ("exchange.address", "a b", 'exchange.address: "a b" is not an address to listen on'),
    ("exchange.port", 70_000, "exchange.port: 70000 is not a port: 1 to 65535 (0: any that is free)"),
    ("marketdata.port", 5001, "marketdata.port: 5001 is the port of exchange.port too"),
    ("clearing.metrics_port", 9101, "clearing.metrics_port: 9101 is the port of exchange.metrics_port too"),
    ("exchange.connections_max", 0, "exchange.connections_max: 0 is below the least there can be, 1"),
    ("marketdata.frame_bytes_max", 10, "marketdata.frame_bytes_max: 10 is below the least there can be, 1024"),
    ("exchange.snapshot_commands", 0, "exchange.snapshot_commands: 0 is not above zero"),
    ("exchange.orders_per_second", -1, "exchange.orders_per_second: -1 is below zero (0 is no limit)"),
    ("exchange.open_orders_max", -1, "exchange.open_orders_max: -1 is below zero (0 is no limit)"),
    ("exchange.orders_per_day_max", -7, "exchange.orders_per_day_max: -7 is below zero (0 is no limit)"),
    ("exchange.cancel_only_seconds", "no", "exchange.cancel_only_seconds: expected int, got str"),
    ("exchange.cancel_only_seconds", -1, "exchange.cancel_only_seconds: -1 is not from 0 to 3600"),
    ("marketdata.subscriptions_max", 0, "marketdata.subscriptions_max: 0 is not above zero"),
    ("exchange.certificate", "no.pem", "exchange.certificate: no.pem is not there"),
    (
        "clearing.database",
        "mysql://x",
        "clearing.database: not a URL that begins with postgresql+psycopg:// or sqlite:/// (empty: a file in --data)",
    ),
    # instruments
    ("instruments", [], "instruments: there is none: a venue trades at least one"),
    ("instruments.1.symbol", "AAPL", 'instruments[1].symbol: "AAPL" is the symbol of instruments[0] too'),
    ("instruments.1.symbol", "USD", 'instruments[1].symbol: "USD" is the venue\'s currency'),
    ("instruments.1.symbol", "A B", f'instruments[1].symbol: "A B" is not a symbol: {SYMBOL}'),
    (
        "instruments.1.price_decimals",
        3,
        "instruments[1].quantity_decimals: 8 and 3 price decimals are more than the 10 decimals of money,"
        " in which a value has to be exact",
    ),
    ("instruments.0.price_decimals", -1, "instruments[0].price_decimals: -1 is below zero"),
    ("instruments.0.tick", "0", 'instruments[0].tick: "0" is not above zero'),
    ("instruments.0.tick", "0.001", 'instruments[0].tick: "0.001" has more than 2 decimals'),
    ("instruments.0.tick", "1e-2", 'instruments[0].tick: "1e-2" is not a decimal number such as "123.45"'),
    ("instruments.0.tick", "0.04", 'instruments[0].reference_price: "189.50" is not a multiple of the tick "0.04"'),
    ("instruments.0.lot", "0.5", 'instruments[0].lot: "0.5" is not a whole number'),
    ("instruments.0.lot", "3", 'instruments[0].quantity_max: "1000" is not a multiple of the lot "3"'),
    ("instruments.0.quantity_max", "9" * 19, f'instruments[0].quantity_max: "{"9" * 19}" is more than can be counted'),
    (
        "instruments.0.value_max",
        "922_337_204",
        'instruments[0].value_max: "922_337_204" is above 922337203, the most that one order can be worth',
    ),
    ("instruments.0.band", "100", 'instruments[0].band: "100" is not a percentage below 100'),
    ("instruments.0.band", "0", 'instruments[0].band: "0" is not above zero'),
    ("instruments.0.dynamic_band", "-1", 'instruments[0].dynamic_band: "-1" is below zero (0 is none)'),
    ("instruments.0.dynamic_band", "100", 'instruments[0].dynamic_band: "100" is not a percentage below 100'),
    ("instruments.0.dynamic_band", "0.001", 'instruments[0].dynamic_band: "0.001" has more than 2 decimals'),
    ("instruments.0.pause_seconds", 0, "instruments[0].pause_seconds: 0 is not between 1 and 86400"),
    ("instruments.0.pause_seconds", 86_401, "instruments[0].pause_seconds: 86401 is not between 1 and 86400"),
    ("instruments.0.market", "paris", 'instruments[0].market: "paris" is not the name of one of the schedules'),
    (
        "instruments.0.market",
        "Londn",
        'instruments[0].market: "Londn" is not the name of one of the schedules (is london meant?)',
    ),
    ("instruments.0.initial_margin", "half", 'instruments[0].initial_margin: "half" is not a decimal number such as "123.45"'),
    (
        "instruments.0.initial_margin",
        "10.1",
        'instruments[0].initial_margin: "10.1" is not a fraction of the value: from 0 to 10',
    ),
    (
        "instruments.0.maintenance_margin",
        "0.1",
        'instruments[0].maintenance_margin: "0.1" is above the initial margin "0"',
    ),
    # settlement
    ("settlement.cycle", 1, "settlement.cycle: unknown key (is cycle_days meant?)"),
    ("settlement.cycle_days", 11, "settlement.cycle_days: 11 is not from 0 to 10"),
    ("settlement.cycle_days", -1, "settlement.cycle_days: -1 is not from 0 to 10"),
    ("settlement.buy_in_days", 1001, "settlement.buy_in_days: 1001 is not from 0 to 1000"),
    ("settlement.spend_unsettled", "no", "settlement.spend_unsettled: expected bool, got str"),
    (
        "settlement.buy_in_premium",
        "1.5",
        'settlement.buy_in_premium: "1.5" is not a fraction of the value: from 0 to 1',
    ),
    ("settlement.buy_in_premium", "0.0000001", 'settlement.buy_in_premium: "0.0000001" has more than 6 decimals'),
    ("settlement.days", [], "settlement.days: there is none: nothing would ever be settled"),
    ("settlement.days", ["mon", "mo"], 'settlement.days[1]: "mo" is none of mon, tue, wed, thu, fri, sat, sun'),
    ("settlement.days", ["mon", "mon"], 'settlement.days[1]: "mon" stands there twice'),
    ("settlement.holidays", ["2026-02-29"], 'settlement.holidays[0]: "2026-02-29" is not a date such as "2026-12-25"'),
    # fees
    ("fees.0.maker", REMOVED, "fees[0].maker: is missing"),
    ("fees.0.participant", "ALICA", 'fees[0].participant: "ALICA" is not one of the participants (is ALICE meant?)'),
    ("fees.0.instrument", "MSFT", 'fees[0].instrument: "MSFT" is not one of the instruments'),
    ("fees.0.maker", "-1", 'fees[0].maker: "-1" is not a fraction of the value: from above -1 to below 1'),
    ("fees.0.taker", "-0.1", 'fees[0].taker: "-0.1" is not a fraction of the value: from 0 to below 1'),
    ("fees.0.maker", "-0.0004", 'fees[0].maker: "-0.0004" is a rebate above the taker\'s fee "0.0003"'),
    ("fees.1.instrument", "", 'fees[1].participant: "ALICE" has fees by fees[0] too, for the same'),
    ("fees.1", {"participant": "TRADER2", "instrument": "AAPL", "maker": "0", "taker": "0"},
     'fees[2].participant: "TRADER2" has fees by fees[1] too, for the same'),
    # schedules
    ("schedules.0.time_zone", "UTC", "schedules[0].time_zone: unknown key (is timezone meant?)"),
    ("schedules.0.timezone", REMOVED, "schedules[0].timezone: is missing"),
    ("schedules.0.phases", REMOVED, "schedules[0].phases: is missing"),
    ("schedules.0.name", "the city", f'schedules[0].name: "the city" is not the name of a market: {COMP_ID}'),
    (
        "schedules.0.timezone",
        "Europe/Lundon",
        'schedules[0].timezone: "Europe/Lundon" is not a time zone such as "America/New_York" (is Europe/London meant?)',
    ),
    ("schedules.0.timezone", "Europe", 'schedules[0].timezone: "Europe" is not a time zone such as "America/New_York"'),
    ("schedules.0.timezone", "../UTC", 'schedules[0].timezone: "../UTC" is not a time zone such as "America/New_York"'),
    ("schedules.0.timezone", "+01:00", 'schedules[0].timezone: "+01:00" is not a time zone such as "America/New_York"'),
    ("schedules.0.timezone", "", 'schedules[0].timezone: "" is not a time zone such as "America/New_York"'),
    ("schedules.0.days", ["mon", "Tue"], 'schedules[0].days[1]: "Tue" is none of mon, tue, wed, thu, fri, sat, sun'),
    ("schedules.0.days", ["mon", "tue", "mon"], 'schedules[0].days[2]: "mon" stands there twice'),
    ("schedules.0.holidays.1", "2026-02-29", 'schedules[0].holidays[1]: "2026-02-29" is not a date such as "2026-12-25"'),
    ("schedules.0.holidays.1", "20261224", 'schedules[0].holidays[1]: "20261224" is not a date such as "2026-12-25"'),
    ("schedules.0.holidays.1", "1026-12-24", 'schedules[0].holidays[1]: "1026-12-24" is not a date such as "2026-12-25"'),
    ("schedules.0.holidays.1", "2026-12-25", 'schedules[0].holidays[1]: "2026-12-25" stands there twice'),
    ("schedules.0.holidays.1", date(2026, 12, 24), "schedules[0].holidays[1]: expected text in quotes, got date"),
    ("schedules.0.holidays.1", "2026-12-24", "schedules[0].early.2026-12-24: is one of the holidays too"),
    ("schedules.0.phases", [], "schedules[0].phases: there is none: a day without trading is one of the holidays"),
    (
        "schedules.0.phases.0.phase",
        "halted",
        'schedules[0].phases[0].phase: "halted" is none of closed, pre-open, opening-auction, continuous, closing-auction,'
        " closing-price",
    ),
    ("schedules.0.phases.0.at", "7:50", 'schedules[0].phases[0].at: "7:50" is not a time of day such as "09:30" or "09:30:00"'),
    ("schedules.0.phases.2.at", "24:00", 'schedules[0].phases[2].at: "24:00" is not a time of day such as "09:30" or "09:30:00"'),
    ("schedules.0.phases.0.at", "08:00", 'schedules[0].phases[1].at: "08:00" is not after "08:00", which stands before it'),
    ("schedules.0.phases.1.at", "16:30:01", 'schedules[0].phases[2].at: "16:30" is not after "16:30:01", which stands before it'),
    ("schedules.0.phases.0.phase", "closed", 'schedules[0].phases[0].phase: "closed" is what each day begins with'),
    ("schedules.0.phases.0.phase", "continuous", 'schedules[0].phases[1].phase: "continuous" is the phase before it too'),
    (
        "schedules.0.phases.2.phase",
        "closing-price",
        'schedules[0].phases[2].phase: "closing-price" is not "closed", with which each day ends',
    ),
    ("schedules.0.phases.1.phse", "closed", "schedules[0].phases[1].phse: unknown key (is phase meant?)"),
    ("schedules.0.early.24 Dec", [], 'schedules[0].early.24 Dec: "24 Dec" is not a date such as "2026-12-25"'),
    (
        "schedules.0.early.2026-12-24.1.at",
        "08:00",
        'schedules[0].early.2026-12-24[1].at: "08:00" is not after "08:00:30", which stands before it',
    ),
    (
        "schedules.0.early.2026-12-24.1.phase",
        "shut",
        'schedules[0].early[1].phase: "shut" is none of closed, pre-open, opening-auction, continuous, closing-auction,'
        " closing-price",
    ),
    # participants
    ("participants.0.count", -1, "participants[0].count: -1 is not between 0 and 10000"),
    ("participants.1.name", "TRADER2", 'participants[1].name: "TRADER2" is a name of participants[0] too'),
    ("participants.1.name", "FIXSERVER-MD", 'participants[1].name: "FIXSERVER-MD" is the venue\'s own'),
    ("participants.1.name", "Zoë", f'participants[1].name: "Zoë" is not a CompID: {COMP_ID}'),
    ("participants.1.password", "demo", "participants[1].password: is not a hash made by `fixserver participant add`"),
    ("participants.0.cash", "-1", 'participants[0].cash: "-1" is below zero'),
    ("participants.0.cash", "lots\nmore", 'participants[0].cash: "lots\\nmore" is not a decimal number such as "123.45"'),
    ("participants.0.holdings.MSFT", "1", "participants[0].holdings.MSFT: is not one of the instruments"),
    ("participants.0.holdings.AAPL", "1.5", 'participants[0].holdings.AAPL: "1.5" is not a whole number'),
    ("participants.1.short_max", -1, "participants[1].short_max: -1 is below zero"),
    ("participants.1.cancels_per_second", -2, "participants[1].cancels_per_second: -2 is below zero (0 is no limit)"),
    ("participants.1.value_max", "-0.5", 'participants[1].value_max: "-0.5" is below zero (0 is no limit)'),
    ("participants.1.value_max", "much", 'participants[1].value_max: "much" is not a decimal number such as "123.45"'),
    ("participants.1.open_orders_max", -2, "participants[1].open_orders_max: -2 is below zero (0 is no limit)"),
    ("participants.1.orders_per_day_max", -2, "participants[1].orders_per_day_max: -2 is below zero (0 is no limit)"),
    (
        "participants.1.self_trade",
        "cancel",
        'participants[1].self_trade: "cancel" is none of cancel-resting, cancel-incoming, cancel-both, decrement, allow',
    ),
    ("participants.1.venue_comp_id", "-", f'participants[1].venue_comp_id: "-" is not a CompID: {COMP_ID}'),
    ("participants.1.quickfix", {"Heart Beat": 1}, "participants[1].quickfix.Heart Beat: is not the name of a QuickFIX setting"),
    ("participants.1.quickfix", {"TimeZone": "a\nb"}, 'participants[1].quickfix.TimeZone: "a\\nb" is not printable text'),
    ("participants.1.accounts", ["TRADER2"], 'participants[1].accounts[0]: "TRADER2" is an account of participants[0] already'),
    ("participants.1.accounts", ["A", "A"], 'participants[1].accounts[1]: "A" is an account of participants[1] already'),
    ("participants.1.accounts", ["A B"], f'participants[1].accounts[0]: "A B" is not a name: {COMP_ID}'),
    ("participants.0.accounts", ["A"], "participants[0].accounts: are of one participant: not with count"),
    ("participants.1.accounts", [f"A{number}" for number in range(101)], "participants[1].accounts: 101 are more than 100"),
    # drop copies
    ("dropcopy.port", 70_000, "dropcopy.port: 70000 is not a port: 1 to 65535 (0: any that is free)"),
    ("dropcopy.metrics_port", 9105, "dropcopy.metrics_port: unknown key"),
    ("drop_copies.0.name", "A B", f'drop_copies[0].name: "A B" is not a CompID: {COMP_ID}'),
    ("drop_copies.0.name", "ALICE", 'drop_copies[0].name: "ALICE" is the name of a participant too'),
    ("drop_copies.0.name", "WEB", 'drop_copies[0].name: "WEB" is the name of the web too'),
    ("drop_copies.0.name", "FIXSERVER-DC", 'drop_copies[0].name: "FIXSERVER-DC" is the name of the venue too'),
    ("drop_copies.1.name", "RISK", 'drop_copies[1].name: "RISK" is the name of drop_copies[0] too'),
    ("drop_copies.0.password", REMOVED, "drop_copies[0].password: is missing"),
    ("drop_copies.0.password_file", "x", "drop_copies[0].password: stands there beside a password_file: one of the two is enough"),
    (
        "drop_copies.0.allow_from",
        ["10.1"],
        'drop_copies[0].allow_from[0]: "10.1" is neither an address nor a network: such as "10.1.2.3" or "10.0.0.0/8"',
    ),
    ("drop_copies.0.password", "demo", "drop_copies[0].password: is not a hash made by `fixserver participant add`"),
    ("drop_copies.0.participants", [], f"drop_copies[0].participants: {NOBODY}"),
    ("drop_copies.0.participants", "ALICE", f"drop_copies[0].participants: {NOBODY}"),
    (
        "drop_copies.1.participants.0",
        "ALCE",
        'drop_copies[1].participants[0]: "ALCE" is not one of the participants (is ALICE meant?)',
    ),
    ("drop_copies.0.version", "FIX.4.3", 'drop_copies[0].version: "FIX.4.3" is none of FIX.4.2, FIX.4.4, FIXT.1.1'),
    ("drop_copies.0.quickfix", {"Heart Beat": 1}, "drop_copies[0].quickfix.Heart Beat: is not the name of a QuickFIX setting"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "line"), ONE_LINE, ids=[f"{key}={value!r:.20}" for key, value, _ in ONE_LINE])
def test_a_fault_is_one_line_that_names_file_and_key(key: str, value: object, line: str) -> None:
    assert refusal(changed(key, value)) == f"venue.toml: {line}"


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"certificate": "venue.pem"}, "exchange.private_key: is missing: a certificate needs its key"),
        ({"private_key": "venue.pem"}, "exchange.certificate: is missing, and private_key is of no use without"),
        ({"client_ca": "venue.pem"}, "exchange.certificate: is missing, and client_ca is of no use without"),
        ({"client_names": True}, "exchange.client_ca: is missing, and client_names is of no use without"),
    ],
)
def test_tls_wants_certificate_and_key(tmp_path: Path, more: dict[str, str], line: str) -> None:
    (tmp_path / "venue.pem").touch()
    with pytest.raises(ConfigError) as error:
        config.from_data(VENUE | {"exchange": more}, tmp_path / "venue.toml")
    assert str(error.value) == f"{tmp_path}/venue.toml: {line}"


@pytest.mark.parametrize("section", ["exchange", "marketdata", "web"])
@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"allow_from": ["10.0.0.0/8", "10.0.0.1/8"]}, 'allow_from[1]: "10.0.0.1/8" has bits set beyond its length'),
        ({"proxy_from": ["lb.example.com"]}, 'proxy_from[0]: "lb.example.com" is neither an address nor a network'),
        ({"unlimited": ["::1/129"]}, 'unlimited[0]: "::1/129" is neither an address nor a network'),
        ({"connections_per_address": -1}, "connections_per_address: -1 is below the least there can be, 0"),
    ],
)
def test_who_may_come_is_told_by_addresses(section: str, more: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError) as error:
        config.from_data(VENUE | {section: more}, Path("venue.toml"))
    example = ': such as "10.1.2.3" or "10.0.0.0/8"' if "[" in line else ""
    assert str(error.value) == f"venue.toml: {section}.{line}{example}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"[venue\n", "not TOML: Expected ']' at the end of a table declaration (at line 1, column 7)"),
        (b"name = \xff\n", "byte 7 is not UTF-8 text"),
    ],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, text: bytes, what: str) -> None:
    path = tmp_path / "venue.toml"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as error:
        config.load(path)
    assert str(error.value) == f"{path}: {what}"


def test_no_two_schedules_have_a_name() -> None:
    again = VENUE | {"schedules": [*VENUE["schedules"], *VENUE["schedules"]]}
    assert refusal(again) == 'venue.toml: schedules[1].name: "london" is the name of schedules[0] too'


def test_instruments_of_no_market_can_have_a_schedule_too() -> None:
    data = changed("schedules.0.name", "MAIN") | {"instruments": VENUE["instruments"][:2], "fees": []}
    venue = config.from_data(data, Path("venue.toml"))
    assert [(terms.name, terms.timezone) for terms in venue.schedules] == [("MAIN", "Europe/London")]


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError) as error:
        config.load(Path("nowhere.toml"))
    assert str(error.value) == "nowhere.toml: no such file or directory"


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        venue = config.from_data(changed("marketdata.port", port), Path("venue.toml"))
        with pytest.raises(ConfigError) as error:
            venue.check_ports("marketdata")
        assert str(error.value) == (
            f"venue.toml: marketdata.port: 127.0.0.1:{port} is in use: stop what listens there, or choose another port"
        )
        venue.check_ports("clearing")
    venue.check_ports("marketdata")


def test_an_address_that_is_not_this_machines_is_named() -> None:
    venue = config.from_data(changed("exchange.address", "192.0.2.1"), Path("venue.toml"))
    with pytest.raises(ConfigError) as error:
        venue.check_ports("exchange")
    assert str(error.value) == "venue.toml: exchange.port: cannot listen on 192.0.2.1:5001: Cannot assign requested address"


# ------------------------------------------------------------------------------------------ decimal text


@pytest.mark.parametrize(
    ("text", "decimals", "units"),
    [("189.5", 2, 18950), ("0", 0, 0), ("1_000.00", 0, 1000), ("-0.01", 2, -1), ("007", 1, 70), ("0.10", 1, 1)],
)
def test_decimal_text_is_whole_units(text: str, decimals: int, units: int) -> None:
    assert to_units(text, decimals) == units


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "+1", "1.", ".5", "1,5", "1e3", "nan", "inf", "--1", "1__0", "_1", "1_", "0x1", "١", "1\n", "9" * 41]
)
def test_what_is_not_decimal_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a decimal number such as"):
        to_units(text, 2)


@pytest.mark.parametrize(("units", "decimals", "text"), [(18950, 2, "189.50"), (-1, 2, "-0.01"), (5, 0, "5"), (1, 8, "0.00000001")])
def test_whole_units_are_decimal_text(units: int, decimals: int, text: str) -> None:
    assert to_text(units, decimals) == text
    assert to_units(text, decimals) == units


def test_the_comments_of_the_example_name_keys_that_there_are() -> None:
    text = (CONFIG / "exchange.toml").read_text()
    for key in ("certificate", "private_key", "client_ca", "client_names", "unlimited", "allow_from", "proxy_from"):
        assert f"# {key} = " in text
        assert key in config.Listener.__struct_fields__
    assert tomllib.loads(text)["exchange"]["address"] == "127.0.0.1"
