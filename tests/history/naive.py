"""Candles by the slowest means there are: from the list of all trades that stand, anew each time."""

from __future__ import annotations

import datetime
from typing import NamedTuple

from marketdata.candles import Candle
from matching.messages import DayRolled, EventBatch, TradeBusted, TradeCorrected, Traded

SECONDS = {"1s": 1, "1m": 60, "5m": 300, "1h": 3600}


class NaiveTrade(NamedTuple):
    number: int
    time: int
    day: int
    instrument: str
    price: int
    quantity: int


class NaiveMarket:
    """Every trade that stands, with the beginning of its trading day."""

    def __init__(self) -> None:
        self.trades: list[NaiveTrade] = []
        self.day: int | None = None

    def apply(self, batch: EventBatch) -> None:
        if self.day is None:
            self.day = batch.time - batch.time % (86_400 * 10**9)
        for event in batch.events:
            if isinstance(event, DayRolled):
                midnight = datetime.datetime.strptime(event.trading_day + "+0000", "%Y%m%d%z")
                self.day = max(self.day, int(midnight.timestamp()) * 10**9)
            elif isinstance(event, Traded):
                trade = NaiveTrade(event.seq, batch.time, self.day, event.instrument, event.price, event.quantity)
                self.trades.append(trade)
            elif isinstance(event, TradeBusted):
                self.trades = [trade for trade in self.trades if trade.number != event.trade_seq]
            elif isinstance(event, TradeCorrected):
                self.trades = [
                    trade._replace(price=event.price, quantity=event.quantity) if trade.number == event.trade_seq else trade
                    for trade in self.trades
                ]

    def candles(self, instrument: str, interval: str) -> list[Candle]:
        found: dict[int, list[NaiveTrade]] = {}
        for trade in self.trades:
            if trade.instrument == instrument:
                begin = trade.day if interval == "1d" else trade.time - trade.time % (SECONDS[interval] * 10**9)
                found.setdefault(begin, []).append(trade)
        return [
            Candle(
                begin,
                trades[0].price,
                max(trade.price for trade in trades),
                min(trade.price for trade in trades),
                trades[-1].price,
                sum(trade.quantity for trade in trades),
                sum(trade.price * trade.quantity for trade in trades),
                len(trades),
            )
            for begin, trades in sorted(found.items())
        ]
