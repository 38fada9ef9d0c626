// The ladder: prices with their depth around the spread, one's own orders at theirs; a price goes into the ticket by a click or Enter.

import { add, compare, fixed, grouped, subtract } from "./decimal.js";
import { DEPTH } from "./book.js";
import { byId, el, mark, say } from "./dom.js";
import * as figures from "./figures.js";
import { drawSoon } from "./frame.js";
import { isGathering } from "./words.js";
import { auctionWords } from "./statistics.js";

const ROW_PIXELS = 21;

/** `choose(price, side)` is called with the price that was chosen, and the side of the book that it stands on. */
export function openLadder(book, market, account, selection, choose) {
  const box = byId("ladder");
  const offers = Array.from({ length: DEPTH }, () => row("offer"));
  const bids = Array.from({ length: DEPTH }, () => row("bid"));
  const middle = { price: el("strong"), words: el("span"), node: null };
  middle.node = el("div", { class: "spread" }, middle.price, middle.words);
  box.append(...offers.map((one) => one.node).reverse(), middle.node, ...bids.map((one) => one.node));
  let shown = 10;

  function row(side) {
    const parts = {
      total: el("i", { class: "bar-total", "aria-hidden": "true" }),
      bar: el("i", { class: "bar", "aria-hidden": "true" }),
      price: el("span"),
      own: el("span"),
      size: el("span"),
      sum: el("span"),
      orders: el("span"),
    };
    const words = (text) => el("span", { class: "visually-hidden" }, text);
    const node = el(
      "button",
      { type: "button", class: "level vacant", "data-side": side, tabindex: "-1" },
      parts.total,
      parts.bar,
      el("span", { class: "price" }, words(side === "bid" ? "Bid " : "Offer "), parts.price, el("span", { class: "own" }, parts.own, words(" yours"))),
      el("span", { class: "size" }, words(", size "), parts.size),
      el("span", { class: "total" }, words(", total "), parts.sum),
      el("span", { class: "orders" }, words(", orders "), parts.orders),
    );
    const one = { node, side, value: null, ...parts };
    node.addEventListener("click", () => one.value !== null && choose(one.value, side));
    return one;
  }

  function scale(node, share) {
    const value = `scaleX(${Math.min(1, share).toFixed(4)})`;
    if (node.style.transform !== value) node.style.transform = value;
  }

  function drawSide(rows, lines, side, most, totals) {
    const own = account.restingAt(selection.symbol, side === "bid" ? "buy" : "sell");
    const last = totals.most;
    rows.forEach((one, index) => {
      one.node.hidden = index >= shown;
      const line = lines[index];
      one.node.classList.toggle("vacant", line === undefined);
      one.value = line === undefined ? null : line[0];
      if (line === undefined) {
        for (const part of [one.price, one.own, one.size, one.sum, one.orders]) say(part, "");
        mark(one.node, "data-own", null);
        return;
      }
      const [price, size, orders] = line;
      say(one.price, grouped(price));
      say(one.size, figures.quantity(size));
      say(one.sum, figures.quantity(totals[side][index]));
      say(one.orders, String(orders));
      scale(one.bar, Number(size) / most);
      scale(one.total, Number(totals[side][index]) / last);
      const mine = own.get(price);
      const leaves = mine === undefined ? null : figures.quantity(mine.reduce((sum, order) => add(sum, order.leaves), "0"));
      mark(one.node, "data-own", leaves);
      say(one.own, leaves === null ? "" : `● ${leaves}`);
    });
  }

  function draw() {
    const bidLines = book.bids.slice(0, shown);
    const offerLines = book.offers.slice(0, shown);
    const sizes = [...bidLines, ...offerLines].map((line) => Number(line[1]));
    const totals = { bid: sums(bidLines), offer: sums(offerLines) };
    totals.most = Math.max(1e-12, Number(totals.bid.at(-1) ?? 0), Number(totals.offer.at(-1) ?? 0));
    const most = Math.max(1e-12, ...sizes);
    drawSide(offers, offerLines, "offer", most, totals);
    drawSide(bids, bidLines, "bid", most, totals);
    drawMiddle();
    if (!box.querySelector('[tabindex="0"]')) mark(bids[0].node, "tabindex", "0");
  }

  function sums(lines) {
    let sum = "0";
    return lines.map((line) => (sum = add(sum, line[1])));
  }

  function drawMiddle() {
    const now = market.of(selection.symbol);
    const bid = book.bids[0]?.[0];
    const offer = book.offers[0]?.[0];
    if (isGathering(now.phase)) {
      const price = now.auction?.price;
      say(middle.price, price && Number(price) ? `${figures.price(price)} indicative` : "No price yet");
      say(middle.words, now.auction && Number(now.auction.price) ? auctionWords(now.auction).replace(/ at [^,]*/, "") : "");
    } else {
      say(middle.price, figures.price(now.last ?? null));
      if (bid === undefined || offer === undefined) {
        say(middle.words, bid === undefined && offer === undefined ? (book.isThere ? "Nobody quotes" : "") : `No ${bid === undefined ? "bids" : "offers"}`);
      } else {
        const spread = subtract(offer, bid);
        const points = ((10_000 * Number(spread)) / Number(offer)).toFixed(1);
        say(middle.words, `Spread ${fixed(spread, market.instrument(selection.symbol)?.price_decimals ?? 2)} (${points} bp)`);
      }
    }
    const crossed = bid !== undefined && offer !== undefined && compare(bid, offer) >= 0;
    say(byId("ladder-note"), crossed ? "orders gather" : selection.symbol);
  }

  new ResizeObserver(() => {
    const room = Math.floor((box.clientHeight - middle.node.offsetHeight - 8) / ROW_PIXELS / 2);
    shown = Math.max(1, Math.min(DEPTH, room));
    drawSoon(draw);
  }).observe(box);

  box.addEventListener("keydown", (event) => {
    const rows = [...box.querySelectorAll(".level:not([hidden]):not(.vacant)")];
    const place = rows.indexOf(document.activeElement);
    const next = { ArrowUp: rows[place - 1], ArrowDown: rows[place + 1], Home: rows[0], End: rows.at(-1) }[event.key];
    if (place < 0 || next === undefined) return;
    event.preventDefault();
    next.focus();
  });
  box.addEventListener("focusin", (event) => {
    for (const one of box.querySelectorAll('.level[tabindex="0"]')) mark(one, "tabindex", "-1");
    mark(event.target.closest(".level"), "tabindex", "0");
  });

  book.changes.listen(() => drawSoon(draw));
  account.changes.listen((what) => what === "orders" && drawSoon(draw));
  market.changes.listen((symbol) => (symbol === null || symbol === selection.symbol) && drawSoon(draw));
  selection.changes.listen(() => drawSoon(draw));
  return { focus: () => (bids[0].value === null ? offers[0] : bids[0]).node.focus() };
}
