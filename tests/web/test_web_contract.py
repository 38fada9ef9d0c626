"""Whatever is asked, the answer is one that the OpenAPI document has: requests made of it, right and wrong ones, signed in and not.

    FIXSERVER_SEED=7 FIXSERVER_EXAMPLES=500 pytest tests/web/test_web_contract.py     another seed, and more of it
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.venue import Venue, wait_for
from tests.web.conftest import Asking

SEED = int(os.environ.get("FIXSERVER_SEED", "1"))
EXAMPLES_IN_THE_SUITE = 10
EXAMPLES = int(os.environ.get("FIXSERVER_EXAMPLES", EXAMPLES_IN_THE_SUITE))
CHROMIUM = Path("/usr/bin/chromium")

# A request that is as the document says may still be refused by the venue's rules, or for what there is: an order without a
# price, an account of somebody else. What the document itself rules out, it may not be.
CONFIGURATION = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429", "503", "504"]

# What an order says may not go together, which the document does not say: an end without time_in_force gtd.
[[operations]]
include-tag = "orders"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "429", "503", "504"]
"""


def run_schemathesis(directory: Path, url: str, phases: str, *options: str) -> None:
    """Raises AssertionError with all that was found."""
    (directory / "schemathesis.toml").write_text(CONFIGURATION)
    done = subprocess.run(
        [Path(sys.executable).with_name("schemathesis"), "run", f"{url}/openapi.json", f"--seed={SEED}", "--checks=all",
         "--max-examples", str(EXAMPLES), f"--phases={phases}", "--warnings=off", "--no-color",
         "--generation-database=none", *options],
        cwd=directory, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"seed {SEED}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def url(asking: Asking, venue: Venue) -> str:
    for _ in range(3):
        asking.trade("TRADER1", "TRADER2")
    asking.enter("TRADER1", "1", 10, "90.00")
    wait_for(lambda: asking.get("health").status_code == 200, "all parts are at work")
    return str(asking.http.base_url).rstrip("/")


def test_whoever_has_signed_in_is_answered_as_the_document_says(url: str, tmp_path: Path) -> None:
    credentials = base64.b64encode(b"TRADER1:demo").decode()
    run_schemathesis(tmp_path, url, "coverage,fuzzing,stateful", "--header", f"Authorization: Basic {credentials}")


def test_whoever_has_not_is_too(url: str, tmp_path: Path) -> None:
    run_schemathesis(tmp_path, url, "coverage,fuzzing" if EXAMPLES > EXAMPLES_IN_THE_SUITE else "coverage")


def test_nothing_broke_meanwhile(url: str, asking: Asking, venue: Venue) -> None:
    assert asking.get("health").status_code == 200
    assert "ERROR" not in venue.said("marketdata")


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}")
def test_the_page_at_docs_works_in_a_browser_that_is_told_to_be_careful(url: str) -> None:
    from playwright.sync_api import sync_playwright

    said: list[str] = []
    asked: set[str] = set()
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.add(urlsplit(request.url).netloc or urlsplit(request.url).scheme))
        page.goto(f"{url}/docs")
        page.wait_for_selector("#operations-market-book")
        assert page.locator(".opblock").count() == 21
        page.locator("#operations-market-status .opblock-summary-control").click()
        page.locator("#operations-market-status .execute").click()
        page.wait_for_selector("#operations-market-status .live-responses-table")
        assert "FIXSERVER" in page.locator("#operations-market-status .live-responses-table").inner_text()
        browser.close()
    assert said == []
    assert asked <= {urlsplit(url).netloc, "data", "blob"}
