// Wake-ups with this service as the push service: the knock does not leave it. And a service without a key.

import { randomBytes } from "node:crypto";

import { describe, expect, test } from "vitest";

import { UserAgent, pushUrl } from "./harness/agent.ts";
import { until, useRelay } from "./harness/index.ts";

const PUSH_KEY = "a key for tests that is long enough";
const VAPID_KEY = randomBytes(32).toString("base64url");
const asked: string[] = [];
const relay = useRelay({
  vars: { PUSH_KEY, VAPID_KEY, WAKE_ALL: "true" },
  outbound: async (request) => {
    asked.push(request.url);
    throw new Error("nothing is asked of the internet");
  },
});

/** A browser that is a user agent of this service, and a device that is knocked there. */
async function browser() {
  const { key } = (await relay.request("GET", "/v1/wake-key")).is(200);
  const [holder, device, sender] = [await relay.device(), await relay.device(), await relay.device()];
  const agent = await UserAgent.connect(await pushUrl(holder));
  // Bound to the key: what anybody else signs is refused.
  const { channelID, ...subscription } = await agent.subscribe(key);
  const wake = `/v1/devices/${device.name}/wake`;
  (await device.request("PUT", wake, { body: subscription })).is(201);
  return { agent, channelID, device, sender, wake };
}

test("a knock comes to the user agent, empty, and the trace names this host", async () => {
  const { agent, channelID, device, sender } = await browser();
  const id = await sender.send({ device: device.name }, { text: "secret" }, { urgency: "very-low" });
  const knock = await agent.next("notification");
  agent.ack(knock);
  expect(knock.channelID).toBe(channelID);
  expect(knock.data).toBeUndefined();
  const timeline = async () => (await sender.trace(id)).is(200).timeline;
  const [, woken] = await until("a woken step", timeline, (steps) => steps.length > 1);
  expect(woken).toMatchObject({ event: "woken", host: relay.url.host });
  expect(asked).toEqual([]);
});

test("a channel that was removed removes the subscription", async () => {
  const { agent, channelID, device, sender, wake } = await browser();
  await agent.unregister(channelID);
  await sender.send({ device: device.name }, {});
  const list = async () => (await device.request("GET", wake)).is(200).wake;
  await until("no subscription", list, (subscriptions) => subscriptions.length === 0);
});

test("a device that is its own user agent is knocked, too", async () => {
  const { key } = (await relay.request("GET", "/v1/wake-key")).is(200);
  const [device, sender] = [await relay.device(), await relay.device()];
  const agent = await UserAgent.connect(await pushUrl(device));
  const { channelID, ...subscription } = await agent.subscribe(key);
  (await device.request("PUT", `/v1/devices/${device.name}/wake`, { body: subscription })).is(201);
  await sender.send({ device: device.name }, { text: "hello" });
  agent.ack(await agent.next("notification"));
  expect(await device.inbox()).toMatchObject([{ payload: { text: "hello" } }]);
});

describe("a service without VAPID_KEY", () => {
  const without = useRelay();

  test("has none of the paths, whoever asks", async () => {
    const device = await without.device();
    (await without.request("GET", "/v1/wake-key")).problem(404, "not_found");
    const wake = `/v1/devices/${device.name}/wake`;
    const body = { endpoint: "https://push.example/x" };
    (await device.request("GET", wake)).problem(404, "not_found");
    (await device.request("PUT", wake, { body })).problem(404, "not_found");
    (await without.admin("DELETE", wake)).problem(404, "not_found");
    (await without.admin("DELETE", `${wake}/0123456789ab`)).problem(404, "not_found");
  });
});
