// The tape: the last trades, newest first, who took which side said by an arrow; it shows no more rows than are kept.

import { byId, el, mark, say } from "./dom.js";
import * as figures from "./figures.js";
import { grouped } from "./decimal.js";
import { drawSoon } from "./frame.js";
import { TRADES_KEPT } from "./trades.js";
import { timeOfDay } from "./words.js";

const SIDES = { buy: ["↑", "buyer took"], sell: ["↓", "seller took"] };
const AUCTION = ["=", "auction"];

export function openTape(trades) {
  const body = byId("tape").tBodies[0];
  let fresh = 0; // trades in front that have no row yet
  let all = true;

  function row() {
    const parts = { time: el("td"), price: el("td"), size: el("td") };
    const [arrow, words, price] = [el("span", { class: "arrow", "aria-hidden": "true" }), el("span", { class: "visually-hidden" }), el("span")];
    parts.price.append(price, arrow, words);
    const node = el("tr", {}, ...Object.values(parts));
    node.parts = { ...parts, arrow, words, price };
    return node;
  }

  function fill(node, trade) {
    const { parts } = node;
    const [arrow, words] = SIDES[trade.aggressor] ?? AUCTION;
    say(parts.time, timeOfDay(trade.time, 3));
    say(parts.price, grouped(trade.price));
    say(parts.arrow, arrow);
    const status = trade.status === "traded" ? "" : `, ${trade.status}`;
    say(parts.words, ` ${words}${status}`);
    say(parts.size, figures.quantity(trade.quantity));
    figures.tone(parts.price.parentNode, trade.aggressor ?? "");
    mark(node, "data-status", trade.status === "traded" ? null : trade.status);
    mark(node, "title", status.slice(2) || null);
  }

  function draw() {
    if (all || fresh >= trades.list.length) {
      while (body.rows.length < trades.list.length) body.append(row());
      while (body.rows.length > trades.list.length) body.lastChild.remove();
      trades.list.forEach((trade, index) => fill(body.rows[index], trade));
    } else {
      for (let index = fresh - 1; index >= 0; index--) {
        const node = body.rows.length >= TRADES_KEPT ? body.lastChild : row();
        fill(node, trades.list[index]);
        body.prepend(node);
      }
    }
    all = false;
    fresh = 0;
  }

  trades.changes.listen((count) => {
    if (count === null) all = true;
    else fresh += count;
    drawSoon(draw);
  });
}
