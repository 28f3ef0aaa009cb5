// How long a publish may take.

import { TagpostError } from "./errors.js";

/** Seconds, unless the application says otherwise, on top of those that the service waits for acknowledgements. */
const TIMEOUT = 30;
/** Seconds that the service waits unless a publish says otherwise. */
const WAIT = 1;
/** The longest time that a timer can have, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

export class Limit {
  #controller = new AbortController();
  #signal;
  #onAbort;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** Why it has not succeeded yet. @type {TagpostError | undefined} */
  last;

  /**
   * @param {{ wait?: number | undefined, timeout?: number | undefined, signal?: AbortSignal | undefined }} options of a publish
   * @throws {RangeError}
   */
  constructor({ wait = WAIT, timeout = TIMEOUT, signal }) {
    if (typeof timeout !== "number" || !(timeout > 0)) throw new RangeError("timeout must be a positive number of seconds");
    this.#signal = signal;
    this.#onAbort = () => this.#controller.abort(signal?.reason);
    if (signal?.aborted) this.#onAbort();
    signal?.addEventListener("abort", this.#onAbort);
    const milliseconds = 1000 * (timeout + (wait > 0 ? wait : 0));
    if (milliseconds > LONGEST_TIMER) return;
    this.#timer = setTimeout(() => {
      const why = this.last ? `; ${this.last.message}` : "";
      const detail = `no answer within ${milliseconds / 1000} s, but the message may have been accepted${why}`;
      this.#controller.abort(new TagpostError("timeout", detail, { cause: this.last }));
    }, milliseconds);
  }

  /** Aborted when the time is over, or the application gives up. */
  get signal() {
    return this.#controller.signal;
  }

  /** Waits. @param {number} milliseconds @returns {Promise<void>} @throws why it ended before */
  pause(milliseconds) {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", abort);
        resolve();
      }, milliseconds);
      const abort = () => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  /** The publish is over. */
  end() {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}
