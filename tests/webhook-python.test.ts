// The official library of Standard Webhooks for Python verifies what the service posts, through a rotation.

import { afterAll, beforeAll, expect, test } from "vitest";

import { Receiver } from "./harness/receiver.ts";
import { useRelay } from "./harness/index.ts";
import { hasPythonLibrary, verifiedInPython } from "./harness/standard-webhooks.ts";

const relay = useRelay({ vars: { WEBHOOK_ALLOW_HTTP: "true" } });
const receiver = new Receiver();
beforeAll(() => receiver.start());
afterAll(() => receiver.stop());

const verified = (secret: string) => verifiedInPython(receiver.posted, [secret]);

test.skipIf(!hasPythonLibrary)("messages and receipts verify with the library for Python, with either secret of a rotation", async () => {
  const device = await relay.device();
  const other = await relay.device();
  const path = `/v1/devices/${device.name}/webhook`;
  const { secret } = (await relay.admin("PUT", path, { url: receiver.url, events: ["message", "receipt"] })).is(201);
  (await other.publish({ device: device.name }, "ä ring", { wait: 10, type: "text/plain" })).is(200);
  const rotated = (await relay.admin("POST", `${path}/rotate`)).is(200).secret;
  (await other.publish({ device: device.name }, { n: 2 }, { wait: 10 })).is(200);
  const { id } = (await device.publish({ device: other.name }, {}, { wait: 0 })).is(202);
  expect(await other.inbox({ wait: 10 })).toHaveLength(1);
  (await other.ack(id)).is(204);
  await receiver.came(3);
  expect(receiver.posted[2]!.headers["webhook-id"]).toMatch(new RegExp(`^receipts_${device.name}_`));
  expect(verified(secret)).toEqual([true, true, true]);
  expect(verified(rotated)).toEqual([false, true, true]);
  receiver.posted[0]!.body = Buffer.from("ä rung");
  expect(verified(secret)).toEqual([false, true, true]);
});
