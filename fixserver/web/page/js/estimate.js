// What an order would be worth at the prices of now, exactly; it promises nothing.

import { add, compare, fixed, isPositive, multiply, parse, subtract } from "./decimal.js";

/**
 * `{ value, fee, words }`, or null where nothing can be said yet. `words` say at which price it was reckoned, `fee` is what it costs at
 * most. A market order is walked through what can be seen of the book.
 */
export function estimate(order, book, instrument) {
  if (!isPositive(order.quantity ?? "")) return null;
  const priced = order.type === "market" || order.type === "market-to-limit" ? walked(order, book) : given(order, book);
  if (priced === null) return null;
  const rate = [instrument.maker_fee, instrument.taker_fee].reduce((most, fee) => (parse(fee ?? "") && compare(fee, most) > 0 ? fee : most), "0");
  return { ...priced, value: fixed(priced.value, Math.max(2, instrument.price_decimals)), fee: fixed(multiply(priced.value, rate), 2) };
}

function given(order, book) {
  const side = order.side === "buy" ? book.bids : book.offers;
  const price = isPositive(order.price ?? "") ? order.price : order.type === "pegged" ? side[0]?.[0] : order.stop_price;
  if (!isPositive(price ?? "")) return null;
  return { value: multiply(order.quantity, price), words: order.type === "stop" ? "at the stop price" : order.type === "pegged" && !order.price ? "at the best price now" : "" };
}

function walked(order, book) {
  let left = order.quantity;
  let value = "0";
  for (const [price, quantity] of order.side === "buy" ? book.offers : book.bids) {
    const taken = compare(quantity, left) < 0 ? quantity : left;
    value = add(value, multiply(price, taken));
    left = subtract(left, taken);
    if (!isPositive(left)) return { value, words: "at the prices of now" };
  }
  return isPositive(value) ? { value, words: `as far as the book can be seen; ${left} are left over` } : null;
}
