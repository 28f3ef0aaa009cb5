// A client over HTTP alone: it publishes and asks without a connection, and an operator's keeps the directory.

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { afterAll, describe, expect, test } from "vitest";

import { claimsOf, fresh, useRelay } from "../../../tests/harness/index.ts";
import { createClient, TagpostError } from "../src/index.js";
import { failure, next, payloads, range, state, useClients, within } from "./support.ts";

const relay = useRelay();
const { client, network } = useClients();

const servers: Server[] = [];
afterAll(() => servers.forEach((server) => server.close().closeAllConnections()));

/** A client of this device. */
const of = ({ token }: { token: string }, url = relay.url) => createClient({ url, token });
/** The operator's. */
const operator = () => createClient({ url: relay.url, adminKey: relay.adminKey });

/** All entries of a list. */
async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const entries: T[] = [];
  for await (const entry of list) entries.push(entry);
  return entries;
}

describe.concurrent("publishing without a connection", () => {
  test("a publish is answered with the reply of the device, and disturbs no listener of the same token", async () => {
    const [a, b] = await relay.devices(2);
    const [own, receiver] = [client(relay.url, a!), client(relay.url, b!)];
    await Promise.all([state(own, "online"), state(receiver, "online")]);
    const published = of(a!).publish<{ opened: boolean }>(`@${b!.name}`, { ring: 1 }, { wait: 10, topic: "door" });
    const message = await next(receiver);
    expect(message).toMatchObject({ from: a!.name, to: { device: b!.name }, payload: { ring: 1 }, topic: "door" });
    await message.ack({ opened: true });
    const { id, deliveries, ...rest } = await published;
    expect(id).toBe(message.id);
    expect(deliveries).toMatchObject([{ device: b!.name, state: "delivered", reply: { opened: true }, text: '{"opened":true}' }]);
    expect(rest).toEqual({ summary: { delivered: 1 } });
    expect(own.state).toBe("online");
  });

  test("payloads arrive as they were sent", async () => {
    const [a, b] = await relay.devices(2);
    const sender = of(a!);
    const receiver = client(relay.url, b!);
    const sent = [{ a: [1, null] }, [1, 2], null, 1.5, false, "hé\n", "", Uint8Array.of(0, 255, 128), Uint8Array.from(range(100_000))];
    for (const payload of sent) await sender.publish(`@${b!.name}`, payload, { wait: 0 });
    await sender.publish(`@${b!.name}`, "<b>", { wait: 0, type: "text/html" });
    await sender.publish(`@${b!.name}`, new DataView(Uint8Array.of(1, 2, 3).buffer, 1, 1), { wait: 0 });
    expect(await payloads(receiver, sent.length + 2)).toEqual([...sent, "<b>", Uint8Array.of(2)]);

    await sender.publish(`@${b!.name}`, "[1724442618569203714]", { wait: 0, type: "application/geo+json" });
    expect(await next(receiver)).toMatchObject({ text: "[1724442618569203714]", type: "application/geo+json" });
    for (const [payload, type] of [[{}, "text/plain"], ["{", "application/json"], [undefined], ["🍵".slice(0, 1)]]) {
      expect(await failure(sender.publish("@x", payload, type === undefined ? {} : { type: `${type}` }))).toBeInstanceOf(TypeError);
    }
  });

  test("every option says the same as over a connection", async () => {
    const [a, b, c] = await relay.devices(3);
    const tag = await relay.tag(a!, b!);
    const options = (topic: string) => ({
      ttl: 600,
      topic,
      urgency: "high" as const,
      wait: 0,
      echo: true,
      acksNeeded: 1,
      escalate: [{ to: `@${c!.name}`, after: 60 }, { to: { tag }, after: 90 }, { to: `${tag} & !@${b!.name}`, after: 120 }],
    });
    const connected = client(relay.url, a!);
    const ids = [await of(a!).publish(tag, 1, options("one")), await connected.publish(tag, 1, options("two"))].map(({ id }) => id);
    const traces = await Promise.all(ids.map((id) => connected.trace(id)));
    const asked = ({ to, acceptedAt, expiresAt, acksNeeded, escalate, deliveries }: (typeof traces)[number]) => ({
      to,
      ttl: expiresAt - acceptedAt,
      acksNeeded,
      escalate,
      devices: deliveries.map(({ device }) => device).toSorted(),
    });
    const [first, second] = traces.map(asked);
    expect(first).toEqual(second);
    expect(first).toMatchObject({ ttl: 600_000, acksNeeded: 1, devices: [a!.name, b!.name].toSorted() });
    expect(first!.escalate!.map(({ to, after }) => [to, after])).toEqual([
      [{ device: c!.name }, 60],
      [{ tag }, 90],
      [{ match: `${tag} & !@${b!.name}` }, 120],
    ]);
    const waiting = (await all(operator().listWaiting(b!.name))).map(({ id, urgency, topic }) => [id, urgency, topic]);
    expect(waiting).toEqual([[ids[0], "high", "one"], [ids[1], "high", "two"]]);
  });

  test("a message is scheduled with a delay or a time, and goes to an expression", async () => {
    const [a, b, c] = await relay.devices(3);
    const tag = await relay.tag(b!, c!);
    const to = `${tag} & !@${c!.name}`;
    const sender = of(a!);
    const deliverAt = Date.now() + 600_000;
    expect(await sender.publish(to, 1, { deliverAt: new Date(deliverAt) })).toMatchObject({ state: "scheduled", deliverAt, deliveries: [] });
    const { id, state } = await sender.publish(to, 1, { delay: 600 });
    expect(state).toBe("scheduled");
    expect(await sender.cancel(id)).toMatchObject({ to: { match: to }, state: "cancelled" });
    const { deliveries } = await sender.publish(to, 1, { wait: 0 });
    expect(deliveries).toMatchObject([{ device: b!.name, state: "held" }]);
  });

  test("a refused publish is an error that says why, at once", async () => {
    const [a, b] = await relay.devices(2);
    const sender = of(a!);
    expect(await failure(sender.publish(fresh("tag"), 1))).toMatchObject({ code: "unknown_tag", status: 404 });
    expect(await failure(sender.publish(`@${b!.name}`, 1, { ttl: -1 }))).toMatchObject({ code: "bad_request" });
    expect(await failure(sender.publish(`@${b!.name}`, "x".repeat(300_000)))).toMatchObject({ code: "payload_too_large" });
    expect(await failure(sender.publish(`@${b!.name}`, 1, { key: "ключ" }))).toBeInstanceOf(TypeError);
    for (const timeout of [0, -1, NaN, "5" as any]) {
      expect(await failure(sender.publish(`@${b!.name}`, 1, { timeout })), `${timeout}`).toBeInstanceOf(RangeError);
    }
  });
});

