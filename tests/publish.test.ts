// A publish is answered with what became of each delivery.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("publish", () => {
  test("a message to an offline device is held and answered 202", async () => {
    const [sender, receiver] = await relay.devices(2);
    const before = Date.now();
    const answer = await sender!.publish({ device: receiver!.name }, { rings: 1 });
    const after = Date.now();
    const message = answer.is(202);

    expect(message.id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
    const location = answer.headers.get("location")!;
    for (const base of ["https://push.example/", "https://push.example/below/a/path/"]) {
      const published = new URL(`v1/devices/${receiver!.name}/messages`, base);
      expect(new URL(location, published).href).toBe(`${base}v1/messages/${message.id}`);
    }
    expect(message.to).toEqual({ device: receiver!.name });
    expect(message.accepted_at).toBeGreaterThanOrEqual(before);
    expect(message.accepted_at).toBeLessThanOrEqual(after);
    expect(message.expires_at).toBe(message.accepted_at + 86_400_000);
    expect(message.deliveries).toEqual([
      { device: receiver!.name, state: "held", at: expect.any(Number), attempts: 0 },
    ]);
    expect(message.summary).toEqual({ held: 1 });
  });

  test("a message that an online device acknowledges is answered 200 with its reply", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    socket.answer((message) => ({ opened: message.payload.door }));

    const answer = await sender!.publish({ device: receiver!.name }, { door: "front" });

    const message = answer.is(200);
    expect(answer.headers.get("location")).toBe(`../../messages/${message.id}`);
    expect(message.deliveries).toEqual([
      {
        device: receiver!.name,
        state: "delivered",
        at: expect.any(Number),
        attempts: 1,
        reply: { opened: "front" },
      },
    ]);
    expect(message.summary).toEqual({ delivered: 1 });
  });

  test("a message that an online device refuses is answered 200 rejected with its reason", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const publish = sender!.publish({ device: receiver!.name }, "?", { wait: 10 });
    socket.nack((await socket.next("message")).id, "no such door");

    const message = (await publish).is(200);

    expect(message.deliveries).toMatchObject([{ state: "rejected", attempts: 1, reason: "no such door" }]);
    expect(message.summary).toEqual({ rejected: 1 });
  });

  test("the frame of a message says what it is, from whom, to whom and for how long", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const socket = await receiver!.connect();
    const message = (
      await sender!.publish({ tag }, [1, 2], { wait: 0, ttl: 60, topic: "door", urgency: "high" })
    ).is(202);

    expect(await socket.next("message")).toEqual({
      type: "message",
      id: message.id,
      from: sender!.name,
      to: { tag },
      sent_at: message.accepted_at,
      expires_at: message.accepted_at + 60_000,
      attempt: 1,
      urgency: "high",
      topic: "door",
      content_type: "application/json",
      payload: [1, 2],
    });
  });

  test("a message to a tag that no device has is answered unknown_tag", async () => {
    const sender = await relay.device();
    (await sender.publish({ tag: "nobody.here" }, {})).problem(404, "unknown_tag");
  });

  test("a message to a device that is not known is answered unknown_device", async () => {
    const sender = await relay.device();
    (await sender.publish({ device: "nobody-here" }, {})).problem(404, "unknown_device");
  });
});
