// The relay on this machine, as a process that another one owns.
//
// `cargo xtask dev` starts it, and so do the measurements: writes it one line of JSON, the Settings, and
// reads the line `ready`. It keeps its pipe open: when that closes, however the other side ended, this ends
// too. So it does when workerd ends.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";

import { configuration, startService } from "../archive/lib/service.mjs";

interface Settings {
  /** The address to listen on; 127.0.0.1 without it. */
  host?: string;
  port: number;
  /** The directory in which D1 and the objects keep their state. */
  state: string;
  /** Secrets, and limits that differ from wrangler.toml. */
  bindings: Record<string, string>;
  /** What the measurements change: no console, and a module in the place of the entry, as if it lay beside it. */
  bench?: { entry?: string };
}

const input = createInterface({ input: process.stdin });
const closed = once(input, "close");
const [line] = await Promise.race([once(input, "line"), closed]);
if (line) await run(JSON.parse(line));
process.exit();

async function run({ host = "127.0.0.1", port, state, bindings, bench }: Settings): Promise<void> {
  const overrides = bench && {
    assets: undefined,
    ...(bench.entry && {
      scriptPath: join(dirname(configuration().main), basename(bench.entry)),
      script: readFileSync(bench.entry, "utf8"),
    }),
  };
  for (const event of ["SIGINT", "SIGTERM"]) process.on(event, () => input.close());
  const log = (line: string): void => console.log(line);
  // The server at an address is a program on the developer's machine, too.
  const allowPrivate = true;
  const service = await startService({ host, port, state, bindings, log, allowPrivate, ...(overrides && { overrides }) });
  try {
    console.log("ready");
    const end = await Promise.race([closed.then(() => undefined), service.ended]);
    if (end === undefined) return;
    console.error(`workerd on ${host}:${port} ended ${end}; what was accepted is kept for the next start`);
    // Its successor is not waited for.
    process.exit(1);
  } finally {
    await service.stop();
  }
}
