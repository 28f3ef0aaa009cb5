// POST /v1/messages/{id}/resend and GET /v1/messages/{id}/payload: what has failed is sent again.

import { describe, expect, test } from "vitest";

import { until, useRelay, type Device, type Trace } from "./harness/index.ts";

const relay = useRelay();

const resend = (device: Device, id: string, body?: unknown, headers: Record<string, string> = {}) =>
  device.request("POST", `/v1/messages/${id}/resend`, { body, headers: { Prefer: "wait=0", ...headers } });
const payload = (device: Device, id: string) => device.request("GET", `/v1/messages/${id}/payload`);

/** A message to these devices that all of them reject. */
async function rejected(sender: Device, devices: Device[], body: unknown, options = {}): Promise<string> {
  const tag = await relay.tag(...devices);
  const id = await sender.send({ tag }, body, { ttl: 3600, ...options });
  for (const device of devices) {
    const messages = await device.inbox();
    expect(messages.map((message) => message.id)).toContain(id);
    (await device.nack(id, { reason: "busy" })).is(204);
  }
  await sender.settled(id);
  return id;
}

describe("a resend", () => {
  test("goes to the devices that it failed for, with the same payload, and both traces say so", async () => {
    const [sender, one, other] = await relay.devices(3);
    const id = await rejected(sender!, [one!, other!], { ring: [1, "ä"] }, { urgency: "high", topic: "t" });
    const answer = await resend(sender!, id);
    const again: Trace = answer.is(202);
    expect(again).toMatchObject({ resend_of: id, to: { tag: expect.any(String) }, summary: { held: 2 } });
    expect(again.expires_at - again.accepted_at).toBe(3_600_000);
    expect(new URL(answer.headers.get("location")!, new URL(`/v1/messages/${id}/resend`, relay.url)).pathname).toBe(`/v1/messages/${again.id}`);
    const socket = await one!.connect();
    const message = await socket.next("message");
    expect(message).toMatchObject({ id: again.id, payload: { ring: [1, "ä"] }, urgency: "high", topic: null, content_type: "application/json" });
    expect((await sender!.trace(id)).is(200)).toMatchObject({ resent_as: [again.id] });
    const { failures } = await until(
      "the failures to be marked",
      async () => (await relay.admin("GET", `/v1/failures?sender=${sender!.name}`)).is(200),
      ({ failures }) => failures.some((it: { resent_as?: string }) => it.resent_as),
    );
    expect(failures.filter((it: { id: string }) => it.id === id).map((it: { resent_as?: string }) => it.resent_as)).toEqual([again.id, again.id]);
  });

  test("goes to some of them if they are named, even after the mailboxes were restarted", async () => {
    const [sender, one, other] = await relay.devices(3);
    const bytes = Uint8Array.from({ length: 300 }, (_, n) => n % 256);
    const id = await rejected(sender!, [one!, other!], bytes, { type: "image/png" });
    for (const device of [sender!, one!, other!]) await relay.evict(device);
    const again = (await resend(sender!, id, { devices: [other!.name] })).is(202);
    expect(again.deliveries).toMatchObject([{ device: other!.name, state: "held" }]);
    const [message] = await other!.inbox();
    expect(message).toMatchObject({ encoding: "base64", payload: Buffer.from(bytes).toString("base64") });
    expect(await one!.inbox()).toEqual([]);
  });

  test("is refused where nothing has failed, or is not kept", async () => {
    const [sender, online, offline] = await relay.devices(3);
    (await online!.connect()).answer();
    const { id } = (await sender!.publish({ device: online!.name }, {}, { wait: 10 })).is(200);
    (await resend(sender!, id)).problem(409, "nothing_failed");
    const failed = await rejected(sender!, [offline!], {});
    (await resend(sender!, failed, { devices: [online!.name] })).problem(409, "nothing_failed");
    for (const body of [[], { devices: [] }, { devices: ["a b"] }, { devices: offline!.name }]) {
      (await resend(sender!, failed, body)).problem(400, "bad_request");
    }
    (await resend(offline!, failed)).problem(404, "unknown_message");
    (await relay.admin("DELETE", `/v1/devices/${offline!.name}`)).is(204);
    (await resend(sender!, failed)).problem(410, "payload_gone");
    expect((await sender!.trace(failed)).is(200)).not.toHaveProperty("resent_as");
  });

  test("with an Idempotency-Key makes one message, however often it is repeated", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await rejected(sender!, [receiver!], "x");
    const key = { "Idempotency-Key": "again-1" };
    const answers = [];
    for (let n = 0; n < 3; n++) answers.push((await resend(sender!, id, undefined, key)).is(202).id);
    expect(new Set(answers).size).toBe(1);
    (await resend(sender!, id, { devices: [receiver!.name] }, key)).problem(422, "idempotency_mismatch");
    expect((await sender!.trace(id)).is(200).resent_as).toEqual([answers[0]]);
  });

  test("can be made by the operator, and by no token that may not publish to the target", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await rejected(sender!, [receiver!], "x");
    const narrow = await relay.device(sender!.name, { publish: ["elsewhere"] });
    (await resend(narrow, id)).problem(403, "forbidden");
    const again = (await relay.admin("POST", `/v1/messages/${id}/resend`)).is(202);
    expect((await sender!.trace(again.id)).is(200).resend_of).toBe(id);
  });

  test("to the devices of an escalation's step takes a token that may publish to that step's target", async () => {
    const [sender, first, boss] = await relay.devices(3);
    const headers = { Escalate: `@${boss!.name};after=1` };
    const id = await sender!.send({ device: first!.name }, "x", { ttl: 3600, headers });
    for (const device of [first!, boss!]) {
      expect(await device.inbox({ wait: 20 })).toMatchObject([{ id }]);
      (await device.nack(id)).is(204);
    }
    await sender!.settled(id);
    const narrow = await relay.device(sender!.name, { publish: [`@${first!.name}`] });
    (await resend(narrow, id)).problem(403, "forbidden");
    const wide = await relay.device(sender!.name, { publish: [`@${first!.name}`, `@${boss!.name}`] });
    expect((await resend(wide, id)).is(202).deliveries).toHaveLength(2);
  });

  test("of a message that the device rejected while its publish waited has its payload", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const publish = sender!.publish({ device: receiver!.name }, "first words", { wait: 10, type: "text/plain" });
    socket.nack((await socket.next("message")).id, "busy");
    const { id } = (await publish).is(200);
    const again = resend(sender!, id, undefined, { Prefer: "wait=10" });
    const message = await socket.next("message");
    expect(message.payload).toBe("first words");
    socket.ack(message.id, "now");
    expect((await again).is(200)).toMatchObject({ resend_of: id, deliveries: [{ state: "delivered", reply: "now" }] });
  });
});

