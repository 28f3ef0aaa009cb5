// The service's secrets, in a file that only its owner can read. `wrangler deploy --secrets-file` takes it as it is.

import { randomBytes } from "node:crypto";
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { parseEnv } from "node:util";

/** Each with what it is for. All are 256 random bits in hexadecimal digits. */
const SECRETS = {
  ADMIN_KEY: "the operator's key: devices, tags, tokens, and every trace",
  TOKEN_KEY: "signs the tokens of devices",
  PUSH_KEY: "seals the URLs of Web Push and of hooks",
  VAPID_KEY: "identifies the service to the push services of phones",
};

/** What there is not without a secret that is made. */
const USES = {
  PUSH_KEY: "no Web Push and no hooks",
  VAPID_KEY: "no phone is woken",
};

/** Secrets that are not made, and count if they are there. */
const OPTIONAL = ["ADMIN_KEY_OLD", "TOKEN_KEY_OLD", "VIEWER_KEY", "PUSH_KEY_OLD"];

/**
 * Makes the file if there is none; answers whether it did.
 *
 * @param {string} file
 */
export function makeSecrets(file) {
  if (existsSync(file)) return false;
  const lines = Object.entries(SECRETS).map(
    ([name, purpose]) => `# ${purpose}\n${name}=${randomBytes(32).toString("hex")}\n`,
  );
  // Whole or not at all, and not over a file that another process has just made.
  const draft = `${file}.${process.pid}`;
  try {
    writeFileSync(draft, lines.join(""), { mode: 0o600 });
    linkSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
  return true;
}

/**
 * The secrets of the file. An environment variable of the same name takes precedence.
 *
 * @param {string} file
 * @param {Record<string, string | undefined>} environment
 * @returns {Record<string, string>}
 */
export function readSecrets(file, environment) {
  const stored = parseEnv(readFileSync(file, "utf8"));
  /** @type {Record<string, string>} */
  const secrets = {};
  for (const name of [...Object.keys(SECRETS), ...OPTIONAL]) {
    const value = environment[name] ?? stored[name];
    if (value) secrets[name] = value;
  }
  return secrets;
}

/**
 * What is off because its secret is not there; empty if nothing is.
 *
 * @param {Record<string, string>} secrets
 */
export function withoutSecrets(secrets) {
  const uses = Object.entries(USES).filter(([name]) => !secrets[name]);
  return uses.map(([name, use]) => `without ${name}: ${use}`).join("; ");
}
