// The part of the service's HTTP interface that a device needs besides its WebSocket.

import { TagpostError } from "./errors.js";

/** Milliseconds after which an unanswered request fails, on top of the seconds it asks the service to wait. */
const ANSWER_LIMIT = 15_000;

/** The id of a message that nobody sent: ids begin with the time, and this one with 1970. */
const NO_MESSAGE = "00000000000000000000000000";

export class Http {
  #base;
  #token;
  #closed = new AbortController();

  /**
   * @param {URL} base
   * @param {string} token
   */
  constructor(base, token) {
    this.#base = base;
    this.#token = token;
  }

  /**
   * Whether the service accepts the token. The answer is small, whatever the device has sent or is to get.
   *
   * @returns {Promise<void>}
   * @throws {TagpostError} `unauthorized` or `forbidden`: it does not; anything else: nobody knows
   */
  async probe() {
    await this.request("GET", `v1/messages/${NO_MESSAGE}`).catch((error) => {
      if (error.code !== "unknown_message") throw error;
    });
  }

  /**
   * The JSON text of the answer to a request; empty if there is none.
   *
   * @param {string} method
   * @param {string} path below the service's own
   * @param {{ wait?: number, signal?: AbortSignal | undefined, headers?: Record<string, string>, body?: string }} [options]
   *   `wait`: seconds that the service may wait
   * @returns {Promise<string>}
   * @throws {TagpostError}
   */
  async request(method, path, { wait = 0, signal, headers: more, body: sent } = {}) {
    const aborts = [this.#closed.signal, ...(signal ? [signal] : [])];
    for (const signal of aborts) signal.throwIfAborted();
    let response, body;
    try {
      response = await fetch(new URL(path, this.#base), {
        method,
        headers: { ...more, authorization: `Bearer ${this.#token}` },
        ...(sent !== undefined && { body: sent }),
        // A redirect could lead to another server than the one that the token is for.
        redirect: "manual",
        signal: AbortSignal.any([...aborts, AbortSignal.timeout(ANSWER_LIMIT + 1000 * wait)]),
      });
      body = await response.text();
    } catch (cause) {
      for (const signal of aborts) signal.throwIfAborted();
      throw new TagpostError("unreachable", "the service gave no answer", { cause });
    }
    const { status, ok, type, headers } = response;
    const json = parse(body);
    if (ok && (json || status === 204)) return body;
    if (!ok && typeof json?.code === "string") {
      const retryAfter = seconds(headers.get("retry-after"));
      throw new TagpostError(json.code, `${json.detail}`, { status, retryAfter });
    }
    if (type === "opaqueredirect" || (status >= 300 && status < 400)) {
      throw new TagpostError("unreachable", "the service answered with a redirect, which is not followed", { status });
    }
    throw new TagpostError("unreachable", `the answer, with status ${status}, does not come from tagpost`, { status });
  }

  /** Aborts unanswered requests. @param {TagpostError} error what they fail with, and every request from now on */
  end(error) {
    this.#closed.abort(error);
  }
}

/** A number of seconds, as the service says them; something on the way may say a date. @param {string | null} header */
function seconds(header) {
  return header !== null && /^\d+$/.test(header) ? Number(header) : undefined;
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
