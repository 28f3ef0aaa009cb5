// JSON arrives as it was written, and answers that the service does not take are told to who gave them.

import { afterAll, describe, expect, test } from "vitest";

import { useRelay } from "../../../tests/harness/index.ts";
import { Connection } from "../src/connection.js";
import { Credential } from "../src/credential.js";
import { Http } from "../src/http.js";
import { Inbox } from "../src/inbox.js";
import type { Message, Receipt } from "../src/index.js";
import { failure, next, range, state, useClients, within } from "./support.ts";

const relay = useRelay();
const { client } = useClients();

const connections = new Set<Connection>();
afterAll(() => connections.forEach((connection) => connection.end()));

/** JSON that `JSON.parse` and `JSON.stringify` do not keep. */
const EXACT = '{"serial": 1724442618569203714, "1":1.0, "text":"\\u00fc \\"payload\\": 1", "deep":[[[{"payload":2}]]]}';

describe.concurrent("exact JSON", () => {
  test("a message has its payload's text, digit for digit", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    (await a!.publish({ device: b!.name }, EXACT, { type: "application/json", wait: 0 })).is(202);
    const message = await next(receiver);
    expect(message.text).toBe(EXACT);
    expect(message.payload).toEqual(JSON.parse(EXACT));
  });

  test("text is its own text, and bytes have none", async () => {
    const [a, b] = await relay.devices(2);
    const [sender, receiver] = [client(relay.url, a!), client(relay.url, b!)];
    for (const payload of ['say "hello"', Uint8Array.of(1), "", 1e21]) {
      await sender.publish(`@${b!.name}`, payload, { wait: 0 });
      const message = await next(receiver);
      expect(message.text).toBe(payload instanceof Uint8Array ? undefined : `${payload}`);
      await within("the answer to be given", message.ack());
    }
  });

  test("the text of JSON is published as it is", async () => {
    const [a, b] = await relay.devices(2);
    const sender = client(relay.url, a!);
    await sender.publish(`@${b!.name}`, EXACT, { type: "application/json", wait: 0 });
    await sender.publish(`@${b!.name}`, ` ${EXACT}\n`, { type: "application/geo+json", wait: 0 });
    await sender.publish(`@${b!.name}`, EXACT, { wait: 0 });
    const { text } = await b!.request("GET", "/v1/inbox");
    expect(text.split(`"content_type":"application/json","payload":${EXACT}`)).toHaveLength(2);
    expect(text.split(`"content_type":"application/geo+json","payload":${EXACT}`)).toHaveLength(2);
    expect(text.split(`"content_type":"text/plain; charset=utf-8","payload":${JSON.stringify(EXACT)}`)).toHaveLength(2);
    expect(await failure(sender.publish(`@${b!.name}`, "{", { type: "application/json" }))).toBeInstanceOf(TypeError);
  });

  test("replies have their text in answers, traces and receipts", async () => {
    const [a, b, c] = await relay.devices(3);
    const sender = client(relay.url, a!);
    const tag = await relay.tag(b!, c!);
    const reply = '{"deliveries":[1724442618569203714],"reply":"]},"}';
    const sockets = [await b!.connect(), await c!.connect()];
    const published = sender.publish(tag, 1, { wait: 10 });
    const { id } = await sockets[0]!.next("message");
    sockets[0]!.send(`{"type":"ack","id":"${id}","reply":${reply}}`);
    sockets[1]!.send(`{"type":"nack","id":"${id}"}`);
    const texts = ({ deliveries }: { deliveries: { device: string; text?: string }[] }) =>
      Object.fromEntries(deliveries.map(({ device, text }) => [device, text]));
    const expected = { [b!.name]: reply, [c!.name]: undefined };
    expect(texts(await within("the answer", published))).toEqual(expected);
    expect(texts(await sender.trace(id))).toEqual(expected);

    const late = await sender.publish(`@${b!.name}`, 2, { wait: 0 });
    sockets[0]!.send(`{"type":"ack","id":"${late.id}","reply":${reply}}`);
    const receipt = (await within("the receipt", sender.receipts().next())).value as Receipt;
    expect(receipt).toMatchObject({ id: late.id, text: reply, reply: JSON.parse(reply) });
  });
});

