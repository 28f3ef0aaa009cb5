// Messages on their way to the application, and its answers on their way back.
//
// The service sends a message again until it is answered; here each id is let through once. Nothing is
// answered that the application has not answered, so the service's window bounds what waits here.

import { TagpostError } from "./errors.js";
import { Message } from "./message.js";
import { Queue } from "./queue.js";

/** How many ids are remembered. Several times the largest window there is, which is 128. */
const REMEMBERED = 1_024;

/**
 * @typedef {object} Known
 * @property {string} [answer] the frame that answers it
 * @property {boolean} [sent]
 */

export class Inbox {
  #send;
  /** Oldest first. @type {Map<string, Known>} */
  #known = new Map();
  /** @type {Queue<Message>} */
  #waiting = new Queue();
  #window = 0;
  /** @type {TagpostError | undefined} */
  #ended;

  /** @param {(text: string) => boolean} send */
  constructor(send) {
    this.#send = send;
  }

  /** How many messages wait to be taken. */
  get size() {
    return this.#waiting.size;
  }

  /** A new connection: gives the answers that could not be given without one. @param {{ max_in_flight: number }} welcome */
  welcome({ max_in_flight }) {
    this.#window = max_in_flight;
    for (const known of this.#known.values()) this.#give(known);
  }

  /** @param {any} frame a `message` */
  take(frame) {
    const known = this.#known.get(frame.id);
    if (known) {
      // The service has not got the answer, or it would not ask again.
      known.sent = false;
      return this.#give(known);
    }
    // Of those that wait some must have expired unseen; what is dropped here comes again.
    if (this.#waiting.size >= this.#window) return;
    this.#remember(frame.id, {});
    this.#waiting.push(new Message(frame, (answer) => this.#answer(frame.id, answer)));
  }

  /**
   * Each message once. One that is neither answered nor done with when an iteration breaks off is the
   * first of the next iteration.
   *
   * @returns {AsyncGenerator<Message, void, void>}
   */
  async *messages() {
    for (;;) {
      const message = await this.#waiting.take();
      if (!message) return;
      if (this.#isAnswered(message)) continue;
      let done = false;
      try {
        yield message;
        done = true;
      } finally {
        if (!done && !this.#isAnswered(message)) this.#waiting.unshift(message);
      }
    }
  }

  /** No answer can be given any more. @param {TagpostError} [error] */
  end(error) {
    this.#ended = error ?? new TagpostError("closed", "the device was closed");
    this.#waiting.end(error);
  }

  /** @param {Message} message */
  #isAnswered({ id }) {
    return this.#known.get(id)?.answer !== undefined;
  }

  /**
   * @param {string} id
   * @param {string} answer
   */
  #answer(id, answer) {
    const known = this.#known.get(id) ?? this.#remember(id, {});
    if (known.answer !== undefined) return;
    if (this.#ended) throw this.#ended;
    known.answer = answer;
    this.#give(known);
  }

  /** @param {Known} known */
  #give(known) {
    if (known.answer !== undefined && !known.sent) known.sent = this.#send(known.answer);
  }

  /**
   * @param {string} id
   * @param {Known} known
   */
  #remember(id, known) {
    this.#known.set(id, known);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return known;
  }
}
