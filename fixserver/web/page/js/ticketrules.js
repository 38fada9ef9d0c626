// Which fields an order of a type has, and what is wrong with what stands in them, whatever the market does; the venue has the last word.

import { compare, isMultiple, isPositive, parse, trimmed } from "./decimal.js";

const RESTING = ["day", "gtc", "gtd"];

// In the order in which they are offered.
export const TIMES_IN_FORCE = {
  limit: ["day", "gtc", "gtd", "ioc", "fok", "at-the-opening", "at-the-close"],
  market: ["day", "ioc", "fok", "at-the-opening", "at-the-close"],
  stop: RESTING,
  "stop-limit": RESTING,
  "market-to-limit": ["day"],
  pegged: RESTING,
};

/** The names of the fields that apply to an order of this type and time in force. */
export function fieldsOf(type, timeInForce) {
  const fields = ["quantity"];
  if (["limit", "stop-limit", "pegged"].includes(type)) fields.push("price");
  if (["stop", "stop-limit"].includes(type)) fields.push("stop_price");
  if (type === "pegged") fields.push("peg", "peg_offset");
  if (timeInForce === "gtd") fields.push("expire_time");
  if (["limit", "stop-limit"].includes(type) && RESTING.includes(timeInForce)) fields.push("display_quantity");
  if (["limit", "market"].includes(type) && timeInForce === "ioc") fields.push("min_quantity");
  if (type === "limit" && RESTING.includes(timeInForce)) fields.push("post_only");
  return new Set(fields);
}

const QUANTITIES = { quantity: "a quantity", display_quantity: "the quantity that is shown", min_quantity: "the least quantity" };
const OPTIONAL = new Set(["display_quantity", "min_quantity", "peg_offset"]);

/** What is wrong, by the name of the field; empty where nothing is. `order` is as it would be sent, with text as it was typed. */
export function problemsOf(order, instrument, now) {
  const problems = {};
  for (const [name, words] of Object.entries(QUANTITIES)) {
    const text = order[name];
    if (text === undefined || (text === "" && OPTIONAL.has(name))) continue;
    if (text === "") problems[name] = `Enter ${words}.`;
    else if (parse(text) === null) problems[name] = "This is no number.";
    else if (!isPositive(text)) problems[name] = "It has to be above zero.";
    else if (!isMultiple(text, instrument.lot)) problems[name] = `It has to be a multiple of ${trimmed(instrument.lot)}.`;
    else if (name !== "quantity" && compare(text, order.quantity) > 0) problems[name] = "It is more than the quantity.";
  }
  for (const name of ["price", "stop_price"]) {
    const text = order[name];
    if (text === undefined || (name === "price" && order.type === "pegged" && text === "")) continue;
    if (text === "") problems[name] = `Enter a ${name === "price" ? "price" : "stop price"}.`;
    else if (parse(text) === null) problems[name] = "This is no number.";
    else if (!isPositive(text)) problems[name] = "It has to be above zero.";
    else if (!isMultiple(text, instrument.tick)) problems[name] = `It has to be a multiple of ${trimmed(instrument.tick)}.`;
  }
  if (order.peg_offset) {
    if (parse(order.peg_offset) === null) problems.peg_offset = "This is no number.";
    else if (!isMultiple(order.peg_offset, instrument.tick)) problems.peg_offset = `It has to be a multiple of ${trimmed(instrument.tick)}.`;
  }
  if (order.expire_time !== undefined) {
    const time = Date.parse(order.expire_time);
    if (Number.isNaN(time)) problems.expire_time = "Enter a date and a time.";
    else if (time <= now) problems.expire_time = "This is over already.";
  }
  return problems;
}

/** The field that a refusal of the venue is about, by its code; null where it is about the order as a whole. */
export function fieldOfCode(code) {
  if (/stop/.test(code)) return "stop_price";
  if (/tick|band|price/.test(code)) return "price";
  if (/display/.test(code)) return "display_quantity";
  if (/quantity|lot/.test(code)) return "quantity";
  if (/expire/.test(code)) return "expire_time";
  if (/cl[-_]?ord[-_]?id|duplicate/.test(code)) return "cl_ord_id";
  return null;
}
