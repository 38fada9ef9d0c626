// Who is signed in on this page, and until when; the token lives in this tab alone, and never in a URL.

import { Changes } from "./changes.js";

const KEY = "fixserver-session";

/** `changes` tells the participant, or null and why (text, or null where one signed out oneself). */
export class Session {
  changes = new Changes();
  participant = null;
  #rest;
  #stream;

  constructor(rest, stream) {
    this.#rest = rest;
    this.#stream = stream;
    rest.onEnd = () => this.#end("Your sign-in has ended. Sign in again to go on.");
    stream.logins.listen((participant, why) => {
      if (participant === null) this.#end(why ?? "Your sign-in has ended. Sign in again to go on.");
    });
  }

  /** Go on with the sign-in that this tab had before it was loaded anew. */
  restore() {
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem(KEY));
    } catch {
      // what is there is not ours
    }
    if (kept?.token && Date.parse(kept.expires) > Date.now()) this.#begin(kept);
    else sessionStorage.removeItem(KEY);
  }

  /** Fails as Rest does. */
  async signIn(name, password) {
    const answer = await this.#rest.post("/v1/login", { name, password });
    sessionStorage.setItem(KEY, JSON.stringify(answer));
    this.#begin(answer);
  }

  async signOut() {
    const ended = this.#rest.post("/v1/logout", {});
    this.#end(null);
    await ended.catch(() => {}); // it expires by itself where the venue cannot be told
  }

  #begin({ token, participant }) {
    this.participant = participant;
    this.#rest.token = token;
    this.#stream.login(token);
    this.changes.tell(participant, null);
  }

  #end(why) {
    if (this.participant === null) return;
    sessionStorage.removeItem(KEY);
    this.participant = null;
    this.#rest.token = null;
    this.#stream.login(null);
    this.changes.tell(null, why);
  }
}
