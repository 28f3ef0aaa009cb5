// A trace, and the idempotency key with it, is kept for RETENTION seconds after its terminal state.

import { describe, expect, test } from "vitest";

import { until, useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { RETENTION: 5 } });

describe.concurrent("retention", () => {
  test("a settled message leaves the trace and the list after it", async () => {
    const [sender, receiver] = await relay.devices(2);
    (await receiver!.connect()).answer();
    const { id } = (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
    (await sender!.trace(id)).is(200);
    const ask = async () => (await sender!.trace(id)).status;
    await until("404 after the retention", ask, (status) => status === 404, 30_000);
    (await sender!.trace(id)).problem(404, "unknown_message");
    expect((await sender!.request("GET", "/v1/messages")).is(200).messages).toEqual([]);
  });
});
