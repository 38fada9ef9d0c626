// The instruments, their phases and the statistics of their day, as the stream tells them; it draws nothing.

import { Changes } from "./changes.js";

const TERMS_SECONDS = 60; // how old the terms of an instrument may be that are shown

/** `changes` tells the symbol whose statistics or phase are new, or null where all may be. */
export class Market {
  changes = new Changes();
  instruments = new Map(); // symbol -> Instrument, in the order of the venue
  statistics = new Map(); // symbol -> Statistics
  tradingDay = "";
  #stream;
  #rest;
  #followed = new Map(); // symbol -> { count, stop }

  constructor(stream, rest) {
    this.#stream = stream;
    this.#rest = rest;
  }

  /** Asks for what there is, then follows the phases. Fails as Rest does. */
  async open() {
    const [{ instruments }, { statistics }] = await Promise.all([this.#rest.get("/v1/instruments"), this.#rest.get("/v1/statistics")]);
    for (const instrument of instruments) this.instruments.set(instrument.symbol, instrument);
    for (const one of statistics) this.statistics.set(one.symbol, one);
    setInterval(() => this.#refresh(), TERMS_SECONDS * 1000);
    this.#stream.follow("status", {
      snapshot: (data) => {
        this.tradingDay = data.trading_day;
        for (const one of data.instruments) this.#phase(one);
        this.changes.tell(null);
      },
      delta: (entries) => {
        for (const entry of entries) {
          if (entry.symbol !== undefined) this.#phase(entry);
          else if (entry.trading_day !== undefined) this.#dayBegins(entry.trading_day);
        }
      },
    });
  }

  instrument(symbol) {
    return this.instruments.get(symbol);
  }

  of(symbol) {
    return this.statistics.get(symbol) ?? { symbol, phase: this.instruments.get(symbol)?.phase ?? "" };
  }

  /** Keep the statistics of an instrument up to date until what is returned is called. */
  follow(symbol) {
    const followed = this.#followed.get(symbol) ?? { count: 0, stop: null };
    if (followed.count === 0) {
      followed.stop = this.#stream.follow(`statistics:${symbol}`, {
        snapshot: (data) => this.#set(symbol, data),
        delta: (entries) => this.#set(symbol, Object.assign({}, ...[].concat(entries))),
      });
      this.#followed.set(symbol, followed);
    }
    followed.count += 1;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      followed.count -= 1;
      if (followed.count) return;
      this.#followed.delete(symbol);
      followed.stop();
    };
  }

  #set(symbol, fields) {
    this.statistics.set(symbol, { ...this.of(symbol), ...fields });
    this.changes.tell(symbol);
  }

  #phase({ symbol, phase, until }) {
    const instrument = this.instruments.get(symbol);
    if (instrument === undefined) {
      this.#refresh(); // it was listed after the page was opened
      return;
    }
    instrument.phase = phase;
    this.#set(symbol, { phase, until: until ?? null });
  }

  /** Terms change seldom (an operator, a new day), and no topic tells of it. */
  async #refresh() {
    if (document.visibilityState !== "visible") return;
    try {
      const { instruments } = await this.#rest.get("/v1/instruments");
      for (const instrument of instruments) this.instruments.set(instrument.symbol, instrument);
      this.changes.tell(null);
    } catch {
      // the next time then
    }
  }

  async #dayBegins(day) {
    this.tradingDay = day;
    this.#refresh();
    const { statistics } = await this.#rest.get("/v1/statistics");
    for (const one of statistics) this.statistics.set(one.symbol, one);
    this.changes.tell(null);
  }
}
