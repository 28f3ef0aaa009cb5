// The package that npm would publish, installed in an empty project: the code of its README sends, and receives with a
// reply, as it stands there, wherever the README says that it does.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { describeInBrowser, shows, useChromium } from "../../../tests/console/browser.ts";
import { useRelay } from "../../../tests/harness/index.ts";
import { ROOT } from "../../../tests/harness/workerd.ts";
import { useApplication } from "./application.ts";
import { within } from "./support.ts";

const relay = useRelay();
const application = useApplication();
const run = promisify(execFile);
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
const DENO = join(ROOT, "node_modules/.bin/deno");

/** Milliseconds for a program to start and to say something: Deno reads the whole package first. */
const START = 40_000;

let readme: string;

/** Writes the examples of this name, one or several, as they stand in the README. */
async function examples(...names: string[]): Promise<void> {
  const blocks = new Map<string, string>();
  for (const [, code, name] of readme.matchAll(/^```\w+\n((?:\/\/|<!--) (\S+)[^\n]*\n[^]*?)^```$/gm)) blocks.set(name!, code!);
  for (const name of names) {
    const code = blocks.get(name);
    if (code === undefined) throw new Error(`the README has no example ${name}, but ${[...blocks.keys()]}`);
    await writeFile(join(application.path, name), code);
  }
}

/** The environment of an example. */
const environment = (own: Record<string, string>) => ({ ...process.env, TAGPOST_URL: relay.url.href, NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...own });

/** The tokens of a camera, which has the tag of the README, and of its doorbell, made as the README says. */
async function two(): Promise<[camera: string, doorbell: string]> {
  await examples("devices.mjs");
  const { stdout } = await run(process.execPath, ["devices.mjs"], { cwd: application.path, env: environment({ TAGPOST_ADMIN_KEY: relay.adminKey }) });
  const [, camera, doorbell] = /^kitchen-cam (\S+)\ndoorbell (\S+)\n$/.exec(stdout) ?? [];
  if (camera === undefined || doorbell === undefined) throw new Error(`expected two devices and their tokens, but saw ${stdout}`);
  return [camera, doorbell];
}

/** Runs the first program as the camera and then the second as the doorbell, and gives the lines that they print. */
async function ring(command: string, listen: string[], publish: string[]): Promise<[heard: string, answer: string]> {
  const [camera, doorbell] = await two();
  const options = (token: string) => ({ cwd: application.path, env: environment({ TAGPOST_TOKEN: token }) });
  const listener = spawn(command, listen, { ...options(camera), stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface(listener.stdout)[Symbol.asyncIterator]();
  try {
    expect(await within("it to be online", lines.next(), START)).toMatchObject({ value: "kitchen-cam is online" });
    const { stdout } = await within("the answer", run(command, publish, options(doorbell)), START);
    const { value } = await within("the message", lines.next());
    return [value ?? "", stdout];
  } finally {
    listener.kill();
  }
}

beforeAll(async () => {
  readme = await readFile(join(application.path, "node_modules/tagpost/README.md"), "utf8");
});

describe("the README's code", () => {
  test("sends and receives as a module of Node.js", async () => {
    await examples("listen.mjs", "publish.mjs");
    const [heard, answer] = await ring(process.execPath, ["listen.mjs"], ["publish.mjs"]);
    expect(heard).toBe("doorbell says { ring: 1 }");
    expect(answer).toBe("kitchen-cam delivered { opened: true }\n");
    expect(readme).toContain(answer.trim());
  });

  test("sends and receives as CommonJS", async () => {
    await examples("listen.cjs", "publish.cjs");
    // Some programs that load with `require` cannot load modules with it.
    const flags = ["--no-experimental-require-module"];
    const [heard, answer] = await ring(process.execPath, [...flags, "listen.cjs"], [...flags, "publish.cjs"]);
    expect(heard).toBe("doorbell says { ring: 1 }");
    expect(answer).toBe("kitchen-cam delivered { opened: true }\n");
  });

  test("sends and receives as strict TypeScript", async () => {
    await examples("listen.mts", "publish.mts");
    await mkdir(join(application.path, "node_modules/@types"), { recursive: true });
    for (const name of ["node", "../undici-types"]) {
      await symlink(join(ROOT, "node_modules/@types", name), join(application.path, "node_modules/@types", name)).catch(() => {});
    }
    const strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"];
    const flags = [...strict, "--module", "nodenext", "--target", "es2024", "--types", "node"];
    await run(process.execPath, [TSC, "listen.mts", "publish.mts", ...flags], { cwd: application.path });
    const [heard, answer] = await ring(process.execPath, ["listen.mjs"], ["publish.mjs"]);
    expect(heard).toBe("doorbell rings 1");
    expect(answer).toBe("kitchen-cam delivered true\n");
  });

  test("sends and receives in Deno", async () => {
    await examples("listen.mjs", "publish.mjs");
    await writeFile(join(application.path, "package.json"), '{ "dependencies": { "tagpost": "0.1.0" } }');
    const flags = ["run", "--node-modules-dir=manual", "--allow-env", "--allow-net"];
    const [heard, answer] = await ring(DENO, [...flags, "listen.mjs"], [...flags, "publish.mjs"]);
    expect(heard).toBe("doorbell says { ring: 1 }");
    expect(answer).toBe("kitchen-cam delivered { opened: true }\n");
  });
});

describeInBrowser("the README's page", () => {
  const chromium = useChromium();
  let server: Server;

  beforeAll(async () => {
    const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript" };
    server = createServer(async ({ url = "" }, response) => {
      if (url === "/favicon.ico") return void response.writeHead(204).end();
      const body = await readFile(join(application.path, new URL(url, "http://page").pathname)).catch(() => undefined);
      response.writeHead(body ? 200 : 404, { "content-type": types[extname(url)] ?? "text/plain" }).end(body);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
  });
  afterAll(() => server.close().closeAllConnections());

  test("sends and receives in a browser", async () => {
    await examples("page.html");
    const open = async (token: string, button: string) => {
      const { page, complaints } = await chromium.tab();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/page.html`);
      await page.getByPlaceholder("Service").fill(relay.url.href);
      await page.getByPlaceholder("Token").fill(token);
      await page.getByRole("button", { name: button }).click();
      return { page, complaints };
    };
    const [camera, doorbell] = await two();
    const listener = await open(camera, "Listen");
    await shows(listener.page.getByText("kitchen-cam is online", { exact: true }));
    const sender = await open(doorbell, "Ring");
    await shows(sender.page.getByText('kitchen-cam delivered {"opened":true}', { exact: true }));
    await shows(listener.page.getByText('doorbell says {"ring":1}', { exact: true }));
    expect([...listener.complaints, ...sender.complaints]).toEqual([]);
  });
});
