// Verifying the signature of an application server, with the platform's own cryptography.

const P256 = { name: "ECDSA", namedCurve: "P-256" };
const ES256 = { name: "ECDSA", hash: "SHA-256" };

/** Whether `key`, an uncompressed point, has signed this text. A key that is not on the curve has signed nothing. */
export async function verify(key, signed, signature) {
  try {
    const imported = await crypto.subtle.importKey("raw", key, P256, false, ["verify"]);
    return await crypto.subtle.verify(ES256, imported, signature, new TextEncoder().encode(signed));
  } catch {
    return false;
  }
}
