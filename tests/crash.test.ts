// SIGKILL at random moments under load, and evictions of random mailboxes in between: nothing that was
// answered is lost, nothing happens twice, and nothing comes late. KILLS sets how often.

import { setTimeout as sleep } from "node:timers/promises";

import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

import { attend, attendPolling, type Leave } from "./harness/attend.ts";
import { fresh, until, type Device, type Frame, type Target } from "./harness/index.ts";
import { RelayProcess } from "./harness/process.ts";
import { LAST_STATES, type Delivery } from "./harness/protocol.ts";

const KILLS = Number(process.env.KILLS ?? 4);
const PUBLISHERS = 8;
/** How long the sender's mailbox keeps its memory at least, in milliseconds: unreached deliveries are tried again four
 * seconds after it was opened. The platform keeps the memory of an idle mailbox for ten seconds. */
const KEPT = 6000;
/** What a frame that was under way when its message's end or progress was told may take, in milliseconds. */
const UNDER_WAY = 1000;
/** The state of a delivery that was withdrawn, by the reason that its device was told. */
const WITHDRAWN: Record<string, string> = { expired: "expired", enough: "cancelled" };
/** For how many seconds a device works on a message before it lets its time run out. */
const WORK = 4;

const relay = new RelayProcess({ ACK_TIMEOUT: 2, KEEPALIVE: 5 });
beforeAll(() => relay.start(), 90_000);
afterAll(() => relay.stop(), 30_000);
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.log(`the relay's last lines:\n${relay.output}`);
});

const chance = (probability: number) => Math.random() < probability;
const pick = <T>(choices: T[]): T => choices[Math.floor(Math.random() * choices.length)]!;

/** What a publish asks for beyond one delivery to each recipient, as headers. */
interface Plan {
  "Acks-Needed"?: "1";
  Delay?: "1";
  Escalate?: string;
}

/** Mostly nothing. To a device, further devices are those with the tag. */
function plan(to: Target, tag: string): Plan {
  return {
    ...(chance(0.1) && { Delay: "1" }),
    ...("tag" in to ? chance(0.3) && { "Acks-Needed": "1" } : chance(0.2) && { Escalate: `${tag};after=1` }),
  };
}

/** What was heard from the service, from outside. */
class Heard {
  /** Every message that came to a device, in order. */
  readonly arrivals: { device: string; frame: Frame; at: number; since: number }[] = [];
  /** By `device id`, the terminal states that the sender was told, and when first. */
  readonly told = new Map<string, { states: Set<string>; at: number }>();
  /** By `device id`, until when the device works on it, as the sender was told, and when it was told. */
  readonly working = new Map<string, { until: number; at: number }>();
  /** What a device was told of messages that had ended without its answer. */
  readonly withdrawn: { device: string; frame: Frame }[] = [];
  /** What came while its device was working on it. */
  readonly early: Frame[] = [];
  /** By the number in its payload, what each answered publish was answered. */
  readonly answered = new Map<number, { id: string; to: Target; plan: Plan }>();

  arrive(device: Device, frame: Frame, since: number): void {
    const working = this.working.get(`${device.name} ${frame.id}`);
    if (working && performance.now() > working.at + UNDER_WAY && Date.now() < working.until) this.early.push(frame);
    this.arrivals.push({ device: device.name, frame, at: performance.now(), since });
  }

  tell(id: string, deliveries: Pick<Delivery, "device" | "state">[]): void {
    for (const { device, state } of deliveries.filter(({ state }) => LAST_STATES.has(state))) {
      const key = `${device} ${id}`;
      if (!this.told.has(key)) this.told.set(key, { states: new Set(), at: performance.now() });
      this.told.get(key)!.states.add(state);
    }
  }
}