describe.concurrent("a service that does not answer", () => {
  test("a publish is repeated until it is answered, and stays one message", async () => {
    const [a, b] = await relay.devices(2);
    // Each publish reaches the relay; the first two answers are lost, one as a cut and one as a proxy's own page.
    let publishes = 0;
    const lame = createServer(async (request, response) => {
      const body = Buffer.concat(await Array.fromAsync(request));
      const { authorization, "idempotency-key": key, "content-type": type } = request.headers;
      const headers = { authorization: `${authorization}`, "idempotency-key": `${key}`, "content-type": `${type}`, prefer: "wait=0" };
      const answer = await fetch(new URL(request.url!, relay.url), { method: "POST", headers, body });
      publishes += 1;
      if (publishes === 1) return void response.destroy();
      if (publishes === 2) return void response.writeHead(502).end("<h1>bad gateway</h1>");
      response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
    });
    servers.push(lame);
    await once(lame.listen(0, "127.0.0.1"), "listening");
    const sender = of(a!, new URL(`http://127.0.0.1:${(lame.address() as AddressInfo).port}`));
    const { summary } = await within("the answer", sender.publish(`@${b!.name}`, "x", { wait: 0 }));
    expect(summary).toEqual({ held: 1 });
    expect(publishes).toBe(3);
    expect((await b!.status()).is(200).held).toBe(1);
  });

  test("a publish that is not answered in time is an error, over a connection and without", async () => {
    const [a, b] = await relay.devices(2);
    const down = await network(() => relay.url);
    down.down();
    const silent = await network(() => relay.url);
    silent.stall();
    const publishes = [
      of(a!, down.url).publish(`@${b!.name}`, 1, { wait: 0, timeout: 1 }),
      of(a!, silent.url).publish(`@${b!.name}`, 1, { wait: 0, timeout: 1 }),
      client(down.url, a!).publish(`@${b!.name}`, 1, { wait: 0, timeout: 1 }),
    ].map((publish) => failure(publish));
    for (const [n, error] of (await Promise.all(publishes)).entries()) {
      expect(error, `publish ${n}`).toBeInstanceOf(TagpostError);
      expect(error, `publish ${n}`).toMatchObject({ code: "timeout", message: expect.stringContaining("no answer within 1 s") });
    }
    expect((await publishes[0]) as Error).toMatchObject({ cause: { code: "unreachable" } });
    expect((await b!.status()).is(200).held).toBe(0);
  });

  test("a publish can be aborted", async () => {
    const a = await relay.device();
    const line = await network(() => relay.url);
    line.stall();
    const giveUp = new AbortController();
    const sender = of(a, line.url);
    const published = failure(sender.publish("@x", 1, { signal: giveUp.signal }));
    giveUp.abort(new Error("changed my mind"));
    expect(await published).toMatchObject({ message: "changed my mind" });
    expect(await failure(sender.publish("@x", 1, { signal: giveUp.signal }))).toMatchObject({ message: "changed my mind" });
  });

  test("a redirect is not followed, and not asked again", async () => {
    let asked = 0;
    const moved = createServer((_request, response) => {
      asked += 1;
      response.writeHead(307, { Location: relay.url.href }).end();
    });
    servers.push(moved);
    await once(moved.listen(0, "127.0.0.1"), "listening");
    const url = new URL(`http://127.0.0.1:${(moved.address() as AddressInfo).port}`);
    expect(await failure(of(await relay.device(), url).publish("@x", 1))).toMatchObject({ code: "unreachable", status: 307 });
    expect(asked).toBe(1);
  });
});

