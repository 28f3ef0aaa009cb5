// Payloads between the application and the wire: JSON as JSON, text as a string, bytes as base64.

/** How many bytes are made characters at a time: arguments of one call are limited. */
const CHUNK = 8_192;

/**
 * The fields of a `publish` frame that carry this payload.
 *
 * @param {unknown} payload
 * @returns {{ payload: unknown, encoding?: "base64" }}
 */
export function encode(payload) {
  const bytes = asBytes(payload);
  if (bytes) return { payload: base64(bytes), encoding: "base64" };
  if (JSON.stringify(payload) === undefined) throw new TypeError("payload must be JSON, a string or bytes");
  return { payload };
}

/**
 * The payload that a `message` frame carries.
 *
 * @param {{ payload: unknown, encoding?: string }} frame
 * @returns {unknown} JSON, a string, or a `Uint8Array`
 */
export function decode({ payload, encoding }) {
  if (encoding !== "base64" || typeof payload !== "string") return payload;
  return Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
}

/** @param {unknown} payload */
function asBytes(payload) {
  if (payload instanceof ArrayBuffer) return new Uint8Array(payload);
  if (ArrayBuffer.isView(payload)) return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
  return undefined;
}

/** @param {Uint8Array} bytes */
function base64(bytes) {
  let characters = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    characters += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(characters);
}
