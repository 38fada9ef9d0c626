"""Bots and replays at a real venue: what they believe is what the venue has, also when it was killed under them."""

from __future__ import annotations

import argparse
import json
import queue
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixserver import bots as bots_command
from fixserver import config as configuration
from fixserver import recordings
from fixserver import replay as replay_command
from fixserver.bots import Bots
from fixserver.client import Client, Line
from fixserver.initiator import Initiator
from fixserver.replay import Progress, Replay, Runner
from fixserver.roster import Seat
from matching.engine import Engine
from matching.messages import MONEY_UNIT
from matching.sequencer import replay as replayed
from tests.venue import Venue, free_port, wait_for

RECORDING = Path(__file__).parents[3] / "shared/data/bitstamp-2015-05-01-orders.csv.xz"
COIN = {"quantity_decimals": 8, "lot": "0.00000001", "quantity_max": "10_000", "value_max": "100_000_000", "band": "90"}
INSTRUMENTS = {"AAPL": {"band": "90"}, "MSFT": {}, "BTCUSD": {**COIN, "reference_price": "236.00"}}
ENDLESS = {"cash": "1_000_000_000_000", "holdings": dict.fromkeys(INSTRUMENTS, "1_000_000_000"), "self_trade": "allow"}
TRADER = {"cash": "10_000"}
MAKER = {"cash": "10_000_000", "holdings": dict.fromkeys(INSTRUMENTS, "100_000")}
PARTICIPANTS = {
    "REPLAY1": ENDLESS, "REPLAY2": ENDLESS, "MAKER1": MAKER, "MAKER2": MAKER, "NOISE1": TRADER, "NOISE2": TRADER, "NOISE3": TRADER,
    "MOMENTUM1": TRADER,
}  # fmt: skip


@pytest.fixture
def venue(tmp_path) -> Iterator[Venue]:
    """Its ports stay the same when it is started again, as a venue's do."""
    ports = {"exchange": {"port": free_port()}, "marketdata": {"port": free_port()}, "web": {"enabled": False}}
    with Venue(tmp_path, instruments=INSTRUMENTS, participants=PARTICIPANTS, **ports) as venue:
        yield venue


def arguments(command: Any, venue: Venue, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([*more, "--config", str(venue.config), "--data", str(venue.data)])


def engine_of(venue: Venue) -> Engine:
    """The venue's state as its journal has it."""
    venue.close()
    engine = replayed(venue.data)
    engine.check()
    return engine


# ----------------------------------------------------------------------------------------------------- replay


LOBSTER = """34200.1,1,1,100,1000000,1
34200.2,1,2,50,1010000,-1
34200.3,2,1,20,1000000,1
34200.4,4,1,30,1000000,1
34200.5,5,0,10,1005000,1
34200.6,3,2,50,1010000,-1
34200.7,1,3,10,9000000,-1
34200.8,3,99,10,1000000,1
34200.9,3,3,10,9000000,-1
"""


def test_a_lobster_recording_is_brought_about(venue, tmp_path, capsys):
    path = tmp_path / "AAPL_2012-06-21_34200000_57600000_message_1.csv"
    path.write_text(LOBSTER)
    assert replay_command.run(arguments(replay_command, venue, str(path), "--json", "--quiet", "--window", "1")) == 0
    told = json.loads(capsys.readouterr().out)
    expected = {
        "events": 9, "events_by_action": {"cancel": 3, "enter": 3, "execute": 1, "reduce": 1, "skip": 1}, "sent": 6,
        "sent_orders": 3, "sent_aggressive_orders": 1, "sent_replaces": 1, "sent_cancels": 1, "not_sent_already_done": 1,
        "not_sent_superseded": 0, "not_sent_unknown_order": 1, "not_sent_skipped": {"hidden execution": 1}, "unaccounted": 0,
        "accepted": 3, "rejected": 1, "replaced": 1, "canceled": 1, "canceled_unasked": 0, "trades_taken": 1,
        "traded_quantity_taken": "30", "trades_made": 1, "traded_quantity_made": "30", "reconnects": 0,
    }  # fmt: skip
    assert {key: told[key] for key in expected} == expected
    assert len(told["rejected_by_reason"]) == 1 and told["cancels_and_replaces_rejected"] == {}
    assert [(order.price, order.leaves) for order in engine_of(venue).open_orders()] == [(10_000, 50)]


def test_the_recorded_hours_are_replayed_to_the_last_event(venue, capsys):
    if not RECORDING.exists():
        pytest.skip(f"{RECORDING} is not there")
    assert replay_command.run(arguments(replay_command, venue, str(RECORDING), "--json", "--quiet")) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["events"], told["unaccounted"], told["rejected"], told["messages_refused"]) == (50_414, 0, 0, {})
    assert (told["accepted"], told["not_sent_unknown_order"]) == (24_894, 191)
    assert told["trades_taken"] == told["trades_made"] > 300
    before = engine_of(venue)
    venue.start()
    after = engine_of(venue)
    assert after.digest() == before.digest()


