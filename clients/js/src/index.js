// tagpost's client library: one import for browsers, Node, Deno and Workers.

import { serviceAt } from "./address.js";
import { Device } from "./device.js";

export { TagpostError } from "./errors.js";
export { ProgressEvent, ReceiptEvent, RefusedEvent, StateEvent, WithdrawnEvent } from "./events.js";
export { Message } from "./message.js";
export { Device };

/**
 * @typedef {{ tag: string } | { device: string } | { match: string }} Target Whom a message is addressed to. `match` is
 * an expression: `hallway & !muted`.
 */

/**
 * @typedef {"held" | "sent" | "in_progress" | "delivered" | "rejected" | "expired" | "replaced" | "refused" | "undeliverable" | "cancelled"} State
 * The state of a delivery. All but `held`, `sent` and `in_progress` are terminal states.
 */

/**
 * @typedef {object} Delivery One message to one device.
 * @property {string} device
 * @property {State} state
 * @property {number} at since when, in milliseconds by the service's clock
 * @property {number} attempts
 * @property {any} [reply] what the device answered
 * @property {string} [text] the reply as it was written: JSON, with every digit of its numbers
 * @property {string} [reason] why it was rejected, refused or cancelled
 */

/**
 * @typedef {object} Published The answer to a publish.
 * @property {string} id
 * @property {Delivery[]} deliveries
 * @property {Partial<Record<State, number>>} summary how many deliveries are in which state
 * @property {"scheduled"} [state] it is handed over later, and has no deliveries yet
 * @property {number} [deliver_at] when that is
 */

/**
 * @typedef {object} Receipt The terminal state of one delivery.
 * @property {number} seq grows
 * @property {string} id of the message
 * @property {string | null} device `null` if the message ended without a delivery
 * @property {State} state
 * @property {number} at in milliseconds by the service's clock
 * @property {any} [reply]
 * @property {string} [text] the reply as it was written: JSON, with every digit of its numbers
 * @property {string} [reason]
 */

/**
 * @typedef {object} Progress What a device says about its work on a message.
 * @property {string} id of the message
 * @property {string} device
 * @property {string} [note]
 * @property {number} until the message is not sent again before this time, in milliseconds by the service's clock
 */

/** @typedef {import("./work.js").ProgressOptions} ProgressOptions */

/**
 * @typedef {object} Trace All deliveries of one message, as the HTTP interface gives them.
 * @property {string} id
 * @property {Target} to
 * @property {number} accepted_at
 * @property {number} expires_at
 * @property {number} [acks_needed] how many acknowledgements are enough
 * @property {number} [enough_at] when there were enough
 * @property {{ to: Target, after: number }[]} [escalate] the steps of its escalation that may still be taken, in order
 * @property {number} [deliver_at] when it was or will be handed over, if the sender named a time
 * @property {string} [resend_of] the message that it sends again
 * @property {string[]} [resent_as] the last messages that sent it again, oldest first
 * @property {"scheduled" | "cancelled" | "refused"} [state] its own state, if it has no deliveries
 * @property {string} [reason] why it was refused, if it has no deliveries
 * @property {Delivery[]} deliveries
 * @property {Partial<Record<State, number>>} summary
 * @property {(DeliveryStep | EscalationStep | WokenStep | AttemptedStep)[]} timeline every step so far, oldest first
 */

/**
 * @typedef {object} DeliveryStep One step of a delivery.
 * @property {string} device
 * @property {State} event the state that was reached
 * @property {number} at
 * @property {number} attempt
 * @property {string} [note] what the device said about its work
 */

/**
 * @typedef {object} EscalationStep One step of a message's escalation. It has no `device`.
 * @property {"escalated" | "escalation_failed"} event
 * @property {number} at
 * @property {Target} to
 * @property {number} [devices] how many further devices the message went to
 * @property {string} [code] why it failed
 */

/**
 * @typedef {object} WokenStep A push service has taken a knock for a device for which the message waited.
 * @property {"woken"} event
 * @property {string} device
 * @property {number} at
 * @property {string} host the push service's host
 */

/**
 * @typedef {object} AttemptedStep The address of a webhook has failed an attempt.
 * @property {"attempted"} event
 * @property {string} device
 * @property {number} at
 * @property {number} attempt
 * @property {number} [status] what it answered
 * @property {"timeout" | "redirect" | "connect" | "address"} [error] why it did not answer
 */

/**
 * @typedef {object} PublishOptions
 * @property {number} [ttl] seconds to keep trying; 0 = now or never; a day unless given
 * @property {string} [topic] replaces an unacknowledged message of the same topic
 * @property {"very-low" | "low" | "normal" | "high"} [urgency]
 * @property {number} [wait] seconds to wait for the acknowledgement of devices that are online, 0 to 60; 1 unless given
 * @property {string} [key] the idempotency key; a random one unless given
 * @property {boolean} [echo] whether a message to a tag comes back to this device, if it has the tag itself
 * @property {number} [acksNeeded] how many acknowledgements are enough: after that, all other deliveries are cancelled
 * @property {{ to: Target | string, after: number }[]} [escalate] to whom the message goes as well, if it has fewer
 * than `acksNeeded` acknowledgements (1 unless given) `after` this many seconds; up to 8 steps, in order
 * @property {number} [delay] seconds until the message is handed over, up to 30 days
 * @property {Date | number} [deliverAt] when it is handed over instead, as a date or in milliseconds; a time in the past means now
 * @property {string} [type] the payload's media type; follows from the payload unless given. With `application/json`
 * a string is the text of JSON, which is published character for character
 * @property {AbortSignal} [signal] gives up; the message may have been accepted
 */

/** Three parts of base64url, as a JWT has them (RFC 7519). */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Connects as the device whose token this is, and keeps the connection up until `close()`, or until the
 * token is no longer valid or a newer connection of the same device takes over.
 *
 * Returns at once: what is published meanwhile is sent when the connection is there.
 *
 * @param {{ url: string | URL, token: string }} options `url`: where the service is,
 * `https://relay.example`, or `https://example.com/push` below a path
 * @returns {Device}
 * @throws {TypeError} `url` or `token` cannot be one
 */
export function connect({ url, token }) {
  const base = serviceAt(url);
  if (typeof token !== "string" || !TOKEN.test(token)) throw new TypeError("token must be a device's token");
  if (typeof WebSocket === "undefined") {
    throw new Error("there is no WebSocket here: it takes Node.js 22 or newer, a browser, Deno or a Worker");
  }
  return new Device(base, token);
}
