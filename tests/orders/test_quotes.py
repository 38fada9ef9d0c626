"""Quotes of market makers (i, Z): taken entry by entry, in the place of those before; acknowledged (b) as far as is wished."""

from __future__ import annotations

from tests.orders.desk import BUY, SELL, Desk, in_order

MAKER = "851=1|"


def entry(name: str, symbol: str, bid: str = "", offer: str = "") -> str:
    """`bid` and `offer` are "quantity@price"."""
    text = f"299={name}|55={symbol}|"
    for side, (price_tag, size_tag) in ((bid, ("132", "134")), (offer, ("133", "135"))):
        if side:
            quantity, _, price = side.partition("@")
            text += f"{price_tag}={price}|{size_tag}={quantity}|" if price else f"{size_tag}={quantity}|"
    return text


def quote(desk: Desk, quote_id: str, *entries: str, level: str = "", more: str = "", header: str = "") -> None:
    """A's MassQuote, one set of entries."""
    desk.a.send(
        "i",
        f"117={quote_id}|{f'301={level}|' if level else ''}{more}296=1|302=S|{'311=X|' if desk.words.old else ''}"
        f"304={len(entries)}|295={len(entries)}|{''.join(entries)}",
        header=header,
    )


def cancel(desk: Desk, quote_id: str, *symbols: str, level: str = "") -> None:
    """A's QuoteCancel: of instruments, or of all."""
    entries = "".join(f"55={symbol}|" for symbol in symbols or (("X",) if desk.words.old else ()))
    group = f"295={max(len(symbols), 1)}|{entries}" if entries else ""
    desk.a.send("Z", f"117={quote_id}|298={'1' if symbols else '4'}|{f'301={level}|' if level else ''}{group}")


def acknowledged(desk: Desk, quote_id: str, entries: str = "", text: str = "", level: str = "") -> str:
    """A MassQuoteAcknowledgement. `entries` is "name symbol reason ..."."""
    group, words = "", entries.split()
    for name, symbol, reason in zip(words[::3], words[1::3], words[2::3], strict=True):
        group += f"299={name}|55={symbol}|" + (f"368={reason}|" if reason != "0" else "")
    sets = f"296=1|302=S|304={len(words) // 3}|295={len(words) // 3}|{group}" if group else ""
    return in_order(
        f"35=b|117={quote_id}|297=0|{f'301={level}|' if level else ''}{f'58={text}|' if text else ''}{sets}"
    )


def refused(desk: Desk, quote_id: str, code: str, text: str, level: str = "") -> str:
    return in_order(f"35=b|117={quote_id}|297=5|300={code}|{f'301={level}|' if level else ''}58={text}")


def canceled(quote_id: str, status: str, text: str, level: str = "") -> str:
    return in_order(f"35=b|117={quote_id}|297={status}|{f'301={level}|' if level else ''}58={text}")


def test_a_quote_has_two_sides_and_its_fills_are_reported(desk: Desk) -> None:
    """The sides are orders without ClOrdID; their ExecutionReports say which quote was filled."""
    quote(desk, "Q1", entry("E1", desk.x, "10@99.00", "10@101.00"), entry("E2", desk.y, "5@50.00"))
    assert desk.a.told() == [acknowledged(desk, "Q1", "E1 X 0 E2 Y 0")]
    desk.b.enter("B1", BUY, 4, "101.00")
    desk.b.messages()
    (fill,) = desk.a.messages()
    assert 11 not in fill.fields
    assert desk.written(fill) == desk.report(
        "partial fill", "#1", "", "54=2|38=10|40=2|44=101.00|59=0|117=Q1|299=E1", "6/4@101.00", "32=4|31=101.00|" + MAKER
    ).replace("11=|", "")


def test_a_quote_takes_the_place_of_the_one_before(desk: Desk) -> None:
    """Without reports of what it replaces: the acknowledgement says enough. A side that is not named, or is 0, is withdrawn."""
    quote(desk, "Q1", entry("E1", desk.x, "10@99.00", "10@101.00"))
    quote(desk, "Q2", entry("E1", desk.x, "10@98.00", "0"))
    desk.a.ask_all("S1")
    told = desk.a.messages()
    assert [desk.written(message) for message in told[:2]] == [
        acknowledged(desk, "Q1", "E1 X 0"),
        acknowledged(desk, "Q2", "E1 X 0"),
    ]
    assert [(message[54], message[44], message[117], message[911]) for message in told[2:]] == [("1", "98.00", "Q2", "1")]


def test_entries_are_refused_one_by_one(desk: Desk) -> None:
    codes = desk.words.pick("8 8", "8 8", "10 8").split()
    quote(
        desk, "Q1",
        entry("E1", desk.x, "10@99.00", "10@101.00"),
        entry("E2", "NOSUCH", "10@99.00", "10@101.00"),
        entry("E3", desk.y, "10@101.00", "10@99.00"),
        entry("E4", desk.y, "10@99.00", "10@151.00"),
        entry("E5", "TICK", "10@99.01"),
    )  # fmt: skip
    assert desk.a.told() == [
        acknowledged(
            desk, "Q1", f"E1 X 0 E2 NOSUCH 1 E3 Y 7 E4 Y {codes[0]} E5 TICK {codes[1]}",
            "entry E2: unknown symbol NOSUCH; 3 others are refused too",
        )
    ]  # fmt: skip


