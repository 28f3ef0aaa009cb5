// Publishes on their way to the service. Each is sent until it is answered, always with the same
// idempotency key, so that it stays one message however often it is sent.

import { TagpostError } from "./errors.js";
import { withTexts } from "./reply.js";

/** @import { Published } from "./types.js" */

/** How many publishes are unanswered at a time. */
const WINDOW = 128;
/** Milliseconds to wait before publishes that the service could not take are sent again. */
const PAUSE = 1_000;
/** No service takes a longer frame. A much longer one would even end the connection, again and again. */
const LONGEST_FRAME = 6_016_384;
/** The errors after which the same publish is sent again. */
const PASSING = new Set(["too_many_requests", "unavailable"]);

/**
 * @typedef {object} Publish
 * @property {number} number in the order in which the application published
 * @property {string} text the frame
 * @property {PromiseWithResolvers<Published>} answer
 */

export class Outbox {
  #send;
  #count = 0;
  /** In order. @type {Publish[]} */
  #waiting = [];
  /** Sent and unanswered, by `ref`. @type {Map<string, Publish>} */
  #sent = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause;
  /** @type {TagpostError | undefined} */
  #ended;

  /** @param {(text: string) => boolean} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * @param {object} fields of a `publish` frame, without `ref` and payload
   * @param {string} payload the text of JSON
   * @param {AbortSignal} [signal]
   * @returns {Promise<Published>}
   */
  publish(fields, payload, signal) {
    const number = ++this.#count;
    const text = `${JSON.stringify({ ...fields, ref: `${number}` }).slice(0, -1)},"payload":${payload}}`;
    if (text.length > LONGEST_FRAME) throw new RangeError("payload is too large for any service");
    if (this.#ended) throw this.#ended;
    signal?.throwIfAborted();
    const publish = { number, text, answer: Promise.withResolvers() };
    const abort = () => {
      this.#sent.delete(`${number}`);
      this.#waiting = this.#waiting.filter((other) => other !== publish);
      publish.answer.reject(signal?.reason);
      this.#flush();
    };
    signal?.addEventListener("abort", abort);
    this.#waiting.push(publish);
    this.#flush();
    return publish.answer.promise.finally(() => signal?.removeEventListener("abort", abort));
  }

  /** A new connection: all that is unanswered is sent again, in order. */
  welcome() {
    this.#waiting.unshift(...this.#sent.values());
    this.#sent.clear();
    this.#flush();
  }

  /**
   * @param {any} frame `published`, or an `error`
   * @param {string} text the frame as it came
   */
  answered(frame, text) {
    const ref = frame.ref ?? this.#tooLarge(frame);
    const publish = this.#sent.get(ref);
    if (!publish) return;
    this.#sent.delete(ref);
    if (frame.type === "published") {
      const { id, deliveries, summary, state, deliver_at: deliverAt } = withTexts(frame, text);
      publish.answer.resolve({ id, deliveries, summary, ...(state && { state, deliverAt }) });
    } else if (PASSING.has(frame.code)) {
      this.#waiting.push(publish);
      this.#waiting.sort((a, b) => a.number - b.number);
      this.#pause ??= setTimeout(() => {
        this.#pause = undefined;
        this.#flush();
      }, PAUSE);
    } else {
      publish.answer.reject(new TagpostError(frame.code, frame.detail));
    }
    this.#flush();
  }

  /** @param {TagpostError} error */
  end(error) {
    this.#ended = error;
    clearTimeout(this.#pause);
    for (const { answer } of [...this.#sent.values(), ...this.#waiting]) answer.reject(error);
    this.#sent.clear();
    this.#waiting = [];
  }

  #flush() {
    while (this.#pause === undefined && this.#sent.size < WINDOW) {
      const [next] = this.#waiting;
      if (!next || !this.#send(next.text)) return;
      this.#waiting.shift();
      this.#sent.set(`${next.number}`, next);
    }
  }

  /** The service does not read the `ref` of a frame that is too long: it must be the longest. @param {any} error */
  #tooLarge({ code }) {
    if (code !== "payload_too_large") return undefined;
    const longest = [...this.#sent.values()].reduce((a, b) => (b.text.length > a.text.length ? b : a));
    return `${longest.number}`;
  }
}
