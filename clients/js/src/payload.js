// Payloads between the application and the wire: JSON as JSON, text as a string, bytes as base64.

/** How many bytes are made characters at a time: arguments of one call are limited. */
const CHUNK = 8_192;

/** The media types of JSON (RFC 8259; RFC 6839, section 3.1), parameters or not. */
const JSON_TYPE = /^\s*(application\/json|[^;]*\+json)\s*(;|$)/i;

/**
 * How a `publish` frame carries this payload.
 *
 * @param {unknown} payload JSON, a string, or bytes; with a media type of JSON, a string is the text of JSON
 * @param {string} [type] the media type
 * @returns {{ json: string, encoding?: "base64" }}
 * @throws {TypeError} it cannot be carried
 */
export function encode(payload, type) {
  const bytes = asBytes(payload);
  if (bytes) return { json: JSON.stringify(base64(bytes)), encoding: "base64" };
  if (typeof payload === "string" && !payload.isWellFormed()) {
    throw new TypeError("payload is not valid Unicode: it was cut in the middle of a character");
  }
  if (typeof payload === "string" && type !== undefined && isJson(type)) return { json: jsonText(payload) };
  const json = JSON.stringify(payload);
  if (json === undefined) throw new TypeError("payload must be JSON, a string or bytes");
  return { json };
}

/**
 * How the body of a request carries this payload.
 *
 * @param {unknown} payload as that of {@link encode}
 * @param {string} [type] the media type
 * @returns {{ body: string | Uint8Array<ArrayBuffer>, type: string }}
 * @throws {TypeError} it cannot be carried
 */
export function encodeBody(payload, type) {
  const bytes = asBytes(payload);
  if (bytes) return { body: bytes, type: type ?? "application/octet-stream" };
  const { json } = encode(payload, type);
  if (type !== undefined && isJson(type)) return { body: json, type };
  if (typeof payload === "string") return { body: payload, type: type ?? "text/plain; charset=utf-8" };
  if (type !== undefined) throw new TypeError(`payload must be a string or bytes, as type says: ${type}`);
  return { body: json, type: "application/json" };
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

/** Whether a payload of this media type is JSON. @param {string} type */
export function isJson(type) {
  return JSON_TYPE.test(type);
}

/** @param {string} text */
function jsonText(text) {
  try {
    JSON.parse(text);
  } catch (cause) {
    throw new TypeError("payload must be the text of JSON, as type says", { cause });
  }
  return text;
}

/** @param {unknown} payload @returns {Uint8Array<ArrayBuffer> | undefined} */
function asBytes(payload) {
  if (payload instanceof ArrayBuffer) return new Uint8Array(payload);
  if (ArrayBuffer.isView(payload)) {
    const { buffer, byteOffset, byteLength } = payload;
    // No request takes memory that is shared.
    if (!(buffer instanceof ArrayBuffer)) return Uint8Array.from(new Uint8Array(buffer, byteOffset, byteLength));
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
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
