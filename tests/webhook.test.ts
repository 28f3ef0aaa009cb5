// A device that is an address: its messages are posted, and what the address answers is its answer.

import { createHmac } from "node:crypto";

import { afterEach, beforeEach, expect, test } from "vitest";

import { answers, Receiver } from "./harness/receiver.ts";
import { until, useRelay, type Device } from "./harness/index.ts";

const relay = useRelay({ vars: { WEBHOOK_ALLOW_HTTP: "true" } });

let receiver: Receiver;
beforeEach(async () => {
  receiver = new Receiver();
  await receiver.start();
});
afterEach(() => receiver.stop());

const path = (device: Device, rest = "") => `/v1/devices/${device.name}/webhook${rest}`;

/** A device that is the receiver's address. */
async function address(setting: object = {}): Promise<Device> {
  const device = await relay.device();
  const answer = (await relay.admin("PUT", path(device), { url: receiver.url, ...setting })).is(201);
  receiver.secrets.push(answer.secret);
  return device;
}

/** The steps of the one delivery of a message. */
const timeline = async (sender: Device, id: string) => (await sender.trace(id)).is(200).timeline;

test("a publish that waits returns what the address answers, and every request verifies", async () => {
  const device = await address();
  const sender = await relay.device();
  const tag = await relay.tag(device);
  const answer = await sender.publish({ tag }, { ring: true }, { wait: 10, urgency: "high", topic: "ring", ttl: 60 });
  const { id, deliveries } = answer.is(200);
  expect(deliveries).toMatchObject([{ device: device.name, state: "delivered", attempts: 1, reply: { got: { ring: true } } }]);
  const [posted] = receiver.posted;
  expect(posted!.verifiedBy).toEqual(receiver.secrets);
  expect(posted!.body.toString()).toBe('{"ring":true}');
  expect(posted!.headers).toMatchObject({
    "content-type": "application/json",
    "webhook-id": id,
    "tagpost-from": sender.name,
    "tagpost-tag": tag,
    "tagpost-urgency": "high",
    "tagpost-topic": "ring",
    "tagpost-attempt": "1",
    "tagpost-via": relay.url.origin,
    "tagpost-device": device.name,
  });
  expect(await relay.rows(device.name)).toEqual({ account: 1 });
});

