// The service killed and started again on the same storage has forgotten nothing that it answered for.

import { describe, expect, test } from "vitest";

import { deliverLate, mint, seconds, useRelay } from "./harness/index.ts";

const relay = useRelay();

describe("restart", () => {
  test("held messages are delivered after it, in order", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const ids = [await sender!.send(to, { n: 1 }), await sender!.send(to, "zwei"), await sender!.send(to, 3)];
    await relay.restart();
    expect((await sender!.trace(ids[0]!)).is(200).summary).toEqual({ held: 1 });
    const messages = await (await receiver!.connect()).messages(3);
    expect(messages.map(({ id, attempt }) => [id, attempt])).toEqual(ids.map((id) => [id, 1]));
    expect(messages.map(({ payload }) => payload)).toEqual([{ n: 1 }, "zwei", 3]);
  });

  test("a message in flight is sent again after it", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, "x");
    await socket.next("message");
    await relay.restart();
    await socket.closed();
    const again = await receiver!.connect();
    expect(await again.next("message")).toMatchObject({ id, attempt: 2 });
    again.ack(id);
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "delivered", attempts: 2 }]);
  });

  test("a message acknowledged before it is not sent again", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    socket.answer(() => "done");
    const fast = (await sender!.publish(to, 1, { wait: 10 })).is(200).id;
    const slow = (await sender!.publish(to, 2, { wait: 0 })).json.id;
    await sender!.settled(slow);
    await relay.restart();
    for (const id of [fast, slow]) {
      expect((await sender!.trace(id)).is(200).deliveries).toMatchObject([{ state: "delivered", reply: "done" }]);
    }
    const again = await receiver!.connect();
    const end = await sender!.send(to, "end");
    expect((await again.next("message")).id).toBe(end);
  });

  test("receipts that were not seen come after it, seen ones do not", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    const ids = [];
    for (let n = 0; n < 3; n++) ids.push(await deliverLate(sender!, receiver!, receiving, n));
    const first = await socket.next("receipt");
    socket.send({ type: "receipts_seen", seq: first.seq });
    await socket.close();
    await relay.restart();
    const again = await sender!.connect();
    const receipts = [await again.next("receipt"), await again.next("receipt")];
    expect(receipts.map(({ id, reply }) => [id, reply])).toEqual([
      [ids[1], 1],
      [ids[2], 2],
    ]);
  });

  test("an idempotency key is remembered across it", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const id = await sender!.send(to, "x", { key: "k" });
    await relay.restart();
    expect(await sender!.send(to, "x", { key: "k" })).toBe(id);
    (await sender!.publish(to, "y", { key: "k" })).problem(422, "idempotency_mismatch");
    expect((await receiver!.status()).is(200).held).toBe(1);
  });

  test("a publish that it interrupts can be repeated with its key and stays one message", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const broken = sender!.publish(to, "x", { key: "k", wait: 20 }).catch(() => undefined);
    const first = await socket.next("message");
    await relay.restart();
    expect(await broken).toBeUndefined();

    const again = await receiver!.connect();
    again.answer();
    const { id } = (await sender!.publish(to, "x", { key: "k", wait: 10 })).json;
    expect(id).toBe(first.id);
    expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });
    const end = (await sender!.publish(to, "end", { wait: 10 })).is(200);
    await again.next((frame) => frame.id === end.id);
    const ids = again.seen.filter(({ payload }) => payload === "x").map((message) => message.id);
    expect([...new Set(ids)]).toEqual([id]);
  });

  test("devices, tags and revocations are remembered across it", async () => {
    const [device, revoked] = await relay.devices(2);
    const tag = await relay.tag(device!, revoked!);
    (await relay.admin("DELETE", `/v1/devices/${revoked!.name}/tokens`)).is(204);
    await relay.restart();
    expect((await device!.status()).is(200)).toMatchObject({ online: false, tags: [tag] });
    (await revoked!.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    const old = relay.bearer(revoked!.name, mint(relay.tokenKey, { sub: revoked!.name, iat: seconds() - 60 }));
    (await old.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    expect((await device!.publish({ tag }, {}, { wait: 0 })).is(202).summary).toEqual({ held: 1 });
  });

  test("a message whose TTL ran out meanwhile expires without a request", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const id = await sender!.send(to, "x", { ttl: 1 });
    await relay.restart();
    expect((await sender!.settled(id)).summary).toEqual({ expired: 1 });
    expect(await (await sender!.connect()).next("receipt")).toMatchObject({ id, state: "expired" });
  });

  test("a message that expires while the service is down is never delivered", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const { id, expires_at } = (await sender!.publish(to, "old", { ttl: 1, wait: 0 })).is(202);
    const kept = await sender!.send(to, "kept");
    await relay.restart(expires_at);
    const socket = await receiver!.connect();
    expect((await socket.next("message")).id).toBe(kept);
    expect((await sender!.settled(id)).summary).toEqual({ expired: 1 });
  });
});
