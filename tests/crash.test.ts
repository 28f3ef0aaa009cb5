// SIGKILL at random moments under load: nothing that was answered is lost, and nothing happens twice.

import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, beforeAll, expect, test } from "vitest";

import { until, type Delivery, type Device, type Frame } from "./harness/index.ts";
import { RelayProcess } from "./harness/process.ts";
import { LAST_STATES } from "./harness/protocol.ts";

const ROUNDS = 5;
const RECEIVERS = 3;
const PUBLISHERS = 4;

const relay = new RelayProcess({ ACK_TIMEOUT: 5 });
beforeAll(() => relay.start(), 90_000);
afterAll(() => relay.stop(), 30_000);

/** Keeps a device connected until it is told to stop, as its firmware would. */
function stayConnected(device: Device, onFrame: (frame: Frame, send: (frame: unknown) => void) => void) {
  let stopped = false;
  const run = async () => {
    while (!stopped) {
      try {
        const socket = await device.open();
        while (!stopped && socket.isOpen) {
          const frame = await socket.next(() => true, 200).catch(() => undefined);
          if (frame) onFrame(frame, (answer) => socket.send(answer));
        }
      } catch {
        await sleep(50);
      }
    }
  };
  const running = run();
  return () => {
    stopped = true;
    return running;
  };
}

test(`what was answered survives ${ROUNDS} kills under load`, async () => {
  const [sender, ...receivers] = await relay.devices(1 + RECEIVERS);
  const tag = await relay.tag(...receivers);

  /** By `device id`, when each message arrived there; by payload, the ids it arrived under. */
  const arrivals = new Map<string, number[]>();
  const idsByPayload = new Map<number, Set<string>>();
  const leave = receivers.map((receiver) =>
    stayConnected(receiver, (frame, send) => {
      if (frame.type !== "message") return;
      const key = `${receiver.name} ${frame.id}`;
      arrivals.set(key, [...(arrivals.get(key) ?? []), performance.now()]);
      idsByPayload.set(frame.payload.n, (idsByPayload.get(frame.payload.n) ?? new Set()).add(frame.id));
      send({ type: "ack", id: frame.id, reply: frame.payload.n });
    }),
  );

  /** By `device id`, when the sender was first told the last state, and which. */
  const told = new Map<string, { state: string; at: number }>();
  const tell = (id: string, { device, state }: Pick<Delivery, "device" | "state">) => {
    if (!LAST_STATES.has(state)) return;
    const key = `${device} ${id}`;
    const before = told.get(key);
    if (before) expect(before.state, `the second report of ${key}`).toBe(state);
    else told.set(key, { state, at: performance.now() });
  };
  leave.push(
    stayConnected(sender!, (frame, send) => {
      if (frame.type !== "receipt") return;
      tell(frame.id, frame as unknown as Delivery);
      send({ type: "receipts_seen", seq: frame.seq });
    }),
  );

  const answered = new Map<number, string>();
  let published = 0;
  let stopping = false;
  const publishers = Array.from({ length: PUBLISHERS }, async () => {
    while (!stopping) {
      const n = published++;
      // What is not answered is published again with the same key until it is.
      while (!answered.has(n)) {
        const answer = await sender!.publish({ tag }, { n }, { key: `n${n}` }).catch(() => undefined);
        if (answer && answer.status < 300) {
          answered.set(n, answer.json.id);
          for (const delivery of answer.json.deliveries) tell(answer.json.id, delivery);
        } else {
          await sleep(50);
        }
      }
    }
  });

  for (let round = 0; round < ROUNDS; round++) {
    const already = answered.size;
    await until("a publish to be answered", async () => answered.size, (size) => size > already, 30_000);
    await sleep(Math.random() * 1500);
    await relay.kill();
    await relay.start();
  }
  stopping = true;
  await Promise.all(publishers);

  for (const [n, id] of answered) {
    const trace = await sender!.settled(id, 60);
    expect(trace.summary, `the trace of publish ${n}`).toEqual({ delivered: RECEIVERS });
    for (const receiver of receivers) {
      const last = trace.timeline.filter(({ device, event }) => device === receiver.name && LAST_STATES.has(event));
      expect(last, `the last states of publish ${n} at ${receiver.name}`).toHaveLength(1);
    }
    expect([...(idsByPayload.get(n) ?? [])], `the ids under which publish ${n} arrived`).toEqual([id]);
  }
  const untold = () =>
    [...answered.values()].flatMap((id) =>
      receivers.map(({ name }) => `${name} ${id}`).filter((key) => !told.has(key)),
    );
  await until("the sender to be told every last state", async () => untold(), (keys) => keys.length === 0, 20_000);
  await Promise.all(leave.map((stop) => stop()));

  const late = [...told].flatMap(([key, { at }]) => (arrivals.get(key) ?? []).filter((time) => time > at).map(() => key));
  expect(late, "messages that arrived again after the sender was told of their delivery").toEqual([]);
}, 180_000);
