// The service under test, in reach of the test's hand: it can be restarted on the same storage, lose a
// mailbox from memory, and show which objects and alarms it has.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

import type { Miniflare } from "miniflare";

import type { Device } from "./device.ts";
import { memoryOf, type Memory } from "./memory.ts";
import { Service } from "./service.ts";
import { rowsOf } from "./storage.ts";
import { MAILBOX, startWorkerd, type Log, type WorkerdOptions } from "./workerd.ts";

export interface RelayOptions {
  /** Limits that differ from the defaults. */
  vars?: Record<string, string | number>;
  /** Another build than `build/`. */
  build?: string;
  wrap?: WorkerdOptions["wrap"];
  outbound?: WorkerdOptions["outbound"];
  /** Whether it can say what it holds in memory. */
  inspected?: boolean;
}

export class Relay extends Service {
  /** Every line that the Worker logged. */
  readonly logs: Log[] = [];
  #options: RelayOptions;
  readonly #state = mkdtempSync(join(tmpdir(), "tagpost-test-"));
  #workerd: Miniflare | undefined;
  #url: URL | undefined;

  constructor(options: RelayOptions = {}) {
    super();
    this.#options = options;
  }

  get url(): URL {
    if (!this.#url) throw new Error("the relay is not started");
    return this.#url;
  }

  async start(): Promise<void> {
    const { vars = {}, build, wrap, outbound, inspected } = this.#options;
    this.#workerd = await startWorkerd({
      adminKey: this.adminKey,
      tokenKey: this.tokenKey,
      state: this.#state,
      vars: Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, `${value}`])),
      ...(build && { build }),
      ...(wrap && { wrap }),
      ...(outbound && { outbound }),
      ...(inspected && { inspected }),
      onLog: (log) => void this.logs.push(log),
    });
    this.#url = await this.#workerd.ready;
  }

  /** Limits for the next start that differ from those it has. */
  limit(vars: Record<string, string | number>): void {
    this.#options = { ...this.#options, vars: { ...this.#options.vars, ...vars } };
  }

  /** Kills the service with everything it holds in memory. Its storage stays for the next start. */
  async halt(): Promise<void> {
    await this.#workerd?.dispose();
  }

  /** Halts the service and starts it on the same storage, not before a given time. */
  async restart(notBefore = 0): Promise<void> {
    await this.halt();
    await sleep(Math.max(0, notBefore - Date.now()));
    await this.start();
  }

  async stop(): Promise<void> {
    this.hangUp();
    await this.#workerd?.dispose();
    rmSync(this.#state, { recursive: true, force: true });
  }

  /** Drops a device's mailbox from memory, at once. Its sockets stay open, as in hibernation. */
  async evict(device: Device): Promise<void> {
    await this.#started.unsafeEvictDurableObject(MAILBOX.worker, MAILBOX.className, {
      name: device.name,
      webSockets: "hibernate",
    });
  }

  /** The database of the directory, past the service. */
  async directory() {
    return this.#started.getD1Database("DB");
  }

  /** The ids of all mailboxes that were ever woken. */
  objects(): Promise<string[]> {
    return this.#started.listDurableObjectIds(MAILBOX.className);
  }

  /** The file with the database of a device's mailbox; it may be read at any time, and written while the service is halted. */
  async database(name: string): Promise<string> {
    // Its type is an error without the types of Workers.
    const namespace: any = await this.#started.getDurableObjectNamespace("MAILBOX");
    return join(this.#state, "do", `${MAILBOX.worker}-${MAILBOX.className}`, `${namespace.idFromName(name)}.sqlite`);
  }

  /** How many rows the mailbox of this name has, by table; tables without any are left out. */
  async rows(name: string): Promise<Record<string, number>> {
    const tables = Object.entries(rowsOf(await this.database(name)));
    return Object.fromEntries(tables.map(([table, rows]) => [table, rows.length] as const).filter(([, rows]) => rows > 0));
  }

  /** What the Worker and its mailboxes hold in memory once all garbage is collected; of an inspected relay. */
  async held(): Promise<Memory> {
    return memoryOf(new URL(`/core:user:${MAILBOX.worker}`, await this.#started.getInspectorURL()));
  }

  /** Bytes of memory that workerd holds; 0 where the system does not tell. */
  memory(): number {
    const pids = existsSync("/proc/self/status") ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)) : [];
    const statuses = pids.map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/status`, "utf8");
      } catch {
        return "";
      }
    });
    const own = statuses.filter((status) => /^Name:\s+workerd$/m.test(status) && status.includes(`\nPPid:\t${process.pid}\n`));
    return own.reduce((sum, status) => sum + 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0), 0);
  }

  /** When all alarms that are set are due, in milliseconds since the Unix epoch. */
  alarms(): number[] {
    const path = join(this.#state, "do", `${MAILBOX.worker}-${MAILBOX.className}`, "metadata.sqlite");
    if (!existsSync(path)) return [];
    const metadata = new DatabaseSync(path, { readOnly: true });
    try {
      // workerd counts nanoseconds.
      const alarms = metadata.prepare("SELECT scheduled_time / 1000000 AS due FROM _cf_ALARM ORDER BY due");
      return alarms.all().map(({ due }) => Number(due));
    } finally {
      metadata.close();
    }
  }

  get #started(): Miniflare {
    if (!this.#workerd) throw new Error("the relay is not started");
    return this.#workerd;
  }
}
