// A valid credential opens what it is for and nothing else: 403.

import { describe, expect, test } from "vitest";

import { HandshakeRefused, useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("permissions", () => {
  test("a device's token does not do the operator's work", async () => {
    const [device, other] = await relay.devices(2);
    const tag = await relay.tag(other!);
    for (const [method, path] of [
      ["PUT", `/v1/devices/${device!.name}`],
      ["PUT", `/v1/devices/${other!.name}`],
      ["GET", "/v1/devices"],
      ["GET", `/v1/devices/${other!.name}`],
      ["DELETE", `/v1/devices/${device!.name}`],
      ["DELETE", `/v1/devices/${device!.name}/tokens`],
      ["DELETE", `/v1/devices/${device!.name}/tokens/0123456789abcdef`],
      ["POST", `/v1/devices/${device!.name}/pair`],
      ["PUT", `/v1/tags/${tag}/devices/${device!.name}`],
      ["DELETE", `/v1/tags/${tag}/devices/${other!.name}`],
      ["GET", "/v1/tags"],
    ] as const) {
      (await device!.request(method, path)).problem(403, "forbidden");
    }
    const tags = (await relay.admin("GET", `/v1/tags/${tag}`)).is(200);
    expect(tags.devices.map(({ device }: any) => device)).toEqual([other!.name]);
    (await device!.status()).is(200);
  });

  test("the admin key does not do a device's work", async () => {
    const device = await relay.device();
    const tag = await relay.tag(device);
    const id = await device.send({ device: device.name }, {});
    for (const [method, path] of [
      ["POST", `/v1/devices/${device.name}/messages`],
      ["POST", `/v1/tags/${tag}/messages`],
      ["GET", "/v1/messages"],
      ["GET", "/v1/inbox"],
      ["POST", `/v1/inbox/${id}/ack`],
      ["POST", `/v1/inbox/${id}/nack`],
      ["POST", `/v1/inbox/${id}/progress`],
    ] as const) {
      (await relay.admin(method, path)).problem(403, "forbidden");
    }
    expect((await device.trace(id)).is(200).summary).toEqual({ held: 1 });
  });

  test("the admin key does not connect as a device", async () => {
    const error = await relay.bearer("nobody", relay.adminKey).open().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(HandshakeRefused);
    expect(error).toMatchObject({ status: 403 });
  });

  test("a device reads its own status, the operator that of any", async () => {
    const device = await relay.device();
    const own = (await device.status()).is(200);
    expect((await relay.admin("GET", `/v1/devices/${device.name}`)).is(200)).toMatchObject({ device: own.device });
  });

  test("the status of a device that is not known is 404", async () => {
    (await relay.admin("GET", "/v1/devices/nobody-here")).problem(404, "unknown_device");
  });
});
