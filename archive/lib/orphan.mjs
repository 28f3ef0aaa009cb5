// The workerd of a tagpost that was killed. It serves on, and writes to the state directory: it has to end before
// another one opens that.
//
// Its process is noted in the directory, with its command line: workerd's has a port that was chosen at random, so a
// process that has the same id by chance is never taken for it.

import { spawnSync } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds that a killed process may take to end. */
const PATIENCE = 10_000;

/** @param {string} state */
const note = (state) => join(state, "workerd");

/**
 * Notes each workerd that is started from now on. One runs at a time.
 *
 * @param {string} state
 */
export function noteWorkerd(state) {
  subscribe("child_process", (message) => {
    const { process: child } = /** @type {{ process: import("node:child_process").ChildProcess }} */ (message);
    child.once("spawn", () => {
      if (!basename(child.spawnfile).startsWith("workerd")) return;
      writeFileSync(note(state), `${child.pid} ${child.spawnargs.join(" ")}`);
    });
  });
}

/**
 * Ends what was noted, if it still runs; answers its process id if it did. Only who has the directory may call it.
 *
 * @param {string} state
 * @returns {Promise<number | undefined>}
 */
export async function endOrphan(state) {
  const [, id, command] = /^(\d+) (.+)$/s.exec(noted(state)) ?? [];
  const pid = Number(id);
  if (command === undefined || commandLine(pid) !== command) return undefined;
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It may have ended by itself meanwhile.
    if (commandLine(pid) === command) throw new Error(`process ${pid}, left behind by a tagpost that was killed: ${error}`);
  }
  const deadline = performance.now() + PATIENCE;
  while (commandLine(pid) === command) {
    if (performance.now() > deadline) throw new Error(`process ${pid}, left behind by a tagpost that was killed, does not end`);
    await sleep(50);
  }
  return pid;
}

/** @param {string} state */
function noted(state) {
  try {
    return readFileSync(note(state), "utf8");
  } catch {
    return "";
  }
}

/**
 * The command line of a process; empty if there is none, or it has ended and nobody has asked how.
 *
 * @param {number} pid
 */
function commandLine(pid) {
  if (process.platform !== "linux") {
    const { stdout } = spawnSync("ps", ["-ww", "-o", "args=", "-p", `${pid}`], { encoding: "utf8" });
    return stdout?.trim() ?? "";
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replace(/\0$/, "").replaceAll("\0", " ");
  } catch {
    return "";
  }
}
