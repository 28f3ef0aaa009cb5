// A device whose connections end again and again with messages in flight loses none of them.

import { describe, expect, test } from "vitest";

import { HandshakeRefused, useRelay, type Device, type Frame, type Socket } from "./harness/index.ts";

const relay = useRelay();

/** Connects, takes what comes at once, and is gone without an answer. */
async function crash(device: Device, count: number): Promise<Frame[]> {
  const socket = await device.connect();
  const messages = await socket.messages(count);
  socket.terminate();
  await device.offline();
  return messages;
}

async function connectFor(device: Device, most: number): Promise<Socket> {
  return device.open({ headers: { Authorization: `Bearer ${device.token}` } }, `?max_in_flight=${most}`);
}

describe.concurrent("a device that flaps", () => {
  test("ten reconnects within seconds lose nothing: all arrives once the device is repaired", async () => {
    const [sender, receiver] = await relay.devices(2);
    const ids = [];
    for (let n = 1; n <= 3; n++) ids.push(await sender!.send({ device: receiver!.name }, n, { ttl: 604_800 }));
    // A message that three connections ended under goes out alone, and pauses when one more has.
    for (const count of [3, 3, 3, 1]) await crash(receiver!, count);
    for (let n = 4; n < 10; n++) await crash(receiver!, 0);
    const repaired = await receiver!.open();
    expect(await repaired.next("welcome")).toMatchObject({ held: 3 });
    repaired.answer();
    const came = await repaired.messages(3, 90_000);
    expect(came.map(({ payload }) => payload)).toEqual([1, 2, 3]);
    for (const id of ids) expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });
  }, 150_000);

  test("the trace has each attempt that ended with its connection", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    for (let n = 0; n < 2; n++) await crash(receiver!, 1);
    (await receiver!.connect()).answer();
    const { timeline, deliveries } = await sender!.settled(id);
    expect(timeline!.map(({ event, attempt }) => `${event} ${attempt}`)).toEqual([
      "held 0",
      "sent 1",
      "held 1",
      "sent 2",
      "held 2",
      "sent 3",
      "delivered 3",
    ]);
    expect(deliveries).toMatchObject([{ state: "delivered", attempts: 3 }]);
  });

  test("one message that crashes its device holds up neither the messages of others nor their order", async () => {
    const [poisoner, one, other, receiver] = await relay.devices(4);
    const to = { device: receiver!.name };
    const poison = await poisoner!.send(to, "poison");
    for (let n = 0; n < 10; n++) for (const good of [poisoner!, one!, other!]) await good.send(to, [good.name, n]);
    const answered: Frame[] = [];
    // The device answers what it is sent until the one comes that crashes it.
    for (let crashes = 0; crashes < 4; ) {
      const socket = await receiver!.connect();
      for (;;) {
        const message = await socket.next("message");
        if (message.id === poison) break;
        answered.push(message);
        socket.ack(message.id);
      }
      socket.terminate();
      await receiver!.offline();
      crashes += 1;
    }
    const socket = await receiver!.connect();
    const seen = () => answered.filter(({ from }) => from !== poisoner!.name);
    while (seen().length < 20) {
      const message = await socket.next(({ type, id }) => type === "message" && id !== poison, 60_000);
      answered.push(message);
      socket.ack(message.id);
    }
    for (const good of [one!, other!]) {
      const numbers = seen().filter(({ from }) => from === good.name).map(({ payload }) => payload[1]);
      expect(numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
    const { summary } = (await poisoner!.trace(poison)).is(200);
    expect(["held", "sent"]).toContain(Object.keys(summary)[0]);
  }, 120_000);
});

describe.concurrent("a window that the device asks for", () => {
  test("a device that takes one message a connection takes each once, and loses none", async () => {
    const [sender, receiver] = await relay.devices(2);
    for (let n = 1; n <= 14; n++) await sender!.send({ device: receiver!.name }, n);
    const came = [];
    for (let n = 1; n <= 14; n++) {
      const socket = await connectFor(receiver!, 1);
      expect(await socket.next("welcome")).toMatchObject({ max_in_flight: 1 });
      const { id, payload, attempt } = await socket.next("message");
      // Gone before it has room for the next one.
      const next = socket.seen.filter(({ type }) => type === "message").length;
      expect(next).toBe(1);
      (await receiver!.ack(id)).is(204);
      came.push([payload, attempt]);
      socket.terminate();
      await receiver!.offline();
    }
    expect(came.map(([payload]) => payload)).toEqual(Array.from({ length: 14 }, (_, n) => n + 1));
  }, 60_000);

  test("it holds after an eviction", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await connectFor(receiver!, 2);
    for (let n = 0; n < 4; n++) await sender!.send({ device: receiver!.name }, n);
    const [first] = await socket.messages(2);
    await relay.evict(receiver!);
    socket.ack(first!.id);
    await socket.next("message");
    expect((await receiver!.status()).is(200)).toMatchObject({ in_flight: 2, held: 1 });
  });

  test("one out of range is refused by name", async () => {
    const device = await relay.device();
    for (const window of ["0", "33", "many"]) {
      const refused = await device
        .open({ headers: { Authorization: `Bearer ${device.token}` } }, `?max_in_flight=${window}`)
        .then(() => undefined, (error: unknown) => error);
      expect(refused).toBeInstanceOf(HandshakeRefused);
      expect((refused as HandshakeRefused).status).toBe(400);
      expect((refused as HandshakeRefused).message).toContain("max_in_flight must be a whole number from 1 to 32");
    }
  });
});
