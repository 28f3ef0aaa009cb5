// What the library's tests share: clients that are closed after each test, and waits that are bounded.

import { setTimeout as sleep } from "node:timers/promises";

import { afterAll } from "vitest";

import type { Device as Credentials } from "../../../tests/harness/index.ts";
import { connect, type Device, type Message, type StateEvent, type TokenFunction } from "../src/index.js";
import { Network } from "./network.ts";

/** Milliseconds that a test waits for one thing: longer than any pause before a reconnect in it. */
export const LIMIT = 20_000;

/** What opens clients and networks; all of them are closed after the tests of the file that calls it. */
export function useClients() {
  const devices = new Set<Device>();
  const networks = new Set<Network>();
  afterAll(async () => {
    for (const device of devices) device.close();
    await Promise.all(Array.from(networks, (network) => network.close()));
  });
  return {
    /** A client of this device. */
    client(url: URL, { token }: { token: string | TokenFunction }): Device {
      const device = connect({ url, token });
      devices.add(device);
      return device;
    },
    /** A network to wherever `target` says. */
    async network(target: () => URL): Promise<Network> {
      const network = await Network.to(target);
      networks.add(network);
      return network;
    },
  };
}

/** What `promise` gives, or a failure that says what did not come. */
export async function within<T>(what: string, promise: Promise<T>, limit = LIMIT): Promise<T> {
  const late = Symbol();
  const result = await Promise.race([promise, sleep(limit, late, { ref: false })]);
  if (result === late) throw new Error(`expected within ${limit} ms: ${what}`);
  return result as T;
}

/**
 * The error that `promise` ends with. Call it where the promise is made: one that fails before anybody
 * waits for it is an unhandled rejection.
 */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  const error = promise.then((value) => {
    throw new Error(`expected an error, but got ${JSON.stringify(value)}`);
  }, (error: unknown) => error);
  return within("an error", error);
}

/** Waits until the client is in this state, or for its next change to it. */
export async function state(device: Device, name: "online" | "offline" | "closed"): Promise<StateEvent | undefined> {
  if (device.state === name) return undefined;
  return change(device, name);
}

/** Waits for the next change to this state. */
export function change(device: Device, name: "online" | "offline" | "closed"): Promise<StateEvent> {
  const event = new Promise<StateEvent>((resolve) => device.addEventListener(name, resolve, { once: true }));
  return within(`the device ${name}, which is ${device.state}`, event);
}

/** The next message. */
export async function next(device: Device): Promise<Message> {
  const { value } = await within("a message", device.messages().next());
  if (!value) throw new Error("expected a message, but the device is closed");
  return value;
}

/** The payloads of the next `count` messages, each acknowledged with how many there were. */
export async function payloads(device: Device, count: number, limit = 2 * LIMIT): Promise<unknown[]> {
  const seen: unknown[] = [];
  const take = async () => {
    for await (const message of device.messages()) {
      seen.push(message.payload);
      message.ack({ taken: seen.length });
      if (seen.length === count) return;
    }
  };
  await within(`${count} messages`, take(), limit).catch((error) => {
    throw new Error(`${error.message}; seen: ${JSON.stringify(seen).slice(0, 2000)}`);
  });
  return seen;
}

/** Whether another message comes after all others: one published now is the next. */
export async function nothingElse(receiver: Device, sender: Credentials, name: string): Promise<void> {
  const end = await sender.publish({ device: name }, "the end", { wait: 0 });
  const message = await next(receiver);
  if (message.id !== end.json.id) throw new Error(`expected no further message, but ${JSON.stringify(message)}`);
  message.ack();
}

export const range = (count: number) => Array.from({ length: count }, (_, n) => n);
