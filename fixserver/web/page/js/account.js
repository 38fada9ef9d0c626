// The orders, executions, holdings and money of who is signed in, as the stream tells them; it asks for nothing and draws nothing.

import { Changes } from "./changes.js";
import { hasEnded } from "./words.js";

export const EXECUTIONS_KEPT = 200;
const SEEN_MAX = 2000;

/**
 * `changes` tells "orders", "executions" or "balances"; `fills` an execution that is news; `ends` an order that ended, or was changed,
 * without the reader's having asked for it on this page being known here.
 */
export class Account {
  changes = new Changes();
  fills = new Changes();
  ends = new Changes();
  orders = new Map(); // order_id -> Order, oldest first
  executions = []; // newest first
  balances = [];
  holdings = [];
  isThere = { orders: false, balances: false };
  #stream;
  #stops = [];
  #seen = new Set();

  constructor(stream) {
    this.#stream = stream;
  }

  open() {
    this.close();
    this.#stops = [
      this.#stream.follow("orders", {
        snapshot: (data) => this.#snapshot(data),
        delta: (entries) => {
          for (const entry of entries) this.#apply(entry);
        },
      }),
      this.#stream.follow("balances", {
        snapshot: (data) => this.#balances(data),
        delta: (entries) => this.#balances([].concat(entries).at(-1)),
      }),
    ];
  }

  close() {
    for (const stop of this.#stops) stop();
    this.#stops = [];
    this.orders.clear();
    this.executions = [];
    this.balances = [];
    this.holdings = [];
    this.isThere = { orders: false, balances: false };
    this.#seen.clear();
    for (const what of ["orders", "executions", "balances"]) this.changes.tell(what);
  }

  /** The order's quantity that is in the book, by price, of one instrument and side. */
  restingAt(symbol, side) {
    const found = new Map();
    for (const order of this.orders.values()) {
      if (order.symbol !== symbol || order.side !== side || order.status === "waiting" || !order.price) continue;
      found.set(order.price, [...(found.get(order.price) ?? []), order]);
    }
    return found;
  }

  #snapshot(data) {
    const wasThere = this.isThere.orders;
    this.orders = new Map(data.orders.map((order) => [order.order_id, order]));
    this.executions = [...data.executions].sort((a, b) => (a.time < b.time ? 1 : -1)).slice(0, EXECUTIONS_KEPT);
    this.isThere.orders = true;
    // What was missed while the connection was gone is news; what was there before one signed in is not.
    for (const execution of [...this.executions].reverse()) if (this.#isNew(execution) && wasThere) this.fills.tell(execution);
    this.changes.tell("orders");
    this.changes.tell("executions");
  }

  #apply({ order, execution }) {
    if (order !== undefined) {
      if (hasEnded(order.status) && order.status !== "replaced") this.orders.delete(order.order_id);
      else this.orders.set(order.order_id, order);
      if (hasEnded(order.status) && order.status !== "replaced") this.ends.tell(order);
      this.changes.tell("orders");
    }
    if (execution !== undefined) {
      const place = this.executions.findIndex((one) => one.id === execution.id && one.order_id === execution.order_id);
      if (place >= 0) this.executions[place] = execution;
      else this.executions.unshift(execution);
      if (this.executions.length > EXECUTIONS_KEPT) this.executions.pop();
      if (this.#isNew(execution)) this.fills.tell(execution);
      this.changes.tell("executions");
    }
  }

  #isNew(execution) {
    const key = `${execution.id}/${execution.order_id}/${execution.status}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    if (this.#seen.size > SEEN_MAX) this.#seen.delete(this.#seen.values().next().value);
    return true;
  }

  #balances(data) {
    this.balances = data.balances;
    this.holdings = data.holdings;
    this.isThere.balances = true;
    this.changes.tell("balances");
  }
}
