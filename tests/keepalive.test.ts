// A socket that has shown no life for 2.5 keepalives counts as offline, though it may still be open.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { useRelay, type Device } from "./harness/index.ts";

const relay = useRelay({ vars: { KEEPALIVE: 2 } });

/** A connection that goes on saying `ping`, whatever it is told: it does not read closes. */
class Deaf {
  readonly #socket: Duplex;
  readonly #beat: NodeJS.Timeout;

  private constructor(socket: Duplex) {
    this.#socket = socket;
    socket.resume();
    socket.on("error", () => {});
    // A text frame with a mask of zeros (RFC 6455, section 5.2).
    const ping = Buffer.concat([Buffer.from([0x81, 0x84, 0, 0, 0, 0]), Buffer.from("ping")]);
    this.#beat = setInterval(() => socket.write(ping), 300);
  }

  static async connect(device: Device): Promise<Deaf> {
    const headers = {
      Authorization: `Bearer ${device.token}`,
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      "Sec-WebSocket-Protocol": "tagpost.v1",
    };
    const request = http.request(new URL("/v1/connect", relay.url), { headers, agent: false, timeout: 10_000 });
    request.end();
    const [, socket] = await once(request, "upgrade");
    return new Deaf(socket);
  }

  get isOpen(): boolean {
    return this.#socket.writable && !this.#socket.readableEnded;
  }

  hangUp(): void {
    clearInterval(this.#beat);
    this.#socket.destroy();
  }
}

describe.concurrent("keepalive", () => {
  test("the welcome says how often to show life, and ping is answered pong", async () => {
    const socket = await (await relay.device()).open();
    expect(await socket.next("welcome")).toMatchObject({ keepalive: 2 });
    await socket.ping();
    await socket.ping();
    expect(socket.seen.map(({ type }) => type)).toEqual(["welcome", "text:pong", "text:pong"]);
  });

  test("a silent connection counts as offline after 2.5 keepalives, not before", async () => {
    const device = await relay.device();
    const connected = performance.now();
    await device.connect();
    expect((await device.status()).is(200).online).toBe(true);
    await device.offline();
    expect(performance.now() - connected).toBeGreaterThan(4800);
  });

  test("a message to a silent device is held and delivered when it connects again", async () => {
    const [sender, receiver] = await relay.devices(2);
    await receiver!.connect();
    await receiver!.offline();
    const answer = await sender!.publish({ device: receiver!.name }, "x", { wait: 10 });
    expect(answer.is(202).summary).toEqual({ held: 1 });
    const again = await receiver!.connect();
    expect((await again.next("message")).id).toBe(answer.json.id);
  });

  test("a silent connection that is still open is closed with 4408 when a message arrives for it", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    await receiver!.offline();
    expect(socket.isOpen).toBe(true);
    await sender!.send({ device: receiver!.name }, "x");
    expect((await socket.closed()).code).toBe(4408);
    expect(socket.seen.filter(({ type }) => type === "message")).toEqual([]);
  });

  test("the pings of a connection that was taken over are not those of the new one", async () => {
    const [sender, receiver] = await relay.devices(2);
    const deaf = await Deaf.connect(receiver!);
    await receiver!.connect();
    await receiver!.offline();
    const answer = await sender!.publish({ device: receiver!.name }, "x", { wait: 0 });
    expect(answer.is(202).summary).toEqual({ held: 1 });
    expect(deaf.isOpen, "the old connection, over which pings still go").toBe(true);
    deaf.hangUp();
  });

  test("a connection that pings stays online", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    socket.answer();
    for (let n = 0; n < 7; n++) {
      await sleep(900);
      await socket.ping();
    }
    expect((await receiver!.status()).is(200).online).toBe(true);
    (await sender!.publish({ device: receiver!.name }, "x", { wait: 10 })).is(200);
  });

  test("frames of a device are signs of life as well", async () => {
    const [sender, receiver] = await relay.devices(2);
    const socket = await receiver!.connect();
    socket.answer();
    for (let n = 0; n < 4; n++) {
      await sleep(1500);
      (await sender!.publish({ device: receiver!.name }, n, { wait: 10 })).is(200);
    }
  });

  test("a tag shows a silent device as offline", async () => {
    const device = await relay.device();
    const tag = await relay.tag(device);
    await device.connect();
    await device.offline();
    expect((await relay.admin("GET", `/v1/tags/${tag}?presence=true`)).is(200).devices).toEqual([
      { device: device.name, online: false },
    ]);
  });
});
