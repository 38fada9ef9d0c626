// Which instrument the screen shows; it follows nothing itself.

import { Changes } from "./changes.js";

const KEY = "fixserver-symbol";

export class Selection {
  changes = new Changes();
  symbol = "";

  choose(symbol) {
    if (symbol === this.symbol) return;
    this.symbol = symbol;
    try {
      localStorage.setItem(KEY, symbol);
    } catch {
      // not remembered then
    }
    this.changes.tell(symbol);
  }

  /** The one that was shown last, where it is still traded; else the first. */
  start(symbols) {
    let last = null;
    try {
      last = localStorage.getItem(KEY);
    } catch {
      // none is known
    }
    if (symbols.length) this.choose(symbols.includes(last) ? last : symbols[0]);
  }
}
