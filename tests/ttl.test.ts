// TTL (RFC 8030, section 5.2): a message is kept that long, and never delivered after it.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("TTL", () => {
  test("TTL 0 to an offline device expires at once and is never delivered", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const message = (await sender!.publish(to, "now", { ttl: 0 })).is(200);
    expect(message.deliveries).toMatchObject([{ state: "expired", attempts: 0 }]);
    expect(message.expires_at).toBe(message.accepted_at);

    const later = await sender!.send(to, "later");
    expect((await (await receiver!.connect()).next("message")).id).toBe(later);
  });

  test("TTL 0 to an online device is delivered now", async () => {
    const [sender, receiver] = await relay.devices(2);
    (await receiver!.connect()).answer(() => "got it");
    const message = (await sender!.publish({ device: receiver!.name }, "now", { ttl: 0, wait: 10 })).is(200);
    expect(message.deliveries).toMatchObject([{ state: "delivered", reply: "got it" }]);
  });

  test("TTL 0 that an online device does not acknowledge expires and is not sent again", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const { id } = (await sender!.publish(to, "now", { ttl: 0 })).json;
    await socket.next("message");
    expect((await sender!.settled(id)).summary).toEqual({ expired: 1 });

    socket.terminate();
    const again = await receiver!.connect();
    const later = await sender!.send(to, "later");
    expect((await again.next("message")).id).toBe(later);
  });

  test("a held message that expires gives its sender a receipt", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await sender!.connect();
    const message = (await sender!.publish({ device: receiver!.name }, {}, { ttl: 1 })).is(202);
    const receipt = await socket.next("receipt");
    expect(receipt).toMatchObject({ id: message.id, device: receiver!.name, state: "expired" });
    expect(receipt.at).toBeGreaterThanOrEqual(message.expires_at);
    expect((await sender!.settled(message.id)).summary).toEqual({ expired: 1 });
  });

  test("a message that expired while it was held is not delivered on connect", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const id = await sender!.send(to, "old", { ttl: 1 });
    const kept = await sender!.send(to, "kept");
    await sender!.settled(id);
    const socket = await receiver!.connect();
    expect((await socket.next("message")).id).toBe(kept);
  });

  test("a message that nobody acknowledges expires, and an acknowledgement after that changes nothing", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, {}, { ttl: 1 });
    await socket.next("message");
    expect((await sender!.settled(id)).summary).toEqual({ expired: 1 });
    socket.ack(id, "too late");
    (await receiver!.ack(id, { reply: "much too late" })).is(204);
    const trace = (await sender!.trace(id)).is(200);
    expect(trace.summary).toEqual({ expired: 1 });
    expect(trace.deliveries[0]).not.toHaveProperty("reply");
  });

  test("the longest TTL is taken as it is", async () => {
    const [sender, receiver] = await relay.devices(2);
    const message = (await sender!.publish({ device: receiver!.name }, {}, { ttl: 2_592_000 })).is(202);
    expect(message.expires_at - message.accepted_at).toBe(2_592_000_000);
  });
});
