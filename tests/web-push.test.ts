// Web Push: an application server with an independent library at one end, a user agent at the other.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { describe, expect, test } from "vitest";
import webPush, { type Details } from "web-push";

import { UserAgent, pushUrl, subscribed as subscribedTo, type Subscription } from "./harness/agent.ts";
import { call } from "./harness/http.ts";
import { seconds, useRelay, type Answer } from "./harness/index.ts";

const PUSH_KEY = "a key for tests that is long enough";
const relay = useRelay({ vars: { PUSH_KEY } });
const off = useRelay();

const subject = "mailto:tests@example.org";
const vapidDetails = { subject, ...webPush.generateVAPIDKeys() };

/** Makes the request that the library has prepared. */
function send({ method, endpoint, headers, body }: Details, more: Record<string, string> = {}): Promise<Answer> {
  const { origin, pathname } = new URL(endpoint);
  const texts = Object.entries(headers).map(([name, value]) => [name, `${value}`]);
  return call(new URL(origin), method, pathname, { headers: { ...Object.fromEntries(texts), ...more }, body: body ?? "" });
}

const push = (to: Subscription, text: string | null, options?: Parameters<typeof webPush.generateRequestDetails>[2]) =>
  send(webPush.generateRequestDetails(to, text, { TTL: 60, ...options }));

const subscribed = (key?: string) => subscribedTo(relay, key);

