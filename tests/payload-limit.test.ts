// A payload is at most MAX_PAYLOAD_BYTES long, whichever way it comes in.

import { ReadableStream } from "node:stream/web";

import { expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const LIMIT = 1000;
const relay = useRelay({ vars: { MAX_PAYLOAD_BYTES: LIMIT } });

test("a payload of exactly the limit is taken", async () => {
  const [sender, receiver] = await relay.devices(2);
  const bytes = new Uint8Array(LIMIT).fill(7);
  await sender!.send({ device: receiver!.name }, bytes, { type: "application/octet-stream" });
  const message = await (await receiver!.connect()).next("message");
  expect(Buffer.from(message.payload, "base64")).toEqual(Buffer.from(bytes));
});

test("a payload over the limit is answered 413 and is not delivered", async () => {
  const [sender, receiver] = await relay.devices(2);
  const to = { device: receiver!.name };
  (await sender!.publish(to, "x".repeat(LIMIT + 1), { type: "text/plain" })).problem(413, "payload_too_large");
  expect((await receiver!.status()).is(200).held).toBe(0);
});

test("a payload over the limit that does not say its length is answered 413", async () => {
  const [sender, receiver] = await relay.devices(2);
  const body = new ReadableStream({
    start(controller) {
      for (let part = 0; part < 4; part++) controller.enqueue(new Uint8Array(LIMIT / 2));
      controller.close();
    },
  });
  const path = `/v1/devices/${receiver!.name}/messages`;
  (await sender!.request("POST", path, { body })).problem(413, "payload_too_large");
});

test("a payload over the limit in a frame gets an error with its ref and is not delivered", async () => {
  const [sender, receiver] = await relay.devices(2);
  const socket = await sender!.connect();
  socket.send({ type: "publish", ref: "big", to: { device: receiver!.name }, payload: "x".repeat(LIMIT + 1) });
  expect(await socket.next("error")).toMatchObject({ code: "payload_too_large", ref: "big" });
  expect((await receiver!.status()).is(200).held).toBe(0);
});
