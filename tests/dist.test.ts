// The archive of `cargo xtask dist`: with Node.js and npm alone it runs, as its README says, and it deploys.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { Agent, get } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer as createListener } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, onTestFailed, onTestFinished, test } from "vitest";

import { cloudflare } from "./harness/cloudflare.ts";
import { useCommands } from "./harness/command.ts";
import { freePort, otherAddress } from "./harness/port.ts";
import { until } from "./harness/until.ts";
import { ROOT } from "./harness/workerd.ts";

const run = promisify(execFile);
const start = useCommands();
// On macOS the directory for temporary files is a link, and what runs in it prints where that leads.
const place = realpathSync(mkdtempSync(join(tmpdir(), "tagpost-test-")));
const bin = join(place, "bin");
/** How this machine reaches npm's registry. */
const NETWORK = /^(npm_config_.*|https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_.*)$/i;
/** All that a command in the folder has from its surroundings: a PATH with Node.js, npm and a shell, and a home. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => NETWORK.test(name))) as Record<string, string>,
  PATH: bin,
  HOME: place,
  npm_config_cache: cache(),
  WRANGLER_SEND_METRICS: "false",
};
let folder = "";

/** npm's cache, so that the packages come from the registry at most once. */
function cache(): string {
  return process.env["npm_config_cache"] ?? join(process.env["HOME"] ?? place, ".npm");
}

