"""A replay asks this venue for what the recording's own venue did, once its answers say how far it has come by itself."""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from fixserver import recordings
from fixserver.recordings import Step
from fixserver.replay import Counts, Progress, Replay, Runner, add_arguments, readable, summary
from tests.bots.naive_venue import Venue

DATA = Path(__file__).parents[3] / "shared/data/bitstamp-2015-05-01-orders.csv.xz"


class Run:
    """A replay on a naive venue, whose answers arrive when `arrive` is called."""

    def __init__(self, participants: int = 2, decimals: int = 0) -> None:
        self.venue = Venue()
        self.replay = Replay(self.venue.send, [f"P{i}" for i in range(participants)], "BTCUSD", decimals)

    def take(self, action: str, order: str, side: str = "1", price: str = "10", quantity: int = 0) -> bool:
        return self.replay.take(Step(0, action, order, side, price, quantity))  # type: ignore[arg-type]

    def arrive(self, count: int = 10**9) -> None:
        answers, self.venue.answers = self.venue.answers[:count], self.venue.answers[count:]
        for owner, message in answers:
            self.replay.answer(owner, message)
        self.replay.settle()

    @property
    def counts(self) -> Counts:
        return self.replay.counts


def test_an_order_is_entered_replaced_down_and_canceled():
    run = Run()
    run.take("enter", "a", "1", "10", 5)
    run.arrive()
    run.take("remains", "a", quantity=3)
    run.arrive()
    run.take("cancel", "a")
    run.arrive()
    assert run.venue.received == ["0 D r-1 buy 5 at 10", "0 G r-2 of r-1 buy 3 at 10", "0 F r-3 of r-2"]
    assert (run.counts.accepted, run.counts.replaced, run.counts.canceled) == (1, 1, 1)
    assert run.replay.is_settled and run.counts.read == run.counts.accounted == 3


def test_the_orders_go_round_the_participants():
    run = Run(participants=3)
    for order in "abcd":
        run.take("enter", order, "1", "10", 1)
    assert [text[:5] for text in run.venue.received] == ["0 D r", "1 D r", "2 D r", "0 D r"]


def test_a_partial_fill_that_happened_here_too_needs_no_replace():
    run = Run()
    run.take("enter", "a", "1", "10", 5)
    run.take("enter", "b", "2", "10", 2)
    run.arrive()
    run.take("remains", "a", quantity=3)
    assert run.venue.received == ["0 D r-1 buy 5 at 10", "1 D r-2 sell 2 at 10"]
    assert (run.counts.already_done, run.counts.taken, run.counts.made) == (1, 1, 1)


def test_a_replace_counts_what_was_executed_here():
    run = Run()
    run.take("enter", "a", "1", "10", 5)
    run.take("enter", "b", "2", "10", 1)
    run.arrive()
    run.take("remains", "a", quantity=3)
    run.arrive()
    assert run.venue.received[-1] == "0 G r-3 of r-1 buy 4 at 10"
    assert run.venue.orders[0].leaves == 3


def test_a_cancel_of_a_filled_order_is_done_already():
    run = Run()
    run.take("enter", "a", "1", "10", 1)
    run.take("enter", "b", "2", "10", 1)
    run.arrive()
    run.take("cancel", "a")
    run.take("cancel", "b")
    assert (run.counts.already_done, run.counts.sent_cancels) == (2, 0)


def test_a_cancel_follows_its_order_at_once_and_a_replace_waits_for_the_answer():
    run = Run()
    run.take("enter", "a", "1", "10", 1)
    run.take("cancel", "a")
    run.take("enter", "b", "1", "10", 2)
    run.take("remains", "b", quantity=1)
    assert run.venue.received == ["0 D r-1 buy 1 at 10", "0 F r-2 of r-1", "1 D r-3 buy 2 at 10"]
    run.arrive()
    assert run.venue.received[3:] == ["1 G r-4 of r-3 buy 1 at 10"]


def test_what_is_wanted_while_an_answer_is_due_overtakes_what_was_wanted_before():
    run = Run()
    run.take("enter", "a", "1", "10", 5)
    run.take("remains", "a", quantity=3)
    run.take("cancel", "a")
    assert run.venue.received == ["0 D r-1 buy 5 at 10"]
    run.arrive()
    run.arrive()
    assert run.venue.received[1:] == ["0 F r-2 of r-1"]
    assert run.counts.superseded == 1
    assert run.replay.is_settled and run.counts.read == run.counts.accounted == 3


