// A publish as the application writes it, as a frame of the WebSocket and as a request over HTTP.

import { encode, encodeBody } from "./payload.js";

/** @import { PublishOptions, Target } from "./types.js" */

/** Random enough to name one publish of one device. */
const KEY_BYTES = 16;

/**
 * The fields of a `publish` frame but `ref` and the payload, and the payload as text of JSON.
 *
 * @param {Target | string} to
 * @param {unknown} payload
 * @param {PublishOptions} options
 * @returns {{ fields: object, json: string }}
 * @throws {TypeError | RangeError}
 */
export function frameOf(to, payload, options) {
  const { ttl, topic, urgency, wait, key, echo, acksNeeded, escalate, delay, deliverAt, type } = options;
  const { json, encoding } = encode(payload, type);
  const fields = {
    type: "publish",
    to: target(to),
    encoding,
    content_type: type,
    ttl,
    topic,
    urgency,
    wait,
    echo,
    acks_needed: acksNeeded,
    escalate: escalate?.map(({ to, after }) => ({ to: target(to), after })),
    delay,
    deliver_at: deliverAt === undefined ? undefined : Number(deliverAt),
    idempotency_key: key ?? randomKey(),
  };
  return { fields, json };
}

/**
 * The request that publishes it.
 *
 * @param {Target | string} to
 * @param {unknown} payload
 * @param {PublishOptions} options
 * @returns {{ path: string, headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer> }}
 * @throws {TypeError | RangeError}
 */
export function requestOf(to, payload, options) {
  const { ttl, topic, urgency, wait, key, echo, acksNeeded, escalate, delay, deliverAt } = options;
  const { body, type } = encodeBody(payload, options.type);
  const recipient = target(to);
  const fields = {
    to: "match" in recipient ? recipient.match : undefined,
    "content-type": type,
    ttl,
    topic,
    urgency,
    prefer: wait === undefined ? undefined : `wait=${wait}`,
    "idempotency-key": key ?? randomKey(),
    echo,
    "acks-needed": acksNeeded,
    escalate: escalate?.map(({ to, after }) => `${address(target(to))};after=${after}`).join(", "),
    delay,
    "deliver-at": deliverAt === undefined ? undefined : Number(deliverAt),
  };
  return { path: path(recipient), headers: headers(fields), body };
}

/** @returns {string} an idempotency key that nobody else has */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * What a string addresses: an expression, if it has an operator; a device after `@`, as in a token's `publish`
 * patterns; otherwise a tag.
 *
 * @param {Target | string} name
 * @returns {Target}
 */
export function target(name) {
  if (typeof name !== "string") return name;
  if (/[&|!()]/.test(name)) return { match: name };
  return name.startsWith("@") ? { device: name.slice(1) } : { tag: name };
}

/** @param {Target} target */
function address(target) {
  if ("match" in target) return target.match;
  return "tag" in target ? target.tag : `@${target.device}`;
}

/** @param {Target} target */
function path(target) {
  if ("match" in target) return "v1/messages";
  return "tag" in target
    ? `v1/tags/${encodeURIComponent(target.tag)}/messages`
    : `v1/devices/${encodeURIComponent(target.device)}/messages`;
}

/** @param {Record<string, unknown>} fields @returns {Record<string, string>} */
function headers(fields) {
  /** @type {Record<string, string>} */
  const headers = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const text = String(value);
    if (!/^[\x20-\x7e]*$/.test(text)) throw new TypeError(`${name} must be printable ASCII`);
    headers[name] = text;
  }
  return headers;
}
