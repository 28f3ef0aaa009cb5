// A valid token of a device that is not known yet registers it on first use.

import { describe, expect, test } from "vitest";

import { seconds, useRelay, type Device } from "./harness/index.ts";

const relay = useRelay();

/** Whether the operator finds the device, and a sender reaches it. */
async function isKnown(device: Device): Promise<boolean> {
  const status = await relay.admin("GET", `/v1/devices/${device.name}`);
  const sender = await relay.device();
  const publish = await sender.publish({ device: device.name }, {}, { wait: 0 });
  expect(publish.status, `${publish}`).toBe(status.status === 200 ? 202 : 404);
  return status.status === 200;
}

describe.concurrent("registration on first use", () => {
  test("a device that only has a token is not known before it uses it", async () => {
    expect(await isKnown(relay.minted())).toBe(false);
  });

  test("connecting registers the device", async () => {
    const device = relay.minted();
    const socket = await device.connect();
    expect(await isKnown(device)).toBe(true);
    expect(await socket.next("message")).toMatchObject({ to: { device: device.name } });
  });

  test("fetching the inbox registers the device", async () => {
    const device = relay.minted();
    await device.inbox();
    expect(await isKnown(device)).toBe(true);
  });

  test("publishing registers the device", async () => {
    const [device, receiver] = [relay.minted(), await relay.device()];
    await device.send({ device: receiver.name }, {});
    expect(await isKnown(device)).toBe(true);
  });

  test("reading its own status registers the device", async () => {
    const device = relay.minted();
    expect((await device.status()).is(200)).toMatchObject({ device: device.name, online: false });
    expect(await isKnown(device)).toBe(true);
  });

  test("a registered device can be bound to a tag and shows up in the list", async () => {
    const device = relay.minted();
    await device.inbox();
    await relay.tag(device);
    const { devices } = (await relay.admin("GET", "/v1/devices?limit=1000")).is(200);
    expect(devices).toContainEqual({ device: device.name, created_at: expect.any(Number) });
  });

  test("a token whose iat has a fraction, as some libraries write it, is valid", async () => {
    const device = relay.minted({ iat: seconds() - 0.5 });
    await device.inbox();
  });

  test("a device can be created by the operator after it registered itself", async () => {
    const device = relay.minted();
    await device.inbox();
    const created = (await relay.admin("PUT", `/v1/devices/${device.name}`)).is(200);
    expect(created.device).toBe(device.name);
    await device.inbox();
    await relay.bearer(device.name, created.token).inbox();
  });
});
