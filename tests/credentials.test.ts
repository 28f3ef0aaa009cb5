// Without a valid credential nothing is answered but 401, and no mailbox wakes.

import { describe, expect, test } from "vitest";

import { claimsOf, HandshakeRefused, mint, seconds, useRelay } from "./harness/index.ts";

// With keys, so that the routes of wake-ups, of Web Push and of hooks exist.
const relay = useRelay({ vars: { VAPID_KEY: "5".repeat(64), PUSH_KEY: "a key for tests that is long enough" } });
const NAME = "camera-1";

/** Every route that needs a credential. */
const ROUTES: [method: string, path: string][] = [
  ["PUT", `/v1/devices/${NAME}`],
  ["GET", "/v1/devices"],
  ["GET", `/v1/devices/${NAME}`],
  ["DELETE", `/v1/devices/${NAME}`],
  ["DELETE", `/v1/devices/${NAME}/tokens`],
  ["DELETE", `/v1/devices/${NAME}/tokens/0123456789abcdef`],
  ["POST", `/v1/devices/${NAME}/pair`],
  ["GET", `/v1/devices/${NAME}/wake`],
  ["PUT", `/v1/devices/${NAME}/wake`],
  ["DELETE", `/v1/devices/${NAME}/wake`],
  ["DELETE", `/v1/devices/${NAME}/wake/0123456789ab`],
  ["GET", `/v1/devices/${NAME}/messages`],
  ["GET", `/v1/devices/${NAME}/inbox`],
  ["GET", `/v1/devices/${NAME}/watch`],
  ["POST", `/v1/devices/${NAME}/push`],
  ["GET", `/v1/devices/${NAME}/channels`],
  ["DELETE", `/v1/devices/${NAME}/channels`],
  ["DELETE", `/v1/devices/${NAME}/channels/24cf03b3-f215-489e-8a5b-f3a5ec97785d`],
  ["POST", `/v1/devices/${NAME}/hooks`],
  ["DELETE", `/v1/devices/${NAME}/hooks`],
  ["PUT", `/v1/tags/kitchen/devices/${NAME}`],
  ["DELETE", `/v1/tags/kitchen/devices/${NAME}`],
  ["GET", "/v1/tags"],
  ["GET", "/v1/tags/kitchen"],
  ["POST", "/v1/tags/kitchen/messages"],
  ["POST", `/v1/devices/${NAME}/messages`],
  ["POST", "/v1/messages"],
  ["GET", "/v1/messages/01JZZZZZZZZZZZZZZZZZZZZZZZ"],
  ["GET", "/v1/messages"],
  ["DELETE", "/v1/messages/01JZZZZZZZZZZZZZZZZZZZZZZZ"],
  ["POST", "/v1/messages/01JZZZZZZZZZZZZZZZZZZZZZZZ/resend"],
  ["GET", "/v1/messages/01JZZZZZZZZZZZZZZZZZZZZZZZ/payload"],
  ["GET", "/v1/failures"],
  ["GET", "/v1/overview"],
  ["GET", "/v1/connect"],
  ["GET", "/v1/inbox"],
  ["POST", "/v1/inbox/01JZZZZZZZZZZZZZZZZZZZZZZZ/ack"],
  ["POST", "/v1/inbox/01JZZZZZZZZZZZZZZZZZZZZZZZ/nack"],
  ["POST", "/v1/inbox/01JZZZZZZZZZZZZZZZZZZZZZZZ/progress"],
];

