// A header that is not well formed gets 400 with a detail that names it, and nothing is sent.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

const BAD: [header: string, value: string][] = [
  ["TTL", "-1"],
  ["TTL", "2592001"],
  ["TTL", "1.5"],
  ["TTL", "soon"],
  ["TTL", "99999999999999999999"],
  ["Topic", "has space"],
  ["Topic", "dotted.topic"],
  ["Topic", "x".repeat(33)],
  ["Urgency", "urgent"],
  ["Urgency", "HIGHEST"],
  ["Prefer", "wait=61"],
  ["Prefer", "wait=-1"],
  ["Prefer", "wait=soon"],
  ["Prefer", "respond-async, wait=100"],
  ["Idempotency-Key", "x".repeat(65)],
  ["Idempotency-Key", "tab\there"],
];

/** How white space may be around a header's value. */
const AROUND = [(value: string) => `${value} `, (value: string) => `${value}\t \t`, (value: string) => ` \t${value}`];

describe.concurrent("publish headers", () => {
  test.each(BAD)("%s: %s is refused by name and delivers nothing", async (header, value) => {
    const [sender, receiver] = await relay.devices(2);
    const answer = await sender!.publish({ device: receiver!.name }, {}, { headers: { [header]: value } });
    expect(answer.problem(400, "bad_request").detail).toContain(header);
    expect((await receiver!.status()).is(200).held).toBe(0);
  });

  test.each(BAD)("%s: %s in a frame is refused by the name of its field", async (header, value) => {
    const field = { TTL: "ttl", Topic: "topic", Urgency: "urgency", Prefer: "wait", "Idempotency-Key": "idempotency_key" }[
      header
    ]!;
    const text = header === "Prefer" ? value.replace(/^.*wait=/, "") : value;
    const number = header === "TTL" || header === "Prefer" ? Number(text) : NaN;
    const [sender, receiver] = await relay.devices(2);
    const socket = await sender!.connect();
    socket.send({
      type: "publish",
      ref: "r",
      to: { device: receiver!.name },
      payload: {},
      [field]: Number.isNaN(number) ? text : number,
    });
    const error = await socket.next("error");
    expect(error.ref).toBe("r");
    expect(error.detail.toLowerCase().replaceAll("-", "_")).toContain(field);
    expect((await receiver!.status()).is(200).held).toBe(0);
  });

  test.each([
    ["TTL", "60"],
    ["Topic", "door"],
    ["Urgency", "high"],
    ["Prefer", "wait=0"],
    ["Content-Type", "application/json"],
  ])("white space around %s is not part of its value", async (header, value) => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    for (const around of AROUND) {
      const headers = { Prefer: "wait=0", [header]: around(value) };
      (await sender!.publish(to, { ring: true }, { headers })).is(202);
    }
    // Those with the same topic are one.
    for (const message of await receiver!.inbox()) {
      expect(message).toMatchObject({ payload: { ring: true }, content_type: "application/json" });
      if (header === "Topic") expect(message.topic).toBe("door");
      if (header === "Urgency") expect(message.urgency).toBe("high");
      if (header === "TTL") expect(message.expires_at - message.sent_at).toBe(60_000);
    }
  });

  test("an Idempotency-Key with white space around it is the same key", async () => {
    const [sender, receiver] = await relay.devices(2);
    const ids = [];
    for (const around of [(value: string) => value, ...AROUND]) {
      const headers = { "Idempotency-Key": around("ring-1") };
      ids.push((await sender!.publish({ device: receiver!.name }, {}, { wait: 0, headers })).is(202).id);
    }
    expect(new Set(ids).size).toBe(1);
  });

  test.each([
    ["TTL", ["60", "60"]],
    ["Topic", ["a", "a"]],
    ["Urgency", ["low", "high"]],
    ["Idempotency-Key", ["a", "b"]],
    ["Content-Type", ["text/plain; charset=utf-8", "text/html"]],
  ])("%s that is given twice is refused by its name", async (header, values) => {
    const [sender, receiver] = await relay.devices(2);
    const headers = { [header]: values } as unknown as Record<string, string>;
    const answer = await sender!.publish({ device: receiver!.name }, {}, { wait: 0, headers });
    expect(answer.problem(400, "bad_request").detail).toContain(header);
    expect((await receiver!.status()).is(200).held).toBe(0);
  });

  test.each(["*/*", "application/*", "*/json"])("the media range %s is no Content-Type", async (type) => {
    const [sender, receiver] = await relay.devices(2);
    const answer = await sender!.publish({ device: receiver!.name }, "{}", { type });
    expect(answer.problem(400, "bad_request").detail).toContain("Content-Type");
    const socket = await sender!.connect();
    socket.send({ type: "publish", ref: "r", to: { device: receiver!.name }, payload: "{}", content_type: type });
    expect(await socket.next("error")).toMatchObject({ code: "bad_frame", detail: expect.stringContaining("content_type") });
    expect((await receiver!.status()).is(200).held).toBe(0);
  });

  test("the values at the edges of the ranges are taken", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    for (const options of [
      { ttl: 2_592_000 },
      { topic: "x".repeat(32) },
      { topic: "A-z_0" },
      { urgency: "very-low" },
      { wait: 60 },
      { key: "x".repeat(64) },
    ]) {
      (await sender!.publish(to, {}, options)).is(202);
    }
  });
});
