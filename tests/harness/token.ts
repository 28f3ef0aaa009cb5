// Device tokens as an operator's own backend would mint them: JWTs (RFC 7519) made with Node's crypto alone.

import { createHmac } from "node:crypto";

export interface Claims {
  sub?: unknown;
  iat?: unknown;
  exp?: unknown;
  publish?: unknown;
  tags?: unknown;
  webhook?: unknown;
  jti?: unknown;
}

/** Seconds since the Unix epoch, the unit of `iat` and `exp`. */
export const seconds = () => Math.floor(Date.now() / 1000);

/** A token for `claims`. Its header may name another algorithm than the one that it is signed with. */
export function mint(key: string, claims: Claims, alg = "HS256", signedWith = alg): string {
  const signed = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
  const hash = { HS256: "sha256", HS384: "sha384", HS512: "sha512" }[signedWith];
  const signature = hash ? createHmac(hash, key).update(signed).digest("base64url") : "";
  return `${signed}.${signature}`;
}

/** What a token says, unverified. */
export function claimsOf(token: string): Record<string, any> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
