// Idempotency-Key: a repeated publish never makes a second message.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("Idempotency-Key", () => {
  test("a repeat gets the same id, and the device gets one message", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const first = (await sender!.publish(to, { n: 1 }, { key: "k" })).is(202);
    const repeat = (await sender!.publish(to, { n: 1 }, { key: "k" })).is(202);
    expect(repeat.id).toBe(first.id);
    expect(repeat.accepted_at).toBe(first.accepted_at);

    const end = await sender!.send(to, "end");
    const messages = await (await receiver!.connect()).messages(2);
    expect(messages.map(({ id }) => id)).toEqual([first.id, end]);
  });

  test("a repeat after the delivery is answered with the state of the message", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    socket.answer(() => "once");
    const first = (await sender!.publish(to, {}, { key: "k", wait: 10 })).is(200);
    const repeat = await sender!.publish(to, {}, { key: "k", wait: 10 });
    expect(repeat.is(200).deliveries).toEqual(first.deliveries);
    expect(repeat.headers.get("location")).toBe(`../../messages/${first.id}`);
    expect(socket.seen.filter(({ type }) => type === "message")).toHaveLength(1);
  });

  test("repeats at the same time are one message", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const publishes = Array.from({ length: 10 }, () => sender!.publish(to, "x", { key: "k", wait: 3 }));
    socket.ack((await socket.next("message")).id);
    const ids = new Set((await Promise.all(publishes)).map((answer) => answer.json.id));
    expect(ids.size).toBe(1);

    const end = await sender!.send(to, "end");
    expect((await socket.next("message")).id).toBe(end);
    expect((await sender!.request("GET", "/v1/messages")).is(200).messages).toHaveLength(2);
  });

  test("the same key with another body is refused and delivers nothing", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    await sender!.send(to, { n: 1 }, { key: "k" });
    (await sender!.publish(to, { n: 2 }, { key: "k" })).problem(422, "idempotency_mismatch");
    expect((await receiver!.status()).is(200).held).toBe(1);
  });

  test("the same key with another target is refused and delivers nothing", async () => {
    const [sender, receiver, other] = await relay.devices(3);
    const tag = await relay.tag(other!);
    await sender!.send({ device: receiver!.name }, {}, { key: "k" });
    (await sender!.publish({ device: other!.name }, {}, { key: "k" })).problem(422, "idempotency_mismatch");
    (await sender!.publish({ tag }, {}, { key: "k" })).problem(422, "idempotency_mismatch");
    expect((await other!.status()).is(200).held).toBe(0);
  });

  test("the same key of another sender is another message", async () => {
    const [one, other, receiver] = await relay.devices(3);
    const to = { device: receiver!.name };
    const ids = [await one!.send(to, {}, { key: "k" }), await other!.send(to, {}, { key: "k" })];
    const messages = await (await receiver!.connect()).messages(2);
    expect(messages.map(({ id }) => id)).toEqual(ids);
  });

  test("keys that differ only in case are different", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    expect(await sender!.send(to, {}, { key: "Key" })).not.toBe(await sender!.send(to, {}, { key: "key" }));
  });

  test("a repeat over the WebSocket of a publish over HTTP is the same message", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const id = await sender!.send(to, { n: 1 }, { key: "k" });
    const socket = await sender!.connect();
    socket.send({ type: "publish", ref: "r", to, payload: { n: 1 }, idempotency_key: "k" });
    expect(await socket.next("published")).toMatchObject({ ref: "r", id });
    socket.send({ type: "publish", ref: "s", to, payload: { n: 2 }, idempotency_key: "k" });
    expect(await socket.next("error")).toMatchObject({ ref: "s", code: "idempotency_mismatch" });
  });

  test("a publish that was refused may be repeated with the same key once it can succeed", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    await relay.unbind(tag, receiver!);
    (await sender!.publish({ tag }, {}, { key: "k" })).problem(404, "unknown_tag");
    await relay.bind(tag, receiver!);
    (await sender!.publish({ tag }, {}, { key: "k" })).is(202);
  });

  test("a key of 64 characters is taken as it is", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const key = "~!".repeat(32);
    expect(await sender!.send(to, {}, { key })).toBe(await sender!.send(to, {}, { key }));
  });
});
