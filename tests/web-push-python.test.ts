// Web Push from Python: pywebpush as the sender, in the forms that it has.

import { spawn, spawnSync } from "node:child_process";
import { createECDH } from "node:crypto";

import { expect, test } from "vitest";

import { UserAgent, type Subscription } from "./harness/agent.ts";
import { useRelay } from "./harness/index.ts";

const isSkipped = spawnSync("python3", ["-c", "import pywebpush"]).status !== 0 && !process.env.CI;
if (isSkipped) console.warn("skipped: a sender needs `pip install pywebpush`");

const relay = useRelay({ vars: { PUSH_KEY: "a key for tests that is long enough" } });

/** Reads what to send from its input, and prints the status of the answer. */
const SENDER = `
import json, sys
from pywebpush import webpush, WebPushException
arguments = json.load(sys.stdin)
try:
    print(webpush(**arguments).status_code)
except WebPushException as error:
    print(error.response.status_code)
`;

/** The status of the answer to a push. Runs beside the test's own connections, which answer in between. */
async function push(to: Subscription, data: string | null, options: object = {}): Promise<number> {
  const child = spawn("python3", ["-c", SENDER], { timeout: 30_000 });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (text) => (output += text));
  child.stderr.on("data", (text) => (errors += text));
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.stdin.end(JSON.stringify({ subscription_info: to, data, ttl: 60, ...options }));
  await ended;
  if (!/^\d{3}\n$/.test(output)) throw new Error(`expected a status, but got ${output}${errors}`);
  return Number(output);
}

/** A key pair: the public key as a subscription names it, and what signs with the private one. */
function vapid() {
  const ecdh = createECDH("prime256v1");
  const key = ecdh.generateKeys("base64url");
  const signer = { vapid_private_key: ecdh.getPrivateKey("base64url"), vapid_claims: { sub: "mailto:tests@example.org" } };
  return { key, signer };
}

test.skipIf(isSkipped)("pywebpush reaches a user agent in every form that it has", async () => {
  const device = await relay.device();
  const url = (await device.request("POST", `/v1/devices/${device.name}/push`)).is(200).push_url;
  const agent = await UserAgent.connect(url);
  const open = await agent.subscribe();
  const { key, signer } = vapid();
  const bound = await agent.subscribe(key);

  for (const content_encoding of ["aes128gcm", "aesgcm"]) {
    expect(await push(open, content_encoding, { content_encoding })).toBe(201);
    expect(await agent.message()).toBe(content_encoding);
    expect(await push(bound, "signed", { content_encoding, ...signer })).toBe(201);
    expect(await agent.message()).toBe("signed");
  }
  expect(await push(open, "now", { ttl: 0 })).toBe(201);
  expect(await agent.message()).toBe("now");
  expect(await push(open, null)).toBe(201);
  expect(await agent.message()).toBe("");

  expect(await push(bound, "not signed")).toBe(401);
  expect(await push(bound, "signed by another", vapid().signer)).toBe(401);
  await agent.unregister(open.channelID);
  expect(await push(open, "late")).toBe(410);
});
