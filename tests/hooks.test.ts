// Hooks: what a service that can only call a URL posts to one is published, as the device, to the hook's target.

import { describe, expect, test } from "vitest";

import { fresh, mint, seconds, until, useRelay, type Answer, type Device } from "./harness/index.ts";

const PUSH_KEY = "a key for tests that is long enough";
const relay = useRelay({ vars: { PUSH_KEY } });
const off = useRelay();
const slow = useRelay({ vars: { PUSH_KEY, PUBLISH_RATE: 1, PUBLISH_BURST: 2 } });
const narrow = useRelay({ vars: { PUSH_KEY, MAX_FANOUT: 2 } });
const named = useRelay({ vars: { PUSH_KEY, PUBLIC_URL: "https://push.example.org" } });

const hooksOf = (device: Device) => `/v1/devices/${device.name}/hooks`;

/** Makes a hook with the device's token; returns its path. */
async function hook(device: Device, terms: object): Promise<string> {
  return pathOf(await device.request("POST", hooksOf(device), { body: terms }));
}

const pathOf = (made: Answer) => new URL(made.is(200).url).pathname;

/** What a service posts: no credential, and the headers that it likes. */
const post = (path: string, body: unknown, headers: Record<string, string> = {}, service = relay) =>
  service.request("POST", path, { body, headers });

const text = { "Content-Type": "text/plain" };

