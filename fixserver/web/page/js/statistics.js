// The heading of the instrument that is shown and the statistics of its day; an auction is told in words.

import { compare, fixed, grouped, trimmed } from "./decimal.js";
import { byId, el, mark, say } from "./dom.js";
import * as figures from "./figures.js";
import { drawSoon } from "./frame.js";
import { isGathering, phaseWords, timeOfDay } from "./words.js";

const FIGURES = [
  ["Open", (s) => figures.price(s.open)],
  ["High", (s) => figures.price(s.high)],
  ["Low", (s) => figures.price(s.low)],
  ["Last", (s) => figures.price(s.last)],
  ["VWAP", (s, i) => (s.vwap && i ? grouped(fixed(s.vwap, i.price_decimals + 2)) : "–")],
  ["Volume", (s) => figures.quantity(s.volume)],
  ["Trades", (s) => (s.trades === null || s.trades === undefined ? "–" : grouped(String(s.trades)))],
  ["Close before", (s) => figures.price(s.close)],
  ["Price limits", (s, i) => (i ? `${grouped(trimmed(i.price_low))} to ${grouped(trimmed(i.price_high))}` : "–")],
  ["Tick, lot", (s, i) => (i ? `${trimmed(i.tick)}, ${trimmed(i.lot)}` : "–")],
];

/** "1,200 at 189.50, 300 more to buy" */
export function auctionWords(auction) {
  if (!auction || auction.price === null || Number(auction.price) === 0) return "no price can be made yet";
  const surplus = compare(auction.surplus, "0");
  const rest = surplus === 0 ? "nothing left over" : `${figures.quantity(auction.surplus.replace("-", ""))} more to ${surplus > 0 ? "buy" : "sell"}`;
  return `${figures.quantity(auction.volume)} at ${figures.price(auction.price)}, ${rest}`;
}

export function openStatistics(market, selection) {
  const values = FIGURES.map(([name]) => {
    const value = el("dd");
    byId("figures").append(el("dt", {}, name), value);
    return value;
  });
  let stop = null;
  let before = null; // the last price, and which way it went
  let direction = "";

  function draw() {
    const { symbol } = selection;
    const now = market.of(symbol);
    const instrument = market.instrument(symbol);
    say(byId("instrument-symbol"), symbol);
    say(byId("statistics-symbol"), symbol);
    say(byId("instrument-phase"), phaseWords(now.phase) + (now.until ? ` until ${timeOfDay(now.until)}` : ""));
    mark(byId("instrument-phase"), "data-attention", now.phase === "continuous" ? null : "");
    if (before !== null && now.last && before !== now.last) direction = compare(now.last, before) > 0 ? "↑" : "↓";
    before = now.last ?? null;
    say(byId("instrument-last"), figures.price(now.last ?? now.close) + (direction ? ` ${direction}` : ""));
    figures.tone(byId("instrument-last"), { "↑": "buy", "↓": "sell" }[direction] ?? "");
    const move = figures.change(now);
    say(byId("instrument-change"), move.text);
    figures.tone(byId("instrument-change"), move.tone);
    FIGURES.forEach(([, write], index) => say(values[index], write(now, instrument)));
    drawRange(now);
    const gathers = isGathering(now.phase);
    byId("auction").hidden = !gathers;
    if (gathers) say(byId("auction"), `${phaseWords(now.phase)}: ${auctionWords(now.auction)}.`);
    document.title = now.last ? `${symbol} ${now.last}` : symbol;
  }

  function drawRange({ low, high, last }) {
    byId("range").hidden = !(low && high && last);
    if (byId("range").hidden) return;
    say(byId("range-low"), figures.price(low));
    say(byId("range-high"), figures.price(high));
    const width = Number(high) - Number(low);
    byId("range-at").style.left = `${width > 0 ? (100 * (Number(last) - Number(low))) / width : 50}%`;
  }

  market.changes.listen((symbol) => {
    if (symbol === null || symbol === selection.symbol) drawSoon(draw);
  });
  selection.changes.listen((symbol) => {
    const last = stop;
    stop = market.follow(symbol);
    last?.();
    before = null;
    direction = "";
    drawSoon(draw);
  });
}
