// What one has of the instrument that is shown: held, worth, and at work in the book; a summary, nothing can be done here.

import { add, grouped, isZero, multiply, parse, trimmed } from "./decimal.js";
import { byId, el, say } from "./dom.js";
import * as figures from "./figures.js";
import { drawSoon } from "./frame.js";

const LINES = ["Held", "Worth", "Buying", "Selling"];

export function openPosition({ account, session, market, selection }) {
  const box = byId("position");
  const title = el("h3");
  const values = LINES.map(() => el("dd"));
  box.append(title, el("dl", { class: "figures" }, ...LINES.flatMap((line, index) => [el("dt", {}, line), values[index]])));

  /** "300 in 2 orders" */
  function atWork(side) {
    const mine = [...account.orders.values()].filter((order) => order.symbol === selection.symbol && order.side === side && parse(order.leaves ?? "") !== null);
    if (mine.length === 0) return "nothing";
    const sum = mine.reduce((total, order) => add(total, order.leaves), "0");
    return `${grouped(trimmed(sum))} in ${mine.length} order${mine.length === 1 ? "" : "s"}`;
  }

  function draw() {
    box.hidden = session.participant === null || !account.isThere.balances;
    if (box.hidden) return;
    const { symbol } = selection;
    const held = account.holdings.find((one) => one.symbol === symbol)?.quantity ?? "0";
    const last = market.of(symbol).last ?? market.of(symbol).close;
    say(title, `Your ${symbol}`);
    say(values[0], figures.quantity(held));
    say(values[1], last && !isZero(held) ? `${grouped(trimmed(multiply(held, last), 2))} ${market.instrument(symbol)?.currency ?? ""}` : "–");
    say(values[2], atWork("buy"));
    say(values[3], atWork("sell"));
  }

  account.changes.listen(() => drawSoon(draw));
  session.changes.listen(() => drawSoon(draw));
  selection.changes.listen(() => drawSoon(draw));
  market.changes.listen((symbol) => (symbol === null || symbol === selection.symbol) && drawSoon(draw));
}
