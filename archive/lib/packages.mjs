// The npm packages that this folder needs, in the versions of package.json.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Installs what is missing, by `npm ci`; quick when nothing is.
 *
 * @param {string} home The directory of package.json.
 */
export async function installPackages(home) {
  const { dependencies } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  if (Object.entries(dependencies).every(([name, version]) => installed(home, name) === version)) return;
  console.error("installing the npm packages, once: npm ci");
  // No package here needs its install scripts, so none is given the chance to run one.
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = spawn("npm", args, {
    cwd: home,
    // On Windows npm is a script of the shell.
    shell: process.platform === "win32",
    stdio: ["ignore", "ignore", "inherit"],
  });
  const [code] = await once(npm, "exit").catch((error) => {
    throw new Error(`npm cannot be run: ${error.message}; it comes with Node.js, https://nodejs.org`);
  });
  if (code !== 0) throw new Error(`npm ci ended with ${code}`);
}

/**
 * @param {string} home
 * @param {string} name
 * @returns {string | undefined}
 */
function installed(home, name) {
  try {
    return JSON.parse(readFileSync(join(home, "node_modules", name, "package.json"), "utf8")).version;
  } catch {
    return undefined;
  }
}
