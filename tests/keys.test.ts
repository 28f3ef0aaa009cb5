// Keys while they are changed, and the key that only reads.

import { describe, expect, test } from "vitest";

import { mint, seconds, Socket, useRelay, within, type Device } from "./harness/index.ts";

const OLD_ADMIN = "the admin key before this one";
const OLD_TOKEN = "the token key before this one";
const VIEWER = "a key for dashboards alone";
const KEYS = { ADMIN_KEY_OLD: OLD_ADMIN, TOKEN_KEY_OLD: OLD_TOKEN, VIEWER_KEY: VIEWER };

/** A device with a token that the key before has signed. */
const ofOldKey = (device: Device, relay: ReturnType<typeof useRelay>) =>
  relay.bearer(device.name, mint(OLD_TOKEN, { sub: device.name, iat: seconds() - 10 }));

describe("a key that is being changed", () => {
  const relay = useRelay({ vars: KEYS });

  test("tokens of the key before work on every way in, and new ones are signed with the new key", async () => {
    const device = await relay.device();
    const old = ofOldKey(device, relay);
    await old.inbox();
    (await old.publish({ device: device.name }, "hello")).is(202);
    const socket = await old.connect();
    await socket.next("message");
    await socket.close();
    const [header, claims, signature] = device.token.split(".");
    const said = JSON.parse(Buffer.from(claims!, "base64url").toString());
    expect(mint(relay.tokenKey, said).split(".")[2]).toBe(signature);
    expect(header).toBe(mint(relay.tokenKey, {}).split(".")[0]);
  });

  test("a token of the key before is revoked as any is", async () => {
    const device = await relay.device();
    const old = ofOldKey(device, relay);
    await old.inbox();
    (await relay.admin("DELETE", `/v1/devices/${device.name}/tokens`)).is(204);
    (await old.request("GET", "/v1/inbox")).problem(401, "unauthorized");
  });

  test("both admin keys do the operator's work", async () => {
    const device = await relay.device();
    for (const token of [relay.adminKey, OLD_ADMIN]) {
      (await relay.request("GET", `/v1/devices/${device.name}`, { token })).is(200);
      (await relay.request("PUT", `/v1/devices/${device.name}`, { token })).is(200);
    }
  });

  test("a key of one kind is none of another", async () => {
    for (const token of [OLD_TOKEN, mint(OLD_ADMIN, { sub: "cam", iat: seconds() }), mint(VIEWER, { sub: "cam", iat: seconds() })]) {
      (await relay.request("GET", "/v1/devices", { token })).problem(401, "unauthorized");
      (await relay.request("GET", "/v1/inbox", { token })).problem(401, "unauthorized");
    }
  });
});

describe("a key that was changed", () => {
  const relay = useRelay({ vars: KEYS });

  test("what it has signed and permitted ends once the old value is removed", async () => {
    const device = await relay.device();
    const old = ofOldKey(device, relay);
    await old.inbox();
    relay.limit({ ADMIN_KEY_OLD: relay.adminKey, TOKEN_KEY_OLD: relay.tokenKey });
    await relay.restart();
    (await old.request("GET", "/v1/inbox")).problem(401, "unauthorized");
    (await relay.request("GET", "/v1/devices", { token: OLD_ADMIN })).problem(401, "unauthorized");
    await device.inbox();
  });
});

describe("a viewer key that is another key", () => {
  const relay = useRelay();

  test("is refused with its name, since who may read would have all that key permits", async () => {
    relay.limit({ VIEWER_KEY: relay.adminKey });
    await relay.restart();
    (await relay.request("GET", "/v1/devices", { token: relay.adminKey })).problem(500, "internal");
    const told = relay.logs.map(({ message }) => message).filter((line) => line.includes("misconfigured"));
    expect(told.join()).toContain("VIEWER_KEY and ADMIN_KEY are the same");
    expect(told.join()).not.toContain(relay.adminKey);
  });
});