/** The npm of the machine. It runs under whatever is called `node` on the PATH. */
function npm(): string {
  const names = (process.env["PATH"] ?? "").split(delimiter).map((directory) => join(directory, "npm"));
  const found = names.find((name) => {
    try {
      accessSync(name, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!found) throw new Error("npm is not there");
  return realpathSync(found);
}

beforeAll(async () => {
  await run("cargo", ["xtask", "dist", "--no-binaries", "--out", place], { cwd: ROOT });
  const { version } = JSON.parse(readFileSync(join(ROOT, "archive/package.json"), "utf8"));
  await run("tar", ["-xzf", join(place, `tagpost-${version}.tar.gz`), "-C", place]);
  folder = join(place, `tagpost-${version}`);
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, "node"));
  symlinkSync(npm(), join(bin, "npm"));
  // npx runs what it finds in a shell.
  symlinkSync("/bin/sh", join(bin, "sh"));
  symlinkSync(join(dirname(npm()), "npx-cli.js"), join(bin, "npx"));
  // Where there is no /proc, the migration asks `ps` for the options of wrangler.
  if (process.platform === "darwin") symlinkSync("/bin/ps", join(bin, "ps"));
}, 300_000);

afterAll(() => rmSync(place, { recursive: true, force: true }));

/** A line typed into a shell in the folder. */
const type = (line: string) => start("/bin/sh", ["-c", line], { cwd: folder, env });

const serve = (...args: string[]) => start(join(bin, "node"), ["serve.mjs", ...args], { cwd: folder, env });

/** What a file of the folder says, line by line, without its comments. */
const told = (file: string) => readFileSync(join(folder, file), "utf8").split("\n").filter((line) => line && !line.startsWith("#"));

/** What the README has to paste, under this heading. */
function lines(heading: string): string[] {
  const readme = readFileSync(join(folder, "README.md"), "utf8");
  const section = readme.split(`## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block]) => block!.trim().split("\n"));
}

describe("the archive", () => {
  test("the lines of its README make the round trip, and a restart keeps a held message", async () => {
    const [first, listen, ring] = lines("Try it") as [string, string, string];
    // The only changes to the lines: other tests have the port 8787, and the shell leaves its exit code to the service.
    const service = `exec ${first} --port ${await freePort()}`;
    const one = type(service);
    await one.prints(/is ready on http/, 200_000);
    const secrets = join(folder, ".tagpost/secrets");
    expect(one.output).toContain(`made the secrets of this service in ${secrets}`);
    expect(statSync(secrets).mode & 0o777).toBe(0o600);
    expect(one.output).not.toContain(/^TOKEN_KEY=(.*)$/m.exec(readFileSync(secrets, "utf8"))![1]);

    const camera = type(listen);
    await camera.prints(/"type":"welcome","device":"kitchen-cam"/);
    const answer = type(ring);
    expect(await answer.ended()).toBe(0);
    expect(JSON.parse(answer.output)).toMatchObject({
      deliveries: [{ device: "kitchen-cam", state: "delivered", reply: { got: { ring: true } } }],
      summary: { delivered: 1 },
    });
    camera.signal("SIGINT");
    await camera.ended();

    const held = type(ring);
    await held.ended();
    const { id, summary } = JSON.parse(held.output);
    expect(summary).toEqual({ held: 1 });
    one.signal("SIGTERM");
    expect(await one.ended(), one.output).toBe(0);

    const two = type(service);
    await two.prints(/is ready on http/);
    expect(two.output).not.toContain("made the secrets");
    const back = type(listen);
    await back.prints(new RegExp(`"type":"message","id":"${id}"`));
    two.signal("SIGINT");
    expect(await two.ended(), two.output).toBe(0);
  }, 300_000);

  test("as a system service it needs no home directory, and SIGTERM ends it with workerd", async () => {
    const port = await freePort();
    const unit = Object.fromEntries(told("tagpost.service").map((line) => line.split(/=(.*)/, 2)));
    expect(unit).toMatchObject({ WorkingDirectory: "/opt/tagpost", StateDirectory: "tagpost", KillMode: "mixed" });
    const [command, ...args] = unit["ExecStart"]!.replace("/var/lib/tagpost", join(place, "alone")).split(" ");
    const service = start(command!, [...args, "--port", `${port}`], { cwd: folder, env: { ...env, HOME: "/proc/none" } });
    await service.prints(/is ready on/);
    expect(service.output).not.toMatch(/ENOENT|EACCES|WARNING/);
    service.terminate();
    // The output ends when no process has it any more.
    expect(await service.ended(), service.output).toBe(0);
    await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
  }, 90_000);

  test("systemd finds nothing wrong with its unit", async ({ skip }) => {
    const verify = run("systemd-analyze", ["verify", join(folder, "tagpost.service")]);
    const found = await verify.catch((error) => error);
    if (found.code === "ENOENT") return skip("systemd-analyze is not there");
    // It also says what it finds about the units of the machine.
    const about = `${found.stderr}`.split("\n").filter((line) => line.includes("tagpost.service"));
    expect(about).toEqual([]);
    expect(found.code ?? 0).toBe(0);
  }, 60_000);

  test("the commands of its Dockerfile serve all addresses, find it healthy, and end it", async () => {
    const steps = told("Dockerfile").map((line) => line.split(/ (.*)/s, 2) as [string, string]);
    const step = (name: string) => steps.find(([word]) => word === name)![1];
    expect(Number(/^node:(\d+)\./.exec(step("FROM"))![1])).toBeGreaterThanOrEqual(22);
    const copied = steps.filter(([word]) => word === "COPY").flatMap(([, words]) => words.split(" ").slice(0, -1));
    expect(copied.filter((name) => !existsSync(join(folder, name)))).toEqual([]);
    expect(told(".dockerignore")).toEqual(expect.arrayContaining(["node_modules", ".tagpost", ".dev.vars"]));
    expect(step("USER")).toMatch(/^[1-9]\d*:[1-9]\d*$/);

    // Its arguments are added to what the image starts, as those of `docker run` are.
    const port = await freePort();
    const words = (name: string): string[] => JSON.parse(/\[.*\]/.exec(step(name))![0]);
    const [program, ...args] = words("ENTRYPOINT").map((word) => (word === step("VOLUME") ? join(place, "volume") : word));
    const service = start(join(bin, program!), [...args, "--port", `${port}`], { cwd: folder, env });
    await service.prints(/is ready on/);
    expect((await fetch(`http://${otherAddress()}:${port}/health`)).status).toBe(200);
    const [check, ...rest] = words("HEALTHCHECK");
    const asks = { ...env, TAGPOST_HEALTH_URL: `http://127.0.0.1:${port}/health` };
    const health = start(join(bin, check!), rest, { cwd: folder, env: asks });
    expect(await health.ended(), health.output).toBe(0);
    expect(step("STOPSIGNAL")).toBe("SIGTERM");
    service.terminate();
    expect(await service.ended(), service.output).toBe(0);
  }, 90_000);

  test("with a certificate it speaks https, and its health check asks what it is told to", async () => {
    const [cert, key, port] = [join(place, "cert.pem"), join(place, "key.pem"), await freePort()];
    const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    await run("openssl", [...request, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]);
    const service = serve("--port", `${port}`, "--state", join(place, "tls"), "--tls-cert", cert, "--tls-key", key);
    await service.prints(new RegExp(`is ready on https://127.0.0.1:${port}`));
    const agent = new Agent({ ca: readFileSync(cert) });
    const [answer] = await once(get(`https://127.0.0.1:${port}/health`, { agent }), "response");
    expect(answer.statusCode).toBe(200);
    answer.resume();

    const healthy = async (url: string) => {
      const options = { cwd: folder, env: { ...env, NODE_EXTRA_CA_CERTS: cert, TAGPOST_HEALTH_URL: url } };
      return start(join(bin, "node"), ["health.mjs"], options).ended();
    };
    expect(await healthy(`https://127.0.0.1:${port}/health`)).toBe(0);
    expect(await healthy(`https://127.0.0.1:${port}/nothing-here`)).toBe(1);
    service.signal("SIGTERM");
    expect(await service.ended(), service.output).toBe(0);
    agent.destroy();
  }, 90_000);

  test("its requests lead into no private network, unless that is allowed", async () => {
    const inside = createServer((_, response) => response.end("inside"));
    inside.listen(0, "127.0.0.1");
    await once(inside, "listening");
    try {
      const { port } = inside.address() as AddressInfo;
      // The Worker itself takes no such address; a name that it takes may lead there all the same.
      const urls = ["127.0.0.1", "localhost"].map((host) => `http://${host}:${port}/`);
      const asked = "(url) => fetch(url).then((answer) => answer.text(), () => 'refused')";
      const contents = `export default { fetch: async () => new Response((await Promise.all(${JSON.stringify(urls)}.map(${asked}))).join()) }`;
      writeFileSync(join(folder, "asks.mjs"), `
        import { startService } from "./lib/service.mjs";
        const script = ${JSON.stringify(contents)};
        const overrides = { script, scriptPath: undefined, modulesRoot: undefined, modulesRules: [], durableObjects: {} };
        for (const allowPrivate of [false, true]) {
          const service = await startService({ host: "127.0.0.1", port: 0, state: "asks", bindings: {}, log() {}, allowPrivate, overrides });
          console.log(\`allowed: \${allowPrivate}, answers: \${await (await service.fetch("/")).text()}\`);
          await service.stop();
        }`);
      const asks = type("exec node asks.mjs");
      expect(await asks.ended(), asks.output).toBe(0);
      expect(asks.output).toContain("allowed: false, answers: refused,refused\n");
      expect(asks.output).toContain("allowed: true, answers: inside,inside\n");
    } finally {
      inside.close();
    }
  }, 60_000);

  test("only with --allow-private may a webhook be http, and on this machine", async () => {
    const [state, port, adminKey] = [join(place, "private"), await freePort(), "a".repeat(64)];
    mkdirSync(state);
    writeFileSync(join(state, "secrets"), `ADMIN_KEY=${adminKey}\nTOKEN_KEY=${"b".repeat(64)}\n`);
    const receiver = createServer((_, response) => response.end("here")).listen(0, "127.0.0.1");
    onTestFinished(() => void receiver.close());
    await once(receiver, "listening");
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
    const ask = async (method: string, path: string, body?: object) => {
      const headers = { authorization: `Bearer ${adminKey}`, "content-type": "application/json" };
      const answer = await fetch(`http://127.0.0.1:${port}/v1/devices/backend${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
      return `${answer.status} ${await answer.text()}`;
    };

    const careful = serve("--port", `${port}`, "--state", state);
    await careful.prints(/is ready on/);
    await ask("PUT", "");
    expect(await ask("PUT", "/webhook", { url })).toMatch(/^400 .*url must be an https URL/);
    careful.terminate();
    await careful.ended();

    const open = serve("--port", `${port}`, "--state", state, "--allow-private");
    await open.prints(/is ready on/);
    expect(await ask("PUT", "/webhook", { url })).toMatch(/^20[01] /);
    expect(await ask("POST", "/webhook/test")).toMatch(/^200 .*"status":200/);
    open.terminate();
    expect(await open.ended(), open.output).toBe(0);
  }, 120_000);

  test("the pages that its README names are there, and none leads out of them", () => {
    const readme = readFileSync(join(folder, "README.md"), "utf8");
    const named = readme.match(/docs\/[\w/-]+\.md/g) ?? [];
    expect(named).toContain("docs/protocol.md");
    expect(named.filter((page) => !existsSync(join(folder, page)))).toEqual([]);
    const pages = readdirSync(join(folder, "docs"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
    for (const page of pages) {
      const links = [...readFileSync(join(folder, "docs", page), "utf8").matchAll(/\]\((\.\.\/[^)]*)\)/g)];
      const outside = links.map(([, link]) => join(dirname(page), link!)).filter((path) => path.startsWith(".."));
      expect(outside, page).toEqual([]);
    }
  });

  test("what is wrong on its command line is named", async () => {
    const listener = createListener().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    const junk = join(place, "junk");
    writeFileSync(junk, "no PEM");
    for (const [args, named] of [
      [["--prot", "1"], /'--prot'/],
      [["--port", "many"], /--port many: expected a number from 1 to 65535/],
      [["--port", `${port}`], new RegExp(`port ${port} is in use.*--port`)],
      [["--host", "192.0.2.1"], /--host 192\.0\.2\.1 --port 8787: .*EADDRNOTAVAIL/],
      [["--tls-cert", junk], /--tls-cert needs --tls-key/],
      [["--tls-cert", junk, "--tls-key", junk], /--tls-cert .*junk: expected PEM/],
      [["--tls-cert", "nowhere.pem", "--tls-key", junk], /--tls-cert nowhere\.pem: ENOENT/],
      [["--var", "KEEPALIVE"], /--var KEEPALIVE: expected NAME=VALUE/],
      [["--var", "KEEP_ALIVE=1"], /KEEP_ALIVE is no limit; there are MAX_PAYLOAD_BYTES, /],
      [["--state", join(junk, "below")], /--state .*junk\/below: .*ENOTDIR/],
    ] as const) {
      const service = serve("--state", join(place, "wrong"), ...args);
      expect(await service.ended(), service.output).toBe(2);
      expect(service.output).toMatch(named);
    }
    listener.close();
  }, 90_000);

  test("a limit out of range ends it, with the range", async () => {
    const service = serve("--port", `${await freePort()}`, "--state", join(place, "range"), "--var", "KEEPALIVE=0");
    expect(await service.ended(), service.output).toBe(2);
    expect(service.output).toMatch(/error: KEEPALIVE is "0", but must be a whole number from 1 to 3600/);
  }, 60_000);

  test("what is off without its secret is said at the start", async () => {
    const state = join(place, "two-secrets");
    mkdirSync(state);
    writeFileSync(join(state, "secrets"), `ADMIN_KEY=${"a".repeat(64)}\nTOKEN_KEY=${"b".repeat(64)}\n`);
    const service = serve("--port", `${await freePort()}`, "--state", state);
    await service.prints(/without PUSH_KEY: no Web Push and no hooks; without VAPID_KEY: no phone is woken; /);
  }, 60_000);

  test("a state directory serves one at a time, also after one was killed", async () => {
    const state = join(place, "shared");
    const one = serve("--port", `${await freePort()}`, "--state", state);
    await one.prints(/is ready on/);
    const other = serve("--port", `${await freePort()}`, "--state", state);
    expect(await other.ended()).toBe(2);
    expect(other.output).toContain(`${state} is in use by another tagpost`);
    one.signal("SIGKILL");
    await one.ended();
    const next = serve("--port", `${await freePort()}`, "--state", state);
    await next.prints(/is ready on/);
    next.signal("SIGTERM");
    expect(await next.ended()).toBe(0);
  }, 120_000);

  test("the workerd of one that was killed is ended by the next, which delivers what was held", async () => {
    const [port, state] = [`${await freePort()}`, join(place, "killed")];
    // A note of a process id that another program has by now.
    const other = spawn("/bin/sleep", ["120"]);
    onTestFinished(() => void other.kill());
    mkdirSync(state);
    writeFileSync(join(state, "workerd"), `${other.pid} workerd serve`);

    const one = serve("--demo", "--port", port, "--state", state);
    await one.prints(/is ready on/);
    expect(one.output).not.toContain("ended workerd");
    expect(other.signalCode).toBe(null);
    const example = (device: string, name: string) =>
      start(join(bin, "node"), [`--env-file=${join(state, device)}.env`, `examples/${name}.mjs`], { cwd: folder, env });
    const ring = example("doorbell", "ring");
    expect(await ring.ended(), ring.output).toBe(0);
    const { id, summary } = JSON.parse(ring.output);
    expect(summary).toEqual({ held: 1 });

    const workerd = Number.parseInt(readFileSync(join(state, "workerd"), "utf8"), 10);
    onTestFailed(() => void process.kill(workerd, "SIGKILL"));
    one.kill();
    await one.ended();
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);

    // That it gets the port shows that the other has ended.
    const two = serve("--port", port, "--state", state);
    await two.prints(/is ready on/);
    expect(two.output).toContain(`ended workerd (process ${workerd}) of an earlier tagpost that was killed`);
    const camera = example("kitchen-cam", "listen");
    await camera.prints(new RegExp(`"type":"message","id":"${id}"`));
    camera.signal("SIGINT");
    await camera.ended();
    two.terminate();
    expect(await two.ended(), two.output).toBe(0);
  }, 120_000);

  test("`wrangler deploy --dry-run` passes, and leaves the database alone", async () => {
    const deploy = type("npx wrangler deploy --dry-run --outdir dry-run");
    expect(await deploy.ended(), deploy.output).toBe(0);
    expect(deploy.output).toContain("a dry run: the database is left alone");
    expect(deploy.output).toMatch(/env\.MAILBOX \(Mailbox\)/);
    expect(statSync(join(folder, "dry-run/entry.js")).size).toBeGreaterThan(10_000);
  }, 120_000);

  test("`wrangler deploy` creates the database, applies the migrations, and then uploads the Worker", async () => {
    const api = cloudflare();
    const server = createServer(api.answer).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await run(join(bin, "node"), ["secrets.mjs", join(place, "deployed")], { cwd: folder, env });
    const deploy = start("/bin/sh", ["-c", `npx wrangler deploy --secrets-file ${join(place, "deployed")}`], {
      cwd: folder,
      env: {
        ...env,
        CLOUDFLARE_API_BASE_URL: `http://127.0.0.1:${port}`,
        CLOUDFLARE_API_TOKEN: "a-token",
        CLOUDFLARE_ACCOUNT_ID: "an-account",
      },
    });
    await until("the upload", async () => api.steps.at(-1), (step) => step === "upload", 90_000).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(api.steps)}: ${deploy.output}`);
    });
    expect(api.steps).toEqual(["create tagpost", "migrate", "upload"]);
    server.close();
    server.closeAllConnections();
  }, 150_000);

  test("its packages have the versions of the repository's", () => {
    const read = (path: string) => JSON.parse(readFileSync(join(ROOT, path), "utf8"));
    const { devDependencies } = read("package.json");
    for (const [name, version] of Object.entries(read("archive/package.json").dependencies)) {
      expect([name, version]).toEqual([name, devDependencies[name]]);
    }
  });
});
