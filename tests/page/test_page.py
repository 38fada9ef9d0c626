"""The trading screen, driven in a browser against real processes: what a person at it sees and does."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, WebSocketRoute, expect

from tests.page.screen import PHONE, Screen, chromium, needs_chromium
from tests.venue import Client, Venue, free_port, order, wait_for

pytestmark = needs_chromium

HEARTBEAT_SECONDS = 3600  # a client of these tests sends nothing while a person looks at the screen
PROCESSES = ("clearing", "marketdata", "history")


def hear(client: Client, msg_type: str, fields: str) -> None:
    """Read on until the venue has said this; phases and the like may come in between."""
    client.drain(lambda message: message.type == msg_type and message.has(fields))


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with Venue(tmp_path_factory.mktemp("page"), web={"port": free_port()}) as venue:
        for name in PROCESSES:
            venue.launch(name)
        wait_for(lambda: all((venue.data / f"{name}.ports").exists() for name in PROCESSES), "the processes are up", 60)
        yield venue


@pytest.fixture(scope="module")
def base(venue: Venue) -> str:
    return f"http://127.0.0.1:{venue.ports('marketdata')['http']}/"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def maker(venue: Venue) -> Client:
    """TRADER8, by FIX: the other side of what the person at the screen does. There is a last price, of a trade of his."""
    client = venue.client("TRADER8").logon(HEARTBEAT_SECONDS)
    client.send("D", order("M1", "2", 500, "101.00"))
    hear(client, "8", "39=0")
    client.send("D", order("M2", "1", 500, "99.00"))
    hear(client, "8", "39=0")
    other = venue.client("TRADER7").logon(HEARTBEAT_SECONDS)
    other.send("D", order("N1", "1", 5, "101.00"))
    hear(other, "8", "39=0")
    hear(other, "8", "39=2")
    hear(client, "8", "39=1")
    return client


@pytest.fixture
def screen(browser: Browser, base: str, maker: Client) -> Iterator[Screen]:
    screen = Screen(browser, base).open()
    yield screen
    screen.close()


# ------------------------------------------------------------------------------------------------------- for everybody


def test_without_a_name_the_market_is_there_and_nothing_else(screen: Screen) -> None:
    page = screen.page
    screen.expect_text("#instrument-phase", "Trading")
    screen.expect_text("#instrument-last", "101.00")
    screen.expect_text("#instrument-change", "↑ +1.00%")
    screen.expect_text('.level[data-side="offer"]:not(.vacant) >> nth=-1', "101.00")
    screen.expect_text('.level[data-side="bid"]:not(.vacant)', "99.00")
    screen.expect_text(".spread", "Spread 2.00")
    screen.expect_text("#tape tbody tr", "101.00")
    screen.expect_text("#legend", "101.00")
    assert [page.locator(".market").nth(index).get_attribute("data-symbol") for index in range(2)] == ["AAPL", "MSFT"]
    screen.expect_text("#panel-orders", "Sign in to see your orders.")
    screen.expect_text("#ticket-submit", "Sign in to trade")
    page.click("#ticket-submit")
    screen.expect_visible("#sign-in-dialog")


def test_another_market_is_one_click_away(screen: Screen) -> None:
    screen.page.click('.market[data-symbol="MSFT"]')
    screen.expect_text("#instrument-symbol", "MSFT")
    screen.expect_text(".spread", "Nobody quotes")
    screen.expect_visible("#chart-empty")
    screen.expect_count("#tape tbody tr", 0)


def test_a_wrong_password_is_said_in_the_dialog_and_nobody_is_signed_in(browser: Browser, base: str, maker: Client) -> None:
    screen = Screen(browser, base).open()
    page = screen.page
    page.click("#sign-in")
    page.fill("#name", "TRADER1")
    page.fill("#password", "wrong")
    page.click("#sign-in-submit")
    expect(page.locator("#sign-in-problem")).not_to_be_empty()
    screen.expect_value("#password", "")
    screen.expect_visible("#who", is_visible=False)
    assert page.evaluate("sessionStorage.length") == 0
    screen.close(but=("console: Failed to load resource: the server responded with a status of 401",))


# ------------------------------------------------------------------------------------------------------- signed in


def test_a_day_at_the_screen(screen: Screen, maker: Client) -> None:
    page = screen.page
    screen.sign_in()
    page.click("#tab-holdings")
    screen.expect_text("#panel-holdings", "1,000,000")
    page.click("#tab-orders")

    # An order that rests: the venue's words, the table, the ladder.
    screen.order("buy", "10", "100.00")
    screen.expect_text("#ticket-answer", "Open: Buy 10 AAPL at 100.00, day.")
    screen.expect_count("#panel-orders tbody tr", 1)
    screen.expect_text('.level[data-side="bid"][data-own="10"]', "100.00")
    screen.expect_text("#position", "10 in 1 order")

    # Somebody sells to it: said, on the tape, on the chart, in the holdings.
    maker.send("D", order("M3", "2", 4, "100.00"))
    hear(maker, "8", "39=0")
    hear(maker, "8", "39=2")
    screen.expect_text("#polite", "Bought 4 AAPL. at 100.00")
    screen.expect_text("#panel-orders", "Partly filled")
    screen.expect_text('.level[data-side="bid"][data-own="6"]', "100.00")
    screen.expect_text("#tape tbody tr >> nth=0", re.compile(r"100\.00\s*↓\s*seller took\s*4"))
    screen.expect_text("#legend", "C 100.00")
    screen.expect_text("#instrument-last", "100.00 ↓")
    page.click("#tab-holdings")
    screen.expect_text("#panel-holdings", "1,000,004")
    page.click("#tab-executions")
    screen.expect_text("#panel-executions tbody tr >> nth=0", re.compile(r"AAPL\s*Buy\s*4\s*100\.00"))
    page.click("#tab-orders")

    # Another price and quantity, in place.
    page.click('#panel-orders [data-act="change"]')
    page.fill("#panel-orders input >> nth=0", "20")
    page.fill("#panel-orders input >> nth=1", "100.50")
    page.keyboard.press("Enter")
    screen.expect_text('.level[data-side="bid"][data-own="16"]', "100.50")
    screen.expect_count("#panel-orders input", 0)
    assert len(screen.open_orders) == 1
    assert "Buy 20 100.50 4 at 100.00" in screen.open_orders[0]

    # Gone.
    page.click('#panel-orders [data-act="cancel"]')
    screen.expect_text("#panel-orders", "No open orders.")
    screen.expect_count(".level[data-own]", 0)

    page.click("#sign-out")
    screen.expect_text("#panel-orders", "Sign in to see your orders.")
    screen.expect_text("#panel-holdings", "")
    assert page.evaluate("sessionStorage.length") == 0


def test_an_order_that_takes_is_reported_with_its_price(screen: Screen) -> None:
    screen.sign_in("TRADER2")
    screen.order("buy", "3", type="market", time_in_force="ioc")
    screen.expect_text("#ticket-answer", "Filled, 3 at 101.00: Buy 3 AAPL market, IOC.")
    screen.expect_text("#polite", "Bought 3 AAPL. at 101.00")


def test_a_sign_in_lasts_over_a_reload_of_the_tab(screen: Screen) -> None:
    screen.sign_in()
    screen.page.reload()
    screen.expect_text("#who", "TRADER1")
    screen.expect_text("#panel-orders", "No open orders.")


def test_cancel_all_asks_first(screen: Screen) -> None:
    screen.sign_in("TRADER3")
    for number, price in enumerate(("98.00", "97.50"), 1):
        screen.order("buy", "1", price)
        screen.expect_count("#panel-orders tbody tr", number)
    screen.page.click("#cancel-all")
    screen.expect_text("#cancel-all", "Sure? Cancel all 2")
    screen.expect_count("#panel-orders tbody tr", 2)
    screen.page.click("#cancel-all")
    screen.expect_text("#panel-orders", "No open orders.")
    screen.expect_text("#polite", "2 orders canceled")


FIELDS = {
    "limit": ["quantity", "price"],
    "market": ["quantity"],
    "stop": ["quantity", "stop_price"],
    "stop-limit": ["quantity", "price", "stop_price"],
    "market-to-limit": ["quantity"],
    "pegged": ["quantity", "price", "peg", "peg_offset"],
}


def test_the_ticket_has_the_fields_of_each_type_and_no_others(screen: Screen) -> None:
    page = screen.page
    every = sorted({name for names in FIELDS.values() for name in names} | {"expire_time"})
    for kind, fields in FIELDS.items():
        page.select_option("#ticket-type", kind)
        page.wait_for_function("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        assert [name for name in every if page.is_visible(f"#ticket-{name}")] == sorted(fields), kind
    page.select_option("#ticket-time_in_force", "gtd")
    screen.expect_visible("#ticket-expire_time")


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("stop", {"stop_price": "110.00"}, "Stop, Day, stop 110.00"),
        ("stop-limit", {"price": "111.00", "stop_price": "110.00"}, "Stop limit, Day, stop 110.00"),
        ("pegged", {"peg_offset": "-0.10"}, "Pegged, Day, pegged to primary"),
    ],
)
def test_orders_that_wait_or_follow_are_in_the_table_with_their_terms(
    screen: Screen, kind: str, fields: dict[str, str], words: str
) -> None:
    screen.sign_in("TRADER4")
    screen.order("buy", "5", type=kind, **fields)
    screen.expect_count("#panel-orders tbody tr", 1)
    assert words in screen.open_orders[0]
    screen.page.click('#panel-orders [data-act="cancel"]')
    screen.expect_text("#panel-orders", "No open orders.")


def test_what_is_wrong_is_said_at_its_field_before_it_is_sent_and_after(browser: Browser, base: str, maker: Client) -> None:
    screen = Screen(browser, base).open().sign_in("TRADER5")
    page = screen.page
    screen.order("buy", "", "100.005")
    screen.expect_text("#ticket-quantity-problem", "Enter a quantity.")
    screen.expect_text("#ticket-price-problem", "It has to be a multiple of 0.01.")
    assert page.evaluate("document.activeElement.id") == "ticket-quantity"
    assert screen.trouble == []
    # What only the venue can know.
    screen.order("buy", "5", "1000")
    screen.expect_text("#ticket-price-problem", "band")
    screen.order("sell", "1000000", "100.00")
    screen.expect_text("#ticket-answer", "Open")
    screen.order("sell", "1", "100.00")
    screen.expect_text("#ticket-answer", re.compile(r"Refused: .+"))
    page.click("#cancel-all")
    page.click("#cancel-all")
    screen.expect_text("#panel-orders", "No open orders.")
    screen.close(but=("console: Failed to load resource: the server responded with a status of 422",))


def test_a_price_of_the_ladder_goes_into_the_ticket(screen: Screen) -> None:
    screen.page.click('.level[data-side="offer"]:not(.vacant) >> nth=-1')
    screen.expect_value("#ticket-price", "101.00")
    screen.page.fill("#ticket-quantity", "10")
    screen.expect_text("#estimate", "1,010.00 USD")


# -------------------------------------------------------------------------------------------------------- keyboard


def test_everything_works_without_a_mouse(screen: Screen) -> None:
    keys = screen.page.keyboard
    keys.press("i")
    screen.expect_visible("#sign-in-dialog")
    keys.type("TRADER6")
    keys.press("Tab")
    keys.type("demo")
    keys.press("Enter")
    screen.expect_text("#who", "TRADER6")
    screen.expect_text('.level[data-side="bid"]:not(.vacant)', "99.00")
    keys.press("l")  # the ladder: the best bid, up over the spread to the best offer
    keys.press("ArrowUp")
    keys.press("Enter")
    screen.expect_value("#ticket-price", "101.00")
    keys.press("b")
    keys.type("7")
    keys.press("Tab")
    for _ in range(3):
        keys.press("Shift+ArrowDown")
    screen.expect_value("#ticket-price", "100.70")
    keys.press("Enter")
    screen.expect_count("#panel-orders tbody tr", 1)
    keys.press("Escape")
    keys.press("o")
    assert screen.page.evaluate("document.activeElement.id") == "tab-orders"
    while screen.page.evaluate("document.activeElement.dataset.act") != "cancel":
        keys.press("Tab")
    keys.press("Enter")
    screen.expect_text("#panel-orders", "No open orders.")
    keys.press("?")
    screen.expect_visible("#help-dialog")
    keys.press("Escape")
    screen.expect_visible("#help-dialog", is_visible=False)


# ---------------------------------------------------------------------------------------------------------- phases


def test_an_auction_and_a_halt_are_told_in_words(screen: Screen, venue: Venue) -> None:
    client = venue.client("TRADER5").logon(HEARTBEAT_SECONDS)
    for words, symbol_phase in {"Opening auction": ("MSFT", "opening-auction"), "Halted": ("AAPL", "halted")}.items():
        assert venue.command("admin", "--data", str(venue.data), "phase", *symbol_phase).returncode == 0
        screen.expect_text(f'.market[data-symbol="{symbol_phase[0]}"]', words)
    screen.expect_text("#instrument-phase", "Halted")
    screen.page.click('.market[data-symbol="MSFT"]')
    screen.expect_text("#auction", "Opening auction: no price can be made yet.")
    client.send("D", order("P1", "1", 30, "101.00", "MSFT"))
    hear(client, "8", "39=0")
    client.send("D", order("P2", "2", 10, "99.00", "MSFT"))
    hear(client, "8", "39=0")
    screen.expect_text("#auction", re.compile(r"Opening auction: 10 at \d+\.\d\d, 20 more to buy\."))
    screen.expect_text(".spread", "indicative")
    screen.expect_text("#ladder-note", "orders gather")
    for symbol in ("MSFT", "AAPL"):
        assert venue.command("admin", "--data", str(venue.data), "phase", symbol, "continuous").returncode == 0
    screen.expect_text("#instrument-phase", "Trading")
    screen.expect_text("#tape tbody tr", "auction")
    client.send("q", f"11=P3|530=7|60={time.strftime('%Y%m%d-%H:%M:%S', time.gmtime())}|")
    hear(client, "r", "531=7")


# ----------------------------------------------------------------------------------------------- telephone, contrast


def test_on_a_telephone_everything_is_in_one_column(browser: Browser, base: str, maker: Client) -> None:
    screen = Screen(browser, base, PHONE, touches=True)
    page = screen.page
    page.goto(base)
    page.click("#sign-in")
    page.fill("#name", "TRADER2")
    page.fill("#password", "demo")
    page.click("#sign-in-submit")
    screen.expect_visible("#sign-out")
    for tab, shown in {
        "markets": "#market-list", "chart": "#chart", "book": "#ladder", "ticket": "#ticket-form", "account": "#account-tabs",
    }.items():  # fmt: skip
        page.tap(f'#bottom-tabs [data-tab="{tab}"]')
        screen.expect_visible(shown)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], tab
    page.tap('#bottom-tabs [data-tab="ticket"]')
    screen.order("sell", "2", "105.00")
    screen.expect_text("#ticket-answer", "Open")
    page.tap('#bottom-tabs [data-tab="account"]')
    screen.expect_count("#panel-orders tbody tr", 1)
    page.tap('#panel-orders [data-act="cancel"]')
    screen.expect_text("#panel-orders", "No open orders.")
    page.tap("#view-traffic")
    screen.expect_visible("#traffic-search")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert screen.barriers() == []
    screen.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_contrast_names_and_roles_are_as_wcag_asks(browser: Browser, base: str, maker: Client, scheme: str) -> None:
    screen = Screen(browser, base, scheme=scheme).open()
    page = screen.page
    page.click("#sign-in")
    assert screen.barriers() == []
    page.click("#sign-in-leave")
    screen.sign_in("TRADER4")
    screen.order("buy", "2", "95.00")
    screen.expect_count("#panel-orders tbody tr", 1)
    page.click('#panel-orders [data-act="change"]')
    assert screen.barriers() == []
    page.keyboard.press("Escape")
    page.click("#tab-holdings")
    assert screen.barriers() == []
    page.click("#view-traffic")
    screen.expect_visible(".rows .message >> nth=0")
    page.click(".rows .message >> nth=0")
    assert screen.barriers() == []
    page.click("#view-trade")
    page.click("#tab-orders")
    page.click('#panel-orders [data-act="cancel"]')
    screen.expect_text("#panel-orders", "No open orders.")
    screen.close()


def test_the_theme_is_chosen_and_remembered(screen: Screen) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = screen.page.evaluate(ground)
    screen.page.click("#theme")
    light = screen.page.evaluate(ground)
    assert light != dark
    screen.page.reload()
    assert screen.page.evaluate(ground) == light


# ----------------------------------------------------------------------------------------------------- the connection


def test_what_is_missing_is_noticed_by_its_number_and_asked_for_anew(browser: Browser, base: str, maker: Client) -> None:
    screen = Screen(browser, base)
    lost: list[str] = []

    def lose_one(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            said = json.loads(message)
            if said["type"] == "delta" and said["topic"].startswith("book:AAPL") and said["data"] and not lost:
                lost.append(said["topic"])
                return
            socket.send(message)

        server.on_message(pass_on)

    screen.page.route_web_socket("**/v1/stream", lose_one)
    screen.open()
    expect(screen.page.locator('.level[data-side="bid"]:not(.vacant)').first).to_contain_text("99.00")
    for number, price in enumerate(("96.10", "96.20")):  # the first is lost, the second shows that
        maker.send("D", order(f"L{number}", "1", 1, price))
        hear(maker, "8", "39=0")
        if number == 0:
            wait_for(lambda: screen.page.evaluate("1") and lost, "a delta was lost")
    screen.expect_text('.level[data-side="bid"]:not(.vacant) >> nth=1', "96.20")
    screen.expect_text('.level[data-side="bid"]:not(.vacant) >> nth=2', "96.10")
    screen.page.wait_for_function("() => document.querySelector('#connection').title.includes('numbers: 1')")
    screen.close()


def test_memory_is_bounded_however_much_trades(browser: Browser, base: str, maker: Client) -> None:
    screen = Screen(browser, base)

    def flood(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            socket.send(message)
            said = json.loads(message)
            if said["type"] != "snapshot" or said["topic"] != "trades:AAPL":
                return
            number = said["number"]
            trade = {"time": said["time"], "symbol": "AAPL", "price": "100.00", "aggressor": "buy", "status": "traded"}
            for first in range(number + 1, number + 3001, 10):
                data = [["new", {**trade, "id": f"x{one}", "quantity": str(one - number)}] for one in range(first, first + 10)]
                socket.send(json.dumps({**said, "type": "delta", "first": first, "number": first + 9, "data": data}))

        server.on_message(pass_on)

    screen.page.route_web_socket("**/v1/stream", flood)
    screen.open()
    screen.expect_text("#tape tbody tr >> nth=0", "3,000")
    screen.expect_count("#tape tbody tr", 200)
    screen.close()


# ------------------------------------------------------------------------------------------------------- FIX traffic


def test_fix_traffic_is_live_filtered_decoded_and_followed(screen: Screen, venue: Venue, tmp_path: Path) -> None:
    client = venue.client("TRADER3").logon(HEARTBEAT_SECONDS)
    client.send("D", order("T1", "1", 10, "97.00"))
    hear(client, "8", "11=T1|39=0")
    screen.sign_in("TRADER3")
    page = screen.page
    page.click("#view-traffic")
    screen.expect_text(".rows", "Buy 10 AAPL at 97.00")

    # Live: what the client does next comes by itself.
    client.send("G", f"41=T1|11=T2|21=1|55=AAPL|54=1|60={time.strftime('%Y%m%d-%H:%M:%S', time.gmtime())}|38=12|40=2|44=97.10|")
    hear(client, "8", "11=T2|150=5")
    client.send("D", order("T3", "1", 1, "96.00"))
    hear(client, "8", "11=T3")
    screen.expect_text(".rows .message >> nth=-1", "T3")

    # By type, and by text.
    page.click('.chip:has-text("OrderCancelReplaceRequest")')
    screen.expect_count(".rows .message:visible", 1)
    screen.expect_text(".rows .message:visible", "T2 ← T1")
    page.click('.chip:has-text("OrderCancelReplaceRequest")')
    page.fill("#traffic-search", "11=T3")
    screen.expect_count(".rows .message:visible", 2)
    screen.expect_text("#traffic-note", "2 of ")

    # Following T1 finds what happened to it under its later name, and nothing of T3.
    page.fill("#traffic-search", "11=T1")
    page.click(".rows .message:visible >> nth=0")
    screen.expect_text(".detail h2", "D NewOrderSingle")
    page.click("#traffic-follow")
    screen.expect_count(".rows .message:visible", 4)
    screen.expect_text("#traffic-following", "T1 → T2")
    screen.expect_text("#traffic-following", "New → Replaced")

    # Decoded; the raw text is one click away.
    screen.expect_text('.field-table tr:has-text("OrdType")', re.compile(r"40\s*OrdType\s*2\s*Limit", re.IGNORECASE))
    screen.expect_visible("#raw", is_visible=False)
    page.click("#traffic-raw")
    screen.expect_text("#raw", "|35=D|")
    page.click("#traffic-copy")
    screen.expect_text("#traffic-copy", "Copied")
    assert "|11=T1|" in page.evaluate("navigator.clipboard.readText()")
    with page.expect_download() as download:
        page.click("#traffic-download")
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 4
    assert [re.search(r"\|35=(\w+)\|", line)[1] for line in lines] == ["D", "8", "G", "8"]  # type: ignore[index]

    # Paused, nothing moves; then all that came is there.
    page.click("#traffic-unfollow")
    page.fill("#traffic-search", "")
    page.click("#traffic-pause")
    client.send("D", order("T4", "1", 1, "95.50"))
    hear(client, "8", "11=T4")
    screen.expect_text("#traffic-note", "paused, 2 since")
    page.click("#traffic-pause")
    screen.expect_text(".rows .message >> nth=-1", "T4")

    # No password is ever shown.
    page.check("#traffic-quiet")
    page.fill("#traffic-search", "35=A")
    page.click('.rows .message[data-direction="in"]:visible >> nth=0')
    assert "demo" not in page.locator(".detail").inner_text()
    client.send("q", f"11=T5|530=7|60={time.strftime('%Y%m%d-%H:%M:%S', time.gmtime())}|")
    hear(client, "r", "531=7")


def test_an_order_of_the_screen_is_traced_to_its_messages(screen: Screen) -> None:
    screen.sign_in("TRADER6")
    screen.order("buy", "2", "95.10")
    screen.expect_count("#panel-orders tbody tr", 1)
    screen.page.click('#panel-orders [data-act="trace"]')
    screen.expect_visible("#traffic-following")
    screen.expect_count(".rows .message:visible", 2)
    screen.page.click("#view-trade")
    screen.page.click('#panel-orders [data-act="cancel"]')
    screen.expect_text("#panel-orders", "No open orders.")


# ------------------------------------------------------------------------------------------------------- exact numbers


def test_decimals_are_exact(screen: Screen) -> None:
    found = screen.page.evaluate(
        """async () => {
            const d = await import("/js/decimal.js");
            return [
                d.add("0.1", "0.2"), d.multiply("189.505", "1000000000000000000.00000001"), d.subtract("1", "1.00000001"),
                d.compare("10", "9.99"), d.compare("1.50", "1.5"), d.isMultiple("189.51", "0.01"), d.isMultiple("189.515", "0.01"),
                d.stepped("189.505", "0.01", 1, 2), d.stepped("189.505", "0.01", -1, 2), d.stepped("0.00", "0.01", -1, 2),
                d.grouped("-1234567.5"), d.grouped("0.00000001"), d.signed("0.50"), d.trimmed("1.500"), d.trimmed("100"),
                d.trimmed("100.000", 2), d.fixed("2.999", 2), d.parse("1e5"), d.parse("."), d.parse(""), d.parse("٣"),
            ];
        }"""
    )
    assert found == [
        "0.3", "189505000000000000000.00000189505", "-0.00000001",
        1, 0, True, False,
        "189.51", "189.50", "0.00",
        "−1,234,567.5", "0.00000001", "+0.50", "1.5", "100",
        "100.00", "2.99", None, None, None, None,
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------- last, because it ends a process


def test_after_a_restart_of_the_feed_the_page_is_live_again(browser: Browser, base: str, venue: Venue, maker: Client) -> None:
    screen = Screen(browser, base).open().sign_in()
    venue.end("marketdata")
    screen.expect_text("#connection-words", "reconnecting")
    maker.send("D", order("R1", "1", 11, "99.50"))
    hear(maker, "8", "39=0")
    venue.start("marketdata")
    screen.expect_text("#connection-words", "live")
    screen.expect_text('.level[data-side="bid"]:not(.vacant)', "99.50")
    # Sign-ins are in the memory of the process that has ended: said, not hidden.
    screen.expect_visible("#sign-in")
    screen.expect_text("#assertive", "Signed out.")
    screen.sign_in()
    screen.expect_text("#panel-orders", "No open orders.")
    screen.close(but=("console: WebSocket connection to", "failed: ws"))
