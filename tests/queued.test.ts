// Whatever a sender has queued, its mailbox opens at once: a wake reads no delivery of what waits. The rows are
// written past the service: publishing so much takes minutes. QUEUED=1000 makes as many publishes wait as may, which
// takes a gigabyte on disk; AUDIENCES=1000 has each of them go to devices of its own as far as the mailbox knows;
// FIGURES=1 prints what was measured, and compares times as well.

import { DatabaseSync } from "node:sqlite";

import { expect, test } from "vitest";

import { fresh, useRelay, type Device } from "./harness/index.ts";
import { slower } from "./harness/opening.ts";

const QUEUED = Number(process.env.QUEUED ?? 100);
const AUDIENCES = Number(process.env.AUDIENCES ?? 1);
const DEVICES = 10_000;
const relay = useRelay({ inspected: true, vars: { MAX_QUEUED_MESSAGES: QUEUED } });

const names = Array.from({ length: DEVICES }, (_, n) => `d${String(n).padStart(5, "0")}`);

test(`a mailbox with ${QUEUED} publishes to ${DEVICES} devices opens in a few megabytes`, { timeout: 300_000 }, async () => {
  const [sender, other, receiver] = await relay.devices(3);
  await sender!.send({ device: receiver!.name }, "x");
  const file = await relay.database(sender!.name);
  await relay.halt();
  queue(file);
  await relay.start();

  // The first request of all starts the Worker, too.
  await receiver!.status();
  const idle = await relay.held();
  // None has been in memory since the restart.
  const empty = (await other!.status()).took;
  const first = (await sender!.status()).took;
  const open = await relay.held();
  const one = await sender!.publish({ device: receiver!.name }, "x", { wait: 0 });
  expect(one.is(202).deliveries[0].state, "nothing waits for this device").toBe("held");
  expect((await sender!.trace(one.json.id)).is(200).timeline, "its mailbox was called").toHaveLength(1);
  const behind = await sender!.publish({ device: names[DEVICES / 2]! }, "x", { wait: 0 });
  behind.problem(429, "too_many_requests");
  const used = await relay.held();
  if (process.env.FIGURES) {
    const median = await slower(relay, sender!, other!);
    const stranger = [await published(other!, receiver!), await published(sender!, receiver!)];
    const took = { empty, first, median, one: one.took, stranger };
    console.log(JSON.stringify({ queued: QUEUED, took, idle, open, used }));
    expect(median, "milliseconds more than an empty mailbox").toBeLessThanOrEqual(50);
  }
  expect(used.wasm - idle.wasm, "bytes of wasm memory").toBeLessThanOrEqual(8e6);
});

test("one publish too many is refused, and publishes to other devices succeed", { timeout: 60_000 }, async () => {
  const [sender, receiver] = await relay.devices(2);
  const tag = fresh("tag");
  const directory = await relay.directory();
  const far = names.slice(0, 150);
  for (let n = 0; n < far.length; n += 50) {
    const some = far.slice(n, n + 50).flatMap((name) => [tag, name]);
    const values = Array.from({ length: some.length / 2 }, () => "(?, ?)");
    await directory.prepare(`INSERT INTO tags (tag, device) VALUES ${values}`).bind(...some).run();
  }
  const file = await relay.database(sender!.name);
  await sender!.send({ device: receiver!.name }, "x");
  await relay.halt();
  queue(file);
  await relay.start();
  const refused = await sender!.publish({ tag }, "x");
  refused.problem(429, "too_many_requests");
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  await sender!.send({ device: receiver!.name }, "y");
});

/** Milliseconds for a publish to a device that none is queued for, as the first event after the mailbox has left memory. */
async function published(sender: Device, stranger: Device): Promise<number> {
  await relay.evict(sender);
  const answer = await sender.publish({ device: stranger.name }, "x", { wait: 0 });
  answer.is(202);
  return answer.took;
}

/** Makes publishes to all devices of a tag wait in this mailbox; they are tried in an hour. */
function queue(file: string): void {
  const database = new DatabaseSync(file);
  const at = Date.now();
  database.exec("BEGIN; CREATE TEMP TABLE ids (id BLOB); CREATE TEMP TABLE template (first TEXT, deliveries TEXT)");
  const { id } = database.prepare("SELECT id FROM outbox LIMIT 1").get() as { id: Uint8Array };
  const insertId = database.prepare("INSERT INTO ids VALUES (?)");
  for (let n = 0; n < QUEUED; n++) {
    // Older than the messages that were sent: an id begins with the time.
    const older = Buffer.from(id);
    older.writeUIntBE(older.readUIntBE(0, 6) - 100_000 + n, 0, 6);
    insertId.run(older);
  }
  const insertPart = database.prepare("INSERT INTO template VALUES (?, ?)");
  for (let first = 0; first < DEVICES; first += 100) {
    const part = names.slice(first, first + 100).map((device) => ({ device, state: "held", at, attempts: 0 }));
    insertPart.run(names[first]!, JSON.stringify(part));
  }
  const target = JSON.stringify({ tag: "everyone" });
  const summary = JSON.stringify({ held: DEVICES });
  const message = JSON.stringify({ payload: "x".repeat(1000) });
  const outbox = "INSERT INTO outbox (id, target, accepted_at, expires_at, open, states, summary) SELECT id, ?, ?, ?, ?, 1, ? FROM ids";
  database.prepare(outbox).run(target, at, at + 86_400_000, DEVICES, summary);
  database.exec("INSERT INTO parts (id, first, deliveries) SELECT id, first, deliveries FROM ids, template ORDER BY id, first");
  const jobs = `INSERT INTO jobs (id, retry_at, tries, bytes, audience, message)
    SELECT id, ?, 0, ?, CAST(format('%016d', rowid % ?) AS BLOB), ? FROM ids`;
  database.prepare(jobs).run(at + 3_600_000, message.length, AUDIENCES, message);
  database.exec("COMMIT");
  database.close();
}
