// The ways that a push can take: a message of an application server to a channel of Web Push.

import { expect } from "vitest";

import { UserAgent } from "../harness/agent.ts";
import type { Device, Relay } from "../harness/index.ts";
import { REPEATS } from "./ways.ts";

export const PUSH_KEY = "a key for tests that is long enough";

/** A prepared way: `once` publishes one push, and ends when nothing more follows from it. */
export type Push = () => Promise<unknown>;

/** The URL with which a user agent connects as this device. */
export async function pushUrl(device: Device): Promise<string> {
  return (await device.request("POST", `/v1/devices/${device.name}/push`)).is(200).push_url;
}

/** A user agent that is connected, its URL, and the path of the endpoint of a channel. */
async function subscribed(relay: Relay) {
  const device = await relay.device();
  const url = await pushUrl(device);
  const agent = await UserAgent.connect(url);
  const { endpoint } = await agent.subscribe();
  return { url, agent, path: new URL(endpoint).pathname };
}

/** Publishes. With a receipt the answer has the URL to ask for it. */
async function publish(relay: Relay, path: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await relay.request("POST", path, { headers: { TTL: "3600", ...headers } });
  expect([201, 202]).toContain(answer.status);
  return new URL(answer.headers.get("location")!).pathname;
}

const RECEIPT = { Prefer: "respond-async" };

/** Publishes, and acknowledges it at once. Returns the URL of the message. */
async function acknowledged(relay: Relay, agent: UserAgent, path: string, headers: Record<string, string>) {
  const prefer = [headers.Prefer, "wait=30"].filter(Boolean).join(", ");
  const [message] = await Promise.all([
    publish(relay, path, { ...headers, Prefer: prefer }),
    agent.next("notification").then((notification) => agent.ack(notification)),
  ]);
  return message;
}

/** Acknowledges the next message, and waits until the mailbox has heard it. */
async function acknowledge(agent: UserAgent): Promise<void> {
  agent.ack(await agent.next("notification"));
  // The mailbox answers it once it has handled what came before.
  agent.send({ messageType: "ping" });
  await agent.next(undefined);
}

/** Publishes while the user agent is away, which then comes, acknowledges and leaves. */
async function held(relay: Relay, headers: Record<string, string> = {}): Promise<Push> {
  const { url, agent, path } = await subscribed(relay);
  await agent.leave();
  return async () => {
    const message = await publish(relay, path, headers);
    const next = await UserAgent.connect(url, agent.id);
    await acknowledge(next);
    if (headers === RECEIPT) expect((await relay.request("GET", message)).status).toBe(204);
    await next.leave();
  };
}

export const PUSHES: Record<string, (relay: Relay) => Promise<Push>> = {
  "push, online": async (relay) => {
    const { agent, path } = await subscribed(relay);
    return () => acknowledged(relay, agent, path, {});
  },

  "push, online, receipt read": async (relay) => {
    const { agent, path } = await subscribed(relay);
    return async () => {
      const message = await acknowledged(relay, agent, path, RECEIPT);
      expect((await relay.request("GET", message)).status).toBe(204);
    };
  },

  "push, online, acknowledged after its sender was answered": async (relay) => {
    const { agent, path } = await subscribed(relay);
    return async () => {
      await publish(relay, path);
      await acknowledge(agent);
    };
  },

  "push, held, then delivered on the next connection": (relay) => held(relay),
  "push, held, then delivered on the next connection, receipt read": (relay) => held(relay, RECEIPT),
  "push with a Topic, held, then delivered on the next connection": (relay) => held(relay, { Topic: "news" }),

  "push with TTL 0 to an absent user agent": async (relay) => {
    const { agent, path } = await subscribed(relay);
    await agent.leave();
    return () => publish(relay, path, { TTL: "0" });
  },

  "push to an endpoint that leads nowhere": async (relay) => {
    return async () => expect((await relay.request("POST", "/wpush/a", { headers: { TTL: "60" } })).status).toBe(404);
  },

  "hello of a user agent": async (relay) => {
    const devices = await relay.devices(2 * REPEATS);
    const urls = await Promise.all(devices.map(pushUrl));
    return () => UserAgent.connect(urls.pop()!);
  },
};
