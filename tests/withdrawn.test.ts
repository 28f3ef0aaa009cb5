// A device that has a message is told when the message ends without its answer.

import { describe, expect, test } from "vitest";

import { useRelay, type Device } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("withdrawn", () => {
  /** A device that has a message of a sender, which ends. */
  async function having(options: { ttl?: number; topic?: string }, end: (sender: Device, to: { device: string }, id: string) => unknown) {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const receiving = await receiver!.connect();
    const id = await sender!.send(to, "ring", options);
    await receiving.next("message");
    await end(sender!, to, id);
    return { receiving, id, told: await receiving.next("withdrawn") };
  }

  test("a message on the wire that is cancelled", async () => {
    const { receiving, id, told } = await having({}, (sender, _, id) => sender.cancel(id));
    expect(told).toEqual({ type: "withdrawn", id, reason: "cancelled" });
    receiving.ack(id, "too late");
    expect(await receiving.next("withdrawn"), "an answer that crossed it").toMatchObject({ id });
  });

  test("a message in progress that is cancelled", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [sending, receiving] = [await sender!.connect(), await receiver!.connect()];
    const id = await sender!.send({ device: receiver!.name }, "ring");
    await receiving.next("message");
    receiving.progress(id, { for: 600 });
    await sending.next("progress");
    await sender!.cancel(id);
    expect(await receiving.next("withdrawn")).toMatchObject({ id, reason: "cancelled" });
  });

  test("a message that a newer one of its topic replaces", async () => {
    const topic = { topic: "door" };
    const { receiving, id, told } = await having(topic, (sender, to) => sender.send(to, "again", topic));
    expect(told).toEqual({ type: "withdrawn", id, reason: "replaced" });
    expect(await receiving.next("message")).toMatchObject({ payload: "again" });
  });

  test("a message that expires", async () => {
    const { id, told } = await having({ ttl: 1 }, () => {});
    expect(told).toEqual({ type: "withdrawn", id, reason: "expired" });
  });
});
