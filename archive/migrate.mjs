// What wrangler runs before it uploads: the D1 database is created if there is none, and its tables are brought to
// the state that the Worker expects.
//
// wrangler.toml names it as the build. With `--dry-run`, and in every command but `wrangler deploy`, it changes
// nothing. wrangler tells a build which command runs, but not its options: they are read from the process itself.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** The database's binding in wrangler.toml. */
const BINDING = "DB";

const BY_HAND = `npx wrangler d1 migrations apply ${BINDING} --remote`;

/** How many processes may lie between wrangler and this one: shells. */
const FARTHEST = 5;

if (process.env["WRANGLER_COMMAND"] === "deploy") await migrate();

async function migrate() {
  const args = wranglerArguments();
  if (!args) {
    console.log(`the options of wrangler cannot be read here, so the database is left alone; apply its migrations: ${BY_HAND}`);
    return;
  }
  if (args.some((arg) => /^--dry-?run(?!=false$)/i.test(arg))) {
    console.log("a dry run: the database is left alone");
    return;
  }
  const config = option(args, "config", "c");
  const env = option(args, "env", "e");
  const place = [...(config ? ["--config", config] : []), ...(env ? ["--env", env] : [])];
  const { unstable_readConfig } = await import("wrangler");
  const { d1_databases } = unstable_readConfig({ config, env }, { hideWarnings: true });
  /** @type {{ binding: string, database_name?: string, database_id?: string }[]} */
  const databases = d1_databases;
  const database = databases.find(({ binding }) => binding === BINDING);
  // Without an id it is found by its name.
  const name = database?.database_id ? undefined : database?.database_name;
  if (name !== undefined) {
    const existing = JSON.parse(wrangler(["d1", "list", "--json", ...place]));
    if (!existing.some((/** @type {{ name: string }} */ found) => found.name === name)) {
      wrangler(["d1", "create", name, ...place]);
      console.log(`created the database ${name}`);
    }
  }
  console.log(wrangler(["d1", "migrations", "apply", BINDING, "--remote", ...place]));
}

/** The arguments of the `wrangler deploy` that runs this, or undefined if the system does not tell. */
function wranglerArguments() {
  let pid = process.ppid;
  for (let step = 0; step < FARTHEST; step++) {
    const found = describe(pid);
    if (!found) return undefined;
    if (found.args.includes("deploy") && found.args.some((arg) => arg.includes("wrangler"))) return found.args;
    pid = found.parent;
  }
  return undefined;
}

/**
 * A process: its arguments and its parent.
 *
 * @param {number} pid
 * @returns {{ args: string[], parent: number } | undefined}
 */
function describe(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return { args, parent: Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]) };
  } catch {
    const { stdout, status } = spawnSync("ps", ["-ww", "-o", "ppid=,args=", "-p", `${pid}`], { encoding: "utf8" });
    const [, parent, args] = (status === 0 && /^\s*(\d+)\s+(.*)$/m.exec(stdout)) || [];
    return parent !== undefined && args !== undefined ? { args: args.split(" "), parent: Number(parent) } : undefined;
  }
}

/**
 * The value of an option, as `--name value`, `--name=value` or `-n value`.
 *
 * @param {string[]} args
 * @param {string} name
 * @param {string} letter
 */
function option(args, name, letter) {
  const joined = args.find((arg) => arg.startsWith(`--${name}=`));
  if (joined !== undefined) return joined.slice(name.length + 3);
  const index = args.findIndex((arg) => arg === `--${name}` || arg === `-${letter}`);
  return index < 0 ? undefined : args[index + 1];
}

/**
 * What a command of wrangler printed.
 *
 * @param {string[]} args
 */
function wrangler(args) {
  // Within a build, wrangler has to read its own configuration again, not run the build again.
  const { WRANGLER_COMMAND: _, ...env } = process.env;
  const program = "node_modules/wrangler/bin/wrangler.js";
  const { stdout, status, error } = spawnSync(process.execPath, [program, ...args], {
    encoding: "utf8",
    env,
    // It has no questions here: it takes their defaults.
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status === 0) return stdout;
  if (stdout) console.error(stdout);
  console.error(`wrangler ${args.join(" ")} ended with ${error?.message ?? status}`);
  process.exit(1);
}
