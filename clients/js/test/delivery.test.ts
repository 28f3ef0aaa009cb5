// Messages reach the application once each, and its answers reach the sender.

import { describe, expect, test } from "vitest";

import { useRelay } from "../../../tests/harness/index.ts";
import { change, useClients, next, nothingElse, payloads, range, state, within } from "./support.ts";

const relay = useRelay({ vars: { ACK_TIMEOUT: 1 } });
const { client, network } = useClients();

/** Nested arrays. */
const nested = (levels: number) => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`);

describe.concurrent("delivery", () => {
  test("a publish is answered with the reply of the device", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    await state(receiver, "online");
    const published = client(relay.url, a!).publish(`@${b!.name}`, { ring: 1 }, { wait: 10, topic: "door" });
    const message = await next(receiver);
    expect(message).toMatchObject({ from: a!.name, to: { device: b!.name }, payload: { ring: 1 }, topic: "door" });
    message.ack({ opened: true });
    expect(await published).toMatchObject({
      id: message.id,
      deliveries: [{ device: b!.name, state: "delivered", reply: { opened: true } }],
      summary: { delivered: 1 },
    });
  });

  test("a rejected message carries its reason", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    await state(receiver, "online");
    const published = client(relay.url, a!).publish({ tag: await relay.tag(b!) }, 1, { wait: 10 });
    (await next(receiver)).nack("not at home");
    expect((await published).deliveries).toMatchObject([{ state: "rejected", reason: "not at home" }]);
  });

  test("payloads arrive as they were sent", async () => {
    const [a, b] = await relay.devices(2);
    const [sender, receiver] = [client(relay.url, a!), client(relay.url, b!)];
    const large = Uint8Array.from(range(100_000));
    const sent = [{ a: [1, null] }, [1, 2], null, 1.5, false, "hé\n", "", Uint8Array.of(0, 255, 128), large];
    for (const payload of sent) await sender.publish(`@${b!.name}`, payload, { wait: 0 });
    await sender.publish(`@${b!.name}`, "<b>", { wait: 0, type: "text/html" });
    expect(await payloads(receiver, sent.length + 1)).toEqual([...sent, "<b>"]);
  });

  test("a flood with the connection cut in the middle is shown once each and in order", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    const receiver = client(line.url, b!);
    const taken = payloads(receiver, 300, 90_000);
    const ids: string[] = [];
    for (const n of range(300)) {
      ids.push(await a!.send({ device: b!.name }, n));
      if (n % 80 !== 60) continue;
      await state(receiver, "online");
      const offline = change(receiver, "offline");
      line.cut();
      await offline;
    }
    expect(await taken).toEqual(range(300));
    const traces = await Promise.all(ids.map((id) => a!.settled(id)));
    expect(traces.map(({ deliveries: [delivery] }) => [delivery?.state, delivery?.reply])).toEqual(
      ids.map((_, n) => ["delivered", { taken: n + 1 }]),
    );
    expect(line.connections).toBeGreaterThan(3);
    await nothingElse(receiver, a!, b!.name);
  }, 120_000);

  test("an answer given while offline arrives after the reconnect", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    const receiver = client(line.url, b!);
    const id = await a!.send({ device: b!.name }, "x");
    const message = await next(receiver);
    line.down();
    await state(receiver, "offline");
    message.ack("late");
    message.nack("a second answer changes nothing");
    line.up();
    expect((await a!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: "late" }]);
    await nothingElse(receiver, a!, b!.name);
  });

  test("a lost answer is sent again", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    const receiver = client(line.url, b!);
    const id = await a!.send({ device: b!.name }, "x");
    const message = await next(receiver);
    line.mute();
    message.ack("lost");
    const online = change(receiver, "online");
    line.cut();
    await online;
    expect((await a!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: "lost" }]);
    await nothingElse(receiver, a!, b!.name);
  });

  test("a repeat of a message that is being worked on is not shown", async ({ expect }) => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    const id = await a!.send({ device: b!.name }, "x");
    const message = await next(receiver);
    const again = async () => (await a!.trace(id)).is(200).deliveries[0].attempts;
    // Once it is sent for the third time, the second has arrived.
    await expect.poll(again, { timeout: 20_000 }).toBeGreaterThan(2);
    expect(receiver.waiting).toBe(0);
    message.ack("done");
    expect((await a!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: "done" }]);
    await nothingElse(receiver, a!, b!.name);
  });

  test("a message at which a loop ends is the first of the next loop", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    for (const n of range(2)) await a!.send({ device: b!.name }, n);
    const fail = async () => {
      for await (const { payload } of receiver.messages()) throw new Error(`no room for ${payload}`);
    };
    await expect(fail()).rejects.toThrow("no room for 0");
    expect(await payloads(receiver, 2)).toEqual([0, 1]);
  });

  test("an answer that cannot be sent is thrown at once, and the message can still be answered", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    const id = await a!.send({ device: b!.name }, "x");
    const message = await next(receiver);
    for (const [answer, why] of [
      [() => message.ack("x".repeat(4_095)), "reply must be at most 4096 bytes"],
      [() => message.ack(() => {}), "reply must be JSON"],
      [() => message.ack(nested(101)), "reply must have at most 100 levels"],
      [() => message.ack(nested(20_000)), "reply must have at most 100 levels"],
      [() => message.nack("x".repeat(257)), "reason must be at most 256 characters"],
      [() => message.nack("👋".repeat(200).slice(0, 255)), "reason is not valid Unicode"],
    ] as const) {
      expect(answer).toThrow(why);
    }
    await within("the answer to be given", message.nack("👋".repeat(256)));
    expect((await a!.settled(id)).deliveries).toMatchObject([{ state: "rejected", reason: "👋".repeat(256) }]);
  });

  test("the iteration ends with close, and earlier answers are still sent", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    const id = await a!.send({ device: b!.name }, "x");
    for await (const message of receiver.messages()) {
      message.ack("bye");
      receiver.close();
    }
    expect((await a!.settled(id)).deliveries).toMatchObject([{ reply: "bye" }]);
  });
});
