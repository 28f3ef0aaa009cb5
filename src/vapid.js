// Verifying the signature of an application server, with the platform's own cryptography.
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
    const imported = await crypto.subtle.importKey("raw", key, P256, false, ["verify"]);
    const isValid = await crypto.subtle.verify(ES256, imported, signature, new TextEncoder().encode(signed));
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
