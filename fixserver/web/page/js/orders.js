// Open orders: cancel one or all, and change price and quantity in place; the table shows what the venue says, never what was asked.

import { grouped, parse, trimmed } from "./decimal.js";
import { byId, el, mark, say } from "./dom.js";
import * as figures from "./figures.js";
import { drawSoon } from "./frame.js";
import { Table } from "./tables.js";
import { orderWords, sideWords, statusWords, timeInForceWords, timeOfDay, typeWords } from "./words.js";

const SURE_SECONDS = 4;

const CONDITIONS = [
  ["stop_price", (value) => `stop ${value}`],
  ["display_quantity", (value) => `shows ${trimmed(value)}`],
  ["min_quantity", (value) => `at least ${trimmed(value)}`],
  ["peg", (value) => `pegged to ${value}`],
  ["peg_offset", (value) => `offset ${value}`],
  ["expire_time", (value) => `until ${value.slice(0, 19).replace("T", " ")}`],
];

function conditionsOf(order) {
  const words = CONDITIONS.filter(([name]) => order[name] && Number(order[name]) !== 0).map(([name, write]) => write(order[name]));
  if (order.post_only) words.push("post only");
  return words.join(", ");
}

function termsOf(order) {
  const text = [typeWords(order.type), timeInForceWords(order.time_in_force), conditionsOf(order)].filter(Boolean).join(", ");
  return { text, title: text };
}