/** Devices of several habits; each acknowledges with the number in the payload. */
function attendAll(heard: Heard, sender: Device, [steady, moody, polling]: Device[]): Leave[] {
  return [
    attend(steady!, (frame, socket, since) => {
      if (frame.type === "withdrawn") heard.withdrawn.push({ device: steady!.name, frame });
      if (frame.type !== "message") return;
      heard.arrive(steady!, frame, since);
      socket.ack(frame.id, frame.payload.n);
    }),
    // Now and then it vanishes, leaves a message without an answer, does not want it, or works on it for a while.
    attend(moody!, (frame, socket, since) => {
      if (frame.type === "withdrawn") heard.withdrawn.push({ device: moody!.name, frame });
      if (frame.type !== "message") return;
      heard.arrive(moody!, frame, since);
      if (chance(0.1)) socket.terminate();
      else if (chance(0.1)) socket.nack(frame.id, "no");
      else if (chance(0.1)) socket.progress(frame.id, { for: WORK });
      else if (!chance(0.1)) socket.ack(frame.id, frame.payload.n);
    }),
    attendPolling(polling!, async (frames, since) => {
      for (const frame of frames) heard.arrive(polling!, frame, since);
      for (const frame of frames) await polling!.ack(frame.id, { reply: frame.payload.n });
    }),
    attend(sender, (frame, socket) => {
      if (frame.type === "progress") {
        heard.working.set(`${frame.device} ${frame.id}`, { until: frame.until, at: performance.now() });
      }
      if (frame.type !== "receipt") return;
      heard.tell(frame.id, [frame as unknown as Delivery]);
      if (chance(0.5)) socket.send({ type: "receipts_seen", seq: frame.seq });
    }),
  ];
}

/** Publishes until told otherwise; what is not answered is published again with its key until it is. */
async function publish(heard: Heard, sender: Device, tag: string, devices: Device[], next: () => number | undefined): Promise<void> {
  const targets: Target[] = [{ tag }, ...devices.map(({ name }) => ({ device: name }))];
  for (let n = next(); n !== undefined; n = next()) {
    const to = pick(targets);
    const urgency = pick(["normal", "high"]);
    const headers = plan(to, tag);
    const ttl = !headers.Escalate && chance(0.1) ? 1 : 600;
    const options = { key: `n${n}`, urgency, wait: pick([0, 1]), ttl, headers: { ...headers } };
    const payload = chance(0.05) ? { n, filler: "x".repeat(20_000) } : { n };
    for (;;) {
      const answer = await sender.publish(to, payload, options).catch(() => undefined);
      if (answer && answer.status < 300) {
        heard.answered.set(n, { id: answer.json.id, to, plan: headers });
        heard.tell(answer.json.id, answer.json.deliveries);
        break;
      }
      await sleep(50);
    }
  }
}

