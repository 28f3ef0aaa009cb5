// DELETE /v1/messages/{id}: the sender takes back what is not yet in a terminal state.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("cancel", () => {
  test("a held message is cancelled and never delivered", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const id = await sender!.send(to, "oops");
    const trace = (await sender!.cancel(id)).is(200);
    expect(trace).toMatchObject({ id, summary: { cancelled: 1 } });
    expect(trace.timeline.at(-1)).toMatchObject({ device: receiver!.name, event: "cancelled" });

    const end = await sender!.send(to, "end");
    expect((await (await receiver!.connect()).next("message")).id).toBe(end);
  });

  test("of a tag, only the deliveries that are not settled are cancelled", async () => {
    const [sender, online, offline] = await relay.devices(3);
    const tag = await relay.tag(online!, offline!);
    (await online!.connect()).answer();
    const { id } = (await sender!.publish({ tag }, {}, { wait: 10 })).is(202);
    expect((await sender!.cancel(id)).is(200).summary).toEqual({ delivered: 1, cancelled: 1 });
  });

  test("no other device can cancel it, not even the recipient", async () => {
    const [sender, receiver, other] = await relay.devices(3);
    const id = await sender!.send({ device: receiver!.name }, {});
    (await other!.cancel(id)).problem(404, "unknown_message");
    (await receiver!.cancel(id)).problem(404, "unknown_message");
    expect((await sender!.trace(id)).is(200).summary).toEqual({ held: 1 });
  });
});
