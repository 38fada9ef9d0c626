// How prices, changes and quantities are written on the screen; it computes nothing but what is between two given figures.

import { compare, grouped, signed, trimmed } from "./decimal.js";

export const price = (text) => (text === null || text === undefined ? "–" : grouped(text));
export const quantity = (text) => (text === null || text === undefined ? "–" : grouped(trimmed(String(text))));

/** "↑ +1.25%" with the tone in words for colours: the sign and the arrow say it too. */
export function change(statistics) {
  const { change_percent: percent } = statistics;
  if (percent === null || percent === undefined) return { text: "–", tone: "" };
  const direction = compare(percent, "0");
  const tone = direction > 0 ? "buy" : direction < 0 ? "sell" : "";
  const arrow = direction > 0 ? "↑ " : direction < 0 ? "↓ " : "";
  return { text: `${arrow}${signed(percent)}%`, tone };
}

export function tone(node, name) {
  node.classList.toggle("buy", name === "buy");
  node.classList.toggle("sell", name === "sell");
}
