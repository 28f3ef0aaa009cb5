// What waits for a device can be looked at without leaving a trace.

import { describe, expect, test } from "vitest";

import { useRelay, type Device } from "./harness/index.ts";

const relay = useRelay();

function list(device: Device, query = "") {
  return device.request("GET", `/v1/devices/${device.name}/inbox${query}`);
}

describe.concurrent("a listing of the messages that wait for a device", () => {
  test("it lists them in order, for the admin and the device itself, with payloads on request", async () => {
    const [sender, receiver] = await relay.devices(2);
    const tag = await relay.tag(receiver!);
    const low = await sender!.send({ tag }, { n: 1 }, { urgency: "low", topic: "t" });
    const bytes = await sender!.send({ device: receiver!.name }, Uint8Array.of(1), { type: "image/png" });
    const path = `/v1/devices/${receiver!.name}/inbox`;
    const { messages, next } = (await relay.admin("GET", path)).is(200);
    expect(next).toBeNull();
    expect(messages.map(({ id }: { id: string }) => id)).toEqual([bytes, low]);
    expect(messages[1]).toEqual({
      id: low,
      from: sender!.name,
      to: { tag },
      sent_at: messages[1].sent_at,
      expires_at: messages[1].sent_at + 86_400_000,
      urgency: "low",
      topic: "t",
      content_type: "application/json",
      size: 7,
      state: "held",
      attempts: 0,
    });
    const own = (await list(receiver!, "?payload=true")).is(200).messages;
    expect(own[0]).toMatchObject({ id: bytes, payload: "AQ==", encoding: "base64" });
    expect(own[1]).toMatchObject({ id: low, payload: { n: 1 } });
  });

  test("ten listings leave no trace", async () => {
    const [sender, receiver] = await relay.devices(2);
    const id = await sender!.send({ device: receiver!.name }, "x");
    const before = (await relay.admin("GET", `/v1/devices/${receiver!.name}`)).is(200);
    for (let n = 0; n < 10; n++) expect((await list(receiver!, "?payload=true")).is(200).messages).toHaveLength(1);
    expect((await relay.admin("GET", `/v1/devices/${receiver!.name}`)).is(200)).toEqual(before);
    expect((await sender!.trace(id)).is(200).deliveries).toMatchObject([{ state: "held", attempts: 0 }]);
    expect(await receiver!.inbox()).toMatchObject([{ id, attempt: 1 }]);
  });

  test("a message in flight is listed as sent, stored or not", async () => {
    const [sender, receiver] = await relay.devices(2);
    const to = { device: receiver!.name };
    const socket = await receiver!.connect();
    const stored = await sender!.send(to, 1);
    const publish = sender!.publish(to, 2, { wait: 30 });
    const [, unstored] = await socket.messages(2);
    const found = (await list(receiver!)).is(200).messages;
    expect(found).toMatchObject([
      { id: stored, state: "sent", attempts: 1 },
      { id: unstored!.id, state: "sent", attempts: 1 },
    ]);
    socket.ack(unstored!.id);
    (await publish).is(200);
    expect((await list(receiver!)).is(200).messages).toHaveLength(1);
  });

  test("pages follow each other without a gap or a repeat", async () => {
    const [sender, receiver] = await relay.devices(2);
    const ids = [];
    for (let n = 0; n < 5; n++) {
      ids.push(await sender!.send({ device: receiver!.name }, n, { urgency: n < 2 ? "high" : "low" }));
    }
    const seen: string[] = [];
    let cursor = "";
    do {
      const { messages, next } = (await list(receiver!, `?limit=2${cursor}`)).is(200);
      expect(messages.length).toBeLessThanOrEqual(2);
      seen.push(...messages.map(({ id }: { id: string }) => id));
      cursor = next === null ? "" : `&cursor=${next}`;
    } while (cursor);
    expect(seen).toEqual(ids);
  });

  test("it is refused to others, for an unknown device, and with a query that is not well formed", async () => {
    const [device, other] = await relay.devices(2);
    (await other!.request("GET", `/v1/devices/${device!.name}/inbox`)).problem(403, "forbidden");
    (await relay.admin("GET", "/v1/devices/nobody/inbox")).problem(404, "unknown_device");
    for (const [name, value] of [["limit", "0"], ["cursor", "x"], ["cursor", `9-01JZZZZZZZZZZZZZZZZZZZZZZZ`], ["payload", "1"]]) {
      expect((await list(device!, `?${name}=${value}`)).problem(400, "bad_request").detail).toContain(name);
    }
  });
});
