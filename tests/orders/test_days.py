"""Restarts and the end of the trading day, on real processes and by a fake clock: what stays, what ends, what may be used again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixserver import gateway as gateway_module
from fixserver.config import load
from fixserver.gateway import Gateway
from fixserver.metrics import ExchangeMetrics
from fixserver.sessions import utc_text
from fixserver.timers import trading_day
from matching.sequencer import Sequencer
from tests.orders.conftest import open_desk, places
from tests.orders.desk import BUY, SELL, Desk
from tests.venue import VERSIONS, Venue, configuration, utc

BUY_10 = "54=1|38=10|40=2|44=100.00|59=0"
GTC_9 = "54=1|38=9|40=2|44=99.00|59=1"
AGAIN = "43=Y|122=*|"
DAY = 86_400


def test_trading_days() -> None:
    """From the roll on it is the next day's; a roll at midnight is the calendar."""
    noon = 1_750_000_000 // DAY * DAY + DAY // 2  # 2025-06-15
    hours = 3600
    assert [trading_day((noon + offset * hours) * 10**9, 22 * hours) for offset in (-12, 9.9, 10, 12, 33.9, 34)] == [
        "20250615", "20250615", "20250616", "20250616", "20250616", "20250617",
    ]  # fmt: skip
    assert [trading_day((noon + offset * hours) * 10**9, 0) for offset in (-12, 11.9, 12)] == ["20250615", "20250615", "20250616"]


# --------------------------------------------------------------------------------------------- real processes


@pytest.fixture
def venue_of_three(tmp_path: Path) -> Iterator[tuple[Venue, list[Desk]]]:
    """A venue of its own, to be restarted, with a desk for each version."""
    instruments, participants = places(range(len(VERSIONS)))
    with Venue(tmp_path, instruments=instruments, participants=participants, venue={"day_roll": "23:59"}) as venue:
        yield venue, [open_desk(venue, number, version) for number, version in enumerate(VERSIONS)]


def test_after_a_crash(venue_of_three: tuple[Venue, list[Desk]]) -> None:
    """Open orders and ClOrdIDs are what they were; what was to end with its session has ended; priority holds."""
    venue, desks = venue_of_three
    for desk in desks:
        desk.a.enter("A1", BUY, 10, "100.00", header="50=desk7|")
        desk.a.enter("A2", BUY, 10, "100.00", "18=o|")
        desk.a.enter("A3", BUY, 9, "99.00", "59=1|")
        desk.a.enter("A4", BUY, 10, "999.00")
        desk.b.enter("B1", SELL, 4, "100.00")
        assert len(desk.b.told()) == 2
        assert len(desk.a.told()) == 5
    venue.kill()
    venue.start()
    for desk in desks:
        reason = desk.words.pick("", "378=8|", "378=12|")
        assert desk.a.come_back() == [
            desk.report("canceled", "#3", "A2", BUY_10 + "|18=o", "0/0@0", f"58=the connection was lost|{reason}{AGAIN}")
        ]
        desk.b.come_back()
        desk.a.enter("A1", BUY, 1, "100.00")
        desk.a.enter("A3", BUY, 1, "100.00", header="97=Y|")
        desk.a.cancel("A5", "A4")
        refused, *rest = desk.a.told()
        assert "|58=ClOrdID was used before on this trading day|" in refused
        assert rest == [
            desk.report("status new", "#4", "A3", GTC_9, "9/0@0"),
            desk.cancel_reject("NONE", "A5 of A4", "8", "1", "1", "no order with ClOrdID A4"),
        ]
        desk.b.enter("B2", SELL, 6, "100.00")
        desk.b.told()
        assert desk.a.told_one() == desk.report("fill", "#2", "A1", BUY_10, "0/10@100.00", "32=6|31=100.00|851=1|57=desk7|")


