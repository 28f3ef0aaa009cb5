// The push gateway for Matrix homeservers, which UnifiedPush apps need if their homeserver cannot encrypt.

import { describe, expect, test } from "vitest";
import webPush from "web-push";

import { subscribed, type UserAgent } from "./harness/agent.ts";
import { useRelay } from "./harness/index.ts";

const PUSH_KEY = "a key for tests that is long enough";
const relay = useRelay({ vars: { PUSH_KEY } });
const slow = useRelay({ vars: { PUSH_KEY, PUBLISH_RATE: 1, PUBLISH_BURST: 1 } });

const PATH = "/_matrix/push/v1/notify";
const notify = (notification: object, to = relay) => to.request("POST", PATH, { body: { notification } });
const devices = (...pushkeys: string[]) => pushkeys.map((pushkey) => ({ app_id: "org.example.app", pushkey, data: { format: "event_id_only" } }));

/** The next notification of a user agent, as JSON; acknowledges it. */
async function received(agent: UserAgent): Promise<unknown> {
  const frame = await agent.next("notification");
  agent.ack(frame);
  expect(frame.headers, "it is not encrypted").toBeUndefined();
  return JSON.parse(Buffer.from(frame.data, "base64url").toString());
}

describe.concurrent("the Matrix gateway", () => {
  test("a UnifiedPush app finds it", async () => {
    expect((await relay.request("GET", PATH)).is(200)).toEqual({ unifiedpush: { gateway: "matrix" } });
  });

  test("a notification reaches each of its devices, without the list of them", async () => {
    const [one, two] = await Promise.all([subscribed(relay), subscribed(relay)]);
    const event = { event_id: "$event", room_id: "!room:example.org", counts: { unread: 2 }, prio: "low" };
    const answer = await notify({ ...event, devices: devices(one.channel.endpoint, two.channel.endpoint) });
    expect(answer.is(200)).toEqual({ rejected: [] });
    for (const { agent } of [one, two]) expect(await received(agent)).toEqual({ notification: event });
  });

  test("what is urgent goes before what is not, once the device is back", async () => {
    const { agent, url, channel } = await subscribed(relay);
    agent.close();
    for (const prio of ["low", "high"]) (await notify({ prio, devices: devices(channel.endpoint) })).is(200);
    const again = await agent.reconnect(url);
    for (const prio of ["high", "low"]) expect(await received(again)).toEqual({ notification: { prio } });
  });

  test("endpoints that permit nothing are rejected, and the others get the message", async () => {
    const { agent, channel } = await subscribed(relay);
    const bound = await subscribed(relay, webPush.generateVAPIDKeys().publicKey);
    const gone = await subscribed(relay);
    await gone.agent.unregister(gone.channel.channelID);
    const rejected = [
      bound.channel.endpoint,
      gone.channel.endpoint,
      channel.endpoint.slice(0, -1),
      `https://elsewhere.example${new URL(channel.endpoint).pathname}`,
      "app-without-a-url",
    ];
    const answer = await notify({ event_id: "$1", devices: devices(...rejected, channel.endpoint) });
    expect(answer.is(200).rejected.sort()).toEqual(rejected.sort());
    expect(await received(agent)).toEqual({ notification: { event_id: "$1" } });
    expect(bound.agent.seen.filter(({ messageType }) => messageType === "notification")).toEqual([]);
  });

  test("a homeserver is to try again if a device takes no more, and rejects none meanwhile", async () => {
    const { agent, channel } = await subscribed(slow);
    let answer = await notify({ devices: devices(channel.endpoint) }, slow);
    // The bucket may have filled up again.
    for (let tries = 0; answer.status === 200 && tries < 20; tries++) answer = await notify({ devices: devices(channel.endpoint) }, slow);
    expect(answer.is(503)).toMatchObject({ errcode: "M_LIMIT_EXCEEDED" });
    expect(answer.headers.get("retry-after")).toBe("60");
    agent.close();
  });

  test("a body that is malformed, too large or encoded is refused in the words of Matrix", async () => {
    const { agent, channel } = await subscribed(relay);
    const to = devices(channel.endpoint);
    const refused: [number, string, unknown][] = [
      [400, "M_NOT_JSON", "{"],
      [400, "M_BAD_JSON", {}],
      [400, "M_BAD_JSON", { notification: { devices: "all" } }],
      [400, "M_BAD_JSON", { notification: { devices: [{ app_id: "x" }] } }],
      [400, "M_BAD_JSON", { notification: { devices: devices(...Array.from({ length: 11 }, (_, n) => `${n}`)) } }],
      [413, "M_TOO_LARGE", { notification: { devices: to, content: "x".repeat(4_096) } }],
      [413, "M_TOO_LARGE", { notification: { devices: to, content: "x".repeat(30_000) } }],
    ];
    for (const [status, errcode, body] of refused) {
      expect((await relay.request("POST", PATH, { body })).is(status)).toEqual({ errcode, error: expect.any(String) });
    }
    const coded = { headers: { "Content-Encoding": "gzip" }, body: { notification: { devices: to } } };
    expect((await relay.request("POST", PATH, coded)).is(415).errcode).toBe("M_UNKNOWN");
    (await notify({ event_id: "$after", devices: to })).is(200);
    expect(await received(agent)).toEqual({ notification: { event_id: "$after" } });
  });
});
