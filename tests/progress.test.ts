// A device that works on a message says so, and the message is not sent again until its time is over.

import { describe, expect, test } from "vitest";

import { until, useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { ACK_TIMEOUT: 1 } });
const patient = useRelay();

describe.concurrent("progress", () => {
  test("a job that takes longer than ACK_TIMEOUT is sent once, and its sender sees it at work", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [sending, receiving] = [await sender!.connect(), await receiver!.connect()];
    const id = await sender!.send({ device: receiver!.name }, "dig");
    await receiving.next("message");
    receiving.progress(id, { for: 30, note: "digging" });
    const told = await sending.next("progress");
    expect(told).toEqual({ type: "progress", id, device: receiver!.name, note: "digging", until: expect.any(Number) });

    // One that is not in progress is sent again, so this one would have been, too.
    const other = await sender!.send({ device: receiver!.name }, "dawdle");
    await receiving.next((frame) => frame.id === other && frame.attempt === 2);
    expect((await receiver!.status()).is(200)).toMatchObject({ held: 0, in_flight: 1, in_progress: 1 });
    const trace = (await sender!.trace(id)).is(200);
    expect(trace.summary).toEqual({ in_progress: 1 });
    expect(trace.timeline.at(-1)).toMatchObject({ event: "in_progress", attempt: 1, note: "digging" });

    receiving.ack(id, "a hole");
    const [delivery] = (await sender!.settled(id)).deliveries;
    expect(delivery).toMatchObject({ state: "delivered", attempts: 1, reply: "a hole" });
    expect(await sending.next((frame) => frame.type === "receipt" && frame.id === id)).toMatchObject({ reply: "a hole" });
  });

  test("when its time is over, the message is sent again", async () => {
    const [sender, receiver] = await relay.devices(2);
    const receiving = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, "dig");
    await receiving.next("message");
    const began = Date.now();
    receiving.progress(id, { for: 3 });
    expect(await receiving.next("message")).toMatchObject({ id, attempt: 2 });
    expect(Date.now() - began).toBeGreaterThan(2_500);
  });

  test("a polling device says it over HTTP", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "dig");
    expect(await receiver!.inbox({ wait: 10 })).toMatchObject([{ id, attempt: 1 }]);
    (await receiver!.progress(id, { for: 30, note: "digging" })).is(204);
    const listed = (await receiver!.request("GET", `/v1/devices/${receiver!.name}/inbox`)).is(200);
    expect(listed.messages).toMatchObject([{ id, state: "in_progress" }]);
    expect(await receiver!.inbox({ wait: 2 }), "its lease would have run out").toEqual([]);
    (await receiver!.ack(id)).is(204);
    expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });
    (await receiver!.progress(id)).is(204);
  });

  test("what is wrong with it is said, and nothing changes", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "dig");
    for (const [body, field] of [[{ for: 0 }, "for"], [{ for: 86_401 }, "for"], [{ note: 1 }, "note"]] as const) {
      const { detail } = (await receiver!.progress(id, body)).problem(400, "bad_request");
      expect(detail).toMatch(field);
    }
    expect((await sender!.trace(id)).is(200).summary).toEqual({ held: 1 });
  });

  test("a publish that waits gets the answer of a device that took its time", async () => {
    const [sender, receiver] = await relay.devices(2);
    const receiving = await receiver!.connect();
    const publish = sender!.publish({ device: receiver!.name }, "dig", { wait: 30 });
    const { id } = await receiving.next("message");
    receiving.progress(id, { for: 30 });
    await until("the message in progress", async () => (await receiver!.status()).is(200).in_progress, (count) => count === 1);
    receiving.ack(id, "a hole");
    expect((await publish).is(200).deliveries).toMatchObject([{ state: "delivered", reply: "a hole" }]);
  });
});

describe("progress outlives", () => {
  test("a reconnect, an eviction and a SIGKILL", async () => {
    const [sender, receiver] = await patient.devices(2);
    const first = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, "dig");
    await first.next("message");
    first.progress(id, { for: 600, note: "digging" });
    await until("the message in progress", async () => (await receiver!.status()).is(200).in_progress, (count) => count === 1);
    const endings = [() => first.close(), () => patient.evict(receiver!), () => patient.restart()];
    for (const end of endings) {
      await end();
      const socket = await receiver!.open();
      expect(await socket.next("welcome")).toMatchObject({ held: 0, in_progress: 1 });
      const last = await sender!.send({ device: receiver!.name }, "and this");
      expect((await socket.next("message")).id, "the other is not sent").toBe(last);
      socket.ack(last);
      await sender!.settled(last);
      await socket.close();
    }
    const trace = (await sender!.trace(id)).is(200);
    expect(trace.timeline.at(-1)).toMatchObject({ event: "in_progress", note: "digging" });
  });
});
