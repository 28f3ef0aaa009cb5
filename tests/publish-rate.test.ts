// A device may publish PUBLISH_RATE messages a second on average, and PUBLISH_BURST at once.

import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { PUBLISH_RATE: 1, PUBLISH_BURST: 3 } });

describe.concurrent("publish rate", () => {
  test("a burst over the limit is answered 429, and succeeds after Retry-After", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const started = performance.now();
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => sender!.publish(to, n, { wait: 0 })));
    const refilled = Math.ceil((performance.now() - started) / 1000);
    const taken = answers.filter((answer) => answer.status === 202);
    const refused = answers.filter((answer) => answer.status !== 202);
    // The bucket fills while the requests come in.
    expect(taken.length).toBeGreaterThanOrEqual(3);
    expect(taken.length).toBeLessThanOrEqual(3 + refilled);
    for (const answer of refused) answer.problem(429, "too_many_requests");
    expect((await receiver!.status()).is(200).held).toBe(taken.length);

    const retryAfter = Number(refused.at(-1)!.headers.get("retry-after"));
    expect(retryAfter).toBeGreaterThanOrEqual(1);
    expect(retryAfter).toBeLessThanOrEqual(10);
    await sleep(retryAfter * 1000);
    (await sender!.publish(to, "again", { wait: 0 })).is(202);
  });

  test("a device over its limit does not hold up another one", async () => {
    const [busy, calm, receiver] = await relay.devices(3);
    const to = { device: receiver!.name };
    await Promise.all(Array.from({ length: 10 }, (_, n) => busy!.publish(to, n, { wait: 0 })));
    (await calm!.publish(to, "calm", { wait: 0 })).is(202);
  });

  test("frames over the limit get an error with their ref", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await sender!.connect();
    for (let n = 0; n < 30; n++) {
      socket.send({ type: "publish", ref: `${n}`, to: { device: receiver!.name }, payload: n, wait: 0 });
    }
    const error = await socket.next("error");
    expect(error).toMatchObject({ code: "too_many_requests", ref: expect.stringMatching(/^\d+$/) });
    await socket.ping();
    expect(socket.isOpen).toBe(true);
  });
});
