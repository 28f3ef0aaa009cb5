// Devices that work on a message, and messages that end meanwhile.

import { describe, expect, test } from "vitest";

import { until, useRelay } from "../../../tests/harness/index.ts";
import type { ProgressEvent, WithdrawnEvent } from "../src/index.js";
import { failure, next, state, useClients, within } from "./support.ts";

const relay = useRelay({ vars: { ACK_TIMEOUT: 1 } });
const { client } = useClients();

describe.concurrent("progress", () => {
  test("a job that takes longer than the time to acknowledge is started once", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    const id = await a!.send({ device: b!.name }, "dig");
    const messages = receiver.messages({ progress: { for: 60, note: "digging" } });
    const { value: message } = await within("the message", messages.next());
    const trace = async () => (await a!.trace(id)).is(200);
    const { timeline } = await until("the job in progress", trace, ({ summary }) => summary.in_progress === 1);
    expect(timeline.at(-1)).toMatchObject({ event: "in_progress", note: "digging" });

    // Another connection does not get it while it is in progress.
    receiver.close();
    const again = client(relay.url, b!);
    const last = await a!.send({ device: b!.name }, "and this");
    expect((await next(again)).id).toBe(last);
    expect((await a!.trace(id)).is(200).deliveries[0].attempts).toBe(timeline.at(-1).attempt);
    expect(() => message!.progress({ for: 0 })).toThrow(RangeError);
    expect(() => message!.progress({ note: "x".repeat(257) })).toThrow(RangeError);
  });

  test("a sender sees who works on its message", async () => {
    const [a, b] = await relay.devices(2);
    const [sender, receiver] = [client(relay.url, a!), client(relay.url, b!)];
    await state(sender, "online");
    const told = new Promise<ProgressEvent>((resolve) => sender.addEventListener("progress", resolve, { once: true }));
    const { id } = await sender.publish(`@${b!.name}`, "dig", { wait: 0 });
    (await next(receiver)).progress({ for: 60, note: "digging" });
    const { progress } = await within("progress", told);
    expect(progress).toEqual({ id, device: b!.name, note: "digging", until: expect.any(Number) });
  });

  test("a message that ends elsewhere ends its work", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    const to = { device: b!.name };
    const ids = [await a!.send(to, 1), await a!.send(to, 2)];
    const message = await next(receiver);
    message.working();
    const aborted = new Promise((resolve) => message.signal.addEventListener("abort", resolve, { once: true }));
    // What is told of the first is told after what is told of the second.
    for (const id of ids.toReversed()) (await a!.cancel(id)).is(200);
    await within("the signal", aborted);
    expect(message.isWithdrawn).toBe(true);
    expect(message.signal.reason).toMatchObject({ name: "TagpostError", code: "cancelled" });
    // An answer comes too late, and the other message is not even shown.
    const answer = failure(message.ack("done"));
    const last = await a!.send(to, 3);
    expect((await next(receiver)).id).toBe(last);
    await answer;
    expect((await a!.settled(ids[0]!)).summary).toEqual({ cancelled: 1 });
  });

  test("the end of a message that an earlier client had is told, too", async () => {
    const [a, b] = await relay.devices(2);
    const id = await a!.send({ device: b!.name }, "ask somebody");
    const [polled] = await b!.inbox();
    (await b!.progress(polled!.id, { for: 60 })).is(204);
    const receiver = client(relay.url, b!);
    const told = new Promise<WithdrawnEvent>((resolve) => receiver.addEventListener("withdrawn", resolve, { once: true }));
    await state(receiver, "online");
    (await a!.cancel(id)).is(200);
    expect(await within("the event", told)).toMatchObject({ id, reason: "cancelled" });
  });
});