def test_a_cancel_waits_for_the_answer_to_a_replace_and_names_its_cl_ord_id():
    run = Run()
    run.take("enter", "a", "1", "10", 5)
    run.arrive()
    run.take("remains", "a", quantity=3)
    run.take("cancel", "a")
    assert len(run.venue.received) == 2
    run.arrive()
    assert run.venue.received[2:] == ["0 F r-3 of r-2"]


def test_changes_of_orders_from_before_the_recording_are_counted():
    run = Run()
    for action in ("remains", "cancel", "reduce", "execute"):
        run.take(action, "before")
    assert (run.counts.unknown_order, run.venue.received) == (4, [])


def test_rejections_count_by_reason_with_the_numbers_blotted_out():
    run = Run()
    for price in ("1.00", "2.00"):
        run.venue.refuse["D"] = {"35": "8", "17": "x", "150": "8", "103": "99", "58": f"price {price} is outside 5.00 to 15.00"}
        run.take("enter", price, "1", price, 1)
    run.arrive()
    run.take("cancel", "1.00")
    assert run.counts.rejected == {"103=99 price # is outside # to #": 2}
    assert (run.counts.already_done, run.counts.accepted) == (1, 0)


def test_a_cancel_of_a_rejected_order_that_was_on_its_way_is_counted():
    run = Run()
    run.venue.refuse["D"] = {"35": "8", "17": "x", "150": "8", "103": "18"}
    run.take("enter", "a", "1", "10", 1)
    run.take("cancel", "a")
    run.arrive()
    assert (run.counts.rejected, run.counts.cancel_rejected) == ({"103=18": 1}, {"102=1 unknown order": 1})
    assert run.replay.is_settled


@pytest.mark.parametrize("names_it", [True, False])
def test_a_message_that_the_session_refuses_is_answered_too(names_it):
    run = Run()
    run.venue.refuse["D"] = {"35": "j", "380": "8", "58": "at most 100 a second"} | ({"379": "r-1"} if names_it else {})
    run.take("enter", "a", "1", "10", 1)
    run.arrive()
    assert run.counts.refused == {"380=8 at most # a second": 1}
    assert run.replay.is_settled


def test_a_report_that_comes_again_counts_once():
    run = Run()
    run.take("enter", "a", "1", "10", 5)
    run.take("enter", "b", "2", "10", 2)
    again = [(owner, {**message, "97": "Y"}) for owner, message in run.venue.answers]
    run.arrive()
    run.venue.answers = again
    run.arrive()
    assert (run.counts.accepted, run.counts.taken, run.counts.made, run.counts.resent) == (2, 1, 1, 4)
    assert (run.counts.taken_quantity, run.counts.made_quantity) == (2, 2)


def test_an_order_canceled_by_the_venue_needs_no_cancel():
    run = Run()
    run.take("enter", "a", "1", "10", 5)
    run.arrive()
    run.replay.answer(0, {"35": "8", "11": "r-1", "17": "x", "150": "4", "151": "0", "14": "0", "38": "5"})
    run.take("cancel", "a")
    assert (run.counts.canceled, run.counts.canceled_unasked, run.counts.already_done) == (0, 1, 1)


# --------------------------------------------------------------------------------------------------- lobster


def test_a_partial_cancellation_takes_from_what_the_recording_says_is_left():
    run = Run()
    run.take("enter", "a", "1", "10", 10)
    run.arrive()
    run.take("reduce", "a", quantity=4)
    run.arrive()
    run.take("reduce", "a", quantity=1)
    run.arrive()
    assert run.venue.received[1:] == ["0 G r-2 of r-1 buy 6 at 10", "0 G r-3 of r-2 buy 5 at 10"]


def test_an_execution_is_brought_about_by_another_participant_when_the_order_is_known_to_rest():
    run = Run()
    run.take("enter", "a", "1", "10", 10)
    assert not run.take("execute", "a", quantity=4)
    run.arrive()
    assert run.take("execute", "a", quantity=4)
    run.arrive()
    assert run.venue.received == ["0 D r-1 buy 10 at 10", "1 D r-2 sell 4 at 10 ioc"]
    assert (run.counts.taken_quantity, run.counts.made_quantity, run.venue.orders[0].leaves) == (4, 4, 6)
    run.take("reduce", "a", quantity=2)
    run.arrive()
    assert run.venue.received[2:] == ["0 G r-3 of r-1 buy 8 at 10"]
    assert run.venue.orders[0].leaves == 4


def test_an_execution_of_an_order_that_is_over_here_needs_nobody():
    run = Run()
    run.take("enter", "a", "1", "10", 1)
    run.take("enter", "b", "2", "10", 1)
    run.arrive()
    assert run.take("execute", "a", quantity=1)
    assert (run.counts.already_done, len(run.venue.received)) == (1, 2)


