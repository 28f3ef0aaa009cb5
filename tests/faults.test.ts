// A panic or a thrown error in a mailbox gives its caller an error within five seconds, loses nothing that
// was answered, and leaves no other device stuck; a call that is late changes no order. Faults are asked for
// by a header that only this build knows.

import { setTimeout as sleep } from "node:timers/promises";

import { describe, expect, test } from "vitest";

import { useRelay, type Answer, type Device } from "./harness/index.ts";

const relay = useRelay({ build: "build-faults" });

/** Makes one request with a fault in it, which must not hang. */
async function fault(device: Device, at: string, method: string, path: string, body?: unknown): Promise<Answer> {
  const answer = await device.request(method, path, { headers: { "Tagpost-Fault": at, Prefer: "wait=0" }, body });
  expect(answer.took, `${answer}`).toBeLessThan(5000);
  return answer;
}

/** Sets a trap for the next event of this kind in any mailbox. */
async function arm(device: Device, at: string): Promise<void> {
  (await fault(device, at, "GET", "/v1/inbox")).is(200);
}

test("a call that overtakes its predecessor waits for it, and both messages are stored", async () => {
  const [sender, receiver] = await relay.devices(2);
  const socket = await sender!.connect();
  await arm(receiver!, "late@deliver");
  for (const payload of ["first", "second"]) {
    socket.send({ type: "publish", ref: payload, to: { device: receiver!.name }, payload, wait: 0 });
  }
  const answers = [await socket.next("published"), await socket.next("published")];
  expect(answers).toMatchObject(Array(2).fill({ summary: { held: 1 } }));
  expect((await receiver!.inbox()).map(({ payload }) => payload)).toEqual(["first", "second"]);
});

describe.each(["panic", "throw"])("a mailbox that fails by %s", (kind) => {
  test("gives its caller an error, whichever call it was, and works again afterwards", async () => {
    const [device, receiver] = await relay.devices(2);
    const id = await device!.send({ device: receiver!.name }, "before");
    for (const [at, method, path, body] of [
      ["publish", "POST", `/v1/devices/${receiver!.name}/messages`, "x"],
      ["trace", "GET", `/v1/messages/${id}`],
      ["messages", "GET", "/v1/messages"],
      ["cancel", "DELETE", `/v1/messages/${id}`],
      ["inbox", "GET", "/v1/inbox"],
      ["ack", "POST", `/v1/inbox/${id}/ack`],
      ["nack", "POST", `/v1/inbox/${id}/nack`],
      ["fetch", "GET", "/v1/inbox"],
    ] as const) {
      const answer = await fault(device!, `${kind}@${at}`, method, path, body);
      answer.problem(answer.status);
      expect(answer.status, `${answer}`).toBeGreaterThanOrEqual(500);
    }
    expect((await device!.trace(id)).is(200).summary).toEqual({ held: 1 });
    expect((await receiver!.status()).is(200).held).toBe(1);
    await device!.send({ device: receiver!.name }, "after");
    expect((await receiver!.inbox()).map(({ payload }) => payload)).toEqual(["before", "after"]);
  });

  test("leaves other devices and their open sockets working", async () => {
    const [faulty, sender, receiver] = await relay.devices(3);
    const [sending, receiving] = [await sender!.connect(), await receiver!.connect()];
    receiving.answer(() => "still here");
    expect((await fault(faulty!, `${kind}@inbox`, "GET", "/v1/inbox")).status).toBeGreaterThanOrEqual(500);
    const answer = (await sender!.publish({ device: receiver!.name }, {}, { wait: 10 })).is(200);
    expect(answer.deliveries).toMatchObject([{ state: "delivered", attempts: 1, reply: "still here" }]);
    sending.send({ type: "publish", ref: "r", to: { device: receiver!.name }, payload: 0, wait: 10 });
    expect(await sending.next("published")).toMatchObject({ ref: "r", summary: { delivered: 1 } });
    expect([sending.isOpen, receiving.isOpen]).toEqual([true, true]);
  });

  test("ends the requests that other devices have under way, or lets them finish, but never hangs them", async () => {
    const [faulty, sender, receiver] = await relay.devices(3);
    const socket = await receiver!.connect();
    const publish = sender!.publish({ device: receiver!.name }, "x", { key: "k", wait: 20 }).catch(() => undefined);
    const { id } = await socket.next("message");
    const started = performance.now();
    expect((await fault(faulty!, `${kind}@inbox`, "GET", "/v1/inbox")).status).toBeGreaterThanOrEqual(500);
    if (socket.isOpen) socket.ack(id);
    await publish;
    expect(performance.now() - started).toBeLessThan(5000);

    (await receiver!.connect()).answer();
    const repeat = await sender!.publish({ device: receiver!.name }, "x", { key: "k", wait: 10 });
    expect(repeat.json.id, `${repeat}`).toBe(id);
    expect((await sender!.settled(id, 45)).summary).toEqual({ delivered: 1 });
  });

  test("keeps its held messages, even if the device's own frame made it fail", async () => {
    const [sender, receiver, other] = await relay.devices(3);
    const id = await sender!.send({ device: receiver!.name }, "kept");
    const socket = await receiver!.connect();
    await socket.next("message");
    await arm(other!, `${kind}@message`);
    socket.ack(id, "first try");
    await socket.closed();

    const again = await receiver!.connect();
    expect(await again.next("message")).toMatchObject({ id, payload: "kept" });
    again.ack(id, "second try");
    expect((await sender!.settled(id)).deliveries).toMatchObject([{ state: "delivered", reply: "second try" }]);
  });

  test("does its due work although its alarm failed", async () => {
    const [sender, receiver, other] = await relay.devices(3);
    const socket = await sender!.connect();
    await arm(other!, `${kind}@alarm`);
    const id = await sender!.send({ device: receiver!.name }, {}, { ttl: 1 });
    // A failed alarm may take the sender's connection with it.
    const receipt = await socket.next("receipt", 20_000).catch(async () => (await sender!.connect()).next("receipt"));
    expect(receipt).toMatchObject({ id, state: "expired" });
  });
});