test(`what was answered survives ${KILLS} kills under load`, async () => {
  const [sender, absent] = await relay.devices(2);
  const receivers: Device[] = [];
  for (const habit of ["steady", "moody", "polling"]) receivers.push(await relay.device(fresh(habit)));
  const tag = await relay.tag(...receivers);
  const devicesOf = (to: Target) => ("device" in to ? [to.device] : receivers.map(({ name }) => name));
  const heard = new Heard();
  const leave = attendAll(heard, sender!, receivers);

  let [published, stopping] = [0, false];
  const next = () => (stopping ? undefined : published++);
  const publishers = Array.from({ length: PUBLISHERS }, () => publish(heard, sender!, tag, [...receivers, absent!], next));
  const evicting = (async () => {
    for (let kept = 0; !stopping; await sleep(Math.random() * 300)) {
      const device = pick([sender!, absent!, ...receivers]);
      if (device === sender && performance.now() < kept) continue;
      if (device === sender) kept = performance.now() + KEPT;
      relay.evict(device);
    }
  })();
  for (let kill = 0; kill < KILLS; kill++) {
    const already = heard.answered.size;
    await until("a publish to be answered", async () => heard.answered.size, (size) => size > already, 30_000);
    await sleep(Math.random() * 1500);
    await relay.kill();
    await relay.start();
  }
  stopping = true;
  await Promise.all([...publishers, evicting]);
  // Now the one that was away all the time comes, too.
  leave.push(attend(absent!, (frame, socket, since) => {
    if (frame.type !== "message") return;
    heard.arrive(absent!, frame, since);
    socket.ack(frame.id, frame.payload.n);
  }));

  const used = { escalated: 0, enough: 0, scheduled: 0 };
  for (const [n, { id, to, plan }] of heard.answered) {
    const trace = await sender!.settled(id, 60);
    const allowed = ["delivered", "rejected", "expired", "undeliverable", ...(plan["Acks-Needed"] ? ["cancelled"] : [])];
    const states = trace.deliveries.map(({ state }) => state);
    for (const { device, state } of trace.deliveries) expect(allowed, `publish ${n} at ${device}`).toContain(state);
    if (states.includes("cancelled")) expect(states, `publish ${n}, of which deliveries were cancelled`).toContain("delivered");
    const escalated = trace.timeline.filter(({ event }) => event === "escalated" || event === "escalation_failed");
    expect(escalated.length, `how often publish ${n} escalated`).toBeLessThanOrEqual(plan.Escalate ? 1 : 0);
    const further = escalated.length > 0 ? receivers.map(({ name }) => name) : [];
    const recipients = [...new Set([...devicesOf(to), ...further])].sort();
    const ends = trace.timeline.filter(({ event }) => LAST_STATES.has(event));
    expect(ends.map(({ device }) => device).sort(), `publish ${n}: whose terminal states are in its trace`).toEqual(recipients);
    if (escalated.length === 0 && plan.Escalate) expect(states, `publish ${n}, which did not escalate`).toContain("delivered");
    used.escalated += escalated.length;
    used.enough += states.includes("cancelled") ? 1 : 0;
    used.scheduled += plan.Delay ? 1 : 0;
    const late = trace.timeline.filter(({ event, at }) => event === "sent" && at >= trace.expires_at);
    expect(late, `publish ${n}: what was sent after ${trace.expires_at}`).toEqual([]);
    const untold = () => recipients.filter((device) => !heard.told.has(`${device} ${id}`));
    await until(`the sender to be told of publish ${n}`, async () => untold(), (names) => names.length === 0);
    for (const { device, state } of trace.deliveries) {
      expect([...heard.told.get(`${device} ${id}`)!.states], `what was told of publish ${n} at ${device}`).toEqual([state]);
    }
  }
  await Promise.all(leave.map((stop) => stop()));

  const idsOf = new Map<number, Set<string>>();
  for (const { frame } of heard.arrivals) idsOf.set(frame.payload.n, (idsOf.get(frame.payload.n) ?? new Set()).add(frame.id));
  for (const [n, ids] of idsOf) {
    expect([...ids], `the ids under which publish ${n} came`).toEqual([heard.answered.get(n)?.id]);
  }
  const again = heard.arrivals.filter(({ device, frame, at, since }) => {
    const told = heard.told.get(`${device} ${frame.id}`);
    return told && (since > told.at || at > told.at + UNDER_WAY);
  });
  expect(again, "messages that came again after their end was told").toEqual([]);
  const wrong = heard.withdrawn.filter(({ device, frame }) => {
    return !heard.told.get(`${device} ${frame.id}`)?.states.has(WITHDRAWN[frame.reason]!);
  });
  expect(wrong, "messages that were withdrawn and have ended otherwise").toEqual([]);
  expect(heard.early, "messages that came again while their device was working on them").toEqual([]);
  expect(heard.working.size, "how many messages were in progress").toBeGreaterThan(0);
  expect(Math.min(...Object.values(used)), `how many messages used each feature: ${JSON.stringify(used)}`).toBeGreaterThan(0);
  // A scheduled message comes after others with later ids, and so does one that comes by a step of its escalation.
  const plain = (n: number) => !heard.answered.get(n)?.plan.Delay && !heard.answered.get(n)?.plan.Escalate;
  // A poll whose answer was lost keeps its messages for a while, in which later ones may come.
  for (const { name } of [...receivers, absent!].filter((device) => device !== receivers[2])) {
    for (const urgency of ["normal", "high"]) {
      const inOrder = heard.arrivals.filter(({ frame }) => frame.urgency === urgency && plain(frame.payload.n));
      const came = inOrder.filter(({ device }) => device === name);
      const first = [...new Set(came.map(({ frame }) => frame.id))];
      expect(first, `the order in which ${urgency} ones first came to ${name}`).toEqual(first.toSorted());
    }
  }

  // Everything is quiet in the end. A report that is refused while a call is under way is repeated after 2, 4, 8 … s.
  const socket = await sender!.connect();
  const seq = Math.max(0, ...socket.seen.map(({ seq }) => seq ?? 0));
  await until("the receipts to go", async () => {
    socket.send({ type: "receipts_seen", seq: Math.max(seq, Date.now() * 1000) });
    const { inbox, jobs, receipts } = relay.rows();
    // The payloads of what has failed are kept for the retention time.
    const waiting = inbox?.filter((row) => row?.rank !== -2);
    return [waiting, jobs, receipts].flat();
  }, (rows) => rows.filter(Boolean).length === 0, 60_000);
  if (process.env.KILLS) {
    const attempts = heard.arrivals.filter(({ frame }) => frame.attempt > 1).length;
    console.log(`${KILLS} kills, ${relay.evictions} evictions, ${heard.answered.size} publishes answered, ${heard.told.size} terminal states, ${heard.arrivals.length} arrivals, ${attempts} of them further attempts, ${heard.withdrawn.length} withdrawn; ${JSON.stringify(used)}`);
  }
}, 120_000 + KILLS * 20_000);
