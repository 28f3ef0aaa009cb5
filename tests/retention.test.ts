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

  test("a message that is not settled stays longer than it", async () => {
    const [sender, receiver, other] = await relay.devices(3);
    const id = await sender!.send({ device: receiver!.name }, {});
    (await other!.connect()).answer();
    const settled = (await sender!.publish({ device: other!.name }, {}, { wait: 10 })).is(200).id;
    const ask = async () => (await sender!.trace(settled)).status;
    await until("the settled one to leave", ask, (status) => status === 404, 30_000);
    expect((await sender!.trace(id)).is(200).summary).toEqual({ held: 1 });
  });

  test("an idempotency key leaves with its message and may be used anew", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    (await receiver!.connect()).answer();
    const { id } = (await sender!.publish(to, "one", { key: "k", wait: 10 })).is(200);
    const ask = async () => (await sender!.publish(to, "two", { key: "k", wait: 10 })).status;
    await until("the key to be free", ask, (status) => status === 200, 30_000);
    expect((await sender!.publish(to, "two", { key: "k", wait: 10 })).is(200).id).not.toBe(id);
  });
});
