// The body of a publish arrives as what its Content-Type says it is.

import { describe, expect, test } from "vitest";

import { fresh, useRelay, type Frame } from "./harness/index.ts";

const relay = useRelay();

/** Publishes `body` as it is to an online device and gives the frame that arrives. */
async function arrives(body: string | Uint8Array | undefined, headers: Record<string, string>): Promise<Frame> {
  const [sender, receiver] = await relay.devices(2);
  const socket = await receiver!.connect();
  const path = `/v1/devices/${receiver!.name}/messages`;
  (await sender!.request("POST", path, { body, headers: { Prefer: "wait=0", ...headers } })).is(202);
  return socket.next("message");
}

describe.concurrent("payload", () => {
  test.each([
    ["an object", { a: [1, "zwei", null, { deep: true }] }],
    ["an array", [1, 2.5, -3]],
    ["a string", "text in JSON"],
    ["a number", 42],
    ["a boolean", false],
    ["null", null],
    ["text beyond ASCII", { emoji: "🔔", "umläut": "ß\u2028\u0000" }],
  ])("%s in JSON arrives as JSON", async (_, value) => {
    const frame = await arrives(JSON.stringify(value), { "Content-Type": "application/json" });
    expect(frame.payload).toEqual(value);
    expect(frame.content_type).toBe("application/json");
    expect(frame).not.toHaveProperty("encoding");
  });

  test("JSON of a type of its own (+json) arrives as JSON", async () => {
    const frame = await arrives('{"x": 1}', { "Content-Type": "application/geo+json" });
    expect(frame).toMatchObject({ payload: { x: 1 }, content_type: "application/geo+json" });
  });

  test("JSON with line breaks between its parts arrives as the same JSON", async () => {
    const frame = await arrives('{\r\n  "x": [\n    1\n  ]\n}\n', { "Content-Type": "application/json" });
    expect(frame.payload).toEqual({ x: [1] });
  });

  test("a number beyond a double's precision arrives unchanged", async () => {
    const [sender, receiver] = await relay.devices(2);
    const body = '{"n":12345678901234567890.123456789}';
    await sender!.send({ device: receiver!.name }, body, { type: "application/json" });
    const inbox = await receiver!.request("GET", "/v1/inbox");
    inbox.is(200);
    expect(inbox.text).toContain(body);
  });

  test("text arrives as a string", async () => {
    const text = 'ding "dong"\nüber\t🔔';
    const frame = await arrives(text, { "Content-Type": "text/plain; charset=utf-8" });
    expect(frame).toMatchObject({ payload: text, content_type: "text/plain; charset=utf-8" });
    expect(frame).not.toHaveProperty("encoding");
  });

  test("a form as curl -d sends it arrives as a string", async () => {
    const frame = await arrives("door=front&rings=2", { "Content-Type": "application/x-www-form-urlencoded" });
    expect(frame.payload).toBe("door=front&rings=2");
    expect(frame.content_type).toBe("application/x-www-form-urlencoded");
    expect(frame).not.toHaveProperty("encoding");
  });

  test("bytes arrive in base64", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
    const frame = await arrives(bytes, { "Content-Type": "image/jpeg" });
    expect(frame).toMatchObject({ encoding: "base64", content_type: "image/jpeg" });
    expect(Buffer.from(frame.payload, "base64")).toEqual(Buffer.from(bytes));
  });

  test("bytes without a content type arrive in base64 as application/octet-stream", async () => {
    const frame = await arrives(Uint8Array.of(0, 255, 7), {});
    expect(frame).toMatchObject({ encoding: "base64", payload: "AP8H", content_type: "application/octet-stream" });
  });

  test("text that is not UTF-8 loses nothing on its way", async () => {
    const bytes = Uint8Array.of(0x67, 0xfc, 0x6e);
    const frame = await arrives(bytes, { "Content-Type": "text/plain" });
    expect(frame.encoding).toBe("base64");
    expect(Buffer.from(frame.payload, "base64")).toEqual(Buffer.from(bytes));
  });

  test("an empty body arrives as an empty payload", async () => {
    expect((await arrives(undefined, { "Content-Type": "text/plain" })).payload).toBe("");
    expect((await arrives(undefined, {})).payload).toBe("");
  });

  test("a body that is declared as JSON and is not gets 400 and is not delivered", async () => {
    const [sender, receiver] = await relay.devices(2);
    for (const body of ["{", "", "{} {}", "NaN", Uint8Array.of(0x22, 0xff, 0x22)]) {
      const answer = await sender!.publish({ device: receiver!.name }, body, { type: "application/json" });
      expect(answer.problem(400, "bad_request").detail).toMatch(/JSON/);
    }
    expect((await receiver!.status()).is(200).held).toBe(0);
  });

  test("a payload that was held arrives the same as one that was not", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    await sender!.send(to, { a: "ä" });
    await sender!.send(to, "plain", { type: "text/plain" });
    await sender!.send(to, Uint8Array.of(1, 2, 3), { type: fresh("application/x-") });
    const messages = await (await receiver!.connect()).messages(3);
    expect(messages.map(({ payload, encoding }) => [payload, encoding])).toEqual([
      [{ a: "ä" }, undefined],
      ["plain", undefined],
      ["AQID", "base64"],
    ]);
  });
});
