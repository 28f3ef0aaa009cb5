// Closing wins immediately, whatever the network does, and what was closed does not come back.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { useRelay } from "../../../tests/harness/index.ts";
import { Connection } from "../src/connection.js";
import { Credential } from "../src/credential.js";
import { Http } from "../src/http.js";
import type { Network } from "./network.ts";
import { change, failure, next, state, useClients, within } from "./support.ts";

const relay = useRelay();
const { client, network } = useClients();

/** Milliseconds within which a close has to be done. */
const CLOSED = 5_000;
/** Longer than any first pause, in milliseconds: who comes back has come back by then. */
const PAUSE = 1_500;

/** What the network does when the application wants to close, and how it comes to that. */
const NETWORKS: Record<string, (line: Network, online: () => Promise<unknown>, offline: () => Promise<unknown>) => Promise<void>> = {
  "is up": async (_line, online) => void (await online()),
  "is frozen": async (line, online) => {
    await online();
    line.stall();
  },
  "answers no handshake": async (line) => line.stall(),
  "is down, in a pause": async (line, _online, offline) => {
    line.down();
    await offline();
  },
  "answers no handshake, in a reconnect": async (line, online, offline) => {
    await online();
    line.stall();
    line.cut();
    await offline();
  },
};

describe.concurrent("closing", () => {
  test.each(Object.keys(NETWORKS))("closing wins in every state: the network %s", async (name) => {
    const [a, b] = await relay.devices(2);
    const id = await a!.send({ device: b!.name }, "x");
    const line = await network(() => relay.url);
    const device = client(line.url, a!);
    await NETWORKS[name]!(line, () => state(device, "online"), () => change(device, "offline"));
    const messages = within("the end of the messages", device.messages().next(), CLOSED);
    const receipts = within("the end of the receipts", device.receipts().next(), CLOSED);
    const publish = name === "is up" ? undefined : failure(device.publish(`@${b!.name}`, "y"));
    const trace = failure(device.trace(id, { wait: 30 }));
    const closed = change(device, "closed");
    device.close();
    expect((await within("it to be closed", closed, CLOSED)).error).toBeUndefined();
    expect([await messages, await receipts]).toEqual(Array(2).fill({ done: true, value: undefined }));
    expect(await within("the trace", trace, CLOSED)).toMatchObject({ code: "closed" });
    expect(await within("the publish", publish ?? Promise.resolve({ code: "closed" }), CLOSED)).toMatchObject({ code: "closed" });
    expect(await failure(device.trace(id))).toMatchObject({ code: "closed" });

    line.cut();
    line.up();
    const { handshakes } = line;
    await sleep(PAUSE);
    expect(line.handshakes, "handshakes after the end").toBe(handshakes);
    await a!.offline();
  });

  test("an answer that is not awaited ends silently with the device", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    const device = client(line.url, b!);
    await a!.send({ device: b!.name }, "x");
    const message = await next(device);
    line.stall();
    void message.ack("never read");
    const given = failure(message.ack());
    device.close();
    expect(await within("the answer", given, CLOSED)).toMatchObject({ code: "closed" });
  });

  test("a connection that has ended is not renewed", async ({ expect }) => {
    const a = await relay.device();
    const line = await network(() => relay.url);
    const credential = Credential.device(a.token);
    const welcome = Promise.withResolvers<void>();
    const owner = { frame: () => welcome.resolve(), offline: () => {}, ended: () => {} };
    const connection = new Connection(line.url, credential, new Http(line.url, credential), owner);
    await within("the welcome", welcome.promise);
    connection.renew();
    await expect.poll(() => line.handshakes).toBe(2);
    connection.end();
    connection.renew();
    await sleep(PAUSE);
    expect(line.handshakes).toBe(2);
  });

  test("requests over HTTP can be aborted", async () => {
    const a = await relay.device();
    const line = await network(() => relay.url);
    line.stall();
    const device = client(line.url, a);
    const giveUp = new AbortController();
    const id = "01JZZZZZZZZZZZZZZZZZZZZZZZ";
    const asked = [device.trace(id, { signal: giveUp.signal }), device.cancel(id, { signal: giveUp.signal })].map(failure);
    giveUp.abort(new Error("changed my mind"));
    for (const error of asked) expect(await within("an end", error, CLOSED)).toMatchObject({ message: "changed my mind" });
  });
});

describe.concurrent("a process that has closed its device exits by itself", () => {
  const library = JSON.stringify(join(import.meta.dirname, "../src/index.js"));

  /** Runs this with a `device`, until the process ends by itself. */
  async function run(url: URL, script: string): Promise<void> {
    const env = { ...process.env, URL: url.href, TOKEN: relay.minted().token };
    const code = `const { connect } = await import(${library});
      const device = connect({ url: process.env.URL, token: process.env.TOKEN });
      const on = (name) => new Promise((resolve) => device.addEventListener(name, resolve, { once: true }));
      ${script}
      device.close();
      // It does not keep the process, but ends one that something else keeps.
      setTimeout(() => process.exit(3), ${CLOSED}).unref();`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { env, stdio: ["ignore", "inherit", "inherit"] });
    try {
      const [status] = await within("its end", once(child, "exit"));
      expect(status, "3 is a process that was still there").toBe(0);
    } finally {
      child.kill("SIGKILL");
    }
  }

  test("at once", () => run(relay.url, ""));
  test("online, with an answer and a trace under way", () =>
    run(relay.url, `await on("online");
      await device.publish("@" + device.name, "answered", { wait: 0 });
      const { id } = await device.publish("@" + device.name, "not answered", { wait: 0 });
      device.trace(id, { wait: 60 }).catch(() => {});
      for await (const message of device.messages()) { message.ack(); break; }`));

  test("in a handshake that is not answered, and in a pause", async () => {
    const [stalled, down] = [await network(() => relay.url), await network(() => relay.url)];
    stalled.stall();
    down.down();
    await run(stalled.url, "device.trace('01JZZZZZZZZZZZZZZZZZZZZZZZ', { wait: 60 }).catch(() => {});");
    await run(down.url, `await on("offline");`);
  });
});
