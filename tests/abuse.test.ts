// Who abuses the service harms itself: nothing is woken without a token, one device's flood does not keep
// others from their answers, and a device that does not read gets no more than its window.
// FIGURES=1 prints what a flood did to others' latency and to workerd's memory; FLOOD=1 makes them five times as large.

import { ReadableStream } from "node:stream/web";

import { expect, test } from "vitest";

import { HandshakeRefused, mint, repeat, seconds, until, useRelay, type Device } from "./harness/index.ts";

/** How large the floods are. That of publishes is never smaller: it has to exceed the rate on a slow machine, too. */
const FLOOD = Number(process.env.FLOOD ?? 0.2);
const BAD_TOKENS = 10_000 * FLOOD;
const CONNECTS = 500 * FLOOD;
const PUBLISHES = 1000 * Math.max(1, FLOOD);
const BODIES = 100 * Math.min(1, FLOOD);

// So low a rate that a flood exceeds it on a slow machine, too.
const relay = useRelay({ vars: { PUBLISH_RATE: 10, PUBLISH_BURST: 300 } });

/** Publishes to a device that answers, which has to work whatever goes on beside it; milliseconds that it took. */
async function works(sender: Device, receiver: Device): Promise<number> {
  const answer = await sender.publish({ device: receiver.name }, "hello", { wait: 20 });
  expect(answer.is(200).summary).toEqual({ delivered: 1 });
  return answer.took;
}

/** Lets others go on with their work for as long as a flood lasts, and after it. */
async function besides(what: string, flood: () => Promise<void>): Promise<void> {
  const [receiver, ...senders] = await relay.devices(11);
  (await receiver!.connect()).answer();
  // In turns, so that none of them comes near the rate however fast the machine is.
  let turn = 0;
  const next = () => works(senders[turn++ % senders.length]!, receiver!);
  const calm: number[] = [];
  for (let n = 0; n < 20; n++) calm.push(await next());
  const before = relay.memory();
  const started = performance.now();
  let over = false;
  const flooded = flood().finally(() => (over = true));
  const during: number[] = [];
  do during.push(await next());
  while (!over);
  await flooded;
  const took = performance.now() - started;
  await next();
  if (!process.env.FIGURES) return;
  const median = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!.toFixed(1);
  const mebibytes = (bytes: number) => Math.round(bytes / (1 << 20));
  console.log(
    `${what}: ${Math.round(took)} ms; others' confirmed publish, median of ${calm.length} before ${median(calm)} ms, ` +
      `of ${during.length} during ${median(during)} ms, longest ${Math.max(...during).toFixed(0)} ms; ` +
      `memory ${mebibytes(before)} MiB before, ${mebibytes(relay.memory())} MiB after`,
  );
}

test("two thousand bad tokens wake no mailbox and delay no other answer", async () => {
  let objects: string[] = [];
  await besides(`${BAD_TOKENS} bad tokens`, async () => {
    objects = await relay.objects();
    await repeat(BAD_TOKENS, 20, async (n) => {
      const token = mint("not the key of this service", { sub: `nobody-${n}`, iat: seconds() });
      const nobody = relay.bearer(`nobody-${n}`, token);
      if (n % 10 > 0) return (await nobody.publish({ device: "nobody" }, "x")).problem(401, "unauthorized");
      expect(await nobody.open().catch((error: unknown) => error)).toBeInstanceOf(HandshakeRefused);
    });
  });
  expect(await relay.objects()).toEqual(objects);
}, 60_000 + 400_000 * FLOOD);

test("of many connections of one device in a row one stays, and others are served meanwhile", async () => {
  const [sender, flapping] = await relay.devices(2);
  await besides(`${CONNECTS} connects of one device`, () => repeat(CONNECTS, 20, () => flapping!.open()));
  const last = await flapping!.connect();
  last.answer(() => "still here");
  const answer = (await sender!.publish({ device: flapping!.name }, "x", { wait: 20 })).is(200);
  expect(answer.deliveries).toMatchObject([{ state: "delivered", reply: "still here" }]);
}, 120_000);

test("a device that publishes ten times too fast gets 429 with Retry-After; others are served", async () => {
  const [busy, target] = await relay.devices(2);
  let refused = 0;
  await besides(`${PUBLISHES} publishes of one device`, () =>
    repeat(PUBLISHES, 20, async (n) => {
      const answer = await busy!.publish({ device: target!.name }, n, { wait: 0 });
      if (answer.status === 202) return;
      answer.problem(429, "too_many_requests");
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
      refused++;
    }),
  );
  expect(refused).toBeGreaterThan(0);
  // What a call did not hand over at once is handed over by the next alarm.
  const held = async () => (await target!.status()).is(200).held;
  await until("what was answered to be held", held, (messages) => messages >= PUBLISHES - refused);
  expect(await held()).toBe(PUBLISHES - refused);
}, 120_000);

test("bodies far over the limit are refused before they are read, and others are served meanwhile", async () => {
  const [busy, target] = await relay.devices(2);
  const MEGABYTE = new Uint8Array(1 << 20);
  let sent = 0;
  await besides(`${BODIES} endless bodies`, () =>
    repeat(BODIES, 10, async () => {
      // It has no end: who waited for it would wait until the test fails.
      const body = new ReadableStream({
        pull(controller) {
          sent++;
          controller.enqueue(MEGABYTE);
        },
      });
      const path = `/v1/devices/${target!.name}/messages`;
      const answer = await busy!.request("POST", path, { body }).catch((error: Error) => error);
      // The service closes the connection of who goes on sending, perhaps before its answer is read.
      if (answer instanceof Error) expect(`${answer}`).toMatch(/EPIPE|ECONNRESET|socket hang up/);
      else answer.problem(413, "payload_too_large");
    }),
  );
  if (process.env.FIGURES) console.log(`${sent} MiB were sent of them`);
  expect((await target!.status()).is(200).held).toBe(0);
}, 120_000);

test("a device that takes messages and never acknowledges gets its window and no more", async () => {
  const [sender, receiver] = await relay.devices(2);
  const socket = await receiver!.connect();
  await repeat(200, 10, () => sender!.send({ device: receiver!.name }, "x".repeat(1000)));
  // What a call did not hand over at once is handed over by the next alarm.
  const status = async () => (await receiver!.status()).is(200);
  await until("all of them to be there", status, ({ in_flight, held }) => in_flight + held >= 200);
  expect(await status()).toMatchObject({ in_flight: 32, held: 168 });
  expect(socket.seen.filter(({ type }) => type === "message")).toHaveLength(32);
}, 60_000);