describe("the payload of a message", () => {
  test("is what was published, while it waits and after it has failed", async () => {
    const [sender, receiver] = await relay.devices(2);
    const waiting = await sender!.send({ device: receiver!.name }, "Grüße\n", { type: "text/plain; charset=utf-8" });
    const answer = await payload(sender!, waiting);
    expect([answer.status, answer.text, answer.headers.get("content-type")]).toEqual([200, "Grüße\n", "text/plain; charset=utf-8"]);
    expect(answer.headers.get("content-security-policy")).toBe("sandbox");
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    const failed = await sender!.send({ device: receiver!.name }, { a: [1.5, null] }, { ttl: 1 });
    expect((await sender!.settled(failed)).summary).toEqual({ expired: 1 });
    expect((await payload(sender!, failed)).text).toBe('{"a":[1.5,null]}');
    const bytes = await fetch(new URL(`/v1/messages/${failed}/payload`, relay.url), { headers: { Authorization: `Bearer ${relay.adminKey}` } });
    expect([bytes.status, bytes.headers.get("content-type")]).toEqual([200, "application/json"]);
  });

  test("keeps every byte", async () => {
    const [sender, receiver] = await relay.devices(2);
    const bytes = Uint8Array.from({ length: 1000 }, (_, n) => (n * 7) % 256);
    const id = await sender!.send({ device: receiver!.name }, bytes, { type: "application/octet-stream" });
    const answer = await fetch(new URL(`/v1/messages/${id}/payload`, relay.url), { headers: { Authorization: `Bearer ${sender!.token}` } });
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(bytes);
  });

  test("of a scheduled message is there, and that of a delivered one is gone", async () => {
    const [sender, receiver] = await relay.devices(2);
    const later = (await sender!.publish({ device: receiver!.name }, "later", { headers: { Delay: "60" } })).is(202).id;
    expect((await payload(sender!, later)).text).toBe('"later"');
    (await receiver!.connect()).answer();
    const { id } = (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
    (await payload(sender!, id)).problem(410, "payload_gone");
    (await payload(receiver!, id)).problem(404, "unknown_message");
  });
});

test("the operator reads and cancels the messages of any device", async () => {
  const [sender, receiver] = await relay.devices(2);
  const ids = [];
  for (let n = 0; n < 3; n++) ids.unshift(await sender!.send({ device: receiver!.name }, n));
  const path = `/v1/devices/${sender!.name}/messages`;
  const page = (await relay.admin("GET", `${path}?limit=2`)).is(200);
  expect(page.messages.map(({ id }: Trace) => id)).toEqual(ids.slice(0, 2));
  const rest = (await sender!.request("GET", `${path}?cursor=${page.next}`)).is(200);
  expect(rest.messages.map(({ id }: Trace) => id)).toEqual(ids.slice(2));
  (await receiver!.request("GET", path)).problem(403, "forbidden");
  (await relay.admin("GET", "/v1/devices/nobody-at-all/messages")).problem(404, "unknown_device");
  expect((await relay.admin("DELETE", `/v1/messages/${ids[0]}`)).is(200).summary).toEqual({ cancelled: 1 });
  expect((await relay.admin("GET", `${path}?state=cancelled`)).is(200).messages.map(({ id }: Trace) => id)).toEqual([ids[0]]);
  (await relay.admin("DELETE", "/v1/messages/01JZZZZZZZZZZZZZZZZZZZZZZZ")).problem(404, "unknown_message");
});
