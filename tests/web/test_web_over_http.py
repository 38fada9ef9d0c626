"""What each path of REST answers, over HTTP, of a venue of all its processes."""

from __future__ import annotations

import base64
import re
import threading
import time
from typing import Any

import httpx
import pytest

from tests.operator.conftest import Operator
from tests.venue import PASSWORD_HASH, Venue, wait_for
from tests.web.asking import error, refusal
from tests.web.conftest import Asking

TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z")


PAGES_MAX = 1_000


def gathered(asking: Asking, path: str, key: str, *, limit: int, headers: dict[str, str] | None = None) -> Any:
    """All pages of an answer, one behind the other."""
    found: list[Any] = []
    cursor: str | None = ""
    for _ in range(PAGES_MAX):
        page = asking.json(f"{path}&limit={limit}" + (f"&cursor={cursor}" if cursor else ""), headers=headers)
        assert len(page[key]) <= limit
        found += page[key]
        cursor = page["next"]
        if cursor is None:
            return found
        assert page[key], "a page with a next one has something on it"
    raise AssertionError(f"{path}: no end after {PAGES_MAX} pages")


# ------------------------------------------------------------------------------------------------------ market


def test_status(asking: Asking) -> None:
    found = asking.json("status")
    assert TIME.fullmatch(found.pop("time")) and re.fullmatch("20[0-9]{6}", found.pop("trading_day"))
    assert found.pop("event_number") > 0 and found.pop("era")
    assert found == {"venue": "FIXSERVER", "markets": [{"market": "MAIN", "phase": "continuous"}]}


def test_health(asking: Asking) -> None:
    wait_for(lambda: asking.get("health").status_code == 200, "all parts are at work")
    found = asking.json("health")
    assert found.pop("event_number") > 0 and found["status"] == "ok"
    assert list(found["parts"]) == ["exchange", "feed", "history", "ledger", "order_entry"]
    assert {name: part["status"] for name, part in found["parts"].items() if name != "order_entry"} == dict.fromkeys(
        ("exchange", "feed", "history", "ledger"), "ok"
    )


def test_instruments(asking: Asking) -> None:
    found = asking.json("instruments")["instruments"]
    assert [one["symbol"] for one in found][:6] == ["AAPL", "MSFT", "BTC/USD", "PAGED", "BUSTED", "IDLE"]
    assert found[0] == {
        "symbol": "AAPL", "currency": "USD", "market": "MAIN", "phase": "continuous", "price_decimals": 2, "quantity_decimals": 0,
        "tick": "0.01", "lot": "1", "quantity_max": "1000000", "value_max": "900000000.00", "reference_price": "100.00",
        "price_low": "50.00", "price_high": "150.00", "maker_fee": "0", "taker_fee": "0",
    }  # fmt: skip


def test_a_book_by_price_and_by_order(asking: Asking) -> None:
    one = asking.enter("TRADER1", "1", 10, "99.00", "MSFT")
    two = asking.enter("TRADER2", "1", 20, "99.00", "MSFT")
    low = asking.enter("TRADER1", "1", 5, "98.00", "MSFT")
    offer = asking.enter("TRADER2", "2", 7, "101.00", "MSFT")
    wait_for(lambda: asking.json("book?symbol=MSFT")["offers"], "the orders are in the feed")
    found = asking.json("book?symbol=MSFT")
    assert TIME.fullmatch(found.pop("time")) and found.pop("era") and found.pop("number") >= 0
    assert found == {
        "symbol": "MSFT", "phase": "continuous", "bids": [["99.00", "30", 2], ["98.00", "5", 1]], "offers": [["101.00", "7", 1]],
    }  # fmt: skip
    assert asking.json("book?symbol=MSFT&depth=1")["bids"] == [["99.00", "30", 2]]
    found = asking.json("book?symbol=MSFT&depth=0&by=order")
    assert found["bids"] == [["99.00", "10", one], ["99.00", "20", two], ["98.00", "5", low]]
    assert found["offers"] == [["101.00", "7", offer]]
    assert asking.json("book?symbol=IDLE")["bids"] == []


def test_the_number_of_a_book_goes_on_with_it(asking: Asking) -> None:
    before = asking.json("book?symbol=AAPL&depth=5")
    asking.enter("TRADER3", "1", 1, "60.00")
    after = wait_for(
        lambda: found if (found := asking.json("book?symbol=AAPL&depth=5"))["number"] > before["number"] else None, "a number"
    )
    assert (after["era"], after["number"]) == (before["era"], before["number"] + 1)
    rare = asking.json("book?symbol=AAPL&depth=7")
    assert (rare["era"], rare["number"]) == (None, None), "nobody follows it, and few ask for it"


