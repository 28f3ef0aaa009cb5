// EVENTS_TAG and AWAY_AFTER: what an operator wants to know arrives as messages of ~events at the devices of a tag.

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { fresh, until, useRelay, type Device, type Frame, type Socket } from "./harness/index.ts";
import { answers, Receiver } from "./harness/receiver.ts";

/** Seconds until a device without a connection is away. */
const AWAY_AFTER = 3;

const relay = useRelay({ vars: { EVENTS_TAG: "ops", AWAY_AFTER } });
const crashing = useRelay({ vars: { EVENTS_TAG: "ops" } });
const silent = useRelay();

/** A device that has the tag and acknowledges what it is told. */
async function listener(on = relay): Promise<{ device: Device; socket: Socket }> {
  const device = await on.device(fresh("listener"));
  await on.bind("ops", device);
  const socket = await device.connect();
  socket.answer();
  return { device, socket };
}

/** Whether a frame is an event of this type, whose data has this. */
const isEvent = (type: string, data: Record<string, unknown>) => ({ type: kind, from, payload }: Frame) =>
  kind === "message" && from === "~events" && payload.type === type && Object.entries(data).every(([name, value]) => payload.data[name] === value);

/** The events of this type that have come, each once, whose data has this. */
const cameOf = (socket: Socket, type: string, data: Record<string, unknown>) =>
  [...new Map(socket.seen.filter(isEvent(type, data)).map((frame) => [frame.id, frame])).values()];

/** The next event of this type, whose data has this. */
const eventOf = (socket: Socket, type: string, data: Record<string, unknown>, timeout?: number) => socket.next(isEvent(type, data), timeout);

/** Publishes a message that fails, since the receiver is not there. */
async function fail(sender: Device, receiver: Device): Promise<string> {
  const { id, summary } = (await sender.publish({ device: receiver.name }, {}, { ttl: 0 })).is(200);
  expect(summary).toEqual({ expired: 1 });
  return id;
}

