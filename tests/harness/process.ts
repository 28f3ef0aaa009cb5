// The service as a process of its own, so that it can be killed.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import type { Device } from "./device.ts";
import { freePort } from "./port.ts";
import { Service } from "./service.ts";
import { rowsOf, type Row } from "./storage.ts";
import { until } from "./until.ts";
import { MAILBOX, ROOT, type WorkerdOptions } from "./workerd.ts";

export class RelayProcess extends Service {
  readonly #vars: Record<string, string | number>;
  readonly #wrap: WorkerdOptions["wrap"];
  readonly #state = mkdtempSync(join(tmpdir(), "tagpost-test-"));
  #port = 0;
  #process: ChildProcess | undefined;
  #output: string[] = [];

  constructor(vars: Record<string, string | number> = {}, wrap?: WorkerdOptions["wrap"]) {
    super();
    this.#vars = vars;
    this.#wrap = wrap;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.#port}`);
  }

  /** The last lines of what it logged, through all its lives. */
  get output(): string {
    return this.#output.slice(-20).join("\n");
  }

  /** How many mailboxes left memory by [evict]. */
  get evictions(): number {
    return this.#output.filter((line) => line.startsWith("evicted ")).length;
  }

  /** Starts it on the storage it had before, and waits until it answers. */
  async start(): Promise<void> {
    this.#port ||= await freePort();
    const settings = {
      adminKey: this.adminKey,
      tokenKey: this.tokenKey,
      state: this.#state,
      vars: Object.fromEntries(Object.entries(this.#vars).map(([name, value]) => [name, `${value}`])),
      wrap: this.#wrap,
      port: this.#port,
    };
    // A process group of its own, so that workerd is killed in the same moment.
    const child = spawn(process.execPath, [join(ROOT, "tests/harness/serve.ts")], { cwd: ROOT, detached: true });
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => void this.#output.push(line));
    }
    // What is written to a process that was killed goes nowhere.
    child.stdin.on("error", () => {});
    child.stdin.write(`${JSON.stringify(settings)}\n`);
    this.#process = child;
    const ask = async () => {
      if (child.exitCode !== null) throw new Error(`the relay ended with ${child.exitCode}: ${this.output}`);
      return this.#answers("/v1/devices");
    };
    // It listens before its database is migrated, so that only an answer from there shows that it is ready.
    await until("the relay to answer", ask, (ready) => ready, 60_000);
  }

  /** Has a device's mailbox leave memory as soon as it has answered what it was asked. Its sockets stay open. */
  evict(device: Device): void {
    this.#process?.stdin?.write(`${device.name}\n`);
  }

  /** Kills it and everything it started, and waits until it is gone. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    process.kill(-child.pid, "SIGKILL");
    await exit;
    await until("the relay to be gone", () => this.#answers("/health"), (answers) => !answers);
  }

  /** The rows of all mailboxes, by table. */
  rows(): Record<string, Row[]> {
    const directory = join(this.#state, "do", `${MAILBOX.worker}-${MAILBOX.className}`);
    const files = existsSync(directory) ? readdirSync(directory) : [];
    const all: Record<string, Row[]> = {};
    for (const file of files.filter((name) => name.endsWith(".sqlite") && name !== "metadata.sqlite")) {
      for (const [table, rows] of Object.entries(rowsOf(join(directory, file)))) (all[table] ??= []).push(...rows);
    }
    return all;
  }

  async stop(): Promise<void> {
    this.hangUp();
    await this.kill();
    rmSync(this.#state, { recursive: true, force: true });
  }

  async #answers(path: string): Promise<boolean> {
    return this.request("GET", path, { token: this.adminKey, timeout: 1000 }).then(
      ({ status }) => status === 200,
      () => false,
    );
  }
}
