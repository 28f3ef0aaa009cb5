// A user agent that is away, asleep, or whose service is killed.

import { setTimeout as sleep } from "node:timers/promises";

import { expect, test } from "vitest";
import webPush from "web-push";

import { UserAgent, type Subscription } from "./harness/agent.ts";
import { call } from "./harness/http.ts";
import { useRelay } from "./harness/index.ts";

// This class around the real one says what wakes a mailbox.
const OBSERVED = `
  import worker, { Mailbox as Product } from "./entry.js";
  export * from "./entry.js";
  export default worker;
  export class Mailbox extends Product {
    constructor(ctx, env) { super(ctx, env); console.log("woken"); }
    alarm(info) { console.log("woken"); return super.alarm(info); }
    webSocketMessage(socket, message) { console.log("woken"); return super.webSocketMessage(socket, message); }
  }
`;
const relay = useRelay({
  vars: { PUSH_KEY: "a key for tests that is long enough", PUBLIC_URL: "https://push.example" },
  wrap: { name: "observed.js", script: OBSERVED },
});

/** Longer than the ten seconds after which the platform hibernates an idle object. */
const UNTIL_ASLEEP = 14_000;

async function push(to: Subscription, text: string, options: object = {}): Promise<number> {
  const { method, endpoint, headers, body } = webPush.generateRequestDetails(to, text, { TTL: 60, ...options });
  const texts = Object.entries(headers).map(([name, value]) => [name, `${value}`]);
  const { pathname } = new URL(endpoint);
  return (await call(relay.url, method, pathname, { headers: Object.fromEntries(texts), body: body ?? "" })).status;
}

/** The URL leads to the public address; the test reaches the service at its own. */
async function urlOf(name: string): Promise<() => string> {
  const device = await relay.device(name);
  const { push_url } = (await device.request("POST", `/v1/devices/${device.name}/push`)).is(200);
  expect(push_url).toMatch(/^wss:\/\/push\.example\/push\//);
  return () => new URL(new URL(push_url).pathname, relay.url).href;
}

test("a URL that the service has not sealed wakes nothing", async () => {
  const woken = () => relay.logs.filter(({ message }) => message === "woken").length;
  const before = woken();
  const headers = { TTL: "60" };
  expect((await relay.request("POST", `/wpush/${"A".repeat(160)}`, { headers })).status).toBe(404);
  expect((await relay.request("GET", `/push/${"A".repeat(128)}`)).status).toBe(404);
  expect((await relay.request("DELETE", `/m/${"A".repeat(131)}`)).status).toBe(404);
  expect((await relay.request("DELETE", `/r/${"A".repeat(139)}`)).status).toBe(404);
  const forged = `https://push.example/wpush/${"A".repeat(160)}`;
  const body = { notification: { devices: [{ pushkey: forged }] } };
  expect((await relay.request("POST", "/_matrix/push/v1/notify", { body })).is(200).rejected).toEqual([forged]);
  expect(woken()).toBe(before);
});

test("a user agent that is away gets its messages in order, once, though the service was killed", async () => {
  const url = await urlOf("traveller");
  const agent = await UserAgent.connect(url());
  const channel = await agent.subscribe();
  expect(channel.endpoint).toMatch(/^https:\/\/push\.example\/wpush\/[A-Za-z0-9_-]{160}$/);
  agent.close();
  expect(await push(channel, "old", { topic: "news" })).toBe(201);
  expect(await push(channel, "now or never", { TTL: 0 })).toBe(201);
  for (const text of ["1", "2", "3"]) expect(await push(channel, text)).toBe(201);
  expect(await push(channel, "new", { topic: "news" })).toBe(201);
  await relay.restart();
  const again = await agent.reconnect(url());
  expect(again.id).toBe(agent.id);
  const texts = [];
  for (let count = 0; count < 4; count++) texts.push(await again.message());
  expect(texts).toEqual(["1", "2", "3", "new"]);
  // Its answer comes from the mailbox, after what was sent before it.
  again.send({ messageType: "ping" });
  await again.next(undefined);
  again.close();
  expect(await push(channel, "last")).toBe(201);
  expect(await (await again.reconnect(url())).message(), "what was acknowledged does not come again").toBe("last");
});

test("pings of an idle user agent wake nothing, and a push reaches it asleep", async () => {
  const alarms = relay.alarms();
  const url = await urlOf("sleeper");
  const agent = await UserAgent.connect(url());
  const channel = await agent.subscribe();
  const woken = () => relay.logs.filter(({ message }) => message === "woken").length;
  const before = woken();
  for (let waited = 0; waited < UNTIL_ASLEEP; waited += 2000) {
    await sleep(2000);
    await agent.ping();
  }
  expect(woken()).toBe(before);
  expect(relay.alarms(), "of another device").toEqual(alarms);
  expect(await push(channel, "wake up")).toBe(201);
  expect(await agent.message()).toBe("wake up");
  expect(woken(), "it had been asleep").toBeGreaterThan(before);
});
