// A bad frame gets an error frame and changes nothing; the tenth on one connection closes it with 4400.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();
const ID = "01JZZZZZZZZZZZZZZZZZZZZZZZ";

const BAD: [what: string, frame: unknown][] = [
  ["no JSON", "hello"],
  ["broken JSON", '{"type":"ack"'],
  ["empty", ""],
  ["JSON that is no object", "[1]"],
  ["a JSON string", '"ping"'],
  ["no type", { id: ID }],
  ["an unknown type", { type: "subscribe", id: ID }],
  ["a type that is no text", { type: 7 }],
  ["an ack without id", { type: "ack" }],
  ["an ack whose id is no ULID", { type: "ack", id: "x" }],
  ["a nack whose id is no text", { type: "nack", id: 7 }],
  ["a nack whose reason is no text", { type: "nack", id: ID, reason: {} }],
  ["progress for no whole number of seconds", { type: "progress", id: ID, for: 0.5 }],
  ["progress whose note is too long", { type: "progress", id: ID, note: "x".repeat(257) }],
  ["receipts_seen without seq", { type: "receipts_seen" }],
  ["receipts_seen whose seq is no number", { type: "receipts_seen", seq: "7" }],
  ["receipts_seen with a fraction", { type: "receipts_seen", seq: 1.5 }],
  ["a publish without to", { type: "publish", payload: 1 }],
  ["a publish to a tag and a device", { type: "publish", to: { tag: "a", device: "b" }, payload: 1 }],
  ["a publish to a name that is none", { type: "publish", to: { tag: "-" }, payload: 1 }],
  ["a publish without payload", { type: "publish", to: { tag: "a" } }],
  ["a publish whose ttl is text", { type: "publish", to: { tag: "a" }, payload: 1, ttl: "60" }],
  ["a publish whose urgency is unknown", { type: "publish", to: { tag: "a" }, payload: 1, urgency: "now" }],
  ["bytes", Uint8Array.of(0x7b, 0x7d)],
];

describe.concurrent("bad frames", () => {
  test.each(BAD)("%s is answered with an error, and the connection stays open", async (_, frame) => {
    const [sender, device] = await relay.devices(2);
    const socket = await device!.connect();
    socket.send(frame);
    const error = await socket.next("error");
    expect(error).toMatchObject({ type: "error", code: "bad_frame", detail: expect.any(String) });
    expect(error.detail).not.toBe("");
    socket.answer();
    (await sender!.publish({ device: device!.name }, {}, { wait: 10 })).is(200);
  });

  test("the error carries the frame's ref, and names the field", async () => {
    const socket = await (await relay.device()).connect();
    socket.send({ type: "publish", ref: "a1", to: { tag: "a" }, payload: 1, ttl: -1 });
    const error = await socket.next("error");
    expect(error).toMatchObject({ ref: "a1" });
    expect(error.detail).toContain("ttl");
  });

  test("a bad acknowledgement leaves the message unacknowledged", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, {});
    await socket.next("message");
    socket.send({ type: "nack", id, reason: 7 });
    await socket.next("error");
    expect((await sender!.trace(id)).is(200).summary).toEqual({ sent: 1 });
    socket.ack(id);
    expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });
  });

  test("a bad publish makes no message", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await sender!.connect();
    socket.send({ type: "publish", to: { device: receiver!.name }, payload: 1, urgency: "now" });
    await socket.next("error");
    expect((await receiver!.status()).is(200).held).toBe(0);
    expect((await sender!.request("GET", "/v1/messages")).is(200).messages).toEqual([]);
  });

  test("unknown fields of a good frame are ignored", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, {});
    await socket.next("message");
    socket.send({ type: "ack", id, reply: 1, colour: "red" });
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: 1 }]);
  });

  test("the tenth bad frame closes the connection with 4400, the ninth does not", async () => {
    const device = await relay.device();
    const socket = await device.connect();
    for (let n = 0; n < 9; n++) {
      socket.send(`bad ${n}`);
      await socket.next("error");
    }
    await socket.ping();
    socket.send("bad 9");
    expect((await socket.closed()).code).toBe(4400);
    await device.offline();
  });

  test("good frames in between do not hide the bad ones", async () => {
    const socket = await (await relay.device()).connect();
    for (let n = 0; n < 10; n++) {
      socket.send("bad");
      socket.ack(ID);
    }
    expect((await socket.closed()).code).toBe(4400);
  });

  test("the next connection starts counting anew", async () => {
    const device = await relay.device();
    for (let connection = 0; connection < 2; connection++) {
      const socket = await device.connect();
      for (let n = 0; n < 9; n++) {
        socket.send("bad");
        await socket.next("error");
      }
      await socket.ping();
      await socket.close();
    }
  });

  test("bad frames are counted across an eviction of the mailbox", async () => {
    const device = await relay.device();
    const socket = await device.connect();
    for (let n = 0; n < 5; n++) {
      socket.send("bad");
      await socket.next("error");
    }
    await relay.evict(device);
    for (let n = 0; n < 5; n++) socket.send("bad");
    expect((await socket.closed()).code).toBe(4400);
  });

  test("a frame of many megabytes is an error or the end of that connection, and harms no one", async () => {
    const [device, other, sender] = await relay.devices(3);
    const [socket, otherSocket] = [await device!.connect(), await other!.connect()];
    otherSocket.answer();
    socket.send({ type: "ack", id: ID, reply: "x".repeat(8 << 20) });
    await Promise.any([socket.next("error"), socket.closed()]);
    (await sender!.publish({ device: other!.name }, {}, { wait: 10 })).is(200);
    (await device!.connect()).answer();
    (await sender!.publish({ device: device!.name }, {}, { wait: 10 })).is(200);
  });
});
