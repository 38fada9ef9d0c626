"""What the terminal makes of reports that come late, twice, of elsewhere, or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fixserver.initiator import Message
from fixserver.terminal.commands import CommandError, Enter, parse
from fixserver.terminal.orders import Orders, Position, Said


def message(text: str) -> Message:
    return dict([pair.split("=", 1) for pair in text.split("|")])  # type: ignore[misc]


def entered(line: str) -> tuple[Orders, str]:
    """One order that was sent, and its ClOrdID."""
    orders = Orders("T1", "R")
    command = parse(line)
    assert isinstance(command, Enter)
    order, _ = orders.enter(command, "AAPL")
    return orders, order.cl_ord_id


NEW = "35=8|37=9|11=R-1|17=1|150=0|39=0|55=AAPL|54=1|38=100|40=2|44=5.00|59=0|151=100|14=0|6=0"
FILL = "35=8|37=9|11=R-1|17=2T|150=F|39=1|55=AAPL|54=1|38=100|40=2|44=5.00|59=0|32=40|31=5.00|151=60|14=40|6=5.00|851=2"


def test_a_fill_that_comes_twice_counts_once() -> None:
    orders, _ = entered("buy 100 5")
    told = [orders.take(message(text)) for text in (NEW, FILL, FILL + "|97=Y")]
    assert told == [
        Said("good", "A1 buy 100 AAPL @ 5.00: new"), Said("fill", "A1 bought 40 AAPL @ 5.00, 60 left"),
        None,
    ]  # fmt: skip
    assert orders.positions == {"AAPL": Position(Decimal(40), Decimal("200.00"), Decimal(40), Decimal(0))}


def test_a_trade_that_is_taken_back_leaves_no_position() -> None:
    orders, _ = entered("buy 100 5")
    orders.take(message(NEW))
    orders.take(message(FILL))
    bust = FILL.replace("17=2T|150=F", "17=3|19=2T|150=H").replace("14=40", "14=0")
    assert orders.take(message(bust)) == Said("bad", "a trade of A1 was taken back")
    assert (orders.positions["AAPL"].net, orders.executions[0].status) == (Decimal(0), "busted")


def test_an_order_that_did_not_arrive_is_said_to_after_the_connection_is_back() -> None:
    orders, name = entered("buy 100 5")
    orders.connection_lost()
    body = orders.ask_all()
    assert body == "584=R-M2\x01585=7\x01"
    assert orders.take(message("35=8|37=NONE|150=I|39=8|584=R-M2|911=0|912=Y|58=no open orders")) is None
    assert [order.handle for order in orders.unnamed()] == ["A1"]
    said = orders.take(message(f"35=8|37=NONE|11={name}|150=I|39=8|790=A1|58=no order with ClOrdID {name}"))
    assert said == Said("bad", "A1 did not reach the venue: no order with ClOrdID R-1")
    assert orders.open == {}


def test_an_order_of_another_session_has_a_handle_and_can_be_canceled() -> None:
    orders = Orders("T1", "R")
    orders.ask_all()
    status = NEW.replace("11=R-1", "11=X7").replace("150=0", "150=I") + "|584=R-M1|911=1|912=Y"
    assert orders.take(message(status)) is None
    assert orders.find("X7") is orders.find("a1")
    assert orders.cancel(orders.find("9")).startswith("11=R-2\x0141=X7\x0137=9\x0155=AAPL\x0154=1\x0160=")


def test_a_refused_change_leaves_the_order_as_it_was() -> None:
    orders, _ = entered("buy 100 5")
    orders.take(message(NEW))
    orders.cancel(orders.find("A1"))
    assert orders.open["A1"].pending == "cancel"
    refusal = "35=9|37=9|11=R-2|41=R-1|39=0|434=1|102=99|58=not now"
    assert orders.take(message(refusal)) == Said("bad", "cancel A1 refused: not now")
    assert (orders.open["A1"].pending, orders.open["A1"].status) == ("", "new")


def test_a_message_that_is_not_taken_ends_the_order_that_it_was_to_be() -> None:
    orders, _ = entered("buy 100 5")
    said = orders.take(message("35=j|45=2|372=D|379=R-1|380=8|58=more than 5 in a second"))
    assert (said, orders.open) == (Said("bad", "A1 refused: more than 5 in a second"), {})
    with pytest.raises(CommandError, match="A1 is not open: refused"):
        orders.find("A1")


def test_what_a_replace_does_not_name_stays() -> None:
    orders, _ = entered("buy 100 5 gtc post show 10")
    orders.take(message(NEW.replace("59=0", "59=1|18=6|1138=10")))
    command = parse("replace A1 @ 4.90")
    body = orders.replace(orders.find("A1"), command)  # type: ignore[arg-type]
    said = "|".join(field for field in body.split("\x01") if not field.startswith("60="))
    assert said == "11=R-2|41=R-1|37=9|55=AAPL|54=1|21=1|38=100|40=2|59=1|18=6|1138=10|44=4.90|"
