// The requests of docs/important.md work as they stand there.

import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";
import { ROOT } from "./harness/workerd.ts";

const relay = useRelay();
const run = promisify(execFile);

const isSkipped = spawnSync("curl", ["--version"]).status !== 0 && !process.env.CI;
if (isSkipped) console.warn("skipped: this needs `apt-get install curl`");

const TAGS = ["on-call", "managers", "kitchen", "team", "shift.night", "hall", "muted"];

test.skipIf(isSkipped)("the requests of docs/important.md are taken", async () => {
  const page = readFileSync(join(ROOT, "docs/important.md"), "utf8");
  const shell = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!).join("").replaceAll("\\\n", "");
  const lines = shell.split("\n");
  const functions = lines.filter((line) => /^(device|admin)\(\)/.test(line));
  const requests = lines.filter((line) => /^(device|admin) /.test(line));
  expect([functions.length, requests.length]).toEqual([2, 11]);

  const [sender, boss] = [await relay.device(), await relay.device("boss")];
  const phone = await relay.device("phone", { tags: ["shift.*", "muted"] });
  for (const tag of TAGS) await relay.bind(tag, boss);
  await relay.bind("hall", phone);
  (await boss.connect()).answer();
  (await phone.connect()).answer(() => ({ action: "open" }));
  const held = await boss.send({ device: sender.name }, {});

  const environment = { ...process.env, URL: relay.url.origin, KEY: relay.adminKey };
  for (const request of requests) {
    const isOwn = request.includes("/devices/phone\"");
    const script = [...functions, request.replace(/[0-9A-Z]{26}/, held)].join("\n");
    const env = { ...environment, TOKEN: isOwn ? phone.token : sender.token };
    const { stdout } = await run("sh", ["-c", script], { env, timeout: 30_000 });
    // A change is answered without a body.
    const answer = /-X (PUT|POST|DELETE)/.test(request) && !stdout.trim() ? {} : JSON.parse(stdout);
    expect(answer.status, `${request}: ${stdout}`).toBe(undefined);
    if (request.includes("wait=")) expect(answer.deliveries, request).toMatchObject([{ state: "delivered" }]);
  }
}, 120_000);
