// Who wants to be told of a change; it keeps no state of its own.

export class Changes {
  #listeners = new Set();

  /** Be called with each change from now on. Returns what ends it. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(...what) {
    for (const listener of this.#listeners) listener(...what);
  }
}
