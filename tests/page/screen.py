"""The trading screen in a Chromium, for tests; every console message and request is watched, and what nobody may see is trouble."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.venue import WAIT_SECONDS

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
AXE = Path(__file__).parent / "vendor" / "axe.min.js.gz"
DESKTOP = (1440, 900)
PHONE = (390, 844)
WAIT_MS = WAIT_SECONDS * 1000

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed (Debian: apt install chromium)")


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Screen:
    """A page that is open at `base`. `trouble` has what went wrong in the browser."""

    def __init__(
        self, browser: Browser, base: str, size: tuple[int, int] = DESKTOP, scheme: Any = "dark", *, touches: bool = False
    ) -> None:
        self.base = base
        self.trouble: list[str] = []
        self.context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, has_touch=touches, accept_downloads=True
        )
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=base)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.trouble.append(f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("requestfailed", lambda request: self.trouble.append(f"failed: {request.url} {request.failure}"))
        self.page.on("request", lambda request: self._asked(request.url))

    def _asked(self, url: str) -> None:
        if not url.startswith((self.base, "blob:", "data:")):
            self.trouble.append(f"elsewhere: {url}")

    def open(self) -> Screen:
        self.page.goto(self.base)
        self.expect_text("#connection-words", "live")
        self.expect_text("#instrument-symbol", "AAPL")
        return self

    def close(self, *, but: tuple[str, ...] = ()) -> None:
        """Close it. AssertionError where something went wrong that does not begin as one of `but`."""
        self.context.close()
        left = [one for one in self.trouble if not one.startswith(but)] if but else self.trouble
        assert left == []

    # -------------------------------------------------------------------------------------------------- doing

    def sign_in(self, name: str = "TRADER1", password: str = "demo") -> Screen:
        self.page.click("#sign-in")
        self.page.fill("#name", name)
        self.page.fill("#password", password)
        self.page.click("#sign-in-submit")
        self.expect_text("#who", name)
        return self

    def order(self, side: str, quantity: str, price: str = "", **fields: str) -> Screen:
        """Fill the ticket and send it; `fields` by their names, as a type or time_in_force."""
        page = self.page
        page.click(f'label[for="side-{side}"]')
        for name in ("type", "time_in_force"):
            if name in fields:
                page.select_option(f"#ticket-{name}", fields.pop(name))
        page.fill("#ticket-quantity", quantity)
        if price:
            page.fill("#ticket-price", price)
        for name, value in fields.items():
            page.fill(f"#ticket-{name}", value)
        page.click("#ticket-submit")
        return self

    # ------------------------------------------------------------------------------------------------- looking

    def expect_text(self, selector: str, text: Any) -> None:
        expect(self.page.locator(selector).first).to_contain_text(text)

    def expect_count(self, selector: str, count: int) -> None:
        expect(self.page.locator(selector)).to_have_count(count)

    def expect_visible(self, selector: str, *, is_visible: bool = True) -> None:
        expect(self.page.locator(selector)).to_be_visible(visible=is_visible)

    def expect_value(self, selector: str, value: str) -> None:
        expect(self.page.locator(selector)).to_have_value(value)

    @property
    def open_orders(self) -> list[str]:
        """The rows of the table as text."""
        rows = self.page.locator("#panel-orders tbody tr")
        return [" ".join(rows.nth(index).inner_text().split()) for index in range(rows.count())]

    def barriers(self) -> list[str]:
        """What axe-core finds against WCAG 2.1 AA on what is shown now: contrast, names, roles, labels."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(gzip.decompress(AXE.read_bytes()).decode())
        found = self.page.evaluate(
            """async () => (await axe.run(document, {
                runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], resultTypes: ["violations"],
            })).violations.flatMap((rule) => rule.nodes.map((node) =>
                `${rule.id}: ${node.target} ${node.html.slice(0, 120)} ${node.any.map((one) => one.message).join("; ")}`))"""
        )
        return list(found)
