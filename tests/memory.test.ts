// Floods leave nothing in memory: what the isolate holds after one is what it held after the one before.
// What the platform keeps for a connection is not seen here; that is `backpressure.test.ts`.
// FIGURES=1 prints what was held.

import { describe, expect, test } from "vitest";

import { fresh, mint, repeat, useRelay } from "./harness/index.ts";
import type { Memory } from "./harness/memory.ts";

/** How many requests of a flood are under way at once. */
const AT_ONCE = 20;
/** The most bytes of heap that a request may leave, beside the noise: a flood of 300 shows a leak of 71 bytes in each,
 * one of 2,000 a leak of 25. */
const KEPT = 16;
/** The heap varies by up to this many bytes, with what V8 records about the code that ran. */
const NOISE = 16 << 10;

const [BURST, HELD] = [300, 20];
const relay = useRelay({
  inspected: true,
  vars: { PUBLISH_RATE: 1, PUBLISH_BURST: BURST, MAX_HELD_MESSAGES: HELD, MAX_PAYLOAD_BYTES: 1000 },
});

/** What is held once it gets no less. Sockets that were closed and calls that ended a moment ago may be there yet. */
async function settled(): Promise<Memory> {
  let [last, held] = [await relay.held(), await relay.held()];
  while (held.heap < last.heap - KEPT * AT_ONCE) [last, held] = [held, await relay.held()];
  return held;
}

/** Floods the service several times, with `requests` requests each: one of the floods has to leave nothing in the
 * heap, nor a wasm memory that is larger. What the runtime does once, such as to compile what runs often, it does in
 * another, and so does a flood that has more under way at one moment than those before; a leak is in each. */
async function leavesNothing(requests: number, act: (n: number, one: number) => Promise<unknown>): Promise<void> {
  await repeat(requests, AT_ONCE, act);
  const held = [await settled()];
  while (held.length <= 3) {
    const { heap, wasm } = held.at(-1)!;
    await repeat(requests, AT_ONCE, act);
    const now = await settled();
    held.push(now);
    if (now.heap > heap + NOISE + KEPT * requests || now.wasm > wasm) continue;
    if (process.env.FIGURES) console.log(`${requests} times: ${JSON.stringify(held)}`);
    return;
  }
  throw new Error(`expected nothing to be left of a flood of ${requests}, but held were ${JSON.stringify(held)}`);
}

describe("nothing is left in memory of", { timeout: 400_000 }, () => {
  test("requests without a valid token", async () => {
    const nobody = relay.bearer("nobody", mint("not the key of this service", { sub: "nobody", iat: 1 }));
    await leavesNothing(2000, async (n) => {
      if (n % 10 > 0) return (await nobody.publish({ device: fresh("nobody") }, "x")).problem(401);
      await expect(nobody.open()).rejects.toThrow("the handshake was answered 401");
    });
  });

  test("requests for unknown names", async () => {
    const device = await relay.device();
    await leavesNothing(1000, async (n) => {
      if (n % 10 > 0) return (await device.request("GET", `/v1/${fresh("path")}`)).problem(404, "not_found");
      return (await device.publish({ tag: fresh("tag") }, "x")).problem(404, "unknown_tag");
    });
  });

  test("publishes above the rate", async () => {
    const [sender, receiver] = await relay.devices(2);
    await repeat(BURST, 20, () => sender!.send({ device: receiver!.name }, "x", { topic: "latest" }));
    await leavesNothing(1000, async () => {
      const answer = await sender!.publish({ device: receiver!.name }, "x", { topic: "latest", wait: 0 });
      if (answer.status !== 202) answer.problem(429, "too_many_requests");
    });
  });

  test("bodies above the limit", async () => {
    const [sender, receiver] = await relay.devices(2);
    const body = "x".repeat(10_000);
    await leavesNothing(1000, async () => {
      (await sender!.publish({ device: receiver!.name }, body)).problem(413, "payload_too_large");
    });
  });

  test("messages for a queue that is full", async () => {
    const [receiver, ...senders] = await relay.devices(1 + AT_ONCE);
    const to = { device: receiver!.name };
    for (let n = 0; n < HELD; n++) await senders[n % AT_ONCE]!.send(to, "x");
    await leavesNothing(1000, async (_, one) => {
      expect((await senders[one]!.publish(to, "x")).is(200).summary).toEqual({ refused: 1 });
    });
  });

  test("messages that arrive", async () => {
    const [receiver, ...senders] = await relay.devices(1 + AT_ONCE);
    (await receiver!.connect()).answer();
    await leavesNothing(1000, async (_, one) => {
      const answer = await senders[one]!.publish({ device: receiver!.name }, "x", { wait: 10 });
      expect(answer.is(200).summary).toEqual({ delivered: 1 });
    });
  });

  test("connections that the next one takes over", async () => {
    const device = await relay.device();
    await leavesNothing(500, async () => void (await device.open()));
  });

  test("connections that send only malformed frames", async () => {
    const devices = await relay.devices(AT_ONCE);
    await leavesNothing(300, async (_, one) => {
      const socket = await devices[one]!.connect();
      for (let frame = 0; frame < 10; frame++) socket.send({ type: "nonsense", of: "x".repeat(500) });
      expect(await socket.closed()).toMatchObject({ code: 4400 });
    });
  });

  test("polls that the client aborts", async () => {
    const devices = await relay.devices(AT_ONCE);
    await leavesNothing(100, async (_, one) => {
      const headers = { Authorization: `Bearer ${devices[one]!.token}` };
      const poll = fetch(new URL("/v1/inbox?wait=1", relay.url), { headers, signal: AbortSignal.timeout(50) });
      await expect(poll).rejects.toThrow("aborted");
      // One that begins later ends later: no more are under way at once than in other floods.
      await devices[one]!.inbox({ wait: 1 });
    });
  });

  test("mailboxes that left it", async () => {
    const [senders, receivers] = [await relay.devices(AT_ONCE), await relay.devices(AT_ONCE)];
    await leavesNothing(200, async (_, one) => {
      await senders[one]!.send({ device: receivers[one]!.name }, "x", { topic: "latest" });
      await relay.evict(receivers[one]!);
    });
  });
});
