"""Phases, auctions, hidden quantity, and trades that are taken back, as a client of the market-data port hears of them."""

from __future__ import annotations

import msgspec
import pytest
from md_stand import REFERENCE, Client, Stand

from matching.messages import (
    BUY,
    MARKET,
    SELL,
    BustTrade,
    Conditions,
    CorrectTrade,
    DefineInstrument,
    NewOrder,
    PublishIndicative,
    RollDay,
    SetPhase,
    SetReference,
    Traded,
)

VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
ALL = "267=6|269=0|269=1|269=2|269=A|269=Q|269=B|146=1|55=AAPL|"


def said(client: Client) -> list[str]:
    """The messages since the last time, without what says when: `f 55=AAPL|...`."""
    return [f"{msg_type} {without_time(body)}" for msg_type, body in client.take()]


def without_time(body: str) -> str:
    return "".join(f"{field}|" for field in body.split("|") if field and field.split("=")[0] not in ("60", "272", "273", "779"))


def follow(stand: Stand, version: str = "FIX.4.4", kinds: str = ALL) -> Client:
    client = stand.logon(begin_string=version)
    stand.ask(client, f"262=s|263=1|264=0|265=1|{kinds}")
    return client


def ask(stand: Stand, client: Client, fields: str) -> list[str]:
    """Send a message, fields with | for SOH, and return what was answered."""
    stand.desk.on_message(client, f"8={client.begin_string}|9=0|{fields}|10=000|".replace("|", "\x01"))
    stand.turn()
    return said(client)


def trades(stand: Stand, price: int = REFERENCE, quantity: int = 5) -> Traded:
    venue = stand.venue
    batch = venue.submit([venue.order("ALICE", SELL, price, quantity), venue.order("BOB", BUY, price, quantity)])
    stand.turn()
    return next(event for event in batch.events if isinstance(event, Traded))


# ---------------------------------------------------------------------------------------------- phases


@pytest.mark.parametrize(
    ("version", "instrument", "market"),
    [
        ("FIX.4.2", "55=AAPL|336=MAIN|325=Y|326=2|", "336=MAIN|338=1|325=Y|340=1|58=halted|"),
        ("FIX.4.4", "55=AAPL|336=MAIN|625=7|325=Y|326=2|58=halted|", "336=MAIN|625=7|338=1|325=Y|340=1|58=halted|"),
        (
            "FIXT.1.1",
            "55=AAPL|1300=MAIN|336=1|625=7|325=Y|326=2|58=halted|",
            "1300=MAIN|336=1|625=7|338=1|325=Y|340=1|58=halted|",
        ),
    ],
)
def test_all_who_are_logged_on_are_told_when_a_phase_changes(stand: Stand, version: str, instrument: str, market: str) -> None:
    client = stand.logon(begin_string=version)
    stand.submit(SetPhase("", "halted", "MAIN", "operator eve"))
    assert said(client) == [f"h {market}", f"f {instrument}", f"f {instrument.replace('AAPL', 'BTCUSD')}"]
    stand.desk.on_logout(client)
    stand.submit(SetPhase("AAPL", "continuous", by="operator eve"))
    assert said(client) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_security_status_is_asked_for(stand: Stand, version: str) -> None:
    trades(stand, 1010)
    client = stand.logon(begin_string=version)
    unasked = stand.logon(begin_string=version)
    stand.submit(SetPhase("AAPL", "pre-open"))
    (told,) = said(unasked)
    said(client)
    assert ask(stand, client, "35=e|34=2|324=q|55=AAPL|263=1") == [told.replace("f ", "f 324=q|").replace("325=Y|", "")]
    assert "|31=10.10|" in told
    assert ask(stand, client, "35=e|34=3|324=q|55=AAPL|263=2") == [], "there is nothing to end"
    unknown = "58=unknown symbol NONE|" if version != "FIX.4.2" else ""
    assert ask(stand, client, "35=e|34=4|324=q|55=NONE|263=0") == [f"f 324=q|55=NONE|326=20|{unknown}"]


def test_the_phase_of_markets_is_asked_for(stand: Stand) -> None:
    stand.submit(DefineInstrument("ETH", "USD", 2, 0, 1, 1, 10**9, 10**18, REFERENCE, 5_000, market="COINS"))
    client = stand.logon()
    stand.submit(SetPhase("", "closed", "COINS"))
    said(client)
    main = "h 335=q|336=MAIN|625=3|338=1|340=2|58=continuous|"
    coins = "h 335=q|336=COINS|625=7|338=1|340=3|58=closed|"
    assert ask(stand, client, "35=g|34=2|335=q|263=0") == [main, coins]
    assert ask(stand, client, "35=g|34=3|335=q|336=COINS|263=1") == [coins]
    assert ask(stand, client, "35=g|34=4|335=q|336=COINS|263=2") == []
    assert ask(stand, client, "35=g|34=5|335=q|336=MOON|263=0") == ["h 335=q|336=MOON|340=6|567=1|58=unknown market MOON|"]
    old, new = stand.logon(begin_string="FIX.4.2"), stand.logon(begin_string="FIXT.1.1")
    assert ask(stand, old, "35=g|34=2|335=q|336=MOON|263=0") == ["j 45=2|372=g|379=q|380=1|58=unknown market MOON|"]
    assert ask(stand, new, "35=g|34=2|335=q|1300=COINS|263=0") == ["h 335=q|1300=COINS|336=1|625=7|338=1|340=3|58=closed|"]


