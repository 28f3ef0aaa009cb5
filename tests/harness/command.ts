// A command as one types it in a terminal: everything it prints, Ctrl-C, and how it ended.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

import { afterEach } from "vitest";

import { until } from "./until.ts";
import { ROOT } from "./workerd.ts";

export interface CommandOptions {
  cwd?: string;
  /** The whole environment, if it is not that of the test. */
  env?: Record<string, string>;
}

export class Command {
  output = "";
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown[]>;

  constructor(command: string, args: string[], { cwd = ROOT, env }: CommandOptions = {}) {
    this.#process = spawn(command, args, { cwd, detached: true, stdio: ["ignore", "pipe", "pipe"], ...(env && { env }) });
    this.#process.stdout?.on("data", (data) => (this.output += data));
    this.#process.stderr?.on("data", (data) => (this.output += data));
    this.#closed = once(this.#process, "close");
  }

  /** Waits until it has printed this. */
  async prints(text: RegExp, timeout = 60_000): Promise<string> {
    const look = async () => text.exec(this.output)?.[0] ?? "";
    const ended = this.#closed.then(() => look());
    const found = await Promise.race([until(`${text}`, look, (found) => found !== "", timeout), ended]).catch(() => "");
    if (found === "") throw new Error(`expected within ${timeout} ms: ${text}; printed so far: ${this.output}`);
    return found;
  }

  /** Sends a signal to it and to what is in its process group, as Ctrl-C does. */
  signal(signal: NodeJS.Signals): void {
    if (this.#process.pid === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    process.kill(-this.#process.pid, signal);
  }

  /** Sends a signal to it alone, as a supervisor does. */
  terminate(): void {
    this.#process.kill("SIGTERM");
  }

  /** Kills it alone. What it has started runs on. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }

  /** What it answers when it has ended. Its output ends only with the last process that holds it. */
  async ended(): Promise<number | null> {
    await this.#closed;
    return this.#process.exitCode;
  }
}

/** Starts commands, which are killed after the test if they still run. */
export function useCommands() {
  const running = new Set<Command>();
  afterEach(() => {
    for (const command of running) command.signal("SIGKILL");
    running.clear();
  });
  return (command: string, args: string[], options?: CommandOptions): Command => {
    const started = new Command(command, args, options);
    running.add(started);
    return started;
  };
}
