// The examples run as their first lines say, against a relay.

import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, expect, test } from "vitest";

import { WebSocketServer } from "ws";

import { describeInBrowser, useChromium } from "./console/browser.ts";
import { useBelow } from "./harness/below.ts";
import { claimsOf, useRelay, within, type Device } from "./harness/index.ts";
import { PROGRAM_TIMEOUT, usePrograms } from "./harness/program.ts";
import { ROOT } from "./harness/workerd.ts";

const relay = useRelay();
const below = useBelow(() => relay.url);
const run = promisify(execFile);

const start = usePrograms();

const credentials = ({ token }: Device, url = relay.url.origin) => ({ TAGPOST_URL: url, TAGPOST_TOKEN: token });

/** A test of what needs more than the repository; where `check` fails it is skipped, except in CI. */
function testWith(install: string, check: string) {
  const isSkipped = spawnSync(check, { shell: true }).status !== 0 && !process.env.CI;
  if (isSkipped) console.warn(`skipped: an example needs \`${install}\``);
  return test.skipIf(isSkipped);
}

/** A ring of the doorbell at every device of a tag, for some seconds: what it prints, and the code it ends with. */
async function ring(doorbell: Device, tag: string, { seconds = 2, url }: { seconds?: number; url?: string } = {}): Promise<{ stdout: string; code: number }> {
  const env = { ...process.env, ...credentials(doorbell, url) };
  const { promise, resolve } = Promise.withResolvers<{ stdout: string; code: number }>();
  execFile(join(ROOT, "examples/doorbell.sh"), [tag, `${seconds}`], { env, timeout: PROGRAM_TIMEOUT }, (error, stdout) => {
    resolve({ stdout, code: error ? Number(error.code) : 0 });
  });
  return promise;
}

const testShell = testWith("apt-get install curl jq", "curl --version && jq --version");
const testPython = testWith("pip install websockets", "python3 -c 'import websockets.asyncio.client'");

testShell("the doorbell rings at the listener, and says who heard it", async () => {
  const [doorbell, camera] = await relay.devices(2);
  const tag = await relay.tag(camera!);
  const listener = start(process.execPath, "examples/listen.mjs", credentials(camera!));
  await listener.line('"type":"welcome"');
  const { stdout, code } = await ring(doorbell!, tag, { seconds: 30 });
  expect(stdout).toMatch(new RegExp(`^${camera!.name}: delivered {"got":{"title":"Someone is at the door",.*}}\n$`));
  expect(code).toBe(0);

  listener.stop();
  await camera!.offline();
  expect(await ring(doorbell!, tag)).toEqual({ stdout: `${camera!.name}: expired \n`, code: 1 });
});

testShell("the doorbell says who heard it, whatever they reply", async () => {
  const [doorbell, camera] = await relay.devices(2);
  const tag = await relay.tag(camera!);
  // As deep as a reply may be, with what the end of an answer looks like in it.
  const reply = JSON.parse(`${"[".repeat(98)}{"summary":{"held":1}}${"]".repeat(98)}`);
  (await camera!.connect()).answer(() => reply);
  const heard = await ring(doorbell!, tag, { seconds: 30 });
  expect(heard).toEqual({ stdout: `${camera!.name}: delivered ${JSON.stringify(reply)}\n`, code: 0 });
});

testShell("the doorbell asks, and says who answered what, also who was offline when it rang", async () => {
  const [doorbell, ann, ben, eve] = await relay.devices(4);
  const tag = await relay.tag(ann!, ben!, eve!);
  const replies = new Map([[ann!, { action: "open" }], [ben!, { action: "no such" }]]);
  (await ann!.connect()).answer(() => replies.get(ann!));
  const asked = ring(doorbell!, tag, { seconds: 30, url: below.url });
  const [question] = await eve!.inbox({ wait: 20 });
  const waits = () => below.asked.some(({ path }) => path.includes(`/v1/messages/${question!.id}`));
  await expect.poll(waits, { timeout: PROGRAM_TIMEOUT }).toBe(true);
  (await eve!.nack(question!.id, { reason: "dismissed" })).is(204);
  (await ben!.connect()).answer(() => replies.get(ben!));
  const { stdout, code } = await asked;
  expect(stdout.trim().split("\n").toSorted()).toEqual(
    [`${ann!.name}: delivered Open`, `${ben!.name}: delivered {"action":"no such"}`, `${eve!.name}: rejected dismissed`].toSorted(),
  );
  expect(code).toBe(0);
});

