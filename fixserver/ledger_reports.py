"""Reports from the ledger as tables, CSV and JSON: what is in them is clearing.reports', and it reads nothing itself."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from clearing.postings import BOUGHT_IN, CURRENCY, FAILED, OWN_ACCOUNTS, SETTLED, AssetRow
from clearing.reports import Instruction, Outcome, Position, Settlement, Trade, reason_text
from clearing.statements import Balance, Statement
from matching.instruments import decimal_text
from matching.messages import MONEY_DECIMALS

CURRENCY_DECIMALS_MIN = 2
_OWN_NAMES = {account.name for account in OWN_ACCOUNTS}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Table(NamedTuple):
    """Rows of text, as programs read them. `left`: how many columns stand to the left in a table for people, `amounts` are those
    of which thousands are grouped there."""

    columns: Sequence[str]
    rows: list[Sequence[str]]
    left: int
    amounts: frozenset[str] = frozenset()


def print_table(table: Table) -> None:
    """For people: numbers stand to the right."""
    grouped = [column in table.amounts for column in table.columns]
    rows = [[_grouped(cell) if group else cell for cell, group in zip(row, grouped, strict=True)] for row in table.rows]
    lines: list[Sequence[str]] = [[column.replace("_", " ") for column in table.columns], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
    for line in lines:
        cells = [
            cell.ljust(width) if column < table.left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def without_empty_columns(table: Table) -> Table:
    """Without the columns in which no row has anything."""
    kept = [place for place in range(len(table.columns)) if any(row[place] for row in table.rows)]
    return Table(
        [table.columns[place] for place in kept],
        [[row[place] for place in kept] for row in table.rows],
        sum(place < table.left for place in kept),
        table.amounts,
    )


def print_csv(tables: Iterable[Table]) -> None:
    """The header once, then the rows of all of them, which have the same columns."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for place, table in enumerate(tables):
        if not place:
            writer.writerow(table.columns)
        writer.writerows([_harmless(cell) for cell in row] for row in table.rows)


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2)
    print()


def as_json(table: Table) -> list[dict[str, str | None]]:
    """A row is an object; what is not there is null."""
    return [dict(zip(table.columns, (cell or None for cell in row), strict=True)) for row in table.rows]


# -------------------------------------------------------------------------------------------------- reports


def statement_table(found: Statement) -> Table:
    """Opening balances, movements, closing balances."""
    name = found.account.name
    rows: list[Sequence[str]] = []

    def balances(what: str, amounts: Iterable[tuple[AssetRow, int]], unsettled: bool) -> None:
        for asset, amount in amounts:
            cells = (name, "", "", what, _bucket(unsettled), asset.name, "", amount_text(amount, asset))
            rows.append((*cells, *[""] * 6))

    balances("opening", found.opening, False)
    balances("opening", found.opening_unsettled, True)
    for line in found.lines:
        about = line.instrument
        rows.append(
            (
                name, str(line.event_seq), time_text(line.time), line.what, _bucket(line.unsettled), line.asset.name,
                amount_text(line.change, line.asset), amount_text(line.balance, line.asset),
                about.name if about is not None else "",
                decimal_text(line.quantity, about.decimals) if about is not None and line.quantity is not None else "",
                price_text(line.price, about) if about is not None and line.price is not None else "",
                str(line.reverses or ""), line.entered_by, line.reference,
            )
        )  # fmt: skip
    balances("closing", found.closing(), False)
    balances("closing", found.closing(unsettled=True), True)
    columns = (
        "account", "event", "time", "what", "settled", "asset", "change", "balance", "instrument", "quantity", "price",
        "takes_back", "by", "reference",
    )  # fmt: skip
    return Table(columns, rows, 6, frozenset(("change", "balance", "quantity")))


def blotter_table(rows: Iterable[Trade]) -> Table:
    columns = (
        "time", "event", "account", "what", "side", "instrument", "settles", "quantity", "price", "value", "fee", "takes_back",
    )  # fmt: skip
    made: list[Sequence[str]] = [
        (
            time_text(row.time), str(row.event_seq), row.account.name, row.what, row.side, row.instrument.name,
            "later" if row.unsettled else "at once", decimal_text(row.quantity, row.instrument.decimals),
            price_text(row.price, row.instrument), money_text(row.value), money_text(row.fee), str(row.reverses or ""),
        )
        for row in rows
    ]  # fmt: skip
    return Table(columns, made, 7, frozenset(("quantity", "value", "fee")))


def positions_table(rows: Iterable[Position]) -> Table:
    columns = (
        "account", "instrument", "quantity", "average_price", "cost", "mark", "value", "unrealised", "realised", "fees",
        "dividends",
    )  # fmt: skip
    made: list[Sequence[str]] = [
        (
            row.account.name, row.instrument.name, decimal_text(row.quantity, row.instrument.decimals),
            _optional_money(row.average), money_text(row.cost), "" if row.mark is None else price_text(row.mark, row.instrument),
            _optional_money(row.value), _optional_money(row.unrealised), money_text(row.realised), money_text(row.fees),
            money_text(row.dividends),
        )
        for row in rows
    ]  # fmt: skip
    return Table(columns, made, 2, frozenset(columns[2:]))