def test_a_symbol_with_a_slash(asking: Asking) -> None:
    number = asking.trade("TRADER1", "TRADER2", 2, "101.00", "BTC/USD")
    asking.wait_for_event(number)
    assert [one["symbol"] for one in asking.json("trades?symbol=BTC/USD")["trades"]] == ["BTC/USD"]
    assert asking.json("statistics?symbol=BTC%2FUSD")["statistics"][0]["last"] == "101.00"


def test_trades_candles_and_statistics_of_what_traded(asking: Asking) -> None:
    numbers = [asking.trade("TRADER1", "TRADER2", 10 + extra, f"10{extra}.00") for extra in range(3)]
    asking.wait_for_event(numbers[-1])
    trades = asking.json("trades?symbol=AAPL")
    assert trades["next"] is None and all(TIME.fullmatch(one.pop("time")) for one in trades["trades"])
    assert trades["trades"] == [
        {"id": numbers[extra], "symbol": "AAPL", "price": f"10{extra}.00", "quantity": f"{10 + extra}", "aggressor": "sell",
         "status": "traded"}
        for extra in (2, 1, 0)
    ]  # fmt: skip
    [day] = asking.json("candles?symbol=AAPL&interval=1d")["candles"]
    assert TIME.fullmatch(day.pop("time"))
    assert day == {
        "open": "100.00", "high": "102.00", "low": "100.00", "close": "102.00", "volume": "33", "value": "3335.00", "trades": 3,
    }  # fmt: skip
    for interval in ("1s", "1m", "5m", "1h"):
        found = asking.json(f"candles?symbol=AAPL&interval={interval}")
        assert sum(one["trades"] for one in found["candles"]) == 3 and found["next"] is None
        assert [one["time"] for one in found["candles"]] == sorted(one["time"] for one in found["candles"])
    [found] = asking.json("statistics?symbol=AAPL")["statistics"]
    assert found == {
        "symbol": "AAPL", "phase": "continuous", "until": None, "open": "100.00", "high": "102.00", "low": "100.00",
        "last": "102.00", "close": "100.00", "change": "2.00", "change_percent": "2.00", "vwap": "101.060606", "volume": "33",
        "trades": 3, "auction": None,
    }  # fmt: skip
    assert len(asking.json("statistics")["statistics"]) >= 6


def test_pages_have_every_trade_once_while_trading_goes_on(asking: Asking, venue: Venue) -> None:
    """Of memory, of the history, and, behind a restart of the feed, of one after the other."""
    numbers = [asking.trade("TRADER4", "TRADER5", 1, "100.00", "PAGED") for _ in range(25)]
    asking.wait_for_event(numbers[-1])
    walks: list[tuple[int, list[str]]] = []
    stop = threading.Event()
    trader = threading.Thread(target=lambda: _trade_until(asking, stop, numbers))
    trader.start()
    try:
        for limit in (1, 7, 1_000):
            known = len(numbers)
            asking.wait_for_event(numbers[known - 1])
            walks.append((known, [one["id"] for one in gathered(asking, "trades?symbol=PAGED", "trades", limit=limit)]))
    finally:
        stop.set()
        trader.join()
    for known, found in walks:
        assert found == numbers[: len(found)][::-1], "each once, newest first"
        assert len(found) >= known
    asking.wait_for_event(numbers[-1])
    whole = asking.json("trades?symbol=PAGED&limit=1000")["trades"]
    assert [one["id"] for one in whole] == numbers[::-1]
    venue.restart("marketdata")
    asking.connect()
    later = asking.trade("TRADER4", "TRADER5", 1, "100.00", "PAGED")
    asking.wait_for_event(later)
    wait_for(lambda: asking.get("health").json()["parts"]["history"]["detail"] == "", "the history has come as far")
    for limit in (1, 7, 30):
        again = gathered(asking, "trades?symbol=PAGED", "trades", limit=limit)
        assert [one["id"] for one in again] == [later, *numbers[::-1]] and again[1:] == whole
    seconds = asking.json("candles?symbol=PAGED&interval=1s")["candles"]
    assert sum(one["trades"] for one in seconds) == len(numbers) + 1
    paged = gathered(asking, "candles?symbol=PAGED&interval=1s&from=2020-01-01", "candles", limit=1)
    assert paged == seconds