testPython("the device in Python answers a message, and ends when its token is revoked", async () => {
  const [sender, receiver] = await relay.devices(2);
  const device = start("python3", "examples/device.py", credentials(receiver!));
  await device.line(`listening as ${receiver!.name}`);
  const id = await sender!.send({ device: receiver!.name }, { n: 1 });
  await device.line(`${sender!.name}: {'n': 1}`);
  const trace = await sender!.settled(id);
  expect(trace.deliveries).toMatchObject([{ state: "delivered", reply: { got: { n: 1 } } }]);
  (await relay.admin("DELETE", `/v1/devices/${receiver!.name}/tokens`)).is(204);
  await device.line("(ended with 1)");
});

testPython("the device in Python says what is missing, without a traceback", async () => {
  const url = relay.url.origin;
  for (const [env, line] of [
    [{}, "TAGPOST_URL has to be set"],
    [{ TAGPOST_URL: "relay.example", TAGPOST_TOKEN: "a.b.c" }, "TAGPOST_URL has to be set"],
    [{ TAGPOST_URL: url }, "TAGPOST_TOKEN has to be set"],
    [{ TAGPOST_URL: url, TAGPOST_TOKEN: "the-admin-key" }, "TAGPOST_TOKEN has to be set"],
  ] as const) {
    const device = start("python3", "examples/device.py", env);
    await device.line(line);
    await device.line("(ended with 1)");
    expect(device.said.join("\n")).not.toContain("Traceback");
  }
  // Without the site's packages, as on a new machine.
  const bare = start("python3", ["-I", "-S", "examples/device.py"], { TAGPOST_URL: url, TAGPOST_TOKEN: "a.b.c" });
  await bare.line("pip install websockets");
  await bare.line("(ended with 1)");
});

/** The devices among the examples: what checks that one can run, how it is started, and what it says once it is online. */
const DEVICES = [
  [test, "listen.mjs", process.execPath, '"type":"welcome"'],
  [testPython, "device.py", "python3", "listening as"],
] as const;

for (const [testIt, file, command, online] of DEVICES) {
  const startWith = (env: Record<string, string>) => start(command, `examples/${file}`, env);

  testIt(`${file} answers every message, within the limits of a reply`, async () => {
    const [sender, receiver] = await relay.devices(2);
    const device = startWith(credentials(receiver!));
    await device.line(online);
    const to = { device: receiver!.name };
    const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    const sent = [];
    for (const json of [
      ...Array(12).fill(JSON.stringify("x".repeat(5_000))),
      JSON.stringify("x".repeat(4_086)),
      JSON.stringify("x".repeat(4_087)),
      JSON.stringify("🍵".repeat(4_000)),
      JSON.stringify(Array(100_000).fill(1)),
      nested(99),
      nested(100),
      '"\\ud83c"',
      "1e999",
    ]) {
      const answer = await sender!.publish(to, json, { type: "application/json", wait: 0 });
      sent.push({ json, id: answer.is(202).id });
    }
    // A frame of 1.2 MB: each of these characters takes six in JSON.
    const zeros = "\0".repeat(200_000);
    const { id: long } = (await sender!.publish(to, zeros, { type: "text/plain", wait: 0 })).is(202);
    sent.push({ json: JSON.stringify(zeros), id: long });
    for (const { json, id } of sent) {
      const [delivery] = (await sender!.settled(id)).deliveries;
      expect(delivery, json.slice(0, 100)).toMatchObject({ state: expect.stringMatching(/^(delivered|rejected)$/), attempts: 1 });
      if (delivery!.state !== "delivered" || json === "1e999") continue;
      const { got, got_bytes: bytes } = delivery!.reply as { got?: unknown; got_bytes?: number };
      if (bytes === undefined) expect(got).toEqual(JSON.parse(json));
      else expect(bytes).toBeGreaterThanOrEqual(json === nested(100) ? 200 : 4_088);
    }
    expect((await receiver!.status()).is(200).online).toBe(true);
  });

  testIt(`${file} rejects a message that it cannot read, and does not reconnect after 4400`, async () => {
    const ID = "01M84WQ58TFYHWCCN22Z0FBG54";
    // Deeper than the service lets anything be: a server of another making.
    const service = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    try {
      await once(service, "listening");
      const device = startWith({ TAGPOST_URL: `http://127.0.0.1:${(service.address() as AddressInfo).port}`, TAGPOST_TOKEN: "a.b.c" });
      const [socket] = await within(PROGRAM_TIMEOUT, once(service, "connection"));
      const nacks = Promise.withResolvers<any>();
      socket.on("message", (data: Buffer) => {
        if (`${data}` !== "ping") nacks.resolve(JSON.parse(`${data}`));
      });
      const frame = { type: "message", id: ID, from: "sender", to: { device: "x" }, attempt: 1, content_type: "application/json" };
      socket.send('{"type":"welcome","device":"x","held":1,"keepalive":60,"max_in_flight":32}');
      socket.send(`${JSON.stringify(frame).slice(0, -1)},"payload":${"[".repeat(8_000)}${"]".repeat(8_000)}}`);
      expect(await within(PROGRAM_TIMEOUT, nacks.promise)).toMatchObject({ type: "nack", id: ID, reason: expect.any(String) });
      socket.close(4400, "ten malformed frames");
      await device.line("(ended with 1)");
    } finally {
      service.close();
      for (const client of service.clients) client.terminate();
    }
  });

  testIt(`${file} finds a service below a path, and follows it nowhere else`, async () => {
    const [sender, receiver] = await relay.devices(2);
    const device = startWith(credentials(receiver!, `${below.url}/`));
    await device.line(online);
    const id = await sender!.send({ device: receiver!.name }, { n: 1 });
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "delivered" }]);
    expect(below.astray).toEqual([]);

    let visits = 0;
    const elsewhere = createServer((_request, response) => void response.writeHead(404).end()).on("request", () => (visits += 1));
    elsewhere.on("upgrade", (_request, socket) => ((visits += 1), socket.destroy()));
    await once(elsewhere.listen(0, "127.0.0.1"), "listening");
    const moved = createServer(({ url }, response) => {
      response.writeHead(307, { Location: `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}${url}` }).end();
    });
    const asked = once(moved, "upgrade").then(([{ url }, socket]) => {
      const { port } = elsewhere.address() as AddressInfo;
      socket.end(`HTTP/1.1 307 Temporary Redirect\r\nLocation: ws://127.0.0.1:${port}${url}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    });
    await once(moved.listen(0, "127.0.0.1"), "listening");
    try {
      const lost = startWith(credentials(receiver!, `http://127.0.0.1:${(moved.address() as AddressInfo).port}`));
      await within(PROGRAM_TIMEOUT, asked);
      await lost.line("307");
      expect(visits).toBe(0);
    } finally {
      for (const server of [moved, elsewhere]) server.close().closeAllConnections();
    }
  });
}