describe.concurrent("answers", () => {
  test("a reason cut inside a character is an error, and the message can still be rejected", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    const id = await a!.send({ device: b!.name }, "tea?");
    const message = await next(receiver);
    const cut = `no more tea: ${"🍵".repeat(200)}`.slice(0, 256);
    expect(() => message.nack(cut)).toThrow("reason is not valid Unicode: it was cut in the middle of a character");
    await within("the answer to be given", message.nack(cut.slice(0, -1)));
    expect((await a!.settled(id)).deliveries).toMatchObject([{ state: "rejected", reason: cut.slice(0, -1) }]);
  });

  test("a text that was cut inside a character is not published", async () => {
    const [a, b] = await relay.devices(2);
    const sender = client(relay.url, a!);
    expect(await failure(sender.publish(`@${b!.name}`, "tea: 🍵".slice(0, -1)))).toBeInstanceOf(TypeError);
  });

  /** An inbox over a real connection, whose first answer is spoilt on its way: the library gives none that is refused. */
  async function spoiling(token: string) {
    const online = Promise.withResolvers<{ max_in_flight: number }>();
    const refused: string[] = [];
    const owner = {
      frame: (frame: any, text: string) => {
        if (frame.type === "welcome") online.resolve(frame);
        if (frame.type === "message") inbox.take(frame, text);
        if (frame.type === "error") inbox.refused(frame);
      },
      offline: () => {},
      ended: () => {},
    };
    let spoilt = false;
    const spoil = (text: string) => (spoilt ? text : ((spoilt = true), text.replace('"id":"', '"id":"no-')));
    const credential = Credential.device(token);
    const connection = new Connection(relay.url, credential, new Http(relay.url, credential), owner);
    connections.add(connection);
    const inbox = new Inbox(
      (text: string) => connection.send(spoil(text)),
      (onPong: () => void) => connection.ping(onPong),
      (id: string) => refused.push(id),
    );
    inbox.welcome(await within("the welcome", online.promise));
    return { inbox, refused };
  }

  test("an answer that the service refuses is an error and another may be given", async () => {
    const [a, b] = await relay.devices(2);
    const spoilt = await spoiling(b!.token);
    const id = await a!.send({ device: b!.name }, "x");
    const { value: message } = await within("the message", spoilt.inbox.messages().next());
    expect(await failure(message!.ack("first"))).toMatchObject({ code: "bad_frame", message: expect.stringContaining("id") });
    await within("the answer to be given", message!.nack("second"));
    expect((await a!.settled(id)).deliveries).toMatchObject([{ state: "rejected", reason: "second" }]);
  });

  test("a refused answer among several is reported, whenever the refusal arrives", async ({ expect }) => {
    const [a, b] = await relay.devices(2);
    const ids: string[] = [];
    for (const n of range(3)) ids.push(await a!.send({ device: b!.name }, n));
    const spoilt = await spoiling(b!.token);
    const messages: Message[] = [];
    for (const _ of ids) messages.push((await within("a message", spoilt.inbox.messages().next())).value!);
    const outcomes = messages.map((message) => message.ack(message.payload).then(() => "given", ({ code }) => code));
    const first = await within("an outcome", outcomes[0]!);
    if (first !== "given") expect(first).toBe("bad_frame");
    await expect.poll(() => spoilt.refused).toEqual([ids[0]]);
    await within("the answer to be given", messages[0]!.nack("again"));
    const traces = await Promise.all(ids.map((id) => a!.settled(id)));
    expect(traces.map(({ deliveries: [delivery] }) => delivery!.state)).toEqual(["rejected", "delivered", "delivered"]);
  });

  test("an answer is resolved once the service has it", async () => {
    const [a, b] = await relay.devices(2);
    const receiver = client(relay.url, b!);
    await state(receiver, "online");
    for (const payload of [1, 2, 3]) {
      const id = await a!.send({ device: b!.name }, payload);
      const message = await next(receiver);
      const given = message.ack(payload);
      expect(given).toBeInstanceOf(Promise);
      await within("the answer to be given", given);
      expect(message.ack("another"), "the first counts").toBe(given);
      expect((await a!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: payload }]);
    }
  });
});
