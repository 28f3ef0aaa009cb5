// A mailbox whose store refuses to write fails alone, whatever it is doing: others are answered, keep their
// sockets, and notice nothing. It works again when its store does.

import { expect, test } from "vitest";

import { until, useRelay, type Device } from "./harness/index.ts";
import { Pair, ended } from "./harness/pair.ts";
import { mend, refuse, refuseAlarms } from "./harness/storage.ts";

const relay = useRelay();

/** How long the neighbours publish beside the mailboxes that fail, in milliseconds. */
const DURATION = 10_000;

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
  expect(new Set(ended(relay).map((mailbox) => mailbox.in))).toEqual(new Set(["alarm", "background"]));

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