testShell("doorbell.sh finds a service below a path", async () => {
  const [doorbell, camera] = await relay.devices(2);
  const rung = await ring(doorbell!, await relay.tag(camera!), { url: `${below.url}/` });
  expect(rung).toEqual({ stdout: `${camera!.name}: expired \n`, code: 1 });
  expect(below.astray).toEqual([]);
});

test("the backend's token is a device's, for an hour and the tags of one house", async () => {
  const env = { TOKEN_KEY: relay.tokenKey, APP_PASSWORD: "open-sesame", PORT: "0" };
  const backend = start(process.execPath, "examples/backend.mjs", env);
  const url = `${await backend.line("http://127.0.0.1")}/token`;
  const ask = (password: string) =>
    fetch(url, {
      method: "POST",
      headers: { Authorization: `Basic ${Buffer.from(`alice:${password}`).toString("base64")}` },
    });
  expect((await ask("guess")).status).toBe(401);
  const answer: any = await (await ask("open-sesame")).json();
  const { device: name, token, expires_in } = answer;
  expect(name).toBe("user-alice");
  const { iat, exp } = claimsOf(token);
  expect([Number(exp) - Number(iat), expires_in]).toEqual([3600, 3600]);

  const alice = relay.bearer(name, token);
  const socket = await alice.connect();
  (await alice.publish({ tag: "house.bob.door" }, 1)).problem(403, "forbidden");
  const camera = await relay.device();
  await relay.bind("house.alice.door", camera);
  expect((await alice.publish({ tag: "house.alice.door" }, 1, { wait: 0 })).is(202).summary).toEqual({ held: 1 });
  await socket.close();
});

test("the script of docs/start.md rings, and prints what the page says", async () => {
  const page = await readFile(join(ROOT, "docs/start.md"), "utf8");
  const [, script, printed] = /```js\n(.*?)```.*?```text\n(.*?)```/s.exec(page) ?? [];
  const [doorbell, camera] = [await relay.device(), await relay.device("kitchen-cam")];
  (await camera.connect()).answer(() => ({ opened: true }));
  const directory = await mkdtemp(join(tmpdir(), "tagpost-readme-"));
  try {
    await writeFile(join(directory, "ring.mjs"), script!.replace("./clients", join(ROOT, "clients")));
    const env = { ...process.env, ...credentials(doorbell) };
    const { stdout } = await run(process.execPath, ["ring.mjs"], { cwd: directory, env, timeout: PROGRAM_TIMEOUT });
    expect(stdout).toBe(printed);
  } finally {
    await rm(directory, { recursive: true });
  }
});

