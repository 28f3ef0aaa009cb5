// The service as a process of its own, the one that `cargo xtask dev` starts, so that it can be killed.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Service } from "./service.ts";
import { until } from "./until.ts";
import { ROOT } from "./workerd.ts";

export class RelayProcess extends Service {
  readonly #vars: Record<string, string | number>;
  readonly #state = mkdtempSync(join(tmpdir(), "tagpost-test-"));
  #port = 0;
  #process: ChildProcess | undefined;
  #output = "";

  constructor(vars: Record<string, string | number> = {}) {
    super();
    this.#vars = vars;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.#port}`);
  }

  /** Starts it on the storage it had before, and waits until it answers. */
  async start(): Promise<void> {
    this.#port ||= await freePort();
    const bindings = Object.fromEntries(Object.entries(this.#vars).map(([name, value]) => [name, `${value}`]));
    const settings = {
      port: this.#port,
      state: this.#state,
      bindings: { ...bindings, ADMIN_KEY: this.adminKey, TOKEN_KEY: this.tokenKey },
    };
    // A process group of its own, so that workerd is killed in the same moment.
    const child = spawn(process.execPath, [join(ROOT, "xtask/relay.ts")], { cwd: ROOT, detached: true });
    child.stdout.on("data", (data) => (this.#output += data));
    child.stderr.on("data", (data) => (this.#output += data));
    child.stdin.write(`${JSON.stringify(settings)}\n`);
    this.#process = child;
    const ask = async () => {
      if (child.exitCode !== null) throw new Error(`the relay ended with ${child.exitCode}: ${this.#output}`);
      return this.#answers("/v1/devices");
    };
    // It listens before its database is migrated, so that only an answer from there shows that it is ready.
    await until("the relay to answer", ask, (ready) => ready, 60_000);
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
