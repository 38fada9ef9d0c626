// The candles of one instrument and interval, live at their end and as far back as the venue knows; it draws nothing.

import { Changes } from "./changes.js";

export const INTERVALS = ["1s", "1m", "5m", "1h", "1d"];
const CANDLES_KEPT = 5000;
const PAGE = 500;

/** `changes` tells the candle that is new or another, or null where all may be. Oldest first. */
export class Candles {
  changes = new Changes();
  list = [];
  isThere = false;
  #stream;
  #rest;
  #stop = null;
  #symbol = "";
  #interval = "";
  #asking = false;
  #begins = false; // there is nothing before the first

  constructor(stream, rest) {
    this.#stream = stream;
    this.#rest = rest;
  }

  follow(symbol, interval) {
    this.#stop?.();
    this.#symbol = symbol;
    this.#interval = interval;
    this.#begins = false;
    this.list = [];
    this.isThere = false;
    this.changes.tell(null);
    this.#stop = this.#stream.follow(`candles:${symbol}:${interval}`, {
      snapshot: (data) => {
        const first = data.candles[0]?.time ?? "9999";
        this.list = [...this.list.filter((candle) => candle.time < first), ...data.candles];
        this.isThere = true;
        this.changes.tell(null);
      },
      delta: (entries) => {
        for (const candle of entries) this.#apply(candle);
      },
    });
  }

  /** Ask for those before the first. */
  async earlier() {
    if (this.#asking || this.#begins || !this.list.length || this.list.length >= CANDLES_KEPT) return;
    this.#asking = true;
    const [symbol, interval, to] = [this.#symbol, this.#interval, this.list[0].time];
    try {
      const { candles } = await this.#rest.get("/v1/candles", { symbol, interval, to, limit: PAGE });
      if (symbol !== this.#symbol || interval !== this.#interval || this.list[0]?.time !== to) return;
      const older = candles.filter((candle) => candle.time < to);
      this.#begins = older.length === 0;
      this.list = [...older, ...this.list];
      if (older.length) this.changes.tell(null);
    } catch {
      this.#begins = true; // the history cannot be reached: what is there is what there is
    } finally {
      this.#asking = false;
    }
  }

  #apply(candle) {
    const last = this.list.at(-1);
    if (last === undefined || candle.time > last.time) {
      if (candle.trades === 0) return;
      this.list.push(candle);
      if (this.list.length > CANDLES_KEPT) this.list.splice(0, PAGE);
      this.changes.tell(candle);
      return;
    }
    const place = this.list.findLastIndex((one) => one.time === candle.time);
    if (place === this.list.length - 1 && candle.trades !== 0) {
      this.list[place] = candle;
      this.changes.tell(candle);
      return;
    }
    // A bust or a correction of what traded before.
    if (place >= 0 && candle.trades === 0) this.list.splice(place, 1);
    else if (place >= 0) this.list[place] = candle;
    else this.list.splice(this.list.findIndex((one) => one.time > candle.time), 0, candle);
    this.changes.tell(null);
  }
}