def test_a_paced_replay_takes_its_time(venue, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(LOBSTER)
    started = time.monotonic()
    paced = ("--instrument", "AAPL", "--speed", "2", "--quiet", "--json")
    assert replay_command.run(arguments(replay_command, venue, str(path), *paced)) == 0
    assert 0.4 <= time.monotonic() - started < 5


def test_what_cannot_be_replayed_is_one_clear_line(venue, tmp_path, capsys):
    path = tmp_path / "orders.csv"
    path.write_text("nothing that is known\n")
    assert replay_command.run(arguments(replay_command, venue, str(path))) == 2
    assert capsys.readouterr().err == f"{path}: line 1: looks like neither bitstamp nor lobster: say which with --format\n"
    path.write_text(LOBSTER)
    for more, says in (
        (["--instrument", "XYZ"], f"{venue.config}: instruments: has no XYZ: --instrument takes one of AAPL, MSFT, BTCUSD"),
        (["--participants", "NOBODY"], f"{venue.config}: participants: has no NOBODY, whom --participants names"),
    ):
        with pytest.raises(configuration.ConfigError) as error:
            replay_command.run(arguments(replay_command, venue, str(path), *more))
        assert str(error.value) == says
    assert replay_command.run(arguments(replay_command, venue, str(path), "--instrument", "AAPL", "--password", "wrong")) == 1
    assert "REPLAY1" in capsys.readouterr().err
    venue.close()
    assert replay_command.run(arguments(replay_command, venue, str(path), "--instrument", "AAPL")) == 1
    assert "nothing answers at 127.0.0.1:" in capsys.readouterr().err


def made_up(path: Path, count: int, seed: int) -> recordings.Recording:
    """A recording in which much trades, is changed and is canceled."""
    rng = random.Random(seed)
    lines, live = ["id,timestamp,exchange.timestamp,price,volume,action,direction"], []
    for number in range(count):
        kind = rng.randrange(10)
        if kind < 5 or not live:
            order = [str(number), f"{236 + rng.randint(-40, 40) / 100:.2f}", rng.randint(1, 10**9), rng.choice(("bid", "ask"))]
            live.append(order)
            action = "created"
        else:
            order = live[rng.randrange(len(live))]
            action = "changed" if kind < 7 else "deleted"
            order[2] = rng.randint(1, order[2])
            if action == "deleted":
                live.remove(order)
        lines.append(f"{order[0]},{number},{number},{order[1]},{order[2]},{action},{order[3]}")
    path.write_text("\n".join(lines) + "\n")
    return recordings.examine(path)


def test_a_replay_goes_on_when_the_venue_is_killed_under_it(venue, tmp_path):
    kills, count = 3, 12_000
    recording = made_up(tmp_path / "orders.csv", count, seed=5)
    port = venue.ports()["fix"]
    names = ["REPLAY1", "REPLAY2"]
    sessions = [Initiator("127.0.0.1", port, name, "FIXSERVER", "demo") for name in names]

    def send(owner: int, msg_type: bytes, body: bytes) -> int:
        sessions[owner].send(msg_type, body)
        return sessions[owner].next_out - 1

    replay = Replay(send, names, "BTCUSD", 8)
    runner = Runner(sessions, replay, Progress(count, quiet=True), window=100)

    def kill() -> None:
        for turn in range(1, kills + 1):
            wait_for(lambda turn=turn: replay.counts.read > turn * count // (kills + 1), f"{turn} of the events")
            venue.kill()
            venue.start()

    killer = threading.Thread(target=kill)
    runner.log_on()
    killer.start()
    runner.run(recordings.read(recording))
    killer.join()
    runner.log_out()

    counts = replay.counts
    assert counts.read == counts.accounted == count
    assert counts.reconnects >= kills
    assert counts.accepted == counts.sent_orders
    assert not counts.rejected and not counts.refused
    assert counts.taken == counts.made and counts.taken_quantity == counts.made_quantity
    engine = engine_of(venue)
    believed = {order.reference: order.leaves for order in replay._orders.values() if order.is_open}
    assert {order.cl_ord_id: order.leaves for order in engine.open_orders()} == believed


# ------------------------------------------------------------------------------------------------------- bots


def seats_of(venue: Venue) -> tuple[configuration.Config, list[Seat]]:
    config = configuration.load(venue.config)
    return config, bots_command.chosen(config, makers=2, noise=3, momentum=1)


class Until:
    """Stands for the signal that ends the trading."""

    def __init__(self) -> None:
        self.asked = False


def settle(bots: Bots, client: Client) -> None:
    """Take in what arrives until nothing is on its way any more."""
    end = time.monotonic() + 10
    quiet = 0
    while quiet < 3:
        assert time.monotonic() < end, "the bots' orders are not all answered"
        try:
            bots.take(client.happened.get(timeout=0.1), time.monotonic())
            quiet = 0
        except queue.Empty:
            if all(bot.is_ready for bot in bots.bots.values()):
                quiet += all(o.is_settled for bot in bots.bots.values() for o in bot.positions.orders.values())


def test_bots_know_how_they_stand_when_the_venue_was_killed_under_them(venue):
    venue.start("marketdata")
    config, seats = seats_of(venue)
    names = [seat.name for seat in seats]
    lines = [Line(name, "FIXSERVER", "127.0.0.1", config.exchange.port) for name in names]
    lines.append(Line(names[0], "FIXSERVER-MD", "127.0.0.1", config.marketdata.port))
    client = Client(lines, "demo", bots_command.dictionary_of(config))
    bots = Bots(config, seats, 7, "b1", client)
    until = Until()

    def fills() -> int:
        return sum(bot.positions.tally.fills for bot in bots.bots.values())

    def kill() -> None:
        for _ in range(2):
            now = fills()
            wait_for(lambda now=now: fills() > now + 25, "the bots trade")
            venue.kill()
            venue.start()
        now = fills()
        wait_for(lambda: fills() > now + 25, "the bots trade again")
        until.asked = True

    killer = threading.Thread(target=kill)
    client.start()
    try:
        killer.start()
        assert bots_command.trade(bots, client, 150, 60, until, quiet=True) == ""
        killer.join()
        settle(bots, client)
        assert bots.feed_is_on and all(quote.bid or quote.ask for quote in bots.market.values())
        assert len(bots.market["AAPL"].trades) > 5
    finally:
        client.stop()
    state = engine_of(venue)
    for name, bot in bots.bots.items():
        positions = bot.positions
        account = state.accounts[name]
        assert positions.cash == account.cash_in("USD").total
        assert all(positions.holdings.get(symbol, 0) == account.position_in(symbol).total for symbol in INSTRUMENTS)
        believed = {order.reference: (order.price, order.leaves) for order in positions.orders.values()}
        assert {order.cl_ord_id: (order.price, order.leaves) for order in state.open_orders(name)} == believed
        assert positions.tally.rejects == 0


def test_the_bots_command_trades_leaves_nothing_open_and_prints_a_scoreboard(venue):
    said = venue.command(
        "bots", "--config", str(venue.config), "--data", str(venue.data), "--makers", "1", "--noise", "3", "--momentum", "1",
        "--rate", "150", "--seconds", "2",
    )  # fmt: skip
    assert (said.returncode, said.stderr) == (0, "")
    first, *board = said.stdout.splitlines()
    assert first.startswith("bots: 5 bots trade at 127.0.0.1:")
    lines = {line.split()[0]: line.split() for line in board}
    assert sorted(lines) == ["MAKER1", "MOMENTUM1", "NOISE1", "NOISE2", "NOISE3", "strategy"]
    assert int(lines["MAKER1"][5]) > 5  # trades
    engine = engine_of(venue)
    assert list(engine.open_orders()) == []
    assert engine.accounts["NOISE1"].cash_in("USD").total <= 10_000 * MONEY_UNIT


def test_bots_that_the_venue_does_not_let_in_say_so(venue):
    venue.start("marketdata")
    said = venue.command("bots", "--config", str(venue.config), "--data", str(venue.data), "--password", "wrong", "--seconds", "20",
                         "--makers", "1", "--noise", "0", "--momentum", "0")  # fmt: skip
    assert said.returncode == 1
    assert "bots: the venue refuses MAKER1: " in said.stderr


def test_bots_stop_at_a_signal_and_cancel_what_they_have_open(venue):
    venue.launch("bots", "--rate", "100", "--makers", "1", "--noise", "2", "--momentum", "0")
    wait_for(lambda: venue.metrics().get("fixserver_resting_orders", 0) > 3, "the maker quotes")
    assert venue.end("bots", signal.SIGTERM) == 0
    assert list(engine_of(venue).open_orders()) == []
