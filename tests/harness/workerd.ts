// The built Worker on workerd, through miniflare: real HTTP, real sockets, real SQLite.
// What it is made of comes from wrangler.toml, so that tests run what is deployed.

import { readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";

import { Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions, unstable_splitSqlQuery } from "wrangler";

const ROOT = resolve(import.meta.dirname, "../..");

export interface Log {
  level: string;
  message: string;
}

export interface WorkerdOptions {
  adminKey: string;
  tokenKey: string;
  /** Where D1 and the objects keep their state. */
  state: string;
  /** Entries of `[vars]` that differ from wrangler.toml. */
  vars?: Record<string, string>;
  /** The directory of the built Worker. */
  build?: string;
  /** A module, relative to the build, that takes the place of the entry and may import it. */
  wrap?: { name: string; script: string };
  /** Called with every line that the Worker logs. */
  onLog?: (log: Log) => void;
}

/** The names by which miniflare finds the mailboxes. */
export const MAILBOX = { worker: "tagpost", className: "Mailbox" };

export async function startWorkerd(options: WorkerdOptions): Promise<Miniflare> {
  const { workerOptions, main } = unstable_getMiniflareWorkerOptions(join(ROOT, "wrangler.toml"));
  if (!main) throw new Error("wrangler.toml names no `main`");
  const { state, vars, build = "build", wrap, onLog } = options;
  const modulesRoot = join(ROOT, build);
  const miniflare = new Miniflare({
    ...workerOptions,
    name: MAILBOX.worker,
    modules: true,
    modulesRoot,
    modulesRules: [{ type: "ESModule", include: ["**/*.js"] }, ...(workerOptions.modulesRules ?? [])],
    scriptPath: join(modulesRoot, wrap?.name ?? basename(main)),
    ...(wrap && { script: wrap.script }),
    bindings: { ...workerOptions.bindings, ...vars, ADMIN_KEY: options.adminKey, TOKEN_KEY: options.tokenKey },
    d1Persist: join(state, "d1"),
    durableObjectsPersist: join(state, "do"),
    host: "127.0.0.1",
    port: 0,
    structuredWorkerdLogs: true,
    handleStructuredLogs: (log: Log): void => onLog?.(log),
  });
  await miniflare.ready;
  await migrate(miniflare, Object.keys(workerOptions.d1Databases ?? {})[0] ?? "DB");
  return miniflare;
}

/** Applies what migrations/ has and the database has not, in order, each at once or not at all. */
async function migrate(miniflare: Miniflare, binding: string): Promise<void> {
  const database = await miniflare.getD1Database(binding);
  await database.exec("CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE)");
  const { results } = await database.prepare("SELECT name FROM d1_migrations").all();
  const applied = new Set(results.map((row: { name: string }) => row.name));
  const directory = join(ROOT, "migrations");
  const pending = readdirSync(directory).filter((name) => name.endsWith(".sql") && !applied.has(name));
  for (const name of pending.sort()) {
    const statements = unstable_splitSqlQuery(readFileSync(join(directory, name), "utf8"));
    await database.batch([
      ...statements.map((statement) => database.prepare(statement)),
      database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name),
    ]);
  }
}
