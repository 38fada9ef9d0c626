"""Margin as the second engine has it, by docs/clearing-rules.md: what shorts need, and who is called. It keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matching.messages import BUY, CancelReason, MarginCalled, MarginCallEnded, OrderCanceled

if TYPE_CHECKING:
    from tests.matching.naive_market import NaiveMarket, Order

CANCELED = "4"


def shorts(market: NaiveMarket, account: str, symbol: str) -> int:
    """What is available below 0, the short limit not counted."""
    return max(market.reserved(account, symbol) - market.total(account, symbol), 0)


def margins_now(market: NaiveMarket, account: str) -> dict[str, int]:
    """What an account needs in each currency for its shorts."""
    needed: dict[str, int] = {}
    for symbol, (initial, _) in market.clearing.rates.items():
        paper = market.papers[symbol]
        margin = paper.money(paper.around, shorts(market, account, symbol)) * initial // 10**6 if initial else 0
        needed[paper.terms.currency] = needed.get(paper.terms.currency, 0) + margin
    return needed


def carries(market: NaiveMarket, account: str, before: dict[str, int]) -> bool:
    """Whether an account has the cash for what it needs more than before, beside what is reserved."""
    return all(
        needed <= before.get(currency, 0) or needed - before.get(currency, 0) <= market.available(account, currency)
        for currency, needed in margins_now(market, account).items()
    )


def compute(market: NaiveMarket) -> None:
    """The margins at the end of a command, which are reserved until the next."""
    market.clearing.margins = {
        (account, currency): margin
        for account in market.accounts
        for currency, margin in margins_now(market, account).items()
        if margin
    }


def equity(market: NaiveMarket, account: str, currency: str) -> int:
    papers = {symbol: paper for symbol, paper in market.papers.items() if paper.terms.currency == currency}
    worth = sum(paper.money(paper.around, market.total(account, symbol)) for symbol, paper in papers.items())
    return market.total(account, currency) + worth


def required(market: NaiveMarket, account: str, currency: str) -> int | None:
    """What the shorts of an account need; None where it has none."""
    found = None
    for symbol, (_, maintenance) in market.clearing.rates.items():
        paper, short = market.papers[symbol], -market.total(account, symbol)
        if paper.terms.currency == currency and maintenance and short > 0:
            found = (found or 0) + paper.money(paper.around, short) * maintenance // 10**6
    return found


def opening(market: NaiveMarket, orders: list[Order]) -> list[Order]:
    """Of orders of one account, in the order of entry, those that do not wholly fit into what it is short, or holds."""
    left: dict[tuple[str, str], int] = {}
    found = []
    for order in sorted(orders, key=lambda order: order.entry):
        key = order.instrument, order.side
        total = market.total(order.account, order.instrument)
        room = left.get(key, max(-total if order.side == BUY else total, 0))
        if order.leaves > room or order.conditions.list_id:
            found.append(order)
        else:
            left[key] = room - order.leaves
    return found


def in_currency(market: NaiveMarket, account: str, currency: str) -> list[Order]:
    """The open orders of an account in a currency."""
    return [
        order for order in market.orders if order.account == account and market.papers[order.instrument].terms.currency == currency
    ]


def call(market: NaiveMarket) -> None:
    """At the end of a command: the margins, then who is called, and who is no longer."""
    compute(market)
    events = len(market.out)
    called = market.clearing.called
    for account in sorted(market.accounts):
        for currency in sorted({paper.terms.currency for paper in market.papers.values()}):
            needed = required(market, account, currency)
            if needed is None and (account, currency) not in called:
                continue
            has = equity(market, account, currency)
            short_of = needed is not None and has < needed
            if short_of and (account, currency) not in called:
                called.add((account, currency))
                market.say(MarginCalled, account, currency, str(has), str(needed))
                for order in opening(market, in_currency(market, account, currency)):
                    if not order.status:
                        market.over(order, CANCELED, CancelReason.MARGIN_CALL)
            elif not short_of and (account, currency) in called:
                called.remove((account, currency))
                market.say(MarginCallEnded, account, currency, str(has), str(needed or 0))
    if any(isinstance(event, OrderCanceled) for event in market.out[events:]):
        market.finish()
        compute(market)
