// Telling a device token from the admin key, without judging either: that is the relay's part.

/** The device that a token is for; `undefined` if it is no token (RFC 7519). */
export function deviceOf(credential) {
  const [, claims] = credential.split(".");
  try {
    const bytes = Uint8Array.from(atob(claims.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === "string" ? sub : undefined;
  } catch {
    return undefined;
  }
}