def test_a_client_says_how_much_he_wants_to_hear(desk: Desk) -> None:
    """QuoteResponseLevel 0: nothing; 1: errors; 2, and when it is left out: each."""
    good, bad = entry("E1", desk.x, "10@99.00", "10@101.00"), entry("E2", desk.y, "10@101.00", "10@99.00")
    crossed = "entry E2: the bid of a quote is below its offer"
    told = []
    for level in ("0", "1", "2"):
        quote(desk, f"G{level}", good, level=level)
        quote(desk, f"B{level}", good, bad, level=level)
        told += desk.a.told()
        quote(desk, f"W{level}", good.replace("99.00", "99.001"), level=level)
        cancel(desk, f"C{level}", desk.x, level=level)
        told += desk.a.told()
    code, wrong = desk.words.pick("8", "8", "8"), "entry E1: BidPx 99.001 has more than 2 decimals"
    gone = "2 sides of quotes of X are canceled"
    assert told == [
        acknowledged(desk, "B1", "E2 Y 7", crossed, "1"),
        refused(desk, "W1", code, wrong, "1"),
        acknowledged(desk, "G2", "E1 X 0", level="2"),
        acknowledged(desk, "B2", "E1 X 0 E2 Y 7", crossed, "2"),
        refused(desk, "W2", code, wrong, "2"),
        canceled("C2", "1", gone, "2"),
    ]


def test_quotes_are_canceled_by_instrument_or_all(desk: Desk) -> None:
    """Without ExecutionReports; other orders stay."""
    quote(desk, "Q1", entry("E1", desk.x, "10@99.00", "10@101.00"), entry("E2", desk.y, "5@50.00"))
    desk.a.enter("A1", BUY, 1, "90.00")
    desk.a.messages()
    cancel(desk, "C1", desk.x)
    cancel(desk, "C2")
    cancel(desk, "C3")
    cancel(desk, "C4", desk.x, desk.y)
    taken = desk.a.told()
    cancel(desk, "C5", "NOSUCH")
    desk.a.send("Z", f"117=C6|298=2|295=1|55={desk.x}|")
    desk.a.ask("A1")
    *told, status = desk.a.told()
    assert taken + told == [
        canceled("C1", "1", "2 sides of quotes of X are canceled"),
        canceled("C2", "4", "1 sides of quotes are canceled"),
        canceled("C3", "4", "0 sides of quotes are canceled"),
        canceled("C4", "1", "0 sides of quotes of X are canceled"),
        canceled("C4", "1", "0 sides of quotes of Y are canceled"),
        refused(desk, "C5", "1", "unknown symbol NOSUCH"),
        refused(desk, "C6", "7", "QuoteCancelType 2 is not taken: 1 and 4 are"),
    ]
    assert "39=0" in status


def test_a_quote_that_others_end_is_reported(desk: Desk) -> None:
    """By a mass cancel, by self-trade prevention, by the operator: nobody else tells of it."""
    quote(desk, "Q1", entry("E1", desk.x, "10@99.00", "10@101.00"))
    desk.a.messages()
    desk.a.enter("A1", SELL, 5, "99.00")
    desk.a.mass_cancel("M1")
    told = desk.a.messages()
    assert [(message.type, message.get(11), message.get(150), message.get(117), message.get(54)) for message in told] == [
        ("8", "A1", "0", "", "2"),
        ("8", "", "4", "Q1", "1"),
        ("r", "M1", "", "", ""),
        ("8", "", "4", "Q1", "2"),
        ("8", "A1", "4", "", "2"),
    ]
    quote(desk, "Q2", entry("E1", desk.x, "10@99.00"))
    desk.a.messages()
    desk.operate("cancel order", participant=desk.a.comp_id)
    (message,) = desk.a.messages()
    assert (message[150], message[117], message[299], message[58]) == ("4", "Q2", "E1", "the operator canceled it")


def test_a_mass_quote_that_is_no_command_is_refused_as_a_whole(desk: Desk) -> None:
    good = entry("E1", desk.x, "10@99.00", "10@101.00")
    quote(desk, "Q1", good, good)
    quote(desk, "Q2", *(entry(f"E{number}", desk.x, "1@99.00") for number in range(101)))
    quote(desk, "Q" * 65, good)
    quote(desk, "Q4", good.replace("299=E1", f"299={'E' * 65}"))
    quote(desk, "Q5", good.replace("134=10", "134=1.5"))
    quote(desk, "Q6", good + "62=20300101-00:00:00|")
    quote(desk, "Q7", good + "15=EUR|")
    quote(desk, "Q8", good, header="97=Y|")
    quote(desk, "Q9", good, more="1=SOMEBODY|")
    other = desk.words.pick("8", "99", "99")
    desk.a.ask_all("S1")
    *told, status = desk.a.told()
    assert "911=0" in status
    assert told == [
        refused(desk, "Q1", "6", "two entries of a set have the same QuoteEntryID"),
        refused(desk, "Q2", "3", "a MassQuote has at most 100 entries"),
        refused(desk, "Q" * 65, "7", "QuoteID has more than 64 characters"),
        refused(desk, "Q4", "7", "QuoteEntryID has more than 64 characters"),
        refused(desk, "Q5", other, "entry E1: BidSize 1.5 has more than 0 decimals"),
        refused(desk, "Q6", "7", "ValidUntilTime is not taken with quotes"),
        refused(desk, "Q7", "7", "entry E1: Currency EUR is not that of X, USD"),
        refused(desk, "Q8", "7", "a quote that may have been sent before is not taken: quote anew"),
        refused(desk, "Q9", "9", "unknown account SOMEBODY of A"),
    ]


def test_default_sizes_are_for_the_sides_that_have_a_price(desk: Desk) -> None:
    quote(desk, "Q1", f"299=E1|55={desk.x}|132=99.00|", more="293=7|294=8|")
    desk.a.ask_all("S1")
    _, side = desk.a.messages()
    assert (side[54], side[38], side[911]) == ("1", "7", "1")