describe("the viewer key", () => {
  const relay = useRelay({
    vars: { ...KEYS, VAPID_KEY: "5".repeat(64), PUSH_KEY: "a key for tests that is long enough" },
  });
  const view = (method: string, path: string) => relay.request(method, path, { token: VIEWER });
  const watch = (device: Device, query = "") => {
    const url = new URL(`/v1/devices/${device.name}/watch${query}`, relay.url);
    return Socket.open(url, { protocols: ["tagpost.watch.v1"], headers: { Authorization: `Bearer ${VIEWER}` } });
  };

  test("reads what the operator reads", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const id = await sender!.send({ tag }, { secret: "of the payload" });
    for (const path of [
      "/v1/devices",
      `/v1/devices/${receiver!.name}`,
      `/v1/devices/${receiver!.name}/inbox`,
      `/v1/devices/${receiver!.name}/channels`,
      `/v1/devices/${receiver!.name}/wake`,
      `/v1/devices/${sender!.name}/messages`,
      "/v1/tags",
      `/v1/tags/${tag}?presence=true`,
      `/v1/messages/${id}`,
      "/v1/failures",
      "/v1/overview",
    ]) {
      const seen = await view("GET", path);
      expect(seen.is(200), path).toEqual((await relay.admin("GET", path)).is(200));
      expect(seen.text, path).not.toContain("of the payload");
      expect((await view("HEAD", path)).status, path).toBe(200);
    }
  });

  test("sees no payload, however it asks", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, { secret: "of the payload" });
    for (const path of [`/v1/messages/${id}/payload`, `/v1/devices/${receiver!.name}/inbox?payload=true`]) {
      (await relay.admin("GET", path)).is(200);
      const answer = await view("GET", path);
      answer.problem(403, "forbidden");
      expect(answer.text).not.toContain("of the payload");
    }
    await expect(watch(receiver!, "?payload=true")).rejects.toThrow("the handshake was answered 403");
  });

  test("watches a device without payloads", async () => {
    const [sender, receiver] = await relay.devices(2);
    const watcher = await watch(receiver!);
    await watcher.next("watching");
    await sender!.send({ device: receiver!.name }, { secret: "of the payload" });
    expect(await within(10_000, watcher.next("step"))).toMatchObject({ event: "held" });
    expect(JSON.stringify(watcher.seen)).not.toContain("of the payload");
  });

  test("does not see a webhook, whose address may be a secret", async () => {
    const device = await relay.device();
    (await view("GET", `/v1/devices/${device.name}/webhook`)).problem(403, "forbidden");
  });

  test("changes nothing, and does no device's work, on any path", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const id = await sender!.send({ tag }, {});
    const names: Record<string, string> = {
      device: receiver!.name,
      tag,
      id,
      jti: "0123456789abcdef",
      channel: "24cf03b3-f215-489e-8a5b-f3a5ec97785d",
      subscription: "0123456789ab",
    };
    const { paths } = (await relay.request("GET", "/openapi.json")).is(200);
    const tried: string[] = [];
    for (const [template, item] of Object.entries<any>(paths)) {
      for (const method of ["get", "put", "post", "delete"]) {
        const security: object[] = item[method]?.security ?? [];
        const permits = (scheme: string) => security.some((each) => scheme in each);
        if (permits("viewerKey") || !(permits("adminKey") || permits("deviceToken"))) continue;
        const path = template.replace(/\{(\w+)\}/g, (_, name: string) => names[name] ?? `no value for ${name}`);
        (await view(method.toUpperCase(), path)).problem(403, "forbidden");
        tried.push(`${method} ${template}`);
      }
    }
    expect(tried).toContain("delete /v1/devices/{device}/tokens/{jti}");
    expect(tried).toContain("put /v1/tags/{tag}/devices/{device}");
    expect((await sender!.trace(id)).is(200).summary).toEqual({ held: 1 });
  });

  test("does not connect as a device", async () => {
    const device = await relay.device();
    const opened = relay.bearer(device.name, VIEWER).open();
    await expect(opened).rejects.toThrow("the handshake was answered 403");
  });
});
