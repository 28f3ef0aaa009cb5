// A message that is not acknowledged within ACK_TIMEOUT is sent again, MAX_ATTEMPTS times, then it is undeliverable.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { ACK_TIMEOUT: 1, MAX_ATTEMPTS: 3 } });

describe.concurrent("redelivery", () => {
  test("an unacknowledged message is sent again on the same connection after ACK_TIMEOUT", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const started = performance.now();
    const id = await sender!.send({ device: receiver!.name }, "x");
    expect(await socket.next("message")).toMatchObject({ id, attempt: 1 });
    expect(await socket.next("message")).toMatchObject({ id, attempt: 2, payload: "x" });
    expect(performance.now() - started).toBeGreaterThan(900);
    socket.ack(id);
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "delivered", attempts: 2 }]);
  });

  test("a message sent MAX_ATTEMPTS times without an acknowledgement is reported undeliverable", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    const id = await sender!.send({ device: receiver!.name }, "x");
    const receipt = await socket.next("receipt", 30_000);
    expect(receipt).toMatchObject({ id, device: receiver!.name, state: "undeliverable" });
    const attempts = receiving.seen.filter((frame) => frame.type === "message").map(({ attempt }) => attempt);
    expect(attempts).toEqual([1, 2, 3]);
    expect((await sender!.trace(id)).is(200).deliveries).toMatchObject([{ state: "undeliverable", attempts: 3 }]);
  });

  test("an undeliverable message is not sent again after a reconnect", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const id = await sender!.send(to, "x");
    expect((await sender!.settled(id, 30)).summary).toEqual({ undeliverable: 1 });
    socket.terminate();
    const again = await receiver!.connect();
    const end = await sender!.send(to, "end");
    expect((await again.next("message")).id).toBe(end);
  });

  test("a message that is never acknowledged does not stop the ones behind it", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const stuck = await sender!.send(to, "stuck");
    await socket.next("message");
    const publish = sender!.publish(to, "next", { wait: 10 });
    const next = await socket.next((frame) => frame.type === "message" && frame.id !== stuck);
    socket.ack(next.id);
    expect((await publish).is(200).summary).toEqual({ delivered: 1 });
    expect((await sender!.settled(stuck, 30)).summary).toEqual({ undeliverable: 1 });
  });

  test("a message polled and not acknowledged comes again, with the same id and a greater attempt", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "x");
    expect(await receiver!.inbox()).toMatchObject([{ id, attempt: 1 }]);
    expect(await receiver!.inbox({ wait: 10 })).toMatchObject([{ id, attempt: 2 }]);
    (await receiver!.ack(id)).is(204);
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "delivered", attempts: 2 }]);
  });
});

describe("redelivery with a window of one", () => {
  const narrow = useRelay({ vars: { ACK_TIMEOUT: 1, MAX_ATTEMPTS: 2, MAX_IN_FLIGHT: 1 } });

  test("a message that is never acknowledged delays others no longer than its attempts", async () => {
    const [sender, receiver] = await narrow.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const stuck = await sender!.send(to, "stuck");
    const ids = [await sender!.send(to, 1), await sender!.send(to, 2)];
    const came = await socket.messages(2);
    expect(came.map(({ id, attempt }) => [id, attempt])).toEqual([
      [stuck, 1],
      [stuck, 2],
    ]);
    for (const id of ids) {
      expect(await socket.next("message")).toMatchObject({ id, attempt: 1 });
      socket.ack(id);
      expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });
    }
    expect((await sender!.settled(stuck)).summary).toEqual({ undeliverable: 1 });
  });
});
