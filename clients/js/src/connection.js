// A device's connection: one WebSocket after the other, until the application or the service ends it.

import { Backoff } from "./backoff.js";
import { TagpostError } from "./errors.js";
import { Socket } from "./socket.js";
import { onWake } from "./wake.js";

/** @import { Credential } from "./credential.js" */
/** @import { Http } from "./http.js" */
/** @import { End } from "./socket.js" */

/** After a connection that lasted at least this long, in milliseconds, the backoff starts over. */
const LASTING = 10_000;

/** The token has expired or was revoked. */
const UNAUTHORIZED = 4401;
/** A newer connection of this device took over: a reconnect would close that one in turn. */
const TAKEN_OVER = 4409;

/** Milliseconds between two attempts to renew the token of a connection. */
const RENEWAL_PAUSE = 10_000;
/** The longest time that a timer can have, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

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
  #credential;
  #http;
  #owner;
  #backoff = new Backoff();
  #stopWaking;
  #ended = false;
  /** @type {number | undefined} */
  #welcomedAt;
  /** @type {Socket | undefined} */
  #socket;
  /** Counts the attempts to connect: one that waits for its token may be out of date. */
  #attempt = 0;
  /** Whether a new token was asked for because the last one was refused. */
  #isRefused = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #renewal;

  /**
   * @param {URL} url
   * @param {Credential} credential
   * @param {Http} http
   * @param {Owner} owner
   */
  constructor(url, credential, http, owner) {
    this.#url = url;
    this.#credential = credential;
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
    clearTimeout(this.#renewal);
    this.#owner.ended(error);
    this.#socket?.close();
  }

  async #open() {
    this.#retry = undefined;
    this.#welcomedAt = undefined;
    clearTimeout(this.#renewal);
    const attempt = ++this.#attempt;
    const isOver = () => this.#ended || attempt !== this.#attempt;
    let token;
    try {
      token = await this.#http.token();
    } catch (error) {
      if (!isOver()) this.#failed(error);
      return;
    }
    if (isOver()) return;
    this.#socket = new Socket(
      this.#url,
      token,
      (frame, text) => {
        if (frame.type === "welcome") this.#welcome(token);
        this.#owner.frame(frame, text);
      },
      (end) => this.#lost(end, token),
    );
  }

  /** @param {string} token with which it was let in */
  #welcome(token) {
    this.#welcomedAt = performance.now();
    this.#isRefused = false;
    clearTimeout(this.#renewal);
    this.#renewLater(token, this.#credential.renewIn);
  }

  /**
   * Goes on with a new token before the service closes the connection for the old one.
   *
   * @param {string} token
   * @param {number} pause
   */
  #renewLater(token, pause) {
    if (pause === Infinity) return;
    this.#renewal = setTimeout(async () => {
      const attempt = this.#attempt;
      let renewed = token;
      try {
        if (pause <= LONGEST_TIMER) {
          // A request may have renewed it meanwhile.
          renewed = await this.#http.token();
          if (renewed === token) renewed = await this.#credential.renew();
        }
      } catch {
        // This connection works until the service ends it. The next one tells why there is no token.
      }
      if (this.#ended || attempt !== this.#attempt || this.#socket === undefined) return;
      if (renewed !== token) this.renew();
      else this.#renewLater(token, Math.max(this.#credential.renewIn, RENEWAL_PAUSE));
    }, Math.min(pause, LONGEST_TIMER));
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

  /**
   * @param {End} end
   * @param {string} token
   */
  async #lost({ opened, code, reason }, token) {
    this.#socket = undefined;
    clearTimeout(this.#renewal);
    if (this.#ended) return;
    if (code === TAKEN_OVER) return this.end(new TagpostError("taken_over", "a newer connection of this device took over"));
    /** @type {any} */
    let error;
    if (code === UNAUTHORIZED) {
      error = new TagpostError("unauthorized", "the token is no longer valid");
    } else if (!opened) {
      // A page is not told why a handshake failed, so it asks over HTTP.
      error = await this.#http.probe(token).then(() => undefined, (error) => error);
      if (this.#ended) return;
      reason ||= error?.message ?? "the handshake failed";
    }
    if (!REFUSALS.has(error?.code)) return this.#again(reason || `closed with ${code}`);
    // One new token is tried. If that is refused, too, so would be all others.
    if (this.#isRefused || !this.#credential.refuse(token)) return this.end(error);
    this.#isRefused = true;
    if (!this.#lasted) return this.#again(error.message);
    this.#backoff.reset();
    this.#owner.offline(error.message, 0);
    this.#open();
  }

  /** Whether the connection lasted so long that what ended it is nothing that happens at once again. */
  get #lasted() {
    return performance.now() - (this.#welcomedAt ?? Infinity) > LASTING;
  }

  /** There is no token. @param {any} error */
  #failed(error) {
    if (REFUSALS.has(error?.code)) this.end(error);
    else this.#again(error.message);
  }

  /** @param {string} reason */
  #again(reason) {
    if (this.#lasted) this.#backoff.reset();
    const pause = this.#backoff.next();
    this.#retry = setTimeout(() => this.#open(), pause);
    this.#owner.offline(reason, pause);
  }
}