describe("events", () => {
  test("a device that the operator registers is one, and so is one that registers itself", async () => {
    const { socket } = await listener();
    const created = await relay.device();
    const { id, from, to, urgency, payload } = await eventOf(socket, "device.registered", { device: created.name });
    expect({ from, to, urgency }).toEqual({ from: "~events", to: { tag: "ops" }, urgency: "normal" });
    expect(payload).toEqual({ type: "device.registered", timestamp: expect.any(Number), data: { device: created.name, by: "operator" } });
    expect(Math.abs(payload.timestamp - Date.now())).toBeLessThan(60_000);
    const own = relay.minted();
    await own.connect();
    const event = await eventOf(socket, "device.registered", { device: own.name });
    expect(event.payload.data.by).toBe("device");
    // Registering it again is none, and neither is anything about the listener's events.
    await relay.device(created.name);
    const trace = (await relay.admin("GET", `/v1/messages/${id}?wait=10`)).is(200);
    expect(trace.deliveries.map(({ state }: { state: string }) => state)).toContain("delivered");
    expect(cameOf(socket, "device.registered", { device: created.name })).toHaveLength(1);
    expect(cameOf(socket, "device.registered", { device: "~events" })).toEqual([]);
  });

  test("a delivery that fails is one, and one that its device rejects is not", async () => {
    const { socket } = await listener();
    const [sender, receiver] = await relay.devices(2);
    const receiving = await receiver!.connect();
    const publish = sender!.publish({ device: receiver!.name }, {}, { wait: 10 });
    receiving.nack((await receiving.next("message")).id, "no");
    (await publish).is(200);
    await receiving.close();
    const id = await fail(sender!, receiver!);
    const { payload } = await eventOf(socket, "delivery.failed", { sender: sender!.name });
    expect(payload.data).toEqual({ id, at: expect.any(Number), state: "expired", sender: sender!.name, device: receiver!.name });
    expect(cameOf(socket, "delivery.failed", { sender: sender!.name })).toHaveLength(1);
  });

  test("revoked tokens are one", async () => {
    const { socket } = await listener();
    const device = await relay.device();
    (await relay.admin("DELETE", `/v1/devices/${device.name}/tokens`)).is(204);
    const { payload } = await eventOf(socket, "tokens.revoked", { device: device.name });
    expect(payload.data).toEqual({ device: device.name });
  });

  test("one revoked token is one, with its id", async () => {
    const { socket } = await listener();
    const device = await relay.device();
    (await relay.admin("DELETE", `/v1/devices/${device.name}/tokens/0123456789abcdef`)).is(204);
    const { payload } = await eventOf(socket, "token.revoked", { device: device.name });
    expect(payload.data).toEqual({ device: device.name, jti: "0123456789abcdef" });
  });

  test("a device is away once an absence, and back after that", async () => {
    const { socket } = await listener();
    const device = await relay.device();
    await (await device.connect()).close();
    const closed = Date.now();
    const away = await eventOf(socket, "device.away", { device: device.name });
    const { since } = away.payload.data;
    expect(since).toBeLessThanOrEqual(closed);
    expect(away.payload.timestamp - since).toBeGreaterThanOrEqual(AWAY_AFTER * 1000);
    await relay.evict(device);
    await device.connect();
    const back = await eventOf(socket, "device.back", { device: device.name });
    expect(back.payload.data).toEqual({ device: device.name, since });
    expect(cameOf(socket, "device.away", { device: device.name })).toHaveLength(1);
  });

  test("more than ten of a type within a minute become one summary at its end", async () => {
    const { socket } = await listener();
    const [sender, receiver] = await relay.devices(2);
    for (let n = 0; n < 25; n++) await fail(sender!, receiver!);
    const { payload } = await eventOf(socket, "delivery.failed.summary", { device: sender!.name }, 90_000);
    const one = cameOf(socket, "delivery.failed", { sender: sender!.name });
    expect(one.length).toBeGreaterThanOrEqual(10);
    // On a slow machine they take more than a minute.
    expect(one.length + payload.data.count).toBe(25);
    expect(payload.data.until).toBeGreaterThan(payload.data.since);
  }, 150_000);

  test("no device has the name of their sender, and only the operator sees what it has sent", async () => {
    const { socket } = await listener();
    const device = await relay.device();
    const { id } = await eventOf(socket, "device.registered", { device: device.name });
    (await relay.admin("PUT", "/v1/devices/~events")).problem(400, "bad_request");
    (await relay.admin("PUT", "/v1/tags/ops/devices/~events")).problem(400, "bad_request");
    (await device.publish({ device: "~events" }, {})).problem(400, "bad_request");
    const impostor = relay.minted({}, "~events");
    (await impostor.request("GET", "/v1/messages")).problem(401, "unauthorized");
    (await impostor.request("GET", "/v1/devices/~events/messages")).problem(401, "unauthorized");
    (await device.request("GET", "/v1/devices/~events/messages")).problem(403, "forbidden");
    (await device.trace(id)).problem(404, "unknown_message");
    const { messages } = (await relay.admin("GET", "/v1/devices/~events/messages?limit=1000")).is(200);
    expect(messages.map((message: { id: string }) => message.id)).toContain(id);
    const { devices } = (await relay.admin("GET", "/v1/devices?limit=1000")).is(200);
    expect(devices.map((known: { device: string }) => known.device)).not.toContain("~events");
  });

  test("there are none about events: the failures of those are only listed", async () => {
    const { socket } = await listener();
    const absent = await relay.device(fresh("absent"));
    await relay.bind("ops", absent);
    const cause = await relay.device();
    const { id } = await eventOf(socket, "device.registered", { device: cause.name });
    (await relay.admin("DELETE", `/v1/devices/${absent.name}`)).is(204);
    const list = async () => (await relay.admin("GET", `/v1/failures?sender=~events&device=${absent.name}`)).is(200).failures;
    const failures = await until("the failure to be listed", list, (found) => found.some((failure: { id: string }) => failure.id === id));
    expect(failures.find((failure: { id: string }) => failure.id === id)).toMatchObject({ state: "refused", sender: "~events", tag: "ops" });
    // Whatever was told before this has come.
    const last = await relay.device();
    await eventOf(socket, "device.registered", { device: last.name });
    expect(cameOf(socket, "delivery.failed", { sender: "~events" })).toEqual([]);
  });

  test("a service that is killed loses none, and tells none twice", async () => {
    const before = await listener(crashing);
    const [sender, receiver] = await crashing.devices(2);
    await eventOf(before.socket, "device.registered", { device: receiver!.name });
    const ids: string[] = [];
    for (let kills = 0; kills < 3; kills++) {
      ids.push(await fail(sender!, receiver!));
      await crashing.restart();
    }
    const socket = await before.device.connect();
    socket.answer();
    // A call without an answer is repeated after 30 s.
    for (const id of ids) await eventOf(socket, "delivery.failed", { id }, 90_000);
    await until("no event to wait", () => crashing.rows(sender!.name), (rows) => rows.operator_events === 1, 90_000);
    const { messages } = (await crashing.admin("GET", "/v1/devices/~events/messages?limit=1000")).is(200);
    const seen = new Set(messages.map((message: { id: string }) => message.id));
    expect(cameOf(socket, "delivery.failed", { sender: sender!.name }).map(({ payload }) => payload.data.id).sort()).toEqual(ids.sort());
    // The listener, the two others, and the three failures.
    expect(seen.size).toBe(6);
  }, 240_000);
});

