"""The scoreboard of bots: what each did, has, and won, as a table and as JSON; it changes nothing.

Everything is exact: money is whole money units inside, decimal text in JSON, whole currency in the table. Profit is what cash and
holdings are worth at the last prices, less what the cash and holdings that the bot began with are worth at the same prices.
Inventory is what it holds more, or less, than it began with, of each instrument at the last price: looked at every
INVENTORY_SECONDS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from fixserver.broker import decimal
from fixserver.positions import Positions
from matching.messages import MONEY_DECIMALS, MONEY_UNIT

INVENTORY_SECONDS = 5


class Standing:
    """One bot: his view of what he has, and what he began with."""

    def __init__(self, name: str, strategy: str, positions: Positions) -> None:
        self.name, self.strategy, self.positions = name, strategy, positions
        self.began_cash = positions.cash
        self.began_holdings = dict(positions.holdings)
        self.failed = ""  # why it was stopped
        self.inventory_max = 0  # money units
        self._inventory_sum = 0
        self._looks = 0

    def look(self, prices: Mapping[str, int]) -> None:
        """Take note of the inventory, at these prices."""
        now = self.inventory(prices)
        self._looks += 1
        if now:
            self._inventory_sum += now
            self.inventory_max = max(self.inventory_max, now)

    def inventory(self, prices: Mapping[str, int]) -> int:
        """In money units."""
        total, began = 0, self.began_holdings
        for symbol, held in self.positions.holdings.items():
            more = held - began.get(symbol, 0)
            if more:
                total += abs(self.positions.terms[symbol].value(prices[symbol], more))
        return total

    @property
    def inventory_average(self) -> int:
        return self._inventory_sum // self._looks if self._looks else 0

    def profit(self, prices: Mapping[str, int]) -> int:
        """In money units, after fees."""
        positions = self.positions
        total = positions.cash - self.began_cash
        for symbol, terms in positions.terms.items():
            more = positions.holdings.get(symbol, 0) - self.began_holdings.get(symbol, 0)
            if more:
                total += terms.value(prices[symbol], more)
        return total

    def holdings_value(self, prices: Mapping[str, int]) -> int:
        """In money units."""
        return sum(self.positions.terms[symbol].value(prices[symbol], held) for symbol, held in self.positions.holdings.items())


def ranked(standings: Iterable[Standing], prices: Mapping[str, int]) -> list[Standing]:
    """The most profit first; of two with the same, in the order in which they stood."""
    return sorted(standings, key=lambda standing: -standing.profit(prices))


# ------------------------------------------------------------------------------------------------------- as JSON


def money(amount: int) -> str:
    """Money units as exact decimal text, with two decimals at least."""
    whole, _, fraction = f"{decimal(amount, MONEY_DECIMALS):f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def rows(standings: Iterable[Standing], prices: Mapping[str, int]) -> list[dict[str, Any]]:
    """The scoreboard for programs, the most profit first."""
    return [_row(standing, prices) for standing in ranked(standings, prices)]


def _row(standing: Standing, prices: Mapping[str, int]) -> dict[str, Any]:
    positions, tally = standing.positions, standing.positions.tally
    terms = positions.terms
    held = {symbol: f"{decimal(n, terms[symbol].quantity_decimals):f}" for symbol, n in positions.holdings.items() if n}
    return {
        "name": standing.name,
        "strategy": standing.strategy,
        "profit": money(standing.profit(prices)),
        "balance": money(positions.cash),
        "holdings": held,
        "holdings_value": money(standing.holdings_value(prices)),
        "inventory_average": money(standing.inventory_average),
        "inventory_max": money(standing.inventory_max),
        "orders": tally.orders,
        "replaces": tally.replaces,
        "cancels": tally.cancels,
        "rejects": tally.rejects,
        "trades": tally.fills,
        "fill_ratio": _ratio(tally.orders_traded, tally.orders),
        "traded": money(tally.traded),
        "fees": money(tally.fees),
        "failed": standing.failed or None,
    }


def _ratio(part: int, whole: int) -> str:
    """To four decimals; of the orders entered, those that traded."""
    return f"{Decimal((part * 10_000 + whole // 2) // whole).scaleb(-4):f}" if whole else "0.0000"


# -------------------------------------------------------------------------------------------------- as a table

_HEAD = (
    "", "strategy", "orders", "replaces", "cancels", "trades", "rejects", "filled", "traded", "fees", "inventory", "at most",
    "holdings", "balance", "profit",
)  # fmt: skip


def table(standings: Iterable[Standing], prices: Mapping[str, int]) -> str:
    """The scoreboard for people, in whole currency, the most profit first."""
    lines = [list(_HEAD)]
    notes = []
    for standing in ranked(standings, prices):
        tally, positions = standing.positions.tally, standing.positions
        numbers = (tally.orders, tally.replaces, tally.cancels, tally.fills, tally.rejects)
        amounts = (
            tally.traded, tally.fees, standing.inventory_average, standing.inventory_max, standing.holdings_value(prices),
            positions.cash, standing.profit(prices),
        )  # fmt: skip
        filled = f"{tally.orders_traded * 100 // tally.orders} %" if tally.orders else "-"
        lines.append([standing.name, standing.strategy, *(f"{n:,}" for n in numbers), filled, *map(dollars, amounts)])
        if standing.failed:
            notes.append(standing.failed)
    widths = [max(len(line[at]) for line in lines) for at in range(len(_HEAD))]
    return "\n".join([*(_aligned(line, widths) for line in lines), *notes])


def _aligned(line: list[str], widths: list[int]) -> str:
    """The first two cells to the left, the others to the right."""
    cells = [cell.ljust(width) if at < 2 else cell.rjust(width) for at, (cell, width) in enumerate(zip(line, widths, strict=True))]
    return "  ".join(cells)


def dollars(amount: int) -> str:
    """Money units as whole currency, rounded towards zero."""
    return f"{abs(amount) // MONEY_UNIT * (1 if amount >= 0 else -1):,}"
