// The service on this machine: the built Worker on workerd, with what wrangler.toml says.
//
// Its tables are there before it listens. Its state survives any way of ending; nothing cleans up after it.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { basename, dirname, join, resolve } from "node:path";

import { Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions } from "wrangler";

import { applyMigrations } from "./migrations.mjs";

/** Where Node.js tells of every process that it starts. */
const CHANNEL = "child_process";

/** The signals on which Miniflare would end this process. */
const SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM"]);

/**
 * @typedef {object} Options
 * @property {string} host
 * @property {number} port
 * @property {string} state The directory in which D1 and the objects keep their state.
 * @property {Record<string, string>} bindings Secrets, and limits that differ from wrangler.toml.
 * @property {(line: string) => void} log Takes every line that the Worker logs, and the names of the migrations.
 * @property {boolean} [allowPrivate] Whether requests to webhooks and push services may lead into private networks.
 * @property {{ cert: string, key: string }} [tls] A certificate with its chain and its key, as PEM: it speaks https.
 * @property {Record<string, unknown>} [overrides] Options of Miniflare that take the place of these.
 */

/** What wrangler.toml in the current directory says of the Worker. */
export function configuration() {
  const { workerOptions, main } = unstable_getMiniflareWorkerOptions("wrangler.toml");
  if (!main) throw new Error("wrangler.toml names no `main`");
  return { workerOptions, main: resolve(main) };
}

/**
 * Starts it in the current directory, which has wrangler.toml, and waits until it is ready.
 *
 * @param {Options} options
 */
export async function startService({ host, port, state, bindings, log, allowPrivate, tls, overrides }) {
  const { workerOptions, main } = configuration();
  const databases = Object.keys(workerOptions.d1Databases ?? {});
  await migrate(databases, join(state, "d1"), log);
  const ended = endOfWorkerd();
  const miniflare = create({
    ...workerOptions,
    name: "tagpost",
    modules: true,
    modulesRoot: dirname(main),
    scriptPath: main,
    modulesRules: [{ type: "ESModule", include: ["**/*.js"] }, ...(workerOptions.modulesRules ?? [])],
    bindings: { ...workerOptions.bindings, ...bindings },
    // Under its binding's name a database keeps its state also once wrangler.toml has its remote id.
    d1Databases: databases,
    d1Persist: join(state, "d1"),
    durableObjectsPersist: join(state, "do"),
    host,
    port,
    // A name that was checked may still lead to what only this machine can reach.
    ...(!allowPrivate && { outboundService: { network: { allow: ["public"], tlsOptions: { trustBrowserCas: true } } } }),
    ...(tls && { httpsCert: tls.cert, httpsKey: tls.key }),
    // Nothing is asked of the internet to make up where a request came from.
    cf: false,
    structuredWorkerdLogs: true,
    handleStructuredLogs: (/** @type {{ message: string }} */ { message }) => log(message),
    ...overrides,
  });
  try {
    await miniflare.ready;
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
  return {
    /** How workerd ended, once it has. */
    ended,
    /** Asks the Worker, past the network.
     * @param {string} path
     * @param {{ method?: string, headers?: Record<string, string> }} [init] */
    fetch: (path, init) => miniflare.dispatchFetch(`http://localhost${path}`, init),
    stop: () => miniflare.dispose(),
  };
}

/**
 * Applies the migrations before anything listens on the port, so that the first answer there finds the tables.
 *
 * @param {string[]} d1Databases
 * @param {string} d1Persist
 * @param {(line: string) => void} log
 */
async function migrate(d1Databases, d1Persist, log) {
  const script = "export default {}";
  const host = "127.0.0.1";
  const miniflare = create({ modules: true, script, d1Databases, d1Persist, host, port: 0, cf: false });
  try {
    for (const database of d1Databases) {
      const applied = await applyMigrations(await miniflare.getD1Database(database), resolve("migrations"));
      for (const name of applied) log(`applied migrations/${basename(name)}`);
    }
  } finally {
    await miniflare.dispose();
  }
}

/**
 * A Miniflare that leaves signals to the caller. By itself it would end the process on one, as if that were a failure.
 *
 * @param {import("miniflare").MiniflareOptions} options
 */
function create(options) {
  const before = SIGNALS.map((signal) => process.listeners(signal));
  const miniflare = new Miniflare(options);
  for (const [index, signal] of SIGNALS.entries()) {
    for (const listener of process.listeners(signal)) {
      if (!before[index]?.includes(listener)) process.off(signal, listener);
    }
  }
  return miniflare;
}

/**
 * How the next process that is started ends, which is workerd. Whether something listens on its port would not tell:
 * Miniflare starts a successor when it crashes.
 *
 * @returns {Promise<string>}
 */
function endOfWorkerd() {
  return new Promise((ended) => {
    /** @param {unknown} message */
    const started = (message) => {
      unsubscribe(CHANNEL, started);
      const { process: workerd } = /** @type {{ process: import("node:child_process").ChildProcess }} */ (message);
      // Unlike "exit", it comes when the last of what it wrote was read.
      workerd.once("close", (code, signal) => ended(signal ? `on ${signal}` : `with code ${code}`));
    };
    subscribe(CHANNEL, started);
  });
}
