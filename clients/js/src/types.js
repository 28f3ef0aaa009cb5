// The shapes of what the library takes and gives. Times are in milliseconds by the service's clock.

/**
 * @typedef {{ tag: string } | { device: string } | { match: string }} Target Whom a message is addressed to. `match` is
 * an expression: `hallway & !muted`.
 */

/**
 * @typedef {"held" | "sent" | "in_progress" | "delivered" | "rejected" | "expired" | "replaced" | "refused" | "undeliverable" | "cancelled"} State
 * The state of a delivery. All but `held`, `sent` and `in_progress` are terminal states.
 */

/** @typedef {"expired" | "undeliverable" | "refused" | "rejected"} FailedState */

/** @typedef {"very-low" | "low" | "normal" | "high"} Urgency */

/** @typedef {Partial<Record<State, number>>} Summary How many deliveries are in which state. */

/**
 * @template [Reply=unknown]
 * @typedef {object} Delivery One message to one device.
 * @property {string} device
 * @property {State} state
 * @property {number} at since when
 * @property {number} attempts
 * @property {Reply} [reply] what the device answered
 * @property {string} [text] the reply as it was written: JSON, with every digit of its numbers
 * @property {string} [reason] why it was rejected, refused or cancelled
 */

/**
 * @template [Reply=unknown]
 * @typedef {object} Published The answer to a publish.
 * @property {string} id
 * @property {Delivery<Reply>[]} deliveries
 * @property {Summary} summary
 * @property {"scheduled"} [state] it is handed over later, and has no deliveries yet
 * @property {number} [deliverAt] when that is
 */

/**
 * @template [Reply=unknown]
 * @typedef {Published<Reply> & { resendOf: string }} Resent The answer to a resend: the new message, and the one that
 * it sends again.
 */

/**
 * @template [Reply=unknown]
 * @typedef {object} Receipt The terminal state of one delivery.
 * @property {number} seq grows
 * @property {string} id of the message
 * @property {string | null} device `null` if the message ended without a delivery
 * @property {State} state
 * @property {number} at
 * @property {Reply} [reply]
 * @property {string} [text] the reply as it was written: JSON, with every digit of its numbers
 * @property {string} [reason]
 */

/**
 * @typedef {object} Progress What a device says about its work on a message.
 * @property {string} id of the message
 * @property {string} device
 * @property {string} [note]
 * @property {number} until the message is not sent again before this time
 */

/** @typedef {import("./work.js").ProgressOptions} ProgressOptions */

/** @typedef {import("./credential.js").TokenFunction} TokenFunction */

/**
 * @template [Reply=unknown]
 * @typedef {object} Sent A message that was sent, and what became of it so far.
 * @property {string} id
 * @property {Target} to
 * @property {number} acceptedAt
 * @property {number} expiresAt
 * @property {number} [acksNeeded] how many acknowledgements are enough
 * @property {number} [enoughAt] when there were enough
 * @property {{ to: Target, after: number }[]} [escalate] the steps of its escalation that may still be taken, in order
 * @property {number} [deliverAt] when it was or will be handed over, if the sender named a time
 * @property {string} [resendOf] the message that it sends again
 * @property {string[]} [resentAs] the last messages that sent it again, oldest first
 * @property {"scheduled" | "cancelled" | "refused"} [state] its own state, if it has no deliveries
 * @property {string} [reason] why it was refused, if it has no deliveries
 * @property {Delivery<Reply>[]} deliveries
 * @property {Summary} summary
 * @property {string} [next] there are more deliveries: the `cursor` for the next page of the trace
 */

/**
 * @template [Reply=unknown]
 * @typedef {Sent<Reply> & { timeline: TimelineEvent[] }} Trace All deliveries of one message, and every step so far,
 * oldest first.
 */

/**
 * @typedef {DeliveryStep | ProgressStep | EscalatedStep | EscalationFailedStep | WokenStep} TimelineEvent One step on
 * the way of a message. Its `event` tells which.
 */

/**
 * @typedef {object} DeliveryStep A delivery has reached a state.
 * @property {Exclude<State, "in_progress">} event the state
 * @property {string} device
 * @property {number} at
 * @property {number} attempt 0 before the first
 */

