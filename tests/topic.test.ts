// Topic (RFC 8030, section 5.4): a newer message takes the place of an undelivered one.

import { describe, expect, test } from "vitest";

import { useRelay } from "./harness/index.ts";

const relay = useRelay();

describe.concurrent("Topic", () => {
  test("a newer message of the same topic replaces a held one, and the sender gets a receipt", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await sender!.connect();
    const old = await sender!.send(to, 18, { topic: "temperature" });
    const newer = await sender!.send(to, 19, { topic: "temperature" });

    expect(await socket.next("receipt")).toMatchObject({ id: old, device: receiver!.name, state: "replaced" });
    expect((await sender!.settled(old)).summary).toEqual({ replaced: 1 });

    const last = await sender!.send(to, "end");
    const messages = await (await receiver!.connect()).messages(2);
    expect(messages.map(({ id }) => id)).toEqual([newer, last]);
    expect(messages[0]).toMatchObject({ payload: 19, topic: "temperature" });
  });

  test("a message to another device stays", async () => {
    const [sender, a, b] = await relay.devices(3);
    const tag = await relay.tag(a!, b!);
    const first = await sender!.send({ tag }, 1, { topic: "t" });
    const second = await sender!.send({ device: a!.name }, 2, { topic: "t" });
    expect((await (await a!.connect()).next("message")).id).toBe(second);
    expect((await (await b!.connect()).next("message")).id).toBe(first);
    const trace = (await sender!.trace(first)).is(200);
    expect(trace.summary).toMatchObject({ replaced: 1 });
  });
});
