// Where a service listens and keeps its state, for it alone.

import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Mistake } from "./options.mjs";

/** Milliseconds that a service which was stopped may keep its port. */
const PORT_PATIENCE = 3_000;
/** The longest path of a socket, in bytes, on every system. */
const LONGEST_SOCKET = 103;

/**
 * Takes the directory, which is made if there is none. A socket in it says who has it, for as long as this process
 * lives: a process that was killed leaves a socket on which nobody listens.
 *
 * @param {string} state
 */
export async function takeState(state) {
  try {
    mkdirSync(state, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Mistake(`--state ${state}: ${message(error)}`);
  }
  const path = socket(state);
  for (let attempt = 1; ; attempt++) {
    const server = createServer((client) => client.destroy());
    try {
      await listening(server, { path });
      server.unref();
      return;
    } catch (error) {
      if (code(error) !== "EADDRINUSE") throw new Mistake(`--state ${state}: ${message(error)}`);
    }
    if (attempt > 1 || (await answers(path))) {
      throw new Mistake(`${state} is in use by another tagpost; stop it, or choose another with --state`);
    }
    rmSync(path, { force: true });
  }
}

/** @param {string} state */
function socket(state) {
  // Pipes of Windows have names of their own.
  if (process.platform === "win32") return `\\\\.\\pipe\\tagpost-${state.replaceAll(/[\\/:]/g, "-").toLowerCase()}`;
  const absolute = join(state, "socket");
  const near = relative(process.cwd(), absolute);
  const path = near.length < absolute.length ? near : absolute;
  if (Buffer.byteLength(path) > LONGEST_SOCKET) {
    throw new Mistake(`--state ${state}: the path is too long for a socket; choose one of at most 90 bytes`);
  }
  return path;
}

/** @param {string} path */
async function answers(path) {
  const client = connect(path);
  try {
    await once(client, "connect");
    return true;
  } catch {
    return false;
  } finally {
    client.destroy();
  }
}

/**
 * Waits until the port is free, in case another service is just about to end.
 *
 * @param {string} host
 * @param {number} port
 */
export async function awaitPort(host, port) {
  const deadline = performance.now() + PORT_PATIENCE;
  for (;;) {
    const server = createServer();
    try {
      await listening(server, { host, port });
      server.close();
      await once(server, "close");
      return;
    } catch (error) {
      if (code(error) !== "EADDRINUSE") throw new Mistake(`--host ${host} --port ${port}: ${message(error)}`);
      if (performance.now() > deadline) {
        throw new Mistake(`port ${port} is in use; stop what listens there, or choose another with --port`);
      }
    }
    await sleep(50);
  }
}

/**
 * @param {import("node:net").Server} server
 * @param {import("node:net").ListenOptions} options
 */
async function listening(server, options) {
  const first = once(server, "listening");
  server.listen(options);
  await first;
}

/** @param {unknown} error */
const code = (error) => (error instanceof Error && "code" in error ? error.code : undefined);

/** @param {unknown} error */
const message = (error) => (error instanceof Error ? error.message : String(error));