/**
 * @typedef {object} ProgressStep A device works on the message.
 * @property {"in_progress"} event
 * @property {string} device
 * @property {number} at
 * @property {number} attempt
 * @property {string} [note] what the device said about its work
 */

/**
 * @typedef {object} EscalatedStep The message went to further devices. It has no `device`.
 * @property {"escalated"} event
 * @property {number} at
 * @property {Target} to
 * @property {number} devices how many
 */

/**
 * @typedef {object} EscalationFailedStep The message could not go to further devices. It has no `device`.
 * @property {"escalation_failed"} event
 * @property {number} at
 * @property {Target} to
 * @property {string} code why, `unknown_tag` for example
 */

/**
 * @typedef {object} WokenStep A push service has taken a knock for a device for which the message waited.
 * @property {"woken"} event
 * @property {string} device
 * @property {number} at
 * @property {string} host the push service's host
 */

/**
 * @typedef {object} PublishOptions
 * @property {number} [ttl] seconds to keep trying; 0 = now or never; a day unless given
 * @property {string} [topic] replaces an unacknowledged message of the same topic
 * @property {Urgency} [urgency]
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
 * @property {number} [timeout] seconds, on top of `wait`, after which it fails with `timeout`; the message may have been
 * accepted. 30 unless given; `Infinity`: never
 * @property {AbortSignal} [signal] gives up; the message may have been accepted
 */

/**
 * @typedef {object} DeviceEntry
 * @property {string} device
 * @property {number} createdAt
 */

/**
 * @typedef {object} DeviceStatus
 * @property {string} device
 * @property {boolean} online
 * @property {number | null} connectedAt
 * @property {number | null} lastSeenAt
 * @property {number} held how many messages wait for it
 * @property {number} inFlight how many were sent to it and are not acknowledged
 * @property {number} inProgress how many it works on
 * @property {number} heldBytes the payload bytes of all three
 * @property {number | null} heldSince when the oldest of these messages was accepted
 * @property {string[]} tags
 */

/**
 * @typedef {object} Grant What a token permits.
 * @property {string[]} [publish] patterns of what it may publish to, `kitchen.*` or `@camera-1`; absent: everything
 * @property {string[]} [tags] patterns of the tags that the device may join and leave; absent: none
 * @property {boolean} [webhook] whether the device may set its own webhook; absent: it may not
 * @property {number} [expiresIn] seconds that it is valid; absent: until it is revoked
 */

/**
 * @typedef {object} DeviceToken
 * @property {string} device
 * @property {string} token
 * @property {string} tokenId with it the token can be revoked alone
 * @property {number} [expiresAt] when the token expires; absent: it does not
 * @property {number} createdAt of the device
 */

/**
 * @typedef {object} PairingCode
 * @property {string} code
 * @property {string} url the page for a phone, with the code in it
 * @property {number} expiresAt
 */

/**
 * @typedef {object} WaitingMessage A message that waits for a device.
 * @property {string} id
 * @property {string} from
 * @property {Target} to
 * @property {number} sentAt
 * @property {number} expiresAt
 * @property {Urgency} urgency
 * @property {string | null} topic
 * @property {string} contentType
 * @property {number} size the payload's bytes
 * @property {"held" | "sent" | "in_progress"} state
 * @property {number} attempts
 */

/**
 * @typedef {object} TagEntry
 * @property {string} tag
 * @property {number} devices how many it has
 */

/**
 * @typedef {object} Failure A failed delivery.
 * @property {string} id of the message
 * @property {number} at
 * @property {FailedState} state
 * @property {string} [reason]
 * @property {string} sender
 * @property {string} device
 * @property {string} [tag] what it was published to, if it was not one device
 * @property {string} [resentAs] the last message with which it was sent again
 */

/**
 * @typedef {object} Overview
 * @property {number} devices how many there are
 * @property {number} tags how many have devices
 * @property {{ byHour: { hour: number, state: FailedState, count: number }[] }} failures those of the last 24 hours
 */

export {};
