// A message is sent again until it is acknowledged; once it is, never again.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("acknowledgement", () => {
  test("an unacknowledged message is sent again after a reconnect, with the same id and a greater attempt", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "x");
    for (let attempt = 1; attempt <= 3; attempt++) {
      const socket = await receiver!.connect();
      expect(await socket.next("message")).toMatchObject({ id, attempt, payload: "x" });
      socket.terminate();
    }
    const trace = (await sender!.trace(id)).is(200);
    expect(trace.deliveries).toMatchObject([{ attempts: 3 }]);
  });

  test("an acknowledged message is never sent again", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const id = await sender!.send(to, "x");
    const first = await receiver!.connect();
    await first.next("message");
    first.ack(id);
    await sender!.settled(id);
    first.terminate();

    const again = await receiver!.open();
    expect(await again.next("welcome")).toMatchObject({ held: 0 });
    const end = await sender!.send(to, "end");
    expect((await again.next("message")).id).toBe(end);
  });

  test("an acknowledged fast message is never sent again", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const first = await receiver!.connect();
    first.answer();
    (await sender!.publish(to, "x", { wait: 10 })).is(200);
    first.terminate();
    const again = await receiver!.connect();
    const end = await sender!.send(to, "end");
    expect((await again.next("message")).id).toBe(end);
  });

  test("acknowledgements sent together right before the connection closes all count, each with its reply", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const ids: string[] = [];
    for (let n = 0; n < 40; n++) ids.push(await sender!.send(to, n));
    const first = await receiver!.connect();
    const sent = await first.messages(32);
    for (const { id, payload } of sent) first.ack(id, payload);
    await first.close();

    const again = await receiver!.open();
    expect(await again.next("welcome")).toMatchObject({ held: 8 });
    again.answer(({ payload }) => payload);
    const traces = await Promise.all(ids.map((id) => sender!.settled(id)));
    const replies = traces.map(({ deliveries: [delivery] }) => [delivery!.state, delivery!.reply]);
    expect(replies).toEqual(ids.map((_, n) => ["delivered", n]));
    // What was acknowledged was sent once.
    expect(traces.slice(0, 32).map(({ deliveries: [delivery] }) => delivery!.attempts)).toEqual(Array(32).fill(1));
    const seen = await sender!.connect();
    const receipts: string[] = [];
    while (receipts.length < ids.length) receipts.push((await seen.next("receipt")).id);
    expect(receipts.sort()).toEqual(ids);
  });

  test("a repeated acknowledgement changes nothing", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "x");
    const socket = await receiver!.connect();
    await socket.next("message");
    socket.ack(id, "first");
    await sender!.settled(id);
    socket.ack(id, "second");
    socket.nack(id, "third");
    (await receiver!.ack(id, { reply: "fourth" })).is(204);
    (await receiver!.nack(id, { reason: "fifth" })).is(204);
    const trace = (await sender!.trace(id)).is(200);
    expect(trace.deliveries).toMatchObject([{ state: "delivered", reply: "first" }]);
    expect(trace.timeline.filter(({ event }: any) => event === "delivered")).toHaveLength(1);
    expect(socket.seen.filter(({ type }) => type === "error")).toEqual([]);
  });

  test("an acknowledgement of an unknown id is harmless", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const unknown = "01JZZZZZZZZZZZZZZZZZZZZZZZ";
    for (let n = 0; n < 12; n++) socket.ack(unknown);
    socket.answer();
    (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
    expect(socket.seen.filter(({ type }) => type === "error")).toEqual([]);
  });

  test("a device cannot acknowledge another device's message", async () => {
    const [sender, receiver, stranger] = await relay.devices(3);
    const id = await sender!.send({ device: receiver!.name }, "x");
    const socket = await stranger!.connect();
    socket.ack(id);
    (await stranger!.ack(id)).is(204);
    await socket.ping();
    expect((await sender!.trace(id)).is(200).summary).toEqual({ held: 1 });
  });

  test("a held message can be acknowledged over HTTP, and the socket does not get it any more", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const id = await sender!.send(to, "x");
    await receiver!.inbox();
    (await receiver!.ack(id)).is(204);
    const socket = await receiver!.connect();
    const end = await sender!.send(to, "end");
    expect((await socket.next("message")).id).toBe(end);
  });

  test("a rejected message is settled with its reason and never sent again", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const id = await sender!.send(to, "x");
    const socket = await receiver!.connect();
    await socket.next("message");
    socket.nack(id, "not mine");
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "rejected", reason: "not mine" }]);
    socket.terminate();
    const again = await receiver!.connect();
    const end = await sender!.send(to, "end");
    expect((await again.next("message")).id).toBe(end);
  });

  test("replies of any JSON up to 4 KiB come back as they are", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const replies = [{ a: [1, null] }, "text", 0, false, null, "x".repeat(4000)];
    for (const reply of replies) {
      const publish = sender!.publish(to, {}, { wait: 10 });
      socket.ack((await socket.next("message")).id, reply);
      const [delivery] = (await publish).is(200).deliveries;
      // Whether a reply of null is shown or left out makes no difference to who reads it.
      expect(delivery.reply ?? null).toEqual(reply);
    }
  });

  test("a reply over 4 KiB is an error and leaves the message unacknowledged", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    const socket = await receiver!.connect();
    await socket.next("message");
    socket.ack(id, "x".repeat(4097));
    expect(await socket.next("error")).toMatchObject({ detail: expect.stringMatching(/reply/) });
    const answer = await receiver!.ack(id, { reply: "x".repeat(4097) });
    expect([400, 413], `${answer}`).toContain(answer.status);
    expect((await sender!.trace(id)).is(200).summary).toEqual({ sent: 1 });
    socket.ack(id, "short");
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: "short" }]);
  });
});