describeInBrowser("the page", () => {
  const browser = useChromium();
  const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript" };
  let server: Server;
  beforeAll(async () => {
    server = createServer(async ({ url = "/" }, response) => {
      const body = await readFile(join(ROOT, new URL(url, "http://localhost").pathname)).catch(() => undefined);
      response.writeHead(body ? 200 : 404, { "Content-Type": types[extname(url)] ?? "text/plain" }).end(body);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
  });
  afterAll(() => promisify(server.close.bind(server))());

  test("publishes, and answers by hand", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/examples/browser.html`);
    await page.getByLabel("Service").fill(relay.url.origin);
    await page.getByLabel("Token").fill(receiver!.token);
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByText(`${receiver!.name} is online`).waitFor();
    const id = await sender!.send({ device: receiver!.name }, "x");
    await page.getByText(`${sender!.name}: "x"`).waitFor();
    await page.getByRole("button", { name: "Acknowledge" }).click();
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: { by: "hand" } }]);

    await page.getByLabel("Tag, or @device").fill(`@${sender!.name}`);
    await page.getByRole("button", { name: "Publish" }).click();
    await page.getByText(`to ${sender!.name}: held`).waitFor();
    expect(complaints).toEqual([]);
  });

  test("asks a question, and the doorbell says what was tapped", async () => {
    const [doorbell, phone] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/examples/browser.html`);
    await page.getByLabel("Service").fill(relay.url.origin);
    await page.getByLabel("Token").fill(phone!.token);
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByText(`${phone!.name} is online`).waitFor();
    const asked = ring(doorbell!, await relay.tag(phone!), { seconds: 30 });
    await page.getByText(`${doorbell!.name}: Someone is at the door`).waitFor();
    expect(await page.getByRole("listitem").getByRole("button").allTextContents()).toEqual(["Open", "One moment", "Dismiss"]);
    await page.getByRole("button", { name: "One moment" }).click();
    expect(await asked).toEqual({ stdout: `${phone!.name}: delivered One moment\n`, code: 0 });

    const markup = { title: "<b>Ring</b>", actions: [{ id: "1", label: "<i>Yes</i>" }] };
    const id = await doorbell!.send({ device: phone!.name }, markup);
    await page.getByText("<b>Ring</b>").waitFor();
    expect(await page.getByRole("button", { name: "<i>Yes</i>" }).count()).toBe(1);
    await page.getByRole("button", { name: "Dismiss" }).first().click();
    expect((await doorbell!.settled(id)).deliveries).toMatchObject([{ state: "rejected", reason: "dismissed" }]);

    const later = await doorbell!.send({ device: phone!.name }, { title: "Again", actions: [{ id: "1", label: "Yes" }] });
    const again = page.getByRole("listitem").filter({ hasText: "Again" });
    await again.getByRole("button", { name: "Yes" }).waitFor();
    (await doorbell!.cancel(later)).is(200);
    await again.getByText("(cancelled)").waitFor();
    expect(await again.getByRole("button").count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test("shows every message, and works with a service below a path", async () => {
    const [sender, receiver] = await relay.devices(2);
    const { page, complaints } = await browser.tab();
    await page.goto(`http://localhost:${(server.address() as AddressInfo).port}/examples/browser.html`);
    await page.getByLabel("Service").fill(`${below.url}/`);
    await page.getByLabel("Token").fill("no token");
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByText("token must be a device's token").waitFor();
    await page.getByLabel("Token").fill(receiver!.token);
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByText(`${receiver!.name} is online`).waitFor();
    const to = { device: receiver!.name };
    const [json, long] = [`{"serial":1724442618569203714,"deep":${"[".repeat(99)}${"]".repeat(99)}}`, "🍵".repeat(6_000)];
    (await sender!.publish(to, json, { type: "application/json", wait: 0 })).is(202);
    await page.getByText(`${sender!.name}: ${json}`).waitFor();
    (await sender!.publish(to, long, { type: "text/plain", wait: 0 })).is(202);
    await page.getByText(`${sender!.name}: "${"🍵".repeat(4_999)}…`).waitFor();
    (await sender!.publish(to, Buffer.alloc(5), { type: "image/png", wait: 0 })).is(202);
    await page.getByText(`${sender!.name}: 5 bytes of image/png`).waitFor();
    expect(below.astray).toEqual([]);
    expect(complaints).toEqual([]);
  });
});
