// The list of markets: last price, the day's change, and the phase in words; only what can be seen is followed.

import { byId, el, mark, rove, say } from "./dom.js";
import * as figures from "./figures.js";
import { drawSoon } from "./frame.js";
import { phaseWords } from "./words.js";

const SEARCH_FROM = 12; // instruments from which on there is a field to find one

export function openMarketList(market, selection) {
  const list = byId("market-list");
  const rows = new Map(); // symbol -> { button, ... }
  const stops = new Map();
  const dirty = new Set();

  const seen = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const { symbol } = target.dataset;
        if (isIntersecting && !stops.has(symbol)) stops.set(symbol, market.follow(symbol));
        if (!isIntersecting) {
          stops.get(symbol)?.();
          stops.delete(symbol);
        }
      }
    },
    { root: null },
  );

  function add(symbol) {
    const parts = {
      symbol: el("span", { class: "symbol" }, symbol),
      price: el("span", { class: "price" }),
      words: el("span", { class: "words" }),
      move: el("span", { class: "move" }),
    };
    const button = el(
      "button",
      { type: "button", class: "market", "data-symbol": symbol, tabindex: rows.size ? "-1" : "0", onclick: () => selection.choose(symbol) },
      parts.symbol, parts.price, parts.words, parts.move,
    );
    list.append(el("li", {}, button));
    rows.set(symbol, { button, ...parts });
    seen.observe(button);
  }

  function drawRow(symbol) {
    const row = rows.get(symbol);
    const now = market.of(symbol);
    const instrument = market.instrument(symbol);
    const move = figures.change(now);
    say(row.price, figures.price(now.last ?? now.close));
    say(row.move, move.text);
    figures.tone(row.move, move.tone);
    const normal = now.phase === "continuous";
    say(row.words, normal ? instrument.currency : phaseWords(now.phase));
    mark(row.words, "data-attention", normal ? null : "");
    mark(row.button, "aria-current", selection.symbol === symbol ? "true" : null);
  }

  function draw() {
    say(byId("trading-day"), market.tradingDay ? `Day ${market.tradingDay}` : "");
    for (const symbol of market.instruments.keys()) if (!rows.has(symbol)) add(symbol);
    for (const symbol of dirty) if (rows.has(symbol)) drawRow(symbol);
    dirty.clear();
    byId("market-search-label").hidden = rows.size < SEARCH_FROM;
  }

  const drawAll = () => {
    for (const symbol of market.instruments.keys()) dirty.add(symbol);
    drawSoon(draw);
  };

  market.changes.listen((symbol) => {
    if (symbol === null) drawAll();
    else {
      dirty.add(symbol);
      drawSoon(draw);
    }
  });
  selection.changes.listen(drawAll);
  byId("market-search").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toUpperCase();
    for (const [symbol, row] of rows) row.button.parentNode.hidden = !symbol.toUpperCase().includes(wanted);
  });
  rove(list, ".market");
  drawAll();

  return {
    /** The instrument before (-1) or behind (1) the one that is shown. */
    move(by) {
      const symbols = [...market.instruments.keys()];
      const place = symbols.indexOf(selection.symbol) + by;
      if (symbols[place] !== undefined) selection.choose(symbols[place]);
    },
    focus() {
      rows.get(selection.symbol)?.button.focus();
    },
  };
}
