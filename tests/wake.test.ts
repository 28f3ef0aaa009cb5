// Wake-ups: a device that is away is knocked by its browser's push service, which learns nothing but that.

import { randomBytes } from "node:crypto";

import { describe, expect, test } from "vitest";

import { PushService, verified, type Reaction } from "./harness/push-service.ts";
import { seconds, until, useRelay, type Device } from "./harness/index.ts";

const service = new PushService();
const VAPID_KEY = randomBytes(32).toString("hex");
const PUBLIC_URL = "https://tagpost.example";
const relay = useRelay({ vars: { VAPID_KEY, PUBLIC_URL }, outbound: service.outbound });

/** A device that can be knocked; the push service answers like this, in this order. */
async function knockable(...reactions: Reaction[]) {
  const device = await relay.device();
  const subscription = service.subscription(device.name, ...reactions);
  (await device.request("PUT", `/v1/devices/${device.name}/wake`, { body: subscription })).is(201);
  return { device, subscription };
}

const list = async (device: Device) => (await device.request("GET", `/v1/devices/${device.name}/wake`)).is(200).wake;

/** The log lines of this event about a device. */
const logged = (event: string, device: Device) =>
  relay.logs.map(({ message }) => message).filter((line) => line.includes(`"${event}"`) && line.includes(device.name));

async function awaitLog(event: string, device: Device): Promise<string> {
  const lines = await until(`the log line ${event}`, async () => logged(event, device), ({ length }) => length > 0);
  return lines[0]!;
}

test("a message for a device that is away knocks, and the push service learns nothing else", async () => {
  const { device, subscription } = await knockable();
  const sender = await relay.device("secret-sender");
  await relay.bind("secret-tag", device);
  const options = { ttl: 600, urgency: "high", topic: "secret-topic" };
  const id = await sender.send({ tag: "secret-tag" }, { text: "secret-content" }, options);
  const [knock] = await service.knocked(subscription);
  const { authorization, ttl, urgency, topic, ...others } = knock!.headers;
  expect(knock).toMatchObject({ method: "POST", body: "" });
  expect({ urgency, topic }).toEqual({ urgency: "high", topic: "tagpost" });
  expect(Number(ttl)).toBeGreaterThan(500);
  expect(Number(ttl)).toBeLessThanOrEqual(600);
  expect(others["content-encoding"]).toBeUndefined();
  expect(JSON.stringify(knock)).not.toMatch(/secret/);
  expect(JSON.stringify(knock)).not.toContain(id);

  const { claims, key } = await verified(knock!);
  expect(claims).toMatchObject({ aud: "https://push.example", sub: PUBLIC_URL });
  expect(claims.exp! - seconds()).toBeLessThanOrEqual(86_400);
  expect(key).toBe((await relay.request("GET", "/v1/wake-key")).is(200).key);
  expect(Buffer.from(key, "base64url")).toHaveLength(65);
});

test("the trace shows that the device was woken, by which host, and the list shows when", async () => {
  const { device, subscription } = await knockable();
  const sender = await relay.device();
  const id = await sender.send({ device: device.name }, {});
  await service.knocked(subscription);
  const woken = async () => (await sender.trace(id)).is(200).timeline;
  const timeline = await until("a woken step", woken, (steps) => steps.length > 1);
  expect(timeline).toEqual([
    { device: device.name, event: "held", at: expect.any(Number), attempt: 0 },
    { device: device.name, event: "woken", at: expect.any(Number), host: "push.example" },
  ]);
  expect(await list(device)).toMatchObject([{ knocked_at: timeline[1].at }]);
  const [message] = await device.inbox();
  (await device.ack(message!.id)).is(204);
  const settled = await sender.settled(id);
  expect(settled.timeline.map(({ event }: { event: string }) => event)).toEqual(["held", "woken", "sent", "delivered"]);
});

test("one knock is for all messages until the device fetches them, and then the next knocks again", async () => {
  const { device, subscription } = await knockable();
  const sender = await relay.device();
  for (let n = 0; n < 5; n++) await sender.send({ device: device.name }, { n });
  await service.knocked(subscription);
  await until("its answer", () => list(device), ([{ knocked_at }]) => knocked_at !== null);
  expect(await device.inbox()).toHaveLength(5);
  expect(service.at(subscription)).toHaveLength(1);
  await sender.send({ device: device.name }, {});
  await service.knocked(subscription, 2);
});

