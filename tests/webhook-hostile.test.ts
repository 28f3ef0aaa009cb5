// Addresses that misbehave: each costs bounded time, changes nothing but its own delivery, and is named in the trace.

import { gzipSync } from "node:zlib";

import { afterAll, beforeAll, expect, test } from "vitest";

import { Receiver, type Behaviour } from "./harness/receiver.ts";
import { until, useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { WEBHOOK_ALLOW_HTTP: "true" } });
const receiver = new Receiver();
/** Where a redirect would lead. */
const inside = new Receiver();
beforeAll(async () => void (await Promise.all([receiver.start(), inside.start()])));
afterAll(async () => void (await Promise.all([receiver.stop(), inside.stop()])));

/** How each ends: the outcome of the first attempt, or the reply. */
const hostile: Record<string, [behave: Behaviour, outcome: object]> = {
  "a redirect to this machine": [
    (_, response) => response.writeHead(302, { location: inside.url }).end(),
    { error: "redirect" },
  ],
  "a redirect that keeps the method": [
    (_, response) => response.writeHead(307, { location: inside.url }).end(),
    { error: "redirect" },
  ],
  "an answer that never comes": [() => {}, { error: "timeout" }],
  "a body that drips": [
    (_, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write("x"), 100);
      response.once("close", () => clearInterval(drip));
    },
    { error: "timeout" },
  ],
  "a body without end": [
    (_, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      const pour = () => {
        while (!response.destroyed && response.write("x".repeat(16_384)));
      };
      response.on("drain", pour);
      pour();
    },
    { reply_truncated: true },
  ],
  "a body that stalls after 64 KiB, of which no more is read": [
    (_, response) => response.writeHead(200, { "content-type": "text/plain" }).write("x".repeat(65_536)),
    { reply_truncated: true },
  ],
  "a small body that unpacks to a large one": [
    (_, response) => {
      response.writeHead(200, { "content-encoding": "gzip", "content-type": "text/plain" });
      response.end(gzipSync(Buffer.alloc(50_000_000, "x")));
    },
    { reply_truncated: true },
  ],
  "a failure with a body without end": [
    (_, response) => {
      response.writeHead(500);
      const pour = () => {
        while (!response.destroyed && response.write("x".repeat(16_384)));
      };
      response.on("drain", pour);
      pour();
    },
    { status: 500 },
  ],
  "a connection that breaks before the answer": [(_, response) => response.destroy(), { error: "connect" }],
  "a connection that breaks within the body": [
    (_, response) => {
      response.writeHead(200, { "content-length": "1000" });
      response.write("x");
      setTimeout(() => response.destroy(), 100);
    },
    { error: "connect" },
  ],
  "what is no HTTP": [(_, __, request) => request.socket.end("SSH-2.0-OpenSSH_9.9\r\n"), { error: "connect" }],
  "headers without measure": [
    (_, __, request) => {
      request.socket.write("HTTP/1.1 200 OK\r\n");
      request.socket.end(`x-large: ${"x".repeat(2_000_000)}\r\n\r\n`);
    },
    { error: "connect" },
  ],
  "a Retry-After of ages": [
    (_, response) => response.writeHead(503, { "retry-after": "99999999999" }).end(),
    { status: 503 },
  ],
  "a Retry-After that is none": [(_, response) => response.writeHead(429, { "retry-after": "soon" }).end(), { status: 429 }],
  "headers that drip": [
    (_, response, request) => {
      request.socket.write("HTTP/1.1 200 OK\r\n");
      const drip = setInterval(() => request.socket.write("x-drip: 1\r\n"), 100);
      response.once("close", () => clearInterval(drip));
    },
    { error: "timeout" },
  ],
  "a redirect that leads back": [
    (_, response) => response.writeHead(301, { location: receiver.url }).end(),
    { error: "redirect" },
  ],
  "a status that nobody knows": [(_, response) => response.writeHead(799).end(), { status: 799 }],
  "a gzip that is none": [
    (_, response) => response.writeHead(200, { "content-encoding": "gzip" }).end("not gzip"),
    { error: "connect" },
  ],
  "a text that is no UTF-8": [
    (_, response) => response.writeHead(200, { "content-type": "text/plain" }).end(Buffer.from([0xff, 0x41, 0x00])),
    { state: "delivered", reply: "\ufffdA\u0000" },
  ],
  "JSON that is too deep": [
    (_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end("[".repeat(5_000) + "]".repeat(5_000));
    },
    { reply_truncated: true },
  ],
};

test.each(Object.entries(hostile))("%s", async (_, [behave, outcome]) => {
  receiver.behave = behave;
  const device = await relay.device();
  const sender = await relay.device();
  const path = `/v1/devices/${device.name}/webhook`;
  (await relay.admin("PUT", path, { url: receiver.url, timeout: 2 })).is(201);
  const answer = await sender.publish({ device: device.name }, {}, { wait: 1 });
  const { id } = answer.json;
  const ended = (step: any) => ["attempted", "delivered"].includes(step.event);
  const trace = await until(
    "the outcome",
    async () => (await sender.trace(id)).is(200),
    ({ timeline }) => timeline.some(ended),
    8_000,
  );
  const step = trace.timeline.find(ended);
  expect({ ...step, ...trace.deliveries[0] }).toMatchObject({ ...outcome, attempts: 1 });
  expect(inside.posted).toEqual([]);
  expect((await relay.request("GET", "/health")).status).toBe(200);
});

const failed = (step: any) => step.event === "attempted";

test("an address that nobody listens at", async () => {
  const device = await relay.device();
  const sender = await relay.device();
  (await relay.admin("PUT", `/v1/devices/${device.name}/webhook`, { url: "http://127.0.0.1:1024/" })).is(201);
  const id = await sender.send({ device: device.name }, {});
  const ask = async () => (await sender.trace(id)).is(200).timeline.find(failed);
  expect(await until("the failure", ask, (step) => step)).toMatchObject({ error: "connect", attempt: 1 });
});

test("an address that may not be asked any longer", async () => {
  const device = await relay.device();
  const sender = await relay.device();
  const path = `/v1/devices/${device.name}/webhook`;
  (await relay.admin("PUT", path, { url: receiver.url })).is(201);
  relay.limit({ WEBHOOK_ALLOW_HTTP: "false" });
  await relay.restart();
  receiver.posted.length = 0;
  for (const [url, wrong] of [[receiver.url, "https"], [receiver.url.replace("http:", "https:"), "public"]]) {
    expect((await relay.admin("PUT", path, { url })).problem(400, "bad_request").detail).toContain(wrong);
  }
  const id = await sender.send({ device: device.name }, {});
  const ask = async () => (await sender.trace(id)).is(200).timeline.find(failed);
  expect(await until("the failure", ask, (step) => step)).toMatchObject({ error: "address", attempt: 1 });
  expect(receiver.posted).toEqual([]);
});
