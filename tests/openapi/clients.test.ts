// Clients that others' generators make of the description, a round trip with each.

import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { copyFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, expect, test } from "vitest";

import { useRelay } from "../harness/index.ts";
import { ROOT } from "../harness/workerd.ts";

const relay = useRelay();
const run = promisify(execFile);
const HERE = join(ROOT, "tests/openapi");
const DESCRIPTION = join(ROOT, "src/openapi.json");
const directory = mkdtempSync(join(tmpdir(), "tagpost-clients-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A test that needs more than the repository's own packages; without them it is skipped, except in CI. */
function testWith(install: string, isThere: boolean) {
  const isSkipped = !isThere && !process.env.CI;
  if (isSkipped) console.warn(`skipped: a generated client needs \`${install}\``);
  return test.skipIf(isSkipped);
}

const tool = (path: string) => join(HERE, "node_modules", path);
const hasPython = spawnSync("python3", ["-c", "import openapi_python_client"]).status === 0;
const lines = ({ stdout }: { stdout: string }) => stdout.trim().split("\n").map((line) => JSON.parse(line));

testWith("npm ci in tests/openapi", existsSync(tool("")))("TypeScript: what @hey-api/openapi-ts generates compiles in strict mode, and makes a round trip", async () => {
  const compilerOptions = {
    ...{ target: "esnext", module: "nodenext", lib: ["esnext", "dom", "dom.iterable"], strict: true, outDir: "out" },
    ...{ types: ["node"], typeRoots: [join(ROOT, "node_modules/@types")], skipLibCheck: true },
  };
  await writeFile(join(directory, "package.json"), `{"type":"module"}`);
  await writeFile(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["generated"] }));
  const node = (script: string, ...args: string[]) => run(process.execPath, [script, ...args], { cwd: directory });
  await node(tool("@hey-api/openapi-ts/bin/run.js"), "--input", DESCRIPTION, "--output", "generated", "--no-log-file");
  await copyFile(join(HERE, "round-trip.ts"), join(directory, "generated/round-trip.ts"));
  const complaints = await node(tool("typescript/bin/tsc")).catch(({ stdout }) => ({ stdout }));
  expect(complaints.stdout).toBe("");
  expect(lines(await node("out/round-trip.js", relay.url.origin, relay.adminKey))).toEqual([
    { content_type: "application/json", payload: { ring: true }, state: "delivered", reply: { opened: true } },
  ]);
}, 240_000);

testWith("pip install openapi-python-client", hasPython)("Python: what openapi-python-client generates makes a round trip", async () => {
  const python = (...args: string[]) => run("python3", args, { cwd: directory });
  const generator = ["generate", "--path", DESCRIPTION, "--meta", "none", "--output-path", "generated"];
  await python("-c", "from openapi_python_client.cli import app; app()", ...generator, "--overwrite");
  await copyFile(join(HERE, "round_trip.py"), join(directory, "round_trip.py"));
  const delivered = { state: "delivered", reply: { opened: true } };
  expect(lines(await python("round_trip.py", relay.url.origin, relay.adminKey))).toEqual([
    { content_type: "application/json", payload: { ring: true }, ...delivered },
    { content_type: "application/json", payload: [1, "two"], ...delivered },
  ]);
}, 240_000);
