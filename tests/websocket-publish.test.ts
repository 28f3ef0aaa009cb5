// A device publishes over its WebSocket with the same meaning as over HTTP.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("publish frame", () => {
  test("it is answered with a published frame that has its ref and the deliveries", async () => {
    const [sender, receiver] = await relay.devices(2);
    (await receiver!.connect()).answer(() => ({ opened: true }));
    const socket = await sender!.connect();
    socket.send({ type: "publish", ref: "a1", to: { device: receiver!.name }, payload: { ring: 1 } });
    expect(await socket.next("published")).toEqual({
      type: "published",
      ref: "a1",
      id: expect.stringMatching(/^[0-9A-Z]{26}$/),
      deliveries: [
        { device: receiver!.name, state: "delivered", at: expect.any(Number), attempts: 1, reply: { opened: true } },
      ],
      summary: { delivered: 1 },
    });
  });

  test("every field of it has the meaning of the header of the same name", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    const frame = {
      type: "publish",
      to: { tag },
      payload: ["x"],
      ttl: 60,
      topic: "door",
      urgency: "high",
      wait: 0,
      idempotency_key: "once",
    };
    socket.send({ ...frame, ref: "first" });
    const published = await socket.next("published");
    expect(published).toMatchObject({ ref: "first", summary: { sent: 1 } });

    const message = await receiving.next("message");
    expect(message).toMatchObject({
      id: published.id,
      from: sender!.name,
      to: { tag },
      topic: "door",
      urgency: "high",
      content_type: "application/json",
      payload: ["x"],
    });
    expect(message.expires_at - message.sent_at).toBe(60_000);

    socket.send({ ...frame, ref: "again" });
    expect(await socket.next("published")).toMatchObject({ ref: "again", id: published.id });
  });

  test("fields that are null or absent have their defaults", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    receiving.answer();
    const to = { device: receiver!.name };
    socket.send({ type: "publish", ref: "null", to, payload: 0, topic: null, idempotency_key: null });
    socket.send({ type: "publish", ref: "absent", to, payload: 1 });
    for (const message of await receiving.messages(2)) {
      expect(message).toMatchObject({ topic: null, urgency: "normal" });
      expect(message.expires_at - message.sent_at).toBe(86_400_000);
    }
    await socket.next((frame) => frame.type === "published" && frame.ref === "null");
    await socket.next((frame) => frame.type === "published" && frame.ref === "absent");
  });

  test("a string in it arrives as a string", async () => {
    const [sender, receiver] = await relay.devices(2);
    const [socket, receiving] = [await sender!.connect(), await receiver!.connect()];
    socket.send({ type: "publish", to: { device: receiver!.name }, payload: "ding", wait: 0 });
    const message = await receiving.next("message");
    expect(message.payload).toBe("ding");
    expect(message).not.toHaveProperty("encoding");
  });

  test("its message can be traced and listed over HTTP", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await sender!.connect();
    socket.send({ type: "publish", ref: "1", to: { device: receiver!.name }, payload: 0 });
    const { id } = await socket.next("published");
    expect((await sender!.trace(id)).is(200)).toMatchObject({ id, summary: { held: 1 } });
    expect((await sender!.request("GET", "/v1/messages")).is(200).messages).toMatchObject([{ id }]);
  });

  test("an unknown tag or device is an error with the ref", async () => {
    const socket = await (await relay.device()).connect();
    socket.send({ type: "publish", ref: "tag", to: { tag: "nobody.here" }, payload: 0 });
    expect(await socket.next("error")).toMatchObject({ code: "unknown_tag", ref: "tag" });
    socket.send({ type: "publish", ref: "device", to: { device: "nobody-here" }, payload: 0 });
    expect(await socket.next("error")).toMatchObject({ code: "unknown_device", ref: "device" });
  });

  test("a target outside the token's patterns is an error with the ref", async () => {
    const receiver = await relay.device();
    const socket = await relay.minted({ publish: ["kitchen"] }).connect();
    socket.send({ type: "publish", ref: "x", to: { device: receiver.name }, payload: 0 });
    expect(await socket.next("error")).toMatchObject({ code: "forbidden", ref: "x" });
    expect((await receiver.status()).is(200).held).toBe(0);
  });

  test("publishes of a device that cannot go through do not cost it its connection", async () => {
    const device = await relay.device();
    const socket = await device.connect();
    for (let n = 0; n < 12; n++) {
      socket.send({ type: "publish", ref: `${n}`, to: { tag: "nobody.here" }, payload: 0 });
      expect(await socket.next("error")).toMatchObject({ code: "unknown_tag", ref: `${n}` });
    }
    await socket.ping();
    expect(socket.isOpen).toBe(true);
  });

  test("many publishes on one socket at once each get their own answer", async () => {
    const [sender, receiver] = await relay.devices(2);
    (await receiver!.connect()).answer((message) => message.payload);
    const socket = await sender!.connect();
    const refs = Array.from({ length: 30 }, (_, n) => `r${n}`);
    for (const ref of refs) {
      socket.send({ type: "publish", ref, to: { device: receiver!.name }, payload: ref, wait: 10 });
    }
    for (const ref of refs) {
      const published = await socket.next((frame) => frame.type === "published" && frame.ref === ref);
      expect(published.deliveries).toMatchObject([{ state: "delivered", reply: ref }]);
    }
  });
});
