// The ways of a hook: making one, and what is posted to it.

import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "vitest";

import { mint, seconds, type Device, type Relay } from "../harness/index.ts";

/** A prepared way: `once` does it one time, and ends when nothing more follows from it. */
export type Hook = () => Promise<unknown>;

/** Makes a hook of this device to a tag: its path. */
async function made(device: Device, tag: string, token = device.token): Promise<string> {
  const answer = await device.request("POST", `/v1/devices/${device.name}/hooks`, { token, body: { to: { tag } } });
  return new URL(answer.is(200).url).pathname;
}

export const HOOKS: Record<string, (relay: Relay) => Promise<Hook>> = {
  "online, posted to a hook": async (relay) => {
    const [sender, receiver] = (await relay.devices(2)) as [Device, Device];
    const tag = await relay.tag(receiver);
    (await receiver.connect()).answer();
    const path = await made(sender, tag);
    return async () => (await relay.request("POST", path, { body: {} })).is(200);
  },

  "a hook is made": async (relay) => {
    const device = await relay.device();
    return () => made(device, "phones");
  },

  "post to a hook that has expired": async (relay) => {
    const device = await relay.device();
    const expiry = seconds() + 3;
    const token = mint(relay.tokenKey, { sub: device.name, iat: seconds(), exp: expiry });
    const path = await made(device, device.name, token);
    await sleep(Math.max(0, expiry * 1_000 - Date.now()));
    return async () => expect((await relay.request("POST", path, { body: {} })).status).toBe(404);
  },

  "post to a hook that was revoked": async (relay) => {
    const device = await relay.device();
    const tag = await relay.tag(device);
    const path = await made(device, tag);
    (await device.request("DELETE", `/v1/devices/${device.name}/hooks`)).is(204);
    return async () => expect((await relay.request("POST", path, { body: {} })).status).toBe(404);
  },

  "post to a hook that leads nowhere": async (relay) => {
    return async () => expect((await relay.request("POST", "/h/a", { body: {} })).status).toBe(404);
  },
};
