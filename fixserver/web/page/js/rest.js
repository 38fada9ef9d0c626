// Requests to the venue and what is wrong with them in words; it never puts a secret into a URL.

const SECONDS_MAX = 20;

/** What did not work: the venue's code and message, or that it could not be reached (status 0). */
export class Failure extends Error {
  constructor(status, code, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

export class Rest {
  #token = null;

  /** `onEnd` is called when the venue does not know the token any more. */
  constructor(onEnd = () => {}) {
    this.onEnd = onEnd;
  }

  set token(token) {
    this.#token = token;
  }

  get(path, query = {}) {
    return this.#ask("GET", path, query);
  }

  post(path, body) {
    return this.#ask("POST", path, {}, body);
  }

  patch(path, body) {
    return this.#ask("PATCH", path, {}, body);
  }

  delete(path, query = {}) {
    return this.#ask("DELETE", path, query);
  }

  async #ask(method, path, query, body) {
    const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const url = given.length ? `${path}?${new URLSearchParams(given)}` : path;
    const headers = { Accept: "application/json" };
    const token = this.#token;
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    let answer;
    try {
      response = await fetch(url, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        signal: AbortSignal.timeout(SECONDS_MAX * 1000),
      });
      answer = response.status === 204 ? null : await response.json();
    } catch (error) {
      if (response === undefined || error.name === "TimeoutError")
        throw new Failure(0, "unreachable", "The venue does not answer. Try again when the connection is live.");
      answer = null;
    }
    if (response.ok) return answer;
    if (response.status === 401 && token !== null && token === this.#token) this.onEnd();
    const said = answer?.error ?? {};
    throw new Failure(
      response.status,
      said.code ?? String(response.status),
      said.message ?? `The venue answered ${response.status}.`,
      response.headers.get("Retry-After"),
    );
  }
}
