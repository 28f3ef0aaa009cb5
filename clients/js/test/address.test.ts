// Where the library asks: below the address that it was given, through the proxy of its environment, and nowhere else.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect as dial, type AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, describe, expect, test } from "vitest";

import { useBelow } from "../../../tests/harness/below.ts";
import { useRelay } from "../../../tests/harness/index.ts";
import { connect } from "../src/index.js";
import { change, failure, next, state, useClients, within } from "./support.ts";

const relay = useRelay();
const below = useBelow(() => relay.url);
const { client } = useClients();

const servers: Server[] = [];
afterAll(() => servers.forEach((server) => server.close().closeAllConnections()));

/** A server on a port of its own. */
async function serve(server: Server): Promise<URL> {
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

describe("a service below a path", () => {
  test.each(["", "/", "//", "/?not=asked#for"])("a service below a path works: with %j after it", async (end) => {
    const [a, b] = await relay.devices(2);
    const [sender, receiver] = [client(new URL(below.url + end), a!), client(new URL(below.url + end), b!)];
    await state(receiver, "online");
    const published = sender.publish(`@${b!.name}`, 1, { wait: 10 });
    const message = await next(receiver);
    await within("the answer to be given", message.ack("here"));
    const { id, summary } = await published;
    expect(summary).toEqual({ delivered: 1 });
    expect(await sender.trace(id)).toMatchObject({ id, summary });
    expect(await sender.cancel(id)).toMatchObject({ id, summary });
    expect(below.astray).toEqual([]);
  });

  test("a token is refused below the path, and no other path gets the token", async () => {
    const revoked = await relay.device();
    (await relay.admin("DELETE", `/v1/devices/${revoked.name}/tokens`)).is(204);
    const device = client(new URL(below.url), revoked);
    expect((await change(device, "closed")).error).toMatchObject({ code: "unauthorized" });
    expect(below.asked.some(({ credential }) => credential.includes(revoked.token))).toBe(true);
    expect(below.astray).toEqual([]);
  });
});

test("a token is not sent to the target of a redirect", async () => {
  const seen: string[] = [];
  const other = await serve(createServer((request, response) => {
    seen.push(`${request.url} ${JSON.stringify(request.headers)}`);
    response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
  }));
  const moved = await serve(createServer(({ url = "" }, response) => {
    response.writeHead(url.startsWith("/v1") ? 307 : 404, { Location: `${other.origin}${url}` }).end();
  }));
  const a = await relay.device();
  const device = client(moved, a);
  const offline = await change(device, "offline");
  expect(offline.reason).toBe("unreachable: the service answered with a redirect, which is not followed");
  expect(await failure(device.trace("01JZZZZZZZZZZZZZZZZZZZZZZZ"))).toMatchObject({ code: "unreachable", status: 307 });
  expect(seen).toEqual([]);
});

test("a proxy's answer while the service is down is not taken for a refusal of the token", async () => {
  const away = await serve(createServer((_request, response) => response.writeHead(403).end("<h1>maintenance</h1>")));
  const device = client(away, await relay.device());
  expect((await change(device, "offline")).reason).toContain("403");
  expect(device.state).toBe("offline");
});

test("an error has the service's Retry-After in seconds", async () => {
  let retryAfter = "7";
  const busy = await serve(createServer((_request, response) => {
    const headers = { "Content-Type": "application/problem+json", "Retry-After": retryAfter };
    response.writeHead(429, headers).end('{"code":"too_many_requests","detail":"slower"}');
  }));
  const device = client(busy, await relay.device());
  const cancelled = () => failure(device.cancel("01JZZZZZZZZZZZZZZZZZZZZZZZ"));
  expect(await cancelled()).toMatchObject({ code: "too_many_requests", status: 429, retryAfter: 7 });
  // A proxy may say it with a date (RFC 9110, section 10.2.3).
  retryAfter = "Wed, 21 Oct 2026 07:28:00 GMT";
  expect(await cancelled()).toMatchObject({ code: "too_many_requests", retryAfter: undefined });
});

test("after a failed handshake the device's messages are not requested", async () => {
  const [a, ...others] = await relay.devices(11);
  (await a!.publish({ tag: await relay.tag(...others) }, "x", { wait: 0 })).is(202);
  const asked: { path: string; bytes: number }[] = [];
  // Handshakes fail here; everything else reaches the relay.
  const lame = await serve(createServer(async ({ url = "", headers }, response) => {
    if (headers.upgrade) return void response.writeHead(502).end();
    const answer = await fetch(new URL(url, relay.url), { headers: { authorization: `${headers.authorization}` } });
    const body = await answer.text();
    asked.push({ path: url, bytes: body.length });
    response.writeHead(answer.status, { "Content-Type": "application/json" }).end(body);
  }));
  const device = client(lame, a!);
  expect((await change(device, "offline")).reason).toBe("the handshake failed");
  expect(asked).toHaveLength(1);
  expect(asked[0]!.bytes).toBeLessThan(400);
  expect(device.state).toBe("offline");
});

test("all connections of a client go through the proxy of its environment", async () => {
  // Only the proxy knows where the service is.
  const asked: string[] = [];
  const proxy = createServer((_request, response) => response.writeHead(501).end());
  proxy.on("connect", ({ url = "" }, socket, head) => {
    asked.push(url);
    const onward = dial(Number(relay.url.port), relay.url.hostname, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    for (const [end, other] of [[onward, socket], [socket, onward]] as const) end.on("error", () => {}).on("close", () => other.destroy());
  });
  const { origin } = await serve(proxy);
  const [a, b] = await relay.devices(2);
  const script = `
    const { connect } = await import(${JSON.stringify(join(import.meta.dirname, "../src/index.js"))});
    const device = connect({ url: process.env.URL, token: process.env.TOKEN });
    const { id } = await device.publish("@${b!.name}", 1, { wait: 0, signal: AbortSignal.timeout(15_000) });
    console.log(JSON.stringify((await device.trace(id)).summary));
    device.close();`;
  const run = (env: Record<string, string>) => {
    const all = { PATH: process.env.PATH, URL: "http://relay.test:8787/", TOKEN: a!.token, HTTP_PROXY: origin, ...env };
    return promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { env: all, timeout: 30_000 });
  };
  expect((await run({ NODE_USE_ENV_PROXY: "1" })).stdout).toBe('{"held":1}\n');
  expect(asked).toEqual(["relay.test:8787", "relay.test:8787"]);
});

test("an invalid address is an error at once", () => {
  for (const url of ["relay.example", "/push", "ws://relay.example", "https://a:b@relay.example"]) {
    expect(() => connect({ url, token: "a.b.c" }), url).toThrow(TypeError);
  }
});
