"""Bots are reproducible, keep within their means, and know how their orders stand, also after the venue was away."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

import pytest

from fixserver import bots as command
from fixserver import config as configuration
from fixserver.bots import Bots, chosen, fields, groups, market_data_request
from fixserver.broker import Fill, Market, Quote
from fixserver.client import Happened
from fixserver.positions import Positions, positions_of
from fixserver.roster import Seat
from fixserver.strategies import Action, Cancel, Enter, MarketMaker, MomentumTrader, NoiseTrader, Replace, Strategy
from matching.messages import MONEY_UNIT
from tests.bots.naive_venue import Venue

CONFIG = configuration.load(Path(__file__).parents[2] / "config/exchange.toml")
SEATS = chosen(CONFIG, makers=2, noise=3, momentum=1)
NAMES = [seat.name for seat in SEATS]


class Stand:
    """Bots whose messages go to a naive venue. `connected` False: what is sent is lost, and so are the answers."""

    def __init__(self, seed: int = 1) -> None:
        self.venue = Venue()
        self.sent: list[str] = []
        self.connected = True
        self.now = 0.0
        self.bots = Bots(CONFIG, SEATS, seed, "b", self)

    def send(self, sender: str, target: str, msg_type: str, body: str) -> bool:
        if not self.connected:
            return False
        self.sent.append(f"{sender} {target} {msg_type} " + body.replace("\x01", "|"))
        if target == "FIXSERVER":
            self.venue.take(NAMES.index(sender), msg_type, body)
        return True

    def log_on(self) -> None:
        self.connected = True
        for name in NAMES:
            self.bots.take(Happened(name, "FIXSERVER", "logon", ""), self.now)
        self.arrive()

    def log_out(self) -> None:
        self.connected = False
        self.venue.take_answers()
        for name in NAMES:
            self.bots.take(Happened(name, "FIXSERVER", "logout", ""), self.now)

    def arrive(self) -> None:
        while answers := self.venue.take_answers():
            for owner, message in answers:
                text = "".join(f"{tag}={value}\x01" for tag, value in message.items())
                self.bots.take(Happened(NAMES[owner], "FIXSERVER", "message", text), self.now)

    def steps(self, count: int, *, arrive: bool = True) -> None:
        for _ in range(count):
            self.bots.step(self.now)
            self.now += 0.03
            if arrive:
                self.arrive()

    def orders(self) -> dict[str, list[str]]:
        """What each bot believes to be open."""
        return {
            name: sorted(f"{o.reference} {o.leaves / 10**o.terms.quantity_decimals:g}" for o in bot.positions.orders.values())
            for name, bot in self.bots.bots.items()
        }

    def resting(self) -> dict[str, list[str]]:
        """What is open."""
        return {
            name: sorted(f"{o.cl_ord_id} {float(o.leaves):g}" for o in self.venue.orders if o.owner == owner)
            for owner, name in enumerate(NAMES)
        }


@pytest.fixture
def stand() -> Stand:
    found = Stand()
    found.log_on()
    return found


# ---------------------------------------------------------------------------------------------------- together


def without_times(messages: list[str]) -> list[str]:
    return ["|".join(pair for pair in message.split("|") if not pair.startswith("60=")) for message in messages]


def test_the_same_seed_trades_the_same_and_another_does_not():
    runs = []
    for seed in (1, 1, 2):
        stand = Stand(seed)
        stand.log_on()
        stand.steps(1500)
        runs.append(without_times(stand.sent))
    assert runs[0] == runs[1] != runs[2]


def test_everyone_trades_and_knows_what_is_open(stand):
    stand.steps(4000)
    tallies = {name: bot.positions.tally for name, bot in stand.bots.bots.items()}
    assert all(tally.fills > 10 for name, tally in tallies.items() if not name.startswith("MOMENTUM"))
    assert sum(tally.rejects for tally in tallies.values()) == 0
    assert stand.orders() == stand.resting()
    for bot in stand.bots.bots.values():
        bot.positions._check()


def test_cash_and_shares_are_conserved_and_nobody_spends_what_he_has_not(stand):
    begun = [(bot.positions.cash, dict(bot.positions.holdings)) for bot in stand.bots.bots.values()]
    for _ in range(40):
        stand.steps(100)
        for bot in stand.bots.bots.values():
            assert bot.positions.available_cash() >= 0
            assert all(bot.positions.available(symbol) >= 0 for symbol in bot.positions.terms)
    ended = [bot.positions for bot in stand.bots.bots.values()]
    assert sum(p.cash for p in ended) == sum(cash for cash, _ in begun)
    for symbol in stand.bots.market:
        assert sum(p.holdings.get(symbol, 0) for p in ended) == sum(holdings.get(symbol, 0) for _, holdings in begun)


def test_noise_traders_stay_small(stand):
    stand.steps(2000)
    noise = [message for message in stand.sent if message.startswith("NOISE") and " D " in message]
    assert len(noise) > 100
    for message in noise:
        order = dict(pair.split("=") for pair in message.split(" D ")[1].rstrip("|").split("|"))
        assert float(order["38"]) * float(order["44"]) <= 510


def test_what_an_earlier_run_left_open_is_canceled_before_anything_else():
    stand = Stand()
    stand.venue.take(0, "D", "11=old-1\x0155=AAPL\x0154=1\x0138=5\x0144=1.00\x0159=0\x01")
    stand.venue.take_answers()
    stand.log_on()
    assert stand.venue.received[1:] == [f"{owner} q b-1" for owner in range(len(NAMES))]
    assert stand.venue.orders == []


# ------------------------------------------------------------------------------------------- the venue goes away


def test_no_order_is_lost_or_doubled_in_the_view_when_the_venue_comes_back(stand):
    for turn in range(30):
        stand.steps(40 + turn)
        stand.steps(turn % 7, arrive=False)  # these are answered when nobody listens
        stand.log_out()
        stand.steps(3)
        stand.log_on()
        stand.arrive()
        assert stand.orders() == stand.resting()


def test_nothing_is_sent_while_the_answers_are_due(stand):
    stand.steps(50)
    stand.log_out()
    stand.connected = True
    for name in NAMES:
        stand.bots.take(Happened(name, "FIXSERVER", "logon", ""), stand.now)
    asked = len(stand.sent)
    stand.steps(50, arrive=False)
    assert len(stand.sent) == asked


def test_who_gets_no_answer_asks_again(stand):
    stand.steps(50)
    stand.log_out()
    stand.connected = True
    stand.bots.take(Happened("MAKER1", "FIXSERVER", "logon", ""), stand.now)
    stand.venue.take_answers()
    stand.now += 10
    stand.steps(len(NAMES) * 2)
    assert stand.bots.bots["MAKER1"].is_ready
    assert stand.orders()["MAKER1"] == stand.resting()["MAKER1"]


def test_leaving_cancels_everything(stand):
    stand.steps(300)
    stand.bots.leave(stand.now)
    assert not stand.bots.has_left
    stand.arrive()
    assert stand.bots.has_left and stand.venue.orders == []


# --------------------------------------------------------------------------------------------------- the feed


def feed(stand: Stand, text: str) -> None:
    stand.bots.take(Happened("MAKER1", "FIXSERVER-MD", "message", text.replace("|", "\x01")), 0.0)


def test_the_feed_is_asked_for_best_prices_and_trades_of_everything(stand):
    stand.bots.take(Happened("MAKER1", "FIXSERVER-MD", "logon", ""), 0.0)
    symbols = ["AAPL", "MSFT", "GOOG", "AMZN", "TSLA", "BTCUSD"]
    assert stand.sent[-7:] == [
        "MAKER1 FIXSERVER-MD V 262=bots|263=1|264=1|265=1|266=Y|267=3|269=0|269=1|269=2|146=6|"
        + "".join(f"55={symbol}|" for symbol in symbols),
        *(f"MAKER1 FIXSERVER-MD e 324={symbol}|55={symbol}|263=1|" for symbol in symbols),
    ]
    assert market_data_request(["A"]).endswith("146=1\x0155=A\x01")


def test_snapshots_and_increments_are_followed(stand):
    stand.bots.take(Happened("MAKER1", "FIXSERVER-MD", "logon", ""), 0.0)
    feed(stand, "35=W|262=bots|55=AAPL|268=3|269=0|270=189.40|271=5|269=1|270=189.60|271=5|269=2|270=189.50|271=1|")
    assert stand.bots.market["AAPL"] == Quote(18_940, 18_960, 18_950, bid_quantity=5, ask_quantity=5)
    better = "279=0|269=0|55=AAPL|270=189.45|271=1|279=2|269=0|55=AAPL|270=189.40|"
    feed(stand, f"35=X|262=bots|268=3|{better}279=0|269=2|55=AAPL|270=189.6|271=2|")
    assert (stand.bots.market["AAPL"].bid, stand.bots.market["AAPL"].last) == (18_945, 18_960)
    assert list(stand.bots.market["AAPL"].trades) == [18_960]
    feed(stand, "35=X|262=bots|268=1|279=2|269=1|55=AAPL|270=189.60|")
    assert stand.bots.market["AAPL"].ask == 0


def test_without_a_feed_the_own_fills_are_what_is_known(stand):
    stand.steps(1000)
    assert any(quote.trades for quote in stand.bots.market.values())


def test_a_feed_that_is_lost_takes_its_prices_with_it(stand):
    stand.bots.take(Happened("MAKER1", "FIXSERVER-MD", "logon", ""), 0.0)
    feed(stand, "35=W|262=bots|55=AAPL|268=1|269=0|270=189.40|271=5|")
    stand.bots.take(Happened("MAKER1", "FIXSERVER-MD", "logout", ""), 0.0)
    assert (stand.bots.market["AAPL"].bid, stand.bots.feed_is_on) == (0, False)


# ---------------------------------------------------------------------------------------------------- phases


def tell(stand: Stand, sender: str, target: str, text: str) -> None:
    stand.bots.take(Happened(sender, target, "message", text.replace("|", "\x01")), stand.now)


def entered(stand: Stand) -> set[str]:
    """The instruments of the orders that were entered or changed since the last time."""
    sent, stand.sent = stand.sent, []
    return {message.split("|55=")[1].split("|")[0] for message in sent if message.split()[2] in ("D", "G")}


@pytest.mark.parametrize(("sender", "target"), [("MAKER1", "FIXSERVER-MD"), ("NOISE1", "FIXSERVER")])
def test_an_instrument_that_is_not_traded_is_let_alone_until_it_is(stand, capsys, sender, target):
    """Whoever is told tells all: the feed, or the desk that orders go to."""
    stand.steps(200)
    assert "AAPL" in entered(stand)
    tell(stand, sender, target, "35=h|336=MAIN|340=1|58=halted|")
    tell(stand, sender, target, "35=f|55=AAPL|336=MAIN|326=2|58=halted|")
    stand.steps(400)
    assert entered(stand) == {"MSFT", "GOOG", "AMZN", "TSLA", "BTCUSD"}
    tell(stand, sender, target, "35=f|55=AAPL|336=MAIN|326=17|58=continuous|")
    stand.steps(400)
    assert "AAPL" in entered(stand)
    assert capsys.readouterr().err == "", "nothing of this is worth a word"


def test_a_change_that_is_refused_is_not_tried_again_at_once(stand):
    stand.steps(200)
    maker = stand.bots.bots["MAKER1"]
    while not maker.positions._changes:
        stand.steps(1, arrive=False)
    (reference, order), *_ = maker.positions._changes.items()
    stand.venue.take_answers()
    symbol, side = order.terms.symbol, order.side
    tell(stand, "MAKER1", "FIXSERVER", f"35=9|11={reference}|41={order.reference}|39=0|434=2|102=99|58=halted|")
    assert isinstance(maker.strategy, MarketMaker) and maker.strategy.rests(symbol, side)
    assert order.is_settled and order.reference in maker.positions.orders


def test_without_a_feed_a_new_logon_begins_with_the_belief_that_all_is_traded(stand):
    tell(stand, "NOISE1", "FIXSERVER", "35=f|55=AAPL|336=MAIN|326=2|58=halted|")
    assert not stand.bots.market["AAPL"].trading
    stand.log_out()
    stand.log_on()
    assert stand.bots.market["AAPL"].trading


def test_a_trade_that_is_taken_back_is_no_trade(stand):
    x = "35=X|262=bots|268=1|"
    tell(stand, "MAKER1", "FIXSERVER-MD", x + "279=0|269=2|278=7|55=AAPL|270=190.00|271=1|83=1|")
    tell(stand, "MAKER1", "FIXSERVER-MD", x + "279=1|269=2|278=7|55=AAPL|270=1.00|271=1|83=2|")
    tell(stand, "MAKER1", "FIXSERVER-MD", x + "279=2|269=2|278=7|55=AAPL|270=1.00|271=1|83=3|")
    assert list(stand.bots.market["AAPL"].trades) == [19_000]


def test_groups_begin_with_their_first_tag():
    pairs = [("35", "X"), ("279", "0"), ("55", "A"), ("279", "1"), ("55", "B")]
    assert groups(pairs, "279") == [{"279": "0", "55": "A"}, {"279": "1", "55": "B"}]
    assert fields("35=8\x0158=a=b\x01") == {"35": "8", "58": "a=b"}


# --------------------------------------------------------------------------------------------- each by himself


def settle(positions: Positions, action: Action) -> None:
    """Do what was decided, as if the venue had taken it."""
    if isinstance(action, Enter):
        positions.enter(action.label, action.symbol, action.side, action.price, action.quantity, action.time_in_force, 0)
        next(reversed(positions.orders.values())).acknowledged = True
    elif isinstance(action, Replace):
        action.order.price, action.order.quantity = action.price, action.quantity
    elif isinstance(action, Cancel):
        positions.drop(action.order)


def test_a_market_maker_quotes_both_sides_of_everything_without_crossing_itself():
    maker, positions = MarketMaker("1"), positions_of(CONFIG, "MAKER1", "b")
    for _ in range(400):
        if action := maker.decide(positions, {}):
            settle(positions, action)
        for symbol in positions.terms:
            mine = [order for order in positions.orders.values() if order.terms.symbol == symbol]
            bids, asks = [o.price for o in mine if o.side == "1"], [o.price for o in mine if o.side == "2"]
            assert max(bids, default=0) < min(asks, default=10**9)
    assert len(positions.orders) == len(positions.terms) * MarketMaker.LEVELS * 2


def test_a_market_maker_goes_where_the_trades_are():
    maker, positions = MarketMaker("1"), positions_of(CONFIG, "MAKER1", "b")
    market = {"AAPL": Quote(last=20_000)}
    for _ in range(600):
        if action := maker.decide(positions, market):
            settle(positions, action)
    bids = [o.price for o in positions.orders.values() if (o.terms.symbol, o.side) == ("AAPL", "1")]
    assert 19_700 < max(bids) < 20_100


def test_a_market_maker_with_nothing_to_sell_and_nothing_to_pay_with_does_not_quote():
    maker, positions = MarketMaker("1"), positions_of(CONFIG, "MAKER1", "b")
    positions.cash, positions.holdings = MONEY_UNIT, {}
    assert [maker.decide(positions, {}) for _ in range(50)] == [None] * 50


def test_a_side_that_was_refused_rests_a_while():
    trader, positions = NoiseTrader("1"), positions_of(CONFIG, "NOISE1", "b")
    for symbol in positions.terms:
        trader.refused(symbol, "1")
    decided = [trader.decide(positions, {}) for _ in range(NoiseTrader.REST_TURNS + 60)]
    assert decided[: NoiseTrader.REST_TURNS - 1] == [None] * (NoiseTrader.REST_TURNS - 1)
    assert any(decided)


def test_a_noise_trader_cancels_what_got_old_and_keeps_few_orders():
    trader, positions = NoiseTrader("1"), positions_of(CONFIG, "NOISE1", "b")
    actions = []
    for _ in range(300):
        if action := trader.decide(positions, {}):
            settle(positions, action)
            actions.append(action)
        assert len(positions.orders) <= NoiseTrader.OPEN_MAX
    assert any(isinstance(action, Cancel) for action in actions)


def moving(prices: range) -> dict[str, Quote]:
    quote = Quote(bid=prices[-1] - 5, ask=prices[-1] + 5)
    for price in prices:
        quote.traded(price)
    return {"AAPL": quote}


def first(trader: MomentumTrader, positions: Positions, market: dict[str, Quote]) -> Action | None:
    return next((action for _ in range(200) if (action := trader.decide(positions, market))), None)


def test_a_momentum_trader_buys_what_rises_and_sells_it_when_it_falls():
    trader, positions = MomentumTrader("1"), positions_of(CONFIG, "MOMENTUM1", "b")
    bought = first(trader, positions, moving(range(18_900, 19_020, 10)))
    assert isinstance(bought, Enter)
    assert (bought.symbol, bought.side, bought.quantity, bought.time_in_force) == ("AAPL", "1", 10, "3")
    positions.holdings["AAPL"] = 10
    assert first(trader, positions, moving(range(19_000, 19_012))) is None
    sold = first(trader, positions, moving(range(19_020, 18_900, -10)))
    assert isinstance(sold, Enter)
    assert (sold.symbol, sold.side, sold.quantity) == ("AAPL", "2", 10)


def test_a_momentum_trader_waits_where_nothing_moves_or_too_little_is_known():
    trader, positions = MomentumTrader("1"), positions_of(CONFIG, "MOMENTUM1", "b")
    assert first(trader, positions, moving(range(19_000, 19_012))) is None
    assert first(trader, positions, moving(range(19_000, 19_100, 20))) is None
    assert first(trader, positions, {}) is None


# ------------------------------------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ((6, 0, 0), "participants: has no MAKER6, so that there cannot be 6 of them: add participants, or ask for fewer"),
        ((0, 0, 0), "participants: no bot was asked for: --makers, --noise and --momentum are all 0"),
    ],
)
def test_more_bots_than_participants_is_one_clear_line(wanted, says):
    with pytest.raises(configuration.ConfigError) as error:
        chosen(CONFIG, *wanted)
    assert str(error.value) == f"{CONFIG.file}: {says}"


@pytest.mark.parametrize(
    "arguments", [["--rate", "0"], ["--rate", "9999"], ["--makers", "-1"], ["--seconds", "no"], ["--noise", "x"]]
)
def test_a_bad_argument_is_refused(arguments, capsys):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(arguments)
    assert arguments[1].lstrip("-") in capsys.readouterr().err


def test_the_scoreboard_has_a_line_for_each_the_most_profit_first_and_profits_that_sum_to_nothing(stand):
    stand.steps(1000)
    head, *lines = stand.bots.scoreboard().splitlines()
    assert head.split()[0] == "strategy" and sorted(line.split()[0] for line in lines) == sorted(NAMES)
    profits = [int(line.split()[-1].replace(",", "")) for line in lines]
    assert profits == sorted(profits, reverse=True) and abs(sum(profits)) <= len(NAMES)
    assert stand.bots.line().startswith("bots: 6 of 6 bots on, no feed, ")


# ------------------------------------------------------------------------------------------ strategies of a user


class Watching(Strategy):
    """Notes what it is asked, and bids once."""

    timer_ms = 500

    def __init__(self) -> None:
        self.asked: list[str] = []

    def on_start(self) -> None:
        self.asked.append("start")
        self.broker.buy("AAPL", 5, "189.00")

    def on_book(self, market: Market, symbol: str) -> None:
        self.asked.append(f"book {symbol} {market[symbol].bid} x {market[symbol].bid_quantity}")

    def on_fill(self, fill: Fill) -> None:
        self.asked.append(f"fill {fill.side} {fill.quantity} at {fill.price}")

    def on_reject(self, symbol: str, side: str, text: str) -> None:
        self.asked.append(f"reject {side} {symbol}: {text}")

    def on_timer(self, now: datetime) -> None:
        self.asked.append("timer")


class Raising(Strategy):
    """Bids, and fails at its first timer."""

    def on_start(self) -> None:
        self.broker.buy("AAPL", 5, "188.00")

    def on_timer(self, now: datetime) -> None:
        raise KeyError("AAPL")


class Own(Stand):
    """A stand with a strategy of a user in the place of the first maker."""

    def __init__(self, strategy: type[Strategy]) -> None:
        self.own = Seat(NAMES[0], strategy, "mine")
        super().__init__()
        self.bots = Bots(CONFIG, [self.own, *SEATS[1:]], 1, "b", self)
        self.log_on()

    @property
    def asked(self) -> list[str]:
        strategy = self.bots.bots[NAMES[0]].strategy
        assert isinstance(strategy, Watching)
        return strategy.asked

    def timers(self, seconds: float) -> None:
        self.now += seconds
        self.bots.run_timers(self.now)
        self.arrive()


def test_a_strategy_of_a_user_is_asked_by_timers_of_its_own_and_takes_no_turns():
    stand = Own(Watching)
    stand.steps(50)
    assert stand.asked == []
    stand.timers(0.0)
    assert stand.asked == ["start", "timer"]
    assert "11=b-2|1=MAKER1|21=1|55=AAPL|54=1|" in stand.sent[-1] and "|38=5|40=2|44=189.00|59=0|" in stand.sent[-1]
    stand.timers(0.3)
    stand.timers(0.3)
    assert stand.asked == ["start", "timer", "timer"]
    assert stand.bots.next_timer() == stand.now + 0.5


def test_it_is_told_of_fills_of_books_and_of_refusals():
    stand = Own(Watching)
    stand.timers(0.0)
    stand.asked.clear()
    stand.venue.take(NAMES.index("NOISE1"), "D", "11=x\x0155=AAPL\x0154=2\x0138=3\x0144=188.50\x0159=3\x01")
    stand.arrive()
    stand.bots.take(Happened(NAMES[0], "FIXSERVER-MD", "logon", ""), stand.now)
    feed(stand, "35=W|262=bots|55=AAPL|268=2|269=0|270=189.40|271=5|269=1|270=189.60|271=5|")
    feed(stand, "35=X|262=bots|268=1|279=1|269=0|55=AAPL|270=189.40|271=2|")
    feed(stand, "35=f|55=MSFT|336=MAIN|326=2|58=halted|")
    stand.venue.refuse["D"] = {"35": "8", "17": "r", "150": "8", "103": "99", "58": "halted"}
    stand.bots.bots[NAMES[0]].strategy.broker.sell("MSFT", 1, "415.00")
    stand.arrive()
    assert stand.asked == [
        "fill buy 3 at 189.00", "book AAPL 189.40 x 5", "book AAPL 189.40 x 2", "book MSFT None x 0", "reject sell MSFT: halted",
    ]  # fmt: skip


def test_a_strategy_that_raises_is_named_loses_its_orders_and_stops_nobody_else(capsys):
    stand = Own(Raising)
    stand.timers(0.0)
    assert capsys.readouterr().err.startswith("bots: MAKER1 (Raising) is stopped: test_bots.py:")
    assert [order for order in stand.venue.orders if order.owner == 0] == []
    sent = len(stand.sent)
    for _ in range(5):
        stand.timers(1.0)
    assert len(stand.sent) == sent, "it is not asked again"
    stand.steps(500)
    assert len(stand.sent) > sent + 50
    assert "MAKER1 (Raising) is stopped" in stand.bots.scoreboard()
    stand.log_out()
    stand.log_on()
    stand.timers(1.0)
    assert not any(message.startswith("MAKER1 FIXSERVER D") for message in stand.sent[sent:])
