// The ways of a message to a device that is away and can be knocked. Their push service takes every knock.

import { Response } from "miniflare";

import { until, type Device, type Relay } from "../harness/index.ts";
import { REPEATS } from "./ways.ts";

export const VAPID_KEY = "5".repeat(64);

export const outbound = async (): Promise<Response> => new Response(null, { status: 201 });

/** A prepared way: it publishes one message, and ends when nothing more follows from it soon. */
type Knocked = () => Promise<unknown>;

/** A device that can be knocked, and has not been. */
async function knockable(relay: Relay): Promise<Device> {
  const device = await relay.device();
  const body = { endpoint: `https://push.example/${device.name}` };
  (await device.request("PUT", `/v1/devices/${device.name}/wake`, { body })).is(201);
  return device;
}

/** Waits until the push service's answer is recorded. It asks the operator's list, which costs a request and no row. */
async function knocked(relay: Relay, device: Device): Promise<void> {
  const list = async () => (await relay.admin("GET", `/v1/devices/${device.name}/wake`)).is(200).wake;
  await until("a knock", list, ([{ knocked_at }]) => knocked_at !== null);
}

export const KNOCKS: Record<string, (relay: Relay) => Promise<Knocked>> = {
  "held, with a knock that is taken": async (relay) => {
    const sender = await relay.device();
    const devices: Device[] = [];
    while (devices.length < REPEATS) devices.push(await knockable(relay));
    return () => sender.send({ device: devices.pop()!.name }, {});
  },

  "held, one more within 30 s of a knock": async (relay) => {
    const [sender, device] = [await relay.device(), await knockable(relay)];
    await sender.send({ device: device.name }, {});
    await knocked(relay, device);
    return () => sender.send({ device: device.name }, {});
  },

  "held, with a knock that is taken, then polled": async (relay) => {
    const sender = await relay.device();
    const devices: Device[] = [];
    while (devices.length < REPEATS) devices.push(await knockable(relay));
    return async () => {
      const device = devices.pop()!;
      await sender.send({ device: device.name }, {});
      const [message] = await device.inbox();
      (await device.ack(message!.id)).is(204);
    };
  },
};
