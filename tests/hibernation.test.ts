// Idle is free: a connected device with nothing due leaves memory, with no alarm set and no event while it sleeps.

import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { Socket, useRelay, type Device } from "./harness/index.ts";

// An object leaves memory unseen; this class around the real one says when it comes back, and why.
const OBSERVED = `
  import worker, { Mailbox as Product } from "./entry.js";
  export * from "./entry.js";
  export default worker;
  const observe = (event, ctx) => console.log(JSON.stringify({ observed: event, device: ctx.id.name }));
  export class Mailbox extends Product {
    constructor(ctx, env) { super(ctx, env); observe("constructed", ctx); }
    fetch(request) { observe("fetch", this.ctx); return super.fetch(request); }
    alarm(info) { observe("alarm", this.ctx); return super.alarm(info); }
    webSocketMessage(socket, message) { observe("message", this.ctx); return super.webSocketMessage(socket, message); }
  }
`;

const relay = useRelay({ wrap: { name: "observed.js", script: OBSERVED } });

/** What happened in the mailbox of this device so far. */
const events = (device: Device): string[] =>
  relay.logs
    .filter(({ message }) => message.startsWith('{"observed"'))
    .map(({ message }) => JSON.parse(message))
    .filter((event) => event.device === device.name)
    .map(({ observed }) => observed);

/** Longer than the ten seconds after which the platform hibernates an idle object. */
const UNTIL_ASLEEP = 14_000;

describe.concurrent("hibernation", () => {
  test("a connected device with nothing due hibernates: no event, no alarm, and its socket works afterwards", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    socket.answer();
    (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
    const before = events(receiver!);
    expect(before.filter((event) => event === "constructed")).toHaveLength(1);

    for (let waited = 0; waited < UNTIL_ASLEEP; waited += 2000) {
      await sleep(2000);
      await socket.ping();
    }
    expect(events(receiver!)).toEqual(before);

    (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
    expect(events(receiver!).slice(before.length)).toContain("constructed");
    expect(socket.isOpen).toBe(true);
  }, 60_000);

  test("a device that is watched hibernates, and its watcher is told what happens afterwards", async () => {
    const [sender, receiver] = await relay.devices(2);
    const url = new URL(`/v1/devices/${receiver!.name}/watch`, relay.url);
    const headers = { Authorization: `Bearer ${receiver!.token}` };
    const watcher = await Socket.open(url, { protocols: ["tagpost.watch.v1"], headers });
    await watcher.ping();
    const before = events(receiver!);
    for (let waited = 0; waited < UNTIL_ASLEEP; waited += 2000) {
      await sleep(2000);
      await watcher.ping();
    }
    expect(events(receiver!)).toEqual(before);
    const id = await sender!.send({ device: receiver!.name }, {});
    expect(await watcher.next("step")).toMatchObject({ id, event: "held" });
    expect(events(receiver!).slice(before.length)).toContain("constructed");
  }, 60_000);

  test("a device that waits for an acknowledgement that is not due hibernates as well", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    const id = await sender!.send({ device: receiver!.name }, {});
    await socket.next("message");
    const before = events(receiver!);
    await sleep(UNTIL_ASLEEP);
    expect(events(receiver!)).toEqual(before);
    socket.ack(id);
    expect((await sender!.settled(id)).summary).toEqual({ delivered: 1 });
    expect(events(receiver!).slice(before.length)).toContain("constructed");
  }, 60_000);
});
