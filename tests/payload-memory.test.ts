// Payloads take a bounded part of the 128 MB that an isolate has for all its mailboxes, however many are
// published at the same time, and to however many devices. Here one isolate holds the Worker, the sender's mailbox
// and all receivers'. A wasm memory never shrinks, so that what it has afterwards is the most it ever had.
// FIGURES=1 prints what was held.

import { describe, expect, test } from "vitest";

import { repeat, useRelay, type Answer, type Device } from "./harness/index.ts";

const MB = 1e6;
const QUARTER = "x".repeat(262_144);

/** An inspected relay of its own. */
const useInspected = (vars: Record<string, number> = {}) => useRelay({ inspected: true, vars });

/** Creates `count` devices, a few at a time. */
async function devices(relay: ReturnType<typeof useRelay>, count: number): Promise<Device[]> {
  const all: Device[] = [];
  while (all.length < count) all.push(...(await relay.devices(Math.min(20, count - all.length))));
  return all;
}

/** Bytes of wasm memory beyond what an idle service has, once something has been done. */
async function grown(relay: ReturnType<typeof useRelay>, what: string, act: () => Promise<unknown>): Promise<number> {
  const before = await relay.held();
  await act();
  const after = await relay.held();
  if (process.env.FIGURES) console.log(`${what}: ${JSON.stringify({ before, after })}`);
  return after.wasm - before.wasm;
}

describe("600 publishes of 256 KiB at the same time", { timeout: 180_000 }, () => {
  const relay = useInspected({ PUBLISH_RATE: 1000, PUBLISH_BURST: 1000 });

  test("from one sender, which wait for 20 devices that do not acknowledge, take at most 40 MB", async () => {
    const sender = await relay.device();
    const receivers = await devices(relay, 20);
    const sockets = await Promise.all(receivers.map((receiver) => receiver.connect()));
    const answers: Answer[] = [];
    const once = (n: number) => sender.publish({ device: receivers[n % 20]!.name }, QUARTER, { type: "text/plain", wait: 30 });
    // workerd closes a connection that it did not get to within five seconds, unread; its client comes again.
    const publish = (n: number) => once(n).catch(() => once(n)).catch(() => once(n));
    const floods = repeat(600, 600, async (n) => void answers.push(await publish(n)));
    // Those that are refused are answered while the others wait.
    await expect.poll(() => answers.length, { timeout: 60_000 }).toBeGreaterThan(400);
    const most = (await relay.held()).wasm;
    // Those that wait need not wait to the end.
    for (const socket of sockets) socket.answer();
    for (const socket of sockets) socket.seen.filter(({ type }) => type === "message").forEach(({ id }) => socket.ack(id));
    await floods;
    if (process.env.FIGURES) console.log(`600 publishes: ${most} bytes`);
    const refused = answers.filter(({ status }) => status === 429);
    for (const answer of refused) {
      answer.problem(429, "too_many_requests");
      expect(answer.headers.get("retry-after")).toBe("1");
    }
    const taken = answers.filter(({ status }) => status !== 429).map((answer) => answer.is(200));
    expect(taken.length, "publishes that were taken").toBeGreaterThanOrEqual(8);
    expect(most).toBeLessThanOrEqual(40 * MB);
    // Nothing stays counted: the next one is taken.
    (await publish(0)).is(200);
  });
});

describe("one message of 256 KiB to 100 devices that are away", { timeout: 180_000 }, () => {
  const relay = useInspected();

  test("takes at most 16 MB, three at the same time 24 MB", async () => {
    const sender = await relay.device();
    const receivers = await devices(relay, 100);
    const tag = await relay.tag(...receivers);
    const publish = async () => {
      const { id } = (await sender.publish({ tag }, QUARTER, { type: "text/plain" })).is(202);
      await held(sender, id, 100);
    };
    const one = await grown(relay, "one to 100", publish);
    const three = await grown(relay, "three to 100", () => Promise.all([publish(), publish(), publish()]));
    expect(one).toBeLessThanOrEqual(16 * MB);
    expect(one + three).toBeLessThanOrEqual(24 * MB);
  });
});

describe("a payload of the greatest length to 100 devices that are away", { timeout: 180_000 }, () => {
  const relay = useInspected({ MAX_PAYLOAD_BYTES: 1_000_000 });

  test("takes at most 32 MB", async () => {
    const sender = await relay.device();
    const receivers = await devices(relay, 100);
    const tag = await relay.tag(...receivers);
    const bytes = await grown(relay, "the greatest to 100", async () => {
      const { id } = (await sender.publish({ tag }, new Uint8Array(1_000_000), { type: "image/png" })).is(202);
      await held(sender, id, 100);
    });
    expect(bytes).toBeLessThanOrEqual(32 * MB);
  });
});

describe("sixteen texts of 256 KiB that take six times as much in JSON", { timeout: 180_000 }, () => {
  const relay = useInspected();

  test("are each polled once, and take at most 16 MB", async () => {
    const [sender, receiver] = (await devices(relay, 2)) as [Device, Device];
    // As JSON a NUL takes six bytes; the last character makes each of them two bytes in a JavaScript string.
    const text = "\0".repeat(262_144 - 4) + "\u{1F514}";
    const ids: string[] = [];
    const polled: string[] = [];
    const bytes = await grown(relay, "sixteen polled", async () => {
      for (let n = 0; n < 16; n++) ids.push(await sender.send({ device: receiver.name }, text, { type: "text/plain" }));
      for (let polls = 0; polls < 16 && polled.length < 16; polls++) {
        for (const { id, attempt, payload } of await receiver.inbox({ limit: 16 })) {
          expect([attempt, payload === text], id).toEqual([1, true]);
          (await receiver.ack(id)).is(204);
          polled.push(id);
        }
      }
    });
    expect(polled).toEqual(ids);
    for (const id of ids) expect((await sender.settled(id)).deliveries).toMatchObject([{ state: "delivered", attempts: 1 }]);
    expect(bytes).toBeLessThanOrEqual(16 * MB);
  });
});

/** Waits until `count` mailboxes have taken the message. */
async function held(sender: Device, id: string, count: number): Promise<void> {
  const taken = async () => (await sender.trace(id, 1)).is(200).timeline.length;
  await expect.poll(taken, { timeout: 60_000 }).toBe(count);
}