test("a device that is connected is not knocked, and neither is one for an unimportant message", async () => {
  const { device, subscription } = await knockable();
  const sender = await relay.device();
  const socket = await device.connect();
  const id = await sender.send({ device: device.name }, {});
  socket.ack((await socket.next("message")).id);
  await sender.settled(id);
  await socket.close();
  await device.offline();
  for (const urgency of ["low", "very-low"]) await sender.send({ device: device.name }, {}, { urgency });
  expect((await device.status()).is(200).held).toBe(2);
  expect(service.at(subscription)).toEqual([]);
  await sender.send({ device: device.name }, {});
  expect(await service.knocked(subscription)).toHaveLength(1);
});

describe("the push service answers", () => {
  test.each([404, 410])("%i: the subscription is removed, and that is logged without its endpoint", async (status) => {
    const { device, subscription } = await knockable({ status });
    const sender = await relay.device();
    await sender.send({ device: device.name }, {});
    const line = await awaitLog("wake_subscription_gone", device);
    expect(JSON.parse(line)).toMatchObject({ service: "https://push.example", cause: `${status}` });
    expect(line).not.toContain(subscription.endpoint);
    expect(await list(device)).toEqual([]);
  });

  test.each([
    [429, () => "1"],
    [503, () => new Date(Date.now() + 1000).toUTCString()],
  ])("%i with Retry-After: it is asked again then", async (status, after) => {
    const { device, subscription } = await knockable({ status, headers: { "retry-after": after() } });
    const sender = await relay.device();
    await sender.send({ device: device.name }, {});
    expect(await service.knocked(subscription, 2)).toHaveLength(2);
    await until("its answer", () => list(device), ([{ knocked_at }]) => knocked_at !== null);
    expect(logged("knock_postponed", device)).toHaveLength(1);
  });

  test.each([301, 307])("%i: the redirect is not followed", async (status) => {
    const elsewhere = service.subscription("elsewhere");
    const { device, subscription } = await knockable({ status, headers: { location: elsewhere.endpoint } });
    const sender = await relay.device();
    await sender.send({ device: device.name }, {});
    await awaitLog("knock_refused", device);
    expect(service.at(subscription)).toHaveLength(1);
    expect(service.at(elsewhere)).toEqual([]);
    expect(await list(device)).toHaveLength(1);
  });

  test("403: it is not asked again, and the subscription stays", async () => {
    const { device } = await knockable({ status: 403 });
    const sender = await relay.device();
    await sender.send({ device: device.name }, {});
    expect(JSON.parse(await awaitLog("knock_refused", device))).toMatchObject({ cause: "403" });
    expect(await list(device)).toMatchObject([{ knocked_at: null }]);
  });

  test("nothing, or breaks the connection: the publish does not wait, and the knock is repeated", async () => {
    const [hanging, broken] = [await knockable("hangs"), await knockable("breaks")];
    const sender = await relay.device();
    for (const { device } of [hanging, broken]) await sender.send({ device: device.name }, {});
    for (const { device, subscription } of [hanging, broken]) {
      expect(await awaitLog("knock_postponed", device)).not.toContain(subscription.endpoint);
      await service.knocked(subscription, 2, 40_000);
    }
  }, 60_000);
});

test("a knock that has no answer when the service is killed is sent after the restart", async () => {
  const { device, subscription } = await knockable("hangs");
  const sender = await relay.device();
  await sender.send({ device: device.name }, {});
  await service.knocked(subscription);
  await relay.restart();
  await service.knocked(subscription, 2, 60_000);
}, 90_000);

