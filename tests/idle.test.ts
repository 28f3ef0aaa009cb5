// When nothing is due, no alarm is set, and a mailbox with nothing in it holds no row but the device itself.

import { expect, test } from "vitest";

import { until, useRelay } from "./harness/index.ts";

// With the shortest retention and time to acknowledge, all alarms that were set go off within the test.
const relay = useRelay({ vars: { RETENTION: 1, ACK_TIMEOUT: 1 } });

test("connected devices have no alarm", async () => {
  const devices = await relay.devices(3);
  for (const device of devices) await device.connect();
  expect(relay.alarms()).toEqual([]);
});

test("once all messages have settled and left with their retention, no alarm is left and no row", async () => {
  const [sender, online, offline] = await relay.devices(3);
  const tag = await relay.tag(online!, offline!);
  const socket = await sender!.connect();
  (await online!.connect()).answer();
  const { id } = (await sender!.publish({ tag }, {}, { key: "k", wait: 10 })).is(202);
  (await offline!.connect()).answer();
  const { seq } = await socket.next("receipt");
  socket.send({ type: "receipts_seen", seq });
  await sender!.settled(id);
  await until("no alarm", async () => relay.alarms(), (alarms) => alarms.length === 0, 20_000);
  for (const { name } of [sender!, online!, offline!]) expect(await relay.rows(name)).toEqual({ account: 1 });
});
