// A pairing code is exchanged for a token of its device: once, in time, and by nobody who guesses.

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { claimsOf, fresh, seconds, useRelay, type Answer } from "./harness/index.ts";
import { open, seal } from "./harness/pairing.ts";

// This class around the real one says what wakes a mailbox, and what it is asked.
const OBSERVED = `
  import worker, { Mailbox as Product } from "./entry.js";
  export * from "./entry.js";
  export default worker;
  export class Mailbox extends Product {
    constructor(ctx, env) { super(ctx, env); console.log("woken"); }
    ask(...args) { console.log("woken"); return super.ask(...args); }
  }
`;
const relay = useRelay({ wrap: { name: "observed.js", script: OBSERVED } });

const LIFE = 600_000;
const USED = /was used already/;
const ENDED = /has ended/;
const EXPIRED = /has expired/;

/** Every code that a test has had in its hands. */
const codes: string[] = [];
/** Every answer to an exchange that was refused. */
const refusals: Answer[] = [];

async function issue(name: string, grant?: object): Promise<string> {
  const { code } = (await relay.admin("POST", `/v1/devices/${name}/pair`, grant)).is(200);
  codes.push(code);
  return code;
}

const exchange = (code: unknown): Promise<Answer> => relay.request("POST", "/v1/pair", { body: { code } });

async function refused(code: string, why: RegExp): Promise<void> {
  codes.push(code);
  const answer = await exchange(code);
  refusals.push(answer);
  expect(answer.problem(404, "unknown_code").detail).toMatch(why);
}

