// The best prices of one instrument, rebuilt from a snapshot and what came after it; it draws nothing.

import { Changes } from "./changes.js";

export const DEPTH = 20; // prices of a side

/** `bids` and `offers` are [price, quantity, orders], best first. */
export class Book {
  changes = new Changes();
  bids = [];
  offers = [];
  isThere = false;
  time = null;
  #stream;
  #stop = null;

  constructor(stream) {
    this.#stream = stream;
  }

  follow(symbol) {
    this.#stop?.();
    this.bids = [];
    this.offers = [];
    this.isThere = false;
    this.changes.tell();
    this.#stop = this.#stream.follow(`book:${symbol}:price:${DEPTH}`, {
      snapshot: (data, message) => {
        this.bids = data.bids;
        this.offers = data.offers;
        this.isThere = true;
        this.time = message.time;
        this.changes.tell();
      },
      delta: (entries, message) => {
        for (const entry of entries) this.#apply(entry);
        this.time = message.time;
        this.changes.tell();
      },
    });
  }

  #apply([action, side, price, quantity, orders]) {
    const lines = side === "bid" ? this.bids : this.offers;
    const place = lines.findIndex((line) => line[0] === price);
    if (action === "delete") {
      if (place >= 0) lines.splice(place, 1);
    } else if (place >= 0) {
      lines[place] = [price, quantity, orders];
    } else {
      const number = Number(price);
      const behind = lines.findIndex((line) => (side === "bid" ? Number(line[0]) < number : Number(line[0]) > number));
      lines.splice(behind < 0 ? lines.length : behind, 0, [price, quantity, orders]);
    }
  }
}
