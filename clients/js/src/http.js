// The service's HTTP interface, as far as a device needs it beside its WebSocket.

import { TagpostError } from "./errors.js";

/** Milliseconds after which an unanswered request fails, on top of the seconds it asks the service to wait. */
const ANSWER_LIMIT = 15_000;

export class Http {
  #base;
  #token;

  /**
   * @param {URL} base
   * @param {string} token
   */
  constructor(base, token) {
    this.#base = base;
    this.#token = token;
  }

  /** Whether the service accepts the token. Anything can be asked for that only a device may. @returns {Promise<void>} */
  async probe() {
    await this.request("GET", "/v1/messages?limit=1");
  }

  /**
   * The JSON that a request is answered with.
   *
   * @param {string} method
   * @param {string} path
   * @param {number} [wait] seconds that the service may wait
   * @returns {Promise<any>}
   * @throws {TagpostError}
   */
  async request(method, path, wait = 0) {
    let response, body;
    try {
      response = await fetch(new URL(path, this.#base), {
        method,
        headers: { authorization: `Bearer ${this.#token}` },
        signal: AbortSignal.timeout(ANSWER_LIMIT + 1000 * wait),
      });
      body = await response.text();
    } catch (cause) {
      throw new TagpostError("unreachable", "the service gave no answer", { cause });
    }
    const { status, ok } = response;
    const json = parse(body);
    if (ok && json) return json;
    if (!ok && typeof json?.code === "string") throw new TagpostError(json.code, `${json.detail}`, { status });
    throw new TagpostError("unreachable", `an answer with status ${status} that is not tagpost's`, { status });
  }
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