describe("subscriptions:", () => {
  test("an endpoint is never shown again, and the same one keeps its id", async () => {
    const { device, subscription } = await knockable();
    const path = `/v1/devices/${device.name}/wake`;
    const [first] = await list(device);
    expect(first).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{12}$/), label: null, host: "push.example", created_at: expect.any(Number), knocked_at: null,
    });
    const again = await relay.admin("PUT", path, { ...subscription, label: "Ann's phone" });
    expect(again.is(200)).toEqual({ ...first, label: "Ann's phone" });
    expect(again.text).not.toContain(subscription.endpoint);
    expect(await list(device)).toEqual([{ ...first, label: "Ann's phone" }]);
  });

  test("a ninth is refused, and each can be removed, or all", async () => {
    const device = await relay.device();
    const path = `/v1/devices/${device.name}/wake`;
    const add = () => device.request("PUT", path, { body: service.subscription(device.name) });
    for (let n = 0; n < 8; n++) (await add()).is(201);
    (await add()).problem(422, "too_many_subscriptions");
    const [{ id }] = await list(device);
    (await device.request("DELETE", `${path}/${id}`)).is(204);
    (await device.request("DELETE", `${path}/${id}`)).is(204);
    expect(await list(device)).toHaveLength(7);
    (await add()).is(201);
    (await device.request("DELETE", path)).is(204);
    expect(await list(device)).toEqual([]);
    (await device.request("DELETE", `${path}/no-id`)).problem(400, "bad_request");
  });

  test("only the device itself and the operator may touch them", async () => {
    const { device } = await knockable();
    const other = await relay.device();
    const path = `/v1/devices/${device.name}/wake`;
    const body = service.subscription(other.name);
    const [{ id }] = await list(device);
    for (const [method, of] of [["GET", path], ["PUT", path], ["DELETE", path], ["DELETE", `${path}/${id}`]] as const) {
      (await other.request(method, of, { body: method === "PUT" ? body : undefined })).problem(403, "forbidden");
      (await relay.request(method, of)).problem(401, "unauthorized");
    }
    expect((await relay.admin("GET", path)).is(200).wake).toHaveLength(1);
    const nobody = "/v1/devices/nobody/wake";
    (await relay.admin("GET", nobody)).problem(404, "unknown_device");
    (await relay.admin("PUT", nobody, body)).problem(404, "unknown_device");
  });

  test("they go with the tokens that are revoked", async () => {
    const { device } = await knockable();
    const path = `/v1/devices/${device.name}`;
    (await relay.admin("DELETE", `${path}/tokens`)).is(204);
    expect((await relay.admin("GET", `${path}/wake`)).is(200).wake).toEqual([]);
  });

  test("they go with the device", async () => {
    const { device, subscription } = await knockable();
    (await relay.admin("DELETE", `/v1/devices/${device.name}`)).is(204);
    const again = await relay.device(device.name);
    expect(await list(again)).toEqual([]);
    const sender = await relay.device();
    await sender.send({ device: again.name }, {});
    expect((await again.status()).is(200).held).toBe(1);
    expect(service.at(subscription)).toEqual([]);
  });

  test.each([
    ["no endpoint", {}, "endpoint"],
    ["http", { endpoint: "http://push.example/x" }, "https"],
    ["a user name", { endpoint: "https://a@push.example/x" }, "user name"],
    ["a fragment", { endpoint: "https://push.example/#x" }, "fragment"],
    ["too long an endpoint", { endpoint: `https://push.example/${"x".repeat(2048)}` }, "2048"],
    ["a host of more than 253 bytes", { endpoint: `https://${"a.".repeat(127)}a/x` }, "253"],
    ["an address that is none", { endpoint: "https://999.999.999.999/x" }, "host"],
    ["an IPv6 address that is none", { endpoint: "https://[::zz]/x" }, "host"],
    ["an address in an unusual form", { endpoint: "https://127.1/x" }, "host"],
    ["a port with a sign", { endpoint: `${PUBLIC_URL}:+443/v1/devices` }, "port"],
    ["another path of the service itself", { endpoint: `${PUBLIC_URL}/v1/devices` }, "this service"],
    ["an array", ["https://push.example/x"], "not a JSON object"],
    ["too long a label", { endpoint: "https://push.example/x", label: "x".repeat(65) }, "label"],
  ])("%s is refused by name, and changes nothing", async (_, body, named) => {
    const device = await relay.device();
    const { detail } = (await device.request("PUT", `/v1/devices/${device.name}/wake`, { body })).problem(400, "bad_request");
    expect(detail).toContain(named);
    expect(await list(device)).toEqual([]);
  });

  test("a body that is too long is refused", async () => {
    const device = await relay.device();
    const body = { endpoint: "https://push.example/x", keys: { p256dh: "x".repeat(9_000) } };
    (await device.request("PUT", `/v1/devices/${device.name}/wake`, { body })).problem(413, "payload_too_large");
  });
});
