// The service's HTTP interface, with one credential, which is sent in a header and never in a URL.

/** The service's address. It may have a path, which this page then has, too. */
export const BASE = new URL("../", import.meta.url);

/** The same without a slash at its end, as other programs take it. */
export const SERVICE = BASE.href.replace(/\/$/, "");

/** Milliseconds until a request without an answer is given up. */
const REQUEST_TIMEOUT = 15_000;

/** Tells whether the service answers, with `lost` and `back`. */
export const connection = new EventTarget();
let isLost = false;

/** The service answered with an error (RFC 9457). */
export class Problem extends Error {
  /** `pause`: after how many seconds to ask again, if the service says so. */
  constructor(status, { code = "unknown", title = `The service answered ${status}`, detail = "" } = {}, pause) {
    // The detail says what the title says, and which name or field it is about.
    super(detail ? detail.charAt(0).toUpperCase() + detail.slice(1) : title);
    this.status = status;
    this.code = code;
    this.pause = pause;
  }
}

/** The service did not answer, so nobody knows what became of the request. */
export class Unanswered extends Error {
  constructor() {
    super("The service does not answer");
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

  /**
   * `path` is relative to the service's. Returns the answer's JSON, or `undefined` if it has none. Throws [Problem],
   * [Unanswered] or [Ended].
   */
  async request(method, path, { headers = {}, body } = {}) {
    const { bytes } = await this.#answer(method, path, { headers, body });
    return parse(new TextDecoder().decode(bytes));
  }

  /** The answer to a `GET` as it is. */
  bytes(path) {
    return this.#answer("GET", path);
  }

  async #answer(method, path, { headers = {}, body } = {}) {
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
    const content = await response?.arrayBuffer().catch(() => undefined);
    tell(content === undefined);
    if (content === undefined) throw new Unanswered();
    const bytes = new Uint8Array(content);
    if (!response.ok) {
      const pause = Number(response.headers.get("retry-after")) || undefined;
      throw new Problem(response.status, parse(new TextDecoder().decode(bytes)), pause);
    }
    return { bytes, type: response.headers.get("content-type") ?? "" };
  }

  /**
   * A WebSocket. The credential is among the subprotocols, since a browser sets no header on a handshake; encoded,
   * since a subprotocol cannot have every character. Throws [Ended].
   */
  socket(path, protocol) {
    if (this.#isEnded) throw new Ended();
    const address = new URL(path, BASE);
    address.protocol = address.protocol.replace("http", "ws");
    return new WebSocket(address, [protocol, `token64.${base64url(this.#credential)}`]);
  }

  /** Whatever still wants to ask finds out that nobody is there any more. */
  end() {
    this.#isEnded = true;
  }

  /** Every page of a list, as they come. */
  async *pages(path, limit = 1000) {
    let cursor;
    do {
      const page = await this.get(query(path, { limit, cursor }));
      yield page;
      cursor = page.next;
    } while (cursor);
  }
}

/** A path with these parameters; those without a value are left out. */
export function query(path, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

/** Whether a text can be the value of a header. A browser does not send any other, and does not say why. */
export const isSendable = (text) => /^[\t -~]*$/.test(text);

export const devicePath = (device) => `v1/devices/${encodeURIComponent(device)}`;
export const tagPath = (tag) => `v1/tags/${encodeURIComponent(tag)}`;
export const bindingPath = (tag, device) => `${tagPath(tag)}/devices/${encodeURIComponent(device)}`;
export const messagePath = (id) => `v1/messages/${encodeURIComponent(id)}`;

/** A name that nobody else uses. Not `randomUUID`, which is missing on pages served over plain http. */
export function freshKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A text as base64url without padding (RFC 4648, section 5). */
function base64url(text) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function tell(lost) {
  if (lost === isLost) return;
  isLost = lost;
  connection.dispatchEvent(new Event(lost ? "lost" : "back"));
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    // There is no body, or a proxy answered instead of the service.
    return undefined;
  }
}
