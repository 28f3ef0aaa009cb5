// Messages of one sender and one urgency arrive in the order in which they were accepted; higher urgency goes first.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("order", () => {
  test("held messages arrive on connect, oldest first, and the welcome counts them", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const ids = [];
    for (let n = 0; n < 10; n++) ids.push(await sender!.send(to, n));

    const socket = await receiver!.open();
    expect(await socket.next(() => true)).toEqual({
      type: "welcome",
      device: receiver!.name,
      held: 10,
      keepalive: 60,
      max_in_flight: 32,
    });
    const messages = await socket.messages(10);
    expect(messages.map(({ id }) => id)).toEqual(ids);
    expect(messages.map(({ payload }) => payload)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(messages.every(({ attempt }) => attempt === 1)).toBe(true);
  });

  test("messages to a device that is online arrive in the order of their acceptance", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const ids = [];
    for (let n = 0; n < 20; n++) ids.push(await sender!.send({ device: receiver!.name }, n));
    expect((await socket.messages(20)).map(({ id }) => id)).toEqual(ids);
  });

  test("messages published all at once arrive in the order in which they were accepted", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => sender!.send(to, n)));
    const messages = await (await receiver!.connect()).messages(20);
    const received = messages.map(({ id }) => id);
    expect([...received].sort()).toEqual([...ids].sort());
    const accepted = messages.map(({ sent_at }) => sent_at);
    expect(accepted).toEqual([...accepted].sort((a, b) => a - b));
    expect(received).toEqual([...received].sort());
  });

  test("held messages of higher urgency arrive first, and in order among themselves", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const urgencies = ["very-low", "low", "normal", "high", "high", undefined, "low", "very-low"];
    for (const [n, urgency] of urgencies.entries()) {
      await sender!.send(to, n, urgency === undefined ? {} : { urgency });
    }
    const messages = await (await receiver!.connect()).messages(8);
    expect(messages.map(({ payload, urgency }) => [payload, urgency])).toEqual([
      [3, "high"],
      [4, "high"],
      [2, "normal"],
      [5, "normal"],
      [1, "low"],
      [6, "low"],
      [0, "very-low"],
      [7, "very-low"],
    ]);
  });

  test("after a reconnect the unacknowledged messages come first, oldest first, as further attempts", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const unacked = [];
    for (let n = 0; n < 3; n++) unacked.push(await sender!.send(to, n));
    await socket.messages(3);
    socket.terminate();
    await receiver!.offline();
    const held = await sender!.send(to, "held");

    const messages = await (await receiver!.connect()).messages(4);

    expect(messages.map(({ id, attempt }) => [id, attempt])).toEqual([
      [unacked[0], 2],
      [unacked[1], 2],
      [unacked[2], 2],
      [held, 1],
    ]);
  });

  test("unacknowledged messages come before held ones of a higher urgency", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const unacked = await sender!.send(to, "unacked", { urgency: "low" });
    await socket.next("message");
    await socket.close();
    const urgent = await sender!.send(to, "urgent", { urgency: "high" });
    const messages = await (await receiver!.connect()).messages(2);
    expect(messages.map(({ id }) => id)).toEqual([unacked, urgent]);
  });
});
