// The relay's HTTP interface, with one credential, which is sent in a header and never in a URL.

/** The relay's address. It may have a path, which this page then has, too. */
export const BASE = new URL("../", import.meta.url);

/** Milliseconds until a request without an answer is given up. */
const REQUEST_TIMEOUT = 15_000;

/** The relay answered with an error (RFC 9457). */
export class Problem extends Error {
  constructor(status, { code = "unknown", title = `The relay answered ${status}`, detail = "" } = {}) {
    super(detail ? `${title}: ${detail}` : title);
    this.status = status;
    this.code = code;
  }
}

/** The relay did not answer, so nobody knows what became of the request. */
export class Unanswered extends Error {
  constructor() {
    super("The relay does not answer");
  }
}

/** Nothing is asked with this credential any more. */
export class Ended extends Error {
  constructor() {
    super("Closed");
  }
}

export class Api {
  #credential;
  #isEnded = false;

  constructor(credential) {
    this.#credential = credential;
  }

  get(path) {
    return this.request("GET", path);
  }

  /** `path` is relative to the relay's. Returns the answer's JSON, or `undefined` if it has none. Throws [Problem], [Unanswered] or [Ended]. */
  async request(method, path, { headers = {}, body } = {}) {
    if (this.#isEnded) throw new Ended();
    const response = await fetch(new URL(path, BASE), {
      method,
      headers: { ...headers, authorization: `Bearer ${this.#credential}` },
      body,
      cache: "no-store",
      credentials: "omit",
      // A redirect could lead to another server than the one that the credential is for.
      redirect: "error",
      signal: AbortSignal.timeout(REQUEST_TIMEOUT),
    }).catch(() => undefined);
    const text = await response?.text().catch(() => undefined);
    if (text === undefined) throw new Unanswered();
    const answer = text === "" ? undefined : parse(text);
    if (!response.ok) throw new Problem(response.status, answer);
    return answer;
  }

  /** Whatever still wants to ask finds out that nobody is there any more. */
  end() {
    this.#isEnded = true;
  }

  /** Every page of a list, as they come. */
  async *pages(path, limit = 1000) {
    let cursor;
    do {
      const page = await this.get(`${path}?limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      yield page;
      cursor = page.next;
    } while (cursor);
  }
}

/** Whether a text can be the value of a header. A browser does not send any other, and does not say why. */
export const isSendable = (text) => /^[\t -~]*$/.test(text);

export const devicePath = (device) => `v1/devices/${encodeURIComponent(device)}`;
export const tagPath = (tag) => `v1/tags/${encodeURIComponent(tag)}`;

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy answered instead of the relay.
    return undefined;
  }
}
