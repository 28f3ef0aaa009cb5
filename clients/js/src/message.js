// A message as the application gets it.

import { decode } from "./payload.js";

/** @import { Target } from "./index.js" */

/** The longest `reply`, in bytes of JSON. */
const MAX_REPLY_BYTES = 4_096;
/** The longest `reason`, in characters. */
const MAX_REASON = 256;

const utf8 = new TextEncoder();

/** One message for this device. It counts as delivered once it is acknowledged, and comes only once until then. */
export class Message {
  #answer;

  /**
   * @param {any} frame
   * @param {(frame: string) => void} answer
   */
  constructor(frame, answer) {
    this.#answer = answer;
    /** @readonly @type {string} */
    this.id = frame.id;
    /** The device that published it. @readonly @type {string} */
    this.from = frame.from;
    /** What it was addressed to. @readonly @type {Target} */
    this.to = frame.to;
    /** JSON, a string, or a `Uint8Array`. @readonly @type {any} */
    this.payload = decode(frame);
    /** The payload's media type. @readonly @type {string} */
    this.type = frame.content_type;
    /** When the service accepted it, in milliseconds by the service's clock. @readonly @type {number} */
    this.sentAt = frame.sent_at;
    /** When it expires, in milliseconds by the service's clock. @readonly @type {number} */
    this.expiresAt = frame.expires_at;
    /** 1 where it was on the wire for the first time. @readonly @type {number} */
    this.attempt = frame.attempt;
    /** @readonly @type {"very-low" | "low" | "normal" | "high"} */
    this.urgency = frame.urgency;
    /** @readonly @type {string | null} */
    this.topic = frame.topic;
  }

  /**
   * Takes the message: its sender learns `delivered`. The first answer to a message stands.
   *
   * @param {unknown} [reply] what the sender gets with it: up to 4,096 bytes of JSON
   * @throws {TypeError | RangeError} the reply is not JSON, or is too long; nothing was answered
   * @throws {TagpostError} the device's connection has ended
   */
  ack(reply) {
    const json = reply === undefined ? undefined : JSON.stringify(reply);
    if (reply !== undefined && json === undefined) throw new TypeError("reply must be JSON");
    if (json !== undefined && utf8.encode(json).length > MAX_REPLY_BYTES) {
      throw new RangeError(`reply must be at most ${MAX_REPLY_BYTES} bytes of JSON`);
    }
    this.#answer(JSON.stringify({ type: "ack", id: this.id, reply }));
  }

  /**
   * Refuses the message: its sender learns `rejected`. The first answer to a message stands.
   *
   * @param {string} [reason] what the sender gets with it: up to 256 characters
   * @throws {TypeError | RangeError} the reason is no string, or is too long; nothing was answered
   * @throws {TagpostError} the device's connection has ended
   */
  nack(reason) {
    if (reason !== undefined && typeof reason !== "string") throw new TypeError("reason must be a string");
    if (reason !== undefined && [...reason].length > MAX_REASON) {
      throw new RangeError(`reason must be at most ${MAX_REASON} characters`);
    }
    this.#answer(JSON.stringify({ type: "nack", id: this.id, reason }));
  }
}
