// A token's `exp` ends what was opened with it, too.

import { describe, expect, test } from "vitest";

import { claimsOf, seconds, until, useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("token expiry", () => {
  test("a socket closes with 4401 when its token's exp passes", async () => {
    const exp = seconds() + 5;
    const socket = await relay.minted({ exp }).connect();
    expect((await socket.closed()).code).toBe(4401);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
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
