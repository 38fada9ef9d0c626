// The last trades of one instrument, newest first; it draws nothing.

import { Changes } from "./changes.js";

export const TRADES_KEPT = 200;

/** `changes` tells how many trades came in front, or null where all may be others. */
export class Trades {
  changes = new Changes();
  list = [];
  isThere = false;
  #stream;
  #stop = null;

  constructor(stream) {
    this.#stream = stream;
  }

  follow(symbol) {
    this.#stop?.();
    this.list = [];
    this.isThere = false;
    this.changes.tell(null);
    this.#stop = this.#stream.follow(`trades:${symbol}`, {
      snapshot: (data) => {
        this.list = data.trades.slice(-TRADES_KEPT).reverse();
        this.isThere = true;
        this.changes.tell(null);
      },
      delta: (entries) => {
        for (const [action, trade] of entries) this.#apply(action, trade);
      },
    });
  }

  #apply(action, trade) {
    if (action === "new") {
      this.list.unshift(trade);
      if (this.list.length > TRADES_KEPT) this.list.pop();
      this.changes.tell(1);
      return;
    }
    const place = this.list.findIndex((one) => one.id === trade.id);
    if (place < 0) return;
    // A trade that was taken back stays where it stood, so that whoever has seen it sees what became of it.
    this.list[place] = { ...this.list[place], ...trade, status: action === "delete" ? "busted" : trade.status };
    this.changes.tell(null);
  }
}
