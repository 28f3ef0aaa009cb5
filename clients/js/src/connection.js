// A device's connection: one WebSocket after the other, until the application or the service ends it.

import { Backoff } from "./backoff.js";
import { TagpostError } from "./errors.js";
import { Socket } from "./socket.js";
import { onWake } from "./wake.js";

/** @import { Http } from "./http.js" */
/** @import { End } from "./socket.js" */

/** After a connection that lasted at least this long, in milliseconds, the backoff starts over. */
const LASTING = 10_000;

/** The close codes after which a reconnect would fail again, or close the newer connection in turn. */
const FINAL = new Map([
  [4401, () => new TagpostError("unauthorized", "the token is no longer valid")],
  [4409, () => new TagpostError("taken_over", "a newer connection of this device took over")],
]);

/** The codes with which the service refuses a token. A 401 or 403 from a proxy does not count. */
const REFUSALS = new Set(["unauthorized", "forbidden"]);

/**
 * @typedef {object} Owner Who is told about the connection.
 * @property {(frame: any, text: string) => void} frame a frame of the service; the first of each connection is `welcome`
 * @property {(reason: string, retryIn: number) => void} offline the next attempt is in `retryIn` milliseconds
 * @property {(error?: TagpostError) => void} ended there will be no further attempt
 */

export class Connection {
  #url;
  #token;
  #http;
  #owner;
  #backoff = new Backoff();
  #stopWaking;
  #ended = false;
  /** @type {number | undefined} */
  #welcomedAt;
  /** @type {Socket | undefined} */
  #socket;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;

  /**
   * @param {URL} url
   * @param {string} token
   * @param {Http} http
   * @param {Owner} owner
   */
  constructor(url, token, http, owner) {
    this.#url = url;
    this.#token = token;
    this.#http = http;
    this.#owner = owner;
    this.#stopWaking = onWake(() => this.#wake());
    this.#open();
  }

  /** Whether the frame was sent. It was not while there is no connection. @param {string} text */
  send(text) {
    return this.#welcomedAt !== undefined && this.#socket !== undefined && this.#socket.send(text);
  }

  /**
   * Asks the service to confirm that it has received everything sent so far.
   *
   * @param {() => void} onPong called once it has; never, if the connection ends before
   * @returns {boolean} whether it was asked
   */
  ping(onPong) {
    return this.#welcomedAt !== undefined && this.#socket !== undefined && this.#socket.ping(onPong);
  }

  /** Replaces this WebSocket with a new one. */
  renew() {
    if (this.#ended || !this.#socket) return;
    this.#socket.close();
    this.#open();
  }

  /** Ends it. @param {TagpostError} [error] */
  end(error) {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopWaking();
    clearTimeout(this.#retry);
    this.#owner.ended(error);
    this.#socket?.close();
  }

  #open() {
    this.#retry = undefined;
    this.#welcomedAt = undefined;
    this.#socket = new Socket(
      this.#url,
      this.#token,
      (frame, text) => {
        if (frame.type === "welcome") this.#welcomedAt = performance.now();
        this.#owner.frame(frame, text);
      },
      (end) => this.#lost(end),
    );
  }

  /** The page is back: timers may have been suspended, and the network may have changed. */
  #wake() {
    if (this.#retry !== undefined) {
      clearTimeout(this.#retry);
      this.#open();
    } else {
      this.#socket?.ping();
    }
  }

  /** @param {End} end */
  async #lost({ opened, code, reason }) {
    this.#socket = undefined;
    if (this.#ended) return;
    const final = FINAL.get(code);
    if (final) return this.end(final());
    if (!opened) {
      // A page is not told why a handshake failed, so it asks over HTTP.
      const error = await this.#http.probe().then(() => undefined, (error) => error);
      if (this.#ended) return;
      if (REFUSALS.has(error?.code)) return this.end(error);
      reason ||= error?.message ?? "the handshake failed";
    }
    if (performance.now() - (this.#welcomedAt ?? Infinity) > LASTING) this.#backoff.reset();
    const pause = this.#backoff.next();
    this.#retry = setTimeout(() => this.#open(), pause);
    this.#owner.offline(reason || `closed with ${code}`, pause);
  }
}
