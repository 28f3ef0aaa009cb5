// GET /v1/failures and GET /v1/overview: what has failed, newest first, as the directory knows it.

import { describe, expect, test } from "vitest";

import { until, useRelay, type Device } from "./harness/index.ts";

const relay = useRelay();

interface Failure {
  id: string;
  at: number;
  state: string;
  reason?: string;
  sender: string;
  device: string;
  tag?: string;
  resent_as?: string;
}

const list = async (query: string): Promise<{ failures: Failure[]; next: string | null; off?: boolean }> =>
  (await relay.admin("GET", `/v1/failures?${query}`)).is(200);

/** The failures of a sender's messages, once there are this many. */
const failuresOf = (sender: Device, count: number, query = "") =>
  until(`${count} failures`, async () => (await list(`sender=${sender.name}${query}`)).failures, (found) => found.length >= count);

/** A message that the device rejects while its publish waits. */
async function reject(sender: Device, receiver: Device, reason: string): Promise<string> {
  const socket = await receiver.connect();
  const publish = sender.publish({ device: receiver.name }, {}, { wait: 10 });
  socket.nack((await socket.next("message")).id, reason);
  const { id } = (await publish).is(200);
  await socket.close();
  return id;
}

describe("failures", () => {
  test("each failed delivery is listed once, with what is known of it, and a delivered one is not", async () => {
    const [sender, online, offline, rejecting] = await relay.devices(4);
    const tag = await relay.tag(online!, offline!);
    const socket = await online!.connect();
    const publish = sender!.publish({ tag }, "x", { ttl: 2 });
    socket.ack((await socket.next("message")).id);
    const { id } = (await publish).is(202);
    const rejected = await reject(sender!, rejecting!, "not now");
    // The recipient's alarm expires the message, and its report tells the sender's mailbox.
    const failures = await failuresOf(sender!, 2);
    const at = expect.any(Number);
    expect(failures).toEqual([
      { id, at, state: "expired", sender: sender!.name, device: offline!.name, tag },
      { id: rejected, at, state: "rejected", reason: "not now", sender: sender!.name, device: rejecting!.name },
    ]);
    expect(failures[0]!.at).toBeGreaterThanOrEqual(failures[1]!.at);
    const trace = await sender!.settled(id);
    expect(failures.find((failure) => failure.id === id)!.at).toBe(trace.timeline.findLast(({ event }) => event === "expired")!.at);
  });

  test("a message that is answered at once is listed, too, and one that nobody accepted is not", async () => {
    const [sender, receiver] = await relay.devices(2);
    (await sender!.publish({ device: "nobody-at-all" }, {})).problem(404, "unknown_device");
    const { id } = (await sender!.publish({ device: receiver!.name }, {}, { ttl: 0 })).is(200);
    expect((await failuresOf(sender!, 1)).map((failure) => failure.id)).toEqual([id]);
    expect((await list(`sender=${sender!.name}&tag=nothing`)).failures).toEqual([]);
  });

  test("filters choose, and limit and cursor lead through all of them, each once", async () => {
    const [sender, one, other] = await relay.devices(3);
    const tag = await relay.tag(one!, other!);
    for (let n = 0; n < 3; n++) (await sender!.publish({ tag }, n, { ttl: 0 })).is(200);
    await reject(sender!, one!, "no");
    const all = await failuresOf(sender!, 7);
    expect(all).toHaveLength(7);
    expect(all.map(({ at }) => at)).toEqual(all.map(({ at }) => at).sort((a, b) => b - a));
    const of = async (query: string) => (await list(`sender=${sender!.name}&${query}`)).failures.length;
    expect(await of("state=rejected")).toBe(1);
    expect(await of(`device=${other!.name}`)).toBe(3);
    expect(await of(`tag=${tag}`)).toBe(6);
    expect(await of(`tag=${tag}&device=${one!.name}&state=expired`)).toBe(3);
    expect(await of(`since=${all[0]!.at + 1}`)).toBe(0);
    const pages: Failure[][] = [];
    let query = `sender=${sender!.name}&limit=3`;
    for (;;) {
      const { failures, next } = await list(query);
      pages.push(failures);
      if (!next || pages.length > 4) break;
      query = `sender=${sender!.name}&limit=3&cursor=${encodeURIComponent(next)}`;
    }
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual(all);
    const newest = await list("limit=1");
    expect(newest.failures).toHaveLength(1);
    expect(newest.next).toEqual(expect.any(String));
  });

  test("a directory that fails is told again, and nothing is forgotten in between", async () => {
    const [sender, receiver] = await relay.devices(2);
    const directory = await relay.directory();
    await directory.exec("ALTER TABLE failures RENAME TO failures_away");
    const { id } = (await sender!.publish({ device: receiver!.name }, {}, { ttl: 0 })).is(200);
    await until("the failure to be logged", async () => relay.logs, (logs) => logs.some(({ message }) => message.includes("failures_not_listed")));
    await directory.exec("ALTER TABLE failures_away RENAME TO failures");
    await relay.evict(sender!);
    expect((await failuresOf(sender!, 1)).map((failure) => failure.id)).toEqual([id]);
    await until("no row to be left", () => relay.rows(sender!.name), (rows) => rows.failures === undefined);
  });

  test("those past their retention are not listed, and go when others come", async () => {
    const [sender, receiver] = await relay.devices(2);
    const directory = await relay.directory();
    const old = "INSERT INTO failures (at, id, device, state, sender) VALUES (1000, 'old', 'x', 'expired', ?)";
    await directory.prepare(old).bind(sender!.name).run();
    expect((await list(`sender=${sender!.name}`)).failures).toEqual([]);
    (await sender!.publish({ device: receiver!.name }, {}, { ttl: 0 })).is(200);
    await failuresOf(sender!, 1);
    const left = await directory.prepare("SELECT count(*) AS count FROM failures WHERE id = 'old'").first();
    expect(left).toEqual({ count: 0 });
  });

  test("only the operator may read them", async () => {
    const device = await relay.device();
    (await device.request("GET", "/v1/failures")).problem(403, "forbidden");
    (await device.request("GET", "/v1/overview")).problem(403, "forbidden");
    for (const query of ["state=delivered", "since=yesterday", "limit=0", "cursor=x", "device=a%20b", "sender=", "state=expired&state=refused"]) {
      const { detail } = (await relay.admin("GET", `/v1/failures?${query}`)).problem(400, "bad_request");
      expect(detail).toContain(query.split("=")[0]);
    }
  });

  test("the overview counts devices, tags, and the failures of each hour", async () => {
    const count = (hours: { state: string; count: number }[]) =>
      hours.filter(({ state }) => state === "refused").reduce((sum, { count }) => sum + count, 0);
    const before = (await relay.admin("GET", "/v1/overview")).is(200);
    const [sender, receiver] = await relay.devices(2);
    await relay.tag(receiver!);
    await sender!.send({ device: receiver!.name }, {});
    (await relay.admin("DELETE", `/v1/devices/${receiver!.name}`)).is(204);
    const [failure] = await failuresOf(sender!, 1);
    expect(failure).toMatchObject({ state: "refused", reason: "device_removed" });
    const { devices, tags, failures } = (await relay.admin("GET", "/v1/overview")).is(200);
    expect({ devices, tags }).toEqual({ devices: before.devices + 1, tags: before.tags });
    expect(count(failures.by_hour)).toBe(count(before.failures.by_hour) + 1);
    for (const { hour } of failures.by_hour) expect(hour % 3_600_000).toBe(0);
  });
});