describe.concurrent("what became of a message", () => {
  test("it is listed, traced and sent again with the names of this library", async ({ expect }) => {
    const [a, b] = await relay.devices(2);
    const sender = of(a!);
    const { id } = await sender.publish(`@${b!.name}`, { order: 1 }, { wait: 0 });
    await b!.inbox();
    (await b!.nack(id, { reason: "busy" })).is(204);
    const trace = await sender.trace(id, { wait: 10 });
    expect(trace).toMatchObject({ id, acceptedAt: expect.any(Number), expiresAt: expect.any(Number), summary: { rejected: 1 } });
    const steps = trace.timeline.map((step) => (step.event === "rejected" ? [step.device, step.attempt] : step.event));
    expect(steps).toEqual(["held", "sent", [b!.name, 1]]);
    const again = await sender.resend(id);
    expect(again).toMatchObject({ resendOf: id, summary: { held: 1 } });
    expect((await sender.trace(id)).resentAs).toEqual([again.id]);
    expect((await all(sender.listMessages())).map((message) => message.id)).toEqual([again.id, id]);
    expect((await all(sender.listMessages({ state: "rejected" }))).map((message) => message.id)).toEqual([id]);
    expect((await all(operator().listMessages({ device: a!.name }))).map((message) => message.id)).toEqual([again.id, id]);
    // The directory is told a moment later.
    const failures = () => all(operator().listFailures({ sender: a!.name, since: new Date(trace.acceptedAt) }));
    await expect.poll(failures, { timeout: 10_000 }).toMatchObject([{ id, state: "rejected", reason: "busy", device: b!.name, resentAs: again.id }]);
    expect(JSON.stringify([trace, again, await failures()])).not.toMatch(/"[a-z]+_[a-z_]+":/);
  });

  test("a list has all its pages, and asks for no more than are read", async () => {
    const [a, b] = await relay.devices(2);
    const line = await network(() => relay.url);
    const ids: string[] = [];
    for (const n of range(101)) ids.push(await a!.send({ device: b!.name }, n));
    const sender = of(a!, line.url);
    expect((await all(sender.listMessages())).map(({ id }) => id)).toEqual(ids.toReversed());
    for await (const { id } of sender.listMessages()) {
      expect(id).toBe(ids.at(-1));
      break;
    }
    expect(await failure(sender.listMessages({ signal: AbortSignal.abort(new Error("enough")) }).next())).toMatchObject({ message: "enough" });
  });

  test("replies are what the device wrote, whatever names they have", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    await state(receiver, "online");
    const published = of(a!).publish(`@${b!.name}`, 1, { wait: 10 });
    await (await next(receiver)).ack({ opened_at: 1, deliver_at: { held_since: 2 } });
    expect((await published).deliveries[0]!.reply).toEqual({ opened_at: 1, deliver_at: { held_since: 2 } });
  });
});