describe("a pairing code", () => {
  test("is a link whose fragment holds it, for ten minutes, and does not show its device", async () => {
    const device = await relay.device();
    const before = Date.now();
    const issued = (await relay.admin("POST", `/v1/devices/${device.name}/pair`)).is(200);
    expect(Object.keys(issued)).toEqual(["code", "url", "expires_at"]);
    expect(issued.url).toBe(`${relay.url.origin}/phone#${issued.code}`);
    expect(issued.code).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(Buffer.from(issued.code, "base64url").includes(device.name)).toBe(false);
    expect(issued.expires_at).toBeGreaterThanOrEqual(before + LIFE);
    expect(issued.expires_at).toBeLessThanOrEqual(Date.now() + LIFE);
    const said = open(relay.tokenKey, issued.code);
    expect(said).toEqual({ device: device.name, number: said.number, expiresAt: issued.expires_at });
    expect(seal(relay.tokenKey, said)).toBe(issued.code);
  });

  test("is exchanged for a token that works and holds what was granted", async () => {
    const { name } = await relay.device();
    const friend = await relay.device();
    const code = await issue(name, { publish: [`@${friend.name}`], tags: ["hall.*"], expires_in: 3600 });
    const answer = await exchange(code);
    const paired = answer.is(200);
    expect(Object.keys(paired)).toEqual(["device", "token"]);
    expect(paired.device).toBe(name);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    const claims = claimsOf(paired.token);
    expect(claims).toEqual({ sub: name, iat: expect.any(Number), exp: claims.iat + 3600, publish: [`@${friend.name}`], tags: ["hall.*"], rev: 0, jti: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(Math.abs(claims.iat - seconds())).toBeLessThanOrEqual(60);
    const phone = relay.bearer(name, paired.token);
    (await phone.status()).is(200);
    await phone.send({ device: friend.name }, {});
    (await phone.publish({ device: name }, {})).problem(403);
    const socket = await phone.connect();
    await friend.send({ device: name }, "ring");
    expect((await socket.next("message")).payload).toBe("ring");
    socket.close();
  });

  test("is exchanged once", async () => {
    const { name } = await relay.device();
    const code = await issue(name);
    (await exchange(code)).is(200);
    await refused(code, USED);
    await refused(code, USED);
  });

  test("gives exactly one token if it is exchanged at the same time", async () => {
    const { name } = await relay.device();
    const code = await issue(name);
    const answers = await Promise.all(Array.from({ length: 8 }, () => exchange(code)));
    const [won, lost] = [answers.filter(({ status }) => status === 200), answers.filter(({ status }) => status !== 200)];
    expect(won).toHaveLength(1);
    for (const answer of lost) expect(answer.problem(404, "unknown_code").detail).toMatch(USED);
  });

  test("ends when a new one is issued, and others know nothing of it", async () => {
    const [{ name }, { name: other }] = [await relay.device(), await relay.device()];
    const [first, foreign] = [await issue(name), await issue(other)];
    const second = await issue(name);
    await refused(first, ENDED);
    expect((await exchange(second)).is(200).device).toBe(name);
    expect((await exchange(foreign)).is(200).device).toBe(other);
  });

  test("is refused once its time is over, without a mailbox", async () => {
    const { name } = await relay.device();
    const code = await issue(name);
    const said = open(relay.tokenKey, code);
    const before = woken();
    await refused(seal(relay.tokenKey, { ...said, expiresAt: Date.now() - 1 }), EXPIRED);
    expect(woken()).toBe(before);
    (await exchange(code)).is(200);
    expect(woken()).toBeGreaterThan(before);
  });

  test("ends when the tokens of its device are revoked", async () => {
    const { name } = await relay.device();
    const code = await issue(name);
    (await relay.admin("DELETE", `/v1/devices/${name}/tokens`)).is(204);
    await refused(code, ENDED);
    const token = (await exchange(await issue(name))).is(200).token;
    expect(claimsOf(token).rev).toBe(1);
    (await relay.bearer(name, token).status()).is(200);
  });

  test("ends with its device, and does not bring it back", async () => {
    const { name } = await relay.device();
    const code = await issue(name);
    (await relay.admin("DELETE", `/v1/devices/${name}`)).is(204);
    await refused(code, ENDED);
    (await relay.admin("GET", `/v1/devices/${name}`)).problem(404, "unknown_device");
    await relay.device(name);
    await refused(code, ENDED);
  });

  test("that is used stays used, and one that is not stays good, though the service is killed", async () => {
    const [used, unused] = [await relay.device(), await relay.device()];
    const [spent, good] = [await issue(used.name), await issue(unused.name)];
    (await exchange(spent)).is(200);
    await relay.restart();
    await refused(spent, USED);
    (await exchange(good)).is(200);
  });

  test("is tried ten times a minute, and issued as often", async () => {
    const { name } = await relay.device();
    const code = await issue(name);
    (await exchange(code)).is(200);
    for (let tries = 1; tries < 10; tries++) await refused(code, USED);
    const limited = await exchange(code);
    limited.problem(429, "too_many_requests");
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
    for (let codes = 1; codes < 10; codes++) await issue(name);
    const path = `/v1/devices/${name}/pair`;
    (await relay.admin("POST", path)).problem(429, "too_many_requests");
    (await exchange(await issue((await relay.device()).name))).is(200);
  });
});

describe("who guesses", () => {
  let before: number;
  beforeEach(() => void (before = woken()));
  afterEach(() => expect(woken(), "mailboxes that were woken").toBe(before));

  test("learns nothing and wakes nothing, whatever the guess is like", async () => {
    const details = new Set<string>();
    const known = { device: "door", number: 1, expiresAt: Date.now() + LIFE };
    const guesses = ["", "x", "A".repeat(127), "A".repeat(128), "ü", "..", "x".repeat(900), seal("another key", known), seal(relay.adminKey, known)];
    for (const guess of guesses) {
      const answer = await exchange(guess);
      details.add(answer.problem(404, "unknown_code").detail);
    }
    expect(details.size).toBe(1);
  });

  test("is told what the body has to be", async () => {
    for (const body of ["", "x", "[]", "{}", '{"code":7}', '{"code":null}', '{"code":"secret-a","code":"secret-b"}', '"secret-c"']) {
      const { detail } = (await relay.request("POST", "/v1/pair", { body })).problem(400);
      expect(detail).toBe("the body must be a JSON object with code, a string");
    }
    (await relay.request("POST", "/v1/pair", { body: { code: "x".repeat(2000) } })).problem(413);
    (await relay.request("GET", "/v1/pair")).problem(405);
    const asked = await relay.request("POST", "/v1/pair?code=secret-d", { body: {} });
    asked.problem(400);
  });
});

test("a code that is changed by a bit is refused like a guess, and wakes nothing", async () => {
  const { name } = await relay.device();
  const code = await issue(name);
  const before = woken();
  const sealed = Buffer.from(code, "base64url");
  // Of the tag, the name, the number and the time.
  for (const at of [0, 15, 16, 17, 18, 81, 82, 88, 89, 94]) {
    const changed = Buffer.from(sealed);
    changed[at]! ^= 1;
    await refused(changed.toString("base64url"), /not a pairing code of this service/);
  }
  expect(woken()).toBe(before);
  (await exchange(code)).is(200);
});

describe("issuing a code", () => {
  test("needs the admin key and a device", async () => {
    const device = await relay.device();
    (await device.request("POST", `/v1/devices/${device.name}/pair`)).problem(403, "forbidden");
    (await relay.request("POST", `/v1/devices/${device.name}/pair`)).problem(401, "unauthorized");
    const unknown = fresh("device");
    (await relay.admin("POST", `/v1/devices/${unknown}/pair`)).problem(404, "unknown_device");
    (await relay.admin("GET", `/v1/devices/${unknown}`)).problem(404, "unknown_device");
  });

  test("with a malformed grant names the field and leaves the earlier code as it is", async () => {
    const { name } = await relay.device();
    const code = await issue(name);
    const many = Array.from({ length: 600 }, (_, n) => `tag-${n}`);
    for (const [body, field] of [
      [{ publish: "kitchen" }, "publish"],
      [{ tags: ["@door"] }, "tags"],
      [{ expires_in: 0 }, "expires_in"],
      [{ publsh: [] }, "publsh"],
      [{ publish: many }, "too many patterns"],
    ] as const) {
      expect((await relay.admin("POST", `/v1/devices/${name}/pair`, body)).problem(400).detail).toContain(field);
    }
    (await exchange(code)).is(200);
  });
});

test("no code is logged or repeated in an error, and every pairing is", async () => {
  expect(codes.length).toBeGreaterThan(20);
  const lines = relay.logs.map(({ message }) => message);
  for (const code of codes) {
    expect(lines.filter((line) => line.includes(code))).toEqual([]);
    expect(refusals.filter(({ text }) => text.includes(code))).toEqual([]);
  }
  const events = lines.filter((line) => line !== "woken").map((line) => JSON.parse(line));
  expect(events.filter(({ level }) => level === "error")).toEqual([]);
  const { name } = await relay.device();
  const before = relay.logs.length;
  await exchange(await issue(name));
  const logged = relay.logs.slice(before).map(({ message }) => message).filter((line) => line.includes(name));
  expect(logged.map((line) => JSON.parse(line).event)).toEqual(["pairing_code_issued", "device_paired"]);
});

function woken(): number {
  return relay.logs.filter(({ message }) => message === "woken").length;
}