def _trade_until(asking: Asking, stop: threading.Event, numbers: list[str]) -> None:
    while not stop.is_set() and len(numbers) < 400:
        numbers.append(asking.trade("TRADER4", "TRADER5", 1, "100.00", "PAGED"))


def test_trades_of_a_span_of_time(asking: Asking) -> None:
    trades = asking.json("trades?symbol=PAGED&limit=1000")["trades"]
    newest, oldest = trades[5]["time"], trades[15]["time"]
    inside = [one for one in trades if oldest <= one["time"] < newest]
    assert asking.json(f"trades?symbol=PAGED&limit=1000&from={oldest}&to={newest}")["trades"] == inside
    assert gathered(asking, f"trades?symbol=PAGED&from={oldest}&to={newest}", "trades", limit=3) == inside
    assert asking.json("trades?symbol=PAGED&from=2099-01-01") == {"trades": [], "next": None}
    assert asking.json("trades?symbol=PAGED&to=1999-12-31T23:59:59.5Z") == {"trades": [], "next": None}


def test_a_trade_that_was_busted_or_corrected_says_so_everywhere(asking: Asking, operator: Operator) -> None:
    numbers = [asking.trade("TRADER6", "TRADER7", 10, "100.00", "BUSTED") for _ in range(3)]
    operator.do("bust", trade=numbers[0])
    operator.do("correct", trade=numbers[1], price="90.00", quantity="4")
    asking.wait_for_event(int(numbers[2]) + 2)
    trades = asking.json("trades?symbol=BUSTED")["trades"]
    assert [(one["id"], one["price"], one["quantity"], one["status"]) for one in trades] == [
        (numbers[2], "100.00", "10", "traded"),
        (numbers[1], "90.00", "4", "corrected"),
        (numbers[0], "100.00", "10", "busted"),
    ]
    [day] = asking.json("candles?symbol=BUSTED&interval=1d")["candles"]
    assert (day["volume"], day["low"], day["trades"]) == ("14", "90.00", 2)
    mine = asking.json("executions?symbol=BUSTED", headers=asking.sign_in("TRADER6"))["executions"]
    assert [(one["id"], one["side"], one["liquidity"], one["status"]) for one in mine] == [
        (numbers[2] + "M", "buy", "maker", "traded"),
        (numbers[1] + "M", "buy", "maker", "corrected"),
        (numbers[0] + "M", "buy", "maker", "busted"),
    ]


# ----------------------------------------------------------------------------------------------------- account


def test_balance_holdings_and_statement_of_who_has_traded(asking: Asking) -> None:
    number = asking.trade("TRADER8", "TRADER9", 10)
    asking.enter("TRADER8", "1", 5, "80.00")
    asking.enter("TRADER8", "2", 3, "149.00")
    me = asking.sign_in("TRADER8")
    wait_for(lambda: asking.json("holdings", headers=me)["holdings"][0]["reserved"] == "3", "the orders are in the feed")
    found = asking.json("balance", headers=me)
    assert found.pop("event_number") >= int(number)
    assert found == {
        "account": "TRADER8",
        "balances": [
            {
                "asset": "USD", "total": "999999000.00", "settled": "999999000.00", "unsettled": "0.00", "reserved": "400.00",
                "available": "999998600.00",
            },
        ],
    }
    found = asking.json("holdings?account=TRADER8", headers=me)
    assert found["account"] == "TRADER8" and found["holdings"][0] == {
        "symbol": "AAPL", "quantity": "1000010", "settled": "1000010", "unsettled": "0", "reserved": "3", "available": "1000007",
        "last": "100.00", "value": "100001000.00",
    }  # fmt: skip
    lines = asking.json("statement?limit=1000", headers=me)
    assert (lines["account"], lines["opening"], lines["next"]) == ("TRADER8", [], None)
    deposits = [line for line in lines["lines"] if line["what"] == "deposit"]
    assert [(line["asset"], line["change"]) for line in deposits][:2] == [("USD", "1000000000.00"), ("AAPL", "1000000")]
    assert [
        {name: line[name] for name in ("event_number", "what", "asset", "change", "balance", "symbol", "quantity", "price")}
        for line in lines["lines"]
        if line["what"] != "deposit"
    ] == [
        {"event_number": int(number), "what": "buy", "asset": "USD", "change": "-1000.00", "balance": "999999000.00",
         "symbol": "AAPL", "quantity": "10", "price": "100.00"},
        {"event_number": int(number), "what": "buy", "asset": "AAPL", "change": "10", "balance": "1000010",
         "symbol": "AAPL", "quantity": "10", "price": "100.00"},
    ]  # fmt: skip


