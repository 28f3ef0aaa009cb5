// A publish is one message however often it has to be sent, and its sender learns what became of it.

import { describe, expect, test } from "vitest";

import { deliverLate, fresh, useRelay, type Device as Credentials } from "../../../tests/harness/index.ts";
import { TagpostError, type Device, type Receipt } from "../src/index.js";
import { change, failure, useClients, next, payloads, range, state, within } from "./support.ts";

const relay = useRelay();
const { client, network } = useClients();

const nextReceipt = async (device: Device) => (await within("a receipt", device.receipts().next())).value as Receipt;

/** A message that B acknowledges after its publish was answered, so that a receipt is due to A. */
async function late(a: Credentials, b: Credentials, reply: unknown): Promise<string> {
  return deliverLate(a, b, await b.connect(), reply);
}

describe("a relay with low limits", () => {
  const slow = useRelay({ vars: { PUBLISH_RATE: 10, PUBLISH_BURST: 10 } });

  test("a publish over the rate is sent again", async () => {
    const [a, b] = await slow.devices(2);
    const sender = client(slow.url, a!);
    const answers = range(50).map((n) => sender.publish(`@${b!.name}`, n, { wait: 0 }));
    const published = await within("50 answers", Promise.all(answers));
    expect(new Set(published.map(({ id }) => id)).size).toBe(50);
    expect((await b!.status()).is(200).held).toBe(50);
  });
});

