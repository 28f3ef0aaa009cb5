// A connection comes back from whatever breaks it, and ends where coming back would be wrong.

import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

import { claimsOf, mint, seconds, useRelay } from "../../../tests/harness/index.ts";
import { RelayProcess } from "../../../tests/harness/process.ts";
import { connect, TagpostError } from "../src/index.js";
import { change, failure, next, payloads, range, state, useClients, within } from "./support.ts";

const relay = useRelay({ vars: { KEEPALIVE: 1 } });
const { client, network } = useClients();

/** Longer than any first pause, in milliseconds: who comes back has come back by then. */
const PAUSE = 1_500;

describe("a relay of its own", () => {
  const mortal = new RelayProcess();
  beforeAll(() => mortal.start(), 60_000);
  afterAll(() => mortal.stop());
  // A start may take long; the pauses that have grown meanwhile should not.
  beforeEach(() => void vi.spyOn(Math, "random").mockReturnValue(0.05));
  afterEach(() => void vi.restoreAllMocks());

  test("a device reconnects to a relay that is killed and started again", async () => {
    const [a, b] = await mortal.devices(2);
    const [sender, receiver] = [client(mortal.url, a!), client(mortal.url, b!)];
    await Promise.all([state(sender, "online"), state(receiver, "online")]);
    const taken = payloads(receiver, 101, 90_000);
    const answers = range(100).map((n) => sender.publish(`@${b!.name}`, n, { wait: 0, timeout: 90 }));
    await within("the first answers", answers[10]!);
    await mortal.kill();
    const waiting = sender.publish(`@${b!.name}`, 100, { wait: 0, timeout: 90 });
    await mortal.start();
    const published = await within("all answers", Promise.all([...answers, waiting]), 90_000);
    expect(new Set(published.map(({ id }) => id)).size).toBe(101);
    expect((await taken).toSorted((x, y) => Number(x) - Number(y))).toEqual(range(101));
  }, 120_000);

  test("a service that cannot be reached is waited for", async () => {
    const a = await mortal.device();
    await mortal.kill();
    const device = client(mortal.url, a);
    const offline = await change(device, "offline");
    expect(offline).toMatchObject({ state: "offline", reason: expect.stringContaining("unreachable") });
    const online = change(device, "online");
    await mortal.start();
    await online;
    expect(device.name).toBe(a.name);
  }, 120_000);
});

describe.concurrent("connection", () => {
  test("a silent connection is replaced", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    const device = client(line.url, b!);
    await state(device, "online");
    line.freeze();
    expect(await change(device, "offline")).toMatchObject({ reason: "no answer to a ping" });
    await state(device, "online");
    await a!.send({ device: b!.name }, "x");
    expect((await next(device)).payload).toBe("x");
  });

  test("a token that is refused is an error", async () => {
    const revoked = await relay.device();
    (await relay.admin("DELETE", `/v1/devices/${revoked.name}/tokens`)).is(204);
    const { sub } = claimsOf(revoked.token);
    for (const token of [revoked.token, mint("another key", { sub, iat: seconds() })]) {
      const line = await network(() => relay.url);
      const device = client(line.url, { token });
      const messages = failure(device.messages().next());
      const publish = failure(device.publish("tag", 1));
      const closed = await change(device, "closed");
      expect(closed.error).toBeInstanceOf(TagpostError);
      expect(closed.error).toMatchObject({ code: "unauthorized", status: 401 });
      expect(`${closed.error} ${closed.error?.stack} ${closed.reason}`).not.toContain(token);
      expect(await messages).toBe(closed.error);
      expect(await publish).toBe(closed.error);
      const { connections } = line;
      await sleep(PAUSE);
      expect(line.connections, "connections after the end").toBe(connections);
    }
  });

  test("a token revoked while connected is an error and not a loop", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    const device = client(line.url, b!);
    await a!.send({ device: b!.name }, "x");
    const message = await next(device);
    const messages = failure(device.messages().next());
    const closed = change(device, "closed");
    (await relay.admin("DELETE", `/v1/devices/${b!.name}/tokens`)).is(204);
    const { error } = await closed;
    expect(error).toMatchObject({ code: "unauthorized" });
    expect(await messages).toBe(error);
    expect(await failure(message.ack())).toBe(error);
    await sleep(PAUSE);
    expect(line.connections).toBe(1);
    expect(device.state).toBe("closed");
  });

  test("a second connection takes over without a ping-pong", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    const first = client(line.url, b!);
    await state(first, "online");
    const messages = failure(first.messages().next());
    const closed = change(first, "closed");
    const second = client(line.url, b!);
    await state(second, "online");
    expect((await closed).error).toMatchObject({ code: "taken_over" });
    expect(await messages).toMatchObject({ code: "taken_over" });
    await sleep(PAUSE);
    expect(line.connections).toBe(2);
    expect(second.state).toBe("online");
    await a!.send({ device: b!.name }, "x");
    expect((await next(second)).payload).toBe("x");
  });

  test("keep-alives keep a device online that says nothing else", async () => {
    const b = await relay.device();
    const device = client(relay.url, b);
    await state(device, "online");
    // Twice the time after which the service takes a silent device for offline.
    await sleep(5_000);
    expect((await b.status()).is(200).online).toBe(true);
    expect(device.state).toBe("online");
  });

  test("an invalid URL or token is an error at once, which does not repeat it", () => {
    const token = "a.b.c";
    expect(() => connect({ url: "relay.example", token })).toThrow(TypeError);
    expect(() => connect({ url: "ftp://relay.example", token })).toThrow("url must begin with http");
    expect(() => connect({ url: "https://a:b@relay.example", token })).toThrow("url must not hold a user name");
    for (const wrong of ["", "secret-admin-key", "a.b.c d", "a.b=.c"]) {
      expect(() => connect({ url: "https://relay.example", token: wrong })).toThrow(
        new TypeError("token must be a device's token, or a function that gives one"),
      );
    }
  });

  test("close ends everything without an error", async () => {
    const b = await relay.device();
    const device = client(relay.url, b);
    await state(device, "online");
    const [message, receipt] = [device.messages().next(), device.receipts().next()];
    const closed = change(device, "closed");
    device.close();
    device.close();
    expect((await closed).error).toBeUndefined();
    expect([await message, await receipt]).toEqual(Array(2).fill({ done: true, value: undefined }));
    await b.offline();
  });
});
