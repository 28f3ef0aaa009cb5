// A read costs what it asks for: one request never becomes more than about a hundred of the mailboxes, and how often
// a device may have others asked is limited.

import { readFileSync } from "node:fs";

import { beforeAll, describe, expect, test } from "vitest";

import { until, useRelay, type Answer, type Device } from "./harness/index.ts";

const METER = { name: "meter.js", script: readFileSync("bench/meter.js", "utf8") };
const relay = useRelay({ wrap: METER });

/** More than are asked at once. */
const MEMBERS = 120;
let members: Device[];
let tag: string;
beforeAll(async () => {
  members = await relay.devices(MEMBERS);
  tag = await relay.tag(...members);
}, 60_000);

/** How many requests of mailboxes `ask` makes. */
async function asked(ask: () => Promise<Answer>): Promise<[answer: Answer, requests: number]> {
  const meter = async () => (await relay.request("GET", "/v1/meter")).is(200).object_requests;
  const before = await meter();
  const answer = await ask();
  return [answer, (await meter()) - before];
}

/** A message that each of the members has, and none has acknowledged. */
async function held(sender: Device): Promise<string> {
  const id = await sender.send({ tag }, {});
  const steps = async () => (await relay.admin("GET", `/v1/messages/${id}`)).is(200).timeline.length;
  await until("every mailbox has the message", steps, (count) => count >= MEMBERS);
  return id;
}

describe("a read", () => {
  test("of a tag's members asks no mailbox but the reader's own", async () => {
    const reader = await relay.device();
    const path = `/v1/tags/${tag}?limit=1000`;
    const [byDevice, own] = await asked(() => reader.request("GET", path));
    const [byAdmin, none] = await asked(() => relay.admin("GET", path));
    expect([own, none]).toEqual([1, 0]);
    for (const answer of [byDevice, byAdmin]) {
      expect(answer.is(200).devices).toEqual(members.map(({ name }) => ({ device: name })).sort(by("device")));
    }
  });

  test("of a tag's presence asks at most fifty mailboxes beside the reader's own", async () => {
    const reader = await relay.device();
    const names: string[] = [];
    for (let cursor = ""; ; ) {
      const path = `/v1/tags/${tag}?presence=true${cursor}`;
      const [answer, requests] = await asked(() => reader.request("GET", path));
      const page = answer.is(200);
      expect(page.devices.length).toBeLessThanOrEqual(50);
      expect(requests).toBe(page.devices.length + 1);
      for (const { device, online } of page.devices) expect([device, online]).toEqual([expect.any(String), false]);
      names.push(...page.devices.map(({ device }: any) => device));
      if (page.next === undefined) break;
      cursor = `&cursor=${page.next}`;
    }
    expect(names).toEqual(members.map(({ name }) => name).sort());
  });

  test.each([
    ["presence=true&limit=51", "limit"],
    ["presence=yes", "presence"],
    ["presence", "presence"],
    ["presence=true&presence=true", "presence"],
    ["limit=1&limit=2", "limit"],
  ])("with ?%s is refused by the name of the parameter", async (query, name) => {
    const [answer, requests] = await asked(() => relay.admin("GET", `/v1/tags/${tag}?${query}`));
    expect(answer.problem(400, "bad_request").detail).toContain(name);
    expect(requests).toBe(0);
  });

  test("never asks more than a hundred mailboxes beside the reader's own", async () => {
    const sender = await relay.device();
    const id = await held(sender);
    const reads: [path: string, by: Device | undefined, most: number][] = [
      [`/v1/messages/${id}`, sender, 101],
      [`/v1/messages/${id}`, undefined, 101],
      ["/v1/messages?limit=1000", sender, 1],
      [`/v1/devices/${sender.name}`, sender, 1],
      [`/v1/devices/${sender.name}`, undefined, 1],
      ["/v1/devices?limit=1000", undefined, 0],
      ["/v1/tags?limit=1000", undefined, 0],
      ["/v1/inbox", members[0], 1],
    ];
    for (const [path, by, most] of reads) {
      const [answer, requests] = await asked(() => (by ? by.request("GET", path) : relay.admin("GET", path)));
      answer.is(200);
      expect(requests, path).toBeLessThanOrEqual(most);
    }
  });
});

describe("a device that reads without end", () => {
  /** So many at once, of which some have to be too many, and each of those says when to come again. */
  async function flood(read: () => Promise<Answer>): Promise<void> {
    const answers = await Promise.all(Array.from({ length: 40 }, read));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(10);
    expect(refused.length).toBeGreaterThan(0);
    for (const answer of refused) {
      answer.problem(429, "too_many_requests");
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    }
  }

  test("gets 429 for the presence of a tag, and can still do everything else", async () => {
    const reader = await relay.device();
    await flood(() => reader.request("GET", `/v1/tags/${tag}?presence=true`));
    const answers = [
      await reader.request("GET", `/v1/tags/${tag}`),
      await reader.publish({ device: members[0]!.name }, {}, { wait: 0 }),
      await members[0]!.request("GET", `/v1/tags/${tag}?presence=true`),
      await relay.admin("GET", `/v1/tags/${tag}?presence=true`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 202, 200, 200]);
  });

  test("gets 429 for traces that ask mailboxes, and the admin does not", async () => {
    const sender = await relay.device();
    const id = await held(sender);
    await flood(() => sender.trace(id));
    (await relay.admin("GET", `/v1/messages/${id}`)).is(200);
  });
});

const by = (field: string) => (a: any, b: any) => (a[field] < b[field] ? -1 : 1);
