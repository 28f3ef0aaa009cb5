// A mailbox whose store refuses to write fails alone, whatever it is doing: others are answered, keep their
// sockets, and notice nothing. It works again when its store does.

import { setTimeout as sleep } from "node:timers/promises";

import { expect, test } from "vitest";

import { until, useRelay, type Device, type Socket } from "./harness/index.ts";
import { mend, refuse, refuseAlarms } from "./harness/storage.ts";

const relay = useRelay();

/** How long the neighbours publish beside the mailboxes that fail, in milliseconds. */
const DURATION = 10_000;

/** A sender that publishes to a receiver, one message after the other, until it is told to stop. */
class Pair {
  /** Answers other than that of a message that was delivered. */
  readonly wrong: string[] = [];
  delivered = 0;
  readonly #sockets: Socket[];
  readonly #running: Promise<void>;
  #stopped = false;

  private constructor(sender: Device, receiver: Device, sockets: Socket[]) {
    this.#sockets = sockets;
    this.#running = this.#run(sender, receiver);
  }

  static async start(sender: Device, receiver: Device): Promise<Pair> {
    const sockets = [await sender.connect(), await receiver.connect()];
    sockets[1]!.answer();
    return new Pair(sender, receiver, sockets);
  }

  /** The sockets that were closed meanwhile. */
  get closed(): number {
    return this.#sockets.filter(({ isOpen }) => !isOpen).length;
  }

  stop(): Promise<void> {
    this.#stopped = true;
    return this.#running;
  }

  async #run(sender: Device, receiver: Device): Promise<void> {
    while (!this.#stopped) {
      const answer = await sender.publish({ device: receiver.name }, "x", { wait: 10 });
      if (answer.status === 200 && answer.json.summary.delivered === 1) this.delivered += 1;
      else this.wrong.push(`${answer}`);
      await sleep(20);
    }
  }
}

/** In which of their events mailboxes have ended because their store was full, by the log. */
function ended(): Set<string> {
  const lines = relay.logs.filter(({ message }) => message.includes('"mailbox_ended"')).map(({ message }) => JSON.parse(message));
  return new Set(lines.filter(({ cause }) => cause.includes("database or disk is full")).map((line) => line.in));
}

test("a store that refuses writes in the background fails its own mailbox and no other", { timeout: 120_000 }, async () => {
  const [sender, several, framing, alarming, expiring] = await relay.devices(5);
  const [target, other] = await relay.devices(2);
  const tag = await relay.tag(target!);
  // Each has been used before, so that its tables are there.
  for (const device of [sender, several, framing]) await device!.send({ device: other!.name }, "before");
  for (const device of [alarming, expiring]) await other!.send({ device: device!.name }, "before", { ttl: 86_400 });
  const doomed = await other!.send({ device: expiring!.name }, "expires", { ttl: 8 });

  const outbox = ["INSERT ON outbox", "INSERT ON groups", "INSERT ON keys", "UPDATE ON outbox", "UPDATE ON groups"];
  const full: [Device, ...string[]][] = [
    [sender!, ...outbox],
    [several!, ...outbox],
    [framing!, ...outbox],
    [expiring!, "INSERT ON inbox", "UPDATE ON inbox", "DELETE ON inbox"],
  ];
  const files = await Promise.all(full.map(([device]) => relay.database(device.name)));
  const noAlarm = await relay.database(alarming!.name);
  await relay.halt();
  for (const [n, [, ...changes]] of full.entries()) refuse(files[n]!, ...changes);
  refuseAlarms(noAlarm);
  await relay.start();

  const pairs = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const [from, to] = await relay.devices(2);
      return Pair.start(from!, to!);
    }),
  );
  const receiving = await target!.connect();
  receiving.answer();
  const end = performance.now() + DURATION;
  while (performance.now() < end) {
    const failing = [
      // The answer of a call comes back, and its message cannot be written down; then several at once.
      sender!.publish({ device: target!.name }, "x", { wait: 5 }),
      ...Array.from({ length: 4 }, () => several!.publish({ device: target!.name }, "x", { wait: 5 })),
      // Its alarm cannot be set. The message is handed over again by the mailbox that sent it.
      other!.publish({ device: alarming!.name }, "x", { wait: 0, ttl: 3600 }),
    ];
    // Frames whose addresses are looked up.
    const socket = await framing!.connect();
    socket.send({ type: "publish", ref: "r", to: { tag }, payload: "x", key: "k" });
    expect((await socket.closed()).code).toBe(1006);
    await Promise.all(failing);
  }
  await Promise.all(pairs.map((pair) => pair.stop()));

  expect(pairs.flatMap(({ wrong }) => wrong)).toEqual([]);
  expect(pairs.reduce((sum, { closed }) => sum + closed, 0)).toBe(0);
  expect(receiving.isOpen).toBe(true);
  for (const { delivered } of pairs) expect(delivered).toBeGreaterThan(10);
  expect([...ended()].sort()).toEqual(["alarm", "background"]);

  await relay.halt();
  [...files, noAlarm].forEach(mend);
  await relay.start();
  (await target!.connect()).answer();
  for (const device of [sender, several]) (await device!.publish({ device: target!.name }, "after", { wait: 10 })).is(200);
  const socket = await framing!.connect();
  socket.send({ type: "publish", ref: "after", to: { tag }, payload: "x", key: "k", wait: 10 });
  expect(await socket.next("published")).toMatchObject({ ref: "after", summary: { delivered: 1 } });
  (await other!.publish({ device: alarming!.name }, "after", { wait: 0, ttl: 3600 })).is(202);
  await until("the alarm to be tried again", () => other!.trace(doomed), ({ json }) => json.summary.expired === 1, 40_000);
});