describe.concurrent("hooks", () => {
  test("what is posted comes from the hook's device, with its options, and the answer is the id alone", async () => {
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    const socket = await receiver.connect();
    const terms = { to: { device: receiver.name }, ttl: 60, urgency: "high", topic: "door", name: "Door" };
    const made = await sender.request("POST", hooksOf(sender), { body: terms });
    expect(made.is(200)).toEqual({ url: expect.stringMatching(new RegExp(`^${relay.url.origin}/h/[A-Za-z0-9_-]{707}$`)) });

    const answering = post(pathOf(made), "it rings", { ...text, TTL: "7", Topic: "other", Urgency: "low", Prefer: "wait=0" });
    const message = await socket.next("message");
    socket.send({ type: "ack", id: message.id, reply: { secret: 1 } });
    const answer = await answering;
    expect(answer.is(200)).toEqual({ id: message.id });
    expect(answer.headers.get("location")).toBeNull();
    expect(message).toMatchObject({
      from: sender.name, to: { device: receiver.name }, urgency: "high", topic: "door", content_type: "text/plain", payload: "it rings",
    });
    expect(message.expires_at - message.sent_at).toBe(60_000);
    // The sender follows it like any message of its own.
    const [delivery] = (await sender.settled(message.id)).deliveries;
    expect(delivery).toMatchObject({ device: receiver.name, state: "delivered", reply: { secret: 1 } });
  });

  test("what is posted for devices that are away is held for all devices of the tag", async () => {
    const [sender, ...phones] = (await relay.devices(3)) as [Device, Device, Device];
    const tag = fresh("tag");
    for (const phone of phones) await relay.bind(tag, phone);
    const path = pathOf(await relay.admin("POST", hooksOf(sender), { to: { tag }, template: "text" }));
    const answer = await post(path, "Done.\n12 GB.");
    expect(answer.is(202)).toEqual({ id: expect.any(String) });
    for (const phone of phones) {
      const [message] = await phone.inbox();
      expect(message).toMatchObject({
        id: answer.json.id, from: sender.name, to: { tag }, content_type: "application/json", payload: { title: "Done.", body: "12 GB." },
      });
    }
  });

  test("what GitHub posts becomes a notification, as JSON and as a form, and other bodies pass as text", async () => {
    const device = await relay.device();
    const path = await hook(device, { to: { device: device.name }, template: "github" });
    const payload = JSON.stringify({
      action: "opened",
      issue: { number: 7, title: "It leaks", html_url: "https://github.com/o/r/issues/7" },
      repository: { full_name: "o/r" },
      sender: { login: "mira" },
    });
    const event = { "X-GitHub-Event": "issues" };
    const form = new URLSearchParams({ payload }).toString();
    await post(path, payload, { ...event, "Content-Type": "application/json" }).then((it) => it.is(202));
    await post(path, form, { ...event, "Content-Type": "application/x-www-form-urlencoded" }).then((it) => it.is(202));
    await post(path, "ünknown", text).then((it) => it.is(202));
    const issue = { title: "o/r: issue #7 opened", body: "It leaks\nby mira", url: "https://github.com/o/r/issues/7" };
    const payloads = (await device.inbox()).map((message) => message.payload);
    expect(payloads).toEqual([issue, issue, { title: "GitHub", body: "ünknown" }]);
  });

  test("a post is repeated with its key without a second message", async () => {
    const device = await relay.device();
    const path = await hook(device, { to: { device: device.name } });
    const key = { ...text, "Idempotency-Key": "build 7" };
    const first = (await post(path, "x", key)).is(202).id;
    expect((await post(path, "x", key)).is(202).id).toBe(first);
    (await post(path, "y", key)).problem(422, "idempotency_mismatch");
    expect(await device.inbox()).toHaveLength(1);
  });

  test("a key that the device or another hook has used is free for a hook", async () => {
    const device = await relay.device();
    const to = { device: device.name };
    const key = { ...text, "Idempotency-Key": "nightly" };
    const own = await device.request("POST", `/v1/devices/${device.name}/messages`, { body: "own", headers: key });
    const ids = [own.is(202).id];
    for (const body of ["one", "two"]) ids.push((await post(await hook(device, { to }), body, key)).is(202).id);
    const again = await device.request("POST", `/v1/devices/${device.name}/messages`, { body: "own", headers: key });
    expect(again.is(202).id).toBe(ids[0]);
    expect((await device.inbox()).map(({ id, payload }) => [id, payload])).toEqual(ids.map((id, n) => [id, ["own", "one", "two"][n]]));
  });

  test("a template reads a body that is longer than a payload may be", async () => {
    const device = await relay.device();
    const path = await hook(device, { to: { device: device.name }, template: "github" });
    const json = { "Content-Type": "application/json", "X-GitHub-Event": "star" };
    const body = JSON.stringify({ action: "created", repository: { full_name: "o/r" }, filler: "x".repeat(900_000) });
    (await post(path, body, json)).is(202);
    expect((await device.inbox()).map(({ payload }) => payload)).toEqual([{ title: "o/r: star created" }]);
    (await post(path, "x".repeat(1_048_577), json)).problem(413, "payload_too_large");
  });

  test("the rate of the device is that of its hooks, too", async () => {
    const device = await slow.device();
    const path = await hook(device, { to: { device: device.name } });
    for (const n of [1, 2]) (await post(path, `${n}`, text, slow)).is(202);
    const refused = await post(path, "3", text, slow);
    expect(refused.problem(429, "too_many_requests").detail).toBe("the device of the hook publishes too much");
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  test("a device makes hooks of itself, to what its token may publish to; the operator makes any", async () => {
    const [device, other] = (await relay.devices(2)) as [Device, Device];
    const tag = fresh("tag");
    await relay.bind(tag, other);
    const token = mint(relay.tokenKey, { sub: device.name, iat: seconds(), publish: [`@${device.name}`] });
    const ask = (of: Device, to: object) => device.request("POST", hooksOf(of), { token, body: { to } });
    (await ask(device, { tag })).problem(403, "forbidden");
    (await ask(other, { device: device.name })).problem(403, "forbidden");
    (await device.request("DELETE", hooksOf(other), { token })).problem(403, "forbidden");
    (await relay.request("POST", hooksOf(device), { body: { to: { tag } } })).problem(401, "unauthorized");
    await post(pathOf(await ask(device, { device: device.name })), "mine", text).then((it) => it.is(202));
    const any = await relay.admin("POST", hooksOf(device), { to: { tag } });
    (await post(pathOf(any), "theirs", text)).is(202);
    expect((await other.inbox()).map((message) => [message.from, message.payload])).toEqual([[device.name, "theirs"]]);
  });

  test("a hook that was revoked, or whose device or tokens are gone, is 404, as if it was never made", async () => {
    const device = await relay.device();
    const make = async () => pathOf(await relay.admin("POST", hooksOf(device), { to: { device: device.name } }));
    const invented = (await post(`/h/${"A".repeat(707)}`, "x", text)).problem(404, "not_found");
    const gone = async (path: string) => expect((await post(path, "x", text)).problem(404, "not_found")).toEqual(invented);
    const first = await make();
    const leaked = await make();
    expect(leaked, "a hook that is made anew has another URL").not.toBe(first);
    (await device.request("DELETE", hooksOf(device))).is(204);
    await gone(first);
    await gone(leaked);
    const second = await make();
    (await post(second, "x", text)).is(202);
    (await relay.admin("DELETE", `/v1/devices/${device.name}/tokens`)).is(204);
    await gone(second);
    const third = await make();
    (await post(third, "x", text)).is(202);
    (await relay.admin("DELETE", `/v1/devices/${device.name}`)).is(204);
    await gone(third);
    (await relay.admin("POST", hooksOf(device), { to: { device: "a" } })).problem(404, "unknown_device");
    (await relay.admin("DELETE", hooksOf(device))).problem(404, "unknown_device");
    // A hook brings no device back.
    (await relay.admin("GET", `/v1/devices/${device.name}`)).problem(404, "unknown_device");
  });

  test("a hook that was made with a token that expires ends with it", async () => {
    const device = await relay.device();
    const token = mint(relay.tokenKey, { sub: device.name, iat: seconds(), exp: seconds() + 2 });
    const made = await device.request("POST", hooksOf(device), { token, body: { to: { device: device.name }, ttl: 0 } });
    const path = pathOf(made);
    await until("the hook to expire", async () => (await post(path, "x", text)).status, (status) => status === 404);
  });

  test("a target to which nothing can be published is not named", async () => {
    const [device, ...others] = (await narrow.devices(4)) as [Device, ...Device[]];
    const tag = fresh("tag");
    const path = await hook(device, { to: { tag } });
    const refused = async (status: number, code: string) => {
      const answer = await post(path, "x", text, narrow);
      answer.problem(status, code);
      expect(answer.text).not.toContain(tag);
    };
    await refused(404, "not_found");
    await narrow.bind(tag, device);
    await refused(404, "not_found");
    for (const other of others) await narrow.bind(tag, other);
    await refused(422, "tag_too_large");
  });

  test("a request that went through this service already publishes nothing", async () => {
    const device = await relay.device();
    const path = await hook(device, { to: { device: device.name } });
    for (const via of [relay.url.origin, `https://other.example, ${relay.url.origin.toUpperCase()}`]) {
      (await post(path, "x", { ...text, "Tagpost-Via": via })).problem(508, "loop_detected");
    }
    expect(await device.inbox()).toEqual([]);
    (await post(path, "x", { ...text, "Tagpost-Via": `https://other.example,${relay.url.host}` })).is(202);

    const away = await named.device();
    const made = await away.request("POST", hooksOf(away), { body: { to: { device: away.name } } });
    expect(made.is(200).url).toMatch(/^https:\/\/push\.example\.org\/h\//);
    for (const via of ["https://push.example.org", named.url.origin]) {
      (await post(pathOf(made), "x", { ...text, "Tagpost-Via": via }, named)).problem(508, "loop_detected");
    }
  });

  test("what is wrong with a request is named, and nothing comes of it", async () => {
    const device = await relay.device();
    const to = { device: device.name };
    for (const [body, field] of [
      [{}, "to"], [{ to: { match: "a & b" } }, "to"], [{ to, ttl: -1 }, "ttl"], [{ to, template: "slack" }, "template"],
      [{ to, name: "x".repeat(65) }, "name"], [{ to, wait: 1 }, "wait"],
    ] as const) {
      expect((await device.request("POST", hooksOf(device), { body })).problem(400, "bad_request").detail).toContain(field);
    }
    (await device.request("POST", hooksOf(device), { body: { to, name: "x".repeat(3_000) } })).problem(413, "payload_too_large");
    const path = await hook(device, { to });
    const json = { "Content-Type": "application/json" };
    expect((await post(path, "{", json)).problem(400, "bad_request").detail).toContain("the body");
    (await post(path, "x".repeat(262_145), text)).problem(413, "payload_too_large");
    (await post(path, "x", { ...text, "Content-Encoding": "gzip" })).problem(415, "unsupported_media_type");
    expect(await device.inbox()).toEqual([]);
    expect((await relay.request("GET", path)).problem(405, "method_not_allowed")).toBeTruthy();
    const preflight = await relay.request("OPTIONS", path);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("idempotency-key");
  });

  test("without PUSH_KEY there are no hooks", async () => {
    const device = await off.device();
    (await device.request("POST", hooksOf(device), { body: { to: { device: device.name } } })).problem(404, "not_found");
    (await device.request("DELETE", hooksOf(device))).problem(404, "not_found");
    (await post("/h/x", "x", text, off)).problem(404, "not_found");
  });
});
