// What the examples ask of a service ends also if that says nothing, and shows their credentials to nobody else.

import { createECDH, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { usePrograms } from "./harness/program.ts";

const start = usePrograms();
const cleanups: (() => void)[] = [];
afterEach(() => cleanups.splice(0).forEach((cleanup) => cleanup()));

/** The URL of a service that does this. */
async function service(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  cleanups.push(() => server.close().closeAllConnections());
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tagpost-test-"));
  cleanups.push(() => rmSync(directory, { recursive: true }));
});

/** A push to a subscription at this endpoint. */
function push(endpoint: string) {
  const file = join(directory, "subscription.json");
  const keys = { p256dh: createECDH("prime256v1").generateKeys("base64url"), auth: randomBytes(16).toString("base64url") };
  writeFileSync(file, JSON.stringify({ endpoint, keys }));
  return start(process.execPath, ["examples/push.mjs", file, "it rings"], {});
}

test("a service that says nothing is left after a while", async () => {
  const silent = await service(() => {});
  const sent = push(silent);
  const demo = start(process.execPath, "examples/on-call/demo.mjs", { TAGPOST_URL: silent, ADMIN_KEY: "k".repeat(32) });
  for (const program of [sent, demo]) {
    await program.line("aborted due to timeout");
    await program.line("(ended with 1)");
  }
});

test("a push and its receipt are asked of nobody whom a redirect names", async () => {
  let visits = 0;
  const elsewhere = await service((_request, response) => ((visits += 1), void response.writeHead(204).end()));
  const moved = await service(({ url }, response) => {
    if (url === "/push") response.writeHead(202, { Location: `${moved}receipt` }).end();
    else response.writeHead(307, { Location: elsewhere }).end();
  });
  await push(`${moved}away`).line("not taken: 307");
  await push(`${moved}push`).line("not delivered");
  expect(visits).toBe(0);
});
