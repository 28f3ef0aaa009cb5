// A program of the repository that runs until it is stopped, and what it prints meanwhile.

import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";

import { afterEach } from "vitest";

import { ROOT } from "./workerd.ts";

/** Milliseconds for a program to start, or to say the next line. */
export const PROGRAM_TIMEOUT = 30_000;

export class Program {
  /** Every line so far, of both outputs. */
  readonly said: string[] = [];
  readonly #process: ChildProcess;
  #news = Promise.withResolvers<void>();

  constructor(command: string, args: string[], env: Record<string, string>) {
    const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env } });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on("line", (line) => this.#say(line));
    }
    child.on("exit", (code) => this.#say(`(ended with ${code})`));
    this.#process = child;
  }

  /** The first line, of those said or to be said, that holds this text. */
  async line(text: string): Promise<string> {
    const end = performance.now() + PROGRAM_TIMEOUT;
    for (;;) {
      const line = this.said.find((line) => line.includes(text));
      if (line !== undefined) return line;
      const left = end - performance.now();
      if (left <= 0) throw new Error(`expected within ${PROGRAM_TIMEOUT} ms: ${text}; said: ${this.said.join("\n")}`);
      await Promise.race([this.#news.promise, new Promise((late) => setTimeout(late, left).unref())]);
    }
  }

  stop(): void {
    this.#process.kill();
  }

  #say(line: string): void {
    this.said.push(line);
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}

/** Starts programs, which are stopped after the test. */
export function usePrograms() {
  const running = new Set<Program>();
  afterEach(() => {
    for (const program of running) program.stop();
    running.clear();
  });
  return (command: string, argument: string | string[], env: Record<string, string>): Program => {
    const program = new Program(command, [argument].flat(), env);
    running.add(program);
    return program;
  };
}
