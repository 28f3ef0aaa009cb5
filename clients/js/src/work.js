// The device's work on one message: saying that it goes on, and learning that it is in vain.
//
// Nothing here is an answer. Progress that is lost is said again; if the end of the message is not told, the work is
// done in vain, and nothing worse. It does not hold the message, which may be large.

import { TagpostError } from "./errors.js";

/** How long after work begins it is first reported, in milliseconds: most is over by then, and costs nothing. */
const FIRST = 2_000;
/** For how many seconds work is reported at a time, unless the application says otherwise. */
const SECONDS = 60;
/** The most seconds. */
const MAX_SECONDS = 86_400;
/** The longest note, in characters. */
const MAX_NOTE = 256;

/** @type {Record<string, string>} */
const REASONS = {
  cancelled: "its sender has cancelled it",
  replaced: "a newer message has replaced it",
  expired: "it has expired",
  enough: "enough other devices have acknowledged it",
};

/**
 * @typedef {object} ProgressOptions
 * @property {number} [for] how many seconds, up to 86,400, the message is not sent again; 60 unless given
 * @property {string} [note] what the device is doing, for the sender: up to 256 characters
 */

export class Work {
  #id;
  #send;
  #isOver = false;
  /** @type {TagpostError | undefined} */
  #error;
  /** @type {AbortController | undefined} */
  #controller;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} id of the message
   * @param {(text: string) => boolean} send
   */
  constructor(id, send) {
    this.#id = id;
    this.#send = send;
  }

  /** Whether the message was withdrawn. */
  get isWithdrawn() {
    return this.#error !== undefined;
  }

  /** Aborted when the message is withdrawn. */
  get signal() {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#error) this.#controller.abort(this.#error);
    }
    return this.#controller.signal;
  }

  /** @param {ProgressOptions} [options] */
  say(options) {
    const frame = this.#frame(options);
    if (!this.#isOver) this.#send(frame);
  }

  /**
   * Says it again and again, well before its time runs out.
   *
   * @param {ProgressOptions} [options]
   * @returns {() => void} ends it
   */
  keep(options = {}) {
    const frame = this.#frame(options);
    const pause = ((options.for ?? SECONDS) * 1000) / 3;
    const again = () => {
      this.#send(frame);
      this.#timer = setTimeout(again, pause);
    };
    clearTimeout(this.#timer);
    if (!this.#isOver) this.#timer = setTimeout(again, FIRST);
    return () => clearTimeout(this.#timer);
  }

  /** The message is answered, or the device is closed. */
  end() {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  /**
   * The message has ended elsewhere.
   *
   * @param {string} reason
   * @returns {TagpostError}
   */
  withdraw(reason) {
    this.end();
    this.#error = new TagpostError(reason, `the message was withdrawn: ${REASONS[reason] ?? reason}`);
    this.#controller?.abort(this.#error);
    return this.#error;
  }

  /** @param {ProgressOptions} [options] */
  #frame({ for: seconds = SECONDS, note } = {}) {
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_SECONDS) {
      throw new RangeError(`for must be a whole number from 1 to ${MAX_SECONDS}`);
    }
    if (note !== undefined) {
      if (typeof note !== "string") throw new TypeError("note must be a string");
      if (!note.isWellFormed()) throw new TypeError("note is not valid Unicode: it was cut in the middle of a character");
      if ([...note].length > MAX_NOTE) throw new RangeError(`note must be at most ${MAX_NOTE} characters`);
    }
    return JSON.stringify({ type: "progress", id: this.#id, for: seconds, note });
  }
}
