// A read costs what it asks for: one request never becomes more than about a hundred of the mailboxes, and how often
// a device may have others asked is limited.

import { readFileSync } from "node:fs";

import { beforeAll, describe, expect, test } from "vitest";

import { until, useRelay, within, type Answer, type Device } from "./harness/index.ts";

const METER = { name: "meter.js", script: readFileSync("bench/meter.js", "utf8") };
// So slow that no bucket fills while a test empties it.
const relay = useRelay({ vars: { ASK_RATE: 1 }, wrap: METER });

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
  /** The most that are sent; a bucket of a thousand mailboxes is empty long before. */
  const MOST = 400;

  /** Reads, ten at a time, until one `isTooMany`, which it has to be in the end. The first is not. */
  async function flood(read: () => Promise<Answer>, isTooMany: (answer: Answer) => boolean): Promise<Answer> {
    expect(isTooMany(await read())).toBe(false);
    for (let sent = 0; sent < MOST; sent += 10) {
      const answers = await Promise.all(Array.from({ length: 10 }, read));
      const answer = answers.find(isTooMany);
      if (answer) return answer;
    }
    throw new Error(`expected one of ${MOST} reads to be too many`);
  }

  const isRefused = ({ status }: Answer) => status === 429;

  /** It says when to come again. */
  function refuses(answer: Answer): void {
    answer.problem(429, "too_many_requests");
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  }

  test("gets 429 for the presence of a tag, and can still do everything else", async () => {
    const reader = await relay.device();
    refuses(await flood(() => reader.request("GET", `/v1/tags/${tag}?presence=true`), isRefused));
    const answers = [
      await reader.request("GET", `/v1/tags/${tag}`),
      await reader.publish({ device: members[0]!.name }, {}, { wait: 0 }),
      await members[0]!.request("GET", `/v1/tags/${tag}?presence=true`),
      await relay.admin("GET", `/v1/tags/${tag}?presence=true`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 202, 200, 200]);
  });

  test("gets 429 for binding itself to a tag", async () => {
    const reader = await relay.device(undefined, { tags: ["*"] });
    await flood(() => reader.request("GET", `/v1/tags/${tag}?presence=true`), isRefused);
    const bind = () => reader.request("PUT", `/v1/tags/joined/devices/${reader.name}`);
    const answers = await Promise.all(Array.from({ length: MOST }, bind));
    const tooMany = answers.filter(isRefused);
    expect(tooMany.length).toBeGreaterThan(0);
    tooMany.forEach(refuses);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204, 429]));
  });

  test("may read the presence of small tags as often as of their devices", async () => {
    const reader = await relay.device();
    const small = await relay.tag(reader);
    const read = () => reader.request("GET", `/v1/tags/${small}?presence=true`);
    // By the size of the page that they ask for these were fifteen hundred.
    for (const answer of await Promise.all(Array.from({ length: 30 }, read))) answer.is(200);
  });

  test("gets the recorded trace once its traces have asked too many mailboxes", async () => {
    const sender = await relay.device();
    const id = await held(sender);
    // What the mailboxes say is in no timeline that is recorded; how many are asked is what counts.
    let open = 0;
    const [, asks] = await asked(async () => {
      const answers = await Promise.all(Array.from({ length: 40 }, () => sender.trace(id)));
      for (const answer of answers) open += answer.is(200).summary.held;
      return answers[0]!;
    });
    expect(open).toBe(40 * MEMBERS);
    expect(asks).toBeLessThan(40 * 101);
    (await relay.admin("GET", `/v1/messages/${id}`)).is(200);
  });

  test("gets 429 for a cancellation, which changes nothing", async () => {
    const sender = await relay.device();
    const id = await held(sender);
    const full = Promise.withResolvers<void>();
    let goOn = true;
    // They take whatever room there is again before it is enough for a cancellation.
    const lane = async () => {
      while (goOn) if (isRefused(await sender.request("GET", `/v1/tags/${tag}?presence=true`))) full.resolve();
    };
    const lanes = Array.from({ length: 10 }, lane);
    try {
      await within(20_000, full.promise);
      refuses(await sender.cancel(id));
    } finally {
      goOn = false;
      await Promise.all(lanes);
    }
    expect((await relay.admin("GET", `/v1/messages/${id}`)).is(200).summary).toEqual({ held: MEMBERS });
  });
});

const by = (field: string) => (a: any, b: any) => (a[field] < b[field] ? -1 : 1);
