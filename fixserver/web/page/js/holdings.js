// Executions, holdings and cash of who is signed in; only shown, nothing here can be changed.

import { grouped, trimmed } from "./decimal.js";
import { byId, el, say } from "./dom.js";
import * as figures from "./figures.js";
import { drawSoon } from "./frame.js";
import { Table } from "./tables.js";
import { dateOf, sideWords, timeOfDay } from "./words.js";

const money = (text) => (text === null || text === undefined ? "–" : grouped(trimmed(text, 2)));

export function openExecutions({ account, session, trace }) {
  const panel = byId("panel-executions");
  const table = new Table(
    "Executions",
    [
      { name: "time", title: "Time", write: (one) => ({ text: timeOfDay(one.time, 3), title: dateOf(one.time) }) },
      { name: "symbol", title: "Symbol", write: (one) => one.symbol },
      { name: "side", title: "Side", write: (one) => ({ text: sideWords(one.side), tone: one.side }) },
      { name: "quantity", title: "Quantity", number: true, write: (one) => figures.quantity(one.quantity) },
      { name: "price", title: "Price", number: true, write: (one) => grouped(one.price) },
      { name: "fee", title: "Fee", number: true, write: (one) => money(one.fee) },
      { name: "liquidity", title: "Liquidity", write: (one) => ({ text: one.liquidity, tone: "muted" }) },
      { name: "status", title: "Status", write: (one) => one.status },
      { name: "order", title: "ClOrdID", write: (one) => ({ text: one.cl_ord_id, tone: "muted", title: `Order ${one.order_id}, trade ${one.id}` }) },
      { name: "actions", title: "", wide: true, make: (one) => el("button", { type: "button", class: "quiet", onclick: () => trace(one.cl_ord_id, one.order_id) }, "FIX", el("span", { class: "visually-hidden" }, ` messages of ${one.cl_ord_id}`)) },
    ],
    (one) => `${one.id}/${one.order_id}`,
  );
  const empty = el("p", { class: "empty" });
  panel.append(empty, table.node);

  function draw() {
    table.show(account.executions);
    table.node.hidden = account.executions.length === 0;
    empty.hidden = account.executions.length > 0;
    say(empty, session.participant === null ? "Sign in to see your executions." : account.isThere.orders ? "Nothing of yours has traded yet." : "Loading …");
  }
  account.changes.listen((what) => what === "executions" && drawSoon(draw));
  session.changes.listen(() => drawSoon(draw));
  drawSoon(draw);
}

export function openHoldings({ account, session, market }) {
  const panel = byId("panel-holdings");
  const cash = new Table(
    "Cash",
    [
      { name: "asset", title: "Cash", write: (one) => one.asset },
      { name: "total", title: "Total", number: true, write: (one) => money(one.total) },
      { name: "settled", title: "Settled", number: true, write: (one) => money(one.settled) },
      { name: "unsettled", title: "Unsettled", number: true, write: (one) => money(one.unsettled) },
      { name: "reserved", title: "Reserved", number: true, write: (one) => money(one.reserved) },
      { name: "available", title: "Available", number: true, write: (one) => money(one.available) },
    ],
    (one) => one.asset,
  );
  const holdings = new Table(
    "Holdings",
    [
      { name: "symbol", title: "Holding", write: (one) => one.symbol },
      { name: "quantity", title: "Quantity", number: true, write: (one) => figures.quantity(one.quantity) },
      { name: "settled", title: "Settled", number: true, write: (one) => figures.quantity(one.settled) },
      { name: "unsettled", title: "Unsettled", number: true, write: (one) => figures.quantity(one.unsettled) },
      { name: "reserved", title: "Reserved", number: true, write: (one) => figures.quantity(one.reserved) },
      { name: "available", title: "Available", number: true, write: (one) => figures.quantity(one.available) },
      { name: "last", title: "Last", number: true, write: (one) => figures.price(one.last) },
      { name: "value", title: "Value", number: true, write: (one) => (one.value === null ? "–" : `${money(one.value)} ${market.instrument(one.symbol)?.currency ?? ""}`) },
    ],
    (one) => one.symbol,
  );
  const empty = el("p", { class: "empty" });
  panel.append(empty, cash.node, holdings.node);

  function draw() {
    const isThere = account.isThere.balances;
    cash.show(account.balances);
    holdings.show(account.holdings);
    cash.node.hidden = account.balances.length === 0;
    holdings.node.hidden = account.holdings.length === 0;
    empty.hidden = account.balances.length + account.holdings.length > 0;
    say(empty, session.participant === null ? "Sign in to see what you hold." : isThere ? "Nothing is booked yet." : "Loading …");
  }
  account.changes.listen((what) => what === "balances" && drawSoon(draw));
  session.changes.listen(() => drawSoon(draw));
  drawSoon(draw);
}