/** Tokens that must not hold, by what is wrong with them. */
function badTokens(): [what: string, token: string][] {
  const iat = seconds();
  const key = relay.tokenKey;
  const good = mint(key, { sub: NAME, iat });
  const [header, claims, signature] = good.split(".");
  return [
    ["empty", ""],
    ["no JWT", "letmein"],
    ["two parts", `${header}.${claims}`],
    ["four parts", `${good}.${signature}`],
    ["signed with another key", mint("another key", { sub: NAME, iat })],
    ["signed with the admin key", mint(relay.adminKey, { sub: NAME, iat })],
    ["without a signature", `${header}.${claims}.`],
    ["a changed payload", `${header}.${mint(key, { sub: "camera-2", iat }).split(".")[1]}.${signature}`],
    ["alg none", mint(key, { sub: NAME, iat }, "none")],
    ["alg HS384", mint(key, { sub: NAME, iat }, "HS384")],
    ["alg HS512", mint(key, { sub: NAME, iat }, "HS512")],
    ["a good signature under alg none", mint(key, { sub: NAME, iat }, "none", "HS256")],
    ["a good signature under alg HS512", mint(key, { sub: NAME, iat }, "HS512", "HS256")],
    ["a good signature under alg hs256", mint(key, { sub: NAME, iat }, "hs256", "HS256")],
    ["expired", mint(key, { sub: NAME, iat: iat - 100, exp: iat - 10 })],
    ["without sub", mint(key, { iat })],
    ["sub that is no device name", mint(key, { sub: "../x", iat })],
    ["sub that is no text", mint(key, { sub: 7, iat })],
    ["without iat", mint(key, { sub: NAME })],
    ["publish that is no array", mint(key, { sub: NAME, iat, publish: "kitchen" })],
    ["tags that is no array", mint(key, { sub: NAME, iat, tags: "kitchen" })],
    ["tags with a pattern of devices", mint(key, { sub: NAME, iat, tags: [`@${NAME}`] })],
    ["the token key itself", key],
    ["a wrong admin key", `${relay.adminKey.slice(0, -1)}!`],
    ["a longer admin key", `${relay.adminKey}x`],
    ["huge", `${header}.${"A".repeat(8000)}.${signature}`],
  ];
}

describe("credentials", () => {
  test.each(ROUTES)("%s %s without a credential is 401", async (method, path) => {
    const answer = await relay.request(method, path);
    answer.problem(401, "unauthorized");
    expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
  });

  test("an invalid credential is 401 on every kind of route", async () => {
    for (const [what, token] of badTokens()) {
      for (const [method, path] of [
        ["GET", `/v1/devices/${NAME}`],
        ["POST", `/v1/devices/${NAME}/messages`],
        ["GET", "/v1/inbox"],
        ["GET", "/v1/devices"],
      ] as const) {
        const answer = await relay.request(method, path, { token });
        expect(answer.status, `${what}: ${answer}`).toBe(401);
        answer.problem(401, "unauthorized");
        expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
      }
    }
  });

  test("another scheme than Bearer is 401", async () => {
    const token = mint(relay.tokenKey, { sub: NAME, iat: seconds() });
    for (const Authorization of [token, `Basic ${btoa(`x:${token}`)}`, `Token ${token}`, "Bearer"]) {
      (await relay.request("GET", "/v1/inbox", { headers: { Authorization } })).problem(401, "unauthorized");
    }
  });

  test("a valid credential in the URL is not taken", async () => {
    const token = mint(relay.tokenKey, { sub: NAME, iat: seconds() });
    for (const name of ["token", "access_token", "authorization", "jwt", "key"]) {
      (await relay.request("GET", `/v1/inbox?${name}=${token}`)).problem(401, "unauthorized");
      (await relay.request("GET", `/v1/devices?${name}=${relay.adminKey}`)).problem(401, "unauthorized");
      const device = relay.bearer(NAME, token);
      const refused = await device.request("GET", `/v1/connect?${name}=${token}`, { token: "" });
      refused.problem(401, "unauthorized");
    }
  });

  test("a handshake without a valid credential is 401", async () => {
    const device = relay.bearer(NAME, "");
    for (const handshake of [
      {},
      { headers: { Authorization: `Bearer ${mint("another key", { sub: NAME, iat: seconds() })}` } },
      { protocols: ["tagpost.v1", `token.${mint("another key", { sub: NAME, iat: seconds() })}`] },
      { protocols: ["tagpost.v1", "token."] },
    ]) {
      const error = await device.open(handshake).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(HandshakeRefused);
      expect(error).toMatchObject({ status: 401, headers: { "www-authenticate": expect.stringMatching(/^Bearer/) } });
    }
  });

  test("an error does not repeat the credential", async () => {
    const token = mint("another key", { sub: NAME, iat: seconds() });
    const answer = await relay.request("GET", "/v1/inbox", { token });
    expect(answer.text).not.toContain(token.split(".")[2]);
  });

  // The tests of this file run one after another: whatever came before must not have woken a mailbox.
  test("none of these requests has woken a mailbox, and a valid one wakes its own", async () => {
    expect(await relay.objects()).toEqual([]);
    const device = await relay.device(NAME);
    await device.inbox();
    expect(await relay.objects()).toHaveLength(1);
    expect(claimsOf(device.token).sub).toBe(NAME);
  });
});