test("bytes and text are posted as they were published", async () => {
  const device = await address();
  const sender = await relay.device();
  receiver.behave = answers(200, "taken", { "content-type": "text/plain" });
  const bytes = Buffer.from([0, 255, 10]);
  const answer = await sender.publish({ device: device.name }, bytes, { wait: 10, type: "application/octet-stream" });
  expect(answer.is(200).deliveries[0].reply).toBe("taken");
  (await sender.publish({ device: device.name }, "ä\n", { wait: 10, type: "text/plain" })).is(200);
  expect(receiver.posted.map(({ body }) => body)).toEqual([bytes, Buffer.from("ä\n")]);
  // This library verifies text alone. The signature is over the bytes all the same.
  expect(receiver.posted.map(({ verifiedBy }) => verifiedBy.length)).toEqual([0, 1]);
  const { headers } = receiver.posted[0]!;
  const key = Buffer.from(receiver.secrets[0]!.replace("whsec_", ""), "base64");
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), bytes]);
  expect(headers["webhook-signature"]).toBe(`v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
});

test("a rejection, and a failure that is tried again, are in the trace with their statuses", async () => {
  const device = await address();
  const sender = await relay.device();
  receiver.behave = answers(422, "no such door");
  const rejected = (await sender.publish({ device: device.name }, {}, { wait: 10 })).is(200);
  expect(rejected.deliveries).toMatchObject([{ state: "rejected", reason: "no such door" }]);
  // Longer than the pause after a first failure.
  receiver.behave = answers(503, "oops", { "retry-after": "7" });
  const id = await sender.send({ device: device.name }, {});
  await until("the failure", () => timeline(sender, id), (steps) => steps.some((step: any) => step.event === "attempted"));
  receiver.behave = answers(204);
  const { deliveries } = await sender.settled(id, 20);
  expect(deliveries).toMatchObject([{ state: "delivered", attempts: 2 }]);
  const steps = await timeline(sender, id);
  expect(steps.map(({ event, attempt, status }: any) => ({ event, attempt, status }))).toEqual([
    { event: "sent", attempt: 1, status: undefined },
    { event: "attempted", attempt: 1, status: 503 },
    { event: "sent", attempt: 2, status: undefined },
    { event: "delivered", attempt: 2, status: undefined },
  ]);
  expect(steps[2].at - steps[1].at).toBeGreaterThanOrEqual(7_000);
}, 40_000);

test("an address that works on a message until a date acknowledges it over HTTP", async () => {
  const device = await address();
  const sender = await relay.device();
  const sending = await sender.connect();
  const end = Date.now() + 60_000;
  receiver.behave = answers(202, "", { "retry-after": new Date(end).toUTCString() });
  const id = await sender.send({ device: device.name }, {});
  const told = await sending.next("progress");
  expect(told.id).toBe(id);
  // The header has whole seconds.
  expect(Math.abs(told.until - end)).toBeLessThan(3_000);
  expect((await sender.trace(id)).is(200).summary).toEqual({ in_progress: 1 });
  (await device.ack(id, { reply: "done" })).is(204);
  const { deliveries } = await sender.settled(id);
  expect(deliveries).toMatchObject([{ state: "delivered", attempts: 1, reply: "done" }]);
});

test("a secret is shown once, and the former one signs beside the new one", async () => {
  const device = await address();
  const sender = await relay.device();
  const again = (await relay.admin("PUT", path(device), { url: receiver.url, timeout: 5 })).is(200);
  const setting = { url: receiver.url, max_in_flight: 1, timeout: 5, events: ["message"] };
  expect(again).toEqual({ ...setting, disabled: null, tries: [] });
  expect((await relay.admin("GET", path(device))).is(200)).toEqual(again);
  const { secret } = (await relay.admin("POST", path(device, "/rotate"))).is(200);
  receiver.secrets.push(secret);
  (await sender.publish({ device: device.name }, {}, { wait: 10 })).is(200);
  expect(receiver.posted[0]!.verifiedBy).toEqual(receiver.secrets);
  expect(new Set(receiver.secrets).size).toBe(2);
});

test("an address is tried, and one that is gone is disabled until it is set again", async () => {
  const device = await address();
  const sender = await relay.device();
  receiver.behave = answers(410);
  expect((await relay.admin("POST", path(device, "/test"))).is(200)).toMatchObject({ status: 410, ms: expect.any(Number) });
  expect(JSON.parse(receiver.posted[0]!.body.toString())).toEqual({ type: "test", timestamp: expect.any(Number), data: {} });
  expect(receiver.posted[0]!.verifiedBy).toHaveLength(1);
  const id = await sender.send({ device: device.name }, { n: 1 });
  const gone = await until("the end", async () => (await relay.admin("GET", path(device))).is(200), (it) => it.disabled);
  expect(gone.disabled).toMatchObject({ status: 410, at: expect.any(Number) });
  (await sender.publish({ device: device.name }, { n: 2 }, { wait: 1 })).is(202);
  expect(receiver.posted).toHaveLength(2);
  receiver.behave = answers(204);
  (await relay.admin("PUT", path(device), { url: receiver.url })).is(200);
  expect((await sender.settled(id)).deliveries).toMatchObject([{ state: "delivered" }]);
});

test("a socket goes first, and what waits when it closes is posted", async () => {
  const device = await address();
  const sender = await relay.device();
  const socket = await device.connect();
  const id = await sender.send({ device: device.name }, { n: 1 });
  await socket.next((frame) => frame.type === "message");
  expect(receiver.posted).toEqual([]);
  socket.terminate();
  expect((await sender.settled(id, 20)).deliveries).toMatchObject([{ state: "delivered" }]);
  expect(receiver.posted.map(({ id }) => id)).toEqual([id]);
});

/** PILE sets how many messages the pile has. */
const PILE = Number(process.env.PILE ?? 100);

test("a pile drains in order, one at a time, and with sixteen in flight at once", async () => {
  for (const max_in_flight of [1, 16]) {
    const device = await relay.device();
    const sender = await relay.device();
    const ids: string[] = [];
    for (let n = 0; n < PILE; n += 1) ids.push(await sender.send({ device: device.name }, { n }));
    receiver.posted.length = 0;
    receiver.behave = (_, response) => setTimeout(() => response.end("ok"), 2);
    const { secret } = (await relay.admin("PUT", path(device), { url: receiver.url, max_in_flight })).is(201);
    receiver.secrets = [secret];
    await receiver.came(PILE, 60_000);
    for (const id of ids) await sender.settled(id);
    expect(receiver.posted.length, "each once").toBe(PILE);
    expect(receiver.posted.every(({ verifiedBy }) => verifiedBy.length === 1)).toBe(true);
    if (max_in_flight === 1) expect(receiver.posted.map(({ id }) => id)).toEqual(ids);
    const atOnce = Math.max(...receiver.posted.map((posted) => posted.atOnce));
    expect(atOnce).toBeLessThanOrEqual(max_in_flight);
    if (max_in_flight === 16) expect(atOnce).toBeGreaterThan(1);
  }
}, 120_000);

test("receipts of what the device has sent are posted until they are taken, one or several at a time", async () => {
  const setting = { url: receiver.url, events: ["receipt"] };
  const device = await address(setting);
  const others = await relay.devices(3);
  const tag = await relay.tag(...others);
  receiver.behave = answers(500);
  const { id } = (await device.publish({ tag }, {}, { wait: 0 })).is(202);
  for (const other of others) {
    expect(await other.inbox({ wait: 10 })).toHaveLength(1);
    (await other.ack(id, { reply: { by: other.name } })).is(204);
  }
  await device.settled(id);
  const [failed] = await receiver.came(1);
  expect(JSON.parse(failed!.body.toString())).toMatchObject({
    type: "receipt",
    timestamp: expect.any(Number),
    data: { seq: expect.any(Number), id, device: others[0]!.name, state: "delivered", reply: { by: others[0]!.name } },
  });
  receiver.behave = answers(204);
  receiver.posted.length = 0;
  // Setting it again ends the pause.
  (await relay.admin("PUT", path(device), setting)).is(200);
  const [taken] = await receiver.came(1);
  expect(taken!.verifiedBy).toHaveLength(1);
  const { type, data } = JSON.parse(taken!.body.toString());
  expect({ type, devices: data.map((receipt: any) => receipt.device) }).toEqual({
    type: "receipts",
    devices: others.map(({ name }) => name),
  });
}, 60_000);

test("an address that moves gets what was under way, and another owner gets another secret", async () => {
  const device = await address();
  const sender = await relay.device();
  let late: () => void = () => {};
  receiver.behave = (posted, response, request) => {
    late = () => answers(410)(posted, response, request);
  };
  const id = await sender.send({ device: device.name }, { n: 1 });
  await receiver.came(1);
  const moved = new Receiver();
  await moved.start();
  try {
    moved.behave = answers(204);
    const own = relay.minted({ webhook: true }, device.name);
    const { secret } = (await own.request("PUT", path(device), { body: { url: moved.url } })).is(201);
    expect(receiver.secrets).not.toContain(secret);
    moved.secrets = [...receiver.secrets, secret];
    expect((await sender.settled(id)).deliveries).toMatchObject([{ state: "delivered", attempts: 2 }]);
    late();
    (await sender.publish({ device: device.name }, { n: 2 }, { wait: 10 })).is(200);
    expect((await relay.admin("GET", path(device))).is(200).disabled).toBe(null);
    expect(moved.posted.map(({ verifiedBy }) => verifiedBy)).toEqual([[secret], [secret]]);
  } finally {
    await moved.stop();
  }
});

test("only the admin, and a token that says so, may set it", async () => {
  const device = await relay.device();
  const body = { url: receiver.url };
  (await device.request("PUT", path(device), { body })).problem(403, "forbidden");
  const own = relay.minted({ webhook: true }, device.name);
  const other = await relay.device();
  (await own.request("PUT", path(other), { body })).problem(403, "forbidden");
  (await own.request("PUT", path(device), { body })).is(201);
  (await own.request("GET", path(device))).is(200);
  (await relay.admin("DELETE", `/v1/devices/${device.name}/tokens`)).is(204);
  (await relay.admin("GET", path(device))).problem(404, "unknown_webhook");
});

test("a bad setting names its field and changes nothing", async () => {
  const device = await relay.device();
  for (const [body, field] of [
    [{}, "url"],
    [{ url: "ftp://hooks.example/" }, "url must be an https URL"],
    [{ url: "https://10.0.0.1/secret" }, "url must lead to a public host"],
    [{ url: relay.url.href }, "url must not lead to this service"],
    [{ url: "https://hooks.example/", max_in_flight: 17 }, "max_in_flight"],
    [{ url: "https://hooks.example/", timeout: 0 }, "timeout"],
    [{ url: "https://hooks.example/", events: ["news"] }, "news"],
  ] as const) {
    const problem = (await relay.admin("PUT", path(device), body)).problem(400, "bad_request");
    expect(problem.detail).toContain(field);
    expect(problem.detail).not.toContain("secret");
  }
  (await relay.admin("GET", path(device))).problem(404, "unknown_webhook");
  (await relay.admin("PUT", "/v1/devices/nobody/webhook", { url: receiver.url })).problem(404, "unknown_device");
  (await relay.admin("DELETE", path(device))).is(204);
});

// Of what the tests before have made of it.
test("no address, secret, payload or answer is in the log", () => {
  const lines = relay.logs.map(({ message }) => message).join("\n");
  expect(lines).toContain("webhook_gone");
  expect(lines).not.toMatch(/key=secret|whsec_|no such door|\bring\b/);
});
