"""The page at /docs and the document that it shows: all of it is ours, and it asks for nothing outside."""

from __future__ import annotations

import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fixserver.web import app as app_module
from fixserver.web.app import description
from tests.web.asking import asking, run

DOCS = Path(app_module.__file__).with_name("docs")


def operations() -> dict[str, dict[str, Any]]:
    paths = description()["paths"]
    return {f"{method.upper()} {path}": found for path, methods in paths.items() for method, found in methods.items()}


def test_what_was_vendored_is_what_it_was() -> None:
    said = dict(reversed(line.split("  ")) for line in (DOCS / "swagger-ui.sha256").read_text().splitlines())
    assert {name: hashlib.sha256((DOCS / name).read_bytes()).hexdigest() for name in said} == said
    assert sorted(said) == ["swagger-ui-bundle.js", "swagger-ui.css"]
    assert "Apache License" in (DOCS / "LICENSE-swagger-ui.txt").read_text()


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.found += [value for name in ("src", "href") if (value := given.get(name))]
        if "style" in given or (tag == "script" and "src" not in given) or any(name.startswith("on") for name in given):
            self.inline.append(tag)


def test_the_page_names_only_files_that_are_ours(tmp_path: Path) -> None:
    page = _Links()
    page.feed((DOCS / "index.html").read_text())
    assert page.inline == []
    assert page.found == ["data:,", "/docs/swagger-ui.css", "/docs/docs.css", "/docs/swagger-ui-bundle.js", "/docs/docs.js"]
    assert set(re.findall(r'"(/[^"]*)"', (DOCS / "docs.js").read_text())) == {"/openapi.json"}
    assert "validatorUrl: null" in (DOCS / "docs.js").read_text(), "else it asks one of elsewhere"

    async def story() -> None:
        async with asking(tmp_path) as client:
            for path in ("/docs", "/openapi.json", *page.found[1:]):
                assert (await client.get(path)).status_code == 200, path

    run(story())


def test_the_document_is_served_as_it_is_made(tmp_path: Path) -> None:
    async def story() -> None:
        async with asking(tmp_path) as client:
            answer = await client.get("/openapi.json")
            assert answer.headers["content-type"] == "application/json" and answer.json() == json.loads(json.dumps(description()))

    run(story())


def test_every_path_says_what_it_is_for_and_who_may() -> None:
    found = operations()
    public = {"GET /v1/status", "GET /v1/health", "GET /v1/instruments", "GET /v1/book", "GET /v1/trades", "GET /v1/candles",
              "GET /v1/statistics", "POST /v1/login"}  # fmt: skip
    private = {"POST /v1/logout", "GET /v1/balance", "GET /v1/holdings", "GET /v1/executions", "GET /v1/statement",
               "GET /v1/positions", "GET /v1/blotter", "GET /v1/settlement",
               "GET /v1/orders", "POST /v1/orders", "DELETE /v1/orders", "PATCH /v1/orders/{order_id}",
               "DELETE /v1/orders/{order_id}"}  # fmt: skip
    assert set(found) == public | private
    assert {name for name, operation in found.items() if operation.get("security")} == private
    for name, operation in found.items():
        assert operation["description"] and operation["tags"] and operation["operationId"], name
        assert {"400", "406", "413", "429", "500"} <= set(operation["responses"]), name
        assert (name in private) == ("403" in operation["responses"]) or name == "POST /v1/login"
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] in ("query", "path") and "null" not in json.dumps(parameter["schema"]), name


def test_every_error_has_the_one_shape() -> None:
    for name, operation in operations().items():
        for status, response in operation["responses"].items():
            if int(status) >= 400 and (name, status) != ("GET /v1/health", "503"):
                [(kind, content)] = response["content"].items()
                assert (kind, content["schema"]) == ("application/json", {"$ref": "#/components/schemas/ErrorBody"}), (name, status)


def test_the_words_and_the_document_know_the_same_paths() -> None:
    text = Path(__file__).parents[2].joinpath("docs/web-api.md").read_text()
    told = set(re.findall(r"`((?:GET|POST|PATCH|DELETE) /v1/[a-z_{}/]*)", text))
    assert {name.rstrip("/") for name in told} == set(operations())


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css", "index.html", "docs.js"])
def test_the_installed_package_has_the_files(name: str) -> None:
    import tomllib

    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["fixserver"]
    assert any(Path(f"web/docs/{name}").match(pattern.replace("**", "*")) for pattern in patterns), patterns
