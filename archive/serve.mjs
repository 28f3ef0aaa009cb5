// Runs tagpost on this machine: the Worker on workerd, Cloudflare's runtime. See README.md, and --help.
//
// It ends with 0 on SIGINT and SIGTERM, with 2 if it was called in a wrong way, and with 1 on a failure; whatever it
// accepted is kept for the next start.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST_NODE = 22;

const HOME = dirname(fileURLToPath(import.meta.url));

if (Number(process.versions.node.split(".")[0]) < OLDEST_NODE) {
  console.error(`error: this is Node.js ${process.versions.node}, but has to be ${OLDEST_NODE} or newer`);
  process.exit(2);
}
// What follows may use what an older one does not have.
const { Mistake, USAGE, limits, readOptions } = await import("./lib/options.mjs");
try {
  await run();
  process.exit(0);
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : error}`);
  process.exit(error instanceof Mistake ? 2 : 1);
}

async function run() {
  const { createDemo } = await import("./lib/demo.mjs");
  const { endOrphan, noteWorkerd } = await import("./lib/orphan.mjs");
  const { installPackages } = await import("./lib/packages.mjs");
  const { awaitPort, takeState } = await import("./lib/place.mjs");
  const { makeSecrets, readSecrets, withoutSecrets } = await import("./lib/secrets.mjs");

  const { allowPrivate, help, demo, host, port, state, tls, vars } = readOptions(process.argv.slice(2), HOME);
  if (help) return void process.stdout.write(USAGE);
  await installPackages(HOME);
  process.chdir(HOME);
  // wrangler, which only reads its configuration here, would warn of secrets that come from elsewhere, and keep logs in
  // the home directory, which a system service may not have.
  process.env["WRANGLER_LOG"] ??= "error";
  process.env["WRANGLER_WRITE_LOGS"] ??= "false";
  const { configuration, startService } = await import("./lib/service.mjs");
  const listed = Object.keys(configuration().workerOptions.bindings ?? {});
  const chosen = limits(vars, listed);
  // What workerd writes holds messages and secrets.
  process.umask(0o077);
  await takeState(state);
  const orphan = await endOrphan(state);
  if (orphan !== undefined) console.log(`ended workerd (process ${orphan}) of an earlier tagpost that was killed`);
  await awaitPort(host, port);

  const stopped = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]).then(() => undefined);
  const file = join(state, "secrets");
  if (makeSecrets(file)) console.log(`made the secrets of this service in ${file}; ADMIN_KEY is the operator's`);
  const secrets = readSecrets(file, process.env);
  const lacking = withoutSecrets(secrets);
  if (lacking) console.log(`${lacking}; each is a line of ${file}, such as PUSH_KEY= and 64 hexadecimal digits`);
  /** @type {string[]} */
  const lines = [];
  let checked = false;
  /** @param {string} line */
  const log = (line) => {
    if (!checked) lines.push(line);
    console.log(line);
  };
  noteWorkerd(state);
  const service = await startService({
    host,
    port,
    state,
    // Who trusts the private network wants webhooks in it, where there are seldom certificates.
    bindings: { ...(allowPrivate && { WEBHOOK_ALLOW_HTTP: "true" }), ...chosen, ...secrets },
    log,
    allowPrivate,
    ...(tls && { tls }),
  });
  try {
    await check(service, lines);
    checked = true;
    const url = `${tls ? "https" : "http"}://${address(host)}:${port}`;
    const adminKey = secrets["ADMIN_KEY"] ?? "";
    const advice = demo ? await createDemo(service, { url, state, adminKey }) : "";
    const { version } = JSON.parse(readFileSync(join(HOME, "package.json"), "utf8"));
    console.log(`\ntagpost ${version} is ready on ${url}; Ctrl-C stops it.\n${advice && `\n${advice}`}`);
    const end = await Promise.race([stopped, service.ended]);
    if (end !== undefined) throw new Error(`workerd ended ${end}; what was accepted is kept for the next start`);
  } finally {
    await service.stop();
  }
}

/**
 * Has the Worker check its secrets and limits, which it does with the first request.
 *
 * @param {Awaited<ReturnType<typeof import("./lib/service.mjs").startService>>} service
 * @param {string[]} lines What it has logged.
 */
async function check(service, lines) {
  const answer = await service.fetch("/openapi.json");
  await answer.arrayBuffer();
  if (answer.ok) return;
  const cause = lines.map((line) => /"event":"misconfigured".*"cause":("(?:[^"\\]|\\.)*")/.exec(line)?.[1]).find(Boolean);
  if (cause) throw new Mistake(JSON.parse(cause));
  throw new Error(`the Worker answered ${answer.status}`);
}

/** @param {string} host */
function address(host) {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}
