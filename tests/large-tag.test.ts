// A tag of more than a hundred devices is worked through after the publish is answered, in parts, and a
// crash in between loses and repeats nothing. LARGE_TAG sets another number of devices; with many of them
// it crashes more than once.

import { expect, test } from "vitest";

import { fresh, useRelay, type Device, type Socket, type Trace } from "./harness/index.ts";

const DEVICES = Number(process.env.LARGE_TAG ?? 450);
const ONLINE = 40;
const CRASHES = Math.ceil(DEVICES / 2500);
const relay = useRelay({ vars: { MAX_FANOUT: 10_000 } });

test(`a publish to ${DEVICES} devices is answered at once, survives a restart, and its summary adds up`, async () => {
  const receivers: Device[] = [];
  while (receivers.length < DEVICES) {
    receivers.push(...(await relay.devices(Math.min(50, DEVICES - receivers.length))));
  }
  // Bound past the service, which would take a request for each.
  const tag = fresh("tag");
  const directory = await relay.directory();
  for (let n = 0; n < DEVICES; n += 50) {
    const some = receivers.slice(n, n + 50).flatMap(({ name }) => [tag, name]);
    const values = Array.from({ length: some.length / 2 }, () => "(?, ?)");
    await directory.prepare(`INSERT INTO tags (tag, device) VALUES ${values}`).bind(...some).run();
  }
  const sender = await relay.device();
  // Spread over the tag, so that every part has devices that answer.
  const online = receivers.filter((_, n) => n % Math.floor(DEVICES / ONLINE) === 0);
  const attend = (device: Device) => device.connect().then((socket) => (socket.answer(() => device.name), socket));
  const before = await Promise.all(online.map(attend));

  const published = await sender.publish({ tag }, { n: 1 }, { wait: 10 });
  const answer = published.is(202);
  expect(answer.summary).toEqual({ held: DEVICES });
  const trace = async () => (await sender.trace(answer.id, 1)).is(200) as Trace;

  // The first restart comes when some have it and the rest does not; each further one when some more have.
  await Promise.any(before.map((socket) => socket.next("message", 30_000)));
  await relay.restart();
  const restarted = performance.now();
  const after = await Promise.all(online.map(attend));
  for (let crash = 1; crash < CRASHES; crash++) {
    await until(trace, "more devices to have taken it", (trace) => taken(trace) > (crash * DEVICES) / CRASHES);
    await relay.restart();
    after.push(...(await Promise.all(online.map(attend))));
  }

  const open = receivers.filter((device) => !online.includes(device));
  const all = await until(trace, "every device to have taken it", (trace) => taken(trace) === DEVICES);
  const took = performance.now() - restarted;
  expect(all.deliveries).toHaveLength(DEVICES);
  for (const device of open.slice(0, 20)) {
    const socket = await device.connect();
    expect((await socket.next("message")).id).toBe(answer.id);
    await socket.close();
  }
  const settled = await until(trace, "those online to have answered", ({ summary }) => {
    return summary.delivered === online.length;
  });
  const replies = settled.deliveries.filter(({ state }) => state === "delivered").map(({ reply }) => reply);
  expect(replies.sort()).toEqual(online.map(({ name }) => name).sort());
  for (const [index, device] of online.entries()) {
    const ids = [before, after].flat().filter((_, n) => n % online.length === index).flatMap(messages);
    expect([...new Set(ids)], `the messages that ${device.name} got`).toEqual([answer.id]);
  }
  const { held = 0, sent = 0 } = settled.summary;
  expect(held + sent, `${JSON.stringify(settled.summary)} without the delivered ones`).toBe(open.length);
  // Taking back wakes all of them at the same time, and each that is awake holds files open: too many for one machine.
  if (DEVICES <= 5000) {
    const cancel = async () => (await sender.cancel(answer.id)).is(200) as Trace;
    const cancelled = await until(cancel, "the others to be taken back", ({ summary }) => summary.cancelled === open.length);
    expect(cancelled.summary).toEqual({ delivered: online.length, cancelled: open.length });
  }
  if (process.env.LARGE_TAG) console.log(`answered after ${Math.round(published.took)} ms; all had it ${Math.round(took)} ms after the first of ${CRASHES} crashes`);
}, 120_000 + DEVICES * 120);

/** How many devices' mailboxes have taken the message. */
const taken = ({ timeline }: Trace) => new Set(timeline.map(({ device }) => device)).size;

const messages = (socket: Socket) => socket.seen.filter(({ type }) => type === "message").map(({ id }) => id);

/** The trace once it fits. */
async function until(ask: () => Promise<Trace>, what: string, fits: (trace: Trace) => boolean): Promise<Trace> {
  let trace: Trace | undefined;
  for (let tries = 0; tries < 60 + DEVICES / 20; tries++) {
    trace = await ask();
    if (fits(trace)) return trace;
  }
  throw new Error(`expected ${what}, but saw ${JSON.stringify(trace?.summary)}`);
}
