// The WebSocket: follows topics, proves by their numbers that nothing is missing, and goes on where it was; it knows no topic's data.

import { Changes } from "./changes.js";

const PING_SECONDS = 5;
const STALE_SECONDS = 8; // nothing came, though a ping was sent
const SILENT_SECONDS = 20; // then the connection is given up
const RETRY_SECONDS_MIN = 0.5;
const RETRY_SECONDS_MAX = 4;
const SIGNED_OUT = new Set(["bad-token", "login-ended"]);
const PRIVATE = new Set(["orders", "balances", "traffic"]);

/**
 * Followers are objects with snapshot(data, message) and delta(data, message); a topic has one.
 *
 * `state` is connecting, live, stale (no word for a while) or reconnecting; `changes` tells of it. `logins` tells of the answers to
 * a login: the participant, or null with the reason why there is none.
 */
export class Stream {
  changes = new Changes();
  logins = new Changes();
  state = "connecting";
  era = null;
  venue = "";
  roundTripMs = null;
  gaps = 0;
  #url;
  #socket = null;
  #topics = new Map(); // topic -> { follower, era, number, asked }
  #token = null;
  #participant = null;
  #tries = 0;
  #timer = null;
  #heard = 0;
  #pings = 0;
  #pinged = 0;

  constructor(url) {
    this.#url = url;
    setInterval(() => this.#look(), 1000);
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#hurry());
  }

  connect() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#heard = performance.now();
    socket.addEventListener("message", (event) => socket === this.#socket && this.#receive(event.data));
    socket.addEventListener("close", () => socket === this.#socket && this.#lost());
  }

  /** Follow a topic until what is returned is called. */
  follow(topic, follower) {
    console.assert(!this.#topics.has(topic), `${topic} has a follower`);
    const followed = { follower, era: null, number: null, asked: false };
    this.#topics.set(topic, followed);
    this.#subscribe([topic]);
    return () => {
      if (this.#topics.get(topic) !== followed) return;
      this.#topics.delete(topic);
      if (followed.asked) this.#send({ op: "unsubscribe", topics: [topic] });
    };
  }

  /** Sign in on this connection and on those that come after it; null signs out. */
  login(token) {
    const had = this.#token;
    this.#token = token;
    this.#participant = null;
    for (const [topic, followed] of this.#topics) if (PRIVATE.has(topic)) Object.assign(followed, { era: null, number: null, asked: false });
    if (!this.#ready) return;
    if (token !== null) this.#send({ op: "login", token });
    else if (had !== null) this.#send({ op: "logout" });
  }

  get #ready() {
    return this.#socket !== null && this.#socket.readyState === WebSocket.OPEN && this.era !== null;
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #subscribe(names) {
    if (!this.#ready) return;
    const topics = [];
    for (const topic of names) {
      const followed = this.#topics.get(topic);
      if (followed.asked || (PRIVATE.has(topic) && this.#participant === null)) continue;
      followed.asked = true;
      topics.push(followed.number === null ? topic : { topic, era: followed.era, number: followed.number });
    }
    if (topics.length) this.#send({ op: "subscribe", topics });
  }

  #receive(text) {
    this.#heard = performance.now();
    if (this.state === "stale") this.#become("live");
    const message = JSON.parse(text);
    if (message.type === "delta") this.#delta(message);
    else if (message.type === "snapshot") this.#snapshot(message);
    else if (message.type === "hello") this.#hello(message);
    else if (message.type === "pong") this.#pong(message);
    else if (message.type === "login") this.#loggedIn(message);
    else if (message.type === "error") this.#refused(message);
  }

  #hello(message) {
    this.#tries = 0;
    this.era = message.era;
    this.venue = message.venue;
    this.#become("live");
    if (this.#token !== null) this.#send({ op: "login", token: this.#token });
    this.#subscribe([...this.#topics.keys()]);
    this.#ping();
  }

  #loggedIn(message) {
    this.#participant = message.participant;
    this.logins.tell(message.participant, null);
    this.#subscribe([...this.#topics.keys()].filter((topic) => PRIVATE.has(topic)));
  }

  #snapshot(message) {
    const followed = this.#topics.get(message.topic);
    if (followed === undefined) return;
    followed.era = message.era;
    followed.number = message.number;
    followed.follower.snapshot(message.data, message);
  }

  #delta(message) {
    const followed = this.#topics.get(message.topic);
    if (followed === undefined || followed.number === null) return; // not followed any more, or its snapshot is on the way
    if (message.first !== followed.number + 1) {
      // The venue's numbers have no gaps. If there is one all the same, what is shown would be wrong from here on: begin again.
      this.gaps += 1;
      followed.number = null;
      this.changes.tell(this.state);
      this.#send({ op: "subscribe", topics: [message.topic] });
      return;
    }
    followed.number = message.number;
    followed.follower.delta(message.data, message);
  }

  #refused(message) {
    if (this.#token !== null && SIGNED_OUT.has(message.code)) {
      this.#token = null;
      this.#participant = null;
      this.logins.tell(null, message.message);
      return;
    }
    const followed = this.#topics.get(message.topic);
    if (followed !== undefined) followed.asked = false;
    followed?.follower.refused?.(message.message, message.code);
    console.info(`stream: ${message.code}: ${message.message}`);
  }

  #ping() {
    this.#pings += 1;
    this.#pinged = performance.now();
    this.#send({ op: "ping", id: this.#pings });
  }

  #pong(message) {
    if (message.id !== this.#pings) return;
    this.roundTripMs = performance.now() - this.#pinged;
    this.changes.tell(this.state);
  }

  #look() {
    if (this.state !== "live" && this.state !== "stale") return;
    const silent = (performance.now() - this.#heard) / 1000;
    if (silent > SILENT_SECONDS) {
      this.#socket.close();
      this.#lost();
    } else if (silent > STALE_SECONDS) {
      this.#become("stale");
    }
    if ((performance.now() - this.#pinged) / 1000 >= PING_SECONDS) this.#ping();
  }

  #lost() {
    this.#socket = null;
    this.era = null;
    this.#participant = null;
    for (const followed of this.#topics.values()) followed.asked = false;
    const seconds = Math.min(RETRY_SECONDS_MAX, RETRY_SECONDS_MIN * 2 ** this.#tries) * (0.75 + Math.random() / 2);
    this.#tries += 1;
    this.#timer = setTimeout(() => this.connect(), seconds * 1000);
    this.#become("reconnecting");
  }

  #hurry() {
    if (this.#timer !== null) this.connect();
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.changes.tell(state);
  }
}
