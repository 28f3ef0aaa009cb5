// Watching a device: its presence and each step of its deliveries, over a socket that changes nothing.

import { describe, expect, test } from "vitest";

import { METER, counted } from "./costs/counts.ts";
import { subscribed } from "./harness/agent.ts";
import { Socket, useRelay, type Frame } from "./harness/index.ts";

const PUSH_KEY = "0123456789abcdef0123456789abcdef";
const relay = useRelay({ wrap: METER, vars: { PUSH_KEY } });

const WATCH = "tagpost.watch.v1";

function watch(device: string, { query = "", key = relay.adminKey, protocols = [WATCH] } = {}): Promise<Socket> {
  const url = new URL(`/v1/devices/${device}/watch${query}`, relay.url);
  return Socket.open(url, { protocols, headers: { Authorization: `Bearer ${key}` } });
}

/** What a step says besides the times and the message. */
const brief = ({ event, attempt, reply, note }: Frame) =>
  [event, attempt, reply ?? note].filter((part) => part !== undefined).join(" ");

describe.concurrent("watching", () => {
  test("tells presence and each step of a delivery as it happens", async () => {
    const [sender, receiver] = await relay.devices(2);
    const watcher = await watch(receiver!.name);
    expect(watcher.protocol).toBe(WATCH);
    expect(await watcher.next("watching")).toMatchObject({ device: receiver!.name, online: false, held: 0 });
    const id = await sender!.send({ device: receiver!.name }, { ring: true });
    const held = await watcher.next("step");
    expect(held).toMatchObject({ id, from: sender!.name, to: { device: receiver!.name }, event: "held", size: 13 });
    expect(held).not.toHaveProperty("payload");
    const socket = await receiver!.connect();
    expect(await watcher.next("presence")).toMatchObject({ online: true });
    socket.progress(id, { note: "on my way" });
    socket.ack(id, "open");
    const steps = [];
    while (steps.length < 3) steps.push(brief(await watcher.next("step")));
    expect(steps).toEqual(["sent 1", "in_progress 1 on my way", "delivered 1 open"]);
    await socket.close();
    expect(await watcher.next("presence")).toMatchObject({ online: false });
  });

  test("tells payloads to whoever asks for them", async () => {
    const [sender, receiver] = await relay.devices(2);
    const watcher = await watch(receiver!.name, { query: "?payload=true" });
    await sender!.send({ device: receiver!.name }, { ring: true });
    expect(await watcher.next("step")).toMatchObject({ payload: { ring: true } });
  });

  test("neither connects the device nor takes its connection over", async () => {
    const receiver = await relay.device();
    await watch(receiver.name);
    expect((await receiver.status()).is(200)).toMatchObject({ online: false, connected_at: null });
    const socket = await receiver.connect();
    await watch(receiver.name, { key: receiver.token });
    await socket.ping();
    expect((await receiver.status()).is(200)).toMatchObject({ online: true });
  });

  test("is for the operator and the device itself, and for devices that there are", async () => {
    const [one, other] = await relay.devices(2);
    const refused = (status: number) => `the handshake was answered ${status}`;
    await expect(watch(one!.name, { key: "not a key" })).rejects.toThrow(refused(401));
    await expect(watch(one!.name, { key: other!.token })).rejects.toThrow(refused(403));
    await expect(watch("nobody-has-this-name")).rejects.toThrow(refused(404));
    await expect(watch(one!.name, { protocols: ["tagpost.v1"] })).rejects.toThrow(refused(400));
    await expect(watch(one!.name, { query: "?payload=perhaps" })).rejects.toThrow(refused(400));
    (await relay.admin("GET", `/v1/devices/${one!.name}/watch`)).problem(426, "upgrade_required");
  });

  test("works from a browser, which can set no header", async () => {
    const device = await relay.device();
    const encoded = Buffer.from(relay.adminKey).toString("base64url");
    const url = new URL(`/v1/devices/${device.name}/watch`, relay.url);
    for (const credential of [`token64.${encoded}`, `token.${device.token}`]) {
      const watcher = await Socket.open(url, { protocols: [WATCH, credential] });
      expect(watcher.protocol).toBe(WATCH);
      await watcher.next("watching");
    }
  });

  test("ends when the token is revoked, when the watcher speaks, and when five others like it watch", async () => {
    const device = await relay.device();
    const operator = await watch(device.name);
    const own = await watch(device.name, { key: device.token });
    for (let n = 0; n < 5; n++) await watch(device.name, { key: device.token });
    expect(await own.closed()).toMatchObject({ code: 4409 });
    operator.send({ type: "ack", id: "x" });
    expect(await operator.closed()).toMatchObject({ code: 4400 });
    const again = await watch(device.name, { key: device.token });
    (await relay.admin("DELETE", `/v1/devices/${device.name}/tokens`)).is(204);
    expect(await again.closed()).toMatchObject({ code: 4401 });
  });

  test("survives an eviction of the mailbox", async () => {
    const [sender, receiver] = await relay.devices(2);
    const watcher = await watch(receiver!.name);
    await watcher.next("watching");
    await relay.evict(receiver!);
    const id = await sender!.send({ device: receiver!.name }, {});
    expect(await watcher.next("step")).toMatchObject({ id, event: "held" });
  });
});

describe("what watching costs:", () => {
  test("a message to a device that is watched takes the rows and alarms of any other", async () => {
    const [sender, receiver] = await relay.devices(2);
    (await receiver!.connect()).answer();
    const send = async () => (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
    // The first one sets the alarm of the clean-up.
    await send();
    const alone = await counted(relay, send);
    const watcher = await watch(receiver!.name);
    await watcher.next("watching");
    expect(await counted(relay, send)).toEqual(alone);
    expect(watcher.seen.filter(({ type }) => type === "step")).toHaveLength(2);
  });

  test("a user agent that is watched pings for nothing", async () => {
    const { device, agent } = await subscribed(relay);
    const watcher = await watch(device.name);
    await watcher.next("watching");
    const counts = await counted(relay, async () => {
      for (let n = 0; n < 5; n++) await agent.ping();
    });
    expect(Object.values(counts).every((count) => count === 0)).toBe(true);
  });
});
