// The body of a request, and what is left of it: what it takes to read one, and that the connection stays whole.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";

import { describe, expect, test } from "vitest";

import { subscribed } from "./harness/agent.ts";
import { until, useRelay, within, type Device } from "./harness/index.ts";

/** Says when a request with this header has come, and when everything that is done for it is. */
const WATCH = `import Worker from "./entry.js";
  export { Mailbox } from "./entry.js";
  export default class extends Worker {
    fetch(request) {
      const name = request.headers.get("watch");
      const answer = super.fetch(request);
      if (!name) return answer;
      console.log("begun " + name);
      this.ctx.waitUntil(answer.finally(() => console.log("ended " + name)));
      return answer;
    }
  }`;
const vars = { PUSH_KEY: "a key for tests that is long enough", VAPID_KEY: "5".repeat(64) };
const relay = useRelay({ wrap: { name: "watch.js", script: WATCH }, vars });

/** The head of a request with this token, and the lines that say how its body comes. */
function head(method: string, path: string, token: string | undefined, ...lines: string[]): string {
  const credential = token === undefined ? [] : [`Authorization: Bearer ${token}`];
  const all = [`${method} ${path} HTTP/1.1`, `Host: ${relay.url.host}`, ...credential, ...lines];
  return `${all.join("\r\n")}\r\n\r\n`;
}

async function dial(): Promise<Socket> {
  const socket = connect({ port: Number(relay.url.port), host: relay.url.hostname, allowHalfOpen: true });
  await once(socket, "connect");
  return socket;
}

/** What is answered over the socket until it ends or `holds`. */
async function heard(socket: Socket, holds: (text: string) => boolean = () => false): Promise<string> {
  let text = "";
  const read = async () => {
    for await (const chunk of socket) {
      text += chunk;
      if (holds(text)) break;
    }
    return text;
  };
  return within(20_000, read());
}

/** Whether the body of an answer has come: an object. */
const isAnswered = (text: string) => /\r\n\r\n[^]*\}/.test(text);

/** Waits until the Worker has said this. */
const logged = (line: string) => until(line, async () => relay.logs, (logs) => logs.some(({ message }) => message === line));

/** What the Worker logged as a failure of its own. */
const complaints = () => relay.logs.map(({ message }) => message).filter((line) => line.includes('"level":"error"'));

const byDevice = ({ token }: Device) => token;
const byAdmin = () => relay.adminKey;
const byUrl = () => undefined;

/** Every operation that reads a body, by its name in the description; who may ask for it; and its path, if it has more
 * in it than the device, or an id that nobody knows. */
const READERS: [operation: string, by: (device: Device) => string | undefined, path?: (device: Device) => Promise<string>][] = [
  ["PUT /v1/devices/{device}", byAdmin],
  ["POST /v1/devices/{device}/pair", byAdmin],
  ["POST /v1/pair", byUrl],
  ["POST /v1/devices/{device}/push", byDevice],
  ["POST /v1/devices/{device}/hooks", byDevice],
  ["PUT /v1/devices/{device}/wake", byDevice],
  ["PUT /v1/devices/{device}/webhook", byAdmin],
  ["POST /v1/devices/{device}/messages", byDevice],
  ["POST /v1/tags/{tag}/messages", byDevice, async (device) => `/v1/tags/${await relay.tag(device)}/messages`],
  ["POST /v1/messages", byDevice],
  ["POST /v1/messages/{id}/resend", byDevice],
  ["POST /v1/inbox/{id}/ack", byDevice],
  ["POST /v1/inbox/{id}/nack", byDevice],
  ["POST /v1/inbox/{id}/progress", byDevice],
  ["POST /wpush/{sealed}", byUrl, async () => (await subscribed(relay)).path],
  ["POST /h/{sealed}", byUrl, hook],
  ["POST /_matrix/push/v1/notify", byUrl],
];

/** The path of a hook that publishes to the device itself. */
async function hook(device: Device): Promise<string> {
  const body = { to: { device: device.name } };
  return new URL((await device.request("POST", `/v1/devices/${device.name}/hooks`, { body })).is(200).url).pathname;
}

/** What a publish to an expression and a push cannot do without. */
const NEEDED = ["To: @nobody", "TTL: 60"];

/** A request of this operation that a fresh device, or somebody for it, may make. */
async function asks([operation, by, path]: (typeof READERS)[number]) {
  const device = await relay.device();
  const [method, template] = operation.split(" ") as [string, string];
  const usual = template.replace("{device}", device.name).replace("{id}", "01JZZZZZZZZZZZZZZZZZZZZZZZ");
  return { device, method, path: path ? await path(device) : usual, token: by(device) };
}