describe.concurrent("web push", () => {
  test("a push of an independent library arrives, and its sender gets a URL and the TTL", async () => {
    const { agent, channel } = await subscribed();
    const answer = await push(channel, "it rings");
    expect(answer.status, `${answer}`).toBe(201);
    expect(answer.headers.get("ttl")).toBe("60");
    expect(answer.headers.get("location")).toMatch(new RegExp(`^${relay.url.origin}/m/[A-Za-z0-9_-]{131}$`));
    expect(answer.headers.get("access-control-expose-headers")).toMatch(/location.*ttl/);
    expect(await agent.message()).toBe("it rings");
  });

  test("both encodings and an empty push arrive as they were sent", async () => {
    const { agent, channel } = await subscribed();
    for (const contentEncoding of ["aes128gcm", "aesgcm"] as const) {
      (await push(channel, contentEncoding, { contentEncoding })).is(201);
      expect(await agent.message()).toBe(contentEncoding);
    }
    (await push(channel, null)).is(201);
    const empty = await agent.next("notification");
    expect(Object.keys(empty).sort()).toEqual(["channelID", "messageType", "version"]);
  });

  test("a channel that is bound to a key takes messages of that sender alone", async () => {
    const { agent, channel } = await subscribed(vapidDetails.publicKey);
    for (const contentEncoding of ["aes128gcm", "aesgcm"] as const) {
      (await push(channel, "mine", { vapidDetails, contentEncoding })).is(201);
      expect(await agent.message()).toBe("mine");
    }
    const other = { subject, ...webPush.generateVAPIDKeys() };
    const stolen = { ...other, publicKey: vapidDetails.publicKey };
    for (const details of [undefined, other, stolen]) {
      const answer = await push(channel, "theirs", details && { vapidDetails: details });
      expect(answer.is(401)).toMatchObject({ code: 401, errno: 109, error: "Unauthorized" });
      expect(answer.headers.get("www-authenticate")).toBe("vapid");
    }
    (await push(channel, "again", { vapidDetails })).is(201);
    expect(await agent.message()).toBe("again");
  });

  test("a wrong token is refused on any channel", async () => {
    const { channel } = await subscribed();
    (await push(channel, "x", { vapidDetails })).is(201);
    const elsewhere = webPush.generateRequestDetails({ ...channel, endpoint: "https://other.example/x" }, "x", { vapidDetails });
    expect((await send({ ...elsewhere, endpoint: channel.endpoint })).is(401).message).toContain("aud");
    expect((await send(webPush.generateRequestDetails(channel, "x"), { Authorization: `Bearer ${relay.adminKey}` })).is(401).errno).toBe(109);
  });

  test("a token that was valid makes none valid that differs from it", async () => {
    const { channel } = await subscribed();
    const details = webPush.generateRequestDetails({ ...channel }, "x", { vapidDetails });
    const { Authorization: authorization } = details.headers as { Authorization: string };
    for (let time = 0; time < 2; time++) (await send(details)).is(201);
    const [, token, key] = /^vapid t=([^,]+), k=(.+)$/.exec(authorization) ?? [];
    const [header, claims, signature] = String(token).split(".");
    const later = JSON.parse(Buffer.from(String(claims), "base64url").toString());
    later.exp += 60;
    const changed = Buffer.from(JSON.stringify(later)).toString("base64url");
    const turned = signature?.startsWith("A") ? `B${signature.slice(1)}` : `A${signature?.slice(1)}`;
    const other = webPush.generateVAPIDKeys().publicKey;
    for (const wrong of [
      `vapid t=${header}.${changed}.${signature}, k=${key}`,
      `vapid t=${header}.${claims}.${turned}, k=${key}`,
      `vapid t=${token}, k=${other}`,
    ]) {
      expect((await send(details, { Authorization: wrong })).is(401).errno).toBe(109);
    }
  });

  test("what is wrong with a push is said in the words and numbers of autopush", async () => {
    const { agent, channel } = await subscribed();
    const { headers, ...rest } = webPush.generateRequestDetails(channel, "x", { TTL: 60 });
    const without = (name: string) => Object.fromEntries(Object.entries(headers).filter(([known]) => known !== name));
    const refused: [number, number | null, Answer][] = [
      [400, 111, await send({ ...rest, headers: without("TTL") })],
      [400, 112, await send({ ...rest, headers }, { TTL: "soon" })],
      [400, 113, await send({ ...rest, headers }, { Topic: "a b" })],
      [400, null, await send({ ...rest, headers }, { Urgency: "urgent" })],
      [400, 110, await send({ ...rest, headers: without("Content-Encoding") })],
      [413, 104, await send({ ...rest, headers: without("Content-Length"), body: Buffer.alloc(5631) })],
      [404, 102, await send({ ...rest, headers, endpoint: channel.endpoint.slice(0, -1) })],
      [404, 102, await relay.request("DELETE", "/m/nothing")],
    ];
    for (const [code, errno, answer] of refused) {
      const more_info = `${relay.url.origin}/openapi.json`;
      expect(answer.is(code), `${answer}`).toEqual({
        code, errno, error: expect.any(String), message: expect.any(String), more_info,
      });
    }
    (await send({ ...rest, headers: without("Content-Length"), body: Buffer.alloc(5630) })).is(201);
    (await push(channel, "after", { headers: { Topic: "t" } })).is(201);
    await agent.next("notification");
    expect(await agent.message()).toBe("after");
  });

  test("a channel that was unregistered or revoked, or whose device was removed, is gone for good", async () => {
    const { device, agent, channel } = await subscribed();
    await agent.unregister(channel.channelID);
    const gone = await push(channel, "late");
    expect(gone.is(410)).toMatchObject({ errno: 106 });
    expect(gone.headers.get("cache-control")).toBe("max-age=86400");

    const second = await agent.subscribe(vapidDetails.publicKey);
    const path = `/v1/devices/${device.name}/channels`;
    const listed = (await device.request("GET", path)).is(200).channels;
    expect(listed).toEqual([{ channel: second.channelID, since: expect.any(Number), restricted: true }]);
    (await relay.admin("DELETE", `${path}/${second.channelID}`)).is(204);
    expect((await agent.next("unregister")).channelID).toBe(second.channelID);
    (await push(second, "late", { vapidDetails })).is(410);

    const third = await agent.subscribe();
    (await device.request("DELETE", path)).is(204);
    expect(await agent.closed()).toBe(1001);
    (await push(third, "late")).is(410);

    (await relay.admin("DELETE", `/v1/devices/${device.name}`)).is(204);
    expect((await push(third, "late")).is(410)).toMatchObject({ errno: 103 });
  });

  test("a message that is cancelled is not delivered", async () => {
    const { url, agent, channel } = await subscribed();
    agent.close();
    const location = (await push(channel, "cancelled")).headers.get("location")!;
    (await push(channel, "kept")).is(201);
    const { pathname } = new URL(location);
    (await relay.request("DELETE", pathname)).is(204);
    (await relay.request("DELETE", pathname)).is(204);
    expect(await (await agent.reconnect(url)).message()).toBe("kept");
  });

  test("a sender that asks for a receipt learns whether its message arrived, by one URL or by a stream", async () => {
    const { url, agent, channel } = await subscribed();
    const asks = { headers: { Prefer: "respond-async" } };
    const taken = await push(channel, "arrives", asks);
    expect(taken.status, `${taken}`).toBe(202);
    const path = (url: string) => new URL(url).pathname;
    const [, stream] = /^<([^>]+)>; rel="urn:ietf:params:push:receipt"$/.exec(taken.headers.get("link")!)!;
    const message = path(taken.headers.get("location")!);
    const open = await relay.request("GET", message);
    expect([open.status, open.headers.get("retry-after")]).toEqual([202, "60"]);
    const waits = relay.request("GET", message, { headers: { Prefer: "wait=20" } });
    const streams = relay.request("GET", path(stream!), { headers: { Prefer: "wait=2" } });
    expect(await agent.message()).toBe("arrives");
    expect((await waits).status).toBe(204);

    const read = (answer: Answer) => {
      expect(answer.headers.get("content-type")).toBe("text/event-stream");
      const events = answer.text.matchAll(/^id: (\d+)\nevent: receipt\ndata: (.+)$/gm);
      return [...events].map(([, id, data]) => ({ id: id!, ...JSON.parse(data!) }));
    };
    const [first] = read(await streams);
    expect(first).toMatchObject({ message: taken.headers.get("location"), status: 204, at: expect.any(Number) });
    agent.close();
    (await push(channel, "too late", { TTL: 0, ...asks })).is(202);
    const seen = { headers: { "Last-Event-ID": first.id, Prefer: "wait=0" } };
    const [second, ...none] = read(await relay.request("GET", path(stream!), seen));
    expect([second.status, none]).toEqual([410, []]);
    const last = { headers: { "Last-Event-ID": second.id, Prefer: "wait=0" } };
    expect((await relay.request("GET", path(stream!), last)).status).toBe(204);
    (await relay.request("GET", message)).is(404);
    expect((await push(channel, "x", { headers: { Link: "</r/nothing>; rel=\"urn:ietf:params:push:receipt\"" } })).is(400).message).toContain("Link");
    expect(url).toContain("/push/");
  });

  test("the example sends a push and says whether it was delivered", async () => {
    const { agent, channel } = await subscribed(vapidDetails.publicKey);
    const directory = mkdtempSync(join(tmpdir(), "tagpost-push-"));
    try {
      const file = join(directory, "subscription.json");
      writeFileSync(file, JSON.stringify(channel));
      const env = { ...process.env, VAPID_PUBLIC_KEY: vapidDetails.publicKey, VAPID_PRIVATE_KEY: vapidDetails.privateKey };
      for (const [code, output] of [[100, "delivered"], [101, "not delivered"]] as const) {
        const ended = new Promise<string>((resolve) => {
          execFile(process.execPath, ["examples/push.mjs", file, "it rings"], { env, timeout: 30_000 }, (_error, stdout) => resolve(stdout));
        });
        expect(await agent.message(code)).toBe("it rings");
        expect((await ended).trim()).toBe(output);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("a page may publish to its own endpoint, and a UnifiedPush client finds it", async () => {
    const { channel } = await subscribed();
    const { pathname } = new URL(channel.endpoint);
    const preflight = await relay.request("OPTIONS", pathname, { headers: { Origin: "https://page.example" } });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("ttl");
    expect(preflight.headers.get("access-control-allow-headers")).toContain("last-event-id");
    expect(preflight.headers.get("access-control-allow-methods")).toContain("POST");
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect((await relay.request("GET", pathname)).is(200)).toEqual({ unifiedpush: { version: 1 } });
    const head = await relay.request("HEAD", pathname);
    expect([head.status, head.text]).toEqual([200, ""]);
  });

  test("a user agent is answered with the subprotocol only if it offers it", async () => {
    const url = await pushUrl(await relay.device());
    expect((await relay.request("GET", new URL(url).pathname)).is(426).code).toBe(426);
    expect((await UserAgent.open(url)).protocol).toBe("push-notification");
    const silent = await UserAgent.open(url, []);
    expect(silent.protocol).toBe("");
    expect((await silent.hello()).status).toBe(200);
  });

  test("the newer of two user agents takes over, and the older one is told not to come back", async () => {
    const url = await pushUrl(await relay.device());
    const older = await UserAgent.connect(url);
    await UserAgent.connect(url);
    expect(await older.closed()).toBe(4774);
  });

  test("a push URL ends with the device's tokens, and when it expires", async () => {
    const { device, url, agent, channel } = await subscribed();
    (await relay.admin("DELETE", `/v1/devices/${device.name}/tokens`)).is(204);
    expect(await agent.closed()).toBe(4401);
    await expect(UserAgent.open(url)).rejects.toThrow("404");
    (await push(channel, "held")).is(201);
    const { push_url } = (await relay.admin("POST", `/v1/devices/${device.name}/push`, { expires_in: 4 })).is(200);
    const again = await agent.reconnect(push_url);
    expect(await again.message()).toBe("held");
    expect(await again.closed()).toBe(4401);
    await expect(UserAgent.open(push_url)).rejects.toThrow("404");
  });

  test("a push URL does not outlive the token that it was made with", async () => {
    const device = relay.minted({ exp: seconds() + 2 });
    const { push_url } = (await device.request("POST", `/v1/devices/${device.name}/push`, { body: { expires_in: 3600 } })).is(200);
    const agent = await UserAgent.connect(push_url);
    expect(await agent.closed()).toBe(4401);
  });

  test("only who may act for a device makes a URL for it", async () => {
    const [device, other] = await relay.devices(2);
    const path = `/v1/devices/${device!.name}/push`;
    (await relay.request("POST", path)).problem(401);
    (await other!.request("POST", path)).problem(403);
    (await device!.request("POST", path, { body: { expires_in: 0 } })).problem(400);
    (await relay.admin("POST", "/v1/devices/never-seen/push")).problem(404, "unknown_device");
    expect(relay.logs.filter(({ message }) => /push\/[A-Za-z0-9_-]{100}/.test(message))).toEqual([]);
  });

  test("without PUSH_KEY there is no Web Push", async () => {
    const { channel } = await subscribed();
    const { pathname } = new URL(channel.endpoint);
    for (const method of ["POST", "GET", "OPTIONS", "PUT"]) (await off.request(method, pathname)).problem(404, "not_found");
    (await off.request("GET", "/push/x")).problem(404, "not_found");
    (await off.request("DELETE", "/m/x")).problem(404, "not_found");
    (await off.request("DELETE", "/r/x")).problem(404, "not_found");
    for (const method of ["POST", "GET", "OPTIONS", "PUT"]) {
      (await off.request(method, "/_matrix/push/v1/notify")).problem(404, "not_found");
    }
    const device = await off.device();
    for (const [method, path] of [["POST", "push"], ["GET", "channels"], ["DELETE", "channels"]] as const) {
      (await device.request(method, `/v1/devices/${device.name}/${path}`)).problem(404, "not_found");
    }
  });
});
