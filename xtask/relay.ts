// The relay on this machine: the built Worker on workerd, with what wrangler.toml says.
//
// `cargo xtask dev` starts it, and so do the measurements: writes it one line of JSON, the Settings, and
// reads the line `ready`. It keeps its pipe open: when that closes, however the other side ended, this ends
// too. So it does when workerd ends.

import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";

import { Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions } from "wrangler";

import { applyMigrations } from "./migrations.ts";

interface Settings {
  port: number;
  /** The directory in which D1 and the objects keep their state. */
  state: string;
  /** Secrets, and limits that differ from wrangler.toml. */
  bindings: Record<string, string>;
  /** What the measurements change: no console, and a module in the place of the entry, as if it lay beside it. */
  bench?: { entry?: string };
}

const HOST = "127.0.0.1";
/** Where Node.js tells of every process that it starts. */
const CHANNEL = "child_process";

const input = createInterface({ input: process.stdin });
const closed = once(input, "close");
const [line] = await Promise.race([once(input, "line"), closed]);
if (line) await run(JSON.parse(line));
process.exit();

async function run({ port, state, bindings, bench }: Settings): Promise<void> {
  const { workerOptions, main } = unstable_getMiniflareWorkerOptions("wrangler.toml");
  if (!main) throw new Error("wrangler.toml names no `main`");
  const databases = Object.keys(workerOptions.d1Databases ?? {});
  await migrate(databases, join(state, "d1"));
  const workerdEnded = endOfWorkerd();
  const miniflare = new Miniflare({
    ...workerOptions,
    name: "tagpost",
    modules: true,
    modulesRoot: dirname(resolve(main)),
    scriptPath: resolve(main),
    ...(bench && { assets: undefined }),
    ...(bench?.entry && {
      scriptPath: join(dirname(resolve(main)), basename(bench.entry)),
      script: readFileSync(bench.entry, "utf8"),
    }),
    modulesRules: [{ type: "ESModule", include: ["**/*.js"] }, ...(workerOptions.modulesRules ?? [])],
    bindings: { ...workerOptions.bindings, ...bindings },
    // Under its binding's name a database keeps its state also once wrangler.toml has its remote id.
    d1Databases: databases,
    d1Persist: join(state, "d1"),
    durableObjectsPersist: join(state, "do"),
    host: HOST,
    port,
    // Nothing is asked of the internet to make up where a request came from.
    cf: false,
    structuredWorkerdLogs: true,
    handleStructuredLogs: ({ message }: { message: string }): void => console.log(message),
  });
  for (const event of ["SIGINT", "SIGTERM"]) process.on(event, () => input.close());
  try {
    await miniflare.ready;
    console.log("ready");
    const end = await Promise.race([closed.then(() => undefined), workerdEnded]);
    if (end === undefined) return;
    console.error(`workerd on ${HOST}:${port} ended ${end}; what was accepted is kept for the next start`);
    // Its successor is not waited for.
    process.exit(1);
  } finally {
    await miniflare.dispose();
  }
}

/** Applies the migrations before anything listens on the port, so that the first answer there finds the tables. */
async function migrate(d1Databases: string[], d1Persist: string): Promise<void> {
  const script = "export default {}";
  const miniflare = new Miniflare({ modules: true, script, d1Databases, d1Persist, host: HOST, port: 0, cf: false });
  try {
    for (const database of d1Databases) {
      const applied = await applyMigrations(await miniflare.getD1Database(database), resolve("migrations"));
      for (const name of applied) console.log(`applied migrations/${basename(name)}`);
    }
  } finally {
    await miniflare.dispose();
  }
}

/** How the next process that is started ends, which is workerd. Whether something listens on its port would not tell:
 * Miniflare starts a successor when it crashes. */
function endOfWorkerd(): Promise<string> {
  return new Promise((ended) => {
    const started = (message: unknown): void => {
      unsubscribe(CHANNEL, started);
      const { process: workerd } = message as { process: ChildProcess };
      // Unlike "exit", it comes when the last of what it wrote was read.
      workerd.once("close", (code, signal) => ended(signal ? `on ${signal}` : `with code ${code}`));
    };
    subscribe(CHANNEL, started);
  });
}