SETTLEMENT_COLUMNS = (
    "part", "obligation", "account", "instrument", "trading_day", "due", "quantity", "value", "money", "quantity_left",
    "money_left", "days", "reason", "price", "other_obligation", "at_fault", "event",
)  # fmt: skip


def settlement_tables(report: Settlement) -> dict[str, Table]:
    """By part, in their order; all have the same columns."""
    parts: dict[str, list[Sequence[str]]] = {"netted": [_instruction(row, "netted", as_netted=True) for row in report.netted]}
    for part, kind in (("settled", SETTLED), ("failed", FAILED), ("bought in", BOUGHT_IN)):
        parts[part] = [_outcome(row, part) for row in report.outcomes if row.outcome.kind == kind]
    parts["open"] = [_instruction(row, "open", as_netted=False) for row in report.open]
    amounts = frozenset(("quantity", "value", "money", "quantity_left", "money_left"))
    return {part: Table(SETTLEMENT_COLUMNS, rows, 5, amounts) for part, rows in parts.items()}


def _instruction(row: Instruction, part: str, *, as_netted: bool) -> Sequence[str]:
    one, instrument = row.obligation, row.instrument
    left = ("", "") if as_netted else (decimal_text(one.quantity_left, instrument.decimals), money_text(one.money_left))
    late = ("", "") if as_netted or not one.days else (str(one.days), "" if one.reason is None else reason_text(one.reason))
    return (
        part, str(one.event_seq), row.account.name, instrument.name, one.trading_day, str(one.due),
        decimal_text(one.quantity, instrument.decimals), "", money_text(one.money), *left, *late,
        price_text(one.price, instrument), "", "", str(one.event_seq if as_netted else one.changed_seq),
    )  # fmt: skip


def _outcome(row: Outcome, part: str) -> Sequence[str]:
    one, decimals = row.outcome, row.instrument.decimals
    moved = part != "failed"
    bought_in = part == "bought in"
    return (
        part, str(one.obligation), row.account.name, row.instrument.name, one.trading_day, "",
        decimal_text(one.quantity, decimals) if moved else "", money_text(one.value) if moved else "",
        money_text(one.money) if moved else "", decimal_text(one.quantity_left, decimals), money_text(one.money_left),
        str(one.days) if part == "failed" else "", row.reason, "" if one.price is None else price_text(one.price, row.instrument),
        str(one.other_obligation or ""), ("yes" if one.at_fault else "no") if bought_in else "", str(one.event_seq),
    )  # fmt: skip


def trial_balance_table(balances: Sequence[Balance]) -> Table:
    """A line for each account and asset, and one with the sum of each asset, which is zero."""
    rows: list[Sequence[str]] = []
    for asset in sorted({balance.asset for balance in balances}, key=lambda asset: asset.id):
        of_it = [balance for balance in balances if balance.asset == asset]
        for balance in of_it:
            amounts = (balance.settled, balance.unsettled, balance.amount)
            rows.append((asset.name, balance.account.name, balance.account.kind, *(amount_text(one, asset) for one in amounts)))
        sums = (sum(one.settled for one in of_it), sum(one.unsettled for one in of_it), sum(one.amount for one in of_it))
        rows.append((asset.name, "sum of all", "", *(amount_text(one, asset) for one in sums)))
    columns = ("asset", "account", "kind", "settled", "unsettled", "total")
    return Table(columns, rows, 3, frozenset(columns[3:]))


# ---------------------------------------------------------------------------------------------- how it looks


def amount_text(units: int, asset: AssetRow) -> str:
    """As programs read it: a currency's decimals cut after the second where they are zeros."""
    return money_text(units) if asset.kind == CURRENCY else decimal_text(units, asset.decimals)


def money_text(units: int) -> str:
    whole, _, fraction = decimal_text(units, MONEY_DECIMALS).partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(CURRENCY_DECIMALS_MIN, '0')}"


def price_text(price: int, instrument: AssetRow) -> str:
    return decimal_text(price, instrument.price_decimals or 0)


def time_text(time_ns: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _optional_money(units: int | None) -> str:
    return "" if units is None else money_text(units)


def _bucket(unsettled: bool) -> str:
    return "no" if unsettled else "yes"


def _grouped(text: str) -> str:
    """Thousands apart: -1234.50 is -1,234.50."""
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, fraction = digits.partition(".")
    return f"{sign}{int(whole):,}{point}{fraction}" if whole.isdigit() else text


def _harmless(cell: str) -> str:
    """What a spreadsheet would take for a formula is a text: references are what people wrote."""
    is_ours = cell in _OWN_NAMES or cell[1:].replace(".", "", 1).isdigit()
    return f"'{cell}" if cell[:1] in ("=", "+", "@", "-", "\t", "\r") and not is_ours else cell
