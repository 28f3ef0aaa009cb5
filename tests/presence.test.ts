// A device is online while its socket is open and shows life; both the device's status and its tags say so.

import { describe, expect, test } from "vitest";

import { until, useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("presence", () => {
  test("the status of a device that never connected is offline and empty", async () => {
    const device = await relay.device();
    expect((await device.status()).is(200)).toMatchObject({
      device: device.name,
      online: false,
      connected_at: null,
      held: 0,
      in_flight: 0,
      held_bytes: 0,
      tags: [],
    });
  });

  test("the status of a connected device says since when", async () => {
    const device = await relay.device();
    const before = Date.now();
    await device.connect();
    const status = (await device.status()).is(200);
    expect(status.online).toBe(true);
    expect(status.connected_at).toBeGreaterThanOrEqual(before);
    expect(status.connected_at).toBeLessThanOrEqual(Date.now());
    expect(status.last_seen_at).toBeGreaterThanOrEqual(status.connected_at);
    expect(status.last_seen_at).toBeLessThanOrEqual(Date.now());
  });

  test("a device that closes its connection is offline, and was last seen then", async () => {
    const device = await relay.device();
    const before = Date.now();
    const socket = await device.connect();
    await socket.close();
    await device.offline();
    const status = (await device.status()).is(200);
    expect(status).toMatchObject({ online: false, connected_at: null });
    expect(status.last_seen_at).toBeGreaterThanOrEqual(before);
  });

  test("a device whose connection breaks is offline", async () => {
    const device = await relay.device();
    (await device.connect()).terminate();
    await device.offline();
  });

  test("the status counts held messages and those in flight", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    await sender!.send(to, "12345", { type: "text/plain" });
    await sender!.send(to, "67890", { type: "text/plain" });
    const held = (await receiver!.status()).is(200);
    expect(held).toMatchObject({ held: 2, in_flight: 0 });
    expect(held.held_bytes).toBeGreaterThanOrEqual(10);

    const socket = await receiver!.connect();
    const [first] = await socket.messages(2);
    expect((await receiver!.status()).is(200)).toMatchObject({ held: 0, in_flight: 2 });
    socket.ack(first!.id);
    const ask = async () => (await receiver!.status()).is(200).in_flight;
    await until("one in flight", ask, (count) => count === 1);
  });

  test("the status names the tags of the device", async () => {
    const device = await relay.device();
    const tags = [await relay.tag(device), await relay.tag(device)];
    expect((await device.status()).is(200).tags.sort()).toEqual(tags.sort());
    await relay.unbind(tags[0]!, device);
    expect((await device.status()).is(200).tags).toEqual([tags[1]]);
  });

  test("a tag says which of its devices are online", async () => {
    const [on, off] = await relay.devices(2);
    const tag = await relay.tag(on!, off!);
    const socket = await on!.connect();
    const read = async () => (await relay.admin("GET", `/v1/tags/${tag}?presence=true`)).is(200);
    const members = (await read()).devices;
    expect(members).toHaveLength(2);
    expect(members).toContainEqual({ device: on!.name, online: true });
    expect(members).toContainEqual({ device: off!.name, online: false });
    await socket.close();
    expect((await read()).devices).toContainEqual({ device: on!.name, online: false });
  });

  test("a message to a device that has just closed its connection is held", async () => {
    const [sender, receiver] = await relay.devices(2);
    await (await receiver!.connect()).close();
    expect((await sender!.publish({ device: receiver!.name }, {}, { wait: 5 })).is(202).summary).toEqual({ held: 1 });
  });
});
