// What the venue's codes are called on the screen; it never decides anything by them.

const PHASES = {
  continuous: "Trading",
  halted: "Halted",
  "cancel-only": "Cancels only",
  closed: "Closed",
  "pre-open": "Pre-open",
  "opening-auction": "Opening auction",
  "volatility-auction": "Volatility auction",
  "closing-auction": "Closing auction",
  "closing-price": "At closing price",
};

const TYPES = {
  limit: "Limit",
  market: "Market",
  stop: "Stop",
  "stop-limit": "Stop limit",
  "market-to-limit": "Market to limit",
  pegged: "Pegged",
};

const TIMES_IN_FORCE = {
  day: "Day",
  gtc: "GTC",
  ioc: "IOC",
  fok: "FOK",
  gtd: "GTD",
  "at-the-opening": "At opening",
  "at-the-close": "At close",
};

const STATUSES = {
  new: "Open",
  "partially-filled": "Partly filled",
  filled: "Filled",
  canceled: "Canceled",
  replaced: "Replaced",
  rejected: "Rejected",
  expired: "Expired",
  waiting: "Waiting",
};

const sentence = (code) => (code ? code[0].toUpperCase() + code.slice(1).replaceAll("-", " ") : "");

export const phaseWords = (phase) => PHASES[phase] ?? sentence(phase);
export const typeWords = (type) => TYPES[type] ?? sentence(type);
export const timeInForceWords = (code) => TIMES_IN_FORCE[code] ?? sentence(code);
export const statusWords = (status) => STATUSES[status] ?? sentence(status);
export const sideWords = (side) => (side === "buy" ? "Buy" : "Sell");

const GATHERING = new Set(["pre-open", "opening-auction", "volatility-auction", "closing-auction"]);
const ENDED = new Set(["filled", "canceled", "rejected", "expired", "replaced"]);

/** Orders gather, nothing trades: the book may be crossed, and there is an indicative price. */
export const isGathering = (phase) => GATHERING.has(phase);
export const hasEnded = (status) => ENDED.has(status);

/** "04:07:43" or "04:07:43.123" of a time of the venue, which is UTC and stays it. */
export const timeOfDay = (time, decimals = 0) => (time ? time.slice(11, decimals ? 20 + decimals : 19).replace("Z", "") : "");
export const dateOf = (time) => (time ? time.slice(0, 10) : "");

/** "Sell 100 AAPL at 189.50, day": an order as one says it. */
export function orderWords(order) {
  const what = `${sideWords(order.side)} ${order.quantity} ${order.symbol}`;
  const stop = order.stop_price ? `, stop ${order.stop_price}` : "";
  const price = order.price && Number(order.price) ? ` at ${order.price}` : "";
  const type = order.type === "limit" ? "" : ` ${typeWords(order.type).toLowerCase()}`;
  const time = timeInForceWords(order.time_in_force ?? "day");
  return `${what}${type}${price}${stop}, ${/^[A-Z]{3}$/.test(time) ? time : time.toLowerCase()}`;
}
