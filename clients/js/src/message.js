// A message as the application gets it.

import { depth, member } from "./json.js";
import { decode, isJson } from "./payload.js";

/** @import { Target } from "./types.js" */
/** @import { ProgressOptions, Work } from "./work.js" */

/** The longest `reply`, in bytes of JSON. */
const MAX_REPLY_BYTES = 4_096;
/** How deep the arrays and objects of a `reply` may be nested. */
const MAX_REPLY_DEPTH = 100;
/** The longest `reason`, in characters. */
const MAX_REASON = 256;

const TOO_DEEP = `reply must have at most ${MAX_REPLY_DEPTH} levels`;

const utf8 = new TextEncoder();

/**
 * One message for this device. It is shown once, and counts as delivered once it is acknowledged.
 *
 * @template [Payload=unknown]
 * @template [Reply=unknown]
 */
export class Message {
  #answer;
  #work;
  #frame;
  /** @type {string | undefined} */
  #text;

  /**
   * @param {any} frame
   * @param {string} text the frame as it came
   * @param {(fields: { type: "ack", reply?: unknown } | { type: "nack", reason?: string | undefined }) => Promise<void>} answer
   * @param {Work} work
   */
  constructor(frame, text, answer, work) {
    this.#answer = answer;
    this.#work = work;
    // The text of JSON is cut out of the frame when somebody asks for it; then the frame is no longer needed.
    this.#frame = isJson(frame.content_type ?? "") && frame.encoding === undefined ? text : undefined;
    /** @readonly @type {string} */
    this.id = frame.id;
    /** The device that published it. @readonly @type {string} */
    this.from = frame.from;
    /** What it was published to. @readonly @type {Target} */
    this.to = frame.to;
    /** JSON, a string, or a `Uint8Array`: what the sender published, unchecked. @readonly @type {Payload} */
    this.payload = /** @type {Payload} */ (decode(frame));
    this.#text = typeof this.payload === "string" ? this.payload : undefined;
    /** The payload's media type. @readonly @type {string} */
    this.type = frame.content_type;
    /** When the service accepted it, in milliseconds by the service's clock. @readonly @type {number} */
    this.sentAt = frame.sent_at;
    /** When it expires, in milliseconds by the service's clock. @readonly @type {number} */
    this.expiresAt = frame.expires_at;
    /** How often it was sent, counted from 1. @readonly @type {number} */
    this.attempt = frame.attempt;
    /** @readonly @type {"very-low" | "low" | "normal" | "high"} */
    this.urgency = frame.urgency;
    /** @readonly @type {string | null} */
    this.topic = frame.topic;
  }

  /**
   * The payload as text: JSON character for character as it was published, with every digit of its numbers, or the
   * string itself. `undefined` if it is bytes.
   *
   * @returns {string | undefined}
   */
  get text() {
    if (this.#frame !== undefined) {
      this.#text = member(this.#frame, "payload");
      this.#frame = undefined;
    }
    return this.#text;
  }

  /**
   * Aborted when the message is withdrawn: its sender cancelled it, it expired, a newer one replaced it, or enough other
   * devices acknowledged it. Its `reason` is a `TagpostError` whose `code` says which: `cancelled`, `expired`,
   * `replaced` or `enough`. An answer would have no effect then. A device that is offline at that moment is not told.
   *
   * @returns {AbortSignal}
   */
  get signal() {
    return this.#work.signal;
  }

  /** Whether the message was withdrawn, as far as this device was told. */
  get isWithdrawn() {
    return this.#work.isWithdrawn;
  }

  /**
   * Says that the device is working on the message: the service does not send it again before the time is over, not even
   * over another connection. It may be said again, and counts from then. Nothing is said while the device is offline.
   *
   * @param {ProgressOptions} [options]
   * @throws {TypeError | RangeError}
   */
  progress(options) {
    this.#work.say(options);
  }

  /**
   * Keeps the message in progress until it is answered or withdrawn, or until the function that this returns is called.
   * It is said after two seconds, and then three times within the time, so that a lost one does no harm.
   *
   * @param {ProgressOptions} [options]
   * @returns {() => void}
   * @throws {TypeError | RangeError}
   */
  working(options) {
    return this.#work.keep(options);
  }

  /**
   * Acknowledges the message: its sender learns `delivered`. The first answer to a message counts.
   *
   * @param {Reply} [reply] what the sender gets with it: up to 4,096 bytes of JSON, of at most 100 levels
   * @returns {Promise<void>} resolves once the service has the answer. It rejects with a `TagpostError` if
   * the service refused the answer, which is also a `refused` event of the device, or if the connection has ended.
   * It need not be awaited: the answer is repeated until then, and an ignored rejection is not reported as an
   * unhandled one
   * @throws {TypeError | RangeError} at once, not through the promise: the reply is not JSON, or is too long or too
   * deep. Nothing was answered, and another answer can be given
   */
  ack(reply) {
    checkReply(reply);
    return this.#answer({ type: "ack", reply });
  }

  /**
   * Rejects the message: its sender learns `rejected`. The first answer to a message counts.
   *
   * @param {string} [reason] what the sender gets with it: up to 256 characters of valid Unicode
   * @returns {Promise<void>} as that of {@link ack}
   * @throws {TypeError | RangeError} at once, as {@link ack}: the reason is no string, is too long, or is not valid
   * Unicode
   */
  nack(reason) {
    checkReason(reason);
    return this.#answer({ type: "nack", reason });
  }
}

/**
 * @param {unknown} reply
 * @throws {TypeError | RangeError} the service would refuse it
 */
function checkReply(reply) {
  if (reply === undefined) return;
  const json = stringify(reply);
  if (json === undefined) throw new TypeError("reply must be JSON");
  if (utf8.encode(json).length > MAX_REPLY_BYTES) {
    throw new RangeError(`reply must be at most ${MAX_REPLY_BYTES} bytes of JSON`);
  }
  if (depth(json) > MAX_REPLY_DEPTH) throw new RangeError(TOO_DEEP);
}

/**
 * @param {unknown} reason
 * @throws {TypeError | RangeError} the service would refuse it
 */
function checkReason(reason) {
  if (reason === undefined) return;
  if (typeof reason !== "string") throw new TypeError("reason must be a string");
  if (!reason.isWellFormed()) throw new TypeError("reason is not valid Unicode: it was cut in the middle of a character");
  if ([...reason].length > MAX_REASON) throw new RangeError(`reason must be at most ${MAX_REASON} characters`);
}

/** @param {unknown} value */
function stringify(value) {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    // The stack is exhausted.
    if (cause instanceof RangeError) throw new RangeError(TOO_DEEP, { cause });
    throw cause;
  }
}
