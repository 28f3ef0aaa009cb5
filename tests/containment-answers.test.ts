// A mailbox may call, knock, post and record, and be woken by its timer, all in the background. If its store refuses what
// it writes down after that, it fails alone, each time. Once its store takes writes again, it goes on where it was.

import { randomBytes } from "node:crypto";

import { expect, test } from "vitest";

import { until, useRelay, type Device } from "./harness/index.ts";
import { Pair, ended } from "./harness/pair.ts";
import { PushService } from "./harness/push-service.ts";
import { mend, refuse } from "./harness/storage.ts";

/** Of everything outside: it takes knocks and posts alike. */
const outside = new PushService();
const vars = { EVENTS_TAG: "ops", VAPID_KEY: randomBytes(32).toString("hex"), PUBLIC_URL: "https://tagpost.example" };
const relay = useRelay({ vars, outbound: outside.outbound });

/** Of how many messages each pair has to say that it was delivered. */
const DELIVERED = 10;

test("a store that refuses what follows from an answer fails its own mailbox and no other", { timeout: 180_000 }, async () => {
  const [reporting, timed, knocking, recording, posting, telling] = (await relay.devices(6)) as [Device, Device, Device, Device, Device, Device];
  const [other, target, silent, absent] = (await relay.devices(4)) as [Device, Device, Device, Device];
  await relay.bind("ops", target);
  (await knocking.request("PUT", `/v1/devices/${knocking.name}/wake`, { body: outside.subscription(knocking.name) })).is(201);
  const url = "https://hooks.example/";
  (await relay.admin("PUT", `/v1/devices/${posting.name}/webhook`, { url })).is(201);
  // Each has been used before, so that its tables are there, and nothing is under way any more.
  const fail = (sender: Device) => sender.publish({ device: absent.name }, "x", { ttl: 0 });
  (await fail(recording)).is(200);
  await until("the failure to be listed", () => relay.rows(recording.name), (rows) => rows.failures === undefined);
  await until("the events to be taken", () => relay.rows(telling.name), (rows) => rows.operator_events === 1);

  const settles = "ON inbox WHEN new.rank = -1";
  const full: [Device, ...string[]][] = [
    [reporting, "DELETE ON inbox WHEN old.rank = -1"],
    [timed, "INSERT ON groups"],
    [knocking, "UPDATE OF wake ON account WHEN new.wake LIKE '%knocked_at%'"],
    [recording, "DELETE ON failures"],
    [posting, `INSERT ${settles}`, `UPDATE ${settles}`],
    [telling, "DELETE ON operator_events"],
  ];
  const files = await Promise.all(full.map(([device]) => relay.database(device.name)));
  await relay.halt();
  for (const [n, [, ...changes]] of full.entries()) refuse(files[n]!, ...changes);
  await relay.start();

  const pairs = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const [from, to] = await relay.devices(2);
      return Pair.start(from!, to!);
    }),
  );
  const receiving = await target.connect();
  receiving.answer();
  // The answer of a report, which says that a settled message was recorded.
  const reported = await other.send({ device: reporting.name }, "x");
  for (const { id } of await reporting.inbox()) (await reporting.ack(id)).is(204);
  // The timer of publishes that are written together: one is under way, and so the other waits for it.
  const listening = await silent.connect();
  const first = timed.publish({ device: silent.name }, "x", { wait: 10 });
  await listening.next("message");
  const second = timed.publish({ device: target.name }, "x", { wait: 10 });
  for (const answer of await Promise.all([first, second])) expect(answer.status, `${answer}`).toBeGreaterThanOrEqual(500);
  // The answers of a knock and of a post, and that of the directory to a failure.
  await other.send({ device: knocking.name }, "x");
  const posted = await other.send({ device: posting.name }, "x");
  (await fail(recording)).is(200);
  // The answer of the mailbox that takes events.
  (await relay.admin("DELETE", `/v1/devices/${telling.name}/tokens`)).is(204);

  const failing = full.map(([{ name }]) => name).sort();
  const failed = async () => [...new Set(ended(relay).map(({ device }) => device))].sort();
  await until("each to fail", failed, ({ length }) => length >= failing.length, 60_000);
  await until("the others to publish", async () => pairs.map(({ delivered }) => delivered), (all) => Math.min(...all) > DELIVERED, 60_000);
  await Promise.all(pairs.map((pair) => pair.stop()));
  expect(await failed()).toEqual(failing);
  expect(new Set(ended(relay).map((mailbox) => mailbox.in))).toEqual(new Set(["background"]));
  expect(pairs.flatMap(({ wrong }) => wrong)).toEqual([]);
  expect(pairs.reduce((sum, { closed }) => sum + closed, 0)).toBe(0);
  expect(receiving.isOpen).toBe(true);

  await relay.halt();
  files.forEach(mend);
  await relay.start();
  (await target.connect()).answer();
  expect((await other.settled(reported, 10)).summary).toEqual({ delivered: 1 });
  expect((await other.settled(posted, 60)).summary).toEqual({ delivered: 1 });
  (await timed.publish({ device: target.name }, "after", { wait: 10 })).is(200);
  for (const [device, table, left] of [
    [reporting, "inbox", undefined],
    [recording, "failures", undefined],
    [telling, "operator_events", 1],
  ] as const) {
    await until(`${table} to be done with`, () => relay.rows(device.name), (rows) => rows[table] === left, 60_000);
  }
  expect((await knocking.inbox()).map(({ payload }) => payload)).toEqual(["x"]);
});
