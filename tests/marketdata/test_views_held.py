"""A view lives as long as somebody holds it and a while longer; all who ask for the same have the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from md_stand import Clock, Venue

from marketdata import viewing
from marketdata.depth import BID, OFFER
from marketdata.feed import Feed
from marketdata.viewing import VIEW_KEPT_SECONDS, Views
from marketdata.views import ViewKey
from matching.messages import BUY

BIDS = ViewKey("AAPL", False, 0, (BID,))
BOOK = ViewKey("AAPL", False, 0, (BID, OFFER))


class Stand:
    """A venue, and the views of its depth."""

    def __init__(self, data: Path) -> None:
        self.venue = Venue(data)
        self.feed = Feed(data)
        self.feed.catch_up()
        self.clock = Clock()
        self.views = Views(self.feed.depth, "7", self.clock)

    def bid(self) -> list[tuple[str, int, int]]:
        """A bid comes in: era, first number and number of entries of each view that says so."""
        self.venue.submit([self.venue.order("ALICE", BUY, 999, 1)])
        (published,) = [self.views.publish() for _ in self.feed.records(0)]
        return [(view.era, first, len(entries)) for view, first, entries in published]

    def close(self) -> None:
        self.feed.close()
        self.venue.close()


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path)
    yield stand
    stand.close()


def test_nothing_is_published_of_what_nobody_holds(stand: Stand) -> None:
    assert stand.bid() == []
    assert len(stand.views) == 0


def test_who_holds_the_same_has_the_same_view(stand: Stand) -> None:
    view = stand.views.hold(BIDS)
    assert stand.bid() == [("7-1", 1, 1)]
    assert stand.views.hold(BIDS) is view is stand.views.find(BIDS)
    stand.views.hold(BOOK)
    assert stand.bid() == [("7-1", 2, 1), ("7-2", 1, 1)]


def test_a_look_holds_nothing(stand: Stand) -> None:
    view = stand.views.find(BIDS)
    assert (view.rpt_seq, view.snapshot(), len(stand.views)) == (0, [], 0)


def test_a_view_is_kept_up_until_all_have_let_it_go_and_a_while_longer(stand: Stand) -> None:
    stand.views.hold(BIDS)
    stand.views.hold(BIDS)
    stand.views.release(BIDS)
    stand.clock.now += 2 * VIEW_KEPT_SECONDS
    assert stand.bid() == [("7-1", 1, 1)]
    stand.views.release(BIDS)
    stand.clock.now += VIEW_KEPT_SECONDS - 1
    assert stand.bid() == [("7-1", 2, 1)]
    stand.clock.now += 1
    assert stand.bid() == []
    stand.views.hold(BIDS)
    assert stand.bid() == [("7-2", 1, 1)], "its numbers are new, and so is their era"


def test_who_comes_back_in_between_saves_it(stand: Stand) -> None:
    stand.views.hold(BIDS)
    stand.views.release(BIDS)
    stand.clock.now += VIEW_KEPT_SECONDS - 1
    stand.views.hold(BIDS)
    stand.clock.now += 2
    assert stand.bid() == [("7-1", 1, 1)]


def test_few_are_kept_that_nobody_holds(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewing, "VIEWS_KEPT_MAX", 2)
    keys = [ViewKey("AAPL", False, depth, (BID,)) for depth in range(1, 5)]
    for key in keys:
        stand.views.hold(key)
    for key in keys[1:]:
        stand.views.release(key)
    assert [era for era, _, _ in stand.bid()] == ["7-1", "7-3", "7-4"], "the second was let go first"


def test_an_instrument_that_is_not_traded(stand: Stand) -> None:
    with pytest.raises(KeyError):
        stand.views.hold(ViewKey("XYZ", False, 0, (BID,)))
    assert len(stand.views) == 0
