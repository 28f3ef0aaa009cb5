// Messages on their way to the application, and its answers on their way back.
//
// The service sends a message again until it is answered; here each id is let through once. Nothing is
// answered that the application has not answered, so the service's window bounds what waits here.
//
// The service does not confirm an answer that it accepts. The `pong` to a `ping` sent after the answer shows that the
// service has received it, so that it is not lost with the connection. It does not show that the answer was accepted:
// the platform says `pong` on behalf of the mailbox, which may still refuse the answer.

import { TagpostError } from "./errors.js";
import { Message } from "./message.js";
import { Queue } from "./queue.js";
import { Work } from "./work.js";

/** @import { ProgressOptions } from "./work.js" */

/** How many ids are remembered. Several times the largest window there is, which is 128. */
const REMEMBERED = 1_024;

/**
 * @typedef {object} Known
 * @property {string} [answer] the frame that answers it
 * @property {PromiseWithResolvers<void>} [given] settled once the answer has come to the service
 * @property {boolean} [isGiven] whether it has
 * @property {boolean} [sent] over the present connection
 * @property {Work} [work] until it is answered
 */

export class Inbox {
  #send;
  #ping;
  #onRefused;
  #isAsking = false;
  /** Answered, and not known to have come to the service. @type {Set<Known>} */
  #underway = new Set();
  /** Oldest first. @type {Map<string, Known>} */
  #known = new Map();
  /** @type {Queue<Message>} */
  #waiting = new Queue();
  #window = 0;
  /** @type {TagpostError | undefined} */
  #ended;

  /**
   * @param {(text: string) => boolean} send
   * @param {(onPong: () => void) => boolean} ping asks the service for a sign that what was sent has come to it
   * @param {(id: string, error: TagpostError) => void} onRefused told of every answer that the service refuses
   */
  constructor(send, ping, onRefused) {
    this.#send = send;
    this.#ping = ping;
    this.#onRefused = onRefused;
  }

  /** How many messages wait to be taken. */
  get size() {
    return this.#waiting.size;
  }

  /** A new connection: repeats the answers that may not have arrived. @param {{ max_in_flight: number }} welcome */
  welcome({ max_in_flight }) {
    this.#window = max_in_flight;
    this.#isAsking = false;
    for (const known of this.#underway) known.sent = this.#send(known.answer ?? "");
    this.#ask();
  }

  /**
   * @param {any} frame a `message`
   * @param {string} text the frame as it came
   */
  take(frame, text) {
    const known = this.#known.get(frame.id);
    // If it was answered, the service did not get the answer, or it would not send the message again.
    if (known) return this.#give(known);
    // Some of those that wait must have expired. A message that is dropped here is sent again.
    if (this.#waiting.size >= this.#window) return;
    const work = new Work(frame.id, this.#send);
    this.#remember(frame.id, { work });
    this.#waiting.push(new Message(frame, text, (fields) => this.#answer(frame.id, fields), work));
  }

  /**
   * A message has ended without an answer. If it comes again all the same, it is shown again.
   *
   * @param {{ id: string, reason: string }} frame
   */
  withdrawn({ id, reason }) {
    const known = this.#known.get(id);
    if (!known) return;
    this.#known.delete(id);
    this.#underway.delete(known);
    this.#waiting.drop((message) => message.id === id);
    const error = (known.work ?? new Work(id, this.#send)).withdraw(reason);
    known.given?.reject(error);
  }

  /**
   * An answer that the service does not take: the message is not answered.
   *
   * @param {any} error
   * @returns {boolean} whether it is about an answer
   */
  refused({ ref, code, detail }) {
    const known = this.#known.get(ref);
    if (!known?.given) return false;
    const { given, isGiven } = known;
    const error = new TagpostError(code, detail);
    this.#underway.delete(known);
    if (isGiven) {
      // The application may be done with the message: its next repeat is shown.
      this.#known.delete(ref);
    } else {
      delete known.answer;
      delete known.given;
      given.reject(error);
    }
    this.#onRefused(ref, error);
    return true;
  }

  /**
   * Each message once. One that is neither answered nor done with when an iteration breaks off is the
   * first of the next iteration.
   *
   * @param {{ progress?: ProgressOptions | undefined }} [options]
   * @returns {AsyncGenerator<Message, void, void>}
   */
  async *messages({ progress } = {}) {
    for (;;) {
      const message = await this.#waiting.take();
      if (!message) return;
      // One may be withdrawn between its taking and its turn.
      if (this.#isAnswered(message) || message.isWithdrawn) continue;
      if (progress) message.working(progress);
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
    for (const { work } of this.#known.values()) work?.end();
    for (const { given } of this.#underway) given?.reject(this.#ended);
    this.#underway.clear();
  }

  /** @param {Message} message */
  #isAnswered({ id }) {
    return this.#known.get(id)?.answer !== undefined;
  }

  /**
   * @param {string} id
   * @param {object} fields of the frame that answers it
   */
  #answer(id, fields) {
    const known = this.#known.get(id) ?? this.#remember(id, {});
    if (known.given) return known.given.promise;
    const given = (known.given = Promise.withResolvers());
    // Nobody has to wait for it: events tell that the service refused it, and how the connection ended.
    given.promise.catch(() => {});
    if (this.#ended) {
      given.reject(this.#ended);
      delete known.given;
    } else {
      known.work?.end();
      delete known.work;
      known.answer = JSON.stringify({ ...fields, id, ref: id });
      this.#give(known);
    }
    return given.promise;
  }

  /** @param {Known} known */
  #give(known) {
    if (known.answer === undefined) return;
    known.sent = this.#send(known.answer);
    this.#underway.add(known);
    this.#ask();
  }

  /** One `ping` at a time asks for all answers that were sent before it. */
  #ask() {
    const asked = [...this.#underway].filter(({ sent }) => sent).map((known) => ({ known, given: known.given }));
    if (this.#isAsking || asked.length === 0) return;
    this.#isAsking = this.#ping(() => {
      this.#isAsking = false;
      for (const { known, given } of asked) {
        // One that was refused meanwhile may have been answered again.
        if (known.given !== given) continue;
        this.#underway.delete(known);
        known.isGiven = true;
        given?.resolve();
      }
      this.#ask();
    });
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