describe("events at an address", () => {
  const posting = useRelay({ vars: { EVENTS_TAG: "ops", AWAY_AFTER: 2, KEEPALIVE: 1, WEBHOOK_ALLOW_HTTP: "true" } });
  const receiver = new Receiver();
  beforeAll(async () => {
    await receiver.start();
    const device = await posting.device();
    await posting.bind("ops", device);
    (await posting.admin("PUT", `/v1/devices/${device.name}/webhook`, { url: receiver.url })).is(201);
  });
  afterAll(() => receiver.stop());

  /** The data of the first event of this type about a device. */
  async function posted(type: string, device: Device): Promise<Record<string, unknown>> {
    const all = async () => receiver.posted.map(({ body }) => JSON.parse(body.toString()));
    const isIt = (event: Frame) => event.type === type && event.data.device === device.name;
    return (await until(type, all, (events) => events.some(isIt), 30_000)).find(isIt)!.data;
  }

  test("a device that vanishes without closing its connection is away", async () => {
    const device = await posting.device();
    await device.connect();
    const opened = Date.now();
    const { since } = await posted("device.away", device);
    expect(since).toBeLessThanOrEqual(opened);
  });

  test("a webhook whose address is gone is one", async () => {
    const gone = new Receiver();
    await gone.start();
    try {
      gone.behave = answers(410);
      const [device, sender] = await posting.devices(2);
      (await posting.admin("PUT", `/v1/devices/${device!.name}/webhook`, { url: gone.url })).is(201);
      await sender!.send({ device: device!.name }, {});
      expect(await posted("webhook.disabled", device!)).toEqual({ device: device!.name, status: 410 });
    } finally {
      await gone.stop();
    }
  });
});

test("without EVENTS_TAG nothing is written or sent", async () => {
  const { socket } = await listener(silent);
  const [sender, receiver] = await silent.devices(2);
  await (await receiver!.connect()).close();
  await fail(sender!, receiver!);
  (await silent.admin("DELETE", `/v1/devices/${receiver!.name}/tokens`)).is(204);
  await sender!.send({ tag: "ops" }, "the last");
  await socket.next((frame) => frame.payload === "the last");
  expect(socket.seen.filter(({ from }) => from === "~events")).toEqual([]);
  for (const device of [sender!, receiver!]) expect(await silent.rows(device.name)).not.toHaveProperty("operator_events");
  expect(await silent.objects(), "the mailboxes of three devices").toHaveLength(3);
});
