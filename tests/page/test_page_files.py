"""The files of the trading screen: what was vendored is what its authors made, and nothing is fetched from elsewhere."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "fixserver" / "web" / "page"
VENDORED = PAGE / "vendor"
OWN = sorted(path for path in PAGE.rglob("*") if path.suffix in (".html", ".css", ".js") and VENDORED not in path.parents)
# As in the packages that their authors publish; SHA256SUMS stands beside the files for whoever has only those.
SHA256 = {
    VENDORED / "inter.woff2": "3100e775e8616cd2611beecfa23a4263d7037586789b43f035236a2e6fbd4c62",
    VENDORED / "lightweight-charts.js": "1bb1ee79f9d4dd17261b53d930f7a8995748276f80e7ba0e24412b5068062f5f",
    Path(__file__).parent / "vendor" / "axe.min.js.gz": "cda5e4385d9437c1fd009f2ff76f7e4049af354d2d6522da2a905c2a69ede4ec",
}


@pytest.mark.parametrize("path", SHA256, ids=lambda path: path.name)
def test_what_was_vendored_is_unchanged(path: Path) -> None:
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256[path]


def test_every_vendored_file_is_listed_and_has_its_licence() -> None:
    listed = dict(line.split()[::-1] for line in (VENDORED / "SHA256SUMS").read_text().splitlines())
    assert listed == {path.name: value for path, value in SHA256.items() if path.parent == VENDORED}
    assert {path.name for path in VENDORED.iterdir()} == {
        *listed, "SHA256SUMS", "LICENSE-inter.txt", "LICENSE-lightweight-charts.txt",
    }  # fmt: skip


def test_the_attribution_that_the_licence_of_the_chart_asks_for_is_on_the_page() -> None:
    text = (PAGE / "index.html").read_text()
    assert 'href="https://www.tradingview.com/"' in text
    assert "TradingView Lightweight Charts™" in text


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.relative_to(PAGE).as_posix())
def test_no_file_needs_anything_from_elsewhere_or_what_the_policy_forbids(path: Path) -> None:
    text = path.read_text()
    elsewhere = set(re.findall(r"https?://[^\s\"'<>)]+", text)) - {"https://www.tradingview.com/"}
    assert elsewhere == set()
    assert not re.search(r"\.(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    if path.suffix == ".html":
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script>", text)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.relative_to(PAGE).as_posix())
def test_each_file_opens_with_a_sentence_that_says_what_it_is(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    start = {".html": "<!doctype html>", ".css": "/* ", ".js": "// "}[path.suffix]
    assert first.startswith(start)
    assert path.suffix == ".html" or first.rstrip(" */").endswith(".")


def test_each_stylesheet_and_module_is_used() -> None:
    html = (PAGE / "index.html").read_text()
    used = set(re.findall(r'(?:href|src)="/([^"]+)"', html)) | {"js/main.js"}
    for path in (PAGE / "js").glob("*.js"):
        used |= {f"js/{name}" for name in re.findall(r'from "\./([^"]+)"', path.read_text())}
    there = {path.relative_to(PAGE).as_posix() for path in OWN} - {"index.html"}
    assert there == {name for name in used if name.startswith(("js/", "css/"))}