def test_positions_and_blotter_of_who_has_traded(asking: Asking) -> None:
    number = asking.trade("TRADER8", "TRADER9", 10)
    me = asking.sign_in("TRADER8")
    wait_for(lambda: asking.json("positions", headers=me)["event_number"] >= int(number), "the ledger has the trade")
    found = asking.json("positions?account=TRADER8", headers=me)
    (held,) = [one for one in found["positions"] if one["symbol"] == "AAPL"]
    quantity = int(held["quantity"])
    assert (found["account"], quantity >= 1_000_010) == ("TRADER8", True)
    assert held == {
        **held, "average_price": "100.00", "cost": f"{quantity * 100}.00", "mark": "100.00", "value": f"{quantity * 100}.00",
        "unrealised": "0.00", "realised": "0.00", "fees": "0.00", "dividends": "0.00",
    }  # fmt: skip
    pages = gathered(asking, "blotter?account=TRADER8", "trades", limit=1, headers=me)
    assert pages == asking.json("blotter?limit=1000", headers=me)["trades"]
    last = pages[-1]
    assert TIME.fullmatch(last.pop("time"))
    assert last == {
        "event_number": int(number), "what": "trade", "side": "buy", "symbol": "AAPL", "quantity": "10", "price": "100.00",
        "value": "1000.00", "fee": "0.00", "settles": "at-once", "reverses": None,
    }  # fmt: skip
    assert asking.json("blotter?from=2098-01-01", headers=me) == {"account": "TRADER8", "trades": [], "next": None}


def test_settlement_where_trades_are_settled_at_once(asking: Asking) -> None:
    me = asking.sign_in("TRADER8")
    found = asking.json("settlement", headers=me)
    assert found == {**found, "account": "TRADER8", "netted": [], "outcomes": [], "open": []}
    assert refusal(asking.get("settlement?day=19990101", headers=me)) == (
        404,
        "unknown-day",
        "19990101 is no trading day that the ledger knows",
    )
    assert error(asking.get("settlement?day=today", headers=me)) == (400, "bad-request")


@pytest.mark.parametrize("limit", [1, 2, 3, 1_000])
def test_pages_of_a_statement_have_every_line_once_and_open_with_what_was_there(asking: Asking, limit: int) -> None:
    me = asking.sign_in("TRADER4")
    whole = asking.json("statement?limit=1000&to=2098-01-01", headers=me)
    lines, before, cursor = [], dict[str, str](), ""
    for _ in range(20):
        page = asking.json(f"statement?limit={limit}{cursor}", headers=me)
        assert {one["asset"]: one["amount"] for one in page["opening"]} == before
        assert len(page["lines"]) <= limit
        lines += page["lines"]
        before |= {line["asset"]: line["balance"] for line in page["lines"]}
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert lines == whole["lines"][: len(lines)] and len(lines) == min(20 * limit, len(whole["lines"]))


def test_a_statement_of_a_span_of_time(asking: Asking) -> None:
    me = asking.sign_in("TRADER4")
    whole = asking.json("statement?limit=1000", headers=me)["lines"]
    bought = [line for line in whole if line["what"] == "buy"]
    begin, end = bought[4]["time"], bought[10]["time"]
    page = asking.json(f"statement?from={begin}&to={end}", headers=me)
    assert page["lines"] == [line for line in whole if begin <= line["time"] < end] and page["opening"]


@pytest.mark.parametrize("limit", [1, 7, 1_000])
def test_pages_of_executions_have_every_one_once(asking: Asking, limit: int) -> None:
    me = asking.sign_in("TRADER4")
    found = gathered(asking, "executions?symbol=PAGED", "executions", limit=limit, headers=me)
    trades = asking.json("trades?symbol=PAGED&limit=1000")["trades"]
    assert [(one["id"], one["time"]) for one in found] == [(one["id"] + "M", one["time"]) for one in trades]


