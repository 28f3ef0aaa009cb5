// Whatever waits for a device, its mailbox opens at once: its first event reads a bounded number of rows. Those that
// wait are written past the service: publishing so many takes minutes. HELD sets how many there are; FIGURES=1 prints
// what was measured, and compares times as well.

import { DatabaseSync } from "node:sqlite";

import { expect, test } from "vitest";

import { METER, counted } from "./costs/counts.ts";
import { useRelay } from "./harness/index.ts";
import { slower } from "./harness/opening.ts";

const HELD = Number(process.env.HELD ?? 10_000);
/** The most rows that the first event of a mailbox reads, whatever it holds. A connection gets 32 messages. */
const MOST_ROWS = 200;
const relay = useRelay({ inspected: true, wrap: METER, vars: { MAX_HELD_MESSAGES: HELD + 10 } });

test(`a mailbox that holds ${HELD} messages opens in a few megabytes and a few rows`, { timeout: 120_000 }, async () => {
  const [sender, receiver, other] = await relay.devices(3);
  await sender!.send({ device: receiver!.name }, "x".repeat(1000));
  const file = await relay.database(receiver!.name);
  await relay.halt();
  hold(file);
  await relay.start();

  // The first request of all starts the Worker, too.
  await other!.status();
  const idle = await relay.held();
  // This counts the rows once: nothing has done so when they were written.
  expect((await receiver!.status()).is(200).held).toBe(HELD);
  const first = async (event: () => Promise<unknown>) => {
    await relay.evict(receiver!);
    return (await counted(relay, event)).rows_read;
  };
  const rows = {
    status: await first(() => receiver!.status()),
    arrival: await first(() => sender!.send({ device: receiver!.name }, "y")),
    poll: await first(async () => expect(await receiver!.inbox({ limit: 2 })).toHaveLength(2)),
    connection: await first(async () => (await receiver!.connect()).messages(2)),
  };
  const used = await relay.held();
  const { held, in_flight } = (await receiver!.status()).is(200);
  expect(held + in_flight, "none is lost").toBe(HELD + 1);
  if (process.env.FIGURES) {
    const median = await slower(relay, receiver!, other!);
    console.log(JSON.stringify({ held: HELD, rows, median, idle, used }));
    expect(median, "milliseconds more than an empty mailbox").toBeLessThanOrEqual(50);
  }
  for (const [event, read] of Object.entries(rows)) expect(read, `rows read by a first ${event}`).toBeLessThanOrEqual(MOST_ROWS);
  expect(used.wasm - idle.wasm, "bytes of wasm memory").toBeLessThanOrEqual(8e6);
});

/** Makes the one message that a mailbox holds the last of many. */
function hold(file: string): void {
  const database = new DatabaseSync(file);
  const { rank, id } = database.prepare("SELECT rank, id FROM inbox").get() as { rank: number; id: Uint8Array };
  const insert = database.prepare(`INSERT INTO inbox
    SELECT rank, ?, sender, topic, expires_at, size, held_at, attempts, retry_at, sent, settled, json_set(body, '$.id', ?)
    FROM inbox WHERE rank = ? AND id = ?`);
  database.exec("BEGIN");
  for (let n = 1; n < HELD; n++) {
    // Older than the message: an id begins with the time.
    const older = Buffer.from(id);
    older.writeUIntBE(older.readUIntBE(0, 6) - n, 0, 6);
    insert.run(older, ulid(older), rank, id);
  }
  database.exec("COMMIT");
  database.close();
}

/** The text of an id. */
function ulid(id: Buffer): string {
  const bits = BigInt(`0x${id.toString("hex")}`);
  const digit = (place: number) => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[Number((bits >> BigInt(5 * place)) & 31n)];
  return Array.from({ length: 26 }, (_, n) => digit(25 - n)).join("");
}
