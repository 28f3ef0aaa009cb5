// A device without a WebSocket fetches its messages by long poll and acknowledges them over HTTP.

import { describe, expect, test } from "vitest";

import { useRelay, within } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("inbox", () => {
  test("it has the held messages, oldest first, in the form of the frames", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const first = (await sender!.publish({ tag }, { n: 1 }, { ttl: 60, topic: "t", urgency: "normal" })).is(202);
    const second = await sender!.send({ device: receiver!.name }, Uint8Array.of(1), { type: "image/png" });
    const messages = await receiver!.inbox();
    expect(messages).toHaveLength(2);
    expect(messages[0]).toMatchObject({
      id: first.id,
      from: sender!.name,
      to: { tag },
      sent_at: first.accepted_at,
      expires_at: first.expires_at,
      attempt: 1,
      urgency: "normal",
      topic: "t",
      content_type: "application/json",
      payload: { n: 1 },
    });
    expect(messages[1]).toMatchObject({ id: second, encoding: "base64", payload: "AQ==", topic: null });
  });

  test("fetched messages count as sent", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    await receiver!.inbox();
    expect((await receiver!.status()).is(200)).toMatchObject({ held: 0, in_flight: 1 });
    const trace = (await sender!.trace(id, 1)).is(200);
    expect(trace.deliveries).toMatchObject([{ state: "sent", attempts: 1 }]);
  });

  test("ack settles a message as delivered, with its reply", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    await receiver!.inbox();
    const answer = await receiver!.ack(id, { reply: { opened: true } });
    answer.is(204);
    expect(answer.text).toBe("");
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: { opened: true } }]);
  });

  test("ack without a body settles a message without a reply", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    await receiver!.inbox();
    (await receiver!.ack(id)).is(204);
    const [delivery] = (await sender!.settled(id)).deliveries;
    expect(delivery).toMatchObject({ state: "delivered" });
    expect(delivery).not.toHaveProperty("reply");
  });

  test("nack settles a message as rejected, with or without a reason", async () => {
    const [sender, receiver] = await relay.devices(2);
    const ids = [await sender!.send({ device: receiver!.name }, 1), await sender!.send({ device: receiver!.name }, 2)];
    await receiver!.inbox();
    (await receiver!.nack(ids[0]!, { reason: "closed" })).is(204);
    (await receiver!.nack(ids[1]!)).is(204);
    expect((await sender!.settled(ids[0]!)).deliveries).toMatchObject([{ state: "rejected", reason: "closed" }]);
    expect((await sender!.settled(ids[1]!)).deliveries).toMatchObject([{ state: "rejected" }]);
  });

  test("the receipt of an acknowledgement over HTTP reaches the sender's socket", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await sender!.connect();
    const id = await sender!.send({ device: receiver!.name }, {});
    await receiver!.inbox();
    (await receiver!.ack(id, { reply: 1 })).is(204);
    expect(await socket.next("receipt")).toMatchObject({ id, state: "delivered", reply: 1 });
  });

  test("an empty inbox is answered at once without a wait", async () => {
    const device = await relay.device();
    expect((await device.request("GET", "/v1/inbox")).is(200)).toEqual({ messages: [] });
  });

  test("wait answers as soon as a message arrives", async () => {
    const [sender, receiver] = await relay.devices(2);
    const waiting = receiver!.inbox({ wait: 60 });
    const id = await sender!.send({ device: receiver!.name }, "x");
    expect(await within(30_000, waiting)).toMatchObject([{ id, payload: "x", attempt: 1 }]);
    (await receiver!.ack(id)).is(204);
    expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });
  });

  test("wait answers with nothing when the time is up", async () => {
    const device = await relay.device();
    const started = performance.now();
    expect(await device.inbox({ wait: 1 })).toEqual([]);
    expect(performance.now() - started).toBeGreaterThan(900);
  });

  test("limit bounds how many come at a time, and the rest stay held", async () => {
    const [sender, receiver] = await relay.devices(2);
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push(await sender!.send({ device: receiver!.name }, n));
    const first = await receiver!.inbox({ limit: 2 });
    expect(first.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect((await receiver!.status()).is(200)).toMatchObject({ held: 3, in_flight: 2 });
    for (const { id } of first) (await receiver!.ack(id)).is(204);
    const second = await receiver!.inbox({ limit: 10 });
    expect(second.map(({ id }) => id)).toEqual(ids.slice(2));
  });

  test("messages of higher urgency come first", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    for (const urgency of ["low", "normal", "high"]) await sender!.send(to, urgency, { urgency });
    expect((await receiver!.inbox()).map(({ payload }) => payload)).toEqual(["high", "normal", "low"]);
  });

  test("an unknown or settled id is 204 as well", async () => {
    const [sender, receiver] = await relay.devices(2);
    const unknown = "01JZZZZZZZZZZZZZZZZZZZZZZZ";
    (await receiver!.ack(unknown)).is(204);
    (await receiver!.nack(unknown, { reason: "x" })).is(204);
    const id = await sender!.send({ device: receiver!.name }, {});
    await receiver!.inbox();
    (await receiver!.ack(id)).is(204);
    (await receiver!.ack(id)).is(204);
  });

  test("a body that is not well formed is 400 and settles nothing", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, {});
    await receiver!.inbox();
    (await receiver!.ack(id, "{")).problem(400, "bad_request");
    (await receiver!.nack(id, "[")).problem(400, "bad_request");
    expect((await receiver!.nack(id, { reason: 7 })).problem(400, "bad_request").detail).toContain("reason");
    expect((await sender!.trace(id, 1)).is(200).summary).toEqual({ sent: 1 });
  });

  test("a query that is not well formed is refused by name", async () => {
    const device = await relay.device();
    for (const [name, value] of [
      ["wait", "soon"],
      ["wait", "-1"],
      ["limit", "many"],
      ["limit", "0"],
    ]) {
      const answer = await device.request("GET", `/v1/inbox?${name}=${value}`);
      expect(answer.problem(400, "bad_request").detail).toContain(name);
    }
  });
});