describe("a body", () => {
  test("is read by these operations, and by no other that is described", async () => {
    const { paths } = (await relay.request("GET", "/openapi.json")).is(200);
    const described = Object.entries<Record<string, any>>(paths).flatMap(([path, item]) =>
      Object.keys(item).filter((method) => item[method].requestBody).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(READERS.map(([operation]) => operation).sort()).toEqual(described.sort());
  });

  test.each(READERS)("that is malformed is the client's error: %s", async (...reader) => {
    const { method, path, token } = await asks(reader);
    const socket = await dial();
    socket.write(head(method, path, token, ...NEEDED, "Transfer-Encoding: chunked") + "3\r\nabc\r\nzz\r\n");
    expect(await heard(socket, isAnswered)).toMatch(/^HTTP\/1\.1 400 [^]*the body is incomplete/);
    socket.destroy();
    expect(complaints()).toEqual([]);
  });

  test.each(READERS)("that is incomplete is not a failure of the service: %s", async (...reader) => {
    const { device, method, path, token } = await asks(reader);
    for (const how of ["Content-Length: 100", "Transfer-Encoding: chunked"]) {
      const [gone, ended] = [await dial(), await dial()];
      const start = how.startsWith("Content") ? "abc" : "64\r\nabc";
      const names = ["gone", "ended"].map((socket) => `${socket} ${path} ${how}`);
      for (const [n, socket] of [gone, ended].entries()) {
        socket.write(head(method, path, token, ...NEEDED, how, `Watch: ${names[n]}`) + start);
      }
      for (const name of names) await logged(`begun ${name}`);
      // The client goes, or says that nothing more comes.
      gone.destroy();
      ended.end();
      expect(await heard(ended)).not.toMatch(/^HTTP\/1\.1 5/);
      for (const name of names) await logged(`ended ${name}`);
    }
    expect(complaints()).toEqual([]);
    expect((await device.status()).is(200).held).toBe(0);
  });

  // An answer to what has no end comes after the five seconds in which the end is waited for.
  test.concurrent.each(READERS)("that is longer than announced is read only up to the limit: %s", async (...reader) => {
    const { method, path, token } = await asks(reader);
    const socket = await dial();
    socket.on("error", () => {});
    socket.write(head(method, path, token, ...NEEDED, "Content-Length: 10", "Transfer-Encoding: chunked"));
    // Its end never comes.
    const chunk = `10000\r\n${"x".repeat(1 << 16)}\r\n`;
    for (let n = 0; n < 16; n++) socket.write(chunk);
    expect(await heard(socket, isAnswered)).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  /** A push comes encoded, and is passed on so; the Matrix gateway answers in a form of its own. */
  const ours = READERS.filter(([operation]) => !/wpush|_matrix/.test(operation));
  const gzipped = gzipSync('{"alarm":true}');

  test.each(ours)("with a Content-Encoding is refused, not taken for the content: %s", async (...reader) => {
    const { device, method, path, token } = await asks(reader);
    for (const type of ["application/json", "text/plain"]) {
      const headers = { To: "@nobody", "Content-Encoding": "gzip", "Content-Type": type };
      const answer = await relay.request(method, path, { token, headers, body: gzipped });
      expect(answer.problem(415, "unsupported_media_type").detail).toContain("Content-Encoding");
      expect(answer.headers.get("accept-encoding")).toBe("identity");
    }
    expect((await device.status()).is(200).held).toBe(0);
  });

  test("with a Content-Encoding is refused by the Matrix gateway, too", async () => {
    const headers = { "Content-Encoding": "gzip" };
    const answer = await relay.request("POST", "/_matrix/push/v1/notify", { headers, body: gzipped });
    expect(answer.is(415)).toEqual({ errcode: "M_UNKNOWN", error: expect.stringContaining("Content-Encoding") });
    expect(answer.headers.get("accept-encoding")).toBe("identity");
  });

  test("with the content coding that changes nothing is taken", async () => {
    const [sender, receiver] = await relay.devices(2);
    const headers = { "Content-Encoding": "identity" };
    (await sender!.publish({ device: receiver!.name }, { ring: true }, { wait: 0, headers })).is(202);
    expect((await receiver!.inbox())[0]!.payload).toEqual({ ring: true });
  });
});

describe("a connection that is kept", () => {
  // 240 requests in 8 lanes over the connections that Node's fetch keeps; each must be answered.
  test.each([10, 1_000, 300_000, 1_000_000])("carries the next request after an error with %i bytes unread", async (size) => {
    const device = await relay.device();
    const body = "x".repeat(size);
    const asks: [path: string, token: string | undefined, status: number][] = [
      ["/nothing", undefined, 404],
      [`/v1/devices/${device.name}/messages`, undefined, 401],
      ["/v1/devices", device.token, 405],
      [`/v1/devices/${device.name}/messages`, relay.adminKey, 403],
    ];
    let count = 0;
    const lane = async () => {
      while (count < 240) {
        const [path, token, status] = asks[count++ % asks.length]!;
        const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
        const answer = await fetch(new URL(path, relay.url), { method: "POST", body, headers });
        await answer.text();
        expect(answer.status).toBe(status);
      }
    };
    await within(60_000, Promise.all(Array.from({ length: 8 }, lane)));
  });

  test("is answered before the end of a body that is too long, or never ends", async () => {
    for (const chunks of [9 << 4, 0]) {
      const socket = await dial();
      socket.on("error", () => {});
      socket.write(head("POST", "/nothing", "x", `Content-Length: ${100 << 20}`));
      for (let n = 0; n < chunks; n++) socket.write(Buffer.alloc(1 << 16));
      expect(await heard(socket, (text) => text.includes("not_found"))).toMatch(/^HTTP\/1\.1 404 /);
      socket.destroy();
    }
  });

  test("carries the next request after a body without a length that was too long", async () => {
    const device = await relay.device();
    const part = new Uint8Array(100_000);
    const stream = () =>
      new ReadableStream({
        start(controller) {
          for (let n = 0; n < 5; n++) controller.enqueue(part);
          controller.close();
        },
      });
    const lane = async () => {
      for (let n = 0; n < 30; n++) {
        const headers = { authorization: `Bearer ${device.token}`, "content-type": "text/plain" };
        const request = { method: "POST", headers, body: stream(), duplex: "half" } as RequestInit;
        const answer = await fetch(new URL(`/v1/devices/${device.name}/messages`, relay.url), request);
        expect(await answer.json()).toMatchObject({ code: "payload_too_large" });
      }
    };
    await within(60_000, Promise.all(Array.from({ length: 8 }, lane)));
  });
});
