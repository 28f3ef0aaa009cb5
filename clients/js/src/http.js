// Requests to the service over HTTP. One whose token was refused is made again once, with a new token.

import { TagpostError } from "./errors.js";

/** @import { Credential } from "./credential.js" */

/** Milliseconds after which an unanswered request fails, on top of the seconds it asks the service to wait. */
const ANSWER_LIMIT = 15_000;

/** The id of a message that nobody sent: ids begin with the time, and this one with 1970. */
const NO_MESSAGE = "00000000000000000000000000";

/**
 * @typedef {object} RequestOptions
 * @property {number | undefined} [wait] seconds that the service may wait
 * @property {AbortSignal | undefined} [signal]
 * @property {Record<string, string>} [headers]
 * @property {string | Uint8Array<ArrayBuffer>} [body]
 */

export class Http {
  #base;
  #credential;
  #closed = new AbortController();

  /**
   * @param {URL} base
   * @param {Credential} credential
   */
  constructor(base, credential) {
    this.#base = base;
    this.#credential = credential;
  }

  /**
   * Whether the service accepts the token. The answer is small, whatever the device has sent or is to get.
   *
   * @param {string} token
   * @returns {Promise<void>}
   * @throws {TagpostError} `unauthorized` or `forbidden`: it does not; anything else: nobody knows
   */
  async probe(token) {
    await this.#exchange("GET", `v1/messages/${NO_MESSAGE}`, {}, token).catch((error) => {
      if (error.code !== "unknown_message") throw error;
    });
  }

  /**
   * The JSON text of the answer to a request; empty if there is none.
   *
   * @param {string} method
   * @param {string} path below the service's own
   * @param {RequestOptions} [options]
   * @returns {Promise<string>}
   * @throws {TagpostError}
   */
  async request(method, path, options = {}) {
    const token = await this.token(options.signal);
    try {
      return await this.#exchange(method, path, options, token);
    } catch (error) {
      const isRefused = error instanceof TagpostError && error.code === "unauthorized" && error.status === 401;
      // A request that was refused has changed nothing.
      if (!isRefused || !this.#credential.refuse(token)) throw error;
      return this.#exchange(method, path, options, await this.token(options.signal));
    }
  }

  /**
   * The token for the next request.
   *
   * @param {AbortSignal} [signal]
   * @returns {Promise<string>}
   * @throws {TagpostError}
   */
  async token(signal) {
    const aborts = this.#aborts(signal);
    const end = new AbortController();
    /** @type {Promise<never>} */
    const aborted = new Promise((_, reject) => {
      for (const signal of aborts) signal.addEventListener("abort", () => reject(signal.reason), { signal: end.signal });
    });
    try {
      return await Promise.race([this.#credential.get(), aborted]);
    } finally {
      end.abort();
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {RequestOptions} options
   * @param {string} token
   */
  async #exchange(method, path, { wait = 0, signal, headers: more, body: sent }, token) {
    const aborts = this.#aborts(signal);
    let response, body;
    try {
      response = await fetch(new URL(path, this.#base), {
        method,
        headers: { ...more, authorization: `Bearer ${token}` },
        ...(sent !== undefined && { body: sent }),
        // A redirect could lead to another server than the one that the token is for.
        redirect: "manual",
        signal: AbortSignal.any([...aborts, AbortSignal.timeout(ANSWER_LIMIT + (wait > 0 ? 1000 * wait : 0))]),
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

  /** What ends a request. @param {AbortSignal} [signal] @throws what has ended it already */
  #aborts(signal) {
    const aborts = [this.#closed.signal, ...(signal ? [signal] : [])];
    for (const signal of aborts) signal.throwIfAborted();
    return aborts;
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
