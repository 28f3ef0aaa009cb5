// The ways of a message to a device that is an address, and of a receipt that is posted.

import { until, type Device, type Relay } from "../harness/index.ts";
import { answers, type Receiver } from "../harness/receiver.ts";
import { REPEATS } from "./ways.ts";

/** A prepared way: `once` does it one time, and ends when nothing more follows from it soon. */
type Webhook = () => Promise<unknown>;

/** Makes a device an address for these events. No answer counts as lost before the counting is over. */
async function set(relay: Relay, device: Device, receiver: Receiver, events = ["message"]): Promise<void> {
  (await relay.admin("PUT", `/v1/devices/${device.name}/webhook`, { url: receiver.url, timeout: 60, events })).is(201);
}

/** Waits until the address has got so many more requests than before. */
const more = (receiver: Receiver, before: number) =>
  until("a request", async () => receiver.posted.length, (count) => count > before);

export const WEBHOOKS: Record<string, (relay: Relay, receiver: Receiver) => Promise<Webhook>> = {
  "posted to an address, which takes it": async (relay, receiver) => {
    const [sender, device] = (await relay.devices(2)) as [Device, Device];
    await set(relay, device, receiver);
    receiver.behave = answers(204);
    return async () => (await sender.publish({ device: device.name }, {}, { wait: 30 })).is(200);
  },

  "stored, then posted to an address, which takes it": async (relay, receiver) => {
    const [sender, device] = (await relay.devices(2)) as [Device, Device];
    await set(relay, device, receiver);
    receiver.behave = answers(204);
    return async () => {
      const before = receiver.posted.length;
      await sender.send({ device: device.name }, {});
      await more(receiver, before);
    };
  },

  "stored, then posted to an address, which fails": async (relay, receiver) => {
    const sender = await relay.device();
    const devices: Device[] = [];
    while (devices.length <= REPEATS) devices.push(await relay.device());
    for (const device of devices) await set(relay, device, receiver);
    // Nothing is posted again before the counting is over.
    receiver.behave = answers(503, "", { "retry-after": "40" });
    return async () => {
      const before = receiver.posted.length;
      await sender.send({ device: devices.pop()!.name }, {}, { ttl: 3600 });
      await more(receiver, before);
    };
  },

  "online, after the wait, its receipt posted to an address": async (relay, receiver) => {
    const [sender, device] = (await relay.devices(2)) as [Device, Device];
    await set(relay, sender, receiver, ["receipt"]);
    (await device.connect()).answer();
    receiver.behave = answers(204);
    return async () => {
      const before = receiver.posted.length;
      await sender.send({ device: device.name }, {});
      await more(receiver, before);
    };
  },
};