def test_both_sides_of_a_trade_with_oneself_are_executions(asking: Asking, operator: Operator) -> None:
    operator.do("participant add", name="SELFISH", password_hash=PASSWORD_HASH, cash="100000", holdings={"AAPL": "100"},
                self_trade="allow")  # fmt: skip
    number = asking.trade("SELFISH", "SELFISH", 1, "100.00")
    asking.wait_for_event(number)
    me = asking.sign_in("SELFISH")
    found = gathered(asking, "executions?symbol=AAPL", "executions", limit=1, headers=me)
    assert [(one["id"], one["side"], one["liquidity"]) for one in found] == [
        (f"{number}T", "sell", "taker"), (f"{number}M", "buy", "maker"),
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("book", 400, "bad-request", "missing required query parameter 'symbol'"),
        ("book?symbol=XYZ", 404, "unknown-symbol", "XYZ is not traded here"),
        ("book?symbol=", 404, "unknown-symbol", "an instrument without a name is not traded here"),
        ("book?symbol=aapl", 404, "unknown-symbol", "aapl is not traded here"),
        ("book?symbol=%FF%00", 404, "unknown-symbol", "\ufffd\\x00 is not traded here"),
        ("book?symbol=AAPL&depth=-1", 400, "bad-request", "depth: expected `int` >= 0"),
        ("book?symbol=AAPL&depth=1001", 400, "bad-request", "depth: expected `int` <= 1000"),
        ("book?symbol=AAPL&depth=" + "9" * 400, 400, "bad-request", "depth: expected `int` <= 1000"),
        ("book?symbol=AAPL&depth=%D9%A3", 400, "bad-request", "depth: expected `int`, got `str`"),
        ("book?symbol=AAPL&depth=ten", 400, "bad-request", "depth: expected `int`, got `str`"),
        ("book?symbol=AAPL&by=size", 400, "bad-request", "by: invalid enum value 'size'"),
        ("trades?symbol=AAPL&limit=0", 400, "bad-request", "limit: expected `int` >= 1"),
        ("trades?symbol=AAPL&limit=1001", 400, "bad-request", "limit: expected `int` <= 1000"),
        ("trades?symbol=AAPL&cursor=0", 400, "bad-request", "cursor: expected `str` matching regex '^[1-9][0-9]{0,17}$'"),
        ("trades?symbol=AAPL&from=yesterday", 400, "not-a-time",
         "from: a moment is written 2026-11-21T04:07:43.5Z or 2026-11-21, not yesterday"),
        ("trades?symbol=NONE&from=2026-11-21", 404, "unknown-symbol", "NONE is not traded here"),
        ("candles?symbol=AAPL&interval=2m", 400, "bad-request", "interval: invalid enum value '2m'"),
        ("statistics?symbol=NONE", 404, "unknown-symbol", "NONE is not traded here"),
        ("balance", 401, "not-signed-in", "sign in first: POST /v1/login, and send its token as Authorization: Bearer …"),
        ("orderbook", 404, "not-found", "there is no such path; /docs shows those that there are"),
    ],
)  # fmt: skip
def test_what_is_refused(asking: Asking, path: str, status: int, code: str, message: str) -> None:
    found = refusal(asking.get(path))
    assert (found[0], found[1], found[2].lower()) == (status, code, message.lower())


@pytest.mark.parametrize("path", ["balance", "holdings", "executions", "statement", "positions", "blotter", "settlement"])
def test_somebody_elses_account_is_refused_like_one_that_does_not_exist(asking: Asking, path: str) -> None:
    me = asking.sign_in("TRADER1")
    other = asking.get(f"{path}?account=TRADER2", headers=me)
    none = asking.get(f"{path}?account=NOBODY", headers=me)
    assert refusal(other) == (403, "not-your-account", "TRADER2 is no account of yours")
    assert refusal(none) == (403, "not-your-account", "NOBODY is no account of yours")
    for account in ("@clearing", "@fees", "trader1", "", "TRADER1 ", "TRADER1%00"):
        assert error(asking.get(f"{path}?account={account}", headers=me)) == (403, "not-your-account")
    assert error(asking.get(f"{path}?account=TRADER1")) == (401, "not-signed-in")


def test_a_wrong_password_and_a_wrong_name_read_the_same(asking: Asking) -> None:
    def tried(name: str, password: str) -> httpx.Response:
        return asking.http.post("/v1/login", json={"name": name, "password": password})

    wrong = tried("TRADER1", "nonsense")
    assert refusal(wrong) == (401, "not-signed-in", "wrong name or password")
    assert wrong.headers["www-authenticate"] == 'Bearer realm="fixserver"'
    assert tried("NOBODY", "demo").content == wrong.content
    basic = asking.get("balance", auth=("NOBODY", "demo"))
    assert (basic.status_code, basic.content) == (401, wrong.content)