def test_after_the_end_of_the_trading_day(venue_of_three: tuple[Venue, list[Desk]]) -> None:
    """DAY orders expire, GTC and GTD ones stay; ClOrdIDs of what has ended may be used again, others not."""
    venue, desks = venue_of_three
    if not 60 <= time.time() % DAY < DAY - 180:
        pytest.skip("it is midnight UTC: the day would end by itself, and not when this test says")
    for desk in desks:
        desk.a.enter("A1", BUY, 10, "100.00")
        desk.a.enter("A2", BUY, 9, "99.00", "59=1|")
        desk.a.enter("A3", BUY, 10, "98.00", f"59=6|126={utc(3600)}|")
        desk.a.told()
    venue.end()
    text = venue.config.read_text()
    venue.config.write_text(text.replace('day_roll = "23:59"', 'day_roll = "00:01"'))
    venue.start()
    for desk in desks:
        assert desk.a.come_back() == [
            desk.report("expired", "#1", "A1", BUY_10, "0/0@0", f"58=the trading day ended|{AGAIN}")
        ]
        desk.a.enter("A1", BUY, 10, "100.00")
        desk.a.enter("A2", BUY, 10, "100.00")
        desk.a.ask("A1")
        reports = [(message[11], message[39], message.get(103)) for message in desk.a.messages()]
        assert reports == [("A1", "0", ""), ("A2", "8", "6"), ("A1", "0", "")]
        desk.a.ask_all("Q1")
        assert [message[11] for message in desk.a.messages()] == ["A2", "A3", "A1"]


# ------------------------------------------------------------------------------------------------ a fake clock


class Heard:
    """Stands for the sessions: keeps what they are given to send."""

    def __init__(self, gateway: Gateway, names: list[str]) -> None:
        self.sent: list[str] = []
        self.by_name = {name: SimpleNamespace(send=self._send) for name in names}
        gateway.sessions = self  # type: ignore[assignment]

    def _send(self, msg_type: str, body: str, routing: str = "") -> None:
        fields = dict(pair.split("=", 1) for pair in body.split("\x01")[:-1])
        self.sent.append(f"{fields['11']} {fields['150']} {fields.get('58', '')}".strip())


def test_a_day_ends_while_the_venue_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And GTD orders end at their time: the gateway's timer asks, the core does."""
    instruments, participants = places(range(1))
    file = tmp_path / "venue.toml"
    file.write_text(configuration(instruments=instruments, participants=participants, venue={"day_roll": "22:00"}))
    config = load(file)
    now = [1_750_000_000 // DAY * DAY * 10**9 + 20 * 3600 * 10**9]  # 20:00
    monkeypatch.setattr(gateway_module.time, "time_ns", lambda: now[0])
    core = Sequencer(tmp_path / "data", "os", clock=lambda: now[0])
    try:
        list(core.recover())
        gateway = Gateway(config, core, ExchangeMetrics(), lambda said: None)
        heard = Heard(gateway, ["A0/FIX.4.4"])
        gateway.open_for_business(config)
        session = SimpleNamespace(
            said_logout=False, participant="A0", name="A0/FIX.4.4", begin_string="FIX.4.4", logon_fields={}, speaks_for_others=False
        )
        gateway.on_logon(session)  # type: ignore[arg-type]
        expire_time = utc_text(now[0] + 3600 * 10**9, 3)
        for cl_ord_id, more in (("DAY", ""), ("GTC", "59=1|"), ("GTD", f"59=6|126={expire_time}|")):
            text = f"35=D|34=2|11={cl_ord_id}|55=X0|54=1|38=10|40=2|44=100.00|{more}".replace("|", "\x01")
            gateway.on_message(session, text)  # type: ignore[arg-type]
        said = []
        for hour in (0, 0.9, 1, 1.9, 2, 3):
            now[0] = 1_750_000_000 // DAY * DAY * 10**9 + int((20 + hour) * 3600) * 10**9
            heard.sent.clear()
            gateway.on_tick()
            gateway.on_turn()
            said.append((hour, list(heard.sent)))
        assert said == [
            (0, ["DAY 0", "GTC 0", "GTD 0"]),
            (0.9, []),
            (1, ["GTD C the order's time ended"]),
            (1.9, []),
            (2, ["DAY C the trading day ended"]),
            (3, []),
        ]
        assert core.engine.trading_day == "20250616"
    finally:
        core.close()


