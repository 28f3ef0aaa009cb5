// Delay and Deliver-At: a message is accepted now, and handed over at its time.

import { describe, expect, test } from "vitest";

import { fresh, useRelay } from "./harness/index.ts";

const relay = useRelay();

const at = (headers: Record<string, string>) => ({ wait: 0, headers });

describe.concurrent("a scheduled message", () => {
  test("is handed over at its time, to those that have the tag then", async () => {
    const [sender, early, late] = await relay.devices(3);
    const tag = await relay.tag(early!);
    const socket = await sender!.connect();
    const answer = (await sender!.publish({ tag }, "tea", at({ Delay: "2" }))).is(202);
    expect(answer).toMatchObject({ state: "scheduled", deliveries: [], summary: {} });
    expect(answer.deliver_at - answer.accepted_at).toBe(2_000);
    expect((await sender!.trace(answer.id)).is(200)).toMatchObject({ ...answer, timeline: [] });
    const listed = (await sender!.request("GET", "/v1/messages?state=scheduled")).is(200);
    expect(listed.messages.map(({ id }: any) => id)).toEqual([answer.id]);
    await relay.bind(tag, late!);
    (await early!.connect()).answer();
    const receiving = await late!.connect();
    const message = await receiving.next("message");
    expect(message.id).toBe(answer.id);
    expect(message.sent_at - answer.deliver_at).toBeGreaterThanOrEqual(0);
    expect(message.sent_at - answer.deliver_at).toBeLessThan(1_000);
    receiving.send({ type: "ack", id: message.id });
    const receipts = [await socket.next("receipt"), await socket.next("receipt")];
    expect(receipts.map(({ device }) => device).sort()).toEqual([early!.name, late!.name].sort());
    expect((await sender!.settled(answer.id)).summary).toEqual({ delivered: 2 });
  });

  test("is cancelled before its time, and never comes", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const { id } = (await sender!.publish(to, "no", at({ Delay: "1" }))).is(202);
    expect((await sender!.cancel(id)).is(200)).toMatchObject({ state: "cancelled", deliveries: [] });
    (await sender!.publish(to, "end", at({ Delay: "2" }))).is(202);
    expect((await socket.next("message")).payload).toBe("end");
  });

  test("whose tag nobody has at its time is a receipt without a device", async () => {
    const sender = await relay.device();
    const socket = await sender.connect();
    socket.send({ type: "publish", ref: "1", to: { tag: fresh("tag") }, payload: "tea", delay: 1 });
    const { id, state } = await socket.next("published");
    expect(state).toBe("scheduled");
    expect(await socket.next("receipt")).toMatchObject({ id, device: null, state: "refused", reason: "unknown_tag" });
  });

  test("survives that its sender's mailbox loses its memory", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { id } = (await sender!.publish({ device: receiver!.name }, "tea", at({ "Deliver-At": `${Date.now() + 1_500}` }))).is(202);
    await relay.evict(sender!);
    expect((await (await receiver!.connect()).next("message")).id).toBe(id);
  });

  test("is now if its time is past, and refused if it is too far ahead or given twice", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const past: Record<string, string>[] = [{ Delay: "0" }, { "Deliver-At": "Sun, 06 Nov 1994 08:49:37 GMT" }, { "Deliver-At": "0" }];
    for (const headers of past) {
      expect((await sender!.publish(to, "x", at(headers))).is(202).summary).toEqual({ held: 1 });
    }
    for (const [headers, detail] of [
      [{ Delay: "2592001" }, "Delay must be a whole number from 0 to 2592000"],
      [{ "Deliver-At": `${Date.now() + 31 * 86_400_000}` }, "Deliver-At must be at most 2592000 seconds ahead"],
      [{ "Deliver-At": "tomorrow" }, "Deliver-At must be a date such as"],
      [{ Delay: "1", "Deliver-At": "1" }, "only one of Delay and Deliver-At can be given"],
    ] as const) {
      expect((await sender!.publish(to, "x", at(headers))).problem(400, "bad_request").detail).toContain(detail);
    }
  });
});
