// What a push costs, counted at the platform's interfaces.

import { expect, test } from "vitest";

import { METER, counted } from "./costs/counts.ts";
import { UserAgent } from "./harness/agent.ts";
import { useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { PUSH_KEY: "a key for tests that is long enough" }, wrap: METER });

test("a push that is acknowledged costs one call and no row, one that is held two rows, and a receipt one", async () => {
  const device = await relay.device();
  const url = (await device.request("POST", `/v1/devices/${device.name}/push`)).is(200).push_url;
  let agent = await UserAgent.connect(url);
  const { endpoint } = await agent.subscribe();
  const { pathname } = new URL(endpoint);
  const push = async (headers: Record<string, string> = {}) => {
    const answer = await relay.request("POST", pathname, { headers: { TTL: "600", ...headers } });
    expect([201, 202]).toContain(answer.status);
  };
  const acknowledged = async () => agent.ack(await agent.next("notification"));

  const costs = async (run: () => Promise<unknown>) => {
    const { worker_requests, object_requests, rows_written } = await counted(relay, run);
    return { worker_requests, object_requests, rows_written };
  };
  expect(await costs(() => Promise.all([push(), acknowledged()]))).toEqual({ worker_requests: 1, object_requests: 1, rows_written: 0 });
  const receipt = { Prefer: "respond-async" };
  expect(await costs(() => Promise.all([push(receipt), acknowledged()]))).toMatchObject({ rows_written: 1 });

  // Alone they cost what follows; the end of a connection and the first alarm cost a row each.
  await push();
  const stored = await costs(async () => {
    await push();
    await push();
  });
  expect(stored).toEqual({ worker_requests: 2, object_requests: 2, rows_written: 2 });
  const ended = await costs(async () => {
    for (let count = 0; count < 3; count++) await acknowledged();
  });
  expect(ended).toMatchObject({ rows_written: 3 });

  const { rows_written } = await costs(async () => {
    agent.close();
    agent = await agent.reconnect(url);
    for (let count = 0; count < 10; count++) await agent.ping();
  });
  expect(rows_written, "the connection that ended").toBe(1);
});
