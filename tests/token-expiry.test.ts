// A token's `exp` ends what was opened with it, too.

import { describe, expect, test } from "vitest";

import { claimsOf, seconds, until, useRelay, within } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("token expiry", () => {
  test("a socket closes with 4401 when its token's exp passes", async () => {
    const exp = seconds() + 5;
    const socket = await relay.minted({ exp }).connect();
    expect((await socket.closed()).code).toBe(4401);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
  });

  test("a trace and a publish that wait end with 401 when the token's exp passes", async () => {
    const exp = seconds() + 5;
    const [device, silent, offline] = [relay.minted({ exp }), await relay.device(), await relay.device()];
    const socket = await silent.connect();
    const id = await device.send({ device: offline.name }, "question");
    const waiting = [device.trace(id, 40), device.publish({ device: silent.name }, "question", { wait: 40 })];
    await socket.next("message");
    for (const answer of await within(20_000, Promise.all(waiting))) answer.problem(401, "unauthorized");
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
  });

  test.each([9_999_999_999, 253_402_300_799])("a token with exp %d connects and works", async (exp) => {
    const [sender, receiver] = [relay.minted({ exp }), relay.minted({ exp })];
    const socket = await receiver.connect();
    socket.answer();
    (await sender.publish({ device: receiver.name }, "x", { wait: 10 })).is(200);
    await relay.evict(receiver);
    await socket.ping();
    (await sender.publish({ device: receiver.name }, "x", { wait: 10 })).is(200);
    const year = 366 * 86_400_000;
    expect(relay.alarms().filter((at) => at > Date.now() + year)).toEqual([]);
  });

  test("a token works until its exp, not after", async () => {
    const device = relay.minted({ exp: seconds() + 5 });
    await device.inbox();
    const ask = async () => (await device.request("GET", "/v1/inbox")).status;
    await until("401 after exp", ask, (status) => status === 401);
  });

  test("a connection with a token without exp stays", async () => {
    const [lasting, ending] = [await relay.minted().connect(), await relay.minted({ exp: seconds() + 5 }).connect()];
    await ending.closed();
    await lasting.ping();
    expect(lasting.isOpen).toBe(true);
  });

  test("messages for a device whose token has expired are held", async () => {
    const [sender, receiver] = [await relay.device(), relay.minted({ exp: seconds() + 5 })];
    const socket = await receiver.connect();
    await socket.closed();
    expect((await sender.publish({ device: receiver.name }, {}, { wait: 0 })).is(202).summary).toEqual({ held: 1 });
  });

  test("the service mints tokens that end when asked to", async () => {
    const before = seconds();
    const device = await relay.device(undefined, { expires_in: 600 });
    const claims = claimsOf(device.token);
    expect(claims.sub).toBe(device.name);
    expect(claims.exp - claims.iat).toBe(600);
    expect(claims.iat).toBeGreaterThanOrEqual(before);
    expect(claims.iat).toBeLessThanOrEqual(seconds());
    expect(claimsOf((await relay.device()).token)).not.toHaveProperty("exp");
  });
});