def test_name_and_password_may_come_with_every_request(asking: Asking) -> None:
    assert asking.json("balance", auth=("TRADER1", "demo"))["account"] == "TRADER1"
    assert error(asking.get("balance", auth=("TRADER1", "nonsense"))) == (401, "not-signed-in")


def test_neither_is_taken_from_the_url(asking: Asking) -> None:
    token = asking.sign_in("TRADER1")["authorization"].removeprefix("Bearer ")
    assert error(asking.get(f"balance?token={token}")) == (400, "unknown-parameter")
    assert error(asking.get(f"balance?access_token={token}")) == (400, "unknown-parameter")
    assert error(asking.get("balance?name=TRADER1&password=demo")) == (400, "unknown-parameter")
    within = f"http://TRADER1:{token}@127.0.0.1:{asking.http.base_url.port}/v1/balance"
    assert error(asking.http.get(within)) == (401, "not-signed-in"), "a token is no password"


def test_a_token_ends_where_its_owner_signs_out(asking: Asking) -> None:
    me, other = asking.sign_in("TRADER1"), asking.sign_in("TRADER1")
    assert asking.http.post("/v1/logout", headers=me).status_code == 204
    assert error(asking.get("balance", headers=me)) == (401, "not-signed-in")
    assert asking.get("balance", headers=other).status_code == 200
    assert error(asking.http.post("/v1/logout", headers=me)) == (401, "not-signed-in")


def test_a_participant_who_is_suspended(asking: Asking, operator: Operator) -> None:
    me = asking.sign_in("TRADER10")
    operator.do("participant suspend", name="TRADER10")
    wait_for(lambda: asking.get("balance", headers=me).status_code == 401, "his token has ended")
    answer = asking.http.post("/v1/login", json={"name": "TRADER10", "password": "demo"})
    assert refusal(answer) == (403, "suspended", "TRADER10 is suspended: ask the venue")
    assert error(asking.get("balance", auth=("TRADER10", "demo"))) == (403, "suspended")
    operator.do("participant restore", name="TRADER10")
    wait_for(lambda: asking.get("balance", auth=("TRADER10", "demo")).status_code == 200, "he may again")
    assert error(asking.get("balance", headers=me)) == (401, "not-signed-in")


def test_ten_megabytes(asking: Asking) -> None:
    body = b" " * 10**7
    headers = {"content-type": "application/json"}
    assert error(asking.http.post("/v1/login", content=body, headers=headers)) == (413, "too-long")
    assert error(asking.http.post("/v1/login", content=iter([body[:10**6]] * 10), headers=headers)) == (413, "too-long")
    credentials = base64.b64encode(b"x" * 20_000).decode()
    assert asking.get("balance", headers={"authorization": f"Basic {credentials}"}).status_code in (400, 401, 431)
    assert asking.get("status").status_code == 200


def test_without_the_ledger_or_the_history_the_rest_goes_on(asking: Asking, venue: Venue) -> None:
    ledger, history = venue.data / "ledger.sqlite", venue.data / "market_data.sqlite"
    venue.end("clearing")
    venue.end("history")
    hidden = [path.rename(path.with_suffix(".hidden")) for path in (ledger, history)]
    me = asking.sign_in("TRADER1")
    try:
        assert refusal(asking.get("balance", headers=me)) == (503, "no-ledger", "the ledger cannot be read now: try again")
        older = asking.get("trades?symbol=PAGED&cursor=2")
        assert refusal(older) == (503, "history-unavailable", "the history cannot be read now: try again")
        assert older.headers["retry-after"] == "1"
        assert asking.get("book?symbol=PAGED").status_code == 200
        health = wait_for(lambda: answer.json() if (answer := asking.get("health")).status_code == 503 else None, "it is noticed")
        assert (health["status"], health["parts"]["ledger"]["status"], health["parts"]["history"]["status"]) == ("degraded",) * 3
    finally:
        for path, name in zip(hidden, (ledger, history), strict=True):
            path.rename(name)
        venue.start("clearing")
        venue.start("history")
    wait_for(lambda: asking.get("health").status_code == 200, "all parts are at work again")
    assert asking.get("balance", headers=me).status_code == 200


def test_what_the_metrics_count(asking: Asking, venue: Venue) -> None:
    asking.get("instruments")
    time.sleep(0.6)  # for so long the page of metrics is what it was
    found = venue.metrics("marketdata")
    assert found['fixserver_web_requests_total{method="GET",route="/v1/instruments",status="200"}'] >= 1
    assert found['fixserver_web_logins_total{outcome="right"}'] >= 1