describe.concurrent("the operator", () => {
  test("devices and tags are created, listed and deleted", async () => {
    const admin = operator();
    const [name, tag] = [fresh("made"), fresh("made")];
    const made = await admin.createDevice(name, { publish: ["@*"], tags: [tag], expiresIn: 600 });
    const [tokenId, expiresAt, createdAt] = [expect.any(String), expect.any(Number), expect.any(Number)];
    expect(made).toEqual({ device: name, token: expect.any(String), tokenId, expiresAt, createdAt });
    expect((await all(admin.listDevices())).find(({ device }) => device === name)).toEqual({ device: name, createdAt: made.createdAt });

    const own = of(made);
    await own.join(tag);
    expect((await all(admin.listTags())).find((entry) => entry.tag === tag)).toEqual({ tag, devices: 1 });
    expect(await all(admin.listDevicesOf(tag, { presence: true }))).toEqual([{ device: name, online: false }]);
    expect(await own.device(name)).toMatchObject({ device: name, online: false, inFlight: 0, heldBytes: 0, heldSince: null, tags: [tag] });
    await own.leave(tag);
    await admin.bind(tag, name);
    await admin.unbind(tag, name);
    expect((await admin.pairingCode(name)).url).toMatch(/^http/);
    expect(await admin.overview()).toMatchObject({ devices: expect.any(Number), failures: { byHour: expect.any(Array) } });

    expect(await failure(own.publish(tag, 1))).toMatchObject({ code: "forbidden" });
    const second = await admin.createDevice(name);
    await admin.revokeToken(name, made.tokenId, { expiresAt: made.expiresAt! });
    expect(await failure(own.device(name))).toMatchObject({ code: "unauthorized" });
    expect(await of(second).device(name)).toMatchObject({ device: name });
    await admin.revokeTokens(name);
    expect(await failure(of(second).device(name))).toMatchObject({ code: "unauthorized" });
    expect(await failure(own.device(name))).toMatchObject({ code: "unauthorized" });
    await admin.deleteDevice(name);
    expect(await failure(admin.device(name))).toMatchObject({ code: "unknown_device" });
  });

  test("a token and a pairing code permit what their grant says, a webhook too", async () => {
    const name = fresh("made");
    const grant = { publish: ["@*"], tags: ["hall.*"], webhook: true, expiresIn: 600 };
    const { token } = await operator().createDevice(name, grant);
    const { code } = await operator().pairingCode(name, grant);
    const paired = (await relay.request("POST", "/v1/pair", { body: { code } })).is(200);
    for (const claims of [claimsOf(token), claimsOf(paired.token)]) {
      expect(claims).toMatchObject({ sub: name, publish: ["@*"], tags: ["hall.*"], webhook: true, exp: claims.iat + 600 });
    }
    expect(claimsOf((await operator().createDevice(name)).token)).not.toHaveProperty("webhook");
  });

  test("what takes the other credential is an error that says so", async () => {
    const a = await relay.device();
    expect(await failure(operator().publish(`@${a.name}`, 1))).toMatchObject({ code: "forbidden" });
    expect(await failure(of(a).listDevices().next())).toMatchObject({ code: "forbidden" });
  });
});

test("a wrong option is an error at once", () => {
  const url = "https://relay.example";
  const create = createClient as (options: any) => unknown;
  for (const options of [{}, { url }, { token: "a.b.c" }, { url, token: "a.b.c", adminKey: "k" }, { url, adminKey: "" }, { url, adminKey: "a\nb" }]) {
    expect(() => create(options), JSON.stringify(options)).toThrow(TypeError);
  }
  expect(() => create({ url: `${url}/push/v1/`, token: "a.b.c" })).toThrow("without the /v1");
  expect(() => create({ url: undefined, token: "a.b.c" })).toThrow("url is missing");
  expect(() => create({ url })).toThrow("token is missing");
});
