// A second connection of a device takes over: the older one closes with 4409.

import { describe, expect, test } from "vitest";

import { useRelay, type Frame } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("takeover", () => {
  test("the older connection closes with 4409, and the newer one stays online", async () => {
    const device = await relay.device();
    const older = await device.connect();
    const newer = await device.connect();
    expect((await older.closed()).code).toBe(4409);
    await newer.ping();
    expect((await device.status()).is(200).online).toBe(true);
  });

  test("messages in flight move to the newer connection, as a further attempt", async () => {
    const [sender, receiver] = await relay.devices(2);
    const older = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, "x");
    await older.next("message");
    const newer = await receiver!.connect();
    expect(await newer.next("message")).toMatchObject({ id, attempt: 2, payload: "x" });
    newer.ack(id, "moved");
    expect((await sender!.settled(id)).deliveries).toMatchObject([
      { state: "delivered", attempts: 2, reply: "moved" },
    ]);
  });

  test("new messages go to the newer connection alone", async () => {
    const [sender, receiver] = await relay.devices(2);
    const older = await receiver!.connect();
    const newer = await receiver!.connect();
    newer.answer();
    (await sender!.publish({ device: receiver!.name }, "x", { wait: 10 })).is(200);
    await older.closed();
    expect(older.seen.filter(({ type }) => type === "message")).toEqual([]);
  });

  test("a publish that waits for the older connection is answered by the newer one", async () => {
    const [sender, receiver] = await relay.devices(2);
    const older = await receiver!.connect();
    const publish = sender!.publish({ device: receiver!.name }, "x", { wait: 10 });
    const { id } = await older.next("message");
    const newer = await receiver!.connect();
    expect((await newer.next("message")).id).toBe(id);
    newer.ack(id);
    const answer = await publish;
    expect([200, 202], `${answer}`).toContain(answer.status);
    expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });
  });

  test("of many connections opened at once, exactly one stays", async () => {
    const [sender, device] = await relay.devices(2);
    const sockets = await Promise.all(Array.from({ length: 8 }, () => device!.open()));
    const id = await sender!.send({ device: device!.name }, "x");
    const arrived = (frame: Frame) => frame.id === id;
    const winner = await Promise.any(sockets.map((socket) => socket.next(arrived).then(() => socket)));
    for (const socket of sockets) {
      if (socket !== winner) expect((await socket.closed()).code).toBe(4409);
    }
    await winner.ping();
  });
});
