// GET /v1/messages: a sender's own messages, newest first.

import { describe, expect, test } from "vitest";

import { useRelay, type Device } from "./harness/index.ts";

const relay = useRelay();

const list = async (device: Device, query = "") => (await device.request("GET", `/v1/messages${query}`)).is(200);
const ids = (page: { messages: { id: string }[] }) => page.messages.map(({ id }) => id);

describe.concurrent("list of messages", () => {
  test("it has the sender's messages, newest first, and no one else's", async () => {
    const [sender, other, receiver] = await relay.devices(3);
    const to = { device: receiver!.name };
    const sent = [];
    for (let n = 0; n < 3; n++) sent.push(await sender!.send(to, n));
    await other!.send(to, "other");
    const page = await list(sender!);
    expect(ids(page)).toEqual(sent.reverse());
    expect(page.messages[0]).toMatchObject({ to, summary: { held: 1 }, accepted_at: expect.any(Number) });
    expect(ids(await list(receiver!))).toEqual([]);
  });

  test("state chooses those with a delivery in that state", async () => {
    const [sender, online, offline] = await relay.devices(3);
    (await online!.connect()).answer();
    const delivered = (await sender!.publish({ device: online!.name }, {}, { wait: 10 })).is(200).id;
    const held = await sender!.send({ device: offline!.name }, {});
    const expired = (await sender!.publish({ device: offline!.name }, {}, { ttl: 0 })).is(200).id;
    expect(ids(await list(sender!, "?state=held"))).toEqual([held]);
    expect(ids(await list(sender!, "?state=delivered"))).toEqual([delivered]);
    expect(ids(await list(sender!, "?state=expired"))).toEqual([expired]);
    expect(ids(await list(sender!, "?state=sent"))).toEqual([]);

    (await offline!.connect()).answer();
    await sender!.settled(held);
    expect(ids(await list(sender!, "?state=held"))).toEqual([]);
    expect(ids(await list(sender!, "?state=delivered"))).toEqual([held, delivered]);
  });

  test("limit and cursor lead through all of them, each once", async () => {
    const [sender, receiver] = await relay.devices(2);
    const sent: string[] = [];
    for (let n = 0; n < 7; n++) sent.push(await sender!.send({ device: receiver!.name }, n));
    const pages = [];
    let query = "?limit=3";
    for (;;) {
      const page = await list(sender!, query);
      pages.push(ids(page));
      if (!page.next || pages.length > 4) break;
      query = `?limit=3&cursor=${encodeURIComponent(page.next)}`;
    }
    expect(pages.flat()).toEqual(sent.reverse());
    expect(pages.map((page) => page.length).slice(0, 3)).toEqual([3, 3, 1]);
  });

  test("a cursor keeps its place while new messages come in", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const old = [await sender!.send(to, 1), await sender!.send(to, 2), await sender!.send(to, 3)];
    const first = await list(sender!, "?limit=2");
    await sender!.send(to, 4);
    const second = await list(sender!, `?limit=2&cursor=${encodeURIComponent(first.next)}`);
    expect([...ids(first), ...ids(second)]).toEqual(old.reverse());
  });

  test("a query that is not well formed is refused by name", async () => {
    const device = await relay.device();
    for (const [name, value] of [
      ["state", "lost"],
      ["limit", "0"],
      ["limit", "many"],
      ["cursor", "!!"],
    ]) {
      const answer = await device.request("GET", `/v1/messages?${name}=${value}`);
      expect(answer.problem(400, "bad_request").detail).toContain(name);
    }
  });
});
