// Who abuses the service harms itself: nothing is woken without a token, one device's flood does not keep
// others from their answers, and a device that does not read gets no more than its window.

import { expect, test } from "vitest";

import { mint, seconds, useRelay, type Device } from "./harness/index.ts";

const relay = useRelay();

/** Publishes to a device that answers, which has to work whatever goes on beside it. */
async function works(sender: Device, receiver: Device): Promise<void> {
  const answer = (await sender.publish({ device: receiver.name }, "hello", { wait: 20 })).is(200);
  expect(answer.summary).toEqual({ delivered: 1 });
}

/** Does something so many times, a few at a time. */
async function repeat(times: number, atOnce: number, act: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < times) await act(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

test("ten thousand bad tokens wake no mailbox and keep nobody from an answer", async () => {
  const [sender, receiver] = await relay.devices(2);
  (await receiver!.connect()).answer();
  await works(sender!, receiver!);
  const before = await relay.objects();
  const flood = repeat(10_000, 20, async (n) => {
    const token = mint("not the key of this service", { sub: `nobody-${n}`, iat: seconds() });
    (await relay.bearer(`nobody-${n}`, token).publish({ device: "nobody" }, "x")).problem(401, "unauthorized");
  });
  await works(sender!, receiver!);
  await flood;
  await works(sender!, receiver!);
  expect(await relay.objects()).toEqual(before);
}, 180_000);

test("of five hundred connects of one device in a row one stays, and others are served meanwhile", async () => {
  const [sender, receiver, flapping] = await relay.devices(3);
  (await receiver!.connect()).answer();
  const flood = repeat(500, 10, () => flapping!.open());
  await works(sender!, receiver!);
  await flood;
  const last = await flapping!.connect();
  last.answer(() => "still here");
  const answer = (await sender!.publish({ device: flapping!.name }, "x", { wait: 20 })).is(200);
  expect(answer.deliveries).toMatchObject([{ state: "delivered", reply: "still here" }]);
}, 120_000);

test("a device that takes messages and never acknowledges gets its window and no more", async () => {
  const [sender, receiver] = await relay.devices(2);
  const socket = await receiver!.connect();
  await repeat(200, 10, () => sender!.send({ device: receiver!.name }, "x".repeat(1000)));
  expect((await receiver!.status()).is(200)).toMatchObject({ in_flight: 32, held: 168 });
  expect(socket.seen.filter(({ type }) => type === "message")).toHaveLength(32);
}, 60_000);
