"""The QuickFIX client puts what happens into a queue, and lets nothing out of its callbacks."""

from __future__ import annotations

import queue

import pytest
import quickfix as fix

from fixserver.client import Happened, _Application


@pytest.fixture
def happened() -> queue.SimpleQueue[Happened]:
    return queue.SimpleQueue()


SESSION = fix.SessionID("FIX.4.4", "MAKER1", "FIXSERVER")


def message(text: str) -> fix.Message:
    return fix.Message("8=FIX.4.4\x01" + text.replace("|", "\x01"), False)


def test_a_logon_gets_the_credentials_and_nothing_else_does(happened):
    application = _Application("secret", happened)
    logon, heartbeat = message("35=A|98=0|108=10|"), message("35=0|")
    application.toAdmin(logon, SESSION)
    application.toAdmin(heartbeat, SESSION)
    assert (logon.getField(553), logon.getField(554)) == ("MAKER1", "secret")
    assert not heartbeat.isSetField(554)


def test_what_happens_is_queued_with_who_and_where(happened):
    application = _Application("secret", happened)
    application.onLogon(SESSION)
    application.fromApp(message("35=8|11=a|"), SESSION)
    application.fromAdmin(message("35=5|58=closed|"), SESSION)
    application.fromAdmin(message("35=0|"), SESSION)
    application.onLogout(SESSION)
    found = [happened.get() for _ in range(happened.qsize())]
    assert [(one.sender, one.target, one.kind) for one in found] == [
        ("MAKER1", "FIXSERVER", kind) for kind in ("logon", "message", "refused", "logout")
    ]
    assert "\x0111=a\x01" in found[1].text and found[2].text == "closed"


def test_an_exception_does_not_leave_a_callback(happened, capsys):
    application = _Application("secret", happened)
    for callback in (application.fromApp, application.fromAdmin, application.toAdmin, application.toApp):
        callback(None, None)
    for callback in (application.onLogon, application.onLogout, application.onCreate):
        callback(None)
    said = capsys.readouterr().err
    assert [name for name in ("fromApp", "fromAdmin", "toAdmin", "onLogon", "onLogout") if f"client: {name} failed" in said] == [
        "fromApp", "fromAdmin", "toAdmin", "onLogon", "onLogout"
    ]  # fmt: skip
    assert happened.empty()
