// A tag of more than a hundred devices is worked through after the publish is answered, in parts, and a
// crash in between loses and repeats nothing. LARGE_TAG sets another number of devices.

import { expect, test } from "vitest";

import { useRelay, type Device, type Socket, type Trace } from "./harness/index.ts";

const DEVICES = Number(process.env.LARGE_TAG ?? 450);
const ONLINE = 40;
const relay = useRelay({ vars: { MAX_FANOUT: 10_000 } });

test(`a publish to ${DEVICES} devices is answered at once, survives a restart, and its summary adds up`, async () => {
  const receivers: Device[] = [];
  while (receivers.length < DEVICES) {
    receivers.push(...(await relay.devices(Math.min(25, DEVICES - receivers.length))));
  }
  const tag = await relay.tag(...receivers.slice(0, 25));
  for (let n = 25; n < DEVICES; n += 25) {
    await Promise.all(receivers.slice(n, n + 25).map((device) => relay.bind(tag, device)));
  }
  const sender = await relay.device();
  // Spread over the tag, so that every part has devices that answer.
  const online = receivers.filter((_, n) => n % Math.floor(DEVICES / ONLINE) === 0);
  const attend = (device: Device) => device.connect().then((socket) => (socket.answer(() => device.name), socket));
  const before = await Promise.all(online.map(attend));

  const answer = (await sender.publish({ tag }, { n: 1 }, { wait: 10 })).is(202);
  expect(answer.summary).toEqual({ held: DEVICES });

  // The restart comes when some have it and the rest does not.
  await Promise.any(before.map((socket) => socket.next("message", 30_000)));
  await relay.restart();
  const after = await Promise.all(online.map(attend));

  const open = receivers.filter((device) => !online.includes(device));
  const taken = await until(sender, answer.id, "every device to have taken it", ({ timeline }) => {
    return new Set(timeline.map(({ device }) => device)).size === DEVICES;
  });
  expect(taken.deliveries).toHaveLength(DEVICES);
  for (const device of open.slice(0, 20)) {
    const socket = await device.connect();
    expect((await socket.next("message")).id).toBe(answer.id);
    await socket.close();
  }
  const settled = await until(sender, answer.id, "those online to have answered", ({ summary }) => {
    return summary.delivered === online.length;
  });
  const replies = settled.deliveries.filter(({ state }) => state === "delivered").map(({ reply }) => reply);
  expect(replies.sort()).toEqual(online.map(({ name }) => name).sort());
  for (const [index, device] of online.entries()) {
    const ids = messages(before[index]!).concat(messages(after[index]!));
    expect([...new Set(ids)], `the messages that ${device.name} got`).toEqual([answer.id]);
  }
  const cancelled = (await sender.cancel(answer.id)).is(200);
  expect(cancelled.summary).toEqual({ delivered: online.length, cancelled: open.length });
}, 120_000 + DEVICES * 60);

const messages = (socket: Socket) => socket.seen.filter(({ type }) => type === "message").map(({ id }) => id);

/** The trace once it fits. */
async function until(sender: Device, id: string, what: string, fits: (trace: Trace) => boolean): Promise<Trace> {
  let trace: Trace | undefined;
  for (let tries = 0; tries < 60 + DEVICES / 20; tries++) {
    trace = (await sender.trace(id, 1)).is(200) as Trace;
    if (fits(trace)) return trace;
  }
  throw new Error(`expected ${what}, but saw ${JSON.stringify(trace?.summary)}`);
}
