// The package that npm would publish: what it holds, its types, and that it can be published.

import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { describe, expect, test } from "vitest";

import { ROOT } from "../../../tests/harness/workerd.ts";
import { npm, useApplication } from "./application.ts";

const application = useApplication();
const run = promisify(execFile);
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

test("the package holds the code, its types, the readme, the licence, and nothing else", async () => {
  const manifest = JSON.parse(await readFile(join(application.path, "node_modules/tagpost/package.json"), "utf8"));
  expect(manifest).toMatchObject({ name: "tagpost", license: "MIT", type: "module", sideEffects: false });
  expect(manifest).not.toHaveProperty("dependencies");

  const licence = await readFile(join(application.path, "node_modules/tagpost/LICENSE"), "utf8");
  expect(licence).toBe(await readFile(join(ROOT, "LICENSE"), "utf8"));

  const code = application.files.filter((file) => file.startsWith("src/"));
  expect(code).toContain("src/index.js");
  const types = code.map((file) => file.replace("src/", "types/").replace(/\.js$/, ".d.ts"));
  const cjs = code.flatMap((file) => [file.replace("src/", "cjs/"), file.replace("src/", "cjs/").replace(/\.js$/, ".d.ts")]);
  const others = ["LICENSE", "README.md", "package.json", "cjs/package.json"];
  expect(application.files.toSorted()).toEqual([...others, ...code, ...types, ...cjs].toSorted());
});

test("npm would publish it", async () => {
  expect(await npm(application, "publish", "--dry-run", "--offline")).toContain("+ tagpost@");
}, 120_000);

test("publint and arethetypeswrong find nothing in it", async () => {
  const bin = (name: string, ...args: string[]) => run(process.execPath, [join(ROOT, "node_modules", name), ...args], { cwd: application.library });
  const { stdout: lint } = await bin("publint/src/cli.js", "run", application.tarball, "--strict");
  expect(lint).toContain("All good!");
  const { stdout: types } = await bin("@arethetypeswrong/cli/dist/index.js", application.tarball, "--format", "ascii");
  expect(types).toContain("No problems found");
});

describe("applications are checked against the types", () => {
  const right = `
    import { connect, createClient, TagpostError, type Receipt, type TimelineEvent } from "tagpost";
    interface Ring { ring: number }
    interface Opened { opened: boolean }
    const device = connect<Ring, Opened>({ url: "https://relay.example", token: async () => "a.b.c" });
    device.addEventListener("receipt", ({ receipt }) => { const { reply }: Receipt = receipt; return reply; });
    device.addEventListener("closed", ({ error }) => { const last: TagpostError | undefined = error; return last; });
    export async function ring(): Promise<string> {
      for await (const message of device.messages()) if (message.payload.ring > 1) await message.ack({ opened: true });
      const { id, deliveries } = await device.publish<Opened>({ tag: "door" }, Uint8Array.of(1), { urgency: "high", timeout: 5 });
      const opened: boolean | undefined = deliveries[0]?.reply?.opened;
      for await (const { acceptedAt } of createClient({ url: new URL("https://relay.example"), token: "a.b.c" }).listMessages()) console.log(acceptedAt, opened);
      for await (const { device, createdAt } of createClient({ url: "https://relay.example", adminKey: "k" }).listDevices()) console.log(device, createdAt);
      return id;
    }
    export function told(step: TimelineEvent): string {
      switch (step.event) {
        case "escalated": return \`\${step.devices}\`;
        case "escalation_failed": return step.code;
        case "woken": return step.host;
        case "in_progress": return step.note ?? step.device;
        default: return \`\${step.device} \${step.attempt}\`;
      }
    }`;
  const before = 'import { connect, createClient, type TimelineEvent } from "tagpost"; const options = { url: "https://relay.example", token: "a.b.c" };';
  const wrong: [code: string, why: string][] = [
    ['void connect(options).publish("door", 1, { urgency: "now" });', "Urgency"],
    ["for await (const message of connect(options).messages()) message.payload.ring;", "'message.payload' is of type 'unknown'"],
    ['for await (const message of connect<{ ring: number }, "yes">(options).messages()) message.ack("no");', `'"no"' is not assignable`],
    ['void createClient({ ...options, adminKey: "k" });', "adminKey"],
    ["export const host = (step: TimelineEvent) => step.host;", "Property 'host' does not exist on type"],
    ['void createClient(options).trace("1").then((trace) => trace.accepted_at);', "acceptedAt"],
  ];
  const flags = ["--strict", "--exactOptionalPropertyTypes", "--noEmit", "--target", "es2024", "--lib"];

  /** Checks a file, and gives what the compiler says. */
  async function check(name: string, code: string, ...more: string[]): Promise<string> {
    await mkdir(join(application.path, "node_modules/@types"), { recursive: true });
    await symlink(join(ROOT, "node_modules/@types/node"), join(application.path, "node_modules/@types/node")).catch(() => {});
    await writeFile(join(application.path, name), code);
    return run(process.execPath, [TSC, name, ...flags, ...more], { cwd: application.path }).then(() => "", ({ stdout }) => stdout);
  }

  test.each([
    ["a page", "right.mts", ["es2024,dom", "--module", "nodenext"]],
    ["a bundler", "right.ts", ["es2024,dom", "--module", "preserve"]],
    ["Node.js", "right.mts", ["es2024", "--types", "node", "--module", "nodenext"]],
    ["CommonJS", "right.cts", ["es2024", "--types", "node", "--module", "node16"]],
  ])("what is right passes in %s", async (_, name, more) => {
    expect(await check(name, right, ...more)).toBe("");
  });

  test("what is wrong is an error in its line", async () => {
    const code = [before, ...wrong.map(([code]) => code)].join("\n");
    const errors = (await check("wrong.mts", code, "es2024,dom", "--module", "nodenext")).match(/^wrong\.mts.*/gm) ?? [];
    expect(errors.map((error) => Number(/\((\d+),/.exec(error)?.[1]))).toEqual(wrong.map((_, n) => n + 2));
    for (const [n, [, why]] of wrong.entries()) expect(errors[n]).toContain(why);
  });
});
