// A mailbox written by an earlier version of the program is upgraded in place and goes on from there.
//
// `tests/storage/N` holds what version N of the tables left on disk when it was killed, as SQL, a file a
// mailbox. RECORD_STORAGE=1 writes the sample of the present version; it is never written again after that
// version was released.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { beforeAll, describe, expect, test } from "vitest";

import { mint, seconds, until, useRelay, type Device, type Trace } from "./harness/index.ts";
import { dumpOf, replace, rowsOf } from "./harness/storage.ts";

const SAMPLES = join(import.meta.dirname, "storage");
/** The devices of a sample. `garage` was removed. */
const NAMES = ["doorbell", "hall-cam", "kitchen-cam", "garage"];

const relay = useRelay();

/** The statements of a sample as if it had been left a moment ago. */
function sample(version: string, name: string): string {
  const statements = readFileSync(join(SAMPLES, version, `${name}.sql`), "utf8");
  const passed = Date.now() - Number(/^-- at (\d{13})/.exec(statements)?.[1]);
  return statements.replace(/\b1\d{12}\b/g, (time) => `${Number(time) + passed}`);
}

/** The devices of a sample, with what it says in the place of their mailboxes. */
async function restored(version: string): Promise<Device[]> {
  const devices = await Promise.all(NAMES.map((name) => relay.device(name)));
  const files = await Promise.all(NAMES.map((name) => relay.database(name)));
  await relay.halt();
  for (const [n, file] of files.entries()) replace(file, sample(version, NAMES[n]!));
  await relay.start();
  return devices;
}

// The sample is recorded with mailboxes of its own.
const versions = process.env.RECORD_STORAGE ? [] : readdirSync(SAMPLES);

describe.each(versions)("a mailbox of version %s", (version) => {
  let devices: Device[];
  beforeAll(async () => void (devices = await restored(version)));

  test("keeps its messages, and sends the receipts that were not seen", async () => {
    const [doorbell] = devices;
    const { messages } = (await doorbell!.request("GET", "/v1/messages")).is(200) as { messages: Trace[] };
    const found = messages.map(({ to, summary }) => [Object.values(to)[0]!.replace(/^tag-.*/, "everyone"), summary]);
    expect(found.reverse()).toEqual([
      ["garage", { refused: 1 }],
      ["hall-cam", { delivered: 1 }],
      ["hall-cam", { delivered: 1 }],
      ["kitchen-cam", { held: 1 }],
      ["kitchen-cam", { held: 1 }],
      ["kitchen-cam", { held: 1 }],
      ["everyone", { held: 101 }],
      ["hall-cam", { held: 1 }],
    ]);
    const fast = await doorbell!.settled(messages.at(-2)!.id);
    expect(fast.deliveries).toMatchObject([{ device: "hall-cam", state: "delivered", attempts: 1, reply: "opened" }]);
    const socket = await doorbell!.connect();
    expect(await socket.next("receipt")).toMatchObject({ device: "hall-cam", state: "delivered", reply: "late" });
    await socket.close();
  });

  test("remembers a key", async () => {
    const [doorbell] = devices;
    const to = { device: "kitchen-cam" };
    const repeated = (await doorbell!.publish(to, "keyed", { ttl: 2_000_000, key: "ring-1" })).is(202);
    expect(repeated.summary).toEqual({ held: 1 });
    (await doorbell!.publish(to, "another", { ttl: 2_000_000, key: "ring-1" })).problem(422, "idempotency_mismatch");
  });

  test("delivers what it holds, in order, and reports it", async () => {
    const [doorbell, , kitchen] = devices;
    const socket = await kitchen!.connect();
    const messages = await socket.messages(3);
    expect(messages.map(({ payload, attempt }) => [payload, attempt])).toEqual([
      ["polled", 2],
      [{ motion: true }, 1],
      ["keyed", 1],
    ]);
    for (const { id, payload } of messages) {
      socket.ack(id, payload);
      expect((await doorbell!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: payload }]);
    }
  });

  test("continues a job after a crash", async () => {
    const [doorbell, hall] = devices;
    const socket = await hall!.connect();
    const { id, payload } = await socket.next("message", 40_000);
    expect(payload).toBe("job");
    socket.ack(id);
    expect((await doorbell!.settled(id)).summary).toEqual({ delivered: 1 });
  });

  test("keeps a removed device's tokens revoked", async () => {
    const old = relay.bearer("garage", mint(relay.tokenKey, { sub: "garage", iat: seconds() - 3600 }));
    (await old.request("GET", "/v1/inbox")).problem(401, "unauthorized");
  });

  test("is of the present version afterwards", async () => {
    const fresh = await relay.device();
    const [present, ...upgraded] = await Promise.all(
      [fresh.name, ...NAMES].map(async (name) => rowsOf(await relay.database(name)).account![0]!.schema),
    );
    expect(upgraded).toEqual(NAMES.map(() => present));
  });
});