def test_the_instruments_are_asked_for(stand: Stand) -> None:
    client = stand.logon()
    head = f"320=q|322={stand.feed.depth.cursor}"
    aapl = "55=AAPL|15=USD|561=1|562=1|336=MAIN|58=tick 0.01, at most 1000000000 an order, prices from 5.00 to 15.00|"
    coin = "55=BTCUSD|15=USD|561=0.001|562=0.001|336=MAIN|58=tick 0.1, at most 1000000.000 an order, prices from 50.0 to 150.0|"
    assert ask(stand, client, "35=x|34=2|320=q|559=4") == [f"y {head}-1|560=0|393=2|893=Y|146=2|{aapl}{coin}"]
    assert ask(stand, client, "35=x|34=3|320=q|559=0|55=AAPL") == [f"y {head}-2|560=0|393=1|893=Y|146=1|{aapl}"]
    assert ask(stand, client, "35=x|34=4|320=q|559=0|55=NONE") == [f"y {head}-3|560=2|"]
    assert ask(stand, client, "35=x|34=5|320=q|559=2") == [f"y {head}-4|560=1|"]
    stand.submit(SetReference("AAPL", 2_000, "operator eve"))
    assert "prices from 10.00 to 30.00" in ask(stand, client, "35=x|34=6|320=q|559=0|55=AAPL")[0]


