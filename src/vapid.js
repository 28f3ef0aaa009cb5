// ES256 with the platform's own cryptography: verifying the signature of an application server, and signing as one
// (RFC 8292).
//
// An application server sends the same token for hours. A signature that was once valid always is, so the last valid
// ones are remembered, and not verified again: that would be an eighth of the time of a push. Whether a token has
// expired is not decided here.

const P256 = { name: "ECDSA", namedCurve: "P-256" };
const ES256 = { name: "ECDSA", hash: "SHA-256" };

/** How many signatures an isolate remembers. Each with its key and text is at most 4 kB, mostly 300 bytes. */
const REMEMBERED = 256;

/** The valid signatures with their keys and texts, the oldest first. */
const valid = new Set();

/** Whether `key`, an uncompressed point, has signed this text. A key that is not on the curve has signed nothing. */
export async function verify(key, signed, signature) {
  const fact = String.fromCharCode(...key, ...signature) + signed;
  if (valid.has(fact)) return true;
  try {
    const verifier = await crypto.subtle.importKey("raw", key, P256, false, ["verify"]);
    const isValid = await crypto.subtle.verify(ES256, verifier, signature, utf8(signed));
    if (isValid) remember(fact);
    return isValid;
  } catch {
    return false;
  }
}

function remember(fact) {
  if (valid.size >= REMEMBERED) valid.delete(valid.values().next().value);
  valid.add(fact);
}

/** What stands before the 32 bytes of a private key in PKCS #8 (RFC 5208, RFC 5915). */
const PKCS8 = [
  0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
  0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
];

/** How long a signature is valid, in seconds: half of what is allowed. */
const LIFETIME = 43_200;

/** How long it is used, in milliseconds. */
const USE = 3 * 3_600_000;

/** How many push services have a signature at once. */
const MAX_SIGNATURES = 64;

/** The key pair of this isolate, once it is imported. */
let pair;

/** What `Authorization` is for each push service, and until when. */
const signatures = new Map();

/** The public half of a private key of 32 bytes: an uncompressed point in base64url. */
export async function publicKey(key) {
  return (await imported(key)).point;
}

/** The value of `Authorization` for a push to `audience`, an origin. */
export async function authorization(key, audience, subject) {
  const now = Date.now();
  const known = signatures.get(audience);
  if (known?.subject === subject && now < known.until) return known.value;
  const { signer, point } = await imported(key);
  const claims = { aud: audience, exp: Math.floor(now / 1000) + LIFETIME, sub: subject };
  const signed = [{ typ: "JWT", alg: "ES256" }, claims].map((part) => base64url(utf8(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign(ES256, signer, utf8(signed));
  const value = `vapid t=${signed}.${base64url(new Uint8Array(signature))}, k=${point}`;
  signatures.delete(audience);
  if (signatures.size >= MAX_SIGNATURES) signatures.delete(signatures.keys().next().value);
  signatures.set(audience, { value, subject, until: now + USE });
  return value;
}

function imported(key) {
  return (pair ??= load(key).catch((error) => {
    pair = undefined;
    throw error;
  }));
}

async function load(key) {
  const encoded = new Uint8Array([...PKCS8, ...key]);
  const signer = await crypto.subtle.importKey("pkcs8", encoded, P256, true, ["sign"]);
  const { x, y } = await crypto.subtle.exportKey("jwk", signer);
  const bytes = (text) => Uint8Array.fromBase64(text, { alphabet: "base64url" });
  return { signer, point: base64url(new Uint8Array([4, ...bytes(x), ...bytes(y)])) };
}

function utf8(text) {
  return new TextEncoder().encode(text);
}

function base64url(bytes) {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
