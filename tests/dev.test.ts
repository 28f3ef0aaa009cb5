// `cargo xtask dev` does what it prints: the lines to paste work as they stand, and it ends with all it started.
// The blocks of README.md and of docs/webhooks.md work as they stand, too, and print what these pages say.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterEach, describe, expect, test } from "vitest";

import { useCommands } from "./harness/command.ts";
import { until, within } from "./harness/index.ts";
import { freePort, otherAddress } from "./harness/port.ts";
import { ROOT } from "./harness/workerd.ts";

const run = promisify(execFile);
const start = useCommands();
const directories = new Set<string>();

afterEach(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  directories.clear();
});

const dev = (...args: string[]) => start("cargo", ["xtask", "dev", ...args]);

function state(): string {
  const directory = mkdtempSync(join(tmpdir(), "tagpost-test-"));
  directories.add(directory);
  return directory;
}

/** The lines that are printed to paste, in their order. */
function lines(output: string): string[] {
  const indented = output.split("\n").filter((line) => /^ {2}(TAGPOST_URL=|sed )/.test(line));
  return indented.map((line) => line.trim());
}

/** What an answer says, whatever its ids and times. */
function shape(json: string): unknown {
  const text = json.replace(/"01[0-9A-Z]{24}"/g, '"(id)"').replace(/\b1\d{12}\b/g, '"(time)"');
  return JSON.parse(text);
}

describe("cargo xtask dev", () => {
  test("the block of the readme can be pasted, and prints what the readme says", async () => {
    const [port, directory] = [await freePort(), state()];
    const relay = dev("--port", `${port}`, "--state", directory);
    await relay.prints(/tagpost is ready/, 120_000);
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const [, block, held, trace] = /```sh\n(doorbell\(\).*?)```.*?```json\n(.*?)```.*?```json\n(.*?)```/s.exec(readme)!;
    const here = block!.replaceAll(".tagpost/", `${directory}/`).replaceAll(":8787", `:${port}`);
    const { stdout } = await run("sh", ["-c", here], { cwd: ROOT, timeout: 60_000 });
    const [first, second, ...more] = stdout.trim().split("\n");
    expect(more).toEqual([]);
    expect([shape(first!), shape(second!)]).toEqual([shape(held!), shape(trace!)]);
    relay.signal("SIGINT");
    expect(await relay.ended()).toBe(0);
  }, 180_000);

  test("the blocks of docs/webhooks.md can be pasted, and each server's reply is in the answer", async () => {
    const [port, server, directory] = [await freePort(), await freePort(), state()];
    const relay = dev("--port", `${port}`, "--state", directory);
    await relay.prints(/tagpost is ready/, 120_000);
    const page = readFileSync(join(ROOT, "docs/webhooks.md"), "utf8").split("\n## Webhooks\n")[1]!;
    const here = page.replaceAll(".tagpost/", `${directory}/`).replaceAll(":8787", `:${port}`).replaceAll(":9000", `:${server}`);
    const [set, ...blocks] = [...here.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!);
    const [publish, servers] = [blocks.pop()!, blocks];
    expect(servers).toHaveLength(3);
    const [, printed] = /^```json\n(.*?)^```$/ms.exec(page)!;
    // Whoever pastes a block twice still has the secret.
    for (let twice = 0; twice < 2; twice += 1) await run("sh", ["-c", set!], { cwd: ROOT, timeout: 20_000 });
    for (const block of servers) {
      const started = start("sh", ["-c", block], { env: { ...process.env, PORT: `${server}` } });
      await started.prints(new RegExp(`http://127.0.0.1:${server}/`));
      const { stdout } = await run("sh", ["-c", publish], { cwd: ROOT, timeout: 20_000 });
      expect(shape(`{${stdout.slice(stdout.indexOf('"deliveries"'), stdout.indexOf(',"summary"'))}}`), block).toEqual(shape(`{${printed}}`));
      started.signal("SIGTERM");
      await started.ended();
    }
    relay.signal("SIGINT");
    expect(await relay.ended()).toBe(0);
  }, 240_000);

  test("its lines can be pasted, it keeps its state, and ends with all it started", async () => {
    const [port, directory] = [await freePort(), state()];
    const url = `http://127.0.0.1:${port}`;
    const relay = dev("--port", `${port}`, "--state", directory);
    await relay.prints(/and reads the trace:\n\n.*\n/);
    const [listen, publish, trace] = lines(relay.output);

    const listener = start("sh", ["-c", listen!]);
    await listener.prints(/"type":"welcome","device":"kitchen-cam"/);
    const { stdout } = await run("sh", ["-c", publish!], { cwd: ROOT });
    expect(stdout).toMatch(/\}\n$/);
    const answer = JSON.parse(stdout);
    expect(answer.summary).toEqual({ delivered: 1 });
    await listener.prints(/"type":"message".*"payload":\{"ring":true\}/);
    listener.signal("SIGINT");
    await listener.ended();
    const traced = JSON.parse((await run("sh", ["-c", trace!], { cwd: ROOT })).stdout);
    expect(traced).toMatchObject({ id: answer.id, timeline: expect.any(Array) });

    relay.signal("SIGINT");
    expect(await relay.ended()).toBe(0);
    await expect(fetch(`${url}/health`)).rejects.toThrow();

    const again = dev("--port", `${port}`, "--state", directory, "--host", "0.0.0.0");
    await again.prints(/tagpost is ready/);
    expect((await fetch(`http://${otherAddress()}:${port}/health`)).status).toBe(200);
    expect(JSON.parse((await run("sh", ["-c", trace!], { cwd: ROOT })).stdout).id).toBe(answer.id);
    again.signal("SIGTERM");
    expect(await again.ended()).toBe(0);
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  }, 180_000);

  test("it answers no request before its tables are there", async () => {
    const [port, directory, key] = [await freePort(), state(), "k".repeat(32)];
    const relay = spawn(process.execPath, ["xtask/relay.ts"], { cwd: ROOT, stdio: ["pipe", "ignore", "inherit"] });
    const ended = once(relay, "exit");
    try {
      const bindings = { ADMIN_KEY: key, TOKEN_KEY: "t".repeat(32) };
      relay.stdin!.write(`${JSON.stringify({ port, state: directory, bindings })}\n`);
      const headers = { authorization: `Bearer ${key}` };
      const ask = () => fetch(`http://127.0.0.1:${port}/v1/devices`, { headers }).catch(() => undefined);
      const first = await until("an answer", ask, (answer) => answer !== undefined, 60_000);
      expect(await first!.json()).toEqual({ devices: [], next: null });
    } finally {
      relay.stdin!.end();
      await within(20_000, ended).finally(() => relay.kill("SIGKILL"));
    }
  }, 90_000);

  test("what is wrong on its command line is named before anything is built", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    for (const [args, named] of [
      [["--var", "KEEPALIVE=0"], /KEEPALIVE is "0", but must be a whole number from 1 to 3600/],
      [["--var", "KEEP_ALIVE=1"], /KEEP_ALIVE cannot be set/],
      [["--port", `${port}`], new RegExp(`port ${port} is in use.*--port`)],
    ] as const) {
      const directory = state();
      const relay = dev("--state", join(directory, "new"), ...args);
      expect(await relay.ended()).toBe(1);
      expect(relay.output).toMatch(named);
      expect(relay.output).not.toMatch(/compile the Worker/);
      expect(existsSync(join(directory, "new/d1"))).toBe(false);
    }
    server.close();
  }, 120_000);
});
