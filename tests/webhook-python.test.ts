// The official library of Standard Webhooks for Python verifies what the service posts, through a rotation.

import { execFileSync, spawnSync } from "node:child_process";

import { afterAll, beforeAll, expect, test } from "vitest";

import { Receiver } from "./harness/receiver.ts";
import { useRelay } from "./harness/index.ts";

const relay = useRelay({ vars: { WEBHOOK_ALLOW_HTTP: "true" } });
const receiver = new Receiver();
beforeAll(() => receiver.start());
afterAll(() => receiver.stop());

/** Reads a secret and requests as JSON, and prints for each whether it verifies. */
const VERIFY = `
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
given = json.load(sys.stdin)
webhook = Webhook(given["secret"])
def verifies(request):
    try:
        webhook.verify(request["body"].encode(), request["headers"], json_parse=False)
        return True
    except WebhookVerificationError:
        return False
print(json.dumps([verifies(request) for request in given["requests"]]))
`;

const isSkipped = spawnSync("python3", ["-c", "import standardwebhooks"]).status !== 0 && !process.env.CI;
if (isSkipped) console.warn("skipped: this needs `pip install standardwebhooks`");

function verified(secret: string): boolean[] {
  const requests = receiver.posted.map(({ headers, body }) => ({ headers, body: body.toString() }));
  const input = JSON.stringify({ secret, requests });
  return JSON.parse(execFileSync("python3", ["-c", VERIFY], { input, encoding: "utf8" }));
}

test.skipIf(isSkipped)("messages and receipts verify with the library for Python, with either secret of a rotation", async () => {
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
