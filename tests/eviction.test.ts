// A mailbox that leaves memory keeps its sockets and forgets nothing: that is how hibernation works.

import { describe, expect, test } from "vitest";

import { deliverLate, useRelay } from "./harness/index.ts";

const relay = useRelay();

// An eviction waits until the object has answered what it was asked, and nothing else is answered meanwhile,
// so that these tests run one after another.
describe("eviction", () => {
  test("a message reaches a device through the socket it opened before", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    socket.answer(() => "awake");
    await relay.evict(receiver!);
    const answer = (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
    expect(answer.deliveries).toMatchObject([{ state: "delivered", attempts: 1, reply: "awake" }]);
    expect(socket.isOpen).toBe(true);
  });

  test("the device stays online", async () => {
    const device = await relay.device();
    await device.connect();
    const before = (await device.status()).is(200);
    await relay.evict(device);
    expect((await device.status()).is(200)).toMatchObject({ online: true, connected_at: before.connected_at });
  });

  test("a message in flight can be acknowledged after it, and is not sent twice on the same socket", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const id = await sender!.send(to, {});
    await socket.next("message");
    await relay.evict(receiver!);
    expect((await receiver!.status()).is(200)).toMatchObject({ in_flight: 1, held: 0 });
    const end = await sender!.send(to, "end");
    expect((await socket.next("message")).id).toBe(end);
    socket.ack(id, "remembered");
    expect((await sender!.settled(id)).deliveries).toMatchObject([
      { state: "delivered", attempts: 1, reply: "remembered" },
    ]);
  });

  test("a message in flight that is never acknowledged is sent again after a reconnect", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, {});
    await socket.next("message");
    await relay.evict(receiver!);
    socket.terminate();
    expect(await (await receiver!.connect()).next("message")).toMatchObject({ id, attempt: 2 });
  });

  test("an unseen receipt is sent again, a seen one is not", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    for (let n = 0; n < 2; n++) await deliverLate(sender!, receiver!, receiving, n);
    const [first, second] = [await socket.next("receipt"), await socket.next("receipt")];
    await relay.evict(sender!);
    socket.send({ type: "receipts_seen", seq: first.seq });
    await socket.close();
    expect(await (await sender!.connect()).next("receipt")).toEqual(second);
  });

  test("a receipt reaches a sender whose mailbox was evicted, through the socket it opened before", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await sender!.connect();
    const id = await sender!.send({ device: receiver!.name }, {});
    await relay.evict(sender!);
    (await receiver!.connect()).answer(() => "late");
    expect(await socket.next("receipt")).toMatchObject({ id, state: "delivered", reply: "late" });
  });

  test("a held message expires although its mailbox was evicted", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await sender!.connect();
    const id = await sender!.send({ device: receiver!.name }, {}, { ttl: 1 });
    await Promise.all([relay.evict(sender!), relay.evict(receiver!)]);
    expect(await socket.next("receipt")).toMatchObject({ id, state: "expired" });
  });
});
