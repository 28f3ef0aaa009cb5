// A mailbox holds at most MAX_HELD_MESSAGES and MAX_HELD_BYTES; what it cannot take is refused, not dropped in silence.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

describe("queue", () => {
  const relay = useRelay({ vars: { MAX_HELD_MESSAGES: 3 } });

  test("a message over MAX_HELD_MESSAGES is refused with queue_full, and the sender sees it", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    for (let n = 0; n < 3; n++) await sender!.send(to, n);
    const refused = (await sender!.publish(to, "over")).is(200);
    expect(refused.deliveries).toMatchObject([{ state: "refused", reason: "queue_full", attempts: 0 }]);
    expect(refused.summary).toEqual({ refused: 1 });
    expect((await sender!.trace(refused.id)).is(200).summary).toEqual({ refused: 1 });
    expect((await receiver!.status()).is(200).held).toBe(3);
  });

  test("a full mailbox does not keep a message from the other devices of the tag", async () => {
    const [sender, full, other] = await relay.devices(3);
    const tag = await relay.tag(full!, other!);
    for (let n = 0; n < 3; n++) await sender!.send({ device: full!.name }, n);
    expect((await sender!.publish({ tag }, "x")).is(202).summary).toEqual({ refused: 1, held: 1 });
  });

  test("a mailbox that was emptied takes messages again", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push(await sender!.send(to, n));
    const socket = await receiver!.connect();
    socket.answer();
    for (const id of ids) await sender!.settled(id);
    await socket.close();
    for (let n = 0; n < 3; n++) expect((await sender!.publish(to, n)).is(202).summary).toEqual({ held: 1 });
  });

  test("a message that replaces another of its topic fits into a full mailbox", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    for (let n = 0; n < 2; n++) await sender!.send(to, n);
    await sender!.send(to, "old", { topic: "t" });
    expect((await sender!.publish(to, "new", { topic: "t" })).is(202).summary).toEqual({ held: 1 });
  });
});

describe("queue in bytes", () => {
  const relay = useRelay({ vars: { MAX_HELD_BYTES: 5000 } });

  test("a message over MAX_HELD_BYTES is refused with queue_full, a smaller one still fits", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    await sender!.send(to, "x".repeat(3000), { type: "text/plain" });
    const refused = (await sender!.publish(to, "x".repeat(3000), { type: "text/plain" })).is(200);
    expect(refused.deliveries).toMatchObject([{ state: "refused", reason: "queue_full" }]);
    await sender!.send(to, "small", { type: "text/plain" });
    const status = (await receiver!.status()).is(200);
    expect(status.held).toBe(2);
    expect(status.held_bytes).toBeGreaterThanOrEqual(3005);
    expect(status.held_bytes).toBeLessThanOrEqual(5000);
  });
});
