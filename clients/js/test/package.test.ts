// The package that npm would publish: what it holds, and that it works where it is installed.

import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { afterAll, beforeAll, expect, test } from "vitest";

import { useRelay, type Device } from "../../../tests/harness/index.ts";
import { ROOT } from "../../../tests/harness/workerd.ts";
import { within } from "./support.ts";

const relay = useRelay();
const run = promisify(execFile);
const LIBRARY = join(import.meta.dirname, "..");
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

/** An application's directory, with the package installed in it. */
let application: string;
let files: string[];

const node = (token: string) => ({ ...process.env, TAGPOST_URL: relay.url.href, TAGPOST_TOKEN: token });

beforeAll(async () => {
  application = await mkdtemp(join(tmpdir(), "tagpost-package-"));
  const npm = { cwd: LIBRARY, env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` } };
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", application], npm);
  const [{ filename, files: packed }] = JSON.parse(stdout);
  files = packed.map(({ path }: { path: string }) => path);
  const installed = join(application, "node_modules/tagpost");
  await mkdir(installed, { recursive: true });
  await run("tar", ["-xzf", join(application, filename), "-C", installed, "--strip-components=1"]);
});

afterAll(() => rm(application, { recursive: true, force: true }));

test("the package holds the code, its types, the readme, the licence, and nothing else", async () => {
  const manifest = JSON.parse(await readFile(join(application, "node_modules/tagpost/package.json"), "utf8"));
  expect(manifest).toMatchObject({ name: "tagpost", license: "MIT", type: "module", sideEffects: false });
  expect(manifest).not.toHaveProperty("dependencies");
  expect(manifest.exports["."]).toEqual({ types: "./types/index.d.ts", default: "./src/index.js" });

  const licence = await readFile(join(application, "node_modules/tagpost/LICENSE"), "utf8");
  expect(licence).toBe(await readFile(join(ROOT, "LICENSE"), "utf8"));

  const code = files.filter((file) => file.startsWith("src/"));
  expect(code).toContain("src/index.js");
  const types = code.map((file) => file.replace("src/", "types/").replace(/\.js$/, ".d.ts"));
  expect(files.toSorted()).toEqual(["LICENSE", "README.md", "package.json", ...code, ...types].toSorted());
});

test("applications of pages and of Node are checked against the types", async () => {
  const right = `
    import { connect, TagpostError, type Receipt } from "tagpost";
    const device = connect({ url: "https://relay.example", token: "a.b.c" });
    device.addEventListener("receipt", ({ receipt }) => { const { reply }: Receipt = receipt; return reply; });
    device.addEventListener("closed", ({ error }) => { const last: TagpostError | undefined = error; return last; });
    export async function ring(): Promise<string> {
      for await (const message of device.messages()) message.ack(message.payload);
      return (await device.publish({ tag: "door" }, Uint8Array.of(1), { urgency: "high" })).id;
    }`;
  const wrong = `
    import { connect } from "tagpost";
    void connect({ url: "https://relay.example", token: "a.b.c" }).publish("door", 1, { urgency: "now" });`;
  await writeFile(join(application, "right.mts"), right);
  await writeFile(join(application, "wrong.mts"), wrong);
  const flags = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2024", "--lib"];
  const check = (file: string, ...more: string[]) => run(process.execPath, [TSC, file, ...flags, ...more], { cwd: application });
  await symlink(join(ROOT, "node_modules/@types"), join(application, "node_modules/@types"));
  await check("right.mts", "es2024,dom");
  await check("right.mts", "es2024", "--types", "node");
  await expect(check("wrong.mts", "es2024,dom")).rejects.toMatchObject({ stdout: expect.stringContaining("very-low") });
});

test("the readme's examples run as it says", async () => {
  const readme = await readFile(join(application, "node_modules/tagpost/README.md"), "utf8");
  for (const [, code, name] of readme.matchAll(/```js\n(\/\/ (\w+\.mjs)\n[^`]*(?:`[^`]+`[^`]*)*?)```/g)) {
    await writeFile(join(application, name!), code!);
  }
  const camera = await relay.device("kitchen-cam");
  const doorbell = await relay.device("doorbell");
  (await relay.admin("PUT", `/v1/tags/hallway/devices/${camera.name}`)).is(204);

  const listener = spawn(process.execPath, ["listen.mjs"], { cwd: application, env: node(camera.token) });
  const lines = createInterface(listener.stdout)[Symbol.asyncIterator]();
  try {
    expect(await within("it to be online", lines.next())).toMatchObject({ value: "kitchen-cam is online" });
    const publish = (device: Device) => run(process.execPath, ["publish.mjs"], { cwd: application, env: node(device.token) });
    const { stdout } = await within("the answer", publish(doorbell));
    expect(stdout).toBe("kitchen-cam delivered { opened: true }\n");
    expect(readme).toContain(stdout.trim());
    expect(await within("the message", lines.next())).toMatchObject({ value: "doorbell says { ring: 1 }" });
  } finally {
    listener.kill();
  }
});
