// The trace of a message to 10,000 devices, each of which replied with 4 kB, is read page by page. Its rows are
// written past the service: publishing it takes minutes.

import { DatabaseSync } from "node:sqlite";

import { expect, test } from "vitest";

import { useRelay, type Answer, type Delivery } from "./harness/index.ts";

const DEVICES = 10_000;
const PART = 100;
/** A character beyond Latin-1 makes the platform count two bytes for each. */
const REPLY = `→${"r".repeat(4_090)}`;
const MOST = 4.5 * 2 ** 20;
const relay = useRelay({ inspected: true });

const names = Array.from({ length: DEVICES }, (_, n) => `d${String(n).padStart(5, "0")}`);

test("a trace of 10,000 deliveries with replies of 4 kB is read page by page", { timeout: 120_000 }, async () => {
  const [sender, receiver] = await relay.devices(2);
  const written = await sender!.send({ device: receiver!.name }, "x");
  const old = await sender!.send({ device: receiver!.name }, "x");
  const file = await relay.database(sender!.name);
  await relay.halt();
  answered(file);
  await relay.start();
  const idle = await relay.held();

  for (const id of [written, old]) {
    const all: Delivery[] = [];
    const page = async (cursor?: string): Promise<string | undefined> => {
      const answer = await sender!.request("GET", `/v1/messages/${id}${cursor ? `?cursor=${cursor}` : ""}`);
      const { deliveries, summary, timeline, next } = small(answer);
      expect(summary).toEqual({ delivered: DEVICES });
      expect(timeline).toHaveLength(deliveries.length);
      all.push(...deliveries);
      return next;
    };
    for (let next = await page(); next !== undefined; next = await page(next));
    expect(all.map(({ device }) => device)).toEqual(names);
    expect(all.every(({ reply }) => reply === REPLY)).toBe(true);
  }

  const list = small(await sender!.request("GET", "/v1/messages?limit=1"));
  expect(list.messages[0].deliveries).toHaveLength(PART);
  expect(list.messages[0]).toMatchObject({ next: names[PART - 1], summary: { delivered: DEVICES } });
  expect(small(await sender!.cancel(written)).summary).toEqual({ delivered: DEVICES });
  const few = small(await sender!.request("GET", `/v1/messages/${written}?limit=3&wait=10`));
  expect(few.deliveries.map(({ device }: Delivery) => device)).toEqual(names.slice(0, 3));
  for (const query of ["limit=0", "limit=1001", "cursor=.x"]) {
    (await sender!.request("GET", `/v1/messages/${written}?${query}`)).problem(400, "bad_request");
  }
  const { wasm } = await relay.held();
  expect(wasm - idle.wasm, "bytes of wasm memory for all of it").toBeLessThanOrEqual(32e6);
});

/** The answer, which has to be one that the platform passes on. */
function small(answer: Answer): any {
  expect(answer.text.length, `characters of ${answer.request}`).toBeLessThanOrEqual(MOST);
  return answer.is(200);
}

/** Makes both messages of this mailbox large ones, answered by all; the second as version 2 of the tables had it. */
function answered(file: string): void {
  const database = new DatabaseSync(file);
  const at = Date.now();
  const insert = database.prepare("INSERT INTO parts (id, first, deliveries) VALUES (?, ?, ?)");
  database.exec("BEGIN");
  const ids = database.prepare("SELECT id FROM outbox ORDER BY id").all().map(({ id }) => id as Uint8Array);
  for (const [n, id] of ids.entries()) {
    for (let first = 0; first < DEVICES; first += PART) {
      const deliveries = names.slice(first, first + PART).map((device) => {
        const steps = [{ event: "delivered", at, attempt: 1 }];
        return { device, state: "delivered", at, attempts: 1, reply: REPLY, steps, receipt: at };
      });
      insert.run(id, names[first]!, JSON.stringify(deliveries));
    }
    const summary = n === 0 ? JSON.stringify({ delivered: DEVICES }) : null;
    const update = "UPDATE outbox SET deliveries = NULL, open = 0, states = 4, done_at = ?, receipt = ?, summary = ? WHERE id = ?";
    database.prepare(update).run(at, at, summary, id);
  }
  database.exec("COMMIT");
  database.close();
}