/** `trace(cl_ord_id, order_id)` shows an order's messages. */
export function openOrders({ rest, account, session, announce, trace }) {
  const panel = byId("panel-orders");
  const all = byId("cancel-all");
  const editing = new Map(); // order_id -> { quantity, price, stop }
  const busy = new Set();

  const table = new Table(
    "Open orders",
    [
      { name: "time", title: "Time", write: (order) => timeOfDay(order.entered) },
      { name: "symbol", title: "Symbol", write: (order) => ({ text: order.symbol, title: `Order ${order.order_id}, ClOrdID ${order.cl_ord_id}, session ${order.session}` }) },
      { name: "side", title: "Side", write: (order) => ({ text: sideWords(order.side), tone: order.side }) },
      { name: "quantity", title: "Quantity", number: true, make: () => el("span"), update: (node, order) => cell(node, order, "quantity") },
      { name: "price", title: "Price", number: true, make: () => el("span"), update: (node, order) => cell(node, order, Number(order.price ?? 0) || !order.stop_price ? "price" : "stop_price") },
      { name: "executed", title: "Filled", number: true, write: (order) => (Number(order.executed) ? `${figures.quantity(order.executed)} at ${grouped(trimmed(order.average_price ?? "0", 2))}` : "0") },
      { name: "status", title: "Status", write: (order) => ({ text: statusWords(order.status), title: order.reason || null }) },
      { name: "type", title: "Order", long: true, write: termsOf },
      { name: "actions", title: "", wide: true, make: actions, update: drawActions },
    ],
    (order) => order.order_id,
  );

  function cell(node, order, name) {
    const edit = editing.get(order.order_id);
    if (edit === undefined) {
      const text = name === "quantity" ? figures.quantity(order.quantity) : Number(order[name] ?? 0) ? grouped(order[name]) : "–";
      if (node.firstElementChild) node.replaceChildren();
      say(node, text);
      return;
    }
    if (edit[name] === undefined) {
      if (name !== "quantity" && !Number(order[name] ?? 0)) return;
      const words = { quantity: "Quantity", price: "Price", stop_price: "Stop price" }[name];
      edit[name] = el("input", { type: "text", inputmode: "decimal", class: "in-place", value: name === "quantity" ? trimmed(order.quantity) : order[name], "aria-label": `${words} of ${orderWords(order)}` });
      edit[name].addEventListener("keydown", (event) => {
        if (event.key === "Enter") save(order.order_id);
        if (event.key === "Escape") leave(order.order_id);
        if (event.key === "Enter" || event.key === "Escape") event.stopPropagation();
      });
      node.replaceChildren(edit[name]);
      if (name === "quantity") {
        edit.quantity.focus();
        edit.quantity.select();
      }
    }
  }

  function actions(order) {
    const id = order.order_id;
    const words = orderWords(order);
    const button = (name, text, act) => el("button", { type: "button", class: name === "cancel" ? "quiet danger" : "quiet", "data-act": name, onclick: act }, el("span", {}, text), el("span", { class: "visually-hidden" }, `: ${words}`));
    return el(
      "span",
      { class: "actions" },
      button("change", "Change", () => (editing.has(id) ? save(id) : edit(id))),
      button("leave", "Leave", () => leave(id)),
      button("trace", "FIX", () => trace(account.orders.get(id)?.cl_ord_id ?? order.cl_ord_id, id)),
      button("cancel", "Cancel", () => cancel(id)),
    );
  }

  function drawActions(node, order) {
    const [change, undo, , remove] = node.children;
    const isEdited = editing.has(order.order_id);
    say(change.firstChild, isEdited ? "Save" : "Change");
    undo.hidden = !isEdited;
    for (const button of [change, remove]) button.disabled = busy.has(order.order_id);
  }

  function edit(id) {
    editing.set(id, {});
    draw();
  }

  function leave(id) {
    editing.delete(id);
    draw();
    panel.querySelector(`[data-key="${CSS.escape(id)}"] [data-act="change"]`)?.focus();
  }

  async function save(id) {
    const order = account.orders.get(id);
    const edited = editing.get(id);
    if (order === undefined || edited === undefined || busy.has(id)) return;
    const changes = {};
    for (const [name, input] of Object.entries(edited)) {
      const text = input.value.trim().replaceAll(",", "");
      if (parse(text) === null) {
        mark(input, "aria-invalid", "true");
        announce("Not sent", `“${input.value}” is no number.`, "bad");
        input.focus();
        return;
      }
      if (text !== trimmed(order[name]) && text !== order[name]) changes[name] = text;
    }
    if (Object.keys(changes).length === 0) {
      leave(id);
      return;
    }
    await act(id, "Change refused", async () => {
      const changed = await rest.patch(`/v1/orders/${encodeURIComponent(id)}`, changes);
      editing.delete(id);
      announce("Order changed", orderWords({ ...order, ...changed }), "good");
    });
  }

  function cancel(id) {
    const order = account.orders.get(id);
    if (order === undefined) return;
    act(id, "Cancel refused", async () => {
      await rest.delete(`/v1/orders/${encodeURIComponent(id)}`);
      announce("Order canceled", orderWords(order), "good");
    });
  }

  async function act(id, trouble, what) {
    if (busy.has(id)) return;
    busy.add(id);
    draw();
    try {
      await what();
    } catch (failure) {
      announce(trouble, failure.message, "bad");
    } finally {
      busy.delete(id);
      draw();
    }
  }

  // Cancelling all takes a second press within some seconds: there is no way back.
  let sure = null;
  function unsure() {
    clearTimeout(sure);
    sure = null;
    drawSoon(draw);
  }

  async function cancelAll() {
    if (sure === null) {
      sure = setTimeout(unsure, SURE_SECONDS * 1000);
      draw();
      return;
    }
    unsure();
    try {
      const { canceled } = await rest.delete("/v1/orders");
      announce(`${canceled} order${canceled === 1 ? "" : "s"} canceled`, "", "good");
    } catch (failure) {
      announce("Cancel refused", failure.message, "bad");
    }
  }
  all.addEventListener("click", cancelAll);
  all.addEventListener("blur", () => sure !== null && unsure());

  const empty = el("p", { class: "empty" });
  panel.append(empty, table.node);

  function draw() {
    const orders = [...account.orders.values()].reverse();
    for (const id of editing.keys()) if (!account.orders.has(id)) editing.delete(id);
    const focused = document.activeElement;
    const row = panel.contains(focused) ? focused.closest("tr") : null;
    table.show(orders);
    if (row !== null && !row.isConnected) panel.focus(); // the order that had the focus has gone
    table.node.hidden = orders.length === 0;
    empty.hidden = orders.length > 0;
    say(empty, session.participant === null ? "Sign in to see your orders." : account.isThere.orders ? "No open orders." : "Loading …");
    say(byId("orders-count"), orders.length ? String(orders.length) : "");
    all.hidden = orders.length === 0 || byId("panel-orders").hidden;
    say(all, sure === null ? "Cancel all" : `Sure? Cancel all ${orders.length}`);
  }

  account.changes.listen((what) => what === "orders" && drawSoon(draw));
  session.changes.listen(() => {
    editing.clear();
    drawSoon(draw);
  });
  drawSoon(draw);
  return { draw, cancelAll: () => !all.hidden && (all.focus(), cancelAll()) };
}