# ----------------------------------------------------------------------------------------------- a whole recording


def replayed(steps: Iterable[Step], window: int, scale: int = 1) -> Run:
    run = Run(decimals=8)
    for step in steps:
        while not run.replay.take(step):
            run.arrive()
        if len(run.replay.waiting) >= window:
            run.arrive()
    while not run.replay.is_settled:
        run.arrive()
    return run


@pytest.mark.parametrize("window", [1, 300])
def test_a_recording_is_accounted_for_to_the_last_event(window):
    if not DATA.exists():
        pytest.skip(f"{DATA} is not there")
    run = replayed(recordings.read(recordings.examine(DATA, limit=6000)), window)
    counts = run.counts
    assert counts.read == counts.accounted == 6000
    answered = counts.accepted + counts.replaced + counts.canceled + sum(counts.cancel_rejected.values())
    assert counts.sent == len(run.venue.received) == answered
    assert counts.taken == counts.made > 100
    assert counts.taken_quantity == counts.made_quantity
    assert not counts.rejected and not counts.refused


# ------------------------------------------------------------------------------------------------------- running


def runner(**settings: float) -> Runner:
    run = Run()
    return Runner([], run.replay, Progress(0, quiet=True), **settings)  # type: ignore[arg-type]


def test_the_pace_is_the_recordings_times_the_speed():
    now = time.monotonic()
    assert runner()._pause(now, 60 * 10**9) == 0.0
    assert 59 < runner(speed=1.0)._pause(now, 60 * 10**9) <= 60
    assert 5 < runner(speed=10.0)._pause(now, 60 * 10**9) <= 6
    assert runner(speed=10.0)._pause(now - 7, 60 * 10**9) == 0.0


def test_a_participants_rate_is_not_exceeded():
    limited = runner(rate=100)
    limited.replay.counts.sent_orders = 200
    assert 1.9 < limited._pause(time.monotonic(), 0) <= 2.0
    assert limited._pause(time.monotonic() - 3, 0) == 0.0


def test_on_a_terminal_progress_is_a_bar_and_else_a_line_now_and_then(capsys, monkeypatch):
    counts = Counts(taken=1_234)
    counts.steps["enter"] = 25_000
    Progress(50_000, quiet=False).show(counts, now=True)
    assert " 50 %  25,000 of 50,000 events" in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    progress = Progress(50_000, quiet=False)
    progress.show(counts)
    shown = capsys.readouterr().err
    assert shown.startswith(f"\r[{'#' * 15}{'.' * 15}]  50 %  25,000 of 50,000 events") and shown.rstrip().endswith("1,234 trades")
    progress.show(counts)  # too soon to be drawn again
    progress.end(counts)
    assert capsys.readouterr().err.count("\r") == 1


def test_quiet_shows_no_progress(capsys):
    Progress(10, quiet=True).end(Counts())
    assert capsys.readouterr().err == ""


def test_the_sum_accounts_for_every_event_and_reads_well():
    run = Run()
    run.take("enter", "a", "1", "10", 5)
    run.take("enter", "b", "2", "10", 2)
    run.venue.refuse["D"] = {"35": "8", "17": "x", "150": "8", "103": "16", "58": "price 99 is outside"}
    run.take("enter", "c", "2", "99", 2)
    run.arrive()
    run.take("remains", "a", quantity=3)
    run.take("cancel", "before")
    run.take("cancel", "a")
    run.arrive()
    told = summary(run.counts, 0, 2.0)
    assert (told["events"], told["sent"], told["unaccounted"], told["events_per_second"]) == (6, 4, 0, 3)
    text = readable(told, recordings.Recording(Path("orders.csv"), "bitstamp", 6, "", 8), "BTCUSD", ["P0", "P1"])
    assert text.splitlines() == [
        "orders.csv (bitstamp) as P0, P1 in BTCUSD",
        "read              6  events in 2.0 s, 3 a second",
        "sent              4  3 orders, 0 replaces, 1 cancels",
        "not sent          2  1 already done by this venue's matching, 1 of orders from before the recording, 0 overtaken",
        "accepted          2",
        "rejected          1",
        "            1  103=16 price # is outside",
        "replaced          0",
        "canceled          1  and 0 by the venue unasked",
        "traded            1  times as the incoming side (2), 1 as the resting one (2)",
    ]


@pytest.mark.parametrize(
    "arguments", [["--speed", "0"], ["--speed", "fast"], ["--limit", "0"], ["--window", "999999999"], ["--format", "x"]]
)
def test_a_bad_argument_is_refused(arguments, capsys):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["orders.csv", *arguments])
    assert arguments[-1] in capsys.readouterr().err
