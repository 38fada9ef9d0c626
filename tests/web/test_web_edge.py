"""What holds for every request: rates, bodies, other pages, headers, and that nothing of the inside gets out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from fixserver.web import edge as edge_module
from fixserver.web.app import create_app
from fixserver.web.edge import HEADERS
from tests.web.asking import asking, backend_in, bearer, client_of, error, refusal, run

JSON = {"content-type": "application/json"}
LOGIN = {"name": "TRADER1", "password": "demo"}


def test_every_answer_tells_browsers_to_be_careful(tmp_path: Path) -> None:
    async def story() -> None:
        async with asking(tmp_path) as client:
            for path in ("/v1/status", "/v1/nowhere", "/nowhere", "/docs", "/openapi.json", "/v1/balance", "/v1/book"):
                answer = await client.get(path)
                assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
                assert answer.headers.get("cache-control") == ("no-store" if path.startswith("/v1/") else
                                                               None if answer.status_code == 404 else "no-cache"), path
            policy = HEADERS["content-security-policy"]
            assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy

    run(story())


def test_paths_and_methods_that_are_none(tmp_path: Path) -> None:
    async def story() -> None:
        async with asking(tmp_path) as client:
            assert error(await client.get("/v1/nowhere")) == (404, "not-found")
            assert error(await client.get("/v1/../../etc/passwd")) == (404, "not-found")
            assert error(await client.get("/docs/../app.py")) == (404, "not-found")
            assert error(await client.get("/%2e%2e/app.py")) == (404, "not-found")
            wrong = await client.delete("/v1/status")
            assert error(wrong) == (405, "method-not-allowed") and wrong.headers["allow"] == "GET, HEAD, OPTIONS"
            assert error(await client.request("BREW", "/v1/status")) == (405, "method-not-allowed")
            allowed = await client.options("/v1/login")
            assert (allowed.status_code, allowed.headers["allow"]) == (204, "OPTIONS, POST")

    run(story())


def test_head_is_get_without_its_body(tmp_path: Path) -> None:
    async def story() -> None:
        async with asking(tmp_path) as client:
            got, head = await client.get("/v1/instruments"), await client.head("/v1/instruments")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))
            assert (await client.head("/v1/login")).status_code == 405
            assert (await client.head("/docs")).status_code == 200

    run(story())


def test_json_is_wanted_and_sent(tmp_path: Path) -> None:
    async def story() -> None:
        async with asking(tmp_path) as client:
            assert error(await client.get("/v1/status", headers={"accept": "text/html"})) == (406, "not-acceptable")
            assert (await client.get("/docs", headers={"accept": "text/html"})).status_code == 200
            assert error(await client.post("/v1/login", data=LOGIN)) == (415, "not-json")
            assert error(await client.post("/v1/login", content=b"{}", headers={"content-type": "text/plain"})) == (415, "not-json")
            assert error(await client.post("/v1/login", content=b"{}")) == (415, "not-json")
            assert (await client.post("/v1/login", json=LOGIN)).status_code == 200
            kind, body = {"content-type": "Application/JSON; charset=utf-8"}, b'{"name":"TRADER1","password":"demo"}'
            assert (await client.post("/v1/login", content=body, headers=kind)).status_code == 200

    run(story())


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"", "bad-request", "a body is needed, in JSON"),
        (b"{", "malformed", "Input data was truncated"),
        (b"nonsense", "malformed", "JSON is malformed: invalid character (byte 4)"),
        (b"{} {}", "malformed", "JSON is malformed: trailing characters (byte 4)"),
        (b"[]", "bad-request", "expected `object`, got `array`"),
        (b"null", "bad-request", "expected `object`, got `null`"),
        (b"{}", "bad-request", "object missing required field `name`"),
        (b'{"name": "TRADER1"}', "bad-request", "object missing required field `password`"),
        (b'{"name": 1, "password": "demo"}', "bad-request", "name: expected `str`, got `int`"),
        (b'{"name": "TRADER1", "password": "demo", "token": "x"}', "bad-request", "object contains unknown field `token`"),
        (b'{"name": "%s", "password": "demo"}' % (b"x" * 65), "bad-request", "name: expected `str` of length <= 64"),
        (b'{"name": "\xff", "password": "demo"}', "malformed", "the body is not UTF-8"),
        (b"[" * 60_000, "malformed", "the body is nested too deeply"),
        (b'{"name":' * 8_000, "malformed", "the body is nested too deeply"),
    ],
)
def test_a_body_that_is_none(tmp_path: Path, body: bytes, code: str, message: str) -> None:
    async def story() -> None:
        async with asking(tmp_path) as client:
            assert refusal(await client.post("/v1/login", content=body, headers=JSON)) == (400, code, message)

    run(story())


def test_a_body_has_so_many_bytes(tmp_path: Path) -> None:
    async def parts(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b" " * 1_000

    async def story() -> None:
        async with asking(tmp_path, web={"request_bytes_max": 10_000}) as client:
            for content in (b" " * 10_001, b"x" * 10**7, parts(11), parts(10_000)):
                answer = await client.post("/v1/login", content=content, headers=JSON)
                assert refusal(answer) == (413, "too-long", "a request's body is at most 10,000 bytes")
                assert answer.headers["connection"] == "close"
            assert error(await client.post("/v1/login", content=parts(10), headers=JSON))[0] == 400, "it was read"
            assert error(await client.request("GET", "/v1/status", content=parts(11)))[0] == 413
            assert (await client.request("GET", "/v1/status", content=b"whatever")).status_code == 200

    run(story())


def test_who_waits_to_be_told_whether_to_send_is_told_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with backend_in(tmp_path) as backend:
            app = create_app(backend)
            sent: list[dict[str, object]] = []

            async def receive() -> dict[str, object]:
                raise AssertionError("nothing is read")

            async def send(message: dict[str, object]) -> None:
                sent.append(message)

            headers = [(b"content-length", b"10000000"), (b"expect", b"100-continue")]
            scope = {"type": "http", "method": "POST", "path": "/v1/login", "headers": headers, "client": ("192.0.2.1", 1)}
            await app(scope, receive, send)
            assert sent[0]["status"] == 413

    run(story())


def test_what_is_too_long_is_not_read_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_module, "DISCARDED_BYTES_MAX", 20_000)
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1_000
            yield b" " * 1_000

    async def story() -> None:
        async with asking(tmp_path, web={"request_bytes_max": 10_000}) as client:
            assert error(await client.post("/v1/login", content=endless(), headers=JSON)) == (413, "too-long")

    run(story())
    assert given == 21_000


def test_an_address_asks_so_often(tmp_path: Path) -> None:
    async def story() -> None:
        async with backend_in(tmp_path, web={"requests_per_second": 2}) as backend:
            app = create_app(backend)
            async with client_of(app) as one, client_of(app, "192.0.2.2") as other:
                answers = [await one.get("/v1/status") for _ in range(5)]
                assert [answer.status_code for answer in answers] == [200] * 4 + [429]
                assert error(answers[-1]) == (429, "too-many-requests") and answers[-1].headers["retry-after"] == "1"
                assert (await other.get("/v1/status")).status_code == 200

    run(story())


def test_pages_of_elsewhere_may_ask_where_they_are_named(tmp_path: Path) -> None:
    here, there = "https://good.example", "https://bad.example"
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}

    def allowed(answer: httpx.Response) -> str | None:
        return answer.headers.get("access-control-allow-origin")

    async def story() -> None:
        async with asking(tmp_path, web={"origins": [here]}) as client:
            got = await client.get("/v1/status", headers={"origin": here})
            assert allowed(got) == here and got.headers["vary"] == "origin"
            assert "access-control-allow-credentials" not in got.headers
            assert allowed(await client.get("/v1/status", headers={"origin": there})) is None
            assert allowed(await client.get("/v1/status")) is None
            assert allowed(await client.get("/v1/nowhere", headers={"origin": here})) == here, "errors are to be read too"
            asked = await client.options("/v1/login", headers={"origin": here, **asks})
            assert (asked.status_code, allowed(asked)) == (204, here)
            assert asked.headers["access-control-allow-methods"] == "GET, POST, PATCH, DELETE"
            assert asked.headers["access-control-allow-headers"] == "authorization, content-type"
            refused = await client.options("/v1/login", headers={"origin": there, **asks})
            assert allowed(refused) is None and "access-control-allow-methods" not in refused.headers

    run(story())


def test_any_page_or_none(tmp_path: Path) -> None:
    async def story() -> None:
        async with asking(tmp_path / "any", web={"origins": ["*"]}) as client:
            answer = await client.get("/v1/status", headers={"origin": "https://any.example"})
            assert answer.headers["access-control-allow-origin"] == "*"
        async with asking(tmp_path / "none") as client:
            answer = await client.get("/v1/status", headers={"origin": "https://any.example"})
            assert "access-control-allow-origin" not in answer.headers

    (tmp_path / "any").mkdir()
    (tmp_path / "none").mkdir()
    run(story())


def test_long_answers_are_compressed_for_who_can_read_them(tmp_path: Path) -> None:
    async def story() -> None:
        async with asking(tmp_path) as client:
            for path in ("/openapi.json", "/docs/swagger-ui.css"):
                plain = await client.get(path, headers={"accept-encoding": "identity"})
                packed = await client.get(path, headers={"accept-encoding": "gzip"})
                assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
                assert packed.content == plain.content, "httpx unpacks once"
                assert int(packed.headers["content-length"]) < len(plain.content) / 3
            short = await client.get("/v1/status", headers={"accept-encoding": "gzip"})
            assert "content-encoding" not in short.headers

    run(story())


def test_a_file_that_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with asking(tmp_path) as client:
            first = await client.get("/docs/docs.css")
            again = await client.get("/docs/docs.css", headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
            assert (await client.get("/docs/docs.css", headers={"if-none-match": '"other"'})).status_code == 200

    run(story())


def test_a_parameter_that_is_none_or_there_twice(tmp_path: Path) -> None:
    async def story() -> None:
        async with asking(tmp_path) as client:
            assert refusal(await client.get("/v1/trades?symbol=AAPL&form=x")) == (
                400, "unknown-parameter", "form: this path has no such parameter; it has cursor, from, limit, symbol, to",
            )  # fmt: skip
            assert error(await client.get("/v1/trades?symbol=A&symbol=B")) == (400, "repeated-parameter")
            assert error(await client.get("/v1/status?token=secret")) == (400, "unknown-parameter")
            assert error(await client.get("/v1/balance?token=secret")) == (400, "unknown-parameter")

    run(story())


def test_a_mistake_of_ours_says_nothing_of_the_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with backend_in(tmp_path) as backend, client_of(create_app(backend)) as client:
            monkeypatch.setattr(backend.feed, "depth", None)
            with caplog.at_level(logging.ERROR, "fixserver.web"):
                answer = await client.get("/v1/status")
            assert refusal(answer) == (
                500, "internal-error", "something is wrong here, not with the request; it has been written to the log",
            )  # fmt: skip
            assert "'NoneType' object has no attribute" in caplog.text

    run(story())


def test_requests_are_counted_by_route_and_status(tmp_path: Path) -> None:
    async def story() -> None:
        async with backend_in(tmp_path) as backend, client_of(create_app(backend)) as client:
            token = (await client.post("/v1/login", json=LOGIN)).json()["token"]
            await client.get("/v1/balance?account=X", headers=bearer(token))
            await client.get("/v1/status")
            await client.head("/v1/status")
            for number in range(3):
                await client.get(f"/v1/nowhere/{number}")
            await client.request("BREW", "/v1/status")
            assert backend.counters.answered == {
                ("POST", "/v1/login", 200): 1,
                ("GET", "/v1/balance", 403): 1,
                ("GET", "/v1/status", 200): 1,
                ("HEAD", "/v1/status", 200): 1,
                ("GET", "none", 404): 3,
                ("other", "none", 405): 1,
            }
            samples = {sample.name for metric in backend.counters.collect() for sample in metric.samples}
            assert {"fixserver_web_requests_total", "fixserver_web_request_seconds_count", "fixserver_web_logins_total"} <= samples

    run(story())