describe("a mailbox that hangs", () => {
  test("gives its caller an error in the end, and holds up no one else", async () => {
    const [faulty, sender, receiver] = await relay.devices(3);
    (await receiver!.connect()).answer();
    const headers = { "Tagpost-Fault": "hang@inbox" };
    const hanging = faulty!.request("GET", "/v1/inbox", { headers, timeout: 25_000 });
    await sleep(100);
    const answer = await sender!.publish({ device: receiver!.name }, {}, { wait: 10 });
    expect(answer.is(200).summary).toEqual({ delivered: 1 });
    expect((await hanging).status).toBeGreaterThanOrEqual(500);
    await faulty!.inbox();
  });
});

test("a directory that hangs keeps a new device waiting for a while, and not its next call", async () => {
  const other = await relay.device();
  const device = relay.minted();
  await arm(other, "hang@directory");
  (await device.request("GET", "/v1/inbox", { headers: { Prefer: "wait=0" }, timeout: 15_000 })).problem(503);
  (await device.request("GET", "/v1/inbox", { headers: { Prefer: "wait=0" } })).is(200);
});

test("a directory that hangs is a 503 to the operator, and no fault of the service", async () => {
  const other = await relay.device();
  const before = relay.logs.length;
  for (const path of ["/v1/devices", "/v1/tags", "/v1/tags/hallway", "/v1/failures", "/v1/overview"]) {
    await arm(other, "hang@directory");
    const answer = await relay.admin("GET", path);
    answer.problem(503);
    expect(answer.headers.get("retry-after"), path).toBe("2");
  }
  const lines = relay.logs.slice(before).map(({ message }) => message);
  expect(lines.filter((line) => line.includes('"directory_unreachable"'))).toHaveLength(5);
  expect(lines.filter((line) => line.includes('"level":"error"'))).toEqual([]);
});
