// A mailbox that fails while something is posted to a hook: the failure is in the log, and the URL of the hook is not.

import { expect, test } from "vitest";

import { until, useRelay } from "./harness/index.ts";

const relay = useRelay({ build: "build-faults", vars: { PUSH_KEY: "a key for tests that is long enough" } });

const text = { "Content-Type": "text/plain" };

const post = (path: string, body: unknown, headers: Record<string, string>) =>
  relay.request("POST", path, { body, headers });

test("a failure is logged without the URL of the hook, whatever becomes of a post", async () => {
  const device = await relay.device();
  const hooks = `/v1/devices/${device.name}/hooks`;
  const made = await device.request("POST", hooks, { body: { to: { device: device.name } } });
  const path = new URL(made.is(200).url).pathname;
  const sealed = path.slice("/h/".length);
  const failures = () => relay.logs.filter(({ message }) => message.includes('"level":"error"')).length;
  (await post(path, "x", text)).is(202);
  (await post(path, "{", { "Content-Type": "application/json" })).problem(400);
  (await post("/h/x%00", "x", text)).problem(404, "not_found");
  (await post(`${path}%00`, "x", text)).problem(404, "not_found");
  expect(failures()).toBe(0);
  const failed = await post(path, "x", { ...text, "Tagpost-Fault": "throw@publish_from_hook" });
  expect(failed.status).toBeGreaterThanOrEqual(500);
  failed.problem(failed.status);
  await until("the failure to be logged", async () => failures(), (count) => count > 0);
  (await device.request("DELETE", hooks)).is(204);
  (await post(path, "x", text)).problem(404);
  for (const line of relay.logs) {
    expect(JSON.stringify(line)).not.toContain(sealed);
    expect(JSON.stringify(line)).not.toContain("x%00");
  }
});
