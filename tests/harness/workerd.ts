// The built Worker on workerd, through miniflare: real HTTP, real sockets, real SQLite.
// What it is made of comes from wrangler.toml, so that tests run what is deployed.

import { basename, join, resolve } from "node:path";

import { Miniflare, type Request, type Response } from "miniflare";
import { unstable_getMiniflareWorkerOptions } from "wrangler";

import { applyMigrations } from "../../archive/lib/migrations.mjs";

export const ROOT = resolve(import.meta.dirname, "../..");

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
  /** Whether V8's inspector is in reach. */
  inspected?: boolean;
  /** A fixed port; any free one without it. */
  port?: number;
  /** Answers what the Worker asks of the internet. */
  outbound?: (request: Request) => Promise<Response>;
  /** Called with every line that the Worker logs. */
  onLog?: (log: Log) => void;
}

/** The names by which miniflare finds the mailboxes. */
export const MAILBOX = { worker: "tagpost", className: "Mailbox" };

export async function startWorkerd(options: WorkerdOptions): Promise<Miniflare> {
  const { workerOptions, main } = unstable_getMiniflareWorkerOptions(join(ROOT, "wrangler.toml"));
  if (!main) throw new Error("wrangler.toml names no `main`");
  const { state, vars, build = "build", wrap, inspected, port = 0, outbound, onLog } = options;
  const databases = Object.keys(workerOptions.d1Databases ?? {});
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
    // Under its binding's name a database keeps its state also once wrangler.toml has its remote id.
    d1Databases: databases,
    d1Persist: join(state, "d1"),
    durableObjectsPersist: join(state, "do"),
    host: "127.0.0.1",
    port,
    ...(inspected && { inspectorPort: 0 }),
    ...(outbound && { outboundService: outbound }),
    cf: false,
    structuredWorkerdLogs: true,
    handleStructuredLogs: (log: Log): void => onLog?.(log),
  });
  await miniflare.ready;
  for (const database of databases) {
    await applyMigrations(await miniflare.getD1Database(database), join(ROOT, "migrations"));
  }
  return miniflare;
}
