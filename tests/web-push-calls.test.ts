// What requests of Web Push other than pushes cost, counted at the platform's interfaces.

import { expect, test } from "vitest";

import { METER, counted } from "./costs/counts.ts";
import { UserAgent, subscribed } from "./harness/agent.ts";
import { useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { PUSH_KEY: "a key for tests that is long enough" }, wrap: METER });

test("a push URL for the operator costs one call and no write, and registers no device", async () => {
  const device = await relay.device();
  (await relay.admin("DELETE", `/v1/devices/${device.name}/tokens`)).is(204);
  let url = "";
  const cost = await counted(relay, async () => {
    url = (await relay.admin("POST", `/v1/devices/${device.name}/push`)).is(200).push_url;
  });
  expect(cost).toMatchObject({ worker_requests: 1, object_requests: 1, rows_written: 0 });
  // It knows of the revocation before it.
  expect((await UserAgent.connect(url)).id).toMatch(/^[0-9a-f]{32}$/);
  (await relay.admin("DELETE", `/v1/devices/${device.name}`)).is(204);
  const removed = await counted(relay, async () => {
    (await relay.admin("POST", `/v1/devices/${device.name}/push`)).problem(404, "unknown_device");
  });
  expect(removed).toMatchObject({ worker_requests: 1, object_requests: 1, rows_written: 0 });
});

test("a stream of receipts costs one call while nothing happens, and one more for each receipt", async () => {
  const { agent, path } = await subscribed(relay);
  const taken = await relay.request("POST", path, { headers: { TTL: "60", Prefer: "respond-async" } });
  const [, link] = /^<([^>]+)>/.exec(taken.headers.get("link")!)!;
  const receipts = new URL(link!).pathname;
  const stream = (wait: number) => relay.request("GET", receipts, { headers: { Prefer: `wait=${wait}` } });
  const idle = await counted(relay, async () => expect((await stream(1)).status).toBe(200));
  expect(idle).toMatchObject({ worker_requests: 1, object_requests: 1, rows_written: 0 });
  const busy = await counted(relay, async () => {
    const answer = stream(3);
    agent.ack(await agent.next("notification"));
    expect((await answer).text.match(/^id: /gm)).toHaveLength(1);
  });
  // The message was stored: its row, and that of the receipt.
  expect(busy).toMatchObject({ worker_requests: 1, object_requests: 2, rows_written: 2 });
});
