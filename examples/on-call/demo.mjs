// The whole story at a service of your own: makes the devices and tags, prints a link to the console for each person,
// and starts the monitor.
//
//   node examples/on-call/demo.mjs [ADDRESS]
//
// It needs the admin key: ADMIN_KEY, or the file .dev.vars that `cargo xtask dev` has made. ADDRESS is what the monitor
// watches; at the default one nothing answers. Anna and Ben are on call, the boss is the manager.

import { readFile } from "node:fs/promises";

import { watch } from "./watch.mjs";

const { TAGPOST_URL = "http://127.0.0.1:8787", CHECK_EVERY = "10", ESCALATE_AFTER = "30" } = process.env;
const [, , address = "http://127.0.0.1:9000/"] = process.argv;

const TAGS = { anna: "on-call", ben: "on-call", boss: "managers" };
const MONITOR = "monitor";
/** Milliseconds that the service has to answer. */
const TIMEOUT = 10_000;

const service = new URL(`${TAGPOST_URL.replace(/\/+$/, "")}/`);
const adminKey = process.env.ADMIN_KEY ?? (await keyOf(".dev.vars"));

/** The admin key in the file that a local service has its secrets in. */
async function keyOf(file) {
  const content = await readFile(file, "utf8").catch(() => "");
  const [, key] = /^ADMIN_KEY=(.+)$/m.exec(content) ?? [];
  if (key) return key.trim();
  console.error(`ADMIN_KEY is neither in the environment nor in ${file}`);
  process.exit(1);
}

/** As the operator. An answer without a body is `undefined`. */
async function put(path, body) {
  const headers = { Authorization: `Bearer ${adminKey}`, "Content-Type": "application/json" };
  const response = await fetch(new URL(path, service), {
    method: "PUT",
    headers,
    body: body && JSON.stringify(body),
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`PUT ${path} was answered ${response.status}: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

console.log("Open each of these in a window of its own (the links contain the devices' tokens):\n");
for (const [name, tag] of Object.entries(TAGS)) {
  const { token } = await put(`v1/devices/${name}`, { publish: [] });
  await put(`v1/tags/${tag}/devices/${name}`);
  console.log(`  ${name.padEnd(6)}${service}#token=${token}`);
}
console.log();

const { token } = await put(`v1/devices/${MONITOR}`, { publish: [...new Set(Object.values(TAGS))] });
await watch({ url: service, token, address, every: Number(CHECK_EVERY), escalateAfter: Number(ESCALATE_AFTER) });
