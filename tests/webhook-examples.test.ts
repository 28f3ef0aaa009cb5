// The examples that are addresses: each takes what the service has signed and answers with a reply, and nothing else.
// docs/webhooks.md has their code as it is.

import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";
import { usePrograms } from "./harness/program.ts";
import { ROOT } from "./harness/workerd.ts";

const relay = useRelay({ vars: { WEBHOOK_ALLOW_HTTP: "true" } });
const start = usePrograms();

/** What starts each, and whether it verifies payloads that are no text. */
const SERVERS = [
  ["webhook.mjs", process.execPath, true],
  ["webhook.py", "python3", true],
  ["webhook-library.mjs", process.execPath, false],
] as const;

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

/** The headers of a request that is signed with `secret`, `age` seconds ago. */
function signed(body: string, secret: string, age = 0): Record<string, string> {
  const [id, time] = ["01M84WQ58TFYHWCCN22Z0FBG54", Math.floor(Date.now() / 1000) - age];
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${time}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": `${time}`, "webhook-signature": `v1,${signature}` };
}

const withoutPython = spawnSync("python3", ["--version"]).status !== 0 && !process.env.CI;
if (withoutPython) console.warn("skipped: an example needs Python");

describe.each(SERVERS.filter(([, command]) => command !== "python3" || !withoutPython))("%s", (file, command, verifiesBytes) => {
  const startWith = (secret: string) => start(command, `examples/${file}`, { WEBHOOK_SECRET: secret, PORT: "0" });

  test("a publish that waits has its reply, also while its secret is replaced", async () => {
    const [sender, device] = await relay.devices(2);
    const path = `/v1/devices/${device!.name}/webhook`;
    // The server needs the secret to start, and the webhook the port that the server then has.
    const { secret } = (await relay.admin("PUT", path, { url: "http://127.0.0.1:9000/" })).is(201);
    const server = startWith(secret);
    (await relay.admin("PUT", path, { url: await server.line("http://127.0.0.1:") })).is(200);
    const ring = async (payload: unknown, type?: string) => {
      const answer = await sender!.publish({ device: device!.name }, payload, { wait: 10, ...(type && { type }) });
      return answer.is(200).deliveries;
    };
    const delivered = [{ device: device!.name, state: "delivered", attempts: 1, reply: { taken: true } }];
    expect(await ring({ ring: "ä" })).toMatchObject(delivered);
    await server.line('{"ring":"');
    (await relay.admin("POST", `${path}/rotate`)).is(200);
    expect(await ring("later", "text/plain")).toMatchObject(delivered);
    if (verifiesBytes) expect(await ring(Buffer.from([0, 255, 10]), "application/octet-stream")).toMatchObject(delivered);
  });

  test("a request that is not signed, with another secret, changed or old is refused", async () => {
    const server = startWith(SECRET);
    const url = await server.line("http://127.0.0.1:");
    const post = async (headers: Record<string, string>, body = "ring") =>
      (await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(10_000) })).status;
    const good = signed("ring", SECRET);
    expect(await post({})).toBe(401);
    expect(await post(signed("ring", SECRET.replace("Bw", "Cw")))).toBe(401);
    expect(await post(good, "rang")).toBe(401);
    expect(await post({ ...good, "webhook-id": "another" })).toBe(401);
    expect(await post({ ...good, "webhook-signature": "v1,é v2, " })).toBe(401);
    expect(await post(signed("ring", SECRET, 400))).toBe(401);
    expect(await post(signed("ring", SECRET, -400))).toBe(401);
    expect(server.said.filter((line) => line.includes(good["webhook-id"]!))).toEqual([]);
    expect(await post({ ...good, "webhook-signature": `v1,AAAA ${good["webhook-signature"]}` })).toBe(200);
  });

  test("a request that breaks off does not end it", async () => {
    const server = startWith(SECRET);
    const url = await server.line("http://127.0.0.1:");
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.end("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").resume();
    await once(socket, "close");
    for (let twice = 0; twice < 2; twice += 1) {
      const ring = { method: "POST", headers: signed("ring", SECRET), body: "ring", signal: AbortSignal.timeout(10_000) };
      expect((await fetch(url, ring)).status).toBe(200);
    }
  });

  test("without a secret it does not start", async () => {
    const server = startWith("");
    await server.line("WEBHOOK_SECRET has to be set");
    await server.line("(ended with ");
  });

  test("docs/webhooks.md shows it as it is", () => {
    const example = readFileSync(join(ROOT, "examples", file), "utf8");
    const code = file.endsWith(".py") ? example.split('"""\n\n').slice(1).join('"""\n\n') : example.replace(/^(\/\/.*\n)+\n/, "");
    expect(readFileSync(join(ROOT, "docs/webhooks.md"), "utf8")).toContain(`\n${code}\`\`\``);
  });
});
