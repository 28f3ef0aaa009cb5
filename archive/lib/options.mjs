// The command line of serve.mjs. What is wrong on it is named, with the option.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

export const USAGE = `usage: node serve.mjs [options]

  --host ADDRESS     the address to listen on [127.0.0.1]; 0.0.0.0 is every one
  --port PORT        the port [8787]
  --state DIR        the directory that keeps messages and secrets [.tagpost beside serve.mjs]
  --tls-cert FILE    a certificate with its chain, as PEM; with --tls-key, it speaks https
  --tls-key FILE     the certificate's private key, as PEM
  --allow-private    let webhooks and the push services of phones be in private networks, and webhooks http, too
  --var NAME=VALUE   set a limit or another entry of [vars], such as KEEPALIVE=10; repeatable
  --demo             create the devices doorbell and kitchen-cam, and print what to try with them
  --help             print this
`;

/** What the caller did wrong, and can correct. */
export class Mistake extends Error {}

/** Settings that wrangler.toml does not list. */
const UNLISTED = ["AWAY_AFTER", "EVENTS_TAG", "FAILURES", "PUBLIC_URL", "VAPID_SUBJECT", "WAKE_ALL"];

/**
 * @param {string[]} args
 * @param {string} home The directory of serve.mjs.
 */
export function readOptions(args, home) {
  const values = parse(args);
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port < 1 || port > 65_535) {
    throw new Mistake(`--port ${values.port}: expected a number from 1 to 65535`);
  }
  if (values.host === "") throw new Mistake("--host: expected an address");
  if (values.state === "") throw new Mistake("--state: expected a directory");
  const { "tls-cert": cert, "tls-key": key } = values;
  if (cert !== undefined && key === undefined) throw new Mistake("--tls-cert needs --tls-key");
  if (key !== undefined && cert === undefined) throw new Mistake("--tls-key needs --tls-cert");
  return {
    help: values.help,
    allowPrivate: values["allow-private"],
    demo: values.demo,
    host: values.host,
    port,
    state: values.state === undefined ? resolve(home, ".tagpost") : resolve(values.state),
    tls: cert !== undefined && key !== undefined ? { cert: pem("--tls-cert", cert), key: pem("--tls-key", key) } : undefined,
    vars: values.var.map(assignment),
  };
}

/** @param {string[]} args */
function parse(args) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        host: { type: "string", default: "127.0.0.1" },
        port: { type: "string", default: "8787" },
        state: { type: "string" },
        "tls-cert": { type: "string" },
        "tls-key": { type: "string" },
        var: { type: "string", multiple: true, default: [] },
        "allow-private": { type: "boolean", default: false },
        demo: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    return values;
  } catch (error) {
    throw new Mistake(error instanceof Error ? error.message : String(error));
  }
}

/**
 * @param {string} option
 * @param {string} file
 */
function pem(option, file) {
  try {
    const text = readFileSync(file, "utf8");
    if (text.includes("-----BEGIN ")) return text;
  } catch (error) {
    throw new Mistake(`${option} ${file}: ${error instanceof Error ? error.message : error}`);
  }
  throw new Mistake(`${option} ${file}: expected PEM, with a line -----BEGIN …-----`);
}

/**
 * @param {string} argument
 * @returns {[name: string, value: string]}
 */
function assignment(argument) {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(argument) ?? [];
  if (name === undefined || value === undefined) throw new Mistake(`--var ${argument}: expected NAME=VALUE`);
  return [name, value];
}

/**
 * The limits that `--var` sets, by name. The Worker checks their values.
 *
 * @param {[name: string, value: string][]} vars
 * @param {string[]} listed The names in wrangler.toml.
 */
export function limits(vars, listed) {
  const known = [...listed, ...UNLISTED];
  for (const [name, value] of vars) {
    if (!known.includes(name)) {
      throw new Mistake(`--var ${name}=${value}: ${name} is no limit; there are ${known.join(", ")}`);
    }
  }
  return Object.fromEntries(vars);
}
