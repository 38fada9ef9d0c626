// The FIX messages of who is signed in: kept up to a limit, told apart, and followed along an order's ClOrdIDs; it draws nothing.

import { Changes } from "./changes.js";

export const MESSAGES_KEPT = 2000;
const SESSION_TYPES = new Set(["0", "1", "2", "3", "4", "5", "A"]);
const NO_ORDER = new Set(["", "NONE"]);

/** "session" for what keeps a session alive (heartbeats, logons, resends), "application" for what it is there for. */
export const layerOf = (type) => (SESSION_TYPES.has(type) ? "session" : "application");

export const valueOf = (message, tag) => message.fields.find((field) => Number(field[0]) === tag)?.[2] ?? "";
export const meaningOf = (message, tag) => {
  const field = message.fields.find((one) => Number(one[0]) === tag);
  return field === undefined ? "" : field[3] || field[2];
};

/** Names under which a message speaks of its order. */
function namesOf(message) {
  const names = (message.cl_ord_ids ?? []).map((id) => `c:${id}`);
  if (message.order_id && !NO_ORDER.has(message.order_id)) names.push(`o:${message.order_id}`);
  return names;
}

/** Oldest first. `changes` tells whether messages came at the end ("more"), or all may be others ("all"). */
export class Messages {
  changes = new Changes();
  list = [];
  types = new Map(); // type -> { name, count }
  sessions = new Map(); // session -> count
  isThere = false;
  refusal = "";
  dropped = 0; // that came too fast for the venue to show them
  #stream;
  #stop = null;
  #number = 0;

  constructor(stream) {
    this.#stream = stream;
  }

  open() {
    this.close();
    this.#stop = this.#stream.follow("traffic", {
      snapshot: (data) => {
        this.#clear();
        this.isThere = true;
        this.refusal = "";
        const inOrder = [...data.messages].sort((a, b) => (a.time < b.time ? -1 : Number(a.time > b.time)));
        for (const message of inOrder.slice(-MESSAGES_KEPT)) this.#keep(message);
        this.changes.tell("all");
      },
      delta: (entries) => {
        for (const entry of entries) {
          if (entry.dropped === undefined) this.#keep(entry);
          else this.dropped += entry.dropped;
        }
        this.changes.tell("more");
      },
      refused: (text) => {
        this.refusal = text;
        this.changes.tell("all");
      },
    });
  }

  close() {
    this.#stop?.();
    this.#stop = null;
    this.#clear();
    this.isThere = false;
    this.changes.tell("all");
  }

  /** Forget what was shown; what comes from now on is kept again. */
  clear() {
    this.#clear();
    this.changes.tell("all");
  }

  /** All names of the order that `message` is about: over replaces a name leads to the next, so until no message adds one. */
  chainOf(message) {
    return this.chain(new Set(namesOf(message)));
  }

  /** The names that belong to these, of the same order. */
  chain(names) {
    const all = new Set(names);
    for (let before = -1; before !== all.size; ) {
      before = all.size;
      for (const message of this.list) {
        const mine = namesOf(message);
        // What names many orders at once (a list, a mass status) would tie all of them together.
        if (mine.length <= 3 && mine.some((name) => all.has(name))) for (const name of mine) all.add(name);
      }
    }
    return all;
  }

  belongs(message, names) {
    return namesOf(message).some((name) => names.has(name));
  }

  #clear() {
    this.list = [];
    this.dropped = 0;
    this.types.clear();
    this.sessions.clear();
  }

  #keep(message) {
    this.#number += 1;
    message.key = this.#number;
    this.list.push(message);
    this.#count(message, 1);
    if (this.list.length > MESSAGES_KEPT) this.#count(this.list.shift(), -1);
  }

  #count(message, by) {
    const type = this.types.get(message.type) ?? { name: message.name, count: 0 };
    type.count += by;
    if (type.count) this.types.set(message.type, type);
    else this.types.delete(message.type);
    const count = (this.sessions.get(message.session) ?? 0) + by;
    if (count) this.sessions.set(message.session, count);
    else this.sessions.delete(message.session);
  }
}