test("a mailbox of a newer version is not opened and stays as it is, and others work", async () => {
  const [newer, sender, receiver] = await relay.devices(3);
  const file = await relay.database(newer!.name);
  await sender!.send({ device: newer!.name }, "kept");
  await relay.halt();
  const statements = dumpOf(file).replace(/(INTO account VALUES \(1, )\d+/, "$199");
  replace(file, statements);
  await relay.start();
  (await newer!.status()).problem(500, "internal");
  (await receiver!.connect()).answer();
  (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
  expect(dumpOf(file)).toBe(statements);
});

test.runIf(process.env.RECORD_STORAGE)("the sample of the present version is recorded", async () => {
  const [doorbell, hall, kitchen, garage] = await Promise.all(NAMES.map((name) => relay.device(name)));
  const cameras = await Promise.all(Array.from({ length: 101 }, (_, n) => relay.device(`camera-${100 + n}`)));
  const everyone = await relay.tag(...cameras);
  await doorbell!.send({ device: "garage" }, "never read");
  (await relay.admin("DELETE", "/v1/devices/garage")).is(204);
  await until("the refusal", () => garage!.status(), ({ status }) => status === 401);

  const sending = await doorbell!.connect();
  sending.send({ type: "receipts_seen", seq: (await sending.next("receipt")).seq });
  const attending = await hall!.connect();
  const long = { ttl: 2_000_000 };
  const fast = doorbell!.publish({ device: "hall-cam" }, "fast", { ...long, wait: 20 });
  attending.ack((await attending.next("message")).id, "opened");
  (await fast).is(200);
  const late = await doorbell!.send({ device: "hall-cam" }, "late", long);
  await attending.next("message");
  attending.ack(late, "late");
  await sending.next("receipt");
  // What was seen is written down when the connection ends.
  await sending.close();

  await doorbell!.send({ device: "kitchen-cam" }, "polled", long);
  await kitchen!.inbox();
  await doorbell!.send({ device: "kitchen-cam" }, "keyed", { ...long, key: "ring-1" });
  await doorbell!.send({ device: "kitchen-cam" }, { motion: true }, { ...long, topic: "motion", urgency: "high" });
  const large = (await doorbell!.publish({ tag: everyone }, "everyone", long)).is(202).id;
  await until("all to have it", () => doorbell!.trace(large), ({ json }) => json.timeline.length === 101);

  // A publish with a key is stored before it leaves, so that the kill comes upon its job.
  doorbell!.publish({ device: "hall-cam" }, "job", { ...long, key: "job-1", wait: 20 }).catch(() => undefined);
  await attending.next(({ payload }) => payload === "job");
  const files = await Promise.all(NAMES.map((name) => relay.database(name)));
  await relay.halt();
  const account = rowsOf(files[0]!).account![0]!;
  const directory = join(SAMPLES, `${account.schema}`);
  mkdirSync(directory, { recursive: true });
  for (const [n, name] of NAMES.entries()) {
    writeFileSync(join(directory, `${name}.sql`), `-- at ${Date.now()}\n${dumpOf(files[n]!)}`);
  }
  await relay.start();
});
