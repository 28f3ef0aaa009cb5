// Distinguishing a device token from the admin key. Only the service checks whether either is valid.

/** Three parts of base64url, the second of them the claims (RFC 7519). */
const TOKEN = /^[\w-]+\.([\w-]+)\.[\w-]+$/;

/** The device that a token is for; `undefined` if it is no token. */
export function deviceOf(credential) {
  const [, claims] = TOKEN.exec(credential) ?? [];
  if (claims === undefined) return undefined;
  try {
    const { sub } = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/")));
    return typeof sub === "string" ? sub : undefined;
  } catch {
    return undefined;
  }
}
