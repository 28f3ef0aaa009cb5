// An alarm never dies. The platform deletes one that has failed seven times; whatever a mailbox fails of, it goes
// on by itself once that is mended, and a mailbox that has lost its alarm all the same sets it with any event.
//
// ALARMS=1 runs the two stories in full, in which the configuration is wrong for longer than the seven failures
// take: some ten minutes. Without it the first failure is counted as the fifth, and the pause after the last is
// cut short while the service is halted.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { until, useRelay, type Relay } from "./harness/index.ts";
import { mend, moveAlarm, refuse } from "./harness/storage.ts";

const FULL = process.env.ALARMS === "1";

/** Seven failures take 2 + 4 + … + 64 seconds, and up to a quarter more. */
const OUTAGE = 170_000;

/** The service as it is deployed, but for the number of failures that its alarms are told of. */
const HURRIED = `
import Worker, { Mailbox as Deployed } from "./entry.js";
export default Worker;
export class Mailbox extends Deployed {
  alarm(info) {
    return super.alarm({ ...info, retryCount: info.retryCount + 4 });
  }
}`;

const relay = useRelay(FULL ? {} : { wrap: { name: "hurried.js", script: HURRIED } });

/** Runs it with limits that are wrong until the alarm of this mailbox has been given up, then with the right ones. */
async function misconfigured(relay: Relay, name: string): Promise<void> {
  const file = await relay.database(name);
  const postponed = () => relay.logs.filter(({ message }) => message.includes('"alarm_postponed"')).length;
  relay.limit({ KEEPALIVE: 0 });
  await relay.restart();
  const since = Date.now();
  await until("the alarm to be put off", async () => postponed(), (count) => count > 0, 100_000);
  if (FULL) await sleep(OUTAGE - (Date.now() - since));
  expect(relay.alarms().filter((at) => at < Date.now() + 125_000), "the alarm is still set").not.toEqual([]);
  relay.limit({ KEEPALIVE: 30 });
  await relay.halt();
  if (!FULL) moveAlarm(file, Date.now());
  await relay.start();
}

describe("a configuration that is wrong until an alarm has failed too often, then right", { timeout: 600_000 }, () => {
  test("expires a held message and tells its sender, without a request", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "x", { ttl: 5 });
    await misconfigured(relay, receiver!.name);
    const receipt = await (await sender!.connect()).next("receipt", FULL ? 150_000 : 20_000);
    expect(receipt).toMatchObject({ id, device: receiver!.name, state: "expired" });
  });

  test("hands an answered message to all devices of a large tag", async () => {
    const sender = await relay.device();
    const receivers = await relay.devices(FULL ? 300 : 101);
    const tag = await relay.tag(...receivers);
    const { id } = (await sender.publish({ tag }, "x")).is(202);
    await misconfigured(relay, sender.name);
    const sockets = await Promise.all(receivers.map((receiver) => receiver.connect()));
    const messages = await Promise.all(sockets.map((socket) => socket.next("message", FULL ? 180_000 : 60_000)));
    expect(new Set(messages.map((message) => message.id))).toEqual(new Set([id]));
  });
});

describe("a mailbox that has lost its alarm", () => {
  test("sets it with an event that only reads", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { id, expires_at } = (await sender!.publish({ device: receiver!.name }, "x", { wait: 0, ttl: 600 })).is(202);
    const file = await relay.database(receiver!.name);
    await relay.halt();
    moveAlarm(file, null);
    await relay.start();
    expect(relay.alarms()).not.toContain(expires_at);
    expect((await receiver!.status()).is(200).held, id).toBe(1);
    await until("the alarm", async () => relay.alarms(), (alarms) => alarms.includes(expires_at));
  });

  test("sets it with an event that fails", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { expires_at } = (await sender!.publish({ device: receiver!.name }, "x", { wait: 0, ttl: 600 })).is(202);
    const file = await relay.database(receiver!.name);
    await relay.halt();
    moveAlarm(file, null);
    refuse(file, "INSERT ON inbox");
    await relay.start();
    const failed = () => relay.logs.filter(({ message }) => message.includes("database or disk is full")).length;
    const before = failed();
    (await sender!.publish({ device: receiver!.name }, "y", { wait: 0, ttl: 3600 })).is(202);
    await until("the event to fail", async () => failed(), (count) => count > before);
    await until("the alarm", async () => relay.alarms(), (alarms) => alarms.includes(expires_at));
    await relay.halt();
    mend(file);
    await relay.start();
  });
});

test("the simulation postpones an alarm when the service does, and by as much", () => {
  const numbers = (path: string, ...names: string[]) => {
    const text = readFileSync(path, "utf8");
    return names.map((name) => new RegExp(`^const ${name}\\b.* = ([\\d_]+);$`, "m").exec(text)?.[1]);
  };
  const service = numbers("src/entry.js", "MAX_ALARM_RETRIES", "ALARM_PAUSE");
  expect(service).not.toContain(undefined);
  expect(numbers("crates/sim/src/world/alarm.rs", "POSTPONED_AT", "POSTPONED_BY")).toEqual(service);
});