def test_who_asks_again_and_again_is_told_to_wait(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketdata.pacing.SNAPSHOT_ENTRIES_PER_SECOND", 2)
    client = stand.logon()
    assert ask(stand, client, "35=x|34=2|320=q|559=4")[0].startswith("y ")
    refused = "j 45=3|372=x|379=q|380=0|58=too much was asked for in a second|"
    assert ask(stand, client, "35=x|34=3|320=q|559=4") == [refused]
    stand.clock.now += 1
    assert ask(stand, client, "35=x|34=4|320=q|559=4")[0].startswith("y ")


def test_an_instrument_that_is_added_can_be_followed_at_once(stand: Stand) -> None:
    client = stand.logon()
    assert stand.ask(client, "262=e|263=1|264=0|265=1|267=1|269=0|146=1|55=ETH|")[0][0] == "Y"
    stand.submit(DefineInstrument("ETH", "USD", 2, 0, 1, 1, 10**9, 10**18, REFERENCE, 5_000, phase="pre-open", by="operator eve"))
    assert stand.ask(client, "262=e|263=1|264=0|265=1|267=1|269=0|146=1|55=ETH|")[0][0] == "W"
    assert "326=21|" in ask(stand, client, "35=e|34=2|324=q|55=ETH|263=0")[0]


# -------------------------------------------------------------------------------------------- auctions


def test_an_auction_from_its_first_order_to_what_it_trades(stand: Stand) -> None:
    """Orders gather crossed; what they would yield is indicative; when they trade, the price stands until the next auction."""
    venue, client = stand.venue, follow(stand)
    stand.submit(SetPhase("AAPL", "opening-auction"))
    assert said(client) == ["f 55=AAPL|336=MAIN|625=2|325=Y|326=22|58=opening-auction|"]
    stand.submit(venue.order("ALICE", SELL, 1000, 5), venue.order("BOB", BUY, 1002, 8))
    assert said(client) == [
        "X 262=s|268=2|279=0|269=0|55=AAPL|270=10.02|271=8|346=1|290=1|83=1|279=0|269=1|55=AAPL|270=10.00|271=5|346=1|290=1|83=2|"
    ]
    stand.submit(PublishIndicative())
    assert said(client) == [
        "X 262=s|268=2|279=0|269=A|55=AAPL|270=10.02|271=3|277=P|83=3|279=0|269=Q|55=AAPL|270=10.02|271=5|276=I|83=4|"
    ]
    stand.submit(venue.order("CAROL", SELL, 1000, 9), PublishIndicative())
    assert said(client) == [
        "X 262=s|268=3|279=1|269=1|55=AAPL|270=10.00|271=14|346=2|290=1|83=5|"
        "279=1|269=A|55=AAPL|270=10.00|271=6|277=Q|83=6|279=1|269=Q|55=AAPL|270=10.00|271=8|276=I|83=7|"
    ]
    snapshot = "269=A|270=10.00|271=6|277=Q|83=7|269=Q|270=10.00|271=8|276=I|83=7|"
    assert stand.ask(client, f"262=w|263=0|264=0|{ALL}")[0][1].endswith(snapshot)
    batch = venue.submit([SetPhase("AAPL", "continuous")])
    stand.turn()
    one, two = (event.seq for event in batch.events if isinstance(event, Traded))
    assert said(client) == [
        f"X 262=s|268=6|279=0|269=2|278={one}|55=AAPL|270=10.00|271=5|83=8|279=0|269=2|278={two}|55=AAPL|270=10.00|271=3|83=9|"
        "279=2|269=0|55=AAPL|270=10.02|83=10|279=1|269=1|55=AAPL|270=10.00|271=6|346=1|290=1|83=11|"
        "279=0|269=B|55=AAPL|271=8|83=12|279=1|269=Q|55=AAPL|270=10.00|271=8|83=13|",
        "f 55=AAPL|336=MAIN|625=3|325=Y|326=17|31=10.00|58=continuous|",
    ], "the imbalance stays as it was"
    stand.submit(SetPhase("AAPL", "volatility-auction"))
    assert said(client)[0] == "X 262=s|268=2|279=2|269=A|55=AAPL|270=10.00|83=14|279=2|269=Q|55=AAPL|270=10.00|83=15|"


def test_trades_of_an_auction_have_no_aggressor(stand: Stand) -> None:
    venue, client = stand.venue, follow(stand, "FIXT.1.1", "267=1|269=2|146=1|55=AAPL|")
    stand.submit(SetPhase("AAPL", "opening-auction"), venue.order("ALICE", SELL, 1000, 5), venue.order("BOB", BUY, 1002, 5))
    said(client)
    batch = venue.submit([SetPhase("AAPL", "continuous")])
    stand.turn()
    (trade,) = (event for event in batch.events if isinstance(event, Traded))
    assert said(client)[0] == (
        f"X 262=s|268=1|279=0|269=2|278={trade.seq}|55=AAPL|270=10.00|271=5|1003={trade.seq}|83=1|"
    )


def test_when_a_volatility_auction_ends_is_said(stand: Stand) -> None:
    client = stand.logon()
    stand.submit(SetPhase("AAPL", "volatility-auction"))
    until = "until 20231114-22:18:20.002"  # five minutes after the command
    assert said(client) == [f"f 55=AAPL|336=MAIN|625=9|325=Y|326=5|58=volatility-auction {until}|"]
    assert ask(stand, client, "35=e|34=2|324=q|55=AAPL|263=0")[0].endswith(f"58=volatility-auction {until}|")


def test_a_market_order_that_waits_for_an_auction_is_not_shown(stand: Stand) -> None:
    venue, client = stand.venue, follow(stand)
    stand.submit(SetPhase("AAPL", "pre-open"))
    said(client)
    stand.submit(venue.order("BOB", BUY, 0, 7, order_type=MARKET), venue.order("BOB", BUY, 990, 1))
    assert said(client) == ["X 262=s|268=1|279=0|269=0|55=AAPL|270=9.90|271=1|346=1|290=1|83=1|"]


# ------------------------------------------------------------------------------------ what is not shown


def iceberg(stand: Stand, side: str, price: int, quantity: int, display: int) -> NewOrder:
    order = stand.venue.order("ALICE", side, price, quantity)
    return msgspec.structs.replace(order, conditions=Conditions(display_quantity=display))


def test_of_an_iceberg_only_what_is_displayed_is_shown_and_a_new_slice_stands_behind_others(stand: Stand) -> None:
    venue, client = stand.venue, follow(stand, kinds="267=1|269=1|146=1|55=AAPL|")
    by_order = stand.logon()
    stand.ask(by_order, "262=o|263=1|264=0|265=1|266=N|267=1|269=1|146=1|55=AAPL|")
    order = iceberg(stand, SELL, 1000, 50, 10)
    stand.submit(order, venue.order("CAROL", SELL, 1000, 4))
    first = stand.venue.engine.order("ALICE", order.cl_ord_id).order_id  # type: ignore[union-attr]
    assert said(client) == ["X 262=s|268=1|279=0|269=1|55=AAPL|270=10.00|271=14|346=2|290=1|83=1|"]
    stand.submit(venue.order("BOB", BUY, 1000, 3))
    assert said(client) == ["X 262=s|268=1|279=1|269=1|55=AAPL|270=10.00|271=11|346=2|290=1|83=2|"]
    said(by_order)
    stand.submit(venue.order("BOB", BUY, 1000, 7))
    assert said(client) == ["X 262=s|268=1|279=1|269=1|55=AAPL|270=10.00|271=14|346=2|290=1|83=3|"]
    assert said(by_order) == [
        f"X 262=o|268=2|279=2|269=1|278={first}|55=AAPL|270=10.00|37={first}|83=4|"
        f"279=0|269=1|278={first}|55=AAPL|270=10.00|271=10|37={first}|83=5|"
    ]


# --------------------------------------------------------------------------------- busts and corrections


def test_a_trade_that_is_taken_back_is_deleted_and_the_statistics_are_as_if_it_had_not_been(stand: Stand) -> None:
    client = follow(stand, kinds="267=7|269=2|269=4|269=5|269=7|269=8|269=9|269=B|146=1|55=AAPL|")
    kept = trades(stand, 1000, 5)
    high = trades(stand, 1010, 1)
    said(client)
    stand.submit(BustTrade(high, "operator eve"))
    assert said(client) == [
        f"X 262=s|268=4|279=2|269=2|278={high.seq}|55=AAPL|270=10.10|271=1|83=11|"
        "279=1|269=7|55=AAPL|270=10.00|83=12|279=1|269=9|55=AAPL|270=10.000000|83=13|279=1|269=B|55=AAPL|271=5|83=14|"
    ]
    assert stand.feed.depth.books["AAPL"].last.number == kept.seq  # type: ignore[union-attr]
    stand.submit(BustTrade(kept, "operator eve"))
    assert said(client) == [
        f"X 262=s|268=6|279=2|269=2|278={kept.seq}|55=AAPL|270=10.00|271=5|83=15|279=2|269=4|55=AAPL|270=10.00|83=16|"
        "279=2|269=7|55=AAPL|270=10.00|83=17|279=2|269=8|55=AAPL|270=10.00|83=18|279=2|269=9|55=AAPL|270=10.000000|83=19|"
        "279=2|269=B|55=AAPL|83=20|"
    ]
    assert stand.ask(client, "262=w|263=0|264=0|267=1|269=2|146=1|55=AAPL|")[0][1] == "262=w|55=AAPL|268=1|269=J|83=0|"


def test_a_trade_that_is_corrected_is_changed(stand: Stand) -> None:
    client = follow(stand, "FIXT.1.1", "267=3|269=2|269=4|269=B|146=1|55=AAPL|")
    trade = trades(stand, 1000, 5)
    said(client)
    stand.submit(CorrectTrade(trade, 990, 4, "operator eve"))
    number = trade.seq
    assert said(client) == [
        f"X 262=s|268=3|279=1|269=2|278={number}|55=AAPL|270=9.90|271=4|1003={number}|2446=1|83=4|"
        "279=1|269=4|55=AAPL|270=9.90|83=5|279=1|269=B|55=AAPL|271=4|83=6|"
    ]


def test_opening_and_last_price_of_a_day_are_those_of_trades_that_stand(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the trades are kept: what is unknown is not said."""
    monkeypatch.setattr("marketdata.depth.TRADES_KEPT", 3)
    stand.submit(DefineInstrument("ETH", "USD", 2, 0, 1, 1, 10**9, 10**18, REFERENCE, 5_000))
    book = stand.feed.depth.books["AAPL"]
    done = [trades(stand, price, 1) for price in (1001, 1002, 1003, 1004, 1005, 1006, 1007)]
    assert book.statistics()["4"] == 1001
    stand.submit(BustTrade(done[0], "eve"))
    assert (book.statistics()["4"], book.statistics()["8"]) == (1002, 1002)
    stand.submit(BustTrade(done[1], "eve"), BustTrade(done[2], "eve"))
    assert "4" not in book.statistics() and book.statistics()["8"] == 1004
    trades(stand, 1008, 1)
    assert "4" not in book.statistics(), "what comes later did not open the day"
    stand.submit(RollDay("20240102"))
    assert book.statistics() == {"5": 1008}
    assert trades(stand, 1009, 1).price == book.statistics()["4"] == 1009


def test_the_closing_price_is_there_when_the_market_closes(stand: Stand) -> None:
    trades(stand, 1000, 5)
    trades(stand, 1003, 5)
    book = stand.feed.depth.books["AAPL"]
    assert "5" not in book.statistics()
    venue = stand.venue
    stand.submit(SetPhase("AAPL", "closing-auction"), venue.order("ALICE", SELL, 998, 5), venue.order("BOB", BUY, 998, 5))
    assert "5" not in book.statistics()
    stand.submit(SetPhase("AAPL", "closing-price"))
    assert book.statistics()["5"] == 998
    stand.submit(SetPhase("AAPL", "closed"), RollDay("20240102"))
    assert book.statistics() == {"5": 998}
