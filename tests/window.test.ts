// A device gets at most MAX_IN_FLIGHT unacknowledged messages at a time; the others wait, held.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { MAX_IN_FLIGHT: 2 } });

describe.concurrent("in-flight window", () => {
  test("a message over the window is held until an acknowledgement makes room", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.open();
    expect(await socket.next("welcome")).toMatchObject({ max_in_flight: 2 });

    const states = [];
    for (let n = 0; n < 4; n++) {
      states.push((await sender!.publish(to, n, { wait: 0 })).is(202).deliveries[0].state);
    }
    expect(states).toEqual(["sent", "sent", "held", "held"]);
    expect((await receiver!.status()).is(200)).toMatchObject({ in_flight: 2, held: 2 });

    const [first, second] = await socket.messages(2);
    await socket.ping();
    expect(socket.seen.filter(({ type }) => type === "message")).toHaveLength(2);

    socket.ack(second!.id);
    const third = await socket.next("message");
    expect(third).toMatchObject({ payload: 2, attempt: 1 });
    socket.ack(first!.id);
    expect(await socket.next("message")).toMatchObject({ payload: 3 });
  });

  test("held messages come in windows on connect, in order, without a gap or a repeat", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    for (let n = 0; n < 9; n++) await sender!.send(to, n);
    const socket = await receiver!.open();
    expect(await socket.next("welcome")).toMatchObject({ held: 9 });
    await socket.messages(2);
    await socket.ping();
    expect(socket.seen.filter(({ type }) => type === "message")).toHaveLength(2);
    socket.answer();
    for (const { id } of socket.seen.filter(({ type }) => type === "message")) socket.ack(id);
    await socket.messages(7);
    const payloads = socket.seen.filter(({ type }) => type === "message").map(({ payload }) => payload);
    expect(payloads).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