describe.concurrent("publishing", () => {
  test("publishes with the connection cut in the middle stay one message each", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    const sender = client(line.url, a!);
    const receiver = client(relay.url, b!);
    await Promise.all([state(sender, "online"), state(receiver, "online")]);
    const taken = payloads(receiver, 200, 90_000);
    const answers = range(200).map((n) => sender.publish(`@${b!.name}`, n, { wait: 0, timeout: 90 }));
    for (const n of [5, 60, 120]) {
      await within(`publish ${n}`, answers[n]!);
      line.cut();
    }
    const published = await within("200 answers", Promise.all(answers), 90_000);
    expect(new Set(published.map(({ id }) => id)).size).toBe(200);
    expect((await taken).toSorted((x, y) => Number(x) - Number(y))).toEqual(range(200));
    expect(line.connections).toBeGreaterThanOrEqual(4);
    const end = await sender.publish(`@${b!.name}`, "the end", { wait: 0 });
    expect((await next(receiver)).id).toBe(end.id);
  }, 120_000);

  test("a publish made while offline is sent after the reconnect", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    line.down();
    const sender = client(line.url, a!);
    const answer = sender.publish(`@${b!.name}`, "x");
    await change(sender, "offline");
    line.up();
    expect((await within("the answer", answer)).summary).toEqual({ held: 1 });
  });

  test("a refused publish is an error that says why", async () => {
    const [a, b] = await relay.devices(2);
    const sender = client(relay.url, a!);
    const to = `@${b!.name}`;
    const unknown = await failure(sender.publish(fresh("tag"), 1));
    expect(unknown).toBeInstanceOf(TagpostError);
    expect(unknown).toMatchObject({ code: "unknown_tag" });
    expect(await failure(sender.publish("@nobody-at-all", 1))).toMatchObject({ code: "unknown_device" });
    const ttl = await failure(sender.publish(to, 1, { ttl: -1 }));
    expect(ttl).toMatchObject({ code: "bad_frame", message: expect.stringContaining("ttl") });
    expect(await failure(sender.publish(to, "x".repeat(300_000)))).toMatchObject({ code: "payload_too_large" });
    // The service answers a frame this long without saying which it was.
    const small = sender.publish(to, "small", { wait: 0 });
    expect(await failure(sender.publish(to, "x".repeat(2_000_000)))).toMatchObject({ code: "payload_too_large" });
    expect(await failure(sender.publish(to, "x".repeat(7_000_000)))).toBeInstanceOf(RangeError);
    expect(await failure(sender.publish(to, undefined))).toBeInstanceOf(TypeError);

    expect((await small).summary).toEqual({ held: 1 });
    expect(sender.state).toBe("online");
  });

  test("a key of the application's own makes one message of two publishes", async () => {
    const [a, b] = await relay.devices(2);
    const sender = client(relay.url, a!);
    const publish = (payload: string) => sender.publish(`@${b!.name}`, payload, { key: "k", wait: 0 });
    const [first, second] = await Promise.all([publish("x"), publish("x")]);
    expect(second.id).toBe(first.id);
    await expect(publish("y")).rejects.toMatchObject({ code: "idempotency_mismatch" });
  });

  test("a publish can be aborted", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    line.down();
    const sender = client(line.url, a!);
    const giveUp = new AbortController();
    const answer = failure(sender.publish(`@${b!.name}`, "x", { signal: giveUp.signal }));
    giveUp.abort(new Error("changed my mind"));
    expect(await answer).toMatchObject({ message: "changed my mind" });
    line.up();
    await sender.publish(`@${b!.name}`, "y", { wait: 0 });
    expect((await b!.status()).is(200).held).toBe(1);
  });

  test("publishes that are not answered fail when the device is closed", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    line.down();
    const sender = client(line.url, a!);
    const answer = failure(sender.publish(`@${b!.name}`, "x"));
    sender.close();
    expect(await answer).toMatchObject({ code: "closed" });
    expect(await failure(sender.publish(`@${b!.name}`, "y"))).toMatchObject({ code: "closed" });
  });

  test("a message can be traced and cancelled", async () => {
    const [a, b] = await relay.devices(2);
    const sender = client(relay.url, a!);
    const { id } = await sender.publish(`@${b!.name}`, "x", { wait: 0 });
    expect(await sender.trace(id)).toMatchObject({ id, summary: { held: 1 } });
    expect((await sender.cancel(id)).summary).toEqual({ cancelled: 1 });
    expect((await sender.trace(id, { wait: 5 })).timeline.at(-1)).toMatchObject({ event: "cancelled" });
    await expect(sender.trace("01JZZZZZZZZZZZZZZZZZZZZZZZ")).rejects.toMatchObject({ code: "unknown_message", status: 404 });
  });

  test("a message that has failed can be sent again", async () => {
    const [a, b] = await relay.devices(2);
    const sender = client(relay.url, a!);
    const held = await sender.publish(`@${b!.name}`, { ring: 2 }, { wait: 0 });
    await expect(sender.resend(held.id)).rejects.toMatchObject({ code: "nothing_failed", status: 409 });
    await b!.inbox();
    (await b!.nack(held.id, { reason: "busy" })).is(204);
    await sender.trace(held.id, { wait: 10 });
    const again = await sender.resend(held.id, { devices: [b!.name], key: "once" });
    expect(again).toMatchObject({ resendOf: held.id, summary: { held: 1 } });
    expect((await sender.resend(held.id, { devices: [b!.name], key: "once" })).id).toBe(again.id);
    expect(await b!.inbox()).toMatchObject([{ id: again.id, payload: { ring: 2 } }]);
    expect((await sender.trace(held.id)).resentAs).toEqual([again.id]);
  });

  test("a message to a tag comes back to its sender only if the sender asks for it", async () => {
    const [a] = await relay.devices(1);
    const tag = await relay.tag(a!);
    const sender = client(relay.url, a!);
    const alone = await failure(sender.publish(tag, "alone"));
    expect(alone).toMatchObject({ code: "unknown_tag", message: expect.stringContaining("only the sender") });
    const answer = sender.publish(tag, "echo", { echo: true, wait: 20 });
    const message = await next(sender);
    expect(message.payload).toBe("echo");
    message.ack();
    expect((await answer).summary).toEqual({ delivered: 1 });
  });

  test("a message goes to the devices that match an expression", async () => {
    const [a, b, c] = await relay.devices(3);
    const [tag, muted] = [await relay.tag(b!, c!), await relay.tag(c!)];
    const sender = client(relay.url, a!);
    const to = `${tag} & !${muted}`;
    const { id, deliveries } = await sender.publish(to, "x", { wait: 0 });
    expect(deliveries.map(({ device }) => device)).toEqual([b!.name]);
    expect((await next(client(relay.url, b!))).to).toEqual({ match: to });
    expect((await sender.trace(id)).to).toEqual({ match: to });
    const fault = await failure(sender.publish(`${tag} & `, "x"));
    expect(fault).toMatchObject({ code: "bad_frame", message: expect.stringContaining(`character ${tag.length + 4}`) });
  });

  test("the first answer wins", async () => {
    const [a, b, c] = (await relay.devices(3)) as [Credentials, Credentials, Credentials];
    const tag = await relay.tag(b, c);
    const [sender, first, other] = [client(relay.url, a), client(relay.url, b), client(relay.url, c)];
    const answer = sender.publish(tag, "pump", { wait: 30, acksNeeded: 1 });
    // It rings at both.
    const [taken] = await Promise.all([next(first), next(other)]);
    await taken!.ack("I go");
    const { deliveries } = await within("the answer", answer);
    const found = Object.fromEntries(deliveries.map(({ device, state, reason, reply }) => [device, reason ?? reply ?? state]));
    expect(found).toEqual({ [b.name]: "I go", [c.name]: "enough" });
    const end = await sender.publish(`@${c.name}`, "end", { wait: 0 });
    expect((await next(other)).id).toBe(end.id);
  });

  test("a message that nobody takes goes to the next", async () => {
    const [a, b, c] = (await relay.devices(3)) as [Credentials, Credentials, Credentials];
    const tag = await relay.tag(b);
    const [sender, first, manager] = [client(relay.url, a), client(relay.url, b), client(relay.url, c)];
    const to = `@${c.name}`;
    const escalate = [{ to, after: 1 }, { to: { tag: fresh("nobody") }, after: 3600 }];
    const { id } = await sender.publish(tag, "pump", { wait: 0, acksNeeded: 1, escalate });
    const [, message] = await Promise.all([next(first), next(manager)]);
    expect(message!.id).toBe(id);
    await message!.ack("I go");
    const { timeline, summary } = await sender.trace(id, { wait: 20 });
    expect(summary).toEqual({ delivered: 1, cancelled: 1 });
    const steps = timeline.filter((step) => !("device" in step));
    expect(steps).toEqual([{ event: "escalated", at: expect.any(Number), to: { device: c.name }, devices: 1 }]);
    const fault = await failure(sender.publish(tag, "pump", { escalate: [{ to, after: 0 }] }));
    expect(fault).toMatchObject({ code: "bad_frame", message: expect.stringContaining("escalate[0].after") });
  });

  test("a scheduled message is handed over at its time", async () => {
    const [a, b] = (await relay.devices(2)) as [Credentials, Credentials];
    const [sender, receiver] = [client(relay.url, a), client(relay.url, b)];
    const published = await sender.publish(`@${b.name}`, "tea", { delay: 1 });
    expect(published).toMatchObject({ state: "scheduled", deliveries: [], deliverAt: expect.any(Number) });
    const message = await next(receiver);
    expect(message.id).toBe(published.id);
    expect(message.sentAt).toBeGreaterThanOrEqual(published.deliverAt!);
    await message.ack("thanks");
    expect(await nextReceipt(sender)).toMatchObject({ id: published.id, device: b.name, reply: "thanks" });
  });

  test("a device joins a tag and leaves it", async () => {
    const tag = fresh("joined");
    const [a] = await relay.devices(1);
    const b = await relay.device(undefined, { tags: [tag] });
    const [sender, receiver] = [client(relay.url, a!), client(relay.url, b)];
    await receiver.join(tag);
    await sender.publish(tag, "joined", { wait: 0 });
    const message = await next(receiver);
    expect(message.payload).toBe("joined");
    await message.ack();
    await receiver.leave(tag);
    expect(await failure(sender.publish(tag, "left"))).toMatchObject({ code: "unknown_tag" });
    expect(await failure(receiver.join(fresh("other")))).toMatchObject({ code: "forbidden", status: 403 });
  });

  test("a receipt that was not seen comes again", async () => {
    const [a, b] = await relay.devices(2);
    const first = client(relay.url, a!);
    const id = await late(a!, b!, "one");
    // It is taken, but the next one is never asked for: the application may have crashed over it.
    expect(await nextReceipt(first)).toMatchObject({ id, state: "delivered", reply: "one" });
    first.close();

    const second = client(relay.url, a!);
    const receipts = second.receipts();
    expect((await within("the receipt again", receipts.next())).value).toMatchObject({ id, reply: "one" });
    const rest = receipts.next();
    const another = await late(a!, b!, "two");
    expect((await within("the other receipt", rest)).value).toMatchObject({ id: another });
    second.close();

    expect(await nextReceipt(client(relay.url, a!))).toMatchObject({ id: another, reply: "two" });
  });

  test("receipts are events, and seen once the listener has returned", async () => {
    const [a, b] = await relay.devices(2);
    const sender = client(relay.url, a!);
    const event = new Promise<Receipt>((resolve) => sender.addEventListener("receipt", (e) => resolve(e.receipt)));
    const id = await late(a!, b!, "one");
    expect(await within("the event", event)).toMatchObject({ id, device: b!.name, state: "delivered", reply: "one" });
    sender.close();

    const another = await late(a!, b!, "two");
    expect(await nextReceipt(client(relay.url, a!))).toMatchObject({ id: another });
  });

  test("a receipt at which a loop ends is the first of the next loop", async () => {
    const [a, b] = await relay.devices(2);
    const sender = client(relay.url, a!);
    const id = await late(a!, b!, "one");
    const fail = async () => {
      for await (const receipt of sender.receipts()) throw new Error(`${receipt.reply}`);
    };
    await expect(within("the failure", fail())).rejects.toThrow("one");
    expect(await nextReceipt(sender)).toMatchObject({ id });
  });
});
