// Receipts of Web Push: the stream that stays open for a while, its end, and receipts that nobody wants any more.

import { describe, expect, test } from "vitest";

import { subscribed } from "./harness/agent.ts";
import { useRelay, within } from "./harness/index.ts";

const relay = useRelay({ vars: { PUSH_KEY: "a key for tests that is long enough" } });

/** A message with a receipt: its own path, and that of its channel's receipts. */
async function pushed(path: string) {
  const taken = await relay.request("POST", path, { headers: { TTL: "60", Prefer: "respond-async" } });
  expect(taken.status, `${taken}`).toBe(202);
  const [, receipts] = /^<([^>]+)>/.exec(taken.headers.get("link")!)!;
  const location = taken.headers.get("location")!;
  return { location, message: new URL(location).pathname, receipts: new URL(receipts!).pathname };
}

/** The events of a stream of receipts, one after the other; null at its end. */
function events(path: string, wait: number) {
  const text = fetch(new URL(path, relay.url), { headers: { Prefer: `wait=${wait}` } }).then((answer) => {
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    return answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  });
  let seen = "";
  return async function next(): Promise<{ id: string; message: string; status: number } | null> {
    for (;;) {
      const event = /id: (\d+)\nevent: receipt\ndata: (.+)\n\n/.exec(seen);
      if (event) {
        seen = seen.slice(event.index + event[0].length);
        return { id: event[1]!, ...JSON.parse(event[2]!) };
      }
      const { done, value } = await within(20_000, (await text).read());
      if (done) return null;
      seen += value;
    }
  };
}

describe.concurrent("receipts of Web Push", () => {
  test("a stream has the receipts that are there, then those that come, and the service ends it", async () => {
    const { agent, path } = await subscribed(relay);
    const acknowledged = async () => agent.ack(await agent.next("notification"));
    const [first] = await Promise.all([pushed(path), acknowledged()]);
    expect((await relay.request("GET", first.message, { headers: { Prefer: "wait=10" } })).status).toBe(204);
    const next = events(first.receipts, 5);
    const started = performance.now();
    expect(await next()).toMatchObject({ message: first.location, status: 204 });
    const later = [];
    for (let count = 0; count < 3; count++) {
      const [one] = await Promise.all([pushed(path), acknowledged()]);
      later.push(one.location);
      expect(await next()).toMatchObject({ message: one.location, status: 204 });
    }
    expect(await next(), "the end").toBeNull();
    expect(performance.now() - started).toBeLessThan(10_000);
    // None of them was deleted: the reader has not said that it has seen them.
    const all = await relay.request("GET", first.receipts, { headers: { Prefer: "wait=0" } });
    const found = [...all.text.matchAll(/"message":"([^"]+)"/g)].map(([, message]) => message);
    expect(found).toEqual([first.location, ...later]);
  });

  test("a stream ends with its channel, and so do the messages that are not acknowledged", async () => {
    const { device, agent, channel, path } = await subscribed(relay);
    const [first] = await Promise.all([pushed(path), agent.next("notification").then((frame) => agent.ack(frame))]);
    const next = events(first.receipts, 60);
    expect(await next()).toMatchObject({ status: 204 });
    const open = await pushed(path);
    const waits = relay.request("GET", open.message, { headers: { Prefer: "wait=60" }, timeout: 30_000 });
    (await relay.admin("DELETE", `/v1/devices/${device.name}/channels/${channel.channelID}`)).is(204);
    expect(await next(), "the end").toBeNull();
    expect((await waits).is(410)).toMatchObject({ code: 410, error: "Gone" });
    expect((await relay.request("GET", open.message)).status).toBe(410);
    expect((await relay.request("GET", first.message)).status, "it was delivered before").toBe(204);
    (await relay.request("GET", first.receipts)).is(410);
  });

  test("a reader that goes away leaves no error, and the next one gets everything", async () => {
    const { agent, path } = await subscribed(relay);
    const acknowledged = async () => agent.ack(await agent.next("notification"));
    const [first] = await Promise.all([pushed(path), acknowledged()]);
    const leaves = new AbortController();
    const answer = await fetch(new URL(first.receipts, relay.url), { headers: { Prefer: "wait=60" }, signal: leaves.signal });
    expect((await within(20_000, answer.body!.getReader().read())).done).toBe(false);
    leaves.abort();
    const [second] = await Promise.all([pushed(path), acknowledged()]);
    const next = events(first.receipts, 2);
    expect(await next()).toMatchObject({ message: first.location });
    expect(await next()).toMatchObject({ message: second.location });
    expect(await next(), "the end").toBeNull();
    expect(relay.logs.filter(({ level, message }) => level === "error" || message.includes('"error"'))).toEqual([]);
  });

  test("receipts that nobody wants any more are gone, and later ones are kept", async () => {
    const { agent, path } = await subscribed(relay);
    const acknowledged = async () => agent.ack(await agent.next("notification"));
    const [done] = await Promise.all([pushed(path), acknowledged()]);
    const open = await pushed(path);
    (await relay.request("DELETE", done.receipts)).is(204);
    const now = { headers: { Prefer: "wait=0" } };
    expect((await relay.request("GET", done.receipts, now)).status).toBe(204);
    for (const { message } of [done, open]) (await relay.request("GET", message)).is(404);
    await acknowledged();
    const [later] = await Promise.all([pushed(path), acknowledged()]);
    (await relay.request("GET", later.message, { headers: { Prefer: "wait=10" } })).is(204);
    const all = await relay.request("GET", done.receipts, now);
    expect([...all.text.matchAll(/"message":"([^"]+)"/g)].map(([, message]) => message)).toEqual([later.location]);
    (await relay.request("DELETE", `${done.receipts.slice(0, -1)}_`)).is(404);
  });
});
